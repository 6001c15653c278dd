// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/match.hpp"

/// Normalizations and softmax from their pieces.
namespace tmpu::canonicalize {

namespace detail {
/// The node is x / sqrt(m + epsilon), or x times the reciprocal of it; m is a mean over the last axes, kept as ones.
struct root_mean {
  tensor_id x = none;
  tensor_id inside = none; ///< what the mean is taken of
  std::int64_t axis = 0;   ///< the first axis of the mean
  float epsilon = 0.0F;
};
constexpr root_mean root_mean_below(const rewriter& r, tensor_id x, tensor_id root) {
  const node_id s = r.inner<top::sqrt>(root);
  const with_scalar sum = inner_scalar_form<top::add>(r, s == none ? none : r.operand(s));
  if (sum.node == none) return {};
  root_mean found;
  const node_id mean = r.inner<top::reduce_mean>(sum.x);
  if (mean == none || !reduces_last<top::reduce_mean>(r, mean, found.axis)) return {};
  found.x = x;
  found.inside = r.operand(mean);
  found.epsilon = sum.c;
  return r.dims(found.inside) == r.dims(x) ? found : root_mean{};
}
constexpr root_mean root_mean_of(const rewriter& r, node_id id) {
  if (unclamped<top::div>(r, id)) return root_mean_below(r, r.operand(id), r.operand(id, 1));
  if (!unclamped<top::mul>(r, id)) return {};
  for (std::size_t i = 0; i < 2; ++i) {
    const node_id over = r.inner<top::reciprocal>(r.operand(id, i));
    if (over != none) return root_mean_below(r, r.operand(id, 1 - i), r.operand(over));
  }
  return {};
}
/// t = x * x; gives whether it is.
constexpr bool is_square(const rewriter& r, tensor_id t, tensor_id x) {
  const node_id id = r.inner<top::mul>(t);
  return id != none && unclamped<top::mul>(r, id) && r.operand(id) == x && r.operand(id, 1) == x;
}
/// Ones in the dimensions of x from `axis` on: a scale that does not change anything.
constexpr tensor_id ones_from(rewriter& r, node_id id, tensor_id x, std::int64_t axis) {
  tmpu::shape d;
  for (auto i = static_cast<std::size_t>(axis); i < r.dims(x).rank(); ++i) d.push_back(r.dims(x)[i]);
  value v(r.type(x), d);
  for (float& e : v.f) e = 1.0F;
  return r.add_constant(r.name_before(id, "scale"), v);
}
/// The constant in the dimensions d, to which it is broadcast.
constexpr value broadcast_value(const value& v, const tmpu::shape& d) {
  value wide(v.type, d);
  top::detail::combine_in_place(wide, v, [](float, float x) { return x; });
  return wide;
}
} // namespace detail

/// d / Sqrt(ReduceMean(d * d) + epsilon) with d = x - ReduceMean(x)  ==>  LayerNormalization(x) with a scale of ones.
/// Needs: both means over the same last axes; nothing else reads what lies between.
struct fuse_layer_norm {
  static constexpr std::string_view name = "fuse-layer-norm";
  static constexpr bool apply(rewriter& r, node_id id) {
    const detail::root_mean root = detail::root_mean_of(r, id);
    if (root.x == none || !detail::is_square(r, root.inside, root.x)) return false;
    const node_id apart = r.made_by<top::sub>(root.x);
    // d itself is read three times: by the square (twice) and here.
    if (apart == none || r.uses(root.x) != 3 || r.graph().is_output(root.x) || !detail::unclamped<top::sub>(r, apart))
      return false;
    const tensor_id x = r.operand(apart);
    const node_id mean = r.inner<top::reduce_mean>(r.operand(apart, 1));
    std::int64_t axis = 0;
    if (mean == none || r.operand(mean) != x || !detail::reduces_last<top::reduce_mean>(r, mean, axis) ||
        axis != root.axis)
      return false;
    top::layer_normalization::attributes a{};
    a.axis = axis;
    a.epsilon = root.epsilon;
    r.become<top::layer_normalization>(id, a, {x, detail::ones_from(r, id, x, axis)});
    return true;
  }
};
static_assert(rewrite_rule<fuse_layer_norm>);

/// x / Sqrt(ReduceMean(x * x) + epsilon)  ==>  RMSNormalization(x) with a scale of ones.
/// Needs: the mean over the last axes; nothing else reads what lies between.
struct fuse_rms_norm {
  static constexpr std::string_view name = "fuse-rms-norm";
  static constexpr bool apply(rewriter& r, node_id id) {
    const detail::root_mean root = detail::root_mean_of(r, id);
    if (root.x == none || !detail::is_square(r, root.inside, root.x)) return false;
    top::rms_normalization::attributes a{};
    a.axis = root.axis;
    a.epsilon = root.epsilon;
    r.become<top::rms_normalization>(id, a, {root.x, detail::ones_from(r, id, root.x, root.axis)});
    return true;
  }
};
static_assert(rewrite_rule<fuse_rms_norm>);

/// LayerNormalization(x) * c, RMSNormalization(x) * c  ==>  c in its scale; LayerNormalization(x) + c  ==>  c in its bias.
/// Needs: nothing else reads the normalization; c constant, of the normalized axes only; for Mul, no bias yet; no clamp.
struct fold_norm_constant {
  static constexpr std::string_view name = "fold-norm-constant";

private:
  template <class Op> static constexpr bool fold(rewriter& r, node_id id, bool adds) {
    for (std::size_t i = 0; i < 2; ++i) {
      const tensor_id y = r.operand(id, i);
      const tensor_id c = r.operand(id, 1 - i);
      const node_id norm = r.inner<Op>(y);
      if (norm == none || !r.is_constant(c) || !r.is_constant(r.operand(norm, 1))) continue;
      const tensor_id bias = r.operand(norm, 2);
      if (bias != none && (!adds || !r.is_constant(bias))) continue;
      if (adds && Op::info.max_operands < 3) continue;
      const auto a = r.attributes<Op>(norm);
      const tmpu::shape& d = r.dims(y);
      if (!(d == r.dims(r.result(id))) || r.graph().results(norm).size() != 1) continue;
      const std::size_t axis = top::detail::axis_at(a.axis, d.rank());
      const tmpu::shape normalized(d.span().subspan(axis));
      const tmpu::shape& own = r.dims(c);
      const std::size_t extra = own.rank() > normalized.rank() ? own.rank() - normalized.rank() : 0;
      bool fits = own.rank() <= d.rank();
      for (std::size_t k = 0; k < extra && fits; ++k) fits = own[k] == 1;
      if (!fits) continue;
      value given = r.constant(c);
      given.dims = tmpu::shape(own.span().subspan(extra));
      const value full = detail::broadcast_value(given, normalized);
      value total = full;
      const tensor_id before = adds ? bias : r.operand(norm, 1);
      if (before != none) {
        total = detail::broadcast_value(r.constant(before), normalized);
        for (std::size_t k = 0; k < total.f.size(); ++k)
          total.f[k] = adds ? total.f[k] + full.f[k] : total.f[k] * full.f[k];
      }
      const tensor_id made = r.add_constant(r.name_before(id, adds ? "bias" : "scale"), total);
      const tensor_id x = r.operand(norm);
      if (!adds) {
        r.become<Op>(norm, a, {x, made});
      } else {
        r.become<Op>(norm, a, {x, r.operand(norm, 1), made});
      }
      r.take_result(norm, id);
      return true;
    }
    return false;
  }

public:
  static constexpr bool apply(rewriter& r, node_id id) {
    const bool adds = detail::unclamped<top::add>(r, id);
    if (!adds && !detail::unclamped<top::mul>(r, id)) return false;
    return fold<top::layer_normalization>(r, id, adds) || fold<top::rms_normalization>(r, id, adds);
  }
};
static_assert(rewrite_rule<fold_norm_constant>);

/// e / ReduceSum(e) with e = Exp(x - ReduceMax(x)), or e = Exp(x)  ==>  Softmax(x).
/// Needs: both reductions over the same one axis, which stays as 1; nothing else reads what lies between.
struct fuse_softmax {
  static constexpr std::string_view name = "fuse-softmax";
  static constexpr bool apply(rewriter& r, node_id id) {
    tensor_id e = none;
    const node_id sum = sum_below(r, id, e);
    if (sum == none || r.operand(sum) != e || r.uses(e) != 2 || r.graph().is_output(e)) return false;
    const node_id exponential = r.made_by<top::exp>(e);
    const std::int64_t axis = the_axis<top::reduce_sum>(r, sum);
    if (exponential == none || axis < 0) return false;
    tensor_id x = r.operand(exponential);
    const node_id shifted = r.inner<top::sub>(x);
    if (shifted != none && detail::unclamped<top::sub>(r, shifted)) {
      const node_id most = r.made_by<top::reduce_max>(r.operand(shifted, 1));
      if (most != none && r.operand(most) == r.operand(shifted) && the_axis<top::reduce_max>(r, most) == axis)
        x = r.operand(shifted);
    }
    top::softmax::attributes a{};
    a.axis = axis;
    r.become<top::softmax>(id, a, {x});
    return true;
  }

private:
  /// The node is e / ReduceSum(..), or e times its reciprocal.
  static constexpr node_id sum_below(const rewriter& r, node_id id, tensor_id& e) {
    if (detail::unclamped<top::div>(r, id)) {
      e = r.operand(id);
      return r.inner<top::reduce_sum>(r.operand(id, 1));
    }
    for (std::size_t i = 0; i < 2 && detail::unclamped<top::mul>(r, id); ++i) {
      const node_id over = r.inner<top::reciprocal>(r.operand(id, i));
      if (over == none) continue;
      e = r.operand(id, 1 - i);
      return r.inner<top::reduce_sum>(r.operand(over));
    }
    return none;
  }
  template <class Op> static constexpr std::int64_t the_axis(const rewriter& r, node_id id) {
    const auto a = r.attributes<Op>(id);
    return r.operand(id, 1) == none && a.axes.size() == 1 && a.keepdims != 0 ? a.axes[0] : -1;
  }
};
static_assert(rewrite_rule<fuse_softmax>);

} // namespace tmpu::canonicalize
