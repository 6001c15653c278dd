// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/reshape.hpp"

namespace tmpu::top {

namespace detail {

/// A complex number; sums of the Fourier transforms are in double.
struct complex {
  double re = 0.0;
  double im = 0.0;
};

/// The discrete Fourier transform of one length: y[k] = sum over n of x[n] * exp(-2 pi i k n / length), with + where inverse
/// (not divided by the length). Splits off prime factors, smallest first.
class fourier {
public:
  constexpr fourier(std::int64_t length, bool inverse)
      : length_(length), roots_(static_cast<std::size_t>(length)), room_(static_cast<std::size_t>(length)) {
    constexpr double two_pi = 6.283185307179586476925286766559;
    constexpr complex quarters[] = {{1.0, 0.0}, {0.0, 1.0}, {-1.0, 0.0}, {0.0, -1.0}};
    for (std::int64_t n = 0; n < length; ++n) {
      complex root = quarters[4 * n / length];
      if (4 * n % length != 0) { // quarter turns are exact
        const double angle = two_pi * static_cast<double>(n) / static_cast<double>(length);
        root = {math::cos(angle), math::sin(angle)};
      }
      roots_[static_cast<std::size_t>(n)] = {root.re, inverse ? root.im : -root.im};
    }
  }
  constexpr void operator()(const vec<complex>& x, vec<complex>& y) {
    if (length_ > 0) transform(x.data(), 1, y.data(), length_);
  }

private:
  /// y[0..n) from x[0], x[step], ...
  constexpr void transform(const complex* x, std::int64_t step, complex* y, std::int64_t n) {
    if (n == 1) {
      y[0] = x[0];
      return;
    }
    std::int64_t factor = 2;
    while (factor * factor <= n && n % factor != 0) ++factor;
    if (n % factor != 0) factor = n;
    const std::int64_t part = n / factor;
    for (std::int64_t r = 0; r < factor; ++r) transform(x + r * step, step * factor, y + r * part, part);
    complex* sums = room_.data();
    const std::int64_t turn = length_ / n;
    for (std::int64_t k = 0; k < n; ++k) {
      complex s;
      for (std::int64_t r = 0; r < factor; ++r) {
        const complex& w = roots_[static_cast<std::size_t>(r * k % n * turn)];
        const complex& v = y[r * part + k % part];
        s.re += v.re * w.re - v.im * w.im;
        s.im += v.re * w.im + v.im * w.re;
      }
      sums[k] = s;
    }
    for (std::int64_t k = 0; k < n; ++k) y[k] = sums[k];
  }

