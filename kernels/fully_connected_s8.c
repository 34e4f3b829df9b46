#include "dot_s8.h"
#include "kernels.h"
#include "requantize.h"

static int8_t output_s8(const fully_connected_params *fc, int32_t acc, int32_t o)
{
    const int32_t i = fc->per_channel ? o : 0;
    const int64_t half = (int64_t)1 << (fc->shift[i] - 1);
    const int64_t scaled = (acc * fc->multiplier[i] + half) >> fc->shift[i];
    const int64_t shifted = scaled + fc->zero_out;
    return (int8_t)(shifted < fc->min ? fc->min : shifted > fc->max ? fc->max : shifted);
}

/* Two output channels at a time; at an odd end the pair is one and the same, stored twice. */
void fully_connected_s8(const fully_connected_params *fc, const int8_t *input, int8_t *output, int32_t n)
{
    const int32_t c_in = fc->c_in, c_out = fc->c_out;

    for (int32_t i = 0; i < n; i++) {
        for (int32_t o = 0; o < c_out; o += 2) {
            const int32_t p = min_s32(o + 1, c_out - 1);
            int32_t acc[2] = {fc->bias[o], fc->bias[p]};
            dot_1x2_s8(input, fc->weights + o * c_in, fc->weights + p * c_in, c_in, acc);
            output[o] = output_s8(fc, acc[0], o);
            output[p] = output_s8(fc, acc[1], p);
        }
        input += c_in;
        output += c_out;
    }
}
