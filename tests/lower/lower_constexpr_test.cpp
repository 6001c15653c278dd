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

} // namespace

TEST_CASE("constant evaluation and run time give the same bits") {
  check_same(in_f32, lowered<f32>(small_net()));
  check_same(in_i8, lowered<i8>(small_net()));
  check_same(in_i8_asymmetric, lowered<i8>(small_net(), true));
  check_same(head_in_f32, lowered<f32>(head()));
  check_same(head_in_i8, lowered<i8>(head()));
  const auto g = small_net();
  const vec<value> all = evaluate(g, one_input());
  for (std::size_t i = 0; i < 3; ++i) {
    const float top = all[static_cast<std::size_t>(g.outputs[0])].f[i];
    CHECK(in_f32.y[i] == doctest::Approx(top).epsilon(1e-6)); // a chip rounds each product, Top does not
    CHECK(in_i8.y[i] == doctest::Approx(top).epsilon(0.05));
  }
}
