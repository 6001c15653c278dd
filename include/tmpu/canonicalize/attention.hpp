// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/norms.hpp"
#include "tmpu/canonicalize/slices.hpp"

/// What transformers do between their products, from its pieces.
namespace tmpu::canonicalize {

/// x * c + Concat(-x2, x1) * s, with x1 and x2 the halves of x along the last axis  ==>  RotaryEmbedding(x) with the tables c, s.
/// Needs: x of rank 4; constant tables of its last two axes, the halves of each row equal; nothing else reads what lies between.
struct fuse_rope {
  static constexpr std::string_view name = "fuse-rope";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!detail::unclamped<top::add>(r, id) || r.dims(r.result(id)).rank() != 4) return false;
    for (std::size_t i = 0; i < 2; ++i) {
      const node_id kept = r.inner<top::mul>(r.operand(id, i));
      const node_id turned = r.inner<top::mul>(r.operand(id, 1 - i));
      if (kept == none || turned == none) return false;
      if (!detail::unclamped<top::mul>(r, kept) || !detail::unclamped<top::mul>(r, turned)) return false;
      const tensor_id x = r.operand(kept);
      value cosines;
      value sines;
      if (!(r.dims(x) == r.dims(r.result(id))) || !is_turned(r, r.operand(turned), x) ||
          !half_table(r, r.operand(kept, 1), r.dims(x), cosines) ||
          !half_table(r, r.operand(turned, 1), r.dims(x), sines))
        continue;
      const tensor_id c = r.add_constant(r.name_before(id, "cosines"), cosines);
      const tensor_id s = r.add_constant(r.name_before(id, "sines"), sines);
      r.become<top::rotary_embedding>(id, {}, {x, c, s});
      return true;
    }
    return false;
  }

private:
  /// t = Concat(-x2, x1).
  static constexpr bool is_turned(const rewriter& r, tensor_id t, tensor_id x) {
    const node_id both = r.inner<top::concat>(t);
    if (both == none || r.graph().operands(both).size() != 2) return false;
    const std::size_t last = r.dims(x).rank() - 1;
    const std::int64_t half = r.dims(x)[last] / 2;
    return top::detail::axis_at(r.attributes<top::concat>(both).axis, last + 1) == last &&
           2 * half == r.dims(x)[last] && is_part(r, detail::negated(r, r.operand(both)), x, half, half) &&
           is_part(r, r.operand(both, 1), x, 0, half);
  }
  /// t = `count` elements of the last axis of x, from `first` on.
  static constexpr bool is_part(const rewriter& r, tensor_id t, tensor_id x, std::int64_t first, std::int64_t count) {
    const node_id id = r.inner<top::slice>(t);
    if (id == none || r.operand(id) != x) return false;
    const detail::cuts c = detail::cuts_of(r, id);
    if (c.empty() || c.back().first != first || c.back().step != 1 || c.back().count != count) return false;
    for (std::size_t i = 0; i + 1 < c.size(); ++i) {
      if (c[i].first != 0 || c[i].step != 1 || c[i].count != r.dims(x)[i]) return false;
    }
    return true;
  }
  /// The first half of each row of a table, for every batch of x; false where t is no such table.
  static constexpr bool half_table(const rewriter& r, tensor_id t, const tmpu::shape& x, value& half) {
    if (!r.is_constant(t) || !r.floating(t)) return false;
    const tmpu::shape& own = r.dims(t);
    const std::size_t extra = own.rank() > 2 ? own.rank() - 2 : 0;
    for (std::size_t i = 0; i < extra; ++i) {
      if (own[i] != 1) return false;
    }
    value given = r.constant(t);
    given.dims = tmpu::shape(own.span().subspan(extra));
    const value wide = detail::broadcast_value(given, {x[2], x[3]});
    const std::int64_t count = x[3] / 2;
    half = value(given.type, {x[0], x[2], count});
    for (std::size_t i = 0; i < half.f.size(); ++i) {
      const auto n = static_cast<std::int64_t>(i);
      const auto at = static_cast<std::size_t>(n / count % x[2] * x[3] + n % count);
      half.f[i] = wide.f[at];
      if (!(wide.f[at] == wide.f[at + static_cast<std::size_t>(count)])) return false;
    }
    return true;
  }
};
static_assert(rewrite_rule<fuse_rope>);

/// MatMul(Softmax(MatMul(q, Transpose(k)) * scale + mask), v)  ==>  Attention(q, k, v, mask; scale); q and k times a constant
/// scalar, too.   Needs: rank 4, no broadcasting of q, k, v; a constant mask; scales above 0; nothing else reads what lies between.
struct fuse_attention {
  static constexpr std::string_view name = "fuse-attention";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::matmul>(id)) return false;
    const tensor_id v = r.operand(id, 1);
    const node_id soft = r.inner<top::softmax>(r.operand(id));
    if (soft == none || r.dims(v).rank() != 4 || !r.floating(v)) return false;
    tensor_id scores = r.operand(soft);
    const tmpu::shape whole = r.dims(scores);
    if (whole.rank() != 4 || top::detail::axis_at(r.attributes<top::softmax>(soft).axis, 4) != 3) return false;
    const tensor_id mask = take_mask(r, scores);
    float scale = 1.0F;
    take_scale(r, scores, scale);
    const node_id product = r.inner<top::matmul>(scores);
    if (product == none) return false;
    tensor_id q = r.operand(product);
    tensor_id k = r.operand(product, 1);
    take_scale(r, q, scale);
    take_scale(r, k, scale);
    const tmpu::shape& width = r.dims(q);
    if (!(scale > 0.0F) || width.rank() != 4 || r.dims(k).rank() != 4 || r.type(q) != r.type(r.result(id)))
      return false;
    for (std::size_t i = 0; i < 2; ++i) {
      if (width[i] != whole[i] || r.dims(k)[i] != whole[i] || r.dims(v)[i] != whole[i]) return false;
    }
    top::attention::attributes a{};
    a.scale = scale;
    const tensor_id turned = r.add<top::transpose>(r.name_before(id, "keys"), {.perm = {0, 1, 3, 2}}, {k});
    if (mask == none) {
      r.become<top::attention>(id, a, {q, turned, v});
    } else {
      r.become<top::attention>(id, a, {q, turned, v, mask});
    }
    return true;
  }

private:
  /// t = x + mask: t is x afterwards. A mask that does not name every key would hide the others.
  static constexpr tensor_id take_mask(const rewriter& r, tensor_id& t) {
    const node_id sum = r.inner<top::add>(t);
    if (sum == none || !detail::unclamped<top::add>(r, sum)) return none;
    const tensor_id mask = r.operand(sum, 1);
    const tmpu::shape& m = r.dims(mask);
    if (!r.is_constant(mask) || !(r.dims(r.operand(sum)) == r.dims(t)) || m.rank() < 1 ||
        m[m.rank() - 1] != r.dims(t)[3])
      return none;
    t = r.operand(sum);
    return mask;
  }
  /// t = x * c: t is x afterwards.
  static constexpr void take_scale(const rewriter& r, tensor_id& t, float& scale) {
    const detail::with_scalar m = detail::inner_scalar_form<top::mul>(r, t);
    if (m.node == none) return;
    scale *= m.c;
    t = m.x;
  }
};
static_assert(rewrite_rule<fuse_attention>);

} // namespace tmpu::canonicalize
