// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/simd/top_loops.hpp"

namespace tmpu::host {

/// A program that includes this header sums by vector kernels wherever inference at Top does: the bits are the same.
inline const bool fast_loops_are_in_use = [] {
  fast_loops_in_use = &simd::top_loops;
  return true;
}();

} // namespace tmpu::host
