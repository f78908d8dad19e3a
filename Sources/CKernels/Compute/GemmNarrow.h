// Products with few rows, which only read B once: no packing.

/// Rows up to which this way is taken.
#define CK_NARROW ((size_t)4)
/// Columns that a piece works on.
#define CK_NARROW_COLUMNS ((size_t)256)

/// `rows` dot products of `k` elements with one row of B.
CK_INLINE void dot_rows(const float *a, size_t lda, size_t rows, const uint8_t *b, size_t k, float *sums) {
  for (size_t r = 0; r < rows; r++) {
    const float *row = a + r * lda;
    vf s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    size_t p = 0;
    for (; p + 4 * CK_VECTOR <= k; p += 4 * CK_VECTOR) {
      s0 = CK_MULTIPLY_ADD(vload(row + p), vload(b + p * 4), s0);
      s1 = CK_MULTIPLY_ADD(vload(row + p + CK_VECTOR), vload(b + (p + CK_VECTOR) * 4), s1);
      s2 = CK_MULTIPLY_ADD(vload(row + p + 2 * CK_VECTOR), vload(b + (p + 2 * CK_VECTOR) * 4), s2);
      s3 = CK_MULTIPLY_ADD(vload(row + p + 3 * CK_VECTOR), vload(b + (p + 3 * CK_VECTOR) * 4), s3);
    }
    for (; p + CK_VECTOR <= k; p += CK_VECTOR) s0 = CK_MULTIPLY_ADD(vload(row + p), vload(b + p * 4), s0);
    float sum = vsum((s0 + s1) + (s2 + s3));
    for (; p < k; p++) sum += row[p] * load_float(b + p * 4);
    sums[r] += sum;
  }
}

/// Columns of C whose B is stored by column: dot products.
static void narrow_dots(void *context, size_t piece) {
  const ck_sgemm_job *x = context;
  size_t step = x->blocked ? 32 : 64;
  size_t end = smaller(x->n, (piece + 1) * step);
  for (size_t column = piece * step; column < end; column++) {
    float sums[CK_NARROW] = {0};
    if (x->blocked) {
      float part[CK_INNER];
      for (size_t k0 = 0; k0 < x->k; k0 += CK_INNER) {
        size_t inner = smaller(x->k - k0, CK_INNER);
        dequantize_row(x->blocked, x->k, column, k0, inner, part);
        dot_rows(x->a + k0, x->lda, x->m, (const uint8_t *)part, inner, sums);
      }
    } else {
      dot_rows(x->a, x->lda, x->m, (const uint8_t *)x->b + column * x->ldb * 4, x->k, sums);
    }
    for (size_t row = 0; row < x->m; row++) {
      x->c[row * x->ldc + column] = sums[row] * x->alpha + (x->bias ? x->bias[column] : 0.0f);
    }
  }
}

/// Adds `few` rows of B, each times its element of A, to one row of sums.
CK_INLINE void add_rows(const float *factors, const size_t few, const uint8_t *b, size_t ldb, float *sums,
                        size_t columns) {
  size_t i = 0;
  for (; i + CK_VECTOR <= columns; i += CK_VECTOR) {
    vf sum = vload(sums + i);
    for (size_t p = 0; p < few; p++) {
      sum = CK_MULTIPLY_ADD((vf)factors[p], vload(b + (p * ldb + i) * 4), sum);
    }
    vstore(sums + i, sum);
  }
  for (; i < columns; i++) {
    for (size_t p = 0; p < few; p++) sums[i] += factors[p] * load_float(b + (p * ldb + i) * 4);
  }
}

/// Columns of C whose B is stored by row: rows of B are added up.
static void narrow_sums(void *context, size_t piece) {
  const ck_sgemm_job *x = context;
  size_t column = piece * CK_NARROW_COLUMNS;
  size_t columns = smaller(x->n - column, CK_NARROW_COLUMNS);
  float sums[CK_NARROW][CK_NARROW_COLUMNS];
  memset(sums, 0, sizeof sums);
  const uint8_t *b = (const uint8_t *)x->b + column * 4;
  for (size_t p = 0; p < x->k; p += 8) {
    size_t few = smaller(x->k - p, 8);
    for (size_t row = 0; row < x->m; row++) {
      const float *factors = x->a + row * x->lda + p;
      if (few == 8) {
        add_rows(factors, 8, b + p * x->ldb * 4, x->ldb, sums[row], columns);
      } else {
        add_rows(factors, few, b + p * x->ldb * 4, x->ldb, sums[row], columns);
      }
    }
  }
  for (size_t row = 0; row < x->m; row++) {
    for (size_t i = 0; i < columns; i++) {
      x->c[row * x->ldc + column + i] = sums[row][i] * x->alpha + (x->bias ? x->bias[column + i] : 0.0f);
    }
  }
}

/// Whether the product was made this way.
static bool sgemm_narrow(const ck_sgemm_job *x, size_t threads) {
  if (x->m > CK_NARROW || x->transposedA) return false;
  if (x->n * x->k < 16 * 1024) threads = 1;
  ck_sgemm_job copy = *x;
  if (x->blocked || x->transposedB) {
    ck_parallel(whole_parts(x->n, x->blocked ? 32 : 64), threads, narrow_dots, &copy);
  } else {
    ck_parallel(whole_parts(x->n, CK_NARROW_COLUMNS), threads, narrow_sums, &copy);
  }
  return true;
}
