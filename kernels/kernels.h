/*
 * int8 kernels for neural networks on microcontrollers: portable C99, no allocation, no library but memcpy.
 *
 * Numbers. A quantized value q stands for scale * (q - zero). Everything here is bit-exact with TFLite's reference
 * kernels (LiteRT, BUILTIN_REF); each kernel has a numpy twin in kernels/reference/ that states its arithmetic.
 *
 * Maps are NHWC with N = 1: channel c of position (y, x) lies at [(y * w + x) * channels + c]. No alignment is asked
 * of any int8 or uint8 array.
 *
 * Rows are the unit of streaming: a convolution kernel computes one output row from pointers to the k_h input rows
 * that its window covers, so the same kernel runs over a whole map (conv2d_rows_s8) or over a ring of a few rows
 * (stream_rows_s8). Kernels write their output rows in rising order and never read behind what
 * compiler/backend/targets/c/overlap.py says, so output and input may share memory up to that distance.
 *
 * Ranges. int8 where it says int8_t, all of it. Dimensions are at most 65535, windows, strides, dilations and padding
 * at most 255, k_h at most KERNELS_MAX_ROWS. Accumulators are int32: for every output channel
 * (|bias| + 128 * sum |weights|) * 2^max(shift, 0) is below 2^31, which the emitter checks.
 */
#ifndef KERNELS_H
#define KERNELS_H

/* 1: use what the processor has beyond C99 (Arm MVE or DSP, x86 SSE4.1); the results are the same. */
#ifndef KERNELS_SIMD
#define KERNELS_SIMD 0
#endif

#include <stdint.h>

#define KERNELS_MAX_ROWS 32 /* tallest window: row pointers live on the stack */
#define CONV2D_PLANAR_POSITIONS 8 /* output positions of conv2d_sparse_planar_s8 that share the decoding of a weight */
#define KERNELS_MAX_BLOCK 16 /* longest side of a block of conv2d_sparse_block_s8 */

/* One convolution. Geometry in positions; padding at the bottom and right follows from h_out and w_out. */
typedef struct conv2d_params conv2d_params;

/*
 * Computes one output row.
 *
 * rows     k_h pointers; rows[i] is the input row that window row i covers, int8[w_in * c_in], or NULL outside the map.
 * scratch  of conv2d_sparse_planar_s8 alone, which says how much; others never touch it.
 * out      int8[w_out * c_out].
 */
typedef void conv2d_row_s8(const conv2d_params *conv, const int8_t *const *rows, int8_t *scratch, int8_t *out);

struct conv2d_params {
    conv2d_row_s8 *row; /* the kernel below that understands `weights` */
    const int8_t *weights;
    const uint8_t *bitmap; /* of the sparse formats; of conv2d_coded_s8 the shares of its values */
    const void *bias; /* of bias_bytes each: bias[o] - zero_in * sum of channel o's weights; depthwise_s8: bias[o] */
    const void *factors; /* of factor_bytes each, or NULL; a factor is multiplier * 2^(shift - 31) */
    uint32_t factor_high, factor_low; /* factor_bytes 0: the multiplier, in [2^30, 2^31) or 0; 1, 2: what codes multiply */
    uint16_t h_in, w_in, c_in;
    uint16_t h_out, w_out, c_out;
    uint8_t k_h, k_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    uint8_t b_in, b_out; /* of conv2d_sparse_block_s8 */
    uint8_t bias_bytes; /* 2: int16, 3: the low byte first, 4: int32 */
    uint8_t factor_bytes; /* 0: one for all; 1: uint8, 2: uint16, a code; 5: multiplier, low byte first, and shift */
    int8_t shift; /* factor_bytes 0: -31 to 30; 1, 2: of the largest code's scale */
    int8_t zero_in, zero_out; /* positions outside the map read zero_in */
    int8_t min, max; /* of the output: the fused activation */
};

