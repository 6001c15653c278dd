// SPDX-License-Identifier: Apache-2.0
#include "tmpu/exec/checked.hpp"

#include "group/lowered_models.hpp"
#include "isa/tiny_program.hpp"
#include "pipeline/small_model.hpp"
#include "tmpu/compile.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace tmpu;
using exec::finding;
using exec::interleaving;
using order = interleaving::kind;
using bytes = std::vector<std::uint8_t>;
using instruction_set = unpack<decltype(isa::instructions)>;

vec<finding> findings(const isa::program& p) { return exec::check(exec::executor(p)); }

isa::core_stream& stream_of(isa::program& p) { return p.info.networks[0].segments[0].cores[0]; }

/// Calls f(first word, header, instruction) for each instruction of a stream.
template <class F> void each(const isa::core_stream& s, F&& f) {
  std::size_t at = 0;
  while (at < s.words.size()) {
    const std::size_t size = isa::size_of(s.words[at]);
    REQUIRE(isa::decoder<instruction_set>::decode(s.words.span().subspan(at, size),
                                                  [&](const isa::header& h, const auto& i) { f(at, h, i); }));
    at += size;
  }
}

/// A set of bytes, as bits of words.
class byte_set {
public:
  explicit byte_set(std::size_t size) : words_(size / 64 + 1) {}
  void add(std::size_t at) { words_[at / 64] |= std::uint64_t{1} << (at % 64); }
  void add(const byte_set& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  [[nodiscard]] bool meets(const byte_set& other) const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if ((words_[i] & other.words_[i]) != 0) return true;
    }
    return false;
  }
  [[nodiscard]] bool within(const byte_set& other) const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if ((words_[i] & ~other.words_[i]) != 0) return false;
    }
    return true;
  }

private:
  std::vector<std::uint64_t> words_;
};

/// What a program says of itself, worked out anew: all bytes of every instruction by the formulas of isa/operands.hpp, every pair of
/// instructions that meet in a byte, and what is ordered by paths through queues and waits.
class oracle {
public:
  explicit oracle(const isa::program& p) : program_(p) {
    const isa::network& n = p.info.networks[0];
    local_bytes_ = static_cast<std::size_t>(p.info.target.lanes * p.info.target.local_bytes);
    const std::size_t all = local_bytes_ + static_cast<std::size_t>(n.activation_bytes);
    each(n.segments[0].cores[0], [&](std::size_t, const isa::header& h, const auto& i) {
      node x{i.engine, h, byte_set(all), byte_set(all)};
      i.reads([&](const auto& r) { mark(r, x.reads, false); });
      i.writes([&](const auto& r) { mark(r, x.writes, true); });
      nodes_.push_back(std::move(x));
    });
    const std::size_t count = nodes_.size();
    meet_.assign(count, std::vector<bool>(count));
    for (std::size_t b = 0; b < count; ++b) {
      for (std::size_t a = 0; a < b; ++a) {
        const node& x = nodes_[a];
        const node& y = nodes_[b];
        meet_[a][b] =
            x.engine != y.engine && (x.writes.meets(y.reads) || x.writes.meets(y.writes) || x.reads.meets(y.writes));
      }
    }
  }

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] bool meet(std::size_t a, std::size_t b) const { return meet_[a][b]; }
  [[nodiscard]] isa::header header(std::size_t i) const { return nodes_[i].header; }

  /// ordered[a][b]: a is done before b starts, with the header of `changed` replaced.
  [[nodiscard]] std::vector<std::vector<bool>> ordered(std::size_t changed, const isa::header& by) const {
    const std::size_t count = nodes_.size();
    std::vector<std::vector<bool>> before(count, std::vector<bool>(count));
    std::vector<std::size_t> queue[2];
    for (std::size_t b = 0; b < count; ++b) {
      std::vector<std::size_t> direct;
      auto& own = queue[static_cast<std::size_t>(nodes_[b].engine)];
      if (!own.empty()) direct.push_back(own.back());
      const isa::header& h = b == changed ? by : nodes_[b].header;
      for (const isa::wait& w : {h.first, h.second}) {
        if (w.count > 0) direct.push_back(queue[static_cast<std::size_t>(w.engine)][w.count - 1]);
      }
      for (const std::size_t d : direct) {
        before[d][b] = true;
        for (std::size_t a = 0; a < d; ++a) {
          if (before[a][d]) before[a][b] = true;
        }
      }
      own.push_back(b);
    }
    return before;
  }

  /// Instructions that read a byte which nothing before them in program order and no input has written.
  [[nodiscard]] std::vector<std::uint32_t> uninitialised_readers() const {
    const isa::network& n = program_.info.networks[0];
    byte_set written(local_bytes_ + static_cast<std::size_t>(n.activation_bytes));
    for (const isa::io_tensor& t : n.inputs) {
      const std::size_t first = local_bytes_ + static_cast<std::size_t>(isa::offset_of(t.address));
      for (std::size_t b = 0; b < static_cast<std::size_t>(isa::bytes_needed(t)); ++b) written.add(first + b);
    }
    std::vector<std::uint32_t> readers;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i].reads.within(written)) readers.push_back(static_cast<std::uint32_t>(i));
      written.add(nodes_[i].writes);
    }
    return readers;
  }

