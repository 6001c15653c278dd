// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/rows.hpp"
#include "tmpu/top/grid_sample.hpp"

namespace tmpu::lower {

namespace detail {

/// The pixels along one axis that the points of a grid see, and their weights: `count` each.
class axis_samples {
public:
  constexpr axis_samples(sequence& s, const top::grid_sample::attributes& a, tensor_id grid, std::int64_t size)
      : s_(&s), size_(size), count_(top::grid_sample::taps_of(a)), padding_(top::grid_sample::padding_of(a)) {
    const auto length = static_cast<float>(size);
    const bool corners = a.align_corners != 0;
    low_ = corners ? 0.0F : -0.5F;
    high_ = corners ? length - 1.0F : length - 0.5F;
    const tensor_id from_one = plus(grid, 1.0F);
    tensor_id p =
        corners ? times(times(from_one, 0.5F), length - 1.0F) : times(plus(times(from_one, length), -1.0F), 0.5F);
    if (count_ == 1) p = s.unary(isa::unary_kind::round, p);
    if (padding_ == padding::border) p = outside(p, s.unary(isa::unary_kind::clip, p, 0.0F, length - 1.0F));
    if (padding_ == padding::reflection) p = outside(p, reflected(p));
    // What is no number, or beyond every pixel, lies outside.
    const tensor_id is_number = s.compare(isa::compare_kind::equal, p, p);
    p = s.unary(isa::unary_kind::clip, s.select(is_number, p, s.scalar(-4.0F)), -4.0F, length + 4.0F);
    first_ = s.unary(isa::unary_kind::floor, p);
    rest_ = s.binary(isa::binary_kind::sub, p, first_);
  }
  /// The numbers of the pixels of a tap, i32; its weights, `none` for 1.
  struct tap {
    tensor_id at = none;
    tensor_id weight = none;
  };
  [[nodiscard]] constexpr vec<tap> taps() {
    vec<tap> all;
    for (int k = 0; k < count_; ++k) all.push_back(at(k));
    return all;
  }

private:
  constexpr tap at(int k) {
    const int step = count_ == 4 ? k - 1 : k;
    const tensor_id pixel = step == 0 ? first_ : plus(first_, static_cast<float>(step));
    tap t;
    if (count_ == 2) t.weight = k == 0 ? less_than_one(rest_) : rest_;
    if (count_ == 4) t.weight = cubic(k);
    const auto last = static_cast<float>(size_ - 1);
    tensor_id inside = s_->unary(isa::unary_kind::clip, pixel, 0.0F, last);
    if (padding_ == padding::zeros) {
      const tensor_id is_inside = s_->compare(isa::compare_kind::equal, pixel, inside);
      const tensor_id one = t.weight == none ? s_->scalar(1.0F) : t.weight;
      t.weight = s_->select(is_inside, one, s_->scalar(0.0F));
    }
    if (padding_ == padding::reflection) {
      // Whole pixels: toward zero, as the mirrored coordinate of one is no whole number where the edges lie between two.
      const tensor_id mirrored = s_->convert(s_->convert(reflected(pixel), dtype_id::i32), dtype_id::f32);
      const tensor_id off = s_->compare(isa::compare_kind::not_equal, pixel, inside);
      inside = s_->select(off, s_->unary(isa::unary_kind::clip, mirrored, 0.0F, last), pixel);
    }
    t.at = s_->convert(inside, dtype_id::i32);
    return t;
  }

  using padding = top::grid_sample::padding;
  constexpr tensor_id plus(tensor_id x, float y) { return s_->binary(isa::binary_kind::add, x, s_->scalar(y)); }
  constexpr tensor_id times(tensor_id x, float y) { return s_->binary(isa::binary_kind::mul, x, s_->scalar(y)); }
  constexpr tensor_id less_than_one(tensor_id x) { return s_->binary(isa::binary_kind::sub, s_->scalar(1.0F), x); }
  /// `other` where p lies outside of [low, high].
  constexpr tensor_id outside(tensor_id p, tensor_id other) {
    const tensor_id below = s_->compare(isa::compare_kind::less, p, s_->scalar(low_));
    const tensor_id above = s_->compare(isa::compare_kind::less, s_->scalar(high_), p);
    return s_->select(s_->compare(isa::compare_kind::logical_or, below, above), other, p);
  }
  /// p mirrored at low and high until it lies between them.
  constexpr tensor_id reflected(tensor_id p) {
    const float range = high_ - low_;
    if (!(range > 0.0F)) return times(p, 0.0F);
    // From low on the coordinate goes there and back: the distance from the middle of a period tells how far.
    const tensor_id away = s_->unary(isa::unary_kind::abs, plus(p, -low_));
    const tensor_id turns =
        s_->unary(isa::unary_kind::floor, s_->binary(isa::binary_kind::div, away, s_->scalar(range)));
    const tensor_id rest = s_->binary(isa::binary_kind::sub, away, times(turns, range));
    const tensor_id half = times(turns, 0.5F);
    const tensor_id even = s_->compare(isa::compare_kind::equal, half, s_->unary(isa::unary_kind::floor, half));
    const tensor_id back = s_->binary(isa::binary_kind::sub, s_->scalar(high_), rest);
    return s_->select(even, plus(rest, low_), back);
  }
  /// The weight of tap k of four (R. Keys, 1981, a = -3/4), by its distance d from the point.
  constexpr tensor_id cubic(int k) {
    constexpr float a = -0.75F;
    const tensor_id d = k == 0   ? plus(rest_, 1.0F)
                        : k == 1 ? rest_
                        : k == 2 ? less_than_one(rest_)
                                 : s_->binary(isa::binary_kind::sub, s_->scalar(2.0F), rest_);
    const auto next = [&](tensor_id so_far, float term) {
      return plus(s_->binary(isa::binary_kind::mul, so_far, d), term);
    };
    if (k == 0 || k == 3) return next(next(plus(times(d, a), -5.0F * a), 8.0F * a), -4.0F * a);
    const tensor_id square = s_->binary(isa::binary_kind::mul, d, d);
    return plus(s_->binary(isa::binary_kind::mul, plus(times(d, a + 2.0F), -(a + 3.0F)), square), 1.0F);
  }

