// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/group/tiling.hpp"

namespace tmpu::group {

/// A group cut in one way: whether it fits, what it is predicted to cost, and the schedule itself.
struct plan {
  bool fits = false;
  std::int64_t cycles = 0;
  std::int64_t bytes_needed = 0; ///< bytes of a lane
  layer_group schedule{};
};

namespace detail {
/// Predicted compute cycles of one tile. Multiply-accumulates run with the output channels padded to the lanes; everything
/// else passes one execution-unit width of each lane a cycle, twice (read and write).
constexpr std::int64_t tile_cycles(const graph_body& g, node_id id, const tpu::tile& t, const chip::facts& chip) {
  const tpu::tpu_record& r = tpu::record(g, id);
  const tensor& y = g.at(g.result(id));
  const tpu::view4 v = tpu::fold(y.dims);
  const std::int64_t width = v.w;
  const std::int64_t macs = r.macs(g, id);
  const std::int64_t issue = chip.issue_cycles;
  if (macs == 0) {
    return issue + 2 * isa::lane_bytes(chip, isa::layout::aligned, y.type, t.out.n(), t.out.c(), t.out.h(), width) /
                       chip.eu_bytes;
  }
  const std::int64_t outputs = t.out.n() * round_up(t.out.c(), chip.lanes) * t.out.h() * width;
  const std::int64_t each = ceil_div(macs, v.n * v.c * v.h * v.w);
  const std::int64_t inner = r.inner(g, id);
  return issue + ceil_div(outputs * each * (t.k1 - t.k0), inner * chip.macs(g.at(g.operand(id, 0)).type));
}

/// Predicted compute cycles that a transfer takes: latency and bandwidth.
constexpr std::int64_t transfer_cycles(std::int64_t bytes, std::int64_t bytes_per_second, const chip::facts& chip) {
  return std::int64_t{chip.dma_latency} * (chip.compute_hz / 1000) / (chip.dma_hz / 1000) +
         bytes * (chip.compute_hz / 1000) / (bytes_per_second / 1000);
}

constexpr std::int64_t box_bytes(const tiling::buffer& b, const tpu::box& x) {
  return x.n() * x.c() * x.h() * isa::row_bytes(b.type, b.dims.w);
}

constexpr std::int64_t lane_bytes(const tiling::buffer& b, const tpu::box& x, const chip::facts& chip) {
  return round_up(isa::lane_bytes(chip, b.layout, b.type, x.n(), x.c(), x.h(), b.dims.w), chip.eu_bytes);
}
constexpr std::int64_t lane_bytes(const tpu::scratch_facts& f, const chip::facts& chip) {
  return round_up(isa::lane_bytes(chip, f.layout, f.type, f.dims.n, f.dims.c, f.dims.h, f.dims.w), chip.eu_bytes);
}

/// Overlapped, the longer engine decides; the first load and the last store stand alone.
constexpr std::int64_t overlapped(std::int64_t compute, std::int64_t dma, std::int64_t parts, bool prefetch) {
  if (!prefetch) return compute + dma;
  const std::int64_t longer = compute > dma ? compute : dma;
  return longer + (compute + dma - longer) / parts;
}

/// Lifetime of a buffer on the axis of the group's nodes.
constexpr memory::lifetime lifetime_of(const tiling::buffer& b, std::int64_t bytes, std::int32_t count,
                                       std::int64_t steps, bool prefetch) {
  if (b.role == local_buffer::role_kind::load && steps > 1) return {.first = 0, .last = count, .size = bytes};
  const std::int64_t early = b.role == local_buffer::role_kind::load && prefetch && b.first_use > 0 ? 1 : 0;
  return {.first = b.first_use - early, .last = b.last_use + 1, .size = bytes};
}
} // namespace detail

/// What a plan would need and cost, from a few typical steps and without placing anything: the first, the second and the last along
/// each axis that is cut stand for all.
struct estimate {
  std::int64_t bytes = 0;
  std::int64_t cycles = 0;
};
constexpr estimate estimate_plan(const graph_body& g, const tiling& t, const slices& s, bool prefetch,
                                 const chip::facts& chip) {
  const vec<tiling::buffer>& buffers = t.buffers();
  vec<std::int64_t> bytes(buffers.size());
  vec<tpu::box> before(buffers.size());
  vec<std::uint8_t> changes(buffers.size());
  vec<std::int64_t> scratch(static_cast<std::size_t>(t.count()));
  const auto samples = [](std::int64_t count) { return count < 3 ? count : 3; };
  const auto sample = [](std::int64_t i, std::int64_t count) { return i < 2 ? i : count - 1; };
  const auto weight = [](std::int64_t i, std::int64_t count) { return count > 3 && i == 1 ? count - 2 : 1; };
  std::int64_t compute = 0;
  std::int64_t dma = 0;
  bool first = true;
  for (std::int64_t c = 0; c < samples(s.c); ++c) {
    for (std::int64_t h = 0; h < samples(s.h); ++h) {
      for (std::int64_t k = 0; k < samples(s.k); ++k) {
        const std::int64_t step = (sample(c, s.c) * s.h + sample(h, s.h)) * s.k + sample(k, s.k);
        const std::int64_t times = s.n * weight(c, s.c) * weight(h, s.h) * weight(k, s.k);
        const tiling::boxes boxes = t.infer(s, step, chip.lanes);
        for (std::size_t b = 0; b < buffers.size(); ++b) {
          const tpu::box& x = boxes[b];
          if (x.empty()) continue;
          const std::int64_t size = detail::lane_bytes(buffers[b], x, chip);
          bytes[b] = size > bytes[b] ? size : bytes[b];
          if (buffers[b].role == local_buffer::role_kind::load) {
            if (!first && before[b] == x) continue;
            changes[b] = first ? 0 : 1;
            before[b] = x;
            dma += detail::transfer_cycles(detail::box_bytes(buffers[b], x), chip.load_bytes_per_second, chip) *
                   (first ? 1 : times);
          } else if (buffers[b].stored && k == samples(s.k) - 1) {
            const tpu::box out = tiling::stored_slice(buffers[b].dims, s, step, chip.lanes);
            if (!out.empty())
              dma += detail::transfer_cycles(detail::box_bytes(buffers[b], out), chip.store_bytes_per_second, chip) *
                     times;
          }
        }
        for (std::int32_t i = 0; i < t.count(); ++i) {
          const tpu::box& out = boxes[t.result_buffer(i)];
          if (out.empty()) continue;
          const tpu::tile tile = t.tile_of(i, out, s, step);
          compute += times * detail::tile_cycles(g, t.first() + i, tile, chip);
          std::int64_t sum = 0;
          for (const tpu::scratch_facts& f : t.scratch_of(i, tile, s.k > 1)) sum += detail::lane_bytes(f, chip);
          std::int64_t& most = scratch[static_cast<std::size_t>(i)];
          most = sum > most ? sum : most;
        }
        first = false;
      }
    }
  }
  estimate e;
  for (std::int32_t i = 0; i < t.count(); ++i) {
    std::int64_t live = scratch[static_cast<std::size_t>(i)];
    for (std::size_t b = 0; b < buffers.size(); ++b) {
      const bool twice = prefetch && s.steps() > 1 &&
                         (buffers[b].role == local_buffer::role_kind::load ? changes[b] != 0 : buffers[b].stored);
      const memory::lifetime l =
          detail::lifetime_of(buffers[b], bytes[b] * (twice ? 2 : 1), t.count(), s.steps(), prefetch);
      if (l.first <= i && i < l.last) live += l.size;
    }
    e.bytes = live > e.bytes ? live : e.bytes;
  }
  e.cycles = detail::overlapped(compute, dma, s.steps() > 1 ? s.steps() : t.count() + 1, prefetch);
  return e;
}

/// Plans a group for given slices: sizes and lifetimes of all buffers, their placement in a lane, and the predicted cycles.
/// With one step, weights come just before their node (one node earlier with prefetch) and go after it. With several steps
/// every loaded buffer stays for the whole group; what changes from step to step has two copies with prefetch, so that the
/// next part is loaded while this one is computed.
constexpr plan make_plan(const graph_body& g, const tiling& t, const slices& s, bool prefetch,
                         const chip::facts& chip) {
  const vec<tiling::buffer>& buffers = t.buffers();
  vec<std::int64_t> bytes(buffers.size());
  vec<std::int64_t> loads(buffers.size());
  vec<tpu::box> held(buffers.size());
  struct scratch_space {
    node_id node = none;
    std::int32_t position = 0;
    std::int32_t index = 0;
    isa::layout layout = isa::layout::aligned;
    std::int64_t bytes = 0;
  };
  vec<scratch_space> scratch;
  std::int64_t compute = 0;
  std::int64_t dma = 0;
  const std::int64_t steps = s.steps();
  for (std::int64_t step = 0; step < steps; ++step) {
    const tiling::boxes boxes = t.infer(s, step, chip.lanes);
    for (std::size_t b = 0; b < buffers.size(); ++b) {
      const tpu::box& x = boxes[b];
      if (x.empty()) continue;
      const std::int64_t size = detail::lane_bytes(buffers[b], x, chip);
      if (size > bytes[b]) bytes[b] = size;
      if (buffers[b].role == local_buffer::role_kind::load) {
        if (loads[b] > 0 && held[b] == x) continue;
        ++loads[b];
        held[b] = x;
        dma += detail::transfer_cycles(detail::box_bytes(buffers[b], x), chip.load_bytes_per_second, chip);
      } else if (buffers[b].stored && step % s.k == s.k - 1) {
        const tpu::box out = tiling::stored_slice(buffers[b].dims, s, step, chip.lanes);
        if (!out.empty())
          dma += detail::transfer_cycles(detail::box_bytes(buffers[b], out), chip.store_bytes_per_second, chip);
      }
    }
    for (std::int32_t i = 0; i < t.count(); ++i) {
      const tpu::box& out = boxes[t.result_buffer(i)];
      if (out.empty()) continue;
      const tpu::tile tile = t.tile_of(i, out, s, step);
      compute += detail::tile_cycles(g, t.first() + i, tile, chip);
      std::int32_t index = 0;
      for (const tpu::scratch_facts& f : t.scratch_of(i, tile, s.k > 1)) {
        const std::int64_t size = detail::lane_bytes(f, chip);
        std::size_t at = 0;
        while (at < scratch.size() && (scratch[at].position != i || scratch[at].index != index)) ++at;
        if (at == scratch.size())
          scratch.push_back({.node = t.first() + i, .position = i, .index = index, .layout = f.layout, .bytes = 0});
        if (size > scratch[at].bytes) scratch[at].bytes = size;
        ++index;
      }
    }
  }

  plan out;
  vec<memory::lifetime> lifetimes;
  for (std::size_t b = 0; b < buffers.size(); ++b) {
    const tiling::buffer& x = buffers[b];
    const bool load = x.role == local_buffer::role_kind::load;
    const bool changes = steps > 1 && (load ? loads[b] > 1 : x.stored);
    local_buffer space{.role = x.role,
                       .tensor = x.tensor,
                       .node = none,
                       .index = 0,
                       .layout = static_cast<std::uint8_t>(x.layout),
                       .copies = changes && prefetch ? 2 : 1,
                       .address = 0,
                       .bytes = bytes[b]};
    lifetimes.push_back(detail::lifetime_of(x, space.bytes * space.copies, t.count(), steps, prefetch));
    out.schedule.buffers.push_back(space);
  }
  for (const scratch_space& x : scratch) {
    lifetimes.push_back({.first = x.position, .last = x.position + 1, .size = x.bytes});
    out.schedule.buffers.push_back({.role = local_buffer::role_kind::scratch,
                                    .tensor = none,
                                    .node = x.node,
                                    .index = x.index,
                                    .layout = static_cast<std::uint8_t>(x.layout),
                                    .copies = 1,
                                    .address = 0,
                                    .bytes = x.bytes});
  }
  out.bytes_needed = memory::max_live(lifetimes, chip.eu_bytes);
  if (out.bytes_needed > chip.local_bytes) return out;
  const memory::placement placed = memory::place(lifetimes, chip.eu_bytes);
  out.bytes_needed = placed.peak;
  if (placed.peak > chip.local_bytes) return out;
  for (std::size_t b = 0; b < placed.offsets.size(); ++b) out.schedule.buffers[b].address = placed.offsets[b];
  out.fits = true;
  out.cycles = detail::overlapped(compute, dma, steps > 1 ? steps : t.count() + 1, prefetch);
  out.schedule.first = t.first();
  out.schedule.count = t.count();
  out.schedule.n_slices = static_cast<std::int32_t>(s.n);
  out.schedule.c_slices = static_cast<std::int32_t>(s.c);
  out.schedule.h_slices = static_cast<std::int32_t>(s.h);
  out.schedule.k_slices = static_cast<std::int32_t>(s.k);
  out.schedule.prefetch = prefetch;
  out.schedule.cycles = out.cycles;
  return out;
}

} // namespace tmpu::group
