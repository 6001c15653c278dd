// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
#include "tmpu/lower/weights.hpp"
#include "tmpu/top/conv.hpp"
#include "tmpu/top/deform_conv.hpp"
#include "tmpu/top/matmul.hpp"

/// Products of activations, and convolutions that are first brought to two spatial axes.
namespace tmpu::lower {

namespace detail {
/// The matrices that a tensor is made of, [..., rows, columns].
struct matrices {
  shape dims;
  [[nodiscard]] constexpr std::int64_t rows() const { return dims[dims.rank() - 2]; }
  [[nodiscard]] constexpr std::int64_t columns() const { return dims[dims.rank() - 1]; }
  [[nodiscard]] constexpr shape front() const {
    shape out;
    for (std::size_t i = 0; i + 2 < dims.rank(); ++i) out.push_back(dims[i]);
    return out;
  }
  /// Which of them belongs to number i of all.
  [[nodiscard]] constexpr std::int64_t place(std::int64_t i, const shape& all) const {
    const shape own = front();
    std::int64_t at = 0;
    std::int64_t step = 1;
    for (std::size_t d = all.rank(); d-- > 0; i /= all[d]) {
      if (d + own.rank() < all.rank()) continue;
      const std::int64_t extent = own[d + own.rank() - all.rank()];
      if (extent > 1) at += i % all[d] * step;
      step *= extent;
    }
    return at;
  }
};
inline constexpr std::int64_t most_matrices = 256;
constexpr bool takes_matrices(const context& c, std::size_t a, std::size_t b) {
  const shape& y = c.result_dims();
  if (c.dims(a).rank() < 1 || c.dims(b).rank() < 1 || c.dims(a).elements() == 0) return false;
  std::int64_t count = 1;
  const std::size_t matrix = (c.dims(a).rank() > 1 ? 1U : 0U) + (c.dims(b).rank() > 1 ? 1U : 0U);
  for (std::size_t i = 0; i + matrix < y.rank(); ++i) count *= y[i];
  return count <= most_matrices;
}
/// The products of the matrices of x, of dims a, and those of w, of dims b, one below the other: one for all that have one matrix of w in
/// common, one for each otherwise. `product` makes that of [M, K] and [N, K].
template <class Product>
constexpr tensor_id products(sequence& s, tensor_id x, shape a, tensor_id w, shape b, Product&& product) {
  if (a.rank() == 1) a = shape{1, a[0]};
  if (b.rank() == 1) b = shape{b[0], 1};
  const matrices of_x{a};
  const matrices of_w{b};
  const std::int64_t rows = of_x.rows();
  const std::int64_t inner = of_x.columns();
  const std::int64_t columns = of_w.columns();
  ints swapped;
  for (std::size_t i = 0; i < b.rank(); ++i) swapped.push_back(static_cast<std::int64_t>(i));
  swapped[b.rank() - 2] = static_cast<std::int64_t>(b.rank() - 1);
  swapped[b.rank() - 1] = static_cast<std::int64_t>(b.rank() - 2);
  x = s.reshape(x, {a.elements() / inner, inner});
  w = s.reshape(s.transpose(s.reshape(w, b), swapped), {b.elements() / inner, inner});
  if (b.elements() == inner * columns) return product(x, w);
  const shape all = broadcast(of_x.front(), of_w.front()).dims;
  vec<tensor_id> parts;
  for (std::int64_t i = 0; i < all.elements(); ++i) {
    const std::int64_t ix = of_x.place(i, all);
    const std::int64_t iw = of_w.place(i, all);
    parts.push_back(
        product(s.slice(x, 0, ix * rows, (ix + 1) * rows), s.slice(w, 0, iw * columns, (iw + 1) * columns)));
  }
  return s.concat(parts, 0);
}
} // namespace detail

namespace detail {
/// Operand i of a product in int8 has a calibrated range (or is constant), so that it can be taken with a zero point of 0.
constexpr bool is_ranged(const context& c, std::size_t i) {
  const tensor& t = c.source().at(c.source().operand(c.node(), i));
  return c.is_constant(i) || (t.range.known && !t.quant.present());
}
/// Sums over so many products of 8-bit integers fit into 32 bits.
constexpr bool sums_fit(std::int64_t inner) { return inner <= 2147483647 / (255 * 128); }
/// Operand i with a zero point of 0: in i8, or in u8 where it is never negative and `may_be_unsigned` (the first operand of a product).
constexpr tensor_id symmetric_operand(context& c, std::size_t i, bool may_be_unsigned) {
  if (c.is_constant(i)) return c.symmetric_constant(i, c.dims(i));
  const tensor_id t = c.source().operand(c.node(), i);
  activation_range range = c.source().at(t).range;
  if (!may_be_unsigned && range.min >= 0.0F) range.min = -range.threshold;
  return c.cast_to(c.lowered(t), context::quantized_format(range, false));
}
constexpr double scale_at(const context& c, tensor_id t) { return static_cast<double>(c.format_at(t).quant.scale); }
} // namespace detail

/// matmul of any two tensors -> a matrix product for each matrix of the second operand, put one behind the other.
/// int8: exact sums of operands with zero points of 0.
template <class Dtype> struct matmul_activations_rule {
  using op = top::matmul;
  using dtype = Dtype;
  static constexpr bool sums = true;
  static constexpr bool symmetric = true;
  static constexpr bool takes(const context& c, node_id) {
    return detail::takes_matrices(c, 0, 1) &&
           (is_floating(Dtype::id) ||
            (detail::is_ranged(c, 0) && detail::is_ranged(c, 1) && detail::sums_fit(c.dims(0)[c.dims(0).rank() - 1])));
  }
  static constexpr void apply(context& c, node_id) {
    sequence s(c);
    if constexpr (is_floating(Dtype::id)) {
      const auto product = [&](tensor_id x, tensor_id w) { return s.product(x, w); };
      s.finish(detail::products(s, c.operand(0), c.dims(0), c.operand(1), c.dims(1), product));
    } else {
      const tensor_id a = detail::symmetric_operand(c, 0, true);
      const tensor_id b = detail::symmetric_operand(c, 1, false);
      const format y = c.sum_format();
      const double factor = detail::scale_at(c, a) * detail::scale_at(c, b) / static_cast<double>(y.quant.scale);
      const auto product = [&](tensor_id x, tensor_id w) { return s.product(x, w, y, factor); };
      s.finish(detail::products(s, a, c.dims(0), b, c.dims(1), product));
    }
  }
};

/// gemm of any form -> transposes, a matrix product, alpha, beta times the third operand.
template <class Dtype> struct gemm_activations_rule {
  using op = top::gemm;
  using dtype = Dtype;
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    sequence s(c);
    const tensor_id x = a.transA != 0 ? s.transpose(c.operand(0), {1, 0}) : c.operand(0);
    const tensor_id w = a.transB != 0 ? c.operand(1) : s.transpose(c.operand(1), {1, 0});
    tensor_id y = s.product(x, w);
    if (a.alpha != 1.0F) y = s.binary(isa::binary_kind::mul, y, s.scalar(a.alpha, 2));
    if (c.has(2)) {
      shape d;
      for (std::size_t i = c.dims(2).rank(); i < 2; ++i) d.push_back(1);
      for (const std::int64_t extent : c.dims(2)) d.push_back(extent);
      tensor_id b = c.is_constant(2) ? c.constant_operand(2, d) : s.reshape(c.operand(2), d);
      if (a.beta != 1.0F) b = s.binary(isa::binary_kind::mul, b, s.scalar(a.beta, 2));
      y = s.binary(isa::binary_kind::add, y, b);
    }
    if (a.clamp.size() == 2) y = s.unary(isa::unary_kind::clip, y, a.clamp[0], a.clamp[1]);
    s.finish(y);
  }
};

