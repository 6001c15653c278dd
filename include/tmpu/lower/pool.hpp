// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/norm.hpp"
#include "tmpu/lower/product.hpp"
#include "tmpu/lower/rows.hpp"
#include "tmpu/top/pool.hpp"

namespace tmpu::lower {

namespace detail {
/// Each place of the window has a tap in x.
constexpr bool always_inside(const top::detail::window_axis& axis) {
  const std::int64_t extent = (axis.kernel - 1) * axis.dilation + 1;
  return axis.begin < extent && top::detail::needed_end(axis) < extent;
}
} // namespace detail

/// max_pool, average_pool -> pool over two spatial axes; of three first over height and width of each place of the depth, then over the depth.
/// Max keeps the operand's scale; the integer average rescales to its own.
template <class Op, isa::pool_kind Kind> struct pool_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool any_type = Kind == isa::pool_kind::max; // 8-bit integers as they are
    static constexpr bool takes(const context& c, node_id) {
      const std::size_t rank = c.dims(0).rank();
      const dtype_id type = c.top_type(0);
      if (rank < 4 || c.is_constant(0) || c.wants(1)) return false; // the places of the maxima
      if (!is_floating(type) && type != dtype_id::i8 && type != dtype_id::u8) return false;
      const auto w = Op::window_of(c.template attributes<Op>(), c.dims(0));
      bool fits = true;
      for (const auto& axis : w.axis) {
        fits = fits && detail::always_inside(axis);
        // The divisor that counts the padding does not count what ceil_mode adds.
        if constexpr (averages) {
          const bool all = c.template attributes<Op>().count_include_pad != 0;
          fits = fits && (!all || top::detail::needed_end(axis) == axis.end);
        }
      }
      return fits;
    }
    static constexpr void apply(context& c, node_id) {
      const auto w = Op::window_of(c.template attributes<Op>(), c.dims(0));
      const tensor_id x = c.operand(0);
      const format in = c.format_at(x);
      const format y = averages ? c.result_format() : in;
      if (w.spatial == 2) return c.template emit_result<tpu::pool>(attributes(c, w.axis[1], w.axis[2], in, y), {x}, y);
      const shape d = c.dims(0);
      const auto& [deep, h, v] = w.axis;
      sequence s(c);
      const tensor_id planes = s.reshape(x, {d[0], d[1] * deep.in, h.in, v.in});
      const tensor_id flat = s.pool(planes, attributes(c, h, v, in, in), in);
      // Rows that fit into a lane beside each other.
      const shape parts = sequence::in_parts(1, h.out * v.out);
      const tensor_id cut = s.reshape(flat, {d[0] * d[1], deep.in, parts[2], parts[3]});
      const tensor_id turned = s.transpose(cut, {0, 2, 1, 3});
      const tensor_id columns = s.reshape(turned, {d[0], d[1] * parts[2], deep.in, parts[3]});
      const tensor_id y4 = s.pool(columns, attributes(c, deep, {}, in, y), y);
      s.finish(s.transpose(s.reshape(y4, {d[0] * d[1], parts[2], deep.out, parts[3]}), {0, 2, 1, 3}));
    }

  private:
    static constexpr bool averages = Kind == isa::pool_kind::average;
    static constexpr tpu::pool::attributes attributes(const context& c, const top::detail::window_axis& h,
                                                      const top::detail::window_axis& v, const format& in,
                                                      const format& y) {
      tpu::pool::attributes p{.kind = static_cast<std::int64_t>(Kind),
                              .kernel_shape = {h.kernel, v.kernel},
                              .strides = {h.stride, v.stride},
                              .dilations = {h.dilation, v.dilation},
                              .pads = {h.begin, v.begin, top::detail::needed_end(h), top::detail::needed_end(v)},
                              .count_include_pad = 0,
                              .multiplier = 0,
                              .shift = 0};
      if constexpr (averages) {
        p.count_include_pad = c.template attributes<Op>().count_include_pad;
        if (!is_floating(in.type)) rescale(c, p, in, y);
      }
      return p;
    }
    static constexpr void rescale(const context& c, tpu::pool::attributes& p, const format& x, const format& y) {
      const multiplier m = make_multiplier(static_cast<double>(x.quant.scale) / static_cast<double>(y.quant.scale));
      if (!m.valid())
        c.fail(
            "the scales of operand and result are too far apart for a 32-bit multiplier: check the calibration table");
      p.multiplier = m.value;
      p.shift = m.shift;
      // count * 2^shift must stay within 62 bits: a factor so small can do with fewer bits.
      while (p.shift > 0 && p.kernel_shape[0] * p.kernel_shape[1] > (std::int64_t{1} << (62 - p.shift))) {
        p.multiplier = (p.multiplier + 1) / 2;
        --p.shift;
      }
    }
  };
};

