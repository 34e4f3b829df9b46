#include "conv2d_output_s8.h"
#include "dot_s8.h"

#include <stddef.h>

/* Two channels of one output position, of whose window columns [from, to) lie inside the map. */
static void add_partial_window(const conv2d_params *conv, const int8_t *const *rows, int32_t x_in, int32_t from,
    int32_t to, const int8_t *w0, const int8_t *w1, int32_t acc[2])
{
    const int32_t c_in = conv->c_in, k_w = conv->k_w;

    for (int32_t i = 0; i < conv->k_h; i++) {
        for (int32_t j = 0; j < k_w; j++) {
            if (rows[i] != NULL && j >= from && j < to) {
                dot_1x2_s8(rows[i] + (x_in + j * conv->dilation_w) * c_in, w0, w1, c_in, acc);
            } else {
                dot_constant_s8(conv->zero_in, w0, w1, c_in, acc);
            }
            w0 += c_in;
            w1 += c_in;
        }
    }
}

/* Two channels of two output positions whose windows lie inside the map from left to right. */
static void add_full_windows(const conv2d_params *conv, const int8_t *const *rows, int32_t x_in, const int8_t *w0,
    const int8_t *w1, int32_t acc[4])
{
    const int32_t c_in = conv->c_in;
    /* Without dilation a window row is one run of k_w * c_in values. */
    const int32_t runs = conv->dilation_w == 1 ? 1 : conv->k_w;
    const int32_t run = conv->dilation_w == 1 ? conv->k_w * c_in : c_in;

    for (int32_t i = 0; i < conv->k_h; i++) {
        if (rows[i] == NULL) {
            int32_t outside[2] = {0, 0};
            dot_constant_s8(conv->zero_in, w0, w1, conv->k_w * c_in, outside);
            acc[0] += outside[0], acc[1] += outside[1];
            acc[2] += outside[0], acc[3] += outside[1];
        } else {
            const int8_t *in0 = rows[i] + x_in * c_in, *in1 = in0 + conv->stride_w * c_in;
            for (int32_t j = 0; j < runs; j++) {
                const int32_t at = j * conv->dilation_w * c_in;
                dot_2x2_s8(in0 + at, in1 + at, w0 + j * run, w1 + j * run, run, acc);
            }
        }
        w0 += conv->k_w * c_in;
        w1 += conv->k_w * c_in;
    }
}

/*
 * Two positions against two output channels where both windows lie inside the map from left to right, else one
 * position against two. At an odd number of channels the last pair is one and the same, stored twice.
 */
void conv2d_dense_s8(const conv2d_params *conv, const int8_t *const *rows, int8_t *scratch, int8_t *out)
{
    (void)scratch;
    const int32_t c_out = conv->c_out, w_in = conv->w_in, w_out = conv->w_out;
    const int32_t stride = conv->stride_w, dilation = conv->dilation_w;
    const int32_t size = conv->k_h * conv->k_w * conv->c_in;
    const int32_t reach = (conv->k_w - 1) * dilation; /* from the first to the last column of a window */

    for (int32_t x = 0; x < w_out;) {
        const int32_t x_in = x * stride - conv->pad_left;
        const int32_t pair = x + 1 < w_out && x_in >= 0 && x_in + stride + reach < w_in;
        int8_t *out0 = out + x * c_out, *out1 = out0 + c_out;

        for (int32_t o = 0; o < c_out; o += 2) {
            const int32_t p = min_s32(o + 1, c_out - 1);
            const int8_t *w0 = conv->weights + o * size, *w1 = conv->weights + p * size;
            const int32_t bias_o = bias_of_channel(conv, o), bias_p = bias_of_channel(conv, p);
            int32_t acc[4] = {bias_o, bias_p, bias_o, bias_p};
            const factor_s32 factor_o = factor_of_channel(conv, o), factor_p = factor_of_channel(conv, p);

            if (pair) {
                add_full_windows(conv, rows, x_in, w0, w1, acc);
                out1[o] = output_s8(conv, acc[2], factor_o);
                out1[p] = output_s8(conv, acc[3], factor_p);
            } else {
                const int32_t from = x_in >= 0 ? 0 : (-x_in + dilation - 1) / dilation;
                const int32_t to = x_in < w_in ? (w_in - x_in + dilation - 1) / dilation : 0;
                add_partial_window(conv, rows, x_in, from, to, w0, w1, acc);
            }
            out0[o] = output_s8(conv, acc[0], factor_o);
            out0[p] = output_s8(conv, acc[1], factor_p);
        }
        x += 1 + pair;
    }
}
