// SPDX-License-Identifier: Apache-2.0
#include "helpers.hpp"
#include "tmpu/ir/propagate.hpp"

#include <doctest/doctest.h>

#include <string>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" // attributes that are left out are the defaults
#endif

using namespace canonical_test;

namespace {
std::string name_of_output(const graph_body& g, node_id id) { return std::string(g.name(g.result(id))); }
constexpr float inf = math::infinity<float>;
} // namespace

#define CHECK_KEPT(out)                                                                                                \
  CHECK((out).valid);                                                                                                  \
  CHECK((out).difference <= 1e-5F)

TEST_CASE("conv, batch normalization, relu become one conv named after the relu") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 2, 5, 5});
  const auto w = m.constant("w", filled({3, 2, 3, 3}, 2));
  const auto c = m.add<top::conv>("conv", {.auto_pad = "SAME_UPPER"}, {x, w});
  value variance = filled({3}, 6);
  for (float& v : variance.f) v = math::abs(v) + 0.5F;
  const auto b = m.add<top::batch_normalization>("bn", {},
                                                 {c, m.constant("s", filled({3}, 3)), m.constant("b", filled({3}, 4)),
                                                  m.constant("m", filled({3}, 5)), m.constant("v", variance)});
  m.output(m.add<top::relu>("relu", {}, {b}));
  const auto out = run(m.take());
  CHECK_KEPT(out);
  REQUIRE(out.g.nodes.size() == 1);
  CHECK(name_of_output(out.g, 0) == "relu");
  const auto a = attributes_of<top::conv>(out.g, 0);
  CHECK(a.auto_pad.empty());
  CHECK(a.pads == ints{1, 1, 1, 1});
  CHECK(a.kernel_shape == ints{3, 3});
  CHECK(a.strides == ints{1, 1});
  CHECK(a.dilations == ints{1, 1});
  CHECK(a.clamp == floats{0.0F, inf});
  CHECK(out.g.is_constant(out.g.operand(0, 2)));
  CHECK(out.fired("fold-batch-norm") == 1);
  CHECK(out.fired("fuse-clamp") == 1);
}

TEST_CASE("a conv that is read twice keeps its batch normalization apart, as a depthwise conv") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 2, 3, 3});
  const auto c = m.add<top::conv>("conv", {}, {x, m.constant("w", filled({2, 2, 1, 1}, 2))});
  value ones(dtype_id::f32, {2});
  ones.f = {1.5F, 0.25F};
  const auto s = m.constant("s", ones);
  const auto b = m.add<top::batch_normalization>("bn", {}, {c, s, s, s, s});
  m.output(c);
  m.output(b);
  const auto out = run(m.take());
  CHECK_KEPT(out);
  CHECK(out.fired("fold-batch-norm") == 0);
  REQUIRE(count_of<top::conv>(out.g) == 2);
  CHECK(attributes_of<top::conv>(out.g, 1).group == 2);
  CHECK(name_of_output(out.g, 1) == "bn");
}

TEST_CASE("batch normalization of other ranks and before a conv") {
  for (const shape& dims : {shape{2, 3}, shape{1, 3, 4}, shape{1, 3, 2, 2, 2}}) {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, dims);
    value positive(dtype_id::f32, {3});
    positive.f = {1.0F, 2.0F, 0.5F};
    const auto s = m.constant("s", positive);
    m.output(m.add<top::batch_normalization>("bn", {}, {x, s, s, s, s}));
    const auto out = run(m.take());
    CHECK_KEPT(out);
    CHECK(count_of<top::batch_normalization>(out.g) == 0);
    CHECK(count_of<top::conv>(out.g) == (dims.rank() == 3 ? 1 : 0));
  }
}

