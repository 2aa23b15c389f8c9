// The C interface: arguments are checked, exceptions end here.

#include "runtime/core/DType.h"
#include "runtime/device/cpu/Processors.h"
#include "runtime/executor/ApiHandles.h"
#include "runtime/executor/PerfMap.h"
#include "runtime/loader/ProgramVerifier.h"

#include <charconv>
#include <string_view>

using namespace mmcc::runtime;
namespace schema = mmcc::schema;

static_assert(int(Code::not_found) == MMCC_NOT_FOUND &&
                  int(Code::io_error) == MMCC_IO_ERROR &&
                  int(Code::out_of_memory) == MMCC_OUT_OF_MEMORY,
              "Code and mmcc_code are one list");
static_assert(kMaxRank == MMCC_MAX_RANK, "the loader refuses higher ranks");

unsigned mmcc_dtype_bits(mmcc_dtype dtype) {
  return bitsOf(schema::DType(dtype));
}

const char *mmcc_dtype_name(mmcc_dtype dtype) {
  return nameOf(schema::DType(dtype));
}

/// The GPU that the options name; null for a CPU.
static Status openDevice(const mmcc_model_options &options,
                         std::shared_ptr<cuda::Device> &device) {
  std::string_view name = options.device ? options.device : "cpu";
  if (name == "cpu")
    return {};
  int ordinal = 0;
  bool known = name.substr(0, 4) == "cuda";
  std::string_view rest = known ? name.substr(4) : name;
  if (known && !rest.empty()) {
    auto [end, error] =
        std::from_chars(rest.data() + 1, rest.data() + rest.size(), ordinal);
    known = rest[0] == ':' && rest.size() > 1 && error == std::errc() &&
            end == rest.data() + rest.size() && ordinal >= 0;
  }
  if (!known)
    return {Code::invalid_argument, "'" + std::string(name) +
                                        "' is no device: it is cpu, cuda or "
                                        "cuda:N"};
  if (options.isa && *options.isa)
    return {Code::invalid_argument, "a CPU level says nothing of a GPU"};
  return cuda::Device::open(ordinal, device);
}

mmcc_code mmcc_model_load(const char *path, const mmcc_model_options *given,
                          mmcc_model **model, mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    if (!path || !model)
      return missing(path ? "model" : "path");
    *model = nullptr;
    mmcc_model_options options = optionsOf(given);
    auto artifact = std::make_shared<Artifact>();
    unsigned threads = options.load_threads ? options.load_threads : 2;
    MMCC_RETURN_IF_ERROR(artifact->open(path, std::min(threads, 64u)));
    std::shared_ptr<cuda::Device> device;
    MMCC_RETURN_IF_ERROR(openDevice(options, device));
    std::shared_ptr<const GpuProgram> gpu;
    if (!device) {
      MMCC_RETURN_IF_ERROR(
          artifact->chooseVariant(options.isa ? options.isa : ""));
    } else {
      MMCC_RETURN_IF_ERROR(artifact->chooseGpuVariant(
          device->major(), device->minor(), device->name()));
      MMCC_RETURN_IF_ERROR(GpuProgram::load(*artifact, device, gpu));
    }
    *model = new mmcc_model{std::move(artifact), std::move(gpu)};
    return {};
  });
}

void mmcc_model_free(mmcc_model *model) { delete model; }

const char *mmcc_model_isa(const mmcc_model *model) {
  return model->artifact->level();
}

const char *mmcc_model_library(const mmcc_model *model) {
  return model->gpu ? model->gpu->libraryText().c_str() : "";
}

size_t mmcc_model_entry_count(const mmcc_model *model) {
  return model->artifact->variant().entries()->size();
}

const char *mmcc_model_entry_name(const mmcc_model *model, size_t index) {
  if (index >= mmcc_model_entry_count(model))
    return nullptr;
  return model->artifact->entry(uint32_t(index))->name()->c_str();
}

uint64_t mmcc_model_weights_bytes(const mmcc_model *model) {
  uint64_t total = 0;
  const auto *segments = model->artifact->program().segments();
  for (uint32_t i = 0; i < lengthOf(segments); ++i)
    if (!segments->Get(i)->executable())
      total += segments->Get(i)->bytes();
  return total;
}

mmcc_code mmcc_model_write_perf_map(const mmcc_model *model,
                                    mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    if (!model)
      return missing("model");
    if (model->gpu)
      return {Code::unsupported, "perf does not look at GPUs"};
    return writePerfMap(*model->artifact);
  });
}

