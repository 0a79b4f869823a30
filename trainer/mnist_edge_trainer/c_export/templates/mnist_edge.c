/* {{ title }}
 *
 * Written by mnist-edge {{ version }}; see mnist_edge.h. Portable C99 is the reference: the paths for
 * Arm below give the same sums.
 */
#include "mnist_edge.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__aarch64__)
#include <arm_acle.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

/* A convolution over bytes, channels last. A sum times multiplier / 2^shift is the output. */
struct convolution {
    const {{ weight }} *weights; /* [out_channels][kernel_rows][kernel_columns][in_channels] */
    const int32_t *bias;
    const uint32_t *multiplier; /* 24 bits */
    const uint8_t *shift;
    uint16_t in_channels, out_channels;
    uint8_t in_rows, in_columns, out_rows, out_columns;
    uint8_t kernel_rows, kernel_columns, stride_rows, stride_columns, pad_rows, pad_columns;
};

{% for layer in layers %}
{% if layer.weights is defined %}
static const {{ weight }} weights_{{ loop.index }}[] = { {{- wrapped(stored(layer.weights)) -}} };
static const int32_t bias_{{ loop.index }}[] = { {{- wrapped(layer.bias) -}} };
static const uint32_t multiplier_{{ loop.index }}[] = { {{- wrapped(layer.multiplier) -}} };
static const uint8_t shift_{{ loop.index }}[] = { {{- wrapped(layer.shift) -}} };

/* {{ layer.name }}: {{ shown(layer.before) }} to {{ shown(layer.after) }} */
static const struct convolution convolution_{{ loop.index }} = {
    weights_{{ loop.index }}, bias_{{ loop.index }}, multiplier_{{ loop.index }}, shift_{{ loop.index }},
    {{ layer.before[2] }}, {{ layer.after[2] }},
    {{ layer.before[0] }}, {{ layer.before[1] }}, {{ layer.after[0] }}, {{ layer.after[1] }},
    {{ layer.weights.shape[1] }}, {{ layer.weights.shape[2] }}, {{ layer.stride[0] }}, {{ layer.stride[1] }}, {{ layer.pads[0] }}, {{ layer.pads[1] }}};

{% endif %}
{% endfor %}
#if defined(__ARM_FEATURE_DSP) && !defined(__aarch64__)
static uint32_t four(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}
#endif

{% if is_packed %}
/* Sum of the products of bytes and weights. Two weights of four bits are in a byte, 8 more than they are. Of each eight, the first four are the low
 * halves of four bytes and the last four the high ones. */
