// Products on a processor's matrix unit (Intel's AMX), which multiplies in bfloat16 and adds in float32: every number is taken apart into three of
// bfloat16, which together are the number itself, and of the nine products of parts the six are added up that a float32 can tell. So the result is as
// exact as one that was computed in float32 (docs/engines.md has the errors).
//
// 32 rows and 32 columns are computed at a time. Meanwhile the next panel of b is taken apart, in the vector units, which would have nothing to do;
// and the one behind that is fetched.
#pragma once
#include <type_traits>

#include "../compute/packedPanels.h"
#include "room.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#define SPARRING_TILES
#endif

namespace tiles {

// Whether this processor has such a unit, the system lets this process use it, and SPARRING_AMX is not 0.
bool found();

#if defined(SPARRING_TILES)
#define ON_TILES __attribute__((target("arch=x86-64-v4,amx-tile,amx-bf16,avx512bf16")))

// A number of bfloat16.
using Part = uint16_t;
// Rows and columns of y at a time, and inner numbers.
constexpr Index kSide = 32;
// Parts of 32 rows, or columns, and 32 inner numbers: three for each number.
constexpr Index kBlock = 3 * kSide * kSide;
// Inner numbers, and numbers of a, whose parts stay in the second cache beside those of two panels.
constexpr Index kInner = 768, kNumbers = 200000;

// What is taken apart meanwhile: of a panel [inner, 32] the units `from` to `end`. A unit is half of two rows, one behind the other, in every 32.
constexpr int kUnits = 32;
struct Next {
  const float* panel;
  Index inner;
  Part* parts;
  int from, end;
};

ON_TILES void begin();
ON_TILES void end();
// All of a panel.
ON_TILES void apart(const Next& next, Index inner);
// Rows of a, whose number (i, k) is at i * row + k, or where `turned` at k * row + i; 0 where there are no more of 32. -> [inner / 32] blocks
ON_TILES void rowsApart(const float* a, Index row, bool turned, Index rows, Index inner, Part* parts);
// y = start + a b of 32 rows and columns and `inner` numbers, from parts; start null for 0.
ON_TILES void block(const Part* a, const Part* b, Index inner, product::Ahead ahead, const Next& next, const float* start, Index startRow, float* y, Index yRow);
// The same with a b that is bfloat16, of whose parts the high ones are all there are: words as in packed.h, two numbers one behind the other in each.
ON_TILES void halfBlock(const Part* a, const Part* b, Index inner, product::Ahead ahead, const float* start, Index startRow, float* y, Index yRow);

// A matrix of bfloat16 as the right side. Columns `column` on, from the inner number `k` on, as halfBlock reads them: where they are, or at `to`.
struct StraightHalves : ::panels::StraightUnpacked {
  ON_TILES const Part* parts(Index k, Index inner, Index column, Part* to) const;
};
struct TurnedHalves : ::panels::TurnedUnpacked {
  ON_TILES const Part* parts(Index k, Index inner, Index column, Part* to) const;
};

INLINE Index blocksOf(Index count) { return (count + kSide - 1) / kSide; }

// How a product is divided: so many inner numbers and rows at a time.
struct Division {
  Index inner, rows;
  explicit Division(const product::Product& p) {
    const Index pieces = math::larger(1, (p.inner + kInner - 1) / kInner);
    inner = math::larger(1, blocksOf((p.inner + pieces - 1) / pieces)) * kSide;
    const Index most = math::larger(1, kNumbers / inner / kSide) * kSide, blocks = math::larger(1, (p.rows + most - 1) / most);
    rows = blocksOf((p.rows + blocks - 1) / blocks) * kSide;
  }
};

// Numbers of room that a thread needs.
inline Index roomOf(const product::Product& p) {
  const Division all(p);
  return all.inner * kSide + kSide * kSide + (2 + all.rows / kSide) * all.inner / kSide * kBlock / 2;
}

template <class R, class B>
ON_TILES void panels(const product::Product& p, const B& b, Index from, Index to, float* room) {
  static_assert(R::kWide == kSide);
  constexpr bool kHalves = std::is_same<B, StraightHalves>::value || std::is_same<B, TurnedHalves>::value;
  if (from >= to) return;
  const Division all(p);
  const Index each = all.inner / kSide * kBlock;
  float* panel = room;
  float* scratch = panel + all.inner * kSide;
  Part* now = reinterpret_cast<Part*>(scratch + kSide * kSide);
  Part* later = now + each;
  Part* a = later + each;
  begin();
  for (Index first = 0; first < p.rows; first += all.rows) {
    const Index rows = math::smaller(all.rows, p.rows - first), blocks = blocksOf(rows);
    // once at least: a sum over nothing is the start, or 0
    for (Index k = 0; k == 0 || k < p.inner; k += all.inner) {
      const Index inner = math::smaller(all.inner, p.inner - k);
      for (Index t = 0; t < blocks; t++) {
        const Index row = first + t * kSide;
        rowsApart(p.a + (p.aTransposed ? k * p.rows + row : row * p.inner + k), p.aTransposed ? p.rows : p.inner, p.aTransposed,
                  math::smaller(kSide, first + rows - row), inner, a + t * each);
      }
      if constexpr (!kHalves) apart({b.template panel<R>(p, k, inner, from * kSide, panel), inner, now, 0, kUnits}, inner);
      for (Index at = from; at < to; at++) {
        const Index column = at * kSide, columns = math::smaller(kSide, p.columns - column);
        const bool more = !kHalves && at + 1 < to;
        const float* following = nullptr;
        const Part* halves = nullptr;
        if constexpr (kHalves) halves = b.parts(k, inner, column, now);
        else if (more) following = b.template panel<R>(p, k, inner, column + kSide, panel);
        for (Index t = 0; t < blocks; t++) {
          const Index row = first + t * kSide, count = math::smaller(kSide, first + rows - row), place = row * p.columns + column;
          const Next next = {following, inner, later, more ? static_cast<int>(t * kUnits / blocks) : 0, more ? static_cast<int>((t + 1) * kUnits / blocks) : 0};
          // What is taken apart meanwhile was fetched with the panel before.
          constexpr Index kDistance = kHalves ? 1 : 2;
          const product::Ahead ahead = b.template ahead<R>(p, k, inner, at + kDistance < to ? column + kDistance * kSide : p.columns, t, blocks);
          float* y = p.y + place;
          const float* start = k > 0 ? y : (p.start != nullptr ? p.start + place : nullptr);
          const auto compute = [&](const float* from, Index fromRow, float* own, Index ownRow) {
            if constexpr (kHalves) halfBlock(a + t * each, halves, inner, ahead, from, fromRow, own, ownRow);
            else block(a + t * each, now, inner, ahead, next, from, fromRow, own, ownRow);
          };
          if (count == kSide && columns == kSide) {
            compute(start, p.columns, y, p.columns);
            continue;
          }
          for (Index i = 0; start != nullptr && i < count; i++) math::copy(start + i * p.columns, columns, scratch + i * kSide);
          compute(start != nullptr ? scratch : nullptr, kSide, scratch, kSide);
          for (Index i = 0; i < count; i++) math::copy(scratch + i * kSide, columns, y + i * p.columns);
        }
        Part* swap = now;
        now = later;
        later = swap;
      }
    }
  }
  end();
}
#endif

// The panels `from` to `to` of a product, b as in product::panels: on the matrix unit where that is faster, else in vectors.
template <class R, class B>
MEMBER void multiply(const product::Product& p, const B& b, Index from, Index to) {
#if defined(SPARRING_TILES)
  if constexpr (R::kBytes == 64)
    // With few rows, taking the panels apart takes longer than the product.
    if (p.rows > ::panels::kFewRows && found()) {
      if constexpr (std::is_same<B, ::panels::StraightUnpacked>::value)
        if (b.w.kind == packed::kBfloat16) return tiles::panels<R>(p, StraightHalves{b}, from, to, room(roomOf(p)));
      if constexpr (std::is_same<B, ::panels::TurnedUnpacked>::value)
        if (b.w.kind == packed::kBfloat16) return tiles::panels<R>(p, TurnedHalves{b}, from, to, room(roomOf(p)));
      return tiles::panels<R>(p, b, from, to, room(roomOf(p)));
    }
#endif
  if constexpr (std::is_base_of<::panels::Unpacking, B>::value)
    if (p.rows <= ::panels::kFewRows) return ::panels::fewRows<R>(p, b, from, to, room(::panels::roomOfPacked<R>(p)));
  product::panels<R>(p, b, from, to, room(product::roomOf<R>(p)));
}

}  // namespace tiles
