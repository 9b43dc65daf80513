/* The kernel at one vector width.

   Included once for each width, with LANES (floats in a vector), WIDE (1 where there
   are 32 vector registers) and NAME(x) (the suffix of this width's functions) set.
   Vectors are GCC's and Clang's own; nothing here names an instruction.

   Matrices are packed in panels (kernel.c, pack_matrix): panel p holds, for every row
   k of the kernel, `vectors` vectors side by side. A GRU's panel is LANES units wide
   and holds the gates z, r, h of the same units. */

typedef float NAME(vec) __attribute__((vector_size(4 * LANES)));
typedef int32_t NAME(ivec) __attribute__((vector_size(4 * LANES)));
typedef float NAME(uvec)
    __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define vec NAME(vec)
#define ivec NAME(ivec)

#if LANES == 4
#define SPLAT(a) {a, a, a, a}
#elif LANES == 8
#define SPLAT(a) {a, a, a, a, a, a, a, a}
#else
#define SPLAT(a) {a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a}
#endif

static INLINE vec NAME(splat)(float a)
{
    vec v = SPLAT(a);
    return v;
}

static INLINE ivec NAME(isplat)(int32_t a)
{
    ivec v = SPLAT(a);
    return v;
}

static INLINE vec NAME(load)(const float *p)
{
    return (vec) * (const NAME(uvec) *)p;
}

static INLINE void NAME(store)(float *p, vec v)
{
    *(NAME(uvec) *)p = (NAME(uvec))v;
}

#define V(a) NAME(splat)(a)
#define I(a) NAME(isplat)(a)
#define LOAD NAME(load)
#define STORE NAME(store)

static INLINE vec NAME(select)(ivec condition, vec yes, vec no)
{
    return (vec)((condition & (ivec)yes) | (~condition & (ivec)no));
}

/* exp(s) = 2^n (1 + p). Range reduction in two parts of ln 2 and the polynomial are
   those of Cephes' expf (Moshier 1992). The sum with ROUND leaves n in the low bits,
   which only holds where additions are not rearranged: never compile with -ffast-math.
   NaN stays NaN: it passes through r. */
#define ROUND 12582912.0f

static INLINE vec NAME(reduce)(vec s, ivec *n)
{
    vec shifted = s * V(1.44269504088896341f) + V(ROUND);
    vec whole = shifted - V(ROUND);
    vec r = (s - whole * V(0.693359375f)) + whole * V(2.12194440e-4f);
    vec p = V(1.9875691500e-4f);
    p = p * r + V(1.3981999507e-3f);
    p = p * r + V(8.3334519073e-3f);
    p = p * r + V(4.1665795894e-2f);
    p = p * r + V(1.6666665459e-1f);
    p = p * r + V(5.0000001201e-1f);
    *n = (ivec)shifted - (ivec)V(ROUND);
    return (r * r) * p + r;
}

static INLINE vec NAME(power_of_two)(ivec n)
{
    return (vec)((n << 23) + I(0x3f800000));
}

/* exp(x) for x <= 0, down to the denormals: 2^n in two factors, both normal. */
static INLINE vec NAME(exp_down)(vec x)
{
    ivec n;
    x = NAME(select)(x < V(-104.0f), V(-104.0f), x);
    vec p = NAME(reduce)(x, &n);
    ivec half = n >> 1;
    return ((p + V(1.0f)) * NAME(power_of_two)(half)) *
           NAME(power_of_two)(n - half);
}

/* Below 0.625 the polynomial of Cephes' tanhf; above it 1 - 2 / (exp(2|x|) + 1), which
   is 1 from 10 on. */
static INLINE vec NAME(tanh)(vec x)
{
    ivec n, sign = (ivec)x & I(INT32_MIN);
    vec a = (vec)((ivec)x & I(INT32_MAX));
    a = NAME(select)(a > V(10.0f), V(10.0f), a);
    vec square = a * a;
    vec inner = V(-5.70498872745e-3f);
    inner = inner * square + V(2.06390887954e-2f);
    inner = inner * square + V(-5.37397155531e-2f);
    inner = inner * square + V(1.33314422036e-1f);
    inner = inner * square + V(-3.33332819422e-1f);
    inner = (inner * square) * a + a;
    vec p = NAME(reduce)(a + a, &n);
    vec power = NAME(power_of_two)(n);
    vec outer = V(1.0f) - V(2.0f) / ((power * p + power) + V(1.0f));
    return (vec)((ivec)NAME(select)(a < V(0.625f), inner, outer) | sign);
}

