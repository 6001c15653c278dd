// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/binary.hpp"

namespace tmpu::top {

/// y[i] = holds(a[i], b[i]) as bool, a and b broadcast to y: the family of comparisons.
///
/// Shape:     multidirectional broadcasting.
/// Elements:  a, b: any numeric type, the same; y: bool.
/// Tiling:    any slice; no halo.
/// Errors:    element types that differ; shapes that do not fit.
template <class Self> struct comparison {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = each_by_each;
  using attributes = no_attributes;

  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_same_type(c, 0, 1);
    c.result(0, dtype_id::boolean, detail::broadcast_dims(c.dims(0), c.dims(1), c));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const value& a = c.in(0);
    const value& b = c.in(1);
    value& y = c.out();
    if (is_floating(a.type)) {
      detail::combine(y.dims, y.i.data(), a.dims, a.f.data(), b.dims, b.f.data(),
                      [](float l, float r) { return std::int64_t{Self::holds(l, r) ? 1 : 0}; });
      return;
    }
    detail::with_integer_of(a.type, [&]<class Int>(Int) {
      detail::combine(y.dims, y.i.data(), a.dims, a.i.data(), b.dims, b.i.data(), [](std::int64_t l, std::int64_t r) {
        return std::int64_t{Self::holds(static_cast<Int>(l), static_cast<Int>(r)) ? 1 : 0};
      });
    });
  }
};

/// y = a == b.                                                                                 (ONNX Equal)
struct equal : comparison<equal> {
  static constexpr op_info info{.name = "equal", .onnx = "Equal", .min_operands = 2, .max_operands = 2};
  static constexpr bool holds(auto a, auto b) { return a == b; }
};
static_assert(op<equal>);

/// y = a < b.                                                                                  (ONNX Less)
struct less : comparison<less> {
  static constexpr op_info info{.name = "less", .onnx = "Less", .min_operands = 2, .max_operands = 2};
  static constexpr bool holds(auto a, auto b) { return a < b; }
};
static_assert(op<less>);

/// y = a <= b.                                                                                 (ONNX LessOrEqual)
struct less_or_equal : comparison<less_or_equal> {
  static constexpr op_info info{.name = "less_or_equal", .onnx = "LessOrEqual", .min_operands = 2, .max_operands = 2};
  static constexpr bool holds(auto a, auto b) { return a <= b; }
};
static_assert(op<less_or_equal>);

/// y = a > b.                                                                                  (ONNX Greater)
struct greater : comparison<greater> {
  static constexpr op_info info{.name = "greater", .onnx = "Greater", .min_operands = 2, .max_operands = 2};
  static constexpr bool holds(auto a, auto b) { return a > b; }
};
static_assert(op<greater>);

/// y = a >= b.                                                                                 (ONNX GreaterOrEqual)
struct greater_or_equal : comparison<greater_or_equal> {
  static constexpr op_info info{
      .name = "greater_or_equal", .onnx = "GreaterOrEqual", .min_operands = 2, .max_operands = 2};
  static constexpr bool holds(auto a, auto b) { return a >= b; }
};
static_assert(op<greater_or_equal>);

/// y[i] = holds(a[i], b[i]): the family of the connectives.
///
/// Shape:     multidirectional broadcasting.
/// Elements:  bool.
/// Tiling:    any slice; no halo.
/// Errors:    elements that are not bool; shapes that do not fit.
template <class Self> struct connective : comparison<Self> {
  static constexpr void infer(const no_attributes& a, infer_context& c) {
    if (c.type(0) != dtype_id::boolean) c.fail(text("takes bool elements, not ") << name_of(c.type(0)));
    comparison<Self>::infer(a, c);
  }
};

/// y = a and b.                                                                                (ONNX And)
struct logical_and : connective<logical_and> {
  static constexpr op_info info{.name = "logical_and", .onnx = "And", .min_operands = 2, .max_operands = 2};
  static constexpr bool holds(auto a, auto b) { return a != 0 && b != 0; }
};
static_assert(op<logical_and>);

/// y = a or b.                                                                                 (ONNX Or)
struct logical_or : connective<logical_or> {
  static constexpr op_info info{.name = "logical_or", .onnx = "Or", .min_operands = 2, .max_operands = 2};
  static constexpr bool holds(auto a, auto b) { return a != 0 || b != 0; }
};
static_assert(op<logical_or>);

/// y = either a or b.                                                                          (ONNX Xor)
struct logical_xor : connective<logical_xor> {
  static constexpr op_info info{.name = "logical_xor", .onnx = "Xor", .min_operands = 2, .max_operands = 2};
  static constexpr bool holds(auto a, auto b) { return (a != 0) != (b != 0); }
};
static_assert(op<logical_xor>);

/// y = a where the condition holds, b elsewhere.                                               (ONNX Where)
///
/// Shape:     multidirectional broadcasting of the three operands.
/// Elements:  condition: bool; a and b: any type, the same.
/// Tiling:    any slice; no halo.
/// Errors:    a condition that is not bool; shapes that do not fit.
struct where {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = {element_flow::kind::moved, 0b110};
  using attributes = no_attributes;
  static constexpr op_info info{.name = "where", .onnx = "Where", .min_operands = 3, .max_operands = 3};

  static constexpr void infer(const attributes&, infer_context& c) {
    if (c.type(0) != dtype_id::boolean) c.fail(text("the condition must be bool, not ") << name_of(c.type(0)));
    detail::require_same_type(c, 1, 2);
    c.result(0, c.type(1), detail::broadcast_dims(c.dims(0), detail::broadcast_dims(c.dims(1), c.dims(2), c), c));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const value& chosen = c.in(0);
    value& y = c.out();
    const detail::strides all[] = {detail::strides_of(y.dims), detail::broadcast_strides(chosen.dims, y.dims),
                                   detail::broadcast_strides(c.in(1).dims, y.dims),
                                   detail::broadcast_strides(c.in(2).dims, y.dims)};
    detail::for_each_row(y.dims, all, [&](const auto& at, std::int64_t count, const auto& step) {
      for (std::int64_t n = 0; n < count; ++n) {
        const bool first = chosen.i[static_cast<std::size_t>(at[1] + n * step[1])] != 0;
        const value& from = first ? c.in(1) : c.in(2);
        const auto place = static_cast<std::size_t>(first ? at[2] + n * step[2] : at[3] + n * step[3]);
        const auto to = static_cast<std::size_t>(at[0] + n);
        if (is_floating(y.type)) {
          y.f[to] = from.f[place];
        } else {
          y.i[to] = from.i[place];
        }
      }
    });
  }
};
static_assert(op<where>);

} // namespace tmpu::top
