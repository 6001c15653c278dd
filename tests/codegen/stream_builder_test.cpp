// SPDX-License-Identifier: Apache-2.0
#include "tmpu/codegen/stream_builder.hpp"

#include "isa/tiny_program.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace {

using namespace tmpu;
using codegen::stream_builder;
using isa::engine;

constexpr chip::facts nano = chip::nano::info;

/// 16 bytes of each lane, or as many as said.
constexpr isa::local_ref row(std::int64_t at, std::int32_t bytes = 16) {
  return isa::make_local(nano, isa::layout::compact, dtype_id::i8, 1, 1, 1, bytes, at);
}
constexpr isa::global_ref global_row(std::int64_t at, std::int32_t bytes = 16,
                                     isa::region r = isa::region::activations) {
  return tiny::dense(r, at, dtype_id::i8, 1, 1, bytes);
}
constexpr isa::dma_load load(std::int64_t to, std::int32_t bytes = 16) {
  return {.src = global_row(0, bytes), .dst = row(to, bytes)};
}
constexpr isa::dma_store store(std::int64_t from, std::int32_t bytes = 16) {
  return {.src = row(from, bytes), .dst = global_row(0, bytes)};
}
constexpr isa::fill fill(std::int64_t at, std::int32_t bytes = 16) { return {.y = row(at, bytes), .value = 0.0F}; }
constexpr isa::lookup copy(std::int64_t from, std::int64_t to) {
  return {.x = row(from), .table = row(4096, 256), .y = row(to)};
}

/// What each instruction of a stream waits for.
std::vector<isa::header> headers_of(const isa::core_stream& s) {
  std::vector<isa::header> out;
  std::size_t at = 0;
  while (at < s.words.size()) {
    const std::size_t size = isa::size_of(s.words[at]);
    REQUIRE(isa::decoder<unpack<decltype(isa::instructions)>>::decode(
        s.words.span().subspan(at, size), [&](const isa::header& h, const auto&) { out.push_back(h); }));
    at += size;
  }
  CHECK(out.size() == s.count);
  return out;
}

/// Counts of the waits for the other engine of instructions that are emitted one after the other.
template <class... Is> std::vector<std::uint32_t> waits(const Is&... instructions) {
  stream_builder b(nano.lanes);
  (b.emit(instructions), ...);
  std::vector<std::uint32_t> out;
  const engine engines[] = {Is::engine...};
  for (const isa::header& h : headers_of(b.take())) {
    CHECK(h.second.count == 0);
    CHECK(h.first.core == 0);
    if (h.first.count > 0) CHECK(h.first.engine != engines[out.size()]);
    out.push_back(h.first.count);
  }
  return out;
}
using counts = std::vector<std::uint32_t>;

TEST_CASE("an instruction waits where bytes meet and one of the two writes") {
  // Read after write, by both engines.
  CHECK(waits(load(0), copy(0, 64)) == counts{0, 1});
  CHECK(waits(fill(0), store(0)) == counts{0, 1});
  // Write after read.
  CHECK(waits(copy(0, 64), load(0)) == counts{0, 1});
  CHECK(waits(store(0), fill(0)) == counts{0, 1});
  // Write after write.
  CHECK(waits(load(0), fill(0)) == counts{0, 1});
  CHECK(waits(fill(0), load(0)) == counts{0, 1});
  // Two readers.
  CHECK(waits(store(0), copy(0, 64)) == counts{0, 0});
  CHECK(waits(copy(0, 64), store(0)) == counts{0, 0});
}

TEST_CASE("one byte is enough, none is not") {
  CHECK(waits(load(16), fill(0, 16)) == counts{0, 0});
  CHECK(waits(load(16), fill(0, 17)) == counts{0, 1});
  CHECK(waits(load(16), fill(31, 1)) == counts{0, 1});
  CHECK(waits(load(16), fill(32, 1)) == counts{0, 0});
  CHECK(waits(load(0, 256), fill(100, 1)) == counts{0, 1});
  CHECK(waits(load(100, 1), fill(0, 256)) == counts{0, 1});
}

TEST_CASE("nobody waits for its own engine") {
  CHECK(waits(load(0), load(0), store(0)) == counts{0, 0, 0});
  CHECK(waits(fill(0), copy(0, 64), copy(64, 0)) == counts{0, 0, 0});
}

