// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/common.hpp"

namespace tmpu::top {

namespace detail {
/// |x|^p, and the p-th root of a sum of them.
constexpr float power_of_magnitude(float x, std::int64_t p) {
  const float m = math::abs(x);
  return p == 1 ? m : (p == 2 ? m * m : math::pow(m, static_cast<float>(p)));
}
constexpr float root_of_powers(float sum, std::int64_t p) {
  return p == 1 ? sum : (p == 2 ? math::sqrt(sum) : math::pow(sum, 1.0F / static_cast<float>(p)));
}
} // namespace detail

/// y = x / (sum of |x|^p along the axis)^(1/p); 0 where the norm is 0.                          (ONNX LpNormalization)
///
/// Shape:     y has the shape of x.
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    any slice of the other axes.
/// Errors:    axis outside of x; p below 1.
struct lp_normalization {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, -1>, axis), (defaulted<std::int64_t, 2>, p));
  };
  static constexpr op_info info{.name = "lp_normalization", .onnx = "LpNormalization"};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    if (a.p < 1) c.fail(text("p must be at least 1, but is ") << a.p);
    static_cast<void>(detail::axis_at(a.axis, c.dims(0).rank(), c));
    c.result(0, c.type(0), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const float* x = c.in(0).f.data();
    float* y = c.out().f.data();
    const detail::axis_view lines(c.in(0).dims, detail::axis_at(a.axis, c.in(0).dims.rank()));
    lines.for_each_line([&](std::int64_t first, std::int64_t) {
      float sum = 0.0F;
      for (std::int64_t n = 0; n < lines.size; ++n) sum += detail::power_of_magnitude(x[first + n * lines.inner], a.p);
      const float norm = detail::root_of_powers(sum, a.p);
      for (std::int64_t n = 0; n < lines.size; ++n) {
        const std::int64_t at = first + n * lines.inner;
        y[at] = norm == 0.0F ? 0.0F : x[at] / norm;
      }
    });
    detail::round_elements(c.out());
  }
};
static_assert(op<lp_normalization>);

/// y = (x - mean) / (sqrt(variance) + 1e-9), both over the axes (default: all but the channels).
///                                                                                       (ONNX MeanVarianceNormalization)
///
/// Shape:     y has the shape of x.
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    any slice of the other axes.
/// Errors:    axis outside of x.
struct mean_variance_normalization {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((ints, axes));
  };
  static constexpr op_info info{.name = "mean_variance_normalization", .onnx = "MeanVarianceNormalization"};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    for (const std::int64_t axis : axes_of(a)) static_cast<void>(detail::axis_at(axis, c.dims(0).rank(), c));
    c.result(0, c.type(0), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    // Places of the statistics: steps of a tensor in which the axes have size 1.
    tmpu::shape kept = x.dims;
    for (const std::int64_t axis : axes_of(a)) kept[detail::axis_at(axis, x.dims.rank())] = 1;
    const detail::strides all[] = {detail::strides_of(x.dims), detail::broadcast_strides(kept, x.dims)};
    const auto places = static_cast<std::size_t>(kept.elements());
    if (places == 0 || x.f.size() == 0) return;
    const auto count = static_cast<float>(x.f.size() / places);
    vec<float> mean(places);
    vec<float> spread(places);
    const auto each = [&](auto&& f) {
      detail::for_each_row(x.dims, all, [&](const auto& at, std::int64_t n, const auto& step) {
        for (std::int64_t i = 0; i < n; ++i)
          f(static_cast<std::size_t>(at[0] + i), static_cast<std::size_t>(at[1] + i * step[1]));
      });
    };
    each([&](std::size_t i, std::size_t to) { mean[to] += x.f[i]; });
    for (float& m : mean) m = m / count;
    each([&](std::size_t i, std::size_t to) { spread[to] += (x.f[i] - mean[to]) * (x.f[i] - mean[to]); });
    for (float& s : spread) s = math::sqrt(s / count) + 1e-9F;
    each([&](std::size_t i, std::size_t to) { y.f[i] = (x.f[i] - mean[to]) / spread[to]; });
    detail::round_elements(y);
  }

  static constexpr ints axes_of(const attributes& a) {
    if (a.axes.empty()) return {0, 2, 3};
    return a.axes;
  }
};
static_assert(op<mean_variance_normalization>);

/// y = x / (bias + alpha / size * sum of x^2 over `size` channels around this one)^beta.       (ONNX LRN)
///
/// Shape:     x [N, C, ...]; y has the shape of x.
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    N, spatial axes.
/// Errors:    rank below 2; size below 1.
struct local_response_normalization {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<float, 1, 10000>, alpha), (defaulted<float, 3, 4>, beta), (defaulted<float, 1>, bias),
                (std::int64_t, size));
  };
  static constexpr op_info info{.name = "local_response_normalization", .onnx = "LRN"};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    if (c.dims(0).rank() < 2) c.fail(text("needs an input [N, C, ...], but it is ") << c.dims(0).print());
    if (a.size < 1) c.fail(text("size must be at least 1, but is ") << a.size);
    c.result(0, c.type(0), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const detail::axis_view v(x.dims, 1);
    const std::int64_t before = (a.size - 1) / 2;
    const std::int64_t after = a.size - 1 - before;
    const float alpha = a.alpha / static_cast<float>(a.size);
    vec<float> sums(static_cast<std::size_t>(v.inner));
    for (std::int64_t n = 0; n < v.outer; ++n) {
      for (std::int64_t ch = 0; ch < v.size; ++ch) {
        for (float& s : sums) s = 0.0F;
        for (std::int64_t k = ch - before < 0 ? 0 : ch - before; k <= ch + after && k < v.size; ++k) {
          const float* from = x.f.data() + (n * v.size + k) * v.inner;
          for (std::int64_t i = 0; i < v.inner; ++i) sums[static_cast<std::size_t>(i)] += from[i] * from[i];
        }
        const std::int64_t first = (n * v.size + ch) * v.inner;
        for (std::int64_t i = 0; i < v.inner; ++i) {
          y.f[static_cast<std::size_t>(first + i)] =
              x.f[static_cast<std::size_t>(first + i)] /
              math::pow(a.bias + alpha * sums[static_cast<std::size_t>(i)], a.beta);
        }
      }
    }
    detail::round_elements(y);
  }
};
static_assert(op<local_response_normalization>);

} // namespace tmpu::top
