// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/isa/instructions.hpp"
#include "tmpu/tpu/elementwise.hpp"

namespace tmpu::tpu {

namespace detail {
/// Calls f(place in y, place in each of the operands) for all elements of y, operands broadcast in the folded form.
template <std::size_t Count, class F>
constexpr void walk_broadcast(const shape& y, const shape (&operands)[Count], F&& f) {
  const view4 v = fold(y);
  std::int64_t step[Count][4] = {};
  for (std::size_t i = 0; i < Count; ++i) {
    const view4 x = fold(operands[i]);
    step[i][0] = x.n == 1 ? 0 : x.c * x.h * x.w;
    step[i][1] = x.c == 1 ? 0 : x.h * x.w;
    step[i][2] = x.h == 1 ? 0 : x.w;
    step[i][3] = x.w == 1 ? 0 : 1;
  }
  std::int64_t to = 0;
  for (std::int64_t n = 0; n < v.n; ++n) {
    for (std::int64_t c = 0; c < v.c; ++c) {
      for (std::int64_t h = 0; h < v.h; ++h) {
        for (std::int64_t w = 0; w < v.w; ++w, ++to) {
          std::int64_t at[Count] = {};
          for (std::size_t i = 0; i < Count; ++i)
            at[i] = n * step[i][0] + c * step[i][1] + h * step[i][2] + w * step[i][3];
          f(static_cast<std::size_t>(to), at);
        }
      }
    }
  }
}
/// The result's shape from operands that broadcast in the folded form.
constexpr shape broadcast_folded(const infer_context& c) {
  shape all = c.dims(0);
  for (std::size_t i = 1; i < c.operand_count(); ++i) {
    const auto both = broadcast(all, c.dims(i));
    if (!both.ok) c.fail(text("shapes ") << all.print() << " and " << c.dims(i).print() << " do not fit each other");
    all = both.dims;
  }
  const view4 y = fold(all);
  for (std::size_t i = 0; i < c.operand_count(); ++i) {
    const view4 x = fold(c.dims(i));
    if ((x.n != 1 && x.n != y.n) || (x.c != 1 && x.c != y.c) || (x.h != 1 && x.h != y.h) || (x.w != 1 && x.w != y.w))
      c.fail(text("operand ") << i << ' ' << c.dims(i).print() << " cannot be broadcast to " << all.print()
                              << " as [n, c, h, w]");
  }
  return all;
}
} // namespace detail

/// y = 1 where a and b are so, 0 elsewhere; logical_and, logical_or: of a != 0 and b != 0.
///
/// Operands:  a, b, folded to [n, c, h, w] where each dimension is 1 or that of y; both floats or both integers.
/// Shape:     broadcasting.
/// Elements:  y: bool.
/// Attributes: kind: isa::compare_kind as a number.
/// Tiling:    any slice of N, C, H; an operand with c = 1 against more lies whole in every lane.
/// Errors:    shapes that do not broadcast in the folded form; floats with integers.
struct compare : basic_op<compare> {
  static constexpr op_info info{.name = "compare", .min_operands = 2, .max_operands = 2};
  struct attributes {
    TMPU_STRUCT((std::int64_t, kind));
  };
  static constexpr bool elementwise = true;
  static constexpr void infer(const attributes& a, infer_context& c) {
    if (a.kind < 0 || a.kind > static_cast<std::int64_t>(isa::compare_kind::logical_or))
      c.fail(text("compare kind ") << a.kind << " is unknown");
    if (is_floating(c.type(0)) != is_floating(c.type(1))) c.fail("compares floats with floats, integers with integers");
    c.result(0, dtype_id::boolean, detail::broadcast_folded(c));
  }
  static constexpr void eval(const attributes& at, eval_context& c) {
    const value& a = c.in(0);
    const value& b = c.in(1);
    value& y = c.out();
    const shape both[] = {a.dims, b.dims};
    const auto kind = static_cast<isa::compare_kind>(at.kind);
    detail::walk_broadcast(y.dims, both, [&](std::size_t to, const std::int64_t(&from)[2]) {
      const bool so = is_floating(a.type) ? is_so(kind, a.f.data()[from[0]], b.f.data()[from[1]])
                                          : is_so(kind, a.i.data()[from[0]], b.i.data()[from[1]]);
      y.i[to] = so ? 1 : 0;
    });
  }
  static constexpr operand_facts operand(const graph_body& g, node_id id, std::size_t i) {
    return binary::operand(g, id, i);
  }

private:
  static constexpr bool is_so(isa::compare_kind kind, auto a, auto b) {
    using enum isa::compare_kind;
    if (kind == equal) return a == b;
    if (kind == not_equal) return a != b;
    if (kind == less) return a < b;
    if (kind == less_or_equal) return a <= b;
    if (kind == logical_and) return a != 0 && b != 0;
    return a != 0 || b != 0;
  }
};
static_assert(op<compare>);

/// y = a where the mask is not 0, b elsewhere.
///
/// Operands:  mask (bool), a, b, folded to [n, c, h, w] where each dimension is 1 or that of y.
/// Shape:     broadcasting.
/// Elements:  a, b and y: one type.
/// Tiling:    any slice of N, C, H; an operand with c = 1 against more lies whole in every lane.
/// Errors:    shapes that do not broadcast in the folded form; a mask that is not bool; types that differ.
struct select : basic_op<select> {
  static constexpr op_info info{.name = "select", .min_operands = 3, .max_operands = 3};
  using attributes = no_attributes;
  static constexpr bool elementwise = true;
  static constexpr void infer(const attributes&, infer_context& c) {
    if (c.type(0) != dtype_id::boolean) c.fail(text("the mask must be bool, not ") << name_of(c.type(0)));
    if (c.type(1) != c.type(2)) c.fail("chooses between tensors of one type");
    c.result(0, c.type(1), detail::broadcast_folded(c));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    value& y = c.out();
    const shape all[] = {c.in(0).dims, c.in(1).dims, c.in(2).dims};
    detail::walk_broadcast(y.dims, all, [&](std::size_t to, const std::int64_t(&from)[3]) {
      const std::size_t which = c.in(0).i.data()[from[0]] != 0 ? 1 : 2;
      const auto at = static_cast<std::size_t>(from[which]);
      if (is_floating(y.type)) {
        y.f[to] = c.in(which).f[at];
      } else {
        y.i[to] = c.in(which).i[at];
      }
    });
  }
  static constexpr operand_facts operand(const graph_body& g, node_id id, std::size_t i) {
    return binary::operand(g, id, i);
  }
};
static_assert(op<select>);

} // namespace tmpu::tpu
