// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/corrections.hpp"

#include <cstddef>
#include <cstdint>

/// How the weights of a layer are rounded so that its results change least: the squared error of a sum over k of e[k] x[k], with e the
/// rounding errors, is e' C e where C holds the means of x[i] x[j]. Each weight goes to one of its two neighbours, and of some steps between
/// neighbours an output channel takes the one with the least error.
namespace tmpu::calibrate {

/// Sums over the rows that a layer's weights are multiplied with, in whole numbers, so that their order does not matter: x counts in
/// 255ths of its threshold. Products are kept for blocks of at most `most` weights.
class layer_moments {
public:
  static constexpr std::int64_t most = 512;

  constexpr layer_moments() = default;
  constexpr layer_moments(const weighted& layer, float threshold) : layer_(layer), unit_(threshold / 255.0F) {
    const std::int64_t inner = layer_.inner();
    const std::int64_t parts = (inner + most - 1) / most;
    each_ = (inner + parts - 1) / parts;
    sums_ = vec<std::int64_t>(static_cast<std::size_t>(layer_.groups * inner));
    for (std::int64_t g = 0; g < layer_.groups; ++g) {
      for (std::int64_t k = 0; k < inner; k += each_) {
        const std::int64_t size = inner - k < each_ ? inner - k : each_;
        blocks_.push_back({g, k, size, vec<std::int64_t>(static_cast<std::size_t>(size * size))});
      }
    }
  }

  /// One sample: the values of x; about `rows` rows of each group, evenly spread.
  constexpr void add(const value& x, const shape& y_dims, std::int64_t rows) {
    const std::int64_t all = layer_.rows(y_dims);
    std::int64_t stride = all / (rows < 1 ? 1 : rows);
    if (stride < 1) stride = 1;
    if (stride > 1) stride |= 1; // even ones would see every other column only
    const std::int64_t inner = layer_.inner();
    const std::int64_t count = (all + stride - 1) / stride;
    vec<float> row(static_cast<std::size_t>(inner));
    vec<std::int16_t> columns(static_cast<std::size_t>(inner * chunk));
    for (std::int64_t g = 0; g < layer_.groups; ++g) {
      for (std::int64_t from = 0; from < count; from += chunk) {
        const std::int64_t here = count - from < chunk ? count - from : chunk;
        for (std::int64_t r = 0; r < here; ++r) {
          layer_.put_row(x, g, (from + r) * stride, row.data());
          for (std::int64_t k = 0; k < inner; ++k) columns.data()[k * chunk + r] = whole(row.data()[k]);
        }
        include(g, columns.data(), here);
      }
    }
    rows_ += count;
  }

  /// How the weights are rounded.
  struct rounded {
    vec<std::uint8_t> up; ///< of each weight, by output channels
    vec<float> steps;     ///< of each output channel
    vec<float> bias;      ///< takes the mean error away
  };
  /// `to_nearest`: each by itself, in the step of the greatest.
  [[nodiscard]] constexpr rounded round(const value& w, bool to_nearest = false) const {
    const std::int64_t inner = layer_.inner();
    rounded r;
    r.up = vec<std::uint8_t>(static_cast<std::size_t>(layer_.outputs * inner));
    r.steps = vec<float>(static_cast<std::size_t>(layer_.outputs));
    r.bias = vec<float>(static_cast<std::size_t>(layer_.outputs));
    for (std::int64_t oc = 0; oc < layer_.outputs; ++oc)
      r.steps[static_cast<std::size_t>(oc)] = static_cast<float>(detail::weight_step(layer_, w, oc));
    if (rows_ == 0) return r;
    vec<vec<double>> moments;
    for (const block& b : blocks_) moments.push_back(second_moments(b));
    for (std::int64_t oc = 0; oc < layer_.outputs; ++oc) {
      const auto greatest = static_cast<double>(r.steps[static_cast<std::size_t>(oc)]);
      if (greatest == 0.0) continue;
      double least = math::infinity<double>;
      // From the step of the greatest weight on: it may saturate, or the others have a little less room.
      for (const double factor : {1.0, 0.99, 1.01, 0.98, 1.02, 1.03}) {
        if (to_nearest && factor != 1.0) break;
        const auto step = static_cast<float>(greatest * factor);
        double loss = 0.0;
        double mean = 0.0;
        vec<std::uint8_t> up;
        for (std::size_t i = 0; i < blocks_.size(); ++i) {
          if (blocks_[i].group == oc / layer_.each())
            loss += round_block(blocks_[i], moments[i], w, oc, static_cast<double>(step), to_nearest, up, mean);
        }
        loss *= static_cast<double>(step) * static_cast<double>(step);
        if (!(loss < least)) continue;
        least = loss;
        r.steps[static_cast<std::size_t>(oc)] = step;
        for (std::int64_t k = 0; k < inner; ++k)
          r.up[static_cast<std::size_t>(oc * inner + k)] = up[static_cast<std::size_t>(k)];
        if (layer_.takes_bias)
          r.bias[static_cast<std::size_t>(oc)] =
              -static_cast<float>(mean * static_cast<double>(step) * static_cast<double>(unit_));
      }
    }
    return r;
  }

private:
  static constexpr std::int64_t chunk = 1024; // 255^2 * 1024 fits into 32 bits

