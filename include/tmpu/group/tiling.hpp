// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/group/catalog.hpp"

namespace tmpu::group {

/// A step of a group, or a count of slices, by axis.
struct places {
  std::int64_t n = 0;
  std::int64_t c = 0;
  std::int64_t h = 0;
  std::int64_t k = 0;
};

/// How a layer group is cut: number of slices along N, C and H of its results and along the inner sum K; and the order of its steps. With C
/// outside, the weights of a slice of channels are loaded once and all rows pass over them; with C inside, a slice of rows is loaded once and
/// all weights pass over it. Parts of a sum follow each other.
struct slices {
  std::int64_t n = 1;
  std::int64_t c = 1;
  std::int64_t h = 1;
  std::int64_t k = 1;
  bool c_inside = false;
  [[nodiscard]] constexpr std::int64_t steps() const { return n * c * h * k; }
  [[nodiscard]] constexpr std::int64_t step_at(const places& p) const {
    const std::int64_t rows = p.n * h + p.h;
    return (c_inside ? rows * c + p.c : p.c * n * h + rows) * k + p.k;
  }
  [[nodiscard]] constexpr places places_of(std::int64_t step) const {
    const std::int64_t at = step / k;
    const std::int64_t rows = c_inside ? at / c : at % (n * h);
    return {rows / h, c_inside ? at % c : at / (n * h), rows % h, step % k};
  }
};

/// The s-th of `count` nearly equal parts of [0, size).
struct part {
  std::int64_t first = 0;
  std::int64_t last = 0;
};
constexpr part part_of(std::int64_t size, std::int64_t count, std::int64_t s) {
  return {size * s / count, size * (s + 1) / count};
}

/// The most slices of a tensor along each axis that are not empty; cuts along C fall on multiples of the lanes.
constexpr places most_slices(const tpu::view4& v, std::int64_t lanes) { return {v.n, ceil_div(v.c, lanes), v.h, 1}; }

/// The slice of a stored result that a step of these slices makes. Cuts along C fall on multiples of the lanes,
/// so that a channel stays in its lane.
constexpr tpu::box stored_slice(const tpu::view4& v, const slices& s, std::int64_t step, std::int64_t lanes) {
  const places at = s.places_of(step);
  const part h = part_of(v.h, s.h, at.h);
  const part c = part_of(ceil_div(v.c, lanes), s.c, at.c);
  const part n = part_of(v.n, s.n, at.n);
  const std::int64_t c1 = c.last * lanes;
  return {n.first, n.last, c.first * lanes, c1 < v.c ? c1 : v.c, h.first, h.last};
}

/// What a group of nodes [first, first + count) touches, independent of how it is cut. Buffers are listed in a fixed order:
/// loads and computed tensors as the nodes mention them, then scratch.
class tiling {
public:
  struct buffer {
    local_buffer::role_kind role = local_buffer::role_kind::load;
    tensor_id tensor = none;
    node_id node = none;    ///< scratch: the node; otherwise none
    std::int32_t index = 0; ///< scratch: its number
    isa::layout layout = isa::layout::aligned;
    dtype_id type = dtype_id::none;
    tpu::view4 dims;
    bool stored = false;        ///< a result that is needed outside of the group
    std::int32_t first_use = 0; ///< position in the group of the first and last node that touches it
    std::int32_t last_use = 0;
  };
  /// What one step holds in a buffer; an empty box: the step does not use it.
  using boxes = vec<tpu::box>;

  constexpr tiling() = default;
  /// `legal` is false where a tensor made inside the group is wanted in another layout than it is made in, or a node cannot be tiled.
  constexpr tiling(const graph_body& g, node_id first, std::int32_t count, std::span<const std::int32_t> last_reader)
      : g_(&g), first_(first), count_(count) {
    for (std::int32_t i = 0; i < count; ++i) {
      const node_id id = first + i;
      const tpu::tpu_record& r = tpu::record(g, id);
      if (!r.tiled) legal_ = false;
      inner_.push_back(r.inner(g, id));
      for (std::size_t o = 0; o < g.operands(id).size(); ++o) {
        const tensor_id t = g.operand(id, o);
        const tpu::operand_facts facts = r.operand(g, id, o);
        const bool inside = g.at(t).producer >= first && !g.is_constant(t);
        if (inside && facts.layout != isa::layout::aligned) legal_ = false;
        const std::size_t b = find_or_add(inside ? local_buffer::role_kind::compute : local_buffer::role_kind::load, t,
                                          facts.layout, facts.dims, i);
        operand_buffer_.push_back(static_cast<std::int32_t>(b));
        reach_.push_back(r.reach(g, id, o));
      }
      operand_first_.push_back(static_cast<std::int32_t>(operand_buffer_.size()));
      const tensor_id y = g.result(id);
      const std::size_t b =
          find_or_add(local_buffer::role_kind::compute, y, isa::layout::aligned, tpu::fold(g.at(y).dims), i);
      result_buffer_.push_back(static_cast<std::int32_t>(b));
      buffers_[b].stored = g.is_output(y) || last_reader[static_cast<std::size_t>(y)] >= first + count;
    }
  }

