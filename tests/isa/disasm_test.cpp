// SPDX-License-Identifier: Apache-2.0
#include "tmpu/isa/disasm.hpp"

#include "tiny_program.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using namespace tmpu;

TEST_CASE("the listing of a program") {
  const text listing = isa::disassemble(tiny::build());
  CHECK(std::string(listing.view()) ==
        "# by hand, f32 for nano: 8 lanes of 8192 bytes, weights 12 bytes\n"
        "network net, activations 96 bytes\n"
        "input x activations+0x0 [1,3,2,2] f32\n"
        "output y activations+0x30 [1,3,2,2] f32\n"
        "segment 0 core 0, 4 instructions\n"
        "0 dma.load  src=weights+0x0 [1,3,1,1] f32  dst=0x40 [1,3,1,1] f32 aligned\n"
        "1 dma.load  src=activations+0x0 [1,3,2,2] f32  dst=0x0 [1,3,2,2] f32 aligned\n"
        "2 binary  wait dma 2  kind=add  a=0x0 [1,3,2,2] f32 aligned  b=0x40 [1,3,1,1] f32 aligned  y=0x80 [1,3,2,2] "
        "f32 aligned  high=100\n"
        "3 dma.store  wait compute 1  src=0x80 [1,3,2,2] f32 aligned  dst=activations+0x30 [1,3,2,2] f32\n");
}

TEST_CASE("layouts, strides, lanes, parts of sums and unused operands") {
  constexpr chip::facts chip = chip::nano::info;
  isa::conv i{};
  i.x = isa::make_local(chip, isa::layout::aligned, dtype_id::i8, 1, 20, 3, 3, 0x100);
  i.x.lane = 2;
  i.weight = isa::make_local(chip, isa::layout::compact, dtype_id::i8, 1, 16, 20, 9, 0x200);
  i.y = i.x;
  i.y.h_stride = 5;
  i.groups = 1;
  i.pad_left = 1;
  i.part = {.resume = true, .finish = false};
  i.y_zero = -3;
  const isa::header h{.first = {.core = 1, .engine = isa::engine::dma, .count = 5},
                      .second = {.core = 0, .engine = isa::engine::compute, .count = 9}};
  CHECK(std::string(isa::line_of(h, i, chip).view()) ==
        "conv  wait core 1 dma 5  wait compute 9  x=0x100 [1,20,3,3] i8 lane 2 aligned  weight=0x200 [1,16,20,9] i8 "
        "compact"
        "  y=0x100 [1,20,3,3] i8 lane 2 /48,16,5  groups=1  pad_left=1  part=middle  y_zero=-3");
  const isa::fill f{.y = isa::make_local(chip, isa::layout::copy, dtype_id::i8, 1, 2, 1, 256, 0), .value = 2.5F};
  CHECK(std::string(isa::line_of({}, f, chip).view()) == "fill  y=0x0 [1,2,1,256] i8 copy  value=2.5");
}

TEST_CASE("a damaged program is not listed") {
  isa::program p = tiny::build();
  p.info.networks[0].segments[0].cores[0].words[0] = 0;
  CHECK_THROWS_AS((void)isa::disassemble(p), error);
}

} // namespace
