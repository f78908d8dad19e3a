/// Loops over whole rows that the compiler makes vectors of.
enum FloatRows {
  /// target[offset...] += row
  static func add(_ row: Span<Float>, to target: inout MutableSpan<Float>, at offset: Int) {
    var part = target._mutatingExtracting(offset..<offset + row.count)
    precondition(part.count == row.count, "a row within the target")
    for index in part.indices { part[index] += row[index] }
  }

  /// target[offset...] += factor · row
  static func add(
    _ row: Span<Float>, times factor: Float, to target: inout MutableSpan<Float>, at offset: Int
  ) {
    var part = target._mutatingExtracting(offset..<offset + row.count)
    precondition(part.count == row.count, "a row within the target")
    for index in part.indices { part[index] += factor * row[index] }
  }
}
