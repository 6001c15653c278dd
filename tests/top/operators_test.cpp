// SPDX-License-Identifier: Apache-2.0
#include "tmpu/top/operators.hpp"

#include "helpers.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" // attributes that are left out are the defaults
#endif

using namespace top_test;
namespace top = tmpu::top;

namespace {
const value absent;
constexpr bool same(const value& a, const value& b) {
  return a.type == b.type && a.dims == b.dims && a.f == b.f && a.i == b.i;
}
} // namespace

// Hand-worked values. (In a function: g++ 12 does not evaluate lists of values in a static_assert itself.)
constexpr bool by_hand() {
  bool good = true;
  good = good && same(apply<top::conv>({}, {numbers({1, 1, 3}, {1, 2, 3}), numbers({1, 1, 2}, {10, 1})}),
                      numbers({1, 1, 2}, {12, 23}));
  good = good &&
         same(apply<top::gemm>({}, {numbers({1, 2}, {1, 2}), numbers({2, 2}, {3, 4, 5, 6}), numbers({2}, {1, -1})}),
              numbers({1, 2}, {14, 15}));
  good = good &&
         same(apply<top::max_pool>({.kernel_shape = {2, 2}}, {counting({1, 1, 2, 3})}), numbers({1, 1, 1, 2}, {4, 5}));
  good = good && same(apply<top::relu>({}, {numbers({3}, {-1, 0, 2})}), numbers({3}, {0, 0, 2}));
  good = good && same(apply<top::add>({}, {integers({2}, {9007199254740993, 1}), integers({}, {1})}),
                      integers({2}, {9007199254740994, 2}));
  return good;
}
static_assert(by_hand());
static_assert(shape_of<top::conv>({.pads = {1, 1, 1, 1}, .strides = {2, 2}}, {{-1, 3, 224, -1}, {8, 3, 3, 3}}) ==
              shape{-1, 8, 112, -1});
static_assert(shape_of<top::flatten>({}, {{-1, 3, 4}}) == shape{-1, 12});
static_assert(shape_of<top::matmul>({}, {{-1, 2, 3}, {3, 5}}) == shape{-1, 2, 5});

TEST_CASE("every operator has its own name and ONNX name") {
  std::set<std::string> names;
  std::set<std::string> onnx;
  unpack<decltype(top::operators)>::for_each([&]<class Op>() {
    const op_record& r = record_of<Op>;
    CHECK(r.domain == "top");
    CHECK_MESSAGE(names.insert(std::string(r.info.name)).second, std::string(r.info.name));
    if (!r.info.onnx.empty()) CHECK_MESSAGE(onnx.insert(std::string(r.info.onnx)).second, std::string(r.info.onnx));
  });
  CHECK(onnx.count("Conv") == 1);
}