TEST_CASE("nobody waits for what an earlier wait covers") {
  // The second reader of what was loaded.
  CHECK(waits(load(0), load(16), copy(16, 64), copy(0, 80)) == counts{0, 0, 2, 0});
  CHECK(waits(load(0), load(16), copy(0, 64), copy(16, 80)) == counts{0, 0, 1, 2});
  // Two operands: the later of both is enough.
  isa::lookup both = copy(0, 64);
  both.table = row(256, 256);
  CHECK(waits(load(0), load(256, 256), both) == counts{0, 0, 2});
  CHECK(waits(load(256, 256), load(0), both) == counts{0, 0, 2});
  // The latest of many.
  CHECK(waits(load(0), load(0), load(512), copy(0, 64)) == counts{0, 0, 0, 2});
  // A wait of one engine says nothing to the other one.
  CHECK(waits(load(0), copy(0, 64), store(64), copy(0, 128), fill(64)) == counts{0, 1, 1, 0, 2});
}

TEST_CASE("lanes, copies and strides count by the bytes of a lane") {
  isa::fill f = fill(0);
  // Eight channels take one row of lanes, nine take two, and so do two channels from the last lane on.
  f.y = isa::make_local(nano, isa::layout::compact, dtype_id::i8, 1, 8, 1, 16, 0);
  CHECK(waits(load(16), f) == counts{0, 0});
  f.y = isa::make_local(nano, isa::layout::compact, dtype_id::i8, 1, 9, 1, 16, 0);
  CHECK(waits(load(16), f) == counts{0, 1});
  f.y = isa::make_local(nano, isa::layout::compact, dtype_id::i8, 1, 2, 1, 16, 0);
  f.y.lane = 6;
  CHECK(waits(load(16), f) == counts{0, 0});
  f.y.lane = 7;
  CHECK(waits(load(16), f) == counts{0, 1});
  // A copy holds all channels in each lane.
  f.y = isa::make_local(nano, isa::layout::copy, dtype_id::i8, 1, 2, 1, 16, 0);
  CHECK(waits(load(16), f) == counts{0, 1});
  CHECK(waits(load(32), f) == counts{0, 0});
}

TEST_CASE("global memory is touched by one engine, weights are written by nobody") {
  const isa::dma_load weights{.src = global_row(0, 16, isa::region::weights), .dst = row(0)};
  CHECK(waits(store(64), weights, weights) == counts{0, 0, 0});
  // Bytes 0 to 16 of the weights are not those of local memory.
  CHECK(waits(fill(0), isa::dma_load{.src = global_row(0, 16, isa::region::weights), .dst = row(64)}) == counts{0, 0});
  CHECK(waits(fill(0), load(64)) == counts{0, 0});
}

TEST_CASE("emit gives the number in program order, trace points name it") {
  stream_builder b(nano.lanes);
  b.trace_in_global(4); // nothing has been emitted: it is an input by another name
  CHECK(b.emit(load(0)) == 0);
  CHECK(b.emit(fill(64)) == 1);
  b.trace(1, 7, 2, 16, 3);
  CHECK(b.emit(store(64)) == 2);
  b.trace_in_global(5);
  const isa::core_stream s = b.take();
  CHECK(s.count == 3);
  REQUIRE(s.trace.size() == 2);
  CHECK(equal_members(s.trace[0],
                      isa::trace_point{.index = 1, .tensor = 7, .n = 2, .c = 16, .h = 3, .in_global = false}));
  CHECK(
      equal_members(s.trace[1], isa::trace_point{.index = 2, .tensor = 5, .n = 0, .c = 0, .h = 0, .in_global = true}));
}

// ---- any stream: the same waits as from the definition, byte by byte

