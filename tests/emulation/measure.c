/* Prints the instructions of a prediction, by SysTick: with -icount shift=0 an instruction takes a
 * nanosecond, and the boards' clock has 25 MHz.
 */
#include <stdio.h>

#include "mnist_edge.h"
#include "vectors.h"

#define SYSTICK ((volatile uint32_t *)0xE000E010)
#define NANOSECONDS 40
#define COUNT 10

static uint8_t scratch[MNIST_EDGE_SCRATCH];

int main(void)
{
    uint8_t probabilities[MNIST_EDGE_CLASSES];
    uint32_t ticks = 0;
    int at, right = 0;
    SYSTICK[1] = 0xffffff;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5; /* on, the processor's clock */
    for (at = 0; at < COUNT; at++) {
        const uint32_t before = SYSTICK[2];
        right += mnist_edge_predict(vector_images[at], scratch, probabilities) == vector_digits[at];
        ticks += (before - SYSTICK[2]) & 0xffffff;
    }
    printf("%d %lu\n", right == COUNT, (unsigned long)(ticks / COUNT * NANOSECONDS));
    return 0;
}
