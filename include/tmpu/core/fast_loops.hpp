// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/math.hpp"
#include "tmpu/core/shape.hpp"

#include <cstdint>

namespace tmpu {

/// One direction of a convolution.
struct sum_axis {
  std::int64_t in = 1;
  std::int64_t out = 1;
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t pad = 0;

  /// Tap t of output o reads element (o + shift(t)) * stride + phase(t).
  [[nodiscard]] constexpr std::int64_t shift(std::int64_t t) const {
    const std::int64_t at = t * dilation - pad;
    return at >= 0 ? at / stride : -ceil_div(-at, stride);
  }
  [[nodiscard]] constexpr std::int64_t phase(std::int64_t t) const { return t * dilation - pad - shift(t) * stride; }
  [[nodiscard]] constexpr bool uses(std::int64_t wanted) const {
    for (std::int64_t t = 0; t < kernel; ++t) {
      if (phase(t) == wanted) return true;
    }
    return false;
  }
  [[nodiscard]] constexpr bool padded() const {
    return pad > 0 || (out - 1) * stride + (kernel - 1) * dilation - pad >= in;
  }
  [[nodiscard]] constexpr bool plain() const { return kernel == 1 && stride == 1 && pad == 0 && in == out; }
};

/// sum[n, g * outputs + o, h, w] over c < channels and the taps of x[n, g * channels + c], w[g * outputs + o, c].
struct sum_shape {
  std::int64_t images = 1;
  std::int64_t groups = 1;
  std::int64_t channels = 1; ///< of a group
  std::int64_t outputs = 1;  ///< of a group
  sum_axis h, w;
};

/// Element (r, c) of a matrix is data[r * row + c * column].
struct matrix_view {
  const float* data = nullptr;
  std::int64_t row = 0;
  std::int64_t column = 0;
};

/// What becomes of the sums of a product: clamp(sum + bias of the column).
struct product_end {
  const float* bias = nullptr; ///< null: none
  float low = -math::infinity<float>;
  float high = math::infinity<float>;

  constexpr float operator()(float sum, std::int64_t column) const {
    const float v = bias == nullptr ? sum : sum + bias[column];
    return v < low ? low : v > high ? high : v;
  }
};

/// Kernels that a program may have beside the loops that define a sum (in order, by math::fma) or a function: they give the
/// same bits or decline. Inference at Top asks here, because its operators also run where there are no vectors;
/// host/fast_loops.hpp is what puts them there.
struct fast_loops {
  /// y = clamp(sum + bias), dense; no bias where it is null. False: nothing is said of y.
  bool (*conv)(const sum_shape& s, const float* x, const float* w, const float* bias, float low, float high, float* y);
  /// y[m, n] = end of the sum over k of a(m, k) * b(k, n), row-major.
  void (*product)(const matrix_view& a, const matrix_view& b, std::int64_t rows, std::int64_t depth,
                  std::int64_t columns, const product_end& end, float* y);
  /// to[i] = math::exp(from[i]), math::erf(from[i]); `to` may be `from`.
  void (*exp)(float* to, const float* from, std::int64_t count);
  void (*erf)(float* to, const float* from, std::int64_t count);
};
inline constinit const fast_loops* fast_loops_in_use = nullptr;

} // namespace tmpu
