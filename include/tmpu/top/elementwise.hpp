// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/activations.hpp"
#include "tmpu/core/fast_loops.hpp"
#include "tmpu/top/common.hpp"

namespace tmpu::top {

namespace detail {
/// Calls f(to, from, count) for stretches of an array that the first-level cache holds, where there are vector kernels; says
/// whether there are.
template <class F> constexpr bool in_stretches(float* to, const float* from, std::size_t count, F&& f) {
  if (std::is_constant_evaluated() || fast_loops_in_use == nullptr) return false;
  constexpr std::size_t most = 1024;
  for (std::size_t at = 0; at < count; at += most)
    f(to + at, from + at, static_cast<std::int64_t>(count - at < most ? count - at : most));
  return true;
}
/// activation::sigmoid of each, by exp(-|x|).
inline void sigmoids(float* to, const float* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = from[i] < 0.0F ? from[i] : -from[i];
  fast_loops_in_use->exp(to, to, count);
  for (std::int64_t i = 0; i < count; ++i) to[i] = (from[i] < 0.0F ? to[i] : 1.0F) / (1.0F + to[i]);
}
} // namespace detail

/// y[i] = apply(x[i]): the family of operators of one operand. An operator gives `info` and apply(x) or
/// apply(attributes, x) in float, and in the same forms apply_integer where integers make sense. apply_all(attributes, y, x, count),
/// where it is given, does the same with vector kernels, or says that there are none.
///
/// Shape:     y has the shape of x.
/// Elements:  f32, f16, bf16; integers where the operator has apply_integer.
/// Tiling:    any slice of any axis; no halo.
/// Errors:    elements of another type.
template <class Self> struct unary {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = each_by_each;
  using attributes = no_attributes;

  template <class Attributes, class Int> static constexpr bool integer_form = requires(const Attributes& a) {
    Self::apply_integer(a, Int{});
  }
  || requires { Self::apply_integer(Int{}); };

  template <class Attributes> static constexpr void infer(const Attributes&, infer_context& c) {
    if constexpr (!integer_form<Attributes, std::int64_t>) detail::require_floating(c, 0);
    c.result(0, c.type(0), c.dims(0));
  }
  template <class Attributes> static constexpr void eval(const Attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    if constexpr (integer_form<Attributes, std::int64_t>) {
      if (!is_floating(y.type)) {
        detail::with_integer_of(y.type, [&]<class Int>(Int) {
          for (std::size_t n = 0; n < y.i.size(); ++n) {
            const auto v = static_cast<Int>(x.i[n]);
            if constexpr (requires { Self::apply_integer(a, v); }) {
              y.i[n] = detail::wrap(y.type, static_cast<std::int64_t>(Self::apply_integer(a, v)));
            } else {
              y.i[n] = detail::wrap(y.type, static_cast<std::int64_t>(Self::apply_integer(v)));
            }
          }
        });
        return;
      }
    }
    float* to = y.f.data();
    const float* from = x.f.data();
    if constexpr (requires { Self::apply_all(a, to, from, y.f.size()); }) {
      if (Self::apply_all(a, to, from, y.f.size())) return detail::round_elements(y);
    }
    for (std::size_t n = 0; n < y.f.size(); ++n) {
      if constexpr (requires { Self::apply(a, 0.0F); }) {
        to[n] = Self::apply(a, from[n]);
      } else {
        to[n] = Self::apply(from[n]);
      }
    }
    detail::round_elements(y);
  }
};

/// y = max(x, 0).                                                                              (ONNX Relu)
struct relu : unary<relu> {
  static constexpr op_info info{.name = "relu", .onnx = "Relu", .writes_all = true, .in_place = true};
  static constexpr float apply(float x) { return activation::relu(x); }
  static constexpr auto apply_integer(auto x) { return x > 0 ? x : 0; }
};
static_assert(op<relu>);

/// y = x for x >= 0, alpha * x below.                                                          (ONNX LeakyRelu)
struct leaky_relu : unary<leaky_relu> {
  static constexpr op_info info{.name = "leaky_relu", .onnx = "LeakyRelu", .writes_all = true};
  struct attributes {
    TMPU_STRUCT((defaulted<float, 1, 100>, alpha));
  };
  static constexpr float apply(const attributes& a, float x) { return activation::leaky_relu(x, a.alpha); }
};
static_assert(op<leaky_relu>);

/// y = x for x >= 0, alpha * (exp(x) - 1) below.                                               (ONNX Elu)
struct elu : unary<elu> {
  static constexpr op_info info{.name = "elu", .onnx = "Elu"};
  struct attributes {
    TMPU_STRUCT((defaulted<float, 1>, alpha));
  };
  static constexpr float apply(const attributes& a, float x) { return activation::elu(x, a.alpha); }
};
static_assert(op<elu>);

/// y = gamma * x for x > 0, gamma * (alpha * exp(x) - alpha) below.                            (ONNX Selu)
struct selu : unary<selu> {
  static constexpr op_info info{.name = "selu", .onnx = "Selu"};
  struct attributes {
    TMPU_STRUCT((defaulted<float, 14036349, 8388608>, alpha), (defaulted<float, 8813919, 8388608>, gamma));
  };
  static constexpr float apply(const attributes& a, float x) { return activation::selu(x, a.alpha, a.gamma); }
};
static_assert(op<selu>);

/// y = max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0).                                       (ONNX Celu)
struct celu : unary<celu> {
  static constexpr op_info info{.name = "celu", .onnx = "Celu"};
  struct attributes {
    TMPU_STRUCT((defaulted<float, 1>, alpha));
  };
  static constexpr float apply(const attributes& a, float x) { return activation::celu(x, a.alpha); }
};
static_assert(op<celu>);

/// y = x for x > alpha, 0 elsewhere.                                                           (ONNX ThresholdedRelu)
struct thresholded_relu : unary<thresholded_relu> {
  static constexpr op_info info{.name = "thresholded_relu", .onnx = "ThresholdedRelu"};
  struct attributes {
    TMPU_STRUCT((defaulted<float, 1>, alpha));
  };
  static constexpr float apply(const attributes& a, float x) { return activation::thresholded_relu(x, a.alpha); }
};
static_assert(op<thresholded_relu>);

/// y = 1 / (1 + exp(-x)).                                                                      (ONNX Sigmoid)
struct sigmoid : unary<sigmoid> {
  static constexpr op_info info{.name = "sigmoid", .onnx = "Sigmoid", .writes_all = true};
  static constexpr float apply(float x) { return activation::sigmoid(x); }
  static constexpr bool apply_all(const no_attributes&, float* y, const float* x, std::size_t count) {
    return detail::in_stretches(y, x, count, detail::sigmoids);
  }
};
static_assert(op<sigmoid>);

/// y = max(0, min(1, alpha * x + beta)).                                                       (ONNX HardSigmoid)
struct hard_sigmoid : unary<hard_sigmoid> {
  static constexpr op_info info{.name = "hard_sigmoid", .onnx = "HardSigmoid", .writes_all = true};
  struct attributes {
    TMPU_STRUCT((defaulted<float, 1, 5>, alpha), (defaulted<float, 1, 2>, beta));
  };
  static constexpr float apply(const attributes& a, float x) { return activation::hard_sigmoid(x, a.alpha, a.beta); }
};
static_assert(op<hard_sigmoid>);

/// y = x * max(0, min(1, x / 6 + 1/2)).                                                        (ONNX HardSwish)
struct hard_swish : unary<hard_swish> {
  static constexpr op_info info{.name = "hard_swish", .onnx = "HardSwish", .writes_all = true};
  static constexpr float apply(float x) { return activation::hard_swish(x); }
};
static_assert(op<hard_swish>);

/// y = x / (1 + exp(-x)).                                                                      (no ONNX name; SiLU, Swish)
struct silu : unary<silu> {
  static constexpr op_info info{.name = "silu", .writes_all = true};
  static constexpr float apply(float x) { return activation::silu(x); }
  static constexpr bool apply_all(const no_attributes&, float* y, const float* x, std::size_t count) {
    return detail::in_stretches(y, x, count, [](float* to, const float* from, std::int64_t n) {
      detail::sigmoids(to, from, n);
      for (std::int64_t i = 0; i < n; ++i) to[i] = from[i] * to[i];
    });
  }
};
static_assert(op<silu>);

/// y = tanh(x).                                                                                (ONNX Tanh)
struct tanh : unary<tanh> {
  static constexpr op_info info{.name = "tanh", .onnx = "Tanh", .writes_all = true};
  static constexpr float apply(float x) { return activation::tanh(x); }
};
static_assert(op<tanh>);

/// y = log(1 + exp(x)).                                                                        (ONNX Softplus)
struct softplus : unary<softplus> {
  static constexpr op_info info{.name = "softplus", .onnx = "Softplus"};
  static constexpr float apply(float x) { return activation::softplus(x); }
};
static_assert(op<softplus>);

/// y = x / (1 + |x|).                                                                          (ONNX Softsign)
struct softsign : unary<softsign> {
  static constexpr op_info info{.name = "softsign", .onnx = "Softsign"};
  static constexpr float apply(float x) { return activation::softsign(x); }
};
static_assert(op<softsign>);

/// y = x * tanh(log(1 + exp(x))).                                                              (ONNX Mish)
struct mish : unary<mish> {
  static constexpr op_info info{.name = "mish", .onnx = "Mish"};
  static constexpr float apply(float x) { return activation::mish(x); }
};
static_assert(op<mish>);

/// y = x/2 * (1 + erf(x / sqrt 2)); with approximate = "tanh":
/// y = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x^3))).                                    (ONNX Gelu)
struct gelu : unary<gelu> {
  static constexpr op_info info{.name = "gelu", .onnx = "Gelu", .writes_all = true};
  struct attributes {
    TMPU_STRUCT((text, approximate));
  };
  static constexpr float apply(const attributes& a, float x) {
    return a.approximate.view() == "tanh" ? activation::gelu_tanh(x) : activation::gelu(x);
  }
  static constexpr bool apply_all(const attributes& a, float* y, const float* x, std::size_t count) {
    if (a.approximate.view() == "tanh") return false;
    return detail::in_stretches(y, x, count, [](float* to, const float* from, std::int64_t n) {
      for (std::int64_t i = 0; i < n; ++i) to[i] = from[i] * 0.7071067811865476F;
      fast_loops_in_use->erf(to, to, n);
      for (std::int64_t i = 0; i < n; ++i) to[i] = 0.5F * from[i] * (1.0F + to[i]);
    });
  }
};
static_assert(op<gelu>);

/// y = erf(x).                                                                                 (ONNX Erf)
struct erf : unary<erf> {
  static constexpr op_info info{.name = "erf", .onnx = "Erf", .writes_all = true};
  static constexpr float apply(float x) { return activation::erf(x); }
  static constexpr bool apply_all(const no_attributes&, float* y, const float* x, std::size_t count) {
    return detail::in_stretches(
        y, x, count, [](float* to, const float* from, std::int64_t n) { fast_loops_in_use->erf(to, from, n); });
  }
};
static_assert(op<erf>);

/// y = exp(x).                                                                                 (ONNX Exp)
struct exp : unary<exp> {
  static constexpr op_info info{.name = "exp", .onnx = "Exp", .writes_all = true};
  static constexpr float apply(float x) { return activation::exp(x); }
  static constexpr bool apply_all(const no_attributes&, float* y, const float* x, std::size_t count) {
    return detail::in_stretches(
        y, x, count, [](float* to, const float* from, std::int64_t n) { fast_loops_in_use->exp(to, from, n); });
  }
};
static_assert(op<exp>);

/// y = log(x).                                                                                 (ONNX Log)
struct log : unary<log> {
  static constexpr op_info info{.name = "log", .onnx = "Log"};
  static constexpr float apply(float x) { return activation::log(x); }
};
static_assert(op<log>);

/// y = sqrt(x).                                                                                (ONNX Sqrt)
struct sqrt : unary<sqrt> {
  static constexpr op_info info{.name = "sqrt", .onnx = "Sqrt"};
  static constexpr float apply(float x) { return activation::sqrt(x); }
};
static_assert(op<sqrt>);

/// y = 1 / x.                                                                                  (ONNX Reciprocal)
struct reciprocal : unary<reciprocal> {
  static constexpr op_info info{.name = "reciprocal", .onnx = "Reciprocal"};
  static constexpr float apply(float x) { return activation::reciprocal(x); }
};
static_assert(op<reciprocal>);

/// y = |x|.                                                                                    (ONNX Abs)
struct abs : unary<abs> {
  static constexpr op_info info{.name = "abs", .onnx = "Abs"};
  static constexpr float apply(float x) { return activation::abs(x); }
  static constexpr auto apply_integer(auto x) { return x > 0 ? x : detail::wrapping_neg(x); }
};
static_assert(op<abs>);

/// y = -x.                                                                                     (ONNX Neg)
struct neg : unary<neg> {
  static constexpr op_info info{.name = "neg", .onnx = "Neg"};
  static constexpr float apply(float x) { return activation::neg(x); }
  static constexpr auto apply_integer(auto x) { return detail::wrapping_neg(x); }
};
static_assert(op<neg>);

/// y = -1, 0 or 1, the sign of x.                                                              (ONNX Sign)
struct sign : unary<sign> {
  static constexpr op_info info{.name = "sign", .onnx = "Sign"};
  static constexpr float apply(float x) { return activation::sign(x); }
  static constexpr int apply_integer(auto x) { return x > 0 ? 1 : (x == 0 ? 0 : -1); }
};
static_assert(op<sign>);

/// y = the greatest integer that is not above x.                                               (ONNX Floor)
struct floor : unary<floor> {
  static constexpr op_info info{.name = "floor", .onnx = "Floor"};
  static constexpr float apply(float x) { return activation::floor(x); }
};
static_assert(op<floor>);

/// y = the least integer that is not below x.                                                  (ONNX Ceil)
struct ceil : unary<ceil> {
  static constexpr op_info info{.name = "ceil", .onnx = "Ceil"};
  static constexpr float apply(float x) { return activation::ceil(x); }
};
static_assert(op<ceil>);

/// y = the nearest integer, halves to the even one.                                            (ONNX Round)
struct round : unary<round> {
  static constexpr op_info info{.name = "round", .onnx = "Round"};
  static constexpr float apply(float x) { return activation::round(x); }
};
static_assert(op<round>);

/// y = sin(x).                                                                                 (ONNX Sin)
struct sin : unary<sin> {
  static constexpr op_info info{.name = "sin", .onnx = "Sin"};
  static constexpr float apply(float x) { return activation::sin(x); }
};
static_assert(op<sin>);

/// y = cos(x).                                                                                 (ONNX Cos)
struct cos : unary<cos> {
  static constexpr op_info info{.name = "cos", .onnx = "Cos"};
  static constexpr float apply(float x) { return activation::cos(x); }
};
static_assert(op<cos>);

/// y = tan(x).                                                                                 (ONNX Tan)
struct tan : unary<tan> {
  static constexpr op_info info{.name = "tan", .onnx = "Tan"};
  static constexpr float apply(float x) { return math::tan(x); }
};
static_assert(op<tan>);

/// y = the angle whose sine is x.                                                              (ONNX Asin)
struct asin : unary<asin> {
  static constexpr op_info info{.name = "asin", .onnx = "Asin"};
  static constexpr float apply(float x) { return math::asin(x); }
};
static_assert(op<asin>);

/// y = the angle whose cosine is x.                                                            (ONNX Acos)
struct acos : unary<acos> {
  static constexpr op_info info{.name = "acos", .onnx = "Acos"};
  static constexpr float apply(float x) { return math::acos(x); }
};
static_assert(op<acos>);

/// y = the angle whose tangent is x.                                                           (ONNX Atan)
struct atan : unary<atan> {
  static constexpr op_info info{.name = "atan", .onnx = "Atan"};
  static constexpr float apply(float x) { return math::atan(x); }
};
static_assert(op<atan>);

/// y = sinh(x).                                                                                (ONNX Sinh)
struct sinh : unary<sinh> {
  static constexpr op_info info{.name = "sinh", .onnx = "Sinh"};
  static constexpr float apply(float x) { return math::sinh(x); }
};
static_assert(op<sinh>);

/// y = cosh(x).                                                                                (ONNX Cosh)
struct cosh : unary<cosh> {
  static constexpr op_info info{.name = "cosh", .onnx = "Cosh"};
  static constexpr float apply(float x) { return math::cosh(x); }
};
static_assert(op<cosh>);

/// y = the number whose sinh is x.                                                             (ONNX Asinh)
struct asinh : unary<asinh> {
  static constexpr op_info info{.name = "asinh", .onnx = "Asinh"};
  static constexpr float apply(float x) { return math::asinh(x); }
};
static_assert(op<asinh>);

/// y = the number of at least 0 whose cosh is x.                                               (ONNX Acosh)
struct acosh : unary<acosh> {
  static constexpr op_info info{.name = "acosh", .onnx = "Acosh"};
  static constexpr float apply(float x) { return math::acosh(x); }
};
static_assert(op<acosh>);

/// y = the number whose tanh is x.                                                             (ONNX Atanh)
struct atanh : unary<atanh> {
  static constexpr op_info info{.name = "atanh", .onnx = "Atanh"};
  static constexpr float apply(float x) { return math::atanh(x); }
};
static_assert(op<atanh>);

/// y = x + bias for x < -lambd, x - bias for x > lambd, 0 between; integers in float, toward zero.  (ONNX Shrink)
struct shrink : unary<shrink> {
  static constexpr op_info info{.name = "shrink", .onnx = "Shrink"};
  struct attributes {
    TMPU_STRUCT((defaulted<float, 0>, bias), (defaulted<float, 1, 2>, lambd));
  };
  static constexpr float apply(const attributes& a, float x) { return activation::shrink(x, a.lambd, a.bias); }
  static constexpr std::int64_t apply_integer(const attributes& a, auto x) {
    return detail::to_integer(dtype_id::i64, static_cast<double>(apply(a, static_cast<float>(x))));
  }
};
static_assert(op<shrink>);

/// y = x / (1 + exp(-alpha * x)).                                                              (ONNX Swish)
struct swish : unary<swish> {
  static constexpr op_info info{.name = "swish", .onnx = "Swish"};
  struct attributes {
    TMPU_STRUCT((defaulted<float, 1>, alpha));
  };
  static constexpr float apply(const attributes& a, float x) { return activation::swish(x, a.alpha); }
};
static_assert(op<swish>);

/// y = x with every bit turned.                                                                (ONNX BitwiseNot)
///
/// Shape:     y has the shape of x.
/// Elements:  integers.
/// Tiling:    any slice.
/// Errors:    floating-point and bool elements.
struct bitwise_not : unary<bitwise_not> {
  static constexpr op_info info{.name = "bitwise_not", .onnx = "BitwiseNot"};
  static constexpr auto apply_integer(auto x) { return ~x; }
  static constexpr float apply(float x) { return x; } // no floating-point elements: infer refuses them
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_integers(c, 0);
    c.result(0, c.type(0), c.dims(0));
  }
};
static_assert(op<bitwise_not>);

