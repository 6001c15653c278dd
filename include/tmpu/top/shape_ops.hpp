// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/common.hpp"

namespace tmpu::top {

/// The dtype of a number of ONNX's TensorProto.DataType; none for one that tmpu does not hold.
constexpr dtype_id dtype_of_onnx(std::int64_t number) {
  constexpr dtype_id table[] = {dtype_id::none, dtype_id::f32, dtype_id::u8,  dtype_id::i8,     dtype_id::u16,
                                dtype_id::i16,  dtype_id::i32, dtype_id::i64, dtype_id::string, dtype_id::boolean,
                                dtype_id::f16,  dtype_id::f64, dtype_id::u32, dtype_id::u64,    dtype_id::none,
                                dtype_id::none, dtype_id::bf16};
  return number >= 0 && number < 17 ? table[number] : dtype_id::none;
}
/// Its inverse; 0 for a type that ONNX 1.12 does not have.
constexpr std::int64_t onnx_number_of(dtype_id type) {
  for (std::int64_t n = 1; n < 17; ++n) {
    if (dtype_of_onnx(n) == type) return n;
  }
  return 0;
}

namespace detail {
/// n unknown dimensions.
constexpr dims unknown_dims(std::int64_t n, const infer_context& c) {
  if (n < 0 || n > static_cast<std::int64_t>(dims::max_rank))
    c.fail(text("the result would have rank ") << n << "; ranks go from 0 to 8");
  dims d;
  for (std::int64_t i = 0; i < n; ++i) d.push_back(-1);
  return d;
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
constexpr ints integers(const infer_context& c, std::size_t i, const ints& otherwise = {}) {
  if (!c.has(i)) return otherwise;
  return c.constant(i).i;
}
/// The same elements in another shape.
constexpr void copy_all(eval_context& c) {
  with_elements(c.out(), c.in(0), [&](auto* y, const auto* x) {
    for (std::size_t n = 0; n < c.out().size(); ++n) y[n] = x[n];
  });
}
} // namespace detail

/// y = x.                                                                                      (ONNX Identity)
///
/// Shape:     y has the shape of x.
/// Elements:  any.
/// Tiling:    any slice.
/// Errors:    none.
struct identity {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "identity", .onnx = "Identity"};
  static constexpr void infer(const attributes&, infer_context& c) { c.result(0, c.type(0), c.dims(0)); }
  static constexpr void eval(const attributes&, eval_context& c) { detail::copy_all(c); }
};
static_assert(op<identity>);

/// y = x: inference keeps every element; the mask, where it is asked for, is all true.         (ONNX Dropout)
///
/// Shape:     y and mask have the shape of x. Operands 1 and 2 (ratio, training_mode) are not read.
/// Elements:  f32, f16, bf16.
/// Tiling:    any slice.
/// Errors:    training_mode that is a constant true.
struct dropout {
  static constexpr std::string_view domain = "top";
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (defaulted<std::int64_t, 0>, seed));
  };
  static constexpr op_info info{.name = "dropout", .onnx = "Dropout", .max_operands = 3, .max_results = 2};
  static constexpr void infer(const attributes&, infer_context& c) {
    if (c.has(2) && c.is_constant(2) && c.constant(2).i[0] != 0)
      c.fail("training_mode is true; tmpu only runs inference");
    c.result(0, c.type(0), c.dims(0));
    c.result(1, dtype_id::boolean, c.dims(0));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    detail::copy_all(c);
    if (c.result_count() < 2) return;
    for (std::int64_t& m : c.out(1).i) m = 1;
  }
};
static_assert(op<dropout>);

/// y = a tensor that is part of the model: operand 0, a constant.                              (ONNX Constant)
/// (ONNX has it as an attribute; the importer makes it a constant of the graph.)
///
/// Shape:     that of the tensor.
/// Elements:  any.
/// Tiling:    any slice.
/// Errors:    none.
struct constant {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "constant", .onnx = "Constant"};
  static constexpr void infer(const attributes&, infer_context& c) { c.result(0, c.type(0), c.dims(0)); }
  static constexpr void eval(const attributes&, eval_context& c) { c.out() = c.in(0); }
};
static_assert(op<constant>);

