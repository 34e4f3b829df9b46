#include "kernels.h"
#include "requantize.h"

/*
 * Qa.b: an int32 with a integer and b = 31 - a fractional bits. Constants and steps: kernels/reference/softmax.py.
 */
#define FRACTION 26 /* of a difference of logits, Q5.26 */
#define QUARTER (1 << (FRACTION - 2))
#define SUM_SHIFT 12 /* from Q0.31 to the sum's Q12.19 */

/* a * 2, a * 4 without leaving int32. */
static int32_t saturating_shift(int32_t a, int32_t shift)
{
    const int64_t wide = (int64_t)a * (1 << shift);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* exp(a), Q0.31, of a in [-1/4, 0), Q0.31: Taylor's quartic around -1/8. */
static int32_t exp_on_quarter(int32_t a)
{
    const int32_t exp_of_minus_eighth = 1895147668, third = 715827883;
    const int32_t x = a + (1 << 28);
    const int32_t x2 = doubling_high_mul(x, x);
    const int32_t x3 = doubling_high_mul(x2, x);
    const int32_t x4_by_4 = divide_by_power_of_two(doubling_high_mul(x2, x2), 2);
    const int32_t tail = divide_by_power_of_two(doubling_high_mul(x4_by_4 + x3, third) + x2, 1);
    return exp_of_minus_eighth + doubling_high_mul(exp_of_minus_eighth, x + tail);
}

/* exp(a), Q0.31, of a <= 0, Q5.26. */
static int32_t exp_on_negative(int32_t a)
{
    /* exp(-2^(i - 2)), Q0.31 */
    static const int32_t exp_of_minus_power[]
        = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t below = (a & (QUARTER - 1)) - QUARTER; /* in [-1/4, 0): a, but for whole quarters */
    const int32_t quarters = below - a;
    int32_t result = exp_on_quarter(below * 32);

    if (a == 0) {
        return INT32_MAX;
    }
    for (int32_t i = 0; i < 7; i++) {
        if (quarters & (QUARTER * (1 << i))) {
            result = doubling_high_mul(result, exp_of_minus_power[i]);
        }
    }
    return result;
}

/* 1 / (1 + x), Q0.31, of x in [0, 1), Q0.31: three Newton steps from 48/17 - 32/17 * (1 + x) / 2. */
static int32_t reciprocal(int32_t x)
{
    const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) >> 1); /* (1 + x) / 2, Q0.31 */
    int32_t y = 1515870810 + doubling_high_mul(half, -1010580540); /* Q2.29 */

    for (int32_t i = 0; i < 3; i++) {
        const int32_t error = (1 << 29) - doubling_high_mul(half, y);
        y += saturating_shift(doubling_high_mul(y, error), 2);
    }
    return saturating_shift(y, 1);
}

static int32_t exp_of_difference(const softmax_params *softmax, int32_t difference)
{
    return exp_on_negative(doubling_high_mul(difference * (1 << softmax->shift), softmax->multiplier));
}

void softmax_s8(const softmax_params *softmax, const int8_t *input, int8_t *output, int32_t n)
{
    const int32_t c = softmax->c;

    for (int32_t row = 0; row < n; row++) {
        int32_t largest = INT8_MIN, sum = 0, zeros = 0;

        for (int32_t i = 0; i < c; i++) {
            largest = max_s32(largest, input[i]);
        }
        for (int32_t i = 0; i < c; i++) {
            if (input[i] - largest >= softmax->least) {
                sum += divide_by_power_of_two(exp_of_difference(softmax, input[i] - largest), SUM_SHIFT);
            }
        }
        while (!(((uint32_t)sum << zeros) & 0x80000000u)) { /* sum >= 2^19: the largest gives exp(0) */
            zeros++;
        }
        const int32_t inverse = reciprocal((int32_t)(((uint32_t)sum << zeros) - 0x80000000u));

        for (int32_t i = 0; i < c; i++) {
            const int32_t difference = input[i] - largest;
            output[i] = INT8_MIN;
            if (difference >= softmax->least) {
                const int32_t quotient = doubling_high_mul(inverse, exp_of_difference(softmax, difference));
                const int32_t exponent = SUM_SHIFT - zeros + 31 - 8;
                const int32_t rounded = exponent > 31 ? 0 : divide_by_power_of_two(quotient, exponent);
                output[i] = clamp_s8(rounded + INT8_MIN, INT8_MIN, INT8_MAX);
            }
        }
        input += c;
        output += c;
    }
}
