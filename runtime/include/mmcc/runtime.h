/*===- mmcc/runtime.h - Loads and runs compiled models --------------*- C -*-===
 *
 * The C interface of the mmcc runtime; C11 and C++.
 *
 *     mmcc_error error;
 *     mmcc_model *model;
 *     mmcc_session *session;
 *     if (mmcc_model_load("model.mmcc", NULL, &model, &error) ||
 *         mmcc_session_create(model, NULL, NULL, &session, &error) ||
 *         mmcc_session_run(session, inputs, 1, outputs, 1, &error))
 *       fprintf(stderr, "%s\n", error.message);
 *
 * A function that can fail returns an mmcc_code and, where `error` is not
 * null, leaves a message there. Nothing aborts and nothing throws.
 *
 * A model may be used from several threads. A session runs one call at a time;
 * concurrent calls wait for each other.
 *
 *===----------------------------------------------------------------------===*/

#ifndef MMCC_RUNTIME_H
#define MMCC_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MMCC_API __attribute__((visibility("default")))
#else
#define MMCC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mmcc_code {
  MMCC_OK = 0,
  MMCC_INVALID_ARGUMENT = 1, /* the call's arguments are at fault */
  MMCC_INVALID_FILE = 2,     /* damaged, or not an artifact */
  MMCC_UNSUPPORTED = 3,      /* sound, but this runtime cannot do it */
  MMCC_NO_DEVICE = 4,        /* this machine cannot run it */
  MMCC_OUT_OF_MEMORY = 5,    /* also when a limit in the options is reached */
  MMCC_IO_ERROR = 6,
  MMCC_NOT_FOUND = 7 /* no such file, entry, input or output */
} mmcc_code;

/* Filled in on failure; belongs to the caller. */
typedef struct mmcc_error {
  mmcc_code code;
  char message[1020]; /* always terminated */
} mmcc_error;

/* Element types; the numbers are ONNX's. Types below 8 bits are packed, the
 * first element in the low bits. */
typedef uint32_t mmcc_dtype;
enum {
  MMCC_UNDEFINED = 0,
  MMCC_F32 = 1,
  MMCC_U8 = 2,
  MMCC_I8 = 3,
  MMCC_U16 = 4,
  MMCC_I16 = 5,
  MMCC_I32 = 6,
  MMCC_I64 = 7,
  MMCC_STRING = 8,
  MMCC_BOOL = 9,
  MMCC_F16 = 10,
  MMCC_F64 = 11,
  MMCC_U32 = 12,
  MMCC_U64 = 13,
  MMCC_COMPLEX64 = 14,
  MMCC_COMPLEX128 = 15,
  MMCC_BF16 = 16,
  MMCC_F8E4M3FN = 17,
  MMCC_F8E4M3FNUZ = 18,
  MMCC_F8E5M2 = 19,
  MMCC_F8E5M2FNUZ = 20,
  MMCC_U4 = 21,
  MMCC_I4 = 22,
  MMCC_F4E2M1 = 23,
  MMCC_F8E8M0 = 24,
  MMCC_U2 = 25,
  MMCC_I2 = 26
};

/* Bits of one element, 0 when the type has no fixed size. */
MMCC_API unsigned mmcc_dtype_bits(mmcc_dtype dtype);
MMCC_API const char *mmcc_dtype_name(mmcc_dtype dtype);

#define MMCC_MAX_RANK 16

/* A dense row-major tensor. `data` is aligned to its elements. With a model on
 * a GPU it may also be the address of memory there (of the same process and
 * device), which is then read or written in place; what has been asked of the
 * GPU for it must be done when a run begins, and is when one returns. */
typedef struct mmcc_tensor {
  mmcc_dtype dtype;
  uint32_t rank;
  int64_t dims[MMCC_MAX_RANK];
  void *data;
  uint64_t bytes; /* available at `data` */
} mmcc_tensor;

typedef struct mmcc_model mmcc_model;
typedef struct mmcc_session mmcc_session;

