// SPDX-License-Identifier: Apache-2.0
#include "tmpu/memory/place.hpp"

#include <doctest/doctest.h>

#include <cstdint>

using namespace tmpu;
using memory::lifetime;

namespace {

// Three buffers of which the two outer ones never live together: they share their bytes.
constexpr bool shares_bytes() {
  const lifetime buffers[] = {{0, 2, 128}, {1, 3, 50}, {2, 4, 128}};
  const memory::placement p = memory::place(buffers, 1);
  return p.offsets[0] == p.offsets[2] && p.peak == 178 && p.lower_bound == 178 && p.optimal();
}
static_assert(shares_bytes());

bool overlaps(const lifetime* buffers, const vec<std::int64_t>& offsets, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const bool time = buffers[i].first < buffers[j].last && buffers[j].first < buffers[i].last;
      const bool bytes = offsets[i] < offsets[j] + buffers[j].size && offsets[j] < offsets[i] + buffers[i].size;
      if (time && bytes) return true;
    }
  }
  return false;
}

} // namespace

TEST_CASE("no two buffers that live together overlap, whatever the lifetimes") {
  std::uint32_t seed = 1;
  const auto random = [&](std::uint32_t below) {
    seed = seed * 1664525U + 1013904223U;
    return static_cast<std::int64_t>((seed >> 8) % below);
  };
  for (int round = 0; round < 300; ++round) {
    constexpr std::size_t count = 24;
    lifetime buffers[count];
    for (lifetime& b : buffers) {
      b.first = random(20);
      b.last = b.first + 1 + random(8);
      b.size = 1 + random(1000);
    }
    for (const std::int64_t align : {1, 16, 64}) {
      const memory::placement p = memory::place(buffers, align);
      CHECK_FALSE(overlaps(buffers, p.offsets, count));
      CHECK(p.peak >= p.lower_bound);
      for (std::size_t i = 0; i < count; ++i) {
        CHECK(p.offsets[i] % align == 0);
        CHECK(p.offsets[i] + buffers[i].size <= p.peak);
      }
    }
  }
}

TEST_CASE("the published small example is placed within its capacity of 12") {
  // google/minimalloc, example.12.csv: id, lower, upper, size.
  const lifetime buffers[] = {{0, 3, 4}, {3, 9, 4}, {0, 9, 4}, {9, 21, 4}, {0, 21, 4}};
  const memory::placement p = memory::place(buffers, 1);
  CHECK(p.peak == 12);
  CHECK(p.optimal());
}
