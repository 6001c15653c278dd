// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

/// Sums of products and what stands around them, on the processor that the program runs on: the door to vector
/// instructions. Nothing here runs in constant evaluation, every result has the bits of the plain loops that define
/// it, and whoever does not include it does not pay.
namespace tmpu::simd {

/// What the kernels are written in; each gives the same bits.
enum class level : std::uint8_t {
  portable, ///< plain C++
  avx2,     ///< 8-bit integers widened to 16, products of pairs (pmaddwd): exact
  avx512,   ///< 8-bit integers four at a time (vpdpbusd, which does not saturate): exact
};
constexpr std::string_view name_of(level l) {
  return l == level::portable ? "portable" : l == level::avx2 ? "avx2" : "avx512";
}

inline bool has(level l) {
#if defined(__x86_64__)
  if (l == level::avx512) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
  }
  // Processors with both have the conversions of f16 (F16C) as well.
  if (l == level::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return l == level::portable;
}
inline level best() { return has(level::avx512) ? level::avx512 : has(level::avx2) ? level::avx2 : level::portable; }

/// Elements of 8 bits, or one f32: what the vectors are made of.
using word = std::uint32_t;

template <class T> T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T> void store(void* to, T value) { std::memcpy(to, &value, sizeof value); }

/// memcpy of the few bytes of a row, without a call: in two pieces that may overlap.
inline void copy_short(std::uint8_t* to, const std::uint8_t* from, std::int64_t bytes) {
  if (bytes > 64) {
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
  } else if (bytes >= 16) {
    for (std::int64_t i = 0; i + 16 < bytes; i += 16) std::memcpy(to + i, from + i, 16);
    std::memcpy(to + bytes - 16, from + bytes - 16, 16);
  } else if (bytes >= 8) {
    std::memcpy(to, from, 8);
    std::memcpy(to + bytes - 8, from + bytes - 8, 8);
  } else if (bytes >= 4) {
    std::memcpy(to, from, 4);
    std::memcpy(to + bytes - 4, from + bytes - 4, 4);
  } else {
    for (std::int64_t i = 0; i < bytes; ++i) to[i] = from[i];
  }
}

} // namespace tmpu::simd
