// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/fast_loops.hpp"
#include "tmpu/simd/functions.hpp"
#include "tmpu/simd/scratch.hpp"
#include "tmpu/simd/tile.hpp"

/// Sums over tensors of f32 that lie dense in memory: convolutions and matrix products of inference at Top. Both are
/// rows of weights times a matrix with a column for each place of the result; panels of 64 columns are copied out of x, a part
/// of K at a time, and stay in the first-level cache while the rows run over them.
namespace tmpu::simd {

namespace detail {

inline constexpr std::int64_t most_thin_taps = 64;

/// y[m, p] = sum over k of w(m)[k] * x[k, p]: `rows` by `places`, `depth` products each.
struct product_size {
  std::int64_t rows = 0;
  std::int64_t depth = 0;
  std::int64_t places = 0;
};

/// `lay(to, k, count, place, width)` copies columns [place, place + width) of rows [k, k + count) of x to rows of 64
/// floats; `put(m, place)` says where the finished row m of a panel goes. Row m of the weights begins at w + m * step. Says
/// whether a result is no number.
template <class Lay, class Put>
bool sum_panels(const kernels& kernel, scratch& room, const product_size& size, const float* w, std::int64_t step,
                Lay&& lay, Put&& put) {
  constexpr std::int64_t part = 128;        // of K: 32 KiB of a panel
  constexpr std::int64_t near = 256 * 1024; // floats of sums that stay in the second-level cache
  const std::int64_t vectors = ceil_div(size.places, vector);
  const std::int64_t panels = ceil_div(vectors, tile_places / vector);
  const auto start = [&](std::int64_t panel) { return vectors * panel / panels * vector; }; // all about as wide
  const auto width_of = [&](std::int64_t panel) {
    const std::int64_t end = start(panel + 1);
    return (end < size.places ? end : size.places) - start(panel);
  };
  const std::int64_t sums_of_panel = round_up(size.rows, tall_rows) * tile_places;
  const std::int64_t fit = near / sums_of_panel;
  const std::int64_t most = size.depth <= part || fit < 1 ? 1 : fit > 8 ? 8 : fit;
  const std::int64_t panel_size = (size.depth < part ? size.depth : part) * tile_places;
  float* laid = aligned_floats(scratch::need(room.w, most * panel_size + 2 * tile_places));
  const bool whole = size.depth <= part; // no sum waits for another part
  float* sums = aligned_floats(
      scratch::need(room.partial, (whole ? tall_rows * tile_places : most * sums_of_panel) + tile_places));
  bool odd = false;
  for (std::int64_t first = 0; first < panels; first += most) {
    const std::int64_t together = panels - first < most ? panels - first : most;
    for (std::int64_t at = 0; at < size.depth; at += part) {
      const std::int64_t count = size.depth - at < part ? size.depth - at : part;
      const bool last = at + count == size.depth;
      for (std::int64_t i = 0; i < together; ++i)
        lay(laid + i * panel_size, at, count, start(first + i), width_of(first + i));
      for (std::int64_t i = 0; i < together; ++i) {
        const std::int64_t place = start(first + i);
        const std::int64_t width = width_of(first + i);
        const bool tall = width <= vector && size.rows > tile_rows;
        const std::int64_t rows = tall ? tall_rows : tile_rows;
        for (std::int64_t m = 0; m < size.rows; m += rows) {
          const std::int64_t high = size.rows - m < rows ? size.rows - m : rows;
          const float* row[tall_rows];
          for (std::int64_t r = 0; r < rows; ++r) row[r] = w + (r < high ? m + r : m) * step + at;
          // Rows lie pages apart: no processor foresees which are next.
          for (std::int64_t r = 2 * rows; r < 3 * rows && m + r < size.rows; ++r) {
            for (std::int64_t k = 0; k < count; k += 16) __builtin_prefetch(w + (m + r) * step + at + k);
          }
          fused_end end;
          end.width = width;
          for (std::int64_t r = 0; last && r < high; ++r) put(m + r, place, end.y[r], end.f[r]);
          const auto multiply = tall ? kernel.fused_tall : high == 1 ? kernel.fused_row : kernel.fused_tile;
          odd = multiply(laid + i * panel_size, count, row, whole ? sums : sums + i * sums_of_panel + m * tile_places,
                         ceil_div(width, vector), at != 0, last ? &end : nullptr) ||
                odd;
        }
      }
    }
  }
  return odd;
}

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
    const std::int64_t line = pitch_ * s.w.stride + 4 * vector;
    room_ = reinterpret_cast<float*>(scratch::need(room.x, size));
    line_ = reinterpret_cast<float*>(scratch::need(room.lines, line * 4));
    // What is outside of the planes stays as it is from one group to the next.
    std::memset(room_, 0, static_cast<std::size_t>(size) * sizeof(float));
    std::memset(line_, 0, static_cast<std::size_t>(line) * sizeof(float));
    into_ = s.w.pad < 0 ? 0 : s.w.pad;
    from_ = s.w.pad < 0 ? -s.w.pad : 0;
    const std::int64_t space = pitch_ * s.w.stride - into_;
    inside_ = s.w.in - from_ < space ? s.w.in - from_ : space;
    tabulate_taps([&](std::int64_t row, std::int64_t column) {
      return (row % s.h.stride * s.w.stride + column % s.w.stride) * image_ + row / s.h.stride * pitch_ +
             column / s.w.stride;
    });
    for (std::int64_t t = 0; t < s.w.kernel; ++t) phases_ |= std::uint64_t{1} << t * s.w.dilation % s.w.stride;
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
    copy_floats((s_.w.stride == 1 ? to : line_) + into_, from, inside_);
    for (std::int64_t phase = 0; s_.w.stride > 1 && phase < s_.w.stride; ++phase) {
      if ((phases_ >> phase & 1U) == 0) continue;
      float* part = to + phase * image_;
      if (s_.w.stride == 2) {
        kernel_.every_second(part, line_ + phase, pitch_);
      } else {
        for (std::int64_t i = 0; i < pitch_; ++i) part[i] = line_[phase + i * s_.w.stride];
      }
    }
  }

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
  std::uint64_t phases_ = 0; ///< of the columns that taps read
  vec<laid_row> laid_rows_;
  std::int32_t* taps_ = nullptr;
  std::int64_t pitch_ = 0;
  std::int64_t image_ = 0; ///< of one phase
  std::int64_t channel_ = 0;
  std::int64_t into_ = 0;   ///< where a row of x begins in a laid one,
  std::int64_t from_ = 0;   ///< with which of its elements,
  std::int64_t inside_ = 0; ///< and how many are taken
  float* room_ = nullptr;
  float* line_ = nullptr;
  const float* x_ = nullptr;
};

