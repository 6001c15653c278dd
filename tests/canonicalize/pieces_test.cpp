// SPDX-License-Identifier: Apache-2.0
// Operators that are written as several nodes.
#include "helpers.hpp"

#include <doctest/doctest.h>

#include <vector>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" // attributes that are left out are the defaults
#endif

using namespace canonical_test;

namespace {
/// Numbers kept, one node of the operator, and no other nodes; without the rule there is no such node.
template <class Op> void check_alone(const outcome& out, std::string_view rule) {
  INFO(rule);
  CHECK(out.valid);
  CHECK(out.difference <= 1e-5F);
  CHECK(out.fired(rule) == 1);
  CHECK(count_of<Op>(out.g) == 1);
  CHECK(out.g.nodes.size() == 1);
  CHECK(count_without<Op>(out, rule) == 0);
}
template <class Op> void check_absent(const outcome& out, std::string_view rule) {
  INFO(rule);
  CHECK(out.valid);
  CHECK(out.difference <= 1e-5F);
  CHECK(out.fired(rule) == 0);
  CHECK(count_of<Op>(out.g) == 0);
}
constexpr float inf = math::infinity<float>;
} // namespace

TEST_CASE("gelu from erf, with the products in every order that exporters write") {
  for (int order = 0; order < 4; ++order) {
    writer w({2, 5});
    const auto e = [&] { return w.n<top::erf>({w.div(w.x, w.c(1.41421356F))}); };
    tensor_id y = none;
    if (order == 0) y = w.mul(w.mul(w.x, w.add(e(), w.c(1.0F))), w.c(0.5F));
    if (order == 1) y = w.mul(w.mul(w.c(0.5F), w.x), w.add(w.c(1.0F), e()));
    if (order == 2) y = w.mul(w.x, w.mul(w.add(e(), w.c(1.0F)), w.c(0.5F)));
    if (order == 3) y = w.mul(w.x, w.add(w.mul(e(), w.c(0.5F)), w.c(0.5F)));
    const auto out = w.done(y);
    check_alone<top::gelu>(out, "fuse-gelu");
    CHECK(attributes_of<top::gelu>(out.g, 0).approximate.empty());
  }
}

TEST_CASE("gelu from tanh") {
  for (int order = 0; order < 4; ++order) {
    writer w({2, 5});
    tensor_id cube = none;
    if (order < 2) cube = w.n<top::pow>({w.x, w.c(3.0F)});
    if (order == 2) cube = w.mul(w.mul(w.x, w.x), w.x);
    tensor_id inside = none;
    if (order < 3) {
      inside = w.mul(w.add(w.x, w.mul(cube, w.c(0.044715F))), w.c(0.7978845608F));
    } else {
      inside = w.mul(w.mul(w.add(w.mul(w.mul(w.x, w.x), w.c(0.044715F)), w.c(1.0F)), w.x), w.c(0.7978845608F));
    }
    const auto gate = w.add(w.n<top::tanh>({inside}), w.c(1.0F));
    const auto out = w.done(order == 1 ? w.mul(w.mul(w.x, gate), w.c(0.5F)) : w.mul(w.mul(w.c(0.5F), w.x), gate));
    check_alone<top::gelu>(out, "fuse-gelu");
    CHECK(attributes_of<top::gelu>(out.g, 0).approximate.view() == "tanh");
  }
}

TEST_CASE("what is nearly gelu is left alone") {
  for (int form = 0; form < 4; ++form) {
    writer w({2, 5});
    const auto other = w.m.input("other", dtype_id::f32, {2, 5});
    const auto e = w.n<top::erf>({w.mul(form == 0 ? other : w.x, w.c(form == 1 ? 0.7F : 0.70710678F))});
    const auto gate = w.add(e, w.c(form == 2 ? 2.0F : 1.0F));
    if (form == 3) w.m.output(gate); // is read elsewhere, too
    check_absent<top::gelu>(w.done(w.mul(w.mul(w.x, gate), w.c(0.5F))), "fuse-gelu");
  }
}

