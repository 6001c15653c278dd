// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/quantize.hpp"
#include "tmpu/ir/graph.hpp"

/// Users give and get real numbers; a network's own inputs and outputs may be f16, bf16 or int8. This is the border.
namespace tmpu::host {

/// What a user gives for an input or gets for an output: f32 for floats and quantized integers, plain integers as they are.
constexpr dtype_id user_type(dtype_id type, const quantization& q) {
  return is_floating(type) || q.present() ? dtype_id::f32 : type;
}

/// Real numbers (or integers) as the elements that an input holds: rounded, or quantized and saturated.
constexpr value to_edge(value v, dtype_id type, const quantization& q) {
  if (is_floating(v.type) && q.present()) {
    value out(type, v.dims);
    for (std::size_t i = 0; i < v.f.size(); ++i) {
      out.i[i] = quantize_value(v.f[i], q.scale, q.zero_point, least_of(type), greatest_of(type));
    }
    return out;
  }
  for (float& x : v.f) x = round_to(type, x);
  v.type = type;
  return v;
}

/// The other way.
constexpr value from_edge(value v, const quantization& q) {
  if (is_floating(v.type)) {
    v.type = dtype_id::f32;
    return v;
  }
  if (!q.present()) return v;
  value out(dtype_id::f32, v.dims);
  for (std::size_t i = 0; i < v.i.size(); ++i) out.f[i] = dequantize_value(v.i[i], q.scale, q.zero_point);
  return out;
}

} // namespace tmpu::host
