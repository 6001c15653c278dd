// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
#include "tmpu/top/gather.hpp"
#include "tmpu/top/rearrange.hpp"
#include "tmpu/top/scatter.hpp"
#include "tmpu/top/unpool.hpp"

/// Elements by their places: everything becomes rows of a matrix by their numbers.
namespace tmpu::lower {

namespace detail {
/// Operand i under other dims, constant or not.
constexpr tensor_id operand_as(context& c, sequence& s, std::size_t i, const shape& dims) {
  return c.is_constant(i) ? c.constant_operand(i, dims) : s.reshape(c.operand(i), dims);
}
/// Places along an axis counted from its front.
constexpr tensor_id from_front(sequence& s, tensor_id places, std::int64_t extent) {
  const tensor_id behind = s.compare(isa::compare_kind::less, places, s.number_like(places, 0));
  return s.select(behind, s.integer(isa::integer_kind::add, places, s.number_like(places, extent)), places);
}
constexpr tensor_id times(sequence& s, tensor_id x, std::int64_t factor) {
  return factor == 1 ? x : s.integer(isa::integer_kind::mul, x, s.number_like(x, factor));
}
/// The chip holds the elements and the places, and not both are constant.
constexpr bool takes_places(const context& c) {
  return c.carries(0) && c.carries(1) && !(c.is_constant(0) && c.is_constant(1));
}
/// The chip holds all operands, and not all are constant.
constexpr bool carries_all(const context& c) {
  bool activation = false;
  for (std::size_t i = 0; i < c.operand_count(); ++i) {
    if (!c.has(i)) continue;
    if (!c.carries(i)) return false;
    activation = activation || !c.is_constant(i);
  }
  return activation;
}
/// What is copied keeps its scale: an activation has one that was measured, a constant has not (int8 takes it from floats).
template <class Dtype> constexpr bool copies(const context& c) { return is_floating(Dtype::id) || !c.is_constant(0); }
/// Numbers of elements are i32.
constexpr bool numbered(const shape& d) { return d.elements() <= greatest_of(dtype_id::i32); }

/// For places with the rank of x: the numbers of the elements of x at them, the coordinate of the axis replaced.
constexpr tensor_id element_numbers(context& c, sequence& s, std::size_t i, std::size_t axis) {
  const shape x = c.dims(0);
  const shape at = c.dims(i);
  std::int64_t step[shape::max_rank] = {};
  tpu::detail::row_major(x, step);
  const std::int64_t along = step[axis];
  step[axis] = 0;
  value base(dtype_id::i32, {at.elements()});
  tpu::detail::walk(at, step, 0,
                    [&](std::int64_t n, std::int64_t from) { base.i[static_cast<std::size_t>(n)] = from; });
  const tensor_id places = from_front(s, operand_as(c, s, i, {at.elements()}), x[axis]);
  return s.integer(isa::integer_kind::add, times(s, places, along), s.constant(base));
}

/// For tuples of places in the last axis of operand i, `batch` axes in common: the numbers of the parts of x that they point to.
constexpr tensor_id part_numbers(context& c, sequence& s, std::size_t i, std::size_t batch) {
  const shape x = c.dims(0);
  const shape at = c.dims(i);
  const std::int64_t length = at[at.rank() - 1];
  const std::int64_t tuples = at.elements() / length;
  const tensor_id all = operand_as(c, s, i, {tuples, length});
  std::int64_t parts = 1; // of one batch
  for (std::int64_t k = 0; k < length; ++k) parts *= x[batch + static_cast<std::size_t>(k)];
  std::int64_t batches = 1;
  for (std::size_t d = 0; d < batch; ++d) batches *= x[d];
  value base(dtype_id::i32, {tuples});
  for (std::int64_t n = 0; n < tuples; ++n) base.i[static_cast<std::size_t>(n)] = n / (tuples / batches) * parts;
  tensor_id number = s.constant(base);
  for (std::int64_t k = 0; k < length; ++k) {
    const std::int64_t extent = x[batch + static_cast<std::size_t>(k)];
    parts /= extent;
    const tensor_id places = from_front(s, s.reshape(s.slice(all, 1, k, k + 1), {tuples}), extent);
    number = s.integer(isa::integer_kind::add, number, times(s, places, parts));
  }
  return number;
}
} // namespace detail

/// gather -> the axis first, rows by their numbers, the axis back.
template <class Dtype> struct gather_rule {
  using op = top::gather;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return detail::takes_places(c) && c.dims(0).rank() >= 1 && detail::copies<Dtype>(c);
  }
  static constexpr void apply(context& c, node_id) {
    const shape x = c.dims(0);
    const shape at = c.dims(1);
    const std::size_t axis = top::detail::axis_at(c.attributes<op>().axis, x.rank());
    std::int64_t before = 1;
    for (std::size_t i = 0; i < axis; ++i) before *= x[i];
    const std::int64_t behind = x.elements() / (before * x[axis]);
    sequence s(c);
    const shape flat{x[axis], before * behind};
    tensor_id planes = none;
    if (before == 1) {
      planes = detail::operand_as(c, s, 0, flat);
    } else {
      planes = s.reshape(s.transpose(detail::operand_as(c, s, 0, {before, x[axis], behind}), {1, 0, 2}), flat);
    }
    const tensor_id rows = s.gather(planes, detail::operand_as(c, s, 1, {at.elements()}));
    s.finish(s.transpose(s.reshape(rows, {at.elements(), before, behind}), {1, 0, 2}));
  }
};

