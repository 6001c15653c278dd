// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/fast_loops.hpp"
#include "tmpu/top/common.hpp"

namespace tmpu::top {

/// Operators over the lines of x along one axis (default: the last). An operator gives `info` and
/// line(elements in x, elements in y, count, step).
///
/// Shape:     y has the shape of x.
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    any slice of the other axes.
/// Errors:    axis outside of x.
template <class Self> struct along_axis {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, -1>, axis));
  };

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    static_cast<void>(detail::axis_at(a.axis, c.dims(0).rank(), c));
    c.result(0, c.type(0), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const std::size_t axis = detail::axis_at(a.axis, x.dims.rank());
    const std::int64_t outer = detail::product(x.dims, 0, axis);
    const std::int64_t inner = detail::product(x.dims, axis + 1, x.dims.rank());
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t i = 0; i < inner; ++i) {
        const std::int64_t first = o * x.dims[axis] * inner + i;
        Self::line(x.f.data() + first, y.f.data() + first, x.dims[axis], inner);
      }
    }
    detail::round_elements(y);
  }

protected:
  static constexpr float greatest(const float* x, std::int64_t count, std::int64_t step) {
    float best = x[0];
    for (std::int64_t n = 1; n < count; ++n) best = x[n * step] > best ? x[n * step] : best;
    return best;
  }
};

/// y = exp(x - m) / sum of exp(x - m), m the greatest x of the line.                           (ONNX Softmax)
struct softmax : along_axis<softmax> {
  static constexpr op_info info{.name = "softmax", .onnx = "Softmax", .writes_all = true};
  static constexpr void line(const float* x, float* y, std::int64_t count, std::int64_t step) {
    if (count == 0) return;
    const float top = greatest(x, count, step);
    for (std::int64_t n = 0; n < count; ++n) y[n * step] = x[n * step] - top;
    if (!std::is_constant_evaluated() && fast_loops_in_use != nullptr && step == 1) {
      fast_loops_in_use->exp(y, y, count);
    } else {
      for (std::int64_t n = 0; n < count; ++n) y[n * step] = math::exp(y[n * step]);
    }
    float sum = 0.0F;
    for (std::int64_t n = 0; n < count; ++n) sum += y[n * step];
    for (std::int64_t n = 0; n < count; ++n) y[n * step] = y[n * step] / sum;
  }
};
static_assert(op<softmax>);

/// y = x - m - log(sum of exp(x - m)), m the greatest x of the line.                           (ONNX LogSoftmax)
struct log_softmax : along_axis<log_softmax> {
  static constexpr op_info info{.name = "log_softmax", .onnx = "LogSoftmax"};
  static constexpr void line(const float* x, float* y, std::int64_t count, std::int64_t step) {
    if (count == 0) return;
    const float top = greatest(x, count, step);
    float sum = 0.0F;
    for (std::int64_t n = 0; n < count; ++n) sum += math::exp(x[n * step] - top);
    const float log_sum = math::log(sum);
    for (std::int64_t n = 0; n < count; ++n) y[n * step] = x[n * step] - top - log_sum;
  }
};
static_assert(op<log_softmax>);

} // namespace tmpu::top
