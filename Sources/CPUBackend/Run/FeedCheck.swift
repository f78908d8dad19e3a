import ModelBackend
import Tensors

/// Whether what a caller feeds fits what the model declares.
enum FeedCheck {
  static func check(
    _ feeds: [String: TensorContent], _ inputs: [TensorSignature], required: Set<String>
  ) throws(BackendError) {
    let known = Set(inputs.map(\.name))
    if let name = feeds.keys.filter({ !known.contains($0) }).min() {
      throw BackendError(
        .badFeed,
        "the model has no input '\(name)'; it has \(inputs.map { "'\($0.name)'" }.joined(separator: ", "))")
    }
    if let name = required.filter({ feeds[$0] == nil }).min() {
      throw BackendError(.badFeed, "the input '\(name)' was not fed")
    }
    for input in inputs {
      guard let content = feeds[input.name] else { continue }
      if case .promised = content.bytes {
        throw BackendError(.badFeed, "the bytes of input '\(input.name)' are not computed yet")
      }
      if content.elementType == .string { throw BackendError(.unsupported, "input '\(input.name)' is text") }
      guard content.bytes.byteCount == content.elementType.byteCount(elementCount: content.shape.elementCount)
      else {
        throw BackendError(
          .badFeed,
          "input '\(input.name)' has \(content.bytes.byteCount) bytes, which \(content.shape) does not need")
      }
      if let type = input.elementType, type != content.elementType {
        throw BackendError(
          .badFeed, "input '\(input.name)' is \(type.name), but \(content.elementType.name) was fed")
      }
      guard let dimensions = input.dimensions else { continue }
      let expected = "[" + dimensions.map(text).joined(separator: ", ") + "]"
      guard dimensions.count == content.shape.rank else {
        throw BackendError(
          .badFeed, "input '\(input.name)' has shape \(expected), but \(content.shape) was fed")
      }
      for (dimension, extent) in zip(dimensions, content.shape.dimensions) {
        switch dimension {
        // Names are no promise: a merged decoder's first step takes a dummy past under the same name.
        case .unknown, .symbol: continue
        case .fixed(let number):
          if number != extent {
            throw BackendError(
              .badFeed, "input '\(input.name)' has shape \(expected), but \(content.shape) was fed")
          }
        }
      }
    }
  }

  private static func text(_ dimension: Dimension) -> String {
    switch dimension {
    case .fixed(let extent): String(extent)
    case .symbol(let name): name
    case .unknown: "?"
    }
  }
}
