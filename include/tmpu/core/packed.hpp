// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/dtype.hpp"
#include "tmpu/core/vec.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tmpu {

/// Elements of a type of less than a byte, one a byte, as files and the machine hold them: several a byte, the first in the lowest bits.
constexpr vec<std::uint8_t> pack_elements(dtype_id type, std::span<const std::uint8_t> elements) {
  const auto bits = static_cast<std::size_t>(facts_of(type).bits);
  const std::size_t each = 8 / bits;
  vec<std::uint8_t> out(static_cast<std::size_t>(packed_bytes(type, static_cast<std::int64_t>(elements.size()))));
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const unsigned raw = elements[i] & ((1U << bits) - 1U);
    out[i / each] = static_cast<std::uint8_t>(out[i / each] | (raw << (bits * (i % each))));
  }
  return out;
}

/// And back: `count` elements, one a byte, signed integers extended to eight bits.
constexpr vec<std::uint8_t> unpack_elements(dtype_id type, std::span<const std::uint8_t> bytes, std::size_t count) {
  vec<std::uint8_t> out(count);
  const dtype_facts facts = facts_of(type);
  const auto bits = static_cast<std::size_t>(facts.bits);
  const std::size_t each = 8 / bits;
  const unsigned mask = (1U << bits) - 1U;
  const unsigned sign = facts.is_signed && !facts.floating ? 1U << (bits - 1) : 0U;
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned raw = (static_cast<unsigned>(bytes[i / each]) >> (bits * (i % each))) & mask;
    out[i] = static_cast<std::uint8_t>((raw ^ sign) - sign);
  }
  return out;
}

} // namespace tmpu
