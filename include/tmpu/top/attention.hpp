// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/matmul.hpp"

namespace tmpu::top {

namespace detail {
/// A tensor of heads, [N, heads, length, width] or [N, length, heads * width]: where its rows are.
struct heads_view {
  std::int64_t batch = -1;
  std::int64_t heads = -1;
  std::int64_t length = -1;
  std::int64_t width = -1;
  std::int64_t of_batch = 0; ///< steps in elements
  std::int64_t of_head = 0;
  std::int64_t of_row = 0;

  /// `heads_of_3d`: how many heads a tensor of rank 3 has.
  constexpr heads_view(const dims& d, std::int64_t heads_of_3d) : batch(d[0]) {
    if (d.rank() == 4) {
      heads = d[1];
      length = d[2];
      width = d[3];
      of_row = width;
      of_head = length * width;
    } else {
      heads = heads_of_3d;
      length = d[1];
      width = d[2] < 0 || heads < 1 ? -1 : d[2] / heads;
      of_row = d[2];
      of_head = width;
    }
    of_batch = heads * length * width;
  }
  [[nodiscard]] constexpr std::int64_t at(std::int64_t n, std::int64_t head, std::int64_t row) const {
    return n * of_batch + head * of_head + row * of_row;
  }
};
/// Refuses two known sizes that differ.
constexpr void fit(const infer_context& c, std::int64_t a, std::int64_t b, std::string_view what) {
  if (a >= 0 && b >= 0 && a != b) c.fail(text("the ") << what << " differ: " << a << " and " << b);
}
} // namespace detail

/// y = softmax(scale * q k^T + mask) v for each head.                                          (ONNX Attention)
/// Both q and k are multiplied by the root of scale (default 1 / sqrt(width)); each sum is sequential from +0; softcap s: s *
/// tanh(. / s) before the mask. The mask: operand 3 (bool: takes part; float: added; columns that it lacks are masked), is_causal
/// (key j only for j <= i + the number of keys before this query block), left_ and right_window_size around that place, and
/// operand 6 (valid keys of each batch). A row that sees no key is 0. past keys and values (operands 4, 5) stand before k and v;
/// results 1 and 2 are both together. Result 3, by qk_matmul_output_mode: 0 scaled products, 1 after softcap, 2 after the mask,
/// 3 after softmax. A head of k and v serves as many heads of q as there are more of them.
///
/// Shape:     q [N, Hq, Lq, W], k [N, Hk, Lk, W], v [N, Hk, Lk, Wv], or all three [N, L, H * W] with q_num_heads, kv_num_heads;
///            y [N, Hq, Lq, Wv] or [N, Lq, Hq * Wv]; past [N, Hk, P, W]; present [N, Hk, P + Lk, W]; result 3 [N, Hq, Lq, P + Lk].
/// Elements:  f32, f16, bf16: in f32 inside, rounded to the type of q after each product, and softmax's result.
/// Tiling:    N, heads, rows of q.
/// Errors:    other ranks or sizes; heads that do not divide; one past without the other; past together with operand 6.
struct attention {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, is_causal), (defaulted<std::int64_t, 0>, kv_num_heads),
                (defaulted<std::int64_t, -1>, left_window_size), (defaulted<std::int64_t, 0>, q_num_heads),
                (defaulted<std::int64_t, 0>, qk_matmul_output_mode), (defaulted<std::int64_t, -1>, right_window_size),
                (defaulted<float, 0>, scale), (defaulted<float, 0>, softcap),
                (defaulted<std::int64_t, 0>, softmax_precision));
  };
  static constexpr op_info info{
      .name = "attention", .onnx = "Attention", .min_operands = 3, .max_operands = 7, .max_results = 4};

  static constexpr void infer(const attributes& a, infer_context& c) {
    const std::size_t rank = c.dims(0).rank();
    if (rank != 3 && rank != 4) c.fail(text("needs operands of rank 3 or 4, but q is ") << c.dims(0).print());
    for (std::size_t i = 0; i < 3; ++i) {
      detail::require_floating(c, i);
      detail::require_rank(c, i, rank);
    }
    if (rank == 3) {
      if (a.q_num_heads < 1 || a.kv_num_heads < 1) c.fail("operands of rank 3 need q_num_heads and kv_num_heads");
      for (std::size_t i = 0; i < 3; ++i) {
        const std::int64_t heads = i == 0 ? a.q_num_heads : a.kv_num_heads;
        if (c.dims(i)[2] >= 0 && c.dims(i)[2] % heads != 0)
          c.fail(text("the ") << heads << " heads do not divide operand " << i << ' ' << c.dims(i).print());
      }
    }
    if (a.qk_matmul_output_mode < 0 || a.qk_matmul_output_mode > 3)
      c.fail(text("qk_matmul_output_mode must be 0 to 3, but is ") << a.qk_matmul_output_mode);
    const detail::heads_view q(c.dims(0), a.q_num_heads);
    const detail::heads_view k(c.dims(1), a.kv_num_heads);
    const detail::heads_view v(c.dims(2), a.kv_num_heads);
    detail::fit(c, q.batch, k.batch, "batches of q and k");
    detail::fit(c, k.batch, v.batch, "batches of k and v");
    detail::fit(c, q.width, k.width, "head sizes of q and k");
    detail::fit(c, k.length, v.length, "lengths of k and v");
    detail::fit(c, k.heads, v.heads, "heads of k and v");
    if (q.heads >= 0 && k.heads >= 0 && (k.heads == 0 || q.heads % k.heads != 0))
      c.fail(text("the ") << k.heads << " heads of k do not divide the " << q.heads << " heads of q");
    if (c.has(4) != c.has(5)) c.fail("operands 4 and 5 (past keys and values) must be given together");
    if (c.has(4) && c.has(6)) c.fail("operand 6 (valid keys) cannot be combined with past keys and values");
    if (c.has(6)) {
      detail::require_integers(c, 6);
      detail::require_rank(c, 6, 1);
      detail::fit(c, q.batch, c.dims(6)[0], "batches of q and operand 6");
    }
    std::int64_t past = 0;
    if (c.has(4)) {
      detail::require_floating(c, 4);
      detail::require_floating(c, 5);
      detail::require_rank(c, 4, 4);
      detail::require_rank(c, 5, 4);
      past = c.dims(4)[2];
      detail::fit(c, past, c.dims(5)[2], "lengths of the past keys and values");
      detail::fit(c, k.width, c.dims(4)[3], "head sizes of k and its past");
      detail::fit(c, v.width, c.dims(5)[3], "head sizes of v and its past");
      detail::fit(c, k.heads, c.dims(4)[1], "heads of k and its past");
      detail::fit(c, v.heads, c.dims(5)[1], "heads of v and its past");
      detail::fit(c, k.batch, c.dims(4)[0], "batches of k and its past");
      detail::fit(c, v.batch, c.dims(5)[0], "batches of v and its past");
    }
    const std::int64_t keys = k.length < 0 || past < 0 ? -1 : k.length + past;
    if (c.has(3)) {
      const auto& m = c.dims(3);
      if (m.rank() < 1 || m.rank() > 4) c.fail(text("the mask must have rank 1 to 4, but is ") << m.print());
      if (c.type(3) != dtype_id::boolean) detail::require_floating(c, 3);
      const std::int64_t whole[] = {q.batch, q.heads, q.length, keys};
      for (std::size_t i = 0; i < m.rank(); ++i) {
        const std::int64_t wanted = whole[4 - m.rank() + i];
        const bool last = i + 1 == m.rank(); // may be shorter
        if (m[i] >= 0 && wanted >= 0 && (last || m[i] != 1) && (last ? m[i] > wanted : m[i] != wanted))
          c.fail(text("the mask ") << m.print() << " does not fit " << q.length << " queries and " << keys << " keys");
      }
    }
    if (rank == 4) {
      c.result(0, c.type(0), {q.batch, q.heads, q.length, v.width});
    } else {
      c.result(0, c.type(0), {q.batch, q.length, v.width < 0 ? -1 : q.heads * v.width});
    }
    c.result(1, c.type(1), {k.batch, k.heads, keys, k.width});
    c.result(2, c.type(2), {v.batch, v.heads, keys, v.width});
    c.result(3, c.type(0), {q.batch, q.heads, q.length, keys});
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const detail::heads_view q(c.in(0).dims, a.q_num_heads);
    const detail::heads_view of_y(y.dims, q.heads);
    const value k = joined(c, 4, c.in(1), a.kv_num_heads);
    const value v = joined(c, 5, c.in(2), a.kv_num_heads);
    const std::int64_t keys = k.dims[2];
    const std::int64_t width = v.dims[3];
    const std::int64_t shared = q.heads / k.dims[1];
    const float scale = a.scale == 0.0F ? 1.0F / math::sqrt(static_cast<float>(q.width)) : static_cast<float>(a.scale);
    const float root = round_to(y.type, math::sqrt(scale));
    vec<float> left(static_cast<std::size_t>(q.length * q.width));
    vec<float> right(static_cast<std::size_t>(keys * q.width));
    vec<float> scores(static_cast<std::size_t>(q.length * keys));
    vec<float> result(static_cast<std::size_t>(q.length * width));
    vec<float> bias(static_cast<std::size_t>(keys));
    vec<std::uint8_t> sees(static_cast<std::size_t>(q.length), std::uint8_t{1}); // rows of q that see a key
    vec<float> buffer;
    const bool masks =
        c.has(3) || c.has(6) || a.is_causal != 0 || a.left_window_size >= 0 || a.right_window_size >= 0 || keys == 0;
    for (std::int64_t n = 0; n < q.batch; ++n) {
      for (std::int64_t head = 0; head < q.heads; ++head) {
        const std::int64_t source = n * k.dims[1] + head / shared; // the head of k and v
        float* to = left.data();
        for (std::int64_t i = 0; i < q.length; ++i) {
          const float* from = c.in(0).f.data() + q.at(n, head, i);
          for (std::int64_t w = 0; w < q.width; ++w) *to++ = from[w] * root;
        }
        round_all(left, y.type);
        const float* from = k.f.data() + source * keys * q.width;
        for (float& r : right) r = *from++ * root;
        round_all(right, y.type);
        detail::multiply({left.data(), q.width, 1}, {right.data(), 1, q.width}, q.length, q.width, keys, scores.data(),
                         buffer);
        round_all(scores, y.type);
        const auto show = [&](std::int64_t mode) {
          if (c.result_count() < 4 || a.qk_matmul_output_mode != mode) return;
          float* out = c.out(3).f.data() + (n * q.heads + head) * q.length * keys;
          for (const float s : scores) *out++ = s;
        };
        show(0);
        if (a.softcap > 0.0F) {
          for (float& s : scores) s = round_to(y.type, math::tanh(s / a.softcap) * a.softcap);
        }
        show(1);
        for (std::int64_t i = 0; i < q.length; ++i) {
          if (masks) sees[static_cast<std::size_t>(i)] = fill_bias(a, c, n, head, i, q.length, bias) ? 1 : 0;
          float* s = scores.data() + i * keys;
          const float* b = bias.data();
          for (std::int64_t j = 0; j < keys; ++j) s[j] = b[j] == -math::infinity<float> ? b[j] : s[j] + b[j];
        }
        round_all(scores, y.type);
        show(2);
        softmax_rows(scores.data(), q.length, keys, sees.data());
        round_all(scores, y.type);
        show(3);
        detail::multiply({scores.data(), keys, 1}, {v.f.data() + source * keys * width, width, 1}, q.length, keys,
                         width, result.data(), buffer);
        for (std::int64_t i = 0; i < q.length; ++i)
          copy_elements(result.data() + i * width, static_cast<std::size_t>(width), y.f.data() + of_y.at(n, head, i));
      }
    }
    detail::round_elements(y);
    if (c.result_count() > 1 && c.out(1).type != dtype_id::none) c.out(1) = k;
    if (c.result_count() > 2 && c.out(2).type != dtype_id::none) c.out(2) = v;
  }

