#include "runtime/device/cuda/Graph.h"

#include <algorithm>

namespace mmcc::runtime::cuda {

void KernelList::clear() {
  kernels.clear();
  parameters.clear();
  dependencies.clear();
}

Span<const uint64_t> KernelList::parametersOf(const Kernel &kernel) const {
  return {parameters.data() + kernel.parameters_begin,
          kernel.parameters_end - kernel.parameters_begin};
}

bool KernelList::hasShapeOf(const KernelList &other) const {
  if (kernels.size() != other.kernels.size() ||
      dependencies != other.dependencies)
    return false;
  for (size_t i = 0; i < kernels.size(); ++i)
    if (kernels[i].dependencies_end != other.kernels[i].dependencies_end)
      return false;
  return true;
}

bool KernelList::isSame(const KernelList &other, size_t i) const {
  const Kernel &a = kernels[i], &b = other.kernels[i];
  Span<const uint64_t> left = parametersOf(a), right = other.parametersOf(b);
  return a.function == b.function && a.grid == b.grid &&
         left.size() == right.size() &&
         std::equal(left.begin(), left.end(), right.begin());
}

namespace {

/// A kernel as the driver wants to have it described.
class Described {
public:
  Described(const KernelList &list, const KernelList::Kernel &kernel) {
    Span<const uint64_t> given = list.parametersOf(kernel);
    bytes = given.size() * sizeof(uint64_t);
    extra[0] = reinterpret_cast<void *>(kLaunchParameters);
    extra[1] = const_cast<uint64_t *>(given.data());
    extra[2] = reinterpret_cast<void *>(kLaunchParameterBytes);
    extra[3] = &bytes;
    extra[4] = nullptr;
    params = {kernel.function,
              unsigned(kernel.grid.x),
              unsigned(kernel.grid.y),
              unsigned(kernel.grid.z),
              kernel.grid.threads,
              1,
              1,
              kernel.grid.shared_bytes,
              nullptr,
              extra,
              nullptr,
              nullptr};
  }
  Described(const Described &) = delete;

  KernelNodeParams params;

private:
  size_t bytes;
  void *extra[5];
};

} // namespace

void KernelGraph::release() {
  if (exec_)
    (void)device_.driver().graphExecDestroy(exec_);
  if (graph_)
    (void)device_.driver().graphDestroy(graph_);
  exec_ = nullptr;
  graph_ = nullptr;
  nodes_.clear();
}

Status KernelGraph::build(const KernelList &list) {
  const Driver &driver = device_.driver();
  release();
  MMCC_RETURN_IF_ERROR(
      device_.check(driver.graphCreate(&graph_, 0), "making a graph"));
  std::vector<GraphNode> before;
  for (const KernelList::Kernel &kernel : list.kernels) {
    before.clear();
    for (uint32_t i = kernel.dependencies_begin; i < kernel.dependencies_end;
         ++i)
      before.push_back(nodes_[list.dependencies[i]]);
    Described described(list, kernel);
    GraphNode node = nullptr;
    MMCC_RETURN_IF_ERROR(
        device_.check(driver.graphAddKernel(&node, graph_, before.data(),
                                            before.size(), &described.params),
                      "adding a kernel to a graph"));
    nodes_.push_back(node);
  }
  return device_.check(driver.graphInstantiate(&exec_, graph_, 0),
                       "making a graph");
}

Status KernelGraph::update(const KernelList &list) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (list.isSame(built_, i))
      continue;
    Described described(list, list.kernels[i]);
    MMCC_RETURN_IF_ERROR(device_.check(
        device_.driver().graphSetKernel(exec_, nodes_[i], &described.params),
        "changing a kernel of a graph"));
  }
  return {};
}

Status KernelGraph::launch(KernelList &list, StreamHandle stream) {
  Status status = exec_ && list.hasShapeOf(built_) ? update(list) : build(list);
  if (!status.ok()) {
    release();
    return status;
  }
  std::swap(list, built_);
  return device_.check(device_.driver().graphLaunch(exec_, stream),
                       "launching a graph");
}

} // namespace mmcc::runtime::cuda
