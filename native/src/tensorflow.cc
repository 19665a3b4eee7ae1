#include "tensorflow.h"

#include <dlfcn.h>
#ifdef __GLIBC__
#include <malloc.h>

#include <cstdlib>
#endif

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
}  // namespace

std::string loadGlobally(const std::string& library) {
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
