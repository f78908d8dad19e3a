import ByteIO
import CPUBackend
public import ModelBackend
import ModelStore
import ONNXGraph
import OnnxRuntimeBackend
import QuantPlan
import Validation

/// Which providers run a model, and how, as a command line says it.
public struct BackendChoice: Sendable {
  public enum NPU: Sendable {
    /// What it does not take runs on the processor and is listed.
    case optional
    /// Every node must run on it.
    case required
  }

  /// Names with commas between them; nil leaves the choice to the manifest.
  public var providers: String?
  public var npu = NPU.optional
  /// The chip by name or number; nil is the Snapdragon X Elite.
  public var target: String?
  public var runtimeLibrary: String?
  public var qnnLibrary: String?
  /// Nil is one per processor.
  public var threadCount: Int?
  /// Whether an error of the NPU lists its refused nodes by name, not by operator only.
  public var namesRefusedNodes = false

  /// More threads than this are a mistake on any machine, and bring this one to a halt.
  public static var threadLimit: Int { 16 * Machine.threadCount }

  public init() {}

  /// Names of the chips that `target` knows.
  public static var targetNames: [String] { SoC.all.map(\.name) }

  var places: LibraryPlaces { LibraryPlaces(onnxRuntime: runtimeLibrary, qnnPlugin: qnnLibrary) }

  /// Checks words of a command line.
  public func validated() throws(PipelineError) {
    _ = try soc()
    if let providers {
      let order: ProviderOrder
      do { order = try ProviderOrder(parsing: providers) } catch {
        throw PipelineError(error.message, .usage)
      }
      if npu == .required, !order.providers.contains(.qnn) {
        throw PipelineError(
          "--require-npu runs every node on qnn, and --ep \(order) leaves it out; drop one of them", .usage)
      }
    }
    if let threadCount, threadCount < 1 { throw PipelineError("--threads takes a number from 1 on", .usage) }
  }

  func soc() throws(PipelineError) -> SoC {
    guard let target else { return .snapdragonXElite }
    if let soc = SoC(named: target) { return soc }
    guard kind(ofPath: target) == .file else { throw Self.unknown(target) }
    let number = try SettingsFile.target(path: target).socModel
    if let soc = SoC(named: String(number)) { return soc }
    throw PipelineError(
      "\(target): the chip with 'soc_model' \(number) is unknown; choose the number of one of "
        + "\(Self.targetNames.joined(separator: ", "))",
      .badInput)
  }

  /// The rules of the chip.
  func rules() throws(PipelineError) -> Target { try Self.rules(named: target ?? SoC.snapdragonXElite.name) }

  /// The rules of a chip by name, part number or number, or of a file of a target.
  ///
  /// They were measured for one chip; others are held to the same ones under their own name, which is said in
  /// docs/npu.md.
  static func rules(named word: String) throws(PipelineError) -> Target {
    guard let soc = SoC(named: word) else {
      guard kind(ofPath: word) == .file else { throw unknown(word) }
      return try SettingsFile.target(path: word)
    }
    if let known = Target.known.first(where: { $0.name == soc.name }) { return known }
    var target = Target.snapdragonXElite
    (target.name, target.title, target.socModel) = (soc.name, "\(soc.name) (\(soc.chipset))", soc.number)
    target.architecture = "v\(soc.architecture)"
    return target
  }

  private static func unknown(_ word: String) -> PipelineError {
    PipelineError(
      "--target '\(word)' is unknown; choose \(targetNames.joined(separator: ", ")), or a file of a target",
      .usage)
  }

  /// Words for what the NPU refuses, for the runtime's list of nodes that stayed behind.
  func npuWords() throws(PipelineError) -> NPURules {
    NPURules(refusedOperators: try rules().refusedOperators, openShapes: Target.openShapes)
  }

