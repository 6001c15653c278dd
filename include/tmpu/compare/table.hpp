// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/compare/similarity.hpp"
#include "tmpu/core/text.hpp"
#include "tmpu/core/vec.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tmpu::compare {

/// The places where a tensor can be looked at, in the order of the pipeline.
enum class place : std::uint8_t { onnx, top, tpu, chip };
inline constexpr std::array<std::string_view, 4> place_names{"onnx", "top", "tpu", "chip"};

/// The pairs that the table compares: each step, and the whole way.
struct place_pair {
  place from;
  place to;
};
inline constexpr std::array<place_pair, 4> pairs{
    place_pair{place::onnx, place::top}, place_pair{place::top, place::tpu}, place_pair{place::tpu, place::chip},
    place_pair{place::onnx, place::chip}};

/// One pair of one tensor. Absent where the tensor does not exist at one of the two places (fused away, never stored).
struct cell {
  bool present = false;
  similarity measure;
};

struct row {
  text name;
  std::array<cell, pairs.size()> cells;
};

/// The least cosine and euclid of each pair; the columns in the order of `pairs`.
struct tolerance {
  double cosine = 0.99;
  double euclid = 0.9;
};

/// The four-way table: a row a tensor, a cell a pair of places.
class table {
public:
  /// Says where the first column comes from ("ONNX Runtime", "own origin inference"); printed above the table.
  constexpr void set_reference(std::string_view words) { reference_ = text(words); }
  [[nodiscard]] constexpr std::string_view reference() const { return reference_.view(); }

  /// The results of one tensor; where it does not exist at a place, the default span (data() == nullptr).
  constexpr row& add(std::string_view name, const std::array<std::span<const float>, 4>& values) {
    row r;
    r.name = text(name);
    for (std::size_t p = 0; p < pairs.size(); ++p) {
      const std::span<const float> a = values[static_cast<std::size_t>(pairs[p].from)];
      const std::span<const float> b = values[static_cast<std::size_t>(pairs[p].to)];
      if (a.data() == nullptr || b.data() == nullptr) continue;
      r.cells[p] = {true, compare(a, b)};
    }
    return rows_.push_back(r);
  }
  /// A row whose measures were made elsewhere.
  constexpr row& add(row r) { return rows_.push_back(r); }

  [[nodiscard]] constexpr std::span<const row> rows() const { return rows_.span(); }

  /// Index of the row with the least cosine at a pair (ties: least euclid, then the first); a NaN is worse than every
  /// number. -1 where no row has the pair.
  [[nodiscard]] constexpr std::int64_t worst(std::size_t pair) const {
    std::int64_t found = -1;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const cell& c = rows_[i].cells[pair];
      if (!c.present) continue;
      if (found < 0 || worse(c.measure, rows_[static_cast<std::size_t>(found)].cells[pair].measure))
        found = static_cast<std::int64_t>(i);
    }
    return found;
  }

  /// Every present cell of the pair within the tolerance; true for a pair that no row has.
  [[nodiscard]] constexpr bool within(std::size_t pair, tolerance t) const {
    for (const row& r : rows_)
      if (r.cells[pair].present && !r.cells[pair].measure.within(t.cosine, t.euclid)) return false;
    return true;
  }
  /// Every present cell of the pair is bit-equal.
  [[nodiscard]] constexpr bool all_bit_equal(std::size_t pair) const {
    for (const row& r : rows_)
      if (r.cells[pair].present && !r.cells[pair].measure.bit_equal) return false;
    return true;
  }

private:
  static constexpr bool worse(const similarity& a, const similarity& b) {
    const auto less = [](double x, double y) { return math::is_nan(x) ? !math::is_nan(y) : x < y; };
    if (less(a.cosine, b.cosine)) return true;
    if (less(b.cosine, a.cosine)) return false;
    return less(a.euclid, b.euclid);
  }

  vec<row> rows_;
  text reference_;
};

namespace detail {

/// `digits` decimals; half away from zero. Numbers of 10^12 and beyond become "big".
constexpr text decimals(double x, int digits) {
  if (math::is_nan(x)) return "nan";
  if (x == math::infinity<double>) return "inf";
  if (x == -math::infinity<double>) return "-inf";
  if (math::abs(x) >= 1e12) return x < 0.0 ? "-big" : "big";
  std::int64_t unit = 1;
  for (int i = 0; i < digits; ++i) unit *= 10;
  const auto scaled = static_cast<std::int64_t>(math::round_half_away(math::abs(x) * static_cast<double>(unit)));
  text out;
  if (x < 0.0 && scaled != 0) out << '-';
  out << scaled / unit;
  if (digits == 0) return out;
  out << '.';
  for (std::int64_t place = unit / 10; place != 0; place /= 10) out << static_cast<char>('0' + scaled / place % 10);
  return out;
}

constexpr void pad(text& out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out << ' ';
}

/// A measure that is almost 1 is not printed as 1: rounded toward zero there.
constexpr text share(double x) {
  constexpr double below_one = 0.999999;
  return decimals(x < 1.0 && x > below_one ? below_one : x, 6);
}

constexpr text cell_words(const cell& c) {
  if (!c.present) return "-";
  if (c.measure.bit_equal) return "bit-equal";
  text out;
  out << share(c.measure.cosine) << ' ' << share(c.measure.euclid) << ' ' << decimals(c.measure.sqnr_db, 1) << "dB";
  return out;
}

constexpr text pair_name(std::size_t p, std::string_view between) {
  text out;
  out << place_names[static_cast<std::size_t>(pairs[p].from)] << between
      << place_names[static_cast<std::size_t>(pairs[p].to)];
  return out;
}

constexpr void json_string(text& out, std::string_view s) {
  constexpr std::string_view hex = "0123456789abcdef";
  out << '"';
  for (const char c : s) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out << '\\' << c;
    else if (code < 0x20U)
      out << "\\u00" << hex[code >> 4] << hex[code & 15U];
    else
      out << c;
  }
  out << '"';
}

