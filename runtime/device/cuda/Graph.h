//===- Graph.h - Kernels that are launched as one ---------------*- C++ -*-===//

#ifndef MMCC_RUNTIME_DEVICE_CUDA_GRAPH_H
#define MMCC_RUNTIME_DEVICE_CUDA_GRAPH_H

#include "runtime/device/cuda/CublasLt.h"
#include "runtime/device/cuda/Queue.h"

#include <vector>

namespace mmcc::runtime::cuda {

/// Kernels with what each is launched on and given, and which of those before
/// it, it waits for.
struct KernelList {
  struct Kernel {
    Function function;
    Grid grid;
    Matmul *matmul = nullptr; // in place of a function: its parameters are
                              // its operands' addresses and a workspace's
    uint32_t command;         // of whoever made the list
    uint32_t parameters_begin, parameters_end;     // in `parameters`
    uint32_t dependencies_begin, dependencies_end; // in `dependencies`
  };
  std::vector<Kernel> kernels;
  std::vector<uint64_t> parameters;
  std::vector<uint32_t> dependencies; // kernels

  void clear();
  Span<const uint64_t> parametersOf(const Kernel &kernel) const;
  /// Whether kernels wait for the same others, whatever they are given.
  bool hasShapeOf(const KernelList &other) const;
  /// Whether kernel i is launched alike in both.
  bool isSame(const KernelList &other, size_t i) const;
};

/// A CUDA graph of such a list. One whose kernels wait for the same others
/// takes its place by changing what kernels are given, which costs less than to
/// launch them. What the library does for a product is recorded from a stream
/// and becomes a graph in the graph.
class KernelGraph {
public:
  explicit KernelGraph(const Device &device) : device_(device) {}
  ~KernelGraph();
  KernelGraph(const KernelGraph &) = delete;

  /// Launches `list` on a stream; it is swapped with the one that was there.
  Status launch(KernelList &list, StreamHandle stream);
  /// The command of the kernel that launch() has failed at; null: none alone.
  const uint32_t *failedAt() const { return at_ ? &at_->command : nullptr; }

private:
  Status build(const KernelList &list);
  /// False: the driver wants the graph to be built anew.
  Status update(const KernelList &list, bool &done);
  Status addNode(const KernelList &list, const KernelList::Kernel &kernel,
                 const std::vector<GraphNode> &before, GraphNode &node);
  /// `use` gets the graph of what the library does.
  template <typename Use>
  Status record(const KernelList &list, const KernelList::Kernel &kernel,
                Use use);
  void release();

  const Device &device_;
  KernelList built_;
  Graph graph_ = nullptr;
  GraphExec exec_ = nullptr;
  StreamHandle recorded_ = nullptr; // nothing runs in it
  std::vector<GraphNode> nodes_;
  const KernelList::Kernel *at_ = nullptr; // of the list that is launched
};

} // namespace mmcc::runtime::cuda

#endif // MMCC_RUNTIME_DEVICE_CUDA_GRAPH_H
