// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/op.hpp"
#include "tmpu/top/operators.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace tmpu::canonicalize {

/// What a rewrite rule works with: the graph, how often each tensor is read, and the changes that keep both right.
/// Nodes that nothing reads any more are dead: they stay in their place, without operands, until the pass tidies up.
class rewriter {
public:
  constexpr explicit rewriter(graph_body& g) : g_(&g), uses_(g.tensors.size()), dead_(g.nodes.size()) {
    for (const node& n : g.nodes) {
      for (const tensor_id t : g.operands(n)) {
        if (t != none) ++count_of(t);
      }
    }
    for (const tensor_id t : g.outputs) ++count_of(t);
    for (std::size_t i = g.nodes.size(); i-- > 0;) kill_if_unused(static_cast<node_id>(i));
  }

  // --- looking -------------------------------------------------------------------------------------------------
  [[nodiscard]] constexpr graph_body& graph() { return *g_; }
  [[nodiscard]] constexpr const graph_body& graph() const { return *g_; }
  [[nodiscard]] constexpr bool dead(node_id id) const { return dead_[static_cast<std::size_t>(id)] != 0; }
  template <class Op> [[nodiscard]] constexpr bool is(node_id id) const { return tmpu::is<Op>(*g_, id); }
  template <class Op> [[nodiscard]] constexpr typename Op::attributes attributes(node_id id) const {
    return attributes_of<Op>(*g_, id);
  }
  [[nodiscard]] constexpr tensor_id operand(node_id id, std::size_t i = 0) const { return g_->operand(id, i); }
  [[nodiscard]] constexpr tensor_id result(node_id id) const { return g_->result(id); }
  [[nodiscard]] constexpr const tmpu::shape& dims(tensor_id t) const { return g_->at(t).dims; }
  [[nodiscard]] constexpr dtype_id type(tensor_id t) const { return g_->at(t).type; }
  [[nodiscard]] constexpr bool is_constant(tensor_id t) const { return g_->is_constant(t); }
  [[nodiscard]] constexpr value constant(tensor_id t) const { return g_->constant_value(t); }
  [[nodiscard]] constexpr bool floating(tensor_id t) const { return t != none && is_floating(type(t)); }
  /// The node that makes t if it is an Op, else none.
  template <class Op> [[nodiscard]] constexpr node_id made_by(tensor_id t) const {
    if (t == none) return none;
    const node_id p = g_->at(t).producer;
    return p != none && tmpu::is<Op>(*g_, p) ? p : none;
  }
  /// One node reads t, and t is no output of the graph.
  [[nodiscard]] constexpr bool read_once(tensor_id t) const {
    return uses_[static_cast<std::size_t>(t)] == 1 && !g_->is_output(t);
  }
  [[nodiscard]] constexpr std::int32_t uses(tensor_id t) const { return uses_[static_cast<std::size_t>(t)]; }
  /// Whether t is a constant of one floating-point element; then `x` is it.
  [[nodiscard]] constexpr bool scalar(tensor_id t, float& x) const {
    if (!is_constant(t) || !floating(t) || dims(t).elements() != 1) return false;
    x = constant(t).f[0];
    return true;
  }

