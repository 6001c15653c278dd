// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/codegen/stream_builder.hpp"
#include "tmpu/ir/graph.hpp"
#include "tmpu/tpu/op.hpp"

namespace tmpu::codegen {

/// Operand of an instruction: the part `wanted` of a tensor of which local memory holds the part `held` at `address`.
constexpr isa::local_ref part_of_buffer(const chip::facts& chip, isa::layout layout, dtype_id type, std::int64_t w,
                                        const tpu::box& held, const tpu::box& wanted, std::int64_t address) {
  isa::local_ref r = isa::make_local(chip, layout, type, held.n(), held.c(), held.h(), w, address);
  const std::int64_t c = wanted.c0 - held.c0;
  const bool copy = r.spread == isa::spread::copy;
  r.address += static_cast<std::uint32_t>((wanted.n0 - held.n0) * r.n_stride + (wanted.h0 - held.h0) * r.h_stride +
                                          (copy ? c : c / chip.lanes) * r.c_stride);
  r.lane = copy ? 0 : static_cast<std::int32_t>(c % chip.lanes);
  r.n = static_cast<std::int32_t>(wanted.n());
  r.c = static_cast<std::int32_t>(wanted.c());
  r.h = static_cast<std::int32_t>(wanted.h());
  return r;
}

/// Where a tensor lies in global memory, or its slot with the host.
constexpr std::uint64_t address_of(const graph_body& g, tensor_id t) {
  if (g.at(t).in_host_slot()) return isa::global_address(isa::region::host, g.at(t).address - tensor::first_host_slot);
  return isa::global_address(g.is_constant(t) ? isa::region::weights : isa::region::activations, g.at(t).address);
}

/// The part `x` of a tensor in global memory that is seen as [n, c, h, w] row-major; elements of less than a byte (whose rows
/// fill whole bytes) as the bytes that they lie in.
constexpr isa::global_ref part_of_tensor(const graph_body& g, tensor_id t, const tpu::view4& v, const tpu::box& x) {
  const dtype_id type = g.at(t).type;
  const std::int64_t element = bytes_of(type);
  const std::int64_t row = isa::row_bytes(type, v.w);
  isa::global_ref r{.address = address_of(g, t),
                    .type = is_packed(type) ? dtype_id::u8 : type,
                    .n = static_cast<std::int32_t>(x.n()),
                    .c = static_cast<std::int32_t>(x.c()),
                    .h = static_cast<std::int32_t>(x.h()),
                    .w = static_cast<std::int32_t>(is_packed(type) ? row : v.w),
                    .n_stride = v.c * v.h * row,
                    .c_stride = v.h * row,
                    .h_stride = row,
                    .w_stride = element};
  r.address += static_cast<std::uint64_t>(x.n0 * r.n_stride + x.c0 * r.c_stride + x.h0 * r.h_stride);
  return r;
}

/// What an emitter sees: its node, the tile at hand, operands and result in local memory, and where instructions go.
struct emit_context {
  const graph_body& g;
  const chip::facts& chip;
  node_id id = none;
  tpu::tile tile{};
  isa::sum_part part{};         ///< which part of its inner sum the tile computes
  vec<isa::local_ref> operands; ///< the parts that this tile needs
  vec<tpu::box> operand_boxes;  ///< which parts these are
  vec<isa::local_ref> scratch;
  isa::local_ref result{};
  stream_builder& out;

  [[nodiscard]] constexpr const tensor& operand(std::size_t i) const { return g.at(g.operand(id, i)); }
  [[nodiscard]] constexpr const tensor& result_tensor() const { return g.at(g.result(id)); }
  [[nodiscard]] constexpr std::int32_t operand_zero(std::size_t i) const { return operand(i).quant.zero_point; }
  [[nodiscard]] constexpr std::int32_t result_zero() const { return result_tensor().quant.zero_point; }
  /// The pad above the first row of operand 0 as the instruction needs it: rows of the tile's window that lie above the part
  /// of the operand that is there (negative where the part begins above the window).
  [[nodiscard]] constexpr std::int32_t pad_top(std::int64_t pad, std::int64_t stride) const {
    return static_cast<std::int32_t>(operand_boxes[0].h0 + pad - tile.out.h0 * stride);
  }

  template <class Instruction> constexpr void emit(const Instruction& i) { out.emit(i); }
  /// Partial sums of a sum that is cut.
  [[nodiscard]] constexpr isa::local_ref partial() const {
    return part.resume || !part.finish ? scratch[0] : isa::local_ref{};
  }
  /// The weights of a sum: operand 1, or the scratch that they are dequantized to (tpu::weight_groups).
  constexpr isa::local_ref weights(const tpu::weight_groups& groups) {
    if (!groups.scaled) return operands[1];
    const isa::local_ref& made = scratch.back();
    emit(isa::dequant{.x = operands[1],
                      .scale = operands[3],
                      .y = made,
                      .group = static_cast<std::int32_t>(groups.channels * made.w)});
    return made;
  }
  /// Emits the instruction that makes the tile of the result.
  template <class Instruction> constexpr void emit_result(const Instruction& i) {
    out.trace(out.emit(i), g.result(id), tile.out.n0, tile.out.c0, tile.out.h0);
  }
  /// Emits a part of a sum: only the last part makes the tile of the result.
  template <class Instruction> constexpr void emit_sum(const Instruction& i) {
    if (part.finish) {
      emit_result(i);
    } else {
      emit(i);
    }
  }
};

} // namespace tmpu::codegen
