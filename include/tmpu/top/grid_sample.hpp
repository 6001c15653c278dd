// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/resize.hpp"

namespace tmpu::top {

/// y = x at the coordinates that the grid holds, innermost axis first, -1 and 1 being the edges (with align_corners the centres
/// of the outermost pixels). Between pixels: mode nearest (ties to even), linear or cubic. Outside: 0 (zeros), the
/// nearest edge (border), or mirrored at the edge (reflection).                                 (ONNX GridSample)
///
/// Shape:     x [N, C, in...] with R spatial axes, grid [N, out..., R]; y [N, C, out...].
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    C; out.
/// Errors:    R outside of 1..3, a grid that does not fit, unknown modes.
struct grid_sample {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, align_corners), (text, mode), (text, padding_mode));
  };
  static constexpr op_info info{.name = "grid_sample", .onnx = "GridSample", .min_operands = 2, .max_operands = 2};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_floating(c, 1);
    const auto& x = c.dims(0);
    const auto& grid = c.dims(1);
    if (x.rank() < 3 || x.rank() > 5)
      c.fail(text("needs an input of rank 3 to 5 [N, C, spatial...], but it is ") << x.print());
    const std::size_t spatial = x.rank() - 2;
    const bool fits = grid.rank() == x.rank() &&
                      (grid[grid.rank() - 1] < 0 || grid[grid.rank() - 1] == static_cast<std::int64_t>(spatial)) &&
                      (grid[0] < 0 || x[0] < 0 || grid[0] == x[0]);
    if (!fits)
      c.fail(text("the grid must be [N, ..., ") << spatial << "] of rank " << x.rank() << ", but is " << grid.print());
    if (taps_of(a) == 0) c.fail(text("mode '") << a.mode << "' is not known; it is nearest, linear or cubic");
    if (padding_of(a) == padding::unknown)
      c.fail(text("padding_mode '") << a.padding_mode << "' is not known; it is zeros, border or reflection");
    tmpu::shape y{x[0], x[1]};
    for (std::size_t i = 0; i < spatial; ++i) y.push_back(grid[1 + i]);
    c.result(0, c.type(0), y);
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    const value& grid = c.in(1);
    value& y = c.out();
    const std::size_t spatial = x.dims.rank() - 2;
    const std::int64_t in_plane = detail::product(x.dims, 2, x.dims.rank());
    const std::int64_t out_plane = detail::product(y.dims, 2, y.dims.rank());
    const int count = taps_of(a);
    for (std::int64_t n = 0; n < x.dims[0]; ++n) {
      for (std::int64_t o = 0; o < out_plane; ++o) {
        // Taps of depth, height and width; an axis that x has not is one tap at 0.
        axis_taps axis[3];
        for (std::size_t i = 0; i < spatial; ++i) {
          const float g = grid.f[static_cast<std::size_t>((n * out_plane + o)) * spatial + spatial - 1 - i];
          axis[3 - spatial + i] = place(a, count, g, x.dims[2 + i]);
        }
        const std::int64_t size[] = {spatial > 2 ? x.dims[2] : 1, spatial > 1 ? x.dims[spatial] : 1,
                                     x.dims[spatial + 1]};
        for (std::int64_t ch = 0; ch < x.dims[1]; ++ch) {
          const float* plane = x.f.data() + (n * x.dims[1] + ch) * in_plane;
          float sum = 0.0F;
          for (int d = 0; d < axis[0].count; ++d) {
            float deep = 0.0F;
            for (int h = 0; h < axis[1].count; ++h) {
              const std::int64_t row = (axis[0].at[d] * size[1] + axis[1].at[h]) * size[2];
              float wide = 0.0F;
              for (int w = 0; w < axis[2].count; ++w) wide += axis[2].weight[w] * plane[row + axis[2].at[w]];
              deep += axis[1].weight[h] * wide;
            }
            sum += axis[0].weight[d] * deep;
          }
          y.f[static_cast<std::size_t>((n * x.dims[1] + ch) * out_plane + o)] = sum;
        }
      }
    }
    detail::round_elements(y);
  }

  enum class padding : std::uint8_t { zeros, border, reflection, unknown };
  static constexpr padding padding_of(const attributes& a) {
    const std::string_view name = a.padding_mode.view();
    if (name.empty() || name == "zeros") return padding::zeros;
    return name == "border" ? padding::border : (name == "reflection" ? padding::reflection : padding::unknown);
  }
  /// Pixels an axis; 0 for an unknown mode.
  static constexpr int taps_of(const attributes& a) {
    const std::string_view name = a.mode.view();
    if (name.empty() || name == "linear" || name == "bilinear") return 2;
    return name == "nearest" ? 1 : (name == "cubic" || name == "bicubic" ? 4 : 0);
  }

