// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/isa/tmodel.hpp"

#include <fmt/core.h>

#include <filesystem>
#include <memory>

namespace tmpuc {

using namespace tmpu;

namespace {
std::string text_file(const std::string& path) {
  const vec<std::uint8_t> bytes = host::read_file(path);
  return {bytes.data(), bytes.data() + bytes.size()};
}
} // namespace

calibrate::table read_calibration(const std::string& path) { return calibrate::parse(text_file(path), path); }
calibrate::qtable read_qtable(const std::string& path) { return calibrate::parse_qtable(text_file(path), path); }

isa::program compile(const compile_options& o, const stage_observer& see, vec<canonicalize::rule_count>* fired) {
  const lower::mode& mode = mode_named(o.quantize);
  const bool int8 = mode.type == dtype_id::i8;
  if (o.asymmetric && !int8) refuse(text("--asymmetric is for int8, not for ") << o.quantize << ": leave it out");
  if (o.weight_group != 0 && mode.weights == dtype_id::none)
    refuse(text("--weight-group is for modes with weights of fewer bits, not for ") << o.quantize << ": leave it out");
  if (o.float_io && !int8) refuse(text("--float-io is for int8, not for ") << o.quantize << ": leave it out");
  if (!o.qtable.empty() && !int8) refuse(text("--qtable is for int8, not for ") << o.quantize << ": leave it out");
  compile_request r{.chip = chip_named(o.chip),
                    .network = network_name(o.model.path),
                    .quantize = o.quantize,
                    .asymmetric = o.asymmetric,
                    .weight_group = o.weight_group,
                    .float_io = o.float_io,
                    .layers = nullptr,
                    .opt = static_cast<group::effort>(o.opt),
                    .cores = o.cores,
                    .calibration = nullptr,
                    .rules = rules_of(o.rules),
                    .fired = fired};
  if (o.cores > r.chip.cores) {
    refuse(text("--cores ") << o.cores << " is more than " << r.chip.name << " has: give at most " << r.chip.cores);
  }
  calibrate::table table;
  calibrate::qtable layers;
  if (int8 && !o.calibration.empty()) {
    table = read_calibration(o.calibration);
    r.calibration = &table;
  }
  if (!o.qtable.empty()) {
    layers = read_qtable(o.qtable);
    r.layers = &layers;
  }
  auto model = load_origin(o.model);
  return int8 ? compile_int8(std::move(model), r, see) : compile_float(std::move(model), r, see);
}

namespace {
void show(const vec<canonicalize::rule_count>& fired) {
  for (const canonicalize::rule_count& f : fired) {
    if (f.count > 0) fmt::print("{}: {}\n", f.rule, f.count);
  }
}
} // namespace

void add_compile(CLI::App& app, work& chosen) {
  struct options {
    compile_options compile;
    std::string keep_stages;
    std::string out;
  };
  auto* command = app.add_subcommand("compile", "Compile a model to the instruction stream of a chip (.tmodel)");
  auto o = std::make_shared<options>();
  o->compile.add(*command);
  command
      ->add_option("--keep-stages", o->keep_stages,
                   "Save the graph of every stage in this folder, as NAME.STAGE.onnx, and show how often each rule of "
                   "canonicalize changed the graph")
      ->type_name("DIR");
  command->add_option("-o,--output", o->out, "The .tmodel file to write")->required()->type_name("OUT.tmodel");
  command->callback([&chosen, o] {
    chosen = [o] {
      const std::string network = network_name(o->compile.model.path);
      vec<canonicalize::rule_count> fired;
      const auto see = [&](const graph_body& g, stage at) {
        if (o->keep_stages.empty()) return;
        std::error_code bad;
        std::filesystem::create_directories(o->keep_stages, bad);
        if (bad) refuse(text("the folder '") << o->keep_stages << "' cannot be made: " << bad.message());
        save_stage(o->keep_stages + "/" + network + "." + std::string(suffix_of(at)) + ".onnx", g, at, network);
      };
      const isa::program program = compile(o->compile, see, &fired);
      host::write_file(o->out, isa::to_bytes(program));
      if (!o->keep_stages.empty()) show(fired);
      for (const isa::network& n : program.info.networks)
        fmt::print("{}: activations {}\n", network, activation_line(n));
      return 0;
    };
  });
}

} // namespace tmpuc
