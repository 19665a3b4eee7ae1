#include "tiles.h"

#if defined(SPARRING_TILES)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#if !defined(__clang__)
// The compiler's own header leaves what it does not use without a value.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#endif

namespace tiles {

#if !defined(SPARRING_TILES)
bool found() { return false; }
#else
#define ALWAYS ON_TILES __attribute__((always_inline))

namespace {

// Numbers of one tile: 16 rows of 32 parts, or of a panel 16 pairs of rows and 16 columns.
constexpr Index kTile = 512;

bool has() {
  const char* wanted = std::getenv("SPARRING_AMX");
  if (wanted != nullptr && std::strcmp(wanted, "0") == 0) return false;
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("x86-64-v4")) return false;
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24, kAvx512Bf16 = 1u << 5;
  if ((d & kAmxBf16) == 0 || (d & kAmxTile) == 0) return false;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || (a & kAvx512Bf16) == 0) return false;
  // The system keeps a thread's tiles only for processes that have asked (ARCH_REQ_XCOMP_PERM, XTILEDATA).
  return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

struct alignas(64) Configuration {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

// Two vectors of numbers taken apart, side by side: every lane has a part of `first` in its lower half and one of `second` in its upper half. What
// rounding to a part leaves goes into the next one; what is left at last has no more digits than a part. A NaN stays one in the last.
ALWAYS inline void apart(__m512 first, __m512 second, Part* to) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u)), half = _mm512_set1_epi32(0x8000);
  for (int part = 0; part < 2; part++) {
    const __m512i one = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(first), half), upper);
    const __m512i other = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(second), half), upper);
    _mm512_store_si512(to + 2 * part * kTile, _mm512_or_si512(_mm512_srli_epi32(one, 16), other));
    first = _mm512_sub_ps(first, _mm512_castsi512_ps(one));
    second = _mm512_sub_ps(second, _mm512_castsi512_ps(other));
  }
  const __m512i one = _mm512_srli_epi32(_mm512_castps_si512(first), 16), other = _mm512_and_si512(_mm512_castps_si512(second), upper);
  _mm512_store_si512(to + 4 * kTile, _mm512_or_si512(one, other));
}

// Inner numbers that share a lane stand one behind the other. Of 32 rows of a panel, `left` of which there are, one unit: two rows' halves.
ALWAYS inline void unitApart(const float* panel, Index left, int unit, Part* parts) {
  const int pair = unit / 2, half = unit % 2;
  const float* from = panel + 2 * pair * kSide + half * 16;
  const __m512 none = _mm512_setzero_ps();
  apart(2 * pair < left ? _mm512_loadu_ps(from) : none, 2 * pair + 1 < left ? _mm512_loadu_ps(from + kSide) : none, parts + half * kTile + pair * 32);
}

}  // namespace

bool found() {
  static const bool answer = has();
  return answer;
}

void begin() {
  Configuration all;
  for (int i = 0; i < 8; i++) {
    all.bytes[i] = 64;
    all.rows[i] = 16;
  }
  // _tile_loadconfig does not tell the compiler that all of it is read.
  asm volatile("ldtilecfg %0" : : "m"(all));
}
void end() { _tile_release(); }

void apart(const Next& next, Index inner) {
  for (Index k = 0; k < inner; k += kSide)
    for (int unit = next.from; unit < next.end; unit++) unitApart(next.panel + k * kSide, inner - k, unit, next.parts + k / kSide * kBlock);
}

void rowsApart(const float* a, Index row, bool turned, Index rows, Index inner, Part* parts) {
  const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0), odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  alignas(64) float piece[kSide * kSide];
  for (Index k = 0; k < inner; k += kSide, parts += kBlock) {
    const Index count = math::smaller(kSide, inner - k);
    const float* from = a + k;
    Index step = row;
    if (turned) {
      for (Index done = 0; done < count; done += 16)
        product::turned<product::Registers<64, 14>>(a + (k + done) * row, row, math::smaller(16, count - done), rows, piece + done, kSide);
      from = piece;
      step = kSide;
    }
    const __mmask16 first = static_cast<__mmask16>(count >= 16 ? 0xffff : (1 << count) - 1);
    const __mmask16 second = static_cast<__mmask16>(count >= 32 ? 0xffff : (count > 16 ? (1 << (count - 16)) - 1 : 0));
    for (Index i = 0; i < kSide; i++) {
      Part* to = parts + i / 16 * kTile + i % 16 * 32;
      if (i >= rows) {
        apart(_mm512_setzero_ps(), _mm512_setzero_ps(), to);
        continue;
      }
      const __m512 one = _mm512_maskz_loadu_ps(first, from + i * step), other = _mm512_maskz_loadu_ps(second, from + i * step + 16);
      apart(_mm512_permutex2var_ps(one, even, other), _mm512_permutex2var_ps(one, odd, other), to);
    }
  }
}

namespace {

// y's tiles: 32 rows and columns.
ALWAYS inline void loadSum(const float* start, Index row) {
  if (start == nullptr) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    return;
  }
  _tile_loadd(0, start, row * 4);
  _tile_loadd(1, start + 16, row * 4);
  _tile_loadd(2, start + 16 * row, row * 4);
  _tile_loadd(3, start + 16 * row + 16, row * 4);
}
ALWAYS inline void storeSum(float* y, Index row) {
  _tile_stored(0, y, row * 4);
  _tile_stored(1, y + 16, row * 4);
  _tile_stored(2, y + 16 * row, row * 4);
  _tile_stored(3, y + 16 * row + 16, row * 4);
}