TEST_CASE("conv: padding, stride, dilation, groups, bias, clamp, one to three axes") {
  const auto x = counting({1, 1, 3, 3});
  const auto ones = [](const shape& d) {
    value v(dtype_id::f32, d);
    for (float& e : v.f) e = 1.0F;
    return v;
  };
  CHECK(same(apply<top::conv>({.pads = {1, 1, 1, 1}, .strides = {2, 2}}, {x, ones({1, 1, 3, 3})}),
             numbers({1, 1, 2, 2}, {8, 12, 20, 24})));
  CHECK(same(apply<top::conv>({.auto_pad = "SAME_LOWER"}, {x, ones({1, 1, 2, 2})}),
             numbers({1, 1, 3, 3}, {0, 1, 3, 3, 8, 12, 9, 20, 24})));
  CHECK(same(apply<top::conv>({.auto_pad = "SAME_UPPER"}, {x, ones({1, 1, 2, 2})}),
             numbers({1, 1, 3, 3}, {8, 12, 7, 20, 24, 13, 13, 15, 8})));
  CHECK(same(apply<top::conv>({.dilations = {2, 2}}, {x, numbers({1, 1, 2, 2}, {1, 10, 100, 1000})}),
             numbers({1, 1, 1, 1}, {8620})));
  CHECK(same(
      apply<top::conv>({.group = 2}, {counting({1, 2, 1, 2}), numbers({2, 1, 1, 1}, {1, -1}), numbers({2}, {10, 20})}),
      numbers({1, 2, 1, 2}, {10, 11, 18, 17})));
  CHECK(same(apply<top::conv>({.clamp = {0, 15}}, {counting({1, 2, 1, 2}), numbers({2, 2, 1, 1}, {1, 10, 1, -10})}),
             numbers({1, 2, 1, 2}, {15, 15, 0, 0})));
  CHECK(same(apply<top::conv>({}, {counting({1, 1, 2, 2, 2}), ones({1, 1, 2, 2, 2})}), numbers({1, 1, 1, 1, 1}, {28})));
  // ONNX test_convtranspose: 3x3 input 0..8, kernels of ones: the same plane for each output channel.
  const auto t = apply<top::conv_transpose>({}, {x, ones({1, 2, 3, 3})});
  CHECK(same(t, numbers({1, 2, 5, 5},
                        {0, 1, 3, 3, 2, 3, 8, 15, 12, 7, 9, 21, 36, 27, 15, 9, 20, 33, 24, 13, 6, 13, 21, 15, 8,
                         0, 1, 3, 3, 2, 3, 8, 15, 12, 7, 9, 21, 36, 27, 15, 9, 20, 33, 24, 13, 6, 13, 21, 15, 8})));
  CHECK(shape_of<top::conv_transpose>({.output_padding = {1, 1}, .pads = {1, 1, 1, 1}, .strides = {2, 2}},
                                      {{1, 8, 14, 14}, {8, 4, 3, 3}}) == shape{1, 4, 28, 28});
  CHECK(shape_of<top::conv_transpose>({.output_shape = {10, 8}, .strides = {3, 2}}, {{1, 1, 3, 3}, {1, 2, 3, 3}}) ==
        shape{1, 2, 10, 8});
}

TEST_CASE("conv by blocks of channels equals the sum written out, whatever the stride and padding") {
  for (const std::int64_t outputs : {7, 8, 16, 19}) {
    for (const std::int64_t stride : {1, 2}) {
      value x(dtype_id::f32, {2, 4, 5, 6});
      value w(dtype_id::f32, {2 * outputs, 2, 3, 2});
      for (std::size_t i = 0; i < x.f.size(); ++i) x.f[i] = static_cast<float>(i * 37 % 101) / 7.0F - 6.0F;
      for (std::size_t i = 0; i < w.f.size(); ++i) w.f[i] = static_cast<float>(i * 53 % 89) / 9.0F - 4.0F;
      const auto y = apply<top::conv>({.group = 2, .pads = {1, 0, 2, 1}, .strides = {stride, stride}}, {x, w});
      bool equal = true;
      std::size_t at = 0;
      for (std::int64_t n = 0; n < 2; ++n) {
        for (std::int64_t oc = 0; oc < 2 * outputs; ++oc) {
          for (std::int64_t oh = 0; oh < y.dims[2]; ++oh) {
            for (std::int64_t ow = 0; ow < y.dims[3]; ++ow) {
              float sum = 0.0F;
              for (std::int64_t ic = 0; ic < 2; ++ic) {
                for (std::int64_t kh = 0; kh < 3; ++kh) {
                  for (std::int64_t kw = 0; kw < 2; ++kw) {
                    const std::int64_t h = oh * stride - 1 + kh;
                    const std::int64_t v = ow * stride + kw;
                    if (h < 0 || h >= 5 || v >= 6) continue;
                    sum =
                        std::fma(w.f[static_cast<std::size_t>(((oc * 2 + ic) * 3 + kh) * 2 + kw)],
                                 x.f[static_cast<std::size_t>(((n * 4 + oc / outputs * 2 + ic) * 5 + h) * 6 + v)], sum);
                  }
                }
              }
              equal = equal && sum == y.f[at++];
            }
          }
        }
      }
      CHECK(equal);
      CHECK(at == y.f.size());
    }
  }
}