mmcc_code mmcc_session_create(mmcc_model *model, const char *name,
                              const mmcc_session_options *given,
                              mmcc_session **session, mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    if (!model || !session)
      return missing(model ? "session" : "model");
    *session = nullptr;
    mmcc_session_options options = optionsOf(given);
    const Artifact &artifact = *model->artifact;
    const schema::Entry *entry =
        name ? artifact.findEntry(name) : artifact.onlyEntry();
    if (!name && !entry)
      return {Code::invalid_argument,
              artifact.name() + " has several entries; name one of them"};
    if (!entry)
      return {Code::not_found,
              artifact.name() + " has no entry '" + name + "'"};
    unsigned threads =
        options.threads ? options.threads : availableProcessors();
    if (threads > ThreadTeam::kMaxSize)
      return {Code::invalid_argument,
              "no more than 1024 threads can be asked for"};
    std::unique_ptr<mmcc_session> made(
        new mmcc_session{Session(model->artifact, model->gpu, *entry,
                                 options.max_arena_bytes, options.max_steps)});
    MMCC_RETURN_IF_ERROR(made->session.start(threads));
    *session = made.release();
    return {};
  });
}

void mmcc_session_free(mmcc_session *session) { delete session; }

size_t mmcc_session_input_count(const mmcc_session *session) {
  return session->session.inputs().size();
}

size_t mmcc_session_output_count(const mmcc_session *session) {
  return session->session.outputs().size();
}

static mmcc_code describe(const std::vector<ValueDescription> &values,
                          const char *what, size_t index, mmcc_value_info *info,
                          mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    if (!info)
      return missing("info");
    if (index >= values.size())
      return {Code::not_found,
              "there is no " + std::string(what) + " " + std::to_string(index)};
    *info = values[index].info;
    return {};
  });
}

mmcc_code mmcc_session_input(const mmcc_session *session, size_t index,
                             mmcc_value_info *info, mmcc_error *error) {
  return describe(session->session.inputs(), "input", index, info, error);
}

mmcc_code mmcc_session_output(const mmcc_session *session, size_t index,
                              mmcc_value_info *info, mmcc_error *error) {
  return describe(session->session.outputs(), "output", index, info, error);
}

mmcc_code mmcc_session_output_shapes(mmcc_session *session,
                                     const mmcc_tensor *inputs,
                                     size_t input_count, mmcc_tensor *outputs,
                                     size_t output_count, mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    if (!session || (!inputs && input_count) || (!outputs && output_count))
      return missing("an argument");
    return session->session.outputShapes(nullptr, {inputs, input_count},
                                         {outputs, output_count});
  });
}

mmcc_code mmcc_session_run(mmcc_session *session, const mmcc_tensor *inputs,
                           size_t input_count, mmcc_tensor *outputs,
                           size_t output_count, mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    if (!session || (!inputs && input_count) || (!outputs && output_count))
      return missing("an argument");
    return session->session.run(nullptr, {inputs, input_count},
                                {outputs, output_count});
  });
}

uint64_t mmcc_session_launches(const mmcc_session *session) {
  return const_cast<mmcc_session *>(session)->session.launches();
}

uint32_t mmcc_session_threads(const mmcc_session *session) {
  return session->session.threads();
}

uint64_t mmcc_session_arena_bytes(const mmcc_session *session) {
  return const_cast<mmcc_session *>(session)->session.arenaBytes();
}

void mmcc_session_set_profiling(mmcc_session *session, int on) {
  session->session.setProfiling(on != 0);
}

void mmcc_session_set_timeline(mmcc_session *session, int on) {
  session->session.setTimeline(on != 0);
}

size_t mmcc_session_timeline_size(const mmcc_session *session) {
  return const_cast<mmcc_session *>(session)->session.timelineSize();
}

mmcc_code mmcc_session_timeline(const mmcc_session *session, size_t index,
                                mmcc_timeline_slice *slice) {
  bool found =
      const_cast<mmcc_session *>(session)->session.timelineSlice(index, *slice);
  return found ? MMCC_OK : MMCC_NOT_FOUND;
}

void mmcc_session_set_observer(mmcc_session *session, mmcc_observer observer,
                               void *context) {
  session->session.setObserver(observer, context);
}

size_t mmcc_session_profile_size(const mmcc_session *session) {
  return const_cast<mmcc_session *>(session)->session.profileSize();
}

mmcc_code mmcc_session_profile(const mmcc_session *session, size_t index,
                               mmcc_profile_row *row) {
  bool found =
      const_cast<mmcc_session *>(session)->session.profileRow(index, *row);
  return found ? MMCC_OK : MMCC_NOT_FOUND;
}
