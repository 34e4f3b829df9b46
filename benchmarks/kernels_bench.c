/*
 * Instructions of single convolutions on an emulated board: dense against sparse at several densities. Values are
 * random; counts depend on them only where a bitmap is walked.
 */
#include "count.h"
#include "kernels.h"

#include <stdio.h>

#define MOST_VALUES 65536
#define MOST_CHANNELS 256
#define MOST_SCRATCH (9 * 64 * CONV2D_PLANAR_POSITIONS)

static int8_t input[MOST_VALUES], output[MOST_VALUES], weights[MOST_VALUES], scratch[MOST_SCRATCH];
static uint8_t bitmap[MOST_VALUES / 8 + 3];
static int16_t bias[MOST_CHANNELS];
static uint16_t factors[MOST_CHANNELS];
static uint32_t state = 1;

static uint32_t next(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static void measure(const char *name, conv2d_row_s8 *row, int side, int channels, int k, int percent)
{
    const unsigned positions = (unsigned)(side * side), taps = (unsigned)(k * k);
    const unsigned products = positions * taps * (unsigned)channels * (row == depthwise_s8 ? 1u : (unsigned)channels);
    conv2d_params conv = {.row = row, .weights = weights, .bitmap = bitmap, .bias = bias, .factors = factors,
        .factor_high = 0x2d000, .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .b_in = 4, .b_out = 4,
        .bias_bytes = 2, .factor_bytes = 2, .shift = -9, .zero_in = -128, .min = -128, .max = 127};

    conv.h_in = conv.w_in = conv.h_out = conv.w_out = (uint16_t)side;
    conv.c_in = conv.c_out = (uint16_t)channels;
    conv.k_h = conv.k_w = (uint8_t)k;
    conv.pad_top = conv.pad_left = (uint8_t)(k / 2);
    for (unsigned i = 0; i < sizeof bitmap; i++) {
        bitmap[i] = 0;
        for (int bit = 0; bit < 8; bit++) {
            bitmap[i] |= (uint8_t)((next() % 100 < (unsigned)percent) << bit);
        }
    }
    for (int i = 0; row == conv2d_coded_s8 && i <= 16; i++) {
        bitmap[i] = i ? 8 : 0xF0; /* 16 values of eight states each: any bits are weights */
    }
    count_start();
    conv2d_rows_s8(&conv, input, scratch, output);
    printf("%s %d %d %d %d %u %lu\n", name, side, channels, k, percent, products, (unsigned long)count_stop());
}

int main(void)
{
    static const int shapes[][2] = {{32, 16}, {16, 32}, {8, 64}};

    for (unsigned i = 0; i < MOST_VALUES; i++) {
        input[i] = (int8_t)next();
        weights[i] = (int8_t)next();
    }
    for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int side = shapes[i][0], channels = shapes[i][1];
        measure("dense", conv2d_dense_s8, side, channels, 3, 100);
        measure("1x1", conv2d_1x1_s8, side, channels, 1, 100);
        measure("depthwise", depthwise_s8, side, channels, 3, 100);
        measure("coded", conv2d_coded_s8, side, channels, 3, 100);
        for (int percent = 50; percent >= 5; percent = percent > 25 ? 25 : percent > 10 ? 10 : percent - 5) {
            measure("bitmap", conv2d_sparse_bitmap_s8, side, channels, 3, percent);
            measure("planar", conv2d_sparse_planar_s8, side, channels, 3, percent);
            measure("block4x4", conv2d_sparse_block_s8, side, channels, 3, percent);
        }
    }
    return 0;
}
