// SPDX-License-Identifier: Apache-2.0
#include "tiles.hpp"
#include "tmpu/exec/kernels_dma.hpp"
#include "tmpu/exec/kernels_element.hpp"
#include "tmpu/isa/check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

// Pools, element-wise instructions and transfers against their element formulas.
namespace {

using namespace tmpu;
using tiles::machine;
using tiles::tensor;

constexpr dtype_id float_types[] = {dtype_id::f32, dtype_id::f16, dtype_id::bf16};

double rounded(dtype_id type, double v) { return tiles::decode(type, tiles::encode(type, v)); }

TEST_CASE("pool") {
  for (std::uint64_t seed = 1; seed <= 160; ++seed) {
    machine m(seed);
    auto& rng = m.rng;
    const auto kind = rng.one_of(isa::pool_kind::max, isa::pool_kind::average);
    const bool floating = rng.between(0, 1) == 0;
    const dtype_id tx =
        floating ? rng.one_of(dtype_id::f32, dtype_id::f16, dtype_id::bf16) : rng.one_of(dtype_id::i8, dtype_id::u8);
    const dtype_id ty = kind == isa::pool_kind::max || floating ? tx : rng.one_of(dtype_id::i8, dtype_id::u8);
    isa::pool i{};
    i.kind = kind;
    i.kernel_h = rng.between(1, 3);
    i.kernel_w = rng.between(1, 3);
    i.stride_h = rng.between(1, 3);
    i.stride_w = rng.between(1, 3);
    i.dilation_h = rng.between(1, 2);
    i.dilation_w = rng.between(1, 2);
    i.pad_top = rng.between(0, i.kernel_h - 1);
    i.pad_left = rng.between(0, i.kernel_w - 1);
    i.count_pad = rng.between(0, 1) == 0;
    i.x_zero = floating ? 0 : rng.between(-10, 10);
    i.y_zero = floating ? 0 : rng.between(-10, 10);
    i.multiplier = rng.between(0, 1) == 0 ? rng.between(1, 9) : rng.between(1 << 30, 0x7FFF'FFFF);
    i.shift = i.multiplier < 10 ? rng.between(0, 4) : rng.between(29, 32);
    const std::int32_t n = rng.between(1, 2);
    const std::int32_t c = rng.between(1, 17);
    const tensor x = m.random(m.make(tx, n, c, rng.between(3, 8), rng.between(3, 8)));
    // Every window has a tap inside x.
    tensor y = m.make(ty, n, c, std::max(1, (x.r.h + i.pad_top - i.dilation_h * (i.kernel_h - 1) - 1) / i.stride_h),
                      std::max(1, (x.r.w + i.pad_left - i.dilation_w * (i.kernel_w - 1) - 1) / i.stride_w));
    bool empty_window = false;
    y.each([&](auto b, auto k, auto oh, auto ow) {
      double best = -INFINITY;
      float single = 0.0F;
      std::int64_t whole = 0;
      std::int64_t count = 0;
      for (std::int32_t kh = 0; kh < i.kernel_h; ++kh)
        for (std::int32_t kw = 0; kw < i.kernel_w; ++kw) {
          const std::int32_t ih = oh * i.stride_h - i.pad_top + kh * i.dilation_h;
          const std::int32_t iw = ow * i.stride_w - i.pad_left + kw * i.dilation_w;
          if (ih < 0 || ih >= x.r.h || iw < 0 || iw >= x.r.w) continue;
          const double v = x.at(b, k, ih, iw);
          best = std::max(best, v);
          single = single + static_cast<float>(v);
          whole += static_cast<std::int64_t>(v) - i.x_zero;
          ++count;
        }
      empty_window = empty_window || count == 0;
      if (i.count_pad) count = std::int64_t{i.kernel_h} * i.kernel_w;
      if (count == 0) return;
      double& out = y.at(b, k, oh, ow);
      if (kind == isa::pool_kind::max) {
        out = best;
      } else if (floating) {
        out = rounded(ty, static_cast<double>(single / static_cast<float>(count)));
      } else {
        out = tiles::saturated(tiles::divided(whole * i.multiplier, count << i.shift) + i.y_zero, ty);
      }
    });
    if (empty_window) continue;
    i.x = x.r;
    i.y = y.r;
    m.run(i, y);
  }
}

/// A dimension, or 1 to be broadcast to it.
std::int32_t dim_or_one(tiles::generator& rng, std::int32_t d) { return rng.between(0, 2) == 0 ? 1 : d; }
tensor broadcast_operand(machine& m, dtype_id type, std::int32_t n, std::int32_t c, std::int32_t h, std::int32_t w) {
  const std::int32_t channels = dim_or_one(m.rng, c);
  return m.random(m.make(type, dim_or_one(m.rng, n), channels, dim_or_one(m.rng, h), dim_or_one(m.rng, w),
                         channels == 1 && c != 1 ? isa::spread::copy : isa::spread::lanes));
}

TEST_CASE("binary") {
  for (std::uint64_t seed = 1; seed <= 240; ++seed) {
    machine m(seed);
    auto& rng = m.rng;
    const bool floating = rng.between(0, 1) == 0;
    const auto type = [&] {
      return floating ? rng.one_of(dtype_id::f32, dtype_id::f16, dtype_id::bf16)
                      : rng.one_of(dtype_id::i8, dtype_id::u8);
    };
    isa::binary i{};
    i.kind = static_cast<isa::binary_kind>(rng.between(0, floating ? 7 : 5));
    if (!floating && i.kind == isa::binary_kind::div) i.kind = isa::binary_kind::add;
    const std::int32_t n = rng.between(1, 2);
    const std::int32_t c = rng.between(1, 17);
    const std::int32_t h = rng.between(1, 4);
    const std::int32_t w = rng.between(1, 5);
    const bool sums = !floating && i.kind != isa::binary_kind::mul && rng.between(0, 2) == 0;
    const tensor a = broadcast_operand(m, sums ? dtype_id::i32 : type(), n, c, h, w);
    const tensor b = broadcast_operand(m, type(), n, c, h, w);
    tensor y = m.make(type(), n, c, h, w);
    const bool limited = rng.between(0, 1) == 0;
    i.low = limited ? -3.0F : -INFINITY;
    i.high = limited ? 5.0F : INFINITY;
    if (!floating) {
      i.a_zero = sums ? 0 : rng.between(-9, 9);
      i.b_zero = rng.between(-9, 9);
      i.y_zero = rng.between(-9, 9);
      i.shift = rng.between(0, 1) == 0 ? rng.between(0, 5) : 32;
      const auto multiplier = [&] { return i.shift < 10 ? rng.between(1, 20) : rng.between(1 << 29, 0x7FFF'FFFF); };
      i.a_multiplier = sums ? std::min(multiplier(), 1 << 30) : multiplier();
      i.b_multiplier = multiplier();
    }
    const auto of = [](const tensor& t, auto bn, auto bc, auto bh, auto bw) {
      return t.at(t.r.n == 1 ? 0 : bn, t.r.c == 1 ? 0 : bc, t.r.h == 1 ? 0 : bh, t.r.w == 1 ? 0 : bw);
    };
    y.each([&](auto bn, auto bc, auto bh, auto bw) {
      const double av = of(a, bn, bc, bh, bw);
      const double bv = of(b, bn, bc, bh, bw);
      double& out = y.at(bn, bc, bh, bw);
      if (floating) {
        double v = 0.0;
        switch (i.kind) { // one operation of two floats: the double result rounded to f32 is the f32 result
        case isa::binary_kind::add: v = av + bv; break;
        case isa::binary_kind::sub: v = av - bv; break;
        case isa::binary_kind::mul: v = av * bv; break;
        case isa::binary_kind::div: v = av / bv; break;
        case isa::binary_kind::max: v = std::max(av, bv); break;
        case isa::binary_kind::min: v = std::min(av, bv); break;
        case isa::binary_kind::pow:
          v = static_cast<double>(math::pow(static_cast<float>(av), static_cast<float>(bv)));
          break;
        case isa::binary_kind::rest: v = std::fmod(av, bv); break;
        }
        if (std::isnan(v)) v = static_cast<double>(math::nan<float>);
        const auto single = static_cast<float>(v);
        out = rounded(y.r.type, static_cast<double>(single < i.low ? i.low : single > i.high ? i.high : single));
      } else {
        const std::int64_t ai = static_cast<std::int64_t>(av) - i.a_zero;
        const std::int64_t bi = static_cast<std::int64_t>(bv) - i.b_zero;
        std::int64_t p = 0;
        switch (i.kind) {
        case isa::binary_kind::add: p = ai * i.a_multiplier + bi * i.b_multiplier; break;
        case isa::binary_kind::sub: p = ai * i.a_multiplier - bi * i.b_multiplier; break;
        case isa::binary_kind::mul: p = ai * bi * i.a_multiplier; break;
        case isa::binary_kind::max: p = std::max(ai * i.a_multiplier, bi * i.b_multiplier); break;
        default: p = std::min(ai * i.a_multiplier, bi * i.b_multiplier); break;
        }
        out = tiles::saturated(tiles::divided(p, std::int64_t{1} << i.shift) + i.y_zero, y.r.type,
                               static_cast<double>(i.low), static_cast<double>(i.high));
      }
    });
    i.a = a.r;
    i.b = b.r;
    i.y = y.r;
    m.run(i, y);
  }
}

/// The functions by the standard library, in double.
double function(isa::unary_kind kind, double x, double alpha, double beta) {
  using enum isa::unary_kind;
  const double soft = std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
  switch (kind) {
  case clip: return std::clamp(x, alpha, beta);
  case leaky_relu: return x < 0 ? alpha * x : x;
  case sigmoid: return 1 / (1 + std::exp(-x));
  case tanh: return std::tanh(x);
  case hard_sigmoid: return std::clamp(alpha * x + beta, 0.0, 1.0);
  case hard_swish: return x * std::clamp(x / 6 + 0.5, 0.0, 1.0);
  case silu: return x / (1 + std::exp(-x));
  case elu: return x < 0 ? alpha * (std::exp(x) - 1) : x;
  case softplus: return soft;
  case gelu: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  case gelu_tanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
  case erf: return std::erf(x);
  case exp: return std::exp(x);
  case log: return std::log(x);
  case sqrt: return std::sqrt(x);
  case reciprocal: return 1 / x;
  case abs: return std::abs(x);
  case neg: return -x;
  case mish: return x * std::tanh(soft);
  case softsign: return x / (1 + std::abs(x));
  case selu: return x > 0 ? beta * x : beta * (alpha * std::exp(x) - alpha);
  case floor: return std::floor(x);
  case ceil: return std::ceil(x);
  case round: return std::nearbyint(x);
  case sin: return std::sin(x);
  case cos: return std::cos(x);
  case tan: return std::tan(x);
  case asin: return std::asin(x);
  case acos: return std::acos(x);
  case atan: return std::atan(x);
  case sinh: return std::sinh(x);
  case cosh: return std::cosh(x);
  case asinh: return std::asinh(x);
  case acosh: return std::acosh(x);
  case atanh: return std::atanh(x);
  case sign: return x > 0 ? 1.0 : (x < 0 ? -1.0 : 0.0);
  case celu: return std::max(x, 0.0) + std::min(0.0, alpha * (std::exp(x / alpha) - 1));
  case thresholded_relu: return x > alpha ? x : 0.0;
  case shrink: return x < -alpha ? x + beta : (x > alpha ? x - beta : 0.0);
  case swish: return x / (1 + std::exp(-alpha * x));
  }
  return NAN;
}

/// A place where the function has a value.
double into_domain(isa::unary_kind kind, double x) {
  using enum isa::unary_kind;
  switch (kind) {
  case log:
  case sqrt: return std::abs(x);
  case asin:
  case acos:
  case atanh: return x / (1 + std::abs(x));
  case acosh: return 1 + std::abs(x);
  default: return x;
  }
}

TEST_CASE("unary") {
  for (std::int32_t kind = 0; kind <= static_cast<std::int32_t>(isa::detail::last_enumerator<isa::unary_kind>);
       ++kind) {
    const auto k = static_cast<isa::unary_kind>(kind);
    for (const dtype_id type : float_types) {
      machine m(static_cast<std::uint64_t>(kind * 3 + static_cast<int>(type)));
      tensor x = m.random(m.make(type, 2, 11, 3, 5));
      for (double& v : x.v) v = rounded(type, into_domain(k, v));
      m.write(x);
      tensor y = m.make(m.rng.between(0, 1) == 0 ? type : dtype_id::f32, 2, 11, 3, 5);
      const float alpha = k == isa::unary_kind::clip ? -1.0F : 0.2F;
      const float beta = k == isa::unary_kind::clip ? 2.0F : 0.5F;
      exec::run(isa::unary{.kind = k, .x = x.r, .y = y.r, .alpha = alpha, .beta = beta}, m.memory, m.workspace);
      // In f32 within a few ulp of the double function (relative to 1 where terms cancel); then one rounding to the type.
      const double step = y.r.type == dtype_id::f32 ? 0x1p-21 : y.r.type == dtype_id::f16 ? 0x1p-10 : 0x1p-7;
      vec<float> got;
      m.memory.read(y.r, got);
      std::size_t at = 0;
      y.each([&](auto n, auto c, auto h, auto w) {
        const double want = function(k, x.at(n, c, h, w), static_cast<double>(alpha), static_cast<double>(beta));
        const double have = static_cast<double>(got[at++]);
        if (std::isinf(want) && have == want) return;
        CHECK_MESSAGE(std::abs(have - want) <= step * std::max(1.0, std::abs(want)), isa::name_of(k), " of ",
                      x.at(n, c, h, w), ": ", have, ", wanted ", want);
        // The type holds it.
        CHECK(rounded(y.r.type, have) == have);
      });
    }
  }
}

TEST_CASE("lookup") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    machine m(seed);
    const dtype_id tx = m.rng.one_of(dtype_id::i8, dtype_id::u8);
    const dtype_id ty = m.rng.one_of(dtype_id::i8, dtype_id::u8);
    const tensor x = m.random(m.make(tx, 2, 13, 3, 4));
    const tensor table = m.random(m.make(ty, 1, 1, 1, 256, isa::spread::copy));
    tensor y = m.make(ty, 2, 13, 3, 4);
    for (std::size_t e = 0; e < y.v.size(); ++e)
      y.v[e] = table.v[static_cast<std::size_t>(x.v[e] + (tx == dtype_id::i8 ? 128 : 0))];
    m.run(isa::lookup{.x = x.r, .table = table.r, .y = y.r}, y);
  }
}

TEST_CASE("cast") {
  constexpr dtype_id all[] = {dtype_id::f32, dtype_id::f16, dtype_id::bf16, dtype_id::i8, dtype_id::u8};
  constexpr dtype_id from[] = {dtype_id::f32, dtype_id::f16, dtype_id::bf16, dtype_id::i8, dtype_id::u8, dtype_id::i32};
  for (const dtype_id tx : from) {
    for (const dtype_id ty : all) {
      for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        machine m(seed);
        auto& rng = m.rng;
        tensor x = m.random(m.make(tx, 2, 13, 3, 4));
        if (is_floating(tx)) { // ties, overflow of every type, signed zeros
          const double special[] = {0.5, -0.5, 1.25, -1.25,   1e30,     -1e30,    70000.0,
                                    0.0, -0.0, 1e-6, 65519.9, INFINITY, -INFINITY};
          std::size_t e = 0;
          for (const double v : special) x.v[e++] = rounded(tx, v);
          m.write(x);
        }
        tensor y = m.make(ty, 2, 13, 3, 4);
        isa::cast i{.x = x.r,
                    .y = y.r,
                    .scale = 0.5F,
                    .x_zero = tx == dtype_id::i32 ? 0 : rng.between(-5, 5),
                    .y_zero = rng.between(-5, 5),
                    .multiplier = rng.between(1, 9),
                    .shift = rng.between(0, 4)};
        for (std::size_t e = 0; e < y.v.size(); ++e) {
          const double v = x.v[e];
          if (is_floating(tx) && is_floating(ty)) {
            y.v[e] = rounded(ty, v);
          } else if (is_floating(tx)) {
            const double q = std::clamp(v / 0.5, -1e6, 1e6);
            y.v[e] = tiles::saturated(static_cast<std::int64_t>(std::round(q)) + i.y_zero, ty);
          } else if (is_floating(ty)) {
            y.v[e] = rounded(ty, (v - i.x_zero) * 0.5);
          } else {
            y.v[e] = tiles::saturated(
                tiles::divided((static_cast<std::int64_t>(v) - i.x_zero) * i.multiplier, std::int64_t{1} << i.shift) +
                    i.y_zero,
                ty);
          }
        }
        m.run(i, y);
      }
    }
  }
}

TEST_CASE("dequant") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    machine m(seed);
    auto& rng = m.rng;
    const dtype_id tx = rng.one_of(dtype_id::i4, dtype_id::i8, dtype_id::f8e4m3, dtype_id::f8e5m2);
    const std::int32_t c = rng.between(1, 19);
    const std::int32_t taps = rng.between(1, 3);
    const std::int32_t channels = rng.between(1, 12);
    isa::dequant i{};
    i.group = taps * rng.between(1, channels);
    const std::int32_t groups = (channels * taps + i.group - 1) / i.group;
    const std::int32_t row = i.group + i.group % 2 + 2 * rng.between(0, 1);
    const bool packed = tx == dtype_id::i4;
    // Codes byte by byte: two of i4 in each, the first in the lower half.
    const tensor x = m.random(m.make(dtype_id::u8, 1, c, groups, packed ? row / 2 : row));
    tensor scale = m.random(m.make(rng.one_of(dtype_id::f32, dtype_id::bf16), 1, c, groups, 1));
    tensor y = m.make(rng.one_of(dtype_id::f16, dtype_id::bf16, dtype_id::f32), 1, c, channels, taps);
    i.x = x.r;
    i.x.type = tx;
    i.x.w = row;
    i.scale = scale.r;
    i.y = y.r;
    y.each([&](auto n, auto k, auto h, auto w) {
      const std::int32_t e = h * taps + w;
      const std::int32_t at = e % i.group;
      const auto byte = static_cast<unsigned>(x.at(n, k, e / i.group, packed ? at / 2 : at));
      double code = 0.0;
      if (packed) {
        const auto half = static_cast<int>(at % 2 == 0 ? byte % 16 : byte / 16);
        code = half >= 8 ? half - 16 : half;
      } else if (tx == dtype_id::i8) {
        code = byte >= 128 ? static_cast<int>(byte) - 256 : static_cast<int>(byte);
      } else {
        const auto bits = static_cast<std::uint8_t>(byte);
        code = static_cast<double>(tx == dtype_id::f8e4m3 ? from_e4m3_bits(bits) : from_e5m2_bits(bits));
      }
      const double product = code * scale.at(n, k, e / i.group, 0);
      y.at(n, k, h, w) = rounded(y.r.type, static_cast<double>(static_cast<float>(product)));
    });
    m.run(i, y);
  }
}

