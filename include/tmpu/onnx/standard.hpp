// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/onnx/attributes.hpp"
#include "tmpu/onnx/stage_file.hpp"

#include <string>
#include <string_view>

namespace tmpu::onnx {

/// A graph of Top operators as a plain ONNX model, for any tool. Refuses an operator that ONNX does not have, and attributes of ours
/// (fused activations), which the caller has to take apart first.
template <class Operators>
pb::ModelProto to_standard(const graph_body& g, std::int64_t opset, std::string_view network) {
  pb::ModelProto m;
  m.set_ir_version(8);
  m.set_producer_name("tmpu");
  auto& set = *m.add_opset_import();
  set.set_domain("");
  set.set_version(opset);
  auto& to = *m.mutable_graph();
  to.set_name(std::string(network));
  const vec<tensor_id> order = detail::file_order(g);
  const std::vector<std::string> names = detail::unique_names(g, order);
  const auto name = [&](tensor_id t) { return t == none ? std::string() : names[static_cast<std::size_t>(t)]; };
  for (const tensor_id t : g.inputs) write_type(*to.add_input(), name(t), g.at(t));
  for (const tensor_id t : g.outputs) write_type(*to.add_output(), name(t), g.at(t));
  for (const tensor_id t : order) {
    if (g.is_constant(t)) write_tensor(*to.add_initializer(), name(t), g.at(t), g.bytes(t));
  }
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const auto id = static_cast<node_id>(i);
    const op_record* record = g.node_at(id).op;
    auto& n = *to.add_node();
    n.set_name(name(g.result(id))); // unique, as tensors are
    n.set_op_type(std::string(record->info.onnx));
    for (const tensor_id t : g.operands(id)) n.add_input(name(t));
    for (const tensor_id t : g.results(id)) n.add_output(name(t));
    const bool known = !record->info.onnx.empty() && Operators::any([&]<class Op>() {
      if (record != &record_of<Op>) return false;
      write_attributes<Op>(n, g.words(g.node_at(id)));
      return true;
    });
    bool ours = !known;
    for (const auto& a : n.attribute()) ours = ours || a.name() == "clamp" || a.name() == "narrow";
    if (ours) {
      refuse(
          text("node '") << g.node_name(id) << "' (" << record->info.name
                         << ") has no form in ONNX: leave out the rule of canonicalize that made it (--disable-rule)");
    }
  }
  return m;
}

} // namespace tmpu::onnx
