/* Loads of small weights, and products of pairs of int16: what the vector extension
   lacks, or what compilers make badly of it. Included by small.h; no other file names an
   instruction. The last branches are plain C. */

/* HALVES: whether an instruction widens float16. */
#if LANES == 4 && defined(__aarch64__)
#define NEON 1
#define HALVES 1
#elif LANES == 4 && defined(__SSE2__)
#define SSE 1
#define HALVES 0
#elif LANES == 8
#define AVX2 1
#define HALVES 1
#else
#define HALVES 0
#endif

static INLINE vec NAME(load_halves)(const uint16_t *p)
{
#if defined(NEON)
    return (vec)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
#elif defined(AVX2)
    return (vec)_mm256_cvtph_ps(_mm_loadu_si128((const void *)p));
#else
    (void)p;
    return V(0.0f);
#endif
}

/* 2 * LANES of int8, as int16. */
static INLINE svec NAME(load_bytes)(const int8_t *p)
{
#if defined(NEON)
    return (svec)vmovl_s8(vld1_s8(p));
#elif defined(SSE)
    const __m128i v = _mm_loadl_epi64((const void *)p);
    return (svec)_mm_srai_epi16(_mm_unpacklo_epi8(v, v), 8);
#elif defined(AVX2)
    return (svec)_mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)p));
#else
    svec v;
    for (int i = 0; i < 2 * LANES; i++)
        v[i] = p[i];
    return v;
#endif
}

/* Sums of products of int16: a lane gains the sum of the products of a pair. NEON adds
   the products of a pair only at the end. */
#if defined(NEON)
typedef struct {
    int32x4_t low, high;
} NAME(sums);

static INLINE void NAME(add_pairs)(NAME(sums) * sum, svec w, svec x)
{
    const int16x8_t a = (int16x8_t)w, b = (int16x8_t)x;
    sum->low = vmlal_s16(sum->low, vget_low_s16(a), vget_low_s16(b));
    sum->high = vmlal_high_s16(sum->high, a, b);
}

static INLINE ivec NAME(total)(const NAME(sums) * sum)
{
    return (ivec)vpaddq_s32(sum->low, sum->high);
}
#else
typedef ivec NAME(sums);

static INLINE void NAME(add_pairs)(NAME(sums) * sum, svec w, svec x)
{
#if defined(SSE)
    *sum += (ivec)_mm_madd_epi16((__m128i)w, (__m128i)x);
#elif defined(AVX2)
    *sum += (ivec)_mm256_madd_epi16((__m256i)w, (__m256i)x);
#else
    const ivec a = (ivec)w, b = (ivec)x;
    *sum += ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

static INLINE ivec NAME(total)(const NAME(sums) * sum)
{
    return *sum;
}
#endif

#undef NEON
#undef SSE
#undef AVX2