  /// The order in which providers are tried for a model: as asked, else as its manifest entry says with the embedded
  /// engine last, else ONNX Runtime's processor provider and the embedded engine.
  ///
  /// - Returns: the order, and a sentence about providers of the manifest that whisperq does not run.
  func order(for entry: ManifestEntry?) throws(PipelineError) -> (order: ProviderOrder, notes: [String]) {
    if npu == .required { return (ProviderOrder([.qnn]), []) }
    if let providers {
      do { return (try ProviderOrder(parsing: providers), []) } catch {
        throw PipelineError(error.message, .usage)
      }
    }
    let names = entry?.providers ?? []
    let known = names.compactMap(Provider.init(named:))
    let strange = names.filter { Provider(named: $0) == nil }
    let notes =
      strange.isEmpty
      ? [] : ["the manifest also names \(strange.joined(separator: ", ")), which whisperq does not run"]
    return (ProviderOrder(known.isEmpty ? [.cpu] : known).endingInEmbedded, notes)
  }

  /// Whether the NPU is there, as an emulation that takes its time.
  var emulatesNPU: Bool {
    #if arch(x86_64)
      return LibrarySearch(.qnnPlugin, places).path != nil && LibrarySearch(.onnxRuntime, places).path != nil
    #else
      return false
    #endif
  }

  /// Opens a model with the first provider of the order that is there and takes it.
  ///
  /// `dimensions` are extents for open dimensions by name; runtimes that plan ahead need them. A processor is told
  /// `sharedDimensions` in their place, when it is to run several shapes.
  func open(
    _ graph: ModelGraph, path: String, order: ProviderOrder, dimensions: [String: Int],
    sharedDimensions: [String: Int]? = nil, profilePrefix: String? = nil
  ) throws(PipelineError) -> OpenedModel {
    var opener = ModelOpener(places: places)
    opener.settings.threadCount = threadCount
    opener.settings.profilePrefix = profilePrefix
    opener.qnn.soc = try soc()
    opener.qnn.namesRefusedNodes = namesRefusedNodes
    opener.qnn.rules = try npuWords()
    // Without cpu in the order there is nobody who could run the rest of the nodes.
    if npu == .required || !order.providers.contains(.cpu) { opener.qnn.requirement = .allNodes }
    let clock = ContinuousClock()
    let start = clock.now
    let opened: OpenedSession
    do {
      opened = try order.open { [threadCount] (provider) throws(BackendError) -> any ModelSession in
        if provider == .embedded {
          return try CPUBackend.session(graph, options: CPUBackend.Options(threadCount: threadCount))
        }
        var opener = opener
        opener.settings.dimensions = provider == .qnn ? dimensions : sharedDimensions ?? dimensions
        return try opener.open(provider, model: path)
      }
    } catch {
      throw ContextModel(graph).explaining(
        PipelineError("\(path): \(error.message)", ExitStatus(error.reason)), order)
    }
    return OpenedModel(
      session: opened.session, engine: Self.engine(opened), loadSeconds: (clock.now - start) / .seconds(1),
      notes: ContextModel(graph).notes(openedBy: (opened.session as? OnnxRuntimeSession)?.qairtVersion))
  }

  private static func engine(_ opened: OpenedSession) -> EngineReport {
    let session = opened.session as? OnnxRuntimeSession
    var runtime = session.map { "ONNX Runtime \($0.runtime.version)" } ?? "embedded engine"
    if let qairt = session?.qairtVersion { runtime += ", QAIRT \(qairt)" }
    return EngineReport(
      provider: opened.provider, runtime: runtime, isEmulated: session?.device == .emulatedNPU,
      placement: opened.session.placement, passedOver: opened.passedOver, notes: session?.notes ?? [])
  }
}

/// A model that is ready to run.
struct OpenedModel {
  let session: any ModelSession
  let engine: EngineReport
  let loadSeconds: Double
  /// Of a compiled model, when another version of QAIRT made it.
  let notes: [String]
}

extension PassedOver {
  /// The first line of the reason; where a library was looked for stands in the others, and in `doctor`.
  public var summary: String {
    let lines = error.message.split(separator: "\n")
    guard lines.count > 1, let first = lines.first else { return error.message }
    let head = first.hasSuffix(". It was looked for in") ? String(first.dropLast(22)) : String(first)
    return head + " (whisperq doctor says more)"
  }
}

extension ExitStatus {
  init(_ reason: BackendError.Reason) {
    switch reason {
    case .missing, .unsupported, .failed: self = .unsupported
    case .badModel: self = .badInput
    case .badFeed: self = .usage
    }
  }
}
