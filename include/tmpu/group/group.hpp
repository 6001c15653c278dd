// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/group/issue.hpp"
#include "tmpu/memory/views.hpp"

namespace tmpu::group {

/// How much is done to keep data in local memory.
enum class effort : std::uint8_t {
  none,   ///< every node is a group of its own: each tensor and weight is moved once a layer
  greedy, ///< a group takes the next node as long as that is predicted to be faster
  full    ///< the fastest partition
};

namespace detail {
/// The next number of slices to try: every one while few, then a quarter more each time.
constexpr std::int64_t next_count(std::int64_t count, std::int64_t most) {
  const std::int64_t next = count + (count < 8 ? 1 : count / 4);
  return count < most && next > most ? most : next;
}

/// The axis along which numbers of slices are tried.
enum class axis : std::uint8_t { n, c, h };
constexpr std::int64_t& along(slices& s, axis a) { return a == axis::n ? s.n : a == axis::c ? s.c : s.h; }
constexpr std::int64_t along(const places& p, axis a) { return a == axis::n ? p.n : a == axis::c ? p.c : p.h; }

/// A way to cut a group that an estimate found to fit.
struct candidate {
  bool fits = false;
  slices cut;
  axis tried = axis::h;
  bool ahead = false;
  std::int64_t cycles = 0;
  std::int64_t transfers = 0;
};

/// Finds the best way to cut each group. A number of slices along one axis is tried from the least that fits, and a few more, since more slices
/// overlap better: along H; where a result has one row (products, [M,K], rows over the lanes) along N and along C. Only in groups of one node
/// C is cut beside another axis, inside or outside of it, and K where nothing else helps.
class cutter {
public:
  static constexpr std::int32_t tries = 3; ///< numbers of slices that overlap loads and computation

  constexpr explicit cutter(const catalog& c) : c_(&c) {}

  /// The groups of 1, 2, ... nodes that end before `end`, at most `most`, until none fits.
  constexpr void groups_before(node_id end, std::int32_t most, vec<candidate>& out) {
    out.clear();
    const node_id last = end - 1;
    if (!c_->node(last).tiled) { // a host step, or moves data in global memory: a group of its own
      out.push_back({.fits = true, .cut = {}, .tried = axis::h, .ahead = false, .cycles = 0, .transfers = 0});
      return;
    }
    out.push_back(alone(last));
    if (!out[0].fits) return;
    const tpu::view4& v = c_->at(c_->node(last).result).dims;
    for (std::int32_t size = 2; size <= most && size <= end; ++size) out.push_back({});
    sweep(end, {}, axis::h, out);
    if (v.n > 1 && v.h > 1) sweep(end, {.n = v.n}, axis::h, out);
    if (v.n > 1 && v.h == 1) sweep(end, {}, axis::n, out);
    if (v.c > c_->chip().lanes && v.h == 1) sweep(end, {}, axis::c, out);
    while (!out.back().fits) out.pop_back();
  }
  /// Bytes of a lane that the smallest tile of the node needs that was asked for last.
  [[nodiscard]] constexpr std::int64_t least_bytes() const { return least_bytes_; }

private:
  struct runner {
    walk at;
    std::int64_t count = 0; ///< of its slices along the axis that is tried
    bool alive = false;
  };

  constexpr std::size_t idle() {
    for (std::size_t i = 0; i < runners_.size(); ++i) {
      if (!runners_[i].alive) return i;
    }
    runners_.push_back({.at = walk(*c_), .count = 0, .alive = false});
    return runners_.size() - 1;
  }

  /// C inside loads rows in bursts, which overlap worse than the estimate has it: it has to save transfers.
  static constexpr void keep_better(candidate& best, const slices& cut, axis a, bool ahead, const estimate& e) {
    if (best.fits && (best.cycles <= e.cycles || (cut.c_inside && best.transfers <= e.transfers))) return;
    best = {.fits = true, .cut = cut, .tried = a, .ahead = ahead, .cycles = e.cycles, .transfers = e.transfers};
  }

