// SPDX-License-Identifier: Apache-2.0
#include "tmpu/exec/executor.hpp"

#include "isa/tiny_program.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

namespace {

using namespace tmpu;
using exec::interleaving;
using order = interleaving::kind;
using bytes = std::vector<std::uint8_t>;

constexpr std::array<float, 12> input = {0.5F, -1.0F, 2.0F, 3.0F, 4.0F, 0.0F, 1.5F, 2.5F, -0.5F, -0.25F, 200.0F, 7.0F};
// clamp(x + bias, 0, 100) with the biases 1, -2 and 0.5 of the three channels; every value is exact.
constexpr std::array<float, 12> sum = {1.5F, 0.0F, 3.0F, 4.0F, 2.0F, 0.0F, 0.0F, 0.5F, 0.0F, 0.25F, 100.0F, 7.5F};

constexpr std::array<std::uint8_t, 48> raw(const std::array<float, 12>& values) {
  std::array<std::uint8_t, 48> out{};
  for (std::size_t i = 0; i < 48; ++i)
    out[i] = static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(values[i / 4]) >> (8 * (i % 4)));
  return out;
}
constexpr std::array<std::uint8_t, 48> input_bytes = raw(input);
constexpr std::array<std::uint8_t, 48> sum_bytes = raw(sum);
bytes vector_of(std::span<const std::uint8_t> b) { return {b.begin(), b.end()}; }

// The machine computes in constant evaluation as well.
constexpr bool runs_in_the_compiler() {
  const isa::program p = tiny::build();
  exec::executor e(p);
  exec::memory m = e.make_memory();
  const std::span<const std::uint8_t> in[] = {input_bytes};
  const auto out = e.run(m, in);
  for (std::size_t i = 0; i < 48; ++i) {
    if (out[0][i] != sum_bytes[i]) return false;
  }
  return out.size() == 1 && out[0].size() == 48;
}
static_assert(runs_in_the_compiler());

bytes run(const isa::program& p, const interleaving& how) {
  exec::executor e(p);
  exec::memory m = e.make_memory();
  const std::span<const std::uint8_t> in[] = {input_bytes};
  const auto out = e.run(m, in, how);
  REQUIRE(out.size() == 1);
  return vector_of(out[0].span());
}
std::vector<interleaving> all_orders() {
  std::vector<interleaving> all = {{order::program_order}, {order::compute_first}, {order::dma_first}};
  for (std::uint32_t seed = 0; seed < 20; ++seed) all.push_back({order::random, seed});
  return all;
}

TEST_CASE("a right program gives the same bytes in every order of the engines") {
  const isa::program p = tiny::build();
  for (const interleaving& how : all_orders()) {
    CAPTURE(static_cast<int>(how.order));
    CAPTURE(how.seed);
    CHECK(run(p, how) == vector_of(sum_bytes));
  }
}

TEST_CASE("without its waits a program shows its hazard") {
  const isa::program p = tiny::build(false);
  const bytes nothing(48, 0); // memory starts at zero
  CHECK(run(p, {order::program_order}) == vector_of(sum_bytes));
  CHECK(run(p, {order::compute_first}) == nothing); // the sum of nothing is stored
  CHECK(run(p, {order::dma_first}) == nothing);     // the store comes before the sum
  std::size_t wrong = 0;
  for (std::uint32_t seed = 0; seed < 20; ++seed) wrong += run(p, {order::random, seed}) != vector_of(sum_bytes);
  CHECK(wrong > 0);
}

// ---- refusals

/// What the executor says to a program, or "" where it takes it.
template <class Executor = exec::executor> std::string refusal(const isa::program& p, std::size_t network = 0) {
  std::string said;
  try {
    const Executor e(p, network);
  } catch (const error& e) {
    said = e.what();
  }
  CHECK_MESSAGE(said.find('\n') == std::string::npos, said);
  return said;
}
/// The tiny program after a change.
template <class Spoil> std::string refusal_of(Spoil&& spoil) {
  isa::program p = tiny::build();
  spoil(p, p.info.networks[0], p.info.networks[0].segments[0].cores[0]);
  return refusal(p);
}
/// A program of one instruction.
template <class Instruction> std::string refusal_of_one(const Instruction& i) {
  return refusal_of([&](isa::program&, isa::network&, isa::core_stream& c) {
    c = {};
    isa::append(c, {}, i);
  });
}

