// Absolute maxima on bit patterns, signed ranges on order-preserving keys, and the search for NaN.

#define CK_ABS_MASK 0x7FFFFFFF

CK_INLINE i32x16 magnitude(f32x16 x) { return bits_of(x) & CK_ABS_MASK; }

/// Integers in the order of the floats, negative NaN first and positive NaN last; its own inverse.
CK_INLINE i32x16 key_of(i32x16 bits) { return bits ^ ((bits >> 31) & CK_ABS_MASK); }
CK_INLINE i32x16 key_at(const float *x) { return key_of(bits_of(load(x))); }
CK_INLINE float value_of_key(int32_t key) {
  return __builtin_bit_cast(float, key ^ ((key >> 31) & CK_ABS_MASK));
}

CK_INLINE int32_t fold_greatest(i32x16 lanes) {
  int32_t best = lanes[0];
  for (int l = 1; l < 16; l++) best = lanes[l] > best ? lanes[l] : best;
  return best;
}
CK_INLINE int32_t fold_least(i32x16 lanes) {
  int32_t best = lanes[0];
  for (int l = 1; l < 16; l++) best = lanes[l] < best ? lanes[l] : best;
  return best;
}

static uint32_t absmax(const float *x, size_t n) {
  i32x16 a = 0, b = 0, c = 0, d = 0;
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    a = greater_int(a, magnitude(load(x + i)));
    b = greater_int(b, magnitude(load(x + i + 16)));
    c = greater_int(c, magnitude(load(x + i + 32)));
    d = greater_int(d, magnitude(load(x + i + 48)));
  }
  for (; i + 16 <= n; i += 16) a = greater_int(a, magnitude(load(x + i)));
  if (i < n) b = greater_int(b, magnitude(load_part(x + i, n - i, 0)));
  return (uint32_t)fold_greatest(greater_int(greater_int(a, b), greater_int(c, d)));
}

static void absmax_rows(const float *x, size_t n, size_t columns, uint32_t *o, size_t rows) {
  (void)n;
  for (size_t r = 0; r < rows; r++) o[r] = absmax(x + r * columns, columns);
}

// `rows` <= 8 rows at a time, so that a running maximum is read and written once for all of them.
CK_INLINE void absmax_column_group(const float *x, int rows, uint32_t *o, size_t columns) {
  size_t j = 0;
  for (; j + 16 <= columns; j += 16) {
    i32x16 best;
    memcpy(&best, o + j, sizeof best);
    for (int r = 0; r < rows; r++) best = greater_int(best, magnitude(load(x + (size_t)r * columns + j)));
    memcpy(o + j, &best, sizeof best);
  }
  for (; j < columns; j++) {
    for (int r = 0; r < rows; r++) {
      uint32_t bits = __builtin_bit_cast(uint32_t, x[(size_t)r * columns + j]) & CK_ABS_MASK;
      o[j] = bits > o[j] ? bits : o[j];
    }
  }
}

static void absmax_columns(const float *x, size_t n, uint32_t *o, size_t columns) {
  if (columns == 0) return;
  size_t rows = n / columns, r = 0;
  for (; r + 8 <= rows; r += 8) absmax_column_group(x + r * columns, 8, o, columns);
  for (; r < rows; r++) absmax_column_group(x + r * columns, 1, o, columns);
}

static ck_range range_all(const float *x, size_t n) {
  if (n == 0) return (ck_range){0, 0};
  // Every lane begins with the first value, which cannot widen the range.
  f32x16 first = x[0];
  i32x16 low = key_of(bits_of(first)), high = low, low2 = low, high2 = low;
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    i32x16 a = key_at(x + i), b = key_at(x + i + 16);
    low = lesser_int(low, a);
    high = greater_int(high, a);
    low2 = lesser_int(low2, b);
    high2 = greater_int(high2, b);
  }
  for (; i < n; i += 16) {
    i32x16 a = i + 16 <= n ? key_at(x + i) : key_of(bits_of(load_part(x + i, n - i, x[0])));
    low = lesser_int(low, a);
    high = greater_int(high, a);
  }
  return (ck_range){value_of_key(fold_least(lesser_int(low, low2))),
                    value_of_key(fold_greatest(greater_int(high, high2)))};
}

static void range_rows(const float *x, size_t n, size_t columns, float *lowest, size_t rows,
                                 float *highest, size_t nh) {
  (void)n, (void)nh;
  for (size_t r = 0; r < rows; r++) {
    ck_range range = range_all(x + r * columns, columns);
    lowest[r] = range.lowest;
    highest[r] = range.highest;
  }
}

CK_INLINE void range_column_group(const float *x, int rows, float *lowest, float *highest, size_t columns) {
  size_t j = 0;
  for (; j < columns; j += 16) {
    size_t part = columns - j < 16 ? columns - j : 16;
    bool whole = part == 16;
    i32x16 low = key_of(bits_of(whole ? load(lowest + j) : load_part(lowest + j, part, 0)));
    i32x16 high = key_of(bits_of(whole ? load(highest + j) : load_part(highest + j, part, 0)));
    for (int r = 0; r < rows; r++) {
      const float *row = x + (size_t)r * columns + j;
      i32x16 key = key_of(bits_of(whole ? load(row) : load_part(row, part, 0)));
      low = lesser_int(low, key);
      high = greater_int(high, key);
    }
    low = key_of(low);
    high = key_of(high);
    if (whole) {
      memcpy(lowest + j, &low, sizeof low);
      memcpy(highest + j, &high, sizeof high);
    } else {
      memcpy(lowest + j, &low, part * sizeof(float));
      memcpy(highest + j, &high, part * sizeof(float));
    }
  }
}

static void range_columns(const float *x, size_t n, float *lowest, size_t columns, float *highest,
                                    size_t nh) {
  (void)nh;
  if (columns == 0) return;
  size_t rows = n / columns, r = 0;
  for (; r + 8 <= rows; r += 8) range_column_group(x + r * columns, 8, lowest, highest, columns);
  for (; r < rows; r++) range_column_group(x + r * columns, 1, lowest, highest, columns);
}

static size_t first_nonfinite(const float *x, size_t n) {
  for (size_t from = 0; from < n; from += CK_CHUNK) {
    size_t count = n - from < CK_CHUNK ? n - from : CK_CHUNK;
    if (absmax(x + from, count) < 0x7F800000) continue;
    for (size_t i = from; i < from + count; i++) {
      if ((__builtin_bit_cast(uint32_t, x[i]) & CK_ABS_MASK) >= 0x7F800000) return i;
    }
  }
  return n;
}
