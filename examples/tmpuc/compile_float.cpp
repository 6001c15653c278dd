// SPDX-License-Identifier: Apache-2.0
#include "compile_passes.hpp"

namespace tmpuc {

tmpu::isa::program compile_float(tmpu::graph<tmpu::stage::origin> model, const compile_request& r,
                                 const stage_observer& see) {
  const tmpu::dtype_id type = mode_named(r.quantize).type;
  if (type == tmpu::dtype_id::f32) return compile_as<tmpu::f32>(std::move(model), r, see);
  if (type == tmpu::dtype_id::f16) return compile_as<tmpu::f16>(std::move(model), r, see);
  return compile_as<tmpu::bf16>(std::move(model), r, see);
}

void lower_float(tmpu::graph<tmpu::stage::origin> model, const compile_request& r) {
  const tmpu::dtype_id type = mode_named(r.quantize).type;
  if (type == tmpu::dtype_id::f32) return lower_as<tmpu::f32>(std::move(model), r);
  if (type == tmpu::dtype_id::f16) return lower_as<tmpu::f16>(std::move(model), r);
  return lower_as<tmpu::bf16>(std::move(model), r);
}

} // namespace tmpuc
