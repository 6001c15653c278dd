// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/reshapes.hpp"

namespace tmpu::canonicalize {

namespace detail {
/// [N, C, W] as [N, C, 1, W].
constexpr tmpu::shape with_height(const tmpu::shape& d) { return {d[0], d[1], 1, d[2]}; }
/// A list for W as one for H, W; `front` stands for H.
constexpr ints with_height(const ints& list, std::int64_t front) {
  ints out;
  if (list.size() == 1) out = {front, list[0]};
  if (list.size() == 2) out = {front, list[0], front, list[1]}; // pads: begins, then ends
  return out;
}
/// Writes strides, dilations, pads and kernel out in full; true where that changes an attribute.
template <class Attributes> constexpr bool fill(Attributes& a, const top::detail::window& w, bool resolve_ceil) {
  Attributes full = a;
  full.auto_pad = text();
  full.kernel_shape = full.strides = full.dilations = full.pads = ints();
  for (std::size_t i = 0; i < w.spatial; ++i) {
    full.kernel_shape.push_back(w.own(i).kernel);
    full.strides.push_back(w.own(i).stride);
    full.dilations.push_back(w.own(i).dilation);
    full.pads.push_back(w.own(i).begin);
  }
  for (std::size_t i = 0; i < w.spatial; ++i)
    full.pads.push_back(resolve_ceil ? top::detail::needed_end(w.own(i)) : w.own(i).end);
  if constexpr (requires { full.ceil_mode; }) {
    if (resolve_ceil) full.ceil_mode = 0;
  }
  if (equal_members(a, full)) return false;
  a = full;
  return true;
}
/// Whether the elements that ceil_mode lets the last windows see go beyond the pads.
constexpr bool sees_beyond(const top::detail::window& w) {
  for (std::size_t i = 0; i < w.spatial; ++i) {
    if (top::detail::needed_end(w.own(i)) > w.own(i).end) return true;
  }
  return false;
}
} // namespace detail

/// Conv, ConvTranspose with auto_pad or attributes left out  ==>  pads, kernel, strides, dilations written out, and a
/// bias (zeros) where there is none.   Needs: shapes known; for the bias, a constant weight.
struct fill_conv {
  static constexpr std::string_view name = "fill-conv";

private:
  /// What must be added to the transposed convolution's size with these pads to give y.
  template <class Attributes>
  static constexpr ints missing_padding(const Attributes& a, const tmpu::shape& x, const tmpu::shape& w,
                                        const tmpu::shape& y) {
    ints out;
    const std::size_t n = x.rank() - 2;
    for (std::size_t i = 0; i < n; ++i) {
      const std::int64_t size =
          a.strides[i] * (x[2 + i] - 1) + (w[2 + i] - 1) * a.dilations[i] + 1 - a.pads[i] - a.pads[n + i];
      out.push_back(y[2 + i] - size);
    }
    return out;
  }
  template <class Op> static constexpr bool fill_one(rewriter& r, node_id id, std::size_t outputs_axis) {
    auto a = r.attributes<Op>(id);
    const tensor_id x = r.operand(id);
    const tensor_id w = r.operand(id, 1);
    bool changed = detail::fill(a, Op::window_of(a, r.dims(x), r.dims(w)), false);
    if constexpr (requires { a.output_padding; }) {
      if (!a.output_shape.empty()) { // the pads say it now
        a.output_shape = ints();
        changed = true;
      }
      if (changed) a.output_padding = missing_padding(a, r.dims(x), r.dims(w), r.dims(r.result(id)));
    }
    tensor_id bias = r.operand(id, 2);
    if (bias == none && r.is_constant(w)) {
      const std::int64_t outputs = r.dims(w)[outputs_axis] * (outputs_axis == 1 ? a.group.value : 1);
      bias = r.add_constant(r.name_before(id, "bias"), value(r.type(x), {outputs}));
      changed = true;
    }
    if (changed) r.become<Op>(id, a, {x, w, bias});
    return changed;
  }

public:
  static constexpr bool apply(rewriter& r, node_id id) {
    if (r.is<top::conv>(id)) return fill_one<top::conv>(r, id, 0);
    if (r.is<top::conv_transpose>(id)) return fill_one<top::conv_transpose>(r, id, 1);
    return false;
  }
};
static_assert(rewrite_rule<fill_conv>);

/// MaxPool, AveragePool with auto_pad, ceil_mode or attributes left out  ==>  all written out, ceil_mode as more padding
/// at the end.   Needs: shapes known.
/// AveragePool that counts its padding and whose ceil_mode sees beyond it  ==>  Pad, then AveragePool that does not count.
struct fill_pool {
  static constexpr std::string_view name = "fill-pool";
  static constexpr bool apply(rewriter& r, node_id id) {
    const tensor_id x = r.operand(id);
    if (r.is<top::max_pool>(id)) {
      auto a = r.attributes<top::max_pool>(id);
      if (!detail::fill(a, top::max_pool::window_of(a, r.dims(x)), true)) return false;
      r.set_attributes<top::max_pool>(id, a);
      return true;
    }
    if (!r.is<top::average_pool>(id)) return false;
    auto a = r.attributes<top::average_pool>(id);
    const auto w = top::average_pool::window_of(a, r.dims(x));
    if (a.count_include_pad != 0 && detail::sees_beyond(w)) {
      ints before{0, 0};
      ints after{0, 0};
      for (std::size_t i = 0; i < w.spatial; ++i) {
        before.push_back(w.own(i).begin);
        after.push_back(w.own(i).end);
      }
      ints pads = before;
      pads.append(after.span());
      const tensor_id list = r.add_constant(
          r.name_before(id, "pads"), make_value(dtype_id::i64, {static_cast<std::int64_t>(pads.size())}, pads.span()));
      const tensor_id padded = r.add<top::pad>(r.name_before(id, "padded"), {}, {x, list});
      a.count_include_pad = 0;
      a.auto_pad = text();
      // Written out here: ceil_mode would be asked of another input.
      a.ceil_mode = 0;
      a.pads = ints();
      for (std::size_t i = 0; i < w.spatial; ++i) a.pads.push_back(0);
      for (std::size_t i = 0; i < w.spatial; ++i) {
        const std::int64_t more = top::detail::needed_end(w.own(i)) - w.own(i).end;
        a.pads.push_back(more > 0 ? more : 0);
      }
      r.become<top::average_pool>(id, a, {padded});
      return true;
    }
    bool padding = false;
    for (std::size_t i = 0; i < w.spatial; ++i) padding = padding || w.own(i).begin != 0 || w.own(i).end != 0;
    const bool counts_nothing = a.count_include_pad != 0 && !padding;
    if (counts_nothing) a.count_include_pad = 0;
    if (!detail::fill(a, w, true) && !counts_nothing) return false;
    r.set_attributes<top::average_pool>(id, a);
    return true;
  }
};
static_assert(rewrite_rule<fill_pool>);

/// Conv, MaxPool, AveragePool over [N, C, W]  ==>  Reshape to [N, C, 1, W], the same over H and W, Reshape back.
/// Needs: attributes written out (fill-conv, fill-pool); a constant weight; one result.
struct widen_to_2d {
  static constexpr std::string_view name = "widen-to-2d";

private:
  template <class Op, class Add> static constexpr bool widen(rewriter& r, node_id id, Add&& add) {
    auto a = r.attributes<Op>(id);
    if (a.kernel_shape.size() != 1) return false; // not written out yet
    a.kernel_shape = detail::with_height(a.kernel_shape, 1);
    a.strides = detail::with_height(a.strides, 1);
    a.dilations = detail::with_height(a.dilations, 1);
    a.pads = detail::with_height(a.pads, 0);
    const tensor_id x = r.operand(id);
    const tensor_id wide = add_reshape(r, r.name_before(id, "4d"), x, detail::with_height(r.dims(x)));
    const tensor_id y = add(wide, a);
    become_reshape(r, id, y, r.dims(r.result(id)));
    return true;
  }

public:
  static constexpr bool apply(rewriter& r, node_id id) {
    const tensor_id x = r.operand(id);
    if (x == none || r.dims(x).rank() != 3) return false;
    if (r.is<top::conv>(id)) {
      if (!r.is_constant(r.operand(id, 1)) || r.operand(id, 2) == none) return false;
      value w = r.constant(r.operand(id, 1));
      w.dims = detail::with_height(w.dims);
      return widen<top::conv>(r, id, [&](tensor_id wide, const auto& a) {
        const tensor_id weight = r.add_constant(r.graph().name(r.operand(id, 1)), w);
        return r.add<top::conv>(r.name_before(id, "2d"), a, {wide, weight, r.operand(id, 2)});
      });
    }
    if (r.graph().results(id).size() != 1) return false;
    if (r.is<top::max_pool>(id)) {
      return widen<top::max_pool>(r, id, [&](tensor_id wide, const auto& a) {
        return r.add<top::max_pool>(r.name_before(id, "2d"), a, {wide});
      });
    }
    if (r.is<top::average_pool>(id)) {
      return widen<top::average_pool>(r, id, [&](tensor_id wide, const auto& a) {
        return r.add<top::average_pool>(r.name_before(id, "2d"), a, {wide});
      });
    }
    return false;
  }
};
static_assert(rewrite_rule<widen_to_2d>);

/// GlobalAveragePool, GlobalMaxPool; ReduceMean, ReduceMax over all spatial axes of [N, C, H, W]  ==>  AveragePool,
/// MaxPool with a kernel over the whole plane, and a Reshape where the axes are dropped.   Needs: rank 3 or 4.
struct global_to_pool {
  static constexpr std::string_view name = "global-to-pool";

private:
  template <class Op> static constexpr bool over_plane(const rewriter& r, node_id id) {
    const auto a = r.attributes<Op>(id);
    return r.operand(id, 1) == none && a.axes == ints{2, 3};
  }
  template <class Op> static constexpr bool pool(rewriter& r, node_id id) {
    const tensor_id x = r.operand(id);
    const tmpu::shape& d = r.dims(x);
    typename Op::attributes a{};
    for (std::size_t i = 2; i < d.rank(); ++i) a.kernel_shape.push_back(d[i]);
    if (r.dims(r.result(id)).rank() == d.rank()) {
      r.become<Op>(id, a, {x});
      return true;
    }
    const tmpu::shape to = r.dims(r.result(id));
    const tensor_id y = r.add<Op>(r.name_before(id, "pool"), a, {x});
    become_reshape(r, id, y, to);
    return true;
  }

public:
  static constexpr bool apply(rewriter& r, node_id id) {
    const tensor_id x = r.operand(id);
    if (x == none || !r.floating(x)) return false;
    const std::size_t rank = r.dims(x).rank();
    if (r.is<top::global_average_pool>(id) && (rank == 3 || rank == 4)) return pool<top::average_pool>(r, id);
    if (r.is<top::global_max_pool>(id) && (rank == 3 || rank == 4)) return pool<top::max_pool>(r, id);
    if (rank != 4) return false;
    if (r.is<top::reduce_mean>(id) && over_plane<top::reduce_mean>(r, id)) return pool<top::average_pool>(r, id);
    if (r.is<top::reduce_max>(id) && over_plane<top::reduce_max>(r, id)) return pool<top::max_pool>(r, id);
    return false;
  }
};
static_assert(rewrite_rule<global_to_pool>);

/// Conv(Pad(x)), AveragePool(Pad(x)), MaxPool(Pad(x))  ==>  the same of x with larger pads.
/// Needs: Pad of spatial axes only, by nothing negative; by zeros, for MaxPool by what no element is below (-inf, or 0 after
/// a Relu) and less than a window wide; AveragePool without pads of its own counts them then.
struct fold_pad {
  static constexpr std::string_view name = "fold-pad";

private:
  /// No element of t is below the bound, as the operator that makes it says.
  static constexpr bool never_below(const rewriter& r, tensor_id t, float bound) {
    if (bound == -math::infinity<float>) return true;
    const node_id maker = r.graph().at(t).producer;
    if (maker == none) return false;
    return list<top::conv, top::conv_transpose, top::gemm, top::add, top::sub, top::mul, top::div, top::clip>::any(
               [&]<class Made>() {
                 if (!r.is<Made>(maker)) return false;
                 const floats clamp = r.attributes<Made>(maker).clamp;
                 return clamp.size() == 2 && clamp[0] >= bound;
               }) ||
           (bound <= 0.0F && (r.is<top::relu>(maker) || r.is<top::sigmoid>(maker) || r.is<top::abs>(maker)));
  }
  template <class Op> static constexpr bool fold(rewriter& r, node_id id) {
    const node_id before = r.made_by<top::pad>(r.operand(id));
    if (before == none) return false;
    auto a = r.attributes<Op>(id);
    const std::size_t rank = r.dims(r.operand(id)).rank();
    if (a.pads.size() != 2 * (rank - 2)) return false; // not written out yet
    if constexpr (requires { a.count_include_pad; }) {
      for (const std::int64_t p : a.pads) {
        if (p != 0 && a.count_include_pad == 0) return false;
      }
      a.count_include_pad = 1;
    }
    const auto mode = r.attributes<top::pad>(before).mode;
    if (!mode.empty() && mode.view() != "constant") return false;
    float fill = 0.0F;
    if (const tensor_id t = r.operand(before, 2); t != none && !r.scalar(t, fill)) return false;
    constexpr bool takes_greatest = std::is_same_v<Op, top::max_pool>;
    if (takes_greatest ? !never_below(r, r.operand(before), fill) : fill != 0.0F) return false;
    const tensor_id list = r.operand(before, 1);
    const tensor_id axes = r.operand(before, 3);
    if (!r.is_constant(list) || (axes != none && !r.is_constant(axes))) return false;
    const value pads = r.constant(list);
    value places;
    if (axes != none) places = r.constant(axes);
    const std::size_t count = pads.i.size() / 2;
    for (std::size_t n = 0; n < count; ++n) {
      const std::size_t axis = axes == none ? n : top::detail::axis_at(places.i[n], rank);
      const std::int64_t begin = pads.i[n];
      const std::int64_t end = pads.i[count + n];
      if (begin < 0 || end < 0 || (axis < 2 && (begin != 0 || end != 0))) return false;
      if (axis < 2) continue;
      a.pads[axis - 2] += begin;
      a.pads[rank - 2 + axis - 2] += end;
      if constexpr (takes_greatest) { // every window must still see an element of x
        if (a.pads[axis - 2] >= a.kernel_shape[axis - 2] || a.pads[rank + axis - 4] >= a.kernel_shape[axis - 2])
          return false;
      }
    }
    r.set_operand(id, 0, r.operand(before));
    r.set_attributes<Op>(id, a);
    return true;
  }

public:
  static constexpr bool apply(rewriter& r, node_id id) {
    if (r.is<top::conv>(id)) return fold<top::conv>(r, id);
    if (r.is<top::average_pool>(id)) return fold<top::average_pool>(r, id);
    if (r.is<top::max_pool>(id) && r.graph().results(id).size() == 1) return fold<top::max_pool>(r, id);
    return false;
  }
};
static_assert(rewrite_rule<fold_pad>);

} // namespace tmpu::canonicalize
