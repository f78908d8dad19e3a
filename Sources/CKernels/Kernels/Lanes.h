// Loads, stores and folds of sixteen lanes.

CK_INLINE f32x16 load(const float *from) {
  f32x16 lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

/// `count` < 16 elements, the lanes above filled with `filler`.
CK_INLINE f32x16 load_part(const float *from, size_t count, float filler) {
  f32x16 lanes = filler;
  memcpy(&lanes, from, count * sizeof(float));
  return lanes;
}

CK_INLINE i32x16 bits_of(f32x16 x) { return __builtin_bit_cast(i32x16, x); }
CK_INLINE f32x16 floats_of(i32x16 x) { return __builtin_bit_cast(f32x16, x); }

// A NaN in `a` gives `b`, which is what the vector instructions do.
CK_INLINE f32x16 lesser(f32x16 a, f32x16 b) { return a < b ? a : b; }
CK_INLINE f32x16 greater(f32x16 a, f32x16 b) { return a > b ? a : b; }
CK_INLINE i32x16 lesser_int(i32x16 a, i32x16 b) { return a < b ? a : b; }
CK_INLINE i32x16 greater_int(i32x16 a, i32x16 b) { return a > b ? a : b; }

/// The sum of all lanes in double, in one fixed tree.
CK_INLINE double sum_lanes(f32x16 lanes) {
  f64x16 wide = __builtin_convertvector(lanes, f64x16);
  f64x8 eight = wide.lo + wide.hi;
  f64x4 four = eight.lo + eight.hi;
  f64x2 two = four.lo + four.hi;
  return two.x + two.y;
}

/// Rounds to integers, ties to even; |x| <= 2^22.
CK_INLINE f32x16 rounded(f32x16 x) { return (x + CK_ROUNDER) - CK_ROUNDER; }
/// The same as an integer.
CK_INLINE i32x16 rounded_int(f32x16 x) { return bits_of(x + CK_ROUNDER) - CK_ROUNDER_BITS; }
/// Clamps; NaN becomes `highest`.
CK_INLINE f32x16 clamped(f32x16 x, f32x16 lowest, f32x16 highest) {
  return greater(lesser(x, highest), lowest);
}
