// y = a b, where sizes say so of the transposed a or b: a [N, K] (or [K, N]), b [K, M] (or [M, K]) -> y [N, M]; or y = start + a b.
//
// As every fast product does it: b is laid out anew, some columns of it at a time, as a panel that stays in the second cache; rows of y are
// computed in the registers, some rows and columns at a time. What makes it faster than oneDNN's on the hundred rows of a training is that
// meanwhile the next panel is fetched: with few rows, waiting for b is what takes the time.
#pragma once
#include "math.h"

namespace product {

// So many numbers of the inner side at a time, so that a panel is no larger than a quarter of a usual second cache.
constexpr Index kInner = 2048;

struct Product {
  // start: null for 0.
  const float *a, *b, *start;
  float* y;
  Index rows, inner, columns;
  bool aTransposed, bTransposed;
  // Inner numbers at a time. Rows of a b that is longer than that are few enough to stay in the second cache while all columns of them are used.
  Index atOnce() const { return math::larger(1, inner <= kInner || bTransposed ? math::smaller(kInner, inner) : kInner / 4); }
};

// In numbers touched: each of b once, and for every row about an eighth of a time.
INLINE Index costOf(const Product& product) { return (8 + product.rows) * product.inner * product.columns / 8; }

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

// Inner numbers between which lines of memory are fetched. WebAssembly knows nothing of the kind, and loops that are too long stay in memory there.
#if defined(__wasm__)
constexpr int kStep = 1;
#else
constexpr int kStep = 4;
#endif

// Where the numbers of the next panel are, to be fetched meanwhile: every kStep inner numbers so many lines, `step` from each to the next, and behind
// `left` of them, then behind every `run`, `jump` more.
struct Ahead {
  const float* data;
  Index step, lines;
  Index left = PTRDIFF_MAX, run = 0, jump = 0;