private:
  struct axis_taps {
    int count = 1;
    std::int64_t at[4] = {};
    float weight[4] = {1.0F};
  };
  static constexpr axis_taps place(const attributes& a, int count, float g, std::int64_t size) {
    const padding outside = padding_of(a);
    const auto length = static_cast<float>(size);
    const float low = a.align_corners != 0 ? 0.0F : -0.5F;
    const float high = a.align_corners != 0 ? length - 1.0F : length - 0.5F;
    float p = a.align_corners != 0 ? (g + 1.0F) / 2.0F * (length - 1.0F) : ((g + 1.0F) * length - 1.0F) / 2.0F;
    if (count == 1) p = math::round_half_even(p);
    if (p < low || p > high) {
      if (outside == padding::border) p = p < 0.0F ? 0.0F : length - 1.0F;
      if (outside == padding::reflection) p = reflect(p, low, high);
    }
    axis_taps t;
    t.count = count;
    // A coordinate that no 64-bit integer holds (or a NaN) lies outside of everything.
    if (!(p > -1e18F && p < 1e18F)) p = -4.0F;
    const float floor = math::floor(p);
    const auto rest = static_cast<double>(p - floor);
    for (int k = 0; k < count; ++k) {
      const int step = count == 4 ? k - 1 : k;
      std::int64_t pixel = static_cast<std::int64_t>(floor) + step;
      if (count == 2) t.weight[k] = k == 0 ? 1.0F - (p - floor) : p - floor;
      if (count == 4) t.weight[k] = static_cast<float>(detail::cubic_weight(rest - step, -0.75));
      if (pixel < 0 || pixel >= size) {
        if (outside == padding::zeros) t.weight[k] = 0.0F;
        if (outside == padding::reflection)
          pixel = static_cast<std::int64_t>(reflect(static_cast<float>(pixel), low, high));
        pixel = detail::clamp_index(pixel, size);
      }
      t.at[k] = pixel;
    }
    return t;
  }
  /// p mirrored at low and high until it lies between them.
  static constexpr float reflect(float p, float low, float high) {
    const float range = high - low;
    if (!(range > 0.0F)) return low;
    const bool below = p < low;
    if (!below && !(p > high)) return p;
    const float beyond = below ? low - p : p - high;
    const float turns = math::trunc(beyond / range);
    const float rest = beyond - turns * range;
    const bool even = turns - 2.0F * math::trunc(turns / 2.0F) == 0.0F;
    return even == below ? low + rest : high - rest;
  }
};
static_assert(op<grid_sample>);

/// The grid of coordinates that grid_sample takes, mapped by the matrices theta: y[n, ...] = theta[n] * (x, y, (z,) 1).
///                                                                                              (ONNX AffineGrid)
///
/// Shape:     theta [N, 2, 3], operand 1 (N, C, H, W); y [N, H, W, 2]. Or theta [N, 3, 4], (N, C, D, H, W); y [N, D, H, W, 3].
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    N.
/// Errors:    a theta or a list of sizes of another form.
struct affine_grid {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, align_corners));
  };
  static constexpr op_info info{.name = "affine_grid", .onnx = "AffineGrid", .min_operands = 2, .max_operands = 2};

  static constexpr void infer(const attributes&, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_rank(c, 0, 3);
    const auto& theta = c.dims(0);
    const std::int64_t spatial = theta[1];
    if ((spatial != 2 && spatial != 3) || theta[2] != spatial + 1)
      c.fail(text("theta must be [N, 2, 3] or [N, 3, 4], but is ") << theta.print());
    detail::require_integers(c, 1);
    if (detail::list_size(c, 1) != spatial + 2) c.fail(text("operand 1 must hold ") << spatial + 2 << " sizes");
    tmpu::shape y{theta[0]};
    for (std::int64_t i = 0; i < spatial; ++i) {
      const std::int64_t size = c.is_constant(1) ? c.constant(1).i[static_cast<std::size_t>(2 + i)] : -1;
      if (c.is_constant(1) && size < 0) c.fail(text("a size must not be negative: ") << size);
      y.push_back(size);
    }
    y.push_back(spatial);
    c.result(0, c.type(0), y);
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    value& y = c.out();
    const auto spatial = static_cast<std::size_t>(c.in(0).dims[1]);
    std::size_t to = 0;
    tmpu::shape places(y.dims.span().first(spatial + 1));
    detail::for_each_index(places, [&](std::int64_t, const std::int64_t* index) {
      const float* theta = c.in(0).f.data() + index[0] * static_cast<std::int64_t>(spatial * (spatial + 1));
      for (std::size_t row = 0; row < spatial; ++row) {
        float sum = 0.0F;
        for (std::size_t k = 0; k < spatial; ++k) { // innermost axis first
          const std::size_t axis = spatial - k;
          sum += theta[row * (spatial + 1) + k] * coordinate(a.align_corners != 0, index[axis], y.dims[axis]);
        }
        y.f[to++] = sum + theta[row * (spatial + 1) + spatial];
      }
    });
    detail::round_elements(y);
  }

  /// Place i of an axis as a coordinate.
  static constexpr float coordinate(bool corners, std::int64_t i, std::int64_t size) {
    const auto n = static_cast<double>(size);
    if (!corners) return static_cast<float>((2.0 * static_cast<double>(i) + 1.0) / n - 1.0);
    return size < 2 ? -1.0F : static_cast<float>(2.0 * static_cast<double>(i) / (n - 1.0) - 1.0);
  }
};
static_assert(op<affine_grid>);

} // namespace tmpu::top
