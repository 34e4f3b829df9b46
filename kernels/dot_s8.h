/*
 * Dot products of int8 vectors into int32: the inner loops of every dense kernel. Two vectors against two, so that
 * each value loaded is used twice. Portable, or with KERNELS_SIMD as the processor has it.
 *
 * dot_2x2_s8       acc[0, 1] += x0 . w0, x0 . w1 and acc[2, 3] += x1 . w0, x1 . w1, over n values
 * dot_1x2_s8       acc[0, 1] += x . w0, x . w1
 * dot_constant_s8  the same where every value of x is the constant `x`
 */
#ifndef DOT_S8_H
#define DOT_S8_H

#include <stdint.h>

#if KERNELS_SIMD && defined(__ARM_FEATURE_MVE)
#include "dot_s8_mve.h"
#elif KERNELS_SIMD && defined(__ARM_FEATURE_DSP)
#include "dot_s8_dsp.h"
#elif KERNELS_SIMD && defined(__SSE4_1__)
#include "dot_s8_sse.h"
#else

static inline void dot_2x2_s8(
    const int8_t *x0, const int8_t *x1, const int8_t *w0, const int8_t *w1, int32_t n, int32_t acc[4])
{
    int32_t a00 = acc[0], a01 = acc[1], a10 = acc[2], a11 = acc[3];
    const int8_t *const end = x0 + n, *const end_of_fours = x0 + (n & ~3);

#define DOT_STEP \
    do { \
        const int32_t u0 = *x0++, u1 = *x1++, v0 = *w0++, v1 = *w1++; \
        a00 += u0 * v0; \
        a01 += u0 * v1; \
        a10 += u1 * v0; \
        a11 += u1 * v1; \
    } while (0)
    while (x0 < end_of_fours) {
        DOT_STEP;
        DOT_STEP;
        DOT_STEP;
        DOT_STEP;
    }
    while (x0 < end) {
        DOT_STEP;
    }
#undef DOT_STEP
    acc[0] = a00, acc[1] = a01, acc[2] = a10, acc[3] = a11;
}

static inline void dot_1x2_s8(const int8_t *x, const int8_t *w0, const int8_t *w1, int32_t n, int32_t acc[2])
{
    int32_t a0 = acc[0], a1 = acc[1];
    const int8_t *const end = x + n, *const end_of_fours = x + (n & ~3);

#define DOT_STEP \
    do { \
        const int32_t u = *x++; \
        a0 += u * *w0++; \
        a1 += u * *w1++; \
    } while (0)
    while (x < end_of_fours) {
        DOT_STEP;
        DOT_STEP;
        DOT_STEP;
        DOT_STEP;
    }
    while (x < end) {
        DOT_STEP;
    }
#undef DOT_STEP
    acc[0] = a0, acc[1] = a1;
}

#endif /* portable */

static inline void dot_constant_s8(int32_t x, const int8_t *w0, const int8_t *w1, int32_t n, int32_t acc[2])
{
    int32_t sum0 = 0, sum1 = 0;
    for (int32_t i = 0; i < n; i++) {
        sum0 += w0[i];
        sum1 += w1[i];
    }
    acc[0] += x * sum0;
    acc[1] += x * sum1;
}

#endif
