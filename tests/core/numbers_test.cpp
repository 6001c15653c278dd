// SPDX-License-Identifier: Apache-2.0
#include "tmpu/core/numbers.hpp"

#include "f8_vectors.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

// The compiler's own half type is the oracle where there is one (g++ 12 on x86-64 has it, emulated or in hardware).
#if defined(__FLT16_MANT_DIG__)
#define TEST_HAS_FLOAT16 1
#endif

namespace {

using namespace tmpu;

std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }

struct generator {
  std::uint64_t state = 0x9E37'79B9'7F4A'7C15U;
  std::uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
};

/// Value of a small format by its definition, in double.
double defined_value(unsigned code, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(code >> mantissa_bits);
  const int mantissa = static_cast<int>(code & ((1U << mantissa_bits) - 1U));
  return exponent == 0 ? std::ldexp(mantissa, 1 - bias - mantissa_bits)
                       : std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
}

/// Every finite code reads as defined and writes back; halfway points go to the even code, their neighbours do not.
template <class Code, class To, class From>
void exhaust(To to, From from, unsigned greatest, int exponent_bits, int mantissa_bits, Code sign) {
  for (unsigned code = 0; code <= greatest; ++code) {
    const double value = defined_value(code, exponent_bits, mantissa_bits);
    const auto x = static_cast<float>(value);
    REQUIRE(static_cast<double>(x) == value);
    REQUIRE(bits(from(static_cast<Code>(code))) == bits(x));
    REQUIRE(to(x) == code);
    REQUIRE(to(-x) == (code | sign));
    REQUIRE(bits(from(static_cast<Code>(code | sign))) == bits(-x));
    if (code == greatest) continue;
    const double next = defined_value(code + 1, exponent_bits, mantissa_bits);
    const auto middle = static_cast<float>((value + next) / 2);
    if (static_cast<double>(middle) != (value + next) / 2) continue; // bf16 denormals have no float in the middle
    const unsigned even = (code & 1U) == 0 ? code : code + 1;
    REQUIRE(to(middle) == even);
    REQUIRE(to(-middle) == (even | sign));
    REQUIRE(to(std::nextafter(middle, 0.0F)) == code);
    REQUIRE(to(std::nextafter(middle, 3.4e38F)) == code + 1);
  }
}

constexpr float inf = std::numeric_limits<float>::infinity();

static_assert(to_f16_bits(1.0F) == 0x3C00U && to_f16_bits(-2.0F) == 0xC000U && to_f16_bits(65504.0F) == 0x7BFFU);
static_assert(to_f16_bits(65519.99F) == 0x7BFFU && to_f16_bits(65520.0F) == 0x7C00U && to_f16_bits(-1e10F) == 0xFC00U);
static_assert(to_f16_bits(0x1p-24F) == 1U && to_f16_bits(0x1p-25F) == 0U && to_f16_bits(0x1.000002p-25F) == 1U);
static_assert(from_f16_bits(0x0001U) == 0x1p-24F && from_f16_bits(0x7BFFU) == 65504.0F);
static_assert(round_to_f16(1.0F + 0x1p-11F) == 1.0F && round_to_f16(1.0F + 0x1.8p-10F) == 1.0F + 0x1p-9F);
static_assert(to_bf16_bits(1.0F) == 0x3F80U && round_to_bf16(1.0F + 0x1p-8F) == 1.0F);
static_assert(round_to_bf16(std::numeric_limits<float>::max()) == inf);
static_assert(to_e4m3_bits(448.0F) == 0x7EU && to_e4m3_bits(1e9F) == 0x7EU && to_e4m3_bits(-inf) == 0xFEU);
static_assert(to_e5m2_bits(57344.0F) == 0x7BU && to_e5m2_bits(inf) == 0x7BU && from_e5m2_bits(0x7CU) == inf);
static_assert(saturate_i8(128) == 127 && saturate_i8(-129) == -128 && saturate_u8(-1) == 0 && saturate_u8(256) == 255);
static_assert(saturate_i32(std::int64_t{1} << 40) == INT32_MAX && saturate_i16(-40000) == INT16_MIN);
static_assert(round_shift(5, 1) == 3 && round_shift(-5, 1) == -3 && round_shift(-4, 3) == -1 &&
              round_shift(-3, 3) == 0);
