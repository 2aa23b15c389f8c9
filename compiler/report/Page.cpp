//===- Page.cpp - Facts as an HTML page -----------------------------------===//

#include "compiler/report/Page.h"

using namespace mmcc;

// The page's parts, as files that an editor knows.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc23-extensions"
static const char kFrame[] = {
#embed "compiler/report/page/body.html" suffix(, )
    0};
static const char kStyle[] = {
#embed "compiler/report/page/style.css" suffix(, )
    0};
// One script, in this order.
static const char kScript[] = {
#embed "compiler/report/page/draw.js" suffix(, )
#embed "compiler/report/page/facts.js" suffix(, )
#embed "compiler/report/page/summary.js" suffix(, )
#embed "compiler/report/page/graph.js" suffix(, )
#embed "compiler/report/page/timeline.js" suffix(, )
#embed "compiler/report/page/regions.js" suffix(, )
#embed "compiler/report/page/roofline.js" suffix(, )
#embed "compiler/report/page/arena.js" suffix(, )
#embed "compiler/report/page/attention.js" suffix(, )
#embed "compiler/report/page/patches.js" suffix(, )
#embed "compiler/report/page/main.js" suffix(, )
    0};
#pragma clang diagnostic pop

/// JSON in which a page can see no tag.
static void writeFacts(llvm::StringRef facts, llvm::raw_ostream &os) {
  while (!facts.empty()) {
    size_t length = std::min(facts.find('<'), facts.size());
    os << facts.take_front(length);
    facts = facts.drop_front(length);
    if (facts.consume_front("<"))
      os << "\\u003c";
  }
}

void mmcc::writePage(llvm::StringRef facts, llvm::raw_ostream &os) {
  llvm::StringRef frame = kFrame;
  while (!frame.empty()) {
    auto [before, rest] = frame.split("{{");
    os << before;
    auto [name, after] = rest.split("}}");
    if (name == "style")
      os << kStyle;
    else if (name == "script")
      os << kScript;
    else if (name == "facts")
      writeFacts(facts, os);
    frame = after;
  }
}
