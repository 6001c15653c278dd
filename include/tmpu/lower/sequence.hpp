// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/weights.hpp"

namespace tmpu::lower {

/// A rule that makes one Top operator a sequence of chip operators in a float type: each step gives a tensor that is named after the
/// result. `finish` gives the last one the result's name.
class sequence {
public:
  constexpr explicit sequence(context& c) : c_(&c), f_{c.type(), {}} {}

  [[nodiscard]] constexpr const shape& dims(tensor_id t) const { return c_->dims_at(t); }

  constexpr tensor_id binary(isa::binary_kind kind, tensor_id a, tensor_id b, const floats& clamp = {}) {
    return c_->emit<tpu::binary>(name(), attributes(kind, clamp), {a, b}, f_);
  }
  constexpr tensor_id unary(isa::unary_kind kind, tensor_id x, float alpha = 0.0F, float beta = 0.0F) {
    return c_->emit<tpu::unary>(name(), {.kind = static_cast<std::int64_t>(kind), .alpha = alpha, .beta = beta}, {x},
                                f_);
  }
  constexpr tensor_id compare(isa::compare_kind kind, tensor_id a, tensor_id b) {
    return c_->emit<tpu::compare>(name(), {static_cast<std::int64_t>(kind)}, {a, b}, {dtype_id::boolean, {}});
  }
  constexpr tensor_id select(tensor_id mask, tensor_id a, tensor_id b) {
    return c_->emit<tpu::select>(name(), {}, {mask, a, b}, c_->format_at(a));
  }
  constexpr tensor_id integer(isa::integer_kind kind, tensor_id a, tensor_id b) {
    return c_->emit<tpu::integer>(name(), {static_cast<std::int64_t>(kind)}, {a, b}, c_->format_at(a));
  }
  constexpr tensor_id convert(tensor_id x, dtype_id type) {
    return c_->format_at(x).type == type ? x : c_->emit<tpu::convert>(name(), {}, {x}, {type, {}});
  }
  /// Rows of x [R, W] by their numbers [K]: [K, W].
  constexpr tensor_id gather(tensor_id x, tensor_id numbers) {
    return c_->emit<tpu::gather>(name(), {}, {x, numbers}, c_->format_at(x));
  }
  /// x [R, W] with the rows of these numbers [K] replaced by u [K, W].
  constexpr tensor_id scatter(tensor_id x, tensor_id numbers, tensor_id u) {
    return c_->emit<tpu::scatter>(name(), {}, {x, numbers, u}, c_->format_at(u));
  }
  /// x [R, W] with the rows of these numbers [K] combined with u [K, W], one after the other.
  constexpr tensor_id combine(isa::combine_kind kind, tensor_id x, tensor_id numbers, tensor_id u) {
    return c_->emit<tpu::combine>(name(), {static_cast<std::int64_t>(kind)}, {x, numbers, u}, c_->format_at(u));
  }
  /// A constant of floats in the type of the sequence.
  constexpr tensor_id rounded(value v) {
    c_->round_constant(v, f_.type, "a constant of the rule");
    return constant(v);
  }
  constexpr tensor_id constant(const value& v) {
    text wanted(c_->result_name());
    wanted << ".constant";
    return c_->add_constant(wanted, v);
  }
  /// One number in the type of t, of its rank: it broadcasts to t.
  constexpr tensor_id number_like(tensor_id t, std::int64_t x) {
    shape ones;
    for (std::size_t i = 0; i < dims(t).rank(); ++i) ones.push_back(1);
    value v(c_->format_at(t).type, ones);
    if (is_floating(v.type)) {
      v.f[0] = static_cast<float>(x);
    } else {
      v.i[0] = x;
    }
    return constant(v);
  }
  constexpr tensor_id reshape(tensor_id x, const shape& to) {
    return dims(x) == to ? x : c_->reshape_as(x, to, name());
  }
  constexpr tensor_id transpose(tensor_id x, const ints& perm) {
    bool same = true; // the axes of more than one element stay in their order
    std::int64_t last = -1;
    shape to;
    for (const std::int64_t p : perm) {
      to.push_back(dims(x)[static_cast<std::size_t>(p)]);
      if (to[to.rank() - 1] == 1) continue;
      same = same && p > last;
      last = p;
    }
    return same ? reshape(x, to) : c_->emit<tpu::transpose>(name(), {perm}, {x}, c_->format_at(x));
  }
  constexpr tensor_id expand(tensor_id x, const shape& to) {
    return dims(x) == to ? x : c_->emit<tpu::expand>(name(), {ints(to.span())}, {x}, c_->format_at(x));
  }
  /// [first, last) of an axis, each `step`-th element.
  constexpr tensor_id slice(tensor_id x, std::size_t axis, std::int64_t first, std::int64_t last,
                            std::int64_t step = 1) {
    if (first == 0 && last == dims(x)[axis] && step == 1) return x;
    tpu::slice::attributes a{};
    for (std::size_t d = 0; d < dims(x).rank(); ++d) {
      a.starts.push_back(d == axis ? first : 0);
      a.ends.push_back(d == axis ? last : dims(x)[d]);
      a.steps.push_back(d == axis ? step : 1);
    }
    return c_->emit<tpu::slice>(name(), a, {x}, c_->format_at(x));
  }
  /// y[..., i, ...] = x[..., places[i], ...] along an axis: each element some times; or a few runs at a steady pace; or rows by their numbers.
  constexpr tensor_id take(tensor_id x, std::size_t axis, const ints& places) {
    if (const std::int64_t times = repeats(places); times > 1) return repeat(x, axis, places, times);
    const vec<run> runs = runs_of(places);
    if (runs.size() > most_runs) return by_number(x, axis, places);
    vec<tensor_id> parts;
    for (const run& r : runs) {
      const std::int64_t step = r.step > 0 ? r.step : 1;
      const std::int64_t end = r.step > 0 ? r.first + (r.count - 1) * r.step + 1 : r.first + 1;
      const tensor_id part = slice(x, axis, r.first, end, step);
      shape wide = dims(part);
      wide[axis] = r.count;
      parts.push_back(expand(part, wide));
    }
    return concat(parts, axis);
  }
  constexpr tensor_id pad(tensor_id x, const ints& pads, float value) {
    return c_->emit<tpu::pad>(name(), {.pads = pads, .value = value}, {x}, c_->format_at(x));
  }
  constexpr tensor_id concat(std::span<const tensor_id> parts, std::size_t axis) {
    if (parts.size() == 1) return parts[0];
    return c_->emit_list<tpu::concat>(name(), {static_cast<std::int64_t>(axis)}, parts, c_->format_at(parts[0]));
  }
  /// The rows of x [1, rows, 1, K] put together: [1, rows, 1, 1]. In two steps where a row of f32 takes more than a sixteenth of a lane.
  constexpr tensor_id reduce(isa::reduce_kind kind, tensor_id x) {
    const std::int64_t count = dims(x)[3];
    const std::int64_t sixteenth = c_->chip().local_bytes / 16 / bytes_of(dtype_id::f32);
    const std::int64_t part = part_of(count, sixteenth > short_row ? sixteenth : short_row);
    const std::int64_t rows = dims(x)[1];
    const tpu::reduce::attributes a{.kind = static_cast<std::int64_t>(kind)};
    if (part == count) return c_->emit<tpu::reduce>(name(), a, {x}, f_);
    const tensor_id parts = c_->emit<tpu::reduce>(name(), a, {reshape(x, {1, rows * (count / part), 1, part})}, f_);
    return reduce(kind, reshape(parts, {1, rows, 1, count / part}));
  }
  /// [1, rows, 1, count] with each row in parts that fit into a lane, for what goes element by element.
  [[nodiscard]] static constexpr shape in_parts(std::int64_t rows, std::int64_t count) {
    const std::int64_t part = part_of(count);
    return {1, rows, count / part, part};
  }
  /// The rows of x, [1, rows, parts, part], put together.
  constexpr tensor_id reduce_parts(isa::reduce_kind kind, tensor_id x) {
    const shape d = dims(x);
    return reduce(kind, reshape(x, {1, d[1], 1, d[2] * d[3]}));
  }
  /// The rows of x [1, rows, 1, K], plain integers, put together in steps, each of halves: [1, rows, 1, 1].
  constexpr tensor_id reduce(isa::integer_kind kind, tensor_id x) {
    for (std::int64_t count = dims(x)[3]; count > 1; count -= count / 2) {
      const std::int64_t half = count / 2;
      const tensor_id pairs = integer(kind, slice(x, 3, 0, half), slice(x, 3, half, 2 * half));
      vec<tensor_id> next;
      next.push_back(pairs);
      if (count % 2 != 0) next.push_back(slice(x, 3, 2 * half, count));
      x = concat(next, 3);
    }
    return x;
  }
  /// Softmax of the rows of x [1, rows, 1, K]; where a lane does not hold x, y and the exponentials of one row, step by step in f32.
  constexpr tensor_id softmax(tensor_id x) {
    const chip::facts& chip = c_->chip();
    const std::int64_t count = dims(x)[3];
    const auto bytes = [&](dtype_id type, std::int64_t w) {
      return round_up(isa::lane_bytes(chip, isa::layout::aligned, type, 1, 1, 1, w), chip.eu_bytes);
    };
    if (2 * bytes(f_.type, count) + bytes(dtype_id::f32, count) + bytes(dtype_id::f32, 1) <= chip.local_bytes)
      return c_->emit<tpu::softmax>(name(), {}, {x}, f_);
    const format own = f_;
    f_ = {dtype_id::f32, {}};
    const tensor_id e = unary(isa::unary_kind::exp, less_greatest(convert(x, f_.type)));
    const tensor_id y = binary(isa::binary_kind::div, e, reduce(isa::reduce_kind::sum, e));
    f_ = own;
    return convert(y, f_.type);
  }
  /// The rows of x [1, rows, 1, K] less their greatest elements.
  constexpr tensor_id less_greatest(tensor_id x) {
    return binary(isa::binary_kind::sub, x, reduce(isa::reduce_kind::max, x));
  }
  /// x [M, K] times w [N, K] transposed, both activations: [M, N]; plus `bias` [N, 1] of f32 where there is one.
  constexpr tensor_id product(tensor_id x, tensor_id w, tensor_id bias = none) {
    if (bias == none) bias = zeros({dims(w)[0], 1});
    return c_->emit<tpu::matmul>(name(), {.clamp = bounds({}, f_)}, {x, w, bias}, f_);
  }
  /// The same of integers with zero points of 0: the sums in the format y, times `factor`.
  constexpr tensor_id product(tensor_id x, tensor_id w, const format& y, double factor) {
    const multiplier m = make_multiplier(factor);
    if (!m.valid()) c_->fail("the scales of its operands and result are too far apart: check the calibration table");
    value params(dtype_id::i32, {dims(w)[0], 3});
    for (std::int64_t n = 0; n < dims(w)[0]; ++n) {
      params.i.data()[n * 3 + 1] = m.value;
      params.i.data()[n * 3 + 2] = m.shift;
    }
    text wanted(c_->result_name());
    wanted << ".params";
    const tensor_id list = c_->add_constant(wanted, params);
    return c_->emit<tpu::matmul>(name(), {.clamp = bounds({}, y)}, {x, w, list}, y);
  }
  /// y[..., o, ...] = the sum over i of w[o, i] * x[..., i, ...] along an axis (+ bias[o], [O, 1] of f32): constants of the rule.
  constexpr tensor_id weigh(tensor_id x, std::size_t axis, const value& w, tensor_id bias = none) {
    return along(x, axis, w.dims[0], [&](tensor_id rows) { return product(rows, rounded(w), bias); });
  }
  /// The axis of x last, [M, extent]; what `product` makes of it, [M, out]; the axis back.
  template <class Product>
  constexpr tensor_id along(tensor_id x, std::size_t axis, std::int64_t out, Product&& product) {
    shape to = dims(x);
    const std::int64_t extent = to[axis];
    const std::int64_t behind = elements_behind(x, axis);
    const std::int64_t before = to.elements() / (extent * behind);
    to[axis] = out;
    const tensor_id rows = transpose(reshape(x, {before, extent, behind}), {0, 2, 1});
    const tensor_id y = product(reshape(rows, {before * behind, extent}));
    return reshape(transpose(reshape(y, {before, behind, out}), {0, 2, 1}), to);
  }
  /// x [M, K] times packed weights.
  constexpr tensor_id matmul(tensor_id x, const packed_weights& w, const format& y) {
    return c_->emit_list<tpu::matmul>(name(), {.clamp = bounds({}, y)}, w.operands(x).span(), y);
  }
  constexpr tensor_id zeros(const shape& dims) {
    text wanted(c_->result_name());
    wanted << ".zeros";
    return c_->add_constant(wanted, value(dtype_id::f32, dims));
  }
  /// x [N, C, H, W] convolved with w [OC, C / group, kh, kw], plus bias [OC, 1] of f32.
  constexpr tensor_id conv(tensor_id x, tensor_id w, tensor_id bias, tpu::conv::attributes a) {
    if (a.clamp.empty()) a.clamp = bounds({}, f_);
    return c_->emit<tpu::conv>(name(), a, {x, w, bias}, f_);
  }
  constexpr tensor_id pool(tensor_id x, const tpu::pool::attributes& a, const format& y) {
    return c_->emit<tpu::pool>(name(), a, {x}, y);
  }
  /// A number that broadcasts to everything of this rank.
  constexpr tensor_id scalar(float x, std::size_t rank = 4) {
    shape ones;
    for (std::size_t i = 0; i < rank; ++i) ones.push_back(1);
    value v(dtype_id::f32, ones);
    v.f[0] = x;
    c_->round_constant(v, f_.type, "a number of the rule");
    text wanted(c_->result_name());
    wanted << ".number";
    return c_->add_constant(wanted, v);
  }
  /// The step that makes the result.
  constexpr void last(isa::binary_kind kind, tensor_id a, tensor_id b, const floats& clamp = {}) {
    c_->emit_result<tpu::binary>(attributes(kind, clamp), {a, b}, f_);
  }
  /// Result i of the Top node is t.
  constexpr void finish(tensor_id t, std::size_t i = 0) {
    const shape& to = c_->result_dims(i);
    if (c_->is_made_constant(t)) // a copy: the result is no constant
      return c_->emit_result<tpu::expand>({ints(to.span())}, {reshape(t, to)}, c_->format_at(t), i);
    c_->emit_result<tpu::reshape>({ints(to.span())}, {t}, c_->format_at(t), i);
  }

private:
  static constexpr std::int64_t short_row = 512; ///< elements of a row that fits into a lane of any chip
  /// The longest equal part of a row that is at most `longest` elements; the row where there is none.
  [[nodiscard]] static constexpr std::int64_t part_of(std::int64_t count, std::int64_t longest = short_row) {
    if (count <= longest) return count;
    std::int64_t part = longest;
    while (count % part != 0) --part;
    return part < 2 ? count : part;
  }
  /// Places first, first + step, ...
  struct run {
    std::int64_t first = 0;
    std::int64_t step = 0;
    std::int64_t count = 1;
  };
  static constexpr std::size_t most_runs = 8;
  static constexpr vec<run> runs_of(const ints& places) {
    vec<run> runs;
    for (const std::int64_t p : places) {
      if (runs.empty() || !continues(runs.back(), p)) {
        runs.push_back({.first = p});
      } else {
        if (runs.back().count == 1) runs.back().step = p - runs.back().first;
        ++runs.back().count;
      }
    }
    return runs;
  }
  static constexpr bool continues(const run& r, std::int64_t p) {
    return r.count == 1 ? p >= r.first : p == r.first + r.count * r.step;
  }
  /// How often each of some neighbours is there, one after the other: 0 0 1 1 2 2 is 2. 1 where it is not so.
  static constexpr std::int64_t repeats(const ints& places) {
    const auto count = static_cast<std::int64_t>(places.size());
    std::int64_t times = 1;
    while (times < count && places.data()[times] == places[0]) ++times;
    if (times == count || count % times != 0) return 1;
    for (std::int64_t i = 0; i < count; ++i) {
      if (places.data()[i] != places[0] + i / times) return 1;
    }
    return times;
  }
  constexpr tensor_id repeat(tensor_id x, std::size_t axis, const ints& places, std::int64_t times) {
    const std::int64_t count = static_cast<std::int64_t>(places.size()) / times;
    const tensor_id part = slice(x, axis, places[0], places[0] + count);
    shape to = dims(part);
    to[axis] *= times;
    const std::int64_t behind = elements_behind(part, axis);
    const std::int64_t before = dims(part).elements() / (count * behind);
    const bool last = behind == 1;
    const tensor_id ones = reshape(part, last ? shape{before, count, 1} : shape{before, count, 1, behind});
    return reshape(expand(ones, last ? shape{before, count, times} : shape{before, count, times, behind}), to);
  }
  /// Rows of the elements behind the axis; of the last axis those of the elements before it.
  constexpr tensor_id by_number(tensor_id x, std::size_t axis, const ints& places) {
    shape to = dims(x);
    const std::int64_t extent = to[axis];
    to[axis] = static_cast<std::int64_t>(places.size());
    const std::int64_t behind = elements_behind(x, axis);
    const std::int64_t before = dims(x).elements() / (extent * behind);
    const bool turned = behind == 1;
    const std::int64_t times = turned ? 1 : before;
    value numbers(dtype_id::i32, {times * to[axis]});
    for (std::int64_t n = 0; n < numbers.dims[0]; ++n)
      numbers.i.data()[n] = n / to[axis] * extent + places.data()[n % to[axis]];
    tensor_id rows = reshape(x, turned ? shape{before, extent} : shape{before * extent, behind});
    if (turned) rows = transpose(rows, {1, 0});
    rows = gather(rows, constant(numbers));
    return reshape(turned ? transpose(rows, {1, 0}) : rows, to);
  }
  [[nodiscard]] constexpr std::int64_t elements_behind(tensor_id x, std::size_t axis) const {
    std::int64_t count = 1;
    for (std::size_t d = axis + 1; d < dims(x).rank(); ++d) count *= dims(x)[d];
    return count;
  }
  [[nodiscard]] constexpr text name() {
    text wanted(c_->result_name());
    wanted << '.' << ++count_;
    return wanted;
  }
  [[nodiscard]] constexpr tpu::binary::attributes attributes(isa::binary_kind kind, const floats& clamp) const {
    return {.kind = static_cast<std::int64_t>(kind),
            .a_multiplier = 0,
            .b_multiplier = 0,
            .shift = 0,
            .clamp = bounds(clamp, f_)};
  }

