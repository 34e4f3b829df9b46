/*
 * The end of every convolution: a factor for the channel, the zero point, the clamp.
 */
#ifndef CONV2D_OUTPUT_S8_H
#define CONV2D_OUTPUT_S8_H

#include "kernels.h"
#include "requantize.h"

typedef struct {
    int32_t multiplier, shift;
} factor_s32;

static inline factor_s32 factor_of_channel(const conv2d_params *conv, int32_t o)
{
    const int32_t i = conv->per_channel ? o : 0;
    const factor_s32 factor = {conv->multiplier[i], conv->shift[i]};
    return factor;
}

static inline int8_t output_s8(const conv2d_params *conv, int32_t acc, factor_s32 factor)
{
    return clamp_s8(scale_s32(acc, factor.multiplier, factor.shift) + conv->zero_out, conv->min, conv->max);
}

#endif
