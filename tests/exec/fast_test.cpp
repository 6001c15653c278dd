// SPDX-License-Identifier: Apache-2.0
#include "tmpu/exec/fast.hpp"

#include "tiles.hpp"
#include "tmpu/core/quantize.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

// Tiles that take several vectors, with remainders in every direction: the kernels of every level against exec::run. (That exec::run is right, and
// the kernels on small tiles, is the work of the other suites.)
namespace {

using namespace tmpu;
using tiles::machine;
using tiles::tensor;

/// Runs the instruction by its meaning and by the kernels, which have to take it.
template <class Instruction> void compare(machine& m, const Instruction& i) {
  exec::validate(i, 0,
                 {.lanes = tiles::lanes,
                  .local_bytes = tiles::local_bytes,
                  .activation_bytes = tiles::activation_bytes,
                  .weight_bytes = 0});
  const auto before = m.snapshot();
  exec::run(i, m.memory, m.workspace);
  const auto after = m.snapshot();
  const int taken = machine::fast;
  m.run_fast(i, before, after);
  CHECK(machine::fast > taken);
}

struct types {
  dtype_id x, w, y;
};
types random_types(tiles::generator& rng) {
  if (rng.between(0, 2) != 0)
    return {rng.one_of(dtype_id::i8, dtype_id::u8), dtype_id::i8,
            rng.one_of(dtype_id::i8, dtype_id::u8, dtype_id::i32)};
  const dtype_id type = rng.one_of(dtype_id::f32, dtype_id::f16, dtype_id::bf16);
  return {type, rng.one_of(type, dtype_id::f32), rng.one_of(type, dtype_id::f32)};
}
tensor random_params(machine& m, bool floating, std::int32_t channels) {
  if (floating) return m.random(m.make(dtype_id::f32, 1, channels, 1, 1));
  tensor p = m.make(dtype_id::i32, 1, channels, 1, 3);
  for (std::int32_t c = 0; c < channels; ++c) {
    // Now and then what no compiler writes: sums that overflow with their bias, shifts of nothing, negative multipliers.
    const bool odd = m.rng.between(0, 7) == 0;
    p.at(0, c, 0, 0) = odd ? m.rng.one_of(0x7FFF'FFFF, -0x7FFF'FFFF - 1) : m.rng.between(-200'000, 200'000);
    p.at(0, c, 0, 1) = odd ? m.rng.between(-9, 9) : m.rng.between(1 << 30, 0x7FFF'FFFF);
    p.at(0, c, 0, 2) = odd ? m.rng.between(0, 3) : m.rng.between(31, 44);
  }
  m.write(p);
  return p;
}
template <class Instruction> void set_finish(machine& m, Instruction& i, bool floating) {
  i.low = -std::numeric_limits<float>::infinity();
  i.high = std::numeric_limits<float>::infinity();
  if (m.rng.between(0, 1) == 0) {
    i.low = floating ? -1.5F : static_cast<float>(m.rng.between(-100, 0));
    i.high = floating ? 6.0F : static_cast<float>(m.rng.between(1, 120));
  }
  if (!floating) i.y_zero = m.rng.between(-20, 20);
}
std::int32_t extent(std::int32_t out, std::int32_t kernel, std::int32_t stride, std::int32_t dilation,
                    std::int32_t pad) {
  return std::max(1, (out - 1) * stride + (kernel - 1) * dilation + 1 - 2 * pad);
}
template <class Instruction> void set_window(machine& m, Instruction& i) {
  i.kernel_h = m.rng.between(1, 3);
  i.kernel_w = m.rng.between(0, 3) == 0 ? m.rng.between(4, 7) : m.rng.between(1, 3);
  i.stride_h = m.rng.between(1, 2);
  i.stride_w = m.rng.between(0, 5) == 0 ? 5 : m.rng.between(1, 2);
  i.dilation_h = m.rng.between(1, 2);
  i.dilation_w = m.rng.between(1, 2);
  i.pad_top = m.rng.between(0, 1);
  i.pad_left = m.rng.between(0, 2);
  if (m.rng.between(0, 2) == 0) { // a matrix product over places
    i.kernel_h = i.kernel_w = i.stride_h = i.stride_w = 1;
    i.pad_top = i.pad_left = 0;
  }
}

TEST_CASE("conv") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    machine m(seed);
    const types type = random_types(m.rng);
    const bool floating = is_floating(type.x);
    isa::conv i{};
    set_window(m, i);
    i.groups = m.rng.between(0, 2) == 0 ? 2 : 1;
    const std::int32_t ic = m.rng.between(1, 9);
    const std::int32_t oc = m.rng.between(1, 9);
    const std::int32_t n = m.rng.between(1, 2);
    const std::int32_t oh = m.rng.between(1, 6);
    const std::int32_t ow = m.rng.between(1, 23);
    const bool dense = m.rng.between(0, 1) == 0;
    const auto spread = isa::spread::lanes;
    i.x = m.random(m.make(type.x, n, i.groups * ic, extent(oh, i.kernel_h, i.stride_h, i.dilation_h, i.pad_top),
                          extent(ow, i.kernel_w, i.stride_w, i.dilation_w, i.pad_left), spread, dense))
              .r;
    i.weight = m.random(m.make(type.w, 1, i.groups * oc, ic, i.kernel_h * i.kernel_w, spread, true)).r;
    i.params = random_params(m, floating, i.groups * oc).r;
    i.y = m.make(type.y, n, i.groups * oc, oh, ow, spread, dense).r;
    i.part = {.resume = m.rng.between(0, 2) == 0, .finish = m.rng.between(0, 2) != 0};
    i.partial = m.random(m.make(floating ? dtype_id::f32 : dtype_id::i32, n, i.y.c, oh, ow, spread, dense)).r;
    i.pad_value = floating ? 0 : m.rng.between(type.x == dtype_id::u8 ? 0 : -20, 20);
    set_finish(m, i, floating);
    compare(m, i);
  }
}

