// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/exec/kernels_dma.hpp"
#include "tmpu/exec/kernels_element.hpp"
#include "tmpu/exec/kernels_sum.hpp"
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

constexpr simd::axis vertical(const auto& i) {
  return {.in = i.x.h,
          .out = i.y.h,
          .kernel = i.kernel_h,
          .stride = i.stride_h,
          .dilation = i.dilation_h,
          .pad = i.pad_top};
}
constexpr simd::axis horizontal(const auto& i) {
  return {.in = i.x.w,
          .out = i.y.w,
          .kernel = i.kernel_w,
          .stride = i.stride_w,
          .dilation = i.dilation_w,
          .pad = i.pad_left};
}
constexpr simd::sum_shape shape_of(const isa::conv& i) {
  simd::sum_shape s{.images = i.y.n,
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
constexpr simd::sum_shape shape_of(const isa::depthwise& i) {
  return {.images = i.y.n, .groups = i.y.c, .channels = 1, .outputs = 1, .h = vertical(i), .w = horizontal(i)};
}
constexpr simd::sum_shape shape_of(const isa::matmul& i) {
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
      if (i.part.resume) sum += load<std::int32_t>(where.partial(n, o));
      if (i.part.finish) {
        *where.y(n, o) = static_cast<std::uint8_t>(simd::finish_one(sum, f));
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
  const simd::sum_shape s = detail::shape_of(i);
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
  const simd::sum_shape s = detail::shape_of(i);
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
  const simd::sum_shape s = detail::shape_of(i);
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
