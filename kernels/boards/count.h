/*
 * Instructions and stack of a piece of code on an emulated Cortex-M. Under QEMU's `-icount shift=0` one instruction
 * takes one virtual nanosecond and SysTick counts the board's clock, so counts repeat exactly.
 */
#ifndef COUNT_H
#define COUNT_H

#include <stdint.h>

void count_start(void);

/* Nanoseconds of virtual time, that is instructions, since count_start; exact to one tick of SysTick (40 ns, 32 ns). */
uint64_t count_stop(void);

/* Fills the free stack with a pattern; stack_used then says how many bytes below the caller have been written. */
void stack_mark(void);
uint32_t stack_used(void);

#endif