TEST_CASE("depthwise") {
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    machine m(seed);
    const types type = random_types(m.rng);
    const bool floating = is_floating(type.x);
    isa::depthwise i{};
    set_window(m, i);
    const std::int32_t c = m.rng.between(1, 11);
    const std::int32_t oh = m.rng.between(1, 6);
    const std::int32_t ow = m.rng.between(1, 40);
    i.x = m.random(m.make(type.x, 1, c, extent(oh, i.kernel_h, i.stride_h, i.dilation_h, i.pad_top),
                          extent(ow, i.kernel_w, i.stride_w, i.dilation_w, i.pad_left)))
              .r;
    i.weight = m.random(m.make(type.w, 1, c, 1, i.kernel_h * i.kernel_w)).r;
    i.params = random_params(m, floating, c).r;
    i.y = m.make(type.y, 1, c, oh, ow).r;
    i.pad_value = floating ? 0 : m.rng.between(type.x == dtype_id::u8 ? 0 : -20, 20);
    set_finish(m, i, floating);
    compare(m, i);
  }
}

TEST_CASE("matmul") {
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    machine m(seed);
    const types type = random_types(m.rng);
    const bool floating = is_floating(type.x);
    isa::matmul i{};
    // One long sum in a while: K is cut for the caches.
    const std::int32_t k = seed % 20 == 0 ? 6000 : m.rng.between(1, 200);
    const std::int32_t rows = seed % 20 == 0 ? 1 : m.rng.between(1, 70);
    const std::int32_t columns = seed % 20 == 0 ? 5 : m.rng.between(1, 21);
    i.x = m.random(m.make(type.x, rows, 1, k, 1, isa::spread::copy, true)).r;
    i.weight = m.random(m.make(type.w, 1, columns, k, 1, isa::spread::lanes, true)).r;
    i.params = random_params(m, floating, columns).r;
    i.y = m.make(type.y, rows, columns, 1, 1).r;
    i.part = {.resume = m.rng.between(0, 2) == 0, .finish = m.rng.between(0, 2) != 0};
    i.partial = m.random(m.make(floating ? dtype_id::f32 : dtype_id::i32, rows, columns, 1, 1)).r;
    set_finish(m, i, floating);
    compare(m, i);
  }
}

