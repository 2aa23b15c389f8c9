//===- FakeStreams.h - Streams that do no more than they must -------------===//

#ifndef MMCC_TEST_RUNTIME_CUDA_FAKESTREAMS_H
#define MMCC_TEST_RUNTIME_CUDA_FAKESTREAMS_H

#include "test/runtime/cuda/FakeMemory.h"

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace mmcc::fake {

using Work = std::function<Result()>;
struct Stream;

/// One recording of an event: a place in a stream.
struct Mark {
  Stream *stream;
  bool reached = false;
  std::chrono::steady_clock::time_point time;
};

struct Event {
  std::shared_ptr<Mark> last;
};

struct Task {
  Work work;                  // or
  std::shared_ptr<Mark> sets; // or
  std::shared_ptr<Mark> waitsFor;
};

/// Work that waits for other work of the same graph.
struct GraphNode {
  size_t index;
};
struct Graph {
  struct Node {
    Work work;
    std::vector<size_t> before;
    size_t inner = 0; // nodes of the graph that it is; 0: it is a kernel
  };
  std::vector<Node> nodes;
  std::vector<std::unique_ptr<GraphNode>> handles; // of what is no copy
};

struct Stream {
  std::deque<Task> tasks;
  Graph *recorded = nullptr; // what is put into it becomes this graph's
};

class Streams {
public:
  Streams(Memory &memory, bool eager) : memory(memory), eager(eager) {}

  size_t streams() const { return streams_.size(); }
  size_t events() const { return events_.size(); }
  size_t graphs() const { return graphs_.size(); }

  Stream *createStream() { return *streams_.insert(new Stream).first; }
  Event *createEvent() { return *events_.insert(new Event).first; }
  Result destroyStream(Stream *stream) {
    Result result = finish(stream);
    return remove(streams_, stream) ? result : kInvalidValue;
  }
  Result destroyEvent(Event *event) {
    return remove(events_, event) ? kSuccess : kInvalidValue;
  }
  Result destroyGraph(Graph *graph) {
    return remove(graphs_, graph) ? kSuccess : kInvalidValue;
  }

  /// Until then the thread may do nothing but put work into the stream.
  Result beginRecording(Stream *stream) {
    if (!streams_.count(stream) || recording_)
      return kInvalidValue;
    recording_ = stream;
    is_spoilt_ = false;
    stream->recorded = createGraph();
    return kSuccess;
  }
  Result endRecording(Stream *stream, Graph *&graph) {
    graph = nullptr;
    if (recording_ != stream)
      return kCaptureUnmatched;
    recording_ = nullptr;
    graph = std::exchange(stream->recorded, nullptr);
    if (!is_spoilt_)
      return kSuccess;
    destroyGraph(std::exchange(graph, nullptr));
    return kCaptureInvalidated;
  }
  /// What must not happen meanwhile, and spoils it.
  Result checkQuiet() {
    if (!recording_)
      return kSuccess;
    is_spoilt_ = true;
    return kCaptureUnsupported;
  }

  Result add(Stream *stream, Work work) {
    if (!streams_.count(stream))
      return kInvalidValue;
    if (recording_ == stream) {
      Graph::Node node{std::move(work), {}};
      if (!stream->recorded->nodes.empty())
        node.before.push_back(stream->recorded->nodes.size() - 1);
      stream->recorded->nodes.push_back(std::move(node));
      return kSuccess;
    }
    if (Result failed = checkQuiet())
      return failed;
    stream->tasks.push_back({std::move(work), nullptr, nullptr});
    return eager ? finish(stream) : kSuccess;
  }

  Result record(Event *event, Stream *stream) {
    if (Result failed = checkQuiet())
      return failed;
    if (!streams_.count(stream) || !events_.count(event))
      return kInvalidValue;
    event->last = std::make_shared<Mark>();
    event->last->stream = stream;
    stream->tasks.push_back({nullptr, event->last, nullptr});
    return eager ? finish(stream) : kSuccess;
  }

  Result wait(Stream *stream, Event *event) {
    if (Result failed = checkQuiet())
      return failed;
    if (!streams_.count(stream) || !events_.count(event))
      return kInvalidValue;
    if (event->last)
      stream->tasks.push_back({nullptr, nullptr, event->last});
    return kSuccess;
  }

  /// Carries out all that is in the stream, and what that waits for.
  Result finish(Stream *stream) {
    if (Result failed = checkQuiet())
      return failed;
    if (!streams_.count(stream))
      return kInvalidValue;
    Opening opening(memory);
    return runAll(stream, nullptr);
  }
  Result finish(Event *event) {
    if (Result failed = checkQuiet())
      return failed;
    Opening opening(memory);
    return event->last && !event->last->reached
               ? runAll(event->last->stream, event->last.get())
               : kSuccess;
  }
  void finishAll() {
    for (Stream *stream : streams_)
      (void)finish(stream);
  }

  Result elapsed(float &milliseconds, const Event *begin, const Event *end) {
    if (!begin->last || !end->last || !begin->last->reached ||
        !end->last->reached)
      return kNotReady;
    milliseconds = std::chrono::duration<float, std::milli>(end->last->time -
                                                            begin->last->time)
                       .count();
    return kSuccess;
  }

  Graph *createGraph() { return *graphs_.insert(new Graph).first; }
  Result addNode(Graph *graph, GraphNode *&node, Work work,
                 GraphNode *const *before, size_t count) {
    if (!graphs_.count(graph))
      return kInvalidValue;
    Graph::Node added{std::move(work), {}};
    for (size_t i = 0; i < count; ++i)
      added.before.push_back(before[i]->index);
    graph->handles.push_back(
        std::make_unique<GraphNode>(GraphNode{graph->nodes.size()}));
    node = graph->handles.back().get();
    graph->nodes.push_back(std::move(added));
    return kSuccess;
  }
  Result setNode(Graph *exec, const GraphNode *node, Work work) {
    if (!graphs_.count(exec) || node->index >= exec->nodes.size() ||
        exec->nodes[node->index].inner)
      return kInvalidValue;
    exec->nodes[node->index].work = std::move(work);
    return kSuccess;
  }
  Result addChild(Graph *graph, GraphNode *&node, const Graph *child,
                  GraphNode *const *before, size_t count) {
    if (!graphs_.count(const_cast<Graph *>(child)) || child->nodes.empty())
      return kInvalidValue;
    Result result = addNode(graph, node, workOf(child), before, count);
    if (!result)
      graph->nodes[node->index].inner = child->nodes.size();
    return result;
  }
  /// Only for one of the same form.
  Result setChild(Graph *exec, const GraphNode *node, const Graph *child) {
    if (!graphs_.count(exec) || node->index >= exec->nodes.size() ||
        !graphs_.count(const_cast<Graph *>(child)))
      return kInvalidValue;
    Graph::Node &changed = exec->nodes[node->index];
    if (changed.inner != child->nodes.size())
      return kUpdateFailure;
    changed.work = workOf(child);
    return kSuccess;
  }
  Graph *copyGraph(const Graph *from) {
    Graph *copy = createGraph();
    copy->nodes = from->nodes;
    return copy;
  }
  /// Nodes run in any order that their dependencies allow, another each time.
  Result launch(const Graph *what, Stream *stream) {
    if (!graphs_.count(const_cast<Graph *>(what)))
      return kInvalidValue;
    return add(stream, workOf(what));
  }

private:
  static constexpr Result kNotReady = 600, kCaptureUnsupported = 900,
                          kCaptureInvalidated = 901, kCaptureUnmatched = 903,
                          kUpdateFailure = 910;

  Work workOf(const Graph *graph) {
    return [this, nodes = graph->nodes] {
      std::vector<bool> done(nodes.size());
      auto isReady = [&](size_t i) {
        for (size_t before : nodes[i].before)
          if (!done[before])
            return false;
        return !done[i];
      };
      for (size_t left = nodes.size(); left > 0; --left) {
        size_t i = random() % nodes.size();
        while (!isReady(i))
          i = (i + 1) % nodes.size();
        done[i] = true;
        if (Result failed = nodes[i].work())
          return failed;
      }
      return kSuccess;
    };
  }

  /// The GPU's memory is open while this lives.
  struct Opening {
    explicit Opening(Memory &memory) : memory(memory) { memory.setOpen(true); }
    ~Opening() { memory.setOpen(false); }
    Memory &memory;
  };

  template <typename T> static bool remove(std::set<T *> &all, T *one) {
    if (!all.erase(one))
      return false;
    delete one;
    return true;
  }

  /// Up to `until`; null: to the end.
  Result runAll(Stream *stream, const Mark *until) {
    while (!stream->tasks.empty() && !(until && until->reached)) {
      Task task = std::move(stream->tasks.front());
      stream->tasks.pop_front();
      Result result = kSuccess;
      if (task.work) {
        result = task.work();
      } else if (task.sets) {
        task.sets->reached = true;
        task.sets->time = std::chrono::steady_clock::now();
      } else if (!task.waitsFor->reached) {
        result = runAll(task.waitsFor->stream, task.waitsFor.get());
      }
      if (result)
        return result;
    }
    return kSuccess;
  }

  Memory &memory;
  bool eager;
  std::set<Stream *> streams_;
  std::set<Event *> events_;
  std::set<Graph *> graphs_;
  std::mt19937 random;
  Stream *recording_ = nullptr;
  bool is_spoilt_ = false;
};

} // namespace mmcc::fake

#endif // MMCC_TEST_RUNTIME_CUDA_FAKESTREAMS_H
