//===- ProgramImporter.h - Connected models as one function -----*- C++ -*-===//
//
// The graphs that a Description connects are imported into one block, each
// after those that it takes from, with the values that it takes in the place of
// its inputs. One DimFacts serves them all. A model's symbols carry its entry's
// name, `image.batch`; that two sizes are the same follows from connections
// (the size of an output and the declared size of the input it flows into must
// be equal) as it follows inside of a model from its operators, so the first
// symbol's name survives:
//
//     image.features  [image.batch, 16, 64]  ─┐
//                                             ├─► decoder [decoder.batch, ...]
//     text.embeds     [text.batch, seq, 64]  ─┘
//
//     one symbol: image.batch
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_IMPORT_PROGRAMIMPORTER_H
#define MMCC_COMPILER_IMPORT_PROGRAMIMPORTER_H

#include "compiler/import/Description.h"
#include "compiler/import/GraphImporter.h"
#include "compiler/import/Substitute.h"

namespace mmcc::import {

class ProgramImporter {
public:
  ProgramImporter(const Description &description, const ImportOptions &options,
                  mlir::MLIRContext &context, std::vector<ImportError> &errors);
  /// All functions; null after an error.
  mlir::OwningOpRef<mlir::ModuleOp> run();

private:
  /// Entries whose inputs the caller leaves out, by name.
  using Absent = std::map<std::string, const Description::Missing *>;
  /// One attempt to put the connected entries into one block.
  struct Assembly {
    DimFacts &facts;
    const Absent &absent;
    std::vector<ImportError> &errors;
    std::unique_ptr<mlir::Block> block;
    GraphPart part;
    /// By "entry.value": inputs that nothing is connected to, and outputs of
    /// the entries so far.
    llvm::StringMap<mlir::Value> inputs, outputs;
    /// Outputs that hold no tokens.
    llvm::SmallVector<mlir::Value> skipped;
  };
  using Module = mlir::OwningOpRef<mlir::ModuleOp>;

  void fail(const llvm::Twine &field, const llvm::Twine &reason,
            std::vector<ImportError> *into = nullptr);
  void open(const std::string &location, const std::string &field);
  ImportOptions optionsFor(const std::string &location) const;
  bool openFiles();

  Module importAlone(const Description::Entry &entry);
  void checkDims();

  Module importConnected(const Absent &absent, const std::string &name,
                         std::vector<ImportError> &found);
  Module assemble(Assembly &assembly, const std::string &name);
  std::optional<llvm::StringMap<GivenInput>>
  inputsOf(const Description::Entry &entry, Assembly &assembly);
  void addArguments(const Description::Entry &entry, Assembly &assembly);
  bool addPresent(const Description::Entry &entry, Assembly &assembly);
  bool addAbsent(const Description::Entry &entry,
                 const Description::Missing &missing, Assembly &assembly);
  bool addImputed(const Description::Missing &missing,
                  llvm::ArrayRef<NamedValue> outputs, Assembly &assembly);
  std::vector<ValueName> outputNames();
  bool isUsed(const ValueName &output) const;
  /// In an order in which each follows what it needs; empty after an error.
  std::vector<const Description::Entry *>
  order(const Absent &absent, std::vector<ImportError> &found);
  /// An input of an imputing model, and what it takes: an output, or an input
  /// that nothing is connected to.
  struct Need {
    std::string input;
    ValueName source;
    bool isInput;
  };
  std::vector<Need> needsOf(const Description::Missing &missing,
                            std::vector<ImportError> &found);
  bool isFreeInput(const ValueName &name);
  bool checkSizesAreKnown(mlir::ModuleOp module, const Assembly &assembly);
  bool addVariants(mlir::ModuleOp all);
  mlir::ArrayAttr describeSources();

  const Description &description;
  const ImportOptions &options;
  mlir::MLIRContext &context;
  std::vector<ImportError> &errors;
  ExternalFolder folder;
  llvm::StringMap<std::unique_ptr<TensorReader>> readers; // by location
  LearnedArrays learned;
  /// Which of options.dims some input has.
  std::vector<bool> dimsFound;
  std::vector<ValueName> outputs;
};

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_PROGRAMIMPORTER_H
