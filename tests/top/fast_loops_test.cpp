// SPDX-License-Identifier: Apache-2.0
#include "tmpu/host/fast_loops.hpp"

#include "helpers.hpp"
#include "tmpu/top/attention.hpp"
#include "tmpu/top/elementwise.hpp"
#include "tmpu/top/matmul.hpp"
#include "tmpu/top/softmax.hpp"

#include <doctest/doctest.h>

#include <cmath>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" // attributes that are left out are the defaults
#endif

// Convolutions and products by vector kernels have the bits of the operators' own loops.
namespace {

using namespace top_test;
namespace top = tmpu::top;

struct generator {
  std::uint64_t state = 1;
  std::int64_t between(std::int64_t low, std::int64_t high) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return low + static_cast<std::int64_t>((state >> 33) % static_cast<std::uint64_t>(high - low + 1));
  }
  value tensor(const shape& dims) {
    value v(dtype_id::f32, dims);
    for (float& x : v.f) x = static_cast<float>(between(-1'000'000, 1'000'000)) / 131'072.0F;
    return v;
  }
};

int taken = 0; ///< calls that the kernels did not decline
bool counted_conv(const sum_shape& s, const float* x, const float* w, const float* bias, float low, float high,
                  float* y) {
  const bool done = simd::top_loops.conv(s, x, w, bias, low, high, y);
  taken += done ? 1 : 0;
  return done;
}
void counted_product(const matrix_view& a, const matrix_view& b, std::int64_t rows, std::int64_t depth,
                     std::int64_t columns, const product_end& end, float* y) {
  simd::top_loops.product(a, b, rows, depth, columns, end, y);
  ++taken;
}
void counted_exp(float* to, const float* from, std::int64_t count) {
  simd::top_loops.exp(to, from, count);
  ++taken;
}
void counted_erf(float* to, const float* from, std::int64_t count) {
  simd::top_loops.erf(to, from, count);
  ++taken;
}
constexpr fast_loops counted{.conv = counted_conv, .product = counted_product, .exp = counted_exp, .erf = counted_erf};

template <class Op> void compare(const typename Op::attributes& a, const vec<value>& operands, bool always = true) {
  const fast_loops* const before = std::exchange(fast_loops_in_use, nullptr);
  const vec<value> plain = apply_to<Op>(a, operands);
  const int was = taken;
  fast_loops_in_use = &counted;
  const vec<value> fast = apply_to<Op>(a, operands);
  fast_loops_in_use = before;
  if (always) CHECK(taken == was + 1);
  bool same = plain[0].f.size() == fast[0].f.size();
  for (std::size_t i = 0; same && i < plain[0].f.size(); ++i)
    same = std::bit_cast<std::uint32_t>(plain[0].f[i]) == std::bit_cast<std::uint32_t>(fast[0].f[i]) ||
           (std::isnan(plain[0].f[i]) && std::isnan(fast[0].f[i]));
  CHECK(same);
}

TEST_CASE("the header alone is enough") { CHECK(fast_loops_in_use == &simd::top_loops); }

TEST_CASE("conv") {
  generator rng;
  for (int run = 0; run < 60; ++run) {
    const std::int64_t group = rng.between(0, 2) == 0 ? rng.between(2, 5) : 1;
    const std::int64_t channels = rng.between(1, 7);
    const std::int64_t outputs = group * rng.between(1, 9);
    const std::int64_t kernel = run % 3 == 0 ? 1 : rng.between(1, 4);
    top::conv::attributes a{.group = group};
    shape x{rng.between(1, 2), group * channels, rng.between(6, 17), run % 6 == 0 ? 16 : rng.between(6, 40)};
    shape w{outputs, channels, kernel, rng.between(1, kernel)};
    if (run % 3 != 0) {
      a.strides = {rng.between(1, 3), rng.between(1, 2)};
      a.pads = {rng.between(0, 1), rng.between(0, 1), rng.between(0, 2), rng.between(0, 1)};
      a.dilations = {rng.between(1, 2), 1};
    }
    if (rng.between(0, 1) == 0) a.clamp = {-1.0F, 6.0F};
    vec<value> operands{rng.tensor(x), rng.tensor(w)};
    if (rng.between(0, 1) == 0) operands.push_back(rng.tensor({outputs}));
    compare<top::conv>(a, operands);
  }
  value w = rng.tensor({3, 2, 3, 3});
  w.f[0] = INFINITY; // a tap that the first outputs have in the padding
  compare<top::conv>({.pads = {1, 1, 1, 1}}, {rng.tensor({1, 2, 5, 9}), w}, false);
}

