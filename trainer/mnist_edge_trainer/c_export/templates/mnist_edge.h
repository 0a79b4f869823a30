/* {{ title }}
 *
 * Written by mnist-edge {{ version }}. Integers only; no allocation, no state, nothing but <stdint.h>.
 * Weights and tables: {{ flash }} bytes of constants. MIT licence; MNIST: CC BY-SA 3.0.
 */
#ifndef MNIST_EDGE_H
#define MNIST_EDGE_H

#include <stdint.h>

#define MNIST_EDGE_SIDE 28
#define MNIST_EDGE_CLASSES {{ classes }}

/* Bytes of memory that a prediction works in. */
#define MNIST_EDGE_SCRATCH {{ scratch }}

/* Multiplications of one prediction. */
#define MNIST_EDGE_MULTIPLICATIONS {{ multiplications }}

#ifdef __cplusplus
extern "C" {
#endif

/* The logits of an image, in units of 2^-16.
 *
 * image: 28 x 28, row by row, 0 = background and 255 = ink; as of mnist_edge_fit().
 * scratch: any content; may be shared with anything that does not run at the same time.
 * Stack: some 450 bytes.
 */
void mnist_edge_logits(const uint8_t image[MNIST_EDGE_SIDE * MNIST_EDGE_SIDE],
                       uint8_t scratch[MNIST_EDGE_SCRATCH], int32_t logits[MNIST_EDGE_CLASSES]);

#ifndef MNIST_EDGE_LOGITS
/* The most probable class of an image, and the probability of each in units of 1/255.
 *
 * Probabilities are those of the ONNX file within one unit. With MNIST_EDGE_LOGITS defined, this
 * function and its table ({{ table }} bytes) are left out.
 */
int mnist_edge_predict(const uint8_t image[MNIST_EDGE_SIDE * MNIST_EDGE_SIDE],
                       uint8_t scratch[MNIST_EDGE_SCRATCH],
                       uint8_t probabilities[MNIST_EDGE_CLASSES]);
#endif

/* MNIST's image of a digit, from a picture that shows a digit and nothing else (mnist_edge_fit.c).
 *
 * picture: 8-bit gray levels, row by row; dark ink on light paper or light on dark.
 * width, height: 1 to 4096 each, and at most 1,048,576 pixels.
 * Returns 1; 0 where all pixels are alike or the size is out of range, and image is left alone.
 * Stack: some 3 KB.
 */
int mnist_edge_fit(const uint8_t *picture, uint16_t width, uint16_t height,
                   uint8_t image[MNIST_EDGE_SIDE * MNIST_EDGE_SIDE]);

#ifdef __cplusplus
}
#endif

#endif
