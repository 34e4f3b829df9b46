/* dot_s8.h with the DSP instructions of Cortex-M4, -M7, -M33 and the like: two 16-bit products an instruction. */
#ifndef DOT_S8_DSP_H
#define DOT_S8_DSP_H

#include <arm_acle.h>
#include <string.h>

/* Four int8 as two pairs of int16: bytes 0 and 2, bytes 1 and 3. */
typedef struct {
    int16x2_t even, odd;
} pairs_s16;

static inline pairs_s16 load_pairs(const int8_t *at)
{
    uint32_t word;
    int16x2_t odd;
    memcpy(&word, at, 4);
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(odd) : "r"(word)); /* ACLE has no name for the rotating form */
    const pairs_s16 pairs = {__sxtb16((int8x4_t)word), odd};
    return pairs;
}

static inline int32_t add_products(pairs_s16 x, pairs_s16 w, int32_t acc)
{
    return __smlad(x.odd, w.odd, __smlad(x.even, w.even, acc));
}

static inline void dot_2x2_s8(
    const int8_t *x0, const int8_t *x1, const int8_t *w0, const int8_t *w1, int32_t n, int32_t acc[4])
{
    int32_t a00 = acc[0], a01 = acc[1], a10 = acc[2], a11 = acc[3];
    for (; n >= 4; n -= 4, x0 += 4, x1 += 4, w0 += 4, w1 += 4) {
        const pairs_s16 u0 = load_pairs(x0), u1 = load_pairs(x1), v0 = load_pairs(w0), v1 = load_pairs(w1);
        a00 = add_products(u0, v0, a00);
        a01 = add_products(u0, v1, a01);
        a10 = add_products(u1, v0, a10);
        a11 = add_products(u1, v1, a11);
    }
    for (; n > 0; n--, x0++, x1++, w0++, w1++) {
        a00 += *x0 * *w0;
        a01 += *x0 * *w1;
        a10 += *x1 * *w0;
        a11 += *x1 * *w1;
    }
    acc[0] = a00, acc[1] = a01, acc[2] = a10, acc[3] = a11;
}

static inline void dot_1x2_s8(const int8_t *x, const int8_t *w0, const int8_t *w1, int32_t n, int32_t acc[2])
{
    int32_t a0 = acc[0], a1 = acc[1];
    for (; n >= 4; n -= 4, x += 4, w0 += 4, w1 += 4) {
        const pairs_s16 u = load_pairs(x);
        a0 = add_products(u, load_pairs(w0), a0);
        a1 = add_products(u, load_pairs(w1), a1);
    }
    for (; n > 0; n--, x++, w0++, w1++) {
        a0 += *x * *w0;
        a1 += *x * *w1;
    }
    acc[0] = a0, acc[1] = a1;
}

#endif
