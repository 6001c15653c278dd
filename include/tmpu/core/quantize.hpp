// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/math.hpp"
#include "tmpu/core/numbers.hpp"

#include <bit>
#include <cstdint>

namespace tmpu {

/// A real factor as value * 2^-shift, for requantization by one 64-bit product and one rounding shift.
///
/// value is in [2^30, 2^31) and shift in [0, 62], except for factors below 2^-32: there the shift stays at 62 and the
/// value shrinks, down to 0. A refused factor (negative, NaN, 2^31 and above) has value 0 and shift -1: see valid().
struct multiplier {
  std::int32_t value = 0;
  std::int32_t shift = -1;

  [[nodiscard]] constexpr bool valid() const { return shift >= 0; }
  /// The factor that it stands for; exact.
  [[nodiscard]] constexpr double real() const { return math::ldexp(static_cast<double>(value), -shift); }
  friend constexpr bool operator==(const multiplier&, const multiplier&) = default;
};

/// Two factors that share a shift, so that a sum of two products is rounded once (i8 Add). The greater has the
/// precision of `multiplier`, the smaller what the shared shift leaves. Refused (shift -1) when either is.
struct multiplier_pair {
  std::int32_t a = 0;
  std::int32_t b = 0;
  std::int32_t shift = -1;

  [[nodiscard]] constexpr bool valid() const { return shift >= 0; }
  friend constexpr bool operator==(const multiplier_pair&, const multiplier_pair&) = default;
};

namespace detail {

/// round(real * 2^shift), real >= 0 finite and the result below 2^31 + 1.
constexpr std::int64_t scaled_integer(double real, int shift) {
  return static_cast<std::int64_t>(math::round_half_away(math::ldexp(real, shift)));
}

} // namespace detail

/// The relative error is at most 2^-31 for factors of 2^-32 and above.
[[nodiscard]] constexpr multiplier make_multiplier(double real) {
  if (!(real >= 0.0) || real >= 0x1p31) return {};
  if (real < 0x1p-1000) return {0, 62};
  // real = m 2^e, m in [1, 2): the product with 2^(30 - e) is in [2^30, 2^31).
  const int e = static_cast<int>(std::bit_cast<std::uint64_t>(real) >> 52) - 1023;
  int shift = 30 - e < 62 ? 30 - e : 62;
  std::int64_t value = detail::scaled_integer(real, shift);
  if (value == std::int64_t{1} << 31) {
    if (shift == 0) return {};
    value >>= 1;
    shift -= 1;
  }
  return {static_cast<std::int32_t>(value), shift};
}

/// `spare`: so many bits are left free in each.
[[nodiscard]] constexpr multiplier_pair make_multipliers(double a, double b, int spare = 0) {
  const multiplier ma = make_multiplier(a);
  const multiplier mb = make_multiplier(b);
  if (!ma.valid() || !mb.valid()) return {};
  const int shift = (ma.shift < mb.shift ? ma.shift : mb.shift) - spare;
  if (shift < 0) return {};
  return {static_cast<std::int32_t>(detail::scaled_integer(a, shift)),
          static_cast<std::int32_t>(detail::scaled_integer(b, shift)), shift};
}

/// q = x / scale, rounded half away from zero, + zero_point, clamped to [low, high]. The quotient is formed in double,
/// so that a tie of the exact quotient is seen as one. scale > 0. NaN gives the (clamped) zero point.
[[nodiscard]] constexpr std::int64_t quantize_value(float x, float scale, std::int64_t zero_point, std::int64_t low,
                                                    std::int64_t high) {
  constexpr double limit = 0x1p40; // beyond every integer type that is quantized to
  double q = 0.0;
  if (math::is_inf(x))
    q = x > 0.0F ? limit : -limit;
  else if (!math::is_nan(x))
    q = math::round_half_away(static_cast<double>(x) / static_cast<double>(scale));
  q = q >= -limit ? q : -limit;
  q = q <= limit ? q : limit;
  return detail::clamp_i64(static_cast<std::int64_t>(q) + zero_point, low, high);
}

/// What a user gives for an input, as ONNX's QuantizeLinear makes integers of it: the quotient in float, halves to the even integer. Pixels and
/// means of pixels often lie in the middle between two integers; so every tool makes the same of them.
[[nodiscard]] constexpr std::int64_t quantize_input(float x, float scale, std::int64_t zero_point, std::int64_t low,
                                                    std::int64_t high) {
  constexpr float limit = 1.0e6F; // saturates, whatever the zero point of 8 bits
  float q = math::is_nan(x) ? 0.0F : x / scale;
  q = q < -limit ? -limit : q > limit ? limit : q;
  return detail::clamp_i64(static_cast<std::int64_t>(math::round_half_even(q)) + zero_point, low, high);
}

/// scale * (q - zero_point), rounded once to float; |q - zero_point| < 2^53.
[[nodiscard]] constexpr float dequantize_value(std::int64_t q, float scale, std::int64_t zero_point) {
  return math::detail::narrow(static_cast<double>(scale) * static_cast<double>(q - zero_point));
}

} // namespace tmpu
