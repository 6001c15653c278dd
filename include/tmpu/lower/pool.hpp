// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/context.hpp"
#include "tmpu/top/pool.hpp"

namespace tmpu::lower {

/// max_pool, average_pool -> pool, two spatial axes. Max keeps the operand's scale; the integer average rescales to its own.
template <class Op, isa::pool_kind Kind> struct pool_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool takes(const context& c, node_id id) {
      if (c.dims(0).rank() != 4 || c.is_constant(0)) return false;
      const auto& results = c.source().results(id);
      if (results.size() > 1 && results[1] != none) return false; // the places of the maxima
      const auto w = Op::window_of(c.template attributes<Op>(), c.dims(0));
      bool fits = true;
      for (std::size_t i = 0; i < 2; ++i) {
        const auto& axis = w.own(i);
        const std::int64_t extent = (axis.kernel - 1) * axis.dilation + 1;
        const std::int64_t end = top::detail::needed_end(axis);
        fits = fits && axis.begin < extent && end < extent; // every window has a tap in x
        // The divisor that counts the padding does not count what ceil_mode adds.
        if constexpr (averages) fits = fits && (end == axis.end || c.template attributes<Op>().count_include_pad == 0);
      }
      return fits;
    }
    static constexpr void apply(context& c, node_id) {
      const auto a = c.template attributes<Op>();
      const auto w = Op::window_of(a, c.dims(0));
      const auto& h = w.own(0);
      const auto& v = w.own(1);
      const tensor_id x = c.operand(0);
      const format in = c.format_at(x);
      tpu::pool::attributes p{.kind = static_cast<std::int64_t>(Kind),
                              .kernel_shape = {h.kernel, v.kernel},
                              .strides = {h.stride, v.stride},
                              .dilations = {h.dilation, v.dilation},
                              .pads = {h.begin, v.begin, top::detail::needed_end(h), top::detail::needed_end(v)},
                              .count_include_pad = 0,
                              .multiplier = 0,
                              .shift = 0};
      format y = in;
      if constexpr (averages) {
        p.count_include_pad = a.count_include_pad;
        y = c.result_format();
        if (!c.floating()) rescale(c, p, in, y);
      }
      c.template emit_result<tpu::pool>(p, {x}, y);
    }

  private:
    static constexpr bool averages = Kind == isa::pool_kind::average;
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

} // namespace tmpu::lower
