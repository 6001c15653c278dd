// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/match.hpp"

/// Where, and operands that are only widened: what a broadcast or a maximum says as well. A comparison with NaN is false, so
/// Where picks an operand for NaN; the fused forms keep NaN. No other number differs.
namespace tmpu::canonicalize {

namespace detail {
/// Both are the same tensor, or constant scalars of the same value.
constexpr bool same_number(const rewriter& r, tensor_id a, tensor_id b) {
  if (a == b) return true;
  float x = 0.0F;
  float y = 0.0F;
  return r.scalar(a, x) && r.scalar(b, y) && x == y;
}
/// The condition says greater > less (or >=).
struct order {
  tensor_id greater = none;
  tensor_id less = none;
};
constexpr order order_of(const rewriter& r, tensor_id condition) {
  const node_id id = condition == none ? none : r.graph().at(condition).producer;
  if (id == none) return {};
  if (r.is<top::greater>(id) || r.is<top::greater_or_equal>(id)) return {r.operand(id), r.operand(id, 1)};
  if (r.is<top::less>(id) || r.is<top::less_or_equal>(id)) return {r.operand(id, 1), r.operand(id)};
  return {};
}
} // namespace detail

/// Where(constant true, x, y)  ==>  x; Where(constant false, x, y)  ==>  y; Where(Not(c), x, y)  ==>  Where(c, y, x).
/// Needs: for the first two, an operand that is not widened.
struct simplify_where {
  static constexpr std::string_view name = "simplify-where";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::where>(id)) return false;
    const tensor_id c = r.operand(id);
    if (const node_id opposite = r.made_by<top::logical_not>(c); opposite != none) {
      r.become<top::where>(id, {}, {r.operand(opposite), r.operand(id, 2), r.operand(id, 1)});
      return true;
    }
    if (!r.is_constant(c)) return false;
    const value v = r.constant(c);
    if (v.i.empty()) return false;
    for (const std::int64_t e : v.i) {
      if ((e != 0) != (v.i[0] != 0)) return false;
    }
    const tensor_id chosen = r.operand(id, v.i[0] != 0 ? 1 : 2);
    return r.dims(chosen) == r.dims(r.result(id)) && r.bypass(id, chosen);
  }
};
static_assert(rewrite_rule<simplify_where>);

/// Where(a > b, a, b)  ==>  Max(a, b); Where(a > b, b, a)  ==>  Min(a, b); the same for >=, < and <=.
/// Needs: floating-point elements.
struct where_to_extremum {
  static constexpr std::string_view name = "where-to-extremum";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::where>(id) || !r.floating(r.operand(id, 1))) return false;
    const detail::order o = detail::order_of(r, r.operand(id));
    if (o.greater == none) return false;
    const tensor_id a = r.operand(id, 1);
    const tensor_id b = r.operand(id, 2);
    if (detail::same_number(r, a, o.greater) && detail::same_number(r, b, o.less)) {
      r.become<top::max>(id, {}, {a, b});
      return true;
    }
    if (detail::same_number(r, a, o.less) && detail::same_number(r, b, o.greater)) {
      r.become<top::min>(id, {}, {a, b});
      return true;
    }
    return false;
  }
};
static_assert(rewrite_rule<where_to_extremum>);

/// Where(x > 0, x, a * x)  ==>  LeakyRelu(x; a); the same for >=, < and <=.   Needs: a constant scalar a.
struct where_to_leaky_relu {
  static constexpr std::string_view name = "where-to-leaky-relu";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::where>(id)) return false;
    const detail::order o = detail::order_of(r, r.operand(id));
    if (o.greater == none) return false;
    float zero = 1.0F;
    const bool kept_first = r.scalar(o.less, zero);
    if (!kept_first && !r.scalar(o.greater, zero)) return false;
    const tensor_id x = kept_first ? o.greater : o.less;
    const detail::with_scalar slope = detail::inner_scalar_form<top::mul>(r, r.operand(id, kept_first ? 2 : 1));
    if (zero != 0.0F || slope.node == none || slope.x != x || r.operand(id, kept_first ? 1 : 2) != x) return false;
    top::leaky_relu::attributes a{};
    a.alpha = slope.c;
    r.become<top::leaky_relu>(id, a, {x});
    return true;
  }
};
static_assert(rewrite_rule<where_to_leaky_relu>);

/// Where(c, x, y) with constants c and y  ==>  x * (c ? 1 : 0) + (c ? 0 : y); the same for a constant x.
/// Needs: floating-point elements; the constants do not widen the other operand. (x must be finite where it is masked.)
struct where_to_mask {
  static constexpr std::string_view name = "where-to-mask";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::where>(id) || !r.is_constant(r.operand(id))) return false;
    const std::size_t fixed = r.is_constant(r.operand(id, 1)) ? 1 : 2;
    const tensor_id x = r.operand(id, 3 - fixed);
    const tensor_id c = r.operand(id, fixed);
    if (!r.is_constant(c) || r.is_constant(x) || !r.floating(x) || !(r.dims(x) == r.dims(r.result(id)))) return false;
    const value condition = r.constant(r.operand(id));
    const value given = r.constant(c);
    const tmpu::shape d = broadcast(condition.dims, given.dims).dims;
    value kept(r.type(x), condition.dims);
    for (std::size_t i = 0; i < kept.f.size(); ++i) kept.f[i] = (condition.i[i] != 0) == (fixed == 2) ? 1.0F : 0.0F;
    value rest(r.type(x), d);
    top::detail::combine_in_place(rest, given, [](float, float v) { return v; });
    top::detail::combine_in_place(rest, kept, [](float v, float k) { return k != 0.0F ? 0.0F : v; });
    const tensor_id mask = r.add_constant(r.name_before(id, "mask"), kept);
    const tensor_id fill = r.add_constant(r.name_before(id, "fill"), rest);
    const tensor_id masked = r.add<top::mul>(r.name_before(id, "masked"), {}, {x, mask});
    r.become<top::add>(id, {}, {masked, fill});
    return true;
  }
};
static_assert(rewrite_rule<where_to_mask>);

/// f(Expand(x), y)  ==>  f(x, y) for f that broadcasts its operands.   Needs: y alone gives the result its shape.
struct drop_expand {
  static constexpr std::string_view name = "drop-expand";
  static constexpr bool apply(rewriter& r, node_id id) {
    const bool broadcasts =
        list<top::add, top::sub, top::mul, top::div, top::pow, top::max, top::min, top::where, top::equal, top::less,
             top::less_or_equal, top::greater, top::greater_or_equal>::any([&]<class Op>() { return r.is<Op>(id); });
    if (!broadcasts) return false;
    const auto operands = r.graph().operands(id);
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const node_id wide = r.made_by<top::expand>(operands[i]);
      if (wide == none) continue;
      tmpu::shape d = r.dims(r.operand(wide));
      for (std::size_t k = 0; k < operands.size(); ++k) {
        if (k != i) d = broadcast(d, r.dims(operands[k])).dims;
      }
      if (!(d == r.dims(r.result(id)))) continue;
      r.set_operand(id, i, r.operand(wide));
      return true;
    }
    return false;
  }
};
static_assert(rewrite_rule<drop_expand>);

} // namespace tmpu::canonicalize
