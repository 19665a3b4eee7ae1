#include <vector>

#include "../compute/matMul.h"
#include "../parallel.h"
#include "byProcessor.h"
#include "fused.h"
#include "tiles.h"

namespace {

using product::Product;

struct Given {
  Product product;

  template <class R>
  MEMBER void some(Index from, Index to) const {
    tiles::multiply<R>(product, product::Floats{}, from, to);
  }
};

void multiply(const Given& given) {
  const Product& product = given.product;
  const Index wide = ByProcessor<Given>::wide();
  parallel::rows((product.columns + wide - 1) / wide, product::costOf(product), [&](int64_t from, int64_t to) { ByProcessor<Given>::run(given, from, to); });
}

// y = a^T b by its transposed, b^T a: where y is tall and narrow, as the gradient of an adapter's first factor, rows of b would be used too rarely.
void multiplyTurned(const Input& a, const Input& b, float* y) {
  const Index inner = a.shape[0], rows = a.shape[1], columns = b.shape[1];
  std::vector<float> turned(static_cast<size_t>(rows * columns));
  multiply({{b.floats(), a.floats(), nullptr, turned.data(), columns, inner, rows, true, false}});
  constexpr Index kBlock = 16;
  for (Index first = 0; first < rows; first += kBlock)
    for (Index j = 0; j < columns; j++)
      for (Index i = first; i < math::smaller(rows, first + kBlock); i++) y[i * columns + j] = turned[static_cast<size_t>(j * rows + i)];
}

// Where out has the shape of the product.
void multiply(const Input& a, const Input& b, const float* start, const Sizes& sizes, float* y) {
  const size_t aSide = static_cast<size_t>(sizes[0]), bSide = static_cast<size_t>(sizes[1]);
  const Index rows = a.shape[aSide], inner = b.shape[bSide], columns = b.shape[1 - bSide];
  if (aSide == 1 && bSide == 0 && start == nullptr && inner > 0 && columns <= 128 && rows >= 2 * columns) return multiplyTurned(a, b, y);
  multiply({{a.floats(), b.floats(), start, y, rows, inner, columns, aSide == 1, bSide == 1}});
}

}  // namespace

namespace fused {

std::string matMulShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  if (sizes.size() != 2 || sizes[0] > 1 || sizes[1] > 1) return "takes two sizes, 1 for what is transposed";
  if (in[0].size() != 2 || in[1].size() != 2) return "takes two matrices";
  const size_t a = static_cast<size_t>(sizes[0]), b = static_cast<size_t>(sizes[1]);
  if (in[0][1 - a] != in[1][b]) return "was given matrices that do not fit";
  *out = {{in[0][a], in[1][1 - b]}};
  return "";
}
void matMul(const Inputs& in, const Sizes& sizes, float, const Outputs& out) { multiply(in[0], in[1], nullptr, sizes, out[0]); }

std::string addMatMulShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  const std::string wrong = matMulShapes({in[1], in[2]}, sizes, out);
  if (!wrong.empty()) return wrong;
  return in[0] == (*out)[0] ? "" : "takes a start of the product's shape";
}
void addMatMul(const Inputs& in, const Sizes& sizes, float, const Outputs& out) { multiply(in[1], in[2], in[0].floats(), sizes, out[0]); }

}  // namespace fused
