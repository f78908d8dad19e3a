// What becomes of the sums of 8-bit products: sum (a - za)(b - zb) = sum ab - za sum b - zb sum a + k za zb, all
// modulo 2^32.

/// What a tile needs to know at its end.
typedef struct {
  const ck_igemm_job *job;
  size_t row, column, columns;
  const int32_t *columnSums;
  /// Per row of the tile.
  const int32_t *rowSums;
} ck_integer_tile;

CK_INLINE void finish_tile(const ck_integer_tile *t, size_t r, size_t v, vi sums) {
  const ck_igemm_job *x = t->job;
  size_t start = v * CK_VECTOR;
  if (start >= t->columns) return;
  size_t few = smaller(t->columns - start, CK_VECTOR);
  size_t column = t->column + start, row = t->row + r;
  int32_t zeroA = x->zeroA[x->zeroACount > 1 ? row : 0] + (x->signedA ? 128 : 0) - CK_A_BIAS;
  int32_t shiftB = x->signedB ? 0 : -128;
  vi zeroB;
  if (x->zeroBCount > 1) {
    zeroB = __builtin_bit_cast(vi, vload_part(x->zeroB + column, few, 0.0f)) + shiftB;
  } else {
    zeroB = x->zeroB[0] + shiftB;
  }
  uint32_t inner = (uint32_t)x->k;
  vu rest = (vu)zeroA * __builtin_bit_cast(vu, vload_int(t->columnSums + start));
  vu across = ((vu)(uint32_t)t->rowSums[r] - inner * (uint32_t)zeroA) * __builtin_bit_cast(vu, zeroB);
  vi result = __builtin_bit_cast(vi, __builtin_bit_cast(vu, sums) - rest - across);
  if (x->c) {
    vstore_part(x->c + row * x->ldc + column, __builtin_bit_cast(vf, result), few);
    return;
  }
  vf scale = x->scaleCount > 1 ? vload_part(x->scales + column, few, 0.0f) : (vf)x->scales[0];
  vf scaled = __builtin_convertvector(result, vf) * scale;
  if (x->bias) scaled += vload_part(x->bias + column, few, 0.0f);
  if (few == CK_VECTOR) {
    vstore(x->output + row * x->ldc + column, scaled);
  } else {
    vstore_part(x->output + row * x->ldc + column, scaled, few);
  }
}
