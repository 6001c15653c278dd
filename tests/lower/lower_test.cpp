// SPDX-License-Identifier: Apache-2.0
#include "tmpu/lower/lower.hpp"

#include "support.hpp"
#include "tmpu/calibrate/apply.hpp"
#include "tmpu/calibrate/qtable_text.hpp"
#include "tmpu/canonicalize/canonicalize.hpp"
#include "tmpu/lower/quantizers.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace lower_test;

namespace {

// Float: the same sums in the same order as Top, so f32 is bit-equal (300 dB); 25 dB for int8 is the least that the issue accepts.
void check_close(const graph<stage::canonical>& g, std::span<const value> inputs, double f32_at_least = 130.0) {
  const closeness c = compare_all(g, inputs);
  INFO("f32 " << c.f32 << "  f16 " << c.f16 << "  bf16 " << c.bf16 << "  i8 sym " << c.symmetric << "  asym "
              << c.asymmetric);
  CHECK(c.f32 >= f32_at_least);
  CHECK(c.f16 >= 50.0);
  CHECK(c.bf16 >= 30.0);
  CHECK(c.symmetric >= 25.0);
  CHECK(c.asymmetric >= 25.0);
}

template <class Op> void check_unary(const typename Op::attributes& a, float scale = 3.0F, float offset = 0.0F) {
  CAPTURE(Op::info.name);
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 5, 6, 7});
  m.output(m.add<Op>("y", a, {x}));
  const value in[] = {r.tensor({1, 5, 6, 7}, scale, offset)};
  check_close(canonical(m), in);
}

template <class Op> void check_binary(const shape& as, const shape& bs, bool constant, float offset = 0.0F) {
  CAPTURE(Op::info.name);
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, as);
  const value other = r.tensor(bs, 1.0F, offset);
  const auto b = constant ? m.constant("b", other) : m.input("b", dtype_id::f32, bs);
  m.output(m.add<Op>("y", {}, {x, b}));
  vec<value> in;
  in.push_back(r.tensor(as, 2.0F, 0.3F));
  if (!constant) in.push_back(other);
  check_close(canonical(m), in);
}

} // namespace

TEST_CASE("conv in all dtypes") {
  struct form {
    std::int64_t ic, oc, group, kernel, stride, dilation, pad;
    floats clamp;
  };
  const form forms[] = {{3, 8, 1, 3, 1, 1, 1, {}},
                        {4, 6, 2, 3, 2, 1, 1, {0.0F, math::infinity<float>}},
                        {6, 6, 6, 3, 1, 2, 2, {0.0F, 6.0F}},
                        {5, 7, 1, 1, 2, 1, 0, {}}};
  for (const form& f : forms) {
    CAPTURE(f.group);
    generator r;
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {2, f.ic, 9, 8});
    const auto w = m.constant("w", r.tensor({f.oc, f.ic / f.group, f.kernel, f.kernel}));
    const auto b = m.constant("b", r.tensor({f.oc}));
    top::conv::attributes a{};
    a.group = f.group;
    a.kernel_shape = {f.kernel, f.kernel};
    a.strides = {f.stride, f.stride};
    a.dilations = {f.dilation, f.dilation};
    a.pads = {f.pad, f.pad, f.pad, f.pad};
    a.clamp = f.clamp;
    m.output(m.add<top::conv>("y", a, {x, w, b}));
    const value in[] = {r.tensor({2, f.ic, 9, 8}, 1.0F, 0.2F)};
    check_close(canonical(m), in);
  }
}

TEST_CASE("gemm and matmul in all dtypes") {
  generator r;
  {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {3, 40});
    const auto w = m.constant("w", r.tensor({10, 40}));
    const auto b = m.constant("b", r.tensor({10}));
    top::gemm::attributes a{};
    a.transB = 1;
    m.output(m.add<top::gemm>("y", a, {x, w, b}));
    const value in[] = {r.tensor({3, 40})};
    check_close(canonical(m), in);
  }
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 5, 16});
  const auto w = m.constant("w", r.tensor({16, 9}));
  m.output(m.add<top::matmul>("y", {}, {x, w}));
  const value in[] = {r.tensor({2, 5, 16})};
  check_close(canonical(m), in);
}

TEST_CASE("pools in all dtypes") {
  generator r;
  const value in[] = {r.tensor({1, 4, 9, 10}, 1.0F, 0.3F)};
  for (const bool ceil : {false, true}) {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 4, 9, 10});
    top::max_pool::attributes a{};
    a.kernel_shape = {3, 2};
    a.strides = {2, 2};
    a.pads = {1, 0, 1, 0};
    a.ceil_mode = ceil ? 1 : 0;
    m.output(m.add<top::max_pool>("y", a, {x}));
    check_close(canonical(m), in);
  }
  for (const int include : {0, 1}) {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 4, 9, 10});
    top::average_pool::attributes a{};
    a.kernel_shape = {3, 3};
    a.strides = {2, 1};
    a.pads = {1, 1, 1, 1};
    a.count_include_pad = include;
    m.output(m.add<top::average_pool>("y", a, {x}));
    check_close(canonical(m), in);
  }
  model_builder m; // as canonicalize writes a global pool
  const auto x = m.input("x", dtype_id::f32, {1, 4, 9, 10});
  top::average_pool::attributes a{};
  a.kernel_shape = {9, 10};
  m.output(m.add<top::average_pool>("y", a, {x}));
  check_close(canonical(m), in);
}

TEST_CASE("functions of one operand in all dtypes") {
  check_unary<top::relu>({});
  check_unary<top::leaky_relu>({});
  check_unary<top::elu>({});
  check_unary<top::selu>({});
  check_unary<top::clip>({.clamp = {0.0F, 2.0F}});
  check_unary<top::sigmoid>({});
  check_unary<top::hard_sigmoid>({});
  check_unary<top::hard_swish>({}, 5.0F);
  check_unary<top::silu>({});
  check_unary<top::tanh>({});
  check_unary<top::softplus>({});
  check_unary<top::softsign>({});
  check_unary<top::mish>({});
  check_unary<top::gelu>({});
  check_unary<top::gelu>({.approximate = text("tanh")});
  check_unary<top::erf>({});
  check_unary<top::exp>({});
  check_unary<top::log>({}, 1.0F, 2.5F);
  check_unary<top::sqrt>({}, 1.0F, 1.5F);
  check_unary<top::reciprocal>({}, 0.5F, 1.5F);
  check_unary<top::abs>({});
  check_unary<top::neg>({});
  check_unary<top::sin>({});
  check_unary<top::cos>({});
}

