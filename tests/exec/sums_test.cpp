// SPDX-License-Identifier: Apache-2.0
#include "tiles.hpp"
#include "tmpu/exec/kernels_sum.hpp"

#include <doctest/doctest.h>

#include <cmath>

// Convolutions and matrix products against their element formulas: floats summed one by one in the documented order (bit for
// bit) and in double (to rounding), integers in 64 bits.
namespace {

using namespace tmpu;
using tiles::machine;
using tiles::tensor;

struct sum_types {
  dtype_id x, w, y;
};
sum_types random_types(tiles::generator& rng) {
  if (rng.between(0, 1) == 0) {
    const dtype_id type = rng.one_of(dtype_id::f32, dtype_id::f16, dtype_id::bf16);
    return {type, type, rng.between(0, 3) == 0 ? dtype_id::f32 : type};
  }
  return {rng.one_of(dtype_id::i8, dtype_id::u8), dtype_id::i8, rng.one_of(dtype_id::i8, dtype_id::u8, dtype_id::i32)};
}

/// bias; or bias, multiplier, shift for sums of about 2^15.
tensor random_params(machine& m, bool floating, std::int32_t channels) {
  if (floating) return m.random(m.make(dtype_id::f32, 1, channels, 1, 1));
  tensor p = m.make(dtype_id::i32, 1, channels, 1, 3);
  for (std::int32_t c = 0; c < channels; ++c) {
    p.at(0, c, 0, 0) = m.rng.between(-20'000, 20'000);
    // Small shifts and multipliers make ties; those of the compiler are large.
    const bool large = m.rng.between(0, 1) == 0;
    p.at(0, c, 0, 1) = large ? m.rng.between(1 << 30, 0x7FFF'FFFF) : m.rng.between(0, 16);
    p.at(0, c, 0, 2) = large ? m.rng.between(36, 42) : m.rng.between(0, 10);
  }
  m.write(p);
  return p;
}

struct limits_of_y {
  float low = -INFINITY, high = INFINITY;
  std::int32_t zero = 0;
};
limits_of_y random_limits(machine& m, bool floating) {
  limits_of_y l;
  if (m.rng.between(0, 1) == 0) {
    l.low = floating ? -1.5F : static_cast<float>(m.rng.between(-100, 0));
    l.high = floating ? 6.0F : static_cast<float>(m.rng.between(1, 120));
  }
  if (!floating) l.zero = m.rng.between(-20, 20);
  return l;
}

/// One output element from its taps in order.
class sum {
public:
  explicit sum(bool floating, double start = 0.0)
      : floating_(floating), single_(static_cast<float>(start)), exact_(start) {}
  void add(double x, double w) {
    const float product = static_cast<float>(x) * static_cast<float>(w);
    single_ = single_ + product;
    exact_ += x * w;
    magnitude_ += std::abs(x * w);
  }
  /// The sum before bias and rescaling.
  [[nodiscard]] double partial() const {
    if (!floating_) return exact_;
    CHECK(std::abs(static_cast<double>(single_) - exact_) <= 1e-5 * magnitude_ + 1e-30);
    return static_cast<double>(single_);
  }
  [[nodiscard]] double finished(const tensor& params, std::int32_t c, const limits_of_y& l, dtype_id type) const {
    const double s = partial();
    if (floating_) {
      float v = static_cast<float>(s) + static_cast<float>(params.at(0, c, 0, 0));
      v = v < l.low ? l.low : v > l.high ? l.high : v;
      return tiles::decode(type, tiles::encode(type, static_cast<double>(v)));
    }
    const auto with_bias = static_cast<std::int64_t>(s) + static_cast<std::int64_t>(params.at(0, c, 0, 0));
    const std::int64_t q = tiles::divided(with_bias * static_cast<std::int64_t>(params.at(0, c, 0, 1)),
                                          std::int64_t{1} << static_cast<int>(params.at(0, c, 0, 2)));
    return tiles::saturated(q + l.zero, type, static_cast<double>(l.low), static_cast<double>(l.high));
  }

private:
  bool floating_;
  float single_;
  double exact_;
  double magnitude_ = 0.0;
};

struct window {
  std::int32_t kernel, stride, dilation, pad;
  explicit window(tiles::generator& rng)
      : kernel(rng.between(1, 3)), stride(rng.between(1, 2)), dilation(rng.between(1, 2)), pad(rng.between(-1, 2)) {}
};

TEST_CASE("conv") {
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    machine m(seed);
    auto& rng = m.rng;
    const sum_types type = random_types(rng);
    const bool floating = is_floating(type.x);
    const window vertical(rng);
    const window horizontal(rng);
    const std::int32_t groups = rng.between(1, 3);
    const std::int32_t ic = rng.between(1, 5); // of a group
    const std::int32_t oc = rng.between(1, groups == 1 ? 20 : 7);
    const std::int32_t n = rng.between(1, 2);
    const tensor x = m.random(m.make(type.x, n, groups * ic, rng.between(1, 6), rng.between(1, 7)));
    const tensor w = m.random(m.make(type.w, 1, groups * oc, ic, vertical.kernel * horizontal.kernel));
    const tensor params = random_params(m, floating, groups * oc);
    const limits_of_y l = random_limits(m, floating);
    tensor y = m.make(type.y, n, groups * oc, rng.between(1, 5), rng.between(1, 6));
    tensor partial = m.make(floating ? dtype_id::f32 : dtype_id::i32, n, y.r.c, y.r.h, y.r.w);
    isa::sum_part part{.resume = rng.between(0, 1) == 0, .finish = rng.between(0, 1) == 0};
    if (part.resume) partial = m.random(partial);
    const std::int32_t pad_value = floating ? 0 : rng.between(0, 1) * rng.between(-20, 20);

    tensor& result = part.finish ? y : partial;
    tensor before = partial;
    result.each([&](auto b, auto c, auto oh, auto ow) {
      sum s(floating, part.resume ? before.at(b, c, oh, ow) : 0.0);
      for (std::int32_t k = 0; k < ic; ++k)
        for (std::int32_t kh = 0; kh < vertical.kernel; ++kh)
          for (std::int32_t kw = 0; kw < horizontal.kernel; ++kw) {
            const std::int32_t ih = oh * vertical.stride - vertical.pad + kh * vertical.dilation;
            const std::int32_t iw = ow * horizontal.stride - horizontal.pad + kw * horizontal.dilation;
            const bool inside = ih >= 0 && ih < x.r.h && iw >= 0 && iw < x.r.w;
            if (!inside && floating) continue;
            s.add(inside ? x.at(b, c / oc * ic + k, ih, iw) : pad_value, w.at(0, c, k, kh * horizontal.kernel + kw));
          }
      result.at(b, c, oh, ow) = part.finish ? s.finished(params, c, l, type.y) : s.partial();
    });
    m.run(isa::conv{.x = x.r,
                    .weight = w.r,
                    .params = params.r,
                    .partial = partial.r,
                    .y = y.r,
                    .groups = groups,
                    .kernel_h = vertical.kernel,
                    .kernel_w = horizontal.kernel,
                    .stride_h = vertical.stride,
                    .stride_w = horizontal.stride,
                    .dilation_h = vertical.dilation,
                    .dilation_w = horizontal.dilation,
                    .pad_top = vertical.pad,
                    .pad_left = horizontal.pad,
                    .pad_value = pad_value,
                    .part = part,
                    .y_zero = l.zero,
                    .low = l.low,
                    .high = l.high},
          result);
  }
}

TEST_CASE("a sum over K in two parts has the bits of the whole sum") {
  for (const dtype_id type : {dtype_id::f32, dtype_id::bf16, dtype_id::i8}) {
    machine m(77);
    const bool floating = is_floating(type);
    constexpr std::int32_t k = 40;
    constexpr std::int32_t cut = 13;
    const tensor x = m.random(m.make(type, 1, 1, k, 1, isa::spread::copy, true));
    const tensor w = m.random(m.make(type, 1, 11, k, 1, isa::spread::lanes, true));
    const tensor params = random_params(m, floating, 11);
    const tensor partial = m.make(floating ? dtype_id::f32 : dtype_id::i32, 1, 11, 1, 1);
    tensor y = m.make(type, 1, 11, 1, 1);
    y.each([&](auto, auto c, auto, auto) {
      sum s(floating);
      for (std::int32_t i = 0; i < k; ++i) s.add(x.at(0, 0, i, 0), w.at(0, c, i, 0));
      y.at(0, c, 0, 0) = s.finished(params, c, {}, type);
    });
    const auto cut_from = [&](isa::local_ref r, std::int32_t from, std::int32_t count) {
      r.address += static_cast<std::uint32_t>(from * bytes_of(type));
      r.h = count;
      return r;
    };
    isa::matmul i{.x = cut_from(x.r, 0, cut),
                  .weight = cut_from(w.r, 0, cut),
                  .params = params.r,
                  .partial = partial.r,
                  .y = y.r,
                  .part = {.resume = false, .finish = false},
                  .y_zero = 0,
                  .low = -INFINITY,
                  .high = INFINITY};
    exec::run(i, m.memory, m.workspace);
    i.x = cut_from(x.r, cut, k - cut);
    i.weight = cut_from(w.r, cut, k - cut);
    i.part = {.resume = true, .finish = true};
    m.run(i, y);
  }
}

TEST_CASE("depthwise") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    machine m(seed);
    auto& rng = m.rng;
    const sum_types type = random_types(rng);
    const bool floating = is_floating(type.x);
    const window vertical(rng);
    const window horizontal(rng);
    const std::int32_t channels = rng.between(1, 19);
    const std::int32_t n = rng.between(1, 2);
    const tensor x = m.random(m.make(type.x, n, channels, rng.between(1, 6), rng.between(1, 7)));
    const tensor w = m.random(m.make(type.w, 1, channels, 1, vertical.kernel * horizontal.kernel));
    const tensor params = random_params(m, floating, channels);
    const limits_of_y l = random_limits(m, floating);
    tensor y = m.make(type.y, n, channels, rng.between(1, 5), rng.between(1, 6));
    const std::int32_t pad_value = floating ? 0 : rng.between(0, 1) * rng.between(-20, 20);
    y.each([&](auto b, auto c, auto oh, auto ow) {
      sum s(floating);
      for (std::int32_t kh = 0; kh < vertical.kernel; ++kh)
        for (std::int32_t kw = 0; kw < horizontal.kernel; ++kw) {
          const std::int32_t ih = oh * vertical.stride - vertical.pad + kh * vertical.dilation;
          const std::int32_t iw = ow * horizontal.stride - horizontal.pad + kw * horizontal.dilation;
          const bool inside = ih >= 0 && ih < x.r.h && iw >= 0 && iw < x.r.w;
          if (!inside && floating) continue;
          s.add(inside ? x.at(b, c, ih, iw) : pad_value, w.at(0, c, 0, kh * horizontal.kernel + kw));
        }
      y.at(b, c, oh, ow) = s.finished(params, c, l, type.y);
    });
    m.run(isa::depthwise{.x = x.r,
                         .weight = w.r,
                         .params = params.r,
                         .y = y.r,
                         .kernel_h = vertical.kernel,
                         .kernel_w = horizontal.kernel,
                         .stride_h = vertical.stride,
                         .stride_w = horizontal.stride,
                         .dilation_h = vertical.dilation,
                         .dilation_w = horizontal.dilation,
                         .pad_top = vertical.pad,
                         .pad_left = horizontal.pad,
                         .pad_value = pad_value,
                         .y_zero = l.zero,
                         .low = l.low,
                         .high = l.high},
          y);
  }
}

