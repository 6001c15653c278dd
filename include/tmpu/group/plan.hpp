// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/group/walk.hpp"
#include "tmpu/memory/place.hpp"

namespace tmpu::group {

/// A group cut in one way: whether it fits, what it is predicted to cost, and the schedule itself.
struct plan {
  bool fits = false;
  std::int64_t cycles = 0;
  std::int64_t bytes_needed = 0; ///< bytes of a lane
  layer_group schedule{};
  vec<memory::lifetime>
      lives; ///< of each buffer with all its copies, on the axis of the group's nodes; loads as late as can be
};

/// Plans a group for given slices: sizes and lifetimes of all buffers and a placement in a lane. With one step a load lives from `ahead`
/// nodes before its node to the last one that uses it. With several steps every loaded buffer stays for the whole group; what changes from
/// step to step has two copies if `ahead` is not 0, so that the next part is loaded while this one is computed.
constexpr plan make_plan(const tiling& t, const slices& s, std::int32_t ahead, const chip::facts& chip) {
  const vec<tiling::buffer>& buffers = t.buffers();
  const std::int64_t steps = s.steps();
  vec<std::int64_t> bytes(buffers.size());
  vec<std::int64_t> loads(buffers.size());
  vec<tpu::box> held(buffers.size());
  plan out;
  vec<std::int32_t> positions; // of the scratch buffers
  vec<local_buffer> scratch;
  for (std::int64_t step = 0; step < steps; ++step) {
    const tiling::boxes boxes = t.infer(s, step, chip.lanes);
    for (std::size_t b = 0; b < buffers.size(); ++b) {
      const tpu::box& x = boxes[b];
      if (x.empty()) continue;
      const std::int64_t size = detail::lane_bytes(buffers[b].layout, buffers[b].type, buffers[b].dims, x, chip);
      if (size > bytes[b]) bytes[b] = size;
      if (buffers[b].role != local_buffer::role_kind::load || (loads[b] > 0 && held[b] == x)) continue;
      ++loads[b];
      held[b] = x;
    }
    for (std::int32_t i = 0; i < t.count(); ++i) {
      const tpu::box& part = boxes[t.result_buffer(i)];
      if (part.empty()) continue;
      std::int32_t index = 0;
      for (const tpu::scratch_facts& f : t.scratch_of(i, t.tile_of(i, part, s, step), s.k > 1)) {
        const std::int64_t size = detail::lane_bytes(f, chip);
        std::size_t at = 0;
        while (at < scratch.size() && (positions[at] != i || scratch[at].index != index)) ++at;
        if (at == scratch.size()) {
          positions.push_back(i);
          scratch.push_back({.role = local_buffer::role_kind::scratch,
                             .tensor = none,
                             .node = t.first() + i,
                             .index = index,
                             .layout = static_cast<std::uint8_t>(f.layout),
                             .copies = 1,
                             .address = 0,
                             .bytes = 0,
                             .issue = none});
        }
        if (size > scratch[at].bytes) scratch[at].bytes = size;
        ++index;
      }
    }
  }
  vec<local_buffer> spaces;
  for (std::size_t b = 0; b < buffers.size(); ++b) {
    const tiling::buffer& x = buffers[b];
    const bool changes = steps > 1 && (x.role == local_buffer::role_kind::load ? loads[b] > 1 : x.stored);
    spaces.push_back({.role = x.role,
                      .tensor = x.tensor,
                      .node = none,
                      .index = 0,
                      .layout = static_cast<std::uint8_t>(x.layout),
                      .copies = changes && ahead > 0 ? 2 : 1,
                      .address = 0,
                      .bytes = bytes[b],
                      .issue = none});
  }
  for (const local_buffer& x : scratch) spaces.push_back(x);
  for (std::size_t b = 0; b < buffers.size(); ++b) {
    const tiling::buffer& x = buffers[b];
    const bool stays = x.role == local_buffer::role_kind::load && steps > 1;
    out.lives.push_back({.first = stays ? 0 : x.first_use,
                         .last = stays ? t.count() : x.last_use + 1,
                         .size = spaces[b].bytes * spaces[b].copies});
  }
  for (std::size_t i = 0; i < scratch.size(); ++i) {
    out.lives.push_back({.first = positions[i], .last = positions[i] + 1, .size = scratch[i].bytes});
  }
  vec<memory::lifetime> early = out.lives;
  for (std::size_t b = 0; b < buffers.size(); ++b) {
    if (buffers[b].role == local_buffer::role_kind::load && early[b].first > 0) early[b].first -= ahead;
    spaces[b].issue = t.first() + static_cast<node_id>(early[b].first);
  }
  out.bytes_needed = memory::max_live(early, chip.eu_bytes);
  if (out.bytes_needed > chip.local_bytes) return out;
  const memory::placement placed = memory::place(early, chip.eu_bytes);
  out.bytes_needed = placed.peak;
  out.fits = placed.peak <= chip.local_bytes;
  if (!out.fits) return out;
  for (std::size_t b = 0; b < spaces.size(); ++b) spaces[b].address = placed.offsets[b];
  out.schedule.ahead = ahead;
  out.schedule.buffers = std::move(spaces);
  out.schedule.first = t.first();
  out.schedule.count = t.count();
  out.schedule.n_slices = static_cast<std::int32_t>(s.n);
  out.schedule.c_slices = static_cast<std::int32_t>(s.c);
  out.schedule.h_slices = static_cast<std::int32_t>(s.h);
  out.schedule.k_slices = static_cast<std::int32_t>(s.k);
  out.schedule.c_inside = s.c_inside;
  return out;
}

} // namespace tmpu::group
