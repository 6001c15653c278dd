// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-S001
// expect: wrong_inputs
// expect: 127
// expect: 128
#include "pipeline/small_model.hpp"
#include "tmpu/static_run.hpp"

using namespace tmpu;

struct small {
  static constexpr std::string_view name = "small";
  using dtype = f32;
  static constexpr tmpu::graph<stage::origin> graph() { return small_model::build(); }
};
constexpr auto program = compile<small, chip::nano>();

#ifdef TMPU_MUST_FAIL
constexpr std::size_t size = 127;
#else
constexpr std::size_t size = 128; // [1, 2, 8, 8]
#endif

auto scores(const std::array<float, size>& image) { return run<program>(image); }
