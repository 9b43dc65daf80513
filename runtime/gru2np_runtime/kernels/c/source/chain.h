/* A chain of layers over time in one call: struct chain is packed by chain.py. */

/* Floats of workspace that a layer adds to gru2np_chain. */
EXPORT int64_t gru2np_chain_workspace(const struct layer *l, int64_t rows, int64_t time)
{
    return max_products(rows, time) * (l->width + projected_width(l)) +
           4 * max_rows(rows) * l->width + ALIGNMENT;
}

/* A chain of layers over time: the input of a layer is the output of the one before.

   states: h of each recurrent layer, and c of an LSTM, (rows, width) each, updated in
   place; y: every time step, or only the last where y_time is 0; work: the sum of
   gru2np_chain_workspace; turn: counts the calls of these states, or NULL: every other
   call reads weights backwards, and finds first what the last one left in the cache.
   Strides in floats. rows and time are at least 1. */
struct chain {
    const struct layer *const *layers;
    const float *x;
    float *states, *y, *work;
    uint32_t *turn;
    int64_t count, rows, time;
    int64_t x_row, x_time, y_row, y_time;
    int64_t zero_states; /* 1: set the states to zero first */
};

/* `how` of every product: 0 or WIDENED. Inputs of several time steps are WIDENED, so that
   the numbers do not depend on where a sequence is cut. */
static void chain_chunk(const struct chain *chain, int64_t first, int64_t rows, int how)
{
    const int64_t turn = chain->turn ? *chain->turn & 1 : 0;
    const int64_t tile = tile_of(rows, chain->time);
    const float *row[MAX_ROWS];
    int64_t last_recurrent = 0;
    for (int64_t n = 0; n < chain->count; n++)
        if (chain->layers[n]->kind != DENSE)
            last_recurrent = n;
    for (int64_t begin = 0, steps; begin < chain->time; begin += steps) {
        steps = steps_of(tile, chain->time - begin);
        const int final = begin + steps == chain->time;
        int64_t inputs = steps * rows;
        float *state = chain->states, *work = aligned(chain->work);
        const struct layer *l = chain->layers[0];
        for (int64_t s = 0; s < steps; s++)
            for (int64_t i = 0; i < rows; i++)
                row[s * rows + i] = chain->x + (first + i) * chain->x_row +
                                    (begin + s) * chain->x_time;
        for (int64_t n = 0; n < chain->count; n++) {
            l = chain->layers[n];
            const struct functions *f = FUNCTIONS[l->level];
            const int64_t width = l->width, projected = projected_width(l);
            float *out = work;
            if (l->kind == DENSE) {
                f->product(&l->input, row, inputs, out, inputs > rows ? WIDENED : how);
                for (int64_t i = 0; i < inputs; i++)
                    f->activate_row(l, out + i * width);
                work += inputs * width;
            } else {
                const int last_only = n == last_recurrent && chain->y_time == 0;
                const int64_t size = chain->rows * width;
                float *h = state + first * width;
                float *x = work + inputs * width;
                f->product(&l->input, row, inputs, x, inputs > rows ? WIDENED : how);
                for (int64_t s = 0; s < steps; s++) {
                    f->step(l, rows, x + s * rows * projected, NULL, h, h + size,
                            x + inputs * projected,
                            how | ((s + turn) & 1 ? BACKWARDS : 0));
                    if (steps > 1 && !last_only)
                        memcpy(out + s * rows * width, h,
                               (size_t)(rows * width) * sizeof(float));
                }
                state += l->kind == LSTM ? 2 * size : size;
                work += inputs * width;
                if (steps == 1 || last_only)
                    out = h;
                if (last_only)
                    inputs = rows;
                if (last_only && !final)
                    break;
            }
            for (int64_t i = 0; i < inputs; i++)
                row[i] = out + i * width;
        }
        if (chain->y_time == 0 && !final)
            continue;
        for (int64_t i = 0; i < inputs; i++)
            memcpy(chain->y + (first + i % rows) * chain->y_row +
                       (begin + i / rows) * chain->y_time,
                   row[i], (size_t)l->units * sizeof(float));
    }
}

EXPORT void gru2np_chain(const struct chain *chain)
{
    const int64_t chunk = chunk_of(chain->rows);
    if (chain->zero_states) {
        int64_t size = 0;
        for (int64_t n = 0; n < chain->count; n++) {
            const struct layer *l = chain->layers[n];
            size += (l->kind == DENSE ? 0 : l->kind == LSTM ? 2 : 1) * l->width;
        }
        memset(chain->states, 0, (size_t)(size * chain->rows) * sizeof(float));
    }
    for (int64_t first = 0; first < chain->rows; first += chunk)
        chain_chunk(chain, first, minimum(chunk, chain->rows - first), 0);
    if (chain->turn)
        ++*chain->turn;
}

/* A chain over the states of some sessions. Each state array is a slab with one row a
   session; the kernel gathers the rows of a chunk, runs the chain, and scatters them.

   chain: rows counts the sessions; its states and work are as large as the bounds of
   gru2np_chain for a chunk, of two rows or more; zero_states is not read. slabs: for
   each recurrent layer h, and c of an LSTM, (any number of rows, units). index: for
   each session its row in the slabs; no row is there twice. */
struct sessions {
    struct chain chain;
    float *const *slabs;
    const int64_t *index;
};

/* Copies the states of a chunk from the slabs, or back. */
static void move_states(const struct sessions *call, int64_t first, int64_t rows,
                        int64_t padded, int scatter)
{
    float *state = aligned(call->chain.states);
    int64_t slab = 0;
    for (int64_t n = 0; n < call->chain.count; n++) {
        const struct layer *l = call->chain.layers[n];
        const int64_t units = l->units;
        const size_t size = (size_t)units * sizeof(float);
        for (int s = l->kind == DENSE ? 0 : l->kind == LSTM ? 2 : 1; s; s--) {
            float *const from = call->slabs[slab++];
            for (int64_t i = 0; i < (scatter ? rows : padded); i++) {
                float *there = from + call->index[first + i % rows] * units;
                float *here = state + i * l->width;
                memcpy(scatter ? there : here, scatter ? here : there, size);
                if (!scatter)
                    memset(here + units, 0, (size_t)(l->width - units) * sizeof(float));
            }
            state += padded * l->width;
        }
    }
}

/* A session's numbers do not depend on the others: several rows add up their products
   in an order that one row alone does not, so that one session runs as two rows, and few
   sessions widen weights of int8 as many do. */
EXPORT void gru2np_sessions(const struct sessions *call)
{
    const int64_t chunk = chunk_of(call->chain.rows);
    for (int64_t first = 0; first < call->chain.rows; first += chunk) {
        const int64_t rows = minimum(chunk, call->chain.rows - first);
        const int64_t padded = rows == 1 ? 2 : rows;
        struct chain part = call->chain;
        part.states = aligned(part.states);
        part.x += first * part.x_row;
        part.y += first * part.y_row;
        part.rows = padded;
        if (padded != rows)
            part.x_row = part.y_row = 0;
        move_states(call, first, rows, padded, 0);
        chain_chunk(&part, 0, padded, WIDENED);
        move_states(call, first, rows, padded, 1);
    }
}
