// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/observer.hpp"
#include "tmpu/calibrate/quantize_range.hpp"
#include "tmpu/calibrate/table.hpp"
#include "tmpu/calibrate/weighted.hpp"
#include "tmpu/core/list.hpp"
#include "tmpu/core/quantize.hpp"
#include "tmpu/ir/evaluate.hpp"
#include "tmpu/top/binary.hpp"
#include "tmpu/top/elementwise.hpp"
#include "tmpu/top/move.hpp"

#include <cstddef>
#include <cstdint>

/// Ranges chosen by what becomes of a tensor: one that only a function of single elements reads needs to be exact where the function
/// is steep (what lies far below zero does not matter to a GELU), and where the function passes on what it gets (LeakyReLU above
/// zero) a result of the same scale is not rounded a second time. The same holds for what is only read by a concatenation.
namespace tmpu::calibrate {

/// Functions of single elements that int8 looks up in a table, or computes between casts.
using seen_through = list<top::relu, top::leaky_relu, top::prelu, top::elu, top::selu, top::celu, top::thresholded_relu,
                          top::sigmoid, top::hard_sigmoid, top::hard_swish, top::silu, top::tanh, top::softplus,
                          top::softsign, top::mish, top::gelu, top::erf, top::exp, top::shrink, top::swish>;

namespace detail {

constexpr bool is_seen_through(const graph_body& g, node_id id) {
  const bool listed = seen_through::any([&]<class Op>() { return g.node_at(id).op == &record_of<Op>; });
  return listed && !g.is_constant(g.operand(id, 0)) && g.at(g.operand(id, 0)).type == dtype_id::f32 &&
         g.use_count(g.operand(id, 0)) == 1 &&
         (g.operand(id, 1) == none ||
          (g.is_constant(g.operand(id, 1)) && g.at(g.operand(id, 1)).type == dtype_id::f32));
}

/// Int8 does not round what the function reads (lower/unary.hpp, lower/binary.hpp).
constexpr bool takes_sums(const graph_body& g, node_id id) {
  const node_id made = g.at(g.operand(id, 0)).producer;
  return (g.node_at(id).op == &record_of<top::leaky_relu> || g.node_at(id).op == &record_of<top::prelu>)&&made !=
             none &&
         weighted_at(g, made).node != none;
}

/// The node's function of these elements; slopes of channels by their root mean square.
constexpr vec<float> applied(const graph_body& g, node_id id, const vec<float>& points) {
  graph_body one;
  value x(dtype_id::f32, {static_cast<std::int64_t>(points.size())});
  x.f = points;
  vec<tensor_id> operands;
  operands.push_back(one.add_tensor("x", x.type, x.dims));
  value slope(dtype_id::f32, {1});
  const value* values[] = {&x, &slope};
  if (g.operand(id, 1) != none) {
    const value all = g.constant_value(g.operand(id, 1));
    double squares = 0.0;
    for (const float s : all.f) squares += static_cast<double>(s) * static_cast<double>(s);
    slope.f[0] = static_cast<float>(math::sqrt(squares / static_cast<double>(all.f.size())));
    operands.push_back(one.add_constant("slope", slope));
  }
  const tensor_id results[] = {one.add_tensor("y", dtype_id::none, {})};
  const node_id made = one.add_node("f", *g.node_at(id).op, g.words(g.node_at(id)), operands, results);
  infer(one, made);
  return evaluate_node(one, made, {values, operands.size()})[0].f;
}

struct int8_format {
  quantization quant{};
  std::int64_t low = -128;
  std::int64_t high = 127;
  [[nodiscard]] constexpr std::int64_t number(float x) const {
    return quantize_value(x, quant.scale, quant.zero_point, low, high);
  }
  [[nodiscard]] constexpr float real(std::int64_t q) const {
    return dequantize_value(q, quant.scale, quant.zero_point);
  }
};
constexpr int8_format format_for(const activation_range& r, bool asymmetric) {
  int8_format f;
  bool is_unsigned = false;
  f.quant = asymmetric ? asymmetric_quantization(r) : symmetric_quantization(r, is_unsigned);
  if (!asymmetric && is_unsigned) {
    f.low = 0;
    f.high = 255;
  }
  return f;
}

/// The elements of a histogram, each bin by its middle.
struct points_of {
  vec<float> at;
  vec<double> count;
  constexpr explicit points_of(const histogram& h) {
    for (std::size_t i = 0; i < h.used_bins(); ++i) {
      const double middle = (static_cast<double>(i) + 0.5) * h.bin_width();
      const std::int64_t above = h.positive().empty() ? 0 : h.positive()[i] - (i == 0 ? h.zeros() : 0);
      const std::int64_t below = h.negative().empty() ? 0 : h.negative()[i];
      if (above > 0) put(middle, above);
      if (below > 0) put(-middle, below);
    }
  }
  constexpr void put(double x, std::int64_t n) {
    at.push_back(static_cast<float>(x));
    count.push_back(static_cast<double>(n));
  }
};

/// The function between two tensors, and the search for their ranges.
class between {
public:
  constexpr between(const graph_body& g, node_id id, const histogram& x)
      : g_(&g), id_(id), seen_(&x), points_(x), wanted_(applied(g, id, points_.at)) {}

