import ModelBackend
import ONNXFile
import ONNXGraph

/// What the EPContext node of a compiled model says.
struct ContextModel {
  /// `ep_sdk_version` without a `v` in front, such as `2.51.0.260707`; nil when it does not say.
  let qairtVersion: String?
  let isCompiled: Bool

  init(_ path: String) throws(PipelineError) {
    do {
      let model = try ModelReader.read(path: path)
      let nodes = (model.graph?.node ?? []).filter { $0.opType == "EPContext" }
      isCompiled = !nodes.isEmpty
      qairtVersion = nodes.lazy.flatMap(\.attribute).first { $0.name == "ep_sdk_version" }?.s
        .map { Self.plain(String(decoding: $0, as: UTF8.self)) }
    } catch {
      throw PipelineError(error)
    }
  }

  init(_ graph: ModelGraph) {
    let nodes = graph.allNodes.filter { graph[$0].opType == "EPContext" }
    isCompiled = !nodes.isEmpty
    qairtVersion = nodes.lazy.compactMap { graph.text("ep_sdk_version", of: $0) }.first.map(Self.plain)
  }

  /// Versions are written with and without a `v`.
  static func plain(_ version: String) -> String {
    version.hasPrefix("v") ? String(version.dropFirst()) : version
  }

  /// Major and minor number, which the form of a context binary goes by.
  private static func release(_ version: String) -> String {
    plain(version).split(separator: ".").prefix(2).joined(separator: ".")
  }

  private static let remedy = "compile the Q/DQ model that it was made from again (whisperq compile)"

  /// What is said when a context of another release opens all the same: the runtime itself does not look.
  func notes(openedBy version: String?) -> [String] {
    guard isCompiled, let version, let made = qairtVersion, Self.release(made) != Self.release(version) else {
      return []
    }
    return [
      "this model was compiled with QAIRT \(made), and QAIRT \(Self.plain(version)) has opened it; a context belongs to "
        + "the version that made it, so \(Self.remedy)"
    ]
  }

  /// An error of a compiled model with what is special about such models.
  func explaining(_ error: PipelineError, _ order: ProviderOrder) -> PipelineError {
    guard isCompiled else { return error }
    let made = qairtVersion.map { " with QAIRT \($0)" } ?? ""
    let what =
      order.providers.contains(.qnn)
      ? "this model was compiled\(made), and opens with that version only, for the chip it was made for; "
        + "in doubt \(Self.remedy)"
      : "this model was compiled\(made) for an NPU, and no processor runs it; take --ep qnn, or the Q/DQ model that "
        + "it was made from"
    return PipelineError("\(error.message); \(what)", error.status)
  }
}
