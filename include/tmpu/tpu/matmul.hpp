// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/tpu/common.hpp"

namespace tmpu::tpu {

/// Matrix product with constant weights, bias and clamp: y[m, n] = clamp(sum over k of x[m, k] * w[n, k] + bias[n]).
/// The sum runs in the order of k; params, clamp and the integer meaning are those of conv.
///
/// Operands:  x [M,K]; weight [N,K] of x's type, i8 for integers; params [N,1] f32 or [N,3] i32. With a fourth operand the weight is
///            scaled (weight_groups): [N,G,R] of i4, i8 or f8, scales [N,G].
/// Shape:     y [M,N].
/// Tiling:    M, N and K; partial sums in f32 or i32. x lies whole in every lane, the rows of the weight over the lanes.
/// Errors:    shapes that do not fit.
struct matmul : basic_op<matmul> {
  static constexpr op_info info{.name = "matmul", .min_operands = 3, .max_operands = 4};
  struct attributes {
    TMPU_STRUCT((floats, clamp));
  };

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_rank(c, 0, 2);
    detail::require_clamp(c, a.clamp);
    if (c.operand_count() > 3) {
      detail::require_scaled(c, c.dims(0)[1], 1);
    } else {
      detail::require_rank(c, 1, 2);
    }
    if (c.operand_count() == 3 && c.dims(0)[1] != c.dims(1)[1]) {
      c.fail(text("weight ") << c.dims(1).print() << " does not fit x " << c.dims(0).print());
    }
    detail::require_params(c, c.dims(1)[0]);
    detail::result_dims(c, {c.dims(0)[0], c.dims(1)[0]});
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const value& x = c.in(0);
    const value made = c.operand_count() > 3
                           ? detail::dequantized(c.in(1), c.in(3), groups(c.graph(), c.id()), x.dims[1], 1, x.type)
                           : value();
    const value& w = c.operand_count() > 3 ? made : c.in(1);
    const std::int64_t inner_size = x.dims[1];
    const std::int64_t y_zero = c.out_quant().zero_point;
    for (std::int64_t m = 0; m < y.dims[0]; ++m) {
      for (std::int64_t n = 0; n < y.dims[1]; ++n) {
        const std::int64_t at = m * y.dims[1] + n;
        if (is_floating(y.type)) {
          float sum = 0.0F;
          for (std::int64_t k = 0; k < inner_size; ++k)
            sum += x.f.data()[m * inner_size + k] * w.f.data()[n * inner_size + k];
          y.f.data()[at] = detail::finish_float(sum, c.in(2), n, y.type, a.clamp);
        } else {
          std::int64_t sum = 0;
          for (std::int64_t k = 0; k < inner_size; ++k)
            sum += x.i.data()[m * inner_size + k] * w.i.data()[n * inner_size + k];
          y.i.data()[at] = detail::finish_integer(sum, c.in(2), n, y_zero, y.type, a.clamp);
        }
      }
    }
  }

  static constexpr weight_groups groups(const graph_body& g, node_id id) {
    return detail::groups_of(g, id, detail::operand_dims(g, id, 0)[1]);
  }
  static constexpr cuts cut(const graph_body&, node_id) { return {.n = true, .c = true, .h = false, .k = true}; }
  static constexpr std::int64_t inner(const graph_body& g, node_id id) { return groups(g, id).count; }
  static constexpr operand_facts operand(const graph_body& g, node_id id, std::size_t i) {
    const shape& d = detail::operand_dims(g, id, i);
    if (i == 0) return {.layout = isa::layout::copy, .dims = {d[0], 1, d[1], 1}};
    if (i == 1) return {.layout = isa::layout::compact, .dims = {1, d[0], d[1], d.rank() == 3 ? d[2] : 1}};
    if (i == 3) return {.layout = isa::layout::compact, .dims = {1, d[0], d[1], 1}};
    return {.layout = isa::layout::compact, .dims = {1, d[0], 1, d[1]}};
  }
  static constexpr tpu::reach reach(const graph_body& g, node_id id, std::size_t i) {
    if (i == 0) return {.n = follows::n, .c = follows::nothing, .h = follows::k, .unit = groups(g, id).channels};
    return {.n = follows::nothing, .c = follows::c, .h = i == 2 ? follows::nothing : follows::k};
  }
  static constexpr scratch_facts scratch(const graph_body& g, node_id id, std::size_t i, const tile& t, bool k_is_cut) {
    if (k_is_cut && i == 0) return detail::partial_sums(g, id, t);
    const weight_groups all = groups(g, id);
    if (!all.scaled || i != (k_is_cut ? 1U : 0U)) return {};
    const interval k = detail::channels_of(all, t, detail::operand_dims(g, id, 0)[1]);
    return detail::made_weights(g, id, t, k.last - k.first, 1);
  }
  static constexpr std::int64_t macs(const graph_body& g, node_id id) {
    return g.at(g.result(id)).dims.elements() * detail::operand_dims(g, id, 0)[1];
  }
};
static_assert(op<matmul>);

} // namespace tmpu::tpu