TEST_CASE("pools") {
  const auto x = counting({1, 1, 4, 4});
  CHECK(same(apply<top::max_pool>({.ceil_mode = 1, .kernel_shape = {3, 3}, .strides = {2, 2}}, {x}),
             numbers({1, 1, 2, 2}, {10, 11, 14, 15})));
  CHECK(same(apply<top::average_pool>({.ceil_mode = 1, .kernel_shape = {3, 3}, .strides = {2, 2}}, {x}),
             numbers({1, 1, 2, 2}, {5, 6.5F, 11, 12.5F})));
  CHECK(same(apply<top::average_pool>(
                 {.count_include_pad = 1, .kernel_shape = {2, 2}, .pads = {1, 1, 0, 0}, .strides = {4, 4}}, {x}),
             numbers({1, 1, 1, 1}, {0})));
  CHECK(same(apply<top::average_pool>({.kernel_shape = {2, 2}, .pads = {0, 0, 1, 1}, .strides = {3, 3}}, {x}),
             numbers({1, 1, 2, 2}, {2.5F, 5, 12.5F, 15})));
  CHECK(same(apply<top::average_pool>(
                 {.count_include_pad = 1, .kernel_shape = {2, 2}, .pads = {0, 0, 1, 1}, .strides = {3, 3}}, {x}),
             numbers({1, 1, 2, 2}, {2.5F, 2.5F, 6.25F, 3.75F})));
  // A last window that would start in the padding is left out: 3 and not 4 positions.
  CHECK(shape_of<top::max_pool>({.ceil_mode = 1, .kernel_shape = {1}, .pads = {0, 1}, .strides = {2}}, {{1, 1, 6}}) ==
        shape{1, 1, 3});
  const auto both = apply_all<top::max_pool>({.kernel_shape = {2, 2}, .strides = {2, 2}}, {x}, 2);
  CHECK(same(both[1], integers({1, 1, 2, 2}, {5, 7, 13, 15})));
  const auto columns =
      apply_all<top::max_pool>({.kernel_shape = {2, 2}, .storage_order = 1, .strides = {2, 2}}, {x}, 2);
  CHECK(same(columns[1], integers({1, 1, 2, 2}, {5, 13, 7, 15})));
  CHECK(same(apply<top::global_average_pool>({}, {x}), numbers({1, 1, 1, 1}, {7.5F})));
  CHECK(same(apply<top::global_max_pool>({}, {x}), numbers({1, 1, 1, 1}, {15})));
}

TEST_CASE("gemm and matmul") {
  const auto a = counting({3, 2});
  const auto b = counting({2, 3});
  CHECK(same(apply<top::gemm>({.alpha = 2, .beta = 0.5F, .transA = 1, .transB = 1}, {a, b, numbers({2, 1}, {2, 4})}),
             numbers({2, 2}, {21, 57, 28, 82})));
  CHECK(same(apply<top::matmul>({}, {a, b}), numbers({3, 3}, {3, 4, 5, 9, 14, 19, 15, 24, 33})));
  CHECK(same(apply<top::matmul>({}, {numbers({2}, {1, 2}), b}), numbers({3}, {6, 9, 12})));
  CHECK(same(apply<top::matmul>({}, {counting({2, 1, 2}), counting({2, 2, 1})}), numbers({2, 1, 1}, {1, 13})));
  CHECK(same(apply<top::matmul>({}, {integers({1, 2}, {3, 1000000007}), integers({2, 1}, {5, 1000000009})}),
             integers({1, 1}, {1000000016000000078})));
  value wide(dtype_id::f32, {2, 37});
  for (std::size_t i = 0; i < wide.f.size(); ++i) wide.f[i] = static_cast<float>(i) / 3.0F;
  const auto y = apply<top::matmul>({}, {numbers({1, 2}, {1.5F, -0.25F}), wide});
  bool equal = true;
  for (std::size_t n = 0; n < 37; ++n) equal = equal && y.f[n] == 0.0F + 1.5F * wide.f[n] + -0.25F * wide.f[37 + n];
  CHECK(equal);
}

