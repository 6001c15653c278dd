// SPDX-License-Identifier: Apache-2.0
#include "tmpu/compare/table.hpp"

#include <doctest/doctest.h>

#include <array>
#include <span>

namespace {

using namespace tmpu::compare;
using floats = std::span<const float>;

constexpr std::array<float, 2> a{3.0F, 4.0F};
constexpr std::array<float, 2> b{4.0F, 3.0F};
constexpr std::array<float, 2> c{3.0F, 4.5F};
constexpr std::array<float, 2> broken{tmpu::math::nan<float>, 1.0F};

constexpr table make() {
  table t;
  t.set_reference("own origin inference");
  t.add("conv \"1\"", {floats(a), floats(a), floats(b), floats(b)});
  t.add("relu", {floats{}, floats(a), floats(c), floats(c)});
  return t;
}

static_assert(make().worst(1) == 0 && make().worst(3) == 0 && make().all_bit_equal(2));
static_assert(make().within(1, {0.9, 0.5}) && !make().within(1, {0.99, 0.5}));
static_assert(!make().rows()[1].cells[0].present);
static_assert(detail::decimals(-1.25, 1) == tmpu::text("-1.3") && detail::decimals(0.05, 3) == tmpu::text("0.050"));
static_assert(detail::share(0.99999999) == tmpu::text("0.999999") && detail::share(1.0) == tmpu::text("1.000000"));

} // namespace

TEST_CASE("plain text") {
  CHECK(to_text(make()).view() ==
        "onnx column: own origin inference\n"
        "cosine euclid SQNR, each place against the one before, and the last against the first\n"
        "tensor    onnx > top  top > tpu                 tpu > chip  onnx > chip\n"
        "conv \"1\"  bit-equal   0.960000 0.714286 11.0dB  bit-equal   0.960000 0.714286 11.0dB\n"
        "relu      -           0.998460 0.903886 20.0dB  bit-equal   -\n"
        "worst onnx > top: all bit-equal\n"
        "worst top > tpu: conv \"1\"  0.960000 0.714286 11.0dB\n"
        "worst tpu > chip: all bit-equal\n"
        "worst onnx > chip: conv \"1\"  0.960000 0.714286 11.0dB\n");
}

TEST_CASE("JSON") {
  table t;
  t.add("x\n", {floats(a), floats(a), floats{}, floats{}});
  CHECK(to_json(t).view() ==
        "{\"reference\": \"\", \"rows\": [{\"name\": \"x\\u000a\", \"onnx_top\": {\"cosine\": 1, \"euclid\": 1, "
        "\"sqnr_db\": \"inf\", \"max_abs_difference\": 0, \"bit_equal\": true}, \"top_tpu\": null, \"tpu_chip\": null, "
        "\"onnx_chip\": null}], \"worst\": {\"onnx_top\": \"x\\u000a\", \"top_tpu\": null, \"tpu_chip\": null, "
        "\"onnx_chip\": null}}");
}

TEST_CASE("a NaN is the worst row and within no tolerance") {
  table t = make();
  t.add("nan", {floats{}, floats(a), floats(broken), floats{}});
  t.add("after", {floats{}, floats(a), floats(b), floats{}});
  CHECK(t.worst(1) == 2);
  CHECK(!t.within(1, {-1.0, -100.0}));
  CHECK(table{}.worst(0) == -1);
}
