// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/simd/top_sums.hpp"

namespace tmpu::host {

/// A program that includes this header sums by vector kernels wherever inference at Top does: the bits are the same.
inline const bool fast_sums_are_in_use = [] {
  fast_sums_in_use = &simd::top_sums;
  return true;
}();

} // namespace tmpu::host
