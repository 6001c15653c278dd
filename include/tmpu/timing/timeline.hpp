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
};

/// A core's stream on its two engines.
struct timeline {
  std::int64_t cycles = 0;   ///< end of the last instruction
  std::int64_t busy[2] = {}; ///< cycles that each engine works, indexed by isa::engine
  std::int64_t dma_bytes = 0;
  vec<span_of_time> instructions; ///< in program order
};

/// Predicted timeline of one core: each engine runs its instructions in program order, an instruction starts when its
/// engine is free and what it waits for is done. Waits on other cores are taken as fulfilled.
/// Errors: a word that is no instruction, a wait for an instruction that comes later in program order.
template <class Instructions = unpack<decltype(isa::instructions)>>
constexpr timeline simulate(const isa::core_stream& stream, const chip::facts& chip, std::uint8_t core = 0) {
  timeline line;
  vec<std::int64_t> done[2]; // end of each instruction of a queue
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
              const auto queue = static_cast<std::size_t>(w.engine);
              if (w.count > done[queue].size())
                refuse(text("instruction ")
                       << line.instructions.size() << " waits for one that comes later: the program is damaged");
              const std::int64_t other = done[queue][w.count - 1];
              start = other > start ? other : start;
            }
            const std::int64_t length = cycles(i, chip);
            done[own].push_back(start + length);
            line.busy[own] += length;
            line.dma_bytes += bytes_moved(i);
            line.instructions.push_back({i.engine, start, start + length});
            line.cycles = start + length > line.cycles ? start + length : line.cycles;
          });
    }
    if (!decoded) refuse(text("word ") << at << " of the stream is no instruction: the program is damaged");
    at += size;
  }
  return line;
}

} // namespace tmpu::timing
