// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/graph.hpp"
#include "tmpu/memory/check.hpp"
#include "tmpu/memory/place.hpp"
#include "tmpu/memory/views.hpp"

namespace tmpu::memory {

/// Result of memory assignment, for the report: peak of the activation region, what it cannot go below.
struct report {
  std::int64_t peak = 0;
  std::int64_t lower_bound = 0;
};

namespace detail {
/// For each tensor whether it lies with the host: only host steps touch it, or the machine cannot hold it.
constexpr vec<std::uint8_t> kept_by_host(const graph_body& g) {
  vec<std::uint8_t> by_host(g.tensors.size());
  vec<std::uint8_t> by_chip(g.tensors.size());
  for (std::size_t n = 0; n < g.nodes.size(); ++n) {
    const auto id = static_cast<node_id>(n);
    vec<std::uint8_t>& by = tpu::is_host(g, id) ? by_host : by_chip;
    for (const tensor_id t : g.operands(id)) {
      if (t != none) by[static_cast<std::size_t>(t)] = 1;
    }
    for (const tensor_id t : g.results(id)) {
      if (t != none) by[static_cast<std::size_t>(t)] = 1;
    }
  }
  for (std::size_t i = 0; i < g.tensors.size(); ++i) {
    const tensor& t = g.tensors[i];
    by_host[i] = t.constant == none && by_chip[i] == 0 && (by_host[i] != 0 || !tpu::holds(t)) ? 1 : 0;
  }
  return by_host;
}
} // namespace detail

/// Memory assignment: an address for every tensor that lies in global memory. Activations that are read outside of the group
/// that makes them share one region by their lifetimes; what lies inside of another tensor (views) lives with it. Constants follow each other in
/// the weight region. Inputs live from the start, outputs to the end. What only host steps touch gets a numbered slot of the host.
///
/// Lifetimes go by nodes: node n reads at time 2n and stores at 2n + 1. A group that runs in one step loads what a node reads before that node
/// and stores its result right behind it, so that a result may take the place of what is not read any more. A group of several steps reads and
/// stores all the time.
struct memory_pass {
  static constexpr std::string_view name = "memory";
  static constexpr stage from = stage::grouped;
  static constexpr stage to = stage::addressed;
  /// The exact search may take so many steps: it goes by steps and not by time, so that bytes do not depend on the machine.
  static constexpr std::int64_t search_steps = 20'000;

  static constexpr graph<stage::addressed> run(graph<stage::grouped> g, const chip::facts& chip) {
    constexpr std::int64_t never = -1;
    vec<std::int64_t> first(g.tensors.size(), never);
    vec<std::int64_t> last(g.tensors.size(), never);
    const views inside(g);
    const vec<std::uint8_t> slots = detail::kept_by_host(g);
    const auto touch = [&](tensor_id t, std::int64_t time) {
      if (slots[static_cast<std::size_t>(t)] != 0) return;
      const auto s = static_cast<std::size_t>(inside.of(t).root);
      if (first[s] == never || time < first[s]) first[s] = time;
      if (time > last[s]) last[s] = time;
    };
    vec<std::int64_t> stored_at(g.nodes.size());
    for (const layer_group& lg : g.groups) {
      for (node_id id = lg.first; id < lg.first + lg.count; ++id)
        stored_at[static_cast<std::size_t>(id)] = in_one_step(g, lg) ? 2 * id + 1 : 2 * lg.first;
    }
    const auto touch_stored = [&](tensor_id t) {
      if (g.at(t).producer != none) touch(t, stored_at[static_cast<std::size_t>(g.at(t).producer)]);
    };
    for (const tensor_id t : g.inputs) touch(t, 0);
    for (const layer_group& lg : g.groups) {
      for (node_id id = lg.first; id < lg.first + lg.count; ++id) {
        for (const tensor_id t : g.operands(id)) {
          if (t == none || g.is_constant(t) || g.at(t).producer >= lg.first) continue;
          touch(t, in_one_step(g, lg) ? 2 * id : 2 * (lg.first + lg.count) - 1);
          touch_stored(t);
        }
      }
    }
    for (const tensor_id t : g.outputs) { // the lowering copies what is an output by another name
      if (g.is_constant(t) || g.at(t).producer == none) {
        refuse(text("output '") << g.name(t) << "' is " << (g.is_constant(t) ? "a constant" : "an input of the model")
                                << ", so that there is nothing to compile for it: take it out of the model's outputs");
      }
      touch_stored(t);
      touch(t, 2 * static_cast<std::int64_t>(g.nodes.size()));
    }
    vec<lifetime> lifetimes;
    vec<tensor_id> owners;
    for (std::size_t i = 0; i < g.tensors.size(); ++i) {
      if (first[i] == never) continue;
      const tensor& t = g.tensors[i];
      lifetimes.push_back({.first = first[i], .last = last[i] + 1, .size = t.dims.elements() * bytes_of(t.type)});
      owners.push_back(static_cast<tensor_id>(i));
    }
    const placement placed = place(lifetimes, chip.dma_align, search_steps);
    for (std::size_t i = 0; i < owners.size(); ++i) g.at(owners[i]).address = placed.offsets[i];
    std::int64_t slot = tensor::first_host_slot;
    for (std::size_t i = 0; i < g.tensors.size(); ++i) {
      if (slots[i] != 0) g.tensors[i].address = slot++;
    }
    g.activation_bytes = placed.peak;
    g.activation_bound = placed.lower_bound;
    for (std::size_t i = 0; i < g.tensors.size(); ++i) {
      const auto t = static_cast<tensor_id>(i);
      const views::view v = inside.of(t);
      if (v.root != t && g.at(v.root).address != none) g.at(t).address = g.at(v.root).address + v.offset;
    }
    assign_weights(g, chip);
    if (text bad = check(g); !bad.empty()) refuse(std::move(bad));
    return graph<stage::addressed>(std::move(g));
  }

private:
  static constexpr bool in_one_step(const graph_body& g, const layer_group& lg) {
    return tpu::is_tiled(g, lg.first) && lg.n_slices * lg.c_slices * lg.h_slices * lg.k_slices == 1;
  }
  static constexpr void assign_weights(graph_body& g, const chip::facts& chip) {
    std::int64_t at = 0;
    for (std::size_t n = 0; n < g.nodes.size(); ++n) {
      for (const tensor_id t : g.operands(static_cast<node_id>(n))) {
        if (!g.is_constant(t) || g.at(t).address != none) continue;
        g.at(t).address = at;
        at = round_up(at + packed_bytes(g.at(t).type, g.at(t).dims.elements()), chip.dma_align);
      }
    }
    g.weight_bytes = at;
  }
};

} // namespace tmpu::memory
