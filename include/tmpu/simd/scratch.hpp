// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/vec.hpp"

#include <cstdint>

namespace tmpu::simd {

/// Room that the kernels work in; it is kept between calls, and grows where it may.
struct scratch {
  vec<std::uint32_t> x, w;
  vec<std::int32_t> offsets, sums;
  vec<std::uint32_t> partial, turned; ///< of dense sums
  vec<std::uint8_t> lines;            ///< 9 rows: 4 as they are read, 4 of one phase, 1 outside of x

  template <class T> static constexpr T* need(vec<T>& v, std::int64_t count) {
    if (v.size() < static_cast<std::size_t>(count)) v.resize(static_cast<std::size_t>(count));
    return v.data();
  }
};

/// The first of these words that a cache line begins with, as a float.
inline float* aligned_floats(std::uint32_t* first) {
  return reinterpret_cast<float*>(first + (64 - reinterpret_cast<std::uintptr_t>(first) % 64) % 64 / sizeof *first);
}

} // namespace tmpu::simd
