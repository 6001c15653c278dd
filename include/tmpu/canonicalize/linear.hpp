// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/reshapes.hpp"

namespace tmpu::canonicalize {

namespace detail {

/// A Conv, ConvTranspose or dense gemm with constant weight and bias that a following node can be folded into. A Reshape
/// may lie between them.
struct linear {
  node_id node = none;
  node_id last = none;  ///< the Reshape, or node again
  std::size_t axis = 0; ///< of the channels in the result of `last`
  std::int64_t channels = 0;
};

/// The gemm is in the form that lowering takes: x [M, K], w [N, K], bias [N], all but x constant.
constexpr bool is_dense(const rewriter& r, node_id id) {
  if (!r.is<top::gemm>(id) || !r.is_constant(r.operand(id, 1)) || !r.is_constant(r.operand(id, 2))) return false;
  const auto a = r.attributes<top::gemm>(id);
  return a.transA == 0 && a.transB == 1 && a.alpha == 1.0F && a.beta == 1.0F && r.dims(r.operand(id, 2)).rank() == 1;
}

/// What makes t, if a node that reads t can be folded into it.
constexpr linear linear_before(const rewriter& r, tensor_id t) {
  linear found;
  if (t == none || !r.read_once(t)) return {};
  found.node = found.last = r.graph().at(t).producer;
  if (found.node == none) return {};
  tensor_id inner = t;
  if (r.is<top::reshape>(found.node)) {
    inner = r.operand(found.node);
    if (!r.read_once(inner) || r.graph().at(inner).producer == none) return {};
    found.node = r.graph().at(inner).producer;
  }
  const tmpu::shape& in = r.dims(inner);
  const tmpu::shape& out = r.dims(t);
  if (is_dense(r, found.node)) {
    if (!r.attributes<top::gemm>(found.node).clamp.empty() || out.rank() == 0 || out[out.rank() - 1] != in[1])
      return {};
    found.axis = out.rank() - 1;
    found.channels = in[1];
    return found;
  }
  const bool straight = r.is<top::conv>(found.node) && r.attributes<top::conv>(found.node).clamp.empty();
  const bool transposed =
      r.is<top::conv_transpose>(found.node) && r.attributes<top::conv_transpose>(found.node).clamp.empty();
  if (!straight && !transposed) return {};
  if (!r.is_constant(r.operand(found.node, 1)) || !r.is_constant(r.operand(found.node, 2))) return {};
  if (out.rank() < 2 || out[0] != in[0] || out[1] != in[1]) return {};
  found.axis = 1;
  found.channels = in[1];
  return found;
}

/// The linear node's result times factor[c] plus term[c], put into its weight and bias.
constexpr void scale_and_shift(rewriter& r, node_id id, const floats& factor, const floats& term) {
  value w = r.constant(r.operand(id, 1));
  value b = r.constant(r.operand(id, 2));
  if (r.is<top::conv_transpose>(id)) { // w [C, OC/group, ...]
    const auto group = r.attributes<top::conv_transpose>(id).group.value;
    const auto outputs = static_cast<std::size_t>(w.dims[1]);
    const auto channels = static_cast<std::size_t>(w.dims[0] / group);
    const std::size_t taps = w.f.size() / (outputs * static_cast<std::size_t>(w.dims[0]));
    for (std::size_t i = 0; i < w.f.size(); ++i) {
      const std::size_t ic = i / taps / outputs;
      w.f[i] *= factor[ic / channels * outputs + i / taps % outputs];
    }
  } else {
    const std::size_t depth = w.f.size() / factor.size();
    for (std::size_t oc = 0; oc < factor.size(); ++oc) {
      for (std::size_t i = oc * depth; i < (oc + 1) * depth; ++i) w.f[i] *= factor[oc];
    }
  }
  for (std::size_t oc = 0; oc < factor.size(); ++oc) b.f[oc] = b.f[oc] * factor[oc] + term[oc];
  r.set_constant(id, 1, w);
  r.set_constant(id, 2, b);
}

/// The constant's values along `axis` of y, one a channel; empty where it varies along another axis or widens y.
constexpr floats along(const rewriter& r, tensor_id t, const tmpu::shape& y, std::size_t axis) {
  if (!r.is_constant(t) || !r.floating(t)) return {};
  const tmpu::shape& d = r.dims(t);
  if (d.rank() > y.rank()) return {};
  for (std::size_t i = 0; i < d.rank(); ++i) {
    const std::size_t at = i + y.rank() - d.rank();
    if (d[i] != 1 && (at != axis || d[i] != y[axis])) return {};
  }
  const value v = r.constant(t);
  floats out;
  for (std::int64_t c = 0; c < y[axis]; ++c) out.push_back(v.f[v.f.size() == 1 ? 0 : static_cast<std::size_t>(c)]);
  return out;
}

/// Whether the batch normalization takes mean and variance from its operands, and all four lists are constant.
constexpr bool constant_lists(const rewriter& r, node_id id) {
  if (r.attributes<top::batch_normalization>(id).training_mode != 0) return false;
  for (std::size_t i = 1; i < 5; ++i) {
    if (!r.is_constant(r.operand(id, i))) return false;
  }
  return true;
}
/// y = x * factor + term of a batch normalization.
constexpr void lines_of(const rewriter& r, node_id id, floats& factor, floats& term) {
  const auto a = r.attributes<top::batch_normalization>(id);
  const value scale = r.constant(r.operand(id, 1));
  const value bias = r.constant(r.operand(id, 2));
  const value mean = r.constant(r.operand(id, 3));
  const value variance = r.constant(r.operand(id, 4));
  for (std::size_t c = 0; c < scale.f.size(); ++c) {
    const auto l = top::batch_normalization::line_of(scale.f[c], bias.f[c], mean.f[c], variance.f[c], a.epsilon);
    factor.push_back(l.factor);
    term.push_back(l.term);
  }
}
/// A constant of one value a channel, in the dimensions [C, 1...] that broadcast along axis 1.
constexpr value channel_value(dtype_id type, const floats& values, std::size_t rank) {
  tmpu::shape d{static_cast<std::int64_t>(values.size())};
  for (std::size_t i = 2; i < rank; ++i) d.push_back(1);
  value v(type, d);
  v.f = values;
  return v;
}

} // namespace detail

/// BatchNormalization(Conv(x)), of ConvTranspose, of Gemm  ==>  the linear operator alone, scale and shift in its weight
/// and bias.   Needs: the linear operator has one reader; constant weights and lists.
struct fold_batch_norm {
  static constexpr std::string_view name = "fold-batch-norm";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::batch_normalization>(id) || !detail::constant_lists(r, id)) return false;
    const detail::linear before = detail::linear_before(r, r.operand(id));
    if (before.node == none || before.axis != 1) return false;
    floats factor;
    floats term;
    detail::lines_of(r, id, factor, term);
    detail::scale_and_shift(r, before.node, factor, term);
    r.take_result(before.last, id);
    return true;
  }
};
static_assert(rewrite_rule<fold_batch_norm>);

