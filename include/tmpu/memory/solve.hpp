// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/memory/lifetime.hpp"

#include <cstdint>
#include <span>

namespace tmpu::memory {

/// What a search found out: a placement, that there is none, or nothing within its limit.
enum class outcome : std::uint8_t { placed, impossible, limit };

/// Exact search for a placement of buffers within a capacity, after M. D. Moffitt, "MiniMalloc: A Lightweight Memory Allocator
/// for Hardware-Accelerated Machine Learning", ASPLOS 2023 (doi 10.1145/3623278.3624752).
///
/// Time falls into *sections* between the ends of lifetimes. Buffers are placed from the bottom up, by rising offset, each one
/// directly on what it overlaps in time: every placement that fits can be let down into one of this form.
///   * A buffer waits while another one fits below it entirely, since that one could be let down to there afterwards.
///   * At one offset, buffers are placed in one order only, and of buffers that are alike the first one.
///   * In each section, what is still to be placed and cannot lie lower than some offset must fit above it.
///   * Where no buffer that is left crosses the border of two sections, the parts on both sides are solved one by one; a part that
///     has no solution ends the branch for all of them, and the branch before too where the last placement did not touch it.
/// What to try first is learned: a buffer that is in the way of a solution weighs more in the next of many short searches. Their
/// lengths grow, so that in the end one of them is exhaustive, and now and then what was learned is forgotten. Nothing depends on time: `steps` (buffers placed) is the limit.
class solver {
public:
  constexpr solver(std::span<const lifetime> buffers, std::int64_t align, std::int64_t capacity) : capacity_(capacity) {
    vec<std::int64_t> times;
    for (const lifetime& b : buffers) {
      add_time(times, b.first);
      add_time(times, b.last);
    }
    sections_ = times.empty() ? 0 : static_cast<std::int32_t>(times.size()) - 1;
    std::int64_t longest = 1;
    std::int64_t largest = 1;
    for (const lifetime& b : buffers) {
      item x{.first = place_of(times, b.first), .last = place_of(times, b.last), .size = round_up(b.size, align)};
      x.length = b.last - b.first;
      if (x.first >= x.last) x.size = 0;
      longest = x.length > longest ? x.length : longest;
      largest = x.size > largest ? x.size : largest;
      items_.push_back(x);
      offsets_.push_back(0);
      low_.push_back(0);
      placed_.push_back(0);
    }
    // So that products of size, length and weight stay within 64 bits.
    while (longest >> length_shift_ >= 1 << 20) ++length_shift_;
    while (largest >> size_shift_ >= 1 << 20) ++size_shift_;
    left_.resize(at(sections_));
    dirty_.resize(at(sections_));
    reach_.resize(at(sections_));
    member_at_.push_back(0);
    for (std::int32_t s = 0; s < sections_; ++s) {
      for (std::size_t i = 0; i < items_.size(); ++i) {
        if (items_[i].size > 0 && items_[i].first <= s && s < items_[i].last)
          members_.push_back(static_cast<std::int32_t>(i));
      }
      member_at_.push_back(members_.size());
    }
  }

  /// Searches until a placement is found, it is proved that there is none, `steps` more buffers have been placed, or `stop()`.
  template <class Stop> constexpr outcome run(std::int64_t steps, Stop&& stop) {
    const std::int64_t end = used_ + steps;
    for (;; ++round_) {
      if (round_ > 0 && round_ % life == 0) forget();
      rank_items();
      const outcome o = search(length_ < end - used_ ? used_ + length_ : end, stop);
      if (o != outcome::limit || used_ >= end || stopped_) return o;
      raise_weight();
    }
  }

  [[nodiscard]] constexpr const vec<std::int64_t>& offsets() const { return offsets_; }
  [[nodiscard]] constexpr std::int64_t steps() const { return used_; }

private:
  static constexpr std::int64_t first_weight = 64;
  struct item {
    std::int32_t first = 0; ///< sections
    std::int32_t last = 0;
    std::int64_t size = 0;
    std::int64_t length = 0;
    std::int64_t weight = first_weight;
    std::int64_t key = 0;
    std::int32_t rank = 0;
  };
  /// Sections that no buffer enters or leaves, with the buffers that are to be placed in them (in pool_).
  struct part {
    std::int32_t first = 0;
    std::int32_t last = 0;
    std::size_t items = 0;
    std::size_t items_end = 0;
    std::int64_t base = 0; ///< offset and rank of what was placed last: nothing comes before it
    std::int32_t base_rank = -1;
    bool apart = false; ///< the last placement did not touch it
  };
  /// A part at work: the candidate that is placed, and the parts that it leaves.
  struct frame {
    part of{};
    std::size_t next = 0;
    std::size_t parts = 0;
    std::size_t parts_done = 0;
    std::size_t first_part = 0;
    std::size_t pool_end = 0;
    std::size_t trail = 0;
    bool open = false; ///< a candidate is placed
    vec<std::int32_t> candidates{};
  };
  struct change {
    std::int32_t item = 0;
    std::int64_t low = 0; ///< before; negative: the item was placed
  };