TEST_CASE("elements of less than a byte are for dequant alone") {
  machine m(1);
  const exec::limits most{
      .lanes = tiles::lanes, .local_bytes = tiles::local_bytes, .activation_bytes = 0, .weight_bytes = 0};
  isa::dequant i{};
  i.x = m.make(dtype_id::i8, 1, 4, 2, 6).r;
  i.x.type = dtype_id::i4;
  i.scale = m.make(dtype_id::bf16, 1, 4, 2, 1).r;
  i.y = m.make(dtype_id::f16, 1, 4, 11, 1).r;
  i.group = 6;
  CHECK_NOTHROW(exec::validate(i, 0, most));
  i.group = 5; // eleven elements want more than two groups of five
  CHECK_THROWS_AS(exec::validate(i, 0, most), error);
  isa::fill f{};
  f.y = i.x;
  CHECK_THROWS_AS(exec::validate(f, 0, most), error);
  isa::compare c{};
  c.a = c.b = i.x;
  c.y = m.make(dtype_id::boolean, 1, 4, 2, 6).r;
  CHECK_THROWS_AS(exec::validate(c, 0, most), error);
}

TEST_CASE("f8 is a storage type of every float instruction") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    machine m(seed);
    const dtype_id type = m.rng.one_of(dtype_id::f8e4m3, dtype_id::f8e5m2);
    const tensor x = m.random(m.make(dtype_id::f32, 1, m.rng.between(1, 12), 3, 5));
    tensor y = m.make(type, 1, x.r.c, 3, 5);
    isa::cast i{};
    i.x = x.r;
    i.y = y.r;
    y.each([&](auto n, auto c, auto h, auto w) {
      y.at(n, c, h, w) = static_cast<double>(round_to(type, static_cast<float>(x.at(n, c, h, w))));
    });
    m.run(i, y);
    m.write(y);
    tensor z = m.make(dtype_id::f16, 1, x.r.c, 3, 5);
    i.x = y.r;
    i.y = z.r;
    z.v = y.v; // every f8 number is an f16 number
    m.run(i, z);
  }
}

