// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
#include "tmpu/top/group_norm.hpp"
#include "tmpu/top/lp_norm.hpp"
#include "tmpu/top/norm.hpp"

namespace tmpu::lower {

namespace detail {
/// How many elements of operand 0 are normalized together: those of the axes from `axis` on.
constexpr std::int64_t normalized_elements(const context& c, std::int64_t axis) {
  const shape& x = c.dims(0);
  std::int64_t count = 1;
  for (std::size_t i = top::detail::axis_at(axis, x.rank()); i < x.rank(); ++i) count *= x[i];
  return count;
}
/// Operand i, of as many elements as a row, beside rows [1, rows, 1, K].
constexpr tensor_id along_rows(context& c, sequence& s, std::size_t i, std::int64_t inner) {
  const shape row{1, 1, 1, inner};
  return c.is_constant(i) ? c.constant_operand(i, row) : s.reshape(c.operand(i), row);
}
/// The means of rows (in parts or whole).
constexpr tensor_id mean_of_rows(sequence& s, tensor_id x) {
  const auto count = static_cast<float>(s.dims(x)[2] * s.dims(x)[3]);
  return s.binary(isa::binary_kind::div, s.reduce_parts(isa::reduce_kind::sum, x), s.scalar(count));
}
} // namespace detail

/// layer_normalization -> rows: mean, difference, variance, its root, quotient, scale and bias.
template <class Dtype> struct layer_norm_rule {
  using op = top::layer_normalization;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) {
    const std::int64_t inner = detail::normalized_elements(c, c.attributes<op>().axis);
    return !c.is_constant(0) && c.dims(1).elements() == inner && (!c.has(2) || c.dims(2).elements() == inner);
  }
  static constexpr void apply(context& c, node_id) {
    const std::int64_t inner = detail::normalized_elements(c, c.attributes<op>().axis);
    sequence s(c);
    const tensor_id x = s.reshape(c.operand(0), {1, c.dims(0).elements() / inner, 1, inner});
    const tensor_id middle = detail::mean_of_rows(s, x);
    const tensor_id d = s.binary(isa::binary_kind::sub, x, middle);
    const tensor_id variance = detail::mean_of_rows(s, s.binary(isa::binary_kind::mul, d, d));
    const tensor_id shifted = s.binary(isa::binary_kind::add, variance, s.scalar(c.attributes<op>().epsilon));
    const tensor_id deviation = s.unary(isa::unary_kind::sqrt, shifted);
    tensor_id y = s.binary(isa::binary_kind::div, d, deviation);
    if (c.wants(1)) s.finish(middle, 1);
    if (c.wants(2)) s.finish(s.unary(isa::unary_kind::reciprocal, deviation), 2);
    y = s.binary(isa::binary_kind::mul, y, detail::along_rows(c, s, 1, inner));
    if (c.has(2)) y = s.binary(isa::binary_kind::add, y, detail::along_rows(c, s, 2, inner));
    s.finish(y);
  }
};

/// rms_normalization -> rows: mean of the squares, its root, quotient, scale.
template <class Dtype> struct rms_norm_rule {
  using op = top::rms_normalization;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) {
    return !c.is_constant(0) && c.dims(1).elements() == detail::normalized_elements(c, c.attributes<op>().axis);
  }
  static constexpr void apply(context& c, node_id) {
    const std::int64_t inner = detail::normalized_elements(c, c.attributes<op>().axis);
    sequence s(c);
    const tensor_id x = s.reshape(c.operand(0), {1, c.dims(0).elements() / inner, 1, inner});
    const tensor_id mean = detail::mean_of_rows(s, s.binary(isa::binary_kind::mul, x, x));
    const tensor_id shifted = s.binary(isa::binary_kind::add, mean, s.scalar(c.attributes<op>().epsilon));
    const tensor_id y = s.binary(isa::binary_kind::div, x, s.unary(isa::unary_kind::sqrt, shifted));
    s.finish(s.binary(isa::binary_kind::mul, y, detail::along_rows(c, s, 1, inner)));
  }
};

