// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/isa/instructions.hpp"
#include "tmpu/tpu/common.hpp"

namespace tmpu::tpu {

/// Pooling of each channel over a window; taps outside x are skipped; taps run in the order (kh, kw).
/// max: the greatest tap; x and y share type and scale. average: float: sum / count, both one f32 operation;
/// integer: y_zero + round_half_away(sum of (x - x_zero) * multiplier / (count * 2^shift)).
/// count = KH * KW where count_include_pad is set, else the taps inside x.
///
/// Shape:     y [N,C,OH,OW], as conv.
/// Attributes: kind: isa::pool_kind as a number; pads = [top, left, bottom, right].
/// Tiling:    N, C, H (rows with halo).
/// Errors:    rank; lists of wrong length; a shift at which count * 2^shift leaves 62 bits; a window without a tap in x.
struct pool : basic_op<pool> {
  static constexpr op_info info{.name = "pool"};
  struct attributes {
    TMPU_STRUCT((std::int64_t, kind), (ints, kernel_shape), (ints, strides), (ints, dilations), (ints, pads),
                (std::int64_t, count_include_pad), (std::int64_t, multiplier), (std::int64_t, shift));
  };

  static constexpr bool turnable(const attributes& a) {
    return a.kernel_shape[0] == 1 && a.pads[0] == 0 && a.pads[2] == 0;
  }
  static constexpr attributes turned(attributes a) {
    for (ints* list : {&a.kernel_shape, &a.strides, &a.dilations}) *list = {(*list)[1], 1};
    a.pads = {a.pads[1], 0, a.pads[3], 0};
    return a;
  }
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_rank(c, 0, 4);
    detail::require_length(c, a.kernel_shape, 2, "kernel_shape");
    detail::require_length(c, a.strides, 2, "strides");
    detail::require_length(c, a.dilations, 2, "dilations");
    detail::require_length(c, a.pads, 4, "pads");
    if (a.kind != 0 && a.kind != 1) c.fail(text("pool kind ") << a.kind << " is unknown");
    if (a.shift < 0 || a.shift > 62 || (a.kernel_shape[0] * a.kernel_shape[1]) > (std::int64_t{1} << (62 - a.shift))) {
      c.fail("shift is out of range for the window");
    }
    const shape& x = c.dims(0);
    shape y{x[0], x[1]};
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t extent = (a.kernel_shape[i] - 1) * a.dilations[i] + 1;
      if (a.pads[i] >= extent || a.pads[i + 2] >= extent) c.fail("a window lies in the padding as a whole");
      y.push_back(
          detail::window_places(x[i + 2], a.pads[i], a.pads[i + 2], a.kernel_shape[i], a.strides[i], a.dilations[i]));
    }
    detail::result_dims(c, y);
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const value& x = c.in(0);
    const bool maximum = a.kind == static_cast<std::int64_t>(isa::pool_kind::max);
    const bool floating = is_floating(y.type);
    const std::int64_t x_zero = c.in_quant(0).zero_point;
    const std::int64_t y_zero = c.out_quant().zero_point;
    const std::int64_t ih = x.dims[2];
    const std::int64_t iw = x.dims[3];
    std::int64_t at = 0;
    for (std::int64_t plane = 0; plane < y.dims[0] * y.dims[1]; ++plane) {
      for (std::int64_t oy = 0; oy < y.dims[2]; ++oy) {
        for (std::int64_t ox = 0; ox < y.dims[3]; ++ox, ++at) {
          float sum = 0.0F;
          std::int64_t integer_sum = 0;
          std::int64_t inside = 0;
          for (std::int64_t kh = 0; kh < a.kernel_shape[0]; ++kh) {
            const std::int64_t iy = oy * a.strides[0] - a.pads[0] + kh * a.dilations[0];
            if (iy < 0 || iy >= ih) continue;
            for (std::int64_t kw = 0; kw < a.kernel_shape[1]; ++kw) {
              const std::int64_t ix = ox * a.strides[1] - a.pads[1] + kw * a.dilations[1];
              if (ix < 0 || ix >= iw) continue;
              const std::int64_t from = (plane * ih + iy) * iw + ix;
              if (floating) {
                const float tap = x.f.data()[from];
                if (!maximum) {
                  sum += tap;
                } else if (inside == 0 || tap > sum) {
                  sum = tap;
                }
              } else {
                const std::int64_t tap = x.i.data()[from];
                if (!maximum) {
                  integer_sum += tap - x_zero;
                } else if (inside == 0 || tap > integer_sum) {
                  integer_sum = tap;
                }
              }
              ++inside;
            }
          }
          const std::int64_t count = a.count_include_pad != 0 ? a.kernel_shape[0] * a.kernel_shape[1] : inside;
          if (floating) {
            y.f.data()[at] = round_to(y.type, maximum ? sum : activation::divide(sum, static_cast<float>(count)));
          } else if (maximum) {
            y.i.data()[at] = integer_sum;
          } else {
            y.i.data()[at] = saturate(y.type, y_zero + divide_half_away(integer_sum * a.multiplier, count << a.shift));
          }
        }
      }
    }
  }

  static constexpr tpu::reach reach(const graph_body& g, node_id id, std::size_t) {
    const attributes a = attributes_of<pool>(g, id);
    return {.n = follows::n,
            .c = follows::c,
            .h = follows::h,
            .extent = (a.kernel_shape[0] - 1) * a.dilations[0] + 1,
            .stride = a.strides[0],
            .pad = a.pads[0]};
  }
};
static_assert(op<pool>);

} // namespace tmpu::tpu