  static constexpr std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }
  static constexpr void add_time(vec<std::int64_t>& times, std::int64_t t) {
    std::size_t i = times.size();
    while (i > 0 && times[i - 1] > t) --i;
    if (i == 0 || times[i - 1] != t) times.insert(i, t);
  }
  static constexpr std::int32_t place_of(const vec<std::int64_t>& times, std::int64_t t) {
    std::size_t low = 0;
    std::size_t high = times.size();
    while (high - low > 1) {
      const std::size_t middle = (low + high) / 2;
      (times[middle] <= t ? low : high) = middle;
    }
    return static_cast<std::int32_t>(low);
  }

  /// Rounds after which what was learned is dropped, since it may mislead. Every 16th time the rounds become twice as long.
  static constexpr std::int64_t life = 24;

  constexpr void forget() {
    for (item& x : items_) x.weight = first_weight;
    weight_step_ = first_weight;
    if (round_ / life % 16 == 0) first_length_ *= 2;
    length_ = first_length_;
  }
  /// What is in the way from now on weighs a tenth more than what was before, and the next round is longer. Weights stay below 2^28.
  constexpr void raise_weight() {
    weight_step_ += weight_step_ / 10;
    length_ += length_ / 20;
    std::int64_t most = 0;
    for (const item& x : items_) most = x.weight > most ? x.weight : most;
    for (; most > 1 << 28; most >>= 4) {
      weight_step_ = (weight_step_ >> 4) + 1;
      for (item& x : items_) x.weight = (x.weight >> 4) + 1;
    }
  }

