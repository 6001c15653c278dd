// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/tpu/assemble.hpp"
#include "tmpu/tpu/conv.hpp"
#include "tmpu/tpu/elementwise.hpp"
#include "tmpu/tpu/integer.hpp"
#include "tmpu/tpu/matmul.hpp"
#include "tmpu/tpu/move.hpp"
#include "tmpu/tpu/pool.hpp"
#include "tmpu/tpu/reduce.hpp"
#include "tmpu/tpu/rows.hpp"
#include "tmpu/tpu/select.hpp"
#include "tmpu/tpu/softmax.hpp"

namespace tmpu::tpu {

/// The chip-level operators (registry): stage files, the emitters' coverage and the operator table are made from it.
inline constexpr list<conv, matmul, pool, binary, unary, lookup, cast, reduce, softmax, reshape, transpose, concat,
                      slice, pad, expand, compare, select, integer, convert, gather, scatter, combine, join, upsample>
    operators;

} // namespace tmpu::tpu
