// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/math.hpp"
#include "tmpu/exec/kernels_dma.hpp"

namespace tmpu::exec {

namespace detail {

/// The mean of `count` taps, whose sum is given, in the scale of y: one rounding.
constexpr std::int32_t averaged(const isa::pool& i, std::int64_t sum, std::int64_t count) {
  const std::int64_t numerator = sum * i.multiplier;
  const std::int64_t denominator = count << i.shift;
  const std::int64_t magnitude = (numerator < 0 ? -numerator : numerator) + denominator / 2;
  const std::int64_t rounded = magnitude / denominator;
  return saturate(i.y_zero + (numerator < 0 ? -rounded : rounded), i.y.type, -math::infinity<float>,
                  math::infinity<float>);
}

template <class T> constexpr void run_pool(const isa::pool& i, memory& m, workspace& space) {
  using o = operands_of<T>;
  vec<T>& x = o::a(space);
  vec<T>& y = o::y(space);
  m.read(i.x, x);
  y.resize(static_cast<std::size_t>(std::int64_t{i.y.n} * i.y.c * i.y.h * i.y.w));
  T* to = y.data();
  for (std::int64_t plane = 0; plane < std::int64_t{i.y.n} * i.y.c; ++plane) {
    const T* xs = x.data() + plane * i.x.h * i.x.w;
    for (std::int64_t oy = 0; oy < i.y.h; ++oy) {
      const std::int64_t top = oy * i.stride_h - i.pad_top;
      const taps rows(top, i.dilation_h, i.kernel_h, i.x.h);
      for (std::int64_t ox = 0; ox < i.y.w; ++ox) {
        const std::int64_t left = ox * i.stride_w - i.pad_left;
        const taps columns(left, i.dilation_w, i.kernel_w, i.x.w);
        T best{};
        std::conditional_t<std::is_same_v<T, float>, float, std::int64_t> sum{};
        bool any = false;
        for (std::int64_t kh = rows.first; kh < rows.last; ++kh) {
          for (std::int64_t kw = columns.first; kw < columns.last; ++kw) {
            const T tap = xs[(top + kh * i.dilation_h) * i.x.w + left + kw * i.dilation_w];
            if (i.kind == isa::pool_kind::max) {
              if (!any || tap > best) best = tap;
              any = true;
            } else if constexpr (std::is_same_v<T, float>) {
              sum += tap;
            } else {
              sum += tap - i.x_zero;
            }
          }
        }
        const std::int64_t count = i.count_pad ? std::int64_t{i.kernel_h} * i.kernel_w
                                               : (rows.last - rows.first) * (columns.last - columns.first);
        if (i.kind == isa::pool_kind::max) {
          *to++ = best;
        } else if constexpr (std::is_same_v<T, float>) {
          *to++ = activation::divide(sum, static_cast<float>(count));
        } else if (count == 0) {
          *to++ = saturate(i.y_zero, i.y.type, -math::infinity<float>, math::infinity<float>);
        } else {
          *to++ = averaged(i, sum, count);
        }
      }
    }
  }
  m.write(i.y, y);
}

/// Offsets of a dense operand whose dimensions of 1 are broadcast to those of y.
struct broadcast_steps {
  std::int64_t n, c, h, w;
  constexpr explicit broadcast_steps(const isa::local_ref& r)
      : n(r.n == 1 ? 0 : std::int64_t{r.c} * r.h * r.w), c(r.c == 1 ? 0 : std::int64_t{r.h} * r.w),
        h(r.h == 1 ? 0 : r.w), w(r.w == 1 ? 0 : 1) {}
};

constexpr float combine(const isa::binary& i, float a, float b) {
  float v = 0.0F;
  switch (i.kind) {
  case isa::binary_kind::add: v = a + b; break;
  case isa::binary_kind::sub: v = a - b; break;
  case isa::binary_kind::mul: v = a * b; break;
  case isa::binary_kind::div: v = activation::divide(a, b); break;
  case isa::binary_kind::max: v = a < b ? b : a; break;
  case isa::binary_kind::min: v = b < a ? b : a; break;
  case isa::binary_kind::pow: v = math::pow(a, b); break;
  case isa::binary_kind::rest: v = activation::rest(a, b); break;
  }
  return activation::clip(v, i.low, i.high);
}
constexpr std::int32_t combine(const isa::binary& i, std::int32_t a, std::int32_t b) {
  const std::int64_t x = std::int64_t{a} - i.a_zero;
  const std::int64_t y = std::int64_t{b} - i.b_zero;
  const std::int64_t xm = x * i.a_multiplier;
  const std::int64_t ym = y * i.b_multiplier;
  std::int64_t v = 0;
  switch (i.kind) {
  case isa::binary_kind::add: v = rounding_shift(xm + ym, i.shift); break;
  case isa::binary_kind::sub: v = rounding_shift(xm - ym, i.shift); break;
  case isa::binary_kind::mul: v = requantize(x * y, i.a_multiplier, i.shift); break;
  case isa::binary_kind::max: v = rounding_shift(xm > ym ? xm : ym, i.shift); break;
  case isa::binary_kind::min: v = rounding_shift(xm < ym ? xm : ym, i.shift); break;
  case isa::binary_kind::div:
  case isa::binary_kind::pow:
  case isa::binary_kind::rest: break; // refused when the program is loaded
  }
  return saturate(v + i.y_zero, i.y.type, i.low, i.high);
}

template <class T> constexpr void run_binary(const isa::binary& i, memory& m, workspace& space) {
  using o = operands_of<T>;
  vec<T>& a = o::a(space);
  vec<T>& b = o::b(space);
  vec<T>& y = o::y(space);
  m.read(i.a, a);
  m.read(i.b, b);
  y.resize(static_cast<std::size_t>(std::int64_t{i.y.n} * i.y.c * i.y.h * i.y.w));
  const broadcast_steps as(i.a);
  const broadcast_steps bs(i.b);
  T* to = y.data();
  for (std::int64_t n = 0; n < i.y.n; ++n) {
    for (std::int64_t c = 0; c < i.y.c; ++c) {
      for (std::int64_t h = 0; h < i.y.h; ++h) {
        const T* ar = a.data() + n * as.n + c * as.c + h * as.h;
        const T* br = b.data() + n * bs.n + c * bs.c + h * bs.h;
        for (std::int64_t w = 0; w < i.y.w; ++w) *to++ = combine(i, ar[w * as.w], br[w * bs.w]);
      }
    }
  }
  m.write(i.y, y);
}

constexpr float apply(isa::unary_kind kind, float x, float alpha, float beta) {
  switch (kind) {
  case isa::unary_kind::clip: return activation::clip(x, alpha, beta);
  case isa::unary_kind::leaky_relu: return activation::leaky_relu(x, alpha);
  case isa::unary_kind::sigmoid: return activation::sigmoid(x);
  case isa::unary_kind::tanh: return activation::tanh(x);
  case isa::unary_kind::hard_sigmoid: return activation::hard_sigmoid(x, alpha, beta);
  case isa::unary_kind::hard_swish: return activation::hard_swish(x);
  case isa::unary_kind::silu: return activation::silu(x);
  case isa::unary_kind::elu: return activation::elu(x, alpha);
  case isa::unary_kind::softplus: return activation::softplus(x);
  case isa::unary_kind::gelu: return activation::gelu(x);
  case isa::unary_kind::gelu_tanh: return activation::gelu_tanh(x);
  case isa::unary_kind::erf: return activation::erf(x);
  case isa::unary_kind::exp: return activation::exp(x);
  case isa::unary_kind::log: return activation::log(x);
  case isa::unary_kind::sqrt: return activation::sqrt(x);
  case isa::unary_kind::reciprocal: return activation::reciprocal(x);
  case isa::unary_kind::abs: return activation::abs(x);
  case isa::unary_kind::neg: return activation::neg(x);
  case isa::unary_kind::mish: return activation::mish(x);
  case isa::unary_kind::softsign: return activation::softsign(x);
  case isa::unary_kind::selu: return activation::selu(x, alpha, beta);
  case isa::unary_kind::floor: return activation::floor(x);
  case isa::unary_kind::ceil: return activation::ceil(x);
  case isa::unary_kind::round: return activation::round(x);
  case isa::unary_kind::sin: return activation::sin(x);
  case isa::unary_kind::cos: return activation::cos(x);
  case isa::unary_kind::tan: return math::tan(x);
  case isa::unary_kind::asin: return math::asin(x);
  case isa::unary_kind::acos: return math::acos(x);
  case isa::unary_kind::atan: return math::atan(x);
  case isa::unary_kind::sinh: return math::sinh(x);
  case isa::unary_kind::cosh: return math::cosh(x);
  case isa::unary_kind::asinh: return math::asinh(x);
  case isa::unary_kind::acosh: return math::acosh(x);
  case isa::unary_kind::atanh: return math::atanh(x);
  case isa::unary_kind::sign: return activation::sign(x);
  case isa::unary_kind::celu: return activation::celu(x, alpha);
  case isa::unary_kind::thresholded_relu: return activation::thresholded_relu(x, alpha);
  case isa::unary_kind::shrink: return activation::shrink(x, alpha, beta);
  case isa::unary_kind::swish: return activation::swish(x, alpha);
  }
  return x;
}

template <class T> constexpr bool holds(isa::compare_kind kind, T a, T b) {
  switch (kind) {
  case isa::compare_kind::equal: return a == b;
  case isa::compare_kind::not_equal: return !(a == b);
  case isa::compare_kind::less: return a < b;
  case isa::compare_kind::less_or_equal: return a <= b;
  case isa::compare_kind::logical_and: return a != T{} && b != T{};
  case isa::compare_kind::logical_or: return a != T{} || b != T{};
  }
  return false;
}

/// Calls f(place in y, place in each operand) for all elements of y; operands are dense and broadcast.
template <class F>
constexpr void for_each_place(const isa::local_ref& y, const isa::local_ref& a, const isa::local_ref& b, F&& f) {
  const broadcast_steps as(a);
  const broadcast_steps bs(b);
  std::int64_t to = 0;
  for (std::int64_t n = 0; n < y.n; ++n) {
    for (std::int64_t c = 0; c < y.c; ++c) {
      for (std::int64_t h = 0; h < y.h; ++h) {
        for (std::int64_t w = 0; w < y.w; ++w, ++to)
          f(to, n * as.n + c * as.c + h * as.h + w * as.w, n * bs.n + c * bs.c + h * bs.h + w * bs.w);
      }
    }
  }
}
constexpr std::size_t elements_of(const isa::local_ref& r) {
  return static_cast<std::size_t>(std::int64_t{r.n} * r.c * r.h * r.w);
}

template <class T> constexpr void run_compare(const isa::compare& i, memory& m, workspace& space) {
  vec<T>& a = operands_of<T>::a(space);
  vec<T>& b = operands_of<T>::b(space);
  m.read(i.a, a);
  m.read(i.b, b);
  space.iy.resize(elements_of(i.y));
  for_each_place(i.y, i.a, i.b, [&](std::int64_t to, std::int64_t pa, std::int64_t pb) {
    space.iy.data()[to] = holds(i.kind, a.data()[pa], b.data()[pb]) ? 1 : 0;
  });
  m.write(i.y, space.iy);
}
/// First b everywhere, then a where the mask says so.
template <class T> constexpr void run_select(const isa::select& i, memory& m, workspace& space) {
  vec<T>& x = operands_of<T>::a(space);
  vec<T>& y = operands_of<T>::y(space);
  y.resize(elements_of(i.y));
  m.read(i.mask, space.ib);
  m.read(i.b, x);
  for_each_place(i.y, i.b, i.mask,
                 [&](std::int64_t to, std::int64_t from, std::int64_t) { y.data()[to] = x.data()[from]; });
  m.read(i.a, x);
  for_each_place(i.y, i.a, i.mask, [&](std::int64_t to, std::int64_t from, std::int64_t place) {
    if (space.ib.data()[place] != 0) y.data()[to] = x.data()[from];
  });
  m.write(i.y, y);
}

/// The low bits of x as the type has them; of bool, whether it is not 0.
constexpr std::int32_t wrapped(dtype_id type, std::int64_t x) {
  switch (type) {
  case dtype_id::boolean: return x != 0 ? 1 : 0;
  case dtype_id::u8: return static_cast<std::uint8_t>(x);
  case dtype_id::i8: return static_cast<std::int8_t>(x);
  default: return static_cast<std::int32_t>(x);
  }
}
/// a op b before it is wrapped; modulo 2^32 where it has more bits.
constexpr std::int64_t combine(isa::integer_kind kind, dtype_id type, std::int32_t a, std::int32_t b) {
  using enum isa::integer_kind;
  const std::int64_t x = a;
  const std::int64_t y = b;
  const std::uint32_t bits = type == dtype_id::i32 ? 32 : 8;
  const auto pattern = static_cast<std::uint32_t>(a) & (bits == 32 ? 0xFFFF'FFFFU : 0xFFU);
  const bool shifts = y >= 0 && y < static_cast<std::int64_t>(bits);
  switch (kind) {
  case add: return x + y;
  case sub: return x - y;
  case mul: return x * y;
  case div: return y == 0 ? 0 : x / y;
  case rest: return y == 0 ? 0 : x % y;
  case modulo: {
    const std::int64_t r = y == 0 ? 0 : x % y;
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
  }
  case power: {
    if (y < 0) return x == 1 ? 1 : x == -1 ? (y % 2 == 0 ? 1 : -1) : 0;
    std::uint32_t product = 1;
    std::uint32_t factor = pattern;
    if (type == dtype_id::i8) factor = static_cast<std::uint32_t>(a);
    for (std::int64_t left = y; left > 0; left /= 2, factor *= factor) {
      if (left % 2 == 1) product *= factor;
    }
    return product;
  }
  case max: return x < y ? y : x;
  case min: return y < x ? y : x;
  case bit_and: return x & y;
  case bit_or: return x | y;
  case bit_xor: return x ^ y;
  case shift_left: return shifts ? static_cast<std::int64_t>(std::uint64_t{pattern} << y) : 0;
  case shift_right: return shifts ? static_cast<std::int64_t>(pattern >> y) : 0;
  }
  return 0;
}
constexpr float met(isa::combine_kind kind, dtype_id, float there, float row) {
  switch (kind) {
  case isa::combine_kind::add: return there + row;
  case isa::combine_kind::mul: return there * row;
  case isa::combine_kind::max: return there < row ? row : there;
  case isa::combine_kind::min: return row < there ? row : there;
  }
  return there;
}
constexpr std::int32_t met(isa::combine_kind kind, dtype_id type, std::int32_t there, std::int32_t row) {
  constexpr isa::integer_kind kinds[] = {isa::integer_kind::add, isa::integer_kind::mul, isa::integer_kind::max,
                                         isa::integer_kind::min};
  return wrapped(type, combine(kinds[static_cast<std::size_t>(kind)], type, there, row));
}
/// Toward zero, within i32.
constexpr std::int32_t whole_part(float x) {
  if (math::is_nan(x)) return 0;
  if (x >= 0x1p31F) return 0x7FFF'FFFF;
  if (x < -0x1p31F) return -0x7FFF'FFFF - 1;
  return static_cast<std::int32_t>(x);
}

/// The integer nearest to x (half away from zero), far outside of every 8-bit range at the most; 0 for a NaN.
constexpr std::int64_t nearest_integer(float x) {
  if (math::is_nan(x)) return 0;
  constexpr float far = 1.0e9F;
  return static_cast<std::int64_t>(math::round_half_away(x < -far ? -far : x > far ? far : x));
}
} // namespace detail

constexpr void run(const isa::pool& i, memory& m, workspace& w) {
  is_floating(i.x.type) ? detail::run_pool<float>(i, m, w) : detail::run_pool<std::int32_t>(i, m, w);
}
constexpr void run(const isa::binary& i, memory& m, workspace& w) {
  is_floating(i.y.type) ? detail::run_binary<float>(i, m, w) : detail::run_binary<std::int32_t>(i, m, w);
}
constexpr void run(const isa::compare& i, memory& m, workspace& w) {
  is_floating(i.a.type) ? detail::run_compare<float>(i, m, w) : detail::run_compare<std::int32_t>(i, m, w);
}
constexpr void run(const isa::select& i, memory& m, workspace& w) {
  is_floating(i.y.type) ? detail::run_select<float>(i, m, w) : detail::run_select<std::int32_t>(i, m, w);
}
constexpr void run(const isa::unary& i, memory& m, workspace& space) {
  m.read(i.x, space.fa);
  for (float& v : space.fa) v = detail::apply(i.kind, v, i.alpha, i.beta);
  m.write(i.y, space.fa);
}
constexpr void run(const isa::lookup& i, memory& m, workspace& space) {
  m.read(i.table, space.ib);
  m.read(i.x, space.ia);
  const auto least = static_cast<std::int32_t>(least_of(i.x.type));
  for (std::int32_t& v : space.ia) v = space.ib.data()[v - least];
  m.write(i.y, space.ia);
}
constexpr void run(const isa::cast& i, memory& m, workspace& space) {
  constexpr float infinity = math::infinity<float>;
  const bool from_float = is_floating(i.x.type);
  const bool to_float = is_floating(i.y.type);
  from_float ? m.read(i.x, space.fa) : m.read(i.x, space.ia);
  if (from_float && !to_float) {
    space.iy.resize(space.fa.size());
    for (std::size_t n = 0; n < space.fa.size(); ++n) {
      space.iy[n] = saturate(i.y_zero + detail::nearest_integer(space.fa[n] / i.scale), i.y.type, -infinity, infinity);
    }
  } else if (!from_float && to_float) {
    space.fa.resize(space.ia.size());
    for (std::size_t n = 0; n < space.ia.size(); ++n)
      space.fa[n] = static_cast<float>(space.ia[n] - i.x_zero) * i.scale;
  } else if (!from_float) {
    space.iy.resize(space.ia.size());
    for (std::size_t n = 0; n < space.ia.size(); ++n) {
      space.iy[n] = saturate(i.y_zero + requantize(std::int64_t{space.ia[n]} - i.x_zero, i.multiplier, i.shift),
                             i.y.type, -infinity, infinity);
    }
  }
  to_float ? m.write(i.y, space.fa) : m.write(i.y, space.iy);
}
constexpr void run(const isa::dequant& i, memory& m, workspace& space) {
  const bool floating = is_floating(i.x.type);
  floating ? m.read(i.x, space.fa) : m.read(i.x, space.ia);
  m.read(i.scale, space.fb);
  const std::int64_t plane = std::int64_t{i.y.h} * i.y.w;
  const std::int64_t groups = i.x.h;
  space.fy.resize(static_cast<std::size_t>(i.y.c * plane));
  float* to = space.fy.data();
  for (std::int64_t c = 0; c < i.y.c; ++c) {
    for (std::int64_t e = 0; e < plane; ++e) {
      const std::int64_t row = c * groups + e / i.group;
      const auto at = static_cast<std::size_t>(row * i.x.w + e % i.group);
      *to++ = (floating ? space.fa[at] : static_cast<float>(space.ia[at])) * space.fb.data()[row];
    }
  }
  m.write(i.y, space.fy);
}
constexpr void run(const isa::integer& i, memory& m, workspace& space) {
  m.read(i.a, space.ia);
  m.read(i.b, space.ib);
  space.iy.resize(detail::elements_of(i.y));
  detail::for_each_place(i.y, i.a, i.b, [&](std::int64_t to, std::int64_t pa, std::int64_t pb) {
    space.iy.data()[to] =
        detail::wrapped(i.y.type, detail::combine(i.kind, i.y.type, space.ia.data()[pa], space.ib.data()[pb]));
  });
  m.write(i.y, space.iy);
}
constexpr void run(const isa::dma_combine& i, memory& m, workspace& space) {
  m.read(i.index, space.ia);
  with_storage(i.dst.type, [&]<class Storage>(Storage) {
    using word = typename Storage::word;
    for (std::int64_t c = 0; c < i.src.c; ++c) {
      std::uint8_t* to = m.writable(i.dst) + detail::row_of(space.ia.data()[c], i.dst.c) * i.dst.c_stride;
      const std::uint8_t* from = m.plane(i.src, 0, c);
      for (std::int64_t w = 0; w < i.src.w; ++w, to += i.dst.w_stride, from += sizeof(word)) {
        const auto there = widen<Storage>(load<word>(to));
        store<word>(to, narrow<Storage>(detail::met(i.kind, i.dst.type, there, widen<Storage>(load<word>(from)))));
      }
    }
  });
}
constexpr void run(const isa::convert& i, memory& m, workspace& space) {
  const bool to_float = is_floating(i.y.type);
  if (is_floating(i.x.type)) {
    m.read(i.x, space.fa);
    if (to_float) return m.write(i.y, space.fa);
    space.iy.resize(space.fa.size());
    for (std::size_t n = 0; n < space.fa.size(); ++n) {
      const float x = space.fa[n];
      space.iy[n] =
          i.y.type == dtype_id::boolean ? (x == 0.0F ? 0 : 1) : detail::wrapped(i.y.type, detail::whole_part(x));
    }
    return m.write(i.y, space.iy);
  }
  m.read(i.x, space.ia);
  if (!to_float) {
    for (std::int32_t& x : space.ia) x = detail::wrapped(i.y.type, x);
    return m.write(i.y, space.ia);
  }
  space.fa.resize(space.ia.size());
  for (std::size_t n = 0; n < space.ia.size(); ++n) space.fa[n] = static_cast<float>(space.ia[n]);
  m.write(i.y, space.fa);
}
constexpr void run(const isa::reduce& i, memory& m, workspace& space) {
  m.read(i.x, space.fa);
  const std::int64_t plane = std::int64_t{i.x.h} * i.x.w;
  space.fy.resize(static_cast<std::size_t>(std::int64_t{i.y.n} * i.y.c));
  const float* from = space.fa.data();
  constexpr float infinity = math::infinity<float>;
  constexpr float starts[] = {0.0F, -infinity, infinity, 1.0F}; // as reduce_kind
  for (float& y : space.fy) {
    float v = starts[static_cast<std::size_t>(i.kind)];
    for (std::int64_t p = 0; p < plane; ++p) {
      const float x = from[p];
      if (i.kind == isa::reduce_kind::sum) v += x;
      if (i.kind == isa::reduce_kind::product) v *= x;
      if ((i.kind == isa::reduce_kind::max && x > v) || (i.kind == isa::reduce_kind::min && x < v)) v = x;
    }
    y = v;
    from += plane;
  }
  m.write(i.y, space.fy);
}
constexpr void run(const isa::fill& i, memory& m, workspace& space) {
  const auto count = static_cast<std::size_t>(std::int64_t{i.y.n} * i.y.c * i.y.h * i.y.w);
  if (is_floating(i.y.type)) {
    space.fy.resize(count);
    for (float& v : space.fy) v = i.value;
    m.write(i.y, space.fy);
  } else {
    space.iy.resize(count);
    for (std::int32_t& v : space.iy) v = detail::whole_part(i.value);
    m.write(i.y, space.iy);
  }
}

} // namespace tmpu::exec
