// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/quantize.hpp"
#include "tmpu/ir/graph.hpp"

/// Users give and get real numbers; a network's own inputs and outputs may be f16, bf16 or int8. This is the border.
namespace tmpu::host {

/// What a user gives for an input or gets for an output: f32 for floats and quantized integers, plain integers as the model has them.
constexpr dtype_id user_type(dtype_id type, const quantization& q, dtype_id edge) {
  if (edge != dtype_id::none) return edge;
  return is_floating(type) || q.present() ? dtype_id::f32 : type;
}

/// Real numbers (or integers) as the elements that an input holds: rounded, or quantized and saturated.
/// Errors: integers that the type which carries them on the chip cannot hold.
constexpr value to_edge(value v, dtype_id type, const quantization& q, std::string_view name) {
  if (!is_floating(v.type) && v.type != type && carrier_of(v.type) == type) {
    for (std::size_t i = 0; i < v.i.size(); ++i) {
      const bool beyond = v.type == dtype_id::u64 && v.i[i] < 0; // from 2^63 on
      if (beyond || v.i[i] < least_of(type) || v.i[i] > greatest_of(type)) {
        refuse(text("input '") << name << "': element " << i << " is " << v.i[i] << ", but the chip carries "
                               << name_of(v.type) << " in " << name_of(type)
                               << ": give numbers that it can hold, or leave the operators that read them to the host");
      }
    }
  }
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
constexpr value from_edge(value v, const quantization& q, dtype_id edge = dtype_id::none) {
  if (edge != dtype_id::none) v.type = edge;
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