  /// All ways to cut one node.
  constexpr candidate alone(node_id id) {
    const catalog::entry& e = c_->node(id);
    const tpu::view4& v = c_->at(e.result).dims;
    const std::int64_t lanes = c_->chip().lanes;
    const axis a = !e.cut.h || v.h == 1 ? axis::n : axis::h;
    const std::int64_t most_n = e.cut.n && a == axis::h ? v.n : 1;
    const std::int64_t most_c = e.cut.c ? ceil_div(v.c, lanes) : 1;
    const std::int64_t most = a == axis::h ? v.h : e.cut.n ? v.n : 1;
    const std::int64_t most_k = e.cut.k ? e.inner : 1;
    candidate best;
    least_bytes_ = 0;
    std::int64_t least_c = 0;
    for (std::int64_t k = 1; k <= most_k && !best.fits; k *= 2) {
      for (std::int64_t n = 1; n <= most_n; n = n == most_n ? n + 1 : most_n) {
        for (std::int64_t c = 1; c <= most_c && (!best.fits || c <= 4 * least_c); c = next_count(c, most_c)) {
          for (const bool c_inside : {false, true}) {
            if (c_inside && (c == 1 || most * n == 1)) break;
            for (const bool ahead : {true, false}) alone(id, {n, c, 1, k, c_inside}, a, most, ahead, best);
          }
          if (best.fits && least_c == 0) least_c = c;
        }
      }
    }
    return best;
  }
  /// The least number of slices along an axis with which the node fits, by bisection (more slices never need more rows at once), and a few more.
  constexpr void alone(node_id id, slices s, axis a, std::int64_t most, bool ahead, candidate& best) {
    walk& w = runners_[idle()].at;
    const auto look = [&](std::int64_t count) {
      along(s, a) = count;
      w.begin(id + 1, s);
      w.extend();
      const estimate e = w.look(ahead);
      if (least_bytes_ == 0 || e.bytes < least_bytes_) least_bytes_ = e.bytes;
      return e;
    };
    std::int64_t high = 1;
    if (!fits(look(1))) {
      if (most == 1 || !fits(look(most))) return;
      std::int64_t low = 1;
      high = most;
      while (high - low > 1) {
        const std::int64_t middle = (low + high) / 2;
        (fits(look(middle)) ? high : low) = middle;
      }
    }
    for (int i = 0; i < (ahead ? tries : 1) && high <= most; ++i, high = next_count(high, most)) {
      const estimate e = look(high);
      if (fits(e)) keep_better(best, s, a, ahead, e);
    }
  }
  [[nodiscard]] constexpr bool fits(const estimate& e) const { return e.bytes <= c_->chip().local_bytes; }

  /// Groups of two nodes and more: a walk for each number of slices along an axis that still can fit, side by side.
  constexpr void sweep(node_id end, const slices& base, axis a, vec<candidate>& out) {
    for (runner& r : runners_) r.alive = false;
    std::int64_t least = 1; // fewer slices do not fit any more
    for (std::size_t size = 2; size <= out.size(); ++size) {
      candidate& best = out[size - 1];
      int overlapping = 0;
      std::int64_t most = least; // until a walk tells how many rows there are
      bool any = false;
      for (std::int64_t count = least; count <= most && overlapping < tries; count = next_count(count, most)) {
        runner* r = reach(end, base, a, count, static_cast<std::int32_t>(size));
        if (r == nullptr) break;
        most = along(r->at.most_slices(), a);
        if (count > most) break;
        const estimate whole = r->at.look(false);
        if (!fits(whole)) {
          if (count == least) { // nor with more nodes
            r->alive = false;
            least = next_count(count, count + count);
          }
          continue;
        }
        any = true;
        const estimate twice = r->at.look(true);
        if (fits(twice)) {
          ++overlapping;
          keep_better(best, r->at.cut(), a, true, twice);
          // Nor do more slices help: nodes overlap with the loads of the next ones as well as `tries` slices do.
          if (r->at.cut().steps() == 1) break;
        } else {
          keep_better(best, r->at.cut(), a, false, whole);
        }
      }
      if (!any) return;
    }
  }
  /// The walk with this number of slices, at this size; null where the nodes cannot be cut so.
  constexpr runner* reach(node_id end, slices s, axis a, std::int64_t count, std::int32_t size) {
    std::size_t i = 0;
    while (i < runners_.size() && !(runners_[i].alive && runners_[i].count == count)) ++i;
    if (i == runners_.size()) {
      i = idle();
      along(s, a) = count;
      runners_[i].at.begin(end, s);
      runners_[i].count = count;
      runners_[i].alive = true;
    }
    runner& r = runners_[i];
    while (r.at.size() < size) {
      if (!r.at.extend()) return nullptr;
    }
    return &r;
  }

