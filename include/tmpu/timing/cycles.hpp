// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/isa/instructions.hpp"

#include <cstdint>

/// Predicted cycles, in clock cycles of the compute engine. Integer arithmetic only, so that every compiler agrees.
namespace tmpu::timing {

namespace detail {
constexpr std::int64_t plane_bytes(const isa::local_ref& r) { return r.h * isa::row_bytes(r); }

/// One pass of the execution units over a tensor: every lane takes eu_bytes of its own part a cycle.
constexpr std::int64_t pass(const isa::local_ref& r, const chip::facts& chip) {
  const std::int64_t rows = r.spread == isa::spread::copy ? r.c : ceil_div(r.lane + r.c, chip.lanes);
  return r.n * rows * ceil_div(plane_bytes(r), chip.eu_bytes);
}

/// As many passes as there are channels.
constexpr std::int64_t channel_passes(const isa::local_ref& r, const chip::facts& chip) {
  return std::int64_t{r.n} * r.c * ceil_div(plane_bytes(r), chip.eu_bytes);
}

/// Reading and writing one bank in the same instruction makes the accesses take turns: a quarter more time.
constexpr bool shares_bank(const isa::local_ref& a, const isa::local_ref& b, const chip::facts& chip) {
  const auto last = [&](const isa::local_ref& r) {
    const std::int64_t rows = r.spread == isa::spread::copy ? r.c : ceil_div(r.lane + r.c, chip.lanes);
    return std::int64_t{r.address} + (r.n - 1) * std::int64_t{r.n_stride} + (rows - 1) * std::int64_t{r.c_stride} +
           plane_bytes(r) - 1;
  };
  const std::int64_t bank = chip.bank_bytes();
  return a.address / bank <= last(b) / bank && b.address / bank <= last(a) / bank;
}
constexpr std::int64_t with_conflict(std::int64_t cycles, bool conflict) {
  return conflict ? cycles + cycles / 4 : cycles;
}

} // namespace detail

/// Sums over `channels` x `taps` for `outputs` places of each of `output_channels`. A lane makes one output channel; its array takes some
/// input channels of some places at once (chip::facts), so that each of the four is padded to what is there. Weights that come in and sums
/// that go out leave the rest of the peak rate unused.
constexpr std::int64_t mac_cycles(std::int64_t outputs, std::int64_t output_channels, std::int64_t channels,
                                  std::int64_t taps, dtype_id type, const chip::facts& chip) {
  const std::int64_t macs = round_up(outputs, chip.outputs_at_once(type)) * round_up(output_channels, chip.lanes) *
                            round_up(channels, chip.channels_at_once(type)) * taps;
  return ceil_div(macs * 100, chip.macs(type) * chip.mac_percent);
}

namespace detail {
constexpr std::int64_t transfer(const isa::global_ref& g, std::int64_t bytes_per_second, const chip::facts& chip) {
  // Contiguous runs are moved in whole bursts.
  const std::int64_t element = bytes_of(g.type);
  std::int64_t run = g.w_stride == element ? g.w * element : element;
  std::int64_t runs = g.w_stride == element ? 1 : g.w;
  if (runs == 1 && (g.h == 1 || g.h_stride == run)) {
    run *= g.h;
    if (g.c == 1 || g.c_stride == run) {
      run *= g.c;
      if (g.n == 1 || g.n_stride == run) {
        run *= g.n;
      } else {
        runs *= g.n;
      }
    } else {
      runs *= std::int64_t{g.c} * g.n;
    }
  } else {
    runs *= std::int64_t{g.h} * g.c * g.n;
  }
  const std::int64_t burst = chip.dma_align < 64 ? chip.dma_align : 64; // bytes of one beat group
  const std::int64_t bytes = runs * round_up(run, burst);
  const std::int64_t moving = ceil_div(bytes * (chip.compute_hz / 1000), bytes_per_second / 1000);
  return std::int64_t{chip.dma_latency} * (chip.compute_hz / 1000) / (chip.dma_hz / 1000) + moving;
}

} // namespace detail

/// Passes that one evaluation of a function takes on the units, beside one for a simple operation.
constexpr std::int64_t passes_of(isa::unary_kind kind) {
  switch (kind) {
  case isa::unary_kind::clip:
  case isa::unary_kind::leaky_relu:
  case isa::unary_kind::abs:
  case isa::unary_kind::neg:
  case isa::unary_kind::floor:
  case isa::unary_kind::ceil:
  case isa::unary_kind::round:
  case isa::unary_kind::sign:
  case isa::unary_kind::thresholded_relu:
  case isa::unary_kind::shrink: return 1;
  case isa::unary_kind::hard_sigmoid:
  case isa::unary_kind::hard_swish: return 3;
  default: return 20; // range reduction and a polynomial
  }
}

constexpr std::int64_t cycles(const isa::dma_load& i, const chip::facts& chip) {
  return detail::transfer(i.src, chip.load_bytes_per_second, chip);
}
constexpr std::int64_t cycles(const isa::dma_store& i, const chip::facts& chip) {
  return detail::transfer(i.dst, chip.store_bytes_per_second, chip);
}
/// Every row is a transfer of its own.
constexpr std::int64_t cycles(const isa::dma_gather& i, const chip::facts& chip) {
  isa::global_ref rows = i.src;
  rows.c = i.dst.c;
  rows.c_stride = i.src.w * i.src.w_stride + 1; // not one run
  return detail::transfer(rows, chip.load_bytes_per_second, chip);
}
constexpr std::int64_t cycles(const isa::dma_scatter& i, const chip::facts& chip) {
  isa::global_ref rows = i.dst;
  rows.c = i.src.c;
  rows.c_stride = i.dst.w * i.dst.w_stride + 1;
  return detail::transfer(rows, chip.store_bytes_per_second, chip);
}
/// Every row goes there and back.
constexpr std::int64_t cycles(const isa::dma_combine& i, const chip::facts& chip) {
  isa::global_ref rows = i.dst;
  rows.c = i.src.c;
  rows.c_stride = i.dst.w * i.dst.w_stride + 1;
  return detail::transfer(rows, chip.load_bytes_per_second, chip) +
         detail::transfer(rows, chip.store_bytes_per_second, chip);
}
constexpr std::int64_t cycles(const isa::conv& i, const chip::facts& chip) {
  const isa::local_ref& out = i.part.finish ? i.y : i.partial;
  const std::int64_t outputs = std::int64_t{out.n} * out.h * out.w;
  return chip.issue_cycles + detail::with_conflict(mac_cycles(outputs, out.c, i.weight.h, i.weight.w, i.x.type, chip),
                                                   detail::shares_bank(i.x, out, chip));
}
constexpr std::int64_t cycles(const isa::depthwise& i, const chip::facts& chip) {
  // Each lane works alone: one tap of one element-width of outputs a cycle.
  const std::int64_t taps = std::int64_t{i.kernel_h} * i.kernel_w;
  isa::local_ref sums = i.y;
  sums.type = i.x.type;
  return chip.issue_cycles +
         detail::with_conflict(detail::pass(sums, chip) * taps, detail::shares_bank(i.x, i.y, chip));
}
constexpr std::int64_t cycles(const isa::matmul& i, const chip::facts& chip) {
  const isa::local_ref& out = i.part.finish ? i.y : i.partial;
  return chip.issue_cycles + detail::with_conflict(mac_cycles(out.n, out.c, i.weight.h, 1, i.x.type, chip),
                                                   detail::shares_bank(i.x, out, chip));
}
constexpr std::int64_t cycles(const isa::pool& i, const chip::facts& chip) {
  return chip.issue_cycles +
         detail::with_conflict(detail::pass(i.y, chip) * i.kernel_h * i.kernel_w, detail::shares_bank(i.x, i.y, chip));
}
constexpr std::int64_t cycles(const isa::binary& i, const chip::facts& chip) {
  const bool function = i.kind == isa::binary_kind::pow || i.kind == isa::binary_kind::rest;
  // Sums of products are wider than the result.
  const bool sums = i.a.type == dtype_id::i32 || i.b.type == dtype_id::i32;
  const std::int64_t width = sums ? 4 / bytes_of(i.y.type) : 1;
  return chip.issue_cycles +
         detail::with_conflict((function ? 40 : 2) * width * detail::pass(i.y, chip),
                               detail::shares_bank(i.a, i.y, chip) || detail::shares_bank(i.b, i.y, chip));
}
constexpr std::int64_t cycles(const isa::compare& i, const chip::facts& chip) {
  // In the width of the operands, which are wider than the mask.
  const std::int64_t bytes = bytes_of(i.a.type) > bytes_of(i.b.type) ? bytes_of(i.a.type) : bytes_of(i.b.type);
  return chip.issue_cycles +
         detail::with_conflict(2 * bytes * detail::pass(i.y, chip),
                               detail::shares_bank(i.a, i.y, chip) || detail::shares_bank(i.b, i.y, chip));
}
constexpr std::int64_t cycles(const isa::select& i, const chip::facts& chip) {
  return chip.issue_cycles +
         detail::with_conflict(3 * detail::pass(i.y, chip),
                               detail::shares_bank(i.a, i.y, chip) || detail::shares_bank(i.b, i.y, chip));
}
constexpr std::int64_t cycles(const isa::integer& i, const chip::facts& chip) {
  using enum isa::integer_kind;
  const bool divides = i.kind == div || i.kind == rest || i.kind == modulo || i.kind == power; // a bit a pass
  return chip.issue_cycles +
         detail::with_conflict((divides ? 32 : 2) * detail::pass(i.y, chip),
                               detail::shares_bank(i.a, i.y, chip) || detail::shares_bank(i.b, i.y, chip));
}
constexpr std::int64_t cycles(const isa::convert& i, const chip::facts& chip) {
  const std::int64_t in = detail::pass(i.x, chip);
  const std::int64_t out = detail::pass(i.y, chip);
  // To other lanes channels go one after the other.
  const std::int64_t crossing = i.x.lane != i.y.lane ? detail::channel_passes(i.y, chip) : 0;
  const std::int64_t longer = in > out ? in : out;
  return chip.issue_cycles +
         detail::with_conflict(crossing > longer ? crossing : longer, detail::shares_bank(i.x, i.y, chip));
}
constexpr std::int64_t cycles(const isa::unary& i, const chip::facts& chip) {
  return chip.issue_cycles +
         detail::with_conflict(passes_of(i.kind) * detail::pass(i.y, chip), detail::shares_bank(i.x, i.y, chip));
}
constexpr std::int64_t cycles(const isa::lookup& i, const chip::facts& chip) {
  return chip.issue_cycles + detail::with_conflict(2 * detail::pass(i.y, chip), detail::shares_bank(i.x, i.y, chip));
}
constexpr std::int64_t cycles(const isa::cast& i, const chip::facts& chip) {
  const std::int64_t in = detail::pass(i.x, chip);
  const std::int64_t out = detail::pass(i.y, chip);
  return chip.issue_cycles + detail::with_conflict(in > out ? in : out, detail::shares_bank(i.x, i.y, chip));
}
constexpr std::int64_t cycles(const isa::dequant& i, const chip::facts& chip) {
  // Widened and multiplied in one pass over what is written, which is never the shorter side.
  return chip.issue_cycles + detail::with_conflict(detail::pass(i.y, chip), detail::shares_bank(i.x, i.y, chip));
}
constexpr std::int64_t cycles(const isa::reduce& i, const chip::facts& chip) {
  return chip.issue_cycles + detail::with_conflict(detail::pass(i.x, chip), detail::shares_bank(i.x, i.y, chip));
}
constexpr std::int64_t cycles(const isa::fill& i, const chip::facts& chip) {
  return chip.issue_cycles + detail::pass(i.y, chip);
}

/// Bytes that a transfer moves (elements only); 0 for compute instructions.
template <class Instruction> constexpr std::int64_t bytes_moved(const Instruction& i) {
  const auto size = [](const auto& g) { return std::int64_t{g.n} * g.c * g.h * g.w * bytes_of(g.type); };
  if constexpr (std::is_same_v<Instruction, isa::dma_load>) {
    return size(i.src);
  } else if constexpr (std::is_same_v<Instruction, isa::dma_store>) {
    return size(i.dst);
  } else if constexpr (std::is_same_v<Instruction, isa::dma_gather>) {
    return size(i.dst);
  } else if constexpr (std::is_same_v<Instruction, isa::dma_scatter>) {
    return size(i.src);
  } else if constexpr (std::is_same_v<Instruction, isa::dma_combine>) {
    return 2 * size(i.src);
  } else {
    return 0;
  }
}

} // namespace tmpu::timing
