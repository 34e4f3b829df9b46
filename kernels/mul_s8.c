#include "kernels.h"
#include "requantize.h"

void mul_s8(const mul_params *mul, const int8_t *a, const int8_t *b, int8_t *out, int32_t n, int32_t n_b)
{
    const mul_params p = *mul;

    for (int32_t i = 0; i < n; i += n_b) {
        for (int32_t j = 0; j < n_b; j++) {
            const int32_t product = (a[i + j] - p.zero_a) * (b[j] - p.zero_b);
            out[i + j] = clamp_s8(scale_s32(product, p.multiplier, p.shift) + p.zero_out, p.min, p.max);
        }
    }
}
