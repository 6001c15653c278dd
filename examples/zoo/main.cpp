// SPDX-License-Identifier: Apache-2.0
// Writes the graphs of classic networks as ONNX files, with weights from a seeded generator: inputs for measuring compilers.
//     example_zoo resnet50 -o FOLDER
// Without a name it builds all of them, compares their parameters with the published counts and writes nothing.
// The graphs follow the papers: K. He et al., "Deep Residual Learning for Image Recognition" (version 1.5: the stride is in the 3x3
// convolution), and M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks".
#include <onnx/onnx_pb.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace {

class network {
public:
  explicit network(const std::string& name) {
    model_.set_ir_version(8);
    model_.set_producer_name("tmpu zoo");
    auto* set = model_.add_opset_import();
    set->set_domain("");
    set->set_version(13);
    graph_ = model_.mutable_graph();
    graph_->set_name(name);
  }

  std::string input(const std::string& name, const std::vector<std::int64_t>& dims) {
    describe(graph_->add_input(), name, dims);
    return name;
  }
  void output(const std::string& name, const std::vector<std::int64_t>& dims) {
    describe(graph_->add_output(), name, dims);
  }

  /// Convolution and batch normalization, as they are trained: the convolution has no bias.
  std::string conv_norm(const std::string& x, std::int64_t in, std::int64_t out, std::int64_t kernel,
                        std::int64_t stride, std::int64_t group = 1) {
    const std::string name = "conv" + std::to_string(++convolutions_);
    const std::int64_t fan = in / group * kernel * kernel;
    const std::string w =
        weights(name + ".weight", {out, in / group, kernel, kernel}, std::sqrt(2.0F / static_cast<float>(fan)));
    auto* conv = node("Conv", name, {x, w});
    set(conv, "kernel_shape", {kernel, kernel});
    set(conv, "strides", {stride, stride});
    const std::int64_t pad = kernel / 2;
    set(conv, "pads", {pad, pad, pad, pad});
    set(conv, "group", group);
    const std::string bn = "bn" + std::to_string(convolutions_);
    auto* norm = node("BatchNormalization", bn,
                      {name, constant(bn + ".weight", {out}, 1.0F), weights(bn + ".bias", {out}, 0.02F),
                       statistic(bn + ".mean", {out}, 0.0F), statistic(bn + ".var", {out}, 1.0F)});
    auto* epsilon = norm->add_attribute();
    epsilon->set_name("epsilon");
    epsilon->set_type(onnx::AttributeProto::FLOAT);
    epsilon->set_f(1e-5F);
    return bn;
  }
  std::string relu(const std::string& x) { return node("Relu", x + ".relu", {x})->output(0); }
  std::string relu6(const std::string& x) {
    if (!has_six_) {
      statistic("zero", {}, 0.0F);
      statistic("six", {}, 6.0F);
      has_six_ = true;
    }
    return node("Clip", x + ".relu6", {x, "zero", "six"})->output(0);
  }
  std::string add(const std::string& a, const std::string& b) { return node("Add", a + ".sum", {a, b})->output(0); }
  std::string max_pool(const std::string& x) {
    auto* pool = node("MaxPool", "maxpool", {x});
    set(pool, "kernel_shape", {3, 3});
    set(pool, "strides", {2, 2});
    set(pool, "pads", {1, 1, 1, 1});
    return "maxpool";
  }
  /// Mean over the picture, then a dense layer.
  void classify(const std::string& x, std::int64_t channels, std::int64_t classes) {
    const std::string mean = node("GlobalAveragePool", "mean", {x})->output(0);
    auto* flat = node("Flatten", "flat", {mean});
    set(flat, "axis", 1);
    auto* dense =
        node("Gemm", "scores",
             {"flat", weights("fc.weight", {classes, channels}, 1.0F / std::sqrt(static_cast<float>(channels))),
              weights("fc.bias", {classes}, 0.02F)});
    set(dense, "transB", 1);
    output("scores", {1, classes});
  }

