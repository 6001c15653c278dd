// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/graph.hpp"
#include "tmpu/ir/value.hpp"

namespace tmpu {

/// What is known of a tensor's elements before anything runs.
struct known_elements {
  value content;           ///< unknown elements are 0 here
  vec<std::uint8_t> known; ///< 1 for each known element; empty: all are known

  [[nodiscard]] constexpr bool complete() const { return known.empty(); }
  [[nodiscard]] constexpr bool at(std::size_t i) const { return known.empty() || known[i] != 0; }
};

/// The side table of a graph that shape rules look into: elements of small tensors that follow from constants and from known
/// dimensions alone, so that shapes that the graph itself computes are known, too. The constants of the graph are not in it.
class known_values {
public:
  /// Larger tensors are no lists of sizes and places; they are left to constant folding.
  static constexpr std::int64_t most_elements = 1024;

  [[nodiscard]] constexpr const known_elements* find(tensor_id t) const {
    const auto at = static_cast<std::size_t>(t);
    return at < place_.size() && place_[at] != 0 ? &list_[place_[at] - 1] : nullptr;
  }
  constexpr void put(tensor_id t, known_elements e) {
    if (held_ > most_held) return;
    const auto at = static_cast<std::size_t>(t);
    if (place_.size() <= at) place_.resize(at + 1);
    held_ += e.content.size();
    list_.push_back(std::move(e));
    place_[at] = static_cast<std::uint32_t>(list_.size());
  }

private:
  static constexpr std::size_t most_held = std::size_t{1} << 24; ///< elements in the table as a whole

  vec<known_elements> list_;
  vec<std::uint32_t> place_; ///< by tensor: 1 + index in list_
  std::size_t held_ = 0;
};

} // namespace tmpu