/// gather_elements -> elements by their numbers.
template <class Dtype> struct gather_elements_rule {
  using op = top::gather_elements;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return detail::takes_places(c) && detail::numbered(c.dims(0)) && detail::copies<Dtype>(c);
  }
  static constexpr void apply(context& c, node_id) {
    sequence s(c);
    const std::size_t axis = top::detail::axis_at(c.attributes<op>().axis, c.dims(0).rank());
    const tensor_id numbers = detail::element_numbers(c, s, 1, axis);
    s.finish(s.gather(detail::operand_as(c, s, 0, {c.dims(0).elements(), 1}), numbers));
  }
};

/// gather_nd -> parts by their numbers.
template <class Dtype> struct gather_nd_rule {
  using op = top::gather_nd;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return detail::takes_places(c) && detail::numbered(c.dims(0)) && detail::copies<Dtype>(c);
  }
  static constexpr void apply(context& c, node_id) {
    sequence s(c);
    const tensor_id numbers =
        detail::part_numbers(c, s, 1, static_cast<std::size_t>(c.attributes<op>().batch_dims.value));
    const std::int64_t width = c.result_dims().elements() / s.dims(numbers)[0];
    s.finish(s.gather(detail::operand_as(c, s, 0, {c.dims(0).elements() / width, width}), numbers));
  }
};

/// scatter_elements, scatter_nd -> rows by their numbers, the other way: over what is there, or combined with it.
template <class Op> struct scatter_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool any_type = true;
    static constexpr bool takes(const context& c, node_id) {
      const meeting how = meeting_of(c);
      const dtype_id type = c.top_type(0);
      if (how != meeting::replace && type == dtype_id::boolean) return false;
      // Sums and products of carried integers could leave the type that carries them.
      if ((how == meeting::add || how == meeting::mul) && !is_floating(type) && carrier_of(type) != type) return false;
      return detail::carries_all(c) && detail::numbered(c.dims(0));
    }
    static constexpr void apply(context& c, node_id) {
      sequence s(c);
      tensor_id numbers = none;
      if constexpr (requires(const typename Op::attributes& a) { a.axis; }) {
        numbers =
            detail::element_numbers(c, s, 1, top::detail::axis_at(c.template attributes<Op>().axis, c.dims(0).rank()));
      } else {
        numbers = detail::part_numbers(c, s, 1, 0);
      }
      const std::int64_t count = s.dims(numbers)[0];
      const std::int64_t width = c.dims(2).elements() / count;
      const tensor_id x = detail::operand_as(c, s, 0, {c.dims(0).elements() / width, width});
      const format f = c.format_at(x);
      const tensor_id u = c.is_constant(2) ? c.constant_operand(2, {count, width}, f)
                                           : s.reshape(c.cast_to(c.operand(2), f), {count, width});
      const meeting how = meeting_of(c);
      if (how == meeting::replace) return s.finish(s.scatter(x, numbers, u));
      s.finish(s.combine(how == meeting::add   ? isa::combine_kind::add
                         : how == meeting::mul ? isa::combine_kind::mul
                         : how == meeting::max ? isa::combine_kind::max
                                               : isa::combine_kind::min,
                         x, numbers, u));
    }

  private:
    using meeting = top::detail::meeting;
    static constexpr meeting meeting_of(const context& c) {
      return top::detail::meeting_named(c.template attributes<Op>().reduction.view());
    }
  };
};

