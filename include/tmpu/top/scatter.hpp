// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/gather.hpp"

namespace tmpu::top {

namespace detail {
/// What happens where an update meets an element.
enum class meeting : std::uint8_t { replace, add, mul, max, min, unknown };
constexpr meeting meeting_named(std::string_view name) {
  if (name.empty() || name == "none") return meeting::replace;
  if (name == "add") return meeting::add;
  if (name == "mul") return meeting::mul;
  if (name == "max") return meeting::max;
  return name == "min" ? meeting::min : meeting::unknown;
}
template <class T> constexpr T meet(meeting how, T old, T update) {
  if (how == meeting::max) return old < update ? update : old;
  if (how == meeting::min) return update < old ? update : old;
  if (how == meeting::replace) return update;
  if constexpr (std::is_floating_point_v<T>) {
    return how == meeting::add ? old + update : old * update;
  } else {
    return how == meeting::add ? wrapping_add(old, update) : wrapping_mul(old, update);
  }
}
/// Element `to` of y meets element `from` of the updates.
struct scatterer {
  value* y;
  const value* updates;
  meeting how;
  constexpr void operator()(std::int64_t to, std::int64_t from) const {
    const auto t = static_cast<std::size_t>(to);
    const auto u = static_cast<std::size_t>(from);
    if (is_floating(y->type)) {
      y->f[t] = round_to(y->type, meet(how, y->f[t], updates->f[u]));
    } else {
      y->i[t] = with_integer_of(y->type, [&]<class Int>(Int) {
        const Int met = meet(how, static_cast<Int>(y->i[t]), static_cast<Int>(updates->i[u]));
        return wrap(y->type, static_cast<std::int64_t>(met));
      });
    }
  }
};
constexpr void require_reduction(std::string_view name, const infer_context& c) {
  if (meeting_named(name) == meeting::unknown)
    c.fail(text("reduction '") << name << "' is not known; it is none, add, mul, max or min");
}
constexpr void require_dims(const infer_context& c, std::size_t i, const dims& wanted) {
  bool fits = c.dims(i).rank() == wanted.rank();
  for (std::size_t d = 0; fits && d < wanted.rank(); ++d)
    fits = wanted[d] < 0 || c.dims(i)[d] < 0 || wanted[d] == c.dims(i)[d];
  if (!fits) c.fail(text("operand ") << i << " must be " << wanted.print() << ", but is " << c.dims(i).print());
}
} // namespace detail

/// y = x, where y[i with the coordinate of axis replaced by places[i]] meets updates[i], in row-major order of i; reduction:
/// none (replaces), add, mul, max, min.                                                        (ONNX ScatterElements)
///
/// Shape:     y has the shape of x; places and updates one shape of the same rank.
/// Elements:  x and updates any, the same; places i32, i64.
/// Tiling:    any slice of the other axes.
/// Errors:    ranks, shapes or types that differ; an unknown reduction; a place outside of x (when it is evaluated).
struct scatter_elements {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, axis), (text, reduction));
  };
  static constexpr op_info info{
      .name = "scatter_elements", .onnx = "ScatterElements", .min_operands = 3, .max_operands = 3};
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_integers(c, 1);
    detail::require_same_type(c, 0, 2);
    detail::require_rank(c, 1, c.dims(0).rank());
    detail::require_dims(c, 2, c.dims(1));
    detail::require_reduction(a.reduction, c);
    static_cast<void>(detail::axis_at(a.axis, c.dims(0).rank(), c));
    c.result(0, c.type(0), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    const std::size_t axis = detail::axis_at(a.axis, x.rank());
    detail::copy_all(c);
    const detail::scatterer put{&c.out(), &c.in(2), detail::meeting_named(a.reduction)};
    const detail::strides own = detail::strides_of(x);
    detail::for_each_index(c.in(1).dims, [&](std::int64_t n, const auto& index) {
      std::int64_t at = 0;
      for (std::size_t d = 0; d < x.rank(); ++d) {
        const std::int64_t place = d == axis ? c.in(1).i[static_cast<std::size_t>(n)] : index[d];
        at += detail::place_at(place, x, d, c) * own.of[d];
      }
      put(at, n);
    });
  }
};
static_assert(op<scatter_elements>);

