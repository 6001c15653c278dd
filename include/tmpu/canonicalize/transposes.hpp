// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/match.hpp"

namespace tmpu::canonicalize {

namespace detail {
/// The constant, of at most as many axes as perm, with the axes that it has before a Transpose by perm.
constexpr value before_transpose(const value& c, const ints& perm) {
  const std::size_t rank = perm.size();
  tmpu::shape whole;
  for (std::size_t i = 0; i < rank; ++i)
    whole.push_back(i + c.dims.rank() < rank ? 1 : c.dims[i + c.dims.rank() - rank]);
  tmpu::shape d = whole;
  for (std::size_t i = 0; i < rank; ++i) d[static_cast<std::size_t>(perm[i])] = whole[i];
  const top::detail::strides own = top::detail::strides_of(whole);
  top::detail::strides all[] = {top::detail::strides_of(d), {}};
  for (std::size_t i = 0; i < rank; ++i) all[1].of[static_cast<std::size_t>(perm[i])] = own.of[i];
  value out(c.type, d);
  top::detail::with_elements(out, c, [&](auto* y, const auto* x) {
    top::detail::for_each_row(d, all, [&](const auto& at, std::int64_t count, const auto& step) {
      for (std::int64_t n = 0; n < count; ++n) y[at[0] + n] = x[at[1] + n * step[1]];
    });
  });
  return out;
}
} // namespace detail

/// y = Transpose(x) that keeps every axis in its place  ==>  x; Transpose(Transpose(x))  ==>  one Transpose;
/// a Transpose that only moves axes of size 1  ==>  Reshape.
struct simplify_transpose {
  static constexpr std::string_view name = "simplify-transpose";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::transpose>(id)) return false;
    const tensor_id x = r.operand(id);
    auto a = r.attributes<top::transpose>(id);
    const std::size_t rank = r.dims(x).rank();
    if (a.perm.empty() && rank > 1) { // spelled out, so that later stages have one form
      for (std::size_t i = 0; i < rank; ++i) a.perm.push_back(static_cast<std::int64_t>(rank - 1 - i));
      r.set_attributes<top::transpose>(id, a);
      return true;
    }
    bool same = true;
    std::int64_t last = -1;
    bool order_kept = true; // of the axes that are longer than 1
    for (std::size_t i = 0; i < rank && rank > 1; ++i) {
      same = same && a.perm[i] == static_cast<std::int64_t>(i);
      if (r.dims(x)[static_cast<std::size_t>(a.perm[i])] == 1) continue;
      order_kept = order_kept && a.perm[i] > last;
      last = a.perm[i];
    }
    if (same) return r.bypass(id, x);
    if (order_kept) {
      top::reshape::attributes shape{};
      shape.shape = ints(r.dims(r.result(id)).span());
      r.become<top::reshape>(id, shape, {x});
      return true;
    }
    const node_id before = r.made_by<top::transpose>(x);
    if (before == none) return false;
    const auto inner = r.attributes<top::transpose>(before);
    if (inner.perm.empty()) return false;
    for (std::int64_t& p : a.perm) p = inner.perm[static_cast<std::size_t>(p)];
    r.become<top::transpose>(id, a, {r.operand(before)});
    return true;
  }
};
static_assert(rewrite_rule<simplify_transpose>);

/// f(Transpose(x))  ==>  Transpose(f(x)) for f of one operand, element by element, and for quantizers of one scale; f(Transpose(a), Transpose(b)) by the
/// same perm and f(Transpose(x), c)  ==>  Transpose(f(a, b)), Transpose(f(x, c')): what a Transpose parts comes together.
/// Needs: nothing else reads the Transpose; c constant and not wider than x.
struct move_transpose {
  static constexpr std::string_view name = "move-transpose";
  static constexpr bool apply(rewriter& r, node_id id) {
    const tensor_id first = r.operand(id);
    const node_id turned = r.inner<top::transpose>(first);
    if (turned != none && (detail::is_elementwise(r, id) || detail::is_quantizer(r, id))) {
      vec<tensor_id> operands(r.graph().operands(id));
      operands[0] = r.operand(turned);
      finish(r, id, operands.span(), r.attributes<top::transpose>(turned));
      return true;
    }
    const node_id other = r.inner<top::transpose>(r.operand(id, 1));
    if ((turned == none && other == none) || !detail::combines_two(r, id)) return false;
    const tensor_id second = r.operand(id, 1);
    if (turned != none && other != none) {
      const auto a = r.attributes<top::transpose>(turned);
      if (!(a.perm == r.attributes<top::transpose>(other).perm) || a.perm.empty() || !(r.dims(first) == r.dims(second)))
        return false;
      const tensor_id operands[] = {r.operand(turned), r.operand(other)};
      finish(r, id, operands, a);
      return true;
    }
    const std::size_t place = turned != none ? 0 : 1;
    const tensor_id c = place == 0 ? second : first;
    const node_id only = place == 0 ? turned : other;
    const auto a = r.attributes<top::transpose>(only);
    if (!r.is_constant(c) || a.perm.empty() || !(r.dims(r.result(id)) == r.dims(r.operand(id, place)))) return false;
    tensor_id operands[] = {none, none};
    operands[place] = r.operand(only);
    operands[1 - place] = r.dims(c).elements() == 1 && r.dims(c).rank() == 0
                              ? c
                              : r.add_constant(r.graph().name(c), detail::before_transpose(r.constant(c), a.perm));
    finish(r, id, operands, a);
    return true;
  }

private:
  static constexpr void finish(rewriter& r, node_id id, std::span<const tensor_id> operands,
                               const top::transpose::attributes& a) {
    const tensor_id y = r.add_like(id, r.name_before(id, "moved"), operands);
    r.become<top::transpose>(id, a, {y});
  }
};
static_assert(rewrite_rule<move_transpose>);