/// y has the shape that operand 0 holds, all elements are the value: operand 1 where given (an attribute in ONNX), otherwise
/// a float 0.                                                                                  (ONNX ConstantOfShape)
///
/// Shape:     as operand 0 says (i64 [rank]).
/// Elements:  the value's type.
/// Tiling:    any slice.
/// Errors:    negative sizes; a value of more than one element.
struct constant_of_shape {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "constant_of_shape", .onnx = "ConstantOfShape", .max_operands = 2};
  static constexpr void infer(const attributes&, infer_context& c) {
    dtype_id type = dtype_id::f32;
    if (c.has(1)) {
      type = c.type(1);
      if (c.dims(1).elements() != 1) c.fail(text("the value must be one element, but is ") << c.dims(1).print());
    }
    if (!c.is_constant(0)) {
      c.result(0, type, detail::unknown_dims(detail::list_size(c, 0), c));
      return;
    }
    const auto sizes = c.constant(0);
    if (sizes.i.size() > tmpu::shape::max_rank) c.fail("the result would have more than 8 dimensions");
    for (const std::int64_t n : sizes.i) {
      if (n < 0) c.fail(text("a size must not be negative: ") << n);
    }
    c.result(0, type, tmpu::shape(sizes.i.span()));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    if (!c.has(1)) return;
    for (float& y : c.out().f) y = c.in(1).f[0];
    for (std::int64_t& y : c.out().i) y = c.in(1).i[0];
  }
};
static_assert(op<constant_of_shape>);

/// y = the dimensions [start, end) of x, as i64.                                               (ONNX Shape)
///
/// Shape:     y [end - start].
/// Elements:  x any; y i64.
/// Tiling:    none; it is folded before lowering.
/// Errors:    none (evaluation needs a known shape).
struct shape {
  static constexpr std::string_view domain = "top";
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (defaulted<std::int64_t, 0>, start),
                             (defaulted<std::int64_t, 9223372036854775807>, end));
  };
  static constexpr op_info info{.name = "shape", .onnx = "Shape"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const std::int64_t rank = static_cast<std::int64_t>(c.dims(0).rank());
    const std::int64_t count = bound(a.end, rank) - bound(a.start, rank);
    c.result(0, dtype_id::i64, {count > 0 ? count : 0});
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto first = bound(a.start, static_cast<std::int64_t>(c.in(0).dims.rank()));
    for (std::size_t n = 0; n < c.out().i.size(); ++n) c.out().i[n] = c.in(0).dims[static_cast<std::size_t>(first) + n];
  }

private:
  static constexpr std::int64_t bound(std::int64_t at, std::int64_t rank) {
    const std::int64_t place = at < 0 ? at + rank : at;
    return place < 0 ? 0 : (place > rank ? rank : place);
  }
};
static_assert(op<shape>);

/// y = the number of elements of x, as an i64 scalar.                                          (ONNX Size)
///
/// Shape:     y [].
/// Elements:  x any; y i64.
/// Tiling:    none; it is folded before lowering.
/// Errors:    none.
struct size {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "size", .onnx = "Size"};
  static constexpr void infer(const attributes&, infer_context& c) { c.result(0, dtype_id::i64, {}); }
  static constexpr void eval(const attributes&, eval_context& c) { c.out().i[0] = c.in(0).dims.elements(); }
};
static_assert(op<size>);

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
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (defaulted<std::int64_t, 0>, allowzero), (ints, shape));
  };
  static constexpr op_info info{.name = "reshape", .onnx = "Reshape", .max_operands = 2};
  static constexpr void infer(const attributes& a, infer_context& c) {
    if (!detail::told(c, 1)) {
      c.result(0, c.type(0), detail::unknown_dims(detail::list_size(c, 1), c));
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
          known *= d;
        }
      } else {
        if (d < -1) c.fail(text("the shape [") << join(wanted, ",") << "] holds a negative size");
        known *= d;
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
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (defaulted<std::int64_t, 1>, axis));
  };
  static constexpr op_info info{.name = "flatten", .onnx = "Flatten"};
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
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (ints, axes));
  };
  static constexpr op_info info{.name = "squeeze", .onnx = "Squeeze", .max_operands = 2};
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
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (ints, axes));
  };
  static constexpr op_info info{.name = "unsqueeze", .onnx = "Unsqueeze", .max_operands = 2};
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

