// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-E001
// expect: no_emitter
// expect: tpu::pool
// expect: tpu::softmax
#include "tmpu/codegen/emitters.hpp"

using namespace tmpu;

#ifdef TMPU_MUST_FAIL
using emitters = list<codegen::emit_conv>;
#else
using emitters = unpack<decltype(codegen::emitters)>;
#endif

static_assert(codegen::covers<emitters, list<tpu::conv, tpu::pool, tpu::softmax>>);
