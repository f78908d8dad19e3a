// Loads, stores and folds of one vector.

CK_INLINE vf vload(const void *from) {
  vf lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}
CK_INLINE void vstore(void *to, vf lanes) { memcpy(to, &lanes, sizeof lanes); }
CK_INLINE vi vload_int(const void *from) {
  vi lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}
CK_INLINE void vstore_int(void *to, vi lanes) { memcpy(to, &lanes, sizeof lanes); }
CK_INLINE vf vload_part(const void *from, size_t count, float filler) {
  vf lanes = filler;
  memcpy(&lanes, from, count * sizeof(float));
  return lanes;
}
CK_INLINE void vstore_part(void *to, vf lanes, size_t count) { memcpy(to, &lanes, count * sizeof(float)); }

CK_INLINE float load_float(const void *from) {
  float value;
  memcpy(&value, from, sizeof value);
  return value;
}

CK_INLINE vi vbits(vf x) { return __builtin_bit_cast(vi, x); }
CK_INLINE vf vfloats(vi x) { return __builtin_bit_cast(vf, x); }
/// Where `mask` is set `a`, else `b`.
CK_INLINE vf vselect(vi mask, vf a, vf b) { return vfloats((vbits(a) & mask) | (vbits(b) & ~mask)); }
// A NaN in `x` stays.
CK_INLINE vf at_most(vf x, float limit) { return vselect(x > (vf)limit, (vf)limit, x); }
CK_INLINE vf at_least(vf x, float limit) { return vselect(x < (vf)limit, (vf)limit, x); }

CK_INLINE float vsum(vf x) {
#if CK_VECTOR >= 16
  typeof(x.lo) eight = x.lo + x.hi;
  f4 four = eight.lo + eight.hi;
#elif CK_VECTOR >= 8
  f4 four = x.lo + x.hi;
#else
  f4 four = x;
#endif
  return (four.x + four.y) + (four.z + four.w);
}

CK_INLINE float vmost(vf x) {
  float most = x[0];
  for (int lane = 1; lane < CK_VECTOR; lane++) most = x[lane] > most ? x[lane] : most;
  return most;
}

CK_INLINE float vleast(vf x) {
  float least = x[0];
  for (int lane = 1; lane < CK_VECTOR; lane++) least = x[lane] < least ? x[lane] : least;
  return least;
}

CK_INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
CK_INLINE size_t whole_parts(size_t count, size_t part) { return (count + part - 1) / part; }
