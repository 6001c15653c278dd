// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-X002
// expect: hazard
// expect: activation
#include "damaged_program.hpp"

using namespace damaged_program;

struct without_waits {
  template <class I> constexpr void operator()(isa::header h, const I& i, isa::core_stream& to) const {
#ifdef TMPU_MUST_FAIL
    h = {};
#endif
    isa::append(to, h, i);
  }
};
constexpr auto program = with(without_waits{});
static_assert(checked<program>());
