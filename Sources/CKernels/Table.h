/// The table of kernels that every level fills.
#ifndef CKERNELS_TABLE_H
#define CKERNELS_TABLE_H

#include "CKernels.h"

/// X(result, name, parameters, arguments) for every kernel that has a version per level.
#define CK_KERNELS(X) \
  X(void, widen_half, (const void *b, size_t nb, float *o, size_t n), (b, nb, o, n)) \
  X(void, widen_bfloat, (const void *b, size_t nb, float *o, size_t n), (b, nb, o, n)) \
  X(void, round_double, (const void *b, size_t nb, float *o, size_t n), (b, nb, o, n)) \
  X(ck_narrowing, narrow_half, (const float *x, size_t n, int32_t clamps, uint16_t *o, size_t no), \
    (x, n, clamps, o, no)) \
  X(void, narrow_bfloat, (const float *x, size_t n, uint16_t *o, size_t no), (x, n, o, no)) \
  X(uint32_t, absmax, (const float *x, size_t n), (x, n)) \
  X(void, absmax_rows, (const float *x, size_t n, size_t columns, uint32_t *o, size_t rows), \
    (x, n, columns, o, rows)) \
  X(void, absmax_columns, (const float *x, size_t n, uint32_t *o, size_t columns), (x, n, o, columns)) \
  X(ck_range, range_all, (const float *x, size_t n), (x, n)) \
  X(void, range_rows, \
    (const float *x, size_t n, size_t columns, float *lowest, size_t rows, float *highest, size_t nh), \
    (x, n, columns, lowest, rows, highest, nh)) \
  X(void, range_columns, \
    (const float *x, size_t n, float *lowest, size_t columns, float *highest, size_t nh), \
    (x, n, lowest, columns, highest, nh)) \
  X(size_t, first_nonfinite, (const float *x, size_t n), (x, n)) \
  X(void, count_bins, \
    (const float *x, size_t n, size_t step, float inverseWidth, uint32_t *counts, size_t bins), \
    (x, n, step, inverseWidth, counts, bins)) \
  X(void, weighted_errors_columns, \
    (const float *x, size_t n, const float *weights, const float *s, size_t columns, int32_t lowest, \
     int32_t highest, double *e, size_t ne), \
    (x, n, weights, s, columns, lowest, highest, e, ne)) \
  X(ck_energy, quantize_rows_s8, \
    (const float *x, size_t n, size_t columns, const float *s, size_t rows, int32_t lowest, int32_t highest, \
     int8_t *o, size_t no), \
    (x, n, columns, s, rows, lowest, highest, o, no)) \
  X(ck_energy, quantize_columns_s8, \
    (const float *x, size_t n, const float *s, size_t columns, int32_t lowest, int32_t highest, int8_t *o, \
     size_t no), \
    (x, n, s, columns, lowest, highest, o, no)) \
  X(ck_energy, quantize_rows_u8, \
    (const float *x, size_t n, size_t columns, const float *s, size_t rows, const uint8_t *z, size_t nz, \
     int32_t lowest, int32_t highest, uint8_t *o, size_t no), \
    (x, n, columns, s, rows, z, nz, lowest, highest, o, no)) \
  X(ck_energy, quantize_columns_u8, \
    (const float *x, size_t n, const float *s, size_t columns, const uint8_t *z, size_t nz, int32_t lowest, \
     int32_t highest, uint8_t *o, size_t no), \
    (x, n, s, columns, z, nz, lowest, highest, o, no)) \
  X(void, squared_errors_rows, \
    (const float *x, size_t n, size_t columns, const float *s, size_t rows, int32_t lowest, int32_t highest, \
     double *e, size_t ne), \
    (x, n, columns, s, rows, lowest, highest, e, ne)) \
  X(void, squared_errors_columns, \
    (const float *x, size_t n, const float *s, size_t columns, int32_t lowest, int32_t highest, double *e, \
     size_t ne), \
    (x, n, s, columns, lowest, highest, e, ne)) \
  X(ck_energy, quantize_panel, \
    (const float *x, size_t n, size_t columns, size_t firstColumn, size_t usedColumns, \
     ck_block_options options, const float *m, size_t nm, uint8_t *o, size_t no, size_t columnStride, \
     size_t outputOffset, float *s, size_t ns, uint8_t *z, size_t nz, size_t scaleStride, \
     size_t scaleOffset), \
    (x, n, columns, firstColumn, usedColumns, options, m, nm, o, no, columnStride, outputOffset, s, ns, z, \
     nz, scaleStride, scaleOffset)) \
  X(ck_energy, quantize_block_rows, \
    (const float *x, size_t n, size_t columns, ck_block_options options, const float *m, size_t nm, \
     uint8_t *o, size_t no, float *s, size_t ns, uint8_t *z, size_t nz), \
    (x, n, columns, options, m, nm, o, no, s, ns, z, nz)) \
  X(void, pack_nibbles, (const uint8_t *v, size_t n, uint8_t *o, size_t no), (v, n, o, no)) \
  X(void, unpack_nibbles_u8, (const uint8_t *b, size_t nb, uint8_t *o, size_t n), (b, nb, o, n)) \
  X(void, unpack_nibbles_s8, (const uint8_t *b, size_t nb, int8_t *o, size_t n), (b, nb, o, n)) \
  X(int32_t, is_transpose, \
    (const void *a, size_t na, const void *b, size_t nb, size_t rows, size_t columns, size_t width, \
     size_t firstRow, size_t endRow), \
    (a, na, b, nb, rows, columns, width, firstRow, endRow))

typedef struct {
#define X(result, name, parameters, arguments) result(*name) parameters;
  CK_KERNELS(X)
#undef X
} ck_table;

extern const ck_table ck_table_baseline;
#if defined(__x86_64__)
extern const ck_table ck_table_avx2;
extern const ck_table ck_table_avx512;
#endif

#endif
