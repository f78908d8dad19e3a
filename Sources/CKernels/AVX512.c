// The kernels for x86-64 with AVX-512 F, BW, VL and DQ (2017 and later).
#if defined(__x86_64__)
#define CK_TABLE ck_table_avx512
#define CK_HALF_HARDWARE 1
#include "Kernels/Prelude.h"

#pragma clang attribute push(__attribute__((target("avx2,f16c,avx512f,avx512bw,avx512vl,avx512dq"))), \
                             apply_to = function)
#include "Kernels/All.h"
#pragma clang attribute pop
#endif