TEST_CASE("functions of two operands in all dtypes") {
  const shape full{2, 6, 4, 5};
  for (const shape& other : {shape{2, 6, 4, 5}, shape{1, 6, 1, 1}, shape{6, 1, 1}, shape{}, shape{1}}) {
    CAPTURE(other.print().view());
    for (const bool constant : {false, true}) {
      CAPTURE(constant);
      check_binary<top::add>(full, other, constant);
      check_binary<top::sub>(full, other, constant);
      check_binary<top::mul>(full, other, constant, 0.5F);
      check_binary<top::div>(full, other, constant, 2.5F);
      check_binary<top::max>(full, other, constant);
      check_binary<top::min>(full, other, constant);
    }
  }
  check_binary<top::mul>(full, {2, 6, 1, 1}, false); // squeeze-excite
  check_binary<top::add>({4, 10}, {10}, true);
  check_binary<top::sum>(full, full, false);
}

TEST_CASE("softmax in all dtypes") {
  for (const std::int64_t axis : {-1, 1}) {
    generator r;
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {2, 6, 5});
    m.output(m.add<top::softmax>("y", {axis}, {x}));
    const value in[] = {r.tensor({2, 6, 5}, 2.0F)};
    const closeness c = compare_all(canonical(m), in);
    CHECK(c.f32 >= 130.0);
    CHECK(c.f16 >= 45.0);
    CHECK(c.symmetric >= 25.0);
    CHECK(c.asymmetric >= 25.0);
  }
}

TEST_CASE("moves keep the scale, concat rescales") {
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 4, 6, 6});
  const auto small = m.input("small", dtype_id::f32, {1, 2, 6, 6});
  const auto both = m.add<top::concat>("both", {1}, {x, small});
  const std::int64_t starts[] = {1, -5};
  const std::int64_t ends[] = {100, 6};
  const std::int64_t axes[] = {1, 2};
  const std::int64_t steps[] = {2, 1};
  const std::int64_t pads[] = {0, 0, 1, 0, 0, 0, 0, 2};
  const auto constant = [&](std::string_view name, std::span<const std::int64_t> v) {
    return m.constant(name, make_value(dtype_id::i64, {static_cast<std::int64_t>(v.size())}, v));
  };
  const auto part = m.add<top::slice>(
      "part", {}, {both, constant("s", starts), constant("e", ends), constant("a", axes), constant("t", steps)});
  const auto turned = m.add<top::transpose>("turned", {{0, 2, 1, 3}}, {part});
  const auto padded = m.add<top::pad>("padded", {}, {turned, constant("p", pads)});
  top::reshape::attributes flat{};
  flat.shape = {1, -1};
  m.output(m.add<top::reshape>("y", flat, {padded}));
  const value in[] = {r.tensor({1, 4, 6, 6}, 2.0F), r.tensor({1, 2, 6, 6}, 1.0F)};
  const auto g = canonical(m);
  check_close(g, in);
  const auto l = lower::lower_all<i8>{}(calibrated(g, in), chip::nano::info);
  for (const std::string_view name : {"both", "part", "turned", "padded", "y"}) {
    CHECK(l.at(l.find(name)).quant.scale == l.at(l.find("both")).quant.scale);
  }
}

TEST_CASE("a pad whose fill lies outside of the tensor's range takes the range of the result") {
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 2, 4, 4});
  const std::int64_t pads[] = {0, 0, 1, 1, 0, 0, 1, 1};
  const auto p = m.constant("p", make_value(dtype_id::i64, {8}, pads));
  const float fill[] = {-3.0F};
  m.output(m.add<top::pad>("y", {}, {x, p, m.constant("v", make_value({}, fill))}));
  const value in[] = {r.tensor({1, 2, 4, 4}, 0.5F)};
  check_close(canonical(m), in);
}

TEST_CASE("names and formats of a small classifier") {
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 1, 8, 8});
  top::conv::attributes a{};
  a.kernel_shape = {3, 3};
  a.pads = {1, 1, 1, 1};
  a.clamp = {0.0F, math::infinity<float>};
  const auto c1 =
      m.add<top::conv>("c1", a, {x, m.constant("w1", r.tensor({4, 1, 3, 3})), m.constant("b1", r.tensor({4}))});
  top::max_pool::attributes pool{};
  pool.kernel_shape = {2, 2};
  pool.strides = {2, 2};
  const auto p1 = m.add<top::max_pool>("p1", pool, {c1});
  top::reshape::attributes flat{};
  flat.shape = {1, 64};
  const auto f = m.add<top::reshape>("f", flat, {p1});
  top::gemm::attributes dense{};
  dense.transB = 1;
  m.output(m.add<top::gemm>("y", dense, {f, m.constant("w2", r.tensor({10, 64})), m.constant("b2", r.tensor({10}))}));
  const value in[] = {r.tensor({1, 1, 8, 8}, 0.5F, 0.5F)};
  const auto g = canonical(m);
  check_close(g, in);

  const auto l = lower::lower_all<i8>{}(calibrated(g, in), chip::bm1684x::info);
  CHECK(verify(l).empty());
  for (const std::string_view name : {"x", "c1", "p1", "f", "y", "w1.i8", "b1.params", "w2.i8", "b2.params"}) {
    CAPTURE(std::string(name));
    CHECK(l.find(name) != none);
  }
  CHECK(l.at(l.find("x")).type == dtype_id::u8); // never negative
  CHECK(l.at(l.find("c1")).type == dtype_id::u8);
  CHECK(l.at(l.find("y")).type == dtype_id::i8);
  CHECK(l.at(l.find("p1")).quant.scale == l.at(l.find("c1")).quant.scale);
  CHECK(attributes_of<tpu::conv>(l, 0).clamp == floats{0.0F, 255.0F});

  // Asymmetric: relu's lower bound is the zero point.
  const auto s = lower::lower_all<i8>{}(calibrated(g, in), chip::bm1684x::info, {.asymmetric = true});
  CHECK(s.at(s.find("c1")).type == dtype_id::i8);
  CHECK(s.at(s.find("c1")).quant.zero_point == -128);
  CHECK(attributes_of<tpu::conv>(s, 0).clamp == floats{-128.0F, 127.0F});
}