/// Add, Sub, Mul, Div of Conv(x), ConvTranspose(x) or Gemm(x) and a constant that varies by channel at most  ==>  the
/// linear operator alone.   Needs: the linear operator has one reader; constant weights.
struct fold_channel_constant {
  static constexpr std::string_view name = "fold-channel-constant";
  static constexpr bool apply(rewriter& r, node_id id) {
    const bool adds = r.is<top::add>(id);
    const bool subtracts = r.is<top::sub>(id);
    const bool multiplies = r.is<top::mul>(id);
    const bool divides = r.is<top::div>(id);
    if (!adds && !subtracts && !multiplies && !divides) return false;
    const bool first_constant = r.is_constant(r.operand(id));
    if (first_constant == r.is_constant(r.operand(id, 1)) || (first_constant && divides)) return false;
    const tensor_id x = r.operand(id, first_constant ? 1 : 0);
    const tensor_id c = r.operand(id, first_constant ? 0 : 1);
    const tmpu::shape y = r.dims(r.result(id));
    if (!r.floating(x) || !(r.dims(x) == y)) return false;
    const detail::linear before = detail::linear_before(r, x);
    if (before.node == none) return false;
    const floats values = detail::along(r, c, y, before.axis);
    if (values.empty()) return false;
    floats factor(values.size(), subtracts && first_constant ? -1.0F : 1.0F);
    floats term(values.size(), 0.0F);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (divides && values[i] == 0.0F) return false;
      if (multiplies) factor[i] = values[i];
      if (divides) factor[i] = 1.0F / values[i];
      if (adds || subtracts) term[i] = subtracts && !first_constant ? -values[i] : values[i];
    }
    const floats clamp = r.attributes<top::add>(id).clamp; // the four have the same attributes
    detail::scale_and_shift(r, before.node, factor, term);
    r.take_result(before.last, id);
    if (!clamp.empty()) set_clamp(r, before.node, clamp);
    return true;
  }

private:
  static constexpr void set_clamp(rewriter& r, node_id id, const floats& clamp) {
    const auto set = [&]<class Op>() {
      auto a = r.attributes<Op>(id);
      a.clamp = clamp;
      r.set_attributes<Op>(id, a);
    };
    if (r.is<top::conv>(id)) {
      set.template operator()<top::conv>();
    } else if (r.is<top::gemm>(id)) {
      set.template operator()<top::gemm>();
    } else {
      set.template operator()<top::conv_transpose>();
    }
  }
};
static_assert(rewrite_rule<fold_channel_constant>);

