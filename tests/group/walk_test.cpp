// SPDX-License-Identifier: Apache-2.0
#include "tmpu/group/walk.hpp"

#include "lowered_models.hpp"
#include "tmpu/group/plan.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace tmpu;

namespace {
/// Bytes that live at once in a plan made by looking at every step.
std::int64_t bytes_of(const group::tiling& t, const group::slices& s, std::int32_t ahead, const chip::facts& chip) {
  chip::facts roomy = chip;
  roomy.local_bytes = std::int64_t{1} << 30;
  const group::plan p = group::make_plan(t, s, ahead, roomy);
  REQUIRE(p.fits);
  return memory::max_live(p.lives, chip.eu_bytes);
}
} // namespace

TEST_CASE("the estimate of a group has the bytes of its plan; three steps along an axis are all looked at") {
  lowered_models::random_numbers random(5);
  int compared = 0;
  for (int round = 0; round < 60; ++round) {
    const graph<stage::lowered> g = lowered_models::random_chain(random);
    const chip::facts& chip = chip::nano::info;
    const group::catalog c(g, chip);
    group::walk w(c);
    const node_id end = c.count();
    for (std::int64_t h = 1; h <= 3; ++h) {
      const group::slices s{1, 1, h, 1};
      w.begin(end, s);
      for (std::int32_t size = 1; size <= end && w.extend(); ++size) {
        const group::tiling t(g, end - size, size, c.readers());
        REQUIRE(t.legal());
        if (h > w.most_slices().h) continue;
        CAPTURE(round);
        CAPTURE(size);
        CAPTURE(h);
        CHECK(w.size() == size);
        CHECK(w.look(false).bytes == bytes_of(t, s, 0, chip));
        if (h > 1) CHECK(w.look(true).bytes == bytes_of(t, s, 1, chip));
        CHECK(w.look(true).cycles <= w.look(false).cycles);
        ++compared;
      }
    }
  }
  CHECK(compared > 500);
}

TEST_CASE("the estimate of a product has the bytes of its plan and each load as often as it comes") {
  lowered_models::builder b;
  b.output(b.dense(b.input({30, 64}), 256));
  const chip::facts& chip = chip::nano::info;
  const group::catalog c(b.g, chip);
  group::walk w(c);
  const group::tiling t(b.g, 0, 1, c.readers());
  for (const bool c_inside : {false, true}) {
    for (const std::int64_t n : {1, 2, 3}) {
      for (const std::int64_t channels : {1, 2, 3}) {
        const group::slices s{n, channels, 1, 1, c_inside};
        w.begin(1, s);
        REQUIRE(w.extend());
        CAPTURE(c_inside);
        CAPTURE(n);
        CAPTURE(channels);
        CHECK(w.look(false).bytes == bytes_of(t, s, 0, chip));
        if (s.steps() > 1) CHECK(w.look(true).bytes == bytes_of(t, s, 1, chip));
        // Loads of x, of the weights and their parameters, and stores.
        const auto times = [&](std::int64_t inner, std::int64_t outer) { return inner > 1 ? inner * outer : 1; };
        const std::int64_t rows = c_inside ? n : times(n, channels);
        const std::int64_t columns = c_inside ? times(channels, n) : channels;
        const auto moved = [&](std::int64_t bytes, std::int64_t count, std::int64_t a_second) {
          return count * group::detail::transfer_cycles(bytes / count, a_second, chip);
        };
        const std::int64_t wanted = moved(30 * 64 * 4 * (rows / n), rows, chip.load_bytes_per_second) +
                                    moved(256 * 64 * 4 * (columns / channels), columns, chip.load_bytes_per_second) +
                                    moved(256 * 4 * (columns / channels), columns, chip.load_bytes_per_second) +
                                    moved(30 * 256 * 4, n * channels, chip.store_bytes_per_second);
        CHECK(std::abs(w.look(true).transfers - wanted) * 50 < wanted); // parts are only nearly equal
      }
    }
  }
}

TEST_CASE("a group with a node more in front costs what a new walk says") {
  const graph<stage::lowered> g = lowered_models::residual(2);
  const group::catalog c(g, chip::nano::info);
  group::walk grown(c);
  grown.begin(6, {1, 1, 4, 1});
  std::int32_t size = 0;
  while (grown.first() > 0 && grown.extend()) {
    group::walk fresh(c);
    fresh.begin(6, {1, 1, 4, 1});
    for (std::int32_t i = 0; i <= size; ++i) REQUIRE(fresh.extend());
    ++size;
    for (const bool ahead : {false, true}) {
      CHECK(fresh.look(ahead).bytes == grown.look(ahead).bytes);
      CHECK(fresh.look(ahead).cycles == grown.look(ahead).cycles);
    }
  }
  CHECK(size == 6);
}

TEST_CASE("transfers and computation overlap: the longer one decides, the rest stands for one part") {
  CHECK(group::detail::overlapped(1000, 400, 4, true) == 1000 + 100);
  CHECK(group::detail::overlapped(400, 1000, 4, true) == 1000 + 100);
  CHECK(group::detail::overlapped(400, 1000, 4, false) == 1400);
}

TEST_CASE("nodes that cannot be cut so, or only move data, end a walk") {
  lowered_models::builder b;
  const tensor_id x = b.input({1, 16, 8, 8});
  const tensor_id y = b.conv(x, 16, 3, 1);
  const tensor_id flat = b.reshape(y, {1, 1024});
  b.output(b.dense(flat, 10));
  const group::catalog c(b.g, chip::nano::info);
  group::walk w(c);
  w.begin(3, {1, 1, 1, 1});
  CHECK(w.extend());
  CHECK_FALSE(w.extend()); // the reshape
  w.begin(3, {1, 1, 2, 1});
  CHECK_FALSE(w.extend()); // a product has no rows
}
