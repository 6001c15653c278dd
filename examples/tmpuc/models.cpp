// SPDX-License-Identifier: Apache-2.0
// Everything that needs protobuf or flatbuffers.
#include "models.hpp"

#include "tmpu/isa/tmodel.hpp"
#include "tmpu/onnx/import.hpp"
#include "tmpu/onnx/stage_file.hpp"
#include "tmpu/onnx/survey.hpp"
#include "tmpu/tflite/import.hpp"
#include "tmpu/top/operators.hpp"
#include "tmpu/tpu/operators.hpp"

#include <algorithm>
#include <filesystem>

namespace tmpuc {

using namespace tmpu;
using operators = unpack<decltype(top::operators)>;
using stage_operators = join_lists<operators, unpack<decltype(tpu::operators)>>;

namespace {
vec<tmpu::input_shape> shapes_of(const model_options& options) {
  vec<tmpu::input_shape> shapes;
  for (const std::string& word : options.input_shapes) {
    const auto equals = word.rfind('=');
    if (equals == std::string::npos || equals == 0)
      refuse(text("--input-shape '") << word << "' must be NAME=1,1,28,28");
    const ints dims = parse_ints(word.substr(equals + 1), "--input-shape");
    if (dims.size() > shape::max_rank) refuse(text("--input-shape '") << word << "' has more than 8 dimensions");
    for (const std::int64_t d : dims) {
      if (d < 1 || d > (std::int64_t{1} << 31))
        refuse(text("--input-shape '") << word << "' must have dimensions of 1 and more");
    }
    shapes.push_back({text(word.substr(0, equals)), shape(dims.span())});
  }
  return shapes;
}
} // namespace

namespace {
/// A TensorFlow Lite model. Its constants are copied: the file's bytes go when this ends.
loaded_model load_tflite(const model_options& options, const vec<std::uint8_t>& bytes, bool allow_free) {
  const tflite::model model(bytes.span(), options.path);
  graph_body g = tflite::import_model(model, {.input_shapes = shapes_of(options), .allow_free = allow_free});
  for (constant_bytes& c : g.constants) c = {.owned = vec<std::uint8_t>(c.bytes()), .view = nullptr, .view_size = 0};
  return {stage::origin, false, std::move(g)};
}
} // namespace

loaded_model load_model(const model_options& options, bool allow_free) {
  const vec<std::uint8_t> bytes = host::read_file(options.path);
  if (tflite::looks_like_tflite(bytes)) return load_tflite(options, bytes, allow_free);
  if (isa::looks_like_tmodel(bytes))
    refuse(text("'") << options.path << "' is a compiled program (.tmodel): give an .onnx or .tflite file");
  const auto model = tmpu::onnx::parse_model(bytes, options.path);
  if (tmpu::onnx::is_stage_file(model)) {
    if (!options.input_shapes.empty())
      refuse(text("'") << options.path << "' is a stage file, whose shapes are fixed: leave --input-shape out");
    auto loaded = tmpu::onnx::from_onnx<stage_operators>(model);
    return {loaded.at, true, std::move(loaded.graph)};
  }
  const std::string folder = std::filesystem::path(options.path).parent_path().string();
  static tmpu::onnx::external_files files; // graphs look into them until the end
  tmpu::onnx::import_options how{.input_shapes = shapes_of(options),
                                 .directory = text(folder.empty() ? std::string_view(".") : std::string_view(folder)),
                                 .files = &files,
                                 .allow_free = allow_free};
  return {stage::origin, false, tmpu::onnx::import_model<operators>(model, how)};
}

std::vector<operator_use> operators_of(const model_options& options) {
  const vec<std::uint8_t> bytes = host::read_file(options.path);
  std::vector<operator_use> uses;
  if (tflite::looks_like_tflite(bytes)) {
    const graph_body g = load_model(options, true).graph;
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
      const node& n = g.nodes[i];
      const std::string called(n.op->info.onnx);
      auto at = std::find_if(uses.begin(), uses.end(), [&](const operator_use& u) { return u.onnx == called; });
      if (at == uses.end()) at = uses.insert(at, {called, called, 0, {}});
      ++at->count;
      at->nodes.emplace_back(g.node_name(static_cast<node_id>(i)));
    }
    return uses;
  }
  const auto model = tmpu::onnx::parse_model(bytes, options.path);
  if (tmpu::onnx::is_stage_file(model)) {
    refuse(text("'") << options.path << "' is a stage of a model: give the model itself");
  }
  for (auto& u : tmpu::onnx::operator_uses(model)) {
    const std::string today(tmpu::onnx::name_today(u.onnx));
    uses.push_back({u.onnx, today, u.count, std::move(u.nodes)});
  }
  return uses;
}

graph<stage::origin> load_origin(const model_options& options) {
  auto loaded = load_model(options);
  if (loaded.at != stage::origin) {
    refuse(text("'") << options.path << "' is the " << name_of(loaded.at)
                     << " stage of a model: give the model itself");
  }
  return graph<stage::origin>(std::move(loaded.graph));
}

void save_stage(const std::string& path, const graph_body& g, stage at, std::string_view network) {
  host::write_file(path, tmpu::onnx::to_onnx<stage_operators>(g, at, network).SerializeAsString());
}

bool is_tmodel(const std::string& path) { return isa::looks_like_tmodel(host::read_file(path)); }

std::string network_name(const std::string& path) { return std::filesystem::path(path).stem().string(); }

} // namespace tmpuc
