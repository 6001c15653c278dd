// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/list.hpp"
#include "tmpu/ir/graph.hpp"
#include "tmpu/ir/known.hpp"
#include "tmpu/ir/value.hpp"

#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>

namespace tmpu {

/// What an operator is called and how many operands it takes.
struct op_info {
  std::string_view name;   ///< our name, snake_case: "max_pool"
  std::string_view onnx{}; ///< the ONNX operator's name: "MaxPool"; empty where ONNX has none
  int min_operands = 1;
  int max_operands = 1; ///< -1: any number
  int results = 1;      ///< least number of results; further ones are optional outputs of the ONNX operator
  int max_results = 1;
  bool writes_all = false; ///< eval writes every element of its results: they need not be zero before
  bool in_place = false;   ///< and the first result may lie where operand 0 or 1 of as many elements is
};

/// Which elements of the operands decide about one element of a result: by this, lists of sizes that are known in part
/// stay known in part behind a node (ir/propagate.hpp).
struct element_flow {
  enum class kind : std::uint8_t {
    whole, ///< any of any operand
    each,  ///< those at the same place, the operands broadcast
    moved, ///< a single one of the operands of `operands`; which one, the other operands tell
    dims,  ///< none: the dimensions of operand 0
  };
  kind how = kind::whole;
  std::uint32_t operands = 0; ///< a bit for each operand whose elements are moved; all bits: of any number of operands
};
inline constexpr element_flow each_by_each{element_flow::kind::each};
inline constexpr element_flow moves_first{element_flow::kind::moved, 1U};
inline constexpr element_flow moves_all{element_flow::kind::moved, ~0U};
inline constexpr element_flow reads_dims{element_flow::kind::dims};

/// What a shape rule sees of its node, and where it puts the result types.
class infer_context {
public:
  constexpr infer_context(graph_body& g, node_id id, const known_values* known = nullptr)
      : g_(&g), known_(known), id_(id) {}

