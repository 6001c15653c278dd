// SPDX-License-Identifier: Apache-2.0
// tmpu-test: links=onnx,host optimize=1 timeout=900
// The trained models: what is left of them, and that the numbers stay. docs/canonicalize.md carries the list of rules and the
// counts; this test fails where they are stale, and writes them when the environment has TMPU_UPDATE_DOCS=1.
#include "tmpu/canonicalize/canonicalize.hpp"
#include "tmpu/compare/similarity.hpp"
#include "tmpu/host/files.hpp"
#include "tmpu/host/npz.hpp"
#include "tmpu/ir/evaluate.hpp"
#include "tmpu/ir/verify.hpp"
#include "tmpu/onnx/import.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace tmpu;
namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* v = std::getenv(name);
  return v == nullptr ? "" : v;
}
std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
const fs::path project = fs::path(TMPU_TESTS_DIR).parent_path();

/// What stands between `<!-- begin NAME -->` and `<!-- end NAME -->` of the page is `wanted`.
void check_page(const std::string& name, const std::string& wanted) {
  const fs::path page = project / "docs" / "canonicalize.md";
  std::string all = read_text(page);
  const std::string begin = "<!-- begin " + name + " -->\n";
  const auto first = all.find(begin);
  const auto last = all.find("<!-- end " + name + " -->");
  REQUIRE(first != std::string::npos);
  REQUIRE(last != std::string::npos);
  const auto from = first + begin.size();
  if (variable("TMPU_UPDATE_DOCS") == "1") {
    std::ofstream(page, std::ios::binary) << all.replace(from, last - from, wanted);
    return;
  }
  INFO("docs/canonicalize.md is stale: run this test with TMPU_UPDATE_DOCS=1");
  CHECK(all.substr(from, last - from) == wanted);
}

/// The comment above a rule's struct, in one line.
std::string comment_of(const std::string& headers, const std::string& rule) {
  std::string type = rule;
  for (char& c : type) c = c == '-' ? '_' : c;
  auto end = headers.find("\nstruct " + type + " {\n");
  REQUIRE(end != std::string::npos);
  std::string out;
  while (true) {
    const auto begin = headers.rfind('\n', end - 1) + 1;
    if (headers.compare(begin, 4, "/// ") != 0) break;
    const auto text_at = headers.find_first_not_of(' ', begin + 3);
    out = headers.substr(text_at, end - text_at) + (out.empty() ? "" : " " + out);
    end = begin - 1;
  }
  return out;
}
std::string row_of(const std::string& headers, const std::string& rule) {
  const std::string comment = comment_of(headers, rule);
  std::string line;
  for (std::size_t i = 0; i < comment.size(); ++i) {
    if (comment.compare(i, 3, "==>") == 0) {
      line += "→";
      i += 2;
    } else if (comment[i] == '|') {
      line += "\\|";
    } else if (comment[i] != ' ' || (!line.empty() && line.back() != ' ')) {
      line += comment[i];
    }
  }
  const auto needs = line.find("Needs: ");
  const std::string what = line.substr(0, needs == std::string::npos ? needs : needs - 1);
  return "| `" + rule + "` | " + what + " | " + (needs == std::string::npos ? "" : line.substr(needs + 7)) + " |\n";
}

/// A model, and where its first input and what ONNX Runtime makes of it are.
struct model {
  std::string name;
  shape input; ///< of an input with free dimensions
  std::string file = "_ref";
  std::string given = "input";
  std::string wanted = "output";
};
/// The first of the arrays that lie in the file under this key, with these dims; bytes are pixels.
value first_of(const model& m, const std::string& key, const tensor& t) {
  host::array all = host::read_npz(variable("TMPU_SHARED_MODELS") + "/" + m.name + m.file + ".npz", key);
  value every = host::to_value(all);
  value v(t.type, t.dims);
  REQUIRE(every.size() >= v.size());
  for (std::size_t i = 0; i < v.f.size(); ++i)
    v.f[i] = every.f.empty() ? static_cast<float>(every.i[i]) / 255.0F : every.f[i];
  for (std::size_t i = 0; i < v.i.size(); ++i) v.i[i] = every.i[i];
  return v;
}
struct before_and_after {
  std::map<std::string, std::array<int, 2>> operators;
  std::size_t before = 0;
  std::size_t after = 0;
};

/// All that transformers are left with: linear operators, norms, attention, activations, elementwise operators and layout; a
/// Gather of rows is the embedding of char_lm.
constexpr std::string_view of_transformers[] = {"conv",
                                                "gemm",
                                                "layer_normalization",
                                                "rms_normalization",
                                                "rotary_embedding",
                                                "attention",
                                                "gelu",
                                                "silu",
                                                "add",
                                                "mul",
                                                "reshape",
                                                "transpose",
                                                "slice",
                                                "concat",
                                                "gather"};
