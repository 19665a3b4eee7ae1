// Memory that an op's loops work in.
#pragma once
#include "../compute/math.h"

// So many numbers of the calling thread's own, aligned as any vector is; what they were is lost with the next call. Kept as long as the thread, and
// as large as it was ever asked for, since the same ops ask for the same again thousands of times: what asks keeps it small
// (product::roomOf, panels::roomOfPacked, tiles::roomOf).
float* room(Index count);
