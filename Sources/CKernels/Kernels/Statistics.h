// Histograms of strided samples, and weighted rounding errors.

/// Counts x[0], x[step], ... into bins of the width 1 / inverseWidth around zero, which is the lower edge of bin
/// bins / 2; what lies beyond goes to the bins at the ends. The values are finite.
static void count_bins(const float *x, size_t n, size_t step, float inverseWidth, uint32_t *counts, size_t bins) {
  f32x16 middle = (float)(bins / 2), last = (float)(bins - 1), none = 0.0f;
  for (size_t i = 0; i < n; i += 16 * step) {
    size_t left = (n - i + step - 1) / step;
    f32x16 value;
    if (left < 16) {
      float few[16] = {0};
      for (size_t l = 0; l < left; l++) few[l] = x[i + l * step];
      value = load(few);
    } else if (step == 1) {
      value = load(x + i);
    } else {
      left = 16;
      float many[16];
      for (size_t l = 0; l < 16; l++) many[l] = x[i + l * step];
      value = load(many);
    }
    // Halves of the range are clamped first, so that the sums below are small integers and their fractions. The
    // width is a power of two, so the product is exact; what the sum rounds is mended by a comparison of the product.
    f32x16 place = clamped(value * inverseWidth, none - middle, last - middle);
    i32x16 index = __builtin_convertvector(place, i32x16);
    // Truncation went up below zero.
    index += place < __builtin_convertvector(index, f32x16);
    index += (int32_t)(bins / 2);
    if (left > 16) left = 16;
    for (size_t l = 0; l < left; l++) counts[index[l]]++;
  }
}

/// Squared errors of symmetric rounding, each row times its weight, by column; sums are added to `e`.
static void weighted_errors_columns(const float *x, size_t n, const float *weights, const float *s, size_t columns,
                                    int32_t lowest, int32_t highest, double *e, size_t ne) {
  (void)ne;
  if (columns == 0) return;
  size_t rows = n / columns;
  f32x16 low = (float)lowest, high = (float)highest;
  for (size_t j = 0; j < columns; j += 16) {
    size_t part = columns - j < 16 ? columns - j : 16;
    f32x16 scale = part == 16 ? load(s + j) : load_part(s + j, part, 1.0f);
    f32x16 inverse = 1.0f / scale;
    double sums[16] = {0};
    for (size_t from = 0; from < rows; from += 256) {
      size_t end = rows - from < 256 ? rows : from + 256;
      f32x16 sum = 0.0f;
      for (size_t r = from; r < end; r++) {
        const float *row = x + r * columns + j;
        f32x16 values = part == 16 ? load(row) : load_part(row, part, 0.0f);
        sum += squared_error(values, scale, inverse, low, high) * weights[r];
      }
      for (size_t l = 0; l < part; l++) sums[l] += (double)sum[l];
    }
    for (size_t l = 0; l < part; l++) e[j + l] += sums[l];
  }
}
