// Half, bfloat16 and double to float and back.

/// Exact; a signalling NaN becomes quiet, as the hardware does it.
CK_INLINE f32x16 widened(u16x16 half) {
#if CK_HALF_HARDWARE
  return __builtin_convertvector(__builtin_bit_cast(f16x16, half), f32x16);
#else
  i32x16 bits = __builtin_convertvector(half, i32x16);
  i32x16 sign = (bits & 0x8000) << 16;
  i32x16 mantissa = (bits & 0x7FFF) << 13;
  i32x16 exponent = mantissa & 0x0F800000;
  i32x16 normal = mantissa + (112 << 23);
  // Infinity and NaN: the exponent moves up twice; NaN (a mantissa) gets its quiet bit.
  i32x16 special = mantissa + (224 << 23);
  special |= ((mantissa & 0x007FFFFF) != 0) & 0x00400000;
  // Zero and subnormal: the mantissa as a fraction of 2^-14, the hidden bit taken away again.
  f32x16 hidden = floats_of((i32x16)(113 << 23));
  i32x16 small = bits_of(floats_of(mantissa + (113 << 23)) - hidden);
  i32x16 result = exponent == 0x0F800000 ? special : normal;
  result = exponent == 0 ? small : result;
  return floats_of(result | sign);
#endif
}

/// Nearest, ties to even.
CK_INLINE u16x16 narrowed(f32x16 x) {
#if CK_HALF_HARDWARE
  return __builtin_bit_cast(u16x16, __builtin_convertvector(x, f16x16));
#else
  i32x16 bits = bits_of(x);
  i32x16 size = bits & 0x7FFFFFFF;
  i32x16 sign = (i32x16)((u32x16)(bits ^ size) >> 16);
  i32x16 normal = (size - (112 << 23) + 0x0FFF + ((size >> 13) & 1)) >> 13;
  // Below 2^-14 the sum with 0.5 rounds at the place of the last subnormal bit.
  f32x16 half = 0.5f;
  i32x16 small = bits_of(floats_of(size) + half) - bits_of(half);
  i32x16 nan = 0x7E00 | ((size >> 13) & 0x03FF);
  i32x16 result = size < (113 << 23) ? small : normal;
  result = size >= (143 << 23) ? (i32x16)0x7C00 : result;
  result = size > 0x7F800000 ? nan : result;
  return __builtin_convertvector(result | sign, u16x16);
#endif
}

static void widen_half(const void *b, size_t nb, float *o, size_t n) {
  (void)nb;
  const char *bytes = b;
  for (size_t i = 0; i < n; i += 16) {
    u16x16 half = 0;
    size_t part = n - i < 16 ? n - i : 16;
    if (part == 16) {
      memcpy(&half, bytes + 2 * i, sizeof half);
      f32x16 x = widened(half);
      memcpy(o + i, &x, sizeof x);
    } else {
      memcpy(&half, bytes + 2 * i, 2 * part);
      f32x16 x = widened(half);
      memcpy(o + i, &x, 4 * part);
    }
  }
}

static void widen_bfloat(const void *b, size_t nb, float *o, size_t n) {
  (void)nb;
  const char *bytes = b;
  for (size_t i = 0; i < n; i++) {
    uint16_t half;
    memcpy(&half, bytes + 2 * i, sizeof half);
    o[i] = __builtin_bit_cast(float, (uint32_t)half << 16);
  }
}

static void round_double(const void *b, size_t nb, float *o, size_t n) {
  (void)nb;
  const char *bytes = b;
  for (size_t i = 0; i < n; i++) {
    double wide;
    memcpy(&wide, bytes + 8 * i, sizeof wide);
    o[i] = (float)wide;
  }
}

CK_INLINE u16x16 narrow_counting(f32x16 x, bool clamps, i32x16 *overflows, i32x16 *underflows) {
  u16x16 half = narrowed(x);
  i32x16 result = __builtin_convertvector(half, i32x16);
  i32x16 size = bits_of(x) & 0x7FFFFFFF;
  i32x16 over = (size < 0x7F800000) & ((result & 0x7FFF) == 0x7C00);
  i32x16 under = (size != 0) & ((result & 0x7FFF) == 0);
  *overflows -= over;
  *underflows -= under;
  // One below infinity is the largest finite pattern.
  if (clamps) half = __builtin_convertvector(result + over, u16x16);
  return half;
}

CK_INLINE uint64_t count_lanes(i32x16 lanes) {
  uint64_t sum = 0;
  for (int l = 0; l < 16; l++) sum += (uint32_t)lanes[l];
  return sum;
}

CK_INLINE ck_narrowing narrow_all(const float *x, size_t n, bool clamps, uint16_t *o) {
  i32x16 overflows = 0, underflows = 0;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    u16x16 half = narrow_counting(load(x + i), clamps, &overflows, &underflows);
    memcpy(o + i, &half, sizeof half);
  }
  if (i < n) {
    u16x16 half = narrow_counting(load_part(x + i, n - i, 0), clamps, &overflows, &underflows);
    memcpy(o + i, &half, 2 * (n - i));
  }
  return (ck_narrowing){count_lanes(overflows), count_lanes(underflows)};
}

static ck_narrowing narrow_half(const float *x, size_t n, int32_t clamps, uint16_t *o, size_t no) {
  (void)no;
  return clamps ? narrow_all(x, n, true, o) : narrow_all(x, n, false, o);
}

static void narrow_bfloat(const float *x, size_t n, uint16_t *o, size_t no) {
  (void)no;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = __builtin_bit_cast(uint32_t, x[i]);
    uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    uint32_t nan = (bits >> 16) | 0x40;
    o[i] = (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? nan : rounded);
  }
}
