// Kernels for the runtime's tests, linked to a flat image without relocations.
// image_table.S gives each one a fixed place.

#include <stdint.h>

struct args {
  void *const *buffers;
  const int64_t *sizes;
  void *scratch;
};

// out[i] = a[i] + b[i] for i in block x; sizes: n, block.
void add_f32(const struct args *args, int64_t x, int64_t y, int64_t z) {
  const float *a = args->buffers[0], *b = args->buffers[1];
  float *out = args->buffers[2];
  int64_t n = args->sizes[0], block = args->sizes[1];
  int64_t end = (x + 1) * block < n ? (x + 1) * block : n;
  for (int64_t i = x * block; i < end; ++i)
    out[i] = a[i] + b[i];
}

// out[z][y][x] = 10000 z + 100 y + x, through the scratch memory; sizes: X, Y.
void cell_id(const struct args *args, int64_t x, int64_t y, int64_t z) {
  volatile float *scratch = args->scratch;
  for (int i = 0; i < 16; ++i)
    scratch[i] = (float)(10000 * z + 100 * y + x);
  float *out = args->buffers[0];
  out[(z * args->sizes[1] + y) * args->sizes[0] + x] =
      (uintptr_t)args->scratch % 64 == 0 ? scratch[15] : -1.0f;
}

// *out = number of nonzero bytes of in; sizes: n.
void count_nonzero(const struct args *args, int64_t x, int64_t y, int64_t z) {
  const uint8_t *in = args->buffers[0];
  int64_t count = 0;
  for (int64_t i = 0; i < args->sizes[0]; ++i)
    count += in[i] != 0;
  *(int64_t *)args->buffers[1] = count;
}

// out = the bytes of in that are not zero; sizes: n.
void compress(const struct args *args, int64_t x, int64_t y, int64_t z) {
  const uint8_t *in = args->buffers[0];
  uint8_t *out = args->buffers[1];
  for (int64_t i = 0; i < args->sizes[0]; ++i)
    if (in[i])
      *out++ = in[i];
}

// total += sizes[0]; going_on = total < sizes[1].
void accumulate(const struct args *args, int64_t x, int64_t y, int64_t z) {
  int64_t *total = args->buffers[0];
  *total += args->sizes[0];
  *(uint8_t *)args->buffers[1] = *total < args->sizes[1];
}

// *out = the floating-point mode of the thread that runs cell x.
void float_mode(const struct args *args, int64_t x, int64_t y, int64_t z) {
  uint32_t mode;
  __asm__ volatile("stmxcsr %0" : "=m"(mode));
  ((int32_t *)args->buffers[0])[x] = (int32_t)(mode & 0xffc0);
}

// out[x] = sum of in over row x, in an order of its own; sizes: columns.
void sum_rows(const struct args *args, int64_t x, int64_t y, int64_t z) {
  int64_t columns = args->sizes[0];
  const float *row = (const float *)args->buffers[0] + x * columns;
  float sum = 0;
  for (int64_t i = 0; i < columns; ++i)
    sum += row[i];
  ((float *)args->buffers[1])[x] = sum;
}

// Appends a[0..rows) to the state, whose blocks have 64 tokens of one float,
// and *out = the sum of all that it then holds; sizes: length, rows.
void keep_sum(const struct args *args, int64_t x, int64_t y, int64_t z) {
  const float *a = args->buffers[0];
  float *const *blocks = args->buffers[1];
  int64_t length = args->sizes[0], all = length + args->sizes[1];
  for (int64_t t = length; t < all; ++t)
    blocks[t / 64][t % 64] = a[t - length];
  float sum = 0;
  for (int64_t t = 0; t < all; ++t)
    sum += blocks[t / 64][t % 64];
  *(float *)args->buffers[2] = sum;
}