TEST_CASE("constants by channel are folded into conv and gemm, others stay as second operand") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 2, 2, 2});
  auto y = m.add<top::conv>("conv", {}, {x, m.constant("w", filled({3, 2, 1, 1}, 2))});
  y = m.add<top::mul>("mul", {}, {m.constant("c1", filled({3, 1, 1}, 3)), y});
  y = m.add<top::sub>("sub", {}, {m.constant("c2", number(2.0F)), y});
  y = m.add<top::div>("div", {}, {y, m.constant("c3", number(4.0F))});
  y = m.add<top::add>("rows", {}, {m.constant("c4", filled({2, 1}, 4)), y}); // varies along H: stays
  m.output(y);
  const auto out = run(m.take());
  CHECK_KEPT(out);
  CHECK(out.fired("fold-channel-constant") == 3);
  REQUIRE(out.g.nodes.size() == 2);
  CHECK(name_of_output(out.g, 0) == "div");
  CHECK(is<top::add>(out.g, 1));
  CHECK(out.g.is_constant(out.g.operand(1, 1)));
}

TEST_CASE("the weight that two convs share is not changed under the other") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 1, 2, 2});
  const auto w = m.constant("w", filled({2, 1, 1, 1}, 2));
  const auto a = m.add<top::conv>("a", {}, {x, w});
  const auto b = m.add<top::conv>("b", {.strides = {2, 2}}, {x, w});
  m.output(m.add<top::mul>("a2", {}, {a, m.constant("two", number(2.0F))}));
  m.output(b);
  const auto out = run(m.take());
  CHECK_KEPT(out);
  CHECK(out.g.nodes.size() == 2);
}

TEST_CASE("a constant that widens the conv's result is not folded") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 1, 2, 2});
  const auto y = m.add<top::conv>("conv", {}, {x, m.constant("w", filled({1, 1, 1, 1}, 2))});
  m.output(m.add<top::add>("wide", {}, {y, m.constant("c", filled({3, 1, 1}, 3))}));
  const auto out = run(m.take());
  CHECK_KEPT(out);
  CHECK(out.fired("fold-channel-constant") == 0);
}

TEST_CASE("conv over one axis becomes a conv over two") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 2, 9});
  auto y = m.add<top::conv>("conv", {.dilations = {2}, .pads = {1, 2}, .strides = {2}},
                            {x, m.constant("w", filled({4, 2, 3}, 2)), m.constant("b", filled({4}))});
  y = m.add<top::add>("plus", {}, {y, m.constant("c", filled({4, 1}, 8))});
  y = m.add<top::relu>("relu", {}, {y});
  y = m.add<top::max_pool>("pool", {.kernel_shape = {2}}, {y});
  m.output(y);
  const auto out = run(m.take());
  CHECK_KEPT(out);
  const node_id c = only<top::conv>(out.g);
  REQUIRE(c != none);
  CHECK(out.g.at(out.g.operand(c, 1)).dims == shape{4, 2, 1, 3});
  CHECK(attributes_of<top::conv>(out.g, c).pads == ints{0, 1, 0, 2});
  CHECK(attributes_of<top::conv>(out.g, c).clamp == floats{0.0F, inf});
  CHECK(count_of<top::add>(out.g) == 0);
  CHECK(out.g.nodes.size() == 4); // reshape, conv, pool, reshape
}

TEST_CASE("gemm in all its forms becomes dense") {
  for (int form = 0; form < 16; ++form) {
    CAPTURE(form);
    const bool ta = (form & 1) != 0;
    const bool tb = (form & 2) != 0;
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, ta ? shape{3, 2} : shape{2, 3});
    const auto w = m.constant("w", filled(tb ? shape{4, 3} : shape{3, 4}, 2));
    const shape biases[] = {{4}, {1, 4}, {}, {2, 1}};
    const auto c = m.constant("c", filled(biases[form >> 2], 3));
    const float scale = form % 3 == 0 ? 1.0F : 0.5F;
    const auto y = m.add<top::gemm>("gemm", {.alpha = scale, .beta = 2.0F, .transA = ta, .transB = tb}, {x, w, c});
    m.output(m.add<top::relu>("relu", {}, {y}));
    const auto out = run(m.take());
    CHECK_KEPT(out);
    const node_id g = only<top::gemm>(out.g);
    REQUIRE(g != none);
    CHECK(canonicalize::detail::is_dense(canonicalize::rewriter(const_cast<graph<stage::canonical>&>(out.g)), g));
    CHECK(out.g.at(out.g.operand(g, 1)).dims == shape{4, 3});
    CHECK(out.g.at(out.g.operand(g, 2)).dims == shape{4});
    CHECK(count_of<top::add>(out.g) == (form >> 2 == 3 ? 1 : 0));
    CHECK(count_of<top::transpose>(out.g) == (ta ? 1 : 0));
    CHECK(count_of<top::relu>(out.g) == 0);
  }
}

