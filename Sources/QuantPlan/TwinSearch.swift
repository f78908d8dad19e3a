import Dispatch
import Kernels
import ONNXGraph
import Synchronization
import Tensors

/// Finds tables that an export stores twice: [V, d] for Gather and [d, V] for the logits' MatMul.
package enum TwinSearch {
  /// Pairs below this size are not worth a look.
  static let minimumElementCount = 1 << 12

  /// For each table (by its place in `weights`) the place of the weight that is its transpose.
  ///
  /// Candidates are compared in full; a few probes reject the others at once.
  static func twins(in weights: [Weight]) -> [Int: Int] {
    var result: [Int: Int] = [:]
    var taken: Set<Int> = []
    for (place, table) in weights.enumerated() where isTable(table) {
      for (other, weight) in weights.enumerated() where !taken.contains(other) && isMatMulOnly(weight) {
        guard mayBeTwins(table, weight), isTranspose(weight.content, of: table.content) else { continue }
        result[place] = other
        taken.insert(other)
        break
      }
    }
    return result
  }

  private static func isTable(_ weight: Weight) -> Bool {
    weight.content.shape.elementCount >= minimumElementCount && !weight.uses.isEmpty
      && weight.uses.allSatisfy { if case .gather = $0 { true } else { false } }
  }

  private static func isMatMulOnly(_ weight: Weight) -> Bool {
    !weight.uses.isEmpty && weight.uses.allSatisfy { if case .matMul = $0 { true } else { false } }
  }

  /// Whether types, users and a few probed elements of two weights are those of twins.
  package static func mayBeTwins(_ table: Weight, _ other: Weight) -> Bool {
    isTable(table) && isMatMulOnly(other) && other.content.elementType == table.content.elementType
      && other.seenType == table.seenType && other.graphLabel == table.graphLabel
      && other.content.shape.dimensions == table.content.shape.dimensions.reversed()
      && Comparison(table.content)?.probe(other.content) == true
  }

  private static func isTranspose(_ candidate: TensorContent, of table: TensorContent) -> Bool {
    Comparison(table)?.isWhole(candidate) == true
  }
}

/// Compares a table with its possible transpose.
private struct Comparison {
  let table: TensorContent
  let rows: Int
  let columns: Int
  let width: Int

  init?(_ table: TensorContent) {
    guard table.shape.rank == 2, let bits = table.elementType.bitWidth, [16, 32, 64].contains(bits) else {
      return nil
    }
    self.table = table
    rows = table.shape.dimensions[0]
    columns = table.shape.dimensions[1]
    width = bits / 8
  }

  private func equal(
    _ row: Int, _ column: Int, _ tableBytes: Span<UInt8>, _ candidateBytes: Span<UInt8>
  ) -> Bool {
    let first = (row * columns + column) * width
    let second = (column * rows + row) * width
    for byte in 0..<width where tableBytes[first + byte] != candidateBytes[second + byte] { return false }
    return true
  }

  /// Looks at 64 elements.
  func probe(_ candidate: TensorContent) -> Bool {
    table.bytes.withBytes { tableBytes in
      candidate.bytes.withBytes { candidateBytes in
        var probe: UInt64 = 0x9E37_79B9_7F4A_7C15
        for _ in 0..<64 {
          probe = probe &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          let place = Int((probe >> 33) % UInt64(rows * columns))
          if !equal(place / columns, place % columns, tableBytes, candidateBytes) { return false }
        }
        return true
      }
    }
  }

  /// Looks at all elements, in tiles that keep both walks in cache, on all cores.
  func isWhole(_ candidate: TensorContent) -> Bool {
    let isSame = Atomic(true)
    let steps = (rows + Self.rowsPerStep - 1) / Self.rowsPerStep
    DispatchQueue.concurrentPerform(iterations: steps) { step in
      guard isSame.load(ordering: .relaxed) else { return }
      let start = step * Self.rowsPerStep
      let part = start..<min(start + Self.rowsPerStep, rows)
      if !isTranspose(candidate, rows: part) { isSame.store(false, ordering: .relaxed) }
      guard releases else { return }
      // A step touches a strip of every row of the candidate, so all of it is given back.
      table.bytes.release((part.lowerBound * columns * width)..<(part.upperBound * columns * width))
      candidate.bytes.release()
    }
    table.bytes.release()
    candidate.bytes.release()
    return isSame.load(ordering: .relaxed)
  }

  private func isTranspose(_ candidate: TensorContent, rows part: Range<Int>) -> Bool {
    table.bytes.withBytes { tableBytes in
      candidate.bytes.withBytes { candidateBytes in
        // Bytes have no padding, so reading them raw is sound.
        TransposeComparison.isTranspose(
          unsafe tableBytes.bytes, unsafe candidateBytes.bytes, rowCount: rows, columnCount: columns,
          elementByteCount: width, rows: part)
      }
    }
  }

  /// Whether the two are too large to be mapped as a whole for a moment.
  private var releases: Bool { table.bytes.byteCount > 96 << 20 }

  /// Rows of the table between two releases. Linux maps 64 KiB around every fault, so a step holds about that much
  /// of each row of the candidate; more rows at a time would hold more of the table.
  private static let rowsPerStep = 4096
}
