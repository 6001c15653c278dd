// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/top/cast.hpp"

/// Operators that draw numbers. What they give is fixed by the node's name and the attribute seed: the same node gives the
/// same numbers on every machine and in constant evaluation, two nodes give different ones. (ONNX leaves the generator open.)
namespace tmpu::top {

namespace detail {
/// splitmix64: a counter times an odd constant, mixed.
class generator {
public:
  constexpr generator(const eval_context& c, float seed) : state_(std::bit_cast<std::uint32_t>(seed)) {
    for (const char ch : c.graph().node_name(c.id()))
      state_ = (state_ ^ static_cast<unsigned char>(ch)) * 0x0000'0100'0000'01B3U;
  }
  /// In [0, 1), a multiple of 2^-53.
  constexpr double uniform() {
    state_ += 0x9E37'79B9'7F4A'7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9U;
    z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EBU;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }
  /// Of mean 0 and deviation 1 (Box and Muller; one of the pair is not used).
  constexpr double normal() {
    const double radius = math::sqrt(-2.0 * math::log(1.0 - uniform()));
    return radius * math::cos(6.283185307179586 * uniform());
  }

private:
  std::uint64_t state_;
};

constexpr dtype_id drawn_type(std::int64_t number, dtype_id otherwise, const infer_context& c) {
  const dtype_id type = number == 0 ? otherwise : dtype_of_onnx(number);
  if (type == dtype_id::none || type == dtype_id::string) c.fail(text("cannot make elements of ONNX type ") << number);
  return type;
}
constexpr void put_number(value& y, std::size_t n, double x) {
  if (is_floating(y.type)) {
    y.f[n] = round_to(y.type, static_cast<float>(x));
  } else {
    y.i[n] = to_integer(y.type, x);
  }
}
} // namespace detail

/// y[i] = a number that draw(attributes, generator) gives: the family of random tensors. Their shape is an attribute, or that of
/// an operand, whose elements are not read.
///
/// Shape:     y as the attribute shape, or as x.
/// Elements:  f32, f16, bf16; as dtype (a number of TensorProto.DataType), else as x.
/// Tiling:    none; on the host.
/// Errors:    a type that is not floating; a negative size.
template <class Self> struct random_tensor {
  static constexpr std::string_view domain = "top";
  template <class Attributes> static constexpr void infer(const Attributes& a, infer_context& c) {
    tmpu::shape y;
    dtype_id type = dtype_id::f32;
    if constexpr (requires { a.shape; }) {
      if (a.shape.size() > tmpu::shape::max_rank) c.fail("the result would have more than 8 dimensions");
      for (const std::int64_t d : a.shape) {
        if (d < 0) c.fail(text("a size must not be negative: ") << d);
        y.push_back(d);
      }
    } else {
      y = c.dims(0);
      type = c.type(0);
    }
    type = detail::drawn_type(a.dtype, type, c);
    if (!is_floating(type)) c.fail(text("draws floating-point elements, not ") << name_of(type));
    c.result(0, type, y);
  }
  template <class Attributes> static constexpr void eval(const Attributes& a, eval_context& c) {
    detail::generator from(c, a.seed);
    for (std::size_t n = 0; n < c.out().size(); ++n) detail::put_number(c.out(), n, Self::draw(a, from));
  }
};

/// y = numbers of equal probability in [low, high).                                            (ONNX RandomUniform)
struct random_uniform : random_tensor<random_uniform> {
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, dtype), (defaulted<float, 1>, high), (defaulted<float, 0>, low),
                (defaulted<float, 0>, seed), (ints, shape));
  };
  static constexpr op_info info{
      .name = "random_uniform", .onnx = "RandomUniform", .min_operands = 0, .max_operands = 0};
  static constexpr double draw(const auto& a, detail::generator& from) {
    const auto low = static_cast<double>(a.low.value);
    return low + (static_cast<double>(a.high.value) - low) * from.uniform();
  }
};
static_assert(op<random_uniform>);

/// The same in the shape of x.                                                                 (ONNX RandomUniformLike)
struct random_uniform_like : random_tensor<random_uniform_like> {
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, dtype), (defaulted<float, 1>, high), (defaulted<float, 0>, low),
                (defaulted<float, 0>, seed));
  };
  static constexpr op_info info{.name = "random_uniform_like", .onnx = "RandomUniformLike"};
  static constexpr double draw(const auto& a, detail::generator& from) { return random_uniform::draw(a, from); }
};
static_assert(op<random_uniform_like>);