TEST_CASE("sigmoid, softplus, silu, mish from the exponential") {
  const auto sum = [](writer& w, tensor_id t) { return w.add(w.c(1.0F), w.n<top::exp>({t})); };
  {
    writer w({2, 5});
    check_alone<top::sigmoid>(w.done(w.div(w.c(1.0F), sum(w, w.n<top::neg>({w.x})))), "fuse-sigmoid");
  }
  {
    writer w({2, 5});
    check_alone<top::sigmoid>(w.done(w.div(w.c(1.0F), sum(w, w.mul(w.x, w.c(-1.0F))))), "fuse-sigmoid");
  }
  {
    writer w({2, 5});
    check_absent<top::sigmoid>(w.done(w.div(w.c(1.0F), sum(w, w.x))), "fuse-sigmoid");
  }
  {
    writer w({2, 5});
    check_alone<top::silu>(w.done(w.div(w.x, sum(w, w.n<top::neg>({w.x})))), "fuse-gate");
  }
  {
    writer w({2, 5});
    check_alone<top::softplus>(w.done(w.n<top::log>({sum(w, w.x)})), "fuse-softplus");
  }
  {
    writer w({2, 5});
    const auto two = w.add(w.n<top::exp>({w.x}), w.c(2.0F));
    check_absent<top::softplus>(w.done(w.n<top::log>({two})), "fuse-softplus");
  }
  {
    writer w({2, 5});
    const auto out = w.done(w.mul(w.x, w.n<top::tanh>({w.n<top::log>({sum(w, w.x)})})));
    check_alone<top::mish>(out, "fuse-gate");
    CHECK(out.fired("fuse-softplus") == 1);
  }
}

TEST_CASE("hard sigmoid and hard swish from a clip") {
  const auto clipped = [](writer& w, float shift, float most) {
    return w.n<top::clip>({w.add(w.x, w.c(shift)), w.c(0.0F), w.c(most)});
  };
  {
    writer w({2, 5});
    const auto out = w.done(w.div(clipped(w, 3.0F, 6.0F), w.c(6.0F)));
    check_alone<top::hard_sigmoid>(out, "fuse-hard-sigmoid");
  }
  {
    writer w({2, 5});
    check_absent<top::hard_sigmoid>(w.done(w.div(clipped(w, 3.0F, 6.0F), w.c(5.0F))), "fuse-hard-sigmoid");
  }
  for (int order = 0; order < 3; ++order) {
    writer w({2, 5});
    const auto c = clipped(w, 3.0F, 6.0F);
    tensor_id y = none;
    if (order == 0) y = w.div(w.mul(w.x, c), w.c(6.0F));
    if (order == 1) y = w.mul(w.x, w.div(c, w.c(6.0F)));
    if (order == 2) y = w.mul(w.mul(w.x, w.c(1.0F / 6.0F)), c);
    const auto out = w.done(y);
    check_alone<top::hard_swish>(out, order == 1 ? "fuse-gate" : "fuse-hard-swish");
  }
  writer w({2, 5});
  check_absent<top::hard_swish>(w.done(w.div(w.mul(w.x, clipped(w, 2.0F, 6.0F)), w.c(6.0F))), "fuse-hard-swish");
}

TEST_CASE("layer normalization from its pieces, with scale and bias") {
  for (int form = 0; form < 3; ++form) {
    writer w({2, 3, 8});
    const ints axes = form == 2 ? ints{1, 2} : ints{-1};
    const auto d = w.sub(w.x, w.over<top::reduce_mean>(w.x, axes));
    const auto square = form == 0 ? w.n<top::pow>({d, w.c(2.0F)}) : w.mul(d, d);
    const auto root = w.n<top::sqrt>({w.add(w.over<top::reduce_mean>(square, axes), w.c(1e-5F))});
    auto y = form == 1 ? w.mul(d, w.div(w.c(1.0F), root)) : w.div(d, root);
    y = w.mul(y, w.c(filled({8}, 3)));
    y = w.add(w.c(filled({1, 8}, 4)), y);
    const auto out = w.done(y);
    check_alone<top::layer_normalization>(out, "fuse-layer-norm");
    CHECK(out.fired("fold-norm-constant") == 2);
    const auto a = attributes_of<top::layer_normalization>(out.g, 0);
    CHECK(a.axis == (form == 2 ? 1 : 2));
    CHECK(a.epsilon == 1e-5F);
  }
}

