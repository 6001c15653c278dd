// SPDX-License-Identifier: Apache-2.0
#pragma once
// A graph before and after the rules, and what the tests ask of it.

#include "tmpu/canonicalize/canonicalize.hpp"
#include "tmpu/ir/builder.hpp"
#include "tmpu/ir/evaluate.hpp"
#include "tmpu/ir/print.hpp"
#include "tmpu/ir/verify.hpp"

namespace canonical_test {
using namespace tmpu;

/// Small numbers of both signs, the same in every run.
constexpr value filled(const shape& dims, std::int64_t seed = 1) {
  value v(dtype_id::f32, dims);
  std::int64_t state = seed * 7919 + 17;
  for (float& x : v.f) {
    state = (state * 1103515245 + 12345) % 2147483648;
    x = static_cast<float>(state / 65536 % 201 - 100) / 64.0F;
  }
  return v;
}
constexpr value list_of(std::initializer_list<std::int64_t> items) {
  return make_value(dtype_id::i64, {static_cast<std::int64_t>(items.size())},
                    std::span<const std::int64_t>(items.begin(), items.size()));
}
constexpr value number(float x) {
  value v(dtype_id::f32, {});
  v.f[0] = x;
  return v;
}
template <class Op> constexpr int count_of(const graph_body& g) {
  int n = 0;
  for (const node& each : g.nodes) n += is<Op>(each) ? 1 : 0;
  return n;
}
/// The only node of this operator (none where there is not exactly one).
template <class Op> constexpr node_id only(const graph_body& g) {
  node_id found = none;
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    if (!is<Op>(g.nodes[i])) continue;
    if (found != none) return none;
    found = static_cast<node_id>(i);
  }
  return found;
}
constexpr vec<value> inputs_for(const graph_body& g) {
  vec<value> inputs;
  for (const tensor_id t : g.inputs) inputs.push_back(filled(g.at(t).dims, 5 + t));
  return inputs;
}
/// The greatest difference between two inferences' outputs, relative to 1 + |value|; 1e9 where they are not comparable.
constexpr float difference(const graph_body& a, const graph_body& b) {
  const vec<value> inputs = inputs_for(a);
  const vec<value> before = evaluate(a, inputs);
  const vec<value> after = evaluate(b, inputs);
  float worst = a.outputs.size() == b.outputs.size() ? 0.0F : 1e9F;
  for (std::size_t i = 0; i < a.outputs.size() && i < b.outputs.size(); ++i) {
    const value& x = before[static_cast<std::size_t>(a.outputs[i])];
    const value& y = after[static_cast<std::size_t>(b.outputs[i])];
    if (!(x.dims == y.dims) || x.type != y.type || a.name(a.outputs[i]) != b.name(b.outputs[i])) return 1e9F;
    for (std::size_t n = 0; n < x.f.size(); ++n) {
      const float d = math::abs(x.f[n] - y.f[n]) / (1.0F + math::abs(x.f[n]));
      if (!(d <= worst)) worst = d;
    }
    for (std::size_t n = 0; n < x.i.size(); ++n) {
      if (x.i[n] != y.i[n]) worst = 1e9F;
    }
  }
  return worst;
}

struct outcome {
  graph<stage::origin> origin;
  graph<stage::canonical> g;
  vec<canonicalize::rule_count> counts;
  float difference = 0.0F;
  bool valid = false;
  [[nodiscard]] constexpr int fired(std::string_view rule) const {
    for (const auto& c : counts) {
      if (c.rule == rule) return c.count;
    }
    return -1;
  }
};
/// Runs the pass and compares the inference before and after.
constexpr outcome run(graph<stage::origin> g, const canonicalize::options& o = {}) {
  outcome out;
  out.g = canonicalize::pass::run(g, o, &out.counts);
  out.difference = difference(g, out.g);
  out.valid = verify(out.g).empty();
  out.origin = std::move(g);
  return out;
}
/// How many of the operator are left when the rule is switched off; -1 where it fired all the same.
template <class Op> constexpr int count_without(const outcome& out, std::string_view rule) {
  const outcome other = run(out.origin, {.without = {rule}});
  return other.fired(rule) == 0 && other.valid && other.difference <= 1e-5F ? count_of<Op>(other.g) : -1;
}

/// A model that is written a node at a time; every node and constant is named by its number.
struct writer {
  model_builder m;
  int count = 0;
  tensor_id x;
  constexpr explicit writer(const shape& dims) : x(m.input("x", dtype_id::f32, dims)) {}
  constexpr text fresh() { return text("t") << ++count; }
  constexpr tensor_id c(float v) { return m.constant(fresh(), number(v)); }
  constexpr tensor_id c(const value& v) { return m.constant(fresh(), v); }
  template <class Op>
  constexpr tensor_id n(std::initializer_list<tensor_id> operands, const typename Op::attributes& a = {}) {
    return m.add<Op>(fresh().view(), a, operands);
  }
  constexpr tensor_id add(tensor_id a, tensor_id b) { return n<top::add>({a, b}); }
  constexpr tensor_id sub(tensor_id a, tensor_id b) { return n<top::sub>({a, b}); }
  constexpr tensor_id mul(tensor_id a, tensor_id b) { return n<top::mul>({a, b}); }
  constexpr tensor_id div(tensor_id a, tensor_id b) { return n<top::div>({a, b}); }
  template <class Op> constexpr tensor_id over(tensor_id t, ints axes) { return n<Op>({t}, {.axes = std::move(axes)}); }
  constexpr outcome done(tensor_id y) {
    m.output(y);
    return run(m.take());
  }
};
} // namespace canonical_test
