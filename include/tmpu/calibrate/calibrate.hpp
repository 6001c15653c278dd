// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/calibrate/fingerprint.hpp"
#include "tmpu/calibrate/observer.hpp"
#include "tmpu/calibrate/table.hpp"
#include "tmpu/calibrate/threshold.hpp"
#include "tmpu/core/diag.hpp"
#include "tmpu/ir/evaluate.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace tmpu::calibrate {

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
    }
  }

  /// One sample: values of all graph inputs, in their order. Refuses NaN; infinities (masks) do not count.
  constexpr void add(std::span<const value> inputs) {
    const vec<value> values = evaluate(*graph_, inputs, keep::everything);
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      seen_[i].observe(values[static_cast<std::size_t>(tensors_[i])].f.span());
      if (seen_[i].nans() > 0) {
        refuse(text("tensor '") << graph_->name(tensors_[i]) << "' holds NaN on sample " << samples_
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

  /// The table of the method: `finish<kl>()`. Refuses without samples.
  template <threshold_method Method> [[nodiscard]] constexpr table finish() const {
    return finish_with(Method::name, [](const histogram& h) { return choose_range<Method>(h); });
  }
  /// The same for the method of that name in a list, by default `methods`.
  template <class Methods = unpack<decltype(methods)>>
  [[nodiscard]] constexpr table finish(std::string_view method) const {
    return finish_with(method, [&](const histogram& h) { return choose_range<Methods>(method, h); });
  }

  [[nodiscard]] constexpr std::int64_t samples() const { return samples_; }
  /// The tensors observed and what was seen of the i-th.
  [[nodiscard]] constexpr const vec<tensor_id>& tensors() const { return tensors_; }
  [[nodiscard]] constexpr const histogram& seen(std::size_t i) const { return seen_[i]; }

private:
  template <class Choose> constexpr table finish_with(std::string_view method, Choose choose) const {
    if (samples_ == 0) refuse("calibration saw no sample: give at least one");
    table t;
    t.model = fingerprint(*graph_);
    t.rules = rules_;
    t.method = text(method);
    t.samples = samples_;
    for (std::size_t i = 0; i < tensors_.size(); ++i) t.add(graph_->name(tensors_[i]), choose(seen_[i]));
    return t;
  }

  const graph<stage::canonical>* graph_;
  std::uint64_t rules_;
  vec<tensor_id> tensors_;
  vec<histogram> seen_;
  std::int64_t samples_ = 0;
};

} // namespace tmpu::calibrate
