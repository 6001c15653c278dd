// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/activations.hpp"
#include "tmpu/top/common.hpp"

namespace tmpu::top {

namespace detail {
template <class Self> concept has_integer_form = requires { Self::apply_integer(std::int64_t{}, std::int64_t{}); };
template <class Self> concept has_float_form = requires { Self::apply(0.0F, 0.0F); };
template <class Attributes> constexpr bool has_clamp = requires(const Attributes& a) { a.clamp; };

/// y = f(a, b) for each element, a and b broadcast to y.
template <class Out, class A, class B, class F>
constexpr void combine(const dims& out, Out* y, const dims& a_dims, const A* a, const dims& b_dims, const B* b, F&& f) {
  const strides all[] = {strides_of(out), broadcast_strides(a_dims, out), broadcast_strides(b_dims, out)};
  for_each_row(out, all, [&](const auto& at, std::int64_t count, const auto& step) {
    Out* to = y + at[0];
    const A* l = a + at[1];
    const B* r = b + at[2];
    // One array that is both is no obstacle to vectors, if that is known.
    if constexpr (std::is_same_v<Out, A>) {
      if (step[1] == 1 && step[2] == 1 && to == l) {
        for (std::int64_t n = 0; n < count; ++n) to[n] = f(to[n], r[n]);
        return;
      }
    }
    if constexpr (std::is_same_v<Out, B>) {
      if (step[1] == 1 && step[2] == 1 && to == r) {
        for (std::int64_t n = 0; n < count; ++n) to[n] = f(l[n], to[n]);
        return;
      }
    }
    if (step[1] == 1 && step[2] == 1) {
      for (std::int64_t n = 0; n < count; ++n) to[n] = f(l[n], r[n]);
    } else {
      for (std::int64_t n = 0; n < count; ++n) to[n] = f(l[n * step[1]], r[n * step[2]]);
    }
  });
}
/// The same for integers of one type, by Self::apply_integer; the result wraps around.
template <class Self> constexpr void combine_integers(value& y, const value& a, const value& b) {
  with_integer_of(y.type, [&]<class Int>(Int) {
    combine(y.dims, y.i.data(), a.dims, a.i.data(), b.dims, b.i.data(), [&](std::int64_t l, std::int64_t r) {
      return wrap(y.type, static_cast<std::int64_t>(Self::apply_integer(static_cast<Int>(l), static_cast<Int>(r))));
    });
  });
}
} // namespace detail

/// y[i] = apply(a[i], b[i]), a and b broadcast to y: the family of operators of two operands. An operator gives `info`
/// apply(a, b) in float, or apply_integer(a, b), or both.
///
/// Shape:     multidirectional broadcasting of a and b.
/// Elements:  f32, f16, bf16 where the operator has apply, integers where it has apply_integer; both operands of one type.
/// Tiling:    any slice of any axis of y; a broadcast axis of an operand is not sliced; no halo.
/// Errors:    element types that differ or are not taken; shapes that do not fit.
template <class Self> struct binary {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = each_by_each;
  using attributes = no_attributes;

  template <class Attributes> static constexpr void infer(const Attributes& a, infer_context& c) {
    detail::require_same_type(c, 0, 1);
    if constexpr (!detail::has_integer_form<Self>) detail::require_floating(c, 0);
    if constexpr (!detail::has_float_form<Self>) detail::require_integers(c, 0);
    if constexpr (detail::has_clamp<Attributes>) detail::check_clamp(a.clamp, c);
    c.result(0, c.type(0), detail::broadcast_dims(c.dims(0), c.dims(1), c));
  }
  template <class Attributes> static constexpr void eval(const Attributes& attributes, eval_context& c) {
    const value& a = c.in(0);
    const value& b = c.in(1);
    value& y = c.out();
    if constexpr (detail::has_integer_form<Self>) {
      if (!is_floating(y.type)) {
        detail::combine_integers<Self>(y, a, b);
        return;
      }
    }
    if constexpr (detail::has_float_form<Self>) {
      const auto put = [&](auto&& apply) {
        detail::combine(y.dims, y.f.data(), a.dims, a.f.data(), b.dims, b.f.data(), apply);
      };
      if constexpr (detail::has_clamp<Attributes>) {
        const detail::clamp_bounds clamp(attributes.clamp);
        put([&](float l, float r) { return clamp(Self::apply(l, r)); });
      } else {
        put([](float l, float r) { return Self::apply(l, r); });
      }
    }
    detail::round_elements(y);
  }
};

/// Arithmetic that may have a fused activation: clamp is empty, or [low, high] applied to the result.
template <class Self> struct arithmetic : binary<Self> {
  struct attributes {
    TMPU_STRUCT((floats, clamp));
  };
};

/// y = a + b.                                                                                  (ONNX Add)
struct add : arithmetic<add> {
  static constexpr op_info info{
      .name = "add", .onnx = "Add", .min_operands = 2, .max_operands = 2, .writes_all = true, .in_place = true};
  static constexpr float apply(float a, float b) { return a + b; }
  static constexpr auto apply_integer(auto a, auto b) { return detail::wrapping_add(a, b); }
};
static_assert(op<add>);

/// y = a - b.                                                                                  (ONNX Sub)
struct sub : arithmetic<sub> {
  static constexpr op_info info{
      .name = "sub", .onnx = "Sub", .min_operands = 2, .max_operands = 2, .writes_all = true, .in_place = true};
  static constexpr float apply(float a, float b) { return a - b; }
  static constexpr auto apply_integer(auto a, auto b) { return detail::wrapping_add(a, detail::wrapping_neg(b)); }
};
static_assert(op<sub>);

/// y = a * b.                                                                                  (ONNX Mul)
struct mul : arithmetic<mul> {
  static constexpr op_info info{
      .name = "mul", .onnx = "Mul", .min_operands = 2, .max_operands = 2, .writes_all = true, .in_place = true};
  static constexpr float apply(float a, float b) { return a * b; }
  static constexpr auto apply_integer(auto a, auto b) { return detail::wrapping_mul(a, b); }
};
static_assert(op<mul>);

/// y = a / b; integers toward zero, 0 where an integer b is 0.                                 (ONNX Div)
struct div : arithmetic<div> {
  static constexpr op_info info{
      .name = "div", .onnx = "Div", .min_operands = 2, .max_operands = 2, .writes_all = true, .in_place = true};
  static constexpr float apply(float a, float b) { return activation::divide(a, b); }
  static constexpr auto apply_integer(auto a, auto b) {
    if (b == 0) return decltype(a){0};
    return std::is_signed_v<decltype(b)> && detail::wrapping_add(b, decltype(b){1}) == 0 ? detail::wrapping_neg(a)
                                                                                         : a / b;
  }
};
static_assert(op<div>);

/// y = a to the power b; y has the element type of a. Two integers are multiplied exactly (and wrap around; a negative power
/// is 1 / a^-b toward zero, 0 for a = 0); an integer and a float go through double.           (ONNX Pow)
///
/// Shape:     multidirectional broadcasting.
/// Elements:  any pair of numeric types.
/// Tiling:    as the other binary operators.
/// Errors:    shapes that do not fit.
struct pow : binary<pow> {
  static constexpr op_info info{.name = "pow", .onnx = "Pow", .min_operands = 2, .max_operands = 2};
  static constexpr float apply(float a, float b) { return b == 2.0F ? a * a : math::pow(a, b); }
  static constexpr std::int64_t apply_integer(auto a, auto b) {
    return integer_power(static_cast<std::int64_t>(a), static_cast<std::int64_t>(b));
  }
  static constexpr std::int64_t integer_power(std::int64_t a, std::int64_t b) {
    if (b < 0) return a == 1 ? 1 : (a == -1 ? (b % 2 == 0 ? 1 : -1) : 0);
    std::int64_t power = 1;
    for (std::int64_t factor = a; b > 0; b /= 2, factor = detail::wrapping_mul(factor, factor)) {
      if (b % 2 == 1) power = detail::wrapping_mul(power, factor);
    }
    return power;
  }
  static constexpr void infer(const attributes&, infer_context& c) {
    c.result(0, c.type(0), detail::broadcast_dims(c.dims(0), c.dims(1), c));
  }
  static constexpr void eval(const attributes& attributes, eval_context& c) {
    const value& a = c.in(0);
    const value& b = c.in(1);
    value& y = c.out();
    if (is_floating(a.type) == is_floating(b.type)) {
      binary<pow>::eval(attributes, c);
    } else if (is_floating(a.type)) {
      detail::combine(y.dims, y.f.data(), a.dims, a.f.data(), b.dims, b.i.data(), [&](float l, std::int64_t r) {
        return static_cast<float>(math::pow(static_cast<double>(l), detail::from_integer(b.type, r)));
      });
      detail::round_elements(y);
    } else {
      detail::combine(y.dims, y.i.data(), a.dims, a.i.data(), b.dims, b.f.data(), [&](std::int64_t l, float r) {
        return detail::to_integer(y.type, math::pow(detail::from_integer(a.type, l), static_cast<double>(r)));
      });
    }
  }
};
static_assert(op<pow>);

/// y = the rest of a / b with the sign of b, or, with fmod = 1, of a; 0 where an integer b is 0.  (ONNX Mod)
///
/// Shape:     multidirectional broadcasting.
/// Elements:  integers; f32, f16, bf16 with fmod = 1.
/// Tiling:    as the other binary operators.
/// Errors:    element types that differ; floats without fmod; shapes that do not fit.
struct mod : binary<mod> {
  static constexpr op_info info{.name = "mod", .onnx = "Mod", .min_operands = 2, .max_operands = 2};
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, fmod));
  };
  static constexpr float apply(float a, float b) { return activation::rest(a, b); }
  /// The rest with the sign of a.
  static constexpr auto apply_integer(auto a, auto b) {
    using integer = decltype(a);
    if (b == 0 || (std::is_signed_v<integer> && detail::wrapping_add(b, integer{1}) == 0)) return integer{0};
    return static_cast<integer>(a % b);
  }
  static constexpr void infer(const attributes& a, infer_context& c) {
    if (a.fmod == 0 && is_floating(c.type(0))) c.fail("floating-point elements need the attribute fmod = 1");
    binary<mod>::infer(a, c);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    binary<mod>::eval(a, c);
    if (a.fmod != 0) return;
    // The signs differ: one b more. (With unsigned elements they never do.)
    value& y = c.out();
    if (!facts_of(y.type).is_signed) return;
    detail::combine(
        y.dims, y.i.data(), y.dims, y.i.data(), c.in(1).dims, c.in(1).i.data(),
        [](std::int64_t rest, std::int64_t b) { return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest; });
  }
};
static_assert(op<mod>);