namespace detail {
using window_axes = top::detail::window_axis[3];

/// x [N, C, spatial...] convolved over depth, height and width: what the taps of the depth see becomes channels, (ic, kd) in this order, and
/// each place of the depth a batch. `rest`: the weight [OC, C / group * kd, kh, kw] and what comes behind it. Result [N, OC, od, oh * ow].
constexpr tensor_id convolve(context& c, sequence& s, tensor_id x, const window_axes& axis, std::int64_t group,
                             const floats& clamp, const vec<tensor_id>& rest, const format& y) {
  const auto& d = axis[0];
  const auto& h = axis[1];
  const auto& v = axis[2];
  const std::int64_t batch = s.dims(x)[0];
  const std::int64_t channels = s.dims(x)[1];
  const bool deep = d.in != 1 || d.out != 1 || d.kernel != 1;
  if (deep) {
    const format in = c.format_at(x);
    x = s.reshape(x, {batch, channels, d.in, h.in * v.in});
    if (d.begin != 0 || d.end != 0)
      x = s.pad(x, {0, 0, d.begin, 0, 0, 0, d.end, 0}, static_cast<float>(in.quant.zero_point));
    vec<tensor_id> taps;
    for (std::int64_t k = 0; k < d.kernel; ++k) {
      const std::int64_t first = k * d.dilation;
      const tensor_id tap = s.slice(x, 2, first, first + (d.out - 1) * d.stride + 1, d.stride);
      taps.push_back(s.reshape(tap, {batch, channels, 1, d.out, h.in * v.in}));
    }
    x = s.transpose(s.concat(taps.span(), 2), {0, 3, 1, 2, 4});
  }
  vec<tensor_id> operands;
  operands.push_back(s.reshape(x, {batch * d.out, channels * d.kernel, h.in, v.in}));
  for (const tensor_id t : rest) operands.push_back(t);
  text wanted(c.result_name());
  wanted << ".flat";
  const tensor_id flat = c.emit_list<tpu::conv>(wanted,
                                                {.kernel_shape = {h.kernel, v.kernel},
                                                 .strides = {h.stride, v.stride},
                                                 .dilations = {h.dilation, v.dilation},
                                                 .pads = {h.begin, v.begin, h.end, v.end},
                                                 .group = group,
                                                 .clamp = bounds(clamp, y)},
                                                operands.span(), y);
  const std::int64_t outputs = c.dims_at(flat)[1];
  return s.transpose(s.reshape(flat, {batch, d.out, outputs, h.out * v.out}), {0, 2, 1, 3});
}
/// Weights of these dims [OC, channels, taps...] as convolve takes them.
constexpr shape with_depth(const shape& w, const window_axes& axis) {
  return {w[0], w[1] * axis[0].kernel, axis[1].kernel, axis[2].kernel};
}
/// The bias of `count` outputs, operand i, as params of floats; zeros where it is absent.
constexpr tensor_id float_params(context& c, sequence& s, std::size_t i, std::int64_t count) {
  constexpr format f{dtype_id::f32, {}};
  if (!c.has(i)) return s.zeros({count, 1});
  return s.reshape(c.is_constant(i) ? c.constant_operand(i, c.dims(i), f) : c.cast_to(c.operand(i), f), {count, 1});
}
/// What a convolution with packed weights reads behind x.
constexpr vec<tensor_id> behind_x(const packed_weights& w) {
  vec<tensor_id> list;
  list.push_back(w.weight);
  list.push_back(w.params);
  if (w.scales != none) list.push_back(w.scales);
  return list;
}
constexpr vec<tensor_id> behind_x(tensor_id weight, tensor_id params) { return behind_x({weight, params, none}); }
/// Constant weights, and no bias or a constant one.
constexpr bool has_constant_weights(const context& c) {
  return !c.is_constant(0) && c.is_constant(1) && (!c.has(2) || c.is_constant(2));
}
} // namespace detail

