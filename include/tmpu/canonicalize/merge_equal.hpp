// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/rewriter.hpp"

namespace tmpu::canonicalize {

/// Two nodes of the same operator, attributes and operands  ==>  one of them. Constants of equal bytes count as the same.
/// Needs: no random numbers; one result; an operand that is no constant; an output of the graph does not lose its name.
struct merge_equal_nodes {
  static constexpr std::string_view name = "merge-equal-nodes";

private:
  // First: clang evaluates at compile time only templates that are defined before their use.
  template <class T> static constexpr bool equal(std::span<const T> a, std::span<const T> b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }

public:
  static constexpr bool apply(rewriter& r, node_id id) {
    const graph_body& g = r.graph();
    if (g.results(id).size() != 1 || top::random_operators::any([&]<class Op>() { return r.is<Op>(id); })) return false;
    const tensor_id shared = rarest_operand(r, id);
    if (shared == none) return false;
    node_id twin = none;
    if (!r.any_reader(shared, [&](node_id other) {
          twin = other;
          return other != id && same(r, other, id);
        }))
      return false;
    const tensor_id mine = r.result(id);
    const tensor_id theirs = r.result(twin);
    // What is made first stays, so that it is made before it is read.
    const bool first = id < twin;
    const tensor_id from = first ? theirs : mine;
    const tensor_id to = first ? mine : theirs;
    if (!g.is_output(from)) {
      r.replace(from, to);
      return true;
    }
    if (!g.is_output(to)) {
      r.replace(to, from);
      return true;
    }
    return false;
  }

private:
  /// The operand that has the fewest readers and is no constant: an equal node is one of these readers.
  static constexpr tensor_id rarest_operand(const rewriter& r, node_id id) {
    tensor_id best = none;
    for (const tensor_id t : r.graph().operands(id)) {
      if (t == none || r.is_constant(t)) continue;
      if (best == none || r.uses(t) < r.uses(best)) best = t;
    }
    return best;
  }
  static constexpr bool same(const rewriter& r, node_id a, node_id b) {
    const graph_body& g = r.graph();
    const node& x = g.node_at(a);
    const node& y = g.node_at(b);
    if (x.op != y.op || x.operands.count != y.operands.count || g.results(x).size() != 1 ||
        !equal(g.words(x), g.words(y)))
      return false;
    for (std::size_t i = 0; i < x.operands.count; ++i) {
      if (!same_tensor(g, g.operand(a, i), g.operand(b, i))) return false;
    }
    return true;
  }
  static constexpr bool same_tensor(const graph_body& g, tensor_id a, tensor_id b) {
    if (a == b) return true;
    if (!g.is_constant(a) || !g.is_constant(b)) return false;
    const tensor& x = g.at(a);
    const tensor& y = g.at(b);
    return x.type == y.type && x.dims == y.dims && equal(g.bytes(a), g.bytes(b));
  }
};
static_assert(rewrite_rule<merge_equal_nodes>);

} // namespace tmpu::canonicalize
