// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/math.hpp"
#include "tmpu/simd/level.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <iterator>
#define TMPU_AVX2 [[gnu::target("avx2,fma,f16c")]]
#define TMPU_AVX512 [[gnu::target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]]
#endif
#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes what its own _mm512_undefined_* leaves open for a mistake of the caller.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

/// Elementary functions of arrays, four or eight doubles at a time, with the bits of tmpu::math: the same operations in the same order.
namespace tmpu::simd {

namespace portable {
inline void exp(float* to, const float* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = math::exp(from[i]);
}
inline void erf(float* to, const float* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = math::erf(from[i]);
}
} // namespace portable

#if defined(__x86_64__)
namespace avx2 {
/// Horner's rule over `count` coefficients.
template <std::size_t Count> TMPU_AVX2 inline __m256d polynomial(__m256d x, const double (&c)[Count]) {
  __m256d y = _mm256_set1_pd(c[Count - 1]);
  for (std::size_t i = Count - 1; i-- > 0;) y = _mm256_add_pd(_mm256_set1_pd(c[i]), _mm256_mul_pd(x, y));
  return y;
}
TMPU_AVX2 inline void exp(float* to, const float* from, std::int64_t count) {
  const __m256d magic = _mm256_set1_pd(math::detail::round_magic);
  const __m256d one = _mm256_set1_pd(1.0);
  const __m128 number = _mm_set1_ps(math::nan<float>);
  std::int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const __m128 given = _mm_loadu_ps(from + i);
    // The second operand where the first is no number.
    const __m256d x =
        _mm256_min_pd(_mm256_max_pd(_mm256_cvtps_pd(given), _mm256_set1_pd(-150.0)), _mm256_set1_pd(150.0));
    const __m256d t = _mm256_add_pd(_mm256_mul_pd(x, _mm256_set1_pd(math::detail::log2_e)), magic);
    const __m256d k = _mm256_sub_pd(t, magic);
    const __m256d r = _mm256_sub_pd(x, _mm256_mul_pd(k, _mm256_set1_pd(math::detail::ln2)));
    const __m256d p = polynomial(r, math::detail::exp_short);
    const __m256d fraction = _mm256_add_pd(one, _mm256_add_pd(r, _mm256_mul_pd(_mm256_mul_pd(r, r), p)));
    const __m256i scaled =
        _mm256_add_epi64(_mm256_castpd_si256(fraction), _mm256_slli_epi64(_mm256_castpd_si256(t), 52));
    const __m128 y = _mm256_cvtpd_ps(_mm256_castsi256_pd(scaled));
    _mm_storeu_ps(to + i, _mm_blendv_ps(y, number, _mm_cmpunord_ps(given, given)));
  }
  portable::exp(to + i, from + i, count - i);
}
TMPU_AVX2 inline void erf(float* to, const float* from, std::int64_t count) {
  const __m128 sign = _mm_set1_ps(-0.0F);
  std::int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const __m128 given = _mm_loadu_ps(from + i);
    const __m128 magnitude = _mm_andnot_ps(sign, given);
    const __m256d a = _mm256_cvtps_pd(magnitude);
    const __m256d p = polynomial(_mm256_mul_pd(a, a), math::detail::erf_small);
    const __m128 y = _mm_or_ps(_mm256_cvtpd_ps(_mm256_add_pd(a, _mm256_mul_pd(a, p))), _mm_and_ps(sign, given));
    const std::int32_t small = _mm_movemask_ps(_mm_cmple_ps(magnitude, _mm_set1_ps(1.0F)));
    float given_as[4];
    _mm_storeu_ps(given_as, given);
    _mm_storeu_ps(to + i, y);
    for (std::int32_t left = ~small & 15; left != 0; left &= left - 1) {
      const int lane = __builtin_ctz(static_cast<std::uint32_t>(left));
      to[i + lane] = math::erf(given_as[lane]);
    }
  }
  portable::erf(to + i, from + i, count - i);
}
} // namespace avx2

