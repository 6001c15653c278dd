// SPDX-License-Identifier: Apache-2.0
#include "tmpu/timing/timeline.hpp"

#include "isa/tiny_program.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

// Wanted cycles are written as numbers, worked out by hand from docs/design.md ("Chips"):
//   nano     8 lanes, 16 EU bytes, 4 banks of 2048 bytes, MACs 256 / 64 / 16, 0.4 GB/s at 200 MHz = 2 bytes a cycle
//   cv184x   650 MHz compute, 500 MHz DMA, 4 GB/s
//   bm1684x  1000 MHz both, 58 GB/s in, 44 GB/s out
//            and, at once, 8 / 4 / 1 input channels of 4 / 2 / 2 places; sums reach half of that rate
// Each compute instruction takes 20 cycles beside its work, a transfer 80 cycles of the DMA clock. Runs move in bursts of 64 bytes.

namespace {

using namespace tmpu;
using timing::cycles;

constexpr chip::facts nano = chip::nano::info;
constexpr isa::local_ref at(std::int64_t address, dtype_id type, std::int32_t n, std::int32_t c, std::int32_t h,
                            std::int32_t w, isa::layout layout = isa::layout::aligned) {
  return isa::make_local(nano, layout, type, n, c, h, w, address);
}
constexpr isa::global_ref strided(dtype_id type, std::int32_t n, std::int32_t c, std::int32_t h, std::int32_t w,
                                  std::int64_t n_stride, std::int64_t c_stride, std::int64_t h_stride,
                                  std::int64_t w_stride) {
  return {.address = isa::global_address(isa::region::activations, 0),
          .type = type,
          .n = n,
          .c = c,
          .h = h,
          .w = w,
          .n_stride = n_stride,
          .c_stride = c_stride,
          .h_stride = h_stride,
          .w_stride = w_stride};
}
constexpr std::int64_t load_cycles(const isa::global_ref& src, const chip::facts& chip = nano) {
  return cycles(isa::dma_load{.src = src, .dst = {}}, chip);
}
constexpr std::int64_t store_cycles(const isa::global_ref& dst, const chip::facts& chip = nano) {
  return cycles(isa::dma_store{.src = {}, .dst = dst}, chip);
}

TEST_CASE("transfers: latency, bursts, runs") {
  constexpr dtype_id f32 = dtype_id::f32;
  constexpr dtype_id i8 = dtype_id::i8;
  // 48 contiguous bytes: one burst of 64, 2 bytes a cycle.
  CHECK(load_cycles(strided(f32, 1, 3, 2, 2, 48, 16, 8, 4)) == 80 + 32);
  CHECK(store_cycles(strided(f32, 1, 3, 2, 2, 48, 16, 8, 4)) == 80 + 32);
  // 2 * 3 * 4 * 5 = 120 bytes in one run: two bursts.
  CHECK(load_cycles(strided(i8, 2, 3, 4, 5, 60, 20, 5, 1)) == 80 + 64);
  // Images apart: 2 runs of 60 bytes.
  CHECK(load_cycles(strided(i8, 2, 3, 4, 5, 100, 20, 5, 1)) == 80 + 2 * 32);
  // Planes apart: 6 runs of 20 bytes.
  CHECK(load_cycles(strided(i8, 2, 3, 4, 5, 120, 40, 5, 1)) == 80 + 6 * 32);
  // Rows apart: 24 runs.
  CHECK(load_cycles(strided(i8, 2, 3, 4, 5, 192, 64, 16, 1)) == 80 + 24 * 32);
  // Elements apart: 120 runs.
  CHECK(load_cycles(strided(i8, 2, 3, 4, 5, 1, 2, 6, 24)) == 80 + 120 * 32);
  // The stride of a dimension of 1 does not part anything.
  CHECK(load_cycles(strided(i8, 1, 1, 1, 64, 999, 999, 999, 1)) == 80 + 32);
  CHECK(load_cycles(strided(i8, 1, 1, 1, 65, 999, 999, 999, 1)) == 80 + 64);
}

TEST_CASE("transfers: clocks and bandwidth of other chips") {
  // 80 cycles at 500 MHz are 104 at 650 MHz; 1024 bytes * 650 / 4000 = 166.4.
  CHECK(load_cycles(strided(dtype_id::i8, 1, 1, 1, 1000, 0, 0, 0, 1), chip::cv184x::info) == 104 + 167);
  // 4096 / 58 = 70.6, 4096 / 44 = 93.1.
  CHECK(load_cycles(strided(dtype_id::i8, 1, 1, 1, 4096, 0, 0, 0, 1), chip::bm1684x::info) == 80 + 71);
  CHECK(store_cycles(strided(dtype_id::i8, 1, 1, 1, 4096, 0, 0, 0, 1), chip::bm1684x::info) == 80 + 94);
}

TEST_CASE("bytes moved are those of the elements") {
  const isa::global_ref g = strided(dtype_id::f16, 2, 3, 4, 5, 1000, 300, 70, 10);
  CHECK(timing::bytes_moved(isa::dma_load{.src = g, .dst = {}}) == 240);
  CHECK(timing::bytes_moved(isa::dma_store{.src = {}, .dst = g}) == 240);
  CHECK(timing::bytes_moved(isa::fill{.y = at(0, dtype_id::f32, 1, 8, 4, 4), .value = 0.0F}) == 0);
}

constexpr isa::conv conv_of(dtype_id type, std::int64_t y_address) {
  isa::conv i{};
  i.x = at(0, type, 1, 2, 6, 6);
  i.weight = at(6144, type, 1, 10, 2, 9, isa::layout::compact);
  i.y = at(y_address, type, 1, 10, 4, 4);
  i.partial = at(y_address, dtype_id::i32, 1, 20, 4, 4);
  i.kernel_h = 3;
  i.kernel_w = 3;
  i.part = {.resume = false, .finish = true};
  return i;
}

TEST_CASE("sums: lanes, input channels and places are padded to what the array takes at once") {
  // 10 channels fill the 8 lanes twice: 16 channels * 16 outputs * 9 taps * 2 input channels, which count as 8, 4 and 2.
  CHECK(cycles(conv_of(dtype_id::i8, 2048), nano) == 20 + 144);
  CHECK(cycles(conv_of(dtype_id::f16, 2048), nano) == 20 + 288);
  CHECK(cycles(conv_of(dtype_id::bf16, 2048), nano) == 20 + 288);
  CHECK(cycles(conv_of(dtype_id::f32, 2048), nano) == 20 + 576);
  // The result in a bank of x: a quarter more, rounded down.
  CHECK(cycles(conv_of(dtype_id::i8, 2032), nano) == 20 + 180);
  CHECK(cycles(conv_of(dtype_id::f32, 512), nano) == 20 + 720);
  // An unfinished sum is as large as its partial: 24 channels * 16 * 9 * 8.
  isa::conv part = conv_of(dtype_id::i8, 2048);
  part.part.finish = false;
  CHECK(cycles(part, nano) == 20 + 216);

  isa::matmul m{};
  m.x = at(0, dtype_id::i8, 3, 1, 100, 1, isa::layout::copy);
  m.weight = at(4096, dtype_id::i8, 1, 10, 100, 1, isa::layout::compact);
  m.y = at(2048, dtype_id::i8, 3, 10, 1, 1);
  m.part = {.resume = false, .finish = true};
  CHECK(cycles(m, nano) == 20 + 52); // 4 * 16 * 104 / 128

  isa::depthwise d{};
  d.x = at(0, dtype_id::i8, 1, 10, 6, 6);
  d.y = at(2048, dtype_id::i8, 1, 10, 4, 4);
  d.kernel_h = 3;
  d.kernel_w = 2;
  CHECK(cycles(d, nano) == 20 + 2 * 6); // two rows of lanes, one width of the units each, six taps
}

TEST_CASE("element-wise instructions: passes over the result") {
  // 9 channels: two rows of lanes; 20 f32 = 80 bytes: five widths of the units.
  const isa::local_ref x = at(0, dtype_id::f32, 2, 9, 4, 5);
  const isa::local_ref y = at(2048, dtype_id::f32, 2, 9, 4, 5);
  constexpr std::int64_t pass = 2 * 2 * 5;
  const auto unary = [&](isa::unary_kind kind) {
    return cycles(isa::unary{.kind = kind, .x = x, .y = y, .alpha = 0.0F, .beta = 0.0F}, nano);
  };
  CHECK(unary(isa::unary_kind::clip) == 20 + pass);
  CHECK(unary(isa::unary_kind::round) == 20 + pass);
  CHECK(unary(isa::unary_kind::hard_swish) == 20 + 3 * pass);
  CHECK(unary(isa::unary_kind::tanh) == 20 + 20 * pass);
  CHECK(cycles(isa::fill{.y = y, .value = 0.0F}, nano) == 20 + pass);

  isa::binary b{};
  b.a = x;
  b.b = at(4096, dtype_id::f32, 2, 9, 4, 5);
  b.y = y;
  CHECK(cycles(b, nano) == 20 + 2 * pass);
  b.b.address = 3584; // other bytes than y's, of the same bank
  CHECK(cycles(b, nano) == 20 + 50);
  b.b = x;
  b.a.address = 2048; // in place
  CHECK(cycles(b, nano) == 20 + 50);

  // 4 channels from lane 5 on take a second row; from lane 4 on they do not.
  isa::fill f{.y = at(0, dtype_id::i8, 1, 4, 4, 4), .value = 0.0F};
  f.y.lane = 4;
  CHECK(cycles(f, nano) == 20 + 1);
  f.y.lane = 5;
  CHECK(cycles(f, nano) == 20 + 2);
  // Copies: each lane does all channels.
  f.y = at(0, dtype_id::i8, 1, 4, 4, 4, isa::layout::copy);
  CHECK(cycles(f, nano) == 20 + 4);

  isa::pool p{};
  p.x = at(0, dtype_id::f32, 1, 8, 6, 6);
  p.y = at(2048, dtype_id::f32, 1, 8, 3, 3); // 36 bytes: three widths
  p.kernel_h = 2;
  p.kernel_w = 2;
  CHECK(cycles(p, nano) == 20 + 3 * 4);

  isa::lookup l{};
  l.x = at(0, dtype_id::i8, 1, 8, 4, 5);
  l.y = at(2048, dtype_id::i8, 1, 8, 4, 5); // 20 bytes: two widths
  CHECK(cycles(l, nano) == 20 + 2 * 2);

  isa::cast c{};
  c.x = at(0, dtype_id::f32, 1, 8, 4, 5); // five widths
  c.y = at(2048, dtype_id::i8, 1, 8, 4, 5);
  CHECK(cycles(c, nano) == 20 + 5);
  std::swap(c.x, c.y);
  CHECK(cycles(c, nano) == 20 + 5);

  isa::reduce r{};
  r.x = x;
  r.y = at(2048, dtype_id::f32, 2, 9, 1, 1);
  CHECK(cycles(r, nano) == 20 + pass);
}

// ---- the timeline

constexpr isa::header after(isa::wait first, isa::wait second = {}) { return {.first = first, .second = second}; }
constexpr isa::wait dma(std::uint32_t count, std::uint8_t core = 0) { return {core, isa::engine::dma, count}; }
constexpr isa::wait compute(std::uint32_t count, std::uint8_t core = 0) { return {core, isa::engine::compute, count}; }

/// 80 + bytes / 2 cycles, bytes a multiple of 64.
constexpr isa::dma_load load_of(std::int32_t bytes) {
  return {.src = strided(dtype_id::i8, 1, 1, 1, bytes, 0, 0, 0, 1), .dst = at(0, dtype_id::i8, 1, 1, 1, bytes)};
}
/// 20 + widths cycles, in another bank than load_of.
constexpr isa::fill fill_of(std::int32_t widths, std::uint32_t address = 4096) {
  return {.y = at(address, dtype_id::i8, 1, 1, widths, 16), .value = 0.0F};
}

void check_span(const timing::timeline& t, std::size_t i, isa::engine engine, std::int64_t start, std::int64_t end) {
  CAPTURE(i);
  REQUIRE(i < t.instructions.size());
  CHECK(t.instructions[i].engine == engine);
  CHECK(t.instructions[i].start == start);
  CHECK(t.instructions[i].end == end);
}

constexpr timing::timeline two_engines() {
  isa::core_stream s{};
  isa::append(s, {}, load_of(640));                       // 0..400
  isa::append(s, {}, fill_of(80));                        // 0..100, beside it
  isa::append(s, {}, load_of(64));                        // 400..512
  isa::append(s, after(dma(1)), fill_of(30));             // 400..450
  isa::append(s, after(compute(2), dma(1)), load_of(64)); // 512..624: its engine is busy longer than its wait
  isa::append(s, after({}, dma(3)), fill_of(10));         // 624..654, by the second wait
  return timing::simulate(s, nano);
}
static_assert(two_engines().cycles == 654);

TEST_CASE("engines work side by side, waits put them in a row") {
  const timing::timeline t = two_engines();
  using isa::engine;
  REQUIRE(t.instructions.size() == 6);
  check_span(t, 0, engine::dma, 0, 400);
  check_span(t, 1, engine::compute, 0, 100);
  check_span(t, 2, engine::dma, 400, 512);
  check_span(t, 3, engine::compute, 400, 450);
  check_span(t, 4, engine::dma, 512, 624);
  check_span(t, 5, engine::compute, 624, 654);
  CHECK(t.cycles == 654);
  CHECK(t.busy[static_cast<int>(engine::dma)] == 400 + 112 + 112);
  CHECK(t.busy[static_cast<int>(engine::compute)] == 100 + 50 + 30);
  CHECK(t.dma_bytes == 640 + 64 + 64);
}

TEST_CASE("engines that are at one bank at one time take turns: a quarter more of the time that they share") {
  isa::core_stream s{};
  isa::append(s, {}, load_of(640));              // 0..400
  isa::append(s, {}, fill_of(80, 0));            // 0..100 and a quarter
  isa::append(s, {}, fill_of(80));               // 125..225, elsewhere
  isa::append(s, {}, fill_of(215, 0));           // 225..460, of which 175 beside the load: 43 more
  isa::append(s, after(dma(1)), fill_of(80, 0)); // the load is over
  const timing::timeline t = timing::simulate(s, nano);
  using isa::engine;
  check_span(t, 1, engine::compute, 0, 125);
  check_span(t, 2, engine::compute, 125, 225);
  check_span(t, 3, engine::compute, 225, 503);
  check_span(t, 4, engine::compute, 503, 603);
  CHECK(t.conflict_cycles == 25 + 43);
}

TEST_CASE("the tiny program runs without overlap") {
  const isa::program p = tiny::build();
  const timing::timeline t = timing::simulate(p.info.networks[0].segments[0].cores[0], nano);
  // 12 bytes and 48 bytes are one burst each; the sum takes 2 passes, and a quarter of 2 for its bank is 0.
  CHECK(t.cycles == 112 + 112 + 22 + 112);
  CHECK(t.busy[0] == 22);
  CHECK(t.busy[1] == 336);
  CHECK(t.dma_bytes == 12 + 48 + 48);
  // Without waits the sum hides behind the loads.
  const isa::program free = tiny::build(false);
  CHECK(timing::simulate(free.info.networks[0].segments[0].cores[0], nano).cycles == 336);
  CHECK(timing::simulate(isa::core_stream{}, nano).cycles == 0);
}

TEST_CASE("waits for other cores are taken as fulfilled") {
  isa::core_stream s{};
  isa::append(s, after(dma(9, 1)), fill_of(1));
  CHECK(timing::simulate(s, nano).cycles == 21);
  CHECK_THROWS_AS((void)timing::simulate(s, nano, 1), error); // on core 1 it is its own queue
}

TEST_CASE("no engine rests without a reason, and none works before its waits are over") {
  std::uint32_t seed = 7;
  const auto random = [&](std::uint32_t below) {
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % below;
  };
  for (int round = 0; round < 200; ++round) {
    struct planned {
      std::size_t engine;
      std::int64_t length;
      std::uint32_t wait[2]; // count of each queue
    };
    std::vector<planned> plan;
    std::uint32_t issued[2] = {};
    isa::core_stream s{};
    for (int i = 0; i < 30; ++i) {
      planned p{};
      p.engine = random(2);
      for (std::size_t q = 0; q < 2; ++q) p.wait[q] = random(3) == 0 ? random(issued[q] + 1) : 0;
      const isa::header h = after(compute(p.wait[0]), dma(p.wait[1]));
      const auto amount = static_cast<std::int32_t>(1 + random(20));
      if (p.engine == 0) {
        isa::append(s, h, fill_of(amount));
        p.length = 20 + amount;
      } else {
        isa::append(s, h, load_of(64 * amount));
        p.length = 80 + 32 * amount;
      }
      ++issued[p.engine];
      plan.push_back(p);
    }
    const timing::timeline t = timing::simulate(s, nano);
    REQUIRE(t.instructions.size() == plan.size());
    std::vector<std::int64_t> ends[2];
    std::int64_t busy[2] = {};
    std::int64_t last = 0;
    for (std::size_t i = 0; i < plan.size(); ++i) {
      const planned& p = plan[i];
      std::vector<std::int64_t> reasons = {0};
      if (!ends[p.engine].empty()) reasons.push_back(ends[p.engine].back());
      for (std::size_t q = 0; q < 2; ++q) {
        if (p.wait[q] > 0) reasons.push_back(ends[q][p.wait[q] - 1]);
      }
      CHECK(t.instructions[i].start == *std::max_element(reasons.begin(), reasons.end()));
      CHECK(t.instructions[i].end - t.instructions[i].start == p.length);
      ends[p.engine].push_back(t.instructions[i].end);
      busy[p.engine] += p.length;
      last = std::max(last, t.instructions[i].end);
    }
    CHECK(t.cycles == last);
    CHECK(t.busy[0] == busy[0]);
    CHECK(t.busy[1] == busy[1]);
    CHECK(t.cycles >= std::max(busy[0], busy[1]));
    CHECK(t.cycles <= busy[0] + busy[1]);
  }
}

std::string refusal(const isa::core_stream& s) {
  try {
    (void)timing::simulate(s, nano);
  } catch (const error& e) {
    return e.what();
  }
  return "";
}

TEST_CASE("damaged streams are refused") {
  isa::core_stream s{};
  isa::append(s, {}, load_of(64));
  isa::append(s, after(dma(1)), fill_of(1));
  const auto first = static_cast<std::uint32_t>(isa::size_of(s.words[0]));
  CHECK(refusal(s).empty());

  isa::core_stream later = s;
  isa::append(later, after({}, dma(2)), fill_of(1));
  CHECK(refusal(later) == "instruction 2 waits for one that comes later: the program is damaged");

  const std::string second_word =
      "word " + std::to_string(first) + " of the stream is no instruction: the program is damaged";
  isa::core_stream bad = s;
  bad.words.pop_back();
  CHECK(refusal(bad) == second_word);
  bad = s;
  bad.words[first] = (bad.words[first] & ~0xFFU) | 0xEEU;
  CHECK(refusal(bad) == second_word);
  bad = s;
  bad.words[first] &= 0xFFU; // no words at all
  CHECK(refusal(bad) == second_word);
  bad = s;
  bad.words[0] += 256;
  CHECK(refusal(bad) == "word 0 of the stream is no instruction: the program is damaged");
}

} // namespace
