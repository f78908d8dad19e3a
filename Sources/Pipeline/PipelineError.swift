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

  /// What cannot be done is a limit of ours.
  public init(_ error: QuantizeError) {
    switch error.reason {
    case .file(let cause): self = PipelineError(cause)
    case .opset, .impossible: self.init(error.message, .unsupported)
    case .notFinite, .unknownWeight, .otherWeight: self.init(error.message, .badInput)
    }
  }

  /// What a plan asks for and a model does not have is the fault of the plan, when it was read from a file.
  init(_ error: QuantizeError, plan path: String?, model: String) {
    guard let path else {
      self.init(error)
      return
    }
    let error = QuantizeError(error.reason, path: "\(path), the plan for \(model)")
    switch error.reason {
    case .impossible: self.init(error.message, .badInput)
    default: self.init(error)
    }
  }
}
