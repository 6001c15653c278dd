// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/lines.hpp"
#include "tmpu/calibrate/qtable.hpp"
#include "tmpu/core/dtype.hpp"
#include "tmpu/core/text.hpp"

#include <cstdint>
#include <string_view>
#include <utility>

namespace tmpu::calibrate {

namespace detail {
inline constexpr std::string_view qtable_title = "# tmpu qtable v";
/// The word of a dtype in the table: that of `--quantize`.
constexpr std::string_view qtable_word(dtype_id type) {
  return type == dtype_id::i8 ? std::string_view("int8") : name_of(type);
}
} // namespace detail

/// The table as text; parse_qtable gives it back.
inline text print(const qtable& t) {
  text out;
  out << detail::qtable_title << "1\n# layer dtype\n";
  for (const layer_type& l : t.layers) {
    detail::put_name(out, l.layer);
    out << ' ' << detail::qtable_word(l.type) << '\n';
  }
  return out;
}

/// Reads a table. `source` (the file's name) stands before the line number in a refusal. Refuses what is no table, malformed lines,
/// unknown dtypes, layers given twice.
inline qtable parse_qtable(std::string_view content, std::string_view source = "qtable") {
  qtable t;
  detail::for_each_line(content, source, [&](detail::line_reader& line, std::int64_t number) {
    if (number == 1) {
      if (!line.take(detail::qtable_title)) {
        line.fail("this is no qtable (it would begin with `# tmpu qtable v1`): make one with `tmpuc sensitivity`");
      }
      if (const std::string_view version = line.take_word(); version != "1") {
        line.fail(
            text("version '") << version
                              << "' of the qtable is not known here (v1 is): make it again with `tmpuc sensitivity`");
      }
      return;
    }
    line.skip_spaces();
    if (line.at_end() || line.front() == '#') return;
    layer_type l;
    l.layer = line.take_name();
    const std::string_view word = line.take_word();
    for (const dtype_id type : {dtype_id::i8, dtype_id::f16, dtype_id::bf16, dtype_id::f32}) {
      if (word == detail::qtable_word(type)) l.type = type;
    }
    line.skip_spaces();
    if (l.type == dtype_id::none || !line.at_end()) {
      line.fail("expected `layer dtype` with int8, f16, bf16 or f32, and nothing after it");
    }
    if (t.find(l.layer) != dtype_id::none) {
      text message("layer ");
      detail::put_name(message, l.layer);
      line.fail(message << " is given already: take one of the two out");
    }
    t.layers.push_back(std::move(l));
  });
  return t;
}

} // namespace tmpu::calibrate
