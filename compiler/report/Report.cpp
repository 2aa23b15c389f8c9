//===- Report.cpp - One page of what was compiled -------------------------===//

#include "compiler/report/Report.h"
#include "compiler/report/MachineRoof.h"
#include "compiler/report/Measurement.h"
#include "compiler/report/Page.h"
#include "compiler/report/Patches.h"
#include "compiler/report/ProgramFacts.h"
#include "runtime/core/Expression.h"
#include "runtime/loader/Artifact.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include <fstream>
#include <map>
#include <thread>

using namespace mmcc;
namespace json = llvm::json;

namespace {

constexpr unsigned kLoadThreads = 2;
/// A third of a second in all, and a gigabyte at most.
RoofEffort roofEffort(unsigned threads) {
  size_t bytes = std::clamp((size_t(1) << 30) / threads, size_t(8) << 20,
                            size_t(64) << 20);
  return {4, 0.03, bytes / (size_t(2) << 20) * (size_t(2) << 20)};
}

/// The processor's name, as the system gives it.
std::string processorName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0)
      if (size_t colon = line.find(": "); colon != std::string::npos)
        return line.substr(colon + 2);
  return "an unnamed processor";
}

/// What each symbol of an entry is in a call with these inputs.
std::vector<int64_t> symbolsOf(const schema::Entry &entry,
                               const RunInputs &inputs) {
  std::vector<int64_t> values;
  for (uint32_t i = 0; i < runtime::lengthOf(entry.symbols()); ++i) {
    const schema::Symbol &symbol = *entry.symbols()->Get(i);
    int64_t value =
        symbol.hi() >= 0 ? symbol.hi() : std::max<int64_t>(symbol.lo(), 1);
    if (symbol.origin() == schema::SymbolOrigin::input_dim &&
        size_t(symbol.input()) < inputs.tensors.size() &&
        uint32_t(symbol.dim()) < inputs.tensors[symbol.input()].rank)
      value =
          (inputs.tensors[symbol.input()].dims[symbol.dim()] - symbol.bias()) /
          std::max<int64_t>(symbol.scale(), 1);
    values.push_back(value);
  }
  return values;
}

/// Entries that stand in where inputs are left out.
llvm::StringSet<>
findAlternatives(const std::vector<const schema::Entry *> &entries) {
  llvm::StringSet<> names;
  for (const schema::Entry *entry : entries)
    for (uint32_t k = 0; k < runtime::lengthOf(entry->absences()); ++k)
      names.insert(entry->absences()->Get(k)->entry()->str());
  return names;
}

class Reporter {
public:
  explicit Reporter(const ReportInput &input) : input(input) {}

  std::string run(json::Object &facts) {
    runtime::Status status = file.open(input.artifact.c_str(), kLoadThreads);
    if (!status.ok())
      return status.message();
    facts["model"] =
        describeProgram(file.program(), file.name(), file.fileBytes());
    json::Array stages;
    for (const StageCost &cost : input.stages)
      stages.push_back(json::Object{{"stage", cost.stage},
                                    {"seconds", cost.seconds},
                                    {"peak_mb", cost.peakMegabytes}});
    facts["stages"] = std::move(stages);
    facts["entries"] = describeEntries();
    facts["machine"] = describeMachine();
    json::Array attention;
    for (const AttentionFacts &each : input.attention)
      attention.push_back(describeAttention(each, sizes[each.entry]));
    facts["attention"] = std::move(attention);
    std::string reason;
    if (!input.mapArtifact.empty() && input.sample) {
      if (auto patches = drawPatches(input.mapArtifact, *input.sample, reason))
        facts["patches"] = std::move(*patches);
    } else if (!input.mapArtifact.empty()) {
      reason = "--calibrate=DIR with an image shows which patches merged";
    }
    facts["patches_reason"] = json::fixUTF8(reason);
    return "";
  }

private:
  json::Object describeMachine() {
    MachineRoof roof = measureRoof(int(threads), roofEffort(threads));
    return json::Object{
        {"name", json::fixUTF8(processorName())},
        {"threads", int64_t(threads)},
        {"gflops", std::max(roof.avx2GigaFlops, roof.avx512GigaFlops)},
        {"read_gb_per_s", roof.readGigaBytes}};
  }

