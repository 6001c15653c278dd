// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-X001
// expect: uninitialised_read
// expect: activation
#include "damaged_program.hpp"

using namespace damaged_program;

/// The load fills one row less than the layer reads.
struct short_load {
  template <class I> constexpr void operator()(isa::header h, I i, isa::core_stream& to) const {
#ifdef TMPU_MUST_FAIL
    if constexpr (std::is_same_v<I, isa::dma_load>) i.src.h = i.dst.h = i.dst.h - 1;
#endif
    isa::append(to, h, i);
  }
};
constexpr auto program = with(short_load{});
static_assert(checked<program>());
