// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/binary.hpp"
#include "tmpu/lower/product.hpp"
#include "tmpu/lower/rows.hpp"
#include "tmpu/top/attention.hpp"

namespace tmpu::lower {

/// rotary_embedding -> x times the cosines + x with the elements of each pair exchanged, times the sines, of which the first of
/// a pair is negative. Tables and places that are no constants: rows by their numbers, made as wide as x.
template <class Dtype> struct rotary_embedding_rule {
  using op = top::rotary_embedding;
  using dtype = Dtype;
  static constexpr bool any_type = true; // places are integers
  static constexpr bool takes(const context& c, node_id) {
    if (c.is_constant(0) || (c.has(3) && !c.carries(3))) return false;
    if (!c.has(3) || !c.is_constant(3)) return true;
    for (const std::int64_t row : c.constant(3).i) {
      if (row < 0 || row >= c.dims(1)[0]) return false;
    }
    return true;
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const shape given = c.dims(0);
    const bool flat = given.rank() == 3;
    const shape whole = flat ? shape{given[0], given[1], a.num_heads, given[2] / a.num_heads} : given;
    const std::int64_t half = c.dims(1)[c.dims(1).rank() - 1];
    sequence s(c);
    const tensor_id all = s.reshape(c.operand(0), whole);
    const tensor_id x = s.slice(all, 3, 0, 2 * half);
    const shape turned = s.dims(x);
    // The two elements of a pair lie in the halves of the last axis of this view.
    const tensor_id pairs = a.interleaved != 0 ? s.reshape(x, {turned.elements() / (2 * half), half, 2}) : x;
    const std::size_t last = s.dims(pairs).rank() - 1;
    const std::int64_t count = s.dims(pairs)[last];
    const tensor_id exchanged[] = {s.slice(pairs, last, count / 2, count), s.slice(pairs, last, 0, count / 2)};
    const tensor_id other = s.reshape(s.concat(exchanged, last), turned);
    const tensor_id kept = s.binary(isa::binary_kind::mul, x, table(c, s, 1, flat, 1.0F));
    tensor_id y =
        s.binary(isa::binary_kind::add, kept, s.binary(isa::binary_kind::mul, other, table(c, s, 2, flat, -1.0F)));
    if (2 * half != whole[3]) {
      const tensor_id parts[] = {y, s.slice(all, 3, 2 * half, whole[3])};
      y = s.concat(parts, 3);
    }
    s.finish(y);
  }

private:
  /// Operand i for each element of x; `sign` is that of the first element of a pair.
  static constexpr tensor_id table(context& c, sequence& s, std::size_t i, bool flat, float sign) {
    if (c.is_constant(i) && (!c.has(3) || c.is_constant(3))) return known_table(c, s, i, flat, sign);
    const shape d = c.dims(i);
    const std::int64_t half = d[d.rank() - 1];
    tensor_id rows = detail::operand_as(c, s, i, {d.elements() / half, half});
    if (c.has(3)) rows = s.gather(rows, detail::operand_as(c, s, 3, {c.dims(3).elements()}));
    const std::int64_t batches = c.has(3) ? c.dims(3)[0] : d[0];
    const std::int64_t length = s.dims(rows)[0] / batches;
    // The two elements of a pair lie in the halves of the last axis of this view.
    const bool interleaved = c.attributes<op>().interleaved != 0;
    rows = s.reshape(rows, {batches * length, interleaved ? half : 1, interleaved ? 1 : half});
    const tensor_id both[] = {sign < 0.0F ? s.unary(isa::unary_kind::neg, rows) : rows, rows};
    return s.reshape(s.concat(both, 2),
                     flat ? shape{batches, length, 1, 2 * half} : shape{batches, 1, length, 2 * half});
  }
  static constexpr tensor_id known_table(context& c, sequence& s, std::size_t i, bool flat, float sign) {
    const value rows = c.constant(i);
    const bool interleaved = c.attributes<op>().interleaved != 0;
    const std::int64_t half = rows.dims[rows.dims.rank() - 1];
    const std::int64_t batches = c.has(3) ? c.dims(3)[0] : rows.dims[0];
    const std::int64_t length = c.has(3) ? c.dims(3)[1] : rows.dims[1];
    ints places;
    if (c.has(3)) places = c.constant(3).i;
    value v(dtype_id::f32, flat ? shape{batches, length, 1, 2 * half} : shape{batches, 1, length, 2 * half});
    for (std::int64_t place = 0; place < batches * length; ++place) {
      const std::int64_t row = c.has(3) ? places[static_cast<std::size_t>(place)] : place;
      for (std::int64_t n = 0; n < half; ++n) {
        const float x = rows.f[static_cast<std::size_t>(row * half + n)];
        const std::int64_t first = 2 * half * place + (interleaved ? 2 * n : n);
        v.f[static_cast<std::size_t>(first)] = sign * x;
        v.f[static_cast<std::size_t>(first + (interleaved ? 1 : half))] = x;
      }
    }
    return s.rounded(v);
  }
};

namespace detail {
/// Whether places in the sequence decide which keys a query sees.
constexpr bool hides_places(const top::attention::attributes& a) {
  return a.is_causal != 0 || a.left_window_size >= 0 || a.right_window_size >= 0;
}
/// Query i stands at key `place` and must not see key j.
constexpr bool hides(const top::attention::attributes& a, std::int64_t place, std::int64_t j) {
  return (a.is_causal != 0 && j > place) || (a.left_window_size >= 0 && j < place - a.left_window_size) ||
         (a.right_window_size >= 0 && j > place + a.right_window_size);
}
/// What is added to the scores [N, heads, queries, keys] by a constant mask (nullptr: there is none), and by the places, where these are known;
/// `past` keys stand before the first query.
constexpr value attention_bias(const top::attention::attributes& a, const value* mask, const shape& scores,
                               std::int64_t past, bool by_places) {
  constexpr float hidden = -math::infinity<float>;
  const std::int64_t keys = scores[3];
  const shape own = mask != nullptr ? with_rank(mask->dims, 4) : shape{1, 1, 1, keys};
  const std::int64_t rows = own[2];
  const std::int64_t wide = by_places ? scores[2] : rows;
  value v(dtype_id::f32, {own[0], own[1], wide, keys});
  for (std::int64_t n = 0; n < v.dims.elements(); ++n) {
    const std::int64_t j = n % keys;
    const std::int64_t i = n / keys % wide;
    const auto at = static_cast<std::size_t>((n / keys / wide * rows + (rows == 1 ? 0 : i)) * own[3] + j);
    float& x = v.f[static_cast<std::size_t>(n)];
    if (j >= own[3] || (by_places && hides(a, i + past, j))) {
      x = hidden;
    } else if (mask != nullptr) {
      x = mask->type == dtype_id::boolean ? (mask->i[at] != 0 ? 0.0F : hidden) : mask->f[at];
    }
  }
  return v;
}
constexpr bool shows_each_a_key(const value& bias) {
  const auto keys = static_cast<std::size_t>(bias.dims[3]);
  for (std::size_t row = 0; row < bias.f.size(); row += keys) {
    bool sees = false;
    for (std::size_t j = 0; j < keys; ++j) sees = sees || bias.f[row + j] != -math::infinity<float>;
    if (!sees) return false;
  }
  return true;
}
} // namespace detail

/// attention -> for each head the products of q (times scale) and the keys; softcap; what is added to the scores or hides them; softmax of the
/// rows; for each head the products with the values. A row that sees no key is 0.
///
/// int8: both products are exact sums of integers with zero points of 0, all else is f32. Of the softmax the second one takes the exponentials,
/// of which the greatest of a row is 1 (u8, 1/255): a scale of its own for each query. The sum of a row divides what is made of them.
template <class Dtype> struct attention_rule {
  using op = top::attention;
  using dtype = Dtype;
  static constexpr bool any_type = true; // masks are bool, numbers of valid keys integers
  static constexpr bool symmetric = true;
  static constexpr bool integers = !is_floating(Dtype::id);
  static constexpr std::int64_t most_heads = 256;
  static constexpr bool takes(const context& c, node_id) {
    const shape q = heads_of(c, 0);
    if (integers && !takes_integers(c)) return false;
    return q[0] * q[1] <= most_heads && (!c.has(3) || c.carries(3)) && (!c.has(6) || c.carries(6));
  }
  static constexpr void apply(context& c, node_id) {
    if (integers) c.compute_in(dtype_id::f32);
    const auto a = c.attributes<op>();
    const shape dq = heads_of(c, 0);
    sequence s(c);
    const tensor_id keys = joined(c, s, 1, 4);
    const tensor_id values = joined(c, s, 2, 5);
    if (c.wants(1)) s.finish(keys, 1);
    if (c.wants(2)) s.finish(values, 2);
    const shape dk = s.dims(keys);
    const shape dv = s.dims(values);
    const std::int64_t heads = dq[0] * dq[1];
    const std::int64_t shared = dq[1] / dk[1]; // heads of q that read one of k and v
    const float scale = a.scale == 0.0F ? 1.0F / math::sqrt(static_cast<float>(dq[3])) : static_cast<float>(a.scale);
    tensor_id q = s.reshape(by_heads(c, s, 0), {heads * dq[2], dq[3]});
    if (scale != 1.0F && !integers) q = s.binary(isa::binary_kind::mul, q, s.scalar(scale, 2));
    const tensor_id k = s.reshape(keys, {dk.elements() / dk[3], dk[3]});
    const tensor_id v = s.reshape(s.transpose(values, {0, 1, 3, 2}), {dv.elements() / dv[2], dv[2]});
    // The rows of x for each head of q, times those of w; sums of integers become floats, times `times`.
    const auto products = [&](tensor_id x, tensor_id w, std::int64_t rows, float times) {
      format sums{dtype_id::i32, {}};
      if (integers) {
        const double real = detail::scale_at(c, x) * detail::scale_at(c, w) * static_cast<double>(times);
        sums.quant.scale = static_cast<float>(real);
      }
      vec<tensor_id> parts;
      for (std::int64_t h = 0; h < heads; ++h) {
        const std::int64_t of_w = h / dq[1] * dk[1] + h % dq[1] / shared;
        const tensor_id of_q = s.slice(x, 0, h * dq[2], (h + 1) * dq[2]);
        const tensor_id of_k = s.slice(w, 0, of_w * rows, (of_w + 1) * rows);
        parts.push_back(integers ? s.product(of_q, of_k, sums, 1.0) : s.product(of_q, of_k));
      }
      const tensor_id all = s.concat(parts, 0);
      return integers ? c.cast_to(all, {dtype_id::f32, {}}) : all;
    };
    tensor_id scores = s.reshape(products(q, k, dk[2], scale), {dq[0], dq[1], dq[2], dk[2]});
    const auto show = [&](std::int64_t mode) {
      if (c.wants(3) && a.qk_matmul_output_mode == mode) s.finish(scores, 3);
    };
    show(0);
    if (a.softcap > 0.0F) {
      const tensor_id cap = s.scalar(a.softcap);
      const tensor_id part = s.unary(isa::unary_kind::tanh, s.binary(isa::binary_kind::div, scores, cap));
      scores = s.binary(isa::binary_kind::mul, part, cap);
    }
    show(1);
    bool each_sees = true;
    scores = masked(c, s, scores, each_sees);
    show(2);
    const shape rows{1, heads * dq[2], 1, dk[2]};
    tensor_id shares = s.reshape(scores, rows);
    const tensor_id hidden = s.scalar(-math::infinity<float>);
    const tensor_id zero = s.scalar(0.0F);
    const tensor_id blind =
        each_sees ? none : s.compare(isa::compare_kind::equal, s.reduce(isa::reduce_kind::max, shares), hidden);
    if (!each_sees) shares = s.select(blind, zero, shares);
    tensor_id total = none;
    if (integers) {
      const tensor_id below = s.binary(isa::binary_kind::sub, shares, s.reduce(isa::reduce_kind::max, shares));
      shares = c.cast_to(s.unary(isa::unary_kind::exp, below), {dtype_id::u8, {1.0F / 255.0F, 0}});
      total = s.reduce(isa::reduce_kind::sum, c.cast_to(shares, {dtype_id::f32, {}}));
    } else {
      shares = s.softmax(shares);
      if (!each_sees) shares = s.select(blind, zero, shares);
    }
    scores = shares;
    show(3);
    tensor_id y = products(s.reshape(shares, {heads * dq[2], dk[2]}), v, dv[3], 1.0F);
    if (integers) {
      const tensor_id each = s.reshape(y, {1, heads * dq[2], 1, dv[3]});
      y = s.binary(isa::binary_kind::div, each, total);
      if (!each_sees) y = s.select(blind, zero, y);
      y = s.reshape(y, {heads * dq[2], dv[3]});
    }
    if (c.dims(0).rank() == 4) {
      s.finish(y);
    } else {
      s.finish(s.transpose(s.reshape(y, {dq[0], dq[1], dq[2], dv[3]}), {0, 2, 1, 3}));
    }
  }

private:
  /// Operand i as [N, heads, length, width].
  static constexpr shape heads_of(const context& c, std::size_t i) {
    const auto a = c.attributes<op>();
    const top::detail::heads_view h(c.dims(i), i == 0 ? a.q_num_heads : a.kv_num_heads);
    return {h.batch, h.heads, h.length, h.width};
  }
  /// Queries, keys and values whose ranges are known, those of the past are none, and only the result is asked for.
  static constexpr bool takes_integers(const context& c) {
    const std::int64_t keys = heads_of(c, 1)[2];
    const auto given = [&](std::size_t i) { return c.has(i) && c.dims(i).elements() != 0; };
    return detail::is_ranged(c, 0) && detail::is_ranged(c, 1) && detail::is_ranged(c, 2) && !given(4) && !given(5) &&
           !c.wants(1) && !c.wants(2) && !c.wants(3) && detail::sums_fit(heads_of(c, 0)[3]) && detail::sums_fit(keys);
  }
  static constexpr tensor_id by_heads(context& c, sequence& s, std::size_t i) {
    const tensor_id x = integers ? detail::symmetric_operand(c, i, i == 0) : c.operand(i);
    if (c.dims(i).rank() == 4) return x;
    const shape d = heads_of(c, i);
    return s.transpose(s.reshape(x, {d[0], d[2], d[1], d[3]}), {0, 2, 1, 3});
  }
  /// Keys or values, those of the past first.
  static constexpr tensor_id joined(context& c, sequence& s, std::size_t i, std::size_t past) {
    const tensor_id now = by_heads(c, s, i);
    if (!c.has(past) || c.dims(past).elements() == 0) return now;
    const tensor_id parts[] = {c.operand(past), now};
    return s.concat(parts, 2);
  }
  /// The scores [N, heads, queries, keys] with -infinity for keys that a query must not see. `each_sees`: each query is sure to see one.
  static constexpr tensor_id masked(context& c, sequence& s, tensor_id scores, bool& each_sees) {
    const auto a = c.attributes<op>();
    const shape d = s.dims(scores);
    const bool fixed = c.has(3) && c.is_constant(3);
    const bool places_known = detail::hides_places(a) && !c.has(6);
    if (fixed || places_known) {
      value mask;
      if (fixed) mask = c.constant(3);
      const std::int64_t past = c.has(4) ? c.dims(4)[2] : 0;
      const value bias = detail::attention_bias(a, fixed ? &mask : nullptr, d, past, places_known);
      each_sees = detail::shows_each_a_key(bias);
      scores = s.binary(isa::binary_kind::add, scores, s.rounded(bias));
    }
    const tensor_id hidden = s.scalar(-math::infinity<float>);
    if (c.has(3) && !fixed) {
      each_sees = false;
      const bool floats = is_floating(c.top_type(3));
      tensor_id mask = s.reshape(c.operand(3), detail::with_rank(c.dims(3), 4));
      const std::int64_t missing = d[3] - s.dims(mask)[3];
      if (missing > 0) mask = s.pad(mask, {0, 0, 0, 0, 0, 0, 0, missing}, floats ? -math::infinity<float> : 0.0F);
      scores = floats ? s.binary(isa::binary_kind::add, scores, mask) : s.select(mask, scores, hidden);
    }
    if (c.has(6)) {
      each_sees = false;
      scores = s.select(sees_valid(c, s, d), scores, hidden);
    }
    return scores;
  }
  /// Where operand 6, how many keys of a batch are valid, lets a query see a key: [N, 1, queries or 1, keys].
  static constexpr tensor_id sees_valid(context& c, sequence& s, const shape& scores) {
    const auto a = c.attributes<op>();
    const shape batch{scores[0], 1, 1, 1};
    const tensor_id valid = c.is_constant(6) ? c.constant_operand(6, batch) : s.reshape(c.operand(6), batch);
    value keys(dtype_id::i32, {1, 1, 1, scores[3]});
    value ahead(dtype_id::i32, {1, 1, scores[2], scores[3]}); // j - i + the number of queries
    for (std::int64_t j = 0; j < scores[3]; ++j) keys.i.data()[j] = j;
    for (std::int64_t n = 0; n < ahead.dims.elements(); ++n)
      ahead.i.data()[n] = n % scores[3] - n / scores[3] + scores[2];
    tensor_id sees = s.compare(isa::compare_kind::less, s.constant(keys), valid);
    const auto also = [&](bool asked, std::int64_t bound, bool most) {
      if (!asked) return;
      const tensor_id place = s.integer(isa::integer_kind::add, valid, s.number_like(valid, bound));
      const tensor_id there = s.constant(ahead);
      const tensor_id fits = s.compare(isa::compare_kind::less_or_equal, most ? there : place, most ? place : there);
      sees = s.compare(isa::compare_kind::logical_and, sees, fits);
    };
    also(a.is_causal != 0, 0, true);
    also(a.right_window_size >= 0, a.right_window_size, true);
    also(a.left_window_size >= 0, -a.left_window_size, false);
    return sees;
  }
};

} // namespace tmpu::lower