  [[nodiscard]] const onnx::ModelProto& model() const { return model_; }
  [[nodiscard]] std::int64_t parameters() const { return parameters_; }

private:
  static void describe(onnx::ValueInfoProto* v, const std::string& name, const std::vector<std::int64_t>& dims) {
    v->set_name(name);
    auto* type = v->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    for (const std::int64_t d : dims) type->mutable_shape()->add_dim()->set_dim_value(d);
  }
  onnx::NodeProto* node(const std::string& op, const std::string& result, const std::vector<std::string>& operands) {
    auto* n = graph_->add_node();
    n->set_op_type(op);
    n->set_name(result);
    for (const std::string& o : operands) n->add_input(o);
    n->add_output(result);
    return n;
  }
  static void set(onnx::NodeProto* n, const char* name, const std::vector<std::int64_t>& values) {
    auto* a = n->add_attribute();
    a->set_name(name);
    a->set_type(onnx::AttributeProto::INTS);
    for (const std::int64_t v : values) a->add_ints(v);
  }
  static void set(onnx::NodeProto* n, const char* name, std::int64_t value) {
    auto* a = n->add_attribute();
    a->set_name(name);
    a->set_type(onnx::AttributeProto::INT);
    a->set_i(value);
  }
  template <class Next> std::string tensor(const std::string& name, const std::vector<std::int64_t>& dims, Next next) {
    auto* t = graph_->add_initializer();
    t->set_name(name);
    t->set_data_type(onnx::TensorProto::FLOAT);
    std::int64_t count = 1;
    for (const std::int64_t d : dims) {
      t->add_dims(d);
      count *= d;
    }
    std::vector<float> data(static_cast<std::size_t>(count));
    for (float& x : data) x = next();
    t->set_raw_data(data.data(), data.size() * sizeof(float));
    return name;
  }
  /// Trained: sums of four uniform numbers, which are nearly normal.
  std::string weights(const std::string& name, const std::vector<std::int64_t>& dims, float deviation) {
    return counted(tensor(name, dims,
                          [&] {
                            float sum = 0;
                            for (int i = 0; i < 4; ++i) {
                              state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
                              sum += static_cast<float>(state_ >> 40) / 16777216.0F - 0.5F;
                            }
                            return sum * 1.7320508F * deviation;
                          }),
                   dims);
  }
  std::string constant(const std::string& name, const std::vector<std::int64_t>& dims, float value) {
    return counted(tensor(name, dims, [&] { return value; }), dims);
  }
  /// Not trained, so that published counts leave it out.
  std::string statistic(const std::string& name, const std::vector<std::int64_t>& dims, float value) {
    return tensor(name, dims, [&] { return value; });
  }
  std::string counted(std::string name, const std::vector<std::int64_t>& dims) {
    std::int64_t count = 1;
    for (const std::int64_t d : dims) count *= d;
    parameters_ += count;
    return name;
  }

  onnx::ModelProto model_;
  onnx::GraphProto* graph_ = nullptr;
  std::int64_t parameters_ = 0;
  int convolutions_ = 0;
  bool has_six_ = false;
  std::uint64_t state_ = 20221104;
};

network resnet(const std::string& name, const std::vector<int>& blocks, bool bottleneck) {
  network n(name);
  std::string x = n.max_pool(n.relu(n.conv_norm(n.input("image", {1, 3, 224, 224}), 3, 64, 7, 2)));
  std::int64_t channels = 64;
  for (std::size_t stage = 0; stage < blocks.size(); ++stage) {
    const std::int64_t width = std::int64_t{64} << stage;
    const std::int64_t out = bottleneck ? 4 * width : width;
    for (int block = 0; block < blocks[stage]; ++block) {
      const std::int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      std::string y;
      if (bottleneck) {
        y = n.relu(n.conv_norm(x, channels, width, 1, 1));
        y = n.relu(n.conv_norm(y, width, width, 3, stride));
        y = n.conv_norm(y, width, out, 1, 1);
      } else {
        y = n.relu(n.conv_norm(x, channels, width, 3, stride));
        y = n.conv_norm(y, width, out, 3, 1);
      }
      if (stride != 1 || channels != out) x = n.conv_norm(x, channels, out, 1, stride);
      x = n.relu(n.add(y, x));
      channels = out;
    }
  }
  n.classify(x, channels, 1000);
  return n;
}

