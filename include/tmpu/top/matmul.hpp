// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/fast_loops.hpp"
#include "tmpu/top/common.hpp"
#include "tmpu/top/conv.hpp"

namespace tmpu::top {

namespace detail {

/// y[m, n] = end of the sum over k, in order and by math::fma, of a(m, k) * b(k, n); y is row-major [rows, columns].
/// `buffer` holds depth * block floats.
constexpr void multiply(const matrix_view& a, const matrix_view& b, std::int64_t rows, std::int64_t depth,
                        std::int64_t columns, float* y, vec<float>& buffer, const product_end& end = {}) {
  if (std::is_constant_evaluated()) {
    for (std::int64_t m = 0; m < rows; ++m) {
      for (std::int64_t n = 0; n < columns; ++n) {
        float sum = 0.0F;
        for (std::int64_t k = 0; k < depth; ++k)
          sum = math::fma(a.data[m * a.row + k * a.column], b.data[k * b.row + n * b.column], sum);
        y[m * columns + n] = end(sum, n);
      }
    }
    return;
  }
  constexpr std::int64_t worth = 4096; // products, below which packing takes longer
  if (fast_loops_in_use != nullptr && rows * columns * depth >= worth)
    return fast_loops_in_use->product(a, b, rows, depth, columns, end, y);
  buffer.resize(static_cast<std::size_t>(depth * block));
  for (std::int64_t first = 0; first < columns; first += block) {
    const std::int64_t count = columns - first < block ? columns - first : block;
    const float* packed = b.data + first;
    std::int64_t step = b.row;
    if (b.column != 1 || count < block) {
      for (std::int64_t k = 0; k < depth; ++k) {
        for (std::int64_t j = 0; j < block; ++j) {
          buffer[static_cast<std::size_t>(k * block + j)] =
              j < count ? b.data[k * b.row + (first + j) * b.column] : 0.0F;
        }
      }
      packed = buffer.data();
      step = block;
    }
    for (std::int64_t m = 0; m < rows; ++m) {
      float sum[block] = {};
      for (std::int64_t k = 0; k < depth; ++k) {
        const float v = a.data[m * a.row + k * a.column];
        const float* t = packed + k * step;
        for (std::int64_t j = 0; j < block; ++j) sum[j] = math::fma(v, t[j], sum[j]);
      }
      for (std::int64_t j = 0; j < count; ++j) y[m * columns + first + j] = end(sum[j], first + j);
    }
  }
}

} // namespace detail

/// y = clamp(alpha * A' B' + beta * C), A' = A or its transpose, B' = B or its transpose.      (ONNX Gemm)
/// Each sum is sequential in k from +0, by math::fma; alpha is applied to it, then beta * C added. clamp (ours): empty, or
/// [low, high].
///
/// Shape:     A [M, K], B [K, N] (transposed: [K, M], [N, K]), C broadcasts to [M, N] or is absent; y [M, N].
/// Elements:  f32, f16, bf16 (sums in f32).
/// Tiling:    M, N; K by partial sums.
/// Errors:    ranks other than 2, inner dimensions that differ, C that does not broadcast.
struct gemm {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<float, 1>, alpha), (defaulted<float, 1>, beta), (defaulted<std::int64_t, 0>, transA),
                (defaulted<std::int64_t, 0>, transB), (floats, clamp));
  };
  static constexpr op_info info{
      .name = "gemm", .onnx = "Gemm", .min_operands = 2, .max_operands = 3, .writes_all = true};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_same_type(c, 0, 1);
    detail::require_rank(c, 0, 2);
    detail::require_rank(c, 1, 2);
    detail::check_clamp(a.clamp, c);
    const auto& x = c.dims(0);
    const auto& w = c.dims(1);
    const std::int64_t k = x[a.transA != 0 ? 0 : 1];
    const std::int64_t other = w[a.transB != 0 ? 1 : 0];
    if (k >= 0 && other >= 0 && k != other) {
      c.fail(text("the inner dimensions of ")
             << x.print() << " and " << w.print() << " differ: " << k << " and " << other);
    }
    const tmpu::shape y{x[a.transA != 0 ? 1 : 0], w[a.transB != 0 ? 0 : 1]};
    if (c.has(2)) {
      detail::require_same_type(c, 0, 2);
      const auto all = detail::broadcast_dims(y, c.dims(2), c);
      if (y.known() && !(all == y))
        c.fail(text("operand 2 ") << c.dims(2).print() << " does not broadcast to " << y.print());
    }
    c.result(0, c.type(0), y);
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    const value& w = c.in(1);
    value& y = c.out();
    const std::int64_t depth = x.dims[a.transA != 0 ? 0 : 1];
    matrix_view left{x.f.data(), x.dims[1], 1};
    matrix_view right{w.f.data(), w.dims[1], 1};
    if (a.transA != 0) left = {x.f.data(), 1, x.dims[1]};
    if (a.transB != 0) right = {w.f.data(), 1, w.dims[1]};
    vec<float> buffer;
    const float alpha = a.alpha;
    const float beta = a.beta;
    const detail::clamp_bounds clamp(a.clamp);
    const auto is_row = [&](const tmpu::shape& d) {
      return d.rank() > 0 && d[d.rank() - 1] == y.dims[1] && d.elements() == y.dims[1];
    };
    if (alpha == 1.0F && beta == 1.0F && (!c.has(2) || is_row(c.in(2).dims))) {
      const product_end end{c.has(2) ? c.in(2).f.data() : nullptr, clamp.low, clamp.high};
      detail::multiply(left, right, y.dims[0], depth, y.dims[1], y.f.data(), buffer, end);
      return detail::round_elements(y);
    }
    detail::multiply(left, right, y.dims[0], depth, y.dims[1], y.f.data(), buffer);
    if (alpha != 1.0F) {
      for (float& v : y.f) v = alpha * v;
    }
    if (c.has(2)) {
      detail::combine_in_place(y, c.in(2), [&](float l, float r) { return l + (beta == 1.0F ? r : beta * r); });
    }
    detail::clamp_elements(a.clamp, y);
    detail::round_elements(y);
  }
};
static_assert(op<gemm>);

