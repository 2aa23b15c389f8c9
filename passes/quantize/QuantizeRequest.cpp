//===- QuantizeRequest.cpp - Which numbers are to be narrow ---------------===//

#include "passes/quantize/QuantizeRequest.h"

namespace mmcc {

namespace {

struct Scheme {
  llvm::StringLiteral name;
  unsigned bits;
  int64_t group;
  llvm::StringLiteral activations;
  llvm::StringLiteral format = "int";
};

constexpr Scheme kSchemes[] = {
    {"w3a16", 3, 128, ""},
    {"w4a16", 4, 128, ""},
    {"w8a16", 8, 0, ""},
    {"w4a8", 4, 128, "rows"},
    {"w8a8-dynamic", 8, 0, "rows"},
    {"w8a8", 8, 0, "static"},
    {"fp8", 8, 0, "", "e4m3"},
    {"fp8-e5m2", 8, 0, "", "e5m2"},
    {"fp8-dynamic", 8, 0, "rows", "e4m3"},
    {"fp8-static", 8, 0, "static", "e4m3"},
    {"auto", 0, 0, ""},
};

const Scheme *findScheme(llvm::StringRef name) {
  for (const Scheme &scheme : kSchemes)
    if (scheme.name == name)
      return &scheme;
  return nullptr;
}

} // namespace

std::optional<QuantizeRequest> QuantizeRequest::parse(llvm::StringRef name,
                                                      std::string &error) {
  const Scheme *scheme = findScheme(name);
  if (!scheme) {
    error = "expected none";
    for (const Scheme &known : kSchemes)
      error += ", " + known.name.str();
    if (name == "bf16" || name == "f16")
      error += "; all layers in 16 bits are --precision=" + name.str();
    return std::nullopt;
  }
  QuantizeRequest request;
  request.scheme = name.str();
  request.bits = scheme->bits;
  request.group = scheme->group;
  request.activations = scheme->activations.str();
  request.format = scheme->format.str();
  return request;
}

QuantizeRequest QuantizeRequest::half(llvm::StringRef type) {
  QuantizeRequest request;
  request.scheme = request.format = type.str();
  request.bits = 16;
  request.group = 0;
  return request;
}

bool QuantizeRequest::needsGram() const {
  return method == "gptq" || scheme == "auto";
}

std::string QuantizeRequest::attentionOperands() const {
  // Bytes, with one scale a token, would have fewer bits than such floats.
  if (!activations.empty() && format != "int")
    return "bf16";
  // Scales that were found on samples go with what the samples saw.
  if (activations == "static")
    return "f32";
  // A plan names schemes, such as bf16, w4a8 and w8a8-dynamic.
  llvm::StringRef planned = plan;
  if (!activations.empty() ? bits == 8 : planned.contains("w8a8"))
    return "i8";
  bool rounds = !activations.empty() || planned.contains("w4a8") ||
                planned.contains("bf16");
  return rounds ? "bf16" : "f32";
}

bool QuantizeRequest::needsStatistics() const {
  return method != "rtn" || activations == "static" || scheme == "auto";
}

std::string QuantizeRequest::conflict() const {
  if (scheme == "auto" &&
      (method != "rtn" || actOrder || asymmetric || group != 0))
    return "--quantize=auto chooses groups and methods itself";
  if (actOrder && method != "gptq")
    return "--act-order goes with --method=gptq";
  if (method == "smoothquant" && activations.empty())
    return "--method=smoothquant moves outliers of 8-bit activations, which "
           "--quantize=" +
           scheme + " does not have";
  if (format != "int" && asymmetric)
    return "--asymmetric is of integers, whose zero can be anywhere; that of "
           "--quantize=" +
           scheme + " is the float 0";
  if (!activations.empty() && format != "int" && group != 0)
    return "--group-size goes with scales of the weight's groups; "
           "--quantize=" +
           scheme + " has whole columns";
  if (activations == "static" && group != 0)
    return "--group-size goes with scales of the weight's groups; one scale "
           "for all activations has whole columns";
  return "";
}

std::string QuantizeRequest::pass(bool explain, llvm::StringRef level) const {
  std::string text = "mm-quantize-linears{";
  if (!plan.empty()) {
    text += "layers=" + plan;
  } else {
    text += "bits=" + std::to_string(bits) + " group=" + std::to_string(group);
    if (format != "int")
      text += " format=" + format;
    if (asymmetric)
      text += " asymmetric=true";
    if (!activations.empty())
      text += " activations=" + activations;
    if (method != "rtn")
      text += " method=" + method;
    if (actOrder)
      text += " act-order=true";
  }
  if (!statistics.empty())
    text += " statistics=\"" + statistics + "\"";
  text += (" level=" + level).str();
  if (explain)
    text += " explain=true";
  return text + "}";
}

std::string QuantizeRequest::recorded() const {
  std::string text = "--quantize=" + scheme;
  if (group != findScheme(scheme)->group)
    text += " --group-size=" + std::to_string(group);
  if (asymmetric)
    text += " --asymmetric";
  if (method != "rtn")
    text += " --method=" + method;
  if (actOrder)
    text += " --act-order";
  return text;
}

} // namespace mmcc
