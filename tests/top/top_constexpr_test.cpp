// SPDX-License-Identifier: Apache-2.0
#include "helpers.hpp"
#include "tmpu/top/operators.hpp"

#include <doctest/doctest.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" // attributes that are left out are the defaults
#endif

using namespace top_test;

namespace {
constexpr float fill_of(std::size_t i) { return static_cast<float>(static_cast<int>(i * 7919 % 201) - 100) / 64.0F; }
constexpr value filled(const shape& dims) {
  value v(dtype_id::f32, dims);
  for (std::size_t i = 0; i < v.f.size(); ++i) v.f[i] = fill_of(i);
  return v;
}

// 9 output channels and 3 groups of them: at run time these take the blocked kernels, in constant evaluation the plain.
constexpr vec<float> classify() {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 2, 7, 7});
  auto y = m.add<top::conv>("conv", {.dilations = {1, 2}, .pads = {1, 0, 1, 2}, .strides = {2, 1}},
                            {x, m.constant("w", filled({18, 2, 3, 3})), m.constant("b", filled({18}))});
  y = m.add<top::relu>("relu", {}, {y});
  y = m.add<top::conv>("depthwise", {.group = 18, .pads = {1, 1, 1, 1}}, {y, m.constant("dw", filled({18, 1, 3, 3}))});
  y = m.add<top::sigmoid>("sigmoid", {}, {y});
  y = m.add<top::max_pool>("pool", {.ceil_mode = 1, .kernel_shape = {2, 2}, .strides = {2, 2}}, {y});
  y = m.add<top::flatten>("flat", {}, {y});
  const auto k = 18 * 2 * 3;
  y = m.add<top::gemm>("gemm", {.alpha = 0.5F, .transB = 1},
                       {y, m.constant("gw", filled({10, k})), m.constant("gb", filled({10}))});
  y = m.add<top::softmax>("softmax", {}, {y});
  m.output(y);
  const auto g = m.take();
  const value inputs[] = {filled({1, 2, 7, 7})};
  return evaluate(g, inputs)[static_cast<std::size_t>(g.outputs[0])].f;
}

struct bits {
  std::uint32_t of[10] = {};
};
constexpr bits bits_of(const vec<float>& v) {
  bits b;
  for (std::size_t i = 0; i < 10; ++i) b.of[i] = std::bit_cast<std::uint32_t>(v[i]);
  return b;
}
constexpr bits at_compile_time = bits_of(classify());
} // namespace