TEST_CASE("matmul") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    machine m(seed);
    auto& rng = m.rng;
    const sum_types type = random_types(rng);
    const bool floating = is_floating(type.x);
    const std::int32_t rows = rng.between(1, 4);
    const std::int32_t k = rng.between(1, 50);
    const std::int32_t columns = rng.between(1, 37);
    const tensor x = m.random(m.make(type.x, rows, 1, k, 1, isa::spread::copy));
    const tensor w = m.random(m.make(type.w, 1, columns, k, 1));
    const tensor params = random_params(m, floating, columns);
    const limits_of_y l = random_limits(m, floating);
    tensor y = m.make(type.y, rows, columns, 1, 1);
    tensor partial = m.make(floating ? dtype_id::f32 : dtype_id::i32, rows, columns, 1, 1);
    isa::sum_part part{.resume = rng.between(0, 1) == 0, .finish = rng.between(0, 1) == 0};
    if (part.resume) partial = m.random(partial);
    tensor& result = part.finish ? y : partial;
    result.each([&](auto b, auto c, auto, auto) {
      sum s(floating, part.resume ? partial.at(b, c, 0, 0) : 0.0);
      for (std::int32_t i = 0; i < k; ++i) s.add(x.at(b, 0, i, 0), w.at(0, c, i, 0));
      result.at(b, c, 0, 0) = part.finish ? s.finished(params, c, l, type.y) : s.partial();
    });
    m.run(isa::matmul{.x = x.r,
                      .weight = w.r,
                      .params = params.r,
                      .partial = partial.r,
                      .y = y.r,
                      .part = part,
                      .y_zero = l.zero,
                      .low = l.low,
                      .high = l.high},
          result);
  }
}

// Rounding half away from zero on both sides, and a product that needs more than 32 bits.
static_assert(exec::requantize(5, 1, 1) == 3 && exec::requantize(-5, 1, 1) == -3 && exec::requantize(4, 1, 1) == 2);
static_assert(exec::requantize(3, 1, 2) == 1 && exec::requantize(2, 1, 2) == 1 && exec::requantize(1, 1, 2) == 0);
static_assert(exec::requantize(-2, 1, 2) == -1 && exec::requantize(-1, 1, 2) == 0 && exec::requantize(7, 3, 0) == 21);
static_assert(exec::requantize(0x7FFF'FFFF, 0x7FFF'FFFF, 31) == 0x7FFF'FFFE);
static_assert(exec::requantize(-0x7FFF'FFFF, 0x7FFF'FFFF, 31) == -0x7FFF'FFFE);

} // namespace
