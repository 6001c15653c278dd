// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/rules.hpp"

namespace tmpu::canonicalize {

/// How often a rule changed the graph.
struct rule_count {
  std::string_view rule;
  std::int32_t count = 0;
};

/// What the caller may ask of the pass.
struct options {
  vec<std::string_view> without; ///< names of rules that are left out
};

/// Origin to canonical: the rules are tried at each node, in their order, until none applies any more.
///
/// The shapes of the inputs must be bound. Afterwards every tensor has a known type and, unless it depends on the elements of
/// an input, a known shape, what is constant is folded, and nothing is left that no output needs.
/// Errors: one line for an input with a free dimension, a rule name that is not in the list, a shape rule that refuses a
/// node.
template <class Rules> struct canonicalize_pass {
  static constexpr std::string_view name = "canonicalize";
  static constexpr stage from = stage::origin;
  static constexpr stage to = stage::canonical;
  using rule_list = unpack<Rules>;

  static constexpr graph<stage::canonical> run(graph<stage::origin> g, const options& o = {},
                                               vec<rule_count>* counts = nullptr) {
    check_inputs(g);
    check_names(o);
    vec<rule_count> applied;
    rule_list::for_each([&]<class Rule>() { applied.push_back({Rule::name, 0}); });
    const auto limit = 64 * (static_cast<std::int64_t>(g.nodes.size()) + 16);
    while (sweep(g, o, applied)) {
      g.tidy();
      std::int64_t now = 0;
      for (const rule_count& c : applied) now += c.count;
      if (now > limit) refuse_loop(applied);
    }
    g.tidy();
    if (counts != nullptr) *counts = std::move(applied);
    return graph<stage::canonical>(std::move(g));
  }
  constexpr graph<stage::canonical> operator()(graph<stage::origin> g, const options& o = {},
                                               vec<rule_count>* counts = nullptr) const {
    return run(std::move(g), o, counts);
  }

  /// A number for the list of rules in use: calibration tables hold it, because it decides which tensors there are.
  static constexpr std::uint64_t fingerprint(const options& o = {}) {
    std::uint64_t hash = 14695981039346656037U; // FNV-1a
    rule_list::for_each([&]<class Rule>() {
      if (left_out(o, Rule::name)) return;
      for (const char c : std::string_view(Rule::name)) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
      hash = (hash ^ 0xFFU) * 1099511628211U;
    });
    return hash;
  }

private:
  static constexpr bool left_out(const options& o, std::string_view rule) {
    for (const std::string_view n : o.without) {
      if (n == rule) return true;
    }
    return false;
  }

  /// One walk over the nodes; true when something changed. The first walk also finds the shapes.
  static constexpr bool sweep(graph_body& g, const options& o, vec<rule_count>& applied) {
    rewriter r(g);
    bool changed = false;
    for (node_id id = 0; id < static_cast<node_id>(g.nodes.size()); ++id) {
      if (r.dead(id)) continue;
      infer(g, id);
      // A node that keeps changing is left to the next sweep, so that a sweep ends.
      for (int tries = 0; tries < 16 && !r.dead(id); ++tries) {
        if (!try_rules(r, id, o, applied)) break;
        changed = true;
      }
    }
    return changed;
  }

  static constexpr bool try_rules(rewriter& r, node_id id, const options& o, vec<rule_count>& applied) {
    if (r.graph().results(id).empty() || r.result(id) == none) return false; // only further results are read
    const bool shapes = shapes_known(r.graph(), id);
    std::size_t at = 0;
    return rule_list::any([&]<class Rule>() {
      rule_count& c = applied[at++];
      if constexpr (!is_shapeless<Rule>) {
        if (!shapes) return false;
      }
      if ((!o.without.empty() && left_out(o, Rule::name)) || !Rule::apply(r, id)) return false;
      ++c.count;
      return true;
    });
  }
  template <class Rule> static constexpr bool is_shapeless = requires { requires !Rule::needs_shapes; };

  static constexpr bool shapes_known(const graph_body& g, node_id id) {
    for (const tensor_id t : g.operands(id)) {
      if (t != none && !g.at(t).dims.known()) return false;
    }
    for (const tensor_id t : g.results(id)) {
      if (t != none && !g.at(t).dims.known()) return false;
    }
    return true;
  }

  static constexpr void check_inputs(const graph_body& g) {
    for (const tensor_id t : g.inputs) {
      if (g.at(t).dims.known()) continue;
      refuse(text("input '") << g.name(t) << "' has the shape " << g.at(t).dims.print()
                             << " with free dimensions: bind them with --input-shape " << g.name(t) << "="
                             << join(bound_shape(g.at(t).dims), ","));
    }
  }
  static constexpr tmpu::shape bound_shape(tmpu::shape d) {
    for (std::size_t i = 0; i < d.rank(); ++i) d[i] = d[i] < 0 ? 1 : d[i];
    return d;
  }
  static constexpr void check_names(const options& o) {
    for (const std::string_view n : o.without) {
      const bool known = rule_list::any([&]<class Rule>() { return n == Rule::name; });
      if (known) continue;
      text all;
      rule_list::for_each([&]<class Rule>() { all << (all.empty() ? "" : ", ") << Rule::name; });
      refuse(text("'") << n << "' is no canonicalize rule; the rules are " << all);
    }
  }
  static inline void refuse_loop(const vec<rule_count>& applied) {
    text names;
    for (const rule_count& c : applied) {
      if (c.count > 0) names << ' ' << c.rule << ':' << c.count;
    }
    refuse(text("the canonicalize rules undo each other and never come to an end:")
           << names << ": leave one of them out");
  }
};

/// The pass with all rules.
using pass = canonicalize_pass<decltype(rules)>;

} // namespace tmpu::canonicalize
