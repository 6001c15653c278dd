// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/common.hpp"

namespace tmpu::top::detail {

/// Greatest kernel, stride, dilation and pad: products of two of them stay within 64 bits.
inline constexpr std::int64_t greatest_window = std::int64_t{1} << 30;
constexpr bool within_window(const ints& list) {
  for (const std::int64_t v : list) {
    if (v < -greatest_window || v > greatest_window) return false;
  }
  return true;
}

/// One spatial axis of a convolution or pooling, in elements. Output position o sees the input positions
/// o * stride - begin + k * dilation, 0 <= k < kernel; those outside of [0, in) lie in the padding.
struct window_axis {
  std::int64_t in = 1;
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t begin = 0; ///< padding before
  std::int64_t end = 0;   ///< padding after
  std::int64_t out = 1;   ///< -1 where `in` is unknown

  /// The first k, and one past the last, whose input position for output o lies inside.
  [[nodiscard]] constexpr std::int64_t first_tap(std::int64_t o) const {
    const std::int64_t at = o * stride - begin;
    return at >= 0 ? 0 : ceil_div(-at, dilation);
  }
  [[nodiscard]] constexpr std::int64_t last_tap(std::int64_t o) const {
    const std::int64_t room = in - (o * stride - begin);
    if (room <= 0) return 0;
    if (room > (kernel - 1) * dilation) return kernel; // most are inside: no division
    const std::int64_t taps = ceil_div(room, dilation);
    return taps < kernel ? taps : kernel;
  }
};

/// The three spatial axes depth, height, width; a tensor of fewer has ones in front. `problem` is empty when the
/// attributes fit the input.
struct window {
  window_axis axis[3];
  std::size_t spatial = 0;
  text problem;
  [[nodiscard]] constexpr std::int64_t in_plane() const { return axis[0].in * axis[1].in * axis[2].in; }
  [[nodiscard]] constexpr std::int64_t out_plane() const { return axis[0].out * axis[1].out * axis[2].out; }
  [[nodiscard]] constexpr std::int64_t taps() const { return axis[0].kernel * axis[1].kernel * axis[2].kernel; }
  /// Axis i of the tensor's own spatial axes.
  [[nodiscard]] constexpr const window_axis& own(std::size_t i) const { return axis[3 - spatial + i]; }
  [[nodiscard]] constexpr window_axis& own(std::size_t i) { return axis[3 - spatial + i]; }
};

/// Puts attributes, input shape [N, C, spatial...] and kernel sizes together. An empty list of attributes stands for
/// ones (strides, dilations) or zeros (pads).
template <class Attributes>
constexpr window make_window(const Attributes& a, const dims& x, std::span<const std::int64_t> kernel,
                             bool ceil_mode = false) {
  window w;
  if (x.rank() < 3 || x.rank() > 5) {
    w.problem << "needs an input of rank 3 to 5 [N, C, spatial...], but it is " << x.print();
    return w;
  }
  w.spatial = x.rank() - 2;
  const std::size_t n = w.spatial;
  if (kernel.size() != n) {
    w.problem << "the kernel has " << kernel.size() << " spatial axes, but the input " << x.print() << " has " << n;
    return w;
  }
  if (!a.strides.empty() && a.strides.size() != n)
    w.problem << "strides needs " << n << " values, not " << a.strides.size();
  if (!a.dilations.empty() && a.dilations.size() != n)
    w.problem << "dilations needs " << n << " values, not " << a.dilations.size();
  if (!a.pads.empty() && a.pads.size() != 2 * n)
    w.problem << "pads needs " << 2 * n << " values, not " << a.pads.size();
  if (!within_window(ints(kernel)) || !within_window(a.strides) || !within_window(a.dilations) ||
      !within_window(a.pads)) {
    w.problem << "kernel, strides, dilations and pads must not exceed " << greatest_window;
  }
  if (!w.problem.empty()) return w;
  const std::string_view mode = a.auto_pad.view();
  const bool same_upper = mode == "SAME_UPPER";
  const bool same_lower = mode == "SAME_LOWER";
  if (!mode.empty() && mode != "NOTSET" && mode != "VALID" && !same_upper && !same_lower) {
    w.problem << "auto_pad '" << mode << "' is not known; it is NOTSET, VALID, SAME_UPPER or SAME_LOWER";
    return w;
  }
  for (std::size_t i = 0; i < n; ++i) {
    window_axis& axis = w.own(i);
    axis.in = x[2 + i];
    axis.kernel = kernel[i];
    axis.stride = a.strides.empty() ? 1 : a.strides[i];
    axis.dilation = a.dilations.empty() ? 1 : a.dilations[i];
    if (mode.empty() || mode == "NOTSET") {
      axis.begin = a.pads.empty() ? 0 : a.pads[i];
      axis.end = a.pads.empty() ? 0 : a.pads[n + i];
    }
    if (axis.kernel < 1 || axis.stride < 1 || axis.dilation < 1) {
      w.problem << "kernel, strides and dilations must be at least 1, but axis " << 2 + i << " has kernel "
                << axis.kernel << ", stride " << axis.stride << ", dilation " << axis.dilation;
      return w;
    }
    if (axis.begin < 0 || axis.end < 0) {
      w.problem << "pads must not be negative, but axis " << 2 + i << " has " << axis.begin << " and " << axis.end;
      return w;
    }
    const std::int64_t extent = (axis.kernel - 1) * axis.dilation + 1;
    if (axis.in < 0) {
      axis.out = -1;
    } else if (same_upper || same_lower) {
      axis.out = ceil_div(axis.in, axis.stride);
      const std::int64_t wanted = (axis.out - 1) * axis.stride + extent - axis.in;
      const std::int64_t all = wanted > 0 ? wanted : 0;
      axis.begin = same_upper ? all / 2 : all - all / 2;
      axis.end = all - axis.begin;
    } else {
      const std::int64_t room = axis.in + axis.begin + axis.end - extent;
      axis.out = room < 0 ? 0 : room / axis.stride + 1;
      if (ceil_mode && room >= 0) {
        axis.out = ceil_div(room, axis.stride) + 1;
        // A window that would start in the padding after the input is left out.
        if ((axis.out - 1) * axis.stride >= axis.in + axis.begin) --axis.out;
      }
      if (axis.out < 1) {
        w.problem << "the output would be empty: axis " << 2 + i << " has " << axis.in << " elements, pads "
                  << axis.begin << " and " << axis.end << ", and a kernel over " << extent;
        return w;
      }
    }
  }
  return w;
}

/// [N, channels, out...] for an input x.
constexpr dims window_result(const window& w, const dims& x, std::int64_t channels) {
  dims y{x[0], channels};
  for (std::size_t i = 0; i < w.spatial; ++i) y.push_back(w.own(i).out);
  return y;
}

/// The end padding that gives `out` without ceil_mode.
constexpr std::int64_t needed_end(const window_axis& a) {
  const std::int64_t extent = (a.kernel - 1) * a.dilation + 1;
  if ((a.in + a.begin + a.end - extent) / a.stride + 1 == a.out) return a.end;
  const std::int64_t needed = (a.out - 1) * a.stride + extent - a.in - a.begin;
  return needed > 0 ? needed : 0;
}

/// Calls f(n, o) for each output position o = (depth, height, width) of a plane, in row-major order.
template <class F> constexpr void for_each_output(const window& w, F&& f) {
  std::int64_t n = 0;
  for (std::int64_t od = 0; od < w.axis[0].out; ++od) {
    for (std::int64_t oh = 0; oh < w.axis[1].out; ++oh) {
      for (std::int64_t ow = 0; ow < w.axis[2].out; ++ow) {
        const std::int64_t o[] = {od, oh, ow};
        f(n++, o);
      }
    }
  }
}

/// Calls f(n, od, oh) for each row of outputs of a plane, n the number of its first one.
template <class F> constexpr void for_each_output_row(const window& w, F&& f) {
  for (std::int64_t od = 0; od < w.axis[0].out; ++od) {
    for (std::int64_t oh = 0; oh < w.axis[1].out; ++oh) f((od * w.axis[1].out + oh) * w.axis[2].out, od, oh);
  }
}

/// Calls f(place in the input plane, number of the tap) for each tap of the window at output o that lies inside, in the order
/// (kd, kh, kw).
template <class F> constexpr void for_each_tap(const window& w, const std::int64_t (&o)[3], F&& f) {
  std::int64_t from[3];
  std::int64_t to[3];
  std::int64_t start[3];
  for (std::size_t i = 0; i < 3; ++i) {
    from[i] = w.axis[i].first_tap(o[i]);
    to[i] = w.axis[i].last_tap(o[i]);
    start[i] = o[i] * w.axis[i].stride - w.axis[i].begin;
  }
  for (std::int64_t kd = from[0]; kd < to[0]; ++kd) {
    const std::int64_t id = start[0] + kd * w.axis[0].dilation;
    for (std::int64_t kh = from[1]; kh < to[1]; ++kh) {
      const std::int64_t row = (id * w.axis[1].in + start[1] + kh * w.axis[1].dilation) * w.axis[2].in + start[2];
      const std::int64_t tap = (kd * w.axis[1].kernel + kh) * w.axis[2].kernel;
      for (std::int64_t kw = from[2]; kw < to[2]; ++kw) f(row + kw * w.axis[2].dilation, tap + kw);
    }
  }
}

} // namespace tmpu::top::detail
