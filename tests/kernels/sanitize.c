/*
 * Every kernel on random shapes, each array in a heap block of exactly its size, for the address and
 * undefined-behaviour sanitizers. Values don't matter here; places do.
 */
#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state = 1;

static int32_t pick(int32_t low, int32_t high)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return low + (int32_t)(state % (uint32_t)(high - low + 1));
}

static void *fill(void *memory, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ((uint8_t *)memory)[i] = (uint8_t)pick(0, 255);
    }
    return memory;
}

static int8_t *values(int32_t n) { return fill(malloc((size_t)n), (size_t)n); }

static int32_t span(int32_t k, int32_t dilation) { return (k - 1) * dilation + 1; }

enum { STATES = 128, STRIDE = 83, SYMBOLS = 16 };

/* How many states each of some values has, 128 together. Returns what `shares` of a kernel holds. */
static uint8_t *random_shares(int32_t share[SYMBOLS], int32_t *lowest, int32_t *values)
{
    *values = pick(1, SYMBOLS), *lowest = pick(0, SYMBOLS - *values);
    uint8_t *shares = calloc(1, 1 + (size_t)*values);
    int32_t left = STATES - *values;

    shares[0] = (uint8_t)(16 * (*values - 1) + *lowest);
    for (int32_t v = 0; v < *values; v++) {
        const int32_t more = v == *values - 1 ? left : pick(0, left);
        share[v] = 1 + more, left -= more;
        shares[1 + v] = (uint8_t)share[v];
    }
    return shares;
}

/* The codes of n random weights, last first as an encoder goes, and no more behind them than the 3 bytes that may be
 * read. `shares`: as the kernel reads them. */
static int8_t *codes(int32_t n, const uint8_t **shares)
{
    int32_t share[SYMBOLS], lowest, values, holders[SYMBOLS][STATES], symbols[STATES], at = 0, bits = 0;
    uint8_t *stream = calloc((size_t)n + 1, 7); /* a bit a byte */

    *shares = random_shares(share, &lowest, &values);
    for (int32_t v = 0; v < values; v++) {
        for (int32_t i = 0; i < share[v]; i++, at = (at + STRIDE) % STATES) {
            symbols[at] = v;
        }
    }
    for (int32_t v = 0; v < values; v++) {
        for (int32_t state = 0, i = 0; state < STATES; state++) {
            if (symbols[state] == v) {
                holders[v][i++] = state;
            }
        }
    }
    int32_t number = STATES;
    for (int32_t i = 0; i < n; i++) {
        const int32_t v = pick(0, values - 1);
        while (number >= 2 * share[v]) {
            stream[bits++] = (uint8_t)(number & 1), number >>= 1;
        }
        number = STATES + holders[v][number - share[v]];
    }
    for (int32_t i = 0; i < 7; i++, number >>= 1) {
        stream[bits++] = (uint8_t)(number & 1);
    }
    int8_t *exact = calloc((size_t)(bits + 7) / 8 + 3, 1);
    for (int32_t i = 0; i < bits; i++) {
        exact[i / 8] = (int8_t)(exact[i / 8] | stream[bits - 1 - i] << (7 - i % 8));
    }
    free(stream);
    return exact;
}

