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
  constexpr explicit rewriter(graph_body& g)
      : g_(&g), uses_(g.tensors.size()), last_reader_(g.tensors.size(), none), dead_(g.nodes.size()) {
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
      for (const tensor_id t : g.operands(g.nodes[i])) read(static_cast<node_id>(i), t);
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
  /// The node that makes t if it is an Op whose result nothing else reads, else none.
  template <class Op> [[nodiscard]] constexpr node_id inner(tensor_id t) const {
    return t != none && read_once(t) ? made_by<Op>(t) : none;
  }
  /// Whether f(node) holds for a node that reads t. A node that reads t twice may be asked twice.
  template <class F> [[nodiscard]] constexpr bool any_reader(tensor_id t, F&& f) const {
    for (std::int32_t at = last_reader_[static_cast<std::size_t>(t)]; at != none;) {
      const reader e = readers_[static_cast<std::size_t>(at)];
      if (reads(e.node, t) && f(e.node)) return true;
      at = e.before;
    }
    return false;
  }
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
                          std::span<const tensor_id> operands) {
    const text own = fresh(name);
    const tensor_id y = g_->add_tensor(own, dtype_id::none, {});
    add_count();
    const tensor_id results[] = {y};
    const node_id id = add_node<Op>(*g_, own, a, operands, results);
    dead_.push_back(0);
    for (const tensor_id t : operands) read(id, t);
    infer(*g_, id);
    return y;
  }
  template <class Op>
  constexpr tensor_id add(std::string_view name, const typename Op::attributes& a,
                          std::initializer_list<tensor_id> operands) {
    return add<Op>(name, a, std::span<const tensor_id>(operands.begin(), operands.size()));
  }
  /// A new node with the operator and the attributes of `like`, which has one result.
  constexpr tensor_id add_like(node_id like, std::string_view name, std::span<const tensor_id> operands) {
    const text own = fresh(name);
    const tensor_id y = g_->add_tensor(own, dtype_id::none, {});
    add_count();
    const tensor_id results[] = {y};
    const node n = g_->node_at(like);
    const vec<std::uint32_t> words(g_->words(n));
    const node_id id = g_->add_node(own, *n.op, words.span(), operands, results);
    dead_.push_back(0);
    for (const tensor_id t : operands) read(id, t);
    infer(*g_, id);
    return y;
  }
  /// t, one of several results of a node, is made by a new Op from now on.
  template <class Op>
  constexpr void remake(tensor_id t, const typename Op::attributes& a, std::initializer_list<tensor_id> operands) {
    const node_id p = g_->at(t).producer;
    vec<tensor_id> results(g_->results(p));
    for (tensor_id& y : results) {
      if (y == t) y = none;
    }
    g_->set_results(p, results);
    const text own(g_->name(t));
    const tensor_id only[] = {t};
    const node_id id = add_node<Op>(*g_, own, a, {operands.begin(), operands.size()}, only);
    dead_.push_back(0);
    for (const tensor_id x : operands) read(id, x);
    infer(*g_, id);
    kill_if_unused(p);
  }
  /// The node becomes an Op with these attributes and operands; its results stay.
  template <class Op>
  constexpr void become(node_id id, const typename Op::attributes& a, std::span<const tensor_id> operands) {
    set_op<Op>(*g_, id, a);
    const vec<tensor_id> before(g_->operands(id));
    for (const tensor_id t : operands) read(id, t);
    g_->set_operands(id, operands);
    for (const tensor_id t : before) release(t);
    infer(*g_, id);
  }
  template <class Op>
  constexpr void become(node_id id, const typename Op::attributes& a, std::initializer_list<tensor_id> operands) {
    become<Op>(id, a, std::span<const tensor_id>(operands.begin(), operands.size()));
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
    read(id, t);
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
    add_count();
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
  /// One entry of the list of a tensor's readers. The node may have changed since: reads() says whether it counts.
  struct reader {
    node_id node;
    std::int32_t before;
  };
  [[nodiscard]] constexpr bool reads(node_id id, tensor_id t) const {
    for (const tensor_id o : g_->operands(id)) {
      if (o == t) return true;
    }
    return false;
  }
  constexpr void add_count() {
    uses_.push_back(0);
    last_reader_.push_back(none);
  }
  /// The node has t as an operand from now on.
  constexpr void read(node_id id, tensor_id t) {
    if (t == none) return;
    ++count_of(t);
    std::int32_t& last = last_reader_[static_cast<std::size_t>(t)];
    readers_.push_back({id, last});
    last = static_cast<std::int32_t>(readers_.size()) - 1;
  }
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
    const auto head = static_cast<std::size_t>(from);
    for (std::int32_t at = last_reader_[head]; at != none; at = readers_[static_cast<std::size_t>(at)].before) {
      const node_id id = readers_[static_cast<std::size_t>(at)].node;
      for (std::size_t i = 0; i < g_->operands(id).size(); ++i) {
        if (g_->operand(id, i) != from) continue;
        g_->set_operand(id, i, to);
        read(id, to);
        --count_of(from);
      }
    }
    last_reader_[head] = none;
    for (tensor_id& t : g_->outputs) {
      if (t != from) continue;
      t = to;
      ++count_of(to);
      --count_of(from);
    }
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
  vec<std::int32_t> last_reader_; // of each tensor, in readers_
  vec<reader> readers_;
  vec<std::uint8_t> dead_;
};

/// A rewrite rule: a name, and apply, which changes the graph around one node and says whether it did. A rule with
/// `needs_shapes = false` is also tried where shapes are not known yet.
template <class Rule> concept rewrite_rule = requires(rewriter& r, node_id id) {
  { Rule::name } -> std::convertible_to<std::string_view>;
  { Rule::apply(r, id) } -> std::same_as<bool>;
};

} // namespace tmpu::canonicalize
