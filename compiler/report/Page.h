//===- Page.h - Facts as an HTML page ---------------------------*- C++ -*-===//

#ifndef MMCC_COMPILER_REPORT_PAGE_H
#define MMCC_COMPILER_REPORT_PAGE_H

#include "llvm/Support/raw_ostream.h"

namespace mmcc {

/// page/report.html with its style, its script and the facts in place. Whatever
/// the facts hold stays data: no `<` of theirs reaches the page.
void writePage(llvm::StringRef facts, llvm::raw_ostream &os);

} // namespace mmcc

#endif // MMCC_COMPILER_REPORT_PAGE_H
