// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/exec/kernels_sum.hpp"

namespace tmpu::exec {

namespace detail {
constexpr void copy_row(const std::uint8_t* from, std::int64_t from_step, std::uint8_t* to, std::int64_t to_step,
                        std::int64_t count, std::int64_t element) {
  if (!std::is_constant_evaluated() && from_step == element && to_step == element) {
    std::memcpy(to, from, static_cast<std::size_t>(count * element));
    return;
  }
  for (std::int64_t w = 0; w < count; ++w) {
    for (std::int64_t b = 0; b < element; ++b) to[w * to_step + b] = from[w * from_step + b];
  }
}
} // namespace detail

constexpr void run(const isa::dma_load& i, memory& m, workspace&) {
  const std::int64_t element = bytes_of(i.src.type);
  const std::int64_t copies = i.dst.spread == isa::spread::copy ? m.lanes() : 1;
  for (std::int64_t copy = 0; copy < copies; ++copy) {
    for (std::int64_t n = 0; n < i.src.n; ++n) {
      for (std::int64_t c = 0; c < i.src.c; ++c) {
        for (std::int64_t h = 0; h < i.src.h; ++h) {
          const std::uint8_t* from = m.global(i.src) + (n * i.src.n_stride + c * i.src.c_stride + h * i.src.h_stride);
          detail::copy_row(from, i.src.w_stride, m.plane(i.dst, n, c, copy) + h * i.dst.h_stride, element, i.src.w,
                           element);
        }
      }
    }
  }
}
constexpr void run(const isa::dma_store& i, memory& m, workspace&) {
  const std::int64_t element = bytes_of(i.src.type);
  for (std::int64_t n = 0; n < i.src.n; ++n) {
    for (std::int64_t c = 0; c < i.src.c; ++c) {
      for (std::int64_t h = 0; h < i.src.h; ++h) {
        std::uint8_t* to = m.writable(i.dst) + (n * i.dst.n_stride + c * i.dst.c_stride + h * i.dst.h_stride);
        detail::copy_row(m.plane(i.src, n, c) + h * i.src.h_stride, element, to, i.dst.w_stride, i.src.w, element);
      }
    }
  }
}

namespace detail {
/// The row that a number names: from the end where it is negative, the nearest one where it is outside.
constexpr std::int64_t row_of(std::int64_t number, std::int64_t rows) {
  if (number < 0) number += rows;
  return number < 0 ? 0 : number >= rows ? rows - 1 : number;
}
} // namespace detail

constexpr void run(const isa::dma_gather& i, memory& m, workspace& space) {
  const std::int64_t element = bytes_of(i.src.type);
  m.read(i.index, space.ia);
  for (std::int64_t c = 0; c < i.dst.c; ++c) {
    const std::int64_t row = detail::row_of(space.ia.data()[c], i.src.c);
    detail::copy_row(m.global(i.src) + row * i.src.c_stride, i.src.w_stride, m.plane(i.dst, 0, c), element, i.dst.w,
                     element);
  }
}
constexpr void run(const isa::dma_scatter& i, memory& m, workspace& space) {
  const std::int64_t element = bytes_of(i.dst.type);
  m.read(i.index, space.ia);
  for (std::int64_t c = 0; c < i.src.c; ++c) {
    const std::int64_t row = detail::row_of(space.ia.data()[c], i.dst.c);
    detail::copy_row(m.plane(i.src, 0, c), element, m.writable(i.dst) + row * i.dst.c_stride, i.dst.w_stride, i.src.w,
                     element);
  }
}

} // namespace tmpu::exec
