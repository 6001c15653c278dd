// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/graph.hpp"
#include "tmpu/tpu/operators.hpp"

namespace tmpu::memory {

namespace detail {
/// Bytes [first, last) that hold what `source` has from its byte `at` on.
struct content {
  std::int64_t first = 0;
  std::int64_t last = 0;
  tensor_id source = none;
  std::int64_t at = 0;
};

/// Proves an assignment independently of how it was made: runs the groups in order and writes down for every byte of the activation region
/// which byte of which tensor it holds. Tensors may share bytes as long as these are what a reader expects: reshapes, slices and concats are
/// followed back to what was computed.
class memory_checker {
public:
  constexpr explicit memory_checker(const graph_body& g) : g_(&g) {}

  /// The first thing that is wrong; empty text when all is well.
  constexpr text run() {
    for (const tensor_id t : g_->inputs) {
      if (g_->at(t).in_host_slot()) continue;
      if (!write(t)) return text("input '") << g_->name(t) << "' lies outside of the activation region";
    }
    vec<node_id> next_load(g_->groups.size()); // the first node before which a later group loads something
    auto next = static_cast<node_id>(g_->nodes.size());
    for (std::size_t i = next_load.size(); i-- > 0;) {
      next_load[i] = next;
      for (const local_buffer& b : g_->groups[i].buffers)
        next = b.role == local_buffer::role_kind::load && b.issue < next ? b.issue : next;
    }
    for (std::size_t i = 0; i < next_load.size(); ++i) {
      if (text bad = run(g_->groups[i], next_load[i]); !bad.empty()) return bad;
    }
    for (const tensor_id t : g_->outputs) {
      if (!holds(t)) return breach(t, "the host");
    }
    return {};
  }

private:
  constexpr text run(const layer_group& lg, node_id next_load) {
    const bool steps = lg.n_slices * lg.c_slices * lg.h_slices * lg.k_slices > 1;
    const bool at_once =
        tpu::is_tiled(*g_, lg.first) && !steps; // each node reads what it needs before its result is stored
    if (!at_once) {
      if (text bad = read(lg, lg.first, lg.first + lg.count); !bad.empty()) return bad;
    }
    for (node_id id = lg.first; id < lg.first + lg.count; ++id) {
      if (at_once) {
        if (text bad = read(lg, id, id + 1); !bad.empty()) return bad;
      }
      bool wrote = false;
      for (const tensor_id y : g_->results(id)) {
        if (y == none || g_->at(y).address == none || g_->at(y).in_host_slot()) continue;
        bool stays = moved(id);
        if (!(stays ? write_what_moves(id, stays) : write(y)))
          return text("tensor '") << g_->name(y) << "' lies outside of the activation region";
        if (moved(id) && !holds(y)) return breach(y, "what follows");
        if (!stays && next_load <= id && !tpu::is_host(*g_, id) && !tpu::is_tiled(*g_, id)) {
          return text("what was loaded to local memory is overwritten where ")
                 << g_->node_name(id) << " moves '" << g_->name(y) << "' through it";
        }
        wrote = true;
      }
      if (!wrote || at_once) continue;
      // It writes while it still reads: its own operands must survive its results.
      if (text bad = read(lg, lg.first, lg.first + lg.count); !bad.empty()) return bad;
    }
    return {};
  }
  /// The nodes [first, last) read what earlier groups made.
  constexpr text read(const layer_group& lg, node_id first, node_id last) const {
    for (node_id id = first; id < last; ++id) {
      for (const tensor_id t : g_->operands(id)) {
        if (t == none || g_->is_constant(t) || g_->at(t).producer >= lg.first) continue;
        if (!holds(t)) return breach(t, g_->node_name(id));
      }
    }
    return {};
  }
  [[nodiscard]] constexpr text breach(tensor_id t, std::string_view where) const {
    return text("tensor '") << g_->name(t) << "' is overwritten in global memory before " << where << " reads it";
  }
  [[nodiscard]] constexpr std::int64_t size_of(tensor_id t) const {
    return g_->at(t).dims.elements() * bytes_of(g_->at(t).type);
  }
  /// Of a node that only moves data: where the bytes of operand i begin in its result, respectively those of its result in its operand; -1
  /// where they do not stay together.
  [[nodiscard]] constexpr std::int64_t part(node_id id, std::size_t i) const {
    if (is<tpu::reshape>(*g_, id)) return 0;
    if (!is<tpu::slice>(*g_, id) && !is<tpu::concat>(*g_, id)) return -1;
    const shape& y = g_->at(g_->result(id)).dims;
    const std::int64_t element = bytes_of(g_->at(g_->result(id)).type);
    if (is<tpu::slice>(*g_, id)) { // together: from the first to the last element there are no others
      const auto a = attributes_of<tpu::slice>(*g_, id);
      std::int64_t first = 0;
      std::int64_t last = 0;
      for (std::size_t d = 0; d < y.rank(); ++d) {
        const std::int64_t extent = g_->at(g_->operand(id, 0)).dims[d];
        first = first * extent + a.starts[d];
        last = last * extent + a.starts[d] + (y[d] - 1) * a.steps[d];
      }
      return last - first == y.elements() - 1 ? first * element : -1;
    }
    std::int64_t behind =
        element; // bytes of the axis and the dimensions behind it: all there is where the operands stay together
    for (auto d = static_cast<std::size_t>(attributes_of<tpu::concat>(*g_, id).axis); d < y.rank(); ++d) behind *= y[d];
    if (behind != y.elements() * element) return -1;
    std::int64_t at = 0;
    for (std::size_t o = 0; o < i; ++o) at += size_of(g_->operand(id, o));
    return at;
  }
  /// The node's result is made of whole stretches of its operands.
  [[nodiscard]] constexpr bool moved(node_id id) const { return part(id, 0) >= 0; }

