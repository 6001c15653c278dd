// SPDX-License-Identifier: Apache-2.0
// Operators on integers, bits, places and random numbers. (What ONNX's backend tests check of them is in tests/onnx; here is what
// those leave out: the ends of the types, unknown dimensions, refusals, moments.)
#include "helpers.hpp"
#include "tmpu/top/arg.hpp"
#include "tmpu/top/comparison.hpp"
#include "tmpu/top/constants.hpp"
#include "tmpu/top/einsum.hpp"
#include "tmpu/top/elementwise.hpp"
#include "tmpu/top/integer_sums.hpp"
#include "tmpu/top/loss.hpp"
#include "tmpu/top/pad.hpp"
#include "tmpu/top/random.hpp"
#include "tmpu/top/rearrange.hpp"
#include "tmpu/top/reduce.hpp"
#include "tmpu/top/scatter.hpp"
#include "tmpu/top/select.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" // attributes that are left out are the defaults
#endif

using namespace top_test;
namespace top = tmpu::top;

namespace {
constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t greatest = std::numeric_limits<std::int64_t>::max();
constexpr auto u64 = dtype_id::u64;

constexpr bool same(const value& a, const value& b) {
  return a.type == b.type && a.dims == b.dims && a.f == b.f && a.i == b.i;
}
/// One operand of integers, and what becomes of it.
template <class Op>
constexpr bool maps(dtype_id type, std::initializer_list<std::int64_t> x, std::initializer_list<std::int64_t> y) {
  const shape d{static_cast<std::int64_t>(x.size())};
  return same(apply<Op>({}, {integers(d, x, type)}), integers(d, y, type));
}
template <class Op>
constexpr std::int64_t of_two(dtype_id type, std::int64_t a, std::int64_t b, const typename Op::attributes& how = {}) {
  return apply<Op>(how, {integers({1}, {a}, type), integers({1}, {b}, type)}).i[0];
}

// -1 as a word is the greatest u64.
constexpr bool ends_of_types() {
  bool good = true;
  good = good && maps<top::abs>(dtype_id::i8, {-128, -1, 5}, {-128, 1, 5});
  good = good && maps<top::abs>(u64, {-1, 0}, {-1, 0});
  good = good && maps<top::neg>(dtype_id::i64, {least, 7}, {least, -7});
  good = good && maps<top::sign>(u64, {-1, 0, 3}, {1, 0, 1});
  good = good && maps<top::relu>(dtype_id::i32, {-3, 3}, {0, 3});
  good = good && maps<top::bitwise_not>(dtype_id::u8, {0, 5}, {255, 250});
  good = good && maps<top::bitwise_not>(dtype_id::i16, {0, -1}, {-1, 0});
  good = good && of_two<top::div>(u64, -1, 2) == greatest && of_two<top::div>(dtype_id::i64, least, -1) == least;
  good =
      good && of_two<top::mod>(dtype_id::i64, -7, 3) == 2 && of_two<top::mod>(dtype_id::i64, -7, 3, {.fmod = 1}) == -1;
  good = good && of_two<top::mod>(u64, -1, 10) == 5 && of_two<top::mod>(dtype_id::i64, least, -1) == 0;
  good = good && of_two<top::max>(u64, -1, 1) == -1 && of_two<top::max>(dtype_id::i64, -1, 1) == 1;
  good = good && of_two<top::less>(u64, 1, -1) == 1 && of_two<top::less>(dtype_id::i64, 1, -1) == 0;
  good = good && of_two<top::pow>(dtype_id::i32, 3, 20) == static_cast<std::int32_t>(3486784401);
  good = good && of_two<top::pow>(dtype_id::i64, -1, -3) == -1 && of_two<top::pow>(dtype_id::i64, 2, -1) == 0;
  good = good && of_two<top::bit_shift>(dtype_id::u8, 255, 1, {.direction = "LEFT"}) == 254;
  good = good && of_two<top::bit_shift>(u64, -1, 63, {.direction = "RIGHT"}) == 1;
  good = good && of_two<top::bit_shift>(u64, -1, 64, {.direction = "LEFT"}) == 0;
  return good;
}
static_assert(ends_of_types());

// fmod is exact: 1e30 - k * 7 for the greatest k, by Python: math.fmod(float(numpy.float32(1e30)), 7.0).
static_assert(top::mod::apply(1e30F, 7.0F) == 1.0F);
static_assert(top::mod::apply(-5.5F, 2.0F) == -1.5F && top::mod::apply(5.0F, math::infinity<float>) == 5.0F);
static_assert(math::is_nan(top::mod::apply(1.0F, 0.0F)));

constexpr bool places() {
  bool good = true;
  const value x = numbers({2, 3}, {3, 1, 2, 0, 5, 4});
  good = good && same(apply<top::arg_max>({.axis = 1, .keepdims = 0}, {x}), list_of({0, 1}));
  good =
      good && same(apply<top::gather_elements>({.axis = 1}, {x, integers({2, 1}, {-1, 0})}), numbers({2, 1}, {2, 0}));
  good = good && same(apply<top::scatter_elements>({.axis = 1, .reduction = "add"},
                                                   {x, integers({1, 2}, {0, 0}), numbers({1, 2}, {10, 100})}),
                      numbers({2, 3}, {113, 1, 2, 0, 5, 4}));
  good = good && same(apply<top::non_zero>({}, {x}), integers({2, 5}, {0, 0, 0, 1, 1, 0, 1, 2, 1, 2}));
  good = good && same(apply<top::top_k>({}, {x, list_of({2})}), numbers({2, 2}, {3, 2, 5, 4}));
  good = good && same(apply<top::einsum>({.equation = "ij->j"}, {x}), numbers({3}, {3, 6, 6}));
  good = good && same(apply<top::tile>({}, {numbers({1, 2}, {1, 2}), list_of({2, 2})}),
                      numbers({2, 4}, {1, 2, 1, 2, 1, 2, 1, 2}));
  good = good &&
         same(apply<top::cum_sum>({.reverse = 1}, {numbers({3}, {1, 2, 4}), list_of({0})}), numbers({3}, {7, 6, 4}));
  good = good &&
         same(apply<top::range>({}, {integers({}, {5}), integers({}, {-2}), integers({}, {-3})}), list_of({5, 2, -1}));
  good = good && same(apply<top::det>({}, {numbers({2, 2}, {1, 2, 3, 4})}), numbers({}, {-2}));
  // A reflection goes back and forth beyond the size of the axis; what is taken away first is not copied.
  good = good && same(apply<top::pad>({.mode = "reflect"}, {numbers({3}, {1, 2, 3}), list_of({5, -1})}),
                      numbers({7}, {2, 1, 2, 1, 2, 1, 2}));
  return good;
}
static_assert(places());

constexpr bool quantized() {
  bool good = true;
  const value scale = numbers({}, {0.5F});
  // Halves go to the even integer, the ends saturate.
  good = good && same(apply<top::quantize_linear>(
                          {}, {numbers({4}, {0.25F, 0.75F, -90, 90}), scale, integers({}, {1}, dtype_id::i8)}),
                      integers({4}, {1, 3, -128, 127}, dtype_id::i8));
  good = good && same(apply<top::dequantize_linear>({}, {integers({2}, {-128, 127}, dtype_id::i8), scale}),
                      numbers({2}, {-64, 63.5F}));
  // Padding counts as the zero point: 2 * (3 - 2) at the border as well.
  good = good && same(apply<top::conv_integer>({.pads = {1, 1}}, {integers({1, 1, 1}, {3}, dtype_id::u8),
                                                                  integers({1, 1, 3}, {2, 2, 2}, dtype_id::i8),
                                                                  integers({}, {2}, dtype_id::u8)}),
                      integers({1, 1, 1}, {2}, dtype_id::i32));
  return good;
}
static_assert(quantized());

// Without saturate a cast beyond the range gives an infinity, or a NaN where there is none.
constexpr bool beyond_f8() {
  const auto cast_to = [](std::int64_t type, float x) {
    return apply<top::cast>({.saturate = 0, .to = type}, {numbers({}, {x})}).f[0];
  };
  return cast_to(17, 464.0F) == 448.0F && math::is_nan(cast_to(17, 465.0F)) && math::is_nan(cast_to(18, -248.0F)) &&
         cast_to(19, -61440.0F) == -math::infinity<float> && cast_to(19, 61439.0F) == 57344.0F;
}
static_assert(beyond_f8());

// Shapes that elements tell stay unknown, and the other dimensions are kept.
static_assert(shape_of<top::non_zero>({}, {{4, -1, 6}}) == shape{3, -1});
static_assert(shape_of<top::reduce_log_sum>({.axes = {1}}, {{-1, 7}}) == shape{-1, 1});
static_assert(shape_of<top::einsum>({.equation = "b...d,b...d->...b"}, {{-1, 4, 8}, {-1, 1, 8}}) == shape{4, -1});
static_assert(shape_of<top::space_to_depth>({.blocksize = 2}, {{-1, 3, 4, -1}}) == shape{-1, 12, 2, -1});
static_assert(shape_of<top::hardmax>({}, {{-1, 5}}) == shape{-1, 5});

/// The refusal's text.
template <class F> std::string refusal(F&& f) {
  try {
    f();
  } catch (const error& e) {
    return e.what();
  }
  return "";
}
bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

struct moments {
  double mean = 0.0;
  double deviation = 0.0;
};
moments moments_of(const value& v) {
  moments m;
  const auto n = static_cast<double>(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) m.mean += top::detail::number_at(v, i) / n;
  for (std::size_t i = 0; i < v.size(); ++i) m.deviation += std::pow(top::detail::number_at(v, i) - m.mean, 2.0) / n;
  m.deviation = std::sqrt(m.deviation);
  return m;
}
} // namespace