/// Sum of squares of what rounding to `type` in groups leaves of w, relative to w's.
double weight_error(const vec<float>& w, dtype_id type, std::size_t group) {
  double error = 0.0;
  double signal = 0.0;
  for (std::size_t at = 0; at < w.size(); at += group) {
    const auto own = w.span().subspan(at, std::min(group, w.size() - at));
    const auto scale = static_cast<double>(lower::detail::best_scale(own, type));
    CHECK(round_to_bf16(static_cast<float>(scale)) == static_cast<float>(scale));
    for (const float v : own) {
      const double back = scale * lower::detail::code_of(type, static_cast<double>(v) / scale);
      error += (static_cast<double>(v) - back) * (static_cast<double>(v) - back);
      signal += static_cast<double>(v) * static_cast<double>(v);
    }
  }
  return error / signal;
}

TEST_CASE("scales of weights in few bits") {
  generator r;
  const vec<float> w = r.tensor({64, 32}).f;
  // Never worse than the plain choice, the greatest |w| on the greatest code of both signs.
  for (const dtype_id type : {dtype_id::i4, dtype_id::i8}) {
    double plain = 0.0;
    double signal = 0.0;
    for (std::size_t at = 0; at < w.size(); at += 32) {
      double greatest = 0.0;
      for (std::size_t i = at; i < at + 32; ++i) greatest = std::max(greatest, std::abs(static_cast<double>(w[i])));
      const double scale = greatest / static_cast<double>(greatest_of(type));
      for (std::size_t i = at; i < at + 32; ++i) {
        const double v = static_cast<double>(w[i]);
        plain += (v - scale * std::round(v / scale)) * (v - scale * std::round(v / scale));
        signal += v * v;
      }
    }
    const double ours = weight_error(w, type, 32);
    INFO(name_of(type) << ": " << ours << " against " << plain / signal);
    CHECK(ours < plain / signal * (type == dtype_id::i4 ? 0.9 : 1.02));
  }
  CHECK(weight_error(w, dtype_id::f8e4m3, 32) < 0.001);
  CHECK(weight_error(w, dtype_id::f8e5m2, 32) < 0.004);
  const float zeros[8] = {};
  CHECK(lower::detail::best_scale(zeros, dtype_id::i4) == 1.0F);
  const float lopsided[] = {-8.0F, 7.0F, 3.0F, -1.0F};
  CHECK(std::abs(lower::detail::best_scale(lopsided, dtype_id::i4)) == 1.0F);
}

TEST_CASE("weights of fewer bits than the activations") {
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 6, 8, 8});
  const auto c1 = m.add<top::conv>("c1", {.kernel_shape = {3, 3}, .pads = {1, 1, 1, 1}},
                                   {x, m.constant("w1", r.tensor({8, 6, 3, 3})), m.constant("b1", r.tensor({8}))});
  const auto f = m.add<top::flatten>("f", {}, {c1});
  top::gemm::attributes dense{};
  dense.transB = 1;
  m.output(m.add<top::gemm>("y", dense, {f, m.constant("w2", r.tensor({10, 512})), m.constant("b2", r.tensor({10}))}));
  const value in[] = {r.tensor({1, 6, 8, 8})};
  const auto g = canonical(m);
  const vec<value> all = evaluate(g, in);
  const vec<float> wanted = all[static_cast<std::size_t>(g.outputs[0])].f;
  CHECK(lowered_sqnr<f16>(g, in, wanted, {.weights = {dtype_id::i8, 64}}) > 38.0);
  CHECK(lowered_sqnr<bf16>(g, in, wanted, {.weights = {dtype_id::i8, 64}}) > 34.0);
  CHECK(lowered_sqnr<f16>(g, in, wanted, {.weights = {dtype_id::i4, 32}}) > 15.0);
  CHECK(lowered_sqnr<f16>(g, in, wanted, {.weights = {dtype_id::f8e4m3, 32}}) > 25.0);
  CHECK(lowered_sqnr<f16>(g, in, wanted, {.weights = {dtype_id::f8e5m2, 32}}) > 20.0);

  const auto l = lower::lower_all<f16>{}(g, chip::nano::info, {.weights = {dtype_id::i4, 32}});
  // Nine taps a channel: three channels a group; 27 codes, one of padding.
  CHECK(l.at(l.find("w1.i4")).dims == shape{8, 2, 28});
  CHECK(l.at(l.find("w1.scales")).dims == shape{8, 2});
  CHECK(l.at(l.find("w1.scales")).type == dtype_id::bf16);
  CHECK(l.at(l.find("w2.i4")).dims == shape{10, 16, 32});
  CHECK(l.at(l.find("b2.params")).type == dtype_id::f32);
}

TEST_CASE("integer sums: dead channels, tiny channels, great bias") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 2});
  const float w[] = {0.0F, 0.0F, 1e-20F, -1e-20F, 1.0F, 0.5F};
  const float b[] = {0.7F, -0.4F, 0.1F};
  top::gemm::attributes a{};
  a.transB = 1;
  m.output(m.add<top::gemm>("y", a, {x, m.constant("w", make_value({3, 2}, w)), m.constant("b", make_value({3}, b))}));
  const float xs[] = {0.9F, -0.3F};
  const value in[] = {make_value({1, 2}, xs)};
  check_close(canonical(m), in);
}

TEST_CASE("a node that no rule takes stays as a host step, in the model's own types") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 4});
  const auto y = m.add<top::relu>("y", {}, {x});
  m.output(m.add<top::det>("d", {}, {m.add<top::matmul>("p", {}, {y, m.add<top::transpose>("t", {}, {x})})}));
  m.output(m.add<top::non_zero>("places", {}, {y}));
  const auto g = canonical(m);
  const graph<stage::lowered> l = lower::lower_all<f16>{}(g, chip::nano::info);
  CHECK(verify(l).empty());
  int steps = 0;
  for (std::size_t i = 0; i < l.nodes.size(); ++i) {
    const auto id = static_cast<node_id>(i);
    if (!tpu::is_host(l, id)) continue;
    ++steps;
    CHECK(l.at(l.operand(id, 0)).type == dtype_id::f32); // cast back by the chip
  }
  CHECK(steps == 2);
  CHECK(l.at(l.outputs[1]).type == dtype_id::i64);
  CHECK_FALSE(l.at(l.outputs[1]).dims.known());
}

TEST_CASE("inputs and constants that are outputs are copied") {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 4});
  const auto ids = m.input("ids", dtype_id::i64, {3});
  const float c[] = {1.0F, 2.0F};
  m.output(x);
  m.output(ids);
  m.output(m.constant("c", make_value({2}, c)));
  const auto g = canonical(m);
  const graph<stage::lowered> l = lower::lower_all<f32>{}(g, chip::nano::info);
  CHECK(verify(l).empty());
  for (const tensor_id t : l.outputs) CHECK(l.at(t).producer != none);
  CHECK(l.at(l.outputs[0]).dims == shape{2, 4});
  CHECK(l.at(l.outputs[1]).type == dtype_id::i32); // carried
  CHECK(l.at(l.outputs[1]).edge == dtype_id::i64);
  CHECK(l.at(l.inputs[1]).edge == dtype_id::i64);
  CHECK(l.at(l.outputs[0]).edge == dtype_id::none);
}

