// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/fingerprint.hpp"
#include "tmpu/core/diag.hpp"
#include "tmpu/core/text.hpp"
#include "tmpu/core/vec.hpp"
#include "tmpu/ir/graph.hpp"

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string_view>
#include <system_error>

/// The calibration table: one line a tensor, to be read, edited and fed back.
/// ```
/// # tmpu calibration table v1
/// # model: 5d0f2b6c91a4e387
/// # rules: 0e3a77c2b1d95f60
/// # method: kl samples: 200
/// # name threshold min max
/// input 1 0 1
/// "conv 1" 3.25 -3.25 2.5
/// ```
/// A name that is empty, starts with '#' or '@', or holds spaces, quotes, backslashes or control characters stands in quotes
/// with the escapes \" \\ \n \r \t and \xHH. Other lines that start with '#', and empty lines, are comments.
/// Fingerprints of 0, or without a line, are not checked. Lines that start with '@' are corrections (`tmpuc correct`).
namespace tmpu::calibrate {

/// A tensor of the canonical graph, and what int8 shall cover of it.
struct entry {
  text name;
  activation_range range{};
};

/// What the model's constants take in before they become int8 (corrections.hpp):
/// ```
/// @channels c1 0.5 1.25      the channels of tensor c1 are divided by these, in the weights that make and read it
/// @bias c1 0.001 -0.02       is added to the biases of layer c1 (the node that makes c1)
/// @rounding c1 mVq3...       of each weight, by output channels: rounded up (1) or down; six bits a character, the lowest first
/// ```
struct correction {
  enum class kind : std::uint8_t { channels, bias, rounding };
  kind is = kind::channels;
  text name;
  vec<float> values;
  vec<std::uint8_t> bits; ///< of rounding, one a weight

  [[nodiscard]] constexpr float at(std::size_t i) const { return values[i]; }
  [[nodiscard]] constexpr bool bit(std::size_t i) const { return bits[i] != 0; }
};

/// Plain data, so that a model that is written as a C++ value can bring its table into constant evaluation:
/// `table t; t.add("x", {true, 1.0F, 0.0F, 1.0F});`
struct table {
  std::uint64_t model = 0; ///< fingerprint of the canonical graph; 0: any
  std::uint64_t rules = 0; ///< fingerprint of the canonicalize rules; 0: any
  text method;
  std::int64_t samples = 0;
  vec<entry> entries;
  vec<correction> corrections;

  constexpr void add(std::string_view name, const activation_range& range) { entries.push_back({text(name), range}); }
  /// The range of that tensor, or null.
  [[nodiscard]] constexpr const activation_range* find(std::string_view name) const {
    for (const entry& e : entries) {
      if (e.name.view() == name) return &e.range;
    }
    return nullptr;
  }
  [[nodiscard]] constexpr const correction* find(correction::kind kind, std::string_view name) const {
    for (const correction& c : corrections) {
      if (c.is == kind && c.name.view() == name) return &c;
    }
    return nullptr;
  }
};

/// Thresholds below it have no scale that int8 arithmetic can hold.
inline constexpr float least_threshold = 0x1p-100F;

/// The activations that calibration is about: floating graph inputs and results of nodes, in the order in which they
/// are made.
constexpr vec<tensor_id> activations(const graph_body& g) {
  vec<tensor_id> found;
  const auto put = [&](tensor_id t) {
    if (t != none && is_floating(g.at(t).type)) found.push_back(t);
  };
  for (const tensor_id t : g.inputs) put(t);
  for (const node& n : g.nodes) {
    for (const tensor_id t : g.results(n)) put(t);
  }
  return found;
}

/// What is wrong with a range: empty where int8 can be made of it.
constexpr std::string_view why_unusable(const activation_range& r) {
  for (const float x : {r.threshold, r.min, r.max}) {
    if (x != x) return "holds NaN";
    if (x > 0x1.fffffep127F || x < -0x1.fffffep127F) return "holds an infinity";
  }
  if (r.threshold <= 0.0F) return "has a threshold that is not positive";
  if (r.threshold < least_threshold) return "has a threshold too small for a scale";
  if (r.min > r.max) return "has a minimum above its maximum";
  if (r.min == 0.0F && r.max == 0.0F) return "has a range of zero width";
  return {};
}

namespace detail {
inline constexpr std::string_view table_title = "# tmpu calibration table v";
inline constexpr std::string_view hex_digits = "0123456789abcdef";

constexpr bool must_quote(std::string_view name) {
  if (name.empty() || name.front() == '#' || name.front() == '@') return true;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '\\' || c == '\x7F') return true;
  }
  return false;
}
constexpr void put_name(text& out, std::string_view name) {
  if (!must_quote(name)) {
    out << name;
    return;
  }
  out << '"';
  for (const char c : name) {
    const auto code = static_cast<unsigned char>(c);
    switch (c) {
    case '"': out << "\\\""; break;
    case '\\': out << "\\\\"; break;
    case '\n': out << "\\n"; break;
    case '\r': out << "\\r"; break;
    case '\t': out << "\\t"; break;
    default:
      if (code < ' ' || code == 0x7F) {
        out << "\\x" << hex_digits[code >> 4] << hex_digits[code & 15U];
      } else {
        out << c;
      }
    }
  }
  out << '"';
}
constexpr void put_hex(text& out, std::uint64_t word) {
  for (int shift = 60; shift >= 0; shift -= 4) out << hex_digits[(word >> shift) & 15U];
}
constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Reads one line of the table; every refusal names source and line.
class line_reader {
public:
  line_reader(std::string_view source, std::int64_t number, std::string_view line)
      : source_(source), number_(number), rest_(line) {}