/// y = A B, the last two axes are matrices, those before broadcast; a rank of 1 stands for a row (A) or column (B).
///                                                                                              (ONNX MatMul)
/// Each sum is sequential in k from +0, by math::fma; integers exactly.
///
/// Shape:     A [..., M, K], B [..., K, N]; y [..., M, N].
/// Elements:  f32, f16, bf16 (sums in f32); integers.
/// Tiling:    the axes before, M, N; K by partial sums.
/// Errors:    a scalar, inner dimensions that differ, axes before that do not broadcast.
struct matmul {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{
      .name = "matmul", .onnx = "MatMul", .min_operands = 2, .max_operands = 2, .writes_all = true};

  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_same_type(c, 0, 1);
    c.result(0, c.type(0), result_dims(c, 0, 1));
  }

  /// The shape of the result from the operands that are A and B.
  static constexpr tmpu::shape result_dims(infer_context& c, std::size_t left, std::size_t right) {
    if (c.dims(left).rank() == 0 || c.dims(right).rank() == 0) c.fail("takes matrices or vectors, not scalars");
    const auto a = as_matrix(c.dims(left), true);
    const auto b = as_matrix(c.dims(right), false);
    const std::int64_t k = a[a.rank() - 1];
    const std::int64_t other = b[b.rank() - 2];
    if (k >= 0 && other >= 0 && k != other) {
      c.fail(text("the inner dimensions of ")
             << c.dims(left).print() << " and " << c.dims(right).print() << " differ: " << k << " and " << other);
    }
    auto y =
        detail::broadcast_dims(tmpu::shape(a.span().first(a.rank() - 2)), tmpu::shape(b.span().first(b.rank() - 2)), c);
    if (c.dims(left).rank() > 1) y.push_back(a[a.rank() - 2]);
    if (c.dims(right).rank() > 1) y.push_back(b[b.rank() - 1]);
    return y;
  }

  static constexpr void eval(const attributes&, eval_context& c) { multiply(c.in(0), c.in(1), c.out()); }

  /// y = x w; y has type and shape.
  static constexpr void multiply(const value& x, const value& w, value& y) {
    const auto a = as_matrix(x.dims, true);
    const auto b = as_matrix(w.dims, false);
    const std::int64_t rows = a[a.rank() - 2];
    const std::int64_t depth = a[a.rank() - 1];
    const std::int64_t columns = b[b.rank() - 1];
    const tmpu::shape a_front(a.span().first(a.rank() - 2));
    const tmpu::shape b_front(b.span().first(b.rank() - 2));
    const tmpu::shape front = broadcast(a_front, b_front).dims;
    const detail::strides all[] = {detail::strides_of(front), detail::broadcast_strides(a_front, front),
                                   detail::broadcast_strides(b_front, front)};
    vec<float> buffer;
    detail::for_each_row(front, all, [&](const auto& at, std::int64_t count, const auto& step) {
      for (std::int64_t n = 0; n < count; ++n) {
        const std::int64_t ya = (at[0] + n) * rows * columns;
        const std::int64_t xa = (at[1] + n * step[1]) * rows * depth;
        const std::int64_t wa = (at[2] + n * step[2]) * depth * columns;
        if (is_floating(y.type)) {
          detail::multiply({x.f.data() + xa, depth, 1}, {w.f.data() + wa, columns, 1}, rows, depth, columns,
                           y.f.data() + ya, buffer);
        } else {
          multiply_integers(y, ya, x.i.data() + xa, w.i.data() + wa, rows, depth, columns);
        }
      }
    });
    detail::round_elements(y);
  }

  /// The shape as [..., rows, columns]: a vector becomes one row (first operand) or one column.
  static constexpr tmpu::shape as_matrix(const tmpu::shape& d, bool row) {
    if (d.rank() != 1) return d;
    return {row ? 1 : d[0], row ? d[0] : 1};
  }

private:
  static constexpr void multiply_integers(value& y, std::int64_t at, const std::int64_t* a, const std::int64_t* b,
                                          std::int64_t rows, std::int64_t depth, std::int64_t columns) {
    for (std::int64_t m = 0; m < rows; ++m) {
      for (std::int64_t n = 0; n < columns; ++n) {
        std::int64_t sum = 0;
        for (std::int64_t k = 0; k < depth; ++k) {
          sum = detail::wrapping_add(sum, detail::wrapping_mul(a[m * depth + k], b[k * columns + n]));
        }
        y.i[static_cast<std::size_t>(at + m * columns + n)] = detail::wrap(y.type, sum);
      }
    }
  }
};
static_assert(op<matmul>);

} // namespace tmpu::top