/* ------------------------------------------------------------------ Models */

/* Zero, or a null pointer in place of the structure, asks for the default. */
typedef struct mmcc_model_options {
  uint32_t struct_bytes; /* sizeof(mmcc_model_options) */
  uint32_t load_threads; /* that verify the file; default 2 */
  const char *isa;       /* the CPU level to use; default the best one */
  const char *device;    /* "cpu" (default), "cuda" or "cuda:N" for GPU N */
} mmcc_model_options;

/* Maps the file and verifies all of it; for a GPU also loads code and weights
 * there, once for all sessions. The file must not be changed in place while the
 * model lives. MMCC_NO_DEVICE: there is no driver or no such GPU, or the file
 * has no code for it. */
MMCC_API mmcc_code mmcc_model_load(const char *path,
                                   const mmcc_model_options *options,
                                   mmcc_model **model, mmcc_error *error);
/* Sessions keep what they need of their model. Null is fine. */
MMCC_API void mmcc_model_free(mmcc_model *model);

/* The CPU level or GPU architecture whose code was chosen, "x86-64-v4",
 * "sm_90a", ... */
MMCC_API const char *mmcc_model_isa(const mmcc_model *model);
/* The library that does some of the kernels' work on a GPU, "cuBLASLt 13.1.1",
 * or why there is none; "" when the file has no use for one. */
MMCC_API const char *mmcc_model_library(const mmcc_model *model);
MMCC_API size_t mmcc_model_entry_count(const mmcc_model *model);
/* Null when there is no such entry. Valid as long as the model. */
MMCC_API const char *mmcc_model_entry_name(const mmcc_model *model,
                                           size_t index);
/* Bytes of all constants, those that are shared counted once. */
MMCC_API uint64_t mmcc_model_weights_bytes(const mmcc_model *model);
/* Appends addresses and names of the code to /tmp/perf-PID.map, where `perf
 * report` looks for them: kernels, with the model's nodes that they work for,
 * and what they call. */
MMCC_API mmcc_code mmcc_model_write_perf_map(const mmcc_model *model,
                                             mmcc_error *error);

/* ---------------------------------------------------------------- Sessions */

typedef struct mmcc_session_options {
  uint32_t struct_bytes;    /* sizeof(mmcc_session_options) */
  uint32_t threads;         /* default: the processors this process may use */
  uint64_t max_arena_bytes; /* refuse calls that need more; default no limit */
  uint64_t max_steps;       /* kernel calls and turns of loops a call may take;
                               default no limit */
} mmcc_session_options;

/* `entry` may be null when the model has one entry only; forms of an entry that
 * keep state (below) do not count. */
MMCC_API mmcc_code mmcc_session_create(mmcc_model *model, const char *entry,
                                       const mmcc_session_options *options,
                                       mmcc_session **session,
                                       mmcc_error *error);
/* Null is fine. */
MMCC_API void mmcc_session_free(mmcc_session *session);

/* What an input must be, or an output will be. */
typedef struct mmcc_value_info {
  const char *name; /* valid as long as the session, like dim_text */
  mmcc_dtype dtype;
  uint32_t rank;
  int32_t optional; /* 1: may be left out */
  /* The extent, or -1 where it depends on the call. It then lies between
   * dim_lo and dim_hi (-1: no bound), and dim_text tells how it is made of
   * the model's symbols: "batch", "past + 1". */
  int64_t dims[MMCC_MAX_RANK];
  int64_t dim_lo[MMCC_MAX_RANK];
  int64_t dim_hi[MMCC_MAX_RANK];
  const char *dim_text[MMCC_MAX_RANK];
} mmcc_value_info;

MMCC_API size_t mmcc_session_input_count(const mmcc_session *session);
MMCC_API size_t mmcc_session_output_count(const mmcc_session *session);
MMCC_API mmcc_code mmcc_session_input(const mmcc_session *session, size_t index,
                                      mmcc_value_info *info, mmcc_error *error);
