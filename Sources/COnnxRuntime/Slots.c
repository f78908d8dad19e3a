// One function for each place of the table. The numbers are those of the function pointers in `OrtApi`,
// counted from zero; the table is append-only since version 1.0 of the runtime.
#include "COnnxRuntime.h"

typedef void (*function)(void);

// The table seen as what it is: pointers to functions in a row.
static function at(const cort_api *api, size_t slot) { return ((const function *)api)[slot]; }
#define CALL(result, slot, ...) ((result(*)(__VA_ARGS__))at(api, slot))
#define STATUS(slot, ...) CALL(cort_status *, slot, __VA_ARGS__)

struct cort_base {
  const cort_api *(*get_api)(uint32_t version);
  const char *(*get_version)(void);
};

const cort_base *cort_get_base(void *entry) {
  // POSIX lets a function be called through the pointer that dlsym returns.
  return ((const cort_base *(*)(void))(uintptr_t)entry)();
}
const char *cort_version(const cort_base *base) { return base->get_version ? base->get_version() : NULL; }
const cort_api *cort_get_api(const cort_base *base, uint32_t version) {
  return base->get_api ? base->get_api(version) : NULL;
}
const char *cort_build_info(const cort_api *api) { return CALL(const char *, 254, void)(); }

int cort_status_code(const cort_api *api, const cort_status *status) {
  return CALL(int, 1, const cort_status *)(status);
}
const char *cort_status_message(const cort_api *api, const cort_status *status) {
  return CALL(const char *, 2, const cort_status *)(status);
}
void cort_release(const cort_api *api, cort_release_slot slot, void *handle) { CALL(void, slot,
    void *)(handle); }

cort_status *cort_create_env(
    const cort_api *api, cort_log_function log, void *context, int severity, const char *logID,
    cort_env **result) {
  return STATUS(4, cort_log_function, void *, int, const char *, cort_env **)(log, context, severity, logID,
      result);
}
cort_status *cort_create_options(const cort_api *api, cort_options **result) {
  return STATUS(10, cort_options **)(result);
}
cort_status *cort_set_log_id(const cort_api *api, cort_options *options, const char *logID) {
  return STATUS(20, cort_options *, const char *)(options, logID);
}
cort_status *cort_set_log_severity(const cort_api *api, cort_options *options, int severity) {
  return STATUS(22, cort_options *, int)(options, severity);
}
cort_status *cort_set_optimization(const cort_api *api, cort_options *options, int level) {
  return STATUS(23, cort_options *, int)(options, level);
}
cort_status *cort_set_intra_threads(const cort_api *api, cort_options *options, int count) {
  return STATUS(24, cort_options *, int)(options, count);
}
cort_status *cort_set_inter_threads(const cort_api *api, cort_options *options, int count) {
  return STATUS(25, cort_options *, int)(options, count);
}
cort_status *cort_enable_profiling(const cort_api *api, cort_options *options, const char *prefix) {
  return STATUS(14, cort_options *, const char *)(options, prefix);
}
cort_status *cort_bind_dimension(const cort_api *api, cort_options *options, const char *name,
    int64_t extent) {
  return STATUS(124, cort_options *, const char *, int64_t)(options, name, extent);
}
cort_status *cort_add_entry(const cort_api *api, cort_options *options, const char *key, const char *value) {
  return STATUS(130, cort_options *, const char *, const char *)(options, key, value);
}

cort_status *cort_create_session(
    const cort_api *api, cort_env *env, const char *path, const cort_options *options,
    cort_session **result) {
  return STATUS(7, const cort_env *, const char *, const cort_options *, cort_session **)(env, path,
      options, result);
}
cort_status *cort_create_run_options(const cort_api *api, cort_run_options **result) {
  return STATUS(39, cort_run_options **)(result);
}
cort_status *cort_set_run_severity(const cort_api *api, cort_run_options *options, int severity) {
  return STATUS(41, cort_run_options *, int)(options, severity);
}
cort_status *cort_run(
    const cort_api *api, cort_session *session, const cort_run_options *options,
    const char *const *inputNames,
    const cort_value *const *inputs, size_t inputCount, const char *const *outputNames, size_t outputCount,
    cort_value **outputs) {
  return STATUS(
      9, cort_session *, const cort_run_options *, const char *const *, const cort_value *const *, size_t,
      const char *const *,
      size_t, cort_value **)(
      session, options, inputNames, inputs, inputCount, outputNames, outputCount, outputs);
}
cort_status *cort_end_profiling(
    const cort_api *api, cort_session *session, cort_allocator *allocator, char **result) {
  return STATUS(110, cort_session *, cort_allocator *, char **)(session, allocator, result);
}

cort_status *cort_count(const cort_api *api, cort_end end, const cort_session *session, size_t *count) {
  return STATUS(end == cort_inputs ? 30 : 31, const cort_session *, size_t *)(session, count);
}
cort_status *cort_name(
    const cort_api *api, cort_end end, const cort_session *session, size_t index, cort_allocator *allocator,
    char **result) {
  return STATUS(end == cort_inputs ? 36 : 37, const cort_session *, size_t, cort_allocator *, char **)(
      session, index, allocator, result);
}
cort_status *cort_type(
    const cort_api *api, cort_end end, const cort_session *session, size_t index, cort_type_info **result) {
  return STATUS(end == cort_inputs ? 33 : 34, const cort_session *, size_t, cort_type_info **)(
      session, index, result);
}
cort_status *cort_tensor_of_type(
    const cort_api *api, const cort_type_info *info, const cort_tensor_info **result) {
  return STATUS(55, const cort_type_info *, const cort_tensor_info **)(info, result);
}

