// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/codegen/emit_context.hpp"
#include "tmpu/codegen/transfer.hpp"
#include "tmpu/core/diag.hpp"
#include "tmpu/core/list.hpp"
#include "tmpu/tpu/operators.hpp"

/// Emitters: how a chip-level operator becomes instructions. A tiled operator's emitter is given one tile in local memory
/// (emit_context), the emitter of an operator that only moves data the whole tensors in global memory (transfer_context).
namespace tmpu::codegen {

namespace detail {
constexpr std::int32_t word(std::int64_t x) { return static_cast<std::int32_t>(x); }
} // namespace detail

struct emit_conv {
  using op = tpu::conv;
  static constexpr void emit(emit_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    const std::int32_t top = c.pad_top(a.pads[0], a.strides[0]);
    const isa::local_ref weight = c.weights(op::groups(c.g, c.id));
    if (tpu::conv::depthwise(c.g, c.id)) {
      c.emit_result(isa::depthwise{.x = c.operands[0],
                                   .weight = weight,
                                   .params = c.operands[2],
                                   .y = c.result,
                                   .kernel_h = detail::word(a.kernel_shape[0]),
                                   .kernel_w = detail::word(a.kernel_shape[1]),
                                   .stride_h = detail::word(a.strides[0]),
                                   .stride_w = detail::word(a.strides[1]),
                                   .dilation_h = detail::word(a.dilations[0]),
                                   .dilation_w = detail::word(a.dilations[1]),
                                   .pad_top = top,
                                   .pad_left = detail::word(a.pads[1]),
                                   .pad_value = c.operand_zero(0),
                                   .y_zero = c.result_zero(),
                                   .low = a.clamp[0],
                                   .high = a.clamp[1]});
      return;
    }
    const isa::conv i{.x = c.operands[0],
                      .weight = weight,
                      .params = c.operands[2],
                      .partial = c.partial(),
                      .y = c.result,
                      .groups = detail::word(a.group),
                      .kernel_h = detail::word(a.kernel_shape[0]),
                      .kernel_w = detail::word(a.kernel_shape[1]),
                      .stride_h = detail::word(a.strides[0]),
                      .stride_w = detail::word(a.strides[1]),
                      .dilation_h = detail::word(a.dilations[0]),
                      .dilation_w = detail::word(a.dilations[1]),
                      .pad_top = top,
                      .pad_left = detail::word(a.pads[1]),
                      .pad_value = c.operand_zero(0),
                      .part = c.part,
                      .y_zero = c.result_zero(),
                      .low = a.clamp[0],
                      .high = a.clamp[1]};
    c.emit_sum(i);
  }
};

struct emit_matmul {
  using op = tpu::matmul;
  static constexpr void emit(emit_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    c.emit_sum(isa::matmul{.x = c.operands[0],
                           .weight = c.weights(op::groups(c.g, c.id)),
                           .params = c.operands[2],
                           .partial = c.partial(),
                           .y = c.result,
                           .part = c.part,
                           .y_zero = c.result_zero(),
                           .low = a.clamp[0],
                           .high = a.clamp[1]});
  }
};

struct emit_pool {
  using op = tpu::pool;
  static constexpr void emit(emit_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    c.emit_result(isa::pool{.kind = static_cast<isa::pool_kind>(a.kind),
                            .x = c.operands[0],
                            .y = c.result,
                            .kernel_h = detail::word(a.kernel_shape[0]),
                            .kernel_w = detail::word(a.kernel_shape[1]),
                            .stride_h = detail::word(a.strides[0]),
                            .stride_w = detail::word(a.strides[1]),
                            .dilation_h = detail::word(a.dilations[0]),
                            .dilation_w = detail::word(a.dilations[1]),
                            .pad_top = c.pad_top(a.pads[0], a.strides[0]),
                            .pad_left = detail::word(a.pads[1]),
                            .count_pad = a.count_include_pad != 0,
                            .x_zero = c.operand_zero(0),
                            .y_zero = c.result_zero(),
                            .multiplier = detail::word(a.multiplier),
                            .shift = detail::word(a.shift)});
  }
};

struct emit_binary {
  using op = tpu::binary;
  static constexpr void emit(emit_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    c.emit_result(isa::binary{.kind = static_cast<isa::binary_kind>(a.kind),
                              .a = c.operands[0],
                              .b = c.operands[1],
                              .y = c.result,
                              .a_zero = c.operand_zero(0),
                              .b_zero = c.operand_zero(1),
                              .y_zero = c.result_zero(),
                              .a_multiplier = detail::word(a.a_multiplier),
                              .b_multiplier = detail::word(a.b_multiplier),
                              .shift = detail::word(a.shift),
                              .low = a.clamp[0],
                              .high = a.clamp[1]});
  }
};

struct emit_unary {
  using op = tpu::unary;
  static constexpr void emit(emit_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    c.emit_result(isa::unary{.kind = static_cast<isa::unary_kind>(a.kind),
                             .x = c.operands[0],
                             .y = c.result,
                             .alpha = a.alpha,
                             .beta = a.beta});
  }
};

struct emit_lookup {
  using op = tpu::lookup;
  static constexpr void emit(emit_context& c) {
    c.emit_result(isa::lookup{.x = c.operands[0], .table = c.operands[1], .y = c.result});
  }
};

struct emit_cast {
  using op = tpu::cast;
  static constexpr void emit(emit_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    c.emit_result(isa::cast{.x = c.operands[0],
                            .y = c.result,
                            .scale = a.scale,
                            .x_zero = c.operand_zero(0),
                            .y_zero = c.result_zero(),
                            .multiplier = detail::word(a.multiplier),
                            .shift = detail::word(a.shift)});
  }
};

/// Rows lie over the lanes, so that every step is one primitive: maximum, difference, exponential, sum, quotient.
struct emit_softmax {
  using op = tpu::softmax;
  static constexpr void emit(emit_context& c) {
    const isa::local_ref row = c.scratch[0];
    const isa::local_ref e = c.scratch[1];
    constexpr float infinity = math::infinity<float>;
    c.emit(isa::reduce{.kind = isa::reduce_kind::max, .x = c.operands[0], .y = row});
    const auto combine = [](isa::binary_kind kind, const isa::local_ref& a, const isa::local_ref& b,
                            const isa::local_ref& y) {
      return isa::binary{.kind = kind,
                         .a = a,
                         .b = b,
                         .y = y,
                         .a_zero = 0,
                         .b_zero = 0,
                         .y_zero = 0,
                         .a_multiplier = 0,
                         .b_multiplier = 0,
                         .shift = 0,
                         .low = -infinity,
                         .high = infinity};
    };
    c.emit(combine(isa::binary_kind::sub, c.operands[0], row, e));
    c.emit(isa::unary{.kind = isa::unary_kind::exp, .x = e, .y = e, .alpha = 0.0F, .beta = 0.0F});
    c.emit(isa::reduce{.kind = isa::reduce_kind::sum, .x = e, .y = row});
    c.emit_result(combine(isa::binary_kind::div, e, row, c.result));
  }
};

/// The result is the operand under another shape, at the same address.
struct move_reshape {
  using op = tpu::reshape;
  static constexpr void emit(transfer_context&) {}
};

struct move_transpose {
  using op = tpu::transpose;
  static constexpr void emit(transfer_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    const shape& y = c.result().dims;
    const vec<std::int64_t> from = transfer_context::strides(c.operand(0).dims);
    const vec<std::int64_t> to = transfer_context::strides(y);
    strided_copy job{
        .source = c.operand_address(0), .destination = c.result_address(), .type = c.result().type, .dims = {}};
    for (std::size_t d = 0; d < y.rank(); ++d) {
      job.dims.push_back({.extent = y[d], .from = from[static_cast<std::size_t>(a.perm[d])], .to = to[d]});
    }
    c.copy(std::move(job));
  }
};

struct move_concat {
  using op = tpu::concat;
  static constexpr void emit(transfer_context& c) {
    const auto axis = static_cast<std::size_t>(attributes_of<op>(c.g, c.id).axis);
    const vec<std::int64_t> to = transfer_context::strides(c.result().dims);
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < c.g.operands(c.id).size(); ++i) {
      const shape& x = c.operand(i).dims;
      if (!c.in_place(i, offset))
        c.copy(c.between(c.operand_address(i), x, transfer_context::strides(x), 0, c.result_address(), to, offset));
      offset += x[axis] * to[axis];
    }
  }
};