TEST_CASE("gemm and matmul") {
  generator rng;
  for (int run = 0; run < 60; ++run) {
    const std::int64_t m = run % 4 == 0 ? rng.between(1, 3) : rng.between(1, 70);
    const std::int64_t k = run % 15 == 0 ? 3000 : rng.between(1, 90);
    const std::int64_t n = run % 5 == 0 ? rng.between(1, 3) : rng.between(1, 140);
    const std::int64_t left = rng.between(0, 1);
    const std::int64_t right = rng.between(0, 1);
    const shape a = left != 0 ? shape{k, m} : shape{m, k};
    const shape b = right != 0 ? shape{n, k} : shape{k, n};
    top::gemm::attributes with{.transA = left, .transB = right};
    vec<value> operands{rng.tensor(a), rng.tensor(b)};
    if (run % 3 == 1) operands.push_back(rng.tensor(run % 2 == 0 ? shape{n} : shape{m, 1}));
    if (run % 7 < 3) with.clamp = {-2.0F, 5.0F};
    compare<top::gemm>(with, operands, m * k * n >= 4096);
  }
  compare<top::matmul>({}, {rng.tensor({2, 3, 20, 31}), rng.tensor({3, 31, 17})}, false);
}

/// The kernels of every level beside those of plain C++.
TEST_CASE("kernels of every level") {
  generator rng;
  for (const simd::level l : {simd::level::avx2, simd::level::avx512}) {
    if (!simd::has(l)) continue;
    const simd::kernels& plain = simd::kernels_of(simd::level::portable);
    const simd::kernels& fast = simd::kernels_of(l);
    for (int run = 0; run < 40; ++run) {
      const std::int64_t count = rng.between(1, 30);
      const std::int64_t width = rng.between(1, 64);
      const std::int64_t vectors = ceil_div(width, simd::vector);
      const value panel = rng.tensor({count, simd::tile_places});
      const value weights = rng.tensor({4, count});
      const value given = rng.tensor({4, simd::tile_places});
      const float* rows[4];
      for (std::int64_t r = 0; r < 4; ++r) rows[r] = weights.f.data() + r * count;
      const bool resume = run % 2 == 0;
      const auto both = [&](const simd::kernels& k, bool one, bool ends) {
        value sums = given;
        value y(dtype_id::f32, {4, simd::tile_places});
        simd::fused_end end;
        end.width = width;
        for (std::size_t r = 0; r < (run % 3 == 0 ? 3U : 4U); ++r) {
          end.y[r] = y.f.data() + r * simd::tile_places;
          end.f[r] = {static_cast<float>(r), -20.0F, 30.0F};
        }
        const bool odd = (one ? k.fused_row : k.fused_tile)(panel.f.data(), count, rows, run % 4 < 2 ? rows : nullptr,
                                                            sums.f.data(), vectors, resume, ends ? &end : nullptr);
        CHECK(!odd);
        return ends ? y.f : sums.f;
      };
      for (const bool one : {false, true}) {
        CHECK(both(plain, one, true) == both(fast, one, true));
        const vec<float> a = both(plain, one, false);
        const vec<float> b = both(fast, one, false);
        for (std::size_t i = 0; i < a.size(); ++i) {
          if (static_cast<std::int64_t>(i) % simd::tile_places < width) CHECK(a[i] == b[i]);
        }
      }

      const value many = rng.tensor({simd::tall_rows, count});
      const auto tall = [&](const simd::kernels& k, bool ends) {
        value sums(dtype_id::f32, {simd::tall_rows, simd::tile_places});
        value y = sums;
        const float* each[simd::tall_rows];
        simd::fused_end end;
        end.width = run % 16 + 1;
        for (std::int64_t r = 0; r < simd::tall_rows; ++r) {
          each[r] = many.f.data() + r * count;
          end.y[r] = r == run % 20 ? nullptr : y.f.data() + r * simd::tile_places;
          end.f[r] = {static_cast<float>(r), -20.0F, 30.0F};
        }
        CHECK(!k.fused_tall(panel.f.data(), count, each, run % 4 < 2 ? each : nullptr, sums.f.data(), 1, resume,
                            ends ? &end : nullptr));
        return ends ? y.f : sums.f;
      };
      CHECK(tall(plain, true) == tall(fast, true));
      CHECK(tall(plain, false) == tall(fast, false));

      const value x = rng.tensor({8, 1000});
      const float* at[8];
      for (std::int64_t t = 0; t < 8; ++t) at[t] = x.f.data() + t * 1000 + t;
      const std::int64_t lines = rng.between(1, 9);
      const auto taps = [&](const simd::kernels& k, float bias) {
        value y(dtype_id::f32, {lines * width + 1});
        const bool odd = k.taps(y.f.data(), at, width + run % 3, weights.f.data(), count < 8 ? count : 8, lines, width,
                                {bias, -3.0F, 40.0F});
        CHECK(odd == (bias != bias));
        CHECK(y.f.back() == 0.0F);
        return y.f;
      };
      CHECK(taps(plain, 1.0F) == taps(fast, 1.0F));
      static_cast<void>(taps(plain, NAN));
      static_cast<void>(taps(fast, NAN));

      const std::int64_t high = rng.between(1, 30);
      const std::int64_t across = rng.between(1, 20);
      const auto moved = [&](const simd::kernels& k) {
        value some(dtype_id::f32, {2, 5 * simd::tile_places});
        float* to = some.f.data();
        const std::int64_t line = run % 2 == 0 ? 7 : 20;
        k.halves(to, to + 2 * simd::tile_places, x.f.data() + run, width);
        k.runs(to + 4 * simd::tile_places, x.f.data(), {1 + run % line, line, line + 3}, width);
        vec<float> all(std::span<const float>(to, static_cast<std::size_t>(4 * simd::tile_places)));
        all.append(std::span<const float>(to + 4 * simd::tile_places, static_cast<std::size_t>(width)));
        value turned(dtype_id::f32, {high, across + run % 3}); // nothing is written between the rows
        k.turn(turned.f.data(), across + run % 3, x.f.data(), high + run % 7, high, across);
        all.append(turned.f.span());
        value spread(dtype_id::f32, {300});
        k.runs(spread.f.data(), x.f.data(), {13, 13, 20, 3}, 13 * (run % 7 + 1)); // zeros are between the runs
        all.append(spread.f.span());
        return all;
      };
      CHECK(moved(plain) == moved(fast));
    }
  }
}

