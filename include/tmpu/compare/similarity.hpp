// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/math.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

/// How alike two tensors are. All sums run in double, in the order of the elements.
namespace tmpu::compare {

/// The measures of b (the newer result) against a (the reference).
///
/// cosine   a.b / (|a| |b|)                                1 for equal directions
/// euclid   1 - |a - b| / |(a + b) / 2|                    1 for equal tensors, can be very negative
/// sqnr     10 log10(sum a^2 / sum (a - b)^2), dB          infinite for equal tensors
/// greatest |a[i] - b[i]|
///
/// Edges: equal tensors (also all zero, also empty) give 1, 1, infinite and 0. One of the two all zero: cosine 0. a =
/// -b: euclid is minus infinity. a all zero and b not: SQNR is minus infinity. Where both hold the same infinity the
/// element is left out, since it agrees; any other infinity, any NaN and different sizes make every measure NaN, which
/// is within no tolerance.
struct similarity {
  double cosine = math::nan<double>;
  double euclid = math::nan<double>;
  double sqnr_db = math::nan<double>;
  double max_abs_difference = math::nan<double>;
  bool bit_equal = false; ///< same size and same bits, NaNs and signs of zero included

  /// False where a measure is NaN.
  [[nodiscard]] constexpr bool within(double least_cosine, double least_euclid) const {
    return cosine >= least_cosine && euclid >= least_euclid;
  }
};

[[nodiscard]] constexpr bool bit_equal(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i])) return false;
  return true;
}

namespace detail {
/// Floats reach 2^128 and their squares 2^256, so none of these sums can overflow a double.
struct sums {
  double aa = 0.0;
  double bb = 0.0;
  double ab = 0.0;
  double difference = 0.0; // sum (a - b)^2
  double sum = 0.0;        // sum (a + b)^2
  double greatest = 0.0;
  bool comparable = true;
};
constexpr sums sums_of(std::span<const float> a, std::span<const float> b) {
  sums s;
  if (a.size() != b.size()) {
    s.comparable = false;
    return s;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (math::is_nan(a[i]) || math::is_nan(b[i])) {
      s.comparable = false;
      return s;
    }
    if (math::is_inf(a[i]) || math::is_inf(b[i])) {
      if (a[i] == b[i]) continue;
      s.comparable = false;
      return s;
    }
    const auto x = static_cast<double>(a[i]);
    const auto y = static_cast<double>(b[i]);
    const double d = x - y;
    s.aa += x * x;
    s.bb += y * y;
    s.ab += x * y;
    s.difference += d * d;
    s.sum += (x + y) * (x + y);
    const double distance = math::abs(d);
    s.greatest = distance > s.greatest ? distance : s.greatest;
  }
  return s;
}
} // namespace detail

[[nodiscard]] constexpr similarity compare(std::span<const float> a, std::span<const float> b) {
  similarity r;
  r.bit_equal = bit_equal(a, b);
  const detail::sums s = detail::sums_of(a, b);
  if (!s.comparable) return r;
  r.max_abs_difference = s.greatest;
  if (s.greatest == 0.0) {
    r.cosine = 1.0;
    r.euclid = 1.0;
    r.sqnr_db = math::infinity<double>;
    return r;
  }
  const double norms = math::sqrt(s.aa) * math::sqrt(s.bb);
  const double cosine = norms == 0.0 ? 0.0 : s.ab / norms;
  r.cosine = cosine > 1.0 ? 1.0 : cosine < -1.0 ? -1.0 : cosine; // rounding may pass the limits
  r.euclid = s.sum == 0.0 ? -math::infinity<double> : 1.0 - math::sqrt(s.difference) / (0.5 * math::sqrt(s.sum));
  r.sqnr_db = s.aa == 0.0 ? -math::infinity<double> : 10.0 * (math::log10(s.aa) - math::log10(s.difference));
  return r;
}

[[nodiscard]] constexpr double cosine(std::span<const float> a, std::span<const float> b) {
  return compare(a, b).cosine;
}
[[nodiscard]] constexpr double euclid(std::span<const float> a, std::span<const float> b) {
  return compare(a, b).euclid;
}
[[nodiscard]] constexpr double sqnr_db(std::span<const float> a, std::span<const float> b) {
  return compare(a, b).sqnr_db;
}
[[nodiscard]] constexpr double max_abs_difference(std::span<const float> a, std::span<const float> b) {
  return compare(a, b).max_abs_difference;
}

} // namespace tmpu::compare
