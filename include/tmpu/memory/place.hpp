// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/memory/solve.hpp"

#include <cstdint>
#include <span>

namespace tmpu::memory {

/// Offsets (bytes, multiples of the alignment) for all buffers, the space that they take, and what no placement can go below:
/// the greatest sum of sizes that live at one time.
struct placement {
  vec<std::int64_t> offsets;
  std::int64_t peak = 0;
  std::int64_t lower_bound = 0;
  [[nodiscard]] constexpr bool optimal() const { return peak == lower_bound; }
};

namespace detail {
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

/// Placement by greedy best fit: the best of the orders by size, by size times lifetime and by time; ends as soon as the bound
/// (the greatest sum alive at one time) is met.
constexpr placement place_greedily(std::span<const lifetime> buffers, std::int64_t align) {
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

namespace detail {
constexpr std::int64_t peak_of(std::span<const lifetime> buffers, const vec<std::int64_t>& offsets,
                               std::int64_t align) {
  std::int64_t peak = 0;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const std::int64_t end = offsets[i] + round_up(buffers[i].size, align);
    peak = end > peak ? end : peak;
  }
  return peak;
}
} // namespace detail

/// Lowers the peak of a placement by exact search within `steps` (see solver): first at the lower bound, then between what is proved
/// and what is reached. Proofs raise the lower bound, so that `optimal()` also says that the search has proved it.
constexpr void improve(placement& best, std::span<const lifetime> buffers, std::int64_t align, std::int64_t steps) {
  std::int64_t goal = best.lower_bound;
  std::int64_t open = best.lower_bound; // below it nothing is left to try
  while (best.peak > open && steps > 0) {
    solver search(buffers, align, goal);
    const outcome o = search.run((steps + 1) / 2, [] { return false; });
    steps -= search.steps() > 0 ? search.steps() : 1;
    if (o == outcome::placed) {
      best.offsets = search.offsets();
      best.peak = detail::peak_of(buffers, best.offsets, align);
    } else {
      open = goal + align;
      if (o == outcome::impossible) best.lower_bound = open;
    }
    goal = open + (best.peak - open) / 2 / align * align;
  }
}

/// Places buffers so that no two that live at the same time overlap: greedily, then by exact search within `steps`. Deterministic.
constexpr placement place(std::span<const lifetime> buffers, std::int64_t align, std::int64_t steps = 0) {
  placement best = place_greedily(buffers, align);
  improve(best, buffers, align, steps);
  return best;
}

/// A placement within a capacity: greedily, then by exact search until `steps` are used or `stop()` says so.
struct fitting {
  outcome result = outcome::limit;
  placement best;
};
template <class Stop>
constexpr fitting place_within(std::span<const lifetime> buffers, std::int64_t align, std::int64_t capacity,
                               std::int64_t steps, Stop&& stop) {
  fitting f{.result = outcome::limit, .best = place_greedily(buffers, align)};
  if (f.best.lower_bound > capacity) {
    f.result = outcome::impossible;
  } else if (f.best.peak <= capacity) {
    f.result = outcome::placed;
  } else {
    solver search(buffers, align, capacity);
    f.result = search.run(steps, stop);
    if (f.result == outcome::placed) {
      f.best.offsets = search.offsets();
      f.best.peak = detail::peak_of(buffers, f.best.offsets, align);
    }
  }
  return f;
}

} // namespace tmpu::memory