/* 1 / (1 + e) for x >= 0 and e / (1 + e) below, with e = exp(-|x|): relative
   precision in both tails. */
static INLINE vec NAME(sigmoid)(vec x)
{
    vec e = NAME(exp_down)((vec)((ivec)x | I(INT32_MIN)));
    return NAME(select)(x < V(0.0f), e, V(1.0f)) / (V(1.0f) + e);
}

static INLINE vec NAME(hard_sigmoid)(vec x, float slope)
{
    vec y = x * V(slope) + V(0.5f);
    y = NAME(select)(y < V(0.0f), V(0.0f), y);
    return NAME(select)(y > V(1.0f), V(1.0f), y);
}

static INLINE vec NAME(activate)(int32_t kind, float slope, vec x)
{
    if (kind == TANH)
        return NAME(tanh)(x);
    if (kind == SIGMOID)
        return NAME(sigmoid)(x);
    if (kind == HARD_SIGMOID)
        return NAME(hard_sigmoid)(x, slope);
    if (kind == RELU)
        return NAME(select)(x < V(0.0f), V(0.0f), x);
    return x;
}

/* One row times one panel. The sum over k runs in several chains, which hides the
   latency of the additions and rounds less than one long chain. */
static INLINE void NAME(row)(const int vectors, const float *a, int64_t K,
                             const float *w, const float *bias, float *out)
{
    const int chains = vectors == 1 ? 8 : vectors == 4 ? 2 : 4;
    vec sum[8][4];
    int64_t k = 0;
    UNROLL for (int s = 0; s < chains; s++)
        UNROLL for (int v = 0; v < vectors; v++)
            sum[s][v] = s ? V(0.0f) : LOAD(bias + v * LANES);
    for (; k + chains <= K; k += chains) {
        UNROLL for (int s = 0; s < chains; s++) {
            vec x = V(a[k + s]);
            UNROLL for (int v = 0; v < vectors; v++)
                sum[s][v] += LOAD(w + (s * vectors + v) * LANES) * x;
        }
        w += chains * vectors * LANES;
    }
    for (; k < K; k++) {
        vec x = V(a[k]);
        UNROLL for (int v = 0; v < vectors; v++)
            sum[0][v] += LOAD(w + v * LANES) * x;
        w += vectors * LANES;
    }
    UNROLL for (int v = 0; v < vectors; v++) {
        UNROLL for (int step = chains / 2; step; step /= 2)
            UNROLL for (int s = 0; s < step; s++)
                sum[s][v] += sum[s + step][v];
        STORE(out + v * LANES, sum[0][v]);
    }
}

/* Several rows times the terms from k to end of one panel, every sum in a register.
   The first block begins with the bias, the others go on from what is in `out`. */
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
    for (w += k * vectors * LANES; k < end; k++) {
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
            float *place = out + i * out_row + v * LANES;
            if (!first)
                sum[i][v] += LOAD(place);
            STORE(place, sum[i][v]);
        }
    }
}

#define SOME_ROWS(count, vectors)                                                  \
    case count:                                                                    \
        NAME(rows)(count, vectors, b, k, end, w, bias, o, out_row);                \
        break;

/* Blocks of terms stay in the nearest cache while the rows go by, and sums made of
   blocks round less than one long chain. */
#define PANEL(vectors, most)                                                       \
    static void NAME(panel##vectors)(const float *const *a, int64_t rows,          \
                                     int64_t K, const float *w, const float *bias, \
                                     float *out, int64_t out_row)                  \
    {                                                                              \
        if (rows == 1) {                                                           \
            NAME(row)(vectors, a[0], K, w, bias, out);                             \
            return;                                                                \
        }                                                                          \
        for (int64_t k = 0; k == 0 || k < K; k += BLOCK) {                         \
            const int64_t end = least(k + BLOCK, K);                               \
            const float *const *b = a;                                             \
            int64_t left = rows;                                                   \
            float *o = out;                                                        \
            for (; left >= most; left -= most, b += most, o += most * out_row)     \
                NAME(rows)(most, vectors, b, k, end, w, bias, o, out_row);         \
            switch (left) {                                                        \
                SOME_ROWS(1, vectors)                                              \
                SOME_ROWS(2, vectors)                                              \
                MORE_ROWS_##most(vectors)                                          \
            }                                                                      \
        }                                                                          \
    }
