//===- case_runner.cpp - Compiles, runs and judges a folder of cases ------===//
//
//     case_runner FOLDER [--only NAME] [--isa LEVEL] [-O0] [--jobs N]
//
// FOLDER is laid out as conformance/generate.py says. Each case is compiled and
// run in a child process, so that a crash is a result like the others, and
// prints one line:
//
//     pass|wrong|refused|crashed <name> <operators> <reason>
//
//===----------------------------------------------------------------------===//

#include "compiler/calibrate/Execution.h"
#include "compiler/pipeline/Compilation.h"
#include "compiler/pipeline/Target.h"
#include "tools/mmcc/Comparison.h"
#include "tools/npz/Npz.h"
#include "tools/npz/TensorArrays.h"
#include "llvm/ADT/StringRef.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace mmcc;

namespace {

struct Case {
  std::string name;
  int sets = 0;
  Tolerance tolerance;
  std::string operators;
};

struct Settings {
  std::string folder, only, isa;
  bool optimize = true;
  int jobs = 2;
};

/// Of one case, a child included: generous, since a hang is a failure.
constexpr unsigned kSeconds = 120;
constexpr rlim_t kMemoryBytes = rlim_t(12) << 30;

enum Verdict { pass, wrong, refused, crashed };
constexpr const char *kVerdicts[] = {"pass", "wrong", "refused", "crashed"};

struct Outcome {
  Verdict verdict;
  std::string reason;
};

} // namespace

/// ONNX's reference rounds to the tensors' type after each step. Its tolerance
/// of 1e-3 is above half the spacing of float16 but far below that of bfloat16:
/// there an element may be off by one spacing (2^-7 of it), or by half of one
/// at 1, the size of what these tests add up.
static Tolerance toleranceFor(mmcc_dtype dtype, const Case &test) {
  if (dtype != MMCC_BF16)
    return test.tolerance;
  return {std::max(test.tolerance.relative, 0x1p-7),
          std::max(test.tolerance.absolute, 0x1p-8), std::nullopt};
}

static Outcome judgeSet(const Case &test, int set, const Settings &settings,
                        const std::string &artifact) {
  std::string stem =
      settings.folder + "/" + test.name + "." + std::to_string(set);
  std::vector<npz::Array> inputs, outputs;
  for (auto [suffix, arrays] :
       {std::pair(".in.npz", &inputs), std::pair(".out.npz", &outputs)})
    if (std::string message = npz::readNpz(stem + suffix, *arrays);
        !message.empty())
      return {crashed, message};
  Execution execution;
  if (std::string message = execute(artifact, "", inputs, execution);
      !message.empty())
    return {wrong, message};
  for (size_t i = 0; i < execution.names.size(); ++i) {
    const std::string &name = execution.names[i];
    auto expected = std::find_if(
        outputs.begin(), outputs.end(),
        [&](const npz::Array &array) { return array.name == name; });
    if (expected == outputs.end())
      return {wrong, "output '" + name + "' has no expected value"};
    Tensor tensor = {};
    if (std::string message =
            tensorFromArray(execution.session.output(i), *expected, tensor);
        !message.empty())
      return {wrong, message};
    Comparison comparison =
        compare(execution.outputs[i], tensor, toleranceFor(tensor.dtype, test));
    if (!comparison.equal)
      return {wrong, "output '" + name + "': " + comparison.detail};
  }
  return {pass, ""};
}

static Outcome judge(const Case &test, const Settings &settings) {
  CompileOptions options;
  options.inputs = {settings.folder + "/" + test.name + ".onnx"};
  options.output = settings.folder + "/." + std::to_string(getpid()) + ".mmcc";
  options.targets = {"cpu:" + settings.isa};
  options.optimize = settings.optimize;
  std::string text;
  llvm::raw_string_ostream messages(text);
  ExitCode code = compile(options, llvm::nulls(), messages);
  if (code == ExitCode::input)
    return {refused, text};
  if (code != ExitCode::done)
    return {crashed, text};
  Outcome outcome{pass, ""};
  for (int set = 0; set < test.sets && outcome.verdict == pass; ++set)
    outcome = judgeSet(test, set, settings, options.output);
  std::remove(options.output.c_str());
  return outcome;
}

static void print(const Case &test, const Outcome &outcome) {
  std::string reason = outcome.reason;
  while (!reason.empty() && reason.back() == '\n')
    reason.pop_back();
  std::replace(reason.begin(), reason.end(), '\n', '|');
  std::printf("%s %s %s %s\n", kVerdicts[outcome.verdict], test.name.c_str(),
              test.operators.c_str(), reason.c_str());
  std::fflush(stdout);
}

/// In the child: the verdict is the exit status, the line is printed.
[[noreturn]] static void runChild(const Case &test, const Settings &settings) {
  alarm(kSeconds);
  rlimit limit = {kMemoryBytes, kMemoryBytes};
  setrlimit(RLIMIT_AS, &limit);
  Outcome outcome = judge(test, settings);
  print(test, outcome);
  _exit(outcome.verdict);
}

static std::vector<Case> readCases(const Settings &settings) {
  std::vector<Case> cases;
  std::ifstream manifest(settings.folder + "/cases.txt");
  for (std::string line; std::getline(manifest, line);) {
    if (line.empty() || line[0] == '#')
      continue;
    Case test;
    std::istringstream(line) >> test.name >> test.sets >>
        test.tolerance.relative >> test.tolerance.absolute >> test.operators;
    if (llvm::StringRef(test.name).contains(settings.only))
      cases.push_back(std::move(test));
  }
  return cases;
}

static int usage() {
  std::fputs("case_runner FOLDER [--only NAME] [--isa LEVEL] [-O0] "
             "[--jobs N]\n",
             stderr);
  return 2;
}

int main(int argc, char **argv) {
  Settings settings;
  settings.isa = getHostLevel().str();
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef argument = argv[i];
    bool hasValue = i + 1 < argc;
    if (argument == "-O0")
      settings.optimize = false;
    else if (argument == "--only" && hasValue)
      settings.only = argv[++i];
    else if (argument == "--isa" && hasValue)
      settings.isa = argv[++i];
    else if (argument == "--jobs" && hasValue)
      settings.jobs = std::atoi(argv[++i]);
    else if (!argument.starts_with("-") && settings.folder.empty())
      settings.folder = argument.str();
    else
      return usage();
  }
  if (settings.folder.empty() || settings.jobs < 1)
    return usage();

  std::vector<Case> cases = readCases(settings);
  if (cases.empty()) {
    std::fprintf(stderr, "no cases in %s: run generate.py first\n",
                 settings.folder.c_str());
    return 1;
  }
  std::map<pid_t, const Case *> running;
  auto finishOne = [&] {
    int status = 0;
    pid_t child = wait(&status);
    const Case *test = running[child];
    running.erase(child);
    if (WIFSIGNALED(status))
      print(*test,
            {crashed, std::string("signal ") + strsignal(WTERMSIG(status))});
    else if (WEXITSTATUS(status) > crashed)
      print(*test, {crashed, "exit " + std::to_string(WEXITSTATUS(status))});
  };
  for (const Case &test : cases) {
    if (running.size() == size_t(settings.jobs))
      finishOne();
    pid_t child = fork();
    if (child == 0)
      runChild(test, settings);
    if (child < 0) {
      std::perror("fork");
      return 4;
    }
    running[child] = &test;
  }
  while (!running.empty())
    finishOne();
  return 0;
}
