/* Checks the network on this device: 100 images of MNIST's test set, with the answers of the ONNX
 * file. Prints "100 of 100" and returns 0 where all are the same.
 */
#include <stdio.h>

#include "mnist_edge.h"
#include "vectors.h"

static uint8_t scratch[MNIST_EDGE_SCRATCH];

int main(void)
{
    int right = 0, at, channel;
    for (at = 0; at < VECTORS; at++) {
        int32_t logits[MNIST_EDGE_CLASSES];
        int same = 1;
        mnist_edge_logits(vector_images[at], scratch, logits);
        for (channel = 0; channel < MNIST_EDGE_CLASSES; channel++)
            same = same && logits[channel] == vector_logits[at][channel];
#ifndef MNIST_EDGE_LOGITS
        {
            uint8_t probabilities[MNIST_EDGE_CLASSES];
            same = same && mnist_edge_predict(vector_images[at], scratch, probabilities) == vector_digits[at];
        }
#endif
        right += same;
    }
    printf("%d of %d\n", right, VECTORS);
    return right != VECTORS;
}
