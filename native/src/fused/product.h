// Small matrix products inside a fused op, in the registers of one thread.
#pragma once
#include <cstdint>

#include "math.h"

namespace product {

// So many numbers side by side; widths are padded to whole ones.
constexpr int64_t kWide = 16;
typedef float Wide __attribute__((vector_size(64)));
typedef float Unaligned __attribute__((vector_size(64), aligned(4), may_alias));

INLINE int64_t padded(int64_t width) { return (width + kWide - 1) / kWide * kWide; }

// A matrix read by number: row i, column j at data[i * row + j * column].
struct Left {
  const float* data;
  int64_t row, column;
};

template <int kRows>
INLINE void tile(const Left& a, const float* b, int64_t bRow, int64_t inner, bool add, float* c, int64_t cRow) {
  Wide sum[kRows];
  for (int i = 0; i < kRows; i++) sum[i] = add ? *reinterpret_cast<const Unaligned*>(c + i * cRow) : Wide{};
  for (int64_t k = 0; k < inner; k++) {
    const Wide right = *reinterpret_cast<const Unaligned*>(b + k * bRow);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; i++) sum[i] += a.data[i * a.row + k * a.column] * right;
  }
  for (int i = 0; i < kRows; i++) *reinterpret_cast<Unaligned*>(c + i * cRow) = sum[i];
}

// Rows that are computed together.
constexpr int64_t kTile = 6;

// c = a b, or c += a b, of `rows` <= kTile rows. b [inner, columns] and c have rows of numbers side by side, columns a multiple of kWide.
INLINE void rows(int64_t rows, const Left& a, const float* b, int64_t bRow, int64_t inner, int64_t columns, bool add, float* c, int64_t cRow) {
  for (int64_t j = 0; j < columns; j += kWide) {
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
