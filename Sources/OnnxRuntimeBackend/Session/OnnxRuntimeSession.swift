import COnnxRuntime
public import ModelBackend
import Synchronization
public import Tensors

/// A model that ONNX Runtime has loaded.
///
/// Outputs borrow the runtime's memory, so that feeding them to the next run copies nothing: that is how decoders
/// carry their caches.
public final class OnnxRuntimeSession: ModelSession, Sendable {
  /// What computes the model.
  public enum Device: Sendable {
    case processor
    case npu
    /// The Hexagon NPU emulated on a processor: the same numbers, but times that say nothing about a device.
    case emulatedNPU
  }

  public let inputs: [TensorSignature]
  public let outputs: [TensorSignature]
  public let placement: Placement
  /// The provider that was asked for.
  public let provider: Provider
  public let device: Device
  /// Warnings and errors that the runtime had while it loaded the model.
  public let notes: [String]
  /// The version of Qualcomm's runtime, such as `v2.51.0.260929181845`; nil without QNN.
  public let qairtVersion: String?
  public let runtime: OnnxRuntime

  private let handle: Handle
  private let memoryInfo: Handle
  private let runOptions: Handle
  private let inputNames: CTexts
  private let isNoisy: Bool

  init(
    _ runtime: OnnxRuntime, model path: String, options: SessionOptions, provider: Provider, device: Device,
    logName: String, namesRefusedNodes: Bool = false, rules: NPURules = NPURules()
  ) throws(BackendError) {
    let api = runtime.api
    let isNoisy = provider == .qnn
    defer { RuntimeLog.shared.end(logName) }
    let handle: Handle
    do throws(BackendError) {
      if isNoisy { OutputDiversion.begin() }
      defer { if isNoisy { OutputDiversion.end() } }
      handle = try unsafe Handle(
        api, cort_release_session, keeping: runtime.environment, isNoisy: isNoisy, "opening \(path)"
      ) { result in
        // Safe: the handles live to the end of the call, and the path is copied by the runtime.
        unsafe cort_create_session(
          api.table, runtime.environment.pointer, path, options.handle.pointer, &result)
      }
    } catch {
      throw SessionLog(RuntimeLog.shared.heard(logName)).explaining(error, path, names: namesRefusedNodes)
    }
    let ends = ModelEnds(api: api, session: handle)
    inputs = try ends.signatures(cort_inputs)
    outputs = try ends.signatures(cort_outputs)
    let log = SessionLog(RuntimeLog.shared.heard(logName))
    let reader = PlacementReader(api: api, session: handle, log: log, rules: rules)
    placement = try reader.placement(
      firstChoice: provider, hasOpenShapes: inputs.contains(where: \.hasOpenShape))
    notes = log.notes
    qairtVersion = log.qairtVersion
    memoryInfo = try unsafe Handle(api, cort_release_memory_info, "describing memory") { result in
      unsafe cort_create_memory_info(api.table, &result)
    }
    runOptions = try unsafe Handle(api, cort_release_run_options, "making run options") { result in
      unsafe cort_create_run_options(api.table, &result)
    }
    // Loading may have been told to say everything; runs say warnings only. Safe: the handle was made above.
    try unsafe api.check(
      cort_set_run_severity(api.table, runOptions.pointer, 2), "setting the log level of runs")
    self.runtime = runtime
    self.handle = handle
    self.provider = provider
    self.device = device
    self.isNoisy = isNoisy
    inputNames = CTexts(inputs.map(\.name))
  }

  /// Computes the named outputs from the fed inputs; see `ModelSession`.
  ///
  /// Feeds are shown to the runtime, not copied, except those that do not begin at a whole element.
  public func run(
    _ feeds: [String: TensorContent], outputs names: [String]
  ) throws(BackendError) -> [String: TensorContent] {
    try FeedCheck(inputs: inputs).check(feeds)
    let known = outputs.map(\.name)
    for name in names where !known.contains(name) {
      let list = known.joined(separator: ", ")
      throw BackendError(.badFeed, "the model has no output \"\(name)\"; its outputs are \(list)")
    }
    let wanted = known.filter(names.contains)
    if wanted.isEmpty { return [:] }
    let ordered = inputs.compactMap { feeds[$0.name] }
    if isNoisy { OutputDiversion.begin() }
    defer { if isNoisy { OutputDiversion.end() } }
    let values = try FeedValues(api: runtime.api, memoryInfo: memoryInfo).lend(ordered[...]) {
      (inputs) throws(BackendError) in
      try compute(inputs, CTexts(wanted))
    }
    var results: [String: TensorContent] = [:]
    for (name, value) in zip(wanted, values) { results[name] = try content(of: value, name) }
    return results
  }

