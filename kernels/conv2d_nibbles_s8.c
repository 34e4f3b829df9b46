#include "conv2d_output_s8.h"

#include <stddef.h>

/* The two weights in a byte, the low half first. */
static inline int32_t low_nibble(int8_t byte) { return (int32_t)((uint32_t)byte << 28) >> 28; }
static inline int32_t high_nibble(int8_t byte) { return byte >> 4; }

typedef char nibbles_need_wrapping_conversion[(int32_t)0x80000000u < 0 ? 1 : -1];

/* acc[0, 1] += x0 . w0, x0 . w1 and acc[2, 3] += x1 . w0, x1 . w1, over n values. */
static void dot_pair(
    const int8_t *x0, const int8_t *x1, const int8_t *w0, const int8_t *w1, int32_t n, int32_t acc[4])
{
    int32_t a00 = acc[0], a01 = acc[1], a10 = acc[2], a11 = acc[3];
    const int8_t *const end = x0 + (n & ~1);

    while (x0 < end) {
        const int8_t v0 = *w0++, v1 = *w1++;
        const int32_t low0 = low_nibble(v0), low1 = low_nibble(v1);
        const int32_t high0 = high_nibble(v0), high1 = high_nibble(v1);
        const int32_t p0 = *x0++, q0 = *x0++, p1 = *x1++, q1 = *x1++;
        a00 += p0 * low0 + q0 * high0;
        a01 += p0 * low1 + q0 * high1;
        a10 += p1 * low0 + q1 * high0;
        a11 += p1 * low1 + q1 * high1;
    }
    if (n & 1) {
        const int32_t low0 = low_nibble(*w0), low1 = low_nibble(*w1);
        a00 += *x0 * low0;
        a01 += *x0 * low1;
        a10 += *x1 * low0;
        a11 += *x1 * low1;
    }
    acc[0] = a00, acc[1] = a01, acc[2] = a10, acc[3] = a11;
}

/* acc[0, 1] += x . w0, x . w1 over n values, of which one follows the other after `step`: 0 for a constant. */
static void dot_one(const int8_t *x, int32_t step, const int8_t *w0, const int8_t *w1, int32_t n, int32_t acc[2])
{
    for (int32_t c = 0; c < n; c++) {
        const int32_t v0 = w0[c >> 1], v1 = w1[c >> 1];
        acc[0] += *x * (c & 1 ? high_nibble((int8_t)v0) : low_nibble((int8_t)v0));
        acc[1] += *x * (c & 1 ? high_nibble((int8_t)v1) : low_nibble((int8_t)v1));
        x += step;
    }
}

/* Two positions against two output channels; at an odd end a pair is one and the same. */
void conv2d_nibbles_s8(const conv2d_params *conv, const int8_t *const *rows, int8_t *out)
{
    const int32_t c_in = conv->c_in, c_out = conv->c_out, w_in = conv->w_in, w_out = conv->w_out;
    const int32_t k_w = conv->k_w, dilation = conv->dilation_w;
    const int32_t tap_bytes = (c_in + 1) / 2, size = conv->k_h * k_w * tap_bytes;
    /* Window columns whose values and weights lie side by side can be walked as one. */
    const int32_t adjacent = dilation == 1 && c_in % 2 == 0;
    const int8_t blank = conv->zero_in;

    for (int32_t x = 0; x < w_out; x += 2) {
        const int32_t x_next = min_s32(x + 1, w_out - 1);
        const int32_t left = x * conv->stride_w - conv->pad_left;
        const int32_t step = (x_next - x) * conv->stride_w;

        for (int32_t o = 0; o < c_out; o += 2) {
            const int32_t p = min_s32(o + 1, c_out - 1);
            const int8_t *w0 = conv->weights + o * size, *w1 = conv->weights + p * size;
            int32_t acc[4] = {conv->bias[o], conv->bias[p], conv->bias[o], conv->bias[p]};

            for (int32_t i = 0; i < conv->k_h; i++) {
                for (int32_t j = 0, taps; j < k_w; j += taps) {
                    const int32_t column = left + j * dilation;
                    const int32_t inside0 = rows[i] != NULL && column >= 0 && column < w_in;
                    const int32_t inside1 = rows[i] != NULL && column + step >= 0 && column + step < w_in;
                    const int8_t *in0 = inside0 ? rows[i] + column * c_in : &blank;
                    const int8_t *in1 = inside1 ? rows[i] + (column + step) * c_in : &blank;
                    taps = 1;
                    if (inside0 && inside1) {
                        taps = adjacent ? min_s32(k_w - j, w_in - step - column) : 1;
                        dot_pair(in0, in1, w0, w1, taps * c_in, acc);
                    } else {
                        dot_one(in0, inside0, w0, w1, c_in, acc);
                        dot_one(in1, inside1, w0, w1, c_in, acc + 2);
                    }
                    w0 += taps * tap_bytes;
                    w1 += taps * tap_bytes;
                }
            }

            const factor_s32 factor_o = factor_of_channel(conv, o), factor_p = factor_of_channel(conv, p);
            out[x * c_out + o] = output_s8(conv, acc[0], factor_o);
            out[x * c_out + p] = output_s8(conv, acc[1], factor_p);
            out[x_next * c_out + o] = output_s8(conv, acc[2], factor_o);
            out[x_next * c_out + p] = output_s8(conv, acc[3], factor_p);
        }
    }
}
