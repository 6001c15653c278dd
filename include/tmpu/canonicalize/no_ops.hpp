// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/canonicalize/rewriter.hpp"

namespace tmpu::canonicalize {

/// y = Identity(x), y = Dropout(x)  ==>  x.
/// Needs: the mask of Dropout is not read; an output of the graph does not lose its name.
struct remove_identity {
  static constexpr std::string_view name = "remove-identity";
  static constexpr bool needs_shapes = false;
  static constexpr bool apply(rewriter& r, node_id id) {
    if (!r.is<top::identity>(id) && !r.is<top::dropout>(id)) return false;
    const auto results = r.graph().results(id);
    if (results.size() > 1 && results[1] != none && r.uses(results[1]) > 0) return false;
    return r.bypass(id, r.operand(id));
  }
};
static_assert(rewrite_rule<remove_identity>);

/// y = Cast(x) to the type of x  ==>  x.   Needs: as remove-identity.
struct remove_cast {
  static constexpr std::string_view name = "remove-cast";
  static constexpr bool apply(rewriter& r, node_id id) {
    return r.is<top::cast>(id) && r.type(r.operand(id)) == r.type(r.result(id)) && r.bypass(id, r.operand(id));
  }
};
static_assert(rewrite_rule<remove_cast>);

/// y = Concat(x), Max(x), Min(x), Sum(x), Mean(x) of one operand  ==>  x.   Needs: as remove-identity.
struct remove_single_operand {
  static constexpr std::string_view name = "remove-single-operand";
  static constexpr bool apply(rewriter& r, node_id id) {
    const bool joins =
        r.is<top::concat>(id) || r.is<top::max>(id) || r.is<top::min>(id) || r.is<top::sum>(id) || r.is<top::mean>(id);
    return joins && r.graph().operands(id).size() == 1 && r.bypass(id, r.operand(id));
  }
};
static_assert(rewrite_rule<remove_single_operand>);

/// y = Slice, Pad, Expand, or Split with one result, that keeps the shape of x  ==>  x.
/// Needs: as remove-identity; Slice by positive steps; Pad by nothing.
struct remove_full_copy {
  static constexpr std::string_view name = "remove-full-copy";
  static constexpr bool apply(rewriter& r, node_id id) {
    const bool copies = r.is<top::expand>(id) || (r.is<top::split>(id) && r.graph().results(id).size() == 1) ||
                        (r.is<top::slice>(id) && steps_forward(r, id)) || (r.is<top::pad>(id) && pads_nothing(r, id));
    return copies && r.dims(r.operand(id)) == r.dims(r.result(id)) && r.bypass(id, r.operand(id));
  }

private:
  static constexpr bool steps_forward(const rewriter& r, node_id id) {
    const tensor_id steps = r.operand(id, 4);
    if (steps == none) return true;
    if (!r.is_constant(steps)) return false;
    const value v = r.constant(steps);
    for (const std::int64_t s : v.i) {
      if (s < 0) return false;
    }
    return true;
  }
  static constexpr bool pads_nothing(const rewriter& r, node_id id) {
    if (!r.is_constant(r.operand(id, 1))) return false;
    const value v = r.constant(r.operand(id, 1));
    for (const std::int64_t p : v.i) {
      if (p != 0) return false;
    }
    return true;
  }
};
static_assert(rewrite_rule<remove_full_copy>);

} // namespace tmpu::canonicalize
