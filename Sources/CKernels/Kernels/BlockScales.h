// The scales (and zero points) of sixteen blocks at a time, one per lane.

#define CK_LONGEST_BLOCK 256

/// Sixteen quantized blocks: element r of block l is `values[r][l]`, as stored.
typedef struct {
  f32x16 scale;
  i32x16 zero;
  u8x16 values[CK_LONGEST_BLOCK];
} block_tile;

/// The range of stored values relative to the zero point, and what is added to store them.
typedef struct {
  float lowest, highest;
  bool asymmetric, searches, signedScale;
  int32_t bias;
} block_rule;

CK_INLINE block_rule rule_of(const ck_block_options *options) {
  bool four = options->bits == 4;
  float top = four ? 7 : 127;
  block_rule rule = {-top, top, options->asymmetric != 0, options->leastSquares != 0, false, 0};
  if (rule.asymmetric) {
    rule.lowest = 0;
    rule.highest = four ? 15 : 255;
  } else {
    rule.signedScale = four && options->signedScale != 0;
    if (rule.signedScale) rule.lowest = -8;
    if (options->biased) rule.bias = four ? 8 : 128;
  }
  return rule;
}

/// A positive scale that divides: a block of zeros, or one whose scale underflows, gets 1.
CK_INLINE f32x16 usable(f32x16 scale) { return scale > 0 ? scale : (f32x16)1.0f; }

/// Squared errors of `rows` elements per lane for one scale per lane.
CK_INLINE f32x16 score(const f32x16 *w, size_t rows, f32x16 scale, f32x16 lowest, f32x16 highest) {
  f32x16 reciprocal = 1.0f / scale, even = 0, odd = 0;
  size_t r = 0;
  for (; r + 2 <= rows; r += 2) {
    even += squared_error(w[r], scale, reciprocal, lowest, highest);
    odd += squared_error(w[r + 1], scale, reciprocal, lowest, highest);
  }
  if (r < rows) even += squared_error(w[r], scale, reciprocal, lowest, highest);
  return even + odd;
}

/// Rows that are scored together for all candidates, so that their normalized values stay in the L1 cache.
#define CK_SCORED_ROWS ((size_t)32)
/// Candidates for signed scales, the maximum among them.
#define CK_MOST_CANDIDATES 8
/// Below this multiplier a value of the block may come to lie under -8.5 steps.
#define CK_CLAMPING_MULTIPLIER 0.95f

/// Adds |u| (u / f - q)^2 of up to CK_SCORED_ROWS rows to `sums`, even and odd rows apart. `u` is in units
/// of the scale of the maximum, so it lies within +-8 and a multiplier near 1 needs no lower limit.
CK_INLINE void add_weighted_errors(const f32x16 *u, const f32x16 *magnitudes, size_t rows, float reciprocal,
                                   bool clamps, f32x16 sums[2]) {
  f32x16 even = sums[0], odd = sums[1];
  for (size_t r = 0; r < rows; r += 2) {
    f32x16 a = u[r] * reciprocal, b = u[r + 1] * reciprocal;
    f32x16 p = lesser(a, 7), q = lesser(b, 7);
    if (clamps) {
      p = greater(p, -8);
      q = greater(q, -8);
    }
    f32x16 d = a - rounded(p), e = b - rounded(q);
    even += d * d * magnitudes[r];
    odd += e * e * magnitudes[r + 1];
  }
  sums[0] = even;
  sums[1] = odd;
}

