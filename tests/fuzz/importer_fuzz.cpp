// SPDX-License-Identifier: Apache-2.0
// Whatever the bytes are: the importer makes a graph that holds its invariants, or refuses with one line; so does the reader of stage
// files. libFuzzer drives it (run.cmake).
#include "fuzz/seeds.hpp"
#include "tmpu/onnx/import.hpp"
#include "tmpu/onnx/stage_file.hpp"
#include "tmpu/top/operators.hpp"

namespace {

using namespace tmpu;
using operators = unpack<decltype(top::operators)>;

void import(std::span<const std::uint8_t> bytes) {
  const auto model = tmpu::onnx::parse_model(bytes, "fuzz.onnx");
  if (tmpu::onnx::is_stage_file(model)) {
    static_cast<void>(tmpu::onnx::from_onnx<operators>(model));
    return;
  }
  const auto g = tmpu::onnx::import_model<operators>(
      model, {.input_shapes = {}, .directory = "/nowhere", .files = nullptr, .allow_free = true});
  if (const text bad = verify(g); !bad.empty())
    fuzz::fault((text("an imported graph breaks its invariants: ") << bad).view());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  return fuzz::one_line([&] { import({data, size}); });
}
