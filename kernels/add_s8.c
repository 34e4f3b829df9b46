#include "kernels.h"
#include "requantize.h"

#define LEFT_SHIFT 20 /* bits to spare in the common scale */

void add_s8(const add_params *add, const int8_t *a, const int8_t *b, int8_t *out, int32_t n, int32_t n_b)
{
    const add_params p = *add; /* a copy that stores to `out` can't touch */

    for (int32_t i = 0; i < n; i += n_b) {
        for (int32_t j = 0; j < n_b; j++) {
            const int32_t scaled_a
                = scale_s32((a[i + j] - p.zero_a) * (1 << LEFT_SHIFT), p.multiplier_a, p.shift_a);
            const int32_t scaled_b = scale_s32((b[j] - p.zero_b) * (1 << LEFT_SHIFT), p.multiplier_b, p.shift_b);
            const int32_t sum = scale_s32(scaled_a + scaled_b, p.multiplier_out, p.shift_out);
            out[i + j] = clamp_s8(sum + p.zero_out, p.min, p.max);
        }
    }
}