  json::Array describeEntries() {
    json::Array entries;
    Error error = {};
    Model model = Model::load(input.artifact, error);
    runtime::Status chosen = file.chooseVariant("");
    // What this machine cannot run can still be looked at.
    const schema::Variant &variant =
        chosen.ok() ? file.variant() : *file.program().variants()->Get(0);
    std::vector<const schema::Entry *> all;
    for (uint32_t i = 0; i < runtime::lengthOf(variant.entries()); ++i)
      all.push_back(file.program().entries()->Get(variant.entries()->Get(i)));
    llvm::StringSet<> alternatives = findAlternatives(all);
    for (const schema::Entry *entry : all) {
      // The form with state does what its plain one does.
      if (alternatives.contains(entry->name()->str()) || entry->plain())
        continue;
      if (model && chosen.ok())
        entries.push_back(runEntry(model, variant, *entry));
      else
        entries.push_back(describeEntry(variant, *entry, RunInputs(),
                                        model ? chosen.message()
                                              : std::string(error.message)));
    }
    return entries;
  }

  json::Object runEntry(const Model &model, const schema::Variant &variant,
                        const schema::Entry &entry) {
    RunInputs inputs;
    Error error = {};
    Session session = model.session(error, entry.name()->str());
    std::string message =
        session ? makeInputs(session, input.sample ? &*input.sample : nullptr,
                             input.sampleName, inputs)
                : std::string(error.message);
    json::Object facts = describeEntry(variant, entry, inputs, message);
    facts["isa"] = json::fixUTF8(mmcc_model_isa(model.get()));
    if (message.empty()) {
      threads = mmcc_session_threads(session.get());
      for (auto &[key, value] : measure(session, inputs))
        facts[key] = std::move(value);
    }
    return facts;
  }

  /// What is known without a run; `message` says why there is none.
  json::Object describeEntry(const schema::Variant &variant,
                             const schema::Entry &entry,
                             const RunInputs &inputs,
                             const std::string &message) {
    std::vector<int64_t> symbols = symbolsOf(entry, inputs);
    json::Object facts = mmcc::describeEntry(variant, entry, symbols);
    std::string name = entry.name()->str();
    json::Array list;
    for (uint32_t i = 0; i < symbols.size(); ++i) {
      std::string symbol = entry.symbols()->Get(i)->name()->str();
      sizes[name][symbol] = symbols[i];
      list.push_back(
          json::Object{{"name", json::fixUTF8(symbol)}, {"value", symbols[i]}});
    }
    facts["sizes"] = std::move(list);
    facts["name"] = json::fixUTF8(name);
    if (!message.empty())
      facts["message"] = json::fixUTF8(message);
    return facts;
  }

  const ReportInput &input;
  runtime::Artifact file;
  /// Of the sessions that ran; the machine's limits are for as many.
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  /// Values of symbols by entry.
  std::map<std::string, std::map<std::string, int64_t>> sizes;
};

} // namespace

/// The page beside `path`, then in its place. What is no regular file stays.
static std::string writeWhole(const std::string &facts,
                              const std::string &path) {
  namespace fs = llvm::sys::fs;
  if (fs::exists(path) && !fs::is_regular_file(path))
    return "is no regular file";
  auto file =
      fs::TempFile::create(path + ".%%%%%%", fs::all_read | fs::owner_write);
  if (!file)
    return llvm::toString(file.takeError());
  llvm::raw_fd_ostream os(file->FD, /*shouldClose=*/false);
  writePage(facts, os);
  os.flush();
  if (std::error_code failure = os.error()) {
    os.clear_error();
    llvm::consumeError(file->discard());
    return failure.message();
  }
  llvm::Error failure = file->keep(path);
  return failure ? llvm::toString(std::move(failure)) : "";
}

std::string mmcc::writeReport(const ReportInput &input,
                              const std::string &path) {
  json::Object facts;
  std::string message = Reporter(input).run(facts);
  if (!message.empty())
    return message;
  std::string text;
  llvm::raw_string_ostream(text) << json::Value(std::move(facts));
  return writeWhole(text, path);
}
