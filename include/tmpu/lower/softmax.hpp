// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
#include "tmpu/top/softmax.hpp"

namespace tmpu::lower {

namespace detail {
/// The result is `of_rows` of operand 0 as rows [1, rows, 1, K]; another axis than the last is first swapped with it.
template <class OfRows> constexpr void finish_rows(context& c, std::int64_t along, OfRows of_rows) {
  const shape dims = c.dims(0);
  const std::size_t axis = top::detail::axis_at(along, dims.rank());
  ints perm;
  for (std::size_t i = 0; i < dims.rank(); ++i) perm.push_back(static_cast<std::int64_t>(i));
  perm[axis] = perm.back();
  perm.back() = static_cast<std::int64_t>(axis);
  sequence s(c);
  const tensor_id x = s.transpose(c.operand(0), perm);
  const shape there = s.dims(x);
  const tensor_id y = of_rows(s, s.reshape(x, {1, dims.elements() / dims[axis], 1, dims[axis]}));
  s.finish(s.transpose(s.reshape(y, there), perm));
}
} // namespace detail

/// softmax -> softmax of rows. int8 computes in f32 between casts (rules.hpp).
template <class Dtype> struct softmax_rule {
  using op = top::softmax;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) { return c.dims(0).rank() >= 1 && !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    detail::finish_rows(c, c.attributes<op>().axis, [](sequence& s, tensor_id x) { return s.softmax(x); });
  }
};

/// log_softmax -> rows: x - m, less the logarithm of the sum of its exponentials.
template <class Dtype> struct log_softmax_rule {
  using op = top::log_softmax;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) { return c.dims(0).rank() >= 1 && !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    detail::finish_rows(c, c.attributes<op>().axis, [](sequence& s, tensor_id x) {
      const tensor_id d = s.less_greatest(x);
      const tensor_id sum = s.reduce(isa::reduce_kind::sum, s.unary(isa::unary_kind::exp, d));
      return s.binary(isa::binary_kind::sub, d, s.unary(isa::unary_kind::log, sum));
    });
  }
};

} // namespace tmpu::lower
