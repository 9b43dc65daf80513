/* GRU, LSTM, SimpleRNN and the Dense layers after them, in plain C.

   cc -O3 -shared -fPIC kernel.c -o libgru2np.so

   No Python.h, no libm, no allocation, no threads. The caller passes packed weights,
   which are only read, states, and a workspace of the size that gru2np_workspace
   returns. Every function can run in many threads at once on different states and
   workspaces. The caller checks sizes (plans.py, chain.py).

   lanes.h holds everything that depends on the number of lanes of a vector. It is
   compiled for 4 lanes (SSE2, NEON), 8 (AVX2, FMA and F16C) and 16 (AVX-512); a layer's
   level selects one. run.h runs one layer, chain.h a chain of layers. */

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) || defined(_M_X64)
#define X86 1
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Raise it whenever a record or the arguments of a function change. */
#define ABI 2

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#define INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif
#if defined(__FAST_MATH__)
#error "strict floating point is needed: remove -ffast-math"
#elif FLT_EVAL_METHOD != 0
#error "floats must be computed as floats: on 32-bit x86 add -msse2 -mfpmath=sse"
#endif

enum { GRU_AFTER, GRU_BEFORE, LSTM, SIMPLE_RNN, DENSE };
enum { LINEAR, TANH, SIGMOID, HARD_SIGMOID, RELU, SOFTMAX };
/* Output of a masked step: the previous output, a state, or zeros. */
enum { PREVIOUS, STATE_H, STATE_C, ZERO };
/* What weights are packed as, and the bytes of each. int8 has a scale per column. */
enum { FLOAT32, FLOAT16, INT8 };
static const int64_t SIZES[] = {4, 2, 1};

/* Terms that one accumulator adds up where several rows run together. */
enum { BLOCK = 128 };
/* Few rows times int8: the numbers of a row become int16, from -LARGEST to LARGEST. Rows
   with numbers above LIMIT stay floats, so that the rounding has a bound: LIMIT / 2^16.
   Of MOST_TERMS products no sum leaves int32: 512 * 32767 * 128 < 2^31. Terms are packed
   to a multiple of TERMS. */
#define LARGEST 32767.0f
#define LIMIT 8.0f
#define TINY 1e-30f
enum { MOST_TERMS = 512, TERMS = 4 };
/* Rows that are multiplied with small weights as they are stored, and as many of them
   together as have their sums in registers. */
enum { FEW_ROWS = 16, MOST_GROUP = 3 };

/* How a product reads a matrix. BACKWARDS: from the last panel on; a caller that
   alternates directions reads first what is still in the cache. WIDENED: int8 as float32
   also for a few rows, so that the numbers do not depend on how many rows there are, if
   there are two or more; those of float16 never do. */
enum { BACKWARDS = 1, WIDENED = 2 };

/* Limits of a chunk (rows that run through time together) and of a tile (time steps
   whose inputs are projected together); alignment of workspaces in floats. */
enum { MAX_ROWS = 96, MAX_TILE = 32, ALIGNMENT = 16 };

/* terms: K, of int8 rounded up to a multiple of TERMS; data: panels, see lanes.h. */
struct matrix {
    int64_t K, terms, vectors, panels, storage;
    const uint8_t *data;
    const float *bias, *scales;
};

/* level: index into FUNCTIONS; width: units, padded to whole panels. */
struct layer {
    int32_t kind, activation, gate, level;
    float slope, gate_slope;
    int64_t features, units, width;
    struct matrix input, recurrent, candidate;
};

struct functions {
    int lanes, halves;
    void (*product)(const struct matrix *, const float *const *, int64_t, float *,
                    int);
    void (*step)(const struct layer *, int64_t, const float *, const uint8_t *,
                 float *, float *, float *, int);
    void (*activate_row)(const struct layer *, float *);
    void (*apply)(int32_t, float, float *, int64_t);
};

static INLINE int64_t minimum(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Prefetches memory. Addresses past the end of a matrix are harmless. */
static INLINE uintptr_t prefetch(uintptr_t from, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const void *)(from + (uintptr_t)i), 0, 2);
    return from + (uintptr_t)bytes;
}

#if defined(__aarch64__)
#define FOUR_LANES_WIDE 1
#else
#define FOUR_LANES_WIDE 0
#endif
#define LANES 4
#define WIDE FOUR_LANES_WIDE
#define NAME(x) x##_4
#include "lanes.h"

#if defined(X86)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
#define LANES 8
#define WIDE 0
#define NAME(x) x##_8
#include "lanes.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

/* GRU2NP_EMULATE compiles the 16 lanes for AVX2, to test them on any machine. */
#if defined(GRU2NP_EMULATE)
#define WIDEST_TARGET "avx2,fma,f16c"
#else
#define WIDEST_TARGET "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c"
#endif
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target(WIDEST_TARGET))), apply_to = function)
#else
#pragma GCC push_options
#if defined(GRU2NP_EMULATE)
#pragma GCC target("avx2,fma,f16c")
#else
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c")
#endif
#endif
#define LANES 16
#define WIDE 1
#define NAME(x) x##_16
#include "lanes.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

