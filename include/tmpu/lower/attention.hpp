// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
#include "tmpu/top/attention.hpp"

namespace tmpu::lower {

/// rotary_embedding -> x times the cosines + x with the elements of each pair exchanged, times the sines, of which the first of
/// a pair is negative. Constant tables and places.
template <class Dtype> struct rotary_embedding_rule {
  using op = top::rotary_embedding;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) {
    if (c.is_constant(0) || !c.is_constant(1) || !c.is_constant(2) || (c.has(3) && !c.is_constant(3))) return false;
    if (!c.has(3)) return true;
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
    const tensor_id kept = s.binary(isa::binary_kind::mul, x, table(c, 1, flat, 1.0F));
    tensor_id y =
        s.binary(isa::binary_kind::add, kept, s.binary(isa::binary_kind::mul, other, table(c, 2, flat, -1.0F)));
    if (2 * half != whole[3]) {
      const tensor_id parts[] = {y, s.slice(all, 3, 2 * half, whole[3])};
      y = s.concat(parts, 3);
    }
    s.finish(y);
  }

private:
  /// Operand i for each element of x; `sign` is that of the first element of a pair.
  static constexpr tensor_id table(context& c, std::size_t i, bool flat, float sign) {
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
    c.round_constant(v, c.type(), c.name(i));
    text wanted(c.result_name());
    wanted << ".table";
    return c.add_constant(wanted, v);
  }
};

/// attention -> for each head the products of q (times scale) and the keys; the mask added; softmax of the rows; for each head
/// the products with the values. A constant mask that shows each query a key; no past keys, windows, softcap; the first result only.
template <class Dtype> struct attention_rule {
  using op = top::attention;
  using dtype = Dtype;
  static constexpr std::int64_t most_heads = 256;
  static constexpr bool takes(const context& c, node_id id) {
    const auto a = c.attributes<op>();
    const auto& results = c.source().results(id);
    for (std::size_t i = 1; i < results.size(); ++i) {
      if (results[i] != none) return false;
    }
    if (c.has(4) || c.has(6) || a.left_window_size >= 0 || a.right_window_size >= 0 || a.softcap > 0.0F) return false;
    const shape q = heads_of(c, 0);
    if (q[0] * q[1] > most_heads || (c.has(3) && !c.is_constant(3))) return false;
    return (!c.has(3) && a.is_causal == 0) || shows_each_a_key(mask_of(c));
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const shape dq = heads_of(c, 0);
    const shape dk = heads_of(c, 1);
    const shape dv = heads_of(c, 2);
    const std::int64_t heads = dq[0] * dq[1];
    const std::int64_t shared = dq[1] / dk[1]; // heads of q that read one of k and v
    const float scale = a.scale == 0.0F ? 1.0F / math::sqrt(static_cast<float>(dq[3])) : static_cast<float>(a.scale);
    sequence s(c);
    tensor_id q = s.reshape(by_heads(c, s, 0), {heads * dq[2], dq[3]});
    if (scale != 1.0F) q = s.binary(isa::binary_kind::mul, q, s.scalar(scale, 2));
    const tensor_id k = s.reshape(by_heads(c, s, 1), {dk.elements() / dk[3], dk[3]});
    const tensor_id turned = s.transpose(by_heads(c, s, 2), {0, 1, 3, 2});
    const tensor_id v = s.reshape(turned, {dv.elements() / dv[2], dv[2]});
    // The rows of x for each head of q, times those of w.
    const auto products = [&](tensor_id x, tensor_id w, std::int64_t rows) {
      vec<tensor_id> parts;
      for (std::int64_t h = 0; h < heads; ++h) {
        const std::int64_t of_w = h / dq[1] * dk[1] + h % dq[1] / shared;
        parts.push_back(
            s.product(s.slice(x, 0, h * dq[2], (h + 1) * dq[2]), s.slice(w, 0, of_w * rows, (of_w + 1) * rows)));
      }
      return s.concat(parts, 0);
    };
    tensor_id scores = products(q, k, dk[2]);
    if (c.has(3) || a.is_causal != 0) {
      value mask = mask_of(c);
      c.round_constant(mask, c.type(), "the mask");
      text wanted(c.result_name());
      wanted << ".mask";
      scores = s.binary(isa::binary_kind::add, s.reshape(scores, {dq[0], dq[1], dq[2], dk[2]}),
                        c.add_constant(wanted, mask));
    }
    const tensor_id shares = s.softmax(s.reshape(scores, {1, heads * dq[2], 1, dk[2]}));
    const tensor_id y = products(s.reshape(shares, {heads * dq[2], dk[2]}), v, dv[3]);
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
  static constexpr tensor_id by_heads(context& c, sequence& s, std::size_t i) {
    if (c.dims(i).rank() == 4) return c.operand(i);
    const shape d = heads_of(c, i);
    return s.transpose(s.reshape(c.operand(i), {d[0], d[2], d[1], d[3]}), {0, 2, 1, 3});
  }
  /// What is added to the scores, of rank 4; -infinity for a key that a query must not see.
  static constexpr value mask_of(const context& c) {
    constexpr float hidden = -math::infinity<float>;
    const std::int64_t queries = heads_of(c, 0)[2];
    const std::int64_t keys = heads_of(c, 1)[2];
    const bool causal = c.attributes<op>().is_causal != 0;
    shape own{1, 1, 1, keys};
    value from;
    if (c.has(3)) {
      from = c.constant(3);
      for (std::size_t i = 0; i < from.dims.rank(); ++i) own[4 - from.dims.rank() + i] = from.dims[i];
    }
    const std::int64_t columns = own[3];
    const std::int64_t rows = own[2];
    const std::int64_t wide = causal ? queries : rows;
    value v(dtype_id::f32, {own[0], own[1], wide, keys});
    for (std::int64_t n = 0; n < v.dims.elements(); ++n) {
      const std::int64_t j = n % keys;
      const std::int64_t i = n / keys % wide;
      const auto at = static_cast<std::size_t>((n / keys / wide * rows + (rows == 1 ? 0 : i)) * columns + j);
      float& x = v.f[static_cast<std::size_t>(n)];
      if (j >= columns || (causal && j > i)) {
        x = hidden;
      } else if (c.has(3)) {
        x = from.type == dtype_id::boolean ? (from.i[at] != 0 ? 0.0F : hidden) : from.f[at];
      }
    }
    return v;
  }
  static constexpr bool shows_each_a_key(const value& mask) {
    const auto keys = static_cast<std::size_t>(mask.dims[3]);
    for (std::size_t row = 0; row < mask.f.size(); row += keys) {
      bool sees = false;
      for (std::size_t j = 0; j < keys; ++j) sees = sees || mask.f[row + j] != -math::infinity<float>;
      if (!sees) return false;
    }
    return true;
  }
};

} // namespace tmpu::lower
