// SPDX-License-Identifier: Apache-2.0
#include "tmpu/calibrate/observer.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

using tmpu::calibrate::histogram;

namespace {

std::vector<float> wild_data(std::size_t count) {
  std::mt19937 random(7);
  std::vector<float> data;
  for (std::size_t i = 0; i < count; ++i) {
    const auto mantissa = static_cast<float>(static_cast<std::int32_t>(random())) / 2147483648.0F;
    data.push_back(i % 11 == 0 ? 0.0F : std::ldexp(mantissa, static_cast<int>(i % 40) - 20));
  }
  return data;
}

// Two steps of the range, in constant evaluation: 0.75 makes it [0, 1), 3 makes it [0, 4).
constexpr histogram grown() {
  histogram h;
  h.observe(0.75F);
  h.observe(-3.0F);
  h.observe(0.0F);
  return h;
}
static_assert(grown().count() == 3 && grown().zeros() == 1);
static_assert(grown().min() == -3.0F && grown().max() == 0.75F && grown().max_magnitude() == 3.0F);
static_assert(grown().bin_width() == 4.0 / 4096);
static_assert(grown().positive()[768] == 1 && grown().negative()[3072] == 1 && grown().magnitude(0) == 1);
static_assert(grown().used_bins() == 3073);

} // namespace

TEST_CASE("counts are those of binning with the last range") {
  const auto data = wild_data(5000);
  histogram h;
  for (const float x : data) h.observe(x);
  // Oracle: the range is known from the start, bins by division in long double.
  float greatest = 0.0F;
  for (const float x : data) greatest = std::fmax(greatest, std::fabs(x));
  int exponent = 0;
  std::frexp(greatest, &exponent);
  const long double width = std::ldexp(1.0L, exponent - 12);
  REQUIRE(h.bin_width() == static_cast<double>(width));
  std::vector<std::int64_t> positive(histogram::bins);
  std::vector<std::int64_t> negative(histogram::bins);
  for (const float x : data) {
    const auto bin = static_cast<std::size_t>(std::floor(std::fabs(static_cast<long double>(x)) / width));
    ++(x < 0.0F ? negative : positive)[bin];
  }
  for (std::size_t i = 0; i < histogram::bins; ++i) {
    CAPTURE(i);
    REQUIRE(h.positive()[i] == positive[i]);
    REQUIRE(h.negative()[i] == negative[i]);
    REQUIRE(h.magnitude(i) == positive[i] + negative[i]);
  }
}

TEST_CASE("any split and any order of merging gives the histogram of all data") {
  const auto data = wild_data(3000);
  const std::span<const float> all(data);
  histogram whole;
  whole.observe(all);
  for (const std::size_t parts : {1U, 2U, 3U, 7U, 100U}) {
    std::vector<histogram> shards(parts);
    for (std::size_t i = 0; i < data.size(); ++i) shards[i % parts].observe(data[i]);
    histogram forward;
    for (const auto& shard : shards) forward.merge(shard);
    histogram backward;
    for (std::size_t i = parts; i-- > 0;) backward.merge(shards[i]);
    CHECK(forward == whole);
    CHECK(backward == whole);
  }
  histogram in_pieces;
  in_pieces.observe(all.subspan(1000));
  in_pieces.observe(all.first(1000));
  CHECK(in_pieces == whole);
  in_pieces.observe(1.0F);
  CHECK_FALSE(in_pieces == whole);
}

TEST_CASE("merging with an empty histogram changes nothing") {
  histogram a;
  a.observe(-2.5F);
  histogram b = a;
  b.merge(histogram());
  CHECK(b == a);
  histogram c;
  c.merge(a);
  CHECK(c == a);
}

TEST_CASE("infinities and NaN are counted apart, zeros of either sign together") {
  histogram h;
  const float inf = std::numeric_limits<float>::infinity();
  const float odd[] = {inf, -inf, std::numeric_limits<float>::quiet_NaN()};
  h.observe(odd);
  CHECK(h.count() == 0);
  CHECK(h.infinities() == 2);
  CHECK(h.nans() == 1);
  CHECK(h.used_bins() == 0);
  h.observe(-0.0F);
  CHECK(h.zeros() == 1);
  CHECK_FALSE(std::signbit(h.min()));
  CHECK(h.negative().empty());
}

TEST_CASE("the ends of the range of float") {
  histogram h;
  h.observe(std::numeric_limits<float>::denorm_min());
  h.observe(std::numeric_limits<float>::max());
  CHECK(h.positive()[0] == 1);
  CHECK(h.positive()[4095] == 1);
  histogram exact;
  exact.observe(1.0F); // a power of two opens the next range: bins are half open
  CHECK(exact.positive()[2048] == 1);
}

TEST_CASE("the memory does not depend on the number of elements") {
  histogram h;
  const std::vector<float> block(10000, -1.5F);
  for (int i = 0; i < 100; ++i) h.observe(std::span<const float>(block));
  CHECK(h.count() == 1000000);
  CHECK(h.negative().size() == histogram::bins);
  CHECK(h.positive().size() == histogram::bins);
}