/// y[i] = holds(attributes, x[i]) as bool: the family of tests of one operand.
///
/// Shape:     y has the shape of x.
/// Elements:  x: f32, f16, bf16; y: bool.
/// Tiling:    any slice.
/// Errors:    elements of another type.
template <class Self> struct element_test {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  template <class Attributes> static constexpr void infer(const Attributes&, infer_context& c) {
    detail::require_floating(c, 0);
    c.result(0, dtype_id::boolean, c.dims(0));
  }
  template <class Attributes> static constexpr void eval(const Attributes& a, eval_context& c) {
    for (std::size_t n = 0; n < c.out().i.size(); ++n) c.out().i[n] = Self::holds(a, c.in(0).f[n]) ? 1 : 0;
  }
};

/// y = whether x is no number.                                                                 (ONNX IsNaN)
struct is_nan : element_test<is_nan> {
  static constexpr op_info info{.name = "is_nan", .onnx = "IsNaN"};
  static constexpr bool holds(const attributes&, float x) { return math::is_nan(x); }
};
static_assert(op<is_nan>);

/// y = whether x is an infinity of a sign that is asked for.                                   (ONNX IsInf)
struct is_inf : element_test<is_inf> {
  static constexpr op_info info{.name = "is_inf", .onnx = "IsInf"};
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, detect_negative), (defaulted<std::int64_t, 1>, detect_positive));
  };
  static constexpr bool holds(const attributes& a, float x) {
    return (x == math::infinity<float> && a.detect_positive != 0) ||
           (x == -math::infinity<float> && a.detect_negative != 0);
  }
};
static_assert(op<is_inf>);