// Two tiles of rows, and two of columns: one part of each number.
ALWAYS inline void rowTiles(const Part* a) {
  _tile_loadd(4, a, 64);
  _tile_loadd(5, a + kTile, 64);
}
ALWAYS inline void columnTiles(const Part* b) {
  _tile_loadd(6, b, 64);
  _tile_loadd(7, b + kTile, 64);
}
ALWAYS inline void multiplyTiles() {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

// Fetches where y will be written, evenly over so many steps.
struct Fetching {
  const float* y;
  Index row, each, done = 0;
  Fetching(const float* y, Index row, Index steps) : y(y), row(row), each((kSide + steps - 1) / math::larger(1, steps)) {}
  MEMBER void some() {
    for (Index i = 0; i < each && done < kSide; i++, done++) {
      __builtin_prefetch(y + done * row, 1, 2);
      __builtin_prefetch(y + done * row + kSide - 1, 1, 2);
    }
  }
};

}  // namespace

void block(const Part* a, const Part* b, Index inner, product::Ahead ahead, const Next& next, const float* start, Index startRow, float* y, Index yRow) {
  loadSum(start, startRow);
  const Index steps = blocksOf(inner);
  Fetching fetching(y, yRow, steps);
  const int units = next.end - next.from;
  const auto some = [&](Index step, int quarter) ALWAYS {
    for (int unit = next.from + units * quarter / 4; unit < next.from + units * (quarter + 1) / 4; unit++)
      unitApart(next.panel + step * kSide * kSide, next.inner - step * kSide, unit, next.parts + step * kBlock);
  };
  // Parts: 0 the high ones, 1 the middle ones, 2 the low ones; in such an order that the product of a number and 1 is the number. Lines are fetched as
  // often as in product::tile, eight times for 32 inner numbers, and evenly.
  constexpr Index kPart = 2 * kTile;
  for (Index step = 0; step < steps; step++, a += kBlock, b += kBlock) {
    rowTiles(a);
    columnTiles(b);
    multiplyTiles();
    ahead.fetch();
    some(step, 0);
    ahead.fetch();
    rowTiles(a + kPart);
    multiplyTiles();
    ahead.fetch();
    some(step, 1);
    columnTiles(b + kPart);
    multiplyTiles();
    ahead.fetch();
    some(step, 2);
    ahead.fetch();
    rowTiles(a);
    multiplyTiles();
    ahead.fetch();
    some(step, 3);
    columnTiles(b + 2 * kPart);
    multiplyTiles();
    ahead.fetch();
    rowTiles(a + 2 * kPart);
    columnTiles(b);
    multiplyTiles();
    ahead.fetch();
    fetching.some();
  }
  storeSum(y, yRow);
}

void halfBlock(const Part* a, const Part* b, Index inner, product::Ahead ahead, const float* start, Index startRow, float* y, Index yRow) {
  loadSum(start, startRow);
  const Index steps = blocksOf(inner);
  Fetching fetching(y, yRow, steps);
  constexpr Index kPart = 2 * kTile;
  for (Index step = 0; step < steps; step++, a += kBlock, b += kPart) {
    // 16 rows of 32 words, each of which has two parts.
    _tile_loadd(6, b, 128);
    _tile_loadd(7, b + 32, 128);
    for (int part = 0; part < 3; part++) {
      rowTiles(a + part * kPart);
      multiplyTiles();
      ahead.fetch();
      ahead.fetch();
    }
    ahead.fetch();
    ahead.fetch();
    fetching.some();
  }
  storeSum(y, yRow);
}

const Part* StraightHalves::parts(Index k, Index inner, Index column, Part* to) const {
  const uint32_t* words = w.at(column / kSide, k);
  if (inner % kSide == 0) return reinterpret_cast<const Part*>(words);
  // Behind the last number there is another panel.
  const Index count = packed::parts(inner, 2) * kSide;
  std::memcpy(to, words, static_cast<size_t>(count) * sizeof *words);
  std::memset(reinterpret_cast<uint32_t*>(to) + count, 0, static_cast<size_t>(blocksOf(inner) * kSide / 2 * kSide - count) * sizeof *words);
  return to;
}

const Part* TurnedHalves::parts(Index k, Index inner, Index column, Part* to) const {
  // Of two vectors of words, a panel's row of them, the lower halves, or the upper ones: columns that lie side by side share a lane.
  const __m512i lower = _mm512_set_epi16(62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32, 30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i upper = _mm512_add_epi16(lower, _mm512_set1_epi16(1));
  float* at = reinterpret_cast<float*>(to);
  for (Index done = 0; done < inner; done += kSide, at += kSide / 2 * kSide)
    for (Index half = 0; half < kSide; half += 16) {
      alignas(64) float lanes[16 * 16];
      for (Index j = 0; j < 16; j++) {
        const Index row = column + half + j;
        __m512i numbers = _mm512_setzero_si512();
        if (row < w.inner) {
          const uint32_t* words = w.at((k + done) / kSide, row);
          numbers = _mm512_permutex2var_epi16(_mm512_loadu_si512(words), row % 2 == 0 ? lower : upper, _mm512_loadu_si512(words + 16));
        }
        _mm512_store_si512(lanes + j * 16, numbers);
      }
      product::turned<product::Registers<64, 14>>(lanes, 16, 16, 16, at + half, kSide);
    }
  return to;
}
#endif

}  // namespace tiles
