// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "small_model.hpp"
#include "tmpu/compile.hpp"
#include "tmpu/isa/tmodel.hpp"

namespace same_bytes {

using namespace tmpu;

/// Compiles the small model (in constant evaluation) and compares the file with the bytes of the run-time compilation.
template <class DType, std::size_t Size> constexpr bool equal(const unsigned char (&run_time)[Size]) {
  const calibrate::table ranges = small_model::ranges();
  const auto bytes = isa::to_bytes(
      compile<DType>(small_model::build(), {.chip = chip::nano::info, .network = "small", .calibration = &ranges}));
  if (bytes.size() + 1 != Size) return false; // a string literal ends with a zero
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != run_time[i]) return false;
  }
  return true;
}

} // namespace same_bytes
