// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/list_operands.hpp"

namespace tmpu::top {

/// y[i0, i1, ...] = x with its axes in the order perm; reversed where perm is empty.           (ONNX Transpose)
///
/// Shape:     y[i] = x[perm[i]].
/// Elements:  any.
/// Tiling:    slices of an axis of y are slices of axis perm[i] of x.
/// Errors:    perm that is no permutation of x's axes.
struct transpose {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  struct attributes {
    TMPU_STRUCT((ints, perm));
  };
  static constexpr op_info info{.name = "transpose", .onnx = "Transpose"};

  static constexpr std::size_t source(const attributes& a, std::size_t i, std::size_t rank) {
    return a.perm.empty() ? rank - 1 - i : static_cast<std::size_t>(a.perm[i]);
  }
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    bool seen[tmpu::shape::max_rank] = {};
    bool fits = a.perm.empty() || a.perm.size() == x.rank();
    for (std::size_t i = 0; fits && i < a.perm.size(); ++i) {
      fits = a.perm[i] >= 0 && a.perm[i] < static_cast<std::int64_t>(x.rank()) &&
             !seen[static_cast<std::size_t>(a.perm[i])];
      if (fits) seen[static_cast<std::size_t>(a.perm[i])] = true;
    }
    if (!fits) c.fail(text("perm [") << join(a.perm, ",") << "] is no order of the axes of " << x.print());
    tmpu::shape y;
    for (std::size_t i = 0; i < x.rank(); ++i) y.push_back(x[source(a, i, x.rank())]);
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    const detail::strides own = detail::strides_of(x);
    detail::strides all[] = {detail::strides_of(c.out().dims), {}};
    for (std::size_t i = 0; i < x.rank(); ++i) all[1].of[i] = own.of[source(a, i, x.rank())];
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* from) {
      detail::for_each_row(c.out().dims, all, [&](const auto& at, std::int64_t count, const auto& step) {
        for (std::int64_t n = 0; n < count; ++n) y[at[0] + n] = from[at[1] + n * step[1]];
      });
    });
  }
};
static_assert(op<transpose>);

/// y = the operands one after the other along axis.                                            (ONNX Concat)
///
/// Shape:     the operands' shapes are equal but for axis; y adds up their sizes there.
/// Elements:  any, all operands of one type.
/// Tiling:    any slice of the other axes.
/// Errors:    shapes or types that differ.
struct concat {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_all;
  struct attributes {
    TMPU_STRUCT((std::int64_t, axis));
  };
  static constexpr op_info info{.name = "concat", .onnx = "Concat", .max_operands = -1};
  static constexpr void infer(const attributes& a, infer_context& c) {
    tmpu::shape y = c.dims(0);
    const std::size_t axis = detail::axis_at(a.axis, y.rank(), c);
    for (std::size_t n = 1; n < c.operand_count(); ++n) {
      const auto& x = c.dims(n);
      detail::require_same_type(c, 0, n);
      bool fits = x.rank() == y.rank();
      for (std::size_t i = 0; fits && i < y.rank(); ++i) {
        if (i == axis) {
          y[i] = y[i] < 0 || x[i] < 0 ? -1 : y[i] + x[i];
        } else {
          fits = y[i] < 0 || x[i] < 0 || y[i] == x[i];
          if (y[i] < 0) y[i] = x[i];
        }
      }
      if (!fits)
        c.fail(text("operands ") << c.dims(0).print() << " and " << x.print() << " differ in more than axis "
                                 << a.axis);
    }
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& out = c.out();
    const std::size_t axis = detail::axis_at(a.axis, out.dims.rank());
    const std::int64_t outer = detail::product(out.dims, 0, axis);
    const std::int64_t inner = detail::product(out.dims, axis + 1, out.dims.rank());
    std::int64_t place = 0;
    for (std::size_t n = 0; n < c.operand_count(); ++n) {
      const std::int64_t run = c.in(n).dims[axis] * inner;
      detail::with_elements(out, c.in(n), [&](auto* y, const auto* x) {
        for (std::int64_t o = 0; o < outer; ++o) {
          for (std::int64_t i = 0; i < run; ++i) y[o * out.dims[axis] * inner + place + i] = x[o * run + i];
        }
      });
      place += run;
    }
  }
};
static_assert(op<concat>);

