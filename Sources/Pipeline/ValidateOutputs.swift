import Tensors
import Validation
import Whisper

/// Compares the outputs of one run with the reference's.
struct OutputComparison {
  /// What the reference was fed and what it made of it.
  struct Reference {
    let outputs: [String: TensorContent]
    let fed: [String: TensorContent]
  }

  private let step: ModelFeeds
  private let hasReference: Bool
  private let reference: Reference?

  /// `reference` is nil too where the reference has no such branch.
  init(_ step: ModelFeeds, hasReference: Bool, reference: Reference?) {
    self.step = step
    self.hasReference = hasReference
    self.reference = reference
  }

  /// The name of an input or output in a report: the second branch of a merged decoder has the same ones.
  func title(_ name: String) -> String { Self.title(name, step.branch) }

  static func title(_ name: String, _ branch: CacheBranch?) -> String {
    branch == .noPast ? "\(name) [no past]" : name
  }

  func finding(_ name: String, _ content: TensorContent) -> OutputFinding {
    let health = TensorHealth(content)
    let (title, branch) = (title(name), step.branch?.rawValue)
    func result(
      _ difference: TensorDifference? = nil, mismatch: String? = nil, reason: String? = nil
    ) -> OutputFinding {
      OutputFinding(
        name: title, health: health, difference: difference, mismatch: mismatch, reason: reason,
        branch: branch)
    }
    guard hasReference else { return result() }
    guard let reference else { return result(reason: "not compared, the reference has no such branch") }
    guard let expected = reference.outputs[name] else {
      return result(mismatch: "the reference has no such output")
    }
    guard expected.shape == content.shape else {
      return result(mismatch: "its shape is \(content.shape), the reference's is \(expected.shape)")
    }
    if content.shape.elementCount == 0 { return result(reason: "empty, not compared") }
    if let cache = step.caches.first(where: { $0.output == name }), let fed = reference.fed[cache.input],
      let compared = CacheDifference(
        reference: expected, candidate: content, fed: fed, axis: cache.axis, newCount: step.tokenCount ?? 1)
    {
      guard let difference = compared.difference else {
        return result(reason: "handed on as it was fed, not compared")
      }
      return result(difference)
    }
    guard let difference = TensorDifference(reference: expected, candidate: content) else {
      return result(reason: "elements of type \(content.elementType.name) are not compared")
    }
    return result(difference)
  }
}
