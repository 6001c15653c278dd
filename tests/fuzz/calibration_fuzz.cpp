// SPDX-License-Identifier: Apache-2.0
// Whatever a calibration table holds: it is refused in one line, or printed it is read as the same table, and printed again the same text.
#include "fuzz/seeds.hpp"
#include "tmpu/calibrate/table.hpp"

namespace {

using namespace tmpu;

void read(std::string_view content) {
  const calibrate::table t = calibrate::parse(content, "fuzz.cali");
  const text once = calibrate::print(t);
  const calibrate::table again = calibrate::parse(once.view(), "printed.cali");
  if (!(calibrate::print(again) == once)) fuzz::fault("a printed table is read as another one");
  if (again.entries.size() != t.entries.size()) fuzz::fault("a printed table has other tensors");
}

const std::vector<std::vector<std::uint8_t>>& seeds() {
  static const std::vector<std::vector<std::uint8_t>> all = [] {
    constexpr std::string_view texts[] = {
        "# tmpu calibration table v1\n# model: 5d0f2b6c91a4e387\n# rules: 0e3a77c2b1d95f60\n"
        "# method: kl samples: 200\n# name threshold min max\ninput 1 0 1\n",
        "# tmpu calibration table v1\r\n\"conv \\\"1\\\"\\x0a\" 3.25 -3.25 2.5\r\n\n# more\nx 1e-7 -0 1e-7"};
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
  if (size < 28 || data[0] != '#') return fuzz::put_seed(seeds(), seed, data, most);
  if (seed % 8 == 0) return LLVMFuzzerMutate(data, size, most);
  return 28 + LLVMFuzzerMutate(data + 28, size - 28, most - 28); // behind the title line
}
