// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

/// What the fuzz targets share. A target brings its seeds along: its mutator puts one in the place of what is none of its files.
namespace fuzz {

[[noreturn]] inline void fault(std::string_view why) {
  std::fprintf(stderr, "fuzz fault: %s\n", std::string(why).c_str());
  std::abort();
}

/// Runs f; what it refuses must be one line.
template <class F> int one_line(F&& f) {
  try {
    f();
  } catch (const tmpu::error& e) {
    if (std::string_view(e.what()).find('\n') != std::string_view::npos)
      fault(std::string("a refusal of two lines: ") + e.what());
  }
  return 0;
}

inline std::size_t put_seed(const std::vector<std::vector<std::uint8_t>>& seeds, unsigned number, std::uint8_t* data,
                            std::size_t most) {
  const auto& seed = seeds[number % seeds.size()];
  const std::size_t size = std::min(seed.size(), most);
  std::copy_n(seed.begin(), size, data);
  return size;
}

} // namespace fuzz