#define MORE_ROWS_3(vectors)
#define MORE_ROWS_4(vectors) SOME_ROWS(3, vectors)
#define MORE_ROWS_6(vectors)                                                       \
    MORE_ROWS_4(vectors) SOME_ROWS(4, vectors) SOME_ROWS(5, vectors)
#define MORE_ROWS_8(vectors)                                                       \
    MORE_ROWS_6(vectors) SOME_ROWS(6, vectors) SOME_ROWS(7, vectors)

/* As many rows at once as leave every sum in a register. */
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

/* out (rows, width) = a (rows, K) times the matrix, plus its bias. */
static void NAME(product)(const struct matrix *m, const float *const *a, int64_t rows,
                          float *out)
{
    const int64_t panel_width = m->vectors * LANES;
    const int64_t width = m->panels * panel_width;
    const float *bias = m->data + width * m->K;
    for (int64_t p = 0; p < m->panels; p++) {
        const float *w = m->data + p * panel_width * m->K;
        const float *b = bias + p * panel_width;
        float *o = out + p * panel_width;
        if (m->vectors == 3)
            NAME(panel3)(a, rows, m->K, w, b, o, width);
        else if (m->vectors == 4)
            NAME(panel4)(a, rows, m->K, w, b, o, width);
        else if (m->vectors == 2)
            NAME(panel2)(a, rows, m->K, w, b, o, width);
        else
            NAME(panel1)(a, rows, m->K, w, b, o, width);
    }
}

/* What is left of a step after the products, one row: see layers/cells.py. */
static INLINE void NAME(gru_after)(const struct layer *l, int32_t gate, int32_t act,
                                   const float *x, const float *u, float *h)
{
    for (int64_t i = 0; i < l->width; i += LANES, x += 3 * LANES, u += 3 * LANES) {
        vec z = NAME(activate)(gate, l->gate_slope, LOAD(x) + LOAD(u));
        vec r = NAME(activate)(gate, l->gate_slope, LOAD(x + LANES) + LOAD(u + LANES));
        vec candidate = NAME(activate)(act, l->slope,
                                       LOAD(x + 2 * LANES) + r * LOAD(u + 2 * LANES));
        STORE(h + i, z * LOAD(h + i) + (V(1.0f) - z) * candidate);
    }
}

static INLINE void NAME(gru_gates)(const struct layer *l, int32_t gate,
                                   const float *x, float *u, const float *h,
                                   float *reset)
{
    for (int64_t i = 0; i < l->width; i += LANES, x += 3 * LANES, u += 2 * LANES) {
        vec r = NAME(activate)(gate, l->gate_slope, LOAD(x + LANES) + LOAD(u + LANES));
        STORE(u, NAME(activate)(gate, l->gate_slope, LOAD(x) + LOAD(u)));
        STORE(reset + i, r * LOAD(h + i));
    }
}

static INLINE void NAME(gru_before)(const struct layer *l, int32_t act, const float *x,
                                    const float *z, const float *u, float *h)
{
    for (int64_t i = 0; i < l->width; i += LANES, x += 3 * LANES, z += 2 * LANES) {
        vec gate = LOAD(z);
        vec candidate =
            NAME(activate)(act, l->slope, LOAD(x + 2 * LANES) + LOAD(u + i));
        STORE(h + i, gate * LOAD(h + i) + (V(1.0f) - gate) * candidate);
    }
}

static INLINE void NAME(lstm)(const struct layer *l, int32_t gate, int32_t act,
                              const float *x, const float *u, float *h, float *c)
{
    for (int64_t j = 0; j < l->width; j += LANES, x += 4 * LANES, u += 4 * LANES) {
        vec i = NAME(activate)(gate, l->gate_slope, LOAD(x) + LOAD(u));
        vec f = NAME(activate)(gate, l->gate_slope, LOAD(x + LANES) + LOAD(u + LANES));
        vec g = NAME(activate)(act, l->slope,
                               LOAD(x + 2 * LANES) + LOAD(u + 2 * LANES));
        vec o = NAME(activate)(gate, l->gate_slope,
                               LOAD(x + 3 * LANES) + LOAD(u + 3 * LANES));
        vec carried = f * LOAD(c + j) + i * g;
        STORE(c + j, carried);
        STORE(h + j, o * NAME(activate)(act, l->slope, carried));
    }
}