/// max_pool with the places of the maxima -> along one axis after the other, width first: the taps, slices of x, are compared with the
/// greatest so far, and their numbers chosen alike. Of equal ones the first stays.
template <class Dtype> struct max_pool_places_rule {
  using op = top::max_pool;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    const dtype_id type = c.top_type(0);
    if (c.is_constant(0) || !c.wants(1) || !detail::numbered(c.dims(0))) return false;
    if (!is_floating(type) && type != dtype_id::i8 && type != dtype_id::u8) return false;
    bool fits = true;
    for (const auto& axis : op::window_of(c.attributes<op>(), c.dims(0)).axis)
      fits = fits && detail::always_inside(axis);
    return fits;
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const shape d = c.dims(0);
    const auto w = op::window_of(a, d);
    const std::int64_t planes = d[0] * d[1];
    sequence s(c);
    const tensor_id x = c.operand(0);
    const dtype_id type = c.format_at(x).type;
    found all;
    all.best = s.reshape(x, {planes, w.axis[0].in, w.axis[1].in, w.axis[2].in});
    const float least = is_floating(type) ? -math::infinity<float> : static_cast<float>(least_of(type));
    for (std::size_t i = 3; i-- > 0;) along(s, all, w.axis[i], i, least);
    const shape rows = sequence::in_parts(planes, w.out_plane());
    // Of the elements of a plane: a step along an axis, in the order that storage_order asks for.
    const bool columns = a.storage_order != 0;
    const std::int64_t step[] = {columns ? 1 : w.axis[1].in * w.axis[2].in, columns ? w.axis[0].in : w.axis[2].in,
                                 columns ? w.axis[0].in * w.axis[1].in : 1};
    value plane(dtype_id::i32, {1, planes, 1, 1});
    for (std::int64_t p = 0; p < planes; ++p) plane.i.data()[p] = p * w.in_plane();
    tensor_id number = s.constant(plane);
    std::int64_t behind = w.out_plane(); // places of y for each of this axis
    for (std::size_t i = 0; i < 3; ++i) {
      behind /= w.axis[i].out;
      const tensor_id at = coordinate(s, all.taps[i], w.axis[i], rows, behind);
      number = s.integer(isa::integer_kind::add, detail::times(s, at, step[i]), number);
    }
    if (c.wants(0)) s.finish(all.best);
    s.finish(number, 1);
  }

