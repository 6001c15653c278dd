// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/corrections.hpp"
#include "tmpu/top/binary.hpp"
#include "tmpu/top/elementwise.hpp"
#include "tmpu/top/move.hpp"
#include "tmpu/top/norm.hpp"
#include "tmpu/top/pool.hpp"
#include "tmpu/top/reshape.hpp"
#include "tmpu/top/resize.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

/// Channel scales that cost nothing: where a tensor is made by weights and only read by weights, with nothing between that minds a
/// positive factor (ReLU, pooling, additions, concatenation), each of its channels can be divided by a number which the weights that
/// read it multiply with. One int8 scale then serves channels of like size (cross-layer equalisation, M. Nagel et al., ICCV 2019),
/// and what is hard to hold in activations moves into weights (SmoothQuant, G. Xiao et al., ICML 2023).
namespace tmpu::calibrate {

/// Which channels of which tensors must be divided by one number, and which by none.
class channel_classes {
public:
  constexpr explicit channel_classes(const graph_body& g)
      : g_(&g), axis_(g.tensors.size(), none), first_(g.tensors.size(), 0) {
    find_axes();
    std::int64_t count = 0;
    for (std::size_t t = 0; t < g.tensors.size(); ++t) {
      first_[t] = count;
      if (axis_[t] != none) count += channels(static_cast<tensor_id>(t));
    }
    for (std::int64_t e = 0; e <= count; ++e) parent_.push_back(e);
    fixed_ = vec<std::uint8_t>(parent_.size());
    link_all();
  }

  /// The axis with the channels; none: the tensor has none that are known.
  [[nodiscard]] constexpr std::int32_t axis(tensor_id t) const { return axis_[static_cast<std::size_t>(t)]; }
  [[nodiscard]] constexpr std::int64_t channels(tensor_id t) const {
    return g_->at(t).dims[static_cast<std::size_t>(axis(t))];
  }
  /// All channels of all tensors, one behind the other.
  [[nodiscard]] constexpr std::size_t elements() const { return parent_.size() - 1; }
  [[nodiscard]] constexpr std::size_t element(tensor_id t, std::int64_t channel) const {
    return static_cast<std::size_t>(first_[static_cast<std::size_t>(t)] + channel);
  }
  /// The element that stands for the class.
  [[nodiscard]] constexpr std::size_t class_of(std::size_t element) const {
    std::int64_t e = static_cast<std::int64_t>(element);
    while (parent_[static_cast<std::size_t>(e)] != e) e = parent_[static_cast<std::size_t>(e)];
    return static_cast<std::size_t>(e);
  }
  [[nodiscard]] constexpr bool fixed(std::size_t element) const { return fixed_[class_of(element)] != 0; }

private:
  static constexpr bool keeps_sign_and_scale(const floats& clamp) {
    return clamp.empty() || (clamp[0] == 0.0F && math::is_inf(clamp[1]));
  }
  template <class... Ops> [[nodiscard]] constexpr bool is(node_id id) const {
    return ((g_->node_at(id).op == &record_of<Ops>) || ...);
  }
  [[nodiscard]] constexpr bool floats_only(node_id id) const {
    for (const tensor_id t : g_->operands(id)) {
      if (t != none && !g_->is_constant(t) && (g_->at(t).type != dtype_id::f32 || !g_->at(t).dims.known()))
        return false;
    }
    for (const tensor_id t : g_->results(id)) {
      if (t != none && (g_->at(t).type != dtype_id::f32 || !g_->at(t).dims.known())) return false;
    }
    return true;
  }
  /// y follows each activation that it reads channel by channel: f(s x) = s f(x) for s > 0.
  [[nodiscard]] constexpr bool passes(node_id id) const {
    if (!floats_only(id)) return false;
    if (is<top::relu, top::leaky_relu, top::identity, top::max_pool, top::average_pool, top::global_average_pool,
           top::global_max_pool>(id))
      return true;
    if (is<top::prelu>(id)) return g_->is_constant(g_->operand(id, 1));
    if (is<top::clip>(id)) {
      return g_->operands(id).size() == 1 && keeps_sign_and_scale(attributes_of<top::clip>(*g_, id).clamp);
    }
    if (is<top::add>(id)) return same_operands(id) && keeps_sign_and_scale(attributes_of<top::add>(*g_, id).clamp);
    if (is<top::sub>(id)) return same_operands(id) && keeps_sign_and_scale(attributes_of<top::sub>(*g_, id).clamp);
    if (is<top::resize>(id)) return resizes_planes(id);
    return is<top::concat>(id) && all_activations(id);
  }
  /// Each plane by itself; what lies outside of it is not filled with a number of its own.
  [[nodiscard]] constexpr bool resizes_planes(node_id id) const {
    const shape& x = g_->at(g_->operand(id, 0)).dims;
    const shape& y = g_->at(g_->result(id)).dims;
    return x.rank() == 4 && x[0] == y[0] && x[1] == y[1] &&
           attributes_of<top::resize>(*g_, id).coordinate_transformation_mode.view() != "tf_crop_and_resize";
  }
  [[nodiscard]] constexpr bool all_activations(node_id id) const {
    for (const tensor_id t : g_->operands(id)) {
      if (t == none || g_->is_constant(t)) return false;
    }
    return true;
  }
  [[nodiscard]] constexpr bool same_operands(node_id id) const {
    for (const tensor_id t : g_->operands(id)) {
      if (t == none || g_->is_constant(t) || !(g_->at(t).dims == g_->at(g_->result(id)).dims)) return false;
    }
    return true;
  }

