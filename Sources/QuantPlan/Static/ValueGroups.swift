import ONNXGraph

/// Values that hold the same numbers in other places, and so share type, scale and zero point.
struct ValueGroups {
  private var parent: [ValueID: ValueID] = [:]

  /// The value that stands for the group.
  func representative(_ value: ValueID) -> ValueID {
    var current = value
    while let next = parent[current] { current = next }
    return current
  }

  /// Joins two groups; the older value stands for both.
  mutating func join(_ first: ValueID, _ second: ValueID) {
    let (a, b) = (representative(first), representative(second))
    if a == b { return }
    parent[max(a, b)] = min(a, b)
  }
}
