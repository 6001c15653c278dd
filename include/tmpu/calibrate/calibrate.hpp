// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/fingerprint.hpp"
#include "tmpu/calibrate/observer.hpp"
#include "tmpu/calibrate/statistics.hpp"
#include "tmpu/calibrate/table.hpp"
#include "tmpu/calibrate/threshold.hpp"
#include "tmpu/core/diag.hpp"
#include "tmpu/ir/evaluate.hpp"
#include "tmpu/top/softmax.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace tmpu::calibrate {

namespace detail {
/// The axis along which every reader of t is a softmax; none where t has another reader.
constexpr std::int64_t softmax_axis(const graph_body& g, tensor_id t) {
  std::int64_t axis = none;
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    for (const tensor_id operand : g.operands(static_cast<node_id>(i))) {
      if (operand != t) continue;
      if (g.nodes[i].op != &record_of<top::softmax>) return none;
      const auto rank = static_cast<std::int64_t>(g.at(t).dims.rank());
      std::int64_t own = attributes_of<top::softmax>(g, static_cast<node_id>(i)).axis;
      own = own < 0 ? own + rank : own;
      if (axis != none && axis != own) return none;
      axis = own;
    }
  }
  return g.is_output(t) ? none : axis;
}

/// What a softmax sees of x: an element far below the greatest of its row counts as that far below it, since its exponential is
/// nothing beside that one's. So a mask of -1e4 does not set the scale.
constexpr void hide_masked(value& x, std::int64_t axis) {
  constexpr float reach = 24.0F; // e^-24 = 4e-11
  const std::int64_t count = x.dims[static_cast<std::size_t>(axis)];
  std::int64_t inner = 1;
  for (std::size_t d = static_cast<std::size_t>(axis) + 1; d < x.dims.rank(); ++d) inner *= x.dims[d];
  const std::int64_t rows = count == 0 ? 0 : x.dims.elements() / count;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t first = row / inner * count * inner + row % inner;
    float greatest = -math::infinity<float>;
    for (std::int64_t k = 0; k < count; ++k) {
      const float v = x.f[static_cast<std::size_t>(first + k * inner)];
      if (v > greatest && !math::is_inf(v)) greatest = v;
    }
    for (std::int64_t k = 0; k < count; ++k) {
      float& v = x.f[static_cast<std::size_t>(first + k * inner)];
      if (v < greatest - reach && !math::is_inf(v)) v = greatest - reach;
    }
  }
}
} // namespace detail

/// Runs samples through a canonical graph and keeps a histogram a tensor; a sample's values are dropped after it is
/// counted. Calibrators of one graph that saw parts of the samples merge to the same table as one that saw all.
///
/// The graph outlives the calibrator. `rules` is the fingerprint of the canonicalize rules that made the graph (0: not
/// known).
class calibrator {
public:
  constexpr explicit calibrator(const graph<stage::canonical>& g, std::uint64_t rules = 0)
      : graph_(&g), rules_(rules), tensors_(activations(g)), seen_(tensors_.size()) {
    vec<std::uint64_t> hashes;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const std::string_view name = g.name(tensors_[i]);
      const std::uint64_t hash = fingerprint_hash().put(name).digest();
      for (std::size_t j = 0; j < i; ++j) {
        if (hashes[j] == hash && g.name(tensors_[j]) == name) {
          refuse(text("two tensors of the model are called '")
                 << name << "', so a table could not tell them apart: rename one");
        }
      }
      hashes.push_back(hash);
      softmax_axis_.push_back(detail::softmax_axis(g, tensors_[i]));
    }
  }

  /// One sample: values of all graph inputs, in their order. Refuses NaN; infinities (masks) do not count.
  constexpr void add(std::span<const value> inputs) { add(inputs, samples_); }
  /// The same; `number` is what a refusal calls the sample.
  constexpr void add(std::span<const value> inputs, std::int64_t number) {
    vec<value> values = evaluate(*graph_, inputs, keep::everything, &constants_);
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      value& v = values[static_cast<std::size_t>(tensors_[i])];
      if (softmax_axis_[i] != none) detail::hide_masked(v, softmax_axis_[i]);
      seen_[i].observe(v.f.span());
      if (seen_[i].nans() > 0) {
        refuse(text("tensor '") << graph_->name(tensors_[i]) << "' holds NaN on sample " << number
                                << ": check --mean, --scale and the data");
      }
    }
    ++samples_;
  }

  /// Takes in what another calibrator of the same graph saw.
  constexpr void merge(const calibrator& other) {
    if (other.graph_ != graph_) refuse("calibrators of different graphs cannot be merged: make both of one graph");
    for (std::size_t i = 0; i < seen_.size(); ++i) seen_[i].merge(other.seen_[i]);
    samples_ += other.samples_;
  }

  /// What was seen, as plain data that can be written down and merged (statistics.hpp).
  [[nodiscard]] constexpr statistics seen() const {
    statistics s;
    s.model = fingerprint(*graph_);
    s.rules = rules_;
    s.samples = samples_;
    for (std::size_t i = 0; i < tensors_.size(); ++i) s.tensors.push_back({text(graph_->name(tensors_[i])), seen_[i]});
    return s;
  }

  /// The table of the method: `finish<kl>()`. Refuses without samples.
  template <threshold_method Method> [[nodiscard]] constexpr table finish() const { return seen().finish<Method>(); }
  /// The same for the method of that name in a list, by default `methods`.
  template <class Methods = unpack<decltype(methods)>>
  [[nodiscard]] constexpr table finish(std::string_view method) const {
    return seen().finish<Methods>(method);
  }

  [[nodiscard]] constexpr std::int64_t samples() const { return samples_; }
  /// The tensors observed and what was seen of the i-th.
  [[nodiscard]] constexpr const vec<tensor_id>& tensors() const { return tensors_; }
  [[nodiscard]] constexpr const histogram& seen(std::size_t i) const { return seen_[i]; }

private:
  const graph<stage::canonical>* graph_;
  vec<value> constants_; ///< of the graph, kept between samples
  std::uint64_t rules_;
  vec<tensor_id> tensors_;
  vec<std::int64_t> softmax_axis_; // of each tensor, none where another operator reads it
  vec<histogram> seen_;
  std::int64_t samples_ = 0;
};

} // namespace tmpu::calibrate
