// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/observer.hpp"
#include "tmpu/core/diag.hpp"
#include "tmpu/core/list.hpp"
#include "tmpu/core/math.hpp"
#include "tmpu/core/text.hpp"
#include "tmpu/ir/graph.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// A method makes of a histogram the range that int8 shall cover: `threshold` for symmetric quantization (|x| above it
/// saturates), `min` and `max` for asymmetric. A method is a type; the list `methods` is what the driver offers.
namespace tmpu::calibrate {

/// A tensor in which nothing is greater than `least_magnitude` is dead: it gets the range [0, dead_threshold], so that
/// it has a scale that later arithmetic can hold.
inline constexpr float least_magnitude = 0x1p-40F;
inline constexpr float dead_threshold = 0x1p-10F;

template <class Method> concept threshold_method = requires(const histogram& h) {
  { Method::name } -> std::convertible_to<std::string_view>;
  { Method::threshold(h) } -> std::same_as<activation_range>;
};

namespace detail {
constexpr double lesser(double a, double b) { return a < b ? a : b; }
constexpr double greater(double a, double b) { return a > b ? a : b; }

/// The range [min, max] of the data, cut to |x| <= threshold.
constexpr activation_range cut(const histogram& h, double threshold) {
  activation_range r{};
  r.known = true;
  r.threshold = static_cast<float>(lesser(threshold, h.max_magnitude()));
  r.min = h.min() < -r.threshold ? -r.threshold : h.min();
  r.max = h.max() > r.threshold ? r.threshold : h.max();
  // A tensor that is never (or always) negative has its other end within the threshold as well.
  if (r.min > r.max) (h.min() >= 0.0F ? r.min : r.max) = h.min() >= 0.0F ? r.max : r.min;
  return r;
}

/// The magnitude that at most `dropped` of the counted elements exceed, up to the width of a bin.
constexpr double edge_of(const histogram& h, std::span<const std::int64_t> counts, std::span<const std::int64_t> more,
                         std::int64_t dropped) {
  std::int64_t above = 0;
  for (std::size_t i = h.used_bins(); i-- > 0;) {
    above += (counts.empty() ? 0 : counts[i]) + (more.empty() ? 0 : more[i]);
    if (above > dropped) return static_cast<double>(i + 1) * h.bin_width();
  }
  return 0.0;
}

/// Expected squared error, summed over the elements of one sign, of quantization with that scale and `levels` steps
/// beyond zero, values beyond the last step saturating. The elements of a bin count as spread evenly over it, so that
/// the error of a bin is an integral: with n the nearest step of x and d = x - n scale, the integral from 0 to x is n
/// scale^3 / 12 + d^3 / 3.
constexpr double squared_error(const histogram& h, std::span<const std::int64_t> counts, std::int64_t zeros,
                               double scale, double levels) {
  if (counts.empty()) return 0.0;
  const double width = h.bin_width();
  const double inverse = 1.0 / scale;
  const double per_step = scale * scale * scale / 12.0;
  const std::size_t used = h.used_bins();
  double sum = 0.0;
  double before = 0.0;
  for (std::size_t i = 0; i < used; ++i) {
    const double x = static_cast<double>(i + 1) * width;
    const double quotient = x * inverse + 0.5;
    const double n = quotient < levels ? static_cast<double>(static_cast<std::int64_t>(quotient)) : levels;
    const double d = x - n * scale;
    const double here = n * per_step + d * d * d / 3.0;
    sum += static_cast<double>(counts[i] - (i == 0 ? zeros : 0)) * (here - before);
    before = here;
  }
  return sum / width;
}
} // namespace detail

/// No clipping: the least and the greatest element.
struct minmax {
  static constexpr std::string_view name = "minmax";
  static constexpr activation_range threshold(const histogram& h) { return detail::cut(h, h.max_magnitude()); }
};

/// Clips at most 1 - Numerator / Denominator of the elements: by magnitude for the threshold, half of them on each side
/// for min and max.
template <std::int64_t Numerator, std::int64_t Denominator> struct percentile_of {
  static constexpr activation_range threshold(const histogram& h) {
    const std::int64_t dropped = h.count() / Denominator * (Denominator - Numerator) +
                                 h.count() % Denominator * (Denominator - Numerator) / Denominator;
    activation_range r = detail::cut(h, detail::edge_of(h, h.positive(), h.negative(), dropped));
    if (h.min() < 0.0F && h.max() > 0.0F) {
      const double high = detail::edge_of(h, h.positive(), {}, dropped / 2);
      const double low = detail::edge_of(h, h.negative(), {}, dropped / 2);
      r.max = static_cast<float>(detail::lesser(high, h.max()));
      r.min = -static_cast<float>(detail::lesser(low, -h.min()));
    }
    return r;
  }
};
struct percentile : percentile_of<9999, 10000> {
  static constexpr std::string_view name = "percentile";
};

/// Sums of the counts of a histogram before each bin, for the divergence: zeros are left out, because every
/// quantization holds them exactly and so they say nothing of the threshold.
struct magnitude_sums {
  vec<std::int64_t> counts;   ///< elements in bins [0, i)
  vec<std::int64_t> occupied; ///< bins of [0, i) with an element
  vec<double> entropy;        ///< sum of c log c over [0, i)