private:
  struct node {
    isa::engine engine;
    isa::header header;
    byte_set reads, writes;
  };
  void mark(const isa::local_ref& r, byte_set& to, bool writing) const {
    const std::int32_t lanes = program_.info.target.lanes;
    const bool copy = r.spread == isa::spread::copy;
    for (std::int32_t n = 0; n < r.n; ++n)
      for (std::int32_t c = 0; c < r.c; ++c)
        for (std::int32_t h = 0; h < r.h; ++h)
          for (std::int64_t b = 0; b < r.w * bytes_of(r.type); ++b) {
            const std::int64_t row = copy ? c : (r.lane + c) / lanes;
            const std::int64_t at = std::int64_t{r.address} + n * r.n_stride + row * r.c_stride + h * r.h_stride + b;
            for (std::int32_t lane = 0; lane < lanes; ++lane) {
              // A copy is written to every lane and read from lane 0 (isa/instructions.hpp).
              if (copy ? writing || lane == 0 : (r.lane + c) % lanes == lane)
                to.add(static_cast<std::size_t>(lane * program_.info.target.local_bytes + at));
            }
          }
  }
  void mark(const isa::global_ref& r, byte_set& to, bool) const {
    if (isa::region_of(r.address) == isa::region::weights) return;
    for (std::int32_t n = 0; n < r.n; ++n)
      for (std::int32_t c = 0; c < r.c; ++c)
        for (std::int32_t h = 0; h < r.h; ++h)
          for (std::int32_t w = 0; w < r.w; ++w)
            for (std::int64_t b = 0; b < bytes_of(r.type); ++b) {
              const std::int64_t at =
                  isa::offset_of(r.address) + n * r.n_stride + c * r.c_stride + h * r.h_stride + w * r.w_stride + b;
              to.add(local_bytes_ + static_cast<std::size_t>(at));
            }
  }

  const isa::program& program_;
  std::size_t local_bytes_ = 0;
  std::vector<node> nodes_;
  std::vector<std::vector<bool>> meet_;
};