TEST_CASE("gemm of two activations becomes a matmul") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 3});
  const auto w = m.input("w", dtype_id::f32, {4, 3});
  const auto c = m.input("c", dtype_id::f32, {4});
  m.output(m.add<top::gemm>("gemm", {.alpha = 0.5F, .beta = 3.0F, .transB = 1}, {x, w, c}));
  m.output(m.add<top::gemm>("plain", {.alpha = 0.5F, .transB = 1}, {x, w}));
  const auto out = run(m.take());
  CHECK_KEPT(out);
  CHECK(count_of<top::gemm>(out.g) == 0);
  CHECK(count_of<top::matmul>(out.g) == 1); // the same product, made once
}

TEST_CASE("matmul by a constant becomes a gemm with bias and activation, through the reshape") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 3, 5});
  auto y = m.add<top::matmul>("matmul", {}, {x, m.constant("w", filled({5, 4}, 2))});
  y = m.add<top::add>("bias", {}, {m.constant("b", filled({4}, 3)), y});
  y = m.add<top::relu>("relu", {}, {y});
  m.output(y);
  const auto out = run(m.take());
  CHECK_KEPT(out);
  REQUIRE(out.g.nodes.size() == 3);
  CHECK(is<top::reshape>(out.g, 0));
  CHECK(attributes_of<top::gemm>(out.g, 1).clamp == floats{0.0F, inf});
  CHECK(name_of_output(out.g, 2) == "relu");
}

TEST_CASE("matmul of two activations, and by a batch of constants, stays") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 3, 5});
  const auto y = m.input("y", dtype_id::f32, {2, 5, 3});
  m.output(m.add<top::matmul>("xy", {}, {x, y}));
  m.output(m.add<top::matmul>("xw", {}, {x, m.constant("w", filled({2, 5, 4}, 2))}));
  const auto out = run(m.take());
  CHECK_KEPT(out);
  CHECK(count_of<top::matmul>(out.g) == 2);
}

TEST_CASE("global pools and means over the plane become pools") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 3, 4, 5});
  m.output(m.add<top::global_average_pool>("gap", {}, {x}));
  m.output(m.add<top::global_max_pool>("gmp", {}, {x}));
  m.output(m.add<top::reduce_mean>("kept", {}, {x, m.constant("axes", list_of({-1, 2}))}));
  m.output(m.add<top::reduce_mean>("dropped", {.axes = {2, 3}, .keepdims = 0}, {x}));
  m.output(m.add<top::reduce_mean>("channels", {.axes = {-3}, .keepdims = 0}, {x}));
  m.output(m.add<top::reduce_sum>("all", {}, {x}));
  const auto out = run(m.take());
  CHECK(out.difference == 0.0F);
  CHECK(out.valid);
  CHECK(count_of<top::reduce_mean>(out.g) == 1);
  CHECK(attributes_of<top::reduce_mean>(out.g, only<top::reduce_mean>(out.g)).axes == ints{1});
  CHECK(attributes_of<top::reduce_sum>(out.g, only<top::reduce_sum>(out.g)).axes == ints{0, 1, 2, 3});
  CHECK(count_of<top::max_pool>(out.g) == 1);
  CHECK(count_of<top::reshape>(out.g) == 1);
  for (std::size_t i = 0; i < out.g.nodes.size(); ++i) {
    const auto id = static_cast<node_id>(i);
    if (is<top::average_pool>(out.g, id)) CHECK(attributes_of<top::average_pool>(out.g, id).kernel_shape == ints{4, 5});
  }
}

