// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/common.hpp"

namespace tmpu::top {

/// y = x * s + (b - mean * s) with s = scale / sqrt(var + epsilon), for each channel (inference).  (ONNX BatchNormalization)
///
/// Shape:     x [N, C, ...]; scale, b, mean, var [C]; y has the shape of x.
/// Elements:  f32, f16, bf16.
/// Tiling:    any slice; no halo.
/// Errors:    training_mode 1; rank below 2; lists that are not [C].
struct batch_normalization {
  static constexpr std::string_view domain = "top";
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (defaulted<float, 1, 100000>, epsilon), (defaulted<float, 9, 10>, momentum),
                             (defaulted<std::int64_t, 0>, training_mode));
  };
  static constexpr op_info info{
      .name = "batch_normalization", .onnx = "BatchNormalization", .min_operands = 5, .max_operands = 5};

  /// The factor and the term of one channel.
  struct line {
    float factor;
    float term;
  };
  static constexpr line line_of(float scale, float bias, float mean, float variance, float epsilon) {
    const float factor = scale / math::sqrt(variance + epsilon);
    return {factor, bias - mean * factor};
  }

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    if (a.training_mode != 0) c.fail("training_mode is 1; tmpu only runs inference");
    const auto& x = c.dims(0);
    if (x.rank() < 2) c.fail(text("needs an input [N, C, ...], but it is ") << x.print());
    for (std::size_t i = 1; i < 5; ++i) {
      if (c.dims(i).rank() != 1 || (x[1] >= 0 && c.dims(i)[0] >= 0 && c.dims(i)[0] != x[1])) {
        c.fail(text("operand ") << i << " must be [" << x[1] << "], but is " << c.dims(i).print());
      }
    }
    c.result(0, c.type(0), x);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const auto channels = static_cast<std::size_t>(x.dims[1]);
    const auto plane = static_cast<std::size_t>(detail::product(x.dims, 2, x.dims.rank()));
    for (std::size_t n = 0; n < static_cast<std::size_t>(x.dims[0]); ++n) {
      for (std::size_t ch = 0; ch < channels; ++ch) {
        const line l = line_of(c.in(1).f[ch], c.in(2).f[ch], c.in(3).f[ch], c.in(4).f[ch], a.epsilon);
        const std::size_t first = (n * channels + ch) * plane;
        for (std::size_t i = first; i < first + plane; ++i) y.f[i] = x.f[i] * l.factor + l.term;
      }
    }
    detail::round_elements(y);
  }
};
static_assert(op<batch_normalization>);

/// y = (x - mean) * r * scale + b over the axes from `axis` on, r = 1 / sqrt(variance + epsilon).  (ONNX LayerNormalization)
/// Sums are sequential in row-major order; further results: mean and r.
///
/// Shape:     scale and b broadcast to y; y has the shape of x; mean and r have ones from axis on.
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    any slice of the axes before axis.
/// Errors:    axis outside of x; a scale that does not fit.
struct layer_normalization {
  static constexpr std::string_view domain = "top";
  struct attributes {
    BOOST_HANA_DEFINE_STRUCT(attributes, (defaulted<std::int64_t, -1>, axis), (defaulted<float, 1, 100000>, epsilon),
                             (defaulted<std::int64_t, 1>, stash_type));
  };
  static constexpr op_info info{.name = "layer_normalization",
                                .onnx = "LayerNormalization",
                                .min_operands = 2,
                                .max_operands = 3,
                                .max_results = 3};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    const auto& x = c.dims(0);
    const std::size_t axis = detail::axis_at(a.axis, x.rank(), c);
    for (std::size_t i = 1; i < 3; ++i) {
      if (c.has(i) && c.dims(i).rank() > x.rank())
        c.fail(text("operand ") << i << ' ' << c.dims(i).print() << " does not broadcast to " << x.print());
      if (c.has(i)) static_cast<void>(detail::broadcast_dims(x, c.dims(i), c));
    }
    c.result(0, c.type(0), x);
    tmpu::shape kept = x;
    for (std::size_t i = axis; i < x.rank(); ++i) kept[i] = 1;
    c.result(1, dtype_id::f32, kept);
    c.result(2, dtype_id::f32, kept);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const std::size_t axis = detail::axis_at(a.axis, x.dims.rank());
    const auto inner = static_cast<std::size_t>(detail::product(x.dims, axis, x.dims.rank()));
    const auto count = static_cast<float>(inner);
    for (std::size_t first = 0, row = 0; first < x.f.size(); first += inner, ++row) {
      float sum = 0.0F;
      for (std::size_t i = 0; i < inner; ++i) sum += x.f[first + i];
      const float mean = sum / count;
      float squares = 0.0F;
      for (std::size_t i = 0; i < inner; ++i) squares += (x.f[first + i] - mean) * (x.f[first + i] - mean);
      const float r = 1.0F / math::sqrt(squares / count + a.epsilon);
      for (std::size_t i = 0; i < inner; ++i) y.f[first + i] = (x.f[first + i] - mean) * r;
      if (c.result_count() > 1 && c.out(1).size() > row) c.out(1).f[row] = mean;
      if (c.result_count() > 2 && c.out(2).size() > row) c.out(2).f[row] = r;
    }
    detail::combine_in_place(y, c.in(1), [](float l, float s) { return l * s; });
    if (c.has(2)) detail::combine_in_place(y, c.in(2), [](float l, float b) { return l + b; });
    detail::round_elements(y);
  }
};
static_assert(op<layer_normalization>);

} // namespace tmpu::top
