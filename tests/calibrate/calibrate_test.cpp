// SPDX-License-Identifier: Apache-2.0
#include "tmpu/calibrate/calibrate.hpp"

#include "tmpu/calibrate/table_text.hpp"
#include "tmpu/ir/builder.hpp"
#include "toy_ops.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

using namespace tmpu;
using namespace tmpu::calibrate;

namespace {

constexpr value sample(float a, float b) {
  const float elements[] = {a, b};
  return make_value({1, 2}, elements);
}
std::string printed(const table& t) { return std::string(print(t).view()); }

// The whole of calibration is constant-evaluable.
constexpr table calibrated_at_compile_time() {
  const auto g = toy::net();
  calibrator c(g);
  const value inputs[] = {sample(0.0F, 0.75F)};
  c.add(inputs);
  return c.finish<minmax>();
}
static_assert(calibrated_at_compile_time().entries.size() == 4);
static_assert(calibrated_at_compile_time().find("doubled")->min == -1.0F);
static_assert(calibrated_at_compile_time().find("doubled")->max == 0.5F);

} // namespace

TEST_CASE("the table holds the floating activations in the order in which they are made") {
  const auto g = toy::net();
  calibrator c(g, 77);
  for (const auto& [a, b] : {std::pair{0.0F, 0.75F}, std::pair{0.25F, 1.0F}, std::pair{0.5F, 0.125F}}) {
    const value inputs[] = {sample(a, b)};
    c.add(inputs);
  }
  const table t = c.finish("minmax");
  CHECK(t.samples == 3);
  CHECK(t.method.view() == "minmax");
  CHECK(t.model == fingerprint(g));
  CHECK(t.rules == 77);
  // The constant w and the integers `signs` have no range.
  REQUIRE(t.entries.size() == 4);
  const auto line = [&](std::size_t i) { return std::string(t.entries[i].name.view()); };
  CHECK(line(0) == "in");
  CHECK(line(1) == "doubled");
  CHECK(line(2) == "dead");
  CHECK(line(3) == "sum");
  CHECK(t.find("in")->threshold == 1.0F);
  CHECK(t.find("in")->min == 0.0F);
  CHECK(t.find("doubled")->min == -1.0F);
  CHECK(t.find("doubled")->max == 1.0F);
  CHECK(t.find("dead")->threshold == dead_threshold);
  CHECK(t.find("dead")->max == dead_threshold);
  CHECK(t.find("sum")->threshold == 0.5F);
  CHECK(t.find("sum")->min == 0.5F);
  // What calibration writes is read again.
  CHECK(printed(parse(printed(t))) == printed(t));
}

TEST_CASE("calibrators merge to the table of one that saw all samples") {
  const auto g = toy::net();
  calibrator whole(g);
  std::vector<calibrator> parts(3, calibrator(g));
  for (int i = 0; i < 60; ++i) {
    const value inputs[] = {sample(static_cast<float>(i * i) / 8.0F, static_cast<float>(-i) / 3.0F)};
    whole.add(inputs);
    parts[static_cast<std::size_t>(i % 3)].add(inputs);
  }
  parts[2].merge(parts[0]);
  parts[2].merge(parts[1]);
  for (const char* method : {"kl", "mse", "percentile", "minmax"}) {
    CHECK(printed(parts[2].finish(method)) == printed(whole.finish(method)));
  }
  CHECK(printed(whole.finish<kl>()) == printed(whole.finish("kl")));
}

TEST_CASE("tables are the same bytes on every compiler and machine") {
  const auto g = toy::net(0.5F, 2000);
  calibrator c(g);
  value inputs[] = {value(dtype_id::f32, {1, 2000})};
  std::uint32_t state = 1;
  for (int i = 0; i < 20; ++i) {
    for (float& x : inputs[0].f) {
      // Sum of four, which gives tails; Numerical Recipes' linear congruential generator.
      x = -2.0F;
      for (int k = 0; k < 4; ++k) x += static_cast<float>((state = state * 1664525U + 1013904223U) >> 8) / 16777216.0F;
      x = x * x * x;
    }
    c.add(inputs);
  }
  std::string lines;
  for (const char* method : {"kl", "mse", "percentile", "minmax"}) {
    const table t = c.finish(method);
    text line;
    line << method << ' ' << t.find("in")->threshold << ' ' << t.find("in")->min << ' ' << t.find("in")->max << '\n';
    lines += line.view();
  }
  // Made by g++ 12; the methods themselves are held against oracles in threshold_test.cpp.
  CHECK(lines == "kl 4.6816406 -4.6816406 4.6816406\n"
                 "mse 5.7588444 -5.8474755 5.711053\n"
                 "percentile 5.6035156 -5.5878906 5.6035156\n"
                 "minmax 6.1172786 -6.1100154 6.1172786\n");
}