/// y[i0, i1, ...] = x with its axes in the order perm; reversed where perm is empty.           (ONNX Transpose)
///
/// Shape:     y[i] = x[perm[i]].
/// Elements:  any.
/// Tiling:    slices of an axis of y are slices of axis perm[i] of x.
/// Errors:    perm that is no permutation of x's axes.
struct transpose {
  static constexpr std::string_view domain = "top";
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (ints, perm));
  };
  static constexpr op_info info{.name = "transpose", .onnx = "Transpose"};

  static constexpr std::size_t source(const attributes& a, std::size_t i, std::size_t rank) {
    return a.perm.empty() ? rank - 1 - i : static_cast<std::size_t>(a.perm[i]);
  }
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    bool seen[tmpu::shape::max_rank] = {};
    bool fits = a.perm.empty() || a.perm.size() == x.rank();
    for (std::size_t i = 0; fits && i < a.perm.size(); ++i) {
      fits = a.perm[i] >= 0 && a.perm[i] < static_cast<std::int64_t>(x.rank()) &&
             !seen[static_cast<std::size_t>(a.perm[i])];
      if (fits) seen[static_cast<std::size_t>(a.perm[i])] = true;
    }
    if (!fits) c.fail(text("perm [") << join(a.perm, ",") << "] is no order of the axes of " << x.print());
    tmpu::shape y;
    for (std::size_t i = 0; i < x.rank(); ++i) y.push_back(x[source(a, i, x.rank())]);
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    const detail::strides own = detail::strides_of(x);
    detail::strides all[] = {detail::strides_of(c.out().dims), {}};
    for (std::size_t i = 0; i < x.rank(); ++i) all[1].of[i] = own.of[source(a, i, x.rank())];
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* from) {
      detail::for_each_row(c.out().dims, all, [&](const auto& at, std::int64_t count, const auto& step) {
        for (std::int64_t n = 0; n < count; ++n) y[at[0] + n] = from[at[1] + n * step[1]];
      });
    });
  }
};
static_assert(op<transpose>);

/// y = the operands one after the other along axis.                                            (ONNX Concat)
///
/// Shape:     the operands' shapes are equal but for axis; y adds up their sizes there.
/// Elements:  any, all operands of one type.
/// Tiling:    any slice of the other axes.
/// Errors:    shapes or types that differ.
struct concat {
  static constexpr std::string_view domain = "top";
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (std::int64_t, axis));
  };
  static constexpr op_info info{.name = "concat", .onnx = "Concat", .max_operands = -1};
  static constexpr void infer(const attributes& a, infer_context& c) {
    tmpu::shape y = c.dims(0);
    const std::size_t axis = detail::axis_at(a.axis, y.rank(), c);
    for (std::size_t n = 1; n < c.operand_count(); ++n) {
      const auto& x = c.dims(n);
      detail::require_same_type(c, 0, n);
      bool fits = x.rank() == y.rank();
      for (std::size_t i = 0; fits && i < y.rank(); ++i) {
        if (i == axis) {
          y[i] = y[i] < 0 || x[i] < 0 ? -1 : y[i] + x[i];
        } else {
          fits = y[i] < 0 || x[i] < 0 || y[i] == x[i];
          if (y[i] < 0) y[i] = x[i];
        }
      }
      if (!fits)
        c.fail(text("operands ") << c.dims(0).print() << " and " << x.print() << " differ in more than axis "
                                 << a.axis);
    }
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& out = c.out();
    const std::size_t axis = detail::axis_at(a.axis, out.dims.rank());
    const std::int64_t outer = detail::product(out.dims, 0, axis);
    const std::int64_t inner = detail::product(out.dims, axis + 1, out.dims.rank());
    std::int64_t place = 0;
    for (std::size_t n = 0; n < c.operand_count(); ++n) {
      const std::int64_t run = c.in(n).dims[axis] * inner;
      detail::with_elements(out, c.in(n), [&](auto* y, const auto* x) {
        for (std::int64_t o = 0; o < outer; ++o) {
          for (std::int64_t i = 0; i < run; ++i) y[o * out.dims[axis] * inner + place + i] = x[o * run + i];
        }
      });
      place += run;
    }
  }
};
static_assert(op<concat>);

