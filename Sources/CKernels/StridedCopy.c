// Copies between strided arrangements.

#include "CKernels.h"

#include <string.h>

#define CK_INLINE static inline __attribute__((always_inline))

CK_INLINE void copy_line(const uint8_t *from, uint8_t *to, const size_t width, ck_axis axis) {
  for (size_t i = 0; i < axis.extent; i++) {
    memcpy(to, from, width);
    from += axis.from;
    to += axis.to;
  }
}

static void copy_innermost(const uint8_t *from, uint8_t *to, size_t width, ck_axis axis) {
  if (axis.from == (ptrdiff_t)width && axis.to == (ptrdiff_t)width) {
    memcpy(to, from, axis.extent * width);
    return;
  }
  switch (width) {
    case 1: copy_line(from, to, 1, axis); break;
    case 2: copy_line(from, to, 2, axis); break;
    case 4: copy_line(from, to, 4, axis); break;
    case 8: copy_line(from, to, 8, axis); break;
    default: copy_line(from, to, width, axis); break;
  }
}

/// Whether two axes make a transpose that the tiled kernel can do.
static int is_transpose_pair(ck_axis outer, ck_axis inner, size_t width) {
  if (width != 1 && width != 2 && width != 4 && width != 8) return 0;
  ptrdiff_t w = (ptrdiff_t)width;
  return outer.from == w && inner.to == w && inner.from > w && outer.to > w && inner.from % w == 0 &&
         outer.to % w == 0;
}

void ck_copy_strided(const void *from, void *to, size_t width, const ck_axis *axes, size_t rank) {
  const uint8_t *source = from;
  uint8_t *target = to;
  if (rank == 0) {
    memcpy(target, source, width);
    return;
  }
  if (rank == 1) {
    copy_innermost(source, target, width, axes[0]);
    return;
  }
  if (rank == 2 && is_transpose_pair(axes[0], axes[1], width)) {
    // Rows of the source run along the outer axis of the target.
    ck_transpose(source, (size_t)axes[1].from / width, target, (size_t)axes[0].to / width, axes[1].extent,
                 axes[0].extent, width);
    return;
  }
  if (rank == 2) {
    for (size_t i = 0; i < axes[0].extent; i++) {
      copy_innermost(source, target, width, axes[1]);
      source += axes[0].from;
      target += axes[0].to;
    }
    return;
  }
  for (size_t i = 0; i < axes[0].extent; i++) {
    ck_copy_strided(source, target, width, axes + 1, rank - 1);
    source += axes[0].from;
    target += axes[0].to;
  }
}
