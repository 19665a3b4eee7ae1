// A matrix of fewer bits as the right side of a product: unpacked into a panel of floats that stays in the first cache, or, with many rows, the second.
#pragma once
#include "packed.h"
#include "panels.h"

namespace panels {

struct Unpacking {
  static constexpr bool kReady = false;
  const packed::Matrix& w;
};

// w itself.
struct StraightUnpacked : Unpacking {
  template <class R>
  MEMBER const float* panel(const product::Product&, Index k, Index inner, Index column, float* own) const {
    packed::unpacked<R::kBytes>(w, column / kWide, k, inner, column % kWide, R::kWide, own, R::kWide);
    return own;
  }
  template <class R>
  MEMBER product::Ahead ahead(const product::Product&, Index k, Index inner, Index column, Index at, Index tiles) const {
    constexpr Index kLine = 16;
    if (column >= w.columns) return {nullptr, 0, 0};
    const product::Share share = product::shareOf(inner * packed::bitsOf(w.kind) / 32 * kWide / kLine, inner, at, tiles);
    return {reinterpret_cast<const float*>(w.at(column / kWide, k)) + share.first * kLine, share.step * kLine, share.lines};
  }
};

// w transposed.
struct TurnedUnpacked : Unpacking {
  template <class R>
  MEMBER const float* panel(const product::Product& product, Index k, Index inner, Index column, float* own) const {
    const Index columns = math::smaller(R::kWide, product.columns - column);
    if (columns < R::kWide) math::fill(own, inner * R::kWide, 0.0f);
    float piece[R::kWide * kWide];
    for (Index done = 0; done < inner; done += kWide) {
      packed::unpacked<R::kBytes>(w, (k + done) / kWide, column, columns, 0, kWide, piece, kWide);
      turnedBlock<R>(piece, math::smaller(kWide, inner - done), own + done * R::kWide, R::kWide, columns);
    }
    return own;
  }
  template <class R>
  MEMBER product::Ahead ahead(const product::Product& product, Index k, Index inner, Index column, Index at, Index tiles) const {
    constexpr Index kLine = 16;
    if (column >= product.columns) return {nullptr, 0, 0};
    // Of every panel of w one piece.
    const Index lines = math::larger(1, R::kWide * packed::bitsOf(w.kind) / 32) * kWide / kLine;
    const product::Share share = product::shareOf(packed::parts(inner, kWide) * lines, inner, at, tiles);
    const Index piece = share.first / lines, done = share.first % lines, panel = packed::wordsOf(w.kind, w.inner) * kWide;
    return {reinterpret_cast<const float*>(w.at(k / kWide + piece, column)) + done * kLine, kLine, share.lines * share.step, lines - done, lines, panel - lines * kLine};
  }
};

// Rows with which a panel is used so seldom that it has to be found in the first cache, and inner numbers of it that fit there.
constexpr Index kFewRows = 48, kFewInner = 256;

template <class R>
INLINE Index roomOfPacked(const product::Product& p) {
  const Index few = kFewInner * R::kWide + R::kRows * R::kWide + p.rows * p.inner + R::kEach * R::kEach;
  return p.rows > kFewRows ? product::roomOf<R>(p) : few;
}

// The panels `from` to `to` of a product with few rows: each is read from its beginning to its end, some inner numbers at a time.
template <class R, class B>
INLINE void fewRows(const product::Product& p, const B& b, Index from, Index to, float* room) {
  float* own = room;
  float* scratch = own + kFewInner * R::kWide;
  float* laid = scratch + R::kRows * R::kWide;
  const Index tiles = (p.rows + R::kRows - 1) / R::kRows;
  for (Index t = 0; t < tiles; t++) {
    const Index row = t * p.rows / tiles;
    product::layRows<R>(p.a + row * p.inner, p.inner, (t + 1) * p.rows / tiles - row, p.inner, laid + row * p.inner);
  }
  for (Index at = from; at < to; at++)
    // once at least: a sum over nothing is 0
    for (Index k = 0; k == 0 || k < p.inner; k += kFewInner) {
      const Index inner = math::smaller(kFewInner, p.inner - k), column = at * R::kWide, next = k + inner;
      const float* panel = b.template panel<R>(p, k, inner, column, own);
      for (Index t = 0; t < tiles; t++) {
        const Index row = t * p.rows / tiles, count = (t + 1) * p.rows / tiles - row;
        const product::Ahead ahead = next < p.inner ? b.template ahead<R>(p, next, math::smaller(kFewInner, p.inner - next), column, t, tiles)
                                                    : b.template ahead<R>(p, 0, math::smaller(kFewInner, p.inner), column + R::kWide, t, tiles);
        product::tileAt<R>(p, row, count, column, k > 0, laid + row * p.inner + k * count, count, panel, inner, ahead, scratch);
      }
    }
}

}  // namespace panels