static int32_t dot(const uint8_t *x, const uint8_t *w, int32_t count)
{
    int32_t sum = 0;
    int32_t i;
#if defined(__ARM_FEATURE_DSP) && !defined(__aarch64__)
    for (; count >= 8; count -= 8, x += 8, w += 4) {
        const uint32_t a = four(x), b = four(x + 4), both = four(w);
        const uint32_t half = 0x000f000f;
        /* Bytes 0 and 2, then bytes 1 and 3. */
        sum = __smlad((int16x2_t)__uxtb16(a), (int16x2_t)(both & half), sum);
        sum = __smlad((int16x2_t)__uxtb16(a >> 8), (int16x2_t)(both >> 8 & half), sum);
        sum = __smlad((int16x2_t)__uxtb16(b), (int16x2_t)(both >> 4 & half), sum);
        sum = __smlad((int16x2_t)__uxtb16(b >> 8), (int16x2_t)(both >> 12 & half), sum);
    }
#else
    for (; count >= 8; count -= 8, x += 8, w += 4)
        sum += (int32_t)x[0] * (w[0] & 15) + (int32_t)x[4] * (w[0] >> 4) +
               (int32_t)x[1] * (w[1] & 15) + (int32_t)x[5] * (w[1] >> 4) +
               (int32_t)x[2] * (w[2] & 15) + (int32_t)x[6] * (w[2] >> 4) +
               (int32_t)x[3] * (w[3] & 15) + (int32_t)x[7] * (w[3] >> 4);
#endif
    for (i = 0; i < count; i++)
        sum += (int32_t)x[i] * (i < 4 ? w[i] & 15 : w[i - 4] >> 4);
    return sum;
}
{% else %}
/* Sum of the products of bytes and weights. */
#if defined(__ARM_FEATURE_DSP) && !defined(__aarch64__)
static int32_t dot(const uint8_t *x, const int8_t *w, int32_t count)
{
    int32_t sum = 0;
    for (; count >= 4; count -= 4, x += 4, w += 4) {
        const uint32_t a = four(x), b = four((const uint8_t *)w);
        /* Bytes 0 and 2, then bytes 1 and 3. */
        sum = __smlad((int16x2_t)__uxtb16(a), __sxtb16((int8x4_t)b), sum);
        sum = __smlad((int16x2_t)__uxtb16(a >> 8), __sxtb16((int8x4_t)(b >> 8)), sum);
    }
    for (; count > 0; count--)
        sum += (int32_t)*x++ * *w++;
    return sum;
}
#elif defined(__ARM_NEON)
static int32_t dot(const uint8_t *x, const int8_t *w, int32_t count)
{
    int32x4_t sums = vdupq_n_s32(0);
    int32_t sum;
    for (; count >= 8; count -= 8, x += 8, w += 8) {
        const int16x8_t a = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(x)));
        const int16x8_t b = vmovl_s8(vld1_s8(w));
        sums = vmlal_s16(sums, vget_low_s16(a), vget_low_s16(b));
        sums = vmlal_s16(sums, vget_high_s16(a), vget_high_s16(b));
    }
    sum = vgetq_lane_s32(sums, 0) + vgetq_lane_s32(sums, 1) + vgetq_lane_s32(sums, 2) +
          vgetq_lane_s32(sums, 3);
    for (; count > 0; count--)
        sum += (int32_t)*x++ * *w++;
    return sum;
}
#else
static int32_t dot(const uint8_t *x, const int8_t *w, int32_t count)
{
    int32_t sum = 0;
    int32_t i = 0;
#if defined(__arm__) || defined(__riscv) /* which have no vectors: a tenth fewer instructions */
    for (; i + 4 <= count; i += 4)
        sum += (int32_t)x[i] * w[i] + (int32_t)x[i + 1] * w[i + 1] + (int32_t)x[i + 2] * w[i + 2] +
               (int32_t)x[i + 3] * w[i + 3];
#endif
    for (; i < count; i++)
        sum += (int32_t)x[i] * w[i];
    return sum;
}
#endif

{% endif %}

/* The bytes under the kernel at a row and a column, one after the other; what lies outside the input
 * is 0. A kernel as wide as the input finds them where they are. */
static const uint8_t *patch_at(const struct convolution *layer, const uint8_t *input,
                               uint8_t *patch, int32_t row, int32_t column)
{
    const int32_t top = row * layer->stride_rows - layer->pad_rows;
    const int32_t left = column * layer->stride_columns - layer->pad_columns;
    const int32_t channels = layer->in_channels;
    const int32_t width = layer->kernel_columns * channels;
    const int32_t begin = left < 0 ? -left * channels : 0;
    const int32_t end = left + layer->kernel_columns > layer->in_columns
                            ? (layer->in_columns - left) * channels
                            : width;
    uint8_t *filled = patch;
    int32_t k, i;
    if (layer->kernel_columns == layer->in_columns && layer->kernel_rows == layer->in_rows)
        return input;
    for (k = top; k < top + layer->kernel_rows; k++, filled += width) {
        const int32_t source = (k * layer->in_columns + left) * channels;
        const int is_inside = k >= 0 && k < layer->in_rows;
        if (begin == 0 && end == width) {
            /* Not a plain copy, which compilers make a call of memcpy. */
            const uint8_t *from = input + (is_inside ? source : 0);
            const uint8_t kept = is_inside ? 0xff : 0;
            for (i = 0; i < width; i++)
                filled[i] = from[i] & kept;
        } else {
            for (i = 0; i < width; i++)
                filled[i] = is_inside && i >= begin && i < end ? input[source + i] : 0;
        }
    }
    return patch;
}

static int32_t inputs_of(const struct convolution *layer)
{
    return layer->kernel_rows * layer->kernel_columns * layer->in_channels;
}