/// An input of small numbers, in whatever type the program takes.
bytes some_input(const isa::program& p) {
  const isa::io_tensor& t = p.info.networks[0].inputs[0];
  const auto size = static_cast<std::size_t>(bytes_of(t.type));
  bytes in(static_cast<std::size_t>(isa::bytes_needed(t)));
  for (std::size_t i = 0; i < in.size() / size; ++i) {
    const float x = static_cast<float>(static_cast<int>(i * 11 % 31) - 15) / 16.0F;
    std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
    if (t.type == dtype_id::f16) bits = to_f16_bits(x);
    if (t.type == dtype_id::i8) bits = static_cast<std::uint32_t>(static_cast<std::int32_t>(x * 64.0F));
    for (std::size_t b = 0; b < size; ++b) in[i * size + b] = static_cast<std::uint8_t>(bits >> (8 * b));
  }
  return in;
}
bytes run(const isa::program& p, const bytes& input, const interleaving& how) {
  exec::executor e(p);
  exec::memory m = e.make_memory();
  const std::span<const std::uint8_t> in[] = {input};
  const auto out = e.run(m, in, how);
  bytes all;
  for (const auto& o : out) all.insert(all.end(), o.begin(), o.end());
  return all;
}
std::vector<interleaving> all_orders() {
  std::vector<interleaving> all = {{order::program_order}, {order::compute_first}, {order::dma_first}};
  for (std::uint32_t seed = 1; seed <= 5; ++seed) all.push_back({order::random, seed});
  return all;
}

template <class DType> isa::program small_program() {
  const calibrate::table ranges = small_model::ranges();
  return compile<DType>(small_model::build(), {.chip = chip::nano::info, .network = "small", .calibration = &ranges});
}

struct tally {
  std::size_t mutations = 0, found = 0, implied = 0, shown = 0;
};

/// Lets one instruction wait for `left` instead of its first wait and holds the findings against the oracle.
void mutate(const isa::program& good, const oracle& truth, const bytes& input, const bytes& wanted, std::size_t number,
            std::size_t at, std::uint32_t left, tally& count) {
  CAPTURE(number);
  CAPTURE(left);
  isa::program bad = good;
  stream_of(bad).words[at + 3] = left; // words: opcode and size, then core, engine and count of both waits
  isa::header changed = truth.header(number);
  changed.first.count = left;
  each(stream_of(bad), [&](std::size_t where, const isa::header& now, const auto&) {
    if (where == at) CHECK(equal_members(now, changed));
  });

  const auto before = truth.ordered(number, changed);
  std::size_t first_race = truth.size();
  for (std::size_t b = 0; b < truth.size() && first_race == truth.size(); ++b) {
    for (std::size_t a = 0; a < b; ++a) {
      if (truth.meet(a, b) && !before[a][b]) first_race = b;
    }
  }
  const vec<finding> found = findings(bad);
  // Each finding is true, and the first race is found; what is written at all does not depend on waits.
  std::vector<bool> reported(truth.size());
  for (const finding& f : found) {
    CHECK(f.what == finding::kind::hazard);
    CHECK(truth.meet(f.other, f.instruction));
    CHECK_FALSE(before[f.other][f.instruction]);
    CHECK_FALSE(reported[f.instruction]); // one an instruction
    reported[f.instruction] = true;
  }
  CHECK((found.empty() ? truth.size() : found[0].instruction) == first_race);

  bool differs = false;
  for (const interleaving& how : all_orders()) differs = differs || run(bad, input, how) != wanted;
  if (found.empty()) CHECK_FALSE(differs);
  ++count.mutations;
  count.found += !found.empty();
  count.implied += found.empty();
  count.shown += differs;
}

/// Takes each wait away, and lets each wait for one instruction less.
tally mutate_all(const isa::program& good, const oracle& truth, const bytes& input, const bytes& wanted) {
  std::vector<std::size_t> words;
  each(good.info.networks[0].segments[0].cores[0],
       [&](std::size_t at, const isa::header&, const auto&) { words.push_back(at); });
  tally count;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const isa::header h = truth.header(i);
    REQUIRE(h.second.count == 0); // the compiler needs one wait an instruction
    if (h.first.count == 0) continue;
    mutate(good, truth, input, wanted, i, words[i], 0, count);
    if (h.first.count > 1) mutate(good, truth, input, wanted, i, words[i], h.first.count - 1, count);
  }
  return count;
}

