// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/product.hpp"
#include "tmpu/lower/rows.hpp"
#include "tmpu/top/deform_conv.hpp"
#include "tmpu/top/grid_sample.hpp"
#include "tmpu/top/roi.hpp"

namespace tmpu::lower {

namespace detail {

/// The pixels along one axis that points see, and their weights: `count` each.
class axis_samples {
public:
  using padding = top::grid_sample::padding;
  /// Of points of a grid, in [-1, 1].
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
    split(p);
  }
  /// Of points in pixels, between two of them; pixels outside weigh nothing, or (`border`) are the last ones inside.
  constexpr axis_samples(sequence& s, tensor_id p, std::int64_t size, padding outside)
      : s_(&s), size_(size), count_(2), padding_(outside) {
    if (outside == padding::border) p = s.unary(isa::unary_kind::clip, p, 0.0F, static_cast<float>(size - 1));
    split(p);
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
  constexpr void split(tensor_id p) {
    // What is no number, or beyond every pixel, lies outside.
    const tensor_id is_number = s_->compare(isa::compare_kind::equal, p, p);
    const float length = static_cast<float>(size_);
    p = s_->unary(isa::unary_kind::clip, s_->select(is_number, p, s_->scalar(-4.0F)), -4.0F, length + 4.0F);
    first_ = s_->unary(isa::unary_kind::floor, p);
    rest_ = s_->binary(isa::binary_kind::sub, p, first_);
  }
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

/// The four pixels around points of planes of w columns, weighted: rows of `pixels` [planes * h * w, W] as [points, W]. `first`: the number of
/// the first pixel of each point's plane; it, the rows' and the columns' numbers and weights broadcast to [1, a, b, c], the points.
constexpr vec<tensor_id> weighted_corners(sequence& s, tensor_id pixels, tensor_id first, std::int64_t w,
                                          const vec<axis_samples::tap>& rows, const vec<axis_samples::tap>& columns) {
  vec<tensor_id> corners;
  for (const auto& r : rows) {
    const tensor_id row = s.integer(isa::integer_kind::add, times(s, r.at, w), first);
    for (const auto& c : columns) {
      const tensor_id number = s.integer(isa::integer_kind::add, row, c.at);
      const tensor_id weight = s.binary(isa::binary_kind::mul, r.weight, c.weight);
      const std::int64_t points = s.dims(number).elements();
      const tensor_id taken = s.gather(pixels, s.reshape(number, {points}));
      corners.push_back(s.binary(isa::binary_kind::mul, s.reshape(weight, {points, 1}), taken));
    }
  }
  return corners;
}
/// x [N, C, ...] as rows of channels: [N * groups * plane, C / groups].
constexpr tensor_id pixel_rows(context& c, sequence& s, std::int64_t groups) {
  const shape x = c.dims(0);
  const std::int64_t plane = x.elements() / (x[0] * x[1]);
  const std::int64_t each = x[1] / groups;
  const tensor_id planes = operand_as(c, s, 0, {x[0] * groups, each, plane});
  return s.reshape(s.transpose(planes, {0, 2, 1}), {x[0] * groups * plane, each});
}

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
    const tensor_id rows = detail::pixel_rows(c, s, 1);
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

/// roi_align with a fixed number of samples -> the places of the samples along both axes, from the corners of the regions; the four pixels
/// around each, weighted; their sum and its mean over a bin (pool), or the greatest of all.
template <class Dtype> struct roi_align_rule {
  using op = top::roi_align;
  using dtype = Dtype;
  static constexpr bool any_type = true; // the images' numbers are integers
  static constexpr bool takes(const context& c, node_id) {
    // Without a ratio, how many samples a bin has depends on the size of its region.
    return detail::carries_all(c) && detail::numbered(c.dims(0)) && c.attributes<op>().sampling_ratio > 0;
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const shape x = c.dims(0);
    const std::int64_t count = c.dims(1)[0];
    const std::int64_t ratio = a.sampling_ratio;
    sequence s(c);
    const tensor_id boxes = detail::operand_as(c, s, 1, {count, 4});
    const tensor_id rows = places(s, a, boxes, 0, ratio);
    const tensor_id columns = places(s, a, boxes, 1, ratio);
    auto row_taps = taps(s, rows, x[2]);
    auto column_taps = taps(s, columns, x[3]);
    const tensor_id image = s.reshape(detail::operand_as(c, s, 2, {count}), {1, count, 1, 1});
    const tensor_id first = detail::times(s, s.convert(image, dtype_id::i32), x[2] * x[3]);
    const bool greatest = a.mode.view() == "max";
    tensor_id all = none;
    for (const tensor_id v :
         detail::weighted_corners(s, detail::pixel_rows(c, s, 1), first, x[3], row_taps, column_taps)) {
      all = all == none ? v : s.binary(greatest ? isa::binary_kind::max : isa::binary_kind::add, all, v);
    }
    const std::int64_t height = a.output_height * ratio;
    const std::int64_t width = a.output_width * ratio;
    const tensor_id planes = s.transpose(s.reshape(all, {count, height * width, x[1]}), {0, 2, 1});
    const tensor_id samples = s.reshape(planes, {count, x[1], height, width});
    if (ratio == 1) return s.finish(samples);
    s.finish(s.pool(samples,
                    {.kind = static_cast<std::int64_t>(greatest ? isa::pool_kind::max : isa::pool_kind::average),
                     .kernel_shape = {ratio, ratio},
                     .strides = {ratio, ratio},
                     .dilations = {1, 1},
                     .pads = {0, 0, 0, 0},
                     .count_include_pad = 0,
                     .multiplier = 0,
                     .shift = 0},
                    {c.type(), {}}));
  }

private:
  /// The samples of each region along an axis (0: rows), in pixels: [1, R, samples, 1] or [1, R, 1, samples].
  static constexpr tensor_id places(sequence& s, const op::attributes& a, tensor_id boxes, std::size_t axis,
                                    std::int64_t ratio) {
    using enum isa::binary_kind;
    const bool legacy = a.coordinate_transformation_mode.view() == "output_half_pixel";
    const std::int64_t bins = axis == 0 ? a.output_height : a.output_width;
    const auto corner = [&](std::int64_t k) {
      const tensor_id v = s.reshape(s.slice(boxes, 1, k, k + 1), {1, s.dims(boxes)[0], 1, 1});
      const tensor_id scaled = a.spatial_scale == 1.0F ? v : s.binary(mul, v, s.scalar(a.spatial_scale));
      return legacy ? scaled : s.binary(sub, scaled, s.scalar(0.5F));
    };
    const auto from = static_cast<std::int64_t>(1 - axis);
    const tensor_id start = corner(from);
    tensor_id size = s.binary(sub, corner(from + 2), start);
    if (legacy) size = s.binary(max, size, s.scalar(1.0F));
    const tensor_id bin = s.binary(div, size, s.scalar(static_cast<float>(bins)));
    const shape along = axis == 0 ? shape{1, 1, bins * ratio, 1} : shape{1, 1, 1, bins * ratio};
    value of_bin(dtype_id::f32, along);
    value of_sample(dtype_id::f32, along);
    for (std::int64_t n = 0; n < bins * ratio; ++n) {
      of_bin.f.data()[n] = static_cast<float>(n / ratio);
      of_sample.f.data()[n] = static_cast<float>(n % ratio) + 0.5F;
    }
    const tensor_id begin = s.binary(add, start, s.binary(mul, s.constant(of_bin), bin));
    const tensor_id within =
        s.binary(div, s.binary(mul, s.constant(of_sample), bin), s.scalar(static_cast<float>(ratio)));
    return s.binary(add, begin, within);
  }
  /// A place more than one pixel outside weighs nothing, one nearer is at the edge.
  static constexpr vec<detail::axis_samples::tap> taps(sequence& s, tensor_id places, std::int64_t size) {
    const tensor_id near = s.unary(isa::unary_kind::clip, places, -1.0F, static_cast<float>(size));
    const tensor_id is_near = s.compare(isa::compare_kind::equal, near, places); // not of what is no number
    auto list = detail::axis_samples(s, near, size, detail::axis_samples::padding::border).taps();
    for (auto& tap : list) tap.weight = s.select(is_near, tap.weight, s.scalar(0.0F));
    return list;
  }
};

/// deform_conv -> the places of the taps from the offsets; the four pixels around each, weighted and added, times the mask: channels for each
/// tap, of which a convolution of one tap makes the result.
template <class Dtype> struct deform_conv_rule {
  using op = top::deform_conv;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) {
    return detail::carries_all(c) && detail::numbered(c.dims(0));
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const shape x = c.dims(0);
    const shape w = c.dims(1);
    const auto window = op::window_of(a, x, w);
    const auto& h = window.axis[1];
    const auto& v = window.axis[2];
    const std::int64_t taps = window.taps();
    const std::int64_t plane = window.out_plane();
    const std::int64_t groups = x[0] * a.offset_group;
    sequence s(c);
    const tensor_id offsets = detail::operand_as(c, s, 2, {groups, taps, 2, plane});
    value row(dtype_id::f32, {1, 1, taps, plane});
    value column(dtype_id::f32, {1, 1, taps, plane});
    for (std::int64_t n = 0; n < taps * plane; ++n) {
      const std::int64_t tap = n / plane;
      const std::int64_t o = n % plane;
      row.f.data()[n] = static_cast<float>(o / v.out * h.stride - h.begin + tap / v.kernel * h.dilation);
      column.f.data()[n] = static_cast<float>(o % v.out * v.stride - v.begin + tap % v.kernel * v.dilation);
    }
    const auto samples = [&](const value& base, std::int64_t which, std::int64_t size) {
      const tensor_id own = s.reshape(s.slice(offsets, 2, which, which + 1), {1, groups, taps, plane});
      const tensor_id at = s.binary(isa::binary_kind::add, s.constant(base), own);
      return detail::axis_samples(s, at, size, detail::axis_samples::padding::zeros).taps();
    };
    value first(dtype_id::i32, {1, groups, 1, 1});
    for (std::int64_t n = 0; n < groups; ++n) first.i.data()[n] = n * h.in * v.in;
    tensor_id sum = none;
    const auto rows = samples(row, 0, h.in);
    const auto columns = samples(column, 1, v.in);
    for (const tensor_id t : detail::weighted_corners(s, detail::pixel_rows(c, s, a.offset_group), s.constant(first),
                                                      v.in, rows, columns)) {
      sum = sum == none ? t : s.binary(isa::binary_kind::add, sum, t);
    }
    if (c.has(4)) sum = s.binary(isa::binary_kind::mul, sum, detail::operand_as(c, s, 4, {groups * taps * plane, 1}));
    const tensor_id channels = s.transpose(s.reshape(sum, {groups, taps * plane, x[1] / a.offset_group}), {0, 2, 1});
    const tensor_id weight = detail::operand_as(c, s, 1, {w[0], w[1] * taps, 1, 1});
    const tensor_id bias = detail::float_params(c, s, 3, w[0]);
    s.finish(s.conv(s.reshape(channels, {x[0], x[1] * taps, h.out, v.out}), weight, bias,
                    {.kernel_shape = {1, 1},
                     .strides = {1, 1},
                     .dilations = {1, 1},
                     .pads = {0, 0, 0, 0},
                     .group = a.group,
                     .clamp = {}}));
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
