// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/onnx/attributes.hpp"
#include "tmpu/onnx/stage_file.hpp"

#include <string>
#include <string_view>

namespace tmpu::onnx {

namespace detail {
/// What Top has as an attribute where ONNX has operand 1.
struct operand_of_attribute {
  std::string_view attribute;
  std::string_view operators[12];
};
inline constexpr operand_of_attribute operands_of_attributes[] = {
    {"shape", {"Reshape"}},
    {"axes",
     {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
      "ReduceLogSum", "ReduceLogSumExp", "Squeeze", "Unsqueeze"}},
};
/// Operators that are younger than the operator set asked for.
struct younger_operator {
  std::string_view op;
  std::int64_t since;
};
inline constexpr younger_operator younger_operators[] = {
    {"Attention", 23}, {"RMSNormalization", 23}, {"RotaryEmbedding", 23}, {"Swish", 24}, {"TensorScatter", 24}};

/// Such an attribute of the node becomes a constant. Without axes all are meant, without a shape that of a scalar.
inline void move_attributes(pb::GraphProto& g, pb::NodeProto& n) {
  for (const operand_of_attribute& m : operands_of_attributes) {
    bool moves = false;
    for (const std::string_view op : m.operators) moves = moves || op == n.op_type();
    if (!moves || n.input_size() > 1) continue;
    int at = 0;
    while (at < n.attribute_size() && n.attribute(at).name() != m.attribute) ++at;
    const bool given = at < n.attribute_size();
    if (!given && m.attribute == "axes") continue;
    auto& list = *g.add_initializer();
    list.set_name(n.output(0) + '.' + std::string(m.attribute));
    list.set_data_type(pb::TensorProto::INT64);
    list.add_dims(given ? n.attribute(at).ints_size() : 0);
    for (int i = 0; given && i < n.attribute(at).ints_size(); ++i) list.add_int64_data(n.attribute(at).ints(i));
    n.add_input(list.name());
    if (given) n.mutable_attribute()->DeleteSubrange(at, 1);
  }
}
} // namespace detail

/// A graph of Top operators as a plain ONNX model, for any tool: of operator set `opset` (from 21 on), or the first that has all operators.
/// Refuses an operator that ONNX does not have, and attributes of ours (fused activations), which the caller has to take apart first.
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
    detail::move_attributes(to, n);
    for (const auto& y : detail::younger_operators) {
      if (y.op == n.op_type() && y.since > set.version()) set.set_version(y.since);
    }
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
