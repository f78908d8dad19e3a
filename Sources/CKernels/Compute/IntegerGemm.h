// Products of 8-bit matrices by packed panels; see `IntegerResult.h` for the zero points.

/// One block of columns against all of A.
typedef struct {
  const ck_igemm_job *job;
  size_t column, columns;
  /// Groups of four along the inner extent.
  size_t quads;
  uint8_t *packed;
  /// Sums over the inner extent, one per packed column.
  int32_t *columnSums;
  size_t rowsPerPiece, rowPieces, panelsPerPiece;
} igemm_stage;

/// One panel of B as [quads][CK_TILE_COLUMNS][4], signed, and its sums.
CK_INLINE void pack_quads(const igemm_stage *stage, size_t panel) {
  const ck_igemm_job *x = stage->job;
  const size_t width = CK_TILE_COLUMNS;
  size_t first = panel * width, column = stage->column + first;
  size_t columns = smaller(stage->columns - first, width);
  uint8_t flip = x->signedB ? 0 : 0x80;
  uint8_t *to = stage->packed + first * 4 * stage->quads;
  for (size_t q = 0; q < stage->quads; q++, to += width * 4) {
    size_t few = smaller(x->k - q * 4, 4);
    if (columns < width || few < 4) memset(to, 0, width * 4);
    if (x->transposedB) {
      for (size_t c = 0; c < columns; c++) {
        const uint8_t *from = x->b + (column + c) * x->ldb + q * 4;
        if (few == 4) {
          uint32_t word;
          memcpy(&word, from, 4);
          word ^= flip * 0x01010101u;
          memcpy(to + c * 4, &word, 4);
        } else {
          for (size_t i = 0; i < few; i++) to[c * 4 + i] = from[i] ^ flip;
        }
      }
      continue;
    }
    const uint8_t *from = x->b + q * 4 * x->ldb + column;
    size_t c = 0;
    if (few == 4) {
      for (; c + 16 <= columns; c += 16) {
        b16 r0, r1, r2, r3;
        memcpy(&r0, from + c, 16), memcpy(&r1, from + c + x->ldb, 16);
        memcpy(&r2, from + c + 2 * x->ldb, 16), memcpy(&r3, from + c + 3 * x->ldb, 16);
        b16 low01 = __builtin_shufflevector(r0, r1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        b16 high01 = __builtin_shufflevector(r0, r1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        b16 low23 = __builtin_shufflevector(r2, r3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        b16 high23 = __builtin_shufflevector(r2, r3, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        b16 parts[4] = {
            __builtin_shufflevector(low01, low23, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23),
            __builtin_shufflevector(low01, low23, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31),
            __builtin_shufflevector(high01, high23, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23),
            __builtin_shufflevector(high01, high23, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31),
        };
        for (int i = 0; i < 4; i++) {
          b16 part = parts[i] ^ (b16)flip;
          memcpy(to + c * 4 + (size_t)i * 16, &part, 16);
        }
      }
    }
    for (; c < columns; c++) {
      for (size_t i = 0; i < few; i++) to[c * 4 + i] = from[c + i * x->ldb] ^ flip;
    }
  }
  const uint8_t *panelBytes = stage->packed + first * 4 * stage->quads;
  for (size_t v = 0; v < CK_TILE_VECTORS; v++) {
    vi sums = 0;
    for (size_t q = 0; q < stage->quads; q++) {
      sums = add_quads(sums, 0x01010101, load_quads(panelBytes + (q * width + v * CK_VECTOR) * 4));
    }
    vstore_int(stage->columnSums + first + v * CK_VECTOR, sums);
  }
}

static void igemm_pack(void *context, size_t piece) {
  const igemm_stage *stage = context;
  size_t panels = whole_parts(stage->columns, CK_TILE_COLUMNS);
  size_t end = smaller(panels, (piece + 1) * 2);
  for (size_t panel = piece * 2; panel < end; panel++) pack_quads(stage, panel);
}

CK_INLINE void multiply_integer_tile(const size_t rows, size_t quads, const int32_t *a, const uint8_t *b,
                                     const ck_integer_tile *t) {
  vi sums[CK_TILE_ROWS][CK_TILE_VECTORS];
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
    for (size_t v = 0; v < CK_TILE_VECTORS; v++) sums[r][v] = 0;
  }
  for (size_t q = 0; q < quads; q++) {
    ck_quads lanes[CK_TILE_VECTORS];
#pragma clang loop unroll(full)
    for (size_t v = 0; v < CK_TILE_VECTORS; v++) lanes[v] = load_quads(b + v * CK_VECTOR * 4);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
      for (size_t v = 0; v < CK_TILE_VECTORS; v++) sums[r][v] = add_quads(sums[r][v], a[r], lanes[v]);
    }
    a += rows;
    b += CK_TILE_COLUMNS * 4;
  }
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
    for (size_t v = 0; v < CK_TILE_VECTORS; v++) finish_tile(t, r, v, sums[r][v]);
  }
}

static void multiply_integer_rows(size_t rows, size_t quads, const int32_t *a, const uint8_t *b,
                                  const ck_integer_tile *t) {
#define CK_MULTIPLY(count) multiply_integer_tile(count, quads, a, b, t)
  CK_WITH_ROWS(rows, CK_MULTIPLY)
#undef CK_MULTIPLY
}

/// `rows` rows of A as [quads][rows] words, and the sums of their bytes as the product sees them.
CK_INLINE void pack_words(const ck_igemm_job *x, size_t row, size_t rows, size_t quads, int32_t *to,
                          int32_t *rowSums) {
  uint32_t flip = (x->signedA ? 0x80808080u : 0) ^ (CK_A_BIAS ? 0x80808080u : 0);
  size_t whole = x->k / 4;
  transpose_words(x->a + row * x->lda, x->lda, (uint8_t *)to, rows * 4, rows, whole);
  if (flip) {
    for (size_t i = 0; i < whole * rows; i++) to[i] ^= (int32_t)flip;
  }
  for (size_t r = 0; r < rows; r++) {
    const uint8_t *from = x->a + (row + r) * x->lda;
    uint32_t sum = 0;
    if (whole < quads) {
      size_t few = x->k - whole * 4;
      uint32_t word = 0;
      memcpy(&word, from + whole * 4, few);
      to[whole * rows + r] = (int32_t)(word ^ (flip & ((1u << (8 * few)) - 1)));
    }
    for (size_t p = 0; p < x->k; p++) {
      uint8_t byte = from[p] ^ (uint8_t)flip;
      sum += CK_A_BIAS ? (uint32_t)(int32_t)(int8_t)byte : byte;
    }
    rowSums[r] = (int32_t)sum;
  }
}

/// Rows `row ..< row + count` of C for some panels; A is packed.
CK_INLINE void multiply_block(const igemm_stage *stage, const int32_t *packedA, const int32_t *rowSums, size_t row,
                              size_t count, size_t firstPanel, size_t endPanel) {
  const ck_igemm_job *x = stage->job;
  for (size_t tileRow = 0; tileRow < count; tileRow += CK_TILE_ROWS) {
    size_t rows = smaller(count - tileRow, CK_TILE_ROWS);
    for (size_t panel = firstPanel; panel < endPanel; panel++) {
      size_t inside = panel * CK_TILE_COLUMNS;
      ck_integer_tile tile = {
          .job = x,
          .row = row + tileRow,
          .column = stage->column + inside,
          .columns = smaller(stage->columns - inside, CK_TILE_COLUMNS),
          .columnSums = stage->columnSums + inside,
          .rowSums = rowSums + tileRow,
      };
      const void *c = x->c ? (const void *)x->c : (const void *)x->output;
      for (size_t r = 0; r < rows; r++) {
        const float *line = (const float *)c + (tile.row + r) * x->ldc + tile.column;
        for (size_t i = 0; i < tile.columns; i += 16) __builtin_prefetch(line + i, 1);
      }
      multiply_integer_rows(rows, stage->quads, packedA + tileRow * stage->quads,
                            stage->packed + inside * 4 * stage->quads, &tile);
    }
  }
}

static void igemm_multiply(void *context, size_t piece) {
  const igemm_stage *stage = context;
  const ck_igemm_job *x = stage->job;
  size_t firstRow = piece % stage->rowPieces * stage->rowsPerPiece;
  size_t rows = smaller(x->m - firstRow, stage->rowsPerPiece);
  size_t firstPanel = piece / stage->rowPieces * stage->panelsPerPiece;
  size_t endPanel = smaller(whole_parts(stage->columns, CK_TILE_COLUMNS), firstPanel + stage->panelsPerPiece);
  size_t wordsPerRow = stage->quads;
  int32_t *packed = ck_scratch(1, CK_ROWS * wordsPerRow * sizeof(int32_t));
  int32_t rowSums[CK_ROWS];
  for (size_t start = 0; start < rows; start += CK_ROWS) {
    size_t count = smaller(rows - start, CK_ROWS);
    for (size_t row = 0; row < count; row += CK_TILE_ROWS) {
      pack_words(x, firstRow + start + row, smaller(count - row, CK_TILE_ROWS), stage->quads,
                 packed + row * wordsPerRow, rowSums + row);
    }
    // C is written once, so it is walked along its rows, over as many panels as the second cache holds.
    size_t atOnce = CK_INNER * CK_COLUMNS / CK_TILE_COLUMNS / wordsPerRow;
    if (atOnce == 0) atOnce = 1;
    for (size_t panel = firstPanel; panel < endPanel; panel += atOnce) {
      multiply_block(stage, packed, rowSums, firstRow + start, count, panel, smaller(endPanel, panel + atOnce));
    }
  }
}

static void igemm(const ck_igemm_job *x, size_t threads) {
  if (x->m == 0 || x->n == 0) return;
  if (x->m * x->n * x->k < 64 * 1024) threads = 1;
  if (igemm_narrow(x, threads)) return;
  size_t quads = whole_parts(x->k, 4);
  size_t panelBytes = CK_TILE_COLUMNS * 4 * (quads + 1);
  size_t most = CK_PACKED_BYTES / panelBytes;
  size_t columnsAtOnce = (most > 0 ? most : 1) * CK_TILE_COLUMNS;
  for (size_t column = 0; column < x->n; column += columnsAtOnce) {
    igemm_stage stage = {.job = x, .column = column, .columns = smaller(x->n - column, columnsAtOnce), .quads = quads};
    size_t panels = whole_parts(stage.columns, CK_TILE_COLUMNS);
    size_t codeBytes = panels * CK_TILE_COLUMNS * 4 * quads;
    stage.packed = ck_scratch(0, codeBytes + panels * CK_TILE_COLUMNS * sizeof(int32_t));
    stage.columnSums = (int32_t *)(void *)(stage.packed + codeBytes);
    size_t tileRows = whole_parts(x->m, CK_TILE_ROWS);
    size_t pieces = whole_parts(x->m, CK_ROWS);
    pieces = smaller(tileRows, whole_parts(pieces, threads) * threads);
    stage.rowsPerPiece = whole_parts(tileRows, pieces) * CK_TILE_ROWS;
    stage.rowPieces = whole_parts(x->m, stage.rowsPerPiece);
    size_t cuts = threads > 1 && stage.rowPieces < 2 * threads ? whole_parts(2 * threads, stage.rowPieces) : 1;
    stage.panelsPerPiece = whole_parts(panels, smaller(cuts, panels));
    ck_parallel(whole_parts(panels, 2), threads, igemm_pack, &stage);
    ck_parallel(stage.rowPieces * whole_parts(panels, stage.panelsPerPiece), threads, igemm_multiply, &stage);
  }
}
