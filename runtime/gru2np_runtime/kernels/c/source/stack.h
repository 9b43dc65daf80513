/* A chain of layers over time in one call. */

/* Floats of workspace that a layer adds to gru2np_stack, for as many rows or less. */
EXPORT int64_t gru2np_stack_workspace(const struct layer *l, int64_t rows, int64_t time)
{
    return most_products(rows, time) * (l->width + projected(l)) +
           4 * most_rows(rows) * l->width + ALIGNMENT;
}

/* A chain of layers over time, each fed with the output of the one before.

   states: for each recurrent layer h, and c of an LSTM, (rows, width) each, moved on in
   place; y: every step, or the last where y_time is 0; work: the sum of
   gru2np_stack_workspace. Strides in floats. rows and time are at least 1. */
struct stack {
    const struct layer *const *layers;
    const float *x;
    float *states, *y, *work;
    int64_t count, rows, time;
    int64_t x_row, x_time, y_row, y_time;
    int64_t anew; /* the states are zeros first */
};

static void stack_chunk(const struct stack *stack, int64_t first, int64_t rows)
{
    const int64_t tile = tile_of(rows, stack->time);
    const float *row[MOST_ROWS];
    int64_t last_recurrent = 0;
    for (int64_t n = 0; n < stack->count; n++)
        if (stack->layers[n]->kind != DENSE)
            last_recurrent = n;
    for (int64_t begin = 0; begin < stack->time; begin += tile) {
        const int64_t steps = least(tile, stack->time - begin);
        const int final = begin + steps == stack->time;
        int64_t many = steps * rows;
        float *state = stack->states, *work = aligned(stack->work);
        const struct layer *l = stack->layers[0];
        for (int64_t s = 0; s < steps; s++)
            for (int64_t i = 0; i < rows; i++)
                row[s * rows + i] = stack->x + (first + i) * stack->x_row +
                                    (begin + s) * stack->x_time;
        for (int64_t n = 0; n < stack->count; n++) {
            l = stack->layers[n];
            const struct width *f = WIDTHS[l->level];
            const int64_t width = l->width, wide = projected(l);
            float *out = work;
            if (l->kind == DENSE) {
                f->product(&l->input, row, many, out, 0);
                for (int64_t i = 0; i < many; i++)
                    f->activate_row(l, out + i * width);
                work += many * width;
            } else {
                const int settles = n == last_recurrent && stack->y_time == 0;
                const int64_t size = stack->rows * width;
                float *h = state + first * width;
                float *x = work + many * width;
                f->product(&l->input, row, many, x, 0);
                for (int64_t s = 0; s < steps; s++) {
                    f->step(l, rows, x + s * rows * wide, NULL, h, h + size,
                            x + many * wide, (int)(s & 1));
                    if (steps > 1 && !settles)
                        memcpy(out + s * rows * width, h,
                               (size_t)(rows * width) * sizeof(float));
                }
                state += l->kind == LSTM ? 2 * size : size;
                work += many * width;
                if (steps == 1 || settles)
                    out = h;
                if (settles)
                    many = rows;
                if (settles && !final)
                    break;
            }
            for (int64_t i = 0; i < many; i++)
                row[i] = out + i * width;
        }
        if (stack->y_time == 0 && !final)
            continue;
        for (int64_t i = 0; i < many; i++)
            memcpy(stack->y + (first + i % rows) * stack->y_row +
                       (begin + i / rows) * stack->y_time,
                   row[i], (size_t)l->units * sizeof(float));
    }
}

EXPORT void gru2np_stack(const struct stack *stack)
{
    const int64_t chunk = chunk_of(stack->rows);
    if (stack->anew) {
        int64_t size = 0;
        for (int64_t n = 0; n < stack->count; n++) {
            const struct layer *l = stack->layers[n];
            size += (l->kind == DENSE ? 0 : l->kind == LSTM ? 2 : 1) * l->width;
        }
        memset(stack->states, 0, (size_t)(size * stack->rows) * sizeof(float));
    }
    for (int64_t first = 0; first < stack->rows; first += chunk)
        stack_chunk(stack, first, least(chunk, stack->rows - first));
}
