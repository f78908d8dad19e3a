public import ModelBackend
public import Tensors

/// What a validation saw of one model.
public struct ModelReport: Sendable {
  public let path: String
  /// What the model is, in words.
  public let title: String
  /// With its data files.
  public let byteCount: Int
  /// Whether it was left out, as a note says: neither looked at nor run.
  public var isPassedOver = false
  /// Found without running.
  public var findings: [Finding] = []
  /// What is worth knowing, each a sentence.
  public var notes: [String] = []
  /// Nil when the model was not run.
  public var run: RunReport?
  /// Where each node will run on the NPU, as the rules say; empty when it was not asked for.
  public var places: [NodePlace] = []
  /// The same model on the processor, beside a run on the NPU; nil when there was none to compare.
  public var processor: ProcessorComparison?
  /// Inner tensors that reference and candidate both have, in the order of computation; empty when not asked for.
  public var layers: [LayerReport] = []
  /// One sentence for each reason why the model does not pass, the most important first.
  public var objections: [Objection] = []

  public var passes: Bool { objections.isEmpty }

  /// The kind of a reason.
  public struct Objection: Sendable, Equatable {
    public enum Kind: String, Sendable {
      /// The file is damaged or contradicts itself.
      case file
      /// No asked-for provider runs it, or not all of it.
      case provider
      /// It runs, but not well enough.
      case verdict
      /// A file could not be read.
      case inputOutput = "input-output"
      /// The inputs do not fit.
      case usage
    }
    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
      self.kind = kind
      self.message = message
    }
  }

  public init(path: String, title: String, byteCount: Int) {
    self.path = path
    self.title = title
    self.byteCount = byteCount
  }
}

/// A run of a model, and of its reference.
public struct RunReport: Sendable {
  /// A tensor that went in or came out.
  public struct Port: Sendable {
    public let name: String
    public let elementType: ElementType
    public let shape: Shape

    /// ONNX's name of the element type.
    public var typeName: String { elementType.name }
    public var dimensions: [Int] { shape.dimensions }
    /// `[1, 1500, 384]`.
    public var shapeText: String { shape.description }

    public init(name: String, elementType: ElementType, shape: Shape) {
      self.name = name
      self.elementType = elementType
      self.shape = shape
    }
  }

  public let engine: EngineReport
  public let inputs: [Port]
  public let outputs: [Port]
  /// Health of each output, and its difference from the reference.
  public let findings: [OutputFinding]
  /// Seconds until the model was ready.
  public let loadSeconds: Double
  /// Seconds of each timed run, in order.
  public let seconds: [Double]
  /// The reference and what ran it.
  public let reference: Reference?
  /// Inputs that nobody gave.
  public let madeUp: MadeUpInputs?

  /// Inputs that were made to fit the model, not taken from speech.
  public struct MadeUpInputs: Sendable {
    /// The same seed makes the same inputs.
    public let seed: UInt64
    public let names: [String]

    public init(seed: UInt64, names: [String]) {
      self.seed = seed
      self.names = names
    }
  }

  public struct Reference: Sendable {
    public let path: String
    public let engine: EngineReport
    /// Median of its runs.
    public let seconds: Double

    public init(path: String, engine: EngineReport, seconds: Double) {
      self.path = path
      self.engine = engine
      self.seconds = seconds
    }
  }

  public init(
    engine: EngineReport, inputs: [Port], outputs: [Port], findings: [OutputFinding], loadSeconds: Double,
    seconds: [Double], reference: Reference?, madeUp: MadeUpInputs? = nil
  ) {
    self.engine = engine
    self.inputs = inputs
    self.outputs = outputs
    self.findings = findings
    self.loadSeconds = loadSeconds
    self.seconds = seconds
    self.reference = reference
    self.madeUp = madeUp
  }

  /// The median of the timed runs.
  public var medianSeconds: Double { Statistics.median(seconds) }
}

/// What ran a model.
public struct EngineReport: Sendable {
  public let provider: Provider
  /// The runtime with its version.
  public let runtime: String
  /// Whether an NPU's numbers come from its emulation, so that its times say nothing about a device.
  public let isEmulated: Bool
  public let placement: Placement
  /// Providers that were asked for before and did not get the model.
  public let passedOver: [PassedOver]
  /// What the runtime said.
  public let notes: [String]

  public init(
    provider: Provider, runtime: String, isEmulated: Bool, placement: Placement, passedOver: [PassedOver],
    notes: [String]
  ) {
    self.provider = provider
    self.runtime = runtime
    self.isEmulated = isEmulated
    self.placement = placement
    self.passedOver = passedOver
    self.notes = notes
  }

  /// `qnn (emulated)`.
  public var providerTitle: String { provider.rawValue + (isEmulated ? " (emulated)" : "") }
}

/// One inner tensor.
public struct LayerReport: Sendable {
  public let name: String
  /// The operator that makes it in the reference.
  public let operatorName: String
  public let difference: TensorDifference

  public init(name: String, operatorName: String, difference: TensorDifference) {
    self.name = name
    self.operatorName = operatorName
    self.difference = difference
  }
}

/// Numbers about numbers.
public enum Statistics {
  /// The value in the middle, or the mean of the two there; NaN for none.
  public static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard let last = sorted.last else { return .nan }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1
      ? sorted[middle] : (sorted[middle - 1] + (middle < sorted.count ? sorted[middle] : last)) / 2
  }

  /// The value below which `share` (0 to 1) of the values lie, between neighbours in proportion.
  public static func quantile(_ values: [Double], _ share: Double) -> Double {
    let sorted = values.sorted()
    guard let last = sorted.last else { return .nan }
    let place = min(max(share, 0), 1) * Double(sorted.count - 1)
    let below = Int(place)
    guard below + 1 < sorted.count else { return last }
    return sorted[below] + (place - Double(below)) * (sorted[below + 1] - sorted[below])
  }

  /// Half of the distance between the quartiles over the median: how far runs scatter.
  public static func spread(_ values: [Double]) -> Double {
    let middle = median(values)
    guard middle > 0 else { return 0 }
    return (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / middle
  }
}
