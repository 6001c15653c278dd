// SPDX-License-Identifier: Apache-2.0
// A compiler of one's own from a shorter list: only what a small classifier needs. It builds faster than the whole one, and what
// it does not know it refuses by name.
#include "tmpu/host/model.hpp"
#include "tmpu/ir/builder.hpp"

#include <fmt/core.h>

struct lists : tmpu::standard {
  using operators = tmpu::list<tmpu::top::conv, tmpu::top::relu, tmpu::top::max_pool, tmpu::top::flatten,
                               tmpu::top::reshape, tmpu::top::gemm>;
};
/// A shorter list still.
struct shorter : lists {
  using operators = tmpu::list<tmpu::top::conv, tmpu::top::relu>;
};

int main() {
  using namespace tmpu;
  const std::string model = TMPU_EXAMPLES_DIR "/data/digits_cnn.onnx";
  const isa::program program = compile<f16, lists>(host::load_onnx<lists>(model), {.chip = chip::nano::info});
  fmt::print("{} bytes of program\n", isa::to_bytes(program).size());

  // Of the shorter one the model is refused before anything is done, with everything that is missing.
  try {
    host::load_onnx<shorter>(model);
  } catch (const error& e) {
    fmt::print("refused: {}\n", e.what());
    return 0;
  }
  return 1;
}
