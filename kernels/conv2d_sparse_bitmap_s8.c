#include "bitmap.h"
#include "conv2d_output_s8.h"

#include <stddef.h>

#if KERNELS_SIMD && defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#endif

#define POSITIONS 4 /* output positions that share the decoding of a weight */

/*
 * Walks `bytes` of bitmap: each kept weight is decoded once and multiplies the value of each position, which lie at
 * `values` and next[0..2] behind it. Returns where the weights go on.
 */
#if KERNELS_SIMD && defined(__ARM_FEATURE_MVE)

static const int8_t *add_run(const uint8_t *bitmap, int32_t bytes, const int8_t *weights, const int8_t *values,
    const int32_t next[POSITIONS - 1], int32_t acc[POSITIONS])
{
    const uint32_t places[POSITIONS] = {0, (uint32_t)next[0], (uint32_t)next[1], (uint32_t)next[2]};
    const uint32x4_t offsets = vldrwq_u32(places);
    int32x4_t sum = vldrwq_s32(acc);

    for (; bytes > 0; bytes -= 4) {
        const int8_t *in = values;
        for (uint32_t word = bitmap_word(bitmap, bytes); word != 0; word &= 0x7FFFFFFFu) {
            const int32_t zeros = leading_zeros(word);
            word <<= zeros;
            in += zeros;
            sum = vmlaq_n_s32(sum, vldrbq_gather_offset_s32(in, offsets), *weights++);
        }
        values += 32;
        bitmap += 4;
    }
    vstrwq_s32(acc, sum);
    return weights;
}

#else

static const int8_t *add_run(const uint8_t *bitmap, int32_t bytes, const int8_t *weights, const int8_t *values,
    const int32_t next[POSITIONS - 1], int32_t acc[POSITIONS])
{
    const int32_t next1 = next[0], next2 = next[1], next3 = next[2];
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];

    for (; bytes > 0; bytes -= 4) {
        const int8_t *in = values;
        for (uint32_t word = bitmap_word(bitmap, bytes); word != 0; word &= 0x7FFFFFFFu) {
            const int32_t zeros = leading_zeros(word);
            const int32_t w = *weights++;
            word <<= zeros; /* the bit of w is on top now, until it is cleared */
            in += zeros;
            acc0 += w * in[0];
            acc1 += w * in[next1];
            acc2 += w * in[next2];
            acc3 += w * in[next3];
        }
        values += 32;
        bitmap += 4;
    }
    acc[0] = acc0, acc[1] = acc1, acc[2] = acc2, acc[3] = acc3;
    return weights;
}

#endif

/* How many weights are kept in `bytes` of bitmap. */
static int32_t count_kept(const uint8_t *bitmap, int32_t bytes)
{
    int32_t count = 0;
    for (int32_t i = 0; i < bytes; i++) {
        for (uint32_t bits = bitmap[i]; bits != 0; bits &= bits - 1) {
            count++;
        }
    }
    return count;
}

static int32_t sum_s8(const int8_t *from, const int8_t *to)
{
    int32_t sum = 0;
    while (from < to) {
        sum += *from++;
    }
    return sum;
}

/*
 * One window column that lies inside the map for positions [from, to) only. The others read a neighbour's value;
 * then they get back what they had, plus `outside` for every weight.
 */
static const int8_t *add_partial_tap(const uint8_t *bitmap, int32_t bytes, const int8_t *weights, const int8_t *values,
    int32_t step, int32_t from, int32_t to, int32_t outside, int32_t acc[POSITIONS])
{
    int32_t next[POSITIONS - 1], before[POSITIONS];

    for (int32_t p = 0; p < POSITIONS; p++) {
        before[p] = acc[p];
        if (p > 0) {
            next[p - 1] = (min_s32(max_s32(p, from), to - 1) - from) * step;
        }
    }
    const int8_t *end = add_run(bitmap, bytes, weights, values + from * step, next, acc);
    for (int32_t p = 0; p < POSITIONS; p++) {
        if (p < from || p >= to) {
            acc[p] = before[p] + outside * sum_s8(weights, end);
        }
    }
    return end;
}

/* a / b, rounded up, or 0 if that is negative. */
static int32_t ceil_div(int32_t a, int32_t b) { return a > 0 ? (a + b - 1) / b : 0; }

/* Four positions at a time; where a row is long enough the last four are moved back into it. */
void conv2d_sparse_bitmap_s8(const conv2d_params *conv, const int8_t *const *rows, int8_t *scratch, int8_t *out)
{
    (void)scratch;
    const int32_t c_in = conv->c_in, c_out = conv->c_out, w_in = conv->w_in, w_out = conv->w_out;
    const int32_t k_h = conv->k_h, k_w = conv->k_w, dilation = conv->dilation_w, stride = conv->stride_w;
    const int32_t tap_bytes = (c_in + 7) / 8, step = stride * c_in;
    const int32_t steps[POSITIONS - 1] = {step, 2 * step, 3 * step};
    /* Window columns whose values and bits lie side by side can be walked as one. */
    const int32_t adjacent = dilation == 1 && c_in % 8 == 0;

    for (int32_t group = 0; group < w_out; group += POSITIONS) {
        const int32_t x = max_s32(0, min_s32(group, w_out - POSITIONS));
        const int32_t n = min_s32(POSITIONS, w_out - x);
        const int32_t left = x * stride - conv->pad_left;
        /* Window columns [from, to) lie inside the map for all four. */
        const int32_t from = ceil_div(-left, dilation);
        const int32_t to = n < POSITIONS ? 0 : min_s32(k_w, ceil_div(w_in - left - 3 * stride, dilation));
        const uint8_t *bitmap = conv->bitmap;
        const int8_t *weights = conv->weights;

        for (int32_t o = 0; o < c_out; o++) {
            const int32_t bias = bias_of_channel(conv, o);
            int32_t acc[POSITIONS] = {bias, bias, bias, bias};

            for (int32_t i = 0; i < k_h; i++) {
                for (int32_t j = 0; j < k_w;) {
                    const int32_t column = left + j * dilation;
                    int32_t taps = 1;
                    if (rows[i] != NULL && j >= from && j < to) {
                        taps = adjacent ? to - j : 1;
                        weights = add_run(bitmap, taps * tap_bytes, weights, rows[i] + column * c_in, steps, acc);
                    } else {
                        const int32_t first = ceil_div(-column, stride);
                        const int32_t end = min_s32(n, ceil_div(w_in - column, stride));
                        if (rows[i] != NULL && first < end) {
                            weights = add_partial_tap(bitmap, tap_bytes, weights, rows[i] + column * c_in, step, first,
                                end, conv->zero_in, acc);
                        } else {
                            const int8_t *after = weights + count_kept(bitmap, tap_bytes);
                            const int32_t sum = conv->zero_in * sum_s8(weights, after);
                            acc[0] += sum, acc[1] += sum, acc[2] += sum, acc[3] += sum;
                            weights = after;
                        }
                    }
                    bitmap += taps * tap_bytes;
                    j += taps;
                }
            }

            const factor_s32 factor = factor_of_channel(conv, o);
            for (int32_t p = 0; p < n; p++) {
                out[(x + p) * c_out + o] = output_s8(conv, acc[p], factor);
            }
        }
    }
}
