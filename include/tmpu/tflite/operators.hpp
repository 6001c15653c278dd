// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/list.hpp"
#include "tmpu/tflite/shapes.hpp"
#include "tmpu/tflite/sums.hpp"

namespace tmpu::tflite {

/// What is read of TensorFlow Lite's operators (registry). Each block has the number in the format, and the nodes of Top that it becomes.
inline constexpr list<
    // convolutions, matrix products, pools
    conv_2d, depthwise_conv_2d, transpose_conv, fully_connected, batch_matmul,
    pool<"AVERAGE_POOL_2D", top::average_pool>, pool<"MAX_POOL_2D", top::max_pool>,
    // images
    resize_bilinear, resize_nearest_neighbor, space_and_depth<"DEPTH_TO_SPACE", top::depth_to_space>,
    space_and_depth<"SPACE_TO_DEPTH", top::space_to_depth>, space_to_batch_nd, batch_to_space_nd,
    // one operand
    one<"RELU", top::relu>, bounds<"RELU6", 0, 6>, bounds<"RELU_N1_TO_1", -1, 1>, bounds<"RELU_0_TO_1", 0, 1>,
    one<"LOGISTIC", top::sigmoid>, one<"TANH", top::tanh>, one<"HARD_SWISH", top::hard_swish>, one<"ELU", top::elu>,
    leaky_relu, gelu, one<"EXP", top::exp>, one<"LOG", top::log>, one<"SQRT", top::sqrt>, rsqrt, square,
    one<"ABS", top::abs>, one<"NEG", top::neg>, one<"FLOOR", top::floor>, one<"CEIL", top::ceil>,
    one<"ROUND", top::round>, one<"SIN", top::sin>, one<"COS", top::cos>, one<"SIGN", top::sign>,
    one<"LOGICAL_NOT", top::logical_not>, softmax, log_softmax, l2_normalization, quantize, dequantize, cast,
    // two operands and more
    two<"ADD", top::add>, two<"SUB", top::sub>, two<"MUL", top::mul>, two<"DIV", top::div>, many<"MAXIMUM", top::max>,
    many<"MINIMUM", top::min>, many<"ADD_N", top::sum>, many<"POW", top::pow>, many<"PRELU", top::prelu>,
    squared_difference, floor_div, many<"EQUAL", top::equal>, not_equal, many<"LESS", top::less>,
    many<"LESS_EQUAL", top::less_or_equal>, many<"GREATER", top::greater>, many<"GREATER_EQUAL", top::greater_or_equal>,
    many<"LOGICAL_AND", top::logical_and>, many<"LOGICAL_OR", top::logical_or>, many<"SELECT", top::where>,
    many<"SELECT_V2", top::where>,
    // reductions
    reduction<"MEAN", top::reduce_mean>, reduction<"SUM", top::reduce_sum>, reduction<"REDUCE_MAX", top::reduce_max>,
    reduction<"REDUCE_MIN", top::reduce_min>, reduction<"REDUCE_PROD", top::reduce_prod>, arg<"ARG_MAX", top::arg_max>,
    arg<"ARG_MIN", top::arg_min>, top_k, cumsum,
    // shapes and moves
    reshape, squeeze, expand_dims, transpose, concatenation, pack, unpack, split, split_v, slice, strided_slice,
    pad<"PAD">, pad<"PADV2">, mirror_pad, gather, embedding_lookup, gather_nd, tile, broadcast_to, reverse, shape_of,
    one_hot>
    operators;

} // namespace tmpu::tflite
