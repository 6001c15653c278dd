// SPDX-License-Identifier: Apache-2.0
// tmpu-test: labels=sanitize
// What a program says of its host steps is held against the operators' own shape rules: a file cannot make one read or write elsewhere.
#include "tmpu/host/steps.hpp"

#include "tmpu/host/memory_limit.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using namespace tmpu;
using steps = host::basic_host_steps<list<top::relu, top::non_zero, top::reshape>>;

constexpr std::uint64_t slot(std::int64_t number) { return isa::global_address(isa::region::host, number); }
constexpr std::uint64_t activations(std::int64_t at) { return isa::global_address(isa::region::activations, at); }
isa::host_tensor tensor(dtype_id type, ints dims, std::uint64_t address) {
  return {.type = type, .dims = std::move(dims), .address = address};
}
isa::segment step(const char* op, vec<std::uint32_t> words, vec<isa::host_tensor> operands,
                  vec<isa::host_tensor> results) {
  isa::segment s{};
  s.kind = isa::segment_kind::host;
  s.step = {.node = text("n"),
            .op = text(op),
            .words = std::move(words),
            .operands = std::move(operands),
            .results = std::move(results)};
  return s;
}

/// Runs the steps on 64 bytes of activations that hold the floats -1, 1, -1, ...; what is refused, or "".
std::string refusal(const vec<isa::segment>& segments, vec<std::uint8_t>* after = nullptr) {
  isa::network n{};
  n.segments = segments;
  n.activation_bytes = 64;
  vec<std::uint8_t> memory;
  for (int i = 0; i < 16; ++i) detail::store_word(memory, i % 2 == 0 ? -1.0F : 1.0F);
  try {
    steps all(n, {});
    for (const isa::segment& s : n.segments) all.run(s.step, memory.span());
  } catch (const error& e) {
    return e.what();
  }
  if (after != nullptr) *after = memory;
  return "";
}
bool has(const std::string& where, const char* what) { return where.find(what) != std::string::npos; }

TEST_CASE("a step that is what it says runs") {
  vec<std::uint8_t> after;
  CHECK(refusal({step("relu", {}, {tensor(dtype_id::f32, {8}, activations(0))},
                      {tensor(dtype_id::f32, {8}, activations(32))})},
                &after) == "");
  CHECK(from_bytes(dtype_id::f32, {4}, after.span().subspan(32)).f == floats{0.0F, 1.0F, 0.0F, 1.0F});
  // The elements decide about the second dimension, which the program leaves open.
  CHECK(refusal({step("non_zero", {}, {tensor(dtype_id::f32, {8}, activations(0))},
                      {tensor(dtype_id::i64, {1, -1}, slot(0))})}) == "");
}

TEST_CASE("constants of less than a byte lie packed in the program") {
  isa::network n{};
  n.segments.push_back(step("relu", {}, {tensor(dtype_id::i4, {3}, isa::global_address(isa::region::weights, 1))},
                            {tensor(dtype_id::i4, {3}, activations(0))}));
  const std::uint8_t weights[] = {0x77, 0x2D, 0x07}; // -3, 2, 7
  vec<std::uint8_t> memory(8);
  steps all(n, weights);
  all.run(n.segments[0].step, memory.span());
  CHECK(from_bytes(dtype_id::i4, {3}, memory.span()).i == ints{0, 2, 7});
}

TEST_CASE("results of another size or type than the operator makes are refused before anything runs") {
  CHECK(has(refusal({step("relu", {}, {tensor(dtype_id::f32, {16}, activations(0))},
                          {tensor(dtype_id::f32, {2}, activations(56))})}),
            "node 'n' (relu, a host step) makes f32[16], but the program says f32[2]"));
  CHECK(has(refusal({step("relu", {}, {tensor(dtype_id::f32, {4}, activations(0))},
                          {tensor(dtype_id::i8, {4}, activations(0))})}),
            "makes f32[4], but the program says i8[4]"));
}

TEST_CASE("results that elements decide are held against the program in each run") {
  CHECK(has(refusal({step("non_zero", {}, {tensor(dtype_id::f32, {8}, activations(0))},
                          {tensor(dtype_id::i64, {1, 2}, activations(0))})}),
            "makes i64[1,8], but the program says i64[1,2]"));
}

TEST_CASE("a slot that holds another tensor than a step says is refused") {
  const isa::segment first =
      step("relu", {}, {tensor(dtype_id::f32, {2}, activations(0))}, {tensor(dtype_id::f32, {2}, slot(0))});
  CHECK(refusal({first, step("relu", {}, {tensor(dtype_id::f32, {2}, slot(0))},
                             {tensor(dtype_id::f32, {2}, activations(0))})}) == "");
  CHECK(has(refusal({first, step("relu", {}, {tensor(dtype_id::f32, {16}, slot(0))},
                                 {tensor(dtype_id::f32, {16}, activations(0))})}),
            "reads f32[2], but the program says f32[16]"));
  CHECK(has(refusal({step("relu", {}, {tensor(dtype_id::f32, {2}, slot(5))}, {tensor(dtype_id::f32, {2}, slot(0))})}),
            "reads what no other has made"));
}

TEST_CASE("operands that an operator does not take are refused") {
  CHECK(has(refusal({step("relu", {}, {}, {tensor(dtype_id::f32, {2}, activations(0))})}), "has 0 operands"));
  CHECK(has(refusal({step("sleep", {}, {}, {})}), "not in the list of operators"));
}

TEST_CASE("a machine that is greater than the computer is refused before it is made") {
  const auto said = [](std::int64_t activation_bytes, std::int64_t there) -> std::string {
    try {
      host::require_memory({.lanes = 8, .local_bytes = 1024, .activation_bytes = activation_bytes, .weight_bytes = 0},
                           there);
    } catch (const error& e) {
      return e.what();
    }
    return "";
  };
  CHECK(said(1808, 10000) == "");
  CHECK(has(said(1809, 10000), "asks for 10001 bytes of memory, and this computer has 10000"));
  CHECK(host::memory_of_this_computer() > (1 << 28));
}

} // namespace
