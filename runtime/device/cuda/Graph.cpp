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
    if (kernels[i].dependencies_end != other.kernels[i].dependencies_end ||
        !kernels[i].matmul != !other.kernels[i].matmul)
      return false;
  return true;
}

bool KernelList::isSame(const KernelList &other, size_t i) const {
  const Kernel &a = kernels[i], &b = other.kernels[i];
  Span<const uint64_t> left = parametersOf(a), right = other.parametersOf(b);
  return a.function == b.function && a.matmul == b.matmul && a.grid == b.grid &&
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

KernelGraph::~KernelGraph() {
  release();
  if (recorded_)
    (void)device_.driver().streamDestroy(recorded_);
}

template <typename Use>
Status KernelGraph::record(const KernelList &list,
                           const KernelList::Kernel &kernel, Use use) {
  const Driver &driver = device_.driver();
  const char *what = "recording a product";
  if (!recorded_)
    MMCC_RETURN_IF_ERROR(device_.check(
        driver.streamCreate(&recorded_, kStreamNonBlocking), what));
  MMCC_RETURN_IF_ERROR(
      device_.check(driver.captureBegin(recorded_, kCaptureOfThread), what));
  Status status =
      kernel.matmul->run(list.parametersOf(kernel).data(), recorded_);
  // Ends it also when the library has failed.
  Graph graph = nullptr;
  Result ended = driver.captureEnd(recorded_, &graph);
  if (status.ok())
    status = device_.check(ended, what);
  if (status.ok())
    status = device_.check(use(graph), what);
  if (graph)
    (void)driver.graphDestroy(graph);
  return status;
}

Status KernelGraph::addNode(const KernelList &list,
                            const KernelList::Kernel &kernel,
                            const std::vector<GraphNode> &before,
                            GraphNode &node) {
  const Driver &driver = device_.driver();
  if (kernel.matmul)
    return record(list, kernel, [&](Graph graph) {
      return driver.graphAddChild(&node, graph_, before.data(), before.size(),
                                  graph);
    });
  Described described(list, kernel);
  return device_.check(driver.graphAddKernel(&node, graph_, before.data(),
                                             before.size(), &described.params),
                       "adding a kernel to a graph");
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
    GraphNode node = nullptr;
    at_ = &kernel;
    MMCC_RETURN_IF_ERROR(addNode(list, kernel, before, node));
    nodes_.push_back(node);
  }
  at_ = nullptr;
  return device_.check(driver.graphInstantiate(&exec_, graph_, 0),
                       "making a graph");
}

Status KernelGraph::update(const KernelList &list, bool &done) {
  const Driver &driver = device_.driver();
  done = true;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const KernelList::Kernel &kernel = list.kernels[i];
    if (list.isSame(built_, i))
      continue;
    at_ = &kernel;
    if (kernel.matmul) {
      // The library may do another size by other kernels, of other number.
      MMCC_RETURN_IF_ERROR(record(list, kernel, [&](Graph graph) {
        done = driver.graphSetChild(exec_, nodes_[i], graph) == kSuccess;
        return kSuccess;
      }));
      if (!done)
        return {};
      continue;
    }
    Described described(list, kernel);
    MMCC_RETURN_IF_ERROR(device_.check(
        driver.graphSetKernel(exec_, nodes_[i], &described.params),
        "changing a kernel of a graph"));
  }
  at_ = nullptr;
  return {};
}

Status KernelGraph::launch(KernelList &list, StreamHandle stream) {
  bool done = false;
  Status status;
  if (exec_ && list.hasShapeOf(built_))
    status = update(list, done);
  if (status.ok() && !done)
    status = build(list);
  if (!status.ok()) {
    release();
    return status;
  }
  std::swap(list, built_);
  return device_.check(device_.driver().graphLaunch(exec_, stream),
                       "launching a graph");
}

} // namespace mmcc::runtime::cuda
