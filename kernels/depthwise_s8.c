#include "conv2d_output_s8.h"

#include <stddef.h>

#if KERNELS_SIMD && defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#endif

enum {
    CHANNELS = 4, /* summed side by side */
    RUN = 16, /* whose biases and factors are on the stack */
};

/*
 * The part of a position's window that lies inside the map, as `height` rows and `width` columns: int8 values
 * `column_step` apart from each rows[i] + at, and their weights.
 */
typedef struct {
    const int8_t *const *rows;
    const int8_t *weights;
    int32_t height, width, at, column_step, weights_step, weights_row_step;
} inside;

#if KERNELS_SIMD && defined(__ARM_FEATURE_MVE)

static void add_channels(const inside *in, int32_t c, int32_t zero_in, int32_t acc[CHANNELS])
{
    int32x4_t sum = vldrwq_s32(acc);
    const int8_t *weights = in->weights + c;

    for (int32_t i = 0; i < in->height; i++) {
        const int8_t *x = in->rows[i] + in->at + c, *w = weights;
        for (int32_t j = 0; j < in->width; j++) {
            sum = vaddq_s32(sum, vmulq_s32(vsubq_n_s32(vldrbq_s32(x), zero_in), vldrbq_s32(w)));
            x += in->column_step;
            w += in->weights_step;
        }
        weights += in->weights_row_step;
    }
    vstrwq_s32(acc, sum);
}

#else

static void add_channels(const inside *in, int32_t c, int32_t zero_in, int32_t acc[CHANNELS])
{
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    const int8_t *weights = in->weights + c;

    for (int32_t i = 0; i < in->height; i++) {
        const int8_t *x = in->rows[i] + in->at + c, *w = weights;
        for (int32_t j = 0; j < in->width; j++) {
            acc0 += (x[0] - zero_in) * w[0];
            acc1 += (x[1] - zero_in) * w[1];
            acc2 += (x[2] - zero_in) * w[2];
            acc3 += (x[3] - zero_in) * w[3];
            x += in->column_step;
            w += in->weights_step;
        }
        weights += in->weights_row_step;
    }
    acc[0] = acc0, acc[1] = acc1, acc[2] = acc2, acc[3] = acc3;
}

#endif

static int32_t add_channel(const inside *in, int32_t c, int32_t o, int32_t zero_in, int32_t acc)
{
    const int8_t *weights = in->weights + o;

    for (int32_t i = 0; i < in->height; i++) {
        const int8_t *x = in->rows[i] + in->at + c, *w = weights;
        for (int32_t j = 0; j < in->width; j++) {
            acc += (*x - zero_in) * *w;
            x += in->column_step;
            w += in->weights_step;
        }
        weights += in->weights_row_step;
    }
    return acc;
}

/* a / b, rounded up, or 0 if that is negative. */
static int32_t ceil_div(int32_t a, int32_t b) { return a > 0 ? (a + b - 1) / b : 0; }

/*
 * A run of channels at a time, whose biases and factors are unpacked once a row; of each position only what lies inside
 * the map; four channels side by side where each has one kernel.
 */
void depthwise_s8(const conv2d_params *conv, const int8_t *const *rows, int8_t *scratch, int8_t *out)
{
    (void)scratch;
    const int32_t c_in = conv->c_in, c_out = conv->c_out, w_in = conv->w_in, k_w = conv->k_w;
    const int32_t dilation = conv->dilation_w, zero_in = conv->zero_in;
    const int32_t kernels = c_out / c_in; /* for each channel */
    int32_t top = 0, bottom = conv->k_h; /* window rows inside the map */

    while (top < bottom && rows[top] == NULL) {
        top++;
    }
    while (bottom > top && rows[bottom - 1] == NULL) {
        bottom--;
    }
    for (int32_t first = 0; first < c_out; first += RUN) {
        const int32_t end = min_s32(first + RUN, c_out);
        int32_t bias[RUN];
        factor_s32 factor[RUN];

        for (int32_t o = first; o < end; o++) {
            bias[o - first] = bias_of_channel(conv, o);
            factor[o - first] = factor_of_channel(conv, o);
        }
        for (int32_t x = 0; x < conv->w_out; x++) {
            const int32_t left = x * conv->stride_w - conv->pad_left;
            const int32_t from = min_s32(k_w, ceil_div(-left, dilation));
            const int32_t to = min_s32(k_w, ceil_div(w_in - left, dilation));
            const inside in = {rows + top, conv->weights + (top * k_w + from) * c_out, bottom - top, to - from,
                (left + from * dilation) * c_in, dilation * c_in, c_out, k_w * c_out};
            int8_t *position = out + x * c_out;
            int32_t o = first;

            for (; kernels == 1 && o + CHANNELS <= end; o += CHANNELS) {
                const int32_t *b = bias + (o - first);
                int32_t acc[CHANNELS] = {b[0], b[1], b[2], b[3]};
                add_channels(&in, o, zero_in, acc);
                for (int32_t p = 0; p < CHANNELS; p++) {
                    position[o + p] = output_s8(conv, acc[p], factor[o + p - first]);
                }
            }
            for (; o < end; o++) {
                const int32_t acc = add_channel(&in, o / kernels, o, zero_in, bias[o - first]);
                position[o] = output_s8(conv, acc, factor[o - first]);
            }
        }
    }
}
