/* Rows times packed matrices. Included by lanes.h, once for each number of lanes. */

/* One row times one panel. The sum over k is split into partial sums, which hides the
   latency of the additions and rounds less than one long sum. */
static INLINE void NAME(row)(const int vectors, const float *a, int64_t K,
                             const float *w, const float *bias, float *out)
{
    const int partials = vectors == 1 ? 8 : vectors == 4 ? 2 : 4;
    vec sum[8][4];
    int64_t k = 0;
    UNROLL for (int s = 0; s < partials; s++)
        UNROLL for (int v = 0; v < vectors; v++)
            sum[s][v] = s ? V(0.0f) : LOAD(bias + v * LANES);
    for (; k + partials <= K; k += partials) {
        UNROLL for (int s = 0; s < partials; s++) {
            vec x = V(a[k + s]);
            UNROLL for (int v = 0; v < vectors; v++)
                sum[s][v] += LOAD(w + (s * vectors + v) * LANES) * x;
        }
        w += partials * vectors * LANES;
    }
    for (; k < K; k++) {
        vec x = V(a[k]);
        UNROLL for (int v = 0; v < vectors; v++)
            sum[0][v] += LOAD(w + v * LANES) * x;
        w += vectors * LANES;
    }
    UNROLL for (int v = 0; v < vectors; v++) {
        UNROLL for (int step = partials / 2; step; step /= 2)
            UNROLL for (int s = 0; s < step; s++)
                sum[s][v] += sum[s + step][v];
        STORE(out + v * LANES, sum[0][v]);
    }
}

/* Several rows times the terms k to end of one panel, every sum in a register; w: the
   weights from term k on. The first block starts from the bias, the others add to
   `out`. */
static INLINE void NAME(rows)(const int count, const int vectors,
                              const float *const *a, int64_t k, int64_t end,
                              const float *w, const float *bias, float *out,
                              int64_t out_row)
{
    vec sum[8][4];
    const float *row[8];
    const int first = k == 0;
    UNROLL for (int i = 0; i < count; i++) {
        row[i] = a[i];
        UNROLL for (int v = 0; v < vectors; v++)
            sum[i][v] = first ? LOAD(bias + v * LANES) : V(0.0f);
    }
    for (; k < end; k++) {
        vec weight[4];
        UNROLL for (int v = 0; v < vectors; v++)
            weight[v] = LOAD(w + v * LANES);
        UNROLL for (int i = 0; i < count; i++) {
            vec x = V(row[i][k]);
            UNROLL for (int v = 0; v < vectors; v++)
                sum[i][v] += weight[v] * x;
        }
        w += vectors * LANES;
    }
    UNROLL for (int i = 0; i < count; i++) {
        UNROLL for (int v = 0; v < vectors; v++) {
            float *p = out + i * out_row + v * LANES;
            if (!first)
                sum[i][v] += LOAD(p);
            STORE(p, sum[i][v]);
        }
    }
}

#define SOME_ROWS(count, vectors)                                                  \
    case count:                                                                    \
        NAME(rows)(count, vectors, b, k, end, w, bias, o, out_row);                \
        break;

/* Panel p of a matrix. A block of terms stays in the L1 cache while all rows use it, and
   sums of blocks round less than one long sum. Where a matrix is larger than that cache,
   each group of rows prefetches its part of the next block. */
#define PANEL(vectors, group)                                                      \
    static void NAME(panel##vectors)(const struct matrix *m, int64_t p,            \
                                     const float *const *a, int64_t rows,          \
                                     float *out, int64_t out_row)                  \
    {                                                                              \
        const int64_t K = m->K, width = vectors * LANES;                           \
        const int64_t term = width * SIZES[m->storage];                            \
        const uint8_t *data = m->data + p * m->terms * term;                       \
        const float *bias = m->bias + p * width;                                   \
        float wide[BLOCK * vectors * LANES] __attribute__((aligned(64)));          \
        out += p * width;                                                          \
        if (rows == 1) {                                                           \
            NAME(row)(vectors, a[0], K, (const float *)data, bias, out);           \
            return;                                                                \
        }                                                                          \
        for (int64_t k = 0; k == 0 || k < K; k += BLOCK) {                         \
            const int64_t end = minimum(k + BLOCK, K);                             \
            const float *const *b = a;                                             \
            int64_t remaining = rows;                                              \
            float *o = out;                                                        \
            const int64_t size = K > BLOCK ? (end - k) * term : 0;                 \
            uintptr_t next = (uintptr_t)(data + end * term);                       \
            const float *w = (const float *)(data + k * term);                     \
            if (m->storage != FLOAT32) {                                           \
                const float *scales = m->storage == INT8 ? m->scales + p * width : NULL; \
                SMALL(widen)(m, width, w, end - k, scales, wide);                  \
                w = wide;                                                          \
            }                                                                      \
            for (; remaining >= group; remaining -= group) {                       \
                next = prefetch(next, size * group / rows);                        \
                NAME(rows)(group, vectors, b, k, end, w, bias, o, out_row);        \
                b += group;                                                        \
                o += group * out_row;                                              \
            }                                                                      \
            switch (remaining) {                                                   \
                SOME_ROWS(1, vectors)                                              \
                SOME_ROWS(2, vectors)                                              \
                MORE_ROWS_##group(vectors)                                         \
            }                                                                      \
        }                                                                          \
    }
#define MORE_ROWS_3(vectors)
#define MORE_ROWS_4(vectors) SOME_ROWS(3, vectors)
#define MORE_ROWS_6(vectors)                                                       \
    MORE_ROWS_4(vectors) SOME_ROWS(4, vectors) SOME_ROWS(5, vectors)
#define MORE_ROWS_8(vectors)                                                       \
    MORE_ROWS_6(vectors) SOME_ROWS(6, vectors) SOME_ROWS(7, vectors)

/* The second argument: the largest group of rows whose sums fit in registers. */
PANEL(1, 8)
#if WIDE
PANEL(2, 8)
PANEL(3, 8)
PANEL(4, 6)
#else
PANEL(2, 6)
PANEL(3, 4)
PANEL(4, 3)
#endif

/* out (rows, width) = a (rows, K) times the matrix, plus its bias; `how`: BACKWARDS and
   WIDENED. */
static void NAME(product)(const struct matrix *m, const float *const *a, int64_t rows,
                          float *out, int how)
{
    const int64_t width = m->panels * m->vectors * LANES;
    const int reverse = how & BACKWARDS;
    const int64_t few = how & WIDENED && m->storage == INT8 ? 1 : FEW_ROWS;
    if (rows <= few && m->storage != FLOAT32) {
        SMALL(small_product)
        (m, m->vectors * LANES / SMALL_LANES, a, rows, out, reverse);
        return;
    }
    for (int64_t n = 0; n < m->panels; n++) {
        const int64_t p = reverse ? m->panels - 1 - n : n;
        if (m->vectors == 3)
            NAME(panel3)(m, p, a, rows, out, width);
        else if (m->vectors == 4)
            NAME(panel4)(m, p, a, rows, out, width);
        else if (m->vectors == 2)
            NAME(panel2)(m, p, a, rows, out, width);
        else
            NAME(panel1)(m, p, a, rows, out, width);
    }
}
