// SPDX-License-Identifier: Apache-2.0
// Transposes, reshapes, slices and constants: what merges, what goes away, what moves.
#include "helpers.hpp"

#include <doctest/doctest.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" // attributes that are left out are the defaults
#endif

using namespace canonical_test;

namespace {
/// Numbers kept, so many nodes, the rule fired so often; switched off it does not.
template <class Op = top::where> void check(const outcome& out, std::string_view rule, int fired, std::size_t nodes) {
  INFO(rule);
  CHECK(out.valid);
  CHECK(out.difference <= 1e-5F);
  CHECK(out.fired(rule) == fired);
  CHECK(out.g.nodes.size() == nodes);
  CHECK(count_without<Op>(out, rule) != -1);
}
tensor_id cut(writer& w, tensor_id t, std::int64_t axis, std::int64_t start, std::int64_t end, std::int64_t step = 1) {
  return w.n<top::slice>({t, w.c(list_of({start})), w.c(list_of({end})), w.c(list_of({axis})), w.c(list_of({step}))});
}
} // namespace

TEST_CASE("a transpose moves behind what is done element by element, until it meets its opposite") {
  writer w({1, 2, 3, 4});
  auto y = w.n<top::transpose>({w.x}, {.perm = {0, 2, 3, 1}});
  y = w.add(y, w.c(filled({2}, 3))); // the channels are last here
  y = w.n<top::sigmoid>({y});
  y = w.n<top::transpose>({y}, {.perm = {0, 3, 1, 2}});
  const auto out = w.done(y);
  check(out, "move-transpose", 2, 2);
  CHECK(count_of<top::transpose>(out.g) == 0);
}

TEST_CASE("two transposes by one perm move behind their sum; by two, or read elsewhere, they stay") {
  for (int form = 0; form < 3; ++form) {
    writer w({1, 3, 3, 4});
    const auto other = w.m.input("other", dtype_id::f32, {1, 3, 3, 4});
    const auto a = w.n<top::transpose>({w.x}, {.perm = {0, 2, 1, 3}});
    const auto b = form == 1 ? w.n<top::relu>({other}) : w.n<top::transpose>({other}, {.perm = {0, 2, 1, 3}});
    if (form == 2) w.m.output(a);
    const auto out = w.done(w.add(a, b));
    check(out, "move-transpose", form == 0 ? 1 : 0, form == 0 ? 2 : 3);
  }
}

TEST_CASE("a transpose moves behind what goes along axes: softmax, reductions, pad, concat, quantizers") {
  const auto turned = [](writer& w) { return w.n<top::transpose>({w.x}, {.perm = {0, 2, 3, 1}}); };
  const auto back = [](writer& w, tensor_id y) { return w.n<top::transpose>({y}, {.perm = {0, 3, 1, 2}}); };
  {
    writer w({1, 2, 3, 4});
    const auto out = w.done(back(w, w.n<top::softmax>({turned(w)}, {.axis = 3})));
    check(out, "move-transpose-axes", 1, 1);
    CHECK(attributes_of<top::softmax>(out.g, 0).axis == 1);
  }
  {
    writer w({1, 2, 3, 4});
    const auto out = w.done(back(w, w.n<top::reduce_max>({turned(w)}, {.axes = {1}, .keepdims = 1})));
    check(out, "move-transpose-axes", 1, 1);
  }
  {
    writer w({1, 2, 3, 4}); // what is left is in order: no transpose is
    check(w.done(w.n<top::reduce_sum>({turned(w)}, {.axes = {1, 2}, .keepdims = 0})), "move-transpose-axes", 1, 1);
  }
  {
    writer w({1, 2, 3, 4}); // [W, C] is not
    const auto y =
        w.n<top::reduce_sum>({w.n<top::transpose>({w.x}, {.perm = {0, 3, 2, 1}})}, {.axes = {2}, .keepdims = 0});
    check(w.done(y), "move-transpose-axes", 0, 2);
  }
  {
    writer w({1, 2, 3, 4});
    const auto y = w.n<top::pad>({turned(w), w.c(list_of({0, 1, 0, 2, 0, 0, 3, 0}))}, {});
    check(w.done(back(w, y)), "move-transpose-axes", 1, 1);
  }
  {
    writer w({1, 2, 3, 4});
    const auto other = w.n<top::transpose>({w.n<top::exp>({w.x})}, {.perm = {0, 2, 3, 1}});
    const auto out = w.done(back(w, w.n<top::concat>({turned(w), other}, {.axis = 3})));
    check(out, "move-transpose-axes", 1, 2);
  }
  {
    writer w({1, 2, 3, 4});
    const auto scale = w.c(filled({}, 1));
    const auto zero = w.m.constant("zero", value(dtype_id::i8, {}));
    const auto q = w.n<top::quantize_linear>({turned(w), scale, zero});
    check(w.done(back(w, w.n<top::dequantize_linear>({q, scale, zero}))), "move-transpose", 2, 2);
  }
}