cort_status *cort_element_type(const cort_api *api, const cort_tensor_info *info, int *result) {
  return STATUS(60, const cort_tensor_info *, int *)(info, result);
}
cort_status *cort_rank(const cort_api *api, const cort_tensor_info *info, size_t *result) {
  return STATUS(61, const cort_tensor_info *, size_t *)(info, result);
}
cort_status *cort_dimensions(const cort_api *api, const cort_tensor_info *info, int64_t *result,
    size_t rank) {
  return STATUS(62, const cort_tensor_info *, int64_t *, size_t)(info, result, rank);
}
cort_status *cort_symbols(const cort_api *api, const cort_tensor_info *info, const char **result,
    size_t rank) {
  return STATUS(63, const cort_tensor_info *, const char **, size_t)(info, result, rank);
}
cort_status *cort_type_of_value(const cort_api *api, const cort_value *value, cort_tensor_info **result) {
  return STATUS(65, const cort_value *, cort_tensor_info **)(value, result);
}
cort_status *cort_create_memory_info(const cort_api *api, cort_memory_info **result) {
  // 0: the allocator of the device itself, without an arena; 0: ordinary memory.
  return STATUS(69, int, int, cort_memory_info **)(0, 0, result);
}
cort_status *cort_create_tensor(
    const cort_api *api, const cort_memory_info *info, const void *bytes, size_t byteCount,
    const int64_t *dimensions, size_t rank, int elementType, cort_value **result) {
  return STATUS(49, const cort_memory_info *, void *, size_t, const int64_t *, size_t, int, cort_value **)(
      info, (void *)(uintptr_t)bytes, byteCount, dimensions, rank, elementType, result);
}
cort_status *cort_tensor_data(const cort_api *api, cort_value *value, void **result) {
  return STATUS(51, cort_value *, void **)(value, result);
}
cort_status *cort_default_allocator(const cort_api *api, cort_allocator **result) {
  return STATUS(78, cort_allocator **)(result);
}
cort_status *cort_free(const cort_api *api, cort_allocator *allocator, void *memory) {
  return STATUS(76, cort_allocator *, void *)(allocator, memory);
}

cort_status *cort_register_provider(const cort_api *api, cort_env *env, const char *name, const char *path) {
  return STATUS(301, cort_env *, const char *, const char *)(env, name, path);
}
cort_status *cort_unregister_provider(const cort_api *api, cort_env *env, const char *name) {
  return STATUS(302, cort_env *, const char *)(env, name);
}
cort_status *cort_devices(
    const cort_api *api, const cort_env *env, const cort_device *const **result, size_t *count) {
  return STATUS(303, const cort_env *, const cort_device *const **, size_t *)(env, result, count);
}
const char *cort_device_provider(const cort_api *api, const cort_device *device) {
  return CALL(const char *, 312, const cort_device *)(device);
}
const char *cort_device_vendor(const cort_api *api, const cort_device *device) {
  return CALL(const char *, 313, const cort_device *)(device);
}
int cort_device_kind(const cort_api *api, const cort_device *device) {
  const void *hardware = CALL(const void *, 316, const cort_device *)(device);
  return hardware ? CALL(int, 307, const void *)(hardware) : -1;
}
cort_status *cort_append_provider(
    const cort_api *api, cort_options *options, cort_env *env, const cort_device *device,
    const char *const *keys,
    const char *const *values, size_t count) {
  return STATUS(
      304, cort_options *, cort_env *, const cort_device *const *, size_t, const char *const *,
      const char *const *,
      size_t)(options, env, &device, 1, keys, values, count);
}

cort_status *cort_assignment(
    const cort_api *api, const cort_session *session, const cort_subgraph *const **result, size_t *count) {
  return STATUS(407, const cort_session *, const cort_subgraph *const **, size_t *)(session, result, count);
}
cort_status *cort_subgraph_provider(const cort_api *api, const cort_subgraph *subgraph, const char **result) {
  return STATUS(408, const cort_subgraph *, const char **)(subgraph, result);
}
cort_status *cort_subgraph_nodes(
    const cort_api *api, const cort_subgraph *subgraph, const cort_node *const **result, size_t *count) {
  return STATUS(409, const cort_subgraph *, const cort_node *const **, size_t *)(subgraph, result, count);
}
cort_status *cort_node_name(const cort_api *api, const cort_node *node, const char **result) {
  return STATUS(410, const cort_node *, const char **)(node, result);
}
cort_status *cort_node_domain(const cort_api *api, const cort_node *node, const char **result) {
  return STATUS(411, const cort_node *, const char **)(node, result);
}
cort_status *cort_node_operator(const cort_api *api, const cort_node *node, const char **result) {
  return STATUS(412, const cort_node *, const char **)(node, result);
}
