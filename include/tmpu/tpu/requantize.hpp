// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/dtype.hpp"

#include <cstdint>

/// The integer arithmetic of Tpu operators, written apart from the executor's so that each can catch the other's mistakes.
namespace tmpu::tpu {

/// product / 2^shift, rounded half away from zero; |product| <= 2^62, shift in [0, 62].
constexpr std::int64_t shift_right(std::int64_t product, std::int64_t shift) {
  if (shift == 0) return product;
  const std::int64_t half = std::int64_t{1} << (shift - 1);
  return product < 0 ? -((half - product) >> shift) : (product + half) >> shift;
}

/// value * multiplier / 2^shift, rounded once, half away from zero: one 64-bit product and one right shift.
/// |value| < 2^31, 0 <= multiplier < 2^31.
constexpr std::int64_t requantize(std::int64_t value, std::int64_t multiplier, std::int64_t shift) {
  return shift_right(value * multiplier, shift);
}

/// numerator / denominator, rounded half away from zero; denominator > 0.
constexpr std::int64_t divide_half_away(std::int64_t numerator, std::int64_t denominator) {
  const std::int64_t magnitude = numerator < 0 ? -numerator : numerator;
  const std::int64_t rest = magnitude % denominator;
  const std::int64_t quotient = magnitude / denominator + (rest >= denominator - rest ? 1 : 0);
  return numerator < 0 ? -quotient : quotient;
}

/// The nearest value of an integer type.
constexpr std::int64_t saturate(dtype_id type, std::int64_t x) {
  const std::int64_t low = least_of(type);
  const std::int64_t high = greatest_of(type);
  return x < low ? low : (x > high ? high : x);
}

/// x between bounds that are held as floats (integers, or infinite).
constexpr std::int64_t clamp_integer(std::int64_t x, float low, float high) {
  if (static_cast<double>(x) < static_cast<double>(low)) return static_cast<std::int64_t>(low);
  if (static_cast<double>(x) > static_cast<double>(high)) return static_cast<std::int64_t>(high);
  return x;
}

static_assert(requantize(3, 1 << 30, 31) == 2 && requantize(-3, 1 << 30, 31) == -2); // 1.5 and -1.5
static_assert(requantize(-2147483647, 2147483647, 62) == -1 && requantize(5, 3, 0) == 15);
static_assert(divide_half_away(-5, 2) == -3 && divide_half_away(5, 3) == 2 && divide_half_away(1, 3) == 0);

} // namespace tmpu::tpu
