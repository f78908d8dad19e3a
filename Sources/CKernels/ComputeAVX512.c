// The compute kernels for x86-64 with AVX-512 F, BW, VL and DQ.
#if defined(__x86_64__)
#define CK_COMPUTE_TABLE ck_compute_avx512
#define CK_VECTOR 16
#define CK_DOT 0
#define CK_FUSED 1
#define CK_TILE_VECTORS 2
#define CK_TILE_ROWS 12
#include "Compute/Prelude.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#include "Compute/All.h"
#pragma clang attribute pop
#endif
