// SPDX-License-Identifier: Apache-2.0
// Models that are types: compiled and run in constant evaluation, the same program run at run time and by the executor.
#include "small_model.hpp"
#include "tmpu/static_run.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <new>

namespace {

using namespace tmpu;
using namespace tmpu::literals;

template <class DType> struct small {
  static constexpr std::string_view name = "small";
  using dtype = DType;
  static constexpr tmpu::graph<stage::origin> graph() { return small_model::build(); }
  static constexpr calibrate::table calibration() { return small_model::ranges(); }
};

constexpr auto in_f32 = compile<small<f32>, chip::nano>();
constexpr auto in_i8 = compile<small<i8>, chip::nano>();
static_assert(in_f32.local_bytes_peak() > 0 && in_f32.local_bytes_peak() <= 8_KiB);
static_assert(in_i8.weight_bytes() < in_f32.weight_bytes());
static_assert(in_i8.cycles() < in_f32.cycles());
static_assert(in_f32.macs() == 10 * 64 * 18 + 4 * 160);

constexpr std::array<float, 128> image() {
  std::array<float, 128> out{};
  const value v = small_model::image();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = v.f[i];
  return out;
}

/// The same inference by the executor from the file's bytes.
template <std::size_t Size> std::array<float, 4> by_executor(const static_program<Size>& p) {
  const isa::program program = isa::from_bytes(p.bytes());
  exec::executor e(program);
  exec::memory m = e.make_memory();
  const isa::io_tensor& x = e.network().inputs[0];
  const isa::io_tensor& y = e.network().outputs[0];
  const auto in = image();
  vec<std::uint8_t> bytes;
  for (const float v : in) {
    if (is_floating(x.type)) {
      for (const std::uint8_t b : std::bit_cast<std::array<std::uint8_t, 4>>(v)) bytes.push_back(b);
    } else {
      bytes.push_back(
          static_cast<std::uint8_t>(quantize_input(v, x.scale, x.zero_point, least_of(x.type), greatest_of(x.type))));
    }
  }
  const std::span<const std::uint8_t> inputs[] = {bytes.span()};
  const auto out = e.run(m, inputs);
  const value v = from_bytes(y.type, shape(y.dims.span()), out[0].span());
  std::array<float, 4> scores{};
  for (std::size_t i = 0; i < 4; ++i)
    scores[i] = is_floating(y.type) ? v.f[i] : dequantize_value(v.i[i], y.scale, y.zero_point);
  return scores;
}

constexpr auto f32_by_the_compiler = run<in_f32>(image());
constexpr auto i8_by_the_compiler = run<in_i8>(image());
static_assert(argmax(f32_by_the_compiler) == argmax(i8_by_the_compiler));

bool count_allocations = false;
int allocations = 0;

TEST_CASE("constant evaluation, run time and the executor give the same bits") {
  CHECK(run<in_f32>(image()) == f32_by_the_compiler);
  CHECK(run<in_i8>(image()) == i8_by_the_compiler);
  CHECK(by_executor(in_f32) == f32_by_the_compiler);
  CHECK(by_executor(in_i8) == i8_by_the_compiler);
}

TEST_CASE("an inference in static storage allocates nothing") {
  const auto in = image();
  allocations = 0;
  count_allocations = true;
  const auto a = run<in_f32>(in);
  const auto b = run<in_i8>(in);
  count_allocations = false;
  CHECK(allocations == 0);
  CHECK(a == f32_by_the_compiler);
  CHECK(b == i8_by_the_compiler);
}

} // namespace

void* operator new[](std::size_t size) {
  if (count_allocations) ++allocations;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
