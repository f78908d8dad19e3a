public import Validation

/// What `validate` is asked to do.
public struct ValidateRequest: Sendable {
  public enum Depth: Sendable {
    /// Nothing is run.
    case structure
    /// The model runs, and its outputs are judged.
    case outputs
    /// Inner tensors are compared with the reference too.
    case layers
  }

  /// Files, folders and keys of the manifest; empty for all entries of the manifest.
  public var models: [String] = []
  public var manifestPath: String?
  public var backends = BackendChoice()
  public var depth = Depth.outputs
  /// A model, or a folder with models of the same names; nil looks for one.
  public var reference: String?
  public var findsReference = true
  public var inputs = InputChoice()
  /// Timed runs, after one that is not timed.
  public var runCount = 3
  public var limits = ValidationLimits()
  /// Models side by side; nil lets memory and processors decide.
  public var jobCount: Int?
  /// Whether the report says of each node where it will run on the NPU.
  public var explains = false
  public var followsLinks = false

  public init() {}
}

/// What models are fed.
public struct InputChoice: Sendable {
  public var seed: UInt64 = 1
  /// `name=extent`.
  public var dimensions: [String] = []
  /// `input=1,80,3000`.
  public var shapes: [String] = []
  /// `file.npz`, `file.npy` for a model of one input, or `input=file.npy`.
  public var files: [String] = []
  /// Tokens that a decoder with a cache has seen before.
  public var pastCount = 4

  public init() {}

  /// Whether the caller says something about extents.
  var choosesShapes: Bool { !dimensions.isEmpty || !shapes.isEmpty || !files.isEmpty }
}

/// Who is told how a validation goes on; called from any thread.
public struct ValidateObserver: Sendable {
  public let began: @Sendable (_ modelCount: Int) -> Void
  public let finished: @Sendable (_ report: ModelReport) -> Void
  /// A model goes to an NPU that is emulated, which takes long.
  public let emulating: @Sendable (_ path: String) -> Void

  public init(
    began: @escaping @Sendable (Int) -> Void = { _ in },
    finished: @escaping @Sendable (ModelReport) -> Void = { _ in },
    emulating: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.began = began
    self.finished = finished
    self.emulating = emulating
  }
}

extension ModelReport {
  /// What a failing model means for the process; nil when it passes.
  public var status: ExitStatus? { objections.first.map { ExitStatus($0.kind) } }
}

extension ExitStatus {
  init(_ kind: ModelReport.Objection.Kind) {
    switch kind {
    case .file: self = .badInput
    case .provider: self = .unsupported
    case .verdict: self = .verdict
    case .inputOutput: self = .inputOutput
    case .usage: self = .usage
    }
  }
}

extension ModelReport.Objection {
  init(_ error: PipelineError) {
    switch error.status {
    case .verdict, .done: self.init(.verdict, error.message)
    case .badInput: self.init(.file, error.message)
    case .unsupported, .internal: self.init(.provider, error.message)
    case .inputOutput: self.init(.inputOutput, error.message)
    case .usage: self.init(.usage, error.message)
    }
  }
}
