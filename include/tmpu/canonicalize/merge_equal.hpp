// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/rewriter.hpp"

namespace tmpu::canonicalize {

/// Two nodes of the same operator, attributes and operands  ==>  one of them.
/// Needs: one result; an output of the graph does not lose its name.
struct merge_equal_nodes {
  static constexpr std::string_view name = "merge-equal-nodes";
  static constexpr bool apply(rewriter& r, node_id id) {
    const graph_body& g = r.graph();
    if (g.results(id).size() != 1 || g.operands(id).empty()) return false;
    const node& mine = g.node_at(id);
    for (node_id other = 0; other < id; ++other) {
      const node& n = g.node_at(other);
      if (n.op != mine.op || n.operands.count != mine.operands.count || n.words.count != mine.words.count) continue;
      if (r.dead(other) || g.results(other).size() != 1 || !equal(g.operands(other), g.operands(id)) ||
          !equal(g.words(n), g.words(mine)))
        continue;
      const tensor_id same = r.result(other);
      if (!g.is_output(r.result(id))) {
        r.replace(r.result(id), same);
        return true;
      }
      if (!g.is_output(same)) {
        r.replace(same, r.result(id));
        return true;
      }
    }
    return false;
  }

private:
  template <class T> static constexpr bool equal(std::span<const T> a, std::span<const T> b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }
};
static_assert(rewrite_rule<merge_equal_nodes>);

} // namespace tmpu::canonicalize
