// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/match.hpp"

/// Activations that are written as several nodes: a value times a gate, a sigmoid from its exponential.
namespace tmpu::canonicalize {

namespace detail {
/// t = 1 + exp(x); gives x.
constexpr tensor_id one_plus_exp(const rewriter& r, tensor_id t) {
  const with_scalar sum = inner_scalar_form<top::add>(r, t);
  if (sum.node == none || sum.c != 1.0F) return none;
  const node_id e = r.inner<top::exp>(sum.x);
  return e == none ? none : r.operand(e);
}
/// t = Clip(x + shift; 0, most).
struct shifted_clip {
  tensor_id x = none;
  float shift = 0.0F;
  float most = 0.0F;
};
constexpr shifted_clip shifted_clip_at(const rewriter& r, tensor_id t) {
  const node_id id = r.inner<top::add>(t);
  if (id == none) return {};
  const floats clamp = r.attributes<top::add>(id).clamp;
  shifted_clip s;
  if (clamp.size() != 2 || clamp[0] != 0.0F || !r.scalar(r.operand(id, 1), s.shift) ||
      !(r.dims(r.operand(id)) == r.dims(t)))
    return {};
  s.x = r.operand(id);
  s.most = clamp[1];
  return s;
}
} // namespace detail

/// (x * Clip(x + 3; 0, 6)) * 1/6, in any order of the products  ==>  HardSwish(x).
/// Needs: nothing else reads what lies between.
struct fuse_hard_swish {
  static constexpr std::string_view name = "fuse-hard-swish";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::mul>(id)) return false;
    const detail::product p = detail::product_of(r, id);
    if (p.factors.size() != 2 || !detail::about(p.scale, 1.0F / 6.0F)) return false;
    for (std::size_t i = 0; i < 2; ++i) {
      const detail::shifted_clip gate = detail::shifted_clip_at(r, p.factors[1 - i]);
      if (gate.x == none || gate.x != p.factors[i] || gate.shift != 3.0F || gate.most != 6.0F) continue;
      r.become<top::hard_swish>(id, {}, {gate.x});
      return true;
    }
    return false;
  }
};
static_assert(rewrite_rule<fuse_hard_swish>);

/// Clip(x + b; 0, m) * 1/m  ==>  HardSigmoid(x; alpha = 1/m, beta = b/m).   Needs: nothing else reads the Clip.
struct fuse_hard_sigmoid {
  static constexpr std::string_view name = "fuse-hard-sigmoid";
  static constexpr bool apply(rewriter& r, node_id id) {
    const detail::with_scalar scaled = detail::scalar_form<top::mul>(r, id);
    if (scaled.node == none) return false;
    const detail::shifted_clip clip = detail::shifted_clip_at(r, scaled.x);
    if (clip.x == none || !detail::about(clip.most * scaled.c, 1.0F)) return false;
    top::hard_sigmoid::attributes a{};
    a.alpha = scaled.c;
    a.beta = clip.shift * scaled.c;
    r.become<top::hard_sigmoid>(id, a, {clip.x});
    return true;
  }
};
static_assert(rewrite_rule<fuse_hard_sigmoid>);

/// 1 / (1 + exp(-x))  ==>  Sigmoid(x).   Needs: nothing else reads what lies between.
struct fuse_sigmoid {
  static constexpr std::string_view name = "fuse-sigmoid";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::reciprocal>(id)) return false;
    const tensor_id x = detail::negated(r, detail::one_plus_exp(r, r.operand(id)));
    if (x == none) return false;
    r.become<top::sigmoid>(id, {}, {x});
    return true;
  }
};
static_assert(rewrite_rule<fuse_sigmoid>);

/// Log(1 + exp(x))  ==>  Softplus(x).   Needs: nothing else reads what lies between.
struct fuse_softplus {
  static constexpr std::string_view name = "fuse-softplus";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::log>(id)) return false;
    const tensor_id x = detail::one_plus_exp(r, r.operand(id));
    if (x == none) return false;
    r.become<top::softplus>(id, {}, {x});
    return true;
  }
};
static_assert(rewrite_rule<fuse_softplus>);

/// x * Sigmoid(x)  ==>  silu(x); x / (1 + exp(-x))  ==>  silu(x); x * HardSigmoid(x; 1/6, 1/2)  ==>  HardSwish(x);
/// x * Tanh(Softplus(x))  ==>  Mish(x).   Needs: Mul, Div without clamp.
struct fuse_gate {
  static constexpr std::string_view name = "fuse-gate";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (r.is<top::div>(id)) {
      const tensor_id x = r.operand(id);
      if (!detail::unclamped<top::div>(r, id) || detail::negated(r, detail::one_plus_exp(r, r.operand(id, 1))) != x)
        return false;
      r.become<top::silu>(id, {}, {x});
      return true;
    }
    if (!r.is<top::mul>(id) || !detail::unclamped<top::mul>(r, id)) return false;
    for (std::size_t i = 0; i < 2; ++i) {
      const tensor_id x = r.operand(id, i);
      const tensor_id gate = r.operand(id, 1 - i);
      if (const node_id s = r.made_by<top::sigmoid>(gate); s != none && r.operand(s) == x) {
        r.become<top::silu>(id, {}, {x});
        return true;
      }
      if (const node_id h = r.made_by<top::hard_sigmoid>(gate); h != none && r.operand(h) == x) {
        const auto a = r.attributes<top::hard_sigmoid>(h);
        if (!detail::about(a.alpha, 1.0F / 6.0F) || !detail::about(a.beta, 0.5F)) continue;
        r.become<top::hard_swish>(id, {}, {x});
        return true;
      }
      const node_id t = r.made_by<top::tanh>(gate);
      const node_id s = t == none ? none : r.made_by<top::softplus>(r.operand(t));
      if (s == none || r.operand(s) != x) continue;
      r.become<top::mish>(id, {}, {x});
      return true;
    }
    return false;
  }
};
static_assert(rewrite_rule<fuse_gate>);

