// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/exec/validate.hpp"

#include <unistd.h>

#include <cstdint>

namespace tmpu::host {

/// Bytes of memory that this computer has.
inline std::int64_t memory_of_this_computer() {
  return static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE));
}

/// Refuses a program whose machine is greater than the computer: a file of a few bytes can ask for any.
inline void require_memory(const exec::limits& machine, std::int64_t there = memory_of_this_computer()) {
  const std::int64_t needed = machine.lanes * machine.local_bytes + machine.activation_bytes;
  if (needed > there) {
    refuse(text("the program asks for ") << needed << " bytes of memory, and this computer has " << there
                                         << ": run it on a greater one, or compile the model with a smaller batch");
  }
}

} // namespace tmpu::host
