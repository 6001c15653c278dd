// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/graph.hpp"
#include "tmpu/onnx/types.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

/// Nodes of older operator sets in the form of the newest one, so that an operator knows one form only. What changed is
/// said in tables; the versions are those of ONNX's Operators.md and Changelog.md.
namespace tmpu::onnx {

/// The operator sets of the default domain that are read.
inline constexpr std::int64_t oldest_opset = 1;
inline constexpr std::int64_t newest_opset = 25;

/// What the graph knows by now of the node's operand of that number; nullptr where it is absent.
using operand_facts = std::function<const tensor*(int)>;

namespace detail {

/// The operator is called otherwise from an opset on.
struct renamed_operator {
  std::string_view op;
  std::string_view now;
};
inline constexpr renamed_operator renamed_operators[] = {{"Scatter", "ScatterElements"}, {"Upsample", "Resize"}};

/// Before the opset (and always for opset 0) the operator had as an attribute what is an operand now.
struct moved_attribute {
  enum class element : std::uint8_t { own, of_x };
  std::string_view op;
  std::int64_t until; ///< first opset with the operand; 0: ONNX still has the attribute
  std::string_view attribute;
  int operand;
  element type = element::own; ///< of_x: the operand has the element type of operand 0
};
inline constexpr auto of_x = moved_attribute::element::of_x;
inline constexpr moved_attribute moved_attributes[] = {
    {"Constant", 0, "value", 0},
    {"Constant", 0, "value_float", 0},
    {"Constant", 0, "value_floats", 0},
    {"Constant", 0, "value_int", 0},
    {"Constant", 0, "value_ints", 0},
    {"ConstantOfShape", 0, "value", 1},
    {"Clip", 11, "min", 1, of_x},
    {"Clip", 11, "max", 2, of_x},
    {"DFT", 20, "axis", 2},
    {"Pad", 2, "paddings", 1},
    {"Pad", 11, "pads", 1},
    {"Pad", 11, "value", 2, of_x},
    {"Reshape", 5, "shape", 1},
    {"Slice", 10, "starts", 1},
    {"Slice", 10, "ends", 2},
    {"Slice", 10, "axes", 3},
    {"Split", 13, "split", 1},
    {"TopK", 10, "k", 1},
    {"Upsample", 9, "scales", 2},
};

/// Before the opset an absent attribute had another value than it has now.
struct old_default {
  std::string_view op;
  std::int64_t until;
  std::string_view attribute;
  bool integer;
  double value;
};
inline constexpr old_default old_defaults[] = {
    {"Concat", 4, "axis", true, 1}, {"DFT", 20, "axis", true, 1},        {"GlobalLpPool", 2, "p", true, 2},
    {"LpPool", 2, "p", true, 2},    {"Selu", 6, "alpha", false, 1.6732}, {"Selu", 6, "gamma", false, 1.0507},
};

/// Attributes that do not change what inference computes, with the value that this holds for (-1: any).
struct harmless_attribute {
  std::string_view op; ///< empty: of any operator
  std::string_view attribute;
  std::int64_t value = -1;
};
inline constexpr harmless_attribute harmless_attributes[] = {
    {"", "consumed_inputs"},
    {"BatchNormalization", "is_test"},
    {"BatchNormalization", "momentum"},
    {"BatchNormalization", "spatial", 1},
    {"Dropout", "ratio"},
    {"Dropout", "is_test"},
    {"Gemm", "broadcast"},
    {"GRU", "output_sequence"},
    {"LSTM", "output_sequence"},
    {"RNN", "output_sequence"},
};

inline bool is_harmless(std::string_view op, const pb::AttributeProto& a) {
  for (const harmless_attribute& h : harmless_attributes) {
    if ((h.op.empty() || h.op == op) && h.attribute == a.name() && (h.value == -1 || h.value == a.i())) return true;
  }
  return false;
}

/// The value of an attribute as a tensor.
inline pb::TensorProto as_tensor(const pb::AttributeProto& a, const std::string& name) {
  pb::TensorProto t;
  if (a.type() == pb::AttributeProto::TENSOR) t = a.t();
  if (a.type() == pb::AttributeProto::FLOAT || a.type() == pb::AttributeProto::FLOATS) {
    t.set_data_type(pb::TensorProto::FLOAT);
    if (a.type() == pb::AttributeProto::FLOAT) t.add_float_data(a.f());
    for (const float x : a.floats()) t.add_float_data(x);
    if (a.type() == pb::AttributeProto::FLOATS) t.add_dims(a.floats_size());
  }
  if (a.type() == pb::AttributeProto::INT || a.type() == pb::AttributeProto::INTS) {
    t.set_data_type(pb::TensorProto::INT64);
    if (a.type() == pb::AttributeProto::INT) t.add_int64_data(a.i());
    for (const std::int64_t x : a.ints()) t.add_int64_data(x);
    if (a.type() == pb::AttributeProto::INTS) t.add_dims(a.ints_size());
  }
  t.set_name(name);
  return t;
}

/// A node on its way from the form of its operator set to the newest one: the node itself, nodes put before and after it, and constants
/// that it needs. Names of what is put in begin with the name of the node's first result, which is unique.
class old_node {
public:
  pb::NodeProto node;
  std::int64_t opset;
  std::vector<pb::NodeProto> before;
  std::vector<pb::NodeProto> after;

