// The kernels for x86-64 with AVX2 and F16C (2013 and later).
#if defined(__x86_64__)
#define CK_TABLE ck_table_avx2
#define CK_HALF_HARDWARE 1
#include "Kernels/Prelude.h"

#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)
#include "Kernels/All.h"
#pragma clang attribute pop
#endif
