// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/diag.hpp"
#include "tmpu/isa/check.hpp"

#include <cstdint>
#include <span>
#include <string_view>

/// The `.tmodel` container, version 1. Little-endian.
///
/// | offset | bytes | what                                                                          |
/// |--------|-------|-------------------------------------------------------------------------------|
/// | 0      | 8     | magic "tmpu.mdl"                                                              |
/// | 8      | 4     | version: 1                                                                    |
/// | 12     | 4     | 0x01020304, in the writer's byte order                                        |
/// | 16     | 8     | size of the file                                                              |
/// | 24     | 8     | checksum: FNV-1a (64 bits) of all bytes from 32 on, 8 at a time               |
/// | 32     | 8     | number of words of the description                                            |
/// | 40     | 8     | offset of the weights, a multiple of 4096 so that they can be mapped          |
/// | 48     | 8     | bytes of weights                                                              |
/// | 56     | 4     | version of the instruction set: 1                                             |
/// | 60     | 4     | 0                                                                             |
/// | 64     | 4 x n | isa::program::description as words (core/reflect.hpp), then zeros to the weights |
namespace tmpu::isa {

inline constexpr std::string_view tmodel_magic = "tmpu.mdl";
inline constexpr std::uint32_t tmodel_version = 1;

namespace detail {
inline constexpr std::size_t header_bytes = 64;
inline constexpr std::size_t page_bytes = 4096;
inline constexpr std::uint32_t byte_order = 0x01020304;
constexpr std::uint64_t round_to(std::uint64_t size, std::uint64_t to) { return (size + to - 1) / to * to; }

constexpr void put_number(vec<std::uint8_t>& bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}
constexpr std::uint64_t get_number(std::span<const std::uint8_t> bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  if (size == sizeof value && !__builtin_is_constant_evaluated()) {
    __builtin_memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  }
  for (std::size_t i = 0; i < size; ++i) value |= static_cast<std::uint64_t>(bytes[at + i]) << (8 * i);
  return value;
}
/// The size of a file is a multiple of 8, so that whole words are hashed.
constexpr std::uint64_t checksum(std::span<const std::uint8_t> bytes) {
  std::uint64_t hash = 14695981039346656037U;
  for (std::size_t at = 32; at + 8 <= bytes.size(); at += 8) {
    hash = (hash ^ get_number(bytes, at, 8)) * 1099511628211U;
    hash ^= hash >> 29; // FNV alone carries bits only upwards
  }
  return hash;
}
} // namespace detail

/// The file of a program. Equal programs give equal bytes.
constexpr vec<std::uint8_t> to_bytes(const program& p) {
  vec<std::uint32_t> words;
  word_writer(words).put(p.info);
  const std::size_t weights = detail::round_to(detail::header_bytes + words.size() * 4, detail::page_bytes);
  vec<std::uint8_t> bytes(detail::round_to(weights + p.weights.size(), 8));
  for (std::size_t i = 0; i < tmodel_magic.size(); ++i) bytes[i] = static_cast<std::uint8_t>(tmodel_magic[i]);
  detail::put_number(bytes, 8, tmodel_version, 4);
  detail::put_number(bytes, 12, detail::byte_order, 4);
  detail::put_number(bytes, 16, bytes.size(), 8);
  detail::put_number(bytes, 32, words.size(), 8);
  detail::put_number(bytes, 40, weights, 8);
  detail::put_number(bytes, 48, p.weights.size(), 8);
  detail::put_number(bytes, 56, instruction_set, 4);
  for (std::size_t i = 0; i < words.size(); ++i) detail::put_number(bytes, detail::header_bytes + i * 4, words[i], 4);
  copy_elements(p.weights.data(), p.weights.size(), bytes.data() + weights);
  detail::put_number(bytes, 24, detail::checksum(bytes), 8);
  return bytes;
}

/// Whether a file begins like a `.tmodel`.
constexpr bool looks_like_tmodel(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < tmodel_magic.size()) return false;
  for (std::size_t i = 0; i < tmodel_magic.size(); ++i) {
    if (bytes[i] != static_cast<std::uint8_t>(tmodel_magic[i])) return false;
  }
  return true;
}

