// Computations of a decoder that many ops would do, each as one: less memory is walked through, and fewer ops are started. Float32 on the
// processor; elsewhere the same computation is put together from TensorFlow's own ops (src/tensor/fused).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

using Shape = std::vector<int64_t>;
using Shapes = std::vector<Shape>;
using Sizes = std::vector<int64_t>;

struct Input {
  const void* data;
  Shape shape;
  const float* floats() const { return static_cast<const float*>(data); }
  const int32_t* ints() const { return static_cast<const int32_t*>(data); }
  int64_t count() const {
    int64_t product = 1;
    for (const int64_t size : shape) product *= size;
    return product;
  }
};
using Inputs = std::vector<Input>;
using Outputs = std::vector<float*>;

struct FusedOp {
  const char* name;
  // Argument specifications as TensorFlow writes them, "x: float".
  std::vector<const char*> inputs, outputs;
  // The outputs' shapes; or what is wrong with the inputs, to be read behind the op's name.
  std::string (*shapes)(const Shapes& inputs, const Sizes& sizes, Shapes* outputs);
  // What is wrong with the values, where something can be.
  std::string (*values)(const Inputs& inputs, const Sizes& sizes);
  // `factor` is a scale or an epsilon.
  void (*compute)(const Inputs& inputs, const Sizes& sizes, float factor, const Outputs& outputs);
};

namespace fused {

// All of them, in an order that does not change while the process runs.
const std::vector<FusedOp>& all();
const FusedOp* find(const std::string& name);

// op.shapes, for sizes of any kind.
std::string shapesOf(const FusedOp& op, const Shapes& inputs, const Sizes& sizes, Shapes* outputs);

std::string idsWithin(const Input& ids, int64_t end);
// What is wrong with a matrix in fewer bits, sizes of whose op begin with its kind, outputs and inputs.
std::string packedMisfit(const Shape& codes, const Shape& scales, const Sizes& sizes);
std::string holesWithin(const Input& holes, int64_t end);

#define FUSED(name)                                                        \
  std::string name##Shapes(const Shapes&, const Sizes&, Shapes*);         \
  void name(const Inputs&, const Sizes&, float, const Outputs&);
FUSED(rmsNorm)
FUSED(rmsNormGrad)
FUSED(addRmsNorm)
FUSED(addRmsNormGrad)
FUSED(matMul)
FUSED(addMatMul)
FUSED(packedMatMul)
FUSED(packedRows)
FUSED(panels)
FUSED(panelMatMul)
FUSED(panelRows)
FUSED(mergePanels)
FUSED(after)
FUSED(swiglu)
FUSED(swigluGrad)
FUSED(causalSoftmax)
FUSED(causalSoftmaxGrad)
FUSED(attention)
FUSED(attentionGrad)
FUSED(nextToken)
FUSED(splitHeads)
FUSED(mergeHeads)
FUSED(targetLogProbs)
FUSED(targetLogProbsGrad)
FUSED(dropout)
FUSED(adamw)
#undef FUSED
std::string panelRowsValues(const Inputs&, const Sizes&);
std::string nextTokenValues(const Inputs&, const Sizes&);
std::string packedRowsValues(const Inputs&, const Sizes&);
std::string causalSoftmaxValues(const Inputs&, const Sizes&);
std::string causalSoftmaxGradValues(const Inputs&, const Sizes&);
std::string attentionValues(const Inputs&, const Sizes&);
std::string attentionGradValues(const Inputs&, const Sizes&);
std::string targetLogProbsValues(const Inputs&, const Sizes&);
std::string targetLogProbsGradValues(const Inputs&, const Sizes&);

}  // namespace fused
