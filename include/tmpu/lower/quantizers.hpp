// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/weighted.hpp"
#include "tmpu/lower/attention.hpp"
#include "tmpu/lower/weights.hpp"
#include "tmpu/top/binary.hpp"
#include "tmpu/top/conv.hpp"
#include "tmpu/top/elementwise.hpp"
#include "tmpu/top/matmul.hpp"
#include "tmpu/top/move.hpp"
#include "tmpu/top/pool.hpp"
#include "tmpu/top/quantize.hpp"
#include "tmpu/top/rearrange.hpp"
#include "tmpu/top/reduce.hpp"
#include "tmpu/top/reshape.hpp"

#include <cstddef>
#include <cstdint>

/// What lowering to int8 does, said in ONNX's own words: each tensor that is 8 bits wide goes through QuantizeLinear and
/// DequantizeLinear, so does what a node casts to 8 bits before it reads it, weights and biases come out of DequantizeLinear, and the operators
/// between are float. Other tools run such a model.
namespace tmpu::lower {

namespace detail {

class quantizer {
public:
  constexpr quantizer(const graph_body& top, const graph_body& tpu)
      : top_(&top), tpu_(&tpu), map_(top.tensors.size(), none), first_(top.nodes.size() + 1, 0) {
    // The rules made their nodes in the order of those of Top, each up to one that makes a result of it.
    for (std::size_t i = 0; i < tpu.nodes.size(); ++i) {
      for (const tensor_id t : tpu.results(static_cast<node_id>(i))) {
        const tensor_id s = t == none ? none : top.find(tpu.name(t));
        if (s != none && top.at(s).producer != none) first_[static_cast<std::size_t>(top.at(s).producer) + 1] = i + 1;
      }
    }
    for (std::size_t i = 1; i < first_.size(); ++i) first_[i] = first_[i] < first_[i - 1] ? first_[i - 1] : first_[i];
  }

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
  using attention_heads = top::detail::heads_view;

