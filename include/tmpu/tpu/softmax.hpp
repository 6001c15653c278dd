// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/tpu/common.hpp"

namespace tmpu::tpu {

/// Softmax of each row: m = max of the row; e = exp(x - m) in f32; s = sum of e in order; y = e / s.
///
/// Shape:     x and y [1, rows, 1, K] (the lowering reshapes to it).
/// Elements:  f32, f16, bf16.
/// Tiling:    rows (C). Scratch: a number a row in f32, and the row in f32.
/// Errors:    another shape; integer elements.
struct softmax : basic_op<softmax> {
  static constexpr op_info info{.name = "softmax"};
  using attributes = no_attributes;
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_rank(c, 0, 4);
    if (c.dims(0)[0] != 1 || c.dims(0)[2] != 1) c.fail(text("takes [1, rows, 1, K], not ") << c.dims(0).print());
    if (!is_floating(c.type(0))) c.fail("takes floats only");
    detail::result_dims(c, c.dims(0));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    value& y = c.out();
    const std::int64_t count = y.dims[3];
    vec<float> e(static_cast<std::size_t>(count));
    for (std::int64_t row = 0; row < y.dims[1]; ++row) {
      const float* x = c.in(0).f.data() + row * count;
      float m = x[0];
      for (std::int64_t k = 1; k < count; ++k) m = x[k] > m ? x[k] : m;
      float s = 0.0F;
      for (std::int64_t k = 0; k < count; ++k) {
        e.data()[k] = math::exp(x[k] - m);
        s += e.data()[k];
      }
      for (std::int64_t k = 0; k < count; ++k)
        y.f.data()[row * count + k] = round_to(y.type, activation::divide(e.data()[k], s));
    }
  }
  static constexpr cuts cut(const graph_body&, node_id) { return {.n = false, .c = true, .h = false, .k = false}; }
  static constexpr scratch_facts scratch(const graph_body& g, node_id id, std::size_t i, const tile& t, bool) {
    if (i > 1) return {};
    return {.layout = isa::layout::aligned,
            .type = dtype_id::f32,
            .dims = {1, t.out.c(), 1, i == 0 ? 1 : detail::result_view(g, id).w}};
  }
};
static_assert(op<softmax>);

} // namespace tmpu::tpu
