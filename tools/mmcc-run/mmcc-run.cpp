// mmcc-run: runs or times an artifact on arrays from an npz file. Links the
// runtime only.

#include "tools/mmcc-run/Trace.h"
#include "tools/npz/TensorArrays.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using mmcc::arrayFromTensor;
using mmcc::tensorFromArray;

namespace {

constexpr int kDone = 0, kInput = 1, kUsage = 2, kEnvironment = 4;

struct Options {
  std::string file, outputs, entry, device = "cpu", isa, json, trace;
  std::vector<std::string> inputs; // a file a run
  unsigned threads = 0;
  uint64_t capacity = 0; // tokens
  double bench_seconds = 0;
  bool perf_map = false, profile = false, state = false;
};

using Clock = std::chrono::steady_clock;

double millisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start)
      .count();
}

int fail(int code, const std::string &message) {
  std::fprintf(stderr, "mmcc-run: %s\n", message.c_str());
  return code;
}

int fail(const mmcc::Error &error) {
  bool environment = error.code == MMCC_NO_DEVICE ||
                     error.code == MMCC_OUT_OF_MEMORY ||
                     error.code == MMCC_IO_ERROR;
  return fail(environment ? kEnvironment : kInput, error.message);
}

uint64_t peakResidentBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return uint64_t(usage.ru_maxrss) * 1024;
}

struct Timings {
  double load_ms = 0, first_ms = 0;
  std::vector<double> runs_ms;
};

/// q in [0, 1], of sorted values.
double quantile(const std::vector<double> &sorted, double q) {
  return sorted[size_t(q * double(sorted.size() - 1) + 0.5)];
}

/// Writes beside `path` and renames, so that a reader never sees half of it; to
/// what is no file, a pipe or a device, directly.
bool writeText(const std::string &path, const std::string &text) {
  struct stat there = {};
  bool direct = stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode);
  std::string temporary = direct ? path : path + ".part";
  std::FILE *file = std::fopen(temporary.c_str(), "w");
  if (!file)
    return false;
  bool good = std::fputs(text.c_str(), file) >= 0;
  good &= std::fclose(file) == 0;
  if (direct)
    return good;
  good = good && std::rename(temporary.c_str(), path.c_str()) == 0;
  if (!good)
    std::remove(temporary.c_str());
  return good;
}

/// The library that is at work; "" if there is none.
const char *libraryOf(const mmcc::Model &model) {
  const char *text = mmcc_model_library(model.get());
  return std::string(text).substr(0, 3) == "no " ? "" : text;
}

std::string jsonText(const mmcc::Model &model, const mmcc::Session &session,
                     const mmcc::State &state, Timings &timings) {
  std::vector<double> &runs = timings.runs_ms;
  std::sort(runs.begin(), runs.end());
  double total = 0;
  for (double run : runs)
    total += run;
  char text[1024];
  std::snprintf(
      text, sizeof(text),
      "{\n  \"median_ms\": %.6f,\n  \"min_ms\": %.6f,\n  \"mean_ms\": %.6f,\n"
      "  \"p90_ms\": %.6f,\n  \"p99_ms\": %.6f,\n  \"runs\": %zu,\n"
      "  \"load_ms\": %.6f,\n  \"first_ms\": %.6f,\n"
      "  \"peak_rss_bytes\": %llu,\n  \"arena_bytes\": %llu,\n"
      "  \"weights_bytes\": %llu,\n  \"launches\": %llu,\n"
      "  \"state_tokens\": %llu,\n  \"state_bytes\": %llu,\n"
      "  \"isa\": \"%s\",\n  \"library\": \"%s\",\n  \"threads\": %u\n}\n",
      quantile(runs, 0.5), runs.front(), total / double(runs.size()),
      quantile(runs, 0.9), quantile(runs, 0.99), runs.size(), timings.load_ms,
      timings.first_ms, (unsigned long long)peakResidentBytes(),
      (unsigned long long)mmcc_session_arena_bytes(session.get()),
      (unsigned long long)mmcc_model_weights_bytes(model.get()),
      (unsigned long long)session.launches(),
      (unsigned long long)(state ? state.length() : 0),
      (unsigned long long)(state ? state.bytes() : 0),
      mmcc_model_isa(model.get()), libraryOf(model),
      mmcc_session_threads(session.get()));
  return text;
}