static conv2d_params random_conv(conv2d_row_s8 *row, int32_t h, int32_t w, int32_t c, int32_t c_out, int32_t k_h,
    int32_t k_w, int32_t stride_h, int32_t stride_w, int32_t dilation, int32_t pad_top, int32_t pad_left,
    int32_t h_out, int32_t w_out)
{
    const int32_t b_in = pick(0, 1) ? 4 : pick(1, 6), b_out = pick(1, 6);
    conv2d_params conv = {.row = row};
    conv.h_in = (uint16_t)h, conv.w_in = (uint16_t)w, conv.c_in = (uint16_t)c;
    conv.h_out = (uint16_t)h_out, conv.w_out = (uint16_t)w_out, conv.c_out = (uint16_t)c_out;
    conv.k_h = (uint8_t)k_h, conv.k_w = (uint8_t)k_w;
    conv.stride_h = (uint8_t)stride_h, conv.stride_w = (uint8_t)stride_w;
    conv.dilation_h = conv.dilation_w = (uint8_t)dilation;
    conv.pad_top = (uint8_t)pad_top, conv.pad_left = (uint8_t)pad_left;
    conv.b_in = (uint8_t)b_in, conv.b_out = (uint8_t)b_out;
    conv.zero_in = (int8_t)pick(-128, 127), conv.zero_out = (int8_t)pick(-128, 127);
    conv.min = -128, conv.max = 127;

    conv.bias_bytes = (uint8_t)pick(2, 4);
    int8_t *bias = values(conv.bias_bytes * c_out);
    for (int32_t o = 0; conv.bias_bytes == 4 && o < c_out; o++) {
        ((int32_t *)(void *)bias)[o] = pick(-100000, 100000);
    }
    conv.bias = bias;
    conv.factor_high = (uint32_t)pick(1 << 30, INT32_MAX);
    conv.shift = (int8_t)pick(-31, 3);
    conv.factor_bytes = (uint8_t)(pick(0, 1) ? 0 : pick(0, 1) ? pick(1, 2) : 5);
    if (conv.factor_bytes) {
        int8_t *factors = values(conv.factor_bytes * c_out);
        for (int32_t o = 0; conv.factor_bytes == 5 && o < c_out; o++) {
            const int32_t multiplier = pick(0, 1) ? 0 : pick(1 << 30, INT32_MAX);
            memcpy(factors + 5 * o, &multiplier, 4);
            factors[5 * o + 4] = (int8_t)pick(-31, 3);
        }
        if (conv.factor_bytes < 5) {
            conv.factor_high = (uint32_t)pick(1 << 17, (1 << 18) - 1), conv.factor_low = (uint32_t)pick(0, INT32_MAX - 1) << 1;
            conv.shift = (int8_t)pick(-15, 2);
        }
        conv.factors = factors;
    }

    int32_t kept = k_h * k_w * (row == depthwise_s8 ? c_out : c * c_out);
    if (row == conv2d_coded_s8) {
        conv.weights = codes(kept, &conv.bitmap);
        return conv;
    }
    if (row == conv2d_sparse_bitmap_s8 || row == conv2d_sparse_planar_s8 || row == conv2d_sparse_block_s8) {
        const int32_t blocked = row == conv2d_sparse_block_s8;
        const int32_t high = blocked ? b_out : 1, wide = blocked ? b_in : 1;
        const int32_t across = (c + wide - 1) / wide, bytes = (across + 7) / 8;
        const int32_t rows = (c_out + high - 1) / high;
        uint8_t *bitmap = calloc(1, (size_t)(rows * k_h * k_w * bytes + 3));
        kept = 0;
        for (int32_t r = 0; r < rows; r++) {
            for (int32_t tap = 0; tap < k_h * k_w; tap++) {
                for (int32_t i = 0; i < across; i++) {
                    if (pick(0, 2) == 0) {
                        bitmap[(r * k_h * k_w + tap) * bytes + i / 8] |= (uint8_t)(0x80 >> i % 8);
                        kept += (r == rows - 1 ? c_out - r * high : high) * (i == across - 1 ? c - i * wide : wide);
                    }
                }
            }
        }
        conv.bitmap = bitmap;
    }
    conv.weights = values(kept);
    return conv;
}

static void free_conv(const conv2d_params *conv)
{
    free((void *)conv->weights);
    free((void *)conv->bitmap);
    free((void *)conv->bias);
    free((void *)conv->factors);
}

/* Scratch of a row kernel. */
static int32_t planar_bytes(conv2d_row_s8 *row, const conv2d_params *conv)
{
    const int32_t weights = conv->k_h * conv->k_w * ((conv->c_in + 7) / 8 * 8);
    return row == conv2d_sparse_planar_s8 ? weights * CONV2D_PLANAR_POSITIONS : 1;
}

static void try_conv(conv2d_row_s8 *row)
{
    const int32_t point = row == conv2d_1x1_s8;
    const int32_t k_h = point ? 1 : pick(1, 5), k_w = point ? 1 : pick(1, 5), dilation = pick(1, 3);
    const int32_t stride_h = pick(1, 3), stride_w = pick(1, 3), h = pick(1, 9), w = pick(1, 12);
    const int32_t c = pick(1, row == conv2d_coded_s8 ? 100 : 40); /* more than it decodes at once */
    const int32_t c_out = row == depthwise_s8 ? c * pick(1, 3) : pick(1, 9);
    const int32_t pad_top = point ? 0 : pick(0, span(k_h, dilation) - 1);
    const int32_t pad_left = point ? 0 : pick(0, span(k_w, dilation) - 1);
    const int32_t h_out = pick(1, (h + pad_top - 1) / stride_h + 1), w_out = pick(1, (w + pad_left - 1) / stride_w + 1);
    const conv2d_params conv = random_conv(
        row, h, w, c, c_out, k_h, k_w, stride_h, stride_w, dilation, pad_top, pad_left, h_out, w_out);
    int8_t *input = values(h * w * c), *output = values(h_out * w_out * c_out);

    int8_t *scratch = values(planar_bytes(row, &conv));
    conv2d_rows_s8(&conv, input, scratch, output);
    free(scratch);
    free(input);
    free(output);
    free_conv(&conv);
}

