import ONNXFile
import Tensors

/// Makes masks of −∞ and of huge negative numbers −100, and removes the guards against their NaN.
///
/// Why the result is the same in float32: let m be the largest score of a row that is not masked. A masked
/// score s gets the weight exp(s − 100 − m) beside a sum of at least 1. As long as s exceeds m by less than 83
/// it is below exp(−17) < 2⁻²⁴, so no other weight of the row changes by a bit; as long as s ≤ m − 4 it is below
/// exp(−104) and exactly 0, and at s = m it is 4e-44. Scores of trained Whisper models span less than 40. A row
/// that is masked whole has no result with −∞ (it is NaN, and 0 behind a guard); such a mask is left as it is.
public struct MaskClamp: GraphPass {
  public let name = "clamp-masks"
  public let requires = "Constants folded."
  public let does =
    "Raises constants at or below −10000 that reach a Softmax through Add, Where and moves to −100; removes "
    + "Where(IsNaN(x), 0, x) around a Softmax."
  public let ensures = "Ranges of scores are finite; no Softmax needs a guard."

  /// At and below this a constant hides a position.
  public static let threshold = -1e4
  /// What hides a position afterwards.
  public static let fill: Float = -100

  public init() {}

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    var changeCount = 0
    var notes: [String] = []
    var visited: Set<ValueID> = []
    for node in model[model.root].nodes where model.isPresent(node) && model.isOperator(node, "Softmax") {
      guard let scores = model.input(0, of: node), let output = model.output(of: node) else { continue }
      let noteCount = notes.count
      changeCount += clamp(scores, &visited, &notes, &model)
      if notes.count == noteCount { changeCount += removeGuards(output, &model) }
    }
    return PassReport(name: name, changeCount: changeCount, notes: notes)
  }

  private func clamp(
    _ value: ValueID, _ visited: inout Set<ValueID>, _ notes: inout [String], _ model: inout ModelGraph
  ) -> Int {
    guard visited.insert(value).inserted, let producer = model[value].producer,
      model[producer].domain.isEmpty
    else { return 0 }
    let places: [Int]
    switch model[producer].opType {
    case "Add": places = [0, 1]
    case "Where": places = [1, 2]
    case "Reshape", "Transpose", "Slice", "Expand", "Unsqueeze", "Squeeze", "Cast", "Gather", "Tile",
      "Identity", "Trilu":
      places = [0]
    case "Concat", "Max", "Min": places = Array(model[producer].inputs.indices)
    default: return 0
    }
    var count = 0
    for index in places {
      guard let operand = model.input(index, of: producer) else { continue }
      guard let content = model.constantContent(of: operand) else {
        count += clamp(operand, &visited, &notes, &model)
        continue
      }
      guard let clamped = Self.clamped(content) else { continue }
      if Self.hidesRow(content) {
        let note = "the mask '\(model[operand].name)' hides whole rows and stays as it is"
        if model[producer].opType == "Add", !notes.contains(note) {
          notes.append(note)
          continue
        }
      }
      let constant = model.makeInitializer("\(model[operand].name)_clamped", clamped, in: model.root)
      model.setInput(index, of: producer, to: constant)
      count += 1
    }
    return count
  }

  /// The same constant with −100 for what hides; nil when nothing does.
  static func clamped(_ content: TensorContent) -> TensorContent? {
    guard Self.isFloat(content), content.shape.elementCount <= 1 << 24, let numbers = content.numbers,
      numbers.contains(where: { $0 <= threshold })
    else { return nil }
    let raised = numbers.map { $0 <= threshold ? fill : Float($0) }
    return TensorContent(floats: raised, shape: content.shape).converted(to: content.elementType)
  }

  private static func isFloat(_ content: TensorContent) -> Bool {
    switch content.elementType {
    case .float32, .float64, .float16, .bfloat16: true
    default: false
    }
  }

  /// Whether some row has no position that is seen.
  private static func hidesRow(_ content: TensorContent) -> Bool {
    guard let width = content.shape.dimensions.last, width > 0, let numbers = content.numbers else {
      return false
    }
    return stride(from: 0, to: numbers.count, by: width).contains { start in
      numbers[start..<min(start + width, numbers.count)].allSatisfy { $0 <= threshold }
    }
  }

  /// Where(IsNaN(x), 0, x) becomes x.
  private func removeGuards(_ value: ValueID, _ model: inout ModelGraph) -> Int {
    var count = 0
    for use in model[value].uses where model.isPresent(use.node) && model.isOperator(use.node, "IsNaN") {
      guard let test = model.output(of: use.node), let choice = model.soleUser(test, "Where"),
        model.input(0, of: choice) == test, model.input(2, of: choice) == value,
        model.scalar(model.input(1, of: choice)) == 0, let result = model.output(of: choice)
      else { continue }
      if model.substitute(result, by: value) {
        model.remove([choice, use.node])
        count += 1
      }
    }
    return count
  }
}
