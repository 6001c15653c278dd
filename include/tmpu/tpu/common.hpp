// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/activations.hpp"
#include "tmpu/tpu/op.hpp"
#include "tmpu/tpu/requantize.hpp"

#include <cstddef>
#include <cstdint>

/// Tpu: chip-level operators. Each says what it means in floats (f32, f16, bf16: elements widened to f32, every operation one
/// f32 operation, one rounding to the type of the result) and in integers (i8, u8: exact sums, one rounding, saturation),
/// how it may be cut into tiles, what each tile reads, and how its operands lie in local memory.
namespace tmpu::tpu::detail {

/// The result has these dims; it keeps the type that the lowering gave it (that of operand 0 where it has none).
constexpr void result_dims(infer_context& c, const shape& dims) {
  const dtype_id given = c.graph().at(c.graph().result(c.id())).type;
  c.result(0, given == dtype_id::none ? c.type(0) : given, dims);
}

constexpr const shape& operand_dims(const graph_body& g, node_id id, std::size_t i) {
  return g.at(g.operand(id, i)).dims;
}
constexpr view4 result_view(const graph_body& g, node_id id) { return fold(g.at(g.result(id)).dims); }
constexpr dtype_id result_type(const graph_body& g, node_id id) { return g.at(g.result(id)).type; }

/// Partial sums of a tile: f32 for float results, i32 for integer ones.
constexpr scratch_facts partial_sums(const graph_body& g, node_id id, const tile& t) {
  return {.layout = isa::layout::aligned,
          .type = is_floating(result_type(g, id)) ? dtype_id::f32 : dtype_id::i32,
          .dims = {t.out.n(), t.out.c(), t.out.h(), result_view(g, id).w}};
}

constexpr void require_rank(const infer_context& c, std::size_t i, std::size_t rank) {
  if (c.dims(i).rank() != rank)
    c.fail(text("operand ") << i << " must have rank " << rank << ", but is " << c.dims(i).print());
}
constexpr void require_length(const infer_context& c, const ints& list, std::size_t count, std::string_view name) {
  if (list.size() != count) c.fail(text(name) << " must hold " << count << " numbers, but holds " << list.size());
}
constexpr void require_clamp(const infer_context& c, const floats& clamp) {
  if (clamp.size() != 2 || !(clamp[0] <= clamp[1])) c.fail("clamp must be [low, high]");
}
/// Scaled weights of a tile, dequantized: [1, OC, channels, taps].
constexpr scratch_facts made_weights(const graph_body& g, node_id id, const tile& t, std::int64_t channels,
                                     std::int64_t taps) {
  return {.layout = isa::layout::compact, .type = g.at(g.operand(id, 0)).type, .dims = {1, t.out.c(), channels, taps}};
}

/// Operand 2 of conv and matmul: [OC, 1] f32 (bias) or [OC, 3] i32 (bias, multiplier, shift).
constexpr void require_params(const infer_context& c, std::int64_t channels) {
  const bool floating = is_floating(c.type(0));
  const shape wanted{channels, floating ? 1 : 3};
  const dtype_id type = floating ? dtype_id::f32 : dtype_id::i32;
  if (!(c.dims(2) == wanted) || c.type(2) != type) {
    c.fail(text("params must be ") << name_of(type) << wanted.print() << ", but are " << name_of(c.type(2))
                                   << c.dims(2).print());
  }
}

/// How the weights of a sum over `channels` are grouped.
constexpr weight_groups groups_of(const graph_body& g, node_id id, std::int64_t channels) {
  if (g.operands(id).size() < 4) return {.scaled = false, .count = channels, .channels = 1};
  const std::int64_t count = operand_dims(g, id, 1)[1];
  return {.scaled = true, .count = count, .channels = ceil_div(channels, count)};
}
/// The channels that the groups [k0, k1) of a tile hold.
constexpr interval channels_of(const weight_groups& groups, const tile& t, std::int64_t channels) {
  const std::int64_t last = t.k1 * groups.channels;
  return {t.k0 * groups.channels, last < channels ? last : channels};
}
/// Scaled weights fit a sum over `channels` of `taps` products each.
constexpr void require_scaled(const infer_context& c, std::int64_t channels, std::int64_t taps) {
  require_rank(c, 1, 3);
  const shape& w = c.dims(1);
  const std::int64_t each = ceil_div(channels, w[1]);
  const dtype_id type = c.type(1);
  if (!is_floating(c.type(0)) || w[2] < each * taps || each * (w[1] - 1) >= channels ||
      !(c.dims(3) == shape{w[0], w[1]}) || !is_floating(c.type(3)) || w[2] * facts_of(type).bits % 8 != 0 ||
      (type != dtype_id::i4 && type != dtype_id::i8 && !is_floating(type))) {
    c.fail(text("weight ") << name_of(type) << w.print() << " with scales " << c.dims(3).print() << " does not fit "
                           << channels << " channels of " << taps << " taps");
  }
}
/// Scaled weights as the machine makes them, in the type of x: [OC, channels * taps].
constexpr value dequantized(const value& w, const value& scales, const weight_groups& groups, std::int64_t channels,
                            std::int64_t taps, dtype_id type) {
  value out(type, {w.dims[0], channels * taps});
  const std::int64_t group = groups.channels * taps;
  std::int64_t at = 0;
  for (std::int64_t oc = 0; oc < w.dims[0]; ++oc) {
    for (std::int64_t g = 0; g < groups.count; ++g) {
      for (std::int64_t e = 0; e < group && g * group + e < channels * taps; ++e) {
        const std::int64_t from = (oc * groups.count + g) * w.dims[2] + e;
        const float x = is_floating(w.type) ? w.f.data()[from] : static_cast<float>(w.i.data()[from]);
        out.f.data()[at++] = round_to(type, x * scales.f.data()[oc * groups.count + g]);
      }
    }
  }
  return out;
}

/// Number of places of a window: floor((size + pads - extent) / stride) + 1.
constexpr std::int64_t window_places(std::int64_t size, std::int64_t pad_begin, std::int64_t pad_end,
                                     std::int64_t kernel, std::int64_t stride, std::int64_t dilation) {
  return (size + pad_begin + pad_end - (kernel - 1) * dilation - 1) / stride + 1;
}

/// The places [first, last) of `count` whose tap (place * stride + offset) lies in [0, size).
struct range {
  std::int64_t first = 0;
  std::int64_t last = 0;
};
constexpr range places_inside(std::int64_t count, std::int64_t stride, std::int64_t offset, std::int64_t size) {
  range r;
  r.first = offset >= 0 ? 0 : (stride - 1 - offset) / stride;
  const std::int64_t reach = size - 1 - offset;
  r.last = reach < 0 ? 0 : reach / stride + 1;
  r.first = r.first > count ? count : r.first;
  r.last = r.last > count ? count : r.last;
  r.last = r.last < r.first ? r.first : r.last;
  return r;
}

/// Bias, multiplier and shift of an output channel; float: the bias only.
constexpr std::int64_t finish_integer(std::int64_t sum, const value& params, std::int64_t channel, std::int64_t y_zero,
                                      dtype_id type, const floats& clamp) {
  const std::int64_t* p = params.i.data() + channel * 3;
  return clamp_integer(saturate(type, y_zero + requantize(sum + p[0], p[1], p[2])), clamp[0], clamp[1]);
}
constexpr float finish_float(float sum, const value& params, std::int64_t channel, dtype_id type, const floats& clamp) {
  return round_to(type, activation::clip(sum + params.f.data()[channel], clamp[0], clamp[1]));
}

} // namespace tmpu::tpu::detail
