// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <onnx/onnx_pb.h>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <string>
#include <vector>

/// A network of the zoo while it is written, as ONNX protobuf (operator set 17).
class network {
public:
  using dims = std::vector<std::int64_t>;

  /// Without `data` weights are counted and not made.
  network(const std::string& name, bool data) : data_(data) {
    model_.set_ir_version(8);
    model_.set_producer_name("tmpu zoo");
    auto* set = model_.add_opset_import();
    set->set_domain("");
    set->set_version(17);
    graph_ = model_.mutable_graph();
    graph_->set_name(name);
  }

  std::string input(const std::string& name, const dims& shape, int type = onnx::TensorProto::FLOAT) {
    describe(graph_->add_input(), name, shape, type);
    return name;
  }
  void output(const std::string& name, const dims& shape) {
    describe(graph_->add_output(), name, shape, onnx::TensorProto::FLOAT);
  }

  /// A node with one result, which has the node's name. Its attributes follow with `set`.
  std::string node(const std::string& op, const std::string& name, const std::vector<std::string>& operands) {
    return nodes(op, name, operands, {name})[0];
  }
  std::vector<std::string> nodes(const std::string& op, const std::string& name,
                                 const std::vector<std::string>& operands, std::vector<std::string> results) {
    last_ = graph_->add_node();
    last_->set_op_type(op);
    last_->set_name(name);
    for (const std::string& o : operands) last_->add_input(o);
    for (const std::string& r : results) last_->add_output(r);
    return results;
  }
  /// An attribute of the node that was made last.
  void set(const char* name, const dims& values) {
    auto* a = attribute(name, onnx::AttributeProto::INTS);
    for (const std::int64_t v : values) a->add_ints(v);
  }
  template <std::integral Int> void set(const char* name, Int value) {
    attribute(name, onnx::AttributeProto::INT)->set_i(value);
  }
  void set(const char* name, float value) { attribute(name, onnx::AttributeProto::FLOAT)->set_f(value); }
  void set(const char* name, const char* value) { attribute(name, onnx::AttributeProto::STRING)->set_s(value); }

  /// Trained: sums of four uniform numbers, which are nearly normal.
  std::string weights(const std::string& name, const dims& shape, float deviation) {
    return counted(tensor(name, shape,
                          [&] {
                            float sum = 0;
                            for (int i = 0; i < 4; ++i) {
                              state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
                              sum += static_cast<float>(state_ >> 40) / 16777216.0F - 0.5F;
                            }
                            return sum * 1.7320508F * deviation;
                          }),
                   shape);
  }
  /// Trained, all alike.
  std::string constant(const std::string& name, const dims& shape, float value) {
    return counted(tensor(name, shape, [&] { return value; }), shape);
  }
  /// Not trained, so that published counts leave it out.
  std::string statistic(const std::string& name, const dims& shape, float value) {
    return tensor(name, shape, [&] { return value; });
  }
  /// Numbers that belong to the graph.
  std::string numbers(const std::string& name, const dims& shape, const std::vector<float>& values) {
    auto* t = initializer(name, shape, onnx::TensorProto::FLOAT);
    t->set_raw_data(values.data(), values.size() * sizeof(float));
    return name;
  }
  /// Numbers that belong to the graph although published counts have them.
  void count_fixed(std::int64_t numbers) { parameters_ += numbers; }
  std::string integers(const std::string& name, const dims& values) {
    return integers(name, {static_cast<std::int64_t>(values.size())}, values);
  }
  std::string integers(const std::string& name, const dims& shape, const dims& values) {
    auto* t = initializer(name, shape, onnx::TensorProto::INT64);
    t->set_raw_data(values.data(), values.size() * sizeof(std::int64_t));
    return name;
  }
  /// Axes as an operand, made once.
  std::string axes(const dims& values) {
    std::string name = "axes";
    for (const std::int64_t v : values) name += "." + std::to_string(v);
    return has(name) ? name : integers(name, values);
  }
  /// One number, made once.
  std::string number(const std::string& name, float value) { return has(name) ? name : numbers(name, {}, {value}); }