TEST_CASE("pools are written out, ceil_mode becomes padding") {
  for (const bool counts : {false, true}) {
    for (const std::int64_t pad : {0, 1}) {
      model_builder m;
      const auto x = m.input("x", dtype_id::f32, {1, 2, 6, 7});
      m.output(m.add<top::max_pool>(
          "max", {.ceil_mode = 1, .kernel_shape = {3, 3}, .pads = {pad, pad, pad, pad}, .strides = {2, 2}}, {x}));
      m.output(m.add<top::average_pool>("mean",
                                        {.ceil_mode = 1,
                                         .count_include_pad = counts,
                                         .kernel_shape = {3, 2},
                                         .pads = {pad, pad, pad, pad},
                                         .strides = {2, 2}},
                                        {x}));
      const auto out = run(m.take());
      CHECK(out.difference == 0.0F);
      CHECK(out.valid);
      CHECK(attributes_of<top::max_pool>(out.g, only<top::max_pool>(out.g)).ceil_mode == 0);
      CHECK(attributes_of<top::average_pool>(out.g, only<top::average_pool>(out.g)).ceil_mode == 0);
    }
  }
}

TEST_CASE("pad goes into conv, not where it holds other values") {
  for (const float fill : {0.0F, 1.0F}) {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 2, 4, 4});
    const auto p = m.add<top::pad>(
        "pad", {}, {x, m.constant("pads", list_of({0, 0, 1, 0, 0, 0, 2, 1})), m.constant("fill", number(fill))});
    const auto q = m.add<top::pad>(
        "pad2", {}, {x, m.constant("pads2", list_of({1, 1, 1, 1})), none, m.constant("axes", list_of({2, -1}))});
    m.output(m.add<top::conv>("conv", {}, {p, m.constant("w", filled({3, 2, 3, 3}, 2))}));
    m.output(m.add<top::average_pool>("mean", {.kernel_shape = {2, 2}}, {q}));
    const auto out = run(m.take());
    CHECK_KEPT(out);
    CHECK(out.fired("fold-pad") == (fill == 0.0F ? 2 : 1));
    CHECK(count_of<top::pad>(out.g) == (fill == 0.0F ? 0 : 1));
  }
}

TEST_CASE("reshapes in all their forms are one with a full shape") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 1, 3, 4});
  auto y = m.add<top::squeeze>("squeeze", {}, {x, m.constant("one", list_of({1}))});
  y = m.add<top::unsqueeze>("unsqueeze", {}, {y, m.constant("ends", list_of({0, -1}))});
  y = m.add<top::reshape>("reshape", {}, {y, m.constant("shape", list_of({2, -1}))});
  m.output(m.add<top::flatten>("flatten", {.axis = 0}, {y}));
  m.output(
      m.add<top::relu>("same", {}, {m.add<top::reshape>("none", {}, {x, m.constant("s2", list_of({0, 0, -1, 4}))})}));
  const auto out = run(m.take());
  CHECK(out.difference == 0.0F);
  CHECK(out.valid);
  REQUIRE(out.g.nodes.size() == 2);
  const node_id r = only<top::reshape>(out.g);
  REQUIRE(r != none);
  CHECK(attributes_of<top::reshape>(out.g, r).shape == ints{1, 24});
  CHECK(out.g.operands(r).size() == 1);
}

TEST_CASE("what copies nothing is removed, also in front of an output") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 3});
  auto y = m.add<top::identity>("i", {}, {x});
  y = m.add<top::dropout>("d", {}, {y});
  y = m.add<top::cast>("c", {.to = 1}, {y});
  y = m.add<top::transpose>("t", {.perm = {0, 1}}, {y});
  y = m.add<top::pad>("p", {}, {y, m.constant("zeros", list_of({0, 0, 0, 0}))});
  y = m.add<top::concat>("k", {.axis = 1}, {y});
  y = m.add<top::abs>("abs", {}, {y});
  y = m.add<top::identity>("out", {}, {y});
  m.output(y);
  const auto out = run(m.take());
  CHECK(out.difference == 0.0F);
  REQUIRE(out.g.nodes.size() == 1);
  CHECK(name_of_output(out.g, 0) == "out");
}

