#include "conv2d_output_s8.h"
#include "dot_s8.h"

#include <stddef.h>

enum {
    GROUP = 16, /* positions that share what is decoded */
    SLICE = 64, /* weights of a channel decoded at once */
    STATE_BITS = 7,
    STATES = 1 << STATE_BITS,
    STRIDE = (STATES >> 1) + (STATES >> 3) + 3,
    SYMBOLS = 16, /* -8 to 7 */
};

typedef struct {
    int8_t weight_and_bits; /* 16 * weight + how many bits are read here */
    uint8_t base; /* what they are added to is the next state */
} code_state;

typedef struct {
    const uint8_t *next;
    uint32_t window; /* the bits that come next, from the top */
    int32_t bits; /* of them, how many are there */
    uint32_t state;
} code_reader;

/* What each state stands for and leads to: see kernels/reference/coded.py. */
static void build_states(const uint8_t *shares, code_state states[STATES])
{
    const int32_t values = (shares[0] >> 4) + 1, lowest = (shares[0] & 15) - SYMBOLS / 2;
    uint8_t number[SYMBOLS];
    uint32_t at = 0;

    for (int32_t v = 0; v < values; v++) {
        number[v] = shares[1 + v];
        for (int32_t i = 0; i < shares[1 + v]; i++) {
            states[at].base = (uint8_t)v;
            at = (at + STRIDE) & (STATES - 1);
        }
    }
    for (int32_t s = 0; s < STATES; s++) {
        const int32_t v = states[s].base;
        int32_t x = number[v]++, bits = 0;
        for (; x < STATES; bits++) {
            x *= 2;
        }
        states[s].weight_and_bits = (int8_t)(16 * (lowest + v) + bits);
        states[s].base = (uint8_t)(x - STATES);
    }
}

/* The weight of the state that the reader is in; it goes on to the next. Enough bits have to be in the window. */
static inline int8_t step(code_reader *reader, const code_state states[STATES])
{
    const code_state here = states[reader->state];
    const int32_t bits = here.weight_and_bits & 15;

    reader->state = here.base + (reader->window >> 1 >> (31 - bits));
    reader->window <<= bits;
    reader->bits -= bits;
    return (int8_t)(here.weight_and_bits >> 4);
}

/* At least as many bits in the window as two steps may take. */
static inline void refill(code_reader *reader)
{
    if (reader->bits < 2 * STATE_BITS) {
        reader->window |= ((uint32_t)reader->next[0] << 8 | reader->next[1]) << (16 - reader->bits);
        reader->next += 2;
        reader->bits += 16;
    }
}

/* A reader in the first state. */
static code_reader first_state(const int8_t *codes)
{
    code_reader reader = {(const uint8_t *)codes, 0, 0, 0};

    refill(&reader);
    reader.state = reader.window >> (32 - STATE_BITS);
    reader.window <<= STATE_BITS;
    reader.bits -= STATE_BITS;
    return reader;
}

/* The next `n` weights of each of `channels`, 1 or 2, into w0 and w1. */
static void decode(
    code_reader *reader, const code_state states[STATES], int32_t channels, int32_t n, int8_t *w0, int8_t *w1)
{
    code_reader own = *reader; /* in registers */

    for (int32_t i = 0; i < n; i++) {
        refill(&own);
        w0[i] = step(&own, states);
        w1[i] = channels == 2 ? step(&own, states) : w0[i];
    }
    *reader = own;
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
void conv2d_coded_s8(const conv2d_params *conv, const int8_t *const *rows, int8_t *scratch, int8_t *out)
{
    (void)scratch;
    const int32_t c_in = conv->c_in, c_out = conv->c_out, w_out = conv->w_out, k_w = conv->k_w;
    /* Window columns that lie side by side are one run, if a slice holds them. */
    const int32_t most_taps = conv->dilation_w == 1 && c_in <= SLICE ? SLICE / c_in : 1;
    int8_t w0[SLICE], w1[SLICE];
    code_state states[STATES];
    code_reader start = first_state(conv->weights);

    build_states(conv->bitmap, states);
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
                        decode(&reader, states, channels, taps * n, w0, w1);
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
