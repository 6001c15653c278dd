// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/core/dtype.hpp"
#include "tmpu/core/shape.hpp"
#include "tmpu/core/vec.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace tmpu {

static_assert(std::endian::native == std::endian::little, "tmpu keeps tensors as little-endian bytes");

/// A tensor's elements during inference, row-major. Floating-point elements of every width are held as float (after
/// rounding to their own width, so nothing is lost; of f64 the nearest float), integers and bool as 64-bit integers.
struct value {
  dtype_id type = dtype_id::none;
  shape dims;
  vec<float> f;
  vec<std::int64_t> i;

  static constexpr std::int64_t most_elements = std::int64_t{1} << 30;

  constexpr value() = default;
  /// Zeros; no elements yet where a dimension is unknown.
  constexpr value(dtype_id t, const shape& s) : value(t, s, false) {}
  /// Elements that are all written before they are read.
  static constexpr value to_be_written(dtype_id t, const shape& s) { return value(t, s, true); }
  [[nodiscard]] constexpr std::size_t size() const { return is_floating(type) ? f.size() : i.size(); }

private:
  constexpr value(dtype_id t, const shape& s, bool written_later) : type(t), dims(s) {
    if (!s.known()) return;
    if (s.elements() > most_elements) {
      refuse(text("a tensor of the shape ")
             << s.print() << " has more elements than inference takes (" << most_elements << ')');
    }
    const auto count = static_cast<std::size_t>(s.elements());
    if (is_floating(t)) {
      written_later ? f.resize_for_overwrite(count) : f.resize(count);
    } else {
      written_later ? i.resize_for_overwrite(count) : i.resize(count);
    }
  }
};

namespace detail {
template <class Word> constexpr Word load_word(const std::uint8_t* bytes) {
  if (std::is_constant_evaluated()) {
    std::uint64_t bits = 0;
    for (std::size_t b = 0; b < sizeof(Word); ++b) bits |= static_cast<std::uint64_t>(bytes[b]) << (8 * b);
    if constexpr (std::is_floating_point_v<Word>) {
      using bits_type = std::conditional_t<sizeof(Word) == 8, std::uint64_t, std::uint32_t>;
      return std::bit_cast<Word>(static_cast<bits_type>(bits));
    } else {
      return static_cast<Word>(bits);
    }
  }
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}
template <class Word> constexpr void store_word(vec<std::uint8_t>& bytes, Word word) {
  using bits_type =
      std::conditional_t<sizeof(Word) == 8, std::uint64_t,
                         std::conditional_t<sizeof(Word) == 4, std::uint32_t,
                                            std::conditional_t<sizeof(Word) == 2, std::uint16_t, std::uint8_t>>>;
  const auto bits = std::bit_cast<bits_type>(word);
  for (std::size_t b = 0; b < sizeof(Word); ++b) {
    bytes.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(bits) >> (8 * b)));
  }
}
} // namespace detail

namespace detail {
/// Appends the words that `word_of` makes of the elements.
template <class Elements, class WordOf>
constexpr void store_words(vec<std::uint8_t>& bytes, const Elements& elements, WordOf word_of) {
  using word = decltype(word_of(elements[0]));
  if (std::is_constant_evaluated()) {
    for (const auto x : elements) store_word(bytes, word_of(x));
    return;
  }
  const std::size_t first = bytes.size();
  bytes.resize(first + elements.size() * sizeof(word));
  std::uint8_t* at = bytes.data() + first;
  for (const auto x : elements) {
    const word w = word_of(x);
    std::memcpy(at, &w, sizeof w);
    at += sizeof w;
  }
}
} // namespace detail

