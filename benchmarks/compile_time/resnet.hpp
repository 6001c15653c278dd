// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/builder.hpp"
#include "tmpu/static_program.hpp"

/// Lowered int8 graphs of the shape of ResNet (arXiv:1512.03385) for constant evaluation: the structure is real, the weights have no bytes.
namespace resnet {

using namespace tmpu;
using lowered_builder = graph_builder<stage::lowered>;

constexpr quantization scale{0.05F, 0};

class writer {
public:
  constexpr explicit writer(lowered_builder& m) : m_(&m) {}

  /// A convolution without bias and with ReLU: [1, in, h, h] -> [1, out, h / stride, h / stride].
  constexpr tensor_id conv(tensor_id x, std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
    const text name = text("conv_") << number_++;
    const tensor_id w = m_->constant(text(name) << ".w", dtype_id::i8, {out, in, kernel, kernel}, nothing);
    const tensor_id params = m_->constant(text(name) << ".params", dtype_id::i32, {out, 3}, nothing);
    const std::int64_t pad = kernel / 2;
    return m_->add<tpu::conv>({name.view(), dtype_id::i8, scale},
                              {.kernel_shape = {kernel, kernel},
                               .strides = {stride, stride},
                               .dilations = {1, 1},
                               .pads = {pad, pad, pad, pad},
                               .group = 1,
                               .clamp = {0.0F, 127.0F}},
                              {x, w, params});
  }
  constexpr tensor_id add(tensor_id a, tensor_id b) {
    const text name = text("add_") << number_++;
    return m_->add<tpu::binary>({name.view(), dtype_id::i8, scale},
                                {.kind = static_cast<std::int64_t>(isa::binary_kind::add),
                                 .a_multiplier = 1 << 20,
                                 .b_multiplier = 1 << 20,
                                 .shift = 20,
                                 .clamp = {0.0F, 127.0F}},
                                {a, b});
  }
  constexpr tensor_id max_pool(tensor_id x) {
    return m_->add<tpu::pool>({"max_pool", dtype_id::i8, scale},
                              {.kind = static_cast<std::int64_t>(isa::pool_kind::max),
                               .kernel_shape = {3, 3},
                               .strides = {2, 2},
                               .dilations = {1, 1},
                               .pads = {1, 1, 1, 1},
                               .count_include_pad = 0,
                               .multiplier = 0,
                               .shift = 0},
                              {x});
  }

private:
  static constexpr std::span<const std::uint8_t> nothing{};
  lowered_builder* m_;
  std::int64_t number_ = 0;
};

/// Bottleneck blocks in four stages, as in ResNet-50 (3, 4, 6, 3), before the pool and the classifier: 69 nodes.
struct resnet50 {
  static constexpr std::string_view name = "resnet50";
  using dtype = i8;
  static constexpr tmpu::graph<stage::lowered> graph(lowered_builder m = {}) {
    writer w(m);
    tensor_id x = w.max_pool(w.conv(m.input("x", dtype_id::i8, {1, 3, 224, 224}, scale), 3, 64, 7, 2));
    std::int64_t channels = 64;
    constexpr std::int64_t blocks[] = {3, 4, 6, 3};
    for (std::int64_t part = 0; part < 4; ++part) {
      const std::int64_t width = 64 << part;
      for (std::int64_t block = 0; block < blocks[part]; ++block) {
        const std::int64_t stride = block == 0 && part > 0 ? 2 : 1;
        const tensor_id left =
            w.conv(w.conv(w.conv(x, channels, width, 1, 1), width, width, 3, stride), width, 4 * width, 1, 1);
        const tensor_id right = block == 0 ? w.conv(x, channels, 4 * width, 1, stride) : x;
        x = w.add(left, right);
        channels = 4 * width;
      }
    }
    m.output(x);
    return m.take();
  }
};

/// A chain of `Layers` nodes: convolutions of 16 channels with an addition after every second one.
template <int Layers> struct chain {
  static constexpr std::string_view name = "chain";
  using dtype = i8;
  static constexpr tmpu::graph<stage::lowered> graph(lowered_builder m = {}) {
    writer w(m);
    tensor_id x = w.conv(m.input("x", dtype_id::i8, {1, 3, 32, 32}, scale), 3, 16, 3, 1);
    tensor_id before = x;
    for (int layer = 1; layer < Layers; ++layer) {
      if (layer % 3 == 0) {
        x = before = w.add(x, before);
      } else {
        x = w.conv(x, 16, 16, 3, 1);
      }
    }
    m.output(x);
    return m.take();
  }
};

} // namespace resnet