TEST_CASE("reduce") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    machine m(seed);
    const auto kind = m.rng.one_of(isa::reduce_kind::sum, isa::reduce_kind::max);
    const tensor x =
        m.random(m.make(float_types[seed % 3], 2, m.rng.between(1, 17), m.rng.between(1, 5), m.rng.between(1, 6)));
    tensor y = m.make(float_types[seed % 2], 2, x.r.c, 1, 1);
    y.each([&](auto n, auto c, auto, auto) {
      float sum = 0.0F;
      double most = -INFINITY;
      for (std::int32_t h = 0; h < x.r.h; ++h)
        for (std::int32_t w = 0; w < x.r.w; ++w) {
          sum = sum + static_cast<float>(x.at(n, c, h, w));
          most = std::max(most, x.at(n, c, h, w));
        }
      y.at(n, c, 0, 0) = rounded(y.r.type, kind == isa::reduce_kind::max ? most : static_cast<double>(sum));
    });
    m.run(isa::reduce{.kind = kind, .x = x.r, .y = y.r}, y);
  }
}

/// An operand that is broadcast or not, at a place of y.
double seen_from(const tensor& t, std::int32_t n, std::int32_t c, std::int32_t h, std::int32_t w) {
  return t.at(t.r.n == 1 ? 0 : n, t.r.c == 1 ? 0 : c, t.r.h == 1 ? 0 : h, t.r.w == 1 ? 0 : w);
}

