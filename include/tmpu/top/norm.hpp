// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/common.hpp"

namespace tmpu::top {

namespace detail {
/// Mean of a run of elements, and 1 / sqrt(variance + epsilon); both sums sequential.
struct moments {
  float mean = 0.0F;
  float variance = 0.0F;
  [[nodiscard]] constexpr float factor(float epsilon) const { return 1.0F / math::sqrt(variance + epsilon); }
};
constexpr moments moments_of(const float* x, std::size_t count) {
  float sum = 0.0F;
  for (std::size_t i = 0; i < count; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(count);
  float squares = 0.0F;
  for (std::size_t i = 0; i < count; ++i) squares += (x[i] - mean) * (x[i] - mean);
  return {mean, squares / static_cast<float>(count)};
}

/// x is [N, C, ...] and operands [from, to) are [C].
constexpr void require_channel_lists(const infer_context& c, std::size_t from, std::size_t to) {
  const auto& x = c.dims(0);
  if (x.rank() < 2) c.fail(text("needs an input [N, C, ...], but it is ") << x.print());
  for (std::size_t i = from; i < to; ++i) {
    require_floating(c, i);
    if (c.dims(i).rank() != 1 || (x[1] >= 0 && c.dims(i)[0] >= 0 && c.dims(i)[0] != x[1])) {
      c.fail(text("operand ") << i << " must be [" << x[1] << "], but is " << c.dims(i).print());
    }
  }
}
/// A scale or bias that is broadcast to x, as operand i.
constexpr void require_broadcast_to_x(const infer_context& c, std::size_t i) {
  if (!c.has(i)) return;
  const auto& x = c.dims(0);
  const auto& d = c.dims(i);
  require_floating(c, i);
  bool fits = d.rank() <= x.rank();
  for (std::size_t k = 0; fits && k < d.rank(); ++k) {
    const std::int64_t of_x = x[x.rank() - d.rank() + k];
    fits = d[k] < 0 || of_x < 0 || d[k] == 1 || d[k] == of_x;
  }
  if (!fits) c.fail(text("operand ") << i << ' ' << d.print() << " does not broadcast to " << x.print());
}
} // namespace detail

/// y = x * s + (b - mean * s) with s = scale / sqrt(var + epsilon), for each channel.          (ONNX BatchNormalization)
/// With training_mode mean and variance are those of x itself, and further results are the running mean and variance:
/// momentum * operand + (1 - momentum) * that of x.
///
/// Shape:     x [N, C, ...]; scale, b, mean, var [C]; y has the shape of x; running mean and variance [C].
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    any slice; no halo.
/// Errors:    rank below 2; lists that are not [C]; running mean or variance asked for without training_mode.
struct batch_normalization {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<float, 1, 100000>, epsilon), (defaulted<float, 9, 10>, momentum),
                (defaulted<std::int64_t, 0>, training_mode));
  };
  static constexpr op_info info{.name = "batch_normalization",
                                .onnx = "BatchNormalization",
                                .min_operands = 5,
                                .max_operands = 5,
                                .max_results = 3};

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
    detail::require_channel_lists(c, 1, 5);
    if (a.training_mode == 0 && c.result_count() > 1)
      c.fail("running mean and variance are results of training_mode 1 only");
    c.result(0, c.type(0), c.dims(0));
    c.result(1, c.type(3), c.dims(3));
    c.result(2, c.type(4), c.dims(4));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const auto channels = static_cast<std::size_t>(x.dims[1]);
    const auto plane = static_cast<std::size_t>(detail::product(x.dims, 2, x.dims.rank()));
    const auto batches = static_cast<std::size_t>(x.dims[0]);
    for (std::size_t ch = 0; ch < channels; ++ch) {
      float mean = c.in(3).f[ch];
      float variance = c.in(4).f[ch];
      if (a.training_mode != 0) {
        const detail::moments own = over_batches(x.f.data() + ch * plane, batches, channels * plane, plane);
        const auto run = [&](std::size_t i, float before, float now) {
          if (c.result_count() > i && c.out(i).size() > ch)
            c.out(i).f[ch] = before * a.momentum + now * (1.0F - a.momentum);
        };
        run(1, mean, own.mean);
        run(2, variance, own.variance);
        mean = own.mean;
        variance = own.variance;
      }
      const line l = line_of(c.in(1).f[ch], c.in(2).f[ch], mean, variance, a.epsilon);
      for (std::size_t n = 0; n < batches; ++n) {
        const std::size_t first = (n * channels + ch) * plane;
        for (std::size_t i = first; i < first + plane; ++i) y.f[i] = x.f[i] * l.factor + l.term;
      }
    }
    for (std::size_t i = 0; i < c.result_count(); ++i) detail::round_elements(c.out(i));
  }

