/* What runs before main() on an emulated Cortex-M: the vector table, and memory made ready. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern uint8_t data_begin, data_end, data_source, bss_begin, bss_end, stack_top;
extern void initialise_monitor_handles(void);
extern int main(void);

void reset(void)
{
    memcpy(&data_begin, &data_source, (size_t)(&data_end - &data_begin));
    memset(&bss_begin, 0, (size_t)(&bss_end - &bss_begin));
    initialise_monitor_handles();
    exit(main());
}

static void fault(void) { abort(); }

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &stack_top, reset, fault, fault, fault, fault, fault};
