// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/binary.hpp"
#include "tmpu/top/conv.hpp"
#include "tmpu/top/list_operands.hpp"
#include "tmpu/top/matmul.hpp"
#include "tmpu/top/quantize.hpp"

/// Convolutions and matrix products of quantized tensors: exact integer sums of (x - zero) * (w - zero).
namespace tmpu::top {

namespace detail {

/// The integers of x less the zero points, which broadcast to x; `zero` may be absent.
constexpr value centred(const value& x, const value* zero, const dims& zero_dims) {
  value y = x;
  y.type = dtype_id::i64;
  if (zero != nullptr) {
    combine(y.dims, y.i.data(), x.dims, x.i.data(), zero_dims, zero->i.data(),
            [](std::int64_t v, std::int64_t z) { return v - z; });
  }
  return y;
}
constexpr const value* operand_or_null(const eval_context& c, std::size_t i) { return c.has(i) ? &c.in(i) : nullptr; }
/// A list of one value for each place along `axis`, as a tensor of that rank; a scalar stays one.
constexpr dims along(const value* list, std::size_t axis, std::size_t rank) {
  dims d;
  if (list == nullptr || list->size() == 1) return d;
  if (list->dims.rank() != 1) return list->dims;
  for (std::size_t i = 0; i < rank; ++i) d.push_back(i == axis ? list->dims[0] : 1);
  return d;
}
/// y = saturate(round(sum * (x_scale * w_scale / y_scale)) + zero), in f32; the scales broadcast to the sums.
constexpr void requantize(value& y, const value& sums, const value& x_scale, const dims& x_dims, const value& w_scale,
                          const dims& w_dims, const value& y_scale, const value& zero) {
  value scales(dtype_id::f32, y.dims);
  combine(y.dims, scales.f.data(), x_dims, x_scale.f.data(), w_dims, w_scale.f.data(),
          [&](float a, float b) { return activation::divide(a * b, y_scale.f[0]); });
  for (std::size_t n = 0; n < y.i.size(); ++n)
    y.i[n] = saturated(y.type, static_cast<float>(sums.i[n]) * scales.f[n], zero.i[0]);
}
/// Scales and zero points of a list: one, or one for each of `count`.
constexpr void require_one_or(const infer_context& c, std::size_t i, std::int64_t count) {
  if (!c.has(i) || !c.dims(i).known() || c.dims(i).elements() == 1) return;
  if (c.dims(i).rank() != 1 || (count >= 0 && c.dims(i)[0] != count))
    c.fail(text("operand ") << i << " must hold 1 or " << count << " numbers, but is " << c.dims(i).print());
}
/// The same of matrices: one, one for each row (or column), or what broadcasts to the matrices.
constexpr void require_one_of_matrix(const infer_context& c, std::size_t i, const dims& x, bool rows) {
  if (!c.has(i) || c.dims(i).rank() < 2) {
    require_one_or(c, i, x.rank() < 2 ? 1 : x[x.rank() - (rows ? 2 : 1)]);
  } else if (x.known() && c.dims(i).known() && !(broadcast_dims(c.dims(i), x, c) == x)) {
    c.fail(text("operand ") << i << ' ' << c.dims(i).print() << " does not broadcast to " << x.print());
  }
}
constexpr void require_narrow(const infer_context& c, std::size_t i) {
  if (c.has(i) && c.type(i) != dtype_id::i8 && c.type(i) != dtype_id::u8)
    c.fail(text("operand ") << i << " must hold i8 or u8, not " << name_of(c.type(i)));
}

/// The types of x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, and that y has one scale and zero point.
constexpr void require_operands(const infer_context& c) {
  for (const std::size_t i : {0U, 2U, 3U, 5U, 7U}) require_narrow(c, i);
  for (const std::size_t i : {1U, 4U, 6U}) require_floating(c, i);
  for (const std::size_t i : {6U, 7U}) require_one(c, i);
}

/// The attributes of a convolution of integers, and its sums.
struct integer_conv {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((text, auto_pad), (ints, dilations), (defaulted<std::int64_t, 1>, group), (ints, kernel_shape),
                (ints, pads), (ints, strides));
  };
  static constexpr value sums(const attributes& a, const value& x, const value& w, const dims& result) {
    const window win = conv::window_of(a, x.dims, w.dims);
    const std::int64_t channels = w.dims[1];
    const std::int64_t outputs = w.dims[0] / a.group;
    const std::int64_t depth = channels * win.taps();
    value y(dtype_id::i64, result);
    for (std::int64_t n = 0; n < x.dims[0]; ++n) {
      for (std::int64_t oc = 0; oc < w.dims[0]; ++oc) {
        const std::int64_t first = oc / outputs * channels;
        const std::int64_t* in = x.i.data() + (n * x.dims[1] + first) * win.in_plane();
        std::int64_t* out = y.i.data() + (n * w.dims[0] + oc) * win.out_plane();
        for (std::int64_t od = 0; od < win.axis[0].out; ++od) {
          for (std::int64_t oh = 0; oh < win.axis[1].out; ++oh) {
            conv_row(win, in, w.i.data() + oc * depth, channels, od, oh, out);
            out += win.axis[2].out;
          }
        }
      }
    }
    return y;
  }
};
/// The integer product of two tensors of matrices, as i64.
constexpr value product_of(const value& a, const value& b, const dims& result) {
  value y(dtype_id::i64, result);
  matmul::multiply(a, b, y);
  return y;
}
} // namespace detail

