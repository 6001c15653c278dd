// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/tpu/select.hpp"

#include <type_traits>

namespace tmpu::tpu {

namespace detail {
/// x modulo 2^bits of the type, in its range; of bool, whether it is not 0.
constexpr std::int64_t in_range_of(dtype_id type, std::int64_t x) {
  if (type == dtype_id::boolean) return x != 0 ? 1 : 0;
  const std::int64_t size = std::int64_t{1} << (8 * bytes_of(type));
  const std::int64_t low = ((x % size) + size) % size;
  return low > greatest_of(type) ? low - size : low;
}
} // namespace detail

/// y = a op b on plain integers (no scales), wrapped around to the width of y: isa::integer says what each kind is.
///
/// Operands:  a, b, folded to [n, c, h, w] where each dimension is 1 or that of y.
/// Shape:     broadcasting.
/// Elements:  bool, u8, i8, i32; a, b and y of one type.
/// Attributes: kind: isa::integer_kind as a number.
/// Tiling:    any slice of N, C, H; an operand with c = 1 against more lies whole in every lane.
/// Errors:    shapes that do not broadcast in the folded form; floats; types that differ.
struct integer : basic_op<integer> {
  static constexpr op_info info{.name = "integer", .min_operands = 2, .max_operands = 2};
  struct attributes {
    TMPU_STRUCT((std::int64_t, kind));
  };
  static constexpr bool elementwise = true;
  static constexpr void infer(const attributes& a, infer_context& c) {
    if (a.kind < 0 || a.kind > static_cast<std::int64_t>(isa::integer_kind::shift_right))
      c.fail(text("integer kind ") << a.kind << " is unknown");
    if (is_floating(c.type(0)) || c.type(0) != c.type(1)) c.fail("takes integers of one type");
    c.result(0, c.type(0), detail::broadcast_folded(c));
  }
  static constexpr void eval(const attributes& at, eval_context& c) {
    const value& a = c.in(0);
    const value& b = c.in(1);
    value& y = c.out();
    const shape both[] = {a.dims, b.dims};
    const auto kind = static_cast<isa::integer_kind>(at.kind);
    detail::walk_broadcast(y.dims, both, [&](std::size_t to, const std::int64_t(&from)[2]) {
      y.i[to] = detail::in_range_of(y.type, apply(kind, y.type, a.i.data()[from[0]], b.i.data()[from[1]]));
    });
  }
  static constexpr operand_facts operand(const graph_body& g, node_id id, std::size_t i) {
    return binary::operand(g, id, i);
  }

private:
  static constexpr std::int64_t apply(isa::integer_kind kind, dtype_id type, std::int64_t a, std::int64_t b) {
    using enum isa::integer_kind;
    const std::int64_t bits = 8 * bytes_of(type);
    const std::int64_t unsigned_a = a < 0 ? a + (std::int64_t{1} << bits) : a;
    switch (kind) {
    case add: return a + b;
    case sub: return a - b;
    case mul: return a * b;
    case div: return b == 0 ? 0 : a / b;
    case rest: return b == 0 ? 0 : a - a / b * b;
    case modulo: return b == 0 ? 0 : ((a % b) + b) % b;
    case power: return power_of(a, b);
    case max: return a > b ? a : b;
    case min: return a > b ? b : a;
    case bit_and: return a & b;
    case bit_or: return a | b;
    case bit_xor: return a ^ b;
    case shift_left: return b < 0 || b >= bits ? 0 : in_bits(unsigned_a, b, bits);
    case shift_right: return b < 0 || b >= bits ? 0 : unsigned_a / (std::int64_t{1} << b);
    }
    return 0;
  }
  /// unsigned_a * 2^by modulo 2^bits, without leaving 64 bits.
  static constexpr std::int64_t in_bits(std::int64_t unsigned_a, std::int64_t by, std::int64_t bits) {
    return unsigned_a % (std::int64_t{1} << (bits - by)) * (std::int64_t{1} << by);
  }
  static constexpr std::int64_t power_of(std::int64_t a, std::int64_t b) {
    if (b < 0) {
      if (a == -1) return b % 2 == 0 ? 1 : -1;
      return a == 1 ? 1 : 0;
    }
    constexpr std::int64_t size = std::int64_t{1} << 32;
    const auto times = [](std::int64_t l, std::int64_t r) { // modulo 2^32; 16 bits of r at a time stay within 64
      return (l * (r / 65536) % size * 65536 + l * (r % 65536)) % size;
    };
    std::int64_t result = 1;
    std::int64_t factor = ((a % size) + size) % size;
    for (; b > 0; b /= 2) {
      if (b % 2 == 1) result = times(result, factor);
      factor = times(factor, factor);
    }
    return result;
  }
};
static_assert(op<integer>);

/// y = x in another element type, as plain numbers (no scales): isa::convert says how.
///
/// Shape:     y has the shape of x.
/// Elements:  f32, f16, bf16, bool, u8, i8, i32; y has the type that the lowering gave it.
/// Tiling:    any slice of N, C, H.
/// Errors:    none.
struct convert : basic_op<convert> {
  static constexpr op_info info{.name = "convert"};
  using attributes = no_attributes;
  static constexpr bool elementwise = true;
  static constexpr void infer(const attributes&, infer_context& c) { detail::result_dims(c, c.dims(0)); }
  static constexpr void eval(const attributes&, eval_context& c) {
    const value& x = c.in(0);
    value& y = c.out();
    const bool from_float = is_floating(x.type);
    for (std::size_t n = 0; n < x.size(); ++n) {
      if (is_floating(y.type)) {
        y.f[n] = round_to(y.type, from_float ? x.f[n] : static_cast<float>(x.i[n]));
      } else if (y.type == dtype_id::boolean) {
        y.i[n] = (from_float ? !(x.f[n] == 0.0F) : x.i[n] != 0) ? 1 : 0;
      } else {
        y.i[n] = detail::in_range_of(y.type, from_float ? toward_zero(x.f[n]) : x.i[n]);
      }
    }
  }

private:
  static constexpr std::int64_t toward_zero(float x) {
    if (math::is_nan(x)) return 0;
    const auto wide = static_cast<std::int64_t>(activation::clip(x, -0x1p40F, 0x1p40F));
    const std::int64_t least = least_of(dtype_id::i32);
    const std::int64_t greatest = greatest_of(dtype_id::i32);
    return wide < least ? least : wide > greatest ? greatest : wide;
  }
};
static_assert(op<convert>);

} // namespace tmpu::tpu
