// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/binary.hpp"
#include "tmpu/lower/product.hpp"
#include "tmpu/lower/rows.hpp"
#include "tmpu/top/integer_sums.hpp"
#include "tmpu/top/quantize.hpp"

/// Operators that quantize, dequantize and sum what is quantized, as the model says it (not as the pass quantizes). Sums of integers are made
/// in f32, which is exact for so few of them, and added up in i32.
namespace tmpu::lower {

namespace detail {

/// Integers of at most 16 bits.
constexpr bool narrow_integer(dtype_id type) {
  return !is_floating(type) && type != dtype_id::boolean && facts_of(type).bits > 0 && facts_of(type).bits <= 16;
}
/// Plain integers (or floats) of a constant or an activation, in a type.
constexpr tensor_id numbers(context& c, sequence& s, std::size_t i, const shape& dims, dtype_id type) {
  return s.convert(operand_as(c, s, i, dims), type);
}
/// x [.., extent, ..] as [before, extent, 1, behind], beside which scales lie: one for all, one for each place of an axis, or one for each
/// block of places (as large as x then).
struct scaled_view {
  std::int64_t before = 1;
  std::int64_t extent = 1;
  std::int64_t behind = 1;
  std::int64_t block = 0;
  constexpr scaled_view(const shape& x, const shape& scale, std::int64_t axis, std::int64_t block_size)
      : extent(x.elements()), block(block_size) {
    if (scale.elements() == 1 && block == 0) return;
    const top::detail::axis_view v(x, top::detail::axis_at(axis, x.rank()));
    before = v.outer;
    extent = v.size;
    behind = v.inner;
  }
  [[nodiscard]] constexpr shape dims() const { return {before, extent, 1, behind}; }
  /// Operand i, scales or zero points, beside x.
  constexpr tensor_id beside(context& c, sequence& s, std::size_t i, dtype_id type) const {
    const std::int64_t count = c.dims(i).elements();
    if (block == 0) return numbers(c, s, i, count == 1 ? shape{1, 1, 1, 1} : shape{1, extent, 1, 1}, type);
    ints places;
    for (std::int64_t n = 0; n < extent; ++n) places.push_back(n / block);
    return s.take(numbers(c, s, i, {before, count / (before * behind), 1, behind}, type), 1, places);
  }
};
/// round(x) + zero in the type, saturated; a NaN is the zero point.
constexpr tensor_id saturated(sequence& s, tensor_id x, tensor_id zero, dtype_id type) {
  constexpr float beyond = 0x1p20F; // of every narrow type
  const tensor_id near = s.unary(isa::unary_kind::clip, s.unary(isa::unary_kind::round, x), -beyond, beyond);
  tensor_id y = s.convert(near, dtype_id::i32);
  if (zero != none) y = s.integer(isa::integer_kind::add, y, zero);
  y = s.integer(isa::integer_kind::max, y, s.number_like(y, least_of(type)));
  y = s.integer(isa::integer_kind::min, y, s.number_like(y, greatest_of(type)));
  return s.convert(y, carrier_of(type));
}

/// How many products of two differences of 8-bit numbers f32 adds up exactly.
inline constexpr std::int64_t exact_products = 256;
/// Integers of operand i less their zero points, as floats.
constexpr tensor_id centred(context& c, sequence& s, std::size_t i, const shape& dims, std::size_t zero,
                            const shape& zero_dims) {
  const tensor_id x = numbers(c, s, i, dims, dtype_id::f32);
  return c.has(zero) ? s.binary(isa::binary_kind::sub, x, numbers(c, s, zero, zero_dims, dtype_id::f32)) : x;
}
/// One number, or one for each place of an axis, beside a tensor of `rank`.
constexpr shape beside_axis(const context& c, std::size_t i, std::size_t axis, std::size_t rank) {
  shape d;
  const shape own = c.has(i) ? c.dims(i) : shape{};
  if (own.rank() >= 2) return with_rank(own, rank);
  for (std::size_t k = 0; k < rank; ++k) d.push_back(k == axis ? own.elements() : 1);
  return d;
}
constexpr tensor_id plus(sequence& s, tensor_id so_far, tensor_id sums) {
  const tensor_id more = s.convert(sums, dtype_id::i32);
  return so_far == none ? more : s.integer(isa::integer_kind::add, so_far, more);
}
/// The exact product of the operands a and b less their zero points, in i32, one matrix below the other.
constexpr tensor_id integer_product(context& c, sequence& s, std::size_t a, std::size_t a_zero, std::size_t b,
                                    std::size_t b_zero) {
  const shape da = c.dims(a);
  const shape db = c.dims(b);
  // A list of zero points: of the rows of A, of the columns of B.
  const std::size_t row = da.rank() < 2 ? 0 : da.rank() - 2;
  const std::size_t column = db.rank() - 1;
  const tensor_id x = centred(c, s, a, da, a_zero, beside_axis(c, a_zero, row, da.rank()));
  const tensor_id w = centred(c, s, b, db, b_zero, beside_axis(c, b_zero, column, db.rank()));
  return products(s, x, da, w, db, [&](tensor_id m, tensor_id n) {
    const std::int64_t inner = s.dims(m)[1];
    tensor_id sum = none;
    for (std::int64_t k = 0; k < inner; k += exact_products) {
      const std::int64_t end = k + exact_products < inner ? k + exact_products : inner;
      sum = plus(s, sum, s.product(s.slice(m, 1, k, end), s.slice(n, 1, k, end)));
    }
    return sum;
  });
}
/// The exact convolution of the operands x and w less their zero points, in i32: [N, OC, od, oh * ow].
template <class Attributes>
constexpr tensor_id integer_convolution(context& c, sequence& s, const Attributes& a, std::size_t x, std::size_t x_zero,
                                        std::size_t w, std::size_t w_zero) {
  const shape dx = c.dims(x);
  const shape dw = c.dims(w);
  const auto window = top::conv::window_of(a, dx, dw);
  const std::int64_t group = a.group;
  const std::int64_t plane = dx.elements() / (dx[0] * dx[1]);
  const tensor_id in =
      s.reshape(centred(c, s, x, dx, x_zero, beside_axis(c, x_zero, 0, dx.rank())), {dx[0], group, dw[1], plane});
  const tensor_id weight =
      s.reshape(centred(c, s, w, dw, w_zero, beside_axis(c, w_zero, 0, dw.rank())), {dw[0], dw[1], window.taps(), 1});
  const std::int64_t most = exact_products / window.taps();
  tensor_id sum = none;
  for (std::int64_t k = 0; k < dw[1]; k += most) {
    const std::int64_t end = k + most < dw[1] ? k + most : dw[1];
    shape part = dx;
    part[1] = group * (end - k);
    shape of_weight = dw;
    of_weight[1] = end - k;
    const tensor_id own = s.reshape(s.slice(weight, 1, k, end), with_depth(of_weight, window.axis));
    sum = plus(s, sum,
               convolve(c, s, s.reshape(s.slice(in, 2, k, end), part), window.axis, group, {},
                        behind_x(own, s.zeros({dw[0], 1})), {c.type(), {}}));
  }
  return sum;
}
template <class Attributes>
constexpr bool takes_integer_convolution(const context& c, const Attributes& a, std::size_t x, std::size_t w) {
  return !c.is_constant(x) && top::conv::window_of(a, c.dims(x), c.dims(w)).taps() <= exact_products;
}
/// saturate(round(sums * (x_scale * w_scale / y_scale)) + zero): four dims, each scale as it lies beside the sums.
constexpr tensor_id requantized(context& c, sequence& s, tensor_id sums, tensor_id x_scale, tensor_id w_scale,
                                std::size_t y_scale, std::size_t zero) {
  const std::size_t rank = s.dims(sums).rank();
  shape one;
  for (std::size_t i = 0; i < rank; ++i) one.push_back(1);
  const tensor_id both = s.binary(isa::binary_kind::mul, x_scale, w_scale);
  const tensor_id scale = s.binary(isa::binary_kind::div, both, numbers(c, s, y_scale, one, dtype_id::f32));
  const tensor_id y = s.binary(isa::binary_kind::mul, s.convert(sums, dtype_id::f32), scale);
  return saturated(s, y, numbers(c, s, zero, one, dtype_id::i32), c.top_type(zero));
}
} // namespace detail

/// quantize_linear -> quotient, rounded, plus the zero point.
template <class Dtype> struct quantize_linear_rule {
  using op = top::quantize_linear;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return !c.is_constant(0) && c.carries(0) && detail::narrow_integer(c.result_type());
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const detail::scaled_view view(c.dims(0), c.dims(1), a.axis, a.block_size);
    sequence s(c);
    const tensor_id x = detail::numbers(c, s, 0, view.dims(), dtype_id::f32);
    const tensor_id q = s.binary(isa::binary_kind::div, x, view.beside(c, s, 1, dtype_id::f32));
    const tensor_id zero = c.has(2) ? view.beside(c, s, 2, dtype_id::i32) : none;
    s.finish(detail::saturated(s, q, zero, c.result_type()));
  }
};

