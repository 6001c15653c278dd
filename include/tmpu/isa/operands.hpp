// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/chip/chip.hpp"
#include "tmpu/core/dtype.hpp"
#include "tmpu/core/reflect.hpp"
#include "tmpu/core/shape.hpp"

#include <cstdint>
#include <string_view>

namespace tmpu::isa {

/// Parts of global memory. Addresses are `region << 40 | byte offset`; of what only the host holds, `region << 40 | slot`.
enum class region : std::uint8_t { weights = 0, activations = 1, host = 2 };
constexpr std::uint64_t global_address(region r, std::int64_t offset) {
  return (static_cast<std::uint64_t>(r) << 40) | static_cast<std::uint64_t>(offset);
}
constexpr region region_of(std::uint64_t address) { return static_cast<region>(address >> 40); }
constexpr std::int64_t offset_of(std::uint64_t address) {
  return static_cast<std::int64_t>(address & ((std::uint64_t{1} << 40) - 1));
}

/// How a tensor's channels lie over the lanes.
enum class spread : std::uint8_t {
  lanes = 0, ///< channel c in lane (start + c) mod lanes
  copy = 1,  ///< every lane holds all channels
};
constexpr std::string_view name_of(spread s) { return s == spread::lanes ? "lanes" : "copy"; }

/// A tensor [n, c, h, w] in local memory. Element (n, c, h, w) with spread::lanes lies in lane (lane + c) mod lanes at byte
/// address + n * n_stride + ((lane + c) / lanes) * c_stride + h * h_stride + w * size of the element;
/// with spread::copy in every lane at address + n * n_stride + c * c_stride + h * h_stride + w * size.
struct local_ref {
  TMPU_STRUCT((std::uint32_t, address), (dtype_id, type), (isa::spread, spread), (std::int32_t, lane),
              (std::int32_t, n), (std::int32_t, c), (std::int32_t, h), (std::int32_t, w), (std::int32_t, n_stride),
              (std::int32_t, c_stride), (std::int32_t, h_stride));
};

/// A tensor [n, c, h, w] in global memory; strides in bytes, any order.
struct global_ref {
  TMPU_STRUCT((std::uint64_t, address), (dtype_id, type), (std::int32_t, n), (std::int32_t, c), (std::int32_t, h),
              (std::int32_t, w), (std::int64_t, n_stride), (std::int64_t, c_stride), (std::int64_t, h_stride),
              (std::int64_t, w_stride));
};

/// Bytes of a row of a tensor in local memory; elements of less than a byte lie packed, the first in the lowest bits.
constexpr std::int64_t row_bytes(dtype_id type, std::int64_t w) { return packed_bytes(type, w); }
constexpr std::int64_t row_bytes(const local_ref& r) { return row_bytes(r.type, r.w); }

/// The operand as transfers see it: elements of less than a byte as the bytes that they lie in.
constexpr local_ref as_bytes(local_ref r) {
  if (!is_packed(r.type)) return r;
  r.w = static_cast<std::int32_t>(row_bytes(r));
  r.type = dtype_id::u8;
  return r;
}

/// Layouts of local memory (docs/design.md, "The machine").
enum class layout : std::uint8_t {
  aligned, ///< channels over lanes, each h x w plane padded to EU bytes: activations
  compact, ///< channels over lanes, planes not padded: weights [1, OC, IC, KH*KW], bias and multipliers [1, OC, 1, k]
  copy,    ///< the whole tensor in every lane, not padded: tables, the broadcast operand of a matrix product
};

/// Bytes of one lane that a tensor [n, c, h, w] of this layout takes, start lane 0.
constexpr std::int64_t lane_bytes(const chip::facts& chip, layout l, dtype_id type, std::int64_t n, std::int64_t c,
                                  std::int64_t h, std::int64_t w) {
  const std::int64_t plane = h * row_bytes(type, w);
  switch (l) {
  case layout::aligned: return n * ceil_div(c, chip.lanes) * round_up(plane, chip.eu_bytes);
  case layout::compact: return n * ceil_div(c, chip.lanes) * plane;
  case layout::copy: return n * c * plane;
  }
  return 0;
}

/// The operand that a tensor of this layout is, start lane 0.
constexpr local_ref make_local(const chip::facts& chip, layout l, dtype_id type, std::int64_t n, std::int64_t c,
                               std::int64_t h, std::int64_t w, std::int64_t address) {
  const std::int64_t plane = h * row_bytes(type, w);
  const std::int64_t c_stride = l == layout::aligned ? round_up(plane, chip.eu_bytes) : plane;
  const std::int64_t rows = l == layout::copy ? c : ceil_div(c, chip.lanes);
  return {.address = static_cast<std::uint32_t>(address),
          .type = type,
          .spread = l == layout::copy ? spread::copy : spread::lanes,
          .lane = 0,
          .n = static_cast<std::int32_t>(n),
          .c = static_cast<std::int32_t>(c),
          .h = static_cast<std::int32_t>(h),
          .w = static_cast<std::int32_t>(w),
          .n_stride = static_cast<std::int32_t>(rows * c_stride),
          .c_stride = static_cast<std::int32_t>(c_stride),
          .h_stride = static_cast<std::int32_t>(row_bytes(type, w))};
}

} // namespace tmpu::isa
