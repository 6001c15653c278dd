// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/fast_loops.hpp"
#include "tmpu/top/common.hpp"
#include "tmpu/top/window.hpp"

namespace tmpu::top {

namespace detail {

/// Outputs that one kernel call sums side by side: SIMD goes across outputs, each keeps its own sequential sum.
inline constexpr std::int64_t block = 16;

/// Rows [first, first + block) of w [rows, depth] turned into [depth, block]; rows beyond the last are zero.
constexpr void pack_rows(const float* w, std::int64_t first, std::int64_t rows, std::int64_t depth, float* packed) {
  const std::int64_t count = rows - first < block ? rows - first : block;
  for (std::int64_t j = 0; j < block; ++j) {
    for (std::int64_t k = 0; k < depth; ++k) packed[k * block + j] = j < count ? w[(first + j) * depth + k] : 0.0F;
  }
}

/// Sums of one output position for a block of channels: the order is (ic, kd, kh, kw), padding is skipped.
struct conv_block {
  const window* w;
  const float* packed; ///< [ic, kd, kh, kw, block]
  std::int64_t channels;

  constexpr void operator()(const float* x, const std::int64_t (&o)[3], float (&sum)[block]) const {
    std::int64_t from[3];
    std::int64_t to[3];
    std::int64_t start[3];
    for (std::size_t i = 0; i < 3; ++i) {
      from[i] = w->axis[i].first_tap(o[i]);
      to[i] = w->axis[i].last_tap(o[i]);
      start[i] = o[i] * w->axis[i].stride - w->axis[i].begin;
    }
    float s[block] = {};
    for (std::int64_t ic = 0; ic < channels; ++ic) {
      for (std::int64_t kd = from[0]; kd < to[0]; ++kd) {
        for (std::int64_t kh = from[1]; kh < to[1]; ++kh) {
          const std::int64_t row = ((ic * w->axis[0].in + start[0] + kd * w->axis[0].dilation) * w->axis[1].in +
                                    start[1] + kh * w->axis[1].dilation) *
                                       w->axis[2].in +
                                   start[2];
          const float* tap =
              packed + ((ic * w->axis[0].kernel + kd) * w->axis[1].kernel + kh) * w->axis[2].kernel * block;
          for (std::int64_t kw = from[2]; kw < to[2]; ++kw) {
            const float v = x[row + kw * w->axis[2].dilation];
            const float* t = tap + kw * block;
            for (std::int64_t j = 0; j < block; ++j) s[j] = math::fma(t[j], v, s[j]);
          }
        }
      }
    }
    for (std::int64_t j = 0; j < block; ++j) sum[j] = s[j];
  }
};

constexpr float multiply_add(float a, float b, float c) { return math::fma(a, b, c); }
constexpr std::int64_t multiply_add(std::int64_t a, std::int64_t b, std::int64_t c) { return a * b + c; }

/// Sums of one output row of one channel, width positions side by side (depthwise and other thin convolutions).
/// T: float, or 64-bit integers, whose sums are exact.
template <class T>
constexpr void conv_row(const window& w, const T* x, const T* weight, std::int64_t channels, std::int64_t od,
                        std::int64_t oh, T* sum) {
  const window_axis& wide = w.axis[2];
  for (std::int64_t n = 0; n < wide.out; ++n) sum[n] = T{};
  for (std::int64_t ic = 0; ic < channels; ++ic) {
    for (std::int64_t kd = w.axis[0].first_tap(od); kd < w.axis[0].last_tap(od); ++kd) {
      const std::int64_t id = od * w.axis[0].stride - w.axis[0].begin + kd * w.axis[0].dilation;
      for (std::int64_t kh = w.axis[1].first_tap(oh); kh < w.axis[1].last_tap(oh); ++kh) {
        const std::int64_t ih = oh * w.axis[1].stride - w.axis[1].begin + kh * w.axis[1].dilation;
        const std::int64_t row = ((ic * w.axis[0].in + id) * w.axis[1].in + ih) * wide.in;
        for (std::int64_t kw = 0; kw < wide.kernel; ++kw) {
          const T t = weight[((ic * w.axis[0].kernel + kd) * w.axis[1].kernel + kh) * wide.kernel + kw];
          const std::int64_t shift = kw * wide.dilation - wide.begin;
          const std::int64_t first = shift >= 0 ? 0 : ceil_div(-shift, wide.stride);
          const std::int64_t inside = wide.in - shift <= 0 ? 0 : ceil_div(wide.in - shift, wide.stride);
          const std::int64_t last = inside < wide.out ? inside : wide.out;
          if (wide.stride == 1) {
            const T* from = x + row;
            for (std::int64_t n = first; n < last; ++n) sum[n] = multiply_add(t, from[n + shift], sum[n]);
          } else {
            for (std::int64_t n = first; n < last; ++n)
              sum[n] = multiply_add(t, x[row + n * wide.stride + shift], sum[n]);
          }
        }
      }
    }
  }
}

} // namespace detail

/// y[n, oc, o] = clamp(sum over (ic, k) of w[oc, ic, k] * x[n, g*IC + ic, o*stride - pad + k*dilation]  + b[oc]).
///                                                                                              (ONNX Conv)
/// 1 to 3 spatial axes; `group` splits the channels. The sum is sequential in the order (ic, kd, kh, kw) from +0,
/// each product added with one rounding (math::fma), taps in the padding are skipped; the bias is added after it. clamp (ours): empty, or [low, high], a fused
/// activation.
///
/// Shape:     x [N, C, spatial...], w [OC, C/group, kernel...], b [OC] or absent; y [N, OC, out...].
/// Elements:  f32, f16, bf16 (sums in f32); all operands of one type.
/// Tiling:    N, OC, spatial axes with a halo of (kernel-1)*dilation + 1 - stride; C by partial sums.
/// Errors:    rank outside 3..5, channels that do not match the group, attribute lists of a wrong length, empty output.
struct conv {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((text, auto_pad), (ints, dilations), (defaulted<std::int64_t, 1>, group), (ints, kernel_shape),
                (ints, pads), (ints, strides), (floats, clamp));
  };
  static constexpr op_info info{
      .name = "conv", .onnx = "Conv", .min_operands = 2, .max_operands = 3, .writes_all = true};

