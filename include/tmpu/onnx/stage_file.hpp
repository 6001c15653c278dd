// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/propagate.hpp"
#include "tmpu/ir/verify.hpp"
#include "tmpu/onnx/attributes.hpp"
#include "tmpu/onnx/tensor.hpp"
#include "tmpu/version.hpp"

#include <charconv>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

/// Graphs of every stage as ONNX protobufs: operators in the domains tmpu.top and tmpu.tpu, what ONNX has no place for (scales, ranges,
/// addresses, layer groups) as annotations and metadata. Saving, loading and saving again gives the same bytes.
namespace tmpu::onnx {

struct loaded_stage {
  stage at = stage::origin;
  graph_body graph;
  text network;
};

namespace detail {
inline constexpr std::string_view stage_key = "tmpu.stage";
inline constexpr std::string_view format_key = "tmpu.format";
inline constexpr std::string_view format_version = "1";

inline const std::string* metadata(const pb::ModelProto& m, std::string_view key) {
  for (const auto& p : m.metadata_props()) {
    if (p.key() == key) return &p.value();
  }
  return nullptr;
}
inline void add_metadata(pb::ModelProto& m, std::string_view key, std::string_view value) {
  auto& p = *m.add_metadata_props();
  p.set_key(std::string(key));
  p.set_value(std::string(value));
}

/// Numbers separated by spaces; empty where the text holds anything else.
template <class T> bool read_numbers(std::string_view s, vec<T>& out) {
  const char* at = s.data();
  const char* end = at + s.size();
  while (at != end) {
    T x{};
    const auto r = std::from_chars(at, end, x);
    if (r.ec != std::errc()) return false;
    out.push_back(x);
    at = r.ptr;
    if (at != end && *at++ != ' ') return false;
  }
  return true;
}
template <class Range> text write_numbers(const Range& numbers) { return join(numbers, " "); }

/// The tensor's facts beside type and shape, as annotation `key = numbers`.
inline void write_facts(pb::GraphProto& g, std::string_view name, const tensor& t) {
  if (!t.quant.present() && !t.range.known && t.address == none && t.edge == dtype_id::none) return;
  auto& a = *g.add_quantization_annotation();
  a.set_tensor_name(std::string(name));
  const auto put = [&](std::string_view key, const text& value) {
    auto& p = *a.add_quant_parameter_tensor_names();
    p.set_key(std::string(key));
    p.set_value(std::string(value.view()));
  };
  if (t.quant.present()) {
    put("tmpu.scale", text() << t.quant.scale);
    put("tmpu.zero_point", text() << t.quant.zero_point);
  }
  if (t.range.known) {
    put("tmpu.range", write_numbers(floats{t.range.threshold, t.range.min, t.range.max}));
  }
  if (t.address != none) put("tmpu.address", text() << t.address);
  if (t.edge != dtype_id::none) put("tmpu.edge", text() << onnx_number_of(t.edge));
}
inline void read_facts(const pb::TensorAnnotation& a, tensor& t) {
  for (const auto& p : a.quant_parameter_tensor_names()) {
    floats f;
    ints i;
    bool ok = false;
    if (p.key() == "tmpu.scale" && read_numbers(p.value(), f) && f.size() == 1) {
      t.quant.scale = f[0];
      ok = true;
    } else if (p.key() == "tmpu.zero_point" && read_numbers(p.value(), i) && i.size() == 1) {
      t.quant.zero_point = static_cast<std::int32_t>(i[0]);
      ok = true;
    } else if (p.key() == "tmpu.range" && read_numbers(p.value(), f) && f.size() == 3) {
      t.range = {true, f[0], f[1], f[2]};
      ok = true;
    } else if (p.key() == "tmpu.address" && read_numbers(p.value(), i) && i.size() == 1) {
      t.address = i[0];
      ok = true;
    } else if (p.key() == "tmpu.edge" && read_numbers(p.value(), i) && i.size() == 1) {
      t.edge = dtype_of_onnx(i[0]);
      ok = carrier_of(t.edge) == t.type;
    }
    if (!ok) refuse(text("stage file: tensor '") << a.tensor_name() << "' has the unreadable fact '" << p.key() << "'");
  }
}

/// Tensors in the order of the file: inputs, constants, results of the nodes. Groups name tensors by their place here.
inline vec<tensor_id> file_order(const graph_body& g) {
  vec<tensor_id> order;
  vec<std::uint8_t> done(g.tensors.size());
  const auto put = [&](tensor_id t) {
    if (t == none || done[static_cast<std::size_t>(t)] != 0) return;
    done[static_cast<std::size_t>(t)] = 1;
    order.push_back(t);
  };
  for (const tensor_id t : g.inputs) put(t);
  for (std::size_t t = 0; t < g.tensors.size(); ++t) {
    if (g.tensors[t].constant != none) put(static_cast<tensor_id>(t));
  }
  for (const node& n : g.nodes) {
    for (const tensor_id t : g.results(n)) put(t);
  }
  return order;
}

/// Names in a file are unique and not empty: the second "x" is "x#2".
inline std::vector<std::string> unique_names(const graph_body& g, const vec<tensor_id>& order) {
  std::vector<std::string> names(g.tensors.size());
  std::unordered_set<std::string> used{""};
  for (const tensor_id t : order) {
    std::string name(g.name(t));
    for (int i = 2; used.count(name) != 0; ++i) name = std::string(g.name(t)) + '#' + std::to_string(i);
    used.insert(name);
    names[static_cast<std::size_t>(t)] = name;
  }
  return names;
}
} // namespace detail

/// Does the model hold a graph of a stage of ours?
inline bool is_stage_file(const pb::ModelProto& m) { return detail::metadata(m, detail::stage_key) != nullptr; }

/// The file of a graph at stage `at`. `Operators` lists the types of its nodes; `network` is what the graph is called.
template <class Operators> pb::ModelProto to_onnx(const graph_body& g, stage at, std::string_view network) {
  pb::ModelProto m;
  m.set_ir_version(pb::IR_VERSION_2020_5_8);
  m.set_producer_name("tmpu");
  m.set_producer_version(std::to_string(version.major_number) + '.' + std::to_string(version.minor_number) + '.' +
                         std::to_string(version.patch_number));
  for (const char* domain : {"tmpu.top", "tmpu.tpu"}) {
    auto& set = *m.add_opset_import();
    set.set_domain(domain);
    set.set_version(1);
  }
  detail::add_metadata(m, detail::format_key, detail::format_version);
  detail::add_metadata(m, detail::stage_key, name_of(at));
  auto& to = *m.mutable_graph();
  to.set_name(std::string(network));
  const vec<tensor_id> order = detail::file_order(g);
  const std::vector<std::string> names = detail::unique_names(g, order);
  const auto name = [&](tensor_id t) { return t == none ? std::string() : names[static_cast<std::size_t>(t)]; };

  for (const tensor_id t : g.inputs) write_type(*to.add_input(), name(t), g.at(t));
  for (const tensor_id t : g.outputs) write_type(*to.add_output(), name(t), g.at(t));
  for (const tensor_id t : order) {
    if (g.is_constant(t)) {
      write_tensor(*to.add_initializer(), name(t), g.at(t), g.bytes(t));
    } else if (!g.is_input(t) && !g.is_output(t)) {
      write_type(*to.add_value_info(), name(t), g.at(t));
    }
    detail::write_facts(to, name(t), g.at(t));
  }
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const auto id = static_cast<node_id>(i);
    const op_record* record = g.node_at(id).op;
    auto& n = *to.add_node();
    n.set_name(std::string(g.node_name(id)));
    n.set_domain("tmpu." + std::string(record->domain));
    n.set_op_type(std::string(record->info.name));
    for (const tensor_id t : g.operands(id)) n.add_input(name(t));
    for (const tensor_id t : g.results(id)) n.add_output(name(t));
    const bool known = Operators::any([&]<class Op>() {
      if (record != &record_of<Op>) return false;
      write_attributes<Op>(n, g.words(g.node_at(id)));
      return true;
    });
    if (!known) {
      refuse(text("node '") << g.node_name(id) << "' (" << record->info.name
                            << ") cannot be saved: its operator is not in the list that to_onnx was given");
    }
  }
  if (at >= stage::grouped) {
    vec<std::int32_t> place(g.tensors.size(), none);
    for (std::size_t i = 0; i < order.size(); ++i)
      place[static_cast<std::size_t>(order[i])] = static_cast<std::int32_t>(i);
    for (const layer_group& group : g.groups) {
      layer_group copy = group;
      for (local_buffer& b : copy.buffers) {
        if (b.tensor != none) b.tensor = place[static_cast<std::size_t>(b.tensor)];
      }
      vec<std::uint32_t> words;
      word_writer(words).put(copy);
      detail::add_metadata(m, "tmpu.group", detail::write_numbers(words));
    }
  }
  if (at >= stage::addressed) {
    detail::add_metadata(m, "tmpu.memory",
                         detail::write_numbers(ints{g.activation_bytes, g.activation_bound, g.weight_bytes}));
  }
  return m;
}