TEST_CASE("an identity between an input and an output stays") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2});
  m.output(m.add<top::identity>("y", {}, {x}));
  const auto out = run(m.take());
  CHECK_KEPT(out);
  CHECK(out.g.nodes.size() == 1);
}

TEST_CASE("transposes are merged; one that moves only ones is a reshape") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 3, 1, 4});
  auto y = m.add<top::transpose>("a", {.perm = {0, 3, 1, 2}}, {x});
  y = m.add<top::transpose>("b", {}, {y});
  m.output(y);
  m.output(m.add<top::transpose>("ones", {.perm = {0, 2, 1, 3}}, {x}));
  const auto out = run(m.take());
  CHECK(out.difference == 0.0F);
  CHECK(count_of<top::transpose>(out.g) == 1);
  CHECK(count_of<top::reshape>(out.g) == 1);
}

TEST_CASE("a subgraph of shapes is folded away") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 3, 4});
  const auto s = m.add<top::shape>("shape", {}, {x});
  const auto n = m.add<top::gather>("n", {}, {s, m.constant("zero", list_of({0}))});
  const auto to = m.add<top::concat>("to", {.axis = 0}, {n, m.constant("rest", list_of({-1}))});
  const auto y = m.add<top::reshape>("y", {}, {x, to});
  m.output(y);
  m.output(m.add<top::expand>(
      "e", {}, {m.constant("five", number(5.0F)), m.add<top::mul>("twice", {}, {n, m.constant("two", list_of({2}))})}));
  auto g = m.take();
  CHECK(g.at(y).dims == shape{2, 12}); // the shape rule follows the constants
  const auto done = run(g);
  CHECK(done.difference == 0.0F);
  const auto& out = done.g;
  REQUIRE(out.nodes.size() == 1);
  CHECK(attributes_of<top::reshape>(out, 0).shape == ints{2, 12});
  CHECK(out.is_constant(out.outputs[1]));
  CHECK(out.constant_value(out.outputs[1]).f == floats(4, 5.0F));
}

TEST_CASE("clip bounds, relu and clip chains") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {8});
  const auto c = m.add<top::clip>("clip", {}, {x, m.constant("low", number(-0.5F)), m.constant("high", number(1.0F))});
  m.output(m.add<top::relu>("relu", {}, {c}));
  m.output(m.add<top::clip>("positive", {}, {x, m.constant("zero", number(0.0F))}));
  m.output(m.add<top::max>("max", {}, {m.constant("half", number(0.5F)), x}));
  m.output(m.add<top::clip>(
      "six", {},
      {m.add<top::add>("sum", {}, {x, x}), m.constant("zero2", number(0.0F)), m.constant("six2", number(6.0F))}));
  const auto out = run(m.take());
  CHECK(out.difference == 0.0F);
  CHECK(count_of<top::relu>(out.g) == 1);
  CHECK(count_of<top::clip>(out.g) == 2);
  CHECK(count_of<top::max>(out.g) == 0);
  CHECK(attributes_of<top::add>(out.g, only<top::add>(out.g)).clamp == floats{0.0F, 6.0F});
  CHECK(attributes_of<top::clip>(out.g, 0).clamp == floats{0.0F, 1.0F});
}

TEST_CASE("a relu is not fused into what another node reads, too") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {4});
  const auto y = m.add<top::add>("add", {}, {x, x});
  m.output(m.add<top::relu>("relu", {}, {y}));
  m.output(m.add<top::neg>("neg", {}, {y}));
  const auto out = run(m.take());
  CHECK_KEPT(out);
  CHECK(count_of<top::relu>(out.g) == 1);
}