  [[nodiscard]] constexpr std::size_t operand_count() const { return g_->operands(id_).size(); }
  [[nodiscard]] constexpr bool has(std::size_t i) const { return g_->operand(id_, i) != none; }
  [[nodiscard]] constexpr const shape& dims(std::size_t i) const { return g_->at(g_->operand(id_, i)).dims; }
  [[nodiscard]] constexpr dtype_id type(std::size_t i) const { return g_->at(g_->operand(id_, i)).type; }
  [[nodiscard]] constexpr quantization quant(std::size_t i) const { return g_->at(g_->operand(id_, i)).quant; }
  /// The elements of the operand are known: it is a constant of the graph, or follows from constants and dimensions.
  [[nodiscard]] constexpr bool is_constant(std::size_t i) const {
    if (g_->is_constant(g_->operand(id_, i))) return true;
    const known_elements* e = partly_known(i);
    return e != nullptr && e->complete();
  }
  /// What is known of an operand that is no constant of the graph; nullptr where it is nothing.
  [[nodiscard]] constexpr const known_elements* partly_known(std::size_t i) const {
    return known_ != nullptr && has(i) ? known_->find(g_->operand(id_, i)) : nullptr;
  }
  /// The elements of a constant operand; refuses where it is not constant.
  [[nodiscard]] constexpr value constant(std::size_t i) const {
    if (!is_constant(i)) {
      fail(text("operand ") << i << " ('" << g_->name(g_->operand(id_, i))
                            << "') must be a constant here: bind the free dimensions with --input-shape");
    }
    if (const known_elements* e = partly_known(i); e != nullptr) return e->content;
    return g_->constant_value(g_->operand(id_, i));
  }
  [[nodiscard]] constexpr std::size_t result_count() const { return g_->results(id_).size(); }
  constexpr void result(std::size_t i, dtype_id type, const shape& dims) {
    if (i >= result_count() || g_->result(id_, i) == none) return;
    tensor& t = g_->at(g_->result(id_, i));
    t.type = type;
    t.dims = dims;
  }
  [[nodiscard]] constexpr const graph_body& graph() const { return *g_; }
  [[nodiscard]] constexpr node_id id() const { return id_; }
  /// Refuses the node: `node 'conv_3' (conv): ...`.
  [[noreturn]] void fail(text why) const;

private:
  graph_body* g_;
  const known_values* known_;
  node_id id_;
};

/// What an operator's meaning sees: operands, and results that already have type, shape and zeroed elements. A result whose
/// shape depends on elements (an unknown dimension after `infer` with constant operands) has none yet: `eval` sets both.
class eval_context {
public:
  constexpr eval_context(const graph_body& g, node_id id, std::span<const value* const> operands,
                         std::span<value> results)
      : g_(&g), id_(id), operands_(operands), results_(results) {}
  [[nodiscard]] constexpr std::size_t operand_count() const { return operands_.size(); }
  [[nodiscard]] constexpr bool has(std::size_t i) const { return i < operands_.size() && operands_[i] != nullptr; }
  [[nodiscard]] constexpr const value& in(std::size_t i) const { return *operands_[i]; }
  [[nodiscard]] constexpr value& out(std::size_t i = 0) const { return results_[i]; }
  [[nodiscard]] constexpr std::size_t result_count() const { return results_.size(); }
  [[nodiscard]] constexpr quantization in_quant(std::size_t i) const { return g_->at(g_->operand(id_, i)).quant; }
  [[nodiscard]] constexpr quantization out_quant(std::size_t i = 0) const { return g_->at(g_->result(id_, i)).quant; }
  [[nodiscard]] constexpr const graph_body& graph() const { return *g_; }
  [[nodiscard]] constexpr node_id id() const { return id_; }
  /// Refuses elements that the node cannot compute with: `node 'gather_3' (gather): ...`.
  [[noreturn]] void fail(text why) const;

private:
  const graph_body* g_;
  node_id id_;
  std::span<const value* const> operands_;
  std::span<value> results_;
};

/// The run-time side of an operator type: a node points to it, so that dispatch is one indirect call in both worlds and
/// the graph needs no list. Made from the type by record_of, never by hand.
struct op_record {
  std::string_view domain; ///< "top" or "tpu"
  op_info info;
  void (*infer)(infer_context&) = nullptr;
  void (*eval)(eval_context&) = nullptr;
  void (*print)(text&, std::span<const std::uint32_t>) = nullptr;
  element_flow flow{};
};

namespace detail {
[[noreturn]] inline void refuse_node(const graph_body& g, node_id id, const text& why) {
  refuse(text("node '") << g.node_name(id) << "' (" << g.node_at(id).op->info.name << "): " << why);
}
} // namespace detail
inline void infer_context::fail(text why) const { detail::refuse_node(*g_, id_, why); }
inline void eval_context::fail(text why) const { detail::refuse_node(*g_, id_, why); }

/// An operator: one block with its facts, attributes, shape rule and meaning.
template <class Op> concept op = requires(infer_context& i, eval_context& e, const typename Op::attributes& a) {
  { Op::info } -> std::convertible_to<op_info>;
  { Op::domain } -> std::convertible_to<std::string_view>;
  requires reflected<typename Op::attributes>;
  Op::infer(a, i);
  Op::eval(a, e);
};

namespace detail {
template <class T> struct lacks_something { static constexpr bool value = !op<T>; };
template <class Operators> struct operators_check;
template <class... Ts> struct operators_check<list<Ts...>> {
  static constexpr bool ok = [] {
    if constexpr ((op<Ts> && ...)) {
      return true;
    } else {
      return filter_types<lacks_something, Ts...>::template into<diag::not_an_operator>::ok;
    }
  }();
};
} // namespace detail

/// Every type of the list is an operator; otherwise tmpu-O001 names those that are none.
template <class Operators> inline constexpr bool all_operators = detail::operators_check<Operators>::ok;

namespace detail {
template <class Op> constexpr typename Op::attributes decode(std::span<const std::uint32_t> words) {
  return word_reader(words).get<typename Op::attributes>();
}
template <class Op> constexpr void infer_node(infer_context& c) {
  Op::infer(decode<Op>(c.graph().words(c.graph().node_at(c.id()))), c);
}
template <class Op> constexpr void eval_node(eval_context& c) {
  Op::eval(decode<Op>(c.graph().words(c.graph().node_at(c.id()))), c);
}
template <class Op> constexpr void print_node(text& out, std::span<const std::uint32_t> words) {
  print_members(out, decode<Op>(words));
}
template <class Op> constexpr element_flow flow_of() {
  if constexpr (requires { Op::flow; }) return Op::flow;
  return {};
}
template <class Op> constexpr op_record make_record() {
  return {.domain = Op::domain,
          .info = Op::info,
          .infer = &infer_node<Op>,
          .eval = &eval_node<Op>,
          .print = &print_node<Op>,
          .flow = flow_of<Op>()};
}
/// A family of operators may bring a record type of its own that derives from op_record (tpu/op.hpp).
template <class Op> struct record_holder { static constexpr auto record = make_record<Op>(); };
template <class Op>
requires requires { Op::record(); }
struct record_holder<Op> {
  static constexpr auto record = Op::record();
};
} // namespace detail

/// The record of an operator type; its address is the operator's identity.
template <class Op> inline constexpr const auto& record_of = detail::record_holder<Op>::record;

template <class Op> constexpr bool is(const node& n) { return n.op == &record_of<Op>; }
template <class Op> constexpr bool is(const graph_body& g, node_id id) {
  return id != none && g.node_at(id).op == &record_of<Op>;
}

template <class Op> constexpr typename Op::attributes attributes_of(const graph_body& g, const node& n) {
  return detail::decode<Op>(g.words(n));
}
template <class Op> constexpr typename Op::attributes attributes_of(const graph_body& g, node_id id) {
  return attributes_of<Op>(g, g.node_at(id));
}

template <class Op> constexpr vec<std::uint32_t> encode_attributes(const typename Op::attributes& a) {
  vec<std::uint32_t> words;
  word_writer(words).put(a);
  return words;
}
template <class Op>
constexpr node_id add_node(graph_body& g, std::string_view name, const typename Op::attributes& a,
                           std::span<const tensor_id> operands, std::span<const tensor_id> results) {
  return g.add_node(name, record_of<Op>, encode_attributes<Op>(a), operands, results);
}
/// Makes the node another operator or gives it other attributes; operands and results stay.
template <class Op> constexpr void set_op(graph_body& g, node_id id, const typename Op::attributes& a) {
  g.set_op(id, record_of<Op>, encode_attributes<Op>(a));
}

/// Runs the shape rule of one node. `known` is what is known beside the graph's own constants.
constexpr void infer(graph_body& g, node_id id, const known_values* known = nullptr) {
  const op_info& info = g.node_at(id).op->info;
  infer_context context(g, id, known);
  const auto given = static_cast<int>(g.operands(id).size());
  if (given < info.min_operands || (info.max_operands >= 0 && given > info.max_operands)) {
    context.fail(text("has ") << given << " operands; it takes " << info.min_operands << " to " << info.max_operands);
  }
  for (int i = 0; i < info.min_operands; ++i) {
    if (!context.has(static_cast<std::size_t>(i))) context.fail(text("operand ") << i << " is absent, but required");
  }
  g.node_at(id).op->infer(context);
}

} // namespace tmpu
