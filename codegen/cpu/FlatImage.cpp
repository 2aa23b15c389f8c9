#include "codegen/cpu/FlatImage.h"

#include "lld/Common/CommonLinkerContext.h"
#include "lld/Common/Driver.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Demangle/Demangle.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <tuple>

LLD_HAS_DRIVER(elf)

namespace mmcc::cpu {

using ElfFile = llvm::object::ELF64LEFile;

/// Runs LLD, which keeps its state in global variables.
static bool runLinker(llvm::ArrayRef<const char *> args, std::string &error) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  llvm::raw_string_ostream messages(error);
  bool done = lld::elf::link(args, llvm::nulls(), messages,
                             /*exitEarly=*/false, /*disableOutput=*/false);
  lld::CommonLinkerContext::destroy();
  messages.flush();
  return done;
}

/// What would need a loader; null when there is nothing of the kind.
static const char *whatNeedsLoader(const ElfFile &elf,
                                   llvm::ArrayRef<ElfFile::Elf_Phdr> headers,
                                   llvm::ArrayRef<ElfFile::Elf_Shdr> sections) {
  for (const ElfFile::Elf_Phdr &header : headers) {
    if (header.p_type == llvm::ELF::PT_TLS)
      return "thread-local data";
    if (header.p_type != llvm::ELF::PT_LOAD)
      continue;
    if (header.p_flags & llvm::ELF::PF_W)
      return "writable data";
    if (header.p_memsz != header.p_filesz)
      return "uninitialised data";
  }
  for (const ElfFile::Elf_Shdr &section : sections)
    if ((section.sh_type == llvm::ELF::SHT_REL ||
         section.sh_type == llvm::ELF::SHT_RELA ||
         section.sh_type == llvm::ELF::SHT_RELR) &&
        section.sh_size > 0)
      return "relocations";
  return nullptr;
}

/// A C++ function's name without its types, for people.
static std::string readable(llvm::StringRef symbol) {
  llvm::ItaniumPartialDemangler demangler;
  // The demangler goes on reading what it was given.
  std::string mangled = symbol.str();
  if (demangler.partialDemangle(mangled.c_str()) || !demangler.isFunction())
    return mangled;
  std::unique_ptr<char, decltype(&std::free)> name(
      demangler.getFunctionName(nullptr, nullptr), std::free);
  return name ? name.get() : mangled;
}

static llvm::Expected<CodeImage> flatten(llvm::StringRef file,
                                         llvm::ArrayRef<std::string> symbols) {
  auto fail = [](const llvm::Twine &message) {
    return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
  };
  llvm::Expected<ElfFile> elf = ElfFile::create(file);
  if (!elf)
    return elf.takeError();
  auto headers = elf->program_headers();
  if (!headers)
    return headers.takeError();
  auto sections = elf->sections();
  if (!sections)
    return sections.takeError();
  if (const char *reason = whatNeedsLoader(*elf, *headers, *sections))
    return fail(llvm::Twine("the linked code has ") + reason);

  CodeImage image;
  for (const ElfFile::Elf_Phdr &header : *headers) {
    if (header.p_type != llvm::ELF::PT_LOAD)
      continue;
    uint64_t end = header.p_vaddr + header.p_filesz;
    if (end > (uint64_t(1) << 31) || header.p_offset > file.size() ||
        header.p_filesz > file.size() - header.p_offset)
      return fail("a segment of the linked code is out of bounds");
    if (image.bytes.size() < end)
      image.bytes.resize(end);
    std::copy_n(file.data() + header.p_offset, header.p_filesz,
                image.bytes.begin() + header.p_vaddr);
  }

  llvm::StringMap<uint64_t> addresses;
  std::vector<CodeSymbol> &functions = image.functions;
  for (const ElfFile::Elf_Shdr &section : *sections) {
    if (section.sh_type != llvm::ELF::SHT_SYMTAB)
      continue;
    auto table = elf->symbols(&section);
    auto names = elf->getStringTableForSymtab(section);
    if (!table)
      return table.takeError();
    if (!names)
      return names.takeError();
    for (const ElfFile::Elf_Sym &symbol : *table) {
      auto name = symbol.getName(*names);
      if (!name)
        return name.takeError();
      if (!symbol.isDefined() || symbol.getType() != llvm::ELF::STT_FUNC)
        continue;
      if (symbol.getBinding() == llvm::ELF::STB_GLOBAL)
        addresses[*name] = symbol.st_value;
      else if (symbol.st_value < image.bytes.size())
        functions.push_back({readable(*name), symbol.st_value});
    }
  }
  llvm::sort(functions, [](const CodeSymbol &a, const CodeSymbol &b) {
    return std::tie(a.offset, a.name) < std::tie(b.offset, b.name);
  });
  for (const std::string &name : symbols) {
    auto found = addresses.find(name);
    if (found == addresses.end() || found->second >= image.bytes.size())
      return fail("the linked code lacks '" + name + "'");
    image.kernels.push_back({name, found->second});
  }
  return image;
}