namespace {
/// conv c1 (ReLU) -> conv c2 -> y = flattened c2 times a matrix.
graph<stage::canonical> three_layers(generator& r) {
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 3, 6, 6});
  top::conv::attributes a{};
  a.kernel_shape = {3, 3};
  a.pads = {1, 1, 1, 1};
  a.clamp = {0.0F, math::infinity<float>};
  const auto c1 = m.add<top::conv>("c1", a, {x, m.constant("w1", r.tensor({4, 3, 3, 3}))});
  a.clamp = {};
  const auto c2 = m.add<top::conv>("c2", a, {c1, m.constant("w2", r.tensor({4, 4, 3, 3}))});
  top::reshape::attributes flat{};
  flat.shape = {1, 144};
  top::gemm::attributes dense{};
  dense.transB = 1;
  const auto f = m.add<top::reshape>("f", flat, {c2});
  m.output(m.add<top::gemm>("y", dense, {f, m.constant("w3", r.tensor({50, 144}))}));
  return canonical(m);
}
} // namespace

TEST_CASE("layers of a qtable compute in their own dtype") {
  generator r;
  const auto g = three_layers(r);
  const value in[] = {r.tensor({1, 3, 6, 6})};
  const auto q = calibrated(g, in);
  calibrate::qtable t;
  t.add("c2", dtype_id::f16);
  const graph<stage::lowered> l = lower::lower_all<i8>{}(q, chip::nano::info, {.layers = &t});
  CHECK(verify(l).empty());
  const auto type = [&](std::string_view name) { return l.at(l.find(name)).type; };
  CHECK(type("x") == dtype_id::i8);
  CHECK(type("c1") == dtype_id::i32); // a sum that f16 reads
  CHECK(type("c2") == dtype_id::f16);
  CHECK(type("f") == dtype_id::i8); // int8 reads it
  CHECK(type("y") == dtype_id::i8);
  const vec<value> all = evaluate(g, in);
  const vec<float> wanted = all[static_cast<std::size_t>(g.outputs[0])].f;
  const auto quality = [&](const lower::options& o) { return lowered_sqnr<i8>(q, in, wanted, o); };
  t.add("y", dtype_id::bf16);
  const graph<stage::lowered> wide = lower::lower_all<i8>{}(q, chip::nano::info, {.layers = &t});
  CHECK(wide.at(wide.find("f")).type == dtype_id::f16); // a move between floats leaves them what they are
  t.add("c1", dtype_id::f32);
  t.add("x", dtype_id::f32);
  CHECK(quality({.layers = &t}) > quality({}) + 5.0);
  CHECK(run(lower::lower_all<i8>{}(q, chip::nano::info, {.layers = &t}), in).size() == 50);

  // What is left for a search: the layers that are not wide yet, moves apart.
  CHECK(lower::lower_all<i8>::layers(q, chip::nano::info).size() == 3);
  CHECK(lower::lower_all<i8>::layers(q, chip::nano::info, {.layers = &t}).empty());

  calibrate::qtable unknown;
  unknown.add("c9", dtype_id::f16);
  CHECK(refusal([&] { lower::lower_all<i8>{}(q, chip::nano::info, {.layers = &unknown}); }) ==
        "lower to i8: the qtable names a layer 'c9', but no node of the canonical graph makes a tensor of that name: "
        "`tmpuc sensitivity` lists the layers");
  calibrate::qtable narrow;
  narrow.add("c1", dtype_id::f8e4m3);
  CHECK(refusal([&] { lower::lower_all<i8>{}(q, chip::nano::info, {.layers = &narrow}); }) ==
        "lower to i8: the qtable gives layer 'c1' the dtype f8e4m3, but this compiler mixes i8, f16, f32, bf16: take "
        "one of "
        "them");
}

TEST_CASE("inputs and outputs in float keep their names") {
  generator r;
  const auto g = three_layers(r);
  const value in[] = {r.tensor({1, 3, 6, 6})};
  const graph<stage::lowered> l = lower::lower_all<i8>{}(calibrated(g, in), chip::nano::info, {.float_io = true});
  CHECK(verify(l).empty());
  CHECK(l.at(l.inputs[0]).type == dtype_id::f32);
  CHECK(l.at(l.outputs[0]).type == dtype_id::f32);
  CHECK(l.name(l.inputs[0]) == "x");
  CHECK(l.name(l.outputs[0]) == "y");
  CHECK(l.at(l.find("y.i32")).type == dtype_id::i32); // the sums are not rounded to 8 bits on their way
  CHECK(l.at(l.find("c2")).type == dtype_id::i8);
}

TEST_CASE("a sum that only float operators read is computed in f32") {
  generator r;
  for (const bool also_int8 : {false, true}) {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {2, 8});
    const auto scale = m.constant("scale", r.tensor({8}, 0.5F, 1.0F));
    top::gemm::attributes dense{};
    dense.transB = 1;
    const auto p = m.add<top::gemm>("p", dense, {x, m.constant("w", r.tensor({8, 8}))});
    const auto sum = m.add<top::add>("sum", {}, {x, p});
    const auto more = m.add<top::add>("more", {}, {sum, p});
    m.output(m.add<top::rms_normalization>("n1", {}, {sum, scale}));
    m.output(m.add<top::rms_normalization>("n2", {}, {more, scale}));
    if (also_int8) m.output(m.add<top::gemm>("q", dense, {sum, m.constant("w2", r.tensor({8, 8}))}));
    const auto g = canonical(m);
    const value in[] = {r.tensor({2, 8})};
    const graph<stage::lowered> l = lower::lower_all<i8>{}(calibrated(g, in), chip::nano::info);
    CHECK(verify(l).empty());
    CHECK(l.at(l.find("more")).type == dtype_id::f32);
    CHECK(l.at(l.find("sum")).type == (also_int8 ? dtype_id::i8 : dtype_id::f32));
    CHECK(l.at(l.find("p")).type == dtype_id::i32); // not rounded for the sums
  }
}

