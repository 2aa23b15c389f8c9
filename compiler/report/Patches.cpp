//===- Patches.cpp - Which patches of an image became one token -----------===//

#include "compiler/report/Patches.h"
#include "compiler/calibrate/Execution.h"
#include "llvm/Support/Base64.h"
#include <cstring>

using namespace mmcc;
namespace json = llvm::json;

/// Class, distillation and register tokens.
static constexpr int64_t kMostLeading = 16;

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

/// The first image of an array.
struct Image {
  int64_t height, width;
  std::string rgb;
};

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

Image readImage(const npz::Array &array, int64_t axis) {
  bool last = axis == 3;
  int64_t channels = array.dims[axis];
  int64_t height = array.dims[last ? 1 : 2], width = array.dims[last ? 2 : 3];
  int64_t pixels = height * width;
  float low = HUGE_VALF, high = -HUGE_VALF;
  for (int64_t i = 0; i < channels * pixels; ++i) {
    float value = elementOf(array, i);
    low = std::min(low, value);
    high = std::max(high, value);
  }
  Image image{height, width, std::string(size_t(3 * pixels), 0)};
  float scale = high > low ? 255 / (high - low) : 0;
  for (int64_t i = 0; i < pixels; ++i)
    for (int64_t c = 0; c < 3; ++c) {
      int64_t channel = std::min(c, channels - 1);
      float value = elementOf(array, last ? i * channels + channel
                                          : channel * pixels + i);
      float byte = std::clamp((value - low) * scale, 0.0f, 255.0f);
      image.rgb[size_t(3 * i + c)] = char(static_cast<unsigned char>(byte));
    }
  return image;
}

} // namespace

std::optional<json::Object>
mmcc::drawPatches(const std::string &artifact,
                  const std::vector<npz::Array> &sample, std::string &reason) {
  Execution execution;
  reason = execution.open(artifact, "");
  if (reason.empty())
    reason = execution.run(sample);
  if (!reason.empty())
    return std::nullopt;
  const Tensor *map = execution.find("tome_map");
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
    if (!grid)
      continue;
    Image image = readImage(array, *axis);
    return json::Object{
        {"width", image.width},
        {"height", image.height},
        {"rows", grid->rows},
        {"columns", grid->columns},
        {"lead", grid->lead},
        {"pixels", llvm::encodeBase64(image.rgb)},
        {"map", json::Array(llvm::ArrayRef(places, size_t(map->dims[1])))}};
  }
  return std::nullopt;
}
