// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/engine.hpp"
#include "tmpu/lower/rules.hpp"
#include "tmpu/top/operators.hpp"

namespace tmpu::lower {

/// The dtypes that single layers of an int8 graph may take (qtable).
template <class Dtype> using beside = std::conditional_t<is_floating(Dtype::id), list<>, list<f16, f32, bf16>>;

/// The pass over all operators and rules of tmpu in one dtype (f32, f16, bf16, i8).
template <class Dtype, class Chip = any_chip>
using lower_all = lower<decltype(top::operators), decltype(rules), Dtype, host_only, Chip, beside<Dtype>>;

/// What rules do with an operator in a dtype: nothing, compute it in a wider dtype between casts, or compute it.
enum class support { none, wider, own };

namespace detail {
template <class Rule> inline constexpr bool computes_wider = false;
template <class Wide, class Dtype> inline constexpr bool computes_wider<computed_in<Wide, Dtype>> = true;

struct rule_facts {
  std::uint64_t op;
  std::uint64_t dtype;
  bool wider;
};
template <class Rules> struct facts_of_rules;
template <class... Rules> struct facts_of_rules<list<Rules...>> {
  static constexpr rule_facts all[] = {{tag<typename Rules::op>, tag<typename Rules::dtype>, computes_wider<Rules>}...,
                                       {0, 0, false}};
};
} // namespace detail

template <class Op, class Dtype, class Rules = unpack<decltype(rules)>> constexpr support supported() {
  for (const detail::rule_facts& f : detail::facts_of_rules<Rules>::all) {
    if (f.op == detail::tag<Op> && f.dtype == detail::tag<Dtype>) return f.wider ? support::wider : support::own;
  }
  return support::none;
}

/// Why an operator has no rule; empty where it has one.
template <class Op> constexpr std::string_view host_why() {
  std::string_view why;
  host_reasons::for_each([&]<class Reason>() {
    if (Reason::ops::template contains<Op>) why = Reason::why;
  });
  return why;
}

} // namespace tmpu::lower
