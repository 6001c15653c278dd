// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/exec/checked.hpp"
#include "tmpu/host/run.hpp"

namespace tmpu::host {

/// Refuses a program that reads what nobody wrote or whose engines race, found without running it, and one whose results differ when the
/// engines run as far apart as the waits let them.
inline void check_program(runner& r, std::span<const value> inputs) {
  const auto findings = exec::check(r.executor());
  if (!findings.empty()) {
    refuse(text("checked mode found ") << findings.size()
                                       << " faults in the program, the first: " << exec::describe(findings[0]));
  }
  const auto expected = r.run(inputs);
  using kind = exec::interleaving::kind;
  for (const exec::interleaving& order : {exec::interleaving{kind::compute_first}, exec::interleaving{kind::dma_first},
                                          exec::interleaving{kind::random, 1}, exec::interleaving{kind::random, 2}}) {
    const auto got = r.run(inputs, order);
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (!(to_bytes(got[i].content) == to_bytes(expected[i].content))) {
        refuse(text("checked mode: output '") << got[i].name << "' depends on the order in which the engines run");
      }
    }
  }
}

} // namespace tmpu::host
