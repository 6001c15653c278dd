// SPDX-License-Identifier: Apache-2.0
#include "tmpu/isa/tmodel.hpp"

#include "tiny_program.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace {

using namespace tmpu;
using isa::from_bytes;
using isa::to_bytes;

// The bytes are the same in constant evaluation, and are read there.
constexpr auto constant_bytes = [] {
  std::array<std::uint8_t, 4096 + 16> out{};
  const vec<std::uint8_t> bytes = to_bytes(tiny::build());
  for (std::size_t i = 0; i < out.size() && i < bytes.size(); ++i) out[i] = bytes[i];
  return out;
}();
static_assert(to_bytes(tiny::build()).size() == constant_bytes.size());
static_assert(to_bytes(from_bytes(constant_bytes)) == vec<std::uint8_t>(std::span<const std::uint8_t>(constant_bytes)));

/// The refusal's text, or "" where the bytes are taken.
std::string refusal(std::span<const std::uint8_t> bytes) {
  try {
    (void)from_bytes(bytes, "f.tmodel");
  } catch (const error& e) {
    return e.what();
  }
  return "";
}
bool has(const std::string& where, const char* what) { return where.find(what) != std::string::npos; }
bool one_line(const std::string& s) { return !s.empty() && s.find('\n') == std::string::npos; }

/// Text of the refusal of a program that `spoil` has changed.
template <class Spoil> std::string refusal_of(Spoil&& spoil) {
  isa::program p = tiny::build();
  spoil(p, p.info.networks[0], p.info.networks[0].segments[0].cores[0]);
  const std::string text = refusal(to_bytes(p).span());
  CHECK_MESSAGE((text.empty() || one_line(text)), text);
  return text;
}

TEST_CASE("what is saved is read back, and saved again it is the same") {
  const isa::program p = tiny::build();
  const vec<std::uint8_t> bytes = to_bytes(p);
  CHECK(bytes == vec<std::uint8_t>(std::span<const std::uint8_t>(constant_bytes)));
  const isa::program back = from_bytes(bytes.span());
  CHECK(equal_members(back.info, p.info));
  CHECK(back.weights == p.weights);
  CHECK(to_bytes(back) == bytes);
  // Weights lie on a page.
  CHECK(bytes.size() % 8 == 0);
  CHECK(bytes[4096 + 3] == 0x3F); // 1.0F
}

TEST_CASE("every damaged byte is refused") {
  const vec<std::uint8_t> good = to_bytes(tiny::build());
  REQUIRE(refusal(good.span()).empty());
  for (const unsigned mask : {0x01U, 0x80U, 0xFFU}) {
    for (std::size_t at = 0; at < good.size(); ++at) {
      vec<std::uint8_t> bad = good;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ mask);
      const std::string text = refusal(bad.span());
      if (!one_line(text)) FAIL_CHECK("byte " << at << " mask " << mask << ": " << text);
    }
  }
}

TEST_CASE("every truncation and every extension is refused") {
  vec<std::uint8_t> bytes = to_bytes(tiny::build());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string text = refusal(bytes.span().subspan(0, size));
    if (!one_line(text)) FAIL_CHECK("size " << size << ": " << text);
    if (size >= 8 && !has(text, "truncated")) FAIL_CHECK("size " << size << ": " << text);
  }
  CHECK(has(refusal({}), "empty"));
  bytes.push_back(0);
  CHECK(has(refusal(bytes.span()), "behind its end"));
}

TEST_CASE("foreign files, other versions and byte orders are named") {
  vec<std::uint8_t> bytes = to_bytes(tiny::build());
  vec<std::uint8_t> other = bytes;
  for (std::size_t i = 0; i < 8; ++i) other[i] = static_cast<std::uint8_t>(i); // as a protobuf may begin
  CHECK(has(refusal(other.span()), "no .tmodel"));
  other = bytes;
  other[8] = 2;
  CHECK(has(refusal(other.span()), "version 2"));
  other = bytes;
  for (std::size_t i = 0; i < 4; ++i) other[12 + i] = bytes[15 - i];
  CHECK(has(refusal(other.span()), "byte order"));
  other = bytes;
  other[4100] ^= 1U;
  CHECK(has(refusal(other.span()), "checksum"));
}