TEST_CASE("compare and select") {
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    machine m(seed);
    auto& rng = m.rng;
    const bool floating = rng.between(0, 1) == 0;
    const auto type = floating ? rng.one_of(dtype_id::f32, dtype_id::f16, dtype_id::bf16)
                               : rng.one_of(dtype_id::i8, dtype_id::u8, dtype_id::i32);
    const std::int32_t n = rng.between(1, 2);
    const std::int32_t c = rng.between(1, 17);
    const std::int32_t h = rng.between(1, 3);
    const std::int32_t w = rng.between(1, 5);
    const tensor a = broadcast_operand(m, type, n, c, h, w);
    const tensor b = broadcast_operand(m, type, n, c, h, w);
    tensor mask = m.make(dtype_id::boolean, n, c, h, w);
    const auto kind = static_cast<isa::compare_kind>(rng.between(0, 5));
    mask.each([&](auto i, auto k, auto y, auto x) {
      const double l = seen_from(a, i, k, y, x);
      const double r = seen_from(b, i, k, y, x);
      const bool all[] = {l == r, l != r, l < r, l <= r, l != 0 && r != 0, l != 0 || r != 0};
      mask.at(i, k, y, x) = all[static_cast<std::size_t>(kind)] ? 1 : 0;
    });
    m.run(isa::compare{.kind = kind, .a = a.r, .b = b.r, .y = mask.r}, mask);
    tensor chosen = m.make(type, n, c, h, w);
    chosen.each([&](auto i, auto k, auto y, auto x) {
      chosen.at(i, k, y, x) = seen_from(mask.at(i, k, y, x) != 0 ? a : b, i, k, y, x);
    });
    m.run(isa::select{.mask = mask.r, .a = a.r, .b = b.r, .y = chosen.r}, chosen);
  }
}

