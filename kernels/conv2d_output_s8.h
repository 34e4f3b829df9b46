/*
 * What a convolution has for each output channel, and the end of every one: a factor, the zero point, the clamp.
 * Stored as kernels/reference/channel_constants.py states it.
 */
#ifndef CONV2D_OUTPUT_S8_H
#define CONV2D_OUTPUT_S8_H

#include "kernels.h"
#include "requantize.h"

typedef struct {
    int32_t multiplier, shift;
} factor_s32;

static inline int32_t bias_of_channel(const conv2d_params *conv, int32_t o)
{
    if (conv->bias_bytes == 2) {
        return ((const int16_t *)conv->bias)[o];
    }
    if (conv->bias_bytes == 3) {
        const uint8_t *at = (const uint8_t *)conv->bias + 3 * o;
        return (int32_t)(at[0] | (uint32_t)at[1] << 8) + (int8_t)at[2] * 65536;
    }
    return ((const int32_t *)conv->bias)[o];
}

static inline factor_s32 factor_of_channel(const conv2d_params *conv, int32_t o)
{
    factor_s32 factor = {(int32_t)conv->factor_high, conv->shift};
    uint32_t code;

    if (conv->factor_bytes == 2) {
        code = ((const uint16_t *)conv->factors)[o];
    } else if (conv->factor_bytes == 1) {
        code = (uint32_t)((const uint8_t *)conv->factors)[o] << 7;
    } else if (conv->factor_bytes == 5) {
        const uint8_t *at = (const uint8_t *)conv->factors + 5 * o;
        factor.multiplier = (int32_t)(at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
        factor.shift = (int8_t)at[4];
        return factor;
    } else {
        return factor;
    }
    const uint32_t k = 4096 + (code & 4095);
    const uint64_t product = (uint64_t)conv->factor_low * k + ((uint64_t)(conv->factor_high * k) << 32);
    const uint32_t high = (uint32_t)(product >> 32), low = (uint32_t)product;
    const uint32_t carry = high >> 30;
    factor.multiplier = (int32_t)(carry ? high + (low >> 31) : (high << 1 | low >> 31) + (low >> 30 & 1));
    factor.shift += (int32_t)carry - (int32_t)(code >> 12);
    return factor;
}

static inline int8_t output_s8(const conv2d_params *conv, int32_t acc, factor_s32 factor)
{
    return clamp_s8(scale_s32(acc, factor.multiplier, factor.shift) + conv->zero_out, conv->min, conv->max);
}

#endif
