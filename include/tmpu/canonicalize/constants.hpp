// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/rewriter.hpp"
#include "tmpu/ir/evaluate.hpp"

namespace tmpu::canonicalize {

/// A node whose operands are all constant, Constant, and what only asks for a known shape (Shape, Size, EyeLike)  ==>  a constant.
/// Needs: results that are not much larger than the operands (what makes a great tensor of nearly nothing is left to run). A
/// shape that only the elements tell (NonZero) is known behind it.
struct fold_constants {
  static constexpr std::int64_t most_elements = std::int64_t{1} << 26;
  static constexpr std::string_view name = "fold-constants";
  static constexpr bool needs_shapes = false;
  static constexpr bool apply(rewriter& r, node_id id) {
    graph_body& g = r.graph();
    const bool asks_shape = r.is<top::shape>(id) || r.is<top::size>(id) || r.is<top::eye_like>(id);
    vec<value> values;
    for (const tensor_id t : g.operands(id)) {
      value v;
      if (t != none && asks_shape) {
        if (!r.dims(t).known()) return false;
        v.type = r.type(t);
        v.dims = r.dims(t);
      } else if (t != none) {
        if (!r.is_constant(t)) return false;
        v = r.constant(t);
      }
      values.push_back(std::move(v));
    }
    std::int64_t most = most_elements;
    for (const value& v : values) most += static_cast<std::int64_t>(v.size());
    vec<tensor_id> results(g.results(id));
    for (const tensor_id t : results) {
      if (t == none) continue;
      if (r.type(t) == dtype_id::none || r.type(t) == dtype_id::string || r.dims(t).elements() > most) return false;
    }
    vec<const value*> operands;
    for (std::size_t i = 0; i < values.size(); ++i) operands.push_back(r.operand(id, i) == none ? nullptr : &values[i]);
    const vec<value> made = evaluate_node(g, id, operands);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i] != none) r.make_constant(results[i], made[i]);
    }
    return true;
  }
};
static_assert(rewrite_rule<fold_constants>);

} // namespace tmpu::canonicalize
