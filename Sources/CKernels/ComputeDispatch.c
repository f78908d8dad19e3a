// The public compute functions: each calls its version for the level of this thread.

#include "ComputeTable.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

static _Thread_local int32_t forcedDot = -1;

void ck_force_dot(int32_t kind) { forcedDot = kind; }

#if defined(__x86_64__)
typedef struct {
  int fma, avxVNNI, avx512VNNI;
} extras;

static extras ask(void) {
  extras found = {0, 0, 0};
  uint32_t a, b, c, d;
  if (__get_cpuid_max(0, NULL) < 7) return found;
  __cpuid(1, a, b, c, d);
  found.fma = (c >> 12) & 1;
  __cpuid_count(7, 0, a, b, c, d);
  uint32_t subleaves = a;
  found.avx512VNNI = (c >> 11) & 1;
  if (subleaves >= 1) {
    __cpuid_count(7, 1, a, b, c, d);
    found.avxVNNI = (a >> 4) & 1;
  }
  return found;
}

// Bits: 1 asked, 2 FMA, 4 AVX-VNNI, 8 AVX-512 VNNI. Threads race only to write the same number.
static _Atomic uint32_t known;

static uint32_t features(void) {
  uint32_t bits = __c11_atomic_load(&known, __ATOMIC_RELAXED);
  if (bits == 0) {
    extras found = ask();
    bits = 1u | (found.fma ? 2u : 0) | (found.avxVNNI ? 4u : 0) | (found.avx512VNNI ? 8u : 0);
    __c11_atomic_store(&known, bits, __ATOMIC_RELAXED);
  }
  return bits;
}
#endif

static const ck_compute_table *table(void) {
#if defined(__x86_64__)
  uint32_t bits = features();
  int32_t level = ck_level();
  int hasFMA = (bits & 2) != 0, mayDot = forcedDot != 0;
  if (level == 2 && hasFMA) return mayDot && (bits & 8) ? &ck_compute_avx512_vnni : &ck_compute_avx512;
  if (level == 1 && hasFMA) return mayDot && (bits & 4) ? &ck_compute_avx2_vnni : &ck_compute_avx2;
#elif defined(__aarch64__)
  if (forcedDot != 0) {
#if defined(__linux__)
    const unsigned long asimdDP = 1ul << 20;  // HWCAP_ASIMDDP
    if (getauxval(AT_HWCAP) & asimdDP) return &ck_compute_dotprod;
#elif defined(__APPLE__)
    return &ck_compute_dotprod;
#endif
  }
#endif
  return &ck_compute_baseline;
}

int32_t ck_dot_kind(void) {
  const ck_compute_table *now = table();
#if defined(__x86_64__)
  if (now == &ck_compute_avx512_vnni || now == &ck_compute_avx2_vnni) return CK_DOT_HARDWARE;
#elif defined(__aarch64__)
  if (now == &ck_compute_dotprod) return CK_DOT_HARDWARE;
#endif
  (void)now;
  return CK_DOT_PLAIN;
}

#define X(result, name, parameters, arguments) \
  result ck_##name parameters { table()->name arguments; }
CK_COMPUTE_KERNELS(X)
#undef X
