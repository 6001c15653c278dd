// SPDX-License-Identifier: Apache-2.0
// Networks that classify images: K. He et al., "Deep Residual Learning for Image Recognition" (version 1.5: the stride is in the
// 3x3 convolution), and M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks".
#include "network.hpp"

namespace {

class classifier : public network {
public:
  using network::network;

  /// Convolution and batch normalization, as they are trained: the convolution has no bias.
  std::string conv_norm(const std::string& x, std::int64_t in, std::int64_t out, std::int64_t kernel,
                        std::int64_t stride, std::int64_t group = 1, float scale = 1.0F) {
    const std::string number = std::to_string(++convolutions_);
    conv("conv" + number, x, in, out, kernel, stride, kernel / 2, group, 2.0F, false);
    return batch_norm("bn" + number, "conv" + number, out, 1e-5F, scale, 0.02F);
  }
  std::string relu(const std::string& x) { return node("Relu", x + ".relu", {x}); }
  std::string relu6(const std::string& x) {
    return node("Clip", x + ".relu6", {x, number("zero", 0.0F), number("six", 6.0F)});
  }
  /// Mean over the picture, then a dense layer.
  void classify(const std::string& x, std::int64_t channels, std::int64_t classes) {
    node("Flatten", "flat", {node("GlobalAveragePool", "mean", {x})});
    set("axis", 1);
    node("Gemm", "scores",
         {"flat", weights("fc.weight", {classes, channels}, 1.0F / std::sqrt(static_cast<float>(channels))),
          weights("fc.bias", {classes}, 0.02F)});
    set("transB", 1);
    output("scores", {1, classes});
  }

private:
  int convolutions_ = 0;
};

network resnet(const std::string& name, bool data, const std::vector<int>& blocks, bool bottleneck) {
  classifier n(name, data);
  std::string x = n.relu(n.conv_norm(n.input("image", {1, 3, 224, 224}), 3, 64, 7, 2));
  x = n.max_pool("maxpool", x, 3, 2);
  constexpr float residual =
      0.35F; // what a block adds is small beside what it adds to: activations stay within an order of magnitude
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
        y = n.conv_norm(y, width, out, 1, 1, 1, residual);
      } else {
        y = n.relu(n.conv_norm(x, channels, width, 3, stride));
        y = n.conv_norm(y, width, out, 3, 1, 1, residual);
      }
      if (stride != 1 || channels != out) x = n.conv_norm(x, channels, out, 1, stride);
      x = n.relu(n.add(y, x));
      channels = out;
    }
  }
  n.classify(x, channels, 1000);
  return n;
}

} // namespace

network resnet18(bool data) { return resnet("resnet18", data, {2, 2, 2, 2}, false); }
network resnet50(bool data) { return resnet("resnet50", data, {3, 4, 6, 3}, true); }

network mobilenet_v2(bool data) {
  struct row {
    std::int64_t expansion, channels;
    int repeat;
    std::int64_t stride;
  };
  classifier n("mobilenet_v2", data);
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