/// conv over one or three axes -> conv over two.
template <class Dtype> struct conv_axes_rule {
  using op = top::conv;
  using dtype = Dtype;
  static constexpr bool sums = true;
  static constexpr bool takes(const context& c, node_id) { return detail::has_constant_weights(c); }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    value w = c.constant(1);
    const auto window = op::window_of(a, c.dims(0), w.dims);
    w.dims = detail::with_depth(w.dims, window.axis);
    sequence s(c);
    const tensor_id x = c.operand(0);
    const format y = c.sum_format();
    const auto rest = detail::behind_x(pack_weights(c, 1, 2, w, c.format_at(x), y));
    s.finish(detail::convolve(c, s, x, window.axis, a.group, a.clamp, rest, y));
  }
};

/// conv whose weights or bias are activations; floats only.
template <class Dtype> struct conv_activations_rule {
  using op = top::conv;
  using dtype = Dtype;
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const auto window = op::window_of(a, c.dims(0), c.dims(1));
    sequence s(c);
    const tensor_id w = s.reshape(c.operand(1), detail::with_depth(c.dims(1), window.axis));
    const auto rest = detail::behind_x(w, detail::float_params(c, s, 2, c.dims(1)[0]));
    s.finish(detail::convolve(c, s, c.operand(0), window.axis, a.group, a.clamp, rest, {c.type(), {}}));
  }
};

namespace detail {
/// x [N, C, spatial...] with `stride` - 1 zeros behind each element of an axis; what the window of the convolution over it is: `window` is that
/// of the convolution that is transposed.
constexpr tensor_id spread(context& c, sequence& s, tensor_id x, top::detail::window& window) {
  const format in = c.format_at(x);
  const shape d = s.dims(x);
  shape apart{d[0], d[1]};
  shape wide{d[0], d[1]};
  ints pads(2 * (2 + 2 * window.spatial));
  bool any = false;
  for (std::size_t i = 0; i < window.spatial; ++i) {
    auto& axis = window.own(i);
    apart.push_back(axis.in);
    apart.push_back(1);
    wide.push_back(axis.in * axis.stride);
    pads[2 + 2 * window.spatial + apart.rank() - 1] = axis.stride - 1;
    any = any || axis.stride > 1;
  }
  if (any) x = s.pad(s.reshape(x, apart), pads, static_cast<float>(in.quant.zero_point));
  x = s.reshape(x, wide);
  for (std::size_t i = 0; i < window.spatial; ++i) {
    auto& axis = window.own(i);
    axis.in = wide[2 + i];
    axis.begin = (axis.kernel - 1) * axis.dilation - axis.begin;
    axis.end = axis.out - axis.in - axis.begin + (axis.kernel - 1) * axis.dilation;
    axis.stride = 1;
    // What y leaves out at the edges.
    const std::int64_t first = axis.begin < 0 ? -axis.begin : 0;
    const std::int64_t last = axis.in + (axis.end < 0 ? axis.end : 0);
    x = s.slice(x, 2 + i, first, last);
    axis.in = last - first;
    axis.begin = axis.begin < 0 ? 0 : axis.begin;
    axis.end = axis.end < 0 ? 0 : axis.end;
  }
  return x;
}
} // namespace detail

