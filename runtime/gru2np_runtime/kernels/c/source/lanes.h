/* The kernel for one number of lanes.

   Included once for each, with LANES (floats in a vector), WIDE (1 where there are 32
   vector registers) and NAME(x) (adds the suffix of these functions) defined. Vectors
   are the vector extension of GCC and Clang; what that lacks is in instructions.h.

   Matrices are packed in panels (kernel.c, pack_matrix): panel p holds `vectors`
   consecutive vectors for every row k of the kernel. A GRU's panel is LANES units wide
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

#include "activations.h"
#if LANES == 4
#define SMALL_LANES 4
#define SMALL(x) x##_4
#include "small.h"
#elif LANES == 8
#define SMALL_LANES 8
#define SMALL(x) x##_8
#include "small.h"
#else
#define SMALL_LANES 8
#define SMALL(x) x##_8
#endif
#include "products.h"
#include "cells.h"

/* For tests: one activation over an array of whole vectors. */
static void NAME(apply)(int32_t kind, float slope, float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i += LANES)
        STORE(x + i, NAME(activate)(kind, slope, LOAD(x + i)));
}

static const struct functions NAME(functions) = {
    LANES, SMALL(HALVES), NAME(product), NAME(step), NAME(activate_row), NAME(apply),
};

#undef vec
#undef ivec
#undef V
#undef I
#undef LOAD
#undef STORE
#undef SPLAT
#undef ROUND
#undef SMALL
#undef SMALL_LANES
#undef PANEL
#undef SOME_ROWS
#undef MORE_ROWS_3
#undef MORE_ROWS_4
#undef MORE_ROWS_6
#undef MORE_ROWS_8
#undef LANES
#undef WIDE
#undef NAME
