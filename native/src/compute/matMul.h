// y = a b, where sizes say so of the transposed a or b: a [N, K] (or [K, N]), b [K, M] (or [M, K]) -> y [N, M]; or y = start + a b.
//
// As every fast product does it: b is laid out anew, some columns of it at a time, as a panel that stays in the second cache; rows of y are
// computed in the registers, some rows and columns at a time. What makes it faster than oneDNN's on the hundred rows of a training is that
// meanwhile the next panel is fetched: with few rows, waiting for b is what takes the time.
#pragma once
#include "math.h"
#include "packed.h"

namespace product {

// So many numbers of the inner side at a time, so that a panel is no larger than a quarter of a usual second cache.
constexpr Index kInner = 2048;

struct Product {
  // start: null for 0.
  const float *a, *b, *start;
  float* y;
  Index rows, inner, columns;
  bool aTransposed, bTransposed;
  // Rows that lie whole pages apart would all want the same few places of the first cache.
  bool apart() const { return !aTransposed && inner % 1024 == 0; }
};

// The vectors and the rows that are computed in the registers at a time: two vectors side by side, and as many rows as there are registers for.
template <int kVectorBytes, int kMost>
struct Registers {
  typedef float Vector __attribute__((vector_size(kVectorBytes)));
  typedef float Anywhere __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));
  static constexpr int kBytes = kVectorBytes;
  static constexpr int kEach = kBytes / 4;
  static constexpr int kWide = 2 * kEach;
  static constexpr int kRows = kMost;
};

// Where the numbers of the next panel are, to be fetched meanwhile: `step` on with every inner number.
struct Ahead {
  const float* data;
  Index step;
};

