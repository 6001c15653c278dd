// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tmpu/core/math.hpp"
#include "tmpu/simd/level.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define TMPU_AVX2 [[gnu::target("avx2,fma,f16c")]]
#endif

/// Elementary functions of arrays, four doubles at a time, with the bits of tmpu::math: the same operations in the same order.
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
#undef TMPU_AVX2
#endif

inline void exp(float* to, const float* from, std::int64_t count) {
#if defined(__x86_64__)
  static const bool fast = has(level::avx2);
  if (fast) return avx2::exp(to, from, count);
#endif
  portable::exp(to, from, count);
}
inline void erf(float* to, const float* from, std::int64_t count) {
#if defined(__x86_64__)
  static const bool fast = has(level::avx2);
  if (fast) return avx2::erf(to, from, count);
#endif
  portable::erf(to, from, count);
}

} // namespace tmpu::simd