  old_node(pb::NodeProto n, std::int64_t version, const operand_facts& facts, std::deque<pb::TensorProto>& constants)
      : node(std::move(n)), opset(version), facts_(&facts), constants_(&constants),
        base_(node.output_size() > 0 ? node.output(0) : node.name()) {}

  [[nodiscard]] std::string name(std::string_view part) const { return base_ + "." + std::string(part); }
  [[nodiscard]] const tensor* operand(int i) const {
    return i < node.input_size() && !node.input(i).empty() ? (*facts_)(i) : nullptr;
  }
  /// The rank of an operand, -1 where it is absent or not known.
  [[nodiscard]] std::int64_t rank(int i) const {
    const tensor* t = operand(i);
    return t == nullptr || t->type == dtype_id::none ? -1 : static_cast<std::int64_t>(t->dims.rank());
  }
  [[noreturn]] void fail(std::string_view why) const {
    refuse(text("node '") << (node.name().empty() ? base_ : node.name()) << "' (" << node.op_type()
                          << ") of operator set " << opset << ' ' << why);
  }

  [[nodiscard]] const pb::AttributeProto* attribute(std::string_view name) const {
    for (const auto& a : node.attribute()) {
      if (a.name() == name) return &a;
    }
    return nullptr;
  }
  void drop(std::string_view attribute) {
    for (int i = 0; i < node.attribute_size(); ++i) {
      if (node.attribute(i).name() != attribute) continue;
      node.mutable_attribute()->DeleteSubrange(i, 1);
      return;
    }
  }
  std::int64_t take_int(std::string_view name, std::int64_t fallback) {
    const pb::AttributeProto* a = attribute(name);
    if (a != nullptr) fallback = a->type() == pb::AttributeProto::FLOAT ? static_cast<std::int64_t>(a->f()) : a->i();
    drop(name);
    return fallback;
  }
  static void set_int(pb::NodeProto& n, std::string_view attribute, std::int64_t value) {
    auto& a = *n.add_attribute();
    a.set_name(std::string(attribute));
    a.set_type(pb::AttributeProto::INT);
    a.set_i(value);
  }
  static void set_float(pb::NodeProto& n, std::string_view attribute, float value) {
    auto& a = *n.add_attribute();
    a.set_name(std::string(attribute));
    a.set_type(pb::AttributeProto::FLOAT);
    a.set_f(value);
  }
  static void set_text(pb::NodeProto& n, std::string_view attribute, std::string_view value) {
    auto& a = *n.add_attribute();
    a.set_name(std::string(attribute));
    a.set_type(pb::AttributeProto::STRING);
    a.set_s(std::string(value));
  }
  void set_operand(int i, const std::string& tensor) {
    while (node.input_size() <= i) node.add_input("");
    node.set_input(i, tensor);
  }

