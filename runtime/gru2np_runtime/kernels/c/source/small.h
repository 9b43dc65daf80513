/* Weights of float16 and int8. Included by lanes.h for 4 and 8 lanes; 16 lanes use the
   code for 8, with twice as many vectors in a panel: processors widen 8 numbers faster.

   float16 panels are like those of float32. int8 panels hold the terms k and k + 1 of a
   column side by side. One row is multiplied with the weights as they are stored; for
   several rows, weights are widened to float32 once for all of them. */

/* 2 * LANES numbers of int16, and LANES. */
typedef int16_t NAME(svec) __attribute__((vector_size(4 * LANES)));
typedef int16_t NAME(hvec) __attribute__((vector_size(2 * LANES)));
#define svec NAME(svec)

#include "instructions.h"

/* LANES pairs of int8, as the floats of the terms k and k + 1. */
static INLINE void NAME(load_pairs)(const int8_t *p, vec *first, vec *second)
{
    const ivec pairs = (ivec)NAME(load_bytes)(p);
    *first = __builtin_convertvector((pairs << 16) >> 16, vec);
    *second = __builtin_convertvector(pairs >> 16, vec);
}

/* `count` terms of a panel of `width` columns as float32, rounded up to whole pairs. */
static void NAME(widen)(const struct matrix *m, int64_t width, const void *weights,
                        int64_t count, const float *scales, float *out)
{
    if (m->storage == FLOAT16) {
        for (int64_t i = 0; i < count * width; i += LANES)
            STORE(out + i, NAME(load_halves)((const uint16_t *)weights + i));
        return;
    }
    const int8_t *w = weights;
    for (int64_t k = 0; k < count; k += 2, out += 2 * width)
        for (int64_t i = 0; i < width; i += LANES, w += 2 * LANES) {
            vec first, second;
            NAME(load_pairs)(w, &first, &second);
            STORE(out + i, first * LOAD(scales + i));
            STORE(out + width + i, second * LOAD(scales + i));
        }
}

/* One row times one panel of float16. */
static INLINE void NAME(row_float16)(const int vectors, const float *a, int64_t K,
                                     const uint16_t *w, const float *bias, float *out)
{
    const int partials = vectors == 1 ? 8 : vectors < 4 ? 4 : vectors < 8 ? 2 : 1;
    vec sum[8][8];
    int64_t k = 0;
    UNROLL for (int s = 0; s < partials; s++)
        UNROLL for (int v = 0; v < vectors; v++)
            sum[s][v] = s ? V(0.0f) : LOAD(bias + v * LANES);
    for (; k + partials <= K; k += partials) {
        UNROLL for (int s = 0; s < partials; s++) {
            vec x = V(a[k + s]);
            UNROLL for (int v = 0; v < vectors; v++)
                sum[s][v] += NAME(load_halves)(w + (s * vectors + v) * LANES) * x;
        }
        w += partials * vectors * LANES;
    }
    for (; k < K; k++) {
        vec x = V(a[k]);
        UNROLL for (int v = 0; v < vectors; v++)
            sum[0][v] += NAME(load_halves)(w + v * LANES) * x;
        w += vectors * LANES;
    }
    UNROLL for (int v = 0; v < vectors; v++) {
        UNROLL for (int step = partials / 2; step; step /= 2)
            UNROLL for (int s = 0; s < step; s++)
                sum[s][v] += sum[s + step][v];
        STORE(out + v * LANES, sum[0][v]);
    }
}

/* One row of any floats times one panel of int8. */
static INLINE void NAME(row_int8)(const int vectors, const float *a, int64_t K,
                                  const int8_t *w, const float *scales,
                                  const float *bias, float *out)
{
    vec sum[8];
    UNROLL for (int v = 0; v < vectors; v++)
        sum[v] = V(0.0f);
    for (int64_t k = 0; k < K; k += 2) {
        const vec x = V(a[k]);
        /* The weights of a term that is missing are 0. */
        const vec y = V(k + 1 < K ? a[k + 1] : 0.0f);
        UNROLL for (int v = 0; v < vectors; v++) {
            vec first, second;
            NAME(load_pairs)(w + v * 2 * LANES, &first, &second);
            sum[v] += first * x + second * y;
        }
        w += vectors * 2 * LANES;
    }
    UNROLL for (int v = 0; v < vectors; v++)
        STORE(out + v * LANES,
              sum[v] * LOAD(scales + v * LANES) + LOAD(bias + v * LANES));
}

