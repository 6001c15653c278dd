// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/attention.hpp"
#include "tmpu/lower/binary.hpp"
#include "tmpu/lower/conv.hpp"
#include "tmpu/lower/einsum.hpp"
#include "tmpu/lower/fourier.hpp"
#include "tmpu/lower/integer.hpp"
#include "tmpu/lower/move.hpp"
#include "tmpu/lower/norm.hpp"
#include "tmpu/lower/pool.hpp"
#include "tmpu/lower/product.hpp"
#include "tmpu/lower/quantized.hpp"
#include "tmpu/lower/rearrange.hpp"
#include "tmpu/lower/recurrent.hpp"
#include "tmpu/lower/reduce.hpp"
#include "tmpu/lower/resize.hpp"
#include "tmpu/lower/rows.hpp"
#include "tmpu/lower/sample.hpp"
#include "tmpu/lower/search.hpp"
#include "tmpu/lower/select.hpp"
#include "tmpu/lower/softmax.hpp"
#include "tmpu/lower/unary.hpp"
#include "tmpu/top/operators.hpp"

namespace tmpu::lower {

/// A rule template in the float dtypes, and in all dtypes.
template <template <class> class Rule> using in_floats = list<Rule<f32>, Rule<f16>, Rule<bf16>>;
template <template <class> class Rule> using in_all = list<Rule<f32>, Rule<f16>, Rule<bf16>, Rule<i8>>;
/// In floats as it is; int8 computes in f32 between casts.
template <template <class> class Rule>
using in_floats_only = list<Rule<f32>, Rule<f16>, Rule<bf16>, computed_in<Rule<f32>, i8>>;

/// In all as it is, where the rule takes it; the narrower ones otherwise compute in f32 between casts.
template <template <class> class Rule>
using in_copies = list<Rule<f32>, Rule<f16>, Rule<bf16>, Rule<i8>, computed_in<Rule<f32>, f16>,
                       computed_in<Rule<f32>, bf16>, computed_in<Rule<f32>, i8>>;

/// f32 as it is; the others compute in f32 between casts (sums of many steps, which would round at each).
template <template <class> class Rule>
using in_f32_only =
    list<Rule<f32>, computed_in<Rule<f32>, f16>, computed_in<Rule<f32>, bf16>, computed_in<Rule<f32>, i8>>;

namespace detail {
template <class Op> using reduction = in_f32_only<reduce_family<Op>::template rule>;
template <class Op, isa::compare_kind Kind, bool Swapped = false>
using compares = in_floats_only<compare_family<Op, Kind, Swapped>::template rule>;
template <class Op, isa::unary_kind Kind> using unary = in_all<unary_family<Op, Kind>::template rule>;
template <class Op, isa::binary_kind Kind> using binary = in_all<binary_family<Op, Kind>::template rule>;
template <class Op, isa::binary_kind Kind> using variadic = in_all<variadic_family<Op, Kind>::template rule>;
template <class Op, isa::pool_kind Kind> using pool = in_all<pool_family<Op, Kind>::template rule>;
template <class Op, isa::integer_kind Kind> using integers = in_floats_only<integer_family<Op, Kind>::template rule>;
template <class Op, isa::integer_kind Kind>
using integer_reduction = in_floats_only<integer_reduce_family<Op, Kind>::template rule>;
template <class Op> using alone = in_all<one_operand_family<Op>::template rule>;
template <class Op> using reshape = in_all<reshape_family<Op>::template rule>;
} // namespace detail

/// The lowering rules (registry), by family: op x dtype, and chip where a rule is for one only. A rule or a family of one's own is
/// appended to it.
inline constexpr list<
    in_all<conv_rule>, in_all<gemm_rule>, in_all<matmul_rule>, //
    detail::pool<top::max_pool, isa::pool_kind::max>, detail::pool<top::average_pool, isa::pool_kind::average>,
    in_all<max_pool_places_rule>, in_all<conv_axes_rule>, in_floats_only<conv_activations_rule>,
    in_all<conv_transpose_rule>, in_floats_only<conv_transpose_activations_rule>, in_f32_only<lp_pool_rule>,
    in_f32_only<global_lp_pool_rule>, in_copies<matmul_activations_rule>, in_floats_only<gemm_activations_rule>,
    in_floats_only<softmax_rule>, in_f32_only<log_softmax_rule>, in_f32_only<layer_norm_rule>,
    in_f32_only<rms_norm_rule>, in_floats_only<rotary_embedding_rule>, in_copies<attention_rule>,
    // norms, recurrent operators
    in_f32_only<group_norm_family<top::group_normalization>::rule>,
    in_f32_only<group_norm_family<top::instance_normalization>::rule>, in_f32_only<batch_norm_rule>,
    in_f32_only<mean_variance_rule>, in_f32_only<lp_norm_rule>, in_f32_only<local_response_rule>,
    in_f32_only<recurrent_family<top::rnn>::rule>, in_f32_only<recurrent_family<top::gru>::rule>,
    in_f32_only<recurrent_family<top::lstm>::rule>,
    // reductions
    detail::reduction<top::reduce_sum>, detail::reduction<top::reduce_mean>, detail::reduction<top::reduce_max>,
    detail::reduction<top::reduce_min>, detail::reduction<top::reduce_prod>, detail::reduction<top::reduce_l1>,
    detail::reduction<top::reduce_l2>, detail::reduction<top::reduce_sum_square>,
    detail::reduction<top::reduce_log_sum>, detail::reduction<top::reduce_log_sum_exp>,
    // one operand
    detail::unary<top::relu, isa::unary_kind::clip>, detail::unary<top::clip, isa::unary_kind::clip>,
    detail::unary<top::leaky_relu, isa::unary_kind::leaky_relu>, detail::unary<top::elu, isa::unary_kind::elu>,
    detail::unary<top::selu, isa::unary_kind::selu>, detail::unary<top::sigmoid, isa::unary_kind::sigmoid>,
    detail::unary<top::hard_sigmoid, isa::unary_kind::hard_sigmoid>,
    detail::unary<top::hard_swish, isa::unary_kind::hard_swish>, detail::unary<top::silu, isa::unary_kind::silu>,
    detail::unary<top::tanh, isa::unary_kind::tanh>, detail::unary<top::softplus, isa::unary_kind::softplus>,
    detail::unary<top::softsign, isa::unary_kind::softsign>, detail::unary<top::mish, isa::unary_kind::mish>,
    detail::unary<top::gelu, isa::unary_kind::gelu>, detail::unary<top::erf, isa::unary_kind::erf>,
    detail::unary<top::exp, isa::unary_kind::exp>, detail::unary<top::log, isa::unary_kind::log>,
    detail::unary<top::sqrt, isa::unary_kind::sqrt>, detail::unary<top::reciprocal, isa::unary_kind::reciprocal>,
    detail::unary<top::abs, isa::unary_kind::abs>, detail::unary<top::neg, isa::unary_kind::neg>,
    detail::unary<top::floor, isa::unary_kind::floor>, detail::unary<top::ceil, isa::unary_kind::ceil>,
    detail::unary<top::round, isa::unary_kind::round>, detail::unary<top::sin, isa::unary_kind::sin>,
    detail::unary<top::cos, isa::unary_kind::cos>, detail::unary<top::tan, isa::unary_kind::tan>,
    detail::unary<top::asin, isa::unary_kind::asin>, detail::unary<top::acos, isa::unary_kind::acos>,
    detail::unary<top::atan, isa::unary_kind::atan>, detail::unary<top::sinh, isa::unary_kind::sinh>,
    detail::unary<top::cosh, isa::unary_kind::cosh>, detail::unary<top::asinh, isa::unary_kind::asinh>,
    detail::unary<top::acosh, isa::unary_kind::acosh>, detail::unary<top::atanh, isa::unary_kind::atanh>,
    detail::unary<top::sign, isa::unary_kind::sign>, detail::unary<top::celu, isa::unary_kind::celu>,
    detail::unary<top::thresholded_relu, isa::unary_kind::thresholded_relu>,
    detail::unary<top::shrink, isa::unary_kind::shrink>, detail::unary<top::swish, isa::unary_kind::swish>,
    // two operands and more
    detail::binary<top::add, isa::binary_kind::add>, detail::binary<top::sub, isa::binary_kind::sub>,
    detail::binary<top::mul, isa::binary_kind::mul>,
    in_floats_only<binary_family<top::div, isa::binary_kind::div>::rule>,
    detail::variadic<top::max, isa::binary_kind::max>, detail::variadic<top::min, isa::binary_kind::min>,
    detail::variadic<top::sum, isa::binary_kind::add>, detail::compares<top::equal, isa::compare_kind::equal>,
    detail::compares<top::less, isa::compare_kind::less>,
    detail::compares<top::less_or_equal, isa::compare_kind::less_or_equal>,
    detail::compares<top::greater, isa::compare_kind::less, true>,
    detail::compares<top::greater_or_equal, isa::compare_kind::less_or_equal, true>,
    detail::compares<top::logical_and, isa::compare_kind::logical_and>,
    detail::compares<top::logical_or, isa::compare_kind::logical_or>,
    detail::compares<top::logical_xor, isa::compare_kind::not_equal>, in_floats_only<logical_not_rule>,
    in_floats_only<where_rule>, in_floats_only<prelu_rule>, in_floats_only<mean_rule>,
    // moves
    detail::reshape<top::reshape>, detail::reshape<top::flatten>, detail::reshape<top::squeeze>,
    detail::reshape<top::unsqueeze>, detail::reshape<top::identity>, in_all<transpose_rule>,
    in_all<channel_shuffle_rule>, in_all<concat_rule>, in_all<slice_rule>, in_all<pad_rule>, in_all<split_rule>,
    in_all<expand_rule>, in_all<tile_rule>, in_all<depth_to_space_rule>, in_all<space_to_depth_rule>,
    in_copies<resize_rule>, in_all<center_crop_pad_rule>, in_all<dropout_rule>, in_copies<gather_rule>,
    in_copies<gather_elements_rule>, in_copies<gather_nd_rule>, in_copies<reverse_sequence_rule>,
    in_all<max_unpool_rule>, in_floats_only<scatter_family<top::scatter_elements>::rule>,
    in_floats_only<scatter_family<top::scatter_nd>::rule>, in_floats_only<tensor_scatter_rule>,
    in_floats_only<one_hot_rule>, in_f32_only<grid_sample_rule>, in_f32_only<affine_grid_rule>,
    in_f32_only<roi_align_rule>, in_f32_only<deform_conv_rule>,
    // sums by an equation, along an axis, transforms, what is quantized in the model
    in_floats_only<einsum_rule>, in_f32_only<cum_sum_rule>, in_f32_only<dft_rule>, in_f32_only<stft_rule>,
    in_f32_only<col2im_rule>, in_f32_only<quantize_linear_rule>, in_f32_only<dequantize_linear_rule>,
    in_f32_only<dynamic_quantize_linear_rule>, in_f32_only<matmul_integer_rule>, in_f32_only<qlinear_matmul_rule>,
    in_f32_only<conv_integer_rule>, in_f32_only<qlinear_conv_rule>,
    // integers, element types
    detail::integers<top::add, isa::integer_kind::add>, detail::integers<top::sub, isa::integer_kind::sub>,
    detail::integers<top::mul, isa::integer_kind::mul>, detail::integers<top::div, isa::integer_kind::div>,
    detail::integers<top::max, isa::integer_kind::max>, detail::integers<top::min, isa::integer_kind::min>,
    detail::integers<top::bitwise_and, isa::integer_kind::bit_and>,
    detail::integers<top::bitwise_or, isa::integer_kind::bit_or>,
    detail::integers<top::bitwise_xor, isa::integer_kind::bit_xor>, in_floats_only<bitwise_not_rule>,
    in_floats_only<integer_sign_family<top::neg>::rule>, in_floats_only<integer_sign_family<top::abs>::rule>,
    in_floats_only<integer_sign_family<top::relu>::rule>, in_floats_only<integer_sign_family<top::sign>::rule>,
    detail::integer_reduction<top::reduce_sum, isa::integer_kind::add>,
    detail::integer_reduction<top::reduce_prod, isa::integer_kind::mul>,
    detail::integer_reduction<top::reduce_max, isa::integer_kind::max>,
    detail::integer_reduction<top::reduce_min, isa::integer_kind::min>, in_floats_only<mod_rule>,
    in_floats_only<bit_shift_rule>, in_floats_only<clip_bounds_rule>, in_floats_only<pow_rule>,
    in_f32_only<cast_family<top::cast>::rule>, in_f32_only<cast_family<top::cast_like>::rule>,
    in_floats_only<is_nan_rule>, in_floats_only<is_inf_rule>, detail::alone<top::max>, detail::alone<top::min>,
    detail::alone<top::sum>, detail::alone<top::mean>,
    // what is found by comparing
    in_f32_only<arg_family<top::arg_max, isa::reduce_kind::max>::rule>,
    in_f32_only<arg_family<top::arg_min, isa::reduce_kind::min>::rule>, in_f32_only<hardmax_rule>,
    in_floats_only<trilu_rule>, in_f32_only<loss_family<top::negative_log_likelihood_loss>::rule>,
    in_f32_only<loss_family<top::softmax_cross_entropy_loss>::rule>>
    rules;

/// Operators that deliberately have no rule, and why: canonicalize rewrites or folds them, or what they make depends on the elements. One
/// that is left in a graph stays as a host step. `word` stands in the tables of operators.
namespace host_reason {
struct rewritten {
  static constexpr std::string_view why = "canonicalize makes other operators of it";
  using ops = list<top::global_average_pool, top::global_max_pool>;
};
struct folded {
  static constexpr std::string_view why = "known when the model is compiled, or else its shape depends on data";
  using ops = list<top::constant, top::constant_of_shape, top::shape, top::size, top::range, top::eye_like,
                   top::hann_window, top::hamming_window, top::blackman_window, top::mel_weight_matrix>;
};
struct shape_by_data {
  static constexpr std::string_view why = "its shape depends on data";
  using ops = list<top::compress, top::non_zero, top::unique, top::non_max_suppression>;
};
struct order_by_data {
  static constexpr std::string_view why =
      "what is done next depends on data (an order, pivots, regions, runs that are counted)";
  using ops = list<top::top_k, top::det, top::max_roi_pool, top::tf_idf_vectorizer>;
};
struct random {
  static constexpr std::string_view why = "its elements are random numbers of the host's generator";
  using ops = list<top::random_uniform, top::random_uniform_like, top::random_normal, top::random_normal_like,
                   top::bernoulli, top::multinomial>;
};
} // namespace host_reason
using host_reasons = list<host_reason::rewritten, host_reason::folded, host_reason::shape_by_data,
                          host_reason::order_by_data, host_reason::random>;

using host_only = join_lists<host_reason::rewritten::ops, host_reason::folded::ops, host_reason::shape_by_data::ops,
                             host_reason::order_by_data::ops, host_reason::random::ops>;

} // namespace tmpu::lower