TEST_CASE("element by element") {
  const auto near = [](const value& v, std::initializer_list<double> expected) {
    std::size_t i = 0;
    for (const double e : expected) CHECK(static_cast<double>(v.f[i++]) == doctest::Approx(e).epsilon(1e-6));
  };
  const auto x = numbers({3}, {-1, 0.5F, 2});
  // Reference values: the formulas of the ONNX pages in double precision.
  near(apply<top::leaky_relu>({.alpha = 0.1F}, {x}), {-0.1, 0.5, 2});
  near(apply<top::elu>({.alpha = 2}, {x}), {-1.2642411176571153, 0.5, 2});
  near(apply<top::selu>({}, {x}), {-1.1113307378125625, 0.5253505, 2.101402});
  near(apply<top::sigmoid>({}, {x}), {0.2689414213699951, 0.6224593312018546, 0.8807970779778823});
  near(apply<top::hard_sigmoid>({}, {x}), {0.3, 0.6, 0.9});
  near(apply<top::hard_swish>({}, {x}), {-1.0 / 3, 0.2916666667, 1.6666666667});
  near(apply<top::silu>({}, {x}), {-0.2689414213699951, 0.3112296656009273, 1.7615941559557646});
  near(apply<top::softplus>({}, {x}), {0.31326168751822286, 0.9740769841801067, 2.1269280110429727});
  near(apply<top::softsign>({}, {x}), {-0.5, 1.0 / 3, 2.0 / 3});
  near(apply<top::mish>({}, {x}), {-0.3034014613, 0.3752453567, 1.9439589595});
  near(apply<top::gelu>({}, {x}), {-0.1586552539, 0.3457312306, 1.9544997361});
  near(apply<top::gelu>({.approximate = "tanh"}, {x}), {-0.1588080094, 0.3457140154, 1.9545976985});
  near(apply<top::prelu>({}, {x, numbers({1}, {0.5F})}), {-0.5, 0.5, 2});
  near(apply<top::pow>({}, {numbers({3}, {4, 9, 2}), list_of({2})}), {16, 81, 4});
  near(apply<top::clip>({}, {x, absent, numbers({}, {1})}), {-1, 0.5, 1});
  CHECK(same(apply<top::round>({}, {numbers({4}, {0.5F, 1.5F, -2.5F, 2.6F})}), numbers({4}, {0, 2, -2, 3})));
  CHECK(apply<top::reciprocal>({}, {numbers({1}, {0})}).f[0] == math::infinity<float>);
  CHECK(same(apply<top::add>({.clamp = {0, 5}}, {numbers({2, 1}, {1, 4}), numbers({2}, {-2, 3})}),
             numbers({2, 2}, {0, 4, 2, 5})));
  CHECK(same(apply<top::div>({}, {list_of({-7, 7, 5}), list_of({2, -2, 0})}), list_of({-3, -3, 0})));
  CHECK(same(apply<top::mul>({}, {integers({1}, {200}, dtype_id::u8), integers({1}, {2}, dtype_id::u8)}),
             integers({1}, {144}, dtype_id::u8)));
  CHECK(same(apply<top::max>({}, {x, numbers({}, {0}), numbers({}, {1})}), numbers({3}, {1, 1, 2})));
  CHECK(same(apply<top::mean>({}, {x, numbers({}, {1})}), numbers({3}, {0, 0.75F, 1.5F})));
  CHECK(same(apply<top::less>({}, {x, numbers({}, {0.5F})}), integers({3}, {1, 0, 0}, dtype_id::boolean)));
  CHECK(same(
      apply<top::where>({}, {integers({2, 1}, {1, 0}, dtype_id::boolean), numbers({2}, {1, 2}), numbers({1}, {9})}),
      numbers({2, 2}, {1, 2, 9, 9})));
  CHECK(same(apply<top::logical_not>({}, {integers({2}, {1, 0}, dtype_id::boolean)}),
             integers({2}, {0, 1}, dtype_id::boolean)));
}