static void try_stream(void)
{
    const int32_t k_h = pick(1, 4), k_w = pick(1, 4), stride = pick(1, 2), h = pick(k_h, 9), w = pick(k_w, 9);
    const int32_t c = pick(1, 9), r_in = pick(1, 5), r_out = pick(1, 5), c_out = pick(1, 9), with_first = pick(0, 1);
    const int32_t pad_top = (k_h - 1) / 2, pad_left = (k_w - 1) / 2;
    const int32_t h_out = (h + stride - 1) / stride, w_out = (w + stride - 1) / stride, c_core = with_first ? r_in : c;
    const conv2d_params first = random_conv(conv2d_1x1_s8, h, w, c, r_in, 1, 1, 1, 1, 1, 0, 0, h, w);
    const conv2d_params core = random_conv(
        conv2d_dense_s8, h, w, c_core, r_out, k_h, k_w, stride, stride, 1, pad_top, pad_left, h_out, w_out);
    const conv2d_params last = random_conv(conv2d_1x1_s8, h_out, w_out, r_out, c_out, 1, 1, 1, 1, 1, 0, 0, h_out, w_out);
    conv2d_row_s8 *const kernel = pick(0, 1) ? conv2d_sparse_bitmap_s8 : conv2d_sparse_planar_s8;
    const conv2d_params sparse = random_conv(
        kernel, h, w, c, c_out, k_h, k_w, stride, stride, 1, pad_top, pad_left, h_out, w_out);
    const add_params sum = {.multiplier_a = 1 << 30, .multiplier_b = 1 << 30, .multiplier_out = 1 << 30,
        .shift_out = -15, .min = -128, .max = 127};
    const int32_t core_from = with_first ? 1 : 0, rows = k_h < h ? k_h : h;
    const uint32_t ring = (uint32_t)(with_first ? rows * w * r_in : 0);
    const uint32_t row_core = (uint32_t)(w_out * r_out), row_out = (uint32_t)(w_out * c_out);
    stream_stage stages[5] = {{.by.conv = &first, .row_bytes = (uint32_t)(w * r_in), .ring_rows = (uint16_t)rows,
        .height = (uint16_t)h}};
    stream_stage *stage = stages + core_from;
    *stage++ = (stream_stage){.by.conv = &core, .row_bytes = row_core, .ring = ring, .ring_rows = 1,
        .height = (uint16_t)h_out, .from = (uint8_t)core_from};
    *stage++ = (stream_stage){.by.conv = &last, .row_bytes = row_out, .ring = ring + row_core, .ring_rows = 1,
        .height = (uint16_t)h_out, .from = (uint8_t)(core_from + 1)};
    *stage++ = (stream_stage){.by.conv = &sparse, .row_bytes = row_out, .ring = ring + row_core + row_out, .ring_rows = 1,
        .height = (uint16_t)h_out};
    *stage++ = (stream_stage){.by.sum = &sum, .kind = STREAM_SUM, .row_bytes = row_out, .height = (uint16_t)h_out,
        .from = (uint8_t)(core_from + 2), .beside = (uint8_t)(core_from + 3)};
    const stream_params stream = {stages, (uint32_t)(w * c), (uint8_t)(stage - stages)};
    int8_t *input = values(h * w * c), *output = values(h_out * w_out * c_out);
    int8_t *scratch = values((int32_t)(ring + row_core + 2 * row_out));

    int8_t *row_scratch = values(planar_bytes(kernel, &sparse));
    stream_rows_s8(&stream, input, scratch, row_scratch, output);
    free(row_scratch);
    free(input);
    free(output);
    free(scratch);
    free_conv(&first);
    free_conv(&core);
    free_conv(&last);
    free_conv(&sparse);
}

