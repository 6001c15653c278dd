// SPDX-License-Identifier: Apache-2.0
#include "tmpu/calibrate/correct.hpp"

#include "models.hpp"
#include "tmpu/calibrate/apply.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/host/progress.hpp"

#include <fmt/core.h>

#include <chrono>
#include <memory>

namespace tmpuc {

using namespace tmpu;

void add_correct(CLI::App& app, work& chosen) {
  struct options {
    model_options model;
    rule_options rules;
    data_options data;
    std::string calibration;
    std::vector<std::string> without;
    std::string out;
  };
  auto* command = app.add_subcommand("correct", "Add corrections to a calibration table: channels scaled alike, ranges "
                                                "seen through functions, weights rounded together, biases");
  auto o = std::make_shared<options>();
  o->model.add(*command, "The model, an .onnx or .tflite file");
  o->rules.add(*command);
  o->data.add(*command);
  command->add_option("--calibration", o->calibration, "Table of ranges from `tmpuc calibrate`")
      ->required()
      ->type_name("TABLE.cali");
  command->add_option("--without", o->without, "Leave a correction out: equalize, ranges, rounding or bias")
      ->allow_extra_args(false)
      ->type_name("NAME");
  command->add_option("-o,--output", o->out, "The table to write")->required()->type_name("TABLE.cali");
  command->callback([&chosen, o] {
    chosen = [o] {
      calibrate::correct_options wanted;
      for (const std::string& name : o->without) {
        if (name == "equalize") {
          wanted.equalize = false;
        } else if (name == "ranges") {
          wanted.ranges = false;
        } else if (name == "rounding") {
          wanted.rounding = false;
        } else if (name == "bias") {
          wanted.bias = false;
        } else {
          refuse(text("--without '") << name << "' is not known: there are equalize, ranges, rounding and bias");
        }
      }
      const calibrate::table ranges = read_calibration(o->calibration);
      const canonical_model model = canonicalize(load_origin(o->model), rules_of(o->rules));
      // Refuses a table that is not this model's.
      static_cast<void>(calibrate::apply_calibration{}(model.graph, ranges, model.rules));
      const host::dataset data = open_data(o->data, inputs_of(model.graph));
      calibrate::corrector corrector(model.graph, ranges, data.runs(), wanted);
      const auto start = std::chrono::steady_clock::now();
      while (corrector.unfinished()) {
        host::progress progress("correcting", data.runs());
        for (std::int64_t run = 0; run < data.runs(); ++run) {
          corrector.add(data.inputs(run));
          progress.at(run + 1);
        }
        corrector.end_pass();
      }
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
      host::write_file(o->out, calibrate::print(corrector.made()).view());
      std::int64_t counts[4] = {};
      for (const calibrate::correction& c : corrector.made().corrections) ++counts[static_cast<std::size_t>(c.is)];
      fmt::print("{} samples in {:.1f} s: {} tensors scaled, {} layers rounded, {} biases\n", data.samples(),
                 taken.count(), counts[0], counts[2], counts[1]);
      return 0;
    };
  });
}

} // namespace tmpuc
