// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/activations.hpp"
#include "tmpu/top/common.hpp"

namespace tmpu::top {

/// y = the elements over the axes of operand 1 (otherwise the attribute axes) put together in row-major order; all axes
/// where none are listed (with noop_with_empty_axes: y = x). An operator gives `info`, `start`, step(sum, x), and
/// finish(sum, count) where the result needs it; for integers step_integer(sum, x), finish_integer and start_integer(type) in
/// the same way. Without elements the result is the start, finished.
///
/// Shape:     x's, the reduced axes of size 1, or left out where keepdims is 0.
/// Elements:  f32, f16, bf16 (in f32 inside); integers and bool where the operator has step_integer.
/// Tiling:    any slice of the axes that stay.
/// Errors:    axis outside of x.
template <class Self> struct reduction {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((ints, axes), (defaulted<std::int64_t, 1>, keepdims),
                (defaulted<std::int64_t, 0>, noop_with_empty_axes));
  };
  static constexpr float start = 0.0F;
  static constexpr std::int64_t start_integer(dtype_id) { return static_cast<std::int64_t>(Self::start); }

  struct axis_set {
    bool has[tmpu::shape::max_rank] = {};
  };
  /// The axes as a set; they are within the rank (infer checked).
  static constexpr axis_set reduced(const attributes& a, const ints& axes, std::size_t rank) {
    axis_set set;
    if (axes.empty()) {
      for (bool& b : set.has) b = a.noop_with_empty_axes == 0;
    }
    for (const std::int64_t axis : axes) set.has[detail::axis_at(axis, rank)] = true;
    return set;
  }

  static constexpr void infer(const attributes& a, infer_context& c) {
    if constexpr (!requires { Self::step_integer(std::int64_t{}, std::int64_t{}); }) detail::require_floating(c, 0);
    const auto& x = c.dims(0);
    tmpu::shape y;
    if (c.has(1) && !c.is_constant(1)) {
      const std::int64_t listed = c.dims(1).elements();
      if (listed < 0) c.fail("the number of axes must be known: bind the free dimensions with --input-shape");
      const auto rank = static_cast<std::int64_t>(x.rank());
      for (std::int64_t i = 0; i < (a.keepdims != 0 ? rank : rank - listed); ++i) y.push_back(-1);
    } else {
      ints axes = a.axes;
      if (c.has(1)) axes = c.constant(1).i;
      for (const std::int64_t axis : axes) static_cast<void>(detail::axis_at(axis, x.rank(), c));
      const axis_set set = reduced(a, axes, x.rank());
      for (std::size_t i = 0; i < x.rank(); ++i) {
        if (!set.has[i]) {
          y.push_back(x[i]);
        } else if (a.keepdims != 0) {
          y.push_back(1);
        }
      }
    }
    c.result(0, c.type(0), y);
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const axis_set set = reduced(a, detail::integers(c, 1, a.axes), x.dims.rank());
    const std::size_t count = y.size() == 0 ? 0 : x.size() / y.size();
    if constexpr (requires { Self::step_integer(std::int64_t{}, std::int64_t{}); }) {
      if (!is_floating(y.type)) {
        detail::with_integer_of(y.type, [&]<class Int>(Int) {
          for (std::int64_t& v : y.i) v = Self::start_integer(y.type);
          put_together(x.dims, set, y.i.data(), x.i.data(), [](std::int64_t s, std::int64_t v) {
            return static_cast<std::int64_t>(Self::step_integer(static_cast<Int>(s), static_cast<Int>(v)));
          });
          for (std::int64_t& v : y.i) {
            if constexpr (requires { Self::finish_integer(Int{}, Int{}); }) {
              v = static_cast<std::int64_t>(Self::finish_integer(static_cast<Int>(v), static_cast<Int>(count)));
            }
            v = detail::wrap(y.type, v);
          }
        });
        return;
      }
    }
    for (float& v : y.f) v = Self::start;
    put_together(x.dims, set, y.f.data(), x.f.data(), [](float s, float v) { return Self::step(s, v); });
    if constexpr (requires { Self::finish(0.0F, 0.0F); }) {
      for (float& v : y.f) v = Self::finish(v, static_cast<float>(count));
    }
    detail::round_elements(y);
  }

protected:
  /// y = f(y, x, more...) for every element of x, in order; `more` have the places of y.
  template <class T, class F, class... More>
  static constexpr void put_together(const tmpu::shape& dims, const axis_set& set, T* y, const T* x, F&& f,
                                     const More*... more) {
    // y's own strides, with 0 along the reduced axes.
    detail::strides all[] = {detail::strides_of(dims), {}};
    std::int64_t size = 1;
    for (std::size_t i = dims.rank(); i-- > 0;) {
      if (set.has[i]) continue;
      all[1].of[i] = size;
      size *= dims[i];
    }
    detail::for_each_row(dims, all, [&](const auto& at, std::int64_t count, const auto& step) {
      for (std::int64_t n = 0; n < count; ++n) {
        const std::int64_t to = at[1] + n * step[1];
        y[to] = f(y[to], x[at[0] + n], more[to]...);
      }
    });
  }
};

/// y = the sum.                                                                                (ONNX ReduceSum)
struct reduce_sum : reduction<reduce_sum> {
  static constexpr op_info info{.name = "reduce_sum", .onnx = "ReduceSum", .max_operands = 2};
  static constexpr float step(float s, float x) { return s + x; }
  static constexpr auto step_integer(auto s, auto x) { return detail::wrapping_add(s, x); }
};
static_assert(op<reduce_sum>);

