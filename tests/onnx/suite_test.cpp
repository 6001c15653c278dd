// SPDX-License-Identifier: Apache-2.0
// tmpu-test: needs=tmpuc
// The official cases of ONNX (Debian's libonnx-testdata: a model, inputs, and outputs of the reference implementation) at Top, by
// `tmpuc conformance`. Every case passes apart from those in not_passing.txt, which says why they do not; a case that is listed and
// passes is an error, too. With TMPU_UPDATE_NOT_PASSING=1 the list is written anew (reasons that are there stay).
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

namespace {

constexpr const char* root = "/usr/share/libonnx-testdata/data";
const std::string list_path = TMPU_TESTS_DIR "/onnx/not_passing.txt";

struct outcome {
  std::string result;
  std::string reason;
};
using outcomes = std::map<std::string, outcome>;

/// The text of a JSON member whose value is a string: `"name": "test_abs"`.
std::string member(const std::string& record, std::string_view name) {
  const std::string key = '"' + std::string(name) + "\": \"";
  std::size_t at = record.find(key);
  if (at == std::string::npos) return "";
  std::string out;
  for (at += key.size(); at < record.size() && record[at] != '"'; ++at) {
    if (record[at] == '\\') ++at;
    out += record[at];
  }
  return out;
}

/// `tmpuc conformance` over a collection: a record a line.
outcomes run(const std::string& collection) {
  const char* tmpuc = std::getenv("TMPU_TMPUC");
  REQUIRE(tmpuc != nullptr);
  const std::string command = '"' + std::string(tmpuc) + "\" conformance --json " + root + "/" + collection;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string all;
  char part[4096];
  while (const std::size_t count = std::fread(part, 1, sizeof part, pipe)) all.append(part, count);
  ::pclose(pipe);
  outcomes out;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find('\n', at), all.size());
    const std::string line = all.substr(at, end - at);
    if (line.rfind("{\"name\"", 0) == 0) out[member(line, "name")] = {member(line, "result"), member(line, "reason")};
    at = end + 1;
  }
  return out;
}

/// Lines `NAME | refused | why`; other lines are comments and headings.
outcomes read_list() {
  outcomes out;
  std::ifstream file(list_path);
  REQUIRE_MESSAGE(file.good(), list_path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t a = line.find(" | ");
    const std::size_t b = line.find(" | ", a + 3);
    if (line.empty() || line[0] == '#' || a == std::string::npos || b == std::string::npos) continue;
    out[line.substr(0, a)] = {line.substr(a + 3, b - a - 3), line.substr(b + 3)};
  }
  return out;
}

struct collection {
  const char* name;
  std::size_t cases; ///< in Debian 12
};
constexpr collection collections[] = {
    {"node", 932}, {"pytorch-converted", 82}, {"pytorch-operator", 35}, {"simple", 23}};

TEST_CASE("ONNX's backend tests at Top") {
  if (!std::filesystem::exists(root)) {
    MESSAGE("skipped: " << root << " is not there (Debian: libonnx-testdata)");
    return;
  }
  outcomes listed = read_list();
  const char* word = std::getenv("TMPU_UPDATE_NOT_PASSING");
  const bool update = word != nullptr && std::string_view(word) == "1";
  std::string list = "# Cases of ONNX 1.12's backend tests that do not pass at Top: NAME | result | why. Checked, and "
                     "written anew with\n"
                     "# TMPU_UPDATE_NOT_PASSING=1, by suite_test.cpp.\n";
  std::size_t passed = 0;
  std::size_t all = 0;
  for (const collection& c : collections) {
    const outcomes results = run(c.name);
    REQUIRE(results.size() == c.cases);
    list += "\n# " + std::string(c.name) + '\n';
    std::size_t here = 0;
    for (const auto& [name, got] : results) {
      const auto expected = listed.find(name);
      const bool known = expected != listed.end();
      if (got.result == "passed") {
        ++here;
        if (known && !update) FAIL_CHECK(name << " passes: take it out of not_passing.txt");
      } else {
        const bool same = known && expected->second.result == got.result;
        if (!same && !update) FAIL_CHECK(name << " (" << got.result << "): " << got.reason);
        list += name + " | " + got.result + " | " + (known ? expected->second.reason : got.reason) + '\n';
      }
      if (known) listed.erase(expected);
    }
    MESSAGE(std::string(c.name) << ": " << here << " of " << results.size() << " pass");
    passed += here;
    all += results.size();
  }
  MESSAGE("in all: " << passed << " of " << all << " pass");
  for (const auto& [name, expected] : listed) {
    if (!update) FAIL_CHECK(name << " is listed, but there is no such case");
  }
  if (update) std::ofstream(list_path) << list;
}

} // namespace
