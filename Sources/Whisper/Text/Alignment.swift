/// The way from a reference to a hypothesis with the fewest errors, and of several with the most hits, which
/// fixes all four counts: "a b" against "b c" is a deletion, a hit and an insertion, not two substitutions.
///
/// Memory grows with the product of both lengths up to `tableLimit`, beyond that with their sum.
///
/// Source: Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals", 1966;
/// Hirschberg, "A linear space algorithm for computing maximal common subsequences", 1975.
public struct Alignment: Sendable, Equatable {
  /// One step of the way, with places in the two sequences.
  public enum Step: Sendable, Equatable {
    case hit(reference: Int, hypothesis: Int)
    case substitution(reference: Int, hypothesis: Int)
    case deletion(reference: Int)
    case insertion(hypothesis: Int)
  }

  /// All steps in order.
  public let steps: [Step]
  public let counts: ErrorCounts

  /// Cells of the largest table that is held at once, one byte each.
  static let tableLimit = 1 << 22

  /// Aligns two sequences. Where several ways are as good, the same input gives the same one.
  public init<Unit: Hashable>(reference: [Unit], hypothesis: [Unit]) {
    self.init(reference: reference, hypothesis: hypothesis, tableLimit: Self.tableLimit)
  }

  /// The same with another limit, to test long texts with short ones.
  package init<Unit: Hashable>(reference: [Unit], hypothesis: [Unit], tableLimit: Int) {
    // Numbers compare faster than words.
    var numbers: [Unit: Int32] = [:]
    func number(_ unit: Unit) -> Int32 {
      if let known = numbers[unit] { return known }
      let new = Int32(numbers.count)
      numbers[unit] = new
      return new
    }
    var aligner = Aligner(
      reference: reference.map(number), hypothesis: hypothesis.map(number), tableLimit: tableLimit)
    aligner.align(0..<reference.count, 0..<hypothesis.count)
    steps = aligner.steps
    counts = aligner.steps.reduce(into: ErrorCounts()) { counts, step in
      switch step {
      case .hit: counts.hits += 1
      case .substitution: counts.substitutions += 1
      case .deletion: counts.deletions += 1
      case .insertion: counts.insertions += 1
      }
    }
  }
}

private struct Aligner {
  let reference: [Int32]
  let hypothesis: [Int32]
  let tableLimit: Int
  var steps: [Alignment.Step] = []

  /// Errors in the high half, substitutions in the low one: of as many errors, fewer substitutions are more
  /// hits.
  private typealias Cost = UInt64
  private static let gap: Cost = 1 << 32
  private static let substitution: Cost = 1 << 32 | 1

  init(reference: [Int32], hypothesis: [Int32], tableLimit: Int) {
    self.reference = reference
    self.hypothesis = hypothesis
    self.tableLimit = tableLimit
  }

  /// Appends the steps of a part.
  mutating func align(_ rows: Range<Int>, _ columns: Range<Int>) {
    if rows.count < 2 || (rows.count + 1) * (columns.count + 1) <= tableLimit {
      alignWithTable(rows, columns)
      return
    }
    // The best way crosses the middle row where both halves together cost least.
    let middle = rows.lowerBound + rows.count / 2
    let above = lastRow(rows.lowerBound..<middle, columns, .forward)
    let below = lastRow(middle..<rows.upperBound, columns, .backward)
    var best = 0
    for at in 0...columns.count
    where above[at] + below[columns.count - at] < above[best] + below[columns.count - best] {
      best = at
    }
    align(rows.lowerBound..<middle, columns.lowerBound..<columns.lowerBound + best)
    align(middle..<rows.upperBound, columns.lowerBound + best..<columns.upperBound)
  }

  private enum Direction { case forward, backward }

  /// The costs of all of these rows against every beginning (or end) of the columns.
  private func lastRow(_ rows: Range<Int>, _ columns: Range<Int>, _ direction: Direction) -> [Cost] {
    var costs = (0...columns.count).map { Cost($0) * Self.gap }
    for step in 0..<rows.count {
      let row = direction == .forward ? rows.lowerBound + step : rows.upperBound - 1 - step
      var diagonal = costs[0]
      costs[0] += Self.gap
      for at in 0..<columns.count {
        let column = direction == .forward ? columns.lowerBound + at : columns.upperBound - 1 - at
        let replaced = diagonal + (reference[row] == hypothesis[column] ? 0 : Self.substitution)
        diagonal = costs[at + 1]
        costs[at + 1] = min(replaced, diagonal + Self.gap, costs[at] + Self.gap)
      }
    }
    return costs
  }

  private enum Move: UInt8 { case diagonal, up, left }

  private mutating func alignWithTable(_ rows: Range<Int>, _ columns: Range<Int>) {
    let width = columns.count + 1
    var moves = [Move](repeating: .left, count: (rows.count + 1) * width)
    var costs = (0..<width).map { Cost($0) * Self.gap }
    for row in 0..<rows.count {
      var diagonal = costs[0]
      costs[0] += Self.gap
      moves[(row + 1) * width] = .up
      for column in 0..<columns.count {
        let isSame = reference[rows.lowerBound + row] == hypothesis[columns.lowerBound + column]
        let replaced = diagonal + (isSame ? 0 : Self.substitution)
        let deleted = costs[column + 1] + Self.gap
        let inserted = costs[column] + Self.gap
        diagonal = costs[column + 1]
        let best = min(replaced, deleted, inserted)
        costs[column + 1] = best
        let move: Move = best == replaced ? .diagonal : best == deleted ? .up : .left
        moves[(row + 1) * width + column + 1] = move
      }
    }
    var found: [Alignment.Step] = []
    var (row, column) = (rows.count, columns.count)
    while row > 0 || column > 0 {
      let (reference, hypothesis) = (rows.lowerBound + row - 1, columns.lowerBound + column - 1)
      switch moves[row * width + column] {
      case .diagonal:
        let isSame = self.reference[reference] == self.hypothesis[hypothesis]
        found.append(
          isSame
            ? .hit(reference: reference, hypothesis: hypothesis)
            : .substitution(reference: reference, hypothesis: hypothesis))
        row -= 1
        column -= 1
      case .up:
        found.append(.deletion(reference: reference))
        row -= 1
      case .left:
        found.append(.insertion(hypothesis: hypothesis))
        column -= 1
      }
    }
    steps += found.reversed()
  }
}
