#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "../parallel.h"
#include "fused.h"
#include "math.h"

// y = a b, where sizes say so of the transposed a or b: a [N, K] (or [K, N]), b [K, M] (or [M, K]) -> y [N, M]; or y = start + a b.
//
// As every fast product does it: b is laid out anew, some columns of it at a time, as a panel that stays in the second cache; rows of y are
// computed in the registers, some rows and columns at a time. What makes it faster than oneDNN's on the hundred rows of a training is that
// meanwhile the next panel is fetched: with few rows, waiting for b is what takes the time.

namespace {

// So many numbers of the inner side at a time, so that a panel is no larger than a quarter of a usual second cache.
constexpr int64_t kInner = 2048;

struct Product {
  // start: null for 0.
  const float *a, *b, *start;
  float* y;
  int64_t rows, inner, columns;
  bool aTransposed, bTransposed;
};

// The vectors and the rows that are computed in the registers at a time: two vectors side by side, and as many rows as there are registers for.
template <int kBytes, int kMost>
struct Registers {
  typedef float Vector __attribute__((vector_size(kBytes)));
  typedef float Anywhere __attribute__((vector_size(kBytes), aligned(4), may_alias));
  typedef int32_t Places __attribute__((vector_size(kBytes)));
  static constexpr int kEach = kBytes / 4;
  static constexpr int kWide = 2 * kEach;
  static constexpr int kRows = kMost;
};

// Where the numbers of the next panel are, to be fetched meanwhile: `step` on with every inner number.
struct Ahead {
  const float* data;
  int64_t step;
};

// y = start + a p (start null: 0): kCount rows, one panel [inner, kWide] p. a's number (i, k) is at i * aRow + k, or at i + k * aRow where it is transposed.
template <class R, int kCount, bool kTransposed>
INLINE void tile(const float* a, int64_t aRow, const float* p, int64_t inner, Ahead ahead, const float* start, float* y, int64_t yRow) {
  using Vector = typename R::Vector;
  using Anywhere = typename R::Anywhere;
  Vector left[kCount], right[kCount];
  for (int i = 0; i < kCount; i++) {
    left[i] = start != nullptr ? *reinterpret_cast<const Anywhere*>(start + i * yRow) : Vector{};
    right[i] = start != nullptr ? *reinterpret_cast<const Anywhere*>(start + i * yRow + R::kEach) : Vector{};
  }
  for (int64_t k = 0; k < inner; k++) {
    const Vector first = *reinterpret_cast<const Vector*>(p + k * R::kWide);
    const Vector second = *reinterpret_cast<const Vector*>(p + k * R::kWide + R::kEach);
    __builtin_prefetch(ahead.data + k * ahead.step, 0, 2);
#pragma GCC unroll 16
    for (int i = 0; i < kCount; i++) {
      const float x = kTransposed ? a[i + k * aRow] : a[i * aRow + k];
      left[i] += x * first;
      right[i] += x * second;
    }
  }
  for (int i = 0; i < kCount; i++) {
    *reinterpret_cast<Anywhere*>(y + i * yRow) = left[i];
    *reinterpret_cast<Anywhere*>(y + i * yRow + R::kEach) = right[i];
  }
}

template <class R, int kCount, bool kTransposed>
INLINE void tileOf(int64_t count, const float* a, int64_t aRow, const float* p, int64_t inner, Ahead ahead, const float* start, float* y, int64_t yRow) {
  if constexpr (kCount > 1)
    if (count < kCount) return tileOf<R, kCount - 1, kTransposed>(count, a, aRow, p, inner, ahead, start, y, yRow);
  tile<R, kCount, kTransposed>(a, aRow, p, inner, ahead, start, y, yRow);
}

// Columns and rows change places: kEach vectors of kEach numbers.
template <class R>
INLINE void transpose(const float* from, int64_t row, float* to, int64_t toRow) {
  using Vector = typename R::Vector;
  constexpr int n = R::kEach;
  typename R::Places low, high;
  for (int i = 0; i < n; i++) {
    low[i] = i / 2 + (i % 2) * n;
    high[i] = n / 2 + i / 2 + (i % 2) * n;
  }
  Vector now[n], next[n];
  for (int i = 0; i < n; i++) now[i] = *reinterpret_cast<const typename R::Anywhere*>(from + i * row);
#pragma GCC unroll 4
  for (int round = 1; round < n; round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < n / 2; i++) {
      next[2 * i] = __builtin_shuffle(now[i], now[i + n / 2], low);
      next[2 * i + 1] = __builtin_shuffle(now[i], now[i + n / 2], high);
    }
    for (int i = 0; i < n; i++) now[i] = next[i];
  }
  for (int i = 0; i < n; i++) *reinterpret_cast<Vector*>(to + i * toRow) = now[i];
}

