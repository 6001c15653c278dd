// SPDX-License-Identifier: Apache-2.0
// Whatever the bytes are: the importer of TensorFlow Lite models makes a graph that holds its invariants, or refuses with one line.
// libFuzzer drives it, from the models of tests/tflite/data on (run.cmake).
#include "fuzz/seeds.hpp"
#include "tmpu/ir/verify.hpp"
#include "tmpu/tflite/import.hpp"

namespace {

using namespace tmpu;

void import(std::span<const std::uint8_t> bytes) {
  const vec<std::uint8_t> file(bytes); // flatbuffers looks at whole words: the beginning must lie on one
  const tflite::model model(file.span(), "fuzz.tflite");
  const auto g = tflite::import_model(model, {.input_shapes = {}, .allow_free = true});
  if (const text bad = verify(g); !bad.empty())
    fuzz::fault((text("an imported graph breaks its invariants: ") << bad).view());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::one_line([&] { import({data, size}); });
}