  const catalog* c_;
  vec<runner> runners_;
  std::int64_t least_bytes_ = 0;
};
} // namespace detail

/// A node whose smallest tile exceeds the local memory of a lane.
struct misfit {
  text node{};
  text op{};
  std::int64_t bytes = 0; ///< of that tile, in a lane
  [[nodiscard]] constexpr bool found() const { return bytes != 0; }
};

namespace detail {
/// Puts nodes that move nothing behind one that ends a group anyway (a host step, a move, another one of them), where that stands between
/// their operands and them: there they do not part what could be a group. `inside`: the views of the graph.
constexpr void gather_views(graph_body& g, const memory::views& inside) {
  vec<std::uint8_t> still(g.nodes.size());
  for (std::size_t n = 0; n < still.size(); ++n)
    still[n] = !tpu::is_host(g, static_cast<node_id>(n)) && inside.moves_nothing(static_cast<node_id>(n)) ? 1 : 0;
  vec<std::uint8_t> placed(g.nodes.size());
  vec<node_id> order;
  const auto place = [&](node_id id) {
    order.push_back(id);
    placed[static_cast<std::size_t>(id)] = 1;
  };
  const auto ready = [&](node_id id) {
    for (const tensor_id t : g.operands(id)) {
      if (t != none && g.at(t).producer != none && placed[static_cast<std::size_t>(g.at(t).producer)] == 0)
        return false;
    }
    return true;
  };
  for (node_id id = 0; id < static_cast<node_id>(still.size()); ++id) {
    if (placed[static_cast<std::size_t>(id)] != 0) continue;
    place(id);
    if (tpu::is_tiled(g, id)) continue;
    for (node_id later = id + 1; later < static_cast<node_id>(still.size()); ++later) {
      const auto at = static_cast<std::size_t>(later);
      if (still[at] != 0 && placed[at] == 0 && ready(later)) place(later);
    }
  }
  g.reorder(order);
}
} // namespace detail

/// Layer group: partitions the nodes, in their order but for those that move nothing (memory::views), into groups that run in local memory; a group has at most `max_nodes`.
/// The full search is dynamic programming over the estimated cycles of each possible group; what was chosen is then placed in local memory,
/// and where that fails the search goes on without it.
///
/// Errors: one line with the node and the bytes when even a single node, cut as finely as it allows, exceeds local memory. With `found`
/// that node goes there instead, and the graph has no groups.
struct layer_group_pass {
  static constexpr std::string_view name = "group";
  static constexpr stage from = stage::lowered;
  static constexpr stage to = stage::grouped;
  static constexpr std::int32_t max_nodes = 128;

  static constexpr graph<stage::grouped> run(graph<stage::lowered> g, const chip::facts& chip,
                                             effort how = effort::full, misfit* found = nullptr) {
    vec<layer_group> groups;
    detail::gather_views(g, memory::views(g));
    {
      const catalog c(g, chip);
      vec<plan> plans;
      misfit bad;
      if (how == effort::full) {
        bad = search(c, plans);
      } else {
        bad = grow(c, how, plans);
      }
      if (bad.found()) {
        if (found == nullptr) refuse_node(bad, chip);
        *found = std::move(bad);
        plans.clear();
      }
      const memory::views inside(g);
      issuer loads(g, chip);
      for (plan& p : plans) {
        if (c.node(p.schedule.first).tiled) {
          loads.settle(p);
        } else if (tpu::is_host(g, p.schedule.first) || !inside.moves_nothing(p.schedule.first)) {
          loads.barrier(p.schedule.first + p.schedule.count);
        }
        groups.push_back(std::move(p.schedule));
      }
    }
    g.groups = std::move(groups);
    return graph<stage::grouped>(std::move(g));
  }

  /// The best plan found for the nodes [first, first + size); `fits` is false where there is none.
  static constexpr plan plan_of(const graph_body& g, node_id first, std::int32_t size, const chip::facts& chip) {
    const catalog c(g, chip);
    detail::cutter cut(c);
    vec<detail::candidate> row;
    cut.groups_before(first + size, size, row);
    const auto at = static_cast<std::size_t>(size) - 1;
    if (at >= row.size() || !row[at].fits) return {};
    return realize(c, first, size, row[at]);
  }

private:
  /// The plan for a candidate. An estimate looks at typical steps and does not place; where the plan does not fit, more slices are tried.
  static constexpr plan realize(const catalog& c, node_id first, std::int32_t size, const detail::candidate& what) {
    plan p;
    if (!c.node(first).tiled) {
      p.fits = size == 1;
      p.schedule.first = first;
      p.schedule.count = 1;
      p.schedule.n_slices = p.schedule.c_slices = p.schedule.h_slices = p.schedule.k_slices = 1;
      return p;
    }
    const tiling t(c.graph(), first, size, c.readers());
    if (!t.legal()) return p;
    std::int64_t most = 1;
    for (const tiling::buffer& b : t.buffers()) {
      const std::int64_t here = detail::along(most_slices(b.dims, c.chip().lanes), what.tried);
      most = b.stored && here > most ? here : most;
    }
    slices s = what.cut;
    std::int64_t& count = detail::along(s, what.tried);
    constexpr int tries = 4;
    for (int i = 0; i < tries && !p.fits && count <= most; ++i, count = detail::next_count(count, most)) {
      if (what.ahead) p = make_plan(t, s, 1, c.chip());
      if (!p.fits) p = make_plan(t, s, 0, c.chip());
    }
    p.cycles = p.schedule.cycles = what.cycles;
    return p;
  }