/// The parts of x along axis, of the sizes that operand 1 holds, or of equal size (the last may be smaller).  (ONNX Split)
///
/// Shape:     result i has x's shape with its part's size along axis.
/// Elements:  any.
/// Tiling:    any slice of the other axes.
/// Errors:    sizes that do not add up; more results than elements.
struct split {
  static constexpr std::string_view domain = "top";
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (defaulted<std::int64_t, 0>, axis), (defaulted<std::int64_t, 0>, num_outputs));
  };
  static constexpr op_info info{.name = "split", .onnx = "Split", .max_operands = 2, .max_results = -1};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    const std::size_t axis = detail::axis_at(a.axis, x.rank(), c);
    const auto parts = static_cast<std::int64_t>(c.result_count());
    tmpu::shape y = x;
    if (!detail::told(c, 1) || (!c.has(1) && x[axis] < 0)) {
      y[axis] = -1;
      for (std::size_t i = 0; i < c.result_count(); ++i) c.result(i, c.type(0), y);
      return;
    }
    ints sizes = detail::integers(c, 1);
    if (!c.has(1)) {
      const std::int64_t part = ceil_div(x[axis], parts);
      for (std::int64_t i = 0; i < parts; ++i) sizes.push_back(i + 1 < parts ? part : x[axis] - part * (parts - 1));
    }
    std::int64_t all = 0;
    for (const std::int64_t s : sizes) all += s;
    if (sizes.size() != c.result_count() || (x[axis] >= 0 && all != x[axis])) {
      c.fail(text("sizes [") << join(sizes, ",") << "] do not make " << parts << " results of " << x.print()
                             << " along axis " << a.axis);
    }
    for (std::size_t i = 0; i < c.result_count(); ++i) {
      if (sizes[i] < 0) c.fail(text("a size must not be negative: ") << sizes[i]);
      y[axis] = sizes[i];
      c.result(i, c.type(0), y);
    }
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    const std::size_t axis = detail::axis_at(a.axis, x.rank());
    const std::int64_t outer = detail::product(x, 0, axis);
    const std::int64_t inner = detail::product(x, axis + 1, x.rank());
    std::int64_t place = 0;
    for (std::size_t n = 0; n < c.result_count(); ++n) {
      value& out = c.out(n);
      const std::int64_t run = out.dims[axis] * inner;
      detail::with_elements(out, c.in(0), [&](auto* y, const auto* from) {
        for (std::int64_t o = 0; o < outer; ++o) {
          for (std::int64_t i = 0; i < run; ++i) y[o * run + i] = from[o * x[axis] * inner + place + i];
        }
      });
      place += run;
    }
  }
};
static_assert(op<split>);