/// y = a shifted by b bits, direction LEFT or RIGHT; 0 where b is the width of the type or more.  (ONNX BitShift)
///
/// Shape:     multidirectional broadcasting.
/// Elements:  unsigned integers.
/// Tiling:    as the other binary operators.
/// Errors:    element types that differ or are signed; another direction; shapes that do not fit.
struct bit_shift : binary<bit_shift> {
  static constexpr op_info info{.name = "bit_shift", .onnx = "BitShift", .min_operands = 2, .max_operands = 2};
  struct attributes {
    TMPU_STRUCT((text, direction));
  };
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_integers(c, 0);
    detail::require_same_type(c, 0, 1);
    if (facts_of(c.type(0)).is_signed) c.fail(text("takes unsigned integers, not ") << name_of(c.type(0)));
    if (a.direction.view() != "LEFT" && a.direction.view() != "RIGHT")
      c.fail(text("direction '") << a.direction << "' is not known; it is LEFT or RIGHT");
    c.result(0, c.type(0), detail::broadcast_dims(c.dims(0), c.dims(1), c));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const bool left = a.direction.view() == "LEFT";
    detail::combine(y.dims, y.i.data(), c.in(0).dims, c.in(0).i.data(), c.in(1).dims, c.in(1).i.data(),
                    [&](std::int64_t x, std::int64_t by) {
                      const auto bits = static_cast<std::uint64_t>(x);
                      const auto shift = static_cast<std::uint64_t>(by);
                      if (shift > 63) return std::int64_t{0};
                      return detail::wrap(y.type, static_cast<std::int64_t>(left ? bits << shift : bits >> shift));
                    });
  }
};
static_assert(op<bit_shift>);

