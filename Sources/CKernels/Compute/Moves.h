// Moves of elements.

/// Four rows of four floats become columns. Strides are in bytes.
CK_INLINE void transpose_four(const uint8_t *from, size_t fromStride, uint8_t *to, size_t toStride) {
  f4 a, b, c, d;
  memcpy(&a, from, 16), memcpy(&b, from + fromStride, 16);
  memcpy(&c, from + 2 * fromStride, 16), memcpy(&d, from + 3 * fromStride, 16);
  f4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), abHigh = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  f4 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), cdHigh = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  f4 first = __builtin_shufflevector(ab, cd, 0, 1, 4, 5), second = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  f4 third = __builtin_shufflevector(abHigh, cdHigh, 0, 1, 4, 5);
  f4 fourth = __builtin_shufflevector(abHigh, cdHigh, 2, 3, 6, 7);
  memcpy(to, &first, 16), memcpy(to + toStride, &second, 16);
  memcpy(to + 2 * toStride, &third, 16), memcpy(to + 3 * toStride, &fourth, 16);
}

#if CK_VECTOR == 16
/// Four rows of sixteen words become sixteen columns of four.
CK_INLINE void transpose_four_wide(const uint8_t *from, size_t fromStride, uint8_t *to, size_t toStride) {
  vf a = vload(from), b = vload(from + fromStride), c = vload(from + 2 * fromStride), d = vload(from + 3 * fromStride);
  vf ab = __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
  vf abHigh = __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  vf cd = __builtin_shufflevector(c, d, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
  vf cdHigh = __builtin_shufflevector(c, d, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  vf columns[4] = {
      __builtin_shufflevector(ab, cd, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
      __builtin_shufflevector(ab, cd, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31),
      __builtin_shufflevector(abHigh, cdHigh, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
      __builtin_shufflevector(abHigh, cdHigh, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31),
  };
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 4; i++) {
    f4 first = columns[i].lo.lo, second = columns[i].lo.hi, third = columns[i].hi.lo, fourth = columns[i].hi.hi;
    memcpy(to + i * toStride, &first, 16), memcpy(to + (i + 4) * toStride, &second, 16);
    memcpy(to + (i + 8) * toStride, &third, 16), memcpy(to + (i + 12) * toStride, &fourth, 16);
  }
}
#endif

/// Floats (or anything of four bytes): `to` [columns, rows] of `from` [rows, columns]; strides in bytes.
CK_INLINE void transpose_words(const uint8_t *from, size_t fromStride, uint8_t *to, size_t toStride, size_t rows,
                               size_t columns) {
  size_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    size_t c = 0;
#if CK_VECTOR == 16
    for (; c + 16 <= columns; c += 16) {
      transpose_four_wide(from + r * fromStride + c * 4, fromStride, to + c * toStride + r * 4, toStride);
    }
#endif
    for (; c + 4 <= columns; c += 4) {
      transpose_four(from + r * fromStride + c * 4, fromStride, to + c * toStride + r * 4, toStride);
    }
    for (; c < columns; c++) {
      for (size_t i = 0; i < 4; i++) {
        memcpy(to + c * toStride + (r + i) * 4, from + (r + i) * fromStride + c * 4, 4);
      }
    }
  }
  for (; r < rows; r++) {
    for (size_t c = 0; c < columns; c++) memcpy(to + c * toStride + r * 4, from + r * fromStride + c * 4, 4);
  }
}

#define CK_TRANSPOSE_TILE ((size_t)32)

static void transpose(const void *x, size_t rowStride, void *o, size_t outputStride, size_t rows, size_t columns,
                      size_t width) {
  const uint8_t *from = x;
  uint8_t *to = o;
  size_t fromStride = rowStride * width, toStride = outputStride * width;
  for (size_t r = 0; r < rows; r += CK_TRANSPOSE_TILE) {
    size_t down = smaller(rows - r, CK_TRANSPOSE_TILE);
    for (size_t c = 0; c < columns; c += CK_TRANSPOSE_TILE) {
      size_t across = smaller(columns - c, CK_TRANSPOSE_TILE);
      const uint8_t *tile = from + r * fromStride + c * width;
      uint8_t *target = to + c * toStride + r * width;
      if (width == 4) {
        transpose_words(tile, fromStride, target, toStride, down, across);
        continue;
      }
      for (size_t i = 0; i < down; i++) {
        for (size_t j = 0; j < across; j++) {
          const uint8_t *source = tile + i * fromStride + j * width;
          uint8_t *destination = target + j * toStride + i * width;
          switch (width) {
            case 1: *destination = *source; break;
            case 2: memcpy(destination, source, 2); break;
            default: memcpy(destination, source, 8); break;
          }
        }
      }
    }
  }
}
