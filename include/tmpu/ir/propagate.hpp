// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/evaluate.hpp"

namespace tmpu {

/// What is known of a tensor, constants of the graph included; false where it is nothing. An absent one is known.
constexpr bool find_known(const graph_body& g, tensor_id t, const known_values& known, known_elements& to) {
  if (t == none) return true;
  if (const known_elements* e = known.find(t); e != nullptr) {
    to = *e;
    return true;
  }
  if (!g.is_constant(t) || g.at(t).type == dtype_id::string || g.at(t).dims.elements() > known_values::most_elements) {
    return false;
  }
  to.content = g.constant_value(t);
  return true;
}

namespace detail {
/// The elements of a value one after the other, whatever their type.
constexpr void set_element(value& v, std::size_t i, std::int64_t x) {
  if (is_floating(v.type)) {
    v.f[i] = static_cast<float>(x);
  } else {
    v.i[i] = x;
  }
}
constexpr vec<std::uint8_t> as_flags(const value& v) {
  vec<std::uint8_t> flags(v.size());
  for (std::size_t i = 0; i < flags.size(); ++i) {
    flags[i] = (is_floating(v.type) ? v.f[i] != 0.0F : v.i[i] != 0) ? 1 : 0;
  }
  return flags;
}
constexpr value flags_of(const known_elements& e) {
  value v(e.content.type, e.content.dims);
  for (std::size_t i = 0; i < v.size(); ++i) set_element(v, i, e.at(i) ? 1 : 0);
  return v;
}

/// Known where the elements of all operands at that place are.
constexpr vec<std::uint8_t> flags_each(const vec<known_elements>& operands, const shape& over) {
  const auto count = static_cast<std::size_t>(over.elements());
  vec<std::uint8_t> flags(count, 1);
  for (const known_elements& e : operands) {
    if (e.complete()) continue;
    const shape& own = e.content.dims;
    for (std::size_t n = 0; n < count; ++n) {
      std::size_t rest = n;
      std::size_t at = 0;
      std::size_t step = 1;
      for (std::size_t d = over.rank(); d-- > 0;) {
        const std::size_t index = rest % static_cast<std::size_t>(over[d]);
        rest /= static_cast<std::size_t>(over[d]);
        if (d + own.rank() < over.rank()) continue;
        const std::int64_t size = own[d + own.rank() - over.rank()];
        if (size != 1) at += index * step;
        step *= static_cast<std::size_t>(size);
      }
      if (!e.at(at)) flags[n] = 0;
    }
  }
  return flags;
}

constexpr vec<value> evaluate_on(const graph_body& g, node_id id, const vec<value>& operands) {
  vec<const value*> list;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    list.push_back(g.operand(id, i) == none ? nullptr : &operands[i]);
  }
  return evaluate_node(g, id, list);
}

/// The results are small enough to be looked at, and their shapes are known.
constexpr bool are_small(const graph_body& g, node_id id) {
  for (const tensor_id t : g.results(id)) {
    if (t == none) continue;
    const std::int64_t count = g.at(t).dims.elements();
    if (count < 0 || count > known_values::most_elements) return false;
  }
  return true;
}
/// Elements decide about the shape of a result.
constexpr bool depends_on_elements(const graph_body& g, node_id id) {
  for (const tensor_id t : g.results(id)) {
    if (t != none && !g.at(t).dims.known()) return true;
  }
  return false;
}
} // namespace detail

/// Puts what follows for the results of one node into the table: everything where all operands are known, otherwise as
/// much as the operator's element_flow tells. Shapes that depend on known elements become known, too.
constexpr void propagate(graph_body& g, node_id id, known_values& known) {
  using kind = element_flow::kind;
  const element_flow flow = g.node_at(id).op->flow;
  const bool open = detail::depends_on_elements(g, id);
  if (!open && !detail::are_small(g, id)) return;
  for (const tensor_id t : g.results(id)) {
    if (t != none && (g.at(t).type == dtype_id::none || g.at(t).type == dtype_id::string)) return;
  }
  const auto operands = g.operands(id);
  if (flow.how == kind::dims) {
    const tensor& x = g.at(operands[0]);
    value dims;
    value flags;
    dims.type = flags.type = x.type;
    dims.dims = flags.dims = x.dims;
    for (std::size_t d = 0; d < x.dims.rank(); ++d) {
      if (x.dims[d] < 0) dims.dims[d] = 0;
      flags.dims[d] = x.dims[d] < 0 ? 0 : 1;
    }
    vec<value> content = detail::evaluate_on(g, id, {dims});
    if (x.dims.known()) {
      known.put(g.result(id), {std::move(content[0]), {}});
    } else {
      known.put(g.result(id), {std::move(content[0]), detail::as_flags(detail::evaluate_on(g, id, {flags})[0])});
    }
    return;
  }

  vec<known_elements> found(operands.size());
  bool complete = true;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (!find_known(g, operands[i], known, found[i])) return;
    complete = complete && found[i].complete();
  }
  if (!complete) {
    if (open || flow.how == kind::whole) return;
    for (std::size_t i = 0; flow.how == kind::moved && i < found.size(); ++i) {
      const bool moves = i < 32 ? (flow.operands >> i & 1U) != 0 : flow.operands == ~0U;
      if (!moves && !found[i].complete()) return;
    }
  }
  // (No `a ? b : c` of values with storage: g++ 12 releases it twice in constant evaluation.)
  vec<value> contents;
  vec<value> flags;
  for (std::size_t i = 0; i < found.size(); ++i) {
    value v = found[i].content;
    for (std::size_t n = 0; n < found[i].known.size(); ++n) {
      if (!found[i].at(n)) detail::set_element(v, n, 1); // any element that nothing can object to
    }
    contents.push_back(std::move(v));
    const bool moves = i < 32 ? (flow.operands >> i & 1U) != 0 : flow.operands == ~0U;
    if (complete) continue;
    flags.push_back(found[i].content);
    if (moves) flags.back() = detail::flags_of(found[i]);
  }
  const vec<value> results = detail::evaluate_on(g, id, contents);
  vec<value> moved;
  if (!complete && flow.how == kind::moved) moved = detail::evaluate_on(g, id, flags);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const tensor_id t = g.result(id, i);
    if (t == none) continue;
    if (open) g.at(t).dims = results[i].dims;
    if (g.at(t).dims.elements() > known_values::most_elements) continue;
    known_elements e{results[i], {}};
    if (!complete) {
      if (flow.how == kind::moved) {
        e.known = detail::as_flags(moved[i]);
      } else {
        e.known = detail::flags_each(found, results[i].dims);
      }
      for (std::size_t n = 0; n < e.known.size(); ++n) {
        if (!e.at(n)) detail::set_element(e.content, n, 0);
      }
    }
    known.put(t, std::move(e));
  }
}

/// Runs the shape rule of one node, and what is known of its results.
constexpr void infer_and_propagate(graph_body& g, node_id id, known_values& known) {
  infer(g, id, &known);
  propagate(g, id, known);
}
/// Runs all shape rules, in order.
constexpr void infer_all(graph_body& g) {
  known_values known;
  for (std::size_t i = 0; i < g.nodes.size(); ++i) infer_and_propagate(g, static_cast<node_id>(i), known);
}

} // namespace tmpu
