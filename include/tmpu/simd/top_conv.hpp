// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/simd/panels.hpp"
#include "tmpu/simd/planes.hpp"

/// Convolutions of f32 that lie dense in memory, of inference at Top.
namespace tmpu::simd {

namespace detail {

inline constexpr std::int64_t most_thin_taps = 64;

/// A convolution that sums over one channel: all taps at once.
inline bool thin_conv(const kernels& kernel, const sum_shape& s, const planes& from, const float* w, const float* bias,
                      float low, float high, float* y) {
  const std::int64_t count = s.h.kernel * s.w.kernel;
  const float* x[most_thin_taps];
  for (std::int64_t t = 0; t < count; ++t) x[t] = from.at(0, t);
  bool odd = false;
  for (std::int64_t o = 0; o < s.outputs; ++o) {
    const real_finish f{bias == nullptr ? -0.0F : bias[o], low, high};
    odd = kernel.taps(y + o * s.h.out * s.w.out, x, from.pitch(), w + o * count, count, s.h.out, s.w.out, f) || odd;
  }
  return odd;
}

inline bool conv(const sum_shape& of, const float* x, const float* w, const float* bias, float low, float high,
                 float* y) {
  static thread_local scratch room;
  const kernels& kernel = kernels_of(best());
  sum_shape s = of;
  if (s.h.plain() && s.w.plain()) {
    s.w.in = s.w.out = s.h.in * s.w.in;
    s.h = {};
  }
  const std::int64_t taps = s.h.kernel * s.w.kernel;
  const std::int64_t plane = s.h.out * s.w.out;
  if (planes::size(s) >= (std::int64_t{1} << 28) || plane == 0 || s.w.stride > 64) return false;
  planes from(kernel, room, s);
  const bool thin = s.channels == 1 && taps <= most_thin_taps && s.outputs <= 4;
  bool odd = false;
  for (std::int64_t n = 0; n < s.images; ++n) {
    for (std::int64_t g = 0; g < s.groups; ++g) {
      from.lay(x + (n * s.groups + g) * s.channels * s.h.in * s.w.in);
      const float* weights = w + g * s.outputs * s.channels * taps;
      const float* biases = bias == nullptr ? nullptr : bias + g * s.outputs;
      float* to = y + (n * s.groups + g) * s.outputs * plane;
      if (thin) {
        odd = thin_conv(kernel, s, from, weights, biases, low, high, to) || odd;
        continue;
      }
      const auto lay = [&](float* panel, std::int64_t k, std::int64_t count, std::int64_t place, std::int64_t width) {
        // Where the places follow each other from row to row, all are one run.
        const std::int64_t run = from.pitch() == s.w.out ? plane : s.w.out;
        const std::int64_t row = place / run * from.pitch();
        const std::int64_t column = place % run;
        std::int64_t c = k / taps;
        std::int64_t t = k % taps;
        for (std::int64_t i = 0; i < count; ++i, panel += tile_places) {
          kernel.runs(panel, from.at(c, t) + row, {run - column, run, from.pitch()}, width);
          if (++t < taps) continue;
          t = 0;
          ++c;
        }
      };
      // A sum from +0 is never -0, so adding -0 leaves it as it is.
      const auto put = [&](std::int64_t o, std::int64_t place, float*& at, real_finish& f) {
        at = to + o * plane + place;
        f = {biases == nullptr ? -0.0F : biases[o], low, high};
      };
      const product_size size{s.outputs, s.channels * taps, plane};
      const auto done = [](auto...) {};
      odd = sum_panels(kernel, room, size, weights, size.depth, lay, put, done) || odd;
    }
  }
  // A tap in the padding may have met an infinite weight.
  return !odd || !(s.h.padded() || s.w.padded());
}

} // namespace detail
} // namespace tmpu::simd
