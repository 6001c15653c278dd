// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/integer.hpp"
#include "tmpu/lower/sequence.hpp"
#include "tmpu/top/reduce.hpp"

#include <type_traits>

namespace tmpu::lower {

/// reduce_sum, reduce_mean, reduce_max, ... -> what is done to each element, a reduction of rows, what is done to the result.
template <class Op> struct reduce_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool takes(const context& c, node_id) {
      return c.dims(0).rank() > 0 && !c.is_constant(0) && (!c.has(1) || c.is_constant(1));
    }
    static constexpr void apply(context& c, node_id) {
      const auto a = c.template attributes<Op>();
      ints axes = a.axes;
      if (c.has(1)) axes = c.constant(1).i;
      const auto set = Op::reduced(a, axes, c.dims(0).rank());
      sequence s(c);
      tensor_id x = as_rows(s, c.operand(0), set.has);
      const auto count = static_cast<float>(s.dims(x)[3]);
      if constexpr (std::is_same_v<Op, top::reduce_l1>) x = s.unary(isa::unary_kind::abs, x);
      if constexpr (std::is_same_v<Op, top::reduce_l2> || std::is_same_v<Op, top::reduce_sum_square>)
        x = s.binary(isa::binary_kind::mul, x, x);
      if constexpr (std::is_same_v<Op, top::reduce_log_sum_exp>) {
        const tensor_id greatest = s.reduce(isa::reduce_kind::max, x);
        const tensor_id e = s.unary(isa::unary_kind::exp, s.binary(isa::binary_kind::sub, x, greatest));
        const tensor_id log = s.unary(isa::unary_kind::log, s.reduce(isa::reduce_kind::sum, e));
        s.finish(s.binary(isa::binary_kind::add, log, greatest));
        return;
      }
      x = s.reduce(kind(), x);
      if constexpr (std::is_same_v<Op, top::reduce_mean>) x = s.binary(isa::binary_kind::div, x, s.scalar(count));
      if constexpr (std::is_same_v<Op, top::reduce_l2>) x = s.unary(isa::unary_kind::sqrt, x);
      if constexpr (std::is_same_v<Op, top::reduce_log_sum>) x = s.unary(isa::unary_kind::log, x);
      s.finish(x);
    }

  private:
    static constexpr isa::reduce_kind kind() {
      if constexpr (std::is_same_v<Op, top::reduce_max>) return isa::reduce_kind::max;
      if constexpr (std::is_same_v<Op, top::reduce_min>) return isa::reduce_kind::min;
      if constexpr (std::is_same_v<Op, top::reduce_prod>) return isa::reduce_kind::product;
      return isa::reduce_kind::sum;
    }
  };
};

/// reduce_sum, reduce_prod, reduce_max, reduce_min of plain integers -> exact steps of halves of the rows.
template <class Op, isa::integer_kind Kind> struct integer_reduce_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool any_type = true;
    static constexpr bool takes(const context& c, node_id) {
      constexpr bool orders = Kind == isa::integer_kind::max || Kind == isa::integer_kind::min;
      if (is_floating(c.top_type(0)) || (c.top_type(0) == dtype_id::boolean && !orders)) return false;
      return c.dims(0).rank() > 0 && !c.is_constant(0) && c.carries(0) && (!c.has(1) || c.is_constant(1)) &&
             detail::own_arithmetic(c, Kind);
    }
    static constexpr void apply(context& c, node_id) {
      const auto a = c.template attributes<Op>();
      const auto set = Op::reduced(a, c.has(1) ? c.constant(1).i : a.axes, c.dims(0).rank());
      sequence s(c);
      s.finish(detail::wrapped_back(c, s, s.reduce(Kind, as_rows(s, c.operand(0), set.has))));
    }
  };
};

} // namespace tmpu::lower
