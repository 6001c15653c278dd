// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/shape.hpp"
#include "tmpu/simd/scratch.hpp"
#include "tmpu/simd/tile.hpp"

#include <utility>

/// Sums over f32 that lie dense in memory: rows of weights times a matrix with a column for each place of the result; panels of
/// 64 columns are copied out of it, a part of K at a time, and stay in the first-level cache while the rows run over them.
namespace tmpu::simd {

/// y[m, p] = sum over k of w(m)[k] * x[k, p]: `rows` by `places`, `depth` products each.
struct product_size {
  std::int64_t rows = 0;
  std::int64_t depth = 0;
  std::int64_t places = 0;
};

/// `lay(to, k, count, place, width)` copies columns [place, place + width) of rows [k, k + count) of x to rows of 64
/// floats; `put(m, place, y, finish)` says where the finished row m of a panel goes, and `done(m, count, place, width)` is told
/// that rows [m, m + count) went there. Row m of the weights begins at w + m * step. Says whether a result is no number.
template <class Lay, class Put, class Done>
bool sum_panels(const kernels& kernel, scratch& room, const product_size& size, const float* w, std::int64_t step,
                Lay&& lay, Put&& put, Done&& done) {
  constexpr std::int64_t part = 128;         // of K: 32 KiB of a panel
  constexpr std::int64_t block = 256;        // rows whose part stays in the second-level cache
  constexpr std::int64_t near = 1024 * 1024; // floats of sums that wait for the next part
  const std::int64_t vectors = ceil_div(size.places, vector);
  const std::int64_t panels = ceil_div(vectors, tile_places / vector);
  const auto start = [&](std::int64_t panel) { return vectors * panel / panels * vector; }; // all about as wide
  const auto width_of = [&](std::int64_t panel) {
    const std::int64_t end = start(panel + 1);
    return (end < size.places ? end : size.places) - start(panel);
  };
  const std::int64_t sums_of_panel = round_up(size.rows, tall_rows) * tile_places;
  const std::int64_t fit = near / sums_of_panel;
  const std::int64_t most = size.depth <= part || fit < 1 ? 1 : fit > 8 ? 8 : fit;
  const std::int64_t panel_size = (size.depth < part ? size.depth : part) * tile_places;
  float* laid = aligned_floats(scratch::need(room.w, most * panel_size + 2 * tile_places));
  const bool whole = size.depth <= part; // no sum waits for another part
  float* sums = aligned_floats(
      scratch::need(room.partial, (whole ? tall_rows * tile_places : most * sums_of_panel) + tile_places));
  bool odd = false;
  fused_end end;
  for (std::int64_t first = 0; first < panels; first += most) {
    const std::int64_t together = panels - first < most ? panels - first : most;
    for (std::int64_t at = 0; at < size.depth; at += part) {
      const std::int64_t count = size.depth - at < part ? size.depth - at : part;
      const bool last = at + count == size.depth;
      for (std::int64_t i = 0; i < together; ++i)
        lay(laid + i * panel_size, at, count, start(first + i), width_of(first + i));
      for (std::int64_t top = 0; top < size.rows; top += block) {
        const std::int64_t bottom = size.rows - top < block ? size.rows : top + block;
        for (std::int64_t i = 0; i < together; ++i) {
          const std::int64_t place = start(first + i);
          const std::int64_t width = width_of(first + i);
          end.width = width;
          const bool tall = width <= vector && size.rows > tile_rows;
          const std::int64_t rows = tall ? tall_rows : tile_rows;
          const auto point_at = [&](const float** to, std::int64_t m) {
            for (std::int64_t r = 0; r < rows; ++r) to[r] = w + (m + r < size.rows ? m + r : m) * step + at;
          };
          const float* pointers[2][tall_rows];
          const float** row = pointers[0];
          const float** next = pointers[1];
          point_at(row, top);
          for (std::int64_t m = top; m < bottom; m += rows) {
            const std::int64_t high = size.rows - m < rows ? size.rows - m : rows;
            const bool more = m + rows < size.rows;
            if (more) point_at(next, m + rows);
            for (std::int64_t r = 0; last && r < rows; ++r) {
              end.y[r] = nullptr;
              if (r >= high) continue;
              put(m + r, place, end.y[r], end.f[r]);
              for (std::int64_t p = 0; p < width; p += line_floats) __builtin_prefetch(end.y[r] + p, 1);
            }
            const auto multiply = tall ? kernel.fused_tall : high == 1 ? kernel.fused_row : kernel.fused_tile;
            odd = multiply(laid + i * panel_size, count, row, more ? next : nullptr,
                           whole ? sums : sums + i * sums_of_panel + m * tile_places, ceil_div(width, vector), at != 0,
                           last ? &end : nullptr) ||
                  odd;
            if (last) done(m, high, place, width);
            std::swap(row, next);
          }
        }
      }
    }
  }
  return odd;
}

} // namespace tmpu::simd