/*
 * Row kernels: one for each way to store the weights.
 *
 * conv2d_dense_s8          weights int8[c_out][k_h][k_w][c_in].
 * conv2d_1x1_s8            the same with k_h = k_w = 1 and no padding.
 * depthwise_s8             weights int8[k_h][k_w][c_out]; c_out is a multiple m of c_in, output o reads input o / m.
 * conv2d_coded_s8          weights of -8 to 7 in a tabled asymmetric numeral system of 128 states: bitmap uint8[1 + values]
 *                          holds 16 * (values - 1) + lowest + 8, then how many of the states stand for each value from
 *                          the lowest on; weights the codes, from the highest bit down: 7 bits of the first state, then
 *                          what is read on from it, the weights of output channels o and o + 1 in turn, each in the
 *                          order of [k_h][k_w][c_in], for every even o; and 3 bytes more, which may be read. The states
 *                          are those of kernels/reference/coded.py. Decoded 64 weights at a time, onto the stack (about
 *                          830 bytes of it).
 * conv2d_sparse_bitmap_s8  bitmap uint8[c_out][k_h][k_w][ceil(c_in / 8)] and 3 bytes more, which may be read, most
 *                          significant bit first: bit c says that weight c is kept; weights int8[kept], the kept ones
 *                          in the order of their bits. Never expanded: about one byte a kept weight and one bit a
 *                          position, in flash.
 * conv2d_sparse_planar_s8  the same format, for fewer instructions: the windows of eight output positions are laid
 *                          side by side in scratch, int8[k_h * k_w * 8 * ceil(c_in / 8) * CONV2D_PLANAR_POSITIONS].
 * conv2d_sparse_block_s8   as conv2d_sparse_bitmap_s8 with a bit for each block of b_out x b_in channels at one window
 *                          position: bitmap uint8[ceil(c_out / b_out)][k_h][k_w][ceil(ceil(c_in / b_in) / 8)], weights
 *                          int8[height][width] for each kept block, where height = b_out and width = b_in but at the
 *                          last channels. b_in and b_out are at most KERNELS_MAX_BLOCK.
 */
conv2d_row_s8 conv2d_dense_s8, conv2d_1x1_s8, depthwise_s8, conv2d_coded_s8,
    conv2d_sparse_bitmap_s8, conv2d_sparse_planar_s8, conv2d_sparse_block_s8;

/*
 * Runs a row kernel over a whole map.
 *
 * input    int8[h_in * w_in * c_in]
 * scratch  what the row kernel asks for
 * output   int8[h_out * w_out * c_out]
 */
void conv2d_rows_s8(const conv2d_params *conv, const int8_t *input, int8_t *scratch, int8_t *output);

typedef struct {
    int32_t multiplier_a, multiplier_b, multiplier_out; /* in [2^30, 2^31), or 0 */
    int8_t shift_a, shift_b, shift_out; /* -31 to 0 */
    int8_t zero_a, zero_b, zero_out;
    int8_t min, max;
} add_params;

/*
 * out[i] = a[i] + b[i mod n_b], for 0 <= i < n.
 *
 * n_b divides n: it is n for two maps, the number of channels for a constant along them, or 1.
 * out may be a, or b where n_b is n.
 */
void add_s8(const add_params *add, const int8_t *a, const int8_t *b, int8_t *out, int32_t n, int32_t n_b);

typedef struct {
    uint16_t h_in, w_in, h_out, w_out, c;
    uint8_t k_h, k_w, stride_h, stride_w, pad_top, pad_left;
    int8_t min, max;
} pool_params;

#define STREAM_MAX_STAGES 64

enum { STREAM_CONV, STREAM_SUM, STREAM_AVERAGE };

/* One of the operators that a stream runs together: a convolution, a sum of two maps, or, as the last, an average. */
typedef struct {
    union {
        const conv2d_params *conv;
        const add_params *sum; /* a: from, b: beside */
        const pool_params *average; /* over the whole of the map that it reads */
    } by;
    uint32_t row_bytes; /* of its output */
    uint32_t ring; /* where in scratch the ring of its rows begins, or int32[c] of an average; else of the last nothing */
    uint16_t ring_rows, height; /* rows of the ring, and of the whole map; of an average the height of what it reads */
    uint8_t kind; /* STREAM_CONV, STREAM_SUM or STREAM_AVERAGE: which of `by` it is */
    uint8_t from, beside; /* what it reads: 0 the stream's input, i + 1 stage i; beside: of a sum */
} stream_stage;

typedef struct {
    const stream_stage *stages; /* each behind what it reads; the last is read by none, its rows are the output */
    uint32_t row_bytes; /* of the input */
    uint8_t count; /* 1 to STREAM_MAX_STAGES */
} stream_params;

/*
 * Streams a map through stages, a row at a time: a stage computes its next row as soon as, and no sooner than, another
 * one waits for it. Instead of a whole map, each stage but the last has a ring of the rows that are still to be read.
 *
 * What the compiler makes of one layer is such a stream: first, core and last of a chain, the sparse branch beside it,
 * and their sum; so are a residual block and a run of separable convolutions.
 *
 * input        int8[height * row_bytes]
 * scratch      the rings: as many rows of each stage as kernels/reference/stream.py says
 * row_scratch  what the row kernel that asks for most asks for
 * output       int8[height * row_bytes] of the last stage, int8[c] of an average
 */