// y = start + a p (start null: 0): kCount rows, one panel [inner, kWide] p. a's number (i, k) is at i * aRow + k, or at i + k * aRow where it is transposed.
template <class R, int kCount, bool kTransposed>
INLINE void tile(const float* a, Index aRow, const float* p, Index inner, Ahead ahead, const float* start, float* y, Index yRow) {
  using Vector = typename R::Vector;
  using Anywhere = typename R::Anywhere;
  Vector left[kCount], right[kCount];
  for (int i = 0; i < kCount; i++) {
    left[i] = start != nullptr ? *reinterpret_cast<const Anywhere*>(start + i * yRow) : Vector{};
    right[i] = start != nullptr ? *reinterpret_cast<const Anywhere*>(start + i * yRow + R::kEach) : Vector{};
  }
  for (Index k = 0; k < inner; k++) {
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
INLINE void tileOf(Index count, const float* a, Index aRow, const float* p, Index inner, Ahead ahead, const float* start, float* y, Index yRow) {
  if constexpr (kCount > 1)
    if (count < kCount) return tileOf<R, kCount - 1, kTransposed>(count, a, aRow, p, inner, ahead, start, y, yRow);
  tile<R, kCount, kTransposed>(a, aRow, p, inner, ahead, start, y, yRow);
}

template <int... kAll>
struct Places {};
template <int kCount, int... kAll>
struct Count : Count<kCount - 1, kCount - 1, kAll...> {};
template <int... kAll>
struct Count<0, kAll...> {
  using All = Places<kAll...>;
};

// Columns and rows change places: kEach vectors of kEach numbers.
template <class R, int... kAll>
INLINE void transpose(const float* from, Index row, float* to, Index toRow, Places<kAll...>) {
  using Vector = typename R::Vector;
  constexpr int n = R::kEach;
  Vector now[n], next[n];
  for (int i = 0; i < n; i++) now[i] = *reinterpret_cast<const typename R::Anywhere*>(from + i * row);
#pragma GCC unroll 4
  for (int round = 1; round < n; round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < n / 2; i++) {
      next[2 * i] = __builtin_shufflevector(now[i], now[i + n / 2], (kAll / 2 + kAll % 2 * n)...);
      next[2 * i + 1] = __builtin_shufflevector(now[i], now[i + n / 2], (n / 2 + kAll / 2 + kAll % 2 * n)...);
    }
    for (int i = 0; i < n; i++) now[i] = next[i];
  }
  for (int i = 0; i < n; i++) *reinterpret_cast<Vector*>(to + i * toRow) = now[i];
}

// A panel's columns where rows of b lie along it: kEach of them, `count` numbers each, change places.
template <class R>
INLINE void turned(const float* from, Index row, Index rows, Index count, float* panel) {
  Index done = 0;
  if (rows == R::kEach)
    for (; done + R::kEach <= count; done += R::kEach)
      transpose<R>(from + done, row, panel + done * R::kWide, R::kWide, typename Count<R::kEach>::All{});
  for (; done < count; done++)
    for (Index i = 0; i < rows; i++) panel[done * R::kWide + i] = from[i * row + done];
}

// Columns `column` on of b as a panel [inner, kWide], from the inner number `k` on; 0 where there are no more columns.
template <class R>
INLINE void panelOf(const Product& product, Index k, Index inner, Index column, float* panel) {
  const Index columns = math::smaller(R::kWide, product.columns - column);
  if (columns < R::kWide) math::fill(panel, inner * R::kWide, 0.0f);
  if (!product.bTransposed) {
    const float* from = product.b + k * product.columns + column;
    if (columns < R::kWide) {
      for (Index i = 0; i < inner; i++) math::copy(from + i * product.columns, columns, panel + i * R::kWide);
      return;
    }
    for (Index i = 0; i < inner; i++)
      for (int half = 0; half < R::kWide; half += R::kEach)
        *reinterpret_cast<typename R::Vector*>(panel + i * R::kWide + half) =
            *reinterpret_cast<const typename R::Anywhere*>(from + i * product.columns + half);
    return;
  }
  for (Index first = 0; first < columns; first += R::kEach)
    turned<R>(product.b + (column + first) * product.inner + k, product.inner, math::smaller(R::kEach, columns - first), inner, panel + first);
}

// The same of a b in fewer bits.
template <class R>
INLINE void panelOf(const Product& product, const packed::Matrix& b, Index k, Index inner, Index column, float* panel) {
  const Index columns = math::smaller(R::kWide, product.columns - column);
  if (columns < R::kWide) math::fill(panel, inner * R::kWide, 0.0f);
  if (!product.bTransposed) {
    for (Index i = 0; i < inner; i++) packed::numbers<R::kBytes>(b, (k + i) * product.columns + column, columns, panel + i * R::kWide);
    return;
  }
  // So many numbers of each row at a time: they stay in the first cache until they are turned.
  constexpr Index kPiece = packed::kBlock;
  float piece[R::kEach * kPiece];
  for (Index first = 0; first < columns; first += R::kEach) {
    const Index rows = math::smaller(R::kEach, columns - first);
    for (Index done = 0; done < inner; done += kPiece) {
      const Index count = math::smaller(kPiece, inner - done);
      for (Index i = 0; i < rows; i++) packed::numbers<R::kBytes>(b, (column + first + i) * product.inner + k + done, count, piece + i * kPiece);
      turned<R>(piece, kPiece, rows, count, panel + done * R::kWide + first);
    }
  }
}

// Where the numbers of a panel are that tile `at` of `tiles` is to fetch.
template <class R>
INLINE Ahead aheadOf(const Product& product, Index k, Index inner, Index column, Index at, Index tiles) {
  constexpr Index kLine = 16;
  const float* nothing = product.b;
  if (column >= product.columns) return {nothing, 0};
  if (!product.bTransposed) {
    // One line of each row, or two.
    const Index line = at * kLine;
    if (line >= R::kWide || column + line >= product.columns) return {nothing, 0};
    return {product.b + k * product.columns + column + line, product.columns};
  }
  // Whole rows one behind the other, where they are no longer than the panel.
  if (inner != product.inner) return {nothing, 0};
  const Index rows = math::smaller(R::kWide, product.columns - column);
  const Index step = math::smaller(kLine, (rows + tiles - 1) / tiles);
  if (step * (at + 1) > rows) return {nothing, 0};
  return {product.b + column * product.inner + at * step * inner, step};
}

// The right side of a product: its own b, or a matrix of fewer bits.
struct Floats {
  template <class R>
  MEMBER void panel(const Product& product, Index k, Index inner, Index column, float* panel) const {
    panelOf<R>(product, k, inner, column, panel);
  }
  template <class R>
  MEMBER Ahead ahead(const Product& product, Index k, Index inner, Index column, Index at, Index tiles) const {
    return aheadOf<R>(product, k, inner, column, at, tiles);
  }
};
struct FewerBits {
  const packed::Matrix& b;
  template <class R>
  MEMBER void panel(const Product& product, Index k, Index inner, Index column, float* panel) const {
    panelOf<R>(product, b, k, inner, column, panel);
  }
  // The first tile fetches all of the next panel.
  template <class R>
  MEMBER Ahead ahead(const Product& product, Index k, Index inner, Index column, Index at, Index) const {
    if (at > 0 || column >= product.columns || (product.bTransposed && inner != product.inner)) return {product.a, 0};
    const Index bits = packed::bitsOf(b.kind), rows = math::smaller(R::kWide, product.columns - column);
    const Index first = product.bTransposed ? column * inner : k * product.columns + column;
    const Index step = product.bTransposed ? rows : product.columns;
    return {reinterpret_cast<const float*>(b.codes + first * bits / 8), step * bits / 32};
  }
};

// Numbers of room that a thread needs, aligned as its vectors are.
template <class R>
INLINE Index roomOf(const Product& product) {
  const Index most = math::larger(1, math::smaller(kInner, product.inner));
  return most * R::kWide + R::kRows * R::kWide + (product.apart() ? product.rows * (most + 16) : 0);
}

// The panels `from` to `to`.
template <class R, bool kTransposed, class B>
INLINE void panels(const Product& product, const B& b, Index from, Index to, float* room) {
  const Index most = math::larger(1, math::smaller(kInner, product.inner));
  const bool apart = !kTransposed && product.apart();
  const Index width = apart ? most + 16 : (kTransposed ? product.rows : product.inner);
  float* panel = room;
  float* scratch = panel + most * R::kWide;
  float* moved = scratch + R::kRows * R::kWide;
  const Index tiles = (product.rows + R::kRows - 1) / R::kRows;
  // once at least: a sum over nothing is the start, or 0
  for (Index k = 0; k == 0 || k < product.inner; k += most) {
    const Index inner = math::smaller(most, product.inner - k);
    const float* a = product.a + (kTransposed ? k * product.rows : k);
    if (apart) {
      for (Index i = 0; i < product.rows; i++) math::copy(a + i * product.inner, inner, moved + i * width);
      a = moved;
    }
    for (Index at = from; at < to; at++) {
      const Index column = at * R::kWide;
      const Index columns = math::smaller(R::kWide, product.columns - column);
      b.template panel<R>(product, k, inner, column, panel);
      for (Index t = 0; t < tiles; t++) {
        const Index row = t * product.rows / tiles, count = (t + 1) * product.rows / tiles - row;
        const float* rows = kTransposed ? a + row : a + row * width;
        const Index place = row * product.columns + column;
        float* y = product.y + place;
        const float* start = k > 0 ? y : (product.start != nullptr ? product.start + place : nullptr);
        const Ahead ahead = b.template ahead<R>(product, k, inner, column + R::kWide, t, tiles);
        if (columns == R::kWide) {
          tileOf<R, R::kRows, kTransposed>(count, rows, width, panel, inner, ahead, start, y, product.columns);
          continue;
        }
        for (Index i = 0; start != nullptr && i < count; i++)
          math::copy(start + i * product.columns, columns, scratch + i * R::kWide);
        tileOf<R, R::kRows, kTransposed>(count, rows, width, panel, inner, ahead, start != nullptr ? scratch : nullptr, scratch, R::kWide);
        for (Index i = 0; i < count; i++) math::copy(scratch + i * R::kWide, columns, y + i * product.columns);
      }
    }
  }
}

template <class R>
INLINE void some(const Product& product, Index from, Index to, float* room) {
  if (product.aTransposed) panels<R, true>(product, Floats{}, from, to, room);
  else panels<R, false>(product, Floats{}, from, to, room);
}

// The same with b in fewer bits, a not transposed.
template <class R>
INLINE void some(const Product& product, const packed::Matrix& b, Index from, Index to, float* room) {
  panels<R, false>(product, FewerBits{b}, from, to, room);
}

}  // namespace product
