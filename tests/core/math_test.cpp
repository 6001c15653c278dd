// SPDX-License-Identifier: Apache-2.0
#include "tmpu/core/math.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <initializer_list>

namespace {

namespace math = tmpu::math;

/// |value - truth| in units in the last place of the float type around the truth.
template <class Float> double ulps(Float value, long double truth) {
  constexpr int digits = sizeof(Float) == 4 ? 24 : 53;
  constexpr int least = sizeof(Float) == 4 ? -149 : -1074;
  if (truth == 0.0L) return value == Float{0} ? 0.0 : 1e9;
  const long double first_infinite = std::ldexp(2.0L - std::ldexp(1.0L, -digits), sizeof(Float) == 4 ? 127 : 1023);
  if (std::isinf(value)) return std::fabs(truth) >= first_infinite && (value > 0) == (truth > 0) ? 0.0 : 1e9;
  int exponent = 0;
  (void)std::frexp(truth, &exponent);
  const int unit = exponent - digits < least ? least : exponent - digits;
  return static_cast<double>(std::fabs(std::ldexp(static_cast<long double>(value) - truth, -unit)));
}

struct generator {
  std::uint64_t state = 0x9E37'79B9'7F4A'7C15U;
  std::uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
  double uniform(double low, double high) { return low + (high - low) * 0x1p-53 * static_cast<double>(next() >> 11); }
  /// every exponent alike
  double magnitude(double low, double high) { return std::exp2(uniform(std::log2(low), std::log2(high))); }
};

/// Greatest error on a grid and on random points, of the double and of the float version.
template <class Mine, class Truth>
void sweep(const char* name, Mine mine, Truth truth, double low, double high, double double_bound, int count = 60000) {
  generator random;
  double worst_double = 0.0;
  double worst_float = 0.0;
  double worst_at = 0.0;
  const auto probe = [&](double x) {
    const double e = ulps(mine(x), truth(static_cast<long double>(x)));
    if (!(e <= worst_double)) worst_double = e, worst_at = x;
    const auto f = static_cast<float>(x);
    if (static_cast<double>(std::fabs(f)) > high && low >= 0.0) return;
    const double ef = ulps(mine(f), truth(static_cast<long double>(f)));
    if (!(ef <= worst_float)) worst_float = ef;
  };
  for (int i = 0; i < count; ++i) {
    probe(random.uniform(low, high));
    const double m = random.magnitude(0x1p-30, high);
    probe(low < 0.0 && (i & 1) != 0 ? -std::fmin(m, -low) : std::fmax(m, low));
  }
  std::printf("%-6s [%g, %g]: double %.3f ulp (at %a), float %.5f ulp\n", name, low, high, worst_double, worst_at,
              worst_float);
  CHECK_MESSAGE(worst_double <= double_bound, name);
  CHECK_MESSAGE(worst_float <= 0.5001, name);
}

#define SWEEP(name, low, high, bound)                                                                                  \
  sweep(                                                                                                               \
      #name, [](auto x) { return math::name(x); }, [](long double x) { return std::name(x); }, low, high, bound)

std::uint64_t same(double x) { return std::bit_cast<std::uint64_t>(x); }
std::uint32_t same(float x) { return std::bit_cast<std::uint32_t>(x); }

constexpr double inf = math::infinity<double>;
constexpr float inf_f = math::infinity<float>;

} // namespace

TEST_CASE("errors stay within the documented bounds") {
  SWEEP(exp, -700.0, 700.0, 0.90);
  SWEEP(exp, -20.0, 20.0, 0.90);
  SWEEP(exp, -1.0, 1.0, 0.90);
  SWEEP(exp2, -1000.0, 1000.0, 1.20);
  SWEEP(exp2, -2.0, 2.0, 1.20);
  SWEEP(log, 0.0, 4.0, 1.0);
  SWEEP(log, 0.5, 2.0, 1.0);
  SWEEP(log, 0.0, 1e30, 1.0);
  SWEEP(log2, 0.0, 4.0, 1.80);
  SWEEP(log2, 0.5, 2.0, 1.80);
  SWEEP(log2, 0.0, 1e30, 1.80);
  SWEEP(log10, 0.0, 4.0, 2.00);
  SWEEP(log10, 0.5, 2.0, 2.00);
  SWEEP(log10, 0.0, 1e30, 2.00);
  SWEEP(sin, -10.0, 10.0, 0.85);
  SWEEP(sin, -1e6, 1e6, 0.85);
  SWEEP(cos, -10.0, 10.0, 0.85);
  SWEEP(cos, -1e6, 1e6, 0.85);
  SWEEP(tan, -10.0, 10.0, 2.30);
  SWEEP(tan, -1e6, 1e6, 2.30);
  SWEEP(sin, -1e18, 1e18, 0.85);
  SWEEP(cos, -1e18, 1e18, 0.85);
  SWEEP(tan, -1e18, 1e18, 2.30);
  SWEEP(asin, -1.0, 1.0, 0.75);
  SWEEP(acos, -1.0, 1.0, 0.75);
  SWEEP(atan, -2.0, 2.0, 1.50);
  SWEEP(atan, -20.0, 20.0, 1.50);
  SWEEP(sinh, -2.0, 2.0, 1.80);
  SWEEP(sinh, -80.0, 80.0, 1.80);
  SWEEP(cosh, -2.0, 2.0, 1.50);
  SWEEP(cosh, -80.0, 80.0, 1.50);
  SWEEP(tanh, -1.5, 1.5, 1.20);
  SWEEP(tanh, -30.0, 30.0, 1.20);
  SWEEP(erf, -2.0, 2.0, 1.50);
  SWEEP(erf, -7.0, 7.0, 1.50);
  SWEEP(sqrt, 0.0, 4.0, 0.5);
}

TEST_CASE("pow: within the bounds, all sizes") {
  generator random;
  double worst_double = 0.0;
  double worst_float = 0.0;
  for (int i = 0; i < 200000; ++i) {
    const double x = random.magnitude(0x1p-100, 0x1p100);
    const double limit = 1000.0 / std::fmax(std::fabs(std::log2(x)), 1e-3);
    const double y = random.uniform(-limit, limit);
    const long double truth = std::pow(static_cast<long double>(x), static_cast<long double>(y));
    if (truth > 0x1p-1000L && truth < 0x1p1000L) worst_double = std::fmax(worst_double, ulps(math::pow(x, y), truth));
    const auto xf = static_cast<float>(i % 2 == 0 ? random.uniform(0.0, 4.0) : x);
    const auto yf = static_cast<float>(y / 8.0);
    const long double truth_f = std::pow(static_cast<long double>(xf), static_cast<long double>(yf));
    if (truth_f < 0x1p128L) worst_float = std::fmax(worst_float, ulps(math::pow(xf, yf), truth_f));
  }
  std::printf("pow: double %.3f ulp, float %.5f ulp\n", worst_double, worst_float);
  CHECK(worst_double <= 1.30);
  CHECK(worst_float <= 0.5001);
  CHECK(math::pow(3.0, 4.0) == 81.0);
  CHECK(math::pow(3.0F, 2.0F) == 9.0F);
  CHECK(math::pow(2.0, -1074.0) == 0x1p-1074);
  CHECK(math::pow(0x1p-1074, 0.5) == 0x1p-537);
  CHECK(math::pow(2.0, 1024.0) == inf);
  CHECK(math::pow(-2.0, 3.0) == -8.0);
  CHECK(math::pow(-2.0F, 5.0F) == -32.0F);
}

TEST_CASE("special arguments follow the C library, with one NaN") {
  const double specials[] = {0.0,      -0.0,      1.0,        -1.0,        2.0,
                             -2.0,     0.5,       -0.5,       3.0,         -3.0,
                             inf,      -inf,      2.5,        -2.5,        0x1p-40,
                             -0x1p-40, 0x1p-1074, 0x1p60,     -0x1p60,     1e300,
                             -1e300,   1e-300,    0x1p53 + 2, -0x1p53 + 1, math::nan<double>};
  const auto close = [](double mine, double theirs) {
    if (theirs != theirs) return same(mine) == same(math::nan<double>);
    if (theirs == 0.0 || std::isinf(theirs)) return same(mine) == same(theirs);
    return std::fabs(mine - theirs) <= std::fmax(0x1p-50 * std::fabs(theirs), 0x1p-1074);
  };
  const auto close_f = [](float mine, float theirs) {
    if (theirs != theirs) return same(mine) == same(math::nan<float>);
    if (theirs == 0.0F || std::isinf(theirs)) return same(mine) == same(theirs);
    return std::fabs(mine - theirs) <= std::fmax(0x1p-22F * std::fabs(theirs), 0x1p-149F);
  };
#define SAME(name)                                                                                                     \
  CHECK_MESSAGE(close(math::name(x), std::name(x)), #name, " ", x, " ", math::name(x));                                \
  CHECK_MESSAGE(close_f(math::name(f), std::name(f)), #name, " float ", f, " ", math::name(f))
  for (const double x : specials) {
    const auto f = static_cast<float>(x);
    SAME(exp);
    SAME(exp2);
    SAME(log);
    SAME(log2);
    SAME(log10);
    SAME(sqrt);
    SAME(sin);
    SAME(cos);
    SAME(tan);
    SAME(asin);
    SAME(acos);
    SAME(atan);
    SAME(sinh);
    SAME(cosh);
    SAME(tanh);
    SAME(erf);
    for (const double y : specials) {
      CHECK_MESSAGE(close(math::pow(x, y), std::pow(x, y)), x, " ^ ", y, " = ", math::pow(x, y));
      const auto g = static_cast<float>(y);
      CHECK_MESSAGE(close_f(math::pow(f, g), std::pow(f, g)), f, " ^ ", g, " = ", math::pow(f, g));
    }
  }
}

TEST_CASE("overflow, underflow and denormals") {
  for (double x = -760.0; x < 720.0; x += 0.0625) {
    const long double truth = std::exp(static_cast<long double>(x));
    const double mine = math::exp(x);
    if (truth >= 0x1.fffffffffffff8p1023L)
      CHECK(mine == inf);
    else
      CHECK_MESSAGE(ulps(mine, truth) <= 1.3, x); // two roundings where the result is denormal
  }
  for (float x = -110.0F; x < 95.0F; x += 0.0009765625F) {
    const long double truth = std::exp(static_cast<long double>(x));
    const float mine = math::exp(x);
    if (truth >= 0x1.ffffffp127L)
      CHECK(mine == inf_f);
    else
      CHECK_MESSAGE(ulps(mine, truth) <= 0.5001, x);
  }
  CHECK(math::exp(709.782712893384) == doctest::Approx(std::exp(709.782712893384)));
  CHECK(math::exp(710.0) == inf);
  CHECK(math::sinh(710.4) == doctest::Approx(std::sinh(710.4)));
  CHECK(math::sinh(-711.0) == -inf);
  CHECK(math::cosh(89.0F) == doctest::Approx(std::cosh(89.0F)));
  CHECK(math::sinh(90.0F) == inf_f);
  CHECK(math::log(0x1p-1074) == doctest::Approx(std::log(0x1p-1074)));
  CHECK(math::log2(0x1p-1074) == -1074.0);
  CHECK(math::log2(0x1p-149F) == -149.0F);
}

TEST_CASE("sin and cos of hard arguments") {
  // The double that comes nearest to a multiple of pi/2, 6381956970095103 * 2^797; its cosine is
  // -4.6871659242546276e-19 (Muller, Elementary Functions, section on range reduction).
  CHECK(math::cos(0x1.6ac5b262ca1ffp+849) == -4.6871659242546276e-19);
  for (const double x : {0x1.921fb54442d18p+0, 0x1.921fb54442d18p+1, 0x1.921fb54442d18p+20, 0x1.921fb54442d18p+19, 1e22,
                         1e300, 0x1.fffffffffffffp+1023, 0x1p20, 0x1p64}) {
    const long double s = std::sin(static_cast<long double>(x));
    const long double c = std::cos(static_cast<long double>(x));
    CHECK_MESSAGE(ulps(math::sin(x), std::fabs(x) < 0x1p60 ? s : static_cast<long double>(std::sin(x))) <= 1.5, x);
    CHECK_MESSAGE(ulps(math::cos(x), std::fabs(x) < 0x1p60 ? c : static_cast<long double>(std::cos(x))) <= 1.5, x);
  }
  generator random;
  double worst = 0.0;
  for (int i = 0; i < 50000; ++i) {
    const double x = random.magnitude(0x1p10, 0x1p1020);
    worst = std::fmax(worst, ulps(math::sin(x), static_cast<long double>(std::sin(x))));
    const auto f = static_cast<float>(random.magnitude(1.0, 0x1p127));
    CHECK(math::cos(f) == static_cast<float>(std::cos(static_cast<double>(f))));
    CHECK(math::tan(f) == static_cast<float>(std::tan(static_cast<double>(f))));
  }
  std::printf("sin of huge arguments against a double reference: %.3f ulp\n", worst);
  CHECK(worst <= 1.5);
}

TEST_CASE("rounding to integers equals the C library, bit for bit") {
  generator random;
  const auto check = [](auto x) {
    CHECK(same(math::trunc(x)) == same(std::trunc(x)));
    CHECK(same(math::floor(x)) == same(std::floor(x)));
    CHECK(same(math::ceil(x)) == same(std::ceil(x)));
    CHECK(same(math::round_half_even(x)) == same(std::nearbyint(x)));
    CHECK(same(math::round_half_away(x)) == same(std::round(x)));
    CHECK(same(math::abs(x)) == same(std::fabs(x)));
  };
  for (int i = -40; i <= 40; ++i) {
    check(i * 0.25);
    check(static_cast<float>(i) * 0.25F);
  }
  for (int i = 0; i < 20000; ++i) {
    const double m = random.magnitude(0x1p-3, 0x1p60);
    check(i % 2 == 0 ? m : -m);
    check(static_cast<float>(i % 2 == 0 ? m : -m));
  }
  for (const double x : {0.0, -0.0, 0.49999999999999994, -0.49999999999999994, 0x1p52 - 0.5, 0x1p52 + 1.0, inf, -inf}) {
    check(x);
    check(static_cast<float>(x));
  }
  check(0.49999997F);
  check(8388607.5F);
}

TEST_CASE("ldexp and sqrt equal the C library, bit for bit; the soft root equals the machine's") {
  generator random;
  for (int i = 0; i < 100000; ++i) {
    const double x = std::bit_cast<double>(random.next());
    if (x != x) continue;
    const int e = static_cast<int>(random.next() % 2400U) - 1200;
    REQUIRE(same(math::ldexp(x, e)) == same(std::ldexp(x, e)));
    const auto f = std::bit_cast<float>(static_cast<std::uint32_t>(random.next()));
    if (f == f) REQUIRE(same(math::ldexp(f, e / 4)) == same(std::ldexp(f, e / 4)));
    const double a = std::fabs(x);
    if (a > 0.0 && a < inf) {
      REQUIRE(same(math::sqrt(a)) == same(std::sqrt(a)));
      REQUIRE(same(math::detail::sqrt_soft(a)) == same(std::sqrt(a)));
      const double near_square = std::fmin(random.uniform(1.0, 2.0), 2.0);
      const double square = near_square * near_square;
      REQUIRE(same(math::detail::sqrt_soft(square)) == same(std::sqrt(square)));
    }
    const float fa = std::fabs(f);
    if (fa > 0.0F && fa < inf_f)
      REQUIRE(same(static_cast<float>(math::detail::sqrt_soft(static_cast<double>(fa)))) == same(std::sqrt(fa)));
  }
  for (const double x : {0x1p-1074, 0x1p-1022, 0x1.fffffffffffffp+1023, 4.0 - 0x1p-51, 1.0 - 0x1p-53, 1.0 + 0x1p-52})
    CHECK(same(math::detail::sqrt_soft(x)) == same(std::sqrt(x)));
}

TEST_CASE("fma equals the C library, bit for bit, by doubles as well") {
  generator random;
  const auto check = [](float a, float b, float c) {
    const float wanted = std::fma(a, b, c);
    REQUIRE(math::fma(a, b, c) == wanted);
    REQUIRE(same(math::detail::fma_by_doubles(a, b, c)) == same(wanted));
  };
  for (int i = 0; i < 300000; ++i) {
    const auto any = [&] { return std::bit_cast<float>(static_cast<std::uint32_t>(random.next())); };
    const float a = any();
    const float b = any();
    float c = any();
    // Where c is about the product, its last bits and cancellation decide.
    if (i % 2 == 0) c = std::ldexp(-a * b, static_cast<int>(random.next() % 60U) - 30);
    if (a != a || b != b || c != c || std::isinf(a) || std::isinf(b)) continue;
    check(a, b, c);
  }
  // Ties that the third operand decides, sums of denormals, overflow, zeros.
  check(0x1.000002p0F, 0x1.000002p0F, 0x1p-60F);
  check(0x1p12F + 1.0F, 0x1p12F + 1.0F, 0x1p-30F);
  check(0x1p12F + 1.0F, 0x1p12F + 1.0F, -0x1p-30F);
  check(0x1p-75F, 0x1p-75F, 0x1p-149F);
  check(0x1p-75F, 0x1.8p-75F, 0x1p-149F);
  check(0x1.fffffep127F, 1.0F, 0x1p103F);
  check(0x1.fffffep127F, 1.0F, 0x1.fffffep102F);
  check(0x1.fffffep127F, -2.0F, 0x1p127F);
  for (const float z : {0.0F, -0.0F}) check(z, 1.0F, 0.0F), check(z, 1.0F, -0.0F), check(1.0F, 1.0F, -1.0F);
  static_assert(math::fma(0x1.000002p0F, 0x1.000002p0F, -0x1.000004p0F) == 0x1p-46F);
}
