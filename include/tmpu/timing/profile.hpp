// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/timing/timeline.hpp"

namespace tmpu::timing {

/// What a layer or a layer group is predicted to cost.
struct cost {
  std::int32_t layer = -1; ///< place in network::layers; -1 for a whole group
  std::int32_t group = -1;
  std::int32_t layers = 1; ///< how many it sums up
  std::int64_t instructions = 0;
  std::int64_t busy[2] = {}; ///< cycles that each engine works for it, indexed by isa::engine
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::int64_t load_bytes = 0;
  std::int64_t store_bytes = 0;
  std::int64_t macs = 0;

  [[nodiscard]] constexpr bool bound_by_memory() const { return busy[1] > busy[0]; }
};

namespace detail {
/// Bytes [first, last) that were asked for, as disjoint intervals in order.
class covered {
public:
  constexpr void add(std::int64_t first, std::int64_t last) {
    std::size_t at = 0;
    std::size_t after = parts_.size();
    while (at < after) { // the first that ends at `first` or behind it
      const std::size_t middle = (at + after) / 2;
      (parts_[middle].last < first ? at : after) = parts_[middle].last < first ? middle + 1 : middle;
    }
    while (at < parts_.size() && parts_[at].first <= last) {
      first = parts_[at].first < first ? parts_[at].first : first;
      last = parts_[at].last > last ? parts_[at].last : last;
      parts_.erase(at);
    }
    parts_.insert(at, {first, last});
  }
  [[nodiscard]] constexpr std::int64_t bytes() const {
    std::int64_t sum = 0;
    for (const part& p : parts_) sum += p.last - p.first;
    return sum;
  }

private:
  struct part {
    std::int64_t first = 0;
    std::int64_t last = 0;
  };
  vec<part> parts_;
};
} // namespace detail

/// A timeline with what each instruction is for. Of several segments and cores: one segment after the other, core by core; the engines'
/// cycles are those of the core that needs most in each segment.
struct profile {
  struct instruction {
    std::string_view name;
    std::int32_t core = 0;
    std::int32_t layer = -1;
    std::int32_t group = -1;
    std::int64_t bytes = 0; ///< that a transfer moves
  };
  /// How many cores have instructions, at least 1.
  [[nodiscard]] constexpr std::int32_t cores() const {
    std::int32_t most = 1;
    for (const instruction& x : instructions) most = x.core + 1 > most ? x.core + 1 : most;
    return most;
  }
  timeline line;
  /// What any program for this network moves: the weights that it uses, inputs and outputs, once each.
  std::int64_t bound_bytes = 0;
  vec<instruction> instructions; ///< in program order, as line.instructions
  vec<cost> layers;              ///< in the order of their first instruction
  vec<cost> groups;
};

namespace detail {
/// What the streams of a network have in common while they are added to its profile.
struct profile_sums {
  vec<std::int32_t> place; ///< of each layer its row in profile::layers
  vec<std::int32_t>
      group_place; ///< by the number of a group: the loads of one may stand between instructions of another
  covered weights;
};
/// Adds one core's stream, which starts at cycle `start`.
template <class Instructions>
constexpr timeline add_stream(profile& p, profile_sums& sums, const isa::network& n, const isa::core_stream& stream,
                              const chip::facts& chip, std::int32_t core, std::int64_t start) {
  static_assert(static_cast<int>(isa::engine::compute) == 0 && static_cast<int>(isa::engine::dma) == 1);
  timeline line = simulate<Instructions>(stream, chip, static_cast<std::uint8_t>(core));
  std::size_t owner = 0;
  const auto note_weights = [&](const auto& operand) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(operand)>, isa::global_ref>) {
      if (isa::region_of(operand.address) != isa::region::weights) return;
      const std::int64_t first = isa::offset_of(operand.address);
      sums.weights.add(first, first + (operand.n - 1) * operand.n_stride + (operand.c - 1) * operand.c_stride +
                                  (operand.h - 1) * operand.h_stride + (operand.w - 1) * operand.w_stride +
                                  bytes_of(operand.type));
    }
  };
  const auto add = [](cost& c, const span_of_time& span, std::int64_t loaded, std::int64_t stored) {
    if (c.instructions == 0 || span.start < c.start) c.start = span.start;
    if (span.end > c.end) c.end = span.end;
    ++c.instructions;
    c.busy[static_cast<std::size_t>(span.engine)] += span.end - span.start;
    c.load_bytes += loaded;
    c.store_bytes += stored;
  };
  std::size_t at = 0;
  for (std::size_t k = 0; k < line.instructions.size(); ++k) {
    const std::size_t size = isa::size_of(stream.words[at]);
    while (owner + 1 < stream.owners.size() && stream.owners[owner + 1].index <= k) ++owner;
    profile::instruction x;
    x.core = core;
    if (!stream.owners.empty()) {
      x.layer = stream.owners[owner].layer;
      x.group = stream.owners[owner].group;
    }
    if (x.layer < 0 || static_cast<std::size_t>(x.layer) >= n.layers.size())
      refuse(text("instruction ") << k << " belongs to no layer: compile the model again");
    bool stores = false;
    isa::decoder<Instructions>::decode(stream.words.span().subspan(at, size),
                                       [&]<class I>(const isa::header&, const I& i) {
                                         x.name = I::name;
                                         x.bytes = bytes_moved(i);
                                         i.reads(note_weights);
                                         stores = std::is_same_v<I, isa::dma_store>;
                                       });
    at += size;
    std::int32_t& row = sums.place[static_cast<std::size_t>(x.layer)];
    if (row < 0) {
      row = static_cast<std::int32_t>(p.layers.size());
      p.layers.push_back({.layer = x.layer, .group = x.group});
      p.layers.back().macs = n.layers[static_cast<std::size_t>(x.layer)].macs;
      while (sums.group_place.size() <= static_cast<std::size_t>(x.group)) sums.group_place.push_back(-1);
      std::int32_t& place_of = sums.group_place[static_cast<std::size_t>(x.group)];
      if (place_of < 0) {
        place_of = static_cast<std::int32_t>(p.groups.size());
        p.groups.push_back({.layer = -1, .group = x.group, .layers = 0});
      }
      cost& group = p.groups[static_cast<std::size_t>(place_of)];
      ++group.layers;
      group.macs += p.layers.back().macs;
    }
    span_of_time span = line.instructions[k];
    span.start += start;
    span.end += start;
    const std::int64_t loaded = stores ? 0 : x.bytes;
    const std::int64_t stored = stores ? x.bytes : 0;
    add(p.layers[static_cast<std::size_t>(row)], span, loaded, stored);
    add(p.groups[static_cast<std::size_t>(sums.group_place[static_cast<std::size_t>(x.group)])], span, loaded, stored);
    p.instructions.push_back(x);
    p.line.instructions.push_back(span);
  }
  return line;
}
} // namespace detail

