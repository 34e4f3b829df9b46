#include "kernels.h"

void gather_s8(const uint16_t *index, const int8_t *in, int8_t *out, int32_t positions, int32_t c_in, int32_t c_out)
{
    for (int32_t i = 0; i < positions; i++) {
        for (int32_t j = 0; j < c_out; j++) {
            out[i * c_out + j] = in[i * c_in + index[j]];
        }
    }
}
