// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/lp_norm.hpp"
#include "tmpu/top/window.hpp"

namespace tmpu::top {

namespace detail {
/// One row of results, tap after tap; a greatest element is the first that no later one is greater than.
template <class T>
constexpr void greatest_row(const window& w, const T* plane, std::int64_t od, std::int64_t oh, T* out) {
  const window_axis& wide = w.axis[2];
  const std::int64_t deep = w.axis[0].first_tap(od);
  const std::int64_t high = w.axis[1].first_tap(oh);
  const auto row_of = [&](std::int64_t kd, std::int64_t kh) {
    return plane + ((od * w.axis[0].stride - w.axis[0].begin + kd * w.axis[0].dilation) * w.axis[1].in +
                    oh * w.axis[1].stride - w.axis[1].begin + kh * w.axis[1].dilation) *
                       wide.in;
  };
  const bool outside = deep >= w.axis[0].last_tap(od) || high >= w.axis[1].last_tap(oh);
  for (std::int64_t n = 0; n < wide.out; ++n) {
    const std::int64_t first = wide.first_tap(n);
    out[n] = outside || first >= wide.last_tap(n)
                 ? T{}
                 : row_of(deep, high)[n * wide.stride - wide.begin + first * wide.dilation];
  }
  for (std::int64_t kd = deep; kd < w.axis[0].last_tap(od); ++kd) {
    for (std::int64_t kh = high; kh < w.axis[1].last_tap(oh); ++kh) {
      for (std::int64_t kw = 0; kw < wide.kernel; ++kw) {
        const std::int64_t shift = kw * wide.dilation - wide.begin;
        const std::int64_t first = shift >= 0 ? 0 : ceil_div(-shift, wide.stride);
        const std::int64_t inside = wide.in - shift <= 0 ? 0 : ceil_div(wide.in - shift, wide.stride);
        const std::int64_t last = inside < wide.out ? inside : wide.out;
        const T* from = row_of(kd, kh) + shift;
        for (std::int64_t n = first; n < last; ++n) {
          const T v = from[n * wide.stride];
          out[n] = v > out[n] ? v : out[n];
        }
      }
    }
  }
}
} // namespace detail

/// y = the greatest element of the window; padding takes no part.                              (ONNX MaxPool)
/// The second result, where it is asked for, is the place of that element in x: row-major, or with storage_order 1
/// column-major within a plane.
///
/// Shape:     x [N, C, spatial...]; y [N, C, out...]; pads, strides, dilations, ceil_mode, auto_pad as in ONNX.
/// Elements:  f32, f16, bf16; integers.
/// Tiling:    N, C, spatial axes with a halo of (kernel-1)*dilation + 1 - stride.
/// Errors:    rank outside 3..5, attribute lists of a wrong length, empty output.
struct max_pool {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((text, auto_pad), (defaulted<std::int64_t, 0>, ceil_mode), (ints, dilations), (ints, kernel_shape),
                (ints, pads), (defaulted<std::int64_t, 0>, storage_order), (ints, strides));
  };
  static constexpr op_info info{.name = "max_pool", .onnx = "MaxPool", .max_results = 2, .writes_all = true};

  static constexpr detail::window window_of(const attributes& a, const tmpu::shape& x) {
    return detail::make_window(a, x, a.kernel_shape, a.ceil_mode != 0);
  }

  static constexpr void infer(const attributes& a, infer_context& c) {
    const detail::window w = window_of(a, c.dims(0));
    if (!w.problem.empty()) c.fail(w.problem);
    const auto y = detail::window_result(w, c.dims(0), c.dims(0)[1]);
    c.result(0, c.type(0), y);
    c.result(1, dtype_id::i64, y);
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    const detail::window w = window_of(a, x.dims);
    const std::int64_t planes = x.dims[0] * x.dims[1];
    value& y = c.out();
    const bool indexed = c.result_count() > 1 && c.out(1).type == dtype_id::i64;
    const auto pool = [&](auto* out, const auto* in) {
      for (std::int64_t p = 0; !indexed && p < planes; ++p) {
        detail::for_each_output_row(w, [&](std::int64_t n, std::int64_t od, std::int64_t oh) {
          detail::greatest_row(w, in + p * w.in_plane(), od, oh, out + p * w.out_plane() + n);
        });
      }
      if (!indexed) return;
      for (std::int64_t p = 0; p < planes; ++p) {
        const auto* plane = in + p * w.in_plane();
        detail::for_each_output(w, [&](std::int64_t n, const std::int64_t(&o)[3]) {
          std::int64_t best = -1;
          detail::for_each_tap(w, o, [&](std::int64_t here, std::int64_t) {
            if (best < 0 || plane[here] > plane[best]) best = here;
          });
          const std::int64_t at = p * w.out_plane() + n;
          out[at] =
              best >= 0 ? plane[best] : std::remove_cvref_t<decltype(*plane)>{}; // a window in the padding only: 0
          c.out(1).i[static_cast<std::size_t>(at)] = place(a, w, p, best);
        });
      }
    };
    detail::with_elements(y, x, pool);
  }

private:
  static constexpr std::int64_t place(const attributes& a, const detail::window& w, std::int64_t plane,
                                      std::int64_t here) {
    if (a.storage_order == 0) return plane * w.in_plane() + here;
    const std::int64_t column = here % w.axis[2].in;
    const std::int64_t row = here / w.axis[2].in % w.axis[1].in;
    const std::int64_t deep = here / (w.axis[2].in * w.axis[1].in);
    return plane * w.in_plane() + (column * w.axis[1].in + row) * w.axis[0].in + deep;
  }
};
static_assert(op<max_pool>);

