// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/activations.hpp"
#include "tmpu/canonicalize/arithmetic.hpp"
#include "tmpu/canonicalize/constants.hpp"
#include "tmpu/canonicalize/dense.hpp"
#include "tmpu/canonicalize/linear.hpp"
#include "tmpu/canonicalize/merge_equal.hpp"
#include "tmpu/canonicalize/no_ops.hpp"
#include "tmpu/canonicalize/reshapes.hpp"
#include "tmpu/canonicalize/windows.hpp"

namespace tmpu::canonicalize {

/// The rules of the canonical form (registry). The order is the priority at one node.
inline constexpr auto rules = hana::tuple_t<
    // what is known before the inputs are
    fold_constants, remove_identity,
    // copies that copy nothing
    remove_cast, remove_single_operand, remove_full_copy, simplify_transpose, reshape_to_attribute, merge_reshapes,
    merge_equal_nodes,
    // one form for each operator
    reduce_axes_to_attribute, global_to_pool, fill_conv, fill_pool, fold_pad, widen_to_2d, matmul_to_gemm, fill_gemm,
    sum_to_add, extremum_to_clip, clip_bounds_to_attribute, prelu_to_leaky_relu, simplify_pow,
    // constants into weights
    fold_batch_norm, fold_channel_constant, batch_norm_to_conv,
    // what is left of them
    constant_second, sub_to_add, div_to_mul, remove_neutral,
    // activations
    merge_clamps, fuse_clamp, fuse_gate, fuse_hard_swish>;

} // namespace tmpu::canonicalize
