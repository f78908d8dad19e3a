import COnnxRuntime
import ModelBackend

/// The runtime's own options for one session, made from ours.
@safe struct SessionOptions {
  let api: RuntimeAPI
  let handle: Handle

  init(
    _ runtime: OnnxRuntime, _ settings: SessionSettings, logName: String, logSeverity: Int32
  ) throws(BackendError) {
    let api = runtime.api
    let table = unsafe api.table
    handle = try unsafe Handle(api, cort_release_options, "making session options") { result in
      unsafe cort_create_options(table, &result)
    }
    self.api = api
    // Safe, for all calls here: the handle lives as long as `self`, and texts are copied by the runtime.
    let options = unsafe handle.pointer
    try unsafe api.check(cort_set_log_id(table, options, logName), "naming the session")
    try unsafe api.check(cort_set_log_severity(table, options, logSeverity), "setting the log level")
    try unsafe api.check(
      cort_set_optimization(table, options, settings.optimization.rawValue), "setting the optimization level")
    if let count = settings.threadCount {
      try unsafe api.check(
        cort_set_intra_threads(table, options, Int32(clamping: max(1, count))),
        "setting the number of threads")
      try unsafe api.check(cort_set_inter_threads(table, options, 1), "setting the number of threads")
    }
    for (name, extent) in settings.dimensions.sorted(by: { $0.key < $1.key }) {
      try unsafe api.check(
        cort_bind_dimension(table, options, name, Int64(extent)), "binding the dimension \(name)")
    }
    if let prefix = settings.profilePrefix {
      try unsafe api.check(cort_enable_profiling(table, options, prefix), "asking for a profile")
    }
    var entries = settings.configuration
    if api.version >= OnnxRuntime.assignmentAPIVersion {
      entries["session.record_ep_graph_assignment_info"] = "1"
    }
    try add(entries)
  }

  /// Adds documented entries, in the order of their names.
  func add(_ entries: [String: String]) throws(BackendError) {
    for (key, value) in entries.sorted(by: { $0.key < $1.key }) {
      // Safe: as above.
      try unsafe api.check(
        cort_add_entry(api.table, handle.pointer, key, value), "setting \(key) to \"\(value)\"")
    }
  }
}
