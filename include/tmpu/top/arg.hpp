// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/list_operands.hpp"

namespace tmpu::top {

/// y = the place along axis of the element that better(x, best) finds; of equal ones the first, or the last with
/// select_last_index.
///
/// Shape:     x's with size 1 along axis, or without the axis where keepdims is 0.
/// Elements:  x: any numeric type; y: i64.
/// Tiling:    any slice of the other axes.
/// Errors:    axis outside of x; an axis without elements.
template <class Self> struct arg_reduction {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, axis), (defaulted<std::int64_t, 1>, keepdims),
                (defaulted<std::int64_t, 0>, select_last_index));
  };
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    const std::size_t axis = detail::axis_at(a.axis, x.rank(), c);
    if (x[axis] == 0) c.fail(text("axis ") << a.axis << " of " << x.print() << " has no elements");
    tmpu::shape y;
    for (std::size_t i = 0; i < x.rank(); ++i) {
      if (i != axis) y.push_back(x[i]);
      if (i == axis && a.keepdims != 0) y.push_back(1);
    }
    c.result(0, dtype_id::i64, y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    if (is_floating(x.type)) {
      find(a, x, x.f.data(), c.out(), 0.0F);
    } else {
      detail::with_integer_of(x.type, [&](auto zero) { find(a, x, x.i.data(), c.out(), zero); });
    }
  }

private:
  template <class T, class As>
  static constexpr void find(const attributes& a, const value& x, const T* from, value& y, As) {
    const detail::axis_view view(x.dims, detail::axis_at(a.axis, x.dims.rank()));
    view.for_each_line([&](std::int64_t first, std::int64_t line) {
      std::int64_t best = 0;
      for (std::int64_t k = 1; k < view.size; ++k) {
        const auto v = static_cast<As>(from[first + k * view.inner]);
        const auto b = static_cast<As>(from[first + best * view.inner]);
        if (Self::better(v, b) || (a.select_last_index != 0 && v == b)) best = k;
      }
      y.i[static_cast<std::size_t>(line)] = best;
    });
  }
};

/// y = the place of the greatest element.                                                      (ONNX ArgMax)
struct arg_max : arg_reduction<arg_max> {
  static constexpr op_info info{.name = "arg_max", .onnx = "ArgMax"};
  static constexpr bool better(auto x, auto best) { return x > best; }
};
static_assert(op<arg_max>);

/// y = the place of the least element.                                                         (ONNX ArgMin)
struct arg_min : arg_reduction<arg_min> {
  static constexpr op_info info{.name = "arg_min", .onnx = "ArgMin"};
  static constexpr bool better(auto x, auto best) { return x < best; }
};
static_assert(op<arg_min>);

/// y = 1 at the first greatest element along axis, 0 elsewhere.                                (ONNX Hardmax)
///
/// Shape:     y has the shape of x.
/// Elements:  f32, f16, bf16.
/// Tiling:    any slice of the other axes.
/// Errors:    axis outside of x.
struct hardmax {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, -1>, axis));
  };
  static constexpr op_info info{.name = "hardmax", .onnx = "Hardmax"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    static_cast<void>(detail::axis_at(a.axis, c.dims(0).rank(), c));
    c.result(0, c.type(0), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    const detail::axis_view view(x.dims, detail::axis_at(a.axis, x.dims.rank()));
    if (x.size() == 0) return;
    view.for_each_line([&](std::int64_t first, std::int64_t) {
      std::int64_t best = first;
      for (std::int64_t k = 1; k < view.size; ++k) {
        const std::int64_t at = first + k * view.inner;
        if (x.f[static_cast<std::size_t>(at)] > x.f[static_cast<std::size_t>(best)]) best = at;
      }
      c.out().f[static_cast<std::size_t>(best)] = 1.0F;
    });
  }
};
static_assert(op<hardmax>);

/// y = the running sums of x along the axis that operand 1 holds; exclusive: without the element itself; reverse: from
/// the end.                                                                                    (ONNX CumSum)
///
/// Shape:     y has the shape of x.
/// Elements:  f32, f16, bf16 (summed in f32); integers.
/// Tiling:    any slice of the other axes.
/// Errors:    an axis outside of x (when it is evaluated).
struct cum_sum {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, exclusive), (defaulted<std::int64_t, 0>, reverse));
  };
  static constexpr op_info info{.name = "cum_sum", .onnx = "CumSum", .min_operands = 2, .max_operands = 2};
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_integers(c, 1);
    detail::require_one(c, 1);
    if (c.is_constant(1)) static_cast<void>(detail::axis_at(c.constant(1).i[0], c.dims(0).rank(), c));
    c.result(0, c.type(0), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const detail::axis_view view(y.dims, detail::axis_at(c.in(1).i[0], y.dims.rank(), c));
    detail::with_elements(y, c.in(0), [&](auto* to, const auto* x) {
      view.for_each_line([&](std::int64_t first, std::int64_t) {
        std::remove_cvref_t<decltype(*x)> sum{};
        for (std::int64_t k = 0; k < view.size; ++k) {
          const std::int64_t at = first + (a.reverse != 0 ? view.size - 1 - k : k) * view.inner;
          if (a.exclusive != 0) to[at] = sum;
          if constexpr (std::is_floating_point_v<decltype(sum)>) {
            sum += x[at];
          } else {
            sum = detail::wrap(y.type, detail::wrapping_add(sum, x[at]));
          }
          if (a.exclusive == 0) to[at] = sum;
        }
      });
    });
    detail::round_elements(y);
  }
};
static_assert(op<cum_sum>);

} // namespace tmpu::top