/// A convolution that sums over one channel: all taps at once, over places that run on from row to row of the laid planes.
inline bool thin_conv(const kernels& kernel, const sum_shape& s, const planes& from, const float* w, const float* bias,
                      float low, float high, float* y) {
  constexpr std::int64_t most = 512;
  float some[most];
  const std::int64_t count = s.h.kernel * s.w.kernel;
  const float* first[most_thin_taps];
  for (std::int64_t t = 0; t < count; ++t) first[t] = from.at(0, t);
  bool odd = false;
  for (std::int64_t o = 0; o < s.outputs; ++o, w += count) {
    const real_finish f{bias == nullptr ? -0.0F : bias[o], low, high};
    const float* x[most_thin_taps];
    for (std::int64_t t = 0; t < count; ++t) x[t] = first[t];
    const std::int64_t rows = from.pitch() > most ? 1 : most / from.pitch(); // at a time
    for (std::int64_t oh = 0; oh < s.h.out; oh += rows) {
      const std::int64_t together = s.h.out - oh < rows ? s.h.out - oh : rows;
      const std::int64_t width = (together - 1) * from.pitch() + s.w.out;
      if (together == 1 || from.pitch() == s.w.out) {
        odd = kernel.taps(y, x, w, count, width, f) || odd;
        y += together * s.w.out;
      } else {
        odd = kernel.taps(some, x, w, count, width, f) || odd;
        for (std::int64_t r = 0; r < together; ++r, y += s.w.out) copy_floats(y, some + r * from.pitch(), s.w.out);
      }
      for (std::int64_t t = 0; t < count; ++t) x[t] += together * from.pitch();
    }
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
      odd = sum_panels(kernel, room, size, weights, size.depth, lay, put) || odd;
    }
  }
  // A tap in the padding may have met an infinite weight.
  return !odd || !(s.h.padded() || s.w.padded());
}

inline void product(const matrix_view& a, const matrix_view& b, std::int64_t rows, std::int64_t depth,
                    std::int64_t columns, float* y) {
  static thread_local scratch room;
  const kernels& kernel = kernels_of(best());
  // The side whose rows are contiguous gives the weights; a single place costs as much as sixteen.
  const bool turned = rows < vector && columns >= rows && b.row == 1;
  const matrix_view& left = turned ? matrix_view{b.data, b.column, b.row} : a;
  const matrix_view& right = turned ? matrix_view{a.data, a.column, a.row} : b;
  const product_size size{turned ? columns : rows, depth, turned ? rows : columns};
  const float* weights = left.data;
  std::int64_t step = left.row;
  if (left.column != 1) {
    auto* packed = reinterpret_cast<float*>(scratch::need(room.x, size.rows * depth));
    for (std::int64_t m = 0; m < size.rows; ++m) {
      for (std::int64_t i = 0; i < depth; ++i) packed[m * depth + i] = left.data[m * left.row + i * left.column];
    }
    weights = packed;
    step = depth;
  }
  const auto lay = [&](float* panel, std::int64_t k, std::int64_t count, std::int64_t place, std::int64_t width) {
    const float* from = right.data + k * right.row + place * right.column;
    if (right.column == 1) {
      for (std::int64_t i = 0; i < count; ++i)
        kernel.runs(panel + i * tile_places, from + i * right.row, {width, width, 0}, width);
    } else if (right.row == 1) {
      kernel.turn(panel, from, right.column, count, width);
    } else {
      for (std::int64_t i = 0; i < count; ++i) {
        for (std::int64_t j = 0; j < width; ++j) panel[i * tile_places + j] = from[i * right.row + j * right.column];
      }
    }
  };
  // Turned results are made row by row, and turned again.
  float* made = turned ? reinterpret_cast<float*>(scratch::need(room.turned, size.rows * size.places)) : y;
  const auto put = [&](std::int64_t m, std::int64_t place, float*& at, real_finish& f) {
    at = made + m * size.places + place;
    f = {-0.0F, -math::infinity<float>, math::infinity<float>};
  };
  sum_panels(kernel, room, size, weights, step, lay, put);
  for (std::int64_t m = 0; turned && m < size.rows; ++m) {
    for (std::int64_t j = 0; j < size.places; ++j) y[j * columns + m] = made[m * size.places + j];
  }
}
} // namespace detail

inline constexpr fast_loops top_loops{.conv = detail::conv, .product = detail::product, .exp = exp, .erf = erf};

} // namespace tmpu::simd
