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
#include <thread>

using namespace mmcc;
namespace json = llvm::json;

namespace {

constexpr unsigned kLoadThreads = 2;
/// Half a second in all.
constexpr RoofEffort kRoofEffort = {6, 0.03, size_t(64) << 20};

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
    int64_t value = symbol.lo();
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
llvm::StringSet<> findAlternatives(const schema::Variant &variant,
                                   const runtime::Artifact &file) {
  llvm::StringSet<> names;
  for (uint32_t i = 0; i < runtime::lengthOf(variant.entries()); ++i) {
    const schema::Entry &entry = *file.entry(i);
    for (uint32_t k = 0; k < runtime::lengthOf(entry.absences()); ++k)
      names.insert(entry.absences()->Get(k)->entry()->str());
  }
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
    facts["attention"] = json::Array(input.attention);
    facts["machine"] = describeMachine();
    facts["entries"] = describeEntries();
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
    unsigned threads = std::max(1u, std::thread::hardware_concurrency());
    MachineRoof roof = measureRoof(int(threads), kRoofEffort);
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
    if (!model || !chosen.ok()) {
      entries.push_back(json::Object{
          {"name", json::fixUTF8(file.name())},
          {"message", json::fixUTF8(model ? chosen.message()
                                          : std::string(error.message))}});
      return entries;
    }
    llvm::StringSet<> alternatives = findAlternatives(file.variant(), file);
    for (const std::string &name : model.entries())
      if (!alternatives.contains(name))
        entries.push_back(describeEntry(model, name));
    return entries;
  }

  json::Object describeEntry(const Model &model, const std::string &name) {
    json::Object facts;
    RunInputs inputs;
    Error error = {};
    Session session = model.session(error, name);
    std::string message =
        session ? makeInputs(session, input.sample ? &*input.sample : nullptr,
                             input.sampleName, inputs)
                : std::string(error.message);
    const schema::Entry *entry = file.findEntry(name);
    if (entry)
      facts = mmcc::describeEntry(file.variant(), *entry,
                                  symbolsOf(*entry, inputs));
    json::Array sizes;
    for (uint32_t i = 0; entry && i < runtime::lengthOf(entry->symbols()); ++i)
      sizes.push_back(json::Object{
          {"name", json::fixUTF8(entry->symbols()->Get(i)->name()->str())},
          {"value", symbolsOf(*entry, inputs)[i]}});
    facts["sizes"] = std::move(sizes);
    facts["name"] = json::fixUTF8(name);
    facts["isa"] = json::fixUTF8(mmcc_model_isa(model.get()));
    if (message.empty())
      for (auto &[key, value] : measure(session, inputs))
        facts[key] = std::move(value);
    else
      facts["message"] = json::fixUTF8(message);
    return facts;
  }

  const ReportInput &input;
  runtime::Artifact file;
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