/* One row of int16 times `count` terms of one panel of int8; the sum is exact. */
static INLINE void NAME(row_int16)(const int vectors, const int16_t *numbers,
                                   int64_t count, const int8_t *w, const float *scales,
                                   float scale, const float *start, float *out)
{
    const int partials = vectors < 4 ? 2 : 1;
    NAME(sums) sum[2][8];
    memset(sum, 0, sizeof sum);
    for (int64_t k = 0; k < count; k += TERMS) {
        UNROLL for (int s = 0; s < 2; s++) {
            int32_t pair;
            memcpy(&pair, numbers + k + 2 * s, sizeof pair);
            UNROLL for (int v = 0; v < vectors; v++)
                NAME(add_pairs)(&sum[s % partials][v],
                                NAME(load_bytes)(w + (s * vectors + v) * 2 * LANES),
                                (svec)I(pair));
        }
        w += TERMS * vectors * LANES;
    }
    UNROLL for (int v = 0; v < vectors; v++) {
        ivec total = NAME(total)(&sum[0][v]);
        if (partials == 2)
            total += NAME(total)(&sum[1][v]);
        STORE(out + v * LANES, __builtin_convertvector(total, vec) *
                                       (LOAD(scales + v * LANES) * V(scale)) +
                                   LOAD(start + v * LANES));
    }
}

/* The largest magnitude of a row; 0 for a row that is not to be quantised: if one of
   its numbers is NaN or above LIMIT, or all are next to 0. */
static float NAME(magnitude)(const float *a, int64_t K)
{
    vec largest = V(0.0f);
    ivec inside = I(-1);
    float parts[LANES], result = 0.0f;
    int32_t flags[LANES];
    int64_t k = 0;
    for (; k + LANES <= K; k += LANES) {
        const vec x = (vec)((ivec)LOAD(a + k) & I(INT32_MAX));
        inside &= x <= V(LIMIT);
        largest = NAME(select)(x > largest, x, largest);
    }
    STORE(parts, largest);
    memcpy(flags, &inside, sizeof flags);
    for (int i = 0; i < LANES; i++) {
        if (!flags[i])
            return 0.0f;
        result = parts[i] > result ? parts[i] : result;
    }
    for (; k < K; k++) {
        const float x = a[k] < 0.0f ? -a[k] : a[k];
        if (!(x <= LIMIT))
            return 0.0f;
        result = x > result ? x : result;
    }
    return result >= TINY ? result : 0.0f;
}

/* Numbers times `scale` as int16, to nearest, and zeros up to a multiple of TERMS. The
   sum with ROUND holds the integer in its low bits, as in activations.h. */
static void NAME(quantize)(const float *a, int64_t count, float scale, int16_t *numbers)
{
    for (int64_t k = 0; k < count; k += LANES) {
        vec x = V(0.0f);
        if (k + LANES <= count)
            x = LOAD(a + k);
        else
            memcpy(&x, a + k, (size_t)(count - k) * sizeof(float));
        const ivec n = (ivec)(x * V(scale) + V(ROUND)) - (ivec)V(ROUND);
        const NAME(hvec) narrow = __builtin_convertvector(n, NAME(hvec));
        memcpy(numbers + k, &narrow, sizeof narrow);
    }
}

#define ONE_ROW(vectors)                                                           \
    case vectors:                                                                  \
        if (m->storage == FLOAT16)                                                 \
            NAME(row_float16)(vectors, a, m->K, (const void *)w, b, o);            \
        else if (magnitude == 0.0f)                                                \
            NAME(row_int8)(vectors, a, m->K, (const void *)w, scales, b, o);       \
        else                                                                       \
            NAME(row_int16)(vectors, numbers, count, (const void *)(w + k * width), \
                            scales, magnitude / LARGEST, k ? o : b, o);            \
        break;

/* out (width) = one row times a matrix of float16 or int8, plus its bias; `vectors` of
   LANES columns are in a panel. Sums of more than MOST_TERMS products of int8 with int16
   could leave int32: they are added up in float32. */
static void NAME(small_product)(const struct matrix *m, int64_t vectors, const float *a,
                                float *out, int reverse)
{
    const int64_t width = vectors * LANES;
    const float magnitude = m->storage == INT8 ? NAME(magnitude)(a, m->K) : 0.0f;
    const int64_t terms = magnitude == 0.0f ? m->K : MOST_TERMS;
    int16_t numbers[MOST_TERMS];
    for (int64_t k = 0; k < m->K; k += terms) {
        const int64_t count = minimum(terms, m->K - k);
        if (magnitude != 0.0f)
            NAME(quantize)(a + k, count, LARGEST / magnitude, numbers);
        for (int64_t n = 0; n < m->panels; n++) {
            const int64_t p = reverse ? m->panels - 1 - n : n;
            const uint8_t *w = m->data + p * m->terms * width * SIZES[m->storage];
            const float *b = m->bias + p * width;
            const float *scales = m->storage == INT8 ? m->scales + p * width : NULL;
            float *o = out + p * width;
            switch (vectors) {
                ONE_ROW(1)
                ONE_ROW(2)
                ONE_ROW(3)
                ONE_ROW(4)
#if LANES == 8
                ONE_ROW(6)
                ONE_ROW(8)
#endif
            }
        }
    }
}

enum { NAME(HALVES) = HALVES };
#undef ONE_ROW
#undef HALVES
#undef svec
