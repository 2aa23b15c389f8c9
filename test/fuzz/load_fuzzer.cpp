// Fuzzes the loader and what follows from it: load, make sessions, describe,
// plan, run. Whatever is accepted must run without a fault.
//
// The first byte of the input says how the rest is used:
//   even: it is a whole file;
//   odd:  it is the program; the harness puts the file around it, with hashes
//         that fit, so that mutations reach the verifiers.
// Code segments are filled with `ret`, so that kernels do nothing: native code
// is outside of what the loader can promise.

#include "mmcc/runtime.h"
#include "runtime/core/Hash.h"
#include "runtime/schema/ArtifactFile.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace mmcc::artifact;

constexpr size_t kConstantBytes = 3 * kPageBytes, kImageBytes = kPageBytes;

/// Header, three pages of constants, one of code, the program, the table.
std::vector<uint8_t> fileAround(const uint8_t *program, size_t bytes) {
  std::vector<uint8_t> file(kHeaderBytes, 0);
  file.resize(file.size() + kConstantBytes, 1);
  file.resize(file.size() + kImageBytes, 0xc3);
  FileHeader header = {};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.format_version = kFormatVersion;
  header.header_bytes = kHeaderBytes;
  header.chunk_bytes = kChunkBytes;
  header.program_offset = file.size();
  header.program_bytes = bytes;
  file.insert(file.end(), program, program + bytes);
  file.resize((file.size() + 15) / 16 * 16);
  header.table_offset = file.size();
  header.chunk_count =
      (header.table_offset - kHeaderBytes + kChunkBytes - 1) / kChunkBytes;
  for (uint64_t i = 0; i < header.chunk_count; ++i) {
    uint64_t begin = kHeaderBytes + i * kChunkBytes;
    Hash128 hash = mmcc::runtime::hash128(
        file.data() + begin,
        std::min<uint64_t>(kChunkBytes, header.table_offset - begin));
    const uint8_t *bits = reinterpret_cast<const uint8_t *>(&hash);
    file.insert(file.end(), bits, bits + sizeof(hash));
  }
  header.file_bytes = file.size();
  std::memcpy(file.data(), &header, sizeof(header));
  Hash128 hash = mmcc::runtime::hash128(file.data(), kHeaderHashOffset,
                                        file.data() + header.table_offset,
                                        file.size() - header.table_offset);
  std::memcpy(file.data() + kHeaderHashOffset, &hash, sizeof(hash));
  return file;
}

/// Extents that a caller might pass; the same symbol gets the same one when
/// its text is the same.
int64_t extentFor(const mmcc_value_info &info, uint32_t dim, int64_t wish) {
  if (info.dims[dim] >= 0)
    return info.dims[dim];
  int64_t extent = std::max(wish, info.dim_lo[dim]);
  return info.dim_hi[dim] < 0 ? extent : std::min(extent, info.dim_hi[dim]);
}

void runSession(mmcc_session *session, int64_t wish) {
  static std::vector<uint64_t> memory(1 << 17, 1);
  std::vector<mmcc_tensor> inputs(mmcc_session_input_count(session));
  std::vector<mmcc_tensor> outputs(mmcc_session_output_count(session));
  if (inputs.size() > 64 || outputs.size() > 64)
    return;
  mmcc_value_info info;
  for (size_t i = 0; i < inputs.size(); ++i) {
    mmcc_session_input(session, i, &info, nullptr);
    mmcc_tensor &tensor = inputs[i];
    tensor.dtype = info.dtype;
    tensor.rank = info.rank;
    for (uint32_t d = 0; d < info.rank; ++d)
      tensor.dims[d] = extentFor(info, d, wish);
    tensor.data = memory.data();
    tensor.bytes = memory.size() * sizeof(memory[0]);
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    mmcc_session_output(session, i, &info, nullptr);
    for (uint32_t d = 0; d < info.rank; ++d)
      if (std::strlen(info.dim_text[d]) > (64u << 20))
        abort();
  }
  mmcc_error error;
  mmcc_session_output_shapes(session, inputs.data(), inputs.size(),
                             outputs.data(), outputs.size(), &error);
  uint64_t total = 0;
  for (mmcc_tensor &output : outputs) {
    output.data = nullptr;
    total += std::min<uint64_t>(output.bytes, 1u << 30);
  }
  // The caller decides how large a result may be.
  if (total > (16u << 20))
    return;
  if (mmcc_session_state_count(session) > 0) {
    mmcc_state_options options = {};
    options.struct_bytes = sizeof(options);
    options.capacity_tokens = 1000;
    mmcc_state *state = nullptr;
    if (mmcc_state_create(session, &options, &state, &error) != MMCC_OK)
      return;
    for (int i = 0; i < 2; ++i)
      mmcc_session_run_with_state(session, state, inputs.data(), inputs.size(),
                                  outputs.data(), outputs.size(), &error);
    mmcc_state_free(state);
    return;
  }
  for (int i = 0; i < 2; ++i)
    mmcc_session_run(session, inputs.data(), inputs.size(), outputs.data(),
                     outputs.size(), &error);
}

int descriptor = -1;
std::string path;

} // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  descriptor = memfd_create("artifact", MFD_CLOEXEC);
  path = "/proc/self/fd/" + std::to_string(descriptor);
  setenv("MMCC_ISA", "x86-64-v3", 1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes == 0)
    return 0;
  std::vector<uint8_t> file = data[0] % 2 == 0
                                  ? std::vector<uint8_t>(data + 1, data + bytes)
                                  : fileAround(data + 1, bytes - 1);
  if (ftruncate(descriptor, 0) != 0 ||
      pwrite(descriptor, file.data(), file.size(), 0) != ssize_t(file.size()))
    abort();
  mmcc_error error;
  mmcc_model *model = nullptr;
  if (mmcc_model_load(path.c_str(), nullptr, &model, &error) != MMCC_OK) {
    if (error.code == MMCC_OK || error.message[0] == '\0')
      abort();
    return 0;
  }
  // A whole file may hold real code, which could do anything.
  size_t entries = data[0] % 2 == 0 ? 0 : mmcc_model_entry_count(model);
  for (size_t i = 0; i < std::min<size_t>(entries, 4); ++i) {
    mmcc_session_options options = {};
    options.struct_bytes = sizeof(options);
    options.threads = 1;
    options.max_arena_bytes = 16 << 20;
    options.max_steps = 10000;
    mmcc_session *session = nullptr;
    if (mmcc_session_create(model, mmcc_model_entry_name(model, i), &options,
                            &session, &error) != MMCC_OK)
      continue;
    for (int64_t wish : {8, 1, 0, 300})
      runSession(session, wish);
    mmcc_session_free(session);
  }
  mmcc_model_free(model);
  return 0;
}