void stream_rows_s8(
    const stream_params *stream, const int8_t *input, int8_t *scratch, int8_t *row_scratch, int8_t *output);

typedef struct {
    const int8_t *weights; /* int8[c_out][c_in] */
    const int32_t *bias; /* int32[c_out], zero point folded in as for conv2d_params */
    const int64_t *multiplier; /* int64[c_out], or int64[1] unless per_channel: |acc| * multiplier < 2^62 */
    const uint8_t *shift; /* the same length: 1 to 62; factor = multiplier / 2^shift */
    uint16_t c_in, c_out;
    uint8_t per_channel;
    int8_t zero_out;
    int8_t min, max;
} fully_connected_params;

/*
 * input   int8[n * c_in]
 * output  int8[n * c_out], apart from input
 *
 * TFLite's reference kernel scales here in float64 and rounds half away from zero. The emitter chooses multipliers
 * for which floor(acc * factor + 1/2) is proved equal on every accumulator that can occur.
 */
void fully_connected_s8(const fully_connected_params *fc, const int8_t *input, int8_t *output, int32_t n);

/*
 * Scale and zero point stay. Positions outside the map don't count; every window covers at least one inside.
 *
 * input   int8[h_in * w_in * c]
 * output  int8[h_out * w_out * c]
 */
void average_pool_s8(const pool_params *pool, const int8_t *input, int8_t *output);
void max_pool_s8(const pool_params *pool, const int8_t *input, int8_t *output);

typedef struct {
    int32_t positions; /* 1 to 2^24 */
    int32_t multiplier; /* of scale_in / scale_out / positions; as for conv2d_params */
    int8_t shift;
    int8_t zero_in, zero_out;
    uint16_t c;
} mean_params;

/*
 * Mean of each channel over all positions.
 *
 * input   int8[positions * c]
 * output  int8[c], apart from input
 */
void mean_s8(const mean_params *mean, const int8_t *input, int8_t *output);

typedef struct {
    int32_t multiplier;
    int8_t shift;
    int8_t zero_a, zero_b, zero_out;
    int8_t min, max;
} mul_params;

/* out[i] = a[i] * b[i mod n_b], for 0 <= i < n; n_b and out as for add_s8. */
void mul_s8(const mul_params *mul, const int8_t *a, const int8_t *b, int8_t *out, int32_t n, int32_t n_b);

/*
 * out[i] = table[in[i] + 128]: any function of one value, such as a sigmoid or a change of scale. out may be in.
 *
 * table  int8[256]
 */
void table_s8(const int8_t *table, const int8_t *in, int8_t *out, int32_t n);

typedef struct {
    uint16_t h_in, w_in, c_in;
    uint16_t h_out, w_out, c_out;
    uint16_t top, left, front; /* where the input begins in each direction of the output */
    int8_t value;
} pad_params;

/*
 * input   int8[h_in * w_in * c_in]
 * output  int8[h_out * w_out * c_out], apart from input
 */
void pad_s8(const pad_params *pad, const int8_t *input, int8_t *output);

/*
 * out[i * c_out + j] = in[i * c_in + index[j]] for 0 <= i < positions, 0 <= j < c_out: a selection of channels.
 *
 * index  uint16[c_out], each below c_in.
 */
void gather_s8(const uint16_t *index, const int8_t *in, int8_t *out, int32_t positions, int32_t c_in, int32_t c_out);

/*
 * Copies `bytes` of each of `positions` places, `stride_in` apart in `in` and `stride_out` apart in `out`: one operand
 * of a concatenation.
 */
void copy_s8(const int8_t *in, int8_t *out, int32_t positions, int32_t bytes, int32_t stride_in, int32_t stride_out);

typedef struct {
    int32_t multiplier; /* of beta * scale_in in Q5.26 */
    int32_t least; /* differences from the row's maximum below this give 0; -255 to 0 or less */
    int16_t c; /* 1 to 4095: the sum of exponentials is Q12.19 */
    int8_t shift; /* 0 to 30 */
} softmax_params;

/*
 * Output scale 1/256, zero point -128. output may be input.
 *
 * input   int8[n * c]
 * output  int8[n * c]
 */
void softmax_s8(const softmax_params *softmax, const int8_t *input, int8_t *output, int32_t n);

#endif
