// SPDX-License-Identifier: Apache-2.0
#pragma once
// One operator applied to values.

#include "tmpu/ir/builder.hpp"
#include "tmpu/ir/evaluate.hpp"

namespace top_test {
using namespace tmpu;

constexpr value numbers(const shape& dims, std::initializer_list<float> items) {
  return make_value(dims, std::span<const float>(items.begin(), items.size()));
}
constexpr value integers(const shape& dims, std::initializer_list<std::int64_t> items, dtype_id type = dtype_id::i64) {
  return make_value(type, dims, std::span<const std::int64_t>(items.begin(), items.size()));
}
constexpr value list_of(std::initializer_list<std::int64_t> items) {
  return integers({static_cast<std::int64_t>(items.size())}, items);
}
/// 0, 1, 2, ...
constexpr value counting(const shape& dims) {
  value v(dtype_id::f32, dims);
  for (std::size_t i = 0; i < v.f.size(); ++i) v.f[i] = static_cast<float>(i);
  return v;
}
/// The results of the operator; every operand is a constant, so that those that give shapes are known.
template <class Op>
constexpr vec<value> apply_to(const typename Op::attributes& a, const vec<value>& operands, int results = 1) {
  graph_body g;
  vec<tensor_id> ids;
  for (const value& v : operands) ids.push_back(v.type == dtype_id::none ? none : g.add_constant("operand", v));
  vec<tensor_id> outs;
  for (int i = 0; i < results; ++i) outs.push_back(g.add_tensor("result", dtype_id::none, {}));
  const node_id id = add_node<Op>(g, "node", a, ids, outs);
  infer(g, id);
  vec<const value*> pointers;
  for (const value& v : operands) pointers.push_back(v.type == dtype_id::none ? nullptr : &v);
  return evaluate_node(g, id, pointers);
}
template <class Op>
constexpr vec<value> apply_all(const typename Op::attributes& a, std::initializer_list<value> operands,
                               int results = 1) {
  // Copies: g++ 12: addresses of the list's items are no constants.
  return apply_to<Op>(a, vec<value>(std::span<const value>(operands.begin(), operands.size())), results);
}
/// The same with the operands one by one: g++ 12 does not evaluate lists of values that hold copies or absent operands.
template <class Op, class... Values>
constexpr vec<value> results_of(int results, const typename Op::attributes& a, const Values&... operands) {
  vec<value> all;
  (all.push_back(operands), ...);
  return apply_to<Op>(a, all, results);
}
template <class Op, class... Values>
constexpr value result_of(const typename Op::attributes& a, const Values&... operands) {
  vec<value> all = results_of<Op>(1, a, operands...);
  return std::move(all[0]);
}
template <class Op> constexpr value apply(const typename Op::attributes& a, std::initializer_list<value> operands) {
  vec<value> all = apply_all<Op>(a, operands);
  return std::move(all[0]);
}
/// The shape that the rule gives for operands of these shapes, none of them constant.
template <class Op>
constexpr shape shape_of(const typename Op::attributes& a, std::initializer_list<shape> operands,
                         dtype_id type = dtype_id::f32) {
  graph_body g;
  vec<tensor_id> ids;
  for (const shape& s : operands) ids.push_back(g.add_tensor("operand", type, s));
  const tensor_id out[] = {g.add_tensor("result", dtype_id::none, {})};
  const node_id id = add_node<Op>(g, "node", a, ids, out);
  infer(g, id);
  return g.at(out[0]).dims;
}
} // namespace top_test
