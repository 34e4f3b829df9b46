/*
 * An int32 accumulator times a real factor in integers, as kernels/reference/requantize.py states it.
 */
#ifndef REQUANTIZE_H
#define REQUANTIZE_H

#include <stdint.h>

/* C99 leaves the right shift of a negative number to the compiler; this code needs the arithmetic one. */
typedef char requantize_needs_arithmetic_shift[(-1 >> 1) == -1 ? 1 : -1];

static inline int32_t min_s32(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t max_s32(int32_t a, int32_t b) { return a > b ? a : b; }

static inline int8_t clamp_s8(int32_t value, int32_t min, int32_t max)
{
    return (int8_t)max_s32(min, min_s32(max, value));
}

/* sum / count, rounding half away from zero; count >= 1. */
static inline int8_t average_s8(int32_t sum, int32_t count, int32_t min, int32_t max)
{
    const int32_t half = sum > 0 ? count / 2 : -(count / 2);
    return clamp_s8((sum + half) / count, min, max);
}

/* a * b / 2^31, rounding half up. Not both may be -2^31. */
static inline int32_t doubling_high_mul(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* x / 2^exponent, rounding half away from zero; 0 <= exponent <= 31. */
static inline int32_t divide_by_power_of_two(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)((1u << exponent) - 1u);
    const int32_t half = (mask >> 1) + (x < 0);
    return (x >> exponent) + ((x & mask) > half);
}

/* acc * multiplier * 2^(shift - 31), rounded as the two above; |acc| * 2^max(shift, 0) < 2^31. */
static inline int32_t scale_s32(int32_t acc, int32_t multiplier, int32_t shift)
{
    const int32_t left = max_s32(shift, 0);
    return divide_by_power_of_two(doubling_high_mul(acc * (1 << left), multiplier), left - shift);
}

#endif
