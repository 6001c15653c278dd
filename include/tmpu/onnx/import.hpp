// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/list.hpp"
#include "tmpu/onnx/attributes.hpp"
#include "tmpu/onnx/modernize.hpp"
#include "tmpu/onnx/tensor.hpp"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <limits>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace tmpu::onnx {

/// A shape that the user gives to an input (`--input-shape NAME=1,1,28,28`).
struct input_shape {
  text name;
  shape dims;
};

struct import_options {
  vec<input_shape> input_shapes;
  text directory = "."; ///< where external data is looked for
  /// Leave dimensions free that neither the model nor input_shapes binds (to look at a model only).
  bool allow_free = false;
};

/// The protobuf of a file's bytes; `name` is what messages call it.
/// Errors: an empty file, bytes that are no ONNX model or only its beginning.
inline pb::ModelProto parse_model(std::span<const std::uint8_t> bytes, std::string_view name) {
  if (bytes.empty()) refuse(text("'") << name << "' is empty: it should be an ONNX model");
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    refuse(text("'") << name << "' is larger than protobuf reads (2 GiB): export it with external data");
  }
  pb::ModelProto model;
  google::protobuf::io::CodedInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  if (!model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
    refuse(text("'") << name
                     << "' is no ONNX model, or only a part of one: its protobuf cannot be read; export it again");
  }
  if (!model.has_graph()) refuse(text("'") << name << "' is no ONNX model: it holds no graph; export it again");
  return model;
}

/// A tensor that the user of a model gives.
struct model_input {
  std::string name;
  dtype_id type = dtype_id::none;
  bool dims_known = false; ///< the model itself tells every dimension
};
/// The inputs of a model that are tensors and no initializers (before IR version 4 those were inputs, too), in their order.
inline std::vector<model_input> inputs_of(const pb::ModelProto& model) {
  std::unordered_set<std::string_view> stored;
  for (const auto& t : model.graph().initializer()) stored.insert(t.name());
  std::vector<model_input> list;
  for (const auto& in : model.graph().input()) {
    if (stored.count(in.name()) != 0 || !in.type().has_tensor_type()) continue;
    const auto& type = in.type().tensor_type();
    const bool known =
        type.has_shape() && std::all_of(type.shape().dim().begin(), type.shape().dim().end(),
                                        [](const auto& d) { return d.has_dim_value() && d.dim_value() >= 0; });
    list.push_back({in.name(), dtype_of(type.elem_type()), known});
  }
  return list;
}

namespace detail {

/// What an operator is called across domains: `Conv`, `com.microsoft::FusedConv`.
inline std::string full_name(const pb::NodeProto& n) {
  return n.domain().empty() || n.domain() == "ai.onnx" ? n.op_type() : n.domain() + "::" + n.op_type();
}
inline std::string_view name_of_node(const pb::NodeProto& n) {
  if (!n.name().empty()) return n.name();
  return n.output_size() > 0 ? std::string_view(n.output(0)) : std::string_view("?");
}

/// One graph under construction.
template <class Operators> class importer {
public:
  importer(const pb::ModelProto& model, const import_options& options) : model_(&model), options_(&options) {}

  graph<stage::origin> run() {
    find_opset();
    refuse_unknown_operators();
    for (const auto& t : model_->graph().initializer()) {
      if (!initializers_.emplace(t.name(), &t).second) refuse(text("initializer '") << t.name() << "' is there twice");
    }
    if (model_->graph().sparse_initializer_size() > 0)
      refuse("the model has sparse initializers, which tmpu does not read");
    add_inputs();
    for (const auto& n : model_->graph().node()) {
      std::int64_t rank = -1;
      if (n.input_size() > 0) {
        const auto found = tensors_.find(n.input(0));
        if (found != tensors_.end() && g_.at(found->second).type != dtype_id::none) {
          rank = static_cast<std::int64_t>(g_.at(found->second).dims.rank());
        }
      }
      const std::size_t made = constants_.size();
      const auto nodes = modernize(n, opset_, rank, constants_);
      for (std::size_t i = made; i < constants_.size(); ++i)
        initializers_.emplace(constants_[i].name(), &constants_[i]);
      for (const auto& modern : nodes) add(modern);
    }
    for (const auto& out : model_->graph().output())
      g_.outputs.push_back(tensor_named(out.name(), "the graph's outputs"));
    if (g_.outputs.empty()) refuse("the model has no outputs");
    return graph<stage::origin>(std::move(g_));
  }

private:
  void find_opset() {
    opset_ = 0;
    for (const auto& set : model_->opset_import()) {
      if (set.domain().empty() || set.domain() == "ai.onnx") opset_ = set.version();
    }
    if (opset_ < oldest_opset || opset_ > newest_opset) {
      refuse(text("the model uses operator set ") << opset_ << "; tmpu reads " << oldest_opset << " to " << newest_opset
                                                  << ": convert it with onnx.version_converter or export it again");
    }
  }

  static bool is_known(const pb::NodeProto& n) {
    const std::string name = full_name(n);
    return Operators::any([&]<class Op>() { return !Op::info.onnx.empty() && Op::info.onnx == name; });
  }

  void refuse_unknown_operators() const {
    struct unknown {
      std::string op;
      std::vector<std::string> nodes;
    };
    std::vector<unknown> list;
    for (const auto& n : model_->graph().node()) {
      if (is_known(n)) continue;
      const std::string op = full_name(n);
      auto at = std::find_if(list.begin(), list.end(), [&](const unknown& u) { return u.op == op; });
      if (at == list.end()) at = list.insert(list.end(), unknown{op, {}});
      at->nodes.emplace_back(name_of_node(n));
    }
    if (list.empty()) return;
    constexpr std::size_t shown = 5;
    text message("the model has operators that this compiler does not know: ");
    for (std::size_t i = 0; i < list.size(); ++i) {
      message << (i == 0 ? "" : "; ") << list[i].op << " x" << list[i].nodes.size() << " (";
      for (std::size_t k = 0; k < list[i].nodes.size() && k < shown; ++k)
        message << (k == 0 ? "'" : ", '") << list[i].nodes[k] << '\'';
      message << (list[i].nodes.size() > shown ? ", ...)" : ")");
    }
    refuse(message << "; `tmpuc ops` lists the known ones");
  }

  void add_inputs() {
    std::vector<bool> used(options_->input_shapes.size());
    for (const auto& in : model_->graph().input()) {
      if (initializers_.count(in.name()) != 0) continue; // before IR version 4 initializers were inputs, too
      tensor t;
      read_type(in, t.type, t.dims);
      bool whole = in.type().tensor_type().has_shape();
      for (std::size_t i = 0; i < options_->input_shapes.size(); ++i) {
        const input_shape& given = options_->input_shapes[i];
        if (given.name.view() != in.name()) continue;
        used[i] = true;
        bool fits = !whole || given.dims.rank() == t.dims.rank();
        for (std::size_t d = 0; fits && whole && d < t.dims.rank(); ++d)
          fits = t.dims[d] < 0 || t.dims[d] == given.dims[d];
        if (!fits) {
          refuse(text("--input-shape ") << in.name() << '=' << join(given.dims, ",")
                                        << " contradicts the model, which has " << t.dims.print() << " (-1: free)");
        }
        t.dims = given.dims;
        whole = true;
      }
      if (!whole || (!t.dims.known() && !options_->allow_free)) {
        shape example = t.dims;
        for (std::size_t d = 0; d < example.rank(); ++d) example[d] = example[d] < 0 ? 1 : example[d];
        refuse(text("input '") << in.name() << "' " << (whole ? t.dims.print() : text(""))
                               << (whole ? " has free dimensions" : "has no shape in the model")
                               << ": bind them with --input-shape " << in.name() << '='
                               << (whole ? join(example, ",") : text("...")));
      }
      const tensor_id id = g_.add_tensor(in.name(), t.type, t.dims);
      g_.inputs.push_back(id);
      define(in.name(), id);
    }
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (used[i]) continue;
      text names;
      for (const tensor_id t : g_.inputs) names << (names.empty() ? "'" : ", '") << g_.name(t) << '\'';
      refuse(text("--input-shape names the input '")
             << options_->input_shapes[i].name << "', but the model's inputs are " << names);
    }
  }

