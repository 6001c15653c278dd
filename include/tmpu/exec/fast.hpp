// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/exec/kernels_dma.hpp"
#include "tmpu/exec/kernels_element.hpp"
#include "tmpu/exec/kernels_sum.hpp"
#include "tmpu/exec/validate.hpp"
#include "tmpu/simd/sums.hpp"

/// The same instructions by vector kernels. `exec::run` is what an instruction means; `exec::fast::run` leaves the same bytes behind, or returns
/// false and has done nothing. tests/exec runs both on every tile.
namespace tmpu::exec::fast {

namespace detail {

/// The bytes of a lane that an operand reaches over, from the first to the last.
constexpr bool overlap(const isa::local_ref& a, const isa::local_ref& b, std::int32_t lanes) {
  const auto end = [lanes](const isa::local_ref& r) {
    const std::int64_t rows = r.spread == isa::spread::copy ? r.c : ceil_div(std::int64_t{r.lane} + r.c, lanes);
    return r.address + (std::int64_t{r.n} - 1) * r.n_stride + (rows - 1) * r.c_stride +
           (std::int64_t{r.h} - 1) * r.h_stride + isa::row_bytes(r);
  };
  return a.address < end(b) && b.address < end(a);
}
constexpr bool dense_rows(const isa::local_ref& r) { return r.h == 1 || r.h_stride == isa::row_bytes(r); }
constexpr bool one_lane(const isa::local_ref& r) { return r.spread == isa::spread::lanes; }

constexpr bool real_types(const isa::local_ref& x, const isa::local_ref& w, const isa::local_ref& y) {
  return simd::detail::known_real(x.type) && simd::detail::known_real(w.type) && simd::detail::known_real(y.type);
}

/// Where the operands of a sum lie.
template <class Instruction> struct job_base {
  static constexpr bool transposed = false;
  const Instruction& i;
  memory& m;
  dtype_id x_type, w_type, y_type;
  std::int64_t x_pitch, y_pitch, partial_pitch = 0;
  std::int32_t pad_value = 0, low = 0, high = 0;
  bool resume = false, finish = true;

  job_base(const Instruction& of, memory& in)
      : i(of), m(in), x_type(of.x.type), w_type(of.weight.type), y_type(of.y.type), x_pitch(of.x.h_stride),
        y_pitch(of.y.h_stride) {
    if (!is_floating(y_type)) {
      low = saturate(least_of(y_type), y_type, i.low, i.high);
      high = saturate(greatest_of(y_type), y_type, i.low, i.high);
    }
  }
  [[nodiscard]] const std::uint8_t* x(std::int64_t n, std::int64_t c) const { return m.plane(i.x, n, c); }
  [[nodiscard]] const std::uint8_t* w(std::int64_t o) const { return m.plane(i.weight, 0, o); }
  [[nodiscard]] std::uint8_t* y(std::int64_t n, std::int64_t o) const { return m.plane(i.y, n, o); }
};
template <bool Real, class Instruction> struct job : job_base<Instruction> {
  using job_base<Instruction>::job_base;
  [[nodiscard]] auto finish_of(std::int64_t o) const {
    const std::uint8_t* p = this->m.plane(this->i.params, 0, o);
    if constexpr (Real) {
      return simd::real_finish{load<float>(p), this->i.low, this->i.high};
    } else {
      return simd::integer_finish{.bias = load<std::int32_t>(p),
                                  .multiplier = load<std::int32_t>(p + 4),
                                  .shift = load<std::int32_t>(p + 8),
                                  .zero = this->i.y_zero,
                                  .low = this->low,
                                  .high = this->high};
    }
  }
  [[nodiscard]] std::uint8_t* partial(std::int64_t n, std::int64_t o) const {
    if constexpr (requires { this->i.partial; }) {
      return this->m.plane(this->i.partial, n, o);
    } else {
      return nullptr;
    }
  }
};
template <bool Real> struct matmul_job : job<Real, isa::matmul> {
  using job<Real, isa::matmul>::job;
  static constexpr bool transposed = true;
  [[nodiscard]] const std::uint8_t* row_of(std::int64_t place) const { return this->m.plane(this->i.x, place, 0); }
};

/// Operands that the kernels take: results that touch nothing that is still to be read, and bounds in their order.
template <class Instruction> constexpr bool takes(const Instruction& i, const memory& m) {
  const auto separate = [&](const isa::local_ref& to) {
    return one_lane(to) && !overlap(to, i.x, m.lanes()) && !overlap(to, i.weight, m.lanes()) &&
           !overlap(to, i.params, m.lanes());
  };
  if (i.low > i.high || !dense_rows(i.weight)) return false;
  if constexpr (requires { i.part; }) {
    if (i.part.resume && (!one_lane(i.partial) || (i.part.finish && overlap(i.y, i.partial, m.lanes())))) return false;
    if (!i.part.finish) return separate(i.partial);
  }
  return separate(i.y);
}
template <class Instruction> constexpr void set_part(auto& job, const Instruction& i) {
  job.resume = i.part.resume;
  job.finish = i.part.finish;
}

constexpr sum_axis vertical(const auto& i) {
  return {.in = i.x.h,
          .out = i.y.h,
          .kernel = i.kernel_h,
          .stride = i.stride_h,
          .dilation = i.dilation_h,
          .pad = i.pad_top};
}
constexpr sum_axis horizontal(const auto& i) {
  return {.in = i.x.w,
          .out = i.y.w,
          .kernel = i.kernel_w,
          .stride = i.stride_w,
          .dilation = i.dilation_w,
          .pad = i.pad_left};
}
constexpr sum_shape shape_of(const isa::conv& i) {
  sum_shape s{.images = i.y.n,
              .groups = i.groups,
              .channels = i.weight.h,
              .outputs = i.weight.c / i.groups,
              .h = vertical(i),
              .w = horizontal(i)};
  // One long row instead of many short ones.
  const bool rows =
      (!i.part.finish || dense_rows(i.y)) && (i.part.finish && !i.part.resume ? true : dense_rows(i.partial));
  if (s.h.plain() && s.w.plain() && dense_rows(i.x) && rows) {
    s.w.in = s.w.out = s.h.in * s.w.in;
    s.h = {};
  }
  return s;
}
constexpr sum_shape shape_of(const isa::depthwise& i) {
  return {.images = i.y.n, .groups = i.y.c, .channels = 1, .outputs = 1, .h = vertical(i), .w = horizontal(i)};
}
constexpr sum_shape shape_of(const isa::matmul& i) {
  return {.images = 1,
          .groups = 1,
          .channels = i.x.h,
          .outputs = i.y.c,
          .h = {},
          .w = {.in = i.x.n, .out = i.x.n, .kernel = 1, .stride = 1, .dilation = 1, .pad = 0}};
}

/// Zero times an infinite weight is no number, and a sum of -0 stays it only where nothing is added: what a tap in the padding would do.
inline bool padding_matters(const isa::conv& i, memory& m) {
  bool odd = false;
  for (std::int64_t n = 0; n < i.y.n; ++n) {
    for (std::int64_t c = 0; c < i.y.c; ++c) {
      for (std::int64_t h = 0; h < i.y.h; ++h) {
        const std::uint8_t* row = m.plane(i.partial, n, c) + h * i.partial.h_stride;
        for (std::int64_t w = 0; w < i.y.w; ++w) odd = odd || load<std::uint32_t>(row + 4 * w) == 0x8000'0000U;
      }
    }
  }
  workspace space;
  m.read(i.weight, space.fa);
  for (const float w : space.fa) odd = odd || !(w - w == 0.0F);
  return odd;
}

inline bool run_dots(const isa::matmul& i, memory& m, const simd::kernels& k) {
  const job<false, isa::matmul> where(i, m);
  for (std::int64_t o = 0; o < i.y.c; ++o) {
    const std::uint8_t* w = where.w(o);
    const simd::integer_finish f = i.part.finish ? where.finish_of(o) : simd::integer_finish{};
    for (std::int64_t n = 0; n < i.x.n; ++n) {
      std::int32_t sum = k.dot(m.plane(i.x, n, 0), i.x.type == dtype_id::i8, w, i.x.h);
      if (i.part.resume) {
        const auto most = static_cast<std::int32_t>(2147483647 - std::int64_t{i.x.h} * (255 * 128));
        const auto partial = load<std::int32_t>(where.partial(n, o));
        sum += partial > most ? most : partial < -most ? -most : partial;
      }
      if (i.part.finish) {
        const std::int32_t y = simd::finish_one(sum, f);
        if (i.y.type == dtype_id::i32) {
          store(where.y(n, o), y);
        } else {
          *where.y(n, o) = static_cast<std::uint8_t>(y);
        }
      } else {
        store(where.partial(n, o), sum);
      }
    }
  }
  return true;
}
} // namespace detail

inline bool run(const isa::conv& i, memory& m, workspace& w, const simd::kernels& k) {
  if (!detail::takes(i, m)) return false;
  const sum_shape s = detail::shape_of(i);
  if (!simd::detail::sensible(s, is_floating(i.x.type) ? 1 : k.bytes)) return false;
  if (!is_floating(i.x.type)) {
    detail::job<false, isa::conv> job(i, m);
    detail::set_part(job, i);
    job.pad_value = i.pad_value;
    if (static_cast<std::int64_t>(i.pad_value) < least_of(i.x.type) || i.pad_value > greatest_of(i.x.type))
      return false;
    job.partial_pitch = i.partial.h_stride;
    return simd::detail::convolution<false, decltype(job)>(k, job, s, w.room).run();
  }
  if (!detail::real_types(i.x, i.weight, i.y)) return false;
  detail::job<true, isa::conv> job(i, m);
  detail::set_part(job, i);
  job.partial_pitch = i.partial.h_stride;
  const bool padded = s.h.padded() || s.w.padded();
  // Sums that are written over the ones they start from cannot be made twice.
  if (padded && (i.part.resume || !i.part.finish) && detail::padding_matters(i, m)) return false;
  return simd::detail::convolution<true, decltype(job)>(k, job, s, w.room).run() || !padded;
}
inline bool run(const isa::depthwise& i, memory& m, workspace& w, const simd::kernels& k) {
  if (!detail::takes(i, m)) return false;
  const sum_shape s = detail::shape_of(i);
  if (!simd::detail::sensible(s, is_floating(i.x.type) ? 1 : k.bytes)) return false;
  if (!is_floating(i.x.type)) {
    detail::job<false, isa::depthwise> job(i, m);
    job.pad_value = i.pad_value;
    if (static_cast<std::int64_t>(i.pad_value) < least_of(i.x.type) || i.pad_value > greatest_of(i.x.type))
      return false;
    return simd::detail::convolution<false, decltype(job)>(k, job, s, w.room).run();
  }
  if (!detail::real_types(i.x, i.weight, i.y)) return false;
  const detail::job<true, isa::depthwise> job(i, m);
  const bool padded = s.h.padded() || s.w.padded();
  return simd::detail::convolution<true, decltype(job)>(k, job, s, w.room).run() || !padded;
}
inline bool run(const isa::matmul& i, memory& m, workspace& w, const simd::kernels& k) {
  if (!detail::takes(i, m) || !detail::dense_rows(i.x)) return false;
  const sum_shape s = detail::shape_of(i);
  if (!simd::detail::sensible(s, is_floating(i.x.type) ? 1 : k.bytes)) return false;
  if (!is_floating(i.x.type)) {
    if (i.x.n < 4) return detail::run_dots(i, m, k);
    detail::matmul_job<false> job(i, m);
    detail::set_part(job, i);
    job.y_pitch = i.y.n_stride;
    job.partial_pitch = i.partial.n_stride;
    return simd::detail::convolution<false, decltype(job)>(k, job, s, w.room).run();
  }
  if (!detail::real_types(i.x, i.weight, i.y)) return false;
  detail::matmul_job<true> job(i, m);
  detail::set_part(job, i);
  job.y_pitch = i.y.n_stride;
  job.partial_pitch = i.partial.n_stride;
  simd::detail::convolution<true, decltype(job)>(k, job, s, w.room).run();
  return true;
}

// ---------------------------------------------------------------- transfers
namespace detail {
/// [n, c, h, w] elements between two addressings; rows that follow each other on both sides are one.
template <class From, class To>
void copy(const isa::global_ref& g, const isa::local_ref& l, std::int64_t element, From&& from, To&& to,
          std::int64_t from_h, std::int64_t to_h, std::int64_t from_w, std::int64_t to_w) {
  const bool rows = from_w == element && to_w == element;
  const bool planes = rows && from_h == l.w * element && to_h == l.w * element;
  for (std::int64_t n = 0; n < g.n; ++n) {
    for (std::int64_t c = 0; c < g.c; ++c) {
      const std::uint8_t* a = from(n, c);
      std::uint8_t* b = to(n, c);
      if (planes) {
        std::memcpy(b, a, static_cast<std::size_t>(l.h * (l.w * element)));
        continue;
      }
      for (std::int64_t h = 0; h < g.h; ++h, a += from_h, b += to_h)
        exec::detail::copy_row(a, from_w, b, to_w, g.w, element);
    }
  }
}
inline const std::uint8_t* at(const isa::global_ref& g, const std::uint8_t* base, std::int64_t n, std::int64_t c) {
  return base + (n * g.n_stride + c * g.c_stride);
}
/// A row that is a column of both sides is a row.
constexpr void straighten(isa::global_ref& g, isa::local_ref& l) {
  if (g.w != 1 || l.h_stride != bytes_of(l.type)) return;
  g.w = g.h;
  g.w_stride = g.h_stride;
  l.w = l.h;
  g.h = l.h = 1;
}
} // namespace detail

inline bool run(const isa::dma_load& i, memory& m, workspace&, const simd::kernels&) {
  isa::global_ref src = i.src;
  isa::local_ref dst = i.dst;
  detail::straighten(src, dst);
  const std::uint8_t* base = m.global(src);
  const std::int64_t copies = dst.spread == isa::spread::copy ? m.lanes() : 1;
  for (std::int64_t copy = 0; copy < copies; ++copy) {
    detail::copy(
        src, dst, bytes_of(src.type), [&](auto n, auto c) { return detail::at(src, base, n, c); },
        [&](auto n, auto c) { return m.plane(dst, n, c, copy); }, src.h_stride, dst.h_stride, src.w_stride,
        bytes_of(src.type));
  }
  return true;
}
inline bool run(const isa::dma_store& i, memory& m, workspace&, const simd::kernels&) {
  isa::local_ref src = i.src;
  isa::global_ref dst = i.dst;
  detail::straighten(dst, src);
  std::uint8_t* base = m.writable(dst);
  detail::copy(
      dst, src, bytes_of(src.type), [&](auto n, auto c) { return m.plane(src, n, c); },
      [&](auto n, auto c) { return base + (n * dst.n_stride + c * dst.c_stride); }, src.h_stride, dst.h_stride,
      bytes_of(src.type), dst.w_stride);
  return true;
}

// ---------------------------------------------------------------- element by element
namespace detail {
/// Bytes of the lines that a pool or a pair of operands works in.
constexpr std::int64_t lines_of(const isa::pool& i) {
  if (i.kind == isa::pool_kind::average) return std::int64_t{i.x.h} * i.x.w;
  return 2 *
         ((std::int64_t{i.y.w} - 1) * i.stride_w + (std::int64_t{i.kernel_w} - 1) * i.dilation_w + 1 + simd::vector);
}
inline constexpr std::int64_t part_of_row = 1024; ///< elements of floats that are worked on at a time
constexpr std::int64_t lines_of(const isa::binary& i) {
  return is_floating(i.y.type) ? 3 * 4 * part_of_row : 2 * 4 * std::int64_t{i.y.h} * i.y.w;
}
/// An operand may be written over the one that it is made of, element for element, but not over another part of it.
constexpr bool over(const isa::local_ref& y, const isa::local_ref& x, std::int32_t lanes) {
  const bool same = y.address == x.address && y.lane == x.lane && y.spread == x.spread && y.n_stride == x.n_stride &&
                    y.c_stride == x.c_stride && y.h_stride == x.h_stride && bytes_of(y.type) == bytes_of(x.type) &&
                    exec::detail::same_dims(x, y);
  return same || !overlap(y, x, lanes);
}
constexpr std::int64_t broadcast(std::int32_t extent, std::int64_t place) { return extent == 1 ? 0 : place; }

/// A row of y's length of an operand that is broadcast to it.
inline const std::uint8_t* row_of(const isa::local_ref& r, memory& m, std::int64_t n, std::int64_t c, std::int64_t h,
                                  std::int64_t w, std::uint8_t* line) {
  const std::uint8_t* row = m.plane(r, broadcast(r.n, n), broadcast(r.c, c)) + broadcast(r.h, h) * r.h_stride;
  if (r.w == w) return row;
  if (bytes_of(r.type) == 1) {
    std::memset(line, *row, static_cast<std::size_t>(w));
  } else {
    for (std::int64_t i = 0; i < w; ++i) std::memcpy(line + 4 * i, row, 4);
  }
  return line;
}

constexpr bool small(std::int32_t zero) { return zero > -0x8000 && zero < 0x8000; }

/// Operands whose rows all follow each other, as one row a plane.
constexpr isa::binary flattened(isa::binary i) {
  const auto flat = [&](const isa::local_ref& r) { return dense_rows(r) && r.h == i.y.h && r.w == i.y.w; };
  if (flat(i.y) && flat(i.a) && flat(i.b)) {
    for (isa::local_ref* r : {&i.y, &i.a, &i.b}) {
      r->w *= r->h;
      r->h = 1;
    }
  }
  return i;
}
inline bool run_pairs(const isa::binary& i, memory& m, workspace& space, const simd::kernels& k) {
  if (!one_lane(i.y) || !over(i.y, i.a, m.lanes()) || !over(i.y, i.b, m.lanes()) || i.low > i.high ||
      !small(i.a_zero) || !small(i.b_zero) || bytes_of(i.y.type) != 1)
    return false;
  using enum simd::integer_pair::operation;
  simd::integer_pair p{.op = i.kind == isa::binary_kind::add   ? add
                             : i.kind == isa::binary_kind::sub ? sub
                             : i.kind == isa::binary_kind::mul ? mul
                             : i.kind == isa::binary_kind::max ? max
                                                               : min,
                       .a_type = i.a.type,
                       .b_type = i.b.type,
                       .a_zero = i.a_zero,
                       .b_zero = i.b_zero,
                       .a_multiplier = i.a_multiplier,
                       .b_multiplier = i.b_multiplier};
  p.finish = {.bias = 0,
              .multiplier = 0,
              .shift = i.shift,
              .zero = i.y_zero,
              .low = saturate(least_of(i.y.type), i.y.type, i.low, i.high),
              .high = saturate(greatest_of(i.y.type), i.y.type, i.low, i.high)};
  const isa::binary rows = flattened(i);
  std::uint8_t* lines = simd::scratch::need(space.room.lines, lines_of(rows));
  for (std::int64_t n = 0; n < rows.y.n; ++n) {
    for (std::int64_t c = 0; c < rows.y.c; ++c) {
      for (std::int64_t h = 0; h < rows.y.h; ++h) {
        k.pairs(row_of(rows.a, m, n, c, h, rows.y.w, lines), row_of(rows.b, m, n, c, h, rows.y.w, lines + 4 * rows.y.w),
                rows.y.w, p, m.plane(rows.y, n, c) + h * rows.y.h_stride);
      }
    }
  }
  return true;
}

inline void combine_reals(isa::binary_kind kind, float* a, const float* b, std::int64_t count, float low, float high) {
  const auto each = [&](auto&& f) {
    for (std::int64_t n = 0; n < count; ++n) a[n] = f(a[n], b[n]);
  };
  switch (kind) {
  case isa::binary_kind::add: each([](float l, float r) { return l + r; }); break;
  case isa::binary_kind::sub: each([](float l, float r) { return l - r; }); break;
  case isa::binary_kind::mul: each([](float l, float r) { return l * r; }); break;
  case isa::binary_kind::max: each([](float l, float r) { return l < r ? r : l; }); break;
  default: each([](float l, float r) { return r < l ? r : l; });
  }
  for (std::int64_t n = 0; n < count; ++n) a[n] = activation::clip(a[n], low, high);
}
inline bool run_real_pairs(const isa::binary& of, memory& m, workspace& space, const simd::kernels& k) {
  using simd::detail::known_real;
  if (isa::floats_only(of.kind) || !one_lane(of.y) || !over(of.y, of.a, m.lanes()) || !over(of.y, of.b, m.lanes()) ||
      !known_real(of.a.type) || !known_real(of.b.type) || !known_real(of.y.type))
    return false;
  const isa::binary i = flattened(of);
  auto* lines = reinterpret_cast<float*>(simd::scratch::need(space.room.lines, lines_of(i)));
  float* left = lines;
  float* right = lines + part_of_row;
  const auto read = [&](const isa::local_ref& r, float* to, std::int64_t n, std::int64_t c, std::int64_t h,
                        std::int64_t at, std::int64_t count) {
    const std::uint8_t* row = m.plane(r, broadcast(r.n, n), broadcast(r.c, c)) + broadcast(r.h, h) * r.h_stride;
    const bool one = r.w == 1 && i.y.w != 1;
    simd::detail::widen(k, to, row + (one ? 0 : at * bytes_of(r.type)), one ? 1 : count, r.type);
    for (std::int64_t e = 1; one && e < count; ++e) to[e] = to[0];
  };
  for (std::int64_t n = 0; n < i.y.n; ++n) {
    for (std::int64_t c = 0; c < i.y.c; ++c) {
      for (std::int64_t h = 0; h < i.y.h; ++h) {
        std::uint8_t* row = m.plane(i.y, n, c) + h * i.y.h_stride;
        for (std::int64_t at = 0; at < i.y.w; at += part_of_row) {
          const std::int64_t count = i.y.w - at < part_of_row ? i.y.w - at : part_of_row;
          read(i.a, left, n, c, h, at, count);
          read(i.b, right, n, c, h, at, count);
          combine_reals(i.kind, left, right, count, i.low, i.high);
          simd::detail::narrow(k, row + at * bytes_of(i.y.type), left, count, i.y.type);
        }
      }
    }
  }
  return true;
}

/// Every window has a tap inside of x. (Of the windows that begin before x, those whose taps step over all of it are not told apart.)
constexpr bool windows_touch(const isa::pool& i) {
  const auto touch = [](std::int64_t outs, std::int64_t stride, std::int64_t pad, std::int64_t dilation,
                        std::int64_t kernel, std::int64_t size) {
    return pad <= (kernel - 1) * dilation && (pad <= 0 || dilation <= size) && (outs - 1) * stride - pad < size;
  };
  return touch(i.y.h, i.stride_h, i.pad_top, i.dilation_h, i.kernel_h, i.x.h) &&
         touch(i.y.w, i.stride_w, i.pad_left, i.dilation_w, i.kernel_w, i.x.w);
}
inline bool run_max(const isa::pool& i, memory& m, workspace& space, const simd::kernels& k) {
  const bool is_signed = i.x.type == dtype_id::i8;
  const std::int64_t width = lines_of(i) / 2 - simd::vector;
  const std::int64_t firsts = (std::int64_t{i.y.w} - 1) * i.stride_w + 1; // places that windows begin at
  std::uint8_t* lines = simd::scratch::need(space.room.lines, lines_of(i));
  std::uint8_t* line = lines; // the greatest of the rows of a window, from column -pad on
  std::uint8_t* best = lines + width + simd::vector;
  const std::int64_t begin = i.pad_left > 0 ? i.pad_left : 0;
  const std::int64_t skip = i.pad_left < 0 ? -i.pad_left : 0;
  const std::int64_t inside = i.x.w - skip < width - begin ? i.x.w - skip : width - begin;
  std::memset(line, is_signed ? 0x80 : 0, static_cast<std::size_t>(begin));
  for (std::int64_t n = 0; n < i.y.n; ++n) {
    for (std::int64_t c = 0; c < i.y.c; ++c) {
      const std::uint8_t* plane = m.plane(i.x, n, c) + skip;
      std::uint8_t* to = m.plane(i.y, n, c);
      for (std::int64_t oy = 0; oy < i.y.h; ++oy, to += i.y.h_stride) {
        const std::int64_t top = oy * i.stride_h - i.pad_top;
        const exec::detail::taps rows(top, i.dilation_h, i.kernel_h, i.x.h);
        const std::uint8_t* row = plane + (top + rows.first * i.dilation_h) * i.x.h_stride;
        const std::int64_t step = std::int64_t{i.dilation_h} * i.x.h_stride;
        const std::uint8_t* down = row;
        if (rows.last - rows.first > 1 || inside < width) {
          const std::uint8_t* next = rows.last - rows.first > 1 ? row + step : row;
          k.greatest(line + begin, row, next, inside, is_signed);
          for (std::int64_t kh = rows.first + 2; kh < rows.last; ++kh)
            k.greatest(line + begin, line + begin, next += step, inside, is_signed);
          for (std::int64_t at = begin + inside; at < width; ++at) line[at] = is_signed ? 0x80 : 0;
          down = line;
        }
        if (i.kernel_w > 1) {
          k.greatest(best, down, down + i.dilation_w, firsts, is_signed);
          for (std::int64_t kw = 2; kw < i.kernel_w; ++kw)
            k.greatest(best, best, down + kw * i.dilation_w, firsts, is_signed);
          down = best;
        }
        for (std::int64_t ox = 0; ox < i.y.w; ++ox) to[ox] = down[ox * i.stride_w];
      }
    }
  }
  return true;
}
inline bool run_average(const isa::pool& i, memory& m, workspace& space, const simd::kernels& k) {
  const std::int64_t most = lines_of(i);
  std::uint8_t* ones = simd::scratch::need(space.room.lines, most);
  std::memset(ones, 1, static_cast<std::size_t>(most));
  const bool is_signed = i.x.type == dtype_id::i8;
  for (std::int64_t n = 0; n < i.y.n; ++n) {
    for (std::int64_t c = 0; c < i.y.c; ++c) {
      const std::uint8_t* plane = m.plane(i.x, n, c);
      std::uint8_t* to = m.plane(i.y, n, c);
      for (std::int64_t oy = 0; oy < i.y.h; ++oy, to += i.y.h_stride) {
        const std::int64_t top = oy * i.stride_h - i.pad_top;
        const exec::detail::taps rows(top, 1, i.kernel_h, i.x.h);
        for (std::int64_t ox = 0; ox < i.y.w; ++ox) {
          const std::int64_t left = ox * i.stride_w - i.pad_left;
          const exec::detail::taps columns(left, 1, i.kernel_w, i.x.w);
          const std::int64_t width = columns.last - columns.first;
          const std::int64_t taps = (rows.last - rows.first) * width;
          const std::uint8_t* from = plane + (top + rows.first) * i.x.h_stride + left + columns.first;
          std::int64_t sum = 0;
          if (width == i.x.w && dense_rows(i.x)) {
            sum = k.dot(from, is_signed, ones, taps);
          } else {
            for (std::int64_t kh = rows.first; kh < rows.last; ++kh, from += i.x.h_stride)
              sum += k.dot(from, is_signed, ones, width);
          }
          sum -= taps * i.x_zero;
          const std::int64_t count = i.count_pad ? std::int64_t{i.kernel_h} * i.kernel_w : taps;
          to[ox] = static_cast<std::uint8_t>(exec::detail::averaged(i, sum, count));
        }
      }
    }
  }
  return true;
}
} // namespace detail

inline bool run(const isa::binary& i, memory& m, workspace& w, const simd::kernels& k) {
  return is_floating(i.y.type) ? detail::run_real_pairs(i, m, w, k) : detail::run_pairs(i, m, w, k);
}
inline bool run(const isa::pool& i, memory& m, workspace& w, const simd::kernels& k) {
  if (is_floating(i.x.type) || !detail::one_lane(i.y) || detail::overlap(i.x, i.y, m.lanes()) ||
      !detail::windows_touch(i) || detail::lines_of(i) > (1 << 22))
    return false;
  if (i.kind == isa::pool_kind::max) return i.x.type == i.y.type && detail::run_max(i, m, w, k);
  return i.dilation_h == 1 && i.dilation_w == 1 && detail::run_average(i, m, w, k);
}
inline bool run(const isa::lookup& i, memory& m, workspace&, const simd::kernels&) {
  if (!detail::one_lane(i.y) || !detail::over(i.y, i.x, m.lanes()) || detail::overlap(i.y, i.table, m.lanes()))
    return false;
  const std::uint8_t* table = m.plane(i.table, 0, 0);
  const std::uint8_t turn = i.x.type == dtype_id::i8 ? 0x80 : 0;
  for (std::int64_t n = 0; n < i.y.n; ++n) {
    for (std::int64_t c = 0; c < i.y.c; ++c) {
      for (std::int64_t h = 0; h < i.y.h; ++h) {
        const std::uint8_t* from = m.plane(i.x, n, c) + h * i.x.h_stride;
        std::uint8_t* to = m.plane(i.y, n, c) + h * i.y.h_stride;
        for (std::int64_t w = 0; w < i.y.w; ++w) to[w] = table[from[w] ^ turn];
      }
    }
  }
  return true;
}

/// What an instruction works in, for programs that are given room and take no more (static_run.hpp).
struct room_needed {
  std::int64_t x = 0, w = 0, offsets = 0, sums = 0, lines = 0;
  constexpr void cover(const room_needed& other) {
    x = other.x > x ? other.x : x;
    w = other.w > w ? other.w : w;
    offsets = other.offsets > offsets ? other.offsets : offsets;
    sums = other.sums > sums ? other.sums : sums;
    lines = other.lines > lines ? other.lines : lines;
  }
};
/// Of the levels together: words of one element (floats), two, or four.
template <class Instruction> constexpr room_needed room_of(const Instruction& i) {
  room_needed room;
  if constexpr (requires { detail::shape_of(i); }) {
    const sum_shape s = detail::shape_of(i);
    for (const std::int64_t bytes : {1, 2, 4}) {
      if (is_floating(i.x.type) != (bytes == 1) || !simd::detail::sensible(s, bytes)) continue;
      const simd::plan p(s, bytes);
      room.cover({p.x_words(), p.w_words(), p.words, p.sums() + p.starts(), p.lines(bytes == 1 ? 4 : 1)});
    }
  } else if constexpr (requires { detail::lines_of(i); }) {
    room.lines = detail::lines_of(i);
  }
  return room;
}

/// Instructions without kernels of their own.
template <class Instruction> bool run(const Instruction&, memory&, workspace&, const simd::kernels&) { return false; }

} // namespace tmpu::exec::fast

namespace tmpu::exec {

/// An instruction on the processor at hand: by vector kernels where there are some, else by its meaning.
template <class Instruction> constexpr void perform(const Instruction& i, memory& m, workspace& w) {
  if (!std::is_constant_evaluated()) {
    if (fast::run(i, m, w, simd::kernels_of(simd::best()))) return;
  }
  run(i, m, w);
}

} // namespace tmpu::exec
