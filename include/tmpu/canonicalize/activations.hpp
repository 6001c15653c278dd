// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/rewriter.hpp"

namespace tmpu::canonicalize {

namespace detail {
inline constexpr float infinite = math::infinity<float>;

/// Relu, or Clip with its bounds as attribute: then `clamp` is [low, high].
constexpr bool is_clamp(const rewriter& r, node_id id, floats& clamp) {
  if (id == none) return false;
  if (r.is<top::relu>(id)) {
    clamp = {0.0F, infinite};
    return r.floating(r.operand(id));
  }
  if (!r.is<top::clip>(id) || r.graph().operands(id).size() != 1) return false;
  clamp = r.attributes<top::clip>(id).clamp;
  return clamp.size() == 2;
}
/// First one clamp, then the other, as one.
constexpr floats compose(const floats& first, const floats& then) {
  if (first.empty()) return then;
  const top::detail::clamp_bounds last(then);
  return {last(first[0]), last(first[1])};
}
} // namespace detail

/// Clip with constant bounds  ==>  clip of one operand with the attribute clamp; [0, inf]  ==>  Relu; no bound  ==>  x.
/// Needs: floating-point elements.
struct clip_bounds_to_attribute {
  static constexpr std::string_view name = "clip-bounds-to-attribute";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::clip>(id) || !r.floating(r.operand(id))) return false;
    auto a = r.attributes<top::clip>(id);
    const tensor_id x = r.operand(id);
    float low = a.clamp.size() == 2 ? a.clamp[0] : -detail::infinite;
    float high = a.clamp.size() == 2 ? a.clamp[1] : detail::infinite;
    if (const tensor_id t = r.operand(id, 1); t != none && !r.scalar(t, low)) return false;
    if (const tensor_id t = r.operand(id, 2); t != none && !r.scalar(t, high)) return false;
    if (low > high) low = high;
    if (low == -detail::infinite && high == detail::infinite && r.bypass(id, x)) return true;
    if (low == 0.0F && high == detail::infinite) {
      r.become<top::relu>(id, {}, {x});
      return true;
    }
    if (r.graph().operands(id).size() == 1 && a.clamp.size() == 2) return false;
    a.clamp = {low, high};
    r.become<top::clip>(id, a, {x});
    return true;
  }
};
static_assert(rewrite_rule<clip_bounds_to_attribute>);

/// Relu or Clip of Relu or Clip  ==>  one of them.   Needs: bounds as attributes.
struct merge_clamps {
  static constexpr std::string_view name = "merge-clamps";
  static constexpr bool apply(rewriter& r, node_id id) {
    floats outer;
    floats inner;
    if (!detail::is_clamp(r, id, outer)) return false;
    const node_id before = r.graph().at(r.operand(id)).producer;
    if (!detail::is_clamp(r, before, inner)) return false;
    top::clip::attributes a{};
    a.clamp = detail::compose(inner, outer);
    r.become<top::clip>(id, a, {r.operand(before)});
    return true;
  }
};
static_assert(rewrite_rule<merge_clamps>);

/// Relu or Clip of Conv, ConvTranspose, Gemm, Add, Sub, Mul, Div  ==>  that operator with the bounds as its clamp.
/// Needs: the operator has one reader (a Reshape may lie between); bounds as attributes.
struct fuse_clamp {
  static constexpr std::string_view name = "fuse-clamp";

private:
  template <class Op> static constexpr bool fuse(rewriter& r, node_id id, const floats& clamp) {
    if (!r.is<Op>(id)) return false;
    auto a = r.attributes<Op>(id);
    a.clamp = detail::compose(a.clamp, clamp);
    r.set_attributes<Op>(id, a);
    return true;
  }

public:
  static constexpr bool apply(rewriter& r, node_id id) {
    floats clamp;
    if (!detail::is_clamp(r, id, clamp)) return false;
    tensor_id t = r.operand(id);
    if (!r.read_once(t)) return false;
    node_id last = r.graph().at(t).producer;
    if (last == none) return false;
    node_id maker = last;
    if (r.is<top::reshape>(last)) {
      t = r.operand(last);
      maker = r.graph().at(t).producer;
      if (maker == none || !r.read_once(t)) return false;
    }
    const bool fused = fuse<top::conv>(r, maker, clamp) || fuse<top::conv_transpose>(r, maker, clamp) ||
                       fuse<top::gemm>(r, maker, clamp) || fuse<top::add>(r, maker, clamp) ||
                       fuse<top::sub>(r, maker, clamp) || fuse<top::mul>(r, maker, clamp) ||
                       fuse<top::div>(r, maker, clamp);
    if (fused) r.take_result(last, id);
    return fused;
  }
};
static_assert(rewrite_rule<fuse_clamp>);

/// PRelu with one slope for all elements  ==>  LeakyRelu.   Needs: a constant slope.
struct prelu_to_leaky_relu {
  static constexpr std::string_view name = "prelu-to-leaky-relu";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::prelu>(id) || !r.is_constant(r.operand(id, 1))) return false;
    const value slope = r.constant(r.operand(id, 1));
    for (const float s : slope.f) {
      if (s != slope.f[0]) return false;
    }
    if (slope.f.empty()) return false;
    top::leaky_relu::attributes a{};
    a.alpha = slope.f[0];
    r.become<top::leaky_relu>(id, a, {r.operand(id)});
    return true;
  }
};
static_assert(rewrite_rule<prelu_to_leaky_relu>);

} // namespace tmpu::canonicalize