/// tensor_scatter -> rows by their numbers: the places of the update in the cache, from the first of each batch on.
template <class Dtype> struct tensor_scatter_rule {
  using op = top::tensor_scatter;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return detail::carries_all(c) && detail::numbered(c.dims(0));
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const shape x = c.dims(0);
    const std::size_t axis = top::detail::axis_at(a.axis, x.rank());
    const top::detail::axis_view cache(x, axis);
    const std::int64_t count = c.dims(1)[axis];
    const std::int64_t each = cache.outer / x[0];  // of a batch
    value behind(dtype_id::i32, {1, 1, 1, count}); // the first place
    for (std::int64_t k = 0; k < count; ++k) behind.i.data()[k] = k;
    value base(dtype_id::i32, {x[0], each, 1, 1});
    for (std::int64_t n = 0; n < cache.outer; ++n) base.i.data()[n] = n * cache.size;
    sequence s(c);
    tensor_id places = s.constant(behind);
    if (c.has(2)) {
      const tensor_id first = s.convert(detail::operand_as(c, s, 2, {x[0], 1, 1, 1}), dtype_id::i32);
      places = s.integer(isa::integer_kind::add, places, first);
    }
    if (a.mode.view() == "circular")
      places = s.integer(isa::integer_kind::modulo, places, s.number_like(places, cache.size));
    const tensor_id numbers = s.integer(isa::integer_kind::add, s.constant(base), places);
    const tensor_id rows = detail::operand_as(c, s, 0, {cache.outer * cache.size, cache.inner});
    const format f = c.format_at(rows);
    const shape update{cache.outer * count, cache.inner};
    const tensor_id u =
        c.is_constant(1) ? c.constant_operand(1, update, f) : s.reshape(c.cast_to(c.operand(1), f), update);
    s.finish(s.scatter(rows, s.reshape(numbers, {cache.outer * count}), u));
  }
};

/// reverse_sequence -> rows by their numbers: of each batch the first ones from the last of them.
template <class Dtype> struct reverse_sequence_rule {
  using op = top::reverse_sequence;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return detail::takes_places(c) && detail::numbered(c.dims(0)) && detail::copies<Dtype>(c);
  }
  static constexpr void apply(context& c, node_id) {
    const shape x = c.dims(0);
    const bool batch_first = c.attributes<op>().batch_axis == 0;
    const std::int64_t times = x[batch_first ? 1 : 0];
    const std::int64_t batches = x[batch_first ? 0 : 1];
    const std::int64_t step = batch_first ? 1 : batches; // from one time to the next
    const shape grid{x[0], x[1]};
    const shape time{batch_first ? 1 : times, batch_first ? times : 1};
    value here(dtype_id::i32, grid);
    for (std::int64_t n = 0; n < grid.elements(); ++n) here.i.data()[n] = n;
    value at(dtype_id::i32, time);
    for (std::int64_t t = 0; t < times; ++t) at.i.data()[t] = t;
    sequence s(c);
    const shape batch{batch_first ? batches : 1, batch_first ? 1 : batches};
    // number + step * (t < length ? length - 1 - 2 t : 0)
    tensor_id numbers = none;
    if (c.is_constant(1)) {
      const value lengths = c.constant(1);
      for (std::int64_t n = 0; n < grid.elements(); ++n) {
        const std::int64_t t = batch_first ? n % times : n / batches;
        const std::int64_t length = lengths.i.data()[batch_first ? n / times : n % batches];
        if (t < length) here.i.data()[n] += step * (length - 1 - 2 * t);
      }
      numbers = s.constant(here);
    } else {
      const tensor_id length = s.reshape(c.operand(1), batch);
      const tensor_id t = s.constant(at);
      const tensor_id last = s.integer(isa::integer_kind::sub, length, s.number_like(length, 1));
      const tensor_id away = s.integer(isa::integer_kind::sub, last, detail::times(s, t, 2));
      const tensor_id inside = s.compare(isa::compare_kind::less, t, length);
      const tensor_id move = s.select(inside, detail::times(s, away, step), s.number_like(t, 0));
      numbers = s.integer(isa::integer_kind::add, move, s.constant(here));
    }
    const std::int64_t rows = grid.elements();
    s.finish(s.gather(detail::operand_as(c, s, 0, {rows, x.elements() / rows}), s.reshape(numbers, {rows})));
  }
};

/// max_unpool -> elements by their numbers, the other way, into zeros; more of them around it where a larger shape is asked for.
template <class Dtype> struct max_unpool_rule {
  using op = top::max_unpool;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return !c.is_constant(0) && c.carries(0) && c.carries(1) && (!c.has(2) || c.is_constant(2)) &&
           detail::numbered(c.result_dims());
  }
  static constexpr void apply(context& c, node_id) {
    const shape inner = op::natural(c.attributes<op>(), c.dims(0));
    const std::int64_t count = c.dims(0).elements();
    sequence s(c);
    const tensor_id u = s.reshape(c.operand(0), {count, 1});
    const tensor_id numbers = detail::operand_as(c, s, 1, {count});
    const format f = c.format_at(u);
    value empty(f.type, {inner.elements(), 1});
    for (std::int64_t& n : empty.i) n = f.quant.zero_point;
    const tensor_id y = s.scatter(s.constant(empty), numbers, u);
    ints pads(2 * inner.rank());
    for (std::size_t d = 0; d < inner.rank(); ++d) pads[inner.rank() + d] = c.result_dims()[d] - inner[d];
    const bool larger = !(inner == c.result_dims());
    const tensor_id whole = s.reshape(y, inner);
    s.finish(larger ? s.pad(whole, pads, static_cast<float>(f.quant.zero_point)) : whole);
  }
};

} // namespace tmpu::lower