TEST_CASE("gates become hard_swish and silu") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {16});
  m.output(m.add<top::mul>("swish", {}, {m.add<top::hard_sigmoid>("hs", {.alpha = 1.0F / 6.0F}, {x}), x}));
  m.output(m.add<top::mul>("silu", {}, {x, m.add<top::sigmoid>("s", {}, {x})}));
  const auto gate = m.add<top::clip>("gate", {},
                                     {m.add<top::add>("plus", {}, {x, m.constant("three", number(3.0F))}),
                                      m.constant("zero", number(0.0F)), m.constant("six", number(6.0F))});
  m.output(
      m.add<top::div>("pieces", {}, {m.add<top::mul>("product", {}, {x, gate}), m.constant("six2", number(6.0F))}));
  m.output(m.add<top::mul>("other", {}, {x, m.add<top::hard_sigmoid>("fifth", {}, {x})})); // alpha 0.2: no HardSwish
  const auto out = run(m.take());
  CHECK_KEPT(out);
  CHECK(count_of<top::hard_swish>(out.g) == 2);
  CHECK(count_of<top::silu>(out.g) == 1);
  CHECK(count_of<top::hard_sigmoid>(out.g) == 1);
}

TEST_CASE("arithmetic with constants has one form; integers are left alone") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 3});
  m.output(m.add<top::sub>("a", {}, {x, m.constant("c1", filled({3}, 1))}));
  m.output(m.add<top::sub>("b", {}, {m.constant("c2", filled({3}, 2)), x}));
  m.output(m.add<top::div>("c", {}, {x, m.constant("c3", number(4.0F))}));
  m.output(m.add<top::div>("d", {}, {x, m.constant("c4", number(0.0F))})); // stays: 1/0
  m.output(m.add<top::pow>("e", {}, {x, m.constant("c5", number(2.0F))}));
  m.output(m.add<top::sum>("f", {}, {x, x, x}));
  m.output(m.add<top::prelu>("g", {}, {x, m.constant("c6", number(0.25F))}));
  m.output(m.add<top::mul>("h", {}, {m.add<top::neg>("n", {}, {x}), m.constant("c7", number(1.0F))}));
  const auto i = m.add<top::cast>("i", {.to = 7}, {x});
  m.output(m.add<top::div>("j", {}, {i, m.constant("c8", list_of({2}))}));
  const auto out = run(m.take());
  CHECK_KEPT(out);
  CHECK(count_of<top::sub>(out.g) == 0);
  CHECK(count_of<top::div>(out.g) == 2);
  CHECK(count_of<top::pow>(out.g) == 0);
  CHECK(count_of<top::sum>(out.g) == 0);
  CHECK(count_of<top::leaky_relu>(out.g) == 1);
  CHECK(count_of<top::neg>(out.g) == 1); // of x, made once
}

TEST_CASE("equal nodes are merged, dead ones removed") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {4});
  const auto a = m.add<top::exp>("a", {}, {x});
  const auto b = m.add<top::exp>("b", {}, {x});
  m.add<top::log>("unread", {}, {x});
  m.output(m.add<top::add>("sum", {}, {a, b}));
  const auto out = run(m.take());
  CHECK_KEPT(out);
  CHECK(out.g.nodes.size() == 2);
  CHECK(out.fired("merge-equal-nodes") == 1);
}

TEST_CASE("two nodes that draw random numbers stay two") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {4});
  const auto a = m.add<top::random_normal_like>("a", {}, {x});
  const auto b = m.add<top::random_normal_like>("b", {}, {x});
  const auto c = m.add<top::bernoulli>("c", {}, {x});
  const auto d = m.add<top::bernoulli>("d", {}, {x});
  m.output(m.add<top::sub>("apart", {}, {a, b}));
  m.output(m.add<top::sub>("draws", {}, {c, d}));
  const auto out = run(m.take());
  CHECK_KEPT(out);
  CHECK(out.fired("merge-equal-nodes") == 0);
  CHECK(out.g.nodes.size() == 6);
}