/// The elements of a value as the bytes that files and machine memory hold (little-endian, row-major).
constexpr vec<std::uint8_t> to_bytes(const value& v) {
  vec<std::uint8_t> bytes;
  bytes.reserve(v.size() * static_cast<std::size_t>(bytes_of(v.type)));
  const auto put_floats = [&](auto word_of) { detail::store_words(bytes, v.f, word_of); };
  const auto put_integers = [&](auto word_of) { detail::store_words(bytes, v.i, word_of); };
  switch (v.type) {
  case dtype_id::f16: put_floats([](float x) { return to_f16_bits(x); }); return bytes;
  case dtype_id::bf16: put_floats([](float x) { return to_bf16_bits(x); }); return bytes;
  case dtype_id::f64: put_floats([](float x) { return static_cast<double>(x); }); return bytes;
  case dtype_id::f8e4m3: put_floats([](float x) { return to_e4m3_bits(x); }); return bytes;
  case dtype_id::f8e5m2: put_floats([](float x) { return to_e5m2_bits(x); }); return bytes;
  case dtype_id::f8e4m3fnuz: put_floats([](float x) { return to_e4m3fnuz_bits(x); }); return bytes;
  case dtype_id::f8e5m2fnuz: put_floats([](float x) { return to_e5m2fnuz_bits(x); }); return bytes;
  case dtype_id::f4e2m1: put_floats([](float x) { return to_e2m1_bits(x); }); return bytes;
  default: break;
  }
  if (is_floating(v.type)) {
    put_floats([](float x) { return x; });
    return bytes;
  }
  switch (bytes_of(v.type)) {
  case 1: put_integers([](std::int64_t x) { return static_cast<std::uint8_t>(x); }); break;
  case 2: put_integers([](std::int64_t x) { return static_cast<std::uint16_t>(x); }); break;
  case 4: put_integers([](std::int64_t x) { return static_cast<std::uint32_t>(x); }); break;
  default: put_integers([](std::int64_t x) { return x; }); break;
  }
  return bytes;
}

/// The value whose elements these bytes are; `bytes` holds at least as many as the shape needs.
constexpr value from_bytes(dtype_id type, const shape& dims, std::span<const std::uint8_t> bytes) {
  value v(type, dims);
  const auto step = static_cast<std::size_t>(bytes_of(type));
  const std::uint8_t* at = bytes.data();
  if (!std::is_constant_evaluated() && type == dtype_id::f32) {
    if (v.size() > 0) std::memcpy(v.f.data(), at, v.size() * step);
    return v;
  }
  for (std::size_t n = 0; n < v.size(); ++n, at += step) {
    switch (type) {
    case dtype_id::f32: v.f[n] = detail::load_word<float>(at); break;
    case dtype_id::f64: v.f[n] = static_cast<float>(detail::load_word<double>(at)); break;
    case dtype_id::f16: v.f[n] = from_f16_bits(detail::load_word<std::uint16_t>(at)); break;
    case dtype_id::bf16: v.f[n] = from_bf16_bits(detail::load_word<std::uint16_t>(at)); break;
    case dtype_id::f8e4m3: v.f[n] = from_e4m3_bits(*at); break;
    case dtype_id::f8e5m2: v.f[n] = from_e5m2_bits(*at); break;
    case dtype_id::f8e4m3fnuz: v.f[n] = from_e4m3fnuz_bits(*at); break;
    case dtype_id::f8e5m2fnuz: v.f[n] = from_e5m2fnuz_bits(*at); break;
    case dtype_id::f4e2m1: v.f[n] = from_e2m1_bits(*at); break;
    case dtype_id::i2:
    case dtype_id::i4:
    case dtype_id::i8: v.i[n] = static_cast<std::int8_t>(*at); break;
    case dtype_id::u2:
    case dtype_id::u4:
    case dtype_id::u8:
    case dtype_id::boolean: v.i[n] = *at; break;
    case dtype_id::i16: v.i[n] = static_cast<std::int16_t>(detail::load_word<std::uint16_t>(at)); break;
    case dtype_id::u16: v.i[n] = detail::load_word<std::uint16_t>(at); break;
    case dtype_id::i32: v.i[n] = static_cast<std::int32_t>(detail::load_word<std::uint32_t>(at)); break;
    case dtype_id::u32: v.i[n] = detail::load_word<std::uint32_t>(at); break;
    default: v.i[n] = static_cast<std::int64_t>(detail::load_word<std::uint64_t>(at)); break;
    }
  }
  return v;
}

/// A value of floats / of integers, from its elements.
constexpr value make_value(const shape& dims, std::span<const float> elements) {
  value v;
  v.type = dtype_id::f32;
  v.dims = dims;
  v.f = vec<float>(elements);
  return v;
}
constexpr value make_value(dtype_id type, const shape& dims, std::span<const std::int64_t> elements) {
  value v;
  v.type = type;
  v.dims = dims;
  v.i = vec<std::int64_t>(elements);
  return v;
}

} // namespace tmpu
