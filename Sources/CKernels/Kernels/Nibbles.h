// Two 4-bit values per byte, the low nibble first. Plain loops: the compiler makes vectors of them.

static void pack_nibbles(const uint8_t *v, size_t n, uint8_t *o, size_t no) {
  (void)no;
  size_t pairs = n / 2;
  for (size_t i = 0; i < pairs; i++) {
    uint16_t pair;
    memcpy(&pair, v + 2 * i, sizeof pair);
    o[i] = (uint8_t)((pair & 0x0F) | ((pair >> 4) & 0xF0));
  }
  if (n % 2 != 0) o[pairs] = v[n - 1] & 0x0F;
}

static void unpack_nibbles_u8(const uint8_t *b, size_t nb, uint8_t *o, size_t n) {
  (void)nb;
  for (size_t i = 0; i < n / 2; i++) {
    uint16_t pair = (uint16_t)((b[i] & 0x0F) | ((uint16_t)(b[i] & 0xF0) << 4));
    memcpy(o + 2 * i, &pair, sizeof pair);
  }
  if (n % 2 != 0) o[n - 1] = b[n / 2] & 0x0F;
}

static void unpack_nibbles_s8(const uint8_t *b, size_t nb, int8_t *o, size_t n) {
  unpack_nibbles_u8(b, nb, (uint8_t *)o, n);
  for (size_t i = 0; i < n; i++) o[i] = (int8_t)((o[i] ^ 8) - 8);
}