/// Conv(x * c), Gemm(x * c)  ==>  the linear operator alone, c in its weight; Conv(x + c), Gemm(x + c)  ==>  c in its bias.
/// Needs: nothing else reads the product or sum; c constant, one value a channel of x at most; constant weights; for Add, a
/// Conv without padding (its zeros would be moved, too).
struct fold_into_weight {
  static constexpr std::string_view name = "fold-into-weight";
  static constexpr bool apply(rewriter& r, node_id id) {
    const bool convolves = r.is<top::conv>(id) && r.is_constant(r.operand(id, 1)) && r.is_constant(r.operand(id, 2));
    if (!convolves && !detail::is_dense(r, id)) return false;
    const tensor_id y = r.operand(id);
    const node_id scaled = r.inner<top::mul>(y);
    const node_id shifted = r.inner<top::add>(y);
    const node_id before = scaled != none ? scaled : shifted;
    if (before == none || !(r.dims(r.operand(before)) == r.dims(y))) return false;
    if (scaled != none ? !r.attributes<top::mul>(scaled).clamp.empty() : !r.attributes<top::add>(shifted).clamp.empty())
      return false;
    std::int64_t group = 1;
    if (convolves) {
      const auto a = r.attributes<top::conv>(id);
      group = a.group;
      if (!a.auto_pad.empty()) return false; // not written out yet
      for (const std::int64_t p : a.pads) {
        if (scaled == none && p != 0) return false;
      }
    }
    const floats c = detail::along(r, r.operand(before, 1), r.dims(y), 1);
    if (c.empty()) return false;
    value w = r.constant(r.operand(id, 1)); // [OC, C/group, taps...]
    value bias = r.constant(r.operand(id, 2));
    const auto outputs = static_cast<std::size_t>(w.dims[0]);
    const auto inputs = static_cast<std::size_t>(w.dims[1]);
    if (outputs == 0 || inputs == 0) return false;
    const std::size_t taps = w.f.size() / outputs / inputs;
    const std::size_t outputs_a_group = outputs / static_cast<std::size_t>(group);
    for (std::size_t oc = 0; oc < outputs; ++oc) {
      for (std::size_t ic = 0; ic < inputs; ++ic) {
        const float v = c[oc / outputs_a_group * inputs + ic];
        for (std::size_t t = 0; t < taps; ++t) {
          float& e = w.f[(oc * inputs + ic) * taps + t];
          if (scaled != none) {
            e *= v;
          } else {
            bias.f[oc] += e * v;
          }
        }
      }
    }
    if (scaled != none) {
      r.set_constant(id, 1, w);
    } else {
      r.set_constant(id, 2, bias);
    }
    r.set_operand(id, 0, r.operand(before));
    return true;
  }
};
static_assert(rewrite_rule<fold_into_weight>);

/// BatchNormalization of [N, C, W] or [N, C, H, W]  ==>  a depthwise 1x1 Conv; of another rank  ==>  Mul, Add.
/// Needs: constant lists. Comes after fold-batch-norm.
struct batch_norm_to_conv {
  static constexpr std::string_view name = "batch-norm-to-conv";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::batch_normalization>(id) || !detail::constant_lists(r, id)) return false;
    const tensor_id x = r.operand(id);
    const std::size_t rank = r.dims(x).rank();
    floats factor;
    floats term;
    detail::lines_of(r, id, factor, term);
    if (rank == 3 || rank == 4) {
      const std::int64_t channels = r.dims(x)[1];
      tmpu::shape d{channels, 1};
      for (std::size_t i = 2; i < rank; ++i) d.push_back(1);
      value w(r.type(x), d);
      w.f = factor;
      value b(r.type(x), {channels});
      b.f = term;
      top::conv::attributes a{};
      a.group = channels;
      const tensor_id weight = r.add_constant(r.name_before(id, "weight"), w);
      const tensor_id bias = r.add_constant(r.name_before(id, "bias"), b);
      r.become<top::conv>(id, a, {x, weight, bias});
      return true;
    }
    const tensor_id scale = r.add_constant(r.name_before(id, "scale"), detail::channel_value(r.type(x), factor, rank));
    const tensor_id shift = r.add_constant(r.name_before(id, "shift"), detail::channel_value(r.type(x), term, rank));
    const tensor_id scaled = r.add<top::mul>(r.name_before(id, "mul"), {}, {x, scale});
    r.become<top::add>(id, {}, {scaled, shift});
    return true;
  }
};
static_assert(rewrite_rule<batch_norm_to_conv>);

} // namespace tmpu::canonicalize
