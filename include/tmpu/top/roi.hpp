// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/common.hpp"

namespace tmpu::top {

namespace detail {
/// The four pixels around a place of a plane [h, w], edges repeated, and what each weighs in bilinear interpolation; all weigh
/// nothing where the place is more than one pixel outside.
struct bilinear_place {
  std::int64_t at[4] = {};
  float weight[4] = {};
};
constexpr bilinear_place bilinear_at(float y, float x, std::int64_t h, std::int64_t w) {
  bilinear_place p;
  if (!(y >= -1.0F && y <= static_cast<float>(h) && x >= -1.0F && x <= static_cast<float>(w))) return p;
  struct pair {
    std::int64_t low;
    std::int64_t high;
    float rest;
  };
  const auto split = [](float v, std::int64_t size) -> pair {
    if (v <= 0.0F) return {0, size > 1 ? 1 : 0, 0.0F};
    const auto low = static_cast<std::int64_t>(v);
    if (low >= size - 1) return {size - 1, size - 1, 0.0F};
    return {low, low + 1, v - static_cast<float>(low)};
  };
  const pair r = split(y, h);
  const pair c = split(x, w);
  p.at[0] = r.low * w + c.low;
  p.at[1] = r.low * w + c.high;
  p.at[2] = r.high * w + c.low;
  p.at[3] = r.high * w + c.high;
  p.weight[0] = (1.0F - r.rest) * (1.0F - c.rest);
  p.weight[1] = (1.0F - r.rest) * c.rest;
  p.weight[2] = r.rest * (1.0F - c.rest);
  p.weight[3] = r.rest * c.rest;
  return p;
}
} // namespace detail

/// Each region of interest (x1, y1, x2, y2) of image operand 2[r], in bins of output_height x output_width: the mean ("avg") or
/// maximum ("max") of a grid of bilinear samples, sampling_ratio a bin and direction (0: as many as the bin has pixels).
///                                                                                              (ONNX RoiAlign)
/// As in ONNX's reference, "max" is over the weighted pixels, not over their sums.
///
/// Shape:     x [N, C, H, W], regions [R, 4], image numbers [R]; y [R, C, output_height, output_width].
/// Elements:  f32, f16, bf16 (in f32 inside).
/// Tiling:    none.
/// Errors:    other ranks, unknown modes, an image number outside of N.
struct roi_align {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((text, coordinate_transformation_mode), (text, mode), (defaulted<std::int64_t, 1>, output_height),
                (defaulted<std::int64_t, 1>, output_width), (defaulted<std::int64_t, 0>, sampling_ratio),
                (defaulted<float, 1>, spatial_scale));
  };
  static constexpr op_info info{.name = "roi_align", .onnx = "RoiAlign", .min_operands = 3, .max_operands = 3};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_rank(c, 0, 4);
    detail::require_rank(c, 1, 2);
    detail::require_rank(c, 2, 1);
    detail::require_floating(c, 1);
    detail::require_integers(c, 2);
    if (c.dims(1)[0] >= 0 && c.dims(2)[0] >= 0 && c.dims(1)[0] != c.dims(2)[0])
      c.fail(text("there are ") << c.dims(1)[0] << " regions, but " << c.dims(2)[0] << " image numbers");
    if (c.dims(1)[1] != 4) c.fail(text("the regions must be [R, 4], but are ") << c.dims(1).print());
    const std::string_view mode = a.mode.view();
    if (!mode.empty() && mode != "avg" && mode != "max")
      c.fail(text("mode '") << mode << "' is not known; it is avg or max");
    const std::string_view places = a.coordinate_transformation_mode.view();
    if (!places.empty() && places != "half_pixel" && places != "output_half_pixel") {
      c.fail(text("coordinate_transformation_mode '")
             << places << "' is not known; it is half_pixel or output_half_pixel");
    }
    if (a.output_height < 1 || a.output_width < 1) c.fail("output_height and output_width must be at least 1");
    c.result(0, c.type(0), {c.dims(1)[0], c.dims(0)[1], a.output_height, a.output_width});
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const std::int64_t channels = x.dims[1];
    const std::int64_t h = x.dims[2];
    const std::int64_t w = x.dims[3];
    const bool legacy = a.coordinate_transformation_mode.view() == "output_half_pixel";
    const bool greatest = a.mode.view() == "max";
    const float offset = legacy ? 0.0F : 0.5F;
    const std::int64_t bins[] = {a.output_height, a.output_width};
    vec<detail::bilinear_place> samples;
    for (std::int64_t r = 0; r < y.dims[0]; ++r) {
      const std::int64_t image = c.in(2).i[static_cast<std::size_t>(r)];
      if (image < 0 || image >= x.dims[0])
        c.fail(text("region ") << r << " lies in image " << image << " of " << x.dims[0]);
      const float* box = c.in(1).f.data() + r * 4;
      float start[2];
      float bin[2];
      std::int64_t grid[2];
      for (std::size_t i = 0; i < 2; ++i) {
        start[i] = box[1 - i] * a.spatial_scale - offset;
        float size = box[3 - i] * a.spatial_scale - offset - start[i];
        if (legacy && size < 1.0F) size = 1.0F;
        bin[i] = size / static_cast<float>(bins[i]);
        grid[i] = a.sampling_ratio > 0 ? static_cast<std::int64_t>(a.sampling_ratio)
                                       : static_cast<std::int64_t>(math::ceil(bin[i]));
      }
      const std::int64_t count = grid[0] * grid[1];
      for (std::int64_t by = 0; by < bins[0]; ++by) {
        for (std::int64_t bx = 0; bx < bins[1]; ++bx) {
          samples.clear();
          for (std::int64_t iy = 0; iy < grid[0]; ++iy) {
            for (std::int64_t ix = 0; ix < grid[1]; ++ix) {
              const float py = place(start[0], bin[0], by, iy, grid[0]);
              const float px = place(start[1], bin[1], bx, ix, grid[1]);
              samples.push_back(detail::bilinear_at(py, px, h, w));
            }
          }
          for (std::int64_t ch = 0; ch < channels; ++ch) {
            const float* plane = x.f.data() + (image * channels + ch) * h * w;
            float all = 0.0F;
            bool first = true;
            for (const auto& s : samples) {
              for (std::size_t k = 0; k < 4; ++k) {
                const float v = s.weight[k] * plane[s.at[k]];
                if (greatest) {
                  all = first || v > all ? v : all;
                } else {
                  all += v;
                }
                first = false;
              }
            }
            const std::int64_t at = ((r * channels + ch) * bins[0] + by) * bins[1] + bx;
            y.f[static_cast<std::size_t>(at)] = greatest || count < 2 ? all : all / static_cast<float>(count);
          }
        }
      }
    }
    detail::round_elements(y);
  }

