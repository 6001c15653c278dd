// SPDX-License-Identifier: Apache-2.0
#include "tmpu/compare/similarity.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

namespace {

using namespace tmpu::compare;
namespace math = tmpu::math;

constexpr std::array<float, 2> x{3.0F, 4.0F};
constexpr std::array<float, 2> y{4.0F, 3.0F};
constexpr std::array<float, 2> minus_x{-3.0F, -4.0F};
constexpr std::array<float, 2> zero{0.0F, 0.0F};
constexpr std::array<float, 2> minus_zero{-0.0F, 0.0F};
constexpr float inf = math::infinity<float>;

static_assert(cosine(x, y) == 24.0 / 25.0);
static_assert(cosine(x, minus_x) == -1.0 && euclid(x, minus_x) == -math::infinity<double>);
static_assert(cosine(x, zero) == 0.0 && euclid(x, zero) == -1.0 && sqnr_db(x, zero) == 0.0);
static_assert(compare(x, x).bit_equal && cosine(x, x) == 1.0 && euclid(x, x) == 1.0 && max_abs_difference(x, y) == 1.0);
static_assert(sqnr_db(x, x) == math::infinity<double> && sqnr_db(zero, x) == -math::infinity<double>);
static_assert(cosine(zero, zero) == 1.0 && euclid(zero, zero) == 1.0 && sqnr_db(zero, zero) == math::infinity<double>);
static_assert(cosine(zero, minus_zero) == 1.0 && !compare(zero, minus_zero).bit_equal);

} // namespace

TEST_CASE("the three measures against long double by their definitions") {
  std::vector<float> a(1000);
  std::vector<float> b(1000);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i)) * 10.0);
    b[i] = a[i] + static_cast<float>(0.01 * std::cos(static_cast<double>(i)));
  }
  long double aa = 0, bb = 0, ab = 0, dd = 0, mm = 0, greatest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const long double p = static_cast<long double>(a[i]);
    const long double q = static_cast<long double>(b[i]);
    aa += p * p;
    bb += q * q;
    ab += p * q;
    dd += (p - q) * (p - q);
    mm += (p + q) / 2 * ((p + q) / 2);
    greatest = std::fmax(greatest, std::fabs(p - q));
  }
  const similarity s = compare(a, b);
  CHECK(std::fabs(static_cast<long double>(s.cosine) - ab / std::sqrt(aa * bb)) < 1e-14L);
  CHECK(std::fabs(static_cast<long double>(s.euclid) - (1 - std::sqrt(dd / mm))) < 1e-14L);
  CHECK(std::fabs(static_cast<long double>(s.sqnr_db) - 10 * std::log10(aa / dd)) < 1e-11L);
  CHECK(static_cast<long double>(s.max_abs_difference) == greatest);
  CHECK(!s.bit_equal);
  CHECK(s.within(0.9999, 0.99));
  CHECK(!s.within(0.9999, 0.99999));
}

TEST_CASE("NaNs, infinities and sizes") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::array<float, 3> a{1.0F, nan, 2.0F};
  const std::array<float, 3> b{1.0F, 5.0F, 2.0F};
  const std::array<float, 3> c{1.0F, -inf, 2.0F};
  const std::array<float, 3> d{1.0F, -inf, 3.0F};
  const std::array<float, 3> e{1.0F, inf, 2.0F};
  for (const similarity& s : {compare(a, b), compare(b, a), compare(a, a), compare(b, c), compare(c, e)}) {
    CHECK(std::isnan(s.cosine));
    CHECK(std::isnan(s.euclid));
    CHECK(std::isnan(s.sqnr_db));
    CHECK(!s.within(-1.0, -1e300));
  }
  CHECK(compare(a, a).bit_equal);
  CHECK(compare(c, c).cosine == 1.0);
  CHECK(compare(c, d).cosine == doctest::Approx(7.0 / std::sqrt(50.0)));
  CHECK(std::isnan(cosine(std::span<const float>(b).first(2), b)));
  CHECK(!bit_equal(std::span<const float>(b).first(2), b));
  CHECK(cosine({}, {}) == 1.0);
}

TEST_CASE("the greatest floats do not overflow") {
  const std::array<float, 2> big{std::numeric_limits<float>::max(), -std::numeric_limits<float>::max()};
  const std::array<float, 2> half{big[0] / 2, big[1] / 2};
  CHECK(cosine(big, half) == doctest::Approx(1.0));
  CHECK(euclid(big, half) == doctest::Approx(1.0 - 0.5 / 0.75));
  CHECK(sqnr_db(big, half) == doctest::Approx(10.0 * std::log10(4.0)));
  const std::array<float, 2> tiny{std::numeric_limits<float>::denorm_min(), 0.0F};
  CHECK(cosine(tiny, tiny) == 1.0);
  CHECK(sqnr_db(tiny, zero) == doctest::Approx(0.0));
}
