// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/graph.hpp"
#include "tmpu/timing/cycles.hpp"
#include "tmpu/tpu/assemble.hpp"
#include "tmpu/tpu/conv.hpp"
#include "tmpu/tpu/elementwise.hpp"
#include "tmpu/tpu/pool.hpp"

namespace tmpu::group {

/// For each tensor the last node that reads it; the number of nodes where it is a graph output.
constexpr vec<std::int32_t> last_readers(const graph_body& g) {
  vec<std::int32_t> last(g.tensors.size(), none);
  for (std::size_t n = 0; n < g.nodes.size(); ++n) {
    for (const tensor_id t : g.operands(static_cast<node_id>(n))) {
      if (t != none) last[static_cast<std::size_t>(t)] = static_cast<std::int32_t>(n);
    }
  }
  for (const tensor_id t : g.outputs) last[static_cast<std::size_t>(t)] = static_cast<std::int32_t>(g.nodes.size());
  return last;
}

/// What a search asks of every node over and over, worked out once: attributes are not decoded again for each candidate.
class catalog {
public:
  /// A tensor as some node wants it in local memory.
  struct slot {
    tensor_id tensor = none;
    isa::layout layout = isa::layout::aligned;
    dtype_id type = dtype_id::none;
    tpu::view4 dims;
    std::int32_t next = none; ///< another slot of the same tensor
  };
  struct operand {
    std::int32_t slot = none;
    tpu::reach reach;
  };
  struct entry {
    bool tiled = false;
    bool scratch = false; ///< needs scratch space even where K is whole
    tpu::cuts cut;
    std::int64_t inner = 1;
    std::int64_t channels = 0; ///< of a sum for the array of multipliers; 0: none
    std::int64_t taps = 0;
    dtype_id type = dtype_id::none; ///< of the first operand
    std::int64_t passes = 2;        ///< of the execution units over the result, where it is no such sum
    std::int32_t result = none;     ///< its slot
    std::size_t first = 0;          ///< of its operands
    std::size_t count = 0;
  };

  constexpr catalog(const graph_body& g, const chip::facts& chip)
      : g_(&g), chip_(&chip), readers_(last_readers(g)), first_of_(g.tensors.size(), none) {
    nodes_.resize(g.nodes.size());
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
      const auto id = static_cast<node_id>(n);
      entry& e = nodes_[n];
      if (!tpu::is_tiled(g, id)) continue;
      const tpu::tpu_record& r = tpu::record(g, id);
      const tensor& y = g.at(g.result(id));
      const tpu::view4 v = tpu::fold(y.dims);
      e.tiled = true;
      e.cut = r.cut(g, id);
      e.inner = r.inner(g, id);
      e.scratch = r.scratch(g, id, 0, {tpu::whole(v), 0, e.inner}, false).type != dtype_id::none;
      e.type = g.at(g.operand(id, 0)).type;
      if (const std::int64_t macs = r.macs(g, id); macs > 0) {
        const bool conv = is<tpu::conv>(g, id);
        const std::int64_t each = macs / (v.n * v.c * v.h * v.w);
        if (conv && tpu::conv::depthwise(g, id)) {
          e.passes = each;
        } else {
          e.channels = g.at(g.operand(id, 0)).dims[1] / (conv ? attributes_of<tpu::conv>(g, id).group : 1);
          e.taps = each / e.channels;
        }
      } else if (is<tpu::pool>(g, id)) {
        const auto a = attributes_of<tpu::pool>(g, id);
        e.passes = a.kernel_shape[0] * a.kernel_shape[1];
      } else if (is<tpu::join>(g, id)) {
        std::int64_t at = 0;
        e.passes = 1;
        for (const tensor_id x : g.operands(id)) {
          if (at % chip.lanes != 0) e.passes += g.at(x).dims[1]; // to other lanes, one channel after the other
          at += g.at(x).dims[1];
        }
        e.passes = ceil_div(e.passes, ceil_div(v.c, std::int64_t{chip.lanes}));
      } else if (is<tpu::unary>(g, id)) {
        e.passes = timing::passes_of(static_cast<isa::unary_kind>(attributes_of<tpu::unary>(g, id).kind));
      }
      e.first = operands_.size();
      e.count = g.operands(id).size();
      for (std::size_t o = 0; o < e.count; ++o) {
        const tpu::operand_facts facts = r.operand(g, id, o);
        operands_.push_back({slot_of(g.operand(id, o), facts.layout, facts.dims), r.reach(g, id, o)});
      }
      e.result = slot_of(g.result(id), isa::layout::aligned, v);
    }
  }

  [[nodiscard]] constexpr const graph_body& graph() const { return *g_; }
  [[nodiscard]] constexpr const chip::facts& chip() const { return *chip_; }
  [[nodiscard]] constexpr std::int32_t count() const { return static_cast<std::int32_t>(nodes_.size()); }
  [[nodiscard]] constexpr std::size_t slot_count() const { return slots_.size(); }
  [[nodiscard]] constexpr std::span<const std::int32_t> readers() const { return readers_.span(); }
  [[nodiscard]] constexpr const entry& node(node_id id) const { return nodes_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] constexpr const slot& at(std::int32_t s) const { return slots_[static_cast<std::size_t>(s)]; }
  [[nodiscard]] constexpr const operand& operand_of(const entry& e, std::size_t o) const {
    return operands_[e.first + o];
  }
  /// The first slot of a tensor; the others follow by `next`.
  [[nodiscard]] constexpr std::int32_t first_slot(tensor_id t) const { return first_of_[static_cast<std::size_t>(t)]; }

private:
  constexpr std::int32_t slot_of(tensor_id t, isa::layout layout, const tpu::view4& dims) {
    std::int32_t& first = first_of_[static_cast<std::size_t>(t)];
    for (std::int32_t s = first; s != none; s = at(s).next) {
      if (at(s).layout == layout && at(s).dims == dims) return s;
    }
    slots_.push_back({.tensor = t, .layout = layout, .type = g_->at(t).type, .dims = dims, .next = first});
    first = static_cast<std::int32_t>(slots_.size()) - 1;
    return first;
  }

  const graph_body* g_;
  const chip::facts* chip_;
  vec<std::int32_t> readers_;
  vec<std::int32_t> first_of_; // tensor -> its first slot
  vec<entry> nodes_;
  vec<operand> operands_;
  vec<slot> slots_;
};

} // namespace tmpu::group
