// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/norm.hpp"
#include "tmpu/lower/rows.hpp"
#include "tmpu/top/arg.hpp"
#include "tmpu/top/loss.hpp"
#include "tmpu/top/pad.hpp"

#include <type_traits>

/// What is found by comparing with numbered places: the place of an extremum, an element by its class, a triangle.
namespace tmpu::lower {

namespace detail {
/// 0, 1, 2, ... as [1, 1, parts, part], in a type.
constexpr tensor_id places(sequence& s, const shape& rows, dtype_id type) {
  value v(type, {1, 1, rows[2], rows[3]});
  for (std::size_t n = 0; n < v.size(); ++n) {
    if (is_floating(type)) {
      v.f[n] = static_cast<float>(n);
    } else {
      v.i[n] = static_cast<std::int64_t>(n);
    }
  }
  return s.constant(v);
}
/// The axis at the end, rows in parts.
constexpr tensor_id rows_along(context& c, sequence& s, std::size_t axis) {
  bool along[shape::max_rank] = {};
  along[axis] = true;
  return in_parts(s, as_rows(s, c.operand(0), along));
}
/// The place of the greatest (or least) element of each row, as a float: of equal ones the first, or the last.
constexpr tensor_id place_of_extremum(sequence& s, tensor_id x, isa::reduce_kind kind, bool last) {
  const shape rows = s.dims(x);
  const tensor_id mask = s.compare(isa::compare_kind::equal, x, s.reduce_parts(kind, x));
  const std::int64_t count = rows[2] * rows[3];
  // Where nothing is equal (NaN), the place at the other end.
  const tensor_id other = s.scalar(last ? 0.0F : static_cast<float>(count - 1));
  const tensor_id found = s.select(mask, places(s, rows, dtype_id::f32), other);
  return s.reduce_parts(last ? isa::reduce_kind::max : isa::reduce_kind::min, found);
}
/// The same of plain integers, as an i32.
constexpr tensor_id place_of_integer(sequence& s, tensor_id x, isa::integer_kind kind, bool last) {
  const std::int64_t count = s.dims(x)[3];
  const tensor_id mask = s.compare(isa::compare_kind::equal, x, s.reduce(kind, x));
  value numbers(dtype_id::i32, {1, 1, 1, count});
  for (std::int64_t n = 0; n < count; ++n) numbers.i.data()[n] = n;
  const tensor_id at = s.constant(numbers);
  const tensor_id found = s.select(mask, at, s.number_like(at, last ? 0 : count - 1));
  return s.reduce(last ? isa::integer_kind::max : isa::integer_kind::min, found);
}
/// Places are counted in f32.
inline constexpr std::int64_t most_places = std::int64_t{1} << 24;
} // namespace detail

/// arg_max, arg_min -> rows: the extremum, what is equal to it, the least (or greatest) of the places where that holds.
template <class Op, isa::reduce_kind Kind> struct arg_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool any_type = true; // places are integers
    static constexpr bool takes(const context& c, node_id) {
      return !c.is_constant(0) && c.carries(0) && c.top_type(0) != dtype_id::boolean &&
             c.dims(0).elements() <= detail::most_places;
    }
    static constexpr void apply(context& c, node_id) {
      const auto a = c.template attributes<Op>();
      const std::size_t axis = top::detail::axis_at(a.axis, c.dims(0).rank());
      sequence s(c);
      if (!is_floating(c.top_type(0))) {
        bool along[shape::max_rank] = {};
        along[axis] = true;
        constexpr auto kind = Kind == isa::reduce_kind::max ? isa::integer_kind::max : isa::integer_kind::min;
        const tensor_id rows = as_rows(s, c.operand(0), along);
        return s.finish(detail::place_of_integer(s, rows, kind, a.select_last_index != 0));
      }
      const tensor_id x = detail::rows_along(c, s, axis);
      s.finish(s.convert(detail::place_of_extremum(s, x, Kind, a.select_last_index != 0), dtype_id::i32));
    }
  };
};