  std::int64_t length_;
  vec<complex> roots_;
  vec<complex> room_;
};

/// The one integer that an operand holds.
template <class Context> constexpr std::int64_t integer_of(const Context& c, std::size_t i, const value& v) {
  if (is_floating(v.type) || v.size() != 1) c.fail(text("operand ") << i << " must be one integer");
  return v.i[0];
}
constexpr std::int64_t spectrum_size(std::int64_t length, bool onesided) { return onesided ? length / 2 + 1 : length; }

} // namespace detail

/// The discrete Fourier transform along one axis (operand 2, otherwise the last but one): forward sums with
/// exp(-2 pi i k n / length), inverse with + and a division by the length. Operand 1: the length, to which x is cut or filled with zeros.
/// onesided: the forward transform of real numbers gives its first half; the inverse one takes that and gives real numbers.
///                                                                                              (ONNX DFT)
///
/// Shape:     x [..., 1 or 2], the last axis being real and imaginary part; y [..., 2] (onesided inverse: [..., 1]).
/// Elements:  f32, f16, bf16, f64 (sums in double).
/// Tiling:    the other axes.
/// Errors:    a last axis of another size, an axis outside of x or the last one, a length below 1, onesided of complex numbers.
struct dft {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, inverse), (defaulted<std::int64_t, 0>, onesided));
  };
  static constexpr op_info info{.name = "dft", .onnx = "DFT", .max_operands = 3};

  static constexpr std::int64_t natural_length(const attributes& a, std::int64_t size) {
    return a.onesided != 0 && a.inverse != 0 ? 2 * (size - 1) : size;
  }
  template <class Context> static constexpr std::size_t axis_of(std::size_t rank, std::int64_t axis, const Context& c) {
    const std::size_t n = detail::axis_at(axis, rank, c);
    if (n + 1 == rank) c.fail("cannot transform along the last axis, which holds real and imaginary part");
    return n;
  }

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    const auto& x = c.dims(0);
    if (x.rank() < 2) c.fail(text("needs an input [..., 1 or 2], but it is ") << x.print());
    const std::int64_t parts = x[x.rank() - 1];
    const bool real_result = a.onesided != 0 && a.inverse != 0;
    if (parts != 1 && parts != 2) c.fail(text("the last axis must be 1 or 2, but x is ") << x.print());
    if (a.onesided != 0 && a.inverse == 0 && parts != 1) c.fail("onesided takes real numbers: a last axis of 1");
    auto y = x;
    y[x.rank() - 1] = real_result ? 1 : 2;
    if (c.has(2) && !c.is_constant(2)) { // any axis may get another length
      const bool same = a.onesided == 0 && !c.has(1);
      for (std::size_t i = 0; i + 1 < x.rank(); ++i) y[i] = same ? x[i] : -1;
    } else {
      const std::size_t axis = axis_of(x.rank(), c.has(2) ? detail::integer_of(c, 2, c.constant(2)) : -2, c);
      std::int64_t length = x[axis] < 0 ? -1 : natural_length(a, x[axis]);
      if (c.has(1)) length = c.is_constant(1) ? detail::integer_of(c, 1, c.constant(1)) : -1;
      if (length < 1 && (c.has(1) ? c.is_constant(1) : x[axis] >= 0))
        c.fail(text("the length must be at least 1, but is ") << length);
      y[axis] = length < 0 || real_result ? length : detail::spectrum_size(length, a.onesided != 0);
    }
    c.result(0, c.type(0), y);
  }

  static constexpr void eval(const attributes& a, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const auto axis = axis_of(x.dims.rank(), c.has(2) ? detail::integer_of(c, 2, c.in(2)) : -2, c);
    const std::int64_t length = c.has(1) ? detail::integer_of(c, 1, c.in(1)) : natural_length(a, x.dims[axis]);
    const std::int64_t parts = x.dims[x.dims.rank() - 1];
    const std::int64_t parts_of_y = y.dims[y.dims.rank() - 1];
    // The last axis goes along with each element.
    const detail::axis_view from(tmpu::shape(x.dims.span().first(x.dims.rank() - 1)), axis);
    const detail::axis_view to(tmpu::shape(y.dims.span().first(x.dims.rank() - 1)), axis);
    lines transform(a, length);
    for (std::int64_t o = 0; o < from.outer; ++o) {
      for (std::int64_t i = 0; i < from.inner; ++i) {
        const float* in = x.f.data() + (o * from.size * from.inner + i) * parts;
        transform.read(in, from.size, from.inner * parts, parts);
        transform.write(y.f.data() + (o * to.size * to.inner + i) * parts_of_y, to.size, to.inner * parts_of_y,
                        parts_of_y);
      }
    }
    detail::round_elements(y);
  }
  /// The transform of one line x [size, parts], `count` numbers of it.
  static constexpr floats transformed(const attributes& a, const value& x, std::int64_t length, std::int64_t count) {
    const std::int64_t parts = a.onesided != 0 && a.inverse != 0 ? 1 : 2;
    lines transform(a, length);
    transform.read(x.f.data(), x.dims[0], x.dims[1], x.dims[1]);
    floats y(static_cast<std::size_t>(count));
    transform.write(y.data(), count / parts, parts, parts);
    return y;
  }

private:
  /// Transforms lines of one length, one after the other; elements of a line lie `step` numbers apart.
  class lines {
  public:
    constexpr lines(const attributes& a, std::int64_t length)
        : mirrored_(a.onesided != 0 && a.inverse != 0), length_(length),
          divisor_(a.inverse != 0 ? static_cast<double>(length) : 1.0), transform_(length, a.inverse != 0),
          line_(static_cast<std::size_t>(length)), spectrum_(static_cast<std::size_t>(length)) {}
    constexpr void read(const float* x, std::int64_t size, std::int64_t step, std::int64_t parts) {
      for (std::int64_t n = 0; n < length_; ++n) {
        // The second half of a real signal's spectrum mirrors the first.
        const bool mirrored = mirrored_ && n > length_ / 2;
        const std::int64_t k = mirrored ? length_ - n : n;
        detail::complex v;
        if (k < size) {
          v.re = static_cast<double>(x[k * step]);
          v.im = parts < 2 ? 0.0 : static_cast<double>(x[k * step + 1]);
          if (mirrored_ && (k == 0 || 2 * k == length_)) v.im = 0.0;
          if (mirrored) v.im = -v.im;
        }
        line_[static_cast<std::size_t>(n)] = v;
      }
      transform_(line_, spectrum_);
    }
    constexpr void write(float* y, std::int64_t size, std::int64_t step, std::int64_t parts) const {
      for (std::int64_t n = 0; n < size; ++n) {
        const detail::complex& v = spectrum_[static_cast<std::size_t>(n)];
        y[n * step] = static_cast<float>(v.re / divisor_);
        if (parts > 1) y[n * step + 1] = static_cast<float>(v.im / divisor_);
      }
    }

  private:
    bool mirrored_;
    std::int64_t length_;
    double divisor_;
    detail::fourier transform_;
    vec<detail::complex> line_;
    vec<detail::complex> spectrum_;
  };
};
static_assert(op<dft>);