// Values worked out by hand, an operator or more of each family. (In functions: g++ 12 does not evaluate lists of values in a
// static_assert itself.)
namespace {
constexpr bool same(const value& a, const value& b) {
  return a.type == b.type && a.dims == b.dims && a.f == b.f && a.i == b.i;
}
constexpr value absent;

constexpr bool norms() {
  bool good = true;
  const auto x = numbers({1, 2, 2}, {1, 3, -4, 0});
  const auto scale = numbers({2}, {2, 1});
  const auto bias = numbers({2}, {1, 0});
  good = good && same(result_of<top::instance_normalization>({.epsilon = 0.0F}, x, scale, bias),
                      numbers({1, 2, 2}, {-1, 3, -1, 1}));
  good = good && same(result_of<top::group_normalization>({.epsilon = 0.0F, .num_groups = 2}, x, scale, bias),
                      numbers({1, 2, 2}, {-1, 3, -1, 1}));
  good = good && same(result_of<top::rms_normalization>({.epsilon = 0.0F}, numbers({1, 2}, {7, -1}), scale),
                      numbers({1, 2}, {2.8F, -0.2F}));
  good = good &&
         same(result_of<top::lp_normalization>({}, numbers({2, 2}, {3, 4, 0, 0})), numbers({2, 2}, {0.6F, 0.8F, 0, 0}));
  good =
      good && same(result_of<top::mean_variance_normalization>({.axes = {2}}, x), numbers({1, 2, 2}, {-1, 1, -1, 1}));
  good = good && same(result_of<top::local_response_normalization>({.alpha = 1.0F, .beta = 1.0F, .size = 1},
                                                                   numbers({1, 2}, {1, 3})),
                      numbers({1, 2}, {0.5F, 0.3F}));
  const auto trained = results_of<top::batch_normalization>(3, {.epsilon = 0.0F, .momentum = 0.5F, .training_mode = 1},
                                                            x, scale, bias, numbers({2}, {0, 0}), numbers({2}, {1, 0}));
  good = good && same(trained[0], numbers({1, 2, 2}, {-1, 3, -1, 1}));
  good = good && same(trained[1], numbers({2}, {1, -1})) && same(trained[2], numbers({2}, {1, 2}));
  return good;
}
static_assert(norms());

constexpr bool images() {
  bool good = true;
  const auto row = numbers({1, 1, 2}, {1, 2});
  good = good && same(result_of<top::lp_pool>({.kernel_shape = {2}}, numbers({1, 1, 3}, {3, -4, 0})),
                      numbers({1, 1, 2}, {5, 4}));
  good = good && same(result_of<top::global_lp_pool>({.p = 1}, numbers({1, 1, 2}, {-1, 2})), numbers({1, 1, 1}, {3}));
  good =
      good && same(result_of<top::max_unpool>({.kernel_shape = {2}, .strides = {2}}, row, integers({1, 1, 2}, {1, 2})),
                   numbers({1, 1, 4}, {0, 1, 2, 0}));
  good =
      good && same(result_of<top::resize>({}, row, absent, numbers({3}, {1, 1, 2})), numbers({1, 1, 4}, {1, 1, 2, 2}));
  good = good && same(result_of<top::resize>({.axes = {2}, .mode = "linear"}, row, absent, absent, list_of({4})),
                      numbers({1, 1, 4}, {1, 1.25F, 1.75F, 2}));
  good = good && same(result_of<top::grid_sample>({}, row, numbers({1, 2, 1}, {0, 3})), numbers({1, 1, 2}, {1.5F, 0}));
  good = good && same(result_of<top::affine_grid>({}, numbers({1, 2, 3}, {1, 0, 0, 0, 1, 2}), list_of({1, 1, 1, 2})),
                      numbers({1, 1, 2, 2}, {-0.5F, 2, 0.5F, 2}));
  good = good && same(result_of<top::roi_align>({}, numbers({1, 1, 2, 2}, {3, 3, 3, 3}), numbers({1, 4}, {0, 0, 2, 2}),
                                                list_of({0})),
                      numbers({1, 1, 1, 1}, {3}));
  good = good && same(result_of<top::max_roi_pool>({.pooled_shape = {1, 2}}, counting({1, 1, 2, 2}),
                                                   numbers({1, 5}, {0, 0, 0, 1, 1})),
                      numbers({1, 1, 1, 2}, {2, 3}));
  good = good && same(result_of<top::deform_conv>({}, counting({1, 1, 2, 2}), numbers({1, 1, 1, 1}, {2}),
                                                  numbers({1, 2, 2, 2}, {0, 0, 0, 0, 0.5F, 0, 0, 1})),
                      numbers({1, 1, 2, 2}, {1, 2, 4, 0}));
  good = good && same(result_of<top::col2im>({}, numbers({1, 2, 2}, {1, 2, 3, 4}), list_of({3}), list_of({2})),
                      numbers({1, 1, 3}, {1, 5, 4}));
  return good;
}
static_assert(images());

constexpr bool sequences() {
  bool good = true;
  const auto zeros = [](std::int64_t rows) { return value(dtype_id::f32, {1, rows, 1}); };
  const auto x = numbers({3, 1, 1}, {1, -2, 3});
  const auto first = numbers({1, 1, 1}, {1});
  const auto plain = results_of<top::rnn>(2, {.activations = {"Relu"}}, x, numbers({1, 1, 1}, {2}), zeros(1));
  good = good && same(plain[0], numbers({3, 1, 1, 1}, {2, 0, 6})) && same(plain[1], numbers({1, 1, 1}, {6}));
  // All gates at 1/2, nothing new: the state is halved at each of two steps, then the sequence is over.
  const auto lengths = integers({1}, {2}, dtype_id::i32);
  const auto halved = results_of<top::gru>(2, {}, x, zeros(3), zeros(3), absent, lengths, first);
  good =
      good && same(halved[0], numbers({3, 1, 1, 1}, {0.5F, 0.25F, 0})) && same(halved[1], numbers({1, 1, 1}, {0.25F}));
  const auto kept = results_of<top::lstm>(3, {.activations = {"Sigmoid", "Tanh", "Relu"}, .direction = "reverse"}, x,
                                          zeros(4), zeros(4), absent, lengths, first, first);
  good = good && same(kept[0], numbers({3, 1, 1, 1}, {0.125F, 0.25F, 0})) && same(kept[2], numbers({1, 1, 1}, {0.25F}));
  // Two heads of q share one of k and v; causal: the first query sees one key only.
  const auto q = value(dtype_id::f32, {1, 2, 2, 1});
  good = good && same(result_of<top::attention>({.is_causal = 1}, q, numbers({1, 1, 2, 1}, {1, 5}),
                                                numbers({1, 1, 2, 1}, {2, 4})),
                      numbers({1, 2, 2, 1}, {2, 3, 2, 3}));
  good = good &&
         same(result_of<top::rotary_embedding>({.rotary_embedding_dim = 2}, numbers({1, 1, 1, 3}, {1, 2, 9}),
                                               numbers({2, 1}, {1, 0}), numbers({2, 1}, {0, 1}), integers({1, 1}, {1})),
              numbers({1, 1, 1, 3}, {-2, 1, 9}));
  return good;
}
static_assert(sequences());

constexpr bool spectra() {
  bool good = true;
  good = good &&
         same(result_of<top::dft>({.onesided = 1}, numbers({1, 3, 1}, {1, 0, 0})), numbers({1, 2, 2}, {1, 0, 1, 0}));
  good = good &&
         same(result_of<top::dft>({.inverse = 1}, numbers({1, 2, 2}, {3, 0, 1, 0})), numbers({1, 2, 2}, {2, 0, 1, 0}));
  good =
      good && same(result_of<top::stft>({}, numbers({1, 4, 1}, {1, 2, 3, 4}), integers({}, {2}), numbers({2}, {1, 2})),
                   numbers({1, 2, 2, 2}, {5, 0, -3, 0, 11, 0, -5, 0}));
  good = good && same(result_of<top::hann_window>({}, integers({}, {4})), numbers({4}, {0, 0.5F, 1, 0.5F}));
  return good;
}
static_assert(spectra());

// Unknown dimensions stay unknown.
static_assert(shape_of<top::lstm>({}, {{-1, 2, 3}, {1, 20, 3}, {1, 20, 5}}) == shape{-1, 1, 2, 5});
static_assert(shape_of<top::attention>({}, {{1, 2, -1, 4}, {1, 2, 7, 4}, {1, 2, 7, 6}}) == shape{1, 2, -1, 6});
static_assert(shape_of<top::grid_sample>({}, {{-1, 3, 8, 8}, {-1, -1, 5, 2}}) == shape{-1, 3, -1, 5});
static_assert(shape_of<top::instance_normalization>({}, {{-1, 4, -1}, {4}, {4}}) == shape{-1, 4, -1});
static_assert(shape_of<top::dft>({}, {{2, -1, 1}}) == shape{2, -1, 2});
static_assert(shape_of<top::max_unpool>({.kernel_shape = {2}, .strides = {2}}, {{1, 1, -1}, {1, 1, -1}},
                                        dtype_id::i64) == shape{1, 1, -1});
} // namespace

TEST_CASE("conv, relu, pool, gemm give the same bits in constant evaluation and at run time") {
  const bits now = bits_of(classify());
  float sum = 0.0F;
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(now.of[i] == at_compile_time.of[i]);
    sum += std::bit_cast<float>(now.of[i]);
  }
  CHECK(sum == doctest::Approx(1.0));
}
