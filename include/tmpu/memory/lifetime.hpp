// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/shape.hpp"
#include "tmpu/core/vec.hpp"

#include <cstdint>
#include <span>

namespace tmpu::memory {

/// A buffer of `size` bytes that lives in [first, last) of any time axis.
struct lifetime {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::int64_t size = 0;
};

constexpr bool alive_together(const lifetime& a, const lifetime& b) { return a.first < b.last && b.first < a.last; }

/// The greatest sum of (aligned) sizes alive at one time.
constexpr std::int64_t max_live(std::span<const lifetime> buffers, std::int64_t align) {
  std::int64_t most = 0;
  for (const lifetime& at : buffers) { // the maximum is reached where some buffer begins
    std::int64_t sum = 0;
    for (const lifetime& b : buffers) {
      if (b.first <= at.first && at.first < b.last) sum += round_up(b.size, align);
    }
    if (sum > most) most = sum;
  }
  return most;
}

} // namespace tmpu::memory