TEST_CASE("pool") {
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    machine m(seed);
    isa::pool i{};
    set_window(m, i);
    const bool average = seed % 2 == 0;
    i.kind = average ? isa::pool_kind::average : isa::pool_kind::max;
    if (average) i.dilation_h = i.dilation_w = 1;
    i.stride_w = std::min(i.stride_w, i.kernel_w); // each window has a tap inside of x
    i.pad_left = std::min(i.pad_left, i.kernel_w - 1);
    i.pad_top = std::min(i.pad_top, i.kernel_h - 1);
    i.count_pad = m.rng.between(0, 1) == 0;
    i.x_zero = m.rng.between(-10, 10);
    i.y_zero = m.rng.between(-10, 10);
    i.multiplier = m.rng.between(1 << 30, 0x7FFF'FFFF);
    i.shift = m.rng.between(29, 32);
    const dtype_id type = m.rng.one_of(dtype_id::i8, dtype_id::u8);
    const std::int32_t c = m.rng.between(1, 9);
    const std::int32_t oh = m.rng.between(1, 6);
    const std::int32_t ow = m.rng.between(1, 40);
    i.x = m.random(m.make(type, 1, c, extent(oh, i.kernel_h, i.stride_h, i.dilation_h, i.pad_top),
                          extent(ow, i.kernel_w, i.stride_w, i.dilation_w, i.pad_left), isa::spread::lanes,
                          seed % 3 == 0))
              .r;
    i.y = m.make(average ? m.rng.one_of(dtype_id::i8, dtype_id::u8) : type, 1, c, oh, ow).r;
    if (average && seed % 4 == 0) { // the whole plane
      i.kernel_h = i.x.h;
      i.kernel_w = i.x.w;
      i.pad_top = i.pad_left = 0;
      i.y.h = i.y.w = 1;
    }
    compare(m, i);
  }
}