// Columns `column` on of b as a panel [inner, kWide], from the inner number `k` on; 0 where there are no more columns.
template <class R>
INLINE void panelOf(const Product& product, int64_t k, int64_t inner, int64_t column, float* panel) {
  const int64_t columns = std::min<int64_t>(R::kWide, product.columns - column);
  if (columns < R::kWide) std::fill(panel, panel + inner * R::kWide, 0.0f);
  if (!product.bTransposed) {
    const float* from = product.b + k * product.columns + column;
    if (columns < R::kWide) {
      for (int64_t i = 0; i < inner; i++) std::copy(from + i * product.columns, from + i * product.columns + columns, panel + i * R::kWide);
      return;
    }
    for (int64_t i = 0; i < inner; i++)
      for (int half = 0; half < R::kWide; half += R::kEach)
        *reinterpret_cast<typename R::Vector*>(panel + i * R::kWide + half) =
            *reinterpret_cast<const typename R::Anywhere*>(from + i * product.columns + half);
    return;
  }
  for (int64_t first = 0; first < columns; first += R::kEach) {
    const float* from = product.b + (column + first) * product.inner + k;
    const int64_t rows = std::min<int64_t>(R::kEach, columns - first);
    int64_t done = 0;
    if (rows == R::kEach)
      for (; done + R::kEach <= inner; done += R::kEach)
        transpose<R>(from + done, product.inner, panel + done * R::kWide + first, R::kWide);
    for (; done < inner; done++)
      for (int64_t i = 0; i < rows; i++) panel[done * R::kWide + first + i] = from[i * product.inner + done];
  }
}

// Where the numbers of a panel are that tile `at` of `tiles` is to fetch.
template <class R>
INLINE Ahead aheadOf(const Product& product, int64_t k, int64_t inner, int64_t column, int64_t at, int64_t tiles) {
  constexpr int64_t kLine = 16;
  const float* nothing = product.b;
  if (column >= product.columns) return {nothing, 0};
  if (!product.bTransposed) {
    // One line of each row, or two.
    const int64_t line = at * kLine;
    if (line >= R::kWide || column + line >= product.columns) return {nothing, 0};
    return {product.b + k * product.columns + column + line, product.columns};
  }
  // Whole rows one behind the other, where they are no longer than the panel.
  if (inner != product.inner) return {nothing, 0};
  const int64_t rows = std::min<int64_t>(R::kWide, product.columns - column);
  const int64_t step = std::min<int64_t>(kLine, (rows + tiles - 1) / tiles);
  if (step * (at + 1) > rows) return {nothing, 0};
  return {product.b + column * product.inner + at * step * inner, step};
}

struct Free {
  void operator()(float* data) const { ::operator delete[](data, std::align_val_t(64)); }
};

// Memory of one thread, kept from call to call.
float* room(int64_t count) {
  thread_local std::unique_ptr<float[], Free> data;
  thread_local int64_t size = 0;
  if (size < count) {
    data.reset(static_cast<float*>(::operator new[](static_cast<size_t>(count) * sizeof(float), std::align_val_t(64))));
    size = count;
  }
  return data.get();
}

