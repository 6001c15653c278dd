// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/binary.hpp"
#include "tmpu/top/comparison.hpp"
#include "tmpu/top/elementwise.hpp"

namespace tmpu::lower {

/// Comparisons and connectives -> compare; `Swapped`: of b and a.
template <class Op, isa::compare_kind Kind, bool Swapped = false> struct compare_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool any_type = true;
    static constexpr bool takes(const context& c, node_id) {
      return !(c.is_constant(0) && c.is_constant(1)) && c.carries(0) && c.carries(1);
    }
    static constexpr void apply(context& c, node_id) {
      const std::size_t rank = c.result_dims().rank();
      const tensor_id a = detail::binary_operand(c, Swapped ? 1 : 0, rank);
      const tensor_id b = detail::binary_operand(c, Swapped ? 0 : 1, rank);
      c.template emit_result<tpu::compare>({.kind = static_cast<std::int64_t>(Kind)}, {a, b}, c.result_format());
    }
  };
};

/// logical_not -> compare with 0.
template <class Dtype> struct logical_not_rule {
  using op = top::logical_not;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    shape ones;
    for (std::size_t i = 0; i < c.dims(0).rank(); ++i) ones.push_back(1);
    text wanted(c.result_name());
    wanted << ".zero";
    const tensor_id zero = c.add_constant(wanted, value(dtype_id::boolean, ones));
    c.emit_result<tpu::compare>({.kind = static_cast<std::int64_t>(isa::compare_kind::equal)}, {c.operand(0), zero},
                                c.result_format());
  }
};

/// where -> select.
template <class Dtype> struct where_rule {
  using op = top::where;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) { return c.carries(1) && c.carries(2); }
  static constexpr void apply(context& c, node_id) {
    const std::size_t rank = c.result_dims().rank();
    const tensor_id mask = detail::binary_operand(c, 0, rank);
    const tensor_id a = detail::binary_operand(c, 1, rank);
    const tensor_id b = detail::binary_operand(c, 2, rank);
    c.emit_result<tpu::select>({}, {mask, a, b}, c.result_format());
  }
};

} // namespace tmpu::lower
