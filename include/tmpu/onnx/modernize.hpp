// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/onnx/types.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

/// Nodes of older operator sets in the form of the newest one, so that an operator knows one form only. What changed is
/// said in tables; the versions are those of ONNX's Operators.md and Changelog.md.
namespace tmpu::onnx {

/// The operator sets of the default domain that are read.
inline constexpr std::int64_t oldest_opset = 7;
inline constexpr std::int64_t newest_opset = 25;

namespace detail {

/// Before the opset (and always for opset 0) the operator had as an attribute what is an operand now.
struct moved_attribute {
  std::string_view op;
  std::int64_t until; ///< first opset with the operand; 0: ONNX still has the attribute
  std::string_view attribute;
  int operand;
};
inline constexpr moved_attribute moved_attributes[] = {
    {"Constant", 0, "value", 0},
    {"Constant", 0, "value_float", 0},
    {"Constant", 0, "value_floats", 0},
    {"Constant", 0, "value_int", 0},
    {"Constant", 0, "value_ints", 0},
    {"ConstantOfShape", 0, "value", 1},
    {"Clip", 11, "min", 1},
    {"Clip", 11, "max", 2},
    {"Pad", 11, "pads", 1},
    {"Pad", 11, "value", 2},
    {"Slice", 10, "starts", 1},
    {"Slice", 10, "ends", 2},
    {"Slice", 10, "axes", 3},
    {"Split", 13, "split", 1},
};

/// Attributes that do not change what inference computes, with the value that this holds for (-1: any).
struct harmless_attribute {
  std::string_view op;
  std::string_view attribute;
  std::int64_t value;
};
inline constexpr harmless_attribute harmless_attributes[] = {
    {"BatchNormalization", "spatial", 1},
    {"Dropout", "ratio", -1},
    {"Dropout", "is_test", -1},
};

inline bool is_harmless(std::string_view op, const pb::AttributeProto& a) {
  for (const harmless_attribute& h : harmless_attributes) {
    if (h.op == op && h.attribute == a.name() && (h.value == -1 || h.value == a.i())) return true;
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

inline std::int64_t take_int(pb::NodeProto& n, std::string_view attribute, std::int64_t fallback) {
  for (int i = 0; i < n.attribute_size(); ++i) {
    if (n.attribute(i).name() != attribute) continue;
    fallback = n.attribute(i).i();
    n.mutable_attribute()->DeleteSubrange(i, 1);
    break;
  }
  return fallback;
}
inline void add_int(pb::NodeProto& n, std::string_view attribute, std::int64_t value) {
  auto& a = *n.add_attribute();
  a.set_name(std::string(attribute));
  a.set_type(pb::AttributeProto::INT);
  a.set_i(value);
}
inline pb::NodeProto make_node(std::string_view op, const std::string& name, std::initializer_list<std::string> in,
                               const std::string& out) {
  pb::NodeProto n;
  n.set_op_type(std::string(op));
  n.set_name(name);
  for (const std::string& i : in) n.add_input(i);
  n.add_output(out);
  return n;
}

} // namespace detail

/// The node in today's form: usually one node, and the tensors that were its attributes (they are appended to `constants`).
/// `rank` is that of operand 0, -1 where it is not known.
inline std::vector<pb::NodeProto> modernize(pb::NodeProto n, std::int64_t opset, std::int64_t rank,
                                            std::deque<pb::TensorProto>& constants) {
  const std::string op = n.op_type();
  const std::string base = n.output_size() > 0 ? n.output(0) : n.name();
  for (const detail::moved_attribute& m : detail::moved_attributes) {
    if (m.op != op || (m.until != 0 && opset >= m.until)) continue;
    for (int i = 0; i < n.attribute_size(); ++i) {
      if (n.attribute(i).name() != m.attribute) continue;
      constants.push_back(detail::as_tensor(n.attribute(i), base + "." + std::string(m.attribute)));
      while (n.input_size() <= m.operand) n.add_input("");
      n.set_input(m.operand, constants.back().name());
      n.mutable_attribute()->DeleteSubrange(i, 1);
      break;
    }
  }
  // Softmax before 13: the axes from `axis` (default 1) on are one.
  if ((op == "Softmax" || op == "LogSoftmax") && opset < 13 && n.input_size() == 1 && n.output_size() == 1) {
    const std::int64_t axis = detail::take_int(n, "axis", 1);
    detail::add_int(n, "axis", -1);
    if (rank < 0 || (axis != -1 && axis != rank - 1)) {
      const std::string x = n.input(0);
      const std::string y = n.output(0);
      auto flat = detail::make_node("Flatten", n.name() + ".flatten", {x}, y + ".flat");
      detail::add_int(flat, "axis", axis);
      n.set_input(0, y + ".flat");
      n.set_output(0, y + ".rows");
      return {flat, n, detail::make_node("Shape", n.name() + ".shape", {x}, y + ".shape"),
              detail::make_node("Reshape", n.name() + ".reshape", {y + ".rows", y + ".shape"}, y)};
    }
  }
  return {n};
}

} // namespace tmpu::onnx