TEST_CASE("norms, softmax, reductions") {
  const auto x = counting({1, 2, 2});
  const auto two = [](float a, float b) { return numbers({2}, {a, b}); };
  const auto bn = apply<top::batch_normalization>({.epsilon = 0}, {x, two(2, 1), two(1, -1), two(0, 2), two(4, 1)});
  CHECK(same(bn, numbers({1, 2, 2}, {1, 2, -1, 0})));
  const auto ln =
      apply_all<top::layer_normalization>({.epsilon = 0}, {numbers({1, 2}, {1, 3}), two(2, 3), two(0, 1)}, 3);
  CHECK(same(ln[0], numbers({1, 2}, {-2, 4})));
  CHECK(same(ln[1], numbers({1, 1}, {2})));
  const auto s = apply<top::softmax>({.axis = 1}, {numbers({1, 2, 2}, {0, 1000, 0, 1000})});
  CHECK(same(s, numbers({1, 2, 2}, {0.5F, 0.5F, 0.5F, 0.5F})));
  const auto l = apply<top::log_softmax>({}, {two(0, 0)});
  CHECK(l.f[0] == doctest::Approx(-0.6931471805599453));
  CHECK(same(apply<top::reduce_sum>({}, {x, list_of({1})}), numbers({1, 1, 2}, {2, 4})));
  CHECK(same(apply<top::reduce_mean>({.axes = {-1}, .keepdims = 0}, {x}), numbers({1, 2}, {0.5F, 2.5F})));
  CHECK(same(apply<top::reduce_max>({}, {x}), numbers({1, 1, 1}, {3})));
  CHECK(same(apply<top::reduce_min>({.keepdims = 0}, {list_of({4, 2, 3})}), integers({}, {2})));
  CHECK(same(apply<top::reduce_prod>({.keepdims = 0}, {list_of({4, 2, 3})}), integers({}, {24})));
  CHECK(same(apply<top::reduce_l2>({.keepdims = 0}, {two(3, 4)}), numbers({}, {5})));
  CHECK(same(apply<top::reduce_sum>({.noop_with_empty_axes = 1}, {x}), x));
}

