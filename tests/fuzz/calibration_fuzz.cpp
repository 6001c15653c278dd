// SPDX-License-Identifier: Apache-2.0
// Whatever a calibration table, the statistics of a part of the samples or a table of layers' dtypes holds: it is refused in one line, or
// printed it is read as the same, and printed again the same text. Of statistics each method makes a table.
#include "fuzz/seeds.hpp"
#include "tmpu/calibrate/qtable_text.hpp"
#include "tmpu/calibrate/statistics.hpp"
#include "tmpu/calibrate/table_text.hpp"

namespace {

using namespace tmpu;

/// Reads, prints, reads again and prints again.
template <class Parse> auto twice(std::string_view content, Parse&& parse) {
  auto t = parse(content);
  const text once = print(t);
  if (!(print(parse(once.view())) == once)) fuzz::fault("what was printed is read as something else");
  return t;
}

void read(std::string_view content) {
  if (content.starts_with(calibrate::detail::statistics_title)) {
    const auto s = twice(content, [](std::string_view c) { return calibrate::parse_statistics(c, "fuzz.part"); });
    unpack<decltype(calibrate::methods)>::for_each(
        [&]<class Method>() { fuzz::one_line([&] { static_cast<void>(s.finish(Method::name)); }); });
  } else if (content.starts_with(calibrate::detail::qtable_title)) {
    static_cast<void>(twice(content, [](std::string_view c) { return calibrate::parse_qtable(c, "fuzz.qtable"); }));
  } else {
    static_cast<void>(twice(content, [](std::string_view c) { return calibrate::parse(c, "fuzz.cali"); }));
  }
}

const std::vector<std::vector<std::uint8_t>>& seeds() {
  static const std::vector<std::vector<std::uint8_t>> all = [] {
    constexpr std::string_view texts[] = {
        "# tmpu calibration table v1\n# model: 5d0f2b6c91a4e387\n# rules: 0e3a77c2b1d95f60\n"
        "# method: kl samples: 200\n# name threshold min max\ninput 1 0 1\n",
        "# tmpu calibration table v1\r\n\"conv \\\"1\\\"\\x0a\" 3.25 -3.25 2.5\r\n\n# more\nx 1e-7 -0 1e-7",
        "# tmpu calibration statistics v1\n# model: 5d0f2b6c91a4e387\n# rules: 0e3a77c2b1d95f60\n# samples: 2\n"
        "x 6 1 0 -1 2 1 +3:2 +2047:1 -9:3\n\"b c\" 1 1 0 0 0 -10 +0:1\n",
        "# tmpu qtable v1\n# layer dtype\nconv_1 f16\n\"a b\" f32\n"};
    std::vector<std::vector<std::uint8_t>> made;
    for (const std::string_view t : texts) made.emplace_back(t.begin(), t.end());
    return made;
  }();
  return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::one_line([&] { read({reinterpret_cast<const char*>(data), size}); }); // NOLINT: bytes as text
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  if (size < 17 || data[0] != '#') return fuzz::put_seed(seeds(), seed, data, most);
  if (seed % 8 == 0) return LLVMFuzzerMutate(data, size, most);
  const auto line = static_cast<std::size_t>(std::find(data, data + size, '\n') - data);
  const std::size_t title = std::min(line + 1, size); // what is behind it
  return title + LLVMFuzzerMutate(data + title, size - title, most - title);
}