  template <class Attributes>
  static constexpr detail::window window_of(const Attributes& a, const tmpu::shape& x, const tmpu::shape& w) {
    const auto kernel = w.rank() > 2 ? w.span().subspan(2) : std::span<const std::int64_t>{};
    return detail::make_window(a, x, kernel);
  }

  /// The shape of the result from the operands that are input, weight and bias.
  template <class Attributes>
  static constexpr tmpu::shape result_dims(const Attributes& a, infer_context& c, std::size_t input, std::size_t weight,
                                           std::size_t bias) {
    const auto& x = c.dims(input);
    const auto& w = c.dims(weight);
    const std::int64_t group = a.group;
    if (w.rank() != x.rank())
      c.fail(text("weight ") << w.print() << " and input " << x.print() << " must have one rank");
    if (!w.known()) c.fail(text("the weight's shape must be known, but is ") << w.print());
    if (!a.kernel_shape.empty() && (w.rank() < 2 || !(vec<std::int64_t>(w.span().subspan(2)) == a.kernel_shape))) {
      c.fail(text("kernel_shape [") << join(a.kernel_shape, ",") << "] does not fit the weight " << w.print());
    }
    const detail::window win = window_of(a, x, w);
    if (!win.problem.empty()) c.fail(win.problem);
    if (group < 1 || w[0] % group != 0)
      c.fail(text("group ") << group << " does not divide the " << w[0] << " output channels");
    if (x[1] >= 0 && x[1] != w[1] * group) {
      c.fail(text("the input has ") << x[1] << " channels; weight " << w.print() << " with group " << group << " needs "
                                    << w[1] * group);
    }
    if (c.has(bias) && !(c.dims(bias) == tmpu::shape{w[0]}))
      c.fail(text("the bias must be [") << w[0] << "], but is " << c.dims(bias).print());
    return detail::window_result(win, x, w[0]);
  }

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_same_type(c, 0, 1);
    detail::check_clamp(a.clamp, c);
    if (c.has(2)) detail::require_same_type(c, 0, 2);
    c.result(0, c.type(0), result_dims(a, c, 0, 1, 2));
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    const value& w = c.in(1);
    const float* bias = c.has(2) ? c.in(2).f.data() : nullptr;
    value& y = c.out();
    const detail::window win = window_of(a, x.dims, w.dims);
    const std::int64_t group = a.group;
    const std::int64_t channels = w.dims[1];
    const std::int64_t outputs = w.dims[0] / group;
    const std::int64_t depth = channels * win.taps();
    const std::int64_t plane = win.out_plane();
    const detail::clamp_bounds clamp(a.clamp);
    if (!std::is_constant_evaluated() && fast_loops_in_use != nullptr && win.spatial < 3) {
      const auto axis = [&](std::size_t i) {
        const detail::window_axis& d = win.axis[i];
        return sum_axis{d.in, d.out, d.kernel, d.stride, d.dilation, d.begin};
      };
      const sum_shape sums{x.dims[0], group, channels, outputs, axis(1), axis(2)};
      if (fast_loops_in_use->conv(sums, x.f.data(), w.f.data(), bias, clamp.low, clamp.high, y.f.data()))
        return detail::round_elements(y);
    }
    // In constant evaluation packing costs more than it saves.
    const bool blocked = outputs >= 8 && !std::is_constant_evaluated();
    vec<float> room(static_cast<std::size_t>(blocked ? depth * detail::block : win.axis[2].out));
    for (std::int64_t g = 0; g < group; ++g) {
      for (std::int64_t first = 0; first < outputs; first += blocked ? detail::block : 1) {
        const std::int64_t oc = g * outputs + first;
        if (blocked) detail::pack_rows(w.f.data() + g * outputs * depth, first, outputs, depth, room.data());
        for (std::int64_t n = 0; n < x.dims[0]; ++n) {
          const float* in = x.f.data() + (n * x.dims[1] + g * channels) * win.in_plane();
          float* out = y.f.data() + (n * w.dims[0] + oc) * plane;
          for (std::int64_t od = 0; od < win.axis[0].out; ++od) {
            for (std::int64_t oh = 0; oh < win.axis[1].out; ++oh) {
              const std::int64_t row = (od * win.axis[1].out + oh) * win.axis[2].out;
              if (blocked) {
                const std::int64_t count = outputs - first < detail::block ? outputs - first : detail::block;
                const detail::conv_block kernel{&win, room.data(), channels};
                for (std::int64_t ow = 0; ow < win.axis[2].out; ++ow) {
                  float sum[detail::block];
                  kernel(in, {od, oh, ow}, sum);
                  for (std::int64_t j = 0; j < count; ++j) {
                    out[j * plane + row + ow] = clamp(bias == nullptr ? sum[j] : sum[j] + bias[oc + j]);
                  }
                }
              } else {
                detail::conv_row(win, in, w.f.data() + oc * depth, channels, od, oh, room.data());
                for (std::int64_t ow = 0; ow < win.axis[2].out; ++ow) {
                  const float sum = room[static_cast<std::size_t>(ow)];
                  out[row + ow] = clamp(bias == nullptr ? sum : sum + bias[oc]);
                }
              }
            }
          }
        }
      }
    }
    detail::round_elements(y);
  }
};
static_assert(op<conv>);

