/// The part of ONNX Runtime's binary interface that whisperq calls, written down by hand.
///
/// The interface is a table of function pointers that only ever grows, so the place of a function never
/// changes between versions; nothing of the runtime is linked, and no header of it is needed to build. Every
/// function below is one place of the table (its number stands in Slots.c). Functions that can fail return a
/// status, NULL when all is well. Handles are opaque; who makes one releases it with `cort_release`.
#ifndef CONNXRUNTIME_H
#define CONNXRUNTIME_H

#include <stddef.h>
#include <stdint.h>

// ---- Opening a library: Library.c, the one file that differs between systems.

/// Opens a shared library for the life of the process. NULL when it cannot, with the system's words in
/// `reason`.
void *_Nullable cort_open_library(const char *_Nonnull path, char *_Nonnull reason, size_t reasonSize);
/// A function of the library; NULL when it has none of that name.
void *_Nullable cort_find_function(void *_Nonnull library, const char *_Nonnull name);
/// The path of the running program; 0 when the system does not tell.
int cort_program_path(char *_Nonnull path, size_t pathSize);

/// Keeps everything that is written to standard output until `cort_restore_output`, which hands it on to standard
/// error, without the line that each emulation of the NPU begins with.
/// Returns a descriptor of the real standard output, -1 when there is none.
///
/// Standard output belongs to the whole process: callers hold a lock meanwhile, and what other threads print
/// goes to standard error too.
int cort_divert_output(void);
void cort_restore_output(int saved);

// ---- The table.

typedef struct cort_base cort_base;
typedef struct cort_api cort_api;
typedef struct cort_status cort_status;
typedef struct cort_env cort_env;
typedef struct cort_options cort_options;
typedef struct cort_session cort_session;
typedef struct cort_run_options cort_run_options;
typedef struct cort_value cort_value;
typedef struct cort_memory_info cort_memory_info;
typedef struct cort_type_info cort_type_info;
typedef struct cort_tensor_info cort_tensor_info;
typedef struct cort_allocator cort_allocator;
typedef struct cort_device cort_device;
typedef struct cort_subgraph cort_subgraph;
typedef struct cort_node cort_node;

/// Receives what the runtime and its providers say. Called on any thread.
typedef void (*cort_log_function)(
    void *_Nullable context, int severity, const char *_Nullable category, const char *_Nullable logID,
    const char *_Nullable codeLocation, const char *_Nullable message);

/// `entry` is the library's function OrtGetApiBase.
const cort_base *_Nullable cort_get_base(void *_Nonnull entry);
const char *_Nullable cort_version(const cort_base *_Nonnull base);
/// NULL when the library is older than that.
const cort_api *_Nullable cort_get_api(const cort_base *_Nonnull base, uint32_t version);
const char *_Nullable cort_build_info(const cort_api *_Nonnull api);

int cort_status_code(const cort_api *_Nonnull api, const cort_status *_Nonnull status);
const char *_Nullable cort_status_message(const cort_api *_Nonnull api, const cort_status *_Nonnull status);

/// The places of the functions that release a handle.
typedef enum {
  cort_release_env = 92,
  cort_release_status = 93,
  cort_release_memory_info = 94,
  cort_release_session = 95,
  cort_release_value = 96,
  cort_release_run_options = 97,
  cort_release_type_info = 98,
  cort_release_tensor_info = 99,
  cort_release_options = 100,
} cort_release_slot;
void cort_release(const cort_api *_Nonnull api, cort_release_slot slot, void *_Nullable handle);

// Environment and session options.
cort_status *_Nullable cort_create_env(
    const cort_api *_Nonnull api, cort_log_function _Nonnull log, void *_Nullable context, int severity,
    const char *_Nonnull logID, cort_env *_Nullable *_Nonnull result);
cort_status *_Nullable cort_create_options(
    const cort_api *_Nonnull api, cort_options *_Nullable *_Nonnull result);
cort_status *_Nullable cort_set_log_id(
    const cort_api *_Nonnull api, cort_options *_Nonnull options, const char *_Nonnull logID);
