/// A way to run a model.
public enum Provider: String, CaseIterable, Sendable, Hashable, CustomStringConvertible {
  /// ONNX Runtime with Qualcomm's plugin: the Hexagon NPU, or its emulation on a processor of Intel or AMD.
  case qnn
  /// ONNX Runtime on the processor.
  case cpu
  /// The engine of whisperq itself, which needs nothing and is always there.
  case embedded

  /// The name in a `Placement`: ONNX Runtime's own, and `EmbeddedCPU` for the engine of whisperq.
  public var runtimeName: String {
    switch self {
    case .qnn: return "QNNExecutionProvider"
    case .cpu: return "CPUExecutionProvider"
    case .embedded: return "EmbeddedCPU"
    }
  }

  /// Reads `qnn`, `QNN` or `QNNExecutionProvider`; upper and lower case are the same.
  public init?(named name: String) {
    let wanted = name.lowercased()
    let found = Provider.allCases.first { $0.rawValue == wanted || $0.runtimeName.lowercased() == wanted }
    guard let found else { return nil }
    self = found
  }

  public var description: String { rawValue }
}

/// Providers in the order in which they are tried.
public struct ProviderOrder: Sendable, Hashable, CustomStringConvertible {
  public let providers: [Provider]

  /// Later mentions of a provider are dropped.
  public init(_ providers: [Provider]) {
    var unique: [Provider] = []
    for provider in providers where !unique.contains(provider) { unique.append(provider) }
    self.providers = unique
  }

  /// Reads names with commas between them, such as `QNN,CPU`.
  public init(parsing text: String) throws(BackendError) {
    try self.init(names: text.split(separator: ",", omittingEmptySubsequences: false).map(String.init))
  }

  /// Reads names one by one, as the `ep` list of a manifest has them.
  public init(names: [String]) throws(BackendError) {
    let known = Provider.allCases.map(\.rawValue).joined(separator: ", ")
    guard !names.isEmpty else {
      throw BackendError(.missing, "no provider is named; the known ones are \(known)")
    }
    var providers: [Provider] = []
    for name in names {
      let trimmed = String(name.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
      guard let provider = Provider(named: trimmed) else {
        throw BackendError(.missing, "there is no provider \"\(trimmed)\"; the known ones are \(known)")
      }
      providers.append(provider)
    }
    self.init(providers)
  }

  /// The same with the embedded engine at the end, so that something always runs.
  public var endingInEmbedded: ProviderOrder { ProviderOrder(providers + [.embedded]) }

  /// Names with commas between them, as `init(parsing:)` reads them.
  public var description: String { providers.map(\.rawValue).joined(separator: ",") }
}

/// A provider that was asked for and did not get the model, and why.
public struct PassedOver: Sendable {
  public let provider: Provider
  public let error: BackendError

  public init(provider: Provider, error: BackendError) {
    self.provider = provider
    self.error = error
  }
}

/// A session with the story of how it came to its provider.
public struct OpenedSession {
  public let session: any ModelSession
  public let provider: Provider
  /// The earlier choices, in their order.
  public let passedOver: [PassedOver]

  public init(session: any ModelSession, provider: Provider, passedOver: [PassedOver]) {
    self.session = session
    self.provider = provider
    self.passedOver = passedOver
  }
}

extension ProviderOrder {
  /// Opens a model with the first provider that is there and can run it.
  ///
  /// A provider that is missing or does not support the model is passed over and remembered with its reason. Every
  /// other error ends the search: a damaged model does not become better elsewhere. When nobody is left, the error
  /// tells what each one said.
  public func open(
    _ open: (Provider) throws(BackendError) -> any ModelSession
  ) throws(BackendError) -> OpenedSession {
    var passedOver: [PassedOver] = []
    for provider in providers {
      let failure: BackendError
      do throws(BackendError) {
        return OpenedSession(session: try open(provider), provider: provider, passedOver: passedOver)
      } catch {
        failure = error
      }
      guard failure.reason == .missing || failure.reason == .unsupported else { throw failure }
      passedOver.append(PassedOver(provider: provider, error: failure))
    }
    guard let last = passedOver.last else { throw BackendError(.missing, "no provider is named") }
    if passedOver.count == 1 { throw last.error }
    let story = passedOver.map { "\($0.provider): \($0.error.message)" }.joined(separator: "\n")
    throw BackendError(last.error.reason, "no provider of \(self) can run the model\n\(story)")
  }
}
