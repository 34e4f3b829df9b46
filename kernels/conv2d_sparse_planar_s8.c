#include "bitmap.h"
#include "conv2d_output_s8.h"

#include <stddef.h>

#if KERNELS_SIMD && defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#endif

#define POSITIONS CONV2D_PLANAR_POSITIONS

/* n values, each POSITIONS behind the one before. */
static void spread(const int8_t *from, int32_t n, int8_t *to)
{
    for (; n >= 4; n -= 4, from += 4, to += 4 * POSITIONS) {
        to[0] = from[0];
        to[POSITIONS] = from[1];
        to[2 * POSITIONS] = from[2];
        to[3 * POSITIONS] = from[3];
    }
    for (; n > 0; n--, to += POSITIONS) {
        *to = *from++;
    }
}

static void spread_constant(int8_t value, int32_t n, int8_t *to)
{
    for (; n > 0; n--, to += POSITIONS) {
        *to = value;
    }
}

/*
 * The windows of `n` output positions from x on, side by side: planes[k * POSITIONS + p] is what the weight of bit k
 * multiplies at position p. Outside the map, and for positions that are none, it is zero_in.
 */
static void gather_windows(const conv2d_params *conv, const int8_t *const *rows, int32_t x, int32_t n, int8_t *planes)
{
    const int32_t c_in = conv->c_in, tap_bits = (c_in + 7) / 8 * 8;

    for (int32_t i = 0; i < conv->k_h; i++) {
        for (int32_t j = 0; j < conv->k_w; j++, planes += tap_bits * POSITIONS) {
            int32_t column = x * conv->stride_w - conv->pad_left + j * conv->dilation_w;
            for (int32_t p = 0; p < POSITIONS; p++, column += conv->stride_w) {
                if (rows[i] != NULL && p < n && column >= 0 && column < conv->w_in) {
                    spread(rows[i] + column * c_in, c_in, planes + p);
                } else {
                    spread_constant(conv->zero_in, c_in, planes + p);
                }
            }
        }
    }
}

/*
 * Walks `bytes` of bitmap: each kept weight is decoded once and multiplies the values of all positions. Returns where
 * the weights go on.
 */
#if KERNELS_SIMD && defined(__ARM_FEATURE_MVE)

static const int8_t *add_planes(
    const uint8_t *bitmap, int32_t bytes, const int8_t *weights, const int8_t *planes, int32_t acc[POSITIONS])
{
    int32x4_t low = vldrwq_s32(acc), high = vldrwq_s32(acc + 4);

    for (; bytes > 0; bytes -= 4) {
        const int8_t *in = planes;
        for (uint32_t word = bitmap_word(bitmap, bytes); word != 0; word &= 0x7FFFFFFFu) {
            const int32_t zeros = leading_zeros(word), w = *weights++;
            word <<= zeros;
            in += zeros * POSITIONS;
            low = vmlaq_n_s32(low, vldrbq_s32(in), w);
            high = vmlaq_n_s32(high, vldrbq_s32(in + 4), w);
        }
        planes += 32 * POSITIONS;
        bitmap += 4;
    }
    vstrwq_s32(acc, low);
    vstrwq_s32(acc + 4, high);
    return weights;
}

#else

static const int8_t *add_planes(
    const uint8_t *bitmap, int32_t bytes, const int8_t *weights, const int8_t *planes, int32_t acc[POSITIONS])
{
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    int32_t acc4 = acc[4], acc5 = acc[5], acc6 = acc[6], acc7 = acc[7];

    for (; bytes > 0; bytes -= 4) {
        const int8_t *in = planes;
        for (uint32_t word = bitmap_word(bitmap, bytes); word != 0; word &= 0x7FFFFFFFu) {
            const int32_t zeros = leading_zeros(word), w = *weights++;
            word <<= zeros; /* the bit of w is on top now, until it is cleared */
            in += zeros * POSITIONS;
            acc0 += w * in[0];
            acc1 += w * in[1];
            acc2 += w * in[2];
            acc3 += w * in[3];
            acc4 += w * in[4];
            acc5 += w * in[5];
            acc6 += w * in[6];
            acc7 += w * in[7];
        }
        planes += 32 * POSITIONS;
        bitmap += 4;
    }
    acc[0] = acc0, acc[1] = acc1, acc[2] = acc2, acc[3] = acc3;
    acc[4] = acc4, acc[5] = acc5, acc[6] = acc6, acc[7] = acc7;
    return weights;
}

#endif

/*
 * Eight positions at a time: a weight meets its eight values next to each other, the borders of the map cost nothing
 * more, and a channel's bitmap is one run.
 */
void conv2d_sparse_planar_s8(const conv2d_params *conv, const int8_t *const *rows, int8_t *scratch, int8_t *out)
{
    const int32_t c_out = conv->c_out, bytes = conv->k_h * conv->k_w * ((conv->c_in + 7) / 8);

    for (int32_t x = 0; x < conv->w_out; x += POSITIONS) {
        const int32_t n = min_s32(POSITIONS, conv->w_out - x);
        const uint8_t *bitmap = conv->bitmap;
        const int8_t *weights = conv->weights;

        gather_windows(conv, rows, x, n, scratch);
        for (int32_t o = 0; o < c_out; o++, bitmap += bytes) {
            const int32_t bias = bias_of_channel(conv, o);
            int32_t acc[POSITIONS] = {bias, bias, bias, bias, bias, bias, bias, bias};

            weights = add_planes(bitmap, bytes, weights, scratch, acc);
            const factor_s32 factor = factor_of_channel(conv, o);
            for (int32_t p = 0; p < n; p++) {
                out[(x + p) * c_out + o] = output_s8(conv, acc[p], factor);
            }
        }
    }
}