TEST_CASE("a file whose parts contradict each other is refused, though its checksum fits") {
  using P = isa::program;
  using N = isa::network;
  using C = isa::core_stream;
  CHECK(refusal_of([](P&, N&, C&) {}).empty());
  CHECK(has(refusal_of([](P&, N&, C& c) { ++c.count; }), "holds 4"));
  CHECK(has(refusal_of([](P&, N&, C& c) { c.words[0] = (c.words[0] & ~0xFFU) | 0xEEU; }), "opcode 238"));
  CHECK(has(refusal_of([](P&, N&, C& c) { c.words.pop_back(); }), "instruction 3"));
  CHECK(has(refusal_of([](P&, N&, C& c) { c.words[0] = c.words[0] & 0xFFU; }), "instruction 0"));
  CHECK(has(refusal_of([](P&, N&, C& c) { c.words[0] += 256; }), "instruction 0"));
  CHECK(has(refusal_of([](P&, N&, C& c) { c.words[2] = 7; }), "instruction 0")); // an engine that is not there
  CHECK(has(refusal_of([](P&, N&, C& c) { c.trace[0].index = 4; }), "names instruction 4"));
  CHECK(has(refusal_of([](P&, N&, C& c) { c.trace[0].tensor = 1; }), "names tensor 1"));
  CHECK(has(refusal_of([](P&, N&, C& c) { c.trace[0].tensor = -1; }), "names tensor -1"));
  CHECK(has(refusal_of([](P&, N& n, C&) { n.outputs[0].address += 4; }), "'y'"));
  CHECK(
      has(refusal_of([](P&, N& n, C&) { n.inputs[0].address = isa::global_address(isa::region::weights, 0); }), "'x'"));
  CHECK(has(refusal_of([](P&, N& n, C&) { n.inputs[0].dims[1] = -3; }), "impossible dimensions"));
  CHECK(has(refusal_of([](P&, N& n, C&) { n.inputs[0].dims = {1 << 30, 1 << 30, 1 << 30}; }), "impossible dimensions"));
  CHECK(has(refusal_of([](P&, N& n, C&) { n.inputs[0].type = static_cast<dtype_id>(77); }), "element type"));
  CHECK(has(refusal_of([](P&, N& n, C&) { n.segments[0].kind = static_cast<isa::segment_kind>(9); }), "unknown kind"));
  CHECK(has(refusal_of([](P&, N& n, C&) { n.segments[0].cores.push_back(n.segments[0].cores[0]); }), "2 cores"));
  CHECK(has(refusal_of([](P& p, N&, C&) { p.info.target.lanes = 0; }), "target"));
}

/// Puts a checksum that fits, as somebody who means harm would.
void sign(vec<std::uint8_t>& bytes) { isa::detail::put_number(bytes, 24, isa::detail::checksum(bytes.span()), 8); }

TEST_CASE("damaged counts do not ask for memory, damaged sections are refused") {
  const vec<std::uint8_t> good = to_bytes(tiny::build());
  // Every word of the header's second half and of the structure set to extremes, with a checksum that fits.
  const std::size_t structure_end = 64 + 4 * isa::detail::get_number(good.span(), 32, 8);
  for (std::size_t at = 32; at < structure_end; at += 4) {
    for (const std::uint64_t value : {0x0ULL, 0xFFFFFFFFULL, 0x7FFFFFFFULL, 0x10000ULL}) {
      vec<std::uint8_t> bad = good;
      isa::detail::put_number(bad, at, value, 4);
      sign(bad);
      try {
        const isa::program p = from_bytes(bad.span());
        // Taken: then saving gives the same bytes.
        if (!(to_bytes(p) == bad)) FAIL_CHECK("word at " << at);
      } catch (const error& e) {
        if (!one_line(e.what())) FAIL_CHECK(e.what());
      }
    }
  }
  vec<std::uint8_t> bad = good;
  bad[structure_end] = 1; // between structure and weights
  sign(bad);
  CHECK(has(refusal(bad.span()), "between its sections"));
}

} // namespace