/// conv_transpose -> x with zeros between its elements, convolved with the weights turned around.
template <class Dtype> struct conv_transpose_rule {
  using op = top::conv_transpose;
  using dtype = Dtype;
  static constexpr bool sums = true;
  static constexpr bool takes(const context& c, node_id) { return detail::has_constant_weights(c); }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const value w = c.constant(1);
    auto window = op::window_of(a, c.dims(0), w.dims);
    sequence s(c);
    const format y = c.sum_format();
    const tensor_id x = detail::spread(c, s, c.operand(0), window);
    const std::int64_t outputs = w.dims[1];
    const std::int64_t channels = w.dims[0] / a.group;
    const std::int64_t taps = window.taps();
    value turned(dtype_id::f32, detail::with_depth({outputs * a.group, channels}, window.axis));
    for (std::int64_t oc = 0; oc < outputs * a.group; ++oc) {
      for (std::int64_t ic = 0; ic < channels; ++ic) {
        for (std::int64_t t = 0; t < taps; ++t) {
          const std::int64_t from = ((oc / outputs * channels + ic) * outputs + oc % outputs) * taps + taps - 1 - t;
          turned.f[static_cast<std::size_t>((oc * channels + ic) * taps + t)] = w.f[static_cast<std::size_t>(from)];
        }
      }
    }
    const auto rest = detail::behind_x(pack_weights(c, 1, 2, turned, c.format_at(x), y));
    s.finish(detail::convolve(c, s, x, window.axis, a.group, a.clamp, rest, y));
  }
};

/// The same with weights or a bias that are activations; floats only.
template <class Dtype> struct conv_transpose_activations_rule {
  using op = top::conv_transpose;
  using dtype = Dtype;
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const shape w = c.dims(1);
    auto window = op::window_of(a, c.dims(0), w);
    sequence s(c);
    const tensor_id x = detail::spread(c, s, c.operand(0), window);
    const std::int64_t outputs = w[1] * a.group;
    const std::int64_t channels = w[0] / a.group;
    ints around;
    for (std::int64_t t = window.taps(); t-- > 0;) around.push_back(t);
    const tensor_id by_groups = s.reshape(c.operand(1), {a.group, channels, w[1], window.taps()});
    const tensor_id turned = s.take(s.transpose(by_groups, {0, 2, 1, 3}), 3, around);
    const auto rest = detail::behind_x(s.reshape(turned, detail::with_depth({outputs, channels}, window.axis)),
                                       detail::float_params(c, s, 2, outputs));
    s.finish(detail::convolve(c, s, x, window.axis, a.group, a.clamp, rest, {c.type(), {}}));
  }
};

/// col2im of constant sizes -> conv_transpose of which each weight takes one element of a block to its place.
template <class Dtype> struct col2im_rule {
  using op = top::col2im;
  using dtype = Dtype;
  static constexpr bool any_type = true; // sizes are integers
  static constexpr bool takes(const context& c, node_id) {
    return !c.is_constant(0) && is_floating(c.top_type(0)) && c.is_constant(1) && c.is_constant(2);
  }
  static constexpr void apply(context& c, node_id) {
    auto window = op::window_of(c.attributes<op>(), c.constant(1).i, c.constant(2).i);
    shape blocks{c.dims(0)[0], c.dims(0)[1]};
    for (std::size_t i = 0; i < window.spatial; ++i) {
      auto& axis = window.own(i);
      const std::int64_t image = axis.in;
      axis.in = axis.out;
      axis.out = image;
      blocks.push_back(axis.in);
    }
    const std::int64_t taps = window.taps();
    const std::int64_t channels = c.dims(0)[1] / taps;
    value w(dtype_id::f32, detail::with_depth({channels, taps}, window.axis));
    for (std::int64_t n = 0; n < channels * taps; ++n) w.f.data()[n * taps + taps - 1 - n % taps] = 1.0F;
    sequence s(c);
    const tensor_id x = detail::spread(c, s, s.reshape(c.operand(0), blocks), window);
    const auto rest = detail::behind_x(s.rounded(w), s.zeros({channels, 1}));
    s.finish(detail::convolve(c, s, x, window.axis, channels, {}, rest, {c.type(), {}}));
  }
};

} // namespace tmpu::lower
