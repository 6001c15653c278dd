// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/dtype.hpp"
#include "tmpu/core/math.hpp"
#include "tmpu/core/numbers.hpp"
#include "tmpu/simd/level.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define TMPU_AVX2 [[gnu::target("avx2,fma,f16c")]]
#define TMPU_AVX512 [[gnu::target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]]
#endif
#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes what its own _mm512_undefined_* leaves open for a mistake of the caller.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

/// The innermost loops: up to 4 rows of weights times up to 64 places, and what makes words of elements and elements
/// of sums.
namespace tmpu::simd {

inline constexpr std::int64_t vector = 16;      ///< places that go side by side
inline constexpr std::int64_t tile_places = 64; ///< of one call
inline constexpr std::int64_t tile_rows = 4;
inline constexpr std::int64_t tall_rows = 16; ///< where there is one vector of places
template <std::int64_t Count> inline constexpr auto extent = static_cast<std::size_t>(Count);

/// What makes a result of a sum, of 8 bits or 32: clamp(zero + requantize(sum + bias, multiplier, shift)), see isa::conv.
struct integer_finish {
  std::int64_t most = 0x8000'0000; ///< no sum is further from 0
  std::int64_t bias = 0;
  std::int32_t multiplier = 0;
  std::int32_t shift = 0;
  std::int32_t zero = 0;
  std::int32_t low = 0; ///< least and greatest result
  std::int32_t high = 0;
};
/// Of a product: shifted right, rounded half away from zero, and so on.
constexpr std::int32_t round_product(std::int64_t product, const integer_finish& f) {
  const auto places = static_cast<std::uint32_t>(f.shift) & 63U;
  auto magnitude = static_cast<std::uint64_t>(product);
  magnitude = product < 0 ? 0U - magnitude : magnitude;
  if (places != 0) magnitude = (magnitude + (std::uint64_t{1} << (places - 1))) >> places;
  const std::uint64_t rounded = product < 0 ? 0U - magnitude : magnitude;
  const auto v = static_cast<std::int64_t>(static_cast<std::uint64_t>(std::int64_t{f.zero}) + rounded); // modulo 2^64
  return static_cast<std::int32_t>(v < f.low ? f.low : v > f.high ? f.high : v);
}
constexpr std::int32_t finish_one(std::int32_t sum, const integer_finish& f) {
  const auto wide = static_cast<std::uint64_t>(std::int64_t{f.multiplier});
  return round_product(static_cast<std::int64_t>(static_cast<std::uint64_t>(std::int64_t{sum} + f.bias) * wide), f);
}
/// 32 bits are enough for a sum with its bias, 62 for the product, and 32 for what is left of it; so they are for each
/// program that a compiler made.
constexpr bool fits_narrow(const integer_finish& f, std::int32_t least_shift) {
  constexpr std::int64_t most = 0x7FFF'FFFF;
  return f.multiplier >= 0 && f.shift >= least_shift && f.shift <= 62 &&
         f.most + (f.bias < 0 ? -f.bias : f.bias) <= most && std::int64_t{f.low} - f.zero >= -most &&
         std::int64_t{f.high} - f.zero <= most;
}
/// What two integers make, see isa::binary: clamp(zero + shifted(a' * a_multiplier op b' * b_multiplier)), of
/// mul a' * b' * a_multiplier. An operand has 8 bits, or 32 and no zero point (not of mul).
struct integer_pair {
  enum class operation : std::uint8_t { add, sub, mul, max, min };
  operation op = operation::add;
  dtype_id a_type = dtype_id::u8;
  dtype_id b_type = dtype_id::u8;
  std::int32_t a_zero = 0; ///< below 2^16, so that a' has less bits than 32
  std::int32_t b_zero = 0;
  std::int32_t a_multiplier = 0;
  std::int32_t b_multiplier = 0;
  integer_finish finish{}; ///< shift, zero, low, high
};
/// clamp(sum + bias).
struct real_finish {
  float bias = 0.0F;
  float low = 0.0F;
  float high = 0.0F;
};

/// Where finished sums of floats go: `width` of each row, clamp(sum + bias).
struct fused_end {
  float* y[16] = {}; ///< null: this row's are not wanted
  real_finish f[16] = {};
  std::int64_t width = 0;
};
/// Some places of an output, row after row, as elements of an input: the first run may begin inside of a row.
struct run_shape {
  std::int64_t first = 0; ///< elements of the first run
  std::int64_t run = 0;   ///< of the others
  std::int64_t jump = 0;  ///< from the beginning of a row to that of the next
  std::int64_t gap = 0;   ///< from the end of a run to the beginning of the next, where they go
};

/// Which elements of a row make a word of neighbouring taps: j * stride + u * dilation, u < bytes.
struct column_order {
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  bool fits = false;                    ///< four words lie in 16 elements
  alignas(16) std::uint8_t at[16] = {}; ///< which
  constexpr column_order(std::int64_t bytes, std::int64_t stride_of, std::int64_t dilation_of)
      : stride(stride_of), dilation(dilation_of), fits(3 * stride + (bytes - 1) * dilation < 16) {
    std::size_t i = 0;
    for (std::int64_t j = 0; fits && j < 4; ++j) {
      for (std::int64_t u = 0; u < bytes; ++u) at[i++] = static_cast<std::uint8_t>(j * stride + u * dilation);
    }
  }
};

/// The kernels of a level. Words of 8-bit integers hold `bytes` of them: x as the level has it, weights likewise.
/// Sources are read and words written up to 16 elements beyond the count; sums have 64 places a row, of which 16 *
/// vectors are computed.
struct kernels {
  std::int64_t bytes = 2;
  /// sums[r][p] = start[r] + sum over k of x[offsets[k] + p] * rows[r][k]; without a start it goes on from what stands
  /// there. Integers exact, floats one after the other and unfused.
  using tile = void (*)(const word* x, const std::int32_t* offsets, std::int64_t count, const std::uint8_t* const* rows,
                        void* sums, std::int64_t vectors, const void* start);
  tile integer_tile = nullptr; ///< 4 rows
  tile integer_row = nullptr;  ///< 1 row
  tile real_tile = nullptr;
  tile real_row = nullptr;
  /// sums[r][p] = start + sum over k < count, by math::fma, of rows[r][k] * panel[k][p], start 0 or what stands there; rows
  /// of the panel and of the sums have 64 places, of which 16 * vectors are computed. With an `end` the sums go there
  /// instead; says whether one of those is no number. `next`, where it is not null: as many rows whose weights will be
  /// asked for next.
  using fused_sums = bool (*)(const float* panel, std::int64_t count, const float* const* rows,
                              const float* const* next, float* sums, std::int64_t vectors, bool resume,
                              const fused_end* end);
  fused_sums fused_tile = nullptr; ///< 4 rows
  fused_sums fused_row = nullptr;  ///< 1 row
  fused_sums fused_tall = nullptr; ///< 16 rows, 1 vector
  /// Rows of places: y[r * width + p] = clamp(bias + sum over t < count, by math::fma from +0, of w[t] * x[t][r * pitch + p]),
  /// p < width and no further; reads up to 15 places more of each row. Says whether a result is no number.
  bool (*taps)(float* y, const float* const* x, std::int64_t pitch, const float* w, std::int64_t count,
               std::int64_t rows, std::int64_t width, const real_finish& f) = nullptr;
  /// even[i] = from[2 * i], odd[i] = from[2 * i + 1]. Reads no more than `count` elements, writes up to 15 zeros behind each.
  void (*halves)(float* even, float* odd, const float* from, std::int64_t count) = nullptr;
  /// Copies `width` floats, run after run, from where the first row would begin (`row`), each shape.gap behind the one before.
  /// Reads no more than these, writes up to 15 zeros behind each run.
  void (*runs)(float* to, const float* row, const run_shape& shape, std::int64_t width) = nullptr;
  /// to[i * line + j] = from[j * pitch + i], i < rows, j < columns.
  void (*turn)(float* to, std::int64_t line, const float* from, std::int64_t pitch, std::int64_t rows,
               std::int64_t columns) = nullptr;
  /// Words of one element from each of `bytes` rows.
  void (*interleave)(word* to, const std::uint8_t* const* rows, std::int64_t count, bool is_signed) = nullptr;
  void (*columns)(word* to, const std::uint8_t* row, std::int64_t count, const column_order& order,
                  bool is_signed) = nullptr;
  /// What a level that holds signed elements + 128 has to add to each sum: -128 times the sum of the row of weights.
  std::int32_t (*correction)(const std::uint8_t* row, std::int64_t words) = nullptr;
  /// sum over k of x[k] * w[k]; x and w as they lie in memory.
  std::int32_t (*dot)(const std::uint8_t* x, bool is_signed, const std::uint8_t* w, std::int64_t count) = nullptr;
  void (*finish_integer)(const std::int32_t* sums, std::int64_t count, const integer_finish& f,
                         std::uint8_t* to) = nullptr;
  /// Results of 32 bits.
  void (*finish_wide)(std::int32_t* to, const std::int32_t* sums, std::int64_t count,
                      const integer_finish& f) = nullptr;
  void (*pairs)(const std::uint8_t* a, const std::uint8_t* b, std::int64_t count, const integer_pair& p,
                std::uint8_t* to) = nullptr; ///< writes `count` results and no more
  /// The greater of each two; writes up to 15 elements beyond the count.
  void (*greatest)(std::uint8_t* to, const std::uint8_t* a, const std::uint8_t* b, std::int64_t count,
                   bool is_signed) = nullptr;
  /// In place; says whether a result is no number.
  bool (*finish_real)(float* sums, std::int64_t count, const real_finish& f) = nullptr;
  /// quantize_input of each (core/quantize.hpp), to 8 bits; a zero point and bounds of 8 bits.
  void (*quantize)(std::uint8_t* to, const float* from, std::int64_t count, float scale, std::int32_t zero,
                   std::int32_t low, std::int32_t high) = nullptr;
  void (*widen_f16)(float* to, const std::uint8_t* from, std::int64_t count) = nullptr;
  void (*narrow_f16)(std::uint8_t* to, const float* from, std::int64_t count) = nullptr;
  void (*widen_bf16)(float* to, const std::uint8_t* from, std::int64_t count) = nullptr;
  void (*narrow_bf16)(std::uint8_t* to, const float* from, std::int64_t count) = nullptr;
};

/// Rows of weights lie pages apart: no processor foresees which are next. A cache line of each at a time, so that sums go on.
inline constexpr std::int64_t line_floats = 16;
template <std::int64_t Rows> inline void fetch(const float* const* rows, std::int64_t k) {
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < Rows; ++r) __builtin_prefetch(rows[r] + k);
}