network mobilenet_v2() {
  struct row {
    std::int64_t expansion, channels;
    int repeat;
    std::int64_t stride;
  };
  network n("mobilenet_v2");
  std::string x = n.relu6(n.conv_norm(n.input("image", {1, 3, 224, 224}), 3, 32, 3, 2));
  std::int64_t channels = 32;
  for (const row& r : {row{1, 16, 1, 1}, row{6, 24, 2, 2}, row{6, 32, 3, 2}, row{6, 64, 4, 2}, row{6, 96, 3, 1},
                       row{6, 160, 3, 2}, row{6, 320, 1, 1}}) {
    for (int i = 0; i < r.repeat; ++i) {
      const std::int64_t stride = i == 0 ? r.stride : 1;
      const std::int64_t wide = channels * r.expansion;
      std::string y = x;
      if (r.expansion != 1) y = n.relu6(n.conv_norm(y, channels, wide, 1, 1));
      y = n.relu6(n.conv_norm(y, wide, wide, 3, stride, wide));
      y = n.conv_norm(y, wide, r.channels, 1, 1);
      x = stride == 1 && channels == r.channels ? n.add(x, y) : y;
      channels = r.channels;
    }
  }
  x = n.relu6(n.conv_norm(x, channels, 1280, 1, 1));
  n.classify(x, 1280, 1000);
  return n;
}

struct entry {
  const char* name;
  network (*build)();
  std::int64_t parameters; ///< as published (torchvision's table of models)
};
constexpr entry zoo[] = {
    {"resnet18",
     [] {
       return resnet("resnet18", {2, 2, 2, 2}, false);
     },
     11'689'512},
    {"resnet50",
     [] {
       return resnet("resnet50", {3, 4, 6, 3}, true);
     },
     25'557'032},
    {"mobilenet_v2", [] { return mobilenet_v2(); }, 3'504'872},
};

} // namespace

int main(int argc, char** argv) {
  std::string wanted;
  std::string folder;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "-o" && i + 1 < argc) {
      folder = argv[++i];
    } else {
      wanted = word;
    }
  }
  if (!wanted.empty() && folder.empty()) {
    std::fprintf(stderr, "zoo: -o FOLDER says where %s.onnx goes\n", wanted.c_str());
    return 2;
  }
  bool known = wanted.empty();
  for (const entry& e : zoo) {
    if (!wanted.empty() && wanted != e.name) continue;
    known = true;
    const network n = e.build();
    std::printf("%-14s %4d nodes %9lld parameters\n", e.name, n.model().graph().node_size(),
                static_cast<long long>(n.parameters()));
    if (n.parameters() != e.parameters) {
      std::fprintf(stderr, "zoo: %s has %lld parameters and must have %lld\n", e.name,
                   static_cast<long long>(n.parameters()), static_cast<long long>(e.parameters));
      return 1;
    }
    if (folder.empty()) continue;
    std::ofstream file(folder + "/" + e.name + ".onnx", std::ios::binary);
    if (!n.model().SerializeToOstream(&file) || !file.flush()) {
      std::fprintf(stderr, "zoo: '%s/%s.onnx' cannot be written\n", folder.c_str(), e.name);
      return 2;
    }
  }
  if (!known) {
    std::fprintf(stderr, "zoo: there is no network '%s'\n", wanted.c_str());
    return 2;
  }
  return 0;
}