namespace detail {
/// Rows less their means, and the means of the squares of rows; rows in parts.
constexpr tensor_id less_mean(sequence& s, tensor_id x) {
  return s.binary(isa::binary_kind::sub, x, mean_of_rows(s, x));
}
constexpr tensor_id mean_square(sequence& s, tensor_id x) {
  return mean_of_rows(s, s.binary(isa::binary_kind::mul, x, x));
}
/// Operand i, a number for each of the channels of x [N, channels, ...], as it broadcasts to that.
constexpr tensor_id of_channels(context& c, sequence& s, std::size_t i) {
  const shape d{1, c.dims(i).elements(), 1, 1};
  return c.is_constant(i) ? c.constant_operand(i, d) : s.reshape(c.operand(i), d);
}
/// x [N, C, ...] as [N, C, parts, part].
constexpr shape by_channels(const shape& x) {
  const shape parts = sequence::in_parts(1, x.elements() / (x[0] * x[1]));
  return {x[0], x[1], parts[2], parts[3]};
}
/// |x| to the power p; and the p-th root.
constexpr tensor_id to_power(sequence& s, tensor_id x, std::int64_t p) {
  if (p == 2) return s.binary(isa::binary_kind::mul, x, x);
  const tensor_id m = s.unary(isa::unary_kind::abs, x);
  return p == 1 ? m : s.binary(isa::binary_kind::pow, m, s.scalar(static_cast<float>(p)));
}
constexpr tensor_id root(sequence& s, tensor_id x, std::int64_t p) {
  if (p == 1) return x;
  if (p == 2) return s.unary(isa::unary_kind::sqrt, x);
  return s.binary(isa::binary_kind::pow, x, s.scalar(1.0F / static_cast<float>(p)));
}
} // namespace detail

/// group_normalization, instance_normalization -> rows, one a group: difference from the mean, times 1 / root of the variance; then
/// scale and bias of the channels.
template <class Op> struct group_norm_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
    static constexpr void apply(context& c, node_id) {
      const shape x = c.dims(0);
      const auto a = c.template attributes<Op>();
      normalize(c, x[0] * Op::groups(a, x[1]), a.epsilon);
    }

  private:
    static constexpr void normalize(context& c, std::int64_t groups, float epsilon) {
      const shape x = c.dims(0);
      sequence s(c);
      const tensor_id rows = s.reshape(c.operand(0), sequence::in_parts(groups, x.elements() / groups));
      const tensor_id d = detail::less_mean(s, rows);
      const tensor_id shifted = s.binary(isa::binary_kind::add, detail::mean_square(s, d), s.scalar(epsilon));
      const tensor_id factor = s.unary(isa::unary_kind::reciprocal, s.unary(isa::unary_kind::sqrt, shifted));
      tensor_id y = s.reshape(s.binary(isa::binary_kind::mul, d, factor), detail::by_channels(x));
      y = s.binary(isa::binary_kind::mul, y, detail::of_channels(c, s, 1));
      s.finish(s.binary(isa::binary_kind::add, y, detail::of_channels(c, s, 2)));
    }
  };
};

/// mean_variance_normalization -> rows: difference from the mean, divided by root of the variance + 1e-9.
template <class Dtype> struct mean_variance_rule {
  using op = top::mean_variance_normalization;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    const shape x = c.dims(0);
    bool along[shape::max_rank] = {};
    for (const std::int64_t axis : op::axes_of(c.attributes<op>())) along[top::detail::axis_at(axis, x.rank())] = true;
    sequence s(c);
    const tensor_id d = detail::less_mean(s, in_parts(s, as_rows(s, c.operand(0), along)));
    const tensor_id deviation = s.unary(isa::unary_kind::sqrt, detail::mean_square(s, d));
    const tensor_id spread = s.binary(isa::binary_kind::add, deviation, s.scalar(1e-9F));
    s.finish(from_rows(s, s.binary(isa::binary_kind::div, d, spread), x, along));
  }
};

