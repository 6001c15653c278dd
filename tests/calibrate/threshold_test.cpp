// SPDX-License-Identifier: Apache-2.0
#include "tmpu/calibrate/threshold.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <span>
#include <string_view>
#include <vector>

using namespace tmpu;
using namespace tmpu::calibrate;

namespace {

enum class form { normal, laplace, relu, cubed, shifted, only_negative };

std::vector<float> data_of(form f, int count) {
  std::mt19937 random(11);
  // Sum of twelve: near to normal and, unlike std::normal_distribution, the same in every standard library.
  const auto uniform = [&] { return static_cast<float>(random() >> 8) / 16777216.0F; };
  std::vector<float> data;
  for (int i = 0; i < count; ++i) {
    float x = -6.0F;
    for (int k = 0; k < 12; ++k) x += uniform();
    switch (f) {
    case form::normal: break;
    case form::laplace: x = -std::log(uniform() + 1e-9F) * (x < 0.0F ? -1.0F : 1.0F); break;
    case form::relu: x = std::max(x, 0.0F); break;
    case form::cubed: x = x * x * x; break;
    case form::shifted: x = 2.0F * x + 3.0F; break;
    case form::only_negative: x = -1.0F - std::fabs(x); break;
    }
    data.push_back(x);
  }
  return data;
}
histogram histogram_of(const std::vector<float>& data) {
  histogram h;
  h.observe(std::span<const float>(data));
  return h;
}

// Mean squared error of quantization of the elements themselves.
double real_error(const std::vector<float>& data, double scale, double zero_point, double least, double greatest) {
  double sum = 0.0;
  for (const float x : data) {
    const double q = std::clamp(std::round(x / scale) + zero_point, least, greatest);
    const double e = x - scale * (q - zero_point);
    sum += e * e;
  }
  return sum / static_cast<double>(data.size());
}
double symmetric_error(const std::vector<float>& data, double threshold, bool is_unsigned) {
  return is_unsigned ? real_error(data, threshold / 255.0, 0.0, 0.0, 255.0)
                     : real_error(data, threshold / 127.0, 0.0, -128.0, 127.0);
}
double asymmetric_error(const std::vector<float>& data, double low, double high) {
  const double scale = (high - low) / 255.0;
  return real_error(data, scale, std::round(-128.0 - low / scale), -128.0, 127.0);
}

// The divergence as the docstring defines it, written with arrays P and Q.
double plain_divergence(const histogram& h, std::size_t i, std::size_t levels) {
  std::vector<double> count(h.used_bins());
  for (std::size_t j = 0; j < count.size(); ++j) count[j] = static_cast<double>(h.magnitude(j));
  count[0] -= static_cast<double>(h.zeros());
  double total = 0.0;
  for (const double c : count) total += c;
  double kept = 0.0;
  for (std::size_t j = 0; j < i; ++j) kept += count[j];
  std::vector<double> p(count.begin(), count.begin() + static_cast<std::ptrdiff_t>(i));
  p.back() += total - kept;
  std::vector<double> q(i, 0.0);
  for (std::size_t k = 0; k < levels; ++k) {
    const std::size_t from = k * i / levels;
    const std::size_t to = (k + 1) * i / levels;
    double mass = 0.0;
    double occupied = 0.0;
    for (std::size_t j = from; j < to; ++j) {
      mass += count[j];
      occupied += p[j] > 0.0 ? 1.0 : 0.0;
    }
    for (std::size_t j = from; j < to; ++j) {
      if (p[j] > 0.0) q[j] = mass / occupied;
    }
  }
  double sum = 0.0;
  for (std::size_t j = 0; j < i; ++j) {
    if (p[j] == 0.0) continue;
    const double pn = p[j] / total;
    sum += pn * std::log(pn / ((1.0 - 1e-4) * q[j] / kept + 1e-4 / static_cast<double>(i)));
  }
  return sum;
}

constexpr histogram one_of_each() {
  histogram h;
  h.observe(-1.0F);
  h.observe(0.0F);
  h.observe(2.0F);
  return h;
}
static_assert(choose_range<minmax>(one_of_each()).threshold == 2.0F);
static_assert(choose_range<minmax>(one_of_each()).min == -1.0F);
static_assert(choose_range("minmax", one_of_each()).max == 2.0F);
static_assert(choose_range<kl>(one_of_each()).threshold == 2.0F);

constexpr form forms[] = {form::normal, form::laplace, form::relu, form::cubed, form::shifted, form::only_negative};

} // namespace