TEST_CASE("shapes and moves") {
  const auto x = counting({2, 3});
  CHECK(same(apply<top::transpose>({}, {x}), numbers({3, 2}, {0, 3, 1, 4, 2, 5})));
  CHECK(same(apply<top::transpose>({.perm = {1, 0, 2}}, {counting({2, 1, 2})}), numbers({1, 2, 2}, {0, 1, 2, 3})));
  CHECK(
      same(apply<top::concat>({.axis = -1}, {x, numbers({2, 1}, {8, 9})}), numbers({2, 4}, {0, 1, 2, 8, 3, 4, 5, 9})));
  const auto parts = apply_all<top::split>({.axis = 1}, {x}, 2);
  CHECK(same(parts[0], numbers({2, 2}, {0, 1, 3, 4})));
  CHECK(same(parts[1], numbers({2, 1}, {2, 5})));
  CHECK(same(apply<top::slice>({}, {x, list_of({1, -1}), list_of({1000, -1000}), list_of({0, 1}), list_of({1, -2})}),
             numbers({1, 2}, {5, 3})));
  CHECK(same(apply<top::slice>({}, {x, list_of({0, -2}), list_of({1, -1})}), numbers({1, 1}, {1})));
  CHECK(apply<top::slice>({}, {x, list_of({2}), list_of({1})}).dims == shape{0, 3});
  const std::int64_t least = std::numeric_limits<std::int64_t>::min();
  CHECK(same(apply<top::slice>({}, {list_of({1, 2, 3}), list_of({2}), list_of({least}), list_of({0}), list_of({-1})}),
             list_of({3, 2, 1})));
  CHECK(same(apply<top::gather>({.axis = 1}, {x, integers({2}, {-1, 0})}), numbers({2, 2}, {2, 0, 5, 3})));
  CHECK(same(apply<top::gather>({}, {list_of({7, 8}), integers({}, {1})}), integers({}, {8})));
  CHECK(same(apply<top::expand>({}, {numbers({2, 1}, {1, 2}), list_of({2, 1, 2})}),
             numbers({2, 2, 2}, {1, 1, 2, 2, 1, 1, 2, 2})));
  CHECK(same(apply<top::pad>({}, {numbers({2}, {1, 2}), list_of({1, 2}), numbers({}, {9})}),
             numbers({5}, {9, 1, 2, 9, 9})));
  CHECK(same(apply<top::pad>({.mode = "reflect"}, {numbers({3}, {1, 2, 3}), list_of({2, 1})}),
             numbers({6}, {3, 2, 1, 2, 3, 2})));
  CHECK(same(apply<top::pad>({.mode = "edge"}, {numbers({2}, {1, 2}), list_of({1, -1})}), numbers({2}, {1, 1})));
  CHECK(same(apply<top::cast>({.to = 7}, {numbers({3}, {-1.9F, 2.9F, 0})}), list_of({-1, 2, 0})));
  CHECK(same(apply<top::cast>({.to = 2}, {list_of({257, -1})}), integers({2}, {1, 255}, dtype_id::u8)));
  CHECK(same(apply<top::cast>({.to = 9}, {numbers({2}, {0.5F, 0})}), integers({2}, {1, 0}, dtype_id::boolean)));
  CHECK(apply<top::cast>({.to = 10}, {numbers({1}, {1.0F / 3.0F})}).f[0] == 0.333251953125F); // the f16 next to 1/3
  CHECK(same(apply<top::shape>({.start = 1}, {x}), list_of({3})));
  CHECK(same(apply<top::size>({}, {x}), integers({}, {6})));
  CHECK(same(apply<top::constant_of_shape>({}, {list_of({2}), integers({1}, {5})}), list_of({5, 5})));
  CHECK(same(apply<top::depth_to_space>({.blocksize = 2}, {counting({1, 8, 1, 1})}),
             numbers({1, 2, 2, 2}, {0, 2, 4, 6, 1, 3, 5, 7})));
  CHECK(same(apply<top::depth_to_space>({.blocksize = 2, .mode = "CRD"}, {counting({1, 8, 1, 1})}),
             counting({1, 2, 2, 2})));
  CHECK(apply<top::reshape>({}, {x, list_of({0, -1, 1})}).dims == shape{2, 3, 1});
  CHECK(apply<top::reshape>({.shape = {}}, {counting({1, 1})}).dims == shape{});
  CHECK(apply<top::squeeze>({}, {counting({1, 2, 1})}).dims == shape{2});
  CHECK(apply<top::squeeze>({}, {counting({1, 2, 1}), list_of({-1})}).dims == shape{1, 2});
  CHECK(apply<top::unsqueeze>({}, {x, list_of({0, 3})}).dims == shape{1, 2, 3, 1});
}

TEST_CASE("what is unknown stays unknown") {
  CHECK(shape_of<top::add>({}, {{-1, 3}, {1, 3}}) == shape{-1, 3});
  CHECK(shape_of<top::add>({}, {{-1, 3}, {4, 1}}) == shape{4, 3});
  CHECK(shape_of<top::concat>({.axis = 1}, {{-1, 3}, {2, -1}}) == shape{2, -1});
  CHECK(shape_of<top::gemm>({}, {{-1, 3}, {3, 4}}) == shape{-1, 4});
  CHECK(shape_of<top::max_pool>({.kernel_shape = {2, 2}}, {{-1, 3, -1, 5}}) == shape{-1, 3, -1, 4});
  CHECK(shape_of<top::reshape>({.shape = {0, -1}}, {{-1, 3, 4}}) == shape{-1, 12});
  CHECK(shape_of<top::reshape>({.shape = {-1, 12}}, {{-1, 3, 4}}) == shape{-1, 12});
  CHECK(shape_of<top::reshape>({}, {{4}, {3}}, dtype_id::i64) == shape{-1, -1, -1});
  CHECK(shape_of<top::slice>({}, {{4, 5}, {1}, {1}}, dtype_id::i64) == shape{-1, 5});
  CHECK(shape_of<top::split>({.axis = 0}, {{-1, 2}}) == shape{-1, 2});
  CHECK(shape_of<top::shape>({}, {{-1, 2}}) == shape{2});
}

