#include "count.h"

#if defined(__ARM_FEATURE_MVE)
#define NANOSECONDS_BY_TICK 31.25 /* mps3-an547: 32 MHz */
#else
#define NANOSECONDS_BY_TICK 40.0 /* mps2-an386: 25 MHz */
#endif

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018)
#define PERIOD 0x1000000u

#define STACK_MARKED 0x4000
#define PATTERN 0xA5

void systick_handler(void);

static volatile uint32_t periods;
static volatile uint8_t *marked; /* the lowest byte that stack_mark wrote */

void systick_handler(void)
{
    periods++;
}

void count_start(void)
{
    periods = 0;
    SYSTICK_CONTROL = 0;
    SYSTICK_RELOAD = PERIOD - 1;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 7; /* on, with interrupt, processor clock */
}

uint64_t count_stop(void)
{
    const uint32_t value = SYSTICK_VALUE; /* counts down */
    SYSTICK_CONTROL = 0;
    const uint64_t ticks = (uint64_t)periods * PERIOD + (PERIOD - 1 - value);
    return (uint64_t)((double)ticks * NANOSECONDS_BY_TICK);
}

static inline uint8_t *stack_pointer(void)
{
    uint8_t *sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

__attribute__((noinline)) void stack_mark(void)
{
    volatile uint8_t *const top = stack_pointer();
    marked = top - STACK_MARKED;
    for (volatile uint8_t *at = marked; at < top; at++) {
        *at = PATTERN;
    }
}

__attribute__((noinline)) uint32_t stack_used(void)
{
    volatile uint8_t *at = marked;
    while (*at == PATTERN) {
        at++;
    }
    return (uint32_t)(marked + STACK_MARKED - at);
}
