// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/core/dtype.hpp"
#include "tmpu/core/reflect.hpp"
#include "tmpu/core/shape.hpp"
#include "tmpu/core/vec.hpp"
#include "tmpu/ir/stage.hpp"
#include "tmpu/ir/value.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace tmpu {

using tensor_id = std::int32_t;
using node_id = std::int32_t;
/// No tensor, no node, no constant, no address.
inline constexpr std::int32_t none = -1;

/// real = scale * (q - zero_point). A scale of 0 means: not quantized.
struct quantization {
  TMPU_STRUCT((float, scale), (std::int32_t, zero_point));
  [[nodiscard]] constexpr bool present() const { return scale != 0.0F; }
};

/// What calibration saw of an activation: least and greatest value and the threshold that the method chose
/// (|x| above it is clipped).
struct activation_range {
  TMPU_STRUCT((bool, known), (float, threshold), (float, min), (float, max));
};

/// A tensor: an activation, a graph input, or a constant (then `constant` indexes graph_body::constants).
struct tensor {
  dtype_id type = dtype_id::none;
  shape dims;
  std::int32_t constant = none;
  node_id producer = none;
  quantization quant{};
  activation_range range{};
  /// Byte offset in the region that memory assignment chose (activations; weights for constants), or a slot of the host; `none` before.
  std::int64_t address = none;
  /// Of integers that the chip carries in another type (core/dtype.hpp): the model's own. `none` where it is the same.
  dtype_id edge = dtype_id::none;

  /// What only host steps touch lies in the host's numbered slots: addresses from this one on.
  static constexpr std::int64_t first_host_slot = std::int64_t{2} << 40;
  [[nodiscard]] constexpr bool in_host_slot() const { return address >= first_host_slot; }
};

/// The bytes of a constant: its own, or a view of bytes that outlive the graph (a model header, a mapped file).
struct constant_bytes {
  vec<std::uint8_t> owned;
  const std::uint8_t* view = nullptr;
  std::size_t view_size = 0;
  [[nodiscard]] constexpr std::span<const std::uint8_t> bytes() const {
    return view != nullptr ? std::span<const std::uint8_t>(view, view_size) : owned.span();
  }
};

struct op_record; // ir/op.hpp

/// A part of one of the graph's pools.
struct pool_slice {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

/// An operator applied: operands (none where an optional one is absent), results, attributes in the word pool.
struct node {
  const op_record* op = nullptr;
  pool_slice operands;
  pool_slice results;
  pool_slice words;
};

/// Space in local memory while a layer group runs: for a tensor that is loaded or computed (one buffer for each layout that
/// it is loaded in), or the `index`-th scratch tensor of a node. `copies` of `bytes` a lane each stand one after the other,
/// so that one can be filled while the other is read. What is loaded is loaded first before node `issue` runs, which may be a node of an
/// earlier group (in its last step).
struct local_buffer {
  enum class role_kind : std::uint8_t { load, compute, scratch };
  TMPU_STRUCT((role_kind, role), (tensor_id, tensor), (node_id, node), (std::int32_t, index), (std::uint8_t, layout),
              (std::int32_t, copies), (std::int64_t, address), (std::int64_t, bytes), (node_id, issue));
};

/// Nodes [first, first + count) that run slice by slice in local memory. The slices cut the group's results along
/// N, C (channels), H (rows); K cuts the inner sum of a single convolution or matrix product. The steps go through N and H for each slice
/// along C, or with `c_inside` through C for each slice along N and H. What changes from step to step is loaded `ahead` (0 or 1) steps before
/// it is needed.
struct layer_group {
  TMPU_STRUCT((node_id, first), (std::int32_t, count), (std::int32_t, n_slices), (std::int32_t, c_slices),
              (std::int32_t, h_slices), (std::int32_t, k_slices), (bool, c_inside), (std::int32_t, ahead),
              (std::int64_t, cycles), (vec<local_buffer>, buffers));
};

/// The facts of a graph that every stage has. Passes are functions from graph<A> to graph<B>; helpers that do not care
/// for the stage take this.
struct graph_body {
  vec<tensor> tensors;
  vec<node> nodes; ///< in an order in which they can run
  vec<tensor_id> inputs;
  vec<tensor_id> outputs;
  vec<constant_bytes> constants;
  vec<layer_group> groups;           ///< from stage::grouped on
  std::int64_t activation_bytes = 0; ///< size of the activation region, from stage::addressed on
  std::int64_t activation_bound = 0; ///< the size that no assignment can go below, from stage::addressed on
  std::int64_t weight_bytes = 0;     ///< size of the weight region, from stage::addressed on

