// A matrix w [inner, columns] laid out once as products read it: panels of 32 columns one behind the other, each [inner, 32], with 0 where there
// are no more columns. A product with it lays nothing out, and memory is read from its beginning to its end.
#pragma once
#include "matMul.h"

namespace panels {

constexpr Index kWide = 32;

INLINE Index countOf(Index columns) { return (columns + kWide - 1) / kWide; }
INLINE Index sizeOf(Index inner, Index columns) { return countOf(columns) * inner * kWide; }

struct Matrix {
  const float* data;
  Index inner, columns;
  const float* at(Index panel, Index k) const { return data + (panel * inner + k) * kWide; }
};

// Panel `at` of w, of which `from` has the numbers row by row, or where `turned` column by column.
template <class R>
INLINE void lay(const float* from, bool turned, Index inner, Index columns, Index at, float* to) {
  const Index first = at * kWide, count = math::smaller(kWide, columns - first);
  if (count < kWide) math::fill(to, inner * kWide, 0.0f);
  if (!turned) {
    for (Index k = 0; k < inner; k++) math::copy(from + k * columns + first, count, to + k * kWide);
    return;
  }
  for (Index done = 0; done < count; done += R::kEach)
    product::turned<R>(from + (first + done) * inner, inner, math::smaller(R::kEach, count - done), inner, to + done, kWide);
}

// Numbers k .. k + inner of a panel's columns change places into a panel of w's transposed: 32 by 32 numbers at a time.
template <class R>
INLINE void turnedBlock(const float* from, Index rows, float* to, Index wide, Index columns) {
  for (Index done = 0; done < columns; done += R::kEach)
    product::turned<R>(from + done * kWide, kWide, math::smaller(R::kEach, columns - done), rows, to + done, wide);
}

// The right side of a product, w itself.
struct Straight {
  static constexpr bool kReady = true;
  const Matrix& w;
  template <class R>
  MEMBER const float* panel(const product::Product&, Index k, Index inner, Index column, float* own) const {
    const float* from = w.at(column / kWide, k) + column % kWide;
    if constexpr (R::kWide == kWide) return from;
    for (Index i = 0; i < inner; i++) math::copy(from + i * kWide, R::kWide, own + i * R::kWide);
    return own;
  }
  template <class R>
  MEMBER product::Ahead ahead(const product::Product&, Index k, Index inner, Index column, Index at, Index tiles) const {
    constexpr Index kLine = 16;
    if (column >= w.columns) return {w.data, 0, 0};
    const product::Share share = product::shareOf(inner * kWide / kLine, inner, at, tiles);
    return {w.at(column / kWide, k) + share.first * kLine, share.step * kLine, share.lines};
  }
};

// The right side, w transposed: [columns, inner] of w.
struct Turned {
  static constexpr bool kReady = false;
  const Matrix& w;
  template <class R>
  MEMBER const float* panel(const product::Product& product, Index k, Index inner, Index column, float* own) const {
    const Index columns = math::smaller(R::kWide, product.columns - column);
    if (columns < R::kWide) math::fill(own, inner * R::kWide, 0.0f);
    for (Index done = 0; done < inner; done += kWide)
      turnedBlock<R>(w.at((k + done) / kWide, column), math::smaller(kWide, inner - done), own + done * R::kWide, R::kWide, columns);
    return own;
  }
  template <class R>
  MEMBER product::Ahead ahead(const product::Product& product, Index k, Index inner, Index column, Index at, Index tiles) const {
    constexpr Index kLine = 16;
    if (column >= product.columns) return {w.data, 0, 0};
    // Of every panel of w one piece.
    const Index lines = kWide / kLine * math::smaller(R::kWide, product.columns - column);
    const product::Share share = product::shareOf((inner + kWide - 1) / kWide * lines, inner, at, tiles);
    const Index piece = share.first / lines, done = share.first % lines;
    return {w.at(k / kWide + piece, column) + done * kLine, kLine, share.lines * share.step, lines - done, lines, (w.inner - lines / 2) * kWide};
  }
};

struct Product {
  const float* a;
  Matrix w;
  float* y;
  Index rows;
  bool turned;
  product::Product form() const {
    return {a, w.data, nullptr, y, rows, turned ? w.columns : w.inner, turned ? w.inner : w.columns, false, turned};
  }
};

// merged = w + a b, a [inner, rank], b [rank, columns], and its transposed in panels, too, where `back` is not null.
struct Merge {
  Matrix w;
  const float *a, *b;
  Index rank;
  float *merged, *back;
};

template <class R>
INLINE Index roomOf(const Merge& m) {
  return m.rank * R::kWide + m.w.inner * m.rank + R::kEach * R::kEach;
}

// The panels `from` to `to` of merged, and what belongs to them of back.
template <class R>
INLINE void some(const Merge& m, Index from, Index to, float* room) {
  const Index inner = m.w.inner, columns = m.w.columns, tiles = (inner + R::kRows - 1) / R::kRows;
  float* b = room;
  float* a = b + m.rank * R::kWide;
  for (Index t = 0; t < tiles; t++) {
    const Index row = t * inner / tiles;
    product::layRows<R>(m.a + row * m.rank, m.rank, (t + 1) * inner / tiles - row, m.rank, a + row * m.rank);
  }
  for (Index at = from; at < to; at++) {
    const Index first = at * kWide, count = math::smaller(kWide, columns - first);
    for (Index half = 0; half < kWide; half += R::kWide) {
      const Index some = math::larger(0, math::smaller(R::kWide, count - half));
      math::fill(b, m.rank * R::kWide, 0.0f);
      for (Index k = 0; k < m.rank; k++) math::copy(m.b + k * columns + first + half, some, b + k * R::kWide);
      for (Index t = 0; t < tiles; t++) {
        const Index row = t * inner / tiles, rows = (t + 1) * inner / tiles - row, place = (at * inner + row) * kWide + half;
        product::tileOf<R, R::kRows>(rows, a + row * m.rank, rows, b, m.rank, {m.w.data + place + inner * kWide, kWide, 1}, m.w.data + place,
                                     m.merged + place, kWide);
      }
    }
    const Matrix merged = {m.merged, inner, columns};
    for (Index k = 0; m.back != nullptr && k < inner; k += kWide) {
      float* back = m.back + (k / kWide * columns + first) * kWide;
      if (inner - k < kWide) math::fill(back, count * kWide, 0.0f);
      turnedBlock<R>(merged.at(at, k), count, back, kWide, math::smaller(kWide, inner - k));
    }
  }
}

}  // namespace panels
