// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-L001
// expect: no_lowering_rule
// expect: top::erf
// expect: top::softmax
// expect: i8
#include "tmpu/lower/conv.hpp"
#include "tmpu/lower/engine.hpp"
#include "tmpu/lower/unary.hpp"
#include "tmpu/top/softmax.hpp"

using namespace tmpu;

using rules = list<lower::conv_rule<i8>, lower::unary_family<top::relu, isa::unary_kind::clip>::rule<i8>>;
#ifdef TMPU_MUST_FAIL
using operators = list<top::conv, top::erf, top::relu, top::softmax>;
using host_only = list<>;
#else
using operators = list<top::conv, top::erf, top::relu, top::softmax>;
using host_only = list<top::erf, top::softmax>;
#endif

graph<stage::lowered> compile(const graph<stage::calibrated>& g) {
  return lower::lower<operators, rules, i8, host_only>{}(g, chip::nano::info);
}
