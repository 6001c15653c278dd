// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/constants.hpp"
#include "tmpu/top/fourier.hpp"

namespace tmpu::top {

/// y[n] = a0 - a1 * cos(2 pi n / N) + a2 * cos(4 pi n / N), N the size, or size - 1 where not periodic. An operator gives
/// `info` and `factors`.
///
/// Shape:     operand 0: the size; y [size].
/// Elements:  the type output_datatype (f32 where absent); computed in double.
/// Tiling:    none.
/// Errors:    a size below 0; a type that holds no numbers.
template <class Self> struct cosine_window {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, output_datatype), (defaulted<std::int64_t, 1>, periodic));
  };

  static constexpr void infer(const attributes& a, infer_context& c) {
    const dtype_id type = dtype_of_onnx(a.output_datatype);
    if (type == dtype_id::none || type == dtype_id::string)
      c.fail(text("cannot make elements of ONNX type ") << a.output_datatype);
    const std::int64_t size = c.is_constant(0) ? detail::integer_of(c, 0, c.constant(0)) : -1;
    if (size < 0 && c.is_constant(0)) c.fail(text("the size must not be negative: ") << size);
    c.result(0, type, {size});
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    constexpr double two_pi = 6.283185307179586476925286766559;
    const auto size = static_cast<std::int64_t>(y.size());
    const std::int64_t period = a.periodic != 0 ? size : size - 1;
    for (std::int64_t n = 0; n < size; ++n) {
      const double angle = period == 0 ? 0.0 : two_pi * static_cast<double>(n) / static_cast<double>(period);
      const double v =
          Self::factors[0] - Self::factors[1] * math::cos(angle) + Self::factors[2] * math::cos(2.0 * angle);
      if (is_floating(y.type)) {
        y.f[static_cast<std::size_t>(n)] = static_cast<float>(v);
      } else {
        y.i[static_cast<std::size_t>(n)] = detail::to_integer(y.type, v);
      }
    }
    if (is_floating(y.type)) detail::round_elements(y);
  }
};

/// (1 - cos) / 2.                                                                              (ONNX HannWindow)
struct hann_window : cosine_window<hann_window> {
  static constexpr op_info info{.name = "hann_window", .onnx = "HannWindow"};
  static constexpr double factors[] = {0.5, 0.5, 0.0};
};
static_assert(op<hann_window>);

/// 25/46 - 21/46 cos.                                                                          (ONNX HammingWindow)
struct hamming_window : cosine_window<hamming_window> {
  static constexpr op_info info{.name = "hamming_window", .onnx = "HammingWindow"};
  static constexpr double factors[] = {25.0 / 46.0, 21.0 / 46.0, 0.0};
};
static_assert(op<hamming_window>);

/// 0.42 - 0.5 cos + 0.08 cos of twice the angle.                                               (ONNX BlackmanWindow)
struct blackman_window : cosine_window<blackman_window> {
  static constexpr op_info info{.name = "blackman_window", .onnx = "BlackmanWindow"};
  static constexpr double factors[] = {0.42, 0.5, 0.08};
};
static_assert(op<blackman_window>);

/// The weights with which the bins of a spectrum add up to bands that are equally wide on the mel scale,
/// mel(f) = 2595 log10(1 + f / 700): triangles between the band's neighbours.                  (ONNX MelWeightMatrix)
///
/// Shape:     operands: bands, Fourier length, sample rate, lowest and highest frequency; y [length / 2 + 1, bands].
/// Elements:  the type output_datatype (f32 where absent); computed in double.
/// Tiling:    none.
/// Errors:    bands, length or sample rate below 1; frequencies whose bins lie outside of the spectrum.
struct mel_weight_matrix {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, output_datatype));
  };
  static constexpr op_info info{
      .name = "mel_weight_matrix", .onnx = "MelWeightMatrix", .min_operands = 5, .max_operands = 5};

  static constexpr void infer(const attributes& a, infer_context& c) {
    const dtype_id type = dtype_of_onnx(a.output_datatype);
    if (type == dtype_id::none || type == dtype_id::string)
      c.fail(text("cannot make elements of ONNX type ") << a.output_datatype);
    std::int64_t sizes[] = {-1, -1, -1};
    for (std::size_t i = 0; i < 3; ++i) {
      if (!c.is_constant(i)) continue;
      sizes[i] = detail::integer_of(c, i, c.constant(i));
      if (sizes[i] < 1) c.fail(text("operand ") << i << " must be at least 1, but is " << sizes[i]);
    }
    detail::require_integers(c, 2);
    for (std::size_t i = 2; i < 5; ++i) {
      if (i > 2) detail::require_floating(c, i);
      if (c.dims(i).known() && c.dims(i).elements() != 1) c.fail(text("operand ") << i << " must be one number");
    }
    c.result(0, type, {sizes[1] < 0 ? -1 : sizes[1] / 2 + 1, sizes[0]});
  }

  static constexpr void eval(const attributes&, eval_context& c) {
    value& y = c.out();
    const std::int64_t bands = y.dims[1];
    const std::int64_t bins = y.dims[0];
    if (c.in(2).i[0] < 1) c.fail(text("the sample rate must be at least 1, but is ") << c.in(2).i[0]);
    const auto rate = static_cast<double>(c.in(2).i[0]);
    const auto length = static_cast<double>(c.in(1).i[0]);
    const auto mel = [](float f) { return 2595.0 * math::log10(1.0 + static_cast<double>(f) / 700.0); };
    const double low = mel(c.in(3).f[0]);
    const double step = (mel(c.in(4).f[0]) - low) / static_cast<double>(bands + 2);
    ints edge;
    for (std::int64_t i = 0; i < bands + 2; ++i) {
      const double f = 700.0 * (math::pow(10.0, (low + static_cast<double>(i) * step) / 2595.0) - 1.0);
      const double bin = math::floor((length + 1.0) * f / rate);
      if (!(bin >= 0.0 && bin < static_cast<double>(bins))) {
        c.fail(text("the frequencies reach beyond a spectrum of ") << bins << " bins");
      }
      edge.push_back(static_cast<std::int64_t>(bin));
    }
    const auto put = [&](std::int64_t bin, std::size_t band, double v) {
      const std::size_t at = static_cast<std::size_t>(bin * bands) + band;
      if (is_floating(y.type)) {
        y.f[at] = static_cast<float>(v);
      } else {
        y.i[at] = detail::to_integer(y.type, v);
      }
    };
    for (std::size_t b = 0; b < static_cast<std::size_t>(bands); ++b) {
      const std::int64_t up = edge[b + 1] - edge[b];
      const std::int64_t down = edge[b + 2] - edge[b + 1];
      if (up == 0) put(edge[b + 1], b, 1.0);
      for (std::int64_t n = edge[b]; up > 0 && n <= edge[b + 1]; ++n)
        put(n, b, static_cast<double>(n - edge[b]) / static_cast<double>(up));
      for (std::int64_t n = edge[b + 1]; down > 0 && n < edge[b + 2]; ++n)
        put(n, b, static_cast<double>(edge[b + 2] - n) / static_cast<double>(down));
    }
    if (is_floating(y.type)) detail::round_elements(y);
  }
};
static_assert(op<mel_weight_matrix>);

} // namespace tmpu::top