/// What is left of an exact result in the type: two's complement.
double wrapped_to(dtype_id type, long long v) {
  if (type == dtype_id::boolean) return v != 0 ? 1 : 0;
  if (type == dtype_id::i8) return static_cast<double>(static_cast<signed char>(v));
  if (type == dtype_id::u8) return static_cast<double>(static_cast<unsigned char>(v));
  return static_cast<double>(static_cast<int>(v));
}

TEST_CASE("integer") {
  for (std::uint64_t seed = 1; seed <= 280; ++seed) {
    machine m(seed);
    auto& rng = m.rng;
    const auto kind = static_cast<isa::integer_kind>(seed % 14);
    const auto type = rng.one_of(dtype_id::i8, dtype_id::u8, dtype_id::i32);
    const std::int32_t c = rng.between(1, 17);
    const tensor a = broadcast_operand(m, type, 2, c, 2, 3);
    tensor b = broadcast_operand(m, type, 2, c, 2, 3);
    const bool small = kind == isa::integer_kind::power || kind == isa::integer_kind::shift_left ||
                       kind == isa::integer_kind::shift_right;
    if (small) {
      for (double& v : b.v) v = rng.between(type == dtype_id::u8 ? 0 : -2, 9);
      m.write(b);
    }
    tensor y = m.make(type, 2, c, 2, 3);
    const int bits = type == dtype_id::i32 ? 32 : 8;
    y.each([&](auto n, auto k, auto h, auto w) {
      const auto l = static_cast<long long>(seen_from(a, n, k, h, w));
      const auto r = static_cast<long long>(seen_from(b, n, k, h, w));
      const unsigned long long pattern = static_cast<unsigned long long>(l) & ((1ULL << bits) - 1);
      long long v = 0;
      switch (kind) {
      case isa::integer_kind::add: v = l + r; break;
      case isa::integer_kind::sub: v = l - r; break;
      case isa::integer_kind::mul: v = l * r; break;
      case isa::integer_kind::div: v = r == 0 ? 0 : l / r; break;
      case isa::integer_kind::rest: v = r == 0 ? 0 : l % r; break;
      case isa::integer_kind::modulo:
        v = r == 0 ? 0 : l - r * static_cast<long long>(std::floor(static_cast<double>(l) / static_cast<double>(r)));
        break;
      case isa::integer_kind::power: {
        unsigned long long p = 1;
        for (long long e = 0; e < r; ++e) p *= static_cast<unsigned long long>(l);
        v = r >= 0 ? static_cast<long long>(p) : l == 1 ? 1 : l == -1 ? (r % 2 == 0 ? 1 : -1) : 0;
        break;
      }
      case isa::integer_kind::max: v = std::max(l, r); break;
      case isa::integer_kind::min: v = std::min(l, r); break;
      case isa::integer_kind::bit_and: v = l & r; break;
      case isa::integer_kind::bit_or: v = l | r; break;
      case isa::integer_kind::bit_xor: v = l ^ r; break;
      case isa::integer_kind::shift_left: v = r < 0 || r >= bits ? 0 : static_cast<long long>(pattern << r); break;
      case isa::integer_kind::shift_right: v = r < 0 || r >= bits ? 0 : static_cast<long long>(pattern >> r); break;
      }
      y.at(n, k, h, w) = wrapped_to(type, v);
    });
    m.run(isa::integer{.kind = kind, .a = a.r, .b = b.r, .y = y.r}, y);
  }
}

