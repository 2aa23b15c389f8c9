//===- LayerPlan.cpp - A scheme for each layer ----------------------------===//

#include "passes/quantize/LayerPlan.h"
#include "passes/quantize/methods/HalfFloats.h"
#include "passes/quantize/methods/RoundLayers.h"
#include "llvm/ADT/SmallVector.h"

namespace mmcc {

/// No model has so many layers.
constexpr size_t kMostLayers = 1 << 20;

std::vector<QuantizeRequest> searchedSchemes() {
  std::vector<QuantizeRequest> schemes = {QuantizeRequest::half("f16"),
                                          QuantizeRequest::half("bf16")};
  std::string unused;
  for (auto [name, method] : {std::pair("w8a16", "rtn"),
                              {"w8a8-dynamic", "rtn"},
                              {"w4a16", "gptq"},
                              {"w4a8", "gptq"}}) {
    schemes.push_back(*QuantizeRequest::parse(name, unused));
    schemes.back().method = method;
  }
  return schemes;
}

std::string describe(const std::optional<QuantizeRequest> &scheme) {
  if (!scheme)
    return "f32";
  return scheme->scheme + (scheme->method == "rtn" ? "" : "/" + scheme->method);
}

std::optional<LayerPlan> LayerPlan::parse(llvm::StringRef text,
                                          std::string &error) {
  LayerPlan plan;
  llvm::SmallVector<llvm::StringRef> parts;
  text.split(parts, ',');
  for (llvm::StringRef part : parts) {
    auto [what, times] = part.split('*');
    auto [name, method] = what.split('/');
    size_t count = 1;
    std::optional<QuantizeRequest> scheme;
    bool isHalf = quantize::parseHalf(name.str()).has_value();
    if (isHalf)
      scheme = QuantizeRequest::half(name);
    else if (name != "f32")
      scheme = QuantizeRequest::parse(name, error);
    if (scheme && !method.empty())
      scheme->method = method.str();
    bool isFloat = name == "f32" || isHalf;
    bool known = isFloat ? method.empty()
                         : scheme && scheme->bits > 0 &&
                               quantize::parseMethod(scheme->method);
    if (!known || (part.contains('*') && times.getAsInteger(10, count)) ||
        count == 0 || plan.schemes.size() + count > kMostLayers) {
      error = "'" + part.str() + "' is no SCHEME, SCHEME/METHOD or SCHEME*N";
      return std::nullopt;
    }
    plan.schemes.insert(plan.schemes.end(), count, scheme);
  }
  return plan;
}

std::string LayerPlan::str() const {
  std::string text;
  for (size_t i = 0, end; i < schemes.size(); i = end) {
    std::string name = describe(schemes[i]);
    for (end = i + 1; end < schemes.size() && describe(schemes[end]) == name;)
      ++end;
    text += (text.empty() ? "" : ",") + name;
    if (end - i > 1)
      text += "*" + std::to_string(end - i);
  }
  return text;
}

} // namespace mmcc
