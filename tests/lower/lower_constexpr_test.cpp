// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"
#include "tmpu/lower/engine.hpp"
#include "tmpu/lower/rules.hpp"

#include <doctest/doctest.h>

// Lowering and the meaning of Tpu operators in constant evaluation: the same code, the same bits as at run time.
using namespace lower_test;

namespace {

constexpr graph<stage::canonical> small_net() {
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 1, 6, 6});
  top::conv::attributes a{};
  a.kernel_shape = {3, 3};
  a.pads = {1, 1, 1, 1};
  a.clamp = {0.0F, math::infinity<float>};
  const auto c1 =
      m.add<top::conv>("c1", a, {x, m.constant("w1", r.tensor({2, 1, 3, 3})), m.constant("b1", r.tensor({2}))});
  top::max_pool::attributes pool{};
  pool.kernel_shape = {2, 2};
  pool.strides = {2, 2};
  const auto p1 = m.add<top::max_pool>("p1", pool, {c1});
  const auto s1 = m.add<top::sigmoid>("s1", {}, {p1});
  top::reshape::attributes flat{};
  flat.shape = {1, 18};
  const auto f = m.add<top::reshape>("f", flat, {s1});
  top::gemm::attributes dense{};
  dense.transB = 1;
  m.output(m.add<top::gemm>("y", dense, {f, m.constant("w2", r.tensor({3, 18})), m.constant("b2", r.tensor({3}))}));
  return canonical(m);
}
constexpr vec<value> one_input() {
  generator r{.state = 7};
  vec<value> in;
  in.push_back(r.tensor({1, 1, 6, 6}));
  return in;
}

// What a transformer does between its linear operators.
constexpr graph<stage::canonical> head() {
  generator r{.state = 5};
  model_builder m;
  auto x = m.input("x", dtype_id::f32, {1, 1, 3, 4});
  top::rms_normalization::attributes norm{};
  x = m.add<top::rms_normalization>("n", norm, {x, m.constant("scale", r.tensor({4}, 0.5F, 1.0F))});
  const auto q = m.add<top::rotary_embedding>(
      "q", {}, {x, m.constant("cosines", r.tensor({1, 3, 2})), m.constant("sines", r.tensor({1, 3, 2}))});
  top::attention::attributes causal{};
  causal.is_causal = 1;
  m.output(m.add<top::attention>("y", causal, {q, x, x}));
  return canonical(m);
}

using operators = list<top::conv, top::max_pool, top::sigmoid, top::reshape, top::gemm, top::rms_normalization,
                       top::rotary_embedding, top::attention>;
template <class Dtype> using pass = lower::lower<operators, decltype(lower::rules), Dtype>;

struct result {
  float y[3] = {};
  std::size_t nodes = 0;
};
template <class Dtype> constexpr result lowered(const graph<stage::canonical>& g, bool asymmetric = false) {
  generator r{.state = 7};
  vec<value> in;
  in.push_back(r.tensor(g.at(g.inputs[0]).dims));
  graph<stage::lowered> l;
  if constexpr (is_floating(Dtype::id)) {
    l = pass<Dtype>{}(g, chip::nano::info);
  } else {
    l = pass<Dtype>{}(calibrated(g, in), chip::nano::info, {.asymmetric = asymmetric});
  }
  const vec<float> y = run(l, in);
  return {{y[0], y[1], y[2]}, l.nodes.size()};
}

constexpr result in_f32 = lowered<f32>(small_net());
constexpr result in_i8 = lowered<i8>(small_net());
constexpr result in_i8_asymmetric = lowered<i8>(small_net(), true);
constexpr result head_in_f32 = lowered<f32>(head());
constexpr result head_in_i8 = lowered<i8>(head());
static_assert(in_f32.nodes == 5 && in_i8.nodes == 5);

void check_same(const result& a, const result& b) {
  for (int i = 0; i < 3; ++i) CHECK(std::bit_cast<std::uint32_t>(a.y[i]) == std::bit_cast<std::uint32_t>(b.y[i]));
}

/// small_net as a chip computes it, which rounds each product (Top does not), written out.
vec<float> as_a_chip(const graph_body& g, const vec<float>& x) {
  const auto constant = [&](std::size_t node, std::size_t i) {
    return g.constant_value(g.operand(static_cast<node_id>(node), i)).f;
  };
  const vec<float> w1 = constant(0, 1);
  const vec<float> b1 = constant(0, 2);
  const vec<float> w2 = constant(g.nodes.size() - 1, 1);
  const vec<float> b2 = constant(g.nodes.size() - 1, 2);
  vec<float> flat;
  for (std::size_t c = 0; c < 2; ++c) {
    for (std::size_t place = 0; place < 9; ++place) {
      float greatest = 0.0F; // of the clamped sums of a window
      for (std::size_t of = 0; of < 4; ++of) {
        const std::size_t h = place / 3 * 2 + of / 2;
        const std::size_t v = place % 3 * 2 + of % 2;
        float sum = 0.0F;
        for (std::size_t t = 0; t < 9; ++t) {
          const std::size_t row = h + t / 3; // one of padding before
          const std::size_t column = v + t % 3;
          if (row < 1 || row > 6 || column < 1 || column > 6) continue;
          const float product = w1[c * 9 + t] * x[(row - 1) * 6 + column - 1];
          sum += product;
        }
        sum += b1[c];
        greatest = sum > greatest ? sum : greatest;
      }
      flat.push_back(activation::sigmoid(greatest));
    }
  }
  vec<float> y;
  for (std::size_t o = 0; o < 3; ++o) {
    float sum = 0.0F;
    for (std::size_t k = 0; k < 18; ++k) {
      const float product = w2[o * 18 + k] * flat[k];
      sum += product;
    }
    y.push_back(sum + b2[o]);
  }
  return y;
}

} // namespace

TEST_CASE("constant evaluation and run time give the same bits") {
  check_same(in_f32, lowered<f32>(small_net()));
  check_same(in_i8, lowered<i8>(small_net()));
  check_same(in_i8_asymmetric, lowered<i8>(small_net(), true));
  check_same(head_in_f32, lowered<f32>(head()));
  check_same(head_in_i8, lowered<i8>(head()));
  const auto g = small_net();
  const vec<value> all = evaluate(g, one_input());
  const vec<float> written_out = as_a_chip(g, one_input()[0].f);
  for (std::size_t i = 0; i < 3; ++i) {
    const float top = all[static_cast<std::size_t>(g.outputs[0])].f[i];
    CHECK(std::bit_cast<std::uint32_t>(in_f32.y[i]) == std::bit_cast<std::uint32_t>(written_out[i]));
    CHECK(in_i8.y[i] == doctest::Approx(top).epsilon(0.05));
  }
}
