// Products of float matrices: blocks of B are packed once for all threads, blocks of A by the piece that needs
// them, and a tile of C stays in registers while it walks the inner extent.
//
// Source for the shape of the loops: Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication",
// 2008.

/// The part of C that a tile writes.
typedef struct {
  float *c;
  size_t ldc;
  size_t columns;
  /// Whether C holds the sum of earlier blocks.
  bool adds;
  /// Of the tile's first column; NULL when it is not added now.
  const float *bias;
} ck_tile;

CK_INLINE void multiply_tile(const size_t rows, size_t inner, const float *a, const float *b, ck_tile tile) {
  vf sums[CK_TILE_ROWS][CK_TILE_VECTORS];
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
    for (size_t v = 0; v < CK_TILE_VECTORS; v++) sums[r][v] = 0.0f;
  }
  // C is often not in any cache; it comes while the sums are made.
  for (size_t r = 0; r < rows; r++) {
    for (size_t column = 0; column < CK_TILE_COLUMNS; column += 16) {
      __builtin_prefetch(tile.c + r * tile.ldc + smaller(column, tile.columns - 1), 1);
    }
  }
  for (size_t p = 0; p < inner; p++) {
    vf lanes[CK_TILE_VECTORS];
#pragma clang loop unroll(full)
    for (size_t v = 0; v < CK_TILE_VECTORS; v++) lanes[v] = vload(b + v * CK_VECTOR);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      vf element = a[r];
#pragma clang loop unroll(full)
      for (size_t v = 0; v < CK_TILE_VECTORS; v++) sums[r][v] = CK_MULTIPLY_ADD(element, lanes[v], sums[r][v]);
    }
    a += rows;
    b += CK_TILE_COLUMNS;
  }
  bool whole = tile.columns == CK_TILE_COLUMNS;
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++) {
    float *to = tile.c + r * tile.ldc;
#pragma clang loop unroll(full)
    for (size_t v = 0; v < CK_TILE_VECTORS; v++) {
      vf sum = sums[r][v];
      size_t column = v * CK_VECTOR;
      if (whole) {
        if (tile.adds) sum += vload(to + column);
        if (tile.bias) sum += vload(tile.bias + column);
        vstore(to + column, sum);
      } else if (column < tile.columns) {
        size_t few = smaller(tile.columns - column, CK_VECTOR);
        if (tile.adds) sum += vload_part(to + column, few, 0.0f);
        if (tile.bias) sum += vload_part(tile.bias + column, few, 0.0f);
        vstore_part(to + column, sum, few);
      }
    }
  }
}

static void multiply_rows(size_t rows, size_t inner, const float *a, const float *b, ck_tile tile) {
#define CK_MULTIPLY(count) multiply_tile(count, inner, a, b, tile)
  CK_WITH_ROWS(rows, CK_MULTIPLY)
#undef CK_MULTIPLY
}

/// Columns of B, packed whole, against all of A.
typedef struct {
  const ck_sgemm_job *job;
  size_t column, columns, panels;
  /// Length of the parts that the inner extent is cut into; the last may be shorter.
  size_t inner;
  /// Part by part, and in a part panel by panel.
  float *packed;
  /// How C is cut into pieces.
  size_t rowsPerPiece, rowPieces, panelsPerPiece;
} sgemm_stage;

CK_INLINE float *packed_panel(const sgemm_stage *stage, size_t k0, size_t inner, size_t panel) {
  return stage->packed + (k0 * stage->panels + panel * inner) * CK_TILE_COLUMNS;
}

/// Panels that one piece packs.
#define CK_PACKED_PANELS ((size_t)4)

static void sgemm_pack(void *context, size_t piece) {
  const sgemm_stage *stage = context;
  size_t end = smaller(stage->panels, (piece + 1) * CK_PACKED_PANELS);
  for (size_t panel = piece * CK_PACKED_PANELS; panel < end; panel++) {
    size_t column = panel * CK_TILE_COLUMNS;
    for (size_t k0 = 0; k0 < stage->job->k; k0 += stage->inner) {
      size_t inner = smaller(stage->job->k - k0, stage->inner);
      pack_columns(stage->job, stage->column + column, smaller(stage->columns - column, CK_TILE_COLUMNS), k0, inner,
                   packed_panel(stage, k0, inner, panel));
    }
  }
}

