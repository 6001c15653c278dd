// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/lower/quantizers.hpp"
#include "tmpu/onnx/standard.hpp"
#include "tmpu/top/operators.hpp"

#include <memory>

namespace tmpuc {

using namespace tmpu;

void add_export_qdq(CLI::App& app, work& chosen) {
  struct options {
    model_options model;
    rule_options rules;
    std::string chip;
    std::string calibration;
    std::string qtable;
    bool asymmetric = false;
    bool float_io = false;
    std::string out;
  };
  auto* command = app.add_subcommand(
      "export-qdq", "Write what int8 computes as a plain ONNX model with QuantizeLinear and DequantizeLinear");
  auto o = std::make_shared<options>();
  o->model.add(*command, "The model, an .onnx or .tflite file");
  o->rules.add(*command);
  command->add_option("--chip", o->chip, "The chip to lower for; `tmpuc chips` lists them")
      ->required()
      ->type_name("NAME");
  command->add_option("--calibration", o->calibration, "Table of ranges from `tmpuc calibrate`")
      ->required()
      ->type_name("TABLE.cali");
  command->add_flag("--asymmetric", o->asymmetric, "int8 activations with a zero point");
  command->add_flag("--float-io", o->float_io, "Inputs and outputs of the model stay f32");
  command->add_option("--qtable", o->qtable, "Layers that compute in another dtype (see `tmpuc sensitivity`)")
      ->type_name("FILE");
  command->add_option("-o,--output", o->out, "The model to write")->required()->type_name("OUT.onnx");
  command->callback([&chosen, o] {
    chosen = [o] {
      const calibrate::table table = read_calibration(o->calibration);
      calibrate::qtable layers;
      if (!o->qtable.empty()) layers = read_qtable(o->qtable);
      const compile_request r{.chip = chip_named(o->chip),
                              .network = network_name(o->model.path),
                              .quantize = "int8",
                              .asymmetric = o->asymmetric,
                              .float_io = o->float_io,
                              .layers = &layers,
                              .calibration = &table,
                              .rules = rules_of(o->rules),
                              .fired = nullptr};
      const graph<stage::calibrated> top = calibrate_int8(canonicalize(load_origin(o->model), r.rules), r);
      const graph_body with = lower::with_quantizers(top, lower_int8(top, r));
      constexpr std::int64_t opset = 21; // its QuantizeLinear is the newest that ONNX Runtime fuses
      host::write_file(
          o->out,
          tmpu::onnx::to_standard<unpack<decltype(top::operators)>>(with, opset, r.network).SerializeAsString());
      return 0;
    };
  });
}

} // namespace tmpuc
