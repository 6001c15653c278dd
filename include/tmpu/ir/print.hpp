// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/op.hpp"

namespace tmpu {

namespace detail {
constexpr void print_tensor(text& out, const graph_body& g, tensor_id id) {
  const tensor& t = g.at(id);
  out << '%' << g.name(id) << ": " << name_of(t.type) << t.dims.print();
  if (t.constant != none) out << " const";
}
inline void print_facts(text& out, const tensor& t) {
  if (t.quant.present()) out << " scale=" << t.quant.scale << " zero_point=" << t.quant.zero_point;
  if (t.range.known) out << " range=[" << t.range.min << ',' << t.range.max << "] threshold=" << t.range.threshold;
  if (t.address != none) out << " @" << t.address;
}
} // namespace detail

/// The graph as text, one node a line in the order of execution: golden tests and `tmpuc info` show it.
template <stage S> text print(const graph<S>& g) {
  text out;
  out << "graph " << name_of(S) << '\n';
  for (const tensor_id t : g.inputs) {
    out << "  input ";
    detail::print_tensor(out, g, t);
    detail::print_facts(out, g.at(t));
    out << '\n';
  }
  std::size_t group = 0;
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const auto id = static_cast<node_id>(i);
    if (group < g.groups.size() && g.groups[group].first == id) {
      const layer_group& lg = g.groups[group];
      out << "  group " << group << ": slices n=" << lg.n_slices << " c=" << lg.c_slices << " h=" << lg.h_slices
          << " k=" << lg.k_slices << (lg.c_inside ? " c inside" : "") << " cycles=" << lg.cycles << '\n';
      for (const local_buffer& b : lg.buffers) {
        out << "    local " << (b.tensor == none ? std::string_view("scratch") : g.name(b.tensor)) << " @" << b.address
            << " bytes=" << b.bytes << " copies=" << b.copies << '\n';
      }
      ++group;
    }
    out << "  ";
    bool first = true;
    for (const tensor_id t : g.results(id)) {
      if (t == none) continue;
      if (!first) out << ", ";
      detail::print_tensor(out, g, t);
      detail::print_facts(out, g.at(t));
      first = false;
    }
    out << " = " << g.node_at(id).op->domain << '.' << g.node_at(id).op->info.name << '(';
    first = true;
    for (const tensor_id t : g.operands(id)) {
      if (!first) out << ", ";
      if (t == none) {
        out << "-";
      } else {
        out << '%' << g.name(t);
        if (g.is_constant(t)) out << g.at(t).dims.print();
      }
      first = false;
    }
    out << ")";
    text attributes;
    g.node_at(id).op->print(attributes, g.words(g.node_at(id)));
    if (!attributes.empty()) out << " {" << attributes << '}';
    out << '\n';
  }
  for (const tensor_id t : g.outputs) out << "  output %" << g.name(t) << '\n';
  return out;
}

} // namespace tmpu