  /// What the bytes [from, to) of a tensor are, as they lie at `first`.
  constexpr void follow(tensor_id t, std::int64_t from, std::int64_t to, std::int64_t first, vec<content>& out) const {
    const node_id p = g_->at(t).producer;
    if (p == none || !moved(p)) {
      out.push_back({first, first + to - from, t, from});
      return;
    }
    if (!is<tpu::concat>(*g_, p)) {
      const std::int64_t at = part(p, 0);
      follow(g_->operand(p, 0), from + at, to + at, first, out);
      return;
    }
    for (std::size_t i = 0; i < g_->operands(p).size(); ++i) {
      const std::int64_t at = part(p, i);
      const std::int64_t begin = at > from ? at : from;
      const std::int64_t behind = at + size_of(g_->operand(p, i));
      const std::int64_t end = behind < to ? behind : to;
      if (begin < end) follow(g_->operand(p, i), begin - at, end - at, first + begin - from, out);
    }
  }
  [[nodiscard]] constexpr bool holds(tensor_id t) const {
    if (g_->at(t).in_host_slot()) return true; // of its own
    vec<content> wanted;
    follow(t, 0, size_of(t), g_->at(t).address, wanted);
    for (const content& w : wanted) {
      std::int64_t covered = 0;
      for (const content& c : map_) {
        if (c.source != w.source || c.at - c.first != w.at - w.first) continue;
        const std::int64_t begin = c.first > w.first ? c.first : w.first;
        const std::int64_t end = c.last < w.last ? c.last : w.last;
        if (begin < end) covered += end - begin;
      }
      if (covered != w.last - w.first) return false;
    }
    return true;
  }
  constexpr bool write(tensor_id t) { return write_at(t, g_->at(t).address); }
  /// A tensor at an address; false where that lies outside of the region.
  constexpr bool write_at(tensor_id t, std::int64_t address) {
    const std::int64_t last = address + size_of(t);
    if (address < 0 || last > g_->activation_bytes) return false;
    vec<content> next;
    for (const content& c : map_) { // what is overwritten loses its bytes
      if (c.last <= address || last <= c.first) {
        next.push_back(c);
        continue;
      }
      if (c.first < address) next.push_back({c.first, address, c.source, c.at});
      if (last < c.last) next.push_back({last, c.last, c.source, c.at + last - c.first});
    }
    follow(t, 0, size_of(t), address, next);
    map_ = std::move(next);
    return true;
  }
  /// What does not lie where it belongs is copied.
  constexpr bool write_what_moves(node_id id, bool& stays) {
    const tensor_id y = g_->result(id);
    if (is<tpu::reshape>(*g_, id)) return true;
    const auto lies_at = [&](tensor_id x, std::int64_t address) {
      const bool there = !g_->is_constant(x) && g_->at(x).address == address;
      stays = stays && there;
      return there;
    };
    if (is<tpu::slice>(*g_, id)) return lies_at(g_->operand(id, 0), g_->at(y).address - part(id, 0)) || write(y);
    for (std::size_t i = 0; i < g_->operands(id).size(); ++i) {
      const tensor_id x = g_->operand(id, i);
      const std::int64_t to = g_->at(y).address + part(id, i);
      if (!lies_at(x, to) && !write_at(x, to)) return false;
    }
    return true;
  }

  const graph_body* g_;
  vec<content> map_; // disjoint
};
} // namespace detail

/// Proves that in an assignment every reader finds in global memory what was made for it. Empty text when all is well; otherwise the first
/// tensor that is overwritten too early, and its reader.
constexpr text check(const graph_body& g) { return detail::memory_checker(g).run(); }

} // namespace tmpu::memory