{% if is_packed %}
/* What the weights add to the sum of every channel because they are stored as 8 more. */
static int32_t excess_of(const struct convolution *layer, const uint8_t *patch)
{
    int32_t sum = 0;
    int32_t i;
    for (i = inputs_of(layer) - 1; i >= 0; i--)
        sum += patch[i];
    return 8 * sum;
}

{% endif %}
/* excess: of every channel's sum. */
static int32_t sum_of(const struct convolution *layer, const uint8_t *patch, int32_t excess,
                      int32_t channel)
{
    const int32_t count = inputs_of(layer);
    const int32_t bytes = {{ "(count + 7) / 8 * 4" if is_packed else "count" }};
    return layer->bias[channel] - excess + dot(patch, layer->weights + channel * bytes, count);
}

/* A sum times multiplier / 2^shift, as onnxruntime rounds it: the product to float32, whose 24 bits
 * may make a tie of what is nearly one, and that to the nearest even integer in 0..255. */
static uint8_t requantize(int32_t sum, uint32_t multiplier, uint32_t shift)
{
    uint64_t product, whole, rest, half, from_tie;
    uint32_t bits = 0;
    if (sum <= 0)
        return 0;
{% if has_large_sums %}
    if (sum >= 1 << 24) { /* float32 has 24 bits: to the nearest of those, ties to even */
        uint32_t places = 0, size = (uint32_t)sum, low;
        while (size >> places >= 1u << 24)
            places++;
        low = size & ((1u << places) - 1);
        size >>= places;
        size += low > 1u << (places - 1) || (low == 1u << (places - 1) && (size & 1));
        sum = (int32_t)(size << places);
    }
{% endif %}
    product = (uint64_t)(uint32_t)sum * multiplier;
    whole = product >> shift;
    if (whole >= 255)
        return 255;
    half = (uint64_t)1 << (shift - 1);
    rest = product & (2 * half - 1);
    from_tie = rest > half ? rest - half : half - rest;
    if (from_tie <= (((uint64_t)1 << (shift + 8)) >> 25)) {
        while (whole >> bits)
            bits++;
        if (from_tie <= (((uint64_t)1 << (shift + bits)) >> 25))
            return (uint8_t)(whole + (whole & 1));
    }
    return (uint8_t)(whole + (rest > half));
}

static void convolve(const struct convolution *layer, const uint8_t *input, uint8_t *output,
                     uint8_t *patch)
{
    int32_t row, column, channel;
    for (row = 0; row < layer->out_rows; row++)
        for (column = 0; column < layer->out_columns; column++) {
            const uint8_t *bytes = patch_at(layer, input, patch, row, column);
            const int32_t excess = {{ "excess_of(layer, bytes)" if is_packed else 0 }};
            for (channel = 0; channel < layer->out_channels; channel++)
                *output++ = requantize(sum_of(layer, bytes, excess, channel),
                                       layer->multiplier[channel], layer->shift[channel]);
        }
}

{% if has_pools %}
static void pool(const uint8_t *input, uint8_t *output, const uint16_t shape[4],
                 const uint8_t window[4])
{
    /* shape: columns and channels of the input, rows and columns of the output
     * window: rows, columns, stride of rows, stride of columns */
    int32_t row, column, channel, y, x;
    for (row = 0; row < shape[2]; row++)
        for (column = 0; column < shape[3]; column++)
            for (channel = 0; channel < shape[1]; channel++) {
                uint8_t most = 0;
                for (y = row * window[2]; y < row * window[2] + window[0]; y++)
                    for (x = column * window[3]; x < column * window[3] + window[1]; x++) {
                        const uint8_t value = input[(y * shape[0] + x) * shape[1] + channel];
                        most = value > most ? value : most;
                    }
                *output++ = most;
            }
}

{% endif %}
#define LAST convolution_{{ layers | length }}

/* A sum times multiplier / 2^shift, in units of 2^-places. */
static int64_t scaled(int32_t sum, uint32_t multiplier, uint32_t shift, uint32_t places)
{
    const uint32_t size = sum < 0 ? 0u - (uint32_t)sum : (uint32_t)sum;
    const uint64_t product = (uint64_t)size * multiplier;
    const int64_t value =
        shift > places
            ? (int64_t)((product + ((uint64_t)1 << (shift - places - 1))) >> (shift - places))
            : (int64_t)(product << (places - shift));
    return sum < 0 ? -value : value;
}

