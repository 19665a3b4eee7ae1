// Matrices of fewer bits (src/model/packed.ts) w [inner, columns], laid out as products read them: panels of 32 columns one behind the other. Of a
// panel, row by row, words of 32 bits: each has so many numbers of its column, one inner number behind the other, the first in the lowest bits.
// They are unpacked where they are used: no whole matrix of floats is ever made.
#pragma once
#include "math.h"

namespace packed {

// As src/tensor/fused.ts numbers them.
enum Kind { kBfloat16, kFloat16, kInt8, kNf4 };
constexpr Index kWide = 32;
// The numbers that codes of four bits stand for, before the scales.
constexpr Index kBook = 16;
// Numbers that share a scale, in the file's order: row by row of the transposed w.
constexpr Index kBlock = 64;

INLINE Index bitsOf(Index kind) { return kind == kNf4 ? 4 : (kind == kInt8 ? 8 : 16); }
// Numbers of a word.
INLINE Index perWord(Index kind) { return 32 / bitsOf(kind); }

INLINE Index parts(Index count, Index each) { return count / each + (count % each != 0); }

// Words of a column, and of all panels.
INLINE Index wordsOf(Index kind, Index inner) { return parts(inner, perWord(kind)); }
INLINE Index sizeOf(Index kind, Index inner, Index columns) { return parts(columns, kWide) * wordsOf(kind, inner) * kWide; }

// Inner numbers of a column that have the same scale, whatever the column: where columns are no whole blocks, fewer than a block.
INLINE Index scaledTogether(Index inner) {
  Index each = kBlock;
  while (inner % each != 0) each /= 2;
  return each;
}
INLINE Index scalesOf(Index kind, Index inner, Index columns) {
  if (kind < kInt8) return 0;
  return parts(columns, kWide) * (inner / scaledTogether(inner)) * kWide + (kind == kNf4 ? kBook : 0);
}

struct Matrix {
  Index kind;
  const uint32_t* words;
  // nf4: the book first; then [panels, inner / scaledTogether, 32].
  const float* scales;
  Index inner, columns;