TEST_CASE("refusals") {
  const auto g = toy::net();
  calibrator c(g);
  CHECK_THROWS_WITH_AS(static_cast<void>(c.finish("kl")), "calibration saw no sample: give at least one", error);
  const value bad[] = {sample(1.0F, std::numeric_limits<float>::quiet_NaN())};
  CHECK_THROWS_WITH_AS(c.add(bad), "tensor 'in' holds NaN on sample 0: check --mean, --scale and the data", error);
  CHECK_THROWS_AS(c.add({}), error);

  calibrator d(g);
  const value good[] = {sample(1.0F, std::numeric_limits<float>::infinity())};
  CHECK_THROWS_AS(d.add(good), error); // 0 * infinity, in `dead`

  const auto other = toy::net();
  CHECK_THROWS_WITH_AS(c.merge(calibrator(other)),
                       "calibrators of different graphs cannot be merged: make both of one graph", error);

  const auto twice = toy::net(0.5F, 2, 2.0F, "dead");
  CHECK_THROWS_WITH_AS(calibrator{twice},
                       "two tensors of the model are called 'dead', so a table could not tell them apart: rename one",
                       error);
}

TEST_CASE("statistics of parts, written down and merged, give the table of one run") {
  const auto g = toy::net();
  calibrator whole(g, 5);
  std::vector<calibrator> parts(3, calibrator(g, 5));
  for (int i = 0; i < 50; ++i) {
    const value inputs[] = {sample(static_cast<float>(i * i) / 8.0F, static_cast<float>(-i) / 3.0F)};
    whole.add(inputs);
    parts[static_cast<std::size_t>(i % 3)].add(inputs);
  }
  statistics all;
  for (const std::size_t i : {2U, 0U, 1U}) {
    const text written = print(parts[i].seen());
    statistics part = parse_statistics(written, "part");
    CHECK(print(part).view() == written.view());
    if (i == 2) {
      all = std::move(part);
    } else {
      all.merge(part);
    }
  }
  CHECK(print(all).view() == print(whole.seen()).view());
  for (const char* method : {"auto", "kl", "mse", "percentile", "minmax", "aciq-gauss", "aciq-laplace"}) {
    CHECK(printed(all.finish(method)) == printed(whole.finish(method)));
  }

  const auto why = [](std::string_view lines) {
    try {
      static_cast<void>(parse_statistics(lines, "s"));
    } catch (const error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const std::string head = "# tmpu calibration statistics v1\n";
  CHECK(why("# tmpu calibration table v1\n").starts_with("s line 1: these are no calibration statistics"));
  CHECK(why(head + "x 2 0 0 0 1 1 +0:1\n") ==
        "s line 2: its bins do not add up to its count: make the statistics again");
  CHECK(why(head + "x 1 0 0 0 1 1 0:1\n") == "s line 2: expected bins `+bin:count`");
  CHECK(why(head + "x 1 0 0 0 1 1 +4096:1\n") == "s line 2: there is no bin 4096");
  CHECK(why(head + "x many 0 0 0 1 1\n") ==
        "s line 2: 'many' is not the number that belongs there: make the statistics again");
  CHECK(why(head + "x 1 0 0 0 1 200 +0:1\n") == "s line 2: its exponent is beyond the range of f32");
  statistics other = all;
  other.model = 1;
  CHECK_THROWS_WITH_AS(
      all.merge(other, "b.stats"),
      "the statistics of 'b.stats' are of another model or other rules than the first: make all parts of one "
      "model, with one tmpuc",
      error);
}

TEST_CASE("a mask that only a softmax reads does not set the scale") {
  for (const bool other_reader : {false, true}) {
    model_builder m;
    const auto x = m.input("x", dtype_id::f32, {1, 2, 3});
    m.output(m.add<top::softmax>("shares", {}, {x}));
    if (other_reader) m.output(m.add<top::softmax>("down", {.axis = 1}, {x}));
    const graph<stage::canonical> g(static_cast<graph_body&&>(m.take()));
    calibrator c(g);
    const float scores[] = {3.0F, -10000.0F, 1.0F, -10001.0F, -9999.0F, -9998.0F};
    const value inputs[] = {make_value({1, 2, 3}, scores)};
    c.add(inputs);
    // Row by row, what is more than 24 below the greatest stands for nothing; a row of a mask only keeps its values.
    CHECK(c.finish<minmax>().find("x")->threshold == 10001.0F);
    const float shown[] = {3.0F, -10000.0F, 1.0F, 2.0F, -9999.0F, -1.0F};
    const value more[] = {make_value({1, 2, 3}, shown)};
    calibrator d(g);
    d.add(more);
    CHECK(d.finish<minmax>().find("x")->threshold == (other_reader ? 10000.0F : 22.0F));
  }
}