TEST_CASE("elements that point outside are refused with the node's name") {
  const value x = numbers({2, 2}, {1, 2, 3, 4});
  CHECK(contains(refusal([&] {
                   apply<top::gather_elements>({}, {x, integers({1, 1}, {2})});
                 }),
                 "node 'node' (gather_elements): place 2 is outside of axis 0 of [2,2]"));
  CHECK(contains(refusal([&] { apply<top::gather_nd>({}, {x, integers({1, 2}, {0, -3})}); }), "place -3"));
  CHECK(contains(refusal([&] {
                   apply<top::scatter_nd>({}, {x, integers({1, 1}, {5}), numbers({1, 2}, {0, 0})});
                 }),
                 "place 5"));
  CHECK(contains(refusal([&] { apply<top::cum_sum>({}, {x, list_of({2})}); }), "axis 2"));
  CHECK(contains(refusal([&] {
                   apply<top::range>({}, {numbers({}, {0}), numbers({}, {1}), numbers({}, {0})});
                 }),
                 "delta must not be 0"));
  CHECK(contains(refusal([&] {
                   apply<top::negative_log_likelihood_loss>({}, {x, list_of({0, 2})});
                 }),
                 "target 2 is none of 2 classes"));
}

TEST_CASE("operands and attributes that do not fit are refused") {
  const value x = numbers({2, 2}, {1, 2, 3, 4});
  CHECK(contains(refusal([&] { apply<top::einsum>({.equation = "ij,jk"}, {x}); }), "2 terms for 1 operands"));
  CHECK(contains(refusal([&] {
                   apply<top::einsum>({.equation = "ij,jk"}, {x, numbers({3, 1}, {1, 2, 3})});
                 }),
                 "should be 2"));
  CHECK(contains(refusal([&] { apply<top::einsum>({.equation = "i?"}, {x}); }), "cannot read '?' at place 1"));
  CHECK(contains(refusal([&] { apply<top::mod>({}, {x, x}); }), "fmod = 1"));
  CHECK(contains(refusal([&] { apply<top::bitwise_and>({}, {x, x}); }), "takes integers"));
  CHECK(contains(refusal([&] { apply<top::logical_xor>({}, {x, x}); }), "takes bool elements, not f32"));
  CHECK(contains(refusal([&] { apply<top::top_k>({}, {x, list_of({3})}); }), "from 0 to 2"));
  CHECK(contains(refusal([&] {
                   apply<top::quantize_linear>({.axis = 0, .block_size = 1}, {x, numbers({1, 2}, {1, 1})});
                 }),
                 "scale [1,2] does not fit [2,2]"));
  CHECK(contains(refusal([&] {
                   apply<top::scatter_elements>({.reduction = "mean"}, {x, integers({2, 2}, {0, 0, 0, 0}), x});
                 }),
                 "reduction 'mean' is not known"));
}

