// SPDX-License-Identifier: Apache-2.0
#include "helpers.hpp"
#include "tmpu/ir/evaluate.hpp"
#include "tmpu/top/operators.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" // attributes that are left out are the defaults
#endif

// Operators that put their result where an operand was give what they give beside it, and only dying operands are taken.
namespace {

using namespace top_test;
namespace top = tmpu::top;

bool same(const value& a, const value& b) { return a.type == b.type && a.dims == b.dims && a.f == b.f && a.i == b.i; }

std::set<std::string> tried;

/// Each of the first two operands in turn is given away.
template <class Op> void check(const typename Op::attributes& a, const vec<value>& operands) {
  static_assert(Op::info.in_place);
  tried.insert(std::string(Op::info.name));
  const value wanted = apply_to<Op>(a, operands)[0];
  for (std::size_t i = 0; i < operands.size() && i < 2; ++i) {
    if (operands[i].type != wanted.type || operands[i].size() != wanted.size()) continue;
    graph_body g;
    vec<tensor_id> ids;
    vec<value> all = operands;
    vec<const value*> pointers;
    for (const value& v : all) {
      ids.push_back(g.add_constant("operand", v));
      pointers.push_back(&v);
    }
    const tensor_id outs[] = {g.add_tensor("result", dtype_id::none, {})};
    const node_id id = add_node<Op>(g, "node", a, ids, outs);
    infer(g, id);
    const auto* const place =
        all[i].type == dtype_id::f32 ? static_cast<const void*>(all[i].f.data()) : all[i].i.data();
    const vec<value> made = evaluate_node(g, id, pointers, &all[i]);
    CHECK_MESSAGE(same(made[0], wanted), std::string(Op::info.name));
    CHECK(place == (wanted.type == dtype_id::f32 ? static_cast<const void*>(made[0].f.data()) : made[0].i.data()));
  }
}

TEST_CASE("every operator that works in place") {
  const value x = numbers({2, 5}, {-3, -0.5F, 0, 1, 7, 2, -2, 4, -4, 9});
  const value y = numbers({2, 5}, {1, 2, -3, 4, 0.5F, -1, 3, 2, 8, -6});
  const value row = numbers({5}, {2, 3, 5, 7, 11});
  check<top::relu>({}, {x});
  check<top::clip>({.clamp = {-1.0F, 2.0F}}, {x});
  check<top::clip>({}, {numbers({}, {5}), numbers({}, {1}), numbers({}, {3})});
  for (const vec<float>& clamp : {vec<float>{}, vec<float>{0.0F, 6.0F}}) {
    for (const vec<value>& operands : {vec<value>{x, y}, vec<value>{x, row}, vec<value>{row, x}}) {
      check<top::add>({.clamp = clamp}, operands);
      check<top::sub>({.clamp = clamp}, operands);
      check<top::mul>({.clamp = clamp}, operands);
      check<top::div>({.clamp = clamp}, operands);
    }
  }
  check<top::sub>({}, {integers({3}, {1, 2, 3}), integers({1, 3}, {5, 7, 11})});
  check<top::identity>({}, {x});
  check<top::reshape>({.shape = {5, 2}}, {x});
  check<top::reshape>({.shape = {3, 1}}, {integers({3}, {1, 2, 3})});
  check<top::flatten>({}, {x});
  check<top::squeeze>({}, {numbers({1, 2, 1}, {3, 4}), list_of({0})});
  check<top::unsqueeze>({}, {x, list_of({0})});
  unpack<decltype(top::operators)>::for_each([&]<class Op>() {
    if (Op::info.in_place) CHECK_MESSAGE(tried.count(std::string(Op::info.name)) == 1, std::string(Op::info.name));
  });
}

TEST_CASE("a tensor that is needed again stays") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 5});
  const auto twice = m.add<top::add>("twice", {}, {x, x});
  const auto cut = m.add<top::relu>("cut", {}, {twice});
  const auto less = m.add<top::sub>("less", {}, {cut, twice}); // the last use of twice
  const auto flat = m.add<top::reshape>("flat", {.shape = {10}}, {less});
  const auto more = m.add<top::add>("more", {}, {flat, m.constant("one", numbers({1}, {1}))});
  m.output(flat); // an output that another node reads
  m.output(m.add<top::mul>("square", {}, {more, more}));
  m.output(cut);
  const auto g = m.take();
  const value inputs[] = {numbers({2, 5}, {-3, -0.5F, 0, 1, 7, 2, -2, 4, -4, 9})};
  const vec<value> all = evaluate(g, inputs, keep::everything);
  const vec<value> outputs = evaluate(g, inputs);
  for (const tensor_id t : g.outputs)
    CHECK(same(all[static_cast<std::size_t>(t)], outputs[static_cast<std::size_t>(t)]));
  CHECK(all[static_cast<std::size_t>(g.outputs[1])].f[0] == 49.0F); // (relu(-6) + 6 + 1)^2
}

} // namespace
