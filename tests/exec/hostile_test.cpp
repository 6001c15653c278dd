// SPDX-License-Identifier: Apache-2.0
// tmpu-test: optimize=1
// Files that somebody means harm with: every byte of a small program changed, with a checksum that fits again. What is not refused in one
// line runs inside the machine's own memory (the sanitizers look) and gives outputs of the right size. The program has each instruction
// of the machine once, so that each of their fields is changed, too.
#include "isa/every_instruction.hpp"
#include "tmpu/exec/executor.hpp"
#include "tmpu/isa/tmodel.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

namespace {

using namespace tmpu;

using tiny::at;

struct counts {
  std::size_t refused = 0;
  std::size_t ran = 0;
  std::size_t same = 0;
};

/// Loads and runs a file as a user would who trusts nobody. Machines beyond 1 MiB are made by nobody here.
void attempt(std::span<const std::uint8_t> file, std::span<const std::uint8_t> expected, counts& all) {
  try {
    const isa::program p = isa::from_bytes(file);
    exec::executor e(p);
    const exec::limits& most = e.memory_limits();
    if (most.lanes * most.local_bytes > (1 << 20) || most.activation_bytes > (1 << 20)) return;
    exec::memory m = e.make_memory();
    const isa::network& n = e.network();
    vec<vec<std::uint8_t>> bytes;
    vec<std::span<const std::uint8_t>> inputs;
    for (const isa::io_tensor& t : n.inputs) {
      bytes.push_back(vec<std::uint8_t>());
      if (isa::region_of(t.address) == isa::region::host) continue;
      bytes.back().resize(static_cast<std::size_t>(isa::bytes_needed(t)));
      for (std::size_t i = 0; i < bytes.back().size(); ++i) bytes.back()[i] = static_cast<std::uint8_t>(i * 37);
    }
    for (const auto& b : bytes) inputs.push_back(b.span());
    const auto outputs = e.run(m, inputs.span());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (isa::region_of(n.outputs[i].address) == isa::region::host) continue;
      if (static_cast<std::int64_t>(outputs[i].size()) != isa::bytes_needed(n.outputs[i]))
        FAIL("an output of another size");
    }
    ++all.ran;
    if (outputs.size() == 1 && vec<std::uint8_t>(expected) == outputs[0]) ++all.same;
  } catch (const error& e) {
    ++all.refused;
    if (std::string(e.what()).find('\n') != std::string::npos) FAIL_CHECK(e.what());
  }
}

/// Puts a checksum that fits.
void sign(vec<std::uint8_t>& bytes) { isa::detail::put_number(bytes, 24, isa::detail::checksum(bytes.span()), 8); }

vec<std::uint8_t> outputs_of(const isa::program& p) {
  exec::executor e(p);
  exec::memory m = e.make_memory();
  vec<std::uint8_t> in(48);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint8_t>(i * 37);
  const std::span<const std::uint8_t> inputs[] = {in.span()};
  return e.run(m, inputs)[0];
}

counts every_byte(const isa::program& p, std::size_t step) {
  const vec<std::uint8_t> good = isa::to_bytes(p);
  const vec<std::uint8_t> expected = outputs_of(p);
  counts all;
  const std::size_t structure_end = 64 + 4 * isa::detail::get_number(good.span(), 32, 8);
  // Zeros between the sections are checked byte by byte in isa.tmodel.
  for (std::size_t i = 0; i < good.size(); i = i == structure_end ? 4096 * ((i + 4095) / 4096) : i + 1) {
    for (const unsigned mask : {0x01U, 0x02U, 0x10U, 0x80U, 0xFFU}) {
      if (i % step != 0) continue;
      vec<std::uint8_t> bad = good;
      bad[i] = static_cast<std::uint8_t>(bad[i] ^ mask);
      sign(bad);
      attempt(bad.span(), expected.span(), all);
    }
  }
  return all;
}

TEST_CASE("the program with every instruction runs") {
  const isa::program p = tiny::every_instruction();
  CHECK(p.info.networks[0].segments[0].cores[0].count ==
        unpack<decltype(isa::instructions)>::size + 1); // cast is there twice
  CHECK(outputs_of(p).size() == 48);
}

TEST_CASE("every byte of a small program changed: a refusal, or a run within its own memory") {
  const counts all = every_byte(tiny::build(), 1);
  CHECK(all.refused > 2000);
  CHECK(all.ran > 100);
  CHECK(all.same > 10);
}

TEST_CASE("every byte of every instruction changed: a refusal, or a run within its own memory") {
  const bool thorough = std::getenv("TMPU_LONG_TESTS") != nullptr && std::string(std::getenv("TMPU_LONG_TESTS")) == "1";
  const counts all = every_byte(tiny::every_instruction(), thorough ? 1 : 3);
  CHECK(all.refused > 1000);
  CHECK(all.ran > 100);
}

// ---- what only a harmful program does, one by one

std::string refusal_of(const isa::program& p) {
  try {
    const exec::executor e(isa::from_bytes(isa::to_bytes(p)));
  } catch (const error& e) {
    return e.what();
  }
  return "";
}
template <class Instruction> std::string refusal_of_one(const Instruction& i) {
  isa::program p = tiny::build();
  isa::core_stream& s = p.info.networks[0].segments[0].cores[0];
  s = {};
  isa::append(s, {}, i);
  return refusal_of(p);
}
bool has(const std::string& where, const char* what) { return where.find(what) != std::string::npos; }

