// The C interface's part about state.

#include "runtime/executor/ApiHandles.h"

using namespace mmcc::runtime;

size_t mmcc_session_state_count(const mmcc_session *session) {
  return session->session.states().size();
}

mmcc_code mmcc_session_state(const mmcc_session *session, size_t index,
                             mmcc_value_info *info, mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    const std::vector<ValueDescription> &states = session->session.states();
    if (!info)
      return missing("info");
    if (index >= states.size())
      return {Code::not_found, "there is no state " + std::to_string(index)};
    *info = states[index].info;
    return {};
  });
}

mmcc_code mmcc_state_create(mmcc_session *session,
                            const mmcc_state_options *given, mmcc_state **state,
                            mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    if (!session || !state)
      return missing(session ? "state" : "session");
    *state = nullptr;
    mmcc_state_options options = optionsOf(given);
    auto made = std::make_unique<mmcc_state>();
    MMCC_RETURN_IF_ERROR(session->session.createState(
        options.batch, options.capacity_tokens, made->state));
    *state = made.release();
    return {};
  });
}

void mmcc_state_free(mmcc_state *state) { delete state; }

uint64_t mmcc_state_length(const mmcc_state *state) {
  std::lock_guard<std::mutex> lock(state->state->mutex);
  return uint64_t(state->state->length());
}

uint64_t mmcc_state_bytes(const mmcc_state *state) {
  std::lock_guard<std::mutex> lock(state->state->mutex);
  return state->state->bytes();
}

mmcc_code mmcc_state_truncate(mmcc_state *state, uint64_t tokens,
                              mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    if (!state)
      return missing("state");
    std::lock_guard<std::mutex> lock(state->state->mutex);
    return state->state->truncate(tokens);
  });
}

mmcc_code mmcc_state_fill(mmcc_state *state, const mmcc_tensor *tensors,
                          size_t count, mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    if (!state || (!tensors && count))
      return missing(state ? "tensors" : "state");
    std::lock_guard<std::mutex> lock(state->state->mutex);
    return state->state->fill({tensors, count});
  });
}

mmcc_code mmcc_state_read(const mmcc_state *state, size_t index,
                          mmcc_tensor *tensor, mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    if (!state || !tensor)
      return missing(state ? "tensor" : "state");
    std::lock_guard<std::mutex> lock(state->state->mutex);
    return state->state->read(index, *tensor);
  });
}

mmcc_code mmcc_session_output_shapes_with_state(
    mmcc_session *session, const mmcc_state *state, const mmcc_tensor *inputs,
    size_t input_count, mmcc_tensor *outputs, size_t output_count,
    mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    if (!session || !state || (!inputs && input_count) ||
        (!outputs && output_count))
      return missing("an argument");
    return session->session.outputShapes(
        state->state.get(), {inputs, input_count}, {outputs, output_count});
  });
}

mmcc_code mmcc_session_run_with_state(mmcc_session *session, mmcc_state *state,
                                      const mmcc_tensor *inputs,
                                      size_t input_count, mmcc_tensor *outputs,
                                      size_t output_count, mmcc_error *error) {
  return guarded(error, [&]() -> Status {
    if (!session || !state || (!inputs && input_count) ||
        (!outputs && output_count))
      return missing("an argument");
    return session->session.run(state->state.get(), {inputs, input_count},
                                {outputs, output_count});
  });
}
