import Tensors

/// Makes the elements of one input.
struct FeedValues {
  private let port: FeedPort
  private let extents: FeedExtents
  private let dimensions: WhisperDimensions
  private let request: FeedRequest
  private var numbers: SeededNumbers

  /// More elements than this are a mistake, not an input of Whisper.
  private static let elementLimit = 1 << 28

  init(
    _ port: FeedPort, _ extents: FeedExtents, _ dimensions: WhisperDimensions, _ request: FeedRequest
  ) {
    self.port = port
    self.extents = extents
    self.dimensions = dimensions
    self.request = request
    numbers = SeededNumbers(seed: request.seed, name: port.name)
  }

  func content() throws(FeedError) -> TensorContent {
    let extents = try extents.shape(of: port)
    guard let shape = Shape(extents), shape.elementCount <= Self.elementLimit else {
      throw FeedError(
        message: "input '\(port.name)' would have the shape \(shown(extents)), which is too large")
    }
    var copy = self
    let content = TensorContent(floats: copy.floats(shape), shape: shape).converted(to: port.elementType)
    guard let content else {
      throw FeedError(
        message: "input '\(port.name)' has elements of type \(port.elementType.name), which cannot be made")
    }
    return content
  }

  private mutating func floats(_ shape: Shape) -> [Float] {
    let count = shape.elementCount
    switch port.role {
    case .melSpectrum: return logMel(shape)
    case .tokens: return (0..<count).map { _ in Float(numbers.integer(below: wordCount)) }
    case .states, .crossCache: return (0..<count).map { _ in numbers.normal() }
    case .selfCache: return cache(shape)
    case .attention: return (0..<count).map { _ in numbers.uniform() }
    case .additiveMask: return additiveMask(shape)
    case .plainMask: return Array(repeating: 1, count: count)
    case .positions: return (0..<count).map { Float(pastCount + $0 % max(1, extents[.tokens])) }
    case .pastCount: return Array(repeating: Float(pastCount), count: count)
    case .cacheBranch: return Array(repeating: extents.takesCaches ? 1 : 0, count: count)
    case .number(let value): return Array(repeating: Float(value), count: count)
    case .unknown: return unknown(count)
    }
  }

  /// Ids that are words in every Whisper: the special tokens stand at the vocabulary's end.
  private var wordCount: Int { min(dimensions.vocabularyCount ?? 256, 50_257) }

  /// Earlier tokens, as far as a cache of fixed length has room for them and the new ones.
  private var pastCount: Int {
    let room = dimensions.selfCacheLength.map { max(0, $0 - extents[.tokens]) }
    let wanted = dimensions.selfCacheLength == nil ? extents.seenCount : request.pastCount
    return min(wanted, room ?? wanted)
  }

  private func unknown(_ count: Int) -> [Float] {
    var numbers = numbers
    switch port.elementType {
    case .float32, .float16, .bfloat16, .float64: return (0..<count).map { _ in numbers.normal() }
    case .bool: return (0..<count).map { _ in Float(numbers.integer(below: 2)) }
    // Small enough for an index into anything.
    default: return (0..<count).map { _ in Float(numbers.integer(below: 2)) }
    }
  }

  /// Speech-like features: each band goes up and down slowly, with pauses, louder in low bands; two units from the
  /// loudest to the floor, as in Whisper's own features (8 decades over 4).
  private mutating func logMel(_ shape: Shape) -> [Float] {
    let frames = shape.dimensions.last ?? 1
    let bands = shape.dimensions.dropLast().last ?? 1
    var result: [Float] = []
    result.reserveCapacity(shape.elementCount)
    let rowCount = frames == 0 ? 0 : shape.elementCount / frames
    // Syllables and pauses are the same in all bands.
    var loudness: [Float] = []
    var level: Float = 0
    var target: Float = 0
    for frame in 0..<frames {
      if frame % 15 == 0 { target = numbers.uniform() < 0.25 ? -1.2 : 0.8 * numbers.uniform() }
      level += 0.2 * (target - level)
      loudness.append(level)
    }
    for row in 0..<rowCount {
      let tilt = 0.6 - 0.8 * Float(row % max(1, bands)) / Float(max(1, bands))
      var slow: Float = 0
      for frame in 0..<frames {
        slow = 0.85 * slow + 0.15 * numbers.normal()
        let value = tilt + loudness[frame] + slow + 0.1 * numbers.normal()
        result.append(min(1.2, max(-0.8, value)))
      }
    }
    return result
  }

  /// A cache of fixed length holds `pastCount` tokens; the rest is empty. AI Hub's newest is at the right end.
  private mutating func cache(_ shape: Shape) -> [Float] {
    var values = (0..<shape.elementCount).map { _ in numbers.normal() }
    guard let capacity = dimensions.selfCacheLength, let axis = port.axes.firstIndex(of: .past),
      shape.dimensions[axis] == capacity
    else { return values }
    let inner = shape.dimensions[(axis + 1)...].reduce(1, *)
    let isRightAligned = port.name.hasPrefix("k_cache_") || port.name.hasPrefix("v_cache_")
    for index in values.indices {
      let position = index / max(1, inner) % capacity
      let isUsed = isRightAligned ? position >= capacity - pastCount : position < pastCount
      if !isUsed { values[index] = 0 }
    }
    return values
  }

  /// -100 for positions that hold nothing yet; more negative numbers would wreck ranges.
  private func additiveMask(_ shape: Shape) -> [Float] {
    let length = shape.dimensions.last ?? 1
    let seen = pastCount + extents[.tokens]
    return (0..<shape.elementCount).map { $0 % max(1, length) >= length - seen ? 0 : -100 }
  }
}