TEST_CASE("dma.gather and dma.scatter") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    machine m(seed);
    auto& rng = m.rng;
    const auto type = rng.one_of(dtype_id::f16, dtype_id::f32, dtype_id::i8, dtype_id::i32);
    const std::int64_t element = bytes_of(type);
    const std::int32_t rows = rng.between(1, 9);
    const std::int32_t width = rng.between(1, 5);
    const std::int32_t count = rng.between(1, 19);
    isa::global_ref all{};
    all.address = isa::global_address(isa::region::activations, 8 * element);
    all.type = type;
    all.n = all.h = 1;
    all.c = rows;
    all.w = width;
    all.w_stride = element;
    all.c_stride = (width + 1) * element;
    for (std::uint8_t& b : m.memory.activations()) b = static_cast<std::uint8_t>(rng.next() >> 50);
    const tensor index = [&] {
      tensor t = m.make(dtype_id::i32, 1, count, 1, 1);
      for (double& v : t.v) v = rng.between(-rows - 2, rows + 2);
      m.write(t);
      return t;
    }();
    const auto row = [&](std::int32_t k) { // counted from the end below 0, the nearest one outside
      const int number = static_cast<int>(index.v[static_cast<std::size_t>(k)]);
      return std::clamp(number < 0 ? number + rows : number, 0, rows - 1);
    };
    const auto bits_at = [&](std::int32_t r, std::int32_t x) {
      const std::uint8_t* at = m.memory.activations().data() + 8 * element + r * all.c_stride + x * element;
      std::uint64_t bits = 0;
      for (std::int64_t b = 0; b < element; ++b) bits |= static_cast<std::uint64_t>(at[b]) << (8 * b);
      return bits;
    };
    tensor y = m.make(type, 1, count, 1, width);
    y.each([&](auto, auto k, auto, auto x) { y.at(0, k, 0, x) = tiles::decode(type, bits_at(row(k), x)); });
    m.run(isa::dma_gather{.src = all, .index = index.r, .dst = y.r}, y);

    const tensor u = m.random(m.make(type, 1, count, 1, width));
    std::vector<std::uint64_t> want;
    for (std::int32_t r = 0; r < rows; ++r) {
      for (std::int32_t x = 0; x < width; ++x) {
        std::uint64_t bits = bits_at(r, x);
        for (std::int32_t k = 0; k < count; ++k) { // the last one stays
          if (row(k) == r) bits = tiles::encode(type, u.at(0, k, 0, x));
        }
        want.push_back(bits & (~0ULL >> (64 - 8 * element)));
      }
    }
    exec::run(isa::dma_scatter{.src = u.r, .index = index.r, .dst = all}, m.memory, m.workspace);
    std::size_t at = 0;
    for (std::int32_t r = 0; r < rows; ++r) {
      for (std::int32_t x = 0; x < width; ++x) CHECK(bits_at(r, x) == want[at++]);
    }
  }
}

