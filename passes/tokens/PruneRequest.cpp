//===- PruneRequest.cpp - How many image tokens stay ----------------------===//

#include "passes/tokens/PruneRequest.h"
#include <algorithm>
#include <cmath>

namespace mmcc {

using llvm::StringRef;

std::optional<PruneRequest> PruneRequest::parse(StringRef text,
                                                std::string &error) {
  PruneRequest request;
  // A name may hold commas itself: it is the last part.
  auto [amount, at] = text.split(",at=");
  request.at = at.str();
  auto [key, value] = amount.split('=');
  int64_t count;
  double share;
  bool good = text.contains(",at=") == !at.empty();
  if (key == "keep" && !value.getAsInteger(10, count) && count > 0)
    request.keep = count;
  else if (key == "ratio" && !value.getAsDouble(share) && share > 0 &&
           share <= 1)
    request.ratio = share;
  else
    good = false;
  if (good)
    return request;
  error = "expected keep=N or ratio=X with 0 < X <= 1, then perhaps ,at=NAME";
  return std::nullopt;
}

int64_t PruneRequest::count(int64_t tokens) const {
  return keep ? *keep
              : std::max<int64_t>(1, std::ceil(*ratio * double(tokens)));
}

} // namespace mmcc
