// What every level needs before its target attribute begins: headers, vector types and sizes, no functions.
#include "../ComputeTable.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Vectors cross only the borders of functions that are always inlined, so their ABI does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float vf __attribute__((ext_vector_type(CK_VECTOR)));
typedef int32_t vi __attribute__((ext_vector_type(CK_VECTOR)));
typedef uint32_t vu __attribute__((ext_vector_type(CK_VECTOR)));
typedef float f4 __attribute__((ext_vector_type(4)));
typedef uint32_t u4 __attribute__((ext_vector_type(4)));
typedef uint8_t b16 __attribute__((ext_vector_type(16)));

#define CK_INLINE static inline __attribute__((always_inline))
/// Columns of a tile of a matrix product.
#define CK_TILE_COLUMNS ((size_t)(CK_VECTOR * CK_TILE_VECTORS))
/// Most elements of the inner extent that are packed at a time: a panel of B stays near the first cache.
#define CK_INNER ((size_t)384)
/// Rows of A that one piece packs at a time: they stay in the second cache.
#define CK_ROWS ((size_t)(192 / CK_TILE_ROWS * CK_TILE_ROWS))

/// Calls `body(n)` with the constant n that `rows` is, of 1 to CK_TILE_ROWS, so that a kernel is made for each count.
#define CK_ROWS_CASE(body, count) \
  case count: body(count); break;
#define CK_ROWS_TO_4(body) CK_ROWS_CASE(body, 1) CK_ROWS_CASE(body, 2) CK_ROWS_CASE(body, 3) CK_ROWS_CASE(body, 4)
#define CK_ROWS_TO_6(body) CK_ROWS_TO_4(body) CK_ROWS_CASE(body, 5) CK_ROWS_CASE(body, 6)
#define CK_ROWS_TO_8(body) CK_ROWS_TO_6(body) CK_ROWS_CASE(body, 7) CK_ROWS_CASE(body, 8)
#define CK_ROWS_TO_12(body) \
  CK_ROWS_TO_8(body) CK_ROWS_CASE(body, 9) CK_ROWS_CASE(body, 10) CK_ROWS_CASE(body, 11) CK_ROWS_CASE(body, 12)
#if CK_TILE_ROWS == 4
#define CK_WITH_ROWS(rows, body) switch (rows) { CK_ROWS_TO_4(body) }
#elif CK_TILE_ROWS == 6
#define CK_WITH_ROWS(rows, body) switch (rows) { CK_ROWS_TO_6(body) }
#elif CK_TILE_ROWS == 8
#define CK_WITH_ROWS(rows, body) switch (rows) { CK_ROWS_TO_8(body) }
#elif CK_TILE_ROWS == 12
#define CK_WITH_ROWS(rows, body) switch (rows) { CK_ROWS_TO_12(body) }
#else
#error "tiles of 4, 6, 8 or 12 rows"
#endif
/// Columns of B that are walked at a time.
#define CK_COLUMNS ((size_t)512)

#if CK_FUSED
#define CK_MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma((a), (b), (c))
#else
#define CK_MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif
