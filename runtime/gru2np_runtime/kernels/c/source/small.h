/* Weights of float16 and int8. Included by lanes.h for 4 and 8 lanes; 16 lanes use the
   code for 8, with twice as many vectors in a panel: processors widen 8 numbers faster.

   float16 panels are like those of float32. int8 panels hold the terms k and k + 1 of a
   column side by side. A few rows are multiplied with the weights as they are stored; for
   more rows, weights are widened to float32 once for all of them. */

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

/* Rows of floats times `vectors` vectors of a panel of float16, which is `width` numbers
   wide: `end` terms from the weights w on. Sums begin with `start`. */
static INLINE void NAME(rows_float16)(const int count, const int vectors,
                                      const float *const *a, int64_t k, int64_t end,
                                      const uint16_t *w, int64_t width,
                                      const float *start, int64_t start_row, float *out,
                                      int64_t out_row)
{
    /* Enough sums to hide the latency of the additions. Several rows add up as NAME(rows)
       does, so that a row does not depend on how many are beside it. */
    const int alone = vectors == 1 ? 8 : vectors < 4 ? 4 : vectors < 8 ? 2 : 1;
    const int partials = count > 1 ? 1 : alone;
    const int first = count == 1 || k == 0;
    vec sum[8][3][8];
    UNROLL for (int i = 0; i < count; i++)
        UNROLL for (int v = 0; v < vectors; v++) {
            sum[0][i][v] = V(0.0f);
            if (first)
                sum[0][i][v] = LOAD(start + i * start_row + v * LANES);
            UNROLL for (int s = 1; s < partials; s++)
                sum[s][i][v] = V(0.0f);
        }
    for (; k + partials <= end; k += partials)
        UNROLL for (int s = 0; s < partials; s++, w += width)
            UNROLL for (int v = 0; v < vectors; v++) {
                const vec weight = NAME(load_halves)(w + v * LANES);
                UNROLL for (int i = 0; i < count; i++)
                    sum[s][i][v] += weight * V(a[i][k + s]);
            }
    for (; k < end; k++, w += width)
        UNROLL for (int v = 0; v < vectors; v++) {
            const vec weight = NAME(load_halves)(w + v * LANES);
            UNROLL for (int i = 0; i < count; i++)
                sum[0][i][v] += weight * V(a[i][k]);
        }
    UNROLL for (int i = 0; i < count; i++)
        UNROLL for (int v = 0; v < vectors; v++) {
            UNROLL for (int step = partials / 2; step; step /= 2)
                UNROLL for (int s = 0; s < step; s++)
                    sum[s][i][v] += sum[s + step][i][v];
            if (!first)
                sum[0][i][v] += LOAD(out + i * out_row + v * LANES);
            STORE(out + i * out_row + v * LANES, sum[0][i][v]);
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

/* Rows of int16 times `vectors` vectors of a panel of int8, as rows_float16. The sum is
   exact; `scales` of the columns, `row_scales` of the rows. */
static INLINE void NAME(rows_int16)(const int count, const int vectors,
                                    const int16_t (*numbers)[MOST_TERMS], int64_t terms,
                                    const int8_t *w, int64_t width, const float *scales,
                                    const float *row_scales, const float *start,
                                    int64_t start_row, float *out, int64_t out_row)
{
    const int partials = count * vectors < 4 ? 2 : 1;
    NAME(sums) sum[2][3][8];
    memset(sum, 0, sizeof sum);
    for (int64_t k = 0; k < terms; k += TERMS)
        UNROLL for (int s = 0; s < 2; s++, w += 2 * width)
            UNROLL for (int v = 0; v < vectors; v++) {
                const svec weights = NAME(load_bytes)(w + v * 2 * LANES);
                UNROLL for (int i = 0; i < count; i++) {
                    int32_t pair;
                    memcpy(&pair, numbers[i] + k + 2 * s, sizeof pair);
                    NAME(add_pairs)(&sum[s % partials][i][v], weights, (svec)I(pair));
                }
            }
    UNROLL for (int i = 0; i < count; i++)
        UNROLL for (int v = 0; v < vectors; v++) {
            ivec total = NAME(total)(&sum[0][i][v]);
            if (partials == 2)
                total += NAME(total)(&sum[1][i][v]);
            STORE(out + i * out_row + v * LANES,
                  __builtin_convertvector(total, vec) *
                          (LOAD(scales + v * LANES) * V(row_scales[i])) +
                      LOAD(start + i * start_row + v * LANES));
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

#define FLOATS(vectors)                                                            \
    case vectors:                                                                  \
        NAME(row_int8)(vectors, a, m->K, w, scales, bias, out);                    \
        break;
/* Rows times `vectors` vectors of a panel that is `width` wide, from term k on. */
#define ROWS(count, vectors, width)                                                \
    if (m->storage == FLOAT16)                                                     \
        NAME(rows_float16)                                                         \
        (count, vectors, a, k, k + terms, (const void *)w, width, start, start_row, o, \
         out_row);                                                                 \
    else                                                                           \
        NAME(rows_int16)                                                           \
        (count, vectors, numbers, terms, (const void *)w, width, scales, row_scales, \
         start, start_row, o, out_row);                                            \
    break;
#define ONE(vectors)                                                               \
    case vectors:                                                                  \
        ROWS(1, vectors, vectors * LANES)
#define SEVERAL(count, vectors)                                                    \
    case 8 * count + vectors:                                                      \
        ROWS(count, vectors, width)

/* One row that stays in float32 times a matrix of int8. */
static void NAME(row_floats)(const struct matrix *m, int64_t vectors, const float *a,
                             float *out)
{
    const int64_t width = vectors * LANES;
    for (int64_t p = 0; p < m->panels; p++, out += width) {
        const int8_t *w = (const int8_t *)m->data + p * m->terms * width;
        const float *scales = m->scales + p * width, *bias = m->bias + p * width;
        switch (vectors) {
            FLOATS(1)
            FLOATS(2)
            FLOATS(3)
            FLOATS(4)
#if LANES == 8
            FLOATS(6)
            FLOATS(8)
#endif
        }
    }
}

/* One row, quantised if the matrix is of int8, times the terms from k on. */
static void NAME(small_row)(const struct matrix *m, int64_t vectors,
                            const float *const *a, int64_t k, int64_t terms,
                            const int16_t (*numbers)[MOST_TERMS],
                            const float *row_scales, float *out, int reverse)
{
    const int64_t width = vectors * LANES, panel = m->terms * width * SIZES[m->storage];
    const int64_t start_row = 0, out_row = 0;
    const uint8_t *data = m->data + k * width * SIZES[m->storage];
    for (int64_t n = 0; n < m->panels; n++) {
        const int64_t p = reverse ? m->panels - 1 - n : n;
        const uint8_t *w = data + p * panel;
        const float *scales = m->storage == INT8 ? m->scales + p * width : NULL;
        float *o = out + p * width;
        const float *start = k ? o : m->bias + p * width;
        switch (vectors) {
            ONE(1)
            ONE(2)
            ONE(3)
            ONE(4)
#if LANES == 8
            ONE(6)
            ONE(8)
#endif
        }
    }
}

/* The same for 2 or 3 rows, in parts of a panel whose sums fit in registers. */
static void NAME(several_rows)(const struct matrix *m, int64_t vectors,
                               const float *const *a, int64_t count, int64_t k,
                               int64_t terms, const int16_t (*numbers)[MOST_TERMS],
                               const float *row_scales, float *out, int64_t out_row,
                               int reverse)
{
    const int64_t width = vectors * LANES, size = SIZES[m->storage];
    const int64_t side = m->storage == INT8 ? 2 : 1;
    const int64_t part = vectors > 4 ? vectors / 2 : vectors;
    for (int64_t n = 0; n < m->panels; n++) {
        const int64_t p = reverse ? m->panels - 1 - n : n;
        for (int64_t v = 0; v < vectors; v += part) {
            const int64_t column = p * width + v * LANES;
            const uint8_t *w =
                m->data + ((p * m->terms + k) * width + v * LANES * side) * size;
            const float *scales = m->storage == INT8 ? m->scales + column : NULL;
            const float *start = k ? out + column : m->bias + column;
            const int64_t start_row = k ? out_row : 0;
            float *o = out + column;
            switch (8 * count + part) {
                SEVERAL(2, 1)
                SEVERAL(2, 2)
                SEVERAL(2, 3)
                SEVERAL(2, 4)
                SEVERAL(3, 1)
                SEVERAL(3, 2)
                SEVERAL(3, 3)
                SEVERAL(3, 4)
            }
        }
    }
}

/* out (rows, width) = a few rows times a matrix of float16 or int8, plus its bias;
   `vectors` of LANES columns are in a panel. Sums of more than MOST_TERMS products of
   int8 with int16 could leave int32: they are added up in float32. */
static void NAME(small_product)(const struct matrix *m, int64_t vectors,
                                const float *const *a, int64_t rows, float *out,
                                int reverse)
{
    const int64_t out_row = m->panels * vectors * LANES;
    if (m->storage == FLOAT16 && rows == 1) {
        NAME(small_row)(m, vectors, a, 0, m->K, NULL, NULL, out, reverse);
        return;
    }
    int16_t numbers[MOST_GROUP][MOST_TERMS];
    float magnitudes[MOST_GROUP], row_scales[MOST_GROUP];
    for (int64_t count; rows; rows -= count, a += count, out += count * out_row) {
        /* Groups of nearly equal size: 4 rows are 2 and 2, not 3 and 1. */
        const int64_t groups = (rows + MOST_GROUP - 1) / MOST_GROUP;
        const int64_t block = m->storage == INT8 ? MOST_TERMS : BLOCK;
        count = (rows + groups - 1) / groups;
        if (m->storage == INT8) {
            int64_t fit = 0;
            while (fit < count &&
                   (magnitudes[fit] = NAME(magnitude)(a[fit], m->K)) != 0.0f)
                fit++;
            count = fit ? fit : 1;
            if (!fit) {
                NAME(row_floats)(m, vectors, a[0], out);
                continue;
            }
        }
        for (int64_t k = 0; k < m->K; k += block) {
            const int64_t terms = minimum(block, m->K - k);
            for (int64_t i = 0; i < count && m->storage == INT8; i++) {
                row_scales[i] = magnitudes[i] / LARGEST;
                NAME(quantize)(a[i] + k, terms, LARGEST / magnitudes[i], numbers[i]);
            }
            if (count == 1) {
                NAME(small_row)
                (m, vectors, a, k, terms, numbers, row_scales, out, reverse);
                continue;
            }
            NAME(several_rows)
            (m, vectors, a, count, k, terms, numbers, row_scales, out, out_row,
             reverse);
        }
    }
}

enum { NAME(HALVES) = HALVES };
#undef FLOATS
#undef ROWS
#undef ONE
#undef SEVERAL
#undef HALVES
#undef svec