TEST_CASE("a transpose stays before a constant that widens it") {
  writer w({2, 3});
  const auto y = w.n<top::transpose>({w.x}, {.perm = {1, 0}});
  check(w.done(w.add(y, w.c(filled({4, 1, 1}, 3)))), "move-transpose", 0, 2);
}

TEST_CASE("reshapes move behind what is done element by element, and merge") {
  writer w({2, 6});
  const auto other = w.m.input("other", dtype_id::f32, {2, 6});
  auto y = w.n<top::gelu>({w.n<top::reshape>({w.x}, {.shape = {2, 2, 3}})});
  y = w.mul(y, w.n<top::reshape>({other}, {.shape = {2, 2, 3}}));
  y = w.mul(y, w.c(0.25F));
  y = w.n<top::reshape>({y}, {.shape = {2, 6}});
  check(w.done(y), "move-reshape", 3, 3);
}

TEST_CASE("reshapes of different shapes, or read elsewhere, stay") {
  for (int form = 0; form < 2; ++form) {
    writer w({2, 6});
    const auto other = w.m.input("other", dtype_id::f32, form == 0 ? shape{3, 4} : shape{2, 6});
    const auto a = w.n<top::reshape>({w.x}, {.shape = {2, 2, 3}});
    const auto b = w.n<top::reshape>({other}, {.shape = {2, 2, 3}});
    if (form == 1) w.m.output(a);
    check(w.done(w.add(a, b)), "move-reshape", 0, 3);
  }
}

TEST_CASE("slices of slices, of concats, and concats of slices") {
  {
    writer w({2, 12});
    const auto y = cut(w, cut(w, w.x, 1, 1, 12, 2), -1, 1, -1, 2); // 1 3 5 7 9 11 -> 3 7
    const auto out = w.done(y);
    check(out, "merge-slices", 1, 1);
    CHECK(out.g.at(out.g.outputs[0]).dims == shape{2, 2});
  }
  {
    writer w({2, 12}); // backwards
    check(w.done(cut(w, cut(w, w.x, 1, 1, 12), 1, 5, 0, -1)), "merge-slices", 0, 2);
  }
  {
    writer w({2, 4});
    const auto other = w.m.input("other", dtype_id::f32, {2, 3});
    const auto joined = w.n<top::concat>({w.x, other, w.x}, {.axis = 1});
    check(w.done(w.n<top::relu>({cut(w, joined, 1, 4, 7)})), "slice-of-concat", 1, 1); // all of `other`
  }
  {
    writer w({2, 4});
    const auto joined = w.n<top::concat>({w.x, w.n<top::relu>({w.x})}, {.axis = 1});
    check(w.done(cut(w, joined, 1, 3, 7)), "slice-of-concat", 0, 3); // elements of both
  }
  {
    writer w({2, 12});
    const auto joined =
        w.n<top::concat>({cut(w, w.x, 1, 0, 5), cut(w, w.x, 1, 5, 9), cut(w, w.x, 1, 9, 12)}, {.axis = 1});
    check(w.done(w.n<top::relu>({joined})), "concat-of-slices", 1, 1);
  }
  {
    writer w({2, 12}); // the second does not follow the first
    const auto joined = w.n<top::concat>({cut(w, w.x, 1, 6, 12), cut(w, w.x, 1, 0, 6)}, {.axis = 1});
    check(w.done(joined), "concat-of-slices", 0, 3);
  }
  {
    writer w({2, 12}); // they follow one another along another axis than they are put together
    const auto joined = w.n<top::concat>({cut(w, w.x, 1, 0, 6), cut(w, w.x, 1, 6, 12)}, {.axis = 0});
    check(w.done(joined), "concat-of-slices", 0, 3);
  }
}

