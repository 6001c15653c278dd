// SPDX-License-Identifier: Apache-2.0
// Programs for several cores: the same bits as for one, no hazard in any order, and what is not shared out right is found.
#include "pipeline/small_model.hpp"
#include "tmpu/compile.hpp"
#include "tmpu/exec/checked.hpp"
#include "tmpu/host/run.hpp"
#include "tmpu/isa/tmodel.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using namespace tmpu;

/// Four cores of 8 lanes.
struct quad {
  static constexpr chip::facts info = [] {
    chip::facts f = chip::nano::info;
    f.name = "quad";
    f.cores = 4;
    return f;
  }();
};

template <class DType> isa::program program_for(std::int32_t cores, group::effort opt = group::effort::full) {
  const calibrate::table ranges = small_model::ranges();
  return compile<DType>(
      small_model::build(),
      {.chip = chip::checked<quad>, .network = "small", .opt = opt, .cores = cores, .calibration = &ranges});
}

std::size_t most_cores(const isa::program& p) {
  std::size_t most = 0;
  for (const isa::segment& s : p.info.networks[0].segments) most = s.cores.size() > most ? s.cores.size() : most;
  return most;
}

template <class DType> void check_same() {
  const isa::program one = program_for<DType>(1);
  REQUIRE(most_cores(one) == 1);
  host::runner expected(one);
  const std::vector<value> inputs{small_model::image()};
  const auto wanted = expected.run(inputs);
  const auto all = expected.run_all(inputs);
  for (const std::int32_t cores : {2, 3, 4}) {
    for (const auto opt : {group::effort::none, group::effort::full}) {
      const isa::program p = isa::from_bytes(isa::to_bytes(program_for<DType>(cores, opt)));
      CHECK(most_cores(p) == static_cast<std::size_t>(cores));
      host::runner r(p);
      CHECK(exec::check(r.executor()).empty());
      using kind = exec::interleaving::kind;
      for (const exec::interleaving& order :
           {exec::interleaving{}, exec::interleaving{kind::compute_first}, exec::interleaving{kind::dma_first},
            exec::interleaving{kind::random, 1}, exec::interleaving{kind::random, 2}}) {
        const auto got = r.run(inputs, order);
        REQUIRE(got.size() == wanted.size());
        CHECK(to_bytes(got[0].content) == to_bytes(wanted[0].content));
      }
      for (const host::named_value& v : r.run_all(inputs)) {
        for (const host::named_value& w : all) {
          if (w.name == v.name) CHECK_MESSAGE(to_bytes(v.content) == to_bytes(w.content), v.name);
        }
      }
    }
  }
}

TEST_CASE("several cores give the bits of one: f32") { check_same<f32>(); }
TEST_CASE("several cores give the bits of one: f16") { check_same<f16>(); }
TEST_CASE("several cores give the bits of one: i8") { check_same<i8>(); }

TEST_CASE("several cores are predicted to be faster, and move what both need twice") {
  const isa::network one = program_for<f32>(1).info.networks[0];
  const isa::network two = program_for<f32>(2).info.networks[0];
  CHECK(two.cycles < one.cycles);
  CHECK(two.dma_bytes >= one.dma_bytes);
}

TEST_CASE("a core that writes where another one reads or writes is found, whatever their order") {
  isa::program p = program_for<f16>(2);
  isa::segment* shared = nullptr;
  for (isa::segment& s : p.info.networks[0].segments) {
    if (s.cores.size() == 2) shared = &s;
  }
  REQUIRE(shared != nullptr);
  isa::core_stream again = shared->cores[0]; // the second core does what the first one does
  std::size_t at = 0;
  isa::core_stream moved{};
  while (at < again.words.size()) {
    const std::size_t size = isa::size_of(again.words[at]);
    isa::decoder<unpack<decltype(isa::instructions)>>::decode(again.words.span().subspan(at, size),
                                                              [&](isa::header h, const auto& i) {
                                                                h.first.core = 1;
                                                                isa::append(moved, h, i);
                                                              });
    at += size;
  }
  moved.owners = again.owners;
  shared->cores[1] = moved;
  const vec<exec::finding> found = exec::check(exec::executor(p));
  REQUIRE(!found.empty());
  CHECK(found[0].what == exec::finding::kind::hazard);
  CHECK(found[0].core == 1);
  CHECK(found[0].other_core == 0);
  CHECK(!found[0].local);
  const std::string words(exec::describe(found[0]).view());
  CHECK_MESSAGE(words.find("of core 1 and instruction") != std::string::npos, words);
}

TEST_CASE("more cores than the chip has are refused") {
  std::string said;
  try {
    program_for<f32>(5);
  } catch (const error& e) {
    said = e.what();
  }
  CHECK(said == "a program for 5 cores was asked for, but quad has 4");
}

} // namespace
