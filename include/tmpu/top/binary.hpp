// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/activations.hpp"
#include "tmpu/top/common.hpp"

namespace tmpu::top {

namespace detail {
template <class Self> concept has_integer_form = requires { Self::apply_integer(std::int64_t{}, std::int64_t{}); };
template <class Attributes> constexpr bool has_clamp = requires(const Attributes& a) { a.clamp; };

/// y = f(a, b) for each element, a and b broadcast to y.
template <class Out, class In, class F>
constexpr void combine(const dims& out, Out* y, const dims& a_dims, const In* a, const dims& b_dims, const In* b,
                       F&& f) {
  const strides all[] = {strides_of(out), broadcast_strides(a_dims, out), broadcast_strides(b_dims, out)};
  for_each_row(out, all, [&](const auto& at, std::int64_t count, const auto& step) {
    Out* to = y + at[0];
    const In* l = a + at[1];
    const In* r = b + at[2];
    if (step[1] == 1 && step[2] == 1) {
      for (std::int64_t n = 0; n < count; ++n) to[n] = f(l[n], r[n]);
    } else {
      for (std::int64_t n = 0; n < count; ++n) to[n] = f(l[n * step[1]], r[n * step[2]]);
    }
  });
}
} // namespace detail

/// y[i] = apply(a[i], b[i]), a and b broadcast to y: the family of operators of two operands. An operator gives `info`
/// and apply(a, b) in float, and apply_integer(a, b) where integers make sense.
///
/// Shape:     multidirectional broadcasting of a and b.
/// Elements:  f32, f16, bf16; integers where the operator has apply_integer. Both operands of one type.
/// Tiling:    any slice of any axis of y; a broadcast axis of an operand is not sliced; no halo.
/// Errors:    element types that differ or are not taken; shapes that do not fit.
template <class Self> struct binary {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;

  template <class Attributes> static constexpr void infer(const Attributes& a, infer_context& c) {
    detail::require_same_type(c, 0, 1);
    if constexpr (!detail::has_integer_form<Self>) detail::require_floating(c, 0);
    if constexpr (detail::has_clamp<Attributes>) detail::check_clamp(a.clamp, c);
    c.result(0, c.type(0), detail::broadcast_dims(c.dims(0), c.dims(1), c));
  }
  template <class Attributes> static constexpr void eval(const Attributes& attributes, eval_context& c) {
    const value& a = c.in(0);
    const value& b = c.in(1);
    value& y = c.out();
    if constexpr (detail::has_integer_form<Self>) {
      if (!is_floating(y.type)) {
        detail::combine(
            y.dims, y.i.data(), a.dims, a.i.data(), b.dims, b.i.data(),
            [&](std::int64_t l, std::int64_t r) { return detail::wrap(y.type, Self::apply_integer(l, r)); });
        return;
      }
    }
    detail::combine(y.dims, y.f.data(), a.dims, a.f.data(), b.dims, b.f.data(),
                    [](float l, float r) { return Self::apply(l, r); });
    if constexpr (detail::has_clamp<Attributes>) detail::clamp_elements(attributes.clamp, y);
    detail::round_elements(y);
  }
};

/// Arithmetic that may have a fused activation: clamp is empty, or [low, high] applied to the result.
template <class Self> struct arithmetic : binary<Self> {
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (floats, clamp));
  };
};

/// y = a + b.                                                                                  (ONNX Add)
struct add : arithmetic<add> {
  static constexpr op_info info{.name = "add", .onnx = "Add", .min_operands = 2, .max_operands = 2};
  static constexpr float apply(float a, float b) { return a + b; }
  static constexpr std::int64_t apply_integer(std::int64_t a, std::int64_t b) { return detail::wrapping_add(a, b); }
};
static_assert(op<add>);

/// y = a - b.                                                                                  (ONNX Sub)
struct sub : arithmetic<sub> {
  static constexpr op_info info{.name = "sub", .onnx = "Sub", .min_operands = 2, .max_operands = 2};
  static constexpr float apply(float a, float b) { return a - b; }
  static constexpr std::int64_t apply_integer(std::int64_t a, std::int64_t b) {
    return detail::wrapping_add(a, detail::wrapping_mul(b, -1));
  }
};
static_assert(op<sub>);

/// y = a * b.                                                                                  (ONNX Mul)
struct mul : arithmetic<mul> {
  static constexpr op_info info{.name = "mul", .onnx = "Mul", .min_operands = 2, .max_operands = 2};
  static constexpr float apply(float a, float b) { return a * b; }
  static constexpr std::int64_t apply_integer(std::int64_t a, std::int64_t b) { return detail::wrapping_mul(a, b); }
};
static_assert(op<mul>);

/// y = a / b; integers toward zero, 0 where an integer b is 0.                                 (ONNX Div)
struct div : arithmetic<div> {
  static constexpr op_info info{.name = "div", .onnx = "Div", .min_operands = 2, .max_operands = 2};
  static constexpr float apply(float a, float b) { return activation::divide(a, b); }
  static constexpr std::int64_t apply_integer(std::int64_t a, std::int64_t b) {
    if (b == 0) return 0;
    return b == -1 ? detail::wrapping_mul(a, -1) : a / b;
  }
};
static_assert(op<div>);

