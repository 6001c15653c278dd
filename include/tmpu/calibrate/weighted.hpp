// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/graph.hpp"
#include "tmpu/ir/op.hpp"
#include "tmpu/top/conv.hpp"
#include "tmpu/top/matmul.hpp"

#include <cstddef>
#include <cstdint>

namespace tmpu::calibrate {

/// A node that sums products of an activation and constant weights: conv, conv_transpose, gemm, and matmul with a matrix. Output
/// channel oc sums `inner` products; weight (oc, k) lies at `place(oc, k)` of the constant and multiplies the input channel
/// `channel(oc, k)`. Weights or biases that two nodes share make no layer: a change for one would change the other.
struct weighted {
  enum class form : std::uint8_t { conv, conv_transpose, gemm, matmul };
  node_id node = none; ///< none: it is no such node
  form is = form::conv;
  tensor_id x = none;
  tensor_id y = none;
  tensor_id weight = none;
  tensor_id bias = none;     ///< [outputs], or none
  bool takes_bias = false;   ///< one could be given to it
  std::int64_t groups = 1;   ///< of channels that do not see each other
  std::int64_t outputs = 0;  ///< output channels, of all groups
  std::int64_t channels = 0; ///< input channels of one group
  std::int64_t taps = 1;     ///< weights of one input channel
  top::detail::window window{};

  [[nodiscard]] constexpr std::int64_t inner() const { return channels * taps; }
  [[nodiscard]] constexpr std::int64_t each() const { return outputs / groups; } ///< output channels of a group
  [[nodiscard]] constexpr std::size_t place(std::int64_t oc, std::int64_t k) const {
    std::int64_t at = oc * inner() + k;
    if (is == form::matmul) at = k * outputs + oc;
    if (is == form::conv_transpose) at = ((oc / each() * channels + k / taps) * each() + oc % each()) * taps + k % taps;
    return static_cast<std::size_t>(at);
  }
  [[nodiscard]] constexpr std::size_t channel(std::int64_t oc, std::int64_t k) const {
    return static_cast<std::size_t>(oc / each() * channels + k / taps);
  }
  /// The axis of x and y that holds the channels.
  [[nodiscard]] constexpr std::size_t axis(const shape& dims) const { return is == form::matmul ? dims.rank() - 1 : 1; }
  /// Rows of products that x gives to each group: one for each place of y.
  [[nodiscard]] constexpr std::int64_t rows(const shape& y_dims) const { return y_dims.elements() / outputs; }

  /// Row number `at` of a group: what the weights (oc, 0 ... inner - 1) of its channels are multiplied with.
  constexpr void put_row(const value& from, std::int64_t group, std::int64_t at, float* row) const {
    if (is == form::gemm || is == form::matmul) {
      for (std::int64_t k = 0; k < inner(); ++k) row[k] = from.f.data()[at * inner() + k];
      return;
    }
    const auto& w = window;
    const std::int64_t plane = w.out_plane();
    const std::int64_t rest = at % plane;
    const std::int64_t o[3] = {rest / (w.axis[1].out * w.axis[2].out), rest / w.axis[2].out % w.axis[1].out,
                               rest % w.axis[2].out};
    const std::int64_t first = (at / plane * groups + group) * channels;
    for (std::int64_t k = 0; k < inner(); ++k) {
      std::int64_t tap = k % taps;
      std::int64_t i[3] = {};
      bool inside = true;
      for (std::size_t d = 3; d-- > 0;) {
        const auto& axis = w.axis[d];
        const std::int64_t step = tap % axis.kernel * axis.dilation - axis.begin;
        tap /= axis.kernel;
        const std::int64_t to = is == form::conv ? o[d] * axis.stride + step : o[d] - step;
        const std::int64_t stride = is == form::conv ? 1 : axis.stride;
        i[d] = to / stride;
        inside = inside && to >= 0 && to % stride == 0 && i[d] < axis.in;
      }
      const std::int64_t source =
          (((first + k / taps) * w.axis[0].in + i[0]) * w.axis[1].in + i[1]) * w.axis[2].in + i[2];
      row[k] = inside ? from.f.data()[source] : 0.0F;
    }
  }
};

/// The node as such a layer; `node` is none where it is none. `shared`: weights that another node reads, too, make one as well.
constexpr weighted weighted_at(const graph_body& g, node_id id, bool shared = false) {
  weighted l;
  const auto operand = [&](std::size_t i) { return g.operand(id, i); };
  const auto own = [&](tensor_id t) {
    return g.is_constant(t) && g.at(t).type == dtype_id::f32 && (shared || g.use_count(t) == 1);
  };
  const node& n = g.node_at(id);
  const bool is_conv = n.op == &record_of<top::conv>;
  const bool is_transpose = n.op == &record_of<top::conv_transpose>;
  const bool is_gemm = n.op == &record_of<top::gemm>;
  if (!(is_conv || is_transpose || is_gemm || n.op == &record_of<top::matmul>)) return l;
  l.x = operand(0);
  l.y = g.result(id);
  l.weight = operand(1);
  l.bias = operand(2);
  if (l.x == none || g.is_constant(l.x) || g.at(l.x).type != dtype_id::f32 || !own(l.weight)) return l;
  if (!g.at(l.x).dims.known() || !g.at(l.y).dims.known() || g.at(l.y).dims.elements() == 0) return l;
  const shape& w = g.at(l.weight).dims;
  if (is_conv) {
    const auto a = attributes_of<top::conv>(g, id);
    l.window = top::conv::window_of(a, g.at(l.x).dims, w);
    l.groups = a.group;
    l.outputs = w[0];
    l.channels = w[1];
  } else if (is_transpose) {
    const auto a = attributes_of<top::conv_transpose>(g, id);
    l.is = weighted::form::conv_transpose;
    l.window = top::conv_transpose::window_of(a, g.at(l.x).dims, w);
    l.groups = a.group;
    l.outputs = w[1] * a.group;
    l.channels = w[0] / a.group;
  } else if (is_gemm) {
    const auto a = attributes_of<top::gemm>(g, id);
    if (a.alpha != 1.0F || a.beta != 1.0F || a.transA != 0 || a.transB == 0) return l;
    l.is = weighted::form::gemm;
    l.outputs = w[0];
    l.channels = w[1];
  } else {
    if (w.rank() != 2 || g.at(l.x).dims.rank() < 2) return l;
    l.is = weighted::form::matmul;
    l.outputs = w[1];
    l.channels = w[0];
  }
  l.taps = is_conv || is_transpose ? l.window.taps() : 1;
  l.takes_bias = l.is != weighted::form::matmul;
  if (l.bias != none && (!own(l.bias) || !(g.at(l.bias).dims == shape{l.outputs}))) return l;
  l.node = id;
  return l;
}

} // namespace tmpu::calibrate