constexpr std::string_view gone[] = {"shape", "unsqueeze", "constant", "identity", "dropout"};

before_and_after look_at(const model& m) {
  INFO(m.name);
  const std::string path = variable("TMPU_SHARED_MODELS") + "/" + m.name + ".onnx";
  tmpu::onnx::import_options how;
  if (m.input.rank() > 0) how.input_shapes.push_back({text("input"), m.input});
  auto origin = tmpu::onnx::import_model<unpack<decltype(top::operators)>>(
      tmpu::onnx::parse_model(host::read_file(path), path), how);
  before_and_after found;
  found.before = origin.nodes.size();
  for (const node& n : origin.nodes) ++found.operators[std::string(n.op->info.name)][0];
  const graph_body kept = origin;
  const auto canonical = canonicalize::pass::run(std::move(origin));
  CHECK(verify(canonical).empty());
  found.after = canonical.nodes.size();
  for (const node& n : canonical.nodes) {
    ++found.operators[std::string(n.op->info.name)][1];
    for (const std::string_view name : gone) CHECK_MESSAGE(n.op->info.name != name, std::string(name));
  }
  const value inputs[] = {first_of(m, m.given, kept.at(kept.inputs[0]))};
  const vec<value> a = evaluate(kept, inputs);
  const vec<value> b = evaluate(canonical, inputs);
  REQUIRE(kept.outputs.size() == 1);
  REQUIRE(canonical.outputs.size() == 1);
  const value& before = a[static_cast<std::size_t>(kept.outputs[0])];
  const value& after = b[static_cast<std::size_t>(canonical.outputs[0])];
  const value wanted = first_of(m, m.wanted, canonical.at(canonical.outputs[0]));
  const double same = compare::sqnr_db(before.f, after.f);
  const double right = compare::sqnr_db(wanted.f, after.f);
  MESSAGE(m.name << ": " << found.before << " nodes, then " << found.after << "; " << same
                 << " dB to the file's graph, " << right << " dB to ONNX Runtime");
  CHECK(same >= 100.0);
  CHECK(right >= 100.0);
  return found;
}

} // namespace

TEST_CASE("the page lists the rules") {
  std::string headers;
  for (const auto& file : fs::directory_iterator(project / "include/tmpu/canonicalize"))
    headers += read_text(file.path());
  std::string table = "| rule | what it does | needs |\n|---|---|---|\n";
  unpack<decltype(canonicalize::rules)>::for_each(
      [&]<class Rule>() { table += row_of(headers, std::string(Rule::name)); });
  check_page("rules", table);
}

TEST_CASE("the trained models keep their numbers, and the page says what is left of them") {
  if (variable("TMPU_SHARED_MODELS").empty()) {
    MESSAGE("skipped: TMPU_SHARED_MODELS is not set");
    return;
  }
  const shape digit{1, 1, 28, 28};
  std::string table =
      "| model | nodes of the file | canonical | operators before | operators after |\n|---|---|---|---|---|\n";
  for (const model& m :
       {model{"digits_cnn", digit}, model{"digits_resnet", digit}, model{"digits_resnet_dynamo", digit},
        model{"digits_mobilenet", digit}, model{"digits_vit", digit}, model{"digits_rnn", digit},
        model{"denoise_unet", {1, 1, 64, 64}, "_data", "test_input", "test_output_fp32"},
        model{"sr_espcn", {1, 1, 32, 32}, "_data", "test_input", "test_output_fp32"},
        model{"char_lm", {}, "_data", "test_input", "test_output_fp32_first4"}}) {
    const before_and_after found = look_at(m);
    for (const auto& [name, count] : found.operators) {
      if (count[1] == 0 || (m.name != "digits_vit" && m.name != "char_lm")) continue;
      CHECK_MESSAGE(std::ranges::find(of_transformers, name) != std::end(of_transformers), m.name << ": " << name);
    }
    std::string words[2];
    for (const auto& [name, count] : found.operators) {
      for (std::size_t i = 0; i < 2; ++i) {
        if (count[i] > 0) words[i] += (words[i].empty() ? "" : ", ") + name + " " + std::to_string(count[i]);
      }
    }
    table += "| " + m.name + " | " + std::to_string(found.before) + " | " + std::to_string(found.after) + " | " +
             words[0] + " | " + words[1] + " |\n";
  }
  check_page("models", table);
}
