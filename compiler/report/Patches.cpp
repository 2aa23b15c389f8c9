//===- Patches.cpp - Which patches of an image became one token -----------===//

#include "compiler/report/Patches.h"
#include "compiler/calibrate/Execution.h"
#include "llvm/Support/Base64.h"
#include <algorithm>
#include <cmath>
#include <cstring>

using namespace mmcc;
namespace json = llvm::json;

/// Class, distillation and register tokens.
static constexpr int64_t kMostLeading = 16;
/// The output that says where tokens went (mm-merge-tokens).
static constexpr char kMap[] = "tome_map";
/// Each of them is on the page pixel by pixel.
static constexpr int64_t kMostImages = 4;

std::optional<PatchGrid> mmcc::findGrid(int64_t tokens, int64_t height,
                                        int64_t width) {
  for (int64_t lead = 0; lead <= kMostLeading && lead < tokens; ++lead)
    for (int64_t patch = 1; patch <= height && patch <= width; ++patch)
      if (height % patch == 0 && width % patch == 0 &&
          (height / patch) * (width / patch) == tokens - lead)
        return PatchGrid{height / patch, width / patch, lead};
  return std::nullopt;
}

namespace {

/// Where an array has its channels, one or three, if it holds images.
std::optional<int64_t> channelAxis(const npz::Array &array) {
  if (array.dims.size() != 4 || array.dims[0] < 1)
    return std::nullopt;
  for (int64_t axis : {1, 3})
    if (array.dims[axis] == 3 || array.dims[axis] == 1)
      return axis;
  return std::nullopt;
}

float elementOf(const npz::Array &array, int64_t index) {
  if (array.data.size() == size_t(array.elements()))
    return array.data[index];
  float value;
  std::memcpy(&value, array.data.data() + index * 4, 4);
  return value;
}

/// RGB bytes of image `index` of an array.
std::string readImage(const npz::Array &array, int64_t axis, int64_t index) {
  bool last = axis == 3;
  int64_t channels = array.dims[axis];
  int64_t pixels = array.dims[2] * (last ? array.dims[1] : array.dims[3]);
  int64_t start = index * channels * pixels;
  // What is not a number shows black.
  float low = HUGE_VALF, high = -HUGE_VALF;
  for (int64_t i = 0; i < channels * pixels; ++i) {
    float value = elementOf(array, start + i);
    if (!std::isfinite(value))
      continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  std::string rgb(size_t(3 * pixels), 0);
  float scale = high > low ? 255 / (high - low) : 0;
  for (int64_t i = 0; i < pixels; ++i)
    for (int64_t c = 0; c < 3; ++c) {
      int64_t channel = std::min(c, channels - 1);
      float value = elementOf(array, start + (last ? i * channels + channel
                                                   : channel * pixels + i));
      if (std::isfinite(value))
        rgb[size_t(3 * i + c)] =
            char(uint8_t(std::clamp((value - low) * scale, 0.0f, 255.0f)));
    }
  return rgb;
}

/// Runs an entry that has the map among its outputs, and all of its inputs in
/// the sample.
std::string runMapped(const std::string &artifact,
                      const std::vector<npz::Array> &sample,
                      Execution &execution, std::string &entry) {
  Error error = {};
  Model model = Model::load(artifact, error);
  if (!model)
    return error.message;
  std::string reason = "no tokens merge";
  for (const std::string &name : model.entries()) {
    std::string message = execution.open(artifact, name);
    if (!message.empty() ||
        llvm::find(execution.names, kMap) == execution.names.end())
      continue;
    message = execution.run(sample);
    entry = name;
    if (message.empty())
      return "";
    reason = message;
  }
  return reason;
}

} // namespace

std::optional<json::Object>
mmcc::drawPatches(const std::string &artifact,
                  const std::vector<npz::Array> &sample, std::string &reason) {
  Execution execution;
  std::string entry;
  reason = runMapped(artifact, sample, execution, entry);
  if (!reason.empty())
    return std::nullopt;
  const Tensor *map = execution.find(kMap);
  if (!map || map->rank != 2 || map->dtype != MMCC_I64) {
    reason = "no tokens merge";
    return std::nullopt;
  }
  const auto *places = static_cast<const int64_t *>(map->data);
  reason = "no input is an image whose patches the tokens are";
  for (const npz::Array &array : sample) {
    std::optional<int64_t> axis = channelAxis(array);
    bool isRead = array.data.size() == size_t(array.elements()) ||
                  array.data.size() == size_t(array.elements()) * 4;
    if (!isRead || !axis)
      continue;
    int64_t height = array.dims[*axis == 3 ? 1 : 2];
    int64_t width = array.dims[*axis == 3 ? 2 : 3];
    std::optional<PatchGrid> grid = findGrid(map->dims[1], height, width);
    if (!grid || array.dims[0] < map->dims[0])
      continue;
    json::Array images;
    for (int64_t i = 0; i < std::min(map->dims[0], kMostImages); ++i)
      images.push_back(json::Object{
          {"pixels", llvm::encodeBase64(readImage(array, *axis, i))},
          {"map", json::Array(llvm::ArrayRef(places + i * map->dims[1],
                                             size_t(map->dims[1])))}});
    return json::Object{{"entry", json::fixUTF8(entry)},
                        {"width", width},
                        {"height", height},
                        {"rows", grid->rows},
                        {"columns", grid->columns},
                        {"lead", grid->lead},
                        {"images", std::move(images)}};
  }
  return std::nullopt;
}
