// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/group/tiling.hpp"

namespace tmpu::group {

namespace detail {
/// Predicted compute cycles of one tile, as timing has them for its instruction.
constexpr std::int64_t tile_cycles(const catalog::entry& e, const catalog::slot& y, const tpu::tile& t,
                                   const chip::facts& chip) {
  if (e.channels == 0) {
    return chip.issue_cycles +
           e.passes * isa::lane_bytes(chip, isa::layout::aligned, y.type, t.out.n(), t.out.c(), t.out.h(), y.dims.w) /
               chip.eu_bytes;
  }
  return chip.issue_cycles + timing::mac_cycles(t.out.n() * t.out.h() * y.dims.w, t.out.c(),
                                                e.channels * (t.k1 - t.k0) / e.inner, e.taps, e.type, chip);
}

/// Predicted compute cycles that a transfer takes: latency and bandwidth.
constexpr std::int64_t transfer_cycles(std::int64_t bytes, std::int64_t bytes_per_second, const chip::facts& chip) {
  return std::int64_t{chip.dma_latency} * (chip.compute_hz / 1000) / (chip.dma_hz / 1000) +
         bytes * (chip.compute_hz / 1000) / (bytes_per_second / 1000);
}

constexpr std::int64_t lane_bytes(isa::layout layout, dtype_id type, const tpu::view4& v, const tpu::box& x,
                                  const chip::facts& chip) {
  return round_up(isa::lane_bytes(chip, layout, type, x.n(), x.c(), x.h(), v.w), chip.eu_bytes);
}
constexpr std::int64_t lane_bytes(const tpu::scratch_facts& f, const chip::facts& chip) {
  return round_up(isa::lane_bytes(chip, f.layout, f.type, f.dims.n, f.dims.c, f.dims.h, f.dims.w), chip.eu_bytes);
}

/// Overlapped, the longer engine decides; the first load and the last store stand alone.
constexpr std::int64_t overlapped(std::int64_t compute, std::int64_t dma, std::int64_t parts, bool ahead) {
  if (!ahead) return compute + dma;
  const std::int64_t longer = compute > dma ? compute : dma;
  return longer + (compute + dma - longer) / parts;
}
} // namespace detail

/// What a group would need and cost.
struct estimate {
  std::int64_t bytes = 0; ///< of a lane
  std::int64_t cycles = 0;
  std::int64_t transfers = 0; ///< cycles of its transfers alone
};

/// Estimates all groups that end before one node and are cut in one way, the shortest first. Backward slice inference goes
/// from the results back, so that a group with one node more in front costs that node only. The first, the second and the last step along
/// each axis that is cut stand for all. Used again and again: it allocates only what it has never needed before.
class walk {
public:
  constexpr walk() = default;
  constexpr explicit walk(const catalog& c) : c_(&c), stamp_(c.slot_count()), local_(c.slot_count()) {}

  /// The empty group in front of node `end`.
  constexpr void begin(node_id end, const slices& s) {
    ++generation_;
    end_ = first_ = end;
    slices_ = s;
    used_ = 0;
    most_slices_ = {1, 1, 1, 1};
    compute_ = dma_ = loads_ = loads_ahead_ = most_ = most_ahead_ = 0;
    height_.clear();
    height_ahead_.clear();
    samples_.clear();
    const auto count = [](std::int64_t x) { return x < 3 ? x : 3; };
    const auto place = [](std::int64_t i, std::int64_t x) { return i < 2 ? i : x - 1; };
    const auto weight = [](std::int64_t i, std::int64_t x) { return x > 3 && i == 1 ? x - 2 : 1; };
    const slices few{count(s.n), count(s.c), count(s.h), count(s.k), s.c_inside}; // in the order of the steps
    for (std::int64_t i = 0; i < few.steps(); ++i) {
      const places p = few.places_of(i);
      samples_.push_back({.step = s.step_at({place(p.n, s.n), place(p.c, s.c), place(p.h, s.h), place(p.k, s.k)}),
                          .times = weight(p.n, s.n) * weight(p.c, s.c) * weight(p.h, s.h) * weight(p.k, s.k),
                          .last_part = p.k == few.k - 1});
    }
  }

  [[nodiscard]] constexpr const slices& cut() const { return slices_; }
  [[nodiscard]] constexpr node_id first() const { return first_; }
  [[nodiscard]] constexpr node_id end() const { return end_; }
  /// Of a stored result: more slices make no sense.
  [[nodiscard]] constexpr const places& most_slices() const { return most_slices_; }
  [[nodiscard]] constexpr std::int32_t size() const { return end_ - first_; }

