// SPDX-License-Identifier: Apache-2.0
#include "tmpu/host/run.hpp"

#include "models.hpp"
#include "tmpu/host/checked.hpp"
#include "tmpu/host/progress.hpp"
#include "tmpu/isa/tmodel.hpp"

#include <map>
#include <memory>

namespace tmpuc {

using namespace tmpu;

namespace {

struct run_options {
  model_options model;
  data_options data;
  bool checked = false;
  bool all_tensors = false;
  bool raw = false;
  std::string out;
};

/// Results of all runs, joined, in the order in which the first run brought them.
class results {
public:
  explicit results(bool raw) : raw_(raw) {}
  void add(const std::vector<host::named_value>& made, const host::dataset& data, std::int64_t run) {
    for (const host::named_value& v : made) {
      const auto at = index_.try_emplace(v.name, joined_.size()).first->second;
      if (at == joined_.size()) {
        joined_.emplace_back();
        names_.push_back(v.name);
      }
      joined_[at].add(raw_ ? v.content : host::user_value(v), data, run);
    }
  }
  void write(const std::string& path) const {
    std::vector<host::array> arrays;
    for (std::size_t i = 0; i < names_.size(); ++i) arrays.push_back(host::to_array(names_[i], joined_[i].get()));
    host::write_npz(path, arrays);
  }

private:
  bool raw_;
  std::map<std::string, std::size_t> index_;
  std::vector<std::string> names_;
  std::vector<host::joined_result> joined_;
};

int run_program(const run_options& o) {
  if (!o.model.input_shapes.empty()) refuse("--input-shape is for .onnx models: a .tmodel has fixed shapes");
  const isa::program program = isa::from_bytes(host::read_file(o.model.path), o.model.path);
  host::runner runner(program);
  const host::dataset data = open_data(o.data, inputs_of(runner.network()));
  if (o.checked) host::check_program(runner, data.inputs(0));
  results all(o.raw);
  host::progress progress("running", data.runs());
  for (std::int64_t run = 0; run < data.runs(); ++run) {
    const auto inputs = data.inputs(run);
    all.add(o.all_tensors ? runner.run_all(inputs) : runner.run(inputs), data, run);
    progress.at(run + 1);
  }
  all.write(o.out);
  return 0;
}

int run_graph(const run_options& o) {
  if (o.checked) refuse("--checked is for .tmodel programs: a graph has no instructions");
  const loaded_model model = load_model(o.model);
  const host::dataset data = open_data(o.data, inputs_of(model.graph));
  vec<value> constants;
  results all(o.raw);
  host::progress progress("running", data.runs());
  for (std::int64_t run = 0; run < data.runs(); ++run) {
    all.add(
        host::run_graph(model.graph, data.inputs(run), o.all_tensors ? keep::everything : keep::outputs, &constants),
        data, run);
    progress.at(run + 1);
  }
  all.write(o.out);
  return 0;
}

} // namespace

void add_run(CLI::App& app, work& chosen) {
  auto* command =
      app.add_subcommand("run", "Run a model, a stage file or a program on data and write the results (.npz)");
  auto o = std::make_shared<run_options>();
  o->model.add(*command, "An .onnx model, a stage file or a .tmodel");
  o->data.add(*command);
  command->add_flag("--checked", o->checked, "Of a .tmodel: look for reads of uninitialised memory and hazards first");
  command->add_flag("--all-tensors", o->all_tensors, "Write every tensor, not only the outputs");
  command->add_flag("--raw", o->raw, "Write elements as the machine has them (int8, ...), not dequantized");
  command->add_option("-o,--output", o->out, "The .npz to write: an array [samples, ...] for each output")
      ->required()
      ->type_name("OUT.npz");
  command->callback(
      [&chosen, o] { chosen = [o] { return is_tmodel(o->model.path) ? run_program(*o) : run_graph(*o); }; });
}

} // namespace tmpuc
