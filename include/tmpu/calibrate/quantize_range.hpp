// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/math.hpp"
#include "tmpu/ir/graph.hpp"

#include <cstdint>

/// From a range to the scale and zero point of int8: real = scale * (q - zero_point).
namespace tmpu::calibrate {

/// Symmetric: zero point 0; i8 with scale threshold / 127, or, for a tensor that is never negative, u8 with threshold /
/// 255 (is_unsigned tells). The threshold is positive.
constexpr quantization symmetric_quantization(const activation_range& range, bool& is_unsigned) {
  is_unsigned = range.min >= 0.0F;
  return {range.threshold / (is_unsigned ? 255.0F : 127.0F), 0};
}

/// Asymmetric i8: [min, max], extended so that it holds zero, on -128 ... 127. The zero point is an integer, so zero is
/// exact; what lies in the range is met within one step. A range of zero width takes the threshold as its maximum.
constexpr quantization asymmetric_quantization(const activation_range& range) {
  const double low = range.min < 0.0F ? range.min : 0.0F;
  double high = range.max > 0.0F ? range.max : 0.0F;
  if (low == high) high = range.threshold;
  const auto scale = static_cast<float>((high - low) / 255.0);
  const double zero_point = math::round_half_away(-128.0 - low / static_cast<double>(scale));
  if (zero_point <= -128.0) return {scale, -128};
  if (zero_point >= 127.0) return {scale, 127};
  return {scale, static_cast<std::int32_t>(zero_point)};
}

} // namespace tmpu::calibrate