  [[noreturn]] void fail(std::string_view why) const { refuse(text(source_) << " line " << number_ << ": " << why); }
  void skip_spaces() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] char front() const { return rest_.front(); }
  [[nodiscard]] bool starts_with(char c) const { return rest_.starts_with(c); }
  [[nodiscard]] bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::string_view take_word() {
    skip_spaces();
    std::size_t size = 0;
    while (size < rest_.size() && rest_[size] != ' ' && rest_[size] != '\t') ++size;
    const std::string_view word = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return word;
  }
  text take_name() {
    if (front() != '"') {
      const std::string_view word = take_word();
      if (word.find('"') != std::string_view::npos || word.find('\\') != std::string_view::npos) {
        fail("a name that holds quotes or backslashes must stand in quotes");
      }
      return text(word);
    }
    rest_.remove_prefix(1);
    text name;
    while (true) {
      if (rest_.empty()) fail("the quote of the name is not closed");
      const char c = take_char();
      if (c == '"') break;
      name << (c == '\\' ? take_escaped() : c);
    }
    if (!rest_.empty() && front() != ' ' && front() != '\t') fail("a space must follow the name");
    return name;
  }
  float take_float() {
    const std::string_view word = take_word();
    float x = 0.0F;
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), x);
    if (problem == std::errc::result_out_of_range) fail(text("'") << word << "' is out of the range of f32");
    if (word.empty() || problem != std::errc() || end != word.data() + word.size()) {
      fail("expected `name threshold min max` with three numbers");
    }
    return x;
  }
  std::uint64_t take_fingerprint() {
    const std::string_view word = take_word();
    std::uint64_t bits = 0;
    if (word.size() != 16) fail("a fingerprint has 16 hexadecimal digits");
    for (const char c : word) {
      if (hex_value(c) < 0) fail("a fingerprint has 16 hexadecimal digits");
      bits = bits << 4 | static_cast<std::uint64_t>(hex_value(c));
    }
    return bits;
  }

private:
  char take_char() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  char take_escaped() {
    const char c = rest_.empty() ? '\0' : take_char();
    switch (c) {
    case '"':
    case '\\': return c;
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'x':
      if (rest_.size() >= 2 && hex_value(rest_[0]) >= 0 && hex_value(rest_[1]) >= 0) {
        const int high = hex_value(take_char());
        return static_cast<char>(high * 16 + hex_value(take_char()));
      }
      break;
    default: break;
    }
    fail("the name holds an unknown escape: use \\\" \\\\ \\n \\r \\t \\xHH");
  }

  std::string_view source_;
  std::int64_t number_;
  std::string_view rest_;
};

/// Calls f(line_reader&, number) for each line of a text, numbered from 1, without its line ending (also that of Windows).
template <class F> void for_each_line(std::string_view content, std::string_view source, F&& f) {
  std::int64_t number = 0;
  do {
    const std::size_t size = content.find('\n');
    std::string_view words = content.substr(0, size);
    content.remove_prefix(size == std::string_view::npos ? content.size() : size + 1);
    if (words.ends_with('\r')) words.remove_suffix(1);
    line_reader line(source, ++number, words);
    f(line, number);
  } while (!content.empty());
}

