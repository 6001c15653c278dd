// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/op.hpp"

namespace tmpu {

namespace detail {
/// The result types of a node from the values of its operands: for shapes that no shape rule could tell before, because
/// they are computed by the graph itself (stage origin), and for results that the graph does not take.
constexpr vec<tensor> result_types(const graph_body& g, node_id id, std::span<const value* const> operands) {
  graph_body one;
  vec<tensor_id> ins;
  vec<tensor_id> outs;
  for (const value* v : operands) ins.push_back(v == nullptr ? none : one.add_constant("", *v));
  for (std::size_t i = 0; i < g.results(id).size(); ++i) outs.push_back(one.add_tensor("", dtype_id::none, {}));
  infer(one, one.add_node(g.node_name(id), *g.node_at(id).op, g.words(g.node_at(id)), ins, outs));
  vec<tensor> types;
  for (const tensor_id t : outs) types.push_back(one.at(t));
  return types;
}
} // namespace detail

/// Runs one node on the values of its operands. Where a shape depends on the elements themselves, the operator gives its
/// result the shape and the elements. Results that the graph does not take are computed as well: an operator does not ask. `given`: an
/// operand that nobody needs afterwards, which becomes the first result of an operator that works in place.
constexpr vec<value> evaluate_node(const graph_body& g, node_id id, std::span<const value* const> operands,
                                   value* given = nullptr) {
  vec<value> results(g.results(id).size());
  // A shape rule that did not see all dimensions has not checked all either: it runs again on the values.
  bool known = true;
  for (const tensor_id t : g.results(id)) known = known && t != none && g.at(t).dims.known();
  for (const tensor_id t : g.operands(id)) known = known && (t == none || g.at(t).dims.known());
  vec<tensor> types;
  if (!known) types = detail::result_types(g, id, operands);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const tensor& type = known ? g.at(g.result(id, i)) : types[i];
    if (i == 0 && given != nullptr) {
      results[i] = std::move(*given);
      results[i].dims = type.dims;
    } else if (g.node_at(id).op->info.writes_all) {
      results[i] = value::to_be_written(type.type, type.dims);
    } else {
      results[i] = value(type.type, type.dims);
    }
  }
  vec<const value*> moved;
  if (given != nullptr) {
    for (const value* v : operands) moved.push_back(v == given ? &results[0] : v);
    operands = moved.span();
  }
  eval_context context(g, id, operands, results.span());
  g.node_at(id).op->eval(context);
  for (const value& v : results) {
    if (v.type != dtype_id::none && (!v.dims.known() || v.size() != static_cast<std::size_t>(v.dims.elements()))) {
      context.fail(text("its result ") << v.dims.print() << " holds " << v.size()
                                       << " elements: its `eval` must set shape and elements where `infer` cannot");
    }
  }
  return results;
}

enum class keep { outputs, everything };

/// Inference of a graph at any stage: Top operators by their float meaning, Tpu operators by their own (integer or
/// rounded) meaning. `inputs` are in the order of g.inputs and have their types and shapes. The result holds a value for each tensor; with
/// keep::outputs those of dead intermediates are freed on the way and come back empty. Constants come back empty too; with `kept` they are
/// left there, so that the next run of the same graph need not read them again.
constexpr vec<value> evaluate(const graph_body& g, std::span<const value> inputs, keep what = keep::outputs,
                              vec<value>* kept = nullptr) {
  if (inputs.size() != g.inputs.size()) {
    refuse(text("the graph has ") << g.inputs.size() << " inputs, but " << inputs.size() << " values were given");
  }
  vec<value> values(g.tensors.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const tensor& t = g.at(g.inputs[i]);
    if (inputs[i].type != t.type || !(inputs[i].dims == t.dims)) {
      refuse(text("input '") << g.name(g.inputs[i]) << "' is " << name_of(t.type) << t.dims.print()
                             << ", but the value given is " << name_of(inputs[i].type) << inputs[i].dims.print());
    }
    values[static_cast<std::size_t>(g.inputs[i])] = inputs[i];
  }
  vec<std::int32_t> last_use(g.tensors.size(), none);
  for (std::size_t n = 0; n < g.nodes.size(); ++n) {
    for (const tensor_id t : g.operands(static_cast<node_id>(n))) {
      if (t != none) last_use[static_cast<std::size_t>(t)] = static_cast<std::int32_t>(n);
    }
  }
  vec<value> own;
  vec<value>& constants = kept != nullptr ? *kept : own;
  constants.resize(g.tensors.size());
  for (std::size_t n = 0; n < g.nodes.size(); ++n) {
    const auto id = static_cast<node_id>(n);
    vec<const value*> operands;
    for (const tensor_id t : g.operands(id)) {
      if (t == none) {
        operands.push_back(nullptr);
      } else if (g.is_constant(t)) {
        value& c = constants[static_cast<std::size_t>(t)];
        if (c.type == dtype_id::none) c = g.constant_value(t);
        operands.push_back(&c);
      } else {
        operands.push_back(&values[static_cast<std::size_t>(t)]);
      }
    }
    const auto dies = [&](tensor_id t) {
      return t != none && last_use[static_cast<std::size_t>(t)] == static_cast<std::int32_t>(n) && !g.is_output(t) &&
             !g.is_constant(t);
    };
    value* given = nullptr;
    const tensor_id first = g.result(id, 0);
    if (what == keep::outputs && g.node_at(id).op->info.in_place && first != none && g.at(first).dims.known()) {
      for (std::size_t i = 0; i < 2 && i < operands.size() && given == nullptr; ++i) {
        const tensor_id t = g.operands(id)[i];
        if (dies(t) && g.at(t).dims.known() && g.at(t).type == g.at(first).type &&
            g.at(t).dims.elements() == g.at(first).dims.elements())
          given = &values[static_cast<std::size_t>(t)];
      }
    }
    vec<value> results = evaluate_node(g, id, operands, given);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (g.result(id, i) != none) values[static_cast<std::size_t>(g.result(id, i))] = std::move(results[i]);
    }
    for (const tensor_id t : g.operands(id)) {
      if (t == none || last_use[static_cast<std::size_t>(t)] != static_cast<std::int32_t>(n)) continue;
      if (kept == nullptr) constants[static_cast<std::size_t>(t)] = value();
      if (what == keep::outputs && !g.is_output(t)) values[static_cast<std::size_t>(t)] = value();
    }
  }
  for (const tensor_id t : g.outputs) {
    if (g.is_constant(t)) values[static_cast<std::size_t>(t)] = g.constant_value(t);
  }
  return values;
}

} // namespace tmpu
