// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/activations.hpp"
#include "tmpu/top/common.hpp"

namespace tmpu::top {

namespace detail {
/// What the two losses share: loss[n, d] = -weight[t] * logp[n, t, d] with the target t = targets[n, d], 0 where t is ignore_index;
/// mean divides by the sum of the weights.
struct class_loss {
  static constexpr std::string_view domain = "top";
  static constexpr std::int64_t no_index = 9223372036854775807;
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 9223372036854775807>, ignore_index), (text, reduction));
  };
  static constexpr void infer_loss(const attributes& a, infer_context& c) {
    require_floating(c, 0);
    require_integers(c, 1);
    const auto& x = c.dims(0);
    const auto& targets = c.dims(1);
    bool fits = x.rank() >= 2 && targets.rank() + 1 == x.rank();
    for (std::size_t i = 0; fits && i < targets.rank(); ++i) {
      const std::int64_t d = x[i == 0 ? 0 : i + 1];
      fits = d < 0 || targets[i] < 0 || d == targets[i];
    }
    if (!fits)
      c.fail(text("scores ") << x.print() << " and targets " << targets.print() << " must be [N, C, ...] and [N, ...]");
    if (c.has(2)) {
      require_same_type(c, 0, 2);
      require_rank(c, 2, 1);
      if (x[1] >= 0 && c.dims(2)[0] >= 0 && c.dims(2)[0] != x[1])
        c.fail(text("weights ") << c.dims(2).print() << " must be one for each of " << x[1] << " classes");
    }
    const std::string_view how = a.reduction.view();
    if (!how.empty() && how != "mean" && how != "sum" && how != "none")
      c.fail(text("reduction '") << how << "' is not known; it is none, sum or mean");
    c.result(0, c.type(0), how == "none" ? targets : dims{});
  }
  /// logp: the logarithms of the probabilities, in the shape of operand 0.
  static constexpr void put_loss(const attributes& a, eval_context& c, const vec<float>& logp) {
    const axis_view view(c.in(0).dims, 1);
    const ints& targets = c.in(1).i;
    const bool none = a.reduction.view() == "none";
    float sum = 0.0F;
    float weights = 0.0F;
    view.for_each_line([&](std::int64_t first, std::int64_t line) {
      const std::int64_t t = targets[static_cast<std::size_t>(line)];
      if (t == a.ignore_index) return;
      if (t < 0 || t >= view.size) c.fail(text("target ") << t << " is none of " << view.size << " classes");
      const float weight = c.has(2) ? c.in(2).f[static_cast<std::size_t>(t)] : 1.0F;
      const float loss = -weight * logp[static_cast<std::size_t>(first + t * view.inner)];
      if (none) c.out().f[static_cast<std::size_t>(line)] = loss;
      sum += loss;
      weights += weight;
    });
    if (!none) c.out().f[0] = a.reduction.view() == "sum" ? sum : activation::divide(sum, weights);
    round_elements(c.out());
  }
};
} // namespace detail

/// y = the losses of scores that are logarithms of probabilities; operands: scores, targets, weights of the classes (default 1);
/// reduction: none, sum, mean (default: the sum of the losses over the sum of their weights); targets that are
/// ignore_index do not count.                                                                  (ONNX NegativeLogLikelihoodLoss)
///
/// Shape:     scores [N, C, ...], targets [N, ...], weights [C]; y as the targets, or [].
/// Elements:  scores, weights, y f32, f16, bf16; targets i32, i64.
/// Tiling:    none; on the host.
/// Errors:    shapes that do not fit; an unknown reduction; a target that is no class (when it is evaluated).
struct negative_log_likelihood_loss : detail::class_loss {
  static constexpr op_info info{.name = "negative_log_likelihood_loss",
                                .onnx = "NegativeLogLikelihoodLoss",
                                .min_operands = 2,
                                .max_operands = 3};
  static constexpr void infer(const attributes& a, infer_context& c) { infer_loss(a, c); }
  static constexpr void eval(const attributes& a, eval_context& c) { put_loss(a, c, c.in(0).f); }
};
static_assert(op<negative_log_likelihood_loss>);

/// y = the losses as above of log_softmax(scores) along the classes; result 1: these logarithms.  (ONNX SoftmaxCrossEntropyLoss)
///
/// Shape:     as above; result 1 has the shape of the scores.
/// Elements:  as above.
/// Tiling:    none; on the host.
/// Errors:    as above.
struct softmax_cross_entropy_loss : detail::class_loss {
  static constexpr op_info info{.name = "softmax_cross_entropy_loss",
                                .onnx = "SoftmaxCrossEntropyLoss",
                                .min_operands = 2,
                                .max_operands = 3,
                                .results = 1,
                                .max_results = 2};
  static constexpr void infer(const attributes& a, infer_context& c) {
    infer_loss(a, c);
    c.result(1, c.type(0), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const detail::axis_view view(c.in(0).dims, 1);
    vec<float> logp = c.in(0).f;
    view.for_each_line([&](std::int64_t first, std::int64_t) {
      float* x = logp.data() + first;
      float greatest = -math::infinity<float>;
      for (std::int64_t k = 0; k < view.size; ++k)
        greatest = x[k * view.inner] > greatest ? x[k * view.inner] : greatest;
      float sum = 0.0F;
      for (std::int64_t k = 0; k < view.size; ++k) sum += math::exp(x[k * view.inner] - greatest);
      const float whole = math::log(sum);
      for (std::int64_t k = 0; k < view.size; ++k) x[k * view.inner] = x[k * view.inner] - greatest - whole;
    });
    put_loss(a, c, logp);
    if (c.result_count() < 2) return;
    c.out(1).f = logp;
    detail::round_elements(c.out(1));
  }
};
static_assert(op<softmax_cross_entropy_loss>);

} // namespace tmpu::top
