// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/graph.hpp"
#include "tmpu/tpu/operators.hpp"

namespace tmpu::memory {

/// Proves an assignment independently of how it was made: walks the groups in order, keeps the map of which tensor owns which
/// bytes of the activation region, and finds the first read of a tensor whose bytes another tensor has overwritten.
/// Empty text when all is well.
constexpr text check(const graph_body& g) {
  struct owned {
    std::int64_t first = 0;
    std::int64_t last = 0;
    tensor_id tensor = none;
  };
  vec<owned> map; // disjoint
  const auto size_of = [&](tensor_id t) { return g.at(t).dims.elements() * bytes_of(g.at(t).type); };
  const auto write = [&](tensor_id t) {
    const std::int64_t first = g.at(t).address;
    const std::int64_t last = first + size_of(t);
    vec<owned> next;
    for (const owned& o : map) { // what is overwritten loses its bytes
      if (o.last <= first || last <= o.first) {
        next.push_back(o);
        continue;
      }
      if (o.first < first) next.push_back({o.first, first, o.tensor});
      if (last < o.last) next.push_back({last, o.last, o.tensor});
    }
    next.push_back({first, last, t});
    map = std::move(next);
  };
  const auto holds = [&](tensor_id t) {
    if (g.at(t).in_host_slot()) return true; // of its own
    std::int64_t covered = 0;
    for (const owned& o : map) {
      if (o.tensor == t) covered += o.last - o.first;
    }
    return covered == size_of(t);
  };
  const auto origin = [&](tensor_id t) {
    while (g.at(t).producer != none && is<tpu::reshape>(g, g.at(t).producer)) t = g.operand(g.at(t).producer, 0);
    return t;
  };
  const auto breach = [&](tensor_id t, std::string_view where) {
    return text("tensor '") << g.name(t) << "' is overwritten in global memory before " << where << " reads it";
  };
  for (const tensor_id t : g.inputs) {
    if (g.at(t).in_host_slot()) continue;
    if (g.at(t).address < 0 || g.at(t).address + size_of(t) > g.activation_bytes) {
      return text("input '") << g.name(t) << "' lies outside of the activation region";
    }
    write(t);
  }
  for (const layer_group& lg : g.groups) {
    for (node_id id = lg.first; id < lg.first + lg.count; ++id) {
      for (const tensor_id t : g.operands(id)) {
        if (t == none || g.is_constant(t) || g.at(t).producer >= lg.first) continue;
        if (!holds(origin(t))) return breach(t, g.node_name(id));
      }
    }
    for (node_id id = lg.first; id < lg.first + lg.count; ++id) {
      if (is<tpu::reshape>(g, id)) continue;
      bool wrote = false;
      for (const tensor_id y : g.results(id)) {
        if (y == none || g.at(y).address == none || g.at(y).in_host_slot()) continue;
        if (g.at(y).address < 0 || g.at(y).address + size_of(y) > g.activation_bytes) {
          return text("tensor '") << g.name(y) << "' lies outside of the activation region";
        }
        write(y);
        wrote = true;
      }
      if (!wrote) continue;
      // A group writes while it still reads: its own operands must survive its results.
      for (node_id reader = lg.first; reader < lg.first + lg.count; ++reader) {
        for (const tensor_id t : g.operands(reader)) {
          if (t == none || g.is_constant(t) || g.at(t).producer >= lg.first) continue;
          if (!holds(origin(t))) return breach(t, g.node_name(reader));
        }
      }
    }
  }
  for (const tensor_id t : g.outputs) {
    if (!holds(origin(t))) return breach(t, "the host");
  }
  return {};
}

} // namespace tmpu::memory
