// Files mapped into memory, as array buffers.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

// A mapped file starts at a page, the bytes that were asked for anywhere within it.
struct MappedSpan {
  void* start;
  size_t bytes;
};

static void unmap(napi_env, void*, void* hint) {
  auto* span = static_cast<MappedSpan*>(hint);
  munmap(span->start, span->bytes);
  delete span;
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
  // Samples are drawn at random: reading ahead would fetch frames that nobody asked for.
  madvise(pages, span, MADV_RANDOM);
  napi_value buffer;
  auto* hint = new MappedSpan{pages, span};
  if (napi_create_external_arraybuffer(a.env, static_cast<char*>(pages) + (offset - start), bytes, unmap, hint, &buffer) != napi_ok) {
    unmap(a.env, nullptr, hint);
    throw UsageError{"cannot make an array buffer of " + std::to_string(bytes) + " bytes"};
  }
  return buffer;
}

static void exportMapping(napi_env env, napi_value exports) {
  define<mapFile>(env, exports, "mapFile");
}
