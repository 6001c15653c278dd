// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/simd/functions.hpp"
#include "tmpu/simd/top_conv.hpp"
#include "tmpu/simd/top_product.hpp"

namespace tmpu::simd {

/// The kernels of inference at Top.
inline constexpr fast_loops top_loops{.conv = detail::conv, .product = detail::product, .exp = exp, .erf = erf};

} // namespace tmpu::simd
