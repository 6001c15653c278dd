// SPDX-License-Identifier: Apache-2.0
// expect: tmpu-C001
// expect: bad_chip
// expect: my_chip
#include "tmpu/chip/chip.hpp"

struct my_chip {
#ifdef TMPU_MUST_FAIL
  static constexpr int lanes = 12; // no power of two
#else
  static constexpr int lanes = 16;
#endif
  static constexpr tmpu::chip::facts info{.name = "my_chip",
                                          .lanes = lanes,
                                          .eu_bytes = 16,
                                          .local_bytes = 32 * 1024,
                                          .banks = 8,
                                          .dma_align = 64,
                                          .cores = 1,
                                          .compute_hz = 400'000'000,
                                          .dma_hz = 400'000'000,
                                          .macs_i8 = 512,
                                          .macs_f16 = 128,
                                          .macs_f32 = 32,
                                          .load_bytes_per_second = 1'000'000'000,
                                          .store_bytes_per_second = 1'000'000'000};
};

constexpr tmpu::chip::facts mine = tmpu::chip::checked<my_chip>;

int main() { return mine.cores - 1; }
