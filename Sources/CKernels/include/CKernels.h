/// The vector kernels of whisperq: plain C with portable vector types, compiled once per instruction set
/// level and chosen at run time. `__counted_by` and `__noescape` say which count belongs to which pointer;
/// `Kernels` lends its spans as pointers all the same, see `LentPointers.swift` there.
///
/// All levels give the same bits: sixteen lanes everywhere, no fused multiply-add, the same order of
/// additions. Counts are in elements. The callers in `Kernels` check that counts fit together; nothing
/// here does so again.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <lifetimebound.h>
#include <ptrcheck.h>
#include <stddef.h>
#include <stdint.h>

#include "CKernelsCompute.h"

/// Sums over quantized elements: `error` of (w - q * scale)^2, `signal` of w^2.
typedef struct {
  double error;
  double signal;
} ck_energy;

/// What narrowing to float16 lost.
typedef struct {
  /// Finite values that became infinite, or were clamped.
  uint64_t overflows;
  /// Nonzero values that became zero.
  uint64_t underflows;
} ck_narrowing;

/// Smallest and largest value; NaN sorts outside of the infinities, by its sign.
typedef struct {
  float lowest;
  float highest;
} ck_range;

/// How blocks are quantized and where their parts go.
typedef struct {
  /// Elements in a block: 16, 32, 64, 128 or 256.
  int32_t blockSize;
  /// 4 or 8.
  int32_t bits;
  /// Nonzero: a zero point per block; zero: symmetric.
  int32_t asymmetric;
  /// Nonzero: search the scale by least squared error; zero: by maximum.
  int32_t leastSquares;
  /// Nonzero: symmetric values are stored unsigned, 2^(bits-1) added.
  int32_t biased;
  /// Nonzero: symmetric 4-bit blocks use -8...7, with a scale that takes the value of largest magnitude to
  /// -8 and has either sign; zero: scales are above zero.
  int32_t signedScale;
  /// Nonzero: blocks lie one after the other, padded; zero: the order of the weight.
  int32_t blobs;
  /// Nonzero: 4-bit values are stored two per byte; zero: one per byte.
  int32_t packed;
} ck_block_options;

// Levels: 0 baseline, 1 AVX2, 2 AVX-512.

/// The best level of this machine.
int32_t ck_best_level(void);
/// The level that this thread uses now.
int32_t ck_level(void);
/// Makes this thread use `level`, or the best one again when negative. Nonzero when the machine has it.
int32_t ck_force_level(int32_t level);

// Conversion. The byte sides are little endian and need no alignment.

void ck_widen_half(const void *__sized_by(byteCount) bytes __noescape, size_t byteCount,
                   float *__counted_by(count) output __noescape, size_t count);
void ck_widen_bfloat(const void *__sized_by(byteCount) bytes __noescape, size_t byteCount,
                     float *__counted_by(count) output __noescape, size_t count);
void ck_copy_float(const void *__sized_by(byteCount) bytes __noescape, size_t byteCount,
                   float *__counted_by(count) output __noescape, size_t count);
void ck_round_double(const void *__sized_by(byteCount) bytes __noescape, size_t byteCount,
                     float *__counted_by(count) output __noescape, size_t count);
ck_narrowing ck_narrow_half(const float *__counted_by(count) values __noescape, size_t count, int32_t clamps,
                            uint16_t *__counted_by(outputCount) output __noescape, size_t outputCount);
void ck_narrow_bfloat(const float *__counted_by(count) values __noescape, size_t count,
                      uint16_t *__counted_by(outputCount) output __noescape, size_t outputCount);

// Ranges. Absolute maxima are bit patterns without the sign.

uint32_t ck_absmax(const float *__counted_by(count) values __noescape, size_t count);
void ck_absmax_rows(const float *__counted_by(count) values __noescape, size_t count, size_t columns,
                    uint32_t *__counted_by(rows) output __noescape, size_t rows);
void ck_absmax_columns(const float *__counted_by(count) values __noescape, size_t count,
                       uint32_t *__counted_by(columns) running __noescape, size_t columns);
ck_range ck_range_all(const float *__counted_by(count) values __noescape, size_t count);
void ck_range_rows(const float *__counted_by(count) values __noescape, size_t count, size_t columns,
                   float *__counted_by(rows) lowest __noescape, size_t rows,
                   float *__counted_by(highestCount) highest __noescape, size_t highestCount);
void ck_range_columns(const float *__counted_by(count) values __noescape, size_t count,
                      float *__counted_by(columns) lowest __noescape, size_t columns,
                      float *__counted_by(highestCount) highest __noescape, size_t highestCount);
/// Index of the first NaN or infinity, or `count`.
size_t ck_first_nonfinite(const float *__counted_by(count) values __noescape, size_t count);

// Statistics.

/// Adds x[0], x[step], ... to bins of the width 1 / inverseWidth, a power of two; zero is the lower edge of bin
/// `bins` / 2, and what lies beyond goes to the bins at the ends. Values are finite.
void ck_count_bins(const float *__counted_by(count) values __noescape, size_t count, size_t step,
                   float inverseWidth, uint32_t *__counted_by(bins) counts __noescape, size_t bins);
