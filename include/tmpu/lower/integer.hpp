// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/lower/binary.hpp"
#include "tmpu/top/binary.hpp"
#include "tmpu/top/cast.hpp"
#include "tmpu/top/elementwise.hpp"

/// Plain integers, changes of the element type, powers and rests.
namespace tmpu::lower {

namespace detail {
constexpr bool is_halfword(dtype_id type) { return type == dtype_id::i16 || type == dtype_id::u16; }
/// Whether the chip's own arithmetic is that of the model's type: it wraps around where the model's does, or what leaves 16 bits of the i32
/// that carries them is wrapped back. Of other integers that are carried in a wider or a narrower type only what stays within both is taken.
constexpr bool own_arithmetic(const context& c, isa::integer_kind kind) {
  using enum isa::integer_kind;
  const dtype_id type = c.top_type(0);
  if (carrier_of(type) == type || is_halfword(type)) return true;
  if (kind == shift_right) return !facts_of(type).is_signed;
  return kind == rest || kind == modulo || kind == max || kind == min || kind == bit_and || kind == bit_or ||
         kind == bit_xor;
}
constexpr bool takes_integers(const context& c, isa::integer_kind kind) {
  bool activation = false;
  for (std::size_t i = 0; i < c.operand_count(); ++i) {
    if (!c.has(i)) continue;
    if (is_floating(c.top_type(i)) || c.top_type(i) != c.top_type(0) || !c.carries(i)) return false;
    activation = activation || !c.is_constant(i);
  }
  return activation && own_arithmetic(c, kind);
}
/// The result of the chip's arithmetic on carried integers of 16 bits, wrapped around to them; of other types as it is.
constexpr tensor_id wrapped_back(const context& c, sequence& s, tensor_id y) {
  const dtype_id type = c.top_type(0);
  if (!is_halfword(type)) return y;
  const tensor_id low = s.integer(isa::integer_kind::bit_and, y, s.number_like(y, 0xFFFF));
  if (type == dtype_id::u16) return low;
  const tensor_id sign = s.number_like(y, 0x8000); // 0x8000 ... 0xFFFF become -0x8000 ... -1
  return s.integer(isa::integer_kind::sub, s.integer(isa::integer_kind::bit_xor, low, sign), sign);
}
/// All operands combined from left to right.
constexpr void combine_integers(context& c, isa::integer_kind kind) {
  const std::size_t rank = c.result_dims().rank();
  sequence s(c);
  tensor_id y = binary_operand(c, 0, rank);
  for (std::size_t i = 1; i < c.operand_count(); ++i) y = s.integer(kind, y, binary_operand(c, i, rank));
  s.finish(wrapped_back(c, s, y));
}
} // namespace detail

/// add, mul, max, bitwise_and, ... of integers -> integer.
template <class Op, isa::integer_kind Kind> struct integer_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool any_type = true;
    static constexpr bool takes(const context& c, node_id) { return detail::takes_integers(c, Kind); }
    static constexpr void apply(context& c, node_id) { detail::combine_integers(c, Kind); }
  };
};

/// max, min, sum, mean of one operand -> that operand.
template <class Op> struct one_operand_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool takes(const context& c, node_id) { return c.operand_count() == 1 && !c.is_constant(0); }
    static constexpr void apply(context& c, node_id) { sequence(c).finish(c.operand(0)); }
  };
};

/// mod -> integer: modulo, or with fmod rest; of floats binary: rest.
template <class Dtype> struct mod_rule {
  using op = top::mod;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    if (is_floating(c.top_type(0))) return c.carries(0) && c.carries(1) && !(c.is_constant(0) && c.is_constant(1));
    return detail::takes_integers(c, kind(c));
  }
  static constexpr void apply(context& c, node_id) {
    if (!is_floating(c.top_type(0))) return detail::combine_integers(c, kind(c));
    const std::size_t rank = c.result_dims().rank();
    const tensor_id a = detail::binary_operand(c, 0, rank);
    sequence(c).last(isa::binary_kind::rest, a, detail::binary_operand(c, 1, rank));
  }

private:
  static constexpr isa::integer_kind kind(const context& c) {
    return c.attributes<op>().fmod != 0 ? isa::integer_kind::rest : isa::integer_kind::modulo;
  }
};

/// bit_shift -> integer.
template <class Dtype> struct bit_shift_rule {
  using op = top::bit_shift;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) { return detail::takes_integers(c, kind(c)); }
  static constexpr void apply(context& c, node_id) { detail::combine_integers(c, kind(c)); }

