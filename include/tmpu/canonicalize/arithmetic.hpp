// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/reshapes.hpp"

namespace tmpu::canonicalize {

namespace detail {
template <class F> constexpr value mapped(value v, F&& f) {
  for (float& x : v.f) x = f(x);
  return v;
}
} // namespace detail

/// Add, Mul of a constant and x  ==>  of x and the constant.
struct constant_second {
  static constexpr std::string_view name = "constant-second";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::add>(id) && !r.is<top::mul>(id)) return false;
    const tensor_id a = r.operand(id);
    const tensor_id b = r.operand(id, 1);
    if (!r.is_constant(a) || r.is_constant(b)) return false;
    r.graph().set_operand(id, 0, b);
    r.graph().set_operand(id, 1, a);
    return true;
  }
};
static_assert(rewrite_rule<constant_second>);

/// x - c  ==>  x + (-c); c - x  ==>  Neg(x) + c.   Needs: floating-point elements, c constant.
struct sub_to_add {
  static constexpr std::string_view name = "sub-to-add";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::sub>(id) || !r.floating(r.operand(id))) return false;
    const tensor_id a = r.operand(id);
    const tensor_id b = r.operand(id, 1);
    top::add::attributes form{};
    form.clamp = r.attributes<top::sub>(id).clamp;
    if (r.is_constant(b)) {
      const tensor_id c =
          r.add_constant(text(r.graph().name(b)) << "/neg", detail::mapped(r.constant(b), [](float x) { return -x; }));
      r.become<top::add>(id, form, {a, c});
      return true;
    }
    if (!r.is_constant(a)) return false;
    const tensor_id negative = r.add<top::neg>(r.name_before(id, "neg"), {}, {b});
    r.become<top::add>(id, form, {negative, a});
    return true;
  }
};
static_assert(rewrite_rule<sub_to_add>);

/// x / c  ==>  x * (1/c); 1 / x  ==>  Reciprocal(x).   Needs: floating-point elements, c constant and nowhere 0.
struct div_to_mul {
  static constexpr std::string_view name = "div-to-mul";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::div>(id) || !r.floating(r.operand(id))) return false;
    const tensor_id a = r.operand(id);
    const tensor_id b = r.operand(id, 1);
    const floats clamp = r.attributes<top::div>(id).clamp;
    if (float one = 0.0F; r.scalar(a, one) && one == 1.0F && clamp.empty() && r.dims(b) == r.dims(r.result(id))) {
      r.become<top::reciprocal>(id, {}, {b});
      return true;
    }
    if (!r.is_constant(b)) return false;
    const value divisor = r.constant(b);
    for (const float x : divisor.f) {
      if (x == 0.0F || math::is_inf(1.0F / x)) return false;
    }
    top::mul::attributes form{};
    form.clamp = clamp;
    const tensor_id c = r.add_constant(text(r.graph().name(b)) << "/reciprocal",
                                       detail::mapped(divisor, [](float x) { return 1.0F / x; }));
    r.become<top::mul>(id, form, {a, c});
    return true;
  }
};
static_assert(rewrite_rule<div_to_mul>);

/// x + 0, x * 1  ==>  x.   Needs: a constant that does not widen x, no clamp, floating-point elements.
struct remove_neutral {
  static constexpr std::string_view name = "remove-neutral";
  static constexpr bool apply(rewriter& r, node_id id) {
    const bool adds = r.is<top::add>(id);
    if (!adds && !r.is<top::mul>(id)) return false;
    const tensor_id x = r.operand(id);
    const tensor_id c = r.operand(id, 1);
    if (!r.floating(x) || !r.is_constant(c) || !(r.dims(x) == r.dims(r.result(id)))) return false;
    if (!r.attributes<top::add>(id).clamp.empty()) return false; // add and mul have the same attributes
    const value v = r.constant(c);
    for (const float e : v.f) {
      if (e != (adds ? 0.0F : 1.0F)) return false;
    }
    return r.bypass(id, x);
  }
};
static_assert(rewrite_rule<remove_neutral>);

