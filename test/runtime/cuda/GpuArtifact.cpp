#include "test/runtime/TestArtifact.h"

namespace mmcc::test {

void moveToGpu(TestArtifact &t) {
  constexpr size_t alignment = 64;
  std::vector<uint8_t> image;
  schema::VariantT &variant = *t.program.variants[0];
  if (variant.target.compare(0, 4, "cpu:") != 0)
    return; // written before
  variant.target = "cuda:sm_80";
  for (uint32_t k = 0; k < kernel_count; ++k) {
    std::vector<uint8_t> code =
        readFile(MMCC_TEST_CUBINS + std::to_string(k) + ".cubin");
    schema::KernelT &kernel = *variant.kernels[k];
    image.resize((image.size() + alignment - 1) / alignment * alignment);
    kernel.entry_offset = image.size();
    kernel.code_bytes = code.size();
    kernel.threads = 32;
    kernel.scratch_bytes = 0;
    image.insert(image.end(), code.begin(), code.end());
  }
  t.images[0] = artifact::ByteSource::fromVector(std::move(image));
}

} // namespace mmcc::test
