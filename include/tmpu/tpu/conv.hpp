// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/tpu/common.hpp"

namespace tmpu::tpu {

/// Two-dimensional convolution with bias and clamp: y[n, oc, oy, ox] = clamp(sum over (ic, kh, kw) of w * x + bias).
/// Float: sum in f32 in that order, from +0, taps outside x skipped. Integer: taps outside x have the value of x's zero
/// point; y = clamp(y_zero + requantize(sum + bias, multiplier, shift)) with the channel's bias, multiplier and shift.
///
/// Operands:  x [N,IC,IH,IW]; weight [OC,IC/group,KH,KW] of x's type, i8 for integers; params [OC,1] f32 (bias) or
///            [OC,3] i32 (bias with the zero-point term folded in, multiplier, shift). With a fourth operand the weight is scaled
///            (weight_groups): [OC,G,R] of i4, i8 or f8, scales [OC,G].
/// Shape:     y [N,OC,OH,OW] with OH = floor((IH + pads - (KH-1)*dilation - 1) / stride) + 1.
/// Attributes: pads = [top, left, bottom, right]; clamp = [low, high], infinite where there is none (integers: bounds in
///            quantized numbers).
/// Tiling:    N and H (rows with halo); OC unless 1 < group < C; IC for group 1, partial sums in f32 or i32.
/// Errors:    ranks, group, params that do not fit.
struct conv : basic_op<conv> {
  static constexpr op_info info{.name = "conv", .min_operands = 3, .max_operands = 4};
  struct attributes {
    TMPU_STRUCT((ints, kernel_shape), (ints, strides), (ints, dilations), (ints, pads), (std::int64_t, group),
                (floats, clamp));
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
    detail::require_clamp(c, a.clamp);
    const shape& x = c.dims(0);
    const shape& w = c.dims(1);
    const bool scaled = c.operand_count() > 3;
    if (!scaled) detail::require_rank(c, 1, 4);
    if (a.group < 1 || w[0] % a.group != 0 || x[1] % a.group != 0 ||
        (!scaled && (w[1] * a.group != x[1] || w[2] != a.kernel_shape[0] || w[3] != a.kernel_shape[1]))) {
      c.fail(text("weight ") << w.print() << " does not fit x " << x.print() << " with group " << a.group);
    }
    if (scaled) detail::require_scaled(c, x[1] / a.group, a.kernel_shape[0] * a.kernel_shape[1]);
    detail::require_params(c, w[0]);
    shape y{x[0], w[0]};
    for (std::size_t i = 0; i < 2; ++i) {
      y.push_back(
          detail::window_places(x[i + 2], a.pads[i], a.pads[i + 2], a.kernel_shape[i], a.strides[i], a.dilations[i]));
    }
    detail::result_dims(c, y);
  }

private:
  /// Sums plane by plane, tap by tap: each output's own sum still runs in the order (ic, kh, kw).
  /// (Before eval: clang evaluates at compile time only templates that are defined before their use.)
  template <class T, class Finish>
  static constexpr void sweep(const attributes& a, const value& x, const T* xs, const value& w, const T* ws,
                              const shape& y, T outside, bool pad_counts, Finish&& finish) {
    const std::int64_t ih = x.dims[2];
    const std::int64_t iw = x.dims[3];
    const std::int64_t oh = y[2];
    const std::int64_t ow = y[3];
    const std::int64_t taps = w.dims[1]; // channels of a group
    const std::int64_t kh_count = w.dims[2];
    const std::int64_t kw_count = w.dims[3];
    const std::int64_t outputs_per_group = y[1] / a.group;
    vec<T> plane(static_cast<std::size_t>(oh * ow));
    T* sums = plane.data();
    for (std::int64_t n = 0; n < y[0]; ++n) {
      for (std::int64_t oc = 0; oc < y[1]; ++oc) {
        for (std::int64_t p = 0; p < oh * ow; ++p) sums[p] = T{};
        for (std::int64_t ic = 0; ic < taps; ++ic) {
          const T* from = xs + (n * x.dims[1] + oc / outputs_per_group * taps + ic) * ih * iw;
          for (std::int64_t kh = 0; kh < kh_count; ++kh) {
            for (std::int64_t kw = 0; kw < kw_count; ++kw) {
              const T weight = ws[((oc * taps + ic) * kh_count + kh) * kw_count + kw];
              const std::int64_t dy = kh * a.dilations[0] - a.pads[0];
              const std::int64_t dx = kw * a.dilations[1] - a.pads[1];
              const auto rows = detail::places_inside(oh, a.strides[0], dy, ih);
              const auto columns = detail::places_inside(ow, a.strides[1], dx, iw);
              for (std::int64_t oy = 0; oy < oh; ++oy) {
                T* to = sums + oy * ow;
                const bool inside = oy >= rows.first && oy < rows.last;
                const std::int64_t first = inside ? columns.first : ow;
                const std::int64_t last = inside ? columns.last : ow;
                if (pad_counts) {
                  for (std::int64_t ox = 0; ox < first; ++ox) to[ox] += weight * outside;
                  for (std::int64_t ox = last; ox < ow; ++ox) to[ox] += weight * outside;
                }
                // An index: a pointer to the first tap could lie before the tensor.
                const std::int64_t row = (oy * a.strides[0] + dy) * iw + dx;
                if (a.strides[1] == 1) {
                  for (std::int64_t ox = first; ox < last; ++ox) to[ox] += weight * from[row + ox];
                } else {
                  for (std::int64_t ox = first; ox < last; ++ox) to[ox] += weight * from[row + ox * a.strides[1]];
                }
              }
            }
          }
        }
        for (std::int64_t p = 0; p < oh * ow; ++p) finish((n * y[1] + oc) * oh * ow + p, sums[p], oc);
      }
    }
  }

public:
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const value& params = c.in(2);
    value made;
    if (c.operand_count() > 3) {
      const std::int64_t channels = c.in(0).dims[1] / a.group;
      made = detail::dequantized(c.in(1), c.in(3), groups(c.graph(), c.id()), channels,
                                 a.kernel_shape[0] * a.kernel_shape[1], c.in(0).type);
      made.dims = {made.dims[0], channels, a.kernel_shape[0], a.kernel_shape[1]};
    }
    const value& w = c.operand_count() > 3 ? made : c.in(1);
    if (is_floating(y.type)) {
      sweep<float>(a, c.in(0), c.in(0).f.data(), w, w.f.data(), y.dims, 0.0F, false,
                   [&](std::int64_t at, float sum, std::int64_t oc) {
                     y.f.data()[at] = detail::finish_float(sum, params, oc, y.type, a.clamp);
                   });
    } else {
      const std::int64_t y_zero = c.out_quant().zero_point;
      sweep<std::int64_t>(a, c.in(0), c.in(0).i.data(), c.in(1), c.in(1).i.data(), y.dims, c.in_quant(0).zero_point,
                          true, [&](std::int64_t at, std::int64_t sum, std::int64_t oc) {
                            y.i.data()[at] = detail::finish_integer(sum, params, oc, y_zero, y.type, a.clamp);
                          });
    }
  }

