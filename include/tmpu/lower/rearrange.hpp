// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
#include "tmpu/top/move.hpp"
#include "tmpu/top/rearrange.hpp"
#include "tmpu/top/reshape.hpp"

/// Moves that are made of others; they keep type and scale.
namespace tmpu::lower {

/// split -> a slice a result.
template <class Dtype> struct split_rule {
  using op = top::split;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool moves = true;
  static constexpr bool takes(const context& c, node_id) {
    return !c.is_constant(0) && (!c.has(1) || c.is_constant(1));
  }
  static constexpr void apply(context& c, node_id id) {
    const shape dims = c.dims(0);
    const std::size_t axis = top::detail::axis_at(c.attributes<op>().axis, dims.rank());
    const tensor_id x = c.moved_operand(0);
    tpu::slice::attributes a{};
    for (const std::int64_t d : dims) {
      a.starts.push_back(0);
      a.ends.push_back(d);
      a.steps.push_back(1);
    }
    a.ends[axis] = 0;
    const vec<tensor_id> results(c.source().results(id));
    const std::int64_t equal = ceil_div(dims[axis], static_cast<std::int64_t>(results.size()));
    ints sizes;
    if (c.has(1)) sizes = c.constant(1).i;
    for (std::size_t i = 0; i < results.size(); ++i) {
      a.starts[axis] = a.ends[axis];
      a.ends[axis] += c.has(1) ? sizes[i] : equal;
      if (a.ends[axis] > dims[axis]) a.ends[axis] = dims[axis];
      if (results[i] == none) continue;
      c.set(results[i], c.emit<tpu::slice>(c.source().name(results[i]), a, {x}, c.format_at(x)));
    }
  }
};

/// expand -> expand, where the shape is constant.
template <class Dtype> struct expand_rule {
  using op = top::expand;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool moves = true;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0) && c.is_constant(1); }
  static constexpr void apply(context& c, node_id) {
    sequence s(c);
    shape aligned;
    for (std::size_t i = c.dims(0).rank(); i < c.result_dims().rank(); ++i) aligned.push_back(1);
    for (const std::int64_t d : c.dims(0)) aligned.push_back(d);
    const tensor_id x = s.reshape(c.moved_operand(0), aligned);
    c.emit_result<tpu::expand>({ints(c.result_dims().span())}, {x}, c.format_at(x));
  }
};

/// tile -> each axis with an axis of repetitions in front of it, expanded.
template <class Dtype> struct tile_rule {
  using op = top::tile;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool moves = true;
  static constexpr bool takes(const context& c, node_id) {
    return !c.is_constant(0) && c.is_constant(1) && 2 * c.dims(0).rank() <= shape::max_rank && c.dims(0).rank() > 0;
  }
  static constexpr void apply(context& c, node_id) {
    const ints times = c.constant(1).i;
    shape ones;
    shape all;
    for (std::size_t i = 0; i < c.dims(0).rank(); ++i) {
      ones.push_back(1);
      ones.push_back(c.dims(0)[i]);
      all.push_back(times[i]);
      all.push_back(c.dims(0)[i]);
    }
    sequence s(c);
    s.finish(s.expand(s.reshape(c.moved_operand(0), ones), all));
  }
};

/// depth_to_space -> reshape, transpose, reshape.
template <class Dtype> struct depth_to_space_rule {
  using op = top::depth_to_space;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool moves = true;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const shape x = c.dims(0);
    const std::int64_t b = a.blocksize;
    const std::int64_t channels = x[1] / (b * b);
    const bool crd = a.mode.view() == "CRD";
    sequence s(c);
    const tensor_id parts = s.reshape(c.moved_operand(0), crd ? shape{x[0], channels, b, b, x[2], x[3]}
                                                              : shape{x[0], b, b, channels, x[2], x[3]});
    s.finish(s.transpose(parts, crd ? ints{0, 1, 4, 2, 5, 3} : ints{0, 3, 4, 1, 5, 2}));
  }
};

/// space_to_depth -> the other way.
template <class Dtype> struct space_to_depth_rule {
  using op = top::space_to_depth;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool moves = true;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    const shape x = c.dims(0);
    const std::int64_t b = c.attributes<op>().blocksize;
    sequence s(c);
    const tensor_id parts = s.reshape(c.moved_operand(0), {x[0], x[1], x[2] / b, b, x[3] / b, b});
    s.finish(s.transpose(parts, {0, 3, 5, 1, 2, 4}));
  }
};

/// dropout outside of training -> x; a mask of ones.
template <class Dtype> struct dropout_rule {
  using op = top::dropout;
  using dtype = Dtype;
  static constexpr bool any_type = true; // the mask is bool
  static constexpr bool takes(const context& c, node_id) {
    if (c.is_constant(0) || !c.carries(0)) return false;
    return !c.has(2) || (c.is_constant(2) && c.constant(2).i[0] == 0);
  }
  static constexpr void apply(context& c, node_id) {
    sequence s(c);
    if (c.wants(0)) s.finish(c.operand(0));
    if (!c.wants(1)) return;
    shape ones;
    for (std::size_t i = 0; i < c.dims(0).rank(); ++i) ones.push_back(1);
    value kept(dtype_id::boolean, ones);
    kept.i[0] = 1;
    s.finish(s.expand(s.constant(kept), c.dims(0)), 1);
  }
};

} // namespace tmpu::lower
