// SPDX-License-Identifier: Apache-2.0
// tmpu-test: labels=sanitize
#include "tmpu/calibrate/correct.hpp"

#include "tmpu/calibrate/apply.hpp"
#include "tmpu/calibrate/table_text.hpp"
#include "tmpu/ir/builder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

using namespace tmpu;
using namespace tmpu::calibrate;

namespace {

struct generator {
  std::uint32_t state = 99;
  float next() { // in [-1, 1)
    state = state * 1664525U + 1013904223U;
    return static_cast<float>(static_cast<std::int32_t>(state >> 8)) * 0x1p-23F - 1.0F;
  }
  value tensor(const shape& dims) {
    value v(dtype_id::f32, dims);
    for (float& x : v.f) x = next();
    return v;
  }
};

/// x -> conv c1 (ReLU) -> max_pool p -> concat with the transposed convolution t of c1's pool -> conv c2 -> y. Channels of very
/// different sizes.
graph<stage::canonical> image_net() {
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {1, 2, 8, 8});
  top::conv::attributes a{};
  a.kernel_shape = {3, 3};
  a.pads = {1, 1, 1, 1};
  a.clamp = {0.0F, math::infinity<float>};
  value w1 = r.tensor({4, 2, 3, 3});
  for (std::size_t i = 0; i < w1.f.size(); ++i) w1.f[i] *= i / 18 == 0 ? 8.0F : i / 18 == 1 ? 0.1F : 1.0F;
  const auto c1 = m.add<top::conv>("c1", a, {x, m.constant("w1", w1), m.constant("b1", r.tensor({4}))});
  top::max_pool::attributes pool{};
  pool.kernel_shape = {2, 2};
  pool.strides = {2, 2};
  const auto p = m.add<top::max_pool>("p", pool, {c1});
  top::conv_transpose::attributes up{};
  up.kernel_shape = {2, 2};
  up.strides = {2, 2};
  const auto t = m.add<top::conv_transpose>("t", up, {p, m.constant("wt", r.tensor({4, 3, 2, 2}))});
  top::leaky_relu::attributes leaky{};
  const auto l = m.add<top::leaky_relu>("l", leaky, {t});
  const auto both = m.add<top::concat>("both", {.axis = 1}, {c1, l});
  a.clamp = {};
  m.output(m.add<top::conv>("y", a, {both, m.constant("w2", r.tensor({2, 7, 3, 3}))}));
  return graph<stage::canonical>(static_cast<graph_body&&>(m.take()));
}

std::vector<vec<value>> samples(const shape& dims, int count) {
  generator r;
  std::vector<vec<value>> all;
  for (int i = 0; i < count; ++i) {
    vec<value> one;
    one.push_back(r.tensor(dims));
    // Neighbours that are alike, as in pictures.
    for (std::size_t k = 1; k < one[0].f.size(); ++k) one[0].f[k] = 0.8F * one[0].f[k - 1] + 0.4F * one[0].f[k];
    all.push_back(std::move(one));
  }
  return all;
}
table ranges_of(const graph<stage::canonical>& g, const std::vector<vec<value>>& data) {
  calibrator c(g);
  for (const auto& s : data) c.add(s.span());
  return c.finish<minmax>();
}
table corrected(const graph<stage::canonical>& g, const std::vector<vec<value>>& data, const correct_options& o = {}) {
  corrector c(g, ranges_of(g, data), static_cast<std::int64_t>(data.size()), o);
  while (c.unfinished()) {
    for (const auto& s : data) c.add(s.span());
    c.end_pass();
  }
  return c.made();
}
std::string printed(const table& t) { return std::string(print(t).view()); }

floats result(const graph_body& g, const vec<value>& inputs) {
  return evaluate(g, inputs.span())[static_cast<std::size_t>(g.outputs[0])].f;
}
double squared(const floats& a, const floats& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += std::pow(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]), 2);
  }
  return sum;
}
/// Weights [N, K] of one layer y = x w' + b, with rows of x that hang together.
graph<stage::canonical> dense(bool with_bias) {
  generator r;
  model_builder m;
  const auto x = m.input("x", dtype_id::f32, {16, 24});
  top::gemm::attributes a{};
  a.transB = 1;
  const auto w = m.constant("w", r.tensor({10, 24}));
  m.output(with_bias ? m.add<top::gemm>("y", a, {x, w, m.constant("b", r.tensor({10}))})
                     : m.add<top::matmul>("y", {}, {x, m.constant("v", r.tensor({24, 10}))}));
  return graph<stage::canonical>(static_cast<graph_body&&>(m.take()));
}
/// The graph with its weights on the steps of int8, each to the nearest one.
graph<stage::canonical> to_nearest(graph<stage::canonical> g) {
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const weighted l = weighted_at(g, static_cast<node_id>(i));
    if (l.node == none) continue;
    value w = g.constant_value(l.weight);
    for (std::int64_t oc = 0; oc < l.outputs; ++oc) {
      const double step = calibrate::detail::weight_step(l, w, oc);
      for (std::int64_t k = 0; k < l.inner(); ++k) {
        float& v = w.f[l.place(oc, k)];
        v = static_cast<float>(std::round(static_cast<double>(v) / step) * step);
      }
    }
    calibrate::detail::set_constant(g, l.weight, w);
  }
  return g;
}

} // namespace

