// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/arg.hpp"
#include "tmpu/top/attention.hpp"
#include "tmpu/top/binary.hpp"
#include "tmpu/top/cast.hpp"
#include "tmpu/top/comparison.hpp"
#include "tmpu/top/constants.hpp"
#include "tmpu/top/conv.hpp"
#include "tmpu/top/deform_conv.hpp"
#include "tmpu/top/einsum.hpp"
#include "tmpu/top/elementwise.hpp"
#include "tmpu/top/fourier.hpp"
#include "tmpu/top/gather.hpp"
#include "tmpu/top/grid_sample.hpp"
#include "tmpu/top/group_norm.hpp"
#include "tmpu/top/integer_sums.hpp"
#include "tmpu/top/loss.hpp"
#include "tmpu/top/lp_norm.hpp"
#include "tmpu/top/matmul.hpp"
#include "tmpu/top/move.hpp"
#include "tmpu/top/norm.hpp"
#include "tmpu/top/pad.hpp"
#include "tmpu/top/pool.hpp"
#include "tmpu/top/quantize.hpp"
#include "tmpu/top/random.hpp"
#include "tmpu/top/rearrange.hpp"
#include "tmpu/top/recurrent.hpp"
#include "tmpu/top/reduce.hpp"
#include "tmpu/top/reshape.hpp"
#include "tmpu/top/resize.hpp"
#include "tmpu/top/roi.hpp"
#include "tmpu/top/scatter.hpp"
#include "tmpu/top/select.hpp"
#include "tmpu/top/signal.hpp"
#include "tmpu/top/softmax.hpp"
#include "tmpu/top/tf_idf.hpp"
#include "tmpu/top/unpool.hpp"

namespace tmpu::top {

/// The registry: importing, coverage and dispatch know the operators of this list. An operator that is appended here is
/// known everywhere; one that is left out makes the build faster.
inline constexpr list<
    // convolutions and matrix products
    conv, conv_transpose, deform_conv, col2im, gemm, matmul,
    // pools
    max_pool, average_pool, lp_pool, global_average_pool, global_max_pool, global_lp_pool, max_unpool, max_roi_pool,
    roi_align,
    // images sampled anew
    resize, grid_sample, affine_grid,
    // normalisation, softmax
    batch_normalization, layer_normalization, rms_normalization, group_normalization, instance_normalization,
    lp_normalization, mean_variance_normalization, local_response_normalization, softmax, log_softmax,
    // sequences
    rnn, gru, lstm, attention, rotary_embedding,
    // spectra
    dft, stft, hann_window, hamming_window, blackman_window, mel_weight_matrix,
    // one operand, element by element
    relu, leaky_relu, elu, selu, celu, thresholded_relu, clip, sigmoid, hard_sigmoid, hard_swish, silu, tanh, softplus,
    softsign, mish, gelu, erf, exp, log, sqrt, reciprocal, abs, neg, sign, floor, ceil, round, sin, cos, tan, asin,
    acos, atan, sinh, cosh, asinh, acosh, atanh, shrink, swish, is_nan, is_inf, bitwise_not, logical_not,
    // more operands, element by element
    add, sub, mul, div, mod, pow, prelu, bit_shift, bitwise_and, bitwise_or, bitwise_xor, max, min, sum, mean, equal,
    less, less_or_equal, greater, greater_or_equal, logical_and, logical_or, logical_xor, where,
    // reductions
    reduce_sum, reduce_mean, reduce_max, reduce_min, reduce_prod, reduce_l1, reduce_l2, reduce_sum_square,
    reduce_log_sum, reduce_log_sum_exp, arg_max, arg_min, hardmax, cum_sum,
    // shapes and moves
    identity, dropout, constant, constant_of_shape, shape, size, reshape, flatten, squeeze, unsqueeze, transpose,
    concat, split, slice, gather, gather_elements, gather_nd, compress, one_hot, scatter_elements, scatter_nd,
    tensor_scatter, expand, pad, cast, cast_like, depth_to_space, channel_shuffle, space_to_depth, tile,
    reverse_sequence, trilu, center_crop_pad, range, eye_like, top_k, non_zero, unique, non_max_suppression,
    // quantized
    quantize_linear, dequantize_linear, dynamic_quantize_linear, conv_integer, qlinear_conv, matmul_integer,
    qlinear_matmul,
    // random numbers
    random_uniform, random_uniform_like, random_normal, random_normal_like, bernoulli, multinomial,
    // sums of products, losses, n-grams
    einsum, det, negative_log_likelihood_loss, softmax_cross_entropy_loss, tf_idf_vectorizer>
    operators;

} // namespace tmpu::top
