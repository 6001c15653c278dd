// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/list_operands.hpp"

namespace tmpu::top {

namespace detail {
/// The place along an axis counted from the front; refuses one outside.
constexpr std::int64_t place_at(std::int64_t place, const dims& x, std::size_t axis, const eval_context& c) {
  const std::int64_t at = place < 0 ? place + x[axis] : place;
  if (at < 0 || at >= x[axis]) c.fail(text("place ") << place << " is outside of axis " << axis << " of " << x.print());
  return at;
}
/// Indices [..., k] point to parts of x: the first k axes after the first `batch` ones are given by the last axis.
struct index_tuples {
  std::int64_t length = 0;  ///< k
  std::int64_t tuples = 1;  ///< of one batch
  std::int64_t batches = 1; ///< the first `batch` axes of both
  std::int64_t part = 1;    ///< elements of x that a tuple points to
  std::int64_t whole = 1;   ///< elements of x of one batch
  constexpr index_tuples(const dims& x, const dims& indices, std::size_t batch)
      : length(indices[indices.rank() - 1]), tuples(product(indices, batch, indices.rank() - 1)),
        batches(product(x, 0, batch)), part(product(x, batch + static_cast<std::size_t>(length), x.rank())),
        whole(product(x, batch, x.rank())) {}
};
/// Where tuple n (of all batches) points to in x, in elements.
constexpr std::int64_t place_of_tuple(const index_tuples& t, std::int64_t n, const dims& x, const ints& indices,
                                      std::size_t batch, const eval_context& c) {
  std::int64_t at = 0;
  for (std::int64_t k = 0; k < t.length; ++k) {
    const std::size_t axis = batch + static_cast<std::size_t>(k);
    at = at * x[axis] + place_at(indices[static_cast<std::size_t>(n * t.length + k)], x, axis, c);
  }
  return (t.tuples == 0 ? 0 : n / t.tuples) * t.whole + at * t.part;
}
} // namespace detail

/// y = the entries of x along axis at the places that operand 1 holds; a negative place counts from the end.  (ONNX Gather)
///
/// Shape:     x's dimensions before axis, those of the places, x's dimensions after axis.
/// Elements:  x any; places i32, i64.
/// Tiling:    any slice of the other axes.
/// Errors:    places that are no integers; a place outside of x (when it is evaluated).
struct gather {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, axis));
  };
  static constexpr op_info info{.name = "gather", .onnx = "Gather", .min_operands = 2, .max_operands = 2};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    const auto& places = c.dims(1);
    const std::size_t axis = detail::axis_at(a.axis, x.rank(), c);
    if (is_floating(c.type(1))) c.fail("operand 1 must hold integers");
    if (x.rank() - 1 + places.rank() > tmpu::shape::max_rank) c.fail("the result would have more than 8 dimensions");
    tmpu::shape y;
    for (std::size_t i = 0; i < axis; ++i) y.push_back(x[i]);
    for (const std::int64_t d : places) y.push_back(d);
    for (std::size_t i = axis + 1; i < x.rank(); ++i) y.push_back(x[i]);
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    const ints& places = c.in(1).i;
    const std::size_t axis = detail::axis_at(a.axis, x.rank());
    const std::int64_t outer = detail::product(x, 0, axis);
    const std::int64_t inner = detail::product(x, axis + 1, x.rank());
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* from) {
      std::int64_t to = 0;
      for (std::int64_t o = 0; o < outer; ++o) {
        for (const std::int64_t p : places) {
          const std::int64_t at = detail::place_at(p, x, axis, c);
          for (std::int64_t i = 0; i < inner; ++i) y[to++] = from[(o * x[axis] + at) * inner + i];
        }
      }
    });
  }
};
static_assert(op<gather>);