TEST_CASE("rows are what a layer's weights are multiplied with") {
  const auto g = image_net();
  const auto data = samples({1, 2, 8, 8}, 1);
  const vec<value> all = evaluate(g, data[0].span(), keep::everything);
  int layers = 0;
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const weighted l = weighted_at(g, static_cast<node_id>(i));
    if (l.node == none) continue;
    ++layers;
    const value& x = all[static_cast<std::size_t>(l.x)];
    const value& y = all[static_cast<std::size_t>(l.y)];
    const value w = g.constant_value(l.weight);
    const std::int64_t rows = l.rows(y.dims);
    floats row(static_cast<std::size_t>(l.inner()));
    double worst = 0.0;
    for (std::int64_t oc = 0; oc < l.outputs; ++oc) {
      for (std::int64_t at = 0; at < rows; ++at) {
        l.put_row(x, oc / l.each(), at, row.data());
        double sum =
            l.bias == none ? 0.0 : static_cast<double>(g.constant_value(l.bias).f[static_cast<std::size_t>(oc)]);
        for (std::int64_t k = 0; k < l.inner(); ++k) {
          sum += static_cast<double>(row[static_cast<std::size_t>(k)]) * static_cast<double>(w.f[l.place(oc, k)]);
        }
        if (g.name(l.y) == "c1") sum = std::max(sum, 0.0);
        worst = std::max(worst, std::abs(sum - static_cast<double>(y.f[static_cast<std::size_t>(oc * rows + at)])));
      }
    }
    CAPTURE(std::string(g.name(l.y)));
    CHECK(worst < 1e-4);
  }
  CHECK(layers == 3);
}

TEST_CASE("scaled channels leave the model what it is, and make channels alike") {
  const auto g = image_net();
  const auto data = samples({1, 2, 8, 8}, 6);
  const table t = corrected(g, data, {.equalize = true, .ranges = false, .rounding = false, .bias = false});
  // The output and the input keep their scales; all between is divided, the pool like what it pools, the concatenation by both.
  std::vector<std::string> names;
  for (const correction& c : t.corrections) {
    CHECK(c.is == correction::kind::channels);
    names.emplace_back(c.name.view());
  }
  CHECK(names == std::vector<std::string>{"c1", "p", "t", "l", "both"});
  const correction* c1 = t.find(correction::kind::channels, "c1");
  const correction* both = t.find(correction::kind::channels, "both");
  REQUIRE(c1 != nullptr);
  REQUIRE(both != nullptr);
  CHECK(t.find(correction::kind::channels, "p")->values == c1->values);
  CHECK(both->values.size() == 7);
  CHECK(vec<float>(both->values.span().subspan(0, 4)) == c1->values);
  CHECK(c1->at(0) > c1->at(1)); // the greater channel is divided by more

  graph<stage::canonical> scaled = g;
  calibrate::detail::apply_channels(scaled, t);
  double signal = 0.0;
  double noise = 0.0;
  for (const auto& s : data) {
    const floats wanted = result(g, s);
    noise += squared(wanted, result(scaled, s));
    signal += squared(wanted, floats(wanted.size()));
  }
  CHECK(noise < 1e-11 * signal);
  // The ranges are those of the scaled graph.
  const table again = ranges_of(scaled, data);
  for (const entry& e : t.entries) CHECK(e.range.threshold == again.find(e.name)->threshold);
}

TEST_CASE("weights rounded together lose less than each rounded by itself") {
  for (const bool with_bias : {true, false}) {
    CAPTURE(with_bias);
    const auto g = dense(with_bias);
    const auto data = samples({16, 24}, 40);
    const table t = corrected(g, data, {.equalize = false, .ranges = false});
    REQUIRE(t.find(correction::kind::rounding, "y") != nullptr);
    CHECK((t.find(correction::kind::bias, "y") != nullptr) == with_bias);
    const graph<stage::calibrated> rounded = apply_calibration{}(g, t);
    const auto plain = to_nearest(g);
    // Each weight went to one of its neighbours, on steps close to those of the greatest weight.
    const correction* steps = t.find(correction::kind::steps, "y");
    REQUIRE(steps != nullptr);
    const weighted l = weighted_at(g, 0);
    const value before = g.constant_value(l.weight);
    const value after = rounded.constant_value(l.weight);
    for (std::int64_t oc = 0; oc < l.outputs; ++oc) {
      const auto step = static_cast<double>(steps->at(static_cast<std::size_t>(oc)));
      CHECK(std::abs(step / calibrate::detail::weight_step(l, before, oc) - 1.0) < 0.031);
      for (std::int64_t k = 0; k < l.inner(); ++k) {
        const double d = static_cast<double>(after.f[l.place(oc, k)]) - static_cast<double>(before.f[l.place(oc, k)]);
        CHECK(std::abs(d) < step * 4.0); // 127 is the last number
        const double q = static_cast<double>(after.f[l.place(oc, k)]) / step;
        CHECK(std::abs(q - std::round(q)) < 1e-4);
      }
    }
    double nearest = 0.0;
    double together = 0.0;
    for (const auto& s : data) {
      const floats wanted = result(g, s);
      nearest += squared(wanted, result(plain, s));
      together += squared(wanted, result(rounded, s));
    }
    CHECK(together < 0.5 * nearest);

    // A layer that the qtable keeps in a float type keeps its weights.
    qtable layers;
    layers.add("y", dtype_id::f16);
    const graph<stage::calibrated> wide = apply_calibration{}(g, t, 0, &layers);
    CHECK(wide.constant_value(l.weight).f == before.f);
  }
}