cort_status *_Nullable cort_set_log_severity(
    const cort_api *_Nonnull api, cort_options *_Nonnull options, int severity);
cort_status *_Nullable cort_set_optimization(
    const cort_api *_Nonnull api, cort_options *_Nonnull options, int level);
cort_status *_Nullable cort_set_intra_threads(
    const cort_api *_Nonnull api, cort_options *_Nonnull options, int count);
cort_status *_Nullable cort_set_inter_threads(
    const cort_api *_Nonnull api, cort_options *_Nonnull options, int count);
cort_status *_Nullable cort_enable_profiling(
    const cort_api *_Nonnull api, cort_options *_Nonnull options, const char *_Nonnull prefix);
cort_status *_Nullable cort_bind_dimension(
    const cort_api *_Nonnull api, cort_options *_Nonnull options, const char *_Nonnull name, int64_t extent);
cort_status *_Nullable cort_add_entry(
    const cort_api *_Nonnull api, cort_options *_Nonnull options, const char *_Nonnull key,
    const char *_Nonnull value);

// Session.
cort_status *_Nullable cort_create_session(
    const cort_api *_Nonnull api, cort_env *_Nonnull env, const char *_Nonnull path,
    const cort_options *_Nonnull options, cort_session *_Nullable *_Nonnull result);
cort_status *_Nullable cort_create_run_options(
    const cort_api *_Nonnull api, cort_run_options *_Nullable *_Nonnull result);
cort_status *_Nullable cort_set_run_severity(
    const cort_api *_Nonnull api, cort_run_options *_Nonnull options, int severity);
cort_status *_Nullable cort_run(
    const cort_api *_Nonnull api, cort_session *_Nonnull session, const cort_run_options *_Nonnull options,
    const char *_Nullable const *_Nonnull inputNames,
    const cort_value *_Nullable const *_Nonnull inputs, size_t inputCount,
    const char *_Nullable const *_Nonnull outputNames, size_t outputCount,
    cort_value *_Nullable *_Nonnull outputs);
/// The name of the profile's file, to be freed with `cort_free`.
cort_status *_Nullable cort_end_profiling(
    const cort_api *_Nonnull api, cort_session *_Nonnull session, cort_allocator *_Nonnull allocator,
    char *_Nullable *_Nonnull result);

/// The two ends of a model.
typedef enum { cort_inputs, cort_outputs } cort_end;
cort_status *_Nullable cort_count(
    const cort_api *_Nonnull api, cort_end end, const cort_session *_Nonnull session, size_t *_Nonnull count);
/// To be freed with `cort_free`.
cort_status *_Nullable cort_name(
    const cort_api *_Nonnull api, cort_end end, const cort_session *_Nonnull session, size_t index,
    cort_allocator *_Nonnull allocator, char *_Nullable *_Nonnull result);
cort_status *_Nullable cort_type(
    const cort_api *_Nonnull api, cort_end end, const cort_session *_Nonnull session, size_t index,
    cort_type_info *_Nullable *_Nonnull result);
/// A view of `info`, which keeps it; NULL when the value is no tensor.
cort_status *_Nullable cort_tensor_of_type(
    const cort_api *_Nonnull api, const cort_type_info *_Nonnull info,
    const cort_tensor_info *_Nullable *_Nonnull result);

// Types, shapes and values.
cort_status *_Nullable cort_element_type(
    const cort_api *_Nonnull api, const cort_tensor_info *_Nonnull info, int *_Nonnull result);
cort_status *_Nullable cort_rank(
    const cort_api *_Nonnull api, const cort_tensor_info *_Nonnull info, size_t *_Nonnull result);
/// Fills `rank` extents; those not known are -1.
cort_status *_Nullable cort_dimensions(
    const cort_api *_Nonnull api, const cort_tensor_info *_Nonnull info, int64_t *_Nonnull result,
    size_t rank);
