#include "conv2d_output_s8.h"
#include "dot_s8.h"

/* Two positions against two output channels at a time; at an odd end the pair is one and the same, stored twice. */
void conv2d_1x1_s8(const conv2d_params *conv, const int8_t *const *rows, int8_t *scratch, int8_t *out)
{
    (void)scratch;
    const int32_t c_in = conv->c_in, c_out = conv->c_out, w_out = conv->w_out;
    const int32_t step = conv->stride_w * c_in;

    for (int32_t x = 0; x < w_out; x += 2) {
        const int32_t x_next = min_s32(x + 1, w_out - 1);
        const int8_t *in0 = rows[0] + x * step, *in1 = rows[0] + x_next * step;
        int8_t *out0 = out + x * c_out, *out1 = out + x_next * c_out;

        for (int32_t o = 0; o < c_out; o += 2) {
            const int32_t p = min_s32(o + 1, c_out - 1);
            const int32_t bias_o = bias_of_channel(conv, o), bias_p = bias_of_channel(conv, p);
            int32_t acc[4] = {bias_o, bias_p, bias_o, bias_p};

            dot_2x2_s8(in0, in1, conv->weights + o * c_in, conv->weights + p * c_in, c_in, acc);

            const factor_s32 factor_o = factor_of_channel(conv, o), factor_p = factor_of_channel(conv, p);
            out0[o] = output_s8(conv, acc[0], factor_o);
            out0[p] = output_s8(conv, acc[1], factor_p);
            out1[o] = output_s8(conv, acc[2], factor_o);
            out1[p] = output_s8(conv, acc[3], factor_p);
        }
    }
}