/// The multiplier of `base` with the least sum of |w| (w - q scale)^2 in each lane; 1 wins ties, then the
/// first one. Sums are in units of `base`, so that blocks of tiny values are scored like any other.
CK_INLINE f32x16 best_multiplier(const f32x16 *w, size_t rows, f32x16 base, const float *multipliers,
                                 size_t multiplierCount) {
  f32x16 u[CK_SCORED_ROWS], magnitudes[CK_SCORED_ROWS], sums[CK_MOST_CANDIDATES][2];
  size_t count = multiplierCount < CK_MOST_CANDIDATES - 1 ? multiplierCount : CK_MOST_CANDIDATES - 1;
  for (size_t m = 0; m <= count; m++) sums[m][0] = sums[m][1] = 0;
  f32x16 unit = 1.0f / base;
  for (size_t from = 0; from < rows; from += CK_SCORED_ROWS) {
    size_t part = rows - from < CK_SCORED_ROWS ? rows - from : CK_SCORED_ROWS;
    for (size_t r = 0; r < part; r++) {
      u[r] = w[from + r] * unit;
      magnitudes[r] = floats_of(bits_of(u[r]) & 0x7FFFFFFF);
    }
    // Zeros add nothing.
    if (part % 2 != 0) u[part] = magnitudes[part] = 0;
    add_weighted_errors(u, magnitudes, part, 1, false, sums[0]);
    for (size_t m = 0; m < count; m++) {
      float reciprocal = 1.0f / multipliers[m];
      if (multipliers[m] < CK_CLAMPING_MULTIPLIER) {
        add_weighted_errors(u, magnitudes, part, reciprocal, true, sums[m + 1]);
      } else {
        add_weighted_errors(u, magnitudes, part, reciprocal, false, sums[m + 1]);
      }
    }
  }
  f32x16 chosen = 1, best = sums[0][0] + sums[0][1];
  for (size_t m = 0; m < count; m++) {
    f32x16 error = (sums[m + 1][0] + sums[m + 1][1]) * (multipliers[m] * multipliers[m]);
    i32x16 wins = error < best;
    chosen = wins ? (f32x16)multipliers[m] : chosen;
    best = wins ? error : best;
  }
  return chosen;
}

/// Chooses scales that take the value of largest magnitude to -8, whatever its sign.
CK_INLINE void choose_signed_scales(const f32x16 *w, size_t rows, block_rule rule, f32x16 top, f32x16 bottom,
                                    const float *multipliers, size_t multiplierCount, block_tile *tile) {
  // Of +a and -a, -a counts.
  f32x16 base = (top > -bottom ? top : bottom) * -0.125f;
  base = base == 0 ? (f32x16)1.0f : base;
  tile->zero = rule.bias;
  tile->scale = base;
  if (rule.searches) tile->scale = base * best_multiplier(w, rows, base, multipliers, multiplierCount);
}

/// Chooses scales (and zero points) for sixteen blocks of `rows` elements.
CK_INLINE void choose_scales(const f32x16 *w, size_t rows, block_rule rule, const float *multipliers,
                             size_t multiplierCount, block_tile *tile) {
  f32x16 top = 0, bottom = 0;
  for (size_t r = 0; r < rows; r++) {
    top = greater(w[r], top);
    bottom = lesser(w[r], bottom);
  }
  if (rule.signedScale) {
    choose_signed_scales(w, rows, rule, top, bottom, multipliers, multiplierCount, tile);
    return;
  }
  f32x16 first, low = rule.lowest, high = rule.highest;
  tile->zero = rule.bias;
  if (rule.asymmetric) {
    first = usable((top - bottom) / rule.highest);
    tile->zero = rounded_int(clamped(-bottom / first, 0, high));
    low = -__builtin_convertvector(tile->zero, f32x16);
    high = high + low;
  } else {
    first = usable(greater(top, -bottom) / rule.highest);
  }
  tile->scale = first;
  if (!rule.searches) return;
  f32x16 best = score(w, rows, first, low, high);
  for (size_t m = 0; m < multiplierCount; m++) {
    f32x16 scale = usable(first * multipliers[m]);
    f32x16 error = score(w, rows, scale, low, high);
    i32x16 wins = error < best;
    tile->scale = wins ? scale : tile->scale;
    best = wins ? error : best;
  }
}
