/// How ONNX Runtime treats a model that it loads.
public struct SessionSettings: Sendable {
  /// What the runtime may change in the graph before it runs.
  public enum Optimization: Int32, Sendable, CaseIterable {
    case none = 0
    /// Constant folding and the like.
    case basic = 1
    /// Fusions.
    case extended = 2
    /// Layouts too.
    case all = 99
  }

  /// Threads of one operator; nil lets the runtime take one for each core.
  public var threadCount: Int?
  public var optimization = Optimization.all
  /// Extents for dimensions that have a name in the model.
  public var dimensions: [String: Int] = [:]
  /// Entries that the runtime documents for sessions, such as `session.intra_op.allow_spinning`.
  public var configuration: [String: String] = [:]
  /// How the name of the profile's file begins; nil makes none.
  public var profilePrefix: String?

  public init(
    threadCount: Int? = nil, optimization: Optimization = .all, dimensions: [String: Int] = [:],
    configuration: [String: String] = [:], profilePrefix: String? = nil
  ) {
    self.threadCount = threadCount
    self.optimization = optimization
    self.dimensions = dimensions
    self.configuration = configuration
    self.profilePrefix = profilePrefix
  }
}
