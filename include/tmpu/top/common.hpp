// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/math.hpp"
#include "tmpu/ir/op.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// Top: what each operator means, after the ONNX operator pages (newest opset), in float or exact integers. No hardware
/// in here. Common to all operators:
/// * an unknown dimension (-1) stays unknown in the result, it is no error;
/// * floating-point results are rounded once to the element type of the result;
/// * integer results wrap around to the width of their type, as ONNX Runtime's do.
namespace tmpu::top {

namespace detail {

using dims = tmpu::shape; // top::shape is an operator

/// Rounds the elements to the value's own type.
constexpr void round_elements(value& v) {
  if (v.type == dtype_id::f32 || v.type == dtype_id::f64) return;
  for (float& x : v.f) x = round_to(v.type, x);
}

/// The integer kept in `type`: wraps around (two's complement).
constexpr std::int64_t wrap(dtype_id type, std::int64_t x) {
  switch (type) {
  case dtype_id::i2: return ((x & 3) ^ 2) - 2;
  case dtype_id::u2: return x & 3;
  case dtype_id::i4: return ((x & 15) ^ 8) - 8;
  case dtype_id::u4: return x & 15;
  case dtype_id::i8: return static_cast<std::int8_t>(x);
  case dtype_id::u8: return static_cast<std::uint8_t>(x);
  case dtype_id::i16: return static_cast<std::int16_t>(x);
  case dtype_id::u16: return static_cast<std::uint16_t>(x);
  case dtype_id::i32: return static_cast<std::int32_t>(x);
  case dtype_id::u32: return static_cast<std::uint32_t>(x);
  case dtype_id::boolean: return x != 0 ? 1 : 0;
  default: return x;
  }
}

// Two's complement arithmetic without undefined overflow.
template <class Int> constexpr Int wrapping_add(Int a, Int b) {
  return static_cast<Int>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
template <class Int> constexpr Int wrapping_mul(Int a, Int b) {
  return static_cast<Int>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
template <class Int> constexpr Int wrapping_neg(Int a) {
  return static_cast<Int>(std::uint64_t{0} - static_cast<std::uint64_t>(a));
}

/// A value keeps integers in signed words. Calls f with a zero of the type in which they are ordered and divided: u64
/// elements are unsigned words, all others fit into the signed ones.
template <class F> constexpr auto with_integer_of(dtype_id type, F&& f) {
  return type == dtype_id::u64 ? f(std::uint64_t{}) : f(std::int64_t{});
}

/// Least and greatest number of an integer type of any width, as the word that a value keeps.
constexpr std::int64_t least_word(dtype_id type) {
  if (type == dtype_id::i64) return -9223372036854775807 - 1;
  return type == dtype_id::u64 ? 0 : least_of(type);
}
constexpr std::int64_t greatest_word(dtype_id type) {
  if (type == dtype_id::i64) return 9223372036854775807;
  return type == dtype_id::u64 ? -1 : greatest_of(type);
}

/// The integer of `type` that x becomes: toward zero, beyond 64 bits the nearest, then wrapped; a NaN is 0, as bool 1.
constexpr std::int64_t to_integer(dtype_id type, double x) {
  if (type == dtype_id::boolean) return x == 0.0 ? 0 : 1;
  if (math::is_nan(x)) return 0;
  if (type == dtype_id::u64 && x >= 0x1p63)
    return static_cast<std::int64_t>(x >= 0x1p64 ? ~std::uint64_t{0} : static_cast<std::uint64_t>(x));
  if (x >= 0x1p63) return wrap(type, 9223372036854775807);
  if (x <= -0x1p63) return wrap(type, -9223372036854775807 - 1);
  return wrap(type, static_cast<std::int64_t>(x));
}
/// The number that the word of an integer type stands for.
template <class Real = double> constexpr Real from_integer(dtype_id type, std::int64_t word) {
  return with_integer_of(type, [&]<class Int>(Int) { return static_cast<Real>(static_cast<Int>(word)); });
}
/// Element n of a value as a number, whatever its type.
constexpr double number_at(const value& v, std::size_t n) {
  return is_floating(v.type) ? static_cast<double>(v.f[n]) : from_integer(v.type, v.i[n]);
}

/// Bounds applied to a result: `clamp = [low, high]`; none when empty.
struct clamp_bounds {
  float low = -math::infinity<float>;
  float high = math::infinity<float>;
  constexpr clamp_bounds() = default;
  constexpr explicit clamp_bounds(const floats& clamp) {
    if (clamp.size() == 2) {
      low = clamp[0];
      high = clamp[1];
    }
  }
  constexpr float operator()(float x) const { return x < low ? low : (x > high ? high : x); }
};
constexpr void check_clamp(const floats& clamp, const infer_context& c) {
  if (!clamp.empty() && (clamp.size() != 2 || !(clamp[0] <= clamp[1]))) c.fail("clamp must be empty or [low, high]");
}
constexpr void clamp_elements(const floats& clamp, value& v) {
  if (clamp.size() != 2) return;
  const clamp_bounds bounds(clamp);
  for (float& x : v.f) x = bounds(x);
}

/// The axis counted from the front; refuses one outside of [-rank, rank).
template <class Context> constexpr std::size_t axis_at(std::int64_t axis, std::size_t rank, const Context& c) {
  const auto r = static_cast<std::int64_t>(rank);
  if (axis < -r || axis >= r) c.fail(text("axis ") << axis << " is outside of a tensor of rank " << rank);
  return static_cast<std::size_t>(axis < 0 ? axis + r : axis);
}
constexpr std::size_t axis_at(std::int64_t axis, std::size_t rank) {
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis);
}

constexpr void require_floating(const infer_context& c, std::size_t i) {
  if (!is_floating(c.type(i))) {
    c.fail(text("takes floating-point elements, but operand ") << i << " holds " << name_of(c.type(i)));
  }
}
constexpr void require_integers(const infer_context& c, std::size_t i) {
  if (is_floating(c.type(i)) || c.type(i) == dtype_id::boolean || c.type(i) == dtype_id::string) {
    c.fail(text("takes integers, but operand ") << i << " holds " << name_of(c.type(i)));
  }
}
constexpr void require_same_type(const infer_context& c, std::size_t a, std::size_t b) {
  if (c.type(a) != c.type(b)) {
    c.fail(text("operands ") << a << " and " << b << " must have one element type, but hold " << name_of(c.type(a))
                             << " and " << name_of(c.type(b)));
  }
}
constexpr void require_rank(const infer_context& c, std::size_t i, std::size_t rank) {
  if (c.dims(i).rank() != rank) {
    c.fail(text("operand ") << i << " must have rank " << rank << ", but is " << c.dims(i).print());
  }
}

/// a * b of numbers that are not negative, the greatest integer where it is beyond it.
constexpr std::int64_t saturating_product(std::int64_t a, std::int64_t b) {
  constexpr std::int64_t greatest = 9223372036854775807;
  return b > 0 && a > greatest / b ? greatest : a * b;
}
/// Product of dimensions [first, last); -1 where one of them is unknown.
constexpr std::int64_t product(const dims& d, std::size_t first, std::size_t last) {
  std::int64_t count = 1;
  bool known = true;
  for (std::size_t i = first; i < last; ++i) {
    known = known && d[i] >= 0;
    count *= d[i];
  }
  return known ? count : -1;
}

/// Multidirectional broadcasting where dimensions may be unknown: unknown against more than 1 is taken to fit.
constexpr dims broadcast_dims(const dims& a, const dims& b, const infer_context& c) {
  dims out;
  const std::size_t rank = a.rank() > b.rank() ? a.rank() : b.rank();
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t da = i + a.rank() < rank ? 1 : a[i + a.rank() - rank];
    const std::int64_t db = i + b.rank() < rank ? 1 : b[i + b.rank() - rank];
    if (da >= 0 && db >= 0 && da != db && da != 1 && db != 1) {
      c.fail(text("shapes ") << a.print() << " and " << b.print() << " cannot be broadcast against each other");
    }
    out.push_back(da == 1 || (da < 0 && db > 1) ? db : da);
  }
  return out;
}

/// Steps in elements, one for each dimension.
struct strides {
  std::int64_t of[dims::max_rank] = {};
};
constexpr strides strides_of(const dims& d) {
  strides s;
  std::int64_t step = 1;
  for (std::size_t i = d.rank(); i-- > 0;) {
    s.of[i] = step;
    step *= d[i];
  }
  return s;
}
/// Steps through x when the indexes run over `out`, to which x is broadcast.
constexpr strides broadcast_strides(const dims& x, const dims& out) {
  strides s;
  const strides own = strides_of(x);
  for (std::size_t i = 0; i < x.rank(); ++i) {
    s.of[i + out.rank() - x.rank()] = x[i] == 1 ? 0 : own.of[i];
  }
  return s;
}

/// Calls f(places, count, steps) for each row of `over`, in row-major order: tensor k starts at places[k] and goes on by
/// steps[k], count times. Innermost axes over which every tensor goes on in the same steps are one row.
template <std::size_t Count, class F> constexpr void for_each_row(const dims& over, const strides (&s)[Count], F&& f) {
  std::int64_t at[Count] = {};
  std::int64_t steps[Count] = {};
  std::int64_t index[dims::max_rank] = {};
  if (over.elements() == 0) return;
  if (over.rank() == 0) {
    f(at, std::int64_t{1}, steps);
    return;
  }
  std::size_t last = over.rank() - 1;
  while (last > 0 && over[last] == 1) --last;
  for (std::size_t k = 0; k < Count; ++k) steps[k] = s[k].of[last];
  std::int64_t count = over[last];
  const auto goes_on = [&](std::size_t d) {
    for (std::size_t k = 0; k < Count; ++k) {
      if (s[k].of[d] != steps[k] * count) return false;
    }
    return true;
  };
  for (; last > 0 && (over[last - 1] == 1 || goes_on(last - 1)); --last) count *= over[last - 1];
  while (true) {
    f(at, count, steps);
    std::size_t d = last;
    while (d > 0) {
      --d;
      ++index[d];
      for (std::size_t k = 0; k < Count; ++k) at[k] += s[k].of[d];
      if (index[d] < over[d]) break;
      for (std::size_t k = 0; k < Count; ++k) at[k] -= s[k].of[d] * over[d];
      index[d] = 0;
      if (d == 0) return;
    }
    if (last == 0) return;
  }
}

/// A tensor as [outer, size, inner] around one axis.
struct axis_view {
  std::int64_t outer = 1;
  std::int64_t size = 1;
  std::int64_t inner = 1;
  constexpr axis_view(const dims& d, std::size_t axis)
      : outer(product(d, 0, axis)), size(d[axis]), inner(product(d, axis + 1, d.rank())) {}
  /// Calls f(place of the first element of a line along the axis, number of the line).
  template <class F> constexpr void for_each_line(F&& f) const {
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t i = 0; i < inner; ++i) f(o * size * inner + i, o * inner + i);
    }
  }
};