  [[nodiscard]] constexpr bool legal() const { return legal_; }
  [[nodiscard]] constexpr const vec<buffer>& buffers() const { return buffers_; }
  [[nodiscard]] constexpr node_id first() const { return first_; }
  [[nodiscard]] constexpr std::int32_t count() const { return count_; }
  [[nodiscard]] constexpr std::size_t operand_buffer(std::int32_t i, std::size_t operand) const {
    return static_cast<std::size_t>(operand_buffer_[first_operand(i) + operand]);
  }
  /// The part of an operand that a tile of node i needs.
  [[nodiscard]] constexpr tpu::box need(std::int32_t i, std::size_t operand, const tpu::tile& t) const {
    return tpu::need(reach_[first_operand(i) + operand], buffers_[operand_buffer(i, operand)].dims, t);
  }
  [[nodiscard]] constexpr std::size_t result_buffer(std::int32_t i) const {
    return static_cast<std::size_t>(result_buffer_[static_cast<std::size_t>(i)]);
  }

  /// The tile of node i that makes `out` in this step.
  [[nodiscard]] constexpr tpu::tile tile_of(std::int32_t i, const tpu::box& out, const slices& s,
                                            std::int64_t step) const {
    const part k = part_of(inner_[static_cast<std::size_t>(i)], s.k, step % s.k);
    return {out, k.first, k.last};
  }

  /// Backward slice inference: what every buffer holds in a step, from the stored slices back through the nodes; several
  /// readers of a tensor are served by the union of what they need.
  [[nodiscard]] constexpr boxes infer(const slices& s, std::int64_t step, std::int64_t lanes) const {
    constexpr tpu::box nothing{0, 0, 0, 0, 0, 0};
    boxes held(buffers_.size(), nothing);
    for (std::size_t b = 0; b < buffers_.size(); ++b) {
      if (buffers_[b].stored) held[b] = stored_slice(buffers_[b].dims, s, step, lanes);
      if (held[b].empty()) held[b] = nothing;
    }
    for (std::int32_t i = count_; i-- > 0;) {
      const tpu::box out = held[result_buffer(i)];
      if (out.empty()) continue;
      const tpu::tile t = tile_of(i, out, s, step);
      for (std::size_t at = first_operand(i); at < first_operand(i + 1); ++at) {
        const auto x = static_cast<std::size_t>(operand_buffer_[at]);
        held[x] = tpu::unite(held[x], tpu::need(reach_[at], buffers_[x].dims, t));
      }
    }
    return held;
  }

  /// Scratch tensors of node i for the tile that makes `out`.
  [[nodiscard]] constexpr vec<tpu::scratch_facts> scratch_of(std::int32_t i, const tpu::tile& t, bool k_is_cut) const {
    vec<tpu::scratch_facts> list;
    for (std::size_t n = 0;; ++n) {
      const tpu::scratch_facts f = tpu::record(*g_, first_ + i).scratch(*g_, first_ + i, n, t, k_is_cut);
      if (f.type == dtype_id::none) return list;
      list.push_back(f);
    }
  }

private:
  [[nodiscard]] constexpr std::size_t first_operand(std::int32_t i) const {
    return i == 0 ? 0 : static_cast<std::size_t>(operand_first_[static_cast<std::size_t>(i - 1)]);
  }
  constexpr std::size_t find_or_add(local_buffer::role_kind role, tensor_id t, isa::layout layout,
                                    const tpu::view4& dims, std::int32_t position) {
    for (std::size_t b = 0; b < buffers_.size(); ++b) {
      if (buffers_[b].tensor == t && buffers_[b].layout == layout && buffers_[b].dims == dims) {
        buffers_[b].last_use = position;
        return b;
      }
      // One tensor folded in two ways cannot share what is computed in one of them.
      if (buffers_[b].tensor == t && role == local_buffer::role_kind::compute) legal_ = false;
    }
    buffers_.push_back({.role = role,
                        .tensor = t,
                        .node = none,
                        .index = 0,
                        .layout = layout,
                        .type = g_->at(t).type,
                        .dims = dims,
                        .stored = false,
                        .first_use = position,
                        .last_use = position});
    return buffers_.size() - 1;
  }

  const graph_body* g_ = nullptr;
  node_id first_ = 0;
  std::int32_t count_ = 0;
  bool legal_ = true;
  vec<buffer> buffers_;
  vec<std::int32_t> operand_buffer_;
  vec<tpu::reach> reach_;           // of each operand
  vec<std::int64_t> inner_;         // of each node
  vec<std::int32_t> operand_first_; // end of the operands of node i in operand_buffer_
  vec<std::int32_t> result_buffer_;
};

} // namespace tmpu::group
