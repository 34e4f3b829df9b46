#include "conv2d_output_s8.h"
#include "dot_s8.h"

#include <stddef.h>

enum {
    GROUP = 16, /* positions that share what is decoded */
    SLICE = 64, /* weights of a channel decoded at once */
    LONGEST = 6, /* bits of a code */
    SYMBOLS = 16, /* -8 to 7 */
};

typedef struct {
    const uint8_t *next;
    uint32_t window; /* the bits that come next, from the top */
    int32_t bits; /* of them, how many are there */
} code_reader;

/* For each LONGEST bits that may come next: 16 * value + length of the code that they begin with. */
static void build_table(const uint8_t *lengths, int8_t table[1 << LONGEST])
{
    int8_t *entry = table;

    for (int32_t length = 1; length <= LONGEST; length++) {
        for (int32_t symbol = 0; symbol < SYMBOLS; symbol++) {
            if (((lengths[symbol >> 1] >> 4 * (symbol & 1)) & 15) == length) {
                for (int32_t i = 0; i < 1 << (LONGEST - length); i++) {
                    *entry++ = (int8_t)(16 * (symbol - SYMBOLS / 2) + length);
                }
            }
        }
    }
}

/* The next `n` weights of each of `channels`, 1 or 2, into w0 and w1. */
static void decode(
    code_reader *reader, const int8_t table[1 << LONGEST], int32_t channels, int32_t n, int8_t *w0, int8_t *w1)
{
    const uint8_t *next = reader->next;
    uint32_t window = reader->window;
    int32_t bits = reader->bits;

    for (int32_t i = 0; i < n; i++) {
        if (bits < 2 * LONGEST) {
            window |= ((uint32_t)next[0] << 8 | next[1]) << (16 - bits);
            next += 2;
            bits += 16;
        }
        const int32_t entry0 = table[window >> (32 - LONGEST)];
        w0[i] = (int8_t)(entry0 >> 4);
        window <<= entry0 & 15;
        bits -= entry0 & 15;
        if (channels == 2) {
            const int32_t entry1 = table[window >> (32 - LONGEST)];
            w1[i] = (int8_t)(entry1 >> 4);
            window <<= entry1 & 15;
            bits -= entry1 & 15;
        } else {
            w1[i] = w0[i];
        }
    }
    reader->next = next;
    reader->window = window;
    reader->bits = bits;
}

/* One position of which some taps lie outside: `taps` window columns from column `column` on, n values of each. */
static void add_taps(const conv2d_params *conv, const int8_t *row, int32_t column, int32_t taps, int32_t from, int32_t n,
    const int8_t *w0, const int8_t *w1, int32_t acc[2])
{
    for (int32_t t = 0; t < taps; t++, column++) {
        if (row != NULL && column >= 0 && column < conv->w_in) {
            dot_1x2_s8(row + column * conv->c_in + from, w0 + t * n, w1 + t * n, n, acc);
        } else {
            dot_constant_s8(conv->zero_in, w0 + t * n, w1 + t * n, n, acc);
        }
    }
}

/* `taps` adjacent window columns, the first `j`, at all positions of a group: n values of each from channel `from` on. */
static void add_slice(const conv2d_params *conv, const int8_t *row, int32_t x, int32_t count, int32_t j, int32_t taps,
    int32_t from, int32_t n, const int8_t *w0, const int8_t *w1, int32_t acc[GROUP / 2][4])
{
    const int32_t stride = conv->stride_w, c_in = conv->c_in;
    int32_t column = x * stride - conv->pad_left + j * conv->dilation_w;

    for (int32_t i = 0; i < count; i += 2, column += 2 * stride, acc++) {
        const int32_t step = i + 1 < count ? stride : 0;
        if (row != NULL && column >= 0 && column + step + taps <= conv->w_in) {
            const int8_t *in = row + column * c_in + from;
            dot_2x2_s8(in, in + step * c_in, w0, w1, taps * n, *acc);
        } else {
            add_taps(conv, row, column, taps, from, n, w0, w1, *acc);
            add_taps(conv, row, column + step, taps, from, n, w0, w1, *acc + 2);
        }
    }
}

/*
 * Two output channels at a time, whose codes alternate: a slice of their weights is decoded onto the stack and meets
 * all positions of a group, so that decoding is shared by GROUP positions and multiplying is that of dense kernels.
 */
void conv2d_coded_s8(const conv2d_params *conv, const int8_t *const *rows, int8_t *out)
{
    const int32_t c_in = conv->c_in, c_out = conv->c_out, w_out = conv->w_out, k_w = conv->k_w;
    /* Window columns that lie side by side are one run, if a slice holds them. */
    const int32_t most_taps = conv->dilation_w == 1 && c_in <= SLICE ? SLICE / c_in : 1;
    int8_t table[1 << LONGEST], w0[SLICE], w1[SLICE];
    code_reader start = {(const uint8_t *)conv->weights, 0, 0};

    build_table(conv->bitmap, table);
    for (int32_t o = 0; o < c_out; o += 2) {
        const int32_t p = min_s32(o + 1, c_out - 1), channels = p - o + 1;
        const int32_t bias_o = bias_of_channel(conv, o), bias_p = bias_of_channel(conv, p);
        const factor_s32 factor_o = factor_of_channel(conv, o), factor_p = factor_of_channel(conv, p);
        code_reader reader = start;

        for (int32_t x = 0; x < w_out; x += GROUP) {
            const int32_t count = min_s32(GROUP, w_out - x);
            int32_t acc[GROUP / 2][4];
            for (int32_t i = 0; i < GROUP / 2; i++) {
                acc[i][0] = acc[i][2] = bias_o;
                acc[i][1] = acc[i][3] = bias_p;
            }
            reader = start;
            for (int32_t i = 0; i < conv->k_h; i++) {
                for (int32_t j = 0, taps; j < k_w; j += taps) {
                    taps = min_s32(most_taps, k_w - j);
                    for (int32_t c = 0, n; c < c_in; c += n) {
                        n = min_s32(SLICE, c_in - c);
                        decode(&reader, table, channels, taps * n, w0, w1);
                        add_slice(conv, rows[i], x, count, j, taps, c, n, w0, w1, acc);
                    }
                }
            }
            for (int32_t i = 0; i < count; i++) {
                const int32_t *sums = acc[i / 2] + 2 * (i % 2);
                out[(x + i) * c_out + o] = output_s8(conv, sums[0], factor_o);
                out[(x + i) * c_out + p] = output_s8(conv, sums[1], factor_p);
            }
        }
        start = reader;
    }
}