/// Calls f(n, index) for each place of `over` in row-major order.
template <class F> constexpr void for_each_index(const dims& over, F&& f) {
  std::int64_t index[dims::max_rank] = {};
  const std::int64_t count = over.elements();
  for (std::int64_t n = 0; n < count; ++n) {
    f(n, index);
    for (std::size_t d = over.rank(); d-- > 0;) {
      if (++index[d] < over[d]) break;
      index[d] = 0;
    }
  }
}

/// y[i] = f(y[i], x[i]) in float, x broadcast to y.
template <class F> constexpr void combine_in_place(value& y, const value& x, F&& f) {
  const strides all[] = {strides_of(y.dims), broadcast_strides(x.dims, y.dims)};
  for_each_row(y.dims, all, [&](const auto& at, std::int64_t count, const auto& step) {
    float* to = y.f.data() + at[0];
    const float* from = x.f.data() + at[1];
    for (std::int64_t n = 0; n < count; ++n) to[n] = f(to[n], from[n * step[1]]);
  });
}

/// Calls f(y, x) with pointers to the elements of two values of one type.
template <class F> constexpr void with_elements(value& y, const value& x, F&& f) {
  if (is_floating(y.type)) {
    f(y.f.data(), x.f.data());
  } else {
    f(y.i.data(), x.i.data());
  }
}

/// The integers of an operand of axes, bounds or sizes; the attribute where the operand is absent.
constexpr ints integers(const eval_context& c, std::size_t i, const ints& otherwise = {}) {
  if (c.has(i)) return c.in(i).i;
  return otherwise;
}

} // namespace detail
} // namespace tmpu::top
