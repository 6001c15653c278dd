// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/group/plan.hpp"

/// Layer groups on several cores: the slices of a group are shared out along N, C and H, in runs of neighbours. Each core works in a
/// local memory of its own and moves what it needs itself; cores meet where the group ends.
namespace tmpu::group {

/// The steps of a group that a core takes: all K slices of a result stay together.
constexpr part steps_of_core(const slices& s, std::int64_t cores, std::int64_t core) {
  const std::int64_t results = s.steps() / s.k;
  const part own = part_of(results, cores < results ? cores : results, core);
  return {own.first * s.k, own.last * s.k};
}
/// How many cores have something to do.
constexpr std::int64_t cores_of(const slices& s, std::int64_t cores) {
  const std::int64_t results = s.steps() / s.k;
  return cores < results ? cores : results;
}
constexpr slices slices_of(const layer_group& lg) {
  return {lg.n_slices, lg.c_slices, lg.h_slices, lg.k_slices, lg.c_inside};
}

namespace detail {
/// Predicted cycles of a core that takes these steps: its computation beside its transfers, of which the first and last do not overlap.
constexpr std::int64_t core_cycles(const catalog& c, const tiling& t, const slices& s, const part& steps) {
  const chip::facts& chip = c.chip();
  vec<tpu::box> held(t.buffers().size());
  std::int64_t compute = 0;
  std::int64_t dma = 0;
  for (std::int64_t step = steps.first; step < steps.last; ++step) {
    const tiling::boxes boxes = t.infer(s, step, chip.lanes);
    for (std::size_t b = 0; b < boxes.size(); ++b) {
      const tiling::buffer& x = t.buffers()[b];
      const bool load = x.role == local_buffer::role_kind::load;
      const tpu::box moved = load ? boxes[b] : stored_slice(x.dims, s, step, chip.lanes);
      if (moved.empty() || (!load && !x.stored) || (load && held[b] == moved)) continue;
      held[b] = moved;
      dma += transfer_cycles(moved.n() * moved.c() * moved.h() * x.dims.w * bytes_of(x.type),
                             load ? chip.load_bytes_per_second : chip.store_bytes_per_second, chip);
    }
    for (std::int32_t i = 0; i < t.count(); ++i) {
      const tpu::box& out = boxes[t.result_buffer(i)];
      if (out.empty()) continue;
      const catalog::entry& e = c.node(t.first() + i);
      compute += tile_cycles(e, c.at(e.result), t.tile_of(i, out, s, step), chip);
    }
  }
  const std::int64_t pieces = (steps.last - steps.first) * t.count();
  return compute > dma ? compute + dma / pieces : dma + compute / pieces;
}
/// The cycles of the core that has most to do.
constexpr std::int64_t longest_core(const catalog& c, const tiling& t, const slices& s, std::int64_t cores) {
  std::int64_t longest = 0;
  for (std::int64_t core = 0; core < cores_of(s, cores); ++core) {
    const std::int64_t own = core_cycles(c, t, s, steps_of_core(s, cores, core));
    longest = own > longest ? own : longest;
  }
  return longest;
}

/// The most slices along each axis, 1 where the nodes cannot be cut.
constexpr slices most_slices(const catalog& c, const tiling& t) {
  slices most;
  for (const tiling::buffer& b : t.buffers()) {
    if (!b.stored) continue;
    most.n = b.dims.n > most.n ? b.dims.n : most.n;
    most.h = b.dims.h > most.h ? b.dims.h : most.h;
    const std::int64_t rounds = ceil_div(b.dims.c, c.chip().lanes);
    most.c = rounds > most.c ? rounds : most.c;
  }
  for (std::int32_t i = 0; i < t.count(); ++i) {
    const tpu::cuts& cut = c.node(t.first() + i).cut;
    if (!cut.n) most.n = 1;
    if (!cut.h) most.h = 1;
    if (!cut.c || t.count() > 1) most.c = 1;
  }
  return most;
}

/// Cuts a group anew, from the slices `base` on, where that is predicted to take less than `best.cycles`.
constexpr void recut(const catalog& c, const tiling& t, const slices& base, std::int64_t cores, plan& best) {
  const slices most = most_slices(c, t);
  const auto more = [&](std::int64_t count, std::int64_t limit) {
    const std::int64_t wanted = round_up(count, cores);
    return wanted < limit ? wanted : (limit > count ? limit : count);
  };
  const auto cut = [&](std::int64_t n, std::int64_t channels, std::int64_t h) {
    return slices{n, channels, h, base.k, base.c_inside};
  };
  const std::int64_t more_n = more(base.n, most.n);
  const std::int64_t more_c = more(base.c, most.c);
  const std::int64_t more_h = more(base.h, most.h);
  const std::int64_t rest = ceil_div(cores, more_c);
  const slices ways[] = {base,
                         cut(base.n, base.c, more_h),
                         cut(more_n, base.c, base.h),
                         cut(more_n, base.c, more_h),
                         cut(base.n, more_c, base.h),
                         cut(base.n, more_c, rest > base.h && rest <= most.h ? rest : base.h),
                         cut(base.n, more_c, more_h)};
  for (const slices& s : ways) {
    const std::int64_t cycles = longest_core(c, t, s, cores);
    if (best.fits && cycles >= best.cycles) continue;
    plan p = make_plan(t, s, 1, c.chip());
    if (!p.fits) p = make_plan(t, s, 0, c.chip());
    if (!p.fits) continue;
    p.cycles = p.schedule.cycles = cycles;
    best = std::move(p);
  }
}
} // namespace detail

/// Cuts groups anew for several cores, along H, N or (groups of one node) C, whichever keeps the busiest core busy for the least time; a group
/// goes apart into its nodes where these are predicted to be faster one by one: cut along C, each core loads its part of the weights only.
constexpr void share_among_cores(graph_body& g, const chip::facts& chip, std::int64_t cores) {
  const catalog c(g, chip);
  vec<layer_group> shared;
  for (layer_group& lg : g.groups) {
    if (!c.node(lg.first).tiled) {
      shared.push_back(std::move(lg));
      continue;
    }
    const tiling whole(g, lg.first, lg.count, c.readers());
    const slices before = slices_of(lg);
    plan best;
    best.fits = true;
    best.cycles = lg.cycles = detail::longest_core(c, whole, before, cores);
    best.schedule = std::move(lg);
    detail::recut(c, whole, before, cores, best);
    vec<plan> alone;
    std::int64_t cycles = 0;
    for (node_id id = best.schedule.first; best.schedule.count > 1 && id < best.schedule.first + best.schedule.count;
         ++id) {
      plan p;
      detail::recut(c, tiling(g, id, 1, c.readers()), {}, cores, p);
      cycles += p.cycles;
      alone.push_back(std::move(p));
      if (!alone.back().fits || cycles >= best.cycles) break;
    }
    if (alone.empty() || !alone.back().fits || cycles >= best.cycles) {
      shared.push_back(std::move(best.schedule));
    } else {
      for (plan& p : alone) shared.push_back(std::move(p.schedule));
    }
  }
  g.groups = std::move(shared);
}

} // namespace tmpu::group
