// SPDX-License-Identifier: Apache-2.0
#include "tmpu/calibrate/calibrate.hpp"

#include "models.hpp"
#include "tmpu/host/progress.hpp"

#include <memory>

namespace tmpuc {

using namespace tmpu;

void add_calibrate(CLI::App& app, work& chosen) {
  struct options {
    model_options model;
    rule_options rules;
    data_options data;
    std::string method = "kl";
    std::string out;
  };
  auto* command =
      app.add_subcommand("calibrate", "Run samples through a model and write the range of each tensor (.cali)");
  auto o = std::make_shared<options>();
  o->model.add(*command, "The model, an .onnx file");
  o->rules.add(*command);
  o->data.add(*command);
  command->add_option("--method", o->method, "How the threshold is chosen: kl, mse, percentile or minmax")
      ->type_name("NAME")
      ->capture_default_str();
  command->add_option("-o,--output", o->out, "The table to write")->required()->type_name("TABLE.cali");
  command->callback([&chosen, o] {
    chosen = [o] {
      text methods;
      const bool known = unpack<decltype(calibrate::methods)>::any([&]<class Method>() {
        methods << (methods.empty() ? "" : ", ") << Method::name;
        return Method::name == o->method;
      });
      if (!known) refuse(text("--method '") << o->method << "' is not known: there are " << methods);
      const canonical_model model = canonicalize(load_origin(o->model), rules_of(o->rules));
      const host::dataset data = open_data(o->data, inputs_of(model.graph));
      calibrate::calibrator calibrator(model.graph, model.rules);
      host::progress progress("calibrating", data.runs());
      for (std::int64_t run = 0; run < data.runs(); ++run) {
        calibrator.add(data.inputs(run));
        progress.at(run + 1);
      }
      host::write_file(o->out, calibrate::print(calibrator.finish(o->method)).view());
      return 0;
    };
  });
}

} // namespace tmpuc
