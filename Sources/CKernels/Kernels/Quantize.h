// QuantizeLinear with the energy of its error, and the squared errors for a search of scales.

/// Float lanes that move on to double before they grow long.
typedef struct {
  f32x16 error, signal;
  size_t pending;
  ck_energy total;
} energy_sums;

CK_INLINE void flush(energy_sums *sums) {
  sums->total.error += sum_lanes(sums->error);
  sums->total.signal += sum_lanes(sums->signal);
  sums->error = 0;
  sums->signal = 0;
  sums->pending = 0;
}

/// Quantizes sixteen elements by a true division, as the specification says, adds to the sums and returns
/// the stored bytes.
CK_INLINE u8x16 quantize_lanes(f32x16 w, f32x16 scale, f32x16 lowest, f32x16 highest, i32x16 zero,
                               f32x16 *error, f32x16 *signal) {
  f32x16 shifted = clamped(w / scale, lowest, highest) + CK_ROUNDER;
  f32x16 difference = w - (shifted - CK_ROUNDER) * scale;
  *error += difference * difference;
  *signal += w * w;
  return __builtin_convertvector(bits_of(shifted) - CK_ROUNDER_BITS + zero, u8x16);
}

CK_INLINE i32x16 load_zeros(const uint8_t *from, size_t count) {
  u8x16 bytes = 0;
  if (count == 16) {
    memcpy(&bytes, from, 16);
  } else {
    memcpy(&bytes, from, count);
  }
  return __builtin_convertvector(bytes, i32x16);
}

CK_INLINE f32x16 floats_from(i32x16 x) { return __builtin_convertvector(x, f32x16); }

/// One run of at most CK_CHUNK elements with one scale and zero point.
CK_INLINE void run_of_row(const float *x, size_t n, float s, int32_t z, int32_t lowest, int32_t highest,
                          uint8_t *o, energy_sums *sums) {
  f32x16 scale = s, low = (float)(lowest - z), high = (float)(highest - z);
  i32x16 zero = z;
  f32x16 error = sums->error, signal = sums->signal;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    u8x16 q = quantize_lanes(load(x + i), scale, low, high, zero, &error, &signal);
    memcpy(o + i, &q, 16);
  }
  if (i < n) {
    u8x16 q = quantize_lanes(load_part(x + i, n - i, 0), scale, low, high, zero, &error, &signal);
    memcpy(o + i, &q, n - i);
  }
  sums->error = error;
  sums->signal = signal;
  sums->pending += n;
}

/// `rows` <= 8 rows of n <= CK_CHUNK / 8 columns with a scale (and a zero point, if any) per column.
CK_INLINE void run_of_columns(const float *x, size_t stride, size_t rows, size_t n, const float *s,
                              const uint8_t *z, int32_t lowest, int32_t highest, uint8_t *o,
                              energy_sums *sums) {
  f32x16 low = (float)lowest, high = (float)highest;
  f32x16 error = sums->error, signal = sums->signal;
  i32x16 zero = 0;
  for (size_t i = 0; i < n; i += 16) {
    size_t part = n - i < 16 ? n - i : 16;
    // Lanes beyond the end: 0 / 1, no error, no signal.
    f32x16 scale = part == 16 ? load(s + i) : load_part(s + i, part, 1);
    if (z != NULL) {
      zero = load_zeros(z + i, part);
      low = (float)lowest - floats_from(zero);
      high = (float)highest - floats_from(zero);
    }
    const float *from = x + i;
    uint8_t *to = o + i;
    if (part == 16) {
      for (size_t r = 0; r < rows; r++, from += stride, to += stride) {
        u8x16 q = quantize_lanes(load(from), scale, low, high, zero, &error, &signal);
        memcpy(to, &q, 16);
      }
    } else {
      for (size_t r = 0; r < rows; r++, from += stride, to += stride) {
        u8x16 q = quantize_lanes(load_part(from, part, 0), scale, low, high, zero, &error, &signal);
        memcpy(to, &q, part);
      }
    }
  }
  sums->error = error;
  sums->signal = signal;
  sums->pending += rows * n;
}

CK_INLINE ck_energy rows_of_bytes(const float *x, size_t columns, const float *s, size_t rows,
                                  const uint8_t *z, int32_t lowest, int32_t highest, uint8_t *o) {
  energy_sums sums = {0};
  for (size_t r = 0; r < rows; r++) {
    for (size_t from = 0; from < columns; from += CK_CHUNK) {
      size_t n = columns - from < CK_CHUNK ? columns - from : CK_CHUNK;
      if (sums.pending + n > CK_CHUNK) flush(&sums);
      run_of_row(x + r * columns + from, n, s[r], z == NULL ? 0 : z[r], lowest, highest,
                 o + r * columns + from, &sums);
    }
  }
  flush(&sums);
  return sums.total;
}

