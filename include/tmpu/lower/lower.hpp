// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/engine.hpp"
#include "tmpu/lower/rules.hpp"
#include "tmpu/top/operators.hpp"

namespace tmpu::lower {

/// The pass over all operators and rules of tmpu in one dtype (f32, f16, bf16, i8).
template <class Dtype, class Chip = any_chip>
using lower_all = lower<decltype(top::operators), decltype(rules), Dtype, host_only, Chip>;

} // namespace tmpu::lower
