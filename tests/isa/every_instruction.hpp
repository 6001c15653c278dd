// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "isa/tiny_program.hpp"

/// A program for nano that has each instruction of the standard set.
namespace tiny {

/// An operand at this byte of every lane.
inline isa::local_ref at(std::int64_t address, dtype_id type, std::int32_t c, std::int32_t h, std::int32_t w,
                         isa::layout how = isa::layout::aligned, std::int32_t n = 1) {
  return isa::make_local(chip::nano::info, how, type, n, c, h, w, address);
}

/// Each instruction of the standard set once, on small tiles; the operands' contents are what the ones before left there.
inline isa::program every_instruction() {
  using isa::layout;
  using t = dtype_id;
  isa::program p = build();
  isa::core_stream& s = p.info.networks[0].segments[0].cores[0];
  s = {};
  const auto plain = [&](const auto& i) { isa::append(s, {}, i); };
  const auto after = [&](isa::engine e, std::uint32_t count, const auto& i) {
    isa::append(s, tiny::after(e, count), i);
  };
  const isa::local_ref x = at(0, t::f32, 3, 2, 2);
  const isa::local_ref q = at(128, t::i8, 3, 2, 2);
  const isa::local_ref number = at(192, t::i32, 3, 1, 1, layout::compact);
  const isa::local_ref row = at(256, t::f32, 3, 1, 4, layout::compact);
  const isa::local_ref y = at(512, t::f32, 3, 2, 2);
  const isa::local_ref yq = at(640, t::i8, 3, 2, 2);
  const isa::local_ref partial = at(768, t::i32, 3, 2, 2);
  const isa::local_ref mask = at(896, t::boolean, 3, 2, 2);
  const isa::local_ref plain_y = at(1024, t::i32, 3, 2, 2);
  const isa::local_ref wide = at(1152, t::i32, 3, 2, 2);
  isa::global_ref rows = dense(isa::region::activations, 0, t::f32, 3, 1, 4);
  plain(isa::dma_load{.src = dense(isa::region::activations, 0, t::f32, 3, 2, 2), .dst = x});
  plain(isa::fill{.y = number, .value = 2.0F});
  after(isa::engine::compute, 1, isa::dma_gather{.src = rows, .index = number, .dst = row});
  after(isa::engine::dma, 2,
        isa::cast{.x = x, .y = q, .scale = 0.5F, .x_zero = 0, .y_zero = 3, .multiplier = 1, .shift = 0});
  plain(isa::conv{.x = q,
                  .weight = at(1280, t::i8, 3, 3, 1, layout::compact),
                  .params = at(1344, t::i32, 3, 1, 3, layout::compact),
                  .partial = partial,
                  .y = yq,
                  .groups = 1,
                  .kernel_h = 1,
                  .kernel_w = 1,
                  .stride_h = 1,
                  .stride_w = 1,
                  .dilation_h = 1,
                  .dilation_w = 1,
                  .pad_top = 0,
                  .pad_left = 0,
                  .pad_value = 3,
                  .part = {.resume = true, .finish = true},
                  .y_zero = 1,
                  .low = -128.0F,
                  .high = 127.0F});
  plain(isa::depthwise{.x = x,
                       .weight = at(1408, t::f32, 3, 1, 1, layout::compact),
                       .params = at(1424, t::f32, 3, 1, 1, layout::compact),
                       .y = y,
                       .kernel_h = 1,
                       .kernel_w = 1,
                       .stride_h = 1,
                       .stride_w = 1,
                       .dilation_h = 1,
                       .dilation_w = 1,
                       .pad_top = 0,
                       .pad_left = 0,
                       .pad_value = 0,
                       .y_zero = 0,
                       .low = -100.0F,
                       .high = 100.0F});
  plain(isa::matmul{.x = at(1536, t::u8, 1, 4, 1, layout::copy, 2),
                    .weight = at(1552, t::i8, 3, 4, 1, layout::compact),
                    .params = at(1344, t::i32, 3, 1, 3, layout::compact),
                    .partial = at(1600, t::i32, 3, 1, 1, layout::aligned, 2),
                    .y = at(1664, t::i8, 3, 1, 1, layout::aligned, 2),
                    .part = {.resume = true, .finish = false},
                    .y_zero = 0,
                    .low = -128.0F,
                    .high = 127.0F});
  plain(isa::pool{.kind = isa::pool_kind::average,
                  .x = q,
                  .y = at(704, t::i8, 3, 1, 1),
                  .kernel_h = 2,
                  .kernel_w = 2,
                  .stride_h = 1,
                  .stride_w = 1,
                  .dilation_h = 1,
                  .dilation_w = 1,
                  .pad_top = 0,
                  .pad_left = 0,
                  .count_pad = false,
                  .x_zero = 3,
                  .y_zero = 1,
                  .multiplier = 1 << 30,
                  .shift = 30});
  plain(isa::binary{.kind = isa::binary_kind::mul,
                    .a = q,
                    .b = yq,
                    .y = yq,
                    .a_zero = 3,
                    .b_zero = 1,
                    .y_zero = 0,
                    .a_multiplier = 1 << 30,
                    .b_multiplier = 0,
                    .shift = 31,
                    .low = -128.0F,
                    .high = 127.0F});
  plain(isa::unary{.kind = isa::unary_kind::gelu, .x = x, .y = y, .alpha = 0.0F, .beta = 0.0F});
  plain(isa::lookup{.x = q, .table = at(2048, t::i8, 1, 1, 256, layout::copy), .y = yq});
  plain(isa::reduce{.kind = isa::reduce_kind::sum, .x = x, .y = at(2304, t::f32, 3, 1, 1)});
  plain(isa::compare{.kind = isa::compare_kind::less, .a = x, .b = y, .y = mask});
  plain(isa::select{.mask = mask, .a = x, .b = y, .y = y});
  plain(isa::convert{.x = y, .y = plain_y});
  plain(isa::integer{.kind = isa::integer_kind::mul, .a = plain_y, .b = plain_y, .y = wide});
  plain(isa::dequant{.x = at(2432, t::i4, 3, 1, 4, layout::compact),
                     .scale = at(2448, t::f32, 3, 1, 1, layout::compact),
                     .y = at(2464, t::f32, 3, 2, 2, layout::compact),
                     .group = 4});
  plain(isa::cast{.x = yq, .y = y, .scale = 0.25F, .x_zero = 1, .y_zero = 0, .multiplier = 0, .shift = 0});
  const auto made = static_cast<std::uint32_t>(16);
  after(isa::engine::compute, made,
        isa::dma_store{.src = y, .dst = dense(isa::region::activations, 48, t::f32, 3, 2, 2)});
  rows.address = isa::global_address(isa::region::activations, 48);
  plain(isa::dma_scatter{.src = row, .index = number, .dst = rows});
  plain(isa::dma_combine{.kind = isa::combine_kind::max, .src = row, .index = number, .dst = rows});
  s.trace.push_back({.index = s.count - 3, .tensor = 0, .n = 0, .c = 0, .h = 0, .in_global = true});
  p.info.networks[0].tensors[0].address = isa::global_address(isa::region::activations, 48);
  p.info.networks[0].layers.push_back({.name = text("all"), .op = text("none"), .macs = 0});
  s.owners.push_back({.index = 0, .layer = 0, .group = 0});
  return p;
}

} // namespace tiny
