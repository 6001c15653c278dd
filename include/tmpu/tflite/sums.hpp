// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/tflite/importing.hpp"
#include "tmpu/top/arg.hpp"
#include "tmpu/top/binary.hpp"
#include "tmpu/top/cast.hpp"
#include "tmpu/top/comparison.hpp"
#include "tmpu/top/conv.hpp"
#include "tmpu/top/lp_norm.hpp"
#include "tmpu/top/matmul.hpp"
#include "tmpu/top/pool.hpp"
#include "tmpu/top/reduce.hpp"
#include "tmpu/top/select.hpp"
#include "tmpu/top/softmax.hpp"

#include <array>

/// TensorFlow Lite's operators that compute: convolutions, pools, functions, reductions.
namespace tmpu::tflite {

namespace detail {
/// The window's attributes that all of TensorFlow Lite's windows have: option 0 is the padding (SAME or VALID), then the strides.
template <class Attributes>
void set_window(Attributes& a, const importing& m, std::int64_t height, std::int64_t width) {
  a.auto_pad = m.byte(0) == 0 ? "SAME_UPPER" : "VALID";
  a.strides = {m.integer(2), m.integer(1)};
  a.kernel_shape = {height, width};
}
} // namespace detail

// --- convolutions, matrix products, pools ----------------------------------------------------------------------------

namespace detail {
/// Conv of operand 0 with weights w [OC, IC / groups, KH, KW] and the bias that operand 2 is; `dilation`: the number of the option of
/// dilation_w_factor, behind which dilation_h_factor stands.
inline void convolve(importing& m, tensor_id w, std::int64_t groups, int dilation, std::int8_t activation) {
  const shape d = m.dims_of(w);
  top::conv::attributes a{};
  set_window(a, m, d[2], d[3]);
  a.dilations = {m.integer(dilation + 1, 1), m.integer(dilation, 1)};
  a.group = groups;
  vec<tensor_id> operands{m.channels_first(m.operand(0)), w};
  if (m.has(2)) operands.push_back(m.operand(2));
  m.result(m.channels_last(m.add<top::conv>(a, operands.span())), activation);
}
} // namespace detail

/// x [N, H, W, IC], weights [OC, KH, KW, IC / groups], bias [OC].
struct conv_2d {
  static constexpr std::int32_t code = code_of("CONV_2D");
  static void add(importing& m) {
    const tensor_id w = m.permuted(1, {0, 3, 1, 2});
    const shape d = m.dims_of(w);
    if (d[1] < 1 || m.dim(0, 3) % d[1] != 0)
      m.fail(text("weights ") << d.print() << " do not fit x " << m.dims(0).print());
    detail::convolve(m, w, m.dim(0, 3) / d[1], 4, m.byte(3));
  }
};

/// x [N, H, W, C], weights [1, KH, KW, C * multiplier], bias [C * multiplier].
struct depthwise_conv_2d {
  static constexpr std::int32_t code = code_of("DEPTHWISE_CONV_2D");
  static void add(importing& m) { detail::convolve(m, m.permuted(1, {3, 0, 1, 2}), m.dim(0, 3), 5, m.byte(4)); }
};

/// The shape of the result, weights [OC, KH, KW, IC], x [N, H, W, IC], bias [OC].
struct transpose_conv {
  static constexpr std::int32_t code = code_of("TRANSPOSE_CONV");
  static void add(importing& m) {
    const ints wanted = m.list(0);
    const tensor_id w = m.permuted(1, {3, 0, 1, 2});
    const shape d = m.dims_of(w);
    if (wanted.size() != 4) m.fail("the shape of the result must have 4 sizes");
    top::conv_transpose::attributes a{};
    a.kernel_shape = {d[2], d[3]};
    a.strides = {m.integer(2), m.integer(1)};
    a.pads = {0, 0, 0, 0};
    a.output_padding = {0, 0};
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t over = (m.dim(2, 1 + i) - 1) * a.strides[i] + a.kernel_shape[i] - wanted[1 + i];
      a.pads[i] = over > 0 ? over / 2 : 0;
      a.pads[2 + i] = over > 0 ? over - over / 2 : 0;
      a.output_padding[i] = over < 0 ? -over : 0;
    }
    vec<tensor_id> operands{m.channels_first(m.operand(2)), w};
    if (m.has(3)) operands.push_back(m.operand(3));
    m.result(m.channels_last(m.add<top::conv_transpose>(a, operands.span())), m.byte(3));
  }
};

