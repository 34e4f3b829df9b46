#include "kernels.h"

#include <string.h>

static int8_t *fill(int8_t *out, int8_t value, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        out[i] = value;
    }
    return out + n;
}

void pad_s8(const pad_params *pad, const int8_t *input, int8_t *output)
{
    const int32_t c_in = pad->c_in, c_out = pad->c_out;
    const int32_t row_out = pad->w_out * c_out;
    const int32_t right = pad->w_out - pad->left - pad->w_in;
    const int32_t below = pad->h_out - pad->top - pad->h_in;

    output = fill(output, pad->value, pad->top * row_out);
    for (int32_t y = 0; y < pad->h_in; y++) {
        output = fill(output, pad->value, pad->left * c_out);
        for (int32_t x = 0; x < pad->w_in; x++) {
            output = fill(output, pad->value, pad->front);
            memcpy(output, input, (size_t)c_in);
            output = fill(output + c_in, pad->value, c_out - pad->front - c_in);
            input += c_in;
        }
        output = fill(output, pad->value, right * c_out);
    }
    fill(output, pad->value, below * row_out);
}
