/* MNIST's own rule in integers: Otsu's threshold, the bounding box, 20 x 20 by averaging areas, the
 * centre of mass at the centre. The same as mnist_edge.preprocess.plain in Python, within one level.
 */
#include "mnist_edge.h"

#define SIDE MNIST_EDGE_SIDE
#define BOX 20
#define CENTER 14
#define LEVELS 256
#define ONE 4096 /* ink at its full strength */

static uint32_t minimum(uint32_t a, uint32_t b) { return a < b ? a : b; }
static uint32_t maximum(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* The level up to which pixels are dark, by Otsu (1979); -1 where all are alike. */
static int32_t otsu_level(const uint32_t counts[LEVELS], uint32_t pixels)
{
    uint64_t most = 0, sum = 0, dark_sum = 0;
    uint32_t dark = 0, level, places = 0;
    int32_t found = -1;
    /* As many binary places as leave the factors below 32 bits. */
    while ((uint64_t)255 * pixels << (places + 1) < (uint64_t)1 << 32)
        places++;
    for (level = 0; level < LEVELS; level++)
        sum += (uint64_t)level * counts[level];
    for (level = 0; level < LEVELS; level++) {
        uint64_t apart, between;
        dark += counts[level];
        dark_sum += (uint64_t)level * counts[level];
        if (dark == 0 || dark == pixels)
            continue;
        /* The mean of the dark pixels and that of the light ones, from that of all: their product
         * grows with the variance between the two. */
        apart = (sum * dark - dark_sum * pixels) << places;
        between = (apart / dark) * (apart / (pixels - dark));
        if (found < 0 || between > most) {
            most = between;
            found = (int32_t)level;
        }
    }
    return found;
}

/* 1 where ink is dark: paper is what most of the border is. */
static int ink_is_dark(const uint8_t *picture, uint32_t width, uint32_t height, int32_t threshold)
{
    uint32_t light = 0, x, y;
    for (x = 0; x < width; x++)
        light += (uint32_t)(picture[x] > threshold) +
                 (uint32_t)(picture[(height - 1) * width + x] > threshold);
    for (y = 0; y < height; y++)
        light += (uint32_t)(picture[y * width] > threshold) +
                 (uint32_t)(picture[y * width + width - 1] > threshold);
    return light >= width + height;
}

/* How strong the ink of each level is, 0..ONE: from the mean of the paper to that of the ink. */
static void strengths(const uint32_t counts[LEVELS], int32_t threshold, int is_dark,
                      uint16_t strength[LEVELS])
{
    uint64_t sums[2] = {0, 0};
    uint32_t pixels[2] = {0, 0};
    int64_t paper, ink;
    int32_t level;
    for (level = 0; level < LEVELS; level++) {
        const int is_light = level > threshold;
        pixels[is_light] += counts[level];
        sums[is_light] += (uint64_t)level * counts[level];
    }
    /* Units of 2^-16. */
    paper = (int64_t)((sums[is_dark] << 16) / pixels[is_dark]);
    ink = (int64_t)((sums[!is_dark] << 16) / pixels[!is_dark]);
    for (level = 0; level < LEVELS; level++) {
        const int64_t part = (((int64_t)level * 65536 - paper) * ONE * 2 / (ink - paper) + 1) / 2;
        strength[level] = (uint16_t)(part < 0 ? 0 : part > ONE ? ONE : part);
    }
}

/* The mean strength under a pixel of the reduced digit, in units of 2^-16. A pixel of the picture
 * covers `target` units of a side, and one of the reduced digit `size` of them. */
static uint32_t area(const uint8_t *corner, uint32_t stride, const uint16_t strength[LEVELS],
                     const uint32_t size[2], const uint32_t target[2], uint32_t row, uint32_t column)
{
    uint64_t sum = 0;
    uint32_t y, x;
    for (y = row * size[0] / target[0]; y * target[0] < (row + 1) * size[0]; y++) {
        const uint32_t down = minimum((row + 1) * size[0], (y + 1) * target[0]) -
                              maximum(row * size[0], y * target[0]);
        for (x = column * size[1] / target[1]; x * target[1] < (column + 1) * size[1]; x++) {
            const uint32_t across = minimum((column + 1) * size[1], (x + 1) * target[1]) -
                                    maximum(column * size[1], x * target[1]);
            sum += (uint64_t)(down * across) * strength[corner[y * stride + x]];
        }
    }
    return (uint32_t)((sum << 4) / ((uint64_t)size[0] * size[1]));
}

/* Where a digit begins whose centre of mass is to lie at the centre, as far as it fits. */
static uint32_t start(uint64_t moment, uint64_t total, uint32_t size)
{
    /* floor(CENTER - moment / total + 1/2), of which the least is 0 */
    const uint64_t center = (2 * CENTER + 1) * total;
    const uint32_t begin = center < 2 * moment ? 0 : (uint32_t)((center - 2 * moment) / (2 * total));
    return minimum(begin, SIDE - size);
}

int mnist_edge_fit(const uint8_t *picture, uint16_t width, uint16_t height,
                   uint8_t image[MNIST_EDGE_SIDE * MNIST_EDGE_SIDE])
{
    uint32_t counts[LEVELS] = {0};
    uint32_t digit[BOX * BOX];
    uint16_t strength[LEVELS];
    const uint32_t pixels = (uint32_t)width * height;
    uint32_t left = width, top = height, right = 0, bottom = 0;
    uint32_t size[2], target[2], x, y, at, longest, begin[2];
    uint64_t total = 0, down = 0, across = 0;
    uint32_t most = 1;
    int32_t threshold;
    int is_dark;

    if (width > 4096 || height > 4096 || pixels == 0 || pixels > 1u << 20)
        return 0;
    for (at = 0; at < pixels; at++)
        counts[picture[at]]++;
    threshold = otsu_level(counts, pixels);
    if (threshold < 0)
        return 0;
    is_dark = ink_is_dark(picture, width, height, threshold);
    strengths(counts, threshold, is_dark, strength);
    for (y = 0; y < height; y++)
        for (x = 0; x < width; x++)
            if ((picture[y * width + x] > threshold) != is_dark) {
                left = minimum(left, x);
                top = minimum(top, y);
                right = maximum(right, x + 1);
                bottom = maximum(bottom, y + 1);
            }

    size[0] = bottom - top;
    size[1] = right - left;
    longest = maximum(size[0], size[1]);
    for (at = 0; at < 2; at++)
        target[at] = maximum(1, (2 * BOX * size[at] + longest) / (2 * longest));
    for (y = 0, at = 0; y < target[0]; y++)
        for (x = 0; x < target[1]; x++, at++) {
            digit[at] = area(picture + top * width + left, width, strength, size, target, y, x);
            most = maximum(most, digit[at]);
            total += digit[at];
            down += (uint64_t)y * digit[at];
            across += (uint64_t)x * digit[at];
        }
    if (total == 0)
        return 0;
    begin[0] = start(down, total, target[0]);
    begin[1] = start(across, total, target[1]);
    for (at = 0; at < SIDE * SIDE; at++)
        image[at] = 0;
    for (y = 0, at = 0; y < target[0]; y++)
        for (x = 0; x < target[1]; x++, at++)
            image[(begin[0] + y) * SIDE + begin[1] + x] = (uint8_t)((510 * digit[at] + most) / (2 * most));
    return 1;
}