/// y = x, where the parts that the tuples in the last axis of the indices point to meet the updates; reduction as in
/// scatter_elements.                                                                           (ONNX ScatterND)
///
/// Shape:     y has the shape of x; updates the indices' without the last, then x's dimensions that the tuples leave out.
/// Elements:  x and updates any, the same; indices i64.
/// Tiling:    none; on the host.
/// Errors:    shapes or types that do not fit; an unknown reduction; a place outside of x (when it is evaluated).
struct scatter_nd {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((text, reduction));
  };
  static constexpr op_info info{.name = "scatter_nd", .onnx = "ScatterND", .min_operands = 3, .max_operands = 3};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    const auto& indices = c.dims(1);
    detail::require_integers(c, 1);
    detail::require_same_type(c, 0, 2);
    detail::require_reduction(a.reduction, c);
    if (indices.rank() == 0) c.fail("the indices must not be a scalar");
    const std::int64_t k = indices[indices.rank() - 1];
    if (k > static_cast<std::int64_t>(x.rank())) c.fail(text("tuples of ") << k << " places do not fit " << x.print());
    if (k >= 0) {
      tmpu::shape wanted(indices.span().first(indices.rank() - 1));
      for (auto i = static_cast<std::size_t>(k); i < x.rank() && wanted.rank() < tmpu::shape::max_rank; ++i)
        wanted.push_back(x[i]);
      detail::require_dims(c, 2, wanted);
    }
    c.result(0, c.type(0), x);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    detail::copy_all(c);
    const detail::scatterer put{&c.out(), &c.in(2), detail::meeting_named(a.reduction)};
    const detail::index_tuples t(x, c.in(1).dims, 0);
    for (std::int64_t n = 0; n < t.tuples; ++n) {
      const std::int64_t at = detail::place_of_tuple(t, n, x, c.in(1).i, 0, c);
      for (std::int64_t k = 0; k < t.part; ++k) put(at + k, n * t.part + k);
    }
  }
};
static_assert(op<scatter_nd>);

/// y = the cache x with the update written along axis from the place that operand 2 holds for each batch (0 where absent);
/// mode linear, or circular: what is beyond the end goes to the front.                         (ONNX TensorScatter)
///
/// Shape:     y has the shape of x [batch, ..., length, ...]; the update x's but for axis; operand 2 [batch].
/// Elements:  x and update any, the same; places i64.
/// Tiling:    any slice of the other axes.
/// Errors:    shapes or types that do not fit; axis 0; an unknown mode; a place outside of x (when it is evaluated).
struct tensor_scatter {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, -2>, axis), (text, mode));
  };
  static constexpr op_info info{
      .name = "tensor_scatter", .onnx = "TensorScatter", .min_operands = 2, .max_operands = 3};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    detail::require_same_type(c, 0, 1);
    const std::size_t axis = detail::axis_at(a.axis, x.rank(), c);
    if (axis == 0) c.fail("axis 0 is the batch; the sequence must lie along another one");
    detail::require_rank(c, 1, x.rank());
    tmpu::shape wanted = x;
    wanted[axis] = c.dims(1)[axis];
    detail::require_dims(c, 1, wanted);
    if (c.has(2)) {
      detail::require_integers(c, 2);
      detail::require_dims(c, 2, {x[0]});
    }
    const std::string_view mode = a.mode.view();
    if (!mode.empty() && mode != "linear" && mode != "circular")
      c.fail(text("mode '") << mode << "' is not known; it is linear or circular");
    c.result(0, c.type(0), x);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    const std::size_t axis = detail::axis_at(a.axis, x.rank());
    detail::copy_all(c);
    const detail::axis_view cache(x, axis);
    const detail::axis_view update(c.in(1).dims, axis);
    const bool circular = a.mode.view() == "circular";
    detail::with_elements(c.out(), c.in(1), [&](auto* y, const auto* from) {
      for (std::int64_t o = 0; o < cache.outer; ++o) {
        const std::int64_t batch = o / (cache.outer / x[0]);
        const std::int64_t first = c.has(2) ? c.in(2).i[static_cast<std::size_t>(batch)] : 0;
        for (std::int64_t k = 0; k < update.size; ++k) {
          const std::int64_t next = detail::wrapping_add(first, k);
          const std::int64_t place = circular ? next % cache.size : next;
          const std::int64_t at = detail::place_at(place, x, axis, c);
          for (std::int64_t i = 0; i < cache.inner; ++i)
            y[(o * cache.size + at) * cache.inner + i] = from[(o * update.size + k) * cache.inner + i];
        }
      }
    });
  }
};
static_assert(op<tensor_scatter>);

} // namespace tmpu::top
