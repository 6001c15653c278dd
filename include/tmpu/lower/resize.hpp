// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/product.hpp"
#include "tmpu/lower/sequence.hpp"
#include "tmpu/lower/weights.hpp"
#include "tmpu/top/resize.hpp"

namespace tmpu::lower {

/// resize with constant scales or sizes -> one axis after the other: nearest pixels by their places; otherwise a product with a constant matrix,
/// a row of weights for each place of y. int8 rounds a plane that grows by whole factors once: a convolution of each channel over x with zeros
/// between its pixels.
template <class Dtype> struct resize_rule {
  using op = top::resize;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool sums = true;
  static constexpr bool takes(const context& c, node_id) {
    if (c.is_constant(0) || !c.carries(0) || (c.has(1) && !c.is_constant(1)) || !c.is_constant(list(c))) return false;
    const auto a = c.attributes<op>();
    bool copies = true;
    for (const auto& p : plans(c)) copies = copies && is_copy(p.nothing_to_do() ? op::taps{} : op::taps_of(a, p));
    // Integers of one range can be averaged; what goes beyond it is for f32. So are weights of f16 and bf16, which would round twice.
    return copies || (is_floating(c.top_type(0)) &&
                      (Dtype::id == dtype_id::f32 ||
                       (Dtype::id == dtype_id::i8 && a.mode.view() == "linear" && !extrapolates(a))));
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const vec<op::axis_plan> all = plans(c);
    sequence s(c);
    tensor_id x = c.operand(0);
    if (const ints scales = times(c, x, a, all); !scales.empty())
      return c.emit_result<tpu::upsample>({scales}, {x}, c.format_at(x));
    if (!c.floating() && stretches(c, s, x, a, all)) return;
    std::size_t last = all.size();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!all[i].nothing_to_do()) last = i;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].nothing_to_do()) continue;
      const op::taps t = op::taps_of(a, all[i]);
      x = is_copy(t) ? s.take(x, i, t.at) : weighed(c, s, x, i, all[i], t, i == last);
    }
    s.finish(x);
  }

