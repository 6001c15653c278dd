// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/reshape.hpp"

namespace tmpu::top {

namespace detail {
/// The weight of a pixel at this distance in cubic interpolation (R. Keys, 1981), 0 from 2 on.
constexpr double cubic_weight(double distance, double a) {
  const double x = math::abs(distance);
  if (x <= 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  return x < 2.0 ? ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a : 0.0;
}
constexpr std::int64_t clamp_index(std::int64_t i, std::int64_t size) { return i < 0 ? 0 : (i >= size ? size - 1 : i); }
} // namespace detail

/// y = x sampled anew along each axis, one axis after the other.                               (ONNX Resize)
/// Output position o of an axis lies at x's coordinate p(o), by coordinate_transformation_mode; there x is the nearest pixel
/// (nearest_mode), or interpolated between 2 ("linear") or 4 ("cubic", cubic_coeff_a) pixels, edges repeated. With antialias the
/// filter is as much wider as the axis gets smaller; with exclude_outside pixels outside weigh nothing. tf_crop_and_resize
/// maps to a part (operand 1: starts, then ends, as fractions) and gives extrapolation_value outside of x.
///
/// Shape:     operand 2: a scale for each axis, out = floor(in * scale); or operand 3: sizes (keep_aspect_ratio_policy:
///            stretch, or one scale for all, not_larger or not_smaller). `axes`: these axes only.
/// Elements:  any for nearest; f32, f16, bf16 (in f32 inside), integers (truncated) otherwise.
/// Tiling:    axes that keep their size.
/// Errors:    neither or both of scales and sizes, lists of another length, unknown modes.
struct resize {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, antialias), (ints, axes), (text, coordinate_transformation_mode),
                (defaulted<float, -3, 4>, cubic_coeff_a), (defaulted<std::int64_t, 0>, exclude_outside),
                (defaulted<float, 0>, extrapolation_value), (text, keep_aspect_ratio_policy), (text, mode),
                (text, nearest_mode));
  };
  static constexpr op_info info{.name = "resize", .onnx = "Resize", .max_operands = 4};

  enum class places : std::uint8_t {
    half_pixel,
    half_pixel_symmetric,
    pytorch_half_pixel,
    align_corners,
    asymmetric,
    tf_half_pixel_for_nn,
    tf_crop_and_resize,
    unknown
  };
  static constexpr places places_named(std::string_view name) {
    constexpr std::string_view names[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                                          "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"};
    if (name.empty()) return places::half_pixel;
    std::uint8_t n = 0;
    while (n < static_cast<std::uint8_t>(places::unknown) && names[n] != name) ++n;
    return static_cast<places>(n);
  }
  static constexpr bool is_nearest(const attributes& a) { return a.mode.empty() || a.mode.view() == "nearest"; }

  /// What becomes of one axis.
  struct axis_plan {
    std::int64_t in = 1;
    std::int64_t out = 1;
    double scale = 1.0;
    double start = 0.0; ///< of the part that is mapped to, as a fraction
    double end = 1.0;
    [[nodiscard]] constexpr bool nothing_to_do() const {
      return in == out && scale == 1.0 && start == 0.0 && end == 1.0;
    }
  };
  /// One plan for each axis of x; out is -1 where in is unknown. `lengths`: scales (floats) or sizes, one for each of the axes.
  static constexpr vec<axis_plan> plan(const attributes& a, const tmpu::shape& x, const value& lengths) {
    const floats& scales = lengths.f;
    const ints& sizes = lengths.i;
    vec<axis_plan> plans(x.rank());
    for (std::size_t i = 0; i < x.rank(); ++i) plans[i].in = plans[i].out = x[i];
    const std::string_view policy = a.keep_aspect_ratio_policy.view();
    const bool one_scale = policy == "not_larger" || policy == "not_smaller";
    const std::size_t count = lengths.size();
    double common = 0.0;
    bool known = true;
    for (std::size_t i = 0; i < count; ++i) {
      axis_plan& p = plans[axis_number(a, i, x.rank())];
      if (!scales.empty()) {
        p.scale = static_cast<double>(scales[i]);
        p.out = p.in < 0 ? -1 : static_cast<std::int64_t>(math::floor(static_cast<double>(p.in) * p.scale));
        continue;
      }
      p.out = sizes[i];
      p.scale = p.in < 1 ? 1.0 : static_cast<double>(p.out) / static_cast<double>(p.in);
      known = known && p.in >= 1;
      if (i == 0 || (policy == "not_larger" ? p.scale < common : p.scale > common)) common = p.scale;
    }
    if (scales.empty() && one_scale) {
      for (std::size_t i = 0; i < count; ++i) {
        axis_plan& p = plans[axis_number(a, i, x.rank())];
        p.scale = common;
        p.out = known ? static_cast<std::int64_t>(common * static_cast<double>(p.in) + 0.5) : -1;
      }
    }
    return plans;
  }

  /// The same with the part that is mapped to: operand 1.
  static constexpr vec<axis_plan> plan(const attributes& a, const tmpu::shape& x, const value& lengths,
                                       const floats& part) {
    vec<axis_plan> plans = plan(a, x, lengths);
    if (places_named(a.coordinate_transformation_mode) != places::tf_crop_and_resize) return plans;
    const std::size_t count = part.size() / 2;
    for (std::size_t i = 0; i < count; ++i) {
      axis_plan& p = plans[axis_number(a, i, x.rank())];
      p.start = static_cast<double>(part[i]);
      p.end = static_cast<double>(part[count + i]);
    }
    return plans;
  }

  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    if (c.type(0) == dtype_id::string || (!is_nearest(a) && c.type(0) == dtype_id::boolean))
      c.fail(text("cannot interpolate elements of type ") << name_of(c.type(0)));
    const std::string_view mode = a.mode.view();
    if (!is_nearest(a) && mode != "linear" && mode != "cubic")
      c.fail(text("mode '") << mode << "' is not known; it is nearest, linear or cubic");
    if (places_named(a.coordinate_transformation_mode) == places::unknown)
      c.fail(text("coordinate_transformation_mode '") << a.coordinate_transformation_mode << "' is not known");
    const std::string_view nearest = a.nearest_mode.view();
    if (!nearest.empty() && nearest != "round_prefer_floor" && nearest != "round_prefer_ceil" && nearest != "floor" &&
        nearest != "ceil") {
      c.fail(text("nearest_mode '") << nearest
                                    << "' is not known; it is round_prefer_floor, round_prefer_ceil, floor or ceil");
    }
    const std::string_view policy = a.keep_aspect_ratio_policy.view();
    if (!policy.empty() && policy != "stretch" && policy != "not_larger" && policy != "not_smaller")
      c.fail(text("keep_aspect_ratio_policy '")
             << policy << "' is not known; it is stretch, not_larger or not_smaller");
    if (is_nearest(a) && a.antialias != 0) c.fail("antialias needs mode linear or cubic");
    for (const std::int64_t axis : a.axes) static_cast<void>(detail::axis_at(axis, x.rank(), c));
    if (c.has(1) && c.dims(1).elements() != 0) detail::require_floating(c, 1);
    const bool scaled = c.has(2) && c.dims(2).elements() != 0;
    const bool sized = c.has(3) && c.dims(3).elements() != 0;
    if (scaled == sized) c.fail("needs either scales (operand 2) or sizes (operand 3)");
    const std::size_t list = scaled ? 2 : 3;
    const std::size_t count = a.axes.empty() ? x.rank() : a.axes.size();
    if (places_named(a.coordinate_transformation_mode) == places::tf_crop_and_resize &&
        (!c.has(1) || c.dims(1).elements() != 2 * static_cast<std::int64_t>(count))) {
      c.fail(text("tf_crop_and_resize needs ") << 2 * count << " values in operand 1 (roi)");
    }
    if (is_floating(c.type(list)) != scaled)
      c.fail(text("operand ") << list << " cannot hold " << name_of(c.type(list)));
    if (!c.is_constant(list)) {
      auto y = x;
      for (std::size_t i = 0; i < count; ++i) y[axis_number(a, i, x.rank())] = -1;
      c.result(0, c.type(0), y);
      return;
    }
    const value lengths = c.constant(list);
    if (lengths.size() != count)
      c.fail(text(scaled ? "scales" : "sizes") << " must hold " << count << " values, not " << lengths.size());
    for (const float s : lengths.f) {
      if (!(s > 0.0F)) c.fail("scales must be greater than 0");
    }
    for (const std::int64_t s : lengths.i) {
      if (s < 0) c.fail(text("a size must not be negative: ") << s);
    }
    tmpu::shape y;
    for (const axis_plan& p : plan(a, x, lengths)) y.push_back(p.out);
    c.result(0, c.type(0), y);
  }

  static constexpr std::size_t axis_number(const attributes& a, std::size_t i, std::size_t rank) {
    return a.axes.empty() ? i : detail::axis_at(a.axes[i], rank);
  }

  /// The coordinate in x of output position o.
  static constexpr double coordinate(places mode, const axis_plan& p, std::int64_t o) {
    const auto at = static_cast<double>(o);
    const auto in = static_cast<double>(p.in);
    const double out = p.scale * in; // ONNX takes the exact product here, not the whole number of pixels
    switch (mode) {
    case places::align_corners: return out == 1.0 ? 0.0 : at * (in - 1.0) / (out - 1.0);
    case places::asymmetric: return at / p.scale;
    case places::tf_half_pixel_for_nn: return (at + 0.5) / p.scale;
    case places::pytorch_half_pixel: return out == 1.0 ? -0.5 : (at + 0.5) / p.scale - 0.5;
    case places::half_pixel_symmetric:
      return in / 2.0 * (1.0 - static_cast<double>(p.out) / out) + (at + 0.5) / p.scale - 0.5;
    case places::tf_crop_and_resize:
      return p.start * (in - 1.0) +
             (out == 1.0 ? (p.end - p.start) * (in - 1.0) / 2.0 : at * (p.end - p.start) * (in - 1.0) / (out - 1.0));
    default: return (at + 0.5) / p.scale - 0.5;
    }
  }

  /// For each output position the pixels that it is made of, `count` each, and their weights.
  struct taps {
    std::size_t count = 1;
    vec<std::int64_t> at;
    floats weight;
    vec<std::uint8_t> outside; ///< extrapolation_value
  };
  static constexpr taps taps_of(const attributes& a, const axis_plan& p) {
    const places mode = places_named(a.coordinate_transformation_mode);
    const bool cubic = a.mode.view() == "cubic";
    const double reach = is_nearest(a) ? 0.0 : (cubic ? 2.0 : 1.0);
    const double narrow = a.antialias != 0 && p.scale < 1.0 ? p.scale : 1.0;
    // The filter reaches from pixel `before` to pixel 1 - before, counted from the one to the left of the coordinate.
    const std::int64_t before = is_nearest(a) ? 0 : static_cast<std::int64_t>(math::floor(-reach / narrow)) + 1;
    taps t;
    t.count = is_nearest(a) ? 1 : static_cast<std::size_t>(2 - 2 * before);
    vec<double> weights(t.count);
    for (std::int64_t o = 0; o < p.out; ++o) {
      const double at = coordinate(mode, p, o);
      const auto whole = static_cast<double>(p.in) - 1.0;
      t.outside.push_back(mode == places::tf_crop_and_resize && (at < 0.0 || at > whole) ? 1 : 0);
      // A coordinate on a pixel belongs to the gap on its left.
      double left = math::floor(at);
      if (left == at) left -= 1.0;
      const double rest = at - left;
      const auto base = static_cast<std::int64_t>(left);
      if (is_nearest(a)) {
        t.at.push_back(detail::clamp_index(base + (takes_right(a, rest) ? 1 : 0), p.in));
        t.weight.push_back(1.0F);
        continue;
      }
      double sum = 0.0;
      for (std::size_t k = 0; k < t.count; ++k) {
        const std::int64_t pixel = base + before + static_cast<std::int64_t>(k);
        const double distance = (static_cast<double>(before) + static_cast<double>(k) - rest) * narrow;
        const double flat = 1.0 - math::abs(distance);
        weights[k] =
            cubic ? detail::cubic_weight(distance, static_cast<double>(a.cubic_coeff_a)) : (flat < 0.0 ? 0.0 : flat);
        if (a.exclude_outside != 0 && (pixel < 0 || pixel >= p.in)) weights[k] = 0.0;
        sum += weights[k];
        t.at.push_back(detail::clamp_index(pixel, p.in));
      }
      const bool divide = (a.antialias != 0 || a.exclude_outside != 0) && sum != 0.0;
      for (const double w : weights) t.weight.push_back(static_cast<float>(divide ? w / sum : w));
    }
    return t;
  }

