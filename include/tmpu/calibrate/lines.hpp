// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/core/text.hpp"

#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

/// Lines of the text forms of tables: names in quotes, numbers, fingerprints.
namespace tmpu::calibrate {

namespace detail {
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

/// Reads one line of a table; every refusal names source and line.
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
} // namespace detail

} // namespace tmpu::calibrate