TEST_CASE("int8 rounds sums of products to 8 bits only for what reads 8 bits") {
  generator r;
  const value w1 = r.tensor({4, 3, 3, 3}, 0.3F);
  const value w2 = r.tensor({4, 4, 1, 1}, 0.5F);
  const value in[] = {r.tensor({1, 3, 6, 6}), r.tensor({1, 4, 6, 6}, 0.1F)};
  const auto model = [&](bool also_conv) {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 3, 6, 6});
    const auto z = m.input("z", dtype_id::f32, {1, 4, 6, 6});
    top::conv::attributes pad{};
    pad.pads = {1, 1, 1, 1};
    const auto c = m.add<top::conv>("c", pad, {x, m.constant("w1", w1)});
    const auto turned = m.add<top::transpose>("turned", {ints{0, 1, 3, 2}}, {c});
    m.output(m.add<top::sub>("y", {.clamp = {-0.5F, 2.0F}}, {turned, z}));
    if (also_conv) m.output(m.add<top::conv>("d", {}, {c, m.constant("w2", w2)}));
    return canonical(m);
  };
  for (const bool asymmetric : {false, true}) {
    chip::facts chip = chip::nano::info;
    const auto error_of_y = [&](const graph<stage::canonical>& g, dtype_id wanted) {
      const graph<stage::lowered> l = lower::lower_all<i8>{}(calibrated(g, in), chip, {.asymmetric = asymmetric});
      CHECK(verify(l).empty());
      CHECK(l.at(l.find("c")).type == wanted);
      CHECK(l.at(l.find("turned")).type == wanted);
      CHECK(bytes_of(l.at(l.find("y")).type) == 1);
      return sqnr(evaluate(g, in)[static_cast<std::size_t>(g.outputs[0])].f, run(l, in));
    };
    const double whole = error_of_y(model(false), dtype_id::i32);
    const double rounded = error_of_y(model(true), dtype_id::i8);
    INFO(whole << " dB, rounded " << rounded);
    CHECK(whole > rounded + 0.5);
    chip.local_bytes = 4 * 144 * 4 / chip.lanes; // four times the sums
    error_of_y(model(false), dtype_id::i32);
    --chip.local_bytes;
    error_of_y(model(false), dtype_id::i8);
  }
}

TEST_CASE("a bound that guards a division guards it in every dtype, also where it is too small for the type") {
  generator r;
  value in[] = {r.tensor({1, 2, 3, 8})};
  for (std::size_t i = 0; i < 8; ++i) in[0].f[i] = 0.0F; // 0 / 0 but for the guard
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 2, 3, 8});
  const std::int64_t last[] = {-1};
  const auto norm = m.add<top::reduce_l2>("norm", {}, {x, m.constant("axes", make_value(dtype_id::i64, {1}, last))});
  const auto guarded = m.add<top::clip>("guarded", {.clamp = {1e-12F, math::infinity<float>}}, {norm});
  m.output(m.add<top::div>("y", {}, {x, guarded}));
  const graph<stage::canonical> g = canonical(m);
  const auto similar = [&]<class Dtype>(Dtype, double least) {
    graph<stage::lowered> l;
    if constexpr (std::is_same_v<Dtype, i8>) {
      l = lower::lower_all<i8>{}(calibrated(g, in), chip::nano::info);
      CHECK(l.at(l.find("guarded")).type == dtype_id::f32);
    } else {
      l = lower::lower_all<Dtype>{}(g, chip::nano::info);
    }
    CHECK(sqnr(evaluate(g, in)[static_cast<std::size_t>(g.outputs[0])].f, run(l, in)) > least);
  };
  similar(f32{}, 100.0);
  similar(f16{}, 50.0);
  similar(bf16{}, 35.0);
  similar(i8{}, 30.0);
}

TEST_CASE("leaky_relu of a sum in int8 is rounded once") {
  for (const float alpha : {0.0F, 0.1F, 1.0F, 1.5F, -0.25F}) {
    CAPTURE(alpha);
    generator r;
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 3, 6, 6});
    const auto c = m.add<top::conv>("c", {}, {x, m.constant("w", r.tensor({4, 3, 3, 3}, 0.3F))});
    top::leaky_relu::attributes a{};
    a.alpha = alpha;
    m.output(m.add<top::leaky_relu>("y", a, {c}));
    const auto g = canonical(m);
    const value in[] = {r.tensor({1, 3, 6, 6})};
    const graph<stage::lowered> l = lower::lower_all<i8>{}(calibrated(g, in), chip::nano::info);
    CHECK(verify(l).empty());
    CHECK(l.at(l.find("c")).type == dtype_id::i32);
    CHECK(is<tpu::lookup>(l, l.at(l.find("y")).producer) == (alpha < 0.0F)); // a table has no use for 32 bits
    check_close(g, in);
  }
}

TEST_CASE("products of two activations are sums of integers in int8") {
  struct form {
    shape a;
    shape b;
    bool softmax;
  };
  const form forms[] = {{{2, 3, 4, 8}, {2, 3, 8, 5}, false}, {{3, 4, 6}, {6, 7}, true}, {{5, 6}, {2, 6, 3}, false}};
  for (const form& f : forms) {
    for (const bool asymmetric : {false, true}) {
      generator r;
      model_builder m;
      const auto a = m.input("a", dtype_id::f32, f.a);
      const auto b = m.input("b", dtype_id::f32, f.b);
      top::softmax::attributes last{};
      last.axis = -1;
      const auto x = f.softmax ? m.add<top::softmax>("p", last, {a}) : a;
      m.output(m.add<top::matmul>("y", {}, {x, b}));
      m.output(m.add<top::softmax>("z", last, {m.add<top::matmul>("wide", {}, {x, b})}));
      const auto g = canonical(m);
      const value in[] = {r.tensor(f.a, 2.0F, 0.4F), r.tensor(f.b)};
      const graph<stage::lowered> l =
          lower::lower_all<i8>{}(calibrated(g, in), chip::nano::info, {.asymmetric = asymmetric});
      CHECK(verify(l).empty());
      CHECK(l.at(l.find("y")).type == dtype_id::i8);
      CHECK(l.at(l.find("wide")).type == dtype_id::i32);
      std::int64_t products = 0;
      for (std::size_t i = 0; i < l.nodes.size(); ++i) {
        const auto id = static_cast<node_id>(i);
        if (!is<tpu::matmul>(l, id)) continue;
        ++products;
        for (const std::size_t k : {0U, 1U}) {
          CHECK(bytes_of(l.at(l.operand(id, k)).type) == 1);
          CHECK(l.at(l.operand(id, k)).quant.zero_point == 0);
        }
      }
      CHECK(products >= 2);
      CHECK(sqnr(evaluate(g, in)[static_cast<std::size_t>(g.outputs[0])].f, run(l, in)) >= 35.0);
    }
  }
}