TEST_CASE("dma.combine") {
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    machine m(seed);
    auto& rng = m.rng;
    const auto type =
        rng.one_of(dtype_id::f16, dtype_id::bf16, dtype_id::f32, dtype_id::i8, dtype_id::u8, dtype_id::i32);
    const auto kind =
        rng.one_of(isa::combine_kind::add, isa::combine_kind::mul, isa::combine_kind::max, isa::combine_kind::min);
    const std::int64_t element = bytes_of(type);
    const std::int32_t rows = rng.between(1, 5);
    const std::int32_t width = rng.between(1, 5);
    const std::int32_t count = rng.between(1, 19);
    isa::global_ref all{};
    all.address = isa::global_address(isa::region::activations, 8 * element);
    all.type = type;
    all.n = all.h = 1;
    all.c = rows;
    all.w = width;
    all.w_stride = 2 * element;
    all.c_stride = (2 * width + 1) * element;
    tensor there = m.random(m.make(type, 1, rows, 1, width));
    exec::run(isa::dma_store{.src = there.r, .dst = all}, m.memory, m.workspace);
    tensor index = m.make(dtype_id::i32, 1, count, 1, 1);
    for (double& v : index.v) v = rng.between(-rows - 2, rows + 2);
    m.write(index);
    const tensor u = m.random(m.make(type, 1, count, 1, width));
    for (std::int32_t k = 0; k < count; ++k) { // one after the other, each rounded or wrapped around
      const int number = static_cast<int>(index.v[static_cast<std::size_t>(k)]);
      const int row = std::clamp(number < 0 ? number + rows : number, 0, rows - 1);
      for (std::int32_t x = 0; x < width; ++x) {
        double& old = there.at(0, row, 0, x);
        const double own = u.at(0, k, 0, x);
        const double both = kind == isa::combine_kind::add   ? old + own
                            : kind == isa::combine_kind::mul ? old * own
                            : kind == isa::combine_kind::max ? std::max(old, own)
                                                             : std::min(old, own);
        old = is_floating(type) ? rounded(type, both) : wrapped_to(type, static_cast<long long>(both));
      }
    }
    const isa::dma_combine combine{.kind = kind, .src = u.r, .index = index.r, .dst = all};
    exec::validate(combine, 0,
                   {.lanes = tiles::lanes,
                    .local_bytes = tiles::local_bytes,
                    .activation_bytes = tiles::activation_bytes,
                    .weight_bytes = 0});
    exec::run(combine, m.memory, m.workspace);
    tensor got = m.make(type, 1, rows, 1, width);
    for (double& v : got.v) v = 0;
    m.run(isa::dma_load{.src = all, .dst = got.r}, [&] {
      tensor want = got;
      want.v = there.v;
      return want;
    }());
  }
}

