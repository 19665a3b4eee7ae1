#include "kernels.h"

#include <utility>
#include <vector>

#include "context.h"
#include "execution.h"
#include "fused/fused.h"
#include "tensorflow.h"

using namespace tensorflow_c;

namespace {

constexpr int kMostSizes = 8;

struct Kernel {
  const FusedOp* op;
  Sizes sizes;
  float factor;
};

// A TF_Tensor that frees itself.
class Held {
 public:
  explicit Held(TF_Tensor* tensor) : tensor_(tensor) {}
  ~Held() {
    if (tensor_ != nullptr) TF_DeleteTensor(tensor_);
  }
  Held(Held&& other) noexcept : tensor_(std::exchange(other.tensor_, nullptr)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  TF_Tensor* get() const { return tensor_; }

 private:
  TF_Tensor* tensor_;
};

void fail(TF_OpKernelContext* context, const FusedOp& op, const std::string& what, Code code = kInvalidArgument) {
  Status status;
  TF_SetStatus(status.get(), code, (std::string(op.name) + " " + what).c_str());
  TF_OpKernelContext_Failure(context, status.get());
}

template <size_t Index>
void* create(TF_OpKernelConstruction* construction) {
  auto* kernel = new Kernel{&fused::all()[Index], {}, 0};
  Status status;
  int32_t count = 0, total = 0;
  TF_OpKernelConstruction_GetAttrSize(construction, "sizes", &count, &total, status.get());
  if (status.ok() && count > 0 && count <= kMostSizes) {
    kernel->sizes.resize(static_cast<size_t>(count));
    TF_OpKernelConstruction_GetAttrInt64List(construction, "sizes", kernel->sizes.data(), count, status.get());
  }
  if (status.ok()) TF_OpKernelConstruction_GetAttrFloat(construction, "factor", &kernel->factor, status.get());
  if (!status.ok()) TF_OpKernelConstruction_Failure(construction, status.get());
  return kernel;
}

void destroy(void* kernel) { delete static_cast<Kernel*>(kernel); }

void compute(void* given, TF_OpKernelContext* context) {
  const Kernel& kernel = *static_cast<Kernel*>(given);
  const FusedOp& op = *kernel.op;
  if (Execution::isCancelled()) return fail(context, op, "was cancelled", kCancelled);
  Status status;
  std::vector<Held> held;
  Inputs inputs;
  Shapes shapes;
  for (size_t i = 0; i < op.inputs.size(); i++) {
    TF_Tensor* tensor = nullptr;
    TF_GetInput(context, static_cast<int>(i), &tensor, status.get());
    if (!status.ok()) return TF_OpKernelContext_Failure(context, status.get());
    held.emplace_back(tensor);
    Shape shape(static_cast<size_t>(TF_NumDims(tensor)));
    for (size_t n = 0; n < shape.size(); n++) shape[n] = TF_Dim(tensor, static_cast<int>(n));
    shapes.push_back(shape);
    inputs.push_back({TF_TensorData(tensor), shape});
  }
  Shapes wanted;
  std::string wrong = fused::shapesOf(op, shapes, kernel.sizes, &wanted);
  if (wrong.empty() && op.values != nullptr) wrong = op.values(inputs, kernel.sizes);
  if (!wrong.empty()) return fail(context, op, wrong);
  std::vector<Held> made;
  Outputs outputs;
  bool empty = false;
  for (size_t i = 0; i < wanted.size(); i++) {
    size_t bytes = sizeof(float);
    for (const int64_t size : wanted[i]) bytes *= static_cast<size_t>(size);
    empty = empty || bytes == 0;
    made.emplace_back(TF_AllocateOutput(context, static_cast<int>(i), kFloat, wanted[i].data(), static_cast<int>(wanted[i].size()), bytes,
                                        status.get()));
    if (!status.ok()) return TF_OpKernelContext_Failure(context, status.get());
    outputs.push_back(static_cast<float*>(TF_TensorData(made.back().get())));
  }
  if (!empty) op.compute(inputs, kernel.sizes, kernel.factor, outputs);
}

std::string registerOp(const FusedOp& op, void* (*make)(TF_OpKernelConstruction*)) {
  Status status;
  TF_OpDefinitionBuilder* builder = TF_NewOpDefinitionBuilder(op.name);
  for (const char* input : op.inputs) TF_OpDefinitionBuilderAddInput(builder, input);
  for (const char* output : op.outputs) TF_OpDefinitionBuilderAddOutput(builder, output);
  TF_OpDefinitionBuilderAddAttr(builder, "sizes: list(int) = []");
  TF_OpDefinitionBuilderAddAttr(builder, "factor: float = 0");
  // The recorder sets shapes itself (record.cc).
  TF_OpDefinitionBuilderSetShapeInferenceFunction(builder, [](TF_ShapeInferenceContext* context, TF_Status* result) {
    TF_ShapeInferenceContextSetUnknownShape(context, result);
  });
  TF_RegisterOpDefinition(builder, status.get());
  if (!status.ok()) return status.message();
  TF_KernelBuilder* kernel = TF_NewKernelBuilder(op.name, "CPU", make, compute, destroy);
  TF_RegisterKernelBuilder(op.name, kernel, status.get());
  return status.ok() ? "" : status.message();
}

template <size_t... Index>
std::string registerAll(std::index_sequence<Index...>) {
  std::string problem;
  ((problem.empty() ? void(problem = registerOp(fused::all()[Index], create<Index>)) : void()), ...);
  return problem;
}

constexpr size_t kCount = 26;

}  // namespace

std::string registerFused() {
  if (fused::all().size() != kCount) return "the number of fused ops is wrong";
  return registerAll(std::make_index_sequence<kCount>());
}