/// Squared errors of symmetric rounding of [rows, columns], each row times its weight; sums are added to `errors`.
void ck_weighted_errors_columns(const float *__counted_by(count) values __noescape, size_t count,
                                const float *weights __noescape,
                                const float *__counted_by(columns) scales __noescape, size_t columns,
                                int32_t lowest, int32_t highest,
                                double *__counted_by(errorCount) errors __noescape, size_t errorCount);

// QuantizeLinear. A scale per row, per column or one in all. The u8 forms
// take one zero point per scale.

ck_energy ck_quantize_rows_s8(const float *__counted_by(count) values __noescape, size_t count,
                              size_t columns, const float *__counted_by(rows) scales __noescape, size_t rows,
                              int32_t lowest, int32_t highest,
                              int8_t *__counted_by(outputCount) output __noescape, size_t outputCount);
ck_energy ck_quantize_columns_s8(const float *__counted_by(count) values __noescape, size_t count,
                                 const float *__counted_by(columns) scales __noescape, size_t columns,
                                 int32_t lowest, int32_t highest,
                                 int8_t *__counted_by(outputCount) output __noescape, size_t outputCount);
ck_energy ck_quantize_rows_u8(const float *__counted_by(count) values __noescape, size_t count,
                              size_t columns, const float *__counted_by(rows) scales __noescape, size_t rows,
                              const uint8_t *__counted_by(zeroCount) zeroPoints __noescape, size_t zeroCount,
                              int32_t lowest, int32_t highest,
                              uint8_t *__counted_by(outputCount) output __noescape, size_t outputCount);
ck_energy ck_quantize_columns_u8(const float *__counted_by(count) values __noescape, size_t count,
                                 const float *__counted_by(columns) scales __noescape, size_t columns,
                                 const uint8_t *__counted_by(zeroCount) zeroPoints __noescape,
                                 size_t zeroCount, int32_t lowest, int32_t highest,
                                 uint8_t *__counted_by(outputCount) output __noescape, size_t outputCount);

// Scale search, symmetric; sums are added to `errors`.

void ck_squared_errors_rows(const float *__counted_by(count) values __noescape, size_t count, size_t columns,
                            const float *__counted_by(rows) scales __noescape, size_t rows, int32_t lowest,
                            int32_t highest, double *__counted_by(errorCount) errors __noescape,
                            size_t errorCount);
void ck_squared_errors_columns(const float *__counted_by(count) values __noescape, size_t count,
                               const float *__counted_by(columns) scales __noescape, size_t columns,
                               int32_t lowest, int32_t highest,
                               double *__counted_by(errorCount) errors __noescape, size_t errorCount);

// Blocks. `zeroPoints` (one per byte) may be empty when symmetric.

/// Up to `blockSize` rows of a [K, N] weight, columns `firstColumn ..< firstColumn + scaleColumns`.
/// Column c of the range keeps its block at `output + c * columnStride + outputOffset` (blobs) and its
/// scale at `scales[c * scaleStride + scaleOffset]`.
ck_energy ck_quantize_panel(const float *__counted_by(count) values __noescape, size_t count, size_t columns,
                            size_t firstColumn, size_t usedColumns, ck_block_options options,
                            const float *__counted_by(multiplierCount) multipliers __noescape,
                            size_t multiplierCount, uint8_t *__counted_by(outputCount) output __noescape,
                            size_t outputCount, size_t columnStride, size_t outputOffset,
                            float *__counted_by(scaleCount) scales __noescape, size_t scaleCount,
                            uint8_t *__counted_by(zeroCount) zeroPoints __noescape, size_t zeroCount,
                            size_t scaleStride, size_t scaleOffset);
/// Whole rows of an [N, K] weight; `scales` is [rows, blocks].
ck_energy ck_quantize_block_rows(const float *__counted_by(count) values __noescape, size_t count,
                                 size_t columns, ck_block_options options,
                                 const float *__counted_by(multiplierCount) multipliers __noescape,
                                 size_t multiplierCount,
                                 uint8_t *__counted_by(outputCount) output __noescape, size_t outputCount,
                                 float *__counted_by(scaleCount) scales __noescape, size_t scaleCount,
                                 uint8_t *__counted_by(zeroCount) zeroPoints __noescape, size_t zeroCount);

// Nibbles, low one first. An odd count leaves the last high nibble 0.

void ck_pack_nibbles(const uint8_t *__counted_by(count) values __noescape, size_t count,
                     uint8_t *__counted_by(outputCount) output __noescape, size_t outputCount);
void ck_unpack_nibbles_u8(const uint8_t *__counted_by(byteCount) bytes __noescape, size_t byteCount,
                          uint8_t *__counted_by(count) output __noescape, size_t count);
void ck_unpack_nibbles_s8(const uint8_t *__counted_by(byteCount) bytes __noescape, size_t byteCount,
                          int8_t *__counted_by(count) output __noescape, size_t count);

// Comparison.

/// Nonzero when rows `firstRow ..< endRow` of `first` [rows, columns] are those columns of `second`
/// [columns, rows], bit for bit. Elements have `width` bytes, 2, 4 or 8, and need no alignment.
int32_t ck_is_transpose(const void *__sized_by(firstByteCount) first __noescape, size_t firstByteCount,
                        const void *__sized_by(secondByteCount) second __noescape, size_t secondByteCount,
                        size_t rows, size_t columns, size_t width, size_t firstRow, size_t endRow);

#endif