private:
  static constexpr float place(float start, float bin, std::int64_t b, std::int64_t i, std::int64_t grid) {
    return start + static_cast<float>(b) * bin + (static_cast<float>(i) + 0.5F) * bin / static_cast<float>(grid);
  }
};
static_assert(op<roi_align>);

/// The greatest element of each bin of each region of interest (image, x1, y1, x2, y2), whose corners are rounded to pixels.
///                                                                                              (ONNX MaxRoiPool)
///
/// Shape:     x [N, C, H, W], regions [R, 5]; y [R, C, pooled_shape...]; a bin without pixels is 0.
/// Elements:  f32, f16, bf16.
/// Tiling:    none.
/// Errors:    other ranks, a pooled_shape that is not two sizes, an image number outside of N.
struct max_roi_pool {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((ints, pooled_shape), (defaulted<float, 1>, spatial_scale));
  };
  static constexpr op_info info{.name = "max_roi_pool", .onnx = "MaxRoiPool", .min_operands = 2, .max_operands = 2};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_rank(c, 0, 4);
    detail::require_rank(c, 1, 2);
    detail::require_floating(c, 1);
    if (c.dims(1)[1] != 5) c.fail(text("the regions must be [R, 5], but are ") << c.dims(1).print());
    if (a.pooled_shape.size() != 2 || a.pooled_shape[0] < 1 || a.pooled_shape[1] < 1)
      c.fail("pooled_shape must be two sizes of at least 1");
    c.result(0, c.type(0), {c.dims(1)[0], c.dims(0)[1], a.pooled_shape[0], a.pooled_shape[1]});
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const std::int64_t channels = x.dims[1];
    const std::int64_t size[] = {x.dims[2], x.dims[3]};
    std::size_t at = 0;
    for (std::int64_t r = 0; r < y.dims[0]; ++r) {
      const float* box = c.in(1).f.data() + r * 5;
      const auto image = static_cast<std::int64_t>(box[0]);
      if (!(box[0] >= 0.0F && image < x.dims[0]))
        c.fail(text("region ") << r << " lies in image " << image << " of " << x.dims[0]);
      std::int64_t start[2];
      float bin[2];
      for (std::size_t i = 0; i < 2; ++i) {
        start[i] = static_cast<std::int64_t>(math::round_half_away(box[2 - i] * a.spatial_scale));
        const auto end = static_cast<std::int64_t>(math::round_half_away(box[4 - i] * a.spatial_scale));
        const std::int64_t extent = end - start[i] + 1 > 1 ? end - start[i] + 1 : 1;
        bin[i] = static_cast<float>(extent) / static_cast<float>(a.pooled_shape[i]);
      }
      const auto edge = [&](std::size_t i, float of) {
        const std::int64_t p = static_cast<std::int64_t>(of) + start[i];
        return p < 0 ? 0 : (p > size[i] ? size[i] : p);
      };
      for (std::int64_t ch = 0; ch < channels; ++ch) {
        const float* plane = x.f.data() + (image * channels + ch) * size[0] * size[1];
        for (std::int64_t by = 0; by < a.pooled_shape[0]; ++by) {
          const std::int64_t top = edge(0, math::floor(static_cast<float>(by) * bin[0]));
          const std::int64_t bottom = edge(0, math::ceil(static_cast<float>(by + 1) * bin[0]));
          for (std::int64_t bx = 0; bx < a.pooled_shape[1]; ++bx, ++at) {
            const std::int64_t left = edge(1, math::floor(static_cast<float>(bx) * bin[1]));
            const std::int64_t right = edge(1, math::ceil(static_cast<float>(bx + 1) * bin[1]));
            bool first = true;
            for (std::int64_t i = top; i < bottom; ++i) {
              for (std::int64_t j = left; j < right; ++j) {
                const float v = plane[i * size[1] + j];
                if (first || v > y.f[at]) y.f[at] = v;
                first = false;
              }
            }
          }
        }
      }
    }
  }
};
static_assert(op<max_roi_pool>);

} // namespace tmpu::top
