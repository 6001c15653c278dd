// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/cast.hpp"
#include "tmpu/top/list_operands.hpp"

namespace tmpu::top {

/// y = a tensor that is part of the model: operand 0, a constant.                              (ONNX Constant)
/// (ONNX has it as an attribute; the importer makes it a constant of the graph.)
///
/// Shape:     that of the tensor.
/// Elements:  any.
/// Tiling:    any slice.
/// Errors:    none.
struct constant {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "constant", .onnx = "Constant"};
  static constexpr void infer(const attributes&, infer_context& c) { c.result(0, c.type(0), c.dims(0)); }
  static constexpr void eval(const attributes&, eval_context& c) { c.out() = c.in(0); }
};
static_assert(op<constant>);

/// y has the shape that operand 0 holds, all elements are the value: operand 1 where given (an attribute in ONNX), otherwise
/// a float 0.                                                                                  (ONNX ConstantOfShape)
///
/// Shape:     as operand 0 says (i64 [rank]).
/// Elements:  the value's type.
/// Tiling:    any slice.
/// Errors:    negative sizes; a value of more than one element.
struct constant_of_shape {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "constant_of_shape", .onnx = "ConstantOfShape", .max_operands = 2};
  static constexpr void infer(const attributes&, infer_context& c) {
    dtype_id type = dtype_id::f32;
    if (c.has(1)) {
      type = c.type(1);
      if (c.dims(1).elements() != 1) c.fail(text("the value must be one element, but is ") << c.dims(1).print());
    }
    const ints sizes = detail::sizes_as_known(c, 0);
    if (sizes.size() > tmpu::shape::max_rank) c.fail("the result would have more than 8 dimensions");
    for (const std::int64_t n : sizes) {
      if (n < 0 && (n != -1 || c.is_constant(0))) c.fail(text("a size must not be negative: ") << n);
    }
    c.result(0, type, tmpu::shape(sizes.span()));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    if (!c.has(1)) return;
    for (float& y : c.out().f) y = c.in(1).f[0];
    for (std::int64_t& y : c.out().i) y = c.in(1).i[0];
  }
};
static_assert(op<constant_of_shape>);

/// y = the dimensions [start, end) of x, as i64.                                               (ONNX Shape)
///
/// Shape:     y [end - start].
/// Elements:  x any; y i64.
/// Tiling:    none; it is folded before lowering.
/// Errors:    none (evaluation needs a known shape).
struct shape {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = reads_dims;
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, start), (defaulted<std::int64_t, 9223372036854775807>, end));
  };
  static constexpr op_info info{.name = "shape", .onnx = "Shape"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const std::int64_t rank = static_cast<std::int64_t>(c.dims(0).rank());
    const std::int64_t count = bound(a.end, rank) - bound(a.start, rank);
    c.result(0, dtype_id::i64, {count > 0 ? count : 0});
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto first = bound(a.start, static_cast<std::int64_t>(c.in(0).dims.rank()));
    for (std::size_t n = 0; n < c.out().i.size(); ++n) c.out().i[n] = c.in(0).dims[static_cast<std::size_t>(first) + n];
  }

private:
  static constexpr std::int64_t bound(std::int64_t at, std::int64_t rank) {
    const std::int64_t place = at < 0 ? at + rank : at;
    return place < 0 ? 0 : (place > rank ? rank : place);
  }
};
static_assert(op<shape>);

/// y = the number of elements of x, as an i64 scalar.                                          (ONNX Size)
///
/// Shape:     y [].
/// Elements:  x any; y i64.
/// Tiling:    none; it is folded before lowering.
/// Errors:    none.
struct size {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = reads_dims;
  using attributes = no_attributes;
  static constexpr op_info info{.name = "size", .onnx = "Size"};
  static constexpr void infer(const attributes&, infer_context& c) { c.result(0, dtype_id::i64, {}); }
  static constexpr void eval(const attributes&, eval_context& c) { c.out().i[0] = c.in(0).dims.elements(); }
};
static_assert(op<size>);