static_assert(round_shift(INT64_MIN, 0) == INT64_MIN && round_shift(INT64_MAX, 62) == 2);
static_assert(divide_round_half_away(7, 2) == 4 && divide_round_half_away(-7, 2) == -4);
static_assert(divide_round_half_away(7, -3) == -2 && divide_round_half_away(-8, -3) == 3);

// Every number of the small formats is what it rounds to; the middles go to the even one.
constexpr bool small_formats() {
  for (int b = 0; b < 16; ++b) {
    if (to_e2m1_bits(from_e2m1_bits(static_cast<std::uint8_t>(b))) != b) return false;
  }
  for (int b = 0; b < 256; ++b) {
    const auto bits = static_cast<std::uint8_t>(b); // 0x80 is the NaN
    if (to_e4m3fnuz_bits(from_e4m3fnuz_bits(bits)) != bits || to_e5m2fnuz_bits(from_e5m2fnuz_bits(bits)) != bits)
      return false;
  }
  return true;
}
static_assert(small_formats());
static_assert(round_to_e2m1(0.25F) == 0.0F && round_to_e2m1(0.75F) == 1.0F && round_to_e2m1(5.0F) == 4.0F &&
              round_to_e2m1(-7.0F) == -6.0F && from_e2m1_bits(0x3) == 1.5F);
static_assert(from_e4m3fnuz_bits(0x7F) == 240.0F && from_e5m2fnuz_bits(0x01) == 0x1p-17F &&
              to_e4m3fnuz_bits(-0x1p-12F) == 0 && to_e5m2fnuz_bits(1e9F) == 0x7F);

} // namespace

TEST_CASE("f16, bf16, f8: every code, every middle") {
  exhaust<std::uint16_t>(to_f16_bits, from_f16_bits, 0x7BFFU, 5, 10, 0x8000U);
  exhaust<std::uint16_t>(to_bf16_bits, from_bf16_bits, 0x7F7FU, 8, 7, 0x8000U);
  exhaust<std::uint8_t>(to_e4m3_bits, from_e4m3_bits, 0x7EU, 4, 3, 0x80U);
  exhaust<std::uint8_t>(to_e5m2_bits, from_e5m2_bits, 0x7BU, 5, 2, 0x80U);
}

TEST_CASE("all 65,536 codes survive the way to float and back") {
  for (unsigned code = 0; code < 0x10000U; ++code) {
    const auto h = static_cast<std::uint16_t>(code);
    const float f = from_f16_bits(h);
    const float b = from_bf16_bits(h);
    if (f == f) {
      REQUIRE(to_f16_bits(f) == h);
      REQUIRE(bits(round_to_f16(f)) == bits(f));
    } else {
      REQUIRE(to_f16_bits(f) == (h | 0x0200U)); // quiet, payload kept
    }
    if (b == b) {
      REQUIRE(to_bf16_bits(b) == h);
      REQUIRE(bits(round_to_bf16(b)) == bits(b));
    } else {
      REQUIRE(to_bf16_bits(b) == (h | 0x0040U));
    }
  }
}

/// All 256 codes and all 65,536 f16 against ml_dtypes; ours saturates where it goes to NaN or infinity.
template <std::size_t Codes>
void against_ml_dtypes(std::uint8_t (*to)(float), float (*from)(std::uint8_t), const std::uint32_t (&values)[256],
                       const std::uint16_t (&first)[Codes], std::uint16_t last) {
  for (unsigned code = 0; code < 256; ++code) {
    const auto wanted = std::bit_cast<float>(values[code]);
    const float got = from(static_cast<std::uint8_t>(code));
    REQUIRE((wanted == wanted ? bits(got) == values[code] : got != got));
  }
  unsigned code = 0;
  for (unsigned half = 0; half <= 0x7C00U; ++half) {
    while (code < Codes && half >= first[code]) ++code;
    if (half == last) REQUIRE(code == Codes);
    REQUIRE(to(from_f16_bits(static_cast<std::uint16_t>(half))) == code);
    REQUIRE(to(from_f16_bits(static_cast<std::uint16_t>(half | 0x8000U))) == (code | 0x80U));
  }
  for (unsigned half = 0x7C01U; half < 0x8000U; ++half) {
    for (const unsigned sign : {0U, 0x8000U}) {
      const float back = from(to(from_f16_bits(static_cast<std::uint16_t>(half | sign))));
      REQUIRE(back != back);
    }
  }
}

