// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/list_operands.hpp"

namespace tmpu::top {

/// y = x with elements put before and after each axis (negative: taken away); operand 1 holds [before..., after...],
/// operand 2 the value (default 0), operand 3 the axes (default all). mode: constant, reflect, edge or wrap.  (ONNX Pad)
///
/// Shape:     y[i] = x[i] + before[i] + after[i].
/// Elements:  any.
/// Tiling:    any slice of an axis without padding.
/// Errors:    an unknown mode; a list of a wrong length; a negative size; nothing to copy from.
struct pad {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((text, mode));
  };
  static constexpr op_info info{.name = "pad", .onnx = "Pad", .min_operands = 2, .max_operands = 4};

  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    const std::string_view mode = a.mode.view();
    if (!mode.empty() && mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
      c.fail(text("mode '") << mode << "' is not known; it is constant, reflect, edge or wrap");
    }
    if (!detail::told(c, 1) || !detail::told(c, 3)) {
      c.result(0, c.type(0), detail::unknown_dims(static_cast<std::int64_t>(x.rank()), c));
      return;
    }
    const ints pads = detail::integers(c, 1);
    const ints axes = detail::integers(c, 3);
    const std::size_t count = c.has(3) ? axes.size() : x.rank();
    if (pads.size() != 2 * count) c.fail(text("pads needs ") << 2 * count << " values, not " << pads.size());
    tmpu::shape y = x;
    for (std::size_t n = 0; n < count; ++n) {
      const std::size_t axis = c.has(3) ? detail::axis_at(axes[n], x.rank(), c) : n;
      if (x[axis] < 0) continue;
      y[axis] = x[axis] + pads[n] + pads[count + n];
      if (y[axis] < 0) c.fail(text("axis ") << axis << " of " << x.print() << " would get a negative size");
      if (!mode.empty() && mode != "constant" && x[axis] == 0 && y[axis] > 0)
        c.fail(text("axis ") << axis << " of " << x.print() << " has no elements to copy into the padding");
    }
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    const auto& y = c.out().dims;
    const std::string_view mode = a.mode.view();
    const ints& pads = c.in(1).i;
    const ints axes = detail::integers(c, 3);
    const std::size_t count = c.has(3) ? axes.size() : x.rank();
    std::int64_t before[tmpu::shape::max_rank] = {};
    for (std::size_t n = 0; n < count; ++n) before[c.has(3) ? detail::axis_at(axes[n], x.rank()) : n] = pads[n];
    // Taken away first, then added: what the modes copy from is the part of x that stays.
    std::int64_t first[tmpu::shape::max_rank] = {};
    std::int64_t last[tmpu::shape::max_rank] = {};
    for (std::size_t d = 0; d < x.rank(); ++d) {
      const std::int64_t after = y[d] - x[d] - before[d];
      first[d] = before[d] < 0 ? -before[d] : 0;
      last[d] = x[d] + (after < 0 ? after : 0);
    }
    const detail::strides own = detail::strides_of(x);
    float fill_f = 0.0F;
    std::int64_t fill_i = 0;
    if (c.has(2) && c.in(2).size() > 0) {
      if (is_floating(c.in(2).type)) {
        fill_f = c.in(2).f[0];
      } else {
        fill_i = c.in(2).i[0];
      }
    }
    detail::for_each_index(y, [&](std::int64_t n, const auto& index) {
      std::int64_t from = 0;
      bool inside = true;
      for (std::size_t d = 0; d < y.rank(); ++d) {
        const std::int64_t at = source(index[d] - before[d] - first[d], last[d] - first[d], mode);
        inside = inside && at >= 0;
        from += (first[d] + at) * own.of[d];
      }
      const auto place = static_cast<std::size_t>(inside ? from : 0);
      const auto to = static_cast<std::size_t>(n);
      if (is_floating(c.out().type)) {
        c.out().f[to] = inside ? c.in(0).f[place] : fill_f;
      } else {
        c.out().i[to] = inside ? c.in(0).i[place] : fill_i;
      }
    });
  }

  /// The place along an axis of `size` elements that the mode copies, -1 for the fill value.
  static constexpr std::int64_t source(std::int64_t at, std::int64_t size, std::string_view mode) {
    if (at >= 0 && at < size) return at;
    if (size <= 0) return -1;
    if (mode == "edge") return at < 0 ? 0 : size - 1;
    if (mode == "wrap") return ((at % size) + size) % size;
    if (mode != "reflect") return -1;
    // Back and forth between the first and the last element.
    const std::int64_t period = size > 1 ? 2 * (size - 1) : 1;
    const std::int64_t place = ((at % period) + period) % period;
    return place < size ? place : period - place;
  }
};
static_assert(op<pad>);

