// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/context.hpp"

namespace tmpu::lower {

/// Weights and params of a convolution or matrix product as Tpu takes them; `scales` where the weights are scaled (tpu::weight_groups).
struct packed_weights {
  tensor_id weight = none;
  tensor_id params = none;
  tensor_id scales = none;
  /// The operands of the operator that reads x.
  [[nodiscard]] constexpr vec<tensor_id> operands(tensor_id x) const {
    vec<tensor_id> list;
    list.push_back(x);
    list.push_back(weight);
    list.push_back(params);
    if (scales != none) list.push_back(scales);
    return list;
  }
};

namespace detail {

/// Whether all are multiples of the step, as weights are that come from a quantized model.
constexpr bool multiples(std::span<const float> w, double step) {
  for (const float v : w) {
    const double q = static_cast<double>(v) / step;
    const double off = q - math::round_half_away(q);
    if (off > 1e-4 || off < -1e-4) return false;
  }
  return true;
}

/// The nearest integer, half away from zero, of a number below 2^62.
constexpr std::int64_t nearest(double x) {
  const auto whole = static_cast<std::int64_t>(x);
  const double rest = x - static_cast<double>(whole);
  return whole + (rest >= 0.5 ? 1 : 0) - (rest <= -0.5 ? 1 : 0);
}

/// Scale of one output channel's weights: greatest |w| / 127, or a greater step (up to twice as great) that all are multiples of; but
/// not so small that the bias leaves 30 bits; a channel without weights takes one at which the bias has 16 fractional bits of y.
constexpr double channel_scale(std::span<const float> w, float bias, double x_scale, double y_scale) {
  double greatest = 0.0;
  for (const float v : w) {
    const double magnitude = math::abs(static_cast<double>(v));
    greatest = magnitude > greatest ? magnitude : greatest;
  }
  double scale = greatest > 0.0 ? greatest / 127.0 : y_scale / (x_scale * 65536.0);
  for (int most = 127; most > 63 && greatest > 0.0; --most) {
    if (!multiples(w, greatest / most)) continue;
    scale = greatest / most;
    break;
  }
  const double needed = math::abs(static_cast<double>(bias)) / (x_scale * 0x1p30);
  return needed > scale ? needed : scale;
}

/// i8 weights and [bias, multiplier, shift] of each channel; w [OC, ...], bias [OC]. Refuses sums that could leave int32.
constexpr packed_weights pack_integer(context& c, std::size_t weight_operand, std::size_t bias_operand, const value& w,
                                      const value& bias, const format& x, const format& y) {
  const std::int64_t channels = w.dims[0];
  const std::int64_t inner = w.dims.elements() / channels;
  constexpr std::int64_t limit = 2147483647;
  if (inner > limit / (255 * 128)) {
    c.fail(text("sums over ") << inner << " products could overflow int32 (at most " << limit / (255 * 128)
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
      const std::int64_t r = nearest(static_cast<double>(own[i]) / scale); // never far from [-127, 127]
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
    // A result of 32 bits saturates far beyond what int8 holds; the products of a nearly dead tensor may go even further.
    const double factor = x_scale * scale / y_scale;
    const multiplier m = make_multiplier(context::is_whole(y) && factor > 0x1p30 ? 0x1p30 : factor);
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
  return {c.add_constant(weight_name, q), c.add_constant(params_name, params), none};
}

/// The element of `type` that stands for x, as a number.
constexpr double code_of(dtype_id type, double x) {
  if (is_floating(type)) {
    const float most = type == dtype_id::f8e4m3 ? 448.0F : 57344.0F;
    const auto f = static_cast<float>(x);
    return static_cast<double>(round_to(type, f > most ? most : f < -most ? -most : f));
  }
  const auto r = static_cast<std::int64_t>(math::round_half_away(x));
  return static_cast<double>(r < least_of(type) ? least_of(type) : r > greatest_of(type) ? greatest_of(type) : r);
}

/// How far scale times codes is from w, and the scale that is best for these codes (least squares).
struct scale_fit {
  double error = 0.0; ///< sum of squares
  float better = 0.0F;
};
constexpr scale_fit fit_of(std::span<const float> w, dtype_id type, float scale) {
  scale_fit fit;
  double product = 0.0;
  double square = 0.0;
  for (const float v : w) {
    const double q = code_of(type, static_cast<double>(v) / static_cast<double>(scale));
    const double d = static_cast<double>(v) - q * static_cast<double>(scale);
    fit.error += d * d;
    product += static_cast<double>(v) * q;
    square += q * q;
  }
  fit.better = square > 0.0 ? round_to_bf16(static_cast<float>(product / square)) : scale;
  return fit;
}

/// The scale (a bf16 number) by which elements of `type` come nearest to w: tried are scales by which the greatest |w| takes 3/4 to
/// 5/4 of the range, of either sign (an i4 reaches down to -8, but up to 7 only), and what least squares makes of each.
constexpr float best_scale(std::span<const float> w, dtype_id type) {
  double greatest = 0.0;
  for (const float v : w) {
    const double magnitude = math::abs(static_cast<double>(v));
    greatest = magnitude > greatest ? magnitude : greatest;
  }
  const double most = type == dtype_id::f8e4m3   ? 448.0
                      : type == dtype_id::f8e5m2 ? 57344.0
                                                 : static_cast<double>(-least_of(type));
  constexpr int steps = 8; // on each side
  float best = 1.0F;
  double least = math::infinity<double>;
  const auto consider = [&](float scale) {
    if (scale == 0.0F) return scale;
    const scale_fit fit = fit_of(w, type, scale);
    if (fit.error < least) {
      least = fit.error;
      best = scale;
    }
    return fit.better;
  };
  for (int i = -steps; i <= steps; ++i) {
    const double magnitude = greatest / most * (1.0 + i / (4.0 * steps));
    for (const double sign : {1.0, -1.0}) consider(consider(round_to_bf16(static_cast<float>(sign * magnitude))));
  }
  return best;
}

/// Weights of few bits, a row of codes and a scale for each group of input channels: as many groups as needed for at most `most()` elements
/// in one (a channel is never divided), equally large. Rows are padded to whole bytes.
constexpr packed_weights pack_scaled(context& c, std::size_t weight_operand, const value& w, tensor_id params) {
  const dtype_id type = c.weights().type;
  const std::int64_t outputs = w.dims[0];
  const std::int64_t channels = w.dims[1];
  const std::int64_t taps = w.dims.elements() / (outputs * channels);
  const std::int64_t most = c.weights().most() / taps;
  const std::int64_t wanted = ceil_div(channels, most < 1 ? 1 : most);
  const std::int64_t each = ceil_div(channels, wanted);
  const std::int64_t groups = ceil_div(channels, each);
  const std::int64_t row = round_up(each * taps, 8 / facts_of(type).bits);
  value q(type, {outputs, groups, row});
  value scales(dtype_id::bf16, {outputs, groups});
  for (std::int64_t g = 0; g < outputs * groups; ++g) {
    const std::int64_t first = g % groups * each;
    const std::int64_t count = (first + each < channels ? each : channels - first) * taps;
    const std::span<const float> own = w.f.span().subspan(
        static_cast<std::size_t>((g / groups * channels + first) * taps), static_cast<std::size_t>(count));
    for (const float v : own) {
      if (!is_finite(v)) {
        c.fail(text("weight '") << c.name(weight_operand) << "' holds NaN or infinity, which " << name_of(type)
                                << " weights cannot hold: keep this model in a float type");
      }
    }
    const float scale = best_scale(own, type);
    scales.f.data()[g] = scale;
    for (std::int64_t e = 0; e < count; ++e) {
      const double code = code_of(type, static_cast<double>(own.data()[e]) / static_cast<double>(scale));
      if (is_floating(type)) {
        q.f.data()[g * row + e] = static_cast<float>(code);
      } else {
        q.i.data()[g * row + e] = static_cast<std::int64_t>(code);
      }
    }
  }
  text weight_name(c.name(weight_operand));
  text scales_name(c.name(weight_operand));
  weight_name << '.' << name_of(type);
  scales_name << ".scales";
  return {c.add_constant(weight_name, q), params, c.add_constant(scales_name, scales)};
}

} // namespace detail

/// Weights w [OC, ...] and bias [OC] (zeros where the operand is absent) for an operator that reads x and makes y.
/// Float: w rounded to the dtype or scaled in few bits, bias in f32. Integer: symmetric i8 a channel, bias in int32 with the zero-point term.
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
  if (c.weights().given()) return detail::pack_scaled(c, weight_operand, w, c.add_constant(params_name, bias));
  c.round_constant(w, c.type(), c.name(weight_operand));
  return {c.add_constant(weight_name, w), c.add_constant(params_name, bias), none};
}

} // namespace tmpu::lower
