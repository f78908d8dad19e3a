// Elementwise kernels.

#define CK_EACH(expression)                                        \
  do {                                                             \
    size_t i = 0;                                                  \
    for (; i + CK_VECTOR <= n; i += CK_VECTOR) {                   \
      vf v = vload(x + i);                                         \
      vstore(o + i, expression);                                   \
    }                                                              \
    if (i < n) {                                                   \
      vf v = vload_part(x + i, n - i, 1.0f);                       \
      vstore_part(o + i, expression, n - i);                       \
    }                                                              \
    return;                                                        \
  } while (0)

static void apply(ck_unary f, const float *x, float *o, size_t n) {
  switch (f) {
    case CK_NEGATE: CK_EACH(-v);
    case CK_ABSOLUTE: CK_EACH(vfloats(vbits(v) & (vi)0x7fffffff));
    case CK_SQUARE_ROOT: CK_EACH(__builtin_elementwise_sqrt(v));
    case CK_RECIPROCAL: CK_EACH(1.0f / v);
    case CK_RELU: CK_EACH(at_least(v, 0.0f));
    case CK_EXPONENTIAL: CK_EACH(exponential(v));
    case CK_SIGMOID: CK_EACH(logistic(v));
    case CK_TANH: CK_EACH(hyperbolic_tangent(v));
    case CK_ERROR_FUNCTION: CK_EACH(error_function(v));
    case CK_GELU: CK_EACH(gelu(v));
    case CK_GELU_TANH: CK_EACH(gelu_tanh(v));
    case CK_QUICK_GELU: CK_EACH(v * logistic(1.702f * v));
  }
}
#undef CK_EACH

/// `a` and `b` as vectors: walked or repeated.
#define CK_PAIRS(left, right, leftPart, rightPart, operator)       \
  do {                                                             \
    size_t i = 0;                                                  \
    for (; i + CK_VECTOR <= n; i += CK_VECTOR) vstore(o + i, (left) operator(right)); \
    if (i < n) vstore_part(o + i, (leftPart) operator(rightPart), n - i);             \
  } while (0)
#define CK_STEPS(operator)                                                                                \
  if (sa != 0 && sb != 0)                                                                                 \
    CK_PAIRS(vload(a + i), vload(b + i), vload_part(a + i, n - i, 1), vload_part(b + i, n - i, 1), operator); \
  else if (sa != 0)                                                                                       \
    CK_PAIRS(vload(a + i), (vf)*b, vload_part(a + i, n - i, 1), (vf)*b, operator);                         \
  else if (sb != 0)                                                                                       \
    CK_PAIRS((vf)*a, vload(b + i), (vf)*a, vload_part(b + i, n - i, 1), operator);                         \
  else                                                                                                    \
    CK_PAIRS((vf)*a, (vf)*b, (vf)*a, (vf)*b, operator);                                                    \
  return

static void combine(ck_binary f, const float *a, size_t sa, const float *b, size_t sb, float *o, size_t n) {
  switch (f) {
    case CK_ADD: CK_STEPS(+);
    case CK_SUBTRACT: CK_STEPS(-);
    case CK_MULTIPLY: CK_STEPS(*);
    case CK_DIVIDE: CK_STEPS(/);
  }
}
#undef CK_STEPS
#undef CK_PAIRS

static void bounds_with_zero(const float *x, size_t n, float *lowest, float *highest) {
  vf low = 0.0f, high = 0.0f, low2 = 0.0f, high2 = 0.0f;
  size_t i = 0;
  for (; i + 2 * CK_VECTOR <= n; i += 2 * CK_VECTOR) {
    vf v = vload(x + i), w = vload(x + i + CK_VECTOR);
    low = v < low ? v : low, high = v > high ? v : high;
    low2 = w < low2 ? w : low2, high2 = w > high2 ? w : high2;
  }
  low = low2 < low ? low2 : low, high = high2 > high ? high2 : high;
  float least = vleast(low), most = vmost(high);
  for (; i < n; i++) least = x[i] < least ? x[i] : least, most = x[i] > most ? x[i] : most;
  *lowest = least, *highest = most;
}

static void quantize_bytes(const float *x, size_t n, float scale, int32_t zero, int32_t lowest, int32_t highest,
                           uint8_t *o) {
  // Rounding by a magic number holds to 2^22; whatever is larger is clamped first, with room for the zero point.
  const float rounder = 12582912.0f;
  typedef uint8_t vb __attribute__((ext_vector_type(CK_VECTOR)));
  size_t i = 0;
  while (i < n) {
    size_t count = smaller(n - i, CK_VECTOR);
    vf v = count == CK_VECTOR ? vload(x + i) : vload_part(x + i, count, 0.0f);
    v = at_least(at_most(v / (vf)scale, 1024.0f), -1024.0f);
    // A NaN gives the lowest code.
    v = vselect(v == v, v, (vf)-1024.0f);
    vi q = vbits(v + rounder) - 0x4B400000 + zero;
    q = q < (vi)lowest ? (vi)lowest : q;
    q = q > (vi)highest ? (vi)highest : q;
    vb codes = __builtin_convertvector(q, vb);
    memcpy(o + i, &codes, count);
    i += count;
  }
}

static void dequantize_bytes(const uint8_t *q, size_t n, int32_t isSigned, float scale, int32_t zero, float *o) {
  if (isSigned) {
    const int8_t *s = (const int8_t *)q;
    for (size_t i = 0; i < n; i++) o[i] = (float)((int32_t)s[i] - zero) * scale;
  } else {
    for (size_t i = 0; i < n; i++) o[i] = (float)((int32_t)q[i] - zero) * scale;
  }
}