TEST_CASE("concats merge along one axis only") {
  for (const std::int64_t axis : {std::int64_t{1}, std::int64_t{0}}) {
    writer w({2, 2});
    const auto inner = w.n<top::concat>({w.x, w.n<top::relu>({w.x})}, {.axis = axis});
    const auto rest = w.m.input("rest", dtype_id::f32, axis == 1 ? shape{2, 3} : shape{4, 3});
    const auto out = w.done(w.n<top::concat>({rest, inner}, {.axis = -1}));
    check(out, "merge-concats", axis == 1 ? 1 : 0, axis == 1 ? 2 : 3);
  }
}

TEST_CASE("a split becomes a slice for each part that is read") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 7});
  m.output(m.add<top::relu>("keep", {}, {x}));
  auto g = m.take();
  const tensor_id parts[] = {g.add_tensor("a", dtype_id::none, {}), g.add_tensor("b", dtype_id::none, {}),
                             g.add_tensor("c", dtype_id::none, {})};
  const tensor_id sizes = g.add_constant("sizes", list_of({2, 1, 4}));
  const tensor_id operands[] = {x, sizes};
  infer(g, add_node<top::split>(g, "split", {.axis = -1}, operands, parts));
  g.outputs.push_back(parts[2]);
  g.outputs.push_back(parts[0]);
  const auto out = run(std::move(g));
  check<top::split>(out, "split-to-slices", 1, 3); // nothing reads b
  CHECK(count_of<top::slice>(out.g) == 2);
  for (const char* list : {"a/starts", "a/ends", "a/axes", "a/steps", "c/starts", "c/steps"}) {
    CAPTURE(list);
    CHECK(out.g.find(list) != none);
  }
  CHECK(count_without<top::split>(out, "split-to-slices") == 1);
}

TEST_CASE("gather by constants becomes a slice") {
  {
    writer w({2, 5, 3});
    value place(dtype_id::i64, {});
    place.i[0] = -2;
    check(w.done(w.n<top::gather>({w.x, w.c(place)}, {.axis = 1})), "gather-to-slice", 1, 2);
  }
  {
    writer w({2, 5, 3});
    check(w.done(w.n<top::gather>({w.x, w.c(list_of({0, 2, 4}))}, {.axis = 1})), "gather-to-slice", 1, 1);
  }
  writer w({2, 5, 3});
  check<top::gather>(w.done(w.n<top::gather>({w.x, w.c(list_of({0, 2, 3}))}, {.axis = 1})), "gather-to-slice", 0, 1);
}

TEST_CASE("an expand goes away where the other operand gives the shape") {
  for (const bool needed : {false, true}) {
    writer w({1, 3});
    const auto other = w.m.input("other", dtype_id::f32, needed ? shape{1, 1, 3} : shape{2, 4, 3});
    const auto wide = w.n<top::expand>({w.x, w.c(list_of({2, 4, 3}))});
    check(w.done(w.mul(wide, other)), "drop-expand", needed ? 0 : 1, needed ? 2 : 1);
  }
}

TEST_CASE("constants merge, negations go away") {
  {
    writer w({2, 3});
    auto y = w.add(w.add(w.x, w.c(filled({3}, 2))), w.c(filled({2, 1}, 3)));
    y = w.div(w.mul(y, w.c(3.0F)), w.c(2.0F));
    check(w.done(y), "merge-constants", 2, 2);
  }
  {
    writer w({2, 3}); // the sum is clamped, or read elsewhere
    const auto sum = w.n<top::add>({w.x, w.c(1.0F)}, {.clamp = {0.0F, 1.0F}});
    const auto other = w.add(w.x, w.c(2.0F));
    w.m.output(other);
    check(w.done(w.add(w.add(sum, w.c(1.0F)), w.add(other, w.c(1.0F)))), "merge-constants", 0, 5);
  }
  {
    writer w({2, 3}); // would take 1 off after what widens
    const auto wide = w.add(w.x, w.c(filled({2, 1, 1}, 2)));
    check(w.done(w.add(wide, w.c(1.0F))), "merge-constants", 0, 2);
  }
  {
    writer w({2, 3});
    const auto twice = w.n<top::neg>({w.n<top::neg>({w.n<top::relu>({w.x})})});
    check(w.done(w.add(twice, w.n<top::neg>({w.x}))), "merge-neg", 2, 2);
  }
}