/* One time step of `rows` rows; x holds their projected inputs. A row whose `valid`
   is 0 keeps its states. */
static void NAME(step)(const struct layer *l, int64_t rows, const float *x,
                       const uint8_t *valid, float *h, float *c, float *work)
{
    const float *row[MOST_ROWS];
    const int64_t width = l->width;
    const int usual = l->gate == SIGMOID && l->activation == TANH;
    float *reset = work + 2 * rows * width, *u = reset + rows * width;
    for (int64_t i = 0; i < rows; i++)
        row[i] = h + i * width;
    NAME(product)(&l->recurrent, row, rows, work);
    if (l->kind == GRU_BEFORE) {
        for (int64_t i = 0; i < rows; i++)
            NAME(gru_gates)(l, l->gate, x + 3 * i * width, work + 2 * i * width,
                            h + i * width, reset + i * width);
        for (int64_t i = 0; i < rows; i++)
            row[i] = reset + i * width;
        NAME(product)(&l->candidate, row, rows, u);
    }
    for (int64_t i = 0; i < rows; i++) {
        float *own = h + i * width;
        if (valid && !valid[i])
            continue;
        if (l->kind == GRU_AFTER && usual)
            NAME(gru_after)(l, SIGMOID, TANH, x + 3 * i * width,
                            work + 3 * i * width, own);
        else if (l->kind == GRU_AFTER)
            NAME(gru_after)(l, l->gate, l->activation, x + 3 * i * width,
                            work + 3 * i * width, own);
        else if (l->kind == GRU_BEFORE)
            NAME(gru_before)(l, l->activation, x + 3 * i * width,
                             work + 2 * i * width, u + i * width, own);
        else if (l->kind == LSTM && usual)
            NAME(lstm)(l, SIGMOID, TANH, x + 4 * i * width, work + 4 * i * width, own,
                       c + i * width);
        else if (l->kind == LSTM)
            NAME(lstm)(l, l->gate, l->activation, x + 4 * i * width,
                       work + 4 * i * width, own, c + i * width);
        else
            for (int64_t j = 0; j < width; j += LANES)
                STORE(own + j, NAME(activate)(l->activation, l->slope,
                                              LOAD(x + i * width + j) +
                                                  LOAD(work + i * width + j)));
    }
}

/* y = activation(y) over `count` padded floats; softmax over the first `units`. */
static void NAME(activate_row)(const struct layer *l, float *y)
{
    if (l->activation != SOFTMAX) {
        for (int64_t j = 0; j < l->width; j += LANES)
            STORE(y + j, NAME(activate)(l->activation, l->slope, LOAD(y + j)));
        return;
    }
    float most = y[0], sum = 0.0f;
    for (int64_t j = 1; j < l->units; j++)
        most = y[j] > most ? y[j] : most;
    for (int64_t j = 0; j < l->width; j += LANES)
        STORE(y + j, NAME(exp_down)(LOAD(y + j) - V(most)));
    for (int64_t j = 0; j < l->units; j++)
        sum += y[j];
    for (int64_t j = 0; j < l->width; j += LANES)
        STORE(y + j, LOAD(y + j) / V(sum));
}

/* For the tests: one function over an array of whole vectors. */
static void NAME(apply)(int32_t kind, float slope, float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i += LANES)
        STORE(x + i, NAME(activate)(kind, slope, LOAD(x + i)));
}

static const struct width NAME(functions) = {
    LANES, NAME(product), NAME(step), NAME(activate_row), NAME(apply),
};

#undef vec
#undef ivec
#undef V
#undef I
#undef LOAD
#undef STORE
#undef SPLAT
#undef ROUND
#undef PANEL
#undef SOME_ROWS
#undef MORE_ROWS_3
#undef MORE_ROWS_4
#undef MORE_ROWS_6
#undef MORE_ROWS_8
#undef LANES
#undef WIDE
#undef NAME