/// hardmax -> 1 at the place of the greatest element, as arg_max finds it.
template <class Dtype> struct hardmax_rule {
  using op = top::hardmax;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) {
    return !c.is_constant(0) && c.dims(0).elements() <= detail::most_places;
  }
  static constexpr void apply(context& c, node_id) {
    const shape dims = c.dims(0);
    const std::size_t axis = top::detail::axis_at(c.attributes<op>().axis, dims.rank());
    sequence s(c);
    const tensor_id x = detail::rows_along(c, s, axis);
    const tensor_id place = detail::place_of_extremum(s, x, isa::reduce_kind::max, false);
    const tensor_id mask = s.compare(isa::compare_kind::equal, detail::places(s, s.dims(x), dtype_id::f32), place);
    bool along[shape::max_rank] = {};
    along[axis] = true;
    s.finish(from_rows(s, s.convert(mask, dtype_id::f32), dims, along));
  }
};

/// trilu -> x where column - row is at least (at most) k, 0 elsewhere.
template <class Dtype> struct trilu_rule {
  using op = top::trilu;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return !c.is_constant(0) && (!c.has(1) || c.carries(1)) && c.dims(0).rank() >= 2;
  }
  static constexpr void apply(context& c, node_id) {
    const shape dims = c.dims(0);
    const std::int64_t rows = dims[dims.rank() - 2];
    const std::int64_t columns = dims[dims.rank() - 1];
    sequence s(c);
    const tensor_id x = s.reshape(c.operand(0), {1, dims.elements() / (rows * columns), rows, columns});
    value off(dtype_id::i32, {1, 1, rows, columns});
    for (std::int64_t n = 0; n < rows * columns; ++n) off.i[static_cast<std::size_t>(n)] = n % columns - n / columns;
    const tensor_id there = s.constant(off);
    tensor_id k = s.number_like(there, 0);
    if (c.has(1)) k = c.is_constant(1) ? c.constant_operand(1, {1, 1, 1, 1}) : s.reshape(c.operand(1), {1, 1, 1, 1});
    const bool upper = c.attributes<op>().upper != 0;
    const tensor_id mask = s.compare(isa::compare_kind::less_or_equal, upper ? k : there, upper ? there : k);
    s.finish(s.select(mask, x, s.number_like(x, 0)));
  }
};

/// negative_log_likelihood_loss, softmax_cross_entropy_loss -> rows of classes: the score where the place is the target, its weight, their
/// product; the sums. A target that is no class counts as one that is ignored.
template <class Op> struct loss_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool any_type = true; // targets are integers
    static constexpr bool takes(const context& c, node_id) {
      return !c.is_constant(0) && c.carries(1) && is_floating(c.top_type(0)) && (!c.has(2) || c.carries(2));
    }
    static constexpr void apply(context& c, node_id) {
      const auto a = c.template attributes<Op>();
      sequence s(c);
      tensor_id x = detail::rows_along(c, s, 1);
      if constexpr (std::is_same_v<Op, top::softmax_cross_entropy_loss>) x = logarithms(c, s, x);
      const shape rows = s.dims(x);
      const shape each{1, rows[1], 1, 1};
      const shape row{1, 1, rows[2], rows[3]};
      const tensor_id target = c.is_constant(1) ? c.constant_operand(1, each) : s.reshape(c.operand(1), each);
      tensor_id mask = s.compare(isa::compare_kind::equal, detail::places(s, rows, dtype_id::i32), target);
      if (a.ignore_index >= 0 && a.ignore_index < rows[2] * rows[3]) {
        const tensor_id counts = s.compare(isa::compare_kind::not_equal, target, s.number_like(target, a.ignore_index));
        mask = s.compare(isa::compare_kind::logical_and, mask, counts);
      }
      const tensor_id zero = s.scalar(0.0F);
      const tensor_id of_class = !c.has(2)          ? s.scalar(1.0F)
                                 : c.is_constant(2) ? c.constant_operand(2, row)
                                                    : s.reshape(c.operand(2), row);
      const tensor_id score = s.reduce_parts(isa::reduce_kind::sum, s.select(mask, x, zero));
      const tensor_id weight = s.reduce_parts(isa::reduce_kind::sum, s.select(mask, of_class, zero));
      const tensor_id loss = s.binary(isa::binary_kind::mul, s.unary(isa::unary_kind::neg, weight), score);
      const std::string_view how = a.reduction.view();
      if (how == "none") return s.finish(loss);
      const shape all{1, 1, 1, rows[1]};
      const tensor_id sum = s.reduce(isa::reduce_kind::sum, s.reshape(loss, all));
      if (how == "sum") return s.finish(sum);
      s.finish(s.binary(isa::binary_kind::div, sum, s.reduce(isa::reduce_kind::sum, s.reshape(weight, all))));
    }

  private:
    /// The logarithms of the probabilities; the second result is these.
    static constexpr tensor_id logarithms(context& c, sequence& s, tensor_id x) {
      const tensor_id d = s.binary(isa::binary_kind::sub, x, s.reduce_parts(isa::reduce_kind::max, x));
      const tensor_id sum = s.reduce_parts(isa::reduce_kind::sum, s.unary(isa::unary_kind::exp, d));
      const tensor_id y = s.binary(isa::binary_kind::sub, d, s.unary(isa::unary_kind::log, sum));
      bool along[shape::max_rank] = {};
      along[1] = true;
      if (c.wants(1)) s.finish(from_rows(s, y, c.dims(0), along), 1);
      return y;
    }
  };
};