static bool writeFile(const std::string &path, llvm::StringRef content,
                      std::string &error) {
  std::error_code code;
  llvm::raw_fd_ostream stream(path, code);
  if (!code) {
    stream << content;
    stream.close();
    code = stream.error();
    stream.clear_error();
  }
  if (code)
    error = "cannot write " + path + ": " + code.message();
  return !code;
}

std::optional<CodeImage> linkImage(llvm::ArrayRef<llvm::StringRef> objects,
                                   llvm::ArrayRef<std::string> symbols,
                                   std::string &error) {
  // LLD reads and writes files.
  llvm::SmallString<128> folder;
  if (std::error_code code =
          llvm::sys::fs::createUniqueDirectory("mmcc-link", folder)) {
    error = "cannot make a temporary folder: " + code.message();
    return std::nullopt;
  }
  auto cleanup =
      llvm::make_scope_exit([&] { llvm::sys::fs::remove_directories(folder); });
  auto pathOf = [&](const llvm::Twine &name) {
    llvm::SmallString<128> path = folder;
    llvm::sys::path::append(path, name);
    return path.str().str();
  };
  std::vector<std::string> paths;
  for (llvm::StringRef object : objects) {
    paths.push_back(pathOf(llvm::Twine(paths.size()) + ".o"));
    if (!writeFile(paths.back(), object, error))
      return std::nullopt;
  }
  // Everything but the kernels is local, so that what they do not reach goes.
  std::string versions = "{ global:\n";
  for (const std::string &symbol : symbols)
    versions += "\"" + symbol + "\";\n";
  versions += "local: *; };\n";
  std::string versionPath = pathOf("versions");
  if (!writeFile(versionPath, versions, error))
    return std::nullopt;
  std::string output = pathOf("image.so");
  std::vector<const char *> args = {"ld.lld",
                                    "-shared",
                                    "--no-undefined",
                                    "-Bsymbolic",
                                    "--no-rosegment",
                                    "-z",
                                    "noseparate-code",
                                    "-z",
                                    "max-page-size=4096",
                                    "-z",
                                    "rodynamic",
                                    "-z",
                                    "norelro",
                                    "--build-id=none",
                                    "--hash-style=gnu",
                                    "--threads=1",
                                    "--gc-sections",
                                    "-o",
                                    output.c_str()};
  std::string versionArg = "--version-script=" + versionPath;
  args.push_back(versionArg.c_str());
  for (const std::string &path : paths)
    args.push_back(path.c_str());
  if (!runLinker(args, error))
    return std::nullopt;
  auto buffer = llvm::MemoryBuffer::getFile(output, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer) {
    error = "cannot read the linked code: " + buffer.getError().message();
    return std::nullopt;
  }
  llvm::Expected<CodeImage> image = flatten((*buffer)->getBuffer(), symbols);
  if (!image) {
    error = llvm::toString(image.takeError());
    return std::nullopt;
  }
  return std::move(*image);
}

} // namespace mmcc::cpu
