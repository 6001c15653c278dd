// SPDX-License-Identifier: Apache-2.0
#include "tmpu/ir/builder.hpp"
#include "tmpu/ir/evaluate.hpp"
#include "tmpu/top/operators.hpp"

#include <doctest/doctest.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" // attributes that are left out are the defaults
#endif

using namespace tmpu;

namespace {
constexpr float fill_of(std::size_t i) { return static_cast<float>(static_cast<int>(i * 7919 % 201) - 100) / 64.0F; }
constexpr value filled(const shape& dims) {
  value v(dtype_id::f32, dims);
  for (std::size_t i = 0; i < v.f.size(); ++i) v.f[i] = fill_of(i);
  return v;
}

// 9 output channels and 3 groups of them: at run time these take the blocked kernels, in constant evaluation the plain.
constexpr vec<float> classify() {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 2, 7, 7});
  auto y = m.add<top::conv>("conv", {.dilations = {1, 2}, .pads = {1, 0, 1, 2}, .strides = {2, 1}},
                            {x, m.constant("w", filled({18, 2, 3, 3})), m.constant("b", filled({18}))});
  y = m.add<top::relu>("relu", {}, {y});
  y = m.add<top::conv>("depthwise", {.group = 18, .pads = {1, 1, 1, 1}}, {y, m.constant("dw", filled({18, 1, 3, 3}))});
  y = m.add<top::sigmoid>("sigmoid", {}, {y});
  y = m.add<top::max_pool>("pool", {.ceil_mode = 1, .kernel_shape = {2, 2}, .strides = {2, 2}}, {y});
  y = m.add<top::flatten>("flat", {}, {y});
  const auto k = 18 * 2 * 3;
  y = m.add<top::gemm>("gemm", {.alpha = 0.5F, .transB = 1},
                       {y, m.constant("gw", filled({10, k})), m.constant("gb", filled({10}))});
  y = m.add<top::softmax>("softmax", {}, {y});
  m.output(y);
  const auto g = m.take();
  const value inputs[] = {filled({1, 2, 7, 7})};
  return evaluate(g, inputs)[static_cast<std::size_t>(g.outputs[0])].f;
}

struct bits {
  std::uint32_t of[10] = {};
};
constexpr bits bits_of(const vec<float>& v) {
  bits b;
  for (std::size_t i = 0; i < 10; ++i) b.of[i] = std::bit_cast<std::uint32_t>(v[i]);
  return b;
}
constexpr bits at_compile_time = bits_of(classify());
} // namespace

TEST_CASE("conv, relu, pool, gemm give the same bits in constant evaluation and at run time") {
  const bits now = bits_of(classify());
  float sum = 0.0F;
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(now.of[i] == at_compile_time.of[i]);
    sum += std::bit_cast<float>(now.of[i]);
  }
  CHECK(sum == doctest::Approx(1.0));
}
