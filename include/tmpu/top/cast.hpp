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

} // namespace tmpu::top