struct move_slice {
  using op = tpu::slice;
  static constexpr void emit(transfer_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    const shape& y = c.result().dims;
    vec<std::int64_t> from = transfer_context::strides(c.operand(0).dims);
    std::int64_t offset = 0;
    for (std::size_t d = 0; d < y.rank(); ++d) {
      offset += a.starts[d] * from[d];
      from[d] *= a.steps[d];
    }
    if (!c.in_place(0, -offset))
      c.copy(c.between(c.operand_address(0), y, from, offset, c.result_address(), transfer_context::strides(y), 0));
  }
};

struct move_pad {
  using op = tpu::pad;
  static constexpr void emit(transfer_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    const shape& x = c.operand(0).dims;
    const vec<std::int64_t> to = transfer_context::strides(c.result().dims);
    std::int64_t offset = 0;
    for (std::size_t d = 0; d < x.rank(); ++d) offset += a.pads[d] * to[d];
    c.fill(c.result_address(), c.result().type, c.result().dims.elements(), a.value);
    c.copy(c.between(c.operand_address(0), x, transfer_context::strides(x), 0, c.result_address(), to, offset));
  }
};

struct move_expand {
  using op = tpu::expand;
  static constexpr void emit(transfer_context& c) {
    const shape& x = c.operand(0).dims;
    const shape& y = c.result().dims;
    vec<std::int64_t> from = transfer_context::strides(x);
    for (std::size_t d = 0; d < y.rank(); ++d) from[d] = x[d] == 1 ? 0 : from[d];
    c.copy(c.between(c.operand_address(0), y, from, 0, c.result_address(), transfer_context::strides(y), 0));
  }
};

