// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/graph.hpp"
#include "tmpu/ir/op.hpp"
#include "tmpu/top/operators.hpp"

#include <array>
#include <cstddef>

/// How far results that are computed in f16 and bf16 may lie from the exact ones: |got - wanted| <= k eps max |wanted|, with eps = 2^-10
/// and 2^-7 (the distance from 1 to the next number, twice the greatest error of one rounding). The conformance suite holds the chip
/// to these bounds.
namespace tmpu::lower {

/// Operators that have a k, and why it is that.
template <int K, class... Ops> struct within {
  static constexpr int k = K;
  using ops = list<Ops...>;
};

namespace error_family {

/// The result is one of the operands' elements or a constant: only the operand's own rounding, eps / 2.
using copies = within<
    1, top::max_pool, top::global_max_pool, top::max_unpool, top::max_roi_pool, top::relu, top::clip, top::abs,
    top::neg, top::sign, top::floor, top::ceil, top::round, top::is_nan, top::is_inf, top::bitwise_not,
    top::logical_not, top::max, top::min, top::bit_shift, top::bitwise_and, top::bitwise_or, top::bitwise_xor,
    top::equal, top::less, top::less_or_equal, top::greater, top::greater_or_equal, top::logical_and, top::logical_or,
    top::logical_xor, top::where, top::reduce_max, top::reduce_min, top::arg_max, top::arg_min, top::hardmax,
    top::identity, top::dropout, top::constant, top::constant_of_shape, top::shape, top::size, top::reshape,
    top::flatten, top::squeeze, top::unsqueeze, top::transpose, top::concat, top::split, top::slice, top::gather,
    top::gather_elements, top::gather_nd, top::compress, top::one_hot, top::scatter_elements, top::scatter_nd,
    top::tensor_scatter, top::expand, top::pad, top::cast, top::cast_like, top::depth_to_space, top::channel_shuffle,
    top::space_to_depth, top::tile, top::reverse_sequence, top::trilu, top::center_crop_pad, top::range, top::eye_like,
    top::top_k, top::non_zero, top::unique, top::non_max_suppression, top::random_uniform, top::random_uniform_like,
    top::random_normal, top::random_normal_like, top::bernoulli, top::multinomial, top::quantize_linear,
    top::dequantize_linear, top::dynamic_quantize_linear, top::conv_integer, top::qlinear_conv, top::matmul_integer,
    top::qlinear_matmul, top::hann_window, top::hamming_window, top::blackman_window, top::mel_weight_matrix>;

/// Both operands rounded and the result: 3/2 eps where sums do not cancel and a function is nowhere steeper than its greatest value over
/// its greatest argument.
using sums =
    within<2, top::conv, top::conv_transpose, top::deform_conv, top::col2im, top::gemm, top::matmul, top::average_pool,
           top::global_average_pool, top::lp_pool, top::global_lp_pool, top::roi_align, top::resize, top::grid_sample,
           top::affine_grid, top::batch_normalization, top::rotary_embedding, top::softmax, top::log_softmax,
           top::leaky_relu, top::elu, top::selu, top::celu, top::thresholded_relu, top::sigmoid, top::hard_sigmoid,
           top::hard_swish, top::silu, top::tanh, top::softplus, top::softsign, top::mish, top::gelu, top::erf,
           top::log, top::sqrt, top::reciprocal, top::sin, top::cos, top::atan, top::asinh, top::shrink, top::swish,
           top::add, top::sub, top::mul, top::div, top::prelu, top::sum, top::mean, top::reduce_sum, top::reduce_mean,
           top::reduce_l1, top::reduce_l2, top::reduce_sum_square, top::reduce_log_sum, top::reduce_log_sum_exp,
           top::cum_sum, top::einsum, top::negative_log_likelihood_loss, top::softmax_cross_entropy_loss,
           top::tf_idf_vectorizer, top::dft, top::stft>;

/// Several roundings one after the other, or a function that is steep: x f'(x) is some times f(x).
using steep =
    within<4, top::layer_normalization, top::rms_normalization, top::group_normalization, top::instance_normalization,
           top::lp_normalization, top::mean_variance_normalization, top::local_response_normalization, top::rnn,
           top::gru, top::lstm, top::attention, top::exp, top::pow, top::mod, top::tan, top::asin, top::acos, top::sinh,
           top::cosh, top::acosh, top::atanh, top::reduce_prod, top::det>;

} // namespace error_family

using error_families = list<error_family::copies, error_family::sums, error_family::steep>;

/// k of an operator. An operator of the list of Top that is in no family, or in two, does not compile.
template <class Op> consteval int error_k() {
  int found = 0;
  int times = 0;
  error_families::for_each([&]<class Family>() {
    if (!Family::ops::template contains<Op>) return;
    found = Family::k;
    ++times;
  });
  return times == 1 ? found : 0;
}

namespace detail {
struct k_of_name {
  std::string_view name;
  int k;
};
template <class... Ops> consteval auto error_ks(list<Ops...>) {
  return std::array{k_of_name{Ops::info.name, error_k<Ops>()}...};
}
inline constexpr auto ks = error_ks(unpack<decltype(top::operators)>{});
static_assert(
    [] {
      for (const k_of_name& entry : ks) {
        if (entry.k == 0) return false;
      }
      return true;
    }(),
    "an operator of Top is in no family of lower/error_bounds.hpp, or in two of them");
} // namespace detail

/// k of a graph: every node adds its own.
constexpr int error_k(const graph_body& g) {
  int k = 0;
  for (std::size_t n = 0; n < g.nodes.size(); ++n) {
    for (const detail::k_of_name& entry : detail::ks) {
      if (entry.name == g.nodes[n].op->info.name) k += entry.k;
    }
  }
  return k;
}

} // namespace tmpu::lower
