// SPDX-License-Identifier: Apache-2.0
#include "tmpu/core/quantize.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>

namespace {

using namespace tmpu;

constexpr double nan_d = math::nan<double>;
constexpr float inf = math::infinity<float>;

static_assert(make_multiplier(1.0) == multiplier{1 << 30, 30});
static_assert(make_multiplier(0.75) == multiplier{0x6000'0000, 31});
static_assert(make_multiplier(0.0) == multiplier{0, 62});
static_assert(make_multiplier(1.0 - 0x1p-40) == multiplier{1 << 30, 30}); // rounds up into the next power of two
static_assert(make_multiplier(0x1p-32) == multiplier{1 << 30, 62});
static_assert(make_multiplier(0x1p-33) == multiplier{1 << 29, 62});
static_assert(make_multiplier(0x1p-62) == multiplier{1, 62} && make_multiplier(0x1p-64) == multiplier{0, 62});
static_assert(make_multiplier(0x1p30) == multiplier{1 << 30, 0});
static_assert(!make_multiplier(0x1p31).valid() && !make_multiplier(0x1.ffffffffp30).valid());
static_assert(!make_multiplier(-0.5).valid() && !make_multiplier(nan_d).valid());
static_assert(!make_multiplier(math::infinity<double>).valid());
static_assert(make_multiplier(0.75).real() == 0.75);
static_assert(make_multipliers(1.0, 0.25) == multiplier_pair{1 << 30, 1 << 28, 30});
static_assert(make_multipliers(0.25, 1.0) == multiplier_pair{1 << 28, 1 << 30, 30});
static_assert(!make_multipliers(0.5, -1.0).valid() && !make_multipliers(nan_d, 1.0).valid());
static_assert(make_multipliers(0.0, 0.0) == multiplier_pair{0, 0, 62});

static_assert(quantize_value(1.25F, 0.5F, 0, -128, 127) == 3); // 2.5: half away from zero
static_assert(quantize_value(-1.25F, 0.5F, 0, -128, 127) == -3);
static_assert(quantize_value(1.0F, 0.5F, 10, 0, 255) == 12);
static_assert(quantize_value(1e30F, 0.5F, 0, -128, 127) == 127 && quantize_value(-inf, 0.5F, 3, -128, 127) == -128);
static_assert(quantize_value(math::nan<float>, 0.5F, 3, -128, 127) == 3);
static_assert(quantize_input(1.25F, 0.5F, 0, -128, 127) == 2); // 2.5: the even one, as ONNX's QuantizeLinear
static_assert(quantize_input(-1.75F, 0.5F, 0, -128, 127) == -4);
static_assert(quantize_input(0.5F / 255.0F, 1.0F / 255.0F, 0, 0, 255) == 0); // the quotient in float is a half
static_assert(quantize_input(1e30F, 0.5F, 0, -128, 127) == 127 && quantize_input(-inf, 0.5F, 3, -128, 127) == -128);
static_assert(quantize_input(math::nan<float>, 0.5F, 3, -128, 127) == 3);
static_assert(dequantize_value(12, 0.5F, 10) == 1.0F && dequantize_value(-128, 0.25F, 0) == -32.0F);

struct generator {
  std::uint64_t state = 0x9E37'79B9'7F4A'7C15U;
  std::uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
  double magnitude(double low, double high) {
    return std::exp2(low + (high - low) * 0x1p-53 * static_cast<double>(next() >> 11));
  }
};

} // namespace

TEST_CASE("a multiplier stands for its factor") {
  generator random;
  for (int i = 0; i < 200000; ++i) {
    const double real = random.magnitude(-70.0, 30.99);
    const multiplier m = make_multiplier(real);
    REQUIRE(m.valid());
    REQUIRE(m.shift >= 0);
    REQUIRE(m.shift <= 62);
    if (real >= 0x1p-32) {
      REQUIRE(m.value >= 1 << 30);
      REQUIRE(std::fabs(m.real() - real) <= real * 0x1p-31);
    } else {
      REQUIRE(m.shift == 62);
      REQUIRE(std::fabs(m.real() - real) <= 0x1p-63);
    }
  }
}

TEST_CASE("a pair shares the shift of its greater member") {
  generator random;
  for (int i = 0; i < 200000; ++i) {
    const double a = random.magnitude(-40.0, 30.0);
    const double b = random.magnitude(-40.0, 30.0);
    const multiplier_pair p = make_multipliers(a, b);
    REQUIRE(p.valid());
    const multiplier greater = make_multiplier(std::fmax(a, b));
    REQUIRE(p.shift == greater.shift);
    REQUIRE((a > b ? p.a : p.b) == greater.value);
    REQUIRE(std::fabs(std::ldexp(p.a, -p.shift) - a) <= std::ldexp(0.5, -p.shift));
    REQUIRE(std::fabs(std::ldexp(p.b, -p.shift) - b) <= std::ldexp(0.5, -p.shift));
  }
}

TEST_CASE("quantize against long double; dequantize goes back") {
  generator random;
  for (int i = 0; i < 300000; ++i) {
    const auto scale = static_cast<float>(random.magnitude(-20.0, 10.0));
    const auto x = static_cast<float>(random.magnitude(-10.0, 8.0)) * scale * (i % 2 == 0 ? 1.0F : -1.0F);
    const auto zero = static_cast<std::int64_t>(random.next() % 21U) - 10;
    const long double exact =
        std::round(static_cast<long double>(x) / static_cast<long double>(scale)) + static_cast<long double>(zero);
    const long double clamped = std::fmin(std::fmax(exact, -128.0L), 127.0L);
    REQUIRE(static_cast<long double>(quantize_value(x, scale, zero, -128, 127)) == clamped);
  }
  for (std::int64_t q = -128; q < 128; ++q)
    for (const float scale : {0.1F, 0x1p-140F, 3.0F, 1e30F}) {
      REQUIRE(quantize_value(dequantize_value(q, scale, 7), scale, 7, -128, 127) == q);
    }
}
