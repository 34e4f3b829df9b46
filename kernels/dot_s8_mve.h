/* dot_s8.h with Armv8.1-M's vector extension (Helium): 16 products an instruction. */
#ifndef DOT_S8_MVE_H
#define DOT_S8_MVE_H

#include <arm_mve.h>

/* Every step is predicated on what is left of n, so there is no tail to do apart. */
static inline void dot_2x2_s8(
    const int8_t *x0, const int8_t *x1, const int8_t *w0, const int8_t *w1, int32_t n, int32_t acc[4])
{
    int32_t a00 = acc[0], a01 = acc[1], a10 = acc[2], a11 = acc[3];
    for (; n > 0; n -= 16, x0 += 16, x1 += 16, w0 += 16, w1 += 16) {
        const mve_pred16_t left = vctp8q((uint32_t)n);
        const int8x16_t u0 = vldrbq_z_s8(x0, left), u1 = vldrbq_z_s8(x1, left);
        const int8x16_t v0 = vldrbq_z_s8(w0, left), v1 = vldrbq_z_s8(w1, left);
        a00 = vmladavaq_s8(a00, u0, v0);
        a01 = vmladavaq_s8(a01, u0, v1);
        a10 = vmladavaq_s8(a10, u1, v0);
        a11 = vmladavaq_s8(a11, u1, v1);
    }
    acc[0] = a00, acc[1] = a01, acc[2] = a10, acc[3] = a11;
}

static inline void dot_1x2_s8(const int8_t *x, const int8_t *w0, const int8_t *w1, int32_t n, int32_t acc[2])
{
    int32_t a0 = acc[0], a1 = acc[1];
    for (; n > 0; n -= 16, x += 16, w0 += 16, w1 += 16) {
        const mve_pred16_t left = vctp8q((uint32_t)n);
        const int8x16_t u = vldrbq_z_s8(x, left);
        a0 = vmladavaq_s8(a0, u, vldrbq_z_s8(w0, left));
        a1 = vmladavaq_s8(a1, u, vldrbq_z_s8(w1, left));
    }
    acc[0] = a0, acc[1] = a1;
}

#endif