// ---------------------------------------------------------------- plain C++:
// what all of them mean
namespace portable {

template <std::int64_t Rows>
void integer(const word* x, const std::int32_t* offsets, std::int64_t count, const std::uint8_t* const* rows,
             void* sums, std::int64_t vectors, const void* start) {
  for (std::int64_t v = 0; v < vectors; ++v) {
    for (std::int64_t r = 0; r < Rows; ++r) {
      std::int32_t* to = static_cast<std::int32_t*>(sums) + r * tile_places + v * vector;
      std::int32_t s[vector];
      std::memcpy(s, to, sizeof s);
      for (std::int32_t& each : s) each = start != nullptr ? static_cast<const std::int32_t*>(start)[r] : each;
      for (std::int64_t k = 0; k < count; ++k) {
        std::int16_t pairs[2 * vector];
        std::memcpy(pairs, x + offsets[k] + v * vector, sizeof pairs);
        const auto a = std::int32_t{load<std::int16_t>(rows[r] + 4 * k)};
        const auto b = std::int32_t{load<std::int16_t>(rows[r] + 4 * k + 2)};
        for (std::int64_t p = 0; p < vector; ++p) s[p] += a * pairs[2 * p] + b * pairs[2 * p + 1];
      }
      std::memcpy(to, s, sizeof s);
    }
  }
}
template <std::int64_t Rows>
void real(const word* x, const std::int32_t* offsets, std::int64_t count, const std::uint8_t* const* rows, void* sums,
          std::int64_t vectors, const void* start) {
  for (std::int64_t v = 0; v < vectors; ++v) {
    for (std::int64_t r = 0; r < Rows; ++r) {
      float* to = static_cast<float*>(sums) + r * tile_places + v * vector;
      float s[vector];
      std::memcpy(s, to, sizeof s);
      for (float& each : s) each = start != nullptr ? load<float>(static_cast<const word*>(start) + r) : each;
      for (std::int64_t k = 0; k < count; ++k) {
        const auto w = load<float>(rows[r] + 4 * k);
        float a[vector];
        std::memcpy(a, x + offsets[k] + v * vector, sizeof a);
        for (std::int64_t p = 0; p < vector; ++p) s[p] += w * a[p];
      }
      std::memcpy(to, s, sizeof s);
    }
  }
}
template <std::int64_t Rows>
bool fused(const float* panel, std::int64_t count, const float* const* rows, const float* const*, float* sums,
           std::int64_t vectors, bool resume, const fused_end* end) {
  bool all = true;
  for (std::int64_t r = 0; r < Rows; ++r) {
    float* to = sums + r * tile_places;
    for (std::int64_t p = 0; p < vectors * vector; ++p) {
      float s = resume ? to[p] : 0.0F;
      for (std::int64_t k = 0; k < count; ++k) s = math::fma(rows[r][k], panel[k * tile_places + p], s);
      to[p] = s;
      if (end == nullptr || end->y[r] == nullptr || p >= end->width) continue;
      const real_finish& f = end->f[r];
      s += f.bias;
      end->y[r][p] = s < f.low ? f.low : s > f.high ? f.high : s;
      all = all && s == s;
    }
  }
  return !all;
}
inline bool taps(float* y, const float* const* x, std::int64_t pitch, const float* w, std::int64_t count,
                 std::int64_t rows, std::int64_t width, const real_finish& f) {
  bool all = true;
  for (std::int64_t r = 0; r < rows; ++r, y += width) {
    for (std::int64_t p = 0; p < width; ++p) {
      float s = 0.0F;
      for (std::int64_t t = 0; t < count; ++t) s = math::fma(w[t], x[t][r * pitch + p], s);
      s += f.bias;
      y[p] = s < f.low ? f.low : s > f.high ? f.high : s;
      all = all && s == s;
    }
  }
  return !all;
}
inline void halves(float* even, float* odd, const float* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) (i % 2 == 0 ? even : odd)[i / 2] = from[i];
}
inline void runs(float* to, const float* row, const run_shape& shape, std::int64_t width) {
  const float* from = row + shape.run - shape.first;
  for (std::int64_t run = shape.first; width > 0; run = shape.run) {
    const std::int64_t count = run < width ? run : width;
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
    to += count + shape.gap;
    width -= count;
    from = row += shape.jump;
  }
}
inline void turn(float* to, std::int64_t line, const float* from, std::int64_t pitch, std::int64_t rows,
                 std::int64_t columns) {
  for (std::int64_t j = 0; j < columns; ++j) {
    for (std::int64_t i = 0; i < rows; ++i) to[i * line + j] = from[j * pitch + i];
  }
}
constexpr word pair(std::uint8_t a, std::uint8_t b, bool is_signed) {
  const auto wide = [is_signed](std::uint8_t e) {
    return static_cast<word>(is_signed ? static_cast<std::uint16_t>(static_cast<std::int8_t>(e)) : std::uint16_t{e});
  };
  return wide(a) | wide(b) << 16;
}
inline void interleave(word* to, const std::uint8_t* const* rows, std::int64_t count, bool is_signed) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = pair(rows[0][i], rows[1][i], is_signed);
}
inline void columns(word* to, const std::uint8_t* row, std::int64_t count, const column_order& order, bool is_signed) {
  for (std::int64_t i = 0; i < count; ++i)
    to[i] = pair(row[i * order.stride], row[i * order.stride + order.dilation], is_signed);
}
inline std::int32_t correction(const std::uint8_t*, std::int64_t) { return 0; }
inline std::int32_t dot(const std::uint8_t* x, bool is_signed, const std::uint8_t* w, std::int64_t count) {
  std::int32_t s = 0;
  for (std::int64_t k = 0; k < count; ++k) {
    const std::int32_t a = is_signed ? std::int32_t{static_cast<std::int8_t>(x[k])} : std::int32_t{x[k]};
    s += a * std::int32_t{static_cast<std::int8_t>(w[k])};
  }
  return s;
}
inline void finish_integer(const std::int32_t* sums, std::int64_t count, const integer_finish& f, std::uint8_t* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<std::uint8_t>(finish_one(sums[i], f));
}
inline void finish_wide(std::int32_t* to, const std::int32_t* sums, std::int64_t count, const integer_finish& f) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = finish_one(sums[i], f);
}
inline void pairs(const std::uint8_t* a, const std::uint8_t* b, std::int64_t count, const integer_pair& p,
                  std::uint8_t* to) {
  using enum integer_pair::operation;
  const auto wide = [](const std::uint8_t* from, std::int64_t at, dtype_id type) {
    if (type == dtype_id::i32) return std::int64_t{load<std::int32_t>(from + 4 * at)};
    return type == dtype_id::i8 ? std::int64_t{static_cast<std::int8_t>(from[at])} : std::int64_t{from[at]};
  };
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t x = wide(a, i, p.a_type) - p.a_zero;
    const std::int64_t y = wide(b, i, p.b_type) - p.b_zero;
    const std::int64_t xm = x * p.a_multiplier;
    const std::int64_t ym = y * p.b_multiplier;
    std::int64_t v = 0;
    switch (p.op) {
    case add: v = xm + ym; break;
    case sub: v = xm - ym; break;
    case mul: v = x * y * p.a_multiplier; break;
    case max: v = xm > ym ? xm : ym; break;
    case min: v = xm < ym ? xm : ym; break;
    }
    to[i] = static_cast<std::uint8_t>(round_product(v, p.finish));
  }
}
inline void greatest(std::uint8_t* to, const std::uint8_t* a, const std::uint8_t* b, std::int64_t count,
                     bool is_signed) {
  const std::uint8_t turn = is_signed ? 0x80 : 0;
  for (std::int64_t i = 0; i < count; ++i) to[i] = (a[i] ^ turn) > (b[i] ^ turn) ? a[i] : b[i];
}
inline bool finish_real(float* sums, std::int64_t count, const real_finish& f) {
  bool all = true;
  for (std::int64_t i = 0; i < count; ++i) {
    const float v = sums[i] + f.bias;
    sums[i] = v < f.low ? f.low : v > f.high ? f.high : v;
    all = all && v == v;
  }
  return !all;
}
inline void quantize(std::uint8_t* to, const float* from, std::int64_t count, float scale, std::int32_t zero,
                     std::int32_t low, std::int32_t high) {
  constexpr float far = 1.0e6F; // saturates, whatever the zero point
  for (std::int64_t i = 0; i < count; ++i) {
    float q = from[i] / scale;
    q = q < -far ? -far : q > far ? far : q;
    q = q == q ? q : 0.0F;
    auto whole = static_cast<std::int32_t>(q);
    const float rest = q - static_cast<float>(whole);
    const bool odd = whole % 2 != 0;
    whole += (rest > 0.5F || (rest == 0.5F && odd) ? 1 : 0) - (rest < -0.5F || (rest == -0.5F && odd) ? 1 : 0) + zero;
    to[i] = static_cast<std::uint8_t>(whole < low ? low : whole > high ? high : whole);
  }
}
inline void widen_f16(float* to, const std::uint8_t* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) store(to + i, from_f16_bits(load<std::uint16_t>(from + 2 * i)));
}
inline void narrow_f16(std::uint8_t* to, const float* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) store(to + 2 * i, to_f16_bits(from[i]));
}
inline void widen_bf16(float* to, const std::uint8_t* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) store(to + i, from_bf16_bits(load<std::uint16_t>(from + 2 * i)));
}
inline void narrow_bf16(std::uint8_t* to, const float* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) store(to + 2 * i, to_bf16_bits(from[i]));
}