TEST_CASE("what is no layer normalization") {
  for (int form = 0; form < 3; ++form) {
    writer w({2, 3, 8});
    const auto d = w.sub(w.x, w.over<top::reduce_mean>(w.x, form == 0 ? ints{1} : ints{2}));
    const auto mean = w.over<top::reduce_mean>(w.mul(d, form == 1 ? w.x : d), {2});
    const auto root = w.n<top::sqrt>({w.add(w.n<top::abs>({mean}), w.c(1e-5F))});
    if (form == 2) w.m.output(d);
    check_absent<top::layer_normalization>(w.done(w.div(d, root)), "fuse-layer-norm");
  }
}

TEST_CASE("RMS normalization from its pieces, with scale") {
  for (int form = 0; form < 4; ++form) {
    writer w({2, 3, 8});
    const ints axes = form == 2 ? ints{1, 2} : ints{-1};
    const auto square = form == 0 ? w.n<top::pow>({w.x, w.c(2.0F)}) : w.mul(w.x, w.x);
    const auto shifted = w.add(w.over<top::reduce_mean>(square, axes), w.c(1e-6F));
    const auto root = form == 3 ? w.n<top::pow>({shifted, w.c(-0.5F)}) : w.n<top::sqrt>({shifted});
    auto y = form == 3 ? w.mul(root, w.x) : form == 1 ? w.mul(w.x, w.div(w.c(1.0F), root)) : w.div(w.x, root);
    y = w.mul(w.c(filled({1, 8}, 4)), y);
    const auto out = w.done(y);
    check_alone<top::rms_normalization>(out, "fuse-rms-norm");
    CHECK(out.fired("fold-norm-constant") == 1);
    const auto a = attributes_of<top::rms_normalization>(out.g, 0);
    CHECK(a.axis == (form == 2 ? 1 : 2));
    CHECK(a.epsilon == 1e-6F);
  }
}

TEST_CASE("what is no RMS normalization") {
  for (int form = 0; form < 4; ++form) {
    writer w({2, 3, 8});
    const auto other = w.m.input("other", dtype_id::f32, {2, 3, 8});
    const auto of = form == 0 ? w.n<top::abs>({w.x}) : w.x;
    const auto square = w.mul(of, of);
    const auto mean = w.over<top::reduce_mean>(square, form == 1 ? ints{1} : ints{2});
    const auto root = w.n<top::sqrt>({w.add(mean, w.c(1e-5F))});
    if (form == 2) w.m.output(root);
    check_absent<top::rms_normalization>(w.done(w.div(form == 3 ? other : w.x, root)), "fuse-rms-norm");
  }
}

TEST_CASE("a bias after an RMS normalization stays outside of it") {
  writer w({2, 3, 8});
  const auto out = w.done(w.add(w.n<top::rms_normalization>({w.x, w.c(filled({8}, 2))}), w.c(filled({8}, 3))));
  CHECK(out.fired("fold-norm-constant") == 0);
  CHECK(out.g.nodes.size() == 2);
  CHECK(out.difference <= 1e-5F);
}

namespace {
/// [first, last) of the last of four axes.
tensor_id part(writer& w, tensor_id t, std::int64_t first, std::int64_t last) {
  return w.n<top::slice>({t, w.c(list_of({first})), w.c(list_of({last})), w.c(list_of({3})), w.c(list_of({1}))});
}
/// A table whose rows are two equal halves.
value doubled(const shape& dims, std::int64_t seed) {
  value v = filled(dims, seed);
  const auto width = static_cast<std::size_t>(dims[dims.rank() - 1]);
  for (std::size_t n = 0; n < v.f.size(); ++n) {
    if (n % width >= width / 2) v.f[n] = v.f[n - width / 2];
  }
  return v;
}
} // namespace

TEST_CASE("rotary embedding from its pieces") {
  for (int form = 0; form < 3; ++form) {
    const shape table = form == 1 ? shape{1, 1, 5, 8} : shape{5, 8};
    writer w({2, 3, 5, 8});
    const auto high = part(w, w.x, 4, 100);
    const auto minus = form == 2 ? w.mul(high, w.c(-1.0F)) : w.n<top::neg>({high});
    const auto turned = w.n<top::concat>({minus, part(w, w.x, 0, 4)}, {.axis = -1});
    const auto kept = w.mul(w.x, w.c(doubled(table, 2)));
    const auto moved = w.mul(w.c(doubled(table, 3)), turned);
    const auto out = w.done(form == 1 ? w.add(moved, kept) : w.add(kept, moved));
    check_alone<top::rotary_embedding>(out, "fuse-rope");
    CHECK(out.difference <= 1e-6F);
  }
}