  // --- tensors -------------------------------------------------------------------------------------------------
  constexpr tensor_id add_tensor(std::string_view name, dtype_id type, const shape& dims) {
    tensor t;
    t.type = type;
    t.dims = dims;
    tensors.push_back(std::move(t));
    tensor_names_.push_back(add_name(name));
    return static_cast<tensor_id>(tensors.size()) - 1;
  }
  constexpr tensor_id add_constant(std::string_view name, dtype_id type, const shape& dims, vec<std::uint8_t> bytes) {
    const tensor_id id = add_tensor(name, type, dims);
    constants.push_back({.owned = std::move(bytes), .view = nullptr, .view_size = 0});
    at(id).constant = static_cast<std::int32_t>(constants.size()) - 1;
    return id;
  }
  constexpr tensor_id add_constant(std::string_view name, const value& v) {
    return add_constant(name, v.type, v.dims, to_bytes(v));
  }
  /// A constant whose bytes lie elsewhere and outlive the graph.
  constexpr tensor_id add_constant_view(std::string_view name, dtype_id type, const shape& dims,
                                        std::span<const std::uint8_t> bytes) {
    const tensor_id id = add_tensor(name, type, dims);
    constants.push_back({.owned = {}, .view = bytes.data(), .view_size = bytes.size()});
    at(id).constant = static_cast<std::int32_t>(constants.size()) - 1;
    return id;
  }
  [[nodiscard]] constexpr tensor& at(tensor_id id) { return tensors[static_cast<std::size_t>(id)]; }
  [[nodiscard]] constexpr const tensor& at(tensor_id id) const { return tensors[static_cast<std::size_t>(id)]; }
  [[nodiscard]] constexpr std::string_view name(tensor_id id) const {
    return id == none ? std::string_view("(absent)") : view(tensor_names_[static_cast<std::size_t>(id)]);
  }
  constexpr void rename(tensor_id id, std::string_view name) {
    tensor_names_[static_cast<std::size_t>(id)] = add_name(name);
  }
  /// The tensor of that name, or none.
  [[nodiscard]] constexpr tensor_id find(std::string_view name) const {
    for (std::size_t i = 0; i < tensor_names_.size(); ++i) {
      if (view(tensor_names_[i]) == name) return static_cast<tensor_id>(i);
    }
    return none;
  }
  [[nodiscard]] constexpr bool is_constant(tensor_id id) const { return id != none && at(id).constant != none; }
  [[nodiscard]] constexpr std::span<const std::uint8_t> bytes(tensor_id id) const {
    return constants[static_cast<std::size_t>(at(id).constant)].bytes();
  }
  /// The elements of a constant tensor.
  [[nodiscard]] constexpr value constant_value(tensor_id id) const {
    return from_bytes(at(id).type, at(id).dims, bytes(id));
  }
  [[nodiscard]] constexpr bool is_input(tensor_id id) const { return contains(inputs, id); }
  [[nodiscard]] constexpr bool is_output(tensor_id id) const { return contains(outputs, id); }

