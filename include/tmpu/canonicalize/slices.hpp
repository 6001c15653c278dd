// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/reshapes.hpp"

/// Slice, Split, Concat and Gather by constants: parts of a tensor, and tensors put together.
namespace tmpu::canonicalize {

namespace detail {
using cuts = vec<top::slice::cut>;

/// Every axis of x in full.
constexpr cuts full_cuts(const tmpu::shape& x) {
  cuts c;
  for (const std::int64_t d : x) c.push_back({0, 1, d});
  return c;
}
/// What the Slice keeps of each axis; nothing where it is no Slice by constants and forward steps.
constexpr cuts cuts_of(const rewriter& r, node_id id) {
  if (id == none || !r.is<top::slice>(id)) return {};
  for (std::size_t i = 1; i < 5; ++i) {
    if (r.operand(id, i) != none && !r.is_constant(r.operand(id, i))) return {};
  }
  const tmpu::shape& x = r.dims(r.operand(id));
  const ints starts = r.constant(r.operand(id, 1)).i;
  const ints ends = r.constant(r.operand(id, 2)).i;
  ints axes;
  ints steps;
  if (r.operand(id, 3) != none) axes = r.constant(r.operand(id, 3)).i;
  if (r.operand(id, 4) != none) steps = r.constant(r.operand(id, 4)).i;
  cuts c = full_cuts(x);
  for (std::size_t n = 0; n < starts.size(); ++n) {
    const std::int64_t step = steps.empty() ? 1 : steps[n];
    if (step < 1) return {};
    const std::size_t axis = axes.empty() ? n : top::detail::axis_at(axes[n], x.rank());
    c[axis] = top::slice::make_cut(starts[n], ends[n], step, x[axis]);
  }
  return c;
}
constexpr tensor_id add_list(rewriter& r, std::string_view name, const ints& list) {
  return r.add_constant(name, make_value(dtype_id::i64, {static_cast<std::int64_t>(list.size())}, list.span()));
}
/// starts, ends, axes and steps as constants, of the axes that are cut. (The name is a copy: those of the graph move when it grows.)
struct slice_lists {
  tensor_id starts;
  tensor_id ends;
  tensor_id axes;
  tensor_id steps;
};
constexpr slice_lists add_slice_lists(rewriter& r, const text& name, const tmpu::shape& x, const cuts& c) {
  ints starts;
  ints ends;
  ints axes;
  ints steps;
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (c[i].first == 0 && c[i].step == 1 && c[i].count == x[i]) continue;
    axes.push_back(static_cast<std::int64_t>(i));
    starts.push_back(c[i].first);
    ends.push_back(c[i].count == 0 ? c[i].first : c[i].first + (c[i].count - 1) * c[i].step + 1);
    steps.push_back(c[i].step);
  }
  return {add_list(r, text(name) << "/starts", starts), add_list(r, text(name) << "/ends", ends),
          add_list(r, text(name) << "/axes", axes), add_list(r, text(name) << "/steps", steps)};
}
constexpr void become_slice(rewriter& r, node_id id, tensor_id x, const cuts& c) {
  const slice_lists l = add_slice_lists(r, text(r.graph().name(r.result(id))), r.dims(x), c);
  r.become<top::slice>(id, {}, {x, l.starts, l.ends, l.axes, l.steps});
}
} // namespace detail

/// Split(x)  ==>  a Slice of x for each result that is read.   Needs: two results or more.
struct split_to_slices {
  static constexpr std::string_view name = "split-to-slices";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::split>(id) || r.graph().results(id).size() < 2) return false;
    const tensor_id x = r.operand(id);
    const std::size_t axis = top::detail::axis_at(r.attributes<top::split>(id).axis, r.dims(x).rank());
    const vec<tensor_id> results(r.graph().results(id));
    ints sizes; // the result that is absent is what is left
    std::int64_t rest = r.dims(x)[axis];
    for (const tensor_id t : results) {
      if (t == none) return false;
      sizes.push_back(r.dims(t)[axis]);
      rest -= sizes.back();
    }
    if (rest != 0) return false;
    std::int64_t first = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
      detail::cuts c = detail::full_cuts(r.dims(x));
      c[axis] = {first, 1, sizes[i]};
      first += sizes[i];
      if (r.uses(results[i]) == 0) continue;
      const detail::slice_lists l = detail::add_slice_lists(r, text(r.graph().name(results[i])), r.dims(x), c);
      r.remake<top::slice>(results[i], {}, {x, l.starts, l.ends, l.axes, l.steps});
    }
    return true;
  }
};
static_assert(rewrite_rule<split_to_slices>);

/// Slice(Slice(x))  ==>  one Slice of x.   Needs: constant bounds, forward steps.
struct merge_slices {
  static constexpr std::string_view name = "merge-slices";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::slice>(id)) return false;
    const node_id before = r.made_by<top::slice>(r.operand(id));
    detail::cuts inner = detail::cuts_of(r, before);
    const detail::cuts outer = inner.empty() ? detail::cuts() : detail::cuts_of(r, id);
    if (outer.empty()) return false;
    for (std::size_t i = 0; i < inner.size(); ++i) {
      inner[i].first += outer[i].first * inner[i].step;
      inner[i].step *= outer[i].step;
      inner[i].count = outer[i].count;
    }
    detail::become_slice(r, id, r.operand(before), inner);
    return true;
  }
};
static_assert(rewrite_rule<merge_slices>);

