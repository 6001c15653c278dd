// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/text.hpp"
#include "tmpu/core/vec.hpp"
#include "tmpu/ir/graph.hpp"

#include <cstdint>
#include <string_view>

/// The calibration table: what int8 shall cover of each tensor, and corrections of constants (table_text.hpp: as text).
namespace tmpu::calibrate {

/// A tensor of the canonical graph, and what int8 shall cover of it.
struct entry {
  text name;
  activation_range range{};
};

/// What the model's constants take in before they become int8 (corrections.hpp):
/// ```
/// @channels c1 0.5 1.25      the channels of tensor c1 are divided by these, in the weights that make and read it
/// @bias c1 0.001 -0.02       is added to the biases of layer c1 (the node that makes c1)
/// @steps c1 0.01 0.02        between the weights of each output channel of layer c1, where it is not the greatest |w| / 127
/// @rounding c1 mVq3...       of each weight, by output channels: rounded up (1) or down; six bits a character, the lowest first
/// ```
struct correction {
  enum class kind : std::uint8_t { channels, bias, rounding, steps };
  kind is = kind::channels;
  text name;
  vec<float> values;
  vec<std::uint8_t> bits; ///< of rounding, one a weight

  [[nodiscard]] constexpr float at(std::size_t i) const { return values[i]; }
  [[nodiscard]] constexpr bool bit(std::size_t i) const { return bits[i] != 0; }
};

/// Plain data, so that a model that is written as a C++ value can bring its table into constant evaluation:
/// `table t; t.add("x", {true, 1.0F, 0.0F, 1.0F});`
struct table {
  std::uint64_t model = 0; ///< fingerprint of the canonical graph; 0: any
  std::uint64_t rules = 0; ///< fingerprint of the canonicalize rules; 0: any
  text method;
  std::int64_t samples = 0;
  vec<entry> entries;
  vec<correction> corrections;

  constexpr void add(std::string_view name, const activation_range& range) { entries.push_back({text(name), range}); }
  /// The range of that tensor, or null.
  [[nodiscard]] constexpr const activation_range* find(std::string_view name) const {
    for (const entry& e : entries) {
      if (e.name.view() == name) return &e.range;
    }
    return nullptr;
  }
  [[nodiscard]] constexpr const correction* find(correction::kind kind, std::string_view name) const {
    for (const correction& c : corrections) {
      if (c.is == kind && c.name.view() == name) return &c;
    }
    return nullptr;
  }
};

/// Thresholds below it have no scale that int8 arithmetic can hold.
inline constexpr float least_threshold = 0x1p-100F;

/// The activations that calibration is about: floating graph inputs and results of nodes, in the order in which they
/// are made.
constexpr vec<tensor_id> activations(const graph_body& g) {
  vec<tensor_id> found;
  const auto put = [&](tensor_id t) {
    if (t != none && is_floating(g.at(t).type)) found.push_back(t);
  };
  for (const tensor_id t : g.inputs) put(t);
  for (const node& n : g.nodes) {
    for (const tensor_id t : g.results(n)) put(t);
  }
  return found;
}

/// What is wrong with a range: empty where int8 can be made of it.
constexpr std::string_view why_unusable(const activation_range& r) {
  for (const float x : {r.threshold, r.min, r.max}) {
    if (x != x) return "holds NaN";
    if (x > 0x1.fffffep127F || x < -0x1.fffffep127F) return "holds an infinity";
  }
  if (r.threshold <= 0.0F) return "has a threshold that is not positive";
  if (r.threshold < least_threshold) return "has a threshold too small for a scale";
  if (r.min > r.max) return "has a minimum above its maximum";
  if (r.min == 0.0F && r.max == 0.0F) return "has a range of zero width";
  return {};
}

} // namespace tmpu::calibrate