/* The sums of the last layer. */
static void run(const uint8_t *image, uint8_t *scratch, int32_t sums[MNIST_EDGE_CLASSES])
{
    int32_t channel, excess;
{% for layer in layers[:-1] %}
{% if layer.weights is defined %}
    convolve(&convolution_{{ loop.index }}, {{ places[loop.index0] }}, {{ places[loop.index] }}, {{ patch }});
{% else %}
    {
        static const uint16_t shape[] = { {{- layer.before[1] }}, {{ layer.before[2] }}, {{ layer.after[0] }}, {{ layer.after[1] -}} };
        static const uint8_t window[] = { {{- layer.kernel[0] }}, {{ layer.kernel[1] }}, {{ layer.stride[0] }}, {{ layer.stride[1] -}} };
        pool({{ places[loop.index0] }}, {{ places[loop.index] }}, shape, window);
    }
{% endif %}
{% endfor %}
    excess = {{ "excess_of(&LAST, " ~ places[-1] ~ ")" if is_packed else 0 }};
    for (channel = 0; channel < MNIST_EDGE_CLASSES; channel++)
        sums[channel] = sum_of(&LAST, {{ places[-1] }}, excess, channel);
}

void mnist_edge_logits(const uint8_t image[MNIST_EDGE_SIDE * MNIST_EDGE_SIDE],
                       uint8_t scratch[MNIST_EDGE_SCRATCH], int32_t logits[MNIST_EDGE_CLASSES])
{
    int channel;
    run(image, scratch, logits);
    for (channel = 0; channel < MNIST_EDGE_CLASSES; channel++)
        logits[channel] =
            (int32_t)scaled(logits[channel], LAST.multiplier[channel], LAST.shift[channel], 16);
}

#ifndef MNIST_EDGE_LOGITS
/* e^-k and e^-(k/64), in units of 2^-16 and 2^-15. */
static const uint16_t wholes[] = { {{- wrapped(wholes) -}} };
static const uint16_t parts[] = { {{- wrapped(parts) -}} };

/* e^-x, in units of 2^-16; x in units of 2^-16, 0 or more. */
static uint32_t exponential(uint32_t x)
{
    const uint32_t whole = x >> 16, part = (x & 0xffff) >> 10, rest = x & 0x3ff;
    uint32_t value;
    if (whole >= sizeof wholes / sizeof *wholes)
        return 0;
    value = (uint32_t)wholes[whole] * parts[part] >> 15;
    return value - (value * rest >> 16); /* e^-r is nearly 1 - r where r is below 1/64 */
}

int mnist_edge_predict(const uint8_t image[MNIST_EDGE_SIDE * MNIST_EDGE_SIDE],
                       uint8_t scratch[MNIST_EDGE_SCRATCH],
                       uint8_t probabilities[MNIST_EDGE_CLASSES])
{
    int32_t logits[MNIST_EDGE_CLASSES];
    int64_t most = INT64_MIN;
    uint32_t total = 0;
    int best = 0, channel;
    run(image, scratch, logits);
    for (channel = 0; channel < MNIST_EDGE_CLASSES; channel++) {
        const uint32_t multiplier = LAST.multiplier[channel], shift = LAST.shift[channel];
        /* In finer units than the logits': two of them may be nearly the same. */
        const int64_t logit = scaled(logits[channel], multiplier, shift, 32);
        if (logit > most) {
            most = logit;
            best = channel;
        }
        logits[channel] = (int32_t)scaled(logits[channel], multiplier, shift, 16);
    }
    for (channel = 0; channel < MNIST_EDGE_CLASSES; channel++)
        total += exponential((uint32_t)(logits[best] - logits[channel]));
    for (channel = 0; channel < MNIST_EDGE_CLASSES; channel++) {
        const uint32_t part = exponential((uint32_t)(logits[best] - logits[channel]));
        probabilities[channel] = (uint8_t)((255 * part + total / 2) / total);
    }
    return best;
}
#endif