  // --- changing ------------------------------------------------------------------------------------------------
  /// A new node with one result of that name (made unique), shape inferred.
  template <class Op>
  constexpr tensor_id add(std::string_view name, const typename Op::attributes& a,
                          std::initializer_list<tensor_id> operands) {
    const text own = fresh(name);
    const tensor_id y = g_->add_tensor(own, dtype_id::none, {});
    uses_.push_back(0);
    const tensor_id results[] = {y};
    const node_id id = add_node<Op>(*g_, own, a, {operands.begin(), operands.size()}, results);
    dead_.push_back(0);
    for (const tensor_id t : operands) {
      if (t != none) ++count_of(t);
    }
    infer(*g_, id);
    return y;
  }
  /// The node becomes an Op with these attributes and operands; its results stay.
  template <class Op>
  constexpr void become(node_id id, const typename Op::attributes& a, std::initializer_list<tensor_id> operands) {
    set_op<Op>(*g_, id, a);
    const vec<tensor_id> before(g_->operands(id));
    for (const tensor_id t : operands) {
      if (t != none) ++count_of(t);
    }
    g_->set_operands(id, {operands.begin(), operands.size()});
    for (const tensor_id t : before) release(t);
    infer(*g_, id);
  }
  /// The node gets other attributes.
  template <class Op> constexpr void set_attributes(node_id id, const typename Op::attributes& a) {
    set_op<Op>(*g_, id, a);
    infer(*g_, id);
  }
  /// Operand i of the node is t from now on.
  constexpr void set_operand(node_id id, std::size_t i, tensor_id t) {
    const tensor_id before = g_->operand(id, i);
    if (before == t) return;
    if (t != none) ++count_of(t);
    g_->set_operand(id, i, t);
    release(before);
  }
  /// `first` makes the result of `last`, which is dead then: a fused result keeps the name of the last ONNX output.
  constexpr void take_result(node_id first, node_id last) {
    const tensor_id inner = result(first);
    const tensor_id outer = result(last);
    const tensor_id firsts[] = {outer};
    const tensor_id lasts[] = {inner};
    bury(last, first);
    g_->set_results(first, firsts);
    g_->set_results(last, lasts);
    infer(*g_, first);
  }
  /// Every reader of the node's result reads x instead, and the node is dead. False, and nothing is changed, where an
  /// output of the graph would lose its name.
  constexpr bool bypass(node_id id, tensor_id x) {
    const tensor_id y = result(id);
    if (!g_->is_output(y)) {
      move_uses(y, x);
      kill_if_unused(id);
      return true;
    }
    const node_id p = g_->at(x).producer;
    if (p == none || g_->is_output(x)) return false;
    // The producer of x makes y itself.
    bury(id, p);
    move_uses(x, y);
    vec<tensor_id> results(g_->results(p));
    for (tensor_id& t : results) {
      if (t == x) t = y;
    }
    g_->set_results(p, results);
    const tensor_id left[] = {x};
    g_->set_results(id, left);
    infer(*g_, p);
    return true;
  }
  /// Every reader of `from` reads `to`; what made `from` may be dead then.
  constexpr void replace(tensor_id from, tensor_id to) {
    move_uses(from, to);
    if (g_->at(from).producer != none) kill_if_unused(g_->at(from).producer);
  }
  /// t is a constant from now on; the node that made it is dead when nothing reads its other results.
  constexpr void make_constant(tensor_id t, const value& v) {
    const node_id p = g_->at(t).producer;
    tensor& x = g_->at(t);
    x.producer = none;
    x.type = v.type;
    x.dims = v.dims;
    g_->constants.push_back({.owned = to_bytes(v), .view = nullptr, .view_size = 0});
    x.constant = static_cast<std::int32_t>(g_->constants.size()) - 1;
    if (p == none) return;
    vec<tensor_id> results(g_->results(p));
    for (tensor_id& r : results) {
      if (r == t) r = none;
    }
    g_->set_results(p, results);
    kill_if_unused(p);
  }
  /// A new constant.
  constexpr tensor_id add_constant(std::string_view name, const value& v) {
    const tensor_id t = g_->add_constant(fresh(name), v);
    uses_.push_back(0);
    return t;
  }
  /// A new constant scalar of the type of t.
  constexpr tensor_id add_scalar(std::string_view name, float x, tensor_id like) {
    value v(type(like), {});
    v.f[0] = x;
    return add_constant(name, v);
  }
  /// The constant that is operand i of the node gets other elements; it keeps its name where nothing else reads it.
  constexpr void set_constant(node_id id, std::size_t i, const value& v) {
    const tensor_id t = operand(id, i);
    if (uses(t) != 1) {
      set_operand(id, i, add_constant(g_->name(t), v));
      return;
    }
    tensor& x = g_->at(t);
    x.type = v.type;
    x.dims = v.dims;
    constant_bytes& bytes = g_->constants[static_cast<std::size_t>(x.constant)];
    bytes.view = nullptr;
    bytes.view_size = 0;
    bytes.owned = to_bytes(v);
  }
  /// `y/part` for the result y of a node: the name of a tensor that a rule puts before y.
  [[nodiscard]] constexpr text name_before(node_id id, std::string_view part) const {
    return text(g_->name(result(id))) << '/' << part;
  }

private:
  constexpr std::int32_t& count_of(tensor_id t) { return uses_[static_cast<std::size_t>(t)]; }
  constexpr void release(tensor_id t) {
    if (t == none) return;
    --count_of(t);
    if (g_->at(t).producer != none) kill_if_unused(g_->at(t).producer);
  }
  constexpr void kill_if_unused(node_id id) {
    if (dead(id)) return;
    for (const tensor_id t : g_->results(id)) {
      if (t != none && uses(t) > 0) return;
    }
    bury(id, none);
  }
  // The node is dead; what it read may be, too, but not `spared`.
  constexpr void bury(node_id id, node_id spared) {
    dead_[static_cast<std::size_t>(id)] = 1;
    const vec<tensor_id> operands(g_->operands(id));
    g_->set_operands(id, {});
    for (const tensor_id t : operands) {
      if (t == none) continue;
      --count_of(t);
      const node_id p = g_->at(t).producer;
      if (p != none && p != spared) kill_if_unused(p);
    }
  }
  constexpr void move_uses(tensor_id from, tensor_id to) {
    g_->replace_uses(from, to);
    count_of(to) += uses(from);
    count_of(from) = 0;
  }
  [[nodiscard]] constexpr text fresh(std::string_view name) const {
    text own(name);
    for (std::int32_t n = 2; g_->find(own) != none; ++n) {
      text next(name);
      next << '_' << n;
      own = std::move(next);
    }
    return own;
  }

  graph_body* g_;
  vec<std::int32_t> uses_;
  vec<std::uint8_t> dead_;
};

/// A rewrite rule: a name, and apply, which changes the graph around one node and says whether it did. A rule with
/// `needs_shapes = false` is also tried where shapes are not known yet.
template <class Rule> concept rewrite_rule = requires(rewriter& r, node_id id) {
  { Rule::name } -> std::convertible_to<std::string_view>;
  { Rule::apply(r, id) } -> std::same_as<bool>;
};

} // namespace tmpu::canonicalize