/// y[i] = x[i with the coordinate of axis replaced by places[i]]; a negative place counts from the end.  (ONNX GatherElements)
///
/// Shape:     y has the shape of the places, whose rank is x's.
/// Elements:  x any; places i32, i64.
/// Tiling:    any slice of the other axes.
/// Errors:    ranks that differ; a place outside of x (when it is evaluated).
struct gather_elements {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, axis));
  };
  static constexpr op_info info{
      .name = "gather_elements", .onnx = "GatherElements", .min_operands = 2, .max_operands = 2};
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_integers(c, 1);
    const auto& x = c.dims(0);
    const auto& places = c.dims(1);
    detail::require_rank(c, 1, x.rank());
    const std::size_t axis = detail::axis_at(a.axis, x.rank(), c);
    for (std::size_t d = 0; d < x.rank(); ++d) {
      if (d != axis && x[d] >= 0 && places[d] > x[d])
        c.fail(text("places ") << places.print() << " go beyond axis " << d << " of " << x.print());
    }
    c.result(0, c.type(0), places);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    const auto& y = c.out().dims;
    const std::size_t axis = detail::axis_at(a.axis, x.rank());
    detail::strides own = detail::strides_of(x);
    const std::int64_t step = own.of[axis];
    own.of[axis] = 0;
    detail::with_elements(c.out(), c.in(0), [&](auto* to, const auto* from) {
      detail::for_each_index(y, [&](std::int64_t n, const auto& index) {
        std::int64_t at = detail::place_at(c.in(1).i[static_cast<std::size_t>(n)], x, axis, c) * step;
        for (std::size_t d = 0; d < x.rank(); ++d) at += index[d] * own.of[d];
        to[n] = from[at];
      });
    });
  }
};
static_assert(op<gather_elements>);

/// y = the parts of x that the tuples in the last axis of the indices point to; the first batch_dims axes of both go
/// together.                                                                                   (ONNX GatherND)
///
/// Shape:     the indices' without the last, then x's dimensions that the tuples leave out.
/// Elements:  x any; indices i64.
/// Tiling:    none; on the host.
/// Errors:    tuples longer than x's rank allows; a place outside of x (when it is evaluated).
struct gather_nd {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, batch_dims));
  };
  static constexpr op_info info{.name = "gather_nd", .onnx = "GatherND", .min_operands = 2, .max_operands = 2};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    const auto& indices = c.dims(1);
    detail::require_integers(c, 1);
    const auto rank = static_cast<std::int64_t>(x.rank());
    if (indices.rank() == 0 || a.batch_dims < 0 || a.batch_dims >= static_cast<std::int64_t>(indices.rank()))
      c.fail(text("batch_dims ") << a.batch_dims << " does not fit the indices " << indices.print());
    const std::int64_t k = indices[indices.rank() - 1];
    if (k < 0) c.fail("the size of the indices' last axis must be known: bind the free dimensions with --input-shape");
    if (k < 1 || a.batch_dims + k > rank)
      c.fail(text("tuples of ") << k << " places do not fit " << x.print() << " after " << a.batch_dims << " axes");
    const auto left = static_cast<std::size_t>(a.batch_dims + k);
    if (indices.rank() - 1 + x.rank() - left > tmpu::shape::max_rank)
      c.fail("the result would have more than 8 dimensions");
    tmpu::shape y(indices.span().first(indices.rank() - 1));
    for (std::size_t i = left; i < x.rank(); ++i) y.push_back(x[i]);
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto batch = static_cast<std::size_t>(a.batch_dims.value);
    const auto& x = c.in(0).dims;
    const detail::index_tuples t(x, c.in(1).dims, batch);
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* from) {
      for (std::int64_t n = 0; n < t.batches * t.tuples; ++n) {
        const std::int64_t at = detail::place_of_tuple(t, n, x, c.in(1).i, batch, c);
        for (std::int64_t k = 0; k < t.part; ++k) y[n * t.part + k] = from[at + k];
      }
    });
  }
};
static_assert(op<gather_nd>);