private:
  /// The greatest so far, and of each axis the number of its tap; `none`: 0 everywhere.
  struct found {
    tensor_id best = none;
    tensor_id taps[3] = {none, none, none};
  };
  static constexpr void along(sequence& s, found& all, const top::detail::window_axis& axis, std::size_t i,
                              float least) {
    if (axis.kernel == 1 && axis.stride == 1) return;
    const std::int64_t end = top::detail::needed_end(axis);
    const std::size_t d = i + 1;
    const auto tap = [&](tensor_id t, std::int64_t k, shape& whole) {
      const std::int64_t first = k * axis.dilation;
      const tensor_id slice = s.slice(t, d, first, first + (axis.out - 1) * axis.stride + 1, axis.stride);
      whole = s.dims(slice);
      return s.reshape(slice, sequence::in_parts(whole[0], whole.elements() / whole[0]));
    };
    const auto padded = [&](tensor_id t, float fill) {
      ints pads(8);
      pads[d] = axis.begin;
      pads[d + 4] = end > 0 ? end : 0;
      return t == none || pads[d] + pads[d + 4] == 0 ? t : s.pad(t, pads, fill);
    };
    found from = all;
    from.best = padded(all.best, least);
    for (tensor_id& t : from.taps) t = padded(t, 0.0F);
    shape whole;
    for (std::int64_t k = 0; k < axis.kernel; ++k) {
      const tensor_id here = tap(from.best, k, whole);
      if (k == 0) {
        all.best = here;
        for (std::size_t n = 0; n < 3; ++n) all.taps[n] = from.taps[n] == none ? none : tap(from.taps[n], k, whole);
        continue;
      }
      const tensor_id greater = s.compare(isa::compare_kind::less, all.best, here);
      all.best = s.select(greater, here, all.best);
      for (std::size_t n = 0; n < 3; ++n) {
        if (from.taps[n] != none) all.taps[n] = s.select(greater, tap(from.taps[n], k, whole), all.taps[n]);
      }
      const tensor_id number = s.constant(make_value(dtype_id::i32, {1, 1, 1, 1}, {&k, 1}));
      const tensor_id before = all.taps[i] == none ? s.number_like(number, 0) : all.taps[i];
      all.taps[i] = s.select(greater, number, before);
    }
    all.best = s.reshape(all.best, whole);
    for (tensor_id& t : all.taps) {
      if (t != none) t = s.reshape(t, whole);
    }
  }
  /// Where in x the tap of each place of y lies; that of the padding is chosen where nothing is greater, and stands for the first inside.
  static constexpr tensor_id coordinate(sequence& s, tensor_id tap, const top::detail::window_axis& axis,
                                        const shape& rows, std::int64_t behind) {
    const shape row{1, 1, rows[2], rows[3]};
    value start(dtype_id::i32, row);
    value first(dtype_id::i32, row);
    for (std::int64_t n = 0; n < row.elements(); ++n) {
      const std::int64_t o = n / behind % axis.out;
      start.i.data()[n] = o * axis.stride - axis.begin;
      first.i.data()[n] = start.i.data()[n] + axis.first_tap(o) * axis.dilation;
    }
    if (tap == none) return s.constant(first);
    const tensor_id at =
        s.integer(isa::integer_kind::add, detail::times(s, s.reshape(tap, rows), axis.dilation), s.constant(start));
    return axis.begin == 0 ? at : s.integer(isa::integer_kind::max, at, s.constant(first));
  }
};

/// lp_pool -> the sums of the powers as a convolution with ones, the root.
template <class Dtype> struct lp_pool_rule {
  using op = top::lp_pool;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    auto window = op::window_of(a, c.dims(0));
    for (auto& axis : window.axis) axis.end = top::detail::needed_end(axis);
    const std::int64_t channels = c.dims(0)[1];
    value ones(dtype_id::f32, {channels, window.axis[0].kernel, window.axis[1].kernel, window.axis[2].kernel});
    for (float& w : ones.f) w = 1.0F;
    sequence s(c);
    const tensor_id x = detail::to_power(s, s.reshape(c.operand(0), detail::by_channels(c.dims(0))), a.p);
    const auto rest = detail::behind_x(s.rounded(ones), s.zeros({channels, 1}));
    const tensor_id sums =
        detail::convolve(c, s, s.reshape(x, c.dims(0)), window.axis, channels, {}, rest, {c.type(), {}});
    s.finish(detail::root(s, sums, a.p));
  }
};

/// global_lp_pool -> rows: the sum of the powers, the root.
template <class Dtype> struct global_lp_pool_rule {
  using op = top::global_lp_pool;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    const shape x = c.dims(0);
    const std::int64_t p = c.attributes<op>().p;
    const std::int64_t rows = x[0] * x[1];
    sequence s(c);
    const tensor_id parts = s.reshape(c.operand(0), sequence::in_parts(rows, x.elements() / rows));
    s.finish(detail::root(s, s.reduce_parts(isa::reduce_kind::sum, detail::to_power(s, parts, p)), p));
  }
};

} // namespace tmpu::lower
