// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/weighted.hpp"
#include "tmpu/lower/weights.hpp"
#include "tmpu/top/binary.hpp"
#include "tmpu/top/conv.hpp"
#include "tmpu/top/elementwise.hpp"
#include "tmpu/top/matmul.hpp"
#include "tmpu/top/pool.hpp"
#include "tmpu/top/quantize.hpp"
#include "tmpu/top/reshape.hpp"

#include <cstddef>
#include <cstdint>

/// What lowering to int8 does, said in ONNX's own words: each tensor that is 8 bits wide goes through QuantizeLinear and
/// DequantizeLinear, weights and biases come out of DequantizeLinear, and the operators between are float. Other tools run such a model.
namespace tmpu::lower {

namespace detail {

class quantizer {
public:
  constexpr quantizer(const graph_body& top, const graph_body& tpu)
      : top_(&top), tpu_(&tpu), map_(top.tensors.size(), none) {}

  constexpr graph_body run() {
    for (const tensor_id t : top_->inputs) {
      const tensor_id made = out_.add_tensor(top_->name(t), top_->at(t).type, top_->at(t).dims);
      out_.inputs.push_back(made);
      set(t, made, format_of(t));
    }
    for (std::size_t i = 0; i < top_->nodes.size(); ++i) take(static_cast<node_id>(i));
    for (const tensor_id t : top_->outputs) out_.outputs.push_back(mapped(t));
    return static_cast<graph_body&&>(out_);
  }

private:
  /// The format that the tensor has on the chip; none where it is not quantized.
  [[nodiscard]] constexpr format format_of(tensor_id t) const {
    const tensor_id low = t == none ? none : tpu_->find(top_->name(t));
    return low == none || !tpu_->at(low).quant.present() ? format{} : format{tpu_->at(low).type, tpu_->at(low).quant};
  }
  [[nodiscard]] constexpr tensor_id mapped(tensor_id t) {
    if (t == none) return none;
    tensor_id& to = map_[static_cast<std::size_t>(t)];
    if (to == none && top_->is_constant(t)) to = out_.add_constant(top_->name(t), top_->constant_value(t));
    return to;
  }
  template <class Op>
  constexpr tensor_id add(std::string_view name, const typename Op::attributes& a,
                          std::span<const tensor_id> operands) {
    const tensor_id results[] = {out_.add_tensor(name, dtype_id::none, {})};
    infer(out_, add_node<Op>(out_, name, a, operands, results));
    return results[0];
  }
  constexpr tensor_id named(std::string_view name, std::string_view suffix, const value& v) {
    text whole(name);
    return out_.add_constant(whole << suffix, v);
  }
  /// One number, or a number a channel.
  constexpr tensor_id number(std::string_view name, std::string_view suffix, dtype_id type, std::int64_t x) {
    value v(type, {});
    v.i[0] = x;
    return named(name, suffix, v);
  }
  /// Float tensor `made` stands for t from now on, through 8 bits where the chip has it so.
  constexpr void set(tensor_id t, tensor_id made, const format& f) {
    if (f.type != dtype_id::none) {
      const text name(top_->name(t));
      if (!out_.is_input(made)) {
        text inner(name);
        out_.rename(made, inner << ".float");
      }
      value s(dtype_id::f32, {});
      s.f[0] = f.quant.scale;
      const tensor_id scale = named(name, ".scale", s);
      const tensor_id zero = number(name, ".zero", f.type, f.quant.zero_point);
      text q(name);
      const tensor_id both[] = {made, scale, zero};
      const tensor_id narrow[] = {add<top::quantize_linear>(q << ".quantized", {}, both), scale, zero};
      text d(name);
      made = add<top::dequantize_linear>(out_.is_input(made) ? (d << ".dequantized").view() : d.view(), {}, narrow);
    }
    map_[static_cast<std::size_t>(t)] = made;
  }
  /// A float constant as DequantizeLinear makes it of i8 or i32; one scale, or one for each place of an axis.
  constexpr tensor_id dequantized(std::string_view name, const value& q, const value& scale, std::size_t axis) {
    top::dequantize_linear::attributes a{};
    a.axis = static_cast<std::int64_t>(axis);
    const tensor_id operands[] = {named(name, ".quantized", q), named(name, ".scale", scale)};
    text made(name);
    return add<top::dequantize_linear>(made << ".dequantized", a, operands);
  }