TEST_CASE("kl: the divergence equals that of the definition, and no threshold that is tried has less") {
  for (const form f : forms) {
    for (const int count : {700, 20000}) {
      CAPTURE(static_cast<int>(f));
      CAPTURE(count);
      const auto data = data_of(f, count);
      const histogram h = histogram_of(data);
      const std::size_t levels = h.min() >= 0.0F ? 256 : 128;
      const magnitude_sums sums(h);
      const std::size_t used = h.used_bins();
      const std::size_t step = used / 1024 + 1;
      double least = plain_divergence(h, used, levels);
      double chosen = h.max_magnitude();
      for (std::size_t i = used; i >= levels; i -= step) {
        // At most one element in a thousand is clipped (zeros do not count).
        if ((sums.total() - sums.counts[i]) * 1000 > sums.total()) break;
        const double plain = plain_divergence(h, i, levels);
        REQUIRE(kl::divergence(sums, i, levels) == doctest::Approx(plain).epsilon(1e-9));
        if (plain < least - 1e-12) {
          least = plain;
          chosen = std::min(static_cast<double>(i) * h.bin_width(), static_cast<double>(h.max_magnitude()));
        }
      }
      CHECK(kl::threshold(h).threshold == static_cast<float>(chosen));
    }
  }
}

TEST_CASE("kl: far and lonely elements are clipped, an even distribution is not") {
  auto data = data_of(form::normal, 100000);
  for (int i = 0; i < 5; ++i) data.push_back(60.0F);
  const auto r = kl::threshold(histogram_of(data));
  CHECK(r.threshold < 12.0F);
  CHECK(r.max == r.threshold);
  CHECK(r.min < -3.0F);
  std::vector<float> even;
  for (int i = 0; i < 50000; ++i) even.push_back(static_cast<float>(i) / 5000.0F);
  CHECK(kl::threshold(histogram_of(even)).threshold == even.back());
}

TEST_CASE("mse: no symmetric threshold of a finer search has a real error that is much less") {
  for (const form f : forms) {
    for (const int count : {700, 20000}) {
      CAPTURE(static_cast<int>(f));
      CAPTURE(count);
      const auto data = data_of(f, count);
      const histogram h = histogram_of(data);
      const bool is_unsigned = h.min() >= 0.0F;
      double least = symmetric_error(data, h.max_magnitude(), is_unsigned);
      for (int k = 40; k < 1000; ++k) {
        least = std::min(least, symmetric_error(data, h.max_magnitude() * (k / 1000.0), is_unsigned));
      }
      const auto r = mse::threshold(h);
      // 700 elements are so few that single ones move the best threshold.
      CHECK(symmetric_error(data, r.threshold, is_unsigned) <= least * (count < 1000 ? 1.10 : 1.01));
    }
  }
}

TEST_CASE("mse: the error that the histogram expects is the error of the elements") {
  for (const form f : {form::normal, form::relu, form::shifted}) {
    const auto data = data_of(f, 50000);
    const histogram h = histogram_of(data);
    for (const double part : {0.3, 0.6, 0.9, 1.0}) {
      const double t = h.max_magnitude() * part;
      CHECK(mse::error(h, t) / 50000.0 == doctest::Approx(symmetric_error(data, t, h.min() >= 0.0F)).epsilon(0.02));
    }
    if (h.min() >= 0.0F) continue;
    CHECK(mse::error(h, h.min() * 0.7, h.max() * 0.8) / 50000.0 ==
          doctest::Approx(asymmetric_error(data, h.min() * 0.7, h.max() * 0.8)).epsilon(0.02));
  }
}

TEST_CASE("mse: no asymmetric range of a grid has a real error that is much less") {
  for (const form f : {form::normal, form::laplace, form::shifted, form::cubed}) {
    CAPTURE(static_cast<int>(f));
    const auto data = data_of(f, 8000);
    const histogram h = histogram_of(data);
    double least = asymmetric_error(data, h.min(), h.max());
    for (int low = 8; low <= 32; ++low) {
      for (int high = 8; high <= 32; ++high) {
        least = std::min(least, asymmetric_error(data, h.min() * (low / 32.0), h.max() * (high / 32.0)));
      }
    }
    const auto r = mse::threshold(h);
    CHECK(r.min < 0.0F);
    CHECK(r.max > 0.0F);
    CHECK(asymmetric_error(data, r.min, r.max) <= least * 1.03);
  }
}

TEST_CASE("percentile: no more than the given part is clipped, and no less by more than a bin") {
  for (const form f : forms) {
    CAPTURE(static_cast<int>(f));
    const auto data = data_of(f, 40000);
    const histogram h = histogram_of(data);
    const auto r = percentile::threshold(h);
    std::vector<float> sorted;
    for (const float x : data) sorted.push_back(std::fabs(x));
    std::sort(sorted.begin(), sorted.end());
    // 4 of 40,000 may be clipped, so the fifth greatest is the threshold, up to the width of a bin.
    const float exact = sorted[sorted.size() - 5];
    CHECK(r.threshold >= exact);
    CHECK(r.threshold <= exact + static_cast<float>(h.bin_width()));
    if (h.min() >= 0.0F || h.max() <= 0.0F) continue;
    sorted = data;
    std::sort(sorted.begin(), sorted.end());
    CHECK(r.max >= sorted[sorted.size() - 3]);
    CHECK(r.max <= sorted[sorted.size() - 3] + static_cast<float>(h.bin_width()));
    CHECK(r.min <= sorted[2]);
    CHECK(r.min >= sorted[2] - static_cast<float>(h.bin_width()));
  }
  const auto few = data_of(form::normal, 9999);
  CHECK(percentile::threshold(histogram_of(few)).threshold == histogram_of(few).max_magnitude());
}