TEST_CASE("refusals name the node, the operator and what is wrong") {
  const auto says = [](const char* part, auto&& f) {
    try {
      f();
      FAIL_CHECK("not refused: ", part);
    } catch (const tmpu::error& e) {
      const std::string what = e.what();
      CHECK_MESSAGE(what.find(part) != std::string::npos, what);
      CHECK(what.find("node 'node' (") == 0);
      CHECK(what.find('\n') == std::string::npos);
    }
  };
  says("the input has 3 channels; weight [8,4,3,3] with group 1 needs 4", [] {
    shape_of<top::conv>({}, {{1, 3, 8, 8}, {8, 4, 3, 3}});
  });
  says("group 3 does not divide", [] { shape_of<top::conv>({.group = 3}, {{1, 3, 8, 8}, {8, 1, 3, 3}}); });
  says("the output would be empty: axis 2 has 2 elements", [] {
    shape_of<top::conv>({}, {{1, 4, 2, 8}, {8, 4, 3, 3}});
  });
  says("kernel_shape [5,5] does not fit", [] {
    shape_of<top::conv>({.kernel_shape = {5, 5}}, {{1, 4, 8, 8}, {8, 4, 3, 3}});
  });
  says("strides needs 2 values, not 1", [] { shape_of<top::conv>({.strides = {1}}, {{1, 4, 8, 8}, {8, 4, 3, 3}}); });
  says("auto_pad 'SAME' is not known", [] {
    shape_of<top::max_pool>({.auto_pad = "SAME", .kernel_shape = {1}}, {{1, 4, 8}});
  });
  says("must not exceed 1073741824", [] {
    shape_of<top::max_pool>({.kernel_shape = {2}, .strides = {std::int64_t{1} << 40}}, {{1, 1, 4}});
  });
  says("needs an input of rank 3 to 5", [] { shape_of<top::max_pool>({.kernel_shape = {2}}, {{1, 4}}); });
  says("the inner dimensions of [2,3] and [2,3] differ", [] { shape_of<top::gemm>({}, {{2, 3}, {2, 3}}); });
  says("must have rank 2, but is [2,3,1]", [] { shape_of<top::gemm>({}, {{2, 3, 1}, {2, 3}}); });
  says("cannot be broadcast against each other", [] { shape_of<top::add>({}, {{2, 3}, {2}}); });
  says("axis 2 is outside of a tensor of rank 2", [] { shape_of<top::softmax>({.axis = 2}, {{2, 3}}); });
  says("cannot hold [2,3]", [] { shape_of<top::reshape>({.shape = {4, -1}}, {{2, 3}}); });
  says("has not the size 1", [] { shape_of<top::squeeze>({.axes = {0}}, {{2, 3}}); });
  says("is no order of the axes", [] { shape_of<top::transpose>({.perm = {0, 0}}, {{2, 3}}); });
  says("takes floating-point elements, but operand 0 holds i64", [] { shape_of<top::sqrt>({}, {{2}}, dtype_id::i64); });
  says("place 5 is outside of axis 0", [] { apply<top::gather>({}, {counting({2}), list_of({5})}); });
  says("results of training_mode 1 only", [] {
    apply_all<top::batch_normalization>(
        {}, {counting({1, 2}), counting({2}), counting({2}), counting({2}), counting({2})}, 3);
  });
}
