#include "tensorflow.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cstdlib>

namespace tensorflow_c {

#define DEFINE(result, name, parameters) result(*name) parameters = nullptr;
TENSORFLOW_FUNCTIONS(DEFINE)
#undef DEFINE

namespace {
bool loaded = false;

// Global: the framework's symbols are what the next library asks for.
std::string loadGlobally(const std::string& library, void** handle) {
  *handle = dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (*handle != nullptr) return "";
  const char* why = dlerror();
  return why != nullptr ? why : "cannot load " + library;
}

// While it lives, what is written to stderr is lost: TensorFlow greets as its libraries are loaded, before it asks how much it may say. Not where
// the user has asked for all of it.
class Quiet {
 public:
  Quiet() {
    const char* level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
    if (level == nullptr || std::string(level) == "0") return;
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere < 0) return;
    before_ = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (before_ >= 0) dup2(nowhere, STDERR_FILENO);
    close(nowhere);
  }
  ~Quiet() {
    if (before_ < 0) return;
    dup2(before_, STDERR_FILENO);
    close(before_);
  }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  int before_ = -1;
};
}  // namespace

std::string loadGlobally(const std::string& library) {
  const Quiet quiet;
  void* handle = nullptr;
  return loadGlobally(library, &handle);
}

bool isLoaded() { return loaded; }

std::string load(const std::vector<std::string>& libraries, int threads) {
  if (loaded) return "";
#ifdef __GLIBC__
  // One arena for each thread that computes and one for JavaScript's. With glibc's many, or with fewer, the process grows for hundreds of steps.
  if (std::getenv("MALLOC_ARENA_MAX") == nullptr) mallopt(M_ARENA_MAX, threads + 1);
#else
  (void)threads;
#endif
  void* last = nullptr;
  const Quiet quiet;
  for (const std::string& library : libraries) {
    std::string problem = loadGlobally(library, &last);
    if (!problem.empty()) return problem;
  }
  if (last == nullptr) return "no library was named";
#define FIND(result, name, parameters)                                        \
  name = reinterpret_cast<result(*) parameters>(dlsym(RTLD_DEFAULT, #name)); \
  if (name == nullptr) name = reinterpret_cast<result(*) parameters>(dlsym(last, #name)); \
  if (name == nullptr) return "the library has no function " #name;
  TENSORFLOW_FUNCTIONS(FIND)
#undef FIND
  loaded = true;
  return "";
}

}  // namespace tensorflow_c
