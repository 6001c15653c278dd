// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/linear.hpp"

namespace tmpu::canonicalize {

namespace detail {
/// The matrix [rows, columns] as [columns, rows].
constexpr value transposed(const value& m) {
  value t(m.type, {m.dims[1], m.dims[0]});
  const auto rows = static_cast<std::size_t>(m.dims[0]);
  const auto columns = static_cast<std::size_t>(m.dims[1]);
  constexpr std::size_t strip =
      16; // columns that are written side by side, so that a line of the cache is filled at once
  for (std::size_t first = 0; first < columns; first += strip) {
    const std::size_t end = first + strip < columns ? first + strip : columns;
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = first; j < end; ++j) t.f[j * rows + i] = m.f[i * columns + j];
    }
  }
  return t;
}
constexpr top::gemm::attributes dense_attributes() {
  top::gemm::attributes a{};
  a.transB = 1;
  return a;
}
constexpr tensor_id swap_axes(rewriter& r, std::string_view name, tensor_id x) {
  top::transpose::attributes a{};
  a.perm = {1, 0};
  return r.add<top::transpose>(name, a, {x});
}
} // namespace detail

/// MatMul(x, constant matrix)  ==>  gemm with w [N, K] and a bias of zeros, a Reshape before and after it where x is no
/// matrix.   Needs: floating-point elements.
struct matmul_to_gemm {
  static constexpr std::string_view name = "matmul-to-gemm";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::matmul>(id)) return false;
    const tensor_id x = r.operand(id);
    const tensor_id w = r.operand(id, 1);
    if (!r.is_constant(w) || r.is_constant(x) || !r.floating(x) || r.dims(w).rank() != 2) return false;
    const tmpu::shape to = r.dims(r.result(id));
    const std::int64_t depth = r.dims(w)[0];
    const std::int64_t columns = r.dims(w)[1];
    const tensor_id weight = r.add_constant(text(r.graph().name(w)) << "/t", detail::transposed(r.constant(w)));
    const tensor_id bias = r.add_constant(r.name_before(id, "bias"), value(r.type(x), {columns}));
    if (r.dims(x).rank() == 2) {
      r.become<top::gemm>(id, detail::dense_attributes(), {x, weight, bias});
      return true;
    }
    const std::int64_t rows = depth == 0 ? 0 : r.dims(x).elements() / depth;
    const tensor_id matrix = add_reshape(r, r.name_before(id, "2d"), x, {rows, depth});
    const tensor_id y = r.add<top::gemm>(r.name_before(id, "gemm"), detail::dense_attributes(), {matrix, weight, bias});
    become_reshape(r, id, y, to);
    return true;
  }
};
static_assert(rewrite_rule<matmul_to_gemm>);

/// Gemm with a constant B  ==>  gemm with w [N, K], bias [N], alpha and beta folded into them, a Transpose before it where
/// A is transposed; a C that is no constant row is added by Add.
/// Gemm of two activations  ==>  MatMul, with Transpose, Mul by alpha and Add of beta * C where they are needed.
struct fill_gemm {
  static constexpr std::string_view name = "fill-gemm";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::gemm>(id) || detail::is_dense(r, id)) return false;
    const auto a = r.attributes<top::gemm>(id);
    tensor_id x = r.operand(id);
    if (a.transA != 0) x = detail::swap_axes(r, r.name_before(id, "transposed"), x);
    if (r.is_constant(r.operand(id, 1))) {
      dense(r, id, x, a);
    } else {
      product(r, id, x, a);
    }
    return true;
  }

private:
  static constexpr void dense(rewriter& r, node_id id, tensor_id x, const top::gemm::attributes& a) {
    const tensor_id b = r.operand(id, 1);
    value w = r.constant(b);
    if (a.transB == 0) w = detail::transposed(w);
    if (a.alpha != 1.0F) {
      for (float& v : w.f) v *= a.alpha.value;
    }
    const std::int64_t columns = w.dims[0];
    const tensor_id c = r.operand(id, 2);
    value bias(r.type(x), {columns});
    bool apart = c != none;
    if (c != none && r.is_constant(c) &&
        (r.dims(c).elements() == 1 ||
         (r.dims(c)[r.dims(c).rank() - 1] == columns && r.dims(c).elements() == columns))) {
      apart = false;
      const value given = r.constant(c);
      for (std::size_t n = 0; n < bias.f.size(); ++n) bias.f[n] = a.beta * given.f[given.f.size() == 1 ? 0 : n];
    }
    tensor_id weight = b;
    if (a.transB == 0 || a.alpha != 1.0F) weight = r.add_constant(text(r.graph().name(b)) << "/t", w);
    tensor_id row = c;
    if (c == none || apart || a.beta != 1.0F || r.dims(c).rank() != 1 || r.dims(c)[0] != columns)
      row = r.add_constant(r.name_before(id, "bias"), bias);
    auto form = detail::dense_attributes();
    if (!apart) {
      form.clamp = a.clamp;
      r.become<top::gemm>(id, form, {x, weight, row});
      return;
    }
    const tensor_id y = r.add<top::gemm>(r.name_before(id, "gemm"), form, {x, weight, row});
    add_rest(r, id, y, c, a);
  }
  static constexpr void product(rewriter& r, node_id id, tensor_id x, const top::gemm::attributes& a) {
    tensor_id w = r.operand(id, 1);
    const tensor_id c = r.operand(id, 2);
    if (a.transB != 0) w = detail::swap_axes(r, r.name_before(id, "transposed"), w);
    const bool scaled = a.alpha != 1.0F;
    if (!scaled && c == none && a.clamp.empty()) {
      r.become<top::matmul>(id, {}, {x, w});
      return;
    }
    tensor_id y = r.add<top::matmul>(r.name_before(id, "matmul"), {}, {x, w});
    const tensor_id alpha = scaled || c == none ? r.add_scalar(r.name_before(id, "alpha"), a.alpha, x) : none;
    if (c == none) {
      top::mul::attributes m{};
      m.clamp = a.clamp;
      r.become<top::mul>(id, m, {y, alpha});
      return;
    }
    if (scaled) y = r.add<top::mul>(r.name_before(id, "scaled"), {}, {y, alpha});
    add_rest(r, id, y, c, a);
  }
  /// The node becomes y + beta * c.
  static constexpr void add_rest(rewriter& r, node_id id, tensor_id y, tensor_id c, const top::gemm::attributes& a) {
    tensor_id rest = c;
    if (a.beta != 1.0F)
      rest = r.add<top::mul>(r.name_before(id, "rest"), {}, {c, r.add_scalar(r.name_before(id, "beta"), a.beta, c)});
    top::add::attributes form{};
    form.clamp = a.clamp;
    r.become<top::add>(id, form, {y, rest});
  }
};
static_assert(rewrite_rule<fill_gemm>);

} // namespace tmpu::canonicalize