/// JSON has no infinities and no NaN: they are the strings "inf", "-inf" and "nan".
inline void json_number(text& out, double x) {
  if (math::is_nan(x) || math::is_inf(x))
    out << '"' << decimals(x, 0) << '"';
  else
    out << x;
}

} // namespace detail

/// Plain text, one line a tensor: cosine, euclid and SQNR of each pair, or `bit-equal`, or `-` where absent; then the
/// worst row of each pair. Ends with a line break.
[[nodiscard]] constexpr text to_text(const table& t) {
  constexpr std::size_t columns = pairs.size() + 1;
  vec<std::array<text, columns>> lines;
  std::array<text, columns> head;
  head[0] = "tensor";
  for (std::size_t p = 0; p < pairs.size(); ++p) head[p + 1] = detail::pair_name(p, " > ");
  lines.push_back(head);
  for (const row& r : t.rows()) {
    std::array<text, columns> line;
    line[0] = r.name;
    for (std::size_t p = 0; p < pairs.size(); ++p) line[p + 1] = detail::cell_words(r.cells[p]);
    lines.push_back(line);
  }
  std::array<std::size_t, columns> widths{};
  for (const auto& line : lines)
    for (std::size_t c = 0; c < columns; ++c)
      widths[c] = line[c].view().size() > widths[c] ? line[c].view().size() : widths[c];

  text out;
  if (!t.reference().empty()) out << "onnx column: " << t.reference() << '\n';
  out << "cosine euclid SQNR, each place against the one before, and the last against the first\n";
  for (const auto& line : lines) {
    for (std::size_t c = 0; c < columns; ++c) {
      out << line[c];
      if (c + 1 < columns) detail::pad(out, widths[c] - line[c].view().size() + 2);
    }
    out << '\n';
  }
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    const std::int64_t w = t.worst(p);
    if (w < 0) continue;
    const row& r = t.rows()[static_cast<std::size_t>(w)];
    out << "worst " << detail::pair_name(p, " > ") << ": ";
    if (t.all_bit_equal(p))
      out << "all bit-equal\n";
    else
      out << r.name << "  " << detail::cell_words(r.cells[p]) << '\n';
  }
  return out;
}

/// {"reference": "...", "rows": [{"name": "...", "onnx_top": {...}, ...}], "worst": {"onnx_top": "name", ...}}; a cell
/// is
/// {"cosine", "euclid", "sqnr_db", "max_abs_difference", "bit_equal"} or null where absent. One line, no line break.
[[nodiscard]] inline text to_json(const table& t) {
  text out;
  out << "{\"reference\": ";
  detail::json_string(out, t.reference());
  out << ", \"rows\": [";
  bool first = true;
  for (const row& r : t.rows()) {
    if (!first) out << ", ";
    first = false;
    out << "{\"name\": ";
    detail::json_string(out, r.name.view());
    for (std::size_t p = 0; p < pairs.size(); ++p) {
      out << ", \"" << detail::pair_name(p, "_") << "\": ";
      if (!r.cells[p].present) {
        out << "null";
        continue;
      }
      const similarity& m = r.cells[p].measure;
      out << "{\"cosine\": ";
      detail::json_number(out, m.cosine);
      out << ", \"euclid\": ";
      detail::json_number(out, m.euclid);
      out << ", \"sqnr_db\": ";
      detail::json_number(out, m.sqnr_db);
      out << ", \"max_abs_difference\": ";
      detail::json_number(out, m.max_abs_difference);
      out << ", \"bit_equal\": " << m.bit_equal << '}';
    }
    out << '}';
  }
  out << "], \"worst\": {";
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    if (p != 0) out << ", ";
    out << '"' << detail::pair_name(p, "_") << "\": ";
    const std::int64_t w = t.worst(p);
    if (w < 0)
      out << "null";
    else
      detail::json_string(out, t.rows()[static_cast<std::size_t>(w)].name.view());
  }
  out << "}}";
  return out;
}

} // namespace tmpu::compare