/// y = the entries of x along axis (of the elements in row-major order where there is no axis) at the places where the
/// condition, operand 1, holds.                                                                (ONNX Compress)
///
/// Shape:     x's with as many entries along axis as hold, or that many elements; unknown until the condition is.
/// Elements:  x any; condition bool.
/// Tiling:    none; on the host.
/// Errors:    a condition that is not a list of bool, or longer than the axis.
struct compress {
  static constexpr std::string_view domain = "top";
  static constexpr std::int64_t no_axis = 9223372036854775807;
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 9223372036854775807>, axis));
  };
  static constexpr op_info info{.name = "compress", .onnx = "Compress", .min_operands = 2, .max_operands = 2};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    if (c.type(1) != dtype_id::boolean) c.fail(text("the condition must be bool, not ") << name_of(c.type(1)));
    detail::require_rank(c, 1, 1);
    const bool flat = a.axis == no_axis;
    const std::size_t axis = flat ? 0 : detail::axis_at(a.axis, x.rank(), c);
    std::int64_t count = -1;
    if (c.is_constant(1)) {
      count = 0;
      for (const std::int64_t holds : c.constant(1).i) count += holds;
    }
    const std::int64_t entries = flat ? detail::product(x, 0, x.rank()) : x[axis];
    if (entries >= 0 && c.dims(1)[0] > entries)
      c.fail(text("the condition has ") << c.dims(1)[0] << " elements; there are only " << entries << " entries");
    tmpu::shape y{-1};
    if (!flat) y = x;
    y[axis] = count;
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    const ints& condition = c.in(1).i;
    const bool flat = a.axis == no_axis;
    detail::axis_view view(tmpu::shape{static_cast<std::int64_t>(x.size())}, 0);
    if (!flat) view = detail::axis_view(x.dims, detail::axis_at(a.axis, x.dims.rank()));
    detail::with_elements(c.out(), x, [&](auto* y, const auto* from) {
      for (std::int64_t o = 0; o < view.outer; ++o) {
        for (std::size_t k = 0; k < condition.size(); ++k) {
          if (condition[k] == 0) continue;
          for (std::int64_t i = 0; i < view.inner; ++i)
            *y++ = from[(o * view.size + static_cast<std::int64_t>(k)) * view.inner + i];
        }
      }
    });
  }
};
static_assert(op<compress>);

/// y = values[1] where the coordinate along axis is the index (negative: counted from depth), values[0] elsewhere.
/// Operands: indices, depth, values [off, on].                                                 (ONNX OneHot)
///
/// Shape:     the indices' with an axis of size depth put in.
/// Elements:  indices and depth: any numeric type; values any.
/// Tiling:    any slice of the other axes.
/// Errors:    axis outside of y; a depth below 1.
struct one_hot {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, -1>, axis));
  };
  static constexpr op_info info{.name = "one_hot", .onnx = "OneHot", .min_operands = 3, .max_operands = 3};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& indices = c.dims(0);
    if (indices.rank() >= tmpu::shape::max_rank) c.fail("the result would have more than 8 dimensions");
    if (c.dims(2).known() && c.dims(2).elements() != 2)
      c.fail(text("the values must be [off, on], but are ") << c.dims(2).print());
    const std::size_t axis = detail::axis_at(a.axis, indices.rank() + 1, c);
    std::int64_t depth = -1;
    if (c.is_constant(1)) {
      const value d = c.constant(1);
      depth = d.size() == 1 ? detail::to_integer(dtype_id::i64, detail::number_at(d, 0)) : 0;
      if (depth < 1) c.fail("depth must be one number of at least 1");
    }
    tmpu::shape y;
    for (std::size_t i = 0; i <= indices.rank(); ++i) y.push_back(i == axis ? depth : indices[i < axis ? i : i - 1]);
    c.result(0, c.type(2), y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const detail::axis_view view(y.dims, detail::axis_at(a.axis, y.dims.rank()));
    detail::with_elements(y, c.in(2), [&](auto* to, const auto* values) {
      view.for_each_line([&](std::int64_t first, std::int64_t line) {
        const auto wanted =
            detail::to_integer(dtype_id::i64, detail::number_at(c.in(0), static_cast<std::size_t>(line)));
        const std::int64_t on = wanted < 0 ? wanted + view.size : wanted;
        for (std::int64_t k = 0; k < view.size; ++k) to[first + k * view.inner] = values[k == on ? 1 : 0];
      });
    });
  }
};
static_assert(op<one_hot>);

} // namespace tmpu::top
