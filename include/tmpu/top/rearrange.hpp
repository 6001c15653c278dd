// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/list_operands.hpp"

namespace tmpu::top {

/// y = x with blocks of channels turned into blocks of pixels.                                 (ONNX DepthToSpace)
/// mode DCR: channel = (by * blocksize + bx) * C' + c; mode CRD: channel = (c * blocksize + by) * blocksize + bx.
///
/// Shape:     x [N, C, H, W]; y [N, C / blocksize^2, H * blocksize, W * blocksize].
/// Elements:  any.
/// Tiling:    N, rows in whole blocks.
/// Errors:    rank other than 4; channels that blocksize^2 does not divide.
struct depth_to_space {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((std::int64_t, blocksize), (text, mode));
  };
  static constexpr op_info info{.name = "depth_to_space", .onnx = "DepthToSpace"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_rank(c, 0, 4);
    const auto& x = c.dims(0);
    const std::int64_t b = a.blocksize;
    if (b < 1 || b > 65536 || (x[1] >= 0 && x[1] % (b * b) != 0))
      c.fail(text("blocksize ") << b << " does not divide the channels of " << x.print());
    const auto times = [&](std::int64_t d) { return d < 0 ? -1 : d * b; };
    c.result(0, c.type(0), {x[0], x[1] < 0 ? -1 : x[1] / (b * b), times(x[2]), times(x[3])});
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& d = c.out().dims;
    const auto& s = c.in(0).dims;
    const std::int64_t b = a.blocksize;
    const bool crd = a.mode.view() == "CRD";
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* x) {
      std::int64_t to = 0;
      for (std::int64_t n = 0; n < d[0]; ++n) {
        for (std::int64_t ch = 0; ch < d[1]; ++ch) {
          for (std::int64_t h = 0; h < d[2]; ++h) {
            for (std::int64_t w = 0; w < d[3]; ++w) {
              const std::int64_t from = crd ? (ch * b + h % b) * b + w % b : ((h % b) * b + w % b) * d[1] + ch;
              y[to++] = x[((n * s[1] + from) * s[2] + h / b) * s[3] + w / b];
            }
          }
        }
      }
    });
  }
};
static_assert(op<depth_to_space>);

/// y = x with blocks of pixels turned into channels: channel = (by * blocksize + bx) * C + c.  (ONNX SpaceToDepth)
///
/// Shape:     x [N, C, H, W]; y [N, C * blocksize^2, H / blocksize, W / blocksize].
/// Elements:  any.
/// Tiling:    N, rows.
/// Errors:    rank other than 4; a height or width that blocksize does not divide.
struct space_to_depth {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((std::int64_t, blocksize));
  };
  static constexpr op_info info{.name = "space_to_depth", .onnx = "SpaceToDepth"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_rank(c, 0, 4);
    const auto& x = c.dims(0);
    const std::int64_t b = a.blocksize;
    if (b < 1 || b > 65536 || (x[2] >= 0 && x[2] % b != 0) || (x[3] >= 0 && x[3] % b != 0))
      c.fail(text("blocksize ") << b << " does not divide the height and width of " << x.print());
    const auto part = [&](std::int64_t d) { return d < 0 ? -1 : d / b; };
    c.result(0, c.type(0), {x[0], x[1] < 0 ? -1 : x[1] * b * b, part(x[2]), part(x[3])});
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& s = c.in(0).dims;
    const std::int64_t b = a.blocksize;
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* x) {
      detail::for_each_index(c.out().dims, [&](std::int64_t n, const auto& index) {
        const std::int64_t block = index[1] / s[1];
        const std::int64_t row = index[2] * b + block / b;
        y[n] = x[((index[0] * s[1] + index[1] % s[1]) * s[2] + row) * s[3] + index[3] * b + block % b];
      });
    });
  }
};
static_assert(op<space_to_depth>);

