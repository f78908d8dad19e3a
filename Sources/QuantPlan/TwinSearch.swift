import ONNXGraph
import Tensors

/// Finds tables that an export stores twice: [V, d] for Gather and [d, V] for the logits' MatMul.
enum TwinSearch {
  /// Pairs below this size are not worth a look.
  static let minimumElementCount = 1 << 14

  /// For each table (by its place in `weights`) the place of the weight that is its transpose.
  ///
  /// Candidates are compared in full; a few probes reject the others at once.
  static func twins(in weights: [Weight]) -> [Int: Int] {
    var result: [Int: Int] = [:]
    var taken: Set<Int> = []
    for (place, table) in weights.enumerated() where isTable(table) {
      for (other, weight) in weights.enumerated() where !taken.contains(other) && isMatMulOnly(weight) {
        guard weight.content.elementType == table.content.elementType,
          weight.content.shape.dimensions == table.content.shape.dimensions.reversed(),
          isTranspose(weight.content, of: table.content)
        else { continue }
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

  private static func isTranspose(_ candidate: TensorContent, of table: TensorContent) -> Bool {
    let rows = table.shape.dimensions[0]
    let columns = table.shape.dimensions[1]
    guard let bits = table.elementType.bitWidth, bits % 8 == 0 else { return false }
    let width = bits / 8
    return table.bytes.withBytes { tableBytes in
      candidate.bytes.withBytes { candidateBytes in
        func equal(_ row: Int, _ column: Int) -> Bool {
          let first = (row * columns + column) * width
          let second = (column * rows + row) * width
          for byte in 0..<width where tableBytes[first + byte] != candidateBytes[second + byte] {
            return false
          }
          return true
        }
        var probe: UInt64 = 0x9E37_79B9_7F4A_7C15
        for _ in 0..<64 {
          probe = probe &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          let place = Int((probe >> 33) % UInt64(rows * columns))
          if !equal(place / columns, place % columns) { return false }
        }
        // Tiles keep both walks in cache.
        let tile = 64
        for rowStart in stride(from: 0, to: rows, by: tile * 16) {
          let rowEnd = min(rowStart + tile * 16, rows)
          for columnStart in stride(from: 0, to: columns, by: tile) {
            for row in rowStart..<rowEnd {
              for column in columnStart..<min(columnStart + tile, columns) where !equal(row, column) {
                return false
              }
            }
          }
          table.bytes.release((rowStart * columns * width)..<(rowEnd * columns * width))
        }
        candidate.bytes.release()
        return true
      }
    }
  }
}