static const struct functions *const FUNCTIONS[] = {
    &functions_4,
#if defined(X86)
    &functions_8,
    &functions_16,
#endif
};

EXPORT int32_t gru2np_abi(void)
{
    return ABI;
}

#if defined(X86)
/* Older compilers do not know "f16c" by name. The instruction that asks is slow on
   virtual machines, so its answer is kept: 1 for no, 2 for yes. */
static int has_f16c(void)
{
    static int known;
    int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (!answer) {
        unsigned int a, b, c, d;
        answer = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) ? 2 : 1;
        __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
    }
    return answer == 2;
}
#endif

/* The widest level of this machine: 0 for 4 lanes, 1 for 8, 2 for 16. */
EXPORT int32_t gru2np_level(void)
{
#if defined(X86)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
        !has_f16c())
        return 0;
#if defined(GRU2NP_EMULATE)
    return 2;
#else
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return 2;
    return 1;
#endif
#else
    return 0;
#endif
}

static int64_t round_up(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* Bytes of a packed matrix: panels, biases, scales. */
static int64_t matrix_size(const struct matrix *m, int64_t lanes)
{
    const int64_t width = m->panels * m->vectors * lanes;
    const int64_t floats = m->storage == INT8 ? 2 : 1;
    return round_up(width * (m->terms * SIZES[m->storage] + 4 * floats),
                    ALIGNMENT * (int64_t)sizeof(float));
}

/* Sets the sizes of the packed matrices from kind, level, features, units and storages.
   Returns their bytes. */
static int64_t set_sizes(struct layer *l, int64_t input, int64_t recurrent)
{
    const int64_t lanes = FUNCTIONS[l->level]->lanes;
    const int64_t vectors = (l->units + lanes - 1) / lanes;
    const int64_t side = minimum(vectors, 4);
    memset(&l->input, 0, sizeof l->input);
    l->input.K = l->features;
    l->input.storage = input;
    l->input.terms = round_up(l->features, input == INT8 ? TERMS : 1);
    l->recurrent = l->input;
    l->recurrent.K = l->units;
    l->recurrent.storage = recurrent;
    l->recurrent.terms = round_up(l->units, recurrent == INT8 ? TERMS : 1);
    l->candidate = l->recurrent;
    if (l->kind == SIMPLE_RNN || l->kind == DENSE) {
        l->input.vectors = l->recurrent.vectors = side;
        l->input.panels = (vectors + side - 1) / side;
        l->recurrent.panels = l->kind == DENSE ? 0 : l->input.panels;
        l->width = l->input.panels * side * lanes;
    } else {
        l->input.vectors = l->recurrent.vectors = l->kind == LSTM ? 4 : 3;
        l->input.panels = l->recurrent.panels = vectors;
        l->width = vectors * lanes;
    }
    if (l->kind == GRU_BEFORE) {
        int64_t together = 4;
        while (vectors % together)
            together--;
        l->recurrent.vectors = 2;
        l->candidate.vectors = together;
        l->candidate.panels = vectors / together;
    }
    return matrix_size(&l->input, lanes) + matrix_size(&l->recurrent, lanes) +
           matrix_size(&l->candidate, lanes);
}

/* A kernel in Keras' layout, (K, columns), in the storage of its matrix. */
struct weights {
    const void *kernel;
    const float *scales, *bias;
};

/* Copies a column of a kernel, of numbers of `size` bytes, into a panel. `group` terms
   lie side by side; zeros fill up the terms, or all of them without a column. */
static INLINE void pack_column(const size_t size, const int64_t group,
                               const struct matrix *m, const uint8_t *column,
                               int64_t columns, int64_t panel, uint8_t *out)
{
    for (int64_t k = 0; k < m->terms; k++) {
        uint8_t *to = out + (k / group * group * panel + k % group) * (int64_t)size;
        if (column && k < m->K)
            memcpy(to, column + k * columns * (int64_t)size, size);
        else
            memset(to, 0, size);
    }
}

/* Packs `gates` gates, from gate `first` on, of a kernel. Returns the end of what it
   wrote. */
static uint8_t *pack_matrix(const struct layer *l, struct matrix *m,
                            const struct weights *w, int64_t columns, int64_t gates,
                            int64_t first, uint8_t *out)
{
    const int64_t lanes = FUNCTIONS[l->level]->lanes, panel = m->vectors * lanes;
    const int64_t side = m->vectors / gates, size = SIZES[m->storage];
    float *const biases = (float *)(out + m->panels * panel * m->terms * size);
    float *const scales = biases + m->panels * panel;
    for (int64_t p = 0; p < m->panels; p++)
        for (int64_t at = 0; at < panel; at++) {
            const int64_t v = at / lanes;
            const int64_t unit = (p * side + v % side) * lanes + at % lanes;
            const int64_t column = (first + v / side) * l->units + unit;
            const int real = unit < l->units;
            const uint8_t *from =
                real ? (const uint8_t *)w->kernel + column * size : NULL;
            uint8_t *to = out + p * panel * m->terms * size;
            if (m->storage == FLOAT32)
                pack_column(4, 1, m, from, columns, panel, to + 4 * at);
            else if (m->storage == FLOAT16)
                pack_column(2, 1, m, from, columns, panel, to + 2 * at);
            else
                pack_column(1, 2, m, from, columns, panel, to + 2 * at);
            biases[p * panel + at] = real && w->bias ? w->bias[column] : 0.0f;
            if (m->storage == INT8)
                scales[p * panel + at] = real ? w->scales[column] : 0.0f;
        }
    m->data = out;
    m->bias = biases;
    m->scales = m->storage == INT8 ? scales : NULL;
    return out + matrix_size(m, lanes);
}

/* Bytes of a layer's record. */
EXPORT int64_t gru2np_record(void)
{
    return (int64_t)sizeof(struct layer);
}

/* Whether kernels of a storage can be packed; where not, the caller widens them. */
EXPORT int32_t gru2np_stores(int32_t level, int32_t storage)
{
    if (level < 0 || level > gru2np_level())
        return 0;
    if (storage == INT8)
        return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    return storage == FLOAT32 || (storage == FLOAT16 && FUNCTIONS[level]->halves);
}

/* Fills a record. Returns the bytes of its packed weights; -1 if level, kind or a
   storage are not known here. */
EXPORT int64_t gru2np_describe(struct layer *l, int32_t level, int32_t kind,
                               int32_t activation, float slope, int32_t gate,
                               float gate_slope, int64_t features, int64_t units,
                               int32_t input, int32_t recurrent)
{
    if (kind < 0 || kind > DENSE || !gru2np_stores(level, input) ||
        !gru2np_stores(level, recurrent))
        return -1;
    memset(l, 0, sizeof *l);
    l->level = level;
    l->kind = kind;
    l->activation = activation;
    l->slope = slope;
    l->gate = gate;
    l->gate_slope = gate_slope;
    l->features = features;
    l->units = units;
    return set_sizes(l, input, recurrent);
}

/* Packs weights in Keras' layout into `out`; biases may be NULL, and so may scales but
   for int8. */
EXPORT void gru2np_pack(struct layer *l, const struct weights *kernel,
                        const struct weights *recurrent, uint8_t *out)
{
    const int gru = l->kind == GRU_AFTER || l->kind == GRU_BEFORE;
    const int64_t gates = l->kind == LSTM ? 4 : gru ? 3 : 1;
    const int64_t columns = gates * l->units;
    out = pack_matrix(l, &l->input, kernel, columns, gates, 0, out);
    if (l->kind == GRU_BEFORE) {
        out = pack_matrix(l, &l->recurrent, recurrent, columns, 2, 0, out);
        pack_matrix(l, &l->candidate, recurrent, columns, 1, 2, out);
    } else if (l->kind != DENSE) {
        pack_matrix(l, &l->recurrent, recurrent, columns, gates, 0, out);
    }
}

/* Units, padded to whole panels. */
EXPORT int64_t gru2np_width(const struct layer *l)
{
    return l->width;
}

/* Floats in a row of projected inputs. */
static int64_t projected_width(const struct layer *l)
{
    return l->input.panels * l->input.vectors * FUNCTIONS[l->level]->lanes;
}

/* Rows of a chunk: chunks of nearly equal size, a multiple of 24, which all register
   tiles of rows divide. */
static int64_t chunk_of(int64_t batch)
{
    if (batch < 1)
        return 1;
    const int64_t chunks = (batch + MAX_ROWS - 1) / MAX_ROWS;
    const int64_t rows = (batch + chunks - 1) / chunks;
    return chunks == 1 ? rows : minimum(round_up(rows, 24), MAX_ROWS);
}

/* Time steps of a tile. */
static int64_t tile_of(int64_t rows, int64_t time)
{
    const int64_t steps = minimum(MAX_TILE, MAX_ROWS / rows);
    return minimum(time, steps < 1 ? 1 : steps);
}

/* Time steps of the next tile, of those that remain. One row alone is added up in another
   order than several, so no tile of one step is left behind a longer one: the numbers do
   not depend on where a sequence is cut. */
static int64_t steps_of(int64_t tile, int64_t remaining)
{
    const int64_t steps = minimum(tile, remaining);
    return steps > 2 && remaining - steps == 1 ? steps - 1 : steps;
}

/* Upper bounds for every chunk of a batch, the last and smaller one included: its rows,
   and the input rows of a tile (rows times time steps). */
static int64_t max_rows(int64_t batch)
{
    return batch < 1 ? 1 : minimum(batch, MAX_ROWS);
}

static int64_t max_products(int64_t batch, int64_t time)
{
    return minimum(MAX_ROWS, max_rows(batch) * minimum(time, MAX_TILE));
}

static float *aligned(float *p)
{
    const uintptr_t bytes = ALIGNMENT * sizeof(float);
    return (float *)(((uintptr_t)p + bytes - 1) / bytes * bytes);
}

#include "run.h"
#include "chain.h"

/* For the tests: one activation over an array whose size is a multiple of 16. */
EXPORT void gru2np_apply(int32_t level, int32_t kind, float slope, float *x,
                         int64_t count)
{
    FUNCTIONS[level]->apply(kind, slope, x, count);
}