inline constexpr kernels all{.bytes = 2,
                             .integer_tile = integer<tile_rows>,
                             .integer_row = integer<1>,
                             .real_tile = real<tile_rows>,
                             .real_row = real<1>,
                             .fused_tile = fused<tile_rows>,
                             .fused_row = fused<1>,
                             .fused_tall = fused<tall_rows>,
                             .taps = taps,
                             .halves = halves,
                             .runs = runs,
                             .turn = turn,
                             .interleave = interleave,
                             .columns = columns,
                             .correction = correction,
                             .dot = dot,
                             .finish_integer = finish_integer,
                             .finish_wide = finish_wide,
                             .pairs = pairs,
                             .greatest = greatest,
                             .finish_real = finish_real,
                             .quantize = quantize,
                             .widen_f16 = widen_f16,
                             .narrow_f16 = narrow_f16,
                             .widen_bf16 = widen_bf16,
                             .narrow_bf16 = narrow_bf16};
} // namespace portable

#if defined(__x86_64__)
// ---------------------------------------------------------------- AVX2
namespace avx2 {

TMPU_AVX2 inline __m256i load256(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
TMPU_AVX2 inline void store256(void* to, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(to), v); }
TMPU_AVX2 inline __m128i load128(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }

template <std::int64_t Rows>
TMPU_AVX2 void integer(const word* x, const std::int32_t* offsets, std::int64_t count, const std::uint8_t* const* rows,
                       void* sums, std::int64_t vectors, const void* start) {
  for (std::int64_t v = 0; v < vectors; ++v) {
    std::int32_t* to = static_cast<std::int32_t*>(sums) + v * vector;
    const std::uint8_t* w[extent<Rows>];
    __m256i s[extent<Rows>][2];
#pragma GCC unroll 4
    for (std::int64_t r = 0; r < Rows; ++r) {
      w[r] = rows[r];
      s[r][0] = start != nullptr ? _mm256_set1_epi32(static_cast<const std::int32_t*>(start)[r])
                                 : load256(to + r * tile_places);
      s[r][1] = start != nullptr ? s[r][0] : load256(to + r * tile_places + 8);
    }
    for (std::int64_t k = 0; k < count; ++k) {
      const word* at = x + offsets[k] + v * vector;
      const __m256i a = load256(at);
      const __m256i b = load256(at + 8);
#pragma GCC unroll 4
      for (std::int64_t r = 0; r < Rows; ++r) {
        const __m256i t = _mm256_set1_epi32(load<std::int32_t>(w[r] + 4 * k));
        s[r][0] = _mm256_add_epi32(s[r][0], _mm256_madd_epi16(a, t));
        s[r][1] = _mm256_add_epi32(s[r][1], _mm256_madd_epi16(b, t));
      }
    }
#pragma GCC unroll 4
    for (std::int64_t r = 0; r < Rows; ++r) {
      store256(to + r * tile_places, s[r][0]);
      store256(to + r * tile_places + 8, s[r][1]);
    }
  }
}
template <std::int64_t Rows>
TMPU_AVX2 void real(const word* x, const std::int32_t* offsets, std::int64_t count, const std::uint8_t* const* rows,
                    void* sums, std::int64_t vectors, const void* start) {
  for (std::int64_t v = 0; v < vectors; ++v) {
    float* to = static_cast<float*>(sums) + v * vector;
    const std::uint8_t* w[extent<Rows>];
    __m256 s[extent<Rows>][2];
#pragma GCC unroll 4
    for (std::int64_t r = 0; r < Rows; ++r) {
      w[r] = rows[r];
      s[r][0] = start != nullptr ? _mm256_set1_ps(load<float>(static_cast<const word*>(start) + r))
                                 : _mm256_loadu_ps(to + r * tile_places);
      s[r][1] = start != nullptr ? s[r][0] : _mm256_loadu_ps(to + r * tile_places + 8);
    }
    for (std::int64_t k = 0; k < count; ++k) {
      const auto* at = reinterpret_cast<const float*>(x + offsets[k] + v * vector);
      const __m256 a = _mm256_loadu_ps(at);
      const __m256 b = _mm256_loadu_ps(at + 8);
#pragma GCC unroll 4
      for (std::int64_t r = 0; r < Rows; ++r) {
        const __m256 t = _mm256_set1_ps(load<float>(w[r] + 4 * k));
        s[r][0] = _mm256_add_ps(s[r][0], _mm256_mul_ps(t, a));
        s[r][1] = _mm256_add_ps(s[r][1], _mm256_mul_ps(t, b));
      }
    }
#pragma GCC unroll 4
    for (std::int64_t r = 0; r < Rows; ++r) {
      _mm256_storeu_ps(to + r * tile_places, s[r][0]);
      _mm256_storeu_ps(to + r * tile_places + 8, s[r][1]);
    }
  }
}
/// Finishes 8 places and stores the first `count` of them.
TMPU_AVX2 inline bool store_finished(float* y, __m256 sum, const real_finish& f, std::int64_t count) {
  const __m256 v = _mm256_add_ps(sum, _mm256_set1_ps(f.bias));
  const std::int32_t unordered = _mm256_movemask_ps(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  const __m256 clamped =
      _mm256_min_ps(_mm256_set1_ps(f.high), _mm256_max_ps(_mm256_set1_ps(f.low), v)); // a NaN stays one
  if (count >= 8) {
    _mm256_storeu_ps(y, clamped);
    return unordered != 0;
  }
  if (count <= 0) return false;
  float some[8];
  _mm256_storeu_ps(some, clamped);
  std::memcpy(y, some, static_cast<std::size_t>(count) * sizeof(float));
  return (unordered & ((1 << count) - 1)) != 0;
}
template <std::int64_t Rows>
TMPU_AVX2 bool fused(const float* panel, std::int64_t count, const float* const* rows, const float* const* next,
                     float* sums, std::int64_t vectors, bool resume, const fused_end* end) {
  bool odd = false;
  for (std::int64_t v = 0; v < vectors; ++v) {
    float* to = sums + v * vector;
    const float* w[extent<Rows>];
    __m256 s[extent<Rows>][2];
#pragma GCC unroll 4
    for (std::int64_t r = 0; r < Rows; ++r) {
      w[r] = rows[r];
      s[r][0] = resume ? _mm256_loadu_ps(to + r * tile_places) : _mm256_setzero_ps();
      s[r][1] = resume ? _mm256_loadu_ps(to + r * tile_places + 8) : _mm256_setzero_ps();
    }
    const float* at = panel + v * vector;
    for (std::int64_t k = 0; k < count;) {
      if (next != nullptr && v == 0) fetch<Rows>(next, k);
      for (const std::int64_t stop = count - k < line_floats ? count : k + line_floats; k < stop;
           ++k, at += tile_places) {
        const __m256 a = _mm256_loadu_ps(at);
        const __m256 b = _mm256_loadu_ps(at + 8);
#pragma GCC unroll 4
        for (std::int64_t r = 0; r < Rows; ++r) {
          const __m256 t = _mm256_broadcast_ss(w[r] + k);
          s[r][0] = _mm256_fmadd_ps(t, a, s[r][0]);
          s[r][1] = _mm256_fmadd_ps(t, b, s[r][1]);
        }
      }
    }
#pragma GCC unroll 4
    for (std::int64_t r = 0; r < Rows; ++r) {
      if (end == nullptr) {
        _mm256_storeu_ps(to + r * tile_places, s[r][0]);
        _mm256_storeu_ps(to + r * tile_places + 8, s[r][1]);
      } else if (end->y[r] != nullptr) {
        float* y = end->y[r] + v * vector;
        odd = store_finished(y, s[r][0], end->f[r], end->width - v * vector) || odd;
        odd = store_finished(y + 8, s[r][1], end->f[r], end->width - v * vector - 8) || odd;
      }
    }
  }
  return odd;
}
/// The registers hold four rows at a time.
inline bool fused_tall(const float* panel, std::int64_t count, const float* const* rows, const float* const* next,
                       float* sums, std::int64_t, bool resume, const fused_end* end) {
  bool odd = false;
  for (std::int64_t r = 0; r < tall_rows; r += tile_rows) {
    fused_end part;
    for (std::int64_t i = 0; end != nullptr && i < tile_rows; ++i) {
      part.y[i] = end->y[r + i];
      part.f[i] = end->f[r + i];
      part.width = end->width;
    }
    odd = fused<tile_rows>(panel, count, rows + r, next == nullptr ? nullptr : next + r, sums + r * tile_places, 1,
                           resume, end != nullptr ? &part : nullptr) ||
          odd;
  }
  return odd;
}
TMPU_AVX2 inline bool taps(float* y, const float* const* x, std::int64_t pitch, const float* w, std::int64_t count,
                           std::int64_t rows, std::int64_t width, const real_finish& f) {
  bool odd = false;
  for (std::int64_t r = 0; r < rows; ++r, y += width) {
    for (std::int64_t p = 0; p < width; p += vector) {
      __m256 a = _mm256_setzero_ps();
      __m256 b = a;
      for (std::int64_t t = 0; t < count; ++t) {
        const float* at = x[t] + r * pitch + p;
        const __m256 times = _mm256_broadcast_ss(w + t);
        a = _mm256_fmadd_ps(times, _mm256_loadu_ps(at), a);
        b = _mm256_fmadd_ps(times, _mm256_loadu_ps(at + 8), b);
      }
      odd = store_finished(y + p, a, f, width - p) || odd;
      odd = store_finished(y + p + 8, b, f, width - p - 8) || odd;
    }
  }
  return odd;
}
TMPU_AVX2 inline void halves(float* even, float* odd, const float* from, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m256 a = _mm256_loadu_ps(from + i);
    const __m256 b = _mm256_loadu_ps(from + i + 8);
    const __m256d first = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));
    const __m256d second = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xDD));
    _mm256_storeu_ps(even + i / 2, _mm256_castpd_ps(_mm256_permute4x64_pd(first, 0xD8)));
    _mm256_storeu_ps(odd + i / 2, _mm256_castpd_ps(_mm256_permute4x64_pd(second, 0xD8)));
  }
  portable::halves(even + i / 2, odd + i / 2, from + i, count - i);
}
/// to[i * line + j] = from[j * pitch + i] for 8 by 8.
TMPU_AVX2 inline void turn_eight(float* to, std::int64_t line, const float* from, std::int64_t pitch) {
  __m256 row[8];
#pragma GCC unroll 4
  for (std::int64_t j = 0; j < 4; ++j) { // rows j and j + 4 side by side, in halves
    const __m256 a = _mm256_castps128_ps256(_mm_loadu_ps(from + j * pitch));
    const __m256 b = _mm256_castps128_ps256(_mm_loadu_ps(from + j * pitch + 4));
    row[j] = _mm256_insertf128_ps(a, _mm_loadu_ps(from + (j + 4) * pitch), 1);
    row[j + 4] = _mm256_insertf128_ps(b, _mm_loadu_ps(from + (j + 4) * pitch + 4), 1);
  }
#pragma GCC unroll 2
  for (std::int64_t h = 0; h < 8; h += 4) {
    const __m256 ab = _mm256_unpacklo_ps(row[h], row[h + 1]);
    const __m256 cd = _mm256_unpacklo_ps(row[h + 2], row[h + 3]);
    const __m256 ef = _mm256_unpackhi_ps(row[h], row[h + 1]);
    const __m256 gh = _mm256_unpackhi_ps(row[h + 2], row[h + 3]);
    _mm256_storeu_ps(to + h * line, _mm256_shuffle_ps(ab, cd, 0x44));
    _mm256_storeu_ps(to + (h + 1) * line, _mm256_shuffle_ps(ab, cd, 0xEE));
    _mm256_storeu_ps(to + (h + 2) * line, _mm256_shuffle_ps(ef, gh, 0x44));
    _mm256_storeu_ps(to + (h + 3) * line, _mm256_shuffle_ps(ef, gh, 0xEE));
  }
}
TMPU_AVX2 inline void turn(float* to, std::int64_t line, const float* from, std::int64_t pitch, std::int64_t rows,
                           std::int64_t columns) {
  std::int64_t j = 0;
  for (; j + 8 <= columns; j += 8) {
    const float* at = from + j * pitch;
    std::int64_t i = 0;
    for (; i + 8 <= rows; i += 8) {
      for (std::int64_t r = 8; i % 16 == 0 && r < 16 && j + r < columns; ++r) __builtin_prefetch(at + r * pitch + i);
      turn_eight(to + i * line + j, line, at + i, pitch);
    }
    portable::turn(to + i * line + j, line, at + i, pitch, rows - i, 8);
  }
  portable::turn(to + j, line, from + j * pitch, pitch, rows, columns - j);
}
TMPU_AVX2 inline __m256i widen(__m128i bytes, bool is_signed) {
  return is_signed ? _mm256_cvtepi8_epi16(bytes) : _mm256_cvtepu8_epi16(bytes);
}
TMPU_AVX2 inline void interleave(word* to, const std::uint8_t* const* rows, std::int64_t count, bool is_signed) {
  for (std::int64_t i = 0; i < count; i += 16) {
    const __m128i a = load128(rows[0] + i);
    const __m128i b = load128(rows[1] + i);
    store256(to + i, widen(_mm_unpacklo_epi8(a, b), is_signed));
    store256(to + i + 8, widen(_mm_unpackhi_epi8(a, b), is_signed));
  }
}
TMPU_AVX2 inline void columns(word* to, const std::uint8_t* row, std::int64_t count, const column_order& order,
                              bool is_signed) {
  if (!order.fits) return portable::columns(to, row, count, order, is_signed);
  const __m128i bytes = load128(order.at);
  for (std::int64_t i = 0; i < count; i += 4) {
    const __m128i pairs = _mm_shuffle_epi8(load128(row + i * order.stride), bytes);
    const __m128i wide = is_signed ? _mm_cvtepi8_epi16(pairs) : _mm_cvtepu8_epi16(pairs);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), wide);
  }
}
TMPU_AVX2 inline std::int32_t total(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1));
  return _mm_cvtsi128_si32(s);
}
TMPU_AVX2 inline std::int32_t dot(const std::uint8_t* x, bool is_signed, const std::uint8_t* w, std::int64_t count) {
  __m256i s = _mm256_setzero_si256();
  std::int64_t k = 0;
  for (; k + 16 <= count; k += 16)
    s = _mm256_add_epi32(s, _mm256_madd_epi16(widen(load128(x + k), is_signed), widen(load128(w + k), true)));
  return total(s) + portable::dot(x + k, is_signed, w + k, count - k);
}
TMPU_AVX2 inline void finish_integer(const std::int32_t* sums, std::int64_t count, const integer_finish& f,
                                     std::uint8_t* to) {
  const std::int64_t low = std::int64_t{f.low} - f.zero;
  const std::int64_t high = std::int64_t{f.high} - f.zero;
  if (!fits_narrow(f, 31)) return portable::finish_integer(sums, count, f, to);
  const __m256i bias = _mm256_set1_epi32(static_cast<std::int32_t>(f.bias));
  const __m256i multiplier = _mm256_set1_epi32(f.multiplier);
  const __m256i half = _mm256_set1_epi64x(std::int64_t{1} << (f.shift - 1));
  const __m128i shift = _mm_cvtsi32_si128(f.shift);
  const __m256i least = _mm256_set1_epi32(static_cast<std::int32_t>(low));
  const __m256i greatest = _mm256_set1_epi32(static_cast<std::int32_t>(high));
  const __m256i zero = _mm256_set1_epi32(f.zero);
  const __m256i first_bytes = _mm256_set1_epi32(0x0C080400);
  for (std::int64_t i = 0; i < count; i += 8) {
    const __m256i v = _mm256_add_epi32(load256(sums + i), bias);
    const __m256i magnitude = _mm256_abs_epi32(v);
    const __m256i even = _mm256_srl_epi64(_mm256_add_epi64(_mm256_mul_epu32(magnitude, multiplier), half), shift);
    const __m256i odd =
        _mm256_srl_epi64(_mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(magnitude, 32), multiplier), half), shift);
    const __m256i rounded = _mm256_sign_epi32(_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA), v);
    const __m256i y = _mm256_add_epi32(_mm256_min_epi32(_mm256_max_epi32(rounded, least), greatest), zero);
    const __m256i packed = _mm256_shuffle_epi8(y, first_bytes);
    store(to + i, _mm_cvtsi128_si32(_mm256_castsi256_si128(packed)));
    store(to + i + 4, _mm_cvtsi128_si32(_mm256_extracti128_si256(packed, 1)));
  }
}
/// The 64-bit products of a' with a multiplier: a' from the low halves of 4 lanes.
TMPU_AVX2 inline __m256i centred(const std::uint8_t* from, bool is_signed, std::int32_t zero) {
  const __m128i bytes = _mm_cvtsi32_si128(load<std::int32_t>(from));
  return _mm256_sub_epi64(is_signed ? _mm256_cvtepi8_epi64(bytes) : _mm256_cvtepu8_epi64(bytes),
                          _mm256_set1_epi64x(zero));
}
TMPU_AVX2 inline __m256i pair_of(const __m256i x, const __m256i y, const integer_pair& p) {
  using enum integer_pair::operation;
  const __m256i am = _mm256_set1_epi64x(p.a_multiplier);
  if (p.op == mul) return _mm256_mul_epi32(_mm256_mul_epi32(x, y), am);
  const __m256i xm = _mm256_mul_epi32(x, am);
  const __m256i ym = _mm256_mul_epi32(y, _mm256_set1_epi64x(p.b_multiplier));
  if (p.op == add) return _mm256_add_epi64(xm, ym);
  if (p.op == sub) return _mm256_sub_epi64(xm, ym);
  const __m256i more = _mm256_cmpgt_epi64(xm, ym);
  return p.op == max ? _mm256_blendv_epi8(ym, xm, more) : _mm256_blendv_epi8(xm, ym, more);
}
TMPU_AVX2 inline void pairs(const std::uint8_t* a, const std::uint8_t* b, std::int64_t count, const integer_pair& p,
                            std::uint8_t* to) {
  if (p.a_type == dtype_id::i32 || p.b_type == dtype_id::i32) return portable::pairs(a, b, count, p, to);
  const integer_finish& f = p.finish;
  const auto places = static_cast<std::int32_t>(static_cast<std::uint32_t>(f.shift) & 63U);
  const __m256i half = _mm256_set1_epi64x(places == 0 ? 0 : std::int64_t{1} << (places - 1));
  const __m128i shift = _mm_cvtsi32_si128(places);
  const __m256i none = _mm256_setzero_si256();
  const __m256i zero = _mm256_set1_epi64x(f.zero);
  const __m256i low = _mm256_set1_epi64x(f.low);
  const __m256i high = _mm256_set1_epi64x(f.high);
  std::int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const __m256i v = pair_of(centred(a + i, p.a_type == dtype_id::i8, p.a_zero),
                              centred(b + i, p.b_type == dtype_id::i8, p.b_zero), p);
    const __m256i sign = _mm256_cmpgt_epi64(none, v);
    const __m256i magnitude = _mm256_sub_epi64(_mm256_xor_si256(v, sign), sign);
    const __m256i rounded = _mm256_srl_epi64(_mm256_add_epi64(magnitude, half), shift);
    __m256i y = _mm256_add_epi64(_mm256_sub_epi64(_mm256_xor_si256(rounded, sign), sign), zero);
    y = _mm256_blendv_epi8(y, low, _mm256_cmpgt_epi64(low, y));
    y = _mm256_blendv_epi8(y, high, _mm256_cmpgt_epi64(y, high));
    const __m256i bytes = _mm256_shuffle_epi8(y,
                                              _mm256_set1_epi64x(0x0800)); // the first byte of both lanes of a half
    store(to + i, static_cast<std::int16_t>(_mm256_extract_epi16(bytes, 0)));
    store(to + i + 2, static_cast<std::int16_t>(_mm256_extract_epi16(bytes, 8)));
  }
  portable::pairs(a + i, b + i, count - i, p, to + i);
}
TMPU_AVX2 inline void greatest(std::uint8_t* to, const std::uint8_t* a, const std::uint8_t* b, std::int64_t count,
                               bool is_signed) {
  for (std::int64_t i = 0; i < count; i += 16) {
    const __m128i x = load128(a + i);
    const __m128i y = load128(b + i);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), is_signed ? _mm_max_epi8(x, y) : _mm_max_epu8(x, y));
  }
}
TMPU_AVX2 inline bool finish_real(float* sums, std::int64_t count, const real_finish& f) {
  const __m256 bias = _mm256_set1_ps(f.bias);
  const __m256 low = _mm256_set1_ps(f.low);
  const __m256 high = _mm256_set1_ps(f.high);
  __m256 odd = _mm256_setzero_ps();
  for (std::int64_t i = 0; i < count; i += 8) {
    const __m256 v = _mm256_add_ps(_mm256_loadu_ps(sums + i), bias);
    odd = _mm256_or_ps(odd, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    // max and min give their second operand where the comparison does not hold: a NaN, and the zero that stands there.
    _mm256_storeu_ps(sums + i, _mm256_min_ps(high, _mm256_max_ps(low, v)));
  }
  return _mm256_movemask_ps(odd) != 0;
}
TMPU_AVX2 inline void widen_f16(float* to, const std::uint8_t* from, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(to + i, _mm256_cvtph_ps(load128(from + 2 * i)));
  portable::widen_f16(to + i, from + 2 * i, count - i);
}
TMPU_AVX2 inline void narrow_f16(std::uint8_t* to, const float* from, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i h = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2 * i), h);
  }
  portable::narrow_f16(to + 2 * i, from + i, count - i);
}
TMPU_AVX2 inline void widen_bf16(float* to, const std::uint8_t* from, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) store256(to + i, _mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(from + 2 * i)), 16));
  portable::widen_bf16(to + i, from + 2 * i, count - i);
}
TMPU_AVX2 inline void narrow_bf16(std::uint8_t* to, const float* from, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i b = load256(from + i);
    const __m256i magnitude = _mm256_and_si256(b, _mm256_set1_epi32(0x7FFF'FFFF));
    const __m256i no_number = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7F80'0000));
    const __m256i even = _mm256_and_si256(_mm256_srli_epi32(b, 16), _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(b, _mm256_set1_epi32(0x7FFF)), even), 16);
    const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(b, 16), _mm256_set1_epi32(0x40));
    const __m256i h = _mm256_blendv_epi8(rounded, quiet, no_number);
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(h, h), 0xD8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2 * i), _mm256_castsi256_si128(packed));
  }
  portable::narrow_bf16(to + 2 * i, from + i, count - i);
}

