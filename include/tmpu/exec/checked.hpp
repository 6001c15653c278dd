// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/exec/executor.hpp"

/// Checked mode. What a stream reads and writes does not depend on data, so its hazards and its reads of uninitialised
/// memory are found once, byte by byte, and the results hold for every run.
namespace tmpu::exec {

/// Something wrong with a program that its results may not show.
struct finding {
  enum class kind : std::uint8_t { uninitialised_read, hazard };
  kind what = kind::hazard;
  std::uint32_t instruction = 0; ///< number in program order
  std::uint32_t other = 0;       ///< hazard: the earlier instruction
  bool local = true;             ///< local memory, otherwise the activation region
  std::int64_t lane = 0;
  std::int64_t address = 0; ///< first byte concerned, in the lane or region
  std::size_t segment = 0;  ///< of the network
  std::size_t core = 0;
  std::size_t other_core = 0; ///< hazard: of the other instruction
};

constexpr text describe(const finding& f) {
  text out;
  const bool several = f.core != 0 || f.other_core != 0;
  const auto name = [&](std::uint32_t instruction, std::size_t core) {
    out << "instruction " << instruction;
    if (several) out << " of core " << core;
  };
  name(f.instruction, f.core);
  if (f.what == finding::kind::hazard) {
    out << " and ";
    name(f.other, f.other_core);
    out << " touch the same byte in no fixed order";
  } else {
    out << " reads a byte that nobody wrote";
  }
  if (several) out << " in segment " << f.segment;
  out << (f.local ? ": local memory, lane " : ": activations");
  if (f.local) out << f.lane;
  out << ", byte " << f.address;
  return out;
}

namespace detail {

/// Calls f(local, lane, first, count) for each run of bytes that an operand covers. Of a copy all lanes are written, lane 0 is read.
template <class F> constexpr void for_each_run(const isa::local_ref& r, std::int32_t lanes, bool writing, F&& f) {
  const std::int64_t row = isa::row_bytes(r);
  const bool whole = r.h_stride == row || r.h == 1;
  const bool copy = r.spread == isa::spread::copy;
  const std::int64_t copies = copy && writing ? lanes : 1;
  for (std::int64_t n = 0; n < r.n; ++n) {
    for (std::int64_t c = 0; c < r.c; ++c) {
      const std::int64_t place = copy ? c * lanes : std::int64_t{r.lane} + c;
      const std::int64_t base = r.address + n * r.n_stride + place / lanes * r.c_stride;
      for (std::int64_t k = 0; k < copies; ++k) {
        const std::int64_t lane = copy ? k : place % lanes;
        for (std::int64_t h = 0; h < (whole ? 1 : r.h); ++h)
          f(true, lane, base + h * r.h_stride, whole ? row * r.h : row);
      }
    }
  }
}
template <class F> constexpr void for_each_run(const isa::global_ref& r, std::int32_t, bool, F&& f) {
  if (isa::region_of(r.address) == isa::region::weights) return; // written before the program starts, by nobody after
  const std::int64_t element = bytes_of(r.type);
  const std::int64_t at = isa::offset_of(r.address);
  for (std::int64_t n = 0; n < r.n; ++n) {
    for (std::int64_t c = 0; c < r.c; ++c) {
      for (std::int64_t h = 0; h < r.h; ++h) {
        const std::int64_t first = at + n * r.n_stride + c * r.c_stride + h * r.h_stride;
        if (r.w_stride == element) {
          f(false, 0, first, r.w * element);
        } else {
          for (std::int64_t w = 0; w < r.w; ++w) f(false, 0, first + w * r.w_stride, element);
        }
      }
    }
  }
}
} // namespace detail

/// Finds, for one network of a program, every instruction that reads a byte nobody wrote, and every pair of accesses to one byte, one of
/// them a write, that is ordered neither by a queue nor by a chain of waits (happens-before, by vector clocks; independent of timing).
/// Cores of a segment are not ordered at all: what one writes in global memory no other may touch before the next segment.
/// At most one finding of each kind an instruction.
/// Errors: one line for a program whose cores wait for each other within a segment.
template <class Executor> constexpr vec<finding> check(const Executor& e) {
  vec<finding> found;
  const limits most = e.memory_limits();
  const isa::network& network = e.network();

  // One entry a byte: who wrote it last and who read it last in each of the two queues of a core (1-based numbers, 0: nobody). Numbers
  // of another core or segment than the one at hand count no more: what was written is done.
  struct byte_state {
    std::uint32_t turn = 0;        // of a core in a segment
    std::uint32_t writer = 0;      // ordinal in its queue
    std::uint32_t instruction = 0; // its number in program order
    std::uint32_t reader[2] = {};
    std::uint32_t reading[2] = {};
    std::uint8_t queue = 0;
    bool initialised = false;
  };
  std::int64_t local_top = 0;
  for (const auto& core : e.cores()) {
    for (const auto& s : core) {
      e.with_instruction(s, [&](const auto& i) {
        const auto top = [&](const auto& operand) {
          if constexpr (std::is_same_v<std::remove_cvref_t<decltype(operand)>, isa::local_ref>) {
            detail::for_each_run(operand, most.lanes, true,
                                 [&](bool, std::int64_t, std::int64_t first, std::int64_t count) {
                                   local_top = first + count > local_top ? first + count : local_top;
                                 });
          }
        };
        i.reads(top);
        i.writes(top);
      });
    }
  }
  vec<byte_state> global(static_cast<std::size_t>(most.activation_bytes));
  vec<byte_state> local(static_cast<std::size_t>(most.lanes * local_top));
  // One entry a byte of global memory, where a segment has several cores: who of them wrote and read it (1-based, 0: nobody).
  struct share {
    std::uint32_t segment = 0;
    std::uint32_t core[2] = {};        // reading, writing
    std::uint32_t instruction[2] = {}; // reading, writing
  };
  vec<share> shares;
  for (const isa::io_tensor& t : network.inputs) {
    if (isa::region_of(t.address) != isa::region::activations) continue;
    const std::int64_t first = isa::offset_of(t.address);
    for (std::int64_t b = 0; b < isa::bytes_needed(t); ++b)
      global[static_cast<std::size_t>(first + b)].initialised = true;
  }

  // The bytes of a tensor in global memory; the first one that nobody wrote is reported.
  const auto read_whole = [&](const auto& t, std::uint32_t instruction) {
    if (isa::region_of(t.address) != isa::region::activations) return;
    const std::int64_t first = isa::offset_of(t.address);
    for (std::int64_t b = first; b < first + isa::bytes_needed(t); ++b) {
      const byte_state& state = global[static_cast<std::size_t>(b)];
      if (state.writer != 0 || state.initialised) continue;
      found.push_back({.what = finding::kind::uninitialised_read,
                       .instruction = instruction,
                       .other = 0,
                       .local = false,
                       .lane = 0,
                       .address = b});
      break;
    }
  };

  std::size_t core_index = 0;
  std::uint32_t last = 0;
  std::uint32_t turn = 0;
  std::uint32_t segment_number = 0;
  for (const isa::segment& segment : network.segments) {
    ++segment_number;
    if (segment.kind == isa::segment_kind::host) { // between streams: what came before is done
      for (const isa::host_tensor& t : segment.step.operands) {
        if (t.type != dtype_id::none) read_whole(t, last);
      }
      for (const isa::host_tensor& t : segment.step.results) {
        if (t.type == dtype_id::none || isa::region_of(t.address) != isa::region::activations) continue;
        const std::int64_t first = isa::offset_of(t.address);
        for (std::int64_t b = 0; b < isa::bytes_needed(t); ++b)
          global[static_cast<std::size_t>(first + b)].initialised = true;
      }
      continue;
    }
    // Segments follow each other: what an earlier one wrote is done. Cores share global memory, each has its own local memory.
    const bool several = segment.cores.size() > 1;
    if (several) shares.resize(global.size());
    for (std::size_t core_number = 0; core_number < segment.cores.size(); ++core_number) {
      ++turn;
      const auto& core = e.cores()[core_index++];
      struct clock {
        std::uint32_t done[2] = {}; // instructions of each queue that are complete before this one starts
      };
      vec<clock> clocks[2];
      for (std::uint32_t number = 0; number < core.size(); ++number) {
        const auto& s = core[number];
        const auto own = static_cast<std::size_t>(s.engine);
        clock now;
        if (!clocks[own].empty()) now = clocks[own].back();
        now.done[own] = static_cast<std::uint32_t>(clocks[own].size());
        for (const isa::wait& w : s.waits) {
          if (w.count == 0) continue;
          if (w.core != core_number) refuse("checked mode takes cores that meet between segments only");
          const auto other = static_cast<std::size_t>(w.engine);
          const clock& theirs = clocks[other][w.count - 1];
          for (std::size_t q = 0; q < 2; ++q) now.done[q] = theirs.done[q] > now.done[q] ? theirs.done[q] : now.done[q];
          now.done[other] = w.count > now.done[other] ? w.count : now.done[other];
        }
        const std::uint32_t ordinal = now.done[own] + 1;
        bool uninitialised = false;
        bool hazard = false;
        const auto touch = [&](bool writing) {
          return [&, writing](const auto& operand) {
            detail::for_each_run(
                operand, most.lanes, writing,
                [&](bool is_local, std::int64_t lane, std::int64_t first, std::int64_t count) {
                  byte_state* bytes = is_local ? local.data() + lane * local_top : global.data();
                  for (std::int64_t at = first; at < first + count; ++at) {
                    byte_state& b = bytes[at];
                    const auto report = [&](finding::kind what, std::uint32_t other, std::size_t other_core) {
                      found.push_back({.what = what,
                                       .instruction = number,
                                       .other = other,
                                       .local = is_local,
                                       .lane = lane,
                                       .address = at,
                                       .segment = segment_number - 1,
                                       .core = core_number,
                                       .other_core = other_core});
                    };
                    if (b.turn != turn) {
                      const bool written = !is_local && (b.initialised || b.writer != 0);
                      b = {};
                      b.turn = turn;
                      b.initialised = written;
                    }
                    if (several && !is_local) {
                      share& x = shares[static_cast<std::size_t>(at)];
                      if (x.segment != segment_number) {
                        x = {};
                        x.segment = segment_number;
                      }
                      const auto me = static_cast<std::uint32_t>(core_number) + 1;
                      for (std::size_t k = writing ? 0 : 1; k < 2 && !hazard; ++k) {
                        if (x.core[k] == 0 || x.core[k] == me) continue;
                        hazard = true;
                        report(finding::kind::hazard, x.instruction[k], x.core[k] - 1);
                      }
                      if (const std::size_t k = writing ? 1 : 0; x.core[k] == 0) { // the first one stays
                        x.core[k] = me;
                        x.instruction[k] = number;
                      }
                    }
                    if (!writing && b.writer == 0 && !b.initialised && !uninitialised) {
                      uninitialised = true;
                      report(finding::kind::uninitialised_read, 0, core_number);
                    }
                    if (!hazard && b.writer > now.done[b.queue] && b.queue != own) {
                      hazard = true;
                      report(finding::kind::hazard, b.instruction, core_number);
                    }
                    if (writing) {
                      const std::size_t other = 1 - own;
                      if (!hazard && b.reader[other] > now.done[other]) {
                        hazard = true;
                        report(finding::kind::hazard, b.reading[other], core_number);
                      }
                      b.writer = ordinal;
                      b.instruction = number;
                      b.queue = static_cast<std::uint8_t>(own);
                    } else {
                      b.reader[own] = ordinal;
                      b.reading[own] = number;
                    }
                  }
                });
          };
        };
        e.with_instruction(s, [&](const auto& i) {
          i.reads(touch(false));
          i.writes(touch(true));
        });
        clocks[own].push_back(now);
      }
      last = static_cast<std::uint32_t>(core.size());
    }
  }
  for (const isa::io_tensor& t : network.outputs) read_whole(t, last);
  return found;
}

} // namespace tmpu::exec
