#include "../compute/packed.h"

#include "../parallel.h"
#include "fused.h"

namespace {

int64_t parts(int64_t count, int64_t each) { return count / each + (count % each != 0); }

EVERY_PROCESSOR void rows(const packed::Matrix& matrix, const int32_t* ids, int64_t width, int64_t from, int64_t to, float* y) {
  for (int64_t i = from; i < to; i++) packed::numbers<16>(matrix, ids[i] * width, width, y + i * width);
}

}  // namespace

namespace fused {

std::string packedMisfit(const Shape& codes, const Shape& scales, const Sizes& sizes) {
  if (sizes[0] > packed::kNf4) return "knows no such kind";
  const int64_t kind = sizes[0], count = sizes[1] * sizes[2];
  const int64_t blocks = kind < packed::kInt8 ? 0 : parts(count, packed::kBlock);
  if (codes != Shape{parts(count, 32 / packed::bitsOf(kind))} || scales != Shape{blocks + (kind == packed::kNf4 ? packed::kBook : 0)})
    return "was given codes or scales that do not fit";
  return "";
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
  const packed::Matrix matrix{sizes[0], static_cast<const uint8_t*>(in[0].data), in[1].floats()};
  const int64_t count = in[2].shape[0], width = sizes[2];
  parallel::rows(count, count * width, [&](int64_t from, int64_t to) { rows(matrix, in[2].ints(), width, from, to, out[0]); });
}

}  // namespace fused
