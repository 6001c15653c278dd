// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
#include "tmpu/top/norm.hpp"
#include "tmpu/top/softmax.hpp"

namespace tmpu::lower {

namespace detail {
/// How many elements of operand 0 are normalized together: those of the axes from `axis` on.
constexpr std::int64_t normalized_elements(const context& c, std::int64_t axis) {
  const shape& x = c.dims(0);
  std::int64_t count = 1;
  for (std::size_t i = top::detail::axis_at(axis, x.rank()); i < x.rank(); ++i) count *= x[i];
  return count;
}
/// Operand i, of as many elements as a row, beside rows [1, rows, 1, K].
constexpr tensor_id along_rows(context& c, sequence& s, std::size_t i, std::int64_t inner) {
  const shape row{1, 1, 1, inner};
  return c.is_constant(i) ? c.constant_operand(i, row) : s.reshape(c.operand(i), row);
}
/// The means of rows.
constexpr tensor_id mean_of_rows(sequence& s, tensor_id x) {
  const auto count = static_cast<float>(s.dims(x)[3]);
  return s.binary(isa::binary_kind::div, s.reduce(isa::reduce_kind::sum, x), s.scalar(count));
}
} // namespace detail

/// layer_normalization -> rows: mean, difference, variance, its root, quotient, scale and bias.
template <class Dtype> struct layer_norm_rule {
  using op = top::layer_normalization;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id id) {
    const auto& results = c.source().results(id);
    for (std::size_t i = 1; i < results.size(); ++i) {
      if (results[i] != none && c.type() != dtype_id::f32) return false; // mean and deviation are f32
    }
    const std::int64_t inner = detail::normalized_elements(c, c.attributes<op>().axis);
    return !c.is_constant(0) && c.dims(1).elements() == inner && (!c.has(2) || c.dims(2).elements() == inner);
  }
  static constexpr void apply(context& c, node_id id) {
    const std::int64_t inner = detail::normalized_elements(c, c.attributes<op>().axis);
    sequence s(c);
    const tensor_id x = s.reshape(c.operand(0), {1, c.dims(0).elements() / inner, 1, inner});
    const tensor_id middle = detail::mean_of_rows(s, x);
    const tensor_id d = s.binary(isa::binary_kind::sub, x, middle);
    const tensor_id variance = detail::mean_of_rows(s, s.binary(isa::binary_kind::mul, d, d));
    const tensor_id shifted = s.binary(isa::binary_kind::add, variance, s.scalar(c.attributes<op>().epsilon));
    const tensor_id deviation = s.unary(isa::unary_kind::sqrt, shifted);
    tensor_id y = s.binary(isa::binary_kind::div, d, deviation);
    const vec<tensor_id> results(c.source().results(id));
    const auto also = [&](std::size_t i, tensor_id t) {
      c.set(results[i], c.emit<tpu::reshape>(c.source().name(results[i]), {ints(c.source().at(results[i]).dims.span())},
                                             {t}, c.format_at(t)));
    };
    if (results.size() > 1 && results[1] != none) also(1, middle);
    if (results.size() > 2 && results[2] != none) also(2, s.unary(isa::unary_kind::reciprocal, deviation));
    y = s.binary(isa::binary_kind::mul, y, detail::along_rows(c, s, 1, inner));
    if (c.has(2)) y = s.binary(isa::binary_kind::add, y, detail::along_rows(c, s, 2, inner));
    s.finish(y);
  }
};

/// rms_normalization -> rows: mean of the squares, its root, quotient, scale.
template <class Dtype> struct rms_norm_rule {
  using op = top::rms_normalization;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) {
    return !c.is_constant(0) && c.dims(1).elements() == detail::normalized_elements(c, c.attributes<op>().axis);
  }
  static constexpr void apply(context& c, node_id) {
    const std::int64_t inner = detail::normalized_elements(c, c.attributes<op>().axis);
    sequence s(c);
    const tensor_id x = s.reshape(c.operand(0), {1, c.dims(0).elements() / inner, 1, inner});
    const tensor_id mean = detail::mean_of_rows(s, s.binary(isa::binary_kind::mul, x, x));
    const tensor_id shifted = s.binary(isa::binary_kind::add, mean, s.scalar(c.attributes<op>().epsilon));
    const tensor_id y = s.binary(isa::binary_kind::div, x, s.unary(isa::unary_kind::sqrt, shifted));
    s.finish(s.binary(isa::binary_kind::mul, y, detail::along_rows(c, s, 1, inner)));
  }
};

/// log_softmax -> rows: x - m, less the logarithm of the sum of its exponentials.
template <class Dtype> struct log_softmax_rule {
  using op = top::log_softmax;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) { return c.dims(0).rank() >= 1 && !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    const shape dims = c.dims(0);
    const std::size_t axis = top::detail::axis_at(c.attributes<op>().axis, dims.rank());
    const std::size_t last = dims.rank() - 1;
    ints perm;
    for (std::size_t i = 0; i <= last; ++i)
      perm.push_back(static_cast<std::int64_t>(i == axis ? last : (i == last ? axis : i)));
    sequence s(c);
    const tensor_id swapped = s.transpose(c.operand(0), perm);
    const shape there = s.dims(swapped);
    const tensor_id x = s.reshape(swapped, {1, dims.elements() / dims[axis], 1, dims[axis]});
    const tensor_id d = s.binary(isa::binary_kind::sub, x, s.reduce(isa::reduce_kind::max, x));
    const tensor_id sum = s.reduce(isa::reduce_kind::sum, s.unary(isa::unary_kind::exp, d));
    const tensor_id y = s.binary(isa::binary_kind::sub, d, s.unary(isa::unary_kind::log, sum));
    s.finish(s.transpose(s.reshape(y, there), perm));
  }
};

} // namespace tmpu::lower