TEST_CASE("attention in int8: exact sums of 8-bit integers, flat rows of many keys") {
  // A softmax of 300 equal shares lies below half a step of 1/255; the exponentials do not.
  generator r;
  model_builder m;
  const auto q = m.input("q", dtype_id::f32, {1, 1, 4, 8});
  const auto k = m.input("k", dtype_id::f32, {1, 1, 300, 8});
  const auto v = m.input("v", dtype_id::f32, {1, 1, 300, 6});
  m.output(m.add<top::attention>("y", {}, {q, k, v}));
  const auto g = canonical(m);
  const value in[] = {r.tensor({1, 1, 4, 8}, 0.2F), r.tensor({1, 1, 300, 8}, 0.2F),
                      r.tensor({1, 1, 300, 6}, 1.0F, 1.0F)};
  const graph<stage::lowered> l = lower::lower_all<i8>{}(calibrated(g, in), chip::nano::info);
  CHECK(verify(l).empty());
  for (std::size_t i = 0; i < l.nodes.size(); ++i) {
    const auto id = static_cast<node_id>(i);
    if (!is<tpu::matmul>(l, id)) continue;
    CHECK(bytes_of(l.at(l.operand(id, 0)).type) == 1);
    CHECK(l.at(l.result(id)).type == dtype_id::i32);
  }
  CHECK(sqnr(evaluate(g, in)[static_cast<std::size_t>(g.outputs[0])].f, run(l, in)) >= 40.0);
}

TEST_CASE("a model with quantizers keeps its own scales, and lowering says the same in quantizers") {
  generator r;
  const auto g = three_layers(r);
  const value in[] = {r.tensor({1, 3, 6, 6})};
  for (const bool asymmetric : {false, true}) {
    CAPTURE(asymmetric);
    const auto q = calibrated(g, in);
    const graph<stage::lowered> l = lower::lower_all<i8>{}(q, chip::nano::info, {.asymmetric = asymmetric});
    const graph<stage::canonical> with(lower::with_quantizers(q, l));
    CHECK(verify(with).empty());
    CHECK(with.name(with.outputs[0]) == "y");
    CHECK(with.at(with.find("x.quantized")).type == l.at(l.find("x")).type);
    // Integers of the lowered graph against those that the quantizers make of floats.
    const vec<value> wide = evaluate(with, in, keep::everything);
    const value narrow[] = {converted(l, l.inputs[0], in[0])};
    const vec<value> exact = evaluate(l, narrow, keep::everything);
    for (const std::string_view name : {"c1", "c2", "f", "y"}) {
      CAPTURE(std::string(name));
      text quantized(name);
      quantized << ".quantized";
      REQUIRE(with.find(quantized) != none);
      const ints& a = wide[static_cast<std::size_t>(with.find(quantized))].i;
      const ints& b = exact[static_cast<std::size_t>(l.find(name))].i;
      REQUIRE(a.size() == b.size());
      std::size_t equal = 0;
      for (std::size_t i = 0; i < a.size(); ++i) {
        CHECK(std::abs(a[i] - b[i]) <= 1);
        if (a[i] == b[i]) ++equal;
      }
      CHECK(equal * 100 >= a.size() * 95);
    }
    // And back: the quantizers' scales, weights and biases are taken as they are, so the integers are the same.
    const canonicalize::canonicalize_pass<list<canonicalize::fold_constants, canonicalize::fuse_clamp>> fold{};
    const auto folded = fold(graph<stage::origin>(static_cast<const graph_body&>(with)));
    const auto own = calibrate::apply_calibration{}(folded, calibrate::table{});
    CHECK(verify(own).empty());
    for (const node& n : own.nodes) CHECK(n.op != &record_of<top::quantize_linear>);
    const graph<stage::lowered> again = lower::lower_all<i8>{}(own, chip::nano::info);
    CHECK(again.at(again.find("c2.float")).type == dtype_id::i8);
    CHECK(again.at(again.find("c2.float")).quant.scale == l.at(l.find("c2")).quant.scale);
    CHECK(again.at(again.find("c2.float")).quant.zero_point == l.at(l.find("c2")).quant.zero_point);
    CHECK(again.at(again.find("x")).quant.scale == l.at(l.find("x")).quant.scale);
    CHECK(run(again, in) == run(l, in));
  }
}

namespace {
/// The first output of the graph with quantizers, in steps of the chip's, against the chip's integers: within one.
void check_quantizers(const graph<stage::canonical>& g, std::span<const value> in) {
  for (const bool asymmetric : {false, true}) {
    CAPTURE(asymmetric);
    const auto q = calibrated(g, in);
    const graph<stage::lowered> l = lower::lower_all<i8>{}(q, chip::bm1684x::info, {.asymmetric = asymmetric});
    const graph<stage::canonical> with(lower::with_quantizers(q, l));
    REQUIRE(verify(with).empty());
    const vec<float> wide = evaluate(with, in)[static_cast<std::size_t>(with.outputs[0])].f;
    const vec<float> exact = run(l, in);
    const tensor& y = l.at(l.outputs[0]);
    REQUIRE(y.quant.present());
    REQUIRE(wide.size() == exact.size());
    std::size_t equal = 0;
    for (std::size_t i = 0; i < wide.size(); ++i) {
      CHECK(std::abs(wide[i] - exact[i]) <= 1.01F * y.quant.scale);
      if (std::abs(wide[i] - exact[i]) < 0.01F * y.quant.scale) ++equal;
    }
    CHECK(equal * 100 >= wide.size() * 95);
  }
}
constexpr tensor_id list_of(model_builder& m, std::string_view name, std::int64_t x) {
  value v(dtype_id::i64, {1});
  v.i[0] = x;
  return m.constant(name, v);
}
} // namespace

TEST_CASE("quantizers stand where int8 reads a float") {
  // The result of PRelu stays in f32; the convolution behind it reads it in 8 bits, and its bias has that scale.
  generator r;
  model_builder m;
  top::conv::attributes a{};
  a.kernel_shape = {3, 3};
  const auto x = m.input("x", dtype_id::f32, {1, 3, 9, 9});
  const auto c =
      m.add<top::conv>("c", a, {x, m.constant("w1", r.tensor({4, 3, 3, 3})), m.constant("b1", r.tensor({4}))});
  const auto p = m.add<top::prelu>("p", {}, {c, m.constant("slope", r.tensor({4, 1, 1}))});
  m.output(m.add<top::conv>("y", a, {p, m.constant("w2", r.tensor({5, 4, 3, 3})), m.constant("b2", r.tensor({5}))}));
  const auto g = canonical(m);
  const value in[] = {r.tensor({1, 3, 9, 9})};
  check_quantizers(g, in);
}