/// x * 1/2 * (1 + Erf(x / sqrt(2)))  ==>  Gelu(x); x * 1/2 * (1 + Tanh(sqrt(2/pi) * (x + 0.044715 * x^3)))  ==>
/// Gelu(x; approximate = "tanh"); the products in any order.   Needs: nothing else reads what lies between.
struct fuse_gelu {
  static constexpr std::string_view name = "fuse-gelu";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::mul>(id)) return false;
    const detail::product p = detail::product_of(r, id);
    if (p.factors.size() != 2) return false;
    for (std::size_t i = 0; i < 2; ++i) {
      const tensor_id x = p.factors[i];
      if (!r.floating(x) || !(r.dims(x) == r.dims(r.result(id)))) continue;
      const form found = gate_form(r, p.factors[1 - i], p.scale, x);
      if (found == form::no) continue;
      top::gelu::attributes a{};
      if (found == form::tanh) a.approximate = text("tanh");
      r.become<top::gelu>(id, a, {x});
      return true;
    }
    return false;
  }

private:
  enum class form : std::uint8_t { no, erf, tanh };
  static constexpr float root_of_half = 0.7071067811865476F; // 1/sqrt(2)
  static constexpr float outer = 0.7978845608028654F;        // sqrt(2/pi)
  static constexpr float cubic = 0.044715F;

  /// scale * t = 1/2 * (1 + f(x)): t is 1 + f(x), or 1/2 + 1/2 * f(x).
  static constexpr form gate_form(const rewriter& r, tensor_id t, float scale, tensor_id x) {
    const detail::with_scalar sum = detail::inner_scalar_form<top::add>(r, t);
    if (sum.node == none || !detail::about(sum.c * scale, 0.5F)) return form::no;
    const detail::product f = detail::product_at(r, sum.x);
    if (f.factors.size() != 1 || !detail::about(f.scale * scale, 0.5F)) return form::no;
    if (const node_id e = r.inner<top::erf>(f.factors[0]); e != none) {
      detail::product inside = detail::product_at(r, r.operand(e));
      return detail::about(inside.scale, root_of_half) && inside.factors.size() == 1 && inside.take(x) ? form::erf
                                                                                                       : form::no;
    }
    const node_id h = r.inner<top::tanh>(f.factors[0]);
    return h != none && tanh_argument(r, r.operand(h), x) ? form::tanh : form::no;
  }
  /// t = outer * (x + cubic * x^3), or x * (outer + outer * cubic * x^2).
  static constexpr bool tanh_argument(const rewriter& r, tensor_id t, tensor_id x) {
    detail::product p = detail::product_at(r, t);
    if (p.factors.size() == 2 && p.take(x)) {
      const detail::with_scalar sum = detail::inner_scalar_form<top::add>(r, p.factors[0]);
      return sum.node != none && detail::about(sum.c * p.scale, outer) &&
             is_power(r, sum.x, x, 2, outer * cubic / p.scale);
    }
    if (p.factors.size() != 1 || !detail::about(p.scale, outer)) return false;
    const node_id sum = r.inner<top::add>(p.factors[0]);
    if (sum == none || !detail::unclamped<top::add>(r, sum)) return false;
    for (std::size_t i = 0; i < 2; ++i) {
      if (r.operand(sum, i) == x && is_power(r, r.operand(sum, 1 - i), x, 3, cubic)) return true;
    }
    return false;
  }
  /// t = scale * x^exponent, where a factor may be Pow.
  static constexpr bool is_power(const rewriter& r, tensor_id t, tensor_id x, int exponent, float scale) {
    detail::product p = detail::product_at(r, t);
    if (!detail::about(p.scale, scale)) return false;
    int found = 0;
    for (const tensor_id f : p.factors) {
      const node_id power = r.inner<top::pow>(f);
      float e = 1.0F;
      if (f != x && (power == none || r.operand(power) != x || !r.scalar(r.operand(power, 1), e))) return false;
      if (e != 1.0F && e != 2.0F && e != 3.0F) return false;
      found += static_cast<int>(e);
    }
    return found == exponent;
  }
};
static_assert(rewrite_rule<fuse_gelu>);

} // namespace tmpu::canonicalize
