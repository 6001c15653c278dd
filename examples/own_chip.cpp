// SPDX-License-Identifier: Apache-2.0
// A chip of one's own: facts, and nothing else.
#include "tmpu/host/data.hpp"
#include "tmpu/host/model.hpp"
#include "tmpu/host/run.hpp"

#include <fmt/core.h>

// Twice the nano: the facts that one leaves alone are those of the chip that one starts from.
struct pico {
  static constexpr tmpu::chip::facts info = [] {
    tmpu::chip::facts f = tmpu::chip::nano::info;
    f.name = "pico";
    f.lanes = 16;
    f.local_bytes = 4096;
    return f;
  }();
};

int main() {
  using namespace tmpu;
  const std::string data = TMPU_EXAMPLES_DIR "/data/";
  graph_body lowered;
  const isa::program program =
      compile<bf16>(host::load_onnx(data + "digits_cnn.onnx"), {.chip = chip::checked<pico>}, [&]<class G>(const G& g) {
        if constexpr (std::is_same_v<G, graph<stage::lowered>>) lowered = g;
      });
  const host::dataset digits({{"input", dtype_id::f32, {1, 1, 28, 28}}}, {{"", data + "digits.npz", "test_x"}},
                             {{}, {1.0F / 255.0F}}, 10);
  host::runner tpu(program);
  bool equal = true;
  for (std::int64_t i = 0; i < digits.runs(); ++i) {
    const auto inputs = digits.inputs(i);
    equal = equal && to_bytes(tpu.run(inputs)[0].content) == to_bytes(host::run_graph(lowered, inputs)[0].content);
  }
  fmt::print("{}: {} instructions, {} of {} bytes of local memory a lane; {}\n", pico::info.name,
             program.info.networks[0].segments[0].cores[0].count, program.info.networks[0].local_bytes_peak,
             pico::info.local_bytes, equal ? "bit-equal to the Tpu stage" : "NOT bit-equal");
  return equal ? 0 : 1;
}