void printProfile(const mmcc::Session &session, const char *library) {
  std::vector<mmcc_profile_row> rows(mmcc_session_profile_size(session.get()));
  uint64_t total = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    mmcc_session_profile(session.get(), i, &rows[i]);
    total += rows[i].nanoseconds;
  }
  std::sort(rows.begin(), rows.end(), [](const auto &a, const auto &b) {
    return a.nanoseconds > b.nanoseconds;
  });
  if (*library)
    std::printf("library: %s\n", library);
  std::printf("%10s %6s %9s %9s  %s\n", "us/run", "%", "GFLOP/s", "GB/s",
              "kernel (node)");
  for (const mmcc_profile_row &row : rows) {
    if (row.runs == 0 || row.nanoseconds == 0)
      continue;
    double ns = double(row.nanoseconds);
    std::printf("%10.1f %6.2f %9.1f %9.1f  %s (%s)\n",
                ns / double(row.runs) / 1e3, 100 * ns / double(total),
                row.flops / ns, row.bytes / ns, row.kernel, row.node);
  }
}

class Runner {
public:
  explicit Runner(const Options &options) : options(options) {}
  int run();

private:
  int load();
  int chooseEntry(std::string &entry);
  int readInputs(const std::string &file);
  uint32_t batchOfInputs() const;
  int fillState(const std::string &file);
  int runSteps();
  /// The last step, once more.
  bool repeat();
  int writeOutputs();
  int bench();

  const Options &options;
  mmcc::Error error = {};
  mmcc::Model model;
  mmcc::Session session;
  mmcc::State state;
  uint64_t before_last = 0; // tokens of the state
  std::vector<mmcc::npz::Array> arrays;
  std::vector<mmcc::Tensor> inputs, outputs;
  Timings timings;
};

bool endsWith(const std::string &text, const std::string &end) {
  return text.size() > end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// The entry to run: with --state one whose name ends in .state, without it one
/// that is not such a form of another.
int Runner::chooseEntry(std::string &entry) {
  const std::string suffix = ".state";
  std::vector<std::string> entries = model.entries(), fitting;
  auto has = [&](const std::string &name) {
    return std::find(entries.begin(), entries.end(), name) != entries.end();
  };
  entry = options.entry;
  if (!entry.empty()) {
    if (options.state && has(entry + suffix))
      entry += suffix;
    return kDone;
  }
  for (const std::string &name : entries) {
    bool keeps = endsWith(name, suffix) &&
                 has(name.substr(0, name.size() - suffix.size()));
    if (keeps == options.state)
      fitting.push_back(name);
  }
  if (fitting.empty())
    return fail(kInput, options.file +
                            " has no entry that keeps state: no model in it "
                            "takes a past and gives it back longer");
  if (fitting.size() > 1) {
    std::string names;
    for (const std::string &name : fitting)
      names += " " + name;
    return fail(kUsage,
                options.file +
                    " has several entries; choose one with --entry:" + names);
  }
  entry = fitting.front();
  return kDone;
}

int Runner::load() {
  auto start = Clock::now();
  mmcc_model_options model_options = {};
  model_options.struct_bytes = sizeof(model_options);
  model_options.isa = options.isa.empty() ? nullptr : options.isa.c_str();
  model_options.device = options.device.c_str();
  model = mmcc::Model::load(options.file, error, &model_options);
  if (!model)
    return fail(error);
  mmcc_session_options session_options = {};
  session_options.struct_bytes = sizeof(session_options);
  session_options.threads = options.threads;
  std::string entry;
  if (int code = chooseEntry(entry))
    return code;
  session = model.session(error, entry, &session_options);
  if (!session)
    return fail(error);
  if (options.state != (session.stateCount() > 0))
    return fail(kUsage, "entry '" + entry +
                            (options.state ? "' keeps no state"
                                           : "' keeps state: give --state"));
  timings.load_ms = millisecondsSince(start);
  if (options.perf_map &&
      mmcc_model_write_perf_map(model.get(), &error) != MMCC_OK)
    return fail(error);
  return kDone;
}

int Runner::readInputs(const std::string &file) {
  arrays.clear();
  inputs.clear();
  if (std::string message = mmcc::npz::readNpz(file, arrays); !message.empty())
    return fail(kInput, message);
  for (size_t i = 0; i < session.inputCount(); ++i) {
    mmcc::ValueInfo info = session.input(i);
    auto array =
        std::find_if(arrays.begin(), arrays.end(), [&](const auto &array) {
          return array.name == info.name;
        });
    if (array == arrays.end() && info.optional) {
      inputs.push_back({}); // left out
      continue;
    }
    if (array == arrays.end())
      return fail(kInput, file + ": no array for input '" + info.name + "'");
    mmcc::Tensor tensor = {};
    if (std::string message = tensorFromArray(info, *array, tensor);
        !message.empty())
      return fail(kInput, file + ": " + message);
    inputs.push_back(tensor);
  }
  return kDone;
}

/// The state's batch, where an input has the same size; 0 where the entry knows
/// it by itself.
uint32_t Runner::batchOfInputs() const {
  mmcc::ValueInfo kept = session.stateInfo(0);
  if (kept.dims[0] >= 0)
    return 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    mmcc::ValueInfo info = session.input(i);
    for (uint32_t d = 0; d < inputs[i].rank; ++d)
      if (std::string(info.dim_text[d]) == kept.dim_text[0])
        return uint32_t(inputs[i].dims[d]);
  }
  return 0;
}

