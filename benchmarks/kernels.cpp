// SPDX-License-Identifier: Apache-2.0
// tmpu-test: optimize=3
// The kernels of single instructions in operations a second, at every level that the processor has, beside the peak of the instruction that they
// are made of: bench_kernels (Google Benchmark: --benchmark_filter=conv, ...). The machine has the lanes of bm1684x.
#include "tmpu/exec/fast.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>

namespace {

using namespace tmpu;

constexpr simd::level levels[] = {simd::level::portable, simd::level::avx2, simd::level::avx512};

void report(benchmark::State& state, double operations) {
  state.counters["GOP/s"] = benchmark::Counter(operations * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

/// The tile kernel by itself: words of one tap after the other, all in the first-level cache. What the convolutions come near to.
template <bool Real> void peak(benchmark::State& state) {
  const simd::level l = levels[state.range(0)];
  const simd::kernels& k = simd::kernels_of(l);
  constexpr std::int64_t words = 64;
  alignas(64) static simd::word x[words * 16 + simd::tile_places];
  alignas(64) static std::uint8_t w[4][words * 4];
  alignas(64) static std::int32_t sums[4 * simd::tile_places];
  std::int32_t offsets[words];
  for (std::int64_t i = 0; i < words; ++i) offsets[i] = static_cast<std::int32_t>(i * 16);
  const std::uint8_t* rows[] = {w[0], w[1], w[2], w[3]};
  const std::int32_t start[4] = {};
  for (auto _ : state) {
    (Real ? k.real_tile : k.integer_tile)(x, offsets, words, rows, sums, 4, start);
    benchmark::DoNotOptimize(sums);
  }
  report(state, 2.0 * static_cast<double>((Real ? 1 : k.bytes) * words * 4 * simd::tile_places));
  state.SetLabel(std::string(simd::name_of(l)));
}
BENCHMARK(peak<false>)->Name("peak/int8")->DenseRange(0, 2);
BENCHMARK(peak<true>)->Name("peak/f32")->DenseRange(0, 2);

/// A machine with operands behind each other, from random bytes.
class machine {
public:
  machine() : memory_(lanes, bytes, 64, {}) {
    std::uint32_t seed = 1;
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      std::uint8_t* at = memory_.plane({.address = 0, .type = dtype_id::u8, .spread = isa::spread::copy}, 0, 0, lane);
      for (std::int64_t i = 0; i < bytes; ++i)
        at[i] = static_cast<std::uint8_t>((seed = seed * 1664525U + 1013904223U) >> 24);
    }
  }
  isa::local_ref operand(isa::layout how, dtype_id type, std::int64_t n, std::int64_t c, std::int64_t h,
                         std::int64_t w) {
    constexpr chip::facts facts{.lanes = lanes, .eu_bytes = 64, .local_bytes = bytes};
    const isa::local_ref r = isa::make_local(facts, how, type, n, c, h, w, next_);
    next_ += round_up(isa::lane_bytes(facts, how, type, n, c, h, w), 64);
    return r;
  }
  /// Values that floats calculate with as usual: random bits have denormals and worse.
  void calm(const isa::local_ref& r) {
    vec<float> values(static_cast<std::size_t>(std::int64_t{r.n} * r.c * r.h * r.w));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 17) - 8.0F;
    memory_.write(r, values);
  }
  void set_params(const isa::local_ref& r) {
    if (is_floating(r.type)) return calm(r);
    vec<std::int32_t> values;
    for (std::int32_t c = 0; c < r.c; ++c) {
      values.push_back(100 * c);
      values.push_back(0x5000'0000);
      values.push_back(40);
    }
    memory_.write(r, values);
  }
  template <class Instruction> void run(benchmark::State& state, const Instruction& i, double operations) {
    const simd::level l = levels[state.range(0)];
    state.SetLabel(std::string(simd::name_of(l)));
    for (auto _ : state) {
      if (!exec::fast::run(i, memory_, space_, simd::kernels_of(l))) state.SkipWithError("no kernel takes it");
      benchmark::ClobberMemory();
    }
    report(state, operations);
  }

private:
  static constexpr std::int32_t lanes = 64;
  static constexpr std::int64_t bytes = 512 * 1024;
  exec::memory memory_;
  exec::workspace space_;
  std::int64_t next_ = 0;
};

struct shape_of_conv {
  std::int32_t channels, size, outputs, kernel, stride;
};
template <dtype_id X, dtype_id W> void conv(benchmark::State& state, shape_of_conv s) {
  machine m;
  const std::int32_t out = s.size / s.stride;
  isa::conv i{.x = m.operand(isa::layout::aligned, X, 1, s.channels, s.size, s.size),
              .weight = m.operand(isa::layout::compact, W, 1, s.outputs, s.channels, s.kernel * s.kernel),
              .params = m.operand(isa::layout::compact, is_floating(X) ? dtype_id::f32 : dtype_id::i32, 1, s.outputs, 1,
                                  is_floating(X) ? 1 : 3),
              .partial = {},
              .y = m.operand(isa::layout::aligned, X, 1, s.outputs, out, out),
              .groups = 1,
              .kernel_h = s.kernel,
              .kernel_w = s.kernel,
              .stride_h = s.stride,
              .stride_w = s.stride,
              .dilation_h = 1,
              .dilation_w = 1,
              .pad_top = s.kernel / 2,
              .pad_left = s.kernel / 2,
              .pad_value = 0,
              .part = {.resume = false, .finish = true},
              .y_zero = 0,
              .low = -1e30F,
              .high = 1e30F};
  if (is_floating(X)) {
    m.calm(i.x);
    m.calm(i.weight);
  }
  m.set_params(i.params);
  m.run(state, i, 2.0 * s.outputs * out * out * s.channels * s.kernel * s.kernel);
}
constexpr auto conv_u8 = conv<dtype_id::u8, dtype_id::i8>;
constexpr auto conv_i8 = conv<dtype_id::i8, dtype_id::i8>;
constexpr auto conv_f32 = conv<dtype_id::f32, dtype_id::f32>;
constexpr auto conv_f16 = conv<dtype_id::f16, dtype_id::f16>;
BENCHMARK_CAPTURE(conv_u8, 3x3_64_64_56x56, shape_of_conv{64, 56, 64, 3, 1})->DenseRange(0, 2);
BENCHMARK_CAPTURE(conv_i8, 3x3_64_64_56x56, shape_of_conv{64, 56, 64, 3, 1})->DenseRange(0, 2);
BENCHMARK_CAPTURE(conv_u8, 1x1_256_64_56x56, shape_of_conv{256, 56, 64, 1, 1})->DenseRange(0, 2);
BENCHMARK_CAPTURE(conv_u8, 3x3_stride2_128_128_28x28, shape_of_conv{128, 56, 128, 3, 2})->DenseRange(0, 2);
BENCHMARK_CAPTURE(conv_f32, 3x3_64_64_28x28, shape_of_conv{64, 28, 64, 3, 1})->DenseRange(0, 2);
BENCHMARK_CAPTURE(conv_f16, 3x3_64_64_56x56, shape_of_conv{64, 56, 64, 3, 1})->DenseRange(0, 2);

void depthwise(benchmark::State& state) {
  machine m;
  constexpr std::int32_t channels = 144;
  constexpr std::int32_t size = 56;
  isa::depthwise i{.x = m.operand(isa::layout::aligned, dtype_id::u8, 1, channels, size, size),
                   .weight = m.operand(isa::layout::compact, dtype_id::i8, 1, channels, 1, 9),
                   .params = m.operand(isa::layout::compact, dtype_id::i32, 1, channels, 1, 3),
                   .y = m.operand(isa::layout::aligned, dtype_id::u8, 1, channels, size, size),
                   .kernel_h = 3,
                   .kernel_w = 3,
                   .stride_h = 1,
                   .stride_w = 1,
                   .dilation_h = 1,
                   .dilation_w = 1,
                   .pad_top = 1,
                   .pad_left = 1,
                   .pad_value = 0,
                   .y_zero = 0,
                   .low = -1e30F,
                   .high = 1e30F};
  m.set_params(i.params);
  m.run(state, i, 2.0 * channels * size * size * 9);
}
BENCHMARK(depthwise)->Name("depthwise_u8/3x3_144_56x56")->DenseRange(0, 2);

void matmul(benchmark::State& state) {
  machine m;
  const auto rows = static_cast<std::int32_t>(state.range(1));
  constexpr std::int32_t depth = 768;
  constexpr std::int32_t columns = 768;
  isa::matmul i{.x = m.operand(isa::layout::copy, dtype_id::i8, rows, 1, depth, 1),
                .weight = m.operand(isa::layout::compact, dtype_id::i8, 1, columns, depth, 1),
                .params = m.operand(isa::layout::compact, dtype_id::i32, 1, columns, 1, 3),
                .partial = {},
                .y = m.operand(isa::layout::compact, dtype_id::i8, rows, columns, 1, 1),
                .part = {.resume = false, .finish = true},
                .y_zero = 0,
                .low = -1e30F,
                .high = 1e30F};
  m.set_params(i.params);
  m.run(state, i, 2.0 * rows * depth * columns);
}
BENCHMARK(matmul)->Name("matmul_i8/768_768")->ArgsProduct({{0, 1, 2}, {1, 197}});

void add(benchmark::State& state) {
  machine m;
  isa::binary i{.kind = isa::binary_kind::add,
                .a = m.operand(isa::layout::aligned, dtype_id::u8, 1, 256, 56, 56),
                .b = m.operand(isa::layout::aligned, dtype_id::u8, 1, 256, 56, 56),
                .y = m.operand(isa::layout::aligned, dtype_id::u8, 1, 256, 56, 56),
                .a_zero = 0,
                .b_zero = 0,
                .y_zero = 0,
                .a_multiplier = 0x5000'0000,
                .b_multiplier = 0x4800'0000,
                .shift = 31,
                .low = -1e30F,
                .high = 1e30F};
  m.run(state, i, 256.0 * 56 * 56);
}
BENCHMARK(add)->Name("add_u8/256_56x56 (elements)")->DenseRange(0, 2);

} // namespace