/// The Fourier transforms of the frames of a signal, operand 1 apart, each times the window (operand 2).  (ONNX STFT)
///
/// Shape:     x [N, L, 1 or 2], step, window [length], or the length in operand 3; y [N, (L - length) / step + 1, bins, 2] with
///            bins = length / 2 + 1 if onesided, otherwise length.
/// Elements:  f32, f16, bf16, f64 (sums in double).
/// Tiling:    N, frames.
/// Errors:    a step or length below 1, a window of another length, a signal shorter than a frame, onesided of complex numbers.
struct stft {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, onesided));
  };
  static constexpr op_info info{.name = "stft", .onnx = "STFT", .min_operands = 2, .max_operands = 4};

  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_rank(c, 0, 3);
    const auto& x = c.dims(0);
    if (x[2] != 1 && x[2] != 2) c.fail(text("the last axis must be 1 or 2, but x is ") << x.print());
    if (a.onesided != 0 && x[2] == 2) c.fail("onesided takes real numbers: a last axis of 1");
    if (c.has(2)) {
      detail::require_floating(c, 2);
      detail::require_rank(c, 2, 1);
    }
    std::int64_t length = c.has(2) ? c.dims(2)[0] : x[1];
    if (c.has(3)) {
      const std::int64_t given = c.is_constant(3) ? detail::integer_of(c, 3, c.constant(3)) : -1;
      if (c.has(2) && given >= 0 && length >= 0 && given != length)
        c.fail(text("the window has ") << length << " elements, but the frame length is " << given);
      if (given >= 0 || !c.has(2)) length = given;
      if (given < 1 && c.is_constant(3)) c.fail(text("the frame length must be at least 1, but is ") << given);
    }
    std::int64_t frames = -1;
    if (c.is_constant(1)) {
      const std::int64_t step = detail::integer_of(c, 1, c.constant(1));
      if (step < 1) c.fail(text("the frame step must be at least 1, but is ") << step);
      if (length >= 0 && x[1] >= 0) {
        if (length < 1 || length > x[1])
          c.fail(text("a frame of ") << length << " elements does not fit a signal of " << x[1]);
        frames = (x[1] - length) / step + 1;
      }
    }
    const std::int64_t bins = length < 0 ? -1 : detail::spectrum_size(length, a.onesided != 0);
    c.result(0, c.type(0), {x[0], frames, bins, 2});
  }

  static constexpr void eval(const attributes&, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const std::int64_t step = detail::integer_of(c, 1, c.in(1));
    std::int64_t length = c.has(2) ? c.in(2).dims[0] : x.dims[1];
    if (c.has(3)) length = detail::integer_of(c, 3, c.in(3));
    const std::int64_t parts = x.dims[2];
    const std::int64_t bins = y.dims[2];
    detail::fourier transform(length, false);
    vec<detail::complex> line(static_cast<std::size_t>(length));
    vec<detail::complex> spectrum(static_cast<std::size_t>(length));
    float* to = y.f.data();
    for (std::int64_t n = 0; n < y.dims[0]; ++n) {
      for (std::int64_t frame = 0; frame < y.dims[1]; ++frame) {
        const float* from = x.f.data() + (n * x.dims[1] + frame * step) * parts;
        for (std::int64_t i = 0; i < length; ++i) {
          const auto at = static_cast<std::size_t>(i);
          const double weight = c.has(2) ? static_cast<double>(c.in(2).f[at]) : 1.0;
          line[at] = {weight * static_cast<double>(from[i * parts]),
                      parts < 2 ? 0.0 : weight * static_cast<double>(from[i * parts + 1])};
        }
        transform(line, spectrum);
        for (std::int64_t k = 0; k < bins; ++k) {
          *to++ = static_cast<float>(spectrum[static_cast<std::size_t>(k)].re);
          *to++ = static_cast<float>(spectrum[static_cast<std::size_t>(k)].im);
        }
      }
    }
    detail::round_elements(y);
  }
};
static_assert(op<stft>);

} // namespace tmpu::top
