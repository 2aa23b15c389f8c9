#include "runtime/executor/PerfMap.h"

#include "runtime/loader/ProgramVerifier.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <set>
#include <tuple>
#include <unistd.h>

namespace mmcc::runtime {

using namespace schema;

namespace {

struct Users {
  std::string first;
  std::set<std::string> all;
};

/// The nodes that launch each kernel of the variant.
std::vector<Users> usersOf(const Artifact &artifact) {
  const Variant &variant = artifact.variant();
  std::vector<Users> users(lengthOf(variant.kernels()));
  for (uint32_t e = 0; e < lengthOf(variant.entries()); ++e) {
    const Entry &entry = *artifact.entry(e);
    for (uint32_t b = 0; b < lengthOf(entry.blocks()); ++b) {
      const auto *commands = entry.blocks()->Get(b)->commands();
      for (uint32_t c = 0; c < lengthOf(commands); ++c) {
        const Command &command = *commands->Get(c);
        const Dispatch *dispatch = command.body_as_Dispatch();
        if (!dispatch || command.node() < 0)
          continue;
        Users &of = users[dispatch->kernel()];
        std::string node =
            entry.node_names()->Get(uint32_t(command.node()))->str();
        if (of.all.insert(node).second && of.first.empty())
          of.first = node;
      }
    }
  }
  return users;
}

std::string describe(const Users &users) {
  if (users.all.empty())
    return "";
  std::string text = " (" + users.first;
  if (users.all.size() > 1)
    text += ", +" + std::to_string(users.all.size() - 1);
  return text + ")";
}

struct Named {
  uint64_t begin;
  std::string name;
};

} // namespace

Status writePerfMap(const Artifact &artifact) {
  const Variant &variant = artifact.variant();
  std::vector<Users> users = usersOf(artifact);
  std::vector<Named> code;
  for (uint32_t i = 0; i < users.size(); ++i) {
    const Kernel &kernel = *variant.kernels()->Get(i);
    code.push_back(
        {kernel.entry_offset(), kernel.name()->str() + describe(users[i])});
  }
  for (uint32_t i = 0; i < lengthOf(variant.functions()); ++i) {
    const Kernel &function = *variant.functions()->Get(i);
    code.push_back({function.entry_offset(), function.name()->str()});
  }
  std::sort(code.begin(), code.end(), [](const Named &a, const Named &b) {
    return std::tie(a.begin, a.name) < std::tie(b.begin, b.name);
  });

  std::string path = "/tmp/perf-" + std::to_string(getpid()) + ".map";
  std::FILE *file = std::fopen(path.c_str(), "a");
  if (!file)
    return {Code::io_error, "cannot write " + path};
  for (size_t i = 0; i < code.size(); ++i) {
    uint64_t end =
        i + 1 < code.size() ? code[i + 1].begin : variant.image_bytes();
    // A name is one line, whatever the file holds.
    for (char &c : code[i].name)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
        c = '?';
    if (end > code[i].begin)
      std::fprintf(file, "%" PRIxPTR " %" PRIx64 " %s\n",
                   reinterpret_cast<uintptr_t>(artifact.image()) +
                       code[i].begin,
                   end - code[i].begin, code[i].name.c_str());
  }
  if (std::fclose(file) != 0)
    return {Code::io_error, "cannot write " + path};
  return {};
}

} // namespace mmcc::runtime