struct emit_reduce {
  using op = tpu::reduce;
  static constexpr void emit(emit_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    c.emit_result(isa::reduce{.kind = static_cast<isa::reduce_kind>(a.kind), .x = c.operands[0], .y = c.result});
  }
};

struct emit_compare {
  using op = tpu::compare;
  static constexpr void emit(emit_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    c.emit_result(isa::compare{
        .kind = static_cast<isa::compare_kind>(a.kind), .a = c.operands[0], .b = c.operands[1], .y = c.result});
  }
};

struct emit_select {
  using op = tpu::select;
  static constexpr void emit(emit_context& c) {
    c.emit_result(isa::select{.mask = c.operands[0], .a = c.operands[1], .b = c.operands[2], .y = c.result});
  }
};

struct emit_integer {
  using op = tpu::integer;
  static constexpr void emit(emit_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    c.emit_result(isa::integer{
        .kind = static_cast<isa::integer_kind>(a.kind), .a = c.operands[0], .b = c.operands[1], .y = c.result});
  }
};

struct emit_convert {
  using op = tpu::convert;
  static constexpr void emit(emit_context& c) { c.emit_result(isa::convert{.x = c.operands[0], .y = c.result}); }
};

struct move_gather {
  using op = tpu::gather;
  static constexpr void emit(transfer_context& c) {
    c.rows(c.operand(0), c.operand_address(0), c.operand_address(1), c.operand(1).dims[0], c.result_address(),
           [&](const auto& there, const auto& index, const auto& part, const auto& here) {
             c.out.emit(isa::dma_gather{.src = there, .index = index, .dst = part});
             c.out.emit(isa::dma_store{.src = part, .dst = here});
           });
  }
};

namespace detail {
/// First a copy of the rows, then the new ones to their numbers: `put(part, index, there)`.
template <class Put> constexpr void to_numbers(transfer_context& c, Put&& put) {
  const shape& x = c.operand(0).dims;
  const vec<std::int64_t> same = transfer_context::strides(x);
  c.copy(c.between(c.operand_address(0), x, same, 0, c.result_address(), same, 0));
  c.rows(c.result(), c.result_address(), c.operand_address(1), c.operand(1).dims[0], c.operand_address(2),
         [&](const auto& there, const auto& index, const auto& part, const auto& here) {
           c.out.emit(isa::dma_load{.src = here, .dst = part});
           put(part, index, there);
         });
}
} // namespace detail

struct move_scatter {
  using op = tpu::scatter;
  static constexpr void emit(transfer_context& c) {
    detail::to_numbers(c, [&](const auto& part, const auto& index, const auto& there) {
      c.out.emit(isa::dma_scatter{.src = part, .index = index, .dst = there});
    });
  }
};

struct move_combine {
  using op = tpu::combine;
  static constexpr void emit(transfer_context& c) {
    const auto kind = static_cast<isa::combine_kind>(attributes_of<op>(c.g, c.id).kind);
    detail::to_numbers(c, [&](const auto& part, const auto& index, const auto& there) {
      c.out.emit(isa::dma_combine{.kind = kind, .src = part, .index = index, .dst = there});
    });
  }
};