/// What the first file has under the states' names is their past.
int Runner::fillState(const std::string &file) {
  state = session.state(error, options.capacity, batchOfInputs());
  if (!state)
    return fail(error);
  std::vector<mmcc::Tensor> past;
  for (size_t i = 0; i < session.stateCount(); ++i) {
    mmcc::ValueInfo info = session.stateInfo(i);
    auto array =
        std::find_if(arrays.begin(), arrays.end(), [&](const auto &array) {
          return array.name == info.name;
        });
    if (array == arrays.end())
      continue;
    info.dtype = MMCC_F32; // whatever the state makes of it
    mmcc::Tensor tensor = {};
    if (std::string message = tensorFromArray(info, *array, tensor);
        !message.empty())
      return fail(kInput, file + ": " + message);
    past.push_back(tensor);
  }
  if (past.empty())
    return kDone;
  if (past.size() < session.stateCount())
    return fail(kInput, file + " has a past for some states, but not for all");
  return state.fill(past, error) ? kDone : fail(error);
}

int Runner::runSteps() {
  for (size_t step = 0; step < options.inputs.size(); ++step) {
    const std::string &file = options.inputs[step];
    if (int code = readInputs(file))
      return code;
    if (options.state && step == 0)
      if (int code = fillState(file))
        return code;
    before_last = state ? state.length() : 0;
    outputs.clear(); // their sizes may be others
    auto start = Clock::now();
    if (!repeat())
      return fail(error);
    if (step == 0)
      timings.first_ms = millisecondsSince(start);
  }
  return kDone;
}

bool Runner::repeat() {
  if (!state)
    return session.run(inputs, outputs, error);
  return state.truncate(before_last, error) &&
         session.run(state, inputs, outputs, error);
}

int Runner::writeOutputs() {
  std::vector<mmcc::npz::Array> results(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i)
    if (std::string message =
            arrayFromTensor(session.output(i), outputs[i], results[i]);
        !message.empty())
      return fail(kInput, message);
  if (std::string message = mmcc::npz::writeNpz(options.outputs, results);
      !message.empty())
    return fail(kEnvironment, message);
  return kDone;
}

int Runner::bench() {
  auto end =
      Clock::now() + std::chrono::duration<double>(options.bench_seconds);
  // The first runs after the very first still fill caches.
  for (int i = 0; i < 2; ++i)
    if (!repeat())
      return fail(error);
  do {
    auto start = Clock::now();
    if (!repeat())
      return fail(error);
    timings.runs_ms.push_back(millisecondsSince(start));
  } while (Clock::now() < end);
  std::string text = jsonText(model, session, state, timings);
  if (options.json.empty())
    std::fputs(text.c_str(), stdout);
  else if (!writeText(options.json, text))
    return fail(kEnvironment, "cannot write " + options.json);
  return kDone;
}

