//===- Measurement.cpp - A program at work on this machine ----------------===//

#include "compiler/report/Measurement.h"
#include "tools/npz/TensorArrays.h"
#include <algorithm>
#include <chrono>
#include <map>

using namespace mmcc;
namespace json = llvm::json;

using Clock = std::chrono::steady_clock;

/// Time for runs of one kind, and how many there are at most.
static constexpr double kSeconds = 1.0;
static constexpr int kMostRuns = 30;
/// Of a made-up input.
static constexpr int64_t kMostBytes = int64_t(1) << 32;

static size_t elementBytes(mmcc_dtype type) {
  switch (type) {
  case MMCC_F64:
  case MMCC_I64:
  case MMCC_U64:
    return 8;
  case MMCC_F32:
  case MMCC_I32:
  case MMCC_U32:
    return 4;
  case MMCC_F16:
  case MMCC_BF16:
  case MMCC_I16:
  case MMCC_U16:
    return 2;
  default:
    return 1;
  }
}

static bool isFloat(mmcc_dtype type) {
  return type == MMCC_F64 || type == MMCC_F32 || type == MMCC_F16 ||
         type == MMCC_BF16;
}

/// A tensor of zeros or ones, kept in `array`.
static std::string makePlain(const ValueInfo &info, npz::Array &array,
                             Tensor &tensor) {
  int64_t bytes = int64_t(elementBytes(info.dtype));
  tensor = {};
  tensor.dtype = info.dtype;
  tensor.rank = info.rank;
  for (uint32_t i = 0; i < info.rank; ++i) {
    int64_t size = info.dims[i] >= 0     ? info.dims[i]
                   : info.dim_hi[i] >= 0 ? info.dim_hi[i]
                                         : std::max<int64_t>(info.dim_lo[i], 1);
    tensor.dims[i] = size;
    if (__builtin_mul_overflow(bytes, size, &bytes) || bytes > kMostBytes)
      return std::string("input '") + info.name +
             "' is too large at its bound to make one up (--dim, --calibrate)";
  }
  array.data.assign(size_t(bytes), 0);
  if (!isFloat(info.dtype))
    for (size_t i = 0; i < array.data.size(); i += elementBytes(info.dtype))
      array.data[i] = 1;
  tensor.data = array.data.data();
  tensor.bytes = array.data.size();
  return "";
}

std::string mmcc::makeInputs(const Session &session,
                             const std::vector<npz::Array> *sample,
                             const std::string &sampleName, RunInputs &inputs) {
  size_t count = session.inputCount();
  // The tensors point into the arrays.
  inputs.arrays.resize(count);
  inputs.tensors.assign(count, Tensor{});
  auto find = [&](const char *name) {
    return std::find_if(sample->begin(), sample->end(),
                        [&](const npz::Array &a) { return a.name == name; });
  };
  bool whole = sample != nullptr;
  for (size_t i = 0; whole && i < count; ++i)
    whole = session.input(i).optional ||
            find(session.input(i).name) != sample->end();
  inputs.origin = whole ? "the sample " + sampleName
                        : "zeros (integers: ones), sizes that vary at their "
                          "bound or, without one, at their least";
  for (size_t i = 0; i < count; ++i) {
    ValueInfo info = session.input(i);
    std::string message;
    if (!whole) {
      message = makePlain(info, inputs.arrays[i], inputs.tensors[i]);
    } else if (auto array = find(info.name); array != sample->end()) {
      inputs.arrays[i] = *array;
      message = tensorFromArray(info, inputs.arrays[i], inputs.tensors[i]);
    }
    if (!message.empty())
      return message;
  }
  return "";
}

/// Runs until time is over; milliseconds of each run. Empty on failure.
static std::vector<double> repeat(Session &session, const RunInputs &inputs,
                                  Error &error) {
  std::vector<double> times;
  auto end = Clock::now() + std::chrono::duration<double>(kSeconds);
  do {
    std::vector<Tensor> outputs;
    auto start = Clock::now();
    if (!session.run(inputs.tensors, outputs, error))
      return {};
    times.push_back(
        std::chrono::duration<double, std::milli>(Clock::now() - start)
            .count());
  } while (Clock::now() < end && int(times.size()) < kMostRuns);
  return times;
}

