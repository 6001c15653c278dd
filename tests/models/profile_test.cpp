// SPDX-License-Identifier: Apache-2.0
// tmpu-test: needs=tmpuc links=onnx
// `tmpuc profile` and `tmpuc place` from the outside: what they write is read by other code.
#include <doctest/doctest.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

const std::string root = std::string(TMPU_TESTS_DIR) + "/..";

struct result {
  int code = -1;
  std::string text;
};
result run(const std::string& words) {
  const char* tmpuc = std::getenv("TMPU_TMPUC");
  REQUIRE(tmpuc != nullptr);
  std::FILE* pipe = ::popen(('"' + std::string(tmpuc) + "\" " + words + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  result r;
  char part[4096];
  while (const std::size_t count = std::fread(part, 1, sizeof part, pipe)) r.text.append(part, count);
  const int status = ::pclose(pipe);
  r.code = status / 256;
  return r;
}
std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}
bool has(const std::string& text, const std::string& word) { return text.find(word) != std::string::npos; }

} // namespace

TEST_CASE("a profile: the trace is JSON, engines do one thing at a time, and the page refers to nothing outside") {
  REQUIRE(run("compile " + root + "/examples/data/digits_cnn.onnx --chip nano --quantize f16 -o profile.tmodel").code ==
          0);
  const result r = run("profile profile.tmodel --trace profile.json --html profile.html");
  REQUIRE_MESSAGE(r.code == 0, r.text);
  CHECK(has(r.text, "(predicted, not measured)"));
  const result info = run("info profile.tmodel --json");
  google::protobuf::Struct facts;
  REQUIRE(google::protobuf::util::JsonStringToMessage(info.text, &facts).ok());
  const double cycles = facts.fields().at("cycles").number_value();
  CHECK(has(r.text, "\n" + std::to_string(static_cast<long long>(cycles)) + " cycles = "));
  CHECK(facts.fields().at("activation_bytes").number_value() >= facts.fields().at("activation_bound").number_value());

  google::protobuf::Struct trace;
  REQUIRE(google::protobuf::util::JsonStringToMessage(read("profile.json"), &trace).ok());
  std::map<int, double> end; // of what each engine did before
  double bytes = 0;
  double last = 0;
  int count = 0;
  for (const auto& v : trace.fields().at("traceEvents").list_value().values()) {
    const auto& event = v.struct_value().fields();
    if (event.at("ph").string_value() != "X") continue;
    const int engine = static_cast<int>(event.at("tid").number_value());
    const double start = event.at("ts").number_value();
    CHECK(start >= end[engine] - 1e-3);
    end[engine] = start + event.at("dur").number_value();
    last = std::max(last, end[engine]);
    bytes += event.at("args").struct_value().fields().at("bytes").number_value();
    ++count;
  }
  CHECK(count == facts.fields().at("instructions").number_value());
  CHECK(bytes == facts.fields().at("gdma_bytes").number_value());
  CHECK(last == doctest::Approx(cycles / 200.0).epsilon(1e-4)); // microseconds at 200 MHz

  const std::string page = read("profile.html");
  for (const char* reference : {"http:", "https:", "src=", "href=", "@import", "url(", "fetch(", "<link"})
    CHECK_MESSAGE(!has(page, reference), reference);
  const std::string mark = "const data = ";
  const std::size_t at = page.find(mark) + mark.size();
  google::protobuf::Struct data;
  REQUIRE(google::protobuf::util::JsonStringToMessage(page.substr(at, page.find(";\n", at) - at), &data).ok());
  CHECK(data.fields().at("instructions").list_value().values_size() == count);
  for (const char* map : {"local", "global", "roof"}) CHECK(data.fields().at(map).list_value().values_size() > 0);
}

TEST_CASE("place: offsets that another reader finds disjoint, proofs, limits and refusals of one line") {
  const std::string tables = root + "/tests/memory/tables/";
  for (const auto& [name, capacity] : {std::pair{"gap.19.csv", 19}, std::pair{"chain.12.csv", 12}}) {
    const result r = run("place " + tables + name + " --capacity " + std::to_string(capacity) + " -o placed.csv");
    CHECK_MESSAGE(r.code == 0, r.text);
    std::istringstream lines(read("placed.csv"));
    std::string line;
    std::getline(lines, line);
    CHECK(line == "id,lower,upper,size,offset");
    std::map<std::pair<long, long>, std::string> cells; // (time, byte) to who holds it
    while (std::getline(lines, line)) {
      std::istringstream words(line);
      std::string id;
      std::getline(words, id, ',');
      long v[4] = {};
      char comma = 0;
      words >> v[0] >> comma >> v[1] >> comma >> v[2] >> comma >> v[3];
      REQUIRE(!words.fail());
      CHECK(v[3] >= 0);
      CHECK(v[3] + v[2] <= capacity);
      for (long t = v[0]; t < v[1]; ++t) {
        for (long b = v[3]; b < v[3] + v[2]; ++b) CHECK(cells.emplace(std::pair{t, b}, id).second);
      }
    }
    CHECK(!cells.empty());
  }
  const result less = run("place " + tables + "gap.19.csv --capacity 18 -o placed.csv");
  CHECK(less.code == 1);
  CHECK(has(less.text, "proved impossible"));
  const result absent = run("place nowhere.csv --capacity 18 -o placed.csv");
  CHECK(absent.code == 2);
  CHECK(absent.text.rfind("tmpuc: error: ", 0) == 0);
  std::ofstream("bad.csv") << "id,lower,upper,size\na,3,3,1\n";
  const result empty = run("place bad.csv --capacity 18 -o placed.csv");
  CHECK(empty.code == 2);
  CHECK(empty.text == "tmpuc: error: 'bad.csv' line 2: a buffer lives in [lower, upper): 0 <= lower < upper\n");
}
