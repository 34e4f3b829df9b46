#include "kernels.h"
#include "requantize.h"

void mean_s8(const mean_params *mean, const int8_t *input, int8_t *output)
{
    const int32_t c = mean->c;

    for (int32_t o = 0; o < c; o++) {
        int32_t sum = -mean->zero_in * mean->positions;
        for (int32_t i = 0; i < mean->positions; i++) {
            sum += input[i * c + o];
        }
        output[o] = clamp_s8(scale_s32(sum, mean->multiplier, mean->shift) + mean->zero_out, INT8_MIN, INT8_MAX);
    }
}