// The panels `from` to `to`.
template <class R, bool kTransposed>
INLINE void panels(const Product& product, int64_t from, int64_t to) {
  const int64_t most = std::min(kInner, product.inner);
  // Rows that lie whole pages apart would all want the same few places of the first cache.
  const bool apart = !kTransposed && product.inner % 1024 == 0;
  const int64_t width = apart ? most + 16 : (kTransposed ? product.rows : product.inner);
  float* panel = room(most * R::kWide + R::kRows * R::kWide + (apart ? product.rows * width : 0));
  float* scratch = panel + most * R::kWide;
  float* moved = scratch + R::kRows * R::kWide;
  const int64_t tiles = (product.rows + R::kRows - 1) / R::kRows;
  for (int64_t k = 0; k < product.inner; k += most) {
    const int64_t inner = std::min(most, product.inner - k);
    const float* a = product.a + (kTransposed ? k * product.rows : k);
    if (apart) {
      for (int64_t i = 0; i < product.rows; i++) std::copy(a + i * product.inner, a + i * product.inner + inner, moved + i * width);
      a = moved;
    }
    for (int64_t at = from; at < to; at++) {
      const int64_t column = at * R::kWide;
      const int64_t columns = std::min<int64_t>(R::kWide, product.columns - column);
      panelOf<R>(product, k, inner, column, panel);
      for (int64_t t = 0; t < tiles; t++) {
        const int64_t row = t * product.rows / tiles, count = (t + 1) * product.rows / tiles - row;
        const float* rows = kTransposed ? a + row : a + row * width;
        const int64_t place = row * product.columns + column;
        float* y = product.y + place;
        const float* start = k > 0 ? y : (product.start != nullptr ? product.start + place : nullptr);
        const Ahead ahead = aheadOf<R>(product, k, inner, column + R::kWide, t, tiles);
        if (columns == R::kWide) {
          tileOf<R, R::kRows, kTransposed>(count, rows, width, panel, inner, ahead, start, y, product.columns);
          continue;
        }
        for (int64_t i = 0; start != nullptr && i < count; i++)
          std::copy(start + i * product.columns, start + i * product.columns + columns, scratch + i * R::kWide);
        tileOf<R, R::kRows, kTransposed>(count, rows, width, panel, inner, ahead, start != nullptr ? scratch : nullptr, scratch, R::kWide);
        for (int64_t i = 0; i < count; i++) std::copy(scratch + i * R::kWide, scratch + i * R::kWide + columns, y + i * product.columns);
      }
    }
  }
}

template <class R>
INLINE void some(const Product& product, int64_t from, int64_t to) {
  if (product.aTransposed) panels<R, true>(product, from, to);
  else panels<R, false>(product, from, to);
}

using Usual = Registers<16, 4>;
void usual(const Product& product, int64_t from, int64_t to) { some<Usual>(product, from, to); }
#if defined(__x86_64__)
using Wide = Registers<32, 6>;
using Widest = Registers<64, 14>;
__attribute__((target("arch=x86-64-v3"))) void wide(const Product& product, int64_t from, int64_t to) { some<Wide>(product, from, to); }
__attribute__((target("arch=x86-64-v4"))) void widest(const Product& product, int64_t from, int64_t to) { some<Widest>(product, from, to); }
#endif

struct Way {
  void (*run)(const Product&, int64_t, int64_t);
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

// Multiplies, where out has the shape of the product.
void multiply(const Input& a, const Input& b, const float* start, const Sizes& sizes, float* y) {
  const size_t aSide = static_cast<size_t>(sizes[0]), bSide = static_cast<size_t>(sizes[1]);
  const Product product{a.floats(), b.floats(), start, y, a.shape[aSide], b.shape[bSide], b.shape[1 - bSide], aSide == 1, bSide == 1};
  const int64_t all = product.rows * product.columns;
  if (product.inner == 0) {
    if (start == nullptr) std::fill(y, y + all, 0.0f);
    else std::copy(start, start + all, y);
    return;
  }
  static const Way way = wayOf();
  const int64_t count = (product.columns + way.wide - 1) / way.wide;
  // In numbers touched, as parallel::rows counts: a product touches each about an eighth of a time.
  const int64_t cost = product.rows * product.inner * product.columns / 8;
  parallel::rows(count, cost, [&](int64_t from, int64_t to) { way.run(product, from, to); });
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
