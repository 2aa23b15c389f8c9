//===- TestArtifact.h - Writes artifacts for tests --------------*- C++ -*-===//

#ifndef MMCC_TEST_RUNTIME_TESTARTIFACT_H
#define MMCC_TEST_RUNTIME_TESTARTIFACT_H

#include "codegen/artifact/ExpressionTable.h"
#include "codegen/artifact/Writer.h"
#include "mmcc/runtime.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace mmcc::test {

/// The kernels of kernels.c, in the order of image_table.S.
enum Kernel : uint32_t {
  add_f32,
  cell_id,
  count_nonzero,
  compress,
  accumulate,
  float_mode,
  sum_rows,
  keep_sum,
  kernel_count
};

constexpr uint32_t kRead = 1, kWrite = 2;

schema::Operand operand(uint32_t buffer, uint32_t access, int32_t offset = -1,
                        int32_t bytes = -1);

/// A program with one entry and one CPU variant, under construction. Functions
/// return the index of what they add.
class TestArtifact {
public:
  explicit TestArtifact(const std::string &entry = "main",
                        const std::string &target = "cpu:x86-64-v3");

  uint32_t symbol(const std::string &name, int32_t input, int32_t dim,
                  int64_t lo = 0, int64_t hi = -1);
  uint32_t input(const std::string &name, schema::DType dtype,
                 std::vector<uint32_t> dims);
  uint32_t output(const std::string &name, schema::DType dtype,
                  std::vector<uint32_t> dims);
  /// [batch, heads, width] a token, in blocks of 64.
  uint32_t state(const std::string &name, schema::DType dtype, uint32_t batch,
                 int64_t heads, int64_t width, uint32_t appended);
  uint32_t constant(const std::string &name, const std::vector<float> &values);
  uint32_t buffer(schema::BufferKind kind, uint32_t index, uint32_t size);
  uint32_t arena(uint32_t size, uint32_t first, uint32_t last,
                 int32_t offset = -1);
  uint32_t dispatch(Kernel kernel, std::vector<uint32_t> grid,
                    std::vector<schema::Operand> operands,
                    std::vector<uint32_t> sizes, uint32_t block = 0);
  schema::CommandT &command(uint32_t block = 0);

  /// Stores the expressions, writes the file and returns its path. Each call
  /// with the same name overwrites.
  std::string write(const std::string &name);

  schema::EntryT &entry() { return *program.entries[0]; }

  schema::ProgramT program;
  artifact::ExpressionTable e;
  std::vector<artifact::ByteSource> constants;
  std::vector<artifact::ByteSource> images;
  artifact::WriteResult result;
};

/// out = a + b over [n] with b a second input, in blocks of 64; n in 1..4096.
TestArtifact addArtifact();

/// Keeps what it is given: a [n] is appended to the state "kept" and out [1] is
/// the sum of all of it. The length is at most 1000. Symbols n, past.
TestArtifact stateArtifact(const std::string &entry = "main.state");

/// The flat image of kernels.c.
const std::vector<uint8_t> &testImage();

/// Turns variants for CPUs into such for GPUs, with code of kernels.c for the
/// fake driver (cuda/kernels.cu).
void moveToGpu(TestArtifact &t);

std::string temporaryPath(const std::string &name);
std::vector<uint8_t> readFile(const std::string &path);
void writeFile(const std::string &path, const std::vector<uint8_t> &bytes);

/// A file that lies in memory only, for tests that write thousands.
class MemoryFile {
public:
  MemoryFile();
  ~MemoryFile();
  /// Replaces the content; not while it is mapped.
  void write(const std::vector<uint8_t> &bytes);
  const std::string &path() const { return path_; }

private:
  int descriptor_;
  std::string path_;
};

/// Makes the file's hashes right again after its content was changed.
void rehash(std::vector<uint8_t> &file);

template <typename T>
Tensor tensorOf(mmcc_dtype dtype, std::vector<int64_t> dims,
                std::vector<T> &data) {
  Tensor tensor = {};
  tensor.dtype = dtype;
  tensor.rank = uint32_t(dims.size());
  for (size_t d = 0; d < dims.size(); ++d)
    tensor.dims[d] = dims[d];
  tensor.data = data.data();
  tensor.bytes = data.size() * sizeof(T);
  return tensor;
}

/// Loads a model for where the tests run: this CPU, or the GPU that it plays
/// (cuda/).
Model loadModel(const std::string &path, Error &error);

/// Loads and makes a session; fails the test on an error.
struct Loaded {
  Loaded(const std::string &path, unsigned threads);
  Model model;
  Session session;
};

} // namespace mmcc::test

#endif // MMCC_TEST_RUNTIME_TESTARTIFACT_H