/// lp_normalization -> rows: the root of the sum of the powers, quotient; 0 where the norm is 0.
template <class Dtype> struct lp_norm_rule {
  using op = top::lp_normalization;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    const shape dims = c.dims(0);
    const auto a = c.attributes<op>();
    bool along[shape::max_rank] = {};
    along[top::detail::axis_at(a.axis, dims.rank())] = true;
    sequence s(c);
    const tensor_id x = in_parts(s, as_rows(s, c.operand(0), along));
    const tensor_id sum = s.reduce_parts(isa::reduce_kind::sum, detail::to_power(s, x, a.p));
    const tensor_id norm = detail::root(s, sum, a.p);
    const tensor_id zero = s.scalar(0.0F);
    const tensor_id none_there = s.compare(isa::compare_kind::equal, norm, zero);
    s.finish(from_rows(s, s.select(none_there, zero, s.binary(isa::binary_kind::div, x, norm)), dims, along));
  }
};

/// local_response_normalization -> the sums of the squares of neighbouring channels as a convolution with ones, bias + alpha / size times
/// them, to the power beta; quotient.
template <class Dtype> struct local_response_rule {
  using op = top::local_response_normalization;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const std::int64_t channels = c.dims(0)[1];
    const std::int64_t before = (a.size - 1) / 2;
    value near(dtype_id::f32, {channels, channels, 1, 1});
    for (std::int64_t to = 0; to < channels; ++to) {
      for (std::int64_t from = 0; from < channels; ++from)
        near.f.data()[to * channels + from] = from >= to - before && from < to - before + a.size ? 1.0F : 0.0F;
    }
    sequence s(c);
    const tensor_id x = s.reshape(c.operand(0), detail::by_channels(c.dims(0)));
    const tensor_id sums =
        s.conv(s.binary(isa::binary_kind::mul, x, x), s.rounded(near), s.zeros({channels, 1}),
               {.kernel_shape = {1, 1}, .strides = {1, 1}, .dilations = {1, 1}, .pads = {0, 0, 0, 0}, .group = 1});
    const tensor_id part = s.binary(isa::binary_kind::mul, sums, s.scalar(a.alpha / static_cast<float>(a.size)));
    const tensor_id base = s.binary(isa::binary_kind::add, part, s.scalar(a.bias));
    s.finish(s.binary(isa::binary_kind::div, x, s.binary(isa::binary_kind::pow, base, s.scalar(a.beta))));
  }
};

/// batch_normalization whose lists are no constants -> scale / root of (variance + epsilon) for each channel, times x, plus what is left of
/// the bias. In training mean and variance are those of x, and further results the running ones.
template <class Dtype> struct batch_norm_rule {
  using op = top::batch_normalization;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0); }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const shape dims = c.dims(0);
    sequence s(c);
    tensor_id mean = detail::of_channels(c, s, 3);
    tensor_id variance = detail::of_channels(c, s, 4);
    if (a.training_mode != 0) {
      bool along[shape::max_rank] = {};
      for (std::size_t i = 0; i < dims.rank(); ++i) along[i] = i != 1;
      const tensor_id rows = in_parts(s, as_rows(s, c.operand(0), along));
      const tensor_id own_mean = detail::mean_of_rows(s, rows);
      const tensor_id own_variance = detail::mean_square(s, s.binary(isa::binary_kind::sub, rows, own_mean));
      if (c.wants(1)) s.finish(running(s, mean, own_mean, a.momentum), 1);
      if (c.wants(2)) s.finish(running(s, variance, own_variance, a.momentum), 2);
      mean = own_mean;
      variance = own_variance;
    }
    const tensor_id x = s.reshape(c.operand(0), detail::by_channels(dims));
    const tensor_id shifted = s.binary(isa::binary_kind::add, variance, s.scalar(a.epsilon));
    const tensor_id factor =
        s.binary(isa::binary_kind::div, detail::of_channels(c, s, 1), s.unary(isa::unary_kind::sqrt, shifted));
    const tensor_id rest =
        s.binary(isa::binary_kind::sub, detail::of_channels(c, s, 2), s.binary(isa::binary_kind::mul, mean, factor));
    s.finish(s.binary(isa::binary_kind::add, s.binary(isa::binary_kind::mul, x, factor), rest));
  }

private:
  static constexpr tensor_id running(sequence& s, tensor_id before, tensor_id now, float momentum) {
    return s.binary(isa::binary_kind::add, s.binary(isa::binary_kind::mul, before, s.scalar(momentum)),
                    s.binary(isa::binary_kind::mul, now, s.scalar(1.0F - momentum)));
  }
};

} // namespace tmpu::lower
