// The public functions: each calls its version for the level of this thread.

#include "Table.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "The kernels read little endian files in place."
#endif

int32_t ck_best_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c")) {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
      return 2;
    }
    return 1;
  }
#endif
  return 0;
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