  /// Takes the node in front into the group; false where it cannot be tiled together with what is there.
  constexpr bool extend() {
    const node_id id = first_ - 1;
    const catalog::entry& e = c_->node(id);
    if (!e.tiled || (slices_.n > 1 && !e.cut.n) || (slices_.c > 1 && !e.cut.c) || (slices_.h > 1 && !e.cut.h))
      return false;
    const catalog::slot& y = c_->at(e.result);
    const chip::facts& chip = c_->chip();
    // A tensor made inside of the group is wanted in the layout that it is made in.
    for (std::int32_t s = c_->first_slot(y.tensor); s != none; s = c_->at(s).next) {
      if (s != e.result && known(s)) return false;
    }
    first_ = id;
    height_.push_back(0);
    height_ahead_.push_back(0);
    const std::size_t position = height_.size() - 1;
    const bool one_step = slices_.steps() == 1;
    if (one_step && position > 0) lead_loads(position);
    const std::size_t r = find_or_add(e.result);
    forget_load(r);
    const bool stored = c_->readers()[static_cast<std::size_t>(y.tensor)] >= end_;
    if (stored) {
      const places most = group::most_slices(y.dims, chip.lanes);
      most_slices_.n = most.n > most_slices_.n ? most.n : most_slices_.n;
      most_slices_.c = most.c > most_slices_.c ? most.c : most_slices_.c;
      most_slices_.h = most.h > most_slices_.h ? most.h : most_slices_.h;
    }
    // Known to the nodes in front even where no sampled step computes anything: tensors may have fewer slices than the group.
    for (std::size_t o = 0; o < e.count; ++o) static_cast<void>(find_or_add(c_->operand_of(e, o).slot));
    std::int64_t scratch = 0;
    std::int64_t bytes = 0;
    for (std::size_t j = 0; j < samples_.size(); ++j) {
      tpu::box& out = box_at(r, j);
      if (stored) {
        const tpu::box slice = stored_slice(y.dims, slices_, samples_[j].step, chip.lanes);
        if (!slice.empty()) {
          out = tpu::unite(out, slice);
          if (samples_[j].last_part) {
            dma_ +=
                samples_[j].times * detail::transfer_cycles(bytes_of_box(y, slice), chip.store_bytes_per_second, chip);
          }
        }
      }
      if (out.empty()) continue;
      const std::int64_t size = detail::lane_bytes(y.layout, y.type, y.dims, out, chip);
      bytes = size > bytes ? size : bytes;
      const part k = part_of(e.inner, slices_.k, samples_[j].step % slices_.k);
      const tpu::tile tile{out, k.first, k.last};
      compute_ += samples_[j].times * detail::tile_cycles(e, y, tile, chip);
      if (e.scratch || slices_.k > 1) {
        std::int64_t sum = 0;
        for (std::size_t n = 0;; ++n) {
          const tpu::scratch_facts f = tpu::record(c_->graph(), id).scratch(c_->graph(), id, n, tile, slices_.k > 1);
          if (f.type == dtype_id::none) break;
          sum += detail::lane_bytes(f, chip);
        }
        scratch = sum > scratch ? sum : scratch;
      }
      for (std::size_t o = 0; o < e.count; ++o) {
        const catalog::operand& x = c_->operand_of(e, o);
        const std::size_t b = find_or_add(x.slot);
        tpu::box& held = box_at(b, j);
        held = tpu::unite(held, tpu::need(x.reach, c_->at(x.slot).dims, tile));
      }
    }
    for (std::size_t p = states_[r].last; p <= position; ++p) rise(p, bytes, stored && !one_step ? 2 * bytes : bytes);
    rise(position, scratch, scratch);
    for (std::size_t o = 0; o < e.count; ++o) {
      const std::int32_t s = c_->operand_of(e, o).slot;
      if (known(s)) note_load(static_cast<std::size_t>(local_[static_cast<std::size_t>(s)]), position);
    }
    return true;
  }

  /// Of the group so far. `ahead`: what changes from step to step is loaded a step before and has two copies; with one step, what a
  /// node needs is loaded while the node before it runs.
  [[nodiscard]] constexpr estimate look(bool ahead) const {
    estimate e{.cycles = detail::overlapped(compute_, dma_, slices_.steps() > 1 ? slices_.steps() : size() + 1, ahead),
               .transfers = dma_};
    e.bytes = ahead ? most_ahead_ + loads_ahead_ : most_ + loads_;
    return e;
  }

private:
  struct sample {
    std::int64_t step = 0;
    std::int64_t times = 1;
    bool last_part = true;
  };
  struct state {
    std::int32_t slot = none;
    bool load = false;
    bool changes = false;
    std::size_t first = 0; ///< positions of the nodes that touch it, counted from the end of the group
    std::size_t last = 0;
    std::int64_t bytes = 0;
    std::int64_t cycles = 0;
  };

  [[nodiscard]] constexpr bool known(std::int32_t s) const {
    return stamp_[static_cast<std::size_t>(s)] == generation_;
  }
  [[nodiscard]] constexpr tpu::box& box_at(std::size_t u, std::size_t j) { return boxes_[u * samples_.size() + j]; }
  [[nodiscard]] static constexpr std::int64_t bytes_of_box(const catalog::slot& s, const tpu::box& x) {
    return x.n() * x.c() * x.h() * isa::row_bytes(s.type, s.dims.w);
  }

