// SPDX-License-Identifier: Apache-2.0
#include "tmpu/calibrate/table_text.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>

using namespace tmpu;
using namespace tmpu::calibrate;

namespace {

std::string printed(const table& t) { return std::string(print(t).view()); }
std::string refusal_of(std::string_view content) {
  try {
    static_cast<void>(parse(content, "t.cali"));
  } catch (const error& e) {
    return e.what();
  }
  return "accepted";
}
std::string refusal_of_line(const std::string& line) {
  return refusal_of("# tmpu calibration table v1\n" + line + "\n");
}

constexpr table small() {
  table t;
  t.model = 0x0123456789ABCDEFU;
  t.rules = 0xFEDCU;
  t.method = text("kl");
  t.samples = 200;
  t.add("input", {true, 1.0F, 0.0F, 1.0F});
  t.add("a \"quoted\" name", {true, 3.25F, -3.25F, 2.5F});
  t.add("#3", {true, 0.1F, -0.1F, 0.05F});
  return t;
}
// A table is a value of constant evaluation as well.
static_assert(small().entries.size() == 3 && small().find("#3")->threshold == 0.1F && small().find("x") == nullptr);

} // namespace

TEST_CASE("the printed form") {
  CHECK(printed(small()) == "# tmpu calibration table v1\n"
                            "# model: 0123456789abcdef\n"
                            "# rules: 000000000000fedc\n"
                            "# method: kl samples: 200\n"
                            "# name threshold min max\n"
                            "input 1 0 1\n"
                            "\"a \\\"quoted\\\" name\" 3.25 -3.25 2.5\n"
                            "\"#3\" 0.1 -0.1 0.05\n");
}

TEST_CASE("what is read is what was written") {
  const table t = parse(printed(small()));
  CHECK(t.model == small().model);
  CHECK(t.rules == small().rules);
  CHECK(t.method.view() == "kl");
  CHECK(t.samples == 200);
  REQUIRE(t.entries.size() == 3);
  CHECK(t.entries[1].name.view() == "a \"quoted\" name");
  CHECK(t.entries[1].range.known);
  CHECK(t.entries[1].range.min == -3.25F);
  CHECK(printed(t) == printed(small()));
  const table empty;
  CHECK(printed(parse(printed(empty))) == printed(empty));
}

TEST_CASE("write, read, write is equal byte for byte, for all names and floats") {
  std::mt19937 random(5);
  table t = small();
  for (int i = 0; i < 400; ++i) {
    std::string name = std::to_string(i);
    for (int k = 0; k < i % 7; ++k) name.insert(name.begin(), static_cast<char>(random() % 256));
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(random()) & 0x7FFFFFFFU);
    const float threshold = x < std::numeric_limits<float>::infinity() && x >= least_threshold ? x : 0.3F;
    t.add(name, {true, threshold, -threshold, threshold / 3.0F});
  }
  for (const char* name :
       {"", " ", "\t", "\"", "\\", "\\n", "\n", "\r\n", "/conv/Conv_output_0", "\xC3\xA9t\xC3\xA9", "a#b"}) {
    t.add(name, {true, 1.0F, -0.0F, 1e-20F});
  }
  const std::string once = printed(t);
  const table back = parse(once);
  REQUIRE(back.entries.size() == t.entries.size());
  for (std::size_t i = 0; i < t.entries.size(); ++i) {
    REQUIRE(back.entries[i].name == t.entries[i].name);
    REQUIRE(equal_members(back.entries[i].range, t.entries[i].range));
  }
  CHECK(printed(back) == once);
}

TEST_CASE("an edited table is read: other comments, blank lines, tabs, CRLF, no header lines, no last newline") {
  const table t = parse("# tmpu calibration table v1\r\n\r\n# mine: wider than it was\r\n  x\t2   -1 1.5  \r\n\r\n"
                        "\"\\x41\\\\\\n\" 1e-3 0 1e-3");
  CHECK(t.model == 0);
  CHECK(t.rules == 0);
  REQUIRE(t.entries.size() == 2);
  CHECK(t.find("x")->threshold == 2.0F);
  CHECK(t.find("A\\\n")->max == 1e-3F);
}

