// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/op.hpp"

namespace tmpu {

namespace detail {
/// What must hold of a graph at every stage: ids in range, one producer a tensor, operands made before they are read,
/// constants of the right size.
constexpr text verify_body(const graph_body& g) {
  const auto count = static_cast<tensor_id>(g.tensors.size());
  vec<std::uint8_t> made(g.tensors.size());
  for (const tensor_id t : g.inputs) {
    if (t < 0 || t >= count) return text("an input is no tensor of the graph");
    if (made[static_cast<std::size_t>(t)] != 0) return text("input '") << g.name(t) << "' is listed twice";
    made[static_cast<std::size_t>(t)] = 1;
  }
  for (tensor_id t = 0; t < count; ++t) {
    const tensor& x = g.at(t);
    if (x.constant == none) continue;
    if (x.constant < 0 || x.constant >= static_cast<std::int32_t>(g.constants.size())) {
      return text("constant '") << g.name(t) << "' has no bytes";
    }
    if (!x.dims.known()) return text("constant '") << g.name(t) << "' has an unknown dimension";
    const auto needed = static_cast<std::size_t>(x.dims.elements() * bytes_of(x.type));
    if (x.type != dtype_id::string && g.bytes(t).size() < needed) {
      return text("constant '") << g.name(t) << "' holds " << g.bytes(t).size() << " bytes; its shape "
                                << x.dims.print() << " needs " << needed;
    }
    made[static_cast<std::size_t>(t)] = 1;
  }
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const auto id = static_cast<node_id>(i);
    for (const tensor_id t : g.operands(id)) {
      if (t == none) continue;
      if (t < 0 || t >= count) return text("node '") << g.node_name(id) << "' reads a tensor that is not in the graph";
      if (made[static_cast<std::size_t>(t)] == 0) {
        return text("node '") << g.node_name(id) << "' reads '" << g.name(t) << "' before it is made";
      }
    }
    for (const tensor_id t : g.results(id)) {
      if (t == none) continue;
      if (t < 0 || t >= count) return text("node '") << g.node_name(id) << "' writes a tensor that is not in the graph";
      if (made[static_cast<std::size_t>(t)] != 0) {
        return text("node '") << g.node_name(id) << "' writes '" << g.name(t) << "', which is made already";
      }
      if (g.at(t).producer != id)
        return text("tensor '") << g.name(t) << "' names another producer than node '" << g.node_name(id) << "'";
      made[static_cast<std::size_t>(t)] = 1;
    }
  }
  if (g.outputs.empty()) return text("the graph has no output");
  for (const tensor_id t : g.outputs) {
    if (t < 0 || t >= count || made[static_cast<std::size_t>(t)] == 0) return text("an output is made by no node");
  }
  return {};
}
} // namespace detail

/// The invariants of a stage; empty text when they hold, otherwise one line that names the first breach.
template <stage S> constexpr text verify(const graph<S>& g) {
  if (text bad = detail::verify_body(g); !bad.empty()) return bad;
  bool own_scales = false; // a model that was quantized elsewhere leaves some tensors in float
  for (const tensor& t : g.tensors) own_scales = own_scales || (S == stage::calibrated && t.quant.present());
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const auto id = static_cast<node_id>(i);
    // From stage lowered on an operator of Top is a host step.
    if (S < stage::lowered && g.node_at(id).op->domain == "tpu") {
      return text("node '") << g.node_name(id) << "' is an operator of tpu at stage " << name_of(S);
    }
    const bool host = g.node_at(id).op->domain != "tpu";
    for (const tensor_id t : g.results(id)) {
      if (t == none) continue;
      const tensor& x = g.at(t);
      // What the elements of other tensors decide is known when a host step has run.
      if (S >= stage::canonical && ((!host && !x.dims.known()) || x.type == dtype_id::none)) {
        return text("tensor '") << g.name(t) << "' has no known type and shape at stage " << name_of(S);
      }
      if (S == stage::calibrated && is_floating(x.type) && !x.range.known && !own_scales) {
        return text("tensor '") << g.name(t) << "' has no range at stage calibrated";
      }
    }
  }
  if constexpr (S < stage::grouped) {
    if (!g.groups.empty()) return text("the graph has layer groups before stage grouped");
  } else {
    node_id next = 0;
    for (const layer_group& group : g.groups) {
      if (group.first != next || group.count <= 0)
        return text("layer groups do not cover the nodes one after the other");
      next += group.count;
    }
    if (next != static_cast<node_id>(g.nodes.size())) return text("the last nodes are in no layer group");
  }
  if constexpr (S >= stage::addressed) {
    for (const tensor_id t : g.outputs) {
      if (g.at(t).address == none) return text("output '") << g.name(t) << "' has no address";
    }
    for (const tensor_id t : g.inputs) {
      if (g.at(t).address == none) return text("input '") << g.name(t) << "' has no address";
    }
  }
  return {};
}

} // namespace tmpu
