// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/onnx/import.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace tmpu::onnx {

/// How often a model holds an operator, and in which nodes.
struct operator_use {
  std::string onnx; ///< across domains: `Conv`, `com.microsoft::FusedConv`
  std::int64_t count = 0;
  std::vector<std::string> nodes;
};

namespace detail {
class survey {
public:
  explicit survey(const pb::ModelProto& model) {
    for (const auto& f : model.functions()) functions_.emplace(function_name(f.domain(), f.name()), &f);
    walk(model.graph().node(), 0);
    std::sort(uses_.begin(), uses_.end(), [](const auto& a, const auto& b) { return a.onnx < b.onnx; });
  }
  std::vector<operator_use> take() { return std::move(uses_); }

private:
  /// Calls of functions count what is in their bodies; a body that is called often, or calls itself, is counted so often at most.
  static constexpr std::int64_t most_nodes = 1 << 20;

  template <class Nodes> void walk(const Nodes& nodes, int depth) {
    if (depth > deepest_nesting) return;
    for (const auto& n : nodes) {
      if (++seen_ > most_nodes) return;
      const auto f = functions_.find(function_name(n.domain(), n.op_type()));
      if (f != functions_.end()) {
        walk(f->second->node(), depth + 1);
        continue;
      }
      add(n);
      for (const auto& a : n.attribute()) {
        if (a.has_g()) walk(a.g().node(), depth + 1);
      }
    }
  }
  void add(const pb::NodeProto& n) {
    const std::string name = full_name(n);
    auto at = std::find_if(uses_.begin(), uses_.end(), [&](const operator_use& u) { return u.onnx == name; });
    if (at == uses_.end()) at = uses_.insert(uses_.end(), operator_use{name, 0, {}});
    ++at->count;
    at->nodes.emplace_back(name_of_node(n));
  }

  std::unordered_map<std::string, const pb::FunctionProto*> functions_;
  std::vector<operator_use> uses_;
  std::int64_t seen_ = 0;
};
} // namespace detail

/// The operators of a model, by name; the nodes of functions and branches are counted, too.
inline std::vector<operator_use> operator_uses(const pb::ModelProto& model) { return detail::survey(model).take(); }

} // namespace tmpu::onnx