/// dequantize_linear -> difference from the zero point, times the scale.
template <class Dtype> struct dequantize_linear_rule {
  using op = top::dequantize_linear;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return !c.is_constant(0) && c.carries(0) &&
           (detail::narrow_integer(c.top_type(0)) || c.top_type(0) == dtype_id::i32);
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const detail::scaled_view view(c.dims(0), c.dims(1), a.axis, a.block_size);
    sequence s(c);
    tensor_id x = detail::numbers(c, s, 0, view.dims(), dtype_id::i32);
    if (c.has(2)) x = s.integer(isa::integer_kind::sub, x, view.beside(c, s, 2, dtype_id::i32));
    s.finish(s.binary(isa::binary_kind::mul, s.convert(x, dtype_id::f32), view.beside(c, s, 1, dtype_id::f32)));
  }
};

/// dynamic_quantize_linear -> the least and the greatest element, the scale and the zero point of them, then as quantize_linear.
template <class Dtype> struct dynamic_quantize_linear_rule {
  using op = top::dynamic_quantize_linear;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    sequence s(c);
    const tensor_id x = s.reshape(c.operand(0), sequence::in_parts(1, c.dims(0).elements()));
    const tensor_id zero = s.scalar(0.0F);
    const tensor_id low = s.binary(isa::binary_kind::min, s.reduce_parts(isa::reduce_kind::min, x), zero);
    const tensor_id high = s.binary(isa::binary_kind::max, s.reduce_parts(isa::reduce_kind::max, x), zero);
    const tensor_id range = s.binary(isa::binary_kind::sub, high, low);
    const tensor_id of_range = s.binary(isa::binary_kind::div, range, s.scalar(255.0F));
    const tensor_id scale = s.select(s.compare(isa::compare_kind::equal, high, low), s.scalar(1.0F), of_range);
    const tensor_id below = s.binary(isa::binary_kind::div, s.unary(isa::unary_kind::neg, low), scale);
    const tensor_id point = detail::saturated(s, below, none, dtype_id::u8);
    const tensor_id q = s.binary(isa::binary_kind::div, x, scale);
    s.finish(detail::saturated(s, q, s.convert(point, dtype_id::i32), dtype_id::u8));
    if (c.wants(1)) s.finish(scale, 1);
    if (c.wants(2)) s.finish(point, 2);
  }
};

