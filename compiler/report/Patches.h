//===- Patches.h - Which patches of an image became one token ---*- C++ -*-===//

#ifndef MMCC_COMPILER_REPORT_PATCHES_H
#define MMCC_COMPILER_REPORT_PATCHES_H

#include "tools/npz/Npz.h"
#include "llvm/Support/JSON.h"

namespace mmcc {

/// Runs the artifact, whose output `tome_map` says which token each original
/// one became part of, on the sample's image ([batch, channels, height, width]
/// or [batch, height, width, channels], one channel or three, f32 or uint8):
/// {entry, width, height, rows, columns, lead (tokens before the patches),
/// images: [{pixels (base64 of RGB bytes, the image's own smallest value black
/// and its largest white), map}]} of the first few images. Nothing, and why in
/// `reason`, where there is no image or its patches do not form a grid.
std::optional<llvm::json::Object>
drawPatches(const std::string &artifact, const std::vector<npz::Array> &sample,
            std::string &reason);

/// How many patches lie below and beside each other in an image, if all but a
/// few of `tokens`, which stand before them, are patches that cover it.
struct PatchGrid {
  int64_t rows, columns, lead;
};
std::optional<PatchGrid> findGrid(int64_t tokens, int64_t height,
                                  int64_t width);

} // namespace mmcc

#endif // MMCC_COMPILER_REPORT_PATCHES_H
