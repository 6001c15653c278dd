// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/context.hpp"

namespace tmpu::lower {

/// Weights and params of a convolution or matrix product as Tpu takes them.
struct packed_weights {
  tensor_id weight = none;
  tensor_id params = none;
};

namespace detail {

/// Scale of one output channel's weights: greatest |w| / 127, but not so small that the bias leaves 30 bits; a channel without
/// weights takes one at which the bias has 16 fractional bits of y.
constexpr double channel_scale(std::span<const float> w, float bias, double x_scale, double y_scale) {
  double greatest = 0.0;
  for (const float v : w) {
    const double magnitude = math::abs(static_cast<double>(v));
    greatest = magnitude > greatest ? magnitude : greatest;
  }
  double scale = greatest > 0.0 ? greatest / 127.0 : y_scale / (x_scale * 65536.0);
  const double needed = math::abs(static_cast<double>(bias)) / (x_scale * 0x1p30);
  return needed > scale ? needed : scale;
}

/// i8 weights and [bias, multiplier, shift] of each channel; w [OC, ...], bias [OC]. Refuses sums that could leave int32.
constexpr packed_weights pack_integer(context& c, std::size_t weight_operand, std::size_t bias_operand, const value& w,
                                      const value& bias, const format& x, const format& y) {
  const std::int64_t channels = w.dims[0];
  const std::int64_t inner = w.dims.elements() / channels;
  constexpr std::int64_t limit = 2147483647;
  if (inner > limit / (255 * 127)) {
    c.fail(text("sums over ") << inner << " products could overflow int32 (at most " << limit / (255 * 127)
                              << "): keep this model in a float type");
  }
  const auto x_scale = static_cast<double>(x.quant.scale);
  const auto y_scale = static_cast<double>(y.quant.scale);
  const std::int64_t greatest_x = x.type == dtype_id::u8 ? 255 : 128;
  value q(dtype_id::i8, w.dims);
  value params(dtype_id::i32, {channels, 3});
  for (std::int64_t oc = 0; oc < channels; ++oc) {
    const auto first = static_cast<std::size_t>(oc * inner);
    const std::span<const float> own = w.f.span().subspan(first, static_cast<std::size_t>(inner));
    const float b = bias.f[static_cast<std::size_t>(oc)];
    bool finite = is_finite(b);
    for (const float v : own) finite = finite && is_finite(v);
    if (!finite)
      c.fail(text("weight '") << c.name(weight_operand) << "' or its bias holds NaN or infinity in output channel "
                              << oc);
    const double scale = channel_scale(own, b, x_scale, y_scale);
    std::int64_t sum = 0;
    std::int64_t magnitude = 0;
    for (std::size_t i = 0; i < own.size(); ++i) {
      const auto r = static_cast<std::int64_t>(math::round_half_away(static_cast<double>(own[i]) / scale));
      const std::int64_t v = r < -127 ? -127 : (r > 127 ? 127 : r);
      q.i[first + i] = v;
      sum += v;
      magnitude += v < 0 ? -v : v;
    }
    const std::int64_t folded =
        static_cast<std::int64_t>(math::round_half_away(static_cast<double>(b) / (x_scale * scale))) -
        x.quant.zero_point * sum;
    if ((folded < 0 ? -folded : folded) + magnitude * greatest_x > limit) {
      c.fail(text("output channel ") << oc << " could overflow int32 with its bias: check the range of '" << c.name(0)
                                     << "' in the calibration table");
    }
    const multiplier m = make_multiplier(x_scale * scale / y_scale);
    if (!m.valid()) {
      c.fail(text("output channel ") << oc << " needs a multiplier beyond 2^31: check the range of '" << c.result_name()
                                     << "' in the calibration table");
    }
    std::int64_t* p = params.i.data() + oc * 3;
    p[0] = folded;
    p[1] = m.value;
    p[2] = m.shift;
  }
  text weight_name(c.name(weight_operand));
  text params_name(c.has(bias_operand) ? c.name(bias_operand) : c.name(weight_operand));
  weight_name << ".i8";
  params_name << ".params";
  return {c.add_constant(weight_name, q), c.add_constant(params_name, params)};
}

} // namespace detail

/// Weights w [OC, ...] and bias [OC] (zeros where the operand is absent) for an operator that reads x and makes y.
/// Float: w rounded to the dtype, bias in f32. Integer: symmetric i8 a channel, bias in int32 with the zero-point term.
constexpr packed_weights pack_weights(context& c, std::size_t weight_operand, std::size_t bias_operand, value w,
                                      const format& x, const format& y) {
  const std::int64_t channels = w.dims[0];
  value bias(dtype_id::f32, {channels});
  if (c.has(bias_operand)) bias.f = c.constant(bias_operand).f;
  if (!c.floating()) return detail::pack_integer(c, weight_operand, bias_operand, w, bias, x, y);
  bias.dims = {channels, 1};
  text weight_name(c.name(weight_operand));
  text params_name(c.has(bias_operand) ? c.name(bias_operand) : c.name(weight_operand));
  if (c.type() != dtype_id::f32) weight_name << '.' << name_of(c.type());
  params_name << ".params";
  c.round_constant(w, c.type(), c.name(weight_operand));
  return {c.add_constant(weight_name, w), c.add_constant(params_name, bias)};
}

} // namespace tmpu::lower