/// y = start, start + delta, ... as long as it is before limit. Operands: start, limit, delta.     (ONNX Range)
///
/// Shape:     y [max(0, ceil((limit - start) / delta))]; unknown until the operands are.
/// Elements:  f32, f64, i16, i32, i64.
/// Tiling:    none; it is folded before lowering.
/// Errors:    operands that are no scalars of one type; a delta of 0.
struct range {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "range", .onnx = "Range", .min_operands = 3, .max_operands = 3};
  static constexpr void infer(const attributes&, infer_context& c) {
    bool told = true;
    for (std::size_t i = 0; i < 3; ++i) {
      detail::require_same_type(c, 0, i);
      told = told && c.is_constant(i);
      detail::require_one(c, i);
    }
    c.result(0, c.type(0), {told ? count(c.constant(0), c.constant(1), c.constant(2), c) : -1});
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    value& y = c.out();
    for (std::size_t n = 0; n < y.f.size(); ++n)
      y.f[n] = c.in(0).f[0] + static_cast<float>(static_cast<std::int64_t>(n)) * c.in(2).f[0];
    for (std::size_t n = 0; n < y.i.size(); ++n)
      y.i[n] = detail::wrap(
          y.type, detail::wrapping_add(c.in(0).i[0], detail::wrapping_mul(static_cast<std::int64_t>(n), c.in(2).i[0])));
    detail::round_elements(y);
  }

private:
  static constexpr std::int64_t count(const value& start, const value& limit, const value& delta,
                                      const infer_context& c) {
    std::int64_t n = 0;
    if (detail::number_at(delta, 0) == 0.0) c.fail("delta must not be 0");
    if (is_floating(start.type)) {
      n = detail::to_integer(dtype_id::i64, math::ceil((detail::number_at(limit, 0) - detail::number_at(start, 0)) /
                                                       detail::number_at(delta, 0)));
    } else {
      const bool up = delta.i[0] > 0;
      const std::int64_t from = up ? start.i[0] : limit.i[0];
      const std::int64_t to = up ? limit.i[0] : start.i[0];
      // The distance of two 64-bit integers needs all 64 bits.
      const std::uint64_t distance = static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
      const std::uint64_t step =
          up ? static_cast<std::uint64_t>(delta.i[0]) : std::uint64_t{0} - static_cast<std::uint64_t>(delta.i[0]);
      n = from < to ? static_cast<std::int64_t>((distance - 1) / step + 1) : 0;
    }
    if (n > (std::int64_t{1} << 31) || (n < 0 && !is_floating(start.type)))
      c.fail("the result would have more than 2^40 elements");
    return n < 0 ? 0 : n;
  }
};
static_assert(op<range>);

/// y = 1 on the k-th diagonal (above the main one where k > 0), 0 elsewhere.                   (ONNX EyeLike)
///
/// Shape:     y has the shape of x [rows, columns].
/// Elements:  the type `dtype` (a number of TensorProto.DataType), x's where it is 0.
/// Tiling:    none; it is folded before lowering.
/// Errors:    another rank; a type that tmpu does not hold.
struct eye_like {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, dtype), (defaulted<std::int64_t, 0>, k));
  };
  static constexpr op_info info{.name = "eye_like", .onnx = "EyeLike"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_rank(c, 0, 2);
    const dtype_id type = a.dtype == 0 ? c.type(0) : dtype_of_onnx(a.dtype);
    if (type == dtype_id::none || type == dtype_id::string)
      c.fail(text("cannot make elements of ONNX type ") << a.dtype);
    c.result(0, type, c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    detail::for_each_index(y.dims, [&](std::int64_t n, const auto& index) {
      if (index[1] - index[0] != a.k) return;
      if (is_floating(y.type)) {
        y.f[static_cast<std::size_t>(n)] = 1.0F;
      } else {
        y.i[static_cast<std::size_t>(n)] = 1;
      }
    });
  }
};
static_assert(op<eye_like>);

} // namespace tmpu::top