/// y = the columns [0, row + k] of each matrix of x (upper = 0), or [row + k, end), and 0 elsewhere; k: operand 1, 0 where
/// absent.                                                                                     (ONNX Trilu)
///
/// Shape:     y has the shape of x [..., rows, columns].
/// Elements:  any.
/// Tiling:    any slice of the axes before.
/// Errors:    a rank below 2; a k that is no scalar.
struct trilu {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, upper));
  };
  static constexpr op_info info{.name = "trilu", .onnx = "Trilu", .max_operands = 2};
  static constexpr void infer(const attributes&, infer_context& c) {
    if (c.dims(0).rank() < 2) c.fail(text("takes matrices, not ") << c.dims(0).print());
    if (c.has(1)) detail::require_integers(c, 1);
    detail::require_one(c, 1);
    c.result(0, c.type(0), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const std::int64_t k = c.has(1) ? c.in(1).i[0] : 0;
    const auto& d = c.out().dims;
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* x) {
      detail::for_each_index(d, [&](std::int64_t n, const auto& index) {
        const std::int64_t off = index[d.rank() - 1] - index[d.rank() - 2];
        if (a.upper != 0 ? off >= k : off <= k) y[n] = x[n];
      });
    });
  }
};
static_assert(op<trilu>);

/// y = x cut or padded with 0 to the sizes of operand 1 along axes (default all), evenly on both sides; of an odd number of
/// elements the one more is cut or put at the end.                                             (ONNX CenterCropPad)
///
/// Shape:     x's with these sizes.
/// Elements:  any.
/// Tiling:    any slice of the other axes.
/// Errors:    sizes that are not as many as axes, or negative.
struct center_crop_pad {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((ints, axes));
  };
  static constexpr op_info info{
      .name = "center_crop_pad", .onnx = "CenterCropPad", .min_operands = 2, .max_operands = 2};
  static constexpr void infer(const attributes& a, infer_context& c) {
    tmpu::shape y = c.dims(0);
    const std::size_t count = a.axes.empty() ? y.rank() : a.axes.size();
    detail::require_integers(c, 1);
    if (detail::list_size(c, 1) != static_cast<std::int64_t>(count))
      c.fail(text("needs ") << count << " sizes, not " << c.dims(1).print());
    for (std::size_t n = 0; n < count; ++n) {
      const std::size_t axis = a.axes.empty() ? n : detail::axis_at(a.axes[n], y.rank(), c);
      y[axis] = c.is_constant(1) ? detail::integers(c, 1)[n] : -1;
      if (c.is_constant(1) && y[axis] < 0) c.fail(text("a size must not be negative: ") << y[axis]);
    }
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const auto& x = c.in(0).dims;
    const auto& y = c.out().dims;
    const detail::strides own = detail::strides_of(x);
    detail::with_elements(c.out(), c.in(0), [&](auto* to, const auto* from) {
      detail::for_each_index(y, [&](std::int64_t n, const auto& index) {
        std::int64_t at = 0;
        for (std::size_t d = 0; d < y.rank(); ++d) {
          const std::int64_t place = y[d] > x[d] ? index[d] - (y[d] - x[d]) / 2 : index[d] + (x[d] - y[d]) / 2;
          if (place < 0 || place >= x[d]) return;
          at += place * own.of[d];
        }
        to[n] = from[at];
      });
    });
  }
};
static_assert(op<center_crop_pad>);

} // namespace tmpu::top