TEST_CASE("reductions of nothing give the neutral element, NaNs stay") {
  const value nothing(dtype_id::f32, {2, 0});
  CHECK(apply<top::reduce_max>({.axes = {1}}, {nothing}).f[1] == -std::numeric_limits<float>::infinity());
  CHECK(apply<top::reduce_prod>({.axes = {1}}, {nothing}).f[1] == 1.0F);
  CHECK(std::isnan(apply<top::reduce_mean>({.axes = {1}}, {nothing}).f[0]));
  CHECK(apply<top::reduce_max>({}, {value(dtype_id::i8, {0})}).i[0] == -128);
  CHECK(apply<top::reduce_min>({}, {value(dtype_id::u64, {0})}).i[0] == -1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(apply<top::reduce_max>({}, {numbers({3}, {1, nan, 2})}).f[0]));
  // exp(1000) overflows; the sum of the two does not.
  CHECK(apply<top::reduce_log_sum_exp>({}, {numbers({2}, {1000, 1000})}).f[0] == doctest::Approx(1000.693147));
}

TEST_CASE("inverse hyperbolic functions against libm") {
  for (int i = -2000; i <= 2000; ++i) {
    const float x = static_cast<float>(i) * 0.0117F;
    const auto near = [](float got, double wanted) {
      return std::fabs(static_cast<double>(got) - wanted) <= 0.51 * std::ldexp(1.0, std::ilogb(wanted) - 23);
    };
    if (i != 0) CHECK(near(math::asinh(x), std::asinh(static_cast<double>(x))));
    if (x > 1.0F) CHECK(near(math::acosh(x), std::acosh(static_cast<double>(x))));
    const float part = static_cast<float>(i) / 2001.0F;
    if (i != 0) CHECK(near(math::atanh(part), std::atanh(static_cast<double>(part))));
    const float tiny = x * 1e-3F;
    if (i != 0) CHECK(near(math::atanh(tiny), std::atanh(static_cast<double>(tiny))));
    if (i != 0) CHECK(near(math::asinh(tiny), std::asinh(static_cast<double>(tiny))));
  }
  CHECK(math::asinh(3e38F) == doctest::Approx(std::asinh(3e38)));
  CHECK(std::isnan(math::acosh(0.5F)));
  CHECK(math::atanh(-1.0F) == -std::numeric_limits<float>::infinity());
}