/// x [..., I], weights [O, I], bias [O]. Without keep_num_dims all axes of x but those that make I are one.
struct fully_connected {
  static constexpr std::int32_t code = code_of("FULLY_CONNECTED");
  static void add(importing& m) {
    if (m.byte(1) != 0) m.fail("weights in a shuffled format are not read: convert the model without it");
    const shape w = m.dims(1);
    if (w.rank() != 2) m.fail(text("weights must have 2 axes, not ") << w.print());
    tensor_id x = m.operand(0);
    const shape d = m.dims_of(x);
    if (d.rank() != 2 || d[1] != w[1]) x = m.reshaped(x, {-1, w[1]});
    top::gemm::attributes a{};
    a.transB = 1;
    vec<tensor_id> operands{x, m.operand(1)};
    if (m.has(2)) operands.push_back(m.operand(2));
    tensor_id y = m.add<top::gemm>(a, operands.span());
    if (m.flag(2) && d.rank() != 2) {
      ints whole(d.span());
      whole.back() = w[0];
      y = m.reshaped(y, whole);
    }
    m.result(y, m.byte(0));
  }
};

struct batch_matmul {
  static constexpr std::int32_t code = code_of("BATCH_MATMUL");
  static void add(importing& m) {
    const auto turned = [&](std::size_t i) {
      if (!m.flag(static_cast<int>(i))) return m.operand(i);
      ints perm;
      for (std::size_t d = 0; d < m.dims(i).rank(); ++d) perm.push_back(static_cast<std::int64_t>(d));
      if (perm.size() < 2) m.fail("takes matrices");
      std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
      return m.permuted(i, perm);
    };
    const tensor_id x = turned(0);
    m.result(m.add<top::matmul>({}, {x, turned(1)}));
  }
};

template <operator_name Name, class Op> struct pool {
  static constexpr std::int32_t code = Name.code();
  static void add(importing& m) {
    typename Op::attributes a{};
    detail::set_window(a, m, m.integer(4), m.integer(3));
    m.result(m.channels_last(m.add<Op>(a, {m.channels_first(m.operand(0))})), m.byte(5));
  }
};

// --- functions of one operand ----------------------------------------------------------------------------------------

template <operator_name Name, class Op> struct one {
  static constexpr std::int32_t code = Name.code();
  static void add(importing& m) { m.result(m.add<Op>({}, {m.operand(0)})); }
};
template <operator_name Name, int Low, int High> struct bounds {
  static constexpr std::int32_t code = Name.code();
  static void add(importing& m) {
    m.result(m.clamped(m.operand(0), static_cast<float>(Low), static_cast<float>(High)));
  }
};
struct leaky_relu {
  static constexpr std::int32_t code = code_of("LEAKY_RELU");
  static void add(importing& m) {
    top::leaky_relu::attributes a{};
    a.alpha = m.real(0);
    m.result(m.add<top::leaky_relu>(a, {m.operand(0)}));
  }
};
struct gelu {
  static constexpr std::int32_t code = code_of("GELU");
  static void add(importing& m) {
    top::gelu::attributes a{};
    if (m.flag(0)) a.approximate = "tanh";
    m.result(m.add<top::gelu>(a, {m.operand(0)}));
  }
};
struct rsqrt {
  static constexpr std::int32_t code = code_of("RSQRT");
  static void add(importing& m) { m.result(m.add<top::reciprocal>({}, {m.add<top::sqrt>({}, {m.operand(0)})})); }
};
struct square {
  static constexpr std::int32_t code = code_of("SQUARE");
  static void add(importing& m) { m.result(m.add<top::mul>({}, {m.operand(0), m.operand(0)})); }
};
/// Softmax of beta * x along the last axis.
struct softmax {
  static constexpr std::int32_t code = code_of("SOFTMAX");
  static void add(importing& m) {
    tensor_id x = m.operand(0);
    if (const float beta = m.real(0); beta != 1.0F && beta != 0.0F) x = m.add<top::mul>({}, {x, m.constant(beta)});
    m.result(m.add<top::softmax>({}, {x}));
  }
};
struct log_softmax {
  static constexpr std::int32_t code = code_of("LOG_SOFTMAX");
  static void add(importing& m) { m.result(m.add<top::log_softmax>({}, {m.operand(0)})); }
};
struct l2_normalization {
  static constexpr std::int32_t code = code_of("L2_NORMALIZATION");
  static void add(importing& m) { m.result(m.add<top::lp_normalization>({}, {m.operand(0)}), m.byte(0)); }
};
/// Both of them between real numbers here: a result of quantized integers goes through QuantizeLinear by itself.
struct quantize {
  static constexpr std::int32_t code = code_of("QUANTIZE");
  static void add(importing& m) { m.result(m.operand(0)); }
};
struct dequantize {
  static constexpr std::int32_t code = code_of("DEQUANTIZE");
  static void add(importing& m) {
    top::cast::attributes a{};
    a.to = static_cast<std::int64_t>(onnx_number_of(dtype_id::f32));
    const tensor_id x = m.operand(0);
    m.result(m.type_of(x) == dtype_id::f32 ? x : m.add<top::cast>(a, {x})); // weights in f16
  }
};
struct cast {
  static constexpr std::int32_t code = code_of("CAST");
  static void add(importing& m) {
    if (m.result_type() == dtype_id::none) m.fail("the result has elements that tmpu does not know");
    top::cast::attributes a{};
    a.to = static_cast<std::int64_t>(onnx_number_of(m.result_type()));
    m.result(m.add<top::cast>(a, {m.operand(0)}));
  }
};