  std::string constant(pb::TensorProto t) {
    constants_->push_back(std::move(t));
    return constants_->back().name();
  }
  std::string constant(std::string_view part, std::initializer_list<std::int64_t> list) {
    pb::TensorProto t;
    t.set_name(name(part));
    t.set_data_type(pb::TensorProto::INT64);
    t.add_dims(static_cast<std::int64_t>(list.size()));
    for (const std::int64_t x : list) t.add_int64_data(x);
    return constant(std::move(t));
  }
  /// Puts `part = op(inputs)` before the node; gives its result.
  std::string put_before(std::string_view op, std::string_view part, std::initializer_list<std::string> inputs) {
    before.push_back(make(op, part, inputs, name(part)));
    return name(part);
  }
  pb::NodeProto make(std::string_view op, std::string_view part, std::initializer_list<std::string> inputs,
                     const std::string& output) const {
    pb::NodeProto n;
    n.set_op_type(std::string(op));
    n.set_name((node.name().empty() ? base_ : node.name()) + "." + std::string(part));
    for (const std::string& i : inputs) n.add_input(i);
    n.add_output(output);
    return n;
  }

private:
  const operand_facts* facts_;
  std::deque<pb::TensorProto>* constants_;
  std::string base_;
};

// --- changes that no table tells --------------------------------------------------------------------------------

/// Two operands were broadcast only when `broadcast` was 1, the second one's axes then began at `axis` of the first.
inline void old_broadcast(old_node& o) {
  const bool broadcast = o.take_int("broadcast", 0) != 0;
  const std::int64_t a = o.rank(0);
  const std::int64_t b = o.rank(1);
  const bool aligned = o.attribute("axis") == nullptr;
  std::int64_t axis = o.take_int("axis", 0);
  if (!broadcast || aligned || a < 0 || b < 0) return;
  if (axis < 0) axis += a;
  const std::int64_t missing = a - axis - b;
  if (missing < 0) o.fail(text("has the axis ") << axis << ", at which the second operand does not fit");
  if (missing == 0) return;
  pb::TensorProto axes;
  axes.set_name(o.name("axes"));
  axes.set_data_type(pb::TensorProto::INT64);
  axes.add_dims(missing);
  for (std::int64_t i = 0; i < missing; ++i) axes.add_int64_data(b + i);
  o.set_operand(1, o.put_before("Unsqueeze", "aligned", {o.node.input(1), o.constant(std::move(axes))}));
}

/// Slopes, one a channel, lay along axis 1 of x; now they are broadcast from the last axis on.
inline void old_slopes(old_node& o) {
  const tensor* slope = o.operand(1);
  const std::int64_t rank = o.rank(0);
  if (slope == nullptr || o.rank(1) != 1 || rank < 3 || slope->dims[0] == 1) return;
  pb::TensorProto axes;
  axes.set_name(o.name("axes"));
  axes.set_data_type(pb::TensorProto::INT64);
  axes.add_dims(rank - 2);
  for (std::int64_t i = 1; i < rank - 1; ++i) axes.add_int64_data(i);
  o.set_operand(1, o.put_before("Unsqueeze", "aligned", {o.node.input(1), o.constant(std::move(axes))}));
}

/// The axes from `axis` (default 1) on were one.
inline void old_softmax(old_node& o) {
  const std::int64_t rank = o.rank(0);
  const std::int64_t axis = o.take_int("axis", 1);
  old_node::set_int(o.node, "axis", -1);
  if (rank >= 0 && (axis == -1 || axis == rank - 1)) return;
  if (o.node.input_size() != 1 || o.node.output_size() != 1) return;
  const std::string x = o.node.input(0);
  const std::string y = o.node.output(0);
  const std::string shape = o.put_before("Shape", "shape", {x});
  o.set_operand(0, o.put_before("Flatten", "flat", {x}));
  old_node::set_int(o.before.back(), "axis", axis);
  o.node.set_output(0, o.name("rows"));
  o.after.push_back(o.make("Reshape", "reshape", {o.name("rows"), shape}, y));
}

/// `to` was a name: "FLOAT".
inline void old_cast(old_node& o) {
  const pb::AttributeProto* to = o.attribute("to");
  if (to == nullptr || to->type() != pb::AttributeProto::STRING) return;
  pb::TensorProto::DataType type = pb::TensorProto::UNDEFINED;
  if (!pb::TensorProto::DataType_Parse(to->s(), &type)) o.fail(text("casts to '") << to->s() << "', which is no type");
  o.drop("to");
  old_node::set_int(o.node, "to", type);
}

/// The order of the norm was a float.
inline void old_order(old_node& o) { old_node::set_int(o.node, "p", o.take_int("p", 2)); }

/// Regions were not moved by half a pixel.
inline void old_roi_align(old_node& o) {
  old_node::set_text(o.node, "coordinate_transformation_mode", "output_half_pixel");
}

inline void old_tile(old_node& o) {
  o.fail("takes a count and an axis; tmpu reads the form of operator set 6 and newer: convert the model with "
         "onnx.version_converter");
}

/// Resize had no roi and sampled at x / scale; before it was called Upsample.
inline void old_resize(old_node& o) {
  if (o.opset < 7) {
    const pb::AttributeProto* height = o.attribute("height_scale");
    const pb::AttributeProto* width = o.attribute("width_scale");
    if (height != nullptr && width != nullptr) {
      pb::TensorProto scales;
      scales.set_name(o.name("scales"));
      scales.set_data_type(pb::TensorProto::FLOAT);
      scales.add_dims(4);
      for (const float s : {1.0F, 1.0F, height->f(), width->f()}) scales.add_float_data(s);
      o.drop("height_scale");
      o.drop("width_scale");
      o.set_operand(2, o.constant(std::move(scales)));
    }
  } else if (o.node.input_size() == 2) {
    const std::string scales = o.node.input(1);
    o.set_operand(2, scales);
    o.node.set_input(1, "");
  }
  if (const pb::AttributeProto* mode = o.attribute("mode"); mode != nullptr && mode->s() == "bilinear") {
    o.drop("mode");
    old_node::set_text(o.node, "mode", "linear");
  }
  old_node::set_text(o.node, "coordinate_transformation_mode", "asymmetric");
  old_node::set_text(o.node, "nearest_mode", "floor");
}

/// Scale and bias were one a group.
inline void old_group_norm(old_node& o) {
  const tensor* x = o.operand(0);
  const pb::AttributeProto* groups = o.attribute("num_groups");
  if (groups == nullptr || groups->i() < 1) o.fail("lacks the attribute 'num_groups'");
  if (x == nullptr || x->dims.rank() < 2 || x->dims[1] < 0) {
    o.fail("needs to know its channels: bind the free dimensions with --input-shape");
  }
  const std::int64_t count = groups->i();
  const std::string column = o.constant("column", {1});
  const std::string wide = o.constant("wide", {count, x->dims[1] / count});
  const std::string all = o.constant("all", {-1});
  for (int i = 1; i < 3 && i < o.node.input_size(); ++i) {
    const std::string part = i == 1 ? "scale" : "bias";
    const std::string columns = o.put_before("Unsqueeze", part + ".column", {o.node.input(i), column});
    const std::string rows = o.put_before("Expand", part + ".wide", {columns, wide});
    o.set_operand(i, o.put_before("Reshape", part + ".channels", {rows, all}));
  }
}

struct rewrite {
  std::string_view op;
  std::int64_t until; ///< first opset of today's form
  void (*apply)(old_node&);
};
inline constexpr rewrite rewrites[] = {
    {"Add", 7, old_broadcast},       {"Sub", 7, old_broadcast},
    {"Mul", 7, old_broadcast},       {"Div", 7, old_broadcast},
    {"Pow", 7, old_broadcast},       {"And", 7, old_broadcast},
    {"Or", 7, old_broadcast},        {"Xor", 7, old_broadcast},
    {"Equal", 7, old_broadcast},     {"Less", 7, old_broadcast},
    {"Greater", 7, old_broadcast},   {"PRelu", 7, old_slopes},
    {"Softmax", 13, old_softmax},    {"LogSoftmax", 13, old_softmax},
    {"Hardmax", 13, old_softmax},    {"Cast", 6, old_cast},
    {"LpPool", 2, old_order},        {"GlobalLpPool", 2, old_order},
    {"Tile", 6, old_tile},           {"Upsample", 10, old_resize},
    {"Resize", 11, old_resize},      {"GroupNormalization", 21, old_group_norm},
    {"RoiAlign", 16, old_roi_align},
};

inline void move_attributes(old_node& o) {
  for (const moved_attribute& m : moved_attributes) {
    if (m.op != o.node.op_type() || (m.until != 0 && o.opset >= m.until)) continue;
    const pb::AttributeProto* a = o.attribute(m.attribute);
    if (a == nullptr) continue;
    std::string operand = o.constant(as_tensor(*a, o.name(m.attribute)));
    const tensor* x = o.operand(0);
    if (m.type == of_x && x != nullptr && x->type != dtype_id::none && x->type != dtype_id::f32) {
      operand = o.put_before("Cast", std::string(m.attribute) + ".cast", {operand});
      old_node::set_int(o.before.back(), "to", onnx_number_of(x->type));
    }
    o.set_operand(m.operand, operand);
    o.drop(m.attribute);
  }
}

} // namespace detail

/// What the operator is called today: `Resize` for `Upsample`.
inline std::string_view name_today(std::string_view op) {
  for (const detail::renamed_operator& r : detail::renamed_operators) {
    if (r.op == op) return r.now;
  }
  return op;
}

/// The node in today's form: usually one node, and the tensors that were its attributes (they are appended to `constants`).
inline std::vector<pb::NodeProto> modernize(pb::NodeProto n, std::int64_t opset, const operand_facts& facts,
                                            std::deque<pb::TensorProto>& constants) {
  detail::old_node o(std::move(n), opset, facts, constants);
  const std::string op = o.node.op_type();
  for (const detail::old_default& d : detail::old_defaults) {
    if (d.op != op || opset >= d.until || o.attribute(d.attribute) != nullptr) continue;
    if (d.integer) {
      detail::old_node::set_int(o.node, d.attribute, static_cast<std::int64_t>(d.value));
    } else {
      detail::old_node::set_float(o.node, d.attribute, static_cast<float>(d.value));
    }
  }
  detail::move_attributes(o);
  for (const detail::rewrite& r : detail::rewrites) {
    if (r.op == op && opset < r.until) r.apply(o);
  }
  if (name_today(op) != op) o.node.set_op_type(std::string(name_today(op)));
  std::vector<pb::NodeProto> all = std::move(o.before);
  all.push_back(std::move(o.node));
  for (auto& later : o.after) all.push_back(std::move(later));
  return all;
}

} // namespace tmpu::onnx
