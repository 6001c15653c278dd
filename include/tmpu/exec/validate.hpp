// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/isa/program.hpp"

/// What must hold of an instruction before it may run: operands inside of memory, of types that the machine has, of shapes
/// that fit each other. Done once when a program is loaded, so that the kernels need no checks.
namespace tmpu::exec {

/// Sizes that operands are held against, in bytes.
struct limits {
  std::int32_t lanes = 0;
  std::int64_t local_bytes = 0;
  std::int64_t activation_bytes = 0;
  std::int64_t weight_bytes = 0;
};

namespace detail {

constexpr bool known_type(dtype_id t) {
  return t == dtype_id::f32 || t == dtype_id::f16 || t == dtype_id::bf16 || t == dtype_id::i8 || t == dtype_id::u8 ||
         t == dtype_id::boolean || t == dtype_id::i32 || t == dtype_id::f8e4m3 || t == dtype_id::f8e5m2;
}
constexpr bool aligned(std::int64_t extent, std::int64_t stride, dtype_id type) {
  return extent == 1 || stride % bytes_of(type) == 0;
}
constexpr bool sane(std::int64_t x) { return x >= 1 && x <= (std::int64_t{1} << 30); }

/// Empty, or what is wrong with the operand.
constexpr text fault(const isa::local_ref& r, const limits& most) {
  if (!known_type(r.type) && r.type != dtype_id::i4) return text("has an element type that the machine lacks");
  if (!sane(r.n) || !sane(r.c) || !sane(r.h) || !sane(r.w)) return text("has a dimension outside of 1 to 2^30");
  if (r.n_stride < 0 || r.c_stride < 0 || r.h_stride < 0 || r.lane < 0 || r.lane >= most.lanes)
    return text("has a negative stride or a lane that is not there");
  if (r.address % static_cast<std::uint32_t>(bytes_of(r.type)) != 0) return text("is not aligned to its elements");
  const std::int64_t rows = r.spread == isa::spread::copy ? r.c : ceil_div(std::int64_t{r.lane} + r.c, most.lanes);
  // Each product is below 2^61, their sum fits.
  const std::int64_t end = std::int64_t{r.address} + (std::int64_t{r.n} - 1) * r.n_stride + (rows - 1) * r.c_stride +
                           (std::int64_t{r.h} - 1) * r.h_stride + isa::row_bytes(r);
  if (end > most.local_bytes) {
    return text("ends at byte ") << end << " of a lane, which has " << most.local_bytes;
  }
  // Kernels copy operands: strides of 0 must not make more elements than local memory holds.
  const std::int64_t room = r.spread == isa::spread::copy ? most.local_bytes : most.local_bytes * most.lanes;
  std::int64_t bytes = isa::row_bytes(r);
  for (const std::int64_t extent : {r.n, r.c, r.h}) {
    if (extent > room / bytes) return text("has more elements than local memory holds");
    bytes *= extent;
  }
  if (!aligned(r.n, r.n_stride, r.type) || !aligned(r.c, r.c_stride, r.type) || !aligned(r.h, r.h_stride, r.type))
    return text("has a stride that is no multiple of its elements");
  return {};
}
constexpr text fault(const isa::global_ref& r, const limits& most) {
  if (!known_type(r.type)) return text("has an element type that the machine lacks");
  if (!sane(r.n) || !sane(r.c) || !sane(r.h) || !sane(r.w)) return text("has a dimension outside of 1 to 2^30");
  std::int64_t end = bytes_of(r.type);
  const std::int64_t region =
      isa::region_of(r.address) == isa::region::weights ? most.weight_bytes : most.activation_bytes;
  if (isa::region_of(r.address) != isa::region::weights && isa::region_of(r.address) != isa::region::activations)
    return text("lies in no region");
  const auto add = [&](std::int64_t extent, std::int64_t stride) {
    if (stride < 0 || stride > (std::int64_t{1} << 40) || end > (std::int64_t{1} << 42)) return false;
    if (extent > 1 && stride > 0 && (extent - 1) > (std::int64_t{1} << 42) / stride) return false;
    end += (extent - 1) * stride;
    return true;
  };
  if (!add(r.n, r.n_stride) || !add(r.c, r.c_stride) || !add(r.h, r.h_stride) || !add(r.w, r.w_stride))
    return text("has a stride out of range");
  if (isa::offset_of(r.address) + end > region) {
    return text("ends at byte ") << isa::offset_of(r.address) + end << " of its region, which has " << region;
  }
  if (isa::offset_of(r.address) % bytes_of(r.type) != 0) return text("is not aligned to its elements");
  if (!aligned(r.n, r.n_stride, r.type) || !aligned(r.c, r.c_stride, r.type) || !aligned(r.h, r.h_stride, r.type) ||
      !aligned(r.w, r.w_stride, r.type))
    return text("has a stride that is no multiple of its elements");
  return {};
}

template <class A, class B> constexpr bool same_dims(const A& a, const B& b) {
  return a.n == b.n && a.c == b.c && a.h == b.h && a.w == b.w;
}
constexpr bool integer8(dtype_id t) { return t == dtype_id::i8 || t == dtype_id::u8; }
constexpr bool fits(const isa::local_ref& x, const isa::local_ref& y) {
  return (x.n == 1 || x.n == y.n) && (x.c == y.c || x.c == 1) && (x.h == 1 || x.h == y.h) && (x.w == 1 || x.w == y.w);
}
constexpr bool shift_ok(std::int32_t shift) { return shift >= 0 && shift <= 62; }
/// A zero point, or what a tap in the padding is, of 8-bit integers.
constexpr bool zero_ok(std::int32_t zero) { return zero >= -128 && zero <= 255; }
/// [low, high] is an interval that the integer type meets.
constexpr bool clamp_ok(float low, float high, dtype_id type = dtype_id::u8) {
  const bool wide = type == dtype_id::i32;
  return low <= high && low <= (wide ? 0x1p31F : 255.0F) && high >= (wide ? -0x1p31F : -128.0F);
}
/// Sums of this many products of 8-bit integers stay in 32 bits.
constexpr bool depth_ok(std::int64_t products) { return products <= 2147483647 / (255 * 128); }
constexpr bool window_ok(std::int32_t kernel, std::int32_t stride, std::int32_t dilation, std::int32_t pad) {
  constexpr std::int32_t most = 1 << 20;
  return kernel >= 1 && kernel <= most && stride >= 1 && stride <= most && dilation >= 1 && dilation <= most &&
         pad >= -most && pad <= most;
}
template <class I> constexpr bool window_ok(const I& i) {
  return window_ok(i.kernel_h, i.stride_h, i.dilation_h, i.pad_top) &&
         window_ok(i.kernel_w, i.stride_w, i.dilation_w, i.pad_left);
}
constexpr bool params_ok(const isa::local_ref& params, const isa::local_ref& y) {
  const bool floating = is_floating(y.type);
  return params.n == 1 && params.c == y.c && params.h == 1 && params.w == (floating ? 1 : 3) &&
         params.type == (floating ? dtype_id::f32 : dtype_id::i32);
}
constexpr bool product_types(const isa::local_ref& x, const isa::local_ref& weight, const isa::local_ref& y) {
  if (is_floating(x.type)) return is_floating(weight.type) && is_floating(y.type);
  return integer8(x.type) && weight.type == dtype_id::i8 && (integer8(y.type) || y.type == dtype_id::i32);
}
/// The numbers of an instruction that sums products of integers.
template <class I> constexpr bool product_numbers(const I& i, std::int64_t products, std::int32_t pad_value) {
  return is_floating(i.y.type) ||
         (zero_ok(pad_value) && zero_ok(i.y_zero) && clamp_ok(i.low, i.high, i.y.type) && depth_ok(products));
}
constexpr bool partial_ok(const isa::local_ref& partial, const isa::local_ref& y, const isa::sum_part& part) {
  if (!part.resume && part.finish) return true;
  return same_dims(partial, y) && partial.type == (is_floating(y.type) ? dtype_id::f32 : dtype_id::i32);
}

/// Shapes and types of an instruction's operands fit its meaning (isa/instructions.hpp).
constexpr bool consistent(const isa::dma_load& i) { return same_dims(i.src, i.dst) && i.src.type == i.dst.type; }
constexpr bool consistent(const isa::dma_store& i) {
  return same_dims(i.src, i.dst) && i.src.type == i.dst.type &&
         isa::region_of(i.dst.address) == isa::region::activations;
}
constexpr bool consistent(const isa::conv& i) {
  return window_ok(i) && i.groups >= 1 && i.x.n == i.y.n && i.weight.n == 1 && i.weight.c == i.y.c &&
         i.y.c % i.groups == 0 && std::int64_t{i.weight.h} * i.groups == i.x.c &&
         i.weight.w == std::int64_t{i.kernel_h} * i.kernel_w && params_ok(i.params, i.y) &&
         product_types(i.x, i.weight, i.y) && partial_ok(i.partial, i.y, i.part) &&
         product_numbers(i, std::int64_t{i.weight.h} * i.weight.w, i.pad_value);
}
constexpr bool consistent(const isa::depthwise& i) {
  return window_ok(i) && i.x.n == i.y.n && i.x.c == i.y.c && i.weight.n == 1 && i.weight.c == i.y.c &&
         i.weight.h == 1 && i.weight.w == std::int64_t{i.kernel_h} * i.kernel_w && params_ok(i.params, i.y) &&
         product_types(i.x, i.weight, i.y) && product_numbers(i, i.weight.w, i.pad_value);
}
constexpr bool consistent(const isa::matmul& i) {
  return i.x.n == i.y.n && i.x.c == 1 && i.x.w == 1 && i.x.h == i.weight.h && i.weight.n == 1 && i.weight.w == 1 &&
         i.weight.c == i.y.c && i.y.h == 1 && i.y.w == 1 && params_ok(i.params, i.y) &&
         product_types(i.x, i.weight, i.y) && partial_ok(i.partial, i.y, i.part) && product_numbers(i, i.weight.h, 0);
}
constexpr bool consistent(const isa::pool& i) {
  return window_ok(i) && i.x.n == i.y.n && i.x.c == i.y.c && i.shift >= 0 && i.shift <= 40 && i.multiplier >= 0 &&
         std::int64_t{i.kernel_h} * i.kernel_w < (std::int64_t{1} << 20) &&
         is_floating(i.x.type) == is_floating(i.y.type) &&
         (is_floating(i.x.type) ||
          (integer8(i.x.type) && integer8(i.y.type) && zero_ok(i.x_zero) && zero_ok(i.y_zero)));
}
constexpr bool consistent(const isa::binary& i) {
  const bool floating = is_floating(i.y.type);
  if (floating != is_floating(i.a.type) || floating != is_floating(i.b.type) || !fits(i.a, i.y) || !fits(i.b, i.y))
    return false;
  // Sums of 32 bits times their multiplier leave room for the other operand.
  const auto operand_ok = [&](const isa::local_ref& x, std::int32_t zero, std::int32_t multiplier) {
    return integer8(x.type) || (x.type == dtype_id::i32 && i.kind != isa::binary_kind::mul && zero == 0 &&
                                multiplier >= -(1 << 30) && multiplier <= 1 << 30);
  };
  return floating || (operand_ok(i.a, i.a_zero, i.a_multiplier) && operand_ok(i.b, i.b_zero, i.b_multiplier) &&
                      integer8(i.y.type) && !isa::floats_only(i.kind) && shift_ok(i.shift) && zero_ok(i.a_zero) &&
                      zero_ok(i.b_zero) && zero_ok(i.y_zero) && clamp_ok(i.low, i.high));
}
constexpr bool consistent(const isa::unary& i) {
  return same_dims(i.x, i.y) && is_floating(i.x.type) && is_floating(i.y.type);
}
constexpr bool consistent(const isa::lookup& i) {
  return same_dims(i.x, i.y) && integer8(i.x.type) && integer8(i.y.type) && integer8(i.table.type) &&
         i.table.w == 256 && i.table.n == 1 && i.table.c == 1 && i.table.h == 1;
}
constexpr bool consistent(const isa::cast& i) {
  const bool sums = i.x.type == dtype_id::i32 && i.x_zero == 0;
  return same_dims(i.x, i.y) && shift_ok(i.shift) && zero_ok(i.x_zero) && zero_ok(i.y_zero) &&
         (is_floating(i.x.type) || integer8(i.x.type) || sums) && (is_floating(i.y.type) || integer8(i.y.type)) &&
         (is_floating(i.x.type) == is_floating(i.y.type) || i.scale > 0.0F);
}
constexpr bool consistent(const isa::dequant& i) {
  const std::int64_t plane = std::int64_t{i.y.h} * i.y.w;
  return (i.x.type == dtype_id::i4 || i.x.type == dtype_id::i8 || is_floating(i.x.type)) && is_floating(i.scale.type) &&
         is_floating(i.y.type) && i.x.n == 1 && i.scale.n == 1 && i.y.n == 1 && i.x.c == i.y.c && i.scale.c == i.y.c &&
         i.scale.h == i.x.h && i.scale.w == 1 && i.group >= 1 && i.group <= i.x.w &&
         plane <= std::int64_t{i.x.h} * i.group;
}
constexpr bool consistent(const isa::reduce& i) {
  return i.x.n == i.y.n && i.x.c == i.y.c && i.y.h == 1 && i.y.w == 1 && is_floating(i.x.type) && is_floating(i.y.type);
}
constexpr bool consistent(const isa::fill&) { return true; }
constexpr bool rows_by_number(const isa::global_ref& rows, const isa::local_ref& index, const isa::local_ref& part) {
  return rows.n == 1 && rows.h == 1 && part.n == 1 && part.h == 1 && rows.w == part.w && rows.type == part.type &&
         index.type == dtype_id::i32 && index.n == 1 && index.c == part.c && index.h == 1 && index.w == 1 &&
         index.spread == isa::spread::lanes && part.spread == isa::spread::lanes;
}
constexpr bool consistent(const isa::dma_gather& i) { return rows_by_number(i.src, i.index, i.dst); }
constexpr bool consistent(const isa::dma_scatter& i) {
  return rows_by_number(i.dst, i.index, i.src) && isa::region_of(i.dst.address) == isa::region::activations;
}
constexpr bool consistent(const isa::dma_combine& i) {
  return rows_by_number(i.dst, i.index, i.src) && isa::region_of(i.dst.address) == isa::region::activations;
}
constexpr bool consistent(const isa::integer& i) {
  return !is_floating(i.y.type) && i.a.type == i.y.type && i.b.type == i.y.type && fits(i.a, i.y) && fits(i.b, i.y);
}
constexpr bool consistent(const isa::convert& i) { return same_dims(i.x, i.y); }
constexpr bool consistent(const isa::compare& i) {
  return i.y.type == dtype_id::boolean && is_floating(i.a.type) == is_floating(i.b.type) && fits(i.a, i.y) &&
         fits(i.b, i.y);
}
constexpr bool consistent(const isa::select& i) {
  const bool floats = is_floating(i.a.type) && is_floating(i.b.type) && is_floating(i.y.type);
  return i.mask.type == dtype_id::boolean && fits(i.mask, i.y) && fits(i.a, i.y) && fits(i.b, i.y) &&
         (floats || (!is_floating(i.y.type) && i.a.type == i.y.type && i.b.type == i.y.type));
}

} // namespace detail

/// Elements of less than a byte are what dequant reads, and nothing else.
template <class Instruction> constexpr bool takes_packed = std::is_same_v<Instruction, isa::dequant>;

/// Refuses the instruction in one line that names its number, its operand and the limit.
template <class Instruction> constexpr void validate(const Instruction& i, std::size_t number, const limits& most) {
  const auto check = [&](std::string_view kind) {
    return [&most, kind, number](const auto& operand) {
      if (text bad = detail::fault(operand, most); !bad.empty()) {
        refuse(text("instruction ") << number << " (" << Instruction::name << "): an operand that it " << kind << ' '
                                    << bad << ": the program is damaged or was made for another chip");
      }
    };
  };
  i.reads(check("reads"));
  i.writes(check("writes"));
  bool packed = false;
  i.reads([&](const auto& operand) { packed = packed || is_packed(operand.type); });
  i.writes([&](const auto& operand) { packed = packed || is_packed(operand.type); });
  bool fit = true;
  if constexpr (requires { i.consistent(); }) {
    fit = i.consistent();
  } else if constexpr (requires { detail::consistent(i); }) {
    fit = detail::consistent(i);
  }
  if (!fit || (packed && !takes_packed<Instruction>)) {
    refuse(text("instruction ") << number << " (" << Instruction::name
                                << "): its operands do not fit each other: the program is damaged");
  }
}

} // namespace tmpu::exec