MMCC_API mmcc_code mmcc_session_output(const mmcc_session *session,
                                       size_t index, mmcc_value_info *info,
                                       mmcc_error *error);

/* Fills in dtype, rank, dims and bytes of all outputs for inputs of these
 * shapes; `data` is neither read nor changed. MMCC_UNSUPPORTED when a shape
 * depends on what the inputs hold. */
MMCC_API mmcc_code mmcc_session_output_shapes(
    mmcc_session *session, const mmcc_tensor *inputs, size_t input_count,
    mmcc_tensor *outputs, size_t output_count, mmcc_error *error);

/* Runs the entry. Inputs and outputs are in the model's order, all of them. An
 * optional input is left out by giving a tensor that is all zero (its dtype is
 * MMCC_UNDEFINED); inputs that belong together are left out together.
 * An output whose `data` is null is put into memory of the session, which is
 * valid until the session's next run or its end; else it is written to `data`,
 * where `bytes` bytes must be enough. Its other fields are filled in. Outputs
 * must not overlap inputs or each other. A run whose shapes are among the last
 * few seen allocates nothing. */
MMCC_API mmcc_code mmcc_session_run(mmcc_session *session,
                                    const mmcc_tensor *inputs,
                                    size_t input_count, mmcc_tensor *outputs,
                                    size_t output_count, mmcc_error *error);

/* ------------------------------------------------------------------- State
 *
 * A decoder's past keys and values. An entry `x` that takes them as tensors and
 * gives them back longer has a form `x.state` that does not: it keeps them in a
 * state, to which each run appends its own tokens. A session is without memory;
 * a state belongs to a conversation (or a batch of them of equal length) and
 * can be used with any session of the entry, one run at a time.
 *
 *     mmcc_session_create(model, "decoder.state", NULL, &session, &error);
 *     mmcc_state_create(session, NULL, &state, &error);
 *     for (;;)
 *       mmcc_session_run_with_state(session, state, inputs, ...);
 *
 * A run that fails leaves the state as it was. */

typedef struct mmcc_state mmcc_state;

typedef struct mmcc_state_options {
  uint32_t struct_bytes;    /* sizeof(mmcc_state_options) */
  uint32_t batch;           /* rows; default the entry's, or 1 */
  uint64_t capacity_tokens; /* runs that would exceed it fail with
                               MMCC_OUT_OF_MEMORY; default as memory allows */
} mmcc_state_options;

/* What the entry keeps; 0 for an entry without state. A state is described as
 * a tensor [batch, heads, tokens, dim] of the type it is kept in; its name is
 * that of the input which it stands for. */
MMCC_API size_t mmcc_session_state_count(const mmcc_session *session);
MMCC_API mmcc_code mmcc_session_state(const mmcc_session *session, size_t index,
                                      mmcc_value_info *info, mmcc_error *error);

/* An empty state for the session's entry. Memory is set aside as it grows, and
 * counts against the session's max_arena_bytes, alone and with each call. */
MMCC_API mmcc_code mmcc_state_create(mmcc_session *session,
                                     const mmcc_state_options *options,
                                     mmcc_state **state, mmcc_error *error);
/* Null is fine. */
MMCC_API void mmcc_state_free(mmcc_state *state);
/* In tokens. */
MMCC_API uint64_t mmcc_state_length(const mmcc_state *state);
/* Bytes set aside so far. */
MMCC_API uint64_t mmcc_state_bytes(const mmcc_state *state);
/* Forgets all but the first `tokens` tokens; 0 makes it empty. */
MMCC_API mmcc_code mmcc_state_truncate(mmcc_state *state, uint64_t tokens,
                                       mmcc_error *error);
/* Replaces what it holds by tensors, one for each of the entry's states in
 * order, f32 [batch, heads, tokens, dim] with equally many tokens. */
MMCC_API mmcc_code mmcc_state_fill(mmcc_state *state,
                                   const mmcc_tensor *tensors, size_t count,
                                   mmcc_error *error);
