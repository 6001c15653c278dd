// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/norm.hpp"

namespace tmpu::top {

/// y = (x - mean) / sqrt(variance + epsilon) * scale[c] + bias[c], mean and variance over all spatial elements of a group of
/// channels; sums sequential in row-major order. An operator gives `info`, `attributes` and groups(attributes, channels).
///
/// Shape:     x [N, C, ...]; scale, bias [C]; y has the shape of x.
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    N, whole groups.
/// Errors:    rank below 2; lists that are not [C]; groups that do not divide the channels.
template <class Self> struct normalized_groups {
  static constexpr std::string_view domain = "top";

  template <class Attributes> static constexpr void infer(const Attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_channel_lists(c, 1, 3);
    const std::int64_t channels = c.dims(0)[1];
    if (channels >= 0) {
      const std::int64_t groups = Self::groups(a, channels);
      if (groups < 1 ? channels != 0 : channels % groups != 0)
        c.fail(text("num_groups ") << groups << " does not divide the " << channels << " channels");
    }
    c.result(0, c.type(0), c.dims(0));
  }
  template <class Attributes> static constexpr void eval(const Attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const auto plane = static_cast<std::size_t>(detail::product(x.dims, 2, x.dims.rank()));
    const auto channels = static_cast<std::size_t>(x.dims[1]);
    if (x.f.size() == 0) return;
    const std::size_t width = channels / static_cast<std::size_t>(Self::groups(a, x.dims[1]));
    for (std::size_t first = 0; first < x.f.size(); first += width * plane) {
      const detail::moments m = detail::moments_of(x.f.data() + first, width * plane);
      const float r = m.factor(a.epsilon);
      for (std::size_t k = 0; k < width; ++k) {
        const std::size_t channel = (first / plane + k) % channels;
        const float scale = c.in(1).f[channel];
        const float bias = c.in(2).f[channel];
        const std::size_t from = first + k * plane;
        for (std::size_t i = from; i < from + plane; ++i) y.f[i] = (x.f[i] - m.mean) * r * scale + bias;
      }
    }
    detail::round_elements(y);
  }
};

/// Groups of C / num_groups channels.                                                          (ONNX GroupNormalization)
struct group_normalization : normalized_groups<group_normalization> {
  struct attributes {
    TMPU_STRUCT((defaulted<float, 1, 100000>, epsilon), (std::int64_t, num_groups),
                (defaulted<std::int64_t, 1>, stash_type));
  };
  static constexpr op_info info{
      .name = "group_normalization", .onnx = "GroupNormalization", .min_operands = 3, .max_operands = 3};
  static constexpr std::int64_t groups(const attributes& a, std::int64_t) { return a.num_groups; }
};
static_assert(op<group_normalization>);

/// Each channel is a group of its own.                                                         (ONNX InstanceNormalization)
struct instance_normalization : normalized_groups<instance_normalization> {
  struct attributes {
    TMPU_STRUCT((defaulted<float, 1, 100000>, epsilon));
  };
  static constexpr op_info info{
      .name = "instance_normalization", .onnx = "InstanceNormalization", .min_operands = 3, .max_operands = 3};
  static constexpr std::int64_t groups(const attributes&, std::int64_t channels) { return channels; }
};
static_assert(op<instance_normalization>);

} // namespace tmpu::top
