// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/calibrate.hpp"
#include "tmpu/calibrate/equalize.hpp"
#include "tmpu/calibrate/rounding.hpp"
#include "tmpu/calibrate/through.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace tmpu::calibrate {

/// Which corrections are made.
struct correct_options {
  bool equalize = true;
  bool ranges = true;
  bool rounding = true;
  bool bias = true;
};

/// Makes a table with corrections of one without, in passes over the same samples:
/// `while (c.unfinished()) { for (inputs of each sample) c.add(inputs); c.end_pass(); }`. The passes: the sizes of channels; the ranges
/// of the equalised graph, and what functions make of them; what the weights are multiplied with.
class corrector {
public:
  /// `samples`: how many there will be in each pass.
  constexpr corrector(const graph<stage::canonical>& g, const table& ranges, std::int64_t samples,
                      const correct_options& o = {})
      : graph_(g), made_(ranges), samples_(samples), options_(o), ranges_(graph_, ranges.rules) {
    made_.corrections = {};
    if (o.equalize) {
      at_ = step::sizes;
      sizes_.emplace(graph_);
    } else {
      begin_ranges();
    }
  }
  corrector(const corrector&) = delete; // a part of it points into another part
  corrector& operator=(const corrector&) = delete;

  [[nodiscard]] constexpr bool unfinished() const { return at_ != step::done; }

  constexpr void add(std::span<const value> inputs) {
    if (at_ == step::ranges) {
      ranges_.add(inputs);
      return;
    }
    const vec<value> values = evaluate(graph_, inputs, keep::everything, &constants_);
    if (at_ == step::sizes) sizes_->add(values.span());
    if (at_ != step::weights) return;
    const std::int64_t rows = rows_in_all / (samples_ < 1 ? 1 : samples_);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const weighted& l = layers_[i];
      moments_[i].add(values[static_cast<std::size_t>(l.x)], graph_.at(l.y).dims, rows < 16 ? 16 : rows);
    }
  }

  constexpr void end_pass() {
    if (at_ == step::sizes) {
      made_.corrections = sizes_->finish();
      sizes_.reset();
      if (!made_.corrections.empty()) {
        detail::apply_channels(graph_, made_);
        constants_ = {};
        ranges_ = calibrator(graph_, made_.rules);
      }
      begin_ranges();
    } else if (at_ == step::ranges) {
      if (!made_.corrections.empty()) made_.entries = ranges_.finish(made_.method).entries;
      if (options_.ranges) look_through(graph_, made_, [&](tensor_id t) { return seen(t); });
      begin_weights();
    } else if (at_ == step::weights) {
      round();
      at_ = step::done;
    }
  }

  [[nodiscard]] constexpr const table& made() const { return made_; }

private:
  enum class step { sizes, ranges, weights, done };
  static constexpr std::int64_t rows_in_all = 16384;

  /// A pass for ranges where there is a use for it.
  constexpr void begin_ranges() {
    if (!options_.ranges && made_.corrections.empty()) return begin_weights();
    at_ = step::ranges;
  }
  [[nodiscard]] constexpr const histogram* seen(tensor_id t) const {
    for (std::size_t i = 0; i < ranges_.tensors().size(); ++i) {
      if (ranges_.tensors()[i] == t) return &ranges_.seen(i);
    }
    return nullptr;
  }
  constexpr void begin_weights() {
    at_ = options_.rounding || options_.bias ? step::weights : step::done;
    if (at_ == step::done) return;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const weighted l = weighted_at(graph_, static_cast<node_id>(i));
      const activation_range* range = l.node == none ? nullptr : made_.find(graph_.name(l.x));
      if (range == nullptr) continue;
      layers_.push_back(l);
      moments_.push_back(layer_moments(l, range->threshold));
    }
  }
  constexpr void round() {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const weighted& l = layers_[i];
      correction rounding{correction::kind::rounding, text(graph_.name(l.y)), {}, {}};
      correction bias{correction::kind::bias, rounding.name, {}, {}};
      correction steps{correction::kind::steps, rounding.name, {}, {}};
      layer_moments::rounded r = moments_[i].round(graph_.constant_value(l.weight), !options_.rounding);
      rounding.bits = std::move(r.up);
      steps.values = std::move(r.steps);
      bias.values = std::move(r.bias);
      if (options_.rounding) {
        made_.corrections.push_back(std::move(rounding));
        made_.corrections.push_back(std::move(steps));
      }
      if (options_.bias && l.takes_bias) made_.corrections.push_back(std::move(bias));
    }
  }

  graph<stage::canonical> graph_;
  table made_;
  vec<value> constants_; // of the graph as it is
  std::int64_t samples_;
  correct_options options_;
  step at_ = step::done;
  std::optional<equalizer> sizes_;
  calibrator ranges_;
  vec<weighted> layers_;
  vec<layer_moments> moments_;
};

} // namespace tmpu::calibrate
