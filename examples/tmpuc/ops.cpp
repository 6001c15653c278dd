// SPDX-License-Identifier: Apache-2.0
// ops: the operators that there are, and those of a model.
#include "models.hpp"
#include "tmpu/lower/lower.hpp"

#include <fmt/core.h>

#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace tmpuc {

using namespace tmpu;

namespace {

struct ops_options {
  model_options model;
  std::string chip = "bm1684x";
  bool json = false;
};

constexpr std::array<std::string_view, 4> dtype_words{"f32", "f16", "bf16", "int8"};
using cells = std::array<std::string_view, 4>;

template <class Op, class Dtype> std::string_view word() {
  constexpr auto how = lower::supported<Op, Dtype>();
  if (how == lower::support::none) return "-";
  return how == lower::support::own ? "yes" : "f32";
}

struct row {
  std::string_view onnx;
  std::string_view name;
  cells how;
  std::string_view why; ///< it has no rule
};
std::vector<row> all_rows() {
  std::vector<row> list;
  unpack<decltype(top::operators)>::for_each([&]<class Op>() {
    list.push_back({Op::info.onnx,
                    Op::info.name,
                    {word<Op, f32>(), word<Op, f16>(), word<Op, bf16>(), word<Op, i8>()},
                    lower::host_why<Op>()});
  });
  return list;
}

std::string json_cells(const cells& how) {
  std::string out;
  for (std::size_t i = 0; i < how.size(); ++i) out += fmt::format(", \"{}\": \"{}\"", dtype_words[i], how[i]);
  return out;
}

/// All operators: the table that the documentation carries.
int print_all(bool json) {
  std::string rows;
  if (!json) fmt::print("{:<26} {:<26} {:<5} {:<5} {:<5} {:<5}\n", "ONNX", "tmpu", "f32", "f16", "bf16", "int8");
  for (const auto& [onnx, name, how, why] : all_rows()) {
    if (json) {
      rows += fmt::format("{}{{\"onnx\": {}, \"name\": {}{}, \"no_rule\": {}}}", rows.empty() ? "" : ", ",
                          json_text(onnx), json_text(name), json_cells(how), json_text(why));
    } else {
      fmt::print("{:<26} {:<26} {:<5} {:<5} {:<5} {:<5}{}\n", onnx, name, how[0], how[1], how[2], how[3],
                 why.empty() ? std::string() : fmt::format(" {}", why));
    }
  }
  if (json) {
    fmt::print("[{}]\n", rows);
  } else {
    fmt::print("yes: computed in that dtype; f32: computed in f32 between casts; -: no rule, and why\n");
  }
  return 0;
}

/// Why the model cannot be lowered in each dtype; empty where it can.
std::array<std::string, 4> try_dtypes(const ops_options& o) {
  std::array<std::string, 4> why;
  for (std::size_t i = 0; i < why.size(); ++i) {
    try {
      const compile_request r{.chip = chip_named(o.chip), .network = "model", .quantize = std::string(dtype_words[i])};
      auto model = load_origin(o.model);
      i == 3 ? lower_int8(std::move(model), r) : lower_float(std::move(model), r);
    } catch (const error& e) {
      why[i] = e.what();
    }
  }
  return why;
}

/// The operators that canonicalize leaves in the model; not known where it refuses it.
struct canonical_operators {
  bool known = false;
  std::set<std::string> operators;
};
canonical_operators what_is_left(const ops_options& o) {
  canonical_operators left;
  try {
    const canonical_model model = canonicalize(load_origin(o.model));
    for (const node& n : model.graph.nodes) left.operators.emplace(n.op->info.name);
    left.known = true;
  } catch (const error&) {
    left.operators.clear(); // why is said for each dtype
  }
  return left;
}

std::string joined(const std::vector<std::string>& nodes, std::size_t most, bool json) {
  std::string out;
  for (std::size_t i = 0; i < nodes.size() && i < most; ++i) {
    out += fmt::format("{}{}", i == 0 ? "" : ", ", json ? json_text(nodes[i]) : "'" + nodes[i] + "'");
  }
  return nodes.size() > most ? out + ", ..." : out;
}

/// The operators of a model; 1 where some dtype cannot run it.
int print_model(const ops_options& o) {
  const auto uses = operators_of(o.model);
  const auto known = all_rows();
  const auto why = try_dtypes(o);
  const canonical_operators left = what_is_left(o);
  std::string rows;
  if (!o.json) {
    fmt::print("{:<26} {:>6} {:<26} {:<5} {:<5} {:<5} {:<5}\n", "ONNX", "nodes", "tmpu", "f32", "f16", "bf16", "int8");
  }
  for (const operator_use& u : uses) {
    row shown{u.onnx, "unknown", {"-", "-", "-", "-"}, {}};
    for (const row& r : known) {
      if (!r.onnx.empty() && r.onnx == u.today) shown = r;
    }
    for (std::string_view& how : shown.how) {
      if (how == "-" && left.known && left.operators.count(std::string(shown.name)) == 0) how = "gone";
    }
    if (shown.how[0] == "gone") shown.why = {};
    if (o.json) {
      rows += fmt::format("{}{{\"onnx\": {}, \"count\": {}, \"name\": {}{}, \"no_rule\": {}, \"nodes\": [{}]}}",
                          rows.empty() ? "" : ", ", json_text(u.onnx), u.count, json_text(shown.name),
                          json_cells(shown.how), json_text(shown.why), joined(u.nodes, u.nodes.size(), true));
    } else {
      fmt::print("{:<26} {:>6} {:<26} {:<5} {:<5} {:<5} {:<5}{}\n", u.onnx, u.count, shown.name, shown.how[0],
                 shown.how[1], shown.how[2], shown.how[3],
                 shown.name == "unknown" ? " " + joined(u.nodes, 5, false)
                 : shown.why.empty()     ? std::string()
                                         : fmt::format(" {}", shown.why));
    }
  }
  std::string verdicts;
  bool all = true;
  for (std::size_t i = 0; i < why.size(); ++i) {
    all = all && why[i].empty();
    if (o.json) {
      verdicts += fmt::format("{}\"{}\": {}", i == 0 ? "" : ", ", dtype_words[i], json_text(why[i]));
    } else {
      fmt::print("{:<5} on {}: {}\n", dtype_words[i], o.chip, why[i].empty() ? "runs" : why[i]);
    }
  }
  if (o.json) {
    fmt::print("{{\"chip\": {}, \"operators\": [{}], \"refused\": {{{}}}}}\n", json_text(o.chip), rows, verdicts);
  } else {
    fmt::print("yes: computed in that dtype; f32: computed in f32 between casts; gone: rewritten or folded; -: "
               "computed by the host, and why\n");
  }
  return all ? 0 : 1;
}

} // namespace

void add_ops(CLI::App& app, work& chosen) {
  auto* command = app.add_subcommand(
      "ops", "The ONNX operators that are known, or those of a model, and what each dtype does with them");
  auto o = std::make_shared<ops_options>();
  o->model.add(*command, "A model; without one, all operators are listed");
  command->get_option("MODEL")->required(false);
  command->add_option("--chip", o->chip, "The chip that is asked for the model")->capture_default_str();
  command->add_flag("--json", o->json, "Print JSON");
  command->callback(
      [&chosen, o] { chosen = [o] { return o->model.path.empty() ? print_all(o->json) : print_model(*o); }; });
}

} // namespace tmpuc
