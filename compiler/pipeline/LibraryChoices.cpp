//===- LibraryChoices.cpp - What was found best on GPUs -------------------===//

#include "compiler/pipeline/LibraryChoices.h"
#include "compiler/pipeline/TuningRecord.h"
#include "dialects/plan/Plan.h"

using namespace mmcc;
using namespace mlir;

LogicalResult mmcc::addLibraryChoices(ModuleOp module,
                                      const std::string &path) {
  TuningRecord record;
  if (std::string message = record.open(path); !message.empty())
    return module.emitError(message);
  module.walk([&](plan::DispatchOp dispatch) {
    std::optional<AffineMap> sizes = dispatch.getLibrarySizes();
    if (!sizes)
      return;
    auto size = [&](unsigned i) {
      auto known = dyn_cast<AffineConstantExpr>(sizes->getResult(i));
      return known ? known.getValue() : -1;
    };
    if (size(0) < 0)
      return; // rows that show at the call
    NamedAttrList choices;
    Builder builder(module.getContext());
    record.forEachChoice(
        TuningRecord::productName(size(0), size(1), size(2), size(3),
                                  dispatch.getForm().value_or("").str()),
        [&](const std::string &machine, const std::string &choice) {
          if (choice != "library")
            choices.set(machine + ", " + std::to_string(size(0)) + " rows",
                        builder.getStringAttr(choice));
        });
    if (!choices.empty())
      dispatch->setAttr("library_choices",
                        choices.getDictionary(module.getContext()));
  });
  return success();
}
