// Small matrix products inside a fused op, in the registers of one thread.
#pragma once
#include "math.h"

namespace product {

// So many numbers side by side, widths are padded to whole ones; and rows that are computed together: as the registers suffice.
#if defined(__wasm__)
constexpr Index kWide = 8, kTile = 4;
typedef float Wide __attribute__((vector_size(32)));
typedef float Unaligned __attribute__((vector_size(32), aligned(4), may_alias));
#else
constexpr Index kWide = 16, kTile = 6;
typedef float Wide __attribute__((vector_size(64)));
typedef float Unaligned __attribute__((vector_size(64), aligned(4), may_alias));
#endif

INLINE Index padded(Index width) { return (width + kWide - 1) / kWide * kWide; }

// A matrix read by number: row i, column j at data[i * row + j * column].
struct Left {
  const float* data;
  Index row, column;
};

template <int kRows>
INLINE void tile(const Left& a, const float* b, Index bRow, Index inner, bool add, float* c, Index cRow) {
  Wide sum[kRows];
  for (int i = 0; i < kRows; i++) sum[i] = add ? *reinterpret_cast<const Unaligned*>(c + i * cRow) : Wide{};
  for (Index k = 0; k < inner; k++) {
    const Wide right = *reinterpret_cast<const Unaligned*>(b + k * bRow);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; i++) sum[i] += a.data[i * a.row + k * a.column] * right;
  }
  for (int i = 0; i < kRows; i++) *reinterpret_cast<Unaligned*>(c + i * cRow) = sum[i];
}

// c = a b, or c += a b, of `rows` <= kTile rows. b [inner, columns] and c have rows of numbers side by side, columns a multiple of kWide.
INLINE void rows(Index rows, const Left& a, const float* b, Index bRow, Index inner, Index columns, bool add, float* c, Index cRow) {
  for (Index j = 0; j < columns; j += kWide) {
    switch (rows) {
      case 6: tile<6>(a, b + j, bRow, inner, add, c + j, cRow); break;
      case 5: tile<5>(a, b + j, bRow, inner, add, c + j, cRow); break;
      case 4: tile<4>(a, b + j, bRow, inner, add, c + j, cRow); break;
      case 3: tile<3>(a, b + j, bRow, inner, add, c + j, cRow); break;
      case 2: tile<2>(a, b + j, bRow, inner, add, c + j, cRow); break;
      default: tile<1>(a, b + j, bRow, inner, add, c + j, cRow);
    }
  }
}

}  // namespace product
