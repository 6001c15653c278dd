// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/vec.hpp"
#include "tmpu/isa/operands.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

/// The reference TPU: runs a program's stream and nothing else. It knows neither graphs nor operators.
namespace tmpu::exec {

/// A little-endian word of memory.
template <class Word> constexpr Word load(const std::uint8_t* bytes) {
  if (std::is_constant_evaluated()) {
    std::uint64_t bits = 0;
    for (std::size_t b = 0; b < sizeof(Word); ++b) bits |= static_cast<std::uint64_t>(bytes[b]) << (8 * b);
    if constexpr (std::is_same_v<Word, float>) {
      return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    } else {
      return static_cast<Word>(bits);
    }
  }
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}
template <class Word> constexpr void store(std::uint8_t* bytes, Word word) {
  if (std::is_constant_evaluated()) {
    std::uint64_t bits = 0;
    if constexpr (std::is_same_v<Word, float>) {
      bits = std::bit_cast<std::uint32_t>(word);
    } else {
      bits = static_cast<std::uint64_t>(word);
    }
    for (std::size_t b = 0; b < sizeof(Word); ++b) bytes[b] = static_cast<std::uint8_t>(bits >> (8 * b));
    return;
  }
  std::memcpy(bytes, &word, sizeof word);
}

/// Calls f(tag) with the C++ type that holds an element of a dtype in memory and whether it is a 16-bit float; false for a
/// type that the machine does not have.
template <class Word, dtype_id Id> struct storage {
  using word = Word;
  static constexpr dtype_id id = Id;
};
template <class F> constexpr bool with_storage(dtype_id type, F&& f) {
  switch (type) {
  case dtype_id::f32: f(storage<float, dtype_id::f32>{}); return true;
  case dtype_id::f16: f(storage<std::uint16_t, dtype_id::f16>{}); return true;
  case dtype_id::bf16: f(storage<std::uint16_t, dtype_id::bf16>{}); return true;
  case dtype_id::i8: f(storage<std::int8_t, dtype_id::i8>{}); return true;
  case dtype_id::u8: f(storage<std::uint8_t, dtype_id::u8>{}); return true;
  case dtype_id::boolean: f(storage<std::uint8_t, dtype_id::boolean>{}); return true;
  case dtype_id::i32: f(storage<std::int32_t, dtype_id::i32>{}); return true;
  case dtype_id::f8e4m3: f(storage<std::uint8_t, dtype_id::f8e4m3>{}); return true;
  case dtype_id::f8e5m2: f(storage<std::uint8_t, dtype_id::f8e5m2>{}); return true;
  default: return false;
  }
}

/// An element as the arithmetic sees it: floats widened to f32, integers to i32.
template <class Storage> constexpr auto widen(typename Storage::word word) {
  if constexpr (Storage::id == dtype_id::f16) {
    return from_f16_bits(word);
  } else if constexpr (Storage::id == dtype_id::bf16) {
    return from_bf16_bits(word);
  } else if constexpr (Storage::id == dtype_id::f8e4m3) {
    return from_e4m3_bits(word);
  } else if constexpr (Storage::id == dtype_id::f8e5m2) {
    return from_e5m2_bits(word);
  } else if constexpr (Storage::id == dtype_id::f32) {
    return word;
  } else {
    return static_cast<std::int32_t>(word);
  }
}
/// And back; a float is rounded to nearest even, an integer is in range already.
template <class Storage, class Wide> constexpr typename Storage::word narrow(Wide value) {
  if constexpr (Storage::id == dtype_id::f16) {
    return to_f16_bits(static_cast<float>(value));
  } else if constexpr (Storage::id == dtype_id::bf16) {
    return to_bf16_bits(static_cast<float>(value));
  } else if constexpr (Storage::id == dtype_id::f8e4m3) {
    return to_e4m3_bits(static_cast<float>(value));
  } else if constexpr (Storage::id == dtype_id::f8e5m2) {
    return to_e5m2_bits(static_cast<float>(value));
  } else {
    return static_cast<typename Storage::word>(value);
  }
}

/// Memory of one core's machine: local memory lane by lane, the activation region, the weights (read only).
class memory {
public:
  constexpr memory() = default;
  /// Bytes behind the last lane: vector kernels read, but never write, that far beyond an operand.
  static constexpr std::int64_t slack = 64;
  constexpr memory(std::int32_t lanes, std::int64_t local_bytes, std::int64_t activation_bytes,
                   std::span<const std::uint8_t> weights)
      : lanes_(lanes), local_bytes_(local_bytes), local_(static_cast<std::size_t>(lanes * local_bytes + slack)),
        activations_(static_cast<std::size_t>(activation_bytes)), weights_(weights) {}
  /// The same in the space given (vec::borrowing): lanes x local_bytes + slack of local memory, and the activation region.
  constexpr memory(std::int32_t lanes, std::int64_t local_bytes, vec<std::uint8_t> local, vec<std::uint8_t> activations,
                   std::span<const std::uint8_t> weights)
      : lanes_(lanes), local_bytes_(local_bytes), local_(std::move(local)), activations_(std::move(activations)),
        weights_(weights) {}

