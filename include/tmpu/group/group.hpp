// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/group/plan.hpp"

namespace tmpu::group {

namespace detail {
/// What can be cut in the group at hand, and into how many parts at the most.
struct limits {
  std::int64_t n = 1;
  std::int64_t c = 1;
  std::int64_t h = 1;
  std::int64_t k = 1;
};

constexpr limits limits_of(const graph_body& g, const tiling& t, const chip::facts& chip) {
  limits most;
  for (const tiling::buffer& b : t.buffers()) {
    if (!b.stored) continue;
    most.n = b.dims.n > most.n ? b.dims.n : most.n;
    most.h = b.dims.h > most.h ? b.dims.h : most.h;
    const std::int64_t blocks = ceil_div(b.dims.c, chip.lanes);
    most.c = blocks > most.c ? blocks : most.c;
  }
  for (std::int32_t i = 0; i < t.count(); ++i) {
    const node_id id = t.first() + i;
    const tpu::cuts cut = tpu::record(g, id).cut(g, id);
    if (!cut.n) most.n = 1;
    if (!cut.h) most.h = 1;
    // A cut along C or K makes every producer run again for each part, so that only single nodes take it.
    if (!cut.c || t.count() > 1) most.c = 1;
    most.k = cut.k && t.count() == 1 ? tpu::record(g, id).inner(g, id) : 1;
  }
  return most;
}

/// The next number of slices to try: every one while few, then a quarter more each time.
constexpr std::int64_t next_count(std::int64_t count, std::int64_t most) {
  const std::int64_t next = count + (count < 8 ? 1 : count / 4);
  return count < most && next > most ? most : next;
}

/// A candidate that an estimate found to fit.
struct candidate {
  slices cut;
  bool prefetch = false;
  std::int64_t cycles = 0;
};

/// The least number of slices along H with which the group fits, by bisection (more slices never need more rows at once); most + 1: none.
/// `bytes` is lowered to the least need seen.
constexpr std::int64_t least_rows_cut(const graph_body& g, const tiling& t, slices s, std::int64_t most, bool prefetch,
                                      const chip::facts& chip, std::int64_t& bytes) {
  const auto fits = [&](std::int64_t h) {
    s.h = h;
    const estimate e = estimate_plan(g, t, s, prefetch, chip);
    if (bytes == 0 || e.bytes < bytes) bytes = e.bytes;
    return e.bytes <= chip.local_bytes;
  };
  if (fits(1)) return 1;
  if (most == 1 || !fits(most)) return most + 1;
  std::int64_t low = 1;
  std::int64_t high = most;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (fits(middle) ? high : low) = middle;
  }
  return high;
}

/// The best way found to cut the group. Along H the least number of slices that fits is tried and a few more, since more
/// slices overlap better. K is cut only where nothing else helps, C only in groups of one node.
constexpr plan best_plan(const graph_body& g, const tiling& t, const chip::facts& chip) {
  const limits most = limits_of(g, t, chip);
  constexpr int tries = 3;
  plan none_fits;
  vec<candidate> found;
  for (std::int64_t k = 1; k <= most.k && found.empty(); k *= 2) {
    for (std::int64_t n = 1; n <= most.n; n = n == most.n ? n + 1 : most.n) {
      for (std::int64_t c = 1; c <= most.c && (found.empty() || c <= 4 * found.front().cut.c);
           c = next_count(c, most.c)) {
        for (const bool prefetch : {true, false}) {
          slices s{n, c, 1, k};
          s.h = least_rows_cut(g, t, s, most.h, prefetch, chip, none_fits.bytes_needed);
          for (int i = 0; i < (prefetch ? tries : 1) && s.h <= most.h; ++i, s.h = next_count(s.h, most.h)) {
            found.push_back({s, prefetch, estimate_plan(g, t, s, prefetch, chip).cycles});
          }
        }
      }
    }
  }
  // An estimate looks at typical steps and does not place; the plan itself decides, best estimate first.
  while (!found.empty()) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < found.size(); ++i) {
      if (found[i].cycles < found[best].cycles) best = i;
    }
    plan p = make_plan(g, t, found[best].cut, found[best].prefetch, chip);
    if (p.fits) return p;
    found.erase(best);
  }
  return none_fits;
}
} // namespace detail

/// How much is done to keep data in local memory.
enum class effort : std::uint8_t {
  none,   ///< every node is a group of its own: each tensor and weight is moved once a layer
  greedy, ///< a group takes the next node as long as that is predicted to be faster
  full    ///< the fastest partition
};

