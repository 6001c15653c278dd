// SPDX-License-Identifier: Apache-2.0
// Compiles the small model at run time and writes the bytes of its programs as a header; the test of the same name compares
// them with those that constant evaluation makes.
#include "small_model.hpp"
#include "tmpu/compile.hpp"
#include "tmpu/isa/tmodel.hpp"

#include <cstdio>

using namespace tmpu;

template <class DType> void write(const char* name) {
  const calibrate::table ranges = small_model::ranges();
  const auto bytes = isa::to_bytes(
      compile<DType>(small_model::build(), {.chip = chip::nano::info, .network = "small", .calibration = &ranges}));
  std::printf("inline constexpr unsigned char %s[] =\n", name);
  for (std::size_t i = 0; i < bytes.size(); i += 64) {
    std::printf("    \"");
    for (std::size_t j = i; j < i + 64 && j < bytes.size(); ++j) std::printf("\\%03o", bytes[j]);
    std::printf("\"\n");
  }
  std::printf("    ;\n");
}

int main() {
  try {
    std::printf("#pragma once\n");
    write<f32>("small_f32");
    write<i8>("small_i8");
  } catch (const error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
