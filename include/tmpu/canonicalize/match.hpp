// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/rewriter.hpp"

/// What the rules look for around a node. A rule that fuses several nodes sees them in the form that the rules before it
/// leave: the constant of Add and Mul second, Sub and Div by a constant as Add and Mul, Pow by 2 as a product.
namespace tmpu::canonicalize::detail {

/// Whether a is b but for the rounding of constants that were computed in f32 or f64.
constexpr bool about(float a, float b) { return math::abs(a - b) <= 1e-5F * math::abs(b); }

/// Operand i of the node where the node has two operands; the other one is 1 - i.
template <class Op> constexpr bool unclamped(const rewriter& r, node_id id) {
  return r.is<Op>(id) && r.attributes<Op>(id).clamp.empty();
}

/// t = x + c or t = x * c with a constant scalar c; t is read by one node only.
struct with_scalar {
  node_id node = none;
  tensor_id x = none;
  float c = 0.0F;
};
template <class Op> constexpr with_scalar scalar_form(const rewriter& r, node_id id) {
  with_scalar found;
  if (!unclamped<Op>(r, id)) return found;
  for (std::size_t i = 0; i < 2; ++i) {
    if (!r.scalar(r.operand(id, 1 - i), found.c) || !(r.dims(r.operand(id, i)) == r.dims(r.result(id)))) continue;
    found.node = id;
    found.x = r.operand(id, i);
    return found;
  }
  return found;
}
template <class Op> constexpr with_scalar inner_scalar_form(const rewriter& r, tensor_id t) {
  return scalar_form<Op>(r, r.inner<Op>(t));
}

/// t = -x, as Neg or as a product; none where it is not.
constexpr tensor_id negated(const rewriter& r, tensor_id t) {
  if (const node_id n = r.inner<top::neg>(t); n != none) return r.operand(n);
  const with_scalar m = inner_scalar_form<top::mul>(r, t);
  return m.node != none && m.c == -1.0F ? m.x : none;
}

/// A tensor as a product: the factors that are no constant scalar, and the product of those that are.
struct product {
  vec<tensor_id> factors;
  float scale = 1.0F;
  constexpr bool take(tensor_id t) { ///< takes one factor out; false where it is none
    for (std::size_t i = 0; i < factors.size(); ++i) {
      if (factors[i] != t) continue;
      factors[i] = factors.back();
      factors.pop_back();
      return true;
    }
    return false;
  }
};
namespace matching {
inline constexpr std::size_t most_factors = 6;
constexpr void add_factors(const rewriter& r, node_id id, product& p) {
  for (std::size_t i = 0; i < 2; ++i) {
    const tensor_id t = r.operand(id, i);
    if (float c = 0.0F; r.scalar(t, c)) {
      p.scale *= c;
      continue;
    }
    const node_id before = p.factors.size() < most_factors ? r.inner<top::mul>(t) : none;
    if (before != none && unclamped<top::mul>(r, before)) {
      add_factors(r, before, p);
    } else {
      p.factors.push_back(t);
    }
  }
}
} // namespace matching
/// The node's result as a product, through the Mul nodes before it that nothing else reads. No factors where the node is no Mul.
constexpr product product_of(const rewriter& r, node_id id) {
  product p;
  if (unclamped<top::mul>(r, id)) matching::add_factors(r, id, p);
  return p;
}
/// As product_of, of the node that makes t; t itself where that is no such Mul.
constexpr product product_at(const rewriter& r, tensor_id t) {
  const node_id id = r.inner<top::mul>(t);
  if (id != none && unclamped<top::mul>(r, id)) return product_of(r, id);
  product p;
  p.factors.push_back(t);
  return p;
}

/// The node computes each element of its result from the same element of its one operand.
constexpr bool is_elementwise(const rewriter& r, node_id id) {
  return unpack<decltype(top::operators)>::any([&]<class Op>() {
           if constexpr (std::derived_from<Op, top::unary<Op>> || std::same_as<Op, top::clip>) {
             return r.is<Op>(id);
           } else {
             return false;
           }
         }) &&
         r.graph().operands(id).size() == 1;
}
/// QuantizeLinear or DequantizeLinear with one scale for all elements.
constexpr bool is_quantizer(const rewriter& r, node_id id) {
  return (r.is<top::quantize_linear>(id) || r.is<top::dequantize_linear>(id)) &&
         r.dims(r.operand(id, 1)).elements() == 1 && r.dims(r.operand(id, 1)).rank() == 0;
}
/// The node combines two operands element by element.
constexpr bool combines_two(const rewriter& r, node_id id) {
  return list<top::add, top::sub, top::mul, top::div, top::max, top::min>::any(
             [&]<class Op>() { return r.is<Op>(id); }) &&
         r.graph().operands(id).size() == 2;
}

/// The reduction's axes are the attribute, and nothing else follows.
template <class Op> constexpr bool reduces_last(const rewriter& r, node_id id, std::int64_t& axis) {
  if (!r.is<Op>(id) || r.operand(id, 1) != none) return false;
  const auto a = r.attributes<Op>(id);
  const auto rank = static_cast<std::int64_t>(r.dims(r.operand(id)).rank());
  if (a.axes.empty() || a.keepdims == 0) return false;
  axis = rank - static_cast<std::int64_t>(a.axes.size());
  for (std::size_t i = 0; i < a.axes.size(); ++i) {
    if (a.axes[i] != axis + static_cast<std::int64_t>(i)) return false;
  }
  return true;
}

} // namespace tmpu::canonicalize::detail
