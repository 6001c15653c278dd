// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-H001
// expect: host_step_in_static_program
// expect: determinant
#include "tmpu/static_program.hpp"

using namespace tmpu;

struct with_det {
  static constexpr std::string_view name = "with_det";
  using dtype = f32;
  static constexpr tmpu::graph<stage::origin> graph(model_builder m = {}) {
    const auto x = m.input("x", dtype_id::f32, {1, 2, 4, 4});
#ifdef TMPU_MUST_FAIL
    m.output(m.add<top::det>("determinant", {}, {x}));
#else
    m.output(m.add<top::relu>("determinant", {}, {x}));
#endif
    return m.take();
  }
};
constexpr auto program = compile<with_det, chip::nano>();