/// Slice(Concat(..., x, ...)) that keeps elements of x only  ==>  Slice(x).   Needs: constant bounds, forward steps.
struct slice_of_concat {
  static constexpr std::string_view name = "slice-of-concat";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::slice>(id)) return false;
    const node_id joined = r.made_by<top::concat>(r.operand(id));
    detail::cuts c = joined == none ? detail::cuts() : detail::cuts_of(r, id);
    if (c.empty()) return false;
    const std::size_t axis = top::detail::axis_at(r.attributes<top::concat>(joined).axis, r.dims(r.operand(id)).rank());
    if (c[axis].count == 0) return false;
    const std::int64_t last = c[axis].first + (c[axis].count - 1) * c[axis].step;
    std::int64_t begin = 0;
    for (const tensor_id x : r.graph().operands(joined)) {
      const std::int64_t end = begin + r.dims(x)[axis];
      if (c[axis].first >= begin && last < end) {
        c[axis].first -= begin;
        detail::become_slice(r, id, x, c);
        return true;
      }
      begin = end;
    }
    return false;
  }
};
static_assert(rewrite_rule<slice_of_concat>);

/// Concat of Slices of x that follow one another along its axis  ==>  one Slice of x.
/// Needs: constant bounds, steps of 1 along the axis; the same of the other axes.
struct concat_of_slices {
  static constexpr std::string_view name = "concat-of-slices";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::concat>(id) || r.graph().operands(id).size() < 2) return false;
    const std::size_t axis = top::detail::axis_at(r.attributes<top::concat>(id).axis, r.dims(r.result(id)).rank());
    detail::cuts all;
    tensor_id x = none;
    for (const tensor_id t : r.graph().operands(id)) {
      const node_id part = r.made_by<top::slice>(t);
      const detail::cuts c = detail::cuts_of(r, part);
      if (c.empty() || c[axis].step != 1) return false;
      if (x == none) {
        x = r.operand(part);
        all = c;
        continue;
      }
      if (r.operand(part) != x || c[axis].first != all[axis].first + all[axis].count) return false;
      for (std::size_t i = 0; i < c.size(); ++i) {
        if (i != axis && (c[i].first != all[i].first || c[i].step != all[i].step || c[i].count != all[i].count))
          return false;
      }
      all[axis].count += c[axis].count;
    }
    detail::become_slice(r, id, x, all);
    return true;
  }
};
static_assert(rewrite_rule<concat_of_slices>);

/// Concat(..., Concat(a, b), ...) along one axis  ==>  Concat(..., a, b, ...).   Needs: nothing else reads the inner one.
struct merge_concats {
  static constexpr std::string_view name = "merge-concats";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::concat>(id)) return false;
    const std::size_t rank = r.dims(r.result(id)).rank();
    auto a = r.attributes<top::concat>(id);
    const std::size_t axis = top::detail::axis_at(a.axis, rank);
    vec<tensor_id> operands;
    bool found = false;
    for (const tensor_id t : r.graph().operands(id)) {
      const node_id before = r.inner<top::concat>(t);
      if (before == none || top::detail::axis_at(r.attributes<top::concat>(before).axis, rank) != axis) {
        operands.push_back(t);
        continue;
      }
      for (const tensor_id part : r.graph().operands(before)) operands.push_back(part);
      found = true;
    }
    if (!found) return false;
    a.axis = static_cast<std::int64_t>(axis);
    r.become<top::concat>(id, a, operands.span());
    return true;
  }
};
static_assert(rewrite_rule<merge_concats>);

/// Gather(x, i) of one place  ==>  Slice, Reshape; Gather(x, [a, a + s, a + 2s, ...])  ==>  Slice.
/// Needs: constant places that go forward by one step; x no constant.
struct gather_to_slice {
  static constexpr std::string_view name = "gather-to-slice";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::gather>(id)) return false;
    const tensor_id x = r.operand(id);
    const tensor_id list = r.operand(id, 1);
    if (r.is_constant(x) || !r.is_constant(list) || r.dims(list).rank() > 1) return false;
    const std::size_t axis = top::detail::axis_at(r.attributes<top::gather>(id).axis, r.dims(x).rank());
    const std::int64_t size = r.dims(x)[axis];
    ints places = r.constant(list).i;
    for (std::int64_t& p : places) {
      p = p < 0 ? p + size : p;
      if (p < 0 || p >= size) return false; // evaluation refuses it by name
    }
    if (places.empty()) return false;
    const std::int64_t step = places.size() > 1 ? places[1] - places[0] : 1;
    for (std::size_t i = 1; i < places.size(); ++i) {
      if (step < 1 || places[i] - places[i - 1] != step) return false;
    }
    detail::cuts c = detail::full_cuts(r.dims(x));
    c[axis] = {places[0], step, static_cast<std::int64_t>(places.size())};
    if (r.dims(list).rank() == 1) {
      detail::become_slice(r, id, x, c);
      return true;
    }
    const tmpu::shape to = r.dims(r.result(id));
    const detail::slice_lists l = detail::add_slice_lists(r, r.name_before(id, "slice"), r.dims(x), c);
    const tensor_id part = r.add<top::slice>(r.name_before(id, "slice"), {}, {x, l.starts, l.ends, l.axes, l.steps});
    become_reshape(r, id, part, to);
    return true;
  }
};
static_assert(rewrite_rule<gather_to_slice>);

} // namespace tmpu::canonicalize