  static constexpr weight_groups groups(const graph_body& g, node_id id) {
    return detail::groups_of(g, id, detail::operand_dims(g, id, 0)[1] / attributes_of<conv>(g, id).group);
  }

  /// group = IC = OC > 1: each channel by itself, in its own lane.
  static constexpr bool depthwise(const graph_body& g, node_id id) {
    const std::int64_t group = attributes_of<conv>(g, id).group;
    return group > 1 && group == detail::operand_dims(g, id, 0)[1] && group == detail::operand_dims(g, id, 1)[0];
  }

  static constexpr cuts cut(const graph_body& g, node_id id) {
    const bool dense = attributes_of<conv>(g, id).group == 1;
    return {.n = true, .c = dense || depthwise(g, id), .h = true, .k = dense};
  }
  static constexpr std::int64_t inner(const graph_body& g, node_id id) {
    return attributes_of<conv>(g, id).group == 1 ? detail::groups_of(g, id, detail::operand_dims(g, id, 0)[1]).count
                                                 : 1;
  }
  static constexpr operand_facts operand(const graph_body& g, node_id id, std::size_t i) {
    const shape& d = detail::operand_dims(g, id, i);
    if (i == 1) return {.layout = isa::layout::compact, .dims = {1, d[0], d[1], d.rank() == 3 ? d[2] : d[2] * d[3]}};
    if (i == 3) return {.layout = isa::layout::compact, .dims = {1, d[0], d[1], 1}};
    if (i == 2) return {.layout = isa::layout::compact, .dims = {1, d[0], 1, d[1]}};
    return {.layout = isa::layout::aligned, .dims = fold(d)};
  }
  static constexpr tpu::reach reach(const graph_body& g, node_id id, std::size_t i) {
    if (i == 2) return {.n = follows::nothing, .c = follows::c, .h = follows::nothing};
    const attributes a = attributes_of<conv>(g, id);
    const bool dense = a.group == 1;
    if (i != 0) return {.n = follows::nothing, .c = follows::c, .h = dense ? follows::k : follows::nothing};
    return {.n = follows::n,
            .c = dense              ? follows::k
                 : depthwise(g, id) ? follows::c
                                    : follows::nothing,
            .h = follows::h,
            .extent = (a.kernel_shape[0] - 1) * a.dilations[0] + 1,
            .stride = a.strides[0],
            .pad = a.pads[0],
            .unit = dense ? groups(g, id).channels : 1};
  }
  static constexpr scratch_facts scratch(const graph_body& g, node_id id, std::size_t i, const tile& t, bool k_is_cut) {
    if (k_is_cut && i == 0) return detail::partial_sums(g, id, t);
    const weight_groups all = groups(g, id);
    if (!all.scaled || i != (k_is_cut ? 1U : 0U)) return {};
    const attributes a = attributes_of<conv>(g, id);
    const std::int64_t channels = detail::operand_dims(g, id, 0)[1] / a.group;
    const interval k = detail::channels_of(all, t, channels);
    return detail::made_weights(g, id, t, a.group == 1 ? k.last - k.first : channels,
                                a.kernel_shape[0] * a.kernel_shape[1]);
  }
  static constexpr std::int64_t macs(const graph_body& g, node_id id) {
    const attributes a = attributes_of<conv>(g, id);
    const std::int64_t channels = detail::operand_dims(g, id, 0)[1] / a.group;
    return g.at(g.result(id)).dims.elements() * channels * a.kernel_shape[0] * a.kernel_shape[1];
  }
};
static_assert(op<conv>);

} // namespace tmpu::tpu
