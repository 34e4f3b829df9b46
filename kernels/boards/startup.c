/* From reset to main, for the two Cortex-M machines that QEMU plays here; prints through semihosting. */
#include <stdint.h>
#include <stdlib.h>

extern uint32_t __data_start[], __data_end[], __data_load[], __bss_start[], __bss_end[], __stack_top[];
extern void initialise_monitor_handles(void);
extern void systick_handler(void);
extern int main(void);

void reset_handler(void);
void _init(void);
void _fini(void);

void _init(void) { } /* newlib calls both */
void _fini(void) { }

static void fault_handler(void)
{
    _Exit(70);
}

typedef void handler(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack_top;
    handler *handlers[15];
} vectors = {__stack_top,
    {reset_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, 0, 0, 0,
        fault_handler, fault_handler, 0, fault_handler, systick_handler}};

void reset_handler(void)
{
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* CPACR: floating point and MVE */
    for (uint32_t *to = __data_start, *from = __data_load; to < __data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = __bss_start; to < __bss_end;) {
        *to++ = 0;
    }
    initialise_monitor_handles();
    exit(main());
}
