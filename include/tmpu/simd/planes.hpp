// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/fast_loops.hpp"
#include "tmpu/simd/scratch.hpp"
#include "tmpu/simd/tile.hpp"

namespace tmpu::simd {

/// The planes of one group as a convolution's taps read them: padded with zeros, rows and columns sorted by the phases of the
/// strides, so that what neighbouring outputs read follows each other, with room behind. Several planes that need neither
/// stay where they are.
class planes {
public:
  planes(const kernels& kernel, scratch& room, const sum_shape& s)
      : kernel_(kernel), s_(s), in_place_(s.channels > 1 && s.w.stride == 1 && !s.h.padded() && !s.w.padded()) {
    taps_ = scratch::need(room.offsets, s.h.kernel * s.w.kernel);
    if (in_place_) {
      pitch_ = s.h.stride * s.w.in;
      channel_ = s.h.in * s.w.in;
      tabulate_taps([&](std::int64_t row, std::int64_t column) { return row * s.w.in + column; });
      return;
    }
    pitch_ = ceil_div(extent_of(s.w), s.w.stride);
    image_ = ceil_div(extent_of(s.h), s.h.stride) * pitch_ + vector;
    channel_ = s.h.stride * s.w.stride * image_;
    const std::int64_t size = s.channels * channel_ + 2 * tile_places;
    room_ = reinterpret_cast<float*>(scratch::need(room.x, size));
    // What is outside of the planes stays as it is from one group to the next.
    std::memset(room_, 0, static_cast<std::size_t>(size) * sizeof(float));
    into_ = s.w.pad < 0 ? 0 : s.w.pad;
    from_ = s.w.pad < 0 ? -s.w.pad : 0;
    const std::int64_t space = pitch_ * s.w.stride - into_;
    inside_ = s.w.in - from_ < space ? s.w.in - from_ : space;
    tabulate_taps([&](std::int64_t row, std::int64_t column) {
      return (row % s.h.stride * s.w.stride + column % s.w.stride) * image_ + row / s.h.stride * pitch_ +
             column / s.w.stride;
    });
    for (std::int64_t row = 0; row < extent_of(s.h); ++row) {
      const std::int64_t at = row - s.h.pad;
      if (at < 0 || at >= s.h.in || !used(s.h, row % s.h.stride)) continue;
      laid_rows_.push_back({row % s.h.stride * s.w.stride * image_ + row / s.h.stride * pitch_, at * s.w.in + from_});
    }
  }
  /// Floats that they need at most.
  static std::int64_t size(const sum_shape& s) {
    return s.channels * (extent_of(s.h) + s.h.stride) * (extent_of(s.w) + s.w.stride + vector);
  }

  /// x: the first plane of the group, dense.
  void lay(const float* x) {
    x_ = in_place_ ? x : room_;
    if (in_place_ || inside_ <= 0) return;
    for (std::int64_t c = 0; c < s_.channels; ++c) {
      if (s_.h.stride == 1 && s_.w.stride == 1 && !laid_rows_.empty()) { // rows follow each other on both sides
        const laid_row& first = laid_rows_[0];
        const auto rows = static_cast<std::int64_t>(laid_rows_.size());
        kernel_.runs(room_ + c * channel_ + first.to + into_, x + c * s_.h.in * s_.w.in + first.from,
                     {inside_, inside_, s_.w.in, pitch_ - inside_}, rows * inside_);
        continue;
      }
      for (const laid_row& r : laid_rows_) lay_row(room_ + c * channel_ + r.to, x + c * s_.h.in * s_.w.in + r.from);
    }
  }

  /// What tap t (kh * kernel + kw) of channel c reads for output (0, 0); those of the row follow it.
  [[nodiscard]] const float* at(std::int64_t c, std::int64_t t) const { return x_ + c * channel_ + taps_[t]; }
  /// From what an output reads to what the one below it reads.
  [[nodiscard]] std::int64_t pitch() const { return pitch_; }

private:
  /// Elements of a padded row or column that taps reach.
  static std::int64_t extent_of(const sum_axis& a) { return (a.out - 1) * a.stride + (a.kernel - 1) * a.dilation + 1; }
  static bool used(const sum_axis& a, std::int64_t phase) {
    for (std::int64_t t = 0; t < a.kernel; ++t) {
      if (t * a.dilation % a.stride == phase) return true;
    }
    return false;
  }
  void lay_row(float* to, const float* from) {
    const std::int64_t stride = s_.w.stride;
    if (stride == 1) return kernel_.runs(to + into_, from, {inside_, inside_}, inside_);
    if (stride == 2) return kernel_.halves(to + place(into_), to + place(into_ + 1), from, inside_);
    for (std::int64_t i = 0; i < inside_; ++i) to[place(into_ + i)] = from[i];
  }
  /// Of an element of a padded row, in the images.
  [[nodiscard]] std::int64_t place(std::int64_t i) const { return i % s_.w.stride * image_ + i / s_.w.stride; }

  template <class F> void tabulate_taps(F&& offset) {
    for (std::int64_t t = 0; t < s_.h.kernel * s_.w.kernel; ++t)
      taps_[t] = static_cast<std::int32_t>(offset(t / s_.w.kernel * s_.h.dilation, t % s_.w.kernel * s_.w.dilation));
  }

  struct laid_row {
    std::int64_t to;   ///< in the images of a channel
    std::int64_t from; ///< in its plane
  };

  const kernels& kernel_;
  const sum_shape& s_;
  bool in_place_;
  vec<laid_row> laid_rows_;
  std::int32_t* taps_ = nullptr;
  std::int64_t pitch_ = 0;
  std::int64_t image_ = 0; ///< of one phase
  std::int64_t channel_ = 0;
  std::int64_t into_ = 0;   ///< where a row of x begins in a laid one,
  std::int64_t from_ = 0;   ///< with which of its elements,
  std::int64_t inside_ = 0; ///< and how many are taken
  float* room_ = nullptr;
  const float* x_ = nullptr;
};

} // namespace tmpu::simd