TEST_CASE("quantizers of attention: parts of a tensor with ranges of their own, exponentials of 8 bits") {
  for (const bool causal : {false, true}) {
    CAPTURE(causal);
    generator r;
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 7, 16});
    value w = r.tensor({16, 48}, 0.5F);
    for (std::size_t i = 0; i < w.f.size(); ++i) w.f[i] *= i % 48 < 16 ? 1.0F : i % 48 < 32 ? 0.3F : 2.0F;
    const auto all = m.add<top::matmul>("all", {}, {x, m.constant("w", w)});
    const auto axis = list_of(m, "axis", 2);
    const auto part = [&](std::string_view name, std::string_view first, std::string_view last, std::int64_t at) {
      return m.add<top::slice>(name, {}, {all, list_of(m, first, at), list_of(m, last, at + 16), axis});
    };
    top::attention::attributes a{};
    a.q_num_heads = 4;
    a.kv_num_heads = 4;
    a.is_causal = causal ? 1 : 0;
    const auto q = part("q", "q0", "q1", 0);
    const auto k = part("k", "k0", "k1", 16);
    const auto t = m.add<top::attention>("t", a, {q, k, part("v", "v0", "v1", 32)});
    m.output(m.add<top::matmul>("y", {}, {t, m.constant("u", r.tensor({16, 40}))}));
    const auto g = canonical(m);
    const value in[] = {r.tensor({1, 7, 16})};
    // The sum keeps its bits until each part is rounded to its own range.
    const graph<stage::lowered> l = lower::lower_all<i8>{}(calibrated(g, in), chip::bm1684x::info);
    CHECK(l.at(l.find("all")).type == dtype_id::i32);
    CHECK(l.at(l.find("q")).type == dtype_id::i32);
    check_quantizers(g, in);
  }
}

TEST_CASE("quantizers of what ONNX has no operator for") {
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 3, 6, 6});
  top::conv::attributes a{};
  a.kernel_shape = {3, 3};
  const auto c = m.add<top::conv>("c", a, {x, m.constant("w", r.tensor({8, 3, 3, 3}))});
  const auto s = m.add<top::silu>("s", {}, {m.add<top::max_pool>("m", {.kernel_shape = {1, 1}}, {c})});
  top::channel_shuffle::attributes groups{};
  groups.groups = 2;
  m.output(m.add<top::channel_shuffle>("y", groups, {s}));
  const auto g = canonical(m);
  const value in[] = {r.tensor({1, 3, 6, 6}, 2.0F)};
  check_quantizers(g, in);
}

TEST_CASE("weights on steps of their own keep them") {
  // Multiples of 1/100 with the greatest at 97 steps: not those of greatest / 127.
  const float w[] = {0.97F, -0.13F, 0.5F, 0.0F, -0.01F, 0.88F};
  CHECK(std::abs(lower::detail::channel_scale(w, 0.0F, 1.0, 1.0) - 0.01) < 1e-9);
  const float other[] = {0.97F, -0.1334F, 0.5F, 0.0F, -0.01F, 0.88F};
  CHECK(lower::detail::channel_scale(other, 0.0F, 1.0, 1.0) == static_cast<double>(0.97F) / 127.0);
}

TEST_CASE("qtables as text") {
  calibrate::qtable t;
  t.add("conv 1", dtype_id::f32);
  t.add("y", dtype_id::i8);
  t.add("z", dtype_id::bf16);
  const text printed = print(t);
  CHECK(printed.view() == "# tmpu qtable v1\n# layer dtype\n\"conv 1\" f32\ny int8\nz bf16\n");
  CHECK(print(calibrate::parse_qtable(printed)).view() == printed.view());
  CHECK(calibrate::parse_qtable("# tmpu qtable v1\r\n\r\n  a f16 \r\n# a comment\n").find("a") == dtype_id::f16);
  const auto why = [](std::string_view lines) {
    return refusal([&] { static_cast<void>(calibrate::parse_qtable(lines, "t")); });
  };
  CHECK(why("a f16\n") ==
        "t line 1: this is no qtable (it would begin with `# tmpu qtable v1`): make one with `tmpuc sensitivity`");
  CHECK(why("# tmpu qtable v2\n") ==
        "t line 1: version '2' of the qtable is not known here (v1 is): make it again with `tmpuc sensitivity`");
  for (const char* line : {"a", "a f64", "a f16 b"}) {
    CHECK(why(std::string("# tmpu qtable v1\n") + line) ==
          "t line 2: expected `layer dtype` with int8, f16, bf16 or f32, and nothing after it");
  }
  CHECK(why("# tmpu qtable v1\na f16\na f32\n") == "t line 3: layer a is given already: take one of the two out");
}

TEST_CASE("refusals are one line with place and cure") {
  generator r;
  SUBCASE("f16 overflow") {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 1});
    const float w[] = {70000.0F};
    top::gemm::attributes a{};
    a.transB = 1;
    m.output(m.add<top::gemm>("y", a, {x, m.constant("w", make_value({1, 1}, w))}));
    const auto g = canonical(m);
    CHECK(refusal([&] { lower::lower_all<f16>{}(g, chip::nano::info); }).find("use bf16") != std::string::npos);
    CHECK(refusal([&] { lower::lower_all<bf16>{}(g, chip::nano::info); }).empty());
  }
  SUBCASE("K beyond int32") {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 70000});
    top::gemm::attributes a{};
    a.transB = 1;
    m.output(m.add<top::gemm>("y", a, {x, m.constant("w", r.tensor({1, 70000}))}));
    const auto g = canonical(m);
    const value in[] = {r.tensor({1, 70000})};
    CHECK(refusal([&] { lower::lower_all<i8>{}(calibrated(g, in), chip::nano::info); }).find("could overflow int32") !=
          std::string::npos);
  }
  SUBCASE("no range") {
    model_builder m;
    m.output(m.add<top::relu>("y", {}, {m.input("x", dtype_id::f32, {1, 4})}));
    const graph<stage::calibrated> g(canonical(m));
    CHECK(refusal([&] { lower::lower_all<i8>{}(g, chip::nano::info); }).find("'x' has no range") != std::string::npos);
  }
}

