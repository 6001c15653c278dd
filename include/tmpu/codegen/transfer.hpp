// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/codegen/emit_context.hpp"

namespace tmpu::codegen {

/// A copy of elements from global to global memory: for each dimension (outermost first) its extent and the strides, in
/// elements, on both sides.
struct strided_copy {
  struct dimension {
    std::int64_t extent = 1;
    std::int64_t from = 0;
    std::int64_t to = 0;
  };
  std::uint64_t source = 0;      ///< global address of the first element
  std::uint64_t destination = 0; ///< likewise
  dtype_id type = dtype_id::none;
  vec<dimension> dims;
};

/// What the emitter of an operator that only moves data sees.
struct transfer_context {
  const graph_body& g;
  const chip::facts& chip;
  node_id id = none;
  stream_builder& out;
  std::int64_t local_peak = 0; ///< bytes of a lane that were used to stage the data

  [[nodiscard]] constexpr const tensor& operand(std::size_t i) const { return g.at(g.operand(id, i)); }
  [[nodiscard]] constexpr const tensor& result() const { return g.at(g.result(id)); }
  constexpr std::uint64_t operand_address(std::size_t i) const { return address_of(g, g.operand(id, i)); }
  constexpr std::uint64_t result_address() const { return address_of(g, g.result(id)); }

  /// Operand i begins `offset` elements behind the begin of the result: memory assignment (memory::views) has let it lie where it belongs,
  /// since what is copied never overlaps its copy.
  [[nodiscard]] constexpr bool in_place(std::size_t i, std::int64_t offset) const {
    return operand_address(i) == result_address() + static_cast<std::uint64_t>(offset * bytes_of(result().type));
  }

  /// Row-major strides of a shape, in elements.
  [[nodiscard]] static constexpr vec<std::int64_t> strides(const shape& s) {
    vec<std::int64_t> list(s.rank(), 1);
    for (std::size_t i = s.rank(); i-- > 1;) list[i - 1] = list[i] * s[i];
    return list;
  }

  /// The copy of `extents` elements between two tensors, given strides and offsets (in elements) on both sides.
  [[nodiscard]] constexpr strided_copy between(std::uint64_t source, const shape& extents,
                                               const vec<std::int64_t>& from, std::int64_t from_offset,
                                               std::uint64_t destination, const vec<std::int64_t>& to,
                                               std::int64_t to_offset) const {
    const std::int64_t element = bytes_of(result().type);
    strided_copy job{.source = source + static_cast<std::uint64_t>(from_offset * element),
                     .destination = destination + static_cast<std::uint64_t>(to_offset * element),
                     .type = result().type,
                     .dims = {}};
    for (std::size_t d = 0; d < extents.rank(); ++d)
      job.dims.push_back({.extent = extents[d], .from = from[d], .to = to[d]});
    return job;
  }

  /// Copies through local memory, tile by tile: dimensions that lie behind each other on both sides are merged, the three
  /// innermost become [c, h, w] of a tile, the others are loops.
  constexpr void copy(strided_copy job) {
    vec<strided_copy::dimension> merged;
    for (const auto& d : job.dims) {
      if (d.extent == 1) continue;
      if (!merged.empty() && merged.back().from == d.from * d.extent && merged.back().to == d.to * d.extent) {
        merged.back() = {merged.back().extent * d.extent, d.from, d.to};
      } else {
        merged.push_back(d);
      }
    }
    while (merged.size() < 3) merged.insert(0, {});
    std::int64_t outer = 1;
    for (std::size_t i = 0; i + 3 < merged.size(); ++i) outer *= merged[i].extent;
    const std::int64_t element = bytes_of(job.type);
    for (std::int64_t o = 0; o < outer; ++o) {
      std::int64_t rest = o;
      std::int64_t from = 0;
      std::int64_t to = 0;
      for (std::size_t i = merged.size() - 3; i-- > 0;) {
        from += rest % merged[i].extent * merged[i].from;
        to += rest % merged[i].extent * merged[i].to;
        rest /= merged[i].extent;
      }
      tiles(job, merged.span().subspan(merged.size() - 3), from * element, to * element);
    }
  }

  /// Between a tensor [R, W] at `rows` and one [count, W] at `dense`, by the numbers (i32) of rows at `numbers`: wide rows in parts, many of
  /// them in turns. `move(there, index, part, here)` emits what moves a part: the rows `there`, these of them in local memory, and `here`.
  template <class Move>
  constexpr void rows(const tensor& all, std::uint64_t rows, std::uint64_t numbers, std::int64_t count,
                      std::uint64_t dense, Move&& move) {
    const std::int64_t element = bytes_of(all.type);
    const std::int64_t width = all.dims[1];
    constexpr std::int64_t number = bytes_of(dtype_id::i32);
    const std::int64_t most = (chip.local_bytes - number) / element; // elements of a lane beside one number
    const std::int64_t w_step = width < most ? width : most;
    // A lane holds a number and a row for each of its rows, the numbers first.
    std::int64_t a_lane = chip.local_bytes / (w_step * element + number);
    while (a_lane > 1 && round_up(a_lane * number, element) + a_lane * w_step * element > chip.local_bytes) --a_lane;
    a_lane = a_lane < 1 ? 1 : a_lane;
    const std::int64_t step = a_lane * chip.lanes < count ? a_lane * chip.lanes : count;
    for (std::int64_t c = 0; c < count; c += step) {
      const std::int64_t cs = count - c < step ? count - c : step;
      const isa::local_ref index = isa::make_local(chip, isa::layout::compact, dtype_id::i32, 1, cs, 1, 1, 0);
      const std::int64_t behind = round_up(ceil_div(cs, chip.lanes) * number, element);
      out.emit(isa::dma_load{
          .src = row_major(numbers + static_cast<std::uint64_t>(c * number), dtype_id::i32, cs, 1, 1), .dst = index});
      for (std::int64_t w = 0; w < width; w += w_step) {
        const std::int64_t ws = width - w < w_step ? width - w : w_step;
        const isa::local_ref part = isa::make_local(chip, isa::layout::compact, all.type, 1, cs, 1, ws, behind);
        use(behind + isa::lane_bytes(chip, isa::layout::compact, all.type, 1, cs, 1, ws));
        const isa::global_ref there =
            row_major(rows + static_cast<std::uint64_t>(w * element), all.type, all.dims[0], ws, width);
        const isa::global_ref here =
            row_major(dense + static_cast<std::uint64_t>((c * width + w) * element), all.type, cs, ws, width);
        move(there, index, part, here);
      }
    }
  }

