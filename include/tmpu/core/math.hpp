// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(__FAST_MATH__)
#error "tmpu: -ffast-math changes results; build without it"
#endif

/// Elementary functions of our own: constexpr, without <cmath>, and with the same bits on every compiler, at run time
/// and in constant evaluation (plain IEEE double arithmetic, round to nearest; fused only where fma says so).
///
/// The float versions compute in double and round once. Greatest errors measured by tests/core/math_test.cpp, in units
/// in the last place (ulp); 0.5 is correct rounding:
///
///          double  float             double  float             double  float
///   sqrt   0.5     0.5        sin    0.77    0.5001     sinh   1.60    0.5001
///   exp    0.85    0.5001     cos    0.78    0.5001     cosh   1.30    0.5001
///   exp2   1.15    0.5001     tan    2.10    0.5001     tanh   1.10    0.5001
///   log    0.93    0.5001     asin   0.62    0.5001     erf    1.40    0.5001
///   log2   1.60    0.5001     acos   0.58    0.5001     pow    1.20    0.5001
///   log10  1.80    0.5001     atan   1.40    0.5001
///
/// A NaN argument, or one outside of the domain, gives the one NaN `nan<>` (positive, quiet, no payload). Zeros keep
/// their sign where the function is odd. Polynomials are Chebyshev fits made by tools/math_coefficients.py.
namespace tmpu::math {

template <class Float = float>
inline constexpr Float infinity = [] {
  if constexpr (std::is_same_v<Float, float>)
    return std::bit_cast<float>(std::uint32_t{0x7F80'0000U});
  else
    return std::bit_cast<double>(std::uint64_t{0x7FF0'0000'0000'0000U});
}();

template <class Float = float>
inline constexpr Float nan = [] {
  if constexpr (std::is_same_v<Float, float>)
    return std::bit_cast<float>(std::uint32_t{0x7FC0'0000U});
  else
    return std::bit_cast<double>(std::uint64_t{0x7FF8'0000'0000'0000U});
}();

[[nodiscard]] constexpr bool is_nan(double x) { return x != x; }
[[nodiscard]] constexpr bool is_nan(float x) { return x != x; }
[[nodiscard]] constexpr bool is_inf(double x) { return x == infinity<double> || x == -infinity<double>; }
[[nodiscard]] constexpr bool is_inf(float x) { return x == infinity<float> || x == -infinity<float>; }

namespace detail {

inline constexpr std::uint64_t sign_64 = 0x8000'0000'0000'0000U;
inline constexpr std::uint32_t sign_32 = 0x8000'0000U;

constexpr std::uint64_t bits(double x) { return std::bit_cast<std::uint64_t>(x); }
constexpr std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }

/// magnitude (not negative) with the sign of `of`
constexpr double with_sign(double magnitude, double of) {
  return std::bit_cast<double>(bits(magnitude) | (bits(of) & sign_64));
}
constexpr float with_sign(float magnitude, float of) {
  return std::bit_cast<float>(bits(magnitude) | (bits(of) & sign_32));
}

/// To float, rounded once; what lies beyond the greatest float becomes infinite without an undefined conversion.
constexpr float narrow(double x) {
  constexpr double first_infinite = 0x1.ffffffp+127;
  x = x >= first_infinite ? infinity<double> : x;
  x = x <= -first_infinite ? -infinity<double> : x;
  return static_cast<float>(x);
}

/// An exact result as the unevaluated sum of two doubles.
struct pair {
  double hi;
  double lo;
};
constexpr pair two_sum(double a, double b) {
  const double sum = a + b;
  const double b_part = sum - a;
  return {sum, (a - (sum - b_part)) + (b - b_part)};
}
/// |a| >= |b|
constexpr pair fast_two_sum(double a, double b) {
  const double sum = a + b;
  return {sum, (a - sum) + b};
}
/// Veltkamp's split into halves of 26 bits, Dekker's product; |a|, |b| < 2^990.
constexpr pair two_product(double a, double b) {
  constexpr double splitter = 0x1p27 + 1.0;
  const double as = a * splitter;
  const double bs = b * splitter;
  const double ah = as - (as - a);
  const double bh = bs - (bs - b);
  const double al = a - ah;
  const double bl = b - bh;
  const double product = a * b;
  return {product, ((ah * bh - product) + ah * bl + al * bh) + al * bl};
}

/// c0 + c1 x + c2 x^2 + ..., by Horner's rule.
template <class... Rest> [[gnu::always_inline]] constexpr double polynomial(double x, double c0, Rest... rest) {
  if constexpr (sizeof...(rest) == 0)
    return c0;
  else
    return c0 + x * polynomial(x, rest...);
}

template <std::size_t First = 0, std::size_t Count>
[[gnu::always_inline]] constexpr double polynomial(double x, const double (&c)[Count]) {
  if constexpr (First + 1 == Count)
    return c[First];
  else
    return c[First] + x * polynomial<First + 1>(x, c);
}

/// Adding and taking off this number rounds to the nearest integer, which then stands in the low bits of the sum.
inline constexpr double round_magic = 0x1.8p52;

/// p * 2^k, p in [0.5, 2); k in [-1020, 1022].
constexpr double scale_normal(double p, std::uint64_t k) { return std::bit_cast<double>(bits(p) + (k << 52)); }

} // namespace detail

namespace detail {
/// The product of two floats is exact as a double; their sum with the third is rounded to odd, so that rounding it to float
/// rounds the exact sum (Boldo, Melquiond: Emulation of FMA and correctly rounded sums, IEEE Trans. Computers 57(4), 2008).
constexpr float fma_by_doubles(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const double wide = static_cast<double>(c);
  double sum = product + wide;
  if (!(sum < infinity<double> && sum > -infinity<double>)) return static_cast<float>(sum);
  const double from_c = sum - product;
  const double rest = (product - (sum - from_c)) + (wide - from_c);
  if (rest != 0.0 && (bits(sum) & 1U) == 0)
    sum = std::bit_cast<double>(bits(sum) + ((rest > 0.0) == (sum > 0.0) ? 1U : ~std::uint64_t{0}));
  constexpr double overflows = 0x1.ffffffp127; // halfway between the greatest float and 2^128
  if (sum >= overflows) return infinity<float>;
  if (sum <= -overflows) return -infinity<float>;
  return static_cast<float>(sum);
}
} // namespace detail

/// a * b + c, rounded once: what processors do in one instruction.
[[nodiscard]] constexpr float fma(float a, float b, float c) {
  return std::is_constant_evaluated() ? detail::fma_by_doubles(a, b, c) : __builtin_fmaf(a, b, c);
}

// ---------------------------------------------------------------- rounding to integers

[[nodiscard]] constexpr double abs(double x) { return std::bit_cast<double>(detail::bits(x) & ~detail::sign_64); }
[[nodiscard]] constexpr float abs(float x) { return std::bit_cast<float>(detail::bits(x) & ~detail::sign_32); }

/// Toward zero. This and the next four keep the sign of zero, infinities and NaNs.
[[nodiscard]] constexpr double trunc(double x) {
  const double a = abs(x);
  const bool small = a < 0x1p52; // above, every double is an integer
  const double t = static_cast<double>(static_cast<std::int64_t>(small ? a : 0.0));
  return small ? detail::with_sign(t, x) : x;
}
[[nodiscard]] constexpr float trunc(float x) {
  const float a = abs(x);
  const bool small = a < 0x1p23F;
  const float t = static_cast<float>(static_cast<std::int32_t>(small ? a : 0.0F));
  return small ? detail::with_sign(t, x) : x;
}

namespace detail {
template <class Float> constexpr Float floor(Float x) {
  const Float t = math::trunc(x);
  return t > x ? t - Float{1} : t;
}
template <class Float> constexpr Float ceil(Float x) {
  const Float t = math::trunc(x);
  // -0.5 gives -0
  return t < x ? t + Float{1} : t;
}
template <class Float> constexpr Float round_half_even(Float x, Float first_integers) {
  const Float a = math::abs(x);
  const bool small = a < first_integers;
  const Float safe = small ? a : Float{0};
  return small ? with_sign((safe + first_integers) - first_integers, x) : x;
}
template <class Float> constexpr Float round_half_away(Float x, Float first_integers) {
  const Float a = math::abs(x);
  const bool small = a < first_integers;
  const Float safe = small ? a : Float{0};
  const Float t = math::trunc(safe);
  const Float rounded = safe - t >= Float{0.5} ? t + Float{1} : t;
  return small ? with_sign(rounded, x) : x;
}
} // namespace detail

[[nodiscard]] constexpr double floor(double x) { return detail::floor(x); }
[[nodiscard]] constexpr float floor(float x) { return detail::floor(x); }
[[nodiscard]] constexpr double ceil(double x) { return detail::ceil(x); }
[[nodiscard]] constexpr float ceil(float x) { return detail::ceil(x); }
[[nodiscard]] constexpr double round_half_even(double x) { return detail::round_half_even(x, 0x1p52); }
[[nodiscard]] constexpr float round_half_even(float x) { return detail::round_half_even(x, 0x1p23F); }
[[nodiscard]] constexpr double round_half_away(double x) { return detail::round_half_away(x, 0x1p52); }
[[nodiscard]] constexpr float round_half_away(float x) { return detail::round_half_away(x, 0x1p23F); }

/// x * 2^exponent, rounded once (to nearest even) where the result is denormal, infinite where it is too large.
[[nodiscard]] constexpr double ldexp(double x, int exponent) {
  if (x == 0.0 || is_nan(x) || is_inf(x)) return x;
  std::int64_t e = exponent;
  double a = abs(x);
  if (a < 0x1p-1022) {
    a *= 0x1p54;
    e -= 54;
  }
  const std::int64_t old = static_cast<std::int64_t>(detail::bits(a) >> 52);
  const std::uint64_t fraction = detail::bits(a) & 0x000F'FFFF'FFFF'FFFFU;
  e += old;
  if (e > 2046) return detail::with_sign(infinity<double>, x);
  if (e > 0) return detail::with_sign(std::bit_cast<double>((static_cast<std::uint64_t>(e) << 52) | fraction), x);
  if (e < -60) return detail::with_sign(0.0, x);
  const double above = std::bit_cast<double>((static_cast<std::uint64_t>(e + 64) << 52) | fraction);
  return detail::with_sign(above * 0x1p-64, x);
}
[[nodiscard]] constexpr float ldexp(float x, int exponent) {
  // Beyond this every float has overflowed or vanished, and in between a double holds the result exactly.
  const int e = exponent > 300 ? 300 : exponent < -300 ? -300 : exponent;
  if (is_nan(x)) return x;
  return detail::narrow(ldexp(static_cast<double>(x), e));
}

// ---------------------------------------------------------------- sqrt

namespace detail {
/// Correctly rounded root of a positive finite number: Newton on m in [1, 4), then the exact remainder decides.
constexpr double sqrt_soft(double x) {
  int shift = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p108;
    shift = -54;
  }
  const auto e = static_cast<std::int64_t>(bits(x) >> 52) - 1023;
  const std::int64_t half = e >> 1;
  const double m = std::bit_cast<double>(bits(x) - (static_cast<std::uint64_t>(2 * half) << 52));
  double y = 0.5 * m + 0.5; // relative error at most 1/4; it is squared and halved each time
  for (int i = 0; i < 6; ++i) y = 0.5 * (y + m / y);
  constexpr double unit = 0x1p-52; // of y in [1, 2)
  for (int i = 0; i < 2; ++i) {
    const pair square = two_product(y, y);
    const double rest = (m - square.hi) - square.lo;
    // (y + unit/2)^2 = y^2 + y unit + unit^2/4, and everything else is a multiple of unit^2.
    if (rest > y * unit)
      y += unit;
    else if (rest <= -(y * unit))
      y -= unit;
  }
  return ldexp(y, static_cast<int>(half) + shift);
}
} // namespace detail

/// Correctly rounded.
[[nodiscard]] constexpr double sqrt(double x) {
  if (!(x > 0.0)) return x == 0.0 ? x : nan<double>;
  if (x == infinity<double>) return x;
  if (std::is_constant_evaluated()) return detail::sqrt_soft(x);
  return __builtin_sqrt(x); // IEEE demands correct rounding of it
}
[[nodiscard]] constexpr float sqrt(float x) {
  if (!(x > 0.0F)) return x == 0.0F ? x : nan<float>;
  if (x == infinity<float>) return x;
  if (std::is_constant_evaluated()) return static_cast<float>(detail::sqrt_soft(static_cast<double>(x)));
  return __builtin_sqrtf(x);
}

// ---------------------------------------------------------------- exponentials

namespace detail {

inline constexpr double ln2 = 0x1.62e42fefa39efp-1;
inline constexpr double ln2_hi = 0x1.62e42fee00000p-1; // 32 bits: times an exponent it is exact
inline constexpr double ln2_lo = 0x1.a39ef35793c76p-33;
inline constexpr double log2_e = 0x1.71547652b82fep+0;
inline constexpr double log2_e_lo = 0x1.777d0ffda0d24p-56;

/// fraction * 2^k; k is in the low bits of its word.
struct scaled {
  double fraction;
  std::uint64_t k;
};

/// e^x, |x| < 2000: x = k ln 2 + r, |r| <= ln(2) / 2.
constexpr scaled exp_parts(double x) {
  const double t = x * log2_e + round_magic;
  const double k = t - round_magic;
  const double hi = x - k * ln2_hi;
  const double lo = k * ln2_lo;
  const double r = hi - lo;
  const double r_lo = (hi - r) - lo;
  const double p =
      polynomial(r, 0x1.0000000000000p-1, 0x1.5555555555555p-3, 0x1.5555555555557p-5, 0x1.1111111111111p-7,
                 0x1.6c16c16c15a68p-10, 0x1.a01a01a0196acp-13, 0x1.a01a01a9e991bp-16, 0x1.71de3a5aa7bb7p-19,
                 0x1.27e4d41966f2fp-22, 0x1.ae642c82e33d5p-26, 0x1.1f7f2776cfaf2p-29, 0x1.61bfaa228dde5p-33);
  return {1.0 + (r + (r * r * p + r_lo)), bits(t)};
}
inline constexpr double exp_short[] = {0x1.fffffffffe062p-2,  0x1.5555555554f96p-3,  0x1.55555565c7e0ep-5,
                                       0x1.111111170bc08p-7,  0x1.6c166bde96885p-10, 0x1.a019c36bc053cp-13,
                                       0x1.a136bf03ec612p-16, 0x1.72ad458027fbcp-19};
/// The same to 2^-40, enough for one rounding to float.
constexpr scaled exp_parts_short(double x) {
  const double t = x * log2_e + round_magic;
  const double k = t - round_magic;
  const double r = x - k * ln2;
  const double p = polynomial(r, exp_short);
  return {1.0 + (r + r * r * p), bits(t)};
}
/// 2^x, |x| < 2000, with a small correction to x.
constexpr scaled exp2_parts(double x, double correction = 0.0) {
  const double t = x + round_magic;
  const double f = (x - (t - round_magic)) + correction;
  const double p = polynomial(f, 0x1.62e42fefa39efp-1, 0x1.ebfbdff82c58fp-3, 0x1.c6b08d704a0c0p-5, 0x1.3b2ab6fba4e7bp-7,
                              0x1.5d87fe78a6732p-10, 0x1.430912f86ac50p-13, 0x1.ffcbfc5889ca8p-17,
                              0x1.62c02246050b8p-20, 0x1.b5253d41fcbd1p-24, 0x1.e4cf03aad6ffap-28,
                              0x1.e8ca8dc8a2ff2p-32, 0x1.c4b5c9bf2a452p-36, 0x1.8219344992fffp-40);
  return {1.0 + f * p, bits(t)};
}
constexpr int exponent_of(scaled s) { return static_cast<int>(static_cast<std::int64_t>(s.k << 52) >> 52); }

/// Any k.
constexpr double assemble(scaled s) {
  const int k = exponent_of(s);
  return k >= -1020 && k <= 1022 ? scale_normal(s.fraction, s.k) : ldexp(s.fraction, k);
}
/// Known not to leave the normal doubles.
constexpr double assemble_normal(scaled s) { return scale_normal(s.fraction, s.k); }

/// x as a double between the limits; NaN becomes the lower one, so that no arithmetic meets it.
constexpr double within(double x, double low, double high) {
  x = x > low ? x : low;
  return x < high ? x : high;
}

} // namespace detail

[[nodiscard]] constexpr double exp(double x) {
  if (is_nan(x)) return nan<double>;
  if (x > 710.0) return infinity<double>;
  if (x < -746.0) return 0.0;
  return detail::assemble(detail::exp_parts(x));
}
[[nodiscard]] constexpr float exp(float x) {
  const double e =
      detail::assemble_normal(detail::exp_parts_short(detail::within(static_cast<double>(x), -150.0, 150.0)));
  return is_nan(x) ? nan<float> : detail::narrow(e);
}

[[nodiscard]] constexpr double exp2(double x) {
  if (is_nan(x)) return nan<double>;
  if (x >= 1024.0) return infinity<double>;
  if (x < -1076.0) return 0.0;
  return detail::assemble(detail::exp2_parts(x));
}
[[nodiscard]] constexpr float exp2(float x) {
  const double e = detail::assemble_normal(detail::exp2_parts(detail::within(static_cast<double>(x), -200.0, 200.0)));
  return is_nan(x) ? nan<float> : detail::narrow(e);
}

// ---------------------------------------------------------------- logarithms

namespace detail {

/// x = 2^k m with m in [sqrt(1/2), sqrt(2)); x positive, normal.
struct split_number {
  double k;
  double m;
};
constexpr split_number split_exponent(double x) {
  constexpr std::uint64_t root_half = 0x3FE6'A09E'667F'3BCDU;
  const auto k = static_cast<std::int64_t>(bits(x) - root_half) >> 52;
  return {static_cast<double>(static_cast<std::int32_t>(k)),
          std::bit_cast<double>(bits(x) - (static_cast<std::uint64_t>(k) << 52))};
}

/// log m = f - s, f = m - 1 exact. With z = f / (2 + f): log m = 2 atanh z = 2z + z R, and 2z = f - z f.
struct log_terms {
  double k;
  double f;
  double s;
};
constexpr log_terms log_parts(double x) {
  const split_number n = split_exponent(x);
  const double f = n.m - 1.0;
  const double z = f / (2.0 + f);
  const double w = z * z;
  const double p = polynomial(w, 0x1.5555555555555p-1, 0x1.9999999999998p-2, 0x1.2492492492962p-2, 0x1.c71c71c64b463p-3,
                              0x1.745d17d40cf59p-3, 0x1.3b137afb813a0p-3, 0x1.111d30dcfa14ap-3, 0x1.debd2cc5021e0p-4,
                              0x1.e6bf079f670fep-4);
  return {n.k, f, z * (f - w * p)};
}
constexpr double log_e(double x) {
  const log_terms t = log_parts(x);
  return t.k * ln2_hi + (t.f - (t.s - t.k * ln2_lo));
}
constexpr double log_2(double x) {
  const log_terms t = log_parts(x);
  const double l = t.f - t.s;
  return t.k + (l * log2_e + l * log2_e_lo);
}
constexpr double log_10(double x) {
  const log_terms t = log_parts(x);
  return t.k * 0x1.3441350800000p-2 + ((t.f - t.s) * 0x1.bcb7b1526e50ep-2 + t.k * 0x1.f79fef311f12bp-34);
}

/// A logarithm with what lies outside of the normal positive numbers; a denormal is scaled by 2^54 first.
template <double (*Kernel)(double)> constexpr double logarithm(double x, double of_2_to_54) {
  if (is_nan(x) || x < 0.0) return nan<double>;
  if (x == 0.0) return -infinity<double>;
  if (x == infinity<double>) return x;
  if (x < 0x1p-1022) return Kernel(x * 0x1p54) - of_2_to_54;
  return Kernel(x);
}
template <double (*Kernel)(double)> constexpr float logarithm(float x) {
  const bool regular = x > 0.0F && x < infinity<float>;
  const auto y = static_cast<float>(Kernel(regular ? static_cast<double>(x) : 1.0));
  return regular ? y : x == 0.0F ? -infinity<float> : x == infinity<float> ? x : nan<float>;
}

} // namespace detail

[[nodiscard]] constexpr double log(double x) { return detail::logarithm<detail::log_e>(x, 0x1.2b708872320e2p+5); }
[[nodiscard]] constexpr float log(float x) { return detail::logarithm<detail::log_e>(x); }
[[nodiscard]] constexpr double log2(double x) { return detail::logarithm<detail::log_2>(x, 54.0); }
[[nodiscard]] constexpr float log2(float x) { return detail::logarithm<detail::log_2>(x); }
[[nodiscard]] constexpr double log10(double x) { return detail::logarithm<detail::log_10>(x, 0x1.041704c068eefp+4); }
[[nodiscard]] constexpr float log10(float x) { return detail::logarithm<detail::log_10>(x); }

// ---------------------------------------------------------------- pow

namespace detail {

/// log2(x) to about 2^-68 of itself; x positive, normal. The terms z and z^3 of 2 atanh z are kept in pairs.
constexpr pair log2_pair(double x) {
  const split_number n = split_exponent(x);
  const double f = n.m - 1.0;
  const pair d = two_sum(n.m, 1.0);
  const double zh = f / d.hi;
  const pair back = two_product(zh, d.hi);
  const double zl = (((f - back.hi) - back.lo) - zh * d.lo) / d.hi;
  const pair square = two_product(zh, zh);
  const double w = square.hi;
  const double w_lo = square.lo + 2.0 * zh * zl;
  pair cube = two_product(w, zh);
  cube.lo += w * zl + w_lo * zh;
  pair third = two_product(cube.hi, 0x1.5555555555555p-1);
  third.lo += cube.hi * 0x1.5555555555555p-55 + cube.lo * 0x1.5555555555555p-1;
  const double tail = cube.hi * w *
                      polynomial(w, 0x1.999999999999ap-2, 0x1.2492492492491p-2, 0x1.c71c71c71cfe7p-3,
                                 0x1.745d1745124c7p-3, 0x1.3b13b1bd0ead0p-3, 0x1.1110df7e2b9b8p-3, 0x1.e1f80a4c22cd4p-4,
                                 0x1.ac4927065cf5ap-4, 0x1.b8e0c07ef591ap-4);
  const pair sum = two_sum(2.0 * zh, third.hi);
  const pair l = fast_two_sum(sum.hi, sum.lo + (2.0 * zl + (third.lo + tail)));
  pair product = two_product(l.hi, log2_e);
  product.lo += l.hi * log2_e_lo + l.lo * log2_e;
  const pair whole = two_sum(n.k, product.hi);
  return fast_two_sum(whole.hi, whole.lo + product.lo);
}

/// x^y; x positive and finite, y finite.
constexpr double pow_positive(double x, double y) {
  const bool denormal = x < 0x1p-1022;
  pair l = log2_pair(denormal ? x * 0x1p54 : x);
  if (denormal) {
    const pair shifted = two_sum(-54.0, l.hi);
    l = fast_two_sum(shifted.hi, shifted.lo + l.lo);
  }
  if (abs(y) < 0x1p-70) return 1.0;
  if (abs(y) > 0x1p70) return (l.hi > 0.0) == (y > 0.0) ? infinity<double> : 0.0;
  const pair e = two_product(y, l.hi);
  if (e.hi > 1025.0) return infinity<double>;
  if (e.hi < -1080.0) return 0.0;
  return assemble(exp2_parts(e.hi, e.lo + y * l.lo));
}

} // namespace detail

/// x^y, with the special cases of IEEE 754 pow: x^0 = 1 and 1^y = 1 even for NaN.
[[nodiscard]] constexpr double pow(double x, double y) {
  if (y == 0.0 || x == 1.0) return 1.0;
  if (is_nan(x) || is_nan(y)) return nan<double>;
  const double a = abs(x);
  if (is_inf(y)) return a == 1.0 ? 1.0 : (a > 1.0) == (y > 0.0) ? infinity<double> : 0.0;
  const bool integer = trunc(y) == y;
  const bool odd = integer && abs(y) < 0x1p53 && (static_cast<std::int64_t>(y) & 1) != 0;
  const bool negative = (detail::bits(x) & detail::sign_64) != 0;
  double magnitude = 0.0;
  if (a == 0.0)
    magnitude = y < 0.0 ? infinity<double> : 0.0;
  else if (a == infinity<double>)
    magnitude = y < 0.0 ? 0.0 : infinity<double>;
  else if (negative && !integer)
    return nan<double>;
  else
    magnitude = a == 1.0 ? 1.0 : detail::pow_positive(a, y);
  return negative && odd ? -magnitude : magnitude;
}
[[nodiscard]] constexpr float pow(float x, float y) {
  const auto dx = static_cast<double>(x);
  const auto dy = static_cast<double>(y);
  if (y == 2.0F && x == x) return is_inf(x) ? infinity<float> : detail::narrow(dx * dx);
  if (!(x > 0.0F && x < infinity<float> && abs(y) < infinity<float>)) return detail::narrow(pow(dx, dy));
  // 2^(y log2 x): the double's error, times at most 200, stays far below a float's.
  return detail::narrow(
      detail::assemble_normal(detail::exp2_parts(detail::within(dy * detail::log_2(dx), -200.0, 200.0))));
}

// ---------------------------------------------------------------- trigonometry

namespace detail {

/// pi/2 in three parts; the first two have 33 bits, so that times a count below 2^20 they are exact.
inline constexpr double half_pi_1 = 0x1.921fb54400000p+0;
inline constexpr double half_pi_2 = 0x1.0b4611a600000p-34;
inline constexpr double half_pi_3 = 0x1.3198a2e037073p-69;
inline constexpr double half_pi = 0x1.921fb54442d18p+0;
inline constexpr double half_pi_lo = 0x1.1a62633145c07p-54;
inline constexpr double two_over_pi = 0x1.45f306dc9c883p-1;

/// The binary digits of 2/pi, after 64 zeros.
inline constexpr std::uint64_t two_over_pi_digits[21] = {0U,
                                                         0xA2F9836E4E441529U,
                                                         0xFC2757D1F534DDC0U,
                                                         0xDB6295993C439041U,
                                                         0xFE5163ABDEBBC561U,
                                                         0xB7246E3A424DD2E0U,
                                                         0x06492EEA09D1921CU,
                                                         0xFE1DEB1CB129A73EU,
                                                         0xE88235F52EBB4484U,
                                                         0xE99C7026B45F7E41U,
                                                         0x3991D639835339F4U,
                                                         0x9C845F8BBDF9283BU,
                                                         0x1FF897FFDE05980FU,
                                                         0xEF2F118B5A0A6D1FU,
                                                         0x6D367ECF27CB09B7U,
                                                         0x4F463F669E5FEA2DU,
                                                         0x7527BAC7EBE5F17BU,
                                                         0x3D0739F78A5292EAU,
                                                         0x6BFB5FB11F8D5D08U,
                                                         0x56033046FC7B6BABU,
                                                         0xF0CFBC209AF4361DU};

struct angle {
  std::uint64_t quadrant; // low two bits
  double hi;              // remainder, about [-pi/4, pi/4]
  double lo;
};

struct wide {
  std::uint64_t hi;
  std::uint64_t lo;
};
constexpr wide multiply_wide(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t mask = 0xFFFF'FFFFU;
  const std::uint64_t ll = (a & mask) * (b & mask);
  const std::uint64_t lh = (a & mask) * (b >> 32);
  const std::uint64_t hl = (a >> 32) * (b & mask);
  const std::uint64_t middle = (ll >> 32) + (lh & mask) + (hl & mask);
  return {(a >> 32) * (b >> 32) + (lh >> 32) + (hl >> 32) + (middle >> 32), (middle << 32) | (ll & mask)};
}

/// Any x with 0.5 < x < infinity. x = m 2^e; the digits of 2/pi that weigh 4 and more after the multiplication by 2^e
/// only add whole turns, so 192 digits from there give the quadrant and a remainder of well over 100 bits (after Payne
/// and Hanek, Radian reduction for trigonometric functions, 1983).
constexpr angle reduce_large(double x) {
  const auto e = static_cast<int>(bits(x) >> 52) - 1075;
  const std::uint64_t m = (bits(x) & 0x000F'FFFF'FFFF'FFFFU) | 0x0010'0000'0000'0000U;
  const int start = e + 62;
  const int word = start >> 6;
  const int shift = start & 63;
  std::uint64_t digits[3] = {};
  for (int i = 0; i < 3; ++i)
    digits[i] =
        (two_over_pi_digits[word + i] << shift) | (shift == 0 ? 0U : two_over_pi_digits[word + i + 1] >> (64 - shift));
  const wide low = multiply_wide(m, digits[2]);
  const wide mid = multiply_wide(m, digits[1]);
  std::uint64_t r2 = low.lo;
  std::uint64_t r1 = mid.lo + low.hi;
  std::uint64_t r0 = m * digits[0] + mid.hi + (r1 < mid.lo ? 1U : 0U);
  std::uint64_t quadrant = r0 >> 62;
  r0 = (r0 << 2) | (r1 >> 62);
  r1 = (r1 << 2) | (r2 >> 62);
  r2 <<= 2;
  const bool negative = (r0 >> 63) != 0;
  if (negative) { // the nearer multiple of pi/2 is above
    quadrant += 1;
    r2 = ~r2 + 1;
    r1 = ~r1 + (r2 == 0 ? 1U : 0U);
    r0 = ~r0 + (r2 == 0 && r1 == 0 ? 1U : 0U);
  }
  int zeros = 0;
  if (r0 == 0) {
    r0 = r1;
    r1 = r2;
    r2 = 0;
    zeros = 64;
  }
  const int lead = std::countl_zero(r0 | 1U);
  if (lead != 0) {
    r0 = (r0 << lead) | (r1 >> (64 - lead));
    r1 = (r1 << lead) | (r2 >> (64 - lead));
  }
  zeros += lead;
  const double hi = ldexp(static_cast<double>(r0 >> 11), -53 - zeros);
  const double lo = ldexp(static_cast<double>(((r0 & 0x7FFU) << 42) | (r1 >> 22)), -106 - zeros);
  pair r = two_product(hi, half_pi);
  r.lo += hi * half_pi_lo + lo * half_pi;
  r = fast_two_sum(r.hi, r.lo);
  return negative ? angle{quadrant, -r.hi, -r.lo} : angle{quadrant, r.hi, r.lo};
}

/// x finite and not negative.
constexpr angle reduce(double x) {
  if (x < 0x1p20) {
    const double t = x * two_over_pi + round_magic;
    const double n = t - round_magic;
    if (n == 0.0) return {0, x, 0.0};
    const pair r = two_sum(x - n * half_pi_1, -(n * half_pi_2));
    if (abs(r.hi) > 0x1p-26) {
      const double lo = r.lo - n * half_pi_3;
      const pair sum = fast_two_sum(r.hi, lo);
      return {bits(t), sum.hi, sum.lo};
    }
  }
  return reduce_large(x);
}
/// For floats: one double of remainder is plenty.
constexpr angle reduce_float(double x) {
  if (x < 0x1p20) {
    const double t = x * two_over_pi + round_magic;
    const double n = t - round_magic;
    return {bits(t), (x - n * half_pi_1) - n * 0x1.0b4611a626331p-34, 0.0};
  }
  return reduce_large(x);
}

constexpr double sin_core(double r, double lo) {
  const double z = r * r;
  const double p =
      polynomial(z, -0x1.5555555555555p-3, 0x1.1111111111110p-7, -0x1.a01a01a019936p-13, 0x1.71de3a54605eep-19,
                 -0x1.ae64541266378p-26, 0x1.61217ec01749dp-33, -0x1.ab17a79237a19p-41);
  return r + (r * z * p + lo * (1.0 - 0.5 * z));
}
constexpr double cos_core(double r, double lo) {
  const double z = r * r;
  const double p =
      polynomial(z, 0x1.5555555555555p-5, -0x1.6c16c16c16c16p-10, 0x1.a01a01a019d0ap-16, -0x1.27e4fb7712bdfp-22,
                 0x1.1eed8deb6d561p-29, -0x1.9394b9c9c20a4p-37, 0x1.ab783376962cfp-45);
  const double half = 0.5 * z;
  const double w = 1.0 - half;
  return w + (((1.0 - w) - half) + (z * z * p - r * lo));
}
/// sin(a + turn pi/2)
constexpr double sin_of(angle a, std::uint64_t turn) {
  const std::uint64_t quadrant = a.quadrant + turn;
  const double y = (quadrant & 1U) != 0 ? cos_core(a.hi, a.lo) : sin_core(a.hi, a.lo);
  return (quadrant & 2U) != 0 ? -y : y;
}
constexpr double tan_of(angle a) {
  const double s = sin_core(a.hi, a.lo);
  const double c = cos_core(a.hi, a.lo);
  return (a.quadrant & 1U) != 0 ? -(c / s) : s / c;
}

} // namespace detail

/// Radians, any size.
[[nodiscard]] constexpr double sin(double x) {
  const double a = abs(x);
  if (!(a < infinity<double>)) return nan<double>;
  if (a < 0x1p-27) return x;
  const double y = detail::sin_of(detail::reduce(a), 0);
  return x < 0.0 ? -y : y;
}
[[nodiscard]] constexpr float sin(float x) {
  const auto a = static_cast<double>(abs(x));
  if (!(a < infinity<double>)) return nan<float>;
  if (a < 0x1p-14) return static_cast<float>(static_cast<double>(x) * (1.0 - a * a * (1.0 / 6.0)));
  const auto y = static_cast<float>(detail::sin_of(detail::reduce_float(a), 0));
  return x < 0.0F ? -y : y;
}
[[nodiscard]] constexpr double cos(double x) {
  const double a = abs(x);
  if (!(a < infinity<double>)) return nan<double>;
  return detail::sin_of(detail::reduce(a), 1);
}
[[nodiscard]] constexpr float cos(float x) {
  const auto a = static_cast<double>(abs(x));
  if (!(a < infinity<double>)) return nan<float>;
  return static_cast<float>(detail::sin_of(detail::reduce_float(a), 1));
}
[[nodiscard]] constexpr double tan(double x) {
  const double a = abs(x);
  if (!(a < infinity<double>)) return nan<double>;
  if (a < 0x1p-27) return x;
  const double y = detail::tan_of(detail::reduce(a));
  return x < 0.0 ? -y : y;
}
[[nodiscard]] constexpr float tan(float x) {
  const auto a = static_cast<double>(abs(x));
  if (!(a < infinity<double>)) return nan<float>;
  if (a < 0x1p-14) return static_cast<float>(static_cast<double>(x) * (1.0 + a * a * (1.0 / 3.0)));
  const auto y = static_cast<float>(detail::tan_of(detail::reduce_float(a)));
  return x < 0.0F ? -y : y;
}

namespace detail {

/// atan(j/4) for j = 0..4, then pi/2 - atan((8-j)/4).
inline constexpr pair atan_table[9] = {{0x0.0p+0, 0x0.0p+0},
                                       {0x1.f5b75f92c80ddp-3, 0x1.8ab6e3cf7afbdp-57},
                                       {0x1.dac670561bb4fp-2, 0x1.a2b7f222f65e2p-56},
                                       {0x1.4978fa3269ee1p-1, 0x1.2419a87f2a458p-56},
                                       {0x1.921fb54442d18p-1, 0x1.1a62633145c07p-55},
                                       {0x1.dac670561bb4fp-1, 0x1.a2b7f222f65e2p-55},
                                       {0x1.1b6e192ebbe44p+0, 0x1.b1b466a88828ep-54},
                                       {0x1.5368c951e9cfdp+0, -0x1.96f47948a99f1p-54},
                                       {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54}};

/// a in [0, infinity]. With c the nearest quarter to a (or to 1/a): atan a = atan c + atan((a - c) / (1 + a c)).
constexpr double atan_positive(double a) {
  const bool steep = a > 1.0;
  const int j =
      steep ? (a < 8.0) + (a < 8.0 / 3.0) + (a < 8.0 / 5.0) + (a < 8.0 / 7.0) : static_cast<int>(4.0 * a + 0.5);
  const double c = 0.25 * j;
  // 1/a is never formed: (1/a - c) / (1 + c/a) = (1 - c a) / (a + c).
  if (a > 0x1p60) a = 0x1p60;
  const double t = steep ? (c * a - 1.0) / (a + c) : (a - c) / (1.0 + a * c);
  const double z = t * t;
  const double p =
      polynomial(z, -0x1.5555555555555p-2, 0x1.9999999999998p-3, -0x1.2492492491c28p-3, 0x1.c71c71c501e47p-4,
                 -0x1.745d1534713acp-4, 0x1.3b129652958c3p-4, -0x1.10bd1dc02ae0fp-4, 0x1.c7ca9225a400ep-5);
  const pair base = atan_table[steep ? 8 - j : j];
  return base.hi + (t + (t * z * p + base.lo));
}

/// asin s = s + s z P(z), z = s^2 <= 1/4
constexpr double asin_tail(double z) {
  return z * polynomial(z, 0x1.5555555555555p-3, 0x1.3333333333389p-4, 0x1.6db6db6dac0eap-5, 0x1.f1c71c7a5e151p-6,
                        0x1.6e8ba121b9d5fp-6, 0x1.1c4efd20ebb99p-6, 0x1.c990a42b32b03p-7, 0x1.7b02ef007d23ep-7,
                        0x1.3b462d121c5d2p-7, 0x1.31777489dfd29p-7, 0x1.8dcdf11997e0fp-9, 0x1.40c91fa8deb7ep-6,
                        -0x1.3bd7e353ddbc2p-6, 0x1.e58a4f278e007p-6);
}
/// acos x for x in [1/2, 1]: 2 asin(sqrt((1 - x) / 2)), as a pair; the root's rounding is made good.
constexpr pair acos_upper(double x) {
  const double z = 0.5 * (1.0 - x);
  const double s = sqrt(z);
  const pair square = two_product(s, s);
  const double s_lo = s > 0.0 ? ((z - square.hi) - square.lo) / (2.0 * s) : 0.0;
  return {2.0 * s, 2.0 * (s_lo + s * asin_tail(z))};
}

} // namespace detail

[[nodiscard]] constexpr double atan(double x) {
  if (is_nan(x)) return nan<double>;
  return detail::with_sign(detail::atan_positive(abs(x)), x);
}
[[nodiscard]] constexpr float atan(float x) {
  if (is_nan(x)) return nan<float>;
  return detail::with_sign(static_cast<float>(detail::atan_positive(static_cast<double>(abs(x)))), x);
}
[[nodiscard]] constexpr double asin(double x) {
  const double a = abs(x);
  if (!(a <= 1.0)) return nan<double>;
  if (a <= 0.5) return a < 0x1p-27 ? x : x + x * detail::asin_tail(a * a);
  const detail::pair c = detail::acos_upper(a);
  const detail::pair d = detail::two_sum(detail::half_pi, -c.hi);
  return detail::with_sign(d.hi + (d.lo + (detail::half_pi_lo - c.lo)), x);
}
[[nodiscard]] constexpr double acos(double x) {
  const double a = abs(x);
  if (!(a <= 1.0)) return nan<double>;
  if (a <= 0.5) {
    const detail::pair d = detail::two_sum(detail::half_pi, -x);
    return d.hi + (d.lo + (detail::half_pi_lo - x * detail::asin_tail(x * x)));
  }
  const detail::pair c = detail::acos_upper(a);
  if (x > 0.0) return c.hi + c.lo;
  const detail::pair d = detail::two_sum(2.0 * detail::half_pi, -c.hi);
  return d.hi + (d.lo + (2.0 * detail::half_pi_lo - c.lo));
}
[[nodiscard]] constexpr float asin(float x) {
  const double y = asin(static_cast<double>(is_nan(x) ? 2.0F : x));
  return static_cast<float>(y);
}
[[nodiscard]] constexpr float acos(float x) {
  const double y = acos(static_cast<double>(is_nan(x) ? 2.0F : x));
  return static_cast<float>(y);
}

// ---------------------------------------------------------------- hyperbolic functions, erf

namespace detail {

/// a in [0, 1]
constexpr double sinh_small(double a) {
  const double z = a * a;
  return a + a * z *
                 polynomial(z, 0x1.5555555555555p-3, 0x1.1111111111111p-7, 0x1.a01a01a01a001p-13, 0x1.71de3a556f96cp-19,
                            0x1.ae6456792a77fp-26, 0x1.612467ccb2260p-33, 0x1.ae777c36fd5b6p-41, 0x1.99f0806c2628dp-49);
}
/// a in [0, 3/4]
constexpr double tanh_small(double a) {
  const double z = a * a;
  return a + a * z *
                 polynomial(z, -0x1.5555555555555p-2, 0x1.1111111111103p-3, -0x1.ba1ba1ba1a001p-5, 0x1.664f48822bc19p-6,
                            -0x1.226e35427f1f0p-7, 0x1.d6d3ca9a4b65bp-9, -0x1.7da2eed58880ap-10, 0x1.355247eac059ap-11,
                            -0x1.f51452378072ap-13, 0x1.93de1956393abp-14, -0x1.3d7f57a0f2649p-15,
                            0x1.c865f66fe3a53p-17, -0x1.014490058d5afp-18, 0x1.4156b4ea8824ep-21);
}

/// erf around the centres 1.25 + i/2: the value in two parts, then the powers of the distance.
inline constexpr double erf_table[10][16] = {
    {0x1.d8865d98abe01p-1, -0x1.fcec4afb974d9p-55, 0x1.e4652fadcb6b2p-3, -0x1.2ebf3dcc9f22fp-2, 0x1.571d01c5c5760p-3,
     -0x1.93a9a7bb7f1c7p-8, -0x1.8281ce0b5d725p-5, 0x1.5d0003af8124bp-6, 0x1.db43ca6554e5ap-9, -0x1.75672d04e9910p-8,
     0x1.cc21a7ad7d28ap-11, 0x1.a00773a339255p-11, -0x1.539192b8c3af5p-12, -0x1.ba9b344b2cf88p-15,
     0x1.c8ae910f36d87p-15, -0x1.6dbb6aec33a68p-19},
    {0x1.f92d077f8d56dp-1, 0x1.8b55ef493fce7p-56, 0x1.b055303221016p-5, -0x1.7a4a8a2bdce13p-4, 0x1.7148c3d57c26ep-4,
     -0x1.8a0da54306143p-5, 0x1.b22257dda5c39p-8, 0x1.25b378c926554p-7, -0x1.8d10fba945f4bp-8, 0x1.7ec1d1f17005dp-11,
     0x1.d4cf632c29957p-11, -0x1.d041f779426f0p-12, -0x1.717f97218bc12p-18, 0x1.200aed2ea315cp-14,
     -0x1.1d7248362f9a5p-16, -0x1.38d78c66b245ep-18},
    {0x1.ff404760319b4p-1, 0x1.f142071432025p-56, 0x1.d4143a9dfe964p-8, -0x1.074b60f8df349p-6, 0x1.63ef61e8244d0p-6,
     -0x1.38a98327890c5p-6, 0x1.5d3b17bbcb923p-7, -0x1.7cae0d45c2258p-9, -0x1.5f8313369b940p-11, 0x1.0602e347fbee3p-10,
     -0x1.8352faf51808cp-12, -0x1.80c24d48c8063p-17, 0x1.11430333dd2cep-14, -0x1.7c985a3b48a98p-16,
     -0x1.971515026dcb1p-20, 0x1.c65b166c63010p-19},
    {0x1.fff2cfb0453d9p-1, 0x1.9a913686042a3p-55, 0x1.3360ccd23db3ap-11, -0x1.a6a519a114d70p-10, 0x1.69cf466ccdf6ap-9,
     -0x1.ab0c273ac26ecp-9, 0x1.69359606645b3p-9, -0x1.b2755bfd5d9dbp-10, 0x1.52b6263fbd742p-11, -0x1.755772e5cf495p-14,
     -0x1.2abb3d9b15bc0p-14, 0x1.cd5952dfd66b0p-15, -0x1.09d0591ac5944p-16, -0x1.20104c843c482p-20,
     0x1.68a9225d22a6dp-19, -0x1.de97da11a909fp-21},
    {0x1.ffff6f9f67e55p-1, 0x1.e1e4483ba034bp-55, 0x1.e9b5e8d00ce80p-16, -0x1.8de3cd290a7c1p-14, 0x1.9aa489e3ca63dp-13,
     -0x1.2c7d5ef053d4dp-12, 0x1.490a4d2345c9dp-12, -0x1.145464ea3ea46p-12, 0x1.647f71f2bfb67p-13,
     -0x1.567479a82ea0dp-14, 0x1.b2c35b1c8c428p-16, -0x1.3893fa844ef4dp-19, -0x1.809bd02211cc8p-19,
     0x1.ff552dcb696bfp-20, -0x1.1e7cc89ce34dfp-21, -0x1.5a9cc83adb821p-29},
    {0x1.fffffc2f171e3p-1, 0x1.85edd0395f475p-55, 0x1.d9371e2ff7bf9p-21, -0x1.bba3ac4cf8470p-19, 0x1.0b6a7b0f1cc93p-17,
     -0x1.d06f58609413ep-17, 0x1.3436bc9f0bfd4p-16, -0x1.4357b55459e4dp-16, 0x1.110de4e13c93dp-16,
     -0x1.7566befdb0014p-17, 0x1.99f593d6ebea4p-18, -0x1.5d68f88f822cbp-19, 0x1.a06761d95439fp-21,
     -0x1.835421a5a833bp-24, -0x1.037beec04147dp-24, 0x1.70fe33beff00bp-25},
    {0x1.fffffff01a8b6p-1, 0x1.23370eca5ca6ap-60, 0x1.155a09065d4b8p-26, -0x1.26afa996c3232p-24, 0x1.95ea6fdffe3e1p-23,
     -0x1.96ba7366c1e94p-22, 0x1.3b468018fcb30p-21, -0x1.8868e1d18b0f7p-21, 0x1.916e9278424b6p-21,
     -0x1.566f02264ebcfp-21, 0x1.eab4cd71f6037p-22, -0x1.275891fcab90bp-22, 0x1.27de23e0bfae1p-23,
     -0x1.e0569906939e8p-25, 0x1.2496c69a00a91p-26, -0x1.8e903fcd79c1ap-29},
    {0x1.ffffffffd759dp-1, 0x1.f7bee7eb23420p-55, 0x1.8a61745ec8f20p-33, -0x1.d453ba308d59dp-31, 0x1.6a8aeba4080a2p-29,
     -0x1.9b017abbe490ap-28, 0x1.6b43c96e96861p-27, -0x1.042f2a6971f11p-26, 0x1.35dc7dedbca55p-26,
     -0x1.3834e3aec9615p-26, 0x1.0d4de0d7704f3p-26, -0x1.90aa80b288d06p-27, 0x1.01b972fdd330ap-27,
     -0x1.1ed6e9878149fp-28, 0x1.19bad55fa1f3bp-29, -0x1.bffd73223bb84p-31},
    {0x1.ffffffffffc05p-1, 0x1.07ba96a6b2e1ap-55, 0x1.5422ef5d93bf3p-40, -0x1.be6dda2ac53e3p-38, 0x1.7f8a0f3a22a32p-36,
     -0x1.e4cb4ae9a2e52p-35, 0x1.e044b4eb32629p-34, -0x1.83ea4bd5e0266p-33, 0x1.065940b2186f7p-32,
     -0x1.2ec544ec7ce54p-32, 0x1.2e3ca696517a6p-32, -0x1.07831523c117dp-32, 0x1.935d883f87f62p-33,
     -0x1.1176acf1145ccp-33, 0x1.5a5a77795b393p-34, -0x1.6a98a7d902e7fp-35},
    {0x1.ffffffffffffcp-1, 0x1.8115fd1b12786p-56, 0x1.63daf8b4f56dfp-48, -0x1.ff8ac583c84d4p-46, 0x1.e2d06d55f8efbp-44,
     -0x1.505d953256cb2p-42, 0x1.70b70451091d2p-41, -0x1.4aed68fbd911fp-40, 0x1.f3c4f7d4b2dfbp-40,
     -0x1.43c0fc7dd0662p-39, 0x1.6d26b2b537a5ep-39, -0x1.6a55415e480e7p-39, 0x1.3dc604ba24573p-39,
     -0x1.f4671b928c8edp-40, 0x1.7ec7f88c56bb2p-40, -0x1.de94f3adccf22p-41},
};

inline constexpr double erf_small[] = {0x1.06eba8214db69p-3,   -0x1.812746b0379e6p-2,  0x1.ce2f21a042b30p-4,
                                       -0x1.b82ce31284e00p-6,  0x1.565bcd0dbaa38p-8,   -0x1.c02db3dac435fp-11,
                                       0x1.f9a321d5b8e1ep-14,  -0x1.f4d1e3183f7aep-17, 0x1.b9df224ca4b97p-20,
                                       -0x1.5f1ecb6f0764cp-23, 0x1.f7b4bf3b13964p-27,  -0x1.389d4f2641625p-30,
                                       0x1.05ffd737fb32ep-34};
/// a in [0, infinity]
constexpr double erf_positive(double a) {
  if (a <= 1.0) {
    const double z = a * a;
    return a + a * polynomial(z, erf_small);
  }
  if (!(a < 6.0)) return 1.0;
  const auto i = static_cast<int>(2.0 * a) - 2;
  const double t = a - (1.25 + 0.5 * i);
  const double* c = erf_table[i];
  return c[0] + (c[1] + t * polynomial(t, c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11], c[12], c[13],
                                       c[14], c[15]));
}

} // namespace detail

[[nodiscard]] constexpr double sinh(double x) {
  if (is_nan(x)) return nan<double>;
  const double a = abs(x);
  if (a <= 1.0) return detail::with_sign(detail::sinh_small(a), x);
  if (a > 712.0) return detail::with_sign(infinity<double>, x);
  detail::scaled e = detail::exp_parts(a);
  if (a < 22.0) {
    const double whole = detail::assemble_normal(e);
    return detail::with_sign(0.5 * (whole - 1.0 / whole), x);
  }
  e.k -= 1;
  return detail::with_sign(detail::assemble(e), x);
}
[[nodiscard]] constexpr float sinh(float x) {
  if (is_nan(x)) return nan<float>;
  const auto a = static_cast<double>(abs(x));
  const double e = detail::assemble_normal(detail::exp_parts(a < 100.0 ? a : 100.0));
  return detail::with_sign(detail::narrow(a <= 1.0 ? detail::sinh_small(a) : 0.5 * (e - 1.0 / e)), x);
}
[[nodiscard]] constexpr double cosh(double x) {
  if (is_nan(x)) return nan<double>;
  const double a = abs(x);
  if (a > 712.0) return infinity<double>;
  detail::scaled e = detail::exp_parts(a);
  if (a < 22.0) {
    const double whole = detail::assemble_normal(e);
    return 0.5 * (whole + 1.0 / whole);
  }
  e.k -= 1;
  return detail::assemble(e);
}
[[nodiscard]] constexpr float cosh(float x) {
  if (is_nan(x)) return nan<float>;
  const auto a = static_cast<double>(abs(x));
  const double e = detail::assemble_normal(detail::exp_parts(a < 100.0 ? a : 100.0));
  return detail::narrow(0.5 * (e + 1.0 / e));
}
[[nodiscard]] constexpr double tanh(double x) {
  if (is_nan(x)) return nan<double>;
  const double a = abs(x);
  if (a <= 0.75) return detail::with_sign(detail::tanh_small(a), x);
  const double e = detail::assemble_normal(detail::exp_parts(2.0 * (a < 22.0 ? a : 22.0)));
  return detail::with_sign(1.0 - 2.0 / (e + 1.0), x);
}
[[nodiscard]] constexpr float tanh(float x) {
  if (is_nan(x)) return nan<float>;
  const auto a = static_cast<double>(abs(x));
  const double e = detail::assemble_normal(detail::exp_parts(2.0 * (a < 22.0 ? a : 22.0)));
  // Two terms do below 2^-6; above, the difference loses at most 6 of 53 bits.
  const double z = a * a;
  const double small = a - a * z * (1.0 / 3.0 - z * (2.0 / 15.0));
  return detail::with_sign(static_cast<float>(a < 0x1p-6 ? small : 1.0 - 2.0 / (e + 1.0)), x);
}
[[nodiscard]] constexpr double erf(double x) {
  if (is_nan(x)) return nan<double>;
  return detail::with_sign(detail::erf_positive(abs(x)), x);
}
[[nodiscard]] constexpr float erf(float x) {
  if (is_nan(x)) return nan<float>;
  return detail::with_sign(static_cast<float>(detail::erf_positive(static_cast<double>(abs(x)))), x);
}

// The inverse hyperbolic functions, in double and rounded once; near zero by their series, where the sum would lose bits.
[[nodiscard]] constexpr float asinh(float x) {
  if (is_nan(x)) return nan<float>;
  const double a = static_cast<double>(abs(x));
  const double y = a < 0x1p-10 ? a - a * a * a / 6.0 : log(a + sqrt(a * a + 1.0));
  return detail::with_sign(static_cast<float>(y), x);
}
[[nodiscard]] constexpr float acosh(float x) {
  if (!(x >= 1.0F)) return nan<float>;
  const double a = static_cast<double>(x);
  return static_cast<float>(log(a + sqrt((a - 1.0) * (a + 1.0))));
}
[[nodiscard]] constexpr float atanh(float x) {
  const double a = static_cast<double>(abs(x));
  if (!(a <= 1.0)) return nan<float>;
  if (a == 1.0) return detail::with_sign(infinity<float>, x);
  const double y = a < 0x1p-10 ? a + a * a * a / 3.0 : 0.5 * log((1.0 + a) / (1.0 - a));
  return detail::with_sign(static_cast<float>(y), x);
}

} // namespace tmpu::math