TEST_CASE("binary") {
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    machine m(seed);
    isa::binary i{};
    i.kind = m.rng.one_of(isa::binary_kind::add, isa::binary_kind::sub, isa::binary_kind::mul, isa::binary_kind::max,
                          isa::binary_kind::min);
    const std::int32_t c = m.rng.between(1, 8);
    const bool wide = seed % 16 == 2; // more than is worked on at a time
    const std::int32_t h = wide ? 2 : m.rng.between(1, 4);
    const std::int32_t w = wide ? 1300 : m.rng.between(1, 40);
    const bool floating = seed % 2 == 0;
    const auto type = [&] {
      return floating                          ? m.rng.one_of(dtype_id::f32, dtype_id::f16, dtype_id::bf16)
             : i.kind == isa::binary_kind::mul ? m.rng.one_of(dtype_id::i8, dtype_id::u8)
                                               : m.rng.one_of(dtype_id::i8, dtype_id::u8, dtype_id::i32);
    };
    const bool dense = m.rng.between(0, 1) == 0;
    i.a = m.random(m.make(type(), 1, c, h, w, isa::spread::lanes, dense)).r;
    i.b = m.random(m.make(type(), 1, c, seed % 3 == 0 ? 1 : h, seed % 5 == 0 ? 1 : w, isa::spread::lanes, dense)).r;
    dtype_id result = type();
    if (result == dtype_id::i32) result = dtype_id::i8;
    i.y = m.make(result, 1, c, h, w, isa::spread::lanes, dense).r;
    if (seed % 4 == 0 && i.a.type != dtype_id::i32) { // over its operand
      const dtype_id as = i.y.type;
      i.y = i.a;
      if (bytes_of(as) == bytes_of(i.a.type)) i.y.type = as;
    }
    i.a_zero = m.rng.between(-128, 255);
    i.b_zero = m.rng.between(-128, 255);
    i.a_multiplier = m.rng.between(-5, 0x7FFF'FF00);
    i.b_multiplier = m.rng.one_of(-1, 1) * m.rng.between(0, 0x7FFF'FFFE);
    if (i.a.type == dtype_id::i32) i.a_zero = 0, i.a_multiplier /= 2;
    if (i.b.type == dtype_id::i32) i.b_zero = 0, i.b_multiplier /= 2;
    i.shift = m.rng.one_of(0, 30, 31, 33, 40);
    set_finish(m, i, floating);
    compare(m, i);
  }
}

TEST_CASE("quantize") {
  tiles::generator rng(5);
  for (int run = 0; run < 60; ++run) {
    const float scale = run % 3 == 0 ? 0.5F : static_cast<float>(rng.between(1, 1'000'000)) / 1.0e7F;
    const std::int32_t zero = rng.between(-128, 127);
    std::vector<float> x;
    for (int i = 0; i < 37; ++i)
      x.push_back(run % 3 == 0 ? static_cast<float>(rng.between(-600, 600)) / 4.0F : rng.real());
    x[3] = std::numeric_limits<float>::quiet_NaN();
    x[4] = INFINITY;
    x[30] = -INFINITY;
    x[36] = -3.0e38F;
    for (const simd::level l : {simd::level::portable, simd::level::avx2, simd::level::avx512}) {
      if (!simd::has(l)) continue;
      std::uint8_t q[37];
      simd::kernels_of(l).quantize(q, x.data(), 37, scale, zero, -128, 127);
      for (std::size_t i = 0; i < 37; ++i)
        CHECK(static_cast<std::int8_t>(q[i]) == quantize_input(x[i], scale, zero, -128, 127));
    }
  }
}

TEST_CASE("partial sums that no program leaves") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    machine m(seed);
    isa::matmul i{};
    const std::int32_t rows = seed % 2 == 0 ? 2 : 9;
    i.x = m.random(m.make(m.rng.one_of(dtype_id::i8, dtype_id::u8), rows, 1, 30, 1, isa::spread::copy, true)).r;
    i.weight = m.random(m.make(dtype_id::i8, 1, 5, 30, 1, isa::spread::lanes, true)).r;
    i.params = random_params(m, false, 5).r;
    i.y = m.make(dtype_id::i8, rows, 5, 1, 1).r;
    i.part = {.resume = true, .finish = seed % 3 != 0};
    tensor partial = m.make(dtype_id::i32, rows, 5, 1, 1);
    for (double& v : partial.v) v = m.rng.one_of(2147483647.0, -2147483648.0, 2147483000.0, 5.0);
    m.write(partial);
    i.partial = partial.r;
    set_finish(m, i, false);
    compare(m, i);
  }
}

// Padding is no tap: where a zero beside x would make a NaN of an infinite weight, or +0 of a sum of -0, the kernels step aside.
TEST_CASE("weights without a number beside the padding") {
  machine m(7);
  isa::conv i{};
  i.groups = 1;
  i.kernel_h = i.kernel_w = 3;
  i.stride_h = i.stride_w = i.dilation_h = i.dilation_w = 1;
  i.pad_top = i.pad_left = 1;
  i.low = -INFINITY;
  i.high = INFINITY;
  i.part = {.resume = false, .finish = true};
  tensor w = m.random(m.make(dtype_id::f32, 1, 2, 1, 9));
  w.at(0, 1, 0, 0) = INFINITY; // the first tap: outside of x for the first row
  m.write(w);
  i.x = m.random(m.make(dtype_id::f32, 1, 1, 4, 4)).r;
  i.weight = w.r;
  i.params = m.random(m.make(dtype_id::f32, 1, 2, 1, 1)).r;
  i.y = m.make(dtype_id::f32, 1, 2, 4, 4).r;
  i.partial = m.random(m.make(dtype_id::f32, 1, 2, 4, 4)).r;
  for (const bool resume : {false, true}) {
    i.part.resume = resume;
    const auto before = m.snapshot();
    exec::run(i, m.memory, m.workspace);
    const auto after = m.snapshot();
    for (const simd::level l : {simd::level::portable, simd::best()}) {
      m.restore(before);
      CHECK_FALSE(exec::fast::run(i, m.memory, m.workspace, simd::kernels_of(l)));
      exec::run(i, m.memory, m.workspace);
      CHECK(m.snapshot() == after);
    }
    m.restore(before);
  }
}

} // namespace