  constexpr explicit magnitude_sums(const histogram& h) {
    const std::size_t used = h.used_bins();
    counts.resize(used + 1);
    occupied.resize(used + 1);
    entropy.resize(used + 1);
    for (std::size_t i = 0; i < used; ++i) {
      const std::int64_t c = h.magnitude(i) - (i == 0 ? h.zeros() : 0);
      const auto real = static_cast<double>(c);
      counts[i + 1] = counts[i] + c;
      occupied[i + 1] = occupied[i] + (c > 0 ? 1 : 0);
      entropy[i + 1] = entropy[i] + (c > 1 ? real * math::log(real) : 0.0);
    }
  }
  [[nodiscard]] constexpr std::int64_t total() const { return counts.back(); }
};

/// Least divergence of the quantized distribution from the true one (S. Migacz, 8-bit Inference with TensorRT, GTC
/// 2017).
///
/// For a threshold at bin i, P is the histogram of |x| up to i with all that lies beyond added to the last bin, and Q
/// is what 128 levels (256 where no element is negative) leave of the bins below i: the mass of each level spread
/// evenly over its occupied bins. Q is mixed with the even distribution, Q' = (1 - 1e-4) Q + 1e-4 / i, so that the
/// divergence sum P log(P / Q') is finite where only clipped mass lies in a level. Zeros are not counted: they are
/// exact at any scale.
///
/// The divergence does not see how far away a clipped element lies, and on few samples it takes noise for form; so no
/// more than one element in a thousand is ever clipped.
struct kl {
  static constexpr std::string_view name = "kl";
  static constexpr double smoothing = 1e-4;
  static constexpr std::int64_t most_clipped = 1000;

  /// The divergence for the threshold i * bin_width().
  static constexpr double divergence(const magnitude_sums& sums, std::size_t i, std::size_t levels) {
    const auto total = static_cast<double>(sums.total());
    const auto kept = static_cast<double>(sums.counts[i]);
    const std::int64_t outliers = sums.total() - sums.counts[i];
    const std::int64_t last = sums.counts[i] - sums.counts[i - 1];
    // sum P log P = (sum c log c) / total - log total, where the last bin holds the outliers too.
    const auto heaped = static_cast<double>(last + outliers);
    double sum = (sums.entropy[i - 1] + (heaped > 1.0 ? heaped * math::log(heaped) : 0.0)) / total - math::log(total);
    for (std::size_t k = 0; k < levels; ++k) {
      const std::size_t from = k * i / levels;
      const std::size_t to = (k + 1) * i / levels;
      const bool at_end = to == i;
      const std::int64_t mass = sums.counts[to] - sums.counts[from];
      const std::int64_t mass_of_p = mass + (at_end ? outliers : 0);
      if (mass_of_p == 0) continue;
      std::int64_t spread = sums.occupied[to] - sums.occupied[from];
      if (at_end && last == 0 && outliers > 0) ++spread;
      const double q = static_cast<double>(mass) / (static_cast<double>(spread) * kept);
      const double smooth = (1.0 - smoothing) * q + smoothing / static_cast<double>(i);
      sum -= static_cast<double>(mass_of_p) / total * math::log(smooth);
    }
    return sum;
  }

  static constexpr std::size_t levels_for(const histogram& h) { return h.min() >= 0.0F ? 256 : 128; }

  /// Thresholds are tried from all used bins downward, about a thousand of them, while a bin is left for each level and
  /// at most one element in `most_clipped` is clipped; of equal ones the greatest wins.
  static constexpr activation_range threshold(const histogram& h) {
    const std::size_t levels = levels_for(h);
    const magnitude_sums sums(h);
    const std::size_t used = h.used_bins();
    const std::size_t step = used / 1024 + 1;
    const std::int64_t kept = sums.total() - sums.total() / most_clipped;
    std::size_t best = used;
    if (used > levels && sums.total() > 0) {
      double least = divergence(sums, used, levels);
      for (std::size_t i = used - step; i >= levels && sums.counts[i] >= kept; i -= step) {
        const double d = divergence(sums, i, levels);
        if (d < least) {
          least = d;
          best = i;
        }
      }
    }
    return detail::cut(h, static_cast<double>(best) * h.bin_width());
  }
};

/// Least expected squared error of int8, clipping included. Symmetric: 127 steps and, below zero, 128; 255 where no
/// element is negative. Asymmetric: 255 steps between min and max with zero on a step; the two ends take turns.
struct mse {
  static constexpr std::string_view name = "mse";
  /// Ends are tried at k / 256 of the greatest magnitude, k from 16 on.
  static constexpr int fractions = 256;
  static constexpr int least_fraction = 16;