  void define(const std::string& name, tensor_id id) {
    if (!tensors_.emplace(name, id).second) refuse(text("tensor '") << name << "' is made twice: the model is damaged");
  }

  tensor_id tensor_named(const std::string& name, std::string_view reader) {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) return found->second;
    const auto stored = initializers_.find(name);
    if (stored == initializers_.end()) {
      refuse(text(reader) << " need '" << name
                          << "', which no input, initializer or node before makes: the model is damaged or not sorted");
    }
    stored_tensor t = read_tensor(*stored->second, options_->directory);
    const tensor_id id = g_.add_constant(name, t.type, t.dims, std::move(t.bytes));
    define(name, id);
    return id;
  }

  void add(const pb::NodeProto& n) {
    const std::string name = full_name(n);
    const text where = text("node '") << name_of_node(n) << "' (" << name << ')';
    const op_record* record = nullptr;
    vec<std::uint32_t> words;
    Operators::any([&]<class Op>() {
      if (Op::info.onnx.empty() || Op::info.onnx != name) return false;
      record = &record_of<Op>;
      words = read_attributes<Op>(n, where, [&](const pb::AttributeProto& a) { return is_harmless(name, a); });
      return true;
    });
    vec<tensor_id> operands;
    for (const std::string& in : n.input()) {
      operands.push_back(in.empty() ? none : tensor_named(in, where));
    }
    while (!operands.empty() && operands.back() == none) operands.pop_back();
    vec<tensor_id> results;
    for (const std::string& out : n.output()) {
      results.push_back(out.empty() ? none : g_.add_tensor(out, dtype_id::none, {}));
      if (!out.empty()) define(out, results.back());
    }
    while (!results.empty() && results.back() == none) results.pop_back();
    const auto count = static_cast<int>(results.size());
    const int most = record->info.max_results;
    if (count == 0 || (most >= 0 && count > std::max(most, record->info.results))) {
      refuse(text(where) << " has " << count << " outputs; tmpu computes " << record->info.results);
    }
    infer(g_, g_.add_node(name_of_node(n), *record, words, operands, results));
  }

  const pb::ModelProto* model_;
  const import_options* options_;
  std::int64_t opset_ = 0;
  graph_body g_;
  std::deque<pb::TensorProto> constants_;
  std::unordered_map<std::string, const pb::TensorProto*> initializers_;
  std::unordered_map<std::string, tensor_id> tensors_;
};

} // namespace detail

/// The graph of a model, one Top node for each ONNX node (older operator sets in the form of the newest one, see modernize.hpp),
/// shapes inferred as far as the bound inputs tell. `Operators` is the list of what is known.
/// Errors: all unknown operators at once; free, contradicting or misnamed input shapes; damaged tensors and attributes.
template <class Operators>
graph<stage::origin> import_model(const pb::ModelProto& model, const import_options& options = {}) {
  return detail::importer<Operators>(model, options).run();
}

} // namespace tmpu::onnx
