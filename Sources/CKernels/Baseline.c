// The kernels for the baseline of the target: SSE2 on x86-64, NEON on arm64.
#define CK_TABLE ck_table_baseline
#if defined(__aarch64__)
#define CK_HALF_HARDWARE 1
#else
#define CK_HALF_HARDWARE 0
#endif
#include "Kernels/Prelude.h"

#include "Kernels/All.h"
