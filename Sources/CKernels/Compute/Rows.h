// Kernels that see a whole row.

CK_INLINE float row_maximum(const float *x, size_t n) {
  vf most = -INFINITY, most2 = -INFINITY;
  size_t i = 0;
  for (; i + 2 * CK_VECTOR <= n; i += 2 * CK_VECTOR) {
    vf v = vload(x + i), w = vload(x + i + CK_VECTOR);
    most = v > most ? v : most, most2 = w > most2 ? w : most2;
  }
  most = most2 > most ? most2 : most;
  float result = vmost(most);
  for (; i < n; i++) result = x[i] > result ? x[i] : result;
  return result;
}

static void softmax(const float *x, float *o, size_t rows, size_t columns, int32_t logarithm) {
  for (size_t row = 0; row < rows; row++, x += columns, o += columns) {
    float most = row_maximum(x, columns);
    vf sums = 0.0f;
    size_t i = 0;
    for (; i + CK_VECTOR <= columns; i += CK_VECTOR) {
      vf e = exponential(vload(x + i) - most);
      sums += e;
      if (!logarithm) vstore(o + i, e);
    }
    if (i < columns) {
      vf e = exponential(vload_part(x + i, columns - i, -INFINITY) - most);
      // A row of -infinity has NaN everywhere, as the definition gives.
      for (size_t lane = 0; lane < columns - i; lane++) sums[0] += e[lane];
      if (!logarithm) vstore_part(o + i, e, columns - i);
    }
    float sum = vsum(sums);
    if (logarithm) {
      float shift = most + logf(sum);
      for (i = 0; i < columns; i++) o[i] = x[i] - shift;
    } else {
      float factor = 1.0f / sum;
      for (i = 0; i + CK_VECTOR <= columns; i += CK_VECTOR) vstore(o + i, vload(o + i) * factor);
      for (; i < columns; i++) o[i] *= factor;
    }
  }
}

CK_INLINE float row_sum(const float *x, size_t n) {
  vf a = 0.0f, b = 0.0f;
  size_t i = 0;
  for (; i + 2 * CK_VECTOR <= n; i += 2 * CK_VECTOR) a += vload(x + i), b += vload(x + i + CK_VECTOR);
  float sum = vsum(a + b);
  for (; i < n; i++) sum += x[i];
  return sum;
}

CK_INLINE float row_squares(const float *x, size_t n, float mean) {
  vf a = 0.0f, b = 0.0f;
  size_t i = 0;
  for (; i + 2 * CK_VECTOR <= n; i += 2 * CK_VECTOR) {
    vf v = vload(x + i) - mean, w = vload(x + i + CK_VECTOR) - mean;
    a = CK_MULTIPLY_ADD(v, v, a), b = CK_MULTIPLY_ADD(w, w, b);
  }
  float sum = vsum(a + b);
  for (; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
  return sum;
}

static void normalize(const float *x, const float *scale, const float *bias, float epsilon, int32_t centered,
                      float *o, float *means, float *deviations, size_t rows, size_t columns) {
  for (size_t row = 0; row < rows; row++, x += columns, o += columns) {
    float mean = centered ? row_sum(x, columns) / (float)columns : 0.0f;
    float inverse = 1.0f / sqrtf(row_squares(x, columns, mean) / (float)columns + epsilon);
    if (means) means[row] = mean;
    if (deviations) deviations[row] = inverse;
    size_t i = 0;
    for (; i + CK_VECTOR <= columns; i += CK_VECTOR) {
      vf v = (vload(x + i) - mean) * inverse * vload(scale + i);
      if (bias) v += vload(bias + i);
      vstore(o + i, v);
    }
    for (; i < columns; i++) o[i] = (x[i] - mean) * inverse * scale[i] + (bias ? bias[i] : 0.0f);
  }
}
