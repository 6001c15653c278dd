// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/norm.hpp"
#include "tmpu/lower/product.hpp"
#include "tmpu/top/pool.hpp"

namespace tmpu::lower {

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
        const std::int64_t extent = (axis.kernel - 1) * axis.dilation + 1;
        const std::int64_t end = top::detail::needed_end(axis);
        fits = fits && axis.begin < extent && end < extent; // every window has a tap in x
        // The divisor that counts the padding does not count what ceil_mode adds.
        if constexpr (averages) fits = fits && (end == axis.end || c.template attributes<Op>().count_include_pad == 0);
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
