// Block-wise quantization along K. Sixteen blocks at a time, one per lane: the blocks of sixteen columns of
// a [K, N] weight, or of sixteen rows of an [N, K] weight, transposed on loading.

/// Columns loaded together from [K, N]: 64 floats are four cache lines of a row.
#define CK_TILE_COLUMNS 64

/// Chooses scales and quantizes; rows up to `blockSize` are filled with the zero point.
CK_INLINE void quantize_tile(const f32x16 *w, size_t rows, size_t blockSize, block_rule rule,
                             const float *multipliers, size_t multiplierCount, block_tile *tile,
                             energy_sums *sums) {
  choose_scales(w, rows, rule, multipliers, multiplierCount, tile);
  f32x16 scale = tile->scale, low = rule.lowest, high = rule.highest;
  if (rule.asymmetric) {
    f32x16 zero = __builtin_convertvector(tile->zero, f32x16);
    low = low - zero;
    high = high - zero;
  }
  i32x16 zero = tile->zero;
  f32x16 error = sums->error, signal = sums->signal;
  for (size_t r = 0; r < rows; r++) {
    tile->values[r] = quantize_lanes(w[r], scale, low, high, zero, &error, &signal);
  }
  sums->error = error;
  sums->signal = signal;
  sums->pending += rows * CK_LANES;
  // 16 * 256 elements are a chunk.
  if (sums->pending >= CK_CHUNK) flush(sums);
  u8x16 filler = __builtin_convertvector(zero, u8x16);
  for (size_t r = rows; r < blockSize; r++) tile->values[r] = filler;
}

CK_INLINE u8x16 interleave_low(u8x16 a, u8x16 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
CK_INLINE u8x16 interleave_high(u8x16 a, u8x16 b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/// Transposes sixteen rows of sixteen bytes: four rounds of perfect shuffles.
CK_INLINE void transpose_bytes(u8x16 rows[16]) {
  u8x16 next[16];
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < 8; i++) {
      next[2 * i] = interleave_low(rows[i], rows[i + 8]);
      next[2 * i + 1] = interleave_high(rows[i], rows[i + 8]);
    }
    for (int i = 0; i < 16; i++) rows[i] = next[i];
  }
}

/// Writes `rows` elements of each of `blocks` blocks along K, block l at `to + l * stride`.
CK_INLINE void store_blocks(const block_tile *tile, size_t rows, size_t blocks, bool nibbles, uint8_t *to,
                            size_t stride) {
  size_t bytes = nibbles ? (rows + 1) / 2 : rows;
  for (size_t from = 0; from < bytes; from += 16) {
    size_t count = bytes - from < 16 ? bytes - from : 16;
    u8x16 lanes[16];
    for (size_t i = 0; i < 16; i++) {
      if (i >= count) {
        lanes[i] = 0;
      } else if (nibbles) {
        size_t r = 2 * (from + i);
        u8x16 upper = r + 1 < rows ? tile->values[r + 1] : (u8x16)0;
        lanes[i] = (tile->values[r] & 0x0F) | (upper << 4);
      } else {
        lanes[i] = tile->values[from + i];
      }
    }
    transpose_bytes(lanes);
    for (size_t l = 0; l < blocks; l++) {
      if (count == 16) {
        memcpy(to + l * stride + from, &lanes[l], 16);
      } else if (count == 8) {
        memcpy(to + l * stride + from, &lanes[l], 8);
      } else {
        memcpy(to + l * stride + from, &lanes[l], count);
      }
    }
  }
}

/// Writes `rows` rows of `blocks` elements each, in the order of [K, N], row r at `to + r * stride`.
CK_INLINE void store_rows(const block_tile *tile, size_t rows, size_t blocks, bool nibbles, uint8_t *to,
                          size_t stride) {
  for (size_t r = 0; r < rows; r++) {
    u8x16 row = tile->values[r];
    if (nibbles) {
      u16x8 pairs = __builtin_bit_cast(u16x8, row);
      u8x8 packed = __builtin_convertvector((pairs & 0x0F) | ((pairs >> 4) & 0xF0), u8x8);
      if (blocks == 16) {
        memcpy(to + r * stride, &packed, 8);
      } else {
        memcpy(to + r * stride, &packed, blocks / 2);
      }
    } else if (blocks == 16) {
      memcpy(to + r * stride, &row, 16);
    } else {
      memcpy(to + r * stride, &row, blocks);
    }
  }
}

CK_INLINE void store_scales(const block_tile *tile, size_t blocks, float *scales, uint8_t *zeros,
                            size_t stride) {
  for (size_t l = 0; l < blocks; l++) scales[l * stride] = tile->scale[l];
  if (zeros == NULL) return;
  for (size_t l = 0; l < blocks; l++) zeros[l * stride] = (uint8_t)tile->zero[l];
}

/// Copies `rows` x `columns` (<= 64) floats into columns of sixteen lanes, zeros beside them.
CK_INLINE void gather_columns(const float *x, size_t stride, size_t rows, size_t columns, bool more,
                              f32x16 *groups) {
  for (size_t r = 0; r < rows; r++) {
    const float *row = x + r * stride;
    if (columns == CK_TILE_COLUMNS) {
      for (size_t g = 0; g < 4; g++) {
        groups[g * CK_LONGEST_BLOCK + r] = load(row + 16 * g);
        if (more) __builtin_prefetch(row + CK_TILE_COLUMNS + 16 * g);
      }
    } else {
      for (size_t g = 0; 16 * g < columns; g++) {
        size_t part = columns - 16 * g;
        groups[g * CK_LONGEST_BLOCK + r] = part < 16 ? load_part(row + 16 * g, part, 0) : load(row + 16 * g);
      }
    }
  }
}