/// y = the convolution of x - x_zero with w - w_zero (operands 0 to 3; the zero points default to 0), exact sums in
/// i32; padding counts as x_zero.                                                              (ONNX ConvInteger)
///
/// Shape:     as conv; x_zero [], w_zero [] or [output channels].
/// Elements:  x and w i8 or u8; y i32.
/// Tiling:    as conv.
/// Errors:    as conv; elements of another type; zero points that do not fit.
struct conv_integer : detail::integer_conv {
  static constexpr op_info info{.name = "conv_integer", .onnx = "ConvInteger", .min_operands = 2, .max_operands = 4};
  static constexpr void infer(const attributes& a, infer_context& c) {
    for (std::size_t i = 0; i < 4; ++i) detail::require_narrow(c, i);
    const auto y = conv::result_dims(a, c, 0, 1, 4);
    detail::require_one(c, 2);
    detail::require_one_or(c, 3, c.dims(1)[0]);
    c.result(0, dtype_id::i32, y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value* w_zero = detail::operand_or_null(c, 3);
    const value x = detail::centred(c.in(0), detail::operand_or_null(c, 2), {});
    const value w = detail::centred(c.in(1), w_zero, detail::along(w_zero, 0, c.in(1).dims.rank()));
    value& y = c.out();
    const value all = sums(a, x, w, y.dims);
    for (std::size_t n = 0; n < y.i.size(); ++n) y.i[n] = detail::wrap(y.type, all.i[n]);
  }
};
static_assert(op<conv_integer>);

/// y = saturate(round((sum + bias) * x_scale * w_scale / y_scale) + y_zero) with the sums of conv_integer; operands: x, x_scale,
/// x_zero, w, w_scale, w_zero, y_scale, y_zero, bias (i32, may be absent).                     (ONNX QLinearConv)
///
/// Shape:     as conv; w_scale and w_zero [] or [output channels], the other scales and zero points [].
/// Elements:  x, w, y i8 or u8; y as y_zero.
/// Tiling:    as conv.
/// Errors:    as conv; elements of another type; scales and zero points that do not fit.
struct qlinear_conv : detail::integer_conv {
  static constexpr op_info info{.name = "qlinear_conv", .onnx = "QLinearConv", .min_operands = 8, .max_operands = 9};
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_operands(c);
    for (const std::size_t i : {1U, 2U}) detail::require_one(c, i);
    if (c.has(8)) detail::require_integers(c, 8);
    const auto y = conv::result_dims(a, c, 0, 3, 8);
    for (const std::size_t i : {4U, 5U}) detail::require_one_or(c, i, c.dims(3)[0]);
    c.result(0, c.type(7), y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& weight = c.in(3);
    value& y = c.out();
    const value x = detail::centred(c.in(0), &c.in(2), {});
    const value w = detail::centred(weight, &c.in(5), detail::along(&c.in(5), 0, weight.dims.rank()));
    value all = sums(a, x, w, y.dims);
    if (c.has(8)) {
      detail::combine(y.dims, all.i.data(), y.dims, all.i.data(), detail::along(&c.in(8), 1, y.dims.rank()),
                      c.in(8).i.data(), [](std::int64_t s, std::int64_t b) { return s + b; });
    }
    detail::requantize(y, all, c.in(1), {}, c.in(4), detail::along(&c.in(4), 1, y.dims.rank()), c.in(6), c.in(7));
  }
};
static_assert(op<qlinear_conv>);

/// y = (A - a_zero) (B - b_zero) as matmul, exact sums in i32; operands A, B, a_zero, b_zero (default 0).  (ONNX MatMulInteger)
///
/// Shape:     as matmul; a_zero [] or [rows], b_zero [] or [columns], or both of matmul's rank.
/// Elements:  A and B i8 or u8; y i32.
/// Tiling:    as matmul.
/// Errors:    as matmul; elements of another type.
struct matmul_integer {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{
      .name = "matmul_integer", .onnx = "MatMulInteger", .min_operands = 2, .max_operands = 4};
  static constexpr void infer(const attributes&, infer_context& c) {
    for (std::size_t i = 0; i < 4; ++i) detail::require_narrow(c, i);
    const auto y = matmul::result_dims(c, 0, 1);
    detail::require_one_of_matrix(c, 2, c.dims(0), true);
    detail::require_one_of_matrix(c, 3, c.dims(1), false);
    c.result(0, dtype_id::i32, y);
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const value all = product(c, 0, 2, 1, 3);
    value& y = c.out();
    for (std::size_t n = 0; n < y.i.size(); ++n) y.i[n] = detail::wrap(y.type, all.i[n]);
  }
  /// The product of the operands a and b less their zero points.
  static constexpr value product(eval_context& c, std::size_t a, std::size_t a_zero, std::size_t b,
                                 std::size_t b_zero) {
    const std::size_t rank = c.in(a).dims.rank();
    const value* za = detail::operand_or_null(c, a_zero);
    const value* zb = detail::operand_or_null(c, b_zero);
    return detail::product_of(detail::centred(c.in(a), za, detail::along(za, rank < 2 ? 0 : rank - 2, rank)),
                              detail::centred(c.in(b), zb, zb == nullptr || zb->size() == 1 ? tmpu::shape{} : zb->dims),
                              c.out().dims);
  }
};
static_assert(op<matmul_integer>);

/// y = saturate(round(product * a_scale * b_scale / y_scale) + y_zero) with the products of matmul_integer; operands: A, a_scale,
/// a_zero, B, b_scale, b_zero, y_scale, y_zero.                                                (ONNX QLinearMatMul)
///
/// Shape:     as matmul; a's scale and zero point [] or [rows], b's [] or [columns], y's [].
/// Elements:  A, B, y i8 or u8; y as y_zero.
/// Tiling:    as matmul.
/// Errors:    as matmul; elements of another type.
struct qlinear_matmul {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{
      .name = "qlinear_matmul", .onnx = "QLinearMatMul", .min_operands = 8, .max_operands = 8};
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_operands(c);
    const auto y = matmul::result_dims(c, 0, 3);
    detail::require_one_of_matrix(c, 1, y, true);
    detail::require_one_of_matrix(c, 2, c.dims(0), true);
    detail::require_one_of_matrix(c, 4, y, false);
    detail::require_one_of_matrix(c, 5, c.dims(3), false);
    c.result(0, c.type(7), y);
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    value& y = c.out();
    const std::size_t rank = y.dims.rank();
    const value& b_scale = c.in(4);
    detail::requantize(y, matmul_integer::product(c, 0, 2, 3, 5), c.in(1),
                       detail::along(&c.in(1), rank < 2 ? 0 : rank - 2, rank), b_scale,
                       b_scale.size() == 1 ? tmpu::shape{} : b_scale.dims, c.in(6), c.in(7));
  }
};
static_assert(op<qlinear_matmul>);

} // namespace tmpu::top