  MEMBER void fetch() {
    if (kStep == 1) return;
    for (Index line = 0; line < lines; line++, data += step) {
      __builtin_prefetch(data, 0, 2);
      if (--left == 0) {
        left = run;
        data += jump;
      }
    }
  }
};

// y = start + a p (start null: 0): kCount rows, one panel [inner, kWide] p. a's number (i, k) is at i + k * aRow.
template <class R, int kCount>
INLINE void tile(const float* a, Index aRow, const float* p, Index inner, Ahead ahead, const float* start, float* y, Index yRow) {
  using Vector = typename R::Vector;
  using Anywhere = typename R::Anywhere;
  Vector left[kCount], right[kCount];
#pragma GCC unroll 16
  for (int i = 0; i < kCount; i++) {
    left[i] = start != nullptr ? *reinterpret_cast<const Anywhere*>(start + i * yRow) : Vector{};
    right[i] = start != nullptr ? *reinterpret_cast<const Anywhere*>(start + i * yRow + R::kEach) : Vector{};
  }
  const auto add = [&](Index k) __attribute__((always_inline)) {
    const Vector first = *reinterpret_cast<const Vector*>(p + k * R::kWide);
    const Vector second = *reinterpret_cast<const Vector*>(p + k * R::kWide + R::kEach);
#pragma GCC unroll 16
    for (int i = 0; i < kCount; i++) {
      const float x = a[i + k * aRow];
      left[i] += x * first;
      right[i] += x * second;
    }
  };
  Index k = 0;
  // Where y will be written is fetched meanwhile, row by row: all of it at once would be waited for.
  const float* next = y;
  for (; k + kStep <= inner; k += kStep) {
    ahead.fetch();
    if (kStep > 1 && next < y + kCount * yRow) {
      __builtin_prefetch(next, 1, 2);
      __builtin_prefetch(next + R::kWide - 1, 1, 2);
      next += yRow;
    }
#pragma GCC unroll 4
    for (int i = 0; i < kStep; i++) add(k + i);
  }
  for (; k < inner; k++) add(k);
#pragma GCC unroll 16
  for (int i = 0; i < kCount; i++) {
    *reinterpret_cast<Anywhere*>(y + i * yRow) = left[i];
    *reinterpret_cast<Anywhere*>(y + i * yRow + R::kEach) = right[i];
  }
}

template <class R, int kCount>
INLINE void tileOf(Index count, const float* a, Index aRow, const float* p, Index inner, Ahead ahead, const float* start, float* y, Index yRow) {
  if constexpr (kCount > 1)
    if (count < kCount) return tileOf<R, kCount - 1>(count, a, aRow, p, inner, ahead, start, y, yRow);
  tile<R, kCount>(a, aRow, p, inner, ahead, start, y, yRow);
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
  for (int i = 0; i < n; i++) *reinterpret_cast<typename R::Anywhere*>(to + i * toRow) = now[i];
}

// A panel's columns where rows of b lie along it: kEach of them, `count` numbers each, change places. The panel is `wide` numbers wide.
template <class R>
INLINE void turned(const float* from, Index row, Index rows, Index count, float* panel, Index wide = R::kWide) {
  Index done = 0;
  if (rows == R::kEach)
    for (; done + R::kEach <= count; done += R::kEach)
      transpose<R>(from + done, row, panel + done * wide, wide, typename Count<R::kEach>::All{});
  for (; done < count; done++)
    for (Index i = 0; i < rows; i++) panel[done * wide + i] = from[i * row + done];
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

// What tile `at` of `tiles` is to fetch of a panel of so many lines of 16 numbers: those from `first` on, every `step`-th, so many every kStep
// inner numbers. Each its share, evenly, since a processor waits for few lines at a time.
struct Share {
  Index first, step, lines;
};
INLINE Share shareOf(Index lines, Index inner, Index at, Index tiles) {
  constexpr Index kMost = 2 * kStep;
  const Index share = (lines + tiles - 1) / tiles, steps = math::larger(1, inner / kStep), each = (share + steps - 1) / steps;
  // Two for every number are all there are.
  return {at * share, math::larger(1, (each + kMost - 1) / kMost), math::smaller(each, kMost)};
}

template <class R>
INLINE Ahead aheadOf(const Product& product, Index k, Index inner, Index column, Index at, Index tiles) {
  constexpr Index kLine = 16;
  const float* nothing = product.b;
  if (column >= product.columns) return {nothing, 0, 0};
  if (!product.bTransposed) {
    // One line of each row, or two: then half of the tiles the first, the others the second.
    const Index half = R::kWide > kLine && tiles > 1 ? (tiles + 1) / 2 : tiles;
    const bool second = at >= half;
    const Share share = second ? shareOf(inner, inner, at - half, tiles - half) : shareOf(inner, inner, at, half);
    const Index line = second ? kLine : 0;
    if (column + line >= product.columns) return {nothing, 0, 0};
    return {product.b + (k + share.first) * product.columns + column + line, share.step * product.columns, share.lines};
  }
  // Whole rows one behind the other, where they are no longer than the panel.
  if (inner != product.inner) return {nothing, 0, 0};
  const Share share = shareOf(inner * math::smaller(R::kWide, product.columns - column) / kLine, inner, at, tiles);
  return {product.b + column * product.inner + share.first * kLine, share.step * kLine, share.lines};
}

// The right side of a product: its own b, or a matrix in panels (panels.h, packedPanels.h). `panel` gives where the panel is; kReady: it was there
// already.
struct Floats {
  static constexpr bool kReady = false;
  template <class R>
  MEMBER const float* panel(const Product& product, Index k, Index inner, Index column, float* panel) const {
    panelOf<R>(product, k, inner, column, panel);
    return panel;
  }
  template <class R>
  MEMBER Ahead ahead(const Product& product, Index k, Index inner, Index column, Index at, Index tiles) const {
    return aheadOf<R>(product, k, inner, column, at, tiles);
  }
};

// `count` rows of a, `inner` numbers each, as [inner, count]; a vector behind the last number is written, too.
template <class R>
INLINE void layRows(const float* a, Index row, Index count, Index inner, float* to) {
  constexpr Index n = R::kEach;
  Index k = 0;
  float piece[n * n];
  for (; k + n <= inner; k += n) {
    for (Index i = 0; i < count; i++) *reinterpret_cast<typename R::Anywhere*>(piece + i * n) = *reinterpret_cast<const typename R::Anywhere*>(a + i * row + k);
    transpose<R>(piece, n, to + k * count, count, typename Count<R::kEach>::All{});
  }
  for (; k < inner; k++)
    for (Index i = 0; i < count; i++) to[k * count + i] = a[i * row + k];
}

// Rows that are computed with one panel before the next: as many as stay in the second cache where panels are ready. Where each is made anew, more,
// so that this is not done too often, but never all of many: they are laid out.
template <class R, class B>
INLINE Index rowsAtOnce(const Product& product) {
  constexpr Index kNumbers = B::kReady ? 1 << 18 : 1 << 20;
  return math::larger(1, kNumbers / product.atOnce() / R::kRows) * R::kRows;
}

// Numbers of room that a thread needs, aligned as its vectors are.
template <class R>
INLINE Index roomOf(const Product& product) {
  const Index most = product.atOnce(), rows = product.aTransposed ? 0 : math::smaller(product.rows, rowsAtOnce<R, Floats>(product));
  return most * R::kWide + R::kRows * R::kWide + rows * most + R::kEach * R::kEach;
}

// Some columns of some rows, a's number (i, k) of them where `tile` takes it.
template <class R>
INLINE void tileAt(const Product& product, Index row, Index count, Index column, bool begun, const float* a, Index aRow, const float* panel,
                   Index inner, Ahead ahead, float* scratch) {
  const Index columns = math::smaller(R::kWide, product.columns - column), place = row * product.columns + column;
  float* y = product.y + place;
  const float* start = begun ? y : (product.start != nullptr ? product.start + place : nullptr);
  if (columns == R::kWide) return tileOf<R, R::kRows>(count, a, aRow, panel, inner, ahead, start, y, product.columns);
  for (Index i = 0; start != nullptr && i < count; i++) math::copy(start + i * product.columns, columns, scratch + i * R::kWide);
  tileOf<R, R::kRows>(count, a, aRow, panel, inner, ahead, start != nullptr ? scratch : nullptr, scratch, R::kWide);
  for (Index i = 0; i < count; i++) math::copy(scratch + i * R::kWide, columns, y + i * product.columns);
}

// The panels `from` to `to`.
template <class R, class B>
INLINE void panels(const Product& product, const B& b, Index from, Index to, float* room) {
  const Index most = product.atOnce();
  float* panelRoom = room;
  float* scratch = panelRoom + most * R::kWide;
  float* laid = scratch + R::kRows * R::kWide;
  const Index atOnce = rowsAtOnce<R, B>(product), blocks = (product.rows + atOnce - 1) / atOnce;
  for (Index block = 0; block < blocks; block++) {
    const Index first = block * product.rows / blocks, rows = (block + 1) * product.rows / blocks - first;
    const Index tiles = (rows + R::kRows - 1) / R::kRows;
    // once at least: a sum over nothing is the start, or 0
    for (Index k = 0; k == 0 || k < product.inner; k += most) {
      const Index inner = math::smaller(most, product.inner - k);
      const float* a = product.a + (product.aTransposed ? k * product.rows + first : first * product.inner + k);
      for (Index t = 0; !product.aTransposed && t < tiles; t++) {
        const Index row = t * rows / tiles, count = (t + 1) * rows / tiles - row;
        layRows<R>(a + row * product.inner, product.inner, count, inner, laid + row * inner);
      }
      for (Index at = from; at < to; at++) {
        const Index column = at * R::kWide;
        const float* panel = b.template panel<R>(product, k, inner, column, panelRoom);
        for (Index t = 0; t < tiles; t++) {
          const Index row = t * rows / tiles, count = (t + 1) * rows / tiles - row;
          const Ahead ahead = b.template ahead<R>(product, k, inner, column + R::kWide, t, tiles);
          const float* own = product.aTransposed ? a + row : laid + row * inner;
          tileAt<R>(product, first + row, count, column, k > 0, own, product.aTransposed ? product.rows : count, panel, inner, ahead, scratch);
        }
      }
    }
  }
}

}  // namespace product
