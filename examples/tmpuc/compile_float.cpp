// SPDX-License-Identifier: Apache-2.0
#include "compile_passes.hpp"

namespace tmpuc {

tmpu::isa::program compile_float(tmpu::graph<tmpu::stage::origin> model, const compile_request& r,
                                 const stage_observer& see) {
  if (r.quantize == "f32") return compile_as<tmpu::f32>(std::move(model), r, see);
  if (r.quantize == "f16") return compile_as<tmpu::f16>(std::move(model), r, see);
  return compile_as<tmpu::bf16>(std::move(model), r, see);
}

void lower_float(tmpu::graph<tmpu::stage::origin> model, const compile_request& r) {
  if (r.quantize == "f32") return lower_as<tmpu::f32>(std::move(model), r);
  if (r.quantize == "f16") return lower_as<tmpu::f16>(std::move(model), r);
  return lower_as<tmpu::bf16>(std::move(model), r);
}

} // namespace tmpuc
