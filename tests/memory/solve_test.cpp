// SPDX-License-Identifier: Apache-2.0
// tmpu-test: optimize=2 timeout=900
#include "tmpu/memory/solve.hpp"

#include "tmpu/memory/place.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

using namespace tmpu;
using memory::lifetime;
using memory::outcome;

namespace {

constexpr bool never() { return false; }

// 17 bytes live at one time at the most, but no placement needs less than 19: see the test against all orders below.
constexpr lifetime with_gap[] = {{5, 7, 1}, {6, 7, 1}, {0, 2, 8}, {3, 6, 3}, {4, 6, 3},
                                 {5, 9, 9}, {6, 9, 6}, {2, 5, 5}, {1, 4, 8}};
constexpr outcome search(std::int64_t capacity) {
  memory::solver s(with_gap, 1, capacity);
  return s.run(1000, never);
}
static_assert(search(18) == outcome::impossible);
static_assert(search(19) == outcome::placed);

/// Whether two buffers share a byte at one time, by sweeping over time: the bytes that are taken then must be disjoint.
bool disjoint(const std::vector<lifetime>& buffers, const vec<std::int64_t>& offsets) {
  for (const lifetime& at : buffers) {
    std::vector<std::pair<std::int64_t, std::int64_t>> taken;
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      if (buffers[i].first <= at.first && at.first < buffers[i].last)
        taken.emplace_back(offsets[i], offsets[i] + buffers[i].size);
    }
    std::sort(taken.begin(), taken.end());
    for (std::size_t i = 1; i < taken.size(); ++i) {
      if (taken[i].first < taken[i - 1].second) return false;
    }
  }
  return true;
}

/// The least peak, by trying every order and putting each buffer as low as it goes.
std::int64_t least_peak(const std::vector<lifetime>& buffers) {
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::int64_t least = 1 << 30;
  do {
    std::vector<std::int64_t> offsets(buffers.size(), -1);
    std::int64_t peak = 0;
    for (const std::size_t i : order) {
      std::int64_t low = 0;
      for (bool moved = true; moved;) {
        moved = false;
        for (std::size_t j = 0; j < buffers.size(); ++j) {
          if (offsets[j] < 0 || buffers[i].last <= buffers[j].first || buffers[j].last <= buffers[i].first) continue;
          if (low + buffers[i].size <= offsets[j] || offsets[j] + buffers[j].size <= low) continue;
          low = offsets[j] + buffers[j].size;
          moved = true;
        }
      }
      offsets[i] = low;
      peak = std::max(peak, low + buffers[i].size);
    }
    least = std::min(least, peak);
  } while (std::next_permutation(order.begin(), order.end()));
  return least;
}

std::vector<lifetime> read(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE_MESSAGE(file.good(), path.string());
  std::vector<lifetime> out;
  std::string line;
  std::getline(file, line);
  REQUIRE(line == "id,lower,upper,size");
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string id;
    lifetime b;
    char comma = 0;
    std::getline(words, id, ',');
    words >> b.first >> comma >> b.last >> comma >> b.size;
    REQUIRE(!words.fail());
    out.push_back(b);
  }
  return out;
}

} // namespace

TEST_CASE("the search finds the least peak that any order of placement reaches, and proves that there is none below") {
  std::uint32_t seed = 7;
  const auto random = [&](std::uint32_t below) {
    seed = seed * 1664525U + 1013904223U;
    return static_cast<std::int64_t>((seed >> 8) % below);
  };
  for (int round = 0; round < 400; ++round) {
    std::vector<lifetime> buffers(static_cast<std::size_t>(4 + random(4)));
    for (lifetime& b : buffers) {
      b.first = random(6);
      b.last = b.first + 1 + random(4);
      b.size = 1 + random(round % 2 == 0 ? 4 : 9);
    }
    const std::int64_t least = least_peak(buffers);
    memory::solver fits(buffers, 1, least);
    REQUIRE(fits.run(1'000'000, never) == outcome::placed);
    REQUIRE(disjoint(buffers, fits.offsets()));
    for (std::size_t i = 0; i < buffers.size(); ++i) REQUIRE(fits.offsets()[i] + buffers[i].size <= least);
    memory::solver below(buffers, 1, least - 1);
    REQUIRE(below.run(1'000'000, never) == outcome::impossible);
    const memory::placement p = memory::place(buffers, 1, 1'000'000);
    REQUIRE(p.peak == least);
    REQUIRE(p.optimal());
  }
}

TEST_CASE("where more is needed than lives at one time, the search proves that nothing smaller is possible") {
  const std::vector<lifetime> buffers(std::begin(with_gap), std::end(with_gap));
  CHECK(memory::max_live(buffers, 1) == 17);
  CHECK(least_peak(buffers) == 19);
  const memory::placement p = memory::place(buffers, 1, 10'000);
  CHECK(p.peak == 19);
  CHECK(p.lower_bound == 19);
}

TEST_CASE("a search that is cut off says so, and goes on where it is called again") {
  const std::vector<lifetime> buffers(std::begin(with_gap), std::end(with_gap));
  memory::solver s(buffers, 1, 19);
  CHECK(s.run(2, never) == outcome::limit);
  CHECK(s.steps() == 2);
  CHECK(s.run(1000, never) == outcome::placed);
  memory::solver t(buffers, 1, 19);
  CHECK(t.run(1000, [] { return true; }) == outcome::limit);
}

TEST_CASE("the published instances are placed within their capacity, each in less than 20 seconds of one core") {
  const char* models = std::getenv("TMPU_SHARED_MODELS");
  const std::filesystem::path folder = std::string(models == nullptr ? "" : models) + "/../minimalloc";
  if (!std::filesystem::is_directory(folder)) {
    MESSAGE("skipped: there is no folder " << folder.string());
    return;
  }
  for (const char name : std::string("ABCDEFGHIJK")) {
    const std::vector<lifetime> buffers = read(folder / (std::string(1, name) + ".1048576.csv"));
    const std::clock_t start = std::clock();
    const auto seconds = [&] { return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC; };
    int calls = 0;
    const memory::fitting f = memory::place_within(buffers, 1, 1'048'576, std::int64_t{1} << 60,
                                                   [&] { return ++calls % 256 == 0 && seconds() > 20; });
    MESSAGE(std::string(1, name) << ": " << seconds() << " s");
    CHECK_MESSAGE(f.result == outcome::placed, std::string(1, name));
    if (f.result == outcome::placed) CHECK(disjoint(buffers, f.best.offsets));
    for (std::size_t i = 0; i < buffers.size(); ++i) CHECK(f.best.offsets[i] + buffers[i].size <= f.best.peak);
  }
}
