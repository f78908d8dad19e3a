// Panels of the operands of a matrix product.

/// A[row ..< row + rows, k0 ..< k0 + inner] as [inner][rows], times `alpha`.
CK_INLINE void pack_rows(const ck_sgemm_job *x, size_t row, size_t rows, size_t k0, size_t inner, float *to) {
  if (x->transposedA) {
    for (size_t p = 0; p < inner; p++) {
      memcpy(to + p * rows, x->a + (k0 + p) * x->lda + row, rows * sizeof(float));
    }
  } else {
    transpose_words((const uint8_t *)(x->a + row * x->lda + k0), x->lda * 4, (uint8_t *)to, rows * 4, rows, inner);
  }
  if (x->alpha != 1.0f) {
    for (size_t i = 0; i < rows * inner; i++) to[i] *= x->alpha;
  }
}

/// B[k0 ..< k0 + inner, column ..< column + columns] as [inner][CK_TILE_COLUMNS], filled up with zeros.
CK_INLINE void pack_columns(const ck_sgemm_job *x, size_t column, size_t columns, size_t k0, size_t inner,
                            float *to) {
  const size_t width = CK_TILE_COLUMNS;
  if (columns < width) memset(to, 0, inner * width * sizeof(float));
  if (x->blocked) {
    float row[CK_INNER * 4];
    for (size_t c = 0; c < columns; c += 4) {
      size_t few = smaller(columns - c, 4);
      for (size_t i = 0; i < few; i++) {
        dequantize_row(x->blocked, x->k, column + c + i, k0, inner, row + i * CK_INNER);
      }
      transpose_words((const uint8_t *)row, CK_INNER * 4, (uint8_t *)(to + c), width * 4, few, inner);
    }
    return;
  }
  const uint8_t *b = x->b;
  if (x->transposedB) {
    const uint8_t *from = b + (column * x->ldb + k0) * sizeof(float);
    transpose_words(from, x->ldb * 4, (uint8_t *)to, width * 4, columns, inner);
    return;
  }
  for (size_t p = 0; p < inner; p++) {
    const uint8_t *from = b + ((k0 + p) * x->ldb + column) * sizeof(float);
    if (columns == width) {
      for (size_t v = 0; v < CK_TILE_VECTORS; v++) {
        vstore(to + p * width + v * CK_VECTOR, vload(from + v * sizeof(vf)));
      }
    } else {
      memcpy(to + p * width, from, columns * sizeof(float));
    }
  }
}
