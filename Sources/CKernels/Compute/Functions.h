// Functions of one vector. The polynomials were fitted by weighted least squares (Chebyshev points, weights
// moved towards the largest error); the errors in the comments are those of the fit.

/// e^x: x = n ln 2 + r with |r| <= ln 2 / 2; relative error of the fit 3e-9.
CK_INLINE vf exponential(vf x) {
  const float log2e = 1.44269504088896341f, highLn2 = 0.693359375f, lowLn2 = -2.12194440e-4f;
  const float rounder = 12582912.0f;
  vf limited = at_least(at_most(x, 89.0f), -104.0f);
  vf n = CK_MULTIPLY_ADD(limited, (vf)log2e, (vf)rounder) - rounder;
  vf r = CK_MULTIPLY_ADD(n, (vf)-highLn2, limited);
  r = CK_MULTIPLY_ADD(n, (vf)-lowLn2, r);
  vf p = 0.0013950476f;
  p = CK_MULTIPLY_ADD(p, r, (vf)0.0083688824f);
  p = CK_MULTIPLY_ADD(p, r, (vf)0.0416662060f);
  p = CK_MULTIPLY_ADD(p, r, (vf)0.1666651815f);
  p = CK_MULTIPLY_ADD(p, r, (vf)0.5f);
  p = CK_MULTIPLY_ADD(p * r, r, r) + 1.0f;
  // 2^n in two steps, so that both factors are normal numbers; a NaN turns into some number and back below.
  vi whole = __builtin_convertvector(vselect(n == n, n, (vf)0.0f), vi);
  vi half = whole >> 1;
  vf scaled = p * vfloats((half + 127) << 23) * vfloats((whole - half + 127) << 23);
  return vselect(x == x, scaled, x);
}

/// erf x; absolute error of the fits 1.7e-8.
CK_INLINE vf error_function(vf x) {
  vi sign = vbits(x) & (vi)(int32_t)0x80000000;
  vf t = vfloats(vbits(x) & (vi)0x7fffffff);
  vf s = x * x;
  vf low = -0.00059768936f;
  low = CK_MULTIPLY_ADD(low, s, (vf)0.00499098f);
  low = CK_MULTIPLY_ADD(low, s, (vf)-0.026765566f);
  low = CK_MULTIPLY_ADD(low, s, (vf)0.112818025f);
  low = CK_MULTIPLY_ADD(low, s, (vf)-0.376124948f);
  low = CK_MULTIPLY_ADD(low, s, (vf)0.128379151f);
  low = CK_MULTIPLY_ADD(low, x, x);
  // log(erfc t) on [0.92, 4]; beyond it erf is 1 to the last bit.
  vf u = at_most(t, 4.0f);
  vf high = 0.00019494677f;
  high = CK_MULTIPLY_ADD(high, u, (vf)-0.0030336925f);
  high = CK_MULTIPLY_ADD(high, u, (vf)0.0221897773f);
  high = CK_MULTIPLY_ADD(high, u, (vf)-0.1038563773f);
  high = CK_MULTIPLY_ADD(high, u, (vf)-0.6372657418f);
  high = CK_MULTIPLY_ADD(high, u, (vf)-1.1276273727f);
  high = CK_MULTIPLY_ADD(high, u, (vf)-0.00020700849f);
  high = 1.0f - exponential(high);
  high = vfloats(vbits(high) | sign);
  return vselect(t > (vf)0.925f, high, low);
}

/// tanh x: a polynomial below 0.625 (relative error of the fit 5e-9), else 1 - 2 / (e^2x + 1).
CK_INLINE vf hyperbolic_tangent(vf x) {
  vi sign = vbits(x) & (vi)(int32_t)0x80000000;
  vf t = vfloats(vbits(x) & (vi)0x7fffffff);
  vf s = x * x;
  vf low = -0.0057170363f;
  low = CK_MULTIPLY_ADD(low, s, (vf)0.0206505787f);
  low = CK_MULTIPLY_ADD(low, s, (vf)-0.0537434965f);
  low = CK_MULTIPLY_ADD(low, s, (vf)0.1333149076f);
  low = CK_MULTIPLY_ADD(low, s, (vf)-0.3333328366f);
  low = CK_MULTIPLY_ADD(low * s, x, x);
  vf high = 1.0f - 2.0f / (exponential(t + t) + 1.0f);
  high = vfloats(vbits(high) | sign);
  return vselect(t >= (vf)0.625f, high, low);
}

CK_INLINE vf logistic(vf x) { return 1.0f / (1.0f + exponential(-x)); }

CK_INLINE vf gelu(vf x) {
  return 0.5f * x * (1.0f + error_function(x * 0.70710678118654752f));
}

CK_INLINE vf gelu_tanh(vf x) {
  vf inner = 0.79788456080286536f * CK_MULTIPLY_ADD(x * x * x, (vf)0.044715f, x);
  return 0.5f * x * (1.0f + hyperbolic_tangent(inner));
}
