/// The table of compute kernels that every level fills.
#ifndef CKERNELS_COMPUTE_TABLE_H
#define CKERNELS_COMPUTE_TABLE_H

#include "CKernels.h"
#include "CKernelsCompute.h"

/// X(result, name, parameters, arguments) for every kernel that has a version per level.
#define CK_COMPUTE_KERNELS(X) \
  X(void, sgemm, (const ck_sgemm_job *job, size_t threads), (job, threads)) \
  X(void, igemm, (const ck_igemm_job *job, size_t threads), (job, threads)) \
  X(void, apply, (ck_unary f, const float *x, float *o, size_t n), (f, x, o, n)) \
  X(void, combine, \
    (ck_binary f, const float *a, size_t sa, const float *b, size_t sb, float *o, size_t n), \
    (f, a, sa, b, sb, o, n)) \
  X(void, softmax, (const float *x, float *o, size_t rows, size_t columns, int32_t logarithm), \
    (x, o, rows, columns, logarithm)) \
  X(void, normalize, \
    (const float *x, const float *scale, const float *bias, float epsilon, int32_t centered, float *o, \
     float *means, float *deviations, size_t rows, size_t columns), \
    (x, scale, bias, epsilon, centered, o, means, deviations, rows, columns)) \
  X(void, quantize_bytes, \
    (const float *x, size_t n, float scale, int32_t zero, int32_t lowest, int32_t highest, uint8_t *o), \
    (x, n, scale, zero, lowest, highest, o)) \
  X(void, dequantize_bytes, \
    (const uint8_t *q, size_t n, int32_t isSigned, float scale, int32_t zero, float *o), \
    (q, n, isSigned, scale, zero, o)) \
  X(void, bounds_with_zero, (const float *x, size_t n, float *lowest, float *highest), (x, n, lowest, highest)) \
  X(void, transpose, \
    (const void *x, size_t rowStride, void *o, size_t outputStride, size_t rows, size_t columns, size_t width), \
    (x, rowStride, o, outputStride, rows, columns, width))

typedef struct {
#define X(result, name, parameters, arguments) result(*name) parameters;
  CK_COMPUTE_KERNELS(X)
#undef X
} ck_compute_table;

extern const ck_compute_table ck_compute_baseline;
#if defined(__x86_64__)
extern const ck_compute_table ck_compute_avx2;
extern const ck_compute_table ck_compute_avx2_vnni;
extern const ck_compute_table ck_compute_avx512;
extern const ck_compute_table ck_compute_avx512_vnni;
#elif defined(__aarch64__)
extern const ck_compute_table ck_compute_dotprod;
#endif

/// Memory of this thread that the next call for the same slot may replace: 64-byte aligned, kept for later
/// calls. Slot 0 belongs to whoever starts shared work, slot 1 to a piece of it, slot 2 as 0 again.
void *ck_scratch(int slot, size_t byteCount);

#endif
