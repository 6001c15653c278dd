// SPDX-License-Identifier: Apache-2.0
// An instruction of one's own: its fields are its encoding, `reads` and `writes` what the loader and the hazard check look at, `run` its
// meaning. The machine that knows it is the standard one with a longer list.
#include "tmpu/exec/checked.hpp"
#include "tmpu/isa/disasm.hpp"
#include "tmpu/isa/tmodel.hpp"

#include <fmt/core.h>

#include <array>
#include <bit>

using namespace tmpu;

/// y[n,c,h,w] = x[n,c,h,W-1-w]: rows the other way round. Shapes and types are equal.
struct flip {
  static constexpr std::uint8_t opcode = 0x70; // one that no other instruction has, or it does not compile (tmpu-I001)
  static constexpr std::string_view name = "flip";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((isa::local_ref, x), (isa::local_ref, y));
  constexpr void reads(auto&& visit) const { visit(x); }
  constexpr void writes(auto&& visit) const { visit(y); }

  /// Operands are inside of memory when this is asked; what remains is whether they fit each other.
  [[nodiscard]] constexpr bool consistent() const {
    return x.type == y.type && x.n == y.n && x.c == y.c && x.h == y.h && x.w == y.w;
  }
  constexpr void run(exec::memory& m) const {
    vec<float> elements;
    m.read(x, elements);
    const auto width = static_cast<std::size_t>(x.w);
    for (std::size_t row = 0; row < elements.size(); row += width) {
      for (std::size_t w = 0; w < width / 2; ++w) std::swap(elements[row + w], elements[row + width - 1 - w]);
    }
    m.write(y, elements);
  }
};

using instructions = join_lists<unpack<decltype(isa::instructions)>, list<flip>>;
using machine = exec::basic_executor<instructions>;

/// Loads x [1,1,2,4], flips its rows and stores them.
isa::program program() {
  const chip::facts& chip = chip::nano::info;
  const isa::local_ref x = isa::make_local(chip, isa::layout::aligned, dtype_id::f32, 1, 1, 2, 4, 0);
  const isa::local_ref y = isa::make_local(chip, isa::layout::aligned, dtype_id::f32, 1, 1, 2, 4, 64);
  const auto dense = [](std::int64_t at) {
    return isa::global_ref{.address = isa::global_address(isa::region::activations, at),
                           .type = dtype_id::f32,
                           .n = 1,
                           .c = 1,
                           .h = 2,
                           .w = 4,
                           .n_stride = 32,
                           .c_stride = 32,
                           .h_stride = 16,
                           .w_stride = 4};
  };
  const auto after = [](isa::engine e, std::uint32_t count) {
    return isa::header{.first = {.core = 0, .engine = e, .count = count}, .second = {}};
  };
  isa::segment segment{};
  segment.cores.push_back({});
  isa::append(segment.cores[0], {}, isa::dma_load{.src = dense(0), .dst = x});
  isa::append(segment.cores[0], after(isa::engine::dma, 1), flip{.x = x, .y = y});
  isa::append(segment.cores[0], after(isa::engine::compute, 1), isa::dma_store{.src = y, .dst = dense(32)});

  const auto edge = [](const char* name, std::int64_t at) {
    return isa::io_tensor{.name = text(name),
                          .type = dtype_id::f32,
                          .dims = {1, 1, 2, 4},
                          .scale = 0.0F,
                          .zero_point = 0,
                          .address = isa::global_address(isa::region::activations, at),
                          .edge = dtype_id::none};
  };
  isa::program p;
  p.info.target = {.chip = text(chip.name),
                   .lanes = chip.lanes,
                   .eu_bytes = chip.eu_bytes,
                   .local_bytes = chip.local_bytes,
                   .banks = chip.banks,
                   .cores = chip.cores};
  isa::network n{};
  n.name = text("flip");
  n.inputs.push_back(edge("x", 0));
  n.outputs.push_back(edge("y", 32));
  n.activation_bytes = 64;
  n.segments.push_back(segment);
  p.info.networks.push_back(n);
  return p;
}

int main() {
  // To a file and back: the reader is told the list, too.
  const isa::program p = isa::from_bytes<instructions>(isa::to_bytes(program()));
  machine tpu(p);
  exec::memory memory = tpu.make_memory();

  const std::array<float, 8> x{1, 2, 3, 4, 5, 6, 7, 8};
  const auto bytes = std::bit_cast<std::array<std::uint8_t, 32>>(x);
  const std::span<const std::uint8_t> inputs[] = {bytes};
  const auto made = tpu.run(memory, inputs);
  std::array<std::uint8_t, 32> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = made[0][i];
  const auto y = std::bit_cast<std::array<float, 8>>(out);
  const bool right = y == std::array<float, 8>{4, 3, 2, 1, 8, 7, 6, 5} && exec::check(tpu).empty();

  // The standard machine does not know it.
  bool refused = false;
  try {
    const exec::executor other(p);
  } catch (const error& e) {
    refused = true;
    fmt::print("refused: {}\n", e.what());
  }
  fmt::print("{}rows {}flipped\n", isa::disassemble<instructions>(p).view(), right ? "" : "NOT ");
  return right && refused ? 0 : 1;
}
