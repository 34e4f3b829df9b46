#include "bitmap.h"
#include "conv2d_output_s8.h"
#include "dot_s8.h"

#include <stddef.h>

/* Where a position reads: `at`, and how far its values reach: all bits set, or none outside the map (a blank block). */
typedef struct {
    const int8_t *at;
    int32_t reach;
} view;

#define ADD_PRODUCTS(c) \
    do { \
        const int32_t u0 = in0[c], u1 = in1[c], v0 = w0[c], v1 = w1[c]; \
        acc00 += u0 * v0; \
        acc01 += u0 * v1; \
        acc10 += u1 * v0; \
        acc11 += u1 * v1; \
    } while (0)

/*
 * Two output channels, p and q, of each kept block in the bitmap of `channels` input values, for two positions. Sums
 * as of dot_2x2_s8. Returns where the weights go on.
 */
static const int8_t *add_run(const conv2d_params *conv, const uint8_t *bitmap, int32_t channels, const int8_t *weights,
    int32_t height, int32_t p, int32_t q, view view0, view view1, int32_t acc[4])
{
    const int32_t b_in = conv->b_in, size = height * b_in, to_p = p * b_in, to_q = q * b_in;
    int32_t acc00 = acc[0], acc01 = acc[1], acc10 = acc[2], acc11 = acc[3];

    for (int32_t first = 0; first < channels; first += 32 * b_in) {
        int32_t c = first;
        for (uint32_t word = bitmap_word(bitmap, ((channels - first + b_in - 1) / b_in + 7) / 8); word != 0;
             word &= 0x7FFFFFFFu) {
            const int32_t zeros = leading_zeros(word);
            word <<= zeros; /* the bit of this block is on top now, until it is cleared */
            c += zeros * b_in;
            const int8_t *in0 = view0.at + (c & view0.reach), *in1 = view1.at + (c & view1.reach);
            if (b_in == 4 && c + 4 <= channels) {
                const int8_t *w0 = weights + to_p, *w1 = weights + to_q;
                ADD_PRODUCTS(0);
                ADD_PRODUCTS(1);
                ADD_PRODUCTS(2);
                ADD_PRODUCTS(3);
                weights += size;
            } else {
                const int32_t width = min_s32(b_in, channels - c);
                const int8_t *w0 = weights + p * width, *w1 = weights + q * width;
                for (int32_t k = 0; k < width; k++) {
                    ADD_PRODUCTS(k);
                }
                weights += height * width;
            }
        }
        bitmap += 4;
    }
    acc[0] = acc00, acc[1] = acc01, acc[2] = acc10, acc[3] = acc11;
    return weights;
}

/* Two positions against two output channels of a row of blocks; at an odd end a pair is one and the same. */
void conv2d_sparse_block_s8(const conv2d_params *conv, const int8_t *const *rows, int8_t *out)
{
    const int32_t c_in = conv->c_in, c_out = conv->c_out, w_in = conv->w_in, w_out = conv->w_out;
    const int32_t k_w = conv->k_w, b_in = conv->b_in, b_out = conv->b_out, dilation = conv->dilation_w;
    const int32_t tap_bytes = ((c_in + b_in - 1) / b_in + 7) / 8;
    /* Window columns whose values and bits lie side by side can be walked as one. */
    const int32_t adjacent = dilation == 1 && c_in % (8 * b_in) == 0;
    int8_t blank[KERNELS_MAX_BLOCK];

    for (int32_t c = 0; c < b_in; c++) {
        blank[c] = conv->zero_in;
    }
    for (int32_t x = 0; x < w_out; x += 2) {
        const int32_t x_next = min_s32(x + 1, w_out - 1);
        const int32_t left = x * conv->stride_w - conv->pad_left;
        const int32_t step = (x_next - x) * conv->stride_w;
        const uint8_t *row_bitmap = conv->bitmap;
        const int8_t *row_weights = conv->weights;

        for (int32_t o = 0; o < c_out; o += b_out) {
            const int32_t height = min_s32(b_out, c_out - o);
            const uint8_t *bitmap = row_bitmap;
            const int8_t *weights = row_weights;

            for (int32_t p = 0; p < height; p += 2) {
                const int32_t q = min_s32(p + 1, height - 1);
                int32_t acc[4] = {conv->bias[o + p], conv->bias[o + q], conv->bias[o + p], conv->bias[o + q]};
                bitmap = row_bitmap;
                weights = row_weights;

                for (int32_t i = 0; i < conv->k_h; i++) {
                    for (int32_t j = 0, taps; j < k_w; j += taps) {
                        const int32_t column = left + j * dilation;
                        view view0 = {blank, 0}, view1 = {blank, 0};
                        if (rows[i] != NULL && column >= 0 && column < w_in) {
                            view0.at = rows[i] + column * c_in;
                            view0.reach = -1;
                        }
                        if (rows[i] != NULL && column + step >= 0 && column + step < w_in) {
                            view1.at = rows[i] + (column + step) * c_in;
                            view1.reach = -1;
                        }
                        taps = 1;
                        if (adjacent && view0.reach && view1.reach) {
                            taps = min_s32(k_w - j, w_in - step - column);
                        }
                        weights = add_run(conv, bitmap, taps * c_in, weights, height, p, q, view0, view1, acc);
                        bitmap += taps * tap_bytes;
                    }
                }

                const factor_s32 factor_p = factor_of_channel(conv, o + p), factor_q = factor_of_channel(conv, o + q);
                out[x * c_out + o + p] = output_s8(conv, acc[0], factor_p);
                out[x * c_out + o + q] = output_s8(conv, acc[1], factor_q);
                out[x_next * c_out + o + p] = output_s8(conv, acc[2], factor_p);
                out[x_next * c_out + o + q] = output_s8(conv, acc[3], factor_q);
            }
            row_bitmap = bitmap;
            row_weights = weights;
        }
    }
}
