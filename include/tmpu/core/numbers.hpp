// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

namespace tmpu {

// Small floating-point formats by bit arithmetic. To nearest even; f16 and bf16 overflow to infinity, the f8
// saturate at their greatest number (infinities too); denormals are kept; a NaN stays a NaN with its sign.
//
//           sign  exponent (bias)  mantissa  greatest        least denormal
//   f16      1       5 (15)          10      65504           2^-24
//   bf16     1       8 (127)          7      3.3895e38       2^-133
//   f8 e4m3  1       4 (7)            3      448             2^-9     no infinity, NaN is S.1111.111 (OCP "FN")
//   f8 e5m2  1       5 (15)           2      57344           2^-16    NaN is written S.11111.11
//   e4m3fnuz 1       4 (8)            3      240             2^-10    no infinity, no -0, NaN is 1.0000.000
//   e5m2fnuz 1       5 (16)           2      57344           2^-17    no infinity, no -0, NaN is 1.00000.00
//   f4 e2m1  1       2 (1)            1      6               2^-1     no infinity, no NaN (it becomes -0)

namespace detail {

/// |x| of float bits `magnitude` (no NaN) rounded to ExponentBits and MantissaBits, as that format's magnitude bits;
/// greater than the format's greatest finite number where it overflows.
template <int ExponentBits, int MantissaBits> constexpr std::uint32_t round_magnitude(std::uint32_t magnitude) {
  constexpr int bias = (1 << (ExponentBits - 1)) - 1;
  constexpr int dropped = 23 - MantissaBits;
  constexpr auto first_normal = static_cast<std::uint32_t>(127 - bias + 1) << 23;
  constexpr auto rebias = static_cast<std::uint32_t>(127 - bias) << 23;
  // One unit in the last place of this number is the step of the denormals: adding it rounds to them.
  constexpr auto magic = static_cast<std::uint32_t>(127 - bias + 1 + dropped) << 23;
  if (magnitude < first_normal)
    return std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + std::bit_cast<float>(magic)) - magic;
  const std::uint32_t odd = (magnitude >> dropped) & 1U;
  return (magnitude - rebias + ((1U << (dropped - 1)) - 1U) + odd) >> dropped;
}

/// The float of finite magnitude bits of a small format; exact.
template <int ExponentBits, int MantissaBits> constexpr float widen_magnitude(std::uint32_t magnitude) {
  constexpr int bias = (1 << (ExponentBits - 1)) - 1;
  constexpr auto rebias = static_cast<std::uint32_t>(127 - bias) << 23;
  constexpr auto step = std::bit_cast<float>(static_cast<std::uint32_t>(127 - bias + 1 - MantissaBits) << 23);
  if (magnitude < (1U << MantissaBits)) return static_cast<float>(static_cast<std::int32_t>(magnitude)) * step;
  return std::bit_cast<float>((magnitude << (23 - MantissaBits)) + rebias);
}

constexpr float float_of(std::uint32_t bits) { return std::bit_cast<float>(bits); }
inline constexpr std::uint32_t float_infinity = 0x7F80'0000U;

} // namespace detail

// ---------------------------------------------------------------- f16 (IEEE binary16)

