// What every level needs before its target attribute begins: headers and vector types, no functions.
#include "../Table.h"

#include <stdbool.h>
#include <string.h>

// A product and a sum round one after the other, also where the machine could fuse them.
#pragma STDC FP_CONTRACT OFF

// Vectors cross only the borders of functions that are always inlined, so their ABI does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float f32x16 __attribute__((ext_vector_type(16)));
typedef float f32x4 __attribute__((ext_vector_type(4)));
typedef double f64x16 __attribute__((ext_vector_type(16)));
typedef double f64x8 __attribute__((ext_vector_type(8)));
typedef double f64x4 __attribute__((ext_vector_type(4)));
typedef double f64x2 __attribute__((ext_vector_type(2)));
typedef int32_t i32x16 __attribute__((ext_vector_type(16)));
typedef uint32_t u32x16 __attribute__((ext_vector_type(16)));
typedef uint16_t u16x16 __attribute__((ext_vector_type(16)));
typedef uint16_t u16x8 __attribute__((ext_vector_type(8)));
typedef uint8_t u8x16 __attribute__((ext_vector_type(16)));
typedef uint8_t u8x8 __attribute__((ext_vector_type(8)));
#if CK_HALF_HARDWARE
typedef _Float16 f16x16 __attribute__((ext_vector_type(16)));
#endif

#define CK_INLINE static inline __attribute__((always_inline))
/// Lanes of every kernel, at every level.
#define CK_LANES ((size_t)16)
/// Elements summed in float lanes before the lanes move on to double.
#define CK_CHUNK ((size_t)4096)
/// 1.5 * 2^23: adding it rounds |x| <= 2^22 to the nearest integer, ties to even.
#define CK_ROUNDER 12582912.0f
#define CK_ROUNDER_BITS 0x4B400000