TEST_CASE("what is no rotary embedding") {
  for (int form = 0; form < 6; ++form) {
    writer w({2, 3, 5, 8});
    const auto other = w.m.input("other", dtype_id::f32, {2, 3, 5, 8});
    const std::int64_t cut = form == 0 ? 3 : 4;
    const auto high = part(w, w.x, cut, 8);
    const auto low = part(w, form == 1 ? other : w.x, 0, cut);
    const auto turned = w.n<top::concat>({form == 2 ? high : w.n<top::neg>({high}), low}, {.axis = 3});
    const value sines = form == 3 ? filled({5, 8}, 3) : doubled(form == 4 ? shape{3, 5, 8} : shape{5, 8}, 3);
    if (form == 5) w.m.output(turned);
    const auto out = w.done(w.add(w.mul(w.x, w.c(doubled({5, 8}, 2))), w.mul(turned, w.c(sines))));
    check_absent<top::rotary_embedding>(out, "fuse-rope");
  }
}

namespace {
struct attention_form {
  shape keys{2, 3, 5, 8};
  shape mask{4, 5}; ///< of rank 0: none
  float of_q = 1.0F;
  float of_scores = 0.25F;
  std::int64_t axis = -1;
  bool transposed = true; ///< the keys come as [N, heads, width, length] from elsewhere where not
  bool shows_scores = false;
  bool mask_is_input = false;
};
outcome attend(const attention_form& f) {
  writer w({2, 3, 4, 8});
  const auto k =
      w.m.input("k", dtype_id::f32, f.transposed ? f.keys : shape{f.keys[0], f.keys[1], f.keys[3], f.keys[2]});
  const auto v = w.m.input("v", dtype_id::f32, {2, 3, 5, 6});
  const auto q = f.of_q == 1.0F ? w.x : w.mul(w.x, w.c(f.of_q));
  auto s = w.n<top::matmul>({q, f.transposed ? w.n<top::transpose>({k}, {.perm = {0, 1, 3, 2}}) : k});
  if (f.of_scores != 1.0F) s = w.mul(s, w.c(f.of_scores));
  if (f.mask_is_input) {
    s = w.add(s, w.m.input("mask", dtype_id::f32, f.mask));
  } else if (f.mask.rank() > 0) {
    s = w.add(s, w.c(filled(f.mask, 9)));
  }
  if (f.shows_scores) w.m.output(s);
  return w.done(w.n<top::matmul>({w.n<top::softmax>({s}, {.axis = f.axis}), v}));
}
} // namespace

TEST_CASE("attention from its pieces") {
  for (const attention_form& f :
       {attention_form{}, attention_form{.mask = {}}, attention_form{.mask = {2, 1, 4, 5}, .of_q = 0.5F, .axis = 3},
        attention_form{.mask = {5}, .of_q = 0.35F, .of_scores = 1.0F}}) {
    const auto out = attend(f);
    check_alone<top::attention>(out, "fuse-attention");
    CHECK(math::abs(attributes_of<top::attention>(out.g, 0).scale - f.of_q * f.of_scores) <= 1e-6F);
  }
  const auto out = attend({.transposed = false}); // the keys are turned first
  CHECK(out.valid);
  CHECK(out.difference <= 1e-5F);
  CHECK(out.fired("fuse-attention") == 1);
  CHECK(count_of<top::transpose>(out.g) == 1);
}

TEST_CASE("what is no attention") {
  for (const attention_form& f :
       {attention_form{.axis = 2}, attention_form{.of_scores = -0.25F}, attention_form{.shows_scores = true},
        attention_form{.mask_is_input = true}, attention_form{.mask = {4, 1}}, attention_form{.keys = {2, 1, 5, 8}}})
    check_absent<top::attention>(attend(f), "fuse-attention");
}

