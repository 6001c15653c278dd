// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/group/plan.hpp"

namespace tmpu::group {

/// Decides when the first loads of the groups are issued and where they go, group after group in program order. Constants are loaded in
/// the order of their use, each as early as that order and free local memory allow: also while earlier groups compute. So the transfers of
/// a stretch with little arithmetic begin during the stretch before it, where that has much. Activations come as soon as they are stored.
class issuer {
public:
  constexpr issuer(const graph_body& g, const chip::facts& chip) : g_(&g), chip_(&chip) {}

  /// What follows node `before` uses local memory by rules of its own (moves in global memory) or waits for the host.
  constexpr void barrier(node_id next) {
    held_.clear();
    earliest_ = horizon_ = next;
  }

  /// Chooses addresses and times for the buffers of the next group. Where nothing better is found, the placement of the plan stays.
  constexpr void settle(plan& p) {
    attempt best;
    for (std::int32_t window = 128; window > 1 && best.gain == 0; window /= 4) {
      for (const bool turned : {false, true}) {
        attempt a = tried(p, window, turned);
        if (a.gain > best.gain) best = std::move(a);
      }
    }
    layer_group& lg = p.schedule;
    for (std::size_t b = 0; b < lg.buffers.size(); ++b) {
      local_buffer& x = lg.buffers[b];
      if (best.gain > 0) {
        x.address = best.addresses[b];
        x.issue = best.issues[b];
      }
      const bool load = x.role == local_buffer::role_kind::load;
      held_.push_back({.first = x.address,
                       .last = x.address + p.lives[b].size,
                       .from = load ? x.issue : lg.first + static_cast<node_id>(p.lives[b].first),
                       .until = lg.first + static_cast<node_id>(p.lives[b].last)});
      if (load && g_->is_constant(x.tensor) && x.issue > earliest_) earliest_ = x.issue;
    }
    horizon_ = earliest_;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < held_.size(); ++i) {
      if (held_[i].until > horizon_) held_[kept++] = held_[i];
    }
    while (held_.size() > kept) held_.pop_back();
  }

private:
  /// Bytes [first, last) of a lane from the time before node `from` until before node `until`.
  struct space {
    std::int64_t first = 0;
    std::int64_t last = 0;
    node_id from = 0;
    node_id until = 0;
  };
  struct attempt {
    std::int64_t gain = 0; ///< bytes times nodes by which loads are earlier than need be; 0: nothing was found
    vec<std::int64_t> addresses;
    vec<node_id> issues;
  };

  /// What the group computes is placed by itself, from one end of the lane (`turned`: from the other, so that neighbours differ); then
  /// the loads, at most `window` nodes early.
  constexpr attempt tried(const plan& p, std::int32_t window, bool turned) const {
    const layer_group& lg = p.schedule;
    attempt a;
    vec<memory::lifetime> lives;
    for (std::size_t b = 0; b < lg.buffers.size(); ++b) {
      if (lg.buffers[b].role != local_buffer::role_kind::load) lives.push_back(p.lives[b]);
    }
    const memory::placement placed = memory::place(lives, chip_->eu_bytes);
    vec<space> spaces;
    for (const space& s : held_) add(spaces, s);
    std::size_t computed = 0;
    for (std::size_t b = 0; b < lg.buffers.size(); ++b) {
      a.addresses.push_back(lg.buffers[b].address);
      a.issues.push_back(lg.buffers[b].issue);
      if (lg.buffers[b].role == local_buffer::role_kind::load) continue;
      const std::int64_t offset = placed.offsets[computed++];
      a.addresses[b] = turned ? chip_->local_bytes - offset - p.lives[b].size : offset;
      add(spaces, {.first = a.addresses[b],
                   .last = a.addresses[b] + p.lives[b].size,
                   .from = lg.first + static_cast<node_id>(p.lives[b].first),
                   .until = lg.first + static_cast<node_id>(p.lives[b].last)});
    }
    node_id earliest = earliest_;
    for (std::size_t b = 0; b < lg.buffers.size(); ++b) {
      const local_buffer& x = lg.buffers[b];
      if (x.role != local_buffer::role_kind::load) continue;
      const bool constant = g_->is_constant(x.tensor);
      const node_id stored = g_->at(x.tensor).producer + 1;
      node_id high = lg.first + static_cast<node_id>(p.lives[b].first);
      node_id low = constant ? earliest : stored > horizon_ ? stored : horizon_;
      if (low < high - window) low = high - window;
      const node_id until = lg.first + static_cast<node_id>(p.lives[b].last);
      if (low > high) low = high;
      std::int64_t address = gap(spaces, p.lives[b].size, high, until);
      if (address < 0) return {};
      while (low < high) {
        const node_id middle = low + (high - low) / 2;
        const std::int64_t found = gap(spaces, p.lives[b].size, middle, until);
        if (found >= 0) {
          high = middle;
          address = found;
        } else {
          low = middle + 1;
        }
      }
      a.addresses[b] = address;
      a.issues[b] = high;
      a.gain += p.lives[b].size * (lg.first + p.lives[b].first - high);
      if (constant) earliest = high;
      add(spaces, {.first = address, .last = address + p.lives[b].size, .from = high, .until = until});
    }
    return a;
  }

  /// Spaces lie by address, so that a gap is found in one pass.
  static constexpr void add(vec<space>& spaces, const space& s) {
    std::size_t at = spaces.size();
    while (at > 0 && spaces[at - 1].first > s.first) --at;
    spaces.insert(at, s);
  }
  /// The address of the smallest gap that is free for so long; -1: none.
  [[nodiscard]] constexpr std::int64_t gap(const vec<space>& spaces, std::int64_t size, node_id from,
                                           node_id until) const {
    std::int64_t best = -1;
    std::int64_t best_size = 0;
    std::int64_t end = 0;
    const auto look = [&](std::int64_t next) {
      const std::int64_t room = next - end;
      if (room >= size && (best < 0 || room < best_size)) {
        best = end;
        best_size = room;
      }
    };
    for (const space& s : spaces) {
      if (s.from >= until || from >= s.until || s.first == s.last) continue; // not in the way
      look(s.first);
      end = s.last > end ? s.last : end;
    }
    look(chip_->local_bytes);
    return best;
  }

  const graph_body* g_;
  const chip::facts* chip_;
  vec<space> held_;
  node_id earliest_ = 0; // of the next constant
  node_id horizon_ = 0;  // what was freed before it is not known any more
};

} // namespace tmpu::group