  /// Writes `value` over a whole tensor of `elements` elements that lie behind each other.
  constexpr void fill(std::uint64_t address, dtype_id type, std::int64_t elements, float value) {
    const std::int64_t element = bytes_of(type);
    const std::int64_t most = chip.local_bytes / element;
    const std::int64_t row = elements < most ? elements : most;
    const isa::local_ref all = isa::make_local(chip, isa::layout::compact, type, 1, 1, 1, row, 0);
    use(row * element);
    out.emit(isa::fill{.y = all, .value = value});
    for (std::int64_t at = 0; at < elements; at += row) {
      const std::int64_t w = elements - at < row ? elements - at : row;
      isa::local_ref part = all;
      part.w = static_cast<std::int32_t>(w);
      const std::int64_t bytes = w * element;
      out.emit(isa::dma_store{.src = part,
                              .dst = {.address = address + static_cast<std::uint64_t>(at * element),
                                      .type = type,
                                      .n = 1,
                                      .c = 1,
                                      .h = 1,
                                      .w = static_cast<std::int32_t>(w),
                                      .n_stride = bytes,
                                      .c_stride = bytes,
                                      .h_stride = bytes,
                                      .w_stride = element}});
    }
  }

private:
  /// `count` rows of w elements, `width` elements apart, as [1, count, 1, w].
  static constexpr isa::global_ref row_major(std::uint64_t address, dtype_id type, std::int64_t count, std::int64_t w,
                                             std::int64_t width) {
    const std::int64_t element = bytes_of(type);
    return {.address = address,
            .type = type,
            .n = 1,
            .c = static_cast<std::int32_t>(count),
            .h = 1,
            .w = static_cast<std::int32_t>(w),
            .n_stride = 0,
            .c_stride = width * element,
            .h_stride = 0,
            .w_stride = element};
  }
  constexpr void use(std::int64_t bytes) { local_peak = bytes > local_peak ? bytes : local_peak; }

  // One [c, h, w] block: as many rows as fit, then fewer channels, then parts of a row.
  constexpr void tiles(const strided_copy& job, std::span<const strided_copy::dimension> d, std::int64_t from,
                       std::int64_t to) {
    const std::int64_t element = bytes_of(job.type);
    const std::int64_t capacity = chip.local_bytes / element;
    const auto at_most = [](std::int64_t want, std::int64_t limit) {
      return want < limit ? want : limit < 1 ? 1 : limit;
    };
    const std::int64_t w_step = at_most(d[2].extent, capacity);
    const std::int64_t h_step = at_most(d[1].extent, capacity / w_step);
    const std::int64_t c_step = at_most(d[0].extent, capacity / (w_step * h_step) * chip.lanes);
    for (std::int64_t c = 0; c < d[0].extent; c += c_step) {
      for (std::int64_t h = 0; h < d[1].extent; h += h_step) {
        for (std::int64_t w = 0; w < d[2].extent; w += w_step) {
          const std::int64_t cs = at_most(d[0].extent - c, c_step);
          const std::int64_t hs = at_most(d[1].extent - h, h_step);
          const std::int64_t ws = at_most(d[2].extent - w, w_step);
          const isa::local_ref staged = isa::make_local(chip, isa::layout::compact, job.type, 1, cs, hs, ws, 0);
          use(isa::lane_bytes(chip, isa::layout::compact, job.type, 1, cs, hs, ws));
          const auto side = [&](std::uint64_t base, std::int64_t offset, std::int64_t sc, std::int64_t sh,
                                std::int64_t sw) {
            return isa::global_ref{.address =
                                       base + static_cast<std::uint64_t>(offset + (c * sc + h * sh + w * sw) * element),
                                   .type = job.type,
                                   .n = 1,
                                   .c = staged.c,
                                   .h = staged.h,
                                   .w = staged.w,
                                   .n_stride = 0,
                                   .c_stride = sc * element,
                                   .h_stride = sh * element,
                                   .w_stride = sw * element};
          };
          out.emit(isa::dma_load{.src = side(job.source, from, d[0].from, d[1].from, d[2].from), .dst = staged});
          out.emit(isa::dma_store{.src = staged, .dst = side(job.destination, to, d[0].to, d[1].to, d[2].to)});
        }
      }
    }
  }
};

} // namespace tmpu::codegen