  constexpr bool set_axis(tensor_id t, std::int32_t axis) {
    std::int32_t& own = axis_[static_cast<std::size_t>(t)];
    if (own != none || axis >= static_cast<std::int32_t>(g_->at(t).dims.rank())) return false;
    own = axis;
    return true;
  }
  constexpr void find_axes() {
    for (std::size_t i = 0; i < g_->nodes.size(); ++i) {
      const auto id = static_cast<node_id>(i);
      if (const weighted l = weighted_at(*g_, id); l.node != none) {
        for (const tensor_id t : {l.x, l.y}) set_axis(t, static_cast<std::int32_t>(l.axis(g_->at(t).dims)));
      } else if (detail::scales_last_axis(*g_, id) && floats_only(id)) {
        set_axis(g_->result(id), static_cast<std::int32_t>(g_->at(g_->result(id)).dims.rank()) - 1);
      }
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t i = 0; i < g_->nodes.size(); ++i) {
        const auto id = static_cast<node_id>(i);
        if (!passes(id)) continue;
        std::int32_t axis = axis_[static_cast<std::size_t>(g_->result(id))];
        for (const tensor_id t : g_->operands(id)) {
          if (axis == none && t != none) axis = axis_[static_cast<std::size_t>(t)];
        }
        if (axis == none) continue;
        changed = set_axis(g_->result(id), axis) || changed;
        for (const tensor_id t : g_->operands(id)) {
          if (t != none && !g_->is_constant(t)) changed = set_axis(t, axis) || changed;
        }
      }
    }
  }

  constexpr void join(std::size_t a, std::size_t b) {
    const std::size_t x = class_of(a);
    const std::size_t y = class_of(b);
    const std::size_t low = x < y ? x : y; // the earliest element stands for the class
    parent_[x < y ? y : x] = static_cast<std::int64_t>(low);
    fixed_[low] = fixed_[x] != 0 || fixed_[y] != 0 ? 1 : 0;
  }
  constexpr void fix(tensor_id t) {
    if (t == none || axis(t) == none) return;
    for (std::int64_t c = 0; c < channels(t); ++c) fixed_[class_of(element(t, c))] = 1;
  }
  constexpr void link_all() {
    for (const tensor_id t : g_->inputs) fix(t);
    for (const tensor_id t : g_->outputs) fix(t);
    for (std::size_t i = 0; i < g_->nodes.size(); ++i) {
      const auto id = static_cast<node_id>(i);
      if (const weighted l = weighted_at(*g_, id); l.node != none) {
        if (!floats_only(id) || axis(l.x) != static_cast<std::int32_t>(l.axis(g_->at(l.x).dims))) fix(l.x);
        if (!floats_only(id) || axis(l.y) != static_cast<std::int32_t>(l.axis(g_->at(l.y).dims)) ||
            !keeps_sign_and_scale(clamp_of(id)))
          fix(l.y);
      } else if (detail::scales_last_axis(*g_, id)) {
        fix(g_->operand(id, 0));
        for (std::size_t k = 1; k < g_->results(id).size(); ++k) fix(g_->results(id)[k]);
      } else if (!passes(id) || !link(id)) {
        for (const tensor_id t : g_->operands(id)) fix(t);
        for (const tensor_id t : g_->results(id)) fix(t);
      }
    }
  }
  [[nodiscard]] constexpr floats clamp_of(node_id id) const {
    if (is<top::conv>(id)) return attributes_of<top::conv>(*g_, id).clamp;
    if (is<top::conv_transpose>(id)) return attributes_of<top::conv_transpose>(*g_, id).clamp;
    return is<top::gemm>(id) ? attributes_of<top::gemm>(*g_, id).clamp : floats{};
  }
  /// Joins the channels of the result with those of the operands; false where they do not stand for each other.
  constexpr bool link(node_id id) {
    const tensor_id y = g_->result(id);
    std::int64_t place = 0; // in a concatenation of channels
    const bool joins =
        is<top::concat>(id) && top::detail::axis_at(attributes_of<top::concat>(*g_, id).axis, g_->at(y).dims.rank()) ==
                                   static_cast<std::size_t>(axis(y));
    for (const tensor_id t : g_->operands(id)) {
      if (t == none || g_->is_constant(t)) continue;
      if (axis(t) == none || axis(t) != axis(y) || (!joins && channels(t) != channels(y))) return false;
      for (std::int64_t c = 0; c < channels(t); ++c) join(element(t, c), element(y, place + c));
      if (joins) place += channels(t);
    }
    for (std::size_t k = 1; k < g_->results(id).size(); ++k) {
      if (g_->results(id)[k] != none) return false;
    }
    return true;
  }

