// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/conv.hpp"
#include "tmpu/top/matmul.hpp"
#include "tmpu/top/reshape.hpp"

namespace tmpu::top {

namespace detail {
/// What a window is made of where the operator has no auto_pad.
struct window_attributes {
  text auto_pad;
  ints dilations;
  ints pads;
  ints strides;

  template <class Attributes>
  constexpr explicit window_attributes(const Attributes& a)
      : dilations(a.dilations), pads(a.pads), strides(a.strides) {}
};
} // namespace detail

/// A convolution whose taps lie beside their places by offsets (operand 2: rows, columns; bilinear between pixels, 0 outside),
/// each times a mask (operand 4, where given); plus the bias (operand 3).                       (ONNX DeformConv)
/// The sum is sequential in the order (ic, kh, kw) from +0, by math::fma; the bias is added after it.
///
/// Shape:     x [N, C, H, W], w [OC, C/group, kh, kw], offsets [N, G*kh*kw*2, OH, OW] for G = offset_group groups of channels, b [OC],
///            mask [N, G*kh*kw, OH, OW]; y [N, OC, OH, OW].
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    N, OC.
/// Errors:    other ranks, channels that do not match group or offset_group, offsets or a mask that do not fit.
struct deform_conv {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((ints, dilations), (defaulted<std::int64_t, 1>, group), (ints, kernel_shape),
                (defaulted<std::int64_t, 1>, offset_group), (ints, pads), (ints, strides));
  };
  static constexpr op_info info{.name = "deform_conv", .onnx = "DeformConv", .min_operands = 3, .max_operands = 5};

  static constexpr detail::window window_of(const attributes& a, const tmpu::shape& x, const tmpu::shape& w) {
    return conv::window_of(detail::window_attributes(a), x, w);
  }

  static constexpr void infer(const attributes& a, infer_context& c) {
    for (std::size_t i = 0; i < c.operand_count(); ++i) {
      if (c.has(i)) detail::require_floating(c, i);
      if (c.has(i) && i != 3) detail::require_rank(c, i, 4);
    }
    const auto& x = c.dims(0);
    const auto& w = c.dims(1);
    if (!w.known()) c.fail(text("the weight's shape must be known, but is ") << w.print());
    if (!a.kernel_shape.empty() && !(ints(w.span().subspan(2)) == a.kernel_shape))
      c.fail(text("kernel_shape [") << join(a.kernel_shape, ",") << "] does not fit the weight " << w.print());
    const detail::window win = window_of(a, x, w);
    if (!win.problem.empty()) c.fail(win.problem);
    if (a.group < 1 || w[0] % a.group != 0 || (x[1] >= 0 && x[1] != w[1] * a.group))
      c.fail(text("group ") << a.group << " does not fit input " << x.print() << " and weight " << w.print());
    if (a.offset_group < 1 || (w[1] * a.group) % a.offset_group != 0)
      c.fail(text("offset_group ") << a.offset_group << " does not divide the " << w[1] * a.group << " channels");
    const auto y = detail::window_result(win, x, w[0]);
    const std::int64_t taps = a.offset_group * win.taps();
    check(c, 2, {x[0], 2 * taps, y[2], y[3]});
    check(c, 3, {w[0]});
    check(c, 4, {x[0], taps, y[2], y[3]});
    c.result(0, c.type(0), y);
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    const value& w = c.in(1);
    value& y = c.out();
    const detail::window win = window_of(a, x.dims, w.dims);
    const std::int64_t taps = win.taps();
    const std::int64_t plane = win.out_plane();
    const std::int64_t channels = x.dims[1];
    const std::int64_t outputs = w.dims[0] / a.group;
    const std::int64_t depth = w.dims[1] * taps;
    const std::int64_t each = channels / a.offset_group; // channels that share offsets
    // The samples as the columns of a matrix product: [channel, tap, place].
    vec<float> samples(static_cast<std::size_t>(channels * taps * plane));
    vec<float> buffer;
    for (std::int64_t n = 0; n < x.dims[0]; ++n) {
      for (std::int64_t g = 0; g < a.offset_group; ++g) {
        detail::for_each_output(win, [&](std::int64_t place, const std::int64_t(&o)[3]) {
          for (std::int64_t tap = 0; tap < taps; ++tap) {
            const std::int64_t offset = ((n * a.offset_group + g) * taps + tap) * plane;
            const float factor = c.has(4) ? c.in(4).f[static_cast<std::size_t>(offset + place)] : 1.0F;
            const float row = coordinate(win.axis[1], o[1], tap / win.axis[2].kernel) +
                              c.in(2).f[static_cast<std::size_t>(2 * offset + place)];
            const float column = coordinate(win.axis[2], o[2], tap % win.axis[2].kernel) +
                                 c.in(2).f[static_cast<std::size_t>(2 * offset + plane + place)];
            const corners k = corners_of(row, column, win.axis[1].in, win.axis[2].in);
            for (std::int64_t ch = g * each; ch < (g + 1) * each; ++ch) {
              const float* in = x.f.data() + (n * channels + ch) * win.in_plane();
              float v = 0.0F;
              for (std::size_t i = 0; i < 4; ++i) v += k.weight[i] * in[k.at[i]];
              samples[static_cast<std::size_t>((ch * taps + tap) * plane + place)] = v * factor;
            }
          }
        });
      }
      for (std::int64_t g = 0; g < a.group; ++g) {
        float* out = y.f.data() + (n * w.dims[0] + g * outputs) * plane;
        detail::multiply({w.f.data() + g * outputs * depth, depth, 1}, {samples.data() + g * depth * plane, plane, 1},
                         outputs, depth, plane, out, buffer);
        for (std::int64_t oc = 0; c.has(3) && oc < outputs; ++oc) {
          const float bias = c.in(3).f[static_cast<std::size_t>(g * outputs + oc)];
          for (std::int64_t i = 0; i < plane; ++i) out[oc * plane + i] += bias;
        }
      }
    }
    detail::round_elements(y);
  }

private:
  static constexpr void check(const infer_context& c, std::size_t i, const tmpu::shape& wanted) {
    if (i >= c.operand_count() || !c.has(i)) return;
    const auto& d = c.dims(i);
    bool fits = d.rank() == wanted.rank();
    for (std::size_t k = 0; fits && k < d.rank(); ++k) fits = d[k] < 0 || wanted[k] < 0 || d[k] == wanted[k];
    if (!fits) c.fail(text("operand ") << i << " must be " << wanted.print() << ", but is " << d.print());
  }
  static constexpr float coordinate(const detail::window_axis& axis, std::int64_t o, std::int64_t k) {
    return static_cast<float>(o * axis.stride - axis.begin + k * axis.dilation);
  }

