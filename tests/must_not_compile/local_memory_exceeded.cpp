// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-G001
// expect: local_memory_exceeded
// expect: wide_pool
// expect: 8192
#include "tmpu/static_program.hpp"

using namespace tmpu;

#ifdef TMPU_MUST_FAIL
constexpr std::int64_t width = 5000; // f32: two rows of it are more than the 8192 bytes of a lane
#else
constexpr std::int64_t width = 500;
#endif

struct wide {
  static constexpr std::string_view name = "wide";
  using dtype = f32;
  static constexpr tmpu::graph<stage::origin> graph() {
    model_builder m;
    m.output(
        m.add<top::max_pool>("wide_pool", {.kernel_shape = {2, 3}}, {m.input("x", dtype_id::f32, {1, 1, 2, width})}));
    return m.take();
  }
};
constexpr auto program = compile<wide, chip::nano>();
