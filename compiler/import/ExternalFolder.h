//===- ExternalFolder.h - Files that a model may read -----------*- C++ -*-===//
//
// The only way by which import opens a file that a model names. A location
// must stay inside the model's folder: no absolute path, no "..", no symbolic
// link in any component, regular files only, one hard link only unless
// allowed.
//
//===----------------------------------------------------------------------===//

#ifndef MMCC_COMPILER_IMPORT_EXTERNALFOLDER_H
#define MMCC_COMPILER_IMPORT_EXTERNALFOLDER_H

#include "compiler/import/MappedFile.h"
#include "llvm/ADT/StringMap.h"
#include <map>

namespace mmcc::import {

class ExternalFolder {
public:
  /// `path` is the folder; nothing is opened before the first use.
  ExternalFolder(std::string path, bool allowHardLinks)
      : path(std::move(path)), allowHardLinks(allowHardLinks) {}
  ~ExternalFolder();
  ExternalFolder(const ExternalFolder &) = delete;
  ExternalFolder &operator=(const ExternalFolder &) = delete;

  /// The mapped file at `location`, relative to the folder; each is mapped
  /// once. Returns null and sets `error` if the location is not allowed or
  /// cannot be opened.
  std::shared_ptr<const MappedFile> map(llvm::StringRef location,
                                        std::string &error);
  /// All files that were mapped, by location.
  std::map<std::string, std::shared_ptr<const MappedFile>> mapped() const {
    std::map<std::string, std::shared_ptr<const MappedFile>> sorted;
    for (const auto &entry : files)
      sorted[entry.first().str()] = entry.second;
    return sorted;
  }

private:
  int openBeneath(llvm::StringRef location, std::string &error);

  std::string path;
  bool allowHardLinks;
  int folder = -1;
  llvm::StringMap<std::shared_ptr<const MappedFile>> files;
};

} // namespace mmcc::import

#endif // MMCC_COMPILER_IMPORT_EXTERNALFOLDER_H