/// The parts of x along axis, of the sizes that operand 1 holds, or of equal size (the last may be smaller).  (ONNX Split)
///
/// Shape:     result i has x's shape with its part's size along axis.
/// Elements:  any.
/// Tiling:    any slice of the other axes.
/// Errors:    sizes that do not add up; more results than elements.
struct split {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, axis), (defaulted<std::int64_t, 0>, num_outputs));
  };
  static constexpr op_info info{.name = "split", .onnx = "Split", .max_operands = 2, .max_results = -1};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    const std::size_t axis = detail::axis_at(a.axis, x.rank(), c);
    const auto parts = static_cast<std::int64_t>(c.result_count());
    tmpu::shape y = x;
    if (!detail::told(c, 1) || (!c.has(1) && x[axis] < 0)) {
      y[axis] = -1;
      for (std::size_t i = 0; i < c.result_count(); ++i) c.result(i, c.type(0), y);
      return;
    }
    ints sizes = detail::integers(c, 1);
    if (!c.has(1)) {
      const std::int64_t part = ceil_div(x[axis], parts);
      for (std::int64_t i = 0; i < parts; ++i) sizes.push_back(i + 1 < parts ? part : x[axis] - part * (parts - 1));
    }
    std::int64_t all = 0;
    for (const std::int64_t s : sizes) all += s;
    if (sizes.size() != c.result_count() || (x[axis] >= 0 && all != x[axis])) {
      c.fail(text("sizes [") << join(sizes, ",") << "] do not make " << parts << " results of " << x.print()
                             << " along axis " << a.axis);
    }
    for (std::size_t i = 0; i < c.result_count(); ++i) {
      if (sizes[i] < 0) c.fail(text("a size must not be negative: ") << sizes[i]);
      y[axis] = sizes[i];
      c.result(i, c.type(0), y);
    }
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    const std::size_t axis = detail::axis_at(a.axis, x.rank());
    const std::int64_t outer = detail::product(x, 0, axis);
    const std::int64_t inner = detail::product(x, axis + 1, x.rank());
    std::int64_t place = 0;
    for (std::size_t n = 0; n < c.result_count(); ++n) {
      value& out = c.out(n);
      const std::int64_t run = out.dims[axis] * inner;
      detail::with_elements(out, c.in(0), [&](auto* y, const auto* from) {
        for (std::int64_t o = 0; o < outer; ++o) {
          for (std::int64_t i = 0; i < run; ++i) y[o * run + i] = from[o * x[axis] * inner + place + i];
        }
      });
      place += run;
    }
  }
};
static_assert(op<split>);

/// y = x from starts to ends (not included) by steps along axes: operands 1, 2, 3 (axes, default 0, 1, ...) and 4 (steps,
/// default 1). Negative bounds count from the end; bounds beyond x are cut.                    (ONNX Slice)
///
/// Shape:     y[axis] = ceil((end - start) / step), at least 0.
/// Elements:  any.
/// Tiling:    any slice of the other axes.
/// Errors:    lists of different lengths; a step of 0.
struct slice {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  using attributes = no_attributes;
  static constexpr op_info info{.name = "slice", .onnx = "Slice", .min_operands = 3, .max_operands = 5};

