// Rows of block-quantized weights as floats.

/// Elements `first ..< first + count` of row `row`; any start will do.
CK_INLINE void dequantize_row(const ck_blocked_weight *w, size_t k, size_t row, size_t first, size_t count,
                              float *o) {
  size_t block = (size_t)w->blockSize, blocks = whole_parts(k, block);
  size_t rowZeroBytes = w->bits == 4 ? (blocks + 1) / 2 : blocks;
  size_t blockBytes = block * (size_t)w->bits / 8;
  for (size_t done = 0; done < count;) {
    size_t index = (first + done) / block, inside = (first + done) % block;
    size_t length = smaller(block - inside, count - done);
    float scale = load_float(w->scales + row * blocks + index);
    float zero = w->bits == 4 ? 8.0f : 128.0f;
    if (w->floatZeroPoints) {
      zero = load_float(w->floatZeroPoints + row * blocks + index);
    } else if (w->zeroPoints && w->bits == 4) {
      uint8_t pair = w->zeroPoints[row * rowZeroBytes + index / 2];
      zero = (float)(index % 2 ? pair >> 4 : pair & 15);
    } else if (w->zeroPoints) {
      zero = (float)w->zeroPoints[row * rowZeroBytes + index];
    }
    const uint8_t *codes = w->codes + (row * blocks + index) * blockBytes;
    if (w->bits == 8) {
      for (size_t i = 0; i < length; i++) o[done + i] = ((float)codes[inside + i] - zero) * scale;
    } else {
      codes += inside / 2;
      size_t i = 0;
      for (; i + 16 <= length; i += 16) {
        typedef uint8_t b8 __attribute__((ext_vector_type(8)));
        typedef float f16 __attribute__((ext_vector_type(16)));
        b8 bytes;
        memcpy(&bytes, codes + i / 2, 8);
        b16 nibbles = __builtin_shufflevector(bytes & (b8)15, bytes >> 4, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13,
                                              6, 14, 7, 15);
        f16 values = (__builtin_convertvector(nibbles, f16) - zero) * scale;
        memcpy(o + done + i, &values, sizeof values);
      }
      for (; i < length; i++) {
        uint8_t code = i % 2 ? codes[i / 2] >> 4 : codes[i / 2] & 15;
        o[done + i] = ((float)code - zero) * scale;
      }
    }
    done += length;
  }
}