/// The program without instruction `gone`: counts of waits that include it are one less.
isa::program without(const isa::program& p, std::uint32_t gone) {
  isa::program out = p;
  isa::core_stream& to = stream_of(out);
  to = {};
  std::uint32_t number = 0;
  std::uint32_t place[2] = {}; // instructions of each queue so far
  std::uint32_t removed = 0;   // ordinal in its queue
  isa::engine queue{};
  each(p.info.networks[0].segments[0].cores[0], [&](std::size_t, isa::header h, const auto& i) {
    const std::uint32_t ordinal = ++place[static_cast<std::size_t>(i.engine)];
    if (number++ == gone) {
      removed = ordinal;
      queue = i.engine;
      return;
    }
    for (isa::wait* w : {&h.first, &h.second}) {
      if (removed > 0 && w->engine == queue && w->count >= removed) --w->count;
    }
    isa::append(to, h, i);
  });
  return out;
}

std::vector<std::uint32_t> readers_in(const vec<finding>& found) {
  std::vector<std::uint32_t> out;
  for (const finding& f : found) {
    if (f.what == finding::kind::uninitialised_read) out.push_back(f.instruction);
  }
  return out;
}

void check_compiled(const isa::program& p) {
  CHECK(findings(p).empty());
  const oracle truth(p);
  CHECK(truth.uninitialised_readers().empty());
  const bytes input = some_input(p);
  const bytes wanted = run(p, input, {});
  CHECK(wanted != bytes(wanted.size(), 0));
  for (const interleaving& how : all_orders()) CHECK(run(p, input, how) == wanted);

  const tally t = mutate_all(p, truth, input, wanted);
  MESSAGE(p.info.quantize.view() << ": " << truth.size() << " instructions, " << t.mutations << " mutations, "
                                 << t.found << " found, " << t.implied << " implied by other waits, " << t.shown
                                 << " change the result in one of the orders");
  CHECK(t.found * 10 >= t.mutations * 9);
  CHECK(t.shown > 0);

  // Each transfer into local memory is missed by exactly those that read what it brings.
  std::size_t missed = 0;
  std::vector<std::uint32_t> loads;
  std::uint32_t number = 0;
  each(p.info.networks[0].segments[0].cores[0], [&](std::size_t, const isa::header&, const auto& i) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(i)>, isa::dma_load>) loads.push_back(number);
    ++number;
  });
  REQUIRE_FALSE(loads.empty());
  for (const std::uint32_t load : loads) {
    CAPTURE(load);
    const isa::program bad = without(p, load);
    const std::vector<std::uint32_t> readers = readers_in(findings(bad));
    CHECK(readers == oracle(bad).uninitialised_readers());
    missed += !readers.empty();
    if (load == loads[0]) CHECK_FALSE(readers.empty());
  }
  MESSAGE(missed << " of " << loads.size() << " loads bring the first bytes to a place");
}

TEST_CASE("the small model in i8: every wait that matters is missed") { check_compiled(small_program<i8>()); }
TEST_CASE("the small model in f16: every wait that matters is missed") { check_compiled(small_program<f16>()); }
TEST_CASE("a residual block in slices, with loads ahead of their use: every wait that matters is missed") {
  const chip::facts chip = chip::nano::info;
  check_compiled(codegen::codegen_pass<standard::emitters>::run(
      memory::memory_pass::run(group::layer_group_pass::run(lowered_models::residual(1, 16, 24), chip), chip), chip,
      "residual", "f32"));
}

// ---- by hand

TEST_CASE("the tiny program is right, without its waits it is not") {
  CHECK(findings(tiny::build()).empty());
  const vec<finding> found = findings(tiny::build(false));
  REQUIRE(found.size() == 2);
  CHECK(std::string(exec::describe(found[0]).view()) ==
        "instruction 2 and instruction 1 touch the same byte in no fixed order: local memory, lane 0, byte 0");
  CHECK(std::string(exec::describe(found[1]).view()) ==
        "instruction 3 and instruction 2 touch the same byte in no fixed order: local memory, lane 0, byte 128");
}

