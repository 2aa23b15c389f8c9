//===- GpuProgram.h - A model on a GPU --------------------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_EXECUTOR_GPUPROGRAM_H
#define MMCC_RUNTIME_EXECUTOR_GPUPROGRAM_H

#include "runtime/device/cuda/CublasLt.h"
#include "runtime/loader/Artifact.h"

#include <vector>

namespace mmcc::runtime {

/// The chosen variant's code and weights in a GPU's memory. All sessions of a
/// model share one.
class GpuProgram {
public:
  /// Loads every kernel and uploads every weight that the variant's entries
  /// read, those that share bytes in the file, and their order, once.
  static Status load(const Artifact &artifact,
                     std::shared_ptr<cuda::Device> device,
                     std::shared_ptr<const GpuProgram> &program);
  ~GpuProgram();

  const std::shared_ptr<cuda::Device> &device() const { return device_; }
  /// What a launch of a kernel needs to know of it.
  struct Function {
    cuda::Function handle;
    unsigned threads, shared_bytes; // of a block
  };
  const Function &function(uint32_t kernel) const { return functions_[kernel]; }
  /// What may do some of the launches; null: kernels do them all.
  const cuda::MatmulLibrary *library() const { return library_.get(); }
  /// Which one it is, or why there is none; empty if no launch asks for it.
  const std::string &libraryText() const { return library_text_; }
  /// What a buffer of kind constant of one of the variant's entries holds.
  uint8_t *constant(const schema::Buffer &buffer) const {
    return constants_[formOf(buffer)][buffer.index()];
  }

private:
  /// As in the file, in columns, in columns and rounded.
  static constexpr unsigned kForms = 3;
  static unsigned formOf(const schema::Buffer &buffer) {
    return buffer.columns() + (buffer.rounded() != schema::DType::undefined);
  }

  GpuProgram() = default;
  Status loadKernels(const Artifact &artifact);
  Status loadKernel(const schema::Kernel &kernel, const uint8_t *code,
                    Function &function);
  Status uploadConstants(const Artifact &artifact);
  void openLibrary(const Artifact &artifact);

  std::shared_ptr<cuda::Device> device_;
  std::vector<cuda::Module> modules_;
  std::vector<Function> functions_; // by kernel
  /// By constant; null for those that nobody reads so.
  std::vector<uint8_t *> constants_[kForms];
  cuda::Memory weights_;
  std::unique_ptr<cuda::MatmulLibrary> library_;
  std::string library_text_;
};

} // namespace mmcc::runtime

#endif // MMCC_RUNTIME_EXECUTOR_GPUPROGRAM_H
