// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/shape.hpp"
#include "tmpu/core/vec.hpp"

#include <cstdint>
#include <span>

namespace tmpu::memory {

/// A buffer of `size` bytes that lives in [first, last) of any time axis.
struct lifetime {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::int64_t size = 0;
};

/// Offsets (bytes, multiples of the alignment) for all buffers, the space that they take, and what no placement can go below:
/// the greatest sum of sizes that live at one time.
struct placement {
  vec<std::int64_t> offsets;
  std::int64_t peak = 0;
  std::int64_t lower_bound = 0;
  [[nodiscard]] constexpr bool optimal() const { return peak == lower_bound; }
};

namespace detail {
constexpr bool alive_together(const lifetime& a, const lifetime& b) { return a.first < b.last && b.first < a.last; }

enum class order { size, area, first };

constexpr bool goes_before(const lifetime& a, const lifetime& b, order by) {
  const auto key = [by](const lifetime& x) {
    switch (by) {
    case order::size: return x.size;
    case order::area: return x.size * (x.last - x.first);
    case order::first: return -x.first;
    }
    return x.size;
  };
  return key(a) > key(b);
}

/// Greedy best fit: buffers in the given order, each into the smallest gap between those placed that live at the same time.
constexpr placement place_in_order(std::span<const lifetime> buffers, std::int64_t align, order by) {
  vec<std::int32_t> sequence;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    std::size_t at = sequence.size();
    while (at > 0 && goes_before(buffers[i], buffers[static_cast<std::size_t>(sequence[at - 1])], by)) --at;
    sequence.insert(at, static_cast<std::int32_t>(i));
  }
  placement out;
  out.offsets.resize(buffers.size());
  vec<std::int32_t> placed; // by offset
  for (const std::int32_t s : sequence) {
    const auto i = static_cast<std::size_t>(s);
    const std::int64_t size = round_up(buffers[i].size, align);
    std::int64_t best = -1;
    std::int64_t best_gap = 0;
    std::int64_t end = 0; // first byte above everything below that lives at the same time
    for (const std::int32_t p : placed) {
      const auto j = static_cast<std::size_t>(p);
      if (!alive_together(buffers[i], buffers[j])) continue;
      const std::int64_t gap = out.offsets[j] - end;
      if (gap >= size && (best < 0 || gap < best_gap)) {
        best = end;
        best_gap = gap;
      }
      const std::int64_t above = out.offsets[j] + round_up(buffers[j].size, align);
      if (above > end) end = above;
    }
    out.offsets[i] = best < 0 ? end : best;
    if (out.offsets[i] + size > out.peak) out.peak = out.offsets[i] + size;
    std::size_t at = placed.size();
    while (at > 0 && out.offsets[static_cast<std::size_t>(placed[at - 1])] > out.offsets[i]) --at;
    placed.insert(at, s);
  }
  return out;
}
} // namespace detail

/// The greatest sum of (aligned) sizes alive at one time.
constexpr std::int64_t max_live(std::span<const lifetime> buffers, std::int64_t align) {
  std::int64_t most = 0;
  for (const lifetime& at : buffers) { // the maximum is reached where some buffer begins
    std::int64_t sum = 0;
    for (const lifetime& b : buffers) {
      if (b.first <= at.first && at.first < b.last) sum += round_up(b.size, align);
    }
    if (sum > most) most = sum;
  }
  return most;
}

/// Places buffers so that no two that live at the same time overlap: the best of greedy best fit by size, by size times
/// lifetime and by time. Deterministic. Stops as soon as the lower bound is met.
constexpr placement place(std::span<const lifetime> buffers, std::int64_t align) {
  const std::int64_t bound = max_live(buffers, align);
  placement best;
  bool first = true;
  for (const detail::order by : {detail::order::size, detail::order::area, detail::order::first}) {
    placement p = detail::place_in_order(buffers, align, by);
    if (first || p.peak < best.peak) best = std::move(p);
    first = false;
    if (best.peak == bound) break;
  }
  best.lower_bound = bound;
  return best;
}

} // namespace tmpu::memory
