// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/isa/program.hpp"

#include <cstdint>

namespace tmpu::codegen {

/// Appends instructions in program order and makes them safe to run on two engines: an instruction waits for the latest
/// earlier one of the other engine that touches the same bytes, one of both writing, unless it is known to be done by an earlier
/// wait. Code generation so never thinks about synchronisation: what is right in program order is right on the engines.
class stream_builder {
public:
  constexpr explicit stream_builder(std::int32_t lanes, std::uint8_t core = 0) : lanes_(lanes), core_(core) {}

  template <class Instruction> constexpr std::uint32_t emit(const Instruction& instruction) {
    constexpr auto own = static_cast<std::size_t>(Instruction::engine);
    constexpr std::size_t other = 1 - own;
    std::uint32_t needed = 0;
    const auto look = [&](const access& mine) {
      for (std::size_t i = history_[other].size(); i-- > 0;) {
        const access& theirs = history_[other][i];
        if (theirs.ordinal <= known_done_[own] || theirs.ordinal <= needed) break;
        if (mine.space == theirs.space && mine.first < theirs.last && theirs.first < mine.last &&
            (mine.write || theirs.write)) {
          needed = theirs.ordinal;
          break;
        }
      }
    };
    const std::uint32_t ordinal = ++issued_[own];
    vec<access> mine;
    instruction.reads([&](const auto& operand) { note(mine, operand, false, ordinal); });
    instruction.writes([&](const auto& operand) { note(mine, operand, true, ordinal); });
    for (const access& a : mine) look(a);
    history_[own].append(mine.span());

    isa::header h{};
    if (needed > 0) {
      h.first = {.core = core_, .engine = static_cast<isa::engine>(other), .count = needed};
      known_done_[own] = needed;
    }
    isa::append(stream_, h, instruction);
    return stream_.count - 1;
  }

  /// What is emitted from here on belongs to this layer and layer group.
  constexpr void owner(std::int32_t layer, std::int32_t group) {
    vec<isa::owner>& list = stream_.owners;
    if (!list.empty() && list.back().layer == layer && list.back().group == group) return;
    if (!list.empty() && list.back().index == stream_.count) list.pop_back();
    list.push_back({.index = stream_.count, .layer = layer, .group = group});
  }
  /// The part of `tensor` at (n, c, h) is the result of instruction `index`.
  constexpr void trace(std::uint32_t index, std::int32_t tensor, std::int64_t n, std::int64_t c, std::int64_t h) {
    stream_.trace.push_back({.index = index,
                             .tensor = tensor,
                             .n = static_cast<std::int32_t>(n),
                             .c = static_cast<std::int32_t>(c),
                             .h = static_cast<std::int32_t>(h),
                             .in_global = false});
  }
  /// `tensor` is complete in global memory after the last instruction.
  constexpr void trace_in_global(std::int32_t tensor) {
    if (stream_.count == 0) return; // it is an input by another name
    stream_.trace.push_back({.index = stream_.count - 1, .tensor = tensor, .n = 0, .c = 0, .h = 0, .in_global = true});
  }

  [[nodiscard]] constexpr std::uint32_t count() const { return stream_.count; }
  [[nodiscard]] constexpr isa::core_stream take() {
    vec<isa::owner>& list = stream_.owners;
    if (!list.empty() && list.back().index == stream_.count) list.pop_back(); // what came last emits nothing
    return std::move(stream_);
  }

private:
  struct access {
    std::int32_t space = 0; // 0: local memory, 1: activations in global memory
    std::int64_t first = 0;
    std::int64_t last = 0;
    bool write = false;
    std::uint32_t ordinal = 0; // 1-based number in its queue, which is also its completion count
  };

  constexpr void note(vec<access>& list, const isa::local_ref& r, bool write, std::uint32_t ordinal) const {
    const std::int64_t rows = r.spread == isa::spread::copy ? r.c : ceil_div(r.lane + r.c, lanes_);
    const std::int64_t bytes = (r.n - 1) * std::int64_t{r.n_stride} + (rows - 1) * std::int64_t{r.c_stride} +
                               (r.h - 1) * std::int64_t{r.h_stride} + isa::row_bytes(r);
    list.push_back(
        {.space = 0, .first = r.address, .last = std::int64_t{r.address} + bytes, .write = write, .ordinal = ordinal});
  }
  static constexpr void note(vec<access>& list, const isa::global_ref& r, bool write, std::uint32_t ordinal) {
    if (isa::region_of(r.address) == isa::region::weights) return; // never written
    const std::int64_t first = isa::offset_of(r.address);
    const std::int64_t bytes = (r.n - 1) * r.n_stride + (r.c - 1) * r.c_stride + (r.h - 1) * r.h_stride +
                               (r.w - 1) * r.w_stride + bytes_of(r.type);
    list.push_back({.space = 1, .first = first, .last = first + bytes, .write = write, .ordinal = ordinal});
  }

  std::int32_t lanes_;
  std::uint8_t core_;
  isa::core_stream stream_{};
  vec<access> history_[2];
  std::uint32_t issued_[2] = {0, 0};
  std::uint32_t known_done_[2] = {0, 0}; // how many of the other queue this one has waited for
};

} // namespace tmpu::codegen
