// Small matrix products inside a fused op, in the registers of one thread.
#pragma once
#include "math.h"

namespace product {

// So many numbers side by side, widths are padded to whole ones; and rows that are computed together: as the registers suffice.
#if defined(__wasm__)
constexpr Index kWide = 8, kTile = 4;
constexpr bool kPairs = false;
typedef float Wide __attribute__((vector_size(32)));
typedef float Unaligned __attribute__((vector_size(32), aligned(4), may_alias));
#else
constexpr Index kWide = 16, kTile = 6;
constexpr bool kPairs = true;
typedef float Wide __attribute__((vector_size(64)));
typedef float Unaligned __attribute__((vector_size(64), aligned(4), may_alias));
#endif

INLINE Index padded(Index width) { return (width + kWide - 1) / kWide * kWide; }

// A matrix read by number: row i, column j at data[i * row + j * column].
struct Left {
  const float* data;
  Index row, column;
};

template <int kRows, int kVectors>
INLINE void tile(const Left& a, const float* b, Index bRow, Index inner, bool add, float* c, Index cRow) {
  Wide sum[kRows][kVectors];
  for (int i = 0; i < kRows; i++)
    for (int v = 0; v < kVectors; v++) sum[i][v] = add ? *reinterpret_cast<const Unaligned*>(c + i * cRow + v * kWide) : Wide{};
  for (Index k = 0; k < inner; k++) {
    Wide right[kVectors];
    for (int v = 0; v < kVectors; v++) right[v] = *reinterpret_cast<const Unaligned*>(b + k * bRow + v * kWide);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v++) sum[i][v] += a.data[i * a.row + k * a.column] * right[v];
  }
  for (int i = 0; i < kRows; i++)
    for (int v = 0; v < kVectors; v++) *reinterpret_cast<Unaligned*>(c + i * cRow + v * kWide) = sum[i][v];
}

template <int kVectors>
INLINE void tileOf(Index rows, const Left& a, const float* b, Index bRow, Index inner, bool add, float* c, Index cRow) {
  switch (rows) {
    case 6: return tile<6, kVectors>(a, b, bRow, inner, add, c, cRow);
    case 5: return tile<5, kVectors>(a, b, bRow, inner, add, c, cRow);
    case 4: return tile<4, kVectors>(a, b, bRow, inner, add, c, cRow);
    case 3: return tile<3, kVectors>(a, b, bRow, inner, add, c, cRow);
    case 2: return tile<2, kVectors>(a, b, bRow, inner, add, c, cRow);
    default: return tile<1, kVectors>(a, b, bRow, inner, add, c, cRow);
  }
}

// c = a b, or c += a b, of `rows` <= kTile rows. b [inner, columns] and c have rows of numbers side by side, columns a multiple of kWide.
INLINE void rows(Index rows, const Left& a, const float* b, Index bRow, Index inner, Index columns, bool add, float* c, Index cRow) {
  Index j = 0;
  // Two at a time, so that a sum has not to wait for the one before.
  if (kPairs)
    for (; j + 2 * kWide <= columns; j += 2 * kWide) tileOf<2>(rows, a, b + j, bRow, inner, add, c + j, cRow);
  for (; j < columns; j += kWide) tileOf<1>(rows, a, b + j, bRow, inner, add, c + j, cRow);
}

}  // namespace product
