// Products with few rows, which only read B once: four rows of B are interleaved in registers.

#if !defined(__x86_64__) && !defined(__aarch64__)
static bool igemm_narrow(const ck_igemm_job *x, size_t threads) {
  (void)x, (void)threads;
  return false;
}
#else

/// Bytes of one row of B that are interleaved at a time.
#define CK_STRIP ((size_t)(CK_VECTOR * 4))

#if CK_VECTOR == 16
#define CK_ZIP(name, width) \
  __builtin_bit_cast(vi, _mm512_unpack##name##_epi##width(__builtin_bit_cast(__m512i, a), __builtin_bit_cast(__m512i, b)))
#elif CK_VECTOR == 8
#define CK_ZIP(name, width) \
  __builtin_bit_cast(vi, _mm256_unpack##name##_epi##width(__builtin_bit_cast(__m256i, a), __builtin_bit_cast(__m256i, b)))
#elif defined(__x86_64__)
#define CK_ZIP(name, width) \
  __builtin_bit_cast(vi, _mm_unpack##name##_epi##width(__builtin_bit_cast(__m128i, a), __builtin_bit_cast(__m128i, b)))
#endif
#if defined(__x86_64__)
CK_INLINE vi zip_low_bytes(vi a, vi b) { return CK_ZIP(lo, 8); }
CK_INLINE vi zip_high_bytes(vi a, vi b) { return CK_ZIP(hi, 8); }
CK_INLINE vi zip_low_pairs(vi a, vi b) { return CK_ZIP(lo, 16); }
CK_INLINE vi zip_high_pairs(vi a, vi b) { return CK_ZIP(hi, 16); }
#undef CK_ZIP
#else
#define CK_ZIP(name, type) \
  __builtin_bit_cast(vi, vzip##name##q_##type(__builtin_bit_cast(CK_LANE_TYPE, a), __builtin_bit_cast(CK_LANE_TYPE, b)))
#define CK_LANE_TYPE uint8x16_t
CK_INLINE vi zip_low_bytes(vi a, vi b) { return CK_ZIP(1, u8); }
CK_INLINE vi zip_high_bytes(vi a, vi b) { return CK_ZIP(2, u8); }
#undef CK_LANE_TYPE
#define CK_LANE_TYPE uint16x8_t
CK_INLINE vi zip_low_pairs(vi a, vi b) { return CK_ZIP(1, u16); }
CK_INLINE vi zip_high_pairs(vi a, vi b) { return CK_ZIP(2, u16); }
#undef CK_LANE_TYPE
#undef CK_ZIP
#endif

CK_INLINE ck_quads quads_of(vi bytes) {
  ck_quads quads;
  quads.bytes = bytes;
#if !CK_DOT && defined(__x86_64__)
  quads.even = even_signed(bytes);
  quads.odd = odd_signed(bytes);
#endif
  return quads;
}

CK_INLINE vi load_strip(const uint8_t *from, size_t count, int32_t flip) {
  if (count == CK_STRIP) return vload_int(from) ^ flip;
  vi bytes = 0;
  memcpy(&bytes, from, count);
  return bytes ^ flip;
}

/// Columns that a piece works on.
#define CK_STRIP_COLUMNS (CK_STRIP * 4)

static void narrow_strips(void *context, size_t piece) {
  const ck_igemm_job *x = context;
  const int32_t flipB = x->signedB ? 0 : (int32_t)0x80808080u;
  const uint32_t flipA = (x->signedA ? 0x80808080u : 0) ^ (CK_A_BIAS ? 0x80808080u : 0);
  size_t end = smaller(x->n, (piece + 1) * CK_STRIP_COLUMNS);
  for (size_t column = piece * CK_STRIP_COLUMNS; column < end; column += CK_STRIP) {
    size_t columns = smaller(end - column, CK_STRIP);
    vi sums[CK_NARROW][4], columnSums[4];
    int32_t rowSums[CK_NARROW] = {0};
    memset(sums, 0, sizeof sums), memset(columnSums, 0, sizeof columnSums);
    for (size_t p = 0; p < x->k; p += 4) {
      size_t few = smaller(x->k - p, 4);
      vi rows[4] = {0, 0, 0, 0};
      for (size_t i = 0; i < few; i++) rows[i] = load_strip(x->b + (p + i) * x->ldb + column, columns, flipB);
      vi low01 = zip_low_bytes(rows[0], rows[1]), high01 = zip_high_bytes(rows[0], rows[1]);
      vi low23 = zip_low_bytes(rows[2], rows[3]), high23 = zip_high_bytes(rows[2], rows[3]);
      ck_quads quads[4] = {
          quads_of(zip_low_pairs(low01, low23)), quads_of(zip_high_pairs(low01, low23)),
          quads_of(zip_low_pairs(high01, high23)), quads_of(zip_high_pairs(high01, high23))};
      for (size_t i = 0; i < 4; i++) columnSums[i] = add_quads(columnSums[i], 0x01010101, quads[i]);
      for (size_t r = 0; r < x->m; r++) {
        uint32_t word = 0;
        memcpy(&word, x->a + r * x->lda + p, few);
        word ^= few == 4 ? flipA : flipA & ((1u << (8 * few)) - 1);
        for (size_t i = 0; i < 4; i++) sums[r][i] = add_quads(sums[r][i], (int32_t)word, quads[i]);
      }
    }
    for (size_t r = 0; r < x->m; r++) {
      uint32_t sum = 0;
      for (size_t p = 0; p < x->k; p++) {
        uint8_t byte = x->a[r * x->lda + p] ^ (uint8_t)flipA;
        sum += CK_A_BIAS ? (uint32_t)(int32_t)(int8_t)byte : byte;
      }
      rowSums[r] = (int32_t)sum;
    }
    // Interleaving keeps to groups of sixteen bytes: vector i has columns 4i ..< 4i + 4 of each group.
    int32_t ordered[CK_NARROW + 1][CK_STRIP];
    for (size_t r = 0; r <= x->m; r++) {
      for (size_t i = 0; i < 4; i++) {
        vi lanes = r < x->m ? sums[r][i] : columnSums[i];
        for (size_t lane = 0; lane < CK_VECTOR; lane++) {
          ordered[r < x->m ? r : CK_NARROW][lane / 4 * 16 + i * 4 + lane % 4] = lanes[lane];
        }
      }
    }
    ck_integer_tile tile = {
        .job = x, .row = 0, .column = column, .columns = columns, .columnSums = ordered[CK_NARROW], .rowSums = rowSums};
    for (size_t r = 0; r < x->m; r++) {
      for (size_t v = 0; v < 4; v++) finish_tile(&tile, r, v, vload_int(ordered[r] + v * CK_VECTOR));
    }
  }
}

/// Whether the product was made this way.
static bool igemm_narrow(const ck_igemm_job *x, size_t threads) {
  if (x->m > CK_NARROW || x->transposedB) return false;
  ck_igemm_job copy = *x;
  ck_parallel(whole_parts(x->n, CK_STRIP_COLUMNS), threads, narrow_strips, &copy);
  return true;
}
#endif
