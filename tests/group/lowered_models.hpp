// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/chip/chip.hpp"
#include "tmpu/ir/op.hpp"
#include "tmpu/tpu/operators.hpp"

/// Small lowered graphs, written directly in Tpu operators, for the tests of the rooms behind the lowering.
namespace lowered_models {

using namespace tmpu;

/// Numbers that are the same on every machine.
class random_numbers {
public:
  constexpr explicit random_numbers(std::uint32_t seed) : seed_(seed) {}
  /// 0 … below - 1.
  constexpr std::int64_t operator()(std::uint32_t below) {
    seed_ = seed_ * 1664525U + 1013904223U;
    return static_cast<std::int64_t>((seed_ >> 8) % below);
  }

private:
  std::uint32_t seed_;
};

class builder {
public:
  graph<stage::lowered> g;

  constexpr tensor_id input(const shape& dims) {
    const tensor_id t = g.add_tensor(text("x") << g.tensors.size(), dtype_id::f32, dims);
    g.inputs.push_back(t);
    return t;
  }
  constexpr tensor_id constant(const shape& dims, float scale) {
    value v(dtype_id::f32, dims);
    for (std::size_t i = 0; i < v.f.size(); ++i) v.f[i] = scale * static_cast<float>(static_cast<int>(i * 7 % 13) - 6);
    return g.add_constant(text("c") << g.tensors.size(), v);
  }
  /// The result has the type of the first operand.
  template <class Op>
  constexpr tensor_id add(const typename Op::attributes& a, std::initializer_list<tensor_id> operands) {
    const text name = text("t") << g.tensors.size();
    const tensor_id results[] = {g.add_tensor(name, g.at(*operands.begin()).type, {})};
    infer(g, add_node<Op>(g, name, a, {operands.begin(), operands.size()}, results));
    return results[0];
  }
  constexpr tensor_id conv(tensor_id x, std::int64_t channels, std::int64_t kernel, std::int64_t stride,
                           std::int64_t group = 1) {
    const std::int64_t ic = g.at(x).dims[1];
    const std::int64_t pad = kernel / 2;
    return add<tpu::conv>(
        {.kernel_shape = {kernel, kernel},
         .strides = {stride, stride},
         .dilations = {1, 1},
         .pads = {pad, pad, pad, pad},
         .group = group,
         .clamp = {0.0F, 100.0F}},
        {x, constant({channels, ic / group, kernel, kernel}, 0.0625F), constant({channels, 1}, 0.25F)});
  }
  constexpr tensor_id sum(tensor_id a, tensor_id b) {
    return add<tpu::binary>({.kind = 0, .a_multiplier = 0, .b_multiplier = 0, .shift = 0, .clamp = {-1000.0F, 1000.0F}},
                            {a, b});
  }
  constexpr tensor_id max_pool(tensor_id x) {
    return add<tpu::pool>({.kind = 0,
                           .kernel_shape = {2, 2},
                           .strides = {2, 2},
                           .dilations = {1, 1},
                           .pads = {0, 0, 0, 0},
                           .count_include_pad = 0,
                           .multiplier = 0,
                           .shift = 0},
                          {x});
  }
  constexpr tensor_id dense(tensor_id x, std::int64_t outputs) {
    const tmpu::shape d = g.at(x).dims;
    return add<tpu::matmul>({.clamp = {-1000.0F, 1000.0F}},
                            {x, constant({outputs, d[1]}, 0.03125F), constant({outputs, 1}, 0.5F)});
  }
  constexpr tensor_id reshape(tensor_id x, const tmpu::shape& dims) {
    return add<tpu::reshape>({.shape = ints(dims.span())}, {x});
  }
  constexpr void output(tensor_id t) { g.outputs.push_back(t); }
};

/// A residual block, a pooling and a dense layer; large enough that nano must cut every part of it.
constexpr graph<stage::lowered> residual(std::int64_t batch = 1, std::int64_t size = 16, std::int64_t channels = 24) {
  builder b;
  const tensor_id x = b.input({batch, 3, size, size});
  const tensor_id stem = b.conv(x, channels, 3, 1);
  const tensor_id left = b.conv(b.conv(stem, channels, 3, 1), channels, 3, 1);
  const tensor_id depth = b.conv(stem, channels, 3, 1, channels);
  const tensor_id joined = b.sum(left, depth);
  const tensor_id pooled = b.max_pool(joined);
  const std::int64_t flat = channels * (size / 2) * (size / 2);
  b.output(b.dense(b.reshape(pooled, {batch, flat}), 10));
  b.output(joined);
  return std::move(b.g);
}

/// Values from -100 to 100 (as floats 64 times smaller) for the input `t`.
constexpr value some_input(const tensor& t) {
  value v(t.type, t.dims);
  for (std::int64_t i = 0; i < t.dims.elements(); ++i) {
    const std::int64_t x = i * 37 % 201 - 100;
    if (is_floating(t.type)) {
      v.f[static_cast<std::size_t>(i)] = static_cast<float>(x) / 64.0F;
    } else {
      v.i[static_cast<std::size_t>(i)] = x;
    }
  }
  return v;
}

/// The chip with so many bytes of local memory a lane.
constexpr chip::facts with_local_bytes(chip::facts f, std::int64_t bytes) {
  f.local_bytes = bytes;
  return f;
}

/// Random chains with branches that join again, pools and depthwise convolutions.
inline graph<stage::lowered> random_chain(random_numbers& random) {
  builder b;
  const std::int64_t channels = 8 + 8 * random(3);
  tensor_id at = b.input({1, channels, 8 + 8 * random(3), 8 + 8 * random(2)});
  const std::size_t nodes = static_cast<std::size_t>(3 + random(6));
  while (b.g.nodes.size() < nodes) {
    const std::int64_t what = random(5);
    if (what == 0 && b.g.at(at).dims[2] >= 4) {
      at = b.max_pool(at);
    } else if (what == 1 && b.g.nodes.size() + 3 <= nodes) {
      at = b.sum(b.conv(at, channels, 3, 1), b.conv(at, channels, 1, 1));
    } else if (what == 2) {
      at = b.conv(at, channels, 3, 1, channels);
    } else {
      at = b.conv(at, channels, 1 + 2 * random(2), 1);
    }
  }
  b.output(at);
  return std::move(b.g);
}

} // namespace lowered_models