/// Profile of the segments of a network, its host steps left out. The multiply-accumulates of a layer are those that its meaning needs,
/// not what padding to the lanes adds.
template <class Instructions = unpack<decltype(isa::instructions)>>
constexpr profile profile_of(const isa::network& n, const chip::facts& chip) {
  profile p;
  detail::profile_sums sums{.place = vec<std::int32_t>(n.layers.size(), -1), .group_place = {}, .weights = {}};
  for (const isa::segment& s : n.segments) {
    std::int64_t cycles = 0;
    std::int64_t busy[2] = {};
    for (std::size_t core = 0; core < s.cores.size(); ++core) {
      const timeline line = detail::add_stream<Instructions>(p, sums, n, s.cores[core], chip,
                                                             static_cast<std::int32_t>(core), p.line.cycles);
      cycles = line.cycles > cycles ? line.cycles : cycles;
      for (std::size_t e = 0; e < 2; ++e) busy[e] = line.busy[e] > busy[e] ? line.busy[e] : busy[e];
      p.line.dma_bytes += line.dma_bytes;
      p.line.conflict_cycles += line.conflict_cycles;
    }
    p.line.cycles += cycles;
    for (std::size_t e = 0; e < 2; ++e) p.line.busy[e] += busy[e];
  }
  p.bound_bytes = sums.weights.bytes();
  for (const auto* list : {&n.inputs, &n.outputs}) {
    for (const isa::io_tensor& t : *list) p.bound_bytes += shape(t.dims.span()).elements() * bytes_of(t.type);
  }
  return p;
}

} // namespace tmpu::timing