/// y = normally distributed numbers of this mean, scale (deviation).                           (ONNX RandomNormal)
struct random_normal : random_tensor<random_normal> {
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 1>, dtype), (defaulted<float, 0>, mean), (defaulted<float, 1>, scale),
                (defaulted<float, 0>, seed), (ints, shape));
  };
  static constexpr op_info info{.name = "random_normal", .onnx = "RandomNormal", .min_operands = 0, .max_operands = 0};
  static constexpr double draw(const auto& a, detail::generator& from) {
    return static_cast<double>(a.mean.value) + static_cast<double>(a.scale.value) * from.normal();
  }
};
static_assert(op<random_normal>);

/// The same in the shape of x.                                                                 (ONNX RandomNormalLike)
struct random_normal_like : random_tensor<random_normal_like> {
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, dtype), (defaulted<float, 0>, mean), (defaulted<float, 1>, scale),
                (defaulted<float, 0>, seed));
  };
  static constexpr op_info info{.name = "random_normal_like", .onnx = "RandomNormalLike"};
  static constexpr double draw(const auto& a, detail::generator& from) { return random_normal::draw(a, from); }
};
static_assert(op<random_normal_like>);

/// y[i] = 1 with the probability x[i], else 0.                                                 (ONNX Bernoulli)
///
/// Shape:     y has the shape of x.
/// Elements:  x f32, f16, bf16; y as dtype (a number of TensorProto.DataType), else as x.
/// Tiling:    none; on the host.
/// Errors:    elements of another type.
struct bernoulli {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 0>, dtype), (defaulted<float, 0>, seed));
  };
  static constexpr op_info info{.name = "bernoulli", .onnx = "Bernoulli"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    c.result(0, detail::drawn_type(a.dtype, c.type(0), c), c.dims(0));
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    detail::generator from(c, a.seed);
    for (std::size_t n = 0; n < c.out().size(); ++n)
      detail::put_number(c.out(), n, from.uniform() < static_cast<double>(c.in(0).f[n]) ? 1.0 : 0.0);
  }
};
static_assert(op<bernoulli>);

/// y[b, n] = a class, k with a probability proportional to exp(x[b, k]); sample_size draws for each b.  (ONNX Multinomial)
///
/// Shape:     x [batch, classes]; y [batch, sample_size].
/// Elements:  x f32, f16, bf16; y i32 or i64, as dtype.
/// Tiling:    none; on the host.
/// Errors:    another rank or type.
struct multinomial {
  static constexpr std::string_view domain = "top";
  struct attributes {
    TMPU_STRUCT((defaulted<std::int64_t, 6>, dtype), (defaulted<std::int64_t, 1>, sample_size),
                (defaulted<float, 0>, seed));
  };
  static constexpr op_info info{.name = "multinomial", .onnx = "Multinomial"};
  static constexpr void infer(const attributes& a, infer_context& c) {
    detail::require_floating(c, 0);
    detail::require_rank(c, 0, 2);
    const dtype_id type = dtype_of_onnx(a.dtype);
    if (type != dtype_id::i32 && type != dtype_id::i64) c.fail(text("draws i32 or i64, not ONNX type ") << a.dtype);
    if (a.sample_size < 0) c.fail(text("sample_size must not be negative: ") << a.sample_size);
    c.result(0, type, {c.dims(0)[0], a.sample_size});
  }
  static constexpr void eval(const attributes& a, eval_context& c) {
    detail::generator from(c, a.seed);
    const auto classes = static_cast<std::size_t>(c.in(0).dims[1]);
    const auto draws = static_cast<std::size_t>(a.sample_size.value);
    for (std::size_t b = 0; b < static_cast<std::size_t>(c.in(0).dims[0]); ++b) {
      const float* x = c.in(0).f.data() + b * classes;
      float greatest = -math::infinity<float>;
      for (std::size_t k = 0; k < classes; ++k) greatest = x[k] > greatest ? x[k] : greatest;
      vec<double> until; // the sum of the weights up to each class
      double sum = 0.0;
      for (std::size_t k = 0; k < classes; ++k) {
        sum += math::exp(static_cast<double>(x[k]) - static_cast<double>(greatest));
        until.push_back(sum);
      }
      for (std::size_t n = 0; n < draws; ++n) {
        const double at = from.uniform() * sum;
        std::size_t k = 0;
        while (k + 1 < classes && until[k] <= at) ++k;
        c.out().i[b * draws + n] = static_cast<std::int64_t>(k);
      }
    }
  }
};
static_assert(op<multinomial>);

/// Operators of which two nodes with the same attributes and operands give different elements.
using random_operators =
    list<random_uniform, random_uniform_like, random_normal, random_normal_like, bernoulli, multinomial>;

} // namespace tmpu::top
