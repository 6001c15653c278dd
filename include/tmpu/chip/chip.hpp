// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/core/dtype.hpp"
#include "tmpu/core/list.hpp"

#include <bit>
#include <concepts>
#include <cstdint>
#include <string_view>

namespace tmpu::chip {

/// What is true of a chip. Sizes in bytes, rates a clock cycle and core, clocks in Hz, bandwidth in bytes a second and core.
struct facts {
  std::string_view name;
  std::int32_t lanes = 0;
  std::int32_t eu_bytes = 0;    ///< bytes of a lane that its execution units take at once; planes are padded to it
  std::int64_t local_bytes = 0; ///< local memory of one lane
  std::int32_t banks = 0;       ///< parts of a lane's local memory that can be accessed at the same time
  std::int32_t dma_align = 0;   ///< burst alignment of global memory
  std::int32_t cores = 1;
  std::int64_t compute_hz = 0;
  std::int64_t dma_hz = 0;
  std::int64_t macs_i8 = 0;  ///< multiply-accumulates a cycle and core
  std::int64_t macs_f16 = 0; ///< also bf16
  std::int64_t macs_f32 = 0;
  std::int64_t load_bytes_per_second = 0;
  std::int64_t store_bytes_per_second = 0;
  /// Input channels of an 8-bit sum that a lane multiplies at once, 0: eu_bytes. Half as many in f16 and bf16, one in f32.
  std::int32_t channels = 0;
  std::int32_t mac_percent = 50;  ///< of the rate of multiply-accumulates that a long sum reaches *
  std::int32_t issue_cycles = 20; ///< to issue and retire a compute instruction *
  std::int32_t dma_latency = 80;  ///< DMA cycles from the start of a transfer until its first byte moves *

