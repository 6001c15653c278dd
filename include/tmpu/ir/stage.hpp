// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace tmpu {

/// What holds of a graph (docs/design.md, "The way data goes"). Later stages keep what earlier ones established.
enum class stage : std::uint8_t { origin, canonical, calibrated, lowered, grouped, addressed };

constexpr std::string_view name_of(stage s) {
  switch (s) {
  case stage::origin: return "origin";
  case stage::canonical: return "canonical";
  case stage::calibrated: return "calibrated";
  case stage::lowered: return "lowered";
  case stage::grouped: return "grouped";
  case stage::addressed: return "addressed";
  }
  return "?";
}

/// What is put before `.onnx` in the name of a stage file: `digits_cnn.tpu.onnx`.
constexpr std::string_view suffix_of(stage s) {
  switch (s) {
  case stage::origin: return "origin";
  case stage::canonical: return "canonical";
  case stage::calibrated: return "cali";
  case stage::lowered: return "tpu";
  case stage::grouped: return "lg";
  case stage::addressed: return "addr";
  }
  return "?";
}

} // namespace tmpu
