// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
#include "tmpu/top/binary.hpp"

namespace tmpu::lower {

namespace detail {

/// dims with leading ones, so that folding aligns them with a tensor of more dimensions.
constexpr shape with_rank(const shape& dims, std::size_t rank) {
  shape out;
  for (std::size_t i = dims.rank(); i < rank; ++i) out.push_back(1);
  for (const std::int64_t d : dims) out.push_back(d);
  return out;
}
/// Each dimension of the folded operand is 1 or that of the folded result.
constexpr bool folds_onto(const shape& operand, const shape& result) {
  const tpu::view4 x = tpu::fold(with_rank(operand, result.rank()));
  const tpu::view4 y = tpu::fold(result);
  return (x.n == 1 || x.n == y.n) && (x.c == 1 || x.c == y.c) && (x.h == 1 || x.h == y.h) && (x.w == 1 || x.w == y.w);
}
/// `sums`: sums of products are taken with all their bits.
constexpr tensor_id binary_operand(context& c, std::size_t i, std::size_t rank, bool sums = false) {
  const shape dims = with_rank(c.dims(i), rank);
  const tensor_id x =
      c.is_constant(i) ? c.constant_operand(i, dims) : c.reshape_to(c.operand(i, sums), dims, ".aligned");
  if (folds_onto(dims, c.result_dims())) return x;
  text wanted(c.name(i)); // a broadcast that the instructions do not know: spread out in memory first
  wanted << ".expanded";
  return c.emit<tpu::expand>(wanted, {ints(c.result_dims().span())}, {x}, c.format_at(x));
}
constexpr tpu::binary::attributes binary_attributes(const context& c, isa::binary_kind kind, const format& a,
                                                    const format& b, const format& y, const floats& clamp) {
  tpu::binary::attributes out{.kind = static_cast<std::int64_t>(kind),
                              .a_multiplier = 0,
                              .b_multiplier = 0,
                              .shift = 0,
                              .clamp = bounds(clamp, y)};
  if (is_floating(y.type)) return out;
  const auto as = static_cast<double>(a.quant.scale);
  const auto bs = static_cast<double>(b.quant.scale);
  const auto ys = static_cast<double>(y.quant.scale);
  constexpr const char* why =
      "the scales of operands and result are too far apart for a 32-bit multiplier: check the calibration table";
  if (kind == isa::binary_kind::mul) {
    const multiplier m = make_multiplier(as * bs / ys);
    if (!m.valid()) c.fail(why);
    out.a_multiplier = m.value;
    out.shift = m.shift;
  } else {
    const multiplier_pair m = make_multipliers(as / ys, bs / ys, context::is_whole(a) || context::is_whole(b) ? 1 : 0);
    if (!m.valid()) c.fail(why);
    out.a_multiplier = m.a;
    out.b_multiplier = m.b;
    out.shift = m.shift;
  }
  return out;
}
} // namespace detail

/// add, sub, mul, div -> binary; one operand may be a constant or broadcast.
/// Integers: both operands are rescaled to y by multipliers that share a shift, one rounding; a constant is symmetric i8. What add and
/// sub read of sums of products is not rounded to 8 bits before.
template <class Op, isa::binary_kind Kind> struct binary_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool elementwise = true;
    static constexpr bool takes_sums = Kind == isa::binary_kind::add || Kind == isa::binary_kind::sub;
    static constexpr bool takes(const context& c, node_id) { return !(c.is_constant(0) && c.is_constant(1)); }
    static constexpr void apply(context& c, node_id) {
      const std::size_t rank = c.result_dims().rank();
      const tensor_id a = detail::binary_operand(c, 0, rank, takes_sums);
      const tensor_id b = detail::binary_operand(c, 1, rank, takes_sums);
      const format y = c.result_format();
      const floats clamp = c.template attributes<Op>().clamp;
      c.template emit_result<tpu::binary>(detail::binary_attributes(c, Kind, c.format_at(a), c.format_at(b), y, clamp),
                                          {a, b}, y);
    }
  };
};

/// max, min, sum -> a chain of binary, from left to right.
template <class Op, isa::binary_kind Kind> struct variadic_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool elementwise = true;
    static constexpr bool takes(const context& c, node_id) {
      return c.operand_count() >= 2 && !(c.is_constant(0) && c.is_constant(1));
    }
    static constexpr void apply(context& c, node_id) {
      const std::size_t rank = c.result_dims().rank();
      const format y = c.result_format();
      tensor_id so_far = detail::binary_operand(c, 0, rank);
      for (std::size_t i = 1; i < c.operand_count(); ++i) {
        const tensor_id next = detail::binary_operand(c, i, rank);
        const auto a = detail::binary_attributes(c, Kind, c.format_at(so_far), c.format_at(next), y, {});
        if (i + 1 == c.operand_count()) {
          c.template emit_result<tpu::binary>(a, {so_far, next}, y);
        } else {
          text step(c.result_name());
          step << '.' << i;
          so_far = c.template emit<tpu::binary>(step, a, {so_far, next}, y);
        }
      }
    }
  };
};

/// prelu -> the part above zero and the slope times the part below.
template <class Dtype> struct prelu_rule {
  using op = top::prelu;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    constexpr float infinity = math::infinity<float>;
    sequence s(c);
    const tensor_id x = c.operand(0);
    const tensor_id slope = detail::binary_operand(c, 1, c.result_dims().rank());
    const tensor_id above = s.unary(isa::unary_kind::clip, x, 0.0F, infinity);
    const tensor_id below = s.unary(isa::unary_kind::clip, x, -infinity, 0.0F);
    s.last(isa::binary_kind::add, above, s.binary(isa::binary_kind::mul, slope, below));
  }
};

/// mean -> the sum, from left to right, divided by the number of operands.
template <class Dtype> struct mean_rule {
  using op = top::mean;
  using dtype = Dtype;
  static constexpr void apply(context& c, node_id) {
    const std::size_t rank = c.result_dims().rank();
    sequence s(c);
    tensor_id sum = detail::binary_operand(c, 0, rank);
    for (std::size_t i = 1; i < c.operand_count(); ++i)
      sum = s.binary(isa::binary_kind::add, sum, detail::binary_operand(c, i, rank));
    s.last(isa::binary_kind::div, sum, s.scalar(static_cast<float>(c.operand_count()), rank));
  }
};

} // namespace tmpu::lower