  sequence* s_;
  std::int64_t size_;
  int count_;
  padding padding_;
  float low_ = 0.0F;
  float high_ = 0.0F;
  tensor_id first_ = none;
  tensor_id rest_ = none;
};

} // namespace detail

/// grid_sample -> for each axis the pixels and weights of all points; for each combination of taps the pixels as rows of channels by their
/// numbers; the sums over width, height and depth.
template <class Dtype> struct grid_sample_rule {
  using op = top::grid_sample;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) {
    return c.carries(0) && c.carries(1) && !(c.is_constant(0) && c.is_constant(1)) && detail::numbered(c.dims(0));
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const shape x = c.dims(0);
    const std::size_t spatial = x.rank() - 2;
    const std::int64_t points = c.dims(1).elements() / static_cast<std::int64_t>(spatial);
    const std::int64_t plane = x.elements() / (x[0] * x[1]);
    sequence s(c);
    const tensor_id channels = s.transpose(detail::operand_as(c, s, 0, {x[0], x[1], plane}), {0, 2, 1});
    const tensor_id rows = s.reshape(channels, {x[0] * plane, x[1]});
    const tensor_id grid = detail::operand_as(c, s, 1, {points, static_cast<std::int64_t>(spatial)});
    value base(dtype_id::i32, sequence::in_parts(1, points)); // the first pixel of each point's batch
    for (std::int64_t n = 0; n < points; ++n) base.i.data()[n] = n / (points / x[0]) * plane;
    vec<taps> axes;
    for (std::size_t i = 0; i < spatial; ++i) {
      const tensor_id g =
          s.slice(grid, 1, static_cast<std::int64_t>(spatial - 1 - i), static_cast<std::int64_t>(spatial - i));
      axes.push_back(detail::axis_samples(s, a, s.reshape(g, base.dims), x[2 + i]).taps());
    }
    const tensor_id y = sum_of(s, axes, x, 0, rows, s.constant(base)); // [points, channels]
    s.finish(s.transpose(s.reshape(y, {x[0], points / x[0], x[1]}), {0, 2, 1}));
  }

private:
  using taps = vec<detail::axis_samples::tap>;
  /// The sum over the taps of the axes from i on; `number`: of the pixel so far.
  static constexpr tensor_id sum_of(sequence& s, const vec<taps>& axes, const shape& x, std::size_t i, tensor_id rows,
                                    tensor_id number) {
    const std::int64_t points = s.dims(number).elements();
    if (i == axes.size()) return s.gather(rows, s.reshape(number, {points}));
    std::int64_t step = 1;
    for (std::size_t d = 3 + i; d < x.rank(); ++d) step *= x[d];
    tensor_id sum = none;
    for (const auto& tap : axes[i]) {
      const tensor_id next = s.integer(isa::integer_kind::add, number, detail::times(s, tap.at, step));
      tensor_id part = sum_of(s, axes, x, i + 1, rows, next);
      if (tap.weight != none) part = s.binary(isa::binary_kind::mul, part, s.reshape(tap.weight, {points, 1}));
      sum = sum == none ? part : s.binary(isa::binary_kind::add, sum, part);
    }
    return sum;
  }
};

/// affine_grid of constant sizes -> the products of the coordinates of all points and the matrices.
template <class Dtype> struct affine_grid_rule {
  using op = top::affine_grid;
  using dtype = Dtype;
  static constexpr bool any_type = true; // sizes are integers
  static constexpr bool takes(const context& c, node_id) {
    return !c.is_constant(0) && c.is_constant(1) && is_floating(c.top_type(0));
  }
  static constexpr void apply(context& c, node_id) {
    const shape theta = c.dims(0);
    const shape& y = c.result_dims();
    const auto spatial = static_cast<std::size_t>(theta[1]);
    const shape places(y.span().subspan(1, spatial));
    const bool corners = c.attributes<op>().align_corners != 0;
    value w(dtype_id::f32, {places.elements(), theta[2]});
    for (std::int64_t n = 0; n < places.elements(); ++n) {
      float* to = w.f.data() + n * theta[2];
      std::int64_t rest = n;
      for (std::size_t k = 0; k < spatial; ++k) { // innermost axis first
        const std::int64_t size = places[spatial - 1 - k];
        to[k] = op::coordinate(corners, rest % size, size);
        rest /= size;
      }
      to[spatial] = 1.0F;
    }
    sequence s(c);
    s.finish(s.transpose(s.weigh(c.operand(0), 2, w), {0, 2, 1}));
  }
};

} // namespace tmpu::lower
