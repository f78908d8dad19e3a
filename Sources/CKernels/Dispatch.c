// The public functions: each calls its version for the level of this thread.

#include "Table.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "The kernels read little endian files in place."
#endif

#if defined(__x86_64__)
/// The vector registers that the system saves: bits of XCR0.
static uint32_t saved_registers(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}
#endif

// Asks the processor itself. `__builtin_cpu_supports` would link an initializer that does so whenever a
// program starts, and a CPUID takes more than ten microseconds where a hypervisor answers it.
int32_t ck_best_level(void) {
#if defined(__x86_64__)
  const uint32_t xsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29;
  const uint32_t avx2 = 1u << 5, avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
  const uint32_t ymm = 0x06, zmm = 0xE6;
  uint32_t a, b, c, d;
  if (__get_cpuid_max(0, NULL) < 7) return 0;
  __cpuid(1, a, b, c, d);
  if ((c & (xsave | avx | f16c)) != (xsave | avx | f16c)) return 0;
  uint32_t saved = saved_registers();
  __cpuid_count(7, 0, a, b, c, d);
  if ((b & avx2) == 0 || (saved & ymm) != ymm) return 0;
  return (b & avx512) == avx512 && (saved & zmm) == zmm ? 2 : 1;
#else
  return 0;
#endif
}

static const ck_table *table_of(int32_t level) {
#if defined(__x86_64__)
  if (level == 2) return &ck_table_avx512;
  if (level == 1) return &ck_table_avx2;
#endif
  (void)level;
  return &ck_table_baseline;
}

// Threads race only to write the same pointer.
static const ck_table *_Atomic best;
static _Thread_local const ck_table *forced;

static inline const ck_table *table(void) {
  if (__builtin_expect(forced != NULL, 0)) return forced;
  const ck_table *chosen = __c11_atomic_load(&best, __ATOMIC_RELAXED);
  if (__builtin_expect(chosen == NULL, 0)) {
    chosen = table_of(ck_best_level());
    __c11_atomic_store(&best, chosen, __ATOMIC_RELAXED);
  }
  return chosen;
}

int32_t ck_level(void) {
  const ck_table *now = table();
  for (int32_t level = 2; level > 0; level--) {
    if (now == table_of(level)) {
      return table_of(level) == &ck_table_baseline ? 0 : level;
    }
  }
  return 0;
}

int32_t ck_force_level(int32_t level) {
  if (level < 0) {
    forced = NULL;
    return 1;
  }
  if (level > ck_best_level()) return 0;
  forced = table_of(level);
  return 1;
}

void ck_copy_float(const void *bytes, size_t byteCount, float *output, size_t count) {
  (void)byteCount;
  if (count > 0) memcpy(output, bytes, count * sizeof(float));
}

// `return f();` of a void function in a void function is what clang allows with a pedantic warning only.
#define X(result, name, parameters, arguments) \
  result ck_##name parameters { return table()->name arguments; }
CK_KERNELS(X)
#undef X
