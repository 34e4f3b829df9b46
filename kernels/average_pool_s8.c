#include "kernels.h"
#include "requantize.h"

void average_pool_s8(const pool_params *pool, const int8_t *input, int8_t *output)
{
    const int32_t c = pool->c, w_in = pool->w_in;

    for (int32_t y = 0; y < pool->h_out; y++) {
        const int32_t y_in = y * pool->stride_h - pool->pad_top;
        const int32_t top = max_s32(y_in, 0), bottom = min_s32(y_in + pool->k_h, pool->h_in);

        for (int32_t x = 0; x < pool->w_out; x++) {
            const int32_t x_in = x * pool->stride_w - pool->pad_left;
            const int32_t left = max_s32(x_in, 0), right = min_s32(x_in + pool->k_w, w_in);
            const int32_t count = (bottom - top) * (right - left);

            for (int32_t o = 0; o < c; o++) {
                int32_t sum = 0;
                for (int32_t i = top; i < bottom; i++) {
                    const int8_t *in = input + (i * w_in + left) * c + o;
                    for (int32_t j = left; j < right; j++) {
                        sum += *in;
                        in += c;
                    }
                }
                output[o] = average_s8(sum, count, pool->min, pool->max);
            }
            output += c;
        }
    }
}
