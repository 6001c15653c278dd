// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/vec.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

/// Calibration: what values every activation takes on real samples (observer.hpp), the threshold that a method makes of
/// it (threshold.hpp), the table of all tensors (table.hpp), and the pass that puts the table into the graph
/// (apply.hpp).
namespace tmpu::calibrate {

/// Streamed statistics of one tensor: least and greatest element and the counts of the elements by magnitude, negative
/// ones apart. The memory (64 KiB at most) does not depend on the number of elements.
///
/// The bins cover [0, 2^e) with the least e that holds every element so far. When e grows, bins merge in pairs; since
/// floor(floor(x / w) / 2) = floor(x / 2w), the counts are those that binning with the last e from the start would have
/// given. So any order and any split of the data into histograms that are merged later give equal histograms.
///
/// Elements: zero counts as positive (of either sign) and is counted apart as well, infinities are counted apart only
/// (quantization saturates them), NaN is an error of the caller (see `nans`).
class histogram {
public:
  static constexpr int log2_bins = 12;
  static constexpr std::size_t bins = std::size_t{1} << log2_bins;
  /// Elements below 2^(least_exponent - log2_bins) share the first bin.
  static constexpr int least_exponent = -100;

  constexpr void observe(float x) { observe(std::span<const float>(&x, 1)); }
  constexpr void observe(std::span<const float> elements) {
    int exponent = least_exponent;
    bool any = false;
    bool any_negative = false;
    for (const float x : elements) {
      if (!finite(x)) continue;
      any = true;
      const int e = exponent_of(x);
      exponent = e > exponent ? e : exponent;
      any_negative = any_negative || x < 0.0F;
    }
    if (any) make_room(exponent, any_negative);
    const double per_bin = power_of_two(log2_bins - exponent_);
    for (const float x : elements) {
      if (x != x) {
        ++nans_;
      } else if (!finite(x)) {
        ++infinities_;
      } else {
        include(x + 0.0F, x + 0.0F); // -0 becomes +0
        ++count_;
        if (x == 0.0F) ++zeros_;
        // Exact: a product with a power of two, within the range of double.
        const double magnitude = static_cast<double>(x < 0.0F ? -x : x) * per_bin;
        ++(x < 0.0F ? negative_ : positive_)[static_cast<std::size_t>(magnitude)];
      }
    }
  }

  /// Takes in what another histogram saw.
  constexpr void merge(const histogram& other) {
    nans_ += other.nans_;
    infinities_ += other.infinities_;
    if (other.count_ == 0) return;
    make_room(other.exponent_, !other.negative_.empty());
    include(other.min_, other.max_);
    count_ += other.count_;
    zeros_ += other.zeros_;
    const int shift = exponent_ - other.exponent_;
    for (std::size_t i = 0; i < other.positive_.size(); ++i) positive_[shifted(i, shift)] += other.positive_[i];
    for (std::size_t i = 0; i < other.negative_.size(); ++i) negative_[shifted(i, shift)] += other.negative_[i];
  }

  /// A histogram that was written down: its parts, as the functions below give them. Empty counts: there were none.
  struct parts {
    std::int64_t count = 0;
    std::int64_t zeros = 0;
    std::int64_t infinities = 0;
    float min = 0.0F;
    float max = 0.0F;
    int exponent = least_exponent;
    vec<std::int64_t> positive;
    vec<std::int64_t> negative;
  };
  static constexpr histogram of(parts p) {
    histogram h;
    h.count_ = p.count;
    h.zeros_ = p.zeros;
    h.infinities_ = p.infinities;
    h.min_ = p.min;
    h.max_ = p.max;
    h.exponent_ = p.exponent;
    h.positive_ = std::move(p.positive);
    h.negative_ = std::move(p.negative);
    return h;
  }
  /// All bins together cover magnitudes below 2^exponent.
  [[nodiscard]] constexpr int exponent() const { return exponent_; }