  private func compute(_ inputs: [Handle], _ names: CTexts) throws(BackendError) -> [Handle] {
    let count = unsafe names.pointers.count
    var results = unsafe [OpaquePointer?](repeating: nil, count: count)
    let pointers = unsafe inputs.map { unsafe Optional($0.pointer) }
    // Safe: names and inputs live to the end of the call, all arrays have the counts that are passed with them.
    let status = unsafe cort_run(
      runtime.api.table, handle.pointer, runOptions.pointer, inputNames.pointers, pointers, pointers.count,
      names.pointers, count,
      &results)
    withExtendedLifetime((inputs, names)) {}
    // The values are adopted before the status is looked at, so that those of a run that failed half way are
    // released too.
    var values: [Handle] = []
    for index in 0..<count {
      guard let pointer = unsafe results[index] else { continue }
      values.append(
        unsafe Handle(runtime.api, cort_release_value, keeping: handle, adopting: pointer))
    }
    try unsafe runtime.api.check(status, "running the model")
    guard values.count == count else { throw BackendError(.failed, "ONNX Runtime left out an output") }
    return values
  }

  private func content(of value: Handle, _ name: String) throws(BackendError) -> TensorContent {
    let api = runtime.api
    let type = try unsafe Handle(
      api, cort_release_tensor_info, "reading the output \(name), which is no tensor"
    ) { result in
      unsafe cort_type_of_value(api.table, value.pointer, &result)
    }
    let reader = unsafe TensorTypeReader(api: api, info: type.pointer)
    let elementType = try reader.elementType()
    let shape = Shape(try reader.extents())
    withExtendedLifetime(type) {}
    guard let elementType, let shape,
      let byteCount = elementType.byteCount(elementCount: shape.elementCount)
    else {
      throw BackendError(
        .unsupported, "the output \"\(name)\" has a type or shape that whisperq does not read")
    }
    if byteCount == 0 { return TensorContent(elementType: elementType, shape: shape, bytes: .empty) }
    var address: UnsafeMutableRawPointer?
    try unsafe api.check(cort_tensor_data(api.table, value.pointer, &address), "reading the output \(name)")
    guard let address = unsafe address else {
      throw BackendError(.failed, "the output \"\(name)\" has no bytes")
    }
    // Safe: the memory belongs to the value, holds as many elements as its shape says, and is not written any more.
    let buffer = unsafe TensorBuffer(borrowing: UnsafeRawPointer(address), byteCount: byteCount, owner: value)
    return TensorContent(elementType: elementType, shape: shape, bytes: .buffer(buffer))
  }

  /// Ends the profile that `SessionSettings.profilePrefix` asked for and returns the path of its file.
  public func endProfile() throws(BackendError) -> String {
    let api = runtime.api
    var allocator: OpaquePointer?
    // Safe: results are variables of this scope; the text is copied and given back to its allocator.
    try unsafe api.check(cort_default_allocator(api.table, &allocator), "asking for the allocator")
    guard let allocator = unsafe allocator else { throw BackendError(.failed, "there is no allocator") }
    var text: UnsafeMutablePointer<CChar>?
    try unsafe api.check(
      cort_end_profiling(api.table, handle.pointer, allocator, &text), "ending the profile")
    guard let text = unsafe text else { throw BackendError(.failed, "the profile has no file") }
    let path = unsafe String(cString: text)
    try unsafe api.check(cort_free(api.table, allocator, text), "giving a name back")
    return path
  }
}

extension TensorSignature {
  /// Whether an extent is not known before the model runs.
  var hasOpenShape: Bool {
    guard let dimensions else { return true }
    return dimensions.contains { if case .fixed = $0 { false } else { true } }
  }
}

extension OnnxRuntime {
  /// Opens a model on the processor.
  public func openSession(
    model path: String, _ settings: SessionSettings = SessionSettings()
  ) throws(BackendError) -> OnnxRuntimeSession {
    let name = RuntimeLog.shared.begin()
    // Old interfaces tell the placement in their log only.
    let severity: Int32 = apiVersion >= OnnxRuntime.assignmentAPIVersion ? 2 : 0
    let options: SessionOptions
    do throws(BackendError) {
      options = try SessionOptions(self, settings, logName: name, logSeverity: severity)
    } catch {
      RuntimeLog.shared.end(name)
      throw error
    }
    return try OnnxRuntimeSession(
      self, model: path, options: options, provider: .cpu, device: .processor, logName: name)
  }
}