/// Calls f with the graph as the type of its stage: `with_stage(loaded, []<stage S>(const graph<S>& g) { ... })`.
template <class F> void with_stage(const loaded_stage& l, F&& f) {
  [&]<stage... S>(std::integer_sequence<stage, S...>) { (void)((l.at == S && (f(graph<S>(l.graph)), true)) || ...); }
  (std::integer_sequence<stage, stage::origin, stage::canonical, stage::calibrated, stage::lowered, stage::grouped,
                         stage::addressed>{});
}

namespace detail {
/// Refuses a loaded graph that breaks the invariants of its stage, or whose shapes are not those of its operators.
inline void check_loaded(const loaded_stage& l) {
  with_stage(l, []<stage S>(const graph<S>& g) {
    if (const text bad = verify(g); !bad.empty()) refuse(text("stage file: ") << bad << ": the file is damaged");
  });
  graph_body again = l.graph;
  infer_all(again);
  for (std::size_t t = 0; t < again.tensors.size(); ++t) {
    const tensor& made = again.tensors[t];
    const tensor& said = l.graph.tensors[t];
    bool fits = made.type == said.type && made.dims.rank() == said.dims.rank();
    for (std::size_t i = 0; fits && i < said.dims.rank(); ++i) fits = said.dims[i] < 0 || said.dims[i] == made.dims[i];
    if (fits) continue;
    refuse(text("stage file: tensor '") << l.graph.name(static_cast<tensor_id>(t)) << "' is " << name_of(said.type)
                                        << said.dims.print() << ", but its operator makes " << name_of(made.type)
                                        << made.dims.print() << ": the file is damaged");
  }
}
} // namespace detail