  /// The tensor of the chip that a Top tensor became; of an output in f32 the one before its cast.
  [[nodiscard]] constexpr tensor_id lowered(tensor_id t) const {
    const tensor_id low = t == none ? none : tpu_->find(top_->name(t));
    if (low == none || !top_->is_output(t) || !is_cast(low)) return low;
    const tensor_id before = tpu_->operand(tpu_->at(low).producer, 0);
    text own(top_->name(t));
    own << '.' << name_of(tpu_->at(before).type);
    return tpu_->name(before) == own.view() ? before : low;
  }
  [[nodiscard]] constexpr bool is_cast(tensor_id low) const {
    const node_id made = tpu_->at(low).producer;
    return made != none && tpu_->node_at(made).op == &record_of<tpu::cast>;
  }
  [[nodiscard]] constexpr format format_at(tensor_id low) const {
    return low == none || !tpu_->at(low).quant.present() ? format{} : format{tpu_->at(low).type, tpu_->at(low).quant};
  }
  /// The format that the tensor has on the chip; none where it is not quantized.
  [[nodiscard]] constexpr format format_of(tensor_id t) const { return format_at(lowered(t)); }
  /// The format in which the node reads it: another where the chip casts it to 8 bits before.
  [[nodiscard]] constexpr format format_read(node_id id, tensor_id t) const {
    const tensor_id low = lowered(t);
    for (std::size_t i = first_[static_cast<std::size_t>(id)]; i < first_[static_cast<std::size_t>(id) + 1]; ++i) {
      const auto reader = static_cast<node_id>(i);
      if (tpu_->node_at(reader).op == &record_of<tpu::cast>) continue;
      for (const tensor_id o : tpu_->operands(reader)) {
        if (o == none || o == low || !is_cast(o) || tpu_->operand(tpu_->at(o).producer, 0) != low) continue;
        if (const format f = format_at(o); f.type != dtype_id::none) return f;
      }
    }
    return format_at(low);
  }
  [[nodiscard]] constexpr tensor_id mapped(tensor_id t) {
    if (t == none) return none;
    tensor_id& to = map_[static_cast<std::size_t>(t)];
    if (to == none && top_->is_constant(t)) to = out_.add_constant(top_->name(t), top_->constant_value(t));
    return to;
  }
  /// The tensor as the node reads it.
  constexpr tensor_id read(node_id id, tensor_id t) {
    const tensor_id made = mapped(t);
    if (t == none || top_->is_constant(t) || lowered(t) == none) return made;
    const format f = format_read(id, t);
    if (f.type == dtype_id::none || context::is_whole(f) || f == format_of(t)) return made;
    for (const made_read& r : reads_) {
      if (r.of == t && r.as == f) return r.made;
    }
    text name(top_->name(t));
    const tensor_id as_read = through(made, name << '.' << name_of(f.type), ".dequantized", f);
    reads_.push_back({t, f, as_read});
    return as_read;
  }
  template <class Op>
  constexpr tensor_id add(std::string_view name, const typename Op::attributes& a,
                          std::span<const tensor_id> operands) {
    const tensor_id results[] = {out_.add_tensor(name, dtype_id::none, {})};
    infer(out_, add_node<Op>(out_, name, a, operands, results));
    return results[0];
  }
  template <class Op>
  constexpr tensor_id add(std::string_view name, const typename Op::attributes& a,
                          std::initializer_list<tensor_id> operands) {
    return add<Op>(name, a, std::span<const tensor_id>(operands.begin(), operands.size()));
  }
  constexpr tensor_id named(std::string_view name, std::string_view suffix, const value& v) {
    text whole(name);
    return out_.add_constant(whole << suffix, v);
  }
  constexpr tensor_id number(std::string_view name, std::string_view suffix, dtype_id type, std::int64_t x) {
    value v(type, {});
    v.i[0] = x;
    return named(name, suffix, v);
  }
  constexpr tensor_id number(std::string_view name, std::string_view suffix, float x) {
    value v(dtype_id::f32, {});
    v.f[0] = x;
    return named(name, suffix, v);
  }
  /// x through 8 bits: `NAME.quantized`, then `NAME` and the suffix.
  constexpr tensor_id through(tensor_id x, std::string_view name, std::string_view suffix, const format& f) {
    const tensor_id scale = number(name, ".scale", f.quant.scale);
    const tensor_id zero = number(name, ".zero", f.type, f.quant.zero_point);
    text q(name);
    const tensor_id narrow = add<top::quantize_linear>(q << ".quantized", {}, {x, scale, zero});
    text d(name);
    return add<top::dequantize_linear>(d << suffix, {}, {narrow, scale, zero});
  }
  /// Float tensor `made` stands for t from now on, through 8 bits where the chip has it so.
  constexpr void set(tensor_id t, tensor_id made, const format& f) {
    if (f.type != dtype_id::none) {
      const std::string_view name = top_->name(t);
      const bool input = out_.is_input(made);
      if (!input) {
        text inner(name);
        out_.rename(made, inner << ".float");
      }
      made = through(made, name, input ? ".dequantized" : "", f);
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
    const format f = format_of(top_->result(id));
    const bool int8 = f.type != dtype_id::none;
    vec<tensor_id> operands;
    if (const calibrate::weighted l = calibrate::weighted_at(*top_, id, true); int8 && l.node != none) {
      put_weights(l, f, operands);
    } else {
      for (const tensor_id t : top_->operands(id)) {
        const bool narrow = int8 && top_->is_constant(t) && top_->at(t).type == dtype_id::f32 && takes_small(id);
        operands.push_back(narrow ? small_constant(t) : read(id, t));
      }
    }
    const vec<tensor_id> made = emit(id, operands);
    for (std::size_t i = 0; i < made.size(); ++i) {
      const tensor_id y = top_->result(id, i);
      if (y == none) continue;
      const format own = format_of(y);
      if (!context::is_whole(own)) {
        set(y, made[i], own);
      } else {
        map_[static_cast<std::size_t>(y)] = format_of(top_->operand(id, 0)) == own ? made[i] : whole(made[i], y, own);
      }
    }
  }
  /// A sum that keeps its bits: a float, but a whole number of steps.
  constexpr tensor_id whole(tensor_id made, tensor_id y, const format& f) {
    const text name(top_->name(y));
    const auto called = [&](std::string_view suffix) { return text(name) << suffix; };
    out_.rename(made, called(".float"));
    const tensor_id step = number(name, ".step", f.quant.scale);
    const tensor_id steps = add<top::div>(called(".exact"), {}, {made, step});
    return add<top::mul>(name, {}, {add<top::round>(called(".whole"), {}, {steps}), step});
  }
  /// Operators whose constants become symmetric i8.
  [[nodiscard]] constexpr bool takes_small(node_id id) const {
    return list<top::add, top::sub, top::mul, top::max, top::min, top::sum, top::matmul>::any(
        [&]<class Op>() { return is<Op>(id); });
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
    const auto x_scale = static_cast<double>(format_read(l.node, l.x).quant.scale);
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
    operands.push_back(read(l.node, l.x));
    operands.push_back(dequantized(top_->name(l.weight), q, steps, last ? 1 : 0));
    if (l.bias != none) operands.push_back(dequantized(top_->name(l.bias), b, bias_steps, 0));
  }

  template <class Op> [[nodiscard]] constexpr bool is(node_id id) const {
    return top_->node_at(id).op == &record_of<Op>;
  }
  /// The results of the node, without what ONNX does not have: fused activations behind it, operators of ours.
  constexpr vec<tensor_id> emit(node_id id, const vec<tensor_id>& operands) {
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
    if (is<top::silu>(id)) {
      text share(name);
      made = add<top::mul>(name, {}, {operands[0], add<top::sigmoid>(share << ".share", {}, {operands[0]})});
    }
    if (is<top::channel_shuffle>(id)) made = shuffled(id, operands[0]);
    if (is<top::attention>(id) && format_read(id, top_->operand(id, 1)).type != dtype_id::none)
      made = attended(id, operands);
    if (made == none) {
      vec<tensor_id> results;
      for (const tensor_id t : top_->results(id))
        results.push_back(t == none ? none : out_.add_tensor(top_->name(t), dtype_id::none, {}));
      infer(out_, out_.add_node(top_->node_name(id), *top_->node_at(id).op, top_->words(top_->node_at(id)),
                                operands.span(), results.span()));
      return results;
    }
    vec<tensor_id> one;
    one.push_back(clamp.size() == 2 ? clamped(made, name, clamp, made != operands[0]) : made);
    return one;
  }
  /// `inner`: x is the node's own result before the clamp, not an operand.
  constexpr tensor_id clamped(tensor_id x, std::string_view name, const floats& clamp, bool inner) {
    text before(name);
    if (inner) out_.rename(x, before << ".before");
    if (clamp[0] == 0.0F && math::is_inf(clamp[1])) return add<top::relu>(name, {}, {x});
    return add<top::clip>(name, {}, {x, number(name, ".low", clamp[0]), number(name, ".high", clamp[1])});
  }
  constexpr tensor_id shuffled(node_id id, tensor_id x) {
    const text name(top_->name(top_->result(id)));
    const shape d = out_.at(x).dims;
    const std::int64_t groups = attributes_of<top::channel_shuffle>(*top_, id).groups;
    const tensor_id cut = reshaped(x, {d[0], groups, d[1] / groups, d[2], d[3]}, name, ".groups");
    text turned(name);
    return reshaped(add<top::transpose>(turned << ".turned", {{0, 2, 1, 3, 4}}, {cut}), d, name, "");
  }
  /// The tensor in another shape; one with a suffix is only there where the shape is another.
  constexpr tensor_id reshaped(tensor_id x, const shape& to, std::string_view name, std::string_view suffix) {
    if (!suffix.empty() && out_.at(x).dims == to) return x;
    text whole(name);
    return add<top::reshape>(whole << suffix, {.shape = ints(to.span())}, {x});
  }

  /// Attention as the chip computes it in integers (attention_rule): two products of 8 bits, between them the exponentials, of which the
  /// greatest of a row is 1, and their sum behind.
  constexpr tensor_id attended(node_id id, const vec<tensor_id>& operands) {
    const auto a = attributes_of<top::attention>(*top_, id);
    const text name(top_->name(top_->result(id)));
    const attention_heads dq(top_->at(top_->operand(id, 0)).dims, a.q_num_heads);
    const attention_heads dk(top_->at(top_->operand(id, 1)).dims, a.kv_num_heads);
    const attention_heads dv(top_->at(top_->operand(id, 2)).dims, a.kv_num_heads);
    const auto called = [&](std::string_view suffix) { return text(name) << suffix; };
    const auto by_heads = [&](std::size_t i, const attention_heads& d, std::string_view suffix) {
      const tensor_id x = operands[i];
      if (out_.at(x).dims.rank() == 4) return x;
      return add<top::transpose>(called(suffix), {{0, 2, 1, 3}},
                                 {reshaped(x, {d.batch, d.length, d.heads, d.width}, called(suffix), ".heads")});
    };
    // Heads of q that read one of k and v are rows of one matrix.
    const shape scores_dims{dq.batch, dq.heads, dq.length, dk.length};
    const std::int64_t rows = dq.heads / dk.heads * dq.length;
    // Tools move a DequantizeLinear behind what only moves its elements; so it stands there, too.
    const auto read_as = [&](std::size_t i, tensor_id x, std::string_view suffix) {
      return x == operands[i] ? x : through(x, called(suffix), ".read", format_read(id, top_->operand(id, i)));
    };
    const tensor_id q =
        read_as(0, reshaped(by_heads(0, dq, ".q"), {dq.batch, dk.heads, rows, dq.width}, name, ".queries"), ".qs");
    const tensor_id k =
        read_as(1, add<top::transpose>(called(".keys"), {{0, 1, 3, 2}}, {by_heads(1, dk, ".k")}), ".ks");
    const tensor_id v = read_as(2, by_heads(2, dv, ".v"), ".vs");
    const float scale = a.scale == 0.0F ? 1.0F / math::sqrt(static_cast<float>(dq.width)) : static_cast<float>(a.scale);
    tensor_id s = add<top::matmul>(called(".products"), {}, {q, k});
    s = add<top::mul>(called(".scaled"), {}, {s, number(name, ".scale", scale)});
    s = reshaped(s, scores_dims, name, ".scores");
    if (a.softcap > 0.0F) {
      const tensor_id cap = number(name, ".softcap", a.softcap);
      s = add<top::tanh>(called(".part"), {}, {add<top::div>(called(".of_cap"), {}, {s, cap})});
      s = add<top::mul>(called(".capped"), {}, {s, cap});
    }
    const tensor_id mask = top_->operand(id, 3);
    const bool given = mask != none;
    bool each_sees = !(given && !top_->is_constant(mask)) && top_->operand(id, 6) == none;
    if (each_sees && (given || hides_places(a))) {
      value own;
      if (given) own = top_->constant_value(mask);
      const value bias = attention_bias(a, given ? &own : nullptr, scores_dims, 0, hides_places(a));
      each_sees = shows_each_a_key(bias);
      s = add<top::add>(called(".masked"), {}, {s, named(name, ".mask", bias)});
    }
    if (!each_sees) {
      refuse(text("node '") << top_->node_name(id)
                            << "' (attention) hides keys by an activation, or all of a query: as QDQ it can only be "
                               "written in f32 (give it that dtype with --qtable)");
    }
    const tensor_id most = add<top::reduce_max>(called(".most"), {.axes = {-1}}, {s});
    s = add<top::exp>(called(".exponentials"), {}, {add<top::sub>(called(".below"), {}, {s, most})});
    s = through(s, called(".shares"), "", {dtype_id::u8, {1.0F / 255.0F, 0}});
    const tensor_id total = add<top::reduce_sum>(called(".total"), {.axes = {-1}}, {s});
    s = reshaped(s, {dq.batch, dk.heads, rows, dk.length}, name, ".rows");
    s = add<top::matmul>(called(".sums"), {}, {s, v});
    s = reshaped(s, {dq.batch, dq.heads, dq.length, dv.width}, name, ".of_heads");
    const bool flat = top_->at(top_->operand(id, 0)).dims.rank() == 3;
    s = add<top::div>(flat ? called(".shared") : name, {}, {s, total});
    if (!flat) return s;
    s = add<top::transpose>(called(".turned"), {{0, 2, 1, 3}}, {s});
    return reshaped(s, {dq.batch, dq.length, dq.heads * dv.width}, name, "");
  }

  struct made_read {
    tensor_id of = none;
    format as{};
    tensor_id made = none;
  };

  const graph_body* top_;
  const graph_body* tpu_;
  graph_body out_;
  vec<tensor_id> map_;     // from Top tensors to those of out_
  vec<std::size_t> first_; // of the chip's nodes that a Top node became; they end where those of the next one begin
  vec<made_read> reads_;
};

} // namespace detail

/// The calibrated graph with quantizers where the lowered one is 8 bits wide.
constexpr graph_body with_quantizers(const graph<stage::calibrated>& top, const graph<stage::lowered>& tpu) {
  return detail::quantizer(top, tpu).run();
}

} // namespace tmpu::lower
