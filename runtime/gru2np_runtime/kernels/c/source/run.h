/* One recurrent layer over time. */

/* Floats of workspace that gru2np_run needs for `batch` rows or fewer. */
EXPORT int64_t gru2np_workspace(const struct layer *l, int64_t batch, int64_t time)
{
    return max_products(batch, time) * projected_width(l) +
           6 * max_rows(batch) * l->width + ALIGNMENT;
}

struct call {
    const float *x;              /* (batch, time, features), strides in floats */
    const uint8_t *mask;         /* (batch, time), strides in bytes, or NULL */
    float *h, *c;                /* (batch, units): states, in and out; c of LSTM */
    float *last;                 /* (batch, units): previous output in, last out */
    float *y;                    /* (batch, time, units), strides in floats, or NULL */
    float *work;
    int64_t batch, time;
    int64_t x_row, x_time, mask_row, mask_time, y_row, y_time;
    int64_t backwards, masked;
};

static void run_chunk(const struct layer *l, const struct call *call, int64_t first,
                      int64_t rows)
{
    const struct functions *f = FUNCTIONS[l->level];
    const int64_t width = l->width, units = l->units;
    const int64_t projected = projected_width(l);
    const int64_t tile = tile_of(rows, call->time);
    const size_t size = (size_t)units * sizeof(float);
    float *x = aligned(call->work), *h = x + tile * rows * projected;
    float *c = h + rows * width, *work = c + rows * width;
    const float *row[MAX_ROWS];
    uint8_t valid[MAX_ROWS], started[MAX_ROWS];

    memset(h, 0, (size_t)(2 * rows * width) * sizeof(float));
    for (int64_t i = 0; i < rows; i++) {
        memcpy(h + i * width, call->h + (first + i) * units, size);
        if (l->kind == LSTM)
            memcpy(c + i * width, call->c + (first + i) * units, size);
        started[i] = call->mask == NULL;
    }
    for (int64_t begin = 0, steps; begin < call->time; begin += steps) {
        steps = steps_of(tile, call->time - begin);
        for (int64_t s = 0; s < steps; s++) {
            const int64_t t = call->backwards ? call->time - 1 - begin - s : begin + s;
            for (int64_t i = 0; i < rows; i++)
                row[s * rows + i] =
                    call->x + (first + i) * call->x_row + t * call->x_time;
        }
        f->product(&l->input, row, steps * rows, x, steps > 1 ? WIDENED : 0);
        for (int64_t s = 0; s < steps; s++) {
            const int64_t at = begin + s;
            const int64_t t = call->backwards ? call->time - 1 - at : at;
            const int final = at == call->time - 1;
            if (call->mask)
                for (int64_t i = 0; i < rows; i++)
                    valid[i] = call->mask[(first + i) * call->mask_row +
                                          t * call->mask_time] != 0;
            f->step(l, rows, x + s * rows * projected, call->mask ? valid : NULL, h, c,
                    work, at & 1 ? BACKWARDS : 0);
            if (!final && !call->y)
                if (!call->mask)
                    continue;
            for (int64_t i = 0; i < rows; i++) {
                float *last = call->last + (first + i) * units;
                const float *source = h + i * width;
                if (call->mask && valid[i])
                    started[i] = 1;
                else if (call->mask && call->masked == STATE_C)
                    source = c + i * width;
                else if (call->mask && call->masked == PREVIOUS && !started[i])
                    source = last;
                if (call->mask && !valid[i] && call->masked == ZERO) {
                    if (call->y)
                        memset(call->y + (first + i) * call->y_row +
                                   at * call->y_time,
                               0, size);
                    if (final)
                        memset(last, 0, size);
                    continue;
                }
                if (call->y)
                    memcpy(call->y + (first + i) * call->y_row + at * call->y_time,
                           source, size);
                if (final && source != last)
                    memcpy(last, source, size);
            }
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        memcpy(call->h + (first + i) * units, h + i * width, size);
        if (l->kind == LSTM)
            memcpy(call->c + (first + i) * units, c + i * width, size);
    }
}

/* A recurrent layer over time. batch and time are at least 1. */
EXPORT void gru2np_run(const struct layer *l, const struct call *call)
{
    const int64_t chunk = chunk_of(call->batch);
    for (int64_t first = 0; first < call->batch; first += chunk)
        run_chunk(l, call, first, minimum(chunk, call->batch - first));
}
