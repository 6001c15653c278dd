// SPDX-License-Identifier: Apache-2.0
#include "tmpu/host/run.hpp"

#include "models.hpp"
#include "tmpu/host/checked.hpp"
#include "tmpu/host/progress.hpp"
#include "tmpu/host/threads.hpp"
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

/// Writes the results of run(thread, inputs) for all samples, some side by side.
template <class Run> void run_all(const run_options& o, const host::dataset& data, std::size_t threads, Run&& run) {
  results all(o.raw);
  host::progress progress("running", data.runs());
  std::vector<std::vector<host::named_value>> made(threads);
  for (std::int64_t first = 0; first < data.runs(); first += static_cast<std::int64_t>(threads)) {
    const std::int64_t left = data.runs() - first;
    const std::size_t together = left < static_cast<std::int64_t>(threads) ? static_cast<std::size_t>(left) : threads;
    host::in_threads{}(together,
                       [&](std::size_t i) { made[i] = run(i, data.inputs(first + static_cast<std::int64_t>(i))); });
    for (std::size_t i = 0; i < together; ++i) all.add(made[i], data, first + static_cast<std::int64_t>(i));
    progress.at(first + static_cast<std::int64_t>(together));
  }
  all.write(o.out);
}

int run_program(const run_options& o) {
  if (!o.model.input_shapes.empty()) refuse("--input-shape is for .onnx models: a .tmodel has fixed shapes");
  const isa::program program = isa::from_bytes(host::read_file(o.model.path), o.model.path);
  std::vector<std::unique_ptr<host::runner>> runners;
  runners.push_back(std::make_unique<host::runner>(program));
  const host::dataset data = open_data(o.data, inputs_of(runners[0]->network()));
  if (o.checked) host::check_program(*runners[0], data.inputs(0));
  for (std::size_t i = 1; i < host::threads_for(o.data.threads, data.runs()); ++i)
    runners.push_back(std::make_unique<host::runner>(program));
  run_all(o, data, runners.size(), [&](std::size_t thread, const vec<value>& inputs) {
    return o.all_tensors ? runners[thread]->run_all(inputs) : runners[thread]->run(inputs);
  });
  return 0;
}

int run_graph(const run_options& o) {
  if (o.checked) refuse("--checked is for .tmodel programs: a graph has no instructions");
  const loaded_model model = load_model(o.model);
  const host::dataset data = open_data(o.data, inputs_of(model.graph));
  std::vector<vec<value>> constants(host::threads_for(o.data.threads, data.runs()));
  run_all(o, data, constants.size(), [&](std::size_t thread, const vec<value>& inputs) {
    return host::run_graph(model.graph, inputs, o.all_tensors ? keep::everything : keep::outputs, &constants[thread]);
  });
  return 0;
}

} // namespace

void add_run(CLI::App& app, work& chosen) {
  auto* command =
      app.add_subcommand("run", "Run a model, a stage file or a program on data and write the results (.npz)");
  auto o = std::make_shared<run_options>();
  o->model.add(*command, "An .onnx model, a stage file or a .tmodel");
  o->data.add(*command);
  o->data.add_threads(*command);
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