/// Fills `rank` names, which `info` keeps; those of fixed or unknown extents are empty.
cort_status *_Nullable cort_symbols(
    const cort_api *_Nonnull api, const cort_tensor_info *_Nonnull info,
    const char *_Nullable *_Nonnull result, size_t rank);
cort_status *_Nullable cort_type_of_value(
    const cort_api *_Nonnull api, const cort_value *_Nonnull value,
    cort_tensor_info *_Nullable *_Nonnull result);
cort_status *_Nullable cort_create_memory_info(
    const cort_api *_Nonnull api, cort_memory_info *_Nullable *_Nonnull result);
/// A value over memory of the caller, who keeps it while the value lives. The runtime only reads inputs.
cort_status *_Nullable cort_create_tensor(
    const cort_api *_Nonnull api, const cort_memory_info *_Nonnull info, const void *_Nonnull bytes,
    size_t byteCount, const int64_t *_Nonnull dimensions, size_t rank, int elementType,
    cort_value *_Nullable *_Nonnull result);
cort_status *_Nullable cort_tensor_data(
    const cort_api *_Nonnull api, cort_value *_Nonnull value, void *_Nullable *_Nonnull result);
cort_status *_Nullable cort_default_allocator(
    const cort_api *_Nonnull api, cort_allocator *_Nullable *_Nonnull result);
cort_status *_Nullable cort_free(
    const cort_api *_Nonnull api, cort_allocator *_Nonnull allocator, void *_Nonnull memory);

// Providers in libraries of their own: API 22 and later.
cort_status *_Nullable cort_register_provider(
    const cort_api *_Nonnull api, cort_env *_Nonnull env, const char *_Nonnull name,
    const char *_Nonnull path);
cort_status *_Nullable cort_unregister_provider(
    const cort_api *_Nonnull api, cort_env *_Nonnull env, const char *_Nonnull name);
/// The environment keeps the list.
cort_status *_Nullable cort_devices(
    const cort_api *_Nonnull api, const cort_env *_Nonnull env,
    const cort_device *_Nonnull const *_Nullable *_Nonnull result, size_t *_Nonnull count);
const char *_Nullable cort_device_provider(
    const cort_api *_Nonnull api, const cort_device *_Nonnull device);
const char *_Nullable cort_device_vendor(
    const cort_api *_Nonnull api, const cort_device *_Nonnull device);
/// 0 processor, 1 graphics, 2 neural processor.
int cort_device_kind(const cort_api *_Nonnull api, const cort_device *_Nonnull device);
cort_status *_Nullable cort_append_provider(
    const cort_api *_Nonnull api, cort_options *_Nonnull options, cort_env *_Nonnull env,
    const cort_device *_Nonnull device, const char *_Nullable const *_Nonnull keys,
    const char *_Nullable const *_Nonnull values, size_t count);

// Which provider took which nodes: API 24 and later. The session keeps everything.
cort_status *_Nullable cort_assignment(
    const cort_api *_Nonnull api, const cort_session *_Nonnull session,
    const cort_subgraph *_Nonnull const *_Nullable *_Nonnull result, size_t *_Nonnull count);
cort_status *_Nullable cort_subgraph_provider(
    const cort_api *_Nonnull api, const cort_subgraph *_Nonnull subgraph,
    const char *_Nullable *_Nonnull result);
cort_status *_Nullable cort_subgraph_nodes(
    const cort_api *_Nonnull api, const cort_subgraph *_Nonnull subgraph,
    const cort_node *_Nonnull const *_Nullable *_Nonnull result, size_t *_Nonnull count);
cort_status *_Nullable cort_node_name(
    const cort_api *_Nonnull api, const cort_node *_Nonnull node, const char *_Nullable *_Nonnull result);
cort_status *_Nullable cort_node_domain(
    const cort_api *_Nonnull api, const cort_node *_Nonnull node, const char *_Nullable *_Nonnull result);
cort_status *_Nullable cort_node_operator(
    const cort_api *_Nonnull api, const cort_node *_Nonnull node, const char *_Nullable *_Nonnull result);

#endif
