#include <memory>
#include <new>

#include "../compute/matMul.h"
#include "../parallel.h"
#include "fused.h"

namespace {

using product::Product;
using product::Registers;

struct Free {
  void operator()(float* data) const { ::operator delete[](data, std::align_val_t(64)); }
};

// Memory of one thread, kept from call to call.
float* room(Index count) {
  thread_local std::unique_ptr<float[], Free> data;
  thread_local Index size = 0;
  if (size < count) {
    data.reset(static_cast<float*>(::operator new[](static_cast<size_t>(count) * sizeof(float), std::align_val_t(64))));
    size = count;
  }
  return data.get();
}

struct Given {
  Product product;
  // The right side where it has fewer bits; codes null: product.b.
  packed::Matrix packed;
};

template <class R>
INLINE void some(const Given& given, Index from, Index to) {
  float* memory = room(product::roomOf<R>(given.product));
  if (given.packed.codes != nullptr) product::some<R>(given.product, given.packed, from, to, memory);
  else product::some<R>(given.product, from, to, memory);
}

using Usual = Registers<16, 4>;
void usual(const Given& given, int64_t from, int64_t to) { some<Usual>(given, from, to); }
#if defined(__x86_64__)
using Wide = Registers<32, 6>;
using Widest = Registers<64, 14>;
__attribute__((target("arch=x86-64-v3"))) void wide(const Given& given, int64_t from, int64_t to) { some<Wide>(given, from, to); }
__attribute__((target("arch=x86-64-v4"))) void widest(const Given& given, int64_t from, int64_t to) { some<Widest>(given, from, to); }
#endif

struct Way {
  void (*run)(const Given&, int64_t, int64_t);
  int64_t wide;
};

Way wayOf() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return {widest, Widest::kWide};
  if (__builtin_cpu_supports("x86-64-v3")) return {wide, Wide::kWide};
#endif
  return {usual, Usual::kWide};
}

void multiply(const Given& given) {
  const Product& product = given.product;
  static const Way way = wayOf();
  const int64_t count = (product.columns + way.wide - 1) / way.wide;
  // In numbers touched, as parallel::rows counts: a product touches each about an eighth of a time.
  const int64_t cost = product.rows * product.inner * product.columns / 8;
  parallel::rows(count, cost, [&](int64_t from, int64_t to) { way.run(given, from, to); });
}

// Where out has the shape of the product.
void multiply(const Input& a, const Input& b, const float* start, const Sizes& sizes, float* y) {
  const size_t aSide = static_cast<size_t>(sizes[0]), bSide = static_cast<size_t>(sizes[1]);
  multiply({{a.floats(), b.floats(), start, y, a.shape[aSide], b.shape[bSide], b.shape[1 - bSide], aSide == 1, bSide == 1}, {}});
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

// x W^T, or x W where sizes say back, W [outputs, inputs] in fewer bits.
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
  const int64_t inner = in[0].shape[1], columns = back ? sizes[2] : sizes[1];
  multiply({{in[0].floats(), nullptr, nullptr, out[0], in[0].shape[0], inner, columns, false, !back},
            {sizes[0], static_cast<const uint8_t*>(in[1].data), in[2].floats()}});
}

}  // namespace fused