private:
  /// Keys or values as [N, heads, all, width], those of the past (operand i, where given) first.
  static constexpr value joined(const eval_context& c, std::size_t i, const value& x, std::int64_t heads_of_3d) {
    const detail::heads_view in(x.dims, heads_of_3d);
    const std::int64_t past = c.has(i) ? c.in(i).dims[2] : 0;
    value all(x.type, {in.batch, in.heads, past + in.length, in.width});
    float* to = all.f.data();
    for (std::int64_t n = 0; n < in.batch; ++n) {
      for (std::int64_t head = 0; head < in.heads; ++head) {
        const std::int64_t before = past * in.width;
        if (before > 0)
          copy_elements(c.in(i).f.data() + (n * in.heads + head) * before, static_cast<std::size_t>(before), to);
        to += before;
        for (std::int64_t row = 0; row < in.length; ++row, to += in.width)
          copy_elements(x.f.data() + in.at(n, head, row), static_cast<std::size_t>(in.width), to);
      }
    }
    return all;
  }

  /// What is added to the scores of query i, -infinity for keys that it must not see; false where it sees none.
  static constexpr bool fill_bias(const attributes& a, const eval_context& c, std::int64_t n, std::int64_t head,
                                  std::int64_t i, std::int64_t queries, vec<float>& bias) {
    constexpr float masked = -math::infinity<float>;
    const std::int64_t valid = c.has(6) ? c.in(6).i[static_cast<std::size_t>(n)] : -1;
    const std::int64_t place = i + (c.has(6) ? valid - queries : (c.has(4) ? c.in(4).dims[2] : 0));
    std::int64_t row = 0; // of the mask
    std::int64_t columns = 0;
    if (c.has(3)) {
      const auto& m = c.in(3).dims;
      const std::int64_t index[] = {n, head, i, 0};
      for (std::size_t d = 0; d < m.rank(); ++d) row = row * m[d] + (m[d] == 1 ? 0 : index[4 - m.rank() + d]);
      columns = m[m.rank() - 1];
    }
    bool sees = false;
    for (std::int64_t j = 0; j < static_cast<std::int64_t>(bias.size()); ++j) {
      float b = 0.0F;
      if (c.has(3)) {
        const auto at = static_cast<std::size_t>(row + j);
        if (j >= columns) {
          b = masked;
        } else if (c.in(3).type == dtype_id::boolean) {
          b = c.in(3).i[at] != 0 ? 0.0F : masked;
        } else {
          b = c.in(3).f[at];
        }
      }
      const bool hidden = (a.is_causal != 0 && j > place) ||
                          (a.left_window_size >= 0 && j < place - a.left_window_size) ||
                          (a.right_window_size >= 0 && j > place + a.right_window_size) || (valid >= 0 && j >= valid);
      if (hidden) b = masked;
      sees = sees || b != masked;
      bias[static_cast<std::size_t>(j)] = b;
    }
    return sees;
  }

  static constexpr void round_all(vec<float>& v, dtype_id type) {
    if (type == dtype_id::f32) return;
    for (float& x : v) x = round_to(type, x);
  }

  /// In place; a row that sees no key becomes 0. Each sum is sequential; those of `together` rows go side by side.
  static constexpr void softmax_rows(float* all, std::int64_t rows, std::int64_t count, const std::uint8_t* sees) {
    constexpr std::int64_t together = 8;
    for (std::int64_t i = 0; i < rows; ++i) {
      float* s = all + i * count;
      const float top = greatest(s, count);
      // exp(-inf) is 0, also where the greatest is -inf and the difference would be no number.
      for (std::int64_t j = 0; j < count; ++j) s[j] = s[j] == -math::infinity<float> ? s[j] : s[j] - top;
    }
    if (!std::is_constant_evaluated() && fast_loops_in_use != nullptr) {
      fast_loops_in_use->exp(all, all, rows * count);
    } else {
      for (std::int64_t j = 0; j < rows * count; ++j) all[j] = math::exp(all[j]);
    }
    for (std::int64_t first = 0; first < rows; first += together) {
      const std::int64_t high = rows - first < together ? rows - first : together;
      float sum[together] = {};
      for (std::int64_t j = 0; j < count; ++j) {
        for (std::int64_t r = 0; r < high; ++r) sum[r] += all[(first + r) * count + j];
      }
      for (std::int64_t r = 0; r < high; ++r) {
        float* s = all + (first + r) * count;
        for (std::int64_t j = 0; j < count; ++j) s[j] = sees[first + r] != 0 ? s[j] / sum[r] : 0.0F;
      }
    }
  }
  /// Which of two zeros it is does not matter to a difference that exp takes.
  static constexpr float greatest(const float* s, std::int64_t count) {
    constexpr std::int64_t lanes = 16;
    float best[lanes];
    for (float& b : best) b = -math::infinity<float>;
    std::int64_t j = 0;
    for (; j + lanes <= count; j += lanes) {
      for (std::int64_t l = 0; l < lanes; ++l) best[l] = s[j + l] > best[l] ? s[j + l] : best[l];
    }
    for (; j < count; ++j) best[0] = s[j] > best[0] ? s[j] : best[0];
    for (const float b : best) best[0] = b > best[0] ? b : best[0];
    return best[0];
  }
};
static_assert(op<attention>);