/// One copy for each operand.
struct emit_join {
  using op = tpu::join;
  static constexpr void emit(emit_context& c) {
    std::int64_t first = 0;
    for (const isa::local_ref& x : c.operands) {
      isa::local_ref y = c.result;
      y.address += static_cast<std::uint32_t>(first / c.chip.lanes * y.c_stride);
      y.lane = detail::word(first % c.chip.lanes);
      y.c = x.c;
      c.out.trace(c.out.emit(isa::convert{.x = x, .y = y}), c.g.result(c.id), c.tile.out.n0, first, c.tile.out.h0);
      first += x.c;
    }
  }
};

/// A row of pixels becomes a row by broadcasting: the greater one of x and x. Pixels of x, as [H,C,W,1], along the columns; once for each
/// of the rows that come from one. No instruction makes a part of the result as it is, so that none is traced.
struct emit_upsample {
  using op = tpu::upsample;
  static constexpr void emit(emit_context& c) {
    const auto a = attributes_of<op>(c.g, c.id);
    const std::int64_t rows = a.scales[0];
    const tpu::box& out = c.tile.out;
    for (std::int64_t n = 0; n < out.n(); ++n) {
      for (std::int64_t d = 0; d < rows; ++d) {
        const std::int64_t from = ceil_div(out.h0 - d, rows); // rows of x of which row d is wanted
        const std::int64_t to = ceil_div(out.h1 - d, rows);
        if (from >= to) continue;
        isa::local_ref x = c.operands[0];
        isa::local_ref y = c.result;
        x.address += static_cast<std::uint32_t>(n * x.n_stride + (from - c.operand_boxes[0].h0) * x.h_stride);
        y.address += static_cast<std::uint32_t>(n * y.n_stride + (from * rows + d - out.h0) * y.h_stride);
        x.n = y.n = detail::word(to - from);
        y.n_stride = detail::word(rows * y.h_stride);
        x.n_stride = x.h_stride;
        y.h = x.h = x.w;
        x.w = 1;
        y.w = detail::word(a.scales[1]);
        x.h_stride = detail::word(isa::row_bytes(x));
        y.h_stride = detail::word(isa::row_bytes(y));
        c.emit(isa::binary{.kind = isa::binary_kind::max,
                           .a = x,
                           .b = x,
                           .y = y,
                           .a_zero = 0,
                           .b_zero = 0,
                           .y_zero = 0,
                           .a_multiplier = 1,
                           .b_multiplier = 1,
                           .shift = 0,
                           .low = -math::infinity<float>,
                           .high = math::infinity<float>});
      }
    }
  }
};

/// The emitters (registry).
inline constexpr list<emit_conv, emit_matmul, emit_pool, emit_binary, emit_unary, emit_lookup, emit_cast, emit_reduce,
                      emit_softmax, move_reshape, move_transpose, move_concat, move_slice, move_pad, move_expand,
                      emit_compare, emit_select, emit_integer, emit_convert, move_gather, move_scatter, move_combine,
                      emit_join, emit_upsample>
    emitters;

namespace detail {
template <class Op, class... Es> constexpr bool has_emitter(list<Es...>) {
  return (std::is_same_v<Op, typename Es::op> || ...);
}
template <class Emitters, class Operators> struct uncovered;
template <class Emitters, class... Ops> struct uncovered<Emitters, list<Ops...>> {
  template <class Op> struct lacks { static constexpr bool value = !has_emitter<Op>(Emitters{}); };
  using type = filter_types<lacks, Ops...>;
};
} // namespace detail

/// Every operator of the list has an emitter; otherwise tmpu-E001 names those that lack one.
template <class Emitters, class Operators>
inline constexpr bool covers = detail::uncovered<Emitters, Operators>::type::template into<diag::no_emitter>::ok;

/// Calls the emitter of the node's operator.
template <class Emitters, class Context> constexpr void dispatch(Context& c) {
  const bool found = Emitters::any([&]<class Emitter>() {
    if constexpr (requires { Emitter::emit(c); }) {
      if (!is<typename Emitter::op>(c.g, c.id)) return false;
      Emitter::emit(c);
      return true;
    } else {
      return false;
    }
  });
  if (!found) {
    refuse(text("node '") << c.g.node_name(c.id) << "' (" << c.g.node_at(c.id).op->info.name
                          << ") has no emitter: append one to the list of emitters");
  }
}
} // namespace tmpu::codegen
