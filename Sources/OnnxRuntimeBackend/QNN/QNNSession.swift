import ByteIO
import COnnxRuntime
public import ModelBackend
import Synchronization

/// Qualcomm's libraries, as files.
public struct QNNLibraries: Sendable {
  /// `libonnxruntime_providers_qnn.so` or what the system calls it.
  public let plugin: String

  public init(plugin: String) { self.plugin = plugin }

  /// Searches for the plugin.
  public init(_ places: LibraryPlaces) throws(BackendError) {
    let search = LibrarySearch(.qnnPlugin, places)
    guard let path = search.path else {
      throw BackendError(
        .missing, "the provider qnn (QNNExecutionProvider) is not available: " + search.absence)
    }
    plugin = path
  }

  /// The NPU's backend beside the plugin.
  public var htpBackend: String {
    #if os(Windows)
      let name = "QnnHtp.dll"
    #else
      let name = "libQnnHtp.so"
    #endif
    return joined(folder(of: realPath(plugin) ?? plugin), name)
  }
}

extension OnnxRuntime {
  private static let registrationName = Provider.qnn.runtimeName

  /// Opens a model on the NPU, or on its emulation.
  ///
  /// The runtime itself falls back to the processor in silence, even for all nodes. Here, a model of which the NPU
  /// took nothing is an error with the reasons, and so is a single node left behind when `options` require all.
  public func openQNNSession(
    model path: String, libraries: QNNLibraries, _ options: QNNOptions = QNNOptions(),
    settings: SessionSettings = SessionSettings()
  ) throws(BackendError) -> OnnxRuntimeSession {
    let backend = options.backendPath ?? libraries.htpBackend
    try checkBackend(backend)
    let device = try unsafe registeredDevice(libraries.plugin)
    let kind = unsafe OnnxRuntime.kind(of: device, api)
    let name = RuntimeLog.shared.begin()
    let session: OnnxRuntimeSession
    do throws(BackendError) {
      // Severity 0: why a node is refused is said in a whisper.
      let handle = try SessionOptions(self, settings, logName: name, logSeverity: 0)
      try handle.add(options.sessionEntries)
      if options.requirement == .allNodes, apiVersion < OnnxRuntime.assignmentAPIVersion {
        try handle.add(["session.disable_cpu_ep_fallback": "1"])
      }
      let pairs = options.providerOptions(backendPath: realPath(backend) ?? backend).sorted {
        $0.key < $1.key
      }
      let keys = CTexts(pairs.map(\.key))
      let values = CTexts(pairs.map(\.value))
      // Safe: the texts live to the end of the call, which copies them; the device belongs to the environment.
      try unsafe api.check(
        cort_append_provider(
          api.table, handle.handle.pointer, environment.pointer, device, keys.pointers, values.pointers,
          pairs.count),
        "asking for \(OnnxRuntime.registrationName)")
      withExtendedLifetime((keys, values)) {}
      session = try OnnxRuntimeSession(
        self, model: path, options: handle, provider: .qnn, device: kind, logName: name,
        namesRefusedNodes: options.namesRefusedNodes, rules: options.rules)
    } catch {
      RuntimeLog.shared.end(name)
      throw error
    }
    try check(session, path, options)
    return session
  }

  private func checkBackend(_ path: String) throws(BackendError) {
    if ByteIO.kind(ofPath: path) == .missing {
      throw BackendError(
        .missing,
        "QNN's backend is not at \(path): there is no such file; it comes with onnxruntime-qnn, which "
          + "scripts/fetch-runtime.sh puts into .runtime/")
    }
    if let objection = LibraryImage.objection(toFile: path) {
      throw BackendError(.missing, "\(path) cannot be QNN's backend: \(objection)")
    }
  }

  private func check(
    _ session: OnnxRuntimeSession, _ path: String, _ options: QNNOptions
  ) throws(BackendError) {
    let placement = session.placement
    let taken = placement.nodeCount(of: .qnn)
    let total = placement.shares.reduce(0) { $0 + $1.nodeCount }
    let list = RefusalList(placement.leftovers).text(names: options.namesRefusedNodes)
    if taken == 0, total > 0 {
      let notes = session.notes.isEmpty ? "" : "; the runtime says: " + session.notes.joined(separator: "; ")
      throw BackendError(
        .unsupported,
        "QNN took none of the \(total) nodes of \(path)\(notes)\(list)")
    }
    if options.requirement == .allNodes, !placement.isWhole(on: .qnn) {
      throw BackendError(
        .unsupported,
        "QNN must take all nodes of \(path), and \(total - taken) of \(total) stayed on the processor"
          + list)
    }
  }

  /// Registers the plugin once and chooses its device: an NPU where there is one.
  @unsafe private func registeredDevice(_ plugin: String) throws(BackendError) -> OpaquePointer {
    guard apiVersion >= OnnxRuntime.pluginAPIVersion else {
      throw BackendError(
        .unsupported,
        "QNN needs ONNX Runtime 1.\(OnnxRuntime.pluginAPIVersion) or later, and \(path) is \(version)")
    }
    try register(plugin)
    // Safe: the environment keeps the list and its devices, and lives as long as the process.
    var devices: UnsafePointer<OpaquePointer>?
    var count = 0
    try unsafe api.check(cort_devices(api.table, environment.pointer, &devices, &count), "listing devices")
    var choice: OpaquePointer?
    for index in 0..<count {
      guard let device = unsafe devices?[index] else { break }
      let name = unsafe api.text(cort_device_provider(api.table, device))
      guard name == OnnxRuntime.registrationName else { continue }
      let isNPU = unsafe cort_device_kind(api.table, device) == 2
      if unsafe choice == nil || isNPU { unsafe choice = device }
      if isNPU { break }
    }
    guard let choice = unsafe choice else {
      throw BackendError(.missing, "the plugin \(plugin) offers no device of \(OnnxRuntime.registrationName)")
    }
    return unsafe choice
  }

  private func register(_ plugin: String) throws(BackendError) {
    let real = realPath(plugin) ?? plugin
    try registeredPlugin.withLock { registered throws(BackendError) in
      if registered == real { return }
      if let registered {
        throw BackendError(
          .failed, "another QNN plugin is in use in this process: \(registered); \(real) cannot be added")
      }
      // Checks that the file is a plugin before the runtime opens it, for a sentence that says what is wrong.
      _ = try unsafe LoadedLibrary.function("CreateEpFactories", in: real, of: .qnnPlugin)
      OutputDiversion.begin()
      defer { OutputDiversion.end() }
      try unsafe api.check(
        cort_register_provider(api.table, environment.pointer, OnnxRuntime.registrationName, real),
        "registering the QNN plugin \(real)")
      registered = real
    }
  }

  @unsafe private static func kind(of device: OpaquePointer, _ api: RuntimeAPI) -> OnnxRuntimeSession.Device {
    // On processors of Intel and AMD there is no Hexagon NPU, whatever the plugin calls its device.
    #if arch(x86_64)
      return .emulatedNPU
    #else
      return unsafe cort_device_kind(api.table, device) == 2 ? .npu : .emulatedNPU
    #endif
  }
}