CK_INLINE ck_energy columns_of_bytes(const float *x, size_t count, const float *s, size_t columns,
                                     const uint8_t *z, int32_t lowest, int32_t highest, uint8_t *o) {
  energy_sums sums = {0};
  size_t rows = columns == 0 ? 0 : count / columns;
  for (size_t r = 0; r < rows; r += 8) {
    size_t height = rows - r < 8 ? rows - r : 8;
    for (size_t from = 0; from < columns; from += CK_CHUNK / 8) {
      size_t n = columns - from < CK_CHUNK / 8 ? columns - from : CK_CHUNK / 8;
      if (sums.pending + height * n > CK_CHUNK) flush(&sums);
      run_of_columns(x + r * columns + from, columns, height, n, s + from, z == NULL ? NULL : z + from,
                     lowest, highest, o + r * columns + from, &sums);
    }
  }
  flush(&sums);
  return sums.total;
}

static ck_energy quantize_rows_s8(const float *x, size_t n, size_t columns, const float *s,
                                            size_t rows, int32_t lowest, int32_t highest, int8_t *o,
                                            size_t no) {
  (void)n, (void)no;
  return rows_of_bytes(x, columns, s, rows, NULL, lowest, highest, (uint8_t *)o);
}

static ck_energy quantize_columns_s8(const float *x, size_t n, const float *s, size_t columns,
                                               int32_t lowest, int32_t highest, int8_t *o, size_t no) {
  (void)no;
  return columns_of_bytes(x, n, s, columns, NULL, lowest, highest, (uint8_t *)o);
}

static ck_energy quantize_rows_u8(const float *x, size_t n, size_t columns, const float *s,
                                            size_t rows, const uint8_t *z, size_t nz, int32_t lowest,
                                            int32_t highest, uint8_t *o, size_t no) {
  (void)n, (void)nz, (void)no;
  return rows_of_bytes(x, columns, s, rows, z, lowest, highest, o);
}

static ck_energy quantize_columns_u8(const float *x, size_t n, const float *s, size_t columns,
                                               const uint8_t *z, size_t nz, int32_t lowest, int32_t highest,
                                               uint8_t *o, size_t no) {
  (void)nz, (void)no;
  return columns_of_bytes(x, n, s, columns, z, lowest, highest, o);
}

/// The squared error for a candidate scale. Multiplies by the reciprocal: where that rounds a near tie to
/// the other side, both sides have the same error, and a search stores nothing.
CK_INLINE f32x16 squared_error(f32x16 w, f32x16 scale, f32x16 reciprocal, f32x16 lowest, f32x16 highest) {
  f32x16 difference = w - rounded(clamped(w * reciprocal, lowest, highest)) * scale;
  return difference * difference;
}

static void squared_errors_rows(const float *x, size_t n, size_t columns, const float *s,
                                          size_t rows, int32_t lowest, int32_t highest, double *e,
                                          size_t ne) {
  (void)n, (void)ne;
  f32x16 low = (float)lowest, high = (float)highest;
  for (size_t r = 0; r < rows; r++) {
    f32x16 scale = s[r], reciprocal = 1.0f / s[r];
    for (size_t from = 0; from < columns; from += CK_CHUNK) {
      size_t count = columns - from < CK_CHUNK ? columns - from : CK_CHUNK;
      const float *row = x + r * columns + from;
      f32x16 a = 0, b = 0;
      size_t i = 0;
      for (; i + 32 <= count; i += 32) {
        a += squared_error(load(row + i), scale, reciprocal, low, high);
        b += squared_error(load(row + i + 16), scale, reciprocal, low, high);
      }
      for (; i + 16 <= count; i += 16) a += squared_error(load(row + i), scale, reciprocal, low, high);
      if (i < count) b += squared_error(load_part(row + i, count - i, 0), scale, reciprocal, low, high);
      e[r] += sum_lanes(a + b);
    }
  }
}

CK_INLINE void squared_error_group(const float *x, int rows, const float *s, f32x16 low, f32x16 high,
                                   double *e, size_t columns) {
  for (size_t j = 0; j < columns; j += 16) {
    size_t part = columns - j < 16 ? columns - j : 16;
    bool whole = part == 16;
    f32x16 scale = whole ? load(s + j) : load_part(s + j, part, 1);
    f32x16 reciprocal = 1.0f / scale, sum = 0;
    for (int r = 0; r < rows; r++) {
      const float *row = x + (size_t)r * columns + j;
      sum += squared_error(whole ? load(row) : load_part(row, part, 0), scale, reciprocal, low, high);
    }
    f64x16 wide = __builtin_convertvector(sum, f64x16), running = 0;
    if (whole) {
      memcpy(&running, e + j, sizeof running);
      running += wide;
      memcpy(e + j, &running, sizeof running);
    } else {
      memcpy(&running, e + j, part * sizeof(double));
      running += wide;
      memcpy(e + j, &running, part * sizeof(double));
    }
  }
}

static void squared_errors_columns(const float *x, size_t n, const float *s, size_t columns,
                                             int32_t lowest, int32_t highest, double *e, size_t ne) {
  (void)ne;
  if (columns == 0) return;
  f32x16 low = (float)lowest, high = (float)highest;
  size_t rows = n / columns, r = 0;
  for (; r + 8 <= rows; r += 8) squared_error_group(x + r * columns, 8, s, low, high, e, columns);
  for (; r < rows; r++) squared_error_group(x + r * columns, 1, s, low, high, e, columns);
}
