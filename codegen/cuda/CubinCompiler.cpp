#include "codegen/cuda/CubinCompiler.h"

#include "codegen/cuda/kernels/Headers.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

#include <atomic>
#include <cstdlib>
#include <thread>

using namespace llvm;

namespace mmcc::cuda {

static Error failure(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

static std::string joined(StringRef folder, const Twine &name) {
  SmallString<128> path(folder);
  sys::path::append(path, name);
  return path.str().str();
}

static std::string environment(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

static Expected<std::string> readFile(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return failure(path + ": " + buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

static Error writeFile(StringRef path, StringRef text) {
  std::error_code error;
  raw_fd_ostream out(path, error);
  if (error)
    return failure(path + ": " + error.message());
  out << text;
  out.close();
  if (out.has_error()) {
    error = out.error();
    out.clear_error();
    return failure(path + ": " + error.message());
  }
  return Error::success();
}

/// Runs a program; what it prints goes to `log`.
static int run(ArrayRef<std::string> command, StringRef log,
               std::string &error) {
  SmallVector<StringRef> arguments(command.begin(), command.end());
  std::optional<StringRef> redirects[] = {StringRef(""), log, log};
  return sys::ExecuteAndWait(command[0], arguments, std::nullopt, redirects, 0,
                             0, &error);
}

static std::string findNvcc() {
  if (std::string named = environment("MMCC_NVCC"); !named.empty())
    return named;
  if (ErrorOr<std::string> found = sys::findProgramByName("nvcc"))
    return *found;
  std::string usual = "/usr/local/cuda/bin/nvcc";
  return sys::fs::can_execute(usual) ? usual : "";
}

static std::string findCache() {
  std::string folder = environment("MMCC_CACHE");
  if (folder == "off")
    return "";
  if (folder.empty()) {
    if (std::string home = environment("XDG_CACHE_HOME"); !home.empty())
      folder = joined(home, "mmcc");
    else if (std::string home = environment("HOME"); !home.empty())
      folder = joined(home, ".cache/mmcc");
  }
  if (folder.empty() || sys::fs::create_directories(folder))
    return "";
  return folder;
}

Expected<CubinCompiler> CubinCompiler::find(StringRef architecture) {
  CubinCompiler compiler;
  compiler.architecture = architecture.str();
  compiler.nvcc = findNvcc();
  if (compiler.nvcc.empty())
    return failure("code for GPUs is made by nvcc of CUDA 13, which is neither "
                   "in PATH nor in /usr/local/cuda; MMCC_NVCC names another");
  SmallString<128> log;
  if (std::error_code error =
          sys::fs::createTemporaryFile("mmcc-nvcc", "txt", log))
    return failure("cannot make a temporary file: " + error.message());
  auto removed = make_scope_exit([&] { sys::fs::remove(log); });
  std::string problem;
  int status = run({compiler.nvcc, "--version"}, log, problem);
  Expected<std::string> text = readFile(log);
  if (!text)
    return text.takeError();
  if (status != 0)
    return failure(compiler.nvcc +
                   " --version fails: " + (problem.empty() ? *text : problem));
  compiler.version = *text;
  compiler.cache = findCache();
  return compiler;
}

static std::string extensionOf(Output output) {
  return output == Output::ptx ? "ptx" : "cubin";
}

std::string CubinCompiler::cachedPath(const std::string &source,
                                      Output output) const {
  if (cache.empty())
    return "";
  std::string key = version + '\0' + architecture + '\0';
  for (const Header &header : kernelHeaders())
    key += std::string(header.text) + '\0';
  key += source;
  XXH128_hash_t hash = xxh3_128bits(arrayRefFromStringRef(key));
  return joined(cache, utohexstr(hash.high64, true, 16) +
                           utohexstr(hash.low64, true, 16) + "." +
                           extensionOf(output));
}

Expected<std::string> CubinCompiler::compileOne(const std::string &source,
                                                Output output,
                                                const std::string &folder,
                                                size_t number) const {
  const std::string cached = cachedPath(source, output);
  if (!cached.empty() && sys::fs::exists(cached)) {
    Expected<std::string> code = readFile(cached);
    if (code)
      return code;
    consumeError(code.takeError());
  }
  const std::string name = joined(folder, "kernel" + Twine(number));
  if (Error error = writeFile(name + ".cu", source))
    return error;
  const std::string code = name + "." + extensionOf(output);
  std::string problem;
  int status =
      run({nvcc, "-" + extensionOf(output), "-arch=" + architecture,
           "-std=c++17", "-O3", "-I", folder, "-o", code, name + ".cu"},
          name + ".log", problem);
  if (status != 0) {
    Expected<std::string> said = readFile(name + ".log");
    if (!said)
      return said.takeError();
    return failure("nvcc for " + architecture +
                   " fails: " + (problem.empty() ? *said : problem));
  }
  Expected<std::string> made = readFile(code);
  if (!made || cached.empty())
    return made;
  // Whole, or not at all: another mmcc may look at the same time.
  SmallString<128> part;
  if (!sys::fs::createUniqueFile(cached + ".%%%%%%", part)) {
    Error written = writeFile(part, *made);
    if (written || sys::fs::rename(part, cached))
      sys::fs::remove(part);
    consumeError(std::move(written));
  }
  return made;
}

Expected<std::vector<std::string>>
CubinCompiler::compile(ArrayRef<std::string> sources, Output output,
                       unsigned threads) const {
  SmallString<128> folder;
  if (std::error_code error =
          sys::fs::createUniqueDirectory("mmcc-cuda", folder))
    return failure("cannot make a temporary folder: " + error.message());
  auto removed = make_scope_exit([&] { sys::fs::remove_directories(folder); });
  for (const Header &header : kernelHeaders())
    if (Error error = writeFile(joined(folder, header.name), header.text))
      return error;
  std::vector<std::string> codes(sources.size()), errors(sources.size());
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i = next++; i < sources.size(); i = next++) {
      Expected<std::string> code =
          compileOne(sources[i], output, folder.str().str(), i);
      if (code)
        codes[i] = std::move(*code);
      else
        errors[i] = toString(code.takeError());
    }
  };
  std::vector<std::thread> helpers;
  for (unsigned i = 1; i < std::min<size_t>(threads, sources.size()); ++i)
    helpers.emplace_back(work);
  work();
  for (std::thread &helper : helpers)
    helper.join();
  for (const std::string &error : errors)
    if (!error.empty())
      return failure(error);
  return codes;
}

} // namespace mmcc::cuda
