// SPDX-License-Identifier: Apache-2.0
// tmpu-test: labels=sanitize
// What the driver's --threads and the Python module do: threads share a graph and a program, and every result has the bits of one thread.
// Under the thread sanitizer (preset `tsan`) this finds what they would race for.
#include "tmpu/host/threads.hpp"

#include "pipeline/small_model.hpp"
#include "tmpu/calibrate/calibrate.hpp"
#include "tmpu/compile.hpp"
#include "tmpu/host/run.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace tmpu;

constexpr std::size_t threads = 4;
constexpr std::size_t samples = 24;

std::vector<value> sample(std::size_t i) {
  value v = small_model::image();
  for (float& x : v.f) x += static_cast<float>(i) / 64.0F;
  return {std::move(v)};
}

/// Runs one(thread, sample) for all samples, by turns, and gives the bytes of their results.
template <class One> std::vector<vec<std::uint8_t>> in_turns(std::size_t count, One&& one) {
  std::vector<vec<std::uint8_t>> made(samples);
  host::in_threads{}(count, [&](std::size_t thread) {
    for (std::size_t i = thread; i < samples; i += count) {
      for (const host::named_value& v : one(thread, sample(i))) {
        for (const std::uint8_t byte : to_bytes(v.content)) made[i].push_back(byte);
      }
    }
  });
  return made;
}

TEST_CASE("a graph that threads share") {
  const auto g = small_model::build();
  const auto all = [&](std::size_t count) {
    std::vector<vec<value>> constants(count);
    return in_turns(count, [&](std::size_t thread, const std::vector<value>& inputs) {
      return host::run_graph(g, inputs, keep::everything, &constants[thread]);
    });
  };
  CHECK(all(threads) == all(1));
}

TEST_CASE("a program that the machines of several threads share") {
  const calibrate::table ranges = small_model::ranges();
  const isa::program p = compile<i8>(
      small_model::build(), {.chip = chip::bm1688::info, .network = "small", .cores = 2, .calibration = &ranges});
  const auto all = [&](std::size_t count) {
    std::vector<std::unique_ptr<host::runner>> runners;
    for (std::size_t i = 0; i < count; ++i) runners.push_back(std::make_unique<host::runner>(p));
    return in_turns(count,
                    [&](std::size_t thread, const std::vector<value>& inputs) { return runners[thread]->run(inputs); });
  };
  CHECK(all(threads) == all(1));
}

TEST_CASE("calibrators of one graph, a thread each") {
  const auto g = passes::canonicalize<standard>::run(small_model::build(), {});
  const auto table_of = [&](std::size_t count) {
    std::vector<calibrate::calibrator> seen(count, calibrate::calibrator(g));
    host::in_threads{}(count, [&](std::size_t thread) {
      for (std::size_t i = thread; i < samples; i += count) seen[thread].add(sample(i));
    });
    for (std::size_t i = 1; i < count; ++i) seen[0].merge(seen[i]);
    return std::string(calibrate::print(seen[0].finish("auto")).view());
  };
  CHECK(table_of(threads) == table_of(1));
}

TEST_CASE("errors of threads: that of the first part, when all have ended") {
  std::vector<int> ended(threads);
  std::string said;
  try {
    host::in_threads{}(threads, [&](std::size_t i) {
      ended[i] = 1;
      if (i > 0) throw std::runtime_error(std::to_string(i));
    });
  } catch (const std::runtime_error& e) {
    said = e.what();
  }
  CHECK(said == "1");
  CHECK(ended == std::vector<int>(threads, 1));
}

} // namespace
