//===- ChangedConstant.cpp - A weight that is not the model's -------------===//

#include "tools/mmcc/ChangedConstant.h"
#include "runtime/loader/ProgramVerifier.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"
#include <cstring>

using namespace mmcc;
using namespace mmcc::runtime;
using namespace mmcc::schema;

/// So many words tell a constant from all others.
static constexpr size_t kWords = 64;

namespace {

/// A launch and the constants among its operands.
struct Reader {
  std::string nodes, kernel;
  std::vector<const Constant *> constants;
};

} // namespace

static std::vector<Reader> readersOf(const Artifact &artifact,
                                     const Entry &entry) {
  std::vector<Reader> readers;
  const auto *commands = entry.blocks()->Get(0)->commands();
  for (uint32_t c = 0; c < lengthOf(commands); ++c) {
    const Command &command = *commands->Get(c);
    const Dispatch *dispatch = command.body_as_Dispatch();
    if (!dispatch)
      continue;
    Reader reader;
    if (command.node() >= 0)
      reader.nodes = entry.node_names()->Get(uint32_t(command.node()))->str();
    reader.kernel =
        artifact.variant().kernels()->Get(dispatch->kernel())->name()->str();
    for (uint32_t i = 0; i < lengthOf(dispatch->operands()); ++i) {
      const Buffer &buffer =
          *entry.buffers()->Get(dispatch->operands()->Get(i)->buffer());
      if (buffer.kind() == BufferKind::constant)
        reader.constants.push_back(
            artifact.program().constants()->Get(buffer.index()));
    }
    readers.push_back(std::move(reader));
  }
  return readers;
}

/// Kernels are numbered in each artifact on its own: "gemm_f32_8".
static llvm::StringRef withoutNumber(llvm::StringRef kernel) {
  return kernel.rsplit('_').first;
}

static bool alike(const Reader &a, const Reader &b) {
  return a.nodes == b.nodes &&
         withoutNumber(a.kernel) == withoutNumber(b.kernel) &&
         llvm::equal(a.constants, b.constants,
                     [](const Constant *x, const Constant *y) {
                       return x->bytes() == y->bytes() &&
                              x->dtype() == y->dtype();
                     });
}

/// Fills in the words in which the two differ; false if there are none.
static bool compareWords(const uint8_t *actual, const uint8_t *expected,
                         uint64_t bytes, ChangedConstant &changed) {
  for (uint64_t at = 0; at + 4 <= bytes && changed.words.size() < kWords;
       at += 4) {
    if (!std::memcmp(actual + at, expected + at, 4))
      continue;
    if (changed.words.empty()) {
      std::memcpy(&changed.actual, actual + at, 4);
      std::memcpy(&changed.expected, expected + at, 4);
    }
    uint32_t word;
    std::memcpy(&word, expected + at, 4);
    if (!llvm::is_contained(changed.words, word))
      changed.words.push_back(word);
  }
  return !changed.words.empty();
}

static ChangedConstant describe(const Reader &reader,
                                const Constant &constant) {
  ChangedConstant changed;
  changed.kernel = reader.kernel;
  llvm::SmallVector<llvm::StringRef> nodes;
  llvm::StringRef(reader.nodes).split(nodes, ", ", -1, /*KeepEmpty=*/false);
  for (llvm::StringRef node : nodes)
    changed.nodes.push_back(node.str());
  changed.elements = 1;
  for (uint32_t d = 0; d < lengthOf(constant.dims()); ++d)
    changed.elements *= int64_t(constant.dims()->Get(d));
  return changed;
}

std::optional<ChangedConstant>
mmcc::findChangedConstant(const Artifact &artifact, const Artifact &twin,
                          const std::string &name) {
  auto find = [&](const Artifact &from) {
    const Entry *only = from.onlyEntry();
    return only ? only : from.findEntry(name);
  };
  const Entry *actual = find(artifact), *expected = find(twin);
  if (!actual || !expected)
    return std::nullopt;
  std::vector<Reader> readers = readersOf(artifact, *actual);
  std::vector<Reader> twins = readersOf(twin, *expected);
  auto next = twins.begin();
  for (const Reader &reader : readers) {
    auto same = std::find_if(next, twins.end(), [&](const Reader &other) {
      return alike(reader, other);
    });
    if (same == twins.end())
      continue; // The two part ways here.
    next = same + 1;
    for (auto [a, e] : llvm::zip_equal(reader.constants, same->constants)) {
      if (a->dtype() != DType::f32)
        continue;
      ChangedConstant changed = describe(reader, *e);
      if (compareWords(artifact.constantData(*a), twin.constantData(*e),
                       a->bytes(), changed))
        return changed;
    }
  }
  return std::nullopt;
}