/// The median of each command's times over several runs.
static json::Array profile(Session &session, const RunInputs &inputs) {
  struct Row {
    std::vector<double> nanoseconds;
    double flops = 0;
  };
  std::map<uint32_t, Row> rows;
  Error error = {};
  auto end = Clock::now() + std::chrono::duration<double>(kSeconds);
  for (int run = 0; run < kMostRuns && (run == 0 || Clock::now() < end);
       ++run) {
    std::vector<Tensor> outputs;
    mmcc_session_set_profiling(session.get(), 1);
    if (!session.run(inputs.tensors, outputs, error))
      break;
    for (size_t i = 0; i < mmcc_session_profile_size(session.get()); ++i) {
      mmcc_profile_row row;
      mmcc_session_profile(session.get(), i, &row);
      if (row.block != 0 || row.runs == 0)
        continue;
      rows[row.command].nanoseconds.push_back(double(row.nanoseconds) /
                                              double(row.runs));
      rows[row.command].flops = row.flops / double(row.runs);
    }
  }
  mmcc_session_set_profiling(session.get(), 0);
  json::Array result;
  for (auto &[command, row] : rows) {
    auto middle = row.nanoseconds.begin() + row.nanoseconds.size() / 2;
    std::nth_element(row.nanoseconds.begin(), middle, row.nanoseconds.end());
    result.push_back(json::Object{
        {"command", int64_t(command)}, {"ns", *middle}, {"flops", row.flops}});
  }
  return result;
}

static json::Array slicesOf(const Session &session) {
  json::Array slices;
  for (size_t i = 0; i < mmcc_session_timeline_size(session.get()); ++i) {
    mmcc_timeline_slice slice;
    mmcc_session_timeline(session.get(), i, &slice);
    if (slice.block == 0)
      slices.push_back(
          json::Array{int64_t(slice.thread), int64_t(slice.command),
                      int64_t(slice.begin_ns), int64_t(slice.end_ns),
                      int64_t(slice.cells)});
  }
  return slices;
}

/// The slices of a run of median length.
static json::Array timeline(Session &session, const RunInputs &inputs) {
  constexpr int runs = 9;
  struct Recorded {
    uint64_t length = 0;
    json::Array slices;
  };
  std::vector<Recorded> recorded;
  Error error = {};
  std::vector<Tensor> outputs;
  mmcc_session_set_timeline(session.get(), 1);
  auto end = Clock::now() + std::chrono::duration<double>(kSeconds);
  // The first one makes room for what is recorded.
  for (int run = -1; run < runs && (run < 1 || Clock::now() < end); ++run) {
    if (!session.run(inputs.tensors, outputs, error))
      break;
    if (run < 0)
      continue;
    recorded.push_back({0, slicesOf(session)});
    for (const json::Value &slice : recorded.back().slices)
      recorded.back().length = std::max(
          recorded.back().length,
          uint64_t((*slice.getAsArray())[3].getAsInteger().value_or(0)));
  }
  mmcc_session_set_timeline(session.get(), 0);
  if (recorded.empty())
    return {};
  auto middle = recorded.begin() + recorded.size() / 2;
  std::nth_element(
      recorded.begin(), middle, recorded.end(),
      [](const Recorded &a, const Recorded &b) { return a.length < b.length; });
  return std::move(middle->slices);
}

json::Object mmcc::measure(Session &session, const RunInputs &inputs) {
  Error error = {};
  std::vector<Tensor> outputs;
  // The first run packs memory and wakes threads.
  auto start = Clock::now();
  bool good = session.run(inputs.tensors, outputs, error);
  std::chrono::duration<double, std::milli> first = Clock::now() - start;
  std::vector<double> times;
  if (good)
    times = repeat(session, inputs, error);
  if (times.empty())
    return json::Object{{"message", json::fixUTF8(error.message)},
                        {"origin", inputs.origin}};
  std::sort(times.begin(), times.end());
  return json::Object{
      {"ms", times[times.size() / 2]},
      {"fastest_ms", times.front()},
      {"first_ms", first.count()},
      {"runs", int64_t(times.size())},
      {"threads", int64_t(mmcc_session_threads(session.get()))},
      {"origin", json::fixUTF8(inputs.origin)},
      {"arena_bytes", int64_t(mmcc_session_arena_bytes(session.get()))},
      {"profile", profile(session, inputs)},
      {"timeline", timeline(session, inputs)}};
}
