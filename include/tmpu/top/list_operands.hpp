// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/common.hpp"

/// Operands that hold shapes, axes and places: lists of integers that a shape rule may or may not know.
namespace tmpu::top::detail {

/// n unknown dimensions.
constexpr dims unknown_dims(std::int64_t n, const infer_context& c) {
  if (n < 0 || n > static_cast<std::int64_t>(dims::max_rank))
    c.fail(text("the result would have rank ") << n << "; ranks go from 0 to 8");
  dims d;
  for (std::int64_t i = 0; i < n; ++i) d.push_back(-1);
  return d;
}
/// Refuses an operand that is not one element.
constexpr void require_one(const infer_context& c, std::size_t i) {
  if (c.has(i) && c.dims(i).known() && c.dims(i).elements() != 1)
    c.fail(text("operand ") << i << " must be one number, but is " << c.dims(i).print());
}
/// Elements of the list that operand i holds; refuses where even this is unknown.
constexpr std::int64_t list_size(const infer_context& c, std::size_t i) {
  if (c.dims(i).rank() > 1)
    c.fail(text("operand ") << i << " must be a list of integers, but is " << c.dims(i).print());
  const std::int64_t n = c.dims(i).elements();
  if (n < 0)
    c.fail(text("the number of elements of operand ")
           << i << " must be known: bind the free dimensions with --input-shape");
  return n;
}
/// Whether operand i, where present, is a constant list of integers (and so the shape can be told).
constexpr bool told(const infer_context& c, std::size_t i) { return !c.has(i) || c.is_constant(i); }
/// The integers of operand i; the attribute where it is absent. They are cut to 32 bits: no dimension is greater, and what shape
/// rules add and multiply stays within 64 bits.
constexpr ints integers(const infer_context& c, std::size_t i, const ints& otherwise = {}) {
  if (!c.has(i)) return otherwise;
  require_integers(c, i);
  ints list = c.constant(i).i;
  for (std::int64_t& x : list) x = tmpu::detail::clamp_i64(x, -(std::int64_t{1} << 31), std::int64_t{1} << 31);
  return list;
}
/// The list of sizes that operand i holds, -1 for each that is not known.
constexpr ints sizes_as_known(const infer_context& c, std::size_t i) {
  if (c.is_constant(i)) return integers(c, i);
  ints sizes(static_cast<std::size_t>(list_size(c, i)), -1);
  if (sizes.size() > dims::max_rank) c.fail("the result would have more than 8 dimensions");
  const known_elements* e = c.partly_known(i);
  for (std::size_t n = 0; e != nullptr && n < sizes.size(); ++n) {
    if (e->at(n) && !is_floating(e->content.type)) sizes[n] = e->content.i[n];
  }
  return sizes;
}
/// The same elements in another shape; they may be there.
constexpr void copy_all(eval_context& c) {
  if (&c.out() == &c.in(0)) return;
  with_elements(c.out(), c.in(0), [&](auto* y, const auto* x) { copy_elements(x, c.out().size(), y); });
}

} // namespace tmpu::top::detail
