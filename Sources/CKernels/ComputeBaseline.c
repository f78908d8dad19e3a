// The compute kernels for the baseline of the target: SSE2 on x86-64, NEON on arm64.
#define CK_COMPUTE_TABLE ck_compute_baseline
#define CK_VECTOR 4
#define CK_DOT 0
#if defined(__aarch64__)
#define CK_FUSED 1
#define CK_TILE_VECTORS 2
#define CK_TILE_ROWS 8
#else
#define CK_FUSED 0
#define CK_TILE_VECTORS 2
#define CK_TILE_ROWS 4
#endif
#include "Compute/Prelude.h"

#include "Compute/All.h"
