// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/context.hpp"
#include "tmpu/top/move.hpp"
#include "tmpu/top/pad.hpp"
#include "tmpu/top/rearrange.hpp"
#include "tmpu/top/reshape.hpp"

/// Operators that move elements keep the type and scale of their operand; concat brings all operands to that of its result.
namespace tmpu::lower {

/// reshape, flatten, squeeze, unsqueeze, identity -> reshape.
template <class Op> struct reshape_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool any_type = true;
    static constexpr bool moves = true;
    static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
    static constexpr void apply(context& c, node_id) {
      const tensor_id x = c.moved_operand(0);
      c.template emit_result<tpu::reshape>({ints(c.result_dims().span())}, {x}, c.format_at(x));
    }
  };
};

/// transpose -> transpose; an absent perm turns the axes around.
template <class Dtype> struct transpose_rule {
  using op = top::transpose;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool moves = true;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    ints perm = c.attributes<op>().perm;
    const auto rank = static_cast<std::int64_t>(c.dims(0).rank());
    if (perm.empty()) {
      for (std::int64_t i = rank; i-- > 0;) perm.push_back(i);
    }
    const tensor_id x = c.moved_operand(0);
    c.emit_result<tpu::transpose>({perm}, {x}, c.format_at(x));
  }
};

/// channel_shuffle -> reshape to [N, groups, C/groups, H*W], transpose of the two in the middle, reshape back.
template <class Dtype> struct channel_shuffle_rule {
  using op = top::channel_shuffle;
  using dtype = Dtype;
  static constexpr bool moves = true;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    const shape d = c.dims(0);
    const std::int64_t groups = c.attributes<op>().groups;
    const tensor_id x = c.moved_operand(0);
    const format f = c.format_at(x);
    const text name(c.result_name());
    const tensor_id cut =
        c.emit<tpu::reshape>(text(name) << "/groups", {ints{d[0], groups, d[1] / groups, d[2] * d[3]}}, {x}, f);
    const tensor_id turned = c.emit<tpu::transpose>(text(name) << "/turned", {ints{0, 2, 1, 3}}, {cut}, f);
    c.emit_result<tpu::reshape>({ints(d.span())}, {turned}, f);
  }
};

/// concat -> concat, operands cast to the scale of the result.
template <class Dtype> struct concat_rule {
  using op = top::concat;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    for (std::size_t i = 0; i < c.operand_count(); ++i) {
      if (!c.carries(i)) return false;
    }
    return true;
  }
  static constexpr void apply(context& c, node_id) {
    const format y = c.result_format();
    vec<tensor_id> parts;
    for (std::size_t i = 0; i < c.operand_count(); ++i) {
      if (c.is_constant(i)) {
        parts.push_back(c.constant_operand(i, c.dims(i), y));
      } else {
        parts.push_back(c.cast_to(c.operand(i), y));
      }
    }
    const std::size_t axis = top::detail::axis_at(c.attributes<op>().axis, c.result_dims().rank());
    c.emit_result<tpu::concat>({static_cast<std::int64_t>(axis)}, parts.span(), y);
  }
};

/// slice -> slice, with constant bounds and steps of at least 1.
template <class Dtype> struct slice_rule {
  using op = top::slice;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool moves = true;
  static constexpr bool takes(const context& c, node_id) {
    if (c.is_constant(0)) return false;
    for (std::size_t i = 1; i < c.operand_count(); ++i) {
      if (c.has(i) && !c.is_constant(i)) return false;
    }
    if (c.has(4)) {
      for (const std::int64_t step : c.constant(4).i) {
        if (step < 1) return false;
      }
    }
    return true;
  }
  static constexpr void apply(context& c, node_id) {
    const shape& dims = c.dims(0);
    tpu::slice::attributes a{};
    for (const std::int64_t d : dims) {
      a.starts.push_back(0);
      a.ends.push_back(d);
      a.steps.push_back(1);
    }
    const ints starts = c.constant(1).i;
    const ints ends = c.constant(2).i;
    ints axes;
    ints steps;
    if (c.has(3)) axes = c.constant(3).i;
    if (c.has(4)) steps = c.constant(4).i;
    for (std::size_t n = 0; n < starts.size(); ++n) {
      const std::size_t axis = c.has(3) ? top::detail::axis_at(axes[n], dims.rank()) : n;
      const auto cut = op::make_cut(starts[n], ends[n], c.has(4) ? steps[n] : 1, dims[axis]);
      a.starts[axis] = cut.first;
      a.steps[axis] = cut.step;
      a.ends[axis] = cut.first + (cut.count - 1) * cut.step + 1;
    }
    const tensor_id x = c.moved_operand(0);
    c.emit_result<tpu::slice>(a, {x}, c.format_at(x));
  }
};

/// pad -> pad, constant mode, constant pads that are not negative. In i8 x takes the range of y where the fill lies outside of its own.
template <class Dtype> struct pad_rule {
  using op = top::pad;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) {
    const auto a = c.attributes<op>();
    if (c.is_constant(0) || !c.is_constant(1) || !(a.mode.empty() || a.mode.view() == "constant")) return false;
    if ((c.has(2) && !c.is_constant(2)) || (c.has(3) && !c.is_constant(3))) return false;
    for (const std::int64_t p : c.constant(1).i) {
      if (p < 0) return false;
    }
    return true;
  }
  static constexpr void apply(context& c, node_id) {
    const std::size_t rank = c.dims(0).rank();
    const ints given = c.constant(1).i;
    ints axes;
    if (c.has(3)) axes = c.constant(3).i;
    const std::size_t count = c.has(3) ? axes.size() : rank;
    tpu::pad::attributes a{.pads = ints(2 * rank), .value = 0.0F};
    for (std::size_t n = 0; n < count; ++n) {
      const std::size_t axis = c.has(3) ? top::detail::axis_at(axes[n], rank) : n;
      a.pads[axis] = given[n];
      a.pads[axis + rank] = given[count + n];
    }
    if (c.has(2)) {
      const value fill = c.constant(2);
      if (!fill.f.empty()) a.value = fill.f[0];
    }
    tensor_id x = c.operand(0);
    format f = c.format_at(x);
    if (!is_floating(f.type) && saturates(a.value, f)) {
      f = c.result_format(); // x's own range does not reach the fill, y's does
      x = c.cast_to(x, f);
    }
    a.value = is_floating(f.type) ? round_to(f.type, a.value) : static_cast<float>(quantized(a.value, f));
    c.emit_result<tpu::pad>(a, {x}, f);
  }

private:
  static constexpr bool saturates(float x, const format& f) {
    const float held = dequantize_value(quantized(x, f), f.quant.scale, f.quant.zero_point);
    return math::abs(held - x) > f.quant.scale;
  }
};

} // namespace tmpu::lower
