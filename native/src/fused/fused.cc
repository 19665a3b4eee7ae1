#include "fused.h"

namespace fused {

std::string idsWithin(const Input& ids, int64_t end) {
  const int32_t* values = ids.ints();
  for (int64_t i = 0; i < ids.count(); i++)
    if (values[i] < 0 || values[i] >= end) return "was given the id " + std::to_string(values[i]) + " of " + std::to_string(end);
  return "";
}

std::string shapesOf(const FusedOp& op, const Shapes& inputs, const Sizes& sizes, Shapes* outputs) {
  // Products of two of them are whole numbers then.
  for (const int64_t size : sizes)
    if (size < 0 || size > INT32_MAX) return "was given the size " + std::to_string(size);
  return op.shapes(inputs, sizes, outputs);
}

const std::vector<FusedOp>& all() {
  static const auto* ops = new std::vector<FusedOp>{
      {"SparringRmsNorm", {"x: float", "weight: float"}, {"y: float"}, rmsNormShapes, nullptr, rmsNorm},
      {"SparringRmsNormGrad", {"dy: float", "x: float", "weight: float"}, {"dx: float"}, rmsNormGradShapes, nullptr, rmsNormGrad},
      {"SparringAddRmsNorm", {"x: float", "added: float", "weight: float"}, {"sum: float", "y: float"}, addRmsNormShapes, nullptr, addRmsNorm},
      {"SparringAddRmsNormGrad", {"dsum: float", "dy: float", "sum: float", "weight: float"}, {"dx: float"}, addRmsNormGradShapes, nullptr, addRmsNormGrad},
      {"SparringMatMul", {"a: float", "b: float"}, {"y: float"}, matMulShapes, nullptr, matMul},
      {"SparringAddMatMul", {"start: float", "a: float", "b: float"}, {"y: float"}, addMatMulShapes, nullptr, addMatMul},
      {"SparringPackedMatMul", {"x: float", "codes: int32", "scales: float"}, {"y: float"}, packedMatMulShapes, nullptr, packedMatMul},
      {"SparringPackedRows", {"codes: int32", "scales: float", "ids: int32"}, {"y: float"}, packedRowsShapes, packedRowsValues, packedRows},
      {"SparringPanels", {"x: float"}, {"y: float"}, panelsShapes, nullptr, panels},
      {"SparringPanelMatMul", {"x: float", "panels: float"}, {"y: float"}, panelMatMulShapes, nullptr, panelMatMul},
      {"SparringPanelRows", {"panels: float", "ids: int32"}, {"y: float"}, panelRowsShapes, panelRowsValues, panelRows},
      {"SparringMergePanels", {"panels: float", "a: float", "b: float"}, {"merged: float", "back: float"}, mergePanelsShapes, nullptr, mergePanels},
      {"SparringAfter", {"x: float", "other: float"}, {"y: float"}, afterShapes, nullptr, after},
      {"SparringSwiglu", {"gate: float", "up: float"}, {"y: float"}, swigluShapes, nullptr, swiglu},
      {"SparringSwigluGrad", {"dy: float", "gate: float", "up: float"}, {"dgate: float", "dup: float"}, swigluGradShapes, nullptr, swigluGrad},
      {"SparringCausalSoftmax", {"scores: float", "holes: int32"}, {"y: float"}, causalSoftmaxShapes, causalSoftmaxValues, causalSoftmax},
      {"SparringCausalSoftmaxGrad", {"dy: float", "y: float", "holes: int32"}, {"dx: float"}, causalSoftmaxGradShapes, causalSoftmaxGradValues, causalSoftmaxGrad},
      {"SparringAttention", {"q: float", "k: float", "v: float", "cos: float", "sin: float", "holes: int32"}, {"y: float", "log_sums: float"}, attentionShapes, attentionValues, attention},
      {"SparringAttentionGrad", {"dy: float", "log_sums: float", "q: float", "k: float", "v: float", "cos: float", "sin: float", "holes: int32"}, {"dq: float", "dk: float", "dv: float"}, attentionGradShapes, attentionGradValues, attentionGrad},
      {"SparringNextToken", {"q: float", "k: float", "v: float", "cos: float", "sin: float", "keys: float", "values: float", "seen: int32", "cap: float"}, {"y: float"}, nextTokenShapes, nextTokenValues, nextToken},
      {"SparringSplitHeads", {"x: float", "cos: float", "sin: float"}, {"y: float"}, splitHeadsShapes, nullptr, splitHeads},
      {"SparringMergeHeads", {"x: float", "cos: float", "sin: float"}, {"y: float"}, mergeHeadsShapes, nullptr, mergeHeads},
      {"SparringTargetLogProbs", {"logits: float", "ids: int32"}, {"log_probs: float", "log_sums: float"}, targetLogProbsShapes, targetLogProbsValues, targetLogProbs},
      {"SparringTargetLogProbsGrad", {"dy: float", "logits: float", "log_sums: float", "ids: int32"}, {"dx: float"}, targetLogProbsGradShapes, targetLogProbsGradValues, targetLogProbsGrad},
      {"SparringDropout", {"x: float", "key: int32"}, {"y: float"}, dropoutShapes, nullptr, dropout},
      {"SparringAdamw", {"parameter: float", "grad: float", "first: float", "second: float", "numbers: float"}, {"parameter_out: float", "first_out: float", "second_out: float"}, adamwShapes, nullptr, adamw},
  };
  return *ops;
}

const FusedOp* find(const std::string& name) {
  for (const FusedOp& op : all())
    if (name == op.name) return &op;
  return nullptr;
}

}  // namespace fused
