// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/core/dtype.hpp"

#include <cstdint>
#include <string_view>

namespace tmpu::lower {

/// Weights of fewer bits than the activations: their type, and how many elements of a sum share a scale at most.
struct weight_format {
  dtype_id type = dtype_id::none; ///< i4, i8, f8e4m3 or f8e5m2; none: as the activations
  std::int64_t group = 0;         ///< 0: 16 of four bits, 32 of eight
  [[nodiscard]] constexpr std::int64_t most() const { return group > 0 ? group : type == dtype_id::i4 ? 16 : 32; }
  [[nodiscard]] constexpr bool given() const { return type != dtype_id::none; }
};

/// What a model can be lowered to: a word, the dtype of the pass, the type of the weights.
struct mode {
  std::string_view name;
  dtype_id type = dtype_id::none;
  dtype_id weights = dtype_id::none;
};

/// The modes (what `--quantize` takes): w: bits of a weight, a: of an activation. In the f8 modes weights are f8 and activations f16.
inline constexpr mode modes[] = {
    {"f32", dtype_id::f32},
    {"f16", dtype_id::f16},
    {"bf16", dtype_id::bf16},
    {"int8", dtype_id::i8},
    {"w8a16", dtype_id::f16, dtype_id::i8},
    {"w4a16", dtype_id::f16, dtype_id::i4},
    {"w8abf16", dtype_id::bf16, dtype_id::i8},
    {"w4abf16", dtype_id::bf16, dtype_id::i4},
    {"f8e4m3", dtype_id::f16, dtype_id::f8e4m3},
    {"f8e5m2", dtype_id::f16, dtype_id::f8e5m2},
};

/// The words of all modes: `f32, f16, ... or f8e5m2`.
constexpr text mode_words() {
  text out;
  constexpr std::size_t count = sizeof(modes) / sizeof(modes[0]);
  for (std::size_t i = 0; i < count; ++i) out << (i == 0 ? "" : i + 1 == count ? " or " : ", ") << modes[i].name;
  return out;
}
/// The mode named so; nullptr where there is none.
constexpr const mode* mode_named(std::string_view word) {
  for (const mode& m : modes) {
    if (m.name == word) return &m;
  }
  return nullptr;
}
/// The name of the mode of these types.
constexpr std::string_view mode_name(dtype_id type, dtype_id weights) {
  for (const mode& m : modes) {
    if (m.type == type && m.weights == weights) return m.name;
  }
  return name_of(type);
}

} // namespace tmpu::lower