  /// Summed squared error for the symmetric threshold.
  static constexpr double error(const histogram& h, double threshold) {
    if (h.min() >= 0.0F) return detail::squared_error(h, h.positive(), h.zeros(), threshold / 255.0, 255.0);
    const double scale = threshold / 127.0;
    return detail::squared_error(h, h.positive(), h.zeros(), scale, 127.0) +
           detail::squared_error(h, h.negative(), 0, scale, 128.0);
  }
  /// Summed squared error for the asymmetric range [low, high], low < 0 < high.
  static constexpr double error(const histogram& h, double low, double high) {
    const double scale = (high - low) / 255.0;
    const double below = math::round_half_away(-low / scale);
    return detail::squared_error(h, h.positive(), h.zeros(), scale, 255.0 - below) +
           detail::squared_error(h, h.negative(), 0, scale, below);
  }

  static constexpr activation_range threshold(const histogram& h) {
    const double magnitude = h.max_magnitude();
    activation_range r =
        detail::cut(h, magnitude / fractions * best_of([&](double x) { return error(h, x); }, magnitude));
    if (h.min() < 0.0F && h.max() > 0.0F) {
      double low = h.min();
      double high = h.max();
      int k_low = fractions;
      int k_high = fractions;
      for (int round = 0; round < 4; ++round) {
        const int next_high = best_of([&](double x) { return error(h, low, x); }, h.max());
        high = h.max() * (static_cast<double>(next_high) / fractions);
        const int next_low = best_of([&](double x) { return error(h, -x, high); }, -static_cast<double>(h.min()));
        low = h.min() * (static_cast<double>(next_low) / fractions);
        if (next_high == k_high && next_low == k_low) break;
        k_high = next_high;
        k_low = next_low;
      }
      r.min = static_cast<float>(low);
      r.max = static_cast<float>(high);
    }
    return r;
  }

private:
  /// The k for which error(end * k / fractions) is least; the greatest of equal ones.
  template <class Error> static constexpr int best_of(Error error_at, double end) {
    int best = fractions;
    double least = error_at(end);
    for (int k = fractions - 1; k >= least_fraction; --k) {
      const double e = error_at(end * (static_cast<double>(k) / fractions));
      if (e < least) {
        least = e;
        best = k;
      }
    }
    return best;
  }
};

/// The threshold of the least expected squared error under the assumption of a distribution (R. Banner et al., Post training
/// 4-bit quantization of convolutional networks, NeurIPS 2019: ACIQ), for 8 bits, from two moments of the data. Zeros do not
/// count, since they are exact. With t the threshold in units of the distribution's own width, noise t^2 / (12 (2^M / 2)^2) of
/// rounding and the mass beyond t balance at one t; a tensor of one sign has twice the levels for it.
///
/// The asymmetric range lies around the mean and within the data.
template <class Distribution> struct aciq_of {
  static constexpr activation_range threshold(const histogram& h) {
    const bool one_sided = h.min() >= 0.0F || h.max() <= 0.0F;
    const double t = one_sided ? one_sided_threshold : two_sided_threshold;
    const moments m(h);
    activation_range r = detail::cut(h, t * Distribution::width(m, 0.0));
    if (!one_sided) {
      const double reach = t * Distribution::width(m, m.mean);
      r.min = static_cast<float>(detail::greater(m.mean - reach, h.min()));
      r.max = static_cast<float>(detail::lesser(m.mean + reach, h.max()));
      if (r.min > 0.0F) r.min = 0.0F;
      if (r.max < 0.0F) r.max = 0.0F;
    }
    return r;
  }

  /// What the methods know of a histogram: counts stand in the middle of their bins.
  struct moments {
    const histogram* of;
    double count = 0.0;
    double mean = 0.0;

    constexpr explicit moments(const histogram& h) : of(&h) {
      count = static_cast<double>(h.count() - h.zeros());
      mean = count == 0.0 ? 0.0 : sum([](double x) { return x; }) / count;
    }
    template <class F> [[nodiscard]] constexpr double sum(F f) const {
      double total = 0.0;
      for (std::size_t i = 0; i < of->used_bins(); ++i) {
        const double x = (static_cast<double>(i) + 0.5) * of->bin_width();
        const std::int64_t above = of->positive().empty() ? 0 : of->positive()[i] - (i == 0 ? of->zeros() : 0);
        const std::int64_t below = of->negative().empty() ? 0 : of->negative()[i];
        total += static_cast<double>(above) * f(x) + static_cast<double>(below) * f(-x);
      }
      return total;
    }
  };

private:
  /// Where the noise grows as fast as the clipped mass shrinks: 2 f'(t) = t / (3 4^bits), by halving.
  static constexpr double balance(double levels_squared) {
    double low = 0.0;
    double high = 64.0;
    for (int i = 0; i < 60; ++i) {
      const double t = (low + high) / 2.0;
      (2.0 * Distribution::beyond(t) > t * 2.0 / (3.0 * levels_squared) ? low : high) = t;
    }
    return low;
  }
  static constexpr double two_sided_threshold = balance(65536.0);  // 4^8
  static constexpr double one_sided_threshold = balance(262144.0); // 4^9
};
struct aciq_gauss_distribution {
  static constexpr double width(const auto& m, double middle) {
    return m.count == 0.0 ? 0.0 : math::sqrt(m.sum([&](double x) { return (x - middle) * (x - middle); }) / m.count);
  }
  /// The expectation of max(|x| - t, 0), in units of the width.
  static constexpr double beyond(double t) {
    constexpr double inverse_sqrt_2pi = 0.3989422804014327;
    constexpr double inverse_sqrt_2 = 0.7071067811865476;
    return 2.0 * (inverse_sqrt_2pi * math::exp(-t * t / 2.0) - t * (1.0 - math::erf(t * inverse_sqrt_2)) / 2.0);
  }
};
struct aciq_laplace_distribution {
  static constexpr double width(const auto& m, double middle) {
    return m.count == 0.0 ? 0.0 : m.sum([&](double x) { return x < middle ? middle - x : x - middle; }) / m.count;
  }
  static constexpr double beyond(double t) { return math::exp(-t); }
};
struct aciq_gauss : aciq_of<aciq_gauss_distribution> {
  static constexpr std::string_view name = "aciq-gauss";
};
struct aciq_laplace : aciq_of<aciq_laplace_distribution> {
  static constexpr std::string_view name = "aciq-laplace";
};

/// For each tensor the method whose range gives the least expected squared error (mse::error), symmetric and asymmetric apart;
/// of equal ones the first of the list.
struct automatic {
  static constexpr std::string_view name = "auto";
  using candidates = list<mse, minmax, percentile, kl, aciq_gauss, aciq_laplace>;