int Runner::run() {
  if (int code = load())
    return code;
  if (int code = runSteps())
    return code;
  if (options.bench_seconds > 0)
    if (int code = bench())
      return code;
  // After --bench they are the last run's: on a GPU what a graph gave.
  if (!options.outputs.empty())
    if (int code = writeOutputs())
      return code;
  if (!options.trace.empty()) {
    mmcc_session_set_timeline(session.get(), 1);
    if (!repeat())
      return fail(error);
    if (!writeText(options.trace, mmcc::traceOf(session)))
      return fail(kEnvironment, "cannot write " + options.trace);
    mmcc_session_set_timeline(session.get(), 0);
  }
  if (options.profile) {
    mmcc_session_set_profiling(session.get(), 1);
    for (int i = 0; i < 20; ++i)
      if (!repeat())
        return fail(error);
    printProfile(session, mmcc_model_library(model.get()));
  }
  return kDone;
}

/// cpu, cuda or cuda:N.
bool isDevice(const std::string &name) {
  if (name == "cpu" || name == "cuda")
    return true;
  const std::string prefix = "cuda:";
  return name.compare(0, prefix.size(), prefix) == 0 &&
         name.size() > prefix.size() && name.size() <= prefix.size() + 3 &&
         name.find_first_not_of("0123456789", prefix.size()) ==
             std::string::npos;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  CLI::App app{"Runs or times a compiled model."};
  app.add_option("FILE", options.file, "the artifact (.mmcc)")->required();
  app.add_option("--inputs", options.inputs,
                 "npz with an array for each input of the model, but for\n"
                 "optional ones that are left out; with --state one a step")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--outputs", options.outputs,
                 "npz to write; with --bench the last run's");
  app.add_option("--entry", options.entry, "entry point, if there are several");
  app.add_option("--device", options.device, "cpu (default) or cuda[:N]");
  app.add_option("--threads", options.threads, "default: one per processor")
      ->check(CLI::Range(1u, 1024u));
  app.add_option("--isa", options.isa, "use this CPU level, not the best one")
      ->check(CLI::IsMember({"x86-64-v3", "x86-64-v3-avxvnni", "x86-64-v4",
                             "x86-64-v4-vnni-bf16", "x86-64-v4-amx"}));
  app.add_flag(
      "--state", options.state,
      "keep past keys and values from --inputs to --inputs; the first\n"
      "may have a past under the export's names. --outputs gets the\n"
      "last step's, --bench repeats it");
  app.add_option("--capacity", options.capacity,
                 "tokens that the state may hold; default: any number");
  app.add_option("--bench", options.bench_seconds,
                 "run again and again for so many seconds")
      ->check(CLI::PositiveNumber);
  app.add_option("--json", options.json, "where --bench writes its figures");
  app.add_flag("--profile", options.profile, "print the time of each kernel");
  app.add_option("--trace", options.trace,
                 "where to write one run, thread by thread, for Perfetto");
  app.add_flag("--perf-map", options.perf_map,
               "name the kernels for `perf report`");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error);
    return fail(kUsage, error.what());
  }
  if (!options.json.empty() && options.bench_seconds <= 0)
    return fail(kUsage, "--json goes with --bench");
  if (options.outputs.empty() && options.bench_seconds <= 0 &&
      !options.profile && options.trace.empty())
    return fail(kUsage,
                "nothing to do: give --outputs, --bench, --profile or --trace");
  if (!isDevice(options.device))
    return fail(kUsage, "'" + options.device + "' is no device");
  if (options.device != "cpu" && (!options.isa.empty() || options.perf_map))
    return fail(kUsage, "--isa and --perf-map are about CPUs");
  if (!options.state && (options.inputs.size() > 1 || options.capacity > 0))
    return fail(kUsage, "several --inputs and --capacity go with --state");
  return Runner(options).run();
}
