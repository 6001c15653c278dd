// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-T002
// expect: graph_is_refused<sum_of
#include "tmpu/static_program.hpp"

using namespace tmpu;

#ifdef TMPU_MUST_FAIL
constexpr std::int64_t rows = 5;
#else
constexpr std::int64_t rows = 4;
#endif

struct sum_of_branches {
  static constexpr std::string_view name = "sum_of_branches";
  using dtype = f32;
  static constexpr tmpu::graph<stage::origin> graph() {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 8, 4, 4});
    m.output(m.add<top::add>("sum", {}, {x, m.input("y", dtype_id::f32, {1, 8, rows, 4})}));
    return m.take();
  }
};
constexpr auto program = compile<sum_of_branches, chip::nano>();
