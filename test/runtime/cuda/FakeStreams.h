//===- FakeStreams.h - Streams that do no more than they must -------------===//

#ifndef MMCC_TEST_RUNTIME_CUDA_FAKESTREAMS_H
#define MMCC_TEST_RUNTIME_CUDA_FAKESTREAMS_H

#include "test/runtime/cuda/FakeMemory.h"

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
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
  /// While a graph is recorded: what is done when it comes, by stream.
  std::map<Stream *, size_t> seen;
};

struct Task {
  Work work;                  // or
  std::shared_ptr<Mark> sets; // or
  std::shared_ptr<Mark> waitsFor;
};

struct Graph {
  std::vector<Work> works;
};

struct Stream {
  std::deque<Task> tasks;
  /// Of the graph that is recorded: how much each stream has done before what
  /// comes next here.
  std::map<Stream *, size_t> seen;
  bool captures = false;
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

  Result add(Stream *stream, Work work) {
    if (!streams_.count(stream))
      return kInvalidValue;
    if (stream->captures) {
      ++stream->seen[stream];
      graph->works.push_back(std::move(work));
      return kSuccess;
    }
    stream->tasks.push_back({std::move(work), nullptr, nullptr});
    return eager ? finish(stream) : kSuccess;
  }

  Result record(Event *event, Stream *stream) {
    if (!streams_.count(stream) || !events_.count(event))
      return kInvalidValue;
    event->last.reset();
    event->seen.clear();
    if (stream->captures) {
      event->seen = stream->seen;
      event->seen[origin]; // even if nothing was done
      return kSuccess;
    }
    event->last = std::make_shared<Mark>();
    event->last->stream = stream;
    stream->tasks.push_back({nullptr, event->last, nullptr});
    return eager ? finish(stream) : kSuccess;
  }

  Result wait(Stream *stream, Event *event) {
    if (!streams_.count(stream) || !events_.count(event))
      return kInvalidValue;
    if (!event->seen.empty()) {
      // Whoever waits for a graph that is recorded becomes part of it.
      if (!origin)
        return kCaptured;
      stream->captures = true;
      for (auto [other, done] : event->seen)
        stream->seen[other] = std::max(stream->seen[other], done);
      return kSuccess;
    }
    if (stream->captures)
      return kCaptured;
    if (event->last)
      stream->tasks.push_back({nullptr, nullptr, event->last});
    return kSuccess;
  }

  /// Carries out all that is in the stream, and what that waits for.
  Result finish(Stream *stream) {
    if (!streams_.count(stream))
      return kInvalidValue;
    if (stream->captures)
      return kCaptured;
    Opening opening(memory);
    return runAll(stream, nullptr);
  }
  Result finish(Event *event) {
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

  Result beginCapture(Stream *stream) {
    if (origin || !streams_.count(stream))
      return kInvalidValue;
    origin = stream;
    stream->captures = true;
    graph = *graphs_.insert(new Graph).first;
    return kSuccess;
  }
  Result endCapture(Stream *stream, Graph *&result) {
    if (stream != origin)
      return kInvalidValue;
    bool joined = true;
    for (Stream *each : streams_) {
      joined &= origin->seen[each] >= each->seen[each];
      if (each != origin) {
        each->captures = false;
        each->seen.clear();
      }
    }
    origin->captures = false;
    origin->seen.clear();
    origin = nullptr;
    for (Event *event : events_)
      event->seen.clear();
    result = graph;
    return joined ? kSuccess : kUnjoined;
  }
  Graph *copyGraph(Graph *from) {
    return *graphs_.insert(new Graph(*from)).first;
  }
  Result launch(Graph *what, Stream *stream) {
    if (!graphs_.count(what))
      return kInvalidValue;
    for (const Work &work : what->works)
      if (Result failed = add(stream, work))
        return failed;
    return kSuccess;
  }

private:
  static constexpr Result kNotReady = 600, kCaptured = 900, kUnjoined = 904;

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
  Stream *origin = nullptr; // of the graph that is recorded
  Graph *graph = nullptr;
};

} // namespace mmcc::fake

#endif // MMCC_TEST_RUNTIME_CUDA_FAKESTREAMS_H
