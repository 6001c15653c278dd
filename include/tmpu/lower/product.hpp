// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
#include "tmpu/lower/weights.hpp"
#include "tmpu/top/conv.hpp"
#include "tmpu/top/matmul.hpp"

/// Products of activations, and convolutions that are first brought to two spatial axes.
namespace tmpu::lower {

/// matmul of any two tensors -> a matrix product for each matrix of the second operand, put one behind the other.
template <class Dtype> struct matmul_activations_rule {
  using op = top::matmul;
  using dtype = Dtype;
  static constexpr std::int64_t most_matrices = 256;
  static constexpr bool takes(const context& c, node_id) {
    return c.dims(0).rank() >= 1 && c.dims(1).rank() >= 1 && batches(c.result_dims(), c) <= most_matrices;
  }
  static constexpr void apply(context& c, node_id) {
    shape a = c.dims(0);
    shape b = c.dims(1);
    if (a.rank() == 1) a = shape{1, a[0]};
    if (b.rank() == 1) b = shape{b[0], 1};
    const std::int64_t rows = a[a.rank() - 2];
    const std::int64_t inner = a[a.rank() - 1];
    const std::int64_t columns = b[b.rank() - 1];
    sequence s(c);
    ints swapped;
    for (std::size_t i = 0; i < b.rank(); ++i) swapped.push_back(static_cast<std::int64_t>(i));
    swapped[b.rank() - 2] = static_cast<std::int64_t>(b.rank() - 1);
    swapped[b.rank() - 1] = static_cast<std::int64_t>(b.rank() - 2);
    const tensor_id x = s.reshape(s.reshape(c.operand(0), a), {a.elements() / inner, inner});
    const tensor_id w = s.reshape(s.transpose(s.reshape(c.operand(1), b), swapped), {b.elements() / inner, inner});
    if (b.elements() == inner * columns) {
      s.finish(s.product(x, w));
      return;
    }
    const shape front_a = front(a);
    const shape front_b = front(b);
    const shape all = broadcast(front_a, front_b).dims;
    vec<tensor_id> parts;
    for (std::int64_t i = 0; i < all.elements(); ++i) {
      const std::int64_t ia = place(i, all, front_a);
      const std::int64_t ib = place(i, all, front_b);
      parts.push_back(
          s.product(s.slice(x, 0, ia * rows, (ia + 1) * rows), s.slice(w, 0, ib * columns, (ib + 1) * columns)));
    }
    s.finish(s.concat(parts, 0));
  }

private:
  static constexpr std::int64_t batches(const shape& y, const context& c) {
    std::int64_t count = 1;
    const std::size_t matrix = (c.dims(0).rank() > 1 ? 1U : 0U) + (c.dims(1).rank() > 1 ? 1U : 0U);
    for (std::size_t i = 0; i + matrix < y.rank(); ++i) count *= y[i];
    return count;
  }
  static constexpr shape front(const shape& d) {
    shape out;
    for (std::size_t i = 0; i + 2 < d.rank(); ++i) out.push_back(d[i]);
    return out;
  }
  /// Which matrix of an operand belongs to number i of all.
  static constexpr std::int64_t place(std::int64_t i, const shape& all, const shape& own) {
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

/// conv over one axis -> conv with a height of one.
template <class Dtype> struct conv_1d_rule {
  using op = top::conv;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) {
    return c.dims(0).rank() == 3 && !c.is_constant(0) && c.is_constant(1) && (!c.has(2) || c.is_constant(2));
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    value w = c.constant(1);
    const auto window = op::window_of(a, c.dims(0), w.dims);
    const auto& v = window.own(0);
    w.dims = {w.dims[0], w.dims[1], 1, w.dims[2]};
    sequence s(c);
    const shape d = c.dims(0);
    const tensor_id x = s.reshape(c.operand(0), {d[0], d[1], 1, d[2]});
    const format y = c.result_format();
    const packed_weights packed = pack_weights(c, 1, 2, w, c.format_at(x), y);
    text wanted(c.result_name());
    wanted << ".flat";
    s.finish(c.emit_list<tpu::conv>(wanted,
                                    {.kernel_shape = {1, v.kernel},
                                     .strides = {1, v.stride},
                                     .dilations = {1, v.dilation},
                                     .pads = {0, v.begin, 0, v.end},
                                     .group = a.group,
                                     .clamp = bounds(a.clamp, y)},
                                    packed.operands(x).span(), y));
  }
};

/// conv whose weights or bias are activations, over one or two axes; floats only.
template <class Dtype> struct conv_activations_rule {
  using op = top::conv;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) {
    const std::size_t rank = c.dims(0).rank();
    return (rank == 3 || rank == 4);
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const auto window = op::window_of(a, c.dims(0), c.dims(1));
    const auto& h = window.axis[1];
    const auto& v = window.axis[2];
    sequence s(c);
    const shape x = c.dims(0);
    const shape w = c.dims(1);
    const format y{c.type(), {}};
    tensor_id params = none;
    if (c.has(2)) {
      params = s.reshape(c.is_constant(2) ? c.constant_operand(2, c.dims(2), {dtype_id::f32, {}})
                                          : c.cast_to(c.operand(2), {dtype_id::f32, {}}),
                         {w[0], 1});
    } else {
      text wanted(c.result_name());
      wanted << ".zeros";
      params = c.add_constant(wanted, value(dtype_id::f32, {w[0], 1}));
    }
    text wanted(c.result_name());
    wanted << ".flat";
    s.finish(c.emit<tpu::conv>(wanted,
                               {.kernel_shape = {h.kernel, v.kernel},
                                .strides = {h.stride, v.stride},
                                .dilations = {h.dilation, v.dilation},
                                .pads = {h.begin, v.begin, h.end, v.end},
                                .group = a.group,
                                .clamp = bounds(a.clamp, y)},
                               {s.reshape(c.operand(0), {x[0], x[1], h.in, v.in}),
                                s.reshape(c.operand(1), {w[0], w[1], h.kernel, v.kernel}), params},
                               y));
  }
};

/// conv_transpose over one or two axes -> x with zeros between its elements, convolved with the weights turned around.
template <class Dtype> struct conv_transpose_rule {
  using op = top::conv_transpose;
  using dtype = Dtype;
  static constexpr bool takes(const context& c, node_id) {
    const std::size_t rank = c.dims(0).rank();
    return (rank == 3 || rank == 4) && !c.is_constant(0) && c.is_constant(1) && (!c.has(2) || c.is_constant(2));
  }
  static constexpr void apply(context& c, node_id) {
    const auto a = c.attributes<op>();
    const value w = c.constant(1);
    const auto window = op::window_of(a, c.dims(0), w.dims);
    const auto& h = window.axis[1];
    const auto& v = window.axis[2];
    sequence s(c);
    const shape d = c.dims(0);
    const format y = c.result_format();
    tensor_id x = c.operand(0);
    const format in = c.format_at(x);
    if (h.stride > 1 || v.stride > 1) {
      const float zero = is_floating(in.type) ? 0.0F : static_cast<float>(in.quant.zero_point);
      x = s.pad(s.reshape(x, {d[0], d[1], h.in, 1, v.in, 1}),
                {0, 0, 0, 0, 0, 0, 0, 0, 0, h.stride - 1, 0, v.stride - 1}, zero);
    }
    x = s.reshape(x, {d[0], d[1], h.in * h.stride, v.in * v.stride});
    const std::int64_t outputs = w.dims[1];
    const std::int64_t channels = w.dims[0] / a.group;
    const std::int64_t taps = h.kernel * v.kernel;
    value turned(dtype_id::f32, {outputs * a.group, channels, h.kernel, v.kernel});
    for (std::int64_t oc = 0; oc < outputs * a.group; ++oc) {
      for (std::int64_t ic = 0; ic < channels; ++ic) {
        for (std::int64_t t = 0; t < taps; ++t) {
          const std::int64_t from = ((oc / outputs * channels + ic) * outputs + oc % outputs) * taps + taps - 1 - t;
          turned.f[static_cast<std::size_t>((oc * channels + ic) * taps + t)] = w.f[static_cast<std::size_t>(from)];
        }
      }
    }
    const packed_weights packed = pack_weights(c, 1, 2, turned, in, y);
    const auto begin = [](const auto& axis) { return (axis.kernel - 1) * axis.dilation - axis.begin; };
    const auto end = [&](const auto& axis) {
      return axis.out - axis.in * axis.stride - begin(axis) + (axis.kernel - 1) * axis.dilation;
    };
    text wanted(c.result_name());
    wanted << ".flat";
    s.finish(c.emit_list<tpu::conv>(wanted,
                                    {.kernel_shape = {h.kernel, v.kernel},
                                     .strides = {1, 1},
                                     .dilations = {h.dilation, v.dilation},
                                     .pads = {begin(h), begin(v), end(h), end(v)},
                                     .group = a.group,
                                     .clamp = bounds(a.clamp, y)},
                                    packed.operands(x).span(), y));
  }
};

} // namespace tmpu::lower
