// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/propagate.hpp"

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <limits>

namespace tmpu {

/// A result of a node that is written by hand: its name, and where the node's name is another one, that. Tpu operators
/// take the type and the scale of their result from here; those of Top infer theirs.
struct result_spec {
  std::string_view name{};
  dtype_id type = dtype_id::none;
  quantization quant{};
  std::string_view node{}; ///< empty: as the result

  template <std::convertible_to<std::string_view> Name>
  constexpr result_spec(const Name& result) : name(result) {} // NOLINT: a name alone will do
  constexpr result_spec(std::string_view result, std::string_view of_node) : name(result), node(of_node) {}
  constexpr result_spec(std::string_view result, dtype_id t, quantization q = {}, std::string_view of_node = {})
      : name(result), type(t), quant(q), node(of_node) {}
};

/// Writes a graph of a stage as a C++ value, at run time or in constant evaluation:
/// `model_builder m; auto x = m.input("x", dtype_id::f32, {1,1,8,8}); m.output(m.add<top::relu>("r", {}, {x}));`
/// Shapes are inferred as nodes are added.
template <stage S> class graph_builder {
public:
  constexpr graph_builder() = default;
  /// Only the first `count` nodes are taken in full. The next one is added without its shapes, the others are left out: so a search finds
  /// the node that is refused.
  static constexpr graph_builder up_to(std::int32_t count) {
    graph_builder b;
    b.left_ = count;
    return b;
  }
  constexpr tensor_id input(std::string_view name, dtype_id type, const shape& dims, quantization quant = {}) {
    const tensor_id t = g_.add_tensor(name, type, dims);
    g_.at(t).quant = quant;
    g_.inputs.push_back(t);
    return t;
  }
  constexpr tensor_id constant(std::string_view name, const value& v) { return g_.add_constant(name, v); }
  /// The bytes outlive the graph.
  constexpr tensor_id constant(std::string_view name, dtype_id type, const shape& dims,
                               std::span<const std::uint8_t> bytes, quantization quant = {}) {
    const tensor_id t = g_.add_constant_view(name, type, dims, bytes);
    g_.at(t).quant = quant;
    return t;
  }
  /// The same from a string literal: `constant("w", dtype_id::i8, {2,2}, w)` with `static constexpr unsigned char w[] = "\1\2\3\4";`.
  template <std::size_t Size>
  constexpr tensor_id constant(std::string_view name, dtype_id type, const shape& dims,
                               const unsigned char (&literal)[Size], quantization quant = {}) {
    return constant(name, type, dims, std::span<const std::uint8_t>(literal, Size - 1), quant);
  }
  /// Adds a node with one result and gives that result.
  template <op Op>
  constexpr tensor_id add(const result_spec& result, const typename Op::attributes& attributes,
                          std::initializer_list<tensor_id> operands) {
    return add_many<Op>(attributes, operands, {result})[0];
  }
  /// Adds a node with several results; an empty name is a result that is absent.
  template <op Op>
  constexpr vec<tensor_id> add_many(const typename Op::attributes& attributes,
                                    std::initializer_list<tensor_id> operands,
                                    std::initializer_list<result_spec> results) {
    vec<tensor_id> made;
    if (left_ < 0) {
      made.resize(results.size());
      for (tensor_id& t : made) t = none;
      return made;
    }
    for (const result_spec& r : results) {
      made.push_back(r.name.empty() ? none : g_.add_tensor(r.name, r.type, {}));
      if (!r.name.empty()) g_.at(made.back()).quant = r.quant;
    }
    const result_spec& first = *results.begin();
    const node_id id = add_node<Op>(g_, first.node.empty() ? first.name : first.node, attributes,
                                    {operands.begin(), operands.size()}, made.span());
    if (left_-- == 0) return made;
    if constexpr (S == stage::origin) {
      infer_and_propagate(g_, id, known_);
    } else {
      infer(g_, id);
    }
    return made;
  }
  constexpr void output(tensor_id t) {
    if (t != none) g_.outputs.push_back(t);
  }
  [[nodiscard]] constexpr graph<S> take() { return graph<S>(std::move(g_)); }

private:
  graph_body g_;
  known_values known_;
  std::int32_t left_ =
      std::numeric_limits<std::int32_t>::max(); ///< nodes to take in full; -1: one after them was added
};

/// A model as it comes: Top operators, one for each ONNX node.
using model_builder = graph_builder<stage::origin>;

} // namespace tmpu