/// y = the sum of the window, in the order (kd, kh, kw), divided by its number of elements.    (ONNX AveragePool)
/// Padding is counted only with count_include_pad, and then up to the explicit pads, not what ceil_mode adds.
///
/// Shape:     x [N, C, spatial...]; y [N, C, out...].
/// Elements:  f32, f16, bf16 (sums in f32).
/// Tiling:    N, C, spatial axes with a halo of (kernel-1)*dilation + 1 - stride.
/// Errors:    as max_pool.
struct average_pool {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((text, auto_pad), (defaulted<std::int64_t, 0>, ceil_mode),
                (defaulted<std::int64_t, 0>, count_include_pad), (ints, dilations), (ints, kernel_shape), (ints, pads),
                (ints, strides));
  };
  static constexpr op_info info{.name = "average_pool", .onnx = "AveragePool"};

  static constexpr detail::window window_of(const attributes& a, const tmpu::shape& x) {
    return detail::make_window(a, x, a.kernel_shape, a.ceil_mode != 0);
  }

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    const detail::window w = window_of(a, c.dims(0));
    if (!w.problem.empty()) c.fail(w.problem);
    c.result(0, c.type(0), detail::window_result(w, c.dims(0), c.dims(0)[1]));
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const detail::window w = window_of(a, x.dims);
    const std::int64_t planes = x.dims[0] * x.dims[1];
    for (std::int64_t p = 0; p < planes; ++p) {
      const float* plane = x.f.data() + p * w.in_plane();
      float* out = y.f.data() + p * w.out_plane();
      detail::for_each_output(w, [&](std::int64_t n, const std::int64_t(&o)[3]) {
        float sum = 0.0F;
        detail::for_each_tap(w, o, [&](std::int64_t here, std::int64_t) { sum += plane[here]; });
        std::int64_t count = 1;
        for (std::size_t i = 0; i < 3; ++i) count *= counted(w.axis[i], o[i], a.count_include_pad != 0);
        out[n] = count == 0 ? 0.0F : sum / static_cast<float>(count);
      });
    }
    detail::round_elements(y);
  }

private:
  /// Taps of one axis that the divisor counts at output o.
  static constexpr std::int64_t counted(const detail::window_axis& axis, std::int64_t o, bool include_pad) {
    if (!include_pad) return axis.last_tap(o) > axis.first_tap(o) ? axis.last_tap(o) - axis.first_tap(o) : 0;
    const std::int64_t room = axis.in + axis.begin + axis.end - o * axis.stride;
    const std::int64_t taps = room <= 0 ? 0 : ceil_div(room, axis.dilation);
    return taps < axis.kernel ? taps : axis.kernel;
  }
};
static_assert(op<average_pool>);