TEST_CASE("f8: every code and every f16 as ml_dtypes has it") {
  using namespace f8_vectors;
  against_ml_dtypes(to_e4m3_bits, from_e4m3_bits, e4m3_values, e4m3_first, e4m3_last);
  against_ml_dtypes(to_e5m2_bits, from_e5m2_bits, e5m2_values, e5m2_first, e5m2_last);
}

TEST_CASE("infinities and NaNs") {
  CHECK(to_f16_bits(inf) == 0x7C00U);
  CHECK(from_f16_bits(0xFC00U) == -inf);
  CHECK(to_bf16_bits(-inf) == 0xFF80U);
  CHECK(to_e4m3_bits(std::numeric_limits<float>::quiet_NaN()) == 0x7FU);
  CHECK(to_e4m3_bits(-std::numeric_limits<float>::quiet_NaN()) == 0xFFU);
  CHECK(std::isnan(from_e4m3_bits(0xFFU)));
  CHECK(std::isnan(from_e5m2_bits(0x7DU)));
  CHECK(std::isnan(from_e5m2_bits(to_e5m2_bits(std::numeric_limits<float>::quiet_NaN()))));
  CHECK(std::isnan(round_to_f16(std::bit_cast<float>(0x7F80'0001U))));
  CHECK(std::isnan(round_to_bf16(std::bit_cast<float>(0x7F80'0001U))));
}

TEST_CASE("the short cuts equal the way through the codes; f16 equals the compiler's") {
  generator random;
  for (int i = 0; i < 3'000'000; ++i) {
    auto b = static_cast<std::uint32_t>(random.next());
    // Two of three around the range of f16.
    if (i % 3 != 0) b = (b & 0x807F'FFFFU) | ((100U + (b >> 23) % 46U) << 23);
    const auto x = std::bit_cast<float>(b);
    REQUIRE(bits(round_to_f16(x)) == bits(from_f16_bits(to_f16_bits(x))));
    REQUIRE(bits(round_to_bf16(x)) == bits(from_bf16_bits(to_bf16_bits(x))));
#if defined(TEST_HAS_FLOAT16)
    if (x == x) {
      const auto h = static_cast<_Float16>(x);
      REQUIRE(to_f16_bits(x) == std::bit_cast<std::uint16_t>(h));
      REQUIRE(bits(round_to_f16(x)) == bits(static_cast<float>(h)));
    }
#endif
  }
#if !defined(TEST_HAS_FLOAT16)
  MESSAGE("skipped: this compiler has no _Float16");
#endif
}

TEST_CASE("round_shift and the division against 128-bit arithmetic") {
  __extension__ using wide = __int128;
  generator random;
  const auto nearest = [](wide n, wide d) { // half away from zero
    const wide a = n < 0 ? -n : n;
    const wide b = d < 0 ? -d : d;
    const wide q = (2 * a + b) / (2 * b);
    return static_cast<std::int64_t>((n < 0) != (d < 0) ? -q : q);
  };
  const auto check = [&](std::int64_t value, int shift) {
    REQUIRE(round_shift(value, shift) == nearest(value, wide{1} << shift));
  };
  for (int shift = 0; shift <= 62; ++shift) {
    for (const std::int64_t edge :
         {std::int64_t{0}, INT64_MIN, INT64_MAX, std::int64_t{1} << shift, (std::int64_t{1} << shift) / 2})
      for (std::int64_t near = -2; near <= 2; ++near) {
        const auto v = static_cast<std::int64_t>(static_cast<std::uint64_t>(edge) + static_cast<std::uint64_t>(near));
        check(v, shift);
        if (v != INT64_MIN) check(-v, shift);
      }
    for (int i = 0; i < 5000; ++i) check(static_cast<std::int64_t>(random.next()) >> (random.next() % 64U), shift);
  }
  for (int i = 0; i < 200000; ++i) {
    const auto n = static_cast<std::int64_t>(random.next()) >> (random.next() % 64U);
    const auto d = static_cast<std::int64_t>(random.next()) >> (random.next() % 64U);
    if (d == 0 || (n == INT64_MIN && d == -1)) continue;
    REQUIRE(divide_round_half_away(n, d) == nearest(n, d));
  }
  CHECK(divide_round_half_away(INT64_MIN, 1) == INT64_MIN);
  CHECK(divide_round_half_away(INT64_MIN, INT64_MIN) == 1);
  CHECK(divide_round_half_away(INT64_MAX, 2) == (INT64_MAX / 2) + 1);
}