  /// Another core of the same machine: local memory of its own, and the activations and weights of this one, which outlives it.
  [[nodiscard]] constexpr memory beside() {
    return {lanes_, local_bytes_, vec<std::uint8_t>(local_.size()), vec<std::uint8_t>::over(activations_.span()),
            weights_};
  }

  [[nodiscard]] constexpr std::int32_t lanes() const { return lanes_; }
  [[nodiscard]] constexpr std::int64_t local_bytes() const { return local_bytes_; }
  [[nodiscard]] constexpr std::span<std::uint8_t> activations() { return activations_.span(); }

  /// First byte of row 0 of the plane (n, c): rows are h_stride apart, elements of a row contiguous. Copies are read from lane 0.
  [[nodiscard]] constexpr std::uint8_t* plane(const isa::local_ref& r, std::int64_t n, std::int64_t c,
                                              std::int64_t copy_lane = 0) {
    const bool copy = r.spread == isa::spread::copy;
    const std::int64_t place = r.lane + c;
    const std::int64_t round = shift_ < 0 ? place / lanes_ : place >> shift_;
    const std::int64_t lane = copy ? copy_lane : place - round * lanes_;
    const std::int64_t row = copy ? c : round;
    return local_.data() + (lane * local_bytes_ + r.address + n * r.n_stride + row * r.c_stride);
  }
  /// The byte that a global operand begins with.
  [[nodiscard]] constexpr const std::uint8_t* global(const isa::global_ref& r) const {
    const std::int64_t at = isa::offset_of(r.address);
    return isa::region_of(r.address) == isa::region::weights ? weights_.data() + at : activations_.data() + at;
  }
  [[nodiscard]] constexpr std::uint8_t* writable(const isa::global_ref& r) {
    return activations_.data() + isa::offset_of(r.address);
  }

  /// All elements of an operand, widened, dense in the order (n, c, h, w).
  template <class Wide> constexpr void read(const isa::local_ref& r, vec<Wide>& out) {
    out.resize(static_cast<std::size_t>(std::int64_t{r.n} * r.c * r.h * r.w));
    Wide* to = out.data();
    if (r.type == dtype_id::i4) {
      read_i4(r, to);
      return;
    }
    with_storage(r.type, [&]<class Storage>(Storage) {
      using word = typename Storage::word;
      for (std::int64_t n = 0; n < r.n; ++n) {
        for (std::int64_t c = 0; c < r.c; ++c) {
          const std::uint8_t* from = plane(r, n, c);
          for (std::int64_t h = 0; h < r.h; ++h, from += r.h_stride) {
            for (std::int64_t w = 0; w < r.w; ++w)
              *to++ = static_cast<Wide>(widen<Storage>(load<word>(from + w * static_cast<std::int64_t>(sizeof(word)))));
          }
        }
      }
    });
  }
  /// Writes dense elements (n, c, h, w), rounding floats; copies go to every lane.
  template <class Wide> constexpr void write(const isa::local_ref& r, const vec<Wide>& in) {
    const std::int64_t copies = r.spread == isa::spread::copy ? lanes_ : 1;
    for (std::int64_t copy = 0; copy < copies; ++copy) {
      const Wide* from = in.data();
      with_storage(r.type, [&]<class Storage>(Storage) {
        using word = typename Storage::word;
        for (std::int64_t n = 0; n < r.n; ++n) {
          for (std::int64_t c = 0; c < r.c; ++c) {
            std::uint8_t* to = plane(r, n, c, copy);
            for (std::int64_t h = 0; h < r.h; ++h, to += r.h_stride) {
              for (std::int64_t w = 0; w < r.w; ++w)
                store<word>(to + w * static_cast<std::int64_t>(sizeof(word)), narrow<Storage>(*from++));
            }
          }
        }
      });
    }
  }

private:
  /// Two elements a byte, the first in the lower half; a row begins with a byte of its own.
  template <class Wide> constexpr void read_i4(const isa::local_ref& r, Wide* to) {
    for (std::int64_t n = 0; n < r.n; ++n) {
      for (std::int64_t c = 0; c < r.c; ++c) {
        const std::uint8_t* from = plane(r, n, c);
        for (std::int64_t h = 0; h < r.h; ++h, from += r.h_stride) {
          for (std::int64_t w = 0; w < r.w; ++w) {
            const std::int32_t half = (from[w / 2] >> (w % 2 * 4)) & 0xF;
            *to++ = static_cast<Wide>(half < 8 ? half : half - 16);
          }
        }
      }
    }
  }

  std::int32_t lanes_ = 1;
  int shift_ = std::has_single_bit(static_cast<std::uint32_t>(lanes_))
                   ? std::countr_zero(static_cast<std::uint32_t>(lanes_))
                   : -1; ///< lanes are 2 to this power, or -1
  std::int64_t local_bytes_ = 0;
  vec<std::uint8_t> local_;
  vec<std::uint8_t> activations_;
  std::span<const std::uint8_t> weights_;
};

} // namespace tmpu::exec