inline constexpr kernels all{.bytes = 2,
                             .integer_tile = integer<tile_rows>,
                             .integer_row = integer<1>,
                             .real_tile = real<tile_rows>,
                             .real_row = real<1>,
                             .fused_tile = fused<tile_rows>,
                             .fused_row = fused<1>,
                             .fused_tall = fused_tall,
                             .taps = taps,
                             .halves = halves,
                             .runs = portable::runs,
                             .turn = turn,
                             .interleave = interleave,
                             .columns = columns,
                             .correction = portable::correction,
                             .dot = dot,
                             .finish_integer = finish_integer,
                             .finish_wide = portable::finish_wide,
                             .pairs = pairs,
                             .greatest = greatest,
                             .finish_real = finish_real,
                             .quantize = portable::quantize,
                             .widen_f16 = widen_f16,
                             .narrow_f16 = narrow_f16,
                             .widen_bf16 = widen_bf16,
                             .narrow_bf16 = narrow_bf16};
} // namespace avx2

// ---------------------------------------------------------------- AVX-512 with
// VNNI
namespace avx512 {

/// Sums of unsigned x times signed weights; signed x is held as x + 128, see `correction`.
template <std::int64_t Rows, std::int64_t Vectors>
TMPU_AVX512 void integer_of(const word* x, const std::int32_t* offsets, std::int64_t count,
                            const std::uint8_t* const* rows, std::int32_t* to, const void* start) {
  const std::uint8_t* w[extent<Rows>];
  __m512i s[extent<Rows>][extent<Vectors>];
#pragma GCC unroll 4
  for (std::int64_t r = 0; r < Rows; ++r) {
    w[r] = rows[r];
#pragma GCC unroll 4
    for (std::int64_t v = 0; v < Vectors; ++v)
      s[r][v] = start != nullptr ? _mm512_set1_epi32(static_cast<const std::int32_t*>(start)[r])
                                 : _mm512_loadu_si512(to + r * tile_places + v * vector);
  }
  for (std::int64_t k = 0; k < count; ++k) {
    const word* at = x + offsets[k];
    __m512i a[extent<Vectors>];
#pragma GCC unroll 4
    for (std::int64_t v = 0; v < Vectors; ++v) a[v] = _mm512_loadu_si512(at + v * vector);
#pragma GCC unroll 4
    for (std::int64_t r = 0; r < Rows; ++r) {
      const __m512i t = _mm512_set1_epi32(load<std::int32_t>(w[r] + 4 * k));
#pragma GCC unroll 4
      for (std::int64_t v = 0; v < Vectors; ++v) s[r][v] = _mm512_dpbusd_epi32(s[r][v], a[v], t);
    }
  }
#pragma GCC unroll 4
  for (std::int64_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (std::int64_t v = 0; v < Vectors; ++v) _mm512_storeu_si512(to + r * tile_places + v * vector, s[r][v]);
  }
}
template <std::int64_t Rows, std::int64_t Vectors>
TMPU_AVX512 void real_of(const word* x, const std::int32_t* offsets, std::int64_t count,
                         const std::uint8_t* const* rows, float* to, const void* start) {
  const std::uint8_t* w[extent<Rows>];
  __m512 s[extent<Rows>][extent<Vectors>];
#pragma GCC unroll 4
  for (std::int64_t r = 0; r < Rows; ++r) {
    w[r] = rows[r];
#pragma GCC unroll 4
    for (std::int64_t v = 0; v < Vectors; ++v)
      s[r][v] = start != nullptr ? _mm512_set1_ps(load<float>(static_cast<const word*>(start) + r))
                                 : _mm512_loadu_ps(to + r * tile_places + v * vector);
  }
  for (std::int64_t k = 0; k < count; ++k) {
    const word* at = x + offsets[k];
    __m512 a[extent<Vectors>];
#pragma GCC unroll 4
    for (std::int64_t v = 0; v < Vectors; ++v) a[v] = _mm512_loadu_ps(at + v * vector);
#pragma GCC unroll 4
    for (std::int64_t r = 0; r < Rows; ++r) {
      const __m512 t = _mm512_set1_ps(load<float>(w[r] + 4 * k));
#pragma GCC unroll 4
      for (std::int64_t v = 0; v < Vectors; ++v) s[r][v] = _mm512_add_ps(s[r][v], _mm512_mul_ps(t, a[v]));
    }
  }
#pragma GCC unroll 4
  for (std::int64_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (std::int64_t v = 0; v < Vectors; ++v) _mm512_storeu_ps(to + r * tile_places + v * vector, s[r][v]);
  }
}
/// Finishes 16 places and stores the first `count` of them.
TMPU_AVX512 inline bool store_finished(float* y, __m512 sum, const real_finish& f, std::int64_t count) {
  const auto some = static_cast<__mmask16>(count >= vector ? 0xFFFFU : (1U << (count < 0 ? 0 : count)) - 1U);
  const __m512 v = _mm512_add_ps(sum, _mm512_set1_ps(f.bias));
  const __m512 clamped = _mm512_min_ps(_mm512_set1_ps(f.high), _mm512_max_ps(_mm512_set1_ps(f.low), v));
  _mm512_mask_storeu_ps(y, some, clamped); // a NaN stays one
  return _mm512_mask_cmp_ps_mask(some, v, v, _CMP_UNORD_Q) != 0;
}
template <std::int64_t Rows, std::int64_t Vectors>
TMPU_AVX512 bool fused_of(const float* panel, std::int64_t count, const float* const* rows, const float* const* next,
                          float* sums, bool resume, const fused_end* end) {
  const float* w[extent<Rows>];
  __m512 s[extent<Rows>][extent<Vectors>];
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < Rows; ++r) {
    w[r] = rows[r];
#pragma GCC unroll 4
    for (std::int64_t v = 0; v < Vectors; ++v)
      s[r][v] = resume ? _mm512_loadu_ps(sums + r * tile_places + v * vector) : _mm512_setzero_ps();
  }
  for (std::int64_t k = 0; k < count;) {
    if (next != nullptr) fetch<Rows>(next, k);
    for (const std::int64_t stop = count - k < line_floats ? count : k + line_floats; k < stop;
         ++k, panel += tile_places) {
      __m512 a[extent<Vectors>];
#pragma GCC unroll 4
      for (std::int64_t v = 0; v < Vectors; ++v) a[v] = _mm512_loadu_ps(panel + v * vector);
#pragma GCC unroll 16
      for (std::int64_t r = 0; r < Rows; ++r) {
        const __m512 t = _mm512_set1_ps(w[r][k]);
#pragma GCC unroll 4
        for (std::int64_t v = 0; v < Vectors; ++v) s[r][v] = _mm512_fmadd_ps(t, a[v], s[r][v]);
      }
    }
  }
  bool odd = false;
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < Rows; ++r) {
    if (end != nullptr && end->y[r] == nullptr) continue;
#pragma GCC unroll 4
    for (std::int64_t v = 0; v < Vectors; ++v) {
      if (end == nullptr) {
        _mm512_storeu_ps(sums + r * tile_places + v * vector, s[r][v]);
      } else {
        odd = store_finished(end->y[r] + v * vector, s[r][v], end->f[r], end->width - v * vector) || odd;
      }
    }
  }
  return odd;
}
template <std::int64_t Rows>
bool fused(const float* panel, std::int64_t count, const float* const* rows, const float* const* next, float* sums,
           std::int64_t vectors, bool resume, const fused_end* end) {
  switch (vectors) {
  case 1: return fused_of<Rows, 1>(panel, count, rows, next, sums, resume, end);
  case 2: return fused_of<Rows, 2>(panel, count, rows, next, sums, resume, end);
  case 3: return fused_of<Rows, 3>(panel, count, rows, next, sums, resume, end);
  default: return fused_of<Rows, 4>(panel, count, rows, next, sums, resume, end);
  }
}
inline bool fused_tall(const float* panel, std::int64_t count, const float* const* rows, const float* const* next,
                       float* sums, std::int64_t, bool resume, const fused_end* end) {
  return fused_of<tall_rows, 1>(panel, count, rows, next, sums, resume, end);
}
/// `Rows` rows of 16 * Vectors places, of which `width` are stored.
template <std::int64_t Rows, std::int64_t Vectors>
TMPU_AVX512 inline bool taps_of(float* y, std::int64_t line, const float* const* x, std::int64_t from,
                                std::int64_t pitch, const float* w, std::int64_t count, std::int64_t width,
                                const real_finish& f) {
  __m512 s[extent<Rows>][extent<Vectors>];
#pragma GCC unroll 4
  for (std::int64_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (std::int64_t v = 0; v < Vectors; ++v) s[r][v] = _mm512_setzero_ps();
  }
  for (std::int64_t t = 0; t < count; ++t) {
    const float* at = x[t] + from;
    const __m512 times = _mm512_set1_ps(w[t]);
#pragma GCC unroll 4
    for (std::int64_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (std::int64_t v = 0; v < Vectors; ++v)
        s[r][v] = _mm512_fmadd_ps(times, _mm512_loadu_ps(at + r * pitch + v * vector), s[r][v]);
    }
  }
  bool odd = false;
#pragma GCC unroll 4
  for (std::int64_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (std::int64_t v = 0; v < Vectors; ++v)
      odd = store_finished(y + r * line + v * vector, s[r][v], f, width - v * vector) || odd;
  }
  return odd;
}
TMPU_AVX512 inline bool taps(float* y, const float* const* x, std::int64_t pitch, const float* w, std::int64_t count,
                             std::int64_t rows, std::int64_t width, const real_finish& f) {
  bool odd = false;
  for (std::int64_t p = 0; p < width; p += 4 * vector) {
    const std::int64_t left = width - p;
    const std::int64_t together = left <= vector ? 4 : left <= 2 * vector ? 2 : 1;
    std::int64_t r = 0;
    for (; r + together <= rows; r += together) {
      float* to = y + r * width + p;
      const std::int64_t from = r * pitch + p;
      if (together == 4) {
        odd = taps_of<4, 1>(to, width, x, from, pitch, w, count, left, f) || odd;
      } else if (together == 2) {
        odd = taps_of<2, 2>(to, width, x, from, pitch, w, count, left, f) || odd;
      } else if (left <= 3 * vector) {
        odd = taps_of<1, 3>(to, width, x, from, pitch, w, count, left, f) || odd;
      } else {
        odd = taps_of<1, 4>(to, width, x, from, pitch, w, count, left, f) || odd;
      }
    }
    for (; r < rows; ++r) {
      const auto one = left <= vector ? taps_of<1, 1> : taps_of<1, 2>;
      odd = one(y + r * width + p, width, x, r * pitch + p, pitch, w, count, left, f) || odd;
    }
  }
  return odd;
}
TMPU_AVX512 inline void runs(float* to, const float* row, const run_shape& shape, std::int64_t width) {
  const float* from = row + shape.run - shape.first;
  for (std::int64_t run = shape.first; width > 0; run = shape.run) {
    const std::int64_t count = run < width ? run : width;
    std::int64_t i = 0;
    for (; i + vector <= count; i += vector) _mm512_storeu_ps(to + i, _mm512_loadu_ps(from + i));
    if (i < count) {
      const auto some = static_cast<__mmask16>((1U << (count - i)) - 1U);
      _mm512_storeu_ps(to + i, _mm512_maskz_loadu_ps(some, from + i));
    }
    to += count + shape.gap;
    width -= count;
    from = row += shape.jump;
  }
}
TMPU_AVX512 inline void halves(float* even, float* odd, const float* from, std::int64_t count) {
  const __m512i places = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i next = _mm512_add_epi32(places, _mm512_set1_epi32(1));
  for (std::int64_t i = 0; i < count; i += 2 * vector) {
    const std::int64_t left = count - i;
    const std::uint32_t some = left >= 2 * vector ? 0xFFFF'FFFFU : (std::uint32_t{1} << left) - 1U;
    const __m512 a = _mm512_maskz_loadu_ps(static_cast<__mmask16>(some), from + i);
    const __m512 b = _mm512_maskz_loadu_ps(static_cast<__mmask16>(some >> 16), from + i + vector);
    _mm512_storeu_ps(even + i / 2, _mm512_permutex2var_ps(a, places, b));
    _mm512_storeu_ps(odd + i / 2, _mm512_permutex2var_ps(a, next, b));
  }
}
template <std::int64_t Rows>
void integer(const word* x, const std::int32_t* offsets, std::int64_t count, const std::uint8_t* const* rows,
             void* sums, std::int64_t vectors, const void* start) {
  auto* to = static_cast<std::int32_t*>(sums);
  switch (vectors) {
  case 1: return integer_of<Rows, 1>(x, offsets, count, rows, to, start);
  case 2: return integer_of<Rows, 2>(x, offsets, count, rows, to, start);
  case 3: return integer_of<Rows, 3>(x, offsets, count, rows, to, start);
  default: return integer_of<Rows, 4>(x, offsets, count, rows, to, start);
  }
}
template <std::int64_t Rows>
void real(const word* x, const std::int32_t* offsets, std::int64_t count, const std::uint8_t* const* rows, void* sums,
          std::int64_t vectors, const void* start) {
  auto* to = static_cast<float*>(sums);
  switch (vectors) {
  case 1: return real_of<Rows, 1>(x, offsets, count, rows, to, start);
  case 2: return real_of<Rows, 2>(x, offsets, count, rows, to, start);
  case 3: return real_of<Rows, 3>(x, offsets, count, rows, to, start);
  default: return real_of<Rows, 4>(x, offsets, count, rows, to, start);
  }
}
TMPU_AVX512 inline void interleave(word* to, const std::uint8_t* const* rows, std::int64_t count, bool is_signed) {
  const __m128i turn = _mm_set1_epi8(is_signed ? -128 : 0);
  for (std::int64_t i = 0; i < count; i += 16) {
    const __m128i a = _mm_xor_si128(avx2::load128(rows[0] + i), turn);
    const __m128i b = _mm_xor_si128(avx2::load128(rows[1] + i), turn);
    const __m128i c = _mm_xor_si128(avx2::load128(rows[2] + i), turn);
    const __m128i d = _mm_xor_si128(avx2::load128(rows[3] + i), turn);
    const __m128i ab = _mm_unpacklo_epi8(a, b);
    const __m128i cd = _mm_unpacklo_epi8(c, d);
    const __m128i ef = _mm_unpackhi_epi8(a, b);
    const __m128i gh = _mm_unpackhi_epi8(c, d);
    auto* out = reinterpret_cast<__m128i*>(to + i);
    _mm_storeu_si128(out, _mm_unpacklo_epi16(ab, cd));
    _mm_storeu_si128(out + 1, _mm_unpackhi_epi16(ab, cd));
    _mm_storeu_si128(out + 2, _mm_unpacklo_epi16(ef, gh));
    _mm_storeu_si128(out + 3, _mm_unpackhi_epi16(ef, gh));
  }
}
TMPU_AVX512 inline void columns(word* to, const std::uint8_t* row, std::int64_t count, const column_order& order,
                                bool is_signed) {
  const word turn = is_signed ? 0x8080'8080U : 0U;
  if (!order.fits) {
    for (std::int64_t i = 0; i < count; ++i) {
      word w = 0;
      for (std::int64_t u = 0; u < 4; ++u) w |= word{row[i * order.stride + u * order.dilation]} << (8 * u);
      to[i] = w ^ turn;
    }
    return;
  }
  const __m128i bytes = avx2::load128(order.at);
  const __m128i turns = _mm_set1_epi32(static_cast<std::int32_t>(turn));
  for (std::int64_t i = 0; i < count; i += 4) {
    const __m128i w = _mm_shuffle_epi8(avx2::load128(row + i * order.stride), bytes);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm_xor_si128(w, turns));
  }
}
TMPU_AVX512 inline std::int32_t correction(const std::uint8_t* row, std::int64_t words) {
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i s = _mm512_setzero_si512();
  std::int64_t k = 0;
  for (; k + 16 <= words; k += 16) s = _mm512_dpbusd_epi32(s, ones, _mm512_loadu_si512(row + 4 * k));
  const auto left = static_cast<__mmask16>((1U << (words - k)) - 1U);
  s = _mm512_dpbusd_epi32(s, ones, _mm512_maskz_loadu_epi32(left, row + 4 * k));
  return -128 * _mm512_reduce_add_epi32(s);
}
TMPU_AVX512 inline std::int32_t dot(const std::uint8_t* x, bool is_signed, const std::uint8_t* w, std::int64_t count) {
  const __m512i turn = _mm512_set1_epi8(is_signed ? -128 : 0);
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i s = _mm512_setzero_si512();
  __m512i sum_of_w = _mm512_setzero_si512();
  for (std::int64_t k = 0; k < count; k += 64) {
    const std::int64_t left = count - k;
    const auto some = left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1U;
    const __m512i b = _mm512_maskz_loadu_epi8(some, w + k);
    s = _mm512_dpbusd_epi32(s, _mm512_xor_si512(_mm512_maskz_loadu_epi8(some, x + k), turn), b);
    sum_of_w = _mm512_dpbusd_epi32(sum_of_w, ones, b);
  }
  if (is_signed) s = _mm512_sub_epi32(s, _mm512_slli_epi32(sum_of_w, 7));
  return _mm512_reduce_add_epi32(s);
}
/// In 64 bits: right for whatever the parameters are. Eight results a time go to put(i, results).
template <class Put>
TMPU_AVX512 inline void finish_each(const std::int32_t* sums, std::int64_t count, const integer_finish& f, Put put) {
  const auto places = static_cast<std::int32_t>(static_cast<std::uint32_t>(f.shift) & 63U);
  const __m512i bias = _mm512_set1_epi64(f.bias);
  const __m512i multiplier = _mm512_set1_epi64(f.multiplier);
  const __m512i half = _mm512_set1_epi64(places == 0 ? 0 : std::int64_t{1} << (places - 1));
  const __m128i shift = _mm_cvtsi32_si128(places);
  const __m512i zero = _mm512_set1_epi64(f.zero);
  const __m512i low = _mm512_set1_epi64(f.low);
  const __m512i high = _mm512_set1_epi64(f.high);
  for (std::int64_t i = 0; i < count; i += 8) {
    const __m512i v = _mm512_add_epi64(_mm512_cvtepi32_epi64(avx2::load256(sums + i)), bias);
    const __m512i product = _mm512_mullo_epi64(v, multiplier);
    const __m512i rounded = _mm512_srl_epi64(_mm512_add_epi64(_mm512_abs_epi64(product), half), shift);
    const __mmask8 negative = _mm512_movepi64_mask(product);
    const __m512i y = _mm512_add_epi64(_mm512_mask_sub_epi64(rounded, negative, _mm512_setzero_si512(), rounded), zero);
    put.store(i, _mm512_min_epi64(_mm512_max_epi64(y, low), high));
  }
}
struct to_bytes {
  std::uint8_t* to;
  TMPU_AVX512 void store(std::int64_t i, __m512i y) const {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to + i), _mm512_cvtepi64_epi8(y));
  }
};
struct to_words {
  std::int32_t* to;
  TMPU_AVX512 void store(std::int64_t i, __m512i y) const { avx2::store256(to + i, _mm512_cvtepi64_epi32(y)); }
};
TMPU_AVX512 inline void finish_wide(std::int32_t* to, const std::int32_t* sums, std::int64_t count,
                                    const integer_finish& f) {
  finish_each(sums, count, f, to_words{to});
}
TMPU_AVX512 inline void finish_integer(const std::int32_t* sums, std::int64_t count, const integer_finish& f,
                                       std::uint8_t* to) {
  const std::int64_t low = std::int64_t{f.low} - f.zero;
  const std::int64_t high = std::int64_t{f.high} - f.zero;
  if (!fits_narrow(f, 32)) return finish_each(sums, count, f, to_bytes{to});
  const __m512i bias = _mm512_set1_epi32(static_cast<std::int32_t>(f.bias));
  const __m512i multiplier = _mm512_set1_epi32(f.multiplier);
  const __m512i half = _mm512_set1_epi64(std::int64_t{1} << (f.shift - 1));
  const __m128i shift = _mm_cvtsi32_si128(f.shift);
  const __m128i to_upper = _mm_cvtsi32_si128(f.shift - 32);
  const __m512i least = _mm512_set1_epi32(static_cast<std::int32_t>(low));
  const __m512i greatest = _mm512_set1_epi32(static_cast<std::int32_t>(high));
  const __m512i zero = _mm512_set1_epi32(f.zero);
  for (std::int64_t i = 0; i < count; i += 16) {
    const __m512i v = _mm512_add_epi32(_mm512_loadu_si512(sums + i), bias);
    const __m512i magnitude = _mm512_abs_epi32(v);
    const __m512i even = _mm512_srl_epi64(_mm512_add_epi64(_mm512_mul_epu32(magnitude, multiplier), half), shift);
    const __m512i odd = _mm512_srl_epi64(
        _mm512_add_epi64(_mm512_mul_epu32(_mm512_srli_epi64(magnitude, 32), multiplier), half), to_upper);
    const __m512i rounded = _mm512_mask_mov_epi32(even, 0xAAAA, odd);
    const __m512i r = _mm512_mask_sub_epi32(rounded, _mm512_movepi32_mask(v), _mm512_setzero_si512(), rounded);
    const __m512i y = _mm512_add_epi32(_mm512_min_epi32(_mm512_max_epi32(r, least), greatest), zero);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm512_cvtepi32_epi8(y));
  }
}
/// Elements [at, at + 8), those of the mask.
TMPU_AVX512 inline __m512i centred(__mmask16 some, const std::uint8_t* from, std::int64_t at, dtype_id type,
                                   std::int32_t zero) {
  if (type == dtype_id::i32)
    return _mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(static_cast<__mmask8>(some), from + 4 * at));
  const __m128i bytes = _mm_maskz_loadu_epi8(some, from + at);
  return _mm512_sub_epi64(type == dtype_id::i8 ? _mm512_cvtepi8_epi64(bytes) : _mm512_cvtepu8_epi64(bytes),
                          _mm512_set1_epi64(zero));
}
TMPU_AVX512 inline __m512i pair_of(const __m512i x, const __m512i y, const integer_pair& p) {
  using enum integer_pair::operation;
  const __m512i am = _mm512_set1_epi64(p.a_multiplier);
  if (p.op == mul) return _mm512_mul_epi32(_mm512_mul_epi32(x, y), am);
  const __m512i xm = _mm512_mul_epi32(x, am);
  const __m512i ym = _mm512_mul_epi32(y, _mm512_set1_epi64(p.b_multiplier));
  if (p.op == add) return _mm512_add_epi64(xm, ym);
  if (p.op == sub) return _mm512_sub_epi64(xm, ym);
  return p.op == max ? _mm512_max_epi64(xm, ym) : _mm512_min_epi64(xm, ym);
}
TMPU_AVX512 inline void pairs(const std::uint8_t* a, const std::uint8_t* b, std::int64_t count, const integer_pair& p,
                              std::uint8_t* to) {
  const integer_finish& f = p.finish;
  const auto places = static_cast<std::int32_t>(static_cast<std::uint32_t>(f.shift) & 63U);
  const __m512i half = _mm512_set1_epi64(places == 0 ? 0 : std::int64_t{1} << (places - 1));
  const __m128i shift = _mm_cvtsi32_si128(places);
  const __m512i zero = _mm512_set1_epi64(f.zero);
  const __m512i low = _mm512_set1_epi64(f.low);
  const __m512i high = _mm512_set1_epi64(f.high);
  for (std::int64_t i = 0; i < count; i += 8) {
    const auto some = static_cast<__mmask16>(count - i >= 8 ? 0xFFU : (1U << (count - i)) - 1U);
    const __m512i v = pair_of(centred(some, a, i, p.a_type, p.a_zero), centred(some, b, i, p.b_type, p.b_zero), p);
    const __m512i rounded = _mm512_srl_epi64(_mm512_add_epi64(_mm512_abs_epi64(v), half), shift);
    const __mmask8 negative = _mm512_movepi64_mask(v);
    const __m512i y = _mm512_add_epi64(_mm512_mask_sub_epi64(rounded, negative, _mm512_setzero_si512(), rounded), zero);
    const __m512i clamped = _mm512_min_epi64(_mm512_max_epi64(y, low), high);
    _mm_mask_storeu_epi8(to + i, some, _mm512_cvtepi64_epi8(clamped));
  }
}
TMPU_AVX512 inline void quantize(std::uint8_t* to, const float* from, std::int64_t count, float scale,
                                 std::int32_t zero, std::int32_t low, std::int32_t high) {
  const __m512 by = _mm512_set1_ps(scale);
  const __m512 far = _mm512_set1_ps(1.0e6F);
  std::int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m512 exact = _mm512_div_ps(_mm512_loadu_ps(from + i), by);
    const __m512 bounded = _mm512_max_ps(_mm512_min_ps(exact, far), _mm512_sub_ps(_mm512_setzero_ps(), far));
    const __m512 q = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(exact, exact, _CMP_ORD_Q), bounded);
    constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    const __m512i whole = _mm512_add_epi32(_mm512_cvt_roundps_epi32(q, nearest), _mm512_set1_epi32(zero));
    const __m512i y = _mm512_min_epi32(_mm512_max_epi32(whole, _mm512_set1_epi32(low)), _mm512_set1_epi32(high));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm512_cvtepi32_epi8(y));
  }
  portable::quantize(to + i, from + i, count - i, scale, zero, low, high);
}
TMPU_AVX512 inline bool finish_real(float* sums, std::int64_t count, const real_finish& f) {
  const __m512 bias = _mm512_set1_ps(f.bias);
  const __m512 low = _mm512_set1_ps(f.low);
  const __m512 high = _mm512_set1_ps(f.high);
  std::uint32_t odd = 0;
  for (std::int64_t i = 0; i < count; i += vector) {
    const __m512 v = _mm512_add_ps(_mm512_loadu_ps(sums + i), bias);
    odd |= _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    _mm512_storeu_ps(sums + i, _mm512_min_ps(high, _mm512_max_ps(low, v))); // as in AVX2
  }
  return odd != 0;
}

