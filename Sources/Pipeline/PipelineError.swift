public import ByteIO
public import ONNXFile
public import ONNXGraph
public import Quantize

/// What the process tells its caller, as a number.
public enum ExitStatus: Int32, Sendable {
  case done = 0
  /// The verdict is "not good enough".
  case verdict = 1
  case badInput = 2
  /// An unsupported model or provider.
  case unsupported = 3
  case inputOutput = 4
  case usage = 64
  case `internal` = 70
}

/// Why a journey ended early: one sentence and an exit status. The only place that maps errors to statuses.
public struct PipelineError: Error, Sendable {
  public let message: String
  public let status: ExitStatus

  public init(_ message: String, _ status: ExitStatus) {
    self.message = message
    self.status = status
  }

  public init(_ error: ByteIOError) {
    switch error.reason {
    case .outOfRange, .unsafeLocation, .symbolicLink, .hardLink: self.init(error.message, .badInput)
    case .notFound, .notARegularFile, .system, .noSpace, .alreadyExists, .sameFile, .locked, .readOnly:
      self.init(error.message, .inputOutput)
    }
  }

  public init(_ error: ONNXFileError) {
    switch error.reason {
    case .io(let cause): self = PipelineError(cause)
    case .notONNX, .damaged, .notAModel, .tensor, .externalData, .externalFile, .tooLarge:
      self.init(error.message, .badInput)
    }
  }

  public init(_ error: LiftError) {
    switch error {
    case .file(let cause): self = PipelineError(cause)
    case .graph(let cause): self.init(cause.message, .badInput)
    }
  }

  /// What cannot be done is the fault of an edited plan, or a limit of ours when we made the plan.
  public init(_ error: QuantizeError, plan: PlanOrigin = .edited) {
    switch error.reason {
    case .file(let cause): self = PipelineError(cause)
    case .opset: self.init(error.message, .unsupported)
    case .impossible where plan == .made: self.init(error.message, .unsupported)
    case .notFinite, .unknownWeight, .otherWeight, .impossible: self.init(error.message, .badInput)
    }
  }
}

/// Where a plan comes from.
public enum PlanOrigin: Sendable {
  /// Made from the policy in this run.
  case made
  /// Read from a file.
  case edited
}
