// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/tpu/common.hpp"

namespace tmpu::tpu {

/// Feature maps that are put together from others by copies within a lane, so that they need not leave local memory.

/// The channels of several feature maps one behind the other: concat along axis 1, tile by tile.
///
/// Operands:  [N,Ci,H,W], of the type and scale of the result.
/// Shape:     [N,sum of Ci,H,W].
/// Tiling:    N and H.
/// Errors:    ranks, dimensions that do not fit.
struct join : basic_op<join> {
  static constexpr op_info info{.name = "join", .min_operands = 1, .max_operands = -1};
  using attributes = no_attributes;
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_rank(c, 0, 4);
    shape y = c.dims(0);
    for (std::size_t i = 1; i < c.operand_count(); ++i) {
      const shape& x = c.dims(i);
      if (x.rank() != 4 || x[0] != y[0] || x[2] != y[2] || x[3] != y[3])
        c.fail(text("operand ") << i << " " << x.print() << " does not fit " << y.print());
      y[1] += x[1];
    }
    detail::result_dims(c, y);
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    value& y = c.out();
    const std::int64_t plane = y.dims[2] * y.dims[3];
    for (std::int64_t n = 0; n < y.dims[0]; ++n) {
      std::int64_t to = n * y.dims[1] * plane;
      for (std::size_t i = 0; i < c.operand_count(); ++i) {
        const value& x = c.in(i);
        const std::int64_t count = x.dims[1] * plane;
        for (std::int64_t at = 0; at < count; ++at) {
          if (is_floating(y.type)) {
            y.f.data()[to++] = x.f.data()[n * count + at];
          } else {
            y.i.data()[to++] = x.i.data()[n * count + at];
          }
        }
      }
    }
  }
  static constexpr cuts cut(const graph_body&, node_id) { return {.n = true, .c = false, .h = true, .k = false}; }
  static constexpr tpu::reach reach(const graph_body&, node_id, std::size_t) {
    return {.n = follows::n, .c = follows::nothing, .h = follows::h};
  }
};
static_assert(op<join>);

/// Each pixel `scales` = [rows, columns] times: y[n, c, h, w] = x[n, c, h / rows, w / columns].
///
/// Shape:     [N,C,H*rows,W*columns].
/// Tiling:    N, C and H.
/// Errors:    rank, a scale below 1.
struct upsample : basic_op<upsample> {
  static constexpr op_info info{.name = "upsample"};
  struct attributes {
    TMPU_STRUCT((ints, scales));
  };
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_rank(c, 0, 4);
    detail::require_length(c, a.scales, 2, "scales");
    if (a.scales[0] < 1 || a.scales[1] < 1) c.fail("a scale is below 1");
    const shape& x = c.dims(0);
    detail::result_dims(c, {x[0], x[1], x[2] * a.scales[0], x[3] * a.scales[1]});
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const value& x = c.in(0);
    std::int64_t at = 0;
    for (std::int64_t plane = 0; plane < y.dims[0] * y.dims[1]; ++plane) {
      for (std::int64_t h = 0; h < y.dims[2]; ++h) {
        const std::int64_t row = (plane * x.dims[2] + h / a.scales[0]) * x.dims[3];
        for (std::int64_t w = 0; w < y.dims[3]; ++w, ++at) {
          if (is_floating(y.type)) {
            y.f.data()[at] = x.f.data()[row + w / a.scales[1]];
          } else {
            y.i.data()[at] = x.i.data()[row + w / a.scales[1]];
          }
        }
      }
    }
  }
  static constexpr tpu::reach reach(const graph_body& g, node_id id, std::size_t) {
    return {.repeat = attributes_of<upsample>(g, id).scales[0]};
  }
};
static_assert(op<upsample>);

/// A row of all channels of a feature map and what it is made from take up so little of local memory that slices of rows fit.
constexpr bool assembles(const chip::facts& chip, dtype_id type, std::int64_t channels, std::int64_t width) {
  return 4 * isa::lane_bytes(chip, isa::layout::aligned, type, 1, channels, 1, width) <= chip.local_bytes;
}

} // namespace tmpu::tpu