  /// The four pixels around a place, and their weights; pixels outside weigh nothing.
  struct corners {
    std::int64_t at[4] = {};
    float weight[4] = {};
  };
  static constexpr corners corners_of(float row, float column, std::int64_t h, std::int64_t w) {
    corners k;
    if (!(row > -1.0F && row < static_cast<float>(h) && column > -1.0F && column < static_cast<float>(w))) return k;
    const float top = math::floor(row);
    const float left = math::floor(column);
    for (std::int64_t i = 0; i < 4; ++i) {
      const std::int64_t r = static_cast<std::int64_t>(top) + i / 2;
      const std::int64_t s = static_cast<std::int64_t>(left) + i % 2;
      if (r < 0 || r >= h || s < 0 || s >= w) continue;
      k.at[i] = r * w + s;
      k.weight[i] =
          (i / 2 == 0 ? 1.0F - (row - top) : row - top) * (i % 2 == 0 ? 1.0F - (column - left) : column - left);
    }
    return k;
  }
};
static_assert(op<deform_conv>);

/// Columns of blocks put back to an image: each block element is added to the pixel that a convolution's window would have taken
/// it from, columns in order.                                                                   (ONNX Col2Im)
///
/// Shape:     x [N, C * block, L], operand 1: the image's sizes, operand 2: the block's; y [N, C, image...].
/// Elements:  f32, f16, bf16 (sums in f32).
/// Tiling:    N, C.
/// Errors:    more than 3 spatial axes, lists of other lengths, an x that does not fit block and image.
struct col2im {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((ints, dilations), (ints, pads), (ints, strides));
  };
  static constexpr op_info info{.name = "col2im", .onnx = "Col2Im", .min_operands = 3, .max_operands = 3};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_rank(c, 0, 3);
    detail::require_integers(c, 1);
    detail::require_integers(c, 2);
    const auto& x = c.dims(0);
    if (!c.is_constant(1) || !c.is_constant(2)) {
      auto y = detail::unknown_dims(2 + detail::list_size(c, 1), c);
      y[0] = x[0];
      c.result(0, c.type(0), y);
      return;
    }
    const ints image = c.constant(1).i;
    const ints block = c.constant(2).i;
    if (image.empty() || image.size() > 3 || image.size() != block.size())
      c.fail(text("needs 1 to 3 sizes of image and block, not ") << image.size() << " and " << block.size());
    const detail::window win = window_of(a, image, block);
    if (!win.problem.empty()) c.fail(win.problem);
    if ((x[1] >= 0 && x[1] % win.taps() != 0) || (x[2] >= 0 && x[2] != win.out_plane())) {
      c.fail(text("x ") << x.print() << " must have a multiple of " << win.taps() << " rows and " << win.out_plane()
                        << " columns");
    }
    tmpu::shape y{x[0], x[1] < 0 ? -1 : x[1] / win.taps()};
    for (const std::int64_t size : image) y.push_back(size);
    c.result(0, c.type(0), y);
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const detail::window win = window_of(a, c.in(1).i, c.in(2).i);
    const std::int64_t planes = c.out().dims[0] * c.out().dims[1];
    for (std::int64_t p = 0; p < planes; ++p) {
      const float* from = c.in(0).f.data() + p * win.taps() * win.out_plane();
      float* to = c.out().f.data() + p * win.in_plane();
      detail::for_each_output(win, [&](std::int64_t column, const std::int64_t(&o)[3]) {
        detail::for_each_tap(
            win, o, [&](std::int64_t pixel, std::int64_t tap) { to[pixel] += from[tap * win.out_plane() + column]; });
      });
    }
    detail::round_elements(c.out());
  }

  /// The window of the convolution over the image.
  static constexpr detail::window window_of(const attributes& a, const ints& image, const ints& block) {
    tmpu::shape x{1, 1};
    for (const std::int64_t size : image) x.push_back(size);
    return detail::make_window(detail::window_attributes(a), x, block);
  }
};
static_assert(op<col2im>);

} // namespace tmpu::top
