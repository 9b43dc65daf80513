/* Activations of one vector. Included by lanes.h, once for each number of lanes. */

/* exp(s) = 2^n (1 + p). Range reduction in two parts of ln 2 and the polynomial are
   those of Cephes' expf (Moshier 1992). Adding ROUND leaves n in the low bits, which
   holds only if the compiler does not reorder additions: never use -ffast-math.
   NaN stays NaN: it propagates through r. */
#define ROUND 12582912.0f

static INLINE vec NAME(reduce)(vec s, ivec *n)
{
    vec shifted = s * V(1.44269504088896341f) + V(ROUND);
    vec integer = shifted - V(ROUND);
    vec r = (s - integer * V(0.693359375f)) + integer * V(2.12194440e-4f);
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

/* 1 / (1 + exp(-x)), numerator and denominator times 2^-32, so that exp(-x) does not
   overflow up to 2^150, where the result is the smallest denormal. */
static INLINE vec NAME(sigmoid)(vec x)
{
    ivec n;
    vec s = (vec)((ivec)x ^ I(INT32_MIN));
    s = NAME(select)(s > V(104.0f), V(104.0f), s);
    s = NAME(select)(s < V(-60.0f), V(-60.0f), s);
    vec p = NAME(reduce)(s, &n);
    vec power = NAME(power_of_two)(n - I(32));
    return V(0x1p-32f) / ((power * p + power) + V(0x1p-32f));
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