[[nodiscard]] constexpr std::uint16_t to_f16_bits(float x) {
  const auto b = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = (b >> 16) & 0x8000U;
  const std::uint32_t magnitude = b & 0x7FFF'FFFFU;
  if (magnitude > detail::float_infinity)
    return static_cast<std::uint16_t>(sign | 0x7E00U | ((magnitude >> 13) & 0x3FFU));
  if (magnitude >= 0x477F'F000U) return static_cast<std::uint16_t>(sign | 0x7C00U); // 65520 and above
  return static_cast<std::uint16_t>(sign | detail::round_magnitude<5, 10>(magnitude));
}

[[nodiscard]] constexpr float from_f16_bits(std::uint16_t h) {
  const std::uint32_t sign = (h & 0x8000U) << 16;
  const std::uint32_t magnitude = h & 0x7FFFU;
  if (magnitude > 0x7C00U) return detail::float_of(sign | 0x7FC0'0000U | (magnitude << 13));
  if (magnitude == 0x7C00U) return detail::float_of(sign | detail::float_infinity);
  return detail::float_of(sign | std::bit_cast<std::uint32_t>(detail::widen_magnitude<5, 10>(magnitude)));
}

/// from_f16_bits(to_f16_bits(x)), without the detour.
[[nodiscard]] constexpr float round_to_f16(float x) {
  const auto b = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = b & 0x8000'0000U;
  const std::uint32_t magnitude = b & 0x7FFF'FFFFU;
  if (magnitude > detail::float_infinity) return detail::float_of((b & 0xFFFF'E000U) | 0x0040'0000U);
  if (magnitude >= 0x477F'F000U) return detail::float_of(sign | detail::float_infinity);
  if (magnitude < 0x3880'0000U) {
    const float rounded = (detail::float_of(magnitude) + 0.5F) - 0.5F; // 0.5 has the denormals' step as its last place
    return detail::float_of(sign | std::bit_cast<std::uint32_t>(rounded));
  }
  return detail::float_of((b + 0xFFFU + ((b >> 13) & 1U)) & 0xFFFF'E000U);
}

// ---------------------------------------------------------------- bf16

[[nodiscard]] constexpr std::uint16_t to_bf16_bits(float x) {
  const auto b = std::bit_cast<std::uint32_t>(x);
  if ((b & 0x7FFF'FFFFU) > detail::float_infinity) return static_cast<std::uint16_t>((b >> 16) | 0x0040U);
  return static_cast<std::uint16_t>((b + 0x7FFFU + ((b >> 16) & 1U)) >> 16);
}

[[nodiscard]] constexpr float from_bf16_bits(std::uint16_t h) {
  return detail::float_of(static_cast<std::uint32_t>(h) << 16);
}

[[nodiscard]] constexpr float round_to_bf16(float x) {
  const auto b = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (b + 0x7FFFU + ((b >> 16) & 1U)) & 0xFFFF'0000U;
  const std::uint32_t quieted = (b | 0x0040'0000U) & 0xFFFF'0000U;
  return detail::float_of((b & 0x7FFF'FFFFU) > detail::float_infinity ? quieted : rounded);
}

// ---------------------------------------------------------------- f8

[[nodiscard]] constexpr std::uint8_t to_e4m3_bits(float x) {
  const auto b = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = (b >> 24) & 0x80U;
  const std::uint32_t magnitude = b & 0x7FFF'FFFFU;
  if (magnitude > detail::float_infinity) return static_cast<std::uint8_t>(sign | 0x7FU);
  if (magnitude >= 0x43E0'0000U) return static_cast<std::uint8_t>(sign | 0x7EU); // 448 and above
  return static_cast<std::uint8_t>(sign | detail::round_magnitude<4, 3>(magnitude));
}

[[nodiscard]] constexpr float from_e4m3_bits(std::uint8_t h) {
  const std::uint32_t sign = (h & 0x80U) << 24;
  const std::uint32_t magnitude = h & 0x7FU;
  if (magnitude == 0x7FU) return detail::float_of(sign | 0x7FC0'0000U);
  return detail::float_of(sign | std::bit_cast<std::uint32_t>(detail::widen_magnitude<4, 3>(magnitude)));
}

[[nodiscard]] constexpr std::uint8_t to_e5m2_bits(float x) {
  const auto b = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = (b >> 24) & 0x80U;
  const std::uint32_t magnitude = b & 0x7FFF'FFFFU;
  if (magnitude > detail::float_infinity) return static_cast<std::uint8_t>(sign | 0x7FU);
  if (magnitude >= 0x4760'0000U) return static_cast<std::uint8_t>(sign | 0x7BU); // 57344 and above
  return static_cast<std::uint8_t>(sign | detail::round_magnitude<5, 2>(magnitude));
}

[[nodiscard]] constexpr float from_e5m2_bits(std::uint8_t h) {
  const std::uint32_t sign = (h & 0x80U) << 24;
  const std::uint32_t magnitude = h & 0x7FU;
  if (magnitude > 0x7CU) return detail::float_of(sign | 0x7FC0'0000U);
  if (magnitude == 0x7CU) return detail::float_of(sign | detail::float_infinity);
  return detail::float_of(sign | std::bit_cast<std::uint32_t>(detail::widen_magnitude<5, 2>(magnitude)));
}

namespace detail {
/// The "fnuz" formats: as the format without specials whose exponent bias is one less, of twice the number.
template <int ExponentBits, int MantissaBits> constexpr std::uint8_t to_fnuz_bits(float x, float greatest) {
  const auto b = std::bit_cast<std::uint32_t>(x);
  const float size = float_of(b & 0x7FFF'FFFFU);
  if (!(size == size)) return 0x80U;
  const std::uint32_t magnitude =
      size >= greatest ? 0x7FU : round_magnitude<ExponentBits, MantissaBits>(std::bit_cast<std::uint32_t>(size * 2.0F));
  return static_cast<std::uint8_t>(magnitude == 0 ? 0U : ((b >> 24) & 0x80U) | magnitude);
}
template <int ExponentBits, int MantissaBits> constexpr float from_fnuz_bits(std::uint8_t h) {
  if (h == 0x80U) return float_of(0x7FC0'0000U);
  const float size = widen_magnitude<ExponentBits, MantissaBits>(h & 0x7FU) * 0.5F;
  return (h & 0x80U) != 0 ? -size : size;
}
} // namespace detail

[[nodiscard]] constexpr std::uint8_t to_e4m3fnuz_bits(float x) { return detail::to_fnuz_bits<4, 3>(x, 240.0F); }
[[nodiscard]] constexpr float from_e4m3fnuz_bits(std::uint8_t h) { return detail::from_fnuz_bits<4, 3>(h); }
[[nodiscard]] constexpr std::uint8_t to_e5m2fnuz_bits(float x) { return detail::to_fnuz_bits<5, 2>(x, 57344.0F); }
[[nodiscard]] constexpr float from_e5m2fnuz_bits(std::uint8_t h) { return detail::from_fnuz_bits<5, 2>(h); }

[[nodiscard]] constexpr std::uint8_t to_e2m1_bits(float x) {
  const auto b = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t magnitude = b & 0x7FFF'FFFFU;
  if (magnitude > detail::float_infinity) return 0x8U;
  const std::uint32_t sign = (b >> 28) & 0x8U;
  return static_cast<std::uint8_t>(sign |
                                   (magnitude >= 0x40C0'0000U ? 0x7U : detail::round_magnitude<2, 1>(magnitude)));
}
[[nodiscard]] constexpr float from_e2m1_bits(std::uint8_t h) {
  const float size = detail::widen_magnitude<2, 1>(h & 0x7U);
  return (h & 0x8U) != 0 ? -size : size;
}

[[nodiscard]] constexpr float round_to_e4m3(float x) { return from_e4m3_bits(to_e4m3_bits(x)); }
[[nodiscard]] constexpr float round_to_e5m2(float x) { return from_e5m2_bits(to_e5m2_bits(x)); }
[[nodiscard]] constexpr float round_to_e2m1(float x) { return from_e2m1_bits(to_e2m1_bits(x)); }
[[nodiscard]] constexpr float round_to_e4m3fnuz(float x) { return from_e4m3fnuz_bits(to_e4m3fnuz_bits(x)); }
[[nodiscard]] constexpr float round_to_e5m2fnuz(float x) { return from_e5m2fnuz_bits(to_e5m2fnuz_bits(x)); }

// ---------------------------------------------------------------- integers

namespace detail {
constexpr std::int64_t clamp_i64(std::int64_t v, std::int64_t low, std::int64_t high) {
  return v < low ? low : v > high ? high : v;
}
} // namespace detail

[[nodiscard]] constexpr std::int8_t saturate_i4(std::int64_t v) {
  return static_cast<std::int8_t>(detail::clamp_i64(v, -8, 7));
}
[[nodiscard]] constexpr std::uint8_t saturate_u4(std::int64_t v) {
  return static_cast<std::uint8_t>(detail::clamp_i64(v, 0, 15));
}
[[nodiscard]] constexpr std::int8_t saturate_i8(std::int64_t v) {
  return static_cast<std::int8_t>(detail::clamp_i64(v, -128, 127));
}
[[nodiscard]] constexpr std::uint8_t saturate_u8(std::int64_t v) {
  return static_cast<std::uint8_t>(detail::clamp_i64(v, 0, 255));
}
[[nodiscard]] constexpr std::int16_t saturate_i16(std::int64_t v) {
  return static_cast<std::int16_t>(detail::clamp_i64(v, INT16_MIN, INT16_MAX));
}
[[nodiscard]] constexpr std::uint16_t saturate_u16(std::int64_t v) {
  return static_cast<std::uint16_t>(detail::clamp_i64(v, 0, UINT16_MAX));
}
[[nodiscard]] constexpr std::int32_t saturate_i32(std::int64_t v) {
  return static_cast<std::int32_t>(detail::clamp_i64(v, INT32_MIN, INT32_MAX));
}

/// value / 2^shift, half away from zero; exact for every value, shift in [0, 62].
[[nodiscard]] constexpr std::int64_t round_shift(std::int64_t value, int shift) {
  const auto bits = static_cast<std::uint64_t>(value);
  const std::uint64_t negative = value < 0 ? ~std::uint64_t{0} : 0U;
  const std::uint64_t magnitude = (bits ^ negative) - negative;
  const std::uint64_t rounded = (magnitude + ((std::uint64_t{1} << shift) >> 1)) >> shift;
  return static_cast<std::int64_t>((rounded ^ negative) - negative);
}

/// n / d, half away from zero. d must not be 0; the least n by -1 wraps.
[[nodiscard]] constexpr std::int64_t divide_round_half_away(std::int64_t n, std::int64_t d) {
  const std::uint64_t a = n < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n);
  const std::uint64_t b = d < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(d) : static_cast<std::uint64_t>(d);
  const std::uint64_t rest = a % b;
  const std::uint64_t quotient = a / b + (rest >= b - rest ? 1U : 0U);
  return static_cast<std::int64_t>((n < 0) != (d < 0) ? std::uint64_t{0} - quotient : quotient);
}

} // namespace tmpu