TEST_CASE("strides of zero do not make tensors that are greater than memory") {
  isa::local_ref r = at(0, dtype_id::f32, 1, 1, 4);
  r.n = r.c = r.h = 1 << 30; // 2^92 bytes, which wrap around to 0
  r.spread = isa::spread::copy;
  r.n_stride = r.c_stride = r.h_stride = 0;
  CHECK(has(refusal_of_one(isa::fill{.y = r, .value = 0.0F}), "more elements than local memory holds"));
  r.n = r.c = 1;
  r.h = 8192 / 16; // exactly a lane, all rows in one place
  CHECK(refusal_of_one(isa::fill{.y = r, .value = 0.0F}).empty());
  r.h += 1;
  CHECK(has(refusal_of_one(isa::fill{.y = r, .value = 0.0F}), "more elements than local memory holds"));
}

TEST_CASE("addresses and strides are multiples of their elements") {
  isa::local_ref r = at(0, dtype_id::f32, 3, 2, 2);
  r.h_stride += 2;
  CHECK(has(refusal_of_one(isa::fill{.y = r, .value = 0.0F}), "has a stride that is no multiple of its elements"));
  isa::global_ref g = tiny::dense(isa::region::activations, 2, dtype_id::f32, 3, 2, 2);
  CHECK(has(refusal_of_one(isa::dma_load{.src = g, .dst = at(0, dtype_id::f32, 3, 2, 2)}), "is not aligned"));
  g = tiny::dense(isa::region::activations, 0, dtype_id::f32, 3, 2, 2);
  g.w_stride = 3;
  CHECK(has(refusal_of_one(isa::dma_load{.src = g, .dst = at(0, dtype_id::f32, 3, 2, 2)}),
            "has a stride that is no multiple of its elements"));
}

TEST_CASE("numbers that arithmetic could leave its types with are refused") {
  const isa::local_ref q = at(0, dtype_id::i8, 3, 2, 2);
  isa::cast c{.x = q, .y = q, .scale = 1.0F, .x_zero = 0, .y_zero = 0, .multiplier = 1, .shift = 0};
  CHECK(refusal_of_one(c).empty());
  c.x_zero = -0x7FFFFFFF;
  CHECK(has(refusal_of_one(c), "do not fit each other"));
  isa::binary b{.kind = isa::binary_kind::add,
                .a = q,
                .b = q,
                .y = q,
                .a_zero = 0,
                .b_zero = 0,
                .y_zero = 0,
                .a_multiplier = 1,
                .b_multiplier = 1,
                .shift = 0,
                .low = -128.0F,
                .high = 127.0F};
  CHECK(refusal_of_one(b).empty());
  b.low = 1.0e30F;
  CHECK(has(refusal_of_one(b), "do not fit each other"));
  b.low = math::nan<float>;
  CHECK(has(refusal_of_one(b), "do not fit each other"));
}

TEST_CASE("an average of no tap is the zero point, and no division") {
  const isa::local_ref q = at(0, dtype_id::i8, 1, 2, 2);
  const isa::local_ref y = at(64, dtype_id::i8, 1, 1, 1);
  isa::program p = tiny::build();
  isa::core_stream& s = p.info.networks[0].segments[0].cores[0];
  s = {};
  isa::append(s, {},
              isa::pool{.kind = isa::pool_kind::average,
                        .x = q,
                        .y = y,
                        .kernel_h = 1,
                        .kernel_w = 1,
                        .stride_h = 1,
                        .stride_w = 1,
                        .dilation_h = 1,
                        .dilation_w = 1,
                        .pad_top = 7,
                        .pad_left = 7,
                        .count_pad = false,
                        .x_zero = 0,
                        .y_zero = 5,
                        .multiplier = 1 << 30,
                        .shift = 30});
  s.trace.push_back({.index = 0, .tensor = 0, .n = 0, .c = 0, .h = 0, .in_global = false});
  exec::executor e(p);
  exec::memory m = e.make_memory();
  vec<std::uint8_t> in(48);
  const std::span<const std::uint8_t> inputs[] = {in.span()};
  static_cast<void>(e.run(m, inputs));
  CHECK(m.plane(y, 0, 0)[0] == 5);
}

TEST_CASE("tensors of too many dimensions, and those seen where no memory is, are refused") {
  isa::program p = tiny::build();
  p.info.networks[0].tensors[0].dims = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  CHECK(has(refusal_of(p), "impossible dimensions"));
  p = tiny::build();
  p.info.networks[0].inputs[0].dims = {1, 1, 1, 1, 1, 1, 3, 2, 2};
  CHECK(has(refusal_of(p), "impossible dimensions"));
  p = tiny::build();
  p.info.networks[0].segments[0].cores[0].trace[0].in_global = true;
  p.info.networks[0].tensors[0].address = isa::global_address(isa::region::host, 1 << 20);
  CHECK(has(refusal_of(p), "lies in a slot of the host"));
}

} // namespace
