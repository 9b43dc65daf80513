/* What follows the products: gates and states. Included by lanes.h, once for each
   width. */

/* What is left of a step after the products: see layers/cells.py. Each function goes
   through all units twice or more, with little to do for one: so that the processor
   works on many at once, where one after the other would wait for each division.

   x: the projected inputs, u: the products of the states, the gates of LANES units side
   by side; count: units, of all rows. */
static INLINE void NAME(gru_after)(const struct layer *l, int32_t gate, int32_t act,
                                   int64_t count, const float *x, float *u, float *h)
{
    const int64_t size = 3 * count;
    for (int64_t i = 0; i < size; i += 3 * LANES) {
        vec z = NAME(activate)(gate, l->gate_slope, LOAD(x + i) + LOAD(u + i));
        vec r = NAME(activate)(gate, l->gate_slope,
                               LOAD(x + i + LANES) + LOAD(u + i + LANES));
        STORE(u + i, z);
        STORE(u + i + LANES, LOAD(x + i + 2 * LANES) + r * LOAD(u + i + 2 * LANES));
    }
    for (int64_t i = 0; i < count; i += LANES, u += 3 * LANES) {
        vec z = LOAD(u), candidate = NAME(activate)(act, l->slope, LOAD(u + LANES));
        STORE(h + i, z * LOAD(h + i) + (V(1.0f) - z) * candidate);
    }
}

static INLINE void NAME(gru_gates)(const struct layer *l, int32_t gate, int64_t count,
                                   const float *x, float *u, const float *h,
                                   float *reset)
{
    for (int64_t i = 0; i < count; i += LANES, x += 3 * LANES, u += 2 * LANES) {
        vec r = NAME(activate)(gate, l->gate_slope, LOAD(x + LANES) + LOAD(u + LANES));
        STORE(u, NAME(activate)(gate, l->gate_slope, LOAD(x) + LOAD(u)));
        STORE(reset + i, r * LOAD(h + i));
    }
}

static INLINE void NAME(gru_before)(const struct layer *l, int32_t act, int64_t count,
                                    const float *x, const float *z, const float *u,
                                    float *h)
{
    for (int64_t i = 0; i < count; i += LANES, x += 3 * LANES, z += 2 * LANES) {
        vec gate = LOAD(z);
        vec candidate =
            NAME(activate)(act, l->slope, LOAD(x + 2 * LANES) + LOAD(u + i));
        STORE(h + i, gate * LOAD(h + i) + (V(1.0f) - gate) * candidate);
    }
}

static INLINE void NAME(lstm)(const struct layer *l, int32_t gate, int32_t act,
                              int64_t count, const float *x, float *u, float *h,
                              float *c)
{
    for (int64_t i = 0; i < 4 * count; i += 4 * LANES)
        UNROLL for (int v = 0; v < 4; v++) {
            const int64_t at = i + v * LANES;
            const vec sum = LOAD(x + at) + LOAD(u + at);
            STORE(u + at, v == 2 ? sum : NAME(activate)(gate, l->gate_slope, sum));
        }
    for (int64_t i = 0; i < count; i += LANES) {
        const float *own = u + 4 * i;
        vec candidate = NAME(activate)(act, l->slope, LOAD(own + 2 * LANES));
        STORE(c + i, LOAD(own + LANES) * LOAD(c + i) + LOAD(own) * candidate);
    }
    for (int64_t i = 0; i < count; i += LANES)
        STORE(h + i, LOAD(u + 4 * i + 3 * LANES) *
                         NAME(activate)(act, l->slope, LOAD(c + i)));
}

static INLINE void NAME(simple)(const struct layer *l, int32_t act, int64_t count,
                                const float *x, const float *u, float *h)
{
    for (int64_t i = 0; i < count; i += LANES)
        STORE(h + i, NAME(activate)(act, l->slope, LOAD(x + i) + LOAD(u + i)));
}

/* One of them, with Keras' usual activations known to the compiler. */
static void NAME(finish)(const struct layer *l, int64_t count, const float *x, float *u,
                         const float *candidate, float *h, float *c)
{
    const int usual = l->gate == SIGMOID && l->activation == TANH;
    if (l->kind == GRU_AFTER && usual)
        NAME(gru_after)(l, SIGMOID, TANH, count, x, u, h);
    else if (l->kind == GRU_AFTER)
        NAME(gru_after)(l, l->gate, l->activation, count, x, u, h);
    else if (l->kind == GRU_BEFORE)
        NAME(gru_before)(l, l->activation, count, x, u, candidate, h);
    else if (l->kind == LSTM && usual)
        NAME(lstm)(l, SIGMOID, TANH, count, x, u, h, c);
    else if (l->kind == LSTM)
        NAME(lstm)(l, l->gate, l->activation, count, x, u, h, c);
    else if (l->activation == TANH)
        NAME(simple)(l, TANH, count, x, u, h);
    else
        NAME(simple)(l, l->activation, count, x, u, h);
}

/* One time step of `rows` rows; x holds their projected inputs. A row whose `valid`
   is 0 keeps its states. */
static void NAME(step)(const struct layer *l, int64_t rows, const float *x,
                       const uint8_t *valid, float *h, float *c, float *work, int turned)
{
    const float *row[MOST_ROWS];
    const int64_t width = l->width, wide = l->input.panels * l->input.vectors * LANES;
    const int64_t size = l->recurrent.panels * l->recurrent.vectors * LANES;
    float *candidate = work;
    int64_t moving = rows;
    for (int64_t i = 0; valid && i < rows; i++)
        moving -= !valid[i];
    if (!moving)
        return;
    for (int64_t i = 0; i < rows; i++)
        row[i] = h + i * width;
    NAME(product)(&l->recurrent, row, rows, work, turned);
    if (l->kind == GRU_BEFORE) {
        float *reset = work + rows * size;
        candidate = reset + rows * width;
        NAME(gru_gates)(l, l->gate, rows * width, x, work, h, reset);
        for (int64_t i = 0; i < rows; i++)
            row[i] = reset + i * width;
        NAME(product)(&l->candidate, row, rows, candidate, turned);
    }
    if (moving == rows) {
        NAME(finish)(l, rows * width, x, work, candidate, h, c);
        return;
    }
    for (int64_t i = 0; i < rows; i++)
        if (valid[i])
            NAME(finish)(l, width, x + i * wide, work + i * size,
                         candidate + i * width, h + i * width, c + i * width);
}

/* y = activation(y) over `count` padded floats; softmax over the first `units`. */
static void NAME(activate_row)(const struct layer *l, float *y)
{
    if (l->activation != SOFTMAX) {
        for (int64_t j = 0; j < l->width; j += LANES)
            STORE(y + j, NAME(activate)(l->activation, l->slope, LOAD(y + j)));
        return;
    }
    float most = y[0], sum = 0.0f, parts[LANES];
    vec part = V(0.0f);
    int64_t whole = l->units / LANES * LANES;
    for (int64_t j = 1; j < l->units; j++)
        most = y[j] > most ? y[j] : most;
    for (int64_t j = 0; j < l->width; j += LANES)
        STORE(y + j, NAME(exp_down)(LOAD(y + j) - V(most)));
    for (int64_t j = 0; j < whole; j += LANES)
        part += LOAD(y + j);
    STORE(parts, part);
    for (int j = 0; j < LANES; j++)
        sum += parts[j];
    for (int64_t j = whole; j < l->units; j++)
        sum += y[j];
    for (int64_t j = 0; j < l->width; j += LANES)
        STORE(y + j, LOAD(y + j) / V(sum));
}
