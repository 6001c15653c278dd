// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/fingerprint.hpp"
#include "tmpu/calibrate/lines.hpp"
#include "tmpu/calibrate/table.hpp"
#include "tmpu/core/diag.hpp"
#include "tmpu/core/text.hpp"
#include "tmpu/core/vec.hpp"

#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <utility>

/// The calibration table as text: one line a tensor, to be read, edited and fed back.
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

namespace detail {
inline constexpr std::string_view table_title = "# tmpu calibration table v";
inline constexpr std::string_view correction_words[] = {"channels", "bias", "rounding", "steps"};
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
  while (kind < 4 && correction_words[kind] != word) ++kind;
  if (kind == 4)
    line.fail(text("there is no correction '") << word << "': channels, bias, rounding and steps are known");
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
    if (v != v || v - v != 0.0F ||
        ((c.is == correction::kind::channels && v <= 0.0F) || (c.is == correction::kind::steps && v < 0.0F))) {
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