/// y = 1 where x is 0, else 0.                                                                 (ONNX Not)
///
/// Shape:     y has the shape of x.
/// Elements:  bool.
/// Tiling:    any slice.
/// Errors:    elements that are not bool.
struct logical_not : unary<logical_not> {
  static constexpr op_info info{.name = "logical_not", .onnx = "Not"};
  static constexpr int apply_integer(auto x) { return x == 0 ? 1 : 0; }
  static constexpr float apply(float x) { return x; } // no floating-point elements: infer refuses them
  static constexpr void infer(const attributes&, infer_context& c) {
    if (c.type(0) != dtype_id::boolean) c.fail(text("takes bool elements, not ") << name_of(c.type(0)));
    c.result(0, c.type(0), c.dims(0));
  }
};
static_assert(op<logical_not>);

/// y = min(max(x, low), high).                                                                 (ONNX Clip)
/// The bounds are the operands 1 and 2, scalars, each optional; or the attribute clamp = [low, high] (canonical form).
///
/// Shape:     y has the shape of x.
/// Elements:  f32, f16, bf16; integers.
/// Tiling:    any slice; no halo.
/// Errors:    bounds of another type than x, or not scalar.
struct clip {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = each_by_each;
  struct attributes {
    TMPU_STRUCT((floats, clamp));
  };
  static constexpr op_info info{
      .name = "clip", .onnx = "Clip", .max_operands = 3, .writes_all = true, .in_place = true};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::check_clamp(a.clamp, c);
    for (std::size_t i = 1; i < 3; ++i) {
      if (!c.has(i)) continue;
      detail::require_same_type(c, 0, i);
      if (c.dims(i).known() && c.dims(i).elements() != 1)
        c.fail(text("bound ") << i << " must be a scalar, but is " << c.dims(i).print());
    }
    c.result(0, c.type(0), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    if (!is_floating(y.type)) {
      detail::with_integer_of(y.type, [&]<class Int>(Int) {
        for (std::size_t n = 0; n < y.i.size(); ++n) {
          auto v = static_cast<Int>(x.i[n]);
          if (c.has(1) && v < static_cast<Int>(c.in(1).i[0])) v = static_cast<Int>(c.in(1).i[0]);
          if (c.has(2) && v > static_cast<Int>(c.in(2).i[0])) v = static_cast<Int>(c.in(2).i[0]);
          y.i[n] = static_cast<std::int64_t>(v);
        }
      });
      return;
    }
    detail::clamp_bounds bounds(a.clamp);
    if (c.has(1)) bounds.low = c.in(1).f[0];
    if (c.has(2)) bounds.high = c.in(2).f[0];
    // ONNX: the upper bound is applied last, so it wins where the bounds cross.
    if (bounds.low > bounds.high) bounds.low = bounds.high;
    for (std::size_t n = 0; n < y.f.size(); ++n) y.f[n] = bounds(x.f[n]);
    detail::round_elements(y);
  }
};
static_assert(op<clip>);

} // namespace tmpu::top
