// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/fast_loops.hpp"
#include "tmpu/simd/panels.hpp"

/// Matrix products of f32 that lie dense in memory, of inference at Top.
namespace tmpu::simd {

namespace detail {

/// Cycles, about: the products of padded tiles, and floats that are moved one by one or a vector at a time.
inline std::int64_t cost_of(const product_size& size, const matrix_view& left, const matrix_view& right) {
  const std::int64_t rows = size.rows == 1 ? 1 : round_up(size.rows, tile_rows);
  const auto moved = [](const matrix_view& m) { return m.column == 1 ? 2 : m.row == 1 ? 3 : 32; };
  const std::int64_t packed = left.column == 1 ? 0 : moved({left.data, left.column, left.row}) + 2;
  return rows * round_up(size.places, vector) * size.depth / 32 +
         (packed * size.rows + moved(right) * size.places) * size.depth / 8;
}

/// y = clamp(a b + bias): rows of a run over panels of b, or rows of b's transpose over panels of a's.
inline void product(const matrix_view& a, const matrix_view& b, std::int64_t rows, std::int64_t depth,
                    std::int64_t columns, const product_end& end, float* y) {
  static thread_local scratch room;
  const kernels& kernel = kernels_of(best());
  const matrix_view a_turned{a.data, a.column, a.row};
  const matrix_view b_turned{b.data, b.column, b.row};
  const bool turned =
      cost_of({columns, depth, rows}, b_turned, a_turned) + rows * columns / 2 < cost_of({rows, depth, columns}, a, b);
  const matrix_view& left = turned ? b_turned : a;
  const matrix_view& right = turned ? a_turned : b;
  const product_size size{turned ? columns : rows, depth, turned ? rows : columns};
  const float* weights = left.data;
  std::int64_t step = left.row;
  if (left.column != 1) {
    auto* packed = reinterpret_cast<float*>(scratch::need(room.x, size.rows * depth));
    if (left.row == 1) {
      kernel.turn(packed, depth, left.data, left.column, size.rows, depth);
    } else {
      for (std::int64_t m = 0; m < size.rows; ++m) {
        for (std::int64_t i = 0; i < depth; ++i) packed[m * depth + i] = left.data[m * left.row + i * left.column];
      }
    }
    weights = packed;
    step = depth;
  }
  const auto lay = [&](float* panel, std::int64_t k, std::int64_t count, std::int64_t place, std::int64_t width) {
    const float* from = right.data + k * right.row + place * right.column;
    if (right.column == 1) {
      for (std::int64_t i = 0; i < count; ++i)
        kernel.runs(panel + i * tile_places, from + i * right.row, {width, width}, width);
    } else if (right.row == 1) {
      kernel.turn(panel, tile_places, from, right.column, count, width);
    } else {
      for (std::int64_t i = 0; i < count; ++i) {
        for (std::int64_t j = 0; j < width; ++j) panel[i * tile_places + j] = from[i * right.row + j * right.column];
      }
    }
  };
  if (!turned) {
    const auto put = [&](std::int64_t m, std::int64_t place, float*& at, real_finish& f) {
      at = y + m * columns + place;
      // A sum from +0 is never -0, so adding -0 leaves it as it is.
      f = {-0.0F, end.bias == nullptr ? end.low : -math::infinity<float>,
           end.bias == nullptr ? end.high : math::infinity<float>};
    };
    const auto done = [&](std::int64_t m, std::int64_t count, std::int64_t place, std::int64_t width) {
      for (std::int64_t r = 0; end.bias != nullptr && r < count; ++r) {
        float* row = y + (m + r) * columns + place;
        for (std::int64_t j = 0; j < width; ++j) row[j] = end(row[j], place + j);
      }
    };
    sum_panels(kernel, room, size, weights, step, lay, put, done);
    return;
  }
  // Sixteen rows of a panel at a time are turned on their way out.
  constexpr std::int64_t high = 16;
  alignas(64) float block[high * tile_places];
  const auto put = [&](std::int64_t m, std::int64_t, float*& at, real_finish& f) {
    at = block + m % high * tile_places;
    f = {end.bias == nullptr ? -0.0F : end.bias[m], end.low, end.high};
  };
  const auto done = [&](std::int64_t m, std::int64_t count, std::int64_t place, std::int64_t width) {
    const std::int64_t stop = m + count;
    if (stop % high != 0 && stop != size.rows) return;
    const std::int64_t first = m / high * high;
    for (std::int64_t p = 0; p < width; p += 8) {
      kernel.turn(y + (place + p) * columns + first, columns, block + p, tile_places, width - p < 8 ? width - p : 8,
                  stop - first);
    }
  };
  sum_panels(kernel, room, size, weights, step, lay, put, done);
}

} // namespace detail
} // namespace tmpu::simd
