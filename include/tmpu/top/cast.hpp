// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/common.hpp"

namespace tmpu::top {

namespace detail {
/// x rounded to `type`; f8 types do not saturate: beyond the greatest number they give an infinity, or a NaN where the type has
/// no infinities.
constexpr float round_unsaturated(dtype_id type, float x) {
  const float size = math::abs(x);
  const bool over = (type == dtype_id::f8e4m3 && size > 464.0F) || // halfway from 448 to the next number, 480
                    (type == dtype_id::f8e4m3fnuz && size >= 248.0F) ||
                    ((type == dtype_id::f8e5m2 || type == dtype_id::f8e5m2fnuz) && size >= 61440.0F);
  if (!over) return round_to(type, x);
  if (type != dtype_id::f8e5m2) return math::nan<float>;
  return x < 0.0F ? -math::infinity<float> : math::infinity<float>;
}

/// y's elements are x's in y's type.
constexpr void cast_elements(value& y, const value& x, bool saturate) {
  for (std::size_t n = 0; n < y.size(); ++n) {
    if (is_floating(y.type)) {
      const float v = is_floating(x.type) ? x.f[n] : from_integer<float>(x.type, x.i[n]);
      y.f[n] = saturate ? round_to(y.type, v) : round_unsaturated(y.type, v);
    } else if (is_floating(x.type)) {
      y.i[n] = to_integer(y.type, static_cast<double>(x.f[n]));
    } else {
      y.i[n] = wrap(y.type, x.i[n]);
    }
  }
}
} // namespace detail

/// y = x in the element type `to` (a number of TensorProto.DataType). Floats become integers toward zero, beyond 64 bits the
/// nearest and then wrapped; bool is x != 0. Floats beyond an f8 type become its greatest number, with saturate = 0 an
/// infinity, or a NaN where it has none. With narrow = 1 (the chip's lowering sets it) integers that y's type, of at most 32 bits, cannot
/// hold are refused when it is evaluated.                                                      (ONNX Cast)
///
/// Shape:     y has the shape of x.
/// Elements:  any but strings.
/// Tiling:    any slice.
/// Errors:    a type that tmpu does not hold.
struct cast {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, saturate), (std::int64_t, to), (text, round_mode),
                (defaulted<std::int64_t, 0>, narrow));
  };
  static constexpr op_info info{.name = "cast", .onnx = "Cast"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const dtype_id to = dtype_of_onnx(a.to);
    if (to == dtype_id::none || to == dtype_id::string || c.type(0) == dtype_id::string) {
      c.fail(text("cannot make elements of ONNX type ") << a.to << " from " << name_of(c.type(0)));
    }
    c.result(0, to, c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    if (a.narrow.value != 0) {
      const value& x = c.in(0);
      for (std::size_t n = 0; n < x.i.size(); ++n) {
        if (x.i[n] < least_of(c.out().type) || x.i[n] > greatest_of(c.out().type))
          c.fail(text("element ") << n << " is " << x.i[n] << ", which " << name_of(c.out().type) << " cannot hold");
      }
    }
    detail::cast_elements(c.out(), c.in(0), a.saturate != 0);
  }
};
static_assert(op<cast>);

/// y = x in the element type of operand 1, otherwise as cast.                                  (ONNX CastLike)
///
/// Shape:     y has the shape of x.
/// Elements:  any but strings.
/// Tiling:    any slice.
/// Errors:    strings.
struct cast_like {
  static constexpr std::string_view domain = "top";
  static constexpr element_flow flow = moves_first;
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, saturate), (text, round_mode));
  };
  static constexpr op_info info{.name = "cast_like", .onnx = "CastLike", .min_operands = 2, .max_operands = 2};
  static constexpr void infer(const attributes&, infer_context& c) {
    if (c.type(0) == dtype_id::string || c.type(1) == dtype_id::string)
      c.fail(text("cannot make elements of ") << name_of(c.type(1)) << " from " << name_of(c.type(0)));
    c.result(0, c.type(1), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    detail::cast_elements(c.out(), c.in(0), a.saturate != 0);
  }
};
static_assert(op<cast_like>);

} // namespace tmpu::top