/// The transposed convolution: y[n, oc, i*stride - pad + k*dilation] collects w[ic, oc, k] * x[n, ic, i], plus b[oc].
///                                                                                              (ONNX ConvTranspose)
/// Each output's sum is sequential in the order (ic, kd, kh, kw) from +0, the bias is added after it.
///
/// Shape:     x [N, C, spatial...], w [C, OC/group, kernel...], b [OC] or absent; y [N, OC, out...] with
///            out = stride*(in-1) + output_padding + (kernel-1)*dilation + 1 - pads, or output_shape.
/// Elements:  f32, f16, bf16 (sums in f32).
/// Tiling:    N, OC, spatial axes.
/// Errors:    as conv; an output_shape that no padding gives.
struct conv_transpose {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((text, auto_pad), (ints, dilations), (defaulted<std::int64_t, 1>, group), (ints, kernel_shape),
                (ints, output_padding), (ints, output_shape), (ints, pads), (ints, strides), (floats, clamp));
  };
  static constexpr op_info info{
      .name = "conv_transpose", .onnx = "ConvTranspose", .min_operands = 2, .max_operands = 3};

  /// The window of the convolution that this transposes: `in` is ours, `out` the size of y; begin and end resolved.
  static constexpr detail::window window_of(const attributes& a, const tmpu::shape& x, const tmpu::shape& w) {
    detail::window win;
    if (x.rank() < 3 || x.rank() > 5 || w.rank() != x.rank()) {
      win.problem << "needs an input of rank 3 to 5 and a weight of the same rank, but they are " << x.print()
                  << " and " << w.print();
      return win;
    }
    const std::size_t n = x.rank() - 2;
    win.spatial = n;
    if ((!a.strides.empty() && a.strides.size() != n) || (!a.dilations.empty() && a.dilations.size() != n) ||
        (!a.pads.empty() && a.pads.size() != 2 * n) || (!a.output_padding.empty() && a.output_padding.size() != n) ||
        (!a.output_shape.empty() && a.output_shape.size() != n)) {
      win.problem << "strides, dilations, output_padding and output_shape need " << n << " values, pads " << 2 * n;
      return win;
    }
    if (!detail::within_window(a.strides) || !detail::within_window(a.dilations) || !detail::within_window(a.pads) ||
        !detail::within_window(a.output_padding) || !detail::within_window(a.output_shape)) {
      win.problem << "strides, dilations, pads, output_padding and output_shape must not exceed "
                  << detail::greatest_window;
      return win;
    }
    const std::string_view mode = a.auto_pad.view();
    for (std::size_t i = 0; i < n; ++i) {
      detail::window_axis& axis = win.own(i);
      axis.in = x[2 + i];
      axis.kernel = w[2 + i];
      axis.stride = a.strides.empty() ? 1 : a.strides[i];
      axis.dilation = a.dilations.empty() ? 1 : a.dilations[i];
      const std::int64_t extra = a.output_padding.empty() ? 0 : a.output_padding[i];
      const std::int64_t full =
          axis.in < 0 ? -1 : axis.stride * (axis.in - 1) + extra + (axis.kernel - 1) * axis.dilation + 1;
      const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
      if (axis.stride < 1 || axis.dilation < 1 || axis.kernel < 1) {
        win.problem << "kernel, strides and dilations must be at least 1";
        return win;
      }
      if (axis.in < 0) {
        axis.out = a.output_shape.empty() ? -1 : a.output_shape[i];
      } else if (!a.output_shape.empty() || same) {
        axis.out = a.output_shape.empty() ? axis.in * axis.stride : a.output_shape[i];
        const std::int64_t all = full - axis.out > 0 ? full - axis.out : 0;
        axis.begin = mode == "SAME_UPPER" ? all / 2 : all - all / 2;
        axis.end = all - axis.begin;
      } else {
        if (mode != "VALID") {
          axis.begin = a.pads.empty() ? 0 : a.pads[i];
          axis.end = a.pads.empty() ? 0 : a.pads[n + i];
        }
        axis.out = full - axis.begin - axis.end;
      }
      if (axis.in >= 0 && axis.out < 1) {
        win.problem << "the output would be empty along axis " << 2 + i;
        return win;
      }
    }
    return win;
  }

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_same_type(c, 0, 1);
    detail::check_clamp(a.clamp, c);
    const auto& x = c.dims(0);
    const auto& w = c.dims(1);
    const detail::window win = window_of(a, x, w);
    if (!win.problem.empty()) c.fail(win.problem);
    const std::int64_t group = a.group;
    if (group < 1 || w[0] % group != 0 || (x[1] >= 0 && x[1] != w[0])) {
      c.fail(text("the input has ") << x[1] << " channels; weight " << w.print() << " with group " << group << " needs "
                                    << w[0]);
    }
    if (c.has(2) && !(c.dims(2) == tmpu::shape{w[1] * group})) {
      c.fail(text("the bias must be [") << w[1] * group << "], but is " << c.dims(2).print());
    }
    c.result(0, c.type(0), detail::window_result(win, x, w[1] * group));
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    const value& w = c.in(1);
    value& y = c.out();
    const detail::window win = window_of(a, x.dims, w.dims);
    const detail::window_axis& d = win.axis[0];
    const detail::window_axis& h = win.axis[1];
    const detail::window_axis& v = win.axis[2];
    const std::int64_t group = a.group;
    const std::int64_t channels = w.dims[0] / group;
    const std::int64_t outputs = w.dims[1];
    const detail::clamp_bounds clamp(a.clamp);
    for (std::int64_t n = 0; n < x.dims[0]; ++n) {
      for (std::int64_t oc = 0; oc < outputs * group; ++oc) {
        const std::int64_t g = oc / outputs;
        float* out = y.f.data() + (n * outputs * group + oc) * win.out_plane();
        for (std::int64_t ic = g * channels; ic < (g + 1) * channels; ++ic) {
          const float* in = x.f.data() + (n * x.dims[1] + ic) * win.in_plane();
          const float* weight = w.f.data() + (ic * outputs + oc % outputs) * win.taps();
          // One tap meets each output at most once, so this order gives each output its own sequence of taps.
          for (std::int64_t kd = 0; kd < d.kernel; ++kd) {
            for (std::int64_t kh = 0; kh < h.kernel; ++kh) {
              for (std::int64_t kw = 0; kw < v.kernel; ++kw) {
                const float t = weight[(kd * h.kernel + kh) * v.kernel + kw];
                for (std::int64_t id = 0; id < d.in; ++id) {
                  const std::int64_t od = id * d.stride - d.begin + kd * d.dilation;
                  if (od < 0 || od >= d.out) continue;
                  for (std::int64_t ih = 0; ih < h.in; ++ih) {
                    const std::int64_t oh = ih * h.stride - h.begin + kh * h.dilation;
                    if (oh < 0 || oh >= h.out) continue;
                    for (std::int64_t iw = 0; iw < v.in; ++iw) {
                      const std::int64_t ow = iw * v.stride - v.begin + kw * v.dilation;
                      if (ow >= 0 && ow < v.out)
                        out[(od * h.out + oh) * v.out + ow] += t * in[(id * h.in + ih) * v.in + iw];
                    }
                  }
                }
              }
            }
          }
        }
        for (std::int64_t p = 0; p < win.out_plane(); ++p)
          out[p] = clamp(c.has(2) ? out[p] + c.in(2).f[static_cast<std::size_t>(oc)] : out[p]);
      }
    }
    detail::round_elements(y);
  }
};
static_assert(op<conv_transpose>);

} // namespace tmpu::top
