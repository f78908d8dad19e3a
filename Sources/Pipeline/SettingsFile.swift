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
    try read(path, what: "plan", explaining: ofFolder)
  }

  /// Reads a plan of a static scheme.
  public static func staticPlan(path: String) throws(PipelineError) -> StaticPlan {
    try read(path, what: "plan of a static scheme", explaining: ofFolder)
  }

  /// The scheme of a plan when it is a static one, whose plans have a form of their own; nil for other plans.
  public static func staticScheme(ofPlan path: String) throws(PipelineError) -> String? {
    struct Head: Decodable {
      let scheme: Scheme
    }
    let head: Head = try read(path, what: "plan", explaining: ofFolder)
    return head.scheme.isStatic ? head.scheme.rawValue : nil
  }

  /// Reads a target (`--target FILE`).
  public static func target(path: String) throws(PipelineError) -> Target {
    let target: Target = try read(path, what: "target")
    if let objection = target.objection { throw PipelineError("\(path): \(objection)", .badInput) }
    return target
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

  /// What is wrong with the plans of several models in the place of one.
  private static func ofFolder(_ root: JSONNode) -> String? {
    root["models"] == nil
      ? nil
      : "these are the plans of a folder's models; write the 'plan' of one of them into a file of its own"
  }

  /// Reads a file of a form that `what` names; `remedy` ends the sentence about one that cannot be read, `explaining`
  /// knows forms that are taken for this one.
  static func read<Value: Decodable>(
    _ path: String, what: String, remedy: String = "", explaining: (JSONNode) -> String? = { _ in nil }
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
      // Text that is no JSON has a line and a column, and so has a number that is none of ours.
      let document: JSONDocument
      do { document = try JSONDocument(bytes, source: path) } catch {
        throw PipelineError(ending(error.message, remedy), .badInput)
      }
      if let sentence = explaining(document.root) {
        throw PipelineError(ending("\(path): \(sentence)", remedy), .badInput)
      }
      if let number = endless(document.root) {
        let place = document.position(ofByte: number.range.lowerBound)
        throw PipelineError(ending("\(path): \(place): this number is too large", remedy), .badInput)
      }
      let cause = (failure as? DecodingError).map { sentence($0, document) } ?? "\(failure)"
      throw PipelineError(ending("\(path): not a usable \(what): \(cause)", remedy), .badInput)
    }
  }

  /// A number that is larger than 64 bits can say.
  private static func endless(_ node: JSONNode) -> JSONNode? {
    if case .number(let number) = node.content { return number.double.isFinite ? nil : node }
    for member in node.members { if let found = endless(member.value) { return found } }
    for element in node.elements { if let found = endless(element) { return found } }
    return nil
  }

  /// A sentence and its remedy, without the full stop that some sentences end with in between.
  private static func ending(_ sentence: String, _ remedy: String) -> String {
    guard !remedy.isEmpty else { return sentence }
    return (sentence.hasSuffix(".") ? String(sentence.dropLast()) : sentence) + remedy
  }

  private static func sentence(_ error: DecodingError, _ document: JSONDocument) -> String {
    func place(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.map { key in
        key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)"
      }.joined()
      return path.isEmpty ? "" : "at \(path.hasPrefix(".") ? String(path.dropFirst()) : path): "
    }
    func misfit(_ type: Any.Type, _ context: DecodingError.Context) -> String {
      let found = node(at: context.codingPath, in: document)?.value.kindName ?? "something else"
      return "\(place(context))expected \(words(type)), found \(found)"
    }
    switch error {
    case .dataCorrupted(let context):
      var detail = context.debugDescription
      if let cause = context.underlyingError { detail += " (\(cause))" }
      return place(context) + detail
    case .keyNotFound(let key, let context): return "\(place(context))the key '\(key.stringValue)' is missing"
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      return misfit(type, context)
    @unknown default: return "\(error)"
    }
  }

  private static func node(at path: [any CodingKey], in document: JSONDocument) -> JSONNode? {
    path.reduce(document.root) { node, key in
      guard let elements = node?.elements, let index = key.intValue, elements.indices.contains(index) else {
        return node?[key.stringValue]
      }
      return elements[index]
    }
  }

  /// What JSON calls the values of a type.
  private static func words(_ type: Any.Type) -> String {
    switch type {
    case is String.Type: "a string"
    case is Bool.Type: "true or false"
    case is any BinaryInteger.Type: "a whole number"
    case is any BinaryFloatingPoint.Type: "a number"
    case is any Collection.Type: "\(type)".hasPrefix("Dict") ? "an object" : "a list"
    default: "\(type)".contains("UnkeyedDecodingContainer") ? "a list" : "an object"
    }
  }
}
