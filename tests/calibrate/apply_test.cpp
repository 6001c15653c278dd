// SPDX-License-Identifier: Apache-2.0
#include "tmpu/calibrate/apply.hpp"

#include "tmpu/calibrate/calibrate.hpp"
#include "tmpu/calibrate/quantize_range.hpp"
#include "tmpu/calibrate/table_text.hpp"
#include "tmpu/ir/verify.hpp"
#include "toy_ops.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

using namespace tmpu;
using namespace tmpu::calibrate;

namespace {

constexpr table table_for_net(bool with_fingerprint) {
  table t;
  if (with_fingerprint) t.model = fingerprint(toy::net());
  t.rules = 7;
  t.add("in", {true, 1.0F, 0.0F, 1.0F});
  t.add("doubled", {true, 12.75F, -12.75F, 12.75F});
  t.add("dead", {true, dead_threshold, 0.0F, dead_threshold});
  t.add("sum", {true, 0.5F, 0.5F, 0.5F});
  t.add("not in the graph", {true, 0.5F, 0.5F, 0.5F});
  return t;
}

static_assert(apply_calibration::from == stage::canonical && apply_calibration::to == stage::calibrated);

// A model and its table as C++ values, down to the scales, in constant evaluation.
constexpr bool compiles_in_constant_evaluation() {
  const auto g = apply_calibration{}(toy::net(), table_for_net(true), 7);
  static_assert(std::is_same_v<std::remove_cvref_t<decltype(g)>, graph<stage::calibrated>>);
  if (!verify(g).empty()) return false;
  const activation_range& doubled = g.at(g.find("doubled")).range;
  bool is_unsigned = true;
  const quantization sym = symmetric_quantization(doubled, is_unsigned);
  if (is_unsigned || sym.scale != 12.75F / 127.0F) return false;
  const quantization asym = asymmetric_quantization(doubled);
  if (asym.zero_point != -1 && asym.zero_point != 0) return false;
  return g.at(g.find("in")).range.max == 1.0F && !g.at(g.find("w")).range.known && !g.at(g.find("signs")).range.known;
}
static_assert(compiles_in_constant_evaluation());

std::string refusal_of(const table& t, std::uint64_t rules = 7) {
  try {
    static_cast<void>(apply_calibration{}(toy::net(), t, rules));
  } catch (const error& e) {
    return e.what();
  }
  return "accepted";
}

} // namespace

TEST_CASE("every floating activation has its range afterwards, and nothing else changes") {
  const auto before = toy::net();
  const auto g = apply_calibration{}(toy::net(), table_for_net(true));
  CHECK(verify(g).empty());
  CHECK(fingerprint(g) == fingerprint(before));
  CHECK(g.at(g.find("dead")).range.threshold == dead_threshold);
  CHECK(g.at(g.find("dead")).range.known);
  CHECK(refusal_of(table_for_net(false)) == "accepted");
  CHECK(refusal_of(table_for_net(true), 0) == "accepted");
}

TEST_CASE("the table that calibration made of the graph fits it") {
  const auto g = toy::net();
  calibrator c(g, 7);
  const float elements[] = {0.25F, 0.5F};
  const value inputs[] = {make_value({1, 2}, elements)};
  c.add(inputs);
  CHECK(refusal_of(parse(print(c.finish("kl")))) == "accepted");
}

TEST_CASE("a table that lacks tensors is refused with the first three names") {
  table t;
  CHECK(refusal_of(t) == "the calibration table lacks 4 tensors: 'in', 'doubled', 'dead', ...: make the table again "
                         "with `tmpuc calibrate`");
  t.add("in", {true, 1.0F, 0.0F, 1.0F});
  CHECK(refusal_of(t) == "the calibration table lacks 3 tensors: 'doubled', 'dead', 'sum': make the table again with "
                         "`tmpuc calibrate`");
  t.add("dead", {true, 1.0F, 0.0F, 1.0F});
  t.add("sum", {true, 1.0F, 0.0F, 1.0F});
  CHECK(refusal_of(t) ==
        "the calibration table lacks 1 tensor: 'doubled': make the table again with `tmpuc calibrate`");
}

TEST_CASE("a table for another model or other rules is refused") {
  table t = table_for_net(true);
  CHECK(refusal_of(t, 8) ==
        "the calibration table was made for other canonicalize rules: make the table again with `tmpuc calibrate`");
  t.model ^= 1;
  CHECK(refusal_of(t) == "the calibration table was made for another model (other weights, shapes or names): make the "
                         "table again with `tmpuc calibrate`");
  t.model = fingerprint(toy::net(0.25F));
  CHECK(refusal_of(t) == "the calibration table was made for another model (other weights, shapes or names): make the "
                         "table again with `tmpuc calibrate`");
}

TEST_CASE("a table value with a range that int8 cannot use is refused") {
  for (const activation_range& bad :
       {activation_range{true, 0.0F, 0.0F, 1.0F}, activation_range{true, -1.0F, 0.0F, 1.0F},
        activation_range{true, 1.0F, 1.0F, 0.0F}, activation_range{true, 1.0F, 0.0F, 0.0F},
        activation_range{true, std::numeric_limits<float>::quiet_NaN(), 0.0F, 1.0F},
        activation_range{true, 1.0F, 0.0F, std::numeric_limits<float>::infinity()}}) {
    table t = table_for_net(false);
    t.entries[1].range = bad;
    const std::string expected = "tensor 'doubled' of the calibration table " + std::string(why_unusable(bad)) +
                                 ": make the table again with `tmpuc calibrate`, or put a range there";
    CHECK(refusal_of(t) == expected);
  }
}
