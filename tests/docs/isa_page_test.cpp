// SPDX-License-Identifier: Apache-2.0
// docs/isa.md is generated from the list of instructions: fields, encoding, operands and example cycles from the structs, meaning from their
// comments, the cycle model from its source. This test fails where the page is stale, and writes it when the environment has
// TMPU_UPDATE_DOCS=1.
#include "tmpu/exec/validate.hpp"
#include "tmpu/isa/check.hpp"
#include "tmpu/isa/disasm.hpp"
#include "tmpu/timing/cycles.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace tmpu;
using std::string;
using std::string_view;

const string project = TMPU_TESTS_DIR "/../";

string read(const string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Unit and limits of a field, by its name (and where they differ, the instruction's).
struct field_words {
  string_view name;
  string_view unit;
  string_view limits;
};
constexpr field_words words_of_fields[] = {
    {"groups", "groups of channels", "1 or more; divides the channels of x and y"},
    {"group", "elements", "1 to w of x"},
    {"kernel_h", "rows", "1 to 2^20"},
    {"kernel_w", "columns", "1 to 2^20"},
    {"stride_h", "rows", "1 to 2^20"},
    {"stride_w", "columns", "1 to 2^20"},
    {"dilation_h", "rows", "1 to 2^20"},
    {"dilation_w", "columns", "1 to 2^20"},
    {"pad_top", "rows", "-2^20 to 2^20; negative: x begins above the window"},
    {"pad_left", "columns", "-2^20 to 2^20"},
    {"pad_value", "quantized number", "integer types"},
    {"x_zero", "quantized number", "integer types"},
    {"y_zero", "quantized number", "integer types"},
    {"a_zero", "quantized number", "integer types"},
    {"b_zero", "quantized number", "integer types"},
    {"low", "as y", "not above high; integer types: a quantized number"},
    {"high", "as y", "not below low; integer types: a quantized number"},
    {"multiplier", "of 2^-shift", "0 to 2^31 - 1"},
    {"a_multiplier", "of 2^-shift", "0 to 2^31 - 1"},
    {"b_multiplier", "of 2^-shift", "0 to 2^31 - 1"},
    {"shift", "bits", "0 to 62 (pool: 40)"},
    {"alpha", "of the function", "any"},
    {"beta", "of the function", "any"},
    {"value", "as y", "any"},
    {"scale", "real units a quantized number", "above 0 where one side is an integer type"},
    {"part", "", "resume: from `partial` instead of 0; finish: to `y` instead of `partial`"},
    {"kind", "", ""},
    {"count_pad", "", "taps outside x count"},
};

template <class T> std::uint32_t words_in() {
  vec<std::uint32_t> words;
  word_writer(words).put(T{});
  return static_cast<std::uint32_t>(words.size());
}
string count_of_words(std::uint32_t first, std::uint32_t count) {
  return count == 1 ? std::to_string(first) : std::to_string(first) + "–" + std::to_string(first + count - 1);
}

template <class T> string type_name() {
  if constexpr (std::is_same_v<T, isa::local_ref>) return "local tensor";
  if constexpr (std::is_same_v<T, isa::global_ref>) return "global tensor";
  if constexpr (std::is_same_v<T, isa::sum_part>) return "two flags";
  if constexpr (std::is_same_v<T, bool>) return "flag";
  if constexpr (std::is_same_v<T, float>) return "f32";
  if constexpr (std::is_enum_v<T>) return "enumeration";
  if constexpr (std::is_integral_v<T>) return string(std::is_signed_v<T> ? "i" : "u") + std::to_string(sizeof(T) * 8);
}
template <class T> string values_of() {
  string out;
  for (std::int64_t n = 0; n <= isa::detail::last_enumerator<T>; ++n)
    out += (n == 0 ? "" : ", ") + std::to_string(n) + " " + string(name_of(static_cast<T>(n)));
  return out;
}

/// Whether visiting `i` touches the member at `address`.
template <class Instruction> bool touches(const Instruction& i, const void* address, bool writing) {
  bool found = false;
  const auto see = [&](const auto& operand) { found = found || &operand == address; };
  writing ? i.writes(see) : i.reads(see);
  return found;
}
/// When an operand is read or written: always, or by the part of a sum.
template <class Instruction> string use_of(Instruction& i, const void* member, bool writing) {
  if constexpr (requires { i.part; }) {
    bool on[2][2] = {};
    for (const bool resume : {false, true}) {
      for (const bool finish : {false, true}) {
        i.part = {.resume = resume, .finish = finish};
        on[resume ? 1 : 0][finish ? 1 : 0] = touches(i, member, writing);
      }
    }
    i.part = {.resume = false, .finish = true};
    const string verb = writing ? "written" : "read";
    if (on[0][0] && on[0][1] && on[1][0] && on[1][1]) return verb;
    if (!on[0][0] && on[0][1] && !on[1][0] && on[1][1]) return verb + " by the part that finishes";
    if (on[0][0] && !on[0][1] && on[1][0] && !on[1][1]) return verb + " by parts that do not finish";
    if (!on[0][0] && !on[0][1] && on[1][0] && on[1][1]) return verb + " by parts that resume";
    return on[0][0] || on[0][1] || on[1][0] || on[1][1] ? verb + " by some parts" : "";
  } else {
    return touches(i, member, writing) ? (writing ? "written" : "read") : "";
  }
}

template <class T> string limits_of(string_view field) {
  for (const field_words& f : words_of_fields) {
    if (f.name != field) continue;
    string out = string(f.unit) + (!f.unit.empty() && !f.limits.empty() ? "; " : "") + string(f.limits);
    if constexpr (std::is_enum_v<T>) out += (out.empty() ? "" : "; ") + values_of<T>();
    return out;
  }
  FAIL_CHECK("field '" << string(field) << "' has no unit and limits: add it to tests/docs/isa_page_test.cpp");
  return "?";
}

/// The comment (`///` lines) right above the line that begins with `line`, as one text a line.
std::vector<string> comment_above(const string& source, const string& line) {
  const std::size_t at = source.find("\n" + line);
  REQUIRE_MESSAGE(at != string::npos, line);
  std::istringstream lines(source.substr(0, at + 1));
  std::vector<string> out;
  for (string l; std::getline(lines, l);) {
    if (l.starts_with("/// ")) {
      out.push_back(l.substr(4));
    } else {
      out.clear();
    }
  }
  return out;
}

/// The body of the function `cycles` of an instruction, as its source says it.
string cycle_model(const string& source, string_view type) {
  const string head = "constexpr std::int64_t cycles(const isa::" + string(type) + "& i, const chip::facts& chip) {\n";
  const std::size_t at = source.find(head);
  REQUIRE_MESSAGE(at != string::npos, "no cycles for " << string(type));
  const std::size_t from = at + head.size();
  std::istringstream lines(source.substr(from, source.find("\n}\n", from) - from));
  string out;
  for (string l; std::getline(lines, l);) out += l.substr(l.starts_with("  ") ? 2 : 0) + "\n";
  return out;
}

/// A tile of 64 channels of 14 x 14 in f16, every operand at a place of its own; sums over 64 channels and one tap.
template <class Instruction> Instruction example(const chip::facts& chip) {
  Instruction i{};
  std::int64_t bank = 0;
  const auto place = [&](isa::layout layout, dtype_id type, std::int64_t n, std::int64_t c, std::int64_t h,
                         std::int64_t w) {
    return isa::make_local(chip, layout, type, n, c, h, w, bank++ * chip.bank_bytes());
  };
  for_each_member(i, [&]<class Member>(string_view name, Member& member) {
    if constexpr (std::is_same_v<Member, isa::local_ref>) {
      member = place(isa::layout::aligned, dtype_id::f16, 1, 64, 14, 14);
      if (name == "mask") member.type = dtype_id::boolean;
    } else if constexpr (std::is_same_v<Member, isa::global_ref>) {
      member = {.address = 0,
                .type = dtype_id::f16,
                .n = 1,
                .c = 64,
                .h = 14,
                .w = 14,
                .n_stride = 25088,
                .c_stride = 392,
                .h_stride = 28,
                .w_stride = 2};
    } else if constexpr (std::is_same_v<Member, std::int32_t>) {
      member = name.starts_with("kernel") || name.starts_with("stride") || name.starts_with("dilation") ||
                       name == "group" || name == "groups"
                   ? 1
                   : 0;
    }
  });
  if constexpr (requires { i.part; }) i.part = {.resume = false, .finish = true};
  if constexpr (requires { i.weight; }) {
    const bool depthwise = !requires { i.part; };
    i.weight = place(isa::layout::compact, dtype_id::f16, 1, 64, depthwise ? 1 : 64, 1);
    i.params = place(isa::layout::compact, dtype_id::f32, 1, 64, 1, 1);
  }
  if constexpr (std::is_same_v<Instruction, isa::matmul>) {
    i.x = place(isa::layout::copy, dtype_id::f16, 196, 1, 64, 1);
    i.y = i.partial = place(isa::layout::aligned, dtype_id::f16, 196, 64, 1, 1);
  }
  if constexpr (std::is_same_v<Instruction, isa::reduce>) i.y = place(isa::layout::aligned, dtype_id::f16, 1, 64, 1, 1);
  if constexpr (std::is_same_v<Instruction, isa::compare>)
    i.y = place(isa::layout::aligned, dtype_id::boolean, 1, 64, 14, 14);
  if constexpr (std::is_same_v<Instruction, isa::lookup>) i.x.type = i.y.type = i.table.type = dtype_id::i8;
  if constexpr (std::is_same_v<Instruction, isa::integer>) i.a.type = i.b.type = i.y.type = dtype_id::i32;
  if constexpr (std::is_same_v<Instruction, isa::dma_gather>) { // 64 rows of 196
    i.src.w = i.src.h * i.src.w;
    i.src.h = 1;
    i.index = place(isa::layout::compact, dtype_id::i32, 1, 64, 1, 1);
    i.dst = place(isa::layout::compact, dtype_id::f16, 1, 64, 1, 196);
  }
  if constexpr (std::is_same_v<Instruction, isa::dma_scatter> || std::is_same_v<Instruction, isa::dma_combine>) {
    i.dst.w = i.dst.h * i.dst.w;
    i.dst.h = 1;
    i.index = place(isa::layout::compact, dtype_id::i32, 1, 64, 1, 1);
    i.src = place(isa::layout::compact, dtype_id::f16, 1, 64, 1, 196);
  }
  if constexpr (std::is_same_v<Instruction, isa::dequant>) i.x.type = dtype_id::i4;
  return i;
}

string hexadecimal(std::uint8_t x) {
  constexpr string_view digits = "0123456789ABCDEF";
  return string("0x") + digits[x / 16] + digits[x % 16];
}

string make_page() {
  const string source = read(project + "include/tmpu/isa/instructions.hpp");
  const string cycles = read(project + "include/tmpu/timing/cycles.hpp");
  string out =
      "<!-- SPDX-License-Identifier: Apache-2.0 -->\n"
      "<!-- Generated by tests/docs/isa_page_test.cpp from the list of instructions; not to be edited. -->\n"
      "# The instruction set\n\nVersion " +
      std::to_string(isa::instruction_set) +
      ". It is raised when the encoding or the meaning of an instruction changes, or one goes; a new one leaves it. A\n"
      "[`.tmodel`](formats.md) carries it. What the machine is: [design.md](design.md#6-the-machine).\n\n";
  const string intro = source.substr(0, source.find("\nnamespace tmpu::isa {"));
  std::istringstream lines(intro);
  for (string l; std::getline(lines, l);) {
    if (l == "///") out += "\n";
    if (l.starts_with("/// ")) out += l.substr(4) + "\n";
  }
  out +=
      "\n## Encoding\n\nAn instruction is a row of 32-bit words. Word 0: opcode in the lowest 8 bits, number of words "
      "(this one "
      "included) above. Words 1–6: two\nwaits, each a core, an engine (0 compute, 1 dma) and a count: the instruction "
      "starts when "
      "that queue has completed so many\ninstructions of the segment; a count of 0 waits for nothing. Then the fields "
      "in their "
      "order, an integer, flag or enumeration of up to 32 bits a word, f32 as its\nbits, 64 bits low word first.\n\n";
  const auto members = [&]<class Struct>(string_view title, std::type_identity<Struct>) {
    out += "A " + string(title) + " is " + std::to_string(words_in<Struct>()) + " words: ";
    bool first = true;
    for_each_member(Struct{}, [&]<class Member>(string_view name, const Member&) {
      out += string(first ? "" : ", ") + "`" + string(name) + "`" + (words_in<Member>() > 1 ? " (2)" : "");
      first = false;
    });
    out += ".\n";
  };
  members("local tensor", std::type_identity<isa::local_ref>{});
  for (const string& l : comment_above(read(project + "include/tmpu/isa/operands.hpp"), "struct local_ref {"))
    out += l + "\n";
  out += "\n";
  members("global tensor", std::type_identity<isa::global_ref>{});
  for (const string& l : comment_above(read(project + "include/tmpu/isa/operands.hpp"), "struct global_ref {"))
    out += l + "\n";
  out += "\nAddresses are bytes: of a local tensor within a lane, of a global one a region (0 weights, 1 activations) "
         "times 2^40 and an "
         "offset.\nStrides are bytes and not negative, extents 1 to 2^30, the element types: ";
  string types;
  for (int id = 1; id <= isa::detail::last_enumerator<dtype_id>; ++id) {
    const auto type = static_cast<dtype_id>(id);
    if (exec::detail::known_type(type) || type == dtype_id::i4)
      types += (types.empty() ? "" : ", ") + string(name_of(type)) + " = " + std::to_string(id);
  }
  out += types + ".\nEvery operand lies whole in its memory, aligned to its elements. i4 lies packed, two a byte, the "
                 "first in the lower half, "
                 "a row on\nwhole bytes; `dequant` reads it, transfers move its bytes as u8.\n\n"
                 "| opcode | instruction | engine | words |\n|---|---|---|---|\n";
  using list = unpack<decltype(isa::instructions)>;
  list::for_each([&]<class I>() {
    out += "| " + hexadecimal(I::opcode) + " | [`" + string(I::name) + "`](#";
    for (const char c : I::name) {
      if (c != '.') out += c;
    }
    out += ") | " + string(name_of(I::engine)) + " | " + std::to_string(7 + words_in<I>()) + " |\n";
  });
  list::for_each([&]<class I>() {
    string type(I::name);
    for (char& c : type) c = c == '.' ? '_' : c;
    out += "\n## " + string(I::name) + "\n\n";
    const std::vector<string> meaning = comment_above(source, "struct " + type + " {");
    CHECK_MESSAGE(!meaning.empty(), type << " has no comment that says what it means");
    for (const string& l : meaning) out += l + "\n";
    out += "\nOpcode " + hexadecimal(I::opcode) + ", " + std::to_string(7 + words_in<I>()) + " words, engine " +
           string(name_of(I::engine)) + ".\n\n| words | field | type | unit and limits; use |\n|---|---|---|---|\n";
    std::uint32_t at = 7;
    I i{};
    for_each_member(i, [&]<class Member>(string_view name, Member& member) {
      out +=
          "| " + count_of_words(at, words_in<Member>()) + " | `" + string(name) + "` | " + type_name<Member>() + " | ";
      at += words_in<Member>();
      if constexpr (std::is_same_v<Member, isa::local_ref> || std::is_same_v<Member, isa::global_ref>) {
        const string reads = use_of(i, &member, false);
        const string writes = use_of(i, &member, true);
        CHECK_MESSAGE(!(reads.empty() && writes.empty()),
                      type << "." << string(name) << " is neither read nor written");
        out += reads + (!reads.empty() && !writes.empty() ? "; " : "") + writes;
      } else {
        out += limits_of<Member>(name);
      }
      out += " |\n";
    });
    out += "\nCycles, in cycles of the compute clock:\n\n```cpp\n" + cycle_model(cycles, type) + "```\n\n|";
    string ruler = "\n|";
    string figures = "\n|";
    unpack<decltype(chip::chips)>::for_each([&]<class Chip>() {
      out += " " + string(Chip::info.name) + " |";
      ruler += "---|";
      figures += " " + std::to_string(timing::cycles(example<I>(Chip::info), Chip::info)) + " |";
    });
    out += ruler + figures + "\n";
  });
  out += "\n## Cycles\n\nThe figures above are those of one example: tensors of 64 channels of 14 × 14 in f16 (lookup: "
         "i8; compare: "
         "into bool; dequant: from i4),\nsums over 64 channels and one tap (matmul: 196 rows), operands in banks of "
         "their own. `pass` "
         "is one pass of the execution units over a tensor,\n`mac_cycles` the multiply-accumulates at the chip's rate "
         "for the type, "
         "`with_conflict` a quarter more where a bank is read and written at once;\n"
         "[timing/cycles.hpp](../include/tmpu/timing/cycles.hpp) has them. They are predictions of a simple model.\n";
  return out;
}

TEST_CASE("docs/isa.md is that of the list of instructions") {
  const string path = project + "docs/isa.md";
  const string now = make_page();
  if (const char* update = std::getenv("TMPU_UPDATE_DOCS"); update != nullptr && string(update) == "1") {
    std::ofstream(path, std::ios::binary) << now;
    return;
  }
  CHECK_MESSAGE((read(path) == now), "docs/isa.md is stale: run this test with TMPU_UPDATE_DOCS=1");
}

} // namespace