  /// Where one axis begins, by which step, and how many elements it keeps.
  struct cut {
    std::int64_t first = 0;
    std::int64_t step = 1;
    std::int64_t count = 0;
  };
  static constexpr cut make_cut(std::int64_t start, std::int64_t end, std::int64_t step, std::int64_t size) {
    const auto within = [&](std::int64_t at) {
      const std::int64_t place = at < 0 && at >= -size ? at + size : at;
      const std::int64_t low = step > 0 ? 0 : -1;
      const std::int64_t high = step > 0 ? size : size - 1;
      return place < 0 ? low : (place > high ? high : place);
    };
    cut c{within(start), step, 0};
    if (step < 0 && start < -size) c.first = -1;
    const std::int64_t last = step < 0 && end < -size ? -1 : within(end);
    // The bounds lie in [-1, size], so the distance does not overflow; a step beyond it keeps one element.
    const std::int64_t distance = step > 0 ? last - c.first : c.first - last;
    const std::uint64_t stride =
        step > 0 ? static_cast<std::uint64_t>(step) : std::uint64_t{0} - static_cast<std::uint64_t>(step);
    if (distance > 0) c.count = static_cast<std::int64_t>((static_cast<std::uint64_t>(distance) - 1) / stride) + 1;
    return c;
  }
  static constexpr void infer(const attributes&, infer_context& c) {
    tmpu::shape y = c.dims(0);
    if (!detail::told(c, 3)) {
      c.result(0, c.type(0), detail::unknown_dims(static_cast<std::int64_t>(y.rank()), c));
      return;
    }
    const bool told = detail::told(c, 1) && detail::told(c, 2) && detail::told(c, 4);
    ints axes = detail::integers(c, 3);
    if (!c.has(3)) {
      for (std::int64_t i = 0; i < detail::list_size(c, 1); ++i) axes.push_back(i);
    }
    for (std::size_t n = 0; n < axes.size(); ++n) {
      const std::size_t axis = detail::axis_at(axes[n], y.rank(), c);
      if (!told) {
        y[axis] = -1;
        continue;
      }
      const ints starts = detail::integers(c, 1);
      const ints ends = detail::integers(c, 2);
      const ints steps = detail::integers(c, 4);
      if (starts.size() != axes.size() || ends.size() != axes.size() || (c.has(4) && steps.size() != axes.size())) {
        c.fail("starts, ends, axes and steps must have one length");
      }
      const std::int64_t step = c.has(4) ? steps[n] : 1;
      if (step == 0) c.fail("a step must not be 0");
      const std::int64_t size = c.dims(0)[axis];
      y[axis] = size < 0 ? -1 : make_cut(starts[n], ends[n], step, size).count;
    }
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const auto& x = c.in(0).dims;
    const detail::strides own = detail::strides_of(x);
    detail::strides all[] = {detail::strides_of(c.out().dims), own};
    std::int64_t origin = 0;
    const ints& starts = c.in(1).i;
    const ints axes = detail::integers(c, 3);
    for (std::size_t n = 0; n < starts.size(); ++n) {
      const std::size_t axis = c.has(3) ? detail::axis_at(axes[n], x.rank()) : n;
      const cut k = make_cut(starts[n], c.in(2).i[n], c.has(4) ? c.in(4).i[n] : 1, x[axis]);
      if (k.count == 0) return;
      origin += k.first * own.of[axis];
      all[1].of[axis] = k.count == 1 ? 0 : k.step * own.of[axis];
    }
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* from) {
      detail::for_each_row(c.out().dims, all, [&](const auto& at, std::int64_t count, const auto& step) {
        for (std::int64_t n = 0; n < count; ++n) y[at[0] + n] = from[origin + at[1] + n * step[1]];
      });
    });
  }
};
static_assert(op<slice>);

/// y = x broadcast to the shape that operand 1 holds (both ways: a 1 there keeps x's dimension).  (ONNX Expand)
///
/// Shape:     multidirectional broadcasting of x and the shape.
/// Elements:  any.
/// Tiling:    any slice; a broadcast axis of x is not sliced.
/// Errors:    shapes that do not fit.
struct expand {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  using attributes = no_attributes;
  static constexpr op_info info{.name = "expand", .onnx = "Expand", .min_operands = 2, .max_operands = 2};
  static constexpr void infer(const attributes&, infer_context& c) {
    const auto& x = c.dims(0);
    const ints wanted = detail::sizes_as_known(c, 1);
    if (wanted.size() > tmpu::shape::max_rank) c.fail("the result would have more than 8 dimensions");
    for (const std::int64_t n : wanted) {
      if (n < 0 && (n != -1 || c.is_constant(1))) c.fail(text("a size must not be negative: ") << n);
    }
    c.result(0, c.type(0), detail::broadcast_dims(x, tmpu::shape(wanted.span()), c));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const detail::strides all[] = {detail::strides_of(c.out().dims),
                                   detail::broadcast_strides(c.in(0).dims, c.out().dims)};
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* x) {
      detail::for_each_row(c.out().dims, all, [&](const auto& at, std::int64_t count, const auto& step) {
        for (std::int64_t n = 0; n < count; ++n) y[at[0] + n] = x[at[1] + n * step[1]];
      });
    });
  }
};
static_assert(op<expand>);

} // namespace tmpu::top
