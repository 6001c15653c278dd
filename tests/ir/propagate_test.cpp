// SPDX-License-Identifier: Apache-2.0
// tmpu-test: labels=sanitize
// What is known of the elements of tensors before anything runs, wholly and in part, in both worlds.
#include "tmpu/ir/propagate.hpp"

#include "tmpu/ir/builder.hpp"
#include "tmpu/top/operators.hpp"

#include <doctest/doctest.h>

namespace {

using namespace tmpu;

constexpr tensor_id list(model_builder& m, std::initializer_list<std::int64_t> items) {
  const vec<std::int64_t> v(items);
  return m.constant("list", make_value(dtype_id::i64, {static_cast<std::int64_t>(v.size())}, v.span()));
}
constexpr tensor_id scalar(model_builder& m, std::int64_t x) {
  return m.constant("scalar", make_value(dtype_id::i64, {}, {&x, 1}));
}
/// The graph with all shapes that can be known.
constexpr graph_body known_shapes(model_builder& m, tensor_id y) {
  m.output(y);
  graph_body g = m.take();
  infer_all(g);
  return g;
}

/// y = x reshaped to [Shape(x)[0], Shape(x)[1] * 2, -1], as exporters write it.
constexpr shape computed_shape(const shape& x_dims) {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, x_dims);
  const auto dims = m.add<top::shape>("shape", {}, {x});
  const auto n = m.add<top::gather>("n", {}, {dims, scalar(m, 0)});
  const auto c = m.add<top::gather>("c", {}, {dims, scalar(m, 1)});
  const auto twice = m.add<top::mul>("twice", {}, {c, scalar(m, 2)});
  const auto n1 = m.add<top::unsqueeze>("n1", {}, {n, list(m, {0})});
  const auto c1 = m.add<top::unsqueeze>("c1", {}, {twice, list(m, {0})});
  const auto target = m.add<top::concat>("target", {.axis = 0}, {n1, c1, list(m, {-1})});
  const auto y = m.add<top::reshape>("y", {}, {x, target});
  return known_shapes(m, y).at(y).dims;
}
static_assert(computed_shape({2, 4, 6}) == shape{2, 8, 3});
static_assert(computed_shape({-1, 4, 6}) == shape{-1, 8, -1});

/// A tensor of a size that is known in part: elements that the unknown dimension does not reach.
constexpr shape partly_known() {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {-1, 3});
  const auto dims = m.add<top::shape>("shape", {}, {x});
  const auto more = m.add<top::add>("more", {}, {dims, list(m, {1, 1})});
  const auto turned = m.add<top::slice>("turned", {}, {more, list(m, {1}), list(m, {-9}), list(m, {0}), list(m, {-1})});
  const auto y = m.add<top::constant_of_shape>("y", {}, {turned});
  return known_shapes(m, y).at(y).dims;
}
static_assert(partly_known() == shape{4, -1});

TEST_CASE("a rank that is computed") {
  // Concat(Shape(x)[:1], ConstantOfShape([1])): the list's own length follows from a computed value.
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {3, 4});
  const auto dims = m.add<top::shape>("shape", {}, {x});
  const auto head = m.add<top::slice>("head", {}, {dims, list(m, {0}), list(m, {1})});
  const auto count = m.add<top::sub>("count", {}, {list(m, {2}), list(m, {1})});
  const auto ones = m.add<top::constant_of_shape>("ones", {}, {count, list(m, {1})});
  const auto target = m.add<top::concat>("target", {.axis = 0}, {head, ones});
  const auto y = m.add<top::expand>("y", {}, {x, target});
  const graph_body g = known_shapes(m, y);
  CHECK(g.at(target).dims == shape{2});
  CHECK(g.at(y).dims == shape{3, 4});
}

TEST_CASE("the element chosen by a condition that is known") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {-1, 5});
  const auto dims = m.add<top::shape>("shape", {}, {x});
  const auto small = m.add<top::equal>("small", {}, {dims, list(m, {7, 5})});
  graph_body g = [&] {
    const auto y = m.add<top::where>("y", {}, {small, list(m, {1, 2}), dims});
    return known_shapes(m, y);
  }();
  known_values known;
  for (node_id n = 0; n < static_cast<node_id>(g.nodes.size()); ++n) infer_and_propagate(g, n, known);
  REQUIRE(known.find(small) != nullptr);
  CHECK_FALSE(known.find(small)->at(0));
  CHECK(known.find(small)->at(1));
  CHECK(known.find(small)->content.i[1] == 1);
  CHECK(known.find(g.outputs[0]) == nullptr); // the condition is not known as a whole
}

TEST_CASE("large tensors and what depends on data are not in the table") {
  model_builder m;
  const auto x = m.input("x", dtype_id::i64, {2});
  const auto big = m.add<top::constant_of_shape>("big", {}, {list(m, {1024, 1024})});
  const auto sum = m.add<top::add>("sum", {}, {x, list(m, {1, 1})});
  graph_body g = known_shapes(m, big);
  known_values known;
  for (node_id n = 0; n < static_cast<node_id>(g.nodes.size()); ++n) infer_and_propagate(g, n, known);
  CHECK(known.find(big) == nullptr);
  CHECK(known.find(sum) == nullptr);
}

static_assert(shape{1 << 30, 1 << 30, 1 << 30}.elements() == 9223372036854775807);
static_assert(shape{1 << 30, 1 << 30, 1 << 30, 0}.elements() == 0);
static_assert(shape{3, -1}.elements() == -1);

} // namespace