private:
  static constexpr bool takes_right(const attributes& a, double rest) {
    const std::string_view mode = a.nearest_mode.view();
    if (rest == 1.0 || mode == "ceil") return true;
    if (mode == "floor") return false;
    return mode == "round_prefer_ceil" ? rest >= 0.5 : rest > 0.5;
  }

  template <class T>
  static constexpr vec<T> sample(const attributes& a, tmpu::shape dims, const vec<axis_plan>& plans, vec<T> x) {
    for (std::size_t axis = 0; axis < plans.size(); ++axis) {
      const axis_plan& p = plans[axis];
      if (p.nothing_to_do()) continue;
      const taps t = taps_of(a, p);
      const detail::axis_view view(dims, axis);
      vec<T> y(static_cast<std::size_t>(view.outer * p.out * view.inner));
      for (std::int64_t outer = 0; outer < view.outer; ++outer) {
        for (std::int64_t o = 0; o < p.out; ++o) {
          T* to = y.data() + (outer * p.out + o) * view.inner;
          const std::size_t first = static_cast<std::size_t>(o) * t.count;
          if (t.outside[static_cast<std::size_t>(o)] != 0) {
            for (std::int64_t i = 0; i < view.inner; ++i) to[i] = static_cast<T>(a.extrapolation_value.value);
            continue;
          }
          for (std::size_t k = 0; k < t.count; ++k) {
            const T* from = x.data() + (outer * view.size + t.at[first + k]) * view.inner;
            if (t.count == 1) {
              for (std::int64_t i = 0; i < view.inner; ++i) to[i] = from[i];
            } else {
              const float w = t.weight[first + k];
              for (std::int64_t i = 0; i < view.inner; ++i) to[i] += static_cast<T>(w * static_cast<float>(from[i]));
            }
          }
        }
      }
      dims[axis] = p.out;
      x = std::move(y);
    }
    return x;
  }

public:
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const bool scaled = c.has(2) && c.in(2).size() != 0;
    const vec<axis_plan> plans = plan(a, x.dims, c.in(scaled ? 2 : 3), c.has(1) ? c.in(1).f : floats());
    if (y.size() == 0) return;
    if (is_floating(y.type)) {
      y.f = sample(a, x.dims, plans, x.f);
      detail::round_elements(y);
    } else if (is_nearest(a)) {
      y.i = sample(a, x.dims, plans, x.i);
    } else {
      floats numbers(x.size());
      for (std::size_t n = 0; n < x.size(); ++n) numbers[n] = static_cast<float>(detail::number_at(x, n));
      numbers = sample(a, x.dims, plans, numbers);
      for (std::size_t n = 0; n < y.size(); ++n) y.i[n] = detail::to_integer(y.type, static_cast<double>(numbers[n]));
    }
  }
};
static_assert(op<resize>);

} // namespace tmpu::top
