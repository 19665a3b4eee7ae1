#include "../compute/packedPanels.h"
#include "../parallel.h"
#include "byProcessor.h"
#include "fused.h"
#include "tiles.h"

namespace {

// Of sizes: a kind, outputs and inputs.
packed::Matrix matrixOf(const Input& words, const Input& scales, const Sizes& sizes) {
  return {sizes[0], static_cast<const uint32_t*>(words.data), scales.floats(), sizes[2], sizes[1]};
}

// x W, or x W^T.
struct Multiplying {
  product::Product product;
  packed::Matrix w;
  bool turned;

  template <class R>
  MEMBER void some(Index from, Index to) const {
    if (turned) tiles::multiply<R>(product, panels::TurnedUnpacked{{w}}, from, to);
    else tiles::multiply<R>(product, panels::StraightUnpacked{{w}}, from, to);
  }
};

EVERY_PROCESSOR void rows(const packed::Matrix& w, const int32_t* ids, Index from, Index to, float* y) {
  for (Index i = from; i < to; i++) packed::column(w, ids[i], y + i * w.inner);
}

}  // namespace

namespace fused {

std::string packedMisfit(const Shape& words, const Shape& scales, const Sizes& sizes) {
  if (sizes[0] > packed::kNf4) return "knows no such kind";
  if (words != Shape{packed::sizeOf(sizes[0], sizes[2], sizes[1])} || scales != Shape{packed::scalesOf(sizes[0], sizes[2], sizes[1])})
    return "was given codes or scales that do not fit";
  return "";
}

// x W^T, or x W where sizes say back, W [outputs, inputs] in fewer bits: of its transposed the panels.
std::string packedMatMulShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  if (sizes.size() != 4 || sizes[3] > 1) return "takes a kind, outputs, inputs and 1 for back as its sizes";
  const std::string wrong = packedMisfit(in[1], in[2], sizes);
  if (!wrong.empty()) return wrong;
  const int64_t outputs = sizes[1], inputs = sizes[2];
  if (in[0].size() != 2 || in[0][1] != (sizes[3] == 1 ? outputs : inputs)) return "takes rows as wide as the matrix";
  *out = {{in[0][0], sizes[3] == 1 ? inputs : outputs}};
  return "";
}
void packedMatMul(const Inputs& in, const Sizes& sizes, float, const Outputs& out) {
  const bool back = sizes[3] == 1;
  const Index columns = back ? sizes[2] : sizes[1];
  const Multiplying multiplying{{in[0].floats(), nullptr, nullptr, out[0], in[0].shape[0], in[0].shape[1], columns, false, back}, matrixOf(in[1], in[2], sizes), back};
  const Index wide = ByProcessor<Multiplying>::wide();
  parallel::rows((columns + wide - 1) / wide, product::costOf(multiplying.product),
                 [&](int64_t from, int64_t to) { ByProcessor<Multiplying>::run(multiplying, from, to); });
}

// Rows of a matrix in fewer bits.
std::string packedRowsShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  if (sizes.size() != 3) return "takes a kind, outputs and inputs as its sizes";
  const std::string wrong = packedMisfit(in[0], in[1], sizes);
  if (!wrong.empty()) return wrong;
  if (in[2].size() != 1) return "takes ids [N]";
  *out = {{in[2][0], sizes[2]}};
  return "";
}
std::string packedRowsValues(const Inputs& in, const Sizes& sizes) { return idsWithin(in[2], sizes[1]); }
void packedRows(const Inputs& in, const Sizes& sizes, float, const Outputs& out) {
  const packed::Matrix w = matrixOf(in[0], in[1], sizes);
  const int64_t count = in[2].shape[0];
  parallel::rows(count, count * w.inner, [&](int64_t from, int64_t to) { rows(w, in[2].ints(), from, to, out[0]); });
}

}  // namespace fused