TEST_CASE("refusals name file, line, thing and cure in one line") {
  const auto no_table = "t.cali line 1: this is no calibration table (it would begin with `# tmpu calibration table "
                        "v1`): make one with `tmpuc calibrate`";
  CHECK(refusal_of("") == no_table);
  CHECK(refusal_of("input 1 0 1\n") == no_table);
  CHECK(refusal_of(std::string_view("\x08\x07\0PK", 5)) == no_table);
  CHECK(refusal_of("# tmpu calibration table v2\n") ==
        "t.cali line 1: version '2' of the table is not known here (v1 is): make it again with `tmpuc calibrate`");

  const auto malformed = "t.cali line 2: expected `name threshold min max` with three numbers";
  for (const char* line : {"x", "x 1", "x 1 0", "x 1 0 one", "x 1 0 1.5.2", "x 1,0 0 1", "x 0x10 0 1", "x +1 0 1"}) {
    CAPTURE(line);
    CHECK(refusal_of_line(line) == malformed);
  }
  CHECK(refusal_of_line("x 1 0 1 1") == "t.cali line 2: expected `name threshold min max` and nothing after it");
  CHECK(refusal_of_line("x 1 0 1e99") == "t.cali line 2: '1e99' is out of the range of f32");
  CHECK(refusal_of_line("\"x 1 0 1") == "t.cali line 2: the quote of the name is not closed");
  CHECK(refusal_of_line("\"x\"1 0 1") == "t.cali line 2: a space must follow the name");
  CHECK(refusal_of_line("x\" 1 0 1") == "t.cali line 2: a name that holds quotes or backslashes must stand in quotes");
  const auto escape = "t.cali line 2: the name holds an unknown escape: use \\\" \\\\ \\n \\r \\t \\xHH";
  for (const char* line : {"\"\\q\" 1 0 1", "\"\\x4\" 1 0 1", "\"\\x", "\"\\"}) CHECK(refusal_of_line(line) == escape);

  const auto unusable = [](std::string_view why) {
    return "t.cali line 2: tensor x " + std::string(why) +
           ": make the table again with `tmpuc calibrate`, or put a range there";
  };
  CHECK(refusal_of_line("x nan 0 1") == unusable("holds NaN"));
  CHECK(refusal_of_line("x 1 nan 1") == unusable("holds NaN"));
  CHECK(refusal_of_line("x 1 0 -nan") == unusable("holds NaN"));
  CHECK(refusal_of_line("x inf 0 1") == unusable("holds an infinity"));
  CHECK(refusal_of_line("x 1 -inf 1") == unusable("holds an infinity"));
  CHECK(refusal_of_line("x 0 0 1") == unusable("has a threshold that is not positive"));
  CHECK(refusal_of_line("x -1 0 1") == unusable("has a threshold that is not positive"));
  CHECK(refusal_of_line("x 1e-38 0 1") == unusable("has a threshold too small for a scale"));
  CHECK(refusal_of_line("x 1 0.5 0.25") == unusable("has a minimum above its maximum"));
  CHECK(refusal_of_line("x 1 0 0") == unusable("has a range of zero width"));
  CHECK(refusal_of_line("x 1 -0 0") == unusable("has a range of zero width"));

  CHECK(refusal_of_line("y 1 0 1\n\nx 1 0 1\n\"y\" 2 0 2") ==
        "t.cali line 5: tensor y is given already in line 2: take one of the two out");

  CHECK(refusal_of_line("# model: 12") == "t.cali line 2: a fingerprint has 16 hexadecimal digits");
  CHECK(refusal_of_line("# rules: 0123456789abcdeg") == "t.cali line 2: a fingerprint has 16 hexadecimal digits");
  CHECK(refusal_of_line("# model: 0123456789abcdef x") ==
        "t.cali line 2: there is more on the line than belongs to it");
  for (const char* line : {"# method: kl", "# method: kl samples: many", "# method: kl samples: -1", "# method:"}) {
    CHECK(refusal_of_line(line) == "t.cali line 2: expected `# method: NAME samples: N`");
  }
}

TEST_CASE("every truncation of a table is read or refused in one line") {
  const std::string whole = printed(small());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string message = refusal_of(std::string_view(whole).substr(0, size));
    CHECK(message.find('\n') == std::string::npos);
  }
}