TEST_CASE("pow by the exponents that have an operator of their own") {
  const auto power = [](float e) {
    writer w({2, 3});
    return w.done(w.n<top::pow>({w.add(w.n<top::abs>({w.x}), w.c(0.5F)), w.c(e)}));
  };
  check(power(1.0F), "simplify-pow", 1, 2);
  check(power(2.0F), "simplify-pow", 1, 3);
  check(power(0.5F), "simplify-pow", 1, 3);
  check(power(-1.0F), "simplify-pow", 1, 3);
  check(power(-0.5F), "simplify-pow", 1, 4);
  check<top::pow>(power(3.0F), "simplify-pow", 0, 3);
}

TEST_CASE("reductions over axes of size 1") {
  writer w({2, 1, 3, 1});
  const auto a = w.n<top::reduce_mean>({w.x}, {.axes = {1, 3}, .keepdims = 0});
  check(w.done(w.n<top::reduce_max>({a}, {.axes = {1}})), "reduce-ones-to-reshape", 1, 2);
}

TEST_CASE("a scale or a shift before a conv or gemm is folded into it") {
  for (const std::int64_t group : {std::int64_t{1}, std::int64_t{2}}) {
    writer w({1, 4, 5, 5});
    const auto y = w.mul(w.x, w.c(filled({4, 1, 1}, 7)));
    const auto out =
        w.done(w.n<top::conv>({y, w.c(filled({6, 4 / group, 3, 3}, 2))}, {.group = group, .pads = {1, 1, 1, 1}}));
    check(out, "fold-into-weight", 1, 1);
  }
  for (const bool padded : {false, true}) {
    writer w({1, 4, 5, 5});
    const auto y = w.add(w.x, w.c(filled({1, 4, 1, 1}, 7)));
    const ints pads = padded ? ints{1, 1, 1, 1} : ints{};
    const auto out = w.done(w.n<top::conv>({y, w.c(filled({6, 2, 3, 3}, 2))}, {.group = 2, .pads = pads}));
    check(out, "fold-into-weight", padded ? 0 : 1, padded ? 2 : 1);
  }
  {
    writer w({3, 4}); // (x - 1) / 3
    const auto y = w.div(w.sub(w.x, w.c(1.0F)), w.c(3.0F));
    check(w.done(w.n<top::matmul>({y, w.c(filled({4, 5}, 2))})), "fold-into-weight", 2, 1);
  }
  writer w({3, 4}); // by row
  const auto y = w.mul(w.x, w.c(filled({3, 1}, 2)));
  check(w.done(w.n<top::matmul>({y, w.c(filled({4, 5}, 2))})), "fold-into-weight", 0, 2);
}

TEST_CASE("a pad is folded into a max pool where no window can see it") {
  const auto pooled = [](float fill, bool positive, ints kernel) {
    writer w({1, 2, 4, 4});
    const auto x = positive ? w.n<top::relu>({w.x}) : w.x;
    const auto y = w.n<top::pad>({x, w.c(list_of({0, 0, 1, 1, 0, 0, 1, 1})), w.c(fill)});
    return w.done(w.n<top::max_pool>({y}, {.kernel_shape = std::move(kernel)}));
  };
  check(pooled(-math::infinity<float>, false, {2, 2}), "fold-pad", 1, 1);
  check(pooled(0.0F, true, {2, 3}), "fold-pad", 1, 2);
  check(pooled(0.0F, false, {2, 2}), "fold-pad", 0, 2); // a window of negative elements sees the 0
  check(pooled(0.0F, true, {1, 1}), "fold-pad", 0, 3);  // a window sees nothing but the 0
}

TEST_CASE("equal nodes merge where their constants have equal bytes") {
  writer w({2, 3});
  const auto a = w.n<top::pow>({w.x, w.c(3.0F)});
  const auto b = w.n<top::pow>({w.x, w.c(3.0F)});
  const auto c = w.n<top::pow>({w.x, w.c(5.0F)});
  check<top::pow>(w.done(w.add(w.mul(a, b), c)), "merge-equal-nodes", 1, 4);
}