  static constexpr misfit grow(const catalog& c, effort how, vec<plan>& groups) {
    detail::cutter cut(c);
    vec<detail::candidate> row;
    const auto plan_before = [&](node_id end, std::int32_t size) {
      cut.groups_before(end, size, row);
      const auto at = static_cast<std::size_t>(size) - 1;
      plan p;
      if (at < row.size() && row[at].fits) p = realize(c, end - size, size, row[at]);
      return p;
    };
    for (node_id first = 0; first < c.count();) {
      plan group = plan_before(first + 1, 1);
      if (!group.fits) return misfit_of(c, first, cut.least_bytes());
      node_id end = first + 1;
      while (how == effort::greedy && end < c.count() && end - first < max_nodes) {
        const plan next = plan_before(end + 1, 1);
        if (!next.fits) return misfit_of(c, end, cut.least_bytes());
        plan longer = plan_before(end + 1, end + 1 - first);
        if (!longer.fits || longer.cycles > group.cycles + next.cycles) break;
        group = std::move(longer);
        ++end;
      }
      groups.push_back(std::move(group));
      first = end;
    }
    return {};
  }

  static constexpr misfit search(const catalog& c, vec<plan>& groups) {
    const auto count = static_cast<std::size_t>(c.count());
    vec<vec<detail::candidate>> rows(count + 1); // rows[end][size - 1]
    detail::cutter cut(c);
    for (std::size_t end = 1; end <= count; ++end) {
      cut.groups_before(static_cast<node_id>(end), max_nodes, rows[end]);
      if (!rows[end][0].fits) return misfit_of(c, static_cast<node_id>(end) - 1, cut.least_bytes());
    }
    vec<std::int64_t> least(count + 1);
    vec<std::size_t> sizes(count + 1);
    vec<plan> reversed;
    for (bool placed = false; !placed;) {
      for (std::size_t end = 1; end <= count; ++end) {
        sizes[end] = 0;
        for (std::size_t size = 1; size <= rows[end].size(); ++size) {
          const detail::candidate& x = rows[end][size - 1];
          const std::int64_t cycles = least[end - size] + x.cycles;
          if (!x.fits || (sizes[end] != 0 && cycles >= least[end])) continue;
          least[end] = cycles;
          sizes[end] = size;
        }
      }
      // Groups that were placed in an earlier round come again mostly: from the back, only what differs is placed anew.
      vec<plan> before = std::move(reversed);
      reversed = vec<plan>();
      placed = true;
      for (std::size_t end = count; end > 0 && placed; end -= sizes[end]) {
        const auto size = static_cast<std::int32_t>(sizes[end]);
        const node_id first = static_cast<node_id>(end) - size;
        plan* known = nullptr;
        for (plan& p : before) known = p.schedule.first == first && p.schedule.count == size ? &p : known;
        plan p;
        if (known != nullptr) {
          p = std::move(*known);
        } else {
          p = realize(c, first, size, rows[end][sizes[end] - 1]);
        }
        if (p.fits) {
          reversed.push_back(std::move(p));
          continue;
        }
        if (size == 1) return misfit_of(c, first, p.bytes_needed);
        rows[end][sizes[end] - 1].fits = false;
        placed = false;
      }
    }
    for (std::size_t i = reversed.size(); i-- > 0;) groups.push_back(std::move(reversed[i]));
    return {};
  }

  static constexpr misfit misfit_of(const catalog& c, node_id id, std::int64_t bytes) {
    const graph_body& g = c.graph();
    return {.node = text(g.node_name(id)), .op = text(g.node_at(id).op->info.name), .bytes = bytes};
  }
  [[noreturn]] static void refuse_node(const misfit& m, const chip::facts& chip) {
    refuse(text("node '") << m.node << "' (" << m.op << ") does not fit " << chip.name << ": its smallest tile needs "
                          << m.bytes << " bytes of local memory a lane and there are " << chip.local_bytes
                          << ": use a chip with more local memory or a narrower dtype");
  }
};

} // namespace tmpu::group
