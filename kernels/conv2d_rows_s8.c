#include "kernels.h"

#include <stddef.h>

void conv2d_rows_s8(const conv2d_params *conv, const int8_t *input, int8_t *scratch, int8_t *output)
{
    const int8_t *rows[KERNELS_MAX_ROWS];
    const int32_t row_in = conv->w_in * conv->c_in;
    const int32_t row_out = conv->w_out * conv->c_out;

    for (int32_t y_out = 0; y_out < conv->h_out; y_out++) {
        int32_t y = y_out * conv->stride_h - conv->pad_top;
        for (int32_t i = 0; i < conv->k_h; i++) {
            rows[i] = y >= 0 && y < conv->h_in ? input + y * row_in : NULL;
            y += conv->dilation_h;
        }
        conv->row(conv, rows, scratch, output);
        output += row_out;
    }
}
