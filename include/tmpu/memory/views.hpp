// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/graph.hpp"
#include "tmpu/tpu/operators.hpp"

namespace tmpu::memory {

/// Which tensors lie inside of others in global memory, known before anything has an address:
/// * a reshape is its operand under another shape;
/// * a slice whose elements lie behind each other in its operand is read there;
/// * an operand of a concat whose operands lie behind each other in its result is made there, unless it is an input of the model, a
///   constant, a part of something else or there already.
/// What lies where it belongs is not moved.
class views {
public:
  /// Part of the place of `root`, from byte `offset` on. A tensor with a place of its own is its own root.
  struct view {
    tensor_id root = none;
    std::int64_t offset = 0;
  };

  constexpr explicit views(const graph_body& g) : g_(&g) {
    for (std::size_t t = 0; t < g.tensors.size(); ++t) within_.push_back({static_cast<tensor_id>(t), 0});
    for (std::size_t n = 0; n < g.nodes.size(); ++n) {
      const auto id = static_cast<node_id>(n);
      if (is<tpu::reshape>(g, id)) within(g.result(id)) = {g.operand(id, 0), 0};
      if (is<tpu::slice>(g, id)) read_in_place(id);
      if (is<tpu::concat>(g, id)) make_in_place(id);
    }
  }

  [[nodiscard]] constexpr view of(tensor_id t) const {
    view v{t, 0};
    for (;;) {
      const view& next = within_[static_cast<std::size_t>(v.root)];
      if (next.root == v.root) return v;
      v = {next.root, v.offset + next.offset};
    }
  }

  /// The bytes of operand i of a concat in its result; -1 where the operands do not lie behind each other there.
  [[nodiscard]] static constexpr std::int64_t offset_in_concat(const graph_body& g, node_id id, std::size_t i) {
    const auto axis = static_cast<std::size_t>(attributes_of<tpu::concat>(g, id).axis);
    for (std::size_t d = 0; d < axis; ++d) {
      if (g.at(g.result(id)).dims[d] != 1) return -1;
    }
    std::int64_t at = 0;
    for (std::size_t o = 0; o < i; ++o) at += bytes(g, g.operand(id, o));
    return at;
  }

  /// A node that only moves data, of which everything lies where it belongs: it takes no instruction.
  [[nodiscard]] constexpr bool moves_nothing(node_id id) const {
    if (is<tpu::reshape>(*g_, id)) return true;
    const view y = of(g_->result(id));
    if (is<tpu::slice>(*g_, id)) return y.root != g_->result(id) && y.root == of(g_->operand(id, 0)).root;
    if (!is<tpu::concat>(*g_, id)) return false;
    for (std::size_t i = 0; i < g_->operands(id).size(); ++i) {
      const view x = of(g_->operand(id, i));
      const std::int64_t at = offset_in_concat(*g_, id, i);
      if (at < 0 || x.root != y.root || x.offset != y.offset + at) return false;
    }
    return true;
  }

private:
  static constexpr std::int64_t bytes(const graph_body& g, tensor_id t) {
    return g.at(t).dims.elements() * bytes_of(g.at(t).type);
  }
  [[nodiscard]] constexpr view& within(tensor_id t) { return within_[static_cast<std::size_t>(t)]; }

  constexpr void read_in_place(node_id id) {
    const tensor_id x = g_->operand(id, 0);
    if (g_->is_constant(x)) return;
    const auto a = attributes_of<tpu::slice>(*g_, id);
    const shape& from = g_->at(x).dims;
    const shape& to = g_->at(g_->result(id)).dims;
    std::int64_t first = 0; // element of x
    std::int64_t stride = 1;
    bool whole = true; // along all dimensions behind d
    for (std::size_t d = from.rank(); d-- > 0;) {
      if (to[d] > 1 && (a.steps[d] != 1 || !whole)) return;
      first += a.starts[d] * stride;
      stride *= from[d];
      whole = whole && to[d] == from[d];
    }
    within(g_->result(id)) = {x, first * bytes_of(g_->at(x).type)};
  }
  constexpr void make_in_place(node_id id) {
    const tensor_id y = g_->result(id);
    for (std::size_t i = 0; i < g_->operands(id).size(); ++i) {
      const tensor_id x = g_->operand(id, i);
      const view v = of(x);
      const std::int64_t at = offset_in_concat(*g_, id, i);
      if (at < 0 || v.root == y || g_->at(v.root).producer == none || bytes(*g_, v.root) != bytes(*g_, x)) continue;
      within(v.root) = {y, at};
    }
  }

  const graph_body* g_;
  vec<view> within_; ///< for each tensor what it lies in directly: itself or another one
};

} // namespace tmpu::memory