constexpr chip::facts nano = chip::nano::info;
isa::local_ref aligned(dtype_id type, std::int32_t c, std::int32_t h, std::int32_t w, std::int64_t at) {
  return isa::make_local(nano, isa::layout::aligned, type, 1, c, h, w, at);
}

TEST_CASE("operands outside of local memory are refused, those that end with it are taken") {
  const auto fill_at = [](std::int64_t at) {
    return refusal_of_one(isa::fill{.y = aligned(dtype_id::f32, 8, 1, 4, at), .value = 0.0F});
  };
  CHECK(fill_at(8192 - 16).empty());
  CHECK(fill_at(8192 - 12) ==
        "instruction 0 (fill): an operand that it writes ends at byte 8196 of a lane, which has 8192: the program is "
        "damaged or was made for another chip");
  CHECK(fill_at(0xFFFF'FFF0).find("ends at byte 4294967296 of a lane") != std::string::npos);

  // Nine channels take two rows of eight lanes, and so do two channels from the last lane on.
  isa::local_ref r = aligned(dtype_id::f32, 9, 1, 4, 8192 - 32);
  CHECK(refusal_of_one(isa::fill{.y = r, .value = 0.0F}).empty());
  r.address += 4;
  CHECK(refusal_of_one(isa::fill{.y = r, .value = 0.0F}).find("8196") != std::string::npos);
  r = aligned(dtype_id::f32, 2, 1, 4, 8192 - 16);
  CHECK(refusal_of_one(isa::fill{.y = r, .value = 0.0F}).empty());
  r.lane = 7;
  CHECK(refusal_of_one(isa::fill{.y = r, .value = 0.0F}).find("8208") != std::string::npos);
  // With a copy each channel takes its own row.
  r = aligned(dtype_id::f32, 3, 1, 4, 8192 - 48);
  r.spread = isa::spread::copy;
  CHECK(refusal_of_one(isa::fill{.y = r, .value = 0.0F}).empty());
  r.c = 4;
  CHECK(refusal_of_one(isa::fill{.y = r, .value = 0.0F}).find("8208") != std::string::npos);

  // What is read is held against memory like what is written.
  const isa::local_ref in = aligned(dtype_id::f32, 1, 1, 4, 8192);
  CHECK(refusal_of_one(isa::unary{.kind = isa::unary_kind::abs,
                                  .x = in,
                                  .y = aligned(dtype_id::f32, 1, 1, 4, 0),
                                  .alpha = 0.0F,
                                  .beta = 0.0F})
            .find("instruction 0 (unary): an operand that it reads ends at byte 8208 of a lane, which has 8192") == 0);
}

TEST_CASE("local operands that are no tensors are refused") {
  const auto spoilt = [](auto&& spoil) {
    isa::local_ref r = aligned(dtype_id::f32, 3, 2, 2, 0);
    spoil(r);
    return refusal_of_one(isa::fill{.y = r, .value = 0.0F});
  };
  const auto says = [&](auto&& spoil, std::string_view what) {
    const std::string said = spoilt(spoil);
    CHECK_MESSAGE(said.find(std::string("instruction 0 (fill): an operand that it writes ") + std::string(what)) == 0,
                  said);
  };
  CHECK(spoilt([](isa::local_ref&) {}).empty());
  says([](isa::local_ref& r) { r.type = dtype_id::i64; }, "has an element type that the machine lacks");
  says([](isa::local_ref& r) { r.n = 0; }, "has a dimension outside of 1 to 2^30");
  says([](isa::local_ref& r) { r.c = -1; }, "has a dimension outside of 1 to 2^30");
  says([](isa::local_ref& r) { r.h = 0; }, "has a dimension outside of 1 to 2^30");
  says([](isa::local_ref& r) { r.w = (1 << 30) + 1; }, "has a dimension outside of 1 to 2^30");
  says([](isa::local_ref& r) { r.lane = 8; }, "has a negative stride or a lane that is not there");
  says([](isa::local_ref& r) { r.lane = -1; }, "has a negative stride or a lane that is not there");
  says([](isa::local_ref& r) { r.h_stride = -8; }, "has a negative stride or a lane that is not there");
  says([](isa::local_ref& r) { r.address = 2; }, "is not aligned to its elements");
  // Extents whose product passes 2^60 are counted and not wrapped.
  says([](isa::local_ref& r) { r.n = 1 << 30, r.n_stride = 0x7FFF'FFFF; }, "ends at byte 23058");
}

TEST_CASE("operands outside of global memory are refused") {
  const auto load = [](isa::global_ref g) {
    return refusal_of_one(isa::dma_load{.src = g, .dst = aligned(dtype_id::f32, g.c, g.h, g.w, 0)});
  };
  const auto activations = [](std::int64_t at) {
    return tiny::dense(isa::region::activations, at, dtype_id::f32, 3, 2, 2);
  };
  CHECK(load(activations(48)).empty()); // 96 bytes
  CHECK(load(activations(52)) ==
        "instruction 0 (dma.load): an operand that it reads ends at byte 100 of its region, which has 96: the program "
        "is damaged or was made for another chip");
  const auto weights = [](std::int64_t at) { return tiny::dense(isa::region::weights, at, dtype_id::f32, 3, 1, 1); };
  CHECK(load(weights(0)).empty()); // 12 bytes
  CHECK(load(weights(1)).find("ends at byte 13 of its region, which has 12") != std::string::npos);

  isa::global_ref g = activations(0);
  g.address = std::uint64_t{2} << 40;
  CHECK(load(g).find("reads lies in no region") != std::string::npos);
  g = activations(0);
  g.c_stride = 44; // 2 * 44 + 8 + 4 + 4 = 104
  CHECK(load(g).find("ends at byte 104 of its region, which has 96") != std::string::npos);
  g.c_stride = -4;
  CHECK(load(g).find("has a stride out of range") != std::string::npos);
  g.c_stride = std::int64_t{1} << 62;
  CHECK(load(g).find("has a stride out of range") != std::string::npos);
  g = activations(0);
  g.type = dtype_id::i64;
  CHECK(load(g).find("has an element type that the machine lacks") != std::string::npos);
  g = activations(0);
  g.h = 0;
  CHECK(load(g).find("has a dimension outside of 1 to 2^30") != std::string::npos);

  const isa::dma_store store{.src = aligned(dtype_id::f32, 3, 2, 2, 0), .dst = activations(64)};
  CHECK(refusal_of_one(store).find(
            "instruction 0 (dma.store): an operand that it writes ends at byte 112 of its region, which has 96") == 0);
}

TEST_CASE("operands that do not fit each other are refused") {
  const std::string misfit = "): its operands do not fit each other: the program is damaged";
  const isa::local_ref x = aligned(dtype_id::f32, 3, 2, 2, 0);
  const isa::local_ref other = aligned(dtype_id::f32, 3, 2, 1, 256);
  const isa::unary u{.kind = isa::unary_kind::abs, .x = x, .y = other, .alpha = 0.0F, .beta = 0.0F};
  CHECK(refusal_of_one(u) == "instruction 0 (unary" + misfit);
  const isa::dma_load l{.src = tiny::dense(isa::region::activations, 0, dtype_id::i32, 3, 2, 2), .dst = x};
  CHECK(refusal_of_one(l) == "instruction 0 (dma.load" + misfit);
  // Weights are read only, even where they would have room.
  const isa::dma_store s{.src = aligned(dtype_id::f32, 3, 1, 1, 0),
                         .dst = tiny::dense(isa::region::weights, 0, dtype_id::f32, 3, 1, 1)};
  CHECK(refusal_of_one(s) == "instruction 0 (dma.store" + misfit);
}

using P = isa::program;
using N = isa::network;
using C = isa::core_stream;

TEST_CASE("instructions that the machine does not know are refused") {
  CHECK(refusal_of([](P&, N&, C&) {}).empty());
  CHECK(refusal_of([](P&, N&, C& c) {
          c.words[0] = (c.words[0] & ~0xFFU) | 0xEEU;
        }).find("instruction 0 (opcode 238, ") == 0);
  CHECK(refusal_of([](P&, N&, C& c) {
          c.words[0] = (c.words[0] & ~0xFFU) | 0xEEU;
        }).find("is not in this version's instruction set: the program is damaged") != std::string::npos);
  CHECK(refusal_of([](P&, N&, C& c) { c.words.pop_back(); }).find("instruction 3 (opcode 2, ") == 0);
  CHECK(refusal_of([](P&, N&, C& c) { ++c.count; }) ==
        "a stream says 5 instructions and holds 4: the program is damaged");
  // A machine knows what its list names: here transfers only.
  using transfers = exec::basic_executor<list<isa::dma_load, isa::dma_store>>;
  CHECK(refusal<transfers>(tiny::build()).find("instruction 2 (opcode 32, ") == 0);
}

/// The tiny program, its third instruction (the sum) with another header.
std::string refusal_of_header(const isa::header& h) {
  return refusal_of([&](P&, N&, C& c) {
    const C before = c;
    c.words.resize(0);
    c.count = 0;
    std::size_t at = 0;
    while (at < before.words.size()) {
      const std::size_t size = isa::size_of(before.words[at]);
      isa::decoder<unpack<decltype(isa::instructions)>>::decode(
          before.words.span().subspan(at, size),
          [&](const isa::header& own, const auto& i) { isa::append(c, c.count == 2 ? h : own, i); });
      at += size;
    }
  });
}

TEST_CASE("waits that never end are refused") {
  using isa::engine;
  const auto both = [](isa::wait a, isa::wait b) { return isa::header{.first = a, .second = b}; };
  CHECK(refusal_of_header(both({0, engine::dma, 2}, {})).empty());
  CHECK(refusal_of_header(both({}, {0, engine::dma, 2})).empty());
  const std::string later = " queue, which comes later: the program would wait for ever";
  CHECK(refusal_of_header(both({0, engine::dma, 3}, {})) == "instruction 2 waits for number 3 of the dma" + later);
  CHECK(refusal_of_header(both({0, engine::dma, 2}, {0, engine::dma, 0xFFFF'FFFF})) ==
        "instruction 2 waits for number 4294967295 of the dma" + later);
  // For itself.
  CHECK(refusal_of_header(both({0, engine::compute, 1}, {})) ==
        "instruction 2 waits for number 1 of the compute" + later);
  CHECK(refusal_of_header(both({1, engine::dma, 1}, {})) ==
        "instruction 2 waits for a queue that is not there: the program is damaged");
  CHECK(refusal_of_header(both({0, static_cast<engine>(2), 1}, {})).find("instruction 2 (opcode 32, ") == 0);
}

/// Two cores of two instructions each: a fill that waits for `count_a` and `count_b` of the other core's stores, and a store.
isa::program two_cores(std::uint32_t count_a, std::uint32_t count_b) {
  isa::program p = tiny::build();
  p.info.target.cores = 2;
  auto& cores = p.info.networks[0].segments[0].cores;
  cores.resize(0);
  for (std::uint8_t core = 0; core < 2; ++core) {
    isa::core_stream s{};
    const std::uint8_t other = 1 - core;
    const isa::local_ref y = aligned(dtype_id::f32, 3, 1, 1, core * 64);
    isa::append(s, {.first = {other, isa::engine::dma, core == 0 ? count_a : count_b}, .second = {}},
                isa::fill{.y = y, .value = core == 0 ? 1.0F : 2.0F});
    // Both write the same place: the later one stands.
    isa::append(s, {.first = {core, isa::engine::compute, 1}, .second = {}},
                isa::dma_store{.src = y, .dst = tiny::dense(isa::region::activations, 48, dtype_id::f32, 3, 1, 1)});
    cores.push_back(s);
  }
  return p;
}

TEST_CASE("cores may wait for each other, but not in a circle") {
  CHECK(refusal(two_cores(1, 1)) == "the cores of the program wait for each other for ever: it is damaged");
  CHECK(refusal(two_cores(0, 2)) == "the cores of the program wait for each other for ever: it is damaged");
  for (const interleaving& how : all_orders()) {
    const bytes second = run(two_cores(0, 1), how);
    CHECK(second[3] == 0x40); // 2.0F
    const bytes first = run(two_cores(1, 0), how);
    CHECK(first[3] == 0x3F); // 1.0F
  }
  isa::program three = two_cores(0, 1);
  three.info.networks[0].segments[0].cores.push_back(three.info.networks[0].segments[0].cores[0]);
  CHECK(refusal(three) == "a segment has 3 cores, the chip 2: the program is damaged");
}

TEST_CASE("machines of impossible size are refused before they are built") {
  const std::string impossible = "the program asks for a machine of impossible size: it is damaged";
  CHECK(refusal_of([](P& p, N&, C&) { p.info.target.lanes = 4096; }).empty());
  CHECK(refusal_of([](P& p, N&, C&) { p.info.target.lanes = 4097; }) == impossible);
  CHECK(refusal_of([](P& p, N&, C&) { p.info.target.local_bytes = std::int64_t{1} << 33; }).empty());
  CHECK(refusal_of([](P& p, N&, C&) { p.info.target.local_bytes = (std::int64_t{1} << 33) + 1; }) == impossible);
  CHECK(refusal_of([](P& p, N&, C&) { p.info.target.local_bytes = 0x7FFF'FFFF'FFFF'FFFF; }) == impossible);
  CHECK(refusal_of([](P&, N& n, C&) { n.activation_bytes = (std::int64_t{1} << 36) + 1; }) == impossible);
  CHECK(refusal_of([](P& p, N&, C&) { p.info.target.lanes = 0; }) ==
        "the target has a size of 0 or less: the program is damaged");
  CHECK(refusal_of([](P&, N& n, C&) { n.activation_bytes = -1; }) ==
        "network 'net' has a negative activation region: the program is damaged");
  CHECK(refusal(tiny::build(), 1) == "the program has 1 networks, but number 1 was asked for");
}

TEST_CASE("inputs and outputs outside of the activation region are refused") {
  CHECK(refusal_of([](P&, N& n, C&) { n.inputs[0].address += 52; }) ==
        "input 'x' ends at byte 100, outside of the activation region of 96 bytes: the program is damaged");
  CHECK(refusal_of([](P&, N& n, C&) { n.outputs[0].address += 4; }) ==
        "output 'y' ends at byte 100, outside of the activation region of 96 bytes: the program is damaged");
  CHECK(refusal_of([](P&, N& n, C&) { n.outputs[0].address = 0; }).find("output 'y'") == 0); // among the weights
}

TEST_CASE("traces that name what is not there are refused") {
  const auto trace = [](isa::trace_point t) { return refusal_of([&](P&, N&, C& c) { c.trace.push_back(t); }); };
  CHECK(trace({.index = 3, .tensor = 0, .n = 0, .c = 0, .h = 0, .in_global = false}).empty());
  CHECK(trace({.index = 4, .tensor = 0, .n = 0, .c = 0, .h = 0, .in_global = false}) ==
        "the trace names instruction 4 of 4 out of order: the program is damaged");
  CHECK(trace({.index = 1, .tensor = 0, .n = 0, .c = 0, .h = 0, .in_global = false}) ==
        "the trace names instruction 1 of 4 out of order: the program is damaged");
  CHECK(trace({.index = 3, .tensor = 1, .n = 0, .c = 0, .h = 0, .in_global = false}) ==
        "the trace names tensor 1 of 1: the program is damaged");
  CHECK(trace({.index = 3, .tensor = -1, .n = 0, .c = 0, .h = 0, .in_global = true}) ==
        "the trace names tensor -1 of 1: the program is damaged");
  // A tensor that is seen in global memory must lie in it; the tiny one has no address there.
  CHECK(trace({.index = 3, .tensor = 0, .n = 0, .c = 0, .h = 0, .in_global = true})
            .find("tensor 'y' ends at byte 48, outside of the activation region") == 0);
}

TEST_CASE("a wrong number or size of inputs is refused") {
  const isa::program p = tiny::build();
  exec::executor e(p);
  exec::memory m = e.make_memory();
  const auto said = [&](std::initializer_list<std::size_t> sizes) -> std::string {
    std::vector<std::span<const std::uint8_t>> in;
    for (const std::size_t s : sizes) in.push_back(std::span<const std::uint8_t>(input_bytes).first(s));
    try {
      (void)e.run(m, in);
    } catch (const error& refused) {
      return refused.what();
    }
    return "";
  };
  CHECK(said({48}).empty());
  CHECK(said({}) == "the program has 1 inputs, but 0 were given");
  CHECK(said({48, 48}) == "the program has 1 inputs, but 2 were given");
  CHECK(said({47}) == "input 'x' takes 48 bytes, but 47 were given");
  CHECK(said({0}) == "input 'x' takes 48 bytes, but 0 were given");
}

// ---- observers

struct seen {
  std::uint32_t index;
  bool in_global;
  bytes content;
};
struct recorder {
  std::vector<seen>* all;
  void operator()(const isa::trace_point& t, const isa::local_ref& part, exec::memory& m) const {
    all->push_back({t.index, t.in_global, vector_of(exec::collect(m, part).span())});
  }
  void operator()(const isa::trace_point& t, const isa::traced_tensor& whole, exec::memory& m) const {
    const auto bytes_of_it = m.activations().subspan(static_cast<std::size_t>(isa::offset_of(whole.address)),
                                                     static_cast<std::size_t>(isa::bytes_needed(whole)));
    all->push_back({t.index, t.in_global, vector_of(bytes_of_it)});
  }
};

TEST_CASE("observers see the parts in local memory and whole tensors in global memory") {
  isa::program p = tiny::build();
  isa::network& n = p.info.networks[0];
  isa::core_stream& c = n.segments[0].cores[0];
  n.tensors.push_back(n.tensors[0]);
  n.tensors[1].name = text("whole y");
  n.tensors[1].address = isa::global_address(isa::region::activations, 48);
  n.tensors.push_back(n.tensors[0]);
  n.tensors[2].name = text("x");
  c.trace.resize(0);
  const auto at = [](std::uint32_t index, std::int32_t tensor, bool in_global) {
    return isa::trace_point{.index = index, .tensor = tensor, .n = 0, .c = 0, .h = 0, .in_global = in_global};
  };
  c.trace.push_back(at(1, 2, false)); // what a load brings
  c.trace.push_back(at(2, 0, false));
  c.trace.push_back(at(2, 1, true));  // not stored yet
  c.trace.push_back(at(3, 0, false)); // a store has no result in local memory: nobody is called
  c.trace.push_back(at(3, 1, true));

  for (const interleaving& how : all_orders()) {
    CAPTURE(static_cast<int>(how.order));
    exec::executor e(p);
    exec::memory m = e.make_memory();
    std::vector<seen> all;
    const std::span<const std::uint8_t> in[] = {input_bytes};
    (void)e.run(m, in, how, recorder{&all});
    REQUIRE(all.size() == 4);
    const bool flags[] = {false, false, true, true};
    const std::uint32_t indices[] = {1, 2, 2, 3};
    const bytes contents[] = {vector_of(input_bytes), vector_of(sum_bytes), bytes(48, 0), vector_of(sum_bytes)};
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(all[i].index == indices[i]);
      CHECK(all[i].in_global == flags[i]);
      CHECK(all[i].content == contents[i]);
    }
  }
}

} // namespace
