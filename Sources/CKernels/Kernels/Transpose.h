// Comparison of a matrix with the transpose of another, bit for bit.

/// Rows of a panel: so many streams of the first matrix are walked together, while each row of the second
/// lends a few cache lines at a time.
#define CK_PANEL_ROWS ((size_t)128)
/// Rows and columns of a tile: a cache line of 4-byte elements.
#define CK_TILE_SIDE ((size_t)16)

/// The bits that differ between a[r, c] and b[c, r] for `rows` x `columns` elements, or-ed together. Strides
/// are in bytes.
#define CK_DIFFERENCE(name, word)                                                                         \
  CK_INLINE word name(const uint8_t *a, size_t strideA, const uint8_t *b, size_t strideB, size_t rows,    \
                      size_t columns) {                                                                   \
    word difference = 0;                                                                                  \
    for (size_t r = 0; r < rows; r++) {                                                                   \
      const uint8_t *row = a + r * strideA, *column = b + r * sizeof(word);                               \
      for (size_t c = 0; c < columns; c++) {                                                              \
        word x, y;                                                                                        \
        memcpy(&x, row + c * sizeof x, sizeof x);                                                         \
        memcpy(&y, column + c * strideB, sizeof y);                                                       \
        difference |= x ^ y;                                                                              \
      }                                                                                                   \
    }                                                                                                     \
    return difference;                                                                                    \
  }
CK_DIFFERENCE(difference_of_16, uint16_t)
CK_DIFFERENCE(difference_of_32, uint32_t)
CK_DIFFERENCE(difference_of_64, uint64_t)
#undef CK_DIFFERENCE

CK_INLINE bool tiles_differ(const uint8_t *a, size_t strideA, const uint8_t *b, size_t strideB, size_t rows,
                            size_t columns, size_t width) {
  switch (width) {
    case 2: return difference_of_16(a, strideA, b, strideB, rows, columns) != 0;
    case 4: return difference_of_32(a, strideA, b, strideB, rows, columns) != 0;
    default: return difference_of_64(a, strideA, b, strideB, rows, columns) != 0;
  }
}

CK_INLINE int32_t compare_panels(const uint8_t *a, const uint8_t *b, size_t rows, size_t columns,
                                 size_t width, size_t firstRow, size_t endRow) {
  size_t strideA = columns * width, strideB = rows * width;
  for (size_t panel = firstRow; panel < endRow; panel += CK_PANEL_ROWS) {
    size_t panelEnd = endRow - panel < CK_PANEL_ROWS ? endRow : panel + CK_PANEL_ROWS;
    for (size_t c = 0; c < columns; c += CK_TILE_SIDE) {
      size_t across = columns - c < CK_TILE_SIDE ? columns - c : CK_TILE_SIDE;
      for (size_t r = panel; r < panelEnd; r += CK_TILE_SIDE) {
        size_t down = panelEnd - r < CK_TILE_SIDE ? panelEnd - r : CK_TILE_SIDE;
        const uint8_t *from = a + r * strideA + c * width, *to = b + c * strideB + r * width;
        if (down == CK_TILE_SIDE && columns - c >= 2 * CK_TILE_SIDE) {
          // The tile to the right comes after a whole panel; what it needs is fetched meanwhile.
          for (size_t i = 0; i < CK_TILE_SIDE; i++) {
            __builtin_prefetch(from + i * strideA + CK_TILE_SIDE * width);
            __builtin_prefetch(to + (CK_TILE_SIDE + i) * strideB);
          }
        }
        bool differ = down == CK_TILE_SIDE && across == CK_TILE_SIDE
                          ? tiles_differ(from, strideA, to, strideB, CK_TILE_SIDE, CK_TILE_SIDE, width)
                          : tiles_differ(from, strideA, to, strideB, down, across, width);
        if (differ) return 0;
      }
    }
  }
  return 1;
}

static int32_t is_transpose(const void *a, size_t na, const void *b, size_t nb, size_t rows, size_t columns,
                            size_t width, size_t firstRow, size_t endRow) {
  (void)na, (void)nb;
  switch (width) {
    case 2: return compare_panels(a, b, rows, columns, 2, firstRow, endRow);
    case 4: return compare_panels(a, b, rows, columns, 4, firstRow, endRow);
    default: return compare_panels(a, b, rows, columns, 8, firstRow, endRow);
  }
}
