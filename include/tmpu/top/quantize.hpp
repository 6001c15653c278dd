// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/activations.hpp"
#include "tmpu/top/cast.hpp"

namespace tmpu::top {

namespace detail {

/// Which scale (and zero point) an element has: one for all; one for each place along an axis; or, with a block size, one
/// for so many places along an axis and each place of the others.
struct scale_places {
  strides of{};
  std::size_t axis = 0;
  std::int64_t block = 1;
  template <std::size_t N> constexpr std::size_t operator()(const std::int64_t (&index)[N], std::size_t rank) const {
    std::int64_t at = 0;
    for (std::size_t d = 0; d < rank; ++d) at += (d == axis ? index[d] / block : index[d]) * of.of[d];
    return static_cast<std::size_t>(at);
  }
};
constexpr scale_places places_of_scales(const dims& x, const dims& scale, std::int64_t axis, std::int64_t block_size) {
  scale_places places;
  if (scale.rank() == 0 || (scale.rank() == 1 && scale[0] == 1 && block_size == 0)) return places;
  places.axis = axis_at(axis, x.rank());
  if (block_size > 0) {
    places.of = strides_of(scale);
    places.block = block_size;
  } else {
    places.of.of[places.axis] = 1;
  }
  return places;
}
template <class Attributes> constexpr void check_scales(const Attributes& a, const infer_context& c) {
  const auto& x = c.dims(0);
  const auto& scale = c.dims(1);
  require_floating(c, 1);
  if (c.has(2) && scale.known() && c.dims(2).known() && !(c.dims(2) == scale) &&
      !(scale.elements() == 1 && c.dims(2).elements() == 1)) {
    c.fail(text("scale ") << scale.print() << " and zero point " << c.dims(2).print() << " must have one shape");
  }
  const std::int64_t part = a.block_size;
  if (part < 0 || part > (std::int64_t{1} << 31)) c.fail(text("block_size ") << part << " is no size");
  if (!scale.known() || (scale.rank() <= 1 && scale.elements() == 1 && part == 0)) return;
  const std::size_t axis = axis_at(a.axis, x.rank(), c);
  bool fits = scale.rank() == (part > 0 ? x.rank() : 1U);
  for (std::size_t d = 0; fits && d < x.rank(); ++d) {
    if (x[d] < 0 || (part == 0 && d != axis)) continue;
    const std::int64_t wanted = d == axis && part > 0 ? ceil_div(x[d], part) : x[d];
    fits = scale[part > 0 ? d : 0] == wanted;
  }
  if (!fits) {
    c.fail(text("scale ") << scale.print() << " does not fit " << x.print() << " with axis " << a.axis
                          << " and block_size " << part);
  }
}

/// round(x) + zero, saturated to an integer type; halves to the even one, a NaN gives the zero point.
constexpr std::int64_t saturated(dtype_id type, float x, std::int64_t zero) {
  if (math::is_nan(x)) return zero;
  const double q = math::round_half_even(static_cast<double>(x)) + static_cast<double>(zero);
  const auto low = static_cast<double>(least_of(type));
  const auto high = static_cast<double>(greatest_of(type));
  return static_cast<std::int64_t>(q < low ? low : (q > high ? high : q));
}
} // namespace detail

/// y = saturate(round(x / scale) + zero point); scale: operand 1, zero point: operand 2 (default 0). Halves go to the even
/// integer. f8 results are rounded to their own numbers (saturate = 0: beyond them an infinity or NaN).  (ONNX QuantizeLinear)
///
/// Shape:     y has the shape of x; scale and zero point [], [x's size along axis], or x's shape with the size along axis divided
///            by block_size.
/// Elements:  x f32, f16, bf16, i32; y as the zero point, else output_dtype, else u8.
/// Tiling:    any slice.
/// Errors:    a scale that does not fit; a result that is no integer of at most 16 bits, no f8 and no f4.
struct quantize_linear {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, axis), (defaulted<std::int64_t, 0>, block_size),
                (defaulted<std::int64_t, 0>, output_dtype), (defaulted<std::int64_t, 0>, precision),
                (defaulted<std::int64_t, 1>, saturate));
  };
  static constexpr op_info info{
      .name = "quantize_linear", .onnx = "QuantizeLinear", .min_operands = 2, .max_operands = 3};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::check_scales(a, c);
    dtype_id type = dtype_id::u8;
    if (a.output_dtype != 0) type = dtype_of_onnx(a.output_dtype);
    if (c.has(2)) type = c.type(2);
    const auto facts = facts_of(type);
    if (type == dtype_id::none || type == dtype_id::boolean || facts.bits == 0 ||
        facts.bits > (facts.floating ? 8 : 16))
      c.fail(text("cannot quantize to ") << name_of(type));
    c.result(0, type, c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const auto places = detail::places_of_scales(x.dims, c.in(1).dims, a.axis, a.block_size);
    detail::for_each_index(x.dims, [&](std::int64_t n, const auto& index) {
      const auto at = static_cast<std::size_t>(n);
      const std::size_t s = places(index, x.dims.rank());
      const float q = activation::divide(static_cast<float>(detail::number_at(x, at)), c.in(1).f[s]);
      if (is_floating(y.type)) {
        y.f[at] = a.saturate != 0 ? round_to(y.type, q) : detail::round_unsaturated(y.type, q);
      } else {
        y.i[at] = detail::saturated(y.type, q, c.has(2) ? c.in(2).i[s] : 0);
      }
    });
  }
};
static_assert(op<quantize_linear>);

