// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/graph.hpp"
#include "tmpu/ir/op.hpp"
#include "tmpu/top/move.hpp"
#include "tmpu/top/pool.hpp"
#include "tmpu/top/quantize.hpp"
#include "tmpu/top/reshape.hpp"

#include <cstddef>
#include <cstdint>

/// Models that were quantized elsewhere: QuantizeLinear and DequantizeLinear
/// around each operator say which scale its operands and results have.
namespace tmpu::calibrate {

namespace detail {

/// A QuantizeLinear or DequantizeLinear with one scale for all elements, of 8
/// bits: the scale, and the zero point as i8 has it.
constexpr quantization one_scale(const graph_body& g, node_id id, dtype_id type) {
  const tensor_id scale = g.operand(id, 1);
  const tensor_id zero = g.operand(id, 2);
  if (type != dtype_id::u8 && type != dtype_id::i8) return {};
  if (!g.is_constant(scale) || g.at(scale).dims.elements() != 1 || g.at(scale).type != dtype_id::f32) return {};
  if (zero != none && (!g.is_constant(zero) || g.at(zero).dims.elements() != 1)) return {};
  const std::int64_t given = zero == none ? 0 : g.constant_value(zero).i[0];
  return {g.constant_value(scale).f[0], static_cast<std::int32_t>(given - (type == dtype_id::u8 ? 128 : 0))};
}
constexpr bool equal(const quantization& a, const quantization& b) {
  return a.scale == b.scale && a.zero_point == b.zero_point;
}
constexpr void set_scale(graph_body& g, tensor_id t, const quantization& q) {
  tensor& x = g.at(t);
  x.quant = q;
  x.range.known = true;
  x.range.min = q.scale * static_cast<float>(-128 - q.zero_point);
  x.range.max = q.scale * static_cast<float>(127 - q.zero_point);
  x.range.threshold = -x.range.min > x.range.max ? -x.range.min : x.range.max;
}
} // namespace detail

/// The model was quantized elsewhere.
constexpr bool has_own_scales(const graph_body& g) {
  for (const node& n : g.nodes) {
    if (n.op == &record_of<top::dequantize_linear>) return true;
  }
  return false;
}

/// Takes pairs of QuantizeLinear and DequantizeLinear out of the graph: what
/// they quantize has their scale from then on. Tensors that are the same
/// elements in another shape share it. Gives whether there was one.
constexpr bool take_own_scales(graph_body& g) {
  bool any = false;
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const auto id = static_cast<node_id>(i);
    if (g.nodes[i].op != &record_of<top::dequantize_linear>) continue;
    const tensor_id q = g.operand(id, 0);
    const node_id made = q == none ? none : g.at(q).producer;
    if (made == none || g.node_at(made).op != &record_of<top::quantize_linear>) continue;
    const tensor_id x = g.operand(made, 0);
    const quantization own = detail::one_scale(g, made, g.at(q).type);
    if (!own.present() || !detail::equal(own, detail::one_scale(g, id, g.at(q).type))) continue;
    if (g.is_constant(x) || g.at(x).type != dtype_id::f32 || g.at(g.result(id)).type != dtype_id::f32) continue;
    if (g.at(x).quant.present() && !detail::equal(g.at(x).quant, own)) continue; // quantized twice: the second stays
    detail::set_scale(g, x, own);
    const tensor_id y = g.result(id);
    if (g.is_output(y) && !g.is_input(x) && !g.is_output(x)) {
      const text name(g.name(y));
      text inner(g.name(x));
      g.rename(y, inner << ".dequantized");
      g.rename(x, name);
    }
    g.replace_uses(y, x);
    any = true;
  }
  if (!any) return false;
  g.tidy();
  const auto same = [&](node_id id) {
    const op_record* op = g.node_at(id).op;
    return op == &record_of<top::reshape> || op == &record_of<top::flatten> || op == &record_of<top::transpose> ||
           op == &record_of<top::squeeze> || op == &record_of<top::unsqueeze> || op == &record_of<top::identity> ||
           op == &record_of<top::max_pool>;
  };
  const auto pass = [&](tensor_id from, tensor_id to) {
    if (from == none || to == none || g.is_constant(from) || g.is_constant(to)) return;
    if (g.at(from).quant.present() && !g.at(to).quant.present()) detail::set_scale(g, to, g.at(from).quant);
  };
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    if (same(static_cast<node_id>(i))) pass(g.operand(static_cast<node_id>(i), 0), g.result(static_cast<node_id>(i)));
  }
  for (std::size_t i = g.nodes.size(); i-- > 0;) {
    if (same(static_cast<node_id>(i))) pass(g.result(static_cast<node_id>(i)), g.operand(static_cast<node_id>(i), 0));
  }
  return true;
}

} // namespace tmpu::calibrate