private:
  static constexpr isa::integer_kind kind(const context& c) {
    return c.attributes<op>().direction.view() == "LEFT" ? isa::integer_kind::shift_left
                                                         : isa::integer_kind::shift_right;
  }
};

/// bitwise_not -> integer: the bits that differ from those of -1 (all ones).
template <class Dtype> struct bitwise_not_rule {
  using op = top::bitwise_not;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    return detail::takes_integers(c, isa::integer_kind::bit_xor) && facts_of(c.top_type(0)).is_signed;
  }
  static constexpr void apply(context& c, node_id) {
    sequence s(c);
    const tensor_id x = c.operand(0);
    s.finish(s.integer(isa::integer_kind::bit_xor, x, s.number_like(x, -1)));
  }
};

/// neg of integers -> 0 - x; abs -> the greater of x and 0 - x; relu -> the greater of x and 0; sign -> x between -1 and 1.
template <class Op> struct integer_sign_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool any_type = true;
    static constexpr bool takes(const context& c, node_id) {
      if (within) return detail::takes_integers(c, isa::integer_kind::max);
      return detail::takes_integers(c, isa::integer_kind::sub) && facts_of(c.top_type(0)).is_signed;
    }
    static constexpr void apply(context& c, node_id) {
      sequence s(c);
      const tensor_id x = c.operand(0);
      if constexpr (within) {
        const bool sign = std::is_same_v<Op, top::sign>;
        const tensor_id low = facts_of(c.top_type(0)).is_signed
                                  ? s.integer(isa::integer_kind::max, x, s.number_like(x, sign ? -1 : 0))
                                  : x;
        return s.finish(sign ? s.integer(isa::integer_kind::min, low, s.number_like(x, 1)) : low);
      }
      const tensor_id turned = s.integer(isa::integer_kind::sub, s.number_like(x, 0), x);
      const tensor_id y = std::is_same_v<Op, top::neg> ? turned : s.integer(isa::integer_kind::max, x, turned);
      s.finish(detail::wrapped_back(c, s, y));
    }

  private:
    static constexpr bool within =
        std::is_same_v<Op, top::relu> || std::is_same_v<Op, top::sign>; // never leaves the type
  };
};

/// clip whose bounds are activations -> the greater of x and the lower bound, then the lesser of it and the upper one; integers likewise.
template <class Dtype> struct clip_bounds_rule {
  using op = top::clip;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    bool all = !c.is_constant(0) && c.attributes<op>().clamp.empty();
    bool constant = is_floating(c.top_type(0)); // then unary takes it
    for (std::size_t i = 1; i < c.operand_count(); ++i) {
      if (!c.has(i)) continue;
      all = all && c.carries(i);
      constant = constant && c.is_constant(i);
    }
    return all && !constant;
  }
  static constexpr void apply(context& c, node_id) {
    const std::size_t rank = c.result_dims().rank();
    const bool floating = is_floating(c.top_type(0));
    sequence s(c);
    tensor_id y = c.operand(0);
    for (std::size_t i = 1; i < c.operand_count(); ++i) {
      if (!c.has(i)) continue;
      const tensor_id bound = detail::binary_operand(c, i, rank);
      if (floating) {
        y = s.binary(i == 1 ? isa::binary_kind::max : isa::binary_kind::min, y, bound);
      } else {
        y = s.integer(i == 1 ? isa::integer_kind::max : isa::integer_kind::min, y, bound);
      }
    }
    s.finish(y);
  }
};