/// The graph of a stage file, verified: structure, shapes (every shape rule gives what the file says) and facts.
/// Errors: a stage, format, operator or fact that is not known; contradictions.
template <class Operators> loaded_stage from_onnx(const pb::ModelProto& m) {
  loaded_stage out;
  const std::string* at = detail::metadata(m, detail::stage_key);
  const std::string* format = detail::metadata(m, detail::format_key);
  if (at == nullptr) refuse("the file is an ONNX model, but holds no stage of tmpu");
  if (format == nullptr || *format != detail::format_version) {
    refuse("the stage file has another format than this version reads: make it again");
  }
  bool found = false;
  for (const stage s :
       {stage::origin, stage::canonical, stage::calibrated, stage::lowered, stage::grouped, stage::addressed}) {
    if (name_of(s) != *at) continue;
    out.at = s;
    found = true;
  }
  if (!found) refuse(text("the stage file has the unknown stage '") << *at << "': it was made by a newer version");
  out.network = text(m.graph().name());

  graph_body& g = out.graph;
  std::unordered_map<std::string, tensor_id> ids;
  const auto define = [&](const std::string& name, tensor_id id) {
    if (name.empty() || !ids.emplace(name, id).second)
      refuse(text("stage file: tensor '") << name << "' is made twice");
  };
  const auto named = [&](const std::string& name, std::string_view reader) {
    if (name.empty()) return none;
    const auto t = ids.find(name);
    if (t == ids.end())
      refuse(text("stage file: '") << reader << "' needs '" << name << "', which nothing before it makes");
    return t->second;
  };
  std::unordered_map<std::string, const pb::ValueInfoProto*> types;
  for (const auto* list : {&m.graph().value_info(), &m.graph().output()}) {
    for (const auto& info : *list) types.emplace(info.name(), &info);
  }
  for (const auto& in : m.graph().input()) {
    tensor t;
    read_type(in, t.type, t.dims);
    const tensor_id id = g.add_tensor(in.name(), t.type, t.dims);
    g.inputs.push_back(id);
    define(in.name(), id);
  }
  for (const auto& init : m.graph().initializer()) {
    stored_tensor t = read_tensor(init);
    define(init.name(), g.add_constant(init.name(), t.type, t.dims, std::move(t.own)));
  }
  for (const auto& n : m.graph().node()) {
    vec<tensor_id> operands;
    vec<tensor_id> results;
    for (const std::string& in : n.input()) operands.push_back(named(in, n.name()));
    for (const std::string& name : n.output()) {
      if (name.empty()) {
        results.push_back(none);
        continue;
      }
      tensor t;
      const auto info = types.find(name);
      if (info != types.end() && info->second->has_type()) read_type(*info->second, t.type, t.dims);
      results.push_back(g.add_tensor(name, t.type, t.dims));
      define(name, results.back());
    }
    const bool known = Operators::any([&]<class Op>() {
      if (Op::info.name != n.op_type() || n.domain() != "tmpu." + std::string(Op::domain)) return false;
      const text where = text("stage file: node '") << n.name() << "' (" << n.op_type() << ')';
      g.add_node(n.name(), record_of<Op>, read_attributes<Op>(n, where, [](const auto&) { return false; }), operands,
                 results);
      return true;
    });
    if (!known) {
      refuse(text("stage file: node '") << n.name() << "' has the operator '" << n.domain() << "::" << n.op_type()
                                        << "', which this compiler does not know");
    }
  }
  for (const auto& info : m.graph().output()) g.outputs.push_back(named(info.name(), "the outputs"));
  for (const auto& a : m.graph().quantization_annotation()) {
    const tensor_id t = named(a.tensor_name(), "an annotation");
    if (t != none) detail::read_facts(a, g.at(t));
  }
  for (const auto& p : m.metadata_props()) {
    if (p.key() == "tmpu.group") {
      vec<std::uint32_t> words;
      layer_group group;
      bool ok = detail::read_numbers(p.value(), words);
      if (ok) {
        word_reader in(words);
        group = in.get<layer_group>();
        ok = in.ok() && in.at_end() && group.first >= 0 && group.count > 0 &&
             group.first + std::int64_t{group.count} <= static_cast<std::int64_t>(g.nodes.size());
        for (const local_buffer& b : group.buffers) {
          ok = ok && b.tensor >= none && b.tensor < static_cast<tensor_id>(g.tensors.size()) && b.node >= none &&
               b.node < static_cast<node_id>(g.nodes.size());
        }
      }
      if (!ok) refuse("stage file: a layer group cannot be read: the file is damaged");
      g.groups.push_back(std::move(group));
    } else if (p.key() == "tmpu.memory") {
      ints sizes;
      if (!detail::read_numbers(p.value(), sizes) || sizes.size() != 3) {
        refuse("stage file: the memory sizes cannot be read: the file is damaged");
      }
      g.activation_bytes = sizes[0];
      g.activation_bound = sizes[1];
      g.weight_bytes = sizes[2];
    }
  }
  detail::check_loaded(out);
  return out;
}

} // namespace tmpu::onnx
