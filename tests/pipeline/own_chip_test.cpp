// SPDX-License-Identifier: Apache-2.0
// A chip declared in ten lines is a chip: the passes cut the network to its sizes, the executor takes its program, and the results
// are those of the Tpu stage bit for bit.
#include "small_model.hpp"
#include "tmpu/compile.hpp"
#include "tmpu/exec/checked.hpp"

#include <doctest/doctest.h>

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