  const graph_body* g_;
  vec<std::int32_t> axis_;
  vec<std::int64_t> first_;
  vec<std::int64_t> parent_;
  vec<std::uint8_t> fixed_; // of the elements that stand for a class
};

/// Watches samples and chooses the factors: for tensors that hang together the power of the channels' sizes under which the layers
/// that read them are expected to lose least.
class equalizer {
public:
  constexpr explicit equalizer(const graph_body& g)
      : g_(&g), classes_(g), greatest_(classes_.elements()), squares_(classes_.elements()),
        negative_(g.tensors.size()) {}

  /// One sample: the values of all tensors.
  constexpr void add(std::span<const value> values) {
    ++samples_;
    for (std::size_t i = 0; i < g_->tensors.size(); ++i) {
      const auto t = static_cast<tensor_id>(i);
      if (classes_.axis(t) == none || g_->is_constant(t) || values[i].f.empty()) continue;
      const shape& dims = values[i].dims;
      std::int64_t inner = 1;
      for (std::size_t d = static_cast<std::size_t>(classes_.axis(t)) + 1; d < dims.rank(); ++d) inner *= dims[d];
      const std::int64_t channels = classes_.channels(t);
      const std::int64_t planes = dims.elements() / inner;
      const float* at = values[i].f.data();
      for (std::int64_t p = 0; p < planes; ++p, at += inner) {
        const std::size_t e = classes_.element(t, p % channels);
        float greatest = greatest_[e];
        double squares = 0.0;
        for (std::int64_t k = 0; k < inner; ++k) {
          const float m = at[k] < 0.0F ? -at[k] : at[k];
          if (at[k] < 0.0F) negative_[i] = 1;
          greatest = m > greatest ? m : greatest;
          squares += static_cast<double>(m) * static_cast<double>(m);
        }
        greatest_[e] = greatest;
        squares_[e] += squares;
      }
    }
  }

  /// The factors of all tensors that are changed.
  [[nodiscard]] constexpr vec<correction> finish() const {
    vec<float> factors(classes_.elements(), 1.0F);
    vec<tensor_id> group(g_->tensors.size(), none); // the first tensor of those that hang together
    vec<tensor_id> owner(classes_.elements(), none);
    for (std::size_t i = 0; i < group.size(); ++i) group[i] = static_cast<tensor_id>(i);
    const auto head = [&](tensor_id t) {
      while (group[static_cast<std::size_t>(t)] != t) t = group[static_cast<std::size_t>(t)];
      return t;
    };
    for (std::size_t i = 0; i < group.size(); ++i) {
      const auto t = static_cast<tensor_id>(i);
      if (classes_.axis(t) == none || g_->is_constant(t)) continue;
      for (std::int64_t c = 0; c < classes_.channels(t); ++c) {
        tensor_id& of = owner[classes_.class_of(classes_.element(t, c))];
        if (of == none) of = t;
        const tensor_id a = head(of);
        const tensor_id b = head(t);
        group[static_cast<std::size_t>(a < b ? b : a)] = a < b ? a : b;
      }
    }
    vec<tensor_id> heads(group.size(), none);
    for (std::size_t i = 0; i < group.size(); ++i) heads[i] = head(static_cast<tensor_id>(i));
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (heads[i] == static_cast<tensor_id>(i) && classes_.axis(heads[i]) != none) choose(heads, heads[i], factors);
    }
    vec<correction> found;
    for (std::size_t i = 0; i < group.size(); ++i) {
      const auto t = static_cast<tensor_id>(i);
      if (classes_.axis(t) == none || g_->is_constant(t)) continue;
      correction c;
      c.name = text(g_->name(t));
      bool changed = false;
      for (std::int64_t k = 0; k < classes_.channels(t); ++k) {
        c.values.push_back(factors[classes_.class_of(classes_.element(t, k))]);
        changed = changed || c.values.back() != 1.0F;
      }
      if (changed) found.push_back(std::move(c));
    }
    return found;
  }