// --- two operands and more -------------------------------------------------------------------------------------------

/// Arithmetic with a fused activation.
template <operator_name Name, class Op> struct two {
  static constexpr std::int32_t code = Name.code();
  static void add(importing& m) {
    const tensor_id x = m.operand(0);
    m.result(m.add<Op>({}, {x, m.operand(1)}), m.byte(0));
  }
};
template <operator_name Name, class Op> struct many {
  static constexpr std::int32_t code = Name.code();
  static void add(importing& m) {
    vec<tensor_id> operands;
    for (std::size_t i = 0; i < m.operand_count(); ++i) operands.push_back(m.operand(i));
    m.result(m.add<Op>({}, operands.span()));
  }
};
struct squared_difference {
  static constexpr std::int32_t code = code_of("SQUARED_DIFFERENCE");
  static void add(importing& m) {
    const tensor_id x = m.operand(0);
    const tensor_id d = m.add<top::sub>({}, {x, m.operand(1)});
    m.result(m.add<top::mul>({}, {d, d}));
  }
};
struct floor_div {
  static constexpr std::int32_t code = code_of("FLOOR_DIV");
  static void add(importing& m) {
    const tensor_id x = m.operand(0);
    if (!is_floating(m.type_of(x)))
      m.fail(text("elements of ") << name_of(m.type_of(x)) << " are not divided so: floats only");
    m.result(m.add<top::floor>({}, {m.add<top::div>({}, {x, m.operand(1)})}));
  }
};
struct not_equal {
  static constexpr std::int32_t code = code_of("NOT_EQUAL");
  static void add(importing& m) {
    const tensor_id x = m.operand(0);
    m.result(m.add<top::logical_not>({}, {m.add<top::equal>({}, {x, m.operand(1)})}));
  }
};

// --- reductions ------------------------------------------------------------------------------------------------------

template <operator_name Name, class Op> struct reduction {
  static constexpr std::int32_t code = Name.code();
  static void add(importing& m) {
    typename Op::attributes a{};
    for (const std::int64_t n : m.list(1)) a.axes.push_back(m.axis(n, m.dims(0).rank()));
    a.keepdims = m.flag(0) ? 1 : 0;
    m.result(m.add<Op>(a, {m.operand(0)}));
  }
};
template <operator_name Name, class Op> struct arg {
  static constexpr std::int32_t code = Name.code();
  static void add(importing& m) {
    typename Op::attributes a{};
    a.axis = m.axis(m.one(1), m.dims(0).rank());
    a.keepdims = 0;
    top::cast::attributes narrow{};
    narrow.to = static_cast<std::int64_t>(onnx_number_of(m.result_type()));
    const tensor_id y = m.add<Op>(a, {m.operand(0)});
    m.result(m.result_type() == dtype_id::i64 ? y : m.add<top::cast>(narrow, {y}));
  }
};
/// The k greatest along the last axis, and their places in i32.
struct top_k {
  static constexpr std::int32_t code = code_of("TOPK_V2");
  static void add(importing& m) {
    const tensor_id operands[] = {m.operand(0), m.constant(ints{m.one(1)})};
    const vec<tensor_id> both = m.add_many<top::top_k>({}, operands, 2);
    top::cast::attributes narrow{};
    narrow.to = static_cast<std::int64_t>(onnx_number_of(dtype_id::i32));
    m.result(both[0]);
    m.result(m.add<top::cast>(narrow, {both[1]}), 0, 1);
  }
};
struct cumsum {
  static constexpr std::int32_t code = code_of("CUMSUM");
  static void add(importing& m) {
    top::cum_sum::attributes a{};
    a.exclusive = m.flag(0) ? 1 : 0;
    a.reverse = m.flag(1) ? 1 : 0;
    value axis(dtype_id::i64, {});
    axis.i[0] = m.axis(m.one(1), m.dims(0).rank());
    m.result(m.add<top::cum_sum>(a, {m.operand(0), m.constant(axis)}));
  }
};

} // namespace tmpu::tflite
