// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/exec/arithmetic.hpp"
#include "tmpu/exec/memory.hpp"
#include "tmpu/isa/instructions.hpp"
#include "tmpu/simd/scratch.hpp"

namespace tmpu::exec {

/// Dense copies of an instruction's operands; kept between instructions so that none allocates.
struct workspace {
  vec<float> fa, fb, fc, fy;
  vec<std::int32_t> ia, ib, ic, iy;
  vec<float> packed_f;
  vec<std::int32_t> packed_i;
  simd::scratch room; ///< of the vector kernels
};

namespace detail {

/// Outputs summed side by side; each keeps its own sequential sum.
inline constexpr std::int64_t block = 16;

template <class T> struct operands_of;
template <> struct operands_of<float> {
  static constexpr auto& a(workspace& w) { return w.fa; }
  static constexpr auto& b(workspace& w) { return w.fb; }
  static constexpr auto& y(workspace& w) { return w.fy; }
  static constexpr auto& packed(workspace& w) { return w.packed_f; }
};
template <> struct operands_of<std::int32_t> {
  static constexpr auto& a(workspace& w) { return w.ia; }
  static constexpr auto& b(workspace& w) { return w.ib; }
  static constexpr auto& y(workspace& w) { return w.iy; }
  static constexpr auto& packed(workspace& w) { return w.packed_i; }
};

/// Rows [first, first + block) of w [rows, depth] as [depth, block]; rows beyond the last are zero.
template <class T>
constexpr void pack_rows(const T* w, std::int64_t first, std::int64_t rows, std::int64_t depth, vec<T>& packed) {
  packed.resize(static_cast<std::size_t>(depth * block));
  T* to = packed.data();
  for (std::int64_t j = 0; j < block; ++j) {
    const bool there = first + j < rows;
    const T* from = w + (there ? first + j : 0) * depth;
    for (std::int64_t k = 0; k < depth; ++k) to[k * block + j] = there ? from[k] : T{};
  }
}

/// The taps [first, last) of a window that lie in [0, size), given the place of tap 0.
struct taps {
  std::int64_t first = 0;
  std::int64_t last = 0;
  constexpr taps(std::int64_t start, std::int64_t dilation, std::int64_t kernel, std::int64_t size) {
    if (start >= 0 && start + (kernel - 1) * dilation < size) { // all of them
      last = kernel;
      return;
    }
    first = start >= 0 ? 0 : ceil_div(-start, dilation);
    const std::int64_t reach = size - start;
    last = reach <= 0 ? 0 : ceil_div(reach, dilation);
    first = first > kernel ? kernel : first;
    last = last > kernel ? kernel : last;
    last = last < first ? first : last;
  }
};

/// The part of a sum that the taps in the padding make: nothing in floats.
template <class T> constexpr bool padding_counts = !std::is_same_v<T, float>;

/// Float: bias, clamp. Integer: bias, requantize, zero point, clamp. `channel` is a row of params.
constexpr float finish(float sum, const float* params, std::int64_t channel, std::int32_t, dtype_id, float low,
                       float high) {
  return activation::clip(sum + params[channel], low, high);
}
constexpr std::int32_t finish(std::int32_t sum, const std::int32_t* params, std::int64_t channel, std::int32_t y_zero,
                              dtype_id type, float low, float high) {
  const std::int32_t* p = params + channel * 3;
  return saturate(plus(y_zero, requantize(std::int64_t{sum} + p[0], p[1], p[2])), type, low, high);
}

/// Writes the sums in y: as partial sums, or finished.
template <class T, class Instruction>
constexpr void write_sums(const Instruction& i, memory& m, vec<T>& sums, vec<T>& params, std::int64_t plane) {
  if (!i.part.finish) {
    m.write(i.partial, sums);
    return;
  }
  m.read(i.params, params);
  std::size_t at = 0;
  for (std::int64_t n = 0; n < i.y.n; ++n) {
    for (std::int64_t c = 0; c < i.y.c; ++c) {
      for (std::int64_t p = 0; p < plane; ++p, ++at)
        sums[at] = finish(sums[at], params.data(), c, i.y_zero, i.y.type, i.low, i.high);
    }
  }
  m.write(i.y, sums);
}
/// Partial sums are read from memory, where a damaged program may have left anything: those of integers are kept where `depth` more
/// products cannot leave 32 bits. No valid program comes near.
template <class T, class Instruction>
constexpr void start_sums(const Instruction& i, memory& m, vec<T>& sums, std::int64_t depth) {
  if (i.part.resume) {
    m.read(i.partial, sums);
    if constexpr (std::is_same_v<T, std::int32_t>) {
      const auto most = static_cast<std::int32_t>(2147483647 - depth * (255 * 128));
      for (std::int32_t& s : sums) s = s > most ? most : s < -most ? -most : s;
    }
    return;
  }
  sums.clear();
  sums.resize(static_cast<std::size_t>(std::int64_t{i.y.n} * i.y.c * i.y.h * i.y.w));
}

template <class T> constexpr void run_conv(const isa::conv& i, memory& m, workspace& space) {
  using o = operands_of<T>;
  vec<T>& x = o::a(space);
  vec<T>& w = o::b(space);
  vec<T>& sums = o::y(space);
  vec<T>& packed = o::packed(space);
  m.read(i.x, x);
  m.read(i.weight, w);
  start_sums(i, m, sums, std::int64_t{i.weight.h} * i.weight.w);
  const std::int64_t channels = i.weight.h; // of a group
  const std::int64_t outputs = i.weight.c / i.groups;
  const std::int64_t kernel = std::int64_t{i.kernel_h} * i.kernel_w;
  const std::int64_t depth = channels * kernel;
  const std::int64_t plane_in = std::int64_t{i.x.h} * i.x.w;
  const std::int64_t plane_out = std::int64_t{i.y.h} * i.y.w;
  for (std::int64_t g = 0; g < i.groups; ++g) {
    for (std::int64_t first = 0; first < outputs; first += block) {
      const std::int64_t count = outputs - first < block ? outputs - first : block;
      pack_rows(w.data() + g * outputs * depth, first, outputs, depth, packed);
      for (std::int64_t n = 0; n < i.y.n; ++n) {
        const T* xs = x.data() + (n * i.x.c + g * channels) * plane_in;
        T* ys = sums.data() + (n * i.y.c + g * outputs + first) * plane_out;
        for (std::int64_t oy = 0; oy < i.y.h; ++oy) {
          const std::int64_t top = oy * i.stride_h - i.pad_top;
          const taps rows(top, i.dilation_h, i.kernel_h, i.x.h);
          for (std::int64_t ox = 0; ox < i.y.w; ++ox) {
            const std::int64_t left = ox * i.stride_w - i.pad_left;
            const taps columns(left, i.dilation_w, i.kernel_w, i.x.w);
            T sum[block];
            T* at = ys + oy * i.y.w + ox;
            for (std::int64_t j = 0; j < block; ++j) sum[j] = j < count ? at[j * plane_out] : T{};
            const bool inside = rows.last - rows.first == i.kernel_h && columns.last - columns.first == i.kernel_w;
            if (padding_counts<T> && !inside && i.pad_value != 0) {
              const T outside = static_cast<T>(i.pad_value);
              for (std::int64_t ic = 0; ic < channels; ++ic) {
                for (std::int64_t kh = 0; kh < i.kernel_h; ++kh) {
                  for (std::int64_t kw = 0; kw < i.kernel_w; ++kw) {
                    if (kh >= rows.first && kh < rows.last && kw >= columns.first && kw < columns.last) continue;
                    const T* t = packed.data() + (ic * kernel + kh * i.kernel_w + kw) * block;
                    for (std::int64_t j = 0; j < block; ++j) sum[j] += t[j] * outside;
                  }
                }
              }
            }
            for (std::int64_t ic = 0; ic < channels; ++ic) {
              for (std::int64_t kh = rows.first; kh < rows.last; ++kh) {
                // An index: a pointer to tap 0 could lie before the plane.
                const std::int64_t row = ic * plane_in + (top + kh * i.dilation_h) * i.x.w + left;
                const T* tap = packed.data() + (ic * kernel + kh * i.kernel_w) * block;
                for (std::int64_t kw = columns.first; kw < columns.last; ++kw) {
                  const T v = xs[row + kw * i.dilation_w];
                  const T* t = tap + kw * block;
                  for (std::int64_t j = 0; j < block; ++j) sum[j] += t[j] * v;
                }
              }
            }
            for (std::int64_t j = 0; j < count; ++j) at[j * plane_out] = sum[j];
          }
        }
      }
    }
  }
  write_sums(i, m, sums, w, plane_out);
}

template <class T> constexpr void run_depthwise(const isa::depthwise& i, memory& m, workspace& space) {
  using o = operands_of<T>;
  vec<T>& x = o::a(space);
  vec<T>& w = o::b(space);
  vec<T>& y = o::y(space);
  m.read(i.x, x);
  m.read(i.weight, w);
  y.clear();
  y.resize(static_cast<std::size_t>(std::int64_t{i.y.n} * i.y.c * i.y.h * i.y.w));
  for (std::int64_t plane = 0; plane < std::int64_t{i.y.n} * i.y.c; ++plane) {
    const T* xs = x.data() + plane * i.x.h * i.x.w;
    const T* ws = w.data() + plane % i.y.c * i.kernel_h * i.kernel_w;
    for (std::int64_t oy = 0; oy < i.y.h; ++oy) {
      T* row = y.data() + (plane * i.y.h + oy) * i.y.w;
      const std::int64_t top = oy * i.stride_h - i.pad_top;
      for (std::int64_t kh = 0; kh < i.kernel_h; ++kh) {
        const std::int64_t iy = top + kh * i.dilation_h;
        const bool row_inside = iy >= 0 && iy < i.x.h;
        for (std::int64_t kw = 0; kw < i.kernel_w; ++kw) {
          const T t = ws[kh * i.kernel_w + kw];
          const std::int64_t shift = kw * i.dilation_w - i.pad_left;
          // Outputs [first, last) whose tap lies inside the row.
          const std::int64_t reach = i.x.w - shift;
          std::int64_t first = shift >= 0 ? 0 : ceil_div(-shift, i.stride_w);
          std::int64_t last = reach <= 0 ? 0 : ceil_div(reach, i.stride_w);
          first = first > i.y.w ? i.y.w : first;
          last = last > i.y.w ? i.y.w : last;
          if (!row_inside || last <= first) first = last = i.y.w;
          if (padding_counts<T>) {
            const T outside = static_cast<T>(i.pad_value);
            for (std::int64_t ox = 0; ox < first; ++ox) row[ox] += t * outside;
            for (std::int64_t ox = last; ox < i.y.w; ++ox) row[ox] += t * outside;
          }
          if (first == last) continue;
          const std::int64_t from = iy * i.x.w + shift; // an index, as in run_conv
          if (i.stride_w == 1) {
            for (std::int64_t ox = first; ox < last; ++ox) row[ox] += t * xs[from + ox];
          } else {
            for (std::int64_t ox = first; ox < last; ++ox) row[ox] += t * xs[from + ox * i.stride_w];
          }
        }
      }
    }
  }
  m.read(i.params, w);
  const std::int64_t plane_size = std::int64_t{i.y.h} * i.y.w;
  for (std::int64_t at = 0; at < static_cast<std::int64_t>(y.size()); ++at) {
    T& v = y.data()[at];
    v = finish(v, w.data(), at / plane_size % i.y.c, i.y_zero, i.y.type, i.low, i.high);
  }
  m.write(i.y, y);
}

template <class T> constexpr void run_matmul(const isa::matmul& i, memory& m, workspace& space) {
  using o = operands_of<T>;
  vec<T>& x = o::a(space);
  vec<T>& w = o::b(space);
  vec<T>& sums = o::y(space);
  vec<T>& packed = o::packed(space);
  m.read(i.x, x);
  m.read(i.weight, w);
  start_sums(i, m, sums, i.x.h);
  const std::int64_t depth = i.x.h;
  const std::int64_t outputs = i.y.c;
  for (std::int64_t first = 0; first < outputs; first += block) {
    const std::int64_t count = outputs - first < block ? outputs - first : block;
    pack_rows(w.data(), first, outputs, depth, packed);
    for (std::int64_t n = 0; n < i.y.n; ++n) {
      T sum[block];
      T* at = sums.data() + n * outputs + first;
      for (std::int64_t j = 0; j < block; ++j) sum[j] = j < count ? at[j] : T{};
      const T* row = x.data() + n * depth;
      for (std::int64_t k = 0; k < depth; ++k) {
        const T v = row[k];
        const T* t = packed.data() + k * block;
        for (std::int64_t j = 0; j < block; ++j) sum[j] += t[j] * v;
      }
      for (std::int64_t j = 0; j < count; ++j) at[j] = sum[j];
    }
  }
  write_sums(i, m, sums, w, 1);
}
} // namespace detail

constexpr void run(const isa::conv& i, memory& m, workspace& w) {
  is_floating(i.x.type) ? detail::run_conv<float>(i, m, w) : detail::run_conv<std::int32_t>(i, m, w);
}
constexpr void run(const isa::depthwise& i, memory& m, workspace& w) {
  is_floating(i.x.type) ? detail::run_depthwise<float>(i, m, w) : detail::run_depthwise<std::int32_t>(i, m, w);
}
constexpr void run(const isa::matmul& i, memory& m, workspace& w) {
  is_floating(i.x.type) ? detail::run_matmul<float>(i, m, w) : detail::run_matmul<std::int32_t>(i, m, w);
}

} // namespace tmpu::exec
