// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/quantize.hpp"
#include "tmpu/ir/graph.hpp"
#include "tmpu/simd/tile.hpp"

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
    const std::int64_t least = least_of(type);
    const std::int64_t greatest = greatest_of(type);
    if (!std::is_constant_evaluated() && (type == dtype_id::i8 || type == dtype_id::u8)) {
      vec<std::uint8_t> bytes(v.f.size());
      simd::kernels_of(simd::best())
          .quantize(bytes.data(), v.f.data(), static_cast<std::int64_t>(v.f.size()), q.scale,
                    static_cast<std::int32_t>(q.zero_point), static_cast<std::int32_t>(least),
                    static_cast<std::int32_t>(greatest));
      for (std::size_t i = 0; i < bytes.size(); ++i)
        out.i[i] = type == dtype_id::i8 ? std::int64_t{static_cast<std::int8_t>(bytes[i])} : std::int64_t{bytes[i]};
      return out;
    }
    for (std::size_t i = 0; i < v.f.size(); ++i)
      out.i[i] = quantize_input(v.f[i], q.scale, q.zero_point, least, greatest);
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
