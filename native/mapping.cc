// Files mapped into memory, as array buffers.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

// A mapped file starts at a page, the bytes that were asked for anywhere within it.
struct MappedSpan {
  char* start;
  size_t bytes;
};

// All that is mapped, by any thread. Never destroyed: buffers may outlive the statics of a process that ends.
static auto& mappedMutex = *new std::mutex;
static auto& mappedSpans = *new std::vector<MappedSpan*>;

static void unmap(napi_env, void*, void* hint) {
  auto* span = static_cast<MappedSpan*>(hint);
  {
    std::lock_guard<std::mutex> lock(mappedMutex);
    mappedSpans.erase(std::find(mappedSpans.begin(), mappedSpans.end(), span));
  }
  munmap(span->start, span->bytes);
  delete span;
}

static bool isMapped(const void* data) {
  std::lock_guard<std::mutex> lock(mappedMutex);
  return std::any_of(mappedSpans.begin(), mappedSpans.end(), [&](const MappedSpan* span) {
    return data >= span->start && data < span->start + span->bytes;
  });
}

// Asks the system to fetch mapped bytes that will be read soon, many ranges at once instead of page after page.
static void fetchSoon(const char* from, size_t bytes) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t start = reinterpret_cast<uintptr_t>(from) & ~(page - 1);
  madvise(reinterpret_cast<void*>(start), reinterpret_cast<uintptr_t>(from) + bytes - start, MADV_WILLNEED);
}

// (path, offset, bytes) -> ArrayBuffer over these bytes of the file, read when touched. Writes stay in memory.
static napi_value mapFile(Args& a) {
  const std::string path = a.string(0);
  const int64_t offset = a.integer(1), bytes = a.integer(2);
  const auto fail = [&](const char* step) { throw UsageError{std::string(step) + " \"" + path + "\": " + std::strerror(errno)}; };
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("cannot open");
  struct stat status;
  if (fstat(file, &status) != 0 || offset < 0 || bytes <= 0 || offset + bytes > status.st_size) {
    close(file);
    throw UsageError{"\"" + path + "\" does not reach from byte " + std::to_string(offset) + " over " + std::to_string(bytes) + " bytes"};
  }
  const int64_t start = offset - offset % sysconf(_SC_PAGESIZE);
  const size_t span = offset - start + bytes;
  void* pages = mmap(nullptr, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file, start);
  const int mapError = errno;
  close(file);
  errno = mapError;
  if (pages == MAP_FAILED) fail("cannot map");
  // Samples are drawn at random: reading ahead would fetch frames that nobody asked for. See fetchSoon.
  madvise(pages, span, MADV_RANDOM);
  napi_value buffer;
  auto* hint = new MappedSpan{static_cast<char*>(pages), span};
  {
    std::lock_guard<std::mutex> lock(mappedMutex);
    mappedSpans.push_back(hint);
  }
  // When this fails, Node has thrown an exception and released the pages already.
  if (napi_create_external_arraybuffer(a.env, static_cast<char*>(pages) + (offset - start), bytes, unmap, hint, &buffer) != napi_ok) return nullptr;
  return buffer;
}

static void exportMapping(napi_env env, napi_value exports) {
  define<mapFile>(env, exports, "mapFile");
}