/// (x + c) + d  ==>  x + (c + d); (x * c) * d  ==>  x * (c * d).
/// Needs: constants that do not widen x; no clamp between them; nothing else reads what lies between.
struct merge_constants {
  static constexpr std::string_view name = "merge-constants";

private:
  template <class Op> static constexpr bool merge(rewriter& r, node_id id) {
    if (!r.is<Op>(id) || !r.floating(r.operand(id)) || !r.is_constant(r.operand(id, 1))) return false;
    const node_id before = r.inner<Op>(r.operand(id));
    if (before == none || !detail::unclamped<Op>(r, before) || !r.is_constant(r.operand(before, 1))) return false;
    const tensor_id x = r.operand(before);
    if (!(r.dims(x) == r.dims(r.result(id)))) return false;
    const value c = r.constant(r.operand(before, 1));
    const value d = r.constant(r.operand(id, 1));
    value both(c.type, broadcast(c.dims, d.dims).dims);
    top::detail::combine(both.dims, both.f.data(), c.dims, c.f.data(), d.dims, d.f.data(),
                         [](float l, float e) { return Op::apply(l, e); });
    const tensor_id constant = r.add_constant(r.graph().name(r.operand(id, 1)), both);
    r.become<Op>(id, r.attributes<Op>(id), {x, constant});
    return true;
  }

public:
  static constexpr bool apply(rewriter& r, node_id id) { return merge<top::add>(r, id) || merge<top::mul>(r, id); }
};
static_assert(rewrite_rule<merge_constants>);

/// Neg(Neg(x))  ==>  x; x + Neg(y)  ==>  x - y; x - Neg(y)  ==>  x + y.   Needs: y no constant, floating-point elements.
struct merge_neg {
  static constexpr std::string_view name = "merge-neg";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (r.is<top::neg>(id)) {
      const node_id before = r.made_by<top::neg>(r.operand(id));
      return before != none && r.bypass(id, r.operand(before));
    }
    const bool adds = r.is<top::add>(id);
    if ((!adds && !r.is<top::sub>(id)) || !r.floating(r.operand(id))) return false;
    for (std::size_t i = adds ? 0 : 1; i < 2; ++i) {
      const tensor_id x = r.operand(id, 1 - i);
      const node_id negative = r.made_by<top::neg>(r.operand(id, i));
      if (negative == none || r.is_constant(x)) continue;
      const tensor_id y = r.operand(negative);
      if (adds) {
        top::sub::attributes a{};
        a.clamp = r.attributes<top::add>(id).clamp;
        r.become<top::sub>(id, a, {x, y});
      } else {
        top::add::attributes a{};
        a.clamp = r.attributes<top::sub>(id).clamp;
        r.become<top::add>(id, a, {x, y});
      }
      return true;
    }
    return false;
  }
};
static_assert(rewrite_rule<merge_neg>);

/// Pow(x, e)  ==>  x, x * x, Sqrt(x), Reciprocal(x), Reciprocal(Sqrt(x)) for e = 1, 2, 1/2, -1, -1/2.
/// Needs: a constant scalar exponent that does not widen x.
struct simplify_pow {
  static constexpr std::string_view name = "simplify-pow";
  static constexpr bool apply(rewriter& r, node_id id) {
    float exponent = 0.0F;
    if (!r.is<top::pow>(id) || !r.scalar(r.operand(id, 1), exponent)) return false;
    const tensor_id x = r.operand(id);
    if (!r.floating(x) || !(r.dims(x) == r.dims(r.result(id)))) return false;
    if (exponent == 1.0F) return r.bypass(id, x);
    if (exponent == 2.0F) {
      r.become<top::mul>(id, {}, {x, x});
    } else if (exponent == 0.5F) {
      r.become<top::sqrt>(id, {}, {x});
    } else if (exponent == -1.0F) {
      r.become<top::reciprocal>(id, {}, {x});
    } else if (exponent == -0.5F) {
      r.become<top::reciprocal>(id, {}, {r.add<top::sqrt>(r.name_before(id, "sqrt"), {}, {x})});
    } else {
      return false;
    }
    return true;
  }
};
static_assert(rewrite_rule<simplify_pow>);

/// Sum(a, b, c, ...)  ==>  ((a + b) + c) + ...   Needs: two operands or more.
struct sum_to_add {
  static constexpr std::string_view name = "sum-to-add";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::sum>(id) || r.graph().operands(id).size() < 2) return false;
    const vec<tensor_id> operands(r.graph().operands(id));
    tensor_id y = operands[0];
    for (std::size_t i = 1; i + 1 < operands.size(); ++i)
      y = r.add<top::add>(r.name_before(id, "part"), {}, {y, operands[i]});
    r.become<top::add>(id, {}, {y, operands.back()});
    return true;
  }
};
static_assert(rewrite_rule<sum_to_add>);

