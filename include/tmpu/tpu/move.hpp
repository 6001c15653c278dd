// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/tpu/common.hpp"

namespace tmpu::tpu {

/// Operators that only move elements, from global to global memory. They are not tiled, each is a group of its own, and
/// operands and results share type and scale.
template <class Op> struct move_op : basic_op<Op> {
  static constexpr bool tiled = false;
  static constexpr cuts cut(const graph_body&, node_id) { return {.n = false, .c = false, .h = false, .k = false}; }
  static constexpr tpu::reach reach(const graph_body&, node_id, std::size_t) {
    return {.n = follows::nothing, .c = follows::nothing, .h = follows::nothing};
  }
};

namespace detail {
constexpr void copy_element(value& y, std::int64_t to, const value& x, std::int64_t from) {
  if (is_floating(y.type)) {
    y.f.data()[to] = x.f.data()[from];
  } else {
    y.i.data()[to] = x.i.data()[from];
  }
}

/// For each element of `dims` in row-major order, calls f(its number, offset + the sum of index * step over the axes).
template <class F>
constexpr void walk(const shape& dims, const std::int64_t (&step)[shape::max_rank], std::int64_t offset, F&& f) {
  std::int64_t index[shape::max_rank] = {};
  std::int64_t at = offset;
  const std::int64_t count = dims.elements();
  for (std::int64_t number = 0; number < count; ++number) {
    f(number, at);
    for (std::size_t d = dims.rank(); d-- > 0;) {
      at += step[d];
      if (++index[d] < dims[d]) break;
      at -= step[d] * dims[d];
      index[d] = 0;
    }
  }
}
/// Row-major steps of `dims`, in elements.
constexpr void row_major(const shape& dims, std::int64_t (&step)[shape::max_rank]) {
  std::int64_t next = 1;
  for (std::size_t d = dims.rank(); d-- > 0;) {
    step[d] = next;
    next *= dims[d];
  }
}
} // namespace detail

/// y holds the elements of x in another shape.
///
/// Shape:     `shape`, all dimensions given.
/// Errors:    a shape of another number of elements.
struct reshape : move_op<reshape> {
  static constexpr op_info info{.name = "reshape"};
  struct attributes {
    TMPU_STRUCT((ints, shape));
  };
  static constexpr void infer(const attributes& a, infer_context& c) {
    const tmpu::shape y(a.shape.span());
    if (!y.known() || y.elements() != c.dims(0).elements())
      c.fail(text("x ") << c.dims(0).print() << " cannot be reshaped to " << y.print());
    detail::result_dims(c, y);
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    c.out().f = c.in(0).f;
    c.out().i = c.in(0).i;
  }
};
static_assert(op<reshape>);

/// y[i0, i1, ...] = x with dimension perm[d] of x at place d.
///
/// Errors:    perm that is no permutation.
struct transpose : move_op<transpose> {
  static constexpr op_info info{.name = "transpose"};
  struct attributes {
    TMPU_STRUCT((ints, perm));
  };
  static constexpr void infer(const attributes& a, infer_context& c) {
    const shape& x = c.dims(0);
    detail::require_length(c, a.perm, x.rank(), "perm");
    shape y;
    std::uint32_t seen = 0;
    for (const std::int64_t p : a.perm) {
      if (p < 0 || p >= static_cast<std::int64_t>(x.rank()) || (seen >> p & 1U) != 0)
        c.fail("perm is no permutation of the axes");
      seen |= 1U << p;
      y.push_back(x[static_cast<std::size_t>(p)]);
    }
    detail::result_dims(c, y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    std::int64_t of_x[shape::max_rank] = {};
    std::int64_t step[shape::max_rank] = {};
    detail::row_major(c.in(0).dims, of_x);
    for (std::size_t d = 0; d < a.perm.size(); ++d) step[d] = of_x[static_cast<std::size_t>(a.perm[d])];
    detail::walk(y.dims, step, 0,
                 [&](std::int64_t to, std::int64_t from) { detail::copy_element(y, to, c.in(0), from); });
  }
};
static_assert(op<transpose>);

/// The operands one after the other along `axis` (counted from the front).
///
/// Errors:    operands whose other dimensions differ.
struct concat : move_op<concat> {
  static constexpr op_info info{.name = "concat", .min_operands = 1, .max_operands = -1};
  struct attributes {
    TMPU_STRUCT((std::int64_t, axis));
  };
  static constexpr void infer(const attributes& a, infer_context& c) {
    shape y = c.dims(0);
    if (a.axis < 0 || a.axis >= static_cast<std::int64_t>(y.rank()))
      c.fail(text("axis ") << a.axis << " is outside of " << y.print());
    const auto axis = static_cast<std::size_t>(a.axis);
    for (std::size_t i = 1; i < c.operand_count(); ++i) {
      shape other = c.dims(i);
      if (other.rank() != y.rank()) c.fail("the operands differ in rank");
      const std::int64_t extent = other[axis];
      other[axis] = y[axis];
      if (!(other == y)) c.fail(text("operand ") << i << " does not fit " << y.print());
      y[axis] += extent;
    }
    detail::result_dims(c, y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const auto axis = static_cast<std::size_t>(a.axis);
    std::int64_t step[shape::max_rank] = {};
    detail::row_major(y.dims, step);
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < c.operand_count(); ++i) {
      const value& x = c.in(i);
      detail::walk(x.dims, step, offset,
                   [&](std::int64_t from, std::int64_t to) { detail::copy_element(y, to, x, from); });
      offset += x.dims[axis] * step[axis];
    }
  }
};
static_assert(op<concat>);

/// y[i] = x[starts + i * steps], an index an axis; every axis is given, bounds lie inside x.
///
/// Shape:     ceil((ends - starts) / steps) along each axis.
/// Errors:    bounds outside of x; steps below 1.
struct slice : move_op<slice> {
  static constexpr op_info info{.name = "slice"};
  struct attributes {
    TMPU_STRUCT((ints, starts), (ints, ends), (ints, steps));
  };
  static constexpr void infer(const attributes& a, infer_context& c) {
    const shape& x = c.dims(0);
    detail::require_length(c, a.starts, x.rank(), "starts");
    detail::require_length(c, a.ends, x.rank(), "ends");
    detail::require_length(c, a.steps, x.rank(), "steps");
    shape y;
    for (std::size_t d = 0; d < x.rank(); ++d) {
      if (a.steps[d] < 1 || a.starts[d] < 0 || a.ends[d] > x[d] || a.starts[d] >= a.ends[d]) {
        c.fail(text("slice ") << a.starts[d] << ':' << a.ends[d] << ':' << a.steps[d] << " of axis " << d
                              << " does not lie in " << x.print());
      }
      y.push_back(ceil_div(a.ends[d] - a.starts[d], a.steps[d]));
    }
    detail::result_dims(c, y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    std::int64_t step[shape::max_rank] = {};
    detail::row_major(c.in(0).dims, step);
    std::int64_t offset = 0;
    for (std::size_t d = 0; d < y.dims.rank(); ++d) {
      offset += a.starts[d] * step[d];
      step[d] *= a.steps[d];
    }
    detail::walk(y.dims, step, offset,
                 [&](std::int64_t to, std::int64_t from) { detail::copy_element(y, to, c.in(0), from); });
  }
};
static_assert(op<slice>);

/// x with `value` around it (integers: the quantized number).
///
/// Shape:     pads = [begin of each axis..., end of each axis...] are added.
/// Errors:    negative pads.
struct pad : move_op<pad> {
  static constexpr op_info info{.name = "pad"};
  struct attributes {
    TMPU_STRUCT((ints, pads), (float, value));
  };
  static constexpr void infer(const attributes& a, infer_context& c) {
    shape y = c.dims(0);
    detail::require_length(c, a.pads, 2 * y.rank(), "pads");
    for (std::size_t d = 0; d < y.rank(); ++d) {
      if (a.pads[d] < 0 || a.pads[d + y.rank()] < 0) c.fail("pads must not be negative");
      y[d] += a.pads[d] + a.pads[d + y.rank()];
    }
    detail::result_dims(c, y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    tmpu::value& y = c.out();
    for (float& v : y.f) v = round_to(y.type, a.value);
    for (std::int64_t& v : y.i) v = static_cast<std::int64_t>(a.value);
    std::int64_t step[shape::max_rank] = {};
    detail::row_major(y.dims, step);
    std::int64_t offset = 0;
    for (std::size_t d = 0; d < y.dims.rank(); ++d) offset += a.pads[d] * step[d];
    detail::walk(c.in(0).dims, step, offset,
                 [&](std::int64_t from, std::int64_t to) { detail::copy_element(y, to, c.in(0), from); });
  }
};
static_assert(op<pad>);

/// x repeated along its dimensions of 1.
///
/// Shape:     `shape`, of the rank of x.
/// Errors:    a dimension of x that is neither 1 nor that of y.
struct expand : move_op<expand> {
  static constexpr op_info info{.name = "expand"};
  struct attributes {
    TMPU_STRUCT((ints, shape));
  };
  static constexpr void infer(const attributes& a, infer_context& c) {
    const tmpu::shape& x = c.dims(0);
    const tmpu::shape y(a.shape.span());
    detail::require_length(c, a.shape, x.rank(), "shape");
    for (std::size_t d = 0; d < x.rank(); ++d) {
      if (x[d] != 1 && x[d] != y[d]) c.fail(text("x ") << x.print() << " cannot be expanded to " << y.print());
    }
    detail::result_dims(c, y);
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    value& y = c.out();
    std::int64_t step[tmpu::shape::max_rank] = {};
    detail::row_major(c.in(0).dims, step);
    for (std::size_t d = 0; d < y.dims.rank(); ++d) step[d] = c.in(0).dims[d] == 1 ? 0 : step[d];
    detail::walk(y.dims, step, 0,
                 [&](std::int64_t to, std::int64_t from) { detail::copy_element(y, to, c.in(0), from); });
  }
};
static_assert(op<expand>);

} // namespace tmpu::tpu