/// y = the sum divided by the number of elements.                                              (ONNX ReduceMean)
struct reduce_mean : reduction<reduce_mean> {
  static constexpr op_info info{.name = "reduce_mean", .onnx = "ReduceMean", .max_operands = 2};
  static constexpr float step(float s, float x) { return s + x; }
  static constexpr float finish(float s, float count) { return activation::divide(s, count); }
  static constexpr auto step_integer(auto s, auto x) { return detail::wrapping_add(s, x); }
  static constexpr auto finish_integer(auto s, auto count) { return count == 0 ? s : s / count; }
};
static_assert(op<reduce_mean>);

/// y = the greatest element.                                                                   (ONNX ReduceMax)
struct reduce_max : reduction<reduce_max> {
  static constexpr op_info info{.name = "reduce_max", .onnx = "ReduceMax", .max_operands = 2};
  static constexpr float start = -math::infinity<float>;
  static constexpr std::int64_t start_integer(dtype_id type) { return detail::least_word(type); }
  static constexpr float step(float s, float x) { return x > s || math::is_nan(x) ? x : s; }
  static constexpr auto step_integer(auto s, auto x) { return x > s ? x : s; }
};
static_assert(op<reduce_max>);

/// y = the least element.                                                                      (ONNX ReduceMin)
struct reduce_min : reduction<reduce_min> {
  static constexpr op_info info{.name = "reduce_min", .onnx = "ReduceMin", .max_operands = 2};
  static constexpr float start = math::infinity<float>;
  static constexpr std::int64_t start_integer(dtype_id type) { return detail::greatest_word(type); }
  static constexpr float step(float s, float x) { return x < s || math::is_nan(x) ? x : s; }
  static constexpr auto step_integer(auto s, auto x) { return x < s ? x : s; }
};
static_assert(op<reduce_min>);

/// y = the product.                                                                            (ONNX ReduceProd)
struct reduce_prod : reduction<reduce_prod> {
  static constexpr op_info info{.name = "reduce_prod", .onnx = "ReduceProd", .max_operands = 2};
  static constexpr float start = 1.0F;
  static constexpr float step(float s, float x) { return s * x; }
  static constexpr auto step_integer(auto s, auto x) { return detail::wrapping_mul(s, x); }
};
static_assert(op<reduce_prod>);

/// y = the sum of the magnitudes.                                                              (ONNX ReduceL1)
struct reduce_l1 : reduction<reduce_l1> {
  static constexpr op_info info{.name = "reduce_l1", .onnx = "ReduceL1", .max_operands = 2};
  static constexpr float step(float s, float x) { return s + math::abs(x); }
  static constexpr auto step_integer(auto s, auto x) {
    return detail::wrapping_add(s, x > 0 ? x : detail::wrapping_neg(x));
  }
};
static_assert(op<reduce_l1>);

/// y = the square root of the sum of squares.                                                  (ONNX ReduceL2)
struct reduce_l2 : reduction<reduce_l2> {
  static constexpr op_info info{.name = "reduce_l2", .onnx = "ReduceL2", .max_operands = 2};
  static constexpr float step(float s, float x) { return s + x * x; }
  static constexpr float finish(float s, float) { return math::sqrt(s); }
  static constexpr auto step_integer(auto s, auto x) { return detail::wrapping_add(s, detail::wrapping_mul(x, x)); }
  static constexpr auto finish_integer(auto s, auto) {
    return static_cast<decltype(s)>(math::sqrt(static_cast<double>(s)));
  }
};
static_assert(op<reduce_l2>);

/// y = the sum of squares.                                                                     (ONNX ReduceSumSquare)
struct reduce_sum_square : reduction<reduce_sum_square> {
  static constexpr op_info info{.name = "reduce_sum_square", .onnx = "ReduceSumSquare", .max_operands = 2};
  static constexpr float step(float s, float x) { return s + x * x; }
  static constexpr auto step_integer(auto s, auto x) { return detail::wrapping_add(s, detail::wrapping_mul(x, x)); }
};
static_assert(op<reduce_sum_square>);

/// y = log of the sum; integers toward zero.                                                   (ONNX ReduceLogSum)
struct reduce_log_sum : reduction<reduce_log_sum> {
  static constexpr op_info info{.name = "reduce_log_sum", .onnx = "ReduceLogSum", .max_operands = 2};
  static constexpr float step(float s, float x) { return s + x; }
  static constexpr float finish(float s, float) { return math::log(s); }
  static constexpr auto step_integer(auto s, auto x) { return detail::wrapping_add(s, x); }
  static constexpr auto finish_integer(auto s, auto) {
    return static_cast<decltype(s)>(detail::to_integer(dtype_id::i64, math::log(static_cast<double>(s))));
  }
};
static_assert(op<reduce_log_sum>);

/// y = log of the sum of exp(x), as m + log(sum of exp(x - m)) with the greatest element m, so that nothing overflows.
///                                                                                              (ONNX ReduceLogSumExp)
struct reduce_log_sum_exp : reduction<reduce_log_sum_exp> {
  static constexpr op_info info{.name = "reduce_log_sum_exp", .onnx = "ReduceLogSumExp", .max_operands = 2};
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const axis_set set = reduced(a, detail::integers(c, 1, a.axes), x.dims.rank());
    vec<float> greatest(y.f.size());
    for (float& m : greatest) m = -math::infinity<float>;
    put_together(x.dims, set, greatest.data(), x.f.data(), [](float m, float v) { return reduce_max::step(m, v); });
    for (float& m : greatest) m = math::is_inf(m) ? 0.0F : m;
    put_together(
        x.dims, set, y.f.data(), x.f.data(), [](float s, float v, float m) { return s + math::exp(v - m); },
        greatest.data());
    for (std::size_t n = 0; n < y.f.size(); ++n) y.f[n] = greatest[n] + math::log(y.f[n]);
    detail::round_elements(y);
  }
};
static_assert(op<reduce_log_sum_exp>);

} // namespace tmpu::top
