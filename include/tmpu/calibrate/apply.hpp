// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/corrections.hpp"
#include "tmpu/calibrate/fingerprint.hpp"
#include "tmpu/calibrate/own_scales.hpp"
#include "tmpu/calibrate/qtable.hpp"
#include "tmpu/calibrate/table.hpp"
#include "tmpu/core/diag.hpp"
#include "tmpu/ir/graph.hpp"

#include <cstdint>
#include <string_view>
#include <utility>

namespace tmpu::calibrate {

/// Gives every activation the range that the table has for it, and puts the table's corrections into the constants. Entries for tensors that the graph does not have are
/// passed over (a table may be shared by hand).
///
/// A model with QuantizeLinear and DequantizeLinear keeps its own scales (own_scales.hpp) and needs no table: what has neither a
/// scale nor a line in the table is not computed in int8.
///
/// Refuses a table made for another model or for other rules, one that lacks a tensor, and ranges that int8 cannot use.
struct apply_calibration {
  static constexpr stage from = stage::canonical;
  static constexpr stage to = stage::calibrated;
  static constexpr std::string_view name = "apply-calibration";

  /// `rules`: fingerprint of the canonicalize rules that made the graph; 0 is not checked. `layers` names those that are not
  /// computed in int8: their weights are not rounded.
  constexpr graph<stage::calibrated> operator()(graph<stage::canonical> g, const table& t, std::uint64_t rules = 0,
                                                const qtable* layers = nullptr) const {
    if (t.rules != 0 && rules != 0 && t.rules != rules) {
      refuse(
          "the calibration table was made for other canonicalize rules: make the table again with `tmpuc calibrate`");
    }
    if (t.model != 0 && t.model != fingerprint(g)) {
      refuse("the calibration table was made for another model (other weights, shapes or names): make the table again "
             "with `tmpuc calibrate`");
    }
    const bool own = take_own_scales(g);
    std::int64_t lacking = 0;
    text names;
    for (const tensor_id id : activations(g)) {
      if (g.at(id).quant.present()) continue;
      const activation_range* range = t.find(g.name(id));
      if (range == nullptr) {
        if (own) continue;
        if (++lacking <= 3) names << (lacking == 1 ? "'" : ", '") << g.name(id) << '\'';
        continue;
      }
      if (const auto why = why_unusable(*range); !why.empty()) {
        refuse(text("tensor '") << g.name(id) << "' of the calibration table " << why
                                << ": make the table again with `tmpuc calibrate`, or put a range there");
      }
      g.at(id).range = *range;
      g.at(id).range.known = true;
    }
    if (lacking > 0) {
      refuse(text("the calibration table lacks ")
             << lacking << (lacking == 1 ? " tensor: " : " tensors: ") << names << (lacking > 3 ? ", ..." : "")
             << ": make the table again with `tmpuc calibrate`");
    }
    if (!t.corrections.empty()) {
      detail::apply_channels(g, t);
      detail::apply_int8(g, t, [&](std::string_view layer) {
        const dtype_id type = layers == nullptr ? dtype_id::none : layers->find(layer);
        return type == dtype_id::none || type == dtype_id::i8;
      });
    }
    return graph<stage::calibrated>(std::move(g));
  }
};

} // namespace tmpu::calibrate
