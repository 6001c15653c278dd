// SPDX-License-Identifier: Apache-2.0
// The demo: a trained digit classifier, compiled for two chips and run as their instruction streams.
#include "tmpu/calibrate/calibrate.hpp"
#include "tmpu/compare/table.hpp"
#include "tmpu/host/data.hpp"
#include "tmpu/host/model.hpp"
#include "tmpu/host/run.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>

namespace {

using namespace tmpu;

const std::string data = TMPU_EXAMPLES_DIR "/data/";

host::dataset digits(const std::string& key, std::int64_t count = 0) {
  return {{{"input", dtype_id::f32, {1, 1, 28, 28}}}, {{"", data + "digits.npz", key}}, {{}, {1.0F / 255.0F}}, count};
}

std::int64_t best_of(const host::named_value& scores) {
  const value v = host::user_value(scores);
  return std::max_element(v.f.begin(), v.f.end()) - v.f.begin();
}

/// A digit in 14 lines of 28 characters: two rows of pixels a line.
void draw(const value& image, std::int64_t answer, std::int64_t label) {
  constexpr std::string_view shades = " .:-=+*#%@";
  for (std::size_t row = 4; row < 24; row += 2) {
    std::string line;
    for (std::size_t column = 0; column < 28; ++column) {
      const float ink = (image.f[row * 28 + column] + image.f[(row + 1) * 28 + column]) / 2;
      line += shades[static_cast<std::size_t>(ink * 9.0F)];
    }
    fmt::print("  {}", line);
    if (row == 12) fmt::print("    answer {}, label {}", answer, label);
    fmt::print("\n");
  }
}

/// Where the graphs of a compilation are kept for the comparison.
struct kept_stages {
  graph_body origin;
  graph_body top;
  graph_body tpu;
  template <class Stage> void operator()(const Stage& g) {
    if constexpr (std::is_same_v<Stage, graph<stage::origin>>) origin = g;
    if constexpr (std::is_same_v<Stage, graph<stage::canonical>>) top = g;
    if constexpr (std::is_same_v<Stage, graph<stage::lowered>>) tpu = g;
  }
};

/// ONNX, Top, Tpu and Chip of the first digits, tensor by tensor.
compare::table four_way(const kept_stages& stages, host::runner& chip) {
  std::map<std::string, std::array<floats, 4>> tensors;
  std::vector<std::string> names;
  const auto put = [&](std::size_t place, const std::vector<host::named_value>& values) {
    for (const host::named_value& v : values) {
      if (tensors.find(v.name) == tensors.end()) names.push_back(v.name);
      if (v.made.empty()) tensors[v.name][place].append(host::user_value(v).f);
    }
  };
  const host::dataset some = digits("test_x", 4);
  for (std::int64_t i = 0; i < some.runs(); ++i) {
    const auto inputs = some.inputs(i);
    put(0, host::run_graph(stages.origin, inputs, keep::everything));
    put(1, host::run_graph(stages.top, inputs, keep::everything));
    put(2, host::run_graph(stages.tpu, inputs, keep::everything));
    put(3, chip.run_all(inputs));
  }
  compare::table table;
  table.set_reference("tmpu's own inference of the imported model");
  for (const std::string& name : names) {
    std::array<std::span<const float>, 4> spans;
    int places = 0;
    for (std::size_t p = 0; p < 4; ++p) {
      if (tensors[name][p].empty()) continue;
      spans[p] = tensors[name][p].span();
      ++places;
    }
    if (places > 1) table.add(name, spans); // what was fused away is at one place only
  }
  return table;
}

struct outcome {
  bool bit_equal = false;
  double accuracy = 0;
};

outcome show(const chip::facts& facts, const calibrate::table& ranges, bool draw_some) {
  kept_stages stages;
  const isa::program program = compile<i8>(host::load_onnx(data + "digits_cnn.onnx"),
                                           {.chip = facts, .network = "digits_cnn", .calibration = &ranges}, stages);
  host::runner tpu(program);
  const value labels = host::to_value(host::read_npz(data + "digits.npz", "test_y"));
  const host::dataset test = digits("test_x");
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < test.runs(); ++i) {
    const auto inputs = test.inputs(i);
    const std::int64_t answer = best_of(tpu.run(inputs)[0]);
    const std::int64_t label = labels.i[static_cast<std::size_t>(i)];
    right += answer == label ? 1 : 0;
    if (draw_some && i < 3) draw(inputs[0], answer, label);
  }
  const isa::network& n = program.info.networks[0];
  fmt::print("\n{}: {} lanes of {} bytes\n", facts.name, facts.lanes, facts.local_bytes);
  fmt::print("  {} of {} digits right; {} instructions, {} MACs, {} cycles (predicted)\n", right, test.samples(),
             n.segments[0].cores[0].count, n.macs, n.cycles);
  fmt::print("  weights {} bytes, activations {} bytes of global memory, local memory {} bytes a lane at the peak, DMA "
             "{} bytes\n\n",
             program.weights.size(), n.activation_bytes, n.local_bytes_peak, n.dma_bytes);
  const compare::table table = four_way(stages, tpu);
  fmt::print("{}", compare::to_text(table).view());
  return {table.all_bit_equal(2), static_cast<double>(right) / static_cast<double>(test.samples())};
}

} // namespace

int main() {
  // The same table serves both chips: ranges belong to the model.
  const auto canonical = passes::canonicalize<standard>::run(host::load_onnx(data + "digits_cnn.onnx"), {});
  calibrate::calibrator calibrator(canonical, passes::canonicalize<standard>::pass::fingerprint());
  const host::dataset samples = digits("calib_x");
  for (std::int64_t i = 0; i < samples.runs(); ++i) calibrator.add(samples.inputs(i));
  const calibrate::table ranges = calibrator.finish("kl");
  fmt::print("digits_cnn, int8, calibrated on {} digits; three of the test digits and the answers of the nano:\n\n",
             samples.samples());

  const outcome nano = show(chip::nano::info, ranges, true);
  const outcome big = show(chip::bm1684x::info, ranges, false);
  const bool ok = nano.bit_equal && big.bit_equal && nano.accuracy >= 0.97 && big.accuracy >= 0.97;
  fmt::print("\n{}\n",
             ok ? "The chips compute what the Tpu stage says, bit for bit." : "SOMETHING IS WRONG: see above.");
  return ok ? 0 : 1;
}