TEST_CASE("a missing load is reported at its first reader") {
  const vec<finding> bias = findings(without(tiny::build(), 0));
  REQUIRE(bias.size() == 1);
  CHECK(std::string(exec::describe(bias[0]).view()) ==
        "instruction 1 reads a byte that nobody wrote: local memory, lane 0, byte 64");
  const vec<finding> x = findings(without(tiny::build(), 1));
  REQUIRE(x.size() == 1);
  CHECK(std::string(exec::describe(x[0]).view()) ==
        "instruction 1 reads a byte that nobody wrote: local memory, lane 0, byte 0");
}

TEST_CASE("outputs that nobody stores and globals that nobody wrote are reported") {
  const vec<finding> output = findings(without(tiny::build(), 3));
  REQUIRE(output.size() == 1);
  CHECK(std::string(exec::describe(output[0]).view()) ==
        "instruction 3 reads a byte that nobody wrote: activations, byte 48");
  isa::program p = tiny::build();
  p.info.networks[0].inputs[0].dims = {1, 3, 2, 1}; // half of what the program loads
  const vec<finding> input = findings(p);
  REQUIRE(input.size() == 1);
  CHECK(std::string(exec::describe(input[0]).view()) ==
        "instruction 1 reads a byte that nobody wrote: activations, byte 24");
}

/// Instructions on rows of one lane: 16 bytes at a place.
isa::local_ref row(std::int64_t at) {
  return isa::make_local(chip::nano::info, isa::layout::aligned, dtype_id::f32, 1, 1, 1, 4, at);
}
isa::global_ref global_row(std::int64_t at) {
  return tiny::dense(isa::region::activations, at, dtype_id::f32, 1, 1, 4);
}
isa::unary copy_row(std::int64_t from, std::int64_t to) {
  return {.kind = isa::unary_kind::neg, .x = row(from), .y = row(to), .alpha = 0.0F, .beta = 0.0F};
}

vec<finding> findings_of(const isa::core_stream& s) {
  isa::program p = tiny::build();
  p.info.networks[0].outputs.resize(0);
  stream_of(p) = s;
  return findings(p);
}
/// `build(stream, header)` puts the header where the wait is that matters: without it instructions `first` and `second`
/// must be reported, with it nothing.
template <class Build> void hazard(isa::header wait, std::uint32_t first, std::uint32_t second, Build&& build) {
  isa::core_stream cured{};
  build(cured, wait);
  CHECK(findings_of(cured).empty());
  isa::core_stream ill{};
  build(ill, isa::header{});
  const vec<finding> found = findings_of(ill);
  REQUIRE(found.size() == 1);
  CHECK(found[0].what == finding::kind::hazard);
  CHECK(found[0].other == first);
  CHECK(found[0].instruction == second);
}