TEST_CASE("a constant of more than the normalized axes, or a sum before a product, stays outside of a normalization") {
  writer w({2, 3, 8});
  auto y = w.n<top::layer_normalization>({w.x, w.c(filled({8}, 2))});
  y = w.mul(y, w.c(filled({3, 1}, 3)));
  auto out = w.done(y);
  CHECK(out.fired("fold-norm-constant") == 0);
  CHECK(out.difference <= 1e-5F);
  writer v({2, 3, 8});
  y = v.n<top::layer_normalization>({v.x, v.c(filled({8}, 2)), v.c(filled({8}, 5))});
  y = v.mul(y, v.c(filled({8}, 3)));
  out = v.done(y);
  CHECK(out.fired("fold-norm-constant") == 0);
  CHECK(out.difference <= 1e-5F);
}

TEST_CASE("softmax from its pieces") {
  for (int form = 0; form < 3; ++form) {
    writer w({2, 3, 4});
    const auto shifted = form == 0 ? w.x : w.sub(w.x, w.over<top::reduce_max>(w.x, {1}));
    const auto e = w.n<top::exp>({shifted});
    const auto total = w.over<top::reduce_sum>(e, {-2});
    const auto y = form == 2 ? w.mul(e, w.n<top::reciprocal>({total})) : w.div(e, total);
    const auto out = w.done(y);
    check_alone<top::softmax>(out, "fuse-softmax");
    CHECK(attributes_of<top::softmax>(out.g, 0).axis == 1);
  }
  {
    writer w({2, 3, 4}); // the sum over two axes
    const auto e = w.n<top::exp>({w.x});
    check_absent<top::softmax>(w.done(w.div(e, w.over<top::reduce_sum>(e, {1, 2}))), "fuse-softmax");
  }
  writer w({2, 3, 4}); // what is taken off is the maximum along another axis: the quotient is a softmax all the same
  const auto e = w.n<top::exp>({w.sub(w.x, w.over<top::reduce_max>(w.x, {2}))});
  const auto out = w.done(w.div(e, w.over<top::reduce_sum>(e, {1})));
  CHECK(out.fired("fuse-softmax") == 1);
  CHECK(count_of<top::sub>(out.g) == 1);
  CHECK(out.difference <= 1e-5F);
}

TEST_CASE("pixel shuffle from reshape and transpose") {
  const auto shuffled = [](const ints& cut, const ints& perm, const ints& to) {
    writer w({2, 8, 3, 5});
    auto y = w.n<top::reshape>({w.x}, {.shape = cut});
    y = w.n<top::transpose>({y}, {.perm = perm});
    return w.done(w.n<top::reshape>({y}, {.shape = to}));
  };
  auto out = shuffled({2, 2, 2, 2, 3, 5}, {0, 1, 4, 2, 5, 3}, {2, 2, 6, 10});
  check_alone<top::depth_to_space>(out, "fuse-pixel-shuffle");
  CHECK(attributes_of<top::depth_to_space>(out.g, 0).mode.view() == "CRD");
  out = shuffled({2, 2, 2, 2, 3, 5}, {0, 3, 4, 1, 5, 2}, {2, 2, 6, 10});
  check_alone<top::depth_to_space>(out, "fuse-pixel-shuffle");
  CHECK(attributes_of<top::depth_to_space>(out.g, 0).mode.view() == "DCR");
  check_absent<top::depth_to_space>(shuffled({2, 2, 2, 2, 3, 5}, {0, 1, 5, 2, 4, 3}, {2, 2, 10, 6}),
                                    "fuse-pixel-shuffle");
  check_absent<top::depth_to_space>(shuffled({2, 4, 1, 2, 3, 5}, {0, 1, 4, 2, 5, 3}, {2, 4, 3, 10}),
                                    "fuse-pixel-shuffle");
}

TEST_CASE("channel shuffle from reshape and transpose") {
  const auto shuffled = [](const ints& cut, const ints& perm, const ints& to) {
    writer w({2, 6, 3, 5});
    auto y = w.n<top::reshape>({w.x}, {.shape = cut});
    y = w.n<top::transpose>({y}, {.perm = perm});
    return w.done(w.n<top::reshape>({y}, {.shape = to}));
  };
  for (const ints& cut : {ints{2, 3, 2, 3, 5}, ints{2, 3, 2, 15}}) {
    const auto out = shuffled(cut, cut.size() == 5 ? ints{0, 2, 1, 3, 4} : ints{0, 2, 1, 3}, {2, 6, 3, 5});
    check_alone<top::channel_shuffle>(out, "fuse-channel-shuffle");
    CHECK(attributes_of<top::channel_shuffle>(out.g, 0).groups == 3);
  }
  check_absent<top::channel_shuffle>(shuffled({2, 3, 2, 3, 5}, {0, 2, 1, 4, 3}, {2, 6, 3, 5}), "fuse-channel-shuffle");
  check_absent<top::channel_shuffle>(shuffled({2, 3, 2, 3, 5}, {0, 2, 1, 3, 4}, {2, 6, 5, 3}), "fuse-channel-shuffle");
}