TEST_CASE("a constant node's tensor is folded") {
  auto g = [] {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {2});
    m.output(m.add<top::abs>("y", {}, {x}));
    return m.take();
  }();
  const value seven = make_value({2}, floats{7.0F, 8.0F}.span());
  const tensor_id stored[] = {g.add_constant("c.value", seven)};
  const tensor_id c = g.add_tensor("c", dtype_id::none, {});
  const tensor_id c_result[] = {c};
  add_node<top::constant>(g, "c", {}, stored, c_result);
  const tensor_id y = g.add_tensor("sum", dtype_id::none, {});
  const tensor_id operands[] = {g.outputs[0], c};
  const tensor_id y_result[] = {y};
  add_node<top::add>(g, "sum", {}, operands, y_result);
  g.outputs[0] = y;
  infer_all(g);
  const auto out = run(g);
  CHECK(out.difference == 0.0F);
  CHECK(out.g.nodes.size() == 2);
}

TEST_CASE("rules are left out by name; unknown names and free dimensions are refused") {
  const auto net = [](std::int64_t batch) {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {batch, 4});
    m.output(m.add<top::relu>("relu", {}, {m.add<top::add>("add", {}, {x, x})}));
    return m.take();
  };
  const auto out = run(net(1), {.without = {"fuse-clamp"}});
  CHECK_KEPT(out);
  CHECK(count_of<top::relu>(out.g) == 1);
  CHECK(canonicalize::pass::fingerprint() != canonicalize::pass::fingerprint({.without = {"fuse-clamp"}}));
  CHECK_THROWS_WITH(run(net(1), {.without = {"no-such-rule"}}),
                    doctest::Contains("'no-such-rule' is no canonicalize rule"));
  CHECK_THROWS_WITH(
      canonicalize::pass::run(net(-1)),
      doctest::Contains("input 'x' has the shape [-1,4] with free dimensions: bind them with --input-shape x=1,4"));
}

TEST_CASE("a shape that depends on data stays open") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {4});
  const auto n = m.input("n", dtype_id::i64, {2});
  m.output(m.add<top::reshape>("free", {}, {x, n}));
  const auto g = canonicalize::pass::run(m.take());
  CHECK(g.at(g.outputs[0]).dims == shape{-1, -1});
  CHECK(verify(g).empty());
}

TEST_CASE("a shape that depends on the elements of a constant is known") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {4, 3});
  const auto mask = m.constant("mask", list_of({0, 2, 0, 1}));
  const auto rows = m.add<top::squeeze>("rows", {.axes = {0}}, {m.add<top::non_zero>("found", {}, {mask})});
  m.output(m.add<top::gather>("kept", {}, {x, rows}));
  const auto g = canonicalize::pass::run(m.take());
  CHECK(g.at(g.outputs[0]).dims == shape{2, 3});
  CHECK(g.nodes.size() == 1);
}

TEST_CASE("the pass is at its end after one run, and gives the same graph again") {
  const auto net = [] {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 2, 6, 6});
    auto y = m.add<top::conv>("c", {}, {x, m.constant("w", filled({4, 2, 3, 3}))});
    y = m.add<top::clip>("relu6", {}, {y, m.constant("zero", number(0.0F)), m.constant("six", number(6.0F))});
    y = m.add<top::global_average_pool>("gap", {}, {y});
    y = m.add<top::flatten>("flat", {}, {y});
    m.output(m.add<top::matmul>("fc", {}, {y, m.constant("fw", filled({4, 3}))}));
    return m.take();
  };
  const auto first = run(net());
  CHECK_KEPT(first);
  CHECK(std::string(print(first.g).view()) == std::string(print(run(net()).g).view()));
  const auto again = run(graph<stage::origin>(first.g));
  for (const auto& c : again.counts) CHECK_MESSAGE(c.count == 0, std::string(c.rule));
  CHECK(std::string(print(first.g).view()) == std::string(print(again.g).view()));
}
