// SPDX-License-Identifier: Apache-2.0
#include "tmpu/host/conformance.hpp"

#include "models.hpp"
#include "tmpu/calibrate/calibrate.hpp"
#include "tmpu/host/checked.hpp"
#include "tmpu/host/progress.hpp"
#include "tmpu/lower/error_bounds.hpp"
#include "tmpu/top/operators.hpp"

#include <fmt/core.h>

#include <array>
#include <cmath>
#include <memory>
#include <stdexcept>

namespace tmpuc {

using namespace tmpu;

namespace {

struct conformance_options {
  std::vector<std::string> directories;
  std::string level = "top";
  std::string chip = "bm1684x";
  std::string quantize = "f32";
  std::string filter;
  bool json = false;
};

/// How near the chip's results must be to ONNX's: f32 as near as Top's; f16 and bf16 by the bounds of the operators' families; int8,
/// calibrated on the very input, by the direction.
host::nearness nearness_of(const std::string& quantize, const graph<stage::origin>& g) {
  if (quantize == "f16") return {.of_greatest = lower::error_k(g) * 0x1p-10, .same_type = false};
  if (quantize == "bf16") return {.of_greatest = lower::error_k(g) * 0x1p-7, .same_type = false};
  if (quantize == "int8") return {.cosine = 0.99, .same_type = false};
  return {.same_type = false};
}

/// Compiles a model for the chip and runs its program in checked mode; int8 is calibrated on the very inputs.
std::vector<host::named_value> run_on_chip(const conformance_options& o, graph<stage::origin> g,
                                           std::span<const value> inputs, std::int64_t& host_steps) {
  compile_request r{.chip = chip_named(o.chip), .network = "case", .quantize = o.quantize};
  calibrate::table table;
  if (o.quantize == "int8") {
    const canonical_model model = canonicalize(g);
    calibrate::calibrator calibrator(model.graph, model.rules);
    calibrator.add(inputs);
    table = calibrator.finish("minmax");
    r.calibration = &table;
  }
  const stage_observer see_nothing = [](const graph_body&, stage) {};
  const isa::program program = r.calibration != nullptr ? compile_int8(std::move(g), r, see_nothing)
                                                        : compile_float(std::move(g), r, see_nothing);
  host_steps = program.info.networks[0].host_steps();
  host::runner runner(program);
  vec<value> given;
  for (const value& v : inputs) given.push_back(host::from_edge(v, {}));
  // From here on a refusal is a fault of the program, not of the model.
  try {
    host::check_program(runner, given);
    auto results = runner.run(given);
    for (host::named_value& v : results) v = {v.name, host::user_value(v), {}, {}, {}};
    return results;
  } catch (const error& e) {
    throw std::runtime_error(e.what());
  }
}

int conformance(const conformance_options& o) {
  const bool chip = o.level == "chip";
  if (!chip && o.level != "top") refuse(text("--level '") << o.level << "' is not known: it is top or chip");
  if (mode_named(o.quantize).weights != dtype_id::none)
    refuse(text("--quantize '") << o.quantize << "' is not for conformance: take f32, f16, bf16 or int8");
  if (!chip && o.quantize != "f32") refuse("--quantize is for --level chip: inference at Top is in f32");
  static_cast<void>(chip_named(o.chip));
  std::vector<host::backend_case> cases;
  for (const std::string& directory : o.directories) {
    for (host::backend_case& c : host::find_cases(directory)) {
      if (o.filter.empty() || host::matches_glob(c.name, o.filter)) cases.push_back(std::move(c));
    }
  }
  if (cases.empty()) {
    refuse(text("no folder with a model.onnx")
           << (o.filter.empty() ? "" : " whose name matches --filter") << " is below the folders given");
  }
  std::int64_t host_steps = 0;
  int without_host_step = 0;
  const host::model_runner run = [&](graph<stage::origin> g, std::span<const value> inputs) {
    return chip ? run_on_chip(o, std::move(g), inputs, host_steps) : host::run_at_top(std::move(g), inputs);
  };
  const host::model_nearness near = [&](const graph<stage::origin>& g) {
    return chip ? nearness_of(o.quantize, g) : host::nearness{};
  };
  std::array<int, 3> counts{};
  host::progress progress("conformance", static_cast<std::int64_t>(cases.size()));
  if (o.json) fmt::print("[");
  for (std::size_t i = 0; i < cases.size(); ++i) {
    progress.at(static_cast<std::int64_t>(i));
    host_steps = 0;
    const host::case_result r = host::run_case<unpack<decltype(top::operators)>>(cases[i], run, near);
    ++counts[static_cast<std::size_t>(r.result)];
    if (chip && r.result == host::verdict::passed && host_steps == 0) ++without_host_step;
    if (o.json) {
      fmt::print("{}\n{{\"name\": {}, \"result\": \"{}\", \"reason\": {}", i == 0 ? "" : ",", json_text(r.name),
                 host::name_of(r.result), json_text(r.reason));
      if (chip) {
        fmt::print(", \"host_steps\": {}, \"all_floats\": {}, \"error\": ", host_steps, r.all_floats);
        if (std::isfinite(r.error)) {
          fmt::print("{:.3g}", r.error);
        } else {
          fmt::print("null");
        }
      }
      fmt::print("}}");
    } else if (r.result != host::verdict::passed) {
      fmt::print("{:<8} {}: {}\n", host::name_of(r.result), r.name, r.reason);
    }
  }
  if (o.json) {
    fmt::print("\n]\n");
  } else {
    fmt::print("{} cases: {} passed, {} failed, {} refused\n", cases.size(), counts[0], counts[1], counts[2]);
    if (chip) fmt::print("{} passed without a host step\n", without_host_step);
  }
  return counts[1] == 0 ? 0 : 1;
}

} // namespace

void add_conformance(CLI::App& app, work& chosen) {
  auto* command = app.add_subcommand("conformance", "Run ONNX's backend tests: at Top, or compiled for a chip");
  auto o = std::make_shared<conformance_options>();
  command->add_option("DIR", o->directories, "Folders; each model.onnx with test_data_set_* in or below them is a case")
      ->required();
  command->add_option("--level", o->level, "top: inference of the imported model; chip: its program in checked mode")
      ->capture_default_str();
  command->add_option("--chip", o->chip, "The chip of --level chip")->capture_default_str();
  command->add_option("--quantize", o->quantize, "Of --level chip: f32, f16, bf16 or int8")->capture_default_str();
  command->add_option("--filter", o->filter, "Only cases whose name matches, for example 'test_conv*'");
  command->add_flag("--json", o->json, "Print JSON: a record a case");
  command->callback([&chosen, o] { chosen = [o] { return conformance(*o); }; });
}

} // namespace tmpuc
