// SPDX-License-Identifier: Apache-2.0
#include "tmpu/host/fast_sums.hpp"

#include "helpers.hpp"
#include "tmpu/top/matmul.hpp"

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
  const bool done = simd::top_sums.conv(s, x, w, bias, low, high, y);
  taken += done ? 1 : 0;
  return done;
}
void counted_product(const matrix_view& a, const matrix_view& b, std::int64_t rows, std::int64_t depth,
                     std::int64_t columns, float* y) {
  simd::top_sums.product(a, b, rows, depth, columns, y);
  ++taken;
}
constexpr fast_sums counted{.conv = counted_conv, .product = counted_product};

template <class Op> void compare(const typename Op::attributes& a, const vec<value>& operands, bool always = true) {
  const fast_sums* const before = std::exchange(fast_sums_in_use, nullptr);
  const vec<value> plain = apply_to<Op>(a, operands);
  const int was = taken;
  fast_sums_in_use = &counted;
  const vec<value> fast = apply_to<Op>(a, operands);
  fast_sums_in_use = before;
  if (always) CHECK(taken == was + 1);
  bool same = plain[0].f.size() == fast[0].f.size();
  for (std::size_t i = 0; same && i < plain[0].f.size(); ++i)
    same = std::bit_cast<std::uint32_t>(plain[0].f[i]) == std::bit_cast<std::uint32_t>(fast[0].f[i]) ||
           (std::isnan(plain[0].f[i]) && std::isnan(fast[0].f[i]));
  CHECK(same);
}

TEST_CASE("the header alone is enough") { CHECK(fast_sums_in_use == &simd::top_sums); }

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
    compare<top::gemm>({.transA = left, .transB = right}, {rng.tensor(a), rng.tensor(b)}, m * k * n >= 4096);
  }
  compare<top::matmul>({}, {rng.tensor({2, 3, 20, 31}), rng.tensor({3, 31, 17})}, false);
}

} // namespace
