// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/op.hpp"
#include "tmpu/isa/operands.hpp"

#include <concepts>
#include <cstdint>

namespace tmpu::tpu {

/// A tensor as the chip sees it: folded to [n, c, h, w]; strides in elements, any order.
struct view4 {
  std::int64_t n = 1;
  std::int64_t c = 1;
  std::int64_t h = 1;
  std::int64_t w = 1;
  friend constexpr bool operator==(const view4&, const view4&) = default;
};

/// Activations: [N,C,H,W] as it is, [N,C,L] as [N,C,1,L], [M,K] as [M,K,1,1], [K] as [1,K,1,1], a scalar as [1,1,1,1],
/// [N,C,D,H,W] and more dimensions as [N,C,D*...*H,W].
constexpr view4 fold(const shape& s) {
  switch (s.rank()) {
  case 0: return {};
  case 1: return {.n = 1, .c = s[0], .h = 1, .w = 1};
  case 2: return {.n = s[0], .c = s[1], .h = 1, .w = 1};
  case 3: return {.n = s[0], .c = s[1], .h = 1, .w = s[2]};
  default: {
    view4 v{.n = s[0], .c = s[1], .h = 1, .w = s[s.rank() - 1]};
    for (std::size_t i = 2; i + 1 < s.rank(); ++i) v.h *= s[i];
    return v;
  }
  }
}

/// A part of a folded tensor: whole along w, half-open intervals along n, c and h.
struct box {
  std::int64_t n0 = 0;
  std::int64_t n1 = 1;
  std::int64_t c0 = 0;
  std::int64_t c1 = 1;
  std::int64_t h0 = 0;
  std::int64_t h1 = 1;
  friend constexpr bool operator==(const box&, const box&) = default;
  [[nodiscard]] constexpr std::int64_t n() const { return n1 - n0; }
  [[nodiscard]] constexpr std::int64_t c() const { return c1 - c0; }
  [[nodiscard]] constexpr std::int64_t h() const { return h1 - h0; }
  [[nodiscard]] constexpr bool empty() const { return n0 >= n1 || c0 >= c1 || h0 >= h1; }
};
constexpr box whole(const view4& v) { return {0, v.n, 0, v.c, 0, v.h}; }
/// The least box that holds both (slices of a tensor that several consumers read).
constexpr box unite(const box& a, const box& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  return {a.n0 < b.n0 ? a.n0 : b.n0, a.n1 > b.n1 ? a.n1 : b.n1, a.c0 < b.c0 ? a.c0 : b.c0,
          a.c1 > b.c1 ? a.c1 : b.c1, a.h0 < b.h0 ? a.h0 : b.h0, a.h1 > b.h1 ? a.h1 : b.h1};
}

/// One step of a node: the part of its result and the part [k0, k1) of its inner sum (K = 1 where there is none).
struct tile {
  box out;
  std::int64_t k0 = 0;
  std::int64_t k1 = 1;
};

/// A part [first, last) of an axis.
struct interval {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

/// What one axis of the needed part of an operand follows: nothing (all of the axis is needed), or an axis of the tile.
enum class follows : std::uint8_t { nothing, n, c, h, k };

/// Backward slice inference as facts: which part of an operand a tile needs, axis by axis. Along h a window of `extent` rows, moved by
/// `stride` a row of the result, begins `pad` rows above the operand, or `repeat` rows of the result need one. A step of k is `unit` elements. Facts and not a function, because a search asks them very often.
struct reach {
  follows n = follows::n;
  follows c = follows::c;
  follows h = follows::h;
  std::int64_t extent = 1;
  std::int64_t stride = 1;
  std::int64_t pad = 0;
  std::int64_t unit = 1;
  std::int64_t repeat = 1; ///< rows of the result that come from one row of the operand
};

/// The part of an operand of these folded dimensions that the tile needs, clipped to it.
constexpr box need(const reach& r, const view4& v, const tile& t) {
  box b{0, v.n, 0, v.c, 0, v.h};
  if (r.n == follows::n) {
    b.n0 = t.out.n0;
    b.n1 = t.out.n1;
  }
  if (r.c == follows::c) {
    b.c0 = t.out.c0;
    b.c1 = t.out.c1;
  } else if (r.c == follows::k) {
    b.c0 = t.k0 * r.unit;
    b.c1 = t.k1 * r.unit < v.c ? t.k1 * r.unit : v.c;
  }
  if (r.h == follows::k) {
    b.h0 = t.k0 * r.unit;
    b.h1 = t.k1 * r.unit < v.h ? t.k1 * r.unit : v.h;
  } else if (r.h == follows::h && r.repeat > 1) {
    b.h0 = t.out.h0 / r.repeat;
    b.h1 = (t.out.h1 - 1) / r.repeat + 1;
  } else if (r.h == follows::h) {
    b.h0 = t.out.h0 * r.stride - r.pad;
    b.h1 = (t.out.h1 - 1) * r.stride - r.pad + r.extent;
    if (b.h0 < 0) b.h0 = 0;
    if (b.h1 > v.h) b.h1 = v.h;
    if (b.h0 >= b.h1) { // the window lies in the padding: keep one row, which the instruction skips or fills
      b.h0 = b.h0 >= v.h ? v.h - 1 : b.h0;
      b.h1 = b.h0 + 1;
    }
  }
  return b;
}

/// Along which axes of its result a node may be cut; `k`: its inner sum may be cut into parts that continue each other.
struct cuts {
  bool n = true;
  bool c = true;
  bool h = true;
  bool k = false;
};

/// What an operand is for the chip: its layout in local memory and its folded dimensions.
struct operand_facts {
  isa::layout layout = isa::layout::aligned;
  view4 dims;
};

/// The weights of a sum over input channels. Plain: [OC, channels, ...] of the type of x, each channel by itself. Scaled: few bits an
/// element, [OC, G, R], a row for each of G groups of consecutive channels (the last may be smaller, a row may be padded), operand 3 =
/// the scales [OC, G]; the weights are dequantized to the type of x in local memory, tile by tile.
struct weight_groups {
  bool scaled = false;
  std::int64_t count = 1;    ///< groups
  std::int64_t channels = 1; ///< of a group
};

/// Scratch space of a node: tensors [n, c, h, w] of a type and layout, made for the tile `out` of its result.
struct scratch_facts {
  isa::layout layout = isa::layout::aligned;
  dtype_id type = dtype_id::none; ///< none: no scratch
  view4 dims;
};

/// The record of a chip-level operator. `tiled` operators run tile by tile in local memory, alone or in a layer group; the others
/// (reshape, transpose, concat, slice, pad) only move data from global to global memory or alias it, and form groups of their own.
struct tpu_record : op_record {
  bool tiled = true;
  cuts (*cut)(const graph_body&, node_id) = nullptr;
  /// Extent of the inner sum (input channels of a group for a convolution, K for a matrix product); 1 where it cannot be cut.
  std::int64_t (*inner)(const graph_body&, node_id) = nullptr;
  operand_facts (*operand)(const graph_body&, node_id, std::size_t) = nullptr;
  /// Which part of operand i a tile needs.
  tpu::reach (*reach)(const graph_body&, node_id, std::size_t) = nullptr;
  /// The i-th scratch tensor of a tile; type none ends the list. The first one of a node with cuts.k holds the partial sums.
  scratch_facts (*scratch)(const graph_body&, node_id, std::size_t, const tile&, bool k_is_cut) = nullptr;
  /// Multiply-accumulates of the whole node.
  std::int64_t (*macs)(const graph_body&, node_id) = nullptr;
};

/// A Top operator that stayed in the lowered graph: a host step, which has no record of this kind.
constexpr bool is_host(const graph_body& g, node_id id) { return g.node_at(id).op->domain != "tpu"; }
constexpr const tpu_record& record(const graph_body& g, node_id id) {
  return static_cast<const tpu_record&>(*g.node_at(id).op);
}

/// The part of operand i of a node that a tile needs.
constexpr box need(const graph_body& g, node_id id, std::size_t i, const tile& t) {
  return need(record(g, id).reach(g, id, i), record(g, id).operand(g, id, i).dims, t);
}

/// Runs tile by tile in local memory (no host step, no move in global memory).
constexpr bool is_tiled(const graph_body& g, node_id id) { return !is_host(g, id) && record(g, id).tiled; }

/// Element types that the machine holds.
constexpr bool holds(dtype_id t) {
  return t == dtype_id::f32 || t == dtype_id::f16 || t == dtype_id::bf16 || t == dtype_id::i8 || t == dtype_id::u8 ||
         t == dtype_id::boolean || t == dtype_id::i32;
}
/// A tensor that can lie in the machine's memory.
constexpr bool holds(const tensor& t) { return holds(t.type) && t.dims.known() && t.dims.elements() > 0; }

/// Base of chip-level operators: supplies what most of them share. An operator that means the same over [N,C,W,1] as over [N,C,1,W] says so:
/// `turnable(attributes)` and `turned(attributes)`, its attributes for the columns; one that is `elementwise` means the same in any shape. An
/// operator overrides by declaring a member of the same name: everything elementwise needs the same box of each operand (clipped where the
/// operand is broadcast), no scratch, no inner sum.
struct tpu_op {
  static constexpr std::string_view domain = "tpu";
  static constexpr bool tiled = true;
  static constexpr bool elementwise = false;
  static constexpr cuts cut(const graph_body&, node_id) { return {}; }
  static constexpr std::int64_t inner(const graph_body&, node_id) { return 1; }
  static constexpr operand_facts operand(const graph_body& g, node_id id, std::size_t i) {
    return {.layout = isa::layout::aligned, .dims = fold(g.at(g.operand(id, i)).dims)};
  }
  static constexpr tpu::reach reach(const graph_body& g, node_id id, std::size_t i) {
    const view4 v = record_operand(g, id, i).dims;
    return {.n = v.n == 1 ? follows::nothing : follows::n,
            .c = v.c == 1 ? follows::nothing : follows::c,
            .h = v.h == 1 ? follows::nothing : follows::h};
  }
  static constexpr scratch_facts scratch(const graph_body&, node_id, std::size_t, const tile&, bool) { return {}; }
  static constexpr std::int64_t macs(const graph_body&, node_id) { return 0; }

protected:
  static constexpr operand_facts record_operand(const graph_body& g, node_id id, std::size_t i) {
    return tpu::record(g, id).operand(g, id, i);
  }
};

namespace detail {
/// Makes the record of a chip-level operator: `static constexpr tpu_record record() { return tpu_record_of<conv>(); }`.
template <class Op> constexpr tpu_record tpu_record_of() {
  tpu_record r;
  static_cast<op_record&>(r) = tmpu::detail::make_record<Op>();
  r.tiled = Op::tiled;
  r.cut = &Op::cut;
  r.inner = &Op::inner;
  r.operand = &Op::operand;
  r.reach = &Op::reach;
  r.scratch = &Op::scratch;
  r.macs = &Op::macs;
  return r;
}
} // namespace detail

/// A chip-level operator derives from basic_op<itself>.
template <class Op> struct basic_op : tpu_op {
  static constexpr tpu_record record() { return detail::tpu_record_of<Op>(); }
};

} // namespace tmpu::tpu