/// y = a to the power b; y has the element type of a.                                          (ONNX Pow)
///
/// Shape:     multidirectional broadcasting.
/// Elements:  a floating; b of any numeric type.
/// Tiling:    as the other binary operators.
/// Errors:    integer a; shapes that do not fit.
struct pow : binary<pow> {
  static constexpr op_info info{.name = "pow", .onnx = "Pow", .min_operands = 2, .max_operands = 2};
  static constexpr float apply(float a, float b) { return b == 2.0F ? a * a : math::pow(a, b); }
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_floating(c, 0);
    c.result(0, c.type(0), detail::broadcast_dims(c.dims(0), c.dims(1), c));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    value b = c.in(1);
    if (!is_floating(b.type)) {
      b = value(dtype_id::f32, b.dims);
      for (std::size_t n = 0; n < b.f.size(); ++n) b.f[n] = static_cast<float>(c.in(1).i[n]);
    }
    value& y = c.out();
    detail::combine(y.dims, y.f.data(), c.in(0).dims, c.in(0).f.data(), b.dims, b.f.data(),
                    [](float l, float r) { return apply(l, r); });
    detail::round_elements(y);
  }
};
static_assert(op<pow>);

/// y = slope * x where x < 0, x elsewhere; slope is broadcast to x.                            (ONNX PRelu)
///
/// Shape:     y has the shape of x; slope broadcasts to it (unidirectional).
/// Elements:  f32, f16, bf16.
/// Tiling:    any slice; no halo.
/// Errors:    a slope that does not broadcast to x.
struct prelu : binary<prelu> {
  static constexpr op_info info{.name = "prelu", .onnx = "PRelu", .min_operands = 2, .max_operands = 2};
  static constexpr float apply(float x, float slope) { return x < 0.0F ? slope * x : x; }
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_same_type(c, 0, 1);
    const auto all = detail::broadcast_dims(c.dims(0), c.dims(1), c);
    if (c.dims(0).known() && !(all == c.dims(0)))
      c.fail(text("slope ") << c.dims(1).print() << " does not broadcast to x " << c.dims(0).print());
    c.result(0, c.type(0), c.dims(0));
  }
};
static_assert(op<prelu>);

/// y[i] = the operands' i-th elements combined from left to right: the family of operators of any number of operands.
///
/// Shape:     multidirectional broadcasting of all operands.
/// Elements:  f32, f16, bf16; integers where the operator has apply_integer.
/// Tiling:    any slice of any axis; no halo.
/// Errors:    element types that differ; shapes that do not fit.
template <class Self> struct variadic {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;

  static constexpr void infer(const attributes&, infer_context& c) {
    if constexpr (!detail::has_integer_form<Self>) detail::require_floating(c, 0);
    tmpu::shape all = c.dims(0);
    for (std::size_t i = 1; i < c.operand_count(); ++i) {
      detail::require_same_type(c, 0, i);
      all = detail::broadcast_dims(all, c.dims(i), c);
    }
    c.result(0, c.type(0), all);
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    value& y = c.out();
    for (std::size_t i = 0; i < c.operand_count(); ++i) {
      const value& x = c.in(i);
      if constexpr (detail::has_integer_form<Self>) {
        if (!is_floating(y.type)) {
          detail::combine(y.dims, y.i.data(), y.dims, y.i.data(), x.dims, x.i.data(),
                          [&](std::int64_t l, std::int64_t r) {
                            return i == 0 ? r : detail::wrap(y.type, Self::apply_integer(l, r));
                          });
          continue;
        }
      }
      detail::combine(y.dims, y.f.data(), y.dims, y.f.data(), x.dims, x.f.data(),
                      [&](float l, float r) { return i == 0 ? r : Self::apply(l, r); });
    }
    if constexpr (requires { Self::finish(0.0F, std::size_t{}); }) {
      for (float& v : y.f) v = Self::finish(v, c.operand_count());
    }
    detail::round_elements(y);
  }
};

/// y = the greatest of the operands.                                                           (ONNX Max)
struct max : variadic<max> {
  static constexpr op_info info{.name = "max", .onnx = "Max", .max_operands = -1};
  static constexpr float apply(float a, float b) { return a < b || math::is_nan(b) ? b : a; }
  static constexpr std::int64_t apply_integer(std::int64_t a, std::int64_t b) { return a < b ? b : a; }
};
static_assert(op<max>);

/// y = the least of the operands.                                                              (ONNX Min)
struct min : variadic<min> {
  static constexpr op_info info{.name = "min", .onnx = "Min", .max_operands = -1};
  static constexpr float apply(float a, float b) { return b < a || math::is_nan(b) ? b : a; }
  static constexpr std::int64_t apply_integer(std::int64_t a, std::int64_t b) { return b < a ? b : a; }
};
static_assert(op<min>);

/// y = the sum of the operands, from left to right.                                            (ONNX Sum)
struct sum : variadic<sum> {
  static constexpr op_info info{.name = "sum", .onnx = "Sum", .max_operands = -1};
  static constexpr float apply(float a, float b) { return a + b; }
};
static_assert(op<sum>);

/// y = the mean of the operands.                                                               (ONNX Mean)
struct mean : variadic<mean> {
  static constexpr op_info info{.name = "mean", .onnx = "Mean", .max_operands = -1};
  static constexpr float apply(float a, float b) { return a + b; }
  static constexpr float finish(float sum, std::size_t count) { return sum / static_cast<float>(count); }
};
static_assert(op<mean>);

} // namespace tmpu::top