private:
  static constexpr int powers = 4;

  /// The best power for the tensors of one group, put into `factors` by class.
  constexpr void choose(const vec<tensor_id>& heads, tensor_id group, vec<float>& factors) const {
    vec<std::size_t> members;
    vec<float> size(classes_.elements(), 0.0F); // of classes
    bool any_fixed = false;
    float greatest_fixed = 0.0F;
    for (std::size_t i = 0; i < heads.size(); ++i) {
      const auto t = static_cast<tensor_id>(i);
      if (heads[i] != group || classes_.axis(t) == none || g_->is_constant(t)) continue;
      for (std::int64_t c = 0; c < classes_.channels(t); ++c) {
        const std::size_t e = classes_.element(t, c);
        const std::size_t own = classes_.class_of(e);
        if (own == e) members.push_back(e);
        size[own] = greatest_[e] > size[own] ? greatest_[e] : size[own];
        if (!classes_.fixed(e)) continue;
        any_fixed = true;
        greatest_fixed = greatest_[e] > greatest_fixed ? greatest_[e] : greatest_fixed;
      }
    }
    vec<weighted> readers;
    for (std::size_t i = 0; i < g_->nodes.size(); ++i) {
      const weighted l = weighted_at(*g_, static_cast<node_id>(i));
      if (l.node != none && heads[static_cast<std::size_t>(l.x)] == group) readers.push_back(l);
    }
    bool all_fixed = true;
    double logs = 0.0;
    double count = 0.0;
    for (const std::size_t e : members) {
      all_fixed = all_fixed && classes_.fixed(e);
      if (!(size[e] > 0.0F)) continue;
      logs += math::log(static_cast<double>(size[e]));
      count += 1.0;
    }
    if (all_fixed || readers.empty() || count == 0.0) return;
    const double middle =
        any_fixed && greatest_fixed > 0.0F ? static_cast<double>(greatest_fixed) : math::exp(logs / count);
    double least = loss(readers, factors) * 0.98; // a change must be worth something
    vec<float> best = factors;
    for (int p = 1; p <= powers; ++p) {
      vec<float> tried = factors;
      for (const std::size_t e : members) {
        if (classes_.fixed(e) || !(size[e] > 0.0F)) continue;
        const double relative = math::log(static_cast<double>(size[e]) / middle) * p / powers;
        constexpr double reach = 7.0; // e^7 = 1097
        tried[e] = round_to_bf16(static_cast<float>(math::exp(relative < -reach  ? -reach
                                                              : relative > reach ? reach
                                                                                 : relative)));
      }
      const double now = loss(readers, tried);
      if (now < least) {
        least = now;
        best = std::move(tried);
      }
    }
    factors = std::move(best);
  }

  /// Expected power of the rounding of activations and weights at the results of layers, relative to these results.
  [[nodiscard]] constexpr double loss(const vec<weighted>& readers, const vec<float>& factors) const {
    double total = 0.0;
    for (const weighted& l : readers) {
      const auto factor = [&](std::size_t channel) {
        return static_cast<double>(
            factors[classes_.class_of(classes_.element(l.x, static_cast<std::int64_t>(channel)))]);
      };
      double reach = 0.0;
      vec<double> power;
      const double places = static_cast<double>(samples_ * g_->at(l.x).dims.elements() / classes_.channels(l.x));
      for (std::int64_t c = 0; c < classes_.channels(l.x); ++c) {
        const std::size_t e = classes_.element(l.x, c);
        const double s = factor(static_cast<std::size_t>(c));
        const double m = static_cast<double>(greatest_[e]) / s;
        reach = m > reach ? m : reach;
        power.push_back(squares_[e] / places / (s * s));
      }
      const double step = reach / (negative_[static_cast<std::size_t>(l.x)] != 0 ? 127.0 : 255.0);
      const value w = g_->constant_value(l.weight);
      double noise = 0.0;
      for (std::int64_t oc = 0; oc < l.outputs; ++oc) {
        double greatest = 0.0;
        double squares = 0.0;
        double powers_of_x = 0.0;
        for (std::int64_t k = 0; k < l.inner(); ++k) {
          const std::size_t c = l.channel(oc, k);
          const double v = static_cast<double>(w.f[l.place(oc, k)]) * factor(c);
          greatest = math::abs(v) > greatest ? math::abs(v) : greatest;
          squares += v * v;
          powers_of_x += power[c];
        }
        noise += squares * step * step + greatest * greatest / (127.0 * 127.0) * powers_of_x;
      }
      double result = 0.0;
      for (std::int64_t c = 0; c < l.outputs; ++c) result += squares_[classes_.element(l.y, c)];
      result /= static_cast<double>(samples_ * g_->at(l.y).dims.elements() / l.outputs);
      if (result > 0.0) total += noise / result;
    }
    return total;
  }

  const graph_body* g_;
  channel_classes classes_;
  vec<float> greatest_;
  vec<double> squares_;
  vec<std::uint8_t> negative_;
  std::int64_t samples_ = 0;
};

} // namespace tmpu::calibrate
