// SPDX-License-Identifier: Apache-2.0
// A chip declared in ten lines is a chip: the passes cut the network to its sizes, the executor takes its program, and the results
// are those of the Tpu stage bit for bit.
#include "small_model.hpp"
#include "tmpu/compile.hpp"
#include "tmpu/exec/checked.hpp"
#include "tmpu/host/run.hpp"

#include <doctest/doctest.h>

#include <utility>

namespace {

using namespace tmpu;

struct tiny {
  static constexpr chip::facts info{.name = "tiny",
                                    .lanes = 4,
                                    .eu_bytes = 8,
                                    .local_bytes = 2048,
                                    .banks = 2,
                                    .dma_align = 16,
                                    .compute_hz = 100'000'000,
                                    .dma_hz = 50'000'000,
                                    .macs_i8 = 32,
                                    .macs_f16 = 16,
                                    .macs_f32 = 4,
                                    .load_bytes_per_second = 50'000'000,
                                    .store_bytes_per_second = 50'000'000};
};

/// Tensors of which the chip's bits differ from the Tpu stage's; tensors seen.
template <class DType> std::pair<int, int> compare_stages() {
  const calibrate::table ranges = small_model::ranges();
  graph_body lowered;
  const isa::program program =
      compile<DType>(small_model::build(), {.chip = chip::checked<tiny>, .network = "small", .calibration = &ranges},
                     [&]<class G>(const G& g) {
                       if constexpr (std::is_same_v<G, graph<stage::lowered>>) lowered = g;
                     });
  CHECK(program.info.target.chip.view() == "tiny");
  CHECK(program.info.networks[0].local_bytes_peak <= tiny::info.local_bytes);
  host::runner machine(program);
  CHECK(exec::check(machine.executor()).empty());
  const vec<value> inputs{small_model::image()};
  const auto expected = host::run_graph(lowered, inputs, keep::everything);
  int different = 0;
  int seen = 0;
  for (const host::named_value& got : machine.run_all(inputs)) {
    for (const host::named_value& want : expected) {
      if (want.name != got.name || !got.made.empty()) continue;
      ++seen;
      different += to_bytes(got.content) == to_bytes(want.content) ? 0 : 1;
    }
  }
  return {different, seen};
}

TEST_CASE("a third chip: bit-equal to the Tpu stage, no hazard, within its memory") {
  for (const auto& [different, seen] : {compare_stages<f32>(), compare_stages<bf16>(), compare_stages<i8>()}) {
    CHECK(different == 0);
    CHECK(seen >= 4);
  }
}

} // namespace