TEST_CASE("each kind of hazard, and its cure") {
  using isa::engine;
  const isa::dma_load load_0{.src = global_row(0), .dst = row(0)};
  const isa::dma_store store_64{.src = row(64), .dst = global_row(64)};
  const isa::fill fill_0{.y = row(0), .value = 1.0F};
  const isa::fill fill_64{.y = row(64), .value = 1.0F};
  // Read after write.
  hazard(tiny::after(engine::compute, 1), 0, 1, [&](isa::core_stream& s, const isa::header& h) {
    isa::append(s, {}, fill_64);
    isa::append(s, h, store_64);
  });
  // Write after read.
  hazard(tiny::after(engine::dma, 1), 1, 2, [&](isa::core_stream& s, const isa::header& h) {
    isa::append(s, {}, fill_64);
    isa::append(s, tiny::after(engine::compute, 1), store_64);
    isa::append(s, h, fill_64);
  });
  // Write after write.
  hazard(tiny::after(engine::dma, 1), 0, 1, [&](isa::core_stream& s, const isa::header& h) {
    isa::append(s, {}, load_0);
    isa::append(s, h, fill_0);
  });
  // The second wait of a header counts like the first.
  hazard({.first = {}, .second = {.core = 0, .engine = engine::dma, .count = 1}}, 0, 1,
         [&](isa::core_stream& s, const isa::header& h) {
           isa::append(s, {}, load_0);
           isa::append(s, h, fill_0);
         });
  // The last instruction comes after the first by the queue of the one that it waits for.
  hazard(tiny::after(engine::dma, 2), 0, 2, [&](isa::core_stream& s, const isa::header& h) {
    isa::append(s, {}, load_0);
    isa::append(s, {}, isa::dma_load{.src = global_row(0), .dst = row(128)});
    isa::append(s, h, copy_row(0, 64));
  });
  // Its wait was for an earlier instruction of its queue.
  hazard(tiny::after(engine::dma, 1), 0, 1, [&](isa::core_stream& s, const isa::header& h) {
    isa::append(s, {}, load_0);
    isa::append(s, h, fill_0);
    isa::append(s, tiny::after(engine::compute, 1), load_0);
  });
  // One byte is enough.
  hazard(tiny::after(engine::compute, 1), 0, 1, [&](isa::core_stream& s, const isa::header& h) {
    isa::append(s, {}, fill_0);
    const isa::dma_load l{.src = tiny::dense(isa::region::activations, 0, dtype_id::i8, 1, 1, 4),
                          .dst = isa::make_local(chip::nano::info, isa::layout::aligned, dtype_id::i8, 1, 1, 1, 4, 15)};
    isa::append(s, h, l);
  });

  // Neighbours, other lanes and two readers are no hazard.
  isa::core_stream neighbours{};
  isa::append(neighbours, {}, isa::fill{.y = row(16), .value = 1.0F});
  isa::append(neighbours, {}, load_0);
  isa::local_ref lane = row(16);
  lane.lane = 1;
  isa::append(neighbours, {}, isa::dma_load{.src = global_row(0), .dst = lane});
  CHECK(findings_of(neighbours).empty());
  isa::core_stream readers{};
  isa::append(readers, {}, fill_64);
  isa::append(readers, tiny::after(engine::compute, 1), store_64);
  isa::append(readers, {}, copy_row(64, 0));
  CHECK(findings_of(readers).empty());
  // A copy lies in every lane.
  isa::core_stream copy{};
  isa::local_ref all = row(0);
  all.spread = isa::spread::copy;
  isa::append(copy, {}, isa::fill{.y = all, .value = 1.0F});
  isa::local_ref last_lane = row(0);
  last_lane.lane = 7;
  isa::append(copy, {}, isa::dma_load{.src = global_row(0), .dst = last_lane});
  REQUIRE(findings_of(copy).size() == 1);
  CHECK(findings_of(copy)[0].lane == 7);
}

TEST_CASE("segments follow each other, local memory does not") {
  // Without any wait: the first segment writes global memory, the second reads it; what was local is gone.
  isa::program p = tiny::build();
  isa::network& n = p.info.networks[0];
  n.outputs.resize(0);
  isa::core_stream s{};
  isa::append(s, {}, isa::fill{.y = row(64), .value = 1.0F});
  isa::append(s, tiny::after(isa::engine::compute, 1), isa::dma_store{.src = row(64), .dst = global_row(48)});
  stream_of(p) = s;
  s = {};
  isa::append(s, {}, isa::dma_load{.src = global_row(48), .dst = row(0)});
  isa::segment second{};
  second.cores.push_back(s);
  n.segments.push_back(second);
  CHECK(findings(p).empty());
  isa::append(n.segments[1].cores[0], {}, copy_row(64, 128));
  const vec<finding> found = findings(p);
  REQUIRE(found.size() == 1);
  CHECK(found[0].what == finding::kind::uninitialised_read);
  CHECK(found[0].instruction == 1);
  CHECK(found[0].address == 64);
}

} // namespace
