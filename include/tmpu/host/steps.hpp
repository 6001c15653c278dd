// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/packed.hpp"
#include "tmpu/ir/evaluate.hpp"
#include "tmpu/isa/program.hpp"
#include "tmpu/top/operators.hpp"

#include <map>
#include <vector>

namespace tmpu::host {

/// The host's part of a program: what `top` says of the operators that stand between the streams, on tensors in the activation
/// region and in the host's own slots. Constants are read once, when it is made. What a program says of operands and results is believed
/// only where the operator's own shape rule says the same: before the first run where it can, else in every run.
/// Errors: one line for a step whose operator is not in the list, or whose tensors are others than the program says.
template <class Operators> class basic_host_steps {
public:
  basic_host_steps(const isa::network& n, std::span<const std::uint8_t> weights) {
    for (const isa::segment& s : n.segments) {
      if (s.kind == isa::segment_kind::host) prepare(s.step, weights);
    }
  }

  /// Keeps the value of an input that lies in a slot.
  void set_input(const isa::io_tensor& t, const value& v) {
    if (isa::region_of(t.address) == isa::region::host) slots_[t.address] = v;
  }
  /// What lies in a slot; nullptr for an address of the chip's memory.
  [[nodiscard]] const value* slot(std::uint64_t address) const {
    if (isa::region_of(address) != isa::region::host) return nullptr;
    const auto at = slots_.find(address);
    if (at == slots_.end()) refuse("a host step reads what no other has made: the program is damaged");
    return &at->second;
  }

  void run(const isa::host_step& s, std::span<std::uint8_t> activations) {
    prepared& p = steps_.at(&s);
    std::vector<value> read(s.operands.size());
    vec<const value*> operands;
    for (std::size_t i = 0; i < s.operands.size(); ++i) {
      const isa::host_tensor& t = s.operands[i];
      if (t.type == dtype_id::none) {
        operands.push_back(nullptr);
      } else if (isa::region_of(t.address) == isa::region::weights) {
        operands.push_back(&p.constants[i]);
      } else if (const value* kept = slot(t.address); kept != nullptr) {
        hold_against(s, "reads", t, kept->type, kept->dims);
        operands.push_back(kept);
      } else {
        read[i] = from_bytes(t.type, shape(t.dims.span()), activations.subspan(offset(t)));
        operands.push_back(&read[i]);
      }
    }
    vec<value> results = evaluate_node(p.graph, 0, operands);
    for (std::size_t i = 0; i < s.results.size(); ++i) {
      const isa::host_tensor& t = s.results[i];
      if (t.type == dtype_id::none) continue;
      hold_against(s, "makes", t, results[i].type, results[i].dims);
      results[i].type = t.type; // integers may be carried in another type
      if (isa::region_of(t.address) == isa::region::host) {
        slots_[t.address] = std::move(results[i]);
        continue;
      }
      std::size_t at = offset(t);
      for (const std::uint8_t b : to_bytes(results[i])) activations[at++] = b;
    }
  }

private:
  struct prepared {
    graph_body graph; // of the one node
    std::vector<value> constants;
  };
  static std::size_t offset(const isa::host_tensor& t) { return static_cast<std::size_t>(isa::offset_of(t.address)); }

  /// Refuses a tensor that is not what the program says of it; of a dimension of -1 it says nothing.
  static void hold_against(const isa::host_step& s, std::string_view does, const isa::host_tensor& t, dtype_id type,
                           const shape& dims) {
    bool same = (type == t.type || carrier_of(type) == t.type) && dims.rank() == t.dims.size();
    for (std::size_t i = 0; same && i < dims.rank(); ++i) same = t.dims[i] == -1 || t.dims[i] == dims[i];
    if (same) return;
    refuse(text("node '") << s.node << "' (" << s.op << ", a host step) " << does << ' ' << name_of(type)
                          << dims.print() << ", but the program says " << name_of(t.type)
                          << shape(t.dims.span()).print() << ": it is damaged");
  }

  /// Whether the shape rule tells all results from what is known before a run, and they are those of the program.
  static bool results_known(const isa::host_step& s, const op_record& op, const std::vector<value>& constants) {
    graph_body g;
    vec<tensor_id> operands;
    vec<tensor_id> results;
    for (std::size_t i = 0; i < s.operands.size(); ++i) {
      const isa::host_tensor& t = s.operands[i];
      if (t.type == dtype_id::none) {
        operands.push_back(none);
      } else if (constants[i].type != dtype_id::none) {
        operands.push_back(g.add_constant("", constants[i]));
      } else {
        operands.push_back(g.add_tensor("", t.type, shape(t.dims.span())));
      }
    }
    for (std::size_t i = 0; i < s.results.size(); ++i) results.push_back(g.add_tensor("", dtype_id::none, {-1}));
    try {
      infer(g, g.add_node(s.node, op, s.words, operands, results));
    } catch (const error&) {
      return false; // it needs elements that only a run knows, or it refuses in the run, too
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
      const tensor& made = g.at(results[i]);
      if (made.type == dtype_id::none || !made.dims.known()) return false;
      if (s.results[i].type != dtype_id::none) hold_against(s, "makes", s.results[i], made.type, made.dims);
    }
    return true;
  }

  void prepare(const isa::host_step& s, std::span<const std::uint8_t> weights) {
    const op_record* op = nullptr;
    Operators::any([&]<class Op>() {
      if (s.op.view() != Op::info.name) return false;
      op = &record_of<Op>;
      return true;
    });
    if (op == nullptr) {
      refuse(text("node '") << s.node << "' is a host step '" << s.op
                            << "', which is not in the list of operators: run it with a runner that has it");
    }
    prepared p;
    const auto add = [&](const isa::host_tensor& t) {
      return t.type == dtype_id::none ? none : p.graph.add_tensor("", t.type, shape(t.dims.span()));
    };
    vec<tensor_id> operands;
    vec<tensor_id> results;
    for (const isa::host_tensor& t : s.operands) {
      operands.push_back(add(t));
      p.constants.emplace_back();
      if (t.type == dtype_id::none || isa::region_of(t.address) != isa::region::weights) continue;
      const shape dims(t.dims.span());
      const std::span<const std::uint8_t> bytes = weights.subspan(offset(t));
      vec<std::uint8_t> apart; // elements of less than a byte lie packed there
      if (is_packed(t.type)) apart = unpack_elements(t.type, bytes, static_cast<std::size_t>(dims.elements()));
      p.constants.back() = from_bytes(t.type, dims, is_packed(t.type) ? apart.span() : bytes);
    }
    const bool believed = results_known(s, *op, p.constants);
    for (const isa::host_tensor& t : s.results)
      results.push_back(believed || t.type == dtype_id::none ? add(t) : p.graph.add_tensor("", dtype_id::none, {-1}));
    p.graph.add_node(s.node, *op, s.words, operands, results);
    steps_.emplace(&s, std::move(p));
  }

  std::map<const isa::host_step*, prepared> steps_;
  std::map<std::uint64_t, value> slots_;
};

/// With the standard operators.
using host_steps = basic_host_steps<unpack<decltype(top::operators)>>;

} // namespace tmpu::host
