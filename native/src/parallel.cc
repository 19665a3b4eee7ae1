#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// About what one number costs in a loop, in nanoseconds; `cost` counts such numbers.
constexpr double kNanosecondsEach = 0.3;
// More threads must save this many times what waking them costs: meanwhile they take cores from TensorFlow's own, which wait awake for
// the next product.
constexpr double kWorthIt = 20;
// How often a thread looks for work before it sleeps: not long, since TensorFlow's threads want the cores as well.
constexpr int kSpins = 200;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

struct Pool {
  int threads = 1;
  std::atomic<int> alone{0};
  // Loops of a lower cost run on their caller alone.
  int64_t least = 0;
  std::mutex busy;  // one loop at a time
  std::mutex lock;
  std::condition_variable wake;
  std::atomic<uint64_t> turn{0};
  std::atomic<int> left{0};
  const std::function<void(int64_t, int64_t)>* work = nullptr;
  int64_t count = 0;

  int64_t start(int part) const { return count * part / threads; }

  void run(int part) {
    uint64_t seen = 0;
    for (;;) {
      for (int spins = 0; spins < kSpins && turn.load(std::memory_order_acquire) == seen; spins++) pause();
      if (turn.load(std::memory_order_acquire) == seen) {
        std::unique_lock<std::mutex> held(lock);
        wake.wait(held, [&] { return turn.load(std::memory_order_acquire) != seen; });
      }
      seen = turn.load(std::memory_order_acquire);
      (*work)(start(part), start(part + 1));
      left.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  void share(int64_t rows, const std::function<void(int64_t, int64_t)>& given) {
    work = &given;
    count = rows;
    left.store(threads - 1, std::memory_order_relaxed);
    {
      std::lock_guard<std::mutex> held(lock);
      turn.fetch_add(1, std::memory_order_acq_rel);
    }
    wake.notify_all();
    given(0, start(1));
    while (left.load(std::memory_order_acquire) > 0) pause();
  }

  // What it takes until sleeping threads have woken, run and reported: microseconds on a machine of its own, much more on some virtual ones.
  void measure() {
    std::vector<double> times;
    const std::function<void(int64_t, int64_t)> nothing = [](int64_t, int64_t) {};
    for (int i = 0; i < 15; i++) {
      std::this_thread::sleep_for(std::chrono::microseconds(300));
      const auto began = Clock::now();
      share(threads, nothing);
      times.push_back(std::chrono::duration<double, std::nano>(Clock::now() - began).count());
    }
    std::sort(times.begin(), times.end());
    const double saved = kNanosecondsEach * (1 - 1.0 / threads);
    least = static_cast<int64_t>(kWorthIt * times[times.size() / 2] / saved);
  }
};

// Never destroyed: its threads live as long as the process.
Pool& pool() {
  static Pool* only = new Pool();
  return *only;
}

}  // namespace

void parallel::setThreads(int count) {
  Pool& all = pool();
  if (all.threads > 1 || count < 2) return;
  all.threads = count;
  for (int part = 1; part < count; part++) std::thread([&all, part] { all.run(part); }).detach();
  all.measure();
}

void parallel::rows(int64_t count, int64_t cost, const std::function<void(int64_t, int64_t)>& work) {
  Pool& all = pool();
  if (all.threads < 2 || all.alone.load(std::memory_order_relaxed) > 0 || cost < all.least || count < all.threads || !all.busy.try_lock()) {
    work(0, count);
    return;
  }
  all.share(count, work);
  all.busy.unlock();
}

parallel::Alone::Alone(bool on) : on_(on) {
  if (on_) pool().alone.fetch_add(1, std::memory_order_relaxed);
}

parallel::Alone::~Alone() {
  if (on_) pool().alone.fetch_sub(1, std::memory_order_relaxed);
}
