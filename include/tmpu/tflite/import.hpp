// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/ir/input_shapes.hpp"
#include "tmpu/tflite/operators.hpp"

namespace tmpu::tflite {

struct import_options {
  vec<input_shape> input_shapes;
  /// Leave dimensions free that neither the model nor input_shapes binds (to look at a model only).
  bool allow_free = false;
};

/// The operators of a model, how often each is there, and the tensors that they make.
struct operator_use {
  std::string name;
  std::int64_t count = 0;
  std::vector<std::string> results;
  bool known = false;
};

namespace detail {
template <class F> bool with_block(std::int32_t code, F&& f) {
  return tmpu::unpack<decltype(operators)>::any([&]<class Block>() {
    if (Block::code != code) return false;
    f.template operator()<Block>();
    return true;
  });
}
} // namespace detail

inline std::vector<operator_use> operator_uses(const model& m) {
  std::vector<operator_use> list;
  for (const detail::table& op : m.operators()) {
    const text called = m.name_of_code(op);
    auto at = std::find_if(list.begin(), list.end(), [&](const operator_use& u) { return called.view() == u.name; });
    if (at == list.end()) {
      const bool known = detail::with_block(m.code(op), []<class Block>() {});
      at = list.insert(at, {std::string(called.view()), 0, {}, known});
    }
    ++at->count;
    const auto results = op.numbers<std::int32_t>(2);
    const bool named = !results.empty() && results[0] >= 0 && static_cast<std::size_t>(results[0]) < m.tensors().size();
    at->results.emplace_back(named ? m.tensors()[static_cast<std::size_t>(results[0])].string(3) : "?");
  }
  return list;
}

/// The graph of a TensorFlow Lite model, of floats or of quantized integers. Tensors have the file's names and axes; those of quantized
/// integers, the inputs and outputs among them, are real numbers on the steps of their scales. Constants are views of the bytes that `m` was
/// made from, which outlive the graph.
/// Errors: all unknown operators at once; free, contradicting or misnamed input shapes; damaged tables.
inline graph<stage::origin> import_model(const model& m, const import_options& options = {}) {
  text unknown;
  for (const operator_use& u : operator_uses(m)) {
    if (!u.known)
      unknown << (unknown.empty() ? "" : "; ") << u.name << " x" << u.count << " ('" << u.results[0] << "')";
  }
  if (!unknown.empty())
    refuse(text("the model has operators of TensorFlow Lite that this compiler does not read: ")
           << unknown << ": convert the model without them");
  graph_body g;
  importing block(m, g);
  vec<std::string_view> names;
  for (const std::int32_t in : m.inputs()) names.push_back(block.name(in));
  check_input_names(options.input_shapes.span(), names.span());
  for (const std::int32_t in : m.inputs()) {
    // A free dimension that nobody binds has the size that the model was converted with.
    bool given = options.allow_free;
    for (const input_shape& s : options.input_shapes) given = given || s.name.view() == block.name(in);
    block.input(in, bound_shape(block.name(in), block.dims_at(in, given), true, options.input_shapes.span(),
                                options.allow_free));
  }
  for (const detail::table& op : m.operators()) {
    block.enter(op);
    detail::with_block(m.code(op), [&]<class Block>() { Block::add(block); });
  }
  for (const std::int32_t out : m.outputs()) block.output(out);
  if (g.outputs.empty()) refuse("the model has no outputs");
  return graph<stage::origin>(std::move(g));
}

} // namespace tmpu::tflite