static ck_energy quantize_panel(const float *x, size_t n, size_t columns, size_t firstColumn,
                                size_t usedColumns, ck_block_options options, const float *m, size_t nm,
                                uint8_t *o, size_t no, size_t columnStride, size_t outputOffset, float *s,
                                size_t ns, uint8_t *z, size_t nz, size_t scaleStride, size_t scaleOffset) {
  (void)no, (void)ns;
  if (columns == 0) return (ck_energy){0, 0};
  block_rule rule = rule_of(&options);
  energy_sums sums = {0};
  block_tile tile;
  f32x16 groups[4 * CK_LONGEST_BLOCK];
  size_t rows = n / columns, blockSize = (size_t)options.blockSize;
  bool nibbles = options.packed != 0;
  uint8_t *zeros = rule.asymmetric && nz > 0 ? z : NULL;
  for (size_t c = 0; c < usedColumns; c += CK_TILE_COLUMNS) {
    size_t width = usedColumns - c < CK_TILE_COLUMNS ? usedColumns - c : CK_TILE_COLUMNS;
    if (options.blobs) {
      // Each block goes to lines of its own, which are on their way while the tile is computed.
      for (size_t l = c; l < c + width; l++) {
        __builtin_prefetch(o + l * columnStride + outputOffset, 1);
        __builtin_prefetch(s + l * scaleStride + scaleOffset, 1);
      }
    }
    bool more = c + 2 * CK_TILE_COLUMNS <= usedColumns;
    gather_columns(x + firstColumn + c, columns, rows, width, more, groups);
    for (size_t g = 0; 16 * g < width; g++) {
      size_t blocks = width - 16 * g < 16 ? width - 16 * g : 16, column = c + 16 * g;
      quantize_tile(groups + g * CK_LONGEST_BLOCK, rows, blockSize, rule, m, nm, &tile, &sums);
      if (options.blobs) {
        store_blocks(&tile, blockSize, blocks, nibbles, o + column * columnStride + outputOffset,
                     columnStride);
      } else {
        store_rows(&tile, rows, blocks, nibbles, o + (nibbles ? column / 2 : column),
                   nibbles ? usedColumns / 2 : usedColumns);
      }
      size_t at = column * scaleStride + scaleOffset;
      store_scales(&tile, blocks, s + at, zeros == NULL ? NULL : zeros + at, scaleStride);
    }
  }
  flush(&sums);
  return sums.total;
}

CK_INLINE f32x4 load_four(const float *from) {
  f32x4 four;
  memcpy(&four, from, sizeof four);
  return four;
}

/// Transposes sixteen rows of `length` floats into `length` groups of sixteen lanes, 4 x 4 at a time.
CK_INLINE void gather_rows(const float *x, size_t stride, size_t rows, size_t length, f32x16 *lanes) {
  size_t k = 0;
  if (rows == 16) {
    for (; k + 4 <= length; k += 4) {
      for (size_t l = 0; l < 16; l += 4) {
        const float *row = x + l * stride + k;
        f32x4 a = load_four(row), b = load_four(row + stride);
        f32x4 c = load_four(row + 2 * stride), d = load_four(row + 3 * stride);
        f32x4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        f32x4 ef = __builtin_shufflevector(a, b, 2, 6, 3, 7), gh = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        f32x4 out[4] = {
            __builtin_shufflevector(ab, cd, 0, 1, 4, 5), __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
            __builtin_shufflevector(ef, gh, 0, 1, 4, 5), __builtin_shufflevector(ef, gh, 2, 3, 6, 7)};
        for (size_t i = 0; i < 4; i++) memcpy((float *)&lanes[k + i] + l, &out[i], sizeof out[i]);
      }
    }
  }
  for (; k < length; k++) {
    f32x16 element = 0;
    for (size_t l = 0; l < rows; l++) element[l] = x[l * stride + k];
    lanes[k] = element;
  }
}

static ck_energy quantize_block_rows(const float *x, size_t n, size_t columns, ck_block_options options,
                                     const float *m, size_t nm, uint8_t *o, size_t no, float *s, size_t ns,
                                     uint8_t *z, size_t nz) {
  (void)no, (void)ns;
  if (columns == 0) return (ck_energy){0, 0};
  block_rule rule = rule_of(&options);
  energy_sums sums = {0};
  block_tile tile;
  f32x16 lanes[CK_LONGEST_BLOCK];
  size_t rows = n / columns, blockSize = (size_t)options.blockSize;
  size_t blockCount = (columns + blockSize - 1) / blockSize;
  bool nibbles = options.packed != 0;
  size_t blockBytes = nibbles ? blockSize / 2 : blockSize;
  size_t rowBytes = options.blobs ? blockCount * blockBytes : nibbles ? columns / 2 : columns;
  uint8_t *zeros = rule.asymmetric && nz > 0 ? z : NULL;
  for (size_t r = 0; r < rows; r += 16) {
    size_t blocks = rows - r < 16 ? rows - r : 16;
    for (size_t b = 0; b < blockCount; b++) {
      size_t from = b * blockSize;
      size_t length = columns - from < blockSize ? columns - from : blockSize;
      gather_rows(x + r * columns + from, columns, blocks, length, lanes);
      quantize_tile(lanes, length, blockSize, rule, m, nm, &tile, &sums);
      store_blocks(&tile, options.blobs ? blockSize : length, blocks, nibbles,
                   o + r * rowBytes + b * blockBytes, rowBytes);
      size_t at = r * blockCount + b;
      store_scales(&tile, blocks, s + at, zeros == NULL ? NULL : zeros + at, blockCount);
    }
  }
  flush(&sums);
  return sums.total;
}
