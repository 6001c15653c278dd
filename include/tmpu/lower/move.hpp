// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
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

/// concat -> concat, or join where feature maps can stay in local memory; operands cast to the scale of the result.
template <class Dtype> struct concat_rule {
  using op = top::concat;
  using dtype = Dtype;
  static constexpr bool elementwise = true;
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
    if (axis == 1 && joins(c)) {
      c.emit_result<tpu::join>({}, parts.span(), y);
    } else {
      c.emit_result<tpu::concat>({static_cast<std::int64_t>(axis)}, parts.span(), y);
    }
  }

private:
  static constexpr bool joins(const context& c) {
    const shape& y = c.result_dims();
    return y.rank() == 4 && tpu::assembles(c.chip(), c.result_format().type, y[1], y[3]);
  }
};

/// slice -> slice, with constant bounds; an axis of which the elements come from the end is taken by its places.
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
    sequence s(c);
    tensor_id x = c.moved_operand(0);
    for (std::size_t n = 0; n < starts.size(); ++n) {
      const std::size_t axis = c.has(3) ? top::detail::axis_at(axes[n], dims.rank()) : n;
      const auto cut = op::make_cut(starts[n], ends[n], c.has(4) ? steps[n] : 1, dims[axis]);
      if (cut.step < 1) {
        ints places;
        for (std::int64_t i = 0; i < cut.count; ++i) places.push_back(cut.first + i * cut.step);
        x = s.take(x, axis, places);
        a.ends[axis] = cut.count;
        continue;
      }
      a.starts[axis] = cut.first;
      a.steps[axis] = cut.step;
      a.ends[axis] = cut.first + (cut.count - 1) * cut.step + 1;
    }
    c.emit_result<tpu::slice>(a, {x}, c.format_at(x));
  }
};

/// pad with constant pads -> what negative ones take away; then pad, or the places along each axis that the mode copies. In i8 x takes the
/// range of y where the fill lies outside of its own.
template <class Dtype> struct pad_rule {
  using op = top::pad;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    if (c.is_constant(0) || !c.is_constant(1)) return false;
    if ((c.has(2) && !c.is_constant(2)) || (c.has(3) && !c.is_constant(3))) return false;
    const float x = fill(c);
    return is_floating(c.top_type(0)) || (x >= -0x1p24F && x <= 0x1p24F); // a field of f32
  }
  static constexpr void apply(context& c, node_id) {
    const std::size_t rank = c.dims(0).rank();
    const ints given = c.constant(1).i;
    ints axes;
    if (c.has(3)) axes = c.constant(3).i;
    const std::size_t count = c.has(3) ? axes.size() : rank;
    const auto a = c.attributes<op>();
    const bool fills = a.mode.empty() || a.mode.view() == "constant";
    tpu::pad::attributes p{.pads = ints(2 * rank), .value = fill(c)};
    sequence s(c);
    tensor_id x = c.operand(0);
    for (std::size_t n = 0; n < count; ++n) {
      const std::size_t axis = c.has(3) ? top::detail::axis_at(axes[n], rank) : n;
      const std::int64_t before = given[n];
      const std::int64_t after = given[count + n];
      const std::int64_t size = c.dims(0)[axis];
      x = s.slice(x, axis, before < 0 ? -before : 0, size + (after < 0 ? after : 0));
      const std::int64_t kept = s.dims(x)[axis];
      p.pads[axis] = before < 0 ? 0 : before;
      p.pads[axis + rank] = after < 0 ? 0 : after;
      if (fills || p.pads[axis] + p.pads[axis + rank] == 0) continue;
      ints places;
      for (std::int64_t at = -p.pads[axis]; at < kept + p.pads[axis + rank]; ++at)
        places.push_back(op::source(at, kept, a.mode.view()));
      x = s.take(x, axis, places);
    }
    if (!fills) return s.finish(x);
    format f = c.format_at(x);
    if (f.quant.present() && saturates(p.value, f)) {
      f = c.result_format(); // x's own range does not reach the fill, y's does
      x = c.cast_to(x, f);
    }
    if (is_floating(f.type)) p.value = round_to(f.type, p.value);
    if (f.quant.present()) p.value = static_cast<float>(quantized(p.value, f));
    c.emit_result<tpu::pad>(p, {x}, f);
  }

private:
  static constexpr float fill(const context& c) {
    if (!c.has(2)) return 0.0F;
    const value v = c.constant(2);
    return !v.f.empty() ? v.f[0] : v.i.empty() ? 0.0F : static_cast<float>(v.i[0]);
  }
  static constexpr bool saturates(float x, const format& f) {
    const float held = dequantize_value(quantized(x, f), f.quant.scale, f.quant.zero_point);
    return math::abs(held - x) > f.quant.scale;
  }
};

/// center_crop_pad to constant sizes -> slices of the axes that are too long, pad.
template <class Dtype> struct center_crop_pad_rule {
  using op = top::center_crop_pad;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0) && c.is_constant(1); }
  static constexpr void apply(context& c, node_id) {
    const shape& y = c.result_dims();
    sequence s(c);
    tensor_id x = c.operand(0);
    const format f = c.format_at(x);
    ints pads(2 * y.rank());
    for (std::size_t d = 0; d < y.rank(); ++d) {
      const std::int64_t more = y[d] - s.dims(x)[d];
      if (more < 0) x = s.slice(x, d, -more / 2, -more / 2 + y[d]);
      pads[d] = more > 0 ? more / 2 : 0;
      pads[d + y.rank()] = more > 0 ? more - more / 2 : 0;
    }
    s.finish(s.pad(x, pads, static_cast<float>(f.quant.zero_point)));
  }
};

} // namespace tmpu::lower
