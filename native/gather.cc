// Samples from recordings: every sample is a list of frames, copied and converted in one pass.

// GCC builds the loops for several processors and picks one when the addon is loaded.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define VECTORISED __attribute__((optimize("O3"), target_clones("avx512f", "avx2", "default")))
#else
#define VECTORISED
#endif

VECTORISED static void bytesToFloats(float* __restrict to, const uint8_t* __restrict from, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] = from[i];
}

VECTORISED static void levelsToFloats(float* __restrict to, const uint8_t* __restrict from, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] = (static_cast<float>(from[i]) - 127.0f) / 255.0f;
}

// A typed array's memory, for the duration of a call.
struct View {
  napi_typedarray_type type;
  size_t length;
  void* data;
};

static View viewOf(const Args& a, napi_value array) {
  View view;
  napi_value buffer;
  size_t offset;
  if (napi_get_typedarray_info(a.env, array, &view.type, &view.length, &view.data, &buffer, &offset) != napi_ok)
    throw UsageError{"expected a typed array"};
  return view;
}

// Mapped samples are asked for all at once, before the first is read: a disk serves many requests in the time of one.
static void fetchSamples(const std::vector<View>& sources, const int32_t* recordings, const int32_t* frames, int64_t samples, const int32_t* lags, int64_t lagCount, int64_t width) {
  std::vector<bool> mapped;
  for (const View& source : sources) mapped.push_back(isMapped(source.data));
  if (lagCount == 0 || std::find(mapped.begin(), mapped.end(), true) == mapped.end()) return;
  const auto [least, most] = std::minmax_element(lags, lags + lagCount);
  for (int64_t s = 0; s < samples; s++) {
    const View& source = sources[recordings[s]];
    const int64_t bytes = width * (source.type == napi_uint8_array ? 1 : 4), first = static_cast<int64_t>(frames[s]) - *most;
    if (mapped[recordings[s]]) fetchSoon(static_cast<const char*>(source.data) + first * bytes, (*most - *least + 1) * bytes);
  }
}

static View indices(const Args& a, size_t i) {
  const View view = viewOf(a, a.value[i]);
  if (view.type != napi_int32_array) throw UsageError{"expected an Int32Array"};
  return view;
}

// (out, position, sources, recordings, frames, lags, channels, pixels, normalise): writes [samples, channels, lags, pixels] from
// the given element of `out` on. Sources are [frames, channels, pixels]; sample s takes frame frames[s] - lag of source
// recordings[s]. Bytes become float32 if `out` is float32, normalised if asked; nothing else is converted.
static napi_value gatherFrames(Args& a) {
  at::Tensor& out = a.tensor(0);
  const int64_t position = a.integer(1), channels = a.integer(6), pixels = a.integer(7), width = channels * pixels;
  const bool normalise = a.boolean(8);
  std::vector<View> sources(a.length(a.value[2]));
  for (uint32_t k = 0; k < sources.size(); k++) sources[k] = viewOf(a, a.at(a.value[2], k));
  const View recordings = indices(a, 3), frames = indices(a, 4), lagList = indices(a, 5);
  const auto *recordingOf = static_cast<const int32_t*>(recordings.data), *frameOf = static_cast<const int32_t*>(frames.data),
             *lags = static_cast<const int32_t*>(lagList.data);
  const int64_t samples = frames.length, lagCount = lagList.length;
  if (recordings.length != frames.length) throw UsageError{"as many recordings as frames are needed"};
  if (!out.device().is_cpu() || !out.is_contiguous()) throw UsageError{"frames are gathered into contiguous memory of the host"};
  if (position < 0 || channels < 1 || pixels < 0 || position + samples * lagCount * width > out.numel())
    throw UsageError{"the tensor has no room for the samples"};
  const bool toFloat = out.scalar_type() == at::kFloat;
  if (!toFloat && out.scalar_type() != at::kByte) throw UsageError{"frames are gathered as float32 or uint8"};
  for (const View& source : sources) {
    const bool isBytes = source.type == napi_uint8_array;
    if (!isBytes && !(toFloat && source.type == napi_float32_array)) throw UsageError{"sources must be bytes, or float32 for a float32 tensor"};
  }
  for (int64_t s = 0; s < samples; s++) {
    const int32_t recording = recordingOf[s];
    if (recording < 0 || recording >= static_cast<int64_t>(sources.size())) throw UsageError{"there is no recording " + std::to_string(recording)};
    for (int64_t l = 0; l < lagCount; l++) {
      const int64_t frame = static_cast<int64_t>(frameOf[s]) - lags[l];
      if (frame < 0 || (frame + 1) * width > static_cast<int64_t>(sources[recording].length))
        throw UsageError{"recording " + std::to_string(recording) + " has no frame " + std::to_string(frame)};
    }
  }
  fetchSamples(sources, recordingOf, frameOf, samples, lags, lagCount, width);
  auto* base = static_cast<char*>(out.data_ptr());
  for (int64_t s = 0; s < samples; s++) {
    const View& source = sources[recordingOf[s]];
    const bool isBytes = source.type == napi_uint8_array;
    for (int64_t l = 0; l < lagCount; l++) {
      const int64_t frame = static_cast<int64_t>(frameOf[s]) - lags[l];
      for (int64_t c = 0; c < channels; c++) {
        const int64_t to = position + ((s * channels + c) * lagCount + l) * pixels, from = frame * width + c * pixels;
        if (!toFloat) {
          std::memcpy(base + to, static_cast<const char*>(source.data) + from, pixels);
        } else if (!isBytes) {
          std::memcpy(base + to * 4, static_cast<const char*>(source.data) + from * 4, pixels * 4);
        } else {
          const auto convert = normalise ? levelsToFloats : bytesToFloats;
          convert(reinterpret_cast<float*>(base) + to, static_cast<const uint8_t*>(source.data) + from, pixels);
        }
      }
    }
  }
  return a.undefined();
}

static void exportGather(napi_env env, napi_value exports) {
  define<gatherFrames>(env, exports, "gatherFrames");
}