struct touched {
  std::int64_t first = 0;
  std::int64_t last = 0; // both included
  bool write = false;
};
/// The least and the greatest byte of a lane that an operand has an element in.
touched extent(const isa::local_ref& r, bool write) {
  touched t{.first = 1 << 30, .last = -1, .write = write};
  for (std::int32_t n = 0; n < r.n; ++n)
    for (std::int32_t c = 0; c < r.c; ++c)
      for (std::int32_t h = 0; h < r.h; ++h)
        for (std::int32_t w = 0; w < r.w; ++w) {
          const std::int64_t place = r.spread == isa::spread::copy ? c : (r.lane + c) / nano.lanes;
          const std::int64_t at =
              std::int64_t{r.address} + n * r.n_stride + place * r.c_stride + h * r.h_stride + w * bytes_of(r.type);
          t.first = std::min(t.first, at);
          t.last = std::max(t.last, at + bytes_of(r.type) - 1);
        }
  return t;
}

TEST_CASE("random streams wait exactly for the latest that matters") {
  std::uint32_t seed = 3;
  const auto random = [&](std::int32_t low, std::int32_t high) {
    seed = seed * 1664525U + 1013904223U;
    return low + static_cast<std::int32_t>((seed >> 8) % static_cast<std::uint32_t>(high - low + 1));
  };
  std::size_t with_wait = 0;
  std::size_t covered = 0;
  std::size_t free = 0;
  for (int round = 0; round < 300; ++round) {
    stream_builder b(nano.lanes);
    struct emitted {
      std::size_t queue;
      std::vector<touched> touches;
    };
    std::vector<emitted> all;
    std::vector<std::uint32_t> wanted;
    std::uint32_t waited[2] = {};
    for (int i = 0; i < 25; ++i) {
      const auto operand = [&](dtype_id type) {
        isa::local_ref r{};
        r.type = type;
        r.spread = random(0, 3) == 0 ? isa::spread::copy : isa::spread::lanes;
        r.lane = r.spread == isa::spread::copy ? 0 : random(0, 7);
        r.n = random(1, 2);
        r.c = random(1, 10);
        r.h = random(1, 3);
        r.w = random(1, 4);
        const auto size = static_cast<std::int32_t>(bytes_of(type));
        r.h_stride = r.w * size + random(0, 1) * size;
        r.c_stride = r.h * r.h_stride;
        r.n_stride = r.c * r.c_stride;
        r.address = static_cast<std::uint32_t>(random(0, 500) * size);
        return r;
      };
      const dtype_id type = random(0, 1) == 0 ? dtype_id::f32 : dtype_id::f16;
      const isa::local_ref x = operand(type);
      const isa::local_ref y = operand(type);
      emitted e{};
      switch (random(0, 3)) {
      case 0:
        b.emit(isa::dma_load{.src = global_row(0), .dst = y});
        e = {1, {extent(y, true)}};
        break;
      case 1:
        b.emit(isa::dma_store{.src = x, .dst = global_row(0)});
        e = {1, {extent(x, false)}};
        break;
      case 2:
        b.emit(isa::fill{.y = y, .value = 0.0F});
        e = {0, {extent(y, true)}};
        break;
      default:
        b.emit(isa::unary{.kind = isa::unary_kind::neg, .x = x, .y = y, .alpha = 0.0F, .beta = 0.0F});
        e = {0, {extent(x, false), extent(y, true)}};
      }
      std::uint32_t latest = 0;
      std::uint32_t ordinal = 0;
      for (const emitted& earlier : all) {
        if (earlier.queue == e.queue) continue;
        ++ordinal;
        for (const touched& a : earlier.touches)
          for (const touched& mine : e.touches)
            if ((a.write || mine.write) && a.first <= mine.last && mine.first <= a.last) latest = ordinal;
      }
      free += latest == 0;
      covered += latest > 0 && latest <= waited[e.queue];
      if (latest <= waited[e.queue]) {
        latest = 0;
      } else {
        waited[e.queue] = latest;
        ++with_wait;
      }
      wanted.push_back(latest);
      all.push_back(std::move(e));
    }
    const std::vector<isa::header> headers = headers_of(b.take());
    REQUIRE(headers.size() == wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      CHECK(headers[i].first.count == wanted[i]);
      CHECK(headers[i].second.count == 0);
      if (wanted[i] > 0) CHECK(static_cast<std::size_t>(headers[i].first.engine) == 1 - all[i].queue);
    }
  }
  // All three kinds have been seen.
  CHECK(with_wait > 500);
  CHECK(covered > 500);
  CHECK(free > 500);
}

} // namespace