/// y = the bits that a and b both have.                                                        (ONNX BitwiseAnd)
struct bitwise_and : binary<bitwise_and> {
  static constexpr op_info info{.name = "bitwise_and", .onnx = "BitwiseAnd", .min_operands = 2, .max_operands = 2};
  static constexpr auto apply_integer(auto a, auto b) { return a & b; }
};
static_assert(op<bitwise_and>);

/// y = the bits that a or b have.                                                              (ONNX BitwiseOr)
struct bitwise_or : binary<bitwise_or> {
  static constexpr op_info info{.name = "bitwise_or", .onnx = "BitwiseOr", .min_operands = 2, .max_operands = 2};
  static constexpr auto apply_integer(auto a, auto b) { return a | b; }
};
static_assert(op<bitwise_or>);

/// y = the bits in which a and b differ.                                                       (ONNX BitwiseXor)
struct bitwise_xor : binary<bitwise_xor> {
  static constexpr op_info info{.name = "bitwise_xor", .onnx = "BitwiseXor", .min_operands = 2, .max_operands = 2};
  static constexpr auto apply_integer(auto a, auto b) { return a ^ b; }
};
static_assert(op<bitwise_xor>);

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
  static constexpr element_flow flow = each_by_each;
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
          if (i > 0) {
            detail::combine_integers<Self>(y, y, x);
          } else {
            detail::combine(y.dims, y.i.data(), y.dims, y.i.data(), x.dims, x.i.data(),
                            [](std::int64_t, std::int64_t r) { return r; });
          }
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
  static constexpr auto apply_integer(auto a, auto b) { return a < b ? b : a; }
};
static_assert(op<max>);

/// y = the least of the operands.                                                              (ONNX Min)
struct min : variadic<min> {
  static constexpr op_info info{.name = "min", .onnx = "Min", .max_operands = -1};
  static constexpr float apply(float a, float b) { return b < a || math::is_nan(b) ? b : a; }
  static constexpr auto apply_integer(auto a, auto b) { return b < a ? b : a; }
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