  // --- nodes ---------------------------------------------------------------------------------------------------
  [[nodiscard]] constexpr const node& node_at(node_id id) const { return nodes[static_cast<std::size_t>(id)]; }
  [[nodiscard]] constexpr node& node_at(node_id id) { return nodes[static_cast<std::size_t>(id)]; }
  [[nodiscard]] constexpr std::string_view node_name(node_id id) const {
    return view(node_names_[static_cast<std::size_t>(id)]);
  }
  [[nodiscard]] constexpr std::span<const tensor_id> operands(const node& n) const { return ids(n.operands); }
  [[nodiscard]] constexpr std::span<const tensor_id> operands(node_id id) const { return ids(node_at(id).operands); }
  [[nodiscard]] constexpr std::span<const tensor_id> results(const node& n) const { return ids(n.results); }
  [[nodiscard]] constexpr std::span<const tensor_id> results(node_id id) const { return ids(node_at(id).results); }
  /// The i-th operand, none where it is absent or the list ends before.
  [[nodiscard]] constexpr tensor_id operand(node_id id, std::size_t i) const {
    const auto list = operands(id);
    return i < list.size() ? list[i] : none;
  }
  [[nodiscard]] constexpr tensor_id result(node_id id, std::size_t i = 0) const { return results(id)[i]; }
  constexpr void set_operand(node_id id, std::size_t i, tensor_id tensor) {
    id_pool_[node_at(id).operands.first + i] = tensor;
  }
  constexpr void set_operands(node_id id, std::span<const tensor_id> list) { node_at(id).operands = add_ids(list); }
  constexpr void set_results(node_id id, std::span<const tensor_id> list) {
    node_at(id).results = add_ids(list);
    for (const tensor_id t : list) {
      if (t != none) at(t).producer = id;
    }
  }
  constexpr node_id add_node(std::string_view name, const op_record& op, std::span<const std::uint32_t> words,
                             std::span<const tensor_id> operand_list, std::span<const tensor_id> result_list) {
    node n;
    n.op = &op;
    n.words = add_words(words);
    n.operands = add_ids(operand_list);
    nodes.push_back(n);
    node_names_.push_back(add_name(name));
    const auto id = static_cast<node_id>(nodes.size()) - 1;
    set_results(id, result_list);
    return id;
  }
  constexpr void set_op(node_id id, const op_record& op, std::span<const std::uint32_t> words) {
    node_at(id).op = &op;
    node_at(id).words = add_words(words);
  }
  [[nodiscard]] constexpr std::span<const std::uint32_t> words(const node& n) const {
    return {word_pool_.data() + n.words.first, n.words.count};
  }

  // --- rewriting -----------------------------------------------------------------------------------------------
  /// How many operands and graph outputs are this tensor.
  [[nodiscard]] constexpr int use_count(tensor_id id) const {
    int count = 0;
    for (const node& n : nodes) {
      for (const tensor_id t : operands(n)) count += t == id ? 1 : 0;
    }
    for (const tensor_id t : outputs) count += t == id ? 1 : 0;
    return count;
  }
  /// Every reader of `from`, graph outputs included, reads `to` instead.
  constexpr void replace_uses(tensor_id from, tensor_id to) {
    for (const node& n : nodes) {
      for (std::uint32_t i = 0; i < n.operands.count; ++i) {
        tensor_id& t = id_pool_[n.operands.first + i];
        if (t == from) t = to;
      }
    }
    for (tensor_id& t : outputs) {
      if (t == from) t = to;
    }
  }
  /// Puts the nodes into another order, `order[i]` to place i.
  constexpr void reorder(std::span<const node_id> order) {
    vec<node> moved;
    vec<name_ref> names;
    for (const node_id id : order) {
      moved.push_back(node_at(id));
      names.push_back(node_names_[static_cast<std::size_t>(id)]);
    }
    nodes = std::move(moved);
    node_names_ = std::move(names);
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      for (const tensor_id t : results(static_cast<node_id>(n))) {
        if (t != none) at(t).producer = static_cast<node_id>(n);
      }
    }
  }
  /// Takes out what no output needs, puts the nodes into a runnable order (stable) and packs pools and tensors, so that
  /// two graphs of the same content are equal in every byte. Graph inputs stay. Refuses a cycle.
  constexpr void tidy();

private:
  struct name_ref {
    std::uint32_t first = 0;
    std::uint32_t size = 0;
  };
  static constexpr bool contains(const vec<tensor_id>& list, tensor_id id) {
    for (const tensor_id t : list) {
      if (t == id) return true;
    }
    return false;
  }
  [[nodiscard]] constexpr std::span<const tensor_id> ids(pool_slice s) const {
    return {id_pool_.data() + s.first, s.count};
  }
  constexpr pool_slice add_ids(std::span<const tensor_id> list) {
    const auto first = static_cast<std::uint32_t>(id_pool_.size());
    const vec<tensor_id> copy(list); // the list may be a part of the pool, which may move
    id_pool_.append(copy);
    return {first, static_cast<std::uint32_t>(copy.size())};
  }
  constexpr pool_slice add_words(std::span<const std::uint32_t> list) {
    const auto first = static_cast<std::uint32_t>(word_pool_.size());
    const vec<std::uint32_t> copy(list);
    word_pool_.append(copy);
    return {first, static_cast<std::uint32_t>(copy.size())};
  }
  constexpr name_ref add_name(std::string_view name) {
    const auto first = static_cast<std::uint32_t>(name_pool_.size());
    for (const char c : name) name_pool_.push_back(c);
    return {first, static_cast<std::uint32_t>(name.size())};
  }
  [[nodiscard]] constexpr std::string_view view(name_ref r) const { return {name_pool_.data() + r.first, r.size}; }

