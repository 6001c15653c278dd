// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/list.hpp"
#include "tmpu/ir/input_shapes.hpp"
#include "tmpu/ir/propagate.hpp"
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

struct import_options {
  vec<input_shape> input_shapes;
  text directory = "."; ///< where external data is looked for
  /// Where given, the graph's constants are views of these files, which outlive it; otherwise copies.
  external_files* files = nullptr;
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

/// What the user of a model gives.
struct model_input {
  std::string name;
  dtype_id type = dtype_id::none; ///< none: no tensor, or of elements that tmpu does not know
};
/// The inputs of a model that are no initializers (before IR version 4 those were inputs, too), in their order.
inline std::vector<model_input> inputs_of(const pb::ModelProto& model) {
  std::unordered_set<std::string_view> stored;
  for (const auto& t : model.graph().initializer()) stored.insert(t.name());
  std::vector<model_input> list;
  for (const auto& in : model.graph().input()) {
    if (stored.count(in.name()) == 0) list.push_back({in.name(), dtype_of_onnx(in.type().tensor_type().elem_type())});
  }
  return list;
}

namespace detail {

inline bool is_default_domain(std::string_view domain) { return domain.empty() || domain == "ai.onnx"; }
/// What an operator is called across domains: `Conv`, `com.microsoft::FusedConv`.
inline std::string full_name(const pb::NodeProto& n) {
  return is_default_domain(n.domain()) ? n.op_type() : n.domain() + "::" + n.op_type();
}
inline std::string_view name_of_node(const pb::NodeProto& n) {
  if (!n.name().empty()) return n.name();
  return n.output_size() > 0 ? std::string_view(n.output(0)) : std::string_view("?");
}

/// What a model-local function is called.
inline std::string function_name(std::string_view domain, std::string_view name) {
  return std::string(is_default_domain(domain) ? std::string_view() : domain) + "::" + std::string(name);
}
/// Nesting of functions and branches.
inline constexpr int deepest_nesting = 64;

/// Why operators that are in ONNX are not in tmpu, for messages.
struct beyond {
  std::string_view begins; ///< of the full name
  std::string_view why;
};
inline constexpr beyond beyond_tmpu[] = {
    {"ai.onnx.preview.training::", "training"},
    {"If", "control flow"},
    {"Loop", "control flow"},
    {"Scan", "control flow"},
    {"SequenceMap", "control flow over sequences"},
    {"Optional", "optional values"},
    {"String", "texts"},
    {"TfIdfVectorizer", "texts"},
    {"RegexFullMatch", "texts"},
    {"ImageDecoder", "files"},
};

/// Operators of sequences of tensors. A graph has none: the importer keeps lists of its tensors while it reads.
inline constexpr std::string_view sequence_operators[] = {
    "SequenceEmpty", "SequenceConstruct", "SequenceInsert",     "SequenceErase",
    "SequenceAt",    "SequenceLength",    "ConcatFromSequence", "SplitToSequence",
};
inline bool is_sequence_operator(const pb::NodeProto& n) {
  return is_default_domain(n.domain()) && std::find(std::begin(sequence_operators), std::end(sequence_operators),
                                                    n.op_type()) != std::end(sequence_operators);
}

/// The operators that a graph may not hold, with the nodes that hold them.
class unknown_operators {
public:
  void add(const std::string& op, std::string_view node) {
    auto at = std::find_if(list_.begin(), list_.end(), [&](const entry& e) { return e.op == op; });
    if (at == list_.end()) at = list_.insert(list_.end(), entry{op, {}});
    at->nodes.emplace_back(node);
  }
  void refuse_if_any() const {
    if (list_.empty()) return;
    constexpr std::size_t shown = 5;
    text message("the model has operators that this compiler does not know: ");
    for (std::size_t i = 0; i < list_.size(); ++i) {
      const auto& [op, nodes] = list_[i];
      message << (i == 0 ? "" : "; ") << op << " x" << nodes.size() << " (";
      for (std::size_t k = 0; k < nodes.size() && k < shown; ++k) message << (k == 0 ? "'" : ", '") << nodes[k] << '\'';
      message << (nodes.size() > shown ? ", ...)" : ")");
      for (const beyond& b : beyond_tmpu) {
        if (op.rfind(b.begins, 0) != 0) continue;
        message << ", " << b.why;
        break;
      }
    }
    refuse(message << "; `tmpuc ops` lists the known ones");
  }

private:
  struct entry {
    std::string op;
    std::vector<std::string> nodes;
  };
  std::vector<entry> list_;
};

/// One graph under construction. Bodies of model-local functions and the branch of an If whose condition is known are put in
/// the place of their node; the names of a function's tensors get the node's name before them.
template <class Operators> class importer {
public:
  importer(const pb::ModelProto& model, const import_options& options) : model_(&model), options_(&options) {}

  graph<stage::origin> run() {
    const pb::GraphProto& main = model_->graph();
    for (const auto& f : model_->functions()) functions_.emplace(function_name(f.domain(), f.name()), &f);
    scope names{.outer = nullptr, .prefix = "", .opset = opset_of(model_->opset_import()), .tensors = {}, .stored = {}};
    unknown_operators unknown;
    note_unknown(main.node(), unknown, 0);
    unknown.refuse_if_any();
    add_initializers(main, names);
    add_inputs(names);
    add_nodes(main.node(), names, 0);
    for (const auto& out : main.output())
      g_.outputs.push_back(output(tensor_named(out.name(), names, "the graph's outputs"), out.name()));
    if (g_.outputs.empty()) refuse("the model has no outputs");
    return graph<stage::origin>(std::move(g_));
  }

private:
  /// What names mean in a graph, a branch or the body of a function. A branch sees the names around it.
  struct scope {
    const scope* outer;
    std::string prefix;
    std::int64_t opset;
    std::unordered_map<std::string, tensor_id> tensors;
    std::unordered_map<std::string, const pb::TensorProto*> stored;
    std::unordered_map<std::string, vec<tensor_id>> sequences{};
  };
  static constexpr std::size_t most_nodes = 1 << 20; ///< after functions are put in

  /// Elements of a tensor; unknown dimensions count as 1.
  static std::int64_t known_part(shape d) {
    for (std::size_t i = 0; i < d.rank(); ++i) d[i] = d[i] < 0 ? 1 : d[i];
    return d.elements();
  }

  template <class List> static std::int64_t opset_of(const List& sets) {
    std::int64_t opset = newest_opset;
    for (const auto& set : sets) {
      if (is_default_domain(set.domain())) opset = set.version();
    }
    if (opset < oldest_opset || opset > newest_opset) {
      refuse(text("the model uses operator set ") << opset << "; tmpu reads " << oldest_opset << " to " << newest_opset
                                                  << ": convert it with onnx.version_converter or export it again");
    }
    return opset;
  }

  // --- what is known -----------------------------------------------------------------------------------------------
  [[nodiscard]] const pb::FunctionProto* function_of(const pb::NodeProto& n) const {
    const auto found = functions_.find(function_name(n.domain(), n.op_type()));
    return found == functions_.end() ? nullptr : found->second;
  }
  static bool is_if(const pb::NodeProto& n) { return is_default_domain(n.domain()) && n.op_type() == "If"; }
  static bool is_known(const pb::NodeProto& n) {
    const std::string old = full_name(n);
    const std::string_view name = name_today(old);
    return Operators::any([&]<class Op>() { return !Op::info.onnx.empty() && Op::info.onnx == name; });
  }
  template <class Nodes> void note_unknown(const Nodes& nodes, unknown_operators& unknown, int depth) {
    if (depth > deepest_nesting) refuse_depth();
    for (const auto& n : nodes) {
      if (const pb::FunctionProto* f = function_of(n); f != nullptr) {
        if (noted_.insert(f).second) note_unknown(f->node(), unknown, depth + 1);
      } else if (!is_if(n) && !is_sequence_operator(n) && !is_known(n)) {
        unknown.add(full_name(n), name_of_node(n));
      }
    }
  }
  [[noreturn]] static void refuse_depth() {
    refuse(text("functions or branches of the model are nested deeper than ")
           << deepest_nesting << ": the model is damaged, or a "
           << "function calls itself");
  }

  // --- tensors -------------------------------------------------------------------------------------------------------
  static void add_initializers(const pb::GraphProto& from, scope& names) {
    for (const auto& t : from.initializer()) {
      if (!names.stored.emplace(t.name(), &t).second) refuse(text("initializer '") << t.name() << "' is there twice");
    }
    if (from.sparse_initializer_size() > 0) refuse("the model has sparse initializers, which tmpu does not read");
  }

  void add_inputs(scope& names) {
    const std::vector<model_input> inputs = inputs_of(*model_);
    std::vector<std::string_view> called;
    for (const model_input& in : inputs) called.emplace_back(in.name);
    check_input_names(options_->input_shapes.span(), called);
    for (const auto& in : model_->graph().input()) {
      if (names.stored.count(in.name()) != 0) continue; // before IR version 4 initializers were inputs, too
      tensor t;
      read_type(in, t.type, t.dims);
      t.dims = bound_shape(in.name(), t.dims, in.type().tensor_type().has_shape(), options_->input_shapes.span(),
                           options_->allow_free);
      if (known_part(t.dims) > most_elements) {
        refuse(text("input '") << in.name() << "' has the shape " << t.dims.print() << ", more than " << most_elements
                               << " elements: the model is damaged");
      }
      const tensor_id id = g_.add_tensor(in.name(), t.type, t.dims);
      g_.inputs.push_back(id);
      define(in.name(), id, names);
    }
  }

  static void define(const std::string& name, tensor_id id, scope& names) {
    if (!names.tensors.emplace(name, id).second || names.stored.count(name) != 0) {
      refuse(text("tensor '") << name << "' is made twice: the model is damaged");
    }
  }

  tensor_id tensor_named(const std::string& name, scope& names, std::string_view reader) {
    for (const scope* s = &names; s != nullptr; s = s->outer) {
      const auto found = s->tensors.find(name);
      if (found != s->tensors.end()) return found->second;
      const auto stored = s->stored.find(name);
      if (stored == s->stored.end()) continue;
      auto& made = constants_made_[stored->second];
      if (made == 0) {
        made = 1 + add_constant(s->prefix + name, *stored->second);
      }
      return made - 1;
    }
    if (find_sequence(name, names) != nullptr) {
      refuse(text(reader) << " need '" << name << "' as a tensor, but it is a sequence of tensors");
    }
    const bool later =
        makes(model_->graph().node(), name) ||
        std::any_of(functions_.begin(), functions_.end(), [&](const auto& f) { return makes(f.second->node(), name); });
    refuse(text(reader) << " need '" << name << "', which "
                        << (later ? "only a later node makes: its nodes are not sorted, or form a cycle"
                                  : "no input, initializer or node makes: the model is damaged"));
  }

  template <class Nodes> static bool makes(const Nodes& nodes, const std::string& name) {
    return std::any_of(nodes.begin(), nodes.end(), [&](const pb::NodeProto& n) {
      return std::find(n.output().begin(), n.output().end(), name) != n.output().end();
    });
  }

  tensor_id add_constant(const std::string& name, const pb::TensorProto& from) {
    stored_tensor t = read_tensor(from, options_->directory, options_->files != nullptr ? *options_->files : files_);
    if (t.view.empty()) return g_.add_constant(name, t.type, t.dims, std::move(t.own));
    if (options_->files != nullptr) return g_.add_constant_view(name, t.type, t.dims, t.view);
    return g_.add_constant(name, t.type, t.dims, vec<std::uint8_t>(t.view));
  }

  /// The tensor under the name of an output; a node of its own where the tensor has another one already.
  tensor_id output(tensor_id t, const std::string& name) {
    if (g_.name(t) == name) return t;
    pb::NodeProto copy;
    copy.set_op_type("Identity");
    copy.set_name(name);
    const tensor_id result = g_.add_tensor(name, dtype_id::none, {});
    add_operator(copy, {t}, {result});
    return result;
  }

  // --- nodes ---------------------------------------------------------------------------------------------------------
  template <class Nodes> void add_nodes(const Nodes& nodes, scope& names, int depth) {
    if (depth > deepest_nesting) refuse_depth();
    for (const auto& n : nodes) {
      if (++steps_ > most_nodes) {
        refuse(text("the model has more than ") << most_nodes << " nodes once its functions are put in");
      }
      if (const pb::FunctionProto* f = function_of(n); f != nullptr) {
        add_function(n, *f, names, depth);
      } else if (is_if(n)) {
        add_branch(n, names, depth);
      } else if (is_sequence_operator(n)) {
        add_sequence(n, names);
      } else {
        const operand_facts facts = [&](int i) -> const tensor* {
          for (const scope* s = &names; s != nullptr; s = s->outer) {
            const auto found = s->tensors.find(n.input(i));
            if (found != s->tensors.end()) return &g_.at(found->second);
            if (s->stored.count(n.input(i)) != 0) return &g_.at(tensor_named(n.input(i), names, n.op_type()));
          }
          return nullptr;
        };
        const std::size_t made = constants_.size();
        const auto modern = modernize(n, names.opset, facts, constants_);
        for (std::size_t i = made; i < constants_.size(); ++i)
          names.stored.emplace(constants_[i].name(), &constants_[i]);
        for (const auto& m : modern) add(m, names);
      }
    }
  }

  void add(const pb::NodeProto& n, scope& names) {
    const text where = text("node '") << name_of_node(n) << "' (" << full_name(n) << ')';
    vec<tensor_id> operands;
    for (const std::string& in : n.input()) {
      operands.push_back(in.empty() ? none : tensor_named(in, names, where));
    }
    while (!operands.empty() && operands.back() == none) operands.pop_back();
    vec<tensor_id> results;
    for (const std::string& out : n.output()) {
      results.push_back(out.empty() ? none : g_.add_tensor(names.prefix + out, dtype_id::none, {}));
      if (!out.empty()) define(out, results.back(), names);
    }
    while (!results.empty() && results.back() == none) results.pop_back();
    add_operator(n, operands, results, names.prefix);
  }

  void add_operator(const pb::NodeProto& n, const vec<tensor_id>& operands, const vec<tensor_id>& results,
                    const std::string& prefix = "") {
    const std::string name = full_name(n);
    const text where = text("node '") << prefix << name_of_node(n) << "' (" << name << ')';
    const op_record* record = nullptr;
    vec<std::uint32_t> words;
    Operators::any([&]<class Op>() {
      if (Op::info.onnx.empty() || Op::info.onnx != name) return false;
      record = &record_of<Op>;
      words = read_attributes<Op>(n, where, [&](const pb::AttributeProto& a) { return is_harmless(name, a); });
      return true;
    });
    if (record == nullptr) refuse(text(where) << " is needed to read this model, but this compiler does not know it");
    const auto count = static_cast<int>(results.size());
    const int most = record->info.max_results;
    if (count == 0 || (most >= 0 && count > std::max(most, record->info.results))) {
      refuse(text(where) << " has " << count << " outputs; tmpu computes " << record->info.results);
    }
    const node_id id = g_.add_node(prefix + std::string(name_of_node(n)), *record, words, operands, results);
    infer_and_propagate(g_, id, known_);
    for (const tensor_id t : results) {
      if (t != none && known_part(g_.at(t).dims) > most_elements) {
        refuse(text(where) << " makes '" << g_.name(t) << "' of the shape " << g_.at(t).dims.print() << ", more than "
                           << most_elements << " elements: the model is damaged");
      }
    }
  }

  // --- bodies --------------------------------------------------------------------------------------------------------
  /// The results of a body become those of the node: under the node's names where the body's nodes made them.
  template <class Names>
  void take_results(const pb::NodeProto& n, const Names& bodys, scope& body, scope& names, node_id first) {
    if (n.output_size() > static_cast<int>(bodys.size())) {
      refuse(text("node '") << name_of_node(n) << "' (" << full_name(n) << ") has " << n.output_size()
                            << " outputs; its body makes " << bodys.size());
    }
    std::unordered_set<tensor_id> taken;
    for (int i = 0; i < n.output_size(); ++i) {
      if (n.output(i).empty()) continue;
      const tensor_id t =
          tensor_named(bodys[static_cast<std::size_t>(i)], body, text("the results of '") << name_of_node(n) << '\'');
      const std::string full = names.prefix + n.output(i);
      if (g_.at(t).producer >= first && taken.insert(t).second) {
        g_.rename(t, full);
        define(n.output(i), t, names);
      } else {
        define(n.output(i), output(t, full), names);
      }
    }
  }

  void add_function(const pb::NodeProto& n, const pb::FunctionProto& f, scope& names, int depth) {
    const text where = text("node '") << name_of_node(n) << "' (" << full_name(n) << ')';
    scope body{.outer = nullptr,
               .prefix = names.prefix + std::string(name_of_node(n)) + "/",
               .opset = f.opset_import_size() > 0 ? opset_of(f.opset_import()) : names.opset,
               .tensors = {},
               .stored = {}};
    if (n.input_size() > f.input_size()) {
      refuse(text(where) << " has " << n.input_size() << " inputs; its function takes " << f.input_size());
    }
    std::unordered_set<std::string> absent;
    for (int i = 0; i < f.input_size(); ++i) {
      if (i < n.input_size() && !n.input(i).empty()) {
        define(f.input(i), tensor_named(n.input(i), names, where), body);
      } else {
        absent.insert(f.input(i));
      }
    }
    pb::FunctionProto filled = f;
    for (auto& inner : *filled.mutable_node()) fill(inner, n, absent, 0);
    const auto first = static_cast<node_id>(g_.nodes.size());
    add_nodes(filled.node(), body, depth + 1);
    take_results(n, std::vector<std::string>(f.output().begin(), f.output().end()), body, names, first);
  }
  /// Attributes that stand for the function's (ref_attr_name) get the call's values; inputs that the call leaves out are absent.
  static void fill(pb::NodeProto& inner, const pb::NodeProto& call, const std::unordered_set<std::string>& absent,
                   int depth) {
    if (depth > deepest_nesting) refuse_depth();
    for (std::string& in : *inner.mutable_input()) {
      if (absent.count(in) != 0) in.clear();
    }
    for (int i = inner.attribute_size(); i-- > 0;) {
      auto& a = *inner.mutable_attribute(i);
      if (a.has_g()) {
        for (auto& b : *a.mutable_g()->mutable_node()) fill(b, call, absent, depth + 1);
      }
      if (a.ref_attr_name().empty()) continue;
      const auto given = std::find_if(call.attribute().begin(), call.attribute().end(),
                                      [&](const auto& c) { return c.name() == a.ref_attr_name(); });
      if (given == call.attribute().end()) {
        inner.mutable_attribute()->DeleteSubrange(i, 1);
      } else {
        const std::string own = a.name();
        a = *given;
        a.set_name(own);
      }
    }
  }
  // --- sequences -----------------------------------------------------------------------------------------------------
  static constexpr std::int64_t most_parts = 1 << 16; ///< tensors in a sequence

  static const vec<tensor_id>* find_sequence(const std::string& name, const scope& names) {
    for (const scope* s = &names; s != nullptr; s = s->outer) {
      const auto found = s->sequences.find(name);
      if (found != s->sequences.end()) return &found->second;
    }
    return nullptr;
  }
  static bool given(const pb::NodeProto& n, int i) { return i < n.input_size() && !n.input(i).empty(); }
  /// Operand i of a sequence operator, one integer that must be known.
  std::int64_t known_integer(const pb::NodeProto& n, int i, scope& names, const text& where) {
    known_elements e;
    const tensor_id t = tensor_named(n.input(i), names, where);
    if (!find_known(g_, t, known_, e) || !e.complete() || e.content.i.size() != 1) {
      refuse(text(where) << " needs '" << n.input(i) << "' as one constant integer");
    }
    return e.content.i[0];
  }
  tensor_id add_list(const std::string& name, const ints& list) {
    return g_.add_constant(name, make_value(dtype_id::i64, {static_cast<std::int64_t>(list.size())}, list.span()));
  }
  /// `op(operands)` where a sequence operator stands; `axis`: the attribute.
  void put_in_place(const pb::NodeProto& n, std::string_view op, const vec<tensor_id>& operands,
                    const vec<tensor_id>& results, const std::string& prefix, const std::int64_t* axis = nullptr) {
    pb::NodeProto made;
    made.set_op_type(std::string(op));
    made.set_name(std::string(name_of_node(n)));
    if (axis != nullptr) old_node::set_int(made, "axis", *axis);
    add_operator(made, operands, results, prefix);
  }

  void add_sequence(const pb::NodeProto& n, scope& names) {
    const std::string& op = n.op_type();
    const text where = text("node '") << name_of_node(n) << "' (" << op << ')';
    if (n.output_size() != 1) refuse(text(where) << " has " << n.output_size() << " outputs; it makes one");
    const std::string base = names.prefix + n.output(0);
    vec<tensor_id> items;
    if (op == "SequenceConstruct") {
      for (const std::string& in : n.input()) items.push_back(tensor_named(in, names, where));
    } else if (op == "SplitToSequence") {
      items = split(n, base, names, where);
    } else if (op != "SequenceEmpty") {
      const vec<tensor_id>* from = given(n, 0) ? find_sequence(n.input(0), names) : nullptr;
      if (from == nullptr) {
        refuse(text(where) << " needs a sequence that the model itself puts together: tmpu keeps none at run time");
      }
      items = *from;
    }
    const auto count = static_cast<std::int64_t>(items.size());
    const auto place = [&](int i, std::int64_t most) {
      std::int64_t at = given(n, i) ? known_integer(n, i, names, where) : most;
      if (at < 0) at += count;
      if (at < 0 || at > most) {
        refuse(text(where) << " takes the place " << at << ", which is outside of a sequence of " << count);
      }
      return static_cast<std::size_t>(at);
    };
    if (op == "SequenceAt") {
      define(n.output(0), items[place(1, count - 1)], names);
    } else if (op == "SequenceLength") {
      define(n.output(0), g_.add_constant(base, make_value(dtype_id::i64, {}, {&count, 1})), names);
    } else if (op == "ConcatFromSequence") {
      define(n.output(0), concat(n, items, base, names, where), names);
    } else {
      if (op == "SequenceInsert") {
        if (!given(n, 1)) refuse(text(where) << " lacks the tensor");
        items.insert(place(2, count), tensor_named(n.input(1), names, where));
      }
      if (op == "SequenceErase") items.erase(place(1, count - 1));
      if (static_cast<std::int64_t>(items.size()) > most_parts || g_.tensors.size() > most_nodes) {
        refuse(text(where) << " makes a sequence of more than " << most_parts << " tensors");
      }
      if (!names.sequences.emplace(n.output(0), std::move(items)).second) {
        refuse(text("sequence '") << n.output(0) << "' is made twice: the model is damaged");
      }
    }
  }

  tensor_id concat(const pb::NodeProto& n, vec<tensor_id> items, const std::string& base, const scope& names,
                   const text& where) {
    old_node o(n, names.opset, operand_facts(), constants_);
    if (items.empty() || o.attribute("axis") == nullptr) {
      refuse(text(where) << " needs the attribute 'axis' and at least one tensor");
    }
    const std::int64_t axis = o.take_int("axis", 0);
    if (o.take_int("new_axis", 0) != 0) {
      const tensor_id axes = add_list(base + ".axes", {axis});
      for (std::size_t i = 0; i < items.size(); ++i) {
        const tensor_id wide = g_.add_tensor(base + "." + std::to_string(i), dtype_id::none, {});
        put_in_place(n, "Unsqueeze", {items[i], axes}, {wide}, names.prefix);
        items[i] = wide;
      }
    }
    const tensor_id result = g_.add_tensor(base, dtype_id::none, {});
    put_in_place(n, "Concat", items, {result}, names.prefix, &axis);
    return result;
  }

  /// The tensors of SplitToSequence: parts of given sizes, of one size, or of size 1 (then, without keepdims, without the axis).
  vec<tensor_id> split(const pb::NodeProto& n, const std::string& base, scope& names, const text& where) {
    old_node o(n, names.opset, operand_facts(), constants_);
    const std::int64_t keepdims = o.take_int("keepdims", 1);
    std::int64_t axis = o.take_int("axis", 0);
    if (!given(n, 0)) refuse(text(where) << " lacks its operand");
    const tensor_id x = tensor_named(n.input(0), names, where);
    const shape dims = g_.at(x).dims;
    const auto rank = static_cast<std::int64_t>(dims.rank());
    if (axis < -rank || axis >= rank) {
      refuse(text(where) << ": axis " << axis << " is outside of a tensor of rank " << rank);
    }
    axis = axis < 0 ? axis + rank : axis;
    tensor_id sizes = given(n, 1) ? tensor_named(n.input(1), names, where) : none;
    const bool equal = sizes == none || g_.at(sizes).dims.rank() == 0;
    const std::int64_t size = dims[static_cast<std::size_t>(axis)];
    const std::int64_t part = sizes != none && equal ? known_integer(n, 1, names, where) : 1;
    if (equal && (size < 0 || part < 1)) {
      refuse(text(where) << " needs to know the size of axis " << axis << ": bind free dimensions with --input-shape");
    }
    const std::int64_t parts = equal ? ceil_div(size, part) : g_.at(sizes).dims.elements();
    if (parts < 0 || parts > most_parts) refuse(text(where) << " makes a sequence of " << parts << " tensors");
    vec<tensor_id> items;
    if (parts == 0) return items;
    if (equal) {
      ints list(static_cast<std::size_t>(parts), part);
      list.back() = size - part * (parts - 1);
      sizes = add_list(base + ".sizes", list);
    }
    for (std::int64_t i = 0; i < parts; ++i) {
      items.push_back(g_.add_tensor(base + "." + std::to_string(i), dtype_id::none, {}));
    }
    put_in_place(n, "Split", {x, sizes}, items, names.prefix, &axis);
    if (given(n, 1) || keepdims != 0) return items;
    const tensor_id axes = add_list(base + ".axes", {axis});
    for (tensor_id& t : items) {
      const tensor_id flat = g_.add_tensor(std::string(g_.name(t)) + ".part", dtype_id::none, {});
      put_in_place(n, "Squeeze", {t, axes}, {flat}, names.prefix);
      t = flat;
    }
    return items;
  }

  // --- branches ------------------------------------------------------------------------------------------------------
  void add_branch(const pb::NodeProto& n, scope& names, int depth) {
    const text where = text("node '") << name_of_node(n) << "' (If)";
    if (n.input_size() != 1) refuse(text(where) << " has " << n.input_size() << " inputs; it takes its condition only");
    const tensor_id condition = tensor_named(n.input(0), names, where);
    known_elements chosen;
    if (!find_known(g_, condition, known_, chosen) || !chosen.complete()) {
      refuse(text(where) << " depends on '" << n.input(0)
                         << "', which is computed from data: tmpu takes an If only where its condition is "
                         << "constant; export the model without it, or bind free dimensions with --input-shape");
    }
    const value& holds = chosen.content;
    if (holds.type != dtype_id::boolean || holds.size() != 1) {
      refuse(text(where) << " has the condition " << name_of(holds.type) << holds.dims.print()
                         << "; it must be one bool");
    }
    const std::string_view branch = holds.i[0] != 0 ? "then_branch" : "else_branch";
    const auto a =
        std::find_if(n.attribute().begin(), n.attribute().end(), [&](const auto& x) { return x.name() == branch; });
    if (a == n.attribute().end() || !a->has_g()) refuse(text(where) << " lacks the attribute '" << branch << '\'');
    const pb::GraphProto& body = a->g();
    unknown_operators unknown;
    note_unknown(body.node(), unknown, depth);
    unknown.refuse_if_any();
    scope inside{.outer = &names, .prefix = names.prefix, .opset = names.opset, .tensors = {}, .stored = {}};
    add_initializers(body, inside);
    const auto first = static_cast<node_id>(g_.nodes.size());
    add_nodes(body.node(), inside, depth + 1);
    std::vector<std::string> results;
    for (const auto& out : body.output()) results.push_back(out.name());
    take_results(n, results, inside, names, first);
  }

  const pb::ModelProto* model_;
  const import_options* options_;
  graph_body g_;
  known_values known_;
  std::size_t steps_ = 0; ///< nodes looked at, those of bodies once for each time that they are put in
  external_files files_;
  std::deque<pb::TensorProto> constants_;                                ///< tensors that were attributes
  std::unordered_map<const pb::TensorProto*, tensor_id> constants_made_; ///< 1 + id
  std::unordered_map<std::string, const pb::FunctionProto*> functions_;
  std::unordered_set<const pb::FunctionProto*> noted_;
};

} // namespace detail

/// The graph of a model, one Top node for each ONNX node (older operator sets in the form of the newest one, see modernize.hpp;
/// functions and branches that are known to be taken put in), shapes inferred as far as the bound inputs tell. `Operators`
/// is the list of what is known.
/// Errors: all unknown operators at once; free, contradicting or misnamed input shapes; damaged tensors and attributes.
template <class Operators>
graph<stage::origin> import_model(const pb::ModelProto& model, const import_options& options = {}) {
  return detail::importer<Operators>(model, options).run();
}

} // namespace tmpu::onnx