/// y = x, repeated along each axis as often as operand 1 says.                                 (ONNX Tile)
///
/// Shape:     y[i] = x[i] * repeats[i].
/// Elements:  any.
/// Tiling:    any slice of an axis that is not repeated.
/// Errors:    repeats that are not one for each axis, or negative.
struct tile {
  static constexpr std::string_view domain = "top";
  using attributes = no_attributes;
  static constexpr op_info info{.name = "tile", .onnx = "Tile", .min_operands = 2, .max_operands = 2};
  static constexpr void infer(const attributes&, infer_context& c) {
    tmpu::shape y = c.dims(0);
    detail::require_integers(c, 1);
    if (detail::list_size(c, 1) != static_cast<std::int64_t>(y.rank()))
      c.fail(text("needs ") << y.rank() << " repeats, not " << c.dims(1).print());
    for (std::size_t i = 0; i < y.rank(); ++i) {
      if (!c.is_constant(1)) {
        y[i] = -1;
        continue;
      }
      const std::int64_t times = detail::integers(c, 1)[i];
      if (times < 0) c.fail(text("repeats must not be negative: ") << times);
      y[i] = y[i] < 0 ? -1 : y[i] * times;
    }
    c.result(0, c.type(0), y);
  }
  static constexpr void eval(const attributes&, eval_context& c) {
    const auto& x = c.in(0).dims;
    const detail::strides own = detail::strides_of(x);
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* from) {
      detail::for_each_index(c.out().dims, [&](std::int64_t n, const auto& index) {
        std::int64_t at = 0;
        for (std::size_t d = 0; d < x.rank(); ++d) at += index[d] % x[d] * own.of[d];
        y[n] = from[at];
      });
    });
  }
};
static_assert(op<tile>);

/// y = x with the first lens[b] entries along time_axis of batch b in reverse order; lens: operand 1.  (ONNX ReverseSequence)
///
/// Shape:     y has the shape of x; lens [batch].
/// Elements:  any.
/// Tiling:    any slice of the other axes.
/// Errors:    axes other than 0 and 1, or equal ones; a length beyond the axis (when it is evaluated).
struct reverse_sequence {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, batch_axis), (defaulted<std::int64_t, 0>, time_axis));
  };
  static constexpr op_info info{
      .name = "reverse_sequence", .onnx = "ReverseSequence", .min_operands = 2, .max_operands = 2};
  static constexpr void infer(const attributes& a, infer_context& c) {
    const auto& x = c.dims(0);
    detail::require_integers(c, 1);
    detail::require_rank(c, 1, 1);
    if (x.rank() < 2 || a.batch_axis + a.time_axis != 1 || a.batch_axis * a.time_axis != 0)
      c.fail(text("batch_axis ") << a.batch_axis << " and time_axis " << a.time_axis << " must be 0 and 1 of "
                                 << x.print());
    c.result(0, c.type(0), x);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& x = c.in(0).dims;
    const auto batch = static_cast<std::size_t>(a.batch_axis.value);
    const auto time = static_cast<std::size_t>(a.time_axis.value);
    const std::int64_t step = detail::strides_of(x).of[time];
    for (const std::int64_t n : c.in(1).i) {
      if (n < 0 || n > x[time]) c.fail(text("length ") << n << " does not fit axis " << time << " of " << x.print());
    }
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* from) {
      detail::for_each_index(x, [&](std::int64_t n, const auto& index) {
        const std::int64_t length = c.in(1).i[static_cast<std::size_t>(index[batch])];
        const std::int64_t t = index[time];
        y[n] = from[n + (t < length ? length - 1 - 2 * t : 0) * step];
      });
    });
  }
};
static_assert(op<reverse_sequence>);

/// y = x with its channels, as a matrix of `groups` rows, read column by column. (No ONNX operator: canonicalize makes it.)
///
/// Shape:     x [N, C, H, W]; y has the shape of x.
/// Elements:  any.
/// Tiling:    N, rows, columns.
/// Errors:    rank other than 4; channels that groups does not divide.
struct channel_shuffle {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((std::int64_t, groups));
  };
  static constexpr op_info info{.name = "channel_shuffle"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_rank(c, 0, 4);
    const auto& x = c.dims(0);
    if (a.groups < 1 || (x[1] >= 0 && x[1] % a.groups != 0))
      c.fail(text("groups ") << a.groups << " does not divide the channels of " << x.print());
    c.result(0, c.type(0), x);
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    const auto& d = c.in(0).dims;
    const std::int64_t plane = d[2] * d[3];
    const std::int64_t columns = d[1] / a.groups;
    detail::with_elements(c.out(), c.in(0), [&](auto* y, const auto* x) {
      for (std::int64_t n = 0; n < d[0]; ++n) {
        for (std::int64_t ch = 0; ch < d[1]; ++ch) {
          const std::int64_t from = ch % a.groups * columns + ch / a.groups;
          for (std::int64_t i = 0; i < plane; ++i) y[(n * d[1] + ch) * plane + i] = x[(n * d[1] + from) * plane + i];
        }
      }
    });
  }
};
static_assert(op<channel_shuffle>);

} // namespace tmpu::top
