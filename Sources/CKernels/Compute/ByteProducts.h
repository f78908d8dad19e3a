// Unsigned times signed bytes, four at a time, on each instruction set.

#if CK_DOT && defined(__aarch64__)
// The instruction multiplies signed by signed, so bytes of A move down by 128.
#define CK_A_BIAS 128
#else
#define CK_A_BIAS 0
#endif

/// The bytes of B as the product of one vector needs them.
typedef struct {
  vi bytes;
#if !CK_DOT && defined(__x86_64__)
  vi even, odd;
#endif
} ck_quads;

#if defined(__x86_64__) && !CK_DOT
#if CK_VECTOR == 16
CK_INLINE vi even_signed(vi b) {
  return __builtin_bit_cast(vi, _mm512_srai_epi16(_mm512_slli_epi16(__builtin_bit_cast(__m512i, b), 8), 8));
}
CK_INLINE vi odd_signed(vi b) {
  return __builtin_bit_cast(vi, _mm512_srai_epi16(__builtin_bit_cast(__m512i, b), 8));
}
CK_INLINE vi odd_unsigned(vi a) {
  return __builtin_bit_cast(vi, _mm512_srli_epi16(__builtin_bit_cast(__m512i, a), 8));
}
CK_INLINE vi pair_products(vi a, vi b) {
  return __builtin_bit_cast(vi, _mm512_madd_epi16(__builtin_bit_cast(__m512i, a), __builtin_bit_cast(__m512i, b)));
}
#elif CK_VECTOR == 8
CK_INLINE vi even_signed(vi b) {
  return __builtin_bit_cast(vi, _mm256_srai_epi16(_mm256_slli_epi16(__builtin_bit_cast(__m256i, b), 8), 8));
}
CK_INLINE vi odd_signed(vi b) {
  return __builtin_bit_cast(vi, _mm256_srai_epi16(__builtin_bit_cast(__m256i, b), 8));
}
CK_INLINE vi odd_unsigned(vi a) {
  return __builtin_bit_cast(vi, _mm256_srli_epi16(__builtin_bit_cast(__m256i, a), 8));
}
CK_INLINE vi pair_products(vi a, vi b) {
  return __builtin_bit_cast(vi, _mm256_madd_epi16(__builtin_bit_cast(__m256i, a), __builtin_bit_cast(__m256i, b)));
}
#else
CK_INLINE vi even_signed(vi b) {
  return __builtin_bit_cast(vi, _mm_srai_epi16(_mm_slli_epi16(__builtin_bit_cast(__m128i, b), 8), 8));
}
CK_INLINE vi odd_signed(vi b) { return __builtin_bit_cast(vi, _mm_srai_epi16(__builtin_bit_cast(__m128i, b), 8)); }
CK_INLINE vi odd_unsigned(vi a) {
  return __builtin_bit_cast(vi, _mm_srli_epi16(__builtin_bit_cast(__m128i, a), 8));
}
CK_INLINE vi pair_products(vi a, vi b) {
  return __builtin_bit_cast(vi, _mm_madd_epi16(__builtin_bit_cast(__m128i, a), __builtin_bit_cast(__m128i, b)));
}
#endif
#endif

CK_INLINE ck_quads load_quads(const uint8_t *b) {
  ck_quads quads;
  quads.bytes = vload_int(b);
#if !CK_DOT && defined(__x86_64__)
  quads.even = even_signed(quads.bytes);
  quads.odd = odd_signed(quads.bytes);
#endif
  return quads;
}

/// sums + a · b, four bytes in each lane; `word` holds four bytes of A.
CK_INLINE vi add_quads(vi sums, int32_t word, ck_quads b) {
  vi a = word;
#if defined(__x86_64__) && CK_DOT && CK_VECTOR == 16
  return __builtin_bit_cast(vi, _mm512_dpbusd_epi32(__builtin_bit_cast(__m512i, sums),
                                                    __builtin_bit_cast(__m512i, a),
                                                    __builtin_bit_cast(__m512i, b.bytes)));
#elif defined(__x86_64__) && CK_DOT
  return __builtin_bit_cast(vi, _mm256_dpbusd_avx_epi32(__builtin_bit_cast(__m256i, sums),
                                                        __builtin_bit_cast(__m256i, a),
                                                        __builtin_bit_cast(__m256i, b.bytes)));
#elif defined(__x86_64__)
  return sums + pair_products(a & 0x00ff00ff, b.even) + pair_products(odd_unsigned(a), b.odd);
#elif defined(__aarch64__) && CK_DOT
  return __builtin_bit_cast(vi, vdotq_s32(__builtin_bit_cast(int32x4_t, sums), __builtin_bit_cast(int8x16_t, a),
                                          __builtin_bit_cast(int8x16_t, b.bytes)));
#elif defined(__aarch64__)
  uint8x16_t bytesA = __builtin_bit_cast(uint8x16_t, a);
  int8x16_t bytesB = __builtin_bit_cast(int8x16_t, b.bytes);
  int16x8_t lowA = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytesA)));
  int16x8_t highA = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(bytesA)));
  int16x8_t lowB = vmovl_s8(vget_low_s8(bytesB)), highB = vmovl_s8(vget_high_s8(bytesB));
  int32x4_t first = vmull_s16(vget_low_s16(lowA), vget_low_s16(lowB));
  int32x4_t second = vmull_s16(vget_high_s16(lowA), vget_high_s16(lowB));
  int32x4_t third = vmull_s16(vget_low_s16(highA), vget_low_s16(highB));
  int32x4_t fourth = vmull_s16(vget_high_s16(highA), vget_high_s16(highB));
  int32x4_t added = vpaddq_s32(vpaddq_s32(first, second), vpaddq_s32(third, fourth));
  return sums + __builtin_bit_cast(vi, added);
#else
  vi result = sums;
  for (int byte = 0; byte < 4; byte++) {
    vi left = (a >> (8 * byte)) & 0xff;
    vi right = (b.bytes << (24 - 8 * byte)) >> 24;
    result += left * right;
  }
  return result;
#endif
}
