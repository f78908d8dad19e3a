/// The kernels that run models: matrix products, activations, rows and moves.
///
/// Unlike the kernels of `CKernels.h` these may fuse a product with a sum where the processor can, so float
/// results differ between levels by rounding; integer results are equal everywhere. Every count was checked
/// by the caller. `threads` is how many threads may work, the caller's among them.
#ifndef CKERNELS_COMPUTE_H
#define CKERNELS_COMPUTE_H

#include <stddef.h>
#include <stdint.h>

/// One piece of shared work; pieces may run at the same time and in any order.
typedef void (*ck_piece)(void *context, size_t piece);

/// Calls `work` for 0 ..< `pieces` on up to `threads` threads and returns when all are done. Inside of a piece
/// it does everything on the calling thread.
void ck_parallel(size_t pieces, size_t threads, ck_piece work, void *context);

/// Processors that the system offers this process.
int32_t ck_processor_count(void);

/// What makes 8-bit products fast on this machine.
typedef enum { CK_DOT_PLAIN = 0, CK_DOT_HARDWARE = 1 } ck_dot;
/// The way this thread's products of 8-bit integers take.
int32_t ck_dot_kind(void);
/// Makes this thread do without dot product instructions (0), or choose again (negative).
void ck_force_dot(int32_t kind);

/// A block-quantized weight [n, k]: every row has ceil(k / blockSize) blocks.
typedef struct {
  const uint8_t *codes;
  const float *scales;
  /// Nibbles or bytes, rows padded to whole bytes; NULL is 2^(bits - 1) everywhere.
  const uint8_t *zeroPoints;
  /// Float zero points, one per scale, instead of `zeroPoints`; may be NULL.
  const float *floatZeroPoints;
  int32_t bits;
  int32_t blockSize;
} ck_blocked_weight;

/// c [m, n] = alpha * a [m, k] * b [k, n] + bias. Leading dimensions are in elements.
typedef struct {
  size_t m, n, k;
  const float *a;
  size_t lda;
  /// Nonzero: `a` is stored as [k, m].
  int32_t transposedA;
  /// Needs no alignment.
  const void *b;
  size_t ldb;
  /// Nonzero: `b` is stored as [n, k].
  int32_t transposedB;
  /// Instead of `b`, or NULL.
  const ck_blocked_weight *blocked;
  float *c;
  size_t ldc;
  float alpha;
  /// One per column, or NULL.
  const float *bias;
} ck_sgemm_job;

void ck_sgemm(const ck_sgemm_job *job, size_t threads);

/// c [m, n] = (a - zeroA) * (b - zeroB) in int32 with wraparound; or the same as floats, scaled.
typedef struct {
  size_t m, n, k;
  const uint8_t *a;
  size_t lda;
  int32_t signedA;
  const uint8_t *b;
  size_t ldb;
  int32_t signedB;
  int32_t transposedB;
  /// One in all, or one per row.
  const int32_t *zeroA;
  size_t zeroACount;
  /// One in all, or one per column.
  const int32_t *zeroB;
  size_t zeroBCount;
  /// Either this or `output`.
  int32_t *c;
  float *output;
  size_t ldc;
  /// For `output`: one in all, or one per column.
  const float *scales;
  size_t scaleCount;
  /// For `output`: one per column, or NULL.
  const float *bias;
} ck_igemm_job;

void ck_igemm(const ck_igemm_job *job, size_t threads);

/// Functions of one float.
typedef enum {
  CK_NEGATE, CK_ABSOLUTE, CK_SQUARE_ROOT, CK_RECIPROCAL, CK_RELU, CK_EXPONENTIAL, CK_SIGMOID, CK_TANH,
  CK_ERROR_FUNCTION, CK_GELU, CK_GELU_TANH, CK_QUICK_GELU
} ck_unary;
void ck_apply(ck_unary function, const float *x, float *output, size_t count);

/// Functions of two floats; a step of 0 repeats the first element, 1 walks.
typedef enum { CK_ADD, CK_SUBTRACT, CK_MULTIPLY, CK_DIVIDE } ck_binary;
void ck_combine(ck_binary function, const float *a, size_t stepA, const float *b, size_t stepB, float *output,
                size_t count);

/// Softmax of each row, or its logarithm.
void ck_softmax(const float *x, float *output, size_t rows, size_t columns, int32_t logarithm);
/// (x - mean) / sqrt(variance + epsilon) * scale + bias of each row; `bias` may be NULL. `means` and
/// `deviations` (their inverses) may be NULL. Nonzero `centered` 0 leaves the mean in.
void ck_normalize(const float *x, const float *scale, const float *bias, float epsilon, int32_t centered,
                  float *output, float *means, float *inverseDeviations, size_t rows, size_t columns);
/// x / scale, rounded to even, plus the zero point, clamped; bytes.
void ck_quantize_bytes(const float *x, size_t count, float scale, int32_t zeroPoint, int32_t lowest,
                       int32_t highest, uint8_t *output);
/// (q - zeroPoint) * scale.
void ck_dequantize_bytes(const uint8_t *q, size_t count, int32_t isSigned, float scale, int32_t zeroPoint,
                         float *output);
/// Smallest and largest of `count` > 0 floats and 0.
void ck_bounds_with_zero(const float *x, size_t count, float *lowest, float *highest);
/// output [columns, rows] of x [rows, columns]; strides in elements of `width` bytes (1, 2, 4 or 8).
void ck_transpose(const void *x, size_t rowStride, void *output, size_t outputStride, size_t rows,
                  size_t columns, size_t width);

/// One axis of a copy; strides in bytes.
typedef struct {
  size_t extent;
  ptrdiff_t from;
  ptrdiff_t to;
} ck_axis;

/// Copies elements of `width` bytes from one arrangement to another; axes from the outermost to the innermost.
void ck_copy_strided(const void *from, void *to, size_t width, const ck_axis *axes, size_t rank);

#endif