  /// Ranges of x and y under which y comes out best; what they are now where nothing is better.
  constexpr void choose(activation_range& x, activation_range& y) const {
    if (points_.at.empty()) return;
    activation_range symmetric_x = x;
    activation_range symmetric_y = y;
    double least = error(x, y, false);
    const auto consider = [&](const activation_range& candidate, activation_range& best_x, activation_range& best_y,
                              bool asymmetric) {
      for (const bool shared : {true, false}) {
        if (shared && !asymmetric && (candidate.min >= 0.0F) != (y.min >= 0.0F)) continue;
        const activation_range result = shared ? candidate : y;
        const double e = error(candidate, result, asymmetric);
        if (e >= least) continue;
        least = e;
        best_x = candidate;
        best_y = result;
      }
    };
    constexpr int steps = 64;
    for (int k = steps; k > 2; --k) {
      activation_range r = x;
      r.threshold = static_cast<float>(static_cast<double>(seen_->max_magnitude()) * k / steps);
      consider(r, symmetric_x, symmetric_y, false);
    }
    activation_range both_x = x;
    activation_range both_y = y;
    least = error(x, y, true);
    constexpr int parts = 16;
    for (int low = parts; low > 0; --low) {
      for (int high = parts; high > 0; --high) {
        activation_range r = x;
        r.min = seen_->min() < 0.0F ? seen_->min() * static_cast<float>(low) / parts : 0.0F;
        r.max = seen_->max() > 0.0F ? seen_->max() * static_cast<float>(high) / parts : 0.0F;
        if (r.min == r.max || (r.min == 0.0F && low < parts) || (r.max == 0.0F && high < parts)) continue;
        consider(r, both_x, both_y, true);
      }
    }
    x.threshold = symmetric_x.threshold;
    y.threshold = symmetric_y.threshold;
    x.min = keep_sign(both_x.min, x.min);
    x.max = both_x.max;
    y.min = keep_sign(both_y.min, y.min);
    y.max = both_y.max;
  }

private:
  /// Whether the minimum is below zero says that symmetric int8 needs a sign.
  static constexpr float keep_sign(float now, float before) { return (now < 0.0F) == (before < 0.0F) ? now : before; }

  [[nodiscard]] constexpr double error(const activation_range& x, const activation_range& y, bool asymmetric) const {
    const int8_format from = format_for(x, asymmetric);
    const int8_format to = format_for(y, asymmetric);
    vec<float> levels;
    for (std::int64_t q = from.low; q <= from.high; ++q) levels.push_back(from.real(q));
    vec<float> results = applied(*g_, id_, levels);
    for (float& r : results) r = to.real(to.number(r));
    double sum = 0.0;
    for (std::size_t i = 0; i < points_.at.size(); ++i) {
      const auto q = static_cast<std::size_t>(from.number(points_.at.data()[i]) - from.low);
      const double d = static_cast<double>(results.data()[q]) - static_cast<double>(wanted_.data()[i]);
      sum += points_.count.data()[i] * d * d;
    }
    return sum;
  }

  const graph_body* g_;
  node_id id_;
  const histogram* seen_;
  points_of points_;
  vec<float> wanted_;
};

constexpr activation_range* range_in(table& t, std::string_view name) {
  for (entry& e : t.entries) {
    if (e.name.view() == name) return &e.range;
  }
  return nullptr;
}
} // namespace detail

/// Looks through functions and concatenations; `seen(t)`: the histogram of an activation, or null.
template <class Seen> constexpr void look_through(const graph_body& g, table& t, Seen seen) {
  for (std::size_t i = g.nodes.size(); i-- > 0;) {
    const auto id = static_cast<node_id>(i);
    if (g.node_at(id).op != &record_of<top::concat>) continue;
    const activation_range* y = detail::range_in(t, g.name(g.result(id)));
    for (const tensor_id x : g.operands(id)) {
      activation_range* own = g.is_constant(x) || g.use_count(x) != 1 ? nullptr : detail::range_in(t, g.name(x));
      if (own == nullptr || y == nullptr || (own->min < 0.0F) != (y->min < 0.0F)) continue;
      *own = *y;
    }
  }
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const auto id = static_cast<node_id>(i);
    if (!detail::is_seen_through(g, id) || detail::takes_sums(g, id)) continue;
    activation_range* x = detail::range_in(t, g.name(g.operand(id, 0)));
    activation_range* y = detail::range_in(t, g.name(g.result(id)));
    const histogram* h = seen(g.operand(id, 0));
    if (x != nullptr && y != nullptr && h != nullptr) detail::between(g, id, *h).choose(*x, *y);
  }
}

} // namespace tmpu::calibrate
