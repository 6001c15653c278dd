// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/isa/program.hpp"

/// A program of four instructions for nano, written by hand: loads a bias, adds it to the input, stores the sum.
namespace tiny {

using namespace tmpu;

constexpr isa::global_ref dense(isa::region r, std::int64_t at, dtype_id type, std::int32_t c, std::int32_t h,
                                std::int32_t w) {
  const std::int64_t element = bytes_of(type);
  return {.address = isa::global_address(r, at),
          .type = type,
          .n = 1,
          .c = c,
          .h = h,
          .w = w,
          .n_stride = c * h * w * element,
          .c_stride = h * w * element,
          .h_stride = w * element,
          .w_stride = element};
}
constexpr isa::header after(isa::engine e, std::uint32_t count) {
  return {.first = {.core = 0, .engine = e, .count = count}, .second = {}};
}

/// x [1,3,2,2] f32 at activations 0, y = x + bias [1,3,1,1] at activations 48. `waits` false leaves the synchronisation out.
constexpr isa::program build(bool waits = true) {
  using isa::layout;
  constexpr chip::facts chip = chip::nano::info;
  const isa::local_ref x = isa::make_local(chip, layout::aligned, dtype_id::f32, 1, 3, 2, 2, 0);
  const isa::local_ref b = isa::make_local(chip, layout::compact, dtype_id::f32, 1, 3, 1, 1, 64);
  const isa::local_ref y = isa::make_local(chip, layout::aligned, dtype_id::f32, 1, 3, 2, 2, 128);
  isa::core_stream s{};
  isa::append(s, {}, isa::dma_load{.src = dense(isa::region::weights, 0, dtype_id::f32, 3, 1, 1), .dst = b});
  isa::append(s, {}, isa::dma_load{.src = dense(isa::region::activations, 0, dtype_id::f32, 3, 2, 2), .dst = x});
  isa::append(s, waits ? after(isa::engine::dma, 2) : isa::header{},
              isa::binary{.kind = isa::binary_kind::add,
                          .a = x,
                          .b = b,
                          .y = y,
                          .a_zero = 0,
                          .b_zero = 0,
                          .y_zero = 0,
                          .a_multiplier = 0,
                          .b_multiplier = 0,
                          .shift = 0,
                          .low = 0.0F,
                          .high = 100.0F});
  isa::append(s, waits ? after(isa::engine::compute, 1) : isa::header{},
              isa::dma_store{.src = y, .dst = dense(isa::region::activations, 48, dtype_id::f32, 3, 2, 2)});
  s.trace.push_back({.index = 2, .tensor = 0, .n = 0, .c = 0, .h = 0, .in_global = false});

  isa::network n{};
  n.name = text("net");
  n.inputs.push_back({.name = text("x"),
                      .type = dtype_id::f32,
                      .dims = {1, 3, 2, 2},
                      .scale = 1.0F,
                      .zero_point = 0,
                      .address = isa::global_address(isa::region::activations, 0),
                      .edge = dtype_id::none});
  n.outputs.push_back({.name = text("y"),
                       .type = dtype_id::f32,
                       .dims = {1, 3, 2, 2},
                       .scale = 1.0F,
                       .zero_point = 0,
                       .address = isa::global_address(isa::region::activations, 48),
                       .edge = dtype_id::none});
  n.tensors.push_back({.name = text("y"), .type = dtype_id::f32, .dims = {1, 3, 2, 2}, .scale = 1.0F, .zero_point = 0});
  n.activation_bytes = 96;
  isa::segment segment{};
  segment.cores.push_back(s);
  n.segments.push_back(segment);

  isa::program p;
  p.info.producer = text("by hand");
  p.info.target = {.chip = text("nano"),
                   .lanes = chip.lanes,
                   .eu_bytes = chip.eu_bytes,
                   .local_bytes = chip.local_bytes,
                   .banks = chip.banks,
                   .cores = chip.cores};
  p.info.quantize = text("f32");
  p.info.networks.push_back(n);
  for (const float bias : {1.0F, -2.0F, 0.5F}) {
    const auto bits = std::bit_cast<std::uint32_t>(bias);
    for (int byte = 0; byte < 4; ++byte) p.weights.push_back(static_cast<std::uint8_t>(bits >> (8 * byte)));
  }
  return p;
}

} // namespace tiny
