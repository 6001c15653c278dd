// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/reshape.hpp"
#include "tmpu/top/window.hpp"

namespace tmpu::top {

/// The way back from max_pool: y is 0 but where operand 1 (max_pool's second result) says; there it is x.  (ONNX MaxUnpool)
/// The places count in the tensor that kernel, strides and pads give; operand 2 may name a larger one, of which that is the
/// first corner.
///
/// Shape:     x, places [N, C, spatial...]; y [N, C, (in - 1)*stride + kernel - pads...], or as operand 2 says.
/// Elements:  any; places i64.
/// Tiling:    N, C.
/// Errors:    rank outside of 3..5, attribute lists of a wrong length, places outside of the tensor, a smaller operand 2.
struct max_unpool {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((ints, kernel_shape), (ints, pads), (ints, strides));
  };
  static constexpr op_info info{.name = "max_unpool", .onnx = "MaxUnpool", .min_operands = 2, .max_operands = 3};

  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    if (x.rank() < 3 || x.rank() > 5)
      c.fail(text("needs an input of rank 3 to 5 [N, C, spatial...], but it is ") << x.print());
    const std::size_t n = x.rank() - 2;
    if (a.kernel_shape.size() != n || (!a.strides.empty() && a.strides.size() != n) ||
        (!a.pads.empty() && a.pads.size() != 2 * n)) {
      c.fail(text("kernel_shape and strides need ") << n << " values, pads " << 2 * n);
    }
    if (!detail::within_window(a.kernel_shape) || !detail::within_window(a.strides) || !detail::within_window(a.pads))
      c.fail(text("kernel_shape, strides and pads must not exceed ") << detail::greatest_window);
    if (c.type(1) != dtype_id::i64) c.fail(text("operand 1 must hold i64, but holds ") << name_of(c.type(1)));
    if (c.dims(1).known() && x.known() && !(c.dims(1) == x))
      c.fail(text("the places ") << c.dims(1).print() << " must be as many as x " << x.print());
    auto y = natural(a, x);
    if (c.has(2)) {
      detail::require_integers(c, 2);
      if (!c.is_constant(2)) {
        c.result(0, c.type(0), detail::unknown_dims(static_cast<std::int64_t>(x.rank()), c));
        return;
      }
      const ints sizes = c.constant(2).i;
      if (sizes.size() != x.rank()) c.fail(text("operand 2 must hold ") << x.rank() << " sizes");
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (sizes[i] < y[i])
          c.fail(text("operand 2 asks for size ") << sizes[i] << " along axis " << i << ", which needs " << y[i]);
        y[i] = sizes[i];
      }
    }
    for (const std::int64_t d : y) {
      if (d < -1) c.fail("pads leave nothing of the output");
    }
    c.result(0, c.type(0), y);
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const auto inner = natural(a, x.dims);
    const detail::strides own = detail::strides_of(inner);
    const detail::strides to = detail::strides_of(y.dims);
    const std::int64_t count = inner.elements();
    detail::with_elements(y, x, [&](auto* out, const auto* in) {
      for (std::size_t n = 0; n < x.size(); ++n) {
        std::int64_t rest = c.in(1).i[n];
        if (rest < 0 || rest >= count) c.fail(text("the place ") << rest << " is outside of " << inner.print());
        std::int64_t at = 0;
        for (std::size_t d = 0; d < inner.rank(); ++d) {
          at += rest / own.of[d] * to.of[d];
          rest %= own.of[d];
        }
        out[at] = in[n];
      }
    });
  }

  /// What max_pool with these attributes had as its input.
  static constexpr tmpu::shape natural(const attributes& a, const tmpu::shape& x) {
    tmpu::shape y{x[0], x[1]};
    const std::size_t n = x.rank() - 2;
    for (std::size_t i = 0; i < n; ++i) {
      const std::int64_t stride = a.strides.empty() ? 1 : a.strides[i];
      const std::int64_t pads = a.pads.empty() ? 0 : a.pads[i] + a.pads[n + i];
      y.push_back(x[2 + i] < 0 ? -1 : (x[2 + i] - 1) * stride + a.kernel_shape[i] - pads);
    }
    return y;
  }
};
static_assert(op<max_unpool>);

} // namespace tmpu::top
