// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/table.hpp"
#include "tmpu/calibrate/weighted.hpp"
#include "tmpu/core/diag.hpp"
#include "tmpu/core/math.hpp"
#include "tmpu/top/norm.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

/// Corrections of a table, put into the constants of the canonical graph. The graph keeps its nodes, names and shapes.
namespace tmpu::calibrate::detail {

constexpr void set_constant(graph_body& g, tensor_id t, const value& v) {
  g.constants[static_cast<std::size_t>(g.at(t).constant)] = {.owned = to_bytes(v), .view = nullptr, .view_size = 0};
}

/// The correction, which must have as many numbers as the graph asks for.
constexpr const correction* fitting(const table& t, correction::kind kind, std::string_view name, std::int64_t count) {
  const correction* c = t.find(kind, name);
  if (c == nullptr) return nullptr;
  const bool bits = kind == correction::kind::rounding;
  const auto have = static_cast<std::int64_t>(bits ? c->bits.size() : c->values.size());
  if (bits ? have / 6 != (count + 5) / 6 : have != count) {
    refuse(text("the calibration table corrects '")
           << name << "' with " << have << (bits ? " roundings" : " numbers") << ", but the model has " << count
           << " there: make the table again with `tmpuc correct`");
  }
  return c;
}

/// A normalization of the last axis whose scale (and bias) [C] nothing else reads: what its result is divided by goes into them.
constexpr bool scales_last_axis(const graph_body& g, node_id id) {
  const op_record* op = g.node_at(id).op;
  const bool layer = op == &record_of<top::layer_normalization>;
  if (!layer && op != &record_of<top::rms_normalization>) return false;
  const shape& dims = g.at(g.result(id)).dims;
  const std::int64_t axis =
      layer ? attributes_of<top::layer_normalization>(g, id).axis : attributes_of<top::rms_normalization>(g, id).axis;
  if (dims.rank() == 0 || (axis != -1 && axis != static_cast<std::int64_t>(dims.rank()) - 1)) return false;
  for (std::size_t i = 1; i < g.operands(id).size(); ++i) {
    const tensor_id t = g.operand(id, i);
    if (t == none) continue;
    if (!g.is_constant(t) || g.at(t).type != dtype_id::f32 || g.use_count(t) != 1 ||
        !(g.at(t).dims == shape{dims[dims.rank() - 1]}))
      return false;
  }
  return g.operand(id, 1) != none;
}

/// Divides the channels of tensors by the factors of the table, in the weights and biases that make and read them.
constexpr void apply_channels(graph_body& g, const table& t) {
  constexpr auto kind = correction::kind::channels;
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const auto id = static_cast<node_id>(i);
    if (const weighted l = weighted_at(g, id); l.node != none) {
      const correction* in = fitting(t, kind, g.name(l.x), l.channels * l.groups);
      const correction* out = fitting(t, kind, g.name(l.y), l.outputs);
      if (in == nullptr && out == nullptr) continue;
      value w = g.constant_value(l.weight);
      for (std::int64_t oc = 0; oc < l.outputs; ++oc) {
        for (std::int64_t k = 0; k < l.inner(); ++k) {
          float& v = w.f[l.place(oc, k)];
          if (in != nullptr) v *= in->at(l.channel(oc, k));
          if (out != nullptr) v /= out->at(static_cast<std::size_t>(oc));
        }
      }
      set_constant(g, l.weight, w);
      if (l.bias == none || out == nullptr) continue;
      value b = g.constant_value(l.bias);
      for (std::size_t oc = 0; oc < b.f.size(); ++oc) b.f[oc] /= out->at(oc);
      set_constant(g, l.bias, b);
    } else if (scales_last_axis(g, id)) {
      const shape& dims = g.at(g.result(id)).dims;
      const correction* out = fitting(t, kind, g.name(g.result(id)), dims[dims.rank() - 1]);
      if (out == nullptr) continue;
      for (std::size_t k = 1; k < g.operands(id).size(); ++k) {
        if (g.operand(id, k) == none) continue;
        value v = g.constant_value(g.operand(id, k));
        for (std::size_t c = 0; c < v.f.size(); ++c) v.f[c] /= out->at(c);
        set_constant(g, g.operand(id, k), v);
      }
    }
  }
}

/// The number of steps that a weight becomes: the next one below or above.
constexpr double rounded_steps(double w, double step, bool up) {
  const double q = math::floor(w / step) + (up ? 1.0 : 0.0);
  return q < -127.0 ? -127.0 : q > 127.0 ? 127.0 : q;
}
/// The step between weights of an output channel in int8, as lowering takes it.
constexpr double weight_step(const weighted& l, const value& w, std::int64_t oc) {
  double greatest = 0.0;
  for (std::int64_t k = 0; k < l.inner(); ++k) {
    const double m = math::abs(static_cast<double>(w.f[l.place(oc, k)]));
    greatest = m > greatest ? m : greatest;
  }
  return greatest / 127.0;
}

/// Biases and roundings, for layers that are computed in int8.
template <class IsInt8> constexpr void apply_int8(graph_body& g, const table& t, IsInt8 is_int8) {
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const weighted l = weighted_at(g, static_cast<node_id>(i));
    if (l.node == none || !is_int8(g.name(l.y))) continue;
    if (const correction* c = fitting(t, correction::kind::rounding, g.name(l.y), l.outputs * l.inner());
        c != nullptr) {
      const correction* steps = fitting(t, correction::kind::steps, g.name(l.y), l.outputs);
      value w = g.constant_value(l.weight);
      for (std::int64_t oc = 0; oc < l.outputs; ++oc) {
        const double step =
            steps == nullptr ? weight_step(l, w, oc) : static_cast<double>(steps->at(static_cast<std::size_t>(oc)));
        if (step == 0.0) continue;
        for (std::int64_t k = 0; k < l.inner(); ++k) {
          float& v = w.f[l.place(oc, k)];
          const bool up = c->bit(static_cast<std::size_t>(oc * l.inner() + k));
          v = static_cast<float>(rounded_steps(static_cast<double>(v), step, up) * step);
        }
      }
      set_constant(g, l.weight, w);
    }
    const correction* c = fitting(t, correction::kind::bias, g.name(l.y), l.outputs);
    if (c == nullptr || !l.takes_bias) continue;
    value b(dtype_id::f32, {l.outputs});
    if (l.bias != none) b = g.constant_value(l.bias);
    for (std::size_t oc = 0; oc < b.f.size(); ++oc) b.f[oc] += c->at(oc);
    if (l.bias != none) {
      set_constant(g, l.bias, b);
    } else {
      text name(g.name(l.weight));
      name << ".bias";
      const tensor_id operands[] = {l.x, l.weight, g.add_constant(name, b)};
      g.set_operands(l.node, operands);
    }
  }
}

} // namespace tmpu::calibrate::detail
