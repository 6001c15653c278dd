// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/list_operands.hpp"

namespace tmpu::top {

/// y = x.                                                                                      (ONNX Identity)
///
/// Shape:     y has the shape of x.
/// Elements:  any.
/// Tiling:    any slice.
/// Errors:    none.
struct identity {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  using attributes = no_attributes;
  static constexpr op_info info{.name = "identity", .onnx = "Identity", .writes_all = true, .in_place = true};
  static constexpr void infer(const attributes&, infer_context& c) { c.result(0, c.type(0), c.dims(0)); }
  static constexpr void eval(const attributes&, eval_context& c) { detail::copy_all(c); }
};
static_assert(op<identity>);

/// y = x: inference keeps every element; the mask, where it is asked for, is all true.         (ONNX Dropout)
///
/// Shape:     y and mask have the shape of x.
/// Elements:  f32, f16, bf16.
/// Tiling:    any slice.
/// Errors:    training_mode (operand 2) that is true, where the ratio (operand 1) is not 0.
struct dropout {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, seed));
  };
  static constexpr op_info info{.name = "dropout", .onnx = "Dropout", .max_operands = 3, .max_results = 2};
  static constexpr void infer(const attributes&, infer_context& c) {
    if (c.has(2) && c.dims(2).elements() == 1 && c.is_constant(2) && c.constant(2).i[0] != 0)
      c.fail("training_mode is true; tmpu only runs inference");
    c.result(0, c.type(0), c.dims(0));
    c.result(1, dtype_id::boolean, c.dims(0));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const bool drops = !c.has(1) || c.in(1).f.empty() || c.in(1).f[0] != 0.0F;
    if (c.has(2) && !c.in(2).i.empty() && c.in(2).i[0] != 0 && drops)
      c.fail("training_mode is true; tmpu only runs inference");
    detail::copy_all(c);
    if (c.result_count() < 2) return;
    for (std::int64_t& m : c.out(1).i) m = 1;
  }
};
static_assert(op<dropout>);

/// y = the elements of x in another shape: operand 1 where given, otherwise the attribute shape.  (ONNX Reshape)
/// In the shape -1 stands for what is left and, without allowzero, 0 for the dimension of x. The canonical form has one
/// operand and the full target shape as attribute.
///
/// Shape:     as given; the number of elements stays.
/// Elements:  any.
/// Tiling:    none in general.
/// Errors:    a shape that does not hold the elements of x; two -1.
struct reshape {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, allowzero), (ints, shape));
  };
  static constexpr op_info info{
      .name = "reshape", .onnx = "Reshape", .max_operands = 2, .writes_all = true, .in_place = true};
  static constexpr void infer(const attributes& a, infer_context& c) {
    if (!detail::told(c, 1)) {
      c.result(0, c.type(0), partly_known(a, c));
      return;
    }
    const ints wanted = detail::integers(c, 1, a.shape);
    const auto& x = c.dims(0);
    if (wanted.size() > tmpu::shape::max_rank) c.fail("the result would have more than 8 dimensions");
    tmpu::shape y;
    std::int64_t rest = none;
    std::int64_t known = 1;
    bool copies_unknown = false;
    std::int64_t kept_unknown = 0; // unknown dimensions of x that y takes over with 0
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      std::int64_t d = wanted[i];
      if (d == -1) {
        if (rest != none) c.fail(text("the shape [") << join(wanted, ",") << "] holds -1 twice");
        rest = static_cast<std::int64_t>(i);
      } else if (d == 0 && a.allowzero == 0) {
        if (i >= x.rank())
          c.fail(text("the shape [") << join(wanted, ",") << "] takes dimension " << i << " of " << x.print());
        d = x[i];
        if (d < 0) {
          copies_unknown = true;
          ++kept_unknown;
        } else {
          known = detail::saturating_product(known, d);
        }
      } else {
        if (d < -1) c.fail(text("the shape [") << join(wanted, ",") << "] holds a negative size");
        known = detail::saturating_product(known, d);
      }
      y.push_back(d);
    }
    std::int64_t x_known = 1;
    std::int64_t x_unknown = 0;
    for (const std::int64_t d : x) {
      if (d < 0) {
        ++x_unknown;
      } else {
        x_known *= d;
      }
    }
    if (x_unknown == kept_unknown) { // what is unknown cancels out
      if (rest != none) {
        if (known == 0 ? x_known != 0 : x_known % known != 0)
          c.fail(text("the shape [") << join(wanted, ",") << "] cannot hold " << x.print());
        y[static_cast<std::size_t>(rest)] = known == 0 ? 0 : x_known / known;
      } else if (x_known != known && !copies_unknown) {
        c.fail(text("the shape [") << join(wanted, ",") << "] cannot hold " << x.print());
      }
    }
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes&, eval_context& c) { detail::copy_all(c); }