/// y = x from starts to ends (not included) by steps along axes: operands 1, 2, 3 (axes, default 0, 1, ...) and 4 (steps,
/// default 1). Negative bounds count from the end; bounds beyond x are cut.                    (ONNX Slice)
///
/// Shape:     y[axis] = ceil((end - start) / step), at least 0.
/// Elements:  any.
/// Tiling:    any slice of the other axes.
/// Errors:    lists of different lengths; a step of 0.
struct slice {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "slice", .onnx = "Slice", .min_operands = 3, .max_operands = 5};

  /// Where one axis begins, by which step, and how many elements it keeps.
  struct cut {
    std::int64_t first = 0;
    std::int64_t step = 1;
    std::int64_t count = 0;
  };
  static constexpr cut make_cut(std::int64_t start, std::int64_t end, std::int64_t step, std::int64_t size) {
    const auto within = [&](std::int64_t at) {
      const std::int64_t place = at < 0 && at >= -size ? at + size : at;
      const std::int64_t low = step > 0 ? 0 : -1;
      const std::int64_t high = step > 0 ? size : size - 1;
      return place < 0 ? low : (place > high ? high : place);
    };
    cut c{within(start), step, 0};
    if (step < 0 && start < -size) c.first = -1;
    const std::int64_t last = step < 0 && end < -size ? -1 : within(end);
    // The bounds lie in [-1, size], so the distance does not overflow; a step beyond it keeps one element.
    const std::int64_t distance = step > 0 ? last - c.first : c.first - last;
    const std::uint64_t stride =
        step > 0 ? static_cast<std::uint64_t>(step) : std::uint64_t{0} - static_cast<std::uint64_t>(step);
    if (distance > 0) c.count = static_cast<std::int64_t>((static_cast<std::uint64_t>(distance) - 1) / stride) + 1;
    return c;
  }
  static constexpr void infer(const attributes&, infer_context& c) {
    tmpu::shape y = c.dims(0);
    if (!detail::told(c, 3)) {
      c.result(0, c.type(0), detail::unknown_dims(static_cast<std::int64_t>(y.rank()), c));
      return;
    }
    const bool told = detail::told(c, 1) && detail::told(c, 2) && detail::told(c, 4);
    ints axes = detail::integers(c, 3);
    if (!c.has(3)) {
      for (std::int64_t i = 0; i < detail::list_size(c, 1); ++i) axes.push_back(i);
    }
    for (std::size_t n = 0; n < axes.size(); ++n) {
      const std::size_t axis = detail::axis_at(axes[n], y.rank(), c);
      if (!told) {
        y[axis] = -1;
        continue;
      }
      const ints starts = c.constant(1).i;
      const ints ends = c.constant(2).i;
      const ints steps = detail::integers(c, 4);
      if (starts.size() != axes.size() || ends.size() != axes.size() || (c.has(4) && steps.size() != axes.size())) {
        c.fail("starts, ends, axes and steps must have one length");
      }
      const std::int64_t step = c.has(4) ? steps[n] : 1;
      if (step == 0) c.fail("a step must not be 0");
      const std::int64_t size = c.dims(0)[axis];
      y[axis] = size < 0 ? -1 : make_cut(starts[n], ends[n], step, size).count;
    }
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const auto& x = c.in(0).dims;
    const detail::strides own = detail::strides_of(x);
    detail::strides all[] = {detail::strides_of(c.out().dims), own};
    std::int64_t origin = 0;
    const ints& starts = c.in(1).i;
    const ints axes = detail::integers(c, 3);
    for (std::size_t n = 0; n < starts.size(); ++n) {
      const std::size_t axis = c.has(3) ? detail::axis_at(axes[n], x.rank()) : n;
      const cut k = make_cut(starts[n], c.in(2).i[n], c.has(4) ? c.in(4).i[n] : 1, x[axis]);
      if (k.count == 0) return;
      origin += k.first * own.of[axis];
      all[1].of[axis] = k.count == 1 ? 0 : k.step * own.of[axis];
    }
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* from) {
      detail::for_each_row(c.out().dims, all, [&](const auto& at, std::int64_t count, const auto& step) {
        for (std::int64_t n = 0; n < count; ++n) y[at[0] + n] = from[origin + at[1] + n * step[1]];
      });
    });
  }
};
static_assert(op<slice>);

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

/// y = x broadcast to the shape that operand 1 holds (both ways: a 1 there keeps x's dimension).  (ONNX Expand)
///
/// Shape:     multidirectional broadcasting of x and the shape.
/// Elements:  any.
/// Tiling:    any slice; a broadcast axis of x is not sliced.
/// Errors:    shapes that do not fit.
struct expand {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "expand", .onnx = "Expand", .min_operands = 2, .max_operands = 2};
  static constexpr void infer(const attributes&, infer_context& c) {
    const auto& x = c.dims(0);
    if (!c.is_constant(1)) {
      const std::int64_t n = detail::list_size(c, 1);
      const auto rank = static_cast<std::int64_t>(x.rank());
      c.result(0, c.type(0), detail::unknown_dims(n > rank ? n : rank, c));
      return;
    }
    const auto wanted = c.constant(1);
    if (wanted.i.size() > tmpu::shape::max_rank) c.fail("the result would have more than 8 dimensions");
    c.result(0, c.type(0), detail::broadcast_dims(x, tmpu::shape(wanted.i.span()), c));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const detail::strides all[] = {detail::strides_of(c.out().dims),
                                   detail::broadcast_strides(c.in(0).dims, c.out().dims)};
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* x) {
      detail::for_each_row(c.out().dims, all, [&](const auto& at, std::int64_t count, const auto& step) {
        for (std::int64_t n = 0; n < count; ++n) y[at[0] + n] = x[at[1] + n * step[1]];
      });
    });
  }
};
static_assert(op<expand>);