TEST_CASE("functions") {
  generator rng;
  // All exponents alike, and what has no number.
  value x(dtype_id::f32, {1000});
  for (std::size_t i = 0; i < x.f.size(); ++i)
    x.f[i] = std::ldexp(static_cast<float>(rng.between(-1'000'000, 1'000'000)) * 1e-6F, static_cast<int>(i % 40) - 30);
  const float odd[] = {0.0F,   -0.0F,   INFINITY, -INFINITY, NAN,   88.8F, -88.8F,
                       150.1F, -104.0F, -150.1F,  1.0F,      -1.0F, 6.0F};
  for (std::size_t i = 0; i < std::size(odd); ++i) x.f[i * 7] = odd[i];
#if defined(__x86_64__)
  const auto same_bits = [&](auto&& of, auto&& plain) {
    value y = x;
    value z = x;
    of(y.f.data(), x.f.data(), 1000);
    plain(z.f.data(), x.f.data(), 1000);
    for (std::size_t i = 0; i < x.f.size(); ++i)
      CHECK(std::bit_cast<std::uint32_t>(y.f[i]) == std::bit_cast<std::uint32_t>(z.f[i]));
  };
  if (simd::has(simd::level::avx2)) {
    same_bits(simd::avx2::exp, simd::portable::exp);
    same_bits(simd::avx2::erf, simd::portable::erf);
  }
  if (simd::has(simd::level::avx512)) {
    same_bits(simd::avx512::exp, simd::portable::exp);
    same_bits(simd::avx512::erf, simd::portable::erf);
  }
#endif
  compare<top::exp>({}, {x});
  compare<top::erf>({}, {x});
  compare<top::gelu>({}, {x});
  compare<top::sigmoid>({}, {x});
  compare<top::silu>({}, {x});
  compare<top::softmax>({.axis = 1}, {rng.tensor({1, 37})});
  compare<top::attention>({}, {rng.tensor({1, 1, 3, 4}), rng.tensor({1, 1, 5, 4}), rng.tensor({1, 1, 5, 4})}, false);
  compare<top::attention>({.is_causal = 1},
                          {rng.tensor({2, 3, 19, 8}), rng.tensor({2, 3, 33, 8}), rng.tensor({2, 3, 33, 9})}, false);
}

} // namespace
