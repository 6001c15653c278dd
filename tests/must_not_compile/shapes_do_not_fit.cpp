// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-T001
// expect: shapes_do_not_fit
// expect: residual
// expect: [1,8,4,4] [1,8,5,4]
#include "tmpu/static_program.hpp"

using namespace tmpu;

#ifdef TMPU_MUST_FAIL
constexpr std::int64_t rows = 5;
#else
constexpr std::int64_t rows = 4;
#endif

struct branches {
  static constexpr std::string_view name = "branches";
  using dtype = f32;
  static constexpr tmpu::graph<stage::origin> graph(model_builder m = {}) {
    const auto x = m.add<top::relu>("left", {}, {m.input("x", dtype_id::f32, {1, 8, 4, 4})});
    const auto y = m.add<top::sigmoid>("right", {}, {m.input("y", dtype_id::f32, {1, 8, rows, 4})});
    const auto sum = m.add<top::add>("residual", {}, {x, y});
    m.output(m.add<top::relu>("out", {}, {sum}));
    return m.take();
  }
};
constexpr auto program = compile<branches, chip::nano>();