static void try_others(void)
{
    const int32_t n = pick(1, 5), c = pick(1, 40), c_out = pick(1, 9), k = pick(1, 3), h = pick(k, 7), w = pick(k, 7);
    int8_t *map = values(h * w * c), *other = values(h * w * c);

    const add_params add = {.multiplier_a = INT32_MAX, .multiplier_b = 1 << 30, .multiplier_out = INT32_MAX,
        .zero_a = -128, .zero_b = 127, .min = -128, .max = 127};
    add_s8(&add, map, other, map, h * w * c, h * w * c);
    add_s8(&add, map, other, map, h * w * c, c);
    const mul_params mul = {.multiplier = INT32_MAX, .shift = -3, .zero_a = 127, .zero_b = -128, .min = -128, .max = 127};
    mul_s8(&mul, map, other, other, h * w * c, h * w * c);

    const pool_params pool = {.h_in = (uint16_t)h, .w_in = (uint16_t)w, .h_out = (uint16_t)h, .w_out = (uint16_t)w,
        .c = (uint16_t)c, .k_h = (uint8_t)k, .k_w = (uint8_t)k, .stride_h = 1, .stride_w = 1,
        .pad_top = (uint8_t)((k - 1) / 2), .pad_left = (uint8_t)((k - 1) / 2), .min = -128, .max = 127};
    average_pool_s8(&pool, map, other);
    max_pool_s8(&pool, map, other);

    int8_t *channels = values(c);
    const mean_params mean = {.positions = h * w, .multiplier = INT32_MAX, .shift = -6, .zero_in = -128, .c = (uint16_t)c};
    mean_s8(&mean, map, channels);

    int8_t *table = values(256);
    table_s8(table, map, map, h * w * c);

    uint16_t *index = malloc(sizeof *index * (size_t)c_out);
    for (int32_t i = 0; i < c_out; i++) {
        index[i] = (uint16_t)pick(0, c - 1);
    }
    int8_t *gathered = values(h * w * c_out);
    gather_s8(index, map, gathered, h * w, c, c_out);

    int8_t *joined = values(h * w * (c + c_out));
    copy_s8(map, joined, h * w, c, c, c + c_out);
    copy_s8(gathered, joined + c, h * w, c_out, c_out, c + c_out);

    const int32_t top = pick(0, 2), left = pick(0, 2), front = pick(0, 2);
    const pad_params pad = {.h_in = (uint16_t)h, .w_in = (uint16_t)w, .c_in = (uint16_t)c, .h_out = (uint16_t)(h + top + 1),
        .w_out = (uint16_t)(w + left), .c_out = (uint16_t)(c + front + 1), .top = (uint16_t)top,
        .left = (uint16_t)left, .front = (uint16_t)front, .value = -3};
    int8_t *padded = values(pad.h_out * pad.w_out * pad.c_out);
    pad_s8(&pad, map, padded);

    const softmax_params softmax = {.multiplier = pick(1 << 30, INT32_MAX), .shift = 24, .least = -100, .c = (int16_t)c};
    softmax_s8(&softmax, map, map, h * w);

    int8_t *weights = values(c * c_out), *rows = values(n * c), *out = values(n * c_out);
    int32_t *bias = calloc((size_t)c_out, sizeof *bias);
    const int64_t multiplier = (int64_t)1 << 38;
    const uint8_t shift = 48;
    const fully_connected_params fc = {.weights = weights, .bias = bias, .multiplier = &multiplier, .shift = &shift,
        .c_in = (uint16_t)c, .c_out = (uint16_t)c_out, .min = -128, .max = 127};
    fully_connected_s8(&fc, rows, out, n);

    void *all[] = {map, other, channels, table, index, gathered, joined, padded, weights, rows, out, bias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
}

int main(void)
{
    conv2d_row_s8 *const rows[] = {
        conv2d_dense_s8, conv2d_1x1_s8, depthwise_s8, conv2d_coded_s8, conv2d_sparse_bitmap_s8,
        conv2d_sparse_planar_s8, conv2d_sparse_block_s8};

    for (int32_t i = 0; i < 300; i++) {
        for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
            try_conv(rows[row]);
        }
        try_stream();
        try_others();
    }
    for (int32_t i = 0; i < 3000; i++) { /* how far the reader of codes runs ahead depends on how they end */
        try_conv(conv2d_coded_s8);
    }
    puts("done");
    return 0;
}
