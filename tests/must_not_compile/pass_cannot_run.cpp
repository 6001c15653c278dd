// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-P001
// expect: pass_cannot_run
// expect: passes::memory
// expect: stage
#include "tmpu/compile.hpp"

using namespace tmpu;

#ifdef TMPU_MUST_FAIL
using way = pipeline<passes::memory, passes::group>; // addresses before groups
#else
using way = pipeline<passes::group, passes::memory>;
#endif

auto compile_rest(graph<stage::lowered> g, const session& s) {
  return way::run(std::move(g), s, [](const auto&) {});
}
