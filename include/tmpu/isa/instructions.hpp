// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/list.hpp"
#include "tmpu/isa/operands.hpp"

#include <cstdint>
#include <string_view>

/// The instruction set: tile-level primitives on tensors [n, c, h, w] in local memory. None takes a whole layer and none
/// knows an ONNX operator. An instruction is a struct: its fields are its encoding (32-bit words in order of declaration),
/// `reads` and `writes` call a visitor with each operand (for the hazard check), and the executor gives its meaning.
///
/// Float meaning: elements are widened to f32, every operation is one f32 operation (unfused), results are rounded once to
/// the type of y (nearest even). Sums start at +0 and run in the order named. Integer meaning: exact; `requantize(v, m, s)`
/// is v * m (64 bits) shifted right by s, rounded half away from zero; results saturate to the type of y and to [low, high].
namespace tmpu::isa {

/// Version of the instruction set: it is raised when an instruction's encoding or meaning changes, or one goes; a new one leaves it. A
/// `.tmodel` carries it, docs/isa.md describes it.
inline constexpr std::uint32_t instruction_set = 1;

enum class engine : std::uint8_t { compute = 0, dma = 1 };
constexpr std::string_view name_of(engine e) { return e == engine::compute ? "compute" : "dma"; }

/// Waits until the named queue has completed `count` instructions of this segment. A count of 0 waits for nothing.
struct wait {
  TMPU_STRUCT((std::uint8_t, core), (isa::engine, engine), (std::uint32_t, count));
};

/// What every instruction starts with (after the word of opcode and size).
struct header {
  TMPU_STRUCT((wait, first), (wait, second));
};

/// dst[n,c,h,w] = src[n,c,h,w]: global to local memory. Shapes and types are equal; spread::copy writes every lane.
struct dma_load {
  static constexpr std::uint8_t opcode = 0x01;
  static constexpr std::string_view name = "dma.load";
  static constexpr isa::engine engine = isa::engine::dma;
  TMPU_STRUCT((global_ref, src), (local_ref, dst));
  constexpr void reads(auto&& visit) const { visit(src); }
  constexpr void writes(auto&& visit) const { visit(dst); }
};

/// dst[n,c,h,w] = src[n,c,h,w]: local to global memory. With spread::copy lane 0 is read.
struct dma_store {
  static constexpr std::uint8_t opcode = 0x02;
  static constexpr std::string_view name = "dma.store";
  static constexpr isa::engine engine = isa::engine::dma;
  TMPU_STRUCT((local_ref, src), (global_ref, dst));
  constexpr void reads(auto&& visit) const { visit(src); }
  constexpr void writes(auto&& visit) const { visit(dst); }
};

/// Rows by their numbers: dst[0, c, 0, w] = src[0, r, 0, w] with r = index[0, c, 0, 0], global to local memory. src [1, R, 1, W], index
/// [1, C, 1, 1] of i32, dst [1, C, 1, W]. An r below 0 counts from the end (r + R); what is still outside is the nearest row, 0 or R - 1.
struct dma_gather {
  static constexpr std::uint8_t opcode = 0x03;
  static constexpr std::string_view name = "dma.gather";
  static constexpr isa::engine engine = isa::engine::dma;
  TMPU_STRUCT((global_ref, src), (local_ref, index), (local_ref, dst));
  constexpr void reads(auto&& visit) const {
    visit(src);
    visit(index);
  }
  constexpr void writes(auto&& visit) const { visit(dst); }
};

/// The other way: dst[0, r, 0, w] = src[0, c, 0, w] with r = index[0, c, 0, 0] as in dma.gather, for c = 0, 1, ..., C - 1: of rows with one
/// number the last stays. Rows without a number stay as they are. src [1, C, 1, W], dst [1, R, 1, W].
struct dma_scatter {
  static constexpr std::uint8_t opcode = 0x04;
  static constexpr std::string_view name = "dma.scatter";
  static constexpr isa::engine engine = isa::engine::dma;
  TMPU_STRUCT((local_ref, src), (local_ref, index), (global_ref, dst));
  constexpr void reads(auto&& visit) const {
    visit(src);
    visit(index);
  }
  constexpr void writes(auto&& visit) const { visit(dst); }
};

enum class combine_kind : std::uint8_t { add = 0, mul = 1, max = 2, min = 3 };
constexpr std::string_view name_of(combine_kind k) {
  constexpr std::string_view names[] = {"add", "mul", "max", "min"};
  return names[static_cast<std::size_t>(k)];
}

/// As dma.scatter, but the row that is there stays a part of it: dst[0, r, 0, w] = dst[0, r, 0, w] op src[0, c, 0, w], for
/// c = 0, 1, ..., C - 1 one after the other. Floats: each step is rounded to the type; max, min: the row that is there where neither is greater.
/// Plain integers: the exact result wraps around to the type.
struct dma_combine {
  static constexpr std::uint8_t opcode = 0x05;
  static constexpr std::string_view name = "dma.combine";
  static constexpr isa::engine engine = isa::engine::dma;
  TMPU_STRUCT((combine_kind, kind), (local_ref, src), (local_ref, index), (global_ref, dst));
  constexpr void reads(auto&& visit) const {
    visit(src);
    visit(index);
    visit(dst);
  }
  constexpr void writes(auto&& visit) const { visit(dst); }
};

/// Which part of a sum over K an instruction computes. The sum of an output is one sequence over all its parts.
struct sum_part {
  TMPU_STRUCT((bool, resume), ///< start from `partial` instead of zero
              (bool, finish)  ///< add bias, requantize and write y; otherwise write `partial`
  );
};

/// Two-dimensional convolution, groups g: x [n, IC, ih, iw], w [1, OC, IC/g, kh*kw] (compact), params [1, OC, 1, k], y [n, OC, oh, ow],
/// partial [n, OC, oh, ow] of i32 or f32 (unused where the sum is not split).
/// Sum order (ic, kh, kw). Float: taps outside x contribute nothing; params = bias f32 (k = 1): y = clamp(sum + bias).
/// Integer: taps outside x have the value pad_value; params i32 (k = 3) = bias, multiplier, shift: y = clamp(y_zero + requantize(sum + bias)),
/// of 8 bits or 32.
struct conv {
  static constexpr std::uint8_t opcode = 0x10;
  static constexpr std::string_view name = "conv";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((local_ref, x), (local_ref, weight), (local_ref, params), (local_ref, partial), (local_ref, y),
              (std::int32_t, groups), (std::int32_t, kernel_h), (std::int32_t, kernel_w), (std::int32_t, stride_h),
              (std::int32_t, stride_w), (std::int32_t, dilation_h), (std::int32_t, dilation_w), (std::int32_t, pad_top),
              (std::int32_t, pad_left), (std::int32_t, pad_value), (sum_part, part), (std::int32_t, y_zero),
              (float, low), (float, high));
  constexpr void reads(auto&& visit) const {
    visit(x);
    visit(weight);
    if (part.finish) visit(params);
    if (part.resume) visit(partial);
  }
  constexpr void writes(auto&& visit) const { visit(part.finish ? y : partial); }
};

/// Depthwise convolution: as conv with groups = IC = OC, each channel in its own lane: w [1, C, 1, kh*kw] (compact).
struct depthwise {
  static constexpr std::uint8_t opcode = 0x11;
  static constexpr std::string_view name = "depthwise";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((local_ref, x), (local_ref, weight), (local_ref, params), (local_ref, y), (std::int32_t, kernel_h),
              (std::int32_t, kernel_w), (std::int32_t, stride_h), (std::int32_t, stride_w), (std::int32_t, dilation_h),
              (std::int32_t, dilation_w), (std::int32_t, pad_top), (std::int32_t, pad_left), (std::int32_t, pad_value),
              (std::int32_t, y_zero), (float, low), (float, high));
  constexpr void reads(auto&& visit) const {
    visit(x);
    visit(weight);
    visit(params);
  }
  constexpr void writes(auto&& visit) const { visit(y); }
};

/// Matrix product: x [M, 1, K, 1] (copy), w [1, N, K, 1] (compact), params [1, N, 1, k], y and partial [M, N, 1, 1].
/// Sum order k. Meaning of params, part, y_zero, low and high as in conv.
struct matmul {
  static constexpr std::uint8_t opcode = 0x12;
  static constexpr std::string_view name = "matmul";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((local_ref, x), (local_ref, weight), (local_ref, params), (local_ref, partial), (local_ref, y),
              (sum_part, part), (std::int32_t, y_zero), (float, low), (float, high));
  constexpr void reads(auto&& visit) const {
    visit(x);
    visit(weight);
    if (part.finish) visit(params);
    if (part.resume) visit(partial);
  }
  constexpr void writes(auto&& visit) const { visit(part.finish ? y : partial); }
};

enum class pool_kind : std::uint8_t { max = 0, average = 1 };
constexpr std::string_view name_of(pool_kind k) { return k == pool_kind::max ? "max" : "average"; }

/// Pooling of each channel: x [n, C, ih, iw], y [n, C, oh, ow]. Taps outside x are skipped; the window's taps run in the order (kh, kw).
/// max: the greatest tap (types of x and y and their scales are equal). average: float: sum / count;
/// integer: y_zero + requantize(sum of (tap - x_zero)) / count, one rounding for both: round_half_away(sum * multiplier / (count * 2^shift)).
/// count = kernel_h * kernel_w where count_pad is set, else the number of taps inside x; the integer average of no tap is y_zero.
struct pool {
  static constexpr std::uint8_t opcode = 0x13;
  static constexpr std::string_view name = "pool";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((pool_kind, kind), (local_ref, x), (local_ref, y), (std::int32_t, kernel_h), (std::int32_t, kernel_w),
              (std::int32_t, stride_h), (std::int32_t, stride_w), (std::int32_t, dilation_h),
              (std::int32_t, dilation_w), (std::int32_t, pad_top), (std::int32_t, pad_left), (bool, count_pad),
              (std::int32_t, x_zero), (std::int32_t, y_zero), (std::int32_t, multiplier), (std::int32_t, shift));
  constexpr void reads(auto&& visit) const { visit(x); }
  constexpr void writes(auto&& visit) const { visit(y); }
};

enum class binary_kind : std::uint8_t { add = 0, sub = 1, mul = 2, div = 3, max = 4, min = 5, pow = 6, rest = 7 };
constexpr std::string_view name_of(binary_kind k) {
  constexpr std::string_view names[] = {"add", "sub", "mul", "div", "max", "min", "pow", "rest"};
  return names[static_cast<std::size_t>(k)];
}

/// The kinds that integers do not have.
constexpr bool floats_only(binary_kind k) {
  return k == binary_kind::div || k == binary_kind::pow || k == binary_kind::rest;
}

/// y = clamp(a op b), element by element; a dimension of a or b that is 1 is broadcast (c = 1 needs spread::copy).
/// Integer, with A = a - a_zero and B = b - b_zero: add, sub, max, min: (A * a_multiplier op B * b_multiplier) shifted right by `shift`;
/// mul: requantize(A * B, a_multiplier, shift); plus y_zero. Operands have 8 bits; but those of mul, they may be i32 (zero 0,
/// |multiplier| up to 2^30). Float only: div; pow: a to the power b; rest: what a leaves when as many b as
/// fit are taken from it, with the sign of a (exact; NaN for an infinite a or a b of 0).
struct binary {
  static constexpr std::uint8_t opcode = 0x20;
  static constexpr std::string_view name = "binary";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((binary_kind, kind), (local_ref, a), (local_ref, b), (local_ref, y), (std::int32_t, a_zero),
              (std::int32_t, b_zero), (std::int32_t, y_zero), (std::int32_t, a_multiplier),
              (std::int32_t, b_multiplier), (std::int32_t, shift), (float, low), (float, high));
  constexpr void reads(auto&& visit) const {
    visit(a);
    visit(b);
  }
  constexpr void writes(auto&& visit) const { visit(y); }
};

enum class unary_kind : std::uint8_t {
  clip = 0,
  leaky_relu,
  sigmoid,
  tanh,
  hard_sigmoid,
  hard_swish,
  silu,
  elu,
  softplus,
  gelu,
  gelu_tanh,
  erf,
  exp,
  log,
  sqrt,
  reciprocal,
  abs,
  neg,
  mish,
  softsign,
  selu,
  floor,
  ceil,
  round,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  asinh,
  acosh,
  atanh,
  sign,
  celu,
  thresholded_relu,
  shrink,
  swish,
};
constexpr std::string_view name_of(unary_kind k) {
  constexpr std::string_view names[] = {"clip",         "leaky_relu",
                                        "sigmoid",      "tanh",
                                        "hard_sigmoid", "hard_swish",
                                        "silu",         "elu",
                                        "softplus",     "gelu",
                                        "gelu_tanh",    "erf",
                                        "exp",          "log",
                                        "sqrt",         "reciprocal",
                                        "abs",          "neg",
                                        "mish",         "softsign",
                                        "selu",         "floor",
                                        "ceil",         "round",
                                        "sin",          "cos",
                                        "tan",          "asin",
                                        "acos",         "atan",
                                        "sinh",         "cosh",
                                        "asinh",        "acosh",
                                        "atanh",        "sign",
                                        "celu",         "thresholded_relu",
                                        "shrink",       "swish"};
  return names[static_cast<std::size_t>(k)];
}

/// y = f(x) in f32, element by element; float types only. The functions are those of core/activations.hpp with parameters alpha and beta
/// (clip: low and high; leaky_relu, elu, celu, thresholded_relu, swish: alpha; hard_sigmoid: alpha, beta; selu: alpha, beta = gamma;
/// shrink: alpha = lambda, beta = bias).
struct unary {
  static constexpr std::uint8_t opcode = 0x21;
  static constexpr std::string_view name = "unary";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((unary_kind, kind), (local_ref, x), (local_ref, y), (float, alpha), (float, beta));
  constexpr void reads(auto&& visit) const { visit(x); }
  constexpr void writes(auto&& visit) const { visit(y); }
};

/// y = table[x - least value of x's type]: 8-bit x and y, table [1, 1, 1, 256] (copy).
struct lookup {
  static constexpr std::uint8_t opcode = 0x22;
  static constexpr std::string_view name = "lookup";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((local_ref, x), (local_ref, table), (local_ref, y));
  constexpr void reads(auto&& visit) const {
    visit(x);
    visit(table);
  }
  constexpr void writes(auto&& visit) const { visit(y); }
};

/// Changes the element type. Float to float: one rounding. Float to integer: round_half_away(x / scale) + y_zero, saturated.
/// Integer (8 bits, or i32 with a zero point of 0) to float: (x - x_zero) * scale; to an integer of 8 bits: y_zero + requantize(x - x_zero,
/// multiplier, shift).
struct cast {
  static constexpr std::uint8_t opcode = 0x23;
  static constexpr std::string_view name = "cast";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((local_ref, x), (local_ref, y), (float, scale), (std::int32_t, x_zero), (std::int32_t, y_zero),
              (std::int32_t, multiplier), (std::int32_t, shift));
  constexpr void reads(auto&& visit) const { visit(x); }
  constexpr void writes(auto&& visit) const { visit(y); }
};

/// Weights of few bits as floats: y [1, C, h, w] (compact), its elements e of a channel in the order (h, w):
/// y[e] = x[e / group, e mod group] * scale[e / group], one f32 product; x [1, C, G, R] (compact) of i4 (packed), i8 or a float type, R >= group,
/// scale [1, C, G, 1] (compact) of a float type. What is left of the last group is not read.
struct dequant {
  static constexpr std::uint8_t opcode = 0x28;
  static constexpr std::string_view name = "dequant";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((local_ref, x), (local_ref, scale), (local_ref, y), (std::int32_t, group));
  constexpr void reads(auto&& visit) const {
    visit(x);
    visit(scale);
  }
  constexpr void writes(auto&& visit) const { visit(y); }
};

enum class reduce_kind : std::uint8_t { sum = 0, max = 1, min = 2, product = 3 };
constexpr std::string_view name_of(reduce_kind k) {
  constexpr std::string_view names[] = {"sum", "max", "min", "product"};
  return names[static_cast<std::size_t>(k)];
}

/// y [n, c, 1, 1] = sum (from +0), greatest, least or product (from 1) of x [n, c, h, w] over h and w, in the order (h, w), in f32; float
/// types only. A NaN is neither greatest nor least.
struct reduce {
  static constexpr std::uint8_t opcode = 0x24;
  static constexpr std::string_view name = "reduce";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((reduce_kind, kind), (local_ref, x), (local_ref, y));
  constexpr void reads(auto&& visit) const { visit(x); }
  constexpr void writes(auto&& visit) const { visit(y); }
};

/// y = value, converted to the type of y (float types: rounded; integer types: the integer, as convert has it).
struct fill {
  static constexpr std::uint8_t opcode = 0x25;
  static constexpr std::string_view name = "fill";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((local_ref, y), (float, value));
  constexpr void reads(auto&&) const {}
  constexpr void writes(auto&& visit) const { visit(y); }
};

enum class compare_kind : std::uint8_t {
  equal = 0,
  not_equal = 1,
  less = 2,
  less_or_equal = 3,
  logical_and = 4,
  logical_or = 5
};
constexpr std::string_view name_of(compare_kind k) {
  constexpr std::string_view names[] = {"equal", "not_equal", "less", "less_or_equal", "logical_and", "logical_or"};
  return names[static_cast<std::size_t>(k)];
}

/// y = 1 where a and b are so, 0 elsewhere; y of bool, a and b both floats or both integers (taken as they are, without zero points).
/// logical_and, logical_or: of a != 0 and b != 0. A NaN is equal to nothing and less than nothing. Broadcasting as in binary.
struct compare {
  static constexpr std::uint8_t opcode = 0x26;
  static constexpr std::string_view name = "compare";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((compare_kind, kind), (local_ref, a), (local_ref, b), (local_ref, y));
  constexpr void reads(auto&& visit) const {
    visit(a);
    visit(b);
  }
  constexpr void writes(auto&& visit) const { visit(y); }
};

/// y = a where the mask (bool) is not 0, b elsewhere; a, b and y all floats, or all of one integer type. Broadcasting as in binary.
struct select {
  static constexpr std::uint8_t opcode = 0x27;
  static constexpr std::string_view name = "select";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((local_ref, mask), (local_ref, a), (local_ref, b), (local_ref, y));
  constexpr void reads(auto&& visit) const {
    visit(mask);
    visit(a);
    visit(b);
  }
  constexpr void writes(auto&& visit) const { visit(y); }
};

enum class integer_kind : std::uint8_t {
  add = 0,
  sub = 1,
  mul = 2,
  div = 3,
  rest = 4,
  modulo = 5,
  power = 6,
  max = 7,
  min = 8,
  bit_and = 9,
  bit_or = 10,
  bit_xor = 11,
  shift_left = 12,
  shift_right = 13
};
constexpr std::string_view name_of(integer_kind k) {
  constexpr std::string_view names[] = {"add", "sub", "mul",     "div",    "rest",    "modulo",     "power",
                                        "max", "min", "bit_and", "bit_or", "bit_xor", "shift_left", "shift_right"};
  return names[static_cast<std::size_t>(k)];
}

/// y = a op b, element by element, on plain integers (no scales): a, b and y of one of the types bool, u8, i8, i32; the exact result wraps
/// around to the width of y. div: toward zero; rest: a - b * div(a, b); modulo: the rest that has the sign of b; all three 0 where b is 0.
/// power: a to the power b, for b below 0 the quotient 1 / a^-b toward zero, 0 where a is 0. Shifts: of the bits of the type, zeros follow
/// from both sides; by its width or more, or by less than 0: 0. Broadcasting as in binary.
struct integer {
  static constexpr std::uint8_t opcode = 0x2A;
  static constexpr std::string_view name = "integer";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((integer_kind, kind), (local_ref, a), (local_ref, b), (local_ref, y));
  constexpr void reads(auto&& visit) const {
    visit(a);
    visit(b);
  }
  constexpr void writes(auto&& visit) const { visit(y); }
};

/// Changes the element type of plain numbers (no scales). Float to integer: toward zero, beyond i32 its least or greatest, a NaN 0, then
/// wrapped around to the width of y; to bool: x != 0 (a NaN is 1). Integer to integer: wrapped around; to bool: x != 0. Integer to float:
/// rounded once to f32, then to the type of y. Float to float: rounded once.
struct convert {
  static constexpr std::uint8_t opcode = 0x29;
  static constexpr std::string_view name = "convert";
  static constexpr isa::engine engine = isa::engine::compute;
  TMPU_STRUCT((local_ref, x), (local_ref, y));
  constexpr void reads(auto&& visit) const { visit(x); }
  constexpr void writes(auto&& visit) const { visit(y); }
};

/// The instruction set (registry): the executor's table, the listing and the timing model are made from it.
inline constexpr list<dma_load, dma_store, dma_gather, dma_scatter, dma_combine, conv, depthwise, matmul, pool, binary,
                      unary, lookup, cast, reduce, fill, compare, select, integer, convert, dequant>
    instructions;

} // namespace tmpu::isa