  /// The order of the buffers for this round: by weight times area, in every second life weight times length, and a little chance.
  constexpr void rank_items() {
    const bool by_area = round_ / life % 2 == 0;
    vec<std::int32_t> order;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      item& x = items_[i];
      random_ = random_ * 1664525U + 1013904223U;
      const std::int64_t chance = (random_ >> 16) % (round_ / life % 2 == 0 ? 20 : 40);
      const std::int64_t length = x.length >> length_shift_;
      const std::int64_t size = x.size >> size_shift_;
      x.key = (by_area ? length * size >> 14 : length) * x.weight / 100 * (100 + chance);
      std::size_t j = order.size();
      while (j > 0 && before(x, items_[at(order[j - 1])])) --j;
      order.insert(j, static_cast<std::int32_t>(i));
    }
    for (std::size_t r = 0; r < order.size(); ++r) items_[at(order[r])].rank = static_cast<std::int32_t>(r);
  }
  static constexpr bool before(const item& a, const item& b) {
    if (a.key != b.key) return a.key > b.key;
    if (a.size != b.size) return a.size > b.size;
    return a.length > b.length;
  }

  template <class Stop> constexpr outcome search(std::int64_t limit, Stop& stop) {
    restart();
    if (!sound()) return outcome::impossible;
    while (true) {
      frame& f = frames_[depth_ - 1];
      if (f.open && f.parts_done < f.parts) { // the next part that the last placement left
        enter(f.first_part + f.parts_done);
      } else if (f.open) { // all of them are solved
        if (depth_ == 1) return outcome::placed;
        frame& parent = frames_[--depth_ - 1];
        ++parent.parts_done;
        pool_.resize(parts_[parent.first_part + parent.parts - 1].items_end);
        parts_.resize(parent.first_part + parent.parts);
      } else if (f.next < f.candidates.size()) {
        if (used_ == limit) return outcome::limit;
        ++used_;
        if (stop()) {
          stopped_ = true;
          return outcome::limit;
        }
        f.open = true;
        if (!put(f, f.candidates[f.next++])) take_back(f);
      } else { // no solution: neither here nor in what is the same without the last placement
        while (true) {
          const bool apart = frames_[depth_ - 1].of.apart;
          --depth_;
          take_back(frames_[depth_ - 1]);
          if (depth_ == 1) return outcome::impossible;
          if (!apart) break;
        }
      }
    }
  }

  constexpr void restart() {
    pool_.clear();
    parts_.clear();
    trail_.clear();
    depth_ = 0;
    for (std::int64_t& l : left_) l = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      low_[i] = 0;
      placed_[i] = 0;
      if (items_[i].size == 0) continue;
      pool_.push_back(static_cast<std::int32_t>(i));
      for (std::int32_t s = items_[i].first; s < items_[i].last; ++s) {
        left_[at(s)] += items_[i].size;
        touch(s);
      }
    }
    frame& root = push_frame();
    root.of = {.first = 0, .last = sections_, .items = 0, .items_end = pool_.size()};
    root.open = true;
    split(root, none);
  }
  static constexpr std::int32_t none = -1;
  constexpr frame& push_frame() {
    if (depth_ == frames_.size()) frames_.push_back({});
    frame& f = frames_[depth_++];
    f.next = f.parts = f.parts_done = 0;
    f.first_part = parts_.size();
    f.pool_end = pool_.size();
    f.trail = trail_.size();
    f.open = false;
    f.candidates.clear();
    return f;
  }

  /// Starts a part: what can come first in it.
  constexpr void enter(std::size_t p) {
    frame& f = push_frame();
    f.of = parts_[p];
    std::int64_t ceiling = capacity_;
    for (std::size_t k = f.of.items; k < f.of.items_end; ++k) {
      const std::int64_t top = low_[at(pool_[k])] + items_[at(pool_[k])].size;
      ceiling = top < ceiling ? top : ceiling;
    }
    for (std::size_t k = f.of.items; k < f.of.items_end; ++k) {
      const std::int32_t i = pool_[k];
      const std::int64_t low = low_[at(i)];
      if (low >= ceiling || (low == f.of.base && items_[at(i)].rank < f.of.base_rank)) continue;
      std::size_t j = f.candidates.size();
      while (j > 0 && earlier(i, f.candidates[j - 1])) --j;
      f.candidates.insert(j, i);
    }
    std::size_t kept = 0;
    for (const std::int32_t c : f.candidates) {
      bool alike = false;
      for (std::size_t k = 0; k < kept && !alike; ++k) alike = same(items_[at(c)], items_[at(f.candidates[k])]);
      if (!alike) f.candidates[kept++] = c;
    }
    f.candidates.resize(kept);
  }
  [[nodiscard]] constexpr bool earlier(std::int32_t a, std::int32_t b) const {
    if (low_[at(a)] != low_[at(b)]) return low_[at(a)] < low_[at(b)];
    return items_[at(a)].rank < items_[at(b)].rank;
  }
  static constexpr bool same(const item& a, const item& b) {
    return a.first == b.first && a.last == b.last && a.size == b.size;
  }

  /// Places a candidate of a part as low as it can lie. False where what is left cannot be placed any more.
  constexpr bool put(frame& f, std::int32_t i) {
    const item& x = items_[at(i)];
    const std::int64_t top = low_[at(i)] + x.size;
    offsets_[at(i)] = low_[at(i)];
    placed_[at(i)] = 1;
    trail_.push_back({i, -1});
    for (std::int32_t s = x.first; s < x.last; ++s) left_[at(s)] -= x.size;
    for (std::size_t k = f.of.items; k < f.of.items_end; ++k) {
      const std::int32_t j = pool_[k];
      const item& y = items_[at(j)];
      if (j != i && y.first < x.last && x.first < y.last && !raise(j, top)) return false;
    }
    split(f, i);
    for (std::size_t p = f.first_part; p < f.first_part + f.parts; ++p) {
      if (parts_[p].apart) continue;
      for (std::size_t k = parts_[p].items; k < parts_[p].items_end; ++k) {
        if (!raise(pool_[k], parts_[p].base)) return false;
      }
    }
    return sound();
  }
  constexpr bool raise(std::int32_t i, std::int64_t low) {
    if (low_[at(i)] >= low) return true;
    item& x = items_[at(i)];
    if (low + x.size > capacity_) {
      x.weight += weight_step_;
      for (const std::int32_t s : dirty_list_) dirty_[at(s)] = 0;
      dirty_list_.clear();
      return false;
    }
    trail_.push_back({i, low_[at(i)]});
    low_[at(i)] = low;
    for (std::int32_t s = x.first; s < x.last; ++s) touch(s);
    return true;
  }
  constexpr void touch(std::int32_t s) {
    if (dirty_[at(s)] != 0) return;
    dirty_[at(s)] = 1;
    dirty_list_.push_back(s);
  }
  /// In every section that changed: what cannot lie below an offset fits above it.
  constexpr bool sound() {
    bool ok = true;
    for (const std::int32_t s : dirty_list_) {
      dirty_[at(s)] = 0;
      if (!ok || left_[at(s)] == 0) continue;
      ok = fits(s);
    }
    dirty_list_.clear();
    return ok;
  }
  constexpr bool fits(std::int32_t s) {
    sorted_.clear();
    std::int64_t least = capacity_;
    std::int64_t greatest = 0;
    for (std::size_t k = member_at_[at(s)]; k < member_at_[at(s) + 1]; ++k) {
      const std::int32_t i = members_[k];
      if (placed_[at(i)] != 0) continue;
      const std::int64_t low = low_[at(i)];
      least = low < least ? low : least;
      greatest = low > greatest ? low : greatest;
      sorted_.push_back(i);
    }
    if (least + left_[at(s)] > capacity_) return blame(s, least);
    if (greatest + left_[at(s)] <= capacity_) return true; // whatever the order
    for (std::size_t k = 1; k < sorted_.size(); ++k) {     // by falling offset
      const std::int32_t i = sorted_[k];
      std::size_t j = k;
      for (; j > 0 && low_[at(sorted_[j - 1])] < low_[at(i)]; --j) sorted_[j] = sorted_[j - 1];
      sorted_[j] = i;
    }
    std::int64_t above = 0;
    for (const std::int32_t i : sorted_) {
      above += items_[at(i)].size;
      if (low_[at(i)] + above > capacity_) return blame(s, low_[at(i)]);
    }
    return true;
  }
  constexpr bool blame(std::int32_t s, std::int64_t low) {
    for (std::size_t k = member_at_[at(s)]; k < member_at_[at(s) + 1]; ++k) {
      if (placed_[at(members_[k])] == 0 && low_[at(members_[k])] >= low) items_[at(members_[k])].weight += weight_step_;
    }
    return false;
  }

  /// Cuts what is left of a frame's part at the borders that no buffer crosses.
  constexpr void split(frame& f, std::int32_t without) {
    f.parts = f.parts_done = 0;
    f.first_part = parts_.size();
    f.pool_end = pool_.size();
    for (std::int32_t s = f.of.first; s < f.of.last; ++s) reach_[at(s)] = 0;
    for (std::size_t k = f.of.items; k < f.of.items_end; ++k) {
      const item& x = items_[at(pool_[k])];
      if (pool_[k] != without && x.last > reach_[at(x.first)]) reach_[at(x.first)] = x.last;
    }
    for (std::int32_t s = f.of.first; s < f.of.last;) {
      if (reach_[at(s)] == 0) {
        ++s;
        continue;
      }
      std::int32_t end = reach_[at(s)];
      for (std::int32_t i = s + 1; i < end; ++i) end = reach_[at(i)] > end ? reach_[at(i)] : end;
      part p{.first = s, .last = end, .items = pool_.size(), .items_end = 0};
      for (std::size_t k = f.of.items; k < f.of.items_end; ++k) {
        const std::int32_t i = pool_[k];
        if (i != without && items_[at(i)].first >= s && items_[at(i)].first < end) pool_.push_back(i);
      }
      p.items_end = pool_.size();
      p.apart = without == none || end <= items_[at(without)].first || s >= items_[at(without)].last;
      p.base = p.apart ? f.of.base : low_[at(without)];
      p.base_rank = p.apart ? f.of.base_rank : items_[at(without)].rank;
      parts_.push_back(p);
      ++f.parts;
      s = end;
    }
  }

  /// Undoes the placement of a frame and all that followed.
  constexpr void take_back(frame& f) {
    while (trail_.size() > f.trail) {
      const change c = trail_.back();
      trail_.pop_back();
      if (c.low >= 0) {
        low_[at(c.item)] = c.low;
        continue;
      }
      placed_[at(c.item)] = 0;
      for (std::int32_t s = items_[at(c.item)].first; s < items_[at(c.item)].last; ++s)
        left_[at(s)] += items_[at(c.item)].size;
    }
    f.open = false;
    f.parts = f.parts_done = 0;
    pool_.resize(f.pool_end);
    parts_.resize(f.first_part);
  }

  std::int64_t capacity_ = 0;
  std::int32_t sections_ = 0;
  std::int32_t length_shift_ = 0;
  std::int32_t size_shift_ = 0;
  vec<item> items_;
  vec<std::int64_t> offsets_;
  vec<std::int64_t> low_; ///< least offset that a buffer can still have
  vec<std::uint8_t> placed_;
  vec<std::int64_t> left_; ///< bytes that are still to be placed in each section
  vec<std::int32_t> members_;
  vec<std::size_t> member_at_; ///< the buffers of section s: members_ from member_at_[s] to member_at_[s + 1]
  vec<std::uint8_t> dirty_;
  vec<std::int32_t> dirty_list_;
  vec<std::int32_t> reach_;
  vec<std::int32_t> sorted_;
  vec<std::int32_t> pool_; ///< buffers of the parts
  vec<part> parts_;
  vec<change> trail_;
  vec<frame> frames_;
  std::size_t depth_ = 0;
  std::int64_t used_ = 0;
  std::int64_t weight_step_ = first_weight;
  std::int64_t first_length_ = 2000; ///< of a life's first round, in steps
  std::int64_t length_ = 2000;       ///< of the round at hand
  std::int64_t round_ = 0;
  std::uint32_t random_ = 1;
  bool stopped_ = false;
};

} // namespace tmpu::memory