namespace {
/// relu in f32 on nano only: an own rule that goes before the general one.
struct nano_relu {
  using op = top::relu;
  using dtype = f32;
  using chip = tmpu::chip::nano;
  static constexpr void apply(lower::context& c, node_id) {
    const tensor_id x = c.operand(0);
    c.emit_result<tpu::unary>({.kind = static_cast<std::int64_t>(isa::unary_kind::abs), .alpha = 0.0F, .beta = 0.0F},
                              {x}, c.result_format());
  }
};
using short_list = list<top::relu, top::add>;
using with_own = join_lists<list<nano_relu>, unpack<decltype(lower::rules)>>;
// Only the rules whose chip it is count for the coverage.
static_assert(lower::lower<list<top::relu>, list<nano_relu>, f32, list<>, chip::nano>::covered);
static_assert(lower::detail::coverage<list<top::relu>, list<nano_relu>, list<>, f32, lower::any_chip>::missing::size ==
              1);
static_assert(
    lower::detail::coverage<short_list, unpack<decltype(lower::rules)>, list<>, i8, lower::any_chip>::missing::size ==
    0);
} // namespace

TEST_CASE("a rule for one chip goes before the general one") {
  model_builder m;
  m.output(m.add<top::relu>("y", {}, {m.input("x", dtype_id::f32, {1, 1})}));
  const auto g = canonical(m);
  const float minus[] = {-2.0F};
  const value in[] = {make_value({1, 1}, minus)};
  using pass = lower::lower<short_list, with_own, f32>;
  CHECK(run(pass{}(g, chip::nano::info), in)[0] == 2.0F);
  CHECK(run(pass{}(g, chip::bm1684x::info), in)[0] == 0.0F);
}

TEST_CASE("channel shuffle in all dtypes") {
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {2, 6, 3, 4});
  m.output(m.add<top::channel_shuffle>("y", {3}, {x}));
  const value in[] = {r.tensor({2, 6, 3, 4}, 2.0F, 0.3F)};
  check_close(canonical(m), in);
}

TEST_CASE("normalizations in all dtypes") {
  generator r;
  const value in[] = {r.tensor({2, 3, 40}, 2.0F, 0.3F)};
  {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {2, 3, 40});
    const auto scale = m.constant("scale", r.tensor({40}, 0.5F, 1.0F));
    m.output(m.add<top::layer_normalization>("y", {}, {x, scale, m.constant("bias", r.tensor({40}))}));
    check_close(canonical(m), in);
  }
  for (const std::int64_t axis : {-1, 1}) {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {2, 3, 40});
    const auto scale = m.constant("scale", r.tensor(axis == 1 ? shape{3, 40} : shape{40}, 0.5F, 1.0F));
    m.output(m.add<top::rms_normalization>("y", {.axis = axis}, {x, scale}));
    check_close(canonical(m), in);
  }
}

TEST_CASE("rotary embedding in all dtypes: halves, interleaved, of a part of each head, by places, flat heads") {
  struct form {
    top::rotary_embedding::attributes a;
    shape x;
    shape table;
    bool places;
  };
  const form forms[] = {{{}, {2, 3, 4, 8}, {2, 4, 4}, false},
                        {{.interleaved = 1}, {2, 3, 4, 8}, {2, 4, 4}, false},
                        {{.rotary_embedding_dim = 4}, {2, 3, 4, 8}, {6, 2}, true},
                        {{.interleaved = 1, .num_heads = 3, .rotary_embedding_dim = 6}, {2, 4, 24}, {6, 3}, true}};
  for (const form& f : forms) {
    generator r;
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, f.x);
    const auto c = m.constant("c", r.tensor(f.table));
    const auto s = m.constant("s", r.tensor(f.table));
    const std::int64_t places[] = {1, 2, 3, 0, 5, 4, 3, 2};
    if (f.places) {
      const auto p = m.constant("p", make_value(dtype_id::i64, {2, 4}, places));
      m.output(m.add<top::rotary_embedding>("y", f.a, {x, c, s, p}));
    } else {
      m.output(m.add<top::rotary_embedding>("y", f.a, {x, c, s}));
    }
    const value in[] = {r.tensor(f.x)};
    check_close(canonical(m), in);
  }
}

TEST_CASE("attention in all dtypes: masks, causal, shared keys, flat heads") {
  struct form {
    top::attention::attributes a;
    shape q;
    shape k;
    shape v;
    shape mask; ///< of rank 0: none
  };
  const form forms[] = {
      {{}, {2, 2, 3, 8}, {2, 2, 5, 8}, {2, 2, 5, 6}, {}},
      {{.is_causal = 1, .scale = 1.0F}, {1, 2, 5, 8}, {1, 2, 5, 8}, {1, 2, 5, 8}, {}},
      {{.is_causal = 1}, {2, 4, 5, 8}, {2, 2, 5, 8}, {2, 2, 5, 4}, {2, 1, 1, 5}},
      {{.kv_num_heads = 1, .q_num_heads = 2}, {2, 3, 16}, {2, 5, 8}, {2, 5, 6}, {3, 4}},
      {{.softcap = 2.0F}, {1, 2, 5, 8}, {1, 2, 5, 8}, {1, 2, 5, 8}, {}},
  };
  for (const form& f : forms) {
    generator r;
    model_builder m;
    const auto q = m.input("q", dtype_id::f32, f.q);
    const auto k = m.input("k", dtype_id::f32, f.k);
    const auto v = m.input("v", dtype_id::f32, f.v);
    if (f.mask.rank() > 0) {
      value mask = r.tensor(f.mask);
      mask.f[1] = -math::infinity<float>;
      m.output(m.add<top::attention>("y", f.a, {q, k, v, m.constant("mask", mask)}));
    } else {
      m.output(m.add<top::attention>("y", f.a, {q, k, v}));
    }
    const value in[] = {r.tensor(f.q, 2.0F), r.tensor(f.k, 2.0F), r.tensor(f.v)};
    const auto g = canonical(m);
    check_close(g, in);
    const auto lowered = lower::lower_all<f32>{}(g, chip::nano::info);
    for (const node& n : lowered.nodes) CHECK(!is<top::attention>(n));
  }
}

TEST_CASE("attention whose mask hides every key of a query gives it zeros") {
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 1, 2, 4});
  const auto mask = m.constant("mask", make_value(dtype_id::boolean, {2, 2}, std::vector<std::int64_t>{1, 1, 0, 0}));
  m.output(m.add<top::attention>("y", {}, {x, x, x, mask}));
  const auto g = canonical(m);
  const value in[] = {r.tensor({1, 1, 2, 4})};
  const auto lowered = lower::lower_all<f32>{}(g, chip::nano::info);
  for (const node& n : lowered.nodes) CHECK(!is<top::attention>(n));
  const vec<float> y = run(lowered, in);
  for (std::size_t i = 4; i < 8; ++i) CHECK(y[i] == 0.0F);
}
