// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/list_operands.hpp"

namespace tmpu::top {

/// y = the entries of x along axis at the places that operand 1 holds; a negative place counts from the end.  (ONNX Gather)
///
/// Shape:     x's dimensions before axis, those of the places, x's dimensions after axis.
/// Elements:  x any; places i32, i64.
/// Tiling:    any slice of the other axes.
/// Errors:    places that are no integers; a place outside of x (when it is evaluated).
struct gather {
  static constexpr std::string_view domain = "top";
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (defaulted<std::int64_t, 0>, axis));
  };
  static constexpr op_info info{.name = "gather", .onnx = "Gather", .min_operands = 2, .max_operands = 2};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    const auto& places = c.dims(1);
    const std::size_t axis = detail::axis_at(a.axis, x.rank(), c);
    if (is_floating(c.type(1))) c.fail("operand 1 must hold integers");
    if (x.rank() - 1 + places.rank() > tmpu::shape::max_rank) c.fail("the result would have more than 8 dimensions");
    tmpu::shape y;
    for (std::size_t i = 0; i < axis; ++i) y.push_back(x[i]);
    for (const std::int64_t d : places) y.push_back(d);
    for (std::size_t i = axis + 1; i < x.rank(); ++i) y.push_back(x[i]);
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    const ints& places = c.in(1).i;
    const std::size_t axis = detail::axis_at(a.axis, x.rank());
    const std::int64_t outer = detail::product(x, 0, axis);
    const std::int64_t inner = detail::product(x, axis + 1, x.rank());
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* from) {
      std::int64_t to = 0;
      for (std::int64_t o = 0; o < outer; ++o) {
        for (const std::int64_t p : places) {
          const std::int64_t at = p < 0 ? p + x[axis] : p;
          if (at < 0 || at >= x[axis]) {
            refuse(text("node '") << c.graph().node_name(c.id()) << "' (gather): place " << p << " is outside of axis "
                                  << a.axis << " of " << x.print());
          }
          for (std::int64_t i = 0; i < inner; ++i) y[to++] = from[(o * x[axis] + at) * inner + i];
        }
      }
    });
  }
};
static_assert(op<gather>);

} // namespace tmpu::top