  /// Finite elements seen, zeros among them, and what was left out.
  [[nodiscard]] constexpr std::int64_t count() const { return count_; }
  [[nodiscard]] constexpr std::int64_t zeros() const { return zeros_; }
  [[nodiscard]] constexpr std::int64_t infinities() const { return infinities_; }
  [[nodiscard]] constexpr std::int64_t nans() const { return nans_; }
  /// Least and greatest finite element; 0 before there is one.
  [[nodiscard]] constexpr float min() const { return min_; }
  [[nodiscard]] constexpr float max() const { return max_; }
  [[nodiscard]] constexpr float max_magnitude() const { return -min_ > max_ ? -min_ : max_; }

  /// Bin i holds the elements of magnitude [i, i + 1) * bin_width().
  [[nodiscard]] constexpr double bin_width() const { return power_of_two(exponent_ - log2_bins); }
  /// Number of bins up to and with the one of the greatest magnitude; 0 before there is an element.
  [[nodiscard]] constexpr std::size_t used_bins() const {
    if (count_ == 0) return 0;
    return static_cast<std::size_t>(static_cast<double>(max_magnitude()) * power_of_two(log2_bins - exponent_)) + 1;
  }
  /// Counts by magnitude of the elements >= 0 / < 0; empty where there are none yet.
  [[nodiscard]] constexpr std::span<const std::int64_t> positive() const { return positive_.span(); }
  [[nodiscard]] constexpr std::span<const std::int64_t> negative() const { return negative_.span(); }
  /// Count of the elements with |x| in bin i.
  [[nodiscard]] constexpr std::int64_t magnitude(std::size_t i) const {
    return (positive_.empty() ? 0 : positive_[i]) + (negative_.empty() ? 0 : negative_[i]);
  }

  friend constexpr bool operator==(const histogram& a, const histogram& b) {
    return a.count_ == b.count_ && a.zeros_ == b.zeros_ && a.infinities_ == b.infinities_ && a.nans_ == b.nans_ &&
           a.min_ == b.min_ && a.max_ == b.max_ && a.exponent_ == b.exponent_ && a.positive_ == b.positive_ &&
           a.negative_ == b.negative_;
  }

private:
  static constexpr bool finite(float x) { return (std::bit_cast<std::uint32_t>(x) & 0x7F80'0000U) != 0x7F80'0000U; }
  /// Least e with |x| < 2^e, or least_exponent.
  static constexpr int exponent_of(float x) {
    const auto biased = static_cast<int>((std::bit_cast<std::uint32_t>(x) >> 23) & 0xFFU);
    return biased - 126 > least_exponent ? biased - 126 : least_exponent;
  }
  static constexpr double power_of_two(int e) {
    return std::bit_cast<double>(static_cast<std::uint64_t>(e + 1023) << 52);
  }
  static constexpr std::size_t shifted(std::size_t i, int by) { return by > log2_bins ? 0 : i >> by; }
  static constexpr void coarsen(vec<std::int64_t>& counts, int by) {
    for (std::size_t i = 1; i < counts.size(); ++i) {
      const std::int64_t moved = counts[i];
      counts[i] = 0;
      counts[shifted(i, by)] += moved;
    }
  }
  constexpr void make_room(int exponent, bool for_negative) {
    if (positive_.empty()) positive_.resize(bins);
    if (for_negative && negative_.empty()) negative_.resize(bins);
    if (exponent <= exponent_) return;
    coarsen(positive_, exponent - exponent_);
    coarsen(negative_, exponent - exponent_);
    exponent_ = exponent;
  }
  constexpr void include(float low, float high) {
    if (count_ == 0 || low < min_) min_ = low;
    if (count_ == 0 || high > max_) max_ = high;
  }

  std::int64_t count_ = 0;
  std::int64_t zeros_ = 0;
  std::int64_t infinities_ = 0;
  std::int64_t nans_ = 0;
  float min_ = 0.0F;
  float max_ = 0.0F;
  int exponent_ = least_exponent;
  vec<std::int64_t> positive_;
  vec<std::int64_t> negative_;
};

} // namespace tmpu::calibrate