  [[nodiscard]] constexpr std::int64_t macs(dtype_id type) const {
    switch (type) {
    case dtype_id::f32: return macs_f32;
    case dtype_id::f16:
    case dtype_id::bf16: return macs_f16;
    default: return macs_i8;
    }
  }
  /// Input channels that a sum takes at once: sums over fewer channels take as long.
  [[nodiscard]] constexpr std::int64_t channels_at_once(dtype_id type) const {
    const std::int64_t narrow = channels == 0 ? eu_bytes : channels;
    std::int64_t most = macs(type) / lanes;
    switch (type) {
    case dtype_id::f32: return 1;
    case dtype_id::f16:
    case dtype_id::bf16: most = most < narrow / 2 ? most : narrow / 2; break;
    default: most = most < narrow ? most : narrow;
    }
    return most < 1 ? 1 : most;
  }
  /// Outputs of one channel that a lane computes side by side.
  [[nodiscard]] constexpr std::int64_t outputs_at_once(dtype_id type) const {
    const std::int64_t side = macs(type) / (lanes * channels_at_once(type));
    return side < 1 ? 1 : side;
  }
  [[nodiscard]] constexpr std::int64_t bank_bytes() const { return local_bytes / banks; }
};

constexpr bool usable(const facts& f) {
  const auto power_of_two = [](std::int64_t x) { return x > 0 && std::has_single_bit(static_cast<std::uint64_t>(x)); };
  return power_of_two(f.lanes) && power_of_two(f.eu_bytes) && power_of_two(f.banks) && power_of_two(f.dma_align) &&
         f.local_bytes > 0 && f.local_bytes % f.banks == 0 && f.bank_bytes() % f.eu_bytes == 0 && f.cores > 0 &&
         f.compute_hz > 0 && f.dma_hz > 0 && f.macs_i8 > 0 && f.macs_f16 > 0 && f.macs_f32 > 0 && f.channels >= 0 &&
         f.mac_percent > 0 && f.mac_percent <= 100 && f.load_bytes_per_second > 0 && f.store_bytes_per_second > 0;
}

/// A chip is a type with a constexpr `info` of facts that do not contradict each other.
template <class Chip> concept chip = requires {
  { Chip::info } -> std::convertible_to<facts>;
}
&&usable(Chip::info);

namespace detail {
template <class Chip> constexpr facts checked_facts() {
  if constexpr (!chip<Chip>) diag::bad_chip<Chip>{};
  return Chip::info;
}
} // namespace detail

/// The facts of a chip of one's own; tmpu-C001 names it where they are not usable.
template <class Chip> inline constexpr facts checked = detail::checked_facts<Chip>();

// Figures without a star are public; those marked * are our choice where nothing is public (docs/design.md, section 7).

/// After public parameters of the BM1684X; not binary compatible.
struct bm1684x {
  static constexpr facts info{.name = "bm1684x",
                              .lanes = 64,
                              .eu_bytes = 64,
                              .local_bytes = 256 * 1024,
                              .banks = 16,
                              .dma_align = 512,
                              .cores = 1,
                              .compute_hz = 1'000'000'000,
                              .dma_hz = 1'000'000'000,
                              .macs_i8 = 16'384,
                              .macs_f16 = 8'192,
                              .macs_f32 = 1'024,
                              .load_bytes_per_second = 58'000'000'000,
                              .store_bytes_per_second = 44'000'000'000,
                              .channels = 64};
};

/// After public parameters of the BM1688; f32 rate *.
struct bm1688 {
  static constexpr facts info{.name = "bm1688",
                              .lanes = 32,
                              .eu_bytes = 16,
                              .local_bytes = 128 * 1024,
                              .banks = 16,
                              .dma_align = 512,
                              .cores = 2,
                              .compute_hz = 900'000'000,
                              .dma_hz = 750'000'000,
                              .macs_i8 = 4'096,
                              .macs_f16 = 1'024,
                              .macs_f32 = 128,
                              .load_bytes_per_second = 24'000'000'000,
                              .store_bytes_per_second = 24'000'000'000,
                              .channels = 32};
};

/// A many-core chip of the BM1690 class; clocks and MAC rates *.
struct bm1690 {
  static constexpr facts info{.name = "bm1690",
                              .lanes = 64,
                              .eu_bytes = 64,
                              .local_bytes = 256 * 1024,
                              .banks = 16,
                              .dma_align = 256,
                              .cores = 8,
                              .compute_hz = 1'000'000'000,
                              .dma_hz = 1'000'000'000,
                              .macs_i8 = 16'384,
                              .macs_f16 = 8'192,
                              .macs_f32 = 1'024,
                              .load_bytes_per_second = 68'000'000'000,
                              .store_bytes_per_second = 68'000'000'000,
                              .channels = 64};
};

/// A small vision chip of the CV184x class; MAC rates *.
struct cv184x {
  static constexpr facts info{.name = "cv184x",
                              .lanes = 8,
                              .eu_bytes = 16,
                              .local_bytes = 64 * 1024,
                              .banks = 16,
                              .dma_align = 256,
                              .cores = 1,
                              .compute_hz = 650'000'000,
                              .dma_hz = 500'000'000,
                              .macs_i8 = 512,
                              .macs_f16 = 128,
                              .macs_f32 = 16,
                              .load_bytes_per_second = 4'000'000'000,
                              .store_bytes_per_second = 4'000'000'000,
                              .channels = 16};
};

/// Ours: so small that every digits model must be cut into rows, output channels and partial sums.
struct nano {
  static constexpr facts info{.name = "nano",
                              .lanes = 8,
                              .eu_bytes = 16,
                              .local_bytes = 8 * 1024,
                              .banks = 4,
                              .dma_align = 64,
                              .cores = 1,
                              .compute_hz = 200'000'000,
                              .dma_hz = 200'000'000,
                              .macs_i8 = 256,
                              .macs_f16 = 64,
                              .macs_f32 = 16,
                              .load_bytes_per_second = 400'000'000,
                              .store_bytes_per_second = 400'000'000,
                              .channels = 8};
};

static_assert(chip<bm1684x> && chip<bm1688> && chip<bm1690> && chip<cv184x> && chip<nano>);

/// The chips that the driver knows (registry). A chip of one's own is appended to it.
inline constexpr list<bm1684x, bm1688, bm1690, cv184x, nano> chips;

} // namespace tmpu::chip