  struct block {
    std::int64_t group = 0;
    std::int64_t first = 0;
    std::int64_t size = 0;
    vec<std::int64_t> products; ///< the lower triangle
  };

  /// The weights of a block: appends to `up`, adds to the mean error, in steps; gives e' C e.
  [[nodiscard]] constexpr double round_block(const block& b, const vec<double>& c, const value& w, std::int64_t oc,
                                             double step, bool to_nearest, vec<std::uint8_t>& up, double& mean) const {
    vec<double> error; // in steps
    vec<double> other; // what is added to it by the other neighbour
    for (std::int64_t k = 0; k < b.size; ++k) {
      const auto v = static_cast<double>(w.f[layer_.place(oc, b.first + k)]);
      const double down = detail::rounded_steps(v, step, false) - v / step;
      const double above = detail::rounded_steps(v, step, true) - v / step;
      const bool nearer_up = math::abs(above) <= math::abs(down);
      error.push_back(nearer_up ? above : down);
      other.push_back(nearer_up ? down - above : above - down);
      up.push_back(nearer_up ? 1 : 0);
    }
    const vec<double> nearest = error;
    const double loss = improve(c, error, other, to_nearest);
    for (std::size_t k = 0; k < error.size(); ++k) {
      if (error[k] != nearest[k]) up[up.size() - error.size() + k] ^= 1U;
      mean += error[k] * mean_of(b, static_cast<std::int64_t>(k));
    }
    return loss;
  }
  [[nodiscard]] constexpr std::int16_t whole(float x) const {
    const double q = math::round_half_away(static_cast<double>(x) / static_cast<double>(unit_));
    return static_cast<std::int16_t>(q < -255.0 ? -255.0 : q > 255.0 ? 255.0 : q);
  }
  constexpr void include(std::int64_t group, const std::int16_t* columns, std::int64_t rows) {
    for (block& b : blocks_) {
      if (b.group != group) continue;
      for (std::int64_t i = 0; i < b.size; ++i) {
        const std::int16_t* x = columns + (b.first + i) * chunk;
        std::int64_t sum = 0;
        for (std::int64_t r = 0; r < rows; ++r) sum += x[r];
        sums_.data()[group * layer_.inner() + b.first + i] += sum;
        for (std::int64_t j = 0; j <= i; ++j) {
          const std::int16_t* y = columns + (b.first + j) * chunk;
          std::int32_t product = 0;
          for (std::int64_t r = 0; r < rows; ++r) product += std::int32_t{x[r]} * std::int32_t{y[r]};
          b.products.data()[i * b.size + j] += product;
        }
      }
    }
  }
  [[nodiscard]] constexpr double mean_of(const block& b, std::int64_t k) const {
    return static_cast<double>(sums_.data()[b.group * layer_.inner() + b.first + k]) / static_cast<double>(rows_);
  }
  /// C of a block. Where a bias takes the mean error away, what is left is the covariance. The rounding of x itself, which every
  /// weight passes on, stands on the diagonal.
  [[nodiscard]] constexpr vec<double> second_moments(const block& b) const {
    constexpr double rounding_of_x = 255.0 * 255.0 / (127.0 * 127.0 * 12.0);
    vec<double> c(static_cast<std::size_t>(b.size * b.size));
    for (std::int64_t i = 0; i < b.size; ++i) {
      for (std::int64_t j = 0; j <= i; ++j) {
        double v = static_cast<double>(b.products.data()[i * b.size + j]) / static_cast<double>(rows_);
        if (layer_.takes_bias) v -= mean_of(b, i) * mean_of(b, j);
        if (i == j) v += rounding_of_x;
        c.data()[i * b.size + j] = v;
        c.data()[j * b.size + i] = v;
      }
    }
    return c;
  }
  /// Takes the other neighbour, weight by weight, as long as that lessens e' C e, which it gives.
  static constexpr double improve(const vec<double>& c, vec<double>& error, vec<double>& other, bool as_it_is) {
    const std::size_t size = error.size();
    vec<double> slope(size); // C e
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) slope[i] += c.data()[i * size + j] * error.data()[j];
    }
    constexpr int most_rounds = 50;
    bool changed = !as_it_is;
    for (int round = 0; changed && round < most_rounds; ++round) {
      changed = false;
      for (std::size_t k = 0; k < size; ++k) {
        const double d = other.data()[k];
        if (d == 0.0 || 2.0 * d * slope.data()[k] + c.data()[k * size + k] >= 0.0) continue;
        error.data()[k] += d;
        other.data()[k] = -d;
        for (std::size_t i = 0; i < size; ++i) slope.data()[i] += d * c.data()[k * size + i];
        changed = true;
      }
    }
    double loss = 0.0;
    for (std::size_t i = 0; i < size; ++i) loss += slope[i] * error[i];
    return loss;
  }

  weighted layer_;
  float unit_ = 1.0F;
  std::int64_t each_ = 0;
  std::int64_t rows_ = 0;
  vec<std::int64_t> sums_;
  vec<block> blocks_;
};

} // namespace tmpu::calibrate
