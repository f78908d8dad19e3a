/// What `whisperq doctor` found out about a machine and a project.
public struct DoctorReport: Sendable {
  /// One thing that was looked at.
  public struct Check: Sendable {
    public enum State: String, Sendable, CaseIterable {
      case good
      /// It is not there, and nothing that was asked for needs it.
      case note
      /// Something works worse than it could.
      case warning
      /// Something that was asked for does not work.
      case problem
    }

    /// Stable, such as `onnx-runtime`.
    public let name: String
    public let state: State
    /// One sentence.
    public let message: String
    /// What to do; nil when there is nothing to do.
    public let remedy: String?
    /// Facts by name, in order.
    public let facts: [(name: String, value: String)]
    /// What a problem means for the process; nil leaves it to the name.
    let cause: ExitStatus?

    public init(
      _ name: String, _ state: State, _ message: String, remedy: String? = nil,
      facts: [(name: String, value: String)] = [], cause: ExitStatus? = nil
    ) {
      self.cause = cause
      self.name = name
      self.state = state
      self.message = message
      self.remedy = remedy
      self.facts = facts
    }
  }

  /// In the order in which they were made.
  public var checks: [Check] = []
  /// Chips that `--target` knows: name, part number, number for QNN, version of the NPU.
  public var targets: [(name: String, chipset: String, number: Int, architecture: Int)] = []

  /// What the findings mean for the process.
  public var status: ExitStatus {
    let failed = checks.filter { $0.state == .problem }
    if let cause = failed.first(where: { $0.cause == .inputOutput })?.cause { return cause }
    let names = failed.map(\.name)
    if failed.isEmpty { return .done }
    if names.contains("manifest") || names.contains("model") { return .badInput }
    return names.contains("disk") || names.contains("memory") ? .inputOutput : .unsupported
  }
}
