// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/match.hpp"

namespace tmpu::canonicalize {

/// x put into another shape, as a node of its own.
constexpr tensor_id add_reshape(rewriter& r, std::string_view name, tensor_id x, const tmpu::shape& to) {
  top::reshape::attributes a{};
  a.shape = ints(to.span());
  a.allowzero = 1;
  return r.add<top::reshape>(name, a, {x});
}
/// The node becomes a reshape of x to the shape of its result.
constexpr void become_reshape(rewriter& r, node_id id, tensor_id x, const tmpu::shape& to) {
  top::reshape::attributes a{};
  a.shape = ints(to.span());
  a.allowzero = 1;
  r.become<top::reshape>(id, a, {x});
}

/// Flatten, Squeeze, Unsqueeze, Reshape  ==>  reshape of one operand with the full target shape as attribute.
/// Needs: shapes known. (allowzero is set, so that the shape reads as it stands.)
struct reshape_to_attribute {
  static constexpr std::string_view name = "reshape-to-attribute";
  static constexpr bool apply(rewriter& r, node_id id) {
    const bool is_reshape = r.is<top::reshape>(id);
    if (!is_reshape && !r.is<top::flatten>(id) && !r.is<top::squeeze>(id) && !r.is<top::unsqueeze>(id)) return false;
    const tmpu::shape to = r.dims(r.result(id));
    if (is_reshape && r.graph().operands(id).size() == 1) {
      const auto a = r.attributes<top::reshape>(id);
      if (a.allowzero == 1 && a.shape == ints(to.span())) return false;
    }
    become_reshape(r, id, r.operand(id), to);
    return true;
  }
};
static_assert(rewrite_rule<reshape_to_attribute>);

/// Reshape(Reshape(x))  ==>  one Reshape; Reshape(x) to the shape of x  ==>  x.
/// Needs: an output of the graph does not lose its name.
struct merge_reshapes {
  static constexpr std::string_view name = "merge-reshapes";
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::reshape>(id) || r.graph().operands(id).size() != 1) return false;
    const tensor_id x = r.operand(id);
    if (r.dims(x) == r.dims(r.result(id)) && r.bypass(id, x)) return true;
    const node_id before = r.made_by<top::reshape>(x);
    if (before == none || r.graph().operands(before).size() != 1) return false;
    become_reshape(r, id, r.operand(before), r.dims(r.result(id)));
    return true;
  }
};
static_assert(rewrite_rule<merge_reshapes>);

/// f(Reshape(x))  ==>  Reshape(f(x)) for f of one operand, element by element, or of one and a constant scalar;
/// f(Reshape(a), Reshape(b))  ==>  Reshape(f(a, b)).   Needs: nothing else reads the Reshape; a and b of one shape.
struct move_reshape {
  static constexpr std::string_view name = "move-reshape";
  static constexpr bool apply(rewriter& r, node_id id) {
    const node_id first = r.inner<top::reshape>(r.operand(id));
    if (first == none || r.graph().operands(first).size() != 1) return false;
    const tensor_id x = r.operand(first);
    if (detail::is_elementwise(r, id)) {
      const tensor_id operands[] = {x};
      finish(r, id, operands);
      return true;
    }
    if (!detail::combines_two(r, id)) return false;
    const tensor_id other = r.operand(id, 1);
    const node_id second = r.inner<top::reshape>(other);
    const bool alike = second != none && r.graph().operands(second).size() == 1 &&
                       r.dims(r.operand(second)) == r.dims(x) && r.dims(r.operand(id)) == r.dims(other);
    const bool scalar = r.is_constant(other) && r.dims(other).rank() == 0;
    if (!alike && !scalar) return false;
    const tensor_id operands[] = {x, alike ? r.operand(second) : other};
    finish(r, id, operands);
    return true;
  }

private:
  static constexpr void finish(rewriter& r, node_id id, std::span<const tensor_id> operands) {
    const tmpu::shape to = r.dims(r.result(id));
    const tensor_id y = r.add_like(id, r.name_before(id, "moved"), operands);
    become_reshape(r, id, y, to);
  }
};
static_assert(rewrite_rule<move_reshape>);

} // namespace tmpu::canonicalize
