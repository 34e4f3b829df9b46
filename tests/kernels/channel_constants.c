/* What a kernel makes of the biases and factors that it is given. */
#include "conv2d_output_s8.h"

void channel_constants(const conv2d_params *conv, int32_t n, int32_t *bias, int32_t *multiplier, int32_t *shift)
{
    for (int32_t o = 0; o < n; o++) {
        const factor_s32 factor = factor_of_channel(conv, o);
        bias[o] = bias_of_channel(conv, o);
        multiplier[o] = factor.multiplier;
        shift[o] = factor.shift;
    }
}
