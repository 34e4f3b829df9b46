#include "kernels.h"

#include <string.h>

void copy_s8(const int8_t *in, int8_t *out, int32_t positions, int32_t bytes, int32_t stride_in, int32_t stride_out)
{
    for (int32_t i = 0; i < positions; i++) {
        memcpy(out + i * stride_out, in + i * stride_in, (size_t)bytes);
    }
}