private:
  /// An axis that becomes `times` as long: pixel i, from the repeated ones at -1 to the one beyond the last, adds kernel[o - times * i - first] of
  /// itself to place o. No kernel: it is none.
  struct stretch {
    std::int64_t times = 1;
    std::int64_t first = 0;
    floats kernel;
  };
  static constexpr stretch stretch_of(const op::attributes& a, const op::axis_plan& p) {
    if (p.nothing_to_do() || p.in < 3 || p.out % p.in != 0) return {};
    const op::taps t = op::taps_of(a, p);
    for (const std::uint8_t o : t.outside) {
      if (o != 0) return {};
    }
    vec<float> weight(static_cast<std::size_t>(p.out * p.in));
    for (std::int64_t o = 0; o < p.out; ++o) {
      for (std::size_t k = static_cast<std::size_t>(o) * t.count; k < static_cast<std::size_t>(o + 1) * t.count; ++k)
        weight.data()[o * p.in + t.at[k]] += t.weight[k];
    }
    stretch s{.times = p.out / p.in, .first = 0, .kernel = {}};
    constexpr std::int64_t middle = 1; // what lies beyond the ends does not touch it
    for (std::int64_t o = 0; o < p.out; ++o) {
      if (weight.data()[o * p.in + middle] == 0.0F) continue;
      if (s.kernel.empty()) s.first = o - s.times * middle;
      while (s.first + static_cast<std::int64_t>(s.kernel.size()) < o - s.times * middle) s.kernel.push_back(0.0F);
      s.kernel.push_back(weight.data()[o * p.in + middle]);
    }
    const auto length = static_cast<std::int64_t>(s.kernel.size());
    for (std::int64_t i = -1; i <= p.in; ++i) {
      const std::int64_t pixel = i < 0 ? 0 : i == p.in ? p.in - 1 : i;
      for (std::int64_t k = 0; k < length; ++k) {
        const std::int64_t o = s.times * i + s.first + k;
        if (o >= 0 && o < p.out) weight.data()[o * p.in + pixel] -= s.kernel.data()[k];
      }
    }
    for (const float rest : weight) {
      if (math::abs(rest) > 1e-5F) return {};
    }
    return s;
  }
  /// Both axes of planes at once; false where they do not grow by whole factors.
  static constexpr bool stretches(context& c, sequence& s, tensor_id x, const op::attributes& a,
                                  const vec<op::axis_plan>& all) {
    if (all.size() != 4 || !all[0].nothing_to_do() || !all[1].nothing_to_do()) return false;
    top::detail::window window;
    window.spatial = 2;
    stretch along[2];
    for (std::size_t i = 0; i < 2; ++i) {
      along[i] = stretch_of(a, all[2 + i]);
      if (along[i].kernel.empty()) return false;
      window.own(i) = {.in = all[2 + i].in + 2,
                       .kernel = static_cast<std::int64_t>(along[i].kernel.size()),
                       .stride = along[i].times,
                       .begin = along[i].times - along[i].first,
                       .out = all[2 + i].out};
    }
    for (std::size_t i = 0; i < 2; ++i) {
      ints places{0};
      for (std::int64_t p = 0; p < all[2 + i].in; ++p) places.push_back(p);
      places.push_back(all[2 + i].in - 1);
      x = s.take(x, 2 + i, places);
    }
    const std::int64_t channels = c.dims(0)[1];
    value w(dtype_id::f32, detail::with_depth({channels, 1}, window.axis));
    const std::int64_t taps = window.taps();
    const std::int64_t width = window.own(1).kernel;
    for (std::int64_t n = 0; n < channels * taps; ++n) {
      const std::int64_t at = taps - 1 - n % taps; // turned around
      w.f.data()[n] = along[0].kernel.data()[at / width] * along[1].kernel.data()[at % width];
    }
    const format in = c.format_at(x);
    const format y = c.sum_format();
    const value bias(dtype_id::f32, {channels});
    const auto rest = detail::behind_x(detail::pack_integer(c, list(c), op::info.max_operands, w, bias, in, y));
    const tensor_id wide = detail::spread(c, s, x, window);
    s.finish(detail::convolve(c, s, wide, window.axis, channels, {}, rest, y));
    return true;
  }
  /// How often a feature map's rows and columns are repeated; empty where it is not only that.
  static constexpr ints times(const context& c, tensor_id x, const op::attributes& a, const vec<op::axis_plan>& all) {
    const dtype_id type = c.format_at(x).type;
    if (c.dims(0).rank() != 4 || type == dtype_id::i32 || type == dtype_id::boolean) return {};
    ints list;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::int64_t by = all[i].nothing_to_do() ? 1 : all[i].out / all[i].in;
      if (i < 2 ? by != 1 : by * all[i].in != all[i].out) return {};
      if (i > 1) list.push_back(by);
      if (all[i].nothing_to_do()) continue;
      const op::taps t = op::taps_of(a, all[i]);
      if (!is_copy(t)) return {};
      for (std::int64_t o = 0; o < all[i].out; ++o) {
        if (t.at[static_cast<std::size_t>(o)] != o / by) return {};
      }
    }
    return tpu::assembles(c.chip(), type, 1, c.result_dims()[3]) ? list : ints{};
  }
  static constexpr std::size_t list(const context& c) { return c.has(2) && c.dims(2).elements() != 0 ? 2 : 3; }
  static constexpr vec<op::axis_plan> plans(const context& c) {
    return op::plan(c.attributes<op>(), c.dims(0), c.constant(list(c)), c.has(1) ? c.constant(1).f : floats());
  }
  static constexpr bool extrapolates(const op::attributes& a) {
    return op::places_named(a.coordinate_transformation_mode) == op::places::tf_crop_and_resize;
  }
  static constexpr bool is_copy(const op::taps& t) {
    bool inside = t.count == 1;
    for (const std::uint8_t o : t.outside) inside = inside && o == 0;
    return inside;
  }
  static constexpr tensor_id weighed(context& c, sequence& s, tensor_id x, std::size_t axis, const op::axis_plan& p,
                                     const op::taps& t, bool is_last) {
    value w(dtype_id::f32, {p.out, p.in});
    value bias(dtype_id::f32, {p.out, 1});
    for (std::int64_t o = 0; o < p.out; ++o) {
      if (t.outside[static_cast<std::size_t>(o)] != 0) {
        bias.f.data()[o] = c.attributes<op>().extrapolation_value;
        continue;
      }
      for (std::size_t k = static_cast<std::size_t>(o) * t.count; k < static_cast<std::size_t>(o + 1) * t.count; ++k)
        w.f.data()[o * p.in + t.at[k]] += t.weight[k];
    }
    if (c.floating()) return s.weigh(x, axis, w, s.constant(bias));
    const format in = c.format_at(x);
    const format out = is_last ? c.sum_format() : in;
    const packed_weights packed = detail::pack_integer(c, list(c), op::info.max_operands, w, bias, in, out);
    return s.along(x, axis, p.out, [&](tensor_id rows) { return s.matmul(rows, packed, out); });
  }
};

} // namespace tmpu::lower
