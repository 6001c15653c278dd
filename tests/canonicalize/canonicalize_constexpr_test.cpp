// SPDX-License-Identifier: Apache-2.0
#include "helpers.hpp"

#include <doctest/doctest.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" // attributes that are left out are the defaults
#endif

using namespace canonical_test;

namespace {
// conv, batch normalization, relu, pool, a reshape by a subgraph of shapes, matmul, bias.
constexpr graph<stage::origin> network() {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 1, 6, 6});
  auto y = m.add<top::conv>("conv", {.pads = {1, 1, 1, 1}}, {x, m.constant("w", filled({2, 1, 3, 3}, 2))});
  value ones(dtype_id::f32, {2});
  ones.f = {1.0F, 0.5F};
  const auto s = m.constant("s", ones);
  y = m.add<top::batch_normalization>("bn", {}, {y, s, s, s, s});
  y = m.add<top::relu>("relu", {}, {y});
  y = m.add<top::max_pool>("pool", {.kernel_shape = {2, 2}, .strides = {2, 2}}, {y});
  const auto n = m.add<top::gather>("n", {}, {m.add<top::shape>("shape", {}, {y}), m.constant("zero", list_of({0}))});
  y = m.add<top::reshape>("flat", {},
                          {y, m.add<top::concat>("to", {.axis = 0}, {n, m.constant("minus", list_of({-1}))})});
  y = m.add<top::matmul>("fc", {}, {y, m.constant("fw", filled({18, 3}, 3))});
  y = m.add<top::add>("logits", {}, {y, m.constant("fb", filled({3}, 4))});
  m.output(y);
  return m.take();
}

// One head of a transformer: RMS normalization, a rotary embedding, attention with a mask, all from their pieces.
constexpr graph<stage::origin> head() {
  writer w({1, 1, 3, 4});
  const auto mean = w.over<top::reduce_mean>(w.n<top::pow>({w.x, w.c(2.0F)}), {-1});
  const auto root = w.n<top::sqrt>({w.add(mean, w.c(1e-5F))});
  const auto x = w.mul(w.mul(w.x, w.div(w.c(1.0F), root)), w.c(filled({4}, 2)));
  const auto half = [&](std::int64_t first, std::int64_t last) {
    return w.n<top::slice>({x, w.c(list_of({first})), w.c(list_of({last})), w.c(list_of({3}))});
  };
  const auto turned = w.n<top::concat>({w.n<top::neg>({half(2, 4)}), half(0, 2)}, {.axis = -1});
  value table = filled({3, 4}, 3);
  for (std::size_t i = 0; i < table.f.size(); ++i) table.f[i] = table.f[i - i % 4 + i % 2];
  const auto q = w.add(w.mul(x, w.c(table)), w.mul(turned, w.c(table)));
  const auto scores = w.n<top::matmul>({q, w.n<top::transpose>({x}, {.perm = {0, 1, 3, 2}})});
  const auto masked = w.add(w.div(scores, w.c(2.0F)), w.c(filled({3, 3}, 4)));
  w.m.output(w.n<top::matmul>({w.n<top::softmax>({masked}), x}));
  return w.m.take();
}

// What constant evaluation and run time must agree on: the form, and every bit of the weights and of the result.
struct fact {
  std::size_t nodes = 0;
  int rules = 0;
  std::uint32_t weights = 0;
  std::uint32_t result = 0;
  bool close = false;
  bool valid = false;
  friend constexpr bool operator==(const fact&, const fact&) = default;
};
constexpr fact facts(const graph<stage::origin>& g) {
  const outcome out = run(graph<stage::origin>(g));
  fact f;
  f.nodes = out.g.nodes.size();
  for (const auto& c : out.counts) f.rules += c.count;
  const auto mix = [](std::uint32_t& h, std::uint32_t v) { h = (h ^ v) * 16777619U; };
  for (std::size_t t = 0; t < out.g.tensors.size(); ++t) {
    if (!out.g.is_constant(static_cast<tensor_id>(t))) continue;
    for (const std::uint8_t b : out.g.bytes(static_cast<tensor_id>(t))) mix(f.weights, b);
  }
  const vec<value> values = evaluate(out.g, inputs_for(out.g));
  for (const float v : values[static_cast<std::size_t>(out.g.outputs[0])].f)
    mix(f.result, std::bit_cast<std::uint32_t>(v));
  f.close = out.difference <= 1e-5F;
  f.valid = out.valid;
  return f;
}
constexpr fact at_compile_time = facts(network());
static_assert(at_compile_time.nodes == 4); // conv, pool, reshape, gemm
static_assert(at_compile_time.close && at_compile_time.valid);
constexpr fact of_head = facts(head());
static_assert(of_head.nodes == 3); // rms_normalization, rotary_embedding, attention
static_assert(of_head.close && of_head.valid);
} // namespace

TEST_CASE("constant evaluation and run time give the same canonical graph, weights and result, bit by bit") {
  CHECK(facts(network()) == at_compile_time);
  CHECK(facts(head()) == of_head);
  CHECK(at_compile_time.rules > 5);
}