TEST_CASE("random numbers have the moments that were asked for, and are the same every time") {
  const auto uniform = apply<top::random_uniform>({.high = 3.0F, .low = -1.0F, .shape = {20000}}, {});
  const moments u = moments_of(uniform);
  CHECK(u.mean == doctest::Approx(1.0).epsilon(0.03));
  CHECK(u.deviation == doctest::Approx(4.0 / std::sqrt(12.0)).epsilon(0.02));
  for (const float v : uniform.f) CHECK((v >= -1.0F && v < 3.0F));
  const auto normal = apply<top::random_normal>({.mean = 2.0F, .scale = 0.5F, .shape = {20000}}, {});
  const moments n = moments_of(normal);
  CHECK(n.mean == doctest::Approx(2.0).epsilon(0.01));
  CHECK(n.deviation == doctest::Approx(0.5).epsilon(0.02));
  std::size_t within = 0;
  for (const float v : normal.f) within += std::fabs(v - 2.0F) < 0.5F ? 1U : 0U;
  CHECK(static_cast<double>(within) / 20000.0 == doctest::Approx(0.6827).epsilon(0.02));
  CHECK(same(normal, apply<top::random_normal>({.mean = 2.0F, .scale = 0.5F, .shape = {20000}}, {})));
  CHECK(!same(normal, apply<top::random_normal>({.mean = 2.0F, .scale = 0.5F, .seed = 1.0F, .shape = {20000}}, {})));

  const auto like = apply<top::random_uniform_like>({.dtype = 10}, {value(dtype_id::i32, {2, 3})});
  CHECK(like.type == dtype_id::f16);
  CHECK(like.dims == shape{2, 3});

  value chances(dtype_id::f32, {10000});
  for (float& p : chances.f) p = 0.3F;
  const auto bernoulli = apply<top::bernoulli>({.dtype = 9}, {chances});
  CHECK(bernoulli.type == dtype_id::boolean);
  CHECK(moments_of(bernoulli).mean == doctest::Approx(0.3).epsilon(0.05));

  const auto drawn =
      apply<top::multinomial>({.sample_size = 10000}, {numbers({1, 3}, {0.0F, std::log(3.0F), -1000.0F})});
  CHECK(drawn.type == dtype_id::i32);
  CHECK(drawn.dims == shape{1, 10000});
  CHECK(moments_of(drawn).mean == doctest::Approx(0.75).epsilon(0.03)); // classes 0 and 1, as 1 : 3
}

TEST_CASE("a result that the graph does not take may stand before one that it does") {
  graph_body g;
  const tensor_id operands[] = {g.add_constant("x", numbers({3}, {1, 9, 4})), g.add_constant("k", list_of({2}))};
  const tensor_id results[] = {none, g.add_tensor("places", dtype_id::none, {})};
  const node_id id = add_node<top::top_k>(g, "node", {}, operands, results);
  infer(g, id);
  const value x = numbers({3}, {1, 9, 4});
  const value k = list_of({2});
  const value* values[] = {&x, &k};
  CHECK(same(evaluate_node(g, id, values)[1], list_of({1, 2})));
}
