// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/activations.hpp"
#include "tmpu/canonicalize/arithmetic.hpp"
#include "tmpu/canonicalize/attention.hpp"
#include "tmpu/canonicalize/choices.hpp"
#include "tmpu/canonicalize/constants.hpp"
#include "tmpu/canonicalize/dense.hpp"
#include "tmpu/canonicalize/gates.hpp"
#include "tmpu/canonicalize/linear.hpp"
#include "tmpu/canonicalize/merge_equal.hpp"
#include "tmpu/canonicalize/no_ops.hpp"
#include "tmpu/canonicalize/norms.hpp"
#include "tmpu/canonicalize/reshapes.hpp"
#include "tmpu/canonicalize/shuffles.hpp"
#include "tmpu/canonicalize/slices.hpp"
#include "tmpu/canonicalize/transposes.hpp"
#include "tmpu/canonicalize/windows.hpp"

namespace tmpu::canonicalize {

/// The rules of the canonical form (registry). The order is the priority at one node.
inline constexpr list<
    // what is known before the inputs are
    fold_constants, remove_identity,
    // copies that copy nothing
    remove_cast, remove_single_operand, remove_full_copy, simplify_transpose, reshape_to_attribute, merge_reshapes,
    drop_expand, merge_equal_nodes,
    // parts of a tensor
    split_to_slices, gather_to_slice, merge_slices, slice_of_concat, concat_of_slices, merge_concats,
    // one form for each operator
    reduce_axes_to_attribute, reduce_ones_to_reshape, global_to_pool, fill_conv, fill_pool, fold_pad, widen_to_2d,
    matmul_to_gemm, fill_gemm, sum_to_add, simplify_where, where_to_extremum, where_to_leaky_relu, where_to_mask,
    extremum_to_clip, clip_bounds_to_attribute, prelu_to_leaky_relu, simplify_pow,
    // constants into weights
    fold_batch_norm, fold_channel_constant, fold_into_weight, batch_norm_to_conv,
    // what is left of them
    constant_second, sub_to_add, div_to_mul, remove_neutral, merge_constants, merge_neg,
    // operators from their pieces
    fuse_hard_swish, fuse_hard_sigmoid, fuse_sigmoid, fuse_softplus, fuse_gate, fuse_gelu, fuse_layer_norm,
    fuse_rms_norm, fold_norm_constant, fuse_softmax, fuse_rope, fuse_pixel_shuffle, fuse_channel_shuffle,
    // activations into the operator before
    merge_clamps, fuse_clamp,
    // what parts operators goes behind them
    move_transpose, move_transpose_axes, move_reshape,
    // the largest pieces, when all of theirs have been found
    fuse_attention>
    rules;

} // namespace tmpu::canonicalize