/// The program of a file; `name` is what messages call it, `Instructions` the list that its streams are made of. The executor checks
/// the operands of the instructions when it is made.
/// Errors: one line for a file that is empty, foreign, of another version or byte order, truncated, damaged, or that contradicts
/// itself (isa/check.hpp; a word that its member cannot hold; sections at other places than `to_bytes` puts them).
template <class Instructions = unpack<decltype(instructions)>>
constexpr program from_bytes(std::span<const std::uint8_t> bytes, std::string_view name = "the program") {
  const auto bad = [&](std::string_view why) { refuse(text("'") << name << "' " << why); };
  if (bytes.empty()) bad("is empty: compile the model again");
  if (!looks_like_tmodel(bytes)) bad("is no .tmodel file: make one with `tmpuc compile`");
  if (bytes.size() < detail::header_bytes) bad("is truncated: compile the model again");
  if (detail::get_number(bytes, 8, 4) != tmodel_version) {
    refuse(text("'") << name << "' has .tmodel version " << detail::get_number(bytes, 8, 4)
                     << ", but this build reads version " << tmodel_version << ": compile the model again");
  }
  if (detail::get_number(bytes, 56, 4) != instruction_set) {
    refuse(text("'") << name << "' was made for version " << detail::get_number(bytes, 56, 4)
                     << " of the instruction set, but this build runs version " << instruction_set
                     << ": compile the model again");
  }
  if (detail::get_number(bytes, 12, 4) != detail::byte_order)
    bad("was written in another byte order: compile the model on this kind of machine");
  const std::uint64_t size = detail::get_number(bytes, 16, 8);
  if (size > bytes.size()) {
    refuse(text("'") << name << "' is truncated: it has " << bytes.size() << " of " << size
                     << " bytes: compile the model again");
  }
  if (size != bytes.size() || size % 8 != 0) bad("has bytes behind its end: it is damaged, compile the model again");
  if (detail::checksum(bytes) != detail::get_number(bytes, 24, 8))
    bad("is damaged (its checksum does not fit): compile the model again");
  const std::uint64_t count = detail::get_number(bytes, 32, 8);
  const std::uint64_t weights = detail::get_number(bytes, 40, 8);
  const std::uint64_t weight_bytes = detail::get_number(bytes, 48, 8);
  if (weights > size || weight_bytes > size - weights || weights < detail::header_bytes ||
      count > (weights - detail::header_bytes) / 4 ||
      weights != detail::round_to(detail::header_bytes + count * 4, detail::page_bytes) ||
      size != detail::round_to(weights + weight_bytes, 8) || detail::get_number(bytes, 60, 4) != 0) {
    bad("is damaged (its sections are not where they should be): compile the model again");
  }
  for (std::uint64_t at = detail::header_bytes + count * 4; at < size; ++at) {
    if (at == weights) at += weight_bytes;
    if (at < size && bytes[static_cast<std::size_t>(at)] != 0)
      bad("is damaged (there are bytes between its sections): compile the model again");
  }
  vec<std::uint32_t> words(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = static_cast<std::uint32_t>(detail::get_number(bytes, detail::header_bytes + i * 4, 4));
  }
  program p;
  word_reader reader(words.span());
  reader.get(p.info);
  vec<std::uint32_t> again; // a word that holds more than its member would be lost
  word_writer(again).put(p.info);
  if (!reader.ok() || !reader.at_end() || !(again == words))
    bad("is damaged (its description does not decode): compile the model again");
  if (const text fault = fault_of<Instructions>(p, static_cast<std::int64_t>(weight_bytes)); !fault.empty())
    refuse(text("'") << name << "' contradicts itself: " << fault << ": compile the model again");
  p.weights =
      vec<std::uint8_t>(bytes.subspan(static_cast<std::size_t>(weights), static_cast<std::size_t>(weight_bytes)));
  return p;
}

} // namespace tmpu::isa
