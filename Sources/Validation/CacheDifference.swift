public import Tensors

/// The difference of a cache that was fed and comes back longer, or with a part replaced.
///
/// Positions that are handed on say nothing about a model, and would drown the error of the new ones the longer the
/// past is. So new and old positions are compared by themselves, and the worse of the two counts: an old position
/// that a model spoils is still found.
public struct CacheDifference {
  /// Nil when every position is handed on as it was fed.
  public let difference: TensorDifference?

  /// Compares caches of the same shape; nil when they cannot be compared.
  ///
  /// - Parameters:
  ///   - fed: what the reference was fed; `axis` is the one of the positions.
  ///   - newCount: how many positions the run adds, for caches of fixed length that move on.
  public init?(
    reference: TensorContent, candidate: TensorContent, fed: TensorContent, axis: Int, newCount: Int
  ) {
    guard reference.shape == candidate.shape, fed.shape.rank == reference.shape.rank,
      axis < reference.shape.rank
    else { return nil }
    let extents = reference.shape.dimensions
    for index in extents.indices where index != axis && extents[index] != fed.shape.dimensions[index] {
      return nil
    }
    let fedCount = fed.shape.dimensions[axis]
    guard fedCount > 0, fedCount <= extents[axis] else { return nil }
    let old: [Bool]
    if fedCount < extents[axis] {
      old = (0..<extents[axis]).map { $0 < fedCount }
    } else {
      let kept = Self.kept(reference, fed, axis, shift: 0)
      let moved = newCount > 0 ? Self.kept(reference, fed, axis, shift: newCount) : []
      let keptCount = kept.count { $0 }
      old = moved.count { $0 } > keptCount ? moved : kept
    }
    let (oldPlaces, newPlaces) = (old.indices.filter { old[$0] }, old.indices.filter { !old[$0] })
    let oldDifference = Self.difference(reference, candidate, axis, oldPlaces)
    guard !newPlaces.isEmpty else {
      difference = oldDifference.flatMap { $0.sqnr == .infinity ? nil : $0 }
      return
    }
    guard let newDifference = Self.difference(reference, candidate, axis, newPlaces) else { return nil }
    guard let oldDifference, Self.rank(oldDifference) < Self.rank(newDifference) else {
      difference = newDifference
      return
    }
    difference = oldDifference
  }

  /// A NaN is the worst of all.
  private static func rank(_ difference: TensorDifference) -> Double {
    difference.sqnr.isNaN ? -.infinity : difference.sqnr
  }

  private static func difference(
    _ reference: TensorContent, _ candidate: TensorContent, _ axis: Int, _ places: [Int]
  ) -> TensorDifference? {
    guard let first = reference.selecting(places, axis: axis),
      let second = candidate.selecting(places, axis: axis)
    else { return nil }
    return TensorDifference(reference: first, candidate: second)
  }

  /// For each position whether it holds the very bytes that were fed `shift` positions later.
  private static func kept(
    _ tensor: TensorContent, _ fed: TensorContent, _ axis: Int, shift: Int
  ) -> [Bool] {
    let count = tensor.shape.dimensions[axis]
    var kept = (0..<count).map { $0 + shift < count }
    guard tensor.elementType == fed.elementType, let bits = tensor.elementType.bitWidth, bits >= 8 else {
      return kept.map { _ in false }
    }
    let (bytes, others) = (tensor.bytes.copied(), fed.bytes.copied())
    let length = tensor.shape.dimensions[(axis + 1)...].reduce(bits / 8, *)
    guard length > 0, bytes.count == others.count else { return kept.map { _ in false } }
    for block in 0..<(bytes.count / length) {
      let place = block % count
      guard kept[place] else { continue }
      let (start, other) = (block * length, (block + shift) * length)
      if bytes[start..<(start + length)] != others[other..<(other + length)] { kept[place] = false }
    }
    return kept
  }
}

extension TensorContent {
  /// The given positions of an axis, in their order; nil for elements of less than a byte, and for none.
  func selecting(_ places: [Int], axis: Int) -> TensorContent? {
    guard !places.isEmpty, let bits = elementType.bitWidth, bits >= 8 else { return nil }
    var extents = shape.dimensions
    let count = extents[axis]
    guard places.count < count else { return self }
    extents[axis] = places.count
    guard let selected = Shape(extents) else { return nil }
    let length = shape.dimensions[(axis + 1)...].reduce(bits / 8, *)
    let source = bytes.copied()
    guard length > 0, count > 0 else { return nil }
    var result: [UInt8] = []
    result.reserveCapacity(selected.elementCount * bits / 8)
    for block in 0..<(source.count / length / count) {
      for place in places {
        let start = (block * count + place) * length
        result += source[start..<(start + length)]
      }
    }
    return TensorContent(elementType: elementType, shape: selected, bytes: .owned(result))
  }
}
