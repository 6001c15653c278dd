// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/math.hpp"

/// The scalar functions of neural networks, in f32: one definition for the meaning of Top and Tpu operators, for the
/// executor and for the tables of 8-bit lookups. Every written operation is one f32 operation (unfused); exp, erf, ...
/// are those of core/math.hpp. A NaN stays a NaN unless said otherwise.
namespace tmpu::activation {

/// min(max(x, low), high); a NaN passes.
constexpr float clip(float x, float low, float high) { return x < low ? low : (x > high ? high : x); }

/// max(x, 0).
constexpr float relu(float x) { return x < 0.0F ? 0.0F : x; }

/// x for x >= 0, alpha * x below.
constexpr float leaky_relu(float x, float alpha) { return x < 0.0F ? alpha * x : x; }

/// 1 / (1 + exp(-x)), by the branch that does not overflow.
constexpr float sigmoid(float x) {
  if (x < 0.0F) {
    const float e = math::exp(x);
    return e / (1.0F + e);
  }
  return 1.0F / (1.0F + math::exp(-x));
}

constexpr float tanh(float x) { return math::tanh(x); }

/// max(0, min(1, alpha * x + beta)).
constexpr float hard_sigmoid(float x, float alpha, float beta) { return clip(alpha * x + beta, 0.0F, 1.0F); }

/// x * max(0, min(1, x / 6 + 1/2)), the quotient as a product with 1/6.
constexpr float hard_swish(float x) { return x * hard_sigmoid(x, 1.0F / 6.0F, 0.5F); }

/// x * sigmoid(x).
constexpr float silu(float x) { return x * sigmoid(x); }

/// x for x >= 0, alpha * (exp(x) - 1) below.
constexpr float elu(float x, float alpha) { return x < 0.0F ? alpha * (math::exp(x) - 1.0F) : x; }

/// gamma * x for x > 0, gamma * (alpha * exp(x) - alpha) below.
constexpr float selu(float x, float alpha, float gamma) {
  return x > 0.0F ? gamma * x : gamma * (alpha * math::exp(x) - alpha);
}

/// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), the logarithm in double.
constexpr float softplus(float x) {
  const float rest = static_cast<float>(math::log(1.0 + math::exp(-static_cast<double>(math::abs(x)))));
  return x > 0.0F ? x + rest : rest;
}

/// x/2 * (1 + erf(x / sqrt 2)).
constexpr float gelu(float x) { return 0.5F * x * (1.0F + math::erf(x * 0.7071067811865476F)); }

/// x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x^3))).
constexpr float gelu_tanh(float x) {
  return 0.5F * x * (1.0F + math::tanh(0.7978845608028654F * (x + 0.044715F * x * x * x)));
}

constexpr float erf(float x) { return math::erf(x); }
constexpr float exp(float x) { return math::exp(x); }
constexpr float log(float x) { return math::log(x); }
constexpr float sqrt(float x) { return math::sqrt(x); }

/// 1 / x; the infinity of x's sign for zeros (constant evaluation refuses a division by zero).
constexpr float reciprocal(float x) { return x == 0.0F ? math::detail::with_sign(math::infinity<float>, x) : 1.0F / x; }

constexpr float abs(float x) { return math::abs(x); }
constexpr float neg(float x) { return -x; }

/// x * tanh(log(1 + exp(x))).
constexpr float mish(float x) { return x * math::tanh(softplus(x)); }

/// x / (1 + |x|).
constexpr float softsign(float x) { return x / (1.0F + math::abs(x)); }

/// -1, 0 or 1; a zero and a NaN as they are.
constexpr float sign(float x) { return x > 0.0F ? 1.0F : (x < 0.0F ? -1.0F : x); }
/// max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0).
constexpr float celu(float x, float alpha) {
  const float low = alpha * (math::exp(x / alpha) - 1.0F);
  return (x > 0.0F ? x : 0.0F) + (low < 0.0F ? low : 0.0F);
}
/// x above alpha, otherwise 0.
constexpr float thresholded_relu(float x, float alpha) { return x > alpha ? x : 0.0F; }
/// x beyond lambda on either side, moved by the bias towards 0; otherwise 0.
constexpr float shrink(float x, float lambda, float bias) {
  return x < -lambda ? x + bias : (x > lambda ? x - bias : 0.0F);
}
/// x times the sigmoid of alpha * x.
constexpr float swish(float x, float alpha) { return x * sigmoid(alpha * x); }

constexpr float floor(float x) { return math::floor(x); }
constexpr float ceil(float x) { return math::ceil(x); }

/// The nearest integer, halves to the even one.
constexpr float round(float x) { return math::round_half_even(x); }

constexpr float sin(float x) { return math::sin(x); }
constexpr float cos(float x) { return math::cos(x); }

/// a / b by IEEE 754, also where b is zero (constant evaluation refuses that division).
constexpr float divide(float a, float b) {
  if (b != 0.0F) return a / b;
  if (a == 0.0F || math::is_nan(a) || math::is_nan(b)) return math::nan<float>;
  const bool negative = (math::detail::bits(a) ^ math::detail::bits(b)) >> 31 != 0;
  return negative ? -math::infinity<float> : math::infinity<float>;
}

/// What a leaves when as many b as fit are taken from it; it has the sign of a. Exact: b times powers of two is taken away, in double, where
/// nothing overflows or rounds. NaN for an infinite a or a b of 0.
constexpr float rest(float a, float b) {
  if (math::is_nan(a) || math::is_nan(b) || math::is_inf(a) || b == 0.0F) return math::nan<float>;
  if (math::is_inf(b)) return a;
  double left = static_cast<double>(math::abs(a));
  const double step = static_cast<double>(math::abs(b));
  double part = step;
  while (part * 2.0 <= left) part *= 2.0;
  for (; part >= step; part *= 0.5) {
    if (left >= part) left -= part;
  }
  return static_cast<float>(a < 0.0F ? -left : left);
}

} // namespace tmpu::activation
