import ModelBackend
import Tensors

/// Compares feeds with what a model takes, before the runtime does, for sentences that name what was expected.
struct FeedCheck {
  let inputs: [TensorSignature]

  func check(_ feeds: [String: TensorContent]) throws(BackendError) {
    let known = Set(inputs.map(\.name))
    for name in feeds.keys.sorted() where !known.contains(name) {
      throw BackendError(.badFeed, "the model has no input \"\(name)\"; its inputs are \(list(inputs))")
    }
    var symbols: [String: (extent: Int, input: String)] = [:]
    for input in inputs {
      guard let feed = feeds[input.name] else {
        throw BackendError(
          .badFeed, "the input \"\(input.name)\" is missing; the model takes \(list(inputs))")
      }
      try check(feed, input)
      for (dimension, extent) in zip(input.dimensions ?? [], feed.shape.dimensions) {
        guard case .symbol(let name) = dimension else { continue }
        if let other = symbols[name], other.extent != extent {
          throw BackendError(
            .badFeed,
            "the inputs \"\(other.input)\" and \"\(input.name)\" give the dimension \"\(name)\" two extents, "
              + "\(other.extent) and \(extent)")
        }
        symbols[name] = (extent, input.name)
      }
    }
  }

  private func check(_ feed: TensorContent, _ input: TensorSignature) throws(BackendError) {
    if let wanted = input.elementType, wanted != feed.elementType {
      throw BackendError(
        .badFeed, "the input \"\(input.name)\" takes \(wanted.name) and was given \(feed.elementType.name)")
    }
    if feed.elementType == .string {
      throw BackendError(.badFeed, "the input \"\(input.name)\" is text, which whisperq does not feed")
    }
    if !ElementType.runtimeNumbers.contains(feed.elementType.rawValue) {
      throw BackendError(
        .unsupported,
        "ONNX Runtime takes no \(feed.elementType.name), which the input \"\(input.name)\" was given")
    }
    if case .promised = feed.bytes {
      throw BackendError(.badFeed, "the bytes for the input \"\(input.name)\" do not exist yet")
    }
    let byteCount = feed.elementType.byteCount(elementCount: feed.shape.elementCount)
    guard byteCount == feed.bytes.byteCount else {
      throw BackendError(
        .badFeed,
        "the input \"\(input.name)\" of shape \(feed.shape) takes \(byteCount ?? 0) bytes and was given "
          + "\(feed.bytes.byteCount)")
    }
    guard let dimensions = input.dimensions else { return }
    let fits =
      dimensions.count == feed.shape.rank
      && zip(dimensions, feed.shape.dimensions).allSatisfy { dimension, extent in
        if case .fixed(let wanted) = dimension { wanted == extent } else { true }
      }
    if !fits {
      throw BackendError(
        .badFeed,
        "the input \"\(input.name)\" takes the shape \(shown(dimensions)) and was given \(feed.shape)")
    }
  }

  private func list(_ signatures: [TensorSignature]) -> String {
    if signatures.isEmpty { return "none" }
    return signatures.map { input in
      let type = input.elementType?.name ?? "unknown type"
      return "\(input.name) (\(type) \(input.dimensions.map(shown) ?? "of any shape"))"
    }.joined(separator: ", ")
  }

  private func shown(_ dimensions: [Dimension]) -> String {
    let extents = dimensions.map { dimension in
      switch dimension {
      case .fixed(let extent): return String(extent)
      case .symbol(let name): return name
      case .unknown: return "?"
      }
    }
    return "[" + extents.joined(separator: ", ") + "]"
  }
}