TEST_CASE("a bias takes the mean error away") {
  const auto g = dense(true);
  auto data = samples({16, 24}, 20);
  for (auto& s : data) {
    for (float& x : s[0].f) x = x * 0.1F + 0.7F; // a great mean
  }
  const table with = corrected(g, data, {.equalize = false, .ranges = false, .rounding = false, .bias = true});
  graph<stage::calibrated> biased = apply_calibration{}(to_nearest(g), [&] {
    table t = with;
    t.model = 0;
    return t;
  }());
  const auto plain = to_nearest(g);
  double error[2][10] = {};
  for (const auto& s : data) {
    const floats wanted = result(g, s);
    const floats got[2] = {result(plain, s), result(biased, s)};
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      for (std::size_t k = 0; k < 2; ++k)
        error[k][i % 10] += static_cast<double>(got[k][i]) - static_cast<double>(wanted[i]);
    }
  }
  double sum[2] = {};
  for (std::size_t k = 0; k < 2; ++k) {
    for (const double e : error[k]) sum[k] += std::abs(e);
  }
  CHECK(sum[1] < 0.05 * sum[0]);
}

TEST_CASE("ranges are seen through functions") {
  generator r;
  const auto net = [&](auto op, auto attributes) {
    using op_type = decltype(op);
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 500});
    m.output(m.add<op_type>("y", attributes, {x}));
    return graph<stage::canonical>(static_cast<graph_body&&>(m.take()));
  };
  std::vector<vec<value>> data;
  for (int i = 0; i < 10; ++i) {
    vec<value> one;
    one.push_back(r.tensor({1, 500}));
    for (float& x : one[0].f) x = x * 5.0F - 2.0F; // -7 ... 3
    data.push_back(std::move(one));
  }
  // What lies far below zero is the same to a GELU: the range follows what lies above.
  const table gelu = corrected(net(top::gelu{}, top::gelu::attributes{}), data);
  CHECK(gelu.find("x")->threshold < 5.0F);
  CHECK(gelu.find("x")->min > -5.0F);
  CHECK(gelu.find("x")->max > 2.9F);
  // What a LeakyRelu makes small may saturate.
  const table leaky = corrected(net(top::leaky_relu{}, top::leaky_relu::attributes{}), data);
  CHECK(leaky.find("x")->threshold < 4.0F);
  CHECK(corrected(net(top::gelu{}, top::gelu::attributes{}), data, {.ranges = false}).find("x")->threshold > 6.9F);
}

TEST_CASE("the table with its corrections as text") {
  const auto g = image_net();
  const auto data = samples({1, 2, 8, 8}, 3);
  const table t = corrected(g, data);
  CHECK(t.corrections.size() == 5 + 3 + 3 + 3);
  const std::string written = printed(t);
  CHECK(printed(corrected(g, data)) == written);
  const table read = parse(written);
  CHECK(printed(read) == written);
  CHECK(apply_calibration{}(g, read).constants.size() == apply_calibration{}(g, t).constants.size());
  const auto why = [](const std::string& line) {
    try {
      static_cast<void>(parse("# tmpu calibration table v1\n" + line, "t"));
    } catch (const error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(why("@scales c1 1") ==
        "t line 2: there is no correction 'scales': channels, bias, rounding and steps are known");
  CHECK(why("@bias") == "t line 2: the correction names no tensor");
  CHECK(why("@channels c1 1 0") == "t line 2: '0' is no factor or bias: make the table again with `tmpuc correct`");
  CHECK(why("@bias c1 nan") == "t line 2: 'nan' is no factor or bias: make the table again with `tmpuc correct`");
  CHECK(why("@rounding c1 AB.") == "t line 2: '.' is no digit of a rounding");
  CHECK(why("@rounding c1 AB CD") == "t line 2: there is more on the line than belongs to it");
  table wrong = t;
  for (correction& c : wrong.corrections) {
    if (c.is == correction::kind::bias) c.values.push_back(0.0F);
  }
  CHECK_THROWS_WITH_AS(
      static_cast<void>(apply_calibration{}(g, wrong)),
      "the calibration table corrects 'c1' with 5 numbers, but the model has 4 there: make the table again with "
      "`tmpuc correct`",
      error);
}