  /// Convolution with "same" padding of an odd kernel. A 1x1 kernel needs none. `gain`: the variance that its result keeps.
  std::string conv(const std::string& name, const std::string& x, std::int64_t in, std::int64_t out,
                   std::int64_t kernel, std::int64_t stride, std::int64_t pad, std::int64_t group, float gain,
                   bool bias) {
    const std::int64_t fan = in / group * kernel * kernel;
    std::vector<std::string> operands = {
        x, weights(name + ".weight", {out, in / group, kernel, kernel}, std::sqrt(gain / static_cast<float>(fan)))};
    if (bias) operands.push_back(weights(name + ".bias", {out}, 0.02F));
    node("Conv", name, operands);
    set("kernel_shape", dims{kernel, kernel});
    set("strides", dims{stride, stride});
    set("pads", dims{pad, pad, pad, pad});
    set("group", group);
    return name;
  }
  /// Batch normalization with statistics 0 and 1.
  std::string batch_norm(const std::string& name, const std::string& x, std::int64_t channels, float epsilon,
                         float scale, float deviation) {
    node("BatchNormalization", name,
         {x, constant(name + ".weight", {channels}, scale), weights(name + ".bias", {channels}, deviation),
          statistic(name + ".mean", {channels}, 0.0F), statistic(name + ".var", {channels}, 1.0F)});
    set("epsilon", epsilon);
    return name;
  }
  std::string add(const std::string& a, const std::string& b) { return node("Add", a + ".sum", {a, b}); }
  std::string max_pool(const std::string& name, const std::string& x, std::int64_t kernel, std::int64_t stride) {
    const std::int64_t pad = kernel / 2;
    node("MaxPool", name, {x});
    set("kernel_shape", dims{kernel, kernel});
    set("strides", dims{stride, stride});
    set("pads", dims{pad, pad, pad, pad});
    return name;
  }
  std::string concat(const std::string& name, const std::vector<std::string>& parts, std::int64_t axis) {
    node("Concat", name, parts);
    set("axis", axis);
    return name;
  }
  std::string reshape(const std::string& name, const std::string& x, const dims& shape) {
    return node("Reshape", name, {x, integers(name + ".shape", shape)});
  }
  std::string transpose(const std::string& name, const std::string& x, const dims& order) {
    node("Transpose", name, {x});
    set("perm", order);
    return name;
  }
  std::vector<std::string> split(const std::string& name, const std::string& x, const dims& sizes, std::int64_t axis) {
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < sizes.size(); ++i) parts.push_back(name + "." + std::to_string(i));
    nodes("Split", name, {x, integers(name + ".sizes", sizes)}, parts);
    set("axis", axis);
    return parts;
  }

  [[nodiscard]] const onnx::ModelProto& model() const { return model_; }
  [[nodiscard]] std::int64_t parameters() const { return parameters_; }

private:
  [[nodiscard]] bool has(const std::string& name) const {
    for (const onnx::TensorProto& t : graph_->initializer())
      if (t.name() == name) return true;
    return false;
  }
  static void describe(onnx::ValueInfoProto* v, const std::string& name, const dims& shape, int type) {
    v->set_name(name);
    auto* t = v->mutable_type()->mutable_tensor_type();
    t->set_elem_type(type);
    for (const std::int64_t d : shape) t->mutable_shape()->add_dim()->set_dim_value(d);
  }
  onnx::AttributeProto* attribute(const char* name, onnx::AttributeProto::AttributeType type) {
    auto* a = last_->add_attribute();
    a->set_name(name);
    a->set_type(type);
    return a;
  }
  onnx::TensorProto* initializer(const std::string& name, const dims& shape, int type) {
    auto* t = graph_->add_initializer();
    t->set_name(name);
    t->set_data_type(type);
    for (const std::int64_t d : shape) t->add_dims(d);
    return t;
  }
  static std::int64_t count(const dims& shape) {
    std::int64_t n = 1;
    for (const std::int64_t d : shape) n *= d;
    return n;
  }
  template <class Next> std::string tensor(const std::string& name, const dims& shape, Next next) {
    auto* t = initializer(name, shape, onnx::TensorProto::FLOAT);
    if (!data_) return name;
    std::vector<float> values(static_cast<std::size_t>(count(shape)));
    for (float& x : values) x = next();
    t->set_raw_data(values.data(), values.size() * sizeof(float));
    return name;
  }
  std::string counted(std::string name, const dims& shape) {
    parameters_ += count(shape);
    return name;
  }

  onnx::ModelProto model_;
  onnx::GraphProto* graph_ = nullptr;
  onnx::NodeProto* last_ = nullptr;
  std::int64_t parameters_ = 0;
  bool data_ = true;
  std::uint64_t state_ = 20221104;
};

network resnet18(bool data);
network resnet50(bool data);
network mobilenet_v2(bool data);
/// Without `decode`, results are the three convolutions of the detection heads.
network yolov5s(bool data, bool decode);
/// `width` and `depth` scale the channels, of which there are at most `most`, and the repetitions of blocks.
network yolov8(const std::string& name, bool data, bool decode, double depth, double width, std::int64_t most);
network vit_b_16(bool data);
network bert_base(bool data);