/// f(Transpose(x)) along axes  ==>  Transpose(f(x)) along those that they were before: Softmax, reductions, Pad, and Concat of Transposes
/// by one perm. A reduction that drops its axes and keeps the others in order needs no Transpose any more.
/// Needs: nothing else reads the Transpose; axes and margins are known.
struct move_transpose_axes {
  static constexpr std::string_view name = "move-transpose-axes";
  static constexpr bool apply(rewriter& r, node_id id) {
    const node_id turned = r.inner<top::transpose>(r.operand(id));
    if (turned == none) return false;
    const auto t = r.attributes<top::transpose>(turned);
    if (t.perm.empty()) return false;
    return concat(r, id, t) || pad(r, id, turned, t) ||
           list<top::softmax, top::log_softmax>::any([&]<class Op>() { return along<Op>(r, id, turned, t); }) ||
           list<top::reduce_sum, top::reduce_mean, top::reduce_max, top::reduce_min, top::reduce_prod, top::reduce_l1,
                top::reduce_l2, top::reduce_sum_square>::any([&]<class Op>() { return reduce<Op>(r, id, turned, t); });
  }

private:
  static constexpr std::int64_t before(const top::transpose::attributes& t, std::int64_t axis) {
    return t.perm[static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(t.perm.size()) : axis)];
  }
  template <class Op>
  static constexpr bool along(rewriter& r, node_id id, node_id turned, const top::transpose::attributes& t) {
    if (!r.is<Op>(id)) return false;
    auto a = r.attributes<Op>(id);
    a.axis = before(t, a.axis);
    r.become<top::transpose>(id, t, {r.add<Op>(r.name_before(id, "moved"), a, {r.operand(turned)})});
    return true;
  }
  template <class Op>
  static constexpr bool reduce(rewriter& r, node_id id, node_id turned, const top::transpose::attributes& t) {
    if (!r.is<Op>(id) || r.operand(id, 1) != none) return false;
    auto a = r.attributes<Op>(id);
    if (a.axes.empty()) return false;
    vec<std::uint8_t> gone(t.perm.size());
    for (std::int64_t& axis : a.axes) {
      axis = before(t, axis);
      gone[static_cast<std::size_t>(axis)] = 1;
    }
    if (a.keepdims != 0) {
      r.become<top::transpose>(id, t, {r.add<Op>(r.name_before(id, "moved"), a, {r.operand(turned)})});
      return true;
    }
    std::int64_t last = -1;
    for (const std::int64_t p : t.perm) {
      if (gone[static_cast<std::size_t>(p)] != 0) continue;
      if (p < last) return false;
      last = p;
    }
    r.become<Op>(id, a, {r.operand(turned)});
    return true;
  }
  static constexpr bool pad(rewriter& r, node_id id, node_id turned, const top::transpose::attributes& t) {
    if (!r.is<top::pad>(id) || !r.is_constant(r.operand(id, 1)) || r.operand(id, 3) != none) return false;
    value margins = r.constant(r.operand(id, 1));
    const std::size_t rank = t.perm.size();
    if (margins.i.size() != 2 * rank) return false;
    const ints own = margins.i;
    for (std::size_t i = 0; i < rank; ++i) {
      margins.i[static_cast<std::size_t>(t.perm[i])] = own[i];
      margins.i[rank + static_cast<std::size_t>(t.perm[i])] = own[rank + i];
    }
    vec<tensor_id> operands(r.graph().operands(id));
    operands[0] = r.operand(turned);
    operands[1] = r.add_constant(r.graph().name(operands[1]), margins);
    const auto a = r.attributes<top::pad>(id);
    r.become<top::transpose>(id, t, {r.add<top::pad>(r.name_before(id, "moved"), a, operands.span())});
    return true;
  }
  static constexpr bool concat(rewriter& r, node_id id, const top::transpose::attributes& t) {
    if (!r.is<top::concat>(id)) return false;
    vec<tensor_id> operands;
    for (const tensor_id x : r.graph().operands(id)) {
      const node_id other = r.inner<top::transpose>(x);
      if (other == none || !(r.attributes<top::transpose>(other).perm == t.perm)) return false;
      operands.push_back(r.operand(other));
    }
    auto a = r.attributes<top::concat>(id);
    a.axis = before(t, a.axis);
    r.become<top::transpose>(id, t, {r.add<top::concat>(r.name_before(id, "moved"), a, operands.span())});
    return true;
  }
};
static_assert(rewrite_rule<move_transpose_axes>);

} // namespace tmpu::canonicalize
