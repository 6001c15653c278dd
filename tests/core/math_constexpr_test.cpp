// SPDX-License-Identifier: Apache-2.0
#include "tmpu/core/math.hpp"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

// The same table of results, once made in constant evaluation and once at run time, must agree in every bit; and its
// hash must be the one that every compiler and machine gets.

namespace {

namespace math = tmpu::math;

constexpr auto arguments = std::to_array<double>({0.0,
                                                  -0.0,
                                                  1.0,
                                                  -1.0,
                                                  0.5,
                                                  -0.5,
                                                  0.1,
                                                  -0.3,
                                                  0.7071,
                                                  0.75,
                                                  1.25,
                                                  -1.5,
                                                  2.0,
                                                  2.71828,
                                                  3.14159,
                                                  -6.28,
                                                  9.75,
                                                  10.5,
                                                  -17.3,
                                                  33.3,
                                                  -64.0,
                                                  88.7,
                                                  89.5,
                                                  -103.9,
                                                  -104.5,
                                                  127.9,
                                                  -300.25,
                                                  709.5,
                                                  -740.0,
                                                  1e4,
                                                  -1e6,
                                                  1048577.25,
                                                  1e9,
                                                  1e22,
                                                  -1e30,
                                                  1e38,
                                                  1e300,
                                                  0x1p-20,
                                                  0x1p-27,
                                                  -0x1p-30,
                                                  1e-40,
                                                  -1e-300,
                                                  0x1p-1074,
                                                  0x1p52,
                                                  0x1p53,
                                                  1.5707963267948966,
                                                  0.4999999999999999,
                                                  5.9999,
                                                  math::infinity<double>,
                                                  -math::infinity<double>,
                                                  math::nan<double>});
constexpr std::size_t functions = 22;
constexpr std::size_t pow_exponents = 6;
constexpr std::size_t per_argument = functions + pow_exponents + 1;

struct results {
  std::array<std::uint64_t, arguments.size() * per_argument> of_double{};
  std::array<std::uint32_t, arguments.size() * per_argument> of_float{};
  constexpr bool operator==(const results&) const = default;
};

template <class Float> constexpr std::array<Float, per_argument> all_functions(Float x) {
  return {math::abs(x),
          math::floor(x),
          math::ceil(x),
          math::trunc(x),
          math::round_half_even(x),
          math::round_half_away(x),
          math::sqrt(x),
          math::exp(x),
          math::exp2(x),
          math::log(x),
          math::log2(x),
          math::log10(x),
          math::sin(x),
          math::cos(x),
          math::tan(x),
          math::asin(x),
          math::acos(x),
          math::atan(x),
          math::sinh(x),
          math::cosh(x),
          math::tanh(x),
          math::erf(x),
          math::pow(x, Float(2)),
          math::pow(x, Float(-3)),
          math::pow(x, Float(0.5)),
          math::pow(x, Float(7.3)),
          math::pow(Float(1.7), x),
          math::pow(Float(0.3), x),
          math::ldexp(x, -1040)};
}

constexpr results make(const std::array<double, arguments.size()>& given) {
  results r;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto d = all_functions(given[i]);
    const double x = given[i];
    const auto f = all_functions(math::detail::narrow(x));
    for (std::size_t j = 0; j < per_argument; ++j) {
      r.of_double[i * per_argument + j] = std::bit_cast<std::uint64_t>(d[j]);
      r.of_float[i * per_argument + j] = std::bit_cast<std::uint32_t>(f[j]);
    }
  }
  return r;
}

constexpr std::uint64_t hash(const results& r) {
  std::uint64_t h = 0xCBF2'9CE4'8422'2325U;
  for (const std::uint64_t v : r.of_double) h = (h ^ v) * 0x100'0000'01B3U;
  for (const std::uint32_t v : r.of_float) h = (h ^ v) * 0x100'0000'01B3U;
  return h;
}

constexpr results at_compile_time = make(arguments);
// Recorded from g++ 12.2 on x86-64: other compilers and machines must get the same.
constexpr std::uint64_t recorded = 0x9EA6'C2ED'EF5F'B902U;

static_assert(hash(at_compile_time) == recorded);
static_assert(math::sqrt(2.0) == 0x1.6a09e667f3bcdp+0 && math::sqrt(2.0F) == 0x1.6a09e6p+0F);
static_assert(math::exp(1.0F) == 2.71828183F && math::log(10.0F) == 2.30258509F && math::tanh(0.5F) == 0.462117157F);
static_assert(math::exp(0.0) == 1.0 && math::exp2(10.0) == 1024.0 && math::log2(8.0) == 3.0 &&
              math::pow(2.0, 10.0) == 1024.0);
static_assert(math::round_half_even(2.5) == 2.0 && math::round_half_away(2.5) == 3.0 && math::floor(-0.5F) == -1.0F);
static_assert(math::is_nan(math::log(-1.0)) && math::is_inf(math::exp(1000.0)) && math::is_nan(math::sqrt(-1.0F)));

} // namespace

TEST_CASE("run time gives the bits of constant evaluation") {
  std::array<double, arguments.size()> hidden{};
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    volatile double x = arguments[i]; // the optimiser must not know
    hidden[i] = x;
  }
  const results at_run_time = make(hidden);
  for (std::size_t i = 0; i < at_run_time.of_double.size(); ++i) {
    CHECK_MESSAGE(at_run_time.of_double[i] == at_compile_time.of_double[i], "argument ", arguments[i / per_argument],
                  ", function ", i % per_argument);
    CHECK_MESSAGE(at_run_time.of_float[i] == at_compile_time.of_float[i], "argument ", arguments[i / per_argument],
                  ", function ", i % per_argument, " in float");
  }
  CHECK(hash(at_run_time) == recorded);
}