  constexpr std::size_t find_or_add(std::int32_t s) {
    const auto at = static_cast<std::size_t>(s);
    if (!known(s)) {
      stamp_[at] = generation_;
      local_[at] = static_cast<std::int32_t>(used_++);
      if (states_.size() < used_) states_.resize(used_);
      if (boxes_.size() < used_ * samples_.size()) boxes_.resize(used_ * samples_.size());
      const auto position = static_cast<std::size_t>(end_ - 1 - first_);
      states_[used_ - 1] = {.slot = s, .first = position, .last = position};
      for (std::size_t j = 0; j < samples_.size(); ++j) box_at(used_ - 1, j) = {0, 0, 0, 0, 0, 0};
    }
    return static_cast<std::size_t>(local_[at]);
  }
  constexpr void rise(std::size_t p, std::int64_t bytes, std::int64_t ahead) {
    height_[p] += bytes;
    height_ahead_[p] += ahead;
    most_ = height_[p] > most_ ? height_[p] : most_;
    most_ahead_ = height_ahead_[p] > most_ahead_ ? height_ahead_[p] : most_ahead_;
  }
  /// With one step, the loads of the node behind `position` are there already while the node at `position` runs.
  constexpr void lead_loads(std::size_t position) {
    const catalog::entry& behind = c_->node(first_ + 1);
    for (std::size_t o = 0; o < behind.count; ++o) {
      const std::int32_t s = c_->operand_of(behind, o).slot;
      bool again = false;
      for (std::size_t before = 0; before < o; ++before) again = again || c_->operand_of(behind, before).slot == s;
      const state& x = states_[static_cast<std::size_t>(local_[static_cast<std::size_t>(s)])];
      if (x.load && !again) height_ahead_[position] += x.bytes;
    }
  }
  /// What is forgotten comes again with as many bytes at least, loaded or made: the greatest heights stay true.
  constexpr void forget_load(std::size_t u) {
    state& x = states_[u];
    if (!x.load) return;
    x.load = false;
    dma_ -= x.cycles;
    if (slices_.steps() > 1) {
      loads_ -= x.bytes;
      loads_ahead_ -= x.changes ? 2 * x.bytes : x.bytes;
      return;
    }
    for (std::size_t p = x.last; p <= x.first; ++p) height_[p] -= x.bytes;
    for (std::size_t p = x.last; p <= x.first + 1 && p < height_.size(); ++p) height_ahead_[p] -= x.bytes;
  }
  constexpr void note_load(std::size_t u, std::size_t position) {
    forget_load(u);
    state& x = states_[u];
    x.load = true;
    x.first = position;
    x.changes = false;
    x.bytes = x.cycles = 0;
    const catalog::slot& s = c_->at(x.slot);
    tpu::box before{0, 0, 0, 0, 0, 0};
    bool any = false;
    for (std::size_t j = 0; j < samples_.size(); ++j) {
      const tpu::box& b = box_at(u, j);
      if (b.empty() || (any && b == before)) continue;
      const std::int64_t size = detail::lane_bytes(s.layout, s.type, s.dims, b, c_->chip());
      x.bytes = size > x.bytes ? size : x.bytes;
      x.cycles += (any ? samples_[j].times : 1) *
                  detail::transfer_cycles(bytes_of_box(s, b), c_->chip().load_bytes_per_second, c_->chip());
      x.changes = any;
      any = true;
      before = b;
    }
    dma_ += x.cycles;
    if (slices_.steps() > 1) {
      loads_ += x.bytes;
      loads_ahead_ += x.changes ? 2 * x.bytes : x.bytes;
    } else {
      for (std::size_t p = x.last; p <= position; ++p) rise(p, x.bytes, x.bytes);
    }
  }

  const catalog* c_ = nullptr;
  slices slices_{};
  node_id first_ = 0;
  node_id end_ = 0;
  std::uint32_t generation_ = 0;
  vec<std::uint32_t> stamp_; // slot -> the generation that touched it last
  vec<std::int32_t> local_;  // slot -> its number in this group
  std::size_t used_ = 0;
  places most_slices_;
  vec<state> states_;
  vec<tpu::box> boxes_;
  vec<sample> samples_;
  std::int64_t compute_ = 0;
  std::int64_t dma_ = 0;
  // Bytes of a lane, with one copy of all, and with what is there ahead. With several steps loads live as long as the group; with one, from
  // their first use (ahead: a node before) to their last, and are part of the heights.
  std::int64_t loads_ = 0;
  std::int64_t loads_ahead_ = 0;
  vec<std::int64_t> height_; // by position, which counts from the end of the group
  vec<std::int64_t> height_ahead_;
  std::int64_t most_ = 0; // the greatest heights
  std::int64_t most_ahead_ = 0;
};

} // namespace tmpu::group
