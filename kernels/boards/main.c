/* Runs a network on the inputs linked in, on a board; prints outputs, instructions of a run, and stack. */
#include "count.h"
#include "inputs.h"
#include "model.h"

#include <stdio.h>
#include <string.h>

int main(void)
{
    static int8_t out[MODEL_OUTPUT_BYTES];
    unsigned long instructions = 0, stack = 0;

    for (int i = 0; i < INPUTS; i++) {
        memcpy(model_input(), inputs[i], MODEL_INPUT_BYTES);
        stack_mark();
        count_start();
        model_run(model_input(), out);
        instructions = (unsigned long)count_stop();
        stack = stack_used();
        printf("output");
        for (int j = 0; j < MODEL_OUTPUT_BYTES; j++) {
            printf(" %d", out[j]);
        }
        printf("\n");
    }
    printf("instructions %lu\nstack %lu\n", instructions, stack);
    return 0;
}
