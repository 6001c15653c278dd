// SPDX-License-Identifier: Apache-2.0
#include "tmpu/core/activations.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

using namespace tmpu;

namespace {
constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr bool is_minus_zero(float x) { return std::bit_cast<std::uint32_t>(x) == 0x8000'0000U; }
} // namespace

// Values by hand.
static_assert(activation::relu(-3.0F) == 0.0F && activation::relu(3.0F) == 3.0F);
static_assert(activation::clip(7.0F, 0.0F, 6.0F) == 6.0F && activation::clip(-7.0F, 0.0F, 6.0F) == 0.0F);
static_assert(activation::clip(7.0F, 0.0F, inf) == 7.0F);
static_assert(activation::leaky_relu(-8.0F, 0.25F) == -2.0F && activation::leaky_relu(8.0F, 0.25F) == 8.0F);
static_assert(activation::sigmoid(0.0F) == 0.5F && activation::silu(0.0F) == 0.0F);
static_assert(activation::hard_sigmoid(1.0F, 0.25F, 0.5F) == 0.75F &&
              activation::hard_sigmoid(9.0F, 0.25F, 0.5F) == 1.0F);
static_assert(activation::hard_swish(-3.5F) == 0.0F && activation::hard_swish(4.0F) == 4.0F);
static_assert(activation::elu(2.0F, 1.0F) == 2.0F && activation::selu(2.0F, 1.5F, 0.5F) == 1.0F);
static_assert(activation::round(2.5F) == 2.0F && activation::round(3.5F) == 4.0F);
static_assert(activation::reciprocal(4.0F) == 0.25F && activation::reciprocal(0.0F) == inf &&
              activation::reciprocal(-0.0F) == -inf);
static_assert(activation::divide(1.0F, 0.0F) == inf && activation::divide(1.0F, -0.0F) == -inf &&
              activation::divide(-1.0F, -0.0F) == inf);
static_assert(math::is_nan(activation::divide(0.0F, 0.0F)));

TEST_CASE("far arguments do not overflow") {
  CHECK(activation::sigmoid(-1000.0F) == 0.0F);
  CHECK(activation::sigmoid(1000.0F) == 1.0F);
  CHECK(activation::sigmoid(-inf) == 0.0F);
  CHECK(activation::softplus(1000.0F) == 1000.0F);
  CHECK(activation::softplus(-1000.0F) == 0.0F);
  CHECK(activation::mish(1000.0F) == 1000.0F);
  CHECK(activation::elu(-1000.0F, 0.5F) == -0.5F);
  CHECK(activation::gelu(50.0F) == 50.0F);
  CHECK(activation::gelu(-50.0F) == 0.0F);
  CHECK(activation::hard_swish(inf) == inf);
}

TEST_CASE("NaN stays, zero keeps its sign") {
  using namespace activation;
  for (const float y :
       {clip(not_a_number, 0.0F, 6.0F), relu(not_a_number), leaky_relu(not_a_number, 0.1F), sigmoid(not_a_number),
        activation::tanh(not_a_number), hard_sigmoid(not_a_number, 0.2F, 0.5F), hard_swish(not_a_number),
        silu(not_a_number), elu(not_a_number, 1.0F), selu(not_a_number, 1.0F, 1.0F), softplus(not_a_number),
        gelu(not_a_number), gelu_tanh(not_a_number), mish(not_a_number), softsign(not_a_number),
        reciprocal(not_a_number)}) {
    CHECK(std::isnan(y));
  }
  CHECK(is_minus_zero(relu(-0.0F)));
  CHECK(is_minus_zero(clip(-0.0F, 0.0F, inf)));
  CHECK(is_minus_zero(leaky_relu(-0.0F, 0.1F)));
}

TEST_CASE("relative error against double, in f32 steps") {
  // The worst of the composed functions loses a few roundings; a wrong constant loses far more.
  double worst = 0.0;
  for (float x = -8.0F; x < 8.0F; x += 0.0137F) {
    const auto d = static_cast<double>(x);
    const double s = 1.0 / (1.0 + std::exp(-d));
    const double sp = std::log1p(std::exp(d));
    const double pairs[][2] = {{activation::sigmoid(x), s},
                               {activation::silu(x), d * s},
                               {activation::softplus(x), sp},
                               {activation::mish(x), d * std::tanh(sp)},
                               {activation::softsign(x), d / (1 + std::abs(d))}};
    for (const auto& p : pairs) worst = std::max(worst, std::abs(p[0] - p[1]) / std::abs(p[1]));
  }
  CHECK(worst < 4e-7);
}
