#include "codegen/artifact/FromPlan.h"

#include "codegen/artifact/ConstantPacking.h"
#include "codegen/artifact/EntryBuilder.h"

#include <map>

using namespace mlir;

namespace mmcc::artifact {

/// What a constant looks like to the reader of an artifact.
static std::unique_ptr<schema::ConstantT> describe(plan::ConstantOp op) {
  auto constant = std::make_unique<schema::ConstantT>();
  constant->name = op.getSymName().str();
  constant->dtype = dtypeOf(op.getElementType());
  constant->bytes = op.getBytes();
  auto piece = [&](size_t i) -> ArrayRef<int64_t> {
    return cast<DenseI64ArrayAttr>(op.getPieces()[i]);
  };
  if (op.getLayout() == "dense" || op.getLayout() == "rounded") {
    for (size_t i = 1; i < piece(0).size(); i += 2)
      constant->dims.push_back(uint64_t(piece(0)[i]));
    return constant;
  }
  constant->layout = op.getLayout().str();
  uint64_t columns = 0;
  for (size_t i = 0; i < op.getPieces().size(); ++i)
    columns += uint64_t(piece(i)[8]);
  if (op.getGroups() > 1)
    constant->dims.push_back(op.getGroups());
  constant->dims.push_back(uint64_t(piece(0)[2] * piece(0)[4] * piece(0)[6]));
  constant->dims.push_back(columns);
  return constant;
}

/// Bytes that are equal exactly when the entries are.
static std::string contentOf(const schema::EntryT &entry) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(schema::Entry::Pack(builder, &entry));
  return std::string(reinterpret_cast<const char *>(builder.GetBufferPointer()),
                     builder.GetSize());
}

static void require(const char *feature, uint32_t revision,
                    schema::ProgramT &program) {
  program.revision = std::max(program.revision, revision);
  if (!llvm::is_contained(program.features, feature))
    program.features.push_back(feature);
}

LogicalResult fromPlan(ModuleOp module, ArrayRef<KernelOffsets> offsets,
                       schema::ProgramT &program,
                       std::vector<ByteSource> &constants) {
  EntryBuilder::Indices constantIndices;
  for (auto op : module.getOps<plan::ConstantOp>()) {
    FailureOr<ByteSource> source = packConstant(op);
    if (failed(source))
      return failure();
    constantIndices[op.getSymName()] = uint32_t(program.constants.size());
    program.constants.push_back(describe(op));
    constants.push_back(std::move(*source));
  }

  std::map<std::string, uint32_t> known;
  size_t number = 0;
  for (auto op : module.getOps<plan::VariantOp>()) {
    if (number == offsets.size())
      return op.emitOpError("has no code");
    auto variant = std::make_unique<schema::VariantT>();
    variant->target = op.getTarget().str();
    llvm::StringMap<const KernelCode *> codeOf;
    for (const KernelCode &code : offsets[number])
      codeOf[code.name] = &code;
    EntryBuilder::Indices kernelIndices;
    EntryBuilder::Maps maps;
    for (auto kernelOp : op.getBody().getOps<plan::KernelOp>()) {
      const KernelCode *code = codeOf.lookup(kernelOp.getSymName());
      if (!code)
        return kernelOp.emitOpError("has no code");
      auto kernel = std::make_unique<schema::KernelT>();
      kernel->name = kernelOp.getSymName().str();
      kernel->entry_offset = code->offset;
      kernel->code_bytes = code->bytes;
      kernel->threads = code->threads;
      if (code->threads)
        kernel->scratch_bytes = code->sharedBytes;
      else if (kernelOp.getScratch().isSingleConstant())
        kernel->scratch_bytes = kernelOp.getScratch().getSingleConstantResult();
      if (!code->maps.empty()) {
        maps[kernel->name] = code->maps;
        require("maps", 5, program);
      }
      kernelIndices[kernel->name] = uint32_t(variant->kernels.size());
      variant->kernels.push_back(std::move(kernel));
    }
    for (const KernelCode &code : offsets[number++]) {
      if (kernelIndices.contains(code.name))
        continue;
      auto function = std::make_unique<schema::KernelT>();
      function->name = code.name;
      function->entry_offset = code.offset;
      variant->functions.push_back(std::move(function));
    }
    for (auto entryOp : op.getBody().getOps<plan::EntryOp>()) {
      auto entry =
          EntryBuilder(entryOp, constantIndices, kernelIndices, maps).build();
      if (failed(entry))
        return failure();
      if ((*entry)->stream_count > 1)
        require("streams", 1, program);
      if (!(*entry)->absences.empty())
        require("absences", 2, program);
      if (!(*entry)->states.empty())
        require("state", 3, program);
      if (llvm::any_of((*entry)->buffers,
                       [](const auto &buffer) { return buffer->columns; }))
        require("columns", 4, program);
      auto [same, added] = known.try_emplace(contentOf(**entry),
                                             uint32_t(program.entries.size()));
      variant->entries.push_back(same->second);
      if (added)
        program.entries.push_back(std::move(*entry));
    }
    program.variants.push_back(std::move(variant));
  }
  return success();
}

} // namespace mmcc::artifact
