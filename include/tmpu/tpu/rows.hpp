// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/isa/instructions.hpp"
#include "tmpu/tpu/integer.hpp"
#include "tmpu/tpu/move.hpp"

namespace tmpu::tpu {

namespace detail {
/// The row of [rows, ...] that a number names: from the end where it is below 0, the nearest one where it is outside.
constexpr std::int64_t row_named(std::int64_t number, std::int64_t rows) {
  const std::int64_t row = number < 0 ? rows + number : number;
  if (row < 0) return 0;
  return row < rows ? row : rows - 1;
}
constexpr void require_rows(const infer_context& c, std::size_t rows, std::size_t index) {
  require_rank(c, rows, 2);
  require_rank(c, index, 1);
  if (c.type(index) != dtype_id::i32) c.fail(text("row numbers must be i32, not ") << name_of(c.type(index)));
}
} // namespace detail

/// y[k] = x[number[k]]: rows by their numbers; one below 0 counts from the end, one outside is the nearest row.
///
/// Operands:  x [R, W] of any type; numbers [K] of i32.
/// Shape:     [K, W].
/// Errors:    other ranks; numbers of another type.
struct gather : move_op<gather> {
  static constexpr op_info info{.name = "gather", .min_operands = 2, .max_operands = 2};
  using attributes = no_attributes;
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_rows(c, 0, 1);
    detail::result_dims(c, {c.dims(1)[0], c.dims(0)[1]});
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const std::int64_t rows = c.in(0).dims[0];
    const std::int64_t width = c.in(0).dims[1];
    std::int64_t to = 0;
    for (const std::int64_t number : c.in(1).i) {
      const std::int64_t from = detail::row_named(number, rows) * width;
      for (std::int64_t w = 0; w < width; ++w) detail::copy_element(c.out(), to++, c.in(0), from + w);
    }
  }
};
static_assert(op<gather>);

/// y = x, then y[number[k]] = u[k] for k = 0, 1, ...: of rows with one number the last stays.
///
/// Operands:  x [R, W] of any type; numbers [K] of i32; u [K, W] of the type of x.
/// Shape:     that of x.
/// Errors:    other ranks; numbers of another type; a u that does not fit.
struct scatter : move_op<scatter> {
  static constexpr op_info info{.name = "scatter", .min_operands = 3, .max_operands = 3};
  using attributes = no_attributes;
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_rows(c, 0, 1);
    if (!(c.dims(2) == shape{c.dims(1)[0], c.dims(0)[1]}) || c.type(2) != c.type(0))
      c.fail(text("the new rows ") << c.dims(2).print() << " do not fit " << c.dims(0).print());
    detail::result_dims(c, c.dims(0));
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const std::int64_t rows = c.in(0).dims[0];
    const std::int64_t width = c.in(0).dims[1];
    c.out().f = c.in(0).f;
    c.out().i = c.in(0).i;
    std::int64_t from = 0;
    for (const std::int64_t number : c.in(1).i) {
      const std::int64_t to = detail::row_named(number, rows) * width;
      for (std::int64_t w = 0; w < width; ++w) detail::copy_element(c.out(), to + w, c.in(2), from++);
    }
  }
};
static_assert(op<scatter>);

/// y = x, then y[number[k]] = y[number[k]] op u[k] for k = 0, 1, ..., each rounded to the type, or wrapped around: isa::dma_combine says what
/// each kind is.
///
/// Operands:  x [R, W]; numbers [K] of i32; u [K, W] of the type of x.
/// Shape:     that of x.
/// Elements:  floats; plain integers (no scales).
/// Attributes: kind: isa::combine_kind as a number.
/// Errors:    an unknown kind; otherwise as scatter.
struct combine : move_op<combine> {
  static constexpr op_info info{.name = "combine", .min_operands = 3, .max_operands = 3};
  struct attributes {
    TMPU_STRUCT((std::int64_t, kind));
  };
  static constexpr void infer(const attributes& a, infer_context& c) {
    if (a.kind < 0 || a.kind > static_cast<std::int64_t>(isa::combine_kind::min))
      c.fail(text("combine kind ") << a.kind << " is unknown");
    scatter::infer({}, c);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto kind = static_cast<isa::combine_kind>(a.kind);
    const std::int64_t rows = c.in(0).dims[0];
    const std::int64_t width = c.in(0).dims[1];
    value& y = c.out();
    y.f = c.in(0).f;
    y.i = c.in(0).i;
    std::int64_t from = 0;
    for (const std::int64_t number : c.in(1).i) {
      const std::int64_t to = detail::row_named(number, rows) * width;
      for (std::int64_t w = to; w < to + width; ++w, ++from) {
        if (is_floating(y.type)) {
          y.f.data()[w] = round_to(y.type, both(kind, y.f.data()[w], c.in(2).f.data()[from]));
        } else {
          y.i.data()[w] = detail::in_range_of(y.type, both(kind, y.i.data()[w], c.in(2).i.data()[from]));
        }
      }
    }
  }

private:
  template <class T> static constexpr T both(isa::combine_kind kind, T there, T row) {
    switch (kind) {
    case isa::combine_kind::add: return there + row;
    case isa::combine_kind::mul: return there * row;
    case isa::combine_kind::max: return row > there ? row : there;
    case isa::combine_kind::min: return there > row ? row : there;
    }
    return there;
  }
};
static_assert(op<combine>);

} // namespace tmpu::tpu
