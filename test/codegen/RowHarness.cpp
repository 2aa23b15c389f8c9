#include "test/codegen/RowHarness.h"

#include <cstdlib>
#include <cstring>

namespace mmcc::test {

/// "head0, head1, ..." of `count`.
static std::string list(const std::string &head, unsigned count) {
  std::string text;
  for (unsigned i = 0; i < count; ++i)
    text += (i ? ", " : "") + head + std::to_string(i);
  return text;
}

static std::string kernelText(const std::string &level, const RowText &row) {
  std::vector<std::string> types = row.types;
  std::string written;
  if (level == kCuda && !row.work.empty()) {
    written = std::to_string(types.size()) + ", ";
    types.push_back(row.work);
  }
  // The last two are the results' rows and columns.
  const std::string symbols = "[" + list("s", row.params + 2) + "]";
  const std::string rows = "s" + std::to_string(row.params),
                    columns = "s" + std::to_string(row.params + 1);
  std::string params, offsets, arguments;
  for (unsigned i = 0; i < row.params; ++i)
    params +=
        (i ? ", " : "") + (int(i) == row.constant ? std::to_string(row.value)
                                                  : "s" + std::to_string(i));
  for (size_t i = 0; i < types.size(); ++i) {
    offsets += i ? ", 0" : "0";
    arguments +=
        "%x" + std::to_string(i) + ": !plan.buffer<" + types[i] + ">, ";
  }
  return "plan.kernel @k row \"" + row.row + "\" extents affine_map<()" +
         symbols + " -> (1, " + rows + ", " + columns +
         ")> parallel 3 params affine_map<()" + symbols + " -> (" + params +
         ")> offsets affine_map<()" + symbols + " -> (" + offsets +
         ")> scratch affine_map<()" + symbols + " -> (0)> written [" + written +
         std::to_string(types.size()) + "] {\n^bb0(" + arguments +
         "%y: !plan.buffer<f32>):\n  plan.block \"post\" {\n"
         "  ^bb0(%o: index, %r: index, %c: index, %v: f32):\n"
         "    plan.store %v, %y[affine_map<(d0, d1, d2)" +
         symbols + " -> ((d0 * " + rows + " + d1) * " + columns +
         " + d2)>(%o, %r, %c)] : f32, !plan.buffer<f32>\n"
         "    plan.yield\n  }\n}\n";
}

Row::Row(const std::string &level, const RowText &text)
    : isCuda(level == kCuda), hasWork(isCuda && !text.work.empty()),
      program(kernelText(level, text), level) {}

Row::Results Row::run(const std::vector<int64_t> &params,
                      const std::vector<const void *> &tensors,
                      std::array<int64_t, 3> grid, int64_t outer, int64_t rows,
                      int64_t columns, int64_t work) {
  std::vector<int64_t> sizes = params;
  sizes.insert(sizes.end(), {rows, columns});
  auto once = [&] {
    Results results{outer, rows, columns,
                    std::vector<float>(outer * rows * columns, kNaN)};
    // All bits set are NaN, and no key of anything.
    std::vector<uint64_t> memory(hasWork ? work : 0, ~uint64_t(0));
    std::vector<void *> buffers;
    for (const void *tensor : tensors)
      buffers.push_back(const_cast<void *>(tensor));
    if (hasWork)
      buffers.push_back(memory.data());
    buffers.push_back(results.values.data());
    program.run("k", grid, buffers, sizes);
    return results;
  };
  Results results = once();
  if (isCuda) {
    setenv("MMCC_SHIM_ORDER", "reverse", 1);
    Results other = once();
    unsetenv("MMCC_SHIM_ORDER");
    for (size_t i = 0; i < results.values.size(); ++i) {
      uint32_t bits[2];
      std::memcpy(bits, &results.values[i], 4);
      std::memcpy(bits + 1, &other.values[i], 4);
      EXPECT_EQ(bits[0], bits[1]) << "element " << i << " by order of threads";
    }
  }
  return results;
}

std::vector<float> stridedRows(int64_t rows, int64_t width, int64_t stride,
                               unsigned seed) {
  std::vector<float> numbers = randomFloats(rows * stride, -1, 1, seed);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = width; i < stride; ++i)
      numbers[r * stride + i] = kNaN;
  return numbers;
}

} // namespace mmcc::test
