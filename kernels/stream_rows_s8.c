#include "kernels.h"
#include "requantize.h"

#include <stddef.h>
#include <string.h>

/* Row `y` of what `from` names: the input, or a stage's ring. */
static const int8_t *row_of(
    const stream_params *stream, int32_t from, int32_t y, const int8_t *input, const int8_t *scratch)
{
    if (from == 0) {
        return input + y * (int32_t)stream->row_bytes;
    }
    const stream_stage *stage = stream->stages + from - 1;
    return scratch + stage->ring + (y % stage->ring_rows) * (int32_t)stage->row_bytes;
}

/* How many rows of `from`, whose height is `height`, the row `y` of a stage waits for. */
static int32_t rows_needed(const stream_stage *stage, int32_t y, int32_t height)
{
    if (stage->kind != STREAM_CONV) {
        return y + 1;
    }
    const conv2d_params *conv = stage->by.conv;
    return min_s32(y * conv->stride_h - conv->pad_top + (conv->k_h - 1) * conv->dilation_h + 1, height);
}

/* The first stage on the way up from `last` whose next row has all that it reads. */
static int32_t ready(const stream_params *stream, const uint16_t *done, int32_t last)
{
    for (int32_t s = last;;) {
        const stream_stage *stage = stream->stages + s;
        const int32_t sources[2] = {stage->from, stage->kind == STREAM_SUM ? stage->beside : 0};
        int32_t waiting_for = 0;
        for (int32_t i = 0; i < 2 && waiting_for == 0; i++) {
            const int32_t source = sources[i];
            if (source != 0 && done[source - 1] < rows_needed(stage, done[s], stream->stages[source - 1].height)) {
                waiting_for = source;
            }
        }
        if (waiting_for == 0) {
            return s;
        }
        s = waiting_for - 1;
    }
}

/* Adds row `y` to the sums of an average, int32[c] at `sums` on any alignment, and behind the last row divides them. */
static void average_row(const pool_params *pool, int32_t y, const int8_t *row, int8_t *sums, int8_t *out)
{
    const int32_t c = pool->c, w = pool->w_in, last = y + 1 == pool->h_in, count = pool->h_in * w;

    for (int32_t o = 0; o < c; o++) {
        int32_t sum = 0;
        if (y > 0) {
            memcpy(&sum, sums + o * (int32_t)sizeof sum, sizeof sum);
        }
        for (int32_t x = 0; x < w; x++) {
            sum += row[x * c + o];
        }
        if (last) {
            out[o] = average_s8(sum, count, pool->min, pool->max);
        } else {
            memcpy(sums + o * (int32_t)sizeof sum, &sum, sizeof sum);
        }
    }
}

void stream_rows_s8(
    const stream_params *stream, const int8_t *input, int8_t *scratch, int8_t *row_scratch, int8_t *output)
{
    const int8_t *rows[KERNELS_MAX_ROWS];
    uint16_t done[STREAM_MAX_STAGES] = {0};
    const int32_t last = stream->count - 1;

    while (done[last] < stream->stages[last].height) {
        const int32_t s = ready(stream, done, last);
        const stream_stage *stage = stream->stages + s;
        const int32_t y = done[s]++, bytes = (int32_t)stage->row_bytes;

        if (stage->kind == STREAM_AVERAGE) {
            const int8_t *row = row_of(stream, stage->from, y, input, scratch);
            average_row(stage->by.average, y, row, scratch + stage->ring, output);
            continue;
        }
        int8_t *out = s == last ? output + y * bytes : scratch + stage->ring + (y % stage->ring_rows) * bytes;

        if (stage->kind == STREAM_SUM) {
            add_s8(stage->by.sum, row_of(stream, stage->from, y, input, scratch),
                row_of(stream, stage->beside, y, input, scratch), out, bytes, bytes);
            continue;
        }
        const conv2d_params *conv = stage->by.conv;
        int32_t y_in = y * conv->stride_h - conv->pad_top;
        for (int32_t i = 0; i < conv->k_h; i++, y_in += conv->dilation_h) {
            rows[i] = y_in >= 0 && y_in < conv->h_in ? row_of(stream, stage->from, y_in, input, scratch) : NULL;
        }
        conv->row(conv, rows, row_scratch, out);
    }
}
