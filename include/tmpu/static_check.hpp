// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/exec/checked.hpp"
#include "tmpu/static_program.hpp"

/// Static programs in checked mode, in constant evaluation: `static_assert(tmpu::checked<program>());`
namespace tmpu {

namespace detail {
/// The first fault of a program, and the layer that its instruction belongs to.
struct static_fault {
  bool found = false;
  exec::finding what{};
  short_text layer{};
};

template <class Instructions> constexpr static_fault first_fault(std::span<const std::uint8_t> file) {
  const isa::program p = isa::from_bytes<Instructions>(file);
  const exec::basic_executor<Instructions> machine(p);
  const vec<exec::finding> found = exec::check(machine);
  if (found.empty()) return {};
  static_fault out{.found = true, .what = found[0]};
  const isa::network& n = p.info.networks[0];
  for (const isa::segment& s : n.segments) {
    for (const isa::core_stream& c : s.cores) {
      for (const isa::owner& o : c.owners) {
        if (o.index <= found[0].instruction)
          out.layer = short_text(n.layers[static_cast<std::size_t>(o.layer)].name.view());
      }
    }
  }
  return out;
}
} // namespace detail

/// True: no instruction of the program (of one stream) reads a byte that nobody wrote, and no two touch the same byte in no fixed order.
/// Independent of data, byte by byte (exec/checked.hpp): for programs of thousands of instructions rather than millions.
/// Errors: tmpu-X001, tmpu-X002, with the instructions and the layer.
template <const auto& Program, class Instructions = unpack<decltype(isa::instructions)>> consteval bool checked() {
  constexpr detail::static_fault fault = detail::first_fault<Instructions>(Program.bytes());
  if constexpr (fault.found) {
    using layer = diag::layer<label_of<fault.layer>>;
    if constexpr (fault.what.what == exec::finding::kind::hazard) {
      static_cast<void>(
          diag::hazard<diag::instruction<fault.what.instruction>, diag::instruction<fault.what.other>, layer>{});
    } else {
      static_cast<void>(diag::uninitialised_read<diag::instruction<fault.what.instruction>, layer>{});
    }
  }
  return !fault.found;
}

} // namespace tmpu
