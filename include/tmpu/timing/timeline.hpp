// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/isa/program.hpp"
#include "tmpu/timing/cycles.hpp"

namespace tmpu::timing {

/// When an instruction runs, in compute cycles.
struct span_of_time {
  isa::engine engine = isa::engine::compute;
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::uint64_t banks = 0; ///< of local memory that it touches, a bit each
};

/// A core's stream on its two engines.
struct timeline {
  std::int64_t cycles = 0;   ///< end of the last instruction
  std::int64_t busy[2] = {}; ///< cycles that each engine works, indexed by isa::engine
  std::int64_t dma_bytes = 0;
  std::int64_t conflict_cycles = 0; ///< lost because both engines were at one bank; part of what they are busy
  vec<span_of_time> instructions;   ///< in program order
};

namespace detail {
constexpr std::uint64_t banks_of(const isa::local_ref& r, const chip::facts& chip) {
  const std::int64_t rows = r.spread == isa::spread::copy ? r.c : ceil_div(r.lane + r.c, chip.lanes);
  const std::int64_t last = std::int64_t{r.address} + (r.n - 1) * std::int64_t{r.n_stride} +
                            (rows - 1) * std::int64_t{r.c_stride} + plane_bytes(r) - 1;
  const std::int64_t bank = chip.bank_bytes();
  std::uint64_t mask = 0;
  for (std::int64_t b = r.address / bank; b <= last / bank && b < 64; ++b) mask |= std::uint64_t{1} << b;
  return mask;
}
constexpr std::uint64_t banks_of(const isa::global_ref&, const chip::facts&) { return 0; }
} // namespace detail

/// Predicted timeline of one core: each engine runs its instructions in program order, an instruction starts when its
/// engine is free and what it waits for is done. While both engines are at one bank of local memory their accesses take turns:
/// the one that is later in program order needs a quarter more of the time that they share. Waits on other cores are taken as fulfilled.
/// Errors: a word that is no instruction, a wait for an instruction that comes later in program order.
template <class Instructions = unpack<decltype(isa::instructions)>>
constexpr timeline simulate(const isa::core_stream& stream, const chip::facts& chip, std::uint8_t core = 0) {
  timeline line;
  vec<std::int64_t> done[2]; // end of each instruction of a queue
  vec<std::size_t> queue[2]; // its place in the list of instructions
  std::size_t at = 0;
  while (at < stream.words.size()) {
    const std::size_t size = isa::size_of(stream.words[at]);
    bool decoded = false;
    if (size > 0 && size <= stream.words.size() - at) {
      decoded = isa::decoder<Instructions>::decode(
          stream.words.span().subspan(at, size), [&](const isa::header& h, const auto& i) {
            const auto own = static_cast<std::size_t>(i.engine);
            std::int64_t start = done[own].empty() ? 0 : done[own].back();
            for (const isa::wait& w : {h.first, h.second}) {
              if (w.count == 0 || w.core != core) continue;
              const auto awaited = static_cast<std::size_t>(w.engine);
              if (w.count > done[awaited].size())
                refuse(text("instruction ")
                       << line.instructions.size() << " waits for one that comes later: the program is damaged");
              const std::int64_t other = done[awaited][w.count - 1];
              start = other > start ? other : start;
            }
            std::int64_t length = cycles(i, chip);
            std::uint64_t banks = 0;
            const auto touch = [&](const auto& operand) { banks |= detail::banks_of(operand, chip); };
            i.reads(touch);
            i.writes(touch);
            std::int64_t shared = 0;
            for (std::size_t k = queue[1 - own].size(); k-- > 0;) {
              const span_of_time& other = line.instructions[queue[1 - own][k]];
              if (other.end <= start) break;
              const std::int64_t from = other.start > start ? other.start : start;
              const std::int64_t to = other.end < start + length ? other.end : start + length;
              if (to > from && (other.banks & banks) != 0) shared += to - from;
            }
            line.conflict_cycles += shared / 4;
            length += shared / 4;
            queue[own].push_back(line.instructions.size());
            done[own].push_back(start + length);
            line.busy[own] += length;
            line.dma_bytes += bytes_moved(i);
            line.instructions.push_back({i.engine, start, start + length, banks});
            line.cycles = start + length > line.cycles ? start + length : line.cycles;
          });
    }
    if (!decoded) refuse(text("word ") << at << " of the stream is no instruction: the program is damaged");
    at += size;
  }
  return line;
}

/// A segment: its cores start together, each with the bandwidth that the chip has for a core, and it ends with the last of them.
struct segment_time {
  std::int64_t cycles = 0;
  std::int64_t dma_bytes = 0;
};
template <class Instructions = unpack<decltype(isa::instructions)>>
constexpr segment_time simulate(const isa::segment& segment, const chip::facts& chip) {
  segment_time time;
  for (std::size_t core = 0; core < segment.cores.size(); ++core) {
    const timeline line = simulate<Instructions>(segment.cores[core], chip, static_cast<std::uint8_t>(core));
    time.cycles = line.cycles > time.cycles ? line.cycles : time.cycles;
    time.dma_bytes += line.dma_bytes;
  }
  return time;
}

} // namespace tmpu::timing