  static constexpr activation_range threshold(const histogram& h) {
    activation_range best{};
    double least = 0.0;
    double least_of_ends = 0.0;
    candidates::for_each([&]<class Method>() {
      const activation_range r = Method::threshold(h);
      if (r.threshold < least_magnitude) return;
      const double e = mse::error(h, static_cast<double>(r.threshold));
      const double ends =
          r.min < 0.0F && r.max > 0.0F ? mse::error(h, static_cast<double>(r.min), static_cast<double>(r.max)) : e;
      if (!best.known || e < least) {
        best.threshold = r.threshold;
        least = e;
      }
      if (!best.known || ends < least_of_ends) {
        best.min = r.min;
        best.max = r.max;
        least_of_ends = ends;
      }
      best.known = true;
    });
    return best;
  }
};

/// The methods that the driver offers (registry).
inline constexpr list<automatic, kl, mse, percentile, minmax, aciq_gauss, aciq_laplace> methods;

/// The range that a method chooses; that of a dead tensor is the guard (see least_magnitude).
template <threshold_method Method> constexpr activation_range choose_range(const histogram& h) {
  activation_range r{};
  r.known = true;
  if (h.max_magnitude() >= least_magnitude) r = Method::threshold(h);
  if (r.threshold < least_magnitude) {
    r.threshold = dead_threshold;
    r.min = 0.0F;
    r.max = dead_threshold;
  }
  return r;
}

namespace detail {
template <class... Methods>
constexpr activation_range choose_named(list<Methods...>, std::string_view name, const histogram& h) {
  activation_range r{};
  const bool found = ((Methods::name == name && (r = choose_range<Methods>(h), true)) || ...);
  if (!found) {
    text names;
    ((names << (names.empty() ? "" : ", ") << Methods::name), ...);
    refuse(text("no calibration method is called '") << name << "': take one of " << names);
  }
  return r;
}
} // namespace detail

/// The same for the method of that name. A list of one's own: `choose_range<unpack<decltype(my_methods)>>(...)`.
template <class Methods = unpack<decltype(methods)>>
constexpr activation_range choose_range(std::string_view name, const histogram& h) {
  return detail::choose_named(Methods{}, name, h);
}

} // namespace tmpu::calibrate