/// Pairs of elements of x turned by angles whose cosines and sines are operands 1 and 2: (a, b) -> (cos a - sin b, sin a + cos b).
/// A pair is (i, i + R/2), or interleaved (2i, 2i + 1), of the first R = rotary_embedding_dim elements of a head (0: all); the
/// others stay. Operand 3: the row of the tables for each place of the sequence.               (ONNX RotaryEmbedding)
///
/// Shape:     x [N, heads, L, W], or [N, L, heads * W] with num_heads; tables [rows, R/2], or [N, L, R/2] without operand 3; places
///            [N, L]; y has the shape of x.
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    N, heads, L.
/// Errors:    other ranks or sizes; a place outside of the tables.
struct rotary_embedding {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, interleaved), (defaulted<std::int64_t, 0>, num_heads),
                (defaulted<std::int64_t, 0>, rotary_embedding_dim));
  };
  static constexpr op_info info{
      .name = "rotary_embedding", .onnx = "RotaryEmbedding", .min_operands = 3, .max_operands = 4};

  static constexpr void infer(const attributes& a, infer_context& c) {
    for (std::size_t i = 0; i < 3; ++i) detail::require_floating(c, i);
    const auto& x = c.dims(0);
    if (x.rank() != 3 && x.rank() != 4) c.fail(text("needs an input of rank 3 or 4, but it is ") << x.print());
    if (x.rank() == 3 && (a.num_heads < 1 || (x[2] >= 0 && x[2] % a.num_heads != 0)))
      c.fail(text("num_heads ") << a.num_heads << " does not divide the last axis of " << x.print());
    const detail::heads_view in(x, a.num_heads);
    const std::int64_t turned =
        a.rotary_embedding_dim == 0 ? in.width : static_cast<std::int64_t>(a.rotary_embedding_dim);
    if (turned >= 0 && (turned % 2 != 0 || (in.width >= 0 && turned > in.width)))
      c.fail(text("cannot turn ") << turned << " elements of a head of " << in.width);
    const std::size_t rank = c.has(3) ? 2 : 3;
    for (std::size_t i = 1; i < 3; ++i) {
      detail::require_rank(c, i, rank);
      const auto& d = c.dims(i);
      if (d.known() && c.dims(1).known() && !(d == c.dims(1)))
        c.fail(text("the tables ") << c.dims(1).print() << " and " << d.print() << " must have one shape");
      if (turned >= 0 && d[rank - 1] >= 0 && d[rank - 1] != turned / 2)
        c.fail(text("operand ") << i << ' ' << d.print() << " must have " << turned / 2 << " columns");
      if (!c.has(3) &&
          ((d[0] >= 0 && in.batch >= 0 && d[0] != in.batch) || (d[1] >= 0 && in.length >= 0 && d[1] != in.length))) {
        c.fail(text("operand ") << i << ' ' << d.print() << " does not fit x " << x.print());
      }
    }
    if (c.has(3)) {
      detail::require_integers(c, 3);
      detail::require_rank(c, 3, 2);
      detail::fit(c, in.length, c.dims(3)[1], "lengths of x and its places");
      if (c.dims(3)[0] != 1) detail::fit(c, in.batch, c.dims(3)[0], "batches of x and its places");
    }
    c.result(0, c.type(0), x);
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const detail::heads_view in(x.dims, a.num_heads);
    const std::int64_t half = c.in(1).dims[c.in(1).dims.rank() - 1];
    const std::int64_t first = a.interleaved != 0 ? 2 : 1;
    const std::int64_t second = a.interleaved != 0 ? 1 : half;
    y.f = x.f;
    for (std::int64_t n = 0; n < in.batch; ++n) {
      for (std::int64_t l = 0; l < in.length; ++l) {
        std::int64_t row = n * in.length + l;
        if (c.has(3)) {
          const auto& places = c.in(3).dims;
          row = c.in(3).i[static_cast<std::size_t>((places[0] == 1 ? 0 : n) * places[1] + l)];
          if (row < 0 || row >= c.in(1).dims[0])
            c.fail(text("the place ") << row << " is outside of tables of " << c.in(1).dims[0] << " rows");
        }
        const float* cosines = c.in(1).f.data() + row * half;
        const float* sines = c.in(2).f.data() + row * half;
        for (std::int64_t head = 0; head < in.heads; ++head) {
          const float* from = x.f.data() + in.at(n, head, l);
          float* to = y.f.data() + in.at(n, head, l);
          for (std::int64_t i = 0; i < half; ++i) {
            const float p = from[i * first];
            const float r = from[i * first + second];
            to[i * first] = cosines[i] * p - sines[i] * r;
            to[i * first + second] = sines[i] * p + cosines[i] * r;
          }
        }
      }
    }
    detail::round_elements(y);
  }
};
static_assert(op<rotary_embedding>);

} // namespace tmpu::top