inline constexpr kernels all{.bytes = 4,
                             .integer_tile = integer<tile_rows>,
                             .integer_row = integer<1>,
                             .real_tile = real<tile_rows>,
                             .real_row = real<1>,
                             .fused_tile = fused<tile_rows>,
                             .fused_row = fused<1>,
                             .fused_tall = fused_tall,
                             .taps = taps,
                             .halves = halves,
                             .runs = runs,
                             .turn = avx2::turn,
                             .interleave = interleave,
                             .columns = columns,
                             .correction = correction,
                             .dot = dot,
                             .finish_integer = finish_integer,
                             .finish_wide = finish_wide,
                             .pairs = pairs,
                             .greatest = avx2::greatest,
                             .finish_real = finish_real,
                             .quantize = quantize,
                             .widen_f16 = avx2::widen_f16,
                             .narrow_f16 = avx2::narrow_f16,
                             .widen_bf16 = avx2::widen_bf16,
                             .narrow_bf16 = avx2::narrow_bf16};
} // namespace avx512
#endif

inline const kernels& kernels_of(level l) {
#if defined(__x86_64__)
  if (l == level::avx512) return avx512::all;
  if (l == level::avx2) return avx2::all;
#endif
  return portable::all;
}

} // namespace tmpu::simd

#if defined(__x86_64__)
#undef TMPU_AVX2
#undef TMPU_AVX512
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