/// Layer group: partitions the nodes, in their order, into groups that run in local memory; a group has at most `max_nodes`.
/// The full search is dynamic programming over the predicted cycles of each possible group.
///
/// Errors: one line with the node and the bytes when even a single node, cut as finely as it allows, exceeds local memory.
struct layer_group_pass {
  static constexpr std::string_view name = "group";
  static constexpr stage from = stage::lowered;
  static constexpr stage to = stage::grouped;
  static constexpr std::int32_t max_nodes = 24;

  static constexpr graph<stage::grouped> run(graph<stage::lowered> g, const chip::facts& chip,
                                             effort how = effort::full) {
    const vec<std::int32_t> readers = last_readers(g);
    if (how == effort::full) { // not ?:, whose results g++ 12 destroys early in constant evaluation
      g.groups = search(g, readers, chip);
    } else {
      g.groups = grow(g, readers, chip, how);
    }
    return graph<stage::grouped>(std::move(g));
  }

  /// The best plan found for the nodes [first, first + size); `fits` is false where there is none.
  static constexpr plan plan_of(const graph_body& g, node_id first, std::int32_t size,
                                std::span<const std::int32_t> readers, const chip::facts& chip) {
    if (!tpu::is_tiled(g, first) || !tpu::is_tiled(g, first + size - 1)) {
      plan p; // a host step, or moves data in global memory: a group of its own, with all of local memory to stage it
      p.fits = size == 1;
      p.schedule.first = first;
      p.schedule.count = 1;
      p.schedule.n_slices = p.schedule.c_slices = p.schedule.h_slices = p.schedule.k_slices = 1;
      return p;
    }
    const tiling t(g, first, size, readers);
    if (!t.legal()) return {};
    return detail::best_plan(g, t, chip);
  }

private:
  static constexpr vec<layer_group> grow(const graph_body& g, const vec<std::int32_t>& readers, const chip::facts& chip,
                                         effort how) {
    const auto count = static_cast<std::int32_t>(g.nodes.size());
    const auto alone = [&](node_id id) {
      plan p = plan_of(g, id, 1, readers, chip);
      if (!p.fits) refuse_node(g, id, p, chip);
      return p;
    };
    vec<layer_group> groups;
    for (std::int32_t first = 0; first < count;) {
      plan group = alone(first);
      std::int32_t end = first + 1;
      while (how == effort::greedy && end < count && end - first < max_nodes) {
        const plan next = alone(end);
        plan longer = plan_of(g, first, end + 1 - first, readers, chip);
        if (!longer.fits || longer.cycles > group.cycles + next.cycles) break;
        group = std::move(longer);
        ++end;
      }
      groups.push_back(std::move(group.schedule));
      first = end;
    }
    return groups;
  }

  static constexpr vec<layer_group> search(const graph_body& g, const vec<std::int32_t>& readers,
                                           const chip::facts& chip) {
    const auto count = static_cast<std::int32_t>(g.nodes.size());
    struct choice {
      std::int64_t cycles = 0;
      layer_group schedule{};
    };
    vec<choice> best(static_cast<std::size_t>(count) + 1);
    for (std::int32_t end = 1; end <= count; ++end) {
      bool found = false;
      for (std::int32_t size = 1; size <= max_nodes && size <= end; ++size) {
        const node_id first = end - size;
        plan p = plan_of(g, first, size, readers, chip);
        if (!p.fits) {
          if (size == 1) refuse_node(g, first, p, chip);
          break; // what does not fit does not fit with more nodes either
        }
        const std::int64_t cycles = best[static_cast<std::size_t>(first)].cycles + p.cycles;
        choice& b = best[static_cast<std::size_t>(end)];
        if (!found || cycles < b.cycles) {
          b.cycles = cycles;
          b.schedule = std::move(p.schedule);
          found = true;
        }
      }
    }
    vec<layer_group> reversed;
    for (std::int32_t end = count; end > 0; end -= reversed.back().count) {
      reversed.push_back(std::move(best[static_cast<std::size_t>(end)].schedule));
    }
    vec<layer_group> groups;
    for (std::size_t i = reversed.size(); i-- > 0;) groups.push_back(std::move(reversed[i]));
    return groups;
  }

  [[noreturn]] static void refuse_node(const graph_body& g, node_id id, const plan& p, const chip::facts& chip) {
    refuse(text("node '") << g.node_name(id) << "' (" << g.node_at(id).op->info.name << ") does not fit " << chip.name
                          << ": its smallest tile needs " << p.bytes_needed
                          << " bytes of local memory a lane and there are " << chip.local_bytes
                          << ": use a chip with more local memory or a narrower dtype");
  }
};

} // namespace tmpu::group
