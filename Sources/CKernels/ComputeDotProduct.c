// The compute kernels for arm64 with the dot product instructions (2018 and later).
#if defined(__aarch64__)
#define CK_COMPUTE_TABLE ck_compute_dotprod
#define CK_VECTOR 4
#define CK_DOT 1
#define CK_FUSED 1
#define CK_TILE_VECTORS 2
#define CK_TILE_ROWS 8
#include "Compute/Prelude.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "Compute/All.h"
#pragma clang attribute pop
#endif