TEST_CASE("where becomes max, min, relu, clip, leaky relu; constant and opposite conditions go away") {
  {
    writer w({2, 5});
    const auto other = w.m.input("other", dtype_id::f32, {2, 5});
    check_alone<top::max>(w.done(w.n<top::where>({w.n<top::greater>({w.x, other}), w.x, other})), "where-to-extremum");
  }
  {
    writer w({2, 5});
    const auto other = w.m.input("other", dtype_id::f32, {2, 5});
    const auto less = w.n<top::less_or_equal>({w.x, other});
    check_alone<top::min>(w.done(w.n<top::where>({less, w.x, other})), "where-to-extremum");
  }
  {
    writer w({2, 5});
    const auto less = w.n<top::less>({w.x, w.c(0.0F)});
    const auto out = w.done(w.n<top::where>({less, w.c(0.0F), w.x}));
    check_alone<top::relu>(out, "where-to-extremum");
  }
  {
    writer w({2, 5});
    const auto low = w.n<top::where>({w.n<top::greater>({w.x, w.c(-0.5F)}), w.x, w.c(-0.5F)});
    const auto out = w.done(w.n<top::where>({w.n<top::greater>({low, w.c(0.75F)}), w.c(0.75F), low}));
    CHECK(out.fired("where-to-extremum") == 2);
    REQUIRE(out.g.nodes.size() == 1);
    CHECK(attributes_of<top::clip>(out.g, 0).clamp == floats{-0.5F, 0.75F});
    CHECK(out.difference == 0.0F);
  }
  {
    writer w({2, 5});
    const auto positive = w.n<top::logical_not>({w.n<top::less>({w.x, w.c(0.0F)})});
    const auto out = w.done(w.n<top::where>({positive, w.x, w.mul(w.x, w.c(0.1F))}));
    check_alone<top::leaky_relu>(out, "where-to-leaky-relu");
    CHECK(out.fired("simplify-where") == 1);
  }
  {
    writer w({2, 5}); // another bound: no extremum
    const auto above = w.n<top::greater>({w.x, w.c(0.5F)});
    const auto out = w.done(w.n<top::where>({above, w.x, w.c(0.0F)}));
    CHECK(out.fired("where-to-extremum") == 0);
    CHECK(count_of<top::where>(out.g) == 1);
    CHECK(out.difference == 0.0F);
  }
  {
    writer w({2, 5});
    const auto yes = w.c(make_value(dtype_id::boolean, {2, 1}, std::vector<std::int64_t>{1, 1}));
    const auto out = w.done(w.n<top::relu>({w.n<top::where>({yes, w.x, w.c(3.0F)})}));
    check_alone<top::relu>(out, "simplify-where");
  }
}

TEST_CASE("where by a constant mask becomes a product and a sum") {
  const std::vector<std::int64_t> mask{1, 0, 0, 1, 1, 0};
  for (const float fill : {-1e4F, -inf}) {
    writer w({2, 2, 3});
    const auto c = w.c(make_value(dtype_id::boolean, {2, 3}, mask));
    const auto out = w.done(w.n<top::softmax>({w.n<top::where>({c, w.x, w.c(fill)})}));
    CHECK(out.fired("where-to-mask") == 1);
    CHECK(count_of<top::where>(out.g) == 0);
    CHECK(out.difference <= 1e-6F);
    CHECK(out.valid);
  }
  writer w({1, 3}); // the mask widens x
  const auto c = w.c(make_value(dtype_id::boolean, {2, 3}, mask));
  const auto out = w.done(w.n<top::where>({c, w.x, w.c(0.0F)}));
  CHECK(out.fired("where-to-mask") == 0);
  CHECK(out.difference == 0.0F);
}