/* Gives one of them back as such a tensor: into `data`, where `bytes` bytes
 * must be enough. With null `data` only dtype, rank, dims and bytes are filled
 * in. */
MMCC_API mmcc_code mmcc_state_read(const mmcc_state *state, size_t index,
                                   mmcc_tensor *tensor, mmcc_error *error);

/* As mmcc_session_run and mmcc_session_output_shapes, for entries with state.
 * Sizes that depend on the past are those of the state. */
MMCC_API mmcc_code mmcc_session_run_with_state(
    mmcc_session *session, mmcc_state *state, const mmcc_tensor *inputs,
    size_t input_count, mmcc_tensor *outputs, size_t output_count,
    mmcc_error *error);
MMCC_API mmcc_code mmcc_session_output_shapes_with_state(
    mmcc_session *session, const mmcc_state *state, const mmcc_tensor *inputs,
    size_t input_count, mmcc_tensor *outputs, size_t output_count,
    mmcc_error *error);

/* ------------------------------------------------------- What a session did */

/* Kernels, copies and fills that the last run launched. */
MMCC_API uint64_t mmcc_session_launches(const mmcc_session *session);
MMCC_API uint32_t mmcc_session_threads(const mmcc_session *session);
/* Bytes set aside for intermediate results so far. */
MMCC_API uint64_t mmcc_session_arena_bytes(const mmcc_session *session);

/* Time of each command, summed over the runs since profiling was switched on.
 * Profiling costs a barrier and two clock reads a command. */
typedef struct mmcc_profile_row {
  const char *node;   /* the model's node, "" when unknown */
  const char *kernel; /* or "copy", "fill", a library's function */
  uint64_t runs;
  uint64_t nanoseconds;
  double flops; /* of all runs; 0 when unknown */
  double bytes;
  uint32_t block, command; /* where the command stands in the program */
} mmcc_profile_row;

MMCC_API void mmcc_session_set_profiling(mmcc_session *session, int on);
MMCC_API size_t mmcc_session_profile_size(const mmcc_session *session);
MMCC_API mmcc_code mmcc_session_profile(const mmcc_session *session,
                                        size_t index, mmcc_profile_row *row);

/* What one thread ran of one command in the last run. Unlike profiling this
 * leaves the run as it is: streams side by side, threads at their own pace, two
 * clock reads more a slice, and nothing allocated by a run whose shapes were
 * seen before. */
typedef struct mmcc_timeline_slice {
  const char *node; /* as in mmcc_profile_row, like kernel */
  const char *kernel;
  uint32_t block, command;
  uint32_t thread;           /* 0: the one that called */
  uint64_t begin_ns, end_ns; /* since the run began */
  double flops;              /* of these cells; 0 when unknown */
  uint32_t stream; /* commands of different ones may run side by side */
  uint64_t cells;  /* of the kernel's grid, out of all_cells */
  uint64_t all_cells;
} mmcc_timeline_slice;

MMCC_API void mmcc_session_set_timeline(mmcc_session *session, int on);
/* Slices of a thread are in the order of time. */
MMCC_API size_t mmcc_session_timeline_size(const mmcc_session *session);
MMCC_API mmcc_code mmcc_session_timeline(const mmcc_session *session,
                                         size_t index,
                                         mmcc_timeline_slice *slice);

/* A range of memory that a command has just written. */
typedef struct mmcc_observation {
  const char *node; /* the model's nodes that the command stands for, joined
                       by ", "; what it stores is the last one's */
  const char *kernel;
  const void *data; /* until the observer returns */
  uint64_t bytes;
} mmcc_observation;
typedef void (*mmcc_observer)(const mmcc_observation *observation,
                              void *context);

/* Has `observer` called, on the calling thread, after each command of a run,
 * once for each range that it may have written. Runs then use one thread. Null
 * ends it. */
MMCC_API void mmcc_session_set_observer(mmcc_session *session,
                                        mmcc_observer observer, void *context);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* MMCC_RUNTIME_H */
