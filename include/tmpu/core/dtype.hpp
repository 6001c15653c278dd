// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/list.hpp"
#include "tmpu/core/numbers.hpp"

#include <cstdint>
#include <string_view>

namespace tmpu {

/// Element types. The values are written to files: never renumber them.
enum class dtype_id : std::uint8_t {
  none = 0,
  f32 = 1,
  f16 = 2,
  bf16 = 3,
  i8 = 4,
  u8 = 5,
  i16 = 6,
  u16 = 7,
  i32 = 8,
  u32 = 9,
  i64 = 10,
  u64 = 11,
  f64 = 12,
  boolean = 13,
  f8e4m3 = 14,
  f8e5m2 = 15,
  i4 = 16,
  u4 = 17,
  string = 18,
  f8e4m3fnuz = 19,
  f8e5m2fnuz = 20,
  f4e2m1 = 21,
  i2 = 22,
  u2 = 23,
};

/// What holds of an element type. `bits` is the size in memory.
struct dtype_facts {
  std::string_view name;
  int bits = 0;
  bool floating = false;
  bool is_signed = true;
};

constexpr dtype_facts facts_of(dtype_id id) {
  switch (id) {
  case dtype_id::f32: return {"f32", 32, true};
  case dtype_id::f16: return {"f16", 16, true};
  case dtype_id::bf16: return {"bf16", 16, true};
  case dtype_id::f64: return {"f64", 64, true};
  case dtype_id::f8e4m3: return {"f8e4m3", 8, true};
  case dtype_id::f8e5m2: return {"f8e5m2", 8, true};
  case dtype_id::f8e4m3fnuz: return {"f8e4m3fnuz", 8, true};
  case dtype_id::f8e5m2fnuz: return {"f8e5m2fnuz", 8, true};
  case dtype_id::f4e2m1: return {"f4e2m1", 4, true};
  case dtype_id::i2: return {"i2", 2, false};
  case dtype_id::u2: return {"u2", 2, false, false};
  case dtype_id::i4: return {"i4", 4, false};
  case dtype_id::u4: return {"u4", 4, false, false};
  case dtype_id::i8: return {"i8", 8, false};
  case dtype_id::u8: return {"u8", 8, false, false};
  case dtype_id::i16: return {"i16", 16, false};
  case dtype_id::u16: return {"u16", 16, false, false};
  case dtype_id::i32: return {"i32", 32, false};
  case dtype_id::u32: return {"u32", 32, false, false};
  case dtype_id::i64: return {"i64", 64, false};
  case dtype_id::u64: return {"u64", 64, false, false};
  case dtype_id::boolean: return {"bool", 8, false, false};
  case dtype_id::string: return {"string", 0, false};
  case dtype_id::none: break;
  }
  return {"none", 0, false};
}
constexpr std::string_view name_of(dtype_id id) { return facts_of(id).name; }
constexpr bool is_floating(dtype_id id) { return facts_of(id).floating; }
/// Bytes of one element (types of less than a byte count as one).
constexpr std::int64_t bytes_of(dtype_id id) { return (facts_of(id).bits + 7) / 8; }
/// Types of two and four bits: one element a byte in a graph, several a byte in files and in the machine, the first in the lowest bits.
constexpr bool is_packed(dtype_id id) { return facts_of(id).bits > 0 && facts_of(id).bits < 8; }
/// Bytes that `count` elements behind each other take in files and in the machine.
constexpr std::int64_t packed_bytes(dtype_id id, std::int64_t count) { return (count * facts_of(id).bits + 7) / 8; }

/// The dtype named so, or dtype_id::none.
constexpr dtype_id dtype_named(std::string_view name) {
  for (int id = 1; id <= 23; ++id) {
    if (name_of(static_cast<dtype_id>(id)) == name) return static_cast<dtype_id>(id);
  }
  return dtype_id::none;
}

/// The dtype of a number of ONNX's TensorProto.DataType; none for one that tmpu does not hold.
constexpr dtype_id dtype_of_onnx(std::int64_t number) {
  constexpr dtype_id table[] = {
      dtype_id::none,       dtype_id::f32,    dtype_id::u8,         dtype_id::i8,      dtype_id::u16,  dtype_id::i16,
      dtype_id::i32,        dtype_id::i64,    dtype_id::string,     dtype_id::boolean, dtype_id::f16,  dtype_id::f64,
      dtype_id::u32,        dtype_id::u64,    dtype_id::none,       dtype_id::none,    dtype_id::bf16, dtype_id::f8e4m3,
      dtype_id::f8e4m3fnuz, dtype_id::f8e5m2, dtype_id::f8e5m2fnuz, dtype_id::u4,      dtype_id::i4,   dtype_id::f4e2m1,
      dtype_id::none,       dtype_id::u2,     dtype_id::i2};
  return number >= 0 && number < 27 ? table[number] : dtype_id::none;
}
/// Its inverse; 0 for a type that ONNX does not have.
constexpr std::int64_t onnx_number_of(dtype_id type) {
  for (std::int64_t n = 1; n < 27; ++n) {
    if (dtype_of_onnx(n) == type) return n;
  }
  return 0;
}

/// Least and greatest value of an integer type of at most 32 bits.
constexpr std::int64_t least_of(dtype_id id) {
  const auto facts = facts_of(id);
  return facts.is_signed ? -(std::int64_t{1} << (facts.bits - 1)) : 0;
}
constexpr std::int64_t greatest_of(dtype_id id) {
  const auto facts = facts_of(id);
  return id == dtype_id::boolean ? 1 : (std::int64_t{1} << (facts.is_signed ? facts.bits - 1 : facts.bits)) - 1;
}

/// The type in which the chip carries a model's integers: its own are bool, i8, u8 and i32; those of two and four bits fit into i8 and u8, i16
/// and u16 into i32, and i64, u32 and u64 (indices, places, shapes) are carried in it where their elements fit: who gives one that does not is
/// refused. `none`: not at all.
constexpr dtype_id carrier_of(dtype_id id) {
  switch (id) {
  case dtype_id::boolean:
  case dtype_id::i8:
  case dtype_id::u8: return id;
  case dtype_id::i2:
  case dtype_id::i4: return dtype_id::i8;
  case dtype_id::u2:
  case dtype_id::u4: return dtype_id::u8;
  case dtype_id::i32:
  case dtype_id::i16:
  case dtype_id::u16:
  case dtype_id::i64:
  case dtype_id::u32:
  case dtype_id::u64: return dtype_id::i32;
  default: return dtype_id::none;
  }
}

namespace detail {
constexpr float round_to_small(dtype_id id, float value) {
  switch (id) {
  case dtype_id::f16: return round_to_f16(value);
  case dtype_id::bf16: return round_to_bf16(value);
  case dtype_id::f8e4m3: return round_to_e4m3(value);
  case dtype_id::f8e5m2: return round_to_e5m2(value);
  case dtype_id::f8e4m3fnuz: return round_to_e4m3fnuz(value);
  case dtype_id::f8e5m2fnuz: return round_to_e5m2fnuz(value);
  case dtype_id::f4e2m1: return round_to_e2m1(value);
  default: return value;
  }
}
} // namespace detail
/// Rounds to the storage type (nearest, ties to even); f32 and wider types pass.
constexpr float round_to(dtype_id id, float value) {
  return id == dtype_id::f32 ? value : detail::round_to_small(id, value);
}

/// The tags that rules name: `using dtype = i8;`. A number format of one's own is a struct of this form.
struct f32 {
  static constexpr dtype_id id = dtype_id::f32;
};
struct f16 {
  static constexpr dtype_id id = dtype_id::f16;
};
struct bf16 {
  static constexpr dtype_id id = dtype_id::bf16;
};
struct i8 {
  static constexpr dtype_id id = dtype_id::i8;
};

/// The dtypes that the rules must cover for every operator (registry).
inline constexpr list<f32, f16, bf16, i8> dtypes;

} // namespace tmpu
