// Fuzzes import: whatever a file holds, importing it ends with a module that
// verifies or with messages, without a fault and without absurd memory.
//
// Half of the mutations are libFuzzer's, of bytes; the other half keep the
// file a well-formed protobuf and change numbers, names and operators in it,
// so that they reach the operators.

#include "compiler/import/Import.h"
#include "compiler/import/onnx.pb.h"
#include "dialects/mm/MM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"

#include <cstdlib>
#include <random>
#include <sys/mman.h>
#include <unistd.h>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace {

class Mutation {
public:
  explicit Mutation(unsigned seed) : random(seed) {}

  void apply(onnx::ModelProto &model) {
    onnx::GraphProto &graph = *model.mutable_graph();
    for (int i = pick(4); i >= 0; --i)
      switch (pick(6)) {
      case 0:
      case 1:
        if (graph.node_size())
          mutateNode(graph, *graph.mutable_node(pick(graph.node_size())));
        break;
      case 2:
        if (graph.initializer_size())
          mutateTensor(
              *graph.mutable_initializer(pick(graph.initializer_size())));
        break;
      case 3:
        if (graph.input_size())
          mutateType(*graph.mutable_input(pick(graph.input_size())));
        break;
      case 4:
        if (graph.node_size() > 1)
          graph.mutable_node()->SwapElements(pick(graph.node_size()),
                                             pick(graph.node_size()));
        break;
      default:
        if (model.opset_import_size())
          model.mutable_opset_import(0)->set_version(7 + pick(23));
      }
  }

private:
  int pick(int count) { return count ? random() % count : 0; }

  int64_t number() {
    static const int64_t interesting[] = {
        0,  1,   -1,      2,         3,         -2,        7,
        64, 255, 1 << 16, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    return pick(4) ? interesting[pick(14)] : int64_t(random()) - (1 << 30);
  }

  std::string name(const onnx::GraphProto &graph) {
    switch (pick(4)) {
    case 0:
      if (graph.input_size())
        return graph.input(pick(graph.input_size())).name();
      return "";
    case 1:
      if (graph.initializer_size())
        return graph.initializer(pick(graph.initializer_size())).name();
      return "";
    case 2:
      if (graph.node_size()) {
        const onnx::NodeProto &node = graph.node(pick(graph.node_size()));
        if (node.output_size())
          return node.output(pick(node.output_size()));
      }
      return "";
    default:
      return "";
    }
  }

  void mutateNode(const onnx::GraphProto &graph, onnx::NodeProto &node) {
    switch (pick(5)) {
    case 0:
      if (node.input_size())
        node.set_input(pick(node.input_size()), name(graph));
      break;
    case 1:
      node.add_input(name(graph));
      break;
    case 2:
      if (graph.node_size())
        node.set_op_type(graph.node(pick(graph.node_size())).op_type());
      break;
    default:
      if (node.attribute_size())
        mutateAttribute(*node.mutable_attribute(pick(node.attribute_size())));
    }
  }

  void mutateAttribute(onnx::AttributeProto &attribute) {
    if (attribute.has_t())
      mutateTensor(*attribute.mutable_t());
    if (attribute.ints_size())
      attribute.set_ints(pick(attribute.ints_size()), number());
    else
      attribute.set_i(number());
    if (!pick(8))
      attribute.add_ints(number());
    if (!pick(8))
      attribute.set_f(static_cast<float>(number()));
  }

  void mutateTensor(onnx::TensorProto &tensor) {
    switch (pick(4)) {
    case 0:
      if (tensor.dims_size())
        tensor.set_dims(pick(tensor.dims_size()), number());
      break;
    case 1:
      tensor.set_data_type(pick(30));
      break;
    case 2:
      if (tensor.int64_data_size())
        tensor.set_int64_data(pick(tensor.int64_data_size()), number());
      break;
    default:
      if (std::string *bytes = tensor.mutable_raw_data(); !bytes->empty())
        (*bytes)[pick(bytes->size())] = static_cast<char>(random());
    }
  }

  void mutateType(onnx::ValueInfoProto &input) {
    auto *tensor = input.mutable_type()->mutable_tensor_type();
    auto *shape = tensor->mutable_shape();
    switch (pick(4)) {
    case 0:
      tensor->set_elem_type(pick(30));
      break;
    case 1:
      shape->add_dim()->set_dim_value(pick(5));
      break;
    default:
      if (shape->dim_size()) {
        auto *dim = shape->mutable_dim(pick(shape->dim_size()));
        if (pick(2))
          dim->set_dim_value(number());
        else
          dim->set_dim_param(std::string(1, 'a' + pick(3)) +
                             (pick(3) ? "" : " + 1"));
      }
    }
  }

  std::minstd_rand random;
};

} // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t maxSize, unsigned seed) {
  onnx::ModelProto model;
  if (seed % 2 || !model.ParseFromArray(data, static_cast<int>(size)))
    return LLVMFuzzerMutate(data, size, maxSize);
  Mutation(seed).apply(model);
  if (model.ByteSizeLong() > maxSize)
    return LLVMFuzzerMutate(data, size, maxSize);
  size = model.ByteSizeLong();
  model.SerializeToArray(data, static_cast<int>(size));
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int descriptor = memfd_create("model", MFD_CLOEXEC);
  if (descriptor < 0 ||
      write(descriptor, data, size) != static_cast<ssize_t>(size))
    std::abort();
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<mlir::func::FuncDialect, mmcc::mm::MMDialect>();
  mmcc::import::ImportOptions options;
  options.path = "/proc/self/fd/" + std::to_string(descriptor);
  std::vector<mmcc::import::ImportError> errors;
  auto module = mmcc::import::importOnnx(options, context, errors);
  // One or the other, never both, never neither.
  if (static_cast<bool>(module) != errors.empty())
    std::abort();
  close(descriptor);
  return 0;
}