namespace avx512 {
/// Coefficient k of the polynomials of erf beyond 1, side by side.
struct erf_coefficients {
  double at[16][16] = {};
  constexpr erf_coefficients() {
    for (std::size_t k = 0; k < 16; ++k) {
      for (std::size_t i = 0; i < std::size(math::detail::erf_table); ++i) at[k][i] = math::detail::erf_table[i][k];
    }
  }
};
alignas(64) inline constexpr erf_coefficients erf_beyond{};

template <std::size_t Count> TMPU_AVX512 inline __m512d polynomial(__m512d x, const double (&c)[Count]) {
  __m512d y = _mm512_set1_pd(c[Count - 1]);
  for (std::size_t i = Count - 1; i-- > 0;) y = _mm512_add_pd(_mm512_set1_pd(c[i]), _mm512_mul_pd(x, y));
  return y;
}
TMPU_AVX512 inline void exp(float* to, const float* from, std::int64_t count) {
  const __m512d magic = _mm512_set1_pd(math::detail::round_magic);
  const __m512d one = _mm512_set1_pd(1.0);
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256 given = _mm256_loadu_ps(from + i);
    // The second operand where the first is no number.
    const __m512d x =
        _mm512_min_pd(_mm512_max_pd(_mm512_cvtps_pd(given), _mm512_set1_pd(-150.0)), _mm512_set1_pd(150.0));
    const __m512d t = _mm512_add_pd(_mm512_mul_pd(x, _mm512_set1_pd(math::detail::log2_e)), magic);
    const __m512d k = _mm512_sub_pd(t, magic);
    const __m512d r = _mm512_sub_pd(x, _mm512_mul_pd(k, _mm512_set1_pd(math::detail::ln2)));
    const __m512d p = polynomial(r, math::detail::exp_short);
    const __m512d fraction = _mm512_add_pd(one, _mm512_add_pd(r, _mm512_mul_pd(_mm512_mul_pd(r, r), p)));
    const __m512i scaled =
        _mm512_add_epi64(_mm512_castpd_si512(fraction), _mm512_slli_epi64(_mm512_castpd_si512(t), 52));
    const __m256 y = _mm512_cvtpd_ps(_mm512_castsi512_pd(scaled));
    const __mmask8 odd = _mm256_cmp_ps_mask(given, given, _CMP_UNORD_Q);
    _mm256_storeu_ps(to + i, _mm256_mask_mov_ps(y, odd, _mm256_set1_ps(math::nan<float>)));
  }
  portable::exp(to + i, from + i, count - i);
}
TMPU_AVX512 inline __m512d coefficient(std::size_t k, __m512i cell) {
  return _mm512_permutex2var_pd(_mm512_load_pd(erf_beyond.at[k]), cell, _mm512_load_pd(erf_beyond.at[k] + 8));
}
/// math::detail::erf_positive of a > 1.
TMPU_AVX512 inline __m512d erf_above_one(__m512d a) {
  const __m512d bounded = _mm512_min_pd(a, _mm512_set1_pd(5.5)); // of what is 1 anyway, a polynomial that there is
  const __m256i cell =
      _mm256_sub_epi32(_mm512_cvttpd_epi32(_mm512_mul_pd(_mm512_set1_pd(2.0), bounded)), _mm256_set1_epi32(2));
  const __m512d centre =
      _mm512_add_pd(_mm512_set1_pd(1.25), _mm512_mul_pd(_mm512_set1_pd(0.5), _mm512_cvtepi32_pd(cell)));
  const __m512d t = _mm512_sub_pd(a, centre);
  const __m512i index = _mm512_cvtepi32_epi64(cell);
  __m512d p = coefficient(15, index);
  for (std::size_t k = 15; k-- > 2;) p = _mm512_add_pd(coefficient(k, index), _mm512_mul_pd(t, p));
  const __m512d y = _mm512_add_pd(coefficient(0, index), _mm512_add_pd(coefficient(1, index), _mm512_mul_pd(t, p)));
  const __mmask8 inside = _mm512_cmp_pd_mask(a, _mm512_set1_pd(6.0), _CMP_LT_OQ);
  return _mm512_mask_mov_pd(_mm512_set1_pd(1.0), inside, y);
}
TMPU_AVX512 inline void erf(float* to, const float* from, std::int64_t count) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256 given = _mm256_loadu_ps(from + i);
    const __m512d a = _mm512_cvtps_pd(_mm256_andnot_ps(sign, given));
    const __m512d p = polynomial(_mm512_mul_pd(a, a), math::detail::erf_small);
    __m512d y = _mm512_add_pd(a, _mm512_mul_pd(a, p));
    const __mmask8 above = _mm512_cmp_pd_mask(a, _mm512_set1_pd(1.0), _CMP_GT_OQ);
    if (above != 0) y = _mm512_mask_mov_pd(y, above, erf_above_one(a));
    const __m256 signed_y = _mm256_or_ps(_mm512_cvtpd_ps(y), _mm256_and_ps(sign, given));
    const __mmask8 odd = _mm256_cmp_ps_mask(given, given, _CMP_UNORD_Q);
    _mm256_storeu_ps(to + i, _mm256_mask_mov_ps(signed_y, odd, _mm256_set1_ps(math::nan<float>)));
  }
  portable::erf(to + i, from + i, count - i);
}
} // namespace avx512
#undef TMPU_AVX2
#undef TMPU_AVX512
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

inline void exp(float* to, const float* from, std::int64_t count) {
#if defined(__x86_64__)
  static const level l = best();
  if (l == level::avx512) return avx512::exp(to, from, count);
  if (l == level::avx2) return avx2::exp(to, from, count);
#endif
  portable::exp(to, from, count);
}
inline void erf(float* to, const float* from, std::int64_t count) {
#if defined(__x86_64__)
  static const level l = best();
  if (l == level::avx512) return avx512::erf(to, from, count);
  if (l == level::avx2) return avx2::erf(to, from, count);
#endif
  portable::erf(to, from, count);
}

} // namespace tmpu::simd