private:
  /// The shape where some of its sizes are not known; the last one follows from the elements of x.
  static constexpr tmpu::shape partly_known(const attributes& a, const infer_context& c) {
    const auto& x = c.dims(0);
    ints wanted = detail::sizes_as_known(c, 1);
    std::int64_t product = 1;
    std::size_t open = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i] < -1) c.fail(text("the shape [") << join(wanted, ",") << "] holds a negative size");
      if (wanted[i] == 0 && a.allowzero == 0) wanted[i] = i < x.rank() ? x[i] : -1;
      if (wanted[i] < 0) {
        ++open;
      } else {
        product = detail::saturating_product(product, wanted[i]);
      }
    }
    const std::int64_t all = x.elements();
    for (std::int64_t& d : wanted) {
      if (d < 0 && open == 1 && x.known() && product > 0 && all % product == 0) d = all / product;
    }
    return tmpu::shape(wanted.span());
  }
};
static_assert(op<reshape>);

/// y = x as a matrix: the axes before `axis` are the rows, the others the columns.             (ONNX Flatten)
///
/// Shape:     y [product of x's dimensions before axis, product of the others].
/// Elements:  any.
/// Tiling:    none in general.
/// Errors:    axis outside of [-rank, rank].
struct flatten {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, axis));
  };
  static constexpr op_info info{.name = "flatten", .onnx = "Flatten", .writes_all = true, .in_place = true};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    const auto rank = static_cast<std::int64_t>(x.rank());
    if (a.axis < -rank || a.axis > rank) c.fail(text("axis ") << a.axis << " is outside of a tensor of rank " << rank);
    const auto axis = static_cast<std::size_t>(a.axis < 0 ? a.axis.value + rank : a.axis.value);
    c.result(0, c.type(0), {detail::product(x, 0, axis), detail::product(x, axis, x.rank())});
  }
  static constexpr void eval(const attributes&, eval_context& c) { detail::copy_all(c); }
};
static_assert(op<flatten>);

/// y = x without the axes of size 1 that operand 1 (otherwise the attribute axes) lists; all of them where it lists none.
///                                                                                              (ONNX Squeeze)
/// Shape:     x's without these axes.
/// Elements:  any.
/// Tiling:    none in general.
/// Errors:    an axis whose size is not 1.
struct squeeze {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  struct attributes {
    TMPU_STRUCT((ints, axes));
  };
  static constexpr op_info info{
      .name = "squeeze", .onnx = "Squeeze", .max_operands = 2, .writes_all = true, .in_place = true};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    if (!detail::told(c, 1)) {
      c.result(0, c.type(0), detail::unknown_dims(static_cast<std::int64_t>(x.rank()) - detail::list_size(c, 1), c));
      return;
    }
    const ints axes = detail::integers(c, 1, a.axes);
    bool drop[tmpu::shape::max_rank] = {};
    for (const std::int64_t axis : axes) {
      const std::size_t at = detail::axis_at(axis, x.rank(), c);
      if (x[at] > 1) c.fail(text("axis ") << axis << " of " << x.print() << " has not the size 1");
      drop[at] = true;
    }
    tmpu::shape y;
    for (std::size_t i = 0; i < x.rank(); ++i) {
      if (axes.empty() ? x[i] != 1 : !drop[i]) y.push_back(x[i]);
    }
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes&, eval_context& c) { detail::copy_all(c); }
};
static_assert(op<squeeze>);

/// y = x with axes of size 1 at the places (in y) that operand 1, otherwise the attribute axes, lists.  (ONNX Unsqueeze)
///
/// Shape:     x's with ones put in.
/// Elements:  any.
/// Tiling:    none in general.
/// Errors:    a place outside of y, or listed twice.
struct unsqueeze {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  struct attributes {
    TMPU_STRUCT((ints, axes));
  };
  static constexpr op_info info{
      .name = "unsqueeze", .onnx = "Unsqueeze", .max_operands = 2, .writes_all = true, .in_place = true};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    if (!detail::told(c, 1)) {
      c.result(0, c.type(0), detail::unknown_dims(static_cast<std::int64_t>(x.rank()) + detail::list_size(c, 1), c));
      return;
    }
    const ints axes = detail::integers(c, 1, a.axes);
    const std::size_t rank = x.rank() + axes.size();
    if (rank > tmpu::shape::max_rank) c.fail("the result would have more than 8 dimensions");
    bool put[tmpu::shape::max_rank] = {};
    for (const std::int64_t axis : axes) {
      bool& here = put[detail::axis_at(axis, rank, c)];
      if (here) c.fail(text("axis ") << axis << " is listed twice");
      here = true;
    }
    tmpu::shape y;
    std::size_t from = 0;
    for (std::size_t i = 0; i < rank; ++i) y.push_back(put[i] ? 1 : x[from++]);
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes&, eval_context& c) { detail::copy_all(c); }
};
static_assert(op<unsqueeze>);

} // namespace tmpu::top