inline constexpr std::string_view correction_words[] = {"channels", "bias", "rounding"};
inline constexpr std::string_view bit_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
inline void put_correction(text& out, const correction& c) {
  out << '@' << correction_words[static_cast<std::size_t>(c.is)] << ' ';
  put_name(out, c.name);
  for (const float v : c.values) out << ' ' << v;
  if (c.is == correction::kind::rounding) out << ' ';
  for (std::size_t i = 0; i < c.bits.size(); i += 6) {
    std::size_t six = 0;
    for (std::size_t k = 0; k < 6 && i + k < c.bits.size(); ++k) six |= static_cast<std::size_t>(c.bits[i + k]) << k;
    out << bit_digits[six];
  }
  out << '\n';
}
/// What follows the '@'.
inline correction take_correction(line_reader& line) {
  correction c;
  const std::string_view word = line.take_word();
  std::size_t kind = 0;
  while (kind < 3 && correction_words[kind] != word) ++kind;
  if (kind == 3) line.fail(text("there is no correction '") << word << "': channels, bias and rounding are known");
  c.is = static_cast<correction::kind>(kind);
  line.skip_spaces();
  if (line.at_end()) line.fail("the correction names no tensor");
  c.name = line.take_name();
  if (c.is == correction::kind::rounding) {
    for (const char digit : line.take_word()) {
      const std::size_t six = bit_digits.find(digit);
      if (six == std::string_view::npos) line.fail(text("'") << digit << "' is no digit of a rounding");
      for (std::size_t k = 0; k < 6; ++k) c.bits.push_back((six >> k & 1U) != 0 ? 1 : 0);
    }
    line.skip_spaces();
    if (!line.at_end()) line.fail("there is more on the line than belongs to it");
    return c;
  }
  for (line.skip_spaces(); !line.at_end(); line.skip_spaces()) {
    c.values.push_back(line.take_float());
    const float v = c.values.back();
    if (v != v || v - v != 0.0F || (c.is == correction::kind::channels && v <= 0.0F)) {
      line.fail(text("'") << v << "' is no factor or bias: make the table again with `tmpuc correct`");
    }
  }
  return c;
}

/// `# model: …`, `# rules: …`, `# method: NAME samples: N`; any other comment passes.
inline void read_comment(table& t, line_reader line) {
  if (line.take("# model:")) {
    t.model = line.take_fingerprint();
  } else if (line.take("# rules:")) {
    t.rules = line.take_fingerprint();
  } else if (line.take("# method:")) {
    t.method = text(line.take_word());
    const bool named = line.take_word() == "samples:";
    const std::string_view word = line.take_word();
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), t.samples);
    if (!named || word.empty() || problem != std::errc() || end != word.data() + word.size() || t.samples < 0) {
      line.fail("expected `# method: NAME samples: N`");
    }
  } else {
    return;
  }
  line.skip_spaces();
  if (!line.at_end()) line.fail("there is more on the line than belongs to it");
}
} // namespace detail

/// The table as text; parse gives it back, and print of that is equal byte for byte.
inline text print(const table& t) {
  text out;
  out << detail::table_title << "1\n# model: ";
  detail::put_hex(out, t.model);
  out << "\n# rules: ";
  detail::put_hex(out, t.rules);
  out << "\n# method: " << (t.method.empty() ? std::string_view("none") : t.method.view()) << " samples: " << t.samples
      << "\n# name threshold min max\n";
  for (const entry& e : t.entries) {
    detail::put_name(out, e.name);
    out << ' ' << e.range.threshold << ' ' << e.range.min << ' ' << e.range.max << '\n';
  }
  for (const correction& c : t.corrections) detail::put_correction(out, c);
  return out;
}

/// Reads a table. `source` (the file's name) stands before the line number in a refusal. Refuses what is no table,
/// malformed lines, NaN, infinities, thresholds that are not positive, min > max, names given twice.
inline table parse(std::string_view content, std::string_view source = "calibration table") {
  table t;
  vec<std::uint64_t> hashes;
  vec<std::int64_t> lines;
  detail::for_each_line(content, source, [&](detail::line_reader& line, std::int64_t number) {
    if (number == 1) {
      if (!line.take(detail::table_title)) {
        line.fail("this is no calibration table (it would begin with `# tmpu calibration table v1`): make one with "
                  "`tmpuc calibrate`");
      }
      if (const std::string_view version = line.take_word(); version != "1") {
        line.fail(
            text("version '") << version
                              << "' of the table is not known here (v1 is): make it again with `tmpuc calibrate`");
      }
      return;
    }
    if (line.starts_with('#')) {
      detail::read_comment(t, line);
      return;
    }
    if (line.take("@")) {
      t.corrections.push_back(detail::take_correction(line));
      return;
    }
    line.skip_spaces();
    if (line.at_end()) return;
    entry e;
    e.name = line.take_name();
    e.range.known = true;
    e.range.threshold = line.take_float();
    e.range.min = line.take_float();
    e.range.max = line.take_float();
    line.skip_spaces();
    if (!line.at_end()) line.fail("expected `name threshold min max` and nothing after it");
    if (const auto why = why_unusable(e.range); !why.empty()) {
      text message("tensor ");
      detail::put_name(message, e.name);
      line.fail(message << ' ' << why << ": make the table again with `tmpuc calibrate`, or put a range there");
    }
    const std::uint64_t hash = fingerprint_hash().put(e.name.view()).digest();
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      if (hashes[i] != hash || !(t.entries[i].name == e.name)) continue;
      text message("tensor ");
      detail::put_name(message, e.name);
      line.fail(message << " is given already in line " << lines[i] << ": take one of the two out");
    }
    hashes.push_back(hash);
    lines.push_back(number);
    t.entries.push_back(std::move(e));
  });
  return t;
}

} // namespace tmpu::calibrate
