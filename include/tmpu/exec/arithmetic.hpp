// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/activations.hpp"
#include "tmpu/core/dtype.hpp"

#include <cstdint>

namespace tmpu::exec {

/// value / 2^shift, rounded half away from zero. Shifts of a valid program are in [0, 62]; of any other the low six bits
/// count, since parameters are read from memory, where a damaged program may have left anything.
constexpr std::int64_t rounding_shift(std::int64_t value, std::int32_t shift) {
  const auto places = static_cast<std::uint32_t>(shift) & 63U;
  if (places == 0) return value;
  const auto bits = static_cast<std::uint64_t>(value);
  const std::uint64_t magnitude = value < 0 ? 0U - bits : bits;
  const std::uint64_t rounded = (magnitude + (std::uint64_t{1} << (places - 1))) >> places;
  return value < 0 ? -static_cast<std::int64_t>(rounded) : static_cast<std::int64_t>(rounded);
}

/// One 64-bit product (modulo 2^64, which no valid program reaches), one shift, one rounding.
constexpr std::int64_t requantize(std::int64_t value, std::int32_t multiplier, std::int32_t shift) {
  const auto wide = static_cast<std::uint64_t>(std::int64_t{multiplier});
  return rounding_shift(static_cast<std::int64_t>(static_cast<std::uint64_t>(value) * wide), shift);
}

/// a + b, modulo 2^64 like the product.
constexpr std::int64_t plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
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
