/// How Qualcomm's provider treats a model.
public struct QNNOptions: Sendable {
  public enum Performance: String, Sendable, CaseIterable {
    case burst, balanced
    case highPerformance = "high_performance"
    case sustainedHighPerformance = "sustained_high_performance"
    case highPowerSaver = "high_power_saver"
    case lowBalanced = "low_balanced"
    case lowPowerSaver = "low_power_saver"
    case powerSaver = "power_saver"
    case extremePowerSaver = "extreme_power_saver"
    case standard = "default"
  }

  /// How long the compiler thinks.
  public enum Finalization: Int, Sendable, CaseIterable {
    case quickest = 1
    case longer = 2
    /// Best for the device, slowest to compile.
    case longest = 3
  }

  public enum ProfilingLevel: String, Sendable, CaseIterable { case basic, detailed, optrace }

  /// Where the Q of inputs and the DQ of outputs are computed.
  public enum Boundary: Sendable {
    /// On the NPU, so that no node stays behind.
    case npu
    /// On the processor, which is ONNX Runtime's own choice.
    case processor
  }

  /// Which nodes must be on the NPU.
  public enum Requirement: Sendable {
    /// Those it takes; the others run on the processor and are listed in the placement.
    case any
    /// All; opening the model fails with the list of those it does not take.
    case allNodes
  }

  /// A compiled model that is written while the model is loaded.
  public struct ContextFile: Sendable {
    public enum Binary: Sendable { case embedded, besideIt }
    public let path: String
    public let binary: Binary

    public init(path: String, binary: Binary = .embedded) {
      self.path = path
      self.binary = binary
    }
  }

  /// The backend's library; nil takes libQnnHtp beside the plugin.
  public var backendPath: String?
  /// The chip to compile for. Never left out: without it, 16-bit linears are refused and the memory has the wrong
  /// size.
  public var soc = SoC.snapdragonXElite
  /// The NPU's version; nil takes the chip's.
  public var architecture: Int?
  /// Its memory in MiB; nil takes the chip's.
  public var vtcmMegabytes: Int?
  public var performance: Performance?
  public var finalization: Finalization?
  public var boundary = Boundary.npu
  public var requirement = Requirement.any
  /// Whether an error lists refused nodes by name; else it counts them by operator.
  public var namesRefusedNodes = false
  public var profilingLevel: ProfilingLevel?
  /// The file for the profile, comma-separated values.
  public var profilingPath: String?
  public var contextFile: ContextFile?
  /// Words for reasons of refusals, beside the runtime's own.
  public var rules = NPURules()
  /// Further options by the names that Qualcomm documents; they win over those above.
  public var additional: [String: String] = [:]

  public init() {}

  /// Options for the provider, by Qualcomm's names.
  public func providerOptions(backendPath: String) -> [String: String] {
    var options = [
      "backend_path": backendPath,
      "soc_model": String(soc.number),
      "offload_graph_io_quantization": boundary == .processor ? "1" : "0",
    ]
    options["htp_arch"] = architecture.map(String.init)
    options["vtcm_mb"] = vtcmMegabytes.map(String.init)
    options["htp_performance_mode"] = performance?.rawValue
    options["htp_graph_finalization_optimization_mode"] = finalization.map { String($0.rawValue) }
    options["profiling_level"] = profilingLevel?.rawValue
    options["profiling_file_path"] = profilingPath
    return options.merging(additional) { $1 }
  }

  /// Entries for the session.
  public var sessionEntries: [String: String] {
    guard let contextFile else { return [:] }
    return [
      "ep.context_enable": "1",
      "ep.context_file_path": contextFile.path,
      "ep.context_embed_mode": contextFile.binary == .embedded ? "1" : "0",
    ]
  }
}
