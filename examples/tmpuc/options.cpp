// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"
#include "tmpu/compare/table.hpp"
#include "tmpu/host/edge.hpp"

#include <charconv>

namespace tmpuc {

using namespace tmpu;

void model_options::add(CLI::App& command, const std::string& what) {
  command.add_option("MODEL", path, what)->required();
  // One word an option: CLI11 would let it swallow the model behind it.
  command.add_option("--input-shape", input_shapes, "Shape of an input; once for each input with free dimensions")
      ->allow_extra_args(false)
      ->type_name("NAME=1,1,28,28");
}

void rule_options::add(CLI::App& command) {
  command.add_option("--disable-rule", without, "Leave a rule of canonicalize out; once for each rule")
      ->allow_extra_args(false)
      ->type_name("NAME");
}

void compile_options::add(CLI::App& command) {
  model.add(command, "The model, an .onnx or .tflite file");
  rules.add(command);
  command.add_option("--chip", chip, "The chip to compile for; `tmpuc chips` lists them")
      ->required()
      ->type_name("NAME");
  command.add_option("--quantize", quantize, std::string(lower::mode_words().view()))->required()->type_name("MODE");
  command
      .add_option("--weight-group", weight_group,
                  "Weights in fewer bits: elements of a sum that share a scale, at most (default: 16 of four bits, 32 "
                  "of eight)")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N");
  command.add_flag("--asymmetric", asymmetric, "int8 activations with a zero point");
  command.add_flag("--float-io", float_io, "int8: inputs and outputs of the model stay f32");
  command.add_option("--qtable", qtable, "int8: layers that compute in another dtype (see `tmpuc sensitivity`)")
      ->type_name("FILE");
  command.add_option("--opt", opt, "Layer groups: 0 none, 1 greedy, 2 full search")
      ->check(CLI::Range(0, 2))
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--cores", cores, "Cores of the chip that share the layer groups")
      ->check(CLI::Range(1, 64))
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--calibration", calibration, "Table of ranges from `tmpuc calibrate` (for int8)")
      ->type_name("TABLE.cali");
}

void data_options::add_threads(CLI::App& command) {
  command
      .add_option("--threads", threads,
                  "Samples side by side, with the same results (default: as many as the processor runs)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
}
void data_options::add(CLI::App& command) {
  command
      .add_option("--data", data,
                  "Samples: .npz or .npy, the first axis counts them; once for each input where there are several")
      ->required()
      ->allow_extra_args(false)
      ->type_name("[INPUT=]FILE[:KEY]");
  command.add_option("--mean", mean, "One value, or one a channel: a float input is (x - mean) * scale")
      ->type_name("M,..");
  command.add_option("--scale", scale, "One value, or one a channel")->type_name("S,..");
  command.add_option("--samples", samples, "Take the first N samples only")->type_name("N");
}

namespace {
template <class T, class List> void parse_numbers(const std::string& words, std::string_view option, List& out) {
  const char* at = words.data();
  const char* end = at + words.size();
  bool ok = !words.empty();
  while (ok) {
    T x{};
    const auto r = std::from_chars(at, end, x);
    ok = r.ec == std::errc();
    out.push_back(x);
    at = r.ptr;
    if (at == end) break;
    ok = ok && *at++ == ',';
  }
  if (!ok) refuse(text(option) << " '" << words << "' is no list of numbers separated by commas");
}
} // namespace

floats parse_floats(const std::string& words, std::string_view option) {
  floats out;
  parse_numbers<float>(words, option, out);
  for (const float x : out) {
    if (math::is_nan(x) || math::is_inf(x)) refuse(text(option) << " '" << words << "' must be finite");
  }
  return out;
}
ints parse_ints(const std::string& words, std::string_view option) {
  ints out;
  parse_numbers<std::int64_t>(words, option, out);
  return out;
}

tolerance_words parse_tolerance(const std::string& words) {
  vec<double> pair;
  parse_numbers<double>(words, "--tolerance", pair);
  if (pair.size() != 2 || !(pair[0] <= 1.0) || !(pair[1] <= 1.0))
    refuse(text("--tolerance '") << words << "' must be COS,EUCLID, each at most 1, for example 0.99,0.9");
  return {pair[0], pair[1]};
}

chip::facts chip_named(const std::string& name) {
  chip::facts found{};
  text names;
  unpack<decltype(chip::chips)>::for_each([&]<class Chip>() {
    if (Chip::info.name == name) found = Chip::info;
    names << (names.empty() ? "" : ", ") << Chip::info.name;
  });
  if (found.name.empty()) refuse(text("there is no chip '") << name << "'; there are " << names);
  return found;
}

const lower::mode& mode_named(const std::string& word) {
  const lower::mode* m = lower::mode_named(word);
  if (m == nullptr) refuse(text("--quantize '") << word << "' is not known: it is " << lower::mode_words());
  return *m;
}

host::dataset open_data(const data_options& options, std::vector<host::input_facts> inputs) {
  std::vector<host::data_spec> specs;
  for (const std::string& word : options.data) specs.push_back(host::parse_data_spec(word));
  host::preprocessing p;
  if (!options.mean.empty()) p.mean = parse_floats(options.mean, "--mean");
  if (!options.scale.empty()) p.scale = parse_floats(options.scale, "--scale");
  if (options.samples < 0) refuse("--samples must not be negative");
  return {std::move(inputs), specs, p, options.samples};
}

std::vector<host::input_facts> inputs_of(const graph_body& g) {
  std::vector<host::input_facts> out;
  for (const tensor_id t : g.inputs) {
    out.push_back({std::string(g.name(t)), host::user_type(g.at(t).type, g.at(t).quant, g.at(t).edge), g.at(t).dims});
  }
  return out;
}
std::vector<host::input_facts> inputs_of(const isa::network& n) {
  std::vector<host::input_facts> out;
  for (const isa::io_tensor& t : n.inputs) {
    out.push_back(
        {std::string(t.name.view()), host::user_type(t.type, {t.scale, t.zero_point}, t.edge), shape(t.dims.span())});
  }
  return out;
}

std::string activation_line(const isa::network& n) {
  const std::int64_t gap = n.activation_bytes - n.activation_bound;
  std::string line = std::to_string(n.activation_bytes) + " bytes of global memory at the peak, lower bound " +
                     std::to_string(n.activation_bound) + ", gap " + std::to_string(gap);
  return gap == 0 ? line + ": optimal" : line;
}

std::string json_text(std::string_view s) {
  text out;
  compare::detail::json_string(out, s);
  return std::string(out.view());
}

} // namespace tmpuc
