// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/propagate.hpp"

#include <initializer_list>

namespace tmpu {

/// Writes a model as a C++ value, at run time or in constant evaluation:
/// `model_builder m; auto x = m.input("x", dtype_id::f32, {1,1,8,8}); m.output(m.add<top::relu>("r", {}, {x}));`
class model_builder {
public:
  constexpr tensor_id input(std::string_view name, dtype_id type, const shape& dims) {
    const tensor_id t = g_.add_tensor(name, type, dims);
    g_.inputs.push_back(t);
    return t;
  }
  constexpr tensor_id constant(std::string_view name, const value& v) { return g_.add_constant(name, v); }
  constexpr tensor_id constant(std::string_view name, dtype_id type, const shape& dims,
                               std::span<const std::uint8_t> bytes) {
    return g_.add_constant_view(name, type, dims, bytes);
  }
  /// Adds a node with one result, which is named like the node, and gives that result.
  template <op Op>
  constexpr tensor_id add(std::string_view name, const typename Op::attributes& attributes,
                          std::initializer_list<tensor_id> operands) {
    const tensor_id result = g_.add_tensor(name, dtype_id::none, {});
    const tensor_id results[] = {result};
    const node_id id = add_node<Op>(g_, name, attributes, {operands.begin(), operands.size()}, results);
    infer_and_propagate(g_, id, known_);
    return result;
  }
  constexpr void output(tensor_id t) { g_.outputs.push_back(t); }
  [[nodiscard]] constexpr graph<stage::origin> take() { return graph<stage::origin>(std::move(g_)); }

private:
  graph_body g_;
  known_values known_;
};

} // namespace tmpu
