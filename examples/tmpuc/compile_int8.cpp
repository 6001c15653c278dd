// SPDX-License-Identifier: Apache-2.0
#include "compile_passes.hpp"

namespace tmpuc {

tmpu::isa::program compile_int8(tmpu::graph<tmpu::stage::origin> model, const compile_request& r,
                                const stage_observer& see) {
  return compile_as<tmpu::i8>(std::move(model), r, see);
}

void lower_int8(tmpu::graph<tmpu::stage::origin> model, const compile_request& r) {
  lower_as<tmpu::i8>(std::move(model), r);
}

} // namespace tmpuc
