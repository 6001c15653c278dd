// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/isa/instructions.hpp"
#include "tmpu/tpu/common.hpp"

namespace tmpu::tpu {

/// f(x) of an instruction's unary function; alpha and beta as isa::unary says.
constexpr float apply_unary(isa::unary_kind kind, float x, float alpha, float beta) {
  using enum isa::unary_kind;
  switch (kind) {
  case clip: return activation::clip(x, alpha, beta);
  case leaky_relu: return activation::leaky_relu(x, alpha);
  case sigmoid: return activation::sigmoid(x);
  case tanh: return activation::tanh(x);
  case hard_sigmoid: return activation::hard_sigmoid(x, alpha, beta);
  case hard_swish: return activation::hard_swish(x);
  case silu: return activation::silu(x);
  case elu: return activation::elu(x, alpha);
  case softplus: return activation::softplus(x);
  case gelu: return activation::gelu(x);
  case gelu_tanh: return activation::gelu_tanh(x);
  case erf: return activation::erf(x);
  case exp: return activation::exp(x);
  case log: return activation::log(x);
  case sqrt: return activation::sqrt(x);
  case reciprocal: return activation::reciprocal(x);
  case abs: return activation::abs(x);
  case neg: return activation::neg(x);
  case mish: return activation::mish(x);
  case softsign: return activation::softsign(x);
  case selu: return activation::selu(x, alpha, beta);
  case floor: return activation::floor(x);
  case ceil: return activation::ceil(x);
  case round: return activation::round(x);
  case sin: return activation::sin(x);
  case cos: return activation::cos(x);
  case tan: return math::tan(x);
  case asin: return math::asin(x);
  case acos: return math::acos(x);
  case atan: return math::atan(x);
  case sinh: return math::sinh(x);
  case cosh: return math::cosh(x);
  case asinh: return math::asinh(x);
  case acosh: return math::acosh(x);
  case atanh: return math::atanh(x);
  case sign: return activation::sign(x);
  case celu: return activation::celu(x, alpha);
  case thresholded_relu: return activation::thresholded_relu(x, alpha);
  case shrink: return activation::shrink(x, alpha, beta);
  case swish: return activation::swish(x, alpha);
  }
  return x;
}

/// y = clamp(a op b), a and b broadcast to y. Integer, with A = a - a_zero and B = b - b_zero:
/// add, sub, max, min: y_zero + (A * a_multiplier op B * b_multiplier) / 2^shift; mul: y_zero + A * B * a_multiplier / 2^shift; one
/// rounding, half away from zero. div, pow, rest: float only.
///
/// Operands:  a, b, folded to [n, c, h, w] where each dimension is 1 or that of y. Of one float type, or integers.
/// Shape:     broadcasting.
/// Attributes: kind: isa::binary_kind as a number; clamp = [low, high], infinite where there is none.
/// Tiling:    any slice of N, C, H; an operand with c = 1 against more lies whole in every lane.
/// Errors:    shapes that do not broadcast in the folded form; div, pow and rest of integers.
struct binary : basic_op<binary> {
  static constexpr op_info info{.name = "binary", .min_operands = 2, .max_operands = 2};
  struct attributes {
    TMPU_STRUCT((std::int64_t, kind), (std::int64_t, a_multiplier), (std::int64_t, b_multiplier), (std::int64_t, shift),
                (floats, clamp));
  };

  static constexpr bool elementwise = true;
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_clamp(c, a.clamp);
    if (a.kind < 0 || a.kind > static_cast<std::int64_t>(isa::binary_kind::rest))
      c.fail(text("binary kind ") << a.kind << " is unknown");
    if (isa::floats_only(static_cast<isa::binary_kind>(a.kind)) && !is_floating(c.type(0)))
      c.fail(text(isa::name_of(static_cast<isa::binary_kind>(a.kind))) << " takes floats only");
    const auto all = broadcast(c.dims(0), c.dims(1));
    const view4 y = fold(all.dims);
    if (!all.ok || !fits(fold(c.dims(0)), y) || !fits(fold(c.dims(1)), y)) {
      c.fail(text("shapes ") << c.dims(0).print() << " and " << c.dims(1).print()
                             << " cannot be broadcast as [n, c, h, w]");
    }
    detail::result_dims(c, all.dims);
  }

