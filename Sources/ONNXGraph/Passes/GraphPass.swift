public import ONNXFile
public import Tensors

/// A change of a whole model that keeps its function.
public protocol GraphPass: Sendable {
  /// The name in reports, such as `fuse-gelu`.
  var name: String { get }
  /// What must be true of the model before.
  var requires: String { get }
  /// What is done.
  var does: String { get }
  /// What is true of the model afterwards.
  var ensures: String { get }
  func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport
}

/// What one pass did.
public struct PassReport: Sendable, Equatable {
  public let name: String
  /// Places that were changed; 0 means the model is as it was.
  public let changeCount: Int
  /// Sentences that the user should read.
  public let notes: [String]

  public init(name: String, changeCount: Int, notes: [String] = []) {
    self.name = name
    self.changeCount = changeCount
    self.notes = notes
  }
}

/// What passes may use.
public struct PassContext: Sendable {
  public let evaluator: any ConstantEvaluator
  /// Where float32 weights of a half-precision model go.
  public let keeper: any WidenedConstantKeeper

  public init(
    evaluator: any ConstantEvaluator, keeper: any WidenedConstantKeeper = ConstantsInMemory()
  ) {
    self.evaluator = evaluator
    self.keeper = keeper
  }
}

/// Computes a node whose inputs are all known.
///
/// The implementation is in the room of the embedded engine, which passes do not depend on.
public protocol ConstantEvaluator: Sendable {
  /// The results, one for each of `outputCount`; nil when the operator is not known.
  func evaluate(_ node: ConstantNode) throws(PassError) -> [TensorContent]?
}

/// A node with all its inputs, ready to be computed.
public struct ConstantNode: Sendable {
  public let label: String
  public let domain: String
  public let opType: String
  /// The version of the domain's operator set.
  public let version: Int
  public let attributes: [AttributeProto]
  /// Nil is an input that is left out.
  public let inputs: [TensorContent?]
  public let outputCount: Int
  /// The model file, for messages.
  public let path: String

  public init(
    label: String, domain: String = "", opType: String, version: Int, attributes: [AttributeProto] = [],
    inputs: [TensorContent?], outputCount: Int = 1, path: String
  ) {
    self.label = label
    self.domain = domain
    self.opType = opType
    self.version = version
    self.attributes = attributes
    self.inputs = inputs
    self.outputCount = outputCount
    self.path = path
  }
}

/// Passes in the order in which they run.
public struct PassSequence: Sendable {
  public let passes: [any GraphPass]

  public init(_ passes: [any GraphPass]) { self.passes = passes }

  /// Runs all passes; the first that cannot do its work ends the run.
  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> [PassReport] {
    var reports: [PassReport] = []
    for pass in passes { reports.append(try pass.run(&model, context)) }
    return reports
  }
}