/// one_hot of a constant depth -> numbered places compared with the indices.
template <class Dtype> struct one_hot_rule {
  using op = top::one_hot;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return !c.is_constant(0) && c.is_constant(1) && c.carries(0) && c.carries(2);
  }
  static constexpr void apply(context& c, node_id) {
    const top::detail::axis_view view(c.result_dims(),
                                      top::detail::axis_at(c.attributes<op>().axis, c.result_dims().rank()));
    sequence s(c);
    const tensor_id given = s.convert(s.reshape(c.operand(0), {view.outer, 1, 1, view.inner}), dtype_id::i32);
    const tensor_id index = detail::from_front(s, given, view.size);
    value places(dtype_id::i32, {1, view.size, 1, 1});
    for (std::int64_t n = 0; n < view.size; ++n) places.i.data()[n] = n;
    const tensor_id mask = s.compare(isa::compare_kind::equal, s.constant(places), index);
    const tensor_id values = detail::operand_as(c, s, 2, {1, 1, 1, 2});
    s.finish(s.select(mask, s.slice(values, 3, 1, 2), s.slice(values, 3, 0, 1)));
  }
};

/// cum_sum along a constant axis -> a product with a triangle of ones; of plain integers in steps, each the sum so far and that of as many
/// elements before it.
template <class Dtype> struct cum_sum_rule {
  using op = top::cum_sum;
  using dtype = Dtype;
  static constexpr bool any_type = true; // the axis is an integer
  static constexpr bool takes(const context& c, node_id) {
    const dtype_id type = c.top_type(0);
    // Sums of carried integers could leave the type that carries them.
    return !c.is_constant(0) && c.is_constant(1) && c.dims(0).rank() > 0 &&
           (is_floating(type) || carrier_of(type) == type);
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const std::size_t axis = top::detail::axis_at(c.constant(1).i[0], c.dims(0).rank());
    const std::int64_t size = c.dims(0)[axis];
    if (!is_floating(c.top_type(0))) return in_steps(c, a, top::detail::axis_view(c.dims(0), axis));
    value w(dtype_id::f32, {size, size});
    for (std::int64_t o = 0; o < size; ++o) {
      for (std::int64_t i = 0; i < size; ++i) {
        const std::int64_t before = a.reverse != 0 ? i - o : o - i;
        w.f.data()[o * size + i] = before > 0 || (before == 0 && a.exclusive == 0) ? 1.0F : 0.0F;
      }
    }
    sequence s(c);
    s.finish(s.weigh(c.operand(0), axis, w));
  }

private:
  static constexpr void in_steps(context& c, const op::attributes& a, const top::detail::axis_view& view) {
    sequence s(c);
    tensor_id y = s.reshape(c.operand(0), {1, view.outer, view.size, view.inner});
    const bool reverse = a.reverse != 0;
    const auto moved = [&](tensor_id t, std::int64_t by) { // zeros come in
      const tensor_id wide = s.pad(t, {0, 0, reverse ? 0 : by, 0, 0, 0, reverse ? by : 0, 0}, 0.0F);
      return s.slice(wide, 2, reverse ? by : 0, reverse ? view.size + by : view.size);
    };
    for (std::int64_t by = 1; by < view.size; by *= 2) y = s.integer(isa::integer_kind::add, y, moved(y, by));
    s.finish(a.exclusive != 0 ? moved(y, 1) : y);
  }
};

} // namespace tmpu::lower