  static constexpr void eval(const attributes& at, eval_context& c) {
    const value& a = c.in(0);
    const value& b = c.in(1);
    value& y = c.out();
    const view4 v = fold(y.dims);
    const steps as(fold(a.dims));
    const steps bs(fold(b.dims));
    const auto kind = static_cast<isa::binary_kind>(at.kind);
    const std::int64_t a_zero = c.in_quant(0).zero_point;
    const std::int64_t b_zero = c.in_quant(1).zero_point;
    const std::int64_t y_zero = c.out_quant().zero_point;
    std::int64_t to = 0;
    for (std::int64_t n = 0; n < v.n; ++n) {
      for (std::int64_t ch = 0; ch < v.c; ++ch) {
        for (std::int64_t h = 0; h < v.h; ++h) {
          const std::int64_t ra = n * as.n + ch * as.c + h * as.h;
          const std::int64_t rb = n * bs.n + ch * bs.c + h * bs.h;
          for (std::int64_t w = 0; w < v.w; ++w, ++to) {
            if (is_floating(y.type)) {
              const float r = apply(kind, a.f.data()[ra + w * as.w], b.f.data()[rb + w * bs.w]);
              y.f.data()[to] = round_to(y.type, activation::clip(r, at.clamp[0], at.clamp[1]));
            } else {
              const std::int64_t r =
                  integer(kind, a.i.data()[ra + w * as.w] - a_zero, b.i.data()[rb + w * bs.w] - b_zero, at);
              y.i.data()[to] = clamp_integer(saturate(y.type, y_zero + r), at.clamp[0], at.clamp[1]);
            }
          }
        }
      }
    }
  }

  static constexpr operand_facts operand(const graph_body& g, node_id id, std::size_t i) {
    const view4 v = fold(detail::operand_dims(g, id, i));
    const bool everywhere = v.c == 1 && detail::result_view(g, id).c > 1;
    return {.layout = everywhere ? isa::layout::copy : isa::layout::aligned, .dims = v};
  }

private:
  struct steps {
    std::int64_t n, c, h, w;
    constexpr explicit steps(const view4& v)
        : n(v.n == 1 ? 0 : v.c * v.h * v.w), c(v.c == 1 ? 0 : v.h * v.w), h(v.h == 1 ? 0 : v.w), w(v.w == 1 ? 0 : 1) {}
  };
  static constexpr bool fits(const view4& x, const view4& y) {
    return (x.n == 1 || x.n == y.n) && (x.c == 1 || x.c == y.c) && (x.h == 1 || x.h == y.h) && (x.w == 1 || x.w == y.w);
  }
  static constexpr float apply(isa::binary_kind kind, float a, float b) {
    switch (kind) {
    case isa::binary_kind::add: return a + b;
    case isa::binary_kind::sub: return a - b;
    case isa::binary_kind::mul: return a * b;
    case isa::binary_kind::div: return activation::divide(a, b);
    case isa::binary_kind::max: return a < b ? b : a;
    case isa::binary_kind::min: return b < a ? b : a;
    case isa::binary_kind::pow: return math::pow(a, b);
    case isa::binary_kind::rest: return activation::rest(a, b);
    }
    return a;
  }
  static constexpr std::int64_t integer(isa::binary_kind kind, std::int64_t a, std::int64_t b, const attributes& at) {
    if (kind == isa::binary_kind::mul) return requantize(a * b, at.a_multiplier, at.shift);
    const std::int64_t l = a * at.a_multiplier;
    const std::int64_t r = b * at.b_multiplier;
    switch (kind) {
    case isa::binary_kind::add: return shift_right(l + r, at.shift);
    case isa::binary_kind::sub: return shift_right(l - r, at.shift);
    case isa::binary_kind::max: return shift_right(l < r ? r : l, at.shift);
    default: return shift_right(r < l ? r : l, at.shift);
    }
  }
};
static_assert(op<binary>);