TEST_CASE("every method: the range lies in the data and the threshold covers what it says") {
  for (const form f : forms) {
    const histogram h = histogram_of(data_of(f, 5000));
    unpack<decltype(methods)>::for_each([&]<class Method>() {
      CAPTURE(static_cast<int>(f));
      CAPTURE(std::string_view(Method::name).data());
      const auto r = choose_range<Method>(h);
      CHECK(r.known);
      CHECK(r.threshold > 0.0F);
      CHECK(r.threshold <= h.max_magnitude());
      CHECK(r.min >= h.min());
      CHECK(r.max <= h.max());
      CHECK(r.min <= r.max);
      CHECK((r.min >= 0.0F) == (h.min() >= 0.0F));
      const auto named = choose_range(Method::name, h);
      CHECK(equal_members(named, r));
    });
  }
}

TEST_CASE("a dead tensor gets the guard") {
  histogram zeros;
  zeros.observe(std::span<const float>(std::vector<float>(100, 0.0F)));
  histogram tiny;
  tiny.observe(1e-30F);
  histogram nothing;
  for (const histogram* h : {&zeros, &tiny, &nothing}) {
    unpack<decltype(methods)>::for_each([&]<class Method>() {
      const auto r = choose_range<Method>(*h);
      CHECK(r.known);
      CHECK(r.threshold == dead_threshold);
      CHECK(r.min == 0.0F);
      CHECK(r.max == dead_threshold);
    });
  }
}

TEST_CASE("a constant tensor is covered") {
  histogram h;
  h.observe(std::span<const float>(std::vector<float>(1000, 3.0F)));
  unpack<decltype(methods)>::for_each([&]<class Method>() {
    CAPTURE(std::string_view(Method::name).data());
    CHECK(choose_range<Method>(h).threshold == doctest::Approx(3.0F).epsilon(0.01));
  });
}

TEST_CASE("an unknown method is refused with the names of the known ones") {
  CHECK_THROWS_WITH_AS(static_cast<void>(choose_range("entropy", histogram())),
                       "no calibration method is called 'entropy': take one of auto, kl, mse, percentile, minmax, "
                       "aciq-gauss, aciq-laplace",
                       error);
}

// A method of one's own goes into a list of one's own.
struct half_of_greatest {
  static constexpr std::string_view name = "half";
  static constexpr activation_range threshold(const histogram& h) {
    return {true, h.max_magnitude() / 2.0F, h.min() / 2.0F, h.max() / 2.0F};
  }
};
TEST_CASE("a method of one's own") {
  constexpr auto mine = list<kl, half_of_greatest>();
  CHECK(choose_range<unpack<decltype(mine)>>("half", one_of_each()).threshold == 1.0F);
}

TEST_CASE("ACIQ: near the best threshold where the data is as it assumes") {
  for (const auto& [f, name] : {std::pair{form::normal, "aciq-gauss"}, std::pair{form::laplace, "aciq-laplace"}}) {
    const histogram h = histogram_of(data_of(f, 200000));
    const auto error = [&](std::string_view method) {
      return mse::error(h, static_cast<double>(choose_range(method, h).threshold));
    };
    CAPTURE(name);
    CHECK(error(name) < 1.15 * error("mse"));
    CHECK(error(name) < error("minmax"));
  }
  // One sign: the other end stays at zero.
  const activation_range r = choose_range("aciq-gauss", histogram_of(data_of(form::relu, 20000)));
  CHECK(r.min == 0.0F);
  CHECK(r.max == r.threshold);
}

TEST_CASE("auto takes no method that another beats") {
  for (const form f : {form::normal, form::laplace, form::relu, form::cubed, form::shifted, form::only_negative}) {
    const histogram h = histogram_of(data_of(f, 5000));
    const activation_range best = choose_range("auto", h);
    for (const std::string_view method : {"kl", "mse", "percentile", "minmax", "aciq-gauss", "aciq-laplace"}) {
      CAPTURE(std::string(method));
      const activation_range r = choose_range(method, h);
      CHECK(mse::error(h, static_cast<double>(best.threshold)) <= mse::error(h, static_cast<double>(r.threshold)));
      if (r.min < 0.0F && r.max > 0.0F) {
        CHECK(mse::error(h, static_cast<double>(best.min), static_cast<double>(best.max)) <=
              mse::error(h, static_cast<double>(r.min), static_cast<double>(r.max)));
      }
    }
  }
}
