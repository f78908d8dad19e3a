import ByteIO
import FoundationEssentials
import JSONDocuments
public import QuantPlan
import Tensors

/// Policies and plans as JSON files.
public enum SettingsFile {
  /// Larger files are no settings.
  private static let byteLimit = 256 << 20

  /// Reads a policy (`--policy FILE`).
  public static func policy(path: String) throws(PipelineError) -> QuantPolicy {
    let policy: QuantPolicy = try read(path, what: "policy")
    if let objection = policy.objection { throw PipelineError("\(path): \(objection)", .badInput) }
    return policy
  }

  /// Reads a plan (`--plan FILE`).
  public static func plan(path: String) throws(PipelineError) -> QuantPlan {
    try read(path, what: "plan")
  }

  /// Reads a plan of a static scheme.
  public static func staticPlan(path: String) throws(PipelineError) -> StaticPlan {
    try read(path, what: "plan of a static scheme")
  }

  /// The scheme of a plan when it is a static one, whose plans have a form of their own; nil for other plans, and for
  /// what is none.
  public static func staticScheme(ofPlan path: String) throws(PipelineError) -> String? {
    struct Head: Decodable {
      let scheme: Scheme
    }
    guard let head: Head = try? read(path, what: "plan"), head.scheme.isStatic else { return nil }
    return head.scheme.rawValue
  }

  /// Reads a target (`--target FILE`).
  public static func target(path: String) throws(PipelineError) -> Target {
    try read(path, what: "target")
  }

  /// A target as JSON, the form that `target(path:)` reads.
  public static func text(_ target: Target) throws(PipelineError) -> String { try encoded(target) }

  /// A plan as JSON with sorted keys, the form that `staticPlan(path:)` reads.
  public static func text(_ plan: StaticPlan) throws(PipelineError) -> String { try encoded(plan) }

  /// A plan as JSON with sorted keys, the form that `plan(path:)` reads.
  public static func text(_ plan: QuantPlan) throws(PipelineError) -> String { try encoded(plan) }

  /// The plans of several models as one JSON document: `{"models": [{"input": …, "plan": …}]}`.
  public static func text(_ plans: [(input: String, plan: QuantPlan)]) throws(PipelineError) -> String {
    try encoded(["models": plans.map { PlanOfModel(input: $0.input, plan: $0.plan) }])
  }

  /// The same for plans of a static scheme.
  public static func text(_ plans: [(input: String, plan: StaticPlan)]) throws(PipelineError) -> String {
    try encoded(["models": plans.map { PlanOfModel(input: $0.input, plan: $0.plan) }])
  }

  private struct PlanOfModel<Plan: Encodable>: Encodable {
    let input: String
    let plan: Plan
  }

  private static func encoded(_ value: some Encodable) throws(PipelineError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    } catch {
      throw PipelineError("the plan cannot be written as JSON: \(error)", .internal)
    }
  }

  /// Reads a file of a form that `what` names; `remedy` ends the sentence about one that cannot be read.
  static func read<Value: Decodable>(
    _ path: String, what: String, remedy: String = ""
  ) throws(PipelineError) -> Value {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw PipelineError(error) }
    guard file.byteCount <= byteLimit else {
      throw PipelineError("\(path): \(file.byteCount) bytes are too many for a \(what)", .badInput)
    }
    let bytes = TensorBytes.mapped(file, 0..<file.byteCount).copied()
    do {
      return try JSONDecoder().decode(Value.self, from: Data(bytes))
    } catch let failure {
      // Text that is no JSON has a line and a column.
      do throws(JSONError) { _ = try JSONDocument(bytes, source: path) } catch {
        throw PipelineError("\(error.message)\(remedy)", .badInput)
      }
      let cause = (failure as? DecodingError).map(sentence) ?? "\(failure)"
      throw PipelineError("\(path): not a usable \(what): \(cause)\(remedy)", .badInput)
    }
  }

  private static func sentence(_ error: DecodingError) -> String {
    func place(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
      let keys = (context.codingPath + (last.map { [$0] } ?? [])).map { key in
        key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)"
      }
      let path = keys.joined()
      return path.isEmpty ? "" : "at \(path.hasPrefix(".") ? String(path.dropFirst()) : path): "
    }
    switch error {
    case .dataCorrupted(let context):
      var detail = context.debugDescription
      if let cause = context.underlyingError { detail += " (\(cause))" }
      return place(context) + detail
    case .keyNotFound(let key, let context): return "\(place(context))the key '\(key.stringValue)' is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return place(context) + context.debugDescription
    @unknown default: return "\(error)"
    }
  }
}