private:
  /// Moments of one channel over all batches, `step` elements apart.
  static constexpr detail::moments over_batches(const float* x, std::size_t batches, std::size_t step,
                                                std::size_t plane) {
    const auto count = static_cast<float>(batches * plane);
    detail::moments m;
    for (std::size_t n = 0; n < batches; ++n) {
      for (std::size_t i = 0; i < plane; ++i) m.mean += x[n * step + i];
    }
    m.mean = m.mean / count;
    for (std::size_t n = 0; n < batches; ++n) {
      for (std::size_t i = 0; i < plane; ++i) m.variance += (x[n * step + i] - m.mean) * (x[n * step + i] - m.mean);
    }
    m.variance = m.variance / count;
    return m;
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
    TMPU_STRUCT((defaulted<std::int64_t, -1>, axis), (defaulted<float, 1, 100000>, epsilon),
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
    detail::require_broadcast_to_x(c, 1);
    detail::require_broadcast_to_x(c, 2);
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
    for (std::size_t first = 0, row = 0; first < x.f.size(); first += inner, ++row) {
      const detail::moments m = detail::moments_of(x.f.data() + first, inner);
      const float r = m.factor(a.epsilon);
      for (std::size_t i = 0; i < inner; ++i) y.f[first + i] = (x.f[first + i] - m.mean) * r;
      if (c.result_count() > 1 && c.out(1).size() > row) c.out(1).f[row] = m.mean;
      if (c.result_count() > 2 && c.out(2).size() > row) c.out(2).f[row] = r;
    }
    detail::combine_in_place(y, c.in(1), [](float l, float s) { return l * s; });
    if (c.has(2)) detail::combine_in_place(y, c.in(2), [](float l, float b) { return l + b; });
    detail::round_elements(y);
  }
};
static_assert(op<layer_normalization>);

/// y = x / sqrt(mean of x^2 + epsilon) * scale over the axes from `axis` on.                    (ONNX RMSNormalization)
/// The sum is sequential in row-major order.
///
/// Shape:     scale broadcasts to y; y has the shape of x.
/// Elements:  f32, f16, bf16 (in f32 inside); y has the type of scale.
/// Tiling:    any slice of the axes before axis.
/// Errors:    axis outside of x; a scale that does not fit.
struct rms_normalization {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, -1>, axis), (defaulted<float, 1, 100000>, epsilon),
                (defaulted<std::int64_t, 1>, stash_type));
  };
  static constexpr op_info info{
      .name = "rms_normalization", .onnx = "RMSNormalization", .min_operands = 2, .max_operands = 2};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_floating(c, 1);
    static_cast<void>(detail::axis_at(a.axis, c.dims(0).rank(), c));
    detail::require_broadcast_to_x(c, 1);
    c.result(0, c.type(1), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const std::size_t axis = detail::axis_at(a.axis, x.dims.rank());
    const auto inner = static_cast<std::size_t>(detail::product(x.dims, axis, x.dims.rank()));
    for (std::size_t first = 0; first < x.f.size(); first += inner) {
      float squares = 0.0F;
      for (std::size_t i = 0; i < inner; ++i) squares += x.f[first + i] * x.f[first + i];
      const float root = math::sqrt(squares / static_cast<float>(inner) + a.epsilon);
      for (std::size_t i = 0; i < inner; ++i) y.f[first + i] = x.f[first + i] / root;
    }
    detail::combine_in_place(y, c.in(1), [](float l, float s) { return l * s; });
    detail::round_elements(y);
  }
};
static_assert(op<rms_normalization>);

} // namespace tmpu::top
