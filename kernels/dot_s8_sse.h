/* dot_s8.h with x86's SSE4.1: eight 16-bit products an instruction. */
#ifndef DOT_S8_SSE_H
#define DOT_S8_SSE_H

#include <smmintrin.h>

static inline __m128i load_eight(const int8_t *at) { return _mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)at)); }

static inline int32_t sum_of_four(__m128i v)
{
    v = _mm_add_epi32(v, _mm_srli_si128(v, 8));
    return _mm_cvtsi128_si32(_mm_add_epi32(v, _mm_srli_si128(v, 4)));
}

static inline void dot_1x2_s8(const int8_t *x, const int8_t *w0, const int8_t *w1, int32_t n, int32_t acc[2])
{
    __m128i a0 = _mm_setzero_si128(), a1 = a0;
    for (; n >= 8; n -= 8, x += 8, w0 += 8, w1 += 8) {
        const __m128i u = load_eight(x);
        a0 = _mm_add_epi32(a0, _mm_madd_epi16(u, load_eight(w0)));
        a1 = _mm_add_epi32(a1, _mm_madd_epi16(u, load_eight(w1)));
    }
    acc[0] += sum_of_four(a0);
    acc[1] += sum_of_four(a1);
    for (; n > 0; n--, x++, w0++, w1++) {
        acc[0] += *x * *w0;
        acc[1] += *x * *w1;
    }
}

static inline void dot_2x2_s8(
    const int8_t *x0, const int8_t *x1, const int8_t *w0, const int8_t *w1, int32_t n, int32_t acc[4])
{
    dot_1x2_s8(x0, w0, w1, n, acc);
    dot_1x2_s8(x1, w0, w1, n, acc + 2);
}

#endif
