// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/sequence.hpp"
#include "tmpu/top/fourier.hpp"

namespace tmpu::lower {

namespace detail {
/// The matrix of a transform of lines [size, parts]: its columns are the transforms of the unit signals.
constexpr value transform_matrix(const top::dft::attributes& a, std::int64_t length, const shape& line,
                                 std::int64_t rows) {
  const std::int64_t columns = line.elements();
  value unit(dtype_id::f32, line);
  value w(dtype_id::f32, {rows, columns});
  for (std::int64_t k = 0; k < columns; ++k) {
    unit.f.data()[k] = 1.0F;
    const floats y = top::dft::transformed(a, unit, length, rows);
    unit.f.data()[k] = 0.0F;
    for (std::int64_t n = 0; n < rows; ++n) w.f.data()[n * columns + k] = y.data()[n];
  }
  return w;
}
} // namespace detail

/// dft of a constant length along a constant axis -> a product with a constant matrix.
template <class Dtype> struct dft_rule {
  using op = top::dft;
  using dtype = Dtype;
  static constexpr std::int64_t most_elements = std::int64_t{1} << 22; // of the matrix
  static constexpr bool any_type = true;                               // length and axis are integers
  static constexpr bool takes(const context& c, node_id) {
    if (c.is_constant(0) || !is_floating(c.top_type(0)) || !c.carries(0)) return false;
    if ((c.has(1) && !c.is_constant(1)) || (c.has(2) && !c.is_constant(2))) return false;
    return rows(c) * columns(c) <= most_elements;
  }
  static constexpr void apply(context& c, node_id) {
    const shape x = c.dims(0);
    const std::size_t axis = axis_of(c);
    const value w = detail::transform_matrix(c.attributes<op>(), length(c), {x[axis], x[x.rank() - 1]}, rows(c));
    // The axis next to the last one, and both as one.
    ints there;
    ints back(x.rank());
    for (std::size_t i = 0; i < x.rank(); ++i) {
      if (i != axis && i + 1 != x.rank()) there.push_back(static_cast<std::int64_t>(i));
    }
    there.push_back(static_cast<std::int64_t>(axis));
    there.push_back(static_cast<std::int64_t>(x.rank()) - 1);
    shape turned;
    for (std::size_t i = 0; i < x.rank(); ++i) {
      back[static_cast<std::size_t>(there[i])] = static_cast<std::int64_t>(i);
      turned.push_back(c.result_dims()[static_cast<std::size_t>(there[i])]);
    }
    sequence s(c);
    const tensor_id lines = s.reshape(s.transpose(c.operand(0), there), {x.elements() / columns(c), columns(c)});
    s.finish(s.transpose(s.reshape(s.product(lines, s.rounded(w)), turned), back));
  }

private:
  static constexpr std::size_t axis_of(const context& c) {
    return top::detail::axis_at(c.has(2) ? c.constant(2).i[0] : -2, c.dims(0).rank());
  }
  static constexpr std::int64_t length(const context& c) {
    return c.has(1) ? c.constant(1).i[0] : op::natural_length(c.attributes<op>(), c.dims(0)[axis_of(c)]);
  }
  static constexpr std::int64_t columns(const context& c) {
    return c.dims(0)[axis_of(c)] * c.dims(0)[c.dims(0).rank() - 1];
  }
  static constexpr std::int64_t rows(const context& c) {
    return c.result_dims()[axis_of(c)] * c.result_dims()[c.dims(0).rank() - 1];
  }
};

/// stft with a constant step and frame length -> the frames by their places, times the window, then as dft.
template <class Dtype> struct stft_rule {
  using op = top::stft;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    if (c.is_constant(0) || !is_floating(c.top_type(0)) || !c.carries(0)) return false;
    if (!c.is_constant(1) || (c.has(3) && !c.is_constant(3)) || !c.result_dims().known()) return false;
    return rows(c) * length(c) * c.dims(0)[2] <= dft_rule<Dtype>::most_elements;
  }
  static constexpr void apply(context& c, node_id) {
    const shape x = c.dims(0);
    const std::int64_t frames = c.result_dims()[1];
    const std::int64_t step = c.constant(1).i[0];
    ints places;
    for (std::int64_t f = 0; f < frames; ++f) {
      for (std::int64_t n = 0; n < length(c); ++n) places.push_back(f * step + n);
    }
    sequence s(c);
    tensor_id cut = s.reshape(s.take(c.operand(0), 1, places), {1, x[0] * frames, length(c), x[2]});
    if (c.has(2)) {
      const shape window{1, 1, length(c), 1};
      const tensor_id w = c.is_constant(2) ? c.constant_operand(2, window) : s.reshape(c.operand(2), window);
      cut = s.binary(isa::binary_kind::mul, cut, w);
    }
    top::dft::attributes a{};
    a.onesided = c.attributes<op>().onesided.value;
    const value w = detail::transform_matrix(a, length(c), {length(c), x[2]}, rows(c));
    s.finish(s.product(s.reshape(cut, {x[0] * frames, length(c) * x[2]}), s.rounded(w)));
  }

private:
  static constexpr std::int64_t length(const context& c) {
    return c.has(2) ? c.dims(2)[0] : c.has(3) ? c.constant(3).i[0] : c.dims(0)[1];
  }
  static constexpr std::int64_t rows(const context& c) { return c.result_dims()[2] * c.result_dims()[3]; }
};

} // namespace tmpu::lower