  // The word that has the inner number k of a panel's first column; a column further is a word further.
  const uint32_t* at(Index panel, Index k) const { return words + (panel * wordsOf(kind, inner) + k / perWord(kind)) * kWide; }
};

template <int kBytes>
struct Vectors {
  typedef float Floats __attribute__((vector_size(kBytes)));
  typedef float AnyFloats __attribute__((vector_size(kBytes), aligned(4), may_alias));
  typedef uint32_t Words __attribute__((vector_size(kBytes)));
  typedef uint32_t AnyWords __attribute__((vector_size(kBytes), aligned(4), may_alias));
  typedef int32_t Whole __attribute__((vector_size(kBytes)));
};

// The numbers in the lowest bits of words, before their scales.
template <int kBytes, Index kKind>
INLINE void numbersOf(const typename Vectors<kBytes>::Words& words, const float* book, typename Vectors<kBytes>::Floats& numbers) {
  using Floats = typename Vectors<kBytes>::Floats;
  using Words = typename Vectors<kBytes>::Words;
  using Whole = typename Vectors<kBytes>::Whole;
  if constexpr (kKind == kBfloat16) {
    numbers = reinterpret_cast<Floats>(words << 16);
  } else if constexpr (kKind == kFloat16) {
    const Words magnitude = words & 0x7fff;
    // Below 2^-14 the mantissa is the number, in units of 2^-24.
    const Words below = reinterpret_cast<Words>(magnitude < 0x400);
    const Words bitsBelow = reinterpret_cast<Words>(__builtin_convertvector(reinterpret_cast<Whole>(magnitude), Floats) * 0x1p-24f);
    numbers = reinterpret_cast<Floats>((bitsBelow & below) | (((magnitude << 13) + 0x38000000) & ~below) | (words & 0x8000) << 16);
  } else if constexpr (kKind == kInt8) {
    numbers = __builtin_convertvector(reinterpret_cast<Whole>(words & 255) - 128, Floats);
  } else {
    const Whole places = reinterpret_cast<Whole>(words & 15);
#if defined(__GNUC__) && !defined(__clang__)
    // The 16 numbers are one vector, or two, and a code picks its own.
    if constexpr (kBytes >= 32) {
      constexpr int n = kBytes / 4;
      const Floats first = *reinterpret_cast<const typename Vectors<kBytes>::AnyFloats*>(book);
      const Floats second = *reinterpret_cast<const typename Vectors<kBytes>::AnyFloats*>(book + kBook - n);
      numbers = n == kBook ? __builtin_shuffle(first, places) : __builtin_shuffle(first, second, places);
      return;
    }
#endif
    for (int i = 0; i < kBytes / 4; i++) numbers[i] = book[places[i]];
  }
}

#if defined(__wasm__)
// V8 keeps the loops of large functions in memory instead of registers.
#define UNPACKING static __attribute__((noinline))
#else
#define UNPACKING INLINE
#endif

// Inner numbers k .. k + count of a panel's columns `first` .. first + columns, k a multiple of perWord and columns of a vector: row by row at `to`,
// `row` apart.
template <int kBytes, Index kKind>
UNPACKING void unpackedOf(const Matrix& m, Index panel, Index k, Index count, Index first, Index columns, float* to, Index row) {
  using AnyFloats = typename Vectors<kBytes>::AnyFloats;
  using AnyWords = typename Vectors<kBytes>::AnyWords;
  constexpr Index kEach = kBytes / 4, kPer = kKind == kNf4 ? 8 : (kKind == kInt8 ? 4 : 2), kBits = 32 / kPer;
  constexpr bool kScaled = kKind >= kInt8;
  const Index together = kScaled ? scaledTogether(m.inner) : 1;
  const float* scales = m.scales + (kKind == kNf4 ? kBook : 0) + (kScaled ? panel * (m.inner / together) * kWide + first : 0);
  const uint32_t* words = m.at(panel, k) + first;
  // As long as a word's numbers share a scale, it is found once.
  const bool whole = !kScaled || together % kPer == 0;
  for (Index done = 0; done < count; done += kPer, words += kWide) {
    const Index some = math::smaller(kPer, count - done);
    const float* scale = kScaled ? scales + (k + done) / together * kWide : nullptr;
    for (Index column = 0; column < columns; column += kEach) {
      typename Vectors<kBytes>::Words word = *reinterpret_cast<const AnyWords*>(words + column);
      float* at = to + done * row + column;
      if (some == kPer && whole) {
#pragma GCC unroll 8
        for (int n = 0; n < static_cast<int>(kPer); n++) {
          typename Vectors<kBytes>::Floats value{};
          numbersOf<kBytes, kKind>(word >> (n * static_cast<int>(kBits)), m.scales, value);
          if constexpr (kScaled) value *= *reinterpret_cast<const AnyFloats*>(scale + column);
          *reinterpret_cast<AnyFloats*>(at + n * row) = value;
        }
        continue;
      }
      for (Index n = 0; n < some; n++, word >>= kBits) {
        typename Vectors<kBytes>::Floats value{};
        numbersOf<kBytes, kKind>(word, m.scales, value);
        if constexpr (kScaled) value *= *reinterpret_cast<const AnyFloats*>(scales + (k + done + n) / together * kWide + column);
        *reinterpret_cast<AnyFloats*>(at + n * row) = value;
      }
    }
  }
}

template <int kBytes>
INLINE void unpacked(const Matrix& m, Index panel, Index k, Index count, Index first, Index columns, float* to, Index row) {
  switch (m.kind) {
    case kBfloat16: return unpackedOf<kBytes, kBfloat16>(m, panel, k, count, first, columns, to, row);
    case kFloat16: return unpackedOf<kBytes, kFloat16>(m, panel, k, count, first, columns, to, row);
    case kInt8: return unpackedOf<kBytes, kInt8>(m, panel, k, count, first, columns, to, row);
    default: return unpackedOf<kBytes, kNf4>(m, panel, k, count, first, columns, to, row);
  }
}

// All inner numbers of one column, one behind the other.
INLINE void column(const Matrix& m, Index column, float* to) {
  constexpr Index kEach = 4, kSome = 64;
  const Index inside = column % kWide, first = inside / kEach * kEach;
  float four[kSome * kEach];
  for (Index k = 0; k < m.inner; k += kSome) {
    const Index count = math::smaller(kSome, m.inner - k);
    unpacked<4 * kEach>(m, column / kWide, k, count, first, kEach, four, kEach);
    for (Index i = 0; i < count; i++) to[k + i] = four[i * kEach + inside - first];
  }
}

}  // namespace packed