/// Rows `row ..< row + count` of C, for one part of the inner extent and some panels; A's part is packed.
CK_INLINE void multiply_part(const sgemm_stage *stage, const float *packedA, size_t row, size_t count, size_t k0,
                             size_t inner, size_t firstPanel, size_t endPanel) {
  const ck_sgemm_job *x = stage->job;
  // Where C is written once it is walked along its rows, else B stays in the first cache.
  bool walksRows = inner == x->k;
  size_t panels = endPanel - firstPanel, tiles = whole_parts(count, CK_TILE_ROWS);
  for (size_t i = 0; i < (walksRows ? tiles : panels); i++) {
    for (size_t j = 0; j < (walksRows ? panels : tiles); j++) {
      size_t panel = firstPanel + (walksRows ? j : i), tileRow = (walksRows ? i : j) * CK_TILE_ROWS;
      size_t column = stage->column + panel * CK_TILE_COLUMNS;
      ck_tile tile = {
          .c = x->c + (row + tileRow) * x->ldc + column,
          .ldc = x->ldc,
          .columns = smaller(x->n - column, CK_TILE_COLUMNS),
          .adds = k0 > 0,
          .bias = x->bias && k0 == 0 ? x->bias + column : NULL,
      };
      multiply_rows(smaller(count - tileRow, CK_TILE_ROWS), inner, packedA + tileRow * inner,
                    packed_panel(stage, k0, inner, panel), tile);
    }
  }
}

static void sgemm_multiply(void *context, size_t piece) {
  const sgemm_stage *stage = context;
  const ck_sgemm_job *x = stage->job;
  size_t firstRow = piece % stage->rowPieces * stage->rowsPerPiece;
  size_t rows = smaller(x->m - firstRow, stage->rowsPerPiece);
  size_t firstPanel = piece / stage->rowPieces * stage->panelsPerPiece;
  size_t endPanel = smaller(stage->panels, firstPanel + stage->panelsPerPiece);
  float *packed = ck_scratch(1, CK_ROWS * CK_INNER * sizeof(float));
  for (size_t start = 0; start < rows; start += CK_ROWS) {
    size_t count = smaller(rows - start, CK_ROWS);
    for (size_t k0 = 0; k0 < x->k; k0 += stage->inner) {
      size_t inner = smaller(x->k - k0, stage->inner);
      for (size_t row = 0; row < count; row += CK_TILE_ROWS) {
        pack_rows(x, firstRow + start + row, smaller(count - row, CK_TILE_ROWS), k0, inner, packed + row * inner);
      }
      // As many panels at a time as the second cache holds.
      for (size_t panel = firstPanel; panel < endPanel; panel += CK_COLUMNS / CK_TILE_COLUMNS) {
        multiply_part(stage, packed, firstRow + start, count, k0, inner, panel,
                      smaller(endPanel, panel + CK_COLUMNS / CK_TILE_COLUMNS));
      }
    }
  }
}

static void sgemm_empty(const ck_sgemm_job *x) {
  for (size_t row = 0; row < x->m; row++) {
    for (size_t column = 0; column < x->n; column++) {
      x->c[row * x->ldc + column] = x->bias ? x->bias[column] : 0.0f;
    }
  }
}

/// Bytes of B that are packed at a time.
#define CK_PACKED_BYTES ((size_t)8 << 20)

static void sgemm(const ck_sgemm_job *x, size_t threads) {
  if (x->m == 0 || x->n == 0) return;
  if (x->k == 0) return sgemm_empty(x);
  if (sgemm_narrow(x, threads)) return;
  if (x->m * x->n * x->k < 32 * 1024) threads = 1;
  // Parts of equal length, whole groups of 32 so that packed codes begin at a byte.
  size_t inner = whole_parts(whole_parts(x->k, whole_parts(x->k, CK_INNER)), 32) * 32;
  size_t panelBytes = CK_TILE_COLUMNS * sizeof(float) * x->k;
  size_t width = (CK_PACKED_BYTES / panelBytes > 0 ? CK_PACKED_BYTES / panelBytes : 1) * CK_TILE_COLUMNS;
  for (size_t column = 0; column < x->n; column += width) {
    sgemm_stage stage = {.job = x, .column = column, .columns = smaller(x->n - column, width), .inner = inner};
    stage.panels = whole_parts(stage.columns, CK_TILE_COLUMNS);
    stage.packed = ck_scratch(0, stage.panels * panelBytes);
    // Pieces of equal height, a few per thread where there are rows enough; else columns are cut too.
    size_t tileRows = whole_parts(x->m, CK_TILE_ROWS);
    size_t pieces = smaller(tileRows, whole_parts(whole_parts(x->m, CK_ROWS), threads) * threads);
    stage.rowsPerPiece = whole_parts(tileRows, pieces) * CK_TILE_ROWS;
    stage.rowPieces = whole_parts(x->m, stage.rowsPerPiece);
    size_t cuts = threads > 1 && stage.rowPieces < 2 * threads ? whole_parts(2 * threads, stage.rowPieces) : 1;
    stage.panelsPerPiece = whole_parts(stage.panels, smaller(cuts, stage.panels));
    ck_parallel(whole_parts(stage.panels, CK_PACKED_PANELS), threads, sgemm_pack, &stage);
    ck_parallel(stage.rowPieces * whole_parts(stage.panels, stage.panelsPerPiece), threads, sgemm_multiply, &stage);
  }
}
