/* Gates and states of one time step, after the matrix products. Included by lanes.h,
   once for each number of lanes. */

/* The equations are in layers/cells.py. Each function makes two or more passes over all
   units with few operations each: the processor then overlaps many units, where one
   pass would wait for each division.

   x: the projected inputs; u: the products of the states with the recurrent kernel.
   Both hold, for each LANES units, one vector per gate. count: units of all rows. */
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
        const float *gates = u + 4 * i;
        vec candidate = NAME(activate)(act, l->slope, LOAD(gates + 2 * LANES));
        STORE(c + i, LOAD(gates + LANES) * LOAD(c + i) + LOAD(gates) * candidate);
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

/* Dispatches to the cell. Keras' default activations are compile-time constants. */
static void NAME(finish)(const struct layer *l, int64_t count, const float *x, float *u,
                         const float *candidate, float *h, float *c)
{
    const int defaults = l->gate == SIGMOID && l->activation == TANH;
    if (l->kind == GRU_AFTER && defaults)
        NAME(gru_after)(l, SIGMOID, TANH, count, x, u, h);
    else if (l->kind == GRU_AFTER)
        NAME(gru_after)(l, l->gate, l->activation, count, x, u, h);
    else if (l->kind == GRU_BEFORE)
        NAME(gru_before)(l, l->activation, count, x, u, candidate, h);
    else if (l->kind == LSTM && defaults)
        NAME(lstm)(l, SIGMOID, TANH, count, x, u, h, c);
    else if (l->kind == LSTM)
        NAME(lstm)(l, l->gate, l->activation, count, x, u, h, c);
    else if (l->activation == TANH)
        NAME(simple)(l, TANH, count, x, u, h);
    else
        NAME(simple)(l, l->activation, count, x, u, h);
}

/* One time step of `rows` rows; x: their projected inputs. A row whose `valid` is 0
   keeps its states. */
static void NAME(step)(const struct layer *l, int64_t rows, const float *x,
                       const uint8_t *valid, float *h, float *c, float *work, int how)
{
    const float *row[MAX_ROWS];
    const int64_t width = l->width;
    const int64_t projected = l->input.panels * l->input.vectors * LANES;
    const int64_t size = l->recurrent.panels * l->recurrent.vectors * LANES;
    float *candidate = work;
    int64_t active = rows;
    for (int64_t i = 0; valid && i < rows; i++)
        active -= !valid[i];
    if (!active)
        return;
    for (int64_t i = 0; i < rows; i++)
        row[i] = h + i * width;
    NAME(product)(&l->recurrent, row, rows, work, how);
    if (l->kind == GRU_BEFORE) {
        float *reset = work + rows * size;
        candidate = reset + rows * width;
        NAME(gru_gates)(l, l->gate, rows * width, x, work, h, reset);
        for (int64_t i = 0; i < rows; i++)
            row[i] = reset + i * width;
        NAME(product)(&l->candidate, row, rows, candidate, how);
    }
    if (active == rows) {
        NAME(finish)(l, rows * width, x, work, candidate, h, c);
        return;
    }
    for (int64_t i = 0; i < rows; i++)
        if (valid[i])
            NAME(finish)(l, width, x + i * projected, work + i * size,
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
    float largest = y[0], sum = 0.0f, parts[LANES];
    vec part = V(0.0f);
    int64_t full = l->units / LANES * LANES;
    for (int64_t j = 1; j < l->units; j++)
        largest = y[j] > largest ? y[j] : largest;
    for (int64_t j = 0; j < l->width; j += LANES)
        STORE(y + j, NAME(exp_down)(LOAD(y + j) - V(largest)));
    for (int64_t j = 0; j < full; j += LANES)
        part += LOAD(y + j);
    STORE(parts, part);
    for (int j = 0; j < LANES; j++)
        sum += parts[j];
    for (int64_t j = full; j < l->units; j++)
        sum += y[j];
    for (int64_t j = 0; j < l->width; j += LANES)
        STORE(y + j, LOAD(y + j) / V(sum));
}
