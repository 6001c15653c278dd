// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/isa/instructions.hpp"
#include "tmpu/tpu/common.hpp"

namespace tmpu::tpu {

/// y[row] = the K elements of the row put together in their order: sum (from +0), product (from 1), greatest or least, each step one f32
/// operation, one rounding to the type of y.
///
/// Shape:     x [1, rows, 1, K]; y [1, rows, 1, 1] (the lowering brings the reduced axes to the end).
/// Elements:  f32, f16, bf16.
/// Attributes: kind: isa::reduce_kind as a number.
/// Tiling:    rows (C).
/// Errors:    another shape; integer elements; an unknown kind.
struct reduce : basic_op<reduce> {
  static constexpr op_info info{.name = "reduce"};
  struct attributes {
    TMPU_STRUCT((std::int64_t, kind));
  };
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_rank(c, 0, 4);
    const shape& x = c.dims(0);
    if (x[0] != 1 || x[2] != 1) c.fail(text("takes [1, rows, 1, K], not ") << x.print());
    if (!is_floating(c.type(0))) c.fail("takes floats only");
    if (a.kind < 0 || a.kind > static_cast<std::int64_t>(isa::reduce_kind::product))
      c.fail(text("reduce kind ") << a.kind << " is unknown");
    detail::result_dims(c, {1, x[1], 1, 1});
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const std::int64_t count = c.in(0).dims[3];
    const auto kind = static_cast<isa::reduce_kind>(a.kind);
    for (std::int64_t row = 0; row < y.dims[1]; ++row) {
      const float* x = c.in(0).f.data() + row * count;
      float r = start(kind);
      for (std::int64_t k = 0; k < count; ++k) r = step(kind, r, x[k]);
      y.f.data()[row] = round_to(y.type, r);
    }
  }
  static constexpr cuts cut(const graph_body&, node_id) { return {.n = false, .c = true, .h = false, .k = false}; }

private:
  static constexpr float start(isa::reduce_kind kind) {
    switch (kind) {
    case isa::reduce_kind::sum: return 0.0F;
    case isa::reduce_kind::product: return 1.0F;
    case isa::reduce_kind::max: return -math::infinity<float>;
    case isa::reduce_kind::min: return math::infinity<float>;
    }
    return 0.0F;
  }
  static constexpr float step(isa::reduce_kind kind, float so_far, float x) {
    switch (kind) {
    case isa::reduce_kind::sum: return so_far + x;
    case isa::reduce_kind::product: return so_far * x;
    case isa::reduce_kind::max: return so_far < x ? x : so_far;
    case isa::reduce_kind::min: return x < so_far ? x : so_far;
    }
    return x;
  }
};
static_assert(op<reduce>);

} // namespace tmpu::tpu