/// y = (sum of |x|^p over the window, in the order (kd, kh, kw))^(1/p); padding adds nothing.    (ONNX LpPool)
///
/// Shape:     x [N, C, spatial...]; y [N, C, out...].
/// Elements:  f32, f16, bf16 (sums in f32).
/// Tiling:    N, C, spatial axes with a halo of (kernel-1)*dilation + 1 - stride.
/// Errors:    as max_pool; p below 1.
struct lp_pool {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((text, auto_pad), (defaulted<std::int64_t, 0>, ceil_mode), (ints, dilations), (ints, kernel_shape),
                (defaulted<std::int64_t, 2>, p), (ints, pads), (ints, strides));
  };
  static constexpr op_info info{.name = "lp_pool", .onnx = "LpPool"};

  static constexpr detail::window window_of(const attributes& a, const tmpu::shape& x) {
    return detail::make_window(a, x, a.kernel_shape, a.ceil_mode != 0);
  }

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    if (a.p < 1) c.fail(text("p must be at least 1, but is ") << a.p);
    const detail::window w = window_of(a, c.dims(0));
    if (!w.problem.empty()) c.fail(w.problem);
    c.result(0, c.type(0), detail::window_result(w, c.dims(0), c.dims(0)[1]));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    const detail::window w = window_of(a, x.dims);
    for (std::int64_t p = 0; p < x.dims[0] * x.dims[1]; ++p) {
      const float* plane = x.f.data() + p * w.in_plane();
      float* out = c.out().f.data() + p * w.out_plane();
      detail::for_each_output(w, [&](std::int64_t n, const std::int64_t(&o)[3]) {
        float sum = 0.0F;
        detail::for_each_tap(
            w, o, [&](std::int64_t here, std::int64_t) { sum += detail::power_of_magnitude(plane[here], a.p); });
        out[n] = detail::root_of_powers(sum, a.p);
      });
    }
    detail::round_elements(c.out());
  }
};
static_assert(op<lp_pool>);

namespace detail {
/// [N, C, spatial...] with ones for the spatial axes.
constexpr void infer_global_pool(infer_context& c) {
  if (c.dims(0).rank() < 2) c.fail(text("needs an input [N, C, spatial...], but it is ") << c.dims(0).print());
  dims y = c.dims(0);
  for (std::size_t i = 2; i < y.rank(); ++i) y[i] = 1;
  c.result(0, c.type(0), y);
}
} // namespace detail

/// y = the mean over all spatial axes: the sum in row-major order, divided by the count.       (ONNX GlobalAveragePool)
///
/// Shape:     x [N, C, spatial...]; y [N, C, 1...].
/// Elements:  f32, f16, bf16 (sums in f32).
/// Tiling:    N, C.
/// Errors:    rank below 2.
struct global_average_pool {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "global_average_pool", .onnx = "GlobalAveragePool"};
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_floating(c, 0);
    detail::infer_global_pool(c);
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    value& y = c.out();
    const std::size_t plane = y.f.size() == 0 ? 0 : c.in(0).f.size() / y.f.size();
    for (std::size_t n = 0; n < y.f.size(); ++n) {
      float sum = 0.0F;
      for (std::size_t i = 0; i < plane; ++i) sum += c.in(0).f[n * plane + i];
      y.f[n] = sum / static_cast<float>(plane);
    }
    detail::round_elements(y);
  }
};
static_assert(op<global_average_pool>);

/// y = the greatest element over all spatial axes.                                             (ONNX GlobalMaxPool)
///
/// Shape:     x [N, C, spatial...]; y [N, C, 1...].
/// Elements:  f32, f16, bf16.
/// Tiling:    N, C.
/// Errors:    rank below 2.
struct global_max_pool {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "global_max_pool", .onnx = "GlobalMaxPool"};
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_floating(c, 0);
    detail::infer_global_pool(c);
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    value& y = c.out();
    const std::size_t plane = y.f.size() == 0 ? 0 : c.in(0).f.size() / y.f.size();
    for (std::size_t n = 0; n < y.f.size(); ++n) {
      float best = c.in(0).f[n * plane];
      for (std::size_t i = 1; i < plane; ++i) best = c.in(0).f[n * plane + i] > best ? c.in(0).f[n * plane + i] : best;
      y.f[n] = best;
    }
  }
};
static_assert(op<global_max_pool>);

/// y = (sum of |x|^p over all spatial axes, in row-major order)^(1/p).                         (ONNX GlobalLpPool)
///
/// Shape:     x [N, C, spatial...]; y [N, C, 1...].
/// Elements:  f32, f16, bf16 (sums in f32).
/// Tiling:    N, C.
/// Errors:    rank below 2; p below 1.
struct global_lp_pool {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 2>, p));
  };
  static constexpr op_info info{.name = "global_lp_pool", .onnx = "GlobalLpPool"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    if (a.p < 1) c.fail(text("p must be at least 1, but is ") << a.p);
    detail::infer_global_pool(c);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const std::size_t plane = y.f.size() == 0 ? 0 : c.in(0).f.size() / y.f.size();
    for (std::size_t n = 0; n < y.f.size(); ++n) {
      float sum = 0.0F;
      for (std::size_t i = 0; i < plane; ++i) sum += detail::power_of_magnitude(c.in(0).f[n * plane + i], a.p);
      y.f[n] = detail::root_of_powers(sum, a.p);
    }
    detail::round_elements(y);
  }
};
static_assert(op<global_lp_pool>);

} // namespace tmpu::top
