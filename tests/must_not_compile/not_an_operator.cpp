// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-O001
// expect: not_an_operator
// expect: half_done
#include "tmpu/ir/op.hpp"

using namespace tmpu;

struct half_done {
  static constexpr std::string_view domain = "top";
  static constexpr op_info info{.name = "half_done"};
  using attributes = no_attributes;
  static constexpr void infer(const attributes&, infer_context& c) { c.result(0, c.type(0), c.dims(0)); }
#ifndef TMPU_MUST_FAIL
  static constexpr void eval(const attributes&, eval_context& c) { c.out() = c.in(0); }
#endif
};

static_assert(all_operators<list<half_done>>);