/// pow -> binary: pow, an integer exponent converted first; of two integers of the chip's own types integer: power, also where the exponents
/// are constants of a float type that are whole.
template <class Dtype> struct pow_rule {
  using op = top::pow;
  using dtype = Dtype;
  static constexpr bool any_type = true;
  static constexpr bool takes(const context& c, node_id) {
    if (!c.carries(0) || !c.carries(1) || (c.is_constant(0) && c.is_constant(1))) return false;
    const dtype_id type = c.top_type(0);
    if (is_floating(type)) return true;
    // A power of integers has more bits than the chip's floats.
    const bool whole = is_floating(c.top_type(1)) ? type == dtype_id::i32 && whole_exponents(c)
                                                  : carrier_of(c.top_type(1)) == carrier_of(type);
    return detail::own_arithmetic(c, isa::integer_kind::power) && whole;
  }
  static constexpr void apply(context& c, node_id) {
    const std::size_t rank = c.result_dims().rank();
    if (!is_floating(c.top_type(0)) && is_floating(c.top_type(1))) {
      const value e = c.constant(1);
      value whole(dtype_id::i32, detail::with_rank(e.dims, rank));
      for (std::size_t n = 0; n < e.f.size(); ++n) whole.i[n] = static_cast<std::int64_t>(e.f[n]);
      sequence s(c);
      return s.finish(s.integer(isa::integer_kind::power, detail::binary_operand(c, 0, rank), s.constant(whole)));
    }
    if (!is_floating(c.top_type(0))) return detail::combine_integers(c, isa::integer_kind::power);
    sequence s(c);
    const tensor_id a = detail::binary_operand(c, 0, rank);
    const tensor_id b = detail::binary_operand(c, 1, rank);
    s.last(isa::binary_kind::pow, a, is_floating(c.top_type(1)) ? b : s.convert(b, c.type()));
  }

private:
  static constexpr bool whole_exponents(const context& c) {
    if (!c.is_constant(1)) return false;
    const value e = c.constant(1);
    for (const float x : e.f) {
      if (!(x >= -0x1p31F && x < 0x1p31F && math::floor(x) == x)) return false;
    }
    return true;
  }
};

/// cast, cast_like -> convert. Between floats that the pass computes in one type: rounded to the narrower one and back.
template <class Op> struct cast_family {
  template <class Dtype> struct rule {
    using op = Op;
    using dtype = Dtype;
    static constexpr bool any_type = true;
    static constexpr bool takes(const context& c, node_id) {
      if (c.is_constant(0) || !c.carries(0)) return false;
      const dtype_id to = c.result_type();
      if (is_floating(to) || !is_floating(c.top_type(0))) {
        // Whole numbers become those of a carried type only where they fit by their own type.
        return is_floating(to) || carrier_of(to) == to || narrower(c.top_type(0), to);
      }
      return carrier_of(to) == to; // floats beyond i32 would not be those of a wider type
    }
    static constexpr void apply(context& c, node_id) {
      sequence s(c);
      const tensor_id x = c.operand(0);
      const dtype_id to = c.result_type();
      if (!is_floating(to)) return s.finish(s.convert(x, carrier_of(to)));
      if (!is_floating(c.top_type(0))) return s.finish(s.convert(x, c.type()));
      const bool narrow = to != c.type() && to != dtype_id::f32;
      s.finish(narrow ? s.convert(s.convert(x, to), c.type()) : x);
    }

  private:
    /// Every number of `from` is one of `to`, or both are of 64 bits and signed alike: what is carried stays as it is.
    static constexpr bool narrower(dtype_id from, dtype_id to) {
      if (from == to) return true;
      const dtype_facts a = facts_of(from);
      const dtype_facts b = facts_of(to);
      return b.is_signed ? a.bits < b.bits || (a.is_signed && a.bits <= b.bits) : !a.is_signed && a.bits <= b.bits;
    }
  };
};

/// is_nan -> x differs from itself; is_inf -> x, or its size, is equal to an infinity.
template <class Dtype> struct is_nan_rule {
  using op = top::is_nan;
  using dtype = Dtype;
  static constexpr bool any_type = true; // bool
  static constexpr bool takes(const context& c, node_id) { return !c.is_constant(0) && is_floating(c.top_type(0)); }
  static constexpr void apply(context& c, node_id) {
    sequence s(c);
    const tensor_id x = c.operand(0);
    s.finish(s.compare(isa::compare_kind::not_equal, x, x));
  }
};
template <class Dtype> struct is_inf_rule {
  using op = top::is_inf;
  using dtype = Dtype;
  static constexpr bool any_type = true; // bool
  static constexpr bool takes(const context& c, node_id) {
    const auto a = c.attributes<op>();
    return !c.is_constant(0) && is_floating(c.top_type(0)) && (a.detect_positive != 0 || a.detect_negative != 0);
  }
  static constexpr void apply(context& c, node_id) {
    constexpr float infinity = math::infinity<float>;
    const auto a = c.attributes<op>();
    sequence s(c);
    tensor_id x = c.operand(0);
    if (a.detect_positive != 0 && a.detect_negative != 0) x = s.unary(isa::unary_kind::abs, x);
    const tensor_id wanted = s.scalar(a.detect_positive != 0 ? infinity : -infinity, s.dims(x).rank());
    s.finish(s.compare(isa::compare_kind::equal, x, wanted));
  }
};

} // namespace tmpu::lower
