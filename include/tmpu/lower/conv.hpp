// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/weights.hpp"
#include "tmpu/top/conv.hpp"
#include "tmpu/top/matmul.hpp"

namespace tmpu::lower {

/// conv -> conv: two spatial axes, constant weight and bias.
template <class Dtype> struct conv_rule {
  using op = top::conv;
  using dtype = Dtype;
  static constexpr bool sums = true;
  static constexpr bool takes(const context& c, node_id) {
    return c.dims(0).rank() == 4 && !c.is_constant(0) && c.is_constant(1) && (!c.has(2) || c.is_constant(2));
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const value w = c.constant(1);
    const auto window = op::window_of(a, c.dims(0), w.dims);
    const auto& h = window.own(0);
    const auto& v = window.own(1);
    const tensor_id x = c.operand(0);
    const format y = c.sum_format();
    const packed_weights packed = pack_weights(c, 1, 2, w, c.format_at(x), y);
    c.emit_result<tpu::conv>({.kernel_shape = {h.kernel, v.kernel},
                              .strides = {h.stride, v.stride},
                              .dilations = {h.dilation, v.dilation},
                              .pads = {h.begin, v.begin, h.end, v.end},
                              .group = a.group,
                              .clamp = bounds(a.clamp, y)},
                             packed.operands(x).span(), y);
  }
};

/// gemm -> matmul: x [M, K] as it is, constant weight [N, K] and bias [N] (the canonical form).
template <class Dtype> struct gemm_rule {
  using op = top::gemm;
  using dtype = Dtype;
  static constexpr bool sums = true;
  static constexpr bool takes(const context& c, node_id) {
    const auto a = c.attributes<op>();
    return a.alpha == 1.0F && a.beta == 1.0F && a.transA == 0 && a.transB == 1 && !c.is_constant(0) &&
           c.is_constant(1) && (!c.has(2) || (c.is_constant(2) && c.dims(2) == shape{c.dims(1)[0]}));
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const tensor_id x = c.operand(0);
    const format y = c.sum_format();
    const packed_weights packed = pack_weights(c, 1, 2, c.constant(1), c.format_at(x), y);
    c.emit_result<tpu::matmul>({.clamp = bounds(a.clamp, y)}, packed.operands(x).span(), y);
  }
};

/// matmul -> matmul where the second operand is a constant matrix [K, N]; leading axes of x become rows.
template <class Dtype> struct matmul_rule {
  using op = top::matmul;
  using dtype = Dtype;
  static constexpr bool sums = true;
  static constexpr bool takes(const context& c, node_id) {
    return c.dims(0).rank() >= 2 && !c.is_constant(0) && c.is_constant(1) && c.dims(1).rank() == 2 &&
           is_floating(c.source().at(c.source().operand(c.node(), 1)).type);
  }
  static constexpr void apply(context& c, node_id) {
    const value given = c.constant(1);
    const std::int64_t inner = given.dims[0];
    const std::int64_t columns = given.dims[1];
    value w(dtype_id::f32, {columns, inner});
    for (std::int64_t k = 0; k < inner; ++k) {
      for (std::int64_t n = 0; n < columns; ++n)
        w.f[static_cast<std::size_t>(n * inner + k)] = given.f[static_cast<std::size_t>(k * columns + n)];
    }
    const tensor_id x = c.reshape_to(c.operand(0), {c.dims(0).elements() / inner, inner}, ".rows");
    const format y = c.sum_format();
    const packed_weights packed = pack_weights(c, 1, 2, w, c.format_at(x), y);
    const tpu::matmul::attributes a{.clamp = bounds({}, y)};
    if (c.dims(0).rank() == 2) {
      c.emit_result<tpu::matmul>(a, packed.operands(x).span(), y);
      return;
    }
    text rows(c.result_name());
    rows << ".rows";
    const tensor_id product = c.emit_list<tpu::matmul>(rows, a, packed.operands(x).span(), y);
    c.emit_result<tpu::reshape>({ints(c.result_dims().span())}, {product}, y);
  }
};

} // namespace tmpu::lower