/// y = f(x), element by element, in f32.
///
/// Shape:     y has the shape of x.
/// Elements:  f32, f16, bf16.
/// Attributes: kind: isa::unary_kind as a number; alpha and beta as isa::unary says.
/// Tiling:    any slice of N, C, H.
/// Errors:    integer elements (see lookup).
struct unary : basic_op<unary> {
  static constexpr op_info info{.name = "unary"};
  struct attributes {
    TMPU_STRUCT((std::int64_t, kind), (float, alpha), (float, beta));
  };
  static constexpr bool elementwise = true;
  static constexpr void infer(const attributes& a, infer_context& c) {
    if (!is_floating(c.type(0))) c.fail("takes floats only");
    if (a.kind < 0 || a.kind > static_cast<std::int64_t>(isa::unary_kind::swish))
      c.fail(text("unary kind ") << a.kind << " is unknown");
    detail::result_dims(c, c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const auto kind = static_cast<isa::unary_kind>(a.kind);
    for (std::size_t n = 0; n < y.f.size(); ++n)
      y.f[n] = round_to(y.type, apply_unary(kind, c.in(0).f[n], a.alpha, a.beta));
  }
};
static_assert(op<unary>);

/// y = table[x - least value of x's type]: any function of 8-bit numbers.
///
/// Operands:  x of i8 or u8; table [256] of y's type.
/// Shape:     y has the shape of x.
/// Tiling:    any slice of N, C, H; the table lies whole in every lane.
/// Errors:    other element types; a table of another size.
struct lookup : basic_op<lookup> {
  static constexpr op_info info{.name = "lookup", .min_operands = 2, .max_operands = 2};
  using attributes = no_attributes;
  static constexpr bool elementwise = true;
  static constexpr void infer(const attributes&, infer_context& c) {
    if (is_floating(c.type(0)) || bytes_of(c.type(0)) != 1) c.fail("takes i8 and u8 only");
    if (!(c.dims(1) == shape{256})) c.fail(text("the table must be [256], but is ") << c.dims(1).print());
    detail::result_dims(c, c.dims(0));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    value& y = c.out();
    const std::int64_t least = least_of(c.in(0).type);
    for (std::size_t n = 0; n < y.i.size(); ++n) y.i[n] = c.in(1).i[static_cast<std::size_t>(c.in(0).i[n] - least)];
  }
  static constexpr operand_facts operand(const graph_body& g, node_id id, std::size_t i) {
    if (i == 1) return {.layout = isa::layout::copy, .dims = {1, 1, 1, 256}};
    return tpu_op::operand(g, id, i);
  }
};
static_assert(op<lookup>);

/// Changes the element type. Float to float: one rounding. Float to integer: round_half_away(x / scale) + y_zero, saturated, the
/// quotient in f32 (a NaN becomes y_zero). Integer to float: (x - x_zero) * scale in f32, then one rounding.
/// Integer to integer: y_zero + requantize(x - x_zero, multiplier, shift), saturated.
///
/// Shape:     y has the shape of x.
/// Attributes: scale: that of the integer side; the zero points are those of the tensors.
/// Tiling:    any slice of N, C, H.
/// Errors:    none.
struct cast : basic_op<cast> {
  static constexpr op_info info{.name = "cast"};
  struct attributes {
    TMPU_STRUCT((float, scale), (std::int64_t, multiplier), (std::int64_t, shift));
  };
  static constexpr bool elementwise = true;
  static constexpr void infer(const attributes&, infer_context& c) { detail::result_dims(c, c.dims(0)); }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const std::int64_t x_zero = c.in_quant(0).zero_point;
    const std::int64_t y_zero = c.out_quant().zero_point;
    for (std::size_t n = 0; n < x.size(); ++n) {
      if (is_floating(x.type) && is_floating(y.type)) {
        y.f[n] = round_to(y.type, x.f[n]);
      } else if (is_floating(x.type)) {
        y.i[n] = saturate(y.type, y_zero + to_integer(x.f[n] / a.scale));
      } else if (is_floating(y.type)) {
        y.f[n] = round_to(y.type, static_cast<float>(x.i[n] - x_zero) * a.scale);
      } else {
        y.i[n] = saturate(y.type, y_zero + requantize(x.i[n] - x_zero, a.multiplier, a.shift));
      }
    }
  }

private:
  static constexpr std::int64_t to_integer(float x) {
    if (math::is_nan(x)) return 0;
    return static_cast<std::int64_t>(activation::clip(math::round_half_away(x), -0x1p40F, 0x1p40F));
  }
};
static_assert(op<cast>);

} // namespace tmpu::tpu