/// y = x with elements put before and after each axis (negative: taken away); operand 1 holds [before..., after...],
/// operand 2 the value (default 0), operand 3 the axes (default all). mode: constant, reflect, edge or wrap.  (ONNX Pad)
///
/// Shape:     y[i] = x[i] + before[i] + after[i].
/// Elements:  any.
/// Tiling:    any slice of an axis without padding.
/// Errors:    an unknown mode; a list of a wrong length; a negative size; reflect by more than the axis has.
struct pad {
  static constexpr std::string_view domain = "top";
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (text, mode));
  };
  static constexpr op_info info{.name = "pad", .onnx = "Pad", .min_operands = 2, .max_operands = 4};

  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    const std::string_view mode = a.mode.view();
    if (!mode.empty() && mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
      c.fail(text("mode '") << mode << "' is not known; it is constant, reflect, edge or wrap");
    }
    if (!detail::told(c, 1) || !detail::told(c, 3)) {
      c.result(0, c.type(0), detail::unknown_dims(static_cast<std::int64_t>(x.rank()), c));
      return;
    }
    const ints pads = c.constant(1).i;
    const ints axes = detail::integers(c, 3);
    const std::size_t count = c.has(3) ? axes.size() : x.rank();
    if (pads.size() != 2 * count) c.fail(text("pads needs ") << 2 * count << " values, not " << pads.size());
    tmpu::shape y = x;
    for (std::size_t n = 0; n < count; ++n) {
      const std::size_t axis = c.has(3) ? detail::axis_at(axes[n], x.rank(), c) : n;
      if (x[axis] < 0) continue;
      y[axis] = x[axis] + pads[n] + pads[count + n];
      if (y[axis] < 0) c.fail(text("axis ") << axis << " of " << x.print() << " would get a negative size");
      if (mode == "reflect" && (pads[n] >= x[axis] || pads[count + n] >= x[axis])) {
        c.fail(text("axis ") << axis << " of " << x.print() << " is too short to be reflected by " << pads[n] << " and "
                             << pads[count + n]);
      }
    }
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    const auto& y = c.out().dims;
    const std::string_view mode = a.mode.view();
    const ints& pads = c.in(1).i;
    const ints axes = detail::integers(c, 3);
    const std::size_t count = c.has(3) ? axes.size() : x.rank();
    std::int64_t before[tmpu::shape::max_rank] = {};
    for (std::size_t n = 0; n < count; ++n) before[c.has(3) ? detail::axis_at(axes[n], x.rank()) : n] = pads[n];
    const detail::strides own = detail::strides_of(x);
    float fill_f = 0.0F;
    std::int64_t fill_i = 0;
    if (c.has(2) && c.in(2).size() > 0) {
      if (is_floating(c.in(2).type)) {
        fill_f = c.in(2).f[0];
      } else {
        fill_i = c.in(2).i[0];
      }
    }
    std::int64_t index[tmpu::shape::max_rank] = {};
    const auto total = static_cast<std::size_t>(y.elements());
    for (std::size_t n = 0; n < total; ++n) {
      std::int64_t from = 0;
      bool inside = true;
      for (std::size_t d = 0; d < y.rank(); ++d) {
        const std::int64_t at = source(index[d] - before[d], x[d], mode);
        inside = inside && at >= 0;
        from += at * own.of[d];
      }
      const auto place = static_cast<std::size_t>(inside ? from : 0);
      if (is_floating(c.out().type)) {
        c.out().f[n] = inside ? c.in(0).f[place] : fill_f;
      } else {
        c.out().i[n] = inside ? c.in(0).i[place] : fill_i;
      }
      for (std::size_t d = y.rank(); d-- > 0;) {
        if (++index[d] < y[d]) break;
        index[d] = 0;
      }
    }
  }

