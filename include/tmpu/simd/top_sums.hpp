// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/fast_sums.hpp"
#include "tmpu/simd/sums.hpp"

/// The kernels for tensors of f32 that lie dense in memory: what inference at Top sums.
namespace tmpu::simd {

namespace detail {
/// The operands of a convolution at Top.
struct dense_job {
  static constexpr bool transposed = false;
  static constexpr bool dense = true;
  static constexpr dtype_id x_type = dtype_id::f32;
  static constexpr dtype_id w_type = dtype_id::f32;
  static constexpr dtype_id y_type = dtype_id::f32;
  static constexpr std::int32_t pad_value = 0;
  static constexpr bool resume = false;
  static constexpr bool finish = true;
  const sum_shape& s;
  const float* at_x;
  const float* at_w;
  const float* bias;
  float low, high;
  float* at_y;
  std::int64_t x_pitch = s.w.in * 4;
  std::int64_t y_pitch = s.w.out * 4;
  std::int64_t partial_pitch = 0;

  [[nodiscard]] const word* words(std::int64_t n, std::int64_t c) const {
    return reinterpret_cast<const word*>(plane(n, c));
  }
  [[nodiscard]] const std::uint8_t* x(std::int64_t n, std::int64_t c) const {
    return reinterpret_cast<const std::uint8_t*>(plane(n, c));
  }
  [[nodiscard]] const std::uint8_t* w(std::int64_t o) const {
    return reinterpret_cast<const std::uint8_t*>(at_w + o * s.channels * s.h.kernel * s.w.kernel);
  }
  [[nodiscard]] std::uint8_t* y(std::int64_t n, std::int64_t o) const {
    return reinterpret_cast<std::uint8_t*>(at_y + (n * s.groups * s.outputs + o) * s.h.out * s.w.out);
  }
  [[nodiscard]] static std::uint8_t* partial(std::int64_t, std::int64_t) { return nullptr; }
  /// A sum from +0 is never -0, so adding -0 leaves it as it is.
  [[nodiscard]] real_finish finish_of(std::int64_t o) const { return {bias == nullptr ? -0.0F : bias[o], low, high}; }

private:
  [[nodiscard]] const float* plane(std::int64_t n, std::int64_t c) const {
    return at_x + (n * s.groups * s.channels + c) * s.h.in * s.w.in;
  }
};

inline bool conv(const sum_shape& of, const float* x, const float* w, const float* bias, float low, float high,
                 float* y) {
  static thread_local scratch room;
  sum_shape s = of;
  if (s.h.plain() && s.w.plain()) {
    s.w.in = s.w.out = s.h.in * s.w.in;
    s.h = {};
  }
  if (!sensible(s, 1)) return false;
  const dense_job job{.s = s, .at_x = x, .at_w = w, .bias = bias, .low = low, .high = high, .at_y = y};
  const bool padded = s.h.padded() || s.w.padded();
  return convolution<true, dense_job>(kernels_of(best()), job, s, room).run() || !padded;
}

/// Columns [first, first + 64) of rows [k, k + count) of b, dense; what lies beyond them is zero.
inline void lay_panel(word* to, const matrix_view& b, std::int64_t k, std::int64_t count, std::int64_t first,
                      std::int64_t columns) {
  const std::int64_t width = columns - first < tile_places ? columns - first : tile_places;
  if (width < tile_places) std::memset(to, 0, static_cast<std::size_t>(count * tile_places) * sizeof(word));
  if (b.column == 1) {
    for (std::int64_t i = 0; i < count; ++i)
      std::memcpy(to + i * tile_places, b.data + (k + i) * b.row + first,
                  static_cast<std::size_t>(width) * sizeof(word));
    return;
  }
  // Sixteen lines of what is read and of what is written at a time.
  for (std::int64_t block = 0; block < count; block += vector) {
    const std::int64_t end = block + vector < count ? block + vector : count;
    for (std::int64_t j = 0; j < width; ++j) {
      for (std::int64_t i = block; i < end; ++i)
        store(to + i * tile_places + j, b.data[(k + i) * b.row + (first + j) * b.column]);
    }
  }
}

inline void product(const matrix_view& a, const matrix_view& b, std::int64_t rows, std::int64_t depth,
                    std::int64_t columns, float* y) {
  static thread_local scratch room;
  const kernels& k = kernels_of(best());
  // The side whose rows are contiguous gives the weights; a single place costs as much as sixteen.
  const bool turned = rows < vector && columns >= rows && b.row == 1;
  const matrix_view& left = turned ? matrix_view{b.data, b.column, b.row} : a;
  const matrix_view& right = turned ? matrix_view{a.data, a.column, a.row} : b;
  const std::int64_t high = turned ? columns : rows;
  const std::int64_t wide = turned ? rows : columns;
  const std::int64_t y_row = turned ? 1 : columns;
  const std::int64_t y_column = turned ? columns : 1;
  const float* weights = left.data;
  std::int64_t step = left.row;
  if (left.column != 1) {
    auto* packed = scratch::need(room.w, high * depth);
    for (std::int64_t m = 0; m < high; ++m) {
      for (std::int64_t i = 0; i < depth; ++i) store(packed + m * depth + i, left.data[m * left.row + i * left.column]);
    }
    weights = reinterpret_cast<const float*>(packed);
    step = depth;
  }
  constexpr std::int64_t most = plan::most_words;
  const std::int64_t part = depth < most ? depth : most;
  word* panel = scratch::need(room.x, part * tile_places);
  std::int32_t* offsets = scratch::need(room.offsets, part);
  for (std::int64_t i = 0; i < part; ++i) offsets[i] = static_cast<std::int32_t>(i * tile_places);
  auto* sums = reinterpret_cast<float*>(scratch::need(room.sums, round_up(high, tile_rows) * tile_places));
  for (std::int64_t first = 0; first < wide; first += tile_places) {
    const std::int64_t width = wide - first < tile_places ? wide - first : tile_places;
    std::memset(sums, 0, static_cast<std::size_t>(round_up(high, tile_rows) * tile_places) * sizeof(float));
    for (std::int64_t at = 0; at < depth; at += most) {
      const std::int64_t count = depth - at < most ? depth - at : most;
      lay_panel(panel, right, at, count, first, wide);
      for (std::int64_t m = 0; m < high; m += tile_rows) {
        const std::uint8_t* w[tile_rows];
        for (std::int64_t r = 0; r < tile_rows; ++r)
          w[r] = reinterpret_cast<const std::uint8_t*>(weights + (m + r < high ? m + r : m) * step + at);
        (high - m == 1 ? k.real_row : k.real_tile)(panel, offsets, count, w, sums + m * tile_places,
                                                   ceil_div(width, vector), nullptr);
      }
    }
    for (std::int64_t m = 0; m < high; ++m) {
      float* to = y + m * y_row + first * y_column;
      for (std::int64_t j = 0; j < width; ++j) to[j * y_column] = sums[m * tile_places + j];
    }
  }
}
} // namespace detail

inline constexpr fast_sums top_sums{.conv = detail::conv, .product = detail::product};

} // namespace tmpu::simd
