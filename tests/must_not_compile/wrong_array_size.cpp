// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-S001
// expect: wrong_inputs
// expect: 31
// expect: 32
#include "tmpu/ir/builder.hpp"
#include "tmpu/static_run.hpp"

using namespace tmpu;

struct small {
  static constexpr std::string_view name = "small";
  using dtype = f32;
  static constexpr tmpu::graph<stage::origin> graph() {
    model_builder m;
    m.output(m.add<top::relu>("y", {}, {m.input("x", dtype_id::f32, {1, 2, 4, 4})}));
    return m.take();
  }
};
constexpr auto program = compile<small, chip::nano>();

#ifdef TMPU_MUST_FAIL
constexpr std::size_t size = 31;
#else
constexpr std::size_t size = 32; // [1, 2, 4, 4]
#endif

auto scores(const std::array<float, size>& image) { return run<program>(image); }
