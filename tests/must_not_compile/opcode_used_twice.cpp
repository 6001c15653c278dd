// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-I001
// expect: opcode_used_twice
// expect: isa::lookup
// expect: twice
#include "tmpu/exec/executor.hpp"

using namespace tmpu;

/// An instruction of one's own.
struct twice {
#ifdef TMPU_MUST_FAIL
  static constexpr std::uint8_t opcode = isa::lookup::opcode;
#else
  static constexpr std::uint8_t opcode = 0x7F;
#endif
  static constexpr std::string_view name = "twice";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((isa::local_ref, x), (isa::local_ref, y));
};

static_assert(sizeof(exec::basic_executor<list<isa::fill, isa::lookup, twice>>) > 0);
