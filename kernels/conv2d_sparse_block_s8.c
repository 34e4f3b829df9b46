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

#if KERNELS_SIMD && defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

/* A 4x4 block against four values of two positions. */
#define ADD_BLOCK() \
    do { \
        const pairs_s16 u0 = load_pairs(in0), u1 = load_pairs(in1); \
        const pairs_s16 v0 = load_pairs(weights), v1 = load_pairs(weights + 4); \
        acc00 = add_products(u0, v0, acc00); \
        acc10 = add_products(u1, v0, acc10); \
        acc01 = add_products(u0, v1, acc01); \
        acc11 = add_products(u1, v1, acc11); \
        const pairs_s16 v2 = load_pairs(weights + 8), v3 = load_pairs(weights + 12); \
        acc02 = add_products(u0, v2, acc02); \
        acc12 = add_products(u1, v2, acc12); \
        acc03 = add_products(u0, v3, acc03); \
        acc13 = add_products(u1, v3, acc13); \
    } while (0)

#else

#define ADD_QUAD(c) \
    do { \
        const int32_t u0 = in0[c], u1 = in1[c]; \
        acc00 += u0 * weights[c]; \
        acc10 += u1 * weights[c]; \
        acc01 += u0 * weights[c + 4]; \
        acc11 += u1 * weights[c + 4]; \
        acc02 += u0 * weights[c + 8]; \
        acc12 += u1 * weights[c + 8]; \
        acc03 += u0 * weights[c + 12]; \
        acc13 += u1 * weights[c + 12]; \
    } while (0)
/* A 4x4 block against four values of two positions. */
#define ADD_BLOCK() \
    do { \
        ADD_QUAD(0); \
        ADD_QUAD(1); \
        ADD_QUAD(2); \
        ADD_QUAD(3); \
    } while (0)

#endif

/*
 * As add_run with four output channels, from p on, where every block is 4 values wide: acc[0..3] of the first position,
 * acc[4..7] of the second.
 */
static const int8_t *add_quads(const uint8_t *bitmap, int32_t channels, const int8_t *weights, int32_t height,
    int32_t p, view view0, view view1, int32_t acc[8])
{
    const int32_t size = height * 4;
    int32_t acc00 = acc[0], acc01 = acc[1], acc02 = acc[2], acc03 = acc[3];
    int32_t acc10 = acc[4], acc11 = acc[5], acc12 = acc[6], acc13 = acc[7];

    weights += 4 * p;
    for (int32_t first = 0; first < channels; first += 32 * 4) {
        int32_t c = first;
        for (uint32_t word = bitmap_word(bitmap, (channels - first + 31) / 32); word != 0; word &= 0x7FFFFFFFu) {
            const int32_t zeros = leading_zeros(word);
            word <<= zeros;
            c += zeros * 4;
            const int8_t *in0 = view0.at + (c & view0.reach), *in1 = view1.at + (c & view1.reach);
            ADD_BLOCK();
            weights += size;
        }
        bitmap += 4;
    }
    acc[0] = acc00, acc[1] = acc01, acc[2] = acc02, acc[3] = acc03;
    acc[4] = acc10, acc[5] = acc11, acc[6] = acc12, acc[7] = acc13;
    return weights - 4 * p;
}

/*
 * Two positions against four output channels of a row of blocks where blocks are 4 values wide, else against two; at an
 * odd end a pair is one and the same.
 */
void conv2d_sparse_block_s8(const conv2d_params *conv, const int8_t *const *rows, int8_t *scratch, int8_t *out)
{
    (void)scratch;
    const int32_t c_in = conv->c_in, c_out = conv->c_out, w_in = conv->w_in, w_out = conv->w_out;
    const int32_t k_w = conv->k_w, b_in = conv->b_in, b_out = conv->b_out, dilation = conv->dilation_w;
    const int32_t tap_bytes = ((c_in + b_in - 1) / b_in + 7) / 8;
    /* Window columns whose values and bits lie side by side can be walked as one. */
    const int32_t adjacent = dilation == 1 && c_in % (8 * b_in) == 0;
    const int32_t by_four = b_in == 4 && c_in % 4 == 0;
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

            for (int32_t p = 0, channels; p < height; p += channels) {
                const int32_t q = min_s32(p + 1, height - 1);
                channels = by_four && p + 4 <= height ? 4 : 2;
                int32_t acc[8]; /* first position, then second */
                for (int32_t r = 0; r < channels; r++) {
                    acc[r] = acc[channels + r] = bias_of_channel(conv, o + min_s32(p + r, height - 1));
                }
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
                        weights = channels == 4
                            ? add_quads(bitmap, taps * c_in, weights, height, p, view0, view1, acc)
                            : add_run(conv, bitmap, taps * c_in, weights, height, p, q, view0, view1, acc);
                        bitmap += taps * tap_bytes;
                    }
                }
                for (int32_t r = 0; r < channels && p + r < height; r++) {
                    const factor_s32 factor = factor_of_channel(conv, o + p + r);
                    out[x * c_out + o + p + r] = output_s8(conv, acc[r], factor);
                    out[x_next * c_out + o + p + r] = output_s8(conv, acc[channels + r], factor);
                }
            }
            row_bitmap = bitmap;
            row_weights = weights;
        }
    }
}