/// matmul_integer -> exact products of floats, added up in i32.
template <class Dtype> struct matmul_integer_rule {
  using op = top::matmul_integer;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) { return detail::takes_matrices(c, 0, 1); }
  static constexpr void apply(context& c, node_id) {
    sequence s(c);
    s.finish(detail::integer_product(c, s, 0, 2, 1, 3));
  }
};

/// qlinear_matmul -> the same, times the scales, rounded, plus the zero point.
template <class Dtype> struct qlinear_matmul_rule {
  using op = top::qlinear_matmul;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return detail::takes_matrices(c, 0, 3) && c.result_dims().rank() >= 2;
  }
  static constexpr void apply(context& c, node_id) {
    const shape& y = c.result_dims();
    sequence s(c);
    const tensor_id sums = s.reshape(detail::integer_product(c, s, 0, 2, 3, 5), y);
    const auto scale = [&](std::size_t i, std::size_t axis) {
      return detail::numbers(c, s, i, detail::beside_axis(c, i, axis, y.rank()), dtype_id::f32);
    };
    s.finish(detail::requantized(c, s, sums, scale(1, y.rank() - 2), scale(4, y.rank() - 1), 6, 7));
  }
};

/// conv_integer -> exact convolutions of floats, added up in i32.
template <class Dtype> struct conv_integer_rule {
  using op = top::conv_integer;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return detail::takes_integer_convolution(c, c.attributes<op>(), 0, 1);
  }
  static constexpr void apply(context& c, node_id) {
    sequence s(c);
    s.finish(detail::integer_convolution(c, s, c.attributes<op>(), 0, 2, 1, 3));
  }
};

/// qlinear_conv -> the same plus the bias, times the scales, rounded, plus the zero point.
template <class Dtype> struct qlinear_conv_rule {
  using op = top::qlinear_conv;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return detail::takes_integer_convolution(c, c.attributes<op>(), 0, 3);
  }
  static constexpr void apply(context& c, node_id) {
    sequence s(c);
    tensor_id sums = detail::integer_convolution(c, s, c.attributes<op>(), 0, 2, 3, 5);
    const shape channels{1, s.dims(sums)[1], 1, 1};
    if (c.has(8)) sums = s.integer(isa::integer_kind::add, sums, detail::numbers(c, s, 8, channels, dtype_id::i32));
    const auto scale = [&](std::size_t i) {
      return detail::numbers(c, s, i, c.dims(i).elements() == 1 ? shape{1, 1, 1, 1} : channels, dtype_id::f32);
    };
    s.finish(detail::requantized(c, s, sums, scale(1), scale(4), 6, 7));
  }
};

} // namespace tmpu::lower