  constexpr void take(node_id id) {
    const tensor_id y = top_->result(id);
    const format f = format_of(y);
    const bool int8 = f.type != dtype_id::none;
    vec<tensor_id> operands;
    if (const calibrate::weighted l = calibrate::weighted_at(*top_, id); int8 && l.node != none) {
      put_weights(l, f, operands);
    } else {
      for (const tensor_id t : top_->operands(id)) {
        const bool narrow = int8 && top_->is_constant(t) && top_->at(t).type == dtype_id::f32 &&
                            (is<top::add>(id) || is<top::sub>(id) || is<top::mul>(id));
        operands.push_back(narrow ? small_constant(t) : mapped(t));
      }
    }
    const tensor_id made = emit(id, operands);
    set(y, made, context::is_whole(f) ? format{} : f); // a sum that keeps its bits is a float
  }
  /// A constant operand as context::constant_operand makes it.
  constexpr tensor_id small_constant(tensor_id t) {
    const value v = top_->constant_value(t);
    float greatest = 0.0F;
    for (const float x : v.f) greatest = math::abs(x) > greatest ? math::abs(x) : greatest;
    value scale(dtype_id::f32, {});
    scale.f[0] = greatest > 0.0F ? greatest / 127.0F : 1.0F;
    value q(dtype_id::i8, v.dims);
    for (std::size_t i = 0; i < v.f.size(); ++i) q.i[i] = quantized(v.f[i], {dtype_id::i8, {scale.f[0], 0}});
    return dequantized(top_->name(t), q, scale, 0);
  }
  /// Weights and bias in the steps of pack_weights.
  constexpr void put_weights(const calibrate::weighted& l, const format& y, vec<tensor_id>& operands) {
    const format x = format_of(l.x);
    const auto x_scale = static_cast<double>(x.quant.scale);
    const value w = top_->constant_value(l.weight);
    value bias(dtype_id::f32, {l.outputs});
    if (l.bias != none) bias = top_->constant_value(l.bias);
    value steps(dtype_id::f32, {l.outputs});
    value bias_steps(dtype_id::f32, {l.outputs});
    value q(dtype_id::i8, w.dims);
    value b(dtype_id::i32, {l.outputs});
    vec<float> own(static_cast<std::size_t>(l.inner()));
    for (std::int64_t oc = 0; oc < l.outputs; ++oc) {
      const auto at = static_cast<std::size_t>(oc);
      for (std::int64_t k = 0; k < l.inner(); ++k) own[static_cast<std::size_t>(k)] = w.f[l.place(oc, k)];
      const double step = channel_scale(own.span(), bias.f[at], x_scale, static_cast<double>(y.quant.scale));
      for (std::int64_t k = 0; k < l.inner(); ++k) {
        const double v = math::round_half_away(static_cast<double>(own[static_cast<std::size_t>(k)]) / step);
        q.i[l.place(oc, k)] = static_cast<std::int64_t>(v < -127.0 ? -127.0 : v > 127.0 ? 127.0 : v);
      }
      steps.f[at] = static_cast<float>(step);
      bias_steps.f[at] = static_cast<float>(x_scale * step);
      b.i[at] = static_cast<std::int64_t>(math::round_half_away(static_cast<double>(bias.f[at]) / (x_scale * step)));
    }
    const bool last = l.is == calibrate::weighted::form::matmul || l.is == calibrate::weighted::form::conv_transpose;
    if (l.is == calibrate::weighted::form::conv_transpose && l.groups > 1)
      refuse(text("node '") << top_->node_name(l.node)
                            << "': a transposed convolution of groups has no scales a channel in ONNX");
    operands.push_back(mapped(l.x));
    operands.push_back(dequantized(top_->name(l.weight), q, steps, last ? 1 : 0));
    if (l.bias != none) operands.push_back(dequantized(top_->name(l.bias), b, bias_steps, 0));
  }

  template <class Op> [[nodiscard]] constexpr bool is(node_id id) const {
    return top_->node_at(id).op == &record_of<Op>;
  }
  /// The node without what ONNX does not have: fused activations behind it, shapes as operands.
  constexpr tensor_id emit(node_id id, const vec<tensor_id>& operands) {
    const text name(top_->name(top_->result(id)));
    floats clamp;
    tensor_id made = none;
    const auto apart = [&]<class Op>() {
      if (!is<Op>(id)) return;
      auto a = attributes_of<Op>(*top_, id);
      clamp = a.clamp;
      a.clamp = {};
      made = add<Op>(name, a, operands.span());
    };
    list<top::conv, top::conv_transpose, top::gemm, top::add, top::sub, top::mul, top::div>::for_each(apart);
    if (is<top::average_pool>(id)) { // older than its dilations, for tools that fuse it with quantizers
      auto a = attributes_of<top::average_pool>(*top_, id);
      bool ones = true;
      for (const std::int64_t d : a.dilations) ones = ones && d == 1;
      if (ones) a.dilations = {};
      made = add<top::average_pool>(name, a, operands.span());
    }
    if (is<top::clip>(id) && operands.size() == 1) {
      clamp = attributes_of<top::clip>(*top_, id).clamp;
      made = operands[0];
    }
    if (is<top::reshape>(id) && operands.size() == 1) {
      const ints wanted = attributes_of<top::reshape>(*top_, id).shape;
      value v(dtype_id::i64, {static_cast<std::int64_t>(wanted.size())});
      v.i = wanted;
      const tensor_id both[] = {operands[0], named(name, ".shape", v)};
      made = add<top::reshape>(name, {}, both);
    }
    if (made == none) {
      vec<tensor_id> results;
      for (const tensor_id t : top_->results(id)) {
        if (t == none) {
          results.push_back(none);
          continue;
        }
        results.push_back(out_.add_tensor(top_->name(t), dtype_id::none, {}));
        map_[static_cast<std::size_t>(t)] = results.back();
      }
      infer(out_, out_.add_node(top_->node_name(id), *top_->node_at(id).op, top_->words(top_->node_at(id)),
                                operands.span(), results.span()));
      return results[0];
    }
    if (clamp.size() != 2) return made;
    text inner(name);
    if (made != operands[0]) out_.rename(made, inner << ".before");
    if (clamp[0] == 0.0F && math::is_inf(clamp[1])) {
      const tensor_id one[] = {made};
      return add<top::relu>(name, {}, one);
    }
    value low(dtype_id::f32, {});
    value high(dtype_id::f32, {});
    low.f[0] = clamp[0];
    high.f[0] = clamp[1];
    const tensor_id three[] = {made, named(name, ".low", low), named(name, ".high", high)};
    return add<top::clip>(name, {}, three);
  }

  const graph_body* top_;
  const graph_body* tpu_;
  graph_body out_;
  vec<tensor_id> map_;
};

} // namespace detail

/// The calibrated graph with quantizers where the lowered one is 8 bits wide.
constexpr graph_body with_quantizers(const graph<stage::calibrated>& top, const graph<stage::lowered>& tpu) {
  return detail::quantizer(top, tpu).run();
}

} // namespace tmpu::lower
