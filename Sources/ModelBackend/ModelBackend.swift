public import Tensors

/// A model that is loaded and can be run many times.
///
/// One session serves one run at a time; open a second one to run side by side.
public protocol ModelSession: AnyObject {
  var inputs: [TensorSignature] { get }
  var outputs: [TensorSignature] { get }
  /// Which provider computes which nodes, and why others do not.
  var placement: Placement { get }

  /// Computes the named outputs from the fed inputs.
  ///
  /// Names that the session does not know, missing inputs, and types or shapes that do not fit are errors.
  func run(
    _ feeds: [String: TensorContent], outputs: [String]
  ) throws(BackendError) -> [String: TensorContent]
}

/// Where the nodes of a loaded model run.
public struct Placement: Sendable {
  /// One provider's share.
  public struct Share: Sendable {
    /// The provider's name as ONNX Runtime spells it, such as `QNNExecutionProvider`; `EmbeddedCPU` is our own.
    public let provider: String
    /// Nodes of the model as run, after the provider's own fusions where it tells them.
    public let nodeCount: Int
    /// Operators with how often each runs there.
    public let operators: [String: Int]

    public init(provider: String, nodeCount: Int, operators: [String: Int]) {
      self.provider = provider
      self.nodeCount = nodeCount
      self.operators = operators
    }
  }

  /// A node that the first choice did not take.
  public struct Leftover: Sendable {
    public let node: String
    public let operatorName: String
    public let provider: String
    /// What the runtime or our own rule says about it.
    public let reason: String?

    public init(node: String, operatorName: String, provider: String, reason: String?) {
      self.node = node
      self.operatorName = operatorName
      self.provider = provider
      self.reason = reason
    }
  }

  public let shares: [Share]
  public let leftovers: [Leftover]

  public init(shares: [Share], leftovers: [Leftover]) {
    self.shares = shares
    self.leftovers = leftovers
  }
}

/// Why a model could not be opened or run.
public struct BackendError: Error, Sendable {
  public enum Reason: Sendable {
    /// The runtime, plugin or library is not there.
    case missing
    /// The backend cannot run this model: an operator, type or shape outside what it covers.
    case unsupported
    /// The model contradicts itself or the operator's definition.
    case badModel
    /// Feeds that do not fit the model's inputs.
    case badFeed
    /// The runtime failed for a reason of its own.
    case failed
  }

  public let reason: Reason
  /// One sentence: what, where, what was expected.
  public let message: String

  public init(_ reason: Reason, _ message: String) {
    self.reason = reason
    self.message = message
  }
}

extension Placement {
  /// Nodes that a provider computes; 0 when it has none.
  public func nodeCount(of provider: Provider) -> Int {
    shares.reduce(0) { $0 + ($1.provider == provider.runtimeName ? $1.nodeCount : 0) }
  }

  /// Whether nobody else computes a node.
  public func isWhole(on provider: Provider) -> Bool {
    shares.allSatisfy { $0.provider == provider.runtimeName || $0.nodeCount == 0 }
  }
}

/// Called with the name and contents of a tensor as soon as it is there; what it throws ends the run.
public typealias TensorObserver = (String, TensorContent) throws(BackendError) -> Void

/// A session that shows what lies between a model's inputs and outputs.
///
/// Its `run` also gives inner values that are named among the outputs.
public protocol InspectableSession: ModelSession {
  /// The names of all values that nodes compute, in the order of the nodes.
  var innerValues: [String] { get }

  /// Runs the whole model as the file says, without fusing nodes, and shows every tensor: the fed inputs and
  /// all that nodes compute, in the order of computation.
  func run(
    _ feeds: [String: TensorContent], outputs: [String], observing observe: TensorObserver
  ) throws(BackendError) -> [String: TensorContent]
}