private:
  /// The place along one axis that the mode copies, -1 for the fill value.
  static constexpr std::int64_t source(std::int64_t at, std::int64_t size, std::string_view mode) {
    if (at >= 0 && at < size) return at;
    if (mode == "reflect") return at < 0 ? -at : 2 * (size - 1) - at;
    if (mode == "edge") return at < 0 ? 0 : size - 1;
    if (mode == "wrap") return ((at % size) + size) % size;
    return -1;
  }
};
static_assert(op<pad>);

/// y = x in the element type `to` (a number of TensorProto.DataType). Floats become integers toward zero, saturated to
/// 64 bits and then wrapped; bool is x != 0.                                                   (ONNX Cast)
///
/// Shape:     y has the shape of x.
/// Elements:  any but strings.
/// Tiling:    any slice.
/// Errors:    a type that tmpu does not hold.
struct cast {
  static constexpr std::string_view domain = "top";
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (defaulted<std::int64_t, 1>, saturate), (std::int64_t, to));
  };
  static constexpr op_info info{.name = "cast", .onnx = "Cast"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const dtype_id to = dtype_of_onnx(a.to);
    if (to == dtype_id::none || to == dtype_id::string || c.type(0) == dtype_id::string) {
      c.fail(text("cannot make elements of ONNX type ") << a.to << " from " << name_of(c.type(0)));
    }
    c.result(0, to, c.dims(0));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    for (std::size_t n = 0; n < y.size(); ++n) {
      if (is_floating(y.type)) {
        y.f[n] = is_floating(x.type) ? x.f[n] : static_cast<float>(x.i[n]);
      } else if (is_floating(x.type)) {
        y.i[n] = y.type == dtype_id::boolean ? (x.f[n] != 0.0F ? 1 : 0) : detail::wrap(y.type, whole(x.f[n]));
      } else {
        y.i[n] = detail::wrap(y.type, x.i[n]);
      }
    }
    detail::round_elements(y);
  }

private:
  static constexpr std::int64_t whole(float x) {
    if (math::is_nan(x)) return 0;
    if (x >= 0x1p63F) return 9223372036854775807;
    if (x <= -0x1p63F) return -9223372036854775807 - 1;
    return static_cast<std::int64_t>(x);
  }
};
static_assert(op<cast>);

/// y = x with blocks of channels turned into blocks of pixels.                                 (ONNX DepthToSpace)
/// mode DCR: channel = (by * blocksize + bx) * C' + c; mode CRD: channel = (c * blocksize + by) * blocksize + bx.
///
/// Shape:     x [N, C, H, W]; y [N, C / blocksize^2, H * blocksize, W * blocksize].
/// Elements:  any.
/// Tiling:    N, rows in whole blocks.
/// Errors:    rank other than 4; channels that blocksize^2 does not divide.
struct depth_to_space {
  static constexpr std::string_view domain = "top";
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (std::int64_t, blocksize), (text, mode));
  };
  static constexpr op_info info{.name = "depth_to_space", .onnx = "DepthToSpace"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_rank(c, 0, 4);
    const auto& x = c.dims(0);
    const std::int64_t b = a.blocksize;
    if (b < 1 || (x[1] >= 0 && x[1] % (b * b) != 0))
      c.fail(text("blocksize ") << b << " does not divide the channels of " << x.print());
    const auto times = [&](std::int64_t d) { return d < 0 ? -1 : d * b; };
    c.result(0, c.type(0), {x[0], x[1] < 0 ? -1 : x[1] / (b * b), times(x[2]), times(x[3])});
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& d = c.out().dims;
    const auto& s = c.in(0).dims;
    const std::int64_t b = a.blocksize;
    const bool crd = a.mode.view() == "CRD";
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* x) {
      std::int64_t to = 0;
      for (std::int64_t n = 0; n < d[0]; ++n) {
        for (std::int64_t ch = 0; ch < d[1]; ++ch) {
          for (std::int64_t h = 0; h < d[2]; ++h) {
            for (std::int64_t w = 0; w < d[3]; ++w) {
              const std::int64_t from = crd ? (ch * b + h % b) * b + w % b : ((h % b) * b + w % b) * d[1] + ch;
              y[to++] = x[((n * s[1] + from) * s[2] + h / b) * s[3] + w / b];
            }
          }
        }
      }
    });
  }
};
static_assert(op<depth_to_space>);

} // namespace tmpu::top
