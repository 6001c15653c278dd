// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/activations.hpp"
#include "tmpu/core/dtype.hpp"

#include <cstdint>

namespace tmpu::exec {

/// value / 2^shift, rounded half away from zero. shift in [0, 62].
constexpr std::int64_t rounding_shift(std::int64_t value, std::int32_t shift) {
  if (shift == 0) return value;
  const std::int64_t half = std::int64_t{1} << (shift - 1);
  return value >= 0 ? (value + half) >> shift : -((-value + half) >> shift);
}

/// One 64-bit product, one shift, one rounding.
constexpr std::int64_t requantize(std::int64_t value, std::int32_t multiplier, std::int32_t shift) {
  return rounding_shift(value * multiplier, shift);
}

/// To the range of an integer type and to [low, high].
constexpr std::int32_t saturate(std::int64_t value, dtype_id type, float low, float high) {
  std::int64_t least = least_of(type);
  std::int64_t greatest = greatest_of(type);
  if (low > static_cast<float>(least)) least = static_cast<std::int64_t>(low);
  if (high < static_cast<float>(greatest)) greatest = static_cast<std::int64_t>(high);
  return static_cast<std::int32_t>(value < least ? least : value > greatest ? greatest : value);
}

} // namespace tmpu::exec