/// y = (x - zero point) * scale; scale: operand 1, zero point: operand 2 (default 0).          (ONNX DequantizeLinear)
///
/// Shape:     as quantize_linear.
/// Elements:  x integers of at most 32 bits, f8; y as output_dtype, else as the scale.
/// Tiling:    any slice.
/// Errors:    a scale that does not fit.
struct dequantize_linear {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, axis), (defaulted<std::int64_t, 0>, block_size),
                (defaulted<std::int64_t, 0>, output_dtype));
  };
  static constexpr op_info info{
      .name = "dequantize_linear", .onnx = "DequantizeLinear", .min_operands = 2, .max_operands = 3};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::check_scales(a, c);
    if (c.has(2)) detail::require_same_type(c, 0, 2);
    if (!is_floating(c.type(0)) && facts_of(c.type(0)).bits > 32)
      c.fail(text("takes integers of at most 32 bits or f8, not ") << name_of(c.type(0)));
    const dtype_id type = a.output_dtype != 0 ? dtype_of_onnx(a.output_dtype) : c.type(1);
    if (!is_floating(type)) c.fail(text("cannot dequantize to ONNX type ") << a.output_dtype);
    c.result(0, type, c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const auto places = detail::places_of_scales(x.dims, c.in(1).dims, a.axis, a.block_size);
    detail::for_each_index(x.dims, [&](std::int64_t n, const auto& index) {
      const auto at = static_cast<std::size_t>(n);
      const std::size_t s = places(index, x.dims.rank());
      float centred = 0.0F;
      if (is_floating(x.type)) {
        centred = x.f[at] - (c.has(2) ? c.in(2).f[s] : 0.0F);
      } else {
        centred = static_cast<float>(x.i[at] - (c.has(2) ? c.in(2).i[s] : 0));
      }
      y.f[at] = round_to(y.type, centred * c.in(1).f[s]);
    });
  }
};
static_assert(op<dequantize_linear>);

/// y = x in u8 with scale = (max - min) / 255 and zero point = round(-min / scale) of this x, where min <= 0 <= max; results: y,
/// scale, zero point. All zeros have the scale 1.                                              (ONNX DynamicQuantizeLinear)
///
/// Shape:     y has the shape of x; scale and zero point [].
/// Elements:  x f32; y u8, scale f32, zero point u8.
/// Tiling:    none; on the host.
/// Errors:    elements of another type.
struct dynamic_quantize_linear {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{
      .name = "dynamic_quantize_linear", .onnx = "DynamicQuantizeLinear", .results = 3, .max_results = 3};
  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_floating(c, 0);
    c.result(0, dtype_id::u8, c.dims(0));
    c.result(1, dtype_id::f32, {});
    c.result(2, dtype_id::u8, {});
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    float low = 0.0F;
    float high = 0.0F;
    for (const float x : c.in(0).f) {
      low = x < low ? x : low;
      high = x > high ? x : high;
    }
    const float scale = high == low ? 1.0F : (high - low) / 255.0F;
    const std::int64_t zero = detail::saturated(dtype_id::u8, -low / scale, 0);
    for (std::size_t n = 0; n < c.out().i.size(); ++n)
      c.out().i[n] = detail::saturated(dtype_id::u8, c.in(0).f[n] / scale, zero);
    if (c.result_count() > 1) c.out(1).f[0] = scale;
    if (c.result_count() > 2) c.out(2).i[0] = zero;
  }
};
static_assert(op<dynamic_quantize_linear>);

} // namespace tmpu::top
