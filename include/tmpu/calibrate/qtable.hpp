// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/dtype.hpp"
#include "tmpu/core/text.hpp"
#include "tmpu/core/vec.hpp"

#include <string_view>

/// Mixed precision: the layers that compute in another dtype than the rest of the graph. As a text (qtable_text.hpp), to be read, edited and fed back:
/// ```
/// # tmpu qtable v1
/// # layer dtype
/// output f16
/// "conv 1" f32
/// ```
/// A layer goes by the name of the (first) tensor that it makes; the name of an input gives the input its dtype. Names are quoted
/// as in the calibration table (table_text.hpp).
namespace tmpu::calibrate {

struct layer_type {
  text layer;
  dtype_id type = dtype_id::none;
};

struct qtable {
  vec<layer_type> layers;

  constexpr void add(std::string_view layer, dtype_id type) { layers.push_back({text(layer), type}); }
  /// The dtype of that layer; none where the table does not name it.
  [[nodiscard]] constexpr dtype_id find(std::string_view layer) const {
    for (const layer_type& l : layers) {
      if (l.layer.view() == layer) return l.type;
    }
    return dtype_id::none;
  }
};

} // namespace tmpu::calibrate