  vec<tensor_id> id_pool_;       // operands and results of all nodes
  vec<std::uint32_t> word_pool_; // attributes of all nodes
  vec<char> name_pool_;          // names stand beside the graph
  vec<name_ref> tensor_names_;
  vec<name_ref> node_names_;
};

constexpr void graph_body::tidy() {
  // Needed nodes, from the outputs backwards; and in passing the order: a node comes after its producers, otherwise as before.
  vec<std::uint8_t> needed(nodes.size());
  vec<node_id> stack;
  for (const tensor_id t : outputs) {
    if (at(t).producer != none) stack.push_back(at(t).producer);
  }
  while (!stack.empty()) {
    const node_id id = stack.back();
    stack.pop_back();
    if (needed[static_cast<std::size_t>(id)] != 0) continue;
    needed[static_cast<std::size_t>(id)] = 1;
    for (const tensor_id t : operands(id)) {
      if (t != none && at(t).producer != none) stack.push_back(at(t).producer);
    }
  }
  vec<node_id> order;
  vec<std::uint8_t> state(nodes.size()); // 1: on the stack, 2: placed
  for (std::size_t root = 0; root < nodes.size(); ++root) {
    if (needed[root] == 0 || state[root] != 0) continue;
    stack.push_back(static_cast<node_id>(root));
    while (!stack.empty()) {
      const node_id id = stack.back();
      auto& s = state[static_cast<std::size_t>(id)];
      if (s == 2) {
        stack.pop_back();
        continue;
      }
      const bool entered = s == 1;
      s = 1;
      bool waits = false;
      const auto list = operands(id);
      for (std::size_t i = list.size(); i-- > 0;) {
        if (list[i] == none) continue;
        const node_id p = at(list[i]).producer;
        if (p == none || state[static_cast<std::size_t>(p)] == 2) continue;
        if (entered || state[static_cast<std::size_t>(p)] == 1) {
          refuse(text("node '") << node_name(p) << "' depends on its own result: the graph has a cycle");
        }
        stack.push_back(p);
        waits = true;
      }
      if (waits) continue;
      s = 2;
      stack.pop_back();
      order.push_back(id);
    }
  }

  graph_body packed;
  vec<tensor_id> moved(tensors.size(), none);
  const auto move_tensor = [&](tensor_id t) {
    if (t == none) return none;
    tensor_id& to = moved[static_cast<std::size_t>(t)];
    if (to == none) {
      tensor copy = at(t);
      copy.producer = none;
      if (copy.constant != none) {
        packed.constants.push_back(std::move(constants[static_cast<std::size_t>(copy.constant)]));
        copy.constant = static_cast<std::int32_t>(packed.constants.size()) - 1;
      }
      packed.tensors.push_back(std::move(copy));
      packed.tensor_names_.push_back(packed.add_name(name(t)));
      to = static_cast<tensor_id>(packed.tensors.size()) - 1;
    }
    return to;
  };
  for (const tensor_id t : inputs) packed.inputs.push_back(move_tensor(t));
  for (const node_id id : order) {
    vec<tensor_id> ins;
    vec<tensor_id> outs;
    for (const tensor_id t : operands(id)) ins.push_back(move_tensor(t));
    for (const tensor_id t : results(id)) outs.push_back(move_tensor(t));
    packed.add_node(node_name(id), *node_at(id).op, words(node_at(id)), ins, outs);
  }
  for (const tensor_id t : outputs) packed.outputs.push_back(move_tensor(t));
  *this = std::move(packed);
}

/// A graph at a stage. A pass takes the one and gives the other, so a wrong order does not compile.
template <stage S> struct graph : graph_body {
  static constexpr stage at_stage = S;
  constexpr graph() = default;
  constexpr explicit graph(graph_body body) : graph_body(std::move(body)) {}
};

} // namespace tmpu