/// Max(x, c)  ==>  Clip(x; c, inf); Min(x, c)  ==>  Clip(x; -inf, c).   Needs: two operands, c a constant scalar.
struct extremum_to_clip {
  static constexpr std::string_view name = "extremum-to-clip";
  static constexpr bool apply(rewriter& r, node_id id) {
    const bool greatest = r.is<top::max>(id);
    if ((!greatest && !r.is<top::min>(id)) || r.graph().operands(id).size() != 2) return false;
    for (std::size_t i = 0; i < 2; ++i) {
      const tensor_id x = r.operand(id, i);
      float bound = 0.0F;
      if (!r.scalar(r.operand(id, 1 - i), bound) || !(r.dims(x) == r.dims(r.result(id)))) continue;
      top::clip::attributes a{};
      a.clamp = {greatest ? bound : -math::infinity<float>, greatest ? math::infinity<float> : bound};
      r.become<top::clip>(id, a, {x});
      return true;
    }
    return false;
  }
};
static_assert(rewrite_rule<extremum_to_clip>);

/// Reduce operators with constant axes, none listed, or negative ones  ==>  the sorted axes as attribute.
/// With noop_with_empty_axes and none listed  ==>  x.
struct reduce_axes_to_attribute {
  static constexpr std::string_view name = "reduce-axes-to-attribute";

private:
  template <class Op> static constexpr bool one(rewriter& r, node_id id) {
    if (!r.is<Op>(id)) return false;
    auto a = r.attributes<Op>(id);
    const tensor_id x = r.operand(id);
    const tensor_id list = r.operand(id, 1);
    if (list != none && !r.is_constant(list)) return false;
    ints axes = a.axes;
    if (list != none) axes = r.constant(list).i;
    const std::size_t rank = r.dims(x).rank();
    const auto set = Op::reduced(a, axes, rank);
    ints sorted;
    for (std::size_t i = 0; i < rank; ++i) {
      if (set.has[i]) sorted.push_back(static_cast<std::int64_t>(i));
    }
    if (axes.empty() && a.noop_with_empty_axes != 0) {
      constexpr bool changes = !std::is_same_v<Op, top::reduce_mean> && !std::is_same_v<Op, top::reduce_sum> &&
                               !std::is_same_v<Op, top::reduce_max> && !std::is_same_v<Op, top::reduce_min> &&
                               !std::is_same_v<Op, top::reduce_prod>;
      return !changes && r.bypass(id, x);
    }
    if (list == none && a.axes == sorted && a.noop_with_empty_axes == 0) return false;
    a.axes = std::move(sorted);
    a.noop_with_empty_axes = 0;
    r.become<Op>(id, a, {x});
    return true;
  }

public:
  static constexpr bool apply(rewriter& r, node_id id) {
    return one<top::reduce_mean>(r, id) || one<top::reduce_sum>(r, id) || one<top::reduce_max>(r, id) ||
           one<top::reduce_min>(r, id) || one<top::reduce_prod>(r, id) || one<top::reduce_l1>(r, id) ||
           one<top::reduce_l2>(r, id) || one<top::reduce_sum_square>(r, id);
  }
};
static_assert(rewrite_rule<reduce_axes_to_attribute>);

/// ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd over axes of size 1  ==>  Reshape.   Needs: axes as attribute.
struct reduce_ones_to_reshape {
  static constexpr std::string_view name = "reduce-ones-to-reshape";

private:
  template <class Op> static constexpr bool one(rewriter& r, node_id id) {
    if (!r.is<Op>(id) || r.operand(id, 1) != none) return false;
    const tensor_id x = r.operand(id);
    const auto a = r.attributes<Op>(id);
    if (a.axes.empty()) return false;
    for (const std::int64_t axis : a.axes) {
      if (axis < 0 || r.dims(x)[static_cast<std::size_t>(axis)] != 1) return false;
    }
    become_reshape(r, id, x, r.dims(r.result(id)));
    return true;
  }

public:
  static constexpr bool apply(rewriter& r, node_id id) {
    return one<top::reduce_mean>(r, id) || one<top::reduce_sum>(r, id) || one<top::reduce_max>(r, id) ||
           one<top::reduce_min>(r, id) || one<top::reduce_prod>(r, id);
  }
};
static_assert(rewrite_rule<reduce_ones_to_reshape>);

} // namespace tmpu::canonicalize
