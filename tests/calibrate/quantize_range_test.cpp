// SPDX-License-Identifier: Apache-2.0
#include "tmpu/calibrate/quantize_range.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <random>

using namespace tmpu;
using namespace tmpu::calibrate;

namespace {

constexpr quantization symmetric(float threshold, float min, float max, bool expect_unsigned) {
  bool is_unsigned = !expect_unsigned;
  const auto q = symmetric_quantization({true, threshold, min, max}, is_unsigned);
  return is_unsigned == expect_unsigned ? q : quantization{};
}
constexpr quantization asymmetric(float min, float max, float threshold = 1.0F) {
  return asymmetric_quantization({true, threshold, min, max});
}

static_assert(symmetric(12.7F, -3.0F, 12.7F, false).scale == 12.7F / 127.0F);
static_assert(symmetric(12.7F, -3.0F, 12.7F, false).zero_point == 0);
static_assert(symmetric(6.0F, 0.0F, 6.0F, true).scale == 6.0F / 255.0F);
static_assert(asymmetric(0.0F, 255.0F).scale == 1.0F && asymmetric(0.0F, 255.0F).zero_point == -128);
static_assert(asymmetric(-255.0F, 0.0F).zero_point == 127);
static_assert(asymmetric(-128.0F, 127.0F).zero_point == 0);
static_assert(asymmetric(-1.0F, 254.0F).zero_point == -127);
// Ranges that do not hold zero are extended.
static_assert(asymmetric(100.0F, 255.0F).scale == 1.0F && asymmetric(100.0F, 255.0F).zero_point == -128);
static_assert(asymmetric(-255.0F, -100.0F).scale == 1.0F && asymmetric(-255.0F, -100.0F).zero_point == 127);
// No range at all: the threshold.
static_assert(asymmetric(0.0F, 0.0F, 255.0F).scale == 1.0F);

} // namespace

TEST_CASE("asymmetric: zero is exact and every value of the range is met within a step") {
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    const auto part = [&] { return static_cast<float>(random() >> 8) / 16777216.0F; };
    const float low = -part() * std::ldexp(1.0F, static_cast<int>(random() % 20) - 10);
    const float high = part() * std::ldexp(1.0F, static_cast<int>(random() % 20) - 10) + 1e-6F;
    const auto q = asymmetric(low, high);
    REQUIRE(q.zero_point >= -128);
    REQUIRE(q.zero_point <= 127);
    REQUIRE(q.scale > 0.0F);
    const double scale = q.scale;
    CHECK(scale * 255.0 == doctest::Approx(static_cast<double>(high) - low).epsilon(1e-6));
    // Real values of the ends of the integer range against the ends of the range: half a step, from the zero point.
    CHECK(std::fabs(scale * (-128 - q.zero_point) - low) <= scale * 0.5001);
    CHECK(std::fabs(scale * (127 - q.zero_point) - high) <= scale * 0.5001);
  }
}

TEST_CASE("asymmetric: the whole range of float does not overflow") {
  const float most = 3.0e38F;
  CHECK(std::isfinite(asymmetric(-most, most).scale));
}