TEST_CASE("fill") {
  for (const dtype_id type :
       {dtype_id::f32, dtype_id::f16, dtype_id::bf16, dtype_id::i8, dtype_id::u8, dtype_id::i32}) {
    for (const isa::spread spread : {isa::spread::lanes, isa::spread::copy}) {
      machine m(static_cast<std::uint64_t>(type));
      tensor y = m.make(type, 2, 11, 2, 3, spread);
      const float value = is_floating(type) ? 0.3F : 7.0F;
      for (double& v : y.v) v = rounded(type, static_cast<double>(value));
      m.run(isa::fill{.y = y.r, .value = value}, y);
    }
  }
}

/// A tensor of random strides, in any order, in the activation region.
isa::global_ref global_tile(tiles::generator& rng, dtype_id type, std::int32_t n, std::int32_t c, std::int32_t h,
                            std::int32_t w) {
  const std::int64_t element = bytes_of(type);
  isa::global_ref g{};
  g.type = type;
  g.n = n;
  g.c = c;
  g.h = h;
  g.w = w;
  g.address = isa::global_address(isa::region::activations, rng.between(0, 50) * element);
  if (rng.between(0, 1) == 0) { // w inside
    g.w_stride = element;
    g.h_stride = (w + rng.between(0, 3)) * element;
    g.c_stride = h * g.h_stride + rng.between(0, 3) * element;
    g.n_stride = c * g.c_stride;
  } else { // channels inside, as in NHWC
    g.c_stride = element;
    g.w_stride = (c + rng.between(0, 2)) * element;
    g.h_stride = w * g.w_stride;
    g.n_stride = h * g.h_stride;
  }
  return g;
}
std::uint8_t* byte_of(machine& m, const isa::global_ref& g, std::int32_t n, std::int32_t c, std::int32_t h,
                      std::int32_t w) {
  return m.memory.activations().data() + isa::offset_of(g.address) + n * g.n_stride + c * g.c_stride + h * g.h_stride +
         w * g.w_stride;
}

TEST_CASE("dma.load and dma.store") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    machine m(seed);
    auto& rng = m.rng;
    const dtype_id type =
        rng.one_of(dtype_id::f32, dtype_id::f16, dtype_id::bf16, dtype_id::i8, dtype_id::u8, dtype_id::i32);
    const isa::spread spread = rng.between(0, 3) == 0 ? isa::spread::copy : isa::spread::lanes;
    tensor t = m.make(type, rng.between(1, 2), rng.between(1, 18), rng.between(1, 4), rng.between(1, 5), spread);
    const isa::global_ref from = global_tile(rng, type, t.r.n, t.r.c, t.r.h, t.r.w);
    for (std::uint8_t& b : m.memory.activations()) b = static_cast<std::uint8_t>(rng.next() >> 50);
    const auto bits_at = [&](const std::uint8_t* at) {
      std::uint64_t bits = 0;
      for (std::int64_t b = 0; b < bytes_of(type); ++b) bits |= static_cast<std::uint64_t>(at[b]) << (8 * b);
      return bits;
    };
    t.each([&](auto n, auto c, auto h, auto w) {
      t.at(n, c, h, w) = tiles::decode(type, bits_at(byte_of(m, from, n, c, h, w)));
    });
    m.run(isa::dma_load{.src = from, .dst = t.r}, t);

    // And back to another place: only the bytes of the tile change.
    const isa::global_ref to = global_tile(rng, type, t.r.n, t.r.c, t.r.h, t.r.w);
    std::vector<std::uint8_t> want(m.memory.activations().begin(), m.memory.activations().end());
    const std::vector<std::uint8_t> source = want;
    t.each([&](auto n, auto c, auto h, auto w) {
      for (std::int64_t b = 0; b < bytes_of(type); ++b) {
        const std::ptrdiff_t at = byte_of(m, to, n, c, h, w) + b - m.memory.activations().data();
        const std::ptrdiff_t was = byte_of(m, from, n, c, h, w) + b - m.memory.activations().data();
        want[static_cast<std::size_t>(at)] = source[static_cast<std::size_t>(was)];
      }
    });
    const isa::dma_store store{.src = t.r, .dst = to};
    exec::run(store, m.memory, m.workspace);
    CHECK(std::equal(want.begin(), want.end(), m.memory.activations().begin()));
    std::copy(source.begin(), source.end(), m.memory.activations().begin());
    CHECK(exec::fast::run(store, m.memory, m.workspace, simd::kernels_of(simd::best())));
    CHECK(std::equal(want.begin(), want.end(), m.memory.activations().begin()));
  }
}

} // namespace
