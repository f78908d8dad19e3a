// The least that an 8-bit quantizer must do, as a measure for whisperq: read a file of floats in blocks, find
// the largest magnitude of each block, round every number to 8 bits, write a quarter of the bytes.
//
// usage: floor INPUT OUTPUT
// build: cc -O3 -march=native -ffast-math -o floor floor.c -lm
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { block_byte_count = 4 << 20, block_float_count = block_byte_count / sizeof(float) };

static float largest_magnitude(const float *restrict values, size_t count) {
  float largest = 0;
  for (size_t i = 0; i < count; i++) {
    float magnitude = fabsf(values[i]);
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

static void quantize(const float *restrict values, int8_t *restrict result, size_t count, float factor) {
  for (size_t i = 0; i < count; i++) result[i] = (int8_t)(int)rintf(values[i] * factor);
}

static int fail(const char *what) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  return 4;
}

// Reads up to one block; returns the bytes read, or -1.
static ssize_t read_block(int input, char *buffer) {
  size_t filled = 0;
  while (filled < block_byte_count) {
    ssize_t count = read(input, buffer + filled, block_byte_count - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) break;
    filled += (size_t)count;
  }
  return (ssize_t)filled;
}

static int write_all(int output, const int8_t *bytes, size_t byte_count) {
  while (byte_count > 0) {
    ssize_t count = write(output, bytes, byte_count);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    bytes += count;
    byte_count -= (size_t)count;
  }
  return 0;
}

int main(int argument_count, char **arguments) {
  if (argument_count != 3) {
    fprintf(stderr, "usage: floor INPUT OUTPUT\n");
    return 64;
  }
  int input = open(arguments[1], O_RDONLY);
  if (input < 0) return fail(arguments[1]);
  int output = open(arguments[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (output < 0) return fail(arguments[2]);
  float *values = aligned_alloc(64, block_byte_count);
  int8_t *quantized = aligned_alloc(64, block_float_count);
  if (!values || !quantized) return fail("memory");

  for (;;) {
    ssize_t byte_count = read_block(input, (char *)values);
    if (byte_count < 0) return fail(arguments[1]);
    if (byte_count == 0) break;
    size_t count = (size_t)byte_count / sizeof(float);
    float largest = largest_magnitude(values, count);
    quantize(values, quantized, count, largest > 0 ? 127 / largest : 0);
    if (write_all(output, quantized, count) < 0) return fail(arguments[2]);
  }
  if (close(output) < 0) return fail(arguments[2]);
  return 0;
}
