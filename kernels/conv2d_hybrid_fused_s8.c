#include "kernels.h"
#include "requantize.h"

#include <stddef.h>

/* Pointers to the k_h rows that `conv` sees for its output row `y_out`, in a map or ring of `height` rows of memory. */
static void find_rows(
    const conv2d_params *conv, int32_t y_out, const int8_t *memory, int32_t height, const int8_t *rows[KERNELS_MAX_ROWS])
{
    int32_t y = y_out * conv->stride_h - conv->pad_top;

    for (int32_t i = 0; i < conv->k_h; i++) {
        rows[i] = y >= 0 && y < conv->h_in ? memory + (y % height) * conv->w_in * conv->c_in : NULL;
        y += conv->dilation_h;
    }
}

/* One row through convolutions of k_h = 1; each has its output row behind its input row in scratch. */
void conv2d_hybrid_fused_s8(const hybrid_params *hybrid, const int8_t *input, int8_t *scratch, int8_t *output)
{
    const conv2d_params *first = hybrid->first, *core = hybrid->core, *sparse = hybrid->sparse;
    const int32_t row_in = (first != NULL ? first : core)->w_in * (first != NULL ? first : core)->c_in;
    const int32_t reach = (core->k_h - 1) * core->dilation_h;
    const int8_t *rows[KERNELS_MAX_ROWS];

    /* What core reads: the input itself, or a ring of the rows of first's output that its window spans. */
    const int8_t *source = input;
    int32_t height = core->h_in;
    int8_t *ring = scratch;
    int32_t filled = 0; /* rows of first's output that are done */
    if (first != NULL) {
        source = ring;
        height = min_s32(reach + 1, core->h_in);
        scratch += height * core->w_in * core->c_in;
    }

    for (int32_t y = 0; y < core->h_out; y++) {
        /* First: up to the last row that core's window covers. */
        const int32_t needed = min_s32(y * core->stride_h - core->pad_top + reach + 1, core->h_in);
        for (; first != NULL && filled < needed; filled++) {
            const int8_t *row = input + filled * row_in;
            first->row(first, &row, ring + (filled % height) * core->w_in * core->c_in);
        }

        int8_t *free = scratch;
        int8_t *branch = NULL;
        if (sparse != NULL) {
            branch = free;
            free += sparse->w_out * sparse->c_out;
            find_rows(sparse, y, input, sparse->h_in, rows);
            sparse->row(sparse, rows, branch);
        }

        /* Core and the tail: each into the next free row, the last into the output. */
        const conv2d_params *stage = core;
        find_rows(core, y, source, height, rows);
        for (int32_t i = 0; i < 2 && hybrid->tail[i] != NULL; i++) {
            stage->row(stage, rows, free);
            rows[0] = free;
            free += stage->w_out * stage->c_out;
            stage = hybrid->tail[i];
        }
        stage->row(stage, rows, output);

        const int32_t row_out = stage->w_out * stage->c_out;
        if (sparse != NULL) {
            add_s8(hybrid->sum, output, branch, output, row_out, row_out);
        }
        output += row_out;
    }
}
