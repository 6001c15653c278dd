// SPDX-License-Identifier: Apache-2.0
#pragma once

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
    BOOST_HANA_DEFINE_STRUCT(attributes, (defaulted<std::int64_t, 0>, start),
                             (defaulted<std::int64_t, 9223372036854775807>, end));
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

} // namespace tmpu::top
