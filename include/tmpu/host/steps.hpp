// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/evaluate.hpp"
#include "tmpu/isa/program.hpp"
#include "tmpu/top/operators.hpp"

#include <map>
#include <vector>

namespace tmpu::host {

/// The host's part of a program: what `top` says of the operators that stand between the streams, on tensors in the activation
/// region and in the host's own slots. Constants are read once, when it is made.
/// Errors: one line for a step whose operator is not in the list.
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
      if (t.type != dtype_id::none && isa::region_of(t.address) == isa::region::weights)
        p.constants.back() = from_bytes(t.type, shape(t.dims.span()), weights.subspan(offset(t)));
    }
    for (const isa::host_tensor& t : s.results) results.push_back(add(t));
    p.graph.add_node(s.node, *op, s.words, operands, results);
    steps_.emplace(&s, std::move(p));
  }

  std::map<const isa::host_step*, prepared> steps_;
  std::map<std::uint64_t, value> slots_;
};

/// With the standard operators.
using host_steps = basic_host_steps<unpack<decltype(top::operators)>>;

} // namespace tmpu::host