  context* c_;
  format f_;
  int count_ = 0;
};

/// The axes that stay in front and those that are put together behind them: x as [1, rows, 1, K].
constexpr tensor_id as_rows(sequence& s, tensor_id x, std::span<const bool> reduced) {
  const shape dims = s.dims(x);
  ints perm;
  std::int64_t rows = 1;
  for (std::size_t i = 0; i < dims.rank(); ++i) {
    if (reduced[i]) continue;
    perm.push_back(static_cast<std::int64_t>(i));
    rows *= dims[i];
  }
  for (std::size_t i = 0; i < dims.rank(); ++i) {
    if (reduced[i]) perm.push_back(static_cast<std::int64_t>(i));
  }
  return s.reshape(s.transpose(x, perm), {1, rows, 1, dims.elements() / rows});
}

/// The way back: rows [1, rows, ..., K] as a tensor of these dims.
constexpr tensor_id from_rows(sequence& s, tensor_id x, const shape& dims, std::span<const bool> reduced) {
  shape moved;
  ints perm(dims.rank());
  for (const bool last : {false, true}) {
    for (std::size_t i = 0; i < dims.rank(); ++i) {
      if (reduced[i] != last) continue;
      perm[i] = static_cast<std::int64_t>(moved.rank());
      moved.push_back(dims[i]);
    }
  }
  return s.transpose(s.reshape(x, moved), perm);
}
/// Rows in parts that fit into a lane, for what goes element by element.
constexpr tensor_id in_parts(sequence& s, tensor_id x) {
  return s.reshape(x, sequence::in_parts(s.dims(x)[1], s.dims(x)[3]));
}

} // namespace tmpu::lower
