// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "command.hpp"
#include "tmpu/calibrate/qtable_text.hpp"
#include "tmpu/calibrate/table_text.hpp"
#include "tmpu/canonicalize/canonicalize.hpp"
#include "tmpu/chip/chip.hpp"
#include "tmpu/core/reflect.hpp"
#include "tmpu/group/group.hpp"
#include "tmpu/host/data.hpp"
#include "tmpu/ir/graph.hpp"
#include "tmpu/isa/program.hpp"
#include "tmpu/lower/modes.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

/// What the commands do with models, each in the one file that pays for its headers.
namespace tmpuc {

// --- models.cpp: protobuf ------------------------------------------------------------------------------------------
/// Any .onnx file: a model (stage origin) or a stage file of ours.
struct loaded_model {
  tmpu::stage at = tmpu::stage::origin;
  bool is_stage_file = false;
  tmpu::graph_body graph;
};
/// `allow_free`: leave free dimensions free (to look at the model only).
loaded_model load_model(const model_options& options, bool allow_free = false);
/// A model proper: refuses stage files.
tmpu::graph<tmpu::stage::origin> load_origin(const model_options& options);
/// How often an operator is in a model, and the names of the nodes.
struct operator_use {
  std::string onnx;
  std::string today; ///< its name in the newest operator set
  std::int64_t count = 0;
  std::vector<std::string> nodes;
};
std::vector<operator_use> operators_of(const model_options& options);
void save_stage(const std::string& path, const tmpu::graph_body& g, tmpu::stage at, std::string_view network);
bool is_tmodel(const std::string& path);
/// `digits_cnn` of `models/digits_cnn.onnx`.
std::string network_name(const std::string& path);

// --- canonical.cpp ------------------------------------------------------------------------------------------------
struct canonical_model {
  tmpu::graph<tmpu::stage::canonical> graph;
  std::uint64_t rules = 0; ///< fingerprint of the rules that made it
};
canonical_model canonicalize(tmpu::graph<tmpu::stage::origin> model, const tmpu::canonicalize::options& rules = {});
/// The names point into the options, which must stay.
tmpu::canonicalize::options rules_of(const rule_options& options);

// --- compile_*.cpp: the passes ------------------------------------------------------------------------------------
using stage_observer = std::function<void(const tmpu::graph_body&, tmpu::stage)>;

struct compile_request {
  tmpu::chip::facts chip;
  std::string network;
  std::string quantize; ///< a word of lower::modes
  bool asymmetric = false;
  std::int64_t weight_group = 0;                   ///< elements that share a scale at most; 0: as many as usual
  bool float_io = false;                           ///< int8: inputs and outputs stay f32
  const tmpu::calibrate::qtable* layers = nullptr; ///< int8: layers in another dtype
  tmpu::group::effort opt = tmpu::group::effort::full;
  std::int32_t cores = 1;
  const tmpu::calibrate::table* calibration = nullptr;
  tmpu::canonicalize::options rules;                          ///< of canonicalize: which are left out
  tmpu::vec<tmpu::canonicalize::rule_count>* fired = nullptr; ///< where to put how often each rule changed the graph
};
tmpu::isa::program compile_float(tmpu::graph<tmpu::stage::origin> model, const compile_request& r,
                                 const stage_observer& see);
tmpu::isa::program compile_int8(tmpu::graph<tmpu::stage::origin> model, const compile_request& r,
                                const stage_observer& see);
/// Lowers a model for the chip, int8 with ranges that are not its own: refuses what no rule takes.
void lower_float(tmpu::graph<tmpu::stage::origin> model, const compile_request& r);
void lower_int8(tmpu::graph<tmpu::stage::origin> model, const compile_request& r);
/// From the canonical graph, as often as one likes, to the calibrated and the lowered one.
tmpu::graph<tmpu::stage::calibrated> calibrate_int8(const canonical_model& model, const compile_request& r);
tmpu::graph<tmpu::stage::lowered> lower_int8(const tmpu::graph<tmpu::stage::calibrated>& g, const compile_request& r);
/// The nodes that compute in int8 of their own.
tmpu::vec<tmpu::node_id> int8_layers(const tmpu::graph<tmpu::stage::calibrated>& g, const compile_request& r);
tmpu::calibrate::qtable read_qtable(const std::string& path);
tmpu::calibrate::table read_calibration(const std::string& path);
/// Compiles as the options say; `see` gets the graph of every stage. `fired`, where it is given, is filled from the stage
/// canonical on.
tmpu::isa::program compile(const compile_options& options, const stage_observer& see,
                           tmpu::vec<tmpu::canonicalize::rule_count>* fired = nullptr);

// --- options.cpp --------------------------------------------------------------------------------------------------
tmpu::chip::facts chip_named(const std::string& name);
/// Peak of the activations in global memory, the bound it cannot go below and the gap, for people.
std::string activation_line(const tmpu::isa::network& n);
/// The mode that a word of --quantize names; refuses others.
const tmpu::lower::mode& mode_named(const std::string& word);
tmpu::host::dataset open_data(const data_options& options, std::vector<tmpu::host::input_facts> inputs);
std::vector<tmpu::host::input_facts> inputs_of(const tmpu::graph_body& g);
std::vector<tmpu::host::input_facts> inputs_of(const tmpu::isa::network& n);
/// Numbers separated by commas; `option` is what messages call them.
tmpu::floats parse_floats(const std::string& words, std::string_view option);
tmpu::ints parse_ints(const std::string& words, std::string_view option);
/// COS,EUCLID of --tolerance.
struct tolerance_words {
  double cosine = 0;
  double euclid = 0;
};
tolerance_words parse_tolerance(const std::string& words);

/// A text in JSON's quotes.
std::string json_text(std::string_view s);

} // namespace tmpuc
